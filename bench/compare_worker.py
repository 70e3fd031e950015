"""One side of `bench/compare.py`: runs rules over payloads when asked, with the `ottl` of its own environment.

A request is a line of JSON, and so is the answer:

- `{"case", "config", "signal", "encoding", "payload"}` makes a case ready: `{"digest"}` of what comes out, or
  `{"error"}`;
- `{"case", "count"}` runs it so often: `{"ns"}`, the fastest of the runs;
- an empty line ends the program. The first line of all says where `ottl` comes from.

Only what every version has is used: `ottl.Transform` and `process`.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ottl


def prepare(request: dict[str, Any], cases: dict[str, Callable[[], bytes]]) -> dict[str, Any]:
    """Compiles the rules of a case, reads its payload and runs it once."""
    data = Path(request["payload"]).read_bytes()
    try:
        process = ottl.Transform(request["config"]).process

        def run() -> bytes:
            return process(data, signal=request["signal"], encoding=request["encoding"])

        result = run()
    except Exception as error:  # noqa: BLE001 (an edge: the other side shows it)
        return {"error": f"{type(error).__name__}: {error}"}
    cases[request["case"]] = run
    return {"digest": hashlib.sha256(result).hexdigest()}


def measure(run: Callable[[], bytes], count: int) -> int:
    """Nanoseconds of the fastest of some runs."""
    clock = time.perf_counter_ns
    best = 1 << 62
    for _ in range(count):
        start = clock()
        run()
        best = min(best, clock() - start)
    return best


def main() -> None:
    """Answers requests until an empty line."""
    cases: dict[str, Callable[[], bytes]] = {}
    print(json.dumps({"home": str(Path(ottl.__file__).resolve().parent)}), flush=True)
    for line in sys.stdin:
        if not line.strip():
            return
        request = json.loads(line)
        if "count" in request:
            answer: dict[str, Any] = {"ns": measure(cases[request["case"]], request["count"])}
        else:
            answer = prepare(request, cases)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

"""What each stage costs at least, over spans: `python bench/floors.py [--quick] [--rows 8000] [--markdown]`.

The codec alone, without statements, beside protobuf objects and plain copying: what is left above these floors is the
rules' own cost.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from bench import contenders, harness, payloads
from ottl.codec import native


def _patched(layout: Any, data: bytes, step: int, seconds: float) -> float:
    """Seconds a patch, with every so-many-th row touched; none at 0."""
    table = layout.tables["span"]
    total, count = 0.0, 0
    end = time.perf_counter() + seconds
    while count < 3 or time.perf_counter() < end:
        batch: Any = native.scan(layout, data, contenders.LARGE)
        if step:
            batch.touch(table, np.arange(0, batch.rows(table), step, dtype=np.int32))
        start = time.perf_counter()
        batch.patch()
        total += time.perf_counter() - start
        count += 1
    return total / count


def stages(data: bytes, seconds: float) -> dict[str, Callable[[], float]]:
    """Stage to a turn of it."""
    limits = contenders.LARGE
    none = native.layout("traces", {"span"}, set(), False)
    mapped = native.layout("traces", {"span"}, {("span", ("attributes",))}, False)
    parsed = TracesData.FromString(data)
    encoded = native.to_json(data, "traces", limits)
    runs: dict[str, Callable[[], object]] = {
        "all bytes copied once": lambda: bytearray(data),
        "scan, nothing extracted": lambda: native.scan(none, data, limits),
        "scan, attributes of spans": lambda: native.scan(mapped, data, limits),
        "protobuf objects: parse": lambda: TracesData.FromString(data),
        "protobuf objects: serialise": parsed.SerializeToString,
        "protobuf to JSON": lambda: native.to_json(data, "traces", limits),
        "JSON to protobuf": lambda: native.from_json(encoded, "traces", limits),
    }
    found: dict[str, Callable[[], float]] = {name: partial(harness.turn, seconds, run) for name, run in runs.items()}
    for name, step in (
        ("patch, nothing changed", 0),
        ("patch, one row in three copied again", 3),
        ("patch, all rows", 1),
    ):
        found[name] = partial(_patched, mapped, data, step, seconds)
    return found


def main() -> None:
    """Measures and prints."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--rows", type=int, default=8000, help="spans (%(default)s)")
    given = parser.parse_args()
    plan = harness.QUICK if given.quick else harness.FULL
    facts, _ = harness.begin(peers=False)
    found = harness.rounds(stages(payloads.traces(given.rows), plan.seconds), plan.rounds)
    micros = {name: [t / given.rows * 1e6 for t in times] for name, times in found.items()}
    table = harness.table(["stage", "µs a span"], [[name, str(harness.Spread.of(t))] for name, t in micros.items()])
    print(table)
    harness.save("floors", {"machine": facts, "micros": micros}, given.json)
    if given.markdown:
        harness.write_section("bench/floors.py", f"{harness.source_line(facts)}\n\n{table}")


if __name__ == "__main__":
    main()

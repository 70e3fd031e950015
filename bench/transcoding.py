"""JSON in and out against the reference: `python bench/transcoding.py [--quick] [--payloads 512,8000] [--markdown]`.

For every signal, the native codec's two directions (JSON to protobuf, and back) run by turns with the reference's
`JSONUnmarshaler` and `JSONMarshaler` over the same text; shown are the medians of all turns, in microseconds a row.
What each makes of the other's text is compared before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import harness, payloads
from ottl import Limits
from ottl.codec import native
from tests import otlp_compare

ROUNDS: Final = 7
SECONDS: Final = 0.3
QUICK_SECONDS: Final = 0.05


def _micros(run: Callable[[], object], seconds: float, rows: int) -> float:
    count, total = harness.time_for(seconds, run)
    return total / count / rows * 1e6


def check(signal: str, data: bytes, reference: harness.Reference, source: Path, result: Path) -> None:
    """Ends the program where the reference's JSON of our JSON says something else."""
    reference.ask(signal=signal, payload=str(source), json=True, iterations=1, output=str(result))
    again = native.from_json(result.read_bytes(), signal, Limits())
    if otlp_compare.parse_protobuf(again, signal) != otlp_compare.parse_protobuf(data, signal):
        sys.exit(f"{signal}: the reference's JSON differs from ours")


def measure(
    signal: str, rows: int, seconds: float, reference: harness.Reference | None, folder: Path
) -> dict[str, float]:
    """Medians of the turns, in microseconds a row."""
    data, limits = payloads.MAKERS[signal](rows), Limits()
    text = native.to_json(data, signal, limits)
    source, result = folder / "text", folder / "answer"
    source.write_bytes(text)
    if reference is not None:
        check(signal, data, reference, source, result)
    turns: dict[str, list[float]] = {"in": [], "out": [], "unmarshal": [], "marshal": []}
    for _ in range(ROUNDS):
        turns["in"].append(_micros(lambda: native.from_json(text, signal, limits), seconds, rows))
        turns["out"].append(_micros(lambda: native.to_json(data, signal, limits), seconds, rows))
        if reference is not None:
            theirs = reference.ask(signal=signal, payload=str(source), json=True, seconds=2 * seconds)["ns_per_op"]
            turns["unmarshal"].append(theirs["unmarshal"] / rows / 1000)
            turns["marshal"].append(theirs["marshal"] / rows / 1000)
    return {"bytes": len(text) / rows} | {name: statistics.median(found or [0.0]) for name, found in turns.items()}


def line(signal: str, rows: int, found: dict[str, float]) -> list[str]:
    """A line of the table."""
    ours = found["in"] + found["out"]
    ratio = (found["unmarshal"] + found["marshal"]) / ours
    cells = [f"{found[name]:.2f}" for name in ("in", "out", "unmarshal", "marshal")]
    return [f"{signal}, {rows:,}", f"{found['bytes']:.0f}", *cells, f"{ratio:.1f}" if ratio else "-"]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short turns: for a look, not for a record")
    parser.add_argument("--payloads", default="512,8000", help="rows a payload, with commas between")
    parser.add_argument("--markdown", action="store_true", help="write the table into docs/performance.md too")
    arguments = parser.parse_args()
    harness.require_native()
    facts = harness.describe()
    harness.pin()
    reference = harness.Reference.start()
    seconds = QUICK_SECONDS if arguments.quick else SECONDS
    with tempfile.TemporaryDirectory() as name:
        lines = [
            line(signal, rows, measure(signal, rows, seconds, reference, Path(name)))
            for signal in payloads.MAKERS
            for rows in map(int, arguments.payloads.split(","))
        ]
    if reference is not None:
        reference.stop()
    header = ["rows a payload", "JSON bytes a row", "in", "out", "unmarshal", "marshal", "ratio"]
    shown = f"{harness.machine_lines(facts)}\n\nMicroseconds a row:\n\n{harness.table(header, lines)}"
    print(shown)
    if arguments.markdown:
        harness.write_section("bench/transcoding.py", shown)


if __name__ == "__main__":
    main()

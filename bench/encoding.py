"""JSON in and out, against the reference's own JSON unmarshal and marshal: `python bench/encoding.py [--quick]`.

Rule set `none` is the codec alone: ours from JSON to protobuf and back (`Transform.process` would hand the bytes back
as they came), the reference's from JSON to its structures and back. The other rule sets are `Transform.process` on OTLP
JSON as a user calls it, against the reference doing the same, and against its unmarshal and marshal without statements.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import contenders, harness, payloads, rules
from ottl.codec import native

SIGNALS: Final = ("traces", "logs", "metrics")
ROWS: Final = 8000


@dataclass(frozen=True, slots=True)
class Measurement:
    """Microseconds a row in each round.

    Args:
        signal: `traces`, `logs` or `metrics`.
        rows: rows of the payload.
        payload_bytes: its size in JSON.
        rule_set: name in `rules.STATEMENTS`.
        ours: JSON in, JSON out.
        theirs: the reference doing the same.
        codec: its unmarshal and marshal alone.
        directions: ours and theirs, in and out, for the codec alone; else empty.
    """

    signal: str
    rows: int
    payload_bytes: int
    rule_set: str
    ours: list[float]
    theirs: list[float]
    codec: list[float]
    directions: dict[str, list[float]]


def runner(signal: str, rule_set: str, data: bytes) -> Callable[[], bytes]:
    """What a turn of ours repeats."""
    limits = contenders.LARGE
    if rule_set == "none":
        return lambda: native.to_json(native.from_json(data, signal, limits), signal, limits)
    processor = contenders.transform(rules.configuration(signal, rule_set))

    def run() -> bytes:
        result: bytes = processor.process(data, signal=signal, encoding="json")
        return result

    return run


def _directions(signal: str, data: bytes, seconds: float) -> dict[str, Callable[[], float]]:
    """Turns of both directions of ours."""
    limits = contenders.LARGE
    encoded = native.from_json(data, signal, limits)
    return {
        "ours, in": lambda: harness.turn(seconds, lambda: native.from_json(data, signal, limits)),
        "ours, out": lambda: harness.turn(seconds, lambda: native.to_json(encoded, signal, limits)),
    }


def measure(
    signal: str, rule_set: str, rows: int, plan: harness.Plan, server: harness.Server | None, folder: Path
) -> Measurement:
    """By turns, after the outputs were compared."""
    data = native.to_json(payloads.MAKERS[signal](rows), signal, contenders.LARGE)
    run = runner(signal, rule_set, data)
    source, answer = folder / f"{signal}.json", folder / "answer"
    source.write_bytes(data)
    takers: dict[str, Callable[[], Any]] = {"ours": lambda: harness.turn(plan.seconds, run)}
    if server is not None:
        request = {"signal": signal, "payload": str(source), "json": True}
        if rule_set != "none":
            request["config"] = rules.configuration(signal, rule_set)
        server.ask(**request, iterations=1, output=str(answer))
        ordered = rule_set != "parsing"  # ParseJSON of the reference gives keys in no order
        what = f"{signal} in JSON, {rule_set}"
        contenders.same(what, run(), answer.read_bytes(), signal, ordered=ordered, json=True)
        takers["theirs"] = lambda: contenders.server_turn(server, plan.seconds, **request)
    if rule_set == "none":
        takers |= _directions(signal, data, plan.seconds / 2)
    found = harness.rounds(takers, plan.rounds)
    theirs = found.get("theirs", [])
    micros = 1e6 / rows
    directions = {name: [t * micros for t in found[name]] for name in found if ", " in name}
    for name, part in (("theirs, in", "unmarshal"), ("theirs, out", "marshal")):
        if directions and theirs:
            directions[name] = [t[part] * micros for t in theirs]
    return Measurement(
        signal,
        rows,
        len(data),
        rule_set,
        [t * micros for t in found["ours"]],
        [t["total"] * micros for t in theirs],
        [(t["unmarshal"] + t["marshal"]) * micros for t in theirs],
        directions,
    )


def results_table(found: Sequence[Measurement]) -> str:
    """The measurements in markdown."""
    header = ["signal, rules", "bytes a row", "ours", "reference", "its codec alone", "ratio", "to its codec alone"]
    of = harness.Spread.of
    lines = [
        [
            f"{m.signal}, {m.rule_set}",
            f"{m.payload_bytes / m.rows:.0f}",
            str(of(m.ours)),
            str(of(m.theirs)),
            str(of(m.codec)),
            str(of(harness.ratios(m.theirs, m.ours))) if m.theirs else "-",
            str(of(harness.ratios(m.codec, m.ours))) if m.codec else "-",
        ]
        for m in found
    ]
    return harness.table(header, lines)


def directions_table(found: Sequence[Measurement]) -> str:
    """The codec alone, each direction, in markdown."""
    header = ["codec alone", "ours, in", "ours, out", "reference, in", "reference, out"]
    lines = []
    for m in found:
        if m.directions:
            spreads = [
                harness.Spread.of(m.directions.get(f"{who}, {way}", []))
                for who in ("ours", "theirs")
                for way in ("in", "out")
            ]
            lines.append([m.signal, *map(str, spreads)])
    return harness.table(header, lines)


def main() -> None:
    """Measures and prints."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows a payload (%(default)s)")
    given = parser.parse_args()
    plan = harness.QUICK if given.quick else harness.FULL
    facts, server = harness.begin()
    with tempfile.TemporaryDirectory() as name:
        found = [
            measure(signal, rule_set, given.rows, plan, server, Path(name))
            for signal in SIGNALS
            for rule_set in rules.STATEMENTS[signal]
        ]
    if server is not None:
        server.stop()
    text = f"Microseconds a row, {given.rows:,} rows:\n\n{results_table(found)}\n\n{directions_table(found)}"
    print(text)
    harness.save("encoding", {"machine": facts, "measurements": found}, given.json)
    if given.markdown:
        harness.write_section("bench/encoding.py", f"{harness.source_line(facts)}\n\n{text}")


if __name__ == "__main__":
    main()

"""Ours and its peers doing the same to the same spans: `python bench/peers.py [--quick] [--rows 8000]`.

- *ours*: `Transform.process`, OTLP protobuf in and out, and OTLP JSON in and out;
- *reference*: the collector's transform processor with its codec, both encodings too (`bench/reference`);
- *protobuf in Python*: a loop over protobuf objects, from bytes to bytes (`bench/by_hand.py`);
- *SDK for Python*: a `SpanProcessor` (`bench/sdk.py`). It gets objects, not bytes: nothing is parsed, and what it sends
  is encoded by the SDK's exporter;
- *VRL*: the crate `vrl` 0.38 with the allocator of Vector (`bench/vrl`), from JSON lines to JSON lines, an event a span
  (`bench/events.py`), which carries its resource with it.

Before anything is timed, the outputs are compared: as messages where they are OTLP; span by span, as events, with those
of the SDK and VRL. What the SDK does not keep (flags of a span, scopes as they came) is left out of the comparison.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import by_hand, contenders, events, harness, payloads, rules
from ottl.codec import native

RULE_SETS: Final = ("one", "policy", "mixed")
CHECKED_ROWS: Final = 512
NAMES: Final = {
    "ours": "ours, protobuf",
    "ours_json": "ours, OTLP JSON",
    "reference": "reference, protobuf",
    "reference_json": "reference, OTLP JSON",
    "hand": "protobuf in Python",
    "sdk": "SDK for Python, objects to protobuf",
    "vrl": "VRL, JSON lines",
}
LOST_BY_SDK: Final = ("flags",)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contender with one rule set, seconds a payload in each round.

    Args:
        peer: key of `NAMES`.
        rule_set: name in `rules.STATEMENTS`.
        bytes_in: size of the payload in its encoding; 0 for objects.
        seconds: the whole, and its parts where the peer tells them.
    """

    peer: str
    rule_set: str
    bytes_in: int
    seconds: list[dict[str, float]]

    def micros(self, part: str, rows: int) -> list[float]:
        """Microseconds a row in each round; empty where the part is not told."""
        return [s[part] / rows * 1e6 for s in self.seconds if part in s]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The same spans in all forms.

    Args:
        protobuf: OTLP.
        json: OTLP JSON.
        lines: events.
        folder: where they lie as files of these names.
    """

    protobuf: bytes
    json: bytes
    lines: bytes
    folder: Path

    @classmethod
    def of(cls, rows: int, folder: Path) -> Inputs:
        """So many spans, written to the folder."""
        data = payloads.traces(rows)
        made = cls(
            data,
            native.to_json(data, "traces", contenders.LARGE),
            events.to_lines(events.of_payload(data)),
            folder,
        )
        for name in ("protobuf", "json", "lines"):
            (folder / name).write_bytes(getattr(made, name))
        return made

    def path(self, name: str) -> str:
        """Of the file."""
        return str(self.folder / name)


@dataclass(frozen=True, slots=True)
class Peers:
    """The programs that are there.

    Args:
        reference: the collector's.
        vrl: Vector's language.
        sdk: the module `bench.sdk`, where its packages are installed.
    """

    reference: harness.Server | None
    vrl: harness.Server | None
    sdk: Any

    def stop(self) -> None:
        """Ends the programs."""
        for server in (self.reference, self.vrl):
            if server is not None:
                server.stop()


def _program(rule_set: str) -> str:
    return (harness.ROOT / "bench" / "vrl" / f"{rule_set}.vrl").read_text(encoding="utf-8")


def _sdk_module() -> Any:
    if not all(importlib.util.find_spec(f"opentelemetry.{name}") for name in ("sdk", "exporter")):
        print("the SDK is not installed: pip install -r bench/requirements.txt")
        return None
    from bench import sdk

    return sdk


# -- agreement ------------------------------------------------------------------------------------------------------


def _same_events(what: str, ours: bytes, theirs: Sequence[events.Event], lost: Sequence[str] = ()) -> None:
    """Ends the program where the spans differ; their order does not count."""

    def by_id(found: Sequence[events.Event]) -> dict[str, events.Event]:
        return {e["span_id"]: {k: v for k, v in e.items() if k not in lost} for e in found}

    left, right = by_id(list(events.of_payload(ours))), by_id(theirs)
    if left != right:
        key = next(key for key in left if left[key] != right.get(key))
        sys.exit(f"{what} and ours differ:\n  {right.get(key)}\n  {left[key]}")


def check(rule_set: str, peers: Peers, folder: Path) -> None:
    """Compares what all make of the same spans."""
    given = Inputs.of(CHECKED_ROWS, folder)
    configuration = rules.configuration("traces", rule_set)
    processor = contenders.transform(configuration)
    ours = processor.process(given.protobuf, signal="traces")
    contenders.same("by hand", ours, by_hand.LOOPS["traces"][rule_set](given.protobuf), "traces", ordered=False)
    ours_json = processor.process(given.json, signal="traces", encoding="json")
    contenders.same("JSON", ours, native.from_json(ours_json, "traces", contenders.LARGE), "traces")
    answer = folder / "answer"
    if peers.reference is not None:
        request = {"config": configuration, "signal": "traces", "iterations": 1, "output": str(answer)}
        peers.reference.ask(**request, payload=given.path("protobuf"))
        contenders.same("the reference", ours, answer.read_bytes(), "traces")
        peers.reference.ask(**request, payload=given.path("json"), json=True)
        contenders.same("the reference in JSON", ours_json, answer.read_bytes(), "traces", json=True)
    if peers.sdk is not None:
        edited = peers.sdk.edit(peers.sdk.spans(events.from_lines(given.lines)), rule_set)
        _same_events("the SDK", ours, list(events.of_payload(peers.sdk.export(edited))), LOST_BY_SDK)
    if peers.vrl is not None:
        peers.vrl.ask(program=_program(rule_set), payload=given.path("lines"), seconds=0, output=str(answer))
        _same_events("VRL", ours, events.from_lines(answer.read_bytes()))


# -- turns ----------------------------------------------------------------------------------------------------------


def _sdk_turn(sdk: Any, ended: Any, rule_set: str, seconds: float) -> dict[str, float]:
    process = harness.turn(seconds / 2, lambda: sdk.edit(ended, rule_set))
    edited = sdk.edit(ended, rule_set)
    marshal = harness.turn(seconds / 2, lambda: sdk.export(edited))
    return {"process": process, "marshal": marshal, "total": process + marshal}


def measure(rule_set: str, given: Inputs, plan: harness.Plan, peers: Peers) -> list[Measurement]:
    """All by turns."""
    configuration = rules.configuration("traces", rule_set)
    processor = contenders.transform(configuration)
    seconds = plan.seconds
    takers: dict[str, Callable[[], dict[str, float]]] = {}

    def whole(name: str, run: Callable[[], object]) -> None:
        run()
        takers[name] = lambda: {"total": harness.turn(seconds, run)}

    whole("ours", lambda: processor.process(given.protobuf, signal="traces"))
    reference, vrl, sdk = peers.reference, peers.vrl, peers.sdk
    if reference is not None:
        request = {"config": configuration, "signal": "traces"}
        takers["reference"] = lambda: contenders.server_turn(
            reference, seconds, payload=given.path("protobuf"), **request
        )
        takers["reference_json"] = lambda: contenders.server_turn(
            reference, seconds, payload=given.path("json"), json=True, **request
        )
    whole("ours_json", lambda: processor.process(given.json, signal="traces", encoding="json"))
    if vrl is not None:
        program = _program(rule_set)
        takers["vrl"] = lambda: contenders.server_turn(vrl, seconds, payload=given.path("lines"), program=program)
    whole("hand", lambda: by_hand.LOOPS["traces"][rule_set](given.protobuf))
    if sdk is not None:
        ended = sdk.spans(events.from_lines(given.lines))
        takers["sdk"] = lambda: _sdk_turn(sdk, ended, rule_set, seconds)
    sizes = {"sdk": 0, "vrl": len(given.lines)}
    found = harness.rounds(takers, plan.rounds)
    return [
        Measurement(
            name,
            rule_set,
            sizes.get(name, len(given.json if name.endswith("_json") else given.protobuf)),
            found[name],
        )
        for name in NAMES
        if name in found
    ]


def results_table(found: Sequence[Measurement], rows: int) -> str:
    """The measurements in markdown: the ratio is theirs over ours in protobuf."""
    header = ["rules, contender", "bytes a span", "parse", "rules", "write", "whole", "times ours"]
    lines = []
    for rule_set in RULE_SETS:
        chosen = [m for m in found if m.rule_set == rule_set]
        ours = chosen[0].micros("total", rows)
        for m in chosen:
            parts = [harness.Spread.of(m.micros(part, rows)).median for part in ("unmarshal", "process", "marshal")]
            ratio = harness.Spread.of(harness.ratios(m.micros("total", rows), ours))
            lines.append([
                f"{rule_set}, {NAMES[m.peer]}",
                f"{m.bytes_in / rows:.0f}" if m.bytes_in else "objects",
                *map(harness.number, parts),
                str(harness.Spread.of(m.micros("total", rows))),
                "1" if m is chosen[0] else str(ratio),
            ])  # fmt: skip
    return harness.table(header, lines)


def main() -> None:
    """Compares, measures and prints."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--rows", type=int, default=8000, help="spans a payload (%(default)s)")
    given = parser.parse_args()
    plan = harness.QUICK if given.quick else harness.FULL
    facts, reference = harness.begin()
    peers = Peers(reference, harness.Vrl.start(), _sdk_module())
    with tempfile.TemporaryDirectory() as name:
        for rule_set in RULE_SETS:
            check(rule_set, peers, Path(name))
        print(f"all agree on what becomes of {CHECKED_ROWS} spans", flush=True)
        inputs = Inputs.of(given.rows, Path(name))
        found = [m for rule_set in RULE_SETS for m in measure(rule_set, inputs, plan, peers)]
    peers.stop()
    text = f"Microseconds a span, {given.rows:,} spans:\n\n{results_table(found, given.rows)}"
    print(text)
    harness.save("peers", {"machine": facts, "rows": given.rows, "names": NAMES, "measurements": found}, given.json)
    if given.markdown:
        harness.write_section("bench/peers.py", f"{harness.source_line(facts)}\n\n{text}")


if __name__ == "__main__":
    main()

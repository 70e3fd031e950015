"""Ours against the reference: microseconds a row over rule sets and sizes of payload, side by side on one core.

    python bench/run.py [--quick] [--signals traces,logs,metrics] [--payloads 1,16,64,512,8000]
                        [--json FILE] [--markdown]

For every signal, size and rule set (`bench/rules.py`) the contenders run by turns, round after round, and the means
over all rounds are shown:

- *ours*: `Transform.process` as a user calls it, bytes in, bytes out; the share of its stages is measured by calling
  them one by one;
- *reference*: the collector's transform processor with its codec, in `bench/reference` (without Go: only ours);
- *columns* and *rows*: both stacks of ours, whichever `auto` takes;
- *by hand*: protobuf objects in a Python loop, one function a rule set (`bench/by_hand.py`).

Before anything is timed, the outputs of all contenders are compared, with the order of attributes where there is one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

import ottl
from bench import by_hand, harness, payloads, rules, stages
from ottl.codec import native as native_codec
from tests import otlp_compare

SIZES: Final = (1, 16, 64, 512, 8000)
ROWS: Final = {"traces": "spans", "logs": "log records", "metrics": "data points"}
CHECKED_ROWS: Final = 512
SCORED: Final = ("one", "policy", "mixed")


@dataclass(slots=True)
class Mean:
    """A mean that grows.

    Args:
        count: runs so far.
        seconds: their time in all.
    """

    count: int = 0
    seconds: float = 0.0

    def add(self, count: int, seconds: float) -> None:
        """More runs."""
        self.count += count
        self.seconds += seconds

    def micros(self, rows: int) -> float:
        """Microseconds a row."""
        return self.seconds / self.count / rows * 1e6 if self.count else math.nan


@dataclass(frozen=True, slots=True)
class Measurement:
    """One rule set over one payload; all times in microseconds a row.

    Args:
        signal: `traces`, `logs` or `metrics`.
        rows: rows of the payload.
        payload_bytes: its size.
        rule_set: name in `rules.STATEMENTS`.
        stack: `columns`, `rows`, or `-` where there is nothing to run.
        ours: the whole of `Transform.process`.
        stages: scan, statements and patch of ours (parse, statements and serialise in rows).
        reference: unmarshal, process, marshal and total; empty without Go.
        columns: all passes over tables, whatever `auto` does.
        plain: all passes over messages.
        hand: the loop written by hand.
    """

    signal: str
    rows: int
    payload_bytes: int
    rule_set: str
    stack: str
    ours: float
    stages: dict[str, float]
    reference: dict[str, float] = field(default_factory=dict)
    columns: float = math.nan
    plain: float = math.nan
    hand: float = math.nan

    @property
    def ratio(self) -> float:
        """How many times faster than the reference."""
        return self.reference["total"] / self.ours if self.reference else math.nan


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure.

    Args:
        rounds: turns of each contender.
        seconds: length of a turn of ours and of the reference; the others get a third.
    """

    rounds: int
    seconds: float


FULL: Final = Plan(rounds=5, seconds=0.4)
QUICK: Final = Plan(rounds=2, seconds=0.1)


# -- contenders -----------------------------------------------------------------------------------------------------


def transform(signal: str, rule_set: str, stack: Any = "auto") -> Any:
    """The rule set as a processor of ours."""
    return ottl.Transform(rules.configuration(signal, rule_set), stack=stack)


def check(signal: str, rule_set: str, reference: harness.Reference | None, folder: Path) -> None:
    """Compares what the contenders make of one payload; ends the program where they differ."""
    data = payloads.MAKERS[signal](CHECKED_ROWS)
    automatic = transform(signal, rule_set)
    ours = automatic.process(data, signal=signal)
    errors = [s for s in automatic.stats() if s.errors]
    if errors:
        sys.exit(f"{signal}, {rule_set}: {errors[0].statement} fails: {errors[0].first_error}")
    _same(signal, rule_set, "rows", ours, transform(signal, rule_set, "plain").process(data, signal=signal))
    _same(signal, rule_set, "by hand", ours, by_hand.LOOPS[signal][rule_set](data), ordered=False)
    if reference is not None:
        source, result = folder / "checked", folder / "answer"
        source.write_bytes(data)
        configuration = rules.configuration(signal, rule_set)
        reference.ask(config=configuration, signal=signal, payload=str(source), iterations=1, output=str(result))
        # ParseJSON of the reference gives keys in no order.
        _same(signal, rule_set, "reference", ours, result.read_bytes(), ordered=rule_set != "parsing")


def _same(signal: str, rule_set: str, other: str, ours: bytes, theirs: bytes, *, ordered: bool = True) -> None:
    left = otlp_compare.parse_protobuf(theirs, signal, ordered=ordered)
    right = otlp_compare.parse_protobuf(ours, signal, ordered=ordered)
    if not otlp_compare.equal(left, right):
        found = "\n  ".join(otlp_compare.differences(left, right))
        sys.exit(f"{signal}, {rule_set}: {other} and ours differ:\n  {found}")


def measure(
    signal: str, rows: int, rule_set: str, plan: Plan, reference: harness.Reference | None, folder: Path
) -> Measurement:
    """All contenders by turns, on one payload and rule set."""
    data = payloads.MAKERS[signal](rows)
    source = folder / f"{signal}-{rows}"
    source.write_bytes(data)
    ours = transform(signal, rule_set)
    others: dict[str, Callable[[], object]] = {"hand": lambda: by_hand.LOOPS[signal][rule_set](data)}
    if rule_set != "none":
        plain = transform(signal, rule_set, "plain")
        others["plain"] = lambda: plain.process(data, signal=signal)
        if stages.in_columns(ours, signal):
            columns = transform(signal, rule_set, "fast")
            others["columns"] = lambda: columns.process(data, signal=signal)
    means = {name: Mean() for name in ("ours", *others)}
    theirs: list[dict[str, Any]] = []
    ours.process(data, signal=signal)
    for _ in range(plan.rounds):
        if reference is not None:
            configuration = rules.configuration(signal, rule_set)
            theirs.append(reference.ask(config=configuration, signal=signal, payload=str(source), seconds=plan.seconds))
        means["ours"].add(*harness.time_for(plan.seconds, lambda: ours.process(data, signal=signal)))
        for name, run in others.items():
            means[name].add(*harness.time_for(plan.seconds / 3, run))
    steps = stages.measure(ours, data, signal, plan.seconds)
    iterations = sum(result["iterations"] for result in theirs)
    return Measurement(
        signal=signal,
        rows=rows,
        payload_bytes=len(data),
        rule_set=rule_set,
        stack=steps.executor if steps else "-",
        stages={n: getattr(steps, n) / rows * 1e6 for n in ("scan", "statements", "patch")} if steps else {},
        reference={
            part: sum(r["ns_per_op"][part] * r["iterations"] for r in theirs) / iterations / rows / 1e3
            for part in ("unmarshal", "process", "marshal", "total")
        }
        if theirs
        else {},
        **{name: mean.micros(rows) for name, mean in means.items()},
    )


# -- floors ---------------------------------------------------------------------------------------------------------


def floors(rows: int, seconds: float) -> dict[str, float]:
    """What each stage costs at least, over spans, microseconds each."""
    data = payloads.traces(rows)
    limits = ottl.Limits()
    found: dict[str, Callable[[], object]] = {}
    none = native_codec.layout("traces", {"span"}, set(), False)
    mapped = native_codec.layout("traces", {"span"}, {("span", ("attributes",))}, False)
    found["scan, nothing extracted"] = lambda: native_codec.scan(none, data, limits)
    found["scan, attributes of spans"] = lambda: native_codec.scan(mapped, data, limits)
    result = {name: Mean(*harness.time_for(seconds, run)).micros(rows) for name, run in found.items()}
    for name, step in (
        ("patch, nothing changed", 0),
        ("patch, one row in three copied again", 3),
        ("patch, all rows", 1),
    ):
        result[name] = _patch_time(mapped, data, limits, step, seconds) / rows * 1e6
    parsed = TracesData.FromString(data)
    result["protobuf objects: parse"] = Mean(*harness.time_for(seconds, lambda: TracesData.FromString(data))).micros(
        rows
    )
    result["protobuf objects: serialise"] = Mean(*harness.time_for(seconds, parsed.SerializeToString)).micros(rows)
    encoded = native_codec.to_json(data, "traces", limits)
    result["protobuf to JSON"] = Mean(
        *harness.time_for(seconds, lambda: native_codec.to_json(data, "traces", limits))
    ).micros(rows)
    result["JSON to protobuf"] = Mean(
        *harness.time_for(seconds, lambda: native_codec.from_json(encoded, "traces", limits))
    ).micros(rows)
    return result


def _patch_time(layout: Any, data: bytes, limits: Any, step: int, seconds: float) -> float:
    import numpy as np

    table = layout.tables["span"]
    total, count = 0.0, 0
    while count < 3 or total < seconds:
        batch: Any = native_codec.scan(layout, data, limits)
        if step:
            batch.touch(table, np.arange(0, batch.rows(table), step, dtype=np.int32))
        start = time.perf_counter()
        batch.patch()
        total += time.perf_counter() - start
        count += 1
    return total / count


# -- showing --------------------------------------------------------------------------------------------------------


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def results_table(found: Sequence[Measurement]) -> str:
    """The measurements of one signal and size."""
    header = ["rules", "ours", "scan", "statements", "patch", "stack", "reference", "unmarshal", "process", "marshal"]
    header += ["ratio", "columns", "rows", "by hand"]
    lines = []
    for m in found:
        total = sum(m.stages.values())
        shares = [f"{100 * m.stages[n] / total:.0f} %" if total else "-" for n in m.stages] or ["-", "-", "-"]
        theirs = [_number(m.reference.get(n, math.nan)) for n in ("total", "unmarshal", "process", "marshal")]
        ratio = "-" if m.stack == "-" or math.isnan(m.ratio) else f"{m.ratio:.1f}"
        mine = "copied" if m.stack == "-" else _number(m.ours)
        others = [_number(m.columns), _number(m.plain), _number(m.hand)]
        lines.append([m.rule_set, mine, *shares, m.stack, *theirs, ratio, *others])
    return harness.table(header, lines)


def geometric_mean(found: Sequence[Measurement]) -> float:
    """The mean ratio over the rule sets that do something; not a number without the reference."""
    ratios = [m.ratio for m in found if m.stack != "-"]
    if not ratios or any(math.isnan(r) for r in ratios):
        return math.nan
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def title(found: Sequence[Measurement]) -> str:
    """What a table is about."""
    m = found[0]
    return f"{m.signal}, {m.rows:,} {ROWS[m.signal]} ({m.payload_bytes / m.rows:.0f} bytes each)"


def summary(found: Sequence[Measurement]) -> str:
    """The headline of a table."""
    mean = geometric_mean(found)
    if math.isnan(mean):
        return "No reference to compare with: Go is not installed."
    return f"Geometric mean of the rule sets that do something: {mean:.1f} times the reference."


def as_markdown(facts: dict[str, str], groups: Sequence[Sequence[Measurement]], floor: dict[str, float]) -> str:
    """All of it as the section of docs/performance.md."""
    parts = [harness.machine_lines(facts)]
    for found in groups:
        parts += [f"### {title(found)[0].upper()}{title(found)[1:]}", results_table(found), summary(found)]
    if floor:
        rows = [[name, _number(value)] for name, value in floor.items()]
        parts += ["### Floors of the stages", harness.table(["stage", "µs a span"], rows)]
    return "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short turns: for a look, not for a record")
    parser.add_argument("--signals", default="traces,logs,metrics", help="which signals, with commas between")
    parser.add_argument("--payloads", default=",".join(map(str, SIZES)), help="rows a payload, with commas between")
    parser.add_argument("--json", metavar="FILE", help="write the measurements to a file too")
    parser.add_argument("--markdown", action="store_true", help="write the tables into docs/performance.md too")
    return parser.parse_args()


def main() -> None:
    """Measures, and prints as it goes."""
    arguments = _arguments()
    plan = QUICK if arguments.quick else FULL
    signals = arguments.signals.split(",")
    unknown = [s for s in signals if s not in rules.STATEMENTS]
    if unknown:
        sys.exit(f"no such signal: {', '.join(unknown)}")
    sizes = [int(n) for n in arguments.payloads.split(",")]
    harness.require_native()
    facts = harness.describe()
    core = harness.pin()
    print(harness.machine_lines(facts))
    print(f"- core: {core}" if core >= 0 else "- core: not bound to one (this system cannot)")
    reference = harness.Reference.start()
    if reference is None:
        print("Go is not installed: only ours is measured")
    groups: list[list[Measurement]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for signal in signals:
            for rule_set in rules.STATEMENTS[signal]:
                check(signal, rule_set, reference, folder)
        print(f"all agree on what comes out of {CHECKED_ROWS} rows; times in microseconds a row\n", flush=True)
        for signal in signals:
            for rows in sizes:
                found = [measure(signal, rows, s, plan, reference, folder) for s in rules.STATEMENTS[signal]]
                groups.append(found)
                print(f"{title(found)}\n{results_table(found)}\n{summary(found)}\n", flush=True)
    if reference is not None:
        reference.stop()
    floor = floors(max(sizes), plan.seconds) if "traces" in signals else {}
    for stage, value in floor.items():
        print(f"floor of {stage}: {_number(value)}")
    facts["load after"] = f"{harness.load():.2f}"
    if arguments.json:
        flat = [asdict(m) | {"ratio": m.ratio} for found in groups for m in found]
        text = json.dumps({"machine": facts, "measurements": flat, "floors": floor}, indent=1)
        Path(arguments.json).write_text(text.replace("NaN", "null") + "\n", encoding="utf-8")
    if arguments.markdown:
        harness.write_section("bench/run.py", as_markdown(facts, groups, floor))


if __name__ == "__main__":
    main()

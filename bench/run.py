"""Ours against the reference: microseconds a row over rule sets and sizes of payload, side by side on one core.

    python bench/run.py [--quick] [--signals traces,logs,metrics] [--payloads 1,16,64,512,8000]
                        [--json FILE] [--markdown]

For every signal, size and rule set (`bench/rules.py`) the contenders take turns, round after round; the median over the
rounds is shown, the smallest and the largest beside it:

- *ours*: `Transform.process` as a user calls it, bytes in, bytes out; the share of its stages is measured by calling
  them one by one;
- *reference*: the collector's transform processor with its codec, in `bench/reference` (without Go: only ours);
- *columns* and *rows*: both stacks of ours, whichever `auto` takes;
- *by hand*: protobuf objects in a Python loop, one function a rule set (`bench/by_hand.py`).

Before anything is timed, the outputs of all contenders are compared, with the order of attributes where there is one.
The targets that these measurements decide are printed at the end (`bench/targets.py`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import by_hand, contenders, harness, payloads, rules, stages, targets

SIZES: Final = (1, 16, 64, 512, 8000)
ROWS: Final = {"traces": "spans", "logs": "log records", "metrics": "data points"}
CHECKED_ROWS: Final = 512


@dataclass(frozen=True, slots=True)
class Measurement:
    """One rule set over one payload.

    Args:
        signal: `traces`, `logs` or `metrics`.
        rows: rows of the payload.
        payload_bytes: its size.
        rule_set: name in `rules.STATEMENTS`.
        stack: `columns`, `rows`, or `-` where there is nothing to run.
        stages: the share of scan, statements and patch of ours (parse, statements and serialise in rows).
        micros: contender to microseconds a row, one number a round; those of the reference are `total` and its parts.
    """

    signal: str
    rows: int
    payload_bytes: int
    rule_set: str
    stack: str
    stages: dict[str, float]
    micros: dict[str, list[float]]

    def spread(self, name: str) -> harness.Spread:
        """Microseconds a row of a contender."""
        return harness.Spread.of(self.micros.get(name, []))

    @property
    def ratios(self) -> list[float]:
        """How many times faster than the reference, round by round; empty without it."""
        return harness.ratios(self.micros["total"], self.micros["ours"]) if "total" in self.micros else []


# -- contenders -----------------------------------------------------------------------------------------------------


def check(signal: str, rule_set: str, reference: harness.Server | None, folder: Path) -> None:
    """Compares what the contenders make of one payload; ends the program where they differ."""
    data = payloads.MAKERS[signal](CHECKED_ROWS)
    configuration = rules.configuration(signal, rule_set)
    automatic = contenders.transform(configuration)
    ours = automatic.process(data, signal=signal)
    errors = [s for s in automatic.stats() if s.errors]
    if errors:
        sys.exit(f"{signal}, {rule_set}: {errors[0].statement} fails: {errors[0].first_error}")
    what = f"{signal}, {rule_set}"
    rows = contenders.transform(configuration, "plain").process(data, signal=signal)
    contenders.same(f"{what}, rows", ours, rows, signal)
    by_loop = by_hand.LOOPS[signal][rule_set](data)
    contenders.same(f"{what}, by hand", ours, by_loop, signal, ordered=False)
    if reference is not None:
        source, result = folder / "checked", folder / "answer"
        source.write_bytes(data)
        reference.ask(config=configuration, signal=signal, payload=str(source), iterations=1, output=str(result))
        # ParseJSON of the reference gives keys in no order.
        contenders.same(f"{what}, reference", ours, result.read_bytes(), signal, ordered=rule_set != "parsing")


def measure(
    signal: str, rows: int, rule_set: str, plan: harness.Plan, reference: harness.Server | None, folder: Path
) -> Measurement:
    """All contenders by turns, on one payload and rule set."""
    data = payloads.MAKERS[signal](rows)
    source = folder / f"{signal}-{rows}"
    source.write_bytes(data)
    configuration = rules.configuration(signal, rule_set)
    ours = contenders.transform(configuration)
    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.process(data, signal=signal),
        "hand": lambda: by_hand.LOOPS[signal][rule_set](data),
    }
    if rule_set != "none":
        plain = contenders.transform(configuration, "plain")
        runs["rows"] = lambda: plain.process(data, signal=signal)
        if stages.in_columns(ours, signal):
            columns = contenders.transform(configuration, "fast")
            runs["columns"] = lambda: columns.process(data, signal=signal)
    for run in runs.values():
        run()
    takers: dict[str, Callable[[], Any]] = {}
    if reference is not None:
        request = {"config": configuration, "signal": signal, "payload": str(source)}
        takers["reference"] = lambda: contenders.server_turn(reference, plan.seconds, **request)
    for name, run in runs.items():
        takers[name] = partial(harness.turn, plan.seconds * (1 if name == "ours" else 0.3), run)
    found = harness.rounds(takers, plan.rounds)
    theirs = found.pop("reference", [])
    for part in contenders.PARTS if theirs else ():
        found[part] = [one[part] for one in theirs]
    steps = stages.measure(ours, data, signal, plan.seconds)
    return Measurement(
        signal=signal,
        rows=rows,
        payload_bytes=len(data),
        rule_set=rule_set,
        stack=steps.executor if steps else "-",
        stages={n: getattr(steps, n) / steps.total for n in ("scan", "statements", "patch")} if steps else {},
        micros={name: [t / rows * 1e6 for t in times] for name, times in found.items()},
    )


# -- showing --------------------------------------------------------------------------------------------------------


def results_table(found: Sequence[Measurement]) -> str:
    """The measurements of one signal and size."""
    header = ["rules", "ours", "scan", "statements", "patch", "stack", "reference", "unmarshal", "process", "marshal"]
    header += ["ratio", "columns", "rows", "by hand"]
    lines = []
    for m in found:
        shares = [f"{100 * share:.0f} %" for share in m.stages.values()] or ["-", "-", "-"]
        theirs = [str(m.spread("total")), *(_median(m, part) for part in contenders.PARTS[1:])]
        ratio = "-" if m.stack == "-" else str(harness.Spread.of(m.ratios))
        mine = "copied" if m.stack == "-" else str(m.spread("ours"))
        others = [_median(m, name) for name in ("columns", "rows", "hand")]
        lines.append([m.rule_set, mine, *shares, m.stack, *theirs, ratio, *others])
    return harness.table(header, lines)


def _median(m: Measurement, name: str) -> str:
    return harness.number(m.spread(name).median)


def geometric_mean(found: Sequence[Measurement]) -> harness.Spread:
    """The mean ratio over the rule sets that do something; not a number without the reference."""
    series = [m.ratios for m in found if m.stack != "-"]
    return harness.Spread.of(harness.geometric(series)) if series and all(series) else harness.Spread()


def title(found: Sequence[Measurement]) -> str:
    """What a table is about."""
    m = found[0]
    return f"{m.signal}, {m.rows:,} {ROWS[m.signal]} ({m.payload_bytes / m.rows:.0f} bytes each)"


def summary(found: Sequence[Measurement]) -> str:
    """The headline of a table."""
    mean = str(geometric_mean(found))
    if mean == "-":
        return "No reference to compare with: Go is not installed."
    return f"Geometric mean of the rule sets that do something: {mean} times the reference."


def as_markdown(facts: dict[str, str], groups: Sequence[Sequence[Measurement]]) -> str:
    """All of it as the section of docs/performance.md."""
    parts = [harness.source_line(facts)]
    for found in groups:
        parts += [f"### {title(found)[0].upper()}{title(found)[1:]}", results_table(found), summary(found)]
    return "\n\n".join(parts)


def main() -> None:
    """Measures, and prints as it goes."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--signals", default="traces,logs,metrics", help="which signals, with commas between")
    parser.add_argument("--payloads", default=",".join(map(str, SIZES)), help="rows a payload, with commas between")
    given = parser.parse_args()
    plan = harness.QUICK if given.quick else harness.FULL
    signals = given.signals.split(",")
    unknown = [s for s in signals if s not in rules.STATEMENTS]
    if unknown:
        sys.exit(f"no such signal: {', '.join(unknown)}")
    sizes = [int(n) for n in given.payloads.split(",")]
    facts, reference = harness.begin()
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
    facts["load after"] = f"{harness.load():.2f}"
    measured = {"machine": facts, "measurements": [m for found in groups for m in found]}
    harness.save("run", measured, given.json)
    print(targets.table({"run": harness.plain(measured)}))
    if given.markdown:
        harness.write_section("bench/run.py", as_markdown(facts, groups))


if __name__ == "__main__":
    main()

"""How the cost grows, ours and the reference: `python bench/scaling.py [--quick] [--only rows,statements,...]`.

One thing varies at a time, the rest stays as it is in the other benchmarks:

- *rows* of a payload, 512 to 1,000,000 (`one`, `policy`);
- *statements* on 8,000 spans, one kind each: what one more costs a row, from the difference between many and few;
- *hundred*: 100 statements of all these kinds on 8,000 spans;
- *entries* of the attribute map, 1 to 300: a condition and a set on one of them, `keep_keys` on one in two;
- *strings*, bodies of 10 B to 10 kB: a regex condition, a regex replacement and a prefix test;
- *cardinality*, 1 to 8,000 different values: hashing, cutting, joining, matching and comparing them.

Outputs of ours and the reference are compared before anything is timed. `bench/scaled.py` makes payloads and rules.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import contenders, harness, payloads, rules, scaled, stages

ROWS: Final = 8_000
CHECKED: Final = 500
SIZES: Final = (512, 2_000, 8_000, 32_000, 128_000, 1_000_000)
QUICK_SIZES: Final = SIZES[:4]
FEW: Final = 10
MANY: Final = 50
HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class Point:
    """One measured payload.

    Args:
        label: what varies.
        rows: rows of the payload.
        payload_bytes: its size.
        ours: seconds a payload in each round.
        theirs: the same of the reference.
    """

    label: str
    rows: int
    payload_bytes: int
    ours: list[float]
    theirs: list[float]

    @classmethod
    def of(cls, label: str, pair: contenders.Pair) -> Point:
        """From what was measured."""
        return cls(label, pair.rows, pair.payload_bytes, pair.ours, pair.theirs)

    def cells(self) -> list[str]:
        """Its line of a table."""
        of = harness.Spread.of
        nanos = 1e9 / self.rows
        speed = self.payload_bytes / of(self.ours).median / 1e6
        ratio = of(harness.ratios(self.theirs, self.ours)) if self.theirs else harness.Spread()
        return [
            self.label,
            f"{self.payload_bytes / self.rows:,.0f}",
            str(of(self.ours).times(nanos)),
            harness.number(speed),
            str(of(self.theirs).times(nanos)),
            str(ratio),
        ]


@dataclass(frozen=True, slots=True)
class Slope:
    """What one more statement costs, nanoseconds a row in each round.

    Args:
        kind: what the statements do.
        statement: one of them.
        ours_ns: from bytes to bytes.
        run_ns: of it, running the statements (mean).
        theirs_ns: the reference from bytes to bytes.
    """

    kind: str
    statement: str
    ours_ns: list[float]
    run_ns: float
    theirs_ns: list[float]

    def cells(self) -> list[str]:
        """Its line of a table."""
        of = harness.Spread.of
        return [
            f"{self.kind}: `{self.statement}`",
            str(of(self.ours_ns)),
            harness.number(self.run_ns),
            str(of(self.theirs_ns)),
            harness.number(of(self.theirs_ns).median / of(self.ours_ns).median),
        ]


def _configuration(signal: str, statements: Sequence[str]) -> dict[str, Any]:
    return {"error_mode": "ignore", rules.KEYS[signal]: list(statements)}


# -- measurements ---------------------------------------------------------------------------------------------------


def by_rows(contest: contenders.Contest, sizes: Sequence[int]) -> dict[str, list[Point]]:
    """Rule set to a point for each size of payload."""
    found: dict[str, list[Point]] = {}
    for rule_set in ("one", "policy"):
        configuration = rules.configuration("traces", rule_set)
        contest.check(configuration, "traces", payloads.traces(CHECKED))
        for rows in sizes:
            pair = contest.pair(configuration, "traces", scaled.spans(rows), rows)
            found.setdefault(rule_set, []).append(Point.of(f"{rule_set}, {rows:,} rows", pair))
    return found


def by_statement(contest: contenders.Contest) -> list[Slope]:
    """The cost of one more statement of each kind."""
    data, small = payloads.traces(ROWS), payloads.traces(CHECKED)
    found = []
    for kind, make in scaled.STATEMENTS.items():
        configurations = [_configuration("traces", [make(n) for n in range(count)]) for count in (FEW, MANY)]
        run = []
        for configuration in configurations:
            contest.check(configuration, "traces", small)
            steps = stages.measure(contenders.transform(configuration), data, "traces", contest.plan.seconds)
            run.append(steps.statements if steps else math.nan)
        few, many = contest.pairs(configurations, "traces", data, ROWS)
        scale = 1e9 / ROWS / (MANY - FEW)
        found.append(
            Slope(
                kind,
                make(7),
                [(b - a) * scale for a, b in zip(few.ours, many.ours, strict=True)],
                (run[1] - run[0]) * scale,
                [(b - a) * scale for a, b in zip(few.theirs, many.theirs, strict=True)],
            )
        )
    return found


def hundred(contest: contenders.Contest) -> Point:
    """All kinds of statement together."""
    kinds = list(scaled.STATEMENTS.values())
    configuration = _configuration("traces", [kinds[n % len(kinds)](n) for n in range(HUNDRED)])
    contest.check(configuration, "traces", payloads.traces(CHECKED))
    return Point.of(f"{HUNDRED} statements", contest.pair(configuration, "traces", payloads.traces(ROWS), ROWS))


def by_entries(contest: contenders.Contest) -> list[Point]:
    """Maps of more and more attributes."""
    found = []
    for entries in (1, 12, 60, 300):
        rows = ROWS if entries < 300 else ROWS // 4
        configuration = _configuration("logs", scaled.map_rules(entries))
        contest.check(configuration, "logs", scaled.maps(CHECKED, entries))
        pair = contest.pair(configuration, "logs", scaled.maps(rows, entries), rows)
        found.append(Point.of(f"{entries} entries", pair))
    return found


def by_length(contest: contenders.Contest) -> list[Point]:
    """Longer and longer bodies."""
    found = []
    for length, words in ((10, "10 B"), (100, "100 B"), (1_000, "1 kB"), (10_000, "10 kB")):
        rows = ROWS if length < 10_000 else ROWS // 4
        configuration = _configuration("logs", scaled.BODY_RULES)
        contest.check(configuration, "logs", scaled.bodies(CHECKED, length))
        found.append(Point.of(words, contest.pair(configuration, "logs", scaled.bodies(rows, length), rows)))
    return found


def by_cardinality(contest: contenders.Contest) -> list[Point]:
    """More and more different values."""
    found = []
    configuration = _configuration("logs", scaled.VALUE_RULES)
    for distinct in (1, 20, 400, 8_000):
        contest.check(configuration, "logs", scaled.values(CHECKED, distinct))
        pair = contest.pair(configuration, "logs", scaled.values(ROWS, distinct), ROWS)
        found.append(Point.of(f"{distinct:,} different", pair))
    return found


# -- showing --------------------------------------------------------------------------------------------------------

HEADER: Final = ["bytes a row", "ours, ns a row", "ours, MB a second", "reference, ns a row", "ratio"]


def _points(first: str, points: Sequence[Point]) -> str:
    return harness.table([first, *HEADER], [p.cells() for p in points])


def as_text(found: dict[str, Any]) -> str:
    """All tables, in markdown."""
    parts = []
    if "rows" in found:
        points = [p for rule_set in found["rows"].values() for p in rule_set]
        parts += ["### Rows a payload", _points("rules, rows", points)]
    if "statements" in found:
        header = ["one more statement", "ours, ns a row", "of it running", "reference, ns a row", "ratio"]
        parts += ["### Statements, 8,000 spans", harness.table(header, [s.cells() for s in found["statements"]])]
    if "hundred" in found:
        parts.append(_points("all kinds together", [found["hundred"]]))
    for name, title, first in (
        ("entries", "Entries of the attribute map", "map"),
        ("strings", "Length of strings", "body"),
        ("cardinality", "Different values in 8,000 rows", "values"),
    ):
        if name in found:
            parts += [f"### {title}", _points(first, found[name])]
    return "\n\n".join(parts)


def main() -> None:
    """Measures and prints."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--only", metavar="NAMES", help="which measurements, with commas between")
    given = parser.parse_args()
    facts, server = harness.begin()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        contest = contenders.Contest(harness.QUICK if given.quick else harness.FULL, server, Path(name))
        steps: dict[str, Callable[[], Any]] = {
            "rows": lambda: by_rows(contest, QUICK_SIZES if given.quick else SIZES),
            "statements": lambda: by_statement(contest),
            "hundred": lambda: hundred(contest),
            "entries": lambda: by_entries(contest),
            "strings": lambda: by_length(contest),
            "cardinality": lambda: by_cardinality(contest),
        }
        chosen = given.only.split(",") if given.only else list(steps)
        unknown = [step for step in chosen if step not in steps]
        if unknown:
            sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(steps)}")
        for step in chosen:
            found[step] = steps[step]()
            print(as_text({step: found[step]}) + "\n", flush=True)
    if server is not None:
        server.stop()
    harness.save("scaling", {"machine": facts} | found, given.json)
    if given.markdown:
        harness.write_section("bench/scaling.py", f"{harness.source_line(facts)}\n\n{as_text(found)}")


if __name__ == "__main__":
    main()

"""The targets, what was measured, and how far apart the rounds lay: `python bench/targets.py [--markdown]`.

Reads what the other scripts measured last (`build/bench/*.json`) and measures nothing itself. A ratio is how many times
faster than the reference; it is taken in each round, and the table has its median with the smallest and the largest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import harness

Results = Mapping[str, Any]
SCORED: Final = ("one", "policy", "mixed")


@dataclass(frozen=True, slots=True)
class Target:
    """A promise and how it is read off the measurements.

    Args:
        what: in words.
        script: whose measurements decide.
        limit: the number promised.
        least: whether it must be reached; else it must not be exceeded.
        unit: behind the numbers.
        read: the samples, one a round; none where the measurement is missing.
    """

    what: str
    script: str
    limit: float
    least: bool
    unit: str
    read: Callable[[Results], list[float]]

    def met(self, value: float) -> bool:
        """Whether so much is enough."""
        return value >= self.limit if self.least else value <= self.limit


def _chosen(found: Results, **wanted: Any) -> list[Any]:
    return [m for m in found["measurements"] if all(m[name] == value for name, value in wanted.items())]


def _versus_reference(m: Results) -> list[float]:
    return harness.ratios(m["micros"]["total"], m["micros"]["ours"]) if "total" in m["micros"] else []


def _spans(rows: int) -> Callable[[Results], list[float]]:
    def read(found: Results) -> list[float]:
        series = [_versus_reference(m) for m in _chosen(found, signal="traces", rows=rows) if m["rule_set"] in SCORED]
        return harness.geometric(series) if len(series) == len(SCORED) and all(series) else []

    return read


def _parsing(found: Results) -> list[float]:
    return [r for m in _chosen(found, signal="logs", rows=8000, rule_set="parsing") for r in _versus_reference(m)]


def _rows_by_hand(found: Results) -> list[float]:
    measured = [m["micros"] for m in _chosen(found, signal="traces", rows=8000) if m["rule_set"] in SCORED]
    return harness.geometric([harness.ratios(m["hand"], m["rows"]) for m in measured]) if measured else []


def _codec(found: Results) -> list[float]:
    chosen = _chosen(found, signal="traces", rule_set="none")
    return [r for m in chosen if m["codec"] for r in harness.ratios(m["codec"], m["ours"])]


def _json_whole(found: Results) -> list[float]:
    chosen = _chosen(found, signal="traces", rule_set="one")
    return [r for m in chosen if m["codec"] for r in harness.ratios(m["codec"], m["ours"])]


def _latency(found: Results) -> list[float]:
    return [p for m in _chosen(found, rows=1, rule_set="policy", stack="auto") for p in m["p99"]]


def _flatness(found: Results) -> list[float]:
    """How much dearer the dearest row is than one of 512, of the rule set where that is most; round by round."""
    series = []
    for points in found["rows"].values():
        costs = [[seconds / m["rows"] for seconds in m["ours"]] for m in points]
        series.append([max(one) / one[0] for one in zip(*costs, strict=True)])
    return max(series, key=lambda one: harness.Spread.of(one).median)


def _statements(found: Results) -> list[float]:
    """The mean over the kinds of statement, round by round."""
    series = [m["ours_ns"] for m in found["statements"]]
    return [sum(values) / len(values) for values in zip(*series, strict=True)]


def _worst_statement(found: Results) -> list[float]:
    return max((m["ours_ns"] for m in found["statements"]), key=lambda ns: harness.Spread.of(ns).median, default=[])


def _hundred(found: Results) -> list[float]:
    m = found["hundred"]
    return harness.ratios(m["theirs"], m["ours"]) if m["theirs"] else []


def _memory(found: Results) -> list[float]:
    """Of the rule set that needs most."""
    return [max(m["columns"]["times"] for m in found["payloads"] if m["signal"] == "traces")]


def _soak(found: Results) -> list[float]:
    return [found["growth_bytes"] / 1e6]


TARGETS: Final = (
    Target("8,000 spans: geometric mean of one, policy, mixed", "run", 10, True, "×", _spans(8000)),
    Target("512 spans: the same", "run", 6, True, "×", _spans(512)),
    Target("64 spans: the same", "run", 2.5, True, "×", _spans(64)),
    Target("16 spans: the same", "run", 1, True, "×", _spans(16)),
    Target("log parsing, 8,000 records", "run", 10, True, "×", _parsing),
    Target("JSON to protobuf and back, against the reference's JSON codec", "encoding", 5, True, "×", _codec),
    Target("JSON in, `one`, JSON out, against its JSON codec alone", "encoding", 5, True, "×", _json_whole),
    Target("100 statements, 8,000 spans", "scaling", 15, True, "×", _hundred),
    Target("a simple statement at 8,000 spans, mean of the kinds", "scaling", 30, False, "ns a row", _statements),
    Target("the same, dearest kind", "scaling", 30, False, "ns a row", _worst_statement),
    # Beyond 32 MiB, a quarter of the least rule set is the kernel's, which clears the memory of each new result.
    Target("a row at its dearest, 512 to 1,000,000 rows, over one at 512", "scaling", 1.3, False, "×", _flatness),
    Target("1 span, `policy`: 99th percentile", "latency", 120, False, "µs", _latency),
    Target("without native code, against the loop by hand", "run", 0.5, True, "×", _rows_by_hand),
    Target("peak memory over input plus output, 8,000 spans, worst rule set", "memory", 3, False, "×", _memory),
    Target("growth of resident memory in the soak", "soak", 8, False, "MB", _soak),
)


def lines(results: Mapping[str, Results]) -> list[list[str]]:
    """A line for each target that these results decide."""
    found = []
    for target in TARGETS:
        if target.script not in results:
            continue
        samples = target.read(results[target.script])
        spread = harness.Spread.of(samples)
        bound = f"{'at least' if target.least else 'at most'} {target.limit:g} {target.unit}"
        verdict = ("yes" if target.met(spread.median) else "no") if samples else "not measured"
        low_to_high = f"{harness.number(spread.low)}..{harness.number(spread.high)}" if len(samples) > 1 else "-"
        found.append([target.what, bound, harness.number(spread.median), low_to_high, verdict])
    return found


def table(results: Mapping[str, Results]) -> str:
    """The targets in markdown."""
    return harness.table(["target", "promised", "measured", "spread", "met"], lines(results))


def main() -> None:
    """Prints the table of all that was measured."""
    given = harness.arguments(__doc__).parse_args()
    scripts = dict.fromkeys(target.script for target in TARGETS)
    results = {name: found for name in scripts if (found := harness.saved(name)) is not None}
    if not results:
        sys.exit(f"nothing measured yet: {harness.RESULTS} is empty; `python bench/all.py` fills it")
    text = table(results)
    print(text)
    if given.markdown:
        facts = next(iter(results.values()))["machine"]
        harness.write_section("bench/targets.py", f"{text}\n\n{harness.machine_lines(facts)}")


if __name__ == "__main__":
    main()

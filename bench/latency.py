"""How long one payload takes, small ones above all: `python bench/latency.py [--quick]`.

Percentiles over thousands of calls of `Transform.process`, one call at a time as a server makes them, each on a payload
of the same size but other values, in the stack that `auto` picks and in both when forced (`plain` only where payloads
are small enough for it to win).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import contenders, harness, payloads, rules

SIZES: Final = (1, 4, 16, 64, 512)
RULE_SETS: Final = ("one", "policy", "mixed")
STACKS: Final = ("auto", "plain", "fast")
LARGEST_PLAIN: Final = 16
VARIANTS: Final = 30
WARM_UP: Final = 100


@dataclass(frozen=True, slots=True)
class Measurement:
    """Microseconds a payload, one number a round.

    Args:
        rows: spans of each payload.
        rule_set: name in `rules.STATEMENTS`.
        stack: `auto`, `plain` or `fast`.
        p50: half of the calls took at most so long.
        p99: 99 of 100.
        p99_work: the same in processor time, which holds nothing that other processes took.
    """

    rows: int
    rule_set: str
    stack: str
    p50: list[float]
    p99: list[float]
    p99_work: list[float]


def call_times(processor: Any, data: Sequence[bytes], calls: int) -> tuple[list[float], list[float]]:
    """Microseconds of so many calls by the clock, and of processor time; each sorted."""
    clock, worked = time.perf_counter_ns, time.thread_time_ns
    by_clock, by_work = [], []
    for one in islice(cycle(data), calls):
        begun, start = worked(), clock()
        processor.process(one, signal="traces")
        by_clock.append((clock() - start) / 1e3)
        by_work.append((worked() - begun) / 1e3)
    return sorted(by_clock), sorted(by_work)


def percentile(found: Sequence[float], share: float) -> float:
    """The number that such a share of the sorted numbers does not exceed."""
    return found[min(len(found) - 1, int(len(found) * share))]


def measure(data: Sequence[bytes], rows: int, rule_set: str, plan: harness.Plan) -> list[Measurement]:
    """The stacks by turns."""
    stacks = [stack for stack in STACKS if stack != "plain" or rows <= LARGEST_PLAIN]
    configuration = rules.configuration("traces", rule_set)
    processors = {stack: contenders.transform(configuration, stack) for stack in stacks}
    calls = {}
    for stack, one in processors.items():
        usual = percentile(call_times(one, data, WARM_UP)[0], 0.5)
        calls[stack] = max(200, int(plan.seconds * 1e6 / usual))
    takers = {stack: lambda s=stack: call_times(processors[s], data, calls[s]) for stack in stacks}
    return [
        Measurement(
            rows,
            rule_set,
            stack,
            [percentile(clock, 0.5) for clock, _ in turns],
            [percentile(clock, 0.99) for clock, _ in turns],
            [percentile(work, 0.99) for _, work in turns],
        )
        for stack, turns in harness.rounds(takers, plan.rounds).items()
    ]


def results_table(found: Sequence[Measurement]) -> str:
    """The measurements in markdown."""
    header = ["spans, rules"]
    header += [f"{stack}, {which}" for stack in STACKS for which in ("median", "99 %", "99 % of work")]
    by_stack = {(f"{m.rows}, {m.rule_set}", m.stack): m for m in found}
    lines = []
    for name in dict.fromkeys(name for name, _ in by_stack):
        cells = [name]
        for stack in STACKS:
            m = by_stack.get((name, stack))
            if m is None:
                cells += ["-", "-", "-"]
                continue
            work = harness.number(harness.Spread.of(m.p99_work).median)
            cells += [harness.number(harness.Spread.of(m.p50).median), str(harness.Spread.of(m.p99)), work]
        lines.append(cells)
    return harness.table(header, lines)


def main() -> None:
    """Measures and prints."""
    given = harness.arguments(__doc__).parse_args()
    plan = harness.QUICK if given.quick else harness.FULL
    facts, _ = harness.begin(peers=False)
    found: list[Measurement] = []
    for rows in SIZES:
        data = [payloads.traces(rows, seed) for seed in range(VARIANTS)]
        for rule_set in RULE_SETS:
            found += measure(data, rows, rule_set, plan)
    text = f"Microseconds a payload:\n\n{results_table(found)}"
    print(text)
    harness.save("latency", {"machine": facts, "measurements": found}, given.json)
    if given.markdown:
        harness.write_section("bench/latency.py", f"{harness.source_line(facts)}\n\n{text}")


if __name__ == "__main__":
    main()

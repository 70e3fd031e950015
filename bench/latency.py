"""Latency of small payloads: `python bench/latency.py [--quick] [--payloads 1,4,16,64] [--markdown]`.

One payload of spans after another passes through `Transform.process` with the three policy scripts, in one process,
with the garbage collector on as in any program. Shown are microseconds a payload: the median and the 99th and 99.9th
percentiles by the clock, and the 99th of processor time (the clock's also hold what other processes take on a busy
machine), with the stack that `auto` takes and with each of both; where `columns` becomes the faster is the crossover
(`engine.SMALL_PAYLOAD`). The last column is how many payloads were timed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ottl
from bench import harness, payloads, rules
from ottl.engine import SMALL_PAYLOAD

SIZES: Final = (1, 2, 4, 8, 16, 64)
RUNS: Final = 50_000
QUICK_RUNS: Final = 3_000
WARM_UP: Final = 200
STACKS: Final[tuple[tuple[str, ottl.Stack], ...]] = (("auto", "auto"), ("columns", "fast"), ("rows", "plain"))


def times(one: ottl.Transform, data: bytes, runs: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of each run by the clock, and of processor time; each sorted."""
    clock, worked = time.perf_counter_ns, time.thread_time_ns
    for _ in range(WARM_UP):
        one.process(data, signal="traces")
    by_clock, by_work = [], []
    for _ in range(runs):
        begun, start = worked(), clock()
        one.process(data, signal="traces")
        by_clock.append(clock() - start)
        by_work.append(worked() - begun)
    return sorted(by_clock), sorted(by_work)


def micros(found: Sequence[int], share: float) -> str:
    """A percentile in microseconds, as text."""
    return f"{found[min(len(found) - 1, int(len(found) * share))] / 1000:.0f}"


def rows(sizes: Sequence[int], runs: int) -> list[list[str]]:
    """Lines of the table: every size and stack."""
    lines = []
    for size in sizes:
        data = payloads.traces(size)
        count = max(QUICK_RUNS // 10, min(runs, runs * 10 // size))
        for name, stack in STACKS:
            one = ottl.Transform(rules.configuration("traces", "policy"), stack=stack)
            by_clock, by_work = times(one, data, count)
            shown = [micros(by_clock, share) for share in (0.5, 0.99, 0.999)] + [micros(by_work, 0.99)]
            lines.append([f"{size}, {name}", f"{len(data):,}", *shown, f"{count:,}"])
    return lines


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs: for a look, not for a record")
    parser.add_argument("--payloads", default=",".join(map(str, SIZES)), help="spans a payload, with commas between")
    parser.add_argument("--markdown", action="store_true", help="write the table into docs/performance.md too")
    arguments = parser.parse_args()
    harness.require_native()
    facts = harness.describe()
    harness.pin()
    sizes = [int(n) for n in arguments.payloads.split(",")]
    header = ["spans, stack", "bytes", "median", "p99", "p99.9", "p99 work", "payloads"]
    told = f"Microseconds a payload; `auto` takes rows below {SMALL_PAYLOAD:,} bytes:"
    table = harness.table(header, rows(sizes, QUICK_RUNS if arguments.quick else RUNS))
    shown = f"{harness.machine_lines(facts)}\n\n{told}\n\n{table}"
    print(shown)
    if arguments.markdown:
        harness.write_section("bench/latency.py", shown)


if __name__ == "__main__":
    main()

"""Holds the two stacks together on many random programs and payloads.

    python bench/fuzz.py --pairs 1000000 --seed 1 --jobs 2

Prints pairs a second, the share of groups in columns, what was not reached, and every disagreement made small. Exits 1
where there is one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.property import agreement

CHUNK = 5000
SHOWN = 4000


MEMORY = 3 << 30
"""Bytes a worker may take: a rule that doubles a text row by row ends in `MemoryError`, which the run passes over."""


def _bound() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _chunk(seed: int) -> agreement.Coverage:
    return agreement.run(seed, CHUNK)


def main() -> int:
    """Runs it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep-going", type=int, default=1, help="disagreements after which to stop")
    parser.add_argument("--raw", action="store_true", help="do not shrink")
    options = parser.parse_args()
    total = agreement.Coverage()
    seeds = range(options.seed * 1_000_000, options.seed * 1_000_000 + -(-options.pairs // CHUNK))
    start = time.perf_counter()
    with multiprocessing.Pool(options.jobs, _bound) as pool:
        for number, part in enumerate(pool.imap_unordered(_chunk, seeds), 1):
            total.add(part)
            for found in part.disagreements:
                print((found if options.raw else agreement.shrunk(found)).render()[:SHOWN] + "\n", flush=True)
            if number % 4 == 0 or part.disagreements:
                rate = total.pairs / (time.perf_counter() - start)
                print(f"{total.pairs:,} pairs, {rate:,.0f} a second", flush=True)
            if len(total.disagreements) >= options.keep_going:
                break
        pool.terminate()
    seconds = time.perf_counter() - start
    print(total.summary())
    print(f"{seconds:,.0f} s, {total.pairs / seconds:,.0f} pairs a second, seed {options.seed}")
    missing = total.missing()
    print(f"not reached: {len(missing)}" + "".join(f"\n  {name}" for name in missing[:60]))
    print(f"disagreements: {len(total.disagreements)}")
    return 1 if total.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())

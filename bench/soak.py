"""Memory over a million payloads: `python bench/soak.py [--payloads 1000000] [--seconds S] [--quick]`.

One process runs payloads of all signals, of 1 to 512 rows and many shapes, through processors of all rule sets in both
stacks, as protobuf and some as JSON. Every payload has a key that no other had; one in ten is damaged (cut short, or
bytes changed); every thousandth time a processor is compiled anew from a statement that no other had. What is raised
must be a `PayloadError`.

Resident memory is read at even distances. The growth is the difference of the medians of the last tenth and of the
third (caches have filled by then); exits 1 where it exceeds `LIMIT`.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ottl
from bench import harness, payloads, rules
from ottl.codec import native

PAYLOADS: Final = 1_000_000
QUICK_SECONDS: Final = 20.0
SAMPLES: Final = 200
LIMIT: Final = 8 * 10**6
SIZES: Final = (1, 1, 1, 1, 2, 2, 3, 4, 5, 8, 13, 16, 33, 64, 150, 512)
"""Small ones are many, as many payloads shall go through; larger ones are drawn more seldom besides."""
SEEDS: Final = 4
DAMAGED_OF: Final = 10
ANEW_EVERY: Final = 1_000
MARK: Final = b"service.version"
"""A key of the resource that becomes another one in every payload; its text has a number's length."""


@dataclass(slots=True)
class Counts:
    """What happened.

    Args:
        done: payloads that went through.
        refused: payloads refused with a `PayloadError`.
        compiled: processors made.
        bytes_in: size of all payloads.
    """

    done: int = 0
    refused: int = 0
    compiled: int = 0
    bytes_in: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory at one moment.

    Args:
        payloads: how many were run before.
        resident: bytes.
    """

    payloads: int
    resident: int


# -- payloads and processors ----------------------------------------------------------------------------------------


def pool() -> list[tuple[str, str, bytes]]:
    """Signal, encoding, payload: what the soak draws from."""
    found = []
    for signal, make in payloads.MAKERS.items():
        for size in SIZES:
            for seed in range(SEEDS):
                data = make(size, seed)
                found.append((signal, "protobuf", data))
                if seed == 0 and size <= 64:
                    found.append((signal, "json", native.to_json(data, signal, ottl.Limits())))
    return found


def _fresh(data: bytes, number: int) -> bytes:
    """The payload with a key that no other has."""
    return data.replace(MARK, b"key.%011d" % number)


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut short, or with some bytes changed."""
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data))]
    broken = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        broken[rng.randrange(len(broken))] = rng.randrange(256)
    return bytes(broken)


def _processor(signal: str, rule_set: str, stack: Any, number: int) -> Any:
    """One that has a statement of its own besides the rule set's."""
    key = rules.KEYS[signal]
    context = {"traces": "span", "logs": "log", "metrics": "datapoint"}[signal]
    extra = (
        f'set({context}.attributes["soak.{number}"], "{number}") where resource.attributes["host.name"] == "{number}"'
    )
    return ottl.Transform({"error_mode": "silent", key: [*rules.STATEMENTS[signal][rule_set], extra]}, stack=stack)


class Processors:
    """A processor for every signal, rule set and stack; from time to time one is replaced."""

    def __init__(self) -> None:
        self.made = 0
        self._keys = [
            (signal, rule_set, stack)
            for signal, sets in rules.STATEMENTS.items()
            for rule_set in sets
            for stack in ("auto", "auto", "auto", "plain", "plain", "fast")
        ]
        self._found: dict[str, list[Any]] = {signal: [] for signal in rules.STATEMENTS}
        for signal, rule_set, stack in self._keys:
            self._found[signal].append(_processor(signal, rule_set, stack, self.made))
            self.made += 1

    def draw(self, signal: str, rng: random.Random) -> Any:
        """Any of a signal."""
        return rng.choice(self._found[signal])

    def replace(self, rng: random.Random) -> None:
        """Compiles one anew."""
        signal, rule_set, stack = self._keys[rng.randrange(len(self._keys))]
        place = rng.randrange(len(self._found[signal]))
        self._found[signal][place] = _processor(signal, rule_set, stack, self.made)
        self.made += 1


# -- running --------------------------------------------------------------------------------------------------------


def run(wanted: int, seconds: float | None, counts: Counts) -> Iterator[Sample]:
    """So many payloads, or as many as fit in the time; a sample at even distances."""
    rng = random.Random(1)
    drawn = pool()
    # the larger a payload, the seldomer
    weights = [1 / (200 + len(data)) for _, _, data in drawn]
    processors = Processors()
    start = time.perf_counter()
    due, number = 0.0, 0
    chosen: Iterator[tuple[str, str, bytes]] = iter(())
    while True:
        share = number / wanted if seconds is None else (time.perf_counter() - start) / seconds
        if share >= due:
            yield Sample(number, harness.resident("VmRSS"))
            due += 1 / SAMPLES
        if share >= 1:
            break
        found = next(chosen, None)
        if found is None:
            chosen = iter(rng.choices(drawn, weights, k=4096))
            continue
        _one(found, number, processors, counts, rng)
        number += 1
    counts.compiled = processors.made


def _one(
    found: tuple[str, str, bytes], number: int, processors: Processors, counts: Counts, rng: random.Random
) -> None:
    signal, encoding, data = found
    data = _fresh(data, number)
    if number % DAMAGED_OF == 0:
        data = _damaged(data, rng)
    if number % ANEW_EVERY == 0:
        processors.replace(rng)
    counts.bytes_in += len(data)
    try:
        processors.draw(signal, rng).process(data, signal=signal, encoding=encoding)
    except ottl.PayloadError:
        counts.refused += 1
    counts.done += 1


def growth(samples: list[Sample]) -> int:
    """Bytes between the third tenth and the last."""
    tenth = max(1, len(samples) // 10)
    early = statistics.median(s.resident for s in samples[2 * tenth : 3 * tenth])
    return int(statistics.median(s.resident for s in samples[-tenth:]) - early)


def main() -> None:
    """Runs, prints; exits 1 where memory grows."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--payloads", type=int, default=PAYLOADS, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seconds", type=float, metavar="S", help="as many as fit in this time instead")
    given = parser.parse_args()
    seconds = given.seconds or (QUICK_SECONDS if given.quick else None)
    facts, _ = harness.begin(peers=False)
    counts = Counts()
    start = time.perf_counter()
    samples = list(run(given.payloads, seconds, counts))
    took = time.perf_counter() - start
    grown = growth(samples)
    text = (
        f"{counts.done:,} payloads ({counts.bytes_in / 1e9:.2f} GB), {counts.refused:,} of them refused as malformed, "
        f"{counts.compiled:,} processors compiled, {took:,.0f} s: resident memory {samples[0].resident / 1e6:.1f} MB "
        f"at the start, {samples[-1].resident / 1e6:.1f} MB at the end, at most "
        f"{max(s.resident for s in samples) / 1e6:.1f} MB. Between the third tenth and the last it grew by "
        f"{grown / 1e6:.1f} MB."
    )
    print(text)
    harness.save(
        "soak",
        {"machine": facts, "payloads": counts.done, "growth_bytes": grown, "samples": samples, "counts": counts},
        given.json,
    )
    if given.markdown:
        harness.write_section("bench/soak.py", f"{harness.source_line(facts)}\n\n{text}")
    if grown > LIMIT:
        sys.exit(f"resident memory grew by {grown / 1e6:.1f} MB; the limit is {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

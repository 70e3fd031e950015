"""What `ottl bench` measures: messages through rules, again and again, in one or more *contenders*.

A contender is the same rules on one of the stacks. Contenders take turns, so that a machine that is slower for a while
is so for all. Three things are measured apart, because each disturbs the others: whole messages (throughput and
latency), stages and statements, and instructions.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import ottl
from ottl.bytecode import StatementCode
from ottl.cli.rules import EMPTIED, Rules
from ottl.codec import Limits, messages, native
from ottl.engine import StatementStats
from ottl.errors import Error, PayloadError, StatementError
from ottl.files import Encoding, Message
from ottl.vm.profile import STAGES, Line, Profile
from ottl.vm.walk import walk

__all__ = ["ELEMENTS", "Contender", "Sample", "StatementFigures", "measure"]

ELEMENTS: Final = {"traces": "span", "metrics": "datapoint", "logs": "log", "profiles": "profile"}
"""The context whose rows a signal is counted in."""

_ROUNDS: Final = 5
_FIRST_SHARE: Final = 0.25
_FIRST_S = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """A message to be measured.

    Args:
        payload: its bytes.
        signal: what it holds.
        encoding: of the payload.
        rows: by context, how many rows it has.
        place: where it came from.
    """

    payload: bytes
    signal: str
    encoding: Encoding
    rows: dict[str, int]
    place: str

    @classmethod
    def of(cls, message: Message, place: str, contexts: Iterable[str], limits: Limits) -> Sample:
        """A message with its rows counted.

        Raises:
            PayloadError: it is malformed or exceeds a limit.
        """
        assert message.signal is not None, "an emptied message is none to measure"
        root = messages.decode(message.payload, message.signal, message.encoding, limits)
        wanted = {ELEMENTS[message.signal], *contexts}
        rows = {context: sum(1 for _ in walk(root, message.signal, context)) for context in sorted(wanted)}
        return cls(message.payload, message.signal, message.encoding, rows, place)

    @property
    def elements(self) -> int:
        """Spans, data points, log records or profiles."""
        return self.rows[ELEMENTS[self.signal]]


@dataclass(frozen=True, slots=True)
class StatementFigures:
    """What a statement did and took.

    Args:
        processor: the name of its processor.
        statement: its text, on one line.
        location: its place.
        signal: `traces`, `metrics`, `logs` or `profiles`.
        context: the context it runs in.
        rows: rows of its context that came in, in one run over all messages.
        matched: of those, on how many its condition held.
        changed: on how many it did something.
        errors: on how many it failed.
        ns: what it takes for a row of its context; 0 where the executor does not time it.
        share: of the whole time.
        lines: its instructions, where they were timed.
    """

    processor: str
    statement: str
    location: str
    signal: str
    context: str
    rows: int
    matched: int
    changed: int
    errors: int
    ns: float
    share: float
    lines: tuple[Line, ...] = ()


@dataclass(slots=True)
class Contender:
    """Rules on one stack, and what has been measured of them.

    Args:
        name: for people.
        rules: the processors.
        native: whether JSON is converted by native code.
        limits: bounds on a message.
        latencies: nanoseconds of each message.
        size: of those messages, in bytes.
        elements: of those messages.
        statements: in order.
        stages: by name, nanoseconds for an element.
    """

    name: str
    rules: Rules
    native: bool
    limits: Limits
    latencies: list[int] = field(default_factory=list)
    size: int = 0
    elements: int = 0
    statements: list[StatementFigures] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    at: int = 0

    @property
    def seconds(self) -> float:
        """Of all messages together."""
        return sum(self.latencies) / 1e9

    def percentile(self, share: float) -> float:
        """The latency, in nanoseconds, that so many messages do not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def run(self, sample: Sample, profile: Profile | None = None) -> None:
        """A message through the processors of its signal, as `ottl run` does it.

        Raises:
            PayloadError: it is malformed or exceeds a limit.
            StatementError: a statement failed under `propagate`.
        """
        payload, signal, encoding = sample.payload, sample.signal, sample.encoding
        steps = [step for step in self.rules.steps if signal in step.signals]
        working: Encoding = "protobuf" if len(steps) > 1 else encoding
        if working != encoding:
            if profile is not None:
                profile.begin()
            payload = self._transcode(payload, signal, encoding, working)
            if profile is not None:
                profile.lap("decode")
        for step in steps:
            if self.rules.routes:
                assert isinstance(step.runner, ottl.Program), "only scripts have routes"
                step.runner.run_routes(payload, encoding=working, signal=signal)
                return
            payload = step.runner.process(payload, signal=signal, encoding=working)
            if payload == EMPTIED[working]:
                return
        if working != encoding:
            if profile is not None:
                profile.begin()
            self._transcode(payload, signal, working, encoding)
            if profile is not None:
                profile.lap("encode")

    def _transcode(self, payload: bytes, signal: str, source: Encoding, target: Encoding) -> bytes:
        if not self.native:
            return messages.encode(messages.decode(payload, signal, source, self.limits), signal, target)
        convert = native.from_json if source == "json" else native.to_json
        return convert(payload, signal, self.limits)

    def once(self, samples: Sequence[Sample], seconds: float | None) -> Iterator[Sample]:
        """Each message once, for at most about so long but at least one; not measured.

        Raises:
            Error: one cannot be processed.
        """
        end = None if seconds is None else time.perf_counter() + seconds
        for sample in samples:
            try:
                self.run(sample)
            except (PayloadError, StatementError) as fault:
                raise Error(f"{sample.place}: {fault}") from None
            yield sample
            if end is not None and time.perf_counter() > end:
                return

    def stats(self) -> list[tuple[str, StatementStats, StatementCode]]:
        """The name of the processor, counts and bytecode of every statement so far."""
        return [
            (name, stat, code)
            for name, runner in self.rules.runners()
            for stat, code in zip(runner.stats(), runner.codes(), strict=True)
        ]

    @contextlib.contextmanager
    def profiled(self, profile: Profile) -> Iterator[None]:
        """Has the processors fill a profile."""
        for _, runner in self.rules.runners():
            runner.profile = profile
        try:
            yield
        finally:
            for _, runner in self.rules.runners():
                runner.profile = None

    def turn(self, samples: Sequence[Sample], seconds: float, profile: Profile | None = None) -> Iterator[Sample]:
        """The messages one after another, from where the last turn ended, for about so long; each has been run."""
        end = time.perf_counter() + seconds
        while True:
            sample = samples[self.at % len(samples)]
            self.at += 1
            begun = time.perf_counter_ns()
            self.run(sample, profile)
            if profile is None:
                self.latencies.append(time.perf_counter_ns() - begun)
            yield sample
            if time.perf_counter() > end:
                return


def measure(
    contenders: Sequence[Contender], samples: Sequence[Sample], seconds: float, *, instructions: bool
) -> Sequence[Sample]:
    """Fills the contenders.

    Args:
        contenders: the same rules each, the slowest last.
        samples: the messages.
        seconds: how long to measure each contender.
        instructions: whether to time these too.

    Returns:
        The messages that were measured: the first ones, as many as the slowest contender has the time for.

    Raises:
        Error: a message cannot be processed.
    """
    counts: list[list[tuple[str, StatementStats, StatementCode]]] = []
    for contender in reversed(contenders):
        done = list(contender.once(samples, None if counts else max(seconds * _FIRST_SHARE, _FIRST_S)))
        samples = samples[: len(done)]
        counts.append(contender.stats())
    counts.reverse()
    share = seconds * (1 - _FIRST_SHARE) / (3 if instructions else 2)
    profiles = [Profile() for _ in contenders]
    runs: list[list[Sample]] = [[] for _ in contenders]
    spent = [[0] * len(found) for found in counts]
    for _ in range(_ROUNDS):
        for contender in contenders:
            for sample in contender.turn(samples, share / _ROUNDS):
                contender.size += len(sample.payload)
                contender.elements += sample.elements
        for number, contender in enumerate(contenders):
            before = contender.stats()
            with contender.profiled(profiles[number]):
                runs[number] += contender.turn(samples, share / _ROUNDS, profiles[number])
            for at, ((_, first, _), (_, last, _)) in enumerate(zip(before, contender.stats(), strict=True)):
                spent[number][at] += last.ns - first.ns
    for number, contender in enumerate(contenders):
        contender.stages = _stages(profiles[number], runs[number])
        total = sum(profiles[number].stages.values())
        timed = Profile(instructions=True)
        if instructions:
            with contender.profiled(timed):
                for _ in contender.turn(samples, share, timed):
                    pass
        contender.statements = [
            _figures(processor, stat, ns, total, samples, runs[number], tuple(timed.lines(code)))
            for (processor, stat, code), ns in zip(counts[number], spent[number], strict=True)
        ]
    return samples


def _stages(profile: Profile, runs: Sequence[Sample]) -> dict[str, float]:
    elements = max(sum(sample.elements for sample in runs), 1)
    return {stage: profile.stages[stage] / elements for stage in STAGES}


def _figures(
    processor: str,
    stat: StatementStats,
    ns: int,
    total: int,
    samples: Sequence[Sample],
    runs: Sequence[Sample],
    lines: tuple[Line, ...],
) -> StatementFigures:
    """The figures of a statement, of its counts after one run over the messages and its time in some more."""

    def rows(found: Sequence[Sample]) -> int:
        return sum(sample.rows[stat.context] for sample in found if sample.signal == stat.signal)

    return StatementFigures(
        processor,
        " ".join(stat.statement.split()),
        stat.location,
        stat.signal,
        stat.context,
        rows(samples),
        stat.matched,
        stat.changed,
        stat.errors,
        ns / max(rows(runs), 1),
        ns / max(total, 1),
        lines,
    )

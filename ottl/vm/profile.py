"""Where the time of payloads goes: by stage, and inside statements by instruction.

A profile is filled by whoever does the work: the engine laps at the end of each stage, and the executors add what each
instruction took, the native one what its steps took. Without a profile none of this is called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ottl.bytecode import Op, StatementCode, describe

__all__ = ["STAGES", "Line", "Profile"]

STAGES: Final = ("decode", "scan", "statements", "patch", "encode")
"""JSON to protobuf or messages; protobuf to tables or messages; the statements; and the way back."""


@dataclass(frozen=True, slots=True)
class Line:
    """What an instruction took.

    Args:
        number: of the instruction in its statement.
        instruction: its printed form.
        seconds: in all.
        rows: for how many rows it ran.
    """

    number: int
    instruction: str
    seconds: float
    rows: int


class _Times:
    """Nanoseconds and rows of each instruction of a statement."""

    __slots__ = ("code", "ns", "rows")

    def __init__(self, code: StatementCode) -> None:
        self.code = code
        self.ns = [0] * len(code.instructions)
        self.rows = [0] * len(code.instructions)


class Profile:
    """Times of the payloads that went through a processor while this was its `profile`. For one thread.

    Args:
        instructions: whether instructions are timed one by one, which slows the statements.
        clock: nanoseconds.
    """

    def __init__(self, instructions: bool = False, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.instructions = instructions
        self.stages = dict.fromkeys(STAGES, 0)
        self.clock = clock
        self._mark = clock()
        self._times: dict[int, _Times] = {}

    def begin(self) -> None:
        """A payload begins."""
        self._mark = self.clock()

    def lap(self, stage: str) -> None:
        """A stage has ended, which began when the last one did or the payload."""
        now = self.clock()
        self.stages[stage] += now - self._mark
        self._mark = now

    def divide(self, scan: int, patch: int) -> None:
        """As `lap`, for stages that took turns: nanoseconds of two of them; the rest belongs to the statements."""
        self.stages["scan"] += scan
        self.stages["patch"] += patch
        self._mark += scan + patch
        self.lap("statements")

    def _of(self, code: StatementCode) -> _Times:
        found = self._times.get(id(code))
        if found is None:
            found = self._times[id(code)] = _Times(code)
        return found

    def add(self, code: StatementCode, number: int, ns: int, rows: int) -> None:
        """An instruction ran.

        Args:
            code: its statement or condition.
            number: of the instruction there.
            ns: what it took.
            rows: for how many rows.
        """
        times = self._of(code)
        times.ns[number] += ns
        times.rows[number] += rows

    def add_laps(self, laps: Sequence[tuple[int, int]], origins: Sequence[tuple[StatementCode, int]]) -> None:
        """Steps of the native executor ran.

        Args:
            laps: nanoseconds of each, and for how many rows.
            origins: the statement of each, and the number of the instruction there.
        """
        last = None
        for (ns, rows), origin in zip(laps, origins, strict=True):
            if rows:
                # Of an instruction that took several steps, the rows count once.
                self.add(*origin, ns, 0 if origin == last else rows)
                last = origin

    def laps(self, code: StatementCode) -> Callable[[int], None]:
        """A function to call behind each instruction on a row, with its number, and before the first with -1."""
        times, clock = self._of(code), self.clock
        mark = 0

        def lap(number: int) -> None:
            nonlocal mark
            now = clock()
            if number >= 0:
                times.ns[number] += now - mark
                times.rows[number] += 1
            mark = clock()

        return lap

    def lines(self, code: StatementCode) -> Iterator[Line]:
        """The instructions of a statement or condition that did something, in order; none where none was timed."""
        times = self._times.get(id(code))
        if times is None:
            return
        for number, text in enumerate(describe(code)):
            if times.rows[number] and code.instructions[number].op is not Op.CONSTANT:
                yield Line(number, text, times.ns[number] / 1e9, times.rows[number])


def run_timed(evaluation: Any, profile: Profile) -> None:
    """All instructions of an evaluation in columns, each timed."""
    code = evaluation.code
    number, end = 0, len(code.instructions)
    while number < end:
        rows = evaluation.selection.count
        begun = profile.clock()
        following = evaluation.run(number, number + 1)
        profile.add(code, number, profile.clock() - begun, rows)
        number = following

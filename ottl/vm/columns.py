"""The columns executor: each instruction over all selected rows of the tables of a payload.

A register holds a `Vector` and the selection at which it was computed; constants and vectors of outer levels belong to
no selection. Where all operands of an instruction lie at one outer level, it is computed there, once a row of that
level. Blocks narrow the selection, `WHERE` narrows it to the rows that the editor gets.

A row that fails is remembered in `_Errors`, with the message of its first failure, and leaves the statement: nothing
later in it counts for that row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.bytecode import GroupCode, Instruction, Op, Place, StatementCode
from ottl.contexts.paths import PathSpec
from ottl.planner import stacks
from ottl.tables.compare import compare, is_nothing
from ottl.tables.vectors import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    OBJECT,
    TIME,
    Selection,
    Vector,
    bools,
    merge,
)
from ottl.types import Kind
from ottl.vm import edits, lift, stores, traces
from ottl.vm.frame import CONTAINERS, Frame, level_of
from ottl.vm.native import Segment
from ottl.vm.profile import run_timed
from ottl.vm.rows import truth

_SCALAR_ARITHMETIC: dict[Op, Callable[[Any, Any], Any]] = {
    Op.ADD: types.add,
    Op.SUBTRACT: types.subtract,
    Op.MULTIPLY: types.multiply,
    Op.DIVIDE: types.divide,
}
_FAR = 1 << 62
_BLOCKS = (Op.AND, Op.OR, Op.UNLESS_NIL)


class Errors:
    """The rows that failed in one statement, with the message of each row's first failure."""

    __slots__ = ("frame", "mask", "messages")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.mask: NDArray[np.bool_] | None = None
        self.messages: list[tuple[NDArray[Any], list[str] | str]] = []

    def add(self, rows: NDArray[Any], message: str | list[str]) -> None:
        """Rows of the context that failed.

        Args:
            rows: row numbers (m,), ascending.
            message: one for all, or one each.
        """
        if not len(rows):
            return  # an outer row failed that has no row selected
        if self.mask is None:
            self.mask = np.zeros(self.frame.count, np.bool_)
        fresh = ~self.mask[rows]
        if not fresh.all():
            if isinstance(message, list):
                message = [m for m, new in zip(message, fresh.tolist(), strict=True) if new]
            rows = rows[fresh]
        if len(rows):
            self.mask[rows] = True
            self.messages.append((rows, message))

    def at(self, selection: Selection, mask: NDArray[np.bool_], level: str, message: str | list[str]) -> None:
        """Failures found on a vector: of the selected rows, or of an outer level's rows or a constant."""
        if level == self.frame.context:
            self.add(selection.numbers()[mask], message)
        elif level == "":
            if mask.any():
                self.add(selection.numbers(), message if isinstance(message, str) else message[0])
        else:
            outer = self.frame.outer_rows(selection, level)
            hit = mask[outer]
            if isinstance(message, list):
                by_row = dict(zip(np.flatnonzero(mask).tolist(), message, strict=True))
                message = [by_row[r] for r in outer[hit].tolist()]
            self.add(selection.numbers()[hit], message)

    def alive(self, selection: Selection) -> Selection:
        """The selected rows that have not failed."""
        if self.mask is None:
            return selection
        dead = self.mask if selection.rows is None else self.mask[selection.rows]
        return selection.narrow(~dead) if dead.any() else selection

    def first(self) -> tuple[int, str]:
        """The first failed row and its message."""
        best: tuple[int, str] | None = None
        for rows, message in self.messages:
            position = int(rows.argmin())
            row = int(rows[position])
            if best is None or row < best[0]:
                best = (row, message if isinstance(message, str) else message[position])
        assert best is not None
        return best

    def tell(self, report: Any, number: int) -> None:
        """Hands every failure to a sink that keeps them (see `engine.Report.fault`)."""
        if report.faults is None:
            return
        for rows, message in self.messages:
            texts = message if isinstance(message, list) else [message] * len(rows)
            for row, text in zip(rows.tolist(), texts, strict=True):
                report.fault(number, row, text)

    def count(self) -> int:
        """How many rows failed."""
        return 0 if self.mask is None else int(self.mask.sum())


class Evaluation:
    """One run through the instructions of a statement or condition."""

    def __init__(self, frame: Frame, code: StatementCode, selection: Selection, errors: Errors, around: Any) -> None:
        self.frame = frame
        self.code = code
        self.selection = selection
        self.errors = errors
        self.environment = around
        self.registers: list[tuple[Vector, Selection] | Instruction | None] = [None] * code.registers
        self.blocks: list[tuple[Op, Selection, Vector]] = []
        self.matched = -1
        self.changed = 0
        self.sink: Any = None
        self.number = 0
        self.gone: Selection | None = None

    # -- registers ----------------------------------------------------------------------------------------------------

    def raw(self, register: int) -> tuple[Vector, Selection]:
        """A register's vector and the selection it was computed at."""
        found = self.registers[register]
        if isinstance(found, Instruction):
            found = self.registers[register] = (self.frame.constant(found.data), self.selection)
        assert found is not None
        return found

    def get(self, register: int) -> Vector:
        """A register for the selected rows, or a constant."""
        vector, at = self.raw(register)
        return self.frame.align(vector, at, self.selection)

    def put(self, register: int, vector: Vector) -> None:
        """Writes a register."""
        self.registers[register] = (vector, self.selection)

    def common(self, *numbers: int) -> tuple[list[Vector], str]:
        """Registers at the level where they meet: an outer one if all lie there, else the selected rows."""
        found = [self.raw(n) for n in numbers]
        levels = {vector.level for vector, _ in found} - {""}
        if len(levels) == 1 and self.frame.context not in levels:
            return [vector for vector, _ in found], levels.pop()
        if not levels:
            return [vector for vector, _ in found], ""
        return [self.frame.align(vector, at, self.selection) for vector, at in found], self.frame.context

    def size(self, level: str) -> int:
        """Length of vectors of a level."""
        return self.selection.count if level == self.frame.context else self.frame.size(level)

    def fail(self, mask: NDArray[np.bool_], level: str, message: str | list[str]) -> None:
        """Failures on a vector of a level."""
        self.errors.at(self.selection, mask, level, message)

    # -- running ------------------------------------------------------------------------------------------------------

    def run(self, number: int = 0, end: int | None = None) -> int:
        """All instructions, or those from a number to another; the number of the one that comes next."""
        instructions = self.code.instructions
        if end is None:
            end = len(instructions)
        while number < end:
            instruction = instructions[number]
            op = instruction.op
            if op in _BLOCKS:
                number = self._open(instruction, number)
            elif op is Op.END:
                self._close(instruction)
                number += 1
            elif op is Op.WHERE:
                if not self._where(instruction):
                    return len(instructions)
                number += 1
            else:
                _STEPS[op](self, instruction)
                number += 1
        return number

    def _open(self, i: Instruction, number: int) -> int:
        """Enters a block, or skips it when no row needs it; the number of the next instruction."""
        vector = self.get(i.registers[0])
        count = self.selection.count
        if i.op is Op.UNLESS_NIL:
            inside = is_nothing(vector, 1 if vector.constant else count)
        else:
            inside = vector.bits if i.op is Op.AND else ~vector.bits
        if len(inside) != count:
            inside = np.broadcast_to(inside, (count,))
        outer = self.selection
        inner = self.errors.alive(outer.narrow(inside))
        if inner.count == 0:
            self.put(i.result, vector)
            return self._end_of(number) + 1
        self.blocks.append((i.op, outer, vector))
        self.selection = inner
        return number + 1

    def _end_of(self, number: int) -> int:
        depth = 0
        instructions = self.code.instructions
        while True:
            number += 1
            op = instructions[number].op
            if op in _BLOCKS:
                depth += 1
            elif op is Op.END:
                if depth == 0:
                    return number
                depth -= 1

    def _close(self, i: Instruction) -> None:
        op, outer, before = self.blocks.pop()
        inner = self.get(i.registers[0])
        index = self.selection.positions(outer)
        frame, count = self.frame, outer.count
        inner_count = self.selection.count
        self.selection = outer
        if index is None:
            self.put(i.result, inner)
        elif op is not Op.UNLESS_NIL:
            values = np.broadcast_to(before.bits, (count,)).copy()
            values[index] = inner.bits
            self.put(i.result, bools(values, frame.context))
        elif OBJECT in (before.tag, inner.tag):
            objects = list(frame.objects(before, count))
            for position, value in zip(index.tolist(), frame.objects(inner, inner_count), strict=True):
                objects[position] = value
            self.put(i.result, frame.vector(objects, frame.context))
        else:
            merged = merge(before, index, inner, count)
            self.put(i.result, merged.at(frame.context))

    def _where(self, i: Instruction) -> bool:
        vector = self.get(i.registers[0])
        if vector.constant:
            kept = self.selection if vector.bits[0] else Selection(np.zeros(0, np.int32), 0)
        else:
            kept = self.selection.narrow(vector.bits)
        self.selection = self.errors.alive(kept)
        self.matched = self.selection.count
        return self.matched > 0

    # -- instructions -------------------------------------------------------------------------------------------------

    def constant(self, i: Instruction) -> None:
        """CONSTANT: made a vector when it is first read, which a call with prepared arguments never does."""
        self.registers[i.result] = i

    def load(self, i: Instruction) -> None:
        """LOAD."""
        if i.constant_keys is not None:
            self.put(i.result, self.frame.load(i.data, i.constant_keys, self.selection, self.fail))
        else:
            self.put(i.result, lift.load_by_keys(self, i))

    def call(self, i: Instruction) -> None:
        """CALL."""
        found = lift.call(self, i) if i.data.over is None else traces.call(self, i)
        if i.kind is Kind.BOOL and found.tag != BOOL:
            found = self._flags(found)
        self.put(i.result, found)

    def index(self, i: Instruction) -> None:
        """INDEX."""
        (value, key), level = self.common(*i.registers)
        self.put(i.result, lift.rowwise(self, lambda v, k: types.index_keys(v, (k,)), [value, key], level))

    def list(self, i: Instruction) -> None:
        """LIST."""
        vectors, level = self.common(*i.registers)
        self.put(i.result, lift.rowwise(self, lambda *items: [*items], vectors, level))

    def map(self, i: Instruction) -> None:
        """MAP."""
        vectors, level = self.common(*i.registers)
        names = i.data
        self.put(
            i.result,
            lift.rowwise(self, lambda *items: types.make_map(zip(names, items, strict=True)), vectors, level),
        )

    def arithmetic(self, i: Instruction) -> None:
        """ADD, SUBTRACT, MULTIPLY, DIVIDE."""
        (left, right), level = self.common(*i.registers)
        result = self._numbers(i.op, left, right, level)
        if result is None:
            result = lift.rowwise(self, _SCALAR_ARITHMETIC[i.op], [left, right], level)
        self.put(i.result, result)

    def _numbers(self, op: Op, left: Vector, right: Vector, level: str) -> Vector | None:
        a, b = left.tags, right.tags
        if not (isinstance(a, int) and isinstance(b, int)):
            return None
        if a == INT and b == INT:
            if op is Op.DIVIDE:
                return self._integer_quotient(left, right, level)
            return Vector(INT, _COMPUTE[op](left.bits, right.bits), None, None, level)
        if {a, b} <= {INT, DOUBLE}:
            x = left.bits if a == DOUBLE else left.bits.astype(np.float64)
            y = right.bits if b == DOUBLE else right.bits.astype(np.float64)
            if op is Op.DIVIDE:
                self._refuse_zero(y, level)
            with np.errstate(all="ignore"):
                return Vector(DOUBLE, _COMPUTE[op](x, y), None, None, level)
        if op in (Op.ADD, Op.SUBTRACT) and {a, b} <= {TIME, DURATION}:
            return self._instants(op, left, right, level)
        return None

    def _instants(self, op: Op, left: Vector, right: Vector, level: str) -> Vector | None:
        """Times and durations, where their sum stays within 64 bits."""
        result = {
            (Op.ADD, TIME, DURATION): TIME,
            (Op.ADD, DURATION, TIME): TIME,
            (Op.ADD, DURATION, DURATION): DURATION,
            (Op.SUBTRACT, TIME, TIME): DURATION,
            (Op.SUBTRACT, TIME, DURATION): TIME,
            (Op.SUBTRACT, DURATION, DURATION): DURATION,
        }.get((op, left.tag, right.tag))
        if result is None or any(((v.bits >= _FAR) | (v.bits <= -_FAR)).any() for v in (left, right)):
            return None
        return Vector(result, _COMPUTE[op](left.bits, right.bits), None, None, level)

    def _refuse_zero(self, divisor: NDArray[Any], level: str) -> None:
        zero = divisor == 0
        if zero.any():
            self.fail(np.broadcast_to(zero, (self.size(level),)), level, "attempted to divide by 0")

    def _integer_quotient(self, left: Vector, right: Vector, level: str) -> Vector:
        self._refuse_zero(right.bits, level)
        divisor = np.where(right.bits == 0, 1, right.bits)
        with np.errstate(all="ignore"):
            quotient = left.bits // divisor
            rest = left.bits - quotient * divisor
            quotient = quotient + ((rest != 0) & ((left.bits < 0) != (divisor < 0)))
        return Vector(INT, quotient, None, None, level)

    def negate(self, i: Instruction) -> None:
        """NEGATE."""
        (value,), level = self.common(*i.registers)
        if value.tag in (INT, DOUBLE):
            self.put(i.result, Vector(value.tag, -value.bits, None, None, level))
        else:
            self.put(i.result, lift.rowwise(self, types.negate, [value], level))

    def compare(self, i: Instruction) -> None:
        """COMPARE."""
        (left, right), level = self.common(*i.registers)
        count = self.size(level)
        self.put(i.result, bools(compare(i.data, left, right, self.frame.batch, CONTAINERS, count), level))

    def truth(self, i: Instruction) -> None:
        """TRUTH."""
        (value,), level = self.common(*i.registers)
        if value.tag == BOOL:
            self.put(i.result, value)
            return
        found = lift.rowwise(self, truth, [value], level)
        self.put(i.result, found if found.tag == BOOL else self._flags(found))

    def _flags(self, vector: Vector) -> Vector:
        """A bool for every row, of values that are bools but for rows that failed, which count no more."""
        size = 1 if vector.constant else self.size(vector.level)
        flags = np.array([value is True for value in self.frame.objects(vector, size)], np.bool_)
        return bools(flags, vector.level)

    def negation(self, i: Instruction) -> None:
        """NOT."""
        (value,), level = self.common(*i.registers)
        self.put(i.result, bools(~value.bits, level))

    def store(self, i: Instruction) -> None:
        """STORE."""
        self._begin_edit()
        if self.selection.count:
            self.changed += stores.store(self, i)

    def edit(self, i: Instruction) -> None:
        """EDIT."""
        self._begin_edit()
        if self.selection.count:
            self.changed += edits.edit(self, i)

    def drop(self, _: Instruction) -> None:
        """DROP."""
        self._begin_edit()
        self._leave(self.selection)

    def _leave(self, selection: Selection) -> None:
        self.gone = selection
        self.changed += selection.count

    def route(self, i: Instruction) -> None:
        """ROUTE."""
        self._begin_edit()
        if self.selection.count:
            mask = np.zeros(self.frame.count, np.bool_)
            mask[self.selection.numbers()] = True
            self.sink.marks.add(i.data, self.frame.context, mask)
            self.changed += self.selection.count

    def rate(self, i: Instruction) -> None:
        """RATE."""
        self._begin_edit()
        count = self.selection.count
        if count:
            time, received = (np.broadcast_to(self.get(n).bits, (count,)) for n in i.registers)
            stays = self.sink.limiters[self.number].admit(np.where(time == 0, received, time))
            self._leave(self.selection.narrow(~stays))

    def _begin_edit(self) -> None:
        if self.matched < 0:
            self.matched = self.selection.count
        self.selection = self.errors.alive(self.selection)


_COMPUTE: dict[Op, Callable[[Any, Any], Any]] = {
    Op.ADD: np.add,
    Op.SUBTRACT: np.subtract,
    Op.MULTIPLY: np.multiply,
    Op.DIVIDE: np.divide,
}

_STEPS: dict[Op, Callable[[Evaluation, Instruction], None]] = {
    Op.CONSTANT: Evaluation.constant,
    Op.LOAD: Evaluation.load,
    Op.CALL: Evaluation.call,
    Op.INDEX: Evaluation.index,
    Op.LIST: Evaluation.list,
    Op.MAP: Evaluation.map,
    Op.ADD: Evaluation.arithmetic,
    Op.SUBTRACT: Evaluation.arithmetic,
    Op.MULTIPLY: Evaluation.arithmetic,
    Op.DIVIDE: Evaluation.arithmetic,
    Op.NEGATE: Evaluation.negate,
    Op.COMPARE: Evaluation.compare,
    Op.TRUTH: Evaluation.truth,
    Op.NOT: Evaluation.negation,
    Op.STORE: Evaluation.store,
    Op.EDIT: Evaluation.edit,
    Op.DROP: Evaluation.drop,
    Op.ROUTE: Evaluation.route,
    Op.RATE: Evaluation.rate,
}


def evaluate_condition(
    frame: Frame, code: StatementCode, selection: Selection, around: Any
) -> tuple[NDArray[np.bool_], Errors]:
    """A condition on the selected rows.

    Returns:
        Where it holds, bool (selection.count,), false where it failed; and the failures.
    """
    number = frame.lowered.conditions.get(id(code))
    if number is None:
        return _evaluate(frame, code, selection, around)
    assert frame.lowered.selector is not None
    frame.lend_cache()
    timed = frame.profile is not None
    states, laps = frame.lowered.selector.select(frame.batch, selection.rows, number, frame.room(), timed)
    if frame.profile is not None:
        frame.profile.add_laps(laps, [(code, instruction) for _, instruction in frame.lowered.origins])
    frame.check()
    holds: NDArray[np.bool_] = states == 1
    left = np.flatnonzero(states == _DECLINED)
    if not len(left):
        return holds, Errors(frame)
    rows = selection.numbers()[left]
    holds[left], errors = _evaluate(frame, code, Selection(rows, len(rows)), around)
    return holds, errors


_DECLINED = 2


def _evaluate(frame: Frame, code: StatementCode, selection: Selection, around: Any) -> tuple[NDArray[np.bool_], Errors]:
    errors = Errors(frame)
    run = Evaluation(frame, code, selection, errors, around)
    if frame.profile is None:
        run.run()
    else:
        run_timed(run, frame.profile)
    holds = np.broadcast_to(run.get(code.result).bits, (selection.count,)).copy()
    if errors.mask is not None:
        holds &= ~(errors.mask if selection.rows is None else errors.mask[selection.rows])
    return holds, errors


def select(
    frame: Frame, group: GroupCode, selection: Selection, around: Any, report: Any, numbers: list[int]
) -> tuple[NDArray[np.bool_], list[tuple[int, int, str]]]:
    """The rows of a level that a filter's conditions select; a failing one keeps the row, under `propagate` at once.

    Args:
        frame: the tables, in the level's context.
        group: the conditions.
        selection: the rows to look at.
        around: clock and identifiers.
        report: the sink, whose arrays are added to.
        numbers: the number of each condition in the report.

    Returns:
        bool (frame.count,), and under `propagate` the failures: condition, row, message.
    """
    selected = np.zeros(frame.count, np.bool_)
    failures: list[tuple[int, int, str]] = []
    pending = selection
    for number, condition in zip(numbers, group.conditions, strict=True):
        if pending.count == 0:
            break
        begun = time.perf_counter_ns()
        found, errors = evaluate_condition(frame, condition, pending, around)
        rows = pending.numbers()
        selected[rows[found]] = True
        report.matched[number] += int(found.sum())
        open_rows = ~found
        if errors.mask is not None:
            row, message = errors.first()
            report.errors[number] += errors.count()
            report.first.setdefault(number, message)
            errors.tell(report, number)
            if group.error_mode == "propagate":
                failures.append((number, row, message))
                open_rows &= ~errors.mask[rows]
        pending = pending.narrow(open_rows)
        report.ns[number] += time.perf_counter_ns() - begun
    return selected, sorted(failures, key=lambda failure: failure[1])


def run_group(frame: Frame, group: GroupCode, around: Any, report: Any) -> None:
    """A group over a payload's tables.

    Args:
        frame: the tables.
        group: its bytecode.
        around: clock and identifiers.
        report: the sink (see `vm.rows.Sink`), whose arrays are added to.
    """
    selection = frame.all
    failures: list[tuple[int, int, str]] = []
    if group.conditions:
        selection = _run_conditions(frame, group, around, report, failures)
    if group.choice.settle:
        _settle(frame, group, selection, around, report, failures)
    else:
        _run_statements(frame, group, selection, around, report, failures)
    if failures:
        row, number, message = min(failures, key=lambda f: f[:2])
        report.propagate(number, row, message)


def _run_statements(
    frame: Frame,
    group: GroupCode,
    selection: Selection,
    around: Any,
    report: Any,
    failures: list[tuple[int, int, str]],
    watch: _Watch | None = None,
) -> None:
    """All statements on the selected rows."""
    number = 0
    while number < len(group.statements) and selection.count:
        segment = frame.lowered.segments.get(number)
        if segment is not None:
            selection = _run_segment(frame, group, segment, selection, around, report, failures)
            number = segment.end
            continue
        if watch is not None:
            watch.before(number)
        selection = _run_statement(frame, group, number, selection, around, report, failures)
        if watch is not None:
            watch.behind(number)
        number += 1


SETTLING: Final = 4
"""How often statements may run on what rows share before they are taken for ones that go on changing it."""


class _Watch:
    """Whether statements still change the rows of an outer level.

    Args:
        frame: the tables.
        group: the bytecode.
        level: the level.
    """

    def __init__(self, frame: Frame, group: GroupCode, level: str) -> None:
        self.frame = frame
        self.level = level
        self.places = {
            number: found
            for number in group.choice.changing
            if (found := [spec for spec in _written(group.statements[number]) if level_of(spec) == level])
        }
        self.found: list[Any] = []
        self.changed = False

    def _state(self, number: int) -> list[Any]:
        """What lies where a statement writes, in all rows of the level."""
        frame = self.frame
        size = frame.size(self.level)
        return [frame.objects(frame.load(spec, (), frame.all, _ignore), size) for spec in self.places[number]]

    def before(self, number: int) -> None:
        """A statement is about to run."""
        if number in self.places and not self.changed:
            self.found = self._state(number)

    def behind(self, number: int) -> None:
        """It has run."""
        if number in self.places and not self.changed:
            self.changed = not _identical(self.found, self._state(number))


def _ignore(mask: NDArray[np.bool_], level: str, message: str | list[str]) -> None:
    """Failures that say nothing about what was changed."""


def _identical(one: object, other: object) -> bool:
    """Whether values are the same with types, order and signs of zero."""
    if type(one) is not type(other):
        return False
    if isinstance(one, types.Map) and isinstance(other, types.Map):
        return _identical(one.entries, other.entries)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_identical, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one.hex() == other.hex()
    return one == other


def _written(code: StatementCode) -> list[PathSpec]:
    """The paths that a statement writes."""
    found = [i.data for i in code.instructions if i.op in (Op.STORE, Op.TOUCH)]
    return found + [o.spec for i in code.instructions for o in i.operands if isinstance(o, Place)]


def _settle(
    frame: Frame,
    group: GroupCode,
    selection: Selection,
    around: Any,
    report: Any,
    failures: list[tuple[int, int, str]],
) -> None:
    """Statements that change what rows share, and read of the rows nothing for it.

    They run on the first selected row of each outer one, then on the second of each and so on: once they change nothing
    in any of them, they never will, since what they depend on stays the same. So it goes level by level, the outermost
    first, and then all rows that are left follow at once.

    Raises:
        Unsettled: they have gone on changing something.
    """
    for level in group.choice.settle:
        outer = frame.outer_rows(selection, level)
        starts = np.flatnonzero(np.diff(outer, prepend=-1))
        turn = np.arange(len(outer)) - np.repeat(starts, np.diff(starts, append=len(outer)))
        number, settled = 0, False
        while not settled:
            part = selection.narrow(turn == number)
            if not part.count:
                return
            if number == SETTLING:
                raise stacks.Unsettled
            watch = _Watch(frame, group, level) if number else None
            _run_statements(frame, group, part, around, report, failures, watch)
            settled = watch is not None and not watch.changed
            number += 1
        selection = selection.narrow(turn >= number)
    _run_statements(frame, group, selection, around, report, failures)


def _run_segment(
    frame: Frame,
    group: GroupCode,
    segment: Segment,
    selection: Selection,
    around: Any,
    report: Any,
    failures: list[tuple[int, int, str]],
) -> Selection:
    """Neighbouring statements on the selected rows, in the native executor; the rows that go on.

    The rows that a statement declines there run it here, and go on there behind it. They meet at every statement, so
    that its failures are told together.
    """
    waiting: dict[int, list[NDArray[np.int32]]] = {}

    def run(rows: NDArray[np.int32] | None, first: int) -> None:
        frame.lend_cache()
        timed = frame.profile is not None
        untold = None
        if group.error_mode != "propagate" and report.faults is None:
            untold = [not known for known in report.known[segment.start : segment.end]]
        matched, changed, ns, declined, failed, laps = segment.program.run(
            frame.batch, rows, first, untold, frame.room(), timed
        )
        if frame.profile is not None:
            codes = group.statements[segment.start : segment.end]
            frame.profile.add_laps(laps, [(codes[number], instruction) for number, instruction in segment.origins])
        frame.check()
        for number in range(first, len(matched)):
            report.matched[segment.start + number] += matched[number]
            report.changed[segment.start + number] += changed[number]
            report.errors[segment.start + number] += failed[number]
            report.ns[segment.start + number] += ns[number]
        for number, found in declined:
            waiting.setdefault(number, []).append(found)
        frame.written(frame.context)
        frame.take_cache(segment.cached)
        if frame.traces is not None:
            for code in group.statements[segment.start + first : segment.end]:
                frame.traces.forget(traces.written_parts(code))

    run(selection.rows, 0)
    count = segment.end - segment.start
    gone: list[NDArray[np.int32]] = []
    while waiting:
        number = min(waiting)
        parts = waiting.pop(number)
        rows = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
        part = Selection(rows, len(rows))
        after = _run_statement(frame, group, segment.start + number, part, around, report, failures)
        if after is not part:
            gone.append(np.setdiff1d(rows, after.numbers()))
        if after.count and number + 1 < count:
            run(after.numbers(), number + 1)
    if not gone:
        return selection
    keep = _chosen(frame, selection)
    keep[np.concatenate(gone)] = False
    return frame.all.narrow(keep)


def _run_statement(
    frame: Frame,
    group: GroupCode,
    number: int,
    selection: Selection,
    around: Any,
    report: Any,
    failures: list[tuple[int, int, str]],
) -> Selection:
    """A statement on the selected rows; the rows that go on."""
    code = group.statements[number]
    begun = time.perf_counter_ns()
    errors = Errors(frame)
    run = Evaluation(frame, code, selection, errors, around)
    run.sink, run.number = report, number
    if frame.profile is None:
        run.run()
    else:
        run_timed(run, frame.profile)
    if frame.traces is not None:
        frame.traces.forget(traces.written_parts(code))
    failed = errors.count()
    report.matched[number] += max(run.matched, 0)
    report.changed[number] += run.changed
    if failed:
        row, message = errors.first()
        report.errors[number] += failed
        if row < frame.failed.get(number, frame.count):
            frame.failed[number] = row
            report.first[number] = message
        if group.error_mode == "propagate":
            failures.append((row, number, message))
            selection = errors.alive(selection)
        else:
            errors.tell(report, number)
    if run.gone is not None and run.gone.count:
        selection = _without(frame, selection, run.gone)
    frame.check()
    report.ns[number] += time.perf_counter_ns() - begun
    return selection


def _without(frame: Frame, selection: Selection, gone: Selection) -> Selection:
    """The selected rows but for those that have gone, which the frame remembers."""
    if frame.gone is None:
        frame.gone = np.zeros(frame.count, np.bool_)
    frame.gone[gone.numbers()] = True
    return frame.all.narrow(_chosen(frame, selection) & ~frame.gone)


def _chosen(frame: Frame, selection: Selection) -> NDArray[np.bool_]:
    mask = np.zeros(frame.count, np.bool_)
    mask[selection.numbers()] = True
    return mask


def _run_conditions(
    frame: Frame, group: GroupCode, around: Any, report: Any, failures: list[tuple[int, int, str]]
) -> Selection:
    """The rows on which a condition of the group holds."""
    holds = np.zeros(frame.count, np.bool_)
    pending = frame.all
    for number, condition in enumerate(group.conditions):
        if pending.count == 0:
            break
        found, errors = evaluate_condition(frame, condition, pending, around)
        rows = pending.numbers()
        holds[rows[found]] = True
        open_rows = ~found
        if errors.mask is not None:
            report.condition_errors[number] += errors.count()
            if group.error_mode == "propagate":
                row, message = errors.first()
                failures.append((row, -len(group.conditions) + number, message))
                open_rows &= ~errors.mask[rows]
            else:
                errors.tell(report, -1 - number)
        pending = pending.narrow(open_rows)
    return frame.all.narrow(holds)


__all__ = ["Errors", "Evaluation", "evaluate_condition", "run_group"]

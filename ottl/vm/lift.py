"""Scalar kernels over vectors.

A call is computed, in this order of preference: by the function's vector kernel, less the rows that it declines; if it
is pure, once for every distinct value of the one argument that varies; else row by row. What the kernel sees and what
it may return are the same in all three, and the same as in the rows executor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.analysis.keyed import Keyed
from ottl.bytecode import Elements, Instruction, Literal, Operand, Reference
from ottl.functions import Columns, Form, Function, Parameter
from ottl.tables.vectors import BOOL, DOUBLE, OBJECT, STRING, VIEWS, Selection, Vector, merge, uniform
from ottl.types import Kind
from ottl.vm.frame import level_of
from ottl.vm.memories import PendingSlots, key_bytes, remembering
from ottl.vm.rows import argument_converter, element_converter, function_argument

if TYPE_CHECKING:
    from ottl.vm.columns import Evaluation

Scalar = Callable[..., Any]
_SPREAD = 4
"""How much larger than their number codes may be to be used as places in a table."""
FEW_KEYS = 64
"""Up to so many distinct keys are looked up one after another over their rows; beyond, maps are decoded row by row."""


def constant_operand(p: Parameter, value: Any) -> Any:
    """A literal as the kernel gets it."""
    if p.compile is None or value is None or not isinstance(value, (str, list)):
        return value
    return [p.compile(v) for v in value] if isinstance(value, list) else p.compile(value)


class Call:
    """A call with its arguments sorted into constants and registers.

    Args:
        function: the function.
        operands: as in the instruction, one a parameter.
        environment: clock and identifiers.
    """

    def __init__(self, function: Function, operands: Sequence[Operand], environment: Any) -> None:
        self.function = function
        self.kernel = function.kernel
        self.registers: list[int] = []
        self.slots: list[tuple[str, Any, Any]] = []
        for p, operand in zip(function.parameters, operands, strict=True):
            match operand:
                case None:
                    self.slots.append(("constant", environment, None))
                case Literal(value=value):
                    self.slots.append(("constant", constant_operand(p, value), None))
                case Reference():
                    self.slots.append(("constant", function_argument(operand), None))
                case Elements(registers=registers):
                    first = len(self.registers)
                    self.registers += registers
                    places = tuple(range(first, len(self.registers)))
                    form = "tuple" if p.form is Form.TUPLE else "list"
                    self.slots.append((form, places, element_converter(p)))
                case int():
                    self.slots.append(("value", len(self.registers), argument_converter(p)))
                    self.registers.append(operand)
                case _:
                    self.slots.append(("target", None, None))
        self.give = types.convert_result(function.result, function.result_raw)

    def arguments(self, values: Sequence[Any], target: Any = None) -> list[Any]:
        """The kernel's arguments for the values of the registers on one row."""
        found: list[Any] = []
        for form, what, convert in self.slots:
            if form == "constant":
                found.append(what)
            elif form == "value":
                found.append(convert(values[what]))
            elif form == "list":
                found.append([convert(values[n]) for n in what])
            elif form == "tuple":
                found.append(tuple(convert(values[n]) for n in what))
            else:
                found.append(target)
        return found

    def scalar(self) -> Scalar:
        """The call as a function of the registers' values."""
        kernel, give = self.kernel, self.give
        if len(self.slots) == 1 and self.slots[0][0] == "value":
            convert = self.slots[0][2]
            return lambda value: give(kernel(convert(value)))
        return lambda *values: give(kernel(*self.arguments(values)))


def call(run: Evaluation, i: Instruction) -> Vector:
    """CALL for the selected rows, or for the rows of the outer level where all arguments lie."""
    found = _called(run, i)
    run.frame.check()
    return found


def _called(run: Evaluation, i: Instruction) -> Vector:
    function: Function = i.data
    if function.stateful:
        return _remembered(run, i)
    prepared = run.frame.prepared(i, lambda: Call(function, i.operands, run.environment))
    if function.pure:
        vectors, level = run.common(*prepared.registers)
    else:
        vectors, level = [run.get(n) for n in prepared.registers], run.frame.context
    if function.vector_kernel is not None and (function.pure or not vectors):
        found = _by_kernel(run, prepared, vectors, level) if function.pure else _by_living_kernel(run, prepared)
        if found is not None:
            return found
    if not function.pure:
        return _living_rows(run, prepared.scalar(), vectors)
    return rowwise(run, prepared.scalar(), vectors, level)


def _remembered(run: Evaluation, i: Instruction) -> Vector:
    """CALL of a function with memory, for the rows that have not failed, in order."""
    function: Function = i.data

    def prepare() -> Call:
        made = Call(function, i.operands, run.environment)
        made.kernel = remembering(i, run.environment)
        return made

    prepared: Call = run.frame.prepared(i, prepare)
    alive = run.errors.alive(run.selection)
    if function.vector_kernel is not None and alive.count:
        frame = run.frame
        places = next(
            (w for p, (_, w, _) in zip(function.parameters, prepared.slots, strict=True) if p.form is Form.KEY), ()
        )
        slots = _key_slots(run, [prepared.registers[n] for n in places], alive, run.environment.memories.of(i).keyed)
        if slots is not None:
            index = alive.positions(run.selection)
            arguments: list[Any] = []
            for p, (form, what, _) in zip(function.parameters, prepared.slots, strict=True):
                if p.form is Form.STATE:
                    arguments.append(slots)
                elif p.form is Form.KEY:
                    arguments.append(None)
                elif form == "value":
                    vector = run.get(prepared.registers[what])
                    arguments.append(vector if index is None or vector.constant else vector.take(index, frame.context))
                else:
                    arguments.append(what)
            found: Vector | None = function.vector_kernel(Columns(frame.batch, frame.context, alive.count), *arguments)
            if found is not None:
                return found if index is None else _spread_over(found, index, run.selection.count)
    return _living_rows(run, prepared.scalar(), [run.get(n) for n in prepared.registers])


def _key_slots(run: Evaluation, registers: list[int], alive: Selection, keyed: Keyed[Any]) -> PendingSlots | None:
    """The slots of the rows' keys, found once for every distinct key; None where keys have to be found row by row."""
    frame = run.frame
    count = alive.count
    codes = np.zeros(count, np.int64)
    for number in registers:
        vector, at = run.raw(number)
        if vector.constant:
            continue
        if vector.level == frame.context:
            own = _numbered(run, frame.align(vector, at, alive))
        else:
            own = _numbered(run, vector)
            own = None if own is None else own[frame.outer_rows(alive, vector.level)]
        if own is None:
            return None
        codes = _dense(codes * (int(own.max()) + 1) + own)
    first, ranks = _first_rows(codes)
    keys: list[list[Any]] = []
    for number in registers:
        vector, at = run.raw(number)
        vector = frame.align(vector, at, alive)
        keys.append(frame.objects(vector if vector.constant else vector.take(first, frame.context), len(first)))
    names: dict[bytes, int] = {}
    try:
        same = [names.setdefault(key_bytes(key), len(names)) for key in (zip(*keys, strict=True) if keys else [()])]
    except ValueError:
        return None
    return PendingSlots(keyed, list(names), np.array(same, np.intp)[ranks])


def _dense(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes as small numbers, which places in a table tell apart; sorting costs ten times as much."""
    if int(codes.max()) <= _SPREAD * len(codes):
        return codes
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _first_rows(codes: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first row of each code, in order, and for each row which of them has its code."""
    count = len(codes)
    by_code = np.full(int(codes.max()) + 1, -1, np.intp)
    by_code[codes[::-1]] = np.arange(count - 1, -1, -1)
    first = np.sort(by_code[by_code >= 0])
    by_code[codes[first]] = np.arange(len(first))
    return first, by_code[codes]


def _numbered(run: Evaluation, vector: Vector) -> NDArray[np.int64] | None:
    """A number for each value, the same for the same bytes; None for objects."""
    if vector.tag == OBJECT:
        return None
    tags = vector.tags
    bits = vector.raw()
    if not len(bits):
        return np.zeros(0, np.int64)
    if isinstance(tags, int):
        if tags in VIEWS:
            assert vector.lens is not None
            own: NDArray[np.int64] = run.frame.batch.intern(None, bits, vector.lens)[0].astype(np.int64)
            return own
        return np.unique(bits, return_inverse=True)[1].astype(np.int64)
    words = bits
    if vector.lens is not None:
        codes, _ = run.frame.batch.intern(tags, bits, vector.lens)
        words = np.where(codes >= 0, codes.astype(np.int64), bits)
    numbers = np.unique(words, return_inverse=True)[1].astype(np.int64)
    found: NDArray[np.int64] = np.unique(numbers * 256 + tags, return_inverse=True)[1].astype(np.int64)
    return found


def _by_kernel(run: Evaluation, prepared: Call, vectors: list[Vector], level: str) -> Vector | None:
    """The vector kernel's answer, and the scalar one's for the rows that it declines; None where it declines all.

    A kernel sees the rows whose values are of the types it wants.
    """
    size = run.size(level)
    index = fitting(prepared, vectors)
    if index is None:
        answer = _answer(run, prepared, vectors, level, size)
    elif not len(index):
        return None
    else:
        parts = [v if v.constant else _retyped(v.take(index, level)) for v in vectors]
        answer = _answer(run, prepared, parts, level, len(index))
    if answer is None:
        return None
    found, declined = answer if isinstance(answer, tuple) else (answer, None)
    if declined is not None and not declined.any():
        declined = None
    if index is None and declined is None:
        return found
    done = np.ones(size, np.bool_) if index is None else np.zeros(size, np.bool_)
    if index is not None:
        done[index] = True
        found = _spread_over(found, index, size)
    if declined is not None:
        done[declined if index is None else index[declined]] = False
    return _completed(run, prepared, vectors, level, found, np.flatnonzero(~done))


def _by_living_kernel(run: Evaluation, prepared: Call) -> Vector | None:
    """The answer of an impure function's vector kernel, for the rows that have not failed."""
    level = run.frame.context
    alive = run.errors.alive(run.selection)
    found = _answer(run, prepared, [], level, alive.count)
    assert not isinstance(found, tuple)
    index = alive.positions(run.selection)
    return found if index is None or found is None else _spread_over(found, index, run.selection.count)


def fitting(prepared: Call, vectors: list[Vector]) -> NDArray[np.intp] | None:
    """The rows whose values are of the types that strict parameters want; None for all, empty for none."""
    fit: NDArray[np.bool_] | None = None
    for p, (form, what, _) in zip(prepared.function.parameters, prepared.slots, strict=True):
        if form != "value" or p.kind is Kind.ANY or p.like:
            continue
        vector, wanted = vectors[what], TAG_OF.get(p.kind)
        if p.compile is not None and vector.constant:
            continue
        if isinstance(vector.tags, int):
            if vector.tags != wanted:
                return np.zeros(0, np.intp)
        elif wanted is None or vector.constant:
            return np.zeros(0, np.intp)
        else:
            right = vector.tags == wanted
            fit = right if fit is None else fit & right
    return None if fit is None else np.flatnonzero(fit)


def _retyped(vector: Vector) -> Vector:
    if isinstance(vector.tags, int) or vector.lens is None:
        return vector
    return uniform(vector.tags, vector.bits, vector.lens, vector.level)


def _answer(
    run: Evaluation, prepared: Call, vectors: list[Vector], level: str, size: int
) -> Vector | tuple[Vector, NDArray[np.bool_] | None] | None:
    arguments: list[Any] = []
    for p, (form, what, convert) in zip(prepared.function.parameters, prepared.slots, strict=True):
        if form == "constant":
            arguments.append(what)
        elif form == "value":
            vector = vectors[what]
            if p.compile is not None and vector.constant:
                try:
                    arguments.append(convert(run.frame.objects(vector, 1)[0]))
                except ValueError:
                    return None
                continue
            arguments.append(vector)
        else:
            arguments.append([vectors[n] for n in what])
    kernel: Callable[..., Any] = prepared.function.vector_kernel  # type: ignore[assignment]
    batch, most = run.frame.batch, run.frame.bounds.max_string
    before = batch.size()
    answer = kernel(Columns(batch, level, size), *arguments)
    return answer if answer is None or batch.size() - before <= most else _declined_beyond(answer, most)


def _declined_beyond(
    answer: Vector | tuple[Vector, NDArray[np.bool_] | None], most: int
) -> tuple[Vector, NDArray[np.bool_] | None]:
    """A vector kernel's answer, but for the texts that are too long: on their rows the scalar one will fail."""
    found, declined = answer if isinstance(answer, tuple) else (answer, None)
    if found.lens is None:
        return found, declined
    texts = found.tags == STRING
    long = (found.lens > most) & texts
    return found, long if declined is None else declined | long


def _spread_over(found: Vector, index: NDArray[np.intp], size: int) -> Vector:
    """The values at positions of a larger vector, with zeros of their type between, which failing rows will have."""
    if found.objects is not None:
        objects: list[Any] = [None] * size
        for position, value in zip(index.tolist(), found.objects, strict=True):
            objects[position] = value
        return Vector(OBJECT, found.bits, None, objects, found.level)
    bits = np.zeros(size, found.bits.dtype)
    bits[index] = found.bits
    lens = None
    if found.lens is not None:
        lens = np.zeros(size, np.uint32)
        lens[index] = found.lens
    tags = found.tags
    if not isinstance(tags, int):
        tags = np.zeros(size, np.uint8)
        tags[index] = found.tags
    return Vector(tags, bits, lens, None, found.level)


def _completed(
    run: Evaluation, prepared: Call, vectors: list[Vector], level: str, found: Vector, left: NDArray[np.intp]
) -> Vector:
    """The kernel's answer with the scalar kernel's results on the rows that are left."""
    frame, size = run.frame, run.size(level)
    parts = [v if v.constant else v.take(left, level) for v in vectors]
    count = len(left)
    varying = [v for v in parts if not v.constant]
    codes, distinct = (
        distinct_values(run, varying[0]) if len(varying) == 1 and varying[0].tag != OBJECT else (None, None)
    )
    if codes is None or distinct is None:
        results, failures = _apply(prepared.scalar(), [frame.objects(v, count) for v in parts], count)
    else:
        total = len(distinct)
        values = [frame.objects(distinct if v is varying[0] else v, total) for v in parts]
        few, failed = _apply(prepared.scalar(), values, total)
        results = [few[c] for c in codes.tolist()]
        failures = {position: failed[c] for position, c in enumerate(codes.tolist()) if c in failed}
    if failures:
        mask = np.zeros(size, np.bool_)
        mask[left[list(failures)]] = True
        run.fail(mask, level, list(failures.values()))
    if len(failures) == count:
        return found
    if failures:
        good = [n for n in range(count) if n not in failures]
        left, results = left[good], [results[n] for n in good]
    inner = frame.vector(results, level)
    if OBJECT not in (found.tag, inner.tag):
        return merge(found, left, inner, size)
    objects = list(frame.objects(found, size))
    for position, value in zip(left.tolist(), results, strict=True):
        objects[position] = value
    return frame.vector(objects, level)


TAG_OF = {
    Kind.BOOL: types.Tag.BOOL,
    Kind.INT: types.Tag.INT,
    Kind.DOUBLE: types.Tag.DOUBLE,
    Kind.STRING: types.Tag.STRING,
    Kind.TIME: types.Tag.TIME,
    Kind.DURATION: types.Tag.DURATION,
    Kind.LIST: types.Tag.LIST,
    Kind.MAP: types.Tag.MAP,
}
"""The tag of the values that a strict parameter takes."""


def rowwise(run: Evaluation, scalar: Scalar, vectors: list[Vector], level: str) -> Vector:
    """A pure scalar function over vectors of one level: once a distinct value where one argument varies."""
    varying = [v for v in vectors if not v.constant]
    if not varying:
        return _every_row(run, scalar, vectors, "", 1)
    size = run.size(level)
    if len(varying) == 1 and varying[0].tag != OBJECT:
        codes, distinct = distinct_values(run, varying[0])
        if codes is not None:
            count = len(distinct)
            values = [run.frame.objects(distinct if v is varying[0] else v, count) for v in vectors]
            results, failures = _apply(scalar, values, count)
            if failures:
                bad = np.zeros(count, np.bool_)
                bad[list(failures)] = True
                mask = bad[codes]
                run.fail(mask, level, [failures[c] for c in codes[mask].tolist()])
            return run.frame.vector(results, level).take(codes, level)
    return _every_row(run, scalar, vectors, level, size)


def distinct_values(run: Evaluation, vector: Vector) -> tuple[NDArray[Any] | None, Vector]:
    """Codes of the values, and the distinct values; no codes where telling values apart costs more than it saves."""
    tags = vector.tags
    if isinstance(tags, int):
        if tags in VIEWS:
            assert vector.lens is not None
            codes, first = run.frame.batch.intern(None, vector.bits, vector.lens)
            if 2 * len(first) > len(codes):
                return None, vector
            return codes, vector.take(first, vector.level)
        if tags == BOOL:
            return vector.bits.astype(np.intp), Vector(BOOL, np.array([False, True]), None, None, vector.level)
        if tags == DOUBLE:
            return None, vector
        values, inverse = np.unique(vector.bits, return_inverse=True)
        if 2 * len(values) > len(inverse):
            return None, vector
        return inverse, Vector(tags, values, None, None, vector.level)
    if vector.lens is None:
        return None, vector
    codes, first = run.frame.batch.intern(tags, vector.bits, vector.lens)
    if (codes >= 0).all() or 2 * len(first) > len(codes):
        return None, vector
    # Cells of several kinds: views by their bytes and tag, the others by their bits.
    words = np.where(codes >= 0, codes.astype(np.int64), vector.bits)
    keys = np.empty(len(words), dtype=[("tag", np.uint8), ("word", np.int64)])
    keys["tag"], keys["word"] = tags, words
    _, position, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return inverse, vector.take(position, vector.level)


def _apply(scalar: Scalar, values: list[list[Any]], count: int) -> tuple[list[Any], dict[int, str]]:
    """Results for each row, nil where it failed, and the failures' messages by position."""
    failures: dict[int, str] = {}
    try:
        return list(map(scalar, *values)) if values else [scalar() for _ in range(count)], failures
    except ValueError:
        pass
    results: list[Any] = []
    for position, row in enumerate(zip(*values, strict=True) if values else [()] * count):
        try:
            results.append(scalar(*row))
        except ValueError as error:
            failures[position] = str(error)
            results.append(None)
    return results, failures


def _every_row(run: Evaluation, scalar: Scalar, vectors: list[Vector], level: str, size: int) -> Vector:
    frame = run.frame
    results, failures = _apply(scalar, [frame.objects(v, size) for v in vectors], size)
    if failures:
        mask = np.zeros(size, np.bool_)
        mask[list(failures)] = True
        run.fail(mask, level, list(failures.values()))
    return frame.vector(results, level)


def _living_rows(run: Evaluation, scalar: Scalar, vectors: list[Vector]) -> Vector:
    """An impure scalar function on the rows that have not failed, once each and in order."""
    frame, count = run.frame, run.selection.count
    dead = run.errors.mask
    if dead is not None:
        dead = dead if run.selection.rows is None else dead[run.selection.rows]
    columns = [frame.objects(v, count) for v in vectors]
    results: list[Any] = [None] * count
    failures: dict[int, str] = {}
    for position in range(count):
        if dead is not None and dead[position]:
            continue
        try:
            results[position] = scalar(*(column[position] for column in columns))
        except ValueError as error:
            failures[position] = str(error)
    if failures:
        mask = np.zeros(count, np.bool_)
        mask[list(failures)] = True
        run.fail(mask, frame.context, list(failures.values()))
    return frame.vector(results, frame.context)


def load_by_keys(run: Evaluation, i: Instruction) -> Vector:
    """LOAD with keys that rows decide: each distinct combination is loaded for its rows."""
    frame, selection, spec = run.frame, run.selection, i.data
    count = selection.count
    keys = [frame.objects(run.get(n), count) for n in i.registers]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for position, key in enumerate(zip(*keys, strict=True)):
        groups.setdefault(tuple((type(k), k if _hashable(k) else None) for k in key), []).append(position)
    level = level_of(spec)
    results: list[Any] = [None] * count
    every = selection.numbers()
    for group in groups.values():
        index = np.array(group, np.intp)
        key = tuple(column[group[0]] for column in keys)
        part = Selection(every[index], len(index))

        def fail(mask: NDArray[np.bool_], where: str, message: str | list[str], part: Selection = part) -> None:
            run.errors.at(part, mask, where, message)

        vector = frame.load(spec, key, part, fail)
        if level != frame.context and not vector.constant:
            vector = frame.align(vector, part, part)
        for position, value in zip(group, frame.objects(vector, len(group)), strict=True):
            results[position] = value
    return frame.vector(results, frame.context)


def _hashable(value: Any) -> bool:
    return not isinstance(value, (list, types.Map))

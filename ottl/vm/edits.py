"""EDIT: editors over the tables.

An editor runs on a target: the selected rows, or for a path that rows share, each of the outer rows once. In order of
preference: its vector kernel; for a plain target whose other arguments are constants, its scalar kernel once a distinct
value; its scalar kernel row by row, on detached values or maps that are stored afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.bytecode import Instruction, Place
from ottl.codec.maps import MapColumn
from ottl.contexts.paths import Access, PathSpec, View
from ottl.functions import MISSING, Columns, Form, Function, Missing
from ottl.tables.objects import storable_cells, to_objects
from ottl.tables.vectors import MAP, NO_LENS, OBJECT, Int32s, Selection, Vector
from ottl.types import Value
from ottl.vm import lift, messages, stores
from ottl.vm.frame import CONTAINERS, Frame, level_of

if TYPE_CHECKING:
    from ottl.vm.columns import Evaluation


class Goal:
    """The rows that an editor changes.

    Args:
        level: their level.
        rows: row numbers of the level (count,); None for all.
        first: of outer rows, for each the first of the selected rows within (count,).
        count: how many.
        fail: reports failed positions.
    """

    __slots__ = ("count", "fail", "first", "level", "rows", "run", "selection")

    def __init__(self, run: Evaluation, spec: PathSpec) -> None:
        self.run = run
        self.selection: Selection = run.selection
        self.level = level_of(spec)
        if self.level == run.frame.context:
            self.rows: Int32s | None = run.selection.rows
            self.count = run.selection.count
            self.first: NDArray[np.intp] | None = None
            self.fail = stores.failing(run)
        else:
            outer = run.frame.outer_rows(run.selection, self.level)
            unique, self.first, inverse = np.unique(outer, return_index=True, return_inverse=True)
            self.rows = unique
            self.count = len(unique)
            self.fail = _spread(run, inverse)

    def part(self, index: NDArray[np.intp]) -> Goal:
        """The rows at positions."""
        part: Goal = object.__new__(Goal)
        part.run, part.selection, part.level = self.run, self.selection, self.level
        part.first = None if self.first is None else self.first[index]
        part.rows = index.astype(np.int32) if self.rows is None else self.rows[index]
        part.count = len(index)
        part.fail = lambda positions, message: self.fail(index[positions], message)
        return part

    def operand(self, register: int) -> Vector:
        """A register for the rows of the goal."""
        frame = self.run.frame
        vector, at = self.run.raw(register)
        if self.first is not None and vector.level == frame.context:
            # Several outer levels have met: it is the same for all rows that share the outer one.
            return frame.align(vector, at, self.selection).take(self.first, self.level)
        return frame.align_rows(vector, at, self.selection, self.level, self.rows)


def _spread(run: Evaluation, inverse: NDArray[Any]) -> stores.Fail:
    """Failures of outer rows, told of all selected rows that they stand for."""

    def fail(positions: NDArray[Any], message: str | list[str]) -> None:
        texts = dict(
            zip(positions.tolist(), [message] * len(positions) if isinstance(message, str) else message, strict=True)
        )
        hit = np.isin(inverse, positions)
        run.errors.add(run.selection.numbers()[hit], [texts[p] for p in inverse[hit].tolist()])

    return fail


def edit(run: Evaluation, i: Instruction) -> int:
    """EDIT for the selected rows; on how many it changed something."""
    function: Function = i.data
    frame = run.frame
    prepared = frame.prepared(i, lambda: lift.Call(function, i.operands, run.environment))
    place = next(o for o in i.operands if isinstance(o, Place))
    form = next(p.form for p, o in zip(function.parameters, i.operands, strict=True) if isinstance(o, Place))
    goal = Goal(run, place.spec)
    vectors = [goal.operand(n) for n in prepared.registers]
    whole_map = place.spec.view is View.MAP and place.constant_keys == ()
    if form is Form.MAP_TARGET:
        if whole_map:
            changed = _edit_maps(goal, place.spec, prepared, vectors)
            frame.written(goal.level)
            return changed
        if place.spec.view in (View.MAP, View.VALUE) and place.constant_keys is not None:
            done = _edit_nested_maps(goal, place, place.constant_keys, prepared, vectors)
            if done is not None:
                return done
        return _edit_inner_maps(goal, place, prepared, vectors)
    if form is Form.LIST_TARGET:
        return _edit_values(goal, place, prepared, vectors, ListCapture)
    return _edit_values(goal, place, prepared, vectors, Capture)


# -- plain targets --------------------------------------------------------------------------------------------------


class Capture:
    """A `Target` over a detached value; remembers what was written."""

    __slots__ = ("value", "written")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.written = False

    def get(self) -> Value:
        """The current value."""
        return self.value

    def set(self, value: Value) -> None:
        """Remembers the value."""
        self.value = value
        self.written = True


class ListCapture(Capture):
    """A `ListTarget` over a detached list."""

    __slots__ = ()

    def __init__(self, value: Value) -> None:
        super().__init__(types.strict_slice(value))

    def items(self) -> list[Value]:
        """The elements."""
        assert isinstance(self.value, list)
        return list(self.value)

    def replace(self, items: Iterable[Value]) -> None:
        """New contents."""
        self.set(types.Slice(items))


def _edit_values(
    goal: Goal,
    place: Place,
    prepared: lift.Call,
    vectors: list[Vector],
    capture: Callable[[Value], Capture],
) -> int:
    """An editor of a value: the new values are computed, then stored where the editor wrote."""
    run, frame, count = goal.run, goal.run.frame, goal.count
    keys = place.constant_keys
    if keys is None or len(keys) > 1 or (keys and (type(keys[0]) is not bytes or place.spec.view is View.VALUE)):
        return _edit_deep(goal, place, prepared, vectors, capture)
    key: bytes | None = keys[0] if keys else None
    before = run.errors.count()
    current = _current(goal, place.spec, keys)
    if current is None:
        return 0
    found = _edit_by_kernel(goal, place.spec, key, current, prepared, vectors)
    if found is not None:
        return found
    kernel = prepared.function.kernel

    def apply(value: Value, *others: Value) -> tuple[bool, Value]:
        target = capture(value)
        kernel(*prepared.arguments(others, target))
        return target.written, target.value

    codes, distinct = None, current
    if all(v.constant for v in vectors) and not current.constant and current.tag != OBJECT and _pure(prepared):
        codes, distinct = lift.distinct_values(run, current)
    size = count if codes is None else len(distinct)
    values = [frame.objects(distinct, size), *(frame.objects(v, size) for v in vectors)]
    written = np.zeros(size, np.bool_)
    results: list[Any] = [None] * size
    failures: dict[int, str] = {}
    for position, row in enumerate(zip(*values, strict=True)):
        try:
            written[position], results[position] = apply(*row)
        except ValueError as error:
            failures[position] = str(error)
    vector = frame.vector(results, goal.level)
    if codes is not None:
        if failures:
            bad = np.isin(codes, list(failures))
            goal.fail(np.flatnonzero(bad), [failures[c] for c in codes[bad].tolist()])
        written = written[codes]
        vector = vector.take(codes, goal.level)
    elif failures:
        goal.fail(np.array(list(failures)), list(failures.values()))
    index = np.flatnonzero(written)
    if len(index):
        rows = goal.rows
        if len(index) < count:
            rows = index.astype(np.int32) if rows is None else rows[index]
            vector = vector.take(index, goal.level)

        def fail(positions: NDArray[Any], message: str | list[str]) -> None:
            goal.fail(index[positions], message)

        stores.write(frame, place.spec, goal.level, key, rows, vector, len(index), fail)
    return len(index) - (run.errors.count() - before - len(failures) if codes is None else 0)


_TAKES_TEXT = frozenset({View.MAP, View.CACHE, View.VALUE, View.STRING})


def _edit_by_kernel(
    goal: Goal, spec: PathSpec, key: bytes | None, current: Vector, prepared: lift.Call, vectors: list[Vector]
) -> int | None:
    """The vector kernel's new values, stored; None where it declines."""
    frame = goal.run.frame
    kernel = prepared.function.vector_kernel
    if kernel is None or current.constant or current.tag == OBJECT:
        return None
    if spec.view not in _TAKES_TEXT:
        return None  # writing what is there already may fail, and kernels do not say where they would
    arguments = _constant_arguments(frame, prepared, vectors, current)
    found = None if arguments is None else kernel(Columns(frame.batch, goal.level, goal.count), *arguments)
    if found is None:
        return None
    vector, written = found
    index = np.flatnonzero(written)
    if not len(index):
        return 0
    rows = goal.rows
    if len(index) < goal.count:
        rows = index.astype(np.int32) if rows is None else rows[index]
        vector = vector.take(index, goal.level)
    before = goal.run.errors.count()
    stores.write(
        frame,
        spec,
        goal.level,
        key,
        rows,
        vector,
        len(index),
        lambda positions, text: goal.fail(index[positions], text),
    )
    return len(index) - (goal.run.errors.count() - before)


def _pure(prepared: lift.Call) -> bool:
    return not any(form == "constant" and what is prepared_environment(prepared) for form, what, _ in prepared.slots)


def prepared_environment(prepared: lift.Call) -> Any:
    """The environment among a call's constants, if its function takes one."""
    for p, (_, what, _) in zip(prepared.function.parameters, prepared.slots, strict=True):
        if p.form is Form.ENVIRONMENT:
            return what
    return MISSING


def _current(goal: Goal, spec: PathSpec, keys: tuple[Value, ...]) -> Vector | None:
    """The values that the target path has now, for the rows of the goal."""
    frame, run = goal.run.frame, goal.run
    vector = frame.load(spec, keys, run.selection, run.fail)
    if goal.level == frame.context or vector.constant or goal.rows is None:
        return vector
    return vector.take(goal.rows, goal.level)


def _edit_deep(
    goal: Goal,
    place: Place,
    prepared: lift.Call,
    vectors: list[Vector],
    capture: Callable[[Value], Capture],
) -> int:
    """An editor of a value below further keys of a map, or in a body, row by row on what is decoded."""
    frame, count = goal.run.frame, goal.count
    keys = _key_rows(goal, place, count)
    path = stores.detached_path(place.spec)
    read, write = messages.keys_getter(path), messages.keys_setter(path)
    columns = [frame.objects(v, count) for v in vectors]
    kernel = prepared.function.kernel
    changed = 0

    def change(row: Any, position: int) -> None:
        nonlocal changed
        target = capture(read(row, keys[position]))
        arguments = prepared.arguments([c[position] for c in columns], target)
        kernel(*arguments)
        if target.written:
            write(row, keys[position], target.value)
            changed += 1

    stores.rewrite(frame, place.spec, goal.level, _rows(goal), count, change, goal.fail)
    return changed


def _rows(goal: Goal) -> Int32s:
    return np.arange(goal.count, dtype=np.int32) if goal.rows is None else goal.rows


def _key_rows(goal: Goal, place: Place, count: int) -> list[tuple[Value, ...]]:
    if place.constant_keys is not None:
        return [place.constant_keys] * count
    columns = [goal.run.frame.objects(goal.operand(n), count) for n in place.keys]
    return list(zip(*columns, strict=True))


def _edit_inner_maps(goal: Goal, place: Place, prepared: lift.Call, vectors: list[Vector]) -> int:
    """An editor of a map that lies inside another, or a body, row by row on what is decoded."""
    frame, count = goal.run.frame, goal.count
    keys = _key_rows(goal, place, count)
    open_map = messages.map_target(stores.detached_path(place.spec), place.constant_keys != ())
    columns = [frame.objects(v, count) for v in vectors]
    kernel = prepared.function.kernel
    changed = 0

    def change(row: Any, position: int) -> None:
        nonlocal changed
        target = open_map(row, keys[position])
        kernel(*prepared.arguments([c[position] for c in columns], target))
        target.finish()
        changed += target.changed

    stores.rewrite(frame, place.spec, goal.level, _rows(goal), count, change, goal.fail)
    return changed


def _edit_nested_maps(
    goal: Goal, place: Place, keys: tuple[Value, ...], prepared: lift.Call, vectors: list[Vector]
) -> int | None:
    """An editor of the maps under constant keys of others, or of bodies; None for other targets."""
    spec = place.spec
    own = goal.level == goal.run.frame.context and spec.access is Access.READ_WRITE
    cells = _nested_cells(goal, spec, keys) if own else None
    if cells is None:
        return None
    frame = goal.run.frame
    there = cells.tag_array(goal.count) == MAP
    index = np.flatnonzero(there)
    changed = 0
    if len(index):
        assert cells.lens is not None
        whole = MapColumn(frame.batch, frame.layout.tables[goal.level], 0, goal.rows, goal.count, goal.level)
        part = whole.part(index)
        inner = part.scratch(cells.bits[index], cells.lens[index])
        changed = _edit_map_column(
            goal.part(index), inner, prepared, [v if v.constant else v.take(index, goal.level) for v in vectors]
        )
        touched = np.flatnonzero(inner.changed())
        if len(touched):
            made = inner.part(touched).encoded()
            rows = part.part(touched).rows
            if len(keys) > (spec.view is View.MAP):
                left = stores.put_inside(frame, spec, goal.level, keys, rows, made)
                assert left is not None
                assert not len(left)
            else:
                key = keys[0] if keys else None
                assert key is None or type(key) is bytes
                stores.write(frame, spec, goal.level, key, rows, made, len(touched), goal.part(index[touched]).fail)
            frame.written(goal.level)
    if len(index) < goal.count:
        rest = np.flatnonzero(~there)
        others = [v if v.constant else v.take(rest, goal.level) for v in vectors]
        changed += _edit_inner_maps(goal.part(rest), place, prepared, others)
    return changed


def _nested_cells(goal: Goal, spec: PathSpec, keys: tuple[Value, ...]) -> Vector | None:
    """What lies under constant keys, nothing where they do not lead anywhere; None for keys of other types."""
    frame = goal.run.frame
    steps = stores.steps_of(spec, keys)
    if steps is None:
        return None
    if spec.view is View.VALUE:
        tags, bits, lens = frame.column(goal.level, spec.field, goal.rows)
    else:
        number = frame.layout.maps[goal.level, spec.field]
        tags, bits, lens, _ = frame.batch.map_get(frame.layout.tables[goal.level], number, steps.pop(0), goal.rows)
    for key in steps:
        tags, bits, lens, _ = frame.batch.child(np.ascontiguousarray(tags), bits, lens, key)
    return Vector(np.ascontiguousarray(tags), bits, lens, None, goal.level)


# -- maps -----------------------------------------------------------------------------------------------------------


class DetachedMap:
    """A `MapTarget` over the decoded entries of one row. Entries remember the slot they came from while unchanged."""

    __slots__ = ("changed", "entries")

    def __init__(self, entries: list[tuple[bytes, Value, int]]) -> None:
        self.entries = entries
        self.changed = False

    def __len__(self) -> int:
        return len(self.entries)

    def items(self, start: int = 0) -> list[tuple[bytes, Value]]:
        """All entries, or those from a position on, in order."""
        return [(key, value) for key, value, _ in self.entries[start:]]

    def keys(self) -> list[bytes]:
        """All keys, in order."""
        return [key for key, _, _ in self.entries]

    def flat_keys(self) -> list[bytes]:
        """The keys, in order, up to the first entry whose value is a map, a list or Empty."""
        flat = itertools.takewhile(lambda entry: entry[1] is not None and not _boxed(entry[1]), self.entries)
        return [key for key, _, _ in flat]

    def _find(self, key: bytes) -> int:
        for index, entry in enumerate(self.entries):
            if entry[0] == key:
                return index
        return -1

    def get(self, key: bytes) -> Value | Missing:
        """The value of the first entry with the key."""
        index = self._find(key)
        return MISSING if index < 0 else self.entries[index][1]

    def put(self, key: bytes, value: Value) -> None:
        """Overwrites the first entry with the key, or appends one."""
        index = self._find(key)
        if index < 0:
            index = len(self.entries)
            self.changed = True
            self.entries.append((key, None, -1))
        self.put_at(index, value)

    def put_at(self, index: int, value: Value) -> None:
        """Overwrites the value of the entry at a position."""
        key = self.entries[index][0]
        self.changed = True
        try:
            stored = types.storable(value)
        except types.NotStorableError as error:
            if error.partial is not types.MISSING:
                self.entries[index] = (key, error.partial, -1)
            raise
        self.entries[index] = (key, stored, -1)

    def remove(self, key: bytes) -> bool:
        """Removes the first entry with the key; the last entry moves into the hole."""
        index = self._find(key)
        if index < 0:
            return False
        last = self.entries.pop()
        if index < len(self.entries):
            self.entries[index] = last
        self.changed = True
        return True

    def rename(self, keys: list[bytes]) -> None:
        """Gives the first entries new keys, one each, in order."""
        for index, key in enumerate(keys):
            self.entries[index] = (key, *self.entries[index][1:])
        self.changed = True

    def retain(self, keep: list[bool]) -> None:
        """Keeps the entries whose position is marked, in order."""
        kept = [entry for entry, wanted in zip(self.entries, keep, strict=True) if wanted]
        self.changed = self.changed or len(kept) != len(self.entries)
        self.entries = kept

    def replace(self, entries: Iterable[tuple[bytes, Value]], start: int = 0) -> None:
        """Gives the map new contents, all of them or those from a position on."""
        slots = {id(value): slot for _, value, slot in self.entries if slot >= 0 and value is not None}
        self.entries[start:] = [
            (key, types.storable(value), slots.get(id(value), -1) if _boxed(value) else -1) for key, value in entries
        ]
        self.changed = True


def _boxed(value: Value) -> bool:
    """Whether the identity of a value tells where it came from: small numbers and the like are shared objects."""
    return isinstance(value, (types.Map, list))


def _edit_maps(goal: Goal, spec: PathSpec, prepared: lift.Call, vectors: list[Vector]) -> int:
    frame = goal.run.frame
    number = frame.layout.maps[goal.level, spec.field]
    column = MapColumn(frame.batch, frame.layout.tables[goal.level], number, goal.rows, goal.count, goal.level)
    return _edit_map_column(goal, column, prepared, vectors)


def _edit_map_column(goal: Goal, column: MapColumn, prepared: lift.Call, vectors: list[Vector]) -> int:
    frame = goal.run.frame
    if prepared.function.vector_kernel is not None:
        index = lift.fitting(prepared, vectors)
        if index is not None and 0 < len(index) < goal.count:
            # The rows whose arguments are not of the types wanted fail in the scalar kernel.
            rest = np.ones(goal.count, np.bool_)
            rest[index] = False
            return sum(_edit_part(goal, column, prepared, vectors, part) for part in (index, np.flatnonzero(rest)))
        changed = _maps_by_kernel(frame, column, prepared, vectors)
        if changed is not None:
            return changed
    return _edit_detached(goal, column, prepared, vectors)


def _edit_part(
    goal: Goal, column: MapColumn, prepared: lift.Call, vectors: list[Vector], index: NDArray[np.intp]
) -> int:
    """An editor of maps on some of its rows."""
    part, some = goal.part(index), column.part(index)
    vectors = [v if v.constant else v.take(index, goal.level) for v in vectors]
    changed = _maps_by_kernel(goal.run.frame, some, prepared, vectors)
    return _edit_detached(part, some, prepared, vectors) if changed is None else changed


def _maps_by_kernel(frame: Frame, column: MapColumn, prepared: lift.Call, vectors: list[Vector]) -> int | None:
    """The vector kernel's count of changed maps; None where it declines.

    A parameter of the kernel that is a `Vector` takes values that differ from row to row.
    """
    kernel = prepared.function.vector_kernel
    assert kernel is not None
    arguments: list[Any] = []
    takes = prepared.function.varying
    try:
        for position, (form, what, convert) in enumerate(prepared.slots):
            if form == "constant":
                arguments.append(what)
            elif form == "target":
                arguments.append(column)
            elif form == "value" and takes[position]:
                vector = vectors[what]
                if vector.constant:
                    vector = frame.vector([convert(frame.objects(vector, 1)[0])], "")
                if (vector.tag_array(1) != lift.TAG_OF[prepared.function.parameters[position].kind]).any():
                    return None
                arguments.append(vector)
            elif form == "value" and vectors[what].constant:
                arguments.append(convert(frame.objects(vectors[what], 1)[0]))
            elif form != "value" and all(vectors[n].constant for n in what):
                values = [convert(frame.objects(vectors[n], 1)[0]) for n in what]
                arguments.append(tuple(values) if form == "tuple" else values)
            else:
                return None
    except ValueError:
        return None
    changed = kernel(*arguments)
    return None if changed is None else int(changed)


def _constant_arguments(frame: Frame, prepared: lift.Call, vectors: list[Vector], target: Any) -> list[Any] | None:
    """The arguments of an editor's vector kernel; None where one depends on the row or is refused."""
    if not all(v.constant for v in vectors):
        return None
    try:
        return prepared.arguments([frame.objects(v, 1)[0] for v in vectors], target)
    except ValueError:
        return None


def _edit_detached(goal: Goal, column: MapColumn, prepared: lift.Call, vectors: list[Vector]) -> int:
    """The scalar kernel on each row's decoded entries; rows that changed are written back."""
    frame, count = goal.run.frame, goal.count
    owners, codes, _, tags, bits, lens = column.entries()
    names = column.keys()
    values = to_objects(Vector(tags, bits, lens, None, goal.level), frame.batch, CONTAINERS, len(tags))
    maps: list[list[tuple[bytes, Value, int]]] = [[] for _ in range(count)]
    for slot, (owner, code, value) in enumerate(zip(owners.tolist(), codes.tolist(), values, strict=True)):
        maps[owner].append((names[code], value, slot))
    columns = [frame.objects(v, count) for v in vectors]
    kernel = prepared.function.kernel
    failures: dict[int, str] = {}
    changed = 0
    dirty: list[int] = []
    kept: list[DetachedMap] = []
    for position in range(count):
        target = DetachedMap(maps[position])
        try:
            kernel(*prepared.arguments([c[position] for c in columns], target))
            changed += target.changed
        except ValueError as error:
            failures[position] = str(error)
        if target.changed:
            dirty.append(position)
            kept.append(target)
    if dirty:
        _write_back(goal, column, dirty, kept, (tags, bits, lens))
    if failures:
        goal.fail(np.array(list(failures)), list(failures.values()))
    return changed


def _write_back(
    goal: Goal,
    column: MapColumn,
    dirty: list[int],
    maps: list[DetachedMap],
    cells: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32]],
) -> None:
    arena = goal.run.frame.batch
    slots: list[int] = []
    names: list[bytes] = []
    fresh: list[Value] = []
    counts = np.array([len(m) for m in maps], np.int32)
    for one in maps:
        for key, value, slot in one.entries:
            names.append(key)
            slots.append(slot)
            if slot < 0:
                fresh.append(value)
    where = np.array(slots, np.int64)
    total = len(slots)
    tags, bits, lens = np.zeros(total, np.uint8), np.zeros(total, np.int64), np.zeros(total, np.uint32)
    old = where >= 0
    tags[old], bits[old], lens[old] = (source[where[old]] for source in cells)
    if fresh:
        made, _ = storable_cells(goal.run.frame.vector(fresh, goal.level), arena, CONTAINERS)
        tags[~old] = made.tag_array(len(fresh))
        bits[~old] = made.raw()
        lens[~old] = NO_LENS if made.lens is None else made.lens
    key_bits, key_lens = _interned(arena, names)
    column.replace(np.array(dirty), counts, key_bits, key_lens, tags, bits, lens)


def _interned(arena: Any, names: list[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    distinct = list(dict.fromkeys(names))
    bits, lens = arena.put(distinct)
    position = {name: n for n, name in enumerate(distinct)}
    index = np.array([position[name] for name in names], np.intp)
    return bits[index], lens[index]

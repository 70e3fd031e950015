"""STORE: writing vectors to paths of the tables.

A target is a set of rows of one level. For the context itself these are the selected rows; for an outer level the rows
around them, in the order of the selected rows, so that the last one wins as it does row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.bytecode import Instruction
from ottl.codec import kernels, native
from ottl.codec.messages import message_class
from ottl.contexts.paths import Access, PathSpec, View
from ottl.tables.objects import nothing, storable_cells
from ottl.tables.vectors import (
    BOOL,
    DOUBLE,
    EMPTY,
    INT,
    LIST,
    MAP,
    NO_LENS,
    OBJECT,
    STRING,
    TIME,
    Int32s,
    Selection,
    Vector,
    merge,
    uniform,
)
from ottl.types import Kind, Value
from ottl.vm import entries, fields, messages, tracestate
from ottl.vm.entries import value_into_message
from ottl.vm.frame import CONTAINERS, Frame, level_of

if TYPE_CHECKING:
    from ottl.vm.columns import Evaluation

CACHE = PathSpec("log", "cache", (), View.CACHE, Kind.MAP, keyed=True)
"""Any detached map, for the accessors over messages."""

_FITTING: dict[View, int] = {
    View.STRING: STRING,
    View.TRACE_STATE: STRING,
    View.VALUE_TEXT: STRING,
    View.BOOL: BOOL,
    View.INT: INT,
    View.DOUBLE: DOUBLE,
    View.TIME: TIME,
}
_STRICT: dict[Kind, tuple[type, str]] = {
    Kind.BOOL: (bool, "bool"),
    Kind.INT: (int, "int64"),
    Kind.DOUBLE: (float, "float64"),
}
_KIND_TAGS = {Kind.BOOL: BOOL, Kind.INT: INT, Kind.DOUBLE: DOUBLE}

MOST_KEYS = 30
"""Keys that native code follows, each inside the one before."""

Fail = Callable[[NDArray[Any], str | list[str]], None]
"""Reports failed positions of the target (m,), with one message or one each."""


def outer_target(run: Evaluation, spec: PathSpec) -> tuple[str, Int32s | None]:
    """Level and rows that a path stands for, one for each selected row; None for all rows of the level."""
    level = level_of(spec)
    if level == run.frame.context:
        return level, run.selection.rows
    return level, run.frame.outer_rows(run.selection, level)


def failing(run: Evaluation) -> Fail:
    """Reports positions among the selected rows."""

    def fail(positions: NDArray[Any], message: str | list[str]) -> None:
        run.errors.add(run.selection.numbers()[positions], message)

    return fail


def store(run: Evaluation, i: Instruction) -> int:
    """STORE for the selected rows; how many were written."""
    spec: PathSpec = i.data
    level, rows = outer_target(run, spec)
    vector = run.get(i.registers[0])
    count = run.selection.count
    failed_before = run.errors.count()
    constant = i.constant_keys
    key = constant[0] if constant else None
    if constant == () or (constant is not None and len(constant) == 1 and _is_entry(spec, key)):
        write(run.frame, spec, level, key if type(key) is bytes else None, rows, vector, count, failing(run))
        return count - (run.errors.count() - failed_before)
    if constant is None and _store_by_key(run, i, spec, level, rows, vector):
        return count - (run.errors.count() - failed_before)
    left = None if constant is None else _store_inside(run.frame, spec, level, constant, rows, vector)
    if left is None:
        left = np.arange(count)
    if len(left):
        if constant is not None:
            keys = [constant] * len(left)
        else:
            keys = list(zip(*(run.frame.objects(run.get(n), count) for n in i.registers[1:]), strict=True))
        fail = failing(run)
        values = run.frame.objects(vector, count)
        write_inside(
            run.frame,
            spec,
            level,
            keys,
            rows if len(left) == count else _subset(rows, left),
            values if len(left) == count else [values[p] for p in left.tolist()],
            lambda positions, message: fail(left[positions], message),
        )
    return count - (run.errors.count() - failed_before)


def _store_by_key(
    run: Evaluation, i: Instruction, spec: PathSpec, level: str, rows: Int32s | None, vector: Vector
) -> bool:
    """STORE under one key that rows decide: each distinct one for its rows; false where keys are no texts."""
    frame, count = run.frame, run.selection.count
    if len(i.registers) != 2 or spec.view is not View.MAP or level != frame.context:
        return False
    groups: dict[bytes, list[int]] = {}
    for position, key in enumerate(frame.objects(run.get(i.registers[1]), count)):
        if type(key) is not bytes:
            return False
        groups.setdefault(key, []).append(position)
    tell = failing(run)
    for key, found in groups.items():
        index = np.array(found, np.intp)

        def fail(positions: NDArray[Any], message: str | list[str], index: NDArray[np.intp] = index) -> None:
            tell(index[positions], message)

        part = vector if vector.constant else vector.take(index, level)
        write(frame, spec, level, key, _subset(rows, index), part, len(index), fail)
    return True


def _is_entry(spec: PathSpec, key: Value) -> bool:
    """Whether a key is one of a map of the tables, or of what is written like one."""
    return type(key) is bytes and spec.view is not View.VALUE


def _store_inside(
    frame: Frame,
    spec: PathSpec,
    level: str,
    keys: tuple[Value, ...],
    rows: Int32s | None,
    vector: Vector,
) -> NDArray[np.intp] | None:
    """STORE below the first key of a map, or in a body, as the bytes that they are; the positions that are left."""
    if spec.view not in (View.MAP, View.VALUE) or spec.access is not Access.READ_WRITE:
        return None
    cells, failures = storable_cells(vector, frame.batch, CONTAINERS)
    tags, bits, lens = cells.cells()
    deep = np.any(tags >= LIST) and (level != frame.context or kernels.any_deep(frame.batch, tags, bits, lens))
    # A list or map may nest too deep in its place; and of rows that come twice the last one has to be written last.
    if failures or deep:
        return None
    return put_inside(frame, spec, level, keys, rows, cells)


def put_inside(
    frame: Frame,
    spec: PathSpec,
    level: str,
    keys: tuple[Value, ...],
    rows: Int32s | None,
    cells: Vector,
) -> NDArray[np.intp] | None:
    """Puts cells where constant keys lead in rows of a map or body; the positions that are left, None for all."""
    steps = steps_of(spec, keys)
    if steps is None:
        return None
    table, most = frame.layout.tables[level], frame.bounds.max_items
    if spec.view is View.MAP:
        place: tuple[int | None, int | None] = frame.layout.maps[level, spec.field], None
    else:
        place = None, frame.layout.columns[level, spec.field]
    declined = native.put_inside(frame.batch, table, *place, steps, rows, cells.cells(), most)
    frame.written(level)
    return np.flatnonzero(declined)


def steps_of(spec: PathSpec, keys: tuple[Value, ...]) -> list[bytes | int] | None:
    """Keys of a map or body that may lead somewhere; None with one of another type among them, or too many."""
    steps = [key for key in keys if type(key) is bytes or type(key) is int]
    if len(steps) < len(keys) or len(keys) > MOST_KEYS or (spec.view is View.MAP and type(keys[0]) is not bytes):
        return None
    return steps


def write(
    frame: Frame,
    spec: PathSpec,
    level: str,
    key: bytes | None,
    rows: Int32s | None,
    vector: Vector,
    count: int,
    fail: Fail,
) -> None:
    """Writes a vector to a path with at most one constant key.

    Args:
        frame: the tables.
        spec: the path.
        level: its level.
        key: the key; None without one.
        rows: rows of the level (count,), None for all; of rows that come twice the last value stays.
        vector: (count,) values or a constant.
        count: number of rows.
        fail: told which positions failed.
    """
    everywhere = np.arange(count)
    if spec.access is Access.READ_ONLY:
        fail(everywhere, str(_read_only(spec)))
        return
    if spec.access is Access.IGNORED:
        return
    if spec.view is View.CACHE and key is not None:
        _write_cache(frame, key, rows, vector, count, fail)
        return
    if spec.view is View.TRACE_STATE and key is not None:
        _write_member(frame, spec, level, key, rows, vector, count, fail)
    elif spec.view is View.MAP:
        if key is not None:
            _write_entry(frame, level, frame.layout.maps[level, spec.field], key, rows, vector, count, fail)
        else:
            _write_map(frame, level, frame.layout.maps[level, spec.field], rows, vector, count, fail)
    elif spec.view is View.VALUE:
        _write_value(frame, spec, level, rows, vector, count, fail)
    elif spec.view is View.POINT_VALUE:
        _write_point_value(frame, spec, level, rows, vector, count, fail)
    elif spec.view is View.METRIC_DATA:
        _write_metric_data(frame, spec, rows, vector, count, fail)
    else:
        _write_field(frame, spec, level, rows, vector, count, fail)
    frame.written(level)


def _read_only(spec: PathSpec) -> ValueError:
    return ValueError(f"{spec.level}.{spec.name} cannot be set")


def _subset(rows: Int32s | None, keep: NDArray[Any]) -> Int32s:
    return keep.astype(np.int32) if rows is None else rows[keep]


def _write_entry(
    frame: Frame,
    level: str,
    number: int,
    key: bytes,
    rows: Int32s | None,
    vector: Vector,
    count: int,
    fail: Fail,
) -> None:
    batch, table = frame.batch, frame.layout.tables[level]
    cells, failures = storable_cells(vector, batch, CONTAINERS)
    if not failures:
        batch.map_set(table, number, key, rows, *cells.cells())
        return
    if cells.constant:
        failures = dict.fromkeys(range(count), failures[0])
        cells = Vector(
            np.repeat(cells.tag_array(1), count),
            np.repeat(cells.raw(), count),
            np.repeat(NO_LENS if cells.lens is None else cells.lens, count),
            None,
            level,
        )
    _, _, _, found = batch.map_get(table, number, key, rows)
    keep = np.ones(count, np.bool_)
    for position, error in failures.items():
        keep[position] = error.partial is not types.MISSING
    # What cannot be stored leaves a new key behind, empty, and an old one as it was; first, since rows may come twice.
    fresh = np.flatnonzero(~keep & ~found)
    if len(fresh):
        batch.map_set(table, number, key, _subset(rows, fresh), *nothing().cells())
    index = np.flatnonzero(keep)
    if len(index):
        batch.map_set(table, number, key, _subset(rows, index), *cells.take(index, level).cells())
    positions = sorted(failures)
    fail(np.array(positions), [str(failures[p]) for p in positions])


def _write_member(
    frame: Frame,
    spec: PathSpec,
    level: str,
    key: bytes,
    rows: Int32s | None,
    vector: Vector,
    count: int,
    fail: Fail,
) -> None:
    """A member of a trace state, where that is one and takes the value."""
    before = frame.load(spec, (), frame.all, lambda *_: None)
    if rows is not None and not before.constant:
        before = before.take(rows, level)
    known: dict[tuple[bytes, bytes], bytes | None] = {}
    texts: list[bytes] = []
    at: list[int] = []
    failures: dict[int, str] = {}
    values = frame.objects(vector, count)
    for position, (state, value) in enumerate(zip(frame.objects(before, count), values, strict=True)):
        try:
            text = fields.to_string(value)
        except ValueError as error:
            failures[position] = str(error)
            continue
        if (state, text) not in known:
            members = tracestate.parse(state)
            known[state, text] = None if members is None else tracestate.insert(members, key, text)
        updated = known[state, text]
        if updated is not None:
            texts.append(updated)
            at.append(position)
    if at:
        column = frame.layout.columns[level, spec.field]
        new = frame.vector(texts, level)
        frame.batch.store(frame.layout.tables[level], column, _subset(rows, np.array(at)), *new.cells())
    if failures:
        fail(np.array(list(failures)), list(failures.values()))


def _write_map(
    frame: Frame, level: str, number: int, rows: Int32s | None, vector: Vector, count: int, fail: Fail
) -> None:
    """A whole map: a map copies, nil clears, anything else is an error."""
    batch, table = frame.batch, frame.layout.tables[level]
    if vector.tag == MAP:
        batch.map_assign(table, number, rows, vector.bits, vector.lens)
        return
    values = frame.objects(vector, count)
    good: list[int] = []
    bodies: list[bytes] = []
    bad: list[int] = []
    errors: list[str] = []
    for position, value in enumerate(values):
        message = message_class("opentelemetry.proto.common.v1.KeyValueList")()
        try:
            entries.replace_entries(message.values, value)
        except ValueError as error:
            bad.append(position)
            errors.append(str(error))
            if not isinstance(value, types.Map):
                continue
        good.append(position)
        bodies.append(message.SerializeToString())
    if good:
        bits, lens = batch.put(bodies)
        batch.map_assign(table, number, _subset(rows, np.array(good)), bits, lens)
    if bad:
        fail(np.array(bad), errors)


def _write_cache(frame: Frame, key: bytes, rows: Int32s | None, vector: Vector, count: int, fail: Fail) -> None:
    cells, failures = storable_cells(vector, frame.batch, CONTAINERS)
    if failures:
        if cells.constant:
            failures = dict.fromkeys(range(count), failures[0])
        positions = sorted(failures)
        fail(np.array(positions), [str(failures[p]) for p in positions])
        # What can be stored in part stays behind so; all else leaves an old value as it was.
        keep = np.array(
            [p for p in range(count) if p not in failures or failures[p].partial is not types.MISSING], np.intp
        )
        if not len(keep):
            return
        cells = cells if cells.constant else cells.take(keep, frame.context)
        rows, count = _subset(rows, keep), len(keep)
    if rows is None and not cells.constant:
        frame.put_cached(key, cells)
        return
    before = frame.cached(key)
    total = frame.count
    if before is None:
        before = Vector(EMPTY, np.zeros(total, np.int64), None, None, frame.context)
    index = np.arange(total) if rows is None else rows
    frame.put_cached(key, merge(before, index, cells, total).at(frame.context))


def _write_value(
    frame: Frame, spec: PathSpec, level: str, rows: Int32s | None, vector: Vector, count: int, fail: Fail
) -> None:
    cells, failures = storable_cells(vector, frame.batch, CONTAINERS)
    table, column = frame.layout.tables[level], frame.layout.columns[level, spec.field]
    if not failures:
        frame.batch.store(table, column, rows, *cells.cells())
        return
    if cells.constant:
        fail(np.arange(count), str(failures[0]))
        if failures[0].partial is not types.MISSING:
            frame.batch.store(table, column, rows, *cells.cells())
        return
    keep = np.array([p for p in range(count) if p not in failures or failures[p].partial is not types.MISSING], np.intp)
    if len(keep):
        frame.batch.store(table, column, _subset(rows, keep), *cells.take(keep, level).cells())
    positions = sorted(failures)
    fail(np.array(positions), [str(failures[p]) for p in positions])


def _converter(spec: PathSpec) -> Callable[[Value], Any]:
    """The scalar conversion of a value to what the field holds."""
    match spec.view:
        case View.INT:
            return fields.to_integer(spec)
        case View.FLAGS32:
            return fields.to_flags(spec)
        case View.NON_NEGATIVE:
            return fields.to_non_negative(spec)
        case View.TIME:
            return fields.to_nanoseconds
        case View.ID | View.ID_HEX:
            return fields.to_id(spec)
        case View.ENUM_TEXT:
            return fields.to_enum_number(spec)
        case View.NUMBER | View.METRIC_DATA | View.BOOL | View.DOUBLE:
            return fields.strictly(*_STRICT[spec.kind])
    return fields.to_string


def _field_cells(
    frame: Frame, spec: PathSpec, vector: Vector, count: int, fail: Fail
) -> tuple[Vector, NDArray[Any] | None]:
    """The cells that a scalar field holds, and the positions that have one; None for all."""
    tag = _FITTING.get(spec.view, -1)
    if spec.view is View.NUMBER or spec.view is View.METRIC_DATA:
        tag = _KIND_TAGS[spec.kind]
    if vector.tag == tag >= 0:
        if spec.view is View.INT:
            return Vector(INT, narrow_integers(spec, vector.bits), None, None, vector.level), None
        if spec.view is View.METRIC_DATA and tag == INT:
            return Vector(INT, vector.bits.astype(np.int32).astype(np.int64), None, None, vector.level), None
        if spec.view is View.TIME:
            return Vector(INT, vector.bits, None, None, vector.level), None
        return vector, None
    convert = _converter(spec)
    if vector.constant:
        try:
            value = convert(frame.objects(vector, 1)[0])
        except ValueError as error:
            fail(np.arange(count), str(error))
            return vector, np.zeros(0, np.intp)
        return _raw_vector(frame, spec, [value], ""), None
    good: list[int] = []
    raw: list[Any] = []
    bad: list[int] = []
    errors: list[str] = []
    for position, value in enumerate(frame.objects(vector, count)):
        try:
            raw.append(convert(value))
            good.append(position)
        except ValueError as error:
            bad.append(position)
            errors.append(str(error))
    if bad:
        fail(np.array(bad), errors)
    return _raw_vector(frame, spec, raw, vector.level or "x"), np.array(good, np.intp) if bad else None


def _raw_vector(frame: Frame, spec: PathSpec, raw: list[Any], level: str) -> Vector:
    if spec.view in (View.ID, View.ID_HEX, View.BYTES):
        raw = [types.Bytes(r) for r in raw]
    elif spec.view is View.METRIC_DATA and spec.kind is Kind.INT:
        return Vector(INT, np.array(raw, np.int64).astype(np.int32).astype(np.int64), None, None, level)
    elif raw and type(raw[0]) is int:
        return Vector(INT, np.array([types.wrap_int64(r) for r in raw], np.int64), None, None, level)
    return frame.vector(raw, level)


def narrow_integers(spec: PathSpec, bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers as a field of 32 bits keeps them."""
    width = fields.width_of(spec)
    if width == "unsigned32":
        return bits & 0xFFFFFFFF
    return bits.astype(np.int32).astype(np.int64) if width == "signed32" else bits


def _write_field(
    frame: Frame, spec: PathSpec, level: str, rows: Int32s | None, vector: Vector, count: int, fail: Fail
) -> None:
    cells, good = _field_cells(frame, spec, vector, count, fail)
    if good is not None:
        if not len(good):
            return
        rows = _subset(rows, good)
        if cells.constant:
            good = None
    positions = np.arange(count) if good is None else good
    if level == "datapoint" and spec.nullable:
        possible = frame.points_with(spec.field, rows)
        if not possible.all():
            fail(positions[~possible], f"the data point has no {spec.name}")
            keep = np.flatnonzero(possible)
            if not len(keep):
                return
            rows = _subset(rows, keep)
            cells = cells if cells.constant else cells.take(keep, level)
    table = frame.layout.tables[level]
    columns = frame.layout.columns
    if spec.view is View.DOUBLE and level == "datapoint":
        cells = _without_negative_zero(frame, spec, rows, cells)
    if spec.view is View.NUMBER:
        other = ("as_int",) if spec.field == ("as_double",) else ("as_double",)
        empty = Vector(EMPTY, np.zeros(1, np.int64))
        frame.batch.store(table, columns[level, other], rows, *empty.cells())
    elif spec.view is View.VALUE_TEXT:
        cells = Vector(STRING, cells.bits, cells.lens, None, cells.level)
    frame.batch.store(table, columns[level, spec.field], rows, *cells.cells())


def _write_point_value(
    frame: Frame, spec: PathSpec, level: str, rows: Int32s | None, vector: Vector, count: int, fail: Fail
) -> None:
    """A number of either kind goes to its member of the oneof and takes the place of the other's."""
    tags = vector.tag_array(count)
    bits = np.broadcast_to(vector.raw(), (count,)) if vector.objects is None else np.zeros(count, np.int64)
    numbers = (tags == INT) | (tags == DOUBLE)
    wrong = np.flatnonzero(~numbers)
    if len(wrong):
        values = frame.objects(vector if vector.constant else vector.take(wrong, level), len(wrong))
        fail(wrong, [str(fields.wrong_type("int64 or float64", value)) for value in values])
    possible = frame.points_with(spec.field, rows)
    lacking = np.flatnonzero(numbers & ~possible)
    if len(lacking):
        fail(lacking, str(fields.lacking(spec)))
    table, columns = frame.layout.tables[level], frame.layout.columns
    empty = Vector(EMPTY, np.zeros(1, np.int64))
    for tag, ours, others in ((INT, "as_int", "as_double"), (DOUBLE, "as_double", "as_int")):
        index = np.flatnonzero((tags == tag) & possible)
        if len(index):
            chosen = _subset(rows, index)
            frame.batch.store(table, columns[level, (others,)], chosen, *empty.cells())
            frame.batch.store(table, columns[level, (ours,)], chosen, np.full(1, tag, np.uint8), bits[index], NO_LENS)


def _without_negative_zero(frame: Frame, spec: PathSpec, rows: Int32s | None, cells: Vector) -> Vector:
    """A zero loses its sign in a field without presence, where the reference takes it for the default."""
    negative = (cells.bits == 0) & np.signbit(cells.bits)
    if not negative.any():
        return cells
    variants = frame.batch.variants(frame.layout.tables["datapoint"])
    variants = variants if rows is None else variants[rows]
    bare = []
    for variant, name in frame.layout.points.items():
        found = fields.resolve(name, spec.field)
        if found is not None and not found.has_presence:
            bare.append(variant)
    hit = np.isin(variants, bare) & negative
    return Vector(DOUBLE, np.where(hit, 0.0, cells.bits), None, None, "datapoint")


def _write_metric_data(
    frame: Frame, spec: PathSpec, rows: Int32s | None, vector: Vector, count: int, fail: Fail
) -> None:
    """Goes to whichever data message the metric holds; ignored where that lacks the field, once the type is checked."""
    cells, good = _field_cells(frame, spec, vector, count, fail)
    if good is not None:
        rows = _subset(rows, good)
    kinds = frame.metric_data(rows)
    names = native.metric_data()
    for name, field in fields.data_fields(spec).items():
        if name is None:
            continue
        index = np.flatnonzero(kinds == names.index(name) + 1)
        if len(index):
            part = cells if cells.constant else cells.take(index, "metric")
            column = frame.layout.columns["metric", (name, field.name)]
            frame.batch.store(frame.layout.tables["metric"], column, _subset(rows, index), *part.cells())


def write_inside(
    frame: Frame,
    spec: PathSpec,
    level: str,
    keys: list[tuple[Value, ...]],
    rows: Int32s | None,
    values: list[Any],
    fail: Fail,
) -> None:
    """Writes below the first key of a map, or in a body, row by row: what the row has is decoded and encoded again."""
    if spec.access is Access.READ_ONLY:
        fail(np.arange(len(values)), str(_read_only(spec)))
        return
    write_keys = messages.keys_setter(detached_path(spec))

    def change(row: messages.Row, position: int) -> None:
        write_keys(row, keys[position], values[position])

    rewrite(frame, spec, level, rows, len(values), change, fail)


def detached_path(spec: PathSpec) -> PathSpec:
    """The path by which a detached row of `rewrite` has what a path stands for."""
    return spec if spec.view is View.VALUE else CACHE


def rewrite(
    frame: Frame,
    spec: PathSpec,
    level: str,
    rows: Int32s | None,
    count: int,
    change: Callable[[messages.Row, int], None],
    fail: Fail,
) -> None:
    """Hands each row's map, as the cache of a detached row, or its body to a scalar change, and stores what it became.

    A row that comes twice (an outer one, seen from several rows) keeps its map from one change to the next.
    """
    targets = np.arange(count, dtype=np.int32) if rows is None else rows
    unique = np.unique(targets) if rows is not None else targets
    held = _bodies(frame, spec, level, unique) if spec.view is View.VALUE else _maps(frame, spec, level, unique)
    detached: dict[int, messages.Row] = {}
    for row, message in zip(unique.tolist(), held, strict=True):
        if spec.view is View.VALUE:
            detached[row] = messages.Row()
            setattr(detached[row], spec.level, SimpleNamespace(**{spec.field[-1]: message}))
        else:
            detached[row] = messages.Row(cache=message)
    # Encoded again, for the payload's own encoding may be any.
    before = [message.SerializeToString() for message in held]
    bad: list[int] = []
    errors: list[str] = []
    for position, row in enumerate(targets.tolist()):
        try:
            change(detached[row], position)
        except ValueError as error:
            bad.append(position)
            errors.append(str(error))
    changed = [n for n, message in enumerate(held) if message.SerializeToString() != before[n]]
    if changed:
        _put_back(frame, spec, level, unique[changed], [held[n] for n in changed])
        frame.written(level)
    if bad:
        fail(np.array(bad), errors)


def _maps(frame: Frame, spec: PathSpec, level: str, rows: Int32s) -> list[Any]:
    """The maps of rows, decoded."""
    kind = message_class("opentelemetry.proto.common.v1.KeyValueList")
    found = frame.batch.map_encode(frame.layout.tables[level], frame.layout.maps[level, spec.field], rows)
    return [kind.FromString(body) for body in frame.batch.take(*found)]


def _bodies(frame: Frame, spec: PathSpec, level: str, rows: Int32s) -> list[Any]:
    """The bodies of rows, decoded."""
    kind = message_class("opentelemetry.proto.common.v1.AnyValue")
    tags, bits, lens = frame.column(level, spec.field, rows)
    nested = (tags == LIST) | (tags == MAP)
    inside, others = np.flatnonzero(nested), np.flatnonzero(~nested)
    found = [kind() for _ in tags]
    for position, body in zip(inside.tolist(), frame.batch.take(bits[inside], lens[inside]), strict=True):
        message = found[position]
        part = message.kvlist_value if tags[position] == MAP else message.array_value
        part.SetInParent()
        part.MergeFromString(body)
    scalars = uniform(tags[others], bits[others], lens[others], level)
    for position, value in zip(others.tolist(), frame.objects(scalars, len(others)), strict=True):
        value_into_message(found[position], value)
    return found


def _put_back(frame: Frame, spec: PathSpec, level: str, rows: Int32s, held: list[Any]) -> None:
    """Stores maps, or bodies that are lists or maps, which no change makes anything else."""
    batch, table = frame.batch, frame.layout.tables[level]
    if spec.view is not View.VALUE:
        bits, lens = batch.put([message.SerializeToString() for message in held])
        batch.map_assign(table, frame.layout.maps[level, spec.field], rows, bits, lens)
        return
    is_map = [message.WhichOneof("value") == "kvlist_value" for message in held]
    parts = [m.kvlist_value if one else m.array_value for m, one in zip(held, is_map, strict=True)]
    bits, lens = batch.put([part.SerializeToString() for part in parts])
    tags = np.where(is_map, np.uint8(MAP), np.uint8(LIST)).astype(np.uint8)
    batch.store(table, frame.layout.columns[level, spec.field], rows, tags, bits, lens)


__all__ = [
    "OBJECT",
    "Selection",
    "detached_path",
    "failing",
    "outer_target",
    "put_inside",
    "rewrite",
    "steps_of",
    "store",
    "uniform",
    "write",
    "write_inside",
]

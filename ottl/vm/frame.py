"""A `Frame`: the tables of one payload as one group of statements sees them, with what has been loaded so far.

Loads give vectors at the level that holds the field: for an outer level one value for each of *its* rows, so that an
expression over a resource is computed once a resource. `align` brings a vector to the selected rows of the context. A
load is kept until a statement writes to its level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.analysis.spans import Spans
from ottl.bounds import current
from ottl.bytecode import Instruction
from ottl.codec import kernels, native
from ottl.codec.messages import message_class
from ottl.contexts.paths import PathSpec, View
from ottl.tables.objects import Containers, constant, from_objects, nothing, to_objects
from ottl.tables.vectors import (
    BOOL,
    BYTES,
    DOUBLE,
    EMPTY,
    INT,
    LIST,
    MAP,
    NO_LENS,
    OBJECT,
    PROFILE_ID,
    SPAN_ID,
    STRING,
    STRING_INDEX,
    TIME,
    TRACE_ID,
    Int32s,
    Selection,
    Vector,
    typed,
    uniform,
)
from ottl.types import Kind, Map, Slice, Value
from ottl.vm import entries, metadata, tracestate
from ottl.vm.fields import IDS, data_fields, id_kind, resolve
from ottl.vm.profile import Profile

if TYPE_CHECKING:
    from ottl.vm.native import NativeGroup

LEVELS = {"instrumentation_scope": "scope"}
_ID_TAGS = {Kind.TRACE_ID: TRACE_ID, Kind.SPAN_ID: SPAN_ID, Kind.PROFILE_ID: PROFILE_ID}
_COMMON = "opentelemetry.proto.common.v1."


class RowError(ValueError):
    """Marks a value that a load cannot give: the message belongs to the row."""


def _decode_list(body: bytes) -> Slice:
    message = message_class(_COMMON + "ArrayValue").FromString(body)
    return Slice([entries.value_from_message(item) for item in message.values])


def _decode_map(body: bytes) -> Map:
    return entries.read_entries(message_class(_COMMON + "KeyValueList").FromString(body).values)


def _encode(value: Slice | Map) -> bytes:
    message = message_class(_COMMON + "AnyValue")()
    entries.value_into_message(message, value)
    part = message.kvlist_value if isinstance(value, Map) else message.array_value
    return part.SerializeToString()  # type: ignore[no-any-return]


CONTAINERS = Containers(_decode_list, _decode_map, _encode, kernels.objects, kernels.cells)


def level_of(spec: PathSpec) -> str:
    """The level whose rows hold a path."""
    return LEVELS.get(spec.level, spec.level)


def needs(spec: PathSpec) -> list[native.Need]:
    """The fields that a layout must have for a path."""
    level = level_of(spec)
    if spec.view in (View.CACHE, View.METRIC_TYPE) or not spec.field:
        return []
    if spec.view is View.METRIC_DATA:
        return [("metric", (name, field.name)) for name, field in data_fields(spec).items() if name is not None]
    if spec.view in (View.NUMBER, View.POINT_VALUE):
        return [(level, ("as_double",)), (level, ("as_int",))]
    return [(level, spec.field)]


Failure = Callable[[NDArray[np.bool_], str, str | list[str]], None]
"""Reports failed rows of a level: mask, level, one message or one each."""

_KIND_NAMES = {
    EMPTY: "Empty",
    STRING_INDEX: "Empty",
    STRING: "Str",
    BOOL: "Bool",
    INT: "Int",
    DOUBLE: "Double",
    BYTES: "Bytes",
}


def _refusal(tag: int, key: Value) -> str:
    """Why a value of a tag cannot be indexed by a key."""
    if tag == MAP:
        return f"expected a string key for a map but got {types.kind_name(key)}"
    if tag == LIST:
        return f"expected an integer index for a list but got {types.kind_name(key)}"
    return f"type {_KIND_NAMES[tag]} does not support indexing"


FIELD_TAGS = {
    View.STRING: STRING,
    View.TRACE_STATE: STRING,
    View.BYTES: BYTES,
    View.BOOL: BOOL,
    View.DOUBLE: DOUBLE,
    View.TIME: TIME,
}


class Frame:
    """The tables of a payload, in one context.

    Args:
        batch: the tables.
        layout: which of them are there.
        context: name of the context.
        request: metadata of the request.
        preparations: see `prepared`.
        lowered: what of the group runs natively.
    """

    def __init__(
        self,
        batch: Any,
        layout: native.Layout,
        context: str,
        request: Mapping[str, Any] | None,
        preparations: dict[int, Any],
        lowered: NativeGroup,
    ) -> None:
        self.lowered = lowered
        self.batch = batch
        self.bounds = current()
        self._most = batch.size() + self.bounds.limits.max_growth
        self.layout = layout
        self.context = context
        self.request = request
        self.preparations = preparations
        self.profile: Profile | None = None
        self.count: int = batch.rows(layout.tables[context])
        self.all = Selection(None, self.count)
        self.cache: dict[bytes, Vector] = {}
        self._unlent: set[bytes] = set()
        if lowered.cache:
            batch.open_cache(layout.tables[context], len(lowered.cache))
        self.gone: NDArray[np.bool_] | None = None
        self.failed: dict[int, int] = {}
        self._parents: dict[str, Int32s] = {}
        self._loads: dict[str, dict[tuple[int, tuple[Value, ...]], Vector]] = {}
        self._constants: dict[int, Vector] = {}
        self._kept: list[Any] = []
        self.traces: Spans | None = None

    # -- rows ---------------------------------------------------------------------------------------------------------

    def parents(self, level: str) -> Int32s:
        """For each row of the context, the row of an outer level, int32 (count,)."""
        found = self._parents.get(level)
        if found is None:
            found = native.parent_rows(self.batch, self.layout, self.context, level)
            self._parents[level] = found
        return found

    def outer_rows(self, selection: Selection, level: str) -> Int32s:
        """For each selected row, the row of an outer level."""
        parents = self.parents(level)
        return parents if selection.rows is None else parents[selection.rows]

    def size(self, level: str) -> int:
        """Number of rows of a level."""
        if level == self.context:
            return self.count
        return self.batch.rows(self.layout.tables[level]) if level else 1

    def align(self, vector: Vector, at: Selection, selection: Selection) -> Vector:
        """The vector for the selected rows.

        Args:
            vector: a constant, a vector of an outer level, or one for the rows of `at`.
            at: the selection at which it was computed.
            selection: the rows wanted; inside `at`.
        """
        if vector.level == "" or (vector.level == self.context and at is selection):
            return vector
        if vector.level != self.context:
            return vector.take(self.outer_rows(selection, vector.level), self.context)
        index = selection.positions(at)
        return vector if index is None else vector.take(index, self.context)

    def constant(self, value: Value) -> Vector:
        """The vector of a constant; the same for the same object."""
        found = self._constants.get(id(value))
        if found is None:
            if type(value) is bytes:
                bit, length = self.batch.const(value)
                found = Vector(STRING, np.array([bit]), np.array([length], np.uint32))
            elif type(value) in (int, float, bool):
                found = self.preparations.get(id(value))
                if found is None:
                    found = self.preparations[id(value)] = constant(value, self.batch)
            else:
                found = nothing() if value is None else constant(value, self.batch)
            self._constants[id(value)] = found
            self._kept.append(value)
        return found

    def prepared(self, i: Instruction, prepare: Callable[[], Any]) -> Any:
        """What is prepared once an instruction: kept by whoever made the frame, from payload to payload."""
        found = self.preparations.get(id(i))
        if found is None:
            found = self.preparations[id(i)] = prepare()
        return found

    def align_rows(
        self, vector: Vector, at: Selection, selection: Selection, level: str, rows: Int32s | None
    ) -> Vector:
        """A constant or a vector of an outer level, for rows of a level.

        Args:
            vector: of `level` or of one outside it; of the context only if that is `level`.
            at: the selection at which it was computed.
            selection: the rows of the context wanted, if `level` is the context.
            level: the level.
            rows: its rows; None for all.
        """
        if vector.level == "" or level == self.context:
            return self.align(vector, at, selection)
        if vector.level != level:
            index = native.parent_rows(self.batch, self.layout, level, vector.level)
            return vector.take(index if rows is None else index[rows], level)
        return vector if rows is None else vector.take(rows, level)

    def room(self) -> tuple[int, int, float, int]:
        """What the native executor may take: bytes of a text, bytes of the arena, seconds, elements of a list."""
        return self.bounds.max_string, self._most, self.bounds.seconds_left(), self.bounds.max_items

    def check(self) -> None:
        """Ends a payload of which statements have made too much, or which takes too long.

        Raises:
            PayloadError: it is one.
        """
        if self.batch.size() > self._most:
            raise self.bounds.too_much()
        self.bounds.check_time()

    def objects(self, vector: Vector, count: int) -> list[Any]:
        """The values as Python values, `count` of them."""
        return to_objects(vector, self.batch, CONTAINERS, count)

    def vector(self, values: list[Any], level: str) -> Vector:
        """A vector of Python values."""
        return from_objects(values, self.batch, level, CONTAINERS)

    def written(self, level: str) -> None:
        """Forgets what was loaded from a level."""
        self._loads.pop(level, None)

    # -- loads --------------------------------------------------------------------------------------------------------

    def load(self, spec: PathSpec, keys: tuple[Value, ...], selection: Selection, fail: Failure) -> Vector:
        """A path with constant keys.

        Returns:
            A vector of the level that holds it: for the context, of the selected rows; for an outer level, of all its
            rows.
        """
        level = level_of(spec)
        if level == "otelcol":
            return self._metadata(spec, keys, fail)
        own = level == self.context
        whole = selection.rows is None or not own
        # Specs are singletons of the contexts, so identity tells them apart; their hash would cost more than a load.
        known = (id(spec), keys)
        kept = whole and all(type(key) in (bytes, int) for key in keys)
        if kept:
            loaded = self._loads.get(level)
            found = None if loaded is None else loaded.get(known)
            if found is not None:
                return found
        rows = None if whole else selection.rows
        failed = False

        def note(mask: NDArray[np.bool_], where: str, message: str | list[str]) -> None:
            nonlocal failed
            failed = True
            fail(mask, where, message)

        found = self._load(spec, keys, level, rows, note)
        if kept and not failed and spec.view is not View.CACHE:
            self._loads.setdefault(level, {})[known] = found
        return found

    def _load(self, spec: PathSpec, keys: tuple[Value, ...], level: str, rows: Int32s | None, fail: Failure) -> Vector:
        match spec.view:
            case View.MAP:
                return self._load_map(spec, keys, level, rows, fail)
            case View.CACHE:
                return self._load_cache(keys, rows)
            case View.TRACE_STATE if keys:
                return self._load_member(spec, keys[0], level, rows)
            case View.VALUE:
                vector = uniform(*self.column(level, spec.field, rows), level)
                return self.children(vector, keys, fail) if keys else vector
            case View.VALUE_TEXT:
                return self._load_text(spec, level, rows)
            case View.METRIC_TYPE:
                return Vector(INT, self._metric_types(rows), None, None, level)
            case View.METRIC_DATA:
                return self._load_metric_data(spec, rows)
            case View.NUMBER:
                return self._load_number(spec, level, rows)
            case View.POINT_VALUE:
                return self._load_point_value(level, rows)
            case View.ID | View.ID_HEX:
                return self._load_id(spec, level, rows)
            case View.ENUM_TEXT:
                return self._load_enum_text(spec, level, rows)
        return self._load_field(spec, level, rows)

    def column(self, level: str, field: tuple[str, ...], rows: Int32s | None) -> tuple[Any, Any, Any]:
        """Cells of a column for some rows, or all."""
        tags, bits, lens = self.batch.column(self.layout.tables[level], self.layout.columns[level, field])
        return (tags, bits, lens) if rows is None else (tags[rows], bits[rows], lens[rows])

    def _load_field(self, spec: PathSpec, level: str, rows: Int32s | None) -> Vector:
        if (level, spec.field) not in self.layout.columns:
            return nothing()
        _, bits, lens = self.column(level, spec.field, rows)
        tag = FIELD_TAGS.get(spec.view, INT)
        vector = typed(tag, bits, lens, level)
        return self._where_present(spec, vector, level, rows)

    def _where_present(self, spec: PathSpec, vector: Vector, level: str, rows: Int32s | None) -> Vector:
        """Nil for data points of a kind that lacks the field."""
        if level != "datapoint" or not spec.nullable:
            return vector
        present = self.points_with(spec.field, rows)
        if present.all():
            return vector
        tags = np.where(present, np.uint8(vector.tags), np.uint8(EMPTY)).astype(np.uint8)
        lens = NO_LENS if vector.lens is None else vector.lens
        return uniform(tags, vector.raw(), np.broadcast_to(lens, (len(tags),)), level)

    def points_with(self, field: tuple[str, ...], rows: Int32s | None) -> NDArray[np.bool_]:
        """Which data points are of a kind that has a field."""
        variants = self.batch.variants(self.layout.tables["datapoint"])
        having = [v for v, name in self.layout.points.items() if resolve(name, field) is not None]
        present = np.isin(variants, having)
        return present if rows is None else present[rows]

    def _load_map(
        self, spec: PathSpec, keys: tuple[Value, ...], level: str, rows: Int32s | None, fail: Failure
    ) -> Vector:
        table, number = self.layout.tables[level], self.layout.maps[level, spec.field]
        if not keys:
            bits, lens = self.batch.map_encode(table, number, rows)
            return Vector(MAP, bits, lens, None, level)
        key = keys[0]
        if type(key) is not bytes:
            count = self.batch.rows(table) if rows is None else len(rows)
            fail(np.ones(count, np.bool_), level, f"expected a string key for a map but got {types.kind_name(key)}")
            return nothing()
        tags, bits, lens, found = self.batch.map_get(table, number, key, rows)
        vector = uniform(tags, bits, lens, level)
        return self.children(vector, keys[1:], fail, ~found) if len(keys) > 1 else vector

    def children(
        self, vector: Vector, keys: tuple[Value, ...], fail: Failure, missing: NDArray[np.bool_] | None = None
    ) -> Vector:
        """Parts of payload values, as paths read them: behind a missing key everything is nil."""
        count = len(vector)
        gone = np.zeros(count, np.bool_) if missing is None else missing
        tags, bits, lens = vector.tag_array(count), vector.raw(), vector.lens
        lens = np.zeros(count, np.uint32) if lens is None else lens
        for number, key in enumerate(keys):
            before, sizes = bits, lens
            if type(key) is not bytes and type(key) is not int:
                fail(~gone, vector.level, [_refusal(tag, key) for tag in tags[~gone].tolist()])
                return nothing()
            holders = tags
            was_map = tags == MAP
            tags, bits, lens, errors = self.batch.child(np.ascontiguousarray(tags), bits, lens, key)
            errors = np.where(gone, 0, errors)
            wrong = (errors == 1) & ~gone
            if wrong.any():
                fail(wrong, vector.level, [_refusal(tag, key) for tag in holders[wrong].tolist()])
            beyond = (errors == 2) & ~gone
            if beyond.any():
                fail(beyond, vector.level, f"index {key!r} out of bounds")
            behind = np.flatnonzero(was_map & (tags == EMPTY) & ~gone)
            if len(behind) and number < len(keys) - 1:
                # An entry that is there but empty cannot be looked into; a missing one ends the walk.
                inside = Vector(MAP, before[behind], sizes[behind], None, vector.level)
                absent = [key not in found for found in self.objects(inside, len(behind))]
                gone[behind[absent]] = True
        return uniform(np.ascontiguousarray(tags), bits, lens, vector.level)

    def _load_member(self, spec: PathSpec, key: Value, level: str, rows: Int32s | None) -> Vector:
        """A member of a trace state; nil where that is none."""
        assert type(key) is bytes
        found: dict[bytes, Value] = {}
        texts = self._load_field(spec, level, rows)
        count = self.batch.rows(self.layout.tables[level]) if rows is None else len(rows)
        values = self.objects(texts, count)
        for text in set(values):
            members = tracestate.parse(text)
            found[text] = None if members is None else tracestate.lookup(members, key)
        return self.vector([found[text] for text in values], level)

    def _load_cache(self, keys: tuple[Value, ...], rows: Int32s | None) -> Vector:
        key = keys[0]
        assert type(key) is bytes
        vector = self.cached(key)
        if vector is None:
            return nothing()
        return vector if rows is None else vector.take(rows, self.context)

    # -- the cache: the vector of a key is here, or in the tables, where the native executor finds it ------------------

    def cached(self, key: bytes) -> Vector | None:
        """What all rows of the context have under a key of the cache; None where no row has anything."""
        found = self.cache.get(key)
        number = self.lowered.cache.get(key)
        if found is None and number is not None:
            tags, bits, lens = self.batch.cached(self.layout.tables[self.context], number)
            found = self.cache[key] = uniform(tags, bits, lens, self.context)
        return found

    def put_cached(self, key: bytes, vector: Vector) -> None:
        """Writes a key of the cache for all rows of the context."""
        self.cache[key] = vector
        self._unlent.add(key)

    def lend_cache(self) -> None:
        """Brings what was written here into the tables, before the native executor runs."""
        for key in self._unlent:
            number = self.lowered.cache.get(key)
            if number is not None:
                self.batch.keep(self.layout.tables[self.context], number, *self.cache[key].cells())
        self._unlent.clear()

    def take_cache(self, keys: tuple[bytes, ...]) -> None:
        """Forgets the keys that the native executor has written."""
        for key in keys:
            self.cache.pop(key, None)

    def _load_text(self, spec: PathSpec, level: str, rows: Int32s | None) -> Vector:
        vector = uniform(*self.column(level, spec.field, rows), level)
        if vector.tag == STRING:
            return vector
        if vector.tag == EMPTY:
            return self.constant(b"").at("")
        texts = [types.as_string(v) for v in self.objects(vector, len(vector))]
        return self.vector(texts, level)

    def metric_data(self, rows: Int32s | None) -> NDArray[np.int64]:
        """Which data message each metric holds: its number in `native.metric_data`, from 1; 0 for none."""
        return self._metric_types(rows)

    def _metric_types(self, rows: Int32s | None) -> NDArray[np.int64]:
        table = self.layout.tables["metric"]
        found = np.zeros(self.batch.rows(table), np.int64)
        for number, column in enumerate(self.layout.presence, 1):
            tags, bits, _ = self.batch.column(table, column)
            found[(tags == BOOL) & (bits != 0)] = number
        return found if rows is None else found[rows]

    def _load_metric_data(self, spec: PathSpec, rows: Int32s | None) -> Vector:
        kinds = self._metric_types(rows)
        tag = BOOL if spec.kind is Kind.BOOL else INT
        tags = np.zeros(len(kinds), np.uint8)
        bits = np.zeros(len(kinds), np.int64)
        names = native.metric_data()
        for name, field in data_fields(spec).items():
            if name is None:
                continue
            index = np.flatnonzero(kinds == names.index(name) + 1)
            _, values, _ = self.column("metric", (name, field.name), rows)
            tags[index] = tag
            bits[index] = values[index]
        return uniform(tags, bits, np.zeros(len(kinds), np.uint32), "metric")

    def _load_number(self, spec: PathSpec, level: str, rows: Int32s | None) -> Vector:
        tags, bits, _ = self.column(level, spec.field, rows)
        present = tags != EMPTY
        tag = DOUBLE if spec.kind is Kind.DOUBLE else INT
        bits = np.where(present, bits, 0)
        return self._where_present(spec, typed(tag, bits, None, level), level, rows)

    def _load_point_value(self, level: str, rows: Int32s | None) -> Vector:
        """Whichever of the two kinds of numbers a point has; nil where it has none."""
        tags, bits, _ = self.column(level, ("as_double",), rows)
        other, words, _ = self.column(level, ("as_int",), rows)
        double, integer = tags != EMPTY, other != EMPTY
        kinds = np.where(double, np.uint8(DOUBLE), np.where(integer, np.uint8(INT), np.uint8(EMPTY))).astype(np.uint8)
        values = np.where(double, bits, np.where(integer, words, 0))
        return uniform(kinds, values, np.zeros(len(kinds), np.uint32), level)

    def _load_id(self, spec: PathSpec, level: str, rows: Int32s | None) -> Vector:
        _, bits, lens = self.column(level, spec.field, rows)
        kind = id_kind(spec)
        size = IDS[kind][1]
        if not (lens == size).all():
            zero, _ = self.batch.const(bytes(size))
            odd = np.flatnonzero((lens != size) & (lens != 0))
            bits = np.where(lens == size, bits, zero)
            if len(odd):
                _, raw_bits, raw_lens = self.column(level, spec.field, rows)
                fixed = [b[:size].ljust(size, b"\0") for b in self.batch.take(raw_bits[odd], raw_lens[odd])]
                bits[odd], _ = self.batch.put(fixed)
            lens = np.full(len(bits), size, np.uint32)
        if spec.view is View.ID:
            return Vector(_ID_TAGS[kind], bits, lens, None, level)
        data, _ = self.batch.arena_view(bits, lens)
        texts = np.full(len(bits), 2 * size, np.uint32)
        return Vector(STRING, self.batch.put_joined(data.hex().encode(), texts), texts, None, level)

    def _load_enum_text(self, spec: PathSpec, level: str, rows: Int32s | None) -> Vector:
        _, bits, _ = self.column(level, spec.field, rows)
        names = [name.encode() for name in spec.names]
        known = (bits >= 0) & (bits < len(names))
        codes = np.where(known, bits, len(names))
        texts, lens = self.batch.put([*names, b""])
        return Vector(STRING, texts[codes], lens[codes], None, level)

    def _metadata(self, spec: PathSpec, keys: tuple[Value, ...], fail: Failure) -> Vector:
        try:
            read = metadata.KEY_READERS.get(spec.view) if keys else None
            value = metadata.READERS[spec.view](self.request) if read is None else read(self.request, keys)
        except ValueError as error:
            fail(np.ones(1, np.bool_), "", str(error))
            return nothing()
        return self.vector([value], "")


def is_object(vector: Vector) -> bool:
    """Whether the values are Python objects rather than cells."""
    return vector.tag == OBJECT


__all__ = ["CONTAINERS", "LIST", "Frame", "level_of", "needs"]

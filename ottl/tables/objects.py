"""Between vectors and Python values: how scalar kernels get at columns.

Lists and maps are decoded from and encoded to the bytes that an attribute holds; everything else is a direct
translation of a cell.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ottl import types
from ottl.bounds import current
from ottl.tables.vectors import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
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
    Arena,
    Vector,
    uniform,
)
from ottl.types import Bytes, Duration, Map, ProfileID, Slice, SpanID, Time, TraceID, Value

Decode = Callable[[bytes], Any]

_PAYLOAD_CONTAINERS = frozenset({Map, Slice})
_PAYLOAD_KINDS = frozenset({type(None), bytes, bool, int, float, Bytes, Map, Slice})

_VIEW_FORMS: dict[int, Callable[[bytes], Any]] = {
    BYTES: Bytes,
    TRACE_ID: TraceID,
    SPAN_ID: SpanID,
    PROFILE_ID: ProfileID,
}
_TAGS: dict[type, int] = {
    type(None): EMPTY,
    bytes: STRING,
    bool: BOOL,
    int: INT,
    float: DOUBLE,
    Bytes: BYTES,
    Duration: DURATION,
    TraceID: TRACE_ID,
    SpanID: SPAN_ID,
    ProfileID: PROFILE_ID,
}


class Containers:
    """How lists and maps are decoded and encoded; given by the codec's layer above this one.

    Args:
        decode_list: an encoded ArrayValue to a `Slice`.
        decode_map: an encoded KeyValueList to a `Map`.
        encode: a storable list or map to its encoded form.
        read: from an arena and cells without ids and times to values; None where it cannot.
        write: from an arena and values to their cells, and the positions of values that need `encode` or no cell holds.
    """

    __slots__ = ("decode_list", "decode_map", "encode", "read", "write")

    def __init__(
        self,
        decode_list: Decode,
        decode_map: Decode,
        encode: Callable[[Slice | Map], bytes],
        read: Callable[[Any, Any, Any, Any], list[Any] | None],
        write: Callable[[Any, list[Any]], tuple[tuple[Any, Any, Any], list[int]]],
    ) -> None:
        self.decode_list = decode_list
        self.decode_map = decode_map
        self.encode = encode
        self.read = read
        self.write = write


def to_objects(vector: Vector, arena: Arena, containers: Containers, count: int) -> list[Any]:
    """The values of a vector as Python values.

    Args:
        vector: the values.
        arena: the batch.
        containers: how lists and maps are decoded.
        count: how many rows a constant stands for.
    """
    found = _objects(vector, arena, containers)
    return found * count if vector.constant and len(found) == 1 != count else found


def _objects(vector: Vector, arena: Arena, containers: Containers) -> list[Any]:
    if vector.objects is not None:
        return vector.objects
    if isinstance(vector.tags, int):
        return _one_tag(vector.tags, vector.bits, vector.lens, arena, containers)
    tags = vector.tags
    if not (tags > STRING_INDEX).any():
        found = containers.read(arena, tags, vector.raw(), NO_LENS if vector.lens is None else vector.lens)
        if found is not None:
            return found
    values: list[Any] = [None] * len(vector.bits)
    for tag in np.unique(tags).tolist():
        if tag in (EMPTY, STRING_INDEX):
            continue
        index = np.flatnonzero(tags == tag)
        lens = None if vector.lens is None else vector.lens[index]
        bits = vector.bits[index]
        if tag == DOUBLE:
            bits = bits.view(np.float64)
        for position, value in zip(index.tolist(), _one_tag(tag, bits, lens, arena, containers), strict=True):
            values[position] = value
    return values


def _one_tag(tag: int, bits: Any, lens: Any, arena: Arena, containers: Containers) -> list[Any]:
    if tag in (EMPTY, STRING_INDEX):
        return [None] * len(bits)
    if tag == BOOL:
        return (bits != 0).tolist()  # type: ignore[no-any-return]
    if tag in (INT, DOUBLE):
        return bits.tolist()  # type: ignore[no-any-return]
    if tag == TIME:
        return [Time(ns) for ns in bits.tolist()]
    if tag == DURATION:
        return [Duration(ns) for ns in bits.tolist()]
    if tag in (LIST, MAP):
        found = containers.read(arena, np.full(1, tag, np.uint8), bits, lens)
        if found is not None:
            return found
    raw = arena.take(bits, lens)
    if tag == STRING:
        return raw
    if tag == LIST:
        return [containers.decode_list(body) for body in raw]
    if tag == MAP:
        return [containers.decode_map(body) for body in raw]
    form = _VIEW_FORMS[tag]
    return [form(body) for body in raw]


def from_objects(values: list[Any], arena: Arena, level: str, containers: Containers | None = None) -> Vector:
    """A vector of Python values: cells where cells can hold them all, else objects.

    Args:
        values: the values.
        arena: takes their texts.
        level: of the vector.
        containers: where given, lists and maps as payloads hold them become cells too.
    """
    kinds = set(map(type, values))
    if containers is not None and not kinds.isdisjoint(_PAYLOAD_CONTAINERS) and kinds <= _PAYLOAD_KINDS:
        cells, declined = containers.write(arena, values)
        if not declined:
            return uniform(*cells, level)
    if len(kinds) == 1:
        (kind,) = kinds
        if kind is bytes or kind in (Bytes, TraceID, SpanID, ProfileID):
            bits, lens = arena.put(values)
            return Vector(_TAGS[kind], bits, lens, None, level)
        if kind is bool:
            return Vector(BOOL, np.array(values, np.bool_), None, None, level)
        if kind is int or kind is Duration:
            return Vector(_TAGS[kind], np.array(values, np.int64), None, None, level)
        if kind is float:
            return Vector(DOUBLE, np.array(values, np.float64), None, None, level)
        if kind is type(None):
            return Vector(EMPTY, np.zeros(len(values), np.int64), None, None, level)
        if kind is Time and all(not v.zone and types.INT64_MIN <= v.ns <= types.INT64_MAX for v in values):
            return Vector(TIME, np.array([v.ns for v in values], np.int64), None, None, level)
        return Vector(OBJECT, np.zeros(0, np.int64), None, values, level)
    if not kinds <= _TAGS.keys():
        return Vector(OBJECT, np.zeros(0, np.int64), None, values, level)
    return _mixed(values, arena, level)


def _mixed(values: list[Any], arena: Arena, level: str) -> Vector:
    count = len(values)
    tags = np.fromiter((_TAGS[type(v)] for v in values), np.uint8, count)
    bits = np.zeros(count, np.int64)
    lens = np.zeros(count, np.uint32)
    for tag in np.unique(tags).tolist():
        index = np.flatnonzero(tags == tag)
        chosen = [values[i] for i in index.tolist()]
        if tag in (INT, DURATION, BOOL):
            bits[index] = chosen
        elif tag == DOUBLE:
            bits[index] = np.array(chosen, np.float64).view(np.int64)
        elif tag != EMPTY:
            bits[index], lens[index] = arena.put(chosen)
    return uniform(tags, bits, lens, level)


def constant(value: Value, arena: Arena) -> Vector:
    """A vector for a constant, n = 1."""
    return from_objects([value], arena, "")


def storable_cells(
    vector: Vector, arena: Arena, containers: Containers
) -> tuple[Vector, dict[int, types.NotStorableError]]:
    """The vector as cells that an attribute can hold, and the failures by position.

    A failed position holds what the reference leaves behind: the partial list or map, or nothing.
    """
    if (
        vector.objects is None
        and (
            (isinstance(vector.tags, int) and vector.tags <= MAP)
            or (not isinstance(vector.tags, int) and not (vector.tags > MAP).any())
        )
        and not _may_be_large(vector, arena)
    ):
        return vector, {}
    values = _objects(vector, arena, containers)
    cells, declined = containers.write(arena, values)
    if not declined:
        return uniform(*cells, vector.level), {}
    tags, bits, lens = (part.copy() for part in cells)
    failures: dict[int, types.NotStorableError] = {}
    texts: list[bytes] = []
    at: list[int] = []
    for position in declined:
        value = values[position]
        try:
            stored = types.storable(value)
        except types.NotStorableError as error:
            failures[position] = error
            stored = None if error.partial is types.MISSING else error.partial
        kind = type(stored)
        if kind is Map or kind is Slice:
            try:
                texts.append(containers.encode(stored))
            except types.NotStorableError as error:
                failures[position] = error
                continue
            tags[position] = MAP if kind is Map else LIST
            at.append(position)
        elif kind is bytes or kind is Bytes:
            tags[position] = _TAGS[kind]
            texts.append(stored)
            at.append(position)
        elif kind is float:
            tags[position] = DOUBLE
            bits[position] = np.float64(stored).view(np.int64)
        elif stored is not None:
            tags[position] = _TAGS[kind]
            bits[position] = stored
    if texts:
        bits[at], lens[at] = arena.put(texts)
    return uniform(tags, bits, lens, vector.level), failures


def _may_be_large(vector: Vector, arena: Arena) -> bool:
    """Whether lists or maps among cells might have more elements than a statement may make."""
    least = 2 * current().max_items  # bytes of so many elements
    if vector.lens is None or arena.size() <= least:
        return False
    return bool(((vector.tag_array(len(vector)) >= LIST) & (vector.lens > least)).any())


@functools.cache
def nothing() -> Vector:
    """The constant nil."""
    return Vector(EMPTY, np.zeros(1, np.int64), NO_LENS)

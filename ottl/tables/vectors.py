"""`Vector`: the value of a register for many rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ottl.types import Tag

Int32s = NDArray[np.int32]
Bools = NDArray[np.bool_]

EMPTY: Final = int(Tag.EMPTY)
STRING: Final = int(Tag.STRING)
BOOL: Final = int(Tag.BOOL)
INT: Final = int(Tag.INT)
DOUBLE: Final = int(Tag.DOUBLE)
BYTES: Final = int(Tag.BYTES)
LIST: Final = int(Tag.LIST)
MAP: Final = int(Tag.MAP)
STRING_INDEX: Final = int(Tag.STRING_INDEX)
TIME: Final = int(Tag.TIME)
DURATION: Final = int(Tag.DURATION)
TRACE_ID: Final = int(Tag.TRACE_ID)
SPAN_ID: Final = int(Tag.SPAN_ID)
PROFILE_ID: Final = int(Tag.PROFILE_ID)
OBJECT: Final = int(Tag.OBJECT)

VIEWS: Final = frozenset({STRING, BYTES, LIST, MAP, TRACE_ID, SPAN_ID, PROFILE_ID})

_IS_VIEW = np.zeros(32, np.bool_)
_IS_VIEW[list(VIEWS)] = True

_NUMERIC: Final = frozenset({EMPTY, BOOL, INT, DOUBLE, DURATION})
_IS_NUMERIC = np.zeros(32, np.bool_)
_IS_NUMERIC[list(_NUMERIC)] = True

NO_LENS: Final = np.zeros(1, np.uint32)
_TAG_ARRAYS: Final = [np.full(1, tag, np.uint8) for tag in range(32)]


class Arena(Protocol):
    """What vectors need of a batch: its bytes."""

    def size(self) -> int:
        """How many there are."""

    def put(self, values: list[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Adds strings; their offsets and lengths."""

    def put_joined(self, data: bytes, lengths: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Adds strings that lie one behind the other; their offsets."""

    def take(self, bits: NDArray[np.int64], lens: NDArray[np.uint32]) -> list[bytes]:
        """The strings of views."""

    def const(self, value: bytes) -> tuple[int, int]:
        """Adds one string; its offset and length."""

    def intern(
        self, tags: NDArray[np.uint8] | None, bits: NDArray[np.int64], lens: NDArray[np.uint32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Codes of equal strings (n,), -1 for what is no view; and the first position of each code."""


@dataclass(slots=True)
class Vector:
    """Values of one register.

    Args:
        tags: one tag for all values, or uint8 (n,).
        bits: (n,); bool for a uniform BOOL, float64 for a uniform DOUBLE, else int64. For views, the offset into the
            arena.
        lens: uint32 (n,), byte lengths of views; None where no value is a view.
        objects: the values themselves, for a uniform OBJECT; `bits` is then empty.
        level: the level whose rows the values belong to; `""` for a constant, whose n is 1.
    """

    tags: int | NDArray[np.uint8]
    bits: NDArray[Any]
    lens: NDArray[np.uint32] | None = None
    objects: list[Any] | None = None
    level: str = ""

    @property
    def tag(self) -> int:
        """The one tag of all values, -1 where they differ."""
        return self.tags if isinstance(self.tags, int) else -1

    @property
    def constant(self) -> bool:
        """One value for all rows."""
        return self.level == ""

    def __len__(self) -> int:
        return len(self.bits) if self.objects is None else len(self.objects)

    def at(self, level: str) -> Vector:
        """The same values for the rows of another level."""
        return Vector(self.tags, self.bits, self.lens, self.objects, level)

    def take(self, index: NDArray[Any], level: str) -> Vector:
        """The values at positions.

        Args:
            index: integer positions (m,).
            level: the level the result belongs to.
        """
        if self.objects is not None:
            objects = self.objects
            return Vector(OBJECT, self.bits, None, [objects[i] for i in index.tolist()], level)
        tags = self.tags if isinstance(self.tags, int) else self.tags[index]
        return Vector(tags, self.bits[index], None if self.lens is None else self.lens[index], None, level)

    def cells(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32]]:
        """Tags, bits and lengths as the codec takes them, each (n,) or (1,)."""
        tags = _TAG_ARRAYS[self.tags] if isinstance(self.tags, int) else self.tags
        return tags, self.raw(), NO_LENS if self.lens is None else self.lens

    def raw(self) -> NDArray[np.int64]:
        """The 64 bits of each value, int64 (n,)."""
        bits = self.bits
        if bits.dtype == np.int64:
            return bits
        if bits.dtype == np.float64:
            return bits.view(np.int64)
        return bits.astype(np.int64)

    def tag_array(self, count: int) -> NDArray[np.uint8]:
        """The tag of every value, uint8 (count,)."""
        if isinstance(self.tags, int):
            return np.full(count, self.tags, np.uint8)
        return self.tags if len(self.tags) == count else np.broadcast_to(self.tags, (count,))


def uniform(tags: NDArray[np.uint8], bits: NDArray[np.int64], lens: NDArray[np.uint32], level: str) -> Vector:
    """A vector of cells, typed as one where all tags are the same.

    As in the reference, an index that nobody resolved is no value.
    """
    if len(tags):
        first = int(tags[0])
        if (tags == first).all():
            return typed(EMPTY if first == STRING_INDEX else first, bits, lens, level)
        unresolved = tags == STRING_INDEX
        if unresolved.any():
            return uniform(np.where(unresolved, np.uint8(EMPTY), tags), bits, lens, level)
    return Vector(tags, bits, lens, None, level)


def typed(tag: int, bits: NDArray[np.int64], lens: NDArray[np.uint32] | None, level: str) -> Vector:
    """A vector of cells of one tag."""
    if tag == BOOL:
        return Vector(BOOL, bits != 0, None, None, level)
    if tag == DOUBLE:
        return Vector(DOUBLE, bits.view(np.float64), None, None, level)
    return Vector(tag, bits, lens if tag in VIEWS else None, None, level)


def bools(values: Bools, level: str) -> Vector:
    """A vector of conditions' results."""
    return Vector(BOOL, values, None, None, level)


def merge(outer: Vector, index: NDArray[Any], inner: Vector, count: int) -> Vector:
    """The outer values with those at some positions replaced.

    Args:
        outer: (count,) values, or a constant.
        index: positions (m,).
        inner: (m,) values, or a constant.
        count: length of the result.
    """
    level = outer.level or inner.level
    if outer.tag == BOOL and inner.tag == BOOL:
        values = np.broadcast_to(outer.bits, (count,)).copy()
        values[index] = inner.bits
        return bools(values, level)
    tags = np.array(np.broadcast_to(outer.tag_array(count), (count,)))
    bits = np.array(np.broadcast_to(outer.raw(), (count,)))
    lens = np.array(np.broadcast_to(NO_LENS if outer.lens is None else outer.lens, (count,)))
    tags[index] = inner.tag_array(len(index))
    bits[index] = inner.raw()
    lens[index] = NO_LENS if inner.lens is None else inner.lens
    return uniform(tags, bits, lens, level)


def is_view(tags: NDArray[np.uint8]) -> Bools:
    """Which tags are views."""
    return _IS_VIEW[tags]


def numbers(vector: Vector, count: int) -> tuple[NDArray[np.float64], Bools] | None:
    """Numbers as floats, durations as nanoseconds, and where they are finite; None where a value is of another kind.

    Args:
        vector: (count,) values, or a constant.
        count: number of rows.
    """
    if vector.objects is not None:
        return None
    tags = vector.tags
    if isinstance(tags, int):
        if tags not in _NUMERIC:
            return None
        known: Bools = np.full(len(vector.bits), tags != EMPTY)
        values = vector.bits.astype(np.float64)
    else:
        if not _IS_NUMERIC[tags].all():
            return None
        known = tags != EMPTY
        raw = vector.raw()
        values = np.where(tags == DOUBLE, raw.view(np.float64), raw.astype(np.float64))
    known = known & np.isfinite(values)
    return np.broadcast_to(values, (count,)), np.broadcast_to(known, (count,))


class Selection:
    """Rows of the context's table, in order, on which something is evaluated.

    Args:
        rows: int32 (count,), or None for all rows.
        count: how many.
        outer: the selection it narrows.
        index: positions in `outer`, (count,).
    """

    __slots__ = ("count", "index", "outer", "rows")

    def __init__(
        self,
        rows: Int32s | None,
        count: int,
        outer: Selection | None = None,
        index: NDArray[np.intp] | None = None,
    ) -> None:
        self.rows = rows
        self.count = count
        self.outer = outer
        self.index = index

    def narrow(self, keep: Bools) -> Selection:
        """The rows where a mask over this selection is true; itself where it is true everywhere."""
        index = np.flatnonzero(keep)
        if len(index) == self.count:
            return self
        rows = index.astype(np.int32) if self.rows is None else self.rows[index]
        return Selection(rows, len(index), self, index)

    def positions(self, outer: Selection) -> NDArray[np.intp] | None:
        """Where the rows of this selection stand in an enclosing one; None when they are the same."""
        if self is outer:
            return None
        index = self.index
        above = self.outer
        while above is not None and above is not outer:
            if above.index is not None and index is not None:
                index = above.index[index]
            above = above.outer
        assert above is outer, "a register is used outside the block that wrote it"
        return index

    def numbers(self) -> Int32s:
        """Row numbers, int32 (count,)."""
        return np.arange(self.count, dtype=np.int32) if self.rows is None else self.rows

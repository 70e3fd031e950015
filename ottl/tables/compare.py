"""Comparison of vectors: the table of the reference over tags instead of over types."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.tables.objects import Containers, to_objects
from ottl.tables.vectors import (
    BOOL,
    DOUBLE,
    DURATION,
    EMPTY,
    INT,
    OBJECT,
    STRING,
    TIME,
    Arena,
    Bools,
    Vector,
)

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PLAIN = np.zeros(32, np.uint8)
"""Class of a tag: values of one class compare with each other by the table, 0 is left to the scalar comparison."""
_NIL, _NUMBER, _BOOL, _STRING, _TIME, _DURATION = 1, 2, 3, 4, 5, 6
_PLAIN[EMPTY] = _NIL
_PLAIN[INT] = _PLAIN[DOUBLE] = _NUMBER
_PLAIN[BOOL] = _BOOL
_PLAIN[STRING] = _STRING
_PLAIN[TIME] = _TIME
_PLAIN[DURATION] = _DURATION


class Views(Arena, Protocol):
    """What comparison needs of a batch."""

    def equal(self, bits: NDArray[np.int64], lens: NDArray[np.uint32], needle: bytes) -> Bools:
        """Which strings are the needle, bool (n,)."""

    def compare(
        self,
        bits_a: NDArray[np.int64],
        lens_a: NDArray[np.uint32],
        bits_b: NDArray[np.int64],
        lens_b: NDArray[np.uint32],
    ) -> NDArray[np.int8]:
        """The byte-wise order of two columns of strings, or of one and a constant: -1, 0 or 1, (n,)."""


def compare(
    symbol: types.Operator, left: Vector, right: Vector, arena: Views, containers: Containers, count: int
) -> Bools:
    """The comparison for every row, bool (count,).

    Args:
        symbol: the operator.
        left: (count,) values or a constant.
        right: the same.
        arena: the batch.
        containers: how lists and maps are decoded.
        count: number of rows.
    """
    if isinstance(left.tags, int) and isinstance(right.tags, int):
        a, b = int(_PLAIN[left.tags]), int(_PLAIN[right.tags])
        if a and b:
            if a != b:
                return np.full(count, symbol == "!=")
            found = _same(symbol, a, left, right, arena, count)
            return found if len(found) == count else np.broadcast_to(found, (count,))
    result = np.full(count, symbol == "!=")
    classes_left = _PLAIN[left.tag_array(count)]
    classes_right = _PLAIN[right.tag_array(count)]
    same = classes_left == classes_right
    for one in _classes(left, right):
        index = np.flatnonzero(same & (classes_left == one))
        if len(index):
            result[index] = _same(symbol, one, _part(left, index), _part(right, index), arena, len(index))
    odd = np.flatnonzero((classes_left == 0) | (classes_right == 0))
    if len(odd):
        a_values = to_objects(_part(left, odd), arena, containers, len(odd))
        b_values = to_objects(_part(right, odd), arena, containers, len(odd))
        result[odd] = [types.compare(symbol, a, b) for a, b in zip(a_values, b_values, strict=True)]
    return result


def _classes(left: Vector, right: Vector) -> Iterable[int]:
    """The classes that values on both sides may have."""
    for vector in (left, right):
        if isinstance(vector.tags, int):
            one = int(_PLAIN[vector.tags])
            return (one,) if one else ()
    return range(_NIL, _DURATION + 1)


def _part(vector: Vector, index: NDArray[Any]) -> Vector:
    if vector.constant:
        return vector
    part = vector.take(index, vector.level)
    if not isinstance(part.tags, int) and len(part.tags) and (part.tags == part.tags[0]).all():
        tag = int(part.tags[0])
        bits = part.bits.view(np.float64) if tag == DOUBLE else part.bits != 0 if tag == BOOL else part.bits
        return Vector(tag, bits, part.lens, None, part.level)
    return part


def _same(symbol: str, one: int, left: Vector, right: Vector, arena: Views, count: int) -> Any:
    """Comparison of two vectors whose values are of one class."""
    compute = _OPERATORS[symbol]
    if one == _NIL:
        return np.full(count, symbol in ("==", "<=", ">="))
    if one == _STRING:
        return _strings(symbol, compute, left, right, arena)
    if one == _NUMBER:
        if left.tag == INT and right.tag == INT:
            return compute(left.bits, right.bits)
        if isinstance(left.tags, int) and isinstance(right.tags, int):
            return compute(_floats(left), _floats(right))
        return _numbers(compute, left, right, count)
    return compute(left.bits, right.bits)


def _floats(vector: Vector) -> NDArray[np.float64]:
    return vector.bits if vector.tag == DOUBLE else vector.bits.astype(np.float64)


def _numbers(compute: Callable[[Any, Any], Any], left: Vector, right: Vector, count: int) -> Bools:
    """Numbers of both kinds: two integers compare exactly, everything else as floats."""
    left_tags, right_tags = left.tag_array(count), right.tag_array(count)
    left_bits, right_bits = left.raw(), right.raw()
    left_floats = np.where(left_tags == INT, left_bits.astype(np.float64), left_bits.view(np.float64))
    right_floats = np.where(right_tags == INT, right_bits.astype(np.float64), right_bits.view(np.float64))
    result: Bools = compute(left_floats, right_floats)
    exact = (left_tags == INT) & (right_tags == INT)
    return np.where(exact, compute(left_bits, right_bits), result)


def _strings(symbol: str, compute: Callable[[Any, Any], Any], left: Vector, right: Vector, arena: Views) -> Any:
    assert left.lens is not None
    assert right.lens is not None
    if symbol in ("==", "!="):
        for one, other in ((left, right), (right, left)):
            if other.constant:
                needle = arena.take(other.bits, other.lens)[0]  # type: ignore[arg-type]
                found = arena.equal(one.bits, one.lens, needle)  # type: ignore[arg-type]
                return found if symbol == "==" else ~found
    result: Bools = compute(arena.compare(left.bits, left.lens, right.bits, right.lens), 0)
    return result


def is_nothing(vector: Vector, count: int) -> Bools:
    """Which values are nil, bool (count,). Empty bytes, which only compare as nil, are not."""
    if isinstance(vector.tags, int):
        if vector.tag == OBJECT:
            return np.array([v is None for v in vector.objects or ()], np.bool_)
        return np.full(count, vector.tag == EMPTY)
    found: Bools = vector.tags == EMPTY
    return found

"""Vectors, selections, comparison and the crossing between cells and Python values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ottl import types
from ottl.codec import DEFAULT_LIMITS, native
from ottl.tables import compare
from ottl.tables.objects import constant, from_objects, nothing, storable_cells, to_objects
from ottl.tables.vectors import (
    BOOL,
    DOUBLE,
    EMPTY,
    INT,
    OBJECT,
    STRING,
    STRING_INDEX,
    Selection,
    Vector,
    bools,
    merge,
    uniform,
)
from ottl.types import Bytes, Duration, Map, Slice, SpanID, Time, TraceID, Value
from ottl.vm.frame import CONTAINERS

pytestmark = pytest.mark.skipif(not native.available(), reason="the native codec is not there")

VALUES: list[Value] = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    2**63 - 1,
    0.0,
    -0.0,
    1.5,
    float(2**53),
    math.inf,
    math.nan,
    b"",
    b"a",
    b"b\xff",
    Bytes(b""),
    Bytes(b"a"),
    Slice([1, b"x"]),
    Slice([]),
    Map([(b"k", 1)]),
    Map([]),
    Time(5),
    Duration(5),
    TraceID(bytes(16)),
    SpanID(bytes(8)),
    [1, b"x"],
]
OPERATORS: list[types.Operator] = ["==", "!=", "<", "<=", ">", ">="]


@pytest.fixture
def arena() -> Any:
    """A batch without rows."""
    batch = native.scan(native.layout("logs", ("log",), (), False), b"", DEFAULT_LIMITS)
    assert batch is not None
    return batch


def shown(values: list[Any]) -> list[str]:
    """Values with their types, so that NaN equals itself and 1 is not 1.0."""
    return [f"{type(v).__name__} {v!r}" for v in values]


def test_values_cross_both_ways(arena: Any) -> None:
    """Values become a vector and come back the same."""
    vector = from_objects(VALUES, arena, "log")
    assert shown(to_objects(vector, arena, CONTAINERS, len(VALUES))) == shown(VALUES)
    for value in VALUES:
        one = constant(value, arena)
        assert one.constant
        assert shown(to_objects(one, arena, CONTAINERS, 3)) == shown([value] * 3)


@pytest.mark.parametrize("symbol", OPERATORS)
def test_comparison_is_the_scalar_one(symbol: types.Operator, arena: Any) -> None:
    """Vectors compare as their values do, pair by pair, mixed, uniform and constant."""
    pairs = [(a, b) for a in VALUES for b in VALUES]
    expected = [types.compare(symbol, a, b) for a, b in pairs]
    left = from_objects([a for a, _ in pairs], arena, "log")
    right = from_objects([b for _, b in pairs], arena, "log")
    found = compare.compare(symbol, left, right, arena, CONTAINERS, len(pairs))
    assert found.tolist() == expected
    for (a, b), wanted in zip(pairs, expected, strict=True):
        column = from_objects([a, a], arena, "log")
        assert compare.compare(symbol, column, constant(b, arena), arena, CONTAINERS, 2).tolist() == [wanted] * 2


def test_uniform_vectors() -> None:
    """Cells of one tag become a typed vector; an index that nobody resolved is nil."""
    bits, lens = np.array([1, 0], np.int64), np.zeros(2, np.uint32)
    assert uniform(np.array([BOOL, BOOL], np.uint8), bits, lens, "x").bits.tolist() == [True, False]
    assert uniform(np.array([DOUBLE, DOUBLE], np.uint8), bits, lens, "x").bits.dtype == np.float64
    assert uniform(np.array([INT, EMPTY], np.uint8), bits, lens, "x").tag == -1
    assert uniform(np.array([STRING_INDEX] * 2, np.uint8), bits, lens, "x").tag == EMPTY
    mixed = uniform(np.array([INT, STRING_INDEX], np.uint8), bits, lens, "x")
    assert mixed.tag_array(2).tolist() == [INT, EMPTY]


def test_merging(arena: Any) -> None:
    """Some rows of a vector replaced by those of another, of whatever types."""
    outer = from_objects([1, 2, 3, 4], arena, "log")
    inner = from_objects([b"x", None], arena, "log")
    found = merge(outer, np.array([1, 3]), inner, 4)
    assert to_objects(found, arena, CONTAINERS, 4) == [1, b"x", 3, None]
    flags = merge(bools(np.array([True]), ""), np.array([0]), bools(np.array([False]), "log"), 3)
    assert flags.bits.tolist() == [False, True, True]


def test_what_cannot_be_stored(arena: Any) -> None:
    """Values that no attribute takes fail by position; a list keeps what it can."""
    values: list[Any] = [1, Time(1), [b"a", Time(1)], [Time(1), b"a"], TraceID(bytes(16))]
    cells, failures = storable_cells(Vector(OBJECT, np.zeros(0, np.int64), None, values, "log"), arena, CONTAINERS)
    assert sorted(failures) == [1, 2, 4]
    assert to_objects(cells, arena, CONTAINERS, 5) == [1, None, Slice([b"a", None]), Slice([None, b"a"]), None]
    assert failures[1].partial is types.MISSING
    assert failures[2].partial == Slice([b"a", None])


def test_nothing() -> None:
    """The constant nil is one vector."""
    assert nothing() is nothing()
    assert nothing().tag == EMPTY
    assert compare.is_nothing(nothing(), 2).tolist() == [True, True]


def test_selections_narrow() -> None:
    """A selection narrowed twice knows its rows, and its positions in those around it."""
    everything = Selection(None, 5)
    some = everything.narrow(np.array([True, False, True, True, False]))
    fewer = some.narrow(np.array([False, True, True]))
    assert some.narrow(np.array([True] * 3)) is some
    assert fewer.rows is not None
    assert fewer.rows.tolist() == [2, 3]
    positions = fewer.positions(everything)
    assert positions is not None
    assert positions.tolist() == [2, 3]
    inner = fewer.positions(some)
    assert inner is not None
    assert inner.tolist() == [1, 2]
    assert fewer.positions(fewer) is None


def test_strings_are_taken_by_position(arena: Any) -> None:
    """Taking positions repeats and reorders."""
    vector = from_objects([b"a", b"b"], arena, "log")
    assert vector.tag == STRING
    assert to_objects(vector.take(np.array([1, 1, 0]), "log"), arena, CONTAINERS, 3) == [b"b", b"b", b"a"]

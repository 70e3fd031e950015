"""Keys, values, membership and positions."""

from __future__ import annotations

import pytest

from ottl.stdlib import containers
from ottl.types import Bytes, Map, Slice, TypedList, Value

MAP = Map([(b"b", 1), (b"a", Slice([2])), (b"b", 3)])


def test_keys_and_values_keep_order_and_repetitions() -> None:
    """Both are payload lists."""
    keys, values = containers.keys(MAP), containers.values(MAP)
    assert (type(keys), keys) == (Slice, [b"b", b"a", b"b"])
    assert (type(values), values) == (Slice, [1, [2], 3])


@pytest.mark.parametrize(
    ("items", "value", "expected"),
    [
        (Slice([Map([(b"a", 1)])]), Map([(b"a", 1)]), 0),
        (Slice([1, Slice([2])]), [2], 1),
        (Slice([1, Slice([2])]), Slice([2]), 1),
        (Slice([Bytes(b""), None]), None, 0),
        (Slice([float("nan")]), float("nan"), -1),
        (Slice([True, 1]), 1.0, 1),
        (Slice([]), None, -1),
    ],
)
def test_elements_compare_as_values_do(items: Slice, value: Value, expected: int) -> None:
    """Maps and lists inside compare in their plain form."""
    assert containers.index(items, value) == expected
    assert containers.contains_value(items, value) is (expected >= 0)


def test_index_takes_any_list() -> None:
    """Typed lists and literals count as lists, maps in a literal are refused."""
    assert containers.index(TypedList([b"a", b"b"], "string"), b"b") == 1
    assert containers.index([1, None], None) == 1
    with pytest.raises(ValueError, match="invalid value type"):
        containers.index([Map()], 1)


def test_coalesce_takes_empty_values() -> None:
    """Only nil is passed over."""
    assert containers.coalesce((None, b"", 1)) == b""
    assert containers.coalesce((None,)) is None

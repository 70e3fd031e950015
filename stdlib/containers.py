"""What lists and maps hold."""

from __future__ import annotations

from ottl.codec import kernels
from ottl.functions import Columns, Example, NativeCall, Register, converter
from ottl.tables.vectors import LIST, Vector
from ottl.types import MISSING, Map, Missing, Slice, Value, as_raw, equals, strict_slice


@converter(
    "Keys",
    Example("Keys(log.attributes)", ["b", "a"], given={"b": 1, "a": {"c": 2}}),
    Example("Keys({})", []),
    Example('Keys(log.attributes["x"])', error="expected pcommon.Map but got nil"),
)
def keys(target: Map) -> Slice:
    """The keys of a map, in its order.

    Args:
        target: the map.

    Source: OTTL reference, converter `Keys`.
    """
    return Slice([key for key, _ in target.entries])


@keys.vector
def _(columns: Columns, target: Vector) -> Vector:
    assert target.lens is not None
    bits, lens = kernels.map_parts(columns.arena, target.bits, target.lens, keys=True)
    return Vector(LIST, bits, lens, None, columns.level)


@keys.native
def _(target: Register) -> NativeCall:
    return NativeCall("keys", (target,))


@converter(
    "Values",
    Example("Values(log.attributes)", [1, {"c": None}], given={"b": 1, "a": {"c": None}}),
    Example("Values({})", []),
    Example('Values(log.attributes["x"])', given={"x": "a"}, error="expected pcommon.Map but got string"),
)
def values(target: Map) -> Slice:
    """The values of a map, in its order.

    Args:
        target: the map.

    Source: OTTL reference, converter `Values`.
    """
    return Slice([value for _, value in target.entries])


@values.vector
def _(columns: Columns, target: Vector) -> Vector | None:
    assert target.lens is not None
    if kernels.any_deep(columns.arena, *target.cells()):
        return None
    bits, lens = kernels.map_parts(columns.arena, target.bits, target.lens, keys=False)
    return Vector(LIST, bits, lens, None, columns.level)


@values.native
def _(target: Register) -> NativeCall:
    return NativeCall("values", (target,))


def _position(items: Slice, value: Value) -> int:
    """The index of the first element that equals a value, -1 where none does; elements count in their plain form."""
    for index, item in enumerate(items):
        if equals(as_raw(item), value):
            return index
    return -1


@converter(
    "ContainsValue",
    Example('ContainsValue(log.attributes["x"], 3)', True, given={"x": ["3", 3.0]}),
    Example('ContainsValue(log.attributes["x"], nil)', True, given={"x": [None]}),
    Example('ContainsValue([], "a")', False),
    Example('ContainsValue([{"a": 1}], 1)', error="invalid value type", load_error=True),
    Example('ContainsValue(log.attributes["x"], 1)', given={"x": 1}, error="expected pcommon.Slice but got int64"),
)
def contains_value(target: Slice, item: Value) -> bool:
    """Whether a list has an element that equals a value.

    Args:
        target: the list.
        item: the value, compared as `==` does.

    Source: OTTL reference, converter `ContainsValue`.
    """
    return _position(target, item) >= 0


@contains_value.native
def _(target: Register, item: Register) -> NativeCall:
    return NativeCall("contains", (target, item))


@converter(
    "Coalesce",
    Example('Coalesce([log.attributes["x"], nil, "", 1])', ""),
    Example("Coalesce([nil])", None),
    Example('Coalesce([1, Len(log.attributes["x"])])', 1),
    Example("Coalesce([])", error="at least one", load_error=True),
    lowering="coalesce",
)
def coalesce(values: tuple[Value, ...]) -> Value:
    """The first value that is not nil; what follows it is not evaluated.

    Args:
        values: the candidates, one at least.

    Source: OTTL reference, converter `Coalesce`.
    """
    return next((value for value in values if value is not None), None)


@coalesce.checked
def _(values: tuple[Value, ...] | Missing = MISSING) -> None:
    if values is not MISSING and not values:
        raise ValueError("coalesce: at least one value is needed")


@converter(
    "Index",
    Example('Index("héllo", "l")', 3),
    Example('Index("abc", "")', 0),
    Example('Index(log.attributes["x"], 2)', 1, given={"x": ["2", 2.0]}),
    Example("Index([1], nil)", -1),
    Example('Index("1", 1)', error="index: expected a string"),
    Example("Index(5, 5)", error="expected pcommon.Slice but got int64"),
)
def index(target: Value, value: Value) -> int:
    """Where a text or list first has a value, in bytes or elements from 0; -1 where it has not.

    Args:
        target: string or list.
        value: for a string, the string to look for; for a list any value, compared as `==` does.

    Source: OTTL reference, converter `Index`.
    """
    if type(target) is bytes:
        if type(value) is not bytes:
            raise ValueError("index: expected a string to look for in a string")
        return target.find(value)
    return _position(strict_slice(target), value)


@index.native
def _(target: Register, value: Register) -> NativeCall:
    return NativeCall("find", (target, value))

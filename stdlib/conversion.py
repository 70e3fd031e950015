"""Conversions between types, and tests of types, emptiness and length."""

from __future__ import annotations

import numpy as np

from ottl.functions import BoolLike, Columns, Example, FloatLike, IntLike, NativeCall, Register, Utf8Like, converter
from ottl.tables.vectors import BOOL, BYTES, DOUBLE, INT, LIST, MAP, OBJECT, STRING, Bools, Vector
from ottl.types import (
    MISSING,
    Bytes,
    Map,
    Missing,
    Opaque,
    ProfileID,
    RawMap,
    Slice,
    SpanID,
    Time,
    TraceID,
    TypedList,
    Value,
    kind_name,
    strict_bool,
    strict_double,
    strict_int,
    strict_map,
    strict_string,
)

_ZERO_TIME_NS = -62_135_596_800_000_000_000


@converter(
    "Int",
    Example('Int("-12")', -12),
    Example("Int(-2.9)", -2),
    Example('Int(log.attributes["x"])', None),
    Example("Int(1.0e30)", -(1 << 63)),
    Example('Int("1.0")', error="invalid syntax", load_error=True),
    Example('Int(log.attributes["x"])', given={"x": [1]}, error="unsupported type"),
)
def to_int(target: IntLike | None) -> int | None:
    """An integer: floats lose their fraction, booleans are 1 and 0, strings are read as decimal, nil stays nil.

    Args:
        target: the value; a float outside 64 bits gives the least integer.

    Source: OTTL reference, converter `Int`.
    """
    return target


@to_int.native
def _(target: Register) -> NativeCall:
    return NativeCall("integer", (target,))


@converter(
    "Double",
    Example('Double("1.5")', 1.5),
    Example('Double("0x1p-2")', 0.25),
    Example("Double(true)", 1.0),
    Example('Double(log.attributes["x"])', None),
    Example('Double("1e400")', error="out of range", load_error=True),
    Example('Double(log.attributes["x"])', given={"x": " 1"}, error="invalid syntax"),
)
def to_double(target: FloatLike | None) -> float | None:
    """A float: integers, booleans as 1 and 0, strings in decimal or hexadecimal, nil stays nil.

    Args:
        target: the value.

    Source: OTTL reference, converter `Double`.
    """
    return target


@to_double.native
def _(target: Register) -> NativeCall:
    return NativeCall("float", (target,))


@converter(
    "String",
    Example("String(1.0)", "1"),
    Example("String(1.5e-7)", "1.5e-07"),
    Example("String(0x00ff)", "00ff"),
    Example('String(log.attributes["x"])', '{"a":"\\u003cb","c":[1,null]}', given={"x": {"c": [1, None], "a": "<b"}}),
    Example('String(log.attributes["x"])', None),
    Example('String(log.attributes["x"])', given={"x": float("nan")}, error="unsupported type"),
)
def to_string(target: Utf8Like | None) -> Utf8Like | None:
    """A text: bytes in hex, maps and lists as JSON with sorted keys and HTML escapes, nil stays nil.

    Args:
        target: the value.

    Source: OTTL reference, converter `String`.
    """
    return target


@to_string.native
def _(target: Register) -> NativeCall:
    return NativeCall("text", (target,))


@converter(
    "Bool",
    Example('Bool("T")', True),
    Example("Bool(0.0)", False),
    Example('Bool(log.attributes["x"])', None),
    Example('Bool("yes")', error="invalid syntax", load_error=True),
    Example('Bool(log.attributes["x"])', given={"x": {}}, error="unsupported type"),
)
def to_bool(target: BoolLike | None) -> bool | None:
    """A boolean: numbers are true unless 0, strings must be `1 t T TRUE true True 0 f F FALSE false False`.

    Args:
        target: the value.

    Source: OTTL reference, converter `Bool`.
    """
    return target


@to_bool.native
def _(target: Register) -> NativeCall:
    return NativeCall("boolean", (target,))


@converter(
    "IsString",
    Example('IsString(log.attributes["x"])', True, given={"x": ""}),
    Example('IsString(log.attributes["x"])', False),
    Example("IsString(1)", error="expected string", load_error=True),
)
def is_string(target: Value) -> bool:
    """Whether a value is a string; a literal must be one.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsString`.
    """
    return type(target) is bytes


@is_string.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_kind", (target,), (STRING,))


@is_string.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        strict_string(target)


@converter(
    "IsInt",
    Example('IsInt(log.attributes["x"])', True, given={"x": 0}),
    Example('IsInt(log.attributes["x"])', False, given={"x": 1.0}),
    Example("IsInt(1.0)", error="expected int64", load_error=True),
)
def is_int(target: Value) -> bool:
    """Whether a value is an integer; a literal must be one.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsInt`.
    """
    return type(target) is int


@is_int.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_kind", (target,), (INT,))


@is_int.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        strict_int(target)


@converter(
    "IsDouble",
    Example('IsDouble(log.attributes["x"])', True, given={"x": 1.5}),
    Example('IsDouble(log.attributes["x"])', False, given={"x": 1}),
    Example("IsDouble(1)", error="expected float64", load_error=True),
)
def is_double(target: Value) -> bool:
    """Whether a value is a float; a literal must be one.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsDouble`.
    """
    return type(target) is float


@is_double.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_kind", (target,), (DOUBLE,))


@is_double.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        strict_double(target)


@converter(
    "IsBool",
    Example('IsBool(log.attributes["x"])', True, given={"x": False}),
    Example('IsBool(log.attributes["x"])', False, given={"x": "true"}),
    Example("IsBool(nil)", error="expected bool", load_error=True),
)
def is_bool(target: Value) -> bool:
    """Whether a value is a boolean; a literal must be one.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsBool`.
    """
    return type(target) is bool


@is_bool.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_kind", (target,), (BOOL,))


@is_bool.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        strict_bool(target)


@converter(
    "IsMap",
    Example("IsMap(log.attributes)", True),
    Example('IsMap(log.attributes["x"])', False, given={"x": []}),
    Example("IsMap([])", error="expected pcommon.Map", load_error=True),
)
def is_map(target: Value) -> bool:
    """Whether a value is a map; a literal must be one.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsMap`.
    """
    return type(target) is Map or type(target) is RawMap


@is_map.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_kind", (target,), (MAP,))


@is_map.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        strict_map(target)


def _has_length(target: Opaque) -> bool:
    """Whether the reference's functions know the repeated message; they know none of the profiles."""
    return target.repeated and ".profiles." not in target.kind


@converter(
    "IsList",
    Example('IsList(log.attributes["x"])', True, given={"x": []}),
    Example('IsList(Split("a", ","))', True),
    Example("IsList(0x00)", False),
    Example("IsList(nil)", False),
)
def is_list(target: Value) -> bool:
    """Whether a value is a list, repeated parts of the payload included; lists of unsigned integers are none.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsList`.
    """
    kind = type(target)
    if kind is Slice or kind is list:
        return True
    if isinstance(target, TypedList):
        return target.element not in ("uint64", "time")
    return isinstance(target, Opaque) and _has_length(target)


@is_list.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_kind", (target,), (LIST,))


@converter(
    "IsEmpty",
    Example("IsEmpty(nil)", True),
    Example('IsEmpty("")', True),
    Example("IsEmpty(0.0)", True),
    Example("IsEmpty(Unix(0))", False),
    Example('IsEmpty(log.attributes["x"])', False, given={"x": [None]}),
    Example("IsEmpty(log.trace_id)", True),
)
def is_empty(target: Value) -> bool:
    """Whether a value is nil, an empty text, list or map, or the zero of its type; parts of the payload never are.

    Args:
        target: the value.

    Source: OTTL reference, converter `IsEmpty`.
    """
    kind = type(target)
    if kind is TraceID or kind is SpanID or kind is ProfileID:
        return not any(target)  # type: ignore[arg-type]
    if isinstance(target, Time):
        return target.ns == _ZERO_TIME_NS and not target.zone
    return kind is not Opaque and not target


@is_empty.native
def _(target: Register) -> NativeCall:
    return NativeCall("is_empty", (target,))


@converter(
    "Len",
    Example('Len("héllo")', 6),
    Example('Len(log.attributes["x"])', 2, given={"x": [1, {}]}),
    Example("Len({})", 0),
    Example("Len(nil)", error="unsupported type nil"),
    Example("Len(5)", error="unsupported type int64"),
)
def length(target: Value) -> int:
    """The length of a text or byte string in bytes, of a list or map in entries.

    Args:
        target: string, bytes, list, map, or a repeated part of the payload.

    Source: OTTL reference, converter `Len`.
    """
    kind = type(target)
    if kind is bytes or kind is Bytes or isinstance(target, (list, Map)):
        return len(target)  # type: ignore[arg-type]
    if isinstance(target, Opaque) and _has_length(target):
        return len(target)
    raise ValueError(f"len: unsupported type {kind_name(target)}, expected a string, bytes, list or map")


@length.vector
def _(columns: Columns, target: Vector) -> tuple[Vector, Bools] | None:
    if target.tag == OBJECT or target.lens is None:
        return None
    tags = target.tag_array(len(target))
    counts = columns.arena.child_counts(tags, target.raw(), target.lens)
    text = (tags == STRING) | (tags == BYTES)
    return Vector(INT, np.where(text, target.lens, counts), None, None, columns.level), ~text & (counts < 0)


@length.native
def _(target: Register) -> NativeCall:
    return NativeCall("length", (target,))

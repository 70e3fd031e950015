"""The values of OTTL: their kinds and Python forms, comparison, coercion and text forms.

One scalar form serves the rows executor, the scalar kernels and constants:

| OTTL | Python |
|---|---|
| nil | `None` |
| bool, int64, float64 | `bool`, `int` (always within 64 bits), `float` |
| string | `bytes`: its UTF-8, possibly invalid, as the reference's strings are bytes |
| bytes | `Bytes` |
| pMap, rawMap | `Map`, `RawMap` |
| pSlice, list literal, typed list | `Slice`, `list`, `TypedList` |
| time, duration | `Time`, `Duration` |
| ids | `TraceID`, `SpanID`, `ProfileID` |
| a status, events, links... | `Opaque` |

`type(value)` decides; subclass tests would take `Bytes` for a string.
"""

from __future__ import annotations

import base64
import codecs
import datetime as dt
import enum
import functools
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


class Kind(enum.Enum):
    """The static type of an expression or parameter."""

    ANY = "any"
    NIL = "nil"
    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    MAP = "map"
    LIST = "list"
    TIME = "time"
    DURATION = "duration"
    TRACE_ID = "trace id"
    SPAN_ID = "span id"
    PROFILE_ID = "profile id"
    OPAQUE = "opaque"


class Tag(enum.IntEnum):
    """The dynamic type of a cell (see `ottl.tables`); the codec knows those below 16."""

    EMPTY = 0
    STRING = 1
    BOOL = 2
    INT = 3
    DOUBLE = 4
    BYTES = 5
    LIST = 6
    MAP = 7
    STRING_INDEX = 8
    TIME = 16
    DURATION = 17
    TRACE_ID = 18
    SPAN_ID = 19
    PROFILE_ID = 20
    OBJECT = 31


class Bytes(bytes):
    """A byte slice; plain `bytes` are strings."""

    __slots__ = ()


class TraceID(bytes):
    """16 bytes."""

    __slots__ = ()


class SpanID(bytes):
    """8 bytes."""

    __slots__ = ()


class ProfileID(bytes):
    """16 bytes."""

    __slots__ = ()


class Duration(int):
    """Nanoseconds, int64."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Time:
    """An instant.

    Args:
        ns: nanoseconds since the Unix epoch; may lie outside int64, as the reference's times do.
        zone: name of the IANA zone the time is shown in, `""` for UTC, or a fixed offset as `+hh:mm`.
    """

    ns: int
    zone: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(self.ns)


class Map:
    """An ordered map of values, detached from any payload. Keys may repeat, as they may on the wire.

    Args:
        entries: keys (UTF-8) and values, in order; owned by the map.
    """

    __slots__ = ("entries",)

    def __init__(self, entries: Iterable[tuple[bytes, Value]] = ()) -> None:
        self.entries: list[tuple[bytes, Value]] = list(entries)

    def get(self, key: bytes, default: Any = None) -> Any:
        """The value of the first entry with the key."""
        for name, value in self.entries:
            if name == key:
                return value
        return default

    def __contains__(self, key: bytes) -> bool:
        return any(name == key for name, _ in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[bytes, Value]]:
        return iter(self.entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.entries!r})"


class RawMap(Map):
    """A map as some converters of the reference return it (`map[string]any`); becomes a `Map` where it is stored."""

    __slots__ = ()


class Slice(list):  # type: ignore[type-arg]
    """A list as attributes hold it (pSlice). A plain `list` is a list literal."""

    __slots__ = ()


class TypedList(list):  # type: ignore[type-arg]
    """A list whose elements have one Go type, which equality looks at.

    Args:
        items: the elements.
        element: the Go type's name: `string`, `int64`, `uint64`, `float64`, `bool`, `time`.
    """

    __slots__ = ("element",)

    def __init__(self, items: Iterable[Any], element: str) -> None:
        super().__init__(items)
        self.element = element

    def __reduce__(self) -> tuple[Any, ...]:
        return TypedList, (list(self), self.element)


class Opaque:
    """A part of the payload that rules can copy, count and compare by identity, but not look into.

    Args:
        kind: its protobuf message's full name (of the elements, for a repeated field).
        repeated: a list of messages, which `Len` and `IsList` accept.
        reference: the message, or the repeated container.
    """

    __slots__ = ("kind", "reference", "repeated")

    def __init__(self, kind: str, repeated: bool, reference: Any) -> None:
        self.kind = kind
        self.repeated = repeated
        self.reference = reference

    def __len__(self) -> int:
        return len(self.reference)


Value: TypeAlias = bool | int | float | bytes | Map | list[Any] | Time | Opaque | None
"""Any OTTL value; `Bytes`, ids, `Duration`, `Slice` and `TypedList` are subclasses of members."""

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1


def wrap_int64(value: int) -> int:
    """The value modulo 2^64, as a signed integer: how the reference's integers overflow."""
    return ((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


# Kinds and names

_KINDS: dict[type, Kind] = {
    type(None): Kind.NIL,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.DOUBLE,
    bytes: Kind.STRING,
    Bytes: Kind.BYTES,
    Map: Kind.MAP,
    RawMap: Kind.MAP,
    Slice: Kind.LIST,
    list: Kind.LIST,
    TypedList: Kind.LIST,
    Time: Kind.TIME,
    Duration: Kind.DURATION,
    TraceID: Kind.TRACE_ID,
    SpanID: Kind.SPAN_ID,
    ProfileID: Kind.PROFILE_ID,
    Opaque: Kind.OPAQUE,
}

_NAMES: dict[type, str] = {
    type(None): "nil",
    bool: "bool",
    int: "int64",
    float: "float64",
    bytes: "string",
    Bytes: "[]uint8",
    Map: "pcommon.Map",
    RawMap: "map[string]interface {}",
    Slice: "pcommon.Slice",
    list: "[]interface {}",
    Time: "time.Time",
    Duration: "time.Duration",
    TraceID: "pcommon.TraceID",
    SpanID: "pcommon.SpanID",
    ProfileID: "pprofile.ProfileID",
}

_ELEMENT_NAMES: dict[type, str] = {
    type(None): "Empty",
    bool: "Bool",
    int: "Int",
    float: "Double",
    bytes: "Str",
    Bytes: "Bytes",
    Map: "Map",
    Slice: "Slice",
}

_PACKAGES = {"trace": "ptrace", "metrics": "pmetric", "logs": "plog", "profiles": "pprofile"}


def kind_of(value: Any) -> Kind:
    """The kind of a value."""
    return _KINDS[type(value)]


def kind_name(value: Any) -> str:
    """The name of a value's type in the reference, for messages: `int64`, `pcommon.Map`, `[]string`..."""
    kind = type(value)
    if kind is TypedList:
        element = value.element
        return f"[]{'time.Time' if element == 'time' else element}"
    if kind is Opaque:
        return _opaque_name(value)
    return _NAMES[kind]


def _opaque_name(value: Opaque) -> str:
    parts = value.kind.split(".")
    package = next((_PACKAGES[part] for part in parts if part in _PACKAGES), "pcommon")
    message = "".join(part for part in parts if part[:1].isupper())
    return f"{package}.{message}{'Slice' if value.repeated else ''}"


# Comparison. Nothing here fails: values of types that do not compare are unequal and not ordered.

_ORDERED = frozenset({bool, int, float, bytes, Duration})
_LISTS = frozenset({Slice, list})
_MAPS = frozenset({Map, RawMap})


def equals(left: Any, right: Any) -> bool:
    """The reference's `==`: type-strict but for int with float, deep for maps and lists, empty `Bytes` equal to nil."""
    kind, other = type(left), type(right)
    if kind is other:
        if kind in _ORDERED:
            return left == right  # type: ignore[no-any-return]
        return _equals_same(left, right, kind)
    if kind is int and other is float:
        return float(left) == right  # type: ignore[no-any-return]
    if kind is float and other is int:
        return left == float(right)  # type: ignore[no-any-return]
    if left is None:
        return other is Bytes and not right
    if right is None:
        return kind is Bytes and not left
    if kind in _LISTS and other in _LISTS:
        return _same_raw(left, right) if kind is list else _same_raw(right, left)
    if kind in _MAPS and other in _MAPS:
        return _same_raw(left, right) if kind is RawMap else _same_raw(right, left)
    return False


def _equals_same(left: Any, right: Any, kind: type) -> bool:
    if kind is Map or kind is Slice:
        return _same_stored(left, right)
    if kind is list or kind is RawMap or kind is TypedList:
        return _same_any(left, right)
    if kind is Opaque:
        return left.reference is right.reference
    return bool(left == right)


def _same_stored(left: Any, right: Any) -> bool:
    """Equality of payload values: each entry of a map equals the other's first of that key."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is Map:
        if len(left) != len(right):
            return False
        return all(key in right and _same_stored(value, right.get(key)) for key, value in left.entries)
    if kind is Slice:
        return len(left) == len(right) and all(map(_same_stored, left, right))
    return bool(left == right)


def _same_raw(raw: Any, stored: Any) -> bool:
    """Equality of a plain value with the plain form of a payload value; a `Map` or `Slice` is no plain value."""
    kind = type(stored)
    if kind is Map:
        if type(raw) is not RawMap:
            return False
        entries = dict(stored.entries)
        return len(entries) == len(raw) and all(k in entries and _same_raw(v, entries[k]) for k, v in raw.entries)
    if kind is Slice:
        return type(raw) is list and len(raw) == len(stored) and all(map(_same_raw, raw, stored))
    return type(raw) is kind and bool(raw == stored)


def _same_any(left: Any, right: Any) -> bool:
    """Deep equality of plain lists and maps as the reference's reflection sees them: the order of a `Map` counts."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is Map:
        return len(left) == len(right) and all(
            k == n and _same_any(v, w) for (k, v), (n, w) in zip(left.entries, right.entries, strict=True)
        )
    if kind is RawMap:
        others = dict(right.entries)
        return len(left) == len(others) and all(k in others and _same_any(v, others[k]) for k, v in left.entries)
    if kind is TypedList and left.element != right.element:
        return False
    if kind is list or kind is Slice or kind is TypedList:
        return len(left) == len(right) and all(map(_same_any, left, right))
    if kind is Time:
        return bool(left.ns == right.ns and left.zone == right.zone)
    if kind is Opaque:
        return left.reference is right.reference
    return bool(left == right)


def not_equals(left: Any, right: Any) -> bool:
    """The reference's `!=`: true wherever `==` is not."""
    return not equals(left, right)


def _orderable(left: Any, right: Any) -> tuple[Any, Any] | None:
    """The two values in a form that Python orders as the reference does, or None where they have no order."""
    kind, other = type(left), type(right)
    if kind is other:
        if kind in _ORDERED:
            return left, right
        if kind is Time:
            return left.ns, right.ns
        if kind is Bytes:
            return (left, right) if bool(left) == bool(right) else None
        return (0, 0) if left is None else None
    if kind is int and other is float:
        return float(left), right
    if kind is float and other is int:
        return left, float(right)
    if (left is None and other is Bytes and not right) or (right is None and kind is Bytes and not left):
        return 0, 0
    return None


def less(left: Any, right: Any) -> bool:
    """The reference's `<`."""
    pair = _orderable(left, right)
    return pair is not None and bool(pair[0] < pair[1])


def less_or_equal(left: Any, right: Any) -> bool:
    """The reference's `<=`."""
    pair = _orderable(left, right)
    return pair is not None and bool(pair[0] <= pair[1])


def greater(left: Any, right: Any) -> bool:
    """The reference's `>`."""
    pair = _orderable(left, right)
    return pair is not None and bool(pair[0] > pair[1])


def greater_or_equal(left: Any, right: Any) -> bool:
    """The reference's `>=`."""
    pair = _orderable(left, right)
    return pair is not None and bool(pair[0] >= pair[1])


COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "==": equals,
    "!=": not_equals,
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
}


def compare(operator: Operator, left: Any, right: Any) -> bool:
    """One comparison by the reference's table."""
    return COMPARISONS[operator](left, right)


# Arithmetic

_TIME_OPERANDS = "only addition and subtraction are supported for times and durations"


def _operand_error(left: Any, right: Any) -> ValueError:
    if type(left) in (int, float):
        return ValueError(f"arithmetic: expected int64 or float64 on the right but got {kind_name(right)}")
    if type(left) in (Time, Duration):
        return ValueError(f"arithmetic: {kind_name(left)} does not go with {kind_name(right)} on the right")
    return ValueError(f"arithmetic: expected int64, float64, time or duration but got {kind_name(left)}")


def _floats(left: Any, right: Any) -> tuple[float, float]:
    kind, other = type(left), type(right)
    if (kind is int or kind is float) and (other is int or other is float):
        return float(left), float(right)
    raise _operand_error(left, right)


def add(left: Any, right: Any) -> Value:
    """The sum; integers wrap, int with float gives float, durations add to times and durations."""
    kind, other = type(left), type(right)
    if kind is int and other is int:
        total = left + right
        return total if INT64_MIN <= total <= INT64_MAX else wrap_int64(total)
    if kind is Duration:
        if other is Duration:
            return Duration(wrap_int64(int(left) + int(right)))
        if other is Time:
            return Time(right.ns + int(left), right.zone)
    elif kind is Time and other is Duration:
        return Time(left.ns + int(right), left.zone)
    first, second = _floats(left, right)
    return first + second


def subtract(left: Any, right: Any) -> Value:
    """The difference; of two times a duration, held within its range."""
    kind, other = type(left), type(right)
    if kind is int and other is int:
        difference = left - right
        return difference if INT64_MIN <= difference <= INT64_MAX else wrap_int64(difference)
    if kind is Time:
        if other is Time:
            return Duration(max(INT64_MIN, min(INT64_MAX, left.ns - right.ns)))
        if other is Duration:
            return Time(left.ns + wrap_int64(-int(right)), left.zone)
    elif kind is Duration and other is Duration:
        return Duration(wrap_int64(int(left) - int(right)))
    first, second = _floats(left, right)
    return first - second


def multiply(left: Any, right: Any) -> Value:
    """The product of two numbers; integers wrap."""
    if type(left) is int and type(right) is int:
        product = left * right
        return product if INT64_MIN <= product <= INT64_MAX else wrap_int64(product)
    if type(left) in (Time, Duration):
        raise ValueError(_TIME_OPERANDS)
    first, second = _floats(left, right)
    return first * second


def divide(left: Any, right: Any) -> Value:
    """The quotient of two numbers, of integers towards zero; division by zero is an error, of floats too."""
    if type(left) is int and type(right) is int:
        if right == 0:
            raise ValueError("attempted to divide by 0")
        quotient = abs(left) // abs(right)
        return wrap_int64(quotient if (left < 0) == (right < 0) else -quotient)
    if type(left) in (Time, Duration):
        raise ValueError(_TIME_OPERANDS)
    first, second = _floats(left, right)
    if second == 0:
        raise ValueError("attempted to divide by 0")
    return first / second


def negate(value: Any) -> Value:
    """Unary minus, of numbers only."""
    if type(value) is int:
        return wrap_int64(-value)
    if type(value) is float:
        return -value
    raise ValueError(f"unary minus: expected int64 or float64 but got {kind_name(value)}")


ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {"+": add, "-": subtract, "*": multiply, "/": divide}


# Plain and stored forms


def as_raw(value: Any) -> Any:
    """A payload value in plain form: `RawMap` and `list` all the way down, the last of repeated keys."""
    if type(value) is Map:
        return RawMap((key, as_raw(item)) for key, item in dict(value.entries).items())
    if type(value) is Slice:
        return [as_raw(item) for item in value]
    return value


def from_raw(value: Any) -> Any:
    """A plain value as a payload holds it; raises `ValueError` for a `Map`, `Slice`, typed list, time or id inside."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return Slice([from_raw(item) for item in value])
    if kind is RawMap:
        return Map([(key, from_raw(item)) for key, item in value.entries])
    raise ValueError(f"invalid value type {kind_name(value)}")


def map_member(value: Any) -> Any:
    """A value as a member of a map literal: stricter than `storable`, a `Slice` or typed list is an error."""
    if type(value) is Map:
        return value
    if type(value) is list:
        return Slice([item if type(item) is Map else from_raw(item) for item in value])
    return from_raw(value)


class NotStorableError(ValueError):
    """A value that no value slot takes.

    Args:
        message: what is wrong.
        partial: what the slot holds after the failed write, for lists and maps; `MISSING` where nothing changed.
    """

    def __init__(self, message: str, partial: Any) -> None:
        super().__init__(message)
        self.partial = partial


class Missing(enum.Enum):
    """The one value that says "nothing here", which nil cannot say: an entry may hold nil."""

    MISSING = "missing"


MISSING = Missing.MISSING

_SCALARS = frozenset({type(None), bool, int, float, bytes, Bytes})
_STORED = _SCALARS | {Map, Slice}
_STORED_ELEMENTS = frozenset({"string", "bool", "int64", "float64"})


def make_map(entries: Iterable[tuple[bytes, Value]]) -> Map:
    """The value of a map literal: members in the form that a map holds them (see `map_member`)."""
    return Map((key, map_member(value)) for key, value in entries)


def storable(value: Any) -> Any:
    """The value as an attribute, a body or a cache entry holds it.

    Lists become `Slice`, a `RawMap` a `Map`. An element that no slot takes becomes nil; it is reported only where it is
    the last of its list.

    Raises:
        NotStorableError: for a time, duration, id, `[]uint64` or opaque value; `partial` says what the slot then holds.
    """
    kind = type(value)
    if kind in _STORED:
        return value
    if kind is TypedList and value.element in _STORED_ELEMENTS:
        return Slice(value)
    if kind is list:
        return _stored_list(value)
    if kind is RawMap:
        return _stored_map(value)
    raise NotStorableError(f"unsupported type {kind_name(value)} for set operation", MISSING)


def _stored_list(value: list[Any]) -> Slice:
    stored = Slice()
    error: NotStorableError | None = None
    for item in value:
        try:
            stored.append(storable(item))
            error = None
        except NotStorableError as failure:
            stored.append(None if failure.partial is MISSING else failure.partial)
            error = failure
    if error is not None:
        raise NotStorableError(str(error), stored)
    return stored


def _stored_map(value: RawMap) -> Map:
    stored = Map()
    message = ""
    for key, item in value.entries:
        try:
            stored.entries.append((key, from_raw(item)))
        except ValueError as failure:
            stored.entries.append((key, None))
            message = str(failure)
    if message:
        raise NotStorableError(message, stored)
    return stored


# Keys


def read_keys(value: Any, keys: Iterable[Value]) -> Any:
    """A part of a payload value, as paths read it.

    Args:
        value: where to begin.
        keys: strings for maps, integers for lists, outermost first.

    Returns:
        The part; nil where a map has no such key, whatever keys follow.

    Raises:
        ValueError: for an index out of range, a key of the wrong type, or keys into a scalar.
    """
    for key in keys:
        kind = type(value)
        if kind is Map:
            if type(key) is not bytes:
                raise ValueError(f"expected a string key for a map but got {kind_name(key)}")
            value = value.get(key, MISSING)
            if value is MISSING:
                return None
        elif kind is Slice:
            value = _item(value, key)
        else:
            raise ValueError(f"type {_ELEMENT_NAMES.get(kind, kind_name(value))} does not support indexing")
    return value


def index_keys(value: Any, keys: Iterable[Value]) -> Any:
    """A part of a converter's result: as `read_keys`, but a missing key is an error; plain values have parts too."""
    for key in keys:
        kind = type(value)
        if type(key) is bytes:
            if kind not in _MAPS:
                raise ValueError(f"type {kind_name(value)} does not support string indexing")
            value = value.get(key, MISSING)
            if value is MISSING:
                raise ValueError("key not found in map")
        elif type(key) is int:
            if kind is TypedList and value.element in ("uint64", "time"):
                raise ValueError(f"type {kind_name(value)} does not support int indexing")
            if kind not in _INDEXED:
                raise ValueError(f"type {kind_name(value)} does not support int indexing")
            value = _item(value, key)
        else:
            raise ValueError(f"expected a string or an integer as key but got {kind_name(key)}")
    return value


_INDEXED = frozenset({Slice, list, TypedList, Bytes})


def _item(value: Sequence[Any], key: Any) -> Any:
    if type(key) is not int:
        raise ValueError(f"expected an integer index for a list but got {kind_name(key)}")
    if not 0 <= key < len(value):
        raise ValueError(f"index {key} out of bounds")
    return value[key]


# Strict conversions: just the one type


def _expected(name: str, value: Any) -> ValueError:
    return ValueError(f"expected {name} but got {kind_name(value)}")


def strict_string(value: Any) -> bytes:
    """The value if it is a string."""
    if type(value) is bytes:
        return value
    raise _expected("string", value)


def strict_int(value: Any) -> int:
    """The value if it is an integer."""
    if type(value) is int:
        return value
    raise _expected("int64", value)


def strict_double(value: Any) -> float:
    """The value if it is a float."""
    if type(value) is float:
        return value
    raise _expected("float64", value)


def strict_bool(value: Any) -> bool:
    """The value if it is a boolean."""
    if type(value) is bool:
        return value
    raise _expected("bool", value)


def strict_bytes(value: Any) -> bytes:
    """The value if it is a byte slice."""
    if type(value) is Bytes:
        return value
    raise _expected("[]uint8", value)


def strict_time(value: Any) -> Time:
    """The value if it is a time."""
    if type(value) is Time:
        return value
    raise _expected("time", value)


def strict_duration(value: Any) -> Duration:
    """The value if it is a duration."""
    if type(value) is Duration:
        return value
    raise _expected("duration", value)


def strict_map(value: Any) -> Map:
    """The value if it is a map; a plain map is converted."""
    if type(value) is Map:
        return value
    if type(value) is RawMap:
        return Map([(key, from_raw(item)) for key, item in value.entries])
    raise _expected("pcommon.Map", value)


def strict_slice(value: Any) -> Slice:
    """The value if it is a list; a plain or typed one is converted, which fails for one that holds a map."""
    if type(value) is Slice:
        return value
    if type(value) is list:
        return Slice([from_raw(item) for item in value])
    if type(value) is TypedList and value.element != "time":
        return Slice(map(wrap_int64, value) if value.element == "uint64" else value)
    raise _expected("pcommon.Slice", value)


# Text forms


def _replace_each(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


_REPLACE = "ottl.replace_each_byte"
codecs.register_error(_REPLACE, _replace_each)


def decode_replacing(text: bytes) -> str:
    """The text decoded, each byte that is not part of valid UTF-8 as one U+FFFD."""
    return text.decode(errors=_REPLACE)


def float_digits(value: float) -> tuple[str, int]:
    """The shortest digits of a finite non-zero float, and the exponent of the first: (`"15"`, 3) is 1500."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    first = len(whole) - 1 if whole.strip("0") else -1 - (len(fraction) - len(fraction.lstrip("0")))
    return digits.rstrip("0"), first + int(exponent or 0)


def float_text(value: float, pad_exponent: bool) -> str:
    """A finite float as JSON writes it: plain between 1e-6 and 1e21, else with an exponent (padded: two digits)."""
    magnitude = abs(value)
    if 1e-4 <= magnitude < 1e16 or magnitude == 0:
        text = repr(value)
        return text.removesuffix(".0")
    digits, exponent = float_digits(value)
    sign = "-" if value < 0 else ""
    if magnitude < 1e-6 or magnitude >= 1e21:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{exponent:+03d}" if pad_exponent or exponent > 0 else f"{sign}{mantissa}e{exponent:d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    return f"{sign}{digits.ljust(exponent + 1, '0')}"


_CONTROL = {**{c: f"\\u{c:04x}" for c in range(0x20)}, 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
_CONTROL |= {0x2028: "\\u2028", 0x2029: "\\u2029", **dict.fromkeys(range(56448, 56576), "\\ufffd")}
_ESCAPE_HTML = {**_CONTROL, 60: "\\u003c", 62: "\\u003e", 38: "\\u0026"}
_ESCAPE_PLAIN = {**_CONTROL, 8: "\\b", 12: "\\f"}
_NO_ESCAPE = re.compile(rb"[ !#-%'-;=?-\[\]-\x7f]*")


def _quote(text: bytes, html: bool) -> str:
    if _NO_ESCAPE.fullmatch(text):
        return f'"{text.decode()}"'
    escapes = _ESCAPE_HTML if html else _ESCAPE_PLAIN
    return f'"{text.decode(errors="surrogateescape").translate(escapes)}"'


def _json(value: Any, html: bool, stored: bool) -> str:
    """JSON text; `stored`: maps and lists of the payload stand for their plain forms (else for empty objects)."""
    kind = type(value)
    if kind is bytes:
        return _quote(value, html)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Duration:
        return int.__repr__(value)
    if kind is float:
        if value - value != 0:
            raise ValueError(f"unsupported value {value} for JSON")
        return float_text(value, pad_exponent=html)
    if kind is Bytes:
        return f'"{base64.b64encode(value).decode()}"' if value else "null"
    if value is None:
        return "null"
    if kind is list or kind is TypedList or (stored and kind is Slice):
        return f"[{','.join([_json(item, html, stored) for item in value])}]"
    if kind is RawMap or (stored and kind is Map):
        return _json_object(value, html, stored)
    if kind is Time:
        return f'"{rfc3339(value)}"'
    if kind in (TraceID, SpanID, ProfileID):
        return f"[{','.join(map(str, value))}]"
    return "{}"


def _json_object(value: Map, html: bool, stored: bool) -> str:
    members = dict(value.entries)
    if html:  # the reference's encoder here orders keys as they are written, quotes and escapes included
        texts = sorted((_quote(key, True).encode() + b":", _json(item, True, stored)) for key, item in members.items())
        return f"{{{','.join(key.decode() + text for key, text in texts)}}}"
    return f"{{{','.join(f'{_quote(key, False)}:{_json(members[key], False, stored)}' for key in sorted(members))}}}"


def as_string(value: Any) -> bytes:
    """A payload value as text (pdata's AsString): bytes in base64, maps and lists as JSON, nil as nothing."""
    if type(value) is bytes:
        return value
    kind = type(value)
    if kind is int:
        return b"%d" % value
    if value is None:
        return b""
    if kind is float:
        if value - value != 0:
            return b"NaN" if math.isnan(value) else b"Infinity" if value > 0 else b"-Infinity"
        return float_text(value, pad_exponent=False).encode()
    if kind is Bytes:
        return base64.b64encode(value)
    try:
        return _json(value, html=False, stored=True).encode()
    except ValueError:
        return b""


_DAYS_BEFORE_EPOCH = 719_468


@dataclass(frozen=True, slots=True)
class Civil:
    """A time as calendars and clocks show it in its zone; years may lie outside 1 to 9999.

    Args:
        offset_s: seconds east of UTC.
        abbreviation: the zone's name at that time: `UTC`, `CET`, `+03`.
    """

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    offset_s: int
    abbreviation: str


def civil(time: Time) -> Civil:
    """The fields of a time in its zone."""
    seconds, nanosecond = divmod(time.ns, 1_000_000_000)
    offset_s, abbreviation = zone_offset(time.zone, seconds)
    days, second = divmod(seconds + offset_s, 86_400)
    # Gregorian calendar in eras of 400 years that begin on 1 March.
    era, day_of_era = divmod(days + _DAYS_BEFORE_EPOCH, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    return Civil(year, month, day, second // 3600, second // 60 % 60, second % 60, nanosecond, offset_s, abbreviation)


def zone_offset(zone: str, seconds: int) -> tuple[int, str]:
    """Seconds east of UTC and the abbreviation of a zone (see `Time`) at an instant in seconds since the epoch."""
    if not zone or zone == "UTC":
        return 0, "UTC"
    if zone[0] in "+-" and zone[1:2].isdigit():
        parts = [int(part) for part in zone[1:].split(":")]
        offset_s = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
        return (-offset_s if zone[0] == "-" else offset_s), zone.replace(":", "")
    held = min(max(seconds, -62_135_510_400), 253_402_214_400)
    moment = dt.datetime.fromtimestamp(0, _zone(zone)) if held == 0 else _moment(held, zone)
    offset = moment.utcoffset() or dt.timedelta()
    return int(offset.total_seconds()), moment.tzname() or zone


@functools.lru_cache(maxsize=256)
def _zone(zone: str) -> dt.tzinfo:
    import zoneinfo

    return zoneinfo.ZoneInfo(zone)


def _moment(seconds: int, zone: str) -> dt.datetime:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (epoch + dt.timedelta(seconds=seconds)).astimezone(_zone(zone))


def _fraction(nanosecond: int) -> str:
    return f".{nanosecond:09d}".rstrip("0") if nanosecond else ""


def rfc3339(time: Time) -> str:
    """A time as RFC 3339, its fraction without trailing zeros; raises `ValueError` for a year outside 0 to 9999."""
    c = civil(time)
    if not 0 <= c.year <= 9999:
        raise ValueError(f"year {c.year} outside 0 to 9999")
    sign, minutes = "-" if c.offset_s < 0 else "+", abs(c.offset_s) // 60
    zone = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if c.offset_s else "Z"
    clock = f"{c.hour:02d}:{c.minute:02d}:{c.second:02d}{_fraction(c.nanosecond)}"
    return f"{c.year:04d}-{c.month:02d}-{c.day:02d}T{clock}{zone}"


def time_text(time: Time) -> str:
    """A time as the reference prints it: `1970-01-01 00:00:01.5 +0000 UTC`."""
    c = civil(time)
    sign, minutes = "-" if c.offset_s < 0 else "+", abs(c.offset_s) // 60
    year = f"{'-' if c.year < 0 else ''}{abs(c.year):04d}"
    clock = f"{c.hour:02d}:{c.minute:02d}:{c.second:02d}{_fraction(c.nanosecond)}"
    return f"{year}-{c.month:02d}-{c.day:02d} {clock} {sign}{minutes // 60:02d}{minutes % 60:02d} {c.abbreviation}"


def duration_text(duration: int) -> str:
    """A duration as the reference prints it: `1h2m3.5s`, `1.5µs`, `0s`."""
    sign, rest = ("-" if duration < 0 else ""), abs(int(duration))
    if rest == 0:
        return "0s"
    if rest < 1_000_000_000:
        unit, size = ("ns", 1) if rest < 1000 else ("µs", 1000) if rest < 1_000_000 else ("ms", 1_000_000)
        whole, part = divmod(rest, size)
        digits = f".{part:0{len(str(size)) - 1}d}".rstrip("0") if part else ""
        return f"{sign}{whole}{digits}{unit}"
    seconds, nanosecond = divmod(rest, 1_000_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    shown = f"{hours}h{minute}m" if hours else f"{minute}m" if minute else ""
    return f"{sign}{shown}{second}{_fraction(nanosecond)}s"


# Coercing conversions; nil gives None, and the function decides


def string_like(value: Any) -> bytes | None:
    """The value as text: bytes in hex, numbers, maps and lists as JSON with HTML escapes."""
    if type(value) is bytes or value is None:
        return value
    kind = type(value)
    if kind is int:
        return b"%d" % value
    if kind is Bytes:
        return bytes(value).hex().encode()
    try:
        return _json(value, html=True, stored=kind is Map or kind is Slice).encode()
    except ValueError as error:
        raise ValueError(f"unsupported type: {kind_name(value)}: {error}") from None


_INTEGER = re.compile(rb"[+-]?[0-9]+")


def parse_int(text: bytes) -> int:
    """An integer as the reference reads it: an optional sign and decimal digits, within 64 bits."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"int: invalid syntax: {shown(text)}")
    digits = text.lstrip(b"+-").lstrip(b"0") or b"0"
    value = int(digits) if len(digits) < 20 else 1 << 64
    if text[:1] == b"-":
        value = -value
    if not INT64_MIN <= value <= INT64_MAX:
        raise ValueError(f"int: value out of range: {shown(text)}")
    return value


def int_like(value: Any) -> int | None:
    """The value as an integer: floats truncated, booleans 0 and 1, strings read as decimal."""
    if type(value) is int or value is None:
        return value
    kind = type(value)
    if kind is bytes:
        return parse_int(value)
    if kind is float:
        if -9.3e18 < value < 9.3e18:
            whole = int(value)
            return whole if INT64_MIN <= whole <= INT64_MAX else INT64_MIN
        return INT64_MIN
    if kind is bool:
        return int(value)
    raise ValueError(f"unsupported type: {kind_name(value)}")


_DECIMAL = re.compile(
    rb"[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+(?:_[0-9]+)*)(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?"
)
_HEXADECIMAL = re.compile(
    rb"[+-]?0[xX](?:_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*(?:\.(?:[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)?)?"
    rb"|\.[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)[pP][+-]?[0-9]+(?:_[0-9]+)*"
)
_SPECIAL = re.compile(rb"nan|[+-]?inf(?:inity)?", re.IGNORECASE)


def parse_float(text: bytes) -> float:
    """A float as the reference reads it: decimal or hexadecimal, `_` between digits, `nan`, `inf`, `infinity`."""
    if _DECIMAL.fullmatch(text):
        value = float(text.replace(b"_", b""))
    elif _HEXADECIMAL.fullmatch(text):
        try:
            value = float.fromhex(text.replace(b"_", b"").decode())
        except OverflowError:
            value = float("inf")
    elif _SPECIAL.fullmatch(text):
        return float(text)
    else:
        raise ValueError(f"float: invalid syntax: {shown(text)}")
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"float: value out of range: {shown(text)}")
    return value


def float_like(value: Any) -> float | None:
    """The value as a float: integers, booleans as 0 and 1, strings read."""
    if type(value) is float or value is None:
        return value
    kind = type(value)
    if kind is int or kind is bool:
        return float(value)
    if kind is bytes:
        return parse_float(value)
    raise ValueError(f"unsupported type: {kind_name(value)}")


_BOOLEANS = {
    **dict.fromkeys((b"1", b"t", b"T", b"TRUE", b"true", b"True"), True),
    **dict.fromkeys((b"0", b"f", b"F", b"FALSE", b"false", b"False"), False),
}


def bool_like(value: Any) -> bool | None:
    """The value as a boolean: numbers are true unless 0, strings must be one of twelve spellings."""
    if type(value) is bool or value is None:
        return value
    kind = type(value)
    if kind is int or kind is float:
        return bool(value)
    if kind is bytes:
        found = _BOOLEANS.get(value)
        if found is None:
            raise ValueError(f"bool: invalid syntax: {shown(value)}")
        return found
    raise ValueError(f"unsupported type: {kind_name(value)}")


def bytes_like(value: Any) -> bytes | None:
    """The value as bytes: strings in UTF-8, numbers as eight bytes big-endian, booleans as one."""
    if type(value) is bytes or value is None:
        return value
    kind = type(value)
    if kind is Bytes:
        return bytes(value)
    if kind is int:
        return struct.pack(">q", value)
    if kind is float:
        return struct.pack(">d", value)
    if kind is bool:
        return b"\x01" if value else b"\x00"
    raise ValueError(f"unsupported type: {kind_name(value)}")


def shown(text: bytes) -> str:
    """A text quoted for a message, cut where it is long."""
    cut = text if len(text) <= 80 else text[:77] + b"..."
    return '"' + cut.decode(errors="replace").replace('"', '\\"') + '"'


# Python objects


def to_python(value: Any) -> Any:
    """The value as plain Python: `str` (with surrogate escapes), `bytes`, `dict`, `list`; times and ids as they are."""
    kind = type(value)
    if kind is bytes:
        return value.decode(errors="surrogateescape")
    if kind is Bytes:
        return bytes(value)
    if kind in _MAPS:
        return {k.decode(errors="surrogateescape"): to_python(v) for k, v in value.entries}
    if isinstance(value, list):
        return [to_python(item) for item in value]
    return value


def from_python(value: Any) -> Any:
    """The value of a plain Python object, the reverse of `to_python`: `str` is a string, `bytes` are bytes.

    Raises:
        ValueError: for an integer beyond 64 bits, a text with lone surrogates, or an object with no OTTL type.
    """
    kind = type(value)
    if kind is str:
        return _encode(value)
    if kind is int:
        return _in_range(value)
    if kind is bytes or kind is bytearray or kind is memoryview:
        return Bytes(value)
    if kind in _KINDS and kind is not list:
        return value
    if isinstance(value, Mapping):
        return Map((_encode(key), from_python(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return Slice(from_python(item) for item in value)
    if isinstance(value, float):
        return float(value)
    raise ValueError(f"no OTTL value for a Python {kind.__name__}")


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape")


def _in_range(value: int) -> int:
    if INT64_MIN <= value <= INT64_MAX:
        return value
    raise ValueError(f"integer {value if abs(value) < 1 << 256 else 'result'} does not fit in 64 bits")


# The boundary of kernels

_STRICT: dict[Kind, Callable[[Any], Any]] = {
    Kind.STRING: strict_string,
    Kind.INT: strict_int,
    Kind.DOUBLE: strict_double,
    Kind.BOOL: strict_bool,
    Kind.BYTES: strict_bytes,
    Kind.MAP: strict_map,
    Kind.LIST: strict_slice,
    Kind.TIME: strict_time,
    Kind.DURATION: strict_duration,
}
_LIKE: dict[Kind, Callable[[Any], Any]] = {
    Kind.STRING: string_like,
    Kind.INT: int_like,
    Kind.DOUBLE: float_like,
    Kind.BOOL: bool_like,
    Kind.BYTES: bytes_like,
}
_LIKE_NAMES = {
    Kind.STRING: "string",
    Kind.INT: "int64",
    Kind.DOUBLE: "float64",
    Kind.BOOL: "bool",
    Kind.BYTES: "[]uint8",
}


def convert_argument(kind: Kind, like: bool = False, raw: bool = False, nil: bool = False) -> Callable[[Value], Any]:
    """The converter from a value to what a kernel's parameter gets; it raises `ValueError` for what is refused.

    Args:
        kind: the parameter's kind.
        like: coerced by the reference's "like" rules.
        raw: strings stay UTF-8 bytes.
        nil: nil becomes None; else it is refused.
    """
    if kind is Kind.ANY:
        return identity
    if like:
        return _checked_like(_decoded(_LIKE[kind]) if kind is Kind.STRING and not raw else _LIKE[kind], kind, nil)
    convert = _STRICT.get(kind) or _strict_type(kind)
    if kind is Kind.STRING and not raw:
        convert = _strict_text
    return _or_none(convert) if nil else convert


def convert_elements(
    kind: Kind, like: bool = False, raw: bool = False, nil: bool = False
) -> Callable[[Value], list[Any]]:
    """The converter from a list that is known only at run time to the Python list of its converted elements.

    Elements of a `Slice` are payload values to the reference: as strings they read by `as_string`, and an empty one is
    not nil. Nil is an empty list, and bytes are a list of numbers.
    """
    convert = convert_argument(kind, like, raw, nil)
    convert_stored = convert
    if like and kind is Kind.STRING:
        convert_stored = as_string if raw else _decoded(as_string)
    elif kind is not Kind.ANY:
        convert_stored = _stored_element(convert)
    convert_byte = convert if like and kind is Kind.STRING else _refuse_byte

    def elements(value: Value) -> list[Any]:
        if type(value) is Slice:
            return [convert_stored(item) for item in value]
        if type(value) is list or type(value) is TypedList:
            return [convert(item) for item in value]
        if value is None:
            return []
        if type(value) is Bytes:
            return [convert_byte(byte) for byte in value]
        raise ValueError(f"expected a slice, got {kind_name(value)}")

    return elements


def _refuse_byte(value: Value) -> Any:
    raise ValueError(f"expected an element of a list but got the byte {value!r}")


def _stored_element(convert: Callable[[Value], Any]) -> Callable[[Value], Any]:
    def converted(value: Value) -> Any:
        if value is None:
            raise ValueError("expected a value but got Empty")
        return convert(value)

    return converted


def identity(value: Any) -> Any:
    """The value itself: the conversion where there is nothing to convert."""
    return value


def _strict_text(value: Any) -> str:
    if type(value) is bytes:
        return value.decode(errors="surrogateescape")
    raise _expected("string", value)


def _decoded(convert: Callable[[Value], bytes | None]) -> Callable[[Value], str | None]:
    def text(value: Value) -> str | None:
        found = convert(value)
        return None if found is None else found.decode(errors="surrogateescape")

    return text


def _or_none(convert: Callable[[Value], Any]) -> Callable[[Value], Any]:
    return lambda value: None if value is None else convert(value)


def _checked_like(convert: Callable[[Value], Any], kind: Kind, nil: bool) -> Callable[[Value], Any]:
    if nil:
        return convert

    def present(value: Value) -> Any:
        if value is None:
            raise ValueError(f"expected {_LIKE_NAMES[kind]} but got nil")
        return convert(value)

    return present


def _strict_type(kind: Kind) -> Callable[[Value], Any]:
    accepted = next(python for python, of in _KINDS.items() if of is kind)

    def strict(value: Value) -> Any:
        if type(value) is accepted:
            return value
        raise _expected(_NAMES.get(accepted, kind.value), value)

    return strict


def convert_result(kind: Kind, raw: bool = False) -> Callable[[Any], Value]:
    """The converter from what a kernel returns to a value.

    Args:
        kind: the kind of the result; for `ANY` plain Python objects are accepted too, but `bytes` are a string.
        raw: strings come as UTF-8 bytes.
    """
    if kind is Kind.STRING:
        return identity if raw else _result_text
    return _RESULTS.get(kind, _result_any)


def _result_text(value: Any) -> Value:
    return value if value is None or type(value) is bytes else _encode(value)


def _result_int(value: Any) -> Value:
    if value is None:
        return None
    return _in_range(int(value))


def _result_double(value: Any) -> Value:
    return None if value is None else float(value)


def _result_bool(value: Any) -> Value:
    return None if value is None else bool(value)


def _result_bytes(value: Any) -> Value:
    return None if value is None else Bytes(value)


def _result_any(value: Any) -> Any:
    kind = type(value)
    if kind is bytes:
        return value
    if kind is list:
        return [_result_any(item) for item in value]
    return from_python(value)


_RESULTS: dict[Kind, Callable[[Any], Value]] = {
    Kind.INT: _result_int,
    Kind.DOUBLE: _result_double,
    Kind.BOOL: _result_bool,
    Kind.BYTES: _result_bytes,
}

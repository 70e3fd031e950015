"""Where the field of a path is in the messages of a row, and what it takes: shared by reading and writing."""

from __future__ import annotations

import functools
from binascii import Error as HexError
from binascii import unhexlify
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

from ottl import schema
from ottl.codec.messages import message_class
from ottl.contexts.metric import DATA_FIELDS
from ottl.contexts.paths import PathSpec, View
from ottl.types import (
    Kind,
    ProfileID,
    Slice,
    SpanID,
    Time,
    TraceID,
    TypedList,
    Value,
    kind_name,
)
from ottl.vm.walk import Row

Get = Callable[[Row], Value]
Set = Callable[[Row, Value], None]
KeysGet = Callable[[Row, tuple[Value, ...]], Value]
KeysSet = Callable[[Row, tuple[Value, ...], Value], None]
Part = Callable[[Row], Any]

_ROW_MESSAGES: Final = {
    "resource": "opentelemetry.proto.trace.v1.ResourceSpans",
    "scope": "opentelemetry.proto.trace.v1.ScopeSpans",
    "span": "opentelemetry.proto.trace.v1.Span",
    "spanevent": "opentelemetry.proto.trace.v1.Span.Event",
    "metric": "opentelemetry.proto.metrics.v1.Metric",
    "exemplar": "opentelemetry.proto.metrics.v1.Exemplar",
    "log": "opentelemetry.proto.logs.v1.LogRecord",
    "profile": "opentelemetry.proto.profiles.v1development.Profile",
    "profilesample": "opentelemetry.proto.profiles.v1development.Sample",
}
"""A message of each level, to look fields up in; resources and scopes have the same ones in every signal."""


# Where a field is


def point_messages() -> tuple[str, ...]:
    """Full names of the messages of data points, one a metric type."""
    metric = schema.fields_by_name(_ROW_MESSAGES["metric"])
    data = (metric[name].message for name in DATA_FIELDS)
    return tuple(schema.fields_by_name(name or "")["data_points"].message or "" for name in data)


def resolve(full_name: str, path: Iterable[str]) -> schema.Field | None:
    """The last field of a path of names below a message, or None where there is none."""
    field = None
    for name in path:
        field = schema.fields_by_name(full_name).get(name)
        if field is None:
            return None
        full_name = field.message or ""
    return field


@functools.cache
def field_of(spec: PathSpec) -> schema.Field:
    """The last field of a path; `KeyError` where the schema has none."""
    rows = point_messages() if spec.level == "datapoint" else (_ROW_MESSAGES[spec.level],)
    for row in rows:
        found = resolve(row, spec.field)
        if found is not None:
            return found
    raise KeyError(spec.name)


_UNSIGNED_32: Final = frozenset({7, 13})
_SIGNED_32: Final = frozenset({5, 14, 15, 17})


def width_of(spec: PathSpec) -> str:
    """How an integer field keeps what is written: `signed32`, `unsigned32` or `whole`."""
    kind = field_of(spec).type
    return "unsigned32" if kind in _UNSIGNED_32 else "signed32" if kind in _SIGNED_32 else "whole"


def _point_classes(spec: PathSpec) -> frozenset[Any]:
    """The classes of data points that have the field."""
    return frozenset(message_class(name) for name in point_messages() if resolve(name, spec.field) is not None)


def part_of(spec: PathSpec, names: tuple[str, ...]) -> Part:
    """Reads a field, given by names below the row's level, from a row."""
    return attrgetter(".".join((spec.level, *names)))


def classes_with_presence(spec: PathSpec) -> frozenset[Any]:
    """The classes of data points in which the field can be there and be zero."""
    found = ((name, resolve(name, spec.field)) for name in point_messages())
    return frozenset(message_class(name) for name, field in found if field is not None and field.has_presence)


def lacking(spec: PathSpec) -> ValueError:
    """The error of a write to a field that this type of data point lacks."""
    return ValueError(f"the data point has no {spec.name}")


def where_present(spec: PathSpec, read: Get) -> Get:
    """A getter that gives nil where the data point lacks the field."""
    if not (spec.level == "datapoint" and spec.nullable):
        return read
    classes = _point_classes(spec)

    def get(row: Row) -> Value:
        return read(row) if type(row.datapoint) in classes else None

    return get


def where_possible(spec: PathSpec, convert: Callable[[Value], Any], write: Callable[[Row, Any], None]) -> Set:
    """A setter: type first, then whether the data point has the field, then the write."""
    if not (spec.level == "datapoint" and spec.nullable):

        def put(row: Row, value: Value) -> None:
            converted = convert(value)
            row.changed = True
            write(row, converted)

        return put
    classes = _point_classes(spec)

    def put_point(row: Row, value: Value) -> None:
        converted = convert(value)
        if type(row.datapoint) not in classes:
            raise lacking(spec)
        row.changed = True
        write(row, converted)

    return put_point


def data_fields(spec: PathSpec) -> dict[str | None, schema.Field]:
    """By name of the metric's data field: the field of that data message, where it has one."""
    metric = schema.fields_by_name(_ROW_MESSAGES["metric"])
    found = {name: resolve(metric[name].message or "", spec.field) for name in DATA_FIELDS}
    return {name: field for name, field in found.items() if field is not None}


# Conversions: from what a field holds to what rules see, and back


def wrong_type(expected: str, value: Value) -> ValueError:
    """The error of a field that takes one type and got another, or nil."""
    if value is None:
        return ValueError("setting a value to nil is not supported")
    return ValueError(f"expects {expected} but got {kind_name(value)}")


def strictly(kind: type, expected: str) -> Callable[[Value], Any]:
    """A conversion that takes one type, named as the reference names it, and changes nothing."""

    def convert(value: Value) -> Any:
        if type(value) is not kind:
            raise wrong_type(expected, value)
        return value

    return convert


to_string = strictly(bytes, "string")
to_int64 = strictly(int, "int64")


def signed(value: int) -> int:
    """A 64-bit field read as the reference's int64."""
    return value if value < 1 << 63 else value - (1 << 64)


def truncated(bits: int, signed: bool) -> Callable[[int], int]:
    """The conversion of an int64 to fewer bits, or to none of its sign."""
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)

    def unsigned(value: int) -> int:
        return value & mask

    def wrapped(value: int) -> int:
        return ((value & mask) ^ sign) - sign

    return wrapped if signed else unsigned


INTEGERS: Final[dict[int, Callable[[int], int]]] = {
    **dict.fromkeys((5, 14, 15, 17), truncated(32, True)),
    **dict.fromkeys((7, 13), truncated(32, False)),
    **dict.fromkeys((4, 6), truncated(64, False)),
    **dict.fromkeys((3, 16, 18), truncated(64, True)),
}
"""By field type: an int64 as the field stores it."""

UNSIGNED64: Final = (4, 6)


def to_integer(spec: PathSpec) -> Callable[[Value], Any]:
    """The conversion of an int64 to the width of the field."""
    truncate = INTEGERS[field_of(spec).type]
    limit = spec.limit

    def convert(value: Value) -> int:
        if type(value) is not int:
            raise wrong_type("int64", value)
        if limit is not None and value >= limit:
            raise ValueError(f"{value} is too large for {spec.name}")
        return truncate(value)

    return convert


def to_flags(spec: PathSpec) -> Callable[[Value], Any]:
    """The conversion of an int64 to 32 bits that must hold it."""

    def convert(value: Value) -> int:
        if type(value) is not int:
            raise wrong_type("int64", value)
        if not 0 <= value < 1 << 32:
            raise ValueError(f"value {value} is out of range for {spec.name}")
        return value

    return convert


def to_non_negative(spec: PathSpec) -> Callable[[Value], Any]:
    """The conversion of an int64 that must not be negative."""

    def convert(value: Value) -> int:
        if type(value) is not int:
            raise wrong_type("int64", value)
        if value < 0:
            raise ValueError(f"{spec.name} must not be negative, got {value}")
        return value

    return convert


def to_nanoseconds(value: Value) -> int:
    """The nanoseconds of a time, modulo 2^64."""
    if type(value) is not Time:
        raise wrong_type("time.Time", value)
    return value.ns & ((1 << 64) - 1)


IDS: Final[dict[Kind, tuple[type[bytes], int, str]]] = {
    Kind.TRACE_ID: (TraceID, 16, "pcommon.TraceID"),
    Kind.SPAN_ID: (SpanID, 8, "pcommon.SpanID"),
    Kind.PROFILE_ID: (ProfileID, 16, "pprofile.ProfileID"),
}


def id_kind(spec: PathSpec) -> Kind:
    """Which id a path stands for, as itself or as its text."""
    if spec.kind in IDS:
        return spec.kind
    return {"trace_id": Kind.TRACE_ID, "profile_id": Kind.PROFILE_ID}.get(spec.field[-1], Kind.SPAN_ID)


def to_id(spec: PathSpec) -> Callable[[Value], Any]:
    """The conversion of an id, or of its hex text, to bytes; all zeros become none."""
    kind = id_kind(spec)
    form, size, name = IDS[kind]
    text = spec.view is View.ID_HEX

    def convert(value: Value) -> bytes:
        if text:
            if type(value) is not bytes:
                raise wrong_type("string", value)
            raw = _unhex(value, size)
        else:
            if type(value) is not form:
                raise wrong_type(name, value)
            raw = bytes(value)
        if not any(raw):
            if kind is Kind.PROFILE_ID:
                raise ValueError("a profile id must not be empty")
            return b""
        return raw

    return convert


def _unhex(text: bytes, size: int) -> bytes:
    try:
        raw = unhexlify(text)
    except HexError:
        raw = b""
    if len(raw) != size:
        raise ValueError(f"expected {2 * size} hex characters")
    return raw


def to_enum_number(spec: PathSpec) -> Callable[[Value], Any]:
    """The conversion of an enum's text to its number."""
    name = spec.names

    def convert(value: Value) -> int:
        text = to_string(value).decode("utf-8", "replace")
        if text not in name:
            raise ValueError(f"unknown {spec.name}: {text}")
        return name.index(text)

    return convert


def to_numbers(spec: PathSpec) -> Callable[[Value], Any]:
    """The conversion of a list of integers or doubles to the values of a repeated field; nil to none."""
    field_type = field_of(spec).type
    doubles = spec.view is View.DOUBLES
    kind: type = float if doubles else int
    elements = ("float64",) if doubles else ("int64", "uint64") if field_type in UNSIGNED64 else ("int64",)
    truncate: Callable[[Any], Any] = float if doubles else INTEGERS[field_type]

    def convert(value: Value) -> list[Any]:
        if value is None:
            return []
        if type(value) is TypedList:
            if value.element not in elements:
                raise wrong_type(f"a list of {elements[0]}", value)
        elif type(value) not in (list, Slice):
            raise wrong_type(f"a list of {elements[0]}", value)
        for item in value:  # type: ignore[union-attr]
            if type(item) is not kind:
                raise ValueError(f"expects a list of {elements[0]} but got {kind_name(item)} in it")
        return [truncate(item) for item in value]  # type: ignore[union-attr]

    return convert


def to_times(_: PathSpec) -> Callable[[Value], Any]:
    """The conversion of a list of times to nanoseconds; nil to none."""

    def convert(value: Value) -> list[int]:
        if value is None:
            return []
        if type(value) is not TypedList or value.element != "time":
            raise wrong_type("[]time.Time", value)
        return [to_nanoseconds(item) for item in value]

    return convert

"""Accessors of paths over protobuf messages, for the rows executor.

A path of a rule becomes one closure, built when the program is prepared, that reads or writes one `Row`:

| path | read | write | edit in place |
|---|---|---|---|
| without keys | `getter(spec)(row)` | `setter(spec)(row, value)` | `map_target(spec, False)(row, ())` |
| one literal string key | `key_getter(spec, key)(row)` | `key_setter(spec, key)(row, value)` | |
| any keys | `keys_getter(spec)(row, keys)` | `keys_setter(spec)(row, keys, value)` | `map_target(spec, True)(row, keys)` |

Values come and go in the forms of `ottl.types`: reads are detached copies except `Opaque`, which refers to the live
message; writes copy. What the reference refuses on a row is a `ValueError`. A write sets `Row.changed`, a failed one
too when it may have left something behind (an empty key); the cache is no part of the payload and sets nothing.

Targets have a `finish` beside the protocol of `ottl.functions`: call it when the editor has succeeded. Maps that a
path presents but no message holds (attributes of profiles, request metadata) are written back, or refused, only then.

Neighbours: `entries` has values and maps, `walk` the rows, both re-exported here; `profiles` the shared dictionary and
`metadata` the request.
"""

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
from ottl.contexts.paths import Access, PathSpec, View
from ottl.types import (
    Bytes,
    Kind,
    Map,
    Opaque,
    ProfileID,
    Slice,
    SpanID,
    Time,
    TraceID,
    TypedList,
    Value,
    as_string,
    kind_name,
    strict_slice,
)
from ottl.vm import metadata, profiles, tracestate
from ottl.vm.entries import (
    DetachedTarget,
    EntriesTarget,
    descend,
    descend_or_add,
    entries_of_value,
    find,
    find_or_add,
    list_index,
    read_entries,
    replace_entries,
    string_key,
    value_from_message,
    value_into_message,
)
from ottl.vm.walk import Row, cache_entries, new_cache, number_of_type, points, prune, walk

__all__ = [
    "Row",
    "getter",
    "key_getter",
    "key_setter",
    "keys_getter",
    "keys_setter",
    "list_target",
    "map_target",
    "new_cache",
    "points",
    "prune",
    "setter",
    "value_from_message",
    "value_into_message",
    "walk",
]

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


def _point_messages() -> tuple[str, ...]:
    metric = schema.fields_by_name(_ROW_MESSAGES["metric"])
    data = (metric[name].message for name in DATA_FIELDS)
    return tuple(schema.fields_by_name(name or "")["data_points"].message or "" for name in data)


def _resolve(full_name: str, path: Iterable[str]) -> schema.Field | None:
    field = None
    for name in path:
        field = schema.fields_by_name(full_name).get(name)
        if field is None:
            return None
        full_name = field.message or ""
    return field


@functools.cache
def _field(spec: PathSpec) -> schema.Field:
    """The last field of a path; `KeyError` where the schema has none."""
    rows = _point_messages() if spec.level == "datapoint" else (_ROW_MESSAGES[spec.level],)
    for row in rows:
        found = _resolve(row, spec.field)
        if found is not None:
            return found
    raise KeyError(spec.name)


def _point_classes(spec: PathSpec) -> frozenset[Any]:
    """The classes of data points that have the field."""
    return frozenset(message_class(name) for name in _point_messages() if _resolve(name, spec.field) is not None)


def _part(spec: PathSpec, names: tuple[str, ...]) -> Part:
    return attrgetter(".".join((spec.level, *names)))


def _lacking(spec: PathSpec) -> ValueError:
    return ValueError(f"the data point has no {spec.name}")


def _where_present(spec: PathSpec, read: Get) -> Get:
    if not (spec.level == "datapoint" and spec.nullable):
        return read
    classes = _point_classes(spec)

    def get(row: Row) -> Value:
        return read(row) if type(row.datapoint) in classes else None

    return get


def _where_possible(spec: PathSpec, convert: Callable[[Value], Any], write: Callable[[Row, Any], None]) -> Set:
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
            raise _lacking(spec)
        row.changed = True
        write(row, converted)

    return put_point


# Conversions: from what a field holds to what rules see, and back


def wrong_type(expected: str, value: Value) -> ValueError:
    """The error of a field that takes one type and got another, or nil."""
    if value is None:
        return ValueError("setting a value to nil is not supported")
    return ValueError(f"expects {expected} but got {kind_name(value)}")


def _strictly(kind: type, expected: str) -> Callable[[Value], Any]:
    def convert(value: Value) -> Any:
        if type(value) is not kind:
            raise wrong_type(expected, value)
        return value

    return convert


_string = _strictly(bytes, "string")
_integer = _strictly(int, "int64")


def _signed(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)


def _truncated(bits: int, signed: bool) -> Callable[[int], int]:
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)

    def unsigned(value: int) -> int:
        return value & mask

    def wrapped(value: int) -> int:
        return ((value & mask) ^ sign) - sign

    return wrapped if signed else unsigned


_INTEGERS: Final[dict[int, Callable[[int], int]]] = {
    **dict.fromkeys((5, 14, 15, 17), _truncated(32, True)),
    **dict.fromkeys((7, 13), _truncated(32, False)),
    **dict.fromkeys((4, 6), _truncated(64, False)),
    **dict.fromkeys((3, 16, 18), _truncated(64, True)),
}
"""By field type: an int64 as the field stores it."""

_UNSIGNED64: Final = (4, 6)


def _to_integer(spec: PathSpec) -> Callable[[Value], Any]:
    truncate = _INTEGERS[_field(spec).type]
    limit = spec.limit

    def convert(value: Value) -> int:
        if type(value) is not int:
            raise wrong_type("int64", value)
        if limit is not None and value >= limit:
            raise ValueError(f"{value} is too large for {spec.name}")
        return truncate(value)

    return convert


def _to_flags(spec: PathSpec) -> Callable[[Value], Any]:
    def convert(value: Value) -> int:
        if type(value) is not int:
            raise wrong_type("int64", value)
        if not 0 <= value < 1 << 32:
            raise ValueError(f"value {value} is out of range for {spec.name}")
        return value

    return convert


def _to_non_negative(spec: PathSpec) -> Callable[[Value], Any]:
    def convert(value: Value) -> int:
        if type(value) is not int:
            raise wrong_type("int64", value)
        if value < 0:
            raise ValueError(f"{spec.name} must not be negative, got {value}")
        return value

    return convert


def _to_nanoseconds(value: Value) -> int:
    if type(value) is not Time:
        raise wrong_type("time.Time", value)
    return value.ns & ((1 << 64) - 1)


_IDS: Final[dict[Kind, tuple[type[bytes], int, str]]] = {
    Kind.TRACE_ID: (TraceID, 16, "pcommon.TraceID"),
    Kind.SPAN_ID: (SpanID, 8, "pcommon.SpanID"),
    Kind.PROFILE_ID: (ProfileID, 16, "pprofile.ProfileID"),
}


def _id_kind(spec: PathSpec) -> Kind:
    if spec.kind in _IDS:
        return spec.kind
    return {"trace_id": Kind.TRACE_ID, "profile_id": Kind.PROFILE_ID}.get(spec.field[-1], Kind.SPAN_ID)


def _to_id(spec: PathSpec) -> Callable[[Value], Any]:
    kind = _id_kind(spec)
    form, size, name = _IDS[kind]
    text = spec.view is View.ID_HEX

    def convert(value: Value) -> bytes:
        if text:
            if type(value) is not bytes:
                raise wrong_type("string", value)
            raw = _unhex(value, size)
        else:
            if type(value) is not form:
                raise wrong_type(name, value)
            raw = bytes(value)  # type: ignore[arg-type]
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


def _to_number(spec: PathSpec) -> Callable[[Value], Any]:
    name = spec.names

    def convert(value: Value) -> int:
        text = _string(value).decode("utf-8", "replace")
        if text not in name:
            raise ValueError(f"unknown {spec.name}: {text}")
        return name.index(text)

    return convert


# Getters


def getter(spec: PathSpec) -> Get:
    """Reads a path without keys."""
    make = _GETTERS.get(spec.view)
    return _where_present(spec, _part(spec, spec.field) if make is None else make(spec))


def _get_int(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    if _field(spec).type not in _UNSIGNED64:
        return part

    def get(row: Row) -> Value:
        value: int = part(row)
        return value if value < 1 << 63 else value - (1 << 64)

    return get


def _get_bytes(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: Bytes(part(row))


def _get_time(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: Time(_signed(part(row)))


def _get_id(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    form, size, _ = _IDS[_id_kind(spec)]
    zero = form(size)

    def get(row: Row) -> Value:
        raw: bytes = part(row)
        if len(raw) == size:
            return form(raw)
        # The reference refuses other lengths as it decodes.
        return form(raw[:size].ljust(size, b"\0")) if raw else zero

    return get


def _get_hex(spec: PathSpec) -> Get:
    read = _get_id(spec)
    return lambda row: read(row).hex().encode()  # type: ignore[union-attr]


def _get_enum_text(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    names = tuple(name.encode() for name in spec.names)

    def get(row: Row) -> Value:
        number = part(row)
        return names[number] if 0 <= number < len(names) else b""

    return get


def _get_map(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: read_entries(part(row))


def _get_cache(_: PathSpec) -> Get:
    return lambda row: read_entries(cache_entries(row))


def _get_value(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: value_from_message(part(row))


def _get_text(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: as_string(value_from_message(part(row)))


def _get_opaque(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    field = _field(spec)
    kind, repeated = field.message or "", field.repeated
    return lambda row: Opaque(kind, repeated, part(row))


def _get_numbers(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    element = spec.element
    if element == "int64" and _field(spec).type in _UNSIGNED64:
        return lambda row: TypedList(map(_signed, part(row)), element)
    return lambda row: TypedList(part(row), element)


def _get_times(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: TypedList((Time(_signed(ns)) for ns in part(row)), "time")


def _get_metric_type(_: PathSpec) -> Get:
    return lambda row: number_of_type(row.metric)


def _data_field(spec: PathSpec) -> dict[str | None, schema.Field]:
    """By name of the metric's data field: the field of that data message, where it has one."""
    metric = schema.fields_by_name(_ROW_MESSAGES["metric"])
    found = {name: _resolve(metric[name].message or "", spec.field) for name in DATA_FIELDS}
    return {name: field for name, field in found.items() if field is not None}


def _get_metric_data(spec: PathSpec) -> Get:
    fields = _data_field(spec)
    name = spec.field[0]

    def get(row: Row) -> Value:
        metric = row.metric
        kind = metric.WhichOneof("data")
        value: Value = getattr(getattr(metric, kind), name) if kind in fields else None
        return value

    return get


def _get_metric_points(spec: PathSpec) -> Get:
    kinds = {name: field.message or "" for name, field in _data_field(spec).items()}

    def get(row: Row) -> Value:
        kind = row.metric.WhichOneof("data")
        return None if kind is None else Opaque(kinds[kind], True, getattr(row.metric, kind).data_points)

    return get


def _get_dictionary_string(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: profiles.string_at(row.dictionary, part(row), spec.name)


def _get_dictionary_map(spec: PathSpec) -> Get:
    part = _part(spec, spec.field)
    return lambda row: read_entries(profiles.attributes(row.dictionary, part(row)))


def _get_metadata(spec: PathSpec) -> Get:
    read = metadata.READERS[spec.view]
    return lambda row: read(row.request)


def _get_unavailable(spec: PathSpec) -> Get:
    def get(_: Row) -> Value:
        raise ValueError(f"{spec.level}.{spec.name} is not known here")

    return get


_GETTERS: Final[dict[View, Callable[[PathSpec], Get]]] = {
    View.INT: _get_int,
    View.NON_NEGATIVE: _get_int,
    View.BYTES: _get_bytes,
    View.TIME: _get_time,
    View.ID: _get_id,
    View.ID_HEX: _get_hex,
    View.ENUM_TEXT: _get_enum_text,
    View.MAP: _get_map,
    View.CACHE: _get_cache,
    View.VALUE: _get_value,
    View.VALUE_TEXT: _get_text,
    View.OPAQUE: _get_opaque,
    View.INTS: _get_numbers,
    View.DOUBLES: _get_numbers,
    View.TIMES: _get_times,
    View.METRIC_TYPE: _get_metric_type,
    View.METRIC_DATA: _get_metric_data,
    View.METRIC_POINTS: _get_metric_points,
    View.DICTIONARY_STRING: _get_dictionary_string,
    View.DICTIONARY_MAP: _get_dictionary_map,
    View.CLIENT_ADDRESS: _get_metadata,
    View.CLIENT_METADATA: _get_metadata,
    View.CLIENT_AUTH: _get_metadata,
    View.GRPC_METADATA: _get_metadata,
    View.UNAVAILABLE: _get_unavailable,
}
"""Views that are not just the field as it is."""


# Setters


def setter(spec: PathSpec) -> Set:
    """Writes a path without keys."""
    if spec.access is Access.READ_ONLY:
        return _refuse(spec)
    if spec.access is Access.IGNORED:
        return _ignore
    return _SETTERS[spec.view](spec)


def _refuse(spec: PathSpec) -> Set:
    def put(_: Row, __: Value) -> None:
        raise read_only(spec)

    return put


def read_only(spec: PathSpec) -> ValueError:
    """The error of a write to a path that nobody can change."""
    return ValueError(f"{spec.level}.{spec.name} is read-only and cannot be modified")


def _ignore(_: Row, __: Value) -> None:
    return None


def _scalar(convert: Callable[[PathSpec], Callable[[Value], Any]]) -> Callable[[PathSpec], Set]:
    """A maker of setters that assign one field."""

    def make(spec: PathSpec) -> Set:
        holder = _part(spec, spec.field[:-1])
        name = spec.field[-1]

        def write(row: Row, value: Any) -> None:
            setattr(holder(row), name, value)

        return _where_possible(spec, convert(spec), write)

    return make


def _set_map(spec: PathSpec) -> Set:
    part = _part(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        row.changed = True
        replace_entries(part(row), value)

    return put


def _set_cache(_: PathSpec) -> Set:
    return lambda row, value: replace_entries(cache_entries(row), value)


def _set_value(spec: PathSpec) -> Set:
    part = _part(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        row.changed = True
        value_into_message(part(row), value)

    return put


def _set_text(spec: PathSpec) -> Set:
    part = _part(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        text = _string(value)
        row.changed = True
        part(row).string_value = text

    return put


def _copy_repeated(kind: str, container: Any, value: Value) -> None:
    """Gives a repeated field the contents of another of its kind; nil clears it."""
    if value is None:
        del container[:]
        return
    if type(value) is not Opaque or value.kind != kind or not value.repeated:
        raise wrong_type(kind_name(Opaque(kind, True, None)), value)
    if value.reference is not container:
        del container[:]
        container.extend(value.reference)


def _set_opaque(spec: PathSpec) -> Set:
    part = _part(spec, spec.field)
    field = _field(spec)
    kind = field.message or ""

    def convert(value: Value) -> Any:
        if value is None and field.repeated:
            return None
        if type(value) is not Opaque or value.kind != kind or value.repeated != field.repeated:
            raise wrong_type(kind_name(Opaque(kind, field.repeated, None)), value)
        return value

    def write(row: Row, value: Any) -> None:
        if field.repeated:
            _copy_repeated(kind, part(row), value)
        else:
            part(row).CopyFrom(value.reference)

    return _where_possible(spec, convert, write)


def _to_numbers(spec: PathSpec) -> Callable[[Value], Any]:
    field_type = _field(spec).type
    doubles = spec.view is View.DOUBLES
    kind: type = float if doubles else int
    elements = ("float64",) if doubles else ("int64", "uint64") if field_type in _UNSIGNED64 else ("int64",)
    truncate: Callable[[Any], Any] = float if doubles else _INTEGERS[field_type]

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


def _to_times(_: PathSpec) -> Callable[[Value], Any]:
    def convert(value: Value) -> list[int]:
        if value is None:
            return []
        if type(value) is not TypedList or value.element != "time":
            raise wrong_type("[]time.Time", value)
        return [_to_nanoseconds(item) for item in value]

    return convert


def _numbers(convert: Callable[[PathSpec], Callable[[Value], Any]]) -> Callable[[PathSpec], Set]:
    def make(spec: PathSpec) -> Set:
        part = _part(spec, spec.field)

        def write(row: Row, values: list[Any]) -> None:
            part(row)[:] = values

        return _where_possible(spec, convert(spec), write)

    return make


def _set_metric_data(spec: PathSpec) -> Set:
    fields = _data_field(spec)
    name = spec.field[0]
    convert = _strictly(bool, "bool") if spec.kind is Kind.BOOL else _integer
    truncate = _truncated(32, True)

    def put(row: Row, value: Value) -> None:
        converted = convert(value)
        metric = row.metric
        kind = metric.WhichOneof("data")
        if kind in fields:
            row.changed = True
            setattr(getattr(metric, kind), name, converted if spec.kind is Kind.BOOL else truncate(converted))

    return put


def _set_metric_points(spec: PathSpec) -> Set:
    kinds = {name: field.message or "" for name, field in _data_field(spec).items()}

    def put(row: Row, value: Value) -> None:
        kind = row.metric.WhichOneof("data")
        if kind is not None:
            _copy_repeated(kinds[kind], getattr(row.metric, kind).data_points, value)
            row.changed = True

    return put


def _set_dictionary_string(spec: PathSpec) -> Set:
    holder = _part(spec, spec.field[:-1])
    name = spec.field[-1]

    def put(row: Row, value: Value) -> None:
        text = _string(value)
        message = holder(row)
        row.changed = True
        setattr(message, name, profiles.index_of(row.dictionary, text, getattr(message, name)))

    return put


def _set_dictionary_map(spec: PathSpec) -> Set:
    part = _part(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        scratch = new_cache().values
        replace_entries(scratch, value)
        row.changed = True
        profiles.replace_attributes(row.dictionary, part(row), scratch)

    return put


_SETTERS: Final[dict[View, Callable[[PathSpec], Set]]] = {
    View.STRING: _scalar(lambda _: _string),
    View.TRACE_STATE: _scalar(lambda _: _string),
    View.BYTES: _scalar(lambda _: _strictly(Bytes, "[]uint8")),
    View.BOOL: _scalar(lambda _: _strictly(bool, "bool")),
    View.DOUBLE: _scalar(lambda _: _strictly(float, "float64")),
    View.INT: _scalar(_to_integer),
    View.FLAGS32: _scalar(_to_flags),
    View.NON_NEGATIVE: _scalar(_to_non_negative),
    View.TIME: _scalar(lambda _: _to_nanoseconds),
    View.ID: _scalar(_to_id),
    View.ID_HEX: _scalar(_to_id),
    View.ENUM_TEXT: _scalar(_to_number),
    View.NUMBER: _scalar(
        lambda spec: _integer if spec.kind is Kind.INT else _strictly(float, "float64"),
    ),
    View.MAP: _set_map,
    View.CACHE: _set_cache,
    View.VALUE: _set_value,
    View.VALUE_TEXT: _set_text,
    View.OPAQUE: _set_opaque,
    View.INTS: _numbers(_to_numbers),
    View.DOUBLES: _numbers(_to_numbers),
    View.TIMES: _numbers(_to_times),
    View.METRIC_DATA: _set_metric_data,
    View.METRIC_POINTS: _set_metric_points,
    View.DICTIONARY_STRING: _set_dictionary_string,
    View.DICTIONARY_MAP: _set_dictionary_map,
}


# Keys


def _entries(spec: PathSpec) -> Part:
    """The live entries of a map; of a copy where no message holds the map."""
    if spec.view is View.CACHE:
        return cache_entries
    part = _part(spec, spec.field)
    if spec.view is View.DICTIONARY_MAP:
        return lambda row: profiles.attributes(row.dictionary, part(row))
    return part


def key_getter(spec: PathSpec, key: bytes) -> Get:
    """Reads a path with one literal string key.

    Args:
        spec: a keyed path.
        key: UTF-8.
    """
    if spec.view is View.TRACE_STATE:
        return _get_trace_state(spec, key)
    if spec.view in _METADATA or spec.view is View.VALUE:
        read = keys_getter(spec)
        return lambda row: read(row, (key,))
    entries = _entries(spec)

    def get(row: Row) -> Value:
        for entry in entries(row):
            if entry.key == key:
                return value_from_message(entry.value)
        return None

    return get


def keys_getter(spec: PathSpec) -> KeysGet:
    """Reads a path with keys that are known only on the row.

    A trace state has no such keys: the reference refuses all but a literal string, which is `key_getter`'s.
    """
    if spec.view is View.TRACE_STATE:
        return _get_trace_state_by_expression(spec)
    if spec.view in _METADATA:
        read = metadata.KEY_READERS[spec.view]
        return lambda row, keys: read(row.request, keys)
    if spec.view is View.VALUE:
        return _get_inside_value(spec)
    entries = _entries(spec)

    def get(row: Row, keys: tuple[Value, ...]) -> Value:
        message = find(entries(row), string_key(keys[0]))
        if message is not None and len(keys) > 1:
            message = descend(message, keys[1:])
        return None if message is None else value_from_message(message)

    return get


_METADATA: Final = frozenset({View.CLIENT_METADATA, View.CLIENT_AUTH, View.GRPC_METADATA})


def _get_inside_value(spec: PathSpec) -> KeysGet:
    part = _part(spec, spec.field)

    def get(row: Row, keys: tuple[Value, ...]) -> Value:
        message = descend(part(row), keys)
        return None if message is None else value_from_message(message)

    return get


def _get_trace_state(spec: PathSpec, key: bytes) -> Get:
    part = _part(spec, spec.field)

    def get(row: Row) -> Value:
        members = tracestate.parse(part(row))
        return None if members is None else tracestate.lookup(members, key)

    return get


def _get_trace_state_by_expression(spec: PathSpec) -> KeysGet:
    part = _part(spec, spec.field)

    def get(row: Row, _: tuple[Value, ...]) -> Value:
        if tracestate.parse(part(row)) is None:
            return None
        raise ValueError("the key of a trace state must be a literal string")

    return get


def key_setter(spec: PathSpec, key: bytes) -> Set:
    """Writes a path with one literal string key.

    Args:
        spec: a keyed path.
        key: UTF-8.
    """
    if spec.access is Access.READ_ONLY:
        return _refuse(spec)
    if spec.view is View.TRACE_STATE:
        return _set_trace_state(spec, key)
    if spec.view in (View.VALUE, View.DICTIONARY_MAP):
        write = keys_setter(spec)
        return lambda row, value: write(row, (key,), value)
    entries = _entries(spec)
    payload = spec.view is not View.CACHE

    def put(row: Row, value: Value) -> None:
        if payload:
            row.changed = True
        value_into_message(find_or_add(entries(row), key), value)

    return put


def keys_setter(spec: PathSpec) -> KeysSet:
    """Writes a path with keys that are known only on the row; for a trace state see `keys_getter`."""
    if spec.access is Access.READ_ONLY:
        refuse = _refuse(spec)
        return lambda row, _, value: refuse(row, value)
    if spec.view is View.TRACE_STATE:
        return _set_trace_state_by_expression(spec)
    if spec.view is View.VALUE:
        return _set_inside_value(spec)
    if spec.view is View.DICTIONARY_MAP:
        return _set_inside_dictionary(spec)
    entries = _entries(spec)
    payload = spec.view is not View.CACHE

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        first = string_key(keys[0])
        if payload:
            row.changed = True
        message = find_or_add(entries(row), first)
        value_into_message(descend_or_add(message, keys[1:]) if len(keys) > 1 else message, value)

    return put


def _set_inside_value(spec: PathSpec) -> KeysSet:
    part = _part(spec, spec.field)

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        message = part(row)
        kind = message.WhichOneof("value")
        if kind == "kvlist_value":
            string_key(keys[0])
        elif kind == "array_value":
            list_index(keys[0], len(message.array_value.values))
        else:
            raise ValueError(f"{spec.level}.{spec.name} cannot be indexed: it is neither a map nor a list")
        row.changed = True
        value_into_message(descend_or_add(message, keys), value)

    return put


def _set_inside_dictionary(spec: PathSpec) -> KeysSet:
    part = _part(spec, spec.field)

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        key = string_key(keys[0])
        slot = profiles.attribute_copy(row.dictionary, part(row), key)
        value_into_message(descend_or_add(slot, keys[1:]), value)
        row.changed = True
        profiles.put_attribute(row.dictionary, part(row), key, slot)

    return put


def _set_trace_state(spec: PathSpec, key: bytes) -> Set:
    part = _part(spec, spec.field)
    holder = _part(spec, spec.field[:-1])
    name = spec.field[-1]

    def put(row: Row, value: Value) -> None:
        text = _string(value)
        members = tracestate.parse(part(row))
        if members is not None:
            updated = tracestate.insert(members, key, text)
            if updated is not None:
                row.changed = True
                setattr(holder(row), name, updated)

    return put


def _set_trace_state_by_expression(spec: PathSpec) -> KeysSet:
    read = _get_trace_state_by_expression(spec)

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        _string(value)
        read(row, keys)

    return put


# Targets of editors


def map_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    """Opens a map for an editor.

    Args:
        spec: any path; what holds no map is an error on the row.
        with_keys: whether keys follow; else they are ignored.

    Returns:
        From row and keys to the target; raises `ValueError` where there is no map.
    """
    if spec.access is not Access.READ_WRITE or spec.view is View.DICTIONARY_MAP:
        return _detached_target(spec, with_keys)
    if spec.view in (View.MAP, View.CACHE):
        return _entries_target(spec, with_keys)
    if spec.view is View.VALUE:
        return _value_target(spec, with_keys)
    read = _reader(spec, with_keys)

    def refuse(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        value = read(row, keys)
        raise ValueError(f"expected pcommon.Map but got {'nil' if value is None else kind_name(value)}")

    return refuse


def _reader(spec: PathSpec, with_keys: bool) -> KeysGet:
    if with_keys:
        return keys_getter(spec)
    read = getter(spec)
    return lambda row, _: read(row)


def _entries_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    entries = _entries(spec)
    payload = spec.view is not View.CACHE

    def open_map(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        found = entries(row)
        if with_keys:
            message = find(found, string_key(keys[0]))
            if message is not None and len(keys) > 1:
                message = descend(message, keys[1:])
            found = entries_of_value(message)
        return EntriesTarget(found, row if payload else None)

    return open_map


def _value_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    part = _part(spec, spec.field)

    def open_map(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        message = part(row)
        return EntriesTarget(entries_of_value(descend(message, keys) if with_keys else message), row)

    return open_map


def _detached_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    read = _reader(spec, with_keys)
    write_keys = keys_setter(spec) if with_keys else None
    write = setter(spec)

    def open_map(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        value = read(row, keys)
        if not isinstance(value, Map):
            raise ValueError(f"expected pcommon.Map but got {'nil' if value is None else kind_name(value)}")
        scratch = new_cache()
        replace_entries(scratch.values, value)

        def finish(changed: Map) -> None:
            if write_keys is not None:
                write_keys(row, keys, changed)
            else:
                write(row, changed)

        return DetachedTarget(scratch.values, finish)

    return open_map


class ValuesTarget:
    """The `ListTarget` of a path: a snapshot, written back as a whole.

    Args:
        values: the elements.
        write: takes the new list.
    """

    __slots__ = ("_values", "_write")

    def __init__(self, values: list[Value], write: Callable[[Value], None]) -> None:
        self._values = values
        self._write = write

    def items(self) -> list[Value]:
        """A snapshot of the elements."""
        return list(self._values)

    def replace(self, items: Iterable[Value]) -> None:
        """Gives the list new contents."""
        self._values = Slice(items)
        self._write(self._values)

    def finish(self) -> None:
        """Ends a successful edit; here all is written already."""


def list_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], ValuesTarget]:
    """Opens a list for an editor; arguments as for `map_target`."""
    read = _reader(spec, with_keys)
    write_keys = keys_setter(spec) if with_keys else None
    write = setter(spec)

    def open_list(row: Row, keys: tuple[Value, ...]) -> ValuesTarget:
        value = read(row, keys)
        if value is None:
            raise ValueError("expected pcommon.Slice but got nil")
        values = strict_slice(value)
        if write_keys is not None:
            return ValuesTarget(values, lambda changed: write_keys(row, keys, changed))
        return ValuesTarget(values, lambda changed: write(row, changed))

    return open_list

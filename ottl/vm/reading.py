"""Paths read from protobuf messages: one closure a path, see `ottl.vm.messages`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ottl.contexts.paths import PathSpec, View
from ottl.types import (
    Bytes,
    Opaque,
    Time,
    TypedList,
    Value,
    as_string,
)
from ottl.vm import metadata, profiles, tracestate
from ottl.vm.entries import descend, find, read_entries, string_key, value_from_message
from ottl.vm.fields import (
    IDS,
    UNSIGNED64,
    Get,
    KeysGet,
    Part,
    data_fields,
    field_of,
    id_kind,
    part_of,
    signed,
    where_present,
)
from ottl.vm.walk import Row, cache_entries, number_of_type


def getter(spec: PathSpec) -> Get:
    """Reads a path without keys."""
    make = _GETTERS.get(spec.view)
    return where_present(spec, part_of(spec, spec.field) if make is None else make(spec))


def _get_int(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    if field_of(spec).type not in UNSIGNED64:
        return part

    def get(row: Row) -> Value:
        value: int = part(row)
        return value if value < 1 << 63 else value - (1 << 64)

    return get


def _get_bytes(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: Bytes(part(row))


def _get_time(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: Time(signed(part(row)))


def _get_id(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    form, size, _ = IDS[id_kind(spec)]
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
    part = part_of(spec, spec.field)
    names = tuple(name.encode() for name in spec.names)

    def get(row: Row) -> Value:
        number = part(row)
        return names[number] if 0 <= number < len(names) else b""

    return get


def _get_map(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: read_entries(part(row))


def _get_cache(_: PathSpec) -> Get:
    return lambda row: read_entries(cache_entries(row))


def _get_value(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: value_from_message(part(row))


def _get_text(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: as_string(value_from_message(part(row)))


def _get_opaque(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    field = field_of(spec)
    kind, repeated = field.message or "", field.repeated
    return lambda row: Opaque(kind, repeated, part(row))


def _get_numbers(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    element = spec.element
    if element == "int64" and field_of(spec).type in UNSIGNED64:
        return lambda row: TypedList(map(signed, part(row)), element)
    return lambda row: TypedList(part(row), element)


def _get_times(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: TypedList((Time(signed(ns)) for ns in part(row)), "time")


def _get_point_value(_: PathSpec) -> Get:
    def get(row: Row) -> Value:
        point = row.datapoint
        kind = point.WhichOneof("value")
        if kind is None:
            return None
        value: Value = getattr(point, kind)
        return value

    return get


def _get_metric_type(_: PathSpec) -> Get:
    return lambda row: number_of_type(row.metric)


def _get_metric_data(spec: PathSpec) -> Get:
    fields = data_fields(spec)
    name = spec.field[0]

    def get(row: Row) -> Value:
        metric = row.metric
        kind = metric.WhichOneof("data")
        value: Value = getattr(getattr(metric, kind), name) if kind in fields else None
        return value

    return get


def _get_metric_points(spec: PathSpec) -> Get:
    kinds = {name: field.message or "" for name, field in data_fields(spec).items()}

    def get(row: Row) -> Value:
        kind = row.metric.WhichOneof("data")
        return None if kind is None else Opaque(kinds[kind], True, getattr(row.metric, kind).data_points)

    return get


def _get_dictionary_string(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
    return lambda row: profiles.string_at(row.dictionary, part(row), spec.name)


def _get_dictionary_map(spec: PathSpec) -> Get:
    part = part_of(spec, spec.field)
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
    View.POINT_VALUE: _get_point_value,
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


# Keys


def entries_of(spec: PathSpec) -> Part:
    """The live entries of a map; of a copy where no message holds the map."""
    if spec.view is View.CACHE:
        return cache_entries
    part = part_of(spec, spec.field)
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
    if spec.view in METADATA_VIEWS or spec.view is View.VALUE:
        read = keys_getter(spec)
        return lambda row: read(row, (key,))
    entries = entries_of(spec)

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
        return trace_state_by_expression(spec)
    if spec.view in METADATA_VIEWS:
        read = metadata.KEY_READERS[spec.view]
        return lambda row, keys: read(row.request, keys)
    if spec.view is View.VALUE:
        return _get_inside_value(spec)
    entries = entries_of(spec)

    def get(row: Row, keys: tuple[Value, ...]) -> Value:
        message = find(entries(row), string_key(keys[0]))
        if message is not None and len(keys) > 1:
            message = descend(message, keys[1:])
        return None if message is None else value_from_message(message)

    return get


METADATA_VIEWS: Final = frozenset({View.CLIENT_METADATA, View.CLIENT_AUTH, View.GRPC_METADATA})


def _get_inside_value(spec: PathSpec) -> KeysGet:
    part = part_of(spec, spec.field)

    def get(row: Row, keys: tuple[Value, ...]) -> Value:
        message = descend(part(row), keys)
        return None if message is None else value_from_message(message)

    return get


def _get_trace_state(spec: PathSpec, key: bytes) -> Get:
    part = part_of(spec, spec.field)

    def get(row: Row) -> Value:
        members = tracestate.parse(part(row))
        return None if members is None else tracestate.lookup(members, key)

    return get


def trace_state_by_expression(spec: PathSpec) -> KeysGet:
    """Reads a member of a trace state by a key that is no literal: an error, if the state can be parsed at all."""
    part = part_of(spec, spec.field)

    def get(row: Row, _: tuple[Value, ...]) -> Value:
        if tracestate.parse(part(row)) is None:
            return None
        raise ValueError("the key of a trace state must be a literal string")

    return get

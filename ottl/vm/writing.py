"""Paths written to protobuf messages: one closure a path, see `ottl.vm.messages`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ottl.contexts.paths import Access, PathSpec, View
from ottl.types import Bytes, Kind, Opaque, Value, kind_name
from ottl.vm import profiles, tracestate
from ottl.vm.entries import (
    descend_or_add,
    find_or_add,
    list_index,
    replace_entries,
    string_key,
    value_into_message,
)
from ottl.vm.fields import (
    KeysSet,
    Set,
    classes_with_presence,
    data_fields,
    field_of,
    part_of,
    strictly,
    to_enum_number,
    to_flags,
    to_id,
    to_int64,
    to_integer,
    to_nanoseconds,
    to_non_negative,
    to_numbers,
    to_string,
    to_times,
    truncated,
    where_possible,
    wrong_type,
)
from ottl.vm.reading import entries_of, trace_state_by_expression
from ottl.vm.walk import Row, cache_entries, new_cache


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
        holder = part_of(spec, spec.field[:-1])
        name = spec.field[-1]

        def write(row: Row, value: Any) -> None:
            setattr(holder(row), name, value)

        return where_possible(spec, convert(spec), write)

    return make


def _set_double(spec: PathSpec) -> Set:
    holder = part_of(spec, spec.field[:-1])
    name = spec.field[-1]
    present = classes_with_presence(spec)

    def write(row: Row, value: float) -> None:
        message = holder(row)
        # The reference does not encode a negative zero where zero means absent.
        setattr(message, name, value if value or type(message) in present else 0.0)

    return where_possible(spec, strictly(float, "float64"), write)


def _set_map(spec: PathSpec) -> Set:
    part = part_of(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        row.changed = True
        replace_entries(part(row), value)

    return put


def _set_cache(_: PathSpec) -> Set:
    return lambda row, value: replace_entries(cache_entries(row), value)


def _set_value(spec: PathSpec) -> Set:
    part = part_of(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        row.changed = True
        value_into_message(part(row), value)

    return put


def _set_text(spec: PathSpec) -> Set:
    part = part_of(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        text = to_string(value)
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
    part = part_of(spec, spec.field)
    field = field_of(spec)
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

    return where_possible(spec, convert, write)


def _numbers(convert: Callable[[PathSpec], Callable[[Value], Any]]) -> Callable[[PathSpec], Set]:
    def make(spec: PathSpec) -> Set:
        part = part_of(spec, spec.field)

        def write(row: Row, values: list[Any]) -> None:
            part(row)[:] = values

        return where_possible(spec, convert(spec), write)

    return make


def _set_metric_data(spec: PathSpec) -> Set:
    fields = data_fields(spec)
    name = spec.field[0]
    convert = strictly(bool, "bool") if spec.kind is Kind.BOOL else to_int64
    truncate = truncated(32, True)

    def put(row: Row, value: Value) -> None:
        converted = convert(value)
        metric = row.metric
        kind = metric.WhichOneof("data")
        if kind in fields:
            row.changed = True
            setattr(getattr(metric, kind), name, converted if spec.kind is Kind.BOOL else truncate(converted))

    return put


def _set_point_value(spec: PathSpec) -> Set:
    def convert(value: Value) -> int | float:
        if type(value) is int or type(value) is float:
            return value
        raise wrong_type("int64 or float64", value)

    def write(row: Row, value: float) -> None:
        setattr(row.datapoint, "as_int" if type(value) is int else "as_double", value)

    return where_possible(spec, convert, write)


def _set_metric_points(spec: PathSpec) -> Set:
    kinds = {name: field.message or "" for name, field in data_fields(spec).items()}

    def put(row: Row, value: Value) -> None:
        kind = row.metric.WhichOneof("data")
        if kind is not None:
            _copy_repeated(kinds[kind], getattr(row.metric, kind).data_points, value)
            row.changed = True

    return put


def _set_dictionary_string(spec: PathSpec) -> Set:
    holder = part_of(spec, spec.field[:-1])
    name = spec.field[-1]

    def put(row: Row, value: Value) -> None:
        text = to_string(value)
        message = holder(row)
        row.changed = True
        setattr(message, name, profiles.index_of(row.dictionary, text, getattr(message, name)))

    return put


def _set_dictionary_map(spec: PathSpec) -> Set:
    part = part_of(spec, spec.field)

    def put(row: Row, value: Value) -> None:
        scratch = new_cache().values
        replace_entries(scratch, value)
        row.changed = True
        profiles.replace_attributes(row.dictionary, part(row), scratch)

    return put


_SETTERS: Final[dict[View, Callable[[PathSpec], Set]]] = {
    View.STRING: _scalar(lambda _: to_string),
    View.TRACE_STATE: _scalar(lambda _: to_string),
    View.BYTES: _scalar(lambda _: strictly(Bytes, "[]uint8")),
    View.BOOL: _scalar(lambda _: strictly(bool, "bool")),
    View.DOUBLE: _set_double,
    View.INT: _scalar(to_integer),
    View.FLAGS32: _scalar(to_flags),
    View.NON_NEGATIVE: _scalar(to_non_negative),
    View.TIME: _scalar(lambda _: to_nanoseconds),
    View.ID: _scalar(to_id),
    View.ID_HEX: _scalar(to_id),
    View.ENUM_TEXT: _scalar(to_enum_number),
    View.NUMBER: _scalar(
        lambda spec: to_int64 if spec.kind is Kind.INT else strictly(float, "float64"),
    ),
    View.POINT_VALUE: _set_point_value,
    View.MAP: _set_map,
    View.CACHE: _set_cache,
    View.VALUE: _set_value,
    View.VALUE_TEXT: _set_text,
    View.OPAQUE: _set_opaque,
    View.INTS: _numbers(to_numbers),
    View.DOUBLES: _numbers(to_numbers),
    View.TIMES: _numbers(to_times),
    View.METRIC_DATA: _set_metric_data,
    View.METRIC_POINTS: _set_metric_points,
    View.DICTIONARY_STRING: _set_dictionary_string,
    View.DICTIONARY_MAP: _set_dictionary_map,
}


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
    entries = entries_of(spec)
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
    entries = entries_of(spec)
    payload = spec.view is not View.CACHE

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        first = string_key(keys[0])
        if payload:
            row.changed = True
        message = find_or_add(entries(row), first)
        value_into_message(descend_or_add(message, keys[1:]) if len(keys) > 1 else message, value)

    return put


def _set_inside_value(spec: PathSpec) -> KeysSet:
    part = part_of(spec, spec.field)

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
    part = part_of(spec, spec.field)

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        key = string_key(keys[0])
        slot = profiles.attribute_copy(row.dictionary, part(row), key)
        value_into_message(descend_or_add(slot, keys[1:]), value)
        row.changed = True
        profiles.put_attribute(row.dictionary, part(row), key, slot)

    return put


def _set_trace_state(spec: PathSpec, key: bytes) -> Set:
    part = part_of(spec, spec.field)
    holder = part_of(spec, spec.field[:-1])
    name = spec.field[-1]

    def put(row: Row, value: Value) -> None:
        text = to_string(value)
        members = tracestate.parse(part(row))
        if members is not None:
            updated = tracestate.insert(members, key, text)
            if updated is not None:
                row.changed = True
                setattr(holder(row), name, updated)

    return put


def _set_trace_state_by_expression(spec: PathSpec) -> KeysSet:
    read = trace_state_by_expression(spec)

    def put(row: Row, keys: tuple[Value, ...], value: Value) -> None:
        to_string(value)
        read(row, keys)

    return put

"""The OTLP schema as plain data, read once from the descriptors of `opentelemetry-proto`.

Everything that has to know a field's number, type, JSON name or parent asks here: the native codec gets the whole
schema from `native_messages`, the plain codec builds its message classes from `file_descriptors`, JSON and contexts
look names up. Nothing is listed by hand except the root message of each signal.

Reading the descriptors costs 3 ms on top of 23 ms for `protobuf` itself, so it happens at the first use, never at
import.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

ROOTS: Mapping[str, str] = MappingProxyType(
    {
        "traces": "opentelemetry.proto.trace.v1.TracesData",
        "metrics": "opentelemetry.proto.metrics.v1.MetricsData",
        "logs": "opentelemetry.proto.logs.v1.LogsData",
        "profiles": "opentelemetry.proto.profiles.v1development.ProfilesData",
    }
)
"""Root message by signal; a collector's export request has the same wire form."""

_FILES = (
    "opentelemetry.proto.trace.v1.trace_pb2",
    "opentelemetry.proto.metrics.v1.metrics_pb2",
    "opentelemetry.proto.logs.v1.logs_pb2",
    "opentelemetry.proto.profiles.v1development.profiles_pb2",
)

TYPE_DOUBLE = 1
TYPE_STRING = 9
TYPE_MESSAGE = 11
TYPE_BYTES = 12

NativeField = tuple[int, int, bool, int, int, str, str, list[tuple[str, int]] | None]
NativeMessage = tuple[str, list[NativeField]]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Args:
        name: protobuf name, `snake_case`.
        number: on the wire.
        type: as `google.protobuf.FieldDescriptorProto.Type` numbers it.
        repeated: a list.
        json_name: lowerCamelCase.
        message: full name of the message type, for message fields.
        enum: names and numbers, for enum fields.
        oneof: name of the oneof it belongs to; a proto3 `optional` field is alone in one.
        oneof_index: position of that oneof in the message, -1 without one.
        has_presence: absent and zero differ.
        packed: a list of scalars written as one length-delimited field.
    """

    name: str
    number: int
    type: int
    repeated: bool
    json_name: str
    message: str | None
    enum: tuple[tuple[str, int], ...] | None
    oneof: str | None
    oneof_index: int
    has_presence: bool
    packed: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One message type.

    Args:
        full_name: with its package.
        fields: by number, ascending.
    """

    full_name: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field with a protobuf name; `KeyError` when there is none."""
        return fields_by_name(self.full_name)[name]


@functools.cache
def file_descriptors() -> tuple[Any, ...]:
    """The `FileDescriptor`s of all four signals, each after those it imports."""
    ordered: dict[str, Any] = {}

    def visit(file: Any) -> None:
        for dependency in file.dependencies:
            visit(dependency)
        ordered[file.name] = file

    for module in _FILES:
        visit(importlib.import_module(module).DESCRIPTOR)
    return tuple(ordered.values())


@functools.cache
def messages() -> Mapping[str, Message]:
    """All messages reachable from the roots, by full name, parents before children."""
    descriptors = {}
    for file in file_descriptors():
        for descriptor in file.message_types_by_name.values():
            descriptors[descriptor.full_name] = descriptor
    found: dict[str, Message] = {}

    def visit(descriptor: Any) -> None:
        if descriptor.full_name in found:
            return
        fields = sorted(descriptor.fields, key=lambda f: f.number)
        found[descriptor.full_name] = Message(descriptor.full_name, tuple(map(_field, fields)))
        for field in fields:
            if field.message_type is not None:
                visit(field.message_type)

    for name in ROOTS.values():
        visit(descriptors[name])
    return MappingProxyType(found)


def _field(field: Any) -> Field:
    oneof = field.containing_oneof
    enum = field.enum_type
    return Field(
        name=field.name,
        number=field.number,
        type=field.type,
        repeated=field.is_repeated,
        json_name=field.json_name,
        message=field.message_type.full_name if field.message_type is not None else None,
        enum=tuple((value.name, value.number) for value in enum.values) if enum is not None else None,
        oneof=oneof.name if oneof is not None else None,
        oneof_index=oneof.index if oneof is not None else -1,
        has_presence=field.has_presence,
        packed=field.is_packed,
    )


def message(full_name: str) -> Message:
    """The message with a full name."""
    return messages()[full_name]


def root(signal: str) -> Message:
    """The root message of a signal."""
    return messages()[ROOTS[signal]]


@functools.cache
def fields_by_name(full_name: str) -> Mapping[str, Field]:
    """The fields of a message by protobuf name."""
    return MappingProxyType({field.name: field for field in message(full_name).fields})


@functools.cache
def fields_by_number(full_name: str) -> Mapping[int, Field]:
    """The fields of a message by number."""
    return MappingProxyType({field.number: field for field in message(full_name).fields})


@functools.cache
def fields_by_json_name(full_name: str) -> Mapping[str, Field]:
    """The fields of a message by every name that OTLP JSON accepts: lowerCamelCase and snake_case."""
    fields = message(full_name).fields
    return MappingProxyType({field.name: field for field in fields} | {field.json_name: field for field in fields})


@functools.cache
def message_index() -> Mapping[str, int]:
    """Position of each message in `native_messages`, by full name."""
    return MappingProxyType({name: index for index, name in enumerate(messages())})


@functools.cache
def native_messages() -> list[NativeMessage]:
    """The schema in the form that the native codec takes.

    Returns:
        One `(full_name, fields)` a message, in the order of `message_index`; a field is `(number, type, repeated,
        message_index or -1, oneof_index or -1, name, json_name, enum values or None)`.
    """
    index = message_index()
    return [
        (
            item.full_name,
            [
                (
                    field.number,
                    field.type,
                    field.repeated,
                    index[field.message] if field.message is not None else -1,
                    field.oneof_index,
                    field.name,
                    field.json_name,
                    list(field.enum) if field.enum is not None else None,
                )
                for field in item.fields
            ],
        )
        for item in messages().values()
    ]


@functools.cache
def enum_values(name: str) -> Mapping[str, int]:
    """Names and numbers of an enum, by its short name (`SpanKind`).

    Raises:
        KeyError: no field has an enum of that name.
    """
    for file in file_descriptors():
        enums = dict(file.enum_types_by_name)
        for descriptor in file.message_types_by_name.values():
            _nested_enums(descriptor, enums)
        if name in enums:
            return MappingProxyType({value.name: value.number for value in enums[name].values})
    raise KeyError(name)


def _nested_enums(descriptor: Any, enums: dict[str, Any]) -> None:
    enums.update(descriptor.enum_types_by_name)
    for nested in descriptor.nested_types:
        _nested_enums(nested, enums)

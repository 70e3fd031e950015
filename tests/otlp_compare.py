"""OTLP messages in one canonical form, so that equal messages are equal values.

The canonical form of a message is a dict of its fields by JSON name, read through the descriptors of
``opentelemetry-proto`` (with every ``string`` field as bytes, so that invalid UTF-8 survives):

- integers, enumerations too, are ``int``; doubles are ``float`` (not-a-number is the text ``"NaN"``);
- text is ``str`` (invalid bytes as surrogate escapes), ids are lower-case hexadecimal, other bytes base64;
- a field without presence is left out at its default, an optional or oneof field is kept when it is there, and an empty
  message of its own is the same as none;
- unless order counts, attribute lists and other lists of key and value are sorted by key.

``parse_json``, ``parse_protobuf`` and ``to_protobuf`` convert, ``equal`` and ``differences`` compare, ``digest``
hashes. This module knows nothing of ``ottl``: it is the judge.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import struct
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.profiles.v1development import profiles_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

Json = dict[str, Any]

ROOTS: Final = {
    "traces": trace_pb2.TracesData.DESCRIPTOR,
    "metrics": metrics_pb2.MetricsData.DESCRIPTOR,
    "logs": logs_pb2.LogsData.DESCRIPTOR,
    "profiles": profiles_pb2.ProfilesData.DESCRIPTOR,
}
_TEXT_FIELDS: Final[set[tuple[str, str, str]]] = set()
ID_FIELDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "profileId"})
ENTRY_MESSAGES: Final = frozenset({"opentelemetry.proto.common.v1.KeyValue"})


def _load_file(pool: descriptor_pool.DescriptorPool, source: Any, seen: set[str]) -> None:
    if source.name in seen:
        return
    seen.add(source.name)
    for dependency in source.dependencies:
        _load_file(pool, dependency, seen)
    file = descriptor_pb2.FileDescriptorProto()
    source.CopyToProto(file)
    pending = list(file.message_type)
    while pending:
        message = pending.pop()
        pending.extend(message.nested_type)
        for field in message.field:
            if field.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                _TEXT_FIELDS.add((file.package, message.name, field.name))
    pool.Add(file)


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    seen: set[str] = set()
    for root in ROOTS.values():
        _load_file(pool, root.file, seen)
    return pool


@functools.cache
def _root(signal: str) -> Descriptor:
    return _pool().FindMessageTypeByName(ROOTS[signal].full_name)


def _is_text(field: FieldDescriptor) -> bool:
    owner = field.containing_type
    assert owner is not None
    return (owner.file.package, owner.name, field.name) in _TEXT_FIELDS


@functools.cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Give the fields of a message by every name JSON may use."""
    fields = {field.name: field for field in descriptor.fields}
    fields.update({field.json_name: field for field in descriptor.fields})
    return fields


def _integer_text(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)


def load_json(payload: bytes | str) -> Json:
    """Parse JSON text, keeping the sign of a zero written ``-0``."""
    value: Json = json.loads(payload, parse_int=_integer_text)
    return value


def parse_json(payload: bytes | str, signal: str, *, ordered: bool = True) -> Json:
    """Give the canonical form of an OTLP JSON message."""
    return canonical(load_json(payload), signal, ordered=ordered)


def canonical(message_json: Json, signal: str, *, ordered: bool = True) -> Json:
    """Give the canonical form of an OTLP JSON message that ``load_json`` has parsed."""
    return _canonical_message(_root(signal), message_json, ordered=ordered)


def parse_protobuf(payload: bytes, signal: str, *, ordered: bool = True) -> Json:
    """Give the canonical form of an OTLP protobuf message."""
    message = message_factory.GetMessageClass(_root(signal))()
    message.ParseFromString(payload)
    return _canonical_message(_root(signal), _from_message(message), ordered=ordered)


def to_protobuf(message_json: Json, signal: str) -> bytes:
    """Encode an OTLP JSON message that ``load_json`` has parsed as protobuf."""
    message = message_factory.GetMessageClass(_root(signal))()
    _fill(message, canonical(message_json, signal))
    return message.SerializeToString()


def _from_message(message: Message) -> Json:
    """Give the fields that a message holds by their JSON names, scalars as protobuf gives them."""
    values: Json = {}
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            values[field.json_name] = list(value) if field.is_repeated else value
        elif field.is_repeated:
            values[field.json_name] = [_from_message(item) for item in value]
        else:
            values[field.json_name] = _from_message(value)
    return values


def _fill(message: Message, values: Json) -> None:
    fields = _fields(message.DESCRIPTOR)
    for name, value in values.items():
        if (field := fields.get(name)) is None:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if field.is_repeated:
                for item in value:
                    _fill(getattr(message, field.name).add(), item)
            else:
                child = getattr(message, field.name)
                child.SetInParent()
                _fill(child, value)
        elif field.is_repeated:
            getattr(message, field.name).extend(_to_scalar(field, item) for item in value)
        else:
            setattr(message, field.name, _to_scalar(field, value))


def _to_scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        if _is_text(field):
            return value.encode("utf-8", "surrogateescape")
        return bytes.fromhex(value) if field.json_name in ID_FIELDS else base64.b64decode(value)
    return float(value) if field.type == FieldDescriptor.TYPE_DOUBLE else value


def _canonical_message(descriptor: Descriptor, values: Json, *, ordered: bool) -> Json:
    fields = _fields(descriptor)
    result: Json = {}
    for name, value in values.items():
        if (field := fields.get(name)) is None:
            result[name] = value
            continue
        if value is None:
            continue
        if field.is_repeated:
            converted: Any = [_canonical_value(field, item, ordered=ordered) for item in value]
            if not ordered and field.message_type is not None and field.message_type.full_name in ENTRY_MESSAGES:
                converted.sort(key=lambda entry: (entry.get("key", ""), entry.get("keyStrindex", 0)))
        else:
            converted = _canonical_value(field, value, ordered=ordered)
        if _counts(field, converted):
            result[field.json_name] = converted
    return result


def _counts(field: FieldDescriptor, value: Any) -> bool:
    """Tell whether a field that holds this value differs from one that is absent."""
    if field.containing_oneof is not None:
        return True
    if isinstance(value, float):
        return value != 0 or math.copysign(1.0, value) < 0
    return bool(value)


def _canonical_value(field: FieldDescriptor, value: Any, *, ordered: bool) -> Any:
    if field.message_type is not None:
        return _canonical_message(field.message_type, value, ordered=ordered)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return bool(value)
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        number = float(value)
        return "NaN" if math.isnan(number) else number
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _canonical_bytes(field, value)
    if field.enum_type is not None and isinstance(value, str) and value in field.enum_type.values_by_name:
        return field.enum_type.values_by_name[value].number
    return int(value)


def _canonical_bytes(field: FieldDescriptor, value: str | bytes) -> str:
    if _is_text(field):
        return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    if field.json_name in ID_FIELDS:
        text = value.lower() if isinstance(value, str) else value.hex()
        # An id of nothing but zeros is the same as none.
        return text if text.strip("0") else ""
    if isinstance(value, str):
        text = value.replace("-", "+").replace("_", "/")
        value = base64.b64decode(text + "=" * (-len(text) % 4))
    return base64.b64encode(value).decode("ascii")


def equal(expected: Any, actual: Any, *, signed_zero: bool = True) -> bool:
    """Tell whether two canonical messages are the same."""
    return next(iter(_differences(expected, actual, "", signed_zero=signed_zero)), None) is None


def differences(expected: Any, actual: Any, *, signed_zero: bool = True, limit: int = 5) -> list[str]:
    """Describe the first differences of two canonical messages, each with its place."""
    return _differences(expected, actual, "", signed_zero=signed_zero)[:limit]


def _differences(expected: Any, actual: Any, place: str, *, signed_zero: bool) -> list[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            text
            for name in [*expected, *(name for name in actual if name not in expected)]
            for text in (
                _differences(expected[name], actual[name], f"{place}.{name}", signed_zero=signed_zero)
                if name in expected and name in actual
                else [f"{place}.{name}: expected {expected.get(name, 'none')!r}, got {actual.get(name, 'none')!r}"]
            )
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            text
            for index, (left, right) in enumerate(zip(expected, actual, strict=True))
            for text in _differences(left, right, f"{place}[{index}]", signed_zero=signed_zero)
        ]
    same = type(expected) is type(actual) and expected == actual
    if same and signed_zero and isinstance(expected, float):
        same = math.copysign(1.0, expected) == math.copysign(1.0, actual)
    return [] if same else [f"{place}: expected {expected!r}, got {actual!r}"]


def digest(message: Json) -> str:
    """Hash a canonical message, order of keys kept, as ``conformance/record`` does.

    The hashed text: a message is ``{`` name value ... ``}`` with the names sorted, a list ``[`` value ... ``]``, text
    its length in bytes, ``:`` and its bytes, an integer the text of its digits, a double the text of its bits in
    hexadecimal, a truth value ``T`` or ``F``.
    """
    hasher = hashlib.sha256()
    _hash(hasher, message)
    return hasher.hexdigest()


def _hash(hasher: Any, value: Any) -> None:
    if isinstance(value, dict):
        hasher.update(b"{")
        for name in sorted(value):
            _hash(hasher, name)
            _hash(hasher, value[name])
        hasher.update(b"}")
    elif isinstance(value, list):
        hasher.update(b"[")
        for item in value:
            _hash(hasher, item)
        hasher.update(b"]")
    elif isinstance(value, bool):
        hasher.update(b"T" if value else b"F")
    elif isinstance(value, float):
        _hash(hasher, struct.pack(">d", value).hex())
    else:
        text = str(value).encode("utf-8", "surrogateescape")
        hasher.update(b"%d:" % len(text))
        hasher.update(text)

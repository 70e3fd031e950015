"""OTLP bytes and JSON to protobuf messages and back: the codec of the plain stack.

The message classes come from the descriptors of `opentelemetry-proto`, in a pool of our own in which every `string`
field is declared `bytes`: invalid UTF-8 then survives, and a string reads as the `bytes` that the executors work with.
Unknown fields survive too, behind the known ones. A payload that no rule changed need not be encoded again: whoever
runs the rules keeps it and looks at `Row.changed` (see `ottl.vm.messages`).

What is refused is what upb, protobuf's own parser, refuses: it gives no offset, so a walk over the wire form in Python
looks for the fault once a payload has failed. The same walk counts messages, where a cheap bound cannot say that there
are few enough.

Memory, measured: 60 to 180 bytes a message beside its strings; lists of packed numbers and empty strings take up to 16
times their bytes.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ottl import schema
from ottl.codec import DEFAULT_LIMITS, Limits
from ottl.errors import PayloadError

PARSER_DEPTH: Final = 100
"""Messages below the root that upb follows, groups included; `Limits.max_depth` cannot raise it."""


_making = threading.Lock()


def _classes() -> Mapping[str, Any]:
    """The classes by name, of one pool however many threads ask for it first."""
    with _making:
        return _made_classes()


@functools.cache
def _made_classes() -> Mapping[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    names: list[str] = []

    def strings_as_bytes(message: Any, prefix: str) -> None:
        names.append(f"{prefix}.{message.name}")
        for field in message.field:
            if field.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        for nested in message.nested_type:
            strings_as_bytes(nested, f"{prefix}.{message.name}")

    for descriptor in schema.file_descriptors():
        file = descriptor_pb2.FileDescriptorProto()
        descriptor.CopyToProto(file)
        for message in file.message_type:
            strings_as_bytes(message, file.package)
        pool.Add(file)
    return MappingProxyType({name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names})


def message_class(full_name: str) -> Any:
    """The class of a message, its strings declared `bytes`.

    Args:
        full_name: as in `ottl.schema.messages`.
    """
    return _classes()[full_name]


def root_class(signal: str) -> Any:
    """The class of a signal's root message."""
    return _classes()[schema.ROOTS[signal]]


def decode(payload: Any, signal: str, encoding: str = "protobuf", limits: Limits = DEFAULT_LIMITS) -> Any:
    """The root message of a payload.

    Args:
        payload: any buffer of bytes.
        signal: `traces`, `metrics`, `logs` or `profiles`.
        encoding: `protobuf` or `json`.
        limits: bounds; nesting is also bounded by `PARSER_DEPTH`.

    Raises:
        PayloadError: malformed, or beyond the limits.
    """
    size = payload.nbytes if isinstance(payload, memoryview) else len(payload)
    if size > limits.max_message:
        raise PayloadError(f"message of {size} bytes is larger than {limits.max_message} (--max-message)")
    data = payload if isinstance(payload, bytes) else bytes(payload)
    if encoding == "json":
        from ottl.codec.json import json_to_message

        message = json_to_message(data, root_class(signal), limits)
    else:
        message = _decode_protobuf(data, signal, limits)
    if signal == "profiles":
        resolve_references(message)
    return message


def _decode_protobuf(payload: bytes, signal: str, limits: Limits) -> Any:
    from google.protobuf.message import DecodeError

    if limits.max_depth < PARSER_DEPTH or not _surely_few(payload, limits.max_messages):
        check(payload, signal, limits)
    try:
        return root_class(signal).FromString(payload)
    except DecodeError as error:
        check(payload, signal, limits)
        raise PayloadError("malformed protobuf") from error


def encode(message: Any, signal: str, encoding: str = "protobuf") -> bytes:
    """The bytes of a root message, which the caller gives up: profiles are changed for it (see `make_references`).

    Raises:
        PayloadError: rules nested values deeper than a parser would follow.
    """
    from google.protobuf.message import EncodeError

    if signal == "profiles":
        make_references(message)
    if encoding == "json":
        from ottl.codec.json import message_to_json

        return bytes(message_to_json(message))
    try:
        data: bytes = message.SerializeToString()
    except EncodeError as error:
        raise PayloadError(f"{signal} cannot be encoded: values are nested too deep") from error
    return data


# A field of the walk: kind and, for messages, their fields by number.
_MESSAGE, _VARINTS, _FIXED32, _FIXED64 = range(4)
_PACKED = {
    **dict.fromkeys((3, 4, 5, 8, 13, 14, 17, 18), _VARINTS),
    **dict.fromkeys((2, 7, 15), _FIXED32),
    **dict.fromkeys((1, 6, 16), _FIXED64),
}
_Fields = dict[int, tuple[int, Any]]


@functools.cache
def _wire_tables() -> dict[str, _Fields]:
    tables: dict[str, _Fields] = {name: {} for name in schema.messages()}
    for name, message in schema.messages().items():
        for field in message.fields:
            if field.message is not None:
                tables[name][field.number] = (_MESSAGE, tables[field.message])
            elif field.repeated and field.type in _PACKED:
                tables[name][field.number] = (_PACKED[field.type], None)
    return tables


@functools.cache
def _tag_bytes() -> bytes:
    """First bytes that the tag of a message field can have, in short and in padded form."""
    numbers = {number for fields in _wire_tables().values() for number, (kind, _) in fields.items() if kind == _MESSAGE}
    short = {(number << 3 | 2) & 0x7F for number in numbers}
    return bytes(sorted(short | {byte | 0x80 for byte in short}))


def _surely_few(payload: bytes, bound: int) -> bool:
    """Whether a payload cannot hold more messages than the bound: each takes two bytes, the first of a known set."""
    if len(payload) // 2 <= bound:
        return True
    return len(payload) - len(payload.translate(None, _tag_bytes())) <= bound


def check(payload: bytes, signal: str, limits: Limits = DEFAULT_LIMITS) -> int:
    """Walks over a protobuf payload as upb does, only to find fault with it.

    Returns:
        The number of messages below the root.

    Raises:
        PayloadError: malformed or beyond the limits, with the offset.
    """
    return _Walk(payload, limits).run(_wire_tables()[schema.ROOTS[signal]])


class _Walk:
    __slots__ = ("count", "depth_limit", "message_limit", "payload")

    def __init__(self, payload: bytes, limits: Limits) -> None:
        self.payload = payload
        self.count = 0
        self.message_limit = limits.max_messages
        self.depth_limit = min(limits.max_depth, PARSER_DEPTH)

    def run(self, fields: _Fields) -> int:
        self.message(0, len(self.payload), fields, 0, 0)
        return self.count

    def message(self, at: int, end: int, fields: _Fields, depth: int, group: int) -> int:
        """Walks one message, or a group up to its end tag; gives the offset behind it."""
        payload = self.payload
        while at < end:
            start = at
            tag = payload[at]
            at += 1
            if tag > 0x7F:
                tag, at = self.varint(start, end, 5)
            number, wire = tag >> 3, tag & 7
            if number == 0 or tag >> 32:
                raise PayloadError("invalid field number", start)
            if wire == 2:
                size, at = self.varint(at, end, 5)
                if size > end - at:
                    raise PayloadError(f"length {size} runs past the end of its message", start)
                known = fields.get(number)
                if known is not None:
                    self.known(known, at, at + size, depth, start)
                at += size
            elif wire == 0:
                _, at = self.varint(at, end, 10)
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
                if at > end:
                    raise PayloadError("truncated field", start)
            elif wire == 3:
                if depth >= self.depth_limit:
                    raise PayloadError(f"nested deeper than {self.depth_limit} messages", start)
                at = self.message(at, end, {}, depth + 1, number)
            elif wire == 4 and number == group:
                return at
            else:
                raise PayloadError("unmatched end of a group" if wire == 4 else f"invalid wire type {wire}", start)
        if group:
            raise PayloadError("group without an end", at)
        return at

    def known(self, field: tuple[int, Any], at: int, end: int, depth: int, start: int) -> None:
        kind, fields = field
        if kind == _MESSAGE:
            self.count += 1
            if self.count > self.message_limit:
                raise PayloadError(f"more than {self.message_limit} messages (--max-messages raises the limit)", start)
            if depth >= self.depth_limit:
                raise PayloadError(f"nested deeper than {self.depth_limit} messages", start)
            self.message(at, end, fields, depth + 1, 0)
        elif kind == _VARINTS:
            while at < end:
                _, at = self.varint(at, end, 10)
        elif (end - at) % (4 if kind == _FIXED32 else 8):
            raise PayloadError("truncated list of numbers", start)

    def varint(self, at: int, end: int, longest: int) -> tuple[int, int]:
        payload = self.payload
        value = shift = 0
        for position in range(at, min(end, at + longest)):
            byte = payload[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position + 1
            shift += 7
        raise PayloadError("truncated number" if end - at < longest else "number is too long", at)


def resolve_references(message: Any) -> None:
    """Writes out the strings that attributes of resources and scopes refer to by their index in the dictionary.

    Profiles may spell keys and values of those attributes as indices; the reference resolves them as it decodes.
    Indices out of range stay.

    Args:
        message: a `ProfilesData`, changed in place.
    """
    table = message.dictionary.string_table
    for resource in message.resource_profiles:
        _resolve_entries(table, resource.resource.attributes)
        for scope in resource.scope_profiles:
            _resolve_entries(table, scope.scope.attributes)


def _resolve_entries(table: Any, entries: Any) -> None:
    for entry in entries:
        index = entry.key_strindex
        if 0 < index < len(table) and not entry.key:
            entry.key = table[index]
            entry.key_strindex = 0
        if entry.HasField("value"):
            _resolve_value(table, entry.value)


def _resolve_value(table: Any, value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind == "string_value_strindex":
        index = value.string_value_strindex
        if 0 < index < len(table):
            value.string_value = table[index]
    elif kind == "kvlist_value":
        _resolve_entries(table, value.kvlist_value.values)
    elif kind == "array_value":
        for element in value.array_value.values:
            _resolve_value(table, element)


def make_references(message: Any) -> None:
    """The reverse of `resolve_references`, as the reference encodes: those strings go into the dictionary.

    Args:
        message: a `ProfilesData`, changed in place.
    """
    strings = _Strings(message)
    for resource in message.resource_profiles:
        strings.take_entries(resource.resource.attributes)
        for scope in resource.scope_profiles:
            strings.take_entries(scope.scope.attributes)


class _Strings:
    """The string table of a message, with an index that is made when it is first needed."""

    __slots__ = ("_indices", "_message")

    def __init__(self, message: Any) -> None:
        self._message = message
        self._indices: dict[bytes, int] | None = None

    def index(self, text: bytes) -> int:
        table = self._message.dictionary.string_table
        if self._indices is None:
            if not table:
                # Index 0 means no string, so nothing else may stand there.
                table.append(b"")
            self._indices = {string: index for index, string in enumerate(table)}
        index = self._indices.get(text)
        if index is None:
            index = self._indices[text] = len(table)
            table.append(text)
        return index

    def take_entries(self, entries: Any) -> None:
        for entry in entries:
            if entry.key:
                entry.key_strindex = self.index(entry.key)
                entry.key = b""
            if entry.HasField("value"):
                self.take_value(entry.value)

    def take_value(self, value: Any) -> None:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            if value.string_value:
                value.string_value_strindex = self.index(value.string_value)
        elif kind == "kvlist_value":
            self.take_entries(value.kvlist_value.values)
        elif kind == "array_value":
            for element in value.array_value.values:
                self.take_value(element)

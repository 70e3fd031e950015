"""Random OTLP payloads for the tests that hold the two stacks together.

Messages are filled by their descriptors, so that every field occurs; what rules look at (attributes, names, times,
ids) draws from small pools that the programs of `programs` draw from too. Some payloads are then spoilt: odd encodings
of the same message, and bytes that no encoder writes.
"""

from __future__ import annotations

import contextlib
import functools
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from ottl import schema
from ottl.codec.messages import root_class

KEYS: dict[str, tuple[str, ...]] = {
    "string": ("s", "s.url", "http.method"),
    "int": ("i", "code"),
    "double": ("d",),
    "bool": ("b",),
    "bytes": ("y",),
    "map": ("m", "m2"),
    "list": ("l", "l2"),
    "any": ("x", "", "é"),
}
"""Keys of attributes by the kind that their values mostly have."""

ALL_KEYS = tuple((kind, key) for kind, keys in KEYS.items() for key in keys)

STRINGS: tuple[bytes, ...] = (
    b"",
    b"a",
    b"GET",
    b"post",
    b"POST",
    b"/api/v1/users/42",
    b"user=alice password=secret",
    b'k1=v1 k2="v 2"',
    b"alice@example.com",
    b"1",
    b"42",
    b"-7",
    b"3.5",
    b"true",
    b"1h30m",
    b"2023-05-06T07:08:09Z",
    b"2024-02-29 12:00:00",
    b'{"a":1,"b":[true,null,"x"],"m":{"k":1.5}}',
    b"[1,2,3]",
    b'{"a":',
    b"aGVsbG8=",
    b"68656c6c6f",
    b"55.3.244.1 GET /index.html 15824",
    "héllo wörld".encode(),
    "日本語".encode(),
    b"\xff\xfe invalid",
    b"cut \xe6\x97",
    b"  spaced\t\n",
    b"a,b,c",
    b"a" * 70,
    b"\x00",
    b"0123456789abcdef0123456789abcdef",
    b"0123456789abcdef",
)
INTS = (0, 1, 2, 3, 5, 42, 100, 200, 404, -1, -7, 1 << 31, (1 << 32) + 1, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63))
DOUBLES = (0.0, -0.0, 1.0, 1.5, -2.25, 42.0, 1e-7, 1e21, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"))
TIMES = (0, 1, 1_683_356_889_000_000_000, 1_683_356_889_123_456_789, 1_709_208_000_000_000_000, 1 << 62, (1 << 64) - 1)
NAMES = (b"", b"checkout", b"GET /api", b"requests.total", b"db query", b"\xffbad", b"exception", b"cpu")
TRACE_STATES = (b"", b"a=1", b"a=1,b=2", b"vendor=x,b=2,a=1", b" a=1 , b=2", b"a", b"=", b"a=1,a=2", b"a=\xff")
SCHEMAS = (b"", b"https://opentelemetry.io/schemas/1.21.0")

_KINDS = ("string", "string", "int", "int", "double", "bool", "bytes", "map", "list", "none", "index")
_ATTRIBUTES = frozenset({"attributes", "filtered_attributes", "metadata"})


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload.

    Args:
        signal: of which it is a message.
        data: its bytes.
        sound: made by an encoder; otherwise spoilt, and perhaps malformed.
    """

    signal: str
    data: bytes
    sound: bool = True


def value_into(value: Any, draw: random.Random, kind: str, depth: int = 0) -> None:
    """Fills an AnyValue."""
    if draw.random() < 0.12 or kind == "any":
        kind = draw.choice(_KINDS)
    if depth == 0 and draw.random() < 0.0003:
        value = _nested(value, draw)
    if kind == "string":
        value.string_value = draw.choice(STRINGS)
    elif kind == "int":
        value.int_value = draw.choice(INTS)
    elif kind == "double":
        value.double_value = draw.choice(DOUBLES)
    elif kind == "bool":
        value.bool_value = draw.random() < 0.5
    elif kind == "bytes":
        value.bytes_value = draw.choice(STRINGS[:12])
    elif kind == "map":
        value.kvlist_value.SetInParent()
        if depth < 3:
            entries_into(value.kvlist_value.values, draw, draw.choice((0, 1, 2, 3)), depth + 1)
    elif kind == "list":
        value.array_value.SetInParent()
        if depth < 3:
            element = draw.choice(_KINDS)
            for _ in range(draw.choice((0, 1, 2, 3))):
                value_into(value.array_value.values.add(), draw, element, depth + 1)
    elif kind == "index":
        value.string_value_strindex = draw.choice((0, 1, 2, 99))


def _nested(value: Any, draw: random.Random) -> Any:
    """The innermost of values that nest as deep as parsers go, or almost."""
    for _ in range(draw.choice((10, 30, 40, 43, 45, 47, 60))):
        in_list = draw.random() < 0.7
        value = value.array_value.values.add() if in_list else value.kvlist_value.values.add(key=b"m").value
    return value


def entries_into(entries: Any, draw: random.Random, count: int, depth: int = 0) -> None:
    """Adds entries to a list of KeyValue. Keys repeat now and then, values may be missing."""
    chosen = draw.choices(ALL_KEYS, k=count) if draw.random() < 0.1 else draw.sample(ALL_KEYS, min(count, 12))
    for kind, key in chosen:
        entry = entries.add(key=key.encode())
        chance = draw.random()
        if chance < 0.02:
            entry.key = draw.choice(STRINGS)
        if chance < 0.97:
            value_into(entry.value, draw, kind, depth)


_UNKNOWN = (b"\xf8\x06\x05", b"\xfa\x06\x03abc", b"\xf9\x06" + bytes(8), b"\xfd\x06abcd", b"\xfb\x06\x08\x01\xfc\x06")

_ID_SIZES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8, "profile_id": 16}


def _id_of(size: int) -> Callable[[random.Random], bytes]:
    known = [bytes(range(n, n + size)) for n in (1, 1, 1, 0x40, 0xE0)]
    return lambda draw: draw.choice((*known, bytes(size), b"", b"")) if draw.random() < 0.97 else b"\x01\x02\x03"


def _texts(field: str) -> tuple[bytes, ...]:
    if field == "trace_state":
        return TRACE_STATES
    if field == "schema_url":
        return SCHEMAS
    if field in ("name", "version", "unit", "description", "severity_text", "event_name", "message"):
        return NAMES
    return STRINGS


def _scalar(field: Any) -> Callable[[random.Random], Any]:
    name = field.name
    if field.type in (field.TYPE_BYTES, field.TYPE_STRING):
        if name in _ID_SIZES:
            return _id_of(_ID_SIZES[name])
        texts = _texts(name)
        return lambda draw: draw.choice(texts)
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return lambda draw: draw.choice(DOUBLES)
    if field.type == field.TYPE_BOOL:
        return lambda draw: draw.random() < 0.5
    if field.type == field.TYPE_ENUM:
        known = [value.number for value in field.enum_type.values]
        return lambda draw: draw.choice(known) if draw.random() < 0.95 else draw.choice((99, -1, 1 << 30))
    unsigned = field.type in (field.TYPE_UINT32, field.TYPE_UINT64, field.TYPE_FIXED32, field.TYPE_FIXED64)
    narrow = field.type in (
        field.TYPE_UINT32,
        field.TYPE_FIXED32,
        field.TYPE_INT32,
        field.TYPE_SINT32,
        field.TYPE_SFIXED32,
    )
    if name.endswith("unix_nano"):
        return lambda draw: draw.choice(TIMES)
    if name.endswith(("strindex", "index", "indices")):
        return lambda draw: draw.choice((0, 1, 2, 3, 9)) if unsigned else draw.choice((0, 1, 2, 3, 9, -1))
    low = 0 if unsigned else -(1 << (31 if narrow else 63))
    high = (1 << ((32 if narrow else 64) - (not unsigned))) - 1
    numbers = [n for n in (*INTS, high) if low <= n <= high]
    return lambda draw: draw.choice(numbers)


Fill = Callable[[Any, random.Random], None]


@functools.cache
def _fills(name: str) -> tuple[Fill, ...]:
    """What fills the fields of a message, one function a field or oneof."""
    from ottl.codec.messages import message_class

    descriptor = message_class(name).DESCRIPTOR
    oneofs = [oneof for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    members = {member.name for oneof in oneofs for member in oneof.fields}
    return (
        *(_fill_one([_fill_field(field) for field in oneof.fields]) for oneof in oneofs),
        *(_fill_field(field) for field in descriptor.fields if field.name not in members),
    )


def _fill_one(choices: list[Fill]) -> Fill:
    def fill(message: Any, draw: random.Random) -> None:
        if draw.random() < 0.95:
            draw.choice(choices)(message, draw)

    return fill


def _fill_field(field: Any) -> Fill:
    name = field.name
    if field.type == field.TYPE_MESSAGE:
        kind = field.message_type.full_name
        if kind.endswith(".AnyValue"):
            return _fill_value(name, field.is_repeated)
        if kind.endswith(".KeyValue"):
            return _fill_entries(name)
        return _fill_messages(name, kind) if field.is_repeated else _fill_message(name, kind)
    make = _scalar(field)
    if field.is_repeated:
        return lambda message, draw: getattr(message, name).extend([make(draw) for _ in range(draw.choice((0, 1, 3)))])

    def fill(message: Any, draw: random.Random) -> None:
        if draw.random() < 0.8:
            setattr(message, name, make(draw))

    return fill


def _fill_value(name: str, repeated: bool) -> Fill:
    def fill(message: Any, draw: random.Random) -> None:
        if repeated:
            for _ in range(draw.choice((0, 1, 3))):
                value_into(getattr(message, name).add(), draw, "any")
        elif draw.random() < 0.9:
            value_into(getattr(message, name), draw, draw.choice(("any", "string", "map")))

    return fill


def _fill_entries(name: str) -> Fill:
    return lambda message, draw: entries_into(getattr(message, name), draw, draw.choice((0, 1, 3, 5, 8)))


def _fill_message(name: str, kind: str) -> Fill:
    def fill(message: Any, draw: random.Random) -> None:
        if draw.random() < 0.9:
            part = getattr(message, name)
            part.SetInParent()
            fill_message(part, kind, draw)

    return fill


_COUNTS = {
    "spans": (0, 1, 2, 3, 6),
    "log_records": (0, 1, 2, 4, 8),
    "metrics": (0, 1, 2, 4),
    "data_points": (0, 1, 2, 4),
    **dict.fromkeys(("resource_spans", "resource_metrics", "resource_logs"), (0, 1, 1, 1, 1, 1, 2, 2, 2, 3)),
    **dict.fromkeys(("scope_spans", "scope_metrics", "scope_logs"), (0, 1, 1, 1, 1, 2, 2)),
}


_LONG = ("spans", "log_records", "metrics")
"""Rows of which now and then there are many."""


def _fill_messages(name: str, kind: str) -> Fill:
    counts = _COUNTS.get(name, (0, 1, 1, 2))

    def fill(message: Any, draw: random.Random) -> None:
        parts = getattr(message, name)
        count = draw.choice(counts)
        many = name in _COUNTS and draw.random() < 0.03
        for _ in range(24 if many and name in _LONG else count):
            if len(parts) and draw.random() < (0.8 if many else 0.2):
                parts.add().CopyFrom(draw.choice(parts))
            else:
                fill_message(parts.add(), kind, draw)

    return fill


def fill_message(message: Any, kind: str, draw: random.Random) -> None:
    """Fills a message by its descriptor.

    Args:
        message: changed in place.
        kind: its full name.
        draw: the source of chance.
    """
    for fill in _fills(kind):
        fill(message, draw)
    if draw.random() < 0.02:
        message.MergeFromString(draw.choice(_UNKNOWN))


def random_message(signal: str, draw: random.Random) -> Any:
    """A root message, strings declared `bytes`."""
    message = root_class(signal)()
    fill_message(message, schema.ROOTS[signal], draw)
    if signal == "profiles" and len(message.dictionary.string_table):
        message.dictionary.string_table[0] = b""
    return message


_ROWS = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
}


def crowded(message: Any, signal: str, draw: random.Random) -> bytes:
    """The message with so many more rows, in one scope and then in many, that executors have to take them in parts."""
    resources, scopes, rows = _ROWS[signal]
    others = [random_message(signal, draw) for _ in range(16)]
    found = [
        row
        for other in (message, *others)
        for resource in getattr(other, resources)
        for scope in getattr(resource, scopes)
        for row in getattr(scope, rows)
    ]
    first = next((scope for resource in getattr(message, resources) for scope in getattr(resource, scopes)), None)
    if found and first is not None:
        for row in draw.choices(found, k=draw.randrange(60, 200)):
            # One that is nested too deeply to be copied is left empty.
            with contextlib.suppress(DecodeError):
                getattr(first, rows).add().CopyFrom(row)
    return b"".join(part.SerializeToString() for part in (message, *others))


def random_payload(signal: str, draw: random.Random) -> Payload:
    """A payload; one in eight is spoilt, a few are large."""
    message = random_message(signal, draw)
    chance = draw.random()
    if chance < 0.02:
        return Payload(signal, b"")
    if chance < 0.05 and signal in _ROWS:
        return Payload(signal, crowded(message, signal, draw))
    data: bytes = message.SerializeToString()
    if chance < 0.90:
        return Payload(signal, data)
    if chance < 0.96:
        return Payload(signal, rough(message, draw), False)
    return Payload(signal, mutated(data, draw), False)


# -- odd encodings --------------------------------------------------------------------------------------------------


def _varint(number: int, padded: bool = False) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    if padded and len(out) < 4:
        return bytes([*out, number | 0x80, 0])
    return bytes([*out, number])


_WIRE = {1: 1, 2: 5, 6: 1, 7: 5, 9: 2, 11: 2, 12: 2, 15: 5, 16: 1}
_FORMATS = {1: "<d", 2: "<f", 6: "<Q", 7: "<I", 15: "<i", 16: "<q"}


def _scalar_bytes(field: Any, value: Any, padded: bool) -> bytes:
    if field.type in _FORMATS:
        return struct.pack(_FORMATS[field.type], value)
    if field.type in (17, 18):
        value = value << 1 ^ (value >> 63)
    return _varint(int(value), padded)


def rough(message: Any, draw: random.Random) -> bytes:
    """The message as no encoder writes it.

    Fields in any order, padded numbers, singular fields twice, lists of numbers packed or not.
    """
    pieces: list[bytes] = []
    for field, value in message.ListFields():
        if field.is_extension:
            continue
        number = field.number
        padded = draw.random() < 0.1
        if field.type == field.TYPE_MESSAGE:
            bodies = [rough(v, draw) for v in (value if field.is_repeated else [value])]
            if not field.is_repeated and draw.random() < 0.15:
                bodies.insert(0, bodies[0] if draw.random() < 0.5 else b"")
            pieces.append(b"".join(_varint(number << 3 | 2, padded) + _varint(len(b), padded) + b for b in bodies))
        elif field.type in (field.TYPE_BYTES, field.TYPE_STRING):
            items = list(value) if field.is_repeated else [value]
            if not field.is_repeated and draw.random() < 0.1:
                items.insert(0, b"before")
            pieces.append(b"".join(_varint(number << 3 | 2, padded) + _varint(len(b)) + b for b in items))
        elif field.is_repeated and draw.random() < 0.5:
            body = b"".join(_scalar_bytes(field, v, padded) for v in value)
            pieces.append(_varint(number << 3 | 2) + _varint(len(body)) + body)
        else:
            tag = _varint(number << 3 | _WIRE.get(field.type, 0), padded)
            items = list(value) if field.is_repeated else [value]
            if not field.is_repeated and draw.random() < 0.1:
                items.insert(0, type(value)(1))
            pieces.append(b"".join(tag + _scalar_bytes(field, v, padded) for v in items))
    if draw.random() < 0.1:
        pieces.append(draw.choice(_UNKNOWN))
    if draw.random() < 0.3:
        draw.shuffle(pieces)
    return b"".join(pieces)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Bytes with a few changes of any kind: mostly malformed."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if not out:
            break
        at = draw.randrange(len(out))
        action = draw.randrange(6)
        if action == 0:
            out[at] ^= 1 << draw.randrange(8)
        elif action == 1:
            out[at] = draw.randrange(256)
        elif action == 2:
            del out[at:]
        elif action == 3:
            del out[at : at + draw.randrange(1, 9)]
        elif action == 4:
            out[at:at] = draw.randbytes(draw.randrange(1, 9))
        else:
            end = min(len(out), at + draw.randrange(1, 40))
            out[at:at] = out[at:end]
    return bytes(out)

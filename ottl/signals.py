"""Which signal a payload holds, read from its content.

OTLP JSON says so by the key at its root. Protobuf does not: the roots of traces, metrics and logs share their first two
levels, so the spans, metrics or records themselves are looked at, and an answer is given only where the bytes can be of
one signal alone. Nothing is listed here that the descriptors know.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ottl import schema
from ottl.errors import PayloadError

__all__ = ["SIGNALS", "fits_signal", "signal_of_json", "signal_of_protobuf"]

SIGNALS: Final = tuple(schema.ROOTS)

# The first field of every root. Known without the descriptors, so that JSON that is only passed on does not cost their
# import.
_ROOT_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "resourceSpans": "traces",
        "resource_spans": "traces",
        "resourceMetrics": "metrics",
        "resource_metrics": "metrics",
        "resourceLogs": "logs",
        "resource_logs": "logs",
        "resourceProfiles": "profiles",
        "resource_profiles": "profiles",
    }
)
STEM = b'"resource'
"""What all of them begin with: one search is four times as fast as one for each."""

_OTHERS = {
    signal: tuple(f'"{key}"'.encode() for key, other in _ROOT_KEYS.items() if other != signal)
    for signal in _ROOT_KEYS.values()
}
_FIRST_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"([A-Za-z_]+)"')
_EMPTY = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*")

_LEAVES = 6  # how many spans, metrics or records are looked at
_LEAF_DEPTH = 2  # root, resource entry, scope entry, then the leaves
_DEEPEST = 8  # attribute values may nest; what lies deeper is not looked at
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # in a text: rather the tags and lengths of a nested message
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ID_LENGTHS: Mapping[str, int] = MappingProxyType({"trace_id": 16, "span_id": 8, "parent_span_id": 8})


def root_keys(signal: str) -> list[bytes]:
    """The keys of a JSON root that tell a signal."""
    return [key.encode() for key, other in _ROOT_KEYS.items() if other == signal]


def holds_any(payload: bytes, names: tuple[bytes, ...]) -> bool:
    """Whether one of some names, which all begin with `STEM`, stands anywhere."""
    at = payload.find(STEM)
    while at >= 0 and not payload.startswith(names, at):
        at = payload.find(STEM, at + 1)
    return at >= 0


def signal_of_json(payload: bytes, holds: Callable[[bytes, tuple[bytes, ...]], bool] = holds_any) -> str | None:
    """The signal of an OTLP JSON message.

    Args:
        payload: one JSON document.
        holds: in place of `holds_any`, one that gives the same answers sooner.

    Returns:
        The signal; None for an empty object, which is an emptied message of any signal.

    Raises:
        PayloadError: the root is no object, has keys of several signals, or of none.
    """
    first = _FIRST_KEY.match(payload)
    found = _ROOT_KEYS.get(first[1].decode()) if first is not None else None
    if found is not None and not holds(payload, _OTHERS[found]):
        return found
    if _EMPTY.fullmatch(payload):
        return None
    return _signal_of_keys(payload)


def _signal_of_keys(payload: bytes) -> str | None:
    """The signal by all keys of the root: the slow way, for unusual messages."""
    import orjson

    try:
        root = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        try:
            payload.decode()
        except UnicodeDecodeError as invalid:
            raise PayloadError("malformed JSON: invalid UTF-8", invalid.start) from None
        offset = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
        raise PayloadError(f"malformed JSON: {error.msg}", offset) from None
    if not isinstance(root, dict):
        raise PayloadError("expected a JSON object with resourceSpans, resourceMetrics or resourceLogs at its root", 0)
    found = {_ROOT_KEYS[key] for key in root if key in _ROOT_KEYS}
    if len(found) > 1:
        raise PayloadError(f"one message holds several signals: {', '.join(sorted(found))}", 0)
    if not found and root:
        keys = ", ".join(sorted(root)[:4])
        raise PayloadError(f"expected resourceSpans, resourceMetrics or resourceLogs at the root, got {keys}", 0)
    return found.pop() if found else None


def fits_signal(payload: bytes, signal: str, unknown_allowed: bool) -> bool:
    """Whether bytes can be a message of a signal, by its descriptors.

    Args:
        payload: one message.
        signal: the signal.
        unknown_allowed: whether fields may be there that the descriptors lack.
    """
    leaves = [_LEAVES]
    fits = _fits(memoryview(payload), schema.ROOTS[signal], 0, leaves, unknown_allowed)
    return fits and leaves[0] < _LEAVES


def signal_of_protobuf(payload: bytes, fits: Callable[[bytes, str, bool], bool] = fits_signal) -> str | None:
    """The signal of an OTLP protobuf message, where its bytes can be of one signal only.

    Args:
        payload: one message.
        fits: in place of `fits_signal`, one that gives the same answers sooner.

    Returns:
        The signal, or None where the bytes fit none or several.
    """
    # Fields that this version of the schema lacks count against a signal first; a newer protocol gets a second look.
    for unknown_allowed in (False, True):
        fitting = [signal for signal in SIGNALS if fits(payload, signal, unknown_allowed)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _fits(body: memoryview, name: str, depth: int, leaves: list[int], unknown_allowed: bool) -> bool:
    """Whether bytes can be a message of a type, by field numbers, wire types, texts, id lengths and nested messages."""
    known = _wire_types(name)
    for number, wire_type, start, end in _fields(body):
        if wire_type < 0:
            return False
        field = known.get(number)
        if field is None:
            if unknown_allowed:
                continue
            return False
        expected, id_length, text, child = field
        if wire_type != expected:
            return False
        if id_length and end - start not in {0, id_length}:
            return False
        if text and _CONTROL.search(body[start:end]):
            return False
        if child is None:
            continue
        if depth == _DEEPEST or (depth <= _LEAF_DEPTH and not leaves[0]):
            continue
        if not _fits(body[start:end], child, depth + 1, leaves, unknown_allowed):
            return False
        if depth == _LEAF_DEPTH and number == 2:
            leaves[0] -= 1
    return True


@functools.cache
def _wire_types(name: str) -> Mapping[int, tuple[int, int, bool, str | None]]:
    """By field number of a message: wire type, length of an id or 0, whether it is text, the type of a message."""
    found: dict[int, tuple[int, int, bool, str | None]] = {}
    for field in schema.message(name).fields:
        text = field.type == schema.TYPE_STRING
        found[field.number] = (_wire_type(field), _ID_LENGTHS.get(field.name, 0), text, field.message)
    return MappingProxyType(found)


def _wire_type(field: schema.Field) -> int:
    if field.packed or field.type in {9, 11, 12}:
        return _BYTES
    return {1: _FIXED64, 6: _FIXED64, 16: _FIXED64, 2: _FIXED32, 7: _FIXED32, 15: _FIXED32}.get(field.type, _VARINT)


def _fields(body: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type and extent of each field; the wire type is -1 where the bytes are no message."""
    at, size = 0, len(body)
    while at < size:
        tag = body[at]
        if tag < 0x80:  # nearly all; a call costs as much as the rest of the loop
            at += 1
        else:
            tag, at = _varint(body, at)
        number, wire_type = tag >> 3, tag & 7
        start = at
        if wire_type == _VARINT:
            _, at = _varint(body, at)
        elif wire_type == _FIXED64:
            at += 8
        elif wire_type == _FIXED32:
            at += 4
        elif wire_type == _BYTES:
            if at < size and body[at] < 0x80:
                length, start = body[at], at + 1
            else:
                length, start = _varint(body, at)
            at = start + length
        else:
            at = size + 1
        if not number or at > size:
            yield 0, -1, 0, 0
            return
        yield number, wire_type, start, at


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    """A varint and the offset behind it, which lies behind the end where the bytes are cut short."""
    value = shift = 0
    for offset in range(at, min(at + 10, len(body))):
        byte = body[offset]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset + 1
        shift += 7
    return 0, len(body) + 1

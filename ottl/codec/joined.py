"""Several payloads as one, and one as several: how whole traces are seen across messages.

Protobuf messages joined are their bytes one after another. So that they can be told apart again, every element of the
root's list (`ResourceSpans`...) gets an unknown field with the number of its payload, which both executors carry along;
whatever else a root holds is kept aside for its payload. An element that a filter drops is simply no longer there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ottl.codec import Limits, messages
from ottl.errors import PayloadError

_MARK: Final = ((1 << 29) - 1) << 3
"""Tag of the unknown field: the last field number there is, a varint."""

_ELEMENTS: Final = 1 << 3 | 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and the offset behind it."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise PayloadError("malformed protobuf: a number is cut off", at)
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Tag, start, start of the contents and end of each field of a message."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        kind = tag & 7
        inside = at
        if kind == _LENGTH:
            size, inside = _varint(data, at)
            at = inside + size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise PayloadError("groups cannot be joined", start)
        if at > len(data):
            raise PayloadError("malformed protobuf: a field is cut off", start)
        yield tag, start, inside, at


def join(payloads: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """One payload of many, and what their roots hold besides their elements.

    Raises:
        PayloadError: a payload is malformed.
    """
    parts: list[bytes] = []
    aside: list[bytes] = []
    for number, payload in enumerate(payloads):
        others: list[bytes] = []
        mark = _encoded(_MARK) + _encoded(number)
        for tag, start, inside, end in _fields(payload):
            if tag == _ELEMENTS:
                parts += (b"\n", _encoded(end - inside + len(mark)), payload[inside:end], mark)
            else:
                others.append(payload[start:end])
        aside.append(b"".join(others))
    return b"".join(parts), aside


def split(joined: bytes, aside: Sequence[bytes]) -> list[bytes]:
    """The payloads that `join` made one of, as they are now."""
    found: list[list[bytes]] = [[] for _ in aside]
    for tag, _, inside, end in _fields(joined):
        if tag != _ELEMENTS:
            continue
        body = joined[inside:end]
        # The mark is the last field of its number: a payload may have one of its own.
        start, at, behind = max((s, i, e) for t, s, i, e in _fields(body) if t == _MARK)
        number, _ = _varint(body, at)
        rest = body[:start] + body[behind:]
        found[number] += (b"\n", _encoded(len(rest)), rest)
    return [b"".join([*parts, others]) for parts, others in zip(found, aside, strict=True)]


def check(payload: bytes, signal: str, limits: Limits) -> None:
    """Refuses a payload that is malformed or exceeds the limits.

    Raises:
        PayloadError: it does.
    """
    if len(payload) > limits.max_message:
        raise PayloadError(f"payload of {len(payload)} bytes exceeds the limit of {limits.max_message}")
    messages.decode(payload, signal, "protobuf", limits)

"""The JSON of the plain stack and that of the native codec are one: the same texts, decisions, places and values."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ottl import schema
from ottl.codec.json import json_to_message, message_to_json
from ottl.codec.messages import message_class
from ottl.errors import PayloadError

native = pytest.importorskip("ottl._native")

RANGES = {
    3: (-(1 << 63), (1 << 63) - 1),
    16: (-(1 << 63), (1 << 63) - 1),
    4: (0, (1 << 64) - 1),
    6: (0, (1 << 64) - 1),
    5: (-(1 << 31), (1 << 31) - 1),
    14: (-(1 << 31), (1 << 31) - 1),
    17: (-(1 << 31), (1 << 31) - 1),
    7: (0, (1 << 32) - 1),
    13: (0, (1 << 32) - 1),
}

TEXTS = st.one_of(
    st.text(max_size=12).map(str.encode),
    st.binary(max_size=6),
    st.sampled_from([b"::1", b'x":y', b"\\", b"-0,", b"\x08\x0c\n", "\u2028é".encode()]),
)


@functools.cache
def handle() -> Any:
    """The native codec's schema."""
    return native.Schema(schema.native_messages())


def scalars(field: schema.Field) -> st.SearchStrategy[Any]:
    """Values of a field that is no message."""
    if field.type == schema.TYPE_STRING:
        return TEXTS
    if field.type == schema.TYPE_BYTES:
        return st.binary(max_size=17)
    if field.type == schema.TYPE_DOUBLE:
        return st.floats() | st.integers(-(1 << 70), 1 << 70).map(float)
    return st.booleans() if field.type == 8 else st.integers(*RANGES[field.type])


@st.composite
def messages(draw: st.DrawFn, name: str, depth: int = 0) -> Any:
    """A message of that name with some of its fields set."""
    message = message_class(name)()
    fields = schema.message(name).fields
    for field in draw(st.lists(st.sampled_from(fields), max_size=4)) if fields else []:
        if field.message is not None:
            if depth < 4:
                value = draw(messages(field.message, depth + 1))
                target = getattr(message, field.name)
                target.append(value) if field.repeated else target.CopyFrom(value)
        elif field.repeated:
            getattr(message, field.name).extend(draw(st.lists(scalars(field), max_size=3)))
        else:
            setattr(message, field.name, draw(scalars(field)))
    return message


NAMES = st.sampled_from(sorted(schema.messages()))
NAMED = NAMES.flatmap(lambda name: st.tuples(st.just(name), messages(name)))

PIECES = st.sampled_from(
    [
        *(b'" \\ { } [ ] , : null true false 1e3 1.0 -0 - 0 01 1e400 9 99999999999999999999 e .'.split()),
        *(b"18446744073709551616 -9223372036854775809 \xff \x00 \\ud800 \\ud83d\\ude00 \\u0041 [[[]]]".split()),
        *(b'"x":1, "flags":1, "name":"a", "traceId":"AB", "trace_id":"00", "12" "NaN" "-Infinity" "1e5" "+5"'.split()),
        *(b'"SPAN_KIND_SERVER" {"a":{"b":[1,{}]}}, "a\\\\":1, "value":{"intValue":3}, "u":"\\":",'.split()),
        b'"name":null,',
        b" ",
        b"\n",
        b'"flags" :1,',
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, bytes]:
    """A message's JSON with a few pieces put in, left out or changed."""
    name, message = draw(NAMED)
    text = bytearray(message_to_json(message))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        if draw(st.booleans()):
            text[at:at] = draw(PIECES)
        else:
            text[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=2))
    return name, bytes(text)


@given(NAMED)
@settings(deadline=None)
def test_both_write_the_same_text(named: tuple[str, Any]) -> None:
    """Any message has one JSON, and reading it gives the message back."""
    name, message = named
    root = schema.message_index()[name]
    encoded = message.SerializeToString()
    text = message_to_json(message)
    assert native.protobuf_to_json(handle(), root, encoded) == text
    again = native.json_to_protobuf(handle(), root, text, 1 << 20, 100)
    assert native.protobuf_to_json(handle(), root, again) == text
    assert message_to_json(json_to_message(text, message_class(name))) == text


@given(texts())
@settings(deadline=None)
def test_both_read_or_refuse_the_same_texts(case: tuple[str, bytes]) -> None:
    """A text, right or wrong, is read as the same message or refused by both."""
    name, text = case
    root = schema.message_index()[name]
    message, refused = plain(name, text)
    encoded, offset = fast(root, text)
    assert (message is None) == (encoded is None)
    if message is None or encoded is None:
        # Of a wrong value and wrong syntax behind it each reports its own.
        assert refused is not None
        assert offset is not None
        assert offset <= refused
        return
    expected = message_to_json(message)
    assert message_to_json(message_class(name).FromString(encoded)) == expected
    assert native.protobuf_to_json(handle(), root, encoded) == expected


def plain(name: str, text: bytes) -> tuple[Any, int | None]:
    """The message that the plain stack reads, or None and the offset."""
    try:
        return json_to_message(text, message_class(name)), None
    except PayloadError as error:
        return None, error.offset


def fast(root: int, text: bytes) -> tuple[bytes | None, int | None]:
    """The protobuf that the native codec reads, or None and the offset."""
    try:
        return native.json_to_protobuf(handle(), root, text, 8_000_000, 100), None
    except native.ScanError as error:
        return None, error.offset

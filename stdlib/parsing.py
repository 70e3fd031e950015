"""Converters that parse texts into maps and lists: ParseJSON, ParseKeyValue."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import orjson

from ottl.codec import kernels
from ottl.codec.kernels import Bits, Bools, Lens, Tags
from ottl.functions import Columns, Const, Example, NativeCall, Register, Utf8, converter
from ottl.tables.vectors import Vector, uniform
from ottl.types import Map, Slice, Value, decode_replacing, parse_float

_MAX_JSON_DEPTH = 200
_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


@converter(
    "ParseJSON",
    Example('ParseJSON("{\\"a\\": [1, null, \\"x\\"]}")', {"a": [1.0, None, "x"]}),
    Example('ParseJSON("[\\"\\\\u00e9\\", {}]")', ["é", {}]),
    Example('ParseJSON("{\\"a\\": 1, \\"b\\": 2, \\"a\\": 3}")', {"a": 3.0, "b": 2.0}),
    Example('ParseJSON("1")', error="object"),
    Example('ParseJSON("[1,]")', error="JSON"),
)
def parse_json(target: Utf8) -> Value:
    """The map or list that a JSON text says; all numbers become floats, and the last of repeated keys counts.

    Args:
        target: a JSON object or array. As in the reference, numbers may have leading zeros or end in a dot, strings may
            have control characters, and half a surrogate pair becomes U+FFFD.

    Source: OTTL reference, converter `ParseJSON`.
    """
    found: Any = None
    # The fast parser has no negative zero among its integers.
    if b"-0" not in target:
        try:
            found = orjson.loads(target)
        except orjson.JSONDecodeError:
            found = None
    value = _Json(target).document() if found is None else _stored(found, 0)
    if type(value) is Map or type(value) is Slice:
        return value
    raise ValueError("ParseJSON: the text must be a JSON object or array")


@parse_json.vector
def _(columns: Columns, target: Vector) -> tuple[Vector, Bools | None]:
    assert target.lens is not None
    (tags, bits, lens), declined = kernels.parsed_json(columns.arena, target.bits, target.lens)
    return parsed(tags, bits, lens, declined, columns.level)


@parse_json.native
def _(target: Register) -> NativeCall:
    return NativeCall("parse_json", (target,))


def parsed(tags: Tags, bits: Bits, lens: Lens, declined: Bools | None, level: str) -> tuple[Vector, Bools | None]:
    """Results as a vector; declined rows, which mostly fail, have an empty value of the type of the others."""
    if declined is not None and not declined.all():
        tags = np.where(declined, tags[np.argmin(declined)], tags)
    return uniform(tags, bits, lens, level), declined


def _stored(value: Any, depth: int) -> Value:
    """What orjson found, as payloads hold it."""
    kind = type(value)
    if kind is str:
        text: bytes = value.encode()
        return text
    if kind is int:
        return float(value)
    if kind in (dict, list):
        if depth == _MAX_JSON_DEPTH:
            raise ValueError(f"ParseJSON: JSON is nested more than {_MAX_JSON_DEPTH} levels")
        if kind is list:
            return Slice([_stored(item, depth + 1) for item in value])
        return Map([(key.encode(), _stored(item, depth + 1)) for key, item in value.items()])
    return value  # type: ignore[no-any-return]  # None, bool or float


_BLANKS = re.compile(rb"[ \t\r\n]*")
_NUMBER = re.compile(rb"[-0-9][-+.0-9eE]*")
_STRING = re.compile(rb'"((?:[^"\\\0]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)"')
_ESCAPES = re.compile(
    rb'\\(?:u[dD][89abAB]([0-9a-fA-F]{2})\\u[dD][c-fC-F]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(["\\/bfnrt]))'
)
_SIMPLE = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_WORDS: tuple[tuple[bytes, Value], ...] = ((b"null", None), (b"true", True), (b"false", False))


class _Json:
    """A parser as lenient as the reference's, for the texts that the fast one refuses."""

    __slots__ = ("at", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def document(self) -> Value:
        value = self._value(0)
        self._blanks()
        # The reference's parser takes a NUL for the end.
        if self.at < len(self.text) and self.text[self.at]:
            raise self._error("end of text")
        return value

    def _error(self, expected: str) -> ValueError:
        return ValueError(f"ParseJSON: invalid JSON at byte {self.at}, expected {expected}")

    def _blanks(self) -> int:
        """Skips blanks; returns the byte behind them, -1 at the end."""
        match = _BLANKS.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.text[self.at] if self.at < len(self.text) else -1

    def _value(self, depth: int) -> Value:
        first = self._blanks()
        if first == 0x22:
            return self._string()
        if first in (0x5B, 0x7B):
            if depth == _MAX_JSON_DEPTH:
                raise ValueError(f"ParseJSON: JSON is nested more than {_MAX_JSON_DEPTH} levels")
            self.at += 1
            return self._list(depth + 1) if first == 0x5B else self._map(depth + 1)
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            return parse_float(number[0])
        for word, value in _WORDS:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        raise self._error("a value")

    def _list(self, depth: int) -> Slice:
        items = Slice()
        if self._blanks() == 0x5D:
            self.at += 1
            return items
        while True:
            items.append(self._value(depth))
            if self._more(0x5D):
                return items

    def _map(self, depth: int) -> Map:
        entries: dict[bytes, Value] = {}
        if self._blanks() == 0x7D:
            self.at += 1
            return Map()
        while True:
            if self._blanks() != 0x22:
                raise self._error("a key")
            key = self._string()
            if self._blanks() != 0x3A:
                raise self._error("a colon")
            self.at += 1
            entries[key] = self._value(depth)
            if self._more(0x7D):
                return Map(entries.items())

    def _more(self, closing: int) -> bool:
        """Reads a comma (false) or the closing bracket (true)."""
        found = self._blanks()
        if found not in (0x2C, closing):
            raise self._error("a comma or a closing bracket")
        self.at += 1
        return found == closing

    def _string(self) -> bytes:
        match = _STRING.match(self.text, self.at)
        if not match:
            raise self._error("a string")
        self.at = match.end()
        return _ESCAPES.sub(_unescaped, match[1])


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[4]:
        return _SIMPLE.get(match[4], match[4])
    if match[3]:
        code = int(match[3], 16)
        return ("\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)).encode()
    pair = match[0]
    high, low = int(pair[2:6], 16), int(pair[8:12], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00).encode()


@converter(
    "ParseKeyValue",
    Example('ParseKeyValue("a=1 b=\\"x y\\" c=\'é\'")', {"a": "1", "b": "x y", "c": "é"}),
    Example('ParseKeyValue("k1:v1|k2: v:2 ||", ":", "|")', {"k1": "v1", "k2": "v:2"}),
    Example('ParseKeyValue("")', error="empty"),
    Example('ParseKeyValue("a=1 b")', error="key and value"),
    Example('ParseKeyValue("a=1", "=", "=")', error="differ", load_error=True),
)
def parse_key_value(target: Utf8, delimiter: Const[str] = "=", pair_delimiter: Const[str] = " ") -> Map:
    """The map of strings that a text of pairs says.

    Quotes of both kinds, which are removed, protect delimiters of pairs; a quote behind a backslash is a plain one. The
    first delimiter divides a pair, blanks around its halves are dropped, and the last of repeated keys counts.

    Args:
        target: the text.
        delimiter: what divides a key from its value.
        pair_delimiter: what divides pairs.

    Source: OTTL reference, converter `ParseKeyValue`.
    """
    if not target:
        raise ValueError("ParseKeyValue: the target is empty")
    entries: dict[bytes, Value] = {}
    between = delimiter.encode(errors="surrogateescape")
    for pair in _pairs(target, pair_delimiter.encode(errors="surrogateescape")):
        key, found, value = pair.partition(between)
        if not found:
            raise ValueError(f"ParseKeyValue: cannot split {decode_replacing(pair)!r} into key and value")
        entries[_stripped(key)] = _stripped(value)
    return Map(entries.items())


@parse_key_value.vector
def _(columns: Columns, target: Vector, delimiter: str, pair_delimiter: str) -> tuple[Vector, Bools | None]:
    assert target.lens is not None
    between, after = delimiter.encode(errors="surrogateescape"), pair_delimiter.encode(errors="surrogateescape")
    (tags, bits, lens), declined = kernels.parsed_pairs(columns.arena, target.bits, target.lens, between, after)
    return parsed(tags, bits, lens, declined, columns.level)


@parse_key_value.native
def _(target: Register, delimiter: str, pair_delimiter: str) -> NativeCall | None:
    between, after = delimiter.encode(errors="surrogateescape"), pair_delimiter.encode(errors="surrogateescape")
    return NativeCall("parse_pairs", (target,), (between, after)) if between and after else None


@parse_key_value.checked
def _(delimiter: str = "=", pair_delimiter: str = " ") -> None:
    if not delimiter or not pair_delimiter:
        raise ValueError("the delimiters must not be empty")
    if delimiter == pair_delimiter:
        raise ValueError(f"the delimiters must differ, both are {delimiter!r}")


_SPECIAL = re.compile(rb"[\"'\\\0]")


def _pairs(text: bytes, delimiter: bytes) -> list[bytes]:
    special = _SPECIAL.search(text)
    if special is None:
        return [pair for pair in text.split(delimiter) if pair]
    if _SPECIAL.search(delimiter) is not None:
        return _pairs_by_bytes(text, delimiter)
    pairs: list[bytes] = []
    current = b""
    quote = position = 0
    escaped = False
    while special is not None:
        at = special.start()
        if at > position:
            run = text[position:at]
            if quote:
                current += run
                escaped = False
            else:
                *ended, rest = run.split(delimiter)
                for piece in ended:
                    current += piece
                    if current:
                        pairs.append(current)
                        current = b""
                current += rest
                escaped = escaped and not rest and not any(ended)
        byte = text[at]
        position = at + 1
        special = _SPECIAL.search(text, position)
        if escaped:
            escaped = False
        elif not quote and byte in b"\"'":
            quote = byte
            continue
        elif byte == quote:
            # Outside of quotes this drops a NUL, as the reference does.
            quote = 0
            continue
        else:
            escaped = byte == 0x5C
        current += text[at:position]
    if quote:
        raise ValueError("ParseKeyValue: a quoted value has no end")
    *ended, rest = text[position:].split(delimiter)
    pairs += [pair for pair in (current + ended[0], *ended[1:], rest) if pair] if ended else [current + rest]
    return [pair for pair in pairs if pair]


def _pairs_by_bytes(text: bytes, delimiter: bytes) -> list[bytes]:
    """As `_pairs`, for a delimiter that has a quote, a backslash or a NUL in it."""
    pairs: list[bytes] = []
    current = bytearray()
    quote = 0
    escaped = False
    position = 0
    while position < len(text):
        if not quote and text.startswith(delimiter, position):
            if current:
                pairs.append(bytes(current))
                current.clear()
            position += len(delimiter)
            continue
        byte = text[position]
        position += 1
        if escaped:
            escaped = False
        elif not quote and byte in b"\"'":
            quote = byte
            continue
        elif byte == quote:
            # Outside of quotes this drops a NUL, as the reference does.
            quote = 0
            continue
        else:
            escaped = byte == 0x5C
        current.append(byte)
    if quote:
        raise ValueError("ParseKeyValue: a quoted value has no end")
    if current:
        pairs.append(bytes(current))
    return pairs


def _stripped(text: bytes) -> bytes:
    if text.isascii():
        return text.strip(b"\t\n\v\f\r ")
    return text.decode(errors="surrogateescape").strip(_SPACES).encode(errors="surrogateescape")

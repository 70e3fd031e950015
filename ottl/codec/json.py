"""OTLP JSON to protobuf messages and back, for the plain stack.

Accepts, refuses and writes exactly what `ottl._native` does (its `json.rs` lists the rules); the property tests hold
the two together. orjson reads the text; what it cannot tell (a repeated key, the place of an error, an escaped lone
surrogate, `-0`) is rare and goes through `_parse`, a slow reader that knows offsets. The two differ in one thing: of
two faults in one text the native reader reports the first, this one the one that makes it no JSON.

The messages come from a pool in which every `string` field is declared `bytes`, so what a field holds is asked of
`ottl.schema`, never of its descriptor.
"""

from __future__ import annotations

import base64
import binascii
import functools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from google.protobuf.message import Message

from ottl import schema
from ottl.codec import DEFAULT_LIMITS, Limits
from ottl.errors import PayloadError

__all__ = ["json_to_message", "message_to_json"]

MAX_LEVELS = 1024
"""Brackets that may be open at once in a text; orjson has the same limit."""

_MAX_RECURSION = 250
"""Messages below the root that either direction follows, whatever the limits say."""

_LOCATED = 8 << 20
"""Bytes of the largest text in which the place of an error is looked for (up to a microsecond a byte)."""

_HEX_NAMES = frozenset({"trace_id", "span_id", "parent_span_id", "profile_id"})

M = TypeVar("M", bound=Message)


# ---- JSON to messages ----


class _MismatchError(Exception):
    """A value that does not fit the schema; `path` leads to it, innermost position first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: list[int] = []


@dataclass(slots=True)
class _Progress:
    """What is left of the limits while a message is filled (the root is one more message), and the keys met so far."""

    messages: int
    max_depth: int
    keys: int = 0


_Fill = Callable[[Message, Any, int, _Progress], None]


def json_to_message(payload: bytes, message_class: type[M], limits: Limits = DEFAULT_LIMITS) -> M:
    """The message that an OTLP JSON text spells.

    Args:
        payload: the text, UTF-8.
        message_class: of the private pool; a message of `ottl.schema`.
        limits: on messages and nesting; the size is the caller's to check.

    Raises:
        PayloadError: the text is not JSON, does not fit the schema, or exceeds a limit.
    """
    text = bytes(payload)
    value = _loads(text)
    try:
        message, keys = _filled(message_class, value, limits)
        if not _may_repeat_keys(text, keys) or _count_keys(text) == keys:
            return message
    except _MismatchError as mismatch:
        if len(text) > _LOCATED:
            raise PayloadError(str(mismatch)) from None
    value = _parse(text)
    try:
        return _filled(message_class, value, limits)[0]
    except _MismatchError as mismatch:
        raise PayloadError(str(mismatch), _offset(text, value, mismatch.path[::-1])) from None


def _filled(message_class: type[M], value: Any, limits: Limits) -> tuple[M, int]:
    """The message of a value, and the number of keys in it."""
    message = message_class()
    progress = _Progress(limits.max_messages + 1, min(limits.max_depth, _MAX_RECURSION))
    if value is not None:
        _reader(message_class.DESCRIPTOR.full_name)(message, value, 0, progress)
    return message, progress.keys


_STRING = rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"'
_ODD = re.compile(_STRING + rb"|(?<![eE])-0(?![.0-9eE])")
_ODD_HINT = re.compile(rb"-0[\s,\]}]|-0\Z")


def _prepared(text: bytes) -> bytes:
    """The text with `-0` as `-0.0`, because orjson has an integer 0 for it."""
    if _ODD_HINT.search(text) is None:
        return text
    return _ODD.sub(lambda found: b"-0.0" if found[0] == b"-0" else found[0], text)


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _repaired(text: bytes) -> bytes:
    """The text with U+FFFD for escaped lone surrogates, as the reference reads them."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def _loads(text: bytes) -> Any:
    """The value of the text."""
    prepared = _prepared(text)
    try:
        return orjson.loads(prepared)
    except orjson.JSONDecodeError as error:
        _check_utf8(text)
        if rb"\u" in text:
            try:
                return orjson.loads(_repaired(prepared))
            except orjson.JSONDecodeError:
                pass
        if len(text) <= _LOCATED:
            _parse(text)
        raise PayloadError(error.msg, len(text.decode()[: error.pos].encode())) from None


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise PayloadError("invalid UTF-8", error.start) from None


_HIDDEN_KEY = re.compile(rb'"[ \t\r\n]+:|\\\\":')


def _may_repeat_keys(text: bytes, keys: int) -> bool:
    """Whether the text might have more than `keys` keys; cheap, and never wrongly no.

    A key ends in a quote and a colon, except where a blank or a backslash hides that; a string may begin with a colon.
    """
    return text.count(b'":') - text.count(rb"\":") != keys or _HIDDEN_KEY.search(text) is not None


_STRING_OR_KEY = re.compile(_STRING + rb"[ \t\r\n]*(:?)")


def _count_keys(text: bytes) -> int:
    """Number of keys in a text that is JSON."""
    return sum(1 for found in _STRING_OR_KEY.finditer(text) if found[1])


@functools.cache
def _reader(full_name: str) -> _Fill:
    """Fills a message of that name from an object."""
    fields: dict[str, _Fill] = {}

    def fill(message: Message, value: Any, depth: int, progress: _Progress) -> None:
        if not isinstance(value, (dict, _Pairs)):
            raise _MismatchError(f"expected an object, got {_kind(value)}")
        if depth > progress.max_depth:
            raise _MismatchError("messages nested too deeply")
        if progress.messages <= 0:
            raise _MismatchError("too many messages (--max-messages raises the limit)")
        progress.messages -= 1
        progress.keys += len(value)
        for key, member in value.items():
            read = fields.get(key)
            if read is None:
                if isinstance(member, (dict, list)):
                    progress.keys += _keys_inside(member)
            elif member is not None:
                try:
                    read(message, member, depth, progress)
                except _MismatchError as mismatch:
                    found = (i for i, (k, v) in enumerate(value.items()) if v is member and k == key)
                    mismatch.path.append(next(found))
                    raise

    for field in schema.message(full_name).fields:
        fields[field.name] = fields[field.json_name] = _field_reader(field)
    return fill


def _field_reader(field: schema.Field) -> _Fill:
    name = field.name
    if field.type == schema.TYPE_MESSAGE:
        return _message_reader(name, field.message or "", field.repeated)
    read = _scalar_reader(field)
    if not field.repeated:

        def fill(message: Message, value: Any, _depth: int, _progress: _Progress) -> None:
            setattr(message, name, read(value))

        return fill
    null = b"" if field.type == schema.TYPE_STRING else None

    def fill_list(message: Message, value: Any, _depth: int, _progress: _Progress) -> None:
        into = getattr(message, name)
        for element in _elements(value):
            try:
                into.append(read(element) if element is not None or null is None else null)
            except _MismatchError as mismatch:
                mismatch.path.append(_position(value, element))
                raise

    return fill_list


def _message_reader(name: str, full_name: str, repeated: bool) -> _Fill:
    fill_child: _Fill | None = None

    def fill(message: Message, value: Any, depth: int, progress: _Progress) -> None:
        nonlocal fill_child
        fill_child = fill_child or _reader(full_name)
        child = getattr(message, name)
        child.SetInParent()
        fill_child(child, value, depth + 1, progress)

    def fill_list(message: Message, value: Any, depth: int, progress: _Progress) -> None:
        nonlocal fill_child
        fill_child = fill_child or _reader(full_name)
        add = getattr(message, name).add
        for element in _elements(value):
            try:
                fill_child(add(), {} if element is None else element, depth + 1, progress)
            except _MismatchError as mismatch:
                mismatch.path.append(_position(value, element))
                raise

    return fill_list if repeated else fill


def _elements(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _MismatchError(f"expected an array, got {_kind(value)}")
    return value


def _position(values: Iterable[Any], wanted: Any) -> int:
    """Index of the element that failed: of equal ones the first, which would have failed before."""
    return next(index for index, value in enumerate(values) if value is wanted)


def _keys_inside(value: Any) -> int:
    """Keys of all objects within an unknown value."""
    keys, pending = 0, [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            keys += len(current)
            pending.extend(v for v in current.values() if isinstance(v, (dict, list)))
        else:
            pending.extend(v for v in current if isinstance(v, (dict, list)))
    return keys


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (int, float)):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


_INTEGERS = {
    3: (-(1 << 63), (1 << 63) - 1),
    16: (-(1 << 63), (1 << 63) - 1),
    18: (-(1 << 63), (1 << 63) - 1),
    4: (0, (1 << 64) - 1),
    6: (0, (1 << 64) - 1),
    5: (-(1 << 31), (1 << 31) - 1),
    15: (-(1 << 31), (1 << 31) - 1),
    17: (-(1 << 31), (1 << 31) - 1),
    7: (0, (1 << 32) - 1),
    13: (0, (1 << 32) - 1),
}
"""Range by `FieldDescriptorProto.Type`."""

_TYPE_BOOL, _TYPE_ENUM, _TYPE_FLOAT = 8, 14, 2


def _scalar_reader(field: schema.Field) -> Callable[[Any], Any]:
    if field.type == schema.TYPE_STRING:
        return _string
    if field.type == schema.TYPE_BYTES:
        return _hex if field.name in _HEX_NAMES else _base64
    if field.type == schema.TYPE_DOUBLE:
        return _double
    if field.type == _TYPE_FLOAT:
        return _float
    if field.type == _TYPE_BOOL:
        return _bool
    if field.type == _TYPE_ENUM:
        return functools.partial(_enum, dict(field.enum or ()))
    return functools.partial(_integer, *_INTEGERS[field.type])


def _string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _MismatchError(f"expected a string, got {_kind(value)}")
    return value.encode()


_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*\Z")


def _hex(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _MismatchError(f"expected a string, got {_kind(value)}")
    if _HEX.match(value) is None:
        raise _MismatchError("not a hex string")
    return bytes.fromhex(value)


_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?\Z")
_URL_SAFE = str.maketrans({"-": "+", "_": "/", "\r": None, "\n": None})


def _base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _MismatchError(f"expected a string, got {_kind(value)}")
    digits = value.translate(_URL_SAFE)
    if _BASE64.match(digits) is None:
        raise _MismatchError("not a base64 string")
    digits = digits.rstrip("=")
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4))


_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\Z", re.ASCII)
_SPECIAL_DOUBLES = re.compile(r"nan\Z|[+-]?inf(?:inity)?\Z", re.ASCII | re.IGNORECASE)


def _double(value: Any) -> float:
    if isinstance(value, str):
        if _SPECIAL_DOUBLES.match(value) is not None:
            return math.nan if value[0] in "nN" else float(value)
        if _NUMBER.match(value) is None:
            raise _MismatchError("not a number in a string")
        number = float(value)
        if math.isinf(number):
            raise _MismatchError("number out of range")
        return number
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _MismatchError(f"expected a number, got {_kind(value)}")
    return float(value)


_MAX_FLOAT = 3.4028235677973366e38
"""The smallest double that rounds to an infinite float."""


def _float(value: Any) -> float:
    number = _double(value)
    if abs(number) >= _MAX_FLOAT and not math.isinf(number):
        raise _MismatchError("number out of range")
    return number


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _MismatchError(f"expected true or false, got {_kind(value)}")
    return value


def _enum(names: dict[str, int], value: Any) -> int:
    if isinstance(value, str):
        number = names.get(value)
        if number is None:
            raise _MismatchError("unknown name of an enum value")
        return number
    return _integer(-(1 << 31), (1 << 31) - 1, value)


_SIGNED = re.compile(r"[+-]?0*[0-9]{1,20}\Z", re.ASCII)
_UNSIGNED = re.compile(r"0*[0-9]{1,20}\Z", re.ASCII)
_DIGITS = re.compile(r"[+-]?[0-9]++\Z", re.ASCII)


def _integer(low: int, high: int, value: Any) -> int:
    if isinstance(value, str):
        if (_SIGNED if low else _UNSIGNED).match(value) is None:
            digits = _DIGITS.match(value) is not None and (low or value[0] not in "+-")
            raise _MismatchError("integer out of range" if digits else "not an integer in a string")
        number = int(value.lstrip("+-0") or "0")
        number = -number if value[0] == "-" else number
    elif isinstance(value, float):
        if not value.is_integer():
            raise _MismatchError("expected an integer, got a fraction")
        # What has no 64-bit integer comes as a float, so -2^63 may stand for a number below it.
        number = int(value) if value > -(2.0**63) else low - 1
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise _MismatchError(f"expected an integer, got {_kind(value)}")
    if not low <= number <= high:
        raise _MismatchError("integer out of range")
    return number


# ---- the slow reader ----


@dataclass(frozen=True, slots=True)
class _Pairs:
    """An object with its repeated keys and the offsets of its values."""

    pairs: list[tuple[str, Any]]
    offsets: list[int]

    def items(self) -> list[tuple[str, Any]]:
        return self.pairs

    def __len__(self) -> int:
        return len(self.pairs)


class _Array(list[Any]):
    """An array with the offsets of its elements."""

    __slots__ = ("offsets",)

    def __init__(self) -> None:
        super().__init__()
        self.offsets: list[int] = []


_BLANK = re.compile(rb"[ \t\r\n]*")
_TEXT_PART = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_NUMERAL = re.compile(rb"-?([0-9]*)(?:(\.)([0-9]*))?(?:([eE][+-]?)([0-9]*))?")
_WORDS = {b"t": (b"true", True), b"f": (b"false", False), b"n": (b"null", None)}


def _parse(text: bytes) -> Any:
    """The value of a text with `_Pairs` for objects and `_Array` for arrays, iteratively.

    Raises:
        PayloadError: not JSON, with the offset at which the native reader sees it.
    """
    open_: list[_Pairs | _Array] = []
    at = _blank(text, 0)
    while True:
        # A value begins at `at`.
        first = text[at : at + 1]
        value: Any
        if first in (b"{", b"["):
            if len(open_) >= MAX_LEVELS:
                raise PayloadError("text nested too deeply", at)
            value = _Pairs([], []) if first == b"{" else _Array()
            start, at = at, _blank(text, at + 1)
            closing = b"}" if first == b"{" else b"]"
            if text[at : at + 1] != closing:
                _attach(open_, value, start)
                open_.append(value)
                if first == b"{":
                    at = _key(text, at, value)
                continue
            at += 1
        else:
            start = at
            value, at = _scalar(text, at, first)
        _attach(open_, value, start)
        while open_:
            at = _blank(text, at)
            current = open_[-1]
            closing = b"}" if isinstance(current, _Pairs) else b"]"
            if text[at : at + 1] == b",":
                at = _blank(text, at + 1)
                if isinstance(current, _Pairs):
                    at = _key(text, at, current)
                break
            if text[at : at + 1] != closing:
                raise _unexpected(text, at, f"',' or '{closing.decode()}'")
            at += 1
            value = open_.pop()
        else:
            at = _blank(text, at)
            if at < len(text):
                raise PayloadError("text after the end of the message", at)
            return value


def _attach(open_: list[_Pairs | _Array], value: Any, start: int) -> None:
    if open_:
        parent = open_[-1]
        parent.offsets.append(start)
        if isinstance(parent, _Pairs):
            parent.pairs[-1] = (parent.pairs[-1][0], value)
        else:
            parent.append(value)


def _blank(text: bytes, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found is not None else at


def _key(text: bytes, at: int, into: _Pairs) -> int:
    """Reads a key and its colon; returns where the value begins."""
    if text[at : at + 1] != b'"':
        raise _unexpected(text, at, "a key")
    key, at = _quoted(text, at)
    into.pairs.append((key, None))
    at = _blank(text, at)
    if text[at : at + 1] != b":":
        raise _unexpected(text, at, "':'")
    return _blank(text, at + 1)


def _scalar(text: bytes, at: int, first: bytes) -> tuple[Any, int]:
    if first == b'"':
        return _quoted(text, at)
    if first in _WORDS:
        word, value = _WORDS[first]
        if text.startswith(word, at):
            return value, at + len(word)
    if first.isdigit() or first == b"-":
        return _numeral(text, at)
    raise _unexpected(text, at, "a value")


def _quoted(text: bytes, at: int) -> tuple[str, int]:
    part = _TEXT_PART.match(text, at + 1)
    end = part.end() if part is not None else at + 1
    closing = text[end : end + 1]
    if closing == b"\\":
        raise PayloadError("bad escape sequence", end)
    if closing != b'"':
        raise PayloadError("control character in a string" if closing else "string without an end", end)
    raw = text[at : end + 1]
    if b"\\" in raw:
        raw = _repaired(raw)
    return orjson.loads(raw), end + 1


def _numeral(text: bytes, at: int) -> tuple[int | float, int]:
    found = _NUMERAL.match(text, at)
    assert found is not None
    digits = found[1]
    first = found.start(1)
    if not digits:
        raise _unexpected(text, first, "a digit")
    if len(digits) > 1 and digits.startswith(b"0"):
        raise PayloadError("number with a leading zero", first)
    if found[2] and not found[3]:
        raise _unexpected(text, found.end(2), "a digit")
    if found[4] and not found[5]:
        raise _unexpected(text, found.end(4), "a digit")
    numeral = found[0]
    if numeral == b"-0":
        return -0.0, found.end()
    if not found[2] and not found[4] and len(digits) <= 20:
        whole = int(numeral)
        if -(1 << 63) <= whole < 1 << 64:
            return whole, found.end()
    value = float(numeral)
    if math.isinf(value):
        raise PayloadError("number out of range", at)
    return value, found.end()


def _unexpected(text: bytes, at: int, wanted: str) -> PayloadError:
    if at >= len(text):
        return PayloadError(f"expected {wanted}, got the end of the text", at)
    got = text[at : at + 4].decode(errors="ignore")[:1]
    return PayloadError(f"expected {wanted}, got {got!r}", at)


def _offset(text: bytes, value: Any, path: list[int]) -> int:
    """Offset of what a path of positions leads to in a value of `_parse`."""
    offset = _blank(text, 0)
    for index in path:
        offset = value.offsets[index]
        value = value.pairs[index][1] if isinstance(value, _Pairs) else value[index]
    return offset


# ---- messages to JSON ----

_Write = Callable[[list[bytes], Any], None]


def message_to_json(message: Message) -> bytes:
    """The OTLP JSON of a message of the private pool; unknown fields have no place in it.

    Raises:
        PayloadError: messages nested deeper than can be written.
    """
    out: list[bytes] = []
    _writer(message.DESCRIPTOR.full_name)(out, message)
    return b"".join(out)


@functools.cache
def _writer(full_name: str) -> _Write:
    """Appends the JSON of a message of that name."""
    fields: dict[int, tuple[bytes, _Write]] = {}

    def write(out: list[bytes], message: Message) -> None:
        comma = b"{"
        for descriptor, value in message.ListFields():
            known = fields.get(descriptor.number)
            if known is None:
                continue
            key, write_value = known
            out.append(comma + key)
            write_value(out, value)
            comma = b","
        out.append(b"}" if comma == b"," else b"{}")

    for field in schema.message(full_name).fields:
        fields[field.number] = (b'"%s":' % field.json_name.encode(), _field_writer(field))
    return write


def _field_writer(field: schema.Field) -> _Write:
    if field.type == schema.TYPE_MESSAGE:
        full_name = field.message or ""

        def write_message(out: list[bytes], value: Any) -> None:
            _writer(full_name)(out, value)

        def write_messages(out: list[bytes], values: Any) -> None:
            write, comma = _writer(full_name), b"["
            for value in values:
                out.append(comma)
                write(out, value)
                comma = b","
            out.append(b"]")

        return write_messages if field.repeated else write_message
    text = _scalar_writer(field)
    if field.repeated:
        return lambda out, values: out.append(b"[" + b",".join(map(text, values)) + b"]")
    return lambda out, value: out.append(text(value))


def _scalar_writer(field: schema.Field) -> Callable[[Any], bytes]:
    if field.type == schema.TYPE_STRING:
        return _write_string
    if field.type == schema.TYPE_BYTES:
        return _write_hex if field.name in _HEX_NAMES else _write_base64
    if field.type in (schema.TYPE_DOUBLE, _TYPE_FLOAT):
        return _write_double
    if field.type == _TYPE_BOOL:
        return lambda value: b"true" if value else b"false"
    if field.type in (3, 4, 6, 16, 18):
        return lambda value: b'"%d"' % value
    return lambda value: b"%d" % value


_NOT_PLAIN = re.compile(rb"[^\x20\x21\x23-\x5b\x5d-\x7f]")
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = str.maketrans({chr(code): f"\\u{code:04x}" for code in range(32)} | _SHORT_ESCAPES)


def _write_string(value: bytes) -> bytes:
    if _NOT_PLAIN.search(value) is None:
        return b'"' + value + b'"'
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = _replaced(value)
    return b'"' + text.translate(_ESCAPES).encode() + b'"'


def _replaced(value: bytes) -> str:
    """The text with U+FFFD for each byte that is not part of valid UTF-8."""
    return "".join(
        "\ufffd" if "\udc80" <= char <= "\udcff" else char for char in value.decode(errors="surrogateescape")
    )


def _write_hex(value: bytes) -> bytes:
    return b'"' + value.hex().encode() + b'"'


def _write_base64(value: bytes) -> bytes:
    return b'"' + base64.b64encode(value) + b'"'


def _write_double(value: float) -> bytes:
    """Go's shortest form: positional from 1e-6 up to 1e21, else with an exponent of at least two digits."""
    if not math.isfinite(value):
        return b'"NaN"' if math.isnan(value) else b'"Infinity"' if value > 0 else b'"-Infinity"'
    magnitude = abs(value)
    if magnitude < 9e15 and magnitude.is_integer():
        return b"-0" if magnitude == 0 and math.copysign(1, value) < 0 else b"%d" % int(value)
    if 1e-4 <= magnitude < 1e16:
        return repr(value).removesuffix(".0").encode()
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{magnitude!r}".partition("e")
    if not 1e-6 <= magnitude < 1e21:
        return f"{sign}{mantissa.removesuffix('.0')}e{int(exponent):+03d}".encode()
    digits = mantissa.replace(".", "")
    if magnitude < 1:
        return f"{sign}0.{'0' * (-int(exponent) - 1)}{digits}".encode()
    return f"{sign}{digits.ljust(int(exponent) + 1, '0')}".encode()

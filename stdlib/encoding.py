"""Texts of bytes and bytes of texts: hex, base64, character encodings, identifiers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from ottl.functions import BytesLike, Compiled, Example, NativeCall, Omittable, Register, Utf8, converter
from ottl.stdlib.charsets import find_charset
from ottl.tables.vectors import SPAN_ID, TRACE_ID
from ottl.types import MISSING, Bytes, Missing, SpanID, TraceID, Value, bytes_like, kind_name, shown

_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")
_STANDARD_ALPHABET = bytes.maketrans(b"-_+/", b"+/\x00\x00")
_IGNORED = b"\r\n"


@converter(
    "Hex",
    Example("Hex(255)", "00000000000000ff"),
    Example('Hex("é")', "c3a9"),
    Example("Hex(true)", "01"),
    Example('Hex(log.attributes["x"])', ""),
    Example("Hex(log.trace_id)", error="unsupported type"),
)
def to_hex(target: BytesLike | None) -> str:
    """The bytes of a value in lower-case hex, nil as none.

    Args:
        target: bytes, a text (its UTF-8), a number (eight bytes, big-endian) or a boolean (one).

    Source: OTTL reference, converter `Hex`.
    """
    return "" if target is None else target.hex()


@to_hex.native
def _(target: Register) -> NativeCall:
    return NativeCall("hex", (target,))


@converter(
    "Base64Encode",
    Example('Base64Encode("test?>")', "dGVzdD8+"),
    Example('Base64Encode("test?>1", "base64-url")', "dGVzdD8-MQ=="),
    Example('Base64Encode("test?>1", "base64-raw")', "dGVzdD8+MQ"),
    Example('Base64Encode("")', ""),
    Example('Base64Encode("a", "base32")', error="unsupported variant"),
    Example('Base64Encode(log.attributes["x"])', given={"x": b"a"}, error=r"expected string"),
)
def base64_encode(target: Utf8, variant: Omittable[Utf8] = None) -> Utf8:
    """A text in base64.

    Args:
        target: the text.
        variant: `base64` (the default), `base64-raw` (without padding), `base64-url`, `base64-raw-url`.

    Source: OTTL reference, converter `Base64Encode`.
    """
    chosen = b"base64" if variant is None else variant
    if chosen not in _BASE64:
        raise ValueError(f"base64: unsupported variant {shown(chosen)}")
    padded, url = _BASE64[chosen]
    encoded = base64.b64encode(target)
    if url:
        encoded = encoded.translate(_URL_ALPHABET)
    return encoded if padded else encoded.rstrip(b"=")


@base64_encode.native
def _(target: Register, variant: Register | None) -> NativeCall | None:
    alphabet = _BASE64.get(b"base64" if variant is None else variant.value)
    return NativeCall("to_base64", (target,), alphabet) if alphabet is not None else None


_BASE64: dict[bytes, tuple[bool, bool]] = {
    b"base64": (True, False),
    b"base64-raw": (False, False),
    b"base64-url": (True, True),
    b"base64-raw-url": (False, True),
}


@dataclass(frozen=True, slots=True)
class _Base64Decoder:
    """The bytes that a text in base64 stands for.

    Args:
        padded: the text is filled up with `=`.
        url: it has `-` and `_` for `+` and `/`.
    """

    padded: bool
    url: bool

    def __call__(self, data: bytes) -> bytes:
        digits = data.translate(None, _IGNORED)
        if self.url:
            digits = digits.translate(_STANDARD_ALPHABET)
        if not self.padded:
            if b"=" in digits:
                raise ValueError("could not decode base64: padding in an encoding without")
            digits += b"=" * (-len(digits) % 4)
        if len(digits) % 4:
            raise ValueError("could not decode base64: the length is not a multiple of four digits")
        try:
            return binascii.a2b_base64(digits, strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"could not decode base64: {str(error).lower()}") from None


def find_decoder(name: str) -> Callable[[bytes], bytes]:
    """The function from encoded bytes to the UTF-8 of their text; raises `ValueError` for an unknown encoding."""
    variant = _BASE64.get(name.encode(errors="surrogateescape"))
    return find_charset(name) if variant is None else _Base64Decoder(*variant)


@converter(
    "Decode",
    Example('Decode("aGVsbG8=", "base64")', "hello"),
    Example('Decode(log.attributes["x"], "utf-16be")', "é", given={"x": b"\x00\xe9"}),
    Example('Decode(log.attributes["x"], "utf-8")', "a�", given={"x": b"a\xff"}),
    Example('Decode("", "shift_jis")', ""),
    Example('Decode("a", "klingon")', error="unknown encoding", load_error=True),
    Example('Decode("a===", "base64")', error="could not decode"),
    Example('Decode(1, "utf-8")', error="unsupported type int64"),
)
def decode(target: Value, encoding: Annotated[str, Compiled(find_decoder)]) -> Utf8:
    """The text that bytes, or a text taken as bytes, stand for; what cannot be decoded reads U+FFFD.

    Args:
        target: string or bytes.
        encoding: `base64`, `base64-raw`, `base64-url`, `base64-raw-url`, or a character encoding by its IANA name in
            any case; `utf-16` is little-endian, `ascii` reads as UTF-8, `nop` and `utf-8-raw` change nothing.

    Source: OTTL reference, converter `Decode`.
    """
    if type(target) is not bytes and type(target) is not Bytes:
        raise ValueError(f"decode: unsupported type {kind_name(target)}, expected a string or bytes")
    found: Callable[[bytes], bytes] = encoding  # type: ignore[assignment]  # the boundary has compiled it
    return found(bytes(target))


@decode.native
def _(target: Register, encoding: Any) -> NativeCall | None:
    if not isinstance(encoding, _Base64Decoder):
        return None
    return NativeCall("from_base64", (target,), (encoding.padded, encoding.url))


def _identifier(name: str, target: bytes | None, size: int) -> bytes:
    data = target or b""
    if len(data) == size:
        return data
    if len(data) != 2 * size:
        raise ValueError(f"{name}: expected {size} or {2 * size} bytes, got {len(data)}")
    try:
        return binascii.unhexlify(data)
    except binascii.Error:
        raise ValueError(f"{name}: {shown(data)} is not hexadecimal") from None


@converter(
    "TraceID",
    Example("TraceID(0x000102030405060708090a0b0c0d0e0f)", bytes(range(16))),
    Example('TraceID("000102030405060708090A0b0c0d0e0f")', bytes(range(16))),
    Example('TraceID("sixteen-bytes-id")', b"sixteen-bytes-id"),
    Example("TraceID(0x00)", error="expected 16 or 32 bytes, got 1", load_error=True),
    Example('TraceID(log.attributes["x"])', error="got 0"),
)
def trace_id(target: BytesLike | None) -> TraceID:
    """A trace's identifier.

    Args:
        target: its 16 bytes, or 32 hexadecimal digits.

    Source: OTTL reference, converter `TraceID`.
    """
    return TraceID(_identifier("trace id", target, 16))


@trace_id.native
def _(target: Register) -> NativeCall:
    return NativeCall("identifier", (target,), (TRACE_ID, 16))


@trace_id.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        _identifier("trace id", bytes_like(target), 16)


@converter(
    "SpanID",
    Example("SpanID(0x0001020304050607)", bytes(range(8))),
    Example('SpanID("0001020304050607")', bytes(range(8))),
    Example("SpanID(1)", b"\0\0\0\0\0\0\0\1"),
    Example('SpanID("xyz")', error="expected 8 or 16 bytes, got 3", load_error=True),
    Example('SpanID(log.attributes["x"])', given={"x": "000102030405060g"}, error="is not hexadecimal"),
)
def span_id(target: BytesLike | None) -> SpanID:
    """A span's identifier.

    Args:
        target: its 8 bytes, or 16 hexadecimal digits.

    Source: OTTL reference, converter `SpanID`.
    """
    return SpanID(_identifier("span id", target, 8))


@span_id.native
def _(target: Register) -> NativeCall:
    return NativeCall("identifier", (target,), (SPAN_ID, 8))


@span_id.checked
def _(target: Value | Missing = MISSING) -> None:
    if target is not MISSING:
        _identifier("span id", bytes_like(target), 8)

"""Texts: joined, split, cut, trimmed, and in other case. Offsets and lengths are in bytes of UTF-8."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ottl import bounds
from ottl.bounds import SMALL
from ottl.codec import kernels
from ottl.functions import Columns, Const, Example, NativeCall, Register, Utf8, Utf8Like, converter
from ottl.tables.vectors import MAP, STRING, Vector
from ottl.types import TypedList, Value, decode_replacing, string_like

_MUCH = 1 << 28
"""Bytes that are not made at once."""


@converter(
    "Concat",
    Example('Concat(["a", 1, nil, true], "-")', "a-1-<nil>-true"),
    Example('Concat([], ",")', ""),
    Example('Concat(log.attributes["x"], ",")', "a,,YWI=", given={"x": ["a", None, b"ab"]}),
    Example('Concat(["a"], 1)', error="expected string", load_error=True),
    Example('Concat(log.attributes["x"], ",")', given={"x": 5}, error="expected a slice"),
)
def concat(vals: list[Utf8Like | None], delimiter: Utf8) -> Utf8:
    """The values as texts, joined; nil reads `<nil>`.

    Args:
        vals: the values.
        delimiter: what stands between them.

    Source: OTTL reference, converter `Concat`.
    """
    texts = [b"<nil>" if value is None else value for value in vals]
    size = sum(map(len, texts)) + len(delimiter) * (len(texts) - 1)
    if size > SMALL:
        bounds.current().text(size)
    return delimiter.join(texts)


@concat.vector
def _(columns: Columns, vals: list[Vector] | Vector, delimiter: Vector) -> Vector | None:
    if isinstance(vals, Vector) or not vals:
        return None
    texts = [_texts(columns, v) for v in vals]
    if not delimiter.constant or delimiter.lens is None:
        return None
    (between,) = columns.arena.take(delimiter.bits, delimiter.lens)
    if any(t is None for t in texts):
        return None
    count = columns.count if columns.level else 1
    known = [t for t in texts if t is not None]
    total = _total(known, between, count)
    most = bounds.current().max_string
    if total > _MUCH or (total > most and int(_sizes(known, between, count).max()) > most):
        return None  # row by row, so that each is counted before it is made
    bits, lens = kernels.joined(columns.arena, known, between, count)
    return Vector(STRING, bits, lens, None, columns.level)


@concat.native
def _(vals: list[Register] | Register, delimiter: Register) -> NativeCall | None:
    return NativeCall("joined", (delimiter, *vals)) if isinstance(vals, list) else None


def _total(texts: list[tuple[kernels.Bits, kernels.Lens]], between: bytes, count: int) -> int:
    """Bytes that texts have when they are joined, on all rows."""
    sizes = (int(lens.sum(dtype=np.int64)) * (1 if len(lens) == count else count) for _, lens in texts)
    return sum(sizes) + len(between) * (len(texts) - 1) * count


def _sizes(texts: list[tuple[kernels.Bits, kernels.Lens]], between: bytes, count: int) -> NDArray[np.int64]:
    """Bytes that texts have when they are joined, on each row."""
    sizes = np.full(count, len(between) * (len(texts) - 1), np.int64)
    for _, lens in texts:
        sizes += lens
    return sizes


def _texts(columns: Columns, values: Vector) -> tuple[kernels.Bits, kernels.Lens] | None:
    """Values of any type as the texts that `Concat` joins; None where one has no text."""
    if values.tag == STRING and values.lens is not None:
        return values.bits, values.lens
    if values.objects is not None:
        return None
    tags = values.tag_array(len(values))
    bits = values.raw().copy()
    lens = np.zeros(len(values), np.uint32) if values.lens is None else values.lens.copy()
    index = np.flatnonzero(tags != STRING)
    if (tags > MAP).any():
        return None
    found = kernels.objects(columns.arena, tags[index], bits[index], lens[index])
    if found is None:
        return None
    try:
        bits[index], lens[index] = columns.arena.put([_text(value) for value in found])
    except ValueError:
        return None
    return bits, lens


def _text(value: Value) -> bytes:
    text = string_like(value)
    return b"<nil>" if text is None else text


@converter(
    "Split",
    Example('Split("a|b||", "|")', ["a", "b", "", ""]),
    Example('Split("", ",")', [""]),
    Example('Split("né", "")', ["n", "é"]),
    Example('Split("", "")', []),
    Example('Split(log.attributes["x"], ",")', error="expected string but got nil"),
)
def split(target: Utf8, delimiter: Utf8) -> TypedList:
    """The parts of a text between delimiters, as a list of strings; an empty delimiter gives its characters.

    Args:
        target: the text.
        delimiter: what parts it.

    Source: OTTL reference, converter `Split`.
    """
    most = bounds.current().max_items
    if len(target) >= most and (target.count(delimiter) if delimiter else len(_characters(target)) - 1) >= most:
        raise bounds.current().too_many()
    return TypedList(target.split(delimiter) if delimiter else _characters(target), "string")


def _characters(text: bytes) -> list[bytes]:
    return [c.encode(errors="surrogateescape") for c in text.decode(errors="surrogateescape")]


@split.native
def _(target: Register, delimiter: Register) -> NativeCall:
    return NativeCall("split", (target, delimiter))


@converter(
    "Substring",
    Example('Substring("hello", 1, 3)', "ell"),
    Example('Substring("héllo", 2, 3, utf8_safe=true)', "ll"),
    Example('Substring("héllo", 0, 2, true)', "h"),
    Example('Substring("hello", -1, 3)', error="start must not be negative"),
    Example('Substring("hello", 0, 0)', error="length must be positive"),
    Example('Substring("hello", 3, 3)', error="beyond the text"),
)
def substring(target: Utf8, start: int, length: int, utf8_safe: Const[bool] = False) -> Utf8:
    """A part of a text.

    Args:
        target: the text.
        start: its first byte, from 0.
        length: its bytes.
        utf8_safe: characters that the bounds would cut are left out.

    Source: OTTL reference, converter `Substring`.
    """
    if start < 0:
        raise ValueError(f"substring: start must not be negative, got {start}")
    if length <= 0:
        raise ValueError(f"substring: length must be positive, got {length}")
    end = start + length
    if end > len(target):
        raise ValueError(f"substring: start {start} and length {length} reach beyond the text of {len(target)} bytes")
    if utf8_safe:
        while start < len(target) and target[start] & 0xC0 == 0x80:
            start += 1
        while start < end < len(target) and target[end] & 0xC0 == 0x80:
            end -= 1
    return target[start:end]


@substring.native
def _(target: Register, start: Register, length: Register, utf8_safe: bool) -> NativeCall:
    return NativeCall("substring", (target, start, length), (utf8_safe,))


class _SimpleCase(dict[int, str]):
    """A table for `str.translate` that maps each character to one, as the reference does: `ß` has no capital.

    Invalid bytes, which come as surrogates, become U+FFFD.
    """

    def __init__(self, upper: bool) -> None:
        super().__init__()
        self.upper = upper

    def __missing__(self, code: int) -> str:
        character = chr(code)
        mapped = character.upper() if self.upper else character.lower()
        if len(mapped) > 1:
            mapped = character.title() if self.upper else mapped[0]
            mapped = mapped if len(mapped) == 1 else character
        self[code] = mapped
        return mapped


_LOWER = _SimpleCase(upper=False)
_UPPER = _SimpleCase(upper=True)


@converter(
    "ToLowerCase",
    Example('ToLowerCase("HÉLLO")', "héllo"),
    Example('ToLowerCase("ΟΔΟΣ")', "οδοσ"),
    Example('ToLowerCase("")', ""),
    Example('ToLowerCase(log.attributes["x"])', given={"x": 1}, error="expected string but got int64"),
)
def to_lower_case(target: Utf8) -> Utf8:
    """A text in lower case, character by character.

    Args:
        target: the text.

    Source: OTTL reference, converter `ToLowerCase`.
    """
    if target.isascii():
        return target.lower()
    return decode_replacing(target).translate(_LOWER).encode()


@to_lower_case.native
def _(target: Register) -> NativeCall:
    return NativeCall("lower", (target,))


@converter(
    "ToUpperCase",
    Example('ToUpperCase("héllo")', "HÉLLO"),
    Example('ToUpperCase("straße")', "STRAßE"),
    Example('ToUpperCase("")', ""),
    Example('ToUpperCase(log.attributes["x"])', error="expected string but got nil"),
)
def to_upper_case(target: Utf8) -> Utf8:
    """A text in upper case, character by character.

    Args:
        target: the text.

    Source: OTTL reference, converter `ToUpperCase`.
    """
    if target.isascii():
        return target.upper()
    return decode_replacing(target).translate(_UPPER).encode()


@to_upper_case.native
def _(target: Register) -> NativeCall:
    return NativeCall("upper", (target,))


@functools.lru_cache(maxsize=256)
def _trimmed_characters(characters: str) -> str:
    """The characters to strip; U+FFFD stands for every invalid byte too."""
    text = characters.encode(errors="surrogateescape").decode(errors="surrogateescape")
    invalid = "".join(map(chr, range(0xDC80, 0xDD00)))
    wild = any(c == "\ufffd" or "\udc80" <= c <= "\udcff" for c in text)
    return text + "\ufffd" + invalid if wild else text


@converter(
    "Trim",
    Example('Trim("  a b ")', "a b"),
    Example('Trim("\\ta ")', "\ta"),
    Example('Trim("éaé", "éx")', "a"),
    Example('Trim("a", "")', "a"),
    Example('Trim(log.attributes["x"])', error="expected string but got nil"),
)
def trim(target: Utf8, replacement: Const[str] = " ") -> Utf8:
    """A text without any of some characters at its ends.

    Args:
        target: the text.
        replacement: the characters to remove, spaces alone by default.

    Source: OTTL reference, converter `Trim`.
    """
    if replacement.isascii():
        return target.strip(replacement.encode()) if replacement else target
    text = target.decode(errors="surrogateescape").strip(_trimmed_characters(replacement))
    return text.encode(errors="surrogateescape")


@trim.native
def _(target: Register, replacement: str) -> NativeCall | None:
    return NativeCall("trimmed", (target,), (replacement.encode(),)) if replacement.isascii() else None


@converter(
    "TrimPrefix",
    Example('TrimPrefix("aab", "a")', "ab"),
    Example('TrimPrefix("é", "e")', "é"),
    Example('TrimPrefix(log.attributes["x"], "a")', error="expected string but got nil"),
)
def trim_prefix(target: Utf8, prefix: Utf8) -> Utf8:
    """A text without a prefix, removed once.

    Args:
        target: the text.
        prefix: what to remove.

    Source: OTTL reference, converter `TrimPrefix`.
    """
    return target.removeprefix(prefix)


@trim_prefix.native
def _(target: Register, prefix: Register) -> NativeCall:
    return NativeCall("without_prefix", (target, prefix))


@converter(
    "TrimSuffix",
    Example('TrimSuffix("abb", "b")', "ab"),
    Example('TrimSuffix("b", "")', "b"),
    Example('TrimSuffix("a", log.attributes["x"])', error="expected string but got nil"),
)
def trim_suffix(target: Utf8, suffix: Utf8) -> Utf8:
    """A text without a suffix, removed once.

    Args:
        target: the text.
        suffix: what to remove.

    Source: OTTL reference, converter `TrimSuffix`.
    """
    return target.removesuffix(suffix)


@trim_suffix.native
def _(target: Register, suffix: Register) -> NativeCall:
    return NativeCall("without_suffix", (target, suffix))


@converter(
    "HasPrefix",
    Example('HasPrefix("héllo", "hé")', True),
    Example('HasPrefix("a", "")', True),
    Example('HasPrefix(log.attributes["x"], "a")', error="expected string but got nil"),
)
def has_prefix(target: Utf8, prefix: Utf8) -> bool:
    """Whether a text begins with another.

    Args:
        target: the text.
        prefix: its beginning.

    Source: OTTL reference, converter `HasPrefix`.
    """
    return target.startswith(prefix)


@has_prefix.native
def _(target: Register, prefix: Register) -> NativeCall:
    return NativeCall("starts_with", (target, prefix))


@converter(
    "HasSuffix",
    Example('HasSuffix("hello", "lo")', True),
    Example('HasSuffix("", "a")', False),
    Example('HasSuffix(log.attributes["x"], "a")', given={"x": 1}, error="expected string but got int64"),
)
def has_suffix(target: Utf8, suffix: Utf8) -> bool:
    """Whether a text ends with another.

    Args:
        target: the text.
        suffix: its end.

    Source: OTTL reference, converter `HasSuffix`.
    """
    return target.endswith(suffix)


@has_suffix.native
def _(target: Register, suffix: Register) -> NativeCall:
    return NativeCall("ends_with", (target, suffix))

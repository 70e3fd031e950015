"""Texts of JSON and of pairs, as leniently as the reference reads them."""

from __future__ import annotations

import pytest

from ottl.stdlib import parsing
from ottl.types import Map, Slice


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[01, 1., -0, 1E+2]", [1.0, 1.0, -0.0, 100.0]),
        (b'["a\nb", "\\ud83d\\ude00", "\\ud83d", "\\/\\b"]', [b"a\nb", "😀".encode(), "\ufffd".encode(), b"/\b"]),
        (b'["\\ud83d\\ud83d\\ude00"]', ["\ufffd😀".encode()]),
        (b'["\xff", null, true]', [b"\xff", None, True]),
        (b"[12345678901234567890123]", [1.2345678901234568e22]),
        (b"[1]\0 anything", [1.0]),
        (b" [] ", []),
    ],
)
def test_json_that_only_the_reference_takes(text: bytes, expected: list[object]) -> None:
    """Its parser is lenient with numbers, control characters, surrogates and a NUL."""
    found = parsing.parse_json(text)
    assert type(found) is Slice
    assert repr(list(found)) == repr(expected)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1",
        b'"x"',
        b"null",
        b"[1,]",
        b"{,}",
        b'{"a" 1}',
        b"{1:1}",
        b"[1 2]",
        b"[nul]",
        b"[1e400]",
        b"[--1]",
        b"[.5]",
        b'["\\x"]',
        b'["\\u12"]',
        b'["a',
        b"[1]]",
        b"[1]x",
        b"['a']",
        b'["a\x00"]',
        b"\xef\xbb\xbf[]",
        b"[NaN]",
        b"[+1]",
    ],
)
def test_what_is_no_json(text: bytes) -> None:
    """And scalars, which are JSON but neither object nor array."""
    with pytest.raises(ValueError, match=r"JSON|float"):
        parsing.parse_json(text)


@pytest.mark.parametrize("bad", [b"", b"\xff"])
def test_json_nested_too_deep(bad: bytes) -> None:
    """Both parsers have the limit."""
    deep = b"[" * 201 + b'"' + bad + b'"' + b"]" * 201
    with pytest.raises(ValueError, match="nested"):
        parsing.parse_json(deep)


@pytest.mark.parametrize("spoiler", [b'"\\u0061"', b'"a"'])
def test_the_last_of_repeated_keys_counts(spoiler: bytes) -> None:
    """In the place of the first, with both parsers."""
    for value in (b"3", b"-0"):
        found = parsing.parse_json(b'{"a": 1, "b": 2, ' + spoiler + b": " + value + b"}")
        assert isinstance(found, Map)
        assert found.entries == [(b"a", float(value)), (b"b", 2.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"  a=1   b=2 ", {b"a": b"1", b"b": b"2"}),
        (b'a=\'x "y\' b=""', {b"a": b'x "y', b"b": b""}),
        (b'a=\\"x b=c=d', {b"a": b'\\"x', b"b": b"c=d"}),
        (b"a=1 a=2", {b"a": b"2"}),
        ("\u3000a\u3000=\u00a0b".encode(), {b"a": b"b"}),
        (b"a=1\0 'b c'=2", {b"a": b"1", b"b c": b"2"}),
        (b"   ", {}),
        (b"\xff=\xfe", {b"\xff": b"\xfe"}),
    ],
)
def test_pairs(text: bytes, expected: dict[bytes, bytes]) -> None:
    """Quotes protect and vanish, backslashes protect quotes and stay."""
    assert dict(parsing.parse_key_value(text).entries) == expected


@pytest.mark.parametrize("text", [b"", b"a", b"a=1 b", b"a='1", b'a="b\\"'])
def test_pairs_that_are_none(text: bytes) -> None:
    """Each pair has a delimiter, each quote an end."""
    with pytest.raises(ValueError, match="ParseKeyValue"):
        parsing.parse_key_value(text)


def test_a_backslash_protects_beyond_a_delimiter() -> None:
    """What it protects is the next byte that stays, as in the reference."""
    assert parsing.parse_key_value(b"a=1\\ 'b=2 c=3").entries == [(b"a", b"1\\"), (b"'b", b"2"), (b"c", b"3")]


def test_quotes_may_be_in_delimiters() -> None:
    """A delimiter is one before it is a quote."""
    assert parsing.parse_key_value(b"a:x'b:\"d'e\"", ":", "'").entries == [(b"a", b"x"), (b"b", b"d'e")]


def test_long_delimiters() -> None:
    """Delimiters are texts, not characters."""
    assert parsing.parse_key_value(b"a->1||b->'||'", "->", "||").entries == [(b"a", b"1"), (b"b", b"||")]

"""Texts with bytes that are no UTF-8, limits, and simple case mappings."""

from __future__ import annotations

import pytest

from ottl.bounds import DEFAULT_LIMITS
from ottl.functions import Function
from ottl.stdlib import strings


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        (strings.to_lower_case, "İΣß".encode(), "iσß".encode()),
        (strings.to_upper_case, "ŉᾳﬀıǆ".encode(), "ŉᾼﬀIǄ".encode()),
        (strings.to_upper_case, b"\xc3\xa9\xff\xe2\x82", "É���".encode()),
        (strings.to_lower_case, b"A\x00", b"a\x00"),
    ],
)
def test_case_maps_character_by_character(function: Function, text: bytes, expected: bytes) -> None:
    """No character becomes two, invalid bytes become U+FFFD each."""
    assert function(text) == expected


@pytest.mark.parametrize(
    ("text", "characters", "expected"),
    [
        (b"\xffa\xff", "\ufffd", b"a"),
        ("�a�".encode(), "\ufffd", b"a"),
        (b"\xc3\xa9a\xc3", "é", b"a\xc3"),
        (b"", "é", b""),
    ],
)
def test_trim_takes_characters_not_bytes(text: bytes, characters: str, expected: bytes) -> None:
    """U+FFFD stands for invalid bytes, half of a character stays."""
    assert strings.trim(text, characters) == expected


def test_split_into_characters_keeps_invalid_bytes() -> None:
    """Each invalid byte is a character of its own."""
    assert strings.split(b"\xc3\xa9\xe2\x82x", b"") == [b"\xc3\xa9", b"\xe2", b"\x82", b"x"]


def test_split_gives_strings_of_one_type() -> None:
    """The list is typed, so that it equals no list literal."""
    assert strings.split(b"a", b",").element == "string"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(1, 1, b""), (0, 2, b"h"), (2, 1, b""), (3, 1, b"l"), (1, 2, "é".encode()), (0, 6, "héllo".encode())],
)
def test_substring_leaves_out_cut_characters(start: int, length: int, expected: bytes) -> None:
    """The start moves forward, the end backward."""
    assert strings.substring("héllo".encode(), start, length, True) == expected


def test_substring_survives_the_largest_integers() -> None:
    """Start and length may not overflow together."""
    with pytest.raises(ValueError, match="beyond the text"):
        strings.substring(b"abc", 2**63 - 1, 2**63 - 1)


def test_results_are_limited() -> None:
    """A result beyond the limit is an error of the row."""
    half = bytes(DEFAULT_LIMITS.max_string // 2 + 1)
    with pytest.raises(ValueError, match="the result is longer than"):
        strings.concat([half, half], b"")
    with pytest.raises(ValueError, match="the result has more than"):
        strings.split(bytes(DEFAULT_LIMITS.max_items), b"\x00")

"""Editors that replace text: functions, formats, failures inside them, renamed keys."""

from __future__ import annotations

import pytest

from ottl.patterns import compile_glob, compile_regex
from ottl.stdlib import replacing
from ottl.types import Bytes
from tests.unit.stdlib.targets import PlainMap, PlainValue


def _fail(text: bytes) -> bytes:
    raise ValueError(f"no {text!r}")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (b"%s", b"B"),
        (b"<%s>", b"<B>"),
        (b"%s%s", b"B%!s(MISSING)"),
        (b"a%sb%", b"aBb%!(NOVERB)"),
    ],
)
def test_formats_as_the_reference_prints_them(form: bytes, expected: bytes) -> None:
    """What slips through its check gets its formatter's marks."""
    target = PlainValue(b"abc")
    replacing.replace_pattern(target, compile_regex("b"), b"$0", bytes.upper, form)
    assert target.value == b"a" + expected + b"c"


@pytest.mark.parametrize("form", [b"", b"x", b"%d", b"%s %d", b"%%s", b"a\n%s"])
def test_bad_formats_are_refused(form: bytes) -> None:
    """One `%s` and no other verb, in one line."""
    target = PlainValue(b"b")
    with pytest.raises(ValueError, match="replacement_format"):
        replacing.replace_pattern(target, compile_regex("b"), b"x", bytes.upper, form)
    assert target.value == b"b"


def test_format_without_function_is_ignored() -> None:
    """It is not even checked."""
    target = PlainValue(b"b")
    replacing.replace_pattern(target, compile_regex("b"), b"x", None, b"no verb")
    assert target.value == b"x"


def test_replace_pattern_looks_at_the_replacement_only_for_a_value() -> None:
    """A missing target is left alone, whatever the replacement; another is not."""
    replacing.replace_pattern(PlainValue(None), compile_regex("b"), None)
    with pytest.raises(ValueError, match="expected string"):
        replacing.replace_pattern(PlainValue(1), compile_regex("b"), None)


def test_replace_match_calls_the_function_even_without_a_match() -> None:
    """So its failure shows."""
    with pytest.raises(ValueError, match="no b'x'"):
        replacing.replace_match(PlainValue(b"a"), compile_glob("b"), b"x", _fail)


def test_replace_all_patterns_goes_on_after_a_failure() -> None:
    """A value stays, a key is dropped."""
    target = PlainMap((b"a", b"a"), (b"b", b"b"))
    replacing.replace_all_patterns(target, "value", compile_regex("a"), b"$0", _fail)
    assert target.entries == [(b"a", b"a"), (b"b", b"b")]
    replacing.replace_all_patterns(target, "key", compile_regex("a"), b"$0", _fail)
    assert target.entries == [(b"b", b"b")]


def test_replace_all_patterns_stops_at_a_result_too_long() -> None:
    """The limit on growth is no failure of the function."""
    target = PlainMap((b"a", b"x" * 5000))
    with pytest.raises(ValueError, match="longer than"):
        replacing.replace_all_patterns(target, "value", compile_regex("x"), b"y" * 5000)


def test_renamed_keys_that_meet() -> None:
    """The later value takes the place of the first, repeated keys too."""
    target = PlainMap((b"a1", 1), (b"b", 2), (b"a2", 3), (b"b", 4))
    replacing.replace_all_patterns(target, "key", compile_regex("[0-9]"), b"")
    assert target.entries == [(b"a", 3), (b"b", 4)]


def test_only_strings_are_replaced() -> None:
    """Bytes and numbers that would match stay."""
    target = PlainMap((b"s", b"1"), (b"b", Bytes(b"1")), (b"i", 1))
    replacing.replace_all_matches(target, compile_glob("1"), b"$1")
    assert target.entries == [(b"s", b"$1"), (b"b", Bytes(b"1")), (b"i", 1)]

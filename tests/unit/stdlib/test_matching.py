"""Patterns in converters: captures, grok definitions and types."""

from __future__ import annotations

import pytest

from ottl.patterns import compile_regex
from ottl.stdlib import matching
from ottl.stdlib.grok_patterns import PATTERNS
from ottl.types import Value


def test_extract_patterns_with_a_name_twice() -> None:
    """The later group wins, empty or not."""
    found = matching.extract_patterns(b"a", compile_regex("(?P<n>a)(?P<n>b)?(?P<m>)"))
    assert found.entries == [(b"n", b""), (b"m", b"")]


def test_built_in_grok_patterns_compile() -> None:
    """All but the one that is broken in the reference too."""
    broken = set()
    for name in PATTERNS:
        try:
            matching.extract_grok_patterns(b"\0", f"^%{{{name}:x}}$", True)
        except ValueError:
            broken.add(name)
    assert (len(PATTERNS), broken) == (245, {"CISCOFW733100"})


@pytest.mark.parametrize(
    ("hint", "expected"),
    [("int", 7), ("long", 7), ("float", 7.0), ("double", 7.0), ("string", b"7"), ("", b"7")],
)
def test_grok_types(hint: str, expected: Value) -> None:
    """Each type name of the language."""
    found = matching.extract_grok_patterns(b"7", "%{INT:x" + (f":{hint}" if hint else "") + "}", True)
    assert repr(found.get(b"x")) == repr(expected)


@pytest.mark.parametrize(
    ("text", "pattern"), [(b"x", "%{WORD:x:int}"), (b"x", "%{WORD:x:date}"), (b"9" * 20, "%{INT:x:int}")]
)
def test_grok_types_that_do_not_fit(text: bytes, pattern: str) -> None:
    """A capture that is no number, a type that is none, a number beyond 64 bits."""
    with pytest.raises(ValueError, match=r"int|type"):
        matching.extract_grok_patterns(text, pattern, True)


def test_own_grok_definitions_come_first() -> None:
    """A definition replaces a built-in of its name, in references too."""
    found = matching.extract_grok_patterns(b"<a>", "%{QUOTED:q}", True, ["QUOTED=<%{WORD:w}>", "WORD=[ab]"])
    assert found.entries == [(b"q", b"<a>"), (b"w", b"a")]


@pytest.mark.parametrize("definition", ["NAME", "NA:ME=x"])
def test_bad_grok_definitions(definition: str) -> None:
    """A definition needs its equals sign, a name has no colon."""
    with pytest.raises(ValueError, match="pattern"):
        matching.extract_grok_patterns(b"", "x", False, [definition])


def test_named_only_grok_needs_a_name() -> None:
    """Otherwise it would never capture anything."""
    with pytest.raises(ValueError, match="named capture group"):
        matching.extract_grok_patterns(b"a", "%{WORD}", True)

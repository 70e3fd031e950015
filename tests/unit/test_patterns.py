"""Patterns: Go's meaning where RE2's differs, templates, globs, grok, pickling and limits."""

from __future__ import annotations

import pickle

import pytest

from ottl.patterns import compile_glob, compile_grok, compile_regex


@pytest.mark.parametrize(
    "text",
    [
        "(",
        "a**",
        r"\C",
        "[z-a]",
        "a{1001}",
        "(?=a)",
        "(?<=a)",
        r"\1",
        r"\Z",
        "[a",
        "(?P<é>a)",
        "(?P<a",
        r"\p{x}",
        "\udcff",
    ],
)
def test_what_go_refuses_is_refused(text: str) -> None:
    """No look-around, no back-reference, no single bytes, no expression that is not UTF-8."""
    with pytest.raises(ValueError, match="regular expression"):
        compile_regex(text)


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("^a$", b"a\n", False),
        ("^.$", b"\xff", True),
        ("^.{2}$", b"\xe6\x97", True),
        ("\ufffd", b"\x80", True),
        (r"\d", "٣".encode(), False),
        ("(?i)k", "\u212a".encode(), True),
        (r"^\p{Letter}\p{greek}$", "zω".encode(), True),
        (r"^[\p{Cn}x]+$", "x\u0378".encode(), True),
        (r"^\P{assigned}$", "\u0378".encode(), True),
        (r"é\B\B\B!", "é!".encode(), True),
        (r"\Qa.b\E", b"axb", False),
        (r"\pC", "\u0378".encode(), True),
        ("(?s:.)", b"\n", True),
    ],
)
def test_search(text: str, data: bytes, expected: bool) -> None:
    """Bad bytes are one U+FFFD each, Unicode classes take Go's names, `$` is the end of the text."""
    assert compile_regex(text).search(data) is expected


@pytest.mark.parametrize(
    ("text", "template", "data", "expected"),
    [
        ("b*", "-", b"abc", b"-a-c-"),
        ("", "-", "é日".encode(), "-é-日-".encode()),
        (r"\B", "-", "aé!".encode(), "aé-!-".encode()),
        ("a", "-", b"\xffa\xff", b"\xff-\xff"),
        ("", "-", b"\xc3\x28", b"-\xc3-(-"),
        ("(a)(?P<n>b)?", "<$1${n}$2$$>", b"ab a", b"<abb$> <a$>"),
        ("(a)", "$1x|${1}x|$9|$", b"a", b"|ax||$"),
        ("(?P<n>a)|(?P<n>b)", "[$n]", b"ab", b"[a][b]"),
        ("(a)", "$01 ${1 $é", b"a", b" ${1 "),
        ("x", "y", b"abc", b"abc"),
    ],
)
def test_replace(text: str, template: str, data: bytes, expected: bytes) -> None:
    """All matches in Go's order, templates as Go expands them."""
    assert compile_regex(text).replace(data, template.encode()) == expected


def test_replace_with_gets_the_expanded_template() -> None:
    """The function sees each match's own expansion."""
    assert compile_regex("([a-z])[0-9]").replace_with(b"a1 b2", b"$1", bytes.upper) == b"A B"


def test_captures_say_which_group_took_part() -> None:
    """Groups that took no part are `None`, empty ones are empty; offsets are those of the bytes given."""
    assert compile_regex("(a)|(b*)(é)").captures(b"\xff\xc3\xa9") == ("é".encode(), None, b"", "é".encode())


def test_group_names_may_repeat() -> None:
    """Go lets two groups share a name."""
    assert compile_regex("(?P<n>a)(b)(?<n>c)").group_names == ("", "n", "", "n")


def test_replacement_cannot_outgrow_the_limit() -> None:
    """16 MiB is the longest result."""
    with pytest.raises(ValueError, match="longer than"):
        compile_regex("").replace(b"x" * 5000, b"y" * 5000)


def test_patterns_pickle_as_their_text() -> None:
    """A copy finds the same."""
    regex, glob = compile_regex("(?P<n>a)+"), compile_glob("a*")
    assert pickle.loads(pickle.dumps(regex)).captures(b"aa") == (b"aa", b"a")
    assert pickle.loads(pickle.dumps(glob)).match(b"abc")


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("/user/*/list", "/user/a/b/list", True),
        ("*", "", True),
        ("a?c", "abc", True),
        ("[!a-c]x", "dx", True),
        ("[a-c]x", "dx", False),
        ("[xyz]", "y", True),
        ("{a,b*}", "bcd", True),
        ("{a,{b,c}}!", "c!", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("{a", "a", True),
        ("a}", "a}", True),
        ("a.b", "axb", False),
        ("a", "A", False),
        ("a\n*", "a\n\n", True),
        ("?", "", True),
        ("ab*ba", "aba", True),
    ],
)
def test_glob(text: str, data: str, expected: bool) -> None:
    """Whole texts are compared; an open brace and the two last habits are the reference's."""
    assert compile_glob(text).match(data.encode()) is expected


@pytest.mark.parametrize("text", ["[a", "[]", "[!]", "[b-a]", "[a-cd]", "\ufffd"])
def test_malformed_globs_are_refused(text: str) -> None:
    """Ranges must close and be in order."""
    with pytest.raises(ValueError, match="glob"):
        compile_glob(text)


def test_grok_expands_references_in_references() -> None:
    """Bare names are captured unless only ids are; hints follow their id; empty captures are left out."""
    definitions = {"N": "[0-9]*", "PAIR": "%{N:left:int}/%{N:a.b}"}
    found = compile_grok("%{PAIR}", False, definitions).captures(b"1/2")
    assert found == {"PAIR": (b"1/2", None), "left": (b"1", "int"), "a.b": (b"2", None)}
    assert compile_grok("%{PAIR}", True, definitions).captures(b"/2") == {"a.b": (b"2", None)}


def test_grok_that_grows_without_end_is_refused() -> None:
    """A definition that doubles itself meets the limit on the expansion."""
    with pytest.raises(ValueError, match="expands to more"):
        compile_grok("%{A}", True, {"A": "%{A}%{A}"})


def test_grok_leaves_what_is_no_reference() -> None:
    """A percent sign with braces that hold no name is plain expression text."""
    assert compile_grok("%{a b}|x", True, {}).regex.search(b"x")

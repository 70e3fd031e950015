"""The native regular expressions answer as those of the plain stack do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from ottl import schema
from ottl.bounds import DEFAULT_LIMITS
from ottl.patterns import Regex

native = pytest.importorskip("ottl._native")

ATOMS = st.sampled_from(
    [
        r"a",
        r"b",
        r"c",
        r"k",
        r"s",
        r"K",
        r"é",
        r"ſ",
        r".",
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\W",
        r"\S",
        r"\b",
        r"^",
        r"$",
        r"[a-c]",
        r"[^a]",
        r"[^a-cé]",
        r"[\d_-]",
        r"[\W]",
        r"[^\s]",
        r"[]x]",
        r"\.",
        r"\x41",
        r"\x{e9}",
        r"-",
        r"/",
        r"{",
        r"{,2}",
        r"0",
        r"1",
        r"\n",
        r"日",
        r"\A",
        r"\z",
        r"\Qa.b\E",
        r"\t",
        r"[[:alpha:]]",
        r"[[:^digit:]]",
        r"[k-s]",
        r"[^k]",
        r"\x20",
    ]
)
OPERATORS = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}", "{2,}", "{1,2}?"])
GROUPS = st.sampled_from(["(", "(?:", "(?P<n>", "(?i:", "(?s:", "(?m:", "(?U:", "((?i)"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(GROUPS, inner).map(lambda pair: f"{pair[0]}{pair[1]})"),
        st.tuples(ATOMS, OPERATORS).map("".join),
        st.tuples(inner, OPERATORS).map(lambda pair: f"({pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from(["(?i)", "(?ms)"]), inner).map("".join),
    ),
    max_leaves=8,
)
TEXTS = st.lists(st.text("abckskKSAéÉſ\u212a日\n\t\v _-./019{},x", max_size=8).map(str.encode), min_size=1, max_size=8)
TEMPLATES = st.lists(st.one_of(st.integers(0, 3), st.sampled_from([b"", b"X"])), max_size=3)


def arena_of(texts: list[bytes]) -> tuple[Any, Any, Any]:
    """A batch whose arena has the strings, and their views."""
    root = schema.message_index()[schema.ROOTS["traces"]]
    plan = native.Plan(native.Schema(schema.native_messages()), root, [(root, [])], [(0, 0)])
    batch = native.scan(plan, b"", 10, 10)
    return batch, *batch.put(texts)


@given(PATTERNS, TEXTS, TEMPLATES)
def test_native_expressions_agree(pattern: str, texts: list[bytes], template: list[bytes | int]) -> None:
    """Whatever the native engine accepts means the same in both."""
    try:
        fast = native.Regex(pattern)
    except ValueError:
        reject()
    slow = Regex(pattern)
    assert fast.groups == len(slow.group_names)
    batch, bits, lens = arena_of(texts)
    matched, declined = fast.is_match(batch, bits, lens)
    assert declined is None
    assert matched.tolist() == [slow.search(text) for text in texts]
    found, groups, _ = fast.captures(batch, bits, lens, list(range(fast.groups)))
    taken = [batch.take(views, lengths) for views, lengths, _ in groups]
    for row, text in enumerate(texts):
        captures = tuple(taken[g][row] if groups[g][2][row] else None for g in range(fast.groups))
        assert (captures if found[row] else None) == slow.captures(text)
    written = b"".join(b"${%d}" % part if isinstance(part, int) else part for part in template)
    new_bits, new_lens, changed, _ = fast.replace_all(batch, bits, lens, template, DEFAULT_LIMITS.max_string)
    expected = [slow.replace(text, written) for text in texts]
    assert batch.take(new_bits, new_lens) == expected
    assert changed.tolist() == [new != old for new, old in zip(expected, texts, strict=True)]

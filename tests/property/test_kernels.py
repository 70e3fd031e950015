"""The native regular expressions answer as those of the plain stack do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from ottl import schema
from ottl.bounds import DEFAULT_LIMITS
from ottl.patterns import Regex, compile_grok
from ottl.stdlib.grok_patterns import PATTERNS as GROK

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


LINES = [
    line.encode()
    for line in (
        "",
        "10.0.17.5 GET /api/v1/users/123 200 51234 731",
        '203.0.113.7 - frank [10/Oct/2023:13:55:36 -0700] "GET /a%20b?x=1&y=é HTTP/1.1" 200 2326 "-" "curl/8 (x)"',
        "[Wed Oct 11 14:32:52.123456 2023] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:80] AH00126",
        "<34>1 2023-10-11T22:14:15.003Z host.example.com su 123 ID47 - BOM'su root' failed",
        "Oct 11 22:14:15 mymachine su[1234]: 'su root' failed for lonvick on /dev/pts/8",
        "2023-10-11 22:14:15,123 ERROR [main] com.example.Main$1.run(Main.java:42) - failed: -12.5e3 0x1F",
        "SRC=2001:db8::8a2e:370:7334 DST=fe80::1%eth0 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP SPT=443 DPT=51234",
        "uuid 123e4567-e89b-12d3-a456-426614174000 mac 00:1B:44:11:3A:B7 mail a.b+c@sub.example.org urn:isbn:04",
        'https://user:secret@shop.example.com:8443/a/b/;c?d=e#f C:\\Windows\\x.dll /var/log/x \'日本 語\' "q\\"q"',
        "::ffff:192.0.2.128 1:2:3:4:5:6:7:8 256.300.1.1 1.2.3.4.5 :: 12:61:99 31/12/99 12-31-1999 24:00:00 +0200 CEST",
        "Oct 11 2023 22:14:15: %ASA-6-302013: Built outbound TCP connection 1 for out:1.2.3.4/80 (1.2.3.4/80)",
        "Oct 11 22:14:15 mail postfix/smtpd[1234]: 4F9D195432C: client=unknown[10.0.0.1]\n\tat a.b.C.d(E.java:7)",
    )
]


@pytest.mark.parametrize("named_only", [True, False])
def test_grok_patterns_agree(named_only: bool) -> None:
    """Each grok pattern, alone and in a line, captures the same in both."""
    batch, bits, lens = arena_of(LINES)
    native_ones = 0
    for name in GROK:
        for text in (f"%{{{name}:found}}", f"^%{{{name}:found}}( %{{DATA:some}})?( %{{GREEDYDATA:rest}})?$"):
            try:
                slow = Regex(compile_grok(text, named_only, GROK).regex.text)
                fast = native.Regex(slow.text)
            except ValueError:
                continue
            native_ones += 1
            for wanted in (list(range(fast.groups)), [n for n, group in enumerate(slow.group_names) if group]):
                found, groups, _ = fast.captures(batch, bits, lens, wanted)
                taken = [batch.take(views, lengths) for views, lengths, _ in groups]
                for row, line in enumerate(LINES):
                    captures = slow.captures(line)
                    assert found[row] == (captures is not None), (text, line)
                    for at, group in enumerate(wanted):
                        expected = captures[group] if captures else None
                        assert (taken[at][row] if groups[at][2][row] else None) == expected, (text, line, group)
    assert native_ones > len(GROK)

"""The native kernels over strings: hashes, what a string is made of, regular expressions of Go."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import xxhash

from ottl import schema

native = pytest.importorskip("ottl._native")

LONGEST = 16 << 20
TEXTS = [b"", b"a", b"abc" * 100, "é\u2028".encode(), b"\xff\x00", b"a"]


def batch_of(texts: list[bytes]) -> tuple[Any, Any, Any]:
    """A batch whose arena has the strings, and their views."""
    root = schema.message_index()[schema.ROOTS["traces"]]
    plan = native.Plan(native.Schema(schema.native_messages()), root, [(root, [])], [(0, 0)])
    batch = native.scan(plan, b"", 10, 10)
    return batch, *batch.put(texts)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("md5_hex", hashlib.md5),
        ("sha1_hex", hashlib.sha1),
        ("sha256_hex", hashlib.sha256),
        ("sha512_hex", hashlib.sha512),
        ("xxh3_hex", xxhash.xxh3_64),
    ],
)
def test_digests(name: str, digest: Any) -> None:
    """Digests are those of Python's libraries, for repeated views too."""
    batch, bits, lens = batch_of(TEXTS)
    bits, lens = bits.repeat(2), lens.repeat(2)
    found = batch.take(*getattr(native, name)(batch, bits, lens))
    assert found == [digest(text).hexdigest().encode() for text in TEXTS for _ in range(2)]


def test_fnv() -> None:
    """FNV-1a hashes wrap to int64."""
    batch, bits, lens = batch_of([b"", b"a", b"foobar"])
    assert native.fnv1a64(batch, bits, lens).tolist() == [
        0xCBF29CE484222325 - (1 << 64),
        0xAF63DC4C8601EC8C - (1 << 64),
        0x85944171F73967E8 - (1 << 64),
    ]


def test_what_strings_are_made_of() -> None:
    """ASCII and UTF-8 are told from other bytes."""
    batch, bits, lens = batch_of(TEXTS)
    assert native.is_ascii(batch, bits, lens).tolist() == [True, True, True, False, False, True]
    assert native.is_utf8(batch, bits, lens).tolist() == [True, True, True, True, False, True]


def test_views_outside_the_arena_are_refused() -> None:
    """No kernel reads beyond the arena."""
    batch, bits, lens = batch_of([b"a"])
    for call in (native.sha256_hex, native.fnv1a64, native.is_utf8, native.Regex("a").is_match):
        with pytest.raises(ValueError, match="outside the arena"):
            call(batch, bits + 1, lens)
        with pytest.raises(ValueError, match="differ in length"):
            call(batch, bits.repeat(2), lens)


def test_matches() -> None:
    """Rows that are not UTF-8 are declined, the others answered."""
    batch, bits, lens = batch_of([b"a1", b"b", b"a\xff", "é7".encode()])
    matched, declined = native.Regex(r"\d$").is_match(batch, bits, lens)
    assert matched.tolist() == [True, False, False, True]
    assert declined.tolist() == [False, False, True, False]
    assert native.Regex("a").is_match(batch, bits[:2], lens[:2])[1] is None


def test_replacement() -> None:
    """Templates mix literals and groups; rows without a match or with an equal result keep their views."""
    batch, bits, lens = batch_of([b"a1b22", b"none", "éa".encode(), b"\xff1"])
    regex = native.Regex(r"(\d)(x)?")
    assert regex.groups == 3
    new_bits, new_lens, changed, declined = regex.replace_all(batch, bits, lens, [b"<", 1, 2, 9, b">"], LONGEST)
    assert batch.take(new_bits, new_lens) == [b"a<1>b<2><2>", b"none", "éa".encode(), b"\xff1"]
    assert changed.tolist() == [True, False, False, False]
    assert declined.tolist() == [False, False, False, True]
    new_bits, new_lens, *_ = regex.replace_all(batch, bits, lens, [1, 1 << 63, (1 << 63) + 1, b"."], LONGEST)
    assert batch.take(new_bits, new_lens)[0] == b"a1.b2.2."
    same_bits, _, changed, _ = native.Regex("a").replace_all(batch, bits, lens, [b"a"], LONGEST)
    assert same_bits.tolist() == bits.tolist()
    assert not changed.any()


def test_empty_matches_stand_between_characters() -> None:
    """An expression that matches nothing inserts between all characters, never within one."""
    batch, bits, lens = batch_of(["aé".encode(), b""])
    new_bits, new_lens, *_ = native.Regex("").replace_all(batch, bits, lens, [b"-"], LONGEST)
    assert batch.take(new_bits, new_lens) == ["-a-é-".encode(), b"-"]
    new_bits, new_lens, *_ = native.Regex("a*").replace_all(batch, bits, lens, [b"<", 0, b">"], LONGEST)
    assert batch.take(new_bits, new_lens) == ["<a>é<>".encode(), b"<>"]


def test_long_replacements_are_declined() -> None:
    """A string beyond the limit is left to the caller."""
    batch, bits, lens = batch_of([b"a" * 5000, b"b"])
    for template in ([b"x" * 4000], [b"x" * 4000, 0]):
        _, _, changed, declined = native.Regex("a").replace_all(batch, bits, lens, template, LONGEST)
        assert changed.tolist() == [False, False]
        assert declined.tolist() == [True, False]


def test_captures_are_views_on_the_strings() -> None:
    """Groups come with whether they took part."""
    batch, bits, lens = batch_of([b"key=value", b"=v", b"none"])
    matched, groups, declined = native.Regex("(k)?[a-z]*=(v)").captures(batch, bits, lens, [0, 1, 2])
    assert matched.tolist() == [True, True, False]
    assert declined is None
    assert [batch.take(views, lengths) for views, lengths, _ in groups] == [
        [b"key=v", b"=v", b""],
        [b"k", b"", b""],
        [b"v", b"v", b""],
    ]
    assert [took_part.tolist() for *_, took_part in groups] == [
        [True, True, False],
        [True, False, False],
        [True, True, False],
    ]
    assert groups[0][0].tolist()[:2] == bits.tolist()[:2]


@pytest.mark.parametrize("pattern", [r"\B", r"\pL", "(a*)*", "(?i)é", r"\1", "a**", "(", "[z-a]", "(?x)a"])
def test_expressions_that_are_not_shown_equal_are_refused(pattern: str) -> None:
    """What might mean something else in Go is left to the other engine."""
    with pytest.raises(ValueError, match="not translated"):
        native.Regex(pattern)


def test_windows_that_do_not_fit() -> None:
    """Arrays of other sizes, series that are not there and fills beyond the window are refused, and nothing is read."""

    def windows(count: int = 2, filled: int = 0) -> tuple[Any, ...]:
        tails, row = np.zeros((2, 3)), np.zeros(count)
        return tails, tails.copy(), np.full(count, filled), np.zeros(count, np.bool_), row, row.copy()

    values, slots = np.ones(1), np.zeros(1, np.int64)
    for bad_slots, bad_windows, alarm in (
        (slots, windows(3), None),
        (slots + 2, windows(), None),
        (slots - 1, windows(), None),
        (slots, windows(filled=3), None),
        (slots, windows(filled=-1), None),
        (np.zeros(2, np.int64), windows(), None),
        (slots, windows(), (0, 1.0, np.zeros(3, np.int64))),
    ):
        with pytest.raises(ValueError, match=r"do not fit|no such series"):
            native.window_steps(bad_slots, values, bad_windows, True, alarm)

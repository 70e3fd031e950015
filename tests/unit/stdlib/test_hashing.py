"""Hashes of long, empty and invalid texts, against values that the reference gave."""

from __future__ import annotations

import pytest

from ottl.functions import Function
from ottl.stdlib import hashing

LONG = b"\xff\x00" * 500
ANSWERS = [
    ("sha256", LONG, "2c27de155b255bf33b469c1cdf99f8ac3b451d74"),
    ("sha256", b"\xc3\x28", "eddf68639913a3cb8331cdfe7f87559e0beccf2c"),
    ("sha1", LONG, "a0b8b7c469ac3245bc8e6778bf6103c22c3a9e3a"),
    ("sha1", b"\xc3\x28", "697b8464bab71c2dcfe41d944b4c5b1ed2b6ebf9"),
    (
        "sha512",
        LONG,
        "fb75984260634b1dab3b5c3f3c9846291cf1a094",
    ),
    (
        "sha512",
        b"\xc3\x28",
        "ae7b2edddc598f64e42f6aedbf61f598ab22b3b0",
    ),
    ("md5", LONG, "2a6d4d49c27450a16c19b18dda197c88"),
    ("md5", b"\xc3\x28", "0999cc4fa36693c7d5ab8482d6bdc367"),
    ("fnv", LONG, 2000063374399656277),
    ("fnv", b"\xc3\x28", 775347045741950414),
    ("xxh3", LONG, "970a6f727382de7d"),
    ("xxh3", b"\xc3\x28", "1927cbe2a617e813"),
    ("murmur3_hash", LONG, "2e5b7089"),
    ("murmur3_hash", b"\xc3\x28", "71ecf23a"),
]


@pytest.mark.parametrize(("name", "text", "expected"), ANSWERS)
def test_hashes_of_bytes(name: str, text: bytes, expected: str | int) -> None:
    """Every byte counts, valid text or not; of long digests the first 40 digits."""
    function: Function = getattr(hashing, name)
    found = function(text)
    assert (found[:40] if isinstance(found, str) else found) == expected

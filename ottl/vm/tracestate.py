"""The `tracestate` header as the W3C recommendation has it: parsing, looking up, inserting."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 32
"""List members that a trace state may have."""

# Level 1 of the recommendation; keys of tenants may begin with a digit.
_KEY = re.compile(rb"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}")
_VALUE = re.compile(rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")

Members = list[tuple[bytes, bytes]]


def parse(text: bytes) -> Members | None:
    """The members of a trace state in order, or None for a text that is not one."""
    members: Members = []
    seen: set[bytes] = set()
    for part in text.split(b","):
        if not part:
            continue
        key, equals, value = part.partition(b"=")
        key, value = key.lstrip(b" \t"), value.rstrip(b" \t")
        if not equals or not _is_member(key, value) or key in seen:
            return None
        seen.add(key)
        members.append((key, value))
        if len(members) > LONGEST:
            return None
    return members


def _is_member(key: bytes, value: bytes) -> bool:
    return _KEY.fullmatch(key) is not None and _VALUE.fullmatch(value) is not None


def lookup(members: Members, key: bytes) -> bytes:
    """The value of a key, empty where there is none."""
    return next((value for name, value in members if name == key), b"")


def insert(members: Members, key: bytes, value: bytes) -> bytes | None:
    """The text of a trace state with a member put in front.

    An older member of the key goes; where the list is full, the last one does.

    Returns:
        The text, or None for a key or value that is not allowed.
    """
    if not _is_member(key, value):
        return None
    others = [member for member in members if member[0] != key]
    return b",".join(name + b"=" + text for name, text in [(key, value), *others][:LONGEST])

"""Memories as bytes: what is written to a state file, and how it is read back without trusting it.

    magic, version (uint16) | SHA-256 of the rest | length of the index (uint64) | index (JSON) | arrays one by one

The index lists the sections: what they are about, their keys (hexadecimal) and dtype and shape of their arrays. Arrays
are little-endian. Nothing that is read is executed: there are numbers and texts only.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ottl.errors import Error

MAGIC: Final = b"OTTLSTAT"
VERSION: Final = 1

_HEAD = struct.Struct(">8sH32s")
_LENGTH = struct.Struct(">Q")
_KINDS: Final = frozenset({"|b1", "|u1", "<i8", "<f8", "<u8"})


@dataclass(frozen=True, slots=True)
class Section:
    """One memory.

    Args:
        about: what it belongs to, texts by name.
        keys: its keys.
        arrays: arrays by name, of bools, bytes, or 64-bit numbers.
    """

    about: Mapping[str, str]
    keys: Sequence[bytes]
    arrays: Mapping[str, NDArray[Any]]


def pack(sections: Sequence[Section]) -> bytes:
    """The sections as bytes."""
    index: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for section in sections:
        described: dict[str, Any] = {}
        for name, array in section.arrays.items():
            kept = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
            described[name] = [kept.dtype.str, list(array.shape)]
            parts.append(kept.tobytes())
        index.append({"about": dict(section.about), "keys": [k.hex() for k in section.keys], "arrays": described})
    listed = json.dumps(index).encode()
    body = b"".join([_LENGTH.pack(len(listed)), listed, *parts])
    return _HEAD.pack(MAGIC, VERSION, hashlib.sha256(body).digest()) + body


def unpack(data: bytes) -> list[Section]:
    """The sections that `pack` made bytes of.

    Raises:
        Error: the bytes are no state, of another version, or damaged.
    """
    if data[: len(MAGIC)] != MAGIC or len(data) < _HEAD.size + _LENGTH.size:
        raise Error("this is no saved state")
    _, version, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise Error(f"the saved state is of version {version}, this reads version {VERSION}")
    body = memoryview(data)[_HEAD.size :]
    if hashlib.sha256(body).digest() != digest:
        raise Error("the saved state is damaged: its checksum does not fit")
    (length,) = _LENGTH.unpack_from(body)
    try:
        return _sections(json.loads(bytes(body[_LENGTH.size : _LENGTH.size + length])), body[_LENGTH.size + length :])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Error(f"the saved state is damaged: {error}") from None


def _sections(index: Any, body: memoryview) -> list[Section]:
    found: list[Section] = []
    at = 0
    for entry in index:
        arrays: dict[str, NDArray[Any]] = {}
        for name, (kind, shape) in entry["arrays"].items():
            if kind not in _KINDS or any(type(n) is not int or n < 0 for n in shape):
                raise ValueError(f"an array of {kind} and {shape}")
            size = int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize
            if at + size > len(body):
                raise ValueError("arrays are missing")
            raw = np.frombuffer(body[at : at + size], kind).reshape(shape)
            arrays[name] = raw.astype(raw.dtype.newbyteorder("="))
            at += size
        keys = [bytes.fromhex(key) for key in entry["keys"]]
        found.append(Section({str(k): str(v) for k, v in entry["about"].items()}, keys, arrays))
    return found

"""Digests and checksums of texts."""

from __future__ import annotations

import hashlib

import mmh3
import xxhash

from ottl.codec import kernels
from ottl.functions import Columns, Example, NativeCall, Register, Utf8, converter
from ottl.tables.vectors import INT, STRING, Vector
from ottl.types import wrap_int64

_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_EMPTY_SHA512 = (
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)


@converter(
    "SHA256",
    Example('SHA256("hello")', "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
    Example('SHA256("")', _EMPTY_SHA256),
    Example('SHA256(log.attributes["x"])', given={"x": 1}, error="expected string"),
    Example('SHA256(log.attributes["x"])', error="expected string"),
)
def sha256(target: Utf8) -> str:
    """The SHA-256 of a text, in lower-case hex.

    Args:
        target: the text.

    Source: OTTL reference, converter `SHA256`.
    """
    return hashlib.sha256(target).hexdigest()


@sha256.vector
def _(columns: Columns, target: Vector) -> Vector:
    return _digest(columns, "sha256", target)


@sha256.native
def _(target: Register) -> NativeCall:
    return NativeCall("sha256", (target,))


@converter(
    "SHA1",
    Example('SHA1("hello")', "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
    Example('SHA1("")', "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    Example('SHA1(log.attributes["x"])', error="expected string"),
)
def sha1(target: Utf8) -> str:
    """The SHA-1 of a text, in lower-case hex.

    Args:
        target: the text.

    Source: OTTL reference, converter `SHA1`.
    """
    return hashlib.sha1(target, usedforsecurity=False).hexdigest()


@sha1.vector
def _(columns: Columns, target: Vector) -> Vector:
    return _digest(columns, "sha1", target)


@sha1.native
def _(target: Register) -> NativeCall:
    return NativeCall("sha1", (target,))


@converter(
    "SHA512",
    Example('SHA512("")', _EMPTY_SHA512),
    Example('Len(SHA512("é"))', 128),
    Example('SHA512(log.attributes["x"])', error="expected string"),
)
def sha512(target: Utf8) -> str:
    """The SHA-512 of a text, in lower-case hex.

    Args:
        target: the text.

    Source: OTTL reference, converter `SHA512`.
    """
    return hashlib.sha512(target).hexdigest()


@sha512.vector
def _(columns: Columns, target: Vector) -> Vector:
    return _digest(columns, "sha512", target)


@sha512.native
def _(target: Register) -> NativeCall:
    return NativeCall("sha512", (target,))


@converter(
    "MD5",
    Example('MD5("hello")', "5d41402abc4b2a76b9719d911017c592"),
    Example('MD5("")', "d41d8cd98f00b204e9800998ecf8427e"),
    Example('MD5(log.attributes["x"])', error="expected string"),
)
def md5(target: Utf8) -> str:
    """The MD5 of a text, in lower-case hex.

    Args:
        target: the text.

    Source: OTTL reference, converter `MD5`.
    """
    return hashlib.md5(target, usedforsecurity=False).hexdigest()


@md5.vector
def _(columns: Columns, target: Vector) -> Vector:
    return _digest(columns, "md5", target)


@md5.native
def _(target: Register) -> NativeCall:
    return NativeCall("md5", (target,))


@converter(
    "FNV",
    Example('FNV("hello")', -6615550055289275125),
    Example('FNV("")', -3750763034362895579),
    Example('FNV(log.attributes["x"])', error="expected string"),
)
def fnv(target: Utf8) -> int:
    """The FNV-1a of a text with 64 bits, as a signed integer.

    Args:
        target: the text.

    Source: OTTL reference, converter `FNV`.
    """
    state = 0xCBF29CE484222325
    for byte in target:
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return wrap_int64(state)


@fnv.vector
def _(columns: Columns, target: Vector) -> Vector:
    assert target.lens is not None
    return Vector(INT, kernels.fnv1a64(columns.arena, target.bits, target.lens), None, None, columns.level)


@fnv.native
def _(target: Register) -> NativeCall:
    return NativeCall("fnv", (target,))


@converter(
    "XXH3",
    Example('XXH3("hello")', "9555e8555c62dcfd"),
    Example('XXH3("")', "2d06800538d394c2"),
    Example('XXH3(log.attributes["x"])', error="expected string"),
)
def xxh3(target: Utf8) -> str:
    """The XXH3 of a text with 64 bits, in big-endian hex.

    Args:
        target: the text.

    Source: OTTL reference, converter `XXH3`.
    """
    return xxhash.xxh3_64_hexdigest(target)


@xxh3.vector
def _(columns: Columns, target: Vector) -> Vector:
    return _digest(columns, "xxh3", target)


@xxh3.native
def _(target: Register) -> NativeCall:
    return NativeCall("xxh3", (target,))


@converter(
    "Murmur3Hash",
    Example('Murmur3Hash("Hello World")', "ce837619"),
    Example('Murmur3Hash("")', "00000000"),
    Example('Murmur3Hash(log.attributes["x"])', error="expected string"),
)
def murmur3_hash(target: Utf8) -> str:
    """The MurmurHash3 (x86, 32 bits, seed 0) of a text, in little-endian hex.

    Args:
        target: the text.

    Source: OTTL reference, converter `Murmur3Hash`.
    """
    return mmh3.hash(target, signed=False).to_bytes(4, "little").hex()


@murmur3_hash.native
def _(target: Register) -> NativeCall:
    return NativeCall("murmur3", (target,))


def _digest(columns: Columns, name: str, target: Vector) -> Vector:
    assert target.lens is not None
    bits, lens = kernels.hex_digest(columns.arena, name, target.bits, target.lens)
    return Vector(STRING, bits, lens, None, columns.level)

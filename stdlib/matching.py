"""Converters that look for patterns: IsMatch, ExtractPatterns, ExtractGrokPatterns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from ottl.codec import kernels
from ottl.functions import (
    Columns,
    Compiled,
    Const,
    Example,
    NativeCall,
    Omittable,
    Register,
    Utf8,
    Utf8Like,
    converter,
)
from ottl.patterns import Grok, Regex, compile_grok, compile_regex
from ottl.stdlib.grok_patterns import PATTERNS
from ottl.tables.vectors import BOOL, EMPTY, MAP, STRING, Bools, Vector
from ottl.types import Map, Value, bool_like, parse_float, parse_int

RegexText = Annotated[str, Compiled(compile_regex)]

_CACHED_GROKS = 256


@converter(
    "IsMatch",
    Example('IsMatch("hello", "l+o$")', True),
    Example('IsMatch(log.attributes["n"], "^12")', True, given={"n": 123}),
    Example('IsMatch("é", "^.$")', True),
    Example('IsMatch(nil, "a")', False),
    Example('IsMatch("a", "(")', error="regular expression", load_error=True),
)
def is_match(target: Utf8Like | None, pattern: RegexText) -> bool:
    """Whether a regular expression matches anywhere in a text.

    Args:
        target: a string, or a value whose text is searched; nil matches nothing.
        pattern: regular expression.

    Source: OTTL reference, converter `IsMatch`.
    """
    regex: Any = pattern
    return target is not None and regex.search(target)


@is_match.vector
def _(columns: Columns, target: Vector, pattern: Any) -> tuple[Vector, Bools | None] | None:
    if target.lens is None or not isinstance(pattern, Regex):
        return None
    if target.tag == STRING:
        found = kernels.matches(columns.arena, pattern, target.bits, target.lens)
        return Vector(BOOL, found, None, None, columns.level), None
    tags = target.tag_array(len(target))
    index = np.flatnonzero(tags == STRING)
    found = np.zeros(len(target), np.bool_)
    found[index] = kernels.matches(columns.arena, pattern, target.bits[index], target.lens[index])
    return Vector(BOOL, found, None, None, columns.level), (tags != STRING) & (tags != EMPTY)


@is_match.native
def _(target: Register, pattern: Any) -> NativeCall | None:
    native = kernels.engine(pattern.text) if isinstance(pattern, Regex) else None
    return None if native is None else NativeCall("matches", (target,), (native,))


@converter(
    "ExtractPatterns",
    Example('ExtractPatterns("user=ann 7", "user=(?P<user>\\\\w+) (?<n>\\\\d)")', {"user": "ann", "n": "7"}),
    Example('ExtractPatterns("é", "(?P<a>x)|(?P<b>é)")', {"a": "", "b": "é"}),
    Example('ExtractPatterns("b", "(?P<a>a)")', {}),
    Example('ExtractPatterns("b", "(b)")', error="named capture group"),
)
def extract_patterns(target: Utf8, pattern: RegexText) -> Map:
    """The named groups of the first match as a map of strings, `""` for a group that took no part.

    Args:
        target: the text.
        pattern: regular expression with at least one named group.

    Source: OTTL reference, converter `ExtractPatterns`.
    """
    regex: Regex | Any = pattern
    if not any(regex.group_names):
        raise ValueError("ExtractPatterns: the pattern must have at least one named capture group")
    captures = regex.captures(target)
    if captures is None:
        return Map()
    named = zip(regex.group_names, captures, strict=True)
    return Map({name.encode(): capture or b"" for name, capture in named if name}.items())


@extract_patterns.vector
def _(columns: Columns, target: Vector, pattern: Any) -> tuple[Vector, Bools | None] | None:
    if not isinstance(pattern, Regex) or not any(pattern.group_names):
        return None
    assert target.lens is not None
    found = kernels.captured(columns.arena, pattern, target.bits, target.lens)
    if found is None:
        return None
    matched, groups, declined = found
    parts: list[kernels.Part] = [(_TEXT, bits, lens, matched) for bits, lens, _ in groups.values()]
    names = [name.encode() for name in groups]
    bits, lens = kernels.maps(columns.arena, names, parts, len(target))
    return Vector(MAP, bits, lens, None, columns.level), declined


@extract_patterns.native
def _(target: Register, pattern: Any) -> NativeCall | None:
    if not isinstance(pattern, Regex) or not any(pattern.group_names):
        return None
    found = kernels.named_groups(pattern)
    if found is None:
        return None
    native, named = found
    groups = [(number, name.encode(), "text") for name, number in named.items()]
    return NativeCall("captures", (target,), (native, groups, True))


_TEXT = np.full(1, STRING, np.uint8)


@converter(
    "ExtractGrokPatterns",
    Example('ExtractGrokPatterns("GET 200", "%{WORD:verb} %{INT:status:int}", true)', {"verb": "GET", "status": 200}),
    Example('ExtractGrokPatterns("é 1.5", "%{NUMBER:a.b:double}", true)', {"a.b": 1.5}),
    Example('ExtractGrokPatterns("x", "%{INT}")', {}),
    Example('ExtractGrokPatterns("a-1", "%{ID}", false, ["ID=[a-z]-[0-9]"])', {"ID": "a-1"}),
    Example('ExtractGrokPatterns("x", "%{NOSUCH}")', error="unknown", load_error=True),
)
def extract_grok_patterns(
    target: Utf8,
    pattern: str,
    named_captures_only: Const[bool] = False,
    pattern_definitions: Omittable[Const[list[str]]] = None,
) -> Map:
    """What a grok pattern captures in a text, as a map; empty captures are left out.

    Args:
        target: the text.
        pattern: grok pattern: `%{SYNTAX}`, `%{SYNTAX:id}`, `%{SYNTAX:id:type}` with type int, long, float, double,
            bool, boolean or string, in a regular expression.
        named_captures_only: capture only what has an id.
        pattern_definitions: patterns beside the built-in ones, as `NAME=expression`.

    Source: OTTL reference, converter `ExtractGrokPatterns`.
    """
    grok = _grok(pattern, named_captures_only, tuple(pattern_definitions or ()))
    return Map((name.encode(), _typed(text, hint)) for name, (text, hint) in grok.captures(target).items())


@extract_grok_patterns.vector
def _(
    columns: Columns,
    target: Vector,
    pattern: Vector,
    named_captures_only: bool,
    pattern_definitions: list[str] | None,
) -> tuple[Vector, Bools | None] | None:
    if not pattern.constant or pattern.lens is None or target.lens is None:
        return None
    (text,) = columns.arena.take(pattern.bits, pattern.lens)
    try:
        grok = _grok(text.decode(errors="surrogateescape"), named_captures_only, tuple(pattern_definitions or ()))
    except ValueError:
        return None
    found = kernels.captured(columns.arena, grok.regex, target.bits, target.lens)
    if found is None:
        return None
    _, groups, declined = found
    names = [grok.name(group) for group in groups]
    if len(set(names)) != len(names):
        return None
    parts: list[kernels.Part] = []
    for name, (bits, lens, took_part) in groups.items():
        present = took_part & (lens > 0)
        hint = grok.hints.get(name)
        if hint in (None, "string"):
            parts.append((_TEXT, bits, lens, present))
            continue
        part, failed = _typed_part(columns.arena, bits, lens, present, hint)
        parts.append(part)
        if failed is not None:
            declined = failed if declined is None else declined | failed
    bits, lens = kernels.maps(columns.arena, [name.encode() for name in names], parts, len(target))
    return Vector(MAP, bits, lens, None, columns.level), declined


@extract_grok_patterns.native
def _(
    target: Register,
    pattern: Register,
    named_captures_only: bool,
    pattern_definitions: list[str] | None,
) -> NativeCall | None:
    if not isinstance(pattern.value, str):
        return None
    try:
        grok = _grok(pattern.value, named_captures_only, tuple(pattern_definitions or ()))
    except ValueError:
        return None
    found = kernels.named_groups(grok.regex)
    if found is None:
        return None
    native, named = found
    groups = []
    for name, number in named.items():
        reading = _READINGS.get(grok.hints.get(name, "string"))
        if reading is None:
            return None
        groups.append((number, grok.name(name).encode(), reading))
    if len({key for _, key, _ in groups}) != len(groups):
        return None
    return NativeCall("captures", (target,), (native, groups, False))


_READINGS = {"string": "text", "int": "int", "long": "int", "float": "double", "double": "double"}
"""How the native executor reads what has a type hint."""


def _typed_part(
    arena: Any, bits: kernels.Bits, lens: kernels.Lens, present: Bools, hint: str | None
) -> tuple[kernels.Part, Bools | None]:
    """Captures as the values that a type hint wants, each distinct text once; and the rows where one is none."""
    index = np.flatnonzero(present)
    codes, first = arena.intern(None, bits[index], lens[index])
    values: list[Value] = []
    bad: list[int] = []
    for code, text in enumerate(arena.take(bits[index[first]], lens[index[first]])):
        try:
            values.append(_typed(text, hint))
        except ValueError:
            values.append(None)
            bad.append(code)
    tags = np.zeros(len(bits), np.uint8)
    words = np.zeros(len(bits), np.int64)
    (few_tags, few_words, _), _ = kernels.cells(arena, values)
    tags[index], words[index] = few_tags[codes], few_words[codes]
    failed = None
    if bad:
        failed = np.zeros(len(bits), np.bool_)
        failed[index[np.isin(codes, bad)]] = True
    return (tags, words, np.zeros(1, np.uint32), present), failed


@extract_grok_patterns.checked
def _(
    pattern: str | None = None,
    named_captures_only: bool = False,
    pattern_definitions: Sequence[str] | None = None,
) -> None:
    _definitions(tuple(pattern_definitions or ()))
    if pattern is not None:
        _grok(pattern, named_captures_only, tuple(pattern_definitions or ()))


def _definitions(written: tuple[str, ...]) -> dict[str, str]:
    definitions = {}
    for text in written:
        name, equals, expression = text.partition("=")
        if not equals:
            raise ValueError(f"pattern definition must be NAME=expression, got {text[:20]}")
        if ":" in name:
            raise ValueError(f"the name of a pattern must not have a colon, got {name}")
        definitions[name] = expression
    return definitions


@functools.lru_cache(maxsize=_CACHED_GROKS)
def _grok(pattern: str, named_only: bool, written: tuple[str, ...]) -> Grok:
    grok = compile_grok(pattern, named_only, PATTERNS | _definitions(written))
    if named_only and not grok.named:
        raise ValueError("the pattern must have at least one named capture group")
    return grok


def _typed(text: bytes, hint: str | None) -> Value:
    if hint in (None, "string"):
        return text
    if hint in ("int", "long"):
        return parse_int(text)
    if hint in ("float", "double"):
        return parse_float(text)
    if hint in ("bool", "boolean"):
        return bool_like(text)
    raise ValueError(f"unknown type {hint}")

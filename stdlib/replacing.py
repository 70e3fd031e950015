"""Editors that replace text: by glob the whole value, by regular expression the parts that match.

`replacement_format` puts the result of `function` into a larger text; without a function it is ignored, as in the
reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ottl import bounds
from ottl.codec import kernels
from ottl.codec.maps import MapColumn
from ottl.functions import (
    MISSING,
    Columns,
    Compiled,
    Const,
    Example,
    FunctionArgument,
    MapTarget,
    NativeCall,
    Omittable,
    Register,
    Target,
    Utf8,
    editor,
)
from ottl.patterns import Glob, Regex, compile_glob, compile_regex
from ottl.tables.vectors import STRING, Vector
from ottl.types import Value, strict_string

GlobText = Annotated[str, Compiled(compile_glob)]
RegexText = Annotated[str, Compiled(compile_regex)]
OptionalFunction = FunctionArgument | None


@editor(
    "replace_match",
    Example(
        'replace_match(log.attributes["u"], "/user/*/list", "/user/{id}")',
        {"u": "/user/{id}"},
        given={"u": "/user/1/list"},
    ),
    Example('replace_match(log.attributes["u"], "é?", "$1")', {"u": "$1"}, given={"u": "éa"}),
    Example('replace_match(log.attributes["u"], "a", "b")', {"u": 1}, given={"u": 1}),
    Example('replace_match(log.attributes["u"], "*", "a", ToUpperCase, "<%s>")', {"u": "<A>"}, given={"u": "x"}),
    Example('replace_match(log.attributes["u"], "[a", "b")', error="glob", load_error=True),
)
def replace_match(
    target: Target,
    pattern: GlobText,
    replacement: Utf8,
    function: OptionalFunction = None,
    replacement_format: Omittable[Utf8] = None,
) -> None:
    """Replaces a string that a glob matches as a whole; other values stay.

    Args:
        target: a path.
        pattern: glob.
        replacement: the new value, taken as it is.
        function: a converter that the replacement goes through.
        replacement_format: text around what the function returns, with one `%s`.

    Source: OTTL reference, editor `replace_match`.
    """
    glob: Any = pattern
    new = _final(replacement, function, replacement_format)
    value = target.get()
    if type(value) is bytes and glob.match(value):
        target.set(new)


@replace_match.vector
def _(
    columns: Columns, target: Vector, pattern: Any, replacement: bytes, function: Any, form: bytes | None
) -> tuple[Vector, NDArray[np.bool_]] | None:
    if target.lens is None or not isinstance(pattern, Glob):
        return None
    try:
        new = _final(replacement, function, form)
    except ValueError:
        return None
    written = np.zeros(columns.count, np.bool_)
    index = np.flatnonzero(target.tag_array(columns.count) == STRING)
    written[index] = kernels.globbed(columns.arena, pattern, target.bits[index], target.lens[index])
    bits, lens = columns.arena.put([new])
    whole = np.full(columns.count, bits[0]), np.full(columns.count, lens[0])
    return Vector(STRING, *whole, None, columns.level), written


@replace_match.native
def _(pattern: Any, replacement: Register, function: Any, replacement_format: Any) -> NativeCall | None:
    return _matching("match", pattern, replacement, function, replacement_format)


@editor(
    "replace_all_matches",
    Example('replace_all_matches(log.attributes, "/u/*", "/u")', {"a": "/u", "b": 1}, given={"a": "/u/7", "b": 1}),
    Example('replace_all_matches(log.attributes, "{é,e}", "")', {"a": "", "b": "f"}, given={"a": "é", "b": "f"}),
    Example('replace_all_matches(log.attributes["m"], "*", "x")', error="expected"),
)
def replace_all_matches(
    target: MapTarget,
    pattern: GlobText,
    replacement: Utf8,
    function: OptionalFunction = None,
    replacement_format: Omittable[Utf8] = None,
) -> None:
    """Replaces all strings of a map that a glob matches as a whole.

    Args:
        target: a map; only its own values are looked at.
        pattern: glob.
        replacement: the new value, taken as it is.
        function: a converter that the replacement goes through.
        replacement_format: text around what the function returns, with one `%s`.

    Source: OTTL reference, editor `replace_all_matches`.
    """
    glob: Any = pattern
    new = _final(replacement, function, replacement_format)
    for index, (_, value) in enumerate(target.items()):
        if type(value) is bytes and glob.match(value):
            target.put_at(index, new)


@replace_all_matches.vector
def _(target: MapColumn, pattern: Any, replacement: bytes, function: Any, form: bytes | None) -> int | None:
    if not isinstance(pattern, Glob):
        return None
    try:
        new = _final(replacement, function, form)
    except ValueError:
        return None
    owners, _, slots, tags, bits, lens = target.entries()
    index = np.flatnonzero(tags == STRING)
    hit = index[kernels.globbed(target.batch, pattern, bits[index], lens[index])]
    if len(hit):
        new_bits, new_lens = target.batch.put([new])
        target.put_slots(slots[hit], Vector(STRING, new_bits, new_lens, None, target.level))
    return len(np.unique(owners[hit]))


@replace_all_matches.native
def _(pattern: Any, replacement: Register, function: Any, replacement_format: Any) -> NativeCall | None:
    return _matching("match_all", pattern, replacement, function, replacement_format)


def _matching(
    name: str, glob: Any, replacement: Register, function: Any, replacement_format: Register | None
) -> NativeCall | None:
    if not isinstance(glob, Glob) or function is not None:
        return None
    if replacement_format is not None and replacement_format.value is MISSING:
        return None  # without a function it is ignored, but still has to be a string
    native = kernels.engine(glob.expression) if glob.ends is None else glob.ends
    return None if native is None else NativeCall(name, (replacement,), (native,))


@editor(
    "replace_pattern",
    Example(
        'replace_pattern(log.attributes["a"], "(\\\\w+)@\\\\w+", "$1@*")', {"a": "to me@*"}, given={"a": "to me@home"}
    ),
    Example('replace_pattern(log.attributes["a"], "", "-")', {"a": "-é-b-"}, given={"a": "éb"}),
    Example('replace_pattern(log.attributes["a"], "b+", "$1x$$")', {"a": "a$"}, given={"a": "abb"}),
    Example('replace_pattern(log.attributes["a"], "b", "$0", ToUpperCase, "<%s>")', {"a": "a<B>c"}, given={"a": "abc"}),
    Example('replace_pattern(log.attributes["a"], "b", "c")', {}),
    Example('replace_pattern(log.attributes["a"], "(?=b)", "c")', error="regular expression", load_error=True),
)
def replace_pattern(
    target: Target,
    regex_pattern: RegexText,
    replacement: Value,
    function: OptionalFunction = None,
    replacement_format: Omittable[Utf8] = None,
) -> None:
    """Replaces all matches of a regular expression in a string; other values stay.

    Args:
        target: a path.
        regex_pattern: regular expression.
        replacement: the string that replaces a match; `$1`, `${1}`, `$name` are groups, `$$` is a `$`.
        function: a converter that each replacement goes through.
        replacement_format: text around what the function returns, with one `%s`.

    Source: OTTL reference, editor `replace_pattern`.
    """
    value = target.get()
    if value is None:
        return
    # The reference looks at the type of the replacement only where there is a value to change.
    template = strict_string(replacement)
    if type(value) is bytes:
        new = _replaced(regex_pattern, value, template, function, replacement_format)
        if new is not None:
            target.set(new)


@replace_pattern.vector
def _(
    columns: Columns, target: Vector, regex_pattern: Any, replacement: Value, function: Any, form: bytes | None
) -> tuple[Vector, NDArray[np.bool_]] | None:
    if type(replacement) is not bytes or target.lens is None:
        return None
    written = np.zeros(columns.count, np.bool_)
    index = np.flatnonzero(target.tag_array(columns.count) == STRING)
    texts = target.bits[index], target.lens[index]
    found = _replaced_column(columns.arena, regex_pattern, texts, replacement, function, form)
    if found is None:
        return None
    bits, lens = np.zeros(columns.count, np.int64), np.zeros(columns.count, np.uint32)
    bits[index], lens[index], written[index] = found
    return Vector(STRING, bits, lens, None, columns.level), written


@replace_pattern.native
def _(regex_pattern: Any, replacement: Register, function: Any, replacement_format: Any) -> NativeCall | None:
    return _replacing("replace", regex_pattern, replacement, function, replacement_format)


@replace_pattern.checked
def _(replacement: Value) -> None:
    strict_string(replacement)


@editor(
    "replace_all_patterns",
    Example(
        'replace_all_patterns(log.attributes, "value", "\\\\d+", "#")', {"a": "n#", "b": 7}, given={"a": "n12", "b": 7}
    ),
    Example(
        'replace_all_patterns(log.attributes, "key", "^k8s\\\\.", "")',
        {"pod": "é", "x": 1},
        given={"k8s.pod": "é", "x": 1},
    ),
    Example('replace_all_patterns(log.attributes, "key", ".+", "k")', {"k": 2}, given={"a": 1, "b": 2}),
    Example('replace_all_patterns(log.attributes, "both", "a", "b")', error="mode", load_error=True),
)
def replace_all_patterns(
    target: MapTarget,
    mode: Const[str],
    regex_pattern: RegexText,
    replacement: Utf8,
    function: OptionalFunction = None,
    replacement_format: Omittable[Utf8] = None,
) -> None:
    """Replaces all matches of a regular expression in the strings, or in the keys, of a map.

    Args:
        target: a map; only its own keys and values are looked at.
        mode: `value` or `key`. Where new keys meet, the later entry wins in the place of the first.
        regex_pattern: regular expression.
        replacement: what replaces a match; `$1`, `${1}`, `$name` are groups, `$$` is a `$`.
        function: a converter that each replacement goes through; where it fails a value stays and a key is dropped.
        replacement_format: text around what the function returns, with one `%s`.

    Source: OTTL reference, editor `replace_all_patterns`.
    """
    if mode == "value":
        for index, (_, value) in enumerate(target.items()):
            if type(value) is not bytes:
                continue
            try:
                new = _replaced(regex_pattern, value, replacement, function, replacement_format)
            except _FunctionError:
                continue
            if new is not None:
                target.put_at(index, new)
        return
    renamed: dict[bytes, Value] = {}
    for key, value in target.items():
        try:
            new = _replaced(regex_pattern, key, replacement, function, replacement_format)
        except _FunctionError:
            continue
        renamed[key if new is None else new] = value
    target.replace(renamed.items())


@replace_all_patterns.vector
def _(
    target: MapColumn, mode: str, regex_pattern: Any, replacement: bytes, function: Any, form: bytes | None
) -> int | None:
    if mode == "key":
        return _renamed_columns(target, regex_pattern, replacement, function, form)
    owners, _, slots, tags, bits, lens = target.entries()
    index = np.flatnonzero(tags == STRING)
    found = _replaced_column(target.batch, regex_pattern, (bits[index], lens[index]), replacement, function, form)
    if found is None:
        return None
    new_bits, new_lens, changed = found
    hit = np.flatnonzero(changed)
    if len(hit):
        target.put_slots(slots[index[hit]], Vector(STRING, new_bits[hit], new_lens[hit], None, target.level))
    return len(np.unique(owners[index[hit]]))


@replace_all_patterns.native
def _(
    mode: str, regex_pattern: Any, replacement: Register, function: Any, replacement_format: Any
) -> NativeCall | None:
    name = "replace_all" if mode == "value" else "rename"
    return _replacing(name, regex_pattern, replacement, function, replacement_format)


def _replacing(
    name: str, regex: Any, replacement: Register, function: Any, replacement_format: Register | None
) -> NativeCall | None:
    if not isinstance(regex, Regex) or type(replacement.value) is not bytes or function is not None:
        return None
    if replacement_format is not None and replacement_format.value is MISSING:
        return None  # without a function it is ignored, but still has to be a string
    native, parts = kernels.engine(regex.text), regex.numbered(replacement.value)
    return None if native is None or parts is None else NativeCall(name, (), (native, list(parts)))


@replace_all_patterns.checked
def _(mode: str) -> None:
    if mode not in ("key", "value"):
        raise ValueError(f"mode must be key or value, got {mode}")


def _replaced_column(
    arena: Any,
    regex: Regex,
    texts: tuple[kernels.Bits, kernels.Lens],
    template: bytes,
    function: Callable[[bytes], bytes] | None,
    form: bytes | None,
) -> tuple[kernels.Bits, kernels.Lens, kernels.Bools] | None:
    """Strings with all matches replaced, and which had one; None where only the scalar way can, or a function fails."""
    bits, lens = texts
    if function is None:
        return kernels.replaced(arena, regex, bits, lens, template)
    parts = regex.numbered(template)
    if parts is not None and all(isinstance(part, bytes) for part in parts):
        try:
            new = _formatted(function(b"".join(part for part in parts if isinstance(part, bytes))), form)
        except ValueError:
            return None
        return kernels.replaced(arena, regex, bits, lens, new.replace(b"$", b"$$"))

    def compute(b: kernels.Bits, n: kernels.Lens) -> tuple[NDArray[Any], ...]:
        changed = kernels.matches(arena, regex, b, n)
        hit = np.flatnonzero(changed)
        new = [_replaced(regex, text, template, function, form) or b"" for text in arena.take(b[hit], n[hit])]
        new_bits, new_lens = b.copy(), n.copy()
        new_bits[hit], new_lens[hit] = arena.put(new)
        return new_bits, new_lens, changed

    try:
        found: tuple[kernels.Bits, kernels.Lens, kernels.Bools] = kernels.distinct(arena, bits, lens, compute)
    except ValueError:
        return None
    return found


def _renamed_columns(
    target: MapColumn, regex: Regex, template: bytes, function: Callable[[bytes], bytes] | None, form: bytes | None
) -> int | None:
    """`replace_all_patterns` on keys: each distinct key once."""
    names: dict[bytes, int] = {}
    renamed: list[int] = []
    known = target.keys()
    for key in known:
        try:
            new = _replaced(regex, key, template, function, form)
        except _FunctionError:
            renamed.append(-1)
            continue
        except ValueError:
            return None
        renamed.append(names.setdefault(key if new is None else new, len(names)))
    owners, codes, _, tags, bits, lens = target.entries()
    if kernels.any_deep(target.batch, tags, bits, lens):
        return None
    fresh = np.array(renamed, np.int64)[codes]
    kept = np.flatnonzero(fresh >= 0)
    # The later of entries with one key wins, in the place of the first.
    words = owners[kept].astype(np.int64) * max(1, len(names)) + fresh[kept]
    _, first, place = np.unique(words, return_index=True, return_inverse=True)
    last = np.zeros(len(first), np.intp)
    np.maximum.at(last, place, np.arange(len(kept)))
    order = np.argsort(first)
    where, value = kept[first[order]], kept[last[order]]
    counts = np.bincount(owners[where], minlength=target.count).astype(np.int32)
    key_bits, key_lens = target.batch.put(list(names))
    used = fresh[where]
    everything = np.arange(target.count)
    target.replace(everything, counts, key_bits[used], key_lens[used], tags[value], bits[value], lens[value])
    return target.count


class _FunctionError(ValueError):
    """The function, or the format of its result, failed; `replace_all_patterns` goes on with the next entry."""


def _final(replacement: bytes, function: Callable[[bytes], bytes] | None, form: bytes | None) -> bytes:
    return replacement if function is None else _formatted(function(replacement), form)


def _replaced(
    regex: Any, value: bytes, template: bytes, function: Callable[[bytes], bytes] | None, form: bytes | None
) -> bytes | None:
    """The value with all matches replaced; `None` where nothing matches."""
    pattern: Regex = regex
    if not pattern.search(value):
        return None
    if function is None:
        return pattern.replace(value, template)

    def call(text: bytes) -> bytes:
        try:
            return _formatted(function(text), form)
        except ValueError as error:
            raise _FunctionError(str(error)) from error

    return pattern.replace_with(value, template, call)


def _formatted(text: bytes, form: bytes | None) -> bytes:
    """The text in a format with one `%s`.

    The reference looks for a `%s` in a text of one line and for no `%` before another character; what slips through
    gets the marks of its formatter.
    """
    if form is None:
        return text
    before, marker, after = form.partition(b"%s")
    rest = after.replace(b"%s", b"")
    if not marker or b"\n" in form or b"%" in before or b"%" in rest.removesuffix(b"%"):
        raise ValueError("replacement_format must have one %s and no other verb")
    after = after.replace(b"%s", b"%!s(MISSING)")
    if form.endswith(b"%"):
        after = after[:-1] + b"%!(NOVERB)"
    bounds.current().text(len(before) + len(text) + len(after))
    return before + text + after

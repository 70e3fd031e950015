"""Native kernels over columns of strings, with the scalar way for what they decline.

A column of strings is `bits int64 (n,)` and `lens uint32 (n,)`, views into the arena of a batch. Where few values
repeat often, a kernel runs once a distinct value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl.bounds import current
from ottl.patterns import Glob, Regex, compile_regex
from ottl.types import Bytes, Map, Slice, TypedList

if TYPE_CHECKING:
    from ottl import _native

Bits = NDArray[np.int64]
Lens = NDArray[np.uint32]
Tags = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Cells = tuple[Tags, Bits, Lens]


def distinct(arena: Any, bits: Bits, lens: Lens, compute: Callable[[Bits, Lens], tuple[NDArray[Any], ...]]) -> Any:
    """What a kernel gives for a column, computed once a distinct string where that saves at least half the work.

    Args:
        arena: the batch.
        bits: (n,) offsets.
        lens: (n,) lengths.
        compute: from strings to one or more arrays, one element a string.
    """
    if len(bits) < 2:
        return compute(bits, lens)
    codes, first = arena.intern(None, bits, lens)
    if 2 * len(first) > len(codes):
        return compute(bits, lens)
    return tuple(found[codes] for found in compute(bits[first], lens[first]))


def hex_digest(arena: Any, name: str, bits: Bits, lens: Lens) -> tuple[Bits, Lens]:
    """Digests as lower-case hexadecimal text.

    Args:
        arena: the batch.
        name: `md5`, `sha1`, `sha256`, `sha512` or `xxh3`.
        bits: (n,) offsets.
        lens: (n,) lengths.
    """
    from ottl import _native

    kernel = getattr(_native, f"{name}_hex")
    return distinct(arena, bits, lens, lambda b, n: kernel(arena, b, n))  # type: ignore[no-any-return]


def fnv1a64(arena: Any, bits: Bits, lens: Lens) -> Bits:
    """64-bit FNV-1a hashes, wrapped to int64."""
    from ottl import _native

    (found,) = distinct(arena, bits, lens, lambda b, n: (_native.fnv1a64(arena, b, n),))
    return found  # type: ignore[no-any-return]


def read_times(arena: Any, layout: tuple[Any, ...], bits: Bits, lens: Lens) -> tuple[Bits, Bools]:
    """The times that texts say, in nanoseconds, and which texts say none in UTC or are left to the scalar kernel."""
    from ottl import _native

    return distinct(arena, bits, lens, lambda b, n: _native.read_times(arena, b, n, layout))  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=1024)
def engine(text: str) -> _native.Regex | None:
    """The native engine for an expression; None where it might understand it otherwise than Go."""
    from ottl import _native

    try:
        return _native.Regex(text)
    except ValueError:
        return None


def matches(arena: Any, regex: Regex, bits: Bits, lens: Lens) -> Bools:
    """Whether an expression matches anywhere in each string, bool (n,)."""
    return _searched(arena, regex.text, regex.search, bits, lens)


def _searched(arena: Any, expression: str, search: Callable[[bytes], bool], bits: Bits, lens: Lens) -> Bools:
    """Whether an expression matches, by the native engine where it can, else by a function."""

    def compute(b: Bits, n: Lens) -> tuple[Bools]:
        native = engine(expression)
        if native is None:
            return (np.fromiter((search(text) for text in arena.take(b, n)), np.bool_, len(b)),)
        found, declined = native.is_match(arena, b, n)
        if declined is not None:
            found = found.copy()
            index = np.flatnonzero(declined)
            found[index] = [search(text) for text in arena.take(b[index], n[index])]
        return (found,)

    (result,) = distinct(arena, bits, lens, compute)
    return result  # type: ignore[no-any-return]


def globbed(arena: Any, glob: Glob, bits: Bits, lens: Lens) -> Bools:
    """Whether a glob matches each whole string, bool (n,)."""
    ends = glob.ends
    if ends is not None:
        return arena.starts_with(bits, lens, ends[0]) & arena.ends_with(bits, lens, ends[1])  # type: ignore[no-any-return]

    return _searched(arena, glob.expression, glob.match, bits, lens)


def replaced(arena: Any, regex: Regex, bits: Bits, lens: Lens, template: bytes) -> tuple[Bits, Lens, Bools] | None:
    """Strings with all matches replaced, and which of them had a match.

    Returns:
        None where only the scalar way can do it: an unusual expression or template, a result beyond the limit.
    """
    native = engine(regex.text)
    parts = regex.numbered(template)
    if native is None or parts is None:
        return None

    def compute(b: Bits, n: Lens) -> tuple[NDArray[Any], ...]:
        new_bits, new_lens, changed, declined = native.replace_all(arena, b, n, parts, current().max_string)
        if declined is not None:
            new_bits, new_lens, changed = new_bits.copy(), new_lens.copy(), changed.copy()
            index = np.flatnonzero(declined)
            old = arena.take(b[index], n[index])
            new = [regex.replace(text, template) for text in old]
            new_bits[index], new_lens[index] = arena.put(new)
            changed[index] = [regex.search(text) for text in old]
        return new_bits, new_lens, changed

    try:
        return distinct(arena, bits, lens, compute)  # type: ignore[no-any-return]
    except ValueError:
        return None  # a result beyond the limit: the scalar way says on which row


def window_steps(
    slots: NDArray[np.int64],
    values: NDArray[np.float64],
    windows: tuple[NDArray[Any], ...],
    score: bool,
    alarm: tuple[int, float, NDArray[np.int64]] | None,
) -> tuple[NDArray[np.float64], Bools]:
    """The next values of many series, as `Series.steps` of `ottl.analysis.running` takes them, to the last bit.

    Args:
        slots: the series of each value, (n,).
        values: finite, (n,).
        windows: the columns of a `Window` in their order, changed in place.
        score: of each value its score, else the deviation with it.
        alarm: whether the score is beyond a threshold: `hold`, threshold, and the column `silent`.
    """
    from ottl import _native

    return _native.window_steps(slots, values, windows, score, alarm)


def joined(arena: Any, columns: list[tuple[Bits, Lens]], delimiter: bytes, count: int) -> tuple[Bits, Lens]:
    """Strings joined row by row.

    Args:
        arena: the batch.
        columns: strings (count,), or (1,) for the same on every row.
        delimiter: between them.
        count: number of rows.
    """
    from ottl import _native

    return _native.concat(arena, columns, delimiter, count)


_CLASSES = (Map, Slice, Bytes, TypedList)


def objects(arena: Any, tags: Tags, bits: Bits, lens: Lens) -> list[Any] | None:
    """Cells as Python values, lists and maps with all they hold; None where they are odd or nest very deep."""
    from ottl import _native

    try:
        return _native.objects(arena, tags, bits, lens, _CLASSES)
    except ValueError:
        return None


def cells(arena: Any, values: list[Any]) -> tuple[Cells, list[int]]:
    """Python values as cells that an attribute can hold, and the positions of those that another way must look at."""
    from ottl import _native

    return _native.cells(arena, values, _CLASSES, current().max_items)


def parsed_json(arena: Any, bits: Bits, lens: Lens) -> tuple[Cells, Bools | None]:
    """JSON objects and arrays as map and list cells, and the rows declined, bool (n,)."""
    from ottl import _native

    return _native.parse_json(arena, bits, lens)


def parsed_pairs(
    arena: Any, bits: Bits, lens: Lens, delimiter: bytes, pair_delimiter: bytes
) -> tuple[Cells, Bools | None]:
    """Texts of keys and values as map cells, and the rows declined, bool (n,)."""
    from ottl import _native

    return _native.parse_pairs(arena, bits, lens, delimiter, pair_delimiter)


def captured(
    arena: Any, regex: Regex, bits: Bits, lens: Lens
) -> tuple[Bools, dict[str, tuple[Bits, Lens, Bools]], Bools | None] | None:
    """The named groups of the first match in each string.

    Returns:
        Where there is a match, for each name the views and where the group took part, and the rows declined; None where
        only the scalar way can do it.
    """
    groups = named_groups(regex)
    if groups is None:
        return None
    native, named = groups
    matched, found, declined = native.captures(arena, bits, lens, list(named.values()))
    return matched, dict(zip(named, found, strict=True)), declined


def named_groups(regex: Regex) -> tuple[_native.Regex, dict[str, int]] | None:
    """The native engine for an expression and its named groups; None where only the scalar way can tell them."""
    native = engine(regex.text)
    # Nameless groups count for the native engine, whatever they do for the scalar one.
    names = compile_regex(regex.text).group_names
    named = [number for number, name in enumerate(names) if name]
    if native is None or native.groups != len(names) or len({names[n] for n in named}) != len(named):
        return None
    return native, {names[n]: n for n in named}


def any_deep(arena: Any, tags: Tags, bits: Bits, lens: Lens) -> bool:
    """Whether any list or map nests so deep that storing it again may be refused."""
    from ottl import _native

    return _native.any_deep(arena, tags, bits, lens)


def map_parts(arena: Any, bits: Bits, lens: Lens, keys: bool) -> tuple[Bits, Lens]:
    """The keys, or the values, of map cells as list cells."""
    from ottl import _native

    return _native.map_parts(arena, bits, lens, keys)


Part = tuple[Tags, Bits, Lens, Bools | None]
"""A column of scalar cells, (n,) or (1,), and where there is one."""


def maps(arena: Any, names: list[bytes], columns: list[Part], count: int) -> tuple[Bits, Lens]:
    """A map cell a row, of the same keys in the same order, less the entries that are not there."""
    from ottl import _native

    return _native.make_maps(arena, names, columns, count)


def lists(arena: Any, columns: list[Part], count: int) -> tuple[Bits, Lens]:
    """A list cell a row."""
    from ottl import _native

    return _native.make_lists(arena, columns, count)

"""Editors of fields, maps and lists: what a rule changes in place.

Editors that look for patterns in texts are in `ottl.stdlib.replacing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

from ottl.bounds import current
from ottl.codec import kernels
from ottl.codec.maps import MapColumn
from ottl.functions import (
    MISSING,
    Columns,
    Compiled,
    Const,
    Example,
    ListTarget,
    MapKey,
    MapKeys,
    MapTarget,
    NativeCall,
    Omittable,
    Register,
    Target,
    Utf8,
    editor,
)
from ottl.patterns import Regex, compile_regex
from ottl.tables.vectors import MAP, STRING, Bools, Vector, uniform
from ottl.types import (
    Bytes,
    Duration,
    Map,
    Opaque,
    ProfileID,
    Slice,
    SpanID,
    Time,
    TraceID,
    TypedList,
    Value,
    as_raw,
    as_string,
    from_raw,
)

_YEAR_ONE_NS = -62_135_596_800_000_000_000


@editor(
    "set",
    Example('set(log.attributes["a"], "x")', {"a": "x"}),
    Example('set(log.attributes["a"], nil)', {"a": None}, given={"a": 1}),
    Example('set(log.attributes["é"], [1, "b"])', {"é": [1, "b"]}),
    Example('set(log.attributes["a"], Duration("1s"))', error="unsupported type"),
    lowering="store",
)
def set_value(target: Target, value: Value) -> None:
    """Writes a value to a path; nil makes an entry Empty.

    Args:
        target: the path.
        value: what it shall hold.

    Source: OTTL reference, editor `set`.
    """
    target.set(value)


_ZEROS: dict[type, Value] = {
    type(None): None,
    bool: False,
    int: 0,
    float: 0.0,
    bytes: b"",
    Bytes: Bytes(b""),
    Duration: Duration(0),
    Time: Time(_YEAR_ONE_NS),
    TraceID: TraceID(bytes(16)),
    SpanID: SpanID(bytes(8)),
    ProfileID: ProfileID(bytes(16)),
}


@editor(
    "clear",
    Example('clear(log.attributes["a"])', {"a": ""}, given={"a": "x"}),
    Example('clear(log.attributes["a"])', {"a": None}),
    Example("clear(log.attributes)", {}, given={"a": 1, "b": 2}),
    Example('clear(log.attributes["a"])', {"a": []}, given={"a": [1, 2]}),
)
def clear(target: Target) -> None:
    """Sets a path to the zero value of what it holds: `""`, 0, false, an empty list or map; nil stays nil.

    Args:
        target: the path.

    Source: OTTL reference, editor `clear`.
    """
    value = target.get()
    kind = type(value)
    if isinstance(value, Map):
        target.set(Map())
    elif isinstance(value, TypedList):
        target.set(TypedList((), value.element))
    elif kind is Slice:
        target.set(Slice())
    elif isinstance(value, Opaque):
        raise ValueError(f"clear: no zero value for {value.kind}")
    else:
        target.set(_ZEROS.get(kind))


@editor(
    "append",
    Example('append(log.attributes["a"], "y")', {"a": ["x", "y"]}, given={"a": "x"}),
    Example('append(log.attributes["a"], values=[1, 2.5, nil])', {"a": [1, 2.5, None]}),
    Example('append(log.attributes["a"], 3)', {"a": [1, 2, 3]}, given={"a": [1, 2]}),
    Example('append(log.attributes["a"], log.attributes)', {"a": 1}, given={"a": 1}, error="invalid value type"),
    Example('append(log.attributes["a"])', load_error=True, error="at least one"),
)
def append(
    target: Target,
    value: Any = MISSING,
    values: Omittable[tuple[Value, ...]] = None,
) -> None:
    """Adds values at the end of a list; a scalar becomes the first element of a new list.

    Args:
        target: a path that takes a list.
        value: one more element.
        values: more elements, behind it.

    Source: OTTL reference, editor `append`.
    """
    current = target.get()
    elements: list[Any]
    if current is None:
        elements = []
    elif type(current) is Slice:
        elements = as_raw(current)
    elif type(current) is list or (isinstance(current, TypedList) and current.element in _FLAT_ELEMENTS):
        elements = list(current)
    else:
        elements = [current]
    # Nil is a value to append, so it cannot stand for a value left out.
    if value is not MISSING:
        elements.append(value)
    elements.extend(values or ())
    target.set(from_raw(elements))


_FLAT_ELEMENTS = frozenset({"string", "int64", "bool", "float64"})


@clear.vector
def _(columns: Columns, target: Vector) -> tuple[Vector, Bools] | None:
    tags = target.tag_array(columns.count)
    if (tags > MAP).any():
        return None
    zeros = np.zeros(columns.count, np.int64)
    return uniform(tags, zeros, zeros.astype(np.uint32), columns.level), np.ones(columns.count, np.bool_)


@clear.native
def _() -> NativeCall:
    return NativeCall("clear")


@append.native
def _(value: Any, values: Any) -> NativeCall | None:
    more = [] if value is MISSING else [value]
    if values is not None:
        if not isinstance(values, list):
            return None
        more += values
    return NativeCall("append", tuple(more)) if all(isinstance(one, Register) for one in more) else None


@append.checked
def _(value: Any = None, values: Any = ()) -> None:
    if value is MISSING and values is None:
        raise ValueError("at least one of value and values must be given")


@editor(
    "delete_key",
    Example('delete_key(log.attributes, "a")', {"d": 4, "b": 2, "c": 3}, given={"a": 1, "b": 2, "c": 3, "d": 4}),
    Example('delete_key(log.attributes, "é")', {"a": 1}, given={"a": 1}),
    Example('delete_key(log.attributes["a"], "b")', {}, error="expected"),
)
def delete_key(target: MapTarget, key: Utf8) -> None:
    """Removes a key; the last entry moves into its place. A key that is not there is no error.

    Args:
        target: a map.
        key: the key.

    Source: OTTL reference, editor `delete_key`.
    """
    target.remove(key)


@delete_key.vector
def _(target: MapColumn, key: bytes) -> int:
    return target.delete(key)


@delete_key.native
def _(key: Register) -> NativeCall | None:
    return NativeCall("delete", (), (MapKey(key.value),)) if type(key.value) is bytes else None


@editor(
    "delete_matching_keys",
    Example('delete_matching_keys(log.attributes, "^http\\\\.")', {"a": 1}, given={"http.url": "x", "a": 1}),
    Example('delete_matching_keys(log.attributes, "")', {}, given={"é": 1}),
    Example('delete_matching_keys(log.attributes, "(")', error="regular expression", load_error=True),
)
def delete_matching_keys(target: MapTarget, pattern: Annotated[str, Compiled(compile_regex)]) -> None:
    """Removes the keys in which a regular expression matches anywhere; the others keep their order.

    Args:
        target: a map; only its own keys are looked at.
        pattern: regular expression.

    Source: OTTL reference, editor `delete_matching_keys`.
    """
    _retain(target, pattern, False)


@delete_matching_keys.vector
def _(target: MapColumn, pattern: Regex) -> int:
    names = target.keys()
    return target.retain(np.array([not pattern.search(key) for key in names], np.bool_))


@delete_matching_keys.native
def _(pattern: Any) -> NativeCall | None:
    return _keeping(pattern, complement=True)


@editor(
    "keep_matching_keys",
    Example('keep_matching_keys(log.attributes, "^http\\\\.")', {"http.url": "x"}, given={"a": 1, "http.url": "x"}),
    Example('keep_matching_keys(log.attributes, "é")', {}, given={"e": 1}),
    Example('keep_matching_keys(log.attributes, "[")', error="regular expression", load_error=True),
)
def keep_matching_keys(target: MapTarget, pattern: Annotated[str, Compiled(compile_regex)]) -> None:
    """Keeps only the keys in which a regular expression matches anywhere, in their order.

    Args:
        target: a map; only its own keys are looked at.
        pattern: regular expression.

    Source: OTTL reference, editor `keep_matching_keys`.
    """
    _retain(target, pattern, True)


@keep_matching_keys.vector
def _(target: MapColumn, pattern: Regex) -> int:
    names = target.keys()
    return target.retain(np.array([pattern.search(key) for key in names], np.bool_))


@keep_matching_keys.native
def _(pattern: Any) -> NativeCall | None:
    return _keeping(pattern, complement=False)


def _keeping(pattern: Any, *, complement: bool) -> NativeCall | None:
    native = kernels.engine(pattern.text) if isinstance(pattern, Regex) else None
    return None if native is None else NativeCall("keep", (), (MapKeys((), native, complement),))


def _retain(target: MapTarget, pattern: Any, matching: bool) -> None:
    regex: Regex = pattern
    keys = target.keys()
    keep = [regex.search(key) is matching for key in keys]
    if not all(keep):
        target.retain(keep)


@editor(
    "keep_keys",
    Example('keep_keys(log.attributes, ["c", "a"])', {"a": 1, "c": 3}, given={"a": 1, "b": 2, "c": 3}),
    Example("keep_keys(log.attributes, [])", {}, given={"é": 1}),
    Example("keep_keys(log.attributes, [1])", error="string", load_error=True),
)
def keep_keys(target: MapTarget, keys: list[Utf8]) -> None:
    """Keeps only the keys listed, in the order of the map.

    Args:
        target: a map.
        keys: the keys to keep.

    Source: OTTL reference, editor `keep_keys`.
    """
    wanted = set(keys)
    present = target.keys()
    keep = [key in wanted for key in present]
    if not all(keep):
        target.retain(keep)


@keep_keys.vector
def _(target: MapColumn, keys: list[bytes]) -> int:
    names = target.keys()
    wanted = frozenset(keys)
    return target.retain(np.array([key in wanted for key in names], np.bool_))


@keep_keys.native
def _(keys: list[Register] | Register) -> NativeCall | None:
    if not isinstance(keys, list) or any(type(key.value) is not bytes for key in keys):
        return None
    return NativeCall("keep", (), (MapKeys(tuple(key.value for key in keys)),))


@editor(
    "limit",
    Example('limit(log.attributes, 2, ["c"])', {"a": 1, "c": 3}, given={"a": 1, "b": 2, "c": 3}),
    Example("limit(log.attributes, 0, [])", {}, given={"é": 1}),
    Example("limit(log.attributes, 5, [])", {"a": 1}, given={"a": 1}),
    Example('limit(log.attributes, 1, ["a", "b"])', error="priority", load_error=True),
)
def limit(target: MapTarget, limit: Const[int], priority_keys: Const[list[str]]) -> None:
    """Shortens a map to a number of entries: the priority keys, then the first others.

    Args:
        target: a map.
        limit: number of entries to keep, at least the number of priority keys.
        priority_keys: keys kept before all others.

    Source: OTTL reference, editor `limit`.
    """
    if len(target) <= limit:
        return
    keys = target.keys()
    first = [key.encode(errors="surrogateescape") for key in priority_keys]
    priority, present = set(first), set(keys)
    kept = sum(key in present for key in first)
    keep = []
    for key in keys:
        stays = key in priority
        if not stays and kept < limit:
            kept += 1
            stays = True
        keep.append(stays)
    target.retain(keep)


@limit.vector
def _(target: MapColumn, limit: int, priority_keys: list[str]) -> int:
    owners, codes, _, tags, bits, lens = target.entries()
    sizes = np.bincount(owners, minlength=target.count)
    over = sizes > limit
    if not over.any():
        return 0
    keys = target.keys()
    first = [key.encode(errors="surrogateescape") for key in priority_keys]
    kept = np.zeros(target.count, np.int64)
    for key in first:
        kept += target.get(key)[1]
    priority = np.array([key in first for key in keys], np.bool_)[codes]
    # The place of an entry among those of its row that have no priority.
    others = np.cumsum(~priority)
    starts = np.cumsum(sizes) - sizes
    before = np.concatenate(([0], others))[starts]
    stays = priority | (others - before[owners] <= (limit - kept)[owners])
    keep = np.flatnonzero(stays & over[owners])
    changed = np.flatnonzero(over)
    counts = np.bincount(owners[keep], minlength=target.count)[changed].astype(np.int32)
    key_bits, key_lens = target.batch.put(keys)
    used = codes[keep]
    target.replace(changed, counts, key_bits[used], key_lens[used], tags[keep], bits[keep], lens[keep])
    return len(changed)


@limit.native
def _(limit: int, priority_keys: list[str]) -> NativeCall | None:
    first = tuple(dict.fromkeys(key.encode(errors="surrogateescape") for key in priority_keys))
    return NativeCall("limit", (), (limit, MapKeys(first))) if len(first) == len(priority_keys) else None


@limit.checked
def _(limit: int, priority_keys: list[str]) -> None:
    if limit < 0:
        raise ValueError(f"the limit must not be negative, got {limit}")
    if limit < len(priority_keys):
        raise ValueError(f"the limit {limit} is less than the number of priority keys, {len(priority_keys)}")


@editor(
    "truncate_all",
    Example("truncate_all(log.attributes, 2)", {"u": "h", "n": 12345}, given={"u": "héllo", "n": 12345}),
    Example(
        'truncate_all(log.attributes, 4, truncation_marker="..")',
        {"a": "ab..", "b": "abcd"},
        given={"a": "abcdef", "b": "abcd"},
    ),
    Example("truncate_all(log.attributes, 0)", {"a": ""}, given={"a": "é"}),
    Example('truncate_all(log.attributes, 1, true, "..")', error="marker", load_error=True),
)
def truncate_all(
    target: MapTarget, limit: Const[int], utf8_safe: Const[bool] = True, truncation_marker: Const[str] = ""
) -> None:
    """Shortens all strings of a map to a number of bytes; other values, and what lies inside them, stay.

    Args:
        target: a map.
        limit: most bytes of a string.
        utf8_safe: never cut inside a character.
        truncation_marker: put at the end of what was cut, within the limit.

    Source: OTTL reference, editor `truncate_all`.
    """
    marker = truncation_marker.encode(errors="surrogateescape")
    for index, (_, value) in enumerate(target.items()):
        if type(value) is bytes and len(value) > limit:
            end = limit - len(marker)
            while utf8_safe and end > 0 and value[end] & 0xC0 == 0x80:
                end -= 1
            target.put_at(index, value[:end] + marker)


@truncate_all.vector
def _(target: MapColumn, limit: int, utf8_safe: bool, truncation_marker: str) -> int:
    marker = truncation_marker.encode(errors="surrogateescape")
    cut = limit - len(marker)
    owners, _, slots, tags, bits, lens = target.entries()
    index = np.flatnonzero((tags == STRING) & (lens > limit))
    if not len(index):
        return 0
    ends = np.full(len(index), cut, np.uint32)
    if utf8_safe and cut:
        # Where the byte behind the cut continues a character, the cut moves back to where it begins.
        behind, _ = target.batch.arena_view(bits[index] + cut, np.ones(len(index), np.uint32))
        inside = np.flatnonzero(np.frombuffer(behind, np.uint8) & 0xC0 == 0x80)
        for position, text in zip(
            inside.tolist(), target.batch.take(bits[index[inside]], lens[index[inside]]), strict=True
        ):
            end = cut
            while end > 0 and text[end] & 0xC0 == 0x80:
                end -= 1
            ends[position] = end
    shown = bits[index], ends
    if marker:
        shown = kernels.joined(target.batch, [shown, target.batch.put([marker])], b"", len(index))
    target.put_slots(slots[index], Vector(STRING, *shown, None, target.level))
    return len(np.unique(owners[index]))


@truncate_all.native
def _(limit: int, utf8_safe: bool, truncation_marker: str) -> NativeCall:
    return NativeCall("truncate", (), (limit, utf8_safe, truncation_marker.encode(errors="surrogateescape")))


@truncate_all.checked
def _(limit: int, truncation_marker: str = "") -> None:
    if limit < 0:
        raise ValueError(f"the limit must not be negative, got {limit}")
    size = len(truncation_marker.encode(errors="surrogateescape"))
    if size > limit:
        raise ValueError(f"the truncation marker has {size} bytes, more than the limit {limit}")


@editor(
    "merge_maps",
    Example(
        'merge_maps(log.attributes, ParseJSON("{\\"a\\": 2, \\"b\\": 3}"), "upsert")',
        {"a": 2.0, "b": 3.0},
        given={"a": 1},
    ),
    Example('merge_maps(log.attributes, {"a": 2, "b": 3}, "insert")', {"a": 1, "b": 3}, given={"a": 1}),
    Example('merge_maps(log.attributes, {"a": 2, "b": 3}, "update")', {"a": 2}, given={"a": 1}),
    Example('merge_maps(log.attributes, log.attributes["m"], "insert")', error="expected"),
    Example('merge_maps(log.attributes, {}, "replace")', error="strategy", load_error=True),
)
def merge_maps(target: MapTarget, source: Map, strategy: Const[str]) -> None:
    """Writes the entries of a map into another; nested maps are replaced, not merged.

    Args:
        target: the map that changes.
        source: the map that is read.
        strategy: `insert` writes new keys only, `update` present keys only, `upsert` both.

    Source: OTTL reference, editor `merge_maps`.
    """
    for key, value in source.entries:
        if strategy == "upsert" or (target.get(key) is MISSING) is (strategy == "insert"):
            target.put(key, value)


@merge_maps.vector
def _(target: MapColumn, source: Vector, strategy: str) -> int | None:
    if source.lens is None or kernels.any_deep(target.batch, *source.cells()):
        return None
    return target.merge(source, strategy)


@merge_maps.native
def _(source: Register, strategy: str) -> NativeCall:
    return NativeCall("merge", (source,), (strategy,))


@merge_maps.aliased
def _(target: MapTarget, source: Callable[[], Map], strategy: str) -> None:
    """As `merge_maps`; each slot is made before its value is read, and so may be read as part of it."""
    for position, (key, _) in enumerate(source().entries):
        if strategy == "upsert" or (target.get(key) is MISSING) is (strategy == "insert"):
            if strategy != "update":
                target.put(key, None)
            target.put(key, source().entries[position][1])


@merge_maps.checked
def _(strategy: str) -> None:
    if strategy not in ("insert", "update", "upsert"):
        raise ValueError(f"strategy must be insert, update or upsert, got {strategy}")


@editor(
    "flatten",
    Example("flatten(log.attributes)", {"a.b": 1, "a.c.0": "x", "d": 2}, given={"a": {"b": 1, "c": ["x"]}, "d": 2}),
    Example('flatten(log.attributes, "p", 1)', {"p.a.b": {"c": 1}}, given={"a": {"b": {"c": 1}}}),
    Example("flatten(log.attributes, resolve_conflicts=true)", {"l": 3, "l.0": "é"}, given={"l": [3, "é"]}),
    Example("flatten(log.attributes)", {}, given={"a": {}, "l": []}),
    Example("flatten(log.attributes, depth=0)", error="depth", load_error=True),
)
def flatten(
    target: MapTarget,
    prefix: Const[str] = "",
    depth: Omittable[Const[int]] = None,
    resolve_conflicts: Const[bool] = False,
) -> None:
    """Replaces nested maps and lists by entries with dotted keys; empty ones disappear.

    Args:
        target: a map.
        prefix: put before all keys, with a dot.
        depth: number of levels taken apart; all when left out.
        resolve_conflicts: a key that is taken gets `.0`, `.1` and so on, and elements of lists share the list's key.
            Otherwise the last value of a key wins.

    Source: OTTL reference, editor `flatten`.
    """
    before = prefix.encode(errors="surrogateescape")
    dotted = before + b"." if before else b""
    flattened = _Flattened(depth, resolve_conflicts)
    # Up to the first nested value there is nothing but keys to change, unless two keys become one.
    flat = target.flat_keys()
    flattened.grow(len(dotted) * len(flat) + sum(map(len, flat)))
    named = [dotted + key for key in flat] if dotted else flat
    taken = set(named)
    if len(taken) == len(named):
        flattened.add_map(target.items(len(named)) if len(named) < len(target) else [], before, 0)
        if taken.isdisjoint(flattened.entries):
            target.rename(named)
            if len(named) < len(target):
                target.replace(flattened.entries.items(), len(named))
            return
        flattened = _Flattened(depth, resolve_conflicts)
    flattened.add_map(target.items(), before, 0)
    target.replace(flattened.entries.items())


@flatten.vector
def _(target: MapColumn, prefix: str, depth: int | None, resolve_conflicts: bool) -> int | None:
    done = target.flatten(prefix.encode(errors="surrogateescape"), depth, resolve_conflicts)
    return target.count if done else None


@flatten.native
def _(prefix: str, depth: int | None, resolve_conflicts: bool) -> NativeCall:
    return NativeCall("flatten", (), (prefix.encode(errors="surrogateescape"), depth, resolve_conflicts))


@flatten.checked
def _(depth: int | None = None) -> None:
    if depth is not None and depth < 1:
        raise ValueError(f"depth must be greater than 0, got {depth}")


class _Flattened:
    """The entries that `flatten` collects, in order."""

    __slots__ = ("conflicts", "depth", "entries", "key_bytes", "most", "resolve")

    def __init__(self, depth: int | None, resolve: bool) -> None:
        self.depth = depth
        self.resolve = resolve
        self.entries: dict[bytes, Value] = {}
        self.conflicts: dict[bytes, int] = {}
        # Bounded, because every level writes its keys again into all keys below it.
        self.key_bytes = 0
        self.most = current().max_string

    def add_map(self, entries: list[tuple[bytes, Value]], prefix: bytes, depth: int) -> None:
        dotted = prefix + b"." if prefix else b""
        taken, simple = self.entries, not self.resolve
        for key, value in entries:
            if isinstance(value, (Map, Slice)):
                self.add(dotted + key, value, depth)
            elif simple:
                name = dotted + key
                taken[name] = value
                self.grow(len(name))
            else:
                self.put(dotted + key, value)

    def add(self, key: bytes, value: Value, depth: int) -> None:
        if isinstance(value, Map) and self._reaches(depth):
            self.add_map(value.entries, key, depth + 1)
        elif isinstance(value, Slice) and self._reaches(depth):
            self.add_list(value, key, depth + 1)
        else:
            self.put(key, value)

    def add_list(self, items: Slice, key: bytes, depth: int) -> None:
        for index, item in enumerate(items):
            numbered = b"%s.%d" % (key, index)
            if isinstance(item, Map) and self._reaches(depth):
                self.add_map(item.entries, numbered, depth + 1)
            elif isinstance(item, Slice) and self._reaches(depth):
                # The reference forgets the dot between a nested list's key and the index of its elements.
                for inner, element in enumerate(item):
                    self.add(b"%s%d" % (numbered, inner), element, depth + 2)
            else:
                self.put(key if self.resolve else numbered, item)

    def put(self, key: bytes, value: Value) -> None:
        if self.resolve:
            if key in self.entries:
                count = self.conflicts.get(key, 0)
                self.conflicts[key] = count + 1
                key = b"%s.%d" % (key, count)
            else:
                self.conflicts[key] = 0
        self.entries[key] = value
        self.grow(len(key))

    def grow(self, key_bytes: int) -> None:
        self.key_bytes += key_bytes
        if self.key_bytes > self.most:
            raise ValueError(f"flatten: keys of more than {self.most:,} bytes in all (--max-string, Limits.max_string)")

    def _reaches(self, depth: int) -> bool:
        return self.depth is None or depth < self.depth


@editor(
    "delete_index",
    Example('delete_index(log.attributes["l"], 1)', {"l": [1, 3]}, given={"l": [1, 2, 3]}),
    Example('delete_index(log.attributes["l"], 0, 2)', {"l": []}, given={"l": ["é", 2]}),
    Example('delete_index(log.attributes["l"], 2)', {"l": [1]}, given={"l": [1]}, error="out of bounds"),
)
def delete_index(target: ListTarget, start_index: int, end_index: Omittable[int] = None) -> None:
    """Removes a range of elements from a list.

    Args:
        target: a list.
        start_index: the first element to remove.
        end_index: the first element to keep behind it; the one behind `start_index` when left out.

    Source: OTTL reference, editor `delete_index`.
    """
    items = target.items()
    end = start_index + 1 if end_index is None else end_index
    if start_index != 0 or end != len(items):
        if not 0 <= start_index < len(items):
            raise ValueError(f"delete_index: start {start_index} is out of bounds of a list of length {len(items)}")
        if end < start_index:
            raise ValueError(f"delete_index: end {end} is less than start {start_index}")
        if end > len(items):
            raise ValueError(f"delete_index: end {end} is out of bounds of a list of length {len(items)}")
    if start_index != end:
        del items[start_index:end]
        target.replace(items)


@delete_index.native
def _(start_index: Register, end_index: Register | None) -> NativeCall:
    return NativeCall("cut", (start_index,) if end_index is None else (start_index, end_index))


@editor(
    "stringify_all",
    Example("stringify_all(log.attributes)", {"i": "1", "d": "1.5", "s": "é"}, given={"i": 1, "d": 1.5, "s": "é"}),
    Example("stringify_all(log.attributes)", {"l": '[1,"<"]', "n": ""}, given={"l": [1, "<"], "n": None}),
)
def stringify_all(target: MapTarget) -> None:
    """Replaces all values of a map that are no strings by their text; Empty becomes `""`.

    Args:
        target: a map.

    Source: OTTL reference, editor `stringify_all`.
    """
    for index, (_, value) in enumerate(target.items()):
        if type(value) is not bytes:
            target.put_at(index, as_string(value))


@stringify_all.vector
def _(target: MapColumn) -> int | None:
    owners, _, slots, tags, bits, lens = target.entries()
    index = np.flatnonzero(tags != STRING)
    values = kernels.objects(target.batch, tags[index], bits[index], lens[index])
    if values is None:
        return None
    try:
        texts = [as_string(value) for value in values]
    except ValueError:
        return None
    new_bits, new_lens = target.batch.put(texts)
    target.put_slots(slots[index], Vector(STRING, new_bits, new_lens, None, target.level))
    return len(np.unique(owners[index]))


@stringify_all.native
def _() -> NativeCall:
    return NativeCall("stringify")

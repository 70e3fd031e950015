"""Accessors of paths over protobuf messages, for the rows executor.

A path of a rule becomes one closure, built when the program is prepared, that reads or writes one `Row`:

| path | read | write |
|---|---|---|
| without keys | `getter(spec)(row)` | `setter(spec)(row, value)` |
| one literal string key | `key_getter(spec, key)(row)` | `key_setter(spec, key)(row, value)` |
| any keys | `keys_getter(spec)(row, keys)` | `keys_setter(spec)(row, keys, value)` |

`map_target(spec, with_keys)(row, keys)` and `list_target` open what an editor changes in place.

Values come and go in the forms of `ottl.types`: reads are detached copies except `Opaque`, which refers to the live
message; writes copy. What the reference refuses on a row is a `ValueError`. A write sets `Row.changed`, a failed one
too when it may have left something behind (an empty key); the cache is no part of the payload and sets nothing.

Targets have a `finish` beside the protocol of `ottl.functions`: call it when the editor has succeeded. Maps that a
path presents but no message holds (attributes of profiles, request metadata) are written back, or refused, only then.

The parts are in `entries` (values and maps), `fields`, `reading`, `writing`, `walk` (rows), `profiles` (their
dictionary), `metadata` (of the request) and `tracestate`; the names that others need are gathered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ottl.contexts.paths import Access, PathSpec, View
from ottl.types import Map, Slice, Value, kind_name, strict_map, strict_slice
from ottl.vm.entries import (
    DetachedTarget,
    EntriesTarget,
    descend,
    entries_of_value,
    find,
    replace_entries,
    string_key,
    value_from_message,
    value_into_message,
)
from ottl.vm.fields import KeysGet, part_of
from ottl.vm.reading import entries_of, getter, key_getter, keys_getter
from ottl.vm.walk import Row, new_cache, points, prune, walk
from ottl.vm.writing import key_setter, keys_setter, setter

__all__ = [
    "Row",
    "getter",
    "key_getter",
    "key_setter",
    "keys_getter",
    "keys_setter",
    "list_target",
    "map_target",
    "new_cache",
    "points",
    "prune",
    "setter",
    "value_from_message",
    "value_into_message",
    "walk",
]


def map_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    """Opens a map for an editor.

    Args:
        spec: any path; what holds no map is an error on the row.
        with_keys: whether keys follow; else they are ignored.

    Returns:
        From row and keys to the target; raises `ValueError` where there is no map.
    """
    if spec.access is not Access.READ_WRITE or spec.view is View.DICTIONARY_MAP:
        return _detached_target(spec, with_keys)
    if spec.view in (View.MAP, View.CACHE):
        return _entries_target(spec, with_keys)
    if spec.view is View.VALUE:
        return _value_target(spec, with_keys)
    read = _reader(spec, with_keys)

    def refuse(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        value = read(row, keys)
        raise ValueError(f"expected pcommon.Map but got {'nil' if value is None else kind_name(value)}")

    return refuse


def _reader(spec: PathSpec, with_keys: bool) -> KeysGet:
    if with_keys:
        return keys_getter(spec)
    read = getter(spec)
    return lambda row, _: read(row)


def _entries_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    entries = entries_of(spec)
    payload = spec.view is not View.CACHE

    def open_map(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        found = entries(row)
        if with_keys:
            message = find(found, string_key(keys[0]))
            if message is not None and len(keys) > 1:
                message = descend(message, keys[1:])
            found = entries_of_value(message)
        return EntriesTarget(found, row if payload else None)

    return open_map


def _value_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    part = part_of(spec, spec.field)

    def open_map(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        message = part(row)
        return EntriesTarget(entries_of_value(descend(message, keys) if with_keys else message), row)

    return open_map


def _detached_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], EntriesTarget]:
    read = _reader(spec, with_keys)
    write_keys = keys_setter(spec) if with_keys else None
    write = setter(spec)

    def open_map(row: Row, keys: tuple[Value, ...]) -> EntriesTarget:
        value = read(row, keys)
        if value is None:
            raise ValueError("expected pcommon.Map but got nil")
        scratch = new_cache()
        replace_entries(scratch.values, strict_map(value))

        def finish(changed: Map) -> None:
            if write_keys is not None:
                write_keys(row, keys, changed)
            else:
                write(row, changed)

        return DetachedTarget(scratch.values, finish)

    return open_map


class ValuesTarget:
    """The `ListTarget` of a path: a snapshot, written back as a whole.

    Args:
        values: the elements.
        write: takes the new list.
    """

    __slots__ = ("_values", "_write", "changed")

    def __init__(self, values: list[Value], write: Callable[[Value], None]) -> None:
        self._values = values
        self._write = write
        self.changed = False

    def items(self) -> list[Value]:
        """A snapshot of the elements."""
        return list(self._values)

    def replace(self, items: Iterable[Value]) -> None:
        """Gives the list new contents."""
        self._values = Slice(items)
        self._write(self._values)
        self.changed = True

    def finish(self) -> None:
        """Ends a successful edit; here all is written already."""


def list_target(spec: PathSpec, with_keys: bool) -> Callable[[Row, tuple[Value, ...]], ValuesTarget]:
    """Opens a list for an editor; arguments as for `map_target`."""
    read = _reader(spec, with_keys)
    write_keys = keys_setter(spec) if with_keys else None
    write = setter(spec)

    def open_list(row: Row, keys: tuple[Value, ...]) -> ValuesTarget:
        value = read(row, keys)
        if value is None:
            raise ValueError("expected pcommon.Slice but got nil")
        values = strict_slice(value)
        if write_keys is not None:
            return ValuesTarget(values, lambda changed: write_keys(row, keys, changed))
        return ValuesTarget(values, lambda changed: write(row, changed))

    return open_list

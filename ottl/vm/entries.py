"""Values and maps over protobuf messages: what attributes, bodies and caches hold, for the rows executor.

Reading gives detached copies in the forms of `ottl.types`; writing copies in. A map is a repeated field of `KeyValue`,
the cache included (a `KeyValueList` of its own), so every map operation exists once. Order, repeated keys and partial
effects are the reference's: a key whose value cannot be stored stays behind, empty.

Measured on a span of 12 attributes: 0.4 µs to find the first key, 1.5 µs the last, 0.5 µs to add or swap-remove one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ottl.bounds import current
from ottl.types import (
    MISSING,
    Bytes,
    Map,
    Missing,
    NotStorableError,
    Slice,
    Value,
    kind_name,
    storable,
)

if TYPE_CHECKING:
    from ottl.vm.walk import Row

NESTING: Final = 90
"""Messages that a stored value may nest, so that what rules build up can still be encoded and read again."""

_KIND_NAMES = {
    None: "Empty",
    "string_value": "Str",
    "bool_value": "Bool",
    "int_value": "Int",
    "double_value": "Double",
    "bytes_value": "Bytes",
    "string_value_strindex": "Empty",
}


def _read_map(message: Any) -> Map:
    return read_entries(message.kvlist_value.values)


def _read_list(message: Any) -> Slice:
    return Slice([_READ[item.WhichOneof("value")](item) for item in message.array_value.values])


def _read_nothing(_: Any) -> None:
    return None


_READ: dict[str | None, Callable[[Any], Value]] = {
    None: _read_nothing,
    "string_value": attrgetter("string_value"),
    "bool_value": attrgetter("bool_value"),
    "int_value": attrgetter("int_value"),
    "double_value": attrgetter("double_value"),
    "bytes_value": lambda message: Bytes(message.bytes_value),
    "array_value": _read_list,
    "kvlist_value": _read_map,
    # As in the reference, an index that nobody resolved is no value.
    "string_value_strindex": _read_nothing,
}


def value_from_message(message: Any) -> Value:
    """The value of an `AnyValue`, detached."""
    # A text that is there is what is set, and asking for it takes a third of the time that asking what is set takes.
    return message.string_value or _READ[message.WhichOneof("value")](message)


def read_entries(entries: Any) -> Map:
    """The contents of a repeated `KeyValue`, detached."""
    read = _READ
    result = Map.__new__(Map)
    result.entries = [
        (entry.key, (value := entry.value).string_value or read[value.WhichOneof("value")](value)) for entry in entries
    ]
    return result


def _write_nothing(message: Any, _: None, __: int) -> None:
    message.ClearField("value")
    message.SetInParent()


def _write_string(message: Any, value: bytes, _: int) -> None:
    message.string_value = value


def _write_bool(message: Any, value: bool, _: int) -> None:
    message.bool_value = value


def _write_int(message: Any, value: int, _: int) -> None:
    message.int_value = value


def _write_double(message: Any, value: float, _: int) -> None:
    message.double_value = value


def _write_bytes(message: Any, value: Bytes, _: int) -> None:
    message.bytes_value = value


def _write_map(message: Any, value: Map, room: int) -> None:
    target = message.kvlist_value
    target.SetInParent()
    entries = target.values
    del entries[:]
    _write_entries(entries, value.entries, room - 3)


def _write_list(message: Any, value: Slice, room: int) -> None:
    target = message.array_value
    target.SetInParent()
    items = target.values
    del items[:]
    if room < 2:
        raise ValueError(f"value nested deeper than {NESTING} messages")
    current().items(len(value))
    for item in value:
        _WRITE[type(item)](items.add(), item, room - 2)


def _write_entries(entries: Any, pairs: Sequence[tuple[bytes, Value]], room: int) -> None:
    if room < 0:
        raise ValueError(f"value nested deeper than {NESTING} messages")
    current().items(len(pairs))
    for key, value in pairs:
        entry = entries.add()
        entry.key = key
        _WRITE[type(value)](entry.value, value, room)


_WRITE: dict[type, Callable[[Any, Any, int], None]] = {
    type(None): _write_nothing,
    bytes: _write_string,
    bool: _write_bool,
    int: _write_int,
    float: _write_double,
    Bytes: _write_bytes,
    Map: _write_map,
    Slice: _write_list,
}


_SCALARS: Final = frozenset({bytes, bool, int, float, Bytes})
_SCALAR_FIELDS: Final = frozenset({"string_value", "bool_value", "int_value", "double_value", "bytes_value"})


def value_into_message(message: Any, value: Value) -> None:
    """Stores a value in an `AnyValue`.

    Raises:
        NotStorableError: no slot takes such a value. A list or map is then stored in part, as the reference leaves it;
        one that nests too
            deep leaves nil.
    """
    write = _WRITE.get(type(value))
    if write is not None:
        if write is _write_list or write is _write_map:
            current().value()
        try:
            write(message, value, NESTING)
        except ValueError as error:
            _write_nothing(message, None, NESTING)
            raise NotStorableError(str(error), None) from error
        return
    try:
        stored = storable(value)
    except NotStorableError as error:
        if error.partial is not MISSING:
            value_into_message(message, error.partial)
        raise
    value_into_message(message, stored)


def replace_entries(entries: Any, value: Value) -> None:
    """Stores a whole map: nil clears it.

    Raises:
        ValueError: the value is no map, or holds what no slot takes.
    """
    kind = type(value)
    if value is None:
        _empty(entries)
    elif kind is Map:
        _empty(entries)
        current().value()
        _write_entries(entries, value.entries, NESTING)  # type: ignore[union-attr]
    elif isinstance(value, Map):
        try:
            stored = storable(value)
        except NotStorableError as error:
            replace_entries(entries, error.partial)
            raise
        replace_entries(entries, stored)
    else:
        raise ValueError(f"expected a map but got {kind_name(value)}")


def _empty(entries: Any) -> None:
    """Removes all entries. Nothing to remove, nothing done: the mere attempt would create the messages around them."""
    if len(entries):
        del entries[:]


def find(entries: Any, key: bytes) -> Any:
    """The value message of the first entry with the key, or None."""
    for entry in entries:
        if entry.key == key:
            return entry.value
    return None


def find_or_add(entries: Any, key: bytes) -> Any:
    """The value message of the first entry with the key; a new, empty entry at the end where there is none."""
    for entry in entries:
        if entry.key == key:
            return entry.value
    entry = entries.add()
    entry.key = key
    value = entry.value
    value.SetInParent()
    return value


def _not_indexable(message: Any) -> ValueError:
    return ValueError(f"type {_KIND_NAMES[message.WhichOneof('value')]} does not support indexing")


def string_key(key: Value) -> bytes:
    """A key of a map; `ValueError` for anything but a string."""
    if type(key) is not bytes:
        raise ValueError(f"expected a string key for a map but got {kind_name(key)}")
    return key


def list_index(key: Value, length: int) -> int:
    """An index into a list; `ValueError` for anything but an integer within it."""
    if type(key) is not int:
        raise ValueError(f"expected an integer index for a list but got {kind_name(key)}")
    if not 0 <= key < length:
        raise ValueError(f"index {key} out of bounds")
    return key


def descend(message: Any, keys: Iterable[Value]) -> Any:
    """The value message that keys lead to inside an `AnyValue`.

    Returns:
        The message, or None where a map lacks a key, whatever keys follow.

    Raises:
        ValueError: an index out of range, a key of the wrong type, a key into a scalar.
    """
    for key in keys:
        kind = message.WhichOneof("value")
        if kind == "kvlist_value":
            message = find(message.kvlist_value.values, string_key(key))
            if message is None:
                return None
        elif kind == "array_value":
            items = message.array_value.values
            message = items[list_index(key, len(items))]
        else:
            raise _not_indexable(message)
    return message


def descend_or_add(message: Any, keys: Iterable[Value]) -> Any:
    """As `descend`, for writing: adds missing keys, and makes an empty value the map or list that a key needs."""
    for key in keys:
        kind = message.WhichOneof("value")
        if kind == "kvlist_value":
            message = find_or_add(message.kvlist_value.values, string_key(key))
        elif kind == "array_value":
            items = message.array_value.values
            message = items[list_index(key, len(items))]
        elif kind is None or kind == "string_value_strindex":
            message = _sprout(message, key)
        else:
            raise _not_indexable(message)
    return message


def _sprout(message: Any, key: Value) -> Any:
    if type(key) is bytes:
        message.kvlist_value.SetInParent()
        return find_or_add(message.kvlist_value.values, key)
    if type(key) is int:
        bounds = current()
        if key >= bounds.max_items:
            raise ValueError(f"index {key} is too large for a new list (--max-items, Limits.max_items)")
        bounds.value()
        bounds.items(key + 1)
        message.array_value.SetInParent()
        items = message.array_value.values
        # A negative index makes a list of one element, as in the reference.
        for _ in range(key):
            items.add()
        return items.add()
    raise ValueError(f"expected a string or an integer as key but got {kind_name(key)}")


def entries_of_value(message: Any) -> Any:
    """The repeated `KeyValue` inside an `AnyValue`; `ValueError` where it holds no map."""
    if message is None:
        raise ValueError("expected pcommon.Map but got nil")
    if message.WhichOneof("value") != "kvlist_value":
        value = value_from_message(message)
        raise ValueError(f"expected pcommon.Map but got {'nil' if value is None else kind_name(value)}")
    return message.kvlist_value.values


def retain(container: Any, keep: list[bool]) -> bool:
    """Keeps the marked elements of a repeated field, in order.

    Sorting moves the unmarked ones to the end without copying messages: linear, and half the cost of a rebuild.

    Args:
        container: the repeated field.
        keep: one mark an element.

    Returns:
        Whether any element went.
    """
    kept = keep.count(True)
    if kept == len(container):
        return False
    if kept:
        marks = iter(keep)
        container.sort(key=lambda _: not next(marks))
    del container[kept:]
    return True


class EntriesTarget:
    """The `MapTarget` over a repeated `KeyValue`, in place.

    Args:
        entries: the repeated field.
        row: told when something changed; None for maps outside the payload.
    """

    __slots__ = ("_entries", "_keys", "_looked_up", "_row", "_slots", "changed")

    def __init__(self, entries: Any, row: Row | None) -> None:
        self._entries = entries
        self._row = row
        self._keys: list[bytes] | None = None
        self._slots: dict[bytes, Any] | None = None
        self._looked_up = False
        self.changed = False

    def _touch(self) -> None:
        self.changed = True
        self._keys = None
        if self._row is not None:
            self._row.changed = True

    def _find(self, key: bytes) -> Any:
        """The value message of the first entry with the key, or None: from the second look on by a dictionary."""
        slots = self._slots
        if slots is None:
            if not self._looked_up:
                self._looked_up = True
                return find(self._entries, key)
            slots = self._slots = {}
            for entry in self._entries:
                slots.setdefault(entry.key, entry)
        found = slots.get(key)
        return None if found is None else found.value

    def _moved(self) -> None:
        """Entries are not any more where they were."""
        self._slots = None
        self._looked_up = False

    def __len__(self) -> int:
        return len(self._entries)

    def items(self, start: int = 0) -> list[tuple[bytes, Value]]:
        """All entries, or those from a position on, in order, repeated keys included; detached."""
        return read_entries(self._entries[start:] if start else self._entries).entries

    def keys(self) -> list[bytes]:
        """All keys, in order."""
        return [entry.key for entry in self._entries]

    def flat_keys(self) -> list[bytes]:
        """The keys, in order, up to the first entry whose value is a map, a list or Empty."""
        keys = []
        for entry in self._entries:
            value = entry.value
            if not value.string_value and value.WhichOneof("value") not in _SCALAR_FIELDS:
                break
            keys.append(entry.key)
        self._keys = keys
        return keys

    def get(self, key: bytes) -> Value | Missing:
        """The value of the first entry with the key."""
        value = self._find(key)
        return MISSING if value is None else value_from_message(value)

    def put(self, key: bytes, value: Value) -> None:
        """Overwrites the first entry with the key, or appends one."""
        self._touch()
        slots = self._slots
        if slots is None:
            message = self._find(key)
        else:
            found = slots.get(key)
            message = None if found is None else found.value
        if message is None:
            entry = self._entries.add()
            entry.key = key
            message = entry.value
            if self._slots is not None:
                self._slots[key] = entry
            if type(value) not in _SCALARS:
                message.SetInParent()  # stays, empty, where the value cannot be stored
        value_into_message(message, value)

    def put_at(self, index: int, value: Value) -> None:
        """Overwrites the value of the entry at a position."""
        self._touch()
        value_into_message(self._entries[index].value, value)

    def remove(self, key: bytes) -> bool:
        """Removes the first entry with the key; the last entry moves into the hole."""
        entries = self._entries
        for index, entry in enumerate(entries):
            if entry.key == key:
                if index != len(entries) - 1:
                    entry.CopyFrom(entries[-1])
                del entries[-1]
                self._touch()
                self._moved()
                return True
        return False

    def rename(self, keys: list[bytes]) -> None:
        """Gives the first entries new keys, one each, in order."""
        if keys is not self._keys:
            for entry, key in zip(self._entries, keys, strict=False):
                entry.key = key
        self._touch()
        self._moved()

    def retain(self, keep: list[bool]) -> None:
        """Keeps the entries whose position is marked, in order."""
        if retain(self._entries, keep):
            self._touch()
            self._moved()

    def replace(self, entries: Iterable[tuple[bytes, Value]], start: int = 0) -> None:
        """Gives the map new contents, all of them or those from a position on."""
        replacement = Map(entries)
        self._touch()
        self._moved()
        if start:
            del self._entries[start:]
            _write_entries(self._entries, replacement.entries, NESTING)
        else:
            replace_entries(self._entries, replacement)

    def finish(self) -> None:
        """Ends a successful edit; here all is written already."""


class DetachedTarget(EntriesTarget):
    """A `MapTarget` over a copy, written back as a whole when the edit is finished.

    Args:
        entries: the copy, a repeated `KeyValue` that nobody else holds.
        write: takes the new contents; raises `ValueError` where they cannot be written.
    """

    __slots__ = ("_write",)

    def __init__(self, entries: Any, write: Callable[[Map], None]) -> None:
        super().__init__(entries, None)
        self._write = write

    def finish(self) -> None:
        """Writes the contents back, changed or not."""
        self._write(read_entries(self._entries))

"""The dictionary that all profiles of a message share: its strings and attributes, read and written by index.

Writing looks for an equal entry first and appends one otherwise, so indices depend on the order of rows; nothing is
ever taken out. A rewritten attribute loses its unit, as in the reference.
"""

from __future__ import annotations

from typing import Any

from ottl.codec.messages import message_class
from ottl.types import equals
from ottl.vm.entries import find_or_add, value_from_message
from ottl.vm.walk import new_cache

_STRUCTURED = frozenset({"kvlist_value", "array_value"})


def string_at(dictionary: Any, index: int, name: str) -> bytes:
    """A string of the table; `ValueError` for an index out of range."""
    table = dictionary.string_table
    if not 0 <= index < len(table):
        raise ValueError(f"{name}: string index {index} is out of range")
    text: bytes = table[index]
    return text


def index_of(dictionary: Any, text: bytes, current: int = 0) -> int:
    """The index of a string, appended where the table lacks it.

    Args:
        dictionary: holds the table.
        text: the string.
        current: index to keep if it stands for the same string.
    """
    table = dictionary.string_table
    if 0 < current < len(table) and table[current] == text:
        return current
    try:
        return list(table).index(text)
    except ValueError:
        table.append(text)
        return len(table) - 1


def _attribute_at(dictionary: Any, index: int) -> Any:
    table = dictionary.attribute_table
    if not 0 <= index < len(table):
        raise ValueError(f"attribute index {index} out of bounds [0, {len(table)})")
    return table[index]


def attributes(dictionary: Any, indices: Any) -> Any:
    """The attributes that indices stand for, as a repeated `KeyValue` of their own.

    A key that comes twice has its last value in its first place.

    Raises:
        ValueError: an index out of range.
    """
    entries = new_cache().values
    for index in indices:
        attribute = _attribute_at(dictionary, index)
        key = string_at(dictionary, attribute.key_strindex, "attribute key")
        find_or_add(entries, key).CopyFrom(attribute.value)
    return entries


def attribute_copy(dictionary: Any, indices: Any, key: bytes) -> Any:
    """A copy of the first value of a key; an empty one where there is none."""
    slot = message_class("opentelemetry.proto.common.v1.AnyValue")()
    for index in indices:
        attribute = _attribute_at(dictionary, index)
        if string_at(dictionary, attribute.key_strindex, "attribute key") == key:
            slot.CopyFrom(attribute.value)
            break
    return slot


def put_attribute(dictionary: Any, indices: Any, key: bytes, value: Any) -> None:
    """Gives a key a value: in the place of the first index that stands for the key, or at the end.

    Args:
        dictionary: gets the string and the attribute where it lacks them.
        indices: of the profile or sample.
        key: UTF-8.
        value: an `AnyValue`.
    """
    key_index = index_of(dictionary, key)
    index = _attribute_index(dictionary, key_index, value)
    for position, present in enumerate(indices):
        if present == index:
            return
        if _attribute_at(dictionary, present).key_strindex == key_index:
            indices[position] = index
            return
    indices.append(index)


def replace_attributes(dictionary: Any, indices: Any, entries: Any) -> None:
    """Gives a profile or sample other attributes: a repeated `KeyValue`."""
    del indices[:]
    for entry in entries:
        indices.append(_attribute_index(dictionary, index_of(dictionary, entry.key), entry.value))


def _attribute_index(dictionary: Any, key_index: int, value: Any) -> int:
    table = dictionary.attribute_table
    for index, attribute in enumerate(table):
        if attribute.key_strindex == key_index and not attribute.unit_strindex and _same(attribute.value, value):
            return index
    attribute = table.add()
    attribute.key_strindex = key_index
    attribute.value.CopyFrom(value)
    return len(table) - 1


def _same(left: Any, right: Any) -> bool:
    kind = left.WhichOneof("value")
    if kind != right.WhichOneof("value"):
        return False
    if kind in _STRUCTURED:
        return equals(value_from_message(left), value_from_message(right))
    return kind is None or bool(getattr(left, kind) == getattr(right, kind))

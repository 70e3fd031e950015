"""Accessors over plain maps, for tests of editors."""

from __future__ import annotations

from collections.abc import Iterable

from ottl.functions import MISSING
from ottl.types import Map, Missing, Slice, Value, storable


class PlainMap:
    """A `MapTarget` over a list of entries.

    Args:
        entries: keys and values, in order; keys may repeat.
    """

    def __init__(self, *entries: tuple[bytes, Value]) -> None:
        self.entries = list(entries)

    def __len__(self) -> int:
        return len(self.entries)

    def items(self, start: int = 0) -> list[tuple[bytes, Value]]:
        return self.entries[start:]

    def keys(self) -> list[bytes]:
        return [key for key, _ in self.entries]

    def flat_keys(self) -> list[bytes]:
        nested = (n for n, (_, value) in enumerate(self.entries) if value is None or isinstance(value, (Map, Slice)))
        return self.keys()[: next(nested, len(self.entries))]

    def rename(self, keys: list[bytes]) -> None:
        for index, key in enumerate(keys):
            self.entries[index] = key, self.entries[index][1]

    def get(self, key: bytes) -> Value | Missing:
        return next((value for name, value in self.entries if name == key), MISSING)

    def put(self, key: bytes, value: Value) -> None:
        stored = storable(value)
        for index, (name, _) in enumerate(self.entries):
            if name == key:
                self.entries[index] = key, stored
                return
        self.entries.append((key, stored))

    def put_at(self, index: int, value: Value) -> None:
        self.entries[index] = self.entries[index][0], storable(value)

    def remove(self, key: bytes) -> bool:
        for index, (name, _) in enumerate(self.entries):
            if name == key:
                self.entries[index] = self.entries[-1]
                self.entries.pop()
                return True
        return False

    def retain(self, keep: list[bool]) -> None:
        self.entries = [entry for entry, stays in zip(self.entries, keep, strict=True) if stays]

    def replace(self, entries: Iterable[tuple[bytes, Value]], start: int = 0) -> None:
        self.entries[start:] = [(key, storable(value)) for key, value in entries]


class PlainValue:
    """A `Target` and `ListTarget` over one value.

    Args:
        value: what it holds.
    """

    def __init__(self, value: Value) -> None:
        self.value = value

    def get(self) -> Value:
        return self.value

    def set(self, value: Value) -> None:
        self.value = storable(value)

    def items(self) -> list[Value]:
        assert isinstance(self.value, Slice)
        return list(self.value)

    def replace(self, items: Iterable[Value]) -> None:
        self.value = Slice(items)

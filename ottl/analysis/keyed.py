"""Slots by key: at most so many, the least recently used go, and so do those that were idle for too long.

A `Keyed` belongs to one call site. Rows ask for the slot of their key one by one (`slot`) or together (`slots`), with
the same outcome.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ottl.analysis.running import Memory

MAX_KEYS = 100_000
"""Keys of a call site, by default."""

IDLE_S = 86_400
"""Seconds after which an unused key is forgotten, by default."""

_LONG_KEY = 64
_EVICTED = 16
"""Where there is no room left, one key in so many goes at once."""

M = TypeVar("M", bound=Memory)


def short(key: bytes) -> bytes:
    """The key, or a digest of a long one, so that keys are bounded in size too."""
    return key if len(key) <= _LONG_KEY else b"#" + hashlib.blake2b(key, digest_size=_LONG_KEY).digest()


class Keyed(Generic[M]):
    """A memory whose slots belong to keys.

    Args:
        memory: what is remembered of each key.
        max_keys: how many keys there may be.
        idle_ns: nanoseconds after which an unused key is forgotten.
    """

    def __init__(self, memory: M, max_keys: int = MAX_KEYS, idle_ns: int = IDLE_S * 10**9) -> None:
        self.memory = memory
        self.max_keys = max_keys
        self.idle_ns = idle_ns
        self.now = 0
        self._slots: dict[bytes, int] = {}
        self._names: list[bytes | None] = []
        self._used = np.zeros(0, np.int64)
        self._seen = np.zeros(0, np.int64)
        self._free: list[int] = []
        self._tick = 0
        self._swept = 0

    def __len__(self) -> int:
        return len(self._slots)

    def begin(self, now: int) -> None:
        """Sets the time, nanoseconds since the epoch, at which keys are used from now on; time never goes back."""
        self.now = max(self.now, now)
        if self.now - self._swept >= self.idle_ns and self._slots:
            self._swept = self.now
            stale = np.flatnonzero((self.now - self._seen > self.idle_ns) & (self._used > 0))
            self._drop(stale)

    def slot(self, key: bytes) -> int:
        """The slot of a key, a new one where there is none."""
        key = short(key)
        self._tick += 1
        found = self._slots.get(key)
        if found is None:
            if len(self._slots) >= self.max_keys:
                self._evict()
            found = self._add(key)
        elif self.now - self._seen[found] > self.idle_ns:
            self.memory.forget(np.array([found]))
        self._used[found] = self._tick
        self._seen[found] = self.now
        return found

    def slots(self, keys: Sequence[bytes], codes: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """The slots of many rows.

        Args:
            keys: distinct keys in the order of their first rows.
            codes: number of the key of each row, (n,).

        Returns:
            intp (n,); None, with nothing done, where there is no room for all: then ask row by row.
        """
        names = [short(key) for key in keys]
        fresh = sum(name not in self._slots for name in names)
        if len(self._slots) + fresh > self.max_keys:
            return None
        found = np.empty(len(names), np.intp)
        stale: list[int] = []
        for number, name in enumerate(names):
            slot = self._slots.get(name)
            if slot is None:
                slot = self._add(name)
            elif self.now - self._seen[slot] > self.idle_ns:
                stale.append(slot)
            found[number] = slot
        if stale:
            self.memory.forget(np.array(stale))
        rows = found[codes]
        # Of equal indices the last assignment stays: the last row of each key.
        self._used[rows] = self._tick + 1 + np.arange(len(rows))
        self._seen[found] = self.now
        self._tick += len(rows)
        return rows

    def _add(self, key: bytes) -> int:
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self._names)
            self._names.append(None)
            self.memory.resize(slot + 1)
            if slot >= len(self._used):
                more = max(16, slot)
                self._used = np.concatenate([self._used, np.zeros(more, np.int64)])
                self._seen = np.concatenate([self._seen, np.zeros(more, np.int64)])
        self._slots[key] = slot
        self._names[slot] = key
        self._seen[slot] = self.now
        return slot

    def _evict(self) -> None:
        """Makes room: the least recently used keys go."""
        live = np.fromiter(self._slots.values(), np.intp, len(self._slots))
        count = max(1, self.max_keys // _EVICTED)
        oldest = np.argsort(self._used[live], kind="stable")[:count]
        self._drop(live[oldest])

    def _drop(self, slots: NDArray[np.intp]) -> None:
        if not len(slots):
            return
        for slot in slots.tolist():
            name = self._names[slot]
            assert name is not None
            del self._slots[name]
            self._names[slot] = None
            self._free.append(slot)
        self._used[slots] = 0
        self.memory.forget(slots)

    # -- saving -------------------------------------------------------------------------------------------------------

    def save(self) -> tuple[list[bytes], dict[str, NDArray[Any]]]:
        """The keys, least recently used first, and what is remembered of them (`seen` and the memory's arrays)."""
        live = np.fromiter(self._slots.values(), np.intp, len(self._slots))
        live = live[np.argsort(self._used[live], kind="stable")]
        names = [self._names[slot] for slot in live.tolist()]
        arrays = {"seen": self._seen[live], **{f"memory.{n}": a for n, a in self.memory.save(live).items()}}
        return [name for name in names if name is not None], arrays

    def clear(self) -> None:
        """Forgets everything."""
        self._drop(np.fromiter(self._slots.values(), np.intp, len(self._slots)))

    def restore(self, keys: Sequence[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes back what `save` gave, in place of all that is remembered; the most recent where there are too many.

        Raises:
            ValueError: it does not fit; nothing is remembered then.
        """
        self.clear()
        seen = arrays.get("seen")
        if seen is None or seen.shape != (len(keys),) or seen.dtype != np.int64 or len(set(keys)) != len(keys):
            raise ValueError("the saved keys do not fit")
        kept = slice(max(0, len(keys) - self.max_keys), None)
        slots = np.array([self._add(key) for key in keys[kept]], np.intp)
        self._seen[slots] = seen[kept]
        self._used[slots] = self._tick + 1 + np.arange(len(slots))
        self._tick += len(slots)
        memory = {name.removeprefix("memory."): a[kept] for name, a in arrays.items() if name.startswith("memory.")}
        try:
            self.memory.restore(slots, memory)
        except ValueError:
            self._drop(slots)
            raise

"""`MapColumn`: the maps of many rows, as an editor's vector kernel sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.tables.vectors import Bools, Int32s, Vector


class MapColumn:
    """One map a row, for some rows of a table.

    A vector kernel of an editor returns on how many rows it changed something.

    Args:
        batch: the tables.
        table: number of the table.
        number: number of the map.
        rows: rows of the table (count,); None for all.
        count: how many rows.
        level: name of the table.
    """

    __slots__ = ("_number", "_table", "batch", "count", "level", "rows")

    def __init__(self, batch: Any, table: int, number: int, rows: Int32s | None, count: int, level: str) -> None:
        self.batch = batch
        self._table = table
        self._number = number
        self.rows = rows
        self.count = count
        self.level = level

    def lengths(self) -> NDArray[np.int64]:
        """Number of entries of each map, int64 (count,)."""
        return self.batch.map_lengths(self._table, self._number, self.rows)  # type: ignore[no-any-return]

    def get(self, key: bytes) -> tuple[Vector, Bools]:
        """First entry with a key: its values, and where there is one, bool (count,)."""
        tags, bits, lens, found = self.batch.map_get(self._table, self._number, key, self.rows)
        return Vector(tags, bits, lens, None, self.level), found

    def delete(self, key: bytes) -> int:
        """Removes the first entry with a key, the last one moves into the hole; how many maps had it."""
        before = self.lengths()
        self.batch.map_delete(self._table, self._number, key, self.rows)
        return int((self.lengths() != before).sum())

    def keys(self) -> list[bytes]:
        """The distinct keys, by code."""
        return self.batch.map_keys(self._table, self._number)  # type: ignore[no-any-return]

    def retain(self, keep: Bools) -> int:
        """Keeps the entries whose key is marked, bool (keys,); how many maps lost one."""
        before = self.lengths()
        self.batch.map_retain(self._table, self._number, self.rows, keep)
        return int((self.lengths() != before).sum())

    def entries(
        self,
    ) -> tuple[Int32s, NDArray[np.uint32], Int32s, NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32]]:
        """All entries in order, (m,) each: position of the row, key code, slot, and the cells."""
        return self.batch.map_entries(self._table, self._number, self.rows)  # type: ignore[no-any-return]

    def put_slots(self, slots: Int32s, values: Vector) -> None:
        """Overwrites the values of entries."""
        self.batch.map_put_slots(self._table, self._number, slots, *values.cells())

    def replace(
        self,
        positions: NDArray[Any],
        counts: NDArray[np.int32],
        key_bits: NDArray[np.int64],
        key_lens: NDArray[np.uint32],
        tags: NDArray[np.uint8],
        bits: NDArray[np.int64],
        lens: NDArray[np.uint32],
    ) -> None:
        """New contents for the maps at positions: counts of each, then keys (as views) and values of all, in order."""
        rows = positions.astype(np.int32) if self.rows is None else self.rows[positions]
        self.batch.map_replace(self._table, self._number, rows, counts, key_bits, key_lens, tags, bits, lens)

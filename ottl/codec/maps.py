"""`MapColumn`: the maps of many rows, as an editor's vector kernel sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.bounds import current
from ottl.tables.vectors import MAP, Bools, Int32s, Vector, uniform


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
        return uniform(tags, bits, lens, self.level), found

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

    def merge(self, source: Vector, strategy: str) -> int:
        """Writes the entries of map cells, (count,) or (1,), into the maps, as the strategy says; into how many."""
        from ottl import _native

        bits, lens = source.bits, source.lens
        return _native.map_merge(self.batch, self._table, self._number, self.rows, bits, lens, strategy)  # type: ignore[arg-type]

    def flatten(self, prefix: bytes, depth: int | None, resolve: bool) -> bool:
        """Takes nested lists and maps apart as the editor does; false, and nothing done, where keys get too long."""
        from ottl import _native

        return _native.map_flatten(
            self.batch, self._table, self._number, self.rows, prefix, depth, resolve, current().max_string
        )

    def set(self, key: bytes, values: Vector) -> None:
        """Overwrites the first entry with a key, or appends one."""
        self.batch.map_set(self._table, self._number, key, self.rows, *values.cells())

    def encoded(self) -> Vector:
        """The maps as cells."""
        bits, lens = self.batch.map_encode(self._table, self._number, self.rows)
        return Vector(MAP, bits, lens, None, self.level)

    def scratch(self, bits: NDArray[np.int64], lens: NDArray[np.uint32]) -> MapColumn:
        """Map cells (count,) as maps to edit, which lie apart from the payload."""
        from ottl import _native

        number = _native.map_scratch(self.batch, self._table, self.rows, bits, lens)
        return MapColumn(self.batch, self._table, number, self.rows, self.count, self.level)

    def changed(self) -> Bools:
        """Which maps were changed since the scan, or since `scratch` made them, bool (count,)."""
        from ottl import _native

        return _native.map_changed(self.batch, self._table, self._number, self.rows)

    def part(self, index: NDArray[Any]) -> MapColumn:
        """The maps at positions."""
        rows = index.astype(np.int32) if self.rows is None else self.rows[index]
        return MapColumn(self.batch, self._table, self._number, rows, len(index), self.level)

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

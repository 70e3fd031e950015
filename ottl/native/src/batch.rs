//! A batch: the tables of one payload, and what a program reads and writes in them.

use std::sync::Arc;

use crate::arena::Arena;
use crate::maps::{Map, Rows};
use crate::pages;
use crate::patch::Rope;
use crate::schema::{Plan, Schema, Values};
use crate::spare::Spare;
use crate::values::{Cell, Cells};

/// Rows to make room for when the first one is met: small payloads would spend their time growing.
const FIRST: usize = 16;

/// One column of cells; rows behind its end are empty.
#[derive(Debug, Default)]
pub struct Column {
    pub cells: Vec<Cell>,
    /// Rows whose cell was stored; empty while there is none.
    pub dirty: Vec<bool>,
}

impl Column {
    /// Writes the cell of the newest row, the last one wins.
    #[inline(always)]
    pub fn scanned(&mut self, row: usize, cell: Cell) {
        if self.cells.len() == row && row > 0 {
            self.cells.push(cell);
        } else {
            self.scanned_late(row, cell);
        }
    }

    #[inline(never)]
    fn scanned_late(&mut self, row: usize, cell: Cell) {
        if self.cells.is_empty() {
            self.cells.reserve(FIRST.max(row + 1));
        }
        if self.cells.len() <= row {
            self.cells.resize(row + 1, Cell::EMPTY);
        }
        self.cells[row] = cell;
    }

    /// Fills up with empty cells.
    fn pad(&mut self, rows: usize) {
        self.cells.resize(rows, Cell::EMPTY);
    }

    /// The cell of a row.
    #[inline(always)]
    pub fn get(&self, row: usize) -> Cell {
        self.cells.get(row).copied().unwrap_or_default()
    }

    /// True when the cell of the row was stored.
    #[inline(always)]
    pub fn is_dirty(&self, row: usize) -> bool {
        self.dirty.get(row).copied().unwrap_or(false)
    }

    /// Stores the cell of a row of a table of so many rows.
    #[inline(always)]
    pub fn put(&mut self, row: usize, rows: usize, cell: Cell) {
        if self.dirty.len() != rows {
            self.open(rows);
        }
        self.set(row, cell);
    }

    /// The cells and marks of a table of so many rows, to store some.
    #[inline(always)]
    pub fn opened(&mut self, rows: usize) -> (&mut [Cell], &mut [bool]) {
        if self.dirty.len() != rows {
            self.open(rows);
        }
        (&mut self.cells, &mut self.dirty)
    }

    /// Makes room to store cells of a table of so many rows.
    #[inline(never)]
    fn open(&mut self, rows: usize) {
        self.pad(rows);
        self.dirty.resize(rows, false);
    }

    /// Keeps the cell of a row of a table of so many rows, without a mark: it is not stored in the payload.
    #[inline(always)]
    pub fn keep(&mut self, row: usize, rows: usize, cell: Cell) {
        if self.cells.len() != rows {
            self.pad(rows);
        }
        if let Some(place) = self.cells.get_mut(row) {
            *place = cell;
        }
    }

    #[inline(always)]
    fn set(&mut self, row: usize, cell: Cell) {
        if let (Some(place), Some(dirty)) = (self.cells.get_mut(row), self.dirty.get_mut(row)) {
            (*place, *dirty) = (cell, true);
        }
    }
}

/// Where a row's message lies: positions of its tag, its body and its end.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub start: u32,
    pub body: u32,
    pub end: u32,
}

/// One table: the messages that one `rows` action of the plan (or several) met, in the order of the payload.
#[derive(Debug, Default)]
pub struct Table {
    /// Row of the parent table.
    pub parents: Vec<i32>,
    /// Node that visited the row.
    pub variants: Vec<u16>,
    pub extents: Vec<Extent>,
    pub columns: Vec<Column>,
    pub maps: Vec<Map>,
    /// What statements keep for rows beside the payload, by key.
    pub cache: Vec<Column>,
    pub dirty: Vec<bool>,
    pub dropped: Vec<bool>,
}

impl Table {
    /// How many rows there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Adds a row; its number.
    #[inline(always)]
    pub fn scanned(&mut self, parent: usize, variant: u32, start: usize, body: usize, end: usize) -> usize {
        let row = self.parents.len();
        if row == 0 {
            self.parents.reserve(FIRST);
            self.variants.reserve(FIRST);
            self.extents.reserve(FIRST);
        }
        self.parents.push(parent as i32);
        self.variants.push(variant as u16);
        self.extents.push(Extent { start: start as u32, body: body as u32, end: end as u32 });
        row
    }

    /// Ends the scan.
    pub fn finish(&mut self) {
        let rows = self.len();
        self.maps.iter_mut().for_each(|map| map.finish(rows));
        self.dirty.resize(rows, false);
        self.dropped.resize(rows, false);
    }

    /// Empties the table, which keeps its memory.
    pub fn clear(&mut self) {
        self.clear_rows();
        self.maps.iter_mut().for_each(Map::renew);
    }

    /// Empties it for more rows of the same payload.
    pub fn clear_rows(&mut self) {
        self.parents.clear();
        self.variants.clear();
        self.extents.clear();
        self.dirty.clear();
        self.dropped.clear();
        for column in self.columns.iter_mut().chain(&mut self.cache) {
            column.cells.clear();
            column.dirty.clear();
        }
        self.maps.iter_mut().for_each(Map::clear_rows);
    }

    /// Gives an empty table so many columns, and maps of which each is detached or not.
    pub fn shape(&mut self, columns: usize, maps: &[bool]) {
        self.columns.resize_with(columns, Column::default);
        self.maps.resize_with(maps.len(), Map::default);
        self.maps.iter_mut().zip(maps).for_each(|(map, &detached)| map.detached = detached);
    }

    /// Leaves the memory of an empty table to the system as far as that needs it; false if that can't be done.
    pub fn lend(&mut self) -> bool {
        let rows = pages::lend_room(&mut self.parents) & pages::lend_room(&mut self.extents);
        let columns = self.columns.iter_mut().chain(&mut self.cache);
        let columns = columns.map(|column| pages::lend_room(&mut column.cells));
        let maps = self.maps.iter_mut().map(Map::lend);
        columns.chain(maps).fold(rows, |all, one| all & one)
    }

    /// Bytes of memory that it holds on to.
    pub fn capacity(&self) -> usize {
        let rows = self.parents.capacity() * (4 + 2 + size_of::<Extent>() + 2);
        let columns = self.columns.iter().chain(&self.cache);
        let columns: usize = columns.map(|column| column.cells.capacity() * size_of::<Cell>()).sum();
        rows + columns + self.maps.iter().map(Map::capacity).sum::<usize>()
    }
}

/// The tables of one payload.
#[derive(Debug)]
pub struct Batch<P> {
    pub schema: Arc<Schema>,
    pub plan: Arc<Plan>,
    pub arena: Arena<P>,
    pub tables: Vec<Table>,
    /// Buffers for the result.
    pub rope: Rope,
}

impl<P> Drop for Batch<P> {
    /// Leaves the buffers to a later batch of the plan.
    fn drop(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        let extra = std::mem::take(&mut self.arena.extra);
        self.plan.spares.give(Spare { tables, extra, rope: std::mem::take(&mut self.rope) });
    }
}

impl<P: AsRef<[u8]>> Batch<P> {
    /// The table with this id.
    pub fn table(&self, table: usize) -> Result<&Table, String> {
        self.tables.get(table).ok_or_else(|| format!("there is no table {table}"))
    }

    fn table_mut(&mut self, table: usize) -> Result<&mut Table, String> {
        self.tables.get_mut(table).ok_or_else(|| format!("there is no table {table}"))
    }

    /// A column of a table.
    pub fn column(&self, table: usize, column: usize) -> Result<&Column, String> {
        let found = self.table(table)?.columns.get(column);
        found.ok_or_else(|| format!("table {table} has no column {column}"))
    }

    /// A map of a table.
    pub fn map(&self, table: usize, map: usize) -> Result<&Map, String> {
        self.table(table)?.maps.get(map).ok_or_else(|| format!("table {table} has no map {map}"))
    }

    /// The arena, a map and the marks of changed rows of its table, to edit.
    pub fn edit(&mut self, table: usize, map: usize) -> Result<(&mut Arena<P>, &mut Map, &mut [bool]), String> {
        let found = self.tables.get_mut(table).ok_or_else(|| format!("there is no table {table}"))?;
        let edited = found.maps.get_mut(map).ok_or_else(|| format!("table {table} has no map {map}"))?;
        Ok((&mut self.arena, edited, &mut found.dirty))
    }

    /// The message types of attribute values.
    pub fn values(&self) -> Result<Values, String> {
        self.schema.values.ok_or_else(|| "the schema has no attribute values".into())
    }

    /// Rows of a table to work on.
    pub fn rows<'r>(&self, table: usize, rows: Option<&'r [i32]>) -> Result<Rows<'r>, String> {
        Rows::new(rows, self.table(table)?.len())
    }

    /// Checks that cells can be stored: known tags of the accepted set, and views inside the arena.
    pub fn check(&self, cells: &Cells, accepts: u16) -> Result<(), String> {
        for at in 0..cells.distinct() {
            let cell = cells.get(at);
            if cell.tag >= 16 || accepts >> cell.tag & 1 == 0 {
                return Err(format!("a value of tag {} does not fit here", cell.tag));
            }
            self.arena.cell(cell)?;
        }
        Ok(())
    }

    /// Stores cells into a column and marks their rows.
    pub fn store(&mut self, table: usize, column: usize, rows: Rows, cells: Cells) -> Result<(), String> {
        self.column(table, column)?;
        let shape = self.plan.tables.get(table);
        let accepts = shape.and_then(|shape| shape.accepts.get(column)).copied().unwrap_or(0);
        self.check(&cells, accepts)?;
        let found = self.table_mut(table)?;
        let count = found.len();
        let Some(target) = found.columns.get_mut(column) else {
            return Ok(());
        };
        target.open(count);
        for (at, row) in rows.iter().enumerate() {
            target.set(row, cells.get(at));
            if let Some(dirty) = found.dirty.get_mut(row) {
                *dirty = true;
            }
        }
        Ok(())
    }

    /// Empties the cache of a table's rows, and gives it so many keys.
    pub fn open_cache(&mut self, table: usize, keys: usize) -> Result<(), String> {
        let found = self.table_mut(table)?;
        found.cache.resize_with(keys, Column::default);
        found.cache.iter_mut().for_each(|column| column.cells.clear());
        Ok(())
    }

    /// Keeps cells under a key of the cache.
    pub fn keep(&mut self, table: usize, key: usize, rows: Rows, cells: Cells) -> Result<(), String> {
        self.check(&cells, u16::MAX)?;
        let found = self.table_mut(table)?;
        let count = found.len();
        let column = found.cache.get_mut(key).ok_or_else(|| format!("the cache has no key {key}"))?;
        for (at, row) in rows.iter().enumerate() {
            column.keep(row, count, cells.get(at));
        }
        Ok(())
    }

    /// Marks rows as changed.
    pub fn touch(&mut self, table: usize, rows: Rows) -> Result<(), String> {
        let found = self.table_mut(table)?;
        for row in rows.iter() {
            if let Some(dirty) = found.dirty.get_mut(row) {
                *dirty = true;
            }
        }
        Ok(())
    }

    /// Marks rows for removal.
    pub fn drop_rows(&mut self, table: usize, mask: &[bool]) -> Result<(), String> {
        let found = self.table_mut(table)?;
        if mask.len() != found.len() {
            return Err(format!("expected {} marks, got {}", found.len(), mask.len()));
        }
        if table == 0 {
            return Err("the root cannot be dropped".into());
        }
        found.dropped.iter_mut().zip(mask).for_each(|(dropped, &mark)| *dropped |= mark);
        Ok(())
    }
}

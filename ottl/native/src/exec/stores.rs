//! Writes that choose where a value goes, and values that are put together from a whole row.

use super::inside::{fits, opened};
use super::times::instant;
use super::{kinds, known, stored, Declined, Done, Run, Width};
use crate::kernels::nested::deep;
use crate::kernels::parse::{put_item, DEEPEST};
use crate::maps::{decode_map, Entry, START};
use crate::schema::tags;
use crate::values::Cell;

/// A field that takes values of one tag.
#[derive(Debug)]
pub struct Member {
    pub column: u32,
    pub from: u8,
    pub tag: u8,
    /// The least and the greatest that it takes, as 64 bits.
    pub range: (i64, i64),
    pub width: Width,
    /// The other member of its choice, which it takes the place of.
    pub other: Option<u32>,
}

/// A data message of metrics: the column that marks it, and that of the field, where it has one.
pub type Data = (u32, Option<u32>);

/// Where a value is written.
#[derive(Debug)]
#[repr(u8)]
pub enum Target {
    /// A key of the rows' cache, which is no part of the payload.
    Cache { column: u32 },
    /// A whole map, which takes the entries of another.
    Map { map: u32 },
    /// An id of a kind; one of zeros is none.
    Id { column: u32, kind: u8 },
    /// The first field that takes the value, in rows whose node is one of `variants`.
    Members { members: Vec<Member>, variants: Option<Vec<u16>> },
    /// A field of whichever data message the metric has; ignored where that lacks it.
    Data { data: Vec<Data>, from: u8, width: Width },
}

/// The entries of a map that goes into those of rows, by the codes of their keys: rows of one resource often get the same.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The map they go into, and the one they are of.
    place: Option<(u32, Cell)>,
    codes: Vec<u32>,
    entries: Vec<Entry>,
}

impl Decoded {
    /// Forgets the map: another one may lie in its place.
    pub fn forget(&mut self) {
        self.place = None;
    }

    /// Codes of keys, and values.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, Cell)> + '_ {
        self.codes.iter().copied().zip(self.entries.iter().map(Entry::cell))
    }
}

impl Width {
    /// A number as the field keeps it.
    #[inline(always)]
    pub(super) fn fit(self, bits: i64) -> i64 {
        match self {
            Width::Whole => bits,
            Width::Signed32 => i64::from(bits as i32),
            Width::Unsigned32 => i64::from(bits as u32),
        }
    }
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    /// Writes a value of a row.
    pub(super) fn write(&mut self, row: usize, target: &Target, cell: Cell) -> Done<()> {
        match target {
            Target::Cache { column } => self.keep_cached(row, *column, stored(cell)),
            Target::Map { map } => self.assign(row, *map, cell),
            Target::Id { column, kind } => {
                if cell.tag != *kind {
                    return Err(Declined);
                }
                let zero = self.arena.get(cell.bits, cell.len).ok_or(Declined)?.iter().all(|&byte| byte == 0);
                let len = if zero { 0 } else { cell.len };
                self.store_cell(row, *column, Cell { tag: tags::BYTES, len, ..cell })
            }
            Target::Members { members, variants } => {
                let cell = instant(cell);
                if super::absent(self.tables.get(self.program.context).ok_or(Declined)?, row, variants) {
                    return Err(Declined);
                }
                let member = members.iter().find(|member| member.from == cell.tag).ok_or(Declined)?;
                if cell.bits < member.range.0 || cell.bits > member.range.1 {
                    return Err(Declined);
                }
                if let Some(other) = member.other {
                    self.store_cell(row, other, Cell::EMPTY)?;
                }
                let bits = member.width.fit(cell.bits);
                self.store_cell(row, member.column, Cell { bits, tag: member.tag, ..cell })
            }
            Target::Data { data, from, width } => {
                if cell.tag != *from {
                    return Err(Declined);
                }
                match self.chosen(self.program.context, row, data) {
                    Some(column) => self.store_cell(row, column, Cell { bits: width.fit(cell.bits), ..cell }),
                    None => Ok(()),
                }
            }
        }
    }

    /// Keeps a value under a key of the row's cache.
    pub(super) fn keep_cached(&mut self, row: usize, column: u32, cell: Cell) -> Done<()> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let rows = table.len();
        if !fits(cell, self.room.items) {
            return Err(Declined);
        }
        table.cache.get_mut(column as usize).ok_or(Declined)?.keep(row, rows, cell);
        Ok(())
    }

    /// The field's column in the data message that a metric has.
    pub(super) fn chosen(&self, table: usize, row: usize, data: &[Data]) -> Option<u32> {
        let table = self.tables.get(table)?;
        let marked = |column: u32| {
            table.columns.get(column as usize).is_some_and(|column| column.get(row) == Cell::scalar(tags::BOOL, 1))
        };
        data.iter().rfind(|&&(mark, _)| marked(mark))?.1
    }

    fn assign(&mut self, row: usize, map: u32, cell: Cell) -> Done<()> {
        if cell.tag != tags::MAP || !fits(cell, self.room.items) {
            return Err(Declined);
        }
        self.decode(map, cell)?;
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        Ok(map.rewrite(row, &self.state.decoded.codes, &self.state.decoded.entries, &mut table.dirty)?)
    }

    /// Reads the entries of a map that goes into another one, unless they are those of the last time.
    pub(super) fn decode(&mut self, map: u32, source: Cell) -> Done<()> {
        if self.state.decoded.place == Some((map, source)) {
            return Ok(());
        }
        let (map_of, _) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let keys = &mut map_of.keys;
        let Decoded { place, codes, entries } = &mut self.state.decoded;
        *place = None;
        codes.clear();
        entries.clear();
        let mut before = START;
        decode_map(self.arena, &self.values, source.bits, source.len, |key, cell| {
            before = keys.code_after(before, key);
            codes.push(before);
            entries.push(Entry::made(cell));
        })?;
        *place = Some((map, source));
        Ok(())
    }

    /// The map of a row of a table, as a value.
    pub(super) fn whole(&mut self, table: usize, map: u32) -> Done<Cell> {
        let row = self.state.places.get(table).ok_or(Declined)?[self.lane % super::LANES] as usize;
        let map = self.tables.get(table).and_then(|table| table.maps.get(map as usize)).ok_or(Declined)?;
        let out = &mut self.state.scratch.out;
        out.clear();
        map.encode_row(self.arena, &self.values, row, out)?;
        Ok(Cell::view(tags::MAP, self.arena.add(out), out.len()))
    }

    /// The keys of a row's map, or its values, as a list.
    pub(super) fn parts_of(&mut self, table: usize, map: u32, keys: bool) -> Done<Cell> {
        let row = self.state.places.get(table).ok_or(Declined)?[self.lane % super::LANES] as usize;
        let map = self.tables.get(table).and_then(|table| table.maps.get(map as usize)).ok_or(Declined)?;
        let out = &mut self.state.scratch.out;
        out.clear();
        let (codes, entries) = map.row(row);
        for (&code, entry) in codes.iter().zip(entries) {
            let cell = known(entry.cell());
            if keys {
                let key = map.keys.get(code);
                put_item(out, &self.values, Cell::view(tags::STRING, 0, key.len()), key);
            } else if deep(self.arena, &self.values, cell, DEEPEST - 1)? {
                return Err(Declined);
            } else {
                put_item(out, &self.values, cell, self.arena.cell(cell)?);
            }
        }
        Ok(Cell::view(tags::LIST, self.arena.add(out), out.len()))
    }

    /// Whether two ids of a kind are the same; one that is not there is all zeros.
    pub(super) fn same_id(&self, left: Cell, right: Cell) -> Done<bool> {
        if left.tag != right.tag || !matches!(left.tag, kinds::TRACE_ID | kinds::SPAN_ID) {
            return Err(Declined);
        }
        let bytes = |cell: Cell| self.arena.get(cell.bits, cell.len).ok_or(Declined);
        let zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        let (left, right) = (bytes(left)?, bytes(right)?);
        Ok(left == right || (zero(left) && zero(right)))
    }
}

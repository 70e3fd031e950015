//! Writes inside encoded lists and maps: all but the part that changes, and the lengths around it, is copied as it is.

use crate::arena::Arena;
use crate::batch::{Batch, Table};
use crate::maps::{damaged, Rows, Step};
use crate::schema::{tags, Values};
use crate::values::{any_len, any_value, key_value, put_any, Cell, Cells, Items};
use crate::wire;

/// A key behind a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Name(Vec<u8>),
    Index(i64),
}

impl Key {
    /// The step that it leads to.
    pub fn step(&self) -> Step<'_> {
        match self {
            Key::Name(name) => Step::Key(name),
            Key::Index(index) => Step::Index(*index),
        }
    }
}

/// Longest list that a write makes of nothing; longer ones are left to the caller.
const LONGEST_SPROUT: i64 = 1 << 10;

/// Appends what a list or map becomes when a value is put where keys lead from it, without its tag and length; whether it is a list
/// or a map then. Keys that are missing are added, and an Empty becomes the map that a key needs, or the list, of up to so many
/// `items`. None where the caller has to say why that can't be done.
pub fn put_inside<P: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    arena: &Arena<P>,
    values: &Values,
    whole: Cell,
    keys: &[Key],
    value: Cell,
    items: usize,
) -> Result<Option<u8>, String> {
    let longest = LONGEST_SPROUT.min(i64::try_from(items).unwrap_or(i64::MAX));
    Inside { arena, values, value, longest }.put(out, whole, keys)
}

/// Where the rows of a table have the values that others are put into.
#[derive(Debug, Clone, Copy)]
pub enum Root<'a> {
    /// Under a key of a map.
    Entry(usize, &'a [u8]),
    Column(usize),
}

/// Puts values, one a row or one for all, where keys lead from the value that a row has; in which rows that was not done, as for
/// [`put_inside`]. A column gets no other kind of value than it has.
#[allow(clippy::too_many_arguments)]
pub fn put_rows<P: AsRef<[u8]>>(
    batch: &mut Batch<P>,
    table: usize,
    root: Root,
    keys: &[Key],
    rows: Rows,
    cells: Cells,
    items: usize,
) -> Result<Vec<bool>, String> {
    let values = batch.values()?;
    batch.check(&cells, (1 << (tags::MAP + 1)) - 1)?;
    if let Root::Column(column) = root {
        batch.column(table, column)?;
    }
    let Batch { tables, arena, plan, .. } = batch;
    let accepts = match root {
        Root::Column(column) => {
            plan.tables.get(table).and_then(|shape| shape.accepts.get(column)).copied().unwrap_or(0)
        }
        Root::Entry(..) => u16::MAX,
    };
    let found = tables.get_mut(table).ok_or_else(|| format!("there is no table {table}"))?;
    let (count, Table { maps, columns, dirty, .. }) = (found.len(), found);
    let mut place = match root {
        Root::Entry(map, key) => {
            let map = maps.get_mut(map).ok_or_else(|| format!("table {table} has no map {map}"))?;
            let code = map.keys.code(key);
            Ok((map, code))
        }
        Root::Column(column) => Err(columns.get_mut(column).ok_or("there is no such column")?),
    };
    let mut declined = vec![false; rows.len()];
    let mut out = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let whole = match &place {
            Ok((map, code)) => map.entry(row, *code).map_or(Cell::EMPTY, |entry| entry.cell()),
            Err(column) => column.get(row),
        };
        out.clear();
        let tag = put_inside(&mut out, arena, &values, whole, keys, cells.get(at), items)?;
        let tag = tag.filter(|&tag| accepts >> tag & 1 != 0 && (place.is_ok() || tag == whole.tag));
        let Some(tag) = tag else {
            declined[at] = true;
            continue;
        };
        let cell = Cell::view(tag, arena.add(&out), out.len());
        match &mut place {
            Ok((map, code)) => map.put(row, *code, cell, dirty)?,
            Err(column) => {
                column.put(row, count, cell);
                if let Some(dirty) = dirty.get_mut(row) {
                    *dirty = true;
                }
            }
        }
    }
    Ok(declined)
}

/// A value on its way into others.
struct Inside<'a, P> {
    arena: &'a Arena<P>,
    values: &'a Values,
    value: Cell,
    longest: i64,
}

impl<P: AsRef<[u8]>> Inside<'_, P> {
    fn put(&self, out: &mut Vec<u8>, whole: Cell, keys: &[Key]) -> Result<Option<u8>, String> {
        let Some((key, below)) = keys.split_first() else {
            return Ok(None);
        };
        let done = match (whole.tag, key) {
            (tags::MAP, Key::Name(name)) => self.put_key(out, whole, name, below)?,
            (tags::LIST, Key::Index(index)) => self.put_item(out, whole, *index, below)?,
            (tags::EMPTY | tags::STRING_INDEX, Key::Name(name)) => self.put_pair(out, name, Cell::EMPTY, below)?,
            (tags::EMPTY | tags::STRING_INDEX, Key::Index(index)) if *index < self.longest => {
                // A negative index makes a list of one element, as in the reference.
                (0..*index).for_each(|_| out.extend([self.values.array_values << 3 | wire::LEN, 0]));
                self.put_element(out, Cell::EMPTY, below)?
            }
            _ => false,
        };
        Ok(done.then_some(if matches!(key, Key::Name(_)) { tags::MAP } else { tags::LIST }))
    }

    fn put_key(&self, out: &mut Vec<u8>, map: Cell, name: &[u8], below: &[Key]) -> Result<bool, String> {
        let data = self.arena.cell(map)?;
        let mut items = Items::new(data, self.values.map_values);
        while let Some(item) = items.next() {
            let (from, to) = item.map_err(damaged)?;
            let pair = key_value(self.values, data, from, to).map_err(damaged)?;
            if data.get(pair.key.0..pair.key.1) == Some(name) {
                let old = self.part(data, pair.value, map.bits, below)?;
                out.extend_from_slice(data.get(..items.began()).unwrap_or_default());
                let done = self.put_pair(out, name, old, below)?;
                out.extend_from_slice(data.get(to..).unwrap_or_default());
                return Ok(done);
            }
        }
        out.extend_from_slice(data);
        self.put_pair(out, name, Cell::EMPTY, below)
    }

    fn put_item(&self, out: &mut Vec<u8>, list: Cell, index: i64, below: &[Key]) -> Result<bool, String> {
        let data = self.arena.cell(list)?;
        let Ok(index) = usize::try_from(index) else {
            return Ok(false);
        };
        let mut items = Items::new(data, self.values.array_values);
        let Some(item) = items.nth(index) else {
            return Ok(false);
        };
        let (from, to) = item.map_err(damaged)?;
        let old = self.part(data, (from, to), list.bits, below)?;
        out.extend_from_slice(data.get(..items.began()).unwrap_or_default());
        let done = self.put_element(out, old, below)?;
        out.extend_from_slice(data.get(to..).unwrap_or_default());
        Ok(done)
    }

    /// What is there now; of no interest where the value takes its place.
    fn part(&self, data: &[u8], (from, to): (usize, usize), base: i64, below: &[Key]) -> Result<Cell, String> {
        if below.is_empty() {
            return Ok(Cell::EMPTY);
        }
        Ok(any_value(self.values, data, from, to, base).map_err(damaged)?.0)
    }

    fn put_pair(&self, out: &mut Vec<u8>, name: &[u8], old: Cell, below: &[Key]) -> Result<bool, String> {
        let begin = open(out, self.values.map_values);
        if !name.is_empty() {
            wire::put_bytes(out, u32::from(self.values.key), name);
        }
        let value = open(out, self.values.value);
        let done = self.put_value(out, old, below)?;
        close(out, value);
        close(out, begin);
        Ok(done)
    }

    fn put_element(&self, out: &mut Vec<u8>, old: Cell, below: &[Key]) -> Result<bool, String> {
        let begin = open(out, self.values.array_values);
        let done = self.put_value(out, old, below)?;
        close(out, begin);
        Ok(done)
    }

    /// Appends the body of the AnyValue that takes the place of another.
    fn put_value(&self, out: &mut Vec<u8>, old: Cell, below: &[Key]) -> Result<bool, String> {
        let Some(key) = below.first() else {
            out.reserve(any_len(self.value));
            put_any(out, self.values, self.value, self.arena.cell(self.value)?);
            return Ok(true);
        };
        let tag = if matches!(key, Key::Name(_)) { tags::MAP } else { tags::LIST };
        let begin = open(out, self.values.members[usize::from(tag)]);
        let done = self.put(out, old, below)?;
        close(out, begin);
        Ok(done.is_some())
    }
}

/// Begins a field of a small number whose length is not known yet; where its body begins.
fn open(out: &mut Vec<u8>, number: u8) -> usize {
    wire::put_tag(out, u32::from(number), wire::LEN);
    out.push(0);
    out.len()
}

/// Ends a field: writes its length, for which the body makes room where it takes more than a byte.
fn close(out: &mut Vec<u8>, begin: usize) {
    let len = out.len() - begin;
    if len < 0x80 {
        out[begin - 1] = len as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    wire::put_varint(&mut prefix, len as u64);
    out.splice(begin - 1..begin, prefix);
}

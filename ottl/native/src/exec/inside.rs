//! What lies below the first key of a map, or inside a body: values written there, maps edited there, and editors of single values.
//!
//! Nested lists and maps are encoded bytes. A value goes into them by [`put_inside`]; a map is taken out into one that has it as its
//! only row, edited there as all maps are, and put back.

use super::calls::replaced;
use super::edits::Editor;
use super::{kinds, known, stored, Declined, Done, Failed, Run, Slot};
use crate::batch::Table;
use crate::kernels::inside::{put_inside, Key};
use crate::kernels::nested::{deep, list_items};
use crate::kernels::parse::{put_item, DEEPEST};
use crate::kernels::{groups_of, Pattern, Piece};
use crate::maps::Map;
use crate::schema::tags;
use crate::values::{Cell, Items};

/// What holds a value in a row.
#[derive(Debug)]
#[repr(u8)]
pub enum Place {
    Entry { map: u32, key: u32 },
    Column { column: u32 },
    Cache { column: u32 },
}

/// Where a value is read and written: a place, and the keys that lead on from there.
#[derive(Debug)]
pub struct Spot {
    pub place: Place,
    pub below: Vec<Key>,
}

/// The number of the first map that is taken out of a row; those of tables have smaller ones.
pub const TAKEN: u32 = 1 << 16;

/// Keys that a map which was taken out may know: those of all rows, beyond which it forgets them.
const MOST_KEYS: usize = 1 << 12;

/// A map that is taken out of a row to be edited, and whether it was changed, as those of tables have it.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) map: Map,
    touched: [bool; 1],
}

/// A map of the context's rows, or one that was taken out, with the marks of changed rows.
#[inline(always)]
pub(super) fn opened<'a>(
    tables: &'a mut [Table],
    taken: &'a mut [Taken],
    context: usize,
    map: u32,
) -> Done<(&'a mut Map, &'a mut [bool])> {
    if let Some(number) = map.checked_sub(TAKEN) {
        let taken = taken.get_mut(number as usize).ok_or(Declined)?;
        return Ok((&mut taken.map, &mut taken.touched));
    }
    let table = tables.get_mut(context).ok_or(Declined)?;
    Ok((table.maps.get_mut(map as usize).ok_or(Declined)?, &mut table.dirty))
}

/// A glob that is compared with whole texts.
#[derive(Debug)]
pub enum Glob {
    /// What the texts begin and end with.
    Ends(Vec<u8>, Vec<u8>),
    Pattern(Pattern),
}

/// What an editor makes of a value.
#[derive(Debug)]
pub enum Change {
    /// Replaces the matches of an expression in a string.
    Replace { pattern: Pattern, template: Vec<Piece> },
    /// Replaces a string that a glob matches by one from a register.
    Match { glob: Glob, new: Slot },
    /// The zero of its type.
    Clear,
    /// A list with more values at its end, of a scalar with it as the first.
    Append(Vec<Slot>),
    /// A list without the elements from a number on, up to another one or one only.
    Cut { start: Slot, end: Option<Slot> },
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    /// Writes a value below the place of a row.
    pub(super) fn store_at(&mut self, row: usize, spot: &Spot, cell: Cell) -> Done<()> {
        let cell = stored(cell);
        // What nests deeper than the caller allows is refused by it.
        if !fits(cell, self.room.items) || deep(self.arena, &self.values, cell, DEEPEST)? {
            return Err(Declined);
        }
        self.put_at(row, spot, cell)
    }

    /// What a place of a row holds; nothing for a key that is not there.
    fn held(&self, row: usize, place: &Place) -> Done<Cell> {
        let table = self.tables.get(self.program.context).ok_or(Declined)?;
        Ok(match place {
            Place::Entry { map, key } => {
                let code = self.state.codes.get(*key as usize).copied().ok_or(Declined)?;
                let map = table.maps.get(*map as usize).ok_or(Declined)?;
                map.entry(row, code).map_or(Cell::EMPTY, |entry| entry.cell())
            }
            Place::Column { column } => table.columns.get(*column as usize).map_or(Cell::EMPTY, |found| found.get(row)),
            Place::Cache { column } => table.cache.get(*column as usize).map_or(Cell::EMPTY, |found| found.get(row)),
        })
    }

    /// As above, without a look at the value.
    fn put_at(&mut self, row: usize, spot: &Spot, mut cell: Cell) -> Done<()> {
        if !spot.below.is_empty() {
            let whole = self.held(row, &spot.place)?;
            // A body is not made a map or list by a write into it.
            if matches!(spot.place, Place::Column { .. }) && !matches!(whole.tag, tags::LIST | tags::MAP) {
                return Err(if whole.tag < tags::LIST { Failed } else { Declined });
            }
            let out = &mut self.state.scratch.out;
            out.clear();
            let items = self.room.items;
            let tag = put_inside(out, self.arena, &self.values, whole, &spot.below, cell, items)?.ok_or(Declined)?;
            cell = Cell::view(tag, self.arena.add(out), out.len());
        }
        match spot.place {
            Place::Entry { map, key } => self.store_entry(row, map, key, cell),
            Place::Column { column } => self.store_cell(row, column, cell),
            Place::Cache { column } => self.keep_cached(row, column, cell),
        }
    }

    /// Edits a map that lies at a spot of a row; whether that changed anything.
    pub(super) fn edit_at(&mut self, row: usize, spot: &Spot, number: u32, editor: &Editor) -> Done<bool> {
        let whole = self.held(row, &spot.place)?;
        let cell = self.below(whole, &spot.below)?;
        if cell.tag != tags::MAP {
            return Err(Declined);
        }
        let taken = self.state.taken.get_mut(number as usize).ok_or(Declined)?;
        if taken.map.keys.len() > MOST_KEYS {
            self.state.forget_keys(self.program, number);
        }
        let taken = self.state.taken.get_mut(number as usize).ok_or(Declined)?;
        taken.map.hold(self.arena, &self.values, cell)?;
        let changed = self.edit(0, TAKEN + number, editor)?;
        let map = &mut self.state.taken.get_mut(number as usize).ok_or(Declined)?.map;
        if map.dirty.first() == Some(&true) {
            map.keys.learn_heads(&self.values);
            let out = &mut self.state.scratch.out;
            out.clear();
            map.encode_row(self.arena, &self.values, 0, out)?;
            let cell = Cell::view(tags::MAP, self.arena.add(out), out.len());
            self.put_at(row, spot, cell)?;
        }
        Ok(changed)
    }

    /// Changes the value of a spot, which a register holds; whether that was one to change.
    pub(super) fn change_at(&mut self, row: usize, spot: &Spot, value: Slot, change: &Change) -> Done<bool> {
        let cell = self.get(value);
        let new = match change {
            Change::Replace { pattern, template } => {
                if cell.tag != tags::STRING {
                    return Ok(false);
                }
                let room = self.state.scratch.searcher(pattern, groups_of(template));
                replaced(self.arena, room, template, self.room.longest, cell)?
            }
            Change::Match { glob, new } => {
                let new = self.get(*new);
                self.text(new)?;
                (cell.tag == tags::STRING && self.globbed(glob, cell)?).then_some(new)
            }
            Change::Clear => Some(zero(cell)?),
            Change::Append(values) => Some(self.appended(cell, values)?),
            Change::Cut { start, end } => self.cut(cell, self.get(*start), end.map(|end| self.get(end)))?,
        };
        let Some(new) = new else {
            return Ok(false);
        };
        if !fits(new, self.room.items) {
            return Err(Declined);
        }
        self.put_at(row, spot, new)?;
        Ok(true)
    }

    /// Whether a glob matches a string.
    pub(super) fn globbed(&mut self, glob: &Glob, cell: Cell) -> Done<bool> {
        let text = self.arena.get(cell.bits, cell.len).ok_or(Declined)?;
        match glob {
            Glob::Ends(begin, end) => Ok(text.starts_with(begin) && text.ends_with(end)),
            Glob::Pattern(pattern) => self.state.scratch.searcher(pattern, []).0.is_match(text).ok_or(Declined),
        }
    }

    fn appended(&mut self, cell: Cell, more: &[Slot]) -> Done<Cell> {
        self.made(tags::LIST, |run, out| {
            match cell.tag {
                tags::EMPTY => {}
                // Maps inside would lose keys that come again.
                tags::LIST => {
                    let plain = |item: &Cell| item.tag < tags::LIST;
                    if !list_items(run.arena, &run.values, cell)?.iter().all(plain) {
                        return Err(Declined);
                    }
                    out.extend_from_slice(run.arena.cell(cell)?);
                }
                tag if tag < tags::LIST => put_item(out, &run.values, cell, run.arena.cell(cell)?),
                _ => return Err(Declined),
            }
            for &slot in more {
                let item = run.get(slot);
                if item.tag >= tags::LIST {
                    return Err(Declined);
                }
                put_item(out, &run.values, item, run.arena.cell(item)?);
            }
            Ok(())
        })
    }

    /// None where nothing is to be cut.
    fn cut(&mut self, cell: Cell, start: Cell, end: Option<Cell>) -> Done<Option<Cell>> {
        let integer = |cell: Cell| if cell.tag == tags::INT { Ok(cell.bits) } else { Err(Declined) };
        if cell.tag != tags::LIST {
            return Err(Declined);
        }
        let start = usize::try_from(integer(start)?).map_err(|_| Declined)?;
        let end = match end {
            None => start + 1,
            Some(end) => usize::try_from(integer(end)?).map_err(|_| Declined)?,
        };
        let data = self.arena.cell(cell)?;
        // Where the elements from `start` to `end` begin and end.
        let (mut from, mut to, mut count) = (data.len(), 0, 0);
        let mut items = Items::new(data, self.values.array_values);
        while let Some(item) = items.next() {
            let (_, behind) = item.map_err(|_| Declined)?;
            if count == start {
                from = items.began();
            }
            count += 1;
            if count == end {
                to = behind;
            }
        }
        if end < start || end > count || (start >= count && !(start == 0 && end == 0)) {
            return Err(Declined);
        }
        if start == end {
            return Ok(None);
        }
        let (from, to, len) = (from as u32, to as u32, cell.len);
        let begin = self.arena.copy(cell.bits, from).ok_or(Declined)?;
        self.arena.copy(cell.bits + i64::from(to), len - to).ok_or(Declined)?;
        Ok(Some(Cell::view(tags::LIST, begin, (from + len - to) as usize)))
    }

    /// A list of values.
    pub(super) fn list(&mut self, items: &[Slot]) -> Done<Cell> {
        self.made(kinds::RAW, |run, out| {
            for &slot in items {
                let item = run.member(slot)?;
                put_item(out, &run.values, item, run.arena.cell(item)?);
            }
            Ok(())
        })
    }

    /// A map of values, whose keys are told.
    pub(super) fn map(&mut self, names: &[Vec<u8>], items: &[Slot]) -> Done<Cell> {
        self.made(tags::MAP, |run, out| {
            for (name, &slot) in names.iter().zip(items) {
                // Only a literal may be a list here, and no list may be inside it; what is refused is told by the caller.
                let tag = run.get(slot).tag;
                let item = run.member(slot)?;
                let flat = |item: &Cell| item.tag != tags::LIST;
                let fits = match tag {
                    kinds::RAW => list_items(run.arena, &run.values, item)?.iter().all(flat),
                    _ => tag != kinds::TEXTS && tag != tags::LIST,
                };
                if !fits {
                    return Err(Declined);
                }
                let (number, bytes) = (u32::from(run.values.map_values), run.arena.cell(item)?);
                crate::values::put_pair(out, &run.values, number, name, item, bytes, None);
            }
            Ok(())
        })
    }

    /// A value as a member of a list or map.
    fn member(&self, slot: Slot) -> Done<Cell> {
        let cell = known(stored(self.get(slot)));
        if cell.tag > tags::MAP || deep(self.arena, &self.values, cell, DEEPEST - 1)? {
            return Err(Declined);
        }
        Ok(cell)
    }
}

/// Whether a value can be stored, and surely has no more elements than are allowed.
#[inline(always)]
pub(super) fn fits(cell: Cell, items: usize) -> bool {
    cell.tag < tags::LIST || (cell.tag <= tags::MAP && cell.len as usize / 2 <= items)
}

/// The zero of a value's type; nothing stays nothing.
fn zero(cell: Cell) -> Done<Cell> {
    match cell.tag {
        tag if tag <= tags::MAP => Ok(Cell::scalar(tag, 0)),
        _ => Err(Declined),
    }
}

//! Edited tables to bytes: the payload again, with the changed rows rewritten and everything else copied as it came.
//!
//! The result is first a rope of segments of the payload, of the arena and of a scratch buffer; lengths of parents are known once
//! their bodies are, so that nothing is moved and every byte is copied once, into memory of the right size.

use crate::arena::Arena;
use crate::batch::{Batch, Extent, Table};
use crate::maps::{flags, Map};
use crate::pages;
use crate::schema::{tags, types, Action, Node, Passes, Slot, Values};
use crate::values::{self, Cell};
use crate::wire;

/// A piece of the result: an address (see [`Rope`]) and a length.
#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    address: u64,
    len: u32,
}

/// Addresses from here on lie in the added part of the arena, and in the scratch buffer.
const EXTRA: u64 = 1 << 62;
const SCRATCH: u64 = 2 << 62;

/// Values longer than this are not copied through the scratch buffer.
const LONG: usize = 256;

/// The result as a list of pieces.
#[derive(Debug, Default)]
pub struct Rope {
    segments: Vec<Segment>,
    scratch: Vec<u8>,
    len: u64,
}

impl Rope {
    /// Length of the result in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Empties it; it keeps its memory.
    pub fn clear(&mut self) {
        self.cut();
        self.scratch.clear();
    }

    /// Begins another result; what was written for earlier ones may be used again.
    fn cut(&mut self) {
        self.segments.clear();
        self.len = 0;
    }

    /// Leaves the memory of an empty rope to the system as far as that needs it; false if that can't be done.
    pub fn lend(&mut self) -> bool {
        pages::lend_room(&mut self.segments) & pages::lend_room(&mut self.scratch)
    }

    /// Bytes of memory that it holds on to.
    pub fn capacity(&self) -> usize {
        self.segments.capacity() * size_of::<Segment>() + self.scratch.capacity()
    }

    /// True for no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline(always)]
    fn push(&mut self, address: u64, len: usize) {
        if len == 0 {
            return;
        }
        self.len += len as u64;
        if let Some(last) = self.segments.last_mut() {
            let joined = u64::from(last.len) + len as u64;
            if last.address + u64::from(last.len) == address && joined <= u64::from(u32::MAX) {
                last.len = joined as u32;
                return;
            }
        }
        self.segments.push(Segment { address, len: len as u32 });
    }

    /// Adds a range of the payload.
    #[inline(always)]
    fn copy(&mut self, from: usize, to: usize) {
        self.push(from as u64, to.saturating_sub(from));
    }

    /// Adds what `write` appends to the scratch buffer.
    #[inline(always)]
    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.scratch.len();
        write(&mut self.scratch);
        self.written(begin);
    }

    /// Adds what was appended to the scratch buffer from a length on.
    #[inline(always)]
    fn written(&mut self, begin: usize) {
        self.push(SCRATCH + begin as u64, self.scratch.len() - begin);
    }

    /// Adds what a view holds.
    fn view<P: AsRef<[u8]>>(&mut self, arena: &Arena<P>, cell: Cell) -> Result<(), String> {
        let bytes = arena.cell(cell)?;
        if bytes.len() <= LONG {
            self.write(|out| out.extend_from_slice(bytes));
            return Ok(());
        }
        let payload = arena.payload.as_ref().len() as u64;
        let begin = cell.bits as u64;
        let inside = begin + u64::from(cell.len) <= payload;
        self.push(if inside { begin } else { EXTRA + begin - payload }, bytes.len());
        Ok(())
    }

    /// Keeps a place for the header of a message whose body follows.
    fn open(&mut self) -> (usize, u64) {
        self.segments.push(Segment { address: u64::MAX, len: 0 });
        (self.segments.len() - 1, self.len)
    }

    /// Writes the header of the message whose body has just ended.
    fn close(&mut self, (place, before): (usize, u64), number: u32) {
        let body = self.len - before;
        let begin = self.scratch.len();
        wire::put_tag(&mut self.scratch, number, wire::LEN);
        wire::put_varint(&mut self.scratch, body);
        let len = self.scratch.len() - begin;
        if let Some(segment) = self.segments.get_mut(place) {
            *segment = Segment { address: SCRATCH + begin as u64, len: len as u32 };
        }
        self.len += len as u64;
    }

    /// Hands out the pieces in order.
    pub fn pieces<'s, P: AsRef<[u8]>>(&'s self, arena: &'s Arena<P>) -> impl Iterator<Item = &'s [u8]> + 's {
        self.segments.iter().map(move |segment| {
            let (bytes, begin) = match segment.address {
                address @ SCRATCH.. => (self.scratch.as_slice(), address - SCRATCH),
                address @ EXTRA..SCRATCH => (arena.extra.as_slice(), address - EXTRA),
                address => (arena.payload.as_ref(), address),
            };
            let begin = begin as usize;
            bytes.get(begin..begin + segment.len as usize).unwrap_or_default()
        })
    }
}

/// Which fields of a node may differ from the payload in some row, and which rows are rewritten.
struct Patcher<'a, P> {
    batch: &'a Batch<P>,
    values: Option<Values>,
    /// By table, rows that are rewritten or removed, or have such rows below them.
    needed: Vec<Vec<bool>>,
    /// By node.
    active: &'a [Active],
    /// By table, the first row that the walk has not passed yet.
    cursors: Vec<usize>,
    rope: Rope,
    /// By code of the key, the pair that was last encoded.
    pairs: Vec<Pair<'a>>,
}

/// An encoded pair in the scratch buffer: rows often get the same values.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    /// The map and field that it was encoded for.
    place: Option<(&'a Map, u32)>,
    cell: Cell,
    begin: usize,
    len: usize,
}

impl<'a> Pair<'a> {
    const NONE: Pair<'static> = Pair { place: None, cell: Cell::EMPTY, begin: 0, len: 0 };

    #[inline(always)]
    fn is(&self, map: &'a Map, number: u32, cell: Cell) -> bool {
        self.cell == cell && self.place.is_some_and(|place| std::ptr::eq(place.0, map) && place.1 == number)
    }
}

/// Bytes up to which a piece is copied in one go.
const SHORT: usize = 64;

/// Appends a part of a buffer to it.
#[inline(always)]
fn repeat(buffer: &mut Vec<u8>, begin: usize, len: usize) {
    match buffer.get(begin..).and_then(|bytes| bytes.first_chunk::<SHORT>()).copied().filter(|_| len <= SHORT) {
        Some(bytes) => {
            let end = buffer.len() + len;
            buffer.extend_from_slice(&bytes);
            buffer.truncate(end);
        }
        None => buffer.extend_from_within(begin..begin + len),
    }
}

/// The patched payload in the batch's rope; false, and no rope, if nothing changed.
pub fn patch<P: AsRef<[u8]>>(batch: &mut Batch<P>) -> Result<bool, String> {
    learn_heads(batch);
    let mut rope = std::mem::take(&mut batch.rope);
    rope.clear();
    let found = patched(batch, rope)?;
    let changed = found.is_some();
    batch.rope = found.unwrap_or_default();
    Ok(changed)
}

/// Rewrites the changed rows of a table that has none below it: for each of them, where it lies and its
/// new body, whose pieces lie in the arena.
pub fn changed_rows<P: AsRef<[u8]>>(
    batch: &mut Batch<P>,
    table: usize,
    mut each: impl FnMut(Extent, &Rope, &Arena<P>),
) -> Result<(), String> {
    learn_heads(batch);
    let mut rope = std::mem::take(&mut batch.rope);
    rope.clear();
    let rows = batch.table(table)?;
    let active = active_slots(batch, &[]);
    let values = batch.schema.values;
    let mut patcher =
        Patcher { batch, values, needed: Vec::new(), active: &active, cursors: Vec::new(), rope, pairs: Vec::new() };
    for (row, _) in rows.dirty.iter().enumerate().filter(|(_, &dirty)| dirty) {
        let (Some(&extent), Some(&node)) = (rows.extents.get(row), rows.variants.get(row)) else {
            break;
        };
        patcher.rope.cut();
        patcher.message(u32::from(node), row, extent.body as usize, extent.end as usize)?;
        each(extent, &patcher.rope, &batch.arena);
    }
    batch.rope = patcher.rope;
    Ok(())
}

fn learn_heads<P: AsRef<[u8]>>(batch: &mut Batch<P>) {
    if let Some(values) = &batch.schema.values {
        let maps = batch.tables.iter_mut().flat_map(|table| &mut table.maps);
        maps.for_each(|map| map.keys.learn_heads(values));
    }
}

fn patched<P: AsRef<[u8]>>(batch: &Batch<P>, rope: Rope) -> Result<Option<Rope>, String> {
    let needed = needed_rows(batch);
    if !needed.first().and_then(|root| root.first()).copied().unwrap_or(false) {
        return Ok(None);
    }
    let active = active_slots(batch, &needed);
    let cursors = vec![0; batch.tables.len()];
    let values = batch.schema.values;
    let mut patcher = Patcher { batch, values, needed, active: &active, cursors, rope, pairs: Vec::new() };
    patcher.message(0, 0, 0, batch.arena.payload.as_ref().len())?;
    if patcher.rope.len > wire::MAX_PAYLOAD as u64 {
        return Err("the result is larger than 2 GiB".into());
    }
    Ok(Some(patcher.rope))
}

fn needed_rows<P: AsRef<[u8]>>(batch: &Batch<P>) -> Vec<Vec<bool>> {
    let either = |table: &Table| table.dirty.iter().zip(&table.dropped).map(|(&a, &b)| a | b).collect();
    let mut needed: Vec<Vec<bool>> = batch.tables.iter().map(either).collect();
    for &table in batch.plan.order.iter().rev() {
        let table = table as usize;
        let Some(parent) = batch.plan.tables.get(table).and_then(|shape| shape.parent) else {
            continue;
        };
        let (Some(child), Some(rows)) = (needed.get_mut(table).map(std::mem::take), batch.tables.get(table)) else {
            continue;
        };
        if let Some(above) = needed.get_mut(parent as usize) {
            for (&row, &need) in rows.parents.iter().zip(&child) {
                if let (true, Some(above)) = (need, above.get_mut(row as usize)) {
                    *above = true;
                }
            }
        }
        needed[table] = child;
    }
    needed
}

/// Which fields of a node differ from the payload in some row.
#[derive(Debug, Default)]
struct Active {
    /// For each slot whether it does.
    slots: Vec<bool>,
    /// Those that do and are not rows of another table.
    fields: Vec<u32>,
    /// The others, but for maps, which are passed over as a whole.
    passes: Option<Passes>,
}

fn active_slots<P: AsRef<[u8]>>(batch: &Batch<P>, needed: &[Vec<bool>]) -> Vec<Active> {
    let any_needed: Vec<bool> = needed.iter().map(|rows| rows.contains(&true)).collect();
    let table_needed = |table: u32| any_needed.get(table as usize).copied().unwrap_or(false);
    batch
        .plan
        .nodes
        .iter()
        .map(|node| {
            let Some(table) = batch.tables.get(node.table as usize) else {
                return Active::default();
            };
            let column = |id: u32| table.columns.get(id as usize).is_some_and(|column| !column.dirty.is_empty());
            let map = |id: u32| table.maps.get(id as usize).is_some_and(|map| map.dirty.contains(&true));
            let slot_active = |slot: &Slot| match slot.action {
                Action::Pass => false,
                Action::Column { column: id } | Action::Any { column: id } => column(id),
                Action::Entries { map: id } => map(id),
                Action::Rows { table, .. } => table_needed(table),
                Action::Inline { node, presence } => {
                    presence.is_some_and(column)
                        || batch.plan.nodes.get(node as usize).is_some_and(|below: &Node| {
                            below.columns.iter().any(|&id| column(id))
                                || below.maps.iter().any(|&id| map(id))
                                || below.tables.iter().any(|&id| table_needed(id))
                        })
                }
            };
            let slots: Vec<bool> = node.slots.iter().map(slot_active).collect();
            let still = |&(slot, active): &(&Slot, &bool)| !active && !matches!(slot.action, Action::Entries { .. });
            let passes = Passes::new(node.slots.iter().zip(&slots).filter(still).map(|(slot, _)| slot));
            let field = |&(slot, active): &(&Slot, &bool)| *active && !matches!(slot.action, Action::Rows { .. });
            let fields = (0u32..).zip(node.slots.iter().zip(&slots)).filter(|(_, both)| field(both)).map(|(at, _)| at);
            Active { fields: fields.collect(), slots, passes: Some(passes) }
        })
        .collect()
}

impl<'a, P: AsRef<[u8]>> Patcher<'a, P> {
    /// Rewrites the body of a message of a needed row.
    fn message(&mut self, node_id: u32, row: usize, mut pos: usize, end: usize) -> Result<(), String> {
        let batch = self.batch;
        let Some(node) = batch.plan.nodes.get(node_id as usize) else {
            return Ok(());
        };
        let Some(table) = batch.tables.get(node.table as usize) else {
            return Ok(());
        };
        let Some(data) = batch.arena.payload.as_ref().get(..end) else {
            return Ok(());
        };
        let end = data.len();
        if let Some((slot, map, from, to)) = self.sole_map(node, table, row, pos, end) {
            self.rope.copy(pos, from);
            self.entries(slot, map, row)?;
            self.rope.copy(to, end);
            return Ok(());
        }
        if let Some((slot, child, below)) = self.sole_rows(node, table, row) {
            return self.rows(slot.number, child, below, pos, end);
        }
        let Some(Active { slots: active, fields, passes: Some(passes) }) = self.active.get(node_id as usize) else {
            return Ok(());
        };
        let broken = |_| "the payload changed under the batch".to_owned();
        let mut done = [0u64; 4];
        let mut kept = pos;
        while pos < end {
            if let Some(next) = passes.behind(data, pos) {
                pos = next;
                continue;
            }
            let at = pos;
            let (tag, next) = wire::tag(data, pos, end).map_err(broken)?;
            let wire_type = (tag & 7) as u8;
            pos = wire::skip(data, wire_type, at, next, end).map_err(broken)?;
            let index = match node.index_by_tag(tag) {
                None if tag >= 128 => node.index_by_number(tag >> 3),
                found => found,
            };
            let Some(slot) = index.and_then(|index| node.slots.get(index)) else {
                continue;
            };
            if let Action::Entries { map } = slot.action {
                let place = table.maps.get(map as usize).and_then(|map| map.place(row, 0));
                if let Some((_, to)) = place.filter(|&(from, to)| from == at && to > at && to <= end) {
                    pos = to;
                }
            }
            let Some(index) = index.filter(|&index| active.get(index).copied().unwrap_or(false)) else {
                continue;
            };
            if slot.wire != wire_type || !self.differs(table, slot, row, at) {
                continue;
            }
            self.rope.copy(kept, at);
            if let Action::Rows { table: child, node } = slot.action {
                kept = pos;
                self.child_row(child, node, slot.number, next, pos)?;
                continue;
            }
            while tag < 128 && data.get(pos).is_some_and(|&byte| u32::from(byte) == tag) {
                // More of the same field: replaced with the first, as all of its kind are.
                pos = wire::skip(data, wire_type, pos, pos + 1, end).map_err(broken)?;
            }
            kept = pos;
            let (word, bit) = (index / 64, 1u64 << (index % 64));
            if done[word] & bit == 0 {
                done[word] |= bit;
                let body = match wire_type {
                    wire::LEN => wire::length(data, next, end).map_err(broken)?,
                    _ => (next, pos),
                };
                self.replace(table, slot, row, Some(body))?;
            }
        }
        self.rope.copy(kept, end);
        for &index in fields {
            let index = index as usize;
            let Some(slot) = node.slots.get(index).filter(|_| done[index / 64] >> (index % 64) & 1 == 0) else {
                continue;
            };
            if self.differs(table, slot, row, end) {
                self.replace(table, slot, row, None)?;
            }
        }
        Ok(())
    }

    /// The field of child rows that alone of all fields of a row may differ, with its table and node; None where more may.
    #[inline]
    fn sole_rows(&self, node: &'a Node, table: &'a Table, row: usize) -> Option<(&'a Slot, u32, u32)> {
        let [child] = node.tables[..] else {
            return None;
        };
        let column = |&id: &u32| table.columns.get(id as usize).is_some_and(|column| column.is_dirty(row));
        let map = |&id: &u32| table.maps.get(id as usize).is_some_and(|map| map.dirty.get(row) == Some(&true));
        if node.columns.iter().any(column) || node.maps.iter().any(map) {
            return None;
        }
        node.slots.iter().find_map(|slot| match slot.action {
            Action::Rows { table, node } if table == child => Some((slot, table, node)),
            _ => None,
        })
    }

    /// Rewrites a message of which only child rows differ. Where they lie is known, so the bytes between are not read, only copied:
    /// reading here and there waits for memory.
    fn rows(&mut self, number: u32, child: u32, node: u32, pos: usize, end: usize) -> Result<(), String> {
        let table = child as usize;
        let Some(rows) = self.batch.tables.get(table) else {
            return Ok(());
        };
        self.seek(table, pos);
        let mut row = self.cursors[table];
        let mut kept = pos;
        while let Some(extent) = rows.extents.get(row).filter(|extent| (extent.start as usize) < end) {
            if self.needed[table].get(row).copied().unwrap_or(false) {
                self.rope.copy(kept, extent.start as usize);
                kept = extent.end as usize;
                if !rows.dropped.get(row).copied().unwrap_or(false) {
                    let header = self.rope.open();
                    self.message(node, row, extent.body as usize, kept)?;
                    self.rope.close(header, number);
                }
            }
            row += 1;
        }
        self.cursors[table] = row;
        self.rope.copy(kept, end);
        Ok(())
    }

    /// The map of the row that alone of all its fields has changed, and where its entries lie; None where more has, or they lie apart.
    #[inline]
    fn sole_map(
        &self,
        node: &'a Node,
        table: &'a Table,
        row: usize,
        begin: usize,
        end: usize,
    ) -> Option<(&'a Slot, &'a Map, usize, usize)> {
        let dirty = |&id: &u32| table.columns.get(id as usize).is_some_and(|column| column.is_dirty(row));
        let changed = |id: u32| table.maps.get(id as usize)?.dirty.get(row).copied();
        if !node.tables.is_empty() || node.columns.iter().any(dirty) {
            return None;
        }
        let mut sole = None;
        for &id in &node.maps {
            if changed(id) == Some(true) && sole.replace(id).is_some() {
                return None;
            }
        }
        let id = sole?;
        let slot = node.slots.iter().find(|slot| matches!(slot.action, Action::Entries { map } if map == id))?;
        let map = table.maps.get(id as usize)?;
        let (from, to) = map.place(row, end)?;
        (begin <= from && from <= to && to <= end).then_some((slot, map, from, to))
    }

    /// True when the field of this row, met at this position, is not simply copied.
    #[inline]
    fn differs(&mut self, table: &Table, slot: &Slot, row: usize, at: usize) -> bool {
        match slot.action {
            Action::Pass => false,
            Action::Column { column } | Action::Any { column } => {
                table.columns.get(column as usize).is_some_and(|column| column.is_dirty(row))
            }
            Action::Entries { map } => {
                table.maps.get(map as usize).and_then(|map| map.dirty.get(row)).copied().unwrap_or(false)
            }
            Action::Inline { .. } => true,
            Action::Rows { table: child, .. } => {
                let child = child as usize;
                self.seek(child, at);
                self.needed.get(child).and_then(|rows| rows.get(self.cursors[child])).copied().unwrap_or(false)
            }
        }
    }

    /// Moves a table's cursor to the first row at or behind a position; rows skipped with their parents are passed in leaps.
    #[inline]
    fn seek(&mut self, table: usize, at: usize) {
        let (Some(cursor), Some(rows)) = (self.cursors.get_mut(table), self.batch.tables.get(table)) else {
            return;
        };
        let extents = &rows.extents;
        let before = |row: usize| extents.get(row).is_some_and(|extent| (extent.start as usize) < at);
        let mut leap = 1;
        while before(*cursor + leap) {
            *cursor += leap;
            leap *= 2;
        }
        while leap > 0 {
            while before(*cursor + leap - 1) {
                *cursor += leap;
            }
            leap /= 2;
        }
    }

    fn child_row(&mut self, table: u32, node: u32, number: u32, next: usize, end: usize) -> Result<(), String> {
        let row = self.cursors[table as usize];
        let Some(rows) = self.batch.tables.get(table as usize) else {
            return Ok(());
        };
        if rows.dropped.get(row).copied().unwrap_or(false) {
            return Ok(());
        }
        let body = rows.extents.get(row).map_or(next, |extent| extent.body as usize);
        let header = self.rope.open();
        self.message(node, row, body, end)?;
        self.rope.close(header, number);
        Ok(())
    }

    /// Writes a field from the tables; `body` is what the payload has there.
    fn replace(
        &mut self,
        table: &'a Table,
        slot: &Slot,
        row: usize,
        body: Option<(usize, usize)>,
    ) -> Result<(), String> {
        match slot.action {
            Action::Column { column } => {
                let cell = table.columns.get(column as usize).map_or(Cell::EMPTY, |column| column.get(row));
                self.scalar(slot, cell)
            }
            Action::Any { column } => {
                let cell = table.columns.get(column as usize).map_or(Cell::EMPTY, |column| column.get(row));
                self.any(slot, cell, body)
            }
            Action::Entries { map } => match table.maps.get(map as usize) {
                Some(map) => self.entries(slot, map, row),
                None => Ok(()),
            },
            Action::Inline { node, presence } => self.inline(table, slot, node, presence, row, body),
            Action::Pass | Action::Rows { .. } => Ok(()),
        }
    }

    fn inline(
        &mut self,
        table: &'a Table,
        slot: &Slot,
        node: u32,
        presence: Option<u32>,
        row: usize,
        body: Option<(usize, usize)>,
    ) -> Result<(), String> {
        let stored = presence.and_then(|id| table.columns.get(id as usize)).filter(|column| column.is_dirty(row));
        let wanted = stored.map(|column| column.get(row) == Cell::scalar(tags::BOOL, 1));
        if wanted == Some(false) || (body.is_none() && wanted.is_none() && !self.has_content(table, node, row)) {
            return Ok(());
        }
        let (begin, end) = body.unwrap_or((0, 0));
        let header = self.rope.open();
        self.message(node, row, begin, end)?;
        self.rope.close(header, slot.number);
        Ok(())
    }

    /// True when a submessage that the payload lacks has got something to hold.
    fn has_content(&self, table: &Table, node: u32, row: usize) -> bool {
        let Some(node) = self.batch.plan.nodes.get(node as usize) else {
            return false;
        };
        let column = |&id: &u32| {
            let column = table.columns.get(id as usize);
            column.is_some_and(|column| column.is_dirty(row) && column.get(row).tag != tags::EMPTY)
        };
        let map =
            |&id: &u32| table.maps.get(id as usize).is_some_and(|map| map.dirty[row] && !map.row(row).0.is_empty());
        node.columns.iter().any(column) || node.maps.iter().any(map)
    }

    fn scalar(&mut self, slot: &Slot, cell: Cell) -> Result<(), String> {
        let bits = cell.bits as u64;
        let zero = match cell.tag {
            tags::EMPTY => return Ok(()),
            tags::STRING | tags::BYTES => cell.len == 0,
            _ => bits == 0,
        };
        if zero && !slot.explicit {
            return Ok(());
        }
        let wrong = || Err(format!("a value of tag {} does not fit into field {}", cell.tag, slot.number));
        let number = slot.number;
        let put_varint = |rope: &mut Rope, value: u64| {
            rope.write(|out| {
                wire::put_tag(out, number, wire::VARINT);
                wire::put_varint(out, value);
            });
        };
        let put_fixed = |rope: &mut Rope, wire_type: u8, bytes: &[u8]| {
            rope.write(|out| {
                wire::put_tag(out, number, wire_type);
                out.extend_from_slice(bytes);
            });
        };
        let rope = &mut self.rope;
        match (slot.field_type, cell.tag) {
            (types::STRING, tags::STRING) | (types::BYTES, tags::BYTES) => {
                rope.write(|out| {
                    wire::put_tag(out, number, wire::LEN);
                    wire::put_varint(out, u64::from(cell.len));
                });
                rope.view(&self.batch.arena, cell)?;
            }
            (types::DOUBLE, tags::DOUBLE) => put_fixed(rope, wire::FIXED64, &bits.to_le_bytes()),
            (types::FLOAT, tags::DOUBLE) => {
                put_fixed(rope, wire::FIXED32, &(f64::from_bits(bits) as f32).to_le_bytes());
            }
            (types::BOOL, tags::BOOL) => put_varint(rope, u64::from(bits != 0)),
            (types::FIXED64 | types::SFIXED64, tags::INT) => put_fixed(rope, wire::FIXED64, &bits.to_le_bytes()),
            (types::FIXED32 | types::SFIXED32, tags::INT) => {
                put_fixed(rope, wire::FIXED32, &(bits as u32).to_le_bytes());
            }
            (types::INT32 | types::ENUM, tags::INT) => put_varint(rope, i64::from(bits as i32) as u64),
            (types::UINT32, tags::INT) => put_varint(rope, u64::from(bits as u32)),
            (types::SINT32, tags::INT) => {
                let value = bits as i32;
                put_varint(rope, u64::from((value << 1 ^ value >> 31) as u32));
            }
            (types::SINT64, tags::INT) => put_varint(rope, (cell.bits << 1 ^ cell.bits >> 63) as u64),
            (types::INT64 | types::UINT64, tags::INT) => put_varint(rope, bits),
            _ => return wrong(),
        }
        Ok(())
    }

    fn any(&mut self, slot: &Slot, cell: Cell, body: Option<(usize, usize)>) -> Result<(), String> {
        let Some(values) = self.values.filter(|_| cell.tag != tags::EMPTY) else {
            return Ok(());
        };
        let batch = self.batch;
        let mut unknown = Vec::new();
        if let Some((begin, end)) = body {
            let old = batch.arena.payload.as_ref().get(begin..end).unwrap_or_default();
            values::unknown_of_value(&values, old, &mut unknown).map_err(|_| "the payload changed under the batch")?;
        }
        let bytes = batch.arena.cell(cell)?;
        self.rope.write(|out| {
            wire::put_tag(out, slot.number, wire::LEN);
            wire::put_varint(out, (values::any_len(cell) + unknown.len()) as u64);
            values::put_any(out, &values, cell, bytes);
            out.extend_from_slice(&unknown);
        });
        Ok(())
    }

    /// Writes all entries of a changed map where its first entry was.
    fn entries(&mut self, slot: &Slot, map: &'a Map, row: usize) -> Result<(), String> {
        let Some(values) = self.values else {
            return Ok(());
        };
        let batch = self.batch;
        let (codes, entries) = map.row(row);
        // Pieces grow as long as one entry follows the other: untouched ones in the payload, changed ones in the scratch buffer.
        let (mut from, mut to) = (0, 0);
        let mut begin = self.rope.scratch.len();
        for (&code, entry) in codes.iter().zip(entries) {
            if entry.untouched() {
                self.rope.written(begin);
                begin = self.rope.scratch.len();
                let raw = entry.raw as usize;
                if raw != to {
                    self.rope.copy(from, to);
                    from = raw;
                }
                to = raw + entry.raw_len as usize;
                continue;
            }
            self.rope.copy(from, to);
            (from, to) = (0, 0);
            let cell = entry.cell();
            if entry.flags & flags::ODD == 0 {
                self.pair(&values, slot.number, map, code, cell)?;
                continue;
            }
            let bytes = batch.arena.cell(cell)?;
            let unknown = self.unknown(&values, entry.raw, entry.raw_len)?;
            let key = map.keys.get(code);
            values::put_pair(&mut self.rope.scratch, &values, slot.number, key, cell, bytes, Some(&unknown));
        }
        self.rope.copy(from, to);
        self.rope.written(begin);
        Ok(())
    }

    /// Appends a pair to the scratch buffer.
    #[inline(always)]
    fn pair(&mut self, values: &Values, number: u32, map: &'a Map, code: u32, cell: Cell) -> Result<(), String> {
        let scratch = &mut self.rope.scratch;
        match self.pairs.get(code as usize) {
            Some(pair) if pair.is(map, number, cell) => repeat(scratch, pair.begin, pair.len),
            _ => {
                let begin = scratch.len();
                map.keys.put_pair(scratch, values, number, code, cell, self.batch.arena.cell(cell)?);
                let pair = Pair { place: Some((map, number)), cell, begin, len: scratch.len() - begin };
                if self.pairs.len() <= code as usize {
                    self.pairs.resize(map.keys.len().max(code as usize + 1), Pair::NONE);
                }
                self.pairs[code as usize] = pair;
            }
        }
        Ok(())
    }

    #[cold]
    fn unknown(&self, values: &Values, raw: u32, raw_len: u32) -> Result<values::Unknown, String> {
        let field = self.batch.arena.bytes(i64::from(raw), raw_len)?;
        let parse = || {
            let (_, next) = wire::tag(field, 0, field.len())?;
            let (begin, end) = wire::length(field, next, field.len())?;
            values::unknown_of_pair(values, field.get(begin..end).unwrap_or_default())
        };
        parse().map_err(|_: wire::Stop| "the payload changed under the batch".into())
    }
}

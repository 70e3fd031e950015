//! Payload to tables: one pass that extracts what the plan names and checks everything else for well-formedness.

use std::sync::Arc;

use crate::arena::Arena;
use crate::batch::{Batch, Column, Extent, Table};
use crate::maps::{flags, Entry};
use crate::schema::{tags, types, Action, Look, Plan, Schema, Slot, Values};
use crate::spare::Spare;
use crate::values::{any_value, key_value, plain_pair, Cell};
use crate::wire::{self, fault, Fault, Stop};

/// Limits of one scan.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub messages: usize,
    /// Messages below the root.
    pub depth: usize,
}

/// Deepest nesting that may be asked for; the walk is recursive.
pub const MAX_DEPTH: usize = 1000;

/// Well-formedness of messages that no plan looks into.
struct Walk<'a> {
    schema: &'a Schema,
    values: Option<&'a Values>,
    data: &'a [u8],
    left: usize,
}

impl<'a> Walk<'a> {
    /// Counts a submessage; the depth left inside it.
    #[inline(always)]
    fn enter(&mut self, depth: usize, at: usize) -> Result<usize, Stop> {
        if depth == 0 {
            return Err(fault(Fault::Depth, at));
        }
        if self.left == 0 {
            return Err(fault(Fault::Messages, at));
        }
        self.left -= 1;
        Ok(depth - 1)
    }

    /// Checks a message and all below it, as deep as protobuf's parser looks.
    fn message(&mut self, message: u32, mut pos: usize, end: usize, depth: usize) -> Result<(), Stop> {
        let schema = self.schema;
        let Some(descriptor) = schema.messages.get(message as usize) else {
            return Ok(());
        };
        let Some(data) = self.data.get(..end) else {
            return Ok(());
        };
        let end = data.len();
        while pos < end {
            let at = pos;
            let (tag, next) = wire::tag(data, pos, end)?;
            let look = match descriptor.looks.get(tag as usize) {
                Some(0) => None,
                Some(_) => descriptor.field(tag >> 3).and_then(|field| field.look()),
                None if (tag & 7) as u8 == wire::LEN => descriptor.field(tag >> 3).and_then(|field| field.look()),
                None => None,
            };
            match look {
                None => pos = wire::skip(data, (tag & 7) as u8, at, next, end)?,
                Some(look) => {
                    let (begin, stop) = wire::length(data, next, end)?;
                    self.look(look, begin, stop, at, depth)?;
                    pos = stop;
                }
            }
        }
        Ok(())
    }

    /// Checks the inside of a length-delimited value.
    #[inline]
    fn look(&mut self, look: Look, begin: usize, end: usize, at: usize, depth: usize) -> Result<(), Stop> {
        match look {
            Look::Message(message) => {
                let depth = self.enter(depth, at)?;
                if let Some(values) = self.values.filter(|values| values.key_value == message) {
                    if depth > 0 && self.left > 0 && plain_pair(values, self.data, begin, end, 0).is_some() {
                        self.left -= 1;
                        return Ok(());
                    }
                }
                self.message(message, begin, end, depth)
            }
            Look::Packed(wire::VARINT) => {
                let mut pos = begin;
                while pos < end {
                    pos = wire::varint(self.data, pos, end)?.1;
                }
                Ok(())
            }
            Look::Packed(wire_type) => {
                let size = if wire_type == wire::FIXED64 { 8 } else { 4 };
                if (end - begin) % size == 0 {
                    return Ok(());
                }
                Err(fault(Fault::Packed, begin))
            }
        }
    }

    /// Reads an AnyValue; lists and maps are walked to the end and must be regular.
    #[inline]
    fn any(&mut self, values: &Values, begin: usize, end: usize, depth: usize) -> Result<(Cell, bool), Stop> {
        let (cell, odd) = any_value(values, self.data, begin, end, 0)?;
        if cell.tag == tags::LIST || cell.tag == tags::MAP {
            let begin = cell.bits as usize;
            let depth = self.enter(depth, begin)?;
            self.items(values, cell.tag == tags::MAP, begin, begin + cell.len as usize, depth)?;
        }
        Ok((cell, odd))
    }

    fn items(&mut self, values: &Values, map: bool, mut pos: usize, end: usize, depth: usize) -> Result<(), Stop> {
        let number = u32::from(if map { values.map_values } else { values.array_values });
        while pos < end {
            let at = pos;
            let (tag, next) = wire::tag(self.data, pos, end)?;
            if tag >> 3 != number {
                pos = wire::skip(self.data, (tag & 7) as u8, at, next, end)?;
                continue;
            }
            if (tag & 7) as u8 != wire::LEN {
                return Err(Stop::Irregular);
            }
            let (begin, stop) = wire::length(self.data, next, end)?;
            pos = stop;
            let depth = self.enter(depth, at)?;
            if map {
                self.pair(values, begin, stop, depth)?;
            } else {
                self.any(values, begin, stop, depth)?;
            }
        }
        Ok(())
    }

    /// Reads a KeyValue.
    #[inline(always)]
    fn pair(
        &mut self,
        values: &Values,
        begin: usize,
        end: usize,
        depth: usize,
    ) -> Result<(&'a [u8], Cell, bool), Stop> {
        if depth > 0 && self.left > 0 {
            if let Some((key, cell)) = plain_pair(values, self.data, begin, end, 0) {
                self.left -= 1;
                return Ok((key, cell, false));
            }
        }
        self.any_pair(values, begin, end, depth)
    }

    #[inline(never)]
    fn any_pair(
        &mut self,
        values: &Values,
        begin: usize,
        end: usize,
        depth: usize,
    ) -> Result<(&'a [u8], Cell, bool), Stop> {
        let pair = key_value(values, self.data, begin, end)?;
        let (cell, odd) = if pair.has_value {
            let depth = self.enter(depth, begin)?;
            self.any(values, pair.value.0, pair.value.1, depth)?
        } else {
            (Cell::EMPTY, false)
        };
        let data = self.data;
        let key = data.get(pair.key.0..pair.key.1).unwrap_or_default();
        Ok((key, cell, odd | pair.odd))
    }
}

/// Takes the rows of one table from the scan before it has ended.
pub trait Window {
    /// Whether rows of a table lie around those that are taken.
    fn is_around(&self, table: u32) -> bool;

    /// Whether rows inside this one have been taken, so that it may not change any more.
    fn is_settled(&self, table: u32, row: usize) -> bool;

    /// A message around rows begins.
    fn entered(&mut self, extent: Extent);

    /// A message that is a row of a table has ended.
    fn left(&mut self, tables: &mut Vec<Table>, table: u32, end: usize) -> Result<(), Stop>;
}

/// Leaves all rows in their tables.
struct Whole;

impl Window for Whole {
    fn is_around(&self, _: u32) -> bool {
        false
    }

    fn is_settled(&self, _: u32, _: usize) -> bool {
        false
    }

    fn entered(&mut self, _: Extent) {}

    fn left(&mut self, _: &mut Vec<Table>, _: u32, _: usize) -> Result<(), Stop> {
        Ok(())
    }
}

struct Scanner<'a, W> {
    walk: Walk<'a>,
    plan: &'a Plan,
    tables: Vec<Table>,
    window: W,
}

/// Where the scan stands: which row of which table, and how deep it may still go.
#[derive(Clone, Copy)]
struct Place {
    node: u32,
    row: usize,
    depth: usize,
}

impl<W: Window> Scanner<'_, W> {
    fn visit(&mut self, place: Place, mut pos: usize, end: usize) -> Result<(), Stop> {
        let plan = self.plan;
        let Some(node) = plan.nodes.get(place.node as usize) else {
            return Ok(());
        };
        let table = node.table as usize;
        // Cut at the end of the message, so that one comparison serves both the message's limit and the slice's bound.
        let Some(data) = self.walk.data.get(..end) else {
            return Ok(());
        };
        let end = data.len();
        let mut seen = 0u64;
        while pos < end {
            let at = pos;
            if let Some(next) = node.passed(data, pos) {
                pos = next;
                continue;
            }
            let (tag, next) = wire::tag(data, pos, end)?;
            let wire_type = (tag & 7) as u8;
            let Some(slot) = node.by_tag(tag) else {
                pos = self.other(node.by_number(tag >> 3), wire_type, at, next, end, place, &mut seen)?;
                continue;
            };
            if slot.bit | slot.conflict != 0 {
                if seen & slot.conflict != 0 {
                    return Err(Stop::Irregular);
                }
                seen |= slot.bit;
            }
            pos = self.field(data, slot, table, at, next, place)?;
        }
        Ok(())
    }

    /// Refuses a field that changes a row after rows inside it have been taken.
    fn around(&self, slot: &Slot, table: u32, row: usize) -> Result<(), Stop> {
        let passes = matches!(slot.action, Action::Pass | Action::Rows { .. });
        if passes || !self.window.is_settled(table, row) {
            return Ok(());
        }
        Err(Stop::Irregular)
    }

    /// Tells of a message that belongs to a row around others.
    #[inline(always)]
    fn entered(&mut self, table: u32, start: usize, body: usize, end: usize) {
        if self.window.is_around(table) {
            self.window.entered(Extent { start: start as u32, body: body as u32, end: end as u32 });
        }
    }

    /// A run of entries of one map: the field whose tag was just read, and those behind it with the same one-byte tag.
    #[inline(always)]
    fn entries(
        &mut self,
        data: &[u8],
        table: usize,
        map: u32,
        (tag, mut at, mut next): (u32, usize, usize),
        place: Place,
    ) -> Result<usize, Stop> {
        let map = self.tables.get_mut(table).and_then(|table| table.maps.get_mut(map as usize));
        let (Some(map), Some(values)) = (map, self.walk.values) else {
            return wire::skip(data, wire::LEN, at, next, data.len());
        };
        let mut run = map.open_run(place.row);
        let first = at;
        let whole = self.walk.data;
        loop {
            if tag < 128 && place.depth >= 2 {
                // The pair and its value are two messages.
                at = map.scan_run(values, whole, (tag as u8, at, data.len()), &mut run, &mut self.walk.left);
            }
            if at > first {
                if tag >= 128 || data.get(at).is_none_or(|&next| u32::from(next) != tag) {
                    map.close_run(run, first, at);
                    return Ok(at);
                }
                next = at + 1;
            }
            let (begin, stop) = wire::length(data, next, data.len())?;
            let depth = self.walk.enter(place.depth, at)?;
            let (key, cell, odd) = self.walk.pair(values, begin, stop, depth)?;
            let flags = flags::ORIGIN | if odd { flags::ODD } else { 0 };
            let raw_len = (stop - at) as u32;
            map.scanned(
                &mut run,
                key,
                Entry { bits: cell.bits, len: cell.len, raw: at as u32, raw_len, tag: cell.tag, flags },
            );
            at = stop;
        }
    }

    /// A field whose tag is long, unknown or of another wire type.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn other(
        &mut self,
        slot: Option<&Slot>,
        wire_type: u8,
        at: usize,
        next: usize,
        end: usize,
        place: Place,
        seen: &mut u64,
    ) -> Result<usize, Stop> {
        let data = self.walk.data;
        let Some(slot) = slot else {
            return wire::skip(data, wire_type, at, next, end);
        };
        if slot.wire == wire_type {
            if *seen & slot.conflict != 0 {
                return Err(Stop::Irregular);
            }
            *seen |= slot.bit;
            let table = self.plan.nodes.get(place.node as usize).map_or(0, |node| node.table as usize);
            let Some(data) = data.get(..end) else {
                return Ok(next);
            };
            return self.field(data, slot, table, at, next, place);
        }
        if wire_type == wire::LEN {
            if let Some(look) = slot.look {
                let (begin, stop) = wire::length(data, next, end)?;
                self.walk.look(look, begin, stop, at, place.depth)?;
                return Ok(stop);
            }
        }
        let next = wire::skip(data, wire_type, at, next, end)?;
        if slot.action == Action::Pass {
            Ok(next)
        } else {
            Err(Stop::Irregular)
        }
    }

    /// A known field of the right wire type; the position behind it.
    #[inline(always)]
    fn field(
        &mut self,
        data: &[u8],
        slot: &Slot,
        table: usize,
        at: usize,
        next: usize,
        place: Place,
    ) -> Result<usize, Stop> {
        let end = data.len();
        if self.window.is_around(table as u32) {
            self.around(slot, table as u32, place.row)?;
        }
        match slot.action {
            Action::Pass => {
                if let (Some(look), wire::LEN) = (slot.look, slot.wire) {
                    let (begin, stop) = wire::length(data, next, end)?;
                    self.walk.look(look, begin, stop, at, place.depth)?;
                    return Ok(stop);
                }
                wire::skip(data, slot.wire, at, next, end)
            }
            Action::Column { column } => {
                let (cell, next) = scalar(slot.field_type, data, next, end)?;
                if let Some(column) = self.column(table, column) {
                    column.scanned(place.row, cell);
                }
                Ok(next)
            }
            Action::Entries { map } => {
                let tag = slot.number << 3 | u32::from(wire::LEN);
                self.entries(data, table, map, (tag, at, next), place)
            }
            Action::Rows { table: child, node } => {
                let (begin, stop) = wire::length(data, next, end)?;
                let depth = self.walk.enter(place.depth, at)?;
                let Some(target) = self.tables.get_mut(child as usize) else {
                    return Ok(stop);
                };
                let row = target.scanned(place.row, node, at, begin, stop);
                self.entered(child, at, begin, stop);
                self.visit(Place { node, row, depth }, begin, stop)?;
                self.window.left(&mut self.tables, child, stop)?;
                Ok(stop)
            }
            Action::Inline { node, presence } => {
                let (begin, stop) = wire::length(data, next, end)?;
                let depth = self.walk.enter(place.depth, at)?;
                if let Some(column) = presence.and_then(|presence| self.column(table, presence)) {
                    column.scanned(place.row, Cell::scalar(tags::BOOL, 1));
                }
                self.entered(table as u32, at, begin, stop);
                self.visit(Place { node, row: place.row, depth }, begin, stop)?;
                Ok(stop)
            }
            Action::Any { column } => {
                let (begin, stop) = wire::length(data, next, end)?;
                let Some(values) = self.walk.values else {
                    return Ok(stop);
                };
                let depth = self.walk.enter(place.depth, at)?;
                let (cell, _) = self.walk.any(values, begin, stop, depth)?;
                if let Some(column) = self.column(table, column) {
                    column.scanned(place.row, cell);
                }
                Ok(stop)
            }
        }
    }

    #[inline(always)]
    fn column(&mut self, table: usize, column: u32) -> Option<&mut Column> {
        self.tables.get_mut(table)?.columns.get_mut(column as usize)
    }
}

/// Reads a scalar, string or bytes value; the position behind it.
#[inline(always)]
fn scalar(field_type: u8, data: &[u8], pos: usize, end: usize) -> Result<(Cell, usize), Stop> {
    match field_type {
        types::STRING | types::BYTES => {
            let (begin, stop) = wire::length(data, pos, end)?;
            let tag = if field_type == types::STRING { tags::STRING } else { tags::BYTES };
            Ok((Cell::view(tag, begin as i64, stop - begin), stop))
        }
        types::DOUBLE | types::FIXED64 | types::SFIXED64 => {
            let (value, next) = wire::fixed64(data, pos, end)?;
            let tag = if field_type == types::DOUBLE { tags::DOUBLE } else { tags::INT };
            Ok((Cell::scalar(tag, value as i64), next))
        }
        types::FLOAT | types::FIXED32 | types::SFIXED32 => {
            let (value, next) = wire::fixed32(data, pos, end)?;
            let cell = match field_type {
                types::FLOAT => Cell::scalar(tags::DOUBLE, f64::from(f32::from_bits(value)).to_bits() as i64),
                types::FIXED32 => Cell::scalar(tags::INT, i64::from(value)),
                _ => Cell::scalar(tags::INT, i64::from(value as i32)),
            };
            Ok((cell, next))
        }
        _ => {
            let (value, next) = wire::varint(data, pos, end)?;
            let bits = match field_type {
                types::BOOL => return Ok((Cell::scalar(tags::BOOL, i64::from(value != 0)), next)),
                types::INT32 | types::ENUM => i64::from(value as i32),
                types::UINT32 => i64::from(value as u32),
                types::SINT32 => i64::from((value as u32 >> 1) as i32 ^ -((value & 1) as i32)),
                types::SINT64 => (value >> 1) as i64 ^ -((value & 1) as i64),
                _ => value as i64,
            };
            Ok((Cell::scalar(tags::INT, bits), next))
        }
    }
}

/// Scans a payload. `Stop::Irregular` means well-formed so far, but to be run on messages.
pub fn scan<P: AsRef<[u8]>>(
    schema: &Arc<Schema>,
    plan: &Arc<Plan>,
    payload: P,
    limits: Limits,
) -> Result<Batch<P>, Stop> {
    let data = payload.as_ref();
    if data.len() > wire::MAX_PAYLOAD {
        return Err(fault(Fault::TooLarge, 0));
    }
    let Spare { tables, extra, rope } = plan.spares.take(&plan.tables);
    let (mut tables, _) = windows(schema, plan, data, limits, tables, Whole)?;
    tables.iter_mut().for_each(Table::finish);
    Ok(Batch { schema: schema.clone(), plan: plan.clone(), arena: Arena { payload, extra }, tables, rope })
}

/// Scans a payload of a length that was looked at into empty tables, with a window that may take rows out of them.
pub fn windows<W: Window>(
    schema: &Schema,
    plan: &Plan,
    data: &[u8],
    limits: Limits,
    tables: Vec<Table>,
    window: W,
) -> Result<(Vec<Table>, W), Stop> {
    let walk = Walk { schema, values: schema.values.as_ref(), data, left: limits.messages };
    let mut scanner = Scanner { walk, plan, tables, window };
    if let Some(root) = scanner.tables.first_mut() {
        root.scanned(0, 0, 0, 0, data.len());
    }
    scanner.visit(Place { node: 0, row: 0, depth: limits.depth.min(MAX_DEPTH) }, 0, data.len())?;
    Ok((scanner.tables, scanner.window))
}

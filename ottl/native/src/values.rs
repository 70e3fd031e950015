//! Cells, the one value format, and the encoded attribute values (AnyValue, KeyValue, lists, maps) that they are read from.

use crate::schema::{tags, Values};
use crate::wire::{self, Stop};

/// One value: a tag of [`tags`], 64 bits and, for views into the arena, a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    pub bits: i64,
    pub len: u32,
    pub tag: u8,
}

impl Cell {
    /// The absent value.
    pub const EMPTY: Cell = Cell { bits: 0, len: 0, tag: tags::EMPTY };

    /// A value without a view.
    #[inline(always)]
    pub fn scalar(tag: u8, bits: i64) -> Cell {
        Cell { bits, len: 0, tag }
    }

    /// A view of the arena.
    #[inline(always)]
    pub fn view(tag: u8, begin: i64, len: usize) -> Cell {
        Cell { bits: begin, len: len as u32, tag }
    }
}

/// Cells as columns; a column of length 1 stands for every row.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    tags: &'a [u8],
    bits: &'a [i64],
    lens: &'a [u32],
}

impl<'a> Cells<'a> {
    /// Checks the lengths against the number of rows.
    pub fn new(tags: &'a [u8], bits: &'a [i64], lens: &'a [u32], rows: usize) -> Result<Cells<'a>, String> {
        let fits = |len: usize| len == rows || len == 1;
        if fits(tags.len()) && fits(bits.len()) && fits(lens.len()) {
            return Ok(Cells { tags, bits, lens });
        }
        Err(format!("expected {rows} values or one, got {} tags, {} bits, {} lens", tags.len(), bits.len(), lens.len()))
    }

    /// The cell of a row.
    #[inline(always)]
    pub fn get(&self, row: usize) -> Cell {
        #[inline(always)]
        fn at<T: Copy + Default>(values: &[T], row: usize) -> T {
            let row = if values.len() == 1 { 0 } else { row };
            values.get(row).copied().unwrap_or_default()
        }
        Cell { bits: at(self.bits, row), len: at(self.lens, row), tag: at(self.tags, row) }
    }

    /// How many different cells there are at most: 1 when all rows share one.
    pub fn distinct(&self) -> usize {
        self.tags.len().max(self.bits.len()).max(self.lens.len())
    }
}

/// Cells to hand to Python.
#[derive(Debug, Default)]
pub struct CellVec {
    pub tags: Vec<u8>,
    pub bits: Vec<i64>,
    pub lens: Vec<u32>,
}

impl CellVec {
    /// Empty, with room for so many.
    pub fn with_capacity(capacity: usize) -> CellVec {
        CellVec {
            tags: Vec::with_capacity(capacity),
            bits: Vec::with_capacity(capacity),
            lens: Vec::with_capacity(capacity),
        }
    }

    /// Appends one.
    #[inline(always)]
    pub fn push(&mut self, cell: Cell) {
        self.tags.push(cell.tag);
        self.bits.push(cell.bits);
        self.lens.push(cell.len);
    }
}

/// Reads an AnyValue; the flag says that it has unknown fields. Lists and maps are not looked into. `base` is the arena offset of
/// the first byte of `data`.
#[inline]
pub fn any_value(values: &Values, data: &[u8], mut pos: usize, end: usize, base: i64) -> Result<(Cell, bool), Stop> {
    if let Some(cell) = data.get(pos..end).and_then(|body| short_value(values, body, base + pos as i64)) {
        return Ok((cell, false));
    }
    let mut cell = None;
    let mut odd = false;
    while pos < end {
        let at = pos;
        let (tag, next) = wire::tag(data, pos, end)?;
        let (number, wire_type) = (tag >> 3, (tag & 7) as u8);
        let kind = values.kinds.get(number as usize).copied().unwrap_or(tags::EMPTY);
        let found = match (kind, wire_type) {
            (tags::STRING | tags::BYTES | tags::LIST | tags::MAP, wire::LEN) => {
                let (begin, stop) = wire::length(data, next, end)?;
                pos = stop;
                Cell::view(kind, base + begin as i64, stop - begin)
            }
            (tags::INT, wire::VARINT) => {
                let (value, stop) = wire::varint(data, next, end)?;
                pos = stop;
                Cell::scalar(kind, value as i64)
            }
            (tags::BOOL, wire::VARINT) => {
                let (value, stop) = wire::varint(data, next, end)?;
                pos = stop;
                Cell::scalar(kind, i64::from(value != 0))
            }
            (tags::STRING_INDEX, wire::VARINT) => {
                let (value, stop) = wire::varint(data, next, end)?;
                pos = stop;
                Cell::scalar(kind, i64::from(value as i32))
            }
            (tags::DOUBLE, wire::FIXED64) => {
                let (value, stop) = wire::fixed64(data, next, end)?;
                pos = stop;
                Cell::scalar(kind, value as i64)
            }
            (tags::EMPTY, _) => {
                pos = wire::skip(data, wire_type, at, next, end)?;
                odd = true;
                continue;
            }
            _ => return Err(Stop::Irregular),
        };
        if cell.replace(found).is_some() {
            return Err(Stop::Irregular);
        }
    }
    Ok((cell.unwrap_or_default(), odd))
}

/// Reads the body of an AnyValue that has one member, a short one. `None` for all others, good or bad.
#[inline(always)]
fn short_value(values: &Values, body: &[u8], begin: i64) -> Option<Cell> {
    let &[tag, first] = body.first_chunk()?;
    let kind = values.kinds.get(usize::from(tag >> 3)).copied().unwrap_or(tags::EMPTY);
    match (kind, tag & 7) {
        _ if tag >= 0x80 => None,
        (tags::STRING | tags::BYTES | tags::LIST | tags::MAP, wire::LEN) => {
            let len = usize::from(first);
            (first < 0x80 && len + 2 == body.len()).then(|| Cell::view(kind, begin + 2, len))
        }
        (tags::INT, wire::VARINT) if first < 0x80 && body.len() == 2 => Some(Cell::scalar(kind, i64::from(first))),
        (tags::BOOL, wire::VARINT) if first < 2 && body.len() == 2 => Some(Cell::scalar(kind, i64::from(first))),
        (tags::DOUBLE, wire::FIXED64) if body.len() == 9 => {
            Some(Cell::scalar(kind, i64::from_le_bytes(*body.get(1..)?.first_chunk()?)))
        }
        _ => None,
    }
}

/// A KeyValue as it lies in the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Range of the key.
    pub key: (usize, usize),
    /// Range of the encoded value; empty when absent.
    pub value: (usize, usize),
    pub has_value: bool,
    /// It has unknown fields.
    pub odd: bool,
}

/// Reads a KeyValue without looking into its value.
#[inline]
pub fn key_value(values: &Values, data: &[u8], mut pos: usize, end: usize) -> Result<Pair, Stop> {
    if let Some(pair) = short_pair(values, data, pos, end) {
        return Ok(pair);
    }
    let mut key = None;
    let mut value = None;
    let mut odd = false;
    while pos < end {
        let at = pos;
        let (tag, next) = wire::tag(data, pos, end)?;
        let (number, wire_type) = (tag >> 3, (tag & 7) as u8);
        if number == u32::from(values.key) || number == u32::from(values.value) {
            if wire_type != wire::LEN {
                return Err(Stop::Irregular);
            }
            let range = wire::length(data, next, end)?;
            pos = range.1;
            let place = if number == u32::from(values.key) { &mut key } else { &mut value };
            if place.replace(range).is_some() {
                return Err(Stop::Irregular);
            }
        } else if number == u32::from(values.key_index) {
            return Err(Stop::Irregular);
        } else {
            pos = wire::skip(data, wire_type, at, next, end)?;
            odd = true;
        }
    }
    Ok(Pair { key: key.unwrap_or((pos, pos)), value: value.unwrap_or((pos, pos)), has_value: value.is_some(), odd })
}

/// Reads a KeyValue as encoders write it, with lengths below 128. `None` for all others, good or bad.
#[inline(always)]
fn short_pair(values: &Values, data: &[u8], pos: usize, end: usize) -> Option<Pair> {
    let body = data.get(pos..end)?;
    let &[tag, len] = body.first_chunk()?;
    let key_end = 2 + usize::from(len);
    let &[value_tag, value_len] = body.get(key_end..)?.first_chunk()?;
    let plain = tag == values.key_tag && value_tag == values.value_tag && len < 0x80 && value_len < 0x80;
    (plain && key_end + 2 + usize::from(value_len) == body.len()).then_some(Pair {
        key: (pos + 2, pos + key_end),
        value: (pos + key_end + 2, end),
        has_value: true,
        odd: false,
    })
}

/// Reads a KeyValue as encoders write it: key, then a value of one scalar member, lengths below 128. `None` for all
/// others, good or bad.
#[inline(always)]
pub fn plain_pair<'a>(
    values: &Values,
    data: &'a [u8],
    begin: usize,
    end: usize,
    base: i64,
) -> Option<(&'a [u8], Cell)> {
    let body = data.get(begin..end)?;
    if *body.first()? != values.key_tag {
        return None;
    }
    let key_end = 2 + usize::from(*body.get(1)?);
    let rest = body.get(key_end..)?;
    if *rest.first()? != values.value_tag {
        return None;
    }
    Some((body.get(2..key_end)?, plain_value(values, data, begin + key_end + 1, end, base)?))
}

/// Reads a value as `plain_pair` does: its length at `pos`, then one scalar member up to `end`, which is where the pair ends too. A
/// value that ends with the data may not be read.
#[inline(always)]
pub fn plain_value(values: &Values, data: &[u8], pos: usize, end: usize, base: i64) -> Option<Cell> {
    let &[len, member, first, second] = data.get(pos..)?.first_chunk::<4>()?;
    if pos + 1 + usize::from(len) != end || len >= 0x80 {
        return None;
    }
    if member == values.string_tag {
        return (pos + 3 + usize::from(first) == end && first < 0x80)
            .then(|| Cell::view(tags::STRING, base + (pos + 3) as i64, usize::from(first)));
    }
    let tag = *values.kinds.get(usize::from(member >> 3))?;
    match (tag, member & 7, len) {
        (tags::INT, wire::VARINT, 2) if first < 0x80 => Some(Cell::scalar(tag, i64::from(first))),
        (tags::INT, wire::VARINT, 3) if first >= 0x80 && second < 0x80 => {
            Some(Cell::scalar(tag, i64::from(first & 0x7f) | i64::from(second) << 7))
        }
        (tags::INT, wire::VARINT, _) => {
            let (value, next) = wire::varint(data, pos + 2, end).ok()?;
            (next == end).then(|| Cell::scalar(tag, value as i64))
        }
        (tags::BOOL, wire::VARINT, 2) if first <= 1 => Some(Cell::scalar(tag, i64::from(first))),
        (tags::DOUBLE, wire::FIXED64, 9) => {
            Some(Cell::scalar(tag, i64::from_le_bytes(*data.get(pos + 2..)?.first_chunk::<8>()?)))
        }
        (tags::BYTES, wire::LEN, _) => (pos + 3 + usize::from(first) == end && first < 0x80)
            .then(|| Cell::view(tag, base + (pos + 3) as i64, usize::from(first))),
        _ => None,
    }
}

/// Walks the elements of a list or the pairs of a map: ranges of their bodies.
pub struct Items<'a> {
    data: &'a [u8],
    pos: usize,
    number: u32,
    began: usize,
}

impl<'a> Items<'a> {
    /// The elements of an encoded ArrayValue or KeyValueList.
    pub fn new(data: &'a [u8], number: u8) -> Items<'a> {
        Items { data, pos: 0, number: u32::from(number), began: 0 }
    }

    /// Where the field of the last one begins.
    pub fn began(&self) -> usize {
        self.began
    }
}

impl Iterator for Items<'_> {
    type Item = Result<(usize, usize), Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.data.len();
        // Mostly the next field is one of them, and a short one.
        if let Some(&[tag, len]) = self.data.get(self.pos..).and_then(|data| data.first_chunk()) {
            let (from, to) = (self.pos + 2, self.pos + 2 + usize::from(len));
            if u32::from(tag) == self.number << 3 | u32::from(wire::LEN) && len < 0x80 && to <= end {
                (self.pos, self.began) = (to, self.pos);
                return Some(Ok((from, to)));
            }
        }
        while self.pos < end {
            let at = self.pos;
            let step = || -> Result<(bool, (usize, usize)), Stop> {
                let (tag, next) = wire::tag(self.data, at, end)?;
                if tag >> 3 == self.number && (tag & 7) as u8 == wire::LEN {
                    return Ok((true, wire::length(self.data, next, end)?));
                }
                Ok((false, (at, wire::skip(self.data, (tag & 7) as u8, at, next, end)?)))
            };
            match step() {
                Ok((true, range)) => {
                    (self.pos, self.began) = (range.1, at);
                    return Some(Ok(range));
                }
                Ok((false, range)) => self.pos = range.1,
                Err(stop) => {
                    self.pos = end;
                    return Some(Err(stop));
                }
            }
        }
        None
    }
}

/// Bytes that the cell takes as the body of an AnyValue.
#[inline]
pub fn any_len(cell: Cell) -> usize {
    match cell.tag {
        tags::EMPTY => 0,
        tags::BOOL => 2,
        tags::DOUBLE => 9,
        tags::INT | tags::STRING_INDEX => 1 + wire::varint_len(cell.bits as u64),
        _ => 1 + wire::varint_len(u64::from(cell.len)) + cell.len as usize,
    }
}

/// Appends the body of an AnyValue; `bytes` is what the cell views.
#[inline]
pub fn put_any(out: &mut Vec<u8>, values: &Values, cell: Cell, bytes: &[u8]) {
    let number = values.members.get(usize::from(cell.tag)).copied().unwrap_or(0);
    if number == 0 {
        return;
    }
    let number = u32::from(number);
    match cell.tag {
        tags::BOOL | tags::INT | tags::STRING_INDEX => {
            wire::put_tag(out, number, wire::VARINT);
            wire::put_varint(out, cell.bits as u64);
        }
        tags::DOUBLE => {
            wire::put_tag(out, number, wire::FIXED64);
            out.extend_from_slice(&cell.bits.to_le_bytes());
        }
        _ => wire::put_bytes(out, number, bytes),
    }
}

/// Unknown fields of a KeyValue and of its value, kept when the value is replaced.
#[derive(Debug, Default)]
pub struct Unknown {
    pub pair: Vec<u8>,
    pub value: Vec<u8>,
}

/// Collects the fields of an AnyValue that the descriptors do not know.
pub fn unknown_of_value(values: &Values, data: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    each_field(data, |number, from, to| {
        if values.kinds.get(number as usize).copied().unwrap_or(tags::EMPTY) == tags::EMPTY {
            out.extend_from_slice(data.get(from..to).unwrap_or_default());
        }
    })
}

/// Collects the unknown fields of a KeyValue and of its value.
pub fn unknown_of_pair(values: &Values, data: &[u8]) -> Result<Unknown, Stop> {
    let mut unknown = Unknown::default();
    let pair = key_value(values, data, 0, data.len())?;
    each_field(data, |number, from, to| {
        if number != u32::from(values.key) && number != u32::from(values.value) {
            unknown.pair.extend_from_slice(data.get(from..to).unwrap_or_default());
        }
    })?;
    unknown_of_value(values, data.get(pair.value.0..pair.value.1).unwrap_or_default(), &mut unknown.value)?;
    Ok(unknown)
}

fn each_field(data: &[u8], mut each: impl FnMut(u32, usize, usize)) -> Result<(), Stop> {
    let mut pos = 0;
    while pos < data.len() {
        let at = pos;
        let (tag, next) = wire::tag(data, pos, data.len())?;
        pos = wire::skip(data, (tag & 7) as u8, at, next, data.len())?;
        each(tag >> 3, at, pos);
    }
    Ok(())
}

/// Appends a KeyValue with its tag and length.
#[inline]
pub fn put_pair(
    out: &mut Vec<u8>,
    values: &Values,
    number: u32,
    key: &[u8],
    cell: Cell,
    bytes: &[u8],
    unknown: Option<&Unknown>,
) {
    let value_len = any_len(cell) + unknown.map_or(0, |u| u.value.len());
    let key_len = if key.is_empty() { 0 } else { 1 + wire::varint_len(key.len() as u64) + key.len() };
    let len = key_len + 1 + wire::varint_len(value_len as u64) + value_len + unknown.map_or(0, |u| u.pair.len());
    out.reserve(len + 10);
    wire::put_tag(out, number, wire::LEN);
    wire::put_varint(out, len as u64);
    if !key.is_empty() {
        wire::put_bytes(out, u32::from(values.key), key);
    }
    wire::put_tag(out, u32::from(values.value), wire::LEN);
    wire::put_varint(out, value_len as u64);
    put_any(out, values, cell, bytes);
    if let Some(unknown) = unknown {
        out.extend_from_slice(&unknown.value);
        out.extend_from_slice(&unknown.pair);
    }
}

//! Attribute maps of a table: for each row a run of slots in one array of entries, edited in place.
//!
//! Keys are codes of a dictionary of the map. A run that outgrows its capacity moves to the end of the array; the scan leaves
//! [`SLACK`] free slots behind each run so that the first new keys of a row find room.

use crate::arena::{Arena, Codes};
use crate::layouts::{self, Layouts, Place};
use crate::pages;
use crate::schema::{tags, Values};
use crate::values::{self, Cell, CellVec, Cells, Items};
use crate::wire::{self, Stop};

/// Free slots behind the entries of a scanned row.
pub const SLACK: u32 = 2;

/// Entries to make room for when the first one is met: small payloads would spend their time growing.
const FIRST: usize = 64;

/// Where so many keys are asked for or more, it pays to know the layouts of rows.
const FOLLOWED: u32 = 4;

/// Up to so many keys are kept from one payload to the next.
const KEPT_KEYS: usize = 256;

/// The keys of a map: code to bytes and back.
#[derive(Debug, Default)]
pub struct Keys {
    table: Codes,
    bytes: Vec<u8>,
    keys: Vec<Key>,
    first: u32,
    /// By code, as far as a scan has needed them.
    heads: Vec<Head>,
}

/// A key: where its bytes lie, and the code that followed it last time. Rows of one kind repeat their keys in order, so that most
/// keys are found by one comparison.
#[derive(Debug, Clone, Copy)]
struct Key {
    begin: usize,
    len: u32,
    next: u32,
}

/// Whether two strings of one length are equal: two comparisons of words, which overlap, for the lengths that keys have.
#[inline(always)]
fn same_key(a: &[u8], b: &[u8]) -> bool {
    fn both<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        (a.first_chunk::<N>() == b.first_chunk::<N>()) & (a.last_chunk::<N>() == b.last_chunk::<N>())
    }
    match a.len() {
        16..=32 => both::<16>(a, b),
        8..=15 => both::<8>(a, b),
        4..=7 => both::<4>(a, b),
        _ => a == b,
    }
}

/// How a KeyValue with a key begins on the wire, up to the tag of its value: the first bytes as words to compare under masks, and how
/// many there are.
#[derive(Debug, Clone, Copy)]
struct Head {
    words: [u64; HEAD / 8],
    masks: [u64; HEAD / 8],
    len: u32,
}

/// Bytes of a [`Head`] that are compared as words.
const HEAD: usize = 32;

impl Head {
    /// None, by a length that nothing has, for a key whose length takes more than a byte.
    fn new(values: &Values, key: &[u8]) -> Head {
        let mut bytes = [0u8; HEAD];
        let mut mask = [0u8; HEAD];
        let head = [values.key_tag, key.len() as u8].into_iter().chain(key.iter().copied()).chain([values.value_tag]);
        for ((byte, mask), wanted) in bytes.iter_mut().zip(&mut mask).zip(head) {
            (*byte, *mask) = (wanted, 0xff);
        }
        let len = if key.len() < 0x80 { key.len() as u32 + 3 } else { u32::MAX };
        Head { words: words(&bytes), masks: words(&mask), len }
    }

    /// Appends a KeyValue as a field with a one-byte tag; false, with nothing done, if a length of it takes more than a byte or the key
    /// is a long one. `bytes` is what the cell views.
    #[inline]
    fn put(&self, out: &mut Vec<u8>, values: &Values, tag: u8, cell: Cell, bytes: &[u8]) -> bool {
        let (head, value) = (self.len as usize, values::any_len(cell));
        let member = values.members.get(usize::from(cell.tag)).copied().unwrap_or(0) << 3;
        if head > HEAD || head + 1 + value >= 0x80 || member == 0 || member >= 0x80 {
            return false;
        }
        let mut field = [0u8; HEAD + 16];
        (field[0], field[1]) = (tag, (head + 1 + value) as u8);
        for (at, word) in self.words.iter().enumerate() {
            field[2 + 8 * at..10 + 8 * at].copy_from_slice(&word.to_le_bytes());
        }
        let Some(rest) = field.get_mut(2 + head..).and_then(|rest| rest.first_chunk_mut::<12>()) else {
            return false;
        };
        rest[0] = value as u8;
        match cell.tag {
            tags::BOOL | tags::INT | tags::STRING_INDEX => {
                rest[1] = member | wire::VARINT;
                let mut bits = cell.bits as u64;
                for byte in &mut rest[2..] {
                    *byte = bits as u8 & 0x7f | u8::from(bits >= 0x80) << 7;
                    bits >>= 7;
                    if bits == 0 {
                        break;
                    }
                }
                out.extend_from_slice(field.get(..3 + head + value).unwrap_or_default());
            }
            tags::DOUBLE => {
                rest[1] = member | wire::FIXED64;
                rest[2..10].copy_from_slice(&cell.bits.to_le_bytes());
                out.extend_from_slice(field.get(..3 + head + value).unwrap_or_default());
            }
            _ => {
                (rest[1], rest[2]) = (member | wire::LEN, bytes.len() as u8);
                out.extend_from_slice(field.get(..5 + head).unwrap_or_default());
                out.extend_from_slice(bytes);
            }
        }
        true
    }

    /// Whether bytes begin with it, except for what lies behind the words.
    #[inline(always)]
    fn begins(&self, bytes: &[u8; HEAD]) -> bool {
        let differ = |((found, mask), word): ((&u64, &u64), &u64)| found & mask ^ word;
        words(bytes).iter().zip(&self.masks).zip(&self.words).map(differ).fold(0, |all, one| all | one) == 0
    }
}

#[inline(always)]
fn words(bytes: &[u8; HEAD]) -> [u64; HEAD / 8] {
    std::array::from_fn(|at| bytes[8 * at..].first_chunk().map_or(0, |&word| u64::from_le_bytes(word)))
}

/// Stands for "no key before this one".
pub const START: u32 = u32::MAX;

impl Keys {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The bytes of a key.
    #[inline(always)]
    pub fn get(&self, code: u32) -> &[u8] {
        string(&self.bytes, &self.keys, code)
    }

    /// The code of a key in use.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.table.find(key, |code| self.get(code))
    }

    /// The code of a key, new or known.
    pub fn code(&mut self, key: &[u8]) -> u32 {
        let (code, new) = self.table.code(key, |code| string(&self.bytes, &self.keys, code));
        if new {
            self.keys.push(Key { begin: self.bytes.len(), len: key.len() as u32, next: 0 });
            self.bytes.extend_from_slice(key);
        }
        code
    }

    /// The code of the key that follows `before` ([`START`] for a row's first key).
    #[inline(always)]
    pub fn code_after(&mut self, before: u32, key: &[u8]) -> u32 {
        match self.guess(before) {
            Some((code, known)) if known.len() == key.len() && same_key(known, key) => code,
            _ => self.learn(before, key),
        }
    }

    /// The key that followed `before` last time.
    #[inline(always)]
    fn guess(&self, before: u32) -> Option<(u32, &[u8])> {
        let code = self.keys.get(before as usize).map_or(self.first, |before| before.next);
        let key = self.keys.get(code as usize)?;
        Some((code, self.bytes.get(key.begin..key.begin + key.len as usize)?))
    }

    /// Appends a KeyValue as a field with this number; `bytes` is what the cell views.
    #[inline]
    pub fn put_pair(&self, out: &mut Vec<u8>, values: &Values, number: u32, code: u32, cell: Cell, bytes: &[u8]) {
        let head = self.heads.get(code as usize).filter(|_| number < 16);
        if !head.is_some_and(|head| head.put(out, values, (number << 3) as u8 | wire::LEN, cell, bytes)) {
            values::put_pair(out, values, number, self.get(code), cell, bytes, None);
        }
    }

    /// Makes the heads of the keys that have come since.
    #[inline(always)]
    pub fn learn_heads(&mut self, values: &Values) {
        while self.heads.len() < self.keys.len() {
            let head = Head::new(values, self.get(self.heads.len() as u32));
            self.heads.push(head);
        }
    }

    #[inline(never)]
    fn learn(&mut self, before: u32, key: &[u8]) -> u32 {
        let code = self.code(key);
        match self.keys.get_mut(before as usize) {
            Some(before) => before.next = code,
            None => self.first = code,
        }
        code
    }
}

#[inline(always)]
fn string<'k>(bytes: &'k [u8], keys: &[Key], code: u32) -> &'k [u8] {
    let range = |key: &Key| key.begin..key.begin + key.len as usize;
    keys.get(code as usize).and_then(|key| bytes.get(range(key))).unwrap_or_default()
}

/// Where an entry comes from and what became of it.
pub mod flags {
    /// It lies in the payload as `raw`.
    pub const ORIGIN: u8 = 1;
    /// Its value was changed: it is encoded again.
    pub const CHANGED: u8 = 2;
    /// It has unknown fields, which are kept.
    pub const ODD: u8 = 4;
}

/// One entry; its key code is kept beside, in [`Map::codes`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry {
    pub bits: i64,
    pub len: u32,
    /// Position and length of the whole field in the payload.
    pub raw: u32,
    pub raw_len: u32,
    pub tag: u8,
    pub flags: u8,
}

impl Entry {
    /// The value.
    #[inline(always)]
    pub fn cell(&self) -> Cell {
        Cell { bits: self.bits, len: self.len, tag: self.tag }
    }

    const NONE: Entry = Entry { bits: 0, len: 0, raw: 0, raw_len: 0, tag: tags::EMPTY, flags: 0 };

    /// An entry that is not in the payload.
    pub fn made(cell: Cell) -> Entry {
        Entry { bits: cell.bits, len: cell.len, raw: 0, raw_len: 0, tag: cell.tag, flags: 0 }
    }

    #[inline(always)]
    fn set(&mut self, cell: Cell) {
        self.bits = cell.bits;
        self.len = cell.len;
        self.tag = cell.tag;
        self.flags |= flags::CHANGED;
    }

    /// True when the payload still holds this entry as it is.
    #[inline(always)]
    pub fn untouched(&self) -> bool {
        self.flags & (flags::ORIGIN | flags::CHANGED) == flags::ORIGIN
    }
}

/// The slots of one row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    pub begin: u32,
    pub count: u32,
    pub room: u32,
    /// Where its fields lie in the payload, one behind the other; [`SCATTERED`] where other fields lie between.
    pub from: u32,
    pub to: u32,
    /// The layout of its keys, while it is known.
    pub layout: u32,
}

/// Stands for no place.
pub const SCATTERED: u32 = u32::MAX;

/// A run of the newest row while the scan adds to it.
#[derive(Debug, Clone, Copy)]
pub struct OpenRun {
    before: u32,
    count: u32,
}

/// The maps of all rows of a table for one map field.
#[derive(Debug, Default)]
pub struct Map {
    pub runs: Vec<Run>,
    pub codes: Vec<u32>,
    pub entries: Vec<Entry>,
    pub keys: Keys,
    pub layouts: Layouts,
    pub dirty: Vec<bool>,
    /// No field of the payload: a changed map does not change its row.
    pub detached: bool,
    /// How many entries a row that outgrows its room is likely to get.
    pub growth: u32,
}

/// Where a key stands in the rows of one layout: the next row mostly has the same.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    layout: u32,
    place: Place,
}

impl Default for Hint {
    fn default() -> Hint {
        Hint { layout: u32::MAX, place: Place::absent(layouts::NONE) }
    }
}

/// Rows to work on.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    All(usize),
    Some(&'a [i32]),
}

impl<'a> Rows<'a> {
    /// Checks the rows against the size of the table.
    pub fn new(rows: Option<&'a [i32]>, count: usize) -> Result<Rows<'a>, String> {
        let Some(rows) = rows else {
            return Ok(Rows::All(count));
        };
        match rows.iter().find(|&&row| row < 0 || row as usize >= count) {
            Some(row) => Err(format!("row {row} is not one of the table's {count}")),
            None => Ok(Rows::Some(rows)),
        }
    }

    /// How many.
    #[inline(always)]
    pub fn len(&self) -> usize {
        match self {
            Rows::All(count) => *count,
            Rows::Some(rows) => rows.len(),
        }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row at a position.
    #[inline(always)]
    pub fn get(&self, at: usize) -> usize {
        match self {
            Rows::All(_) => at,
            Rows::Some(rows) => rows.get(at).copied().unwrap_or(0) as usize,
        }
    }

    /// All of them in order.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = usize> + 'a {
        (0..self.len()).map(move |at| self.get(at))
    }
}

/// Entries of some rows, flat.
#[derive(Debug, Default)]
pub struct EntryVec {
    pub owners: Vec<i32>,
    pub codes: Vec<u32>,
    pub slots: Vec<i32>,
    pub cells: CellVec,
}

const FULL: &str = "too many map entries";

/// Where a code first stands among eight, compared all at once.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn place_of(code: u32, block: &[u32; 8]) -> Option<usize> {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi32, _mm_set1_epi32,
    };
    let (first, second) = block.split_at(4);
    // SAFETY: every x86-64 processor has SSE2, and each load takes the 16 bytes of four codes at any alignment.
    let found = unsafe {
        let wanted = _mm_set1_epi32(code as i32);
        let low = _mm_cmpeq_epi32(_mm_loadu_si128(first.as_ptr().cast::<__m128i>()), wanted);
        let high = _mm_cmpeq_epi32(_mm_loadu_si128(second.as_ptr().cast::<__m128i>()), wanted);
        _mm_movemask_epi8(_mm_packs_epi32(low, high))
    };
    (found != 0).then(|| found.trailing_zeros() as usize / 2)
}

/// As above, in a form that compilers make vectors of.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn place_of(code: u32, block: &[u32; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(block.map(|found| u8::from(found == code)));
    (word != 0).then(|| word.trailing_zeros() as usize / 8)
}

impl Map {
    /// Begins or goes on with the entries of the newest row.
    #[inline(always)]
    pub fn open_run(&mut self, row: usize) -> OpenRun {
        if self.runs.len() <= row {
            self.open(row);
        }
        let count = self.runs.last().map_or(0, |run| run.count);
        match self.codes.last() {
            Some(&before) if count > 0 => OpenRun { before, count },
            _ => OpenRun { before: START, count },
        }
    }

    /// Adds the entries from a position on whose keys follow each other as they did last time, in the common form of their encoding;
    /// the position behind them. All have the same one-byte tag and end before `end`; each takes two of the `messages` that may come.
    #[inline(never)]
    pub fn scan_run(
        &mut self,
        values: &Values,
        data: &[u8],
        (tag, mut at, end): (u8, usize, usize),
        run: &mut OpenRun,
        messages: &mut usize,
    ) -> usize {
        self.keys.learn_heads(values);
        let Map { keys: Keys { keys, heads, bytes, first, .. }, codes, entries, .. } = self;
        let mut before = run.before;
        let mut code = keys.get(before as usize).map_or(*first, |before| before.next);
        let already = codes.len();
        let most = *messages / 2;
        let mut count = 0;
        while count < most {
            let (Some(key), Some(head)) = (keys.get(code as usize), heads.get(code as usize)) else {
                break;
            };
            let Some(&[found, len, ref body @ ..]) = data.get(at..).and_then(|data| data.first_chunk::<{ HEAD + 2 }>())
            else {
                break;
            };
            let stop = at + 2 + usize::from(len);
            let fits = (found == tag) & (len < 0x80) & (stop <= end);
            if !(fits && body.first_chunk().is_some_and(|body| head.begins(body))) {
                break;
            }
            if head.len > HEAD as u32 {
                let known = bytes.get(key.begin + HEAD - 2..key.begin + key.len as usize);
                let tail = data.get(at + 2 + HEAD..at + 1 + head.len as usize);
                let tag = data.get(at + 1 + head.len as usize);
                if known.is_none() || known != tail || tag != Some(&values.value_tag) {
                    break;
                }
            }
            let Some(cell) = values::plain_value(values, data, at + 2 + head.len as usize, stop, 0) else {
                break;
            };
            codes.push(code);
            entries.push(Entry {
                bits: cell.bits,
                len: cell.len,
                raw: at as u32,
                raw_len: u32::from(len) + 2,
                tag: cell.tag,
                flags: flags::ORIGIN,
            });
            count += 1;
            before = code;
            code = key.next;
            at = stop;
        }
        *messages -= 2 * count;
        *run = OpenRun { before, count: run.count + (codes.len() - already) as u32 };
        at
    }

    /// Adds a scanned entry.
    #[inline(always)]
    pub fn scanned(&mut self, run: &mut OpenRun, key: &[u8], entry: Entry) {
        run.before = self.keys.code_after(run.before, key);
        run.count += 1;
        self.codes.push(run.before);
        self.entries.push(entry);
    }

    /// Ends the entries of one place, which lies between two positions of the payload.
    #[inline(always)]
    pub fn close_run(&mut self, open: OpenRun, from: usize, to: usize) {
        let len = self.codes.len() as u32;
        if let Some(run) = self.runs.last_mut() {
            let from = if run.count == 0 { from as u32 } else { SCATTERED };
            let (begin, count, room) = (len - open.count, open.count, open.count);
            *run = Run { begin, count, room, from, to: to as u32, layout: layouts::UNKNOWN };
        }
    }

    /// Where the fields of a row lie in the payload; an empty place at `end` where there are none, None where they lie apart.
    #[inline(always)]
    pub fn place(&self, row: usize, end: usize) -> Option<(usize, usize)> {
        let run = self.runs.get(row)?;
        match (run.from, run.to) {
            (0, 0) => Some((end, end)),
            (SCATTERED, _) => None,
            (from, to) => Some((from as usize, to as usize)),
        }
    }

    fn open(&mut self, row: usize) {
        self.close();
        if self.codes.capacity() - self.codes.len() < FIRST / 2 {
            // Fourfold, as copying costs more than room that is never touched.
            let more = FIRST + self.codes.len() * 3;
            self.codes.reserve(more);
            self.entries.reserve(more);
            pages::large_room(&mut self.codes);
            pages::large_room(&mut self.entries);
        }
        if self.runs.capacity() == 0 {
            self.runs.reserve(FIRST / 4);
        }
        let run = Run { begin: self.codes.len() as u32, ..Run::default() };
        self.runs.resize(row, run);
        self.runs.push(run);
    }

    #[inline(always)]
    fn close(&mut self) {
        if let Some(run) = self.runs.last_mut().filter(|run| run.count > 0) {
            run.room += SLACK;
            self.codes.extend_from_slice(&[0; SLACK as usize]);
            self.entries.extend_from_slice(&[Entry::NONE; SLACK as usize]);
        }
    }

    /// Ends the scan of a table of so many rows.
    pub fn finish(&mut self, rows: usize) {
        if rows > self.runs.len() {
            self.open(rows - 1);
        }
        self.close();
        self.dirty.resize(rows, false);
    }

    /// Empties all rows; the map keeps its memory.
    pub fn clear_rows(&mut self) {
        self.runs.clear();
        self.codes.clear();
        self.entries.clear();
        self.dirty.clear();
    }

    /// Makes an empty map ready for another payload, which is likely to have the same keys.
    pub fn renew(&mut self) {
        self.growth = 0;
        if self.keys.len() > KEPT_KEYS {
            self.keys = Keys::default();
            self.layouts = Layouts::default();
        }
    }

    /// Takes the entries of an encoded map as its only row, which is not marked as changed.
    pub fn hold<P: AsRef<[u8]>>(&mut self, arena: &Arena<P>, values: &Values, cell: Cell) -> Result<(), String> {
        self.clear_rows();
        let data = arena.cell(cell)?;
        // Of a map in the payload, entries that stay as they are can be copied.
        let origin =
            u32::try_from(cell.bits).ok().filter(|_| cell.bits as usize + data.len() <= arena.payload.as_ref().len());
        let mut before = START;
        let mut items = Items::new(data, values.map_values);
        while let Some(item) = items.next() {
            let (from, to) = item.map_err(damaged)?;
            let (key, value, odd) = match values::plain_pair(values, data, from, to, cell.bits) {
                Some((key, value)) => (key, value, false),
                None => {
                    let pair = values::key_value(values, data, from, to).map_err(damaged)?;
                    let (value, odd) =
                        values::any_value(values, data, pair.value.0, pair.value.1, cell.bits).map_err(damaged)?;
                    (data.get(pair.key.0..pair.key.1).unwrap_or_default(), value, odd || pair.odd)
                }
            };
            let mut entry = Entry::made(value);
            if let Some(origin) = origin {
                (entry.raw, entry.raw_len) = (origin + items.began() as u32, (to - items.began()) as u32);
                entry.flags = flags::ORIGIN | if odd { flags::ODD } else { 0 };
            }
            before = self.keys.code_after(before, key);
            self.codes.push(before);
            self.entries.push(entry);
        }
        let count = u32::try_from(self.codes.len()).map_err(|_| FULL)?;
        self.runs.push(Run { count, room: count, layout: layouts::NONE, ..Run::default() });
        self.dirty.push(false);
        Ok(())
    }

    /// Leaves the memory of an empty map to the system as far as that needs it; false if that can't be done.
    pub fn lend(&mut self) -> bool {
        pages::lend_room(&mut self.runs) & pages::lend_room(&mut self.codes) & pages::lend_room(&mut self.entries)
    }

    /// Bytes of memory that it holds on to.
    pub fn capacity(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
            + self.codes.capacity() * 4
            + self.entries.capacity() * size_of::<Entry>()
    }

    #[inline(always)]
    fn codes_of(&self, row: usize) -> (usize, &[u32]) {
        let run = self.runs.get(row).copied().unwrap_or_default();
        let begin = run.begin as usize;
        (begin, self.codes.get(begin..begin + run.count as usize).unwrap_or_default())
    }

    /// Key codes and entries of a row, in order.
    #[inline]
    pub fn row(&self, row: usize) -> (&[u32], &[Entry]) {
        let (begin, codes) = self.codes_of(row);
        (codes, self.entries.get(begin..begin + codes.len()).unwrap_or_default())
    }

    #[inline(always)]
    fn slot_of(&self, row: usize, code: u32) -> Option<usize> {
        let (begin, codes) = self.codes_of(row);
        if codes.len() < 8 {
            return codes.iter().position(|&found| found == code).map(|at| begin + at);
        }
        let mut blocks = codes.chunks_exact(8);
        let mut at = begin;
        for block in &mut blocks {
            if let Some(place) = block.first_chunk().and_then(|block| place_of(code, block)) {
                return Some(at + place);
            }
            at += 8;
        }
        // What is left over is looked at with some of what stands before it, where the key is not.
        let place = place_of(code, codes.last_chunk::<8>().filter(|_| !blocks.remainder().is_empty())?)?;
        Some(begin + codes.len() - 8 + place)
    }

    /// The first entry of a row with a key.
    #[inline(always)]
    pub fn entry(&self, row: usize, code: u32) -> Option<&Entry> {
        self.entries.get(self.slot_of(row, code)?)
    }

    /// Keeps a number for the keys of each row, where so many keys are asked for that this pays.
    pub fn use_layouts(&mut self) {
        if self.growth >= FOLLOWED && self.layouts.fit(self.keys.len()) {
            self.runs.iter_mut().for_each(|run| run.layout = layouts::UNKNOWN);
        }
    }

    /// Where a key stands in a row, with the row's slots.
    #[inline(always)]
    fn place_of(&mut self, row: usize, code: u32, hint: &mut Hint) -> (Run, Place) {
        let run = self.runs.get(row).copied().unwrap_or_default();
        if run.layout == hint.layout {
            return (run, hint.place);
        }
        let place = self.layouts.place(run.layout, code);
        if place.is_unknown() {
            return (run, self.find_place(row, code));
        }
        *hint = Hint { layout: run.layout, place };
        (run, place)
    }

    #[inline(never)]
    fn find_place(&mut self, row: usize, code: u32) -> Place {
        let Some(run) = self.runs.get_mut(row) else {
            return Place::absent(layouts::NONE);
        };
        if self.layouts.are_used() && run.layout != layouts::NONE {
            let codes = self.codes.get(run.begin as usize..(run.begin + run.count) as usize).unwrap_or_default();
            if run.layout == layouts::UNKNOWN {
                run.layout = self.layouts.of(codes);
            }
            let place = self.layouts.place(run.layout, code);
            if !place.is_unknown() {
                return place;
            }
            if run.layout != layouts::NONE {
                return self.layouts.learn(run.layout, codes, code);
            }
        }
        let (begin, slot) = (run.begin as usize, self.slot_of(row, code));
        slot.map_or(Place::absent(layouts::NONE), |slot| Place::at(slot - begin))
    }

    /// The value of a key in a row, the first one.
    #[inline(always)]
    pub fn value(&mut self, row: usize, code: u32, hint: &mut Hint) -> Option<Cell> {
        let (run, place) = self.place_of(row, code, hint);
        self.entries.get(run.begin as usize + place.position().ok()?).map(Entry::cell)
    }

    /// Overwrites the first entry of a row with a key, or appends one.
    #[inline]
    pub fn put(&mut self, row: usize, code: u32, cell: Cell, touched: &mut [bool]) -> Result<(), String> {
        self.put_next(row, code, cell, &mut Hint::default(), touched)
    }

    /// As above, for one of many rows.
    #[inline(always)]
    pub fn put_next(
        &mut self,
        row: usize,
        code: u32,
        cell: Cell,
        hint: &mut Hint,
        touched: &mut [bool],
    ) -> Result<(), String> {
        let (run, place) = self.place_of(row, code, hint);
        match place.position() {
            Ok(position) => {
                if let Some(entry) = self.entries.get_mut(run.begin as usize + position) {
                    entry.set(cell);
                }
            }
            Err(next) => self.append(row, code, Entry::made(cell), next)?,
        }
        self.mark(row, touched);
        Ok(())
    }

    /// Puts values under a key in some of 64 rows that follow one another, given by a bit each: those of known layouts that have the
    /// key, or room for it, and get a value. Gives the rest.
    #[inline(always)]
    pub fn put_some(
        &mut self,
        first: usize,
        mut rows: u64,
        code: u32,
        value: impl Fn(usize) -> Option<Cell>,
        touched: &mut [bool],
    ) -> u64 {
        let attached = !self.detached;
        let Map { runs, codes, entries, dirty, layouts, .. } = self;
        let (Some(runs), Some(dirty), Some(touched)) = (block(runs, first), block(dirty, first), block(touched, first))
        else {
            return rows;
        };
        let (mut hint, mut rest) = (Hint::default(), 0);
        while rows != 0 {
            let at = rows.trailing_zeros() as usize % BLOCK;
            rows &= rows - 1;
            let run = &mut runs[at];
            if run.layout != hint.layout {
                let place = layouts.place(run.layout, code);
                if place.is_unknown() {
                    rest |= 1 << at;
                    continue;
                }
                hint = Hint { layout: run.layout, place };
            }
            let Some(cell) = value(at) else {
                rest |= 1 << at;
                continue;
            };
            match hint.place.position() {
                Ok(position) => {
                    if let Some(entry) = entries.get_mut(run.begin as usize + position) {
                        entry.set(cell);
                    }
                }
                Err(next) => {
                    let slot = (run.begin + run.count) as usize;
                    let free = (codes.get_mut(slot), entries.get_mut(slot));
                    let (Some(key), Some(entry), true) = (free.0, free.1, run.count < run.room) else {
                        rest |= 1 << at;
                        continue;
                    };
                    (*key, *entry) = (code, Entry::made(cell));
                    (run.count, run.layout) = (run.count + 1, next);
                }
            }
            dirty[at] = true;
            touched[at] |= attached;
        }
        rest
    }

    /// Removes the first entry of a row with a key, the last one moves into its place; false if there is none.
    #[inline]
    pub fn remove(&mut self, row: usize, code: u32, touched: &mut [bool]) -> bool {
        let (Some(slot), Some(run)) = (self.slot_of(row, code), self.runs.get_mut(row)) else {
            return false;
        };
        run.count -= 1;
        // Keys that are taken away one by one would make as many layouts as there are ways to do it.
        run.layout = layouts::NONE;
        let last = (run.begin + run.count) as usize;
        self.codes[slot] = self.codes[last];
        self.entries[slot] = self.entries[last];
        self.mark(row, touched);
        true
    }

    /// Keeps the entries of a row whose key is wanted, in their order; false if it keeps all.
    #[inline]
    pub fn keep(&mut self, row: usize, wanted: impl Fn(u32) -> bool, touched: &mut [bool]) -> bool {
        let run = self.runs.get(row).copied().unwrap_or_default();
        let (begin, end) = (run.begin as usize, (run.begin + run.count) as usize);
        let mut kept = begin;
        for slot in begin..end {
            let code = self.codes[slot];
            if wanted(code) {
                if kept != slot {
                    self.codes[kept] = code;
                    self.entries[kept] = self.entries[slot];
                }
                kept += 1;
            }
        }
        if kept == end {
            return false;
        }
        self.runs[row] = Run { count: (kept - begin) as u32, layout: layouts::UNKNOWN, ..run };
        self.mark(row, touched);
        true
    }

    /// Changes the values of a row where `change` gives a new one; whether it did anywhere.
    #[inline]
    pub fn update(&mut self, row: usize, mut change: impl FnMut(Cell) -> Option<Cell>, touched: &mut [bool]) -> bool {
        let run = self.runs.get(row).copied().unwrap_or_default();
        let mut changed = false;
        for entry in self.entries.get_mut(run.begin as usize..(run.begin + run.count) as usize).unwrap_or_default() {
            if let Some(cell) = change(entry.cell()) {
                entry.set(cell);
                changed = true;
            }
        }
        if changed {
            self.mark(row, touched);
        }
        changed
    }

    /// Number of entries of each row.
    pub fn lengths(&self, rows: Rows) -> Vec<i64> {
        rows.iter().map(|row| i64::from(self.runs.get(row).map_or(0, |run| run.count))).collect()
    }

    /// The first entry with a key, for each row.
    pub fn get(&self, key: &[u8], rows: Rows) -> (CellVec, Vec<bool>) {
        let count = rows.len();
        let Some(code) = self.keys.find(key) else {
            let cells = CellVec { tags: vec![0; count], bits: vec![0; count], lens: vec![0; count] };
            return (cells, vec![false; count]);
        };
        let mut cells = CellVec::with_capacity(count);
        let mut found = Vec::with_capacity(count);
        for row in rows.iter() {
            let entry = self.slot_of(row, code).and_then(|slot| self.entries.get(slot));
            found.push(entry.is_some());
            cells.push(entry.map_or(Cell::EMPTY, Entry::cell));
        }
        (cells, found)
    }

    /// Overwrites the first entry with a key or appends one.
    pub fn set(&mut self, key: &[u8], rows: Rows, cells: Cells, touched: &mut [bool]) -> Result<(), String> {
        let code = self.keys.code(key);
        for (at, row) in rows.iter().enumerate() {
            self.put(row, code, cells.get(at), touched)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn mark(&mut self, row: usize, touched: &mut [bool]) {
        if let (Some(dirty), Some(touched)) = (self.dirty.get_mut(row), touched.get_mut(row)) {
            *dirty = true;
            *touched |= !self.detached;
        }
    }

    #[inline(always)]
    fn append(&mut self, row: usize, code: u32, entry: Entry, layout: u32) -> Result<(), String> {
        let Some(run) = self.runs.get(row).copied() else {
            return Ok(());
        };
        let run = if run.count < run.room {
            run
        } else {
            self.relocate(row, run.count + self.growth.max(run.count / 2 + 4))?
        };
        let slot = (run.begin + run.count) as usize;
        if let (Some(code_at), Some(entry_at)) = (self.codes.get_mut(slot), self.entries.get_mut(slot)) {
            *code_at = code;
            *entry_at = entry;
            if let Some(run) = self.runs.get_mut(row) {
                (run.count, run.layout) = (run.count + 1, layout);
            }
        }
        Ok(())
    }

    /// Moves a row to the end of the array with room for `room` entries.
    #[inline(never)]
    fn relocate(&mut self, row: usize, room: u32) -> Result<Run, String> {
        let old = self.runs.get(row).copied().unwrap_or_default();
        let begin = self.codes.len();
        if begin + room as usize > i32::MAX as usize {
            return Err(FULL.into());
        }
        let from = old.begin as usize..(old.begin + old.count) as usize;
        self.codes.extend_from_within(from.clone());
        self.entries.extend_from_within(from);
        self.codes.resize(begin + room as usize, 0);
        self.entries.resize(begin + room as usize, Entry::default());
        let run = Run { begin: begin as u32, room, ..old };
        self.runs[row] = run;
        Ok(run)
    }

    /// Removes the first entry with a key; the last entry of the row moves into its place.
    pub fn delete(&mut self, key: &[u8], rows: Rows, touched: &mut [bool]) {
        let Some(code) = self.keys.find(key) else {
            return;
        };
        for row in rows.iter() {
            self.remove(row, code, touched);
        }
    }

    /// Keeps the entries whose key code is marked, in their order.
    pub fn retain(&mut self, rows: Rows, keep: &[bool], touched: &mut [bool]) -> Result<(), String> {
        if keep.len() != self.keys.len() {
            return Err(format!("expected {} marks, one a key, got {}", self.keys.len(), keep.len()));
        }
        for row in rows.iter() {
            self.keep(row, |code| keep.get(code as usize).copied().unwrap_or(false), touched);
        }
        Ok(())
    }

    /// All entries of some rows in order.
    pub fn all(&self, rows: Rows) -> EntryVec {
        let total = rows.iter().map(|row| self.runs.get(row).map_or(0, |run| run.count as usize)).sum();
        let mut out = EntryVec {
            owners: Vec::with_capacity(total),
            codes: Vec::with_capacity(total),
            slots: Vec::with_capacity(total),
            cells: CellVec::with_capacity(total),
        };
        for (at, row) in rows.iter().enumerate() {
            let (begin, codes) = self.codes_of(row);
            let (_, entries) = self.row(row);
            out.owners.resize(out.owners.len() + codes.len(), at as i32);
            out.codes.extend_from_slice(codes);
            out.slots.extend(begin as i32..(begin + codes.len()) as i32);
            entries.iter().for_each(|entry| out.cells.push(entry.cell()));
        }
        out
    }

    /// Overwrites the values of slots.
    pub fn put_slots(&mut self, slots: &[i32], cells: Cells, touched: &mut [bool]) -> Result<(), String> {
        let mut owners = Owners::default();
        for (at, &slot) in slots.iter().enumerate() {
            let slot = usize::try_from(slot).map_err(|_| "a negative slot")?;
            let row = owners.find(&self.runs, slot).ok_or_else(|| format!("slot {slot} holds no entry"))?;
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.set(cells.get(at));
            }
            self.mark(row, touched);
        }
        Ok(())
    }

    /// Replaces the contents of rows; `counts` says how many of the flat entries each row gets.
    pub fn replace<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        rows: Rows,
        counts: &[i32],
        keys: (&[i64], &[u32]),
        cells: Cells,
        touched: &mut [bool],
    ) -> Result<(), String> {
        let total: i64 = counts.iter().map(|&count| i64::from(count)).sum();
        if counts.len() != rows.len() || counts.iter().any(|&count| count < 0) {
            return Err("expected one count a row, none negative".into());
        }
        if keys.0.len() as i64 != total || keys.1.len() as i64 != total {
            return Err(format!("expected {total} keys, got {} and {}", keys.0.len(), keys.1.len()));
        }
        for (&begin, &len) in keys.0.iter().zip(keys.1) {
            arena.bytes(begin, len)?;
        }
        let mut at = 0;
        for (row, &count) in rows.iter().zip(counts) {
            let run = self.clear_for(row, count as u32)?;
            let mut before = START;
            for slot in run.begin as usize..run.begin as usize + count as usize {
                before = self.keys.code_after(before, arena.bytes(keys.0[at], keys.1[at])?);
                self.codes[slot] = before;
                self.entries[slot] = Entry::made(cells.get(at));
                at += 1;
            }
            self.runs[row].count = count as u32;
            self.mark(row, touched);
        }
        Ok(())
    }

    /// Makes room for so many more entries of a row.
    #[inline]
    pub fn reserve(&mut self, row: usize, more: usize) -> Result<(), String> {
        let run = self.runs.get(row).copied().unwrap_or_default();
        let wanted = u32::try_from(run.count as usize + more).map_err(|_| FULL)?;
        if run.room < wanted {
            self.relocate(row, wanted + SLACK)?;
        }
        Ok(())
    }

    /// Replaces the entries of a row.
    pub fn rewrite(
        &mut self,
        row: usize,
        codes: &[u32],
        entries: &[Entry],
        touched: &mut [bool],
    ) -> Result<(), String> {
        let count = u32::try_from(codes.len().min(entries.len())).map_err(|_| FULL)?;
        let run = self.clear_for(row, count)?;
        let (begin, end) = (run.begin as usize, (run.begin + count) as usize);
        if let (Some(to), Some(into)) = (self.codes.get_mut(begin..end), self.entries.get_mut(begin..end)) {
            to.copy_from_slice(&codes[..count as usize]);
            into.copy_from_slice(&entries[..count as usize]);
            self.runs[row].count = count;
        }
        self.mark(row, touched);
        Ok(())
    }

    /// Empties a row and gives it room.
    fn clear_for(&mut self, row: usize, room: u32) -> Result<Run, String> {
        let run = self.runs.get_mut(row).ok_or("no such row")?;
        run.count = 0;
        run.layout = layouts::UNKNOWN;
        if run.room >= room {
            return Ok(*run);
        }
        self.relocate(row, room)
    }

    /// The map of each row as a cell: an encoded KeyValueList at the end of the arena.
    pub fn encode<P: AsRef<[u8]>>(
        &self,
        arena: &mut Arena<P>,
        values: &Values,
        rows: Rows,
    ) -> Result<(Vec<i64>, Vec<u32>), String> {
        let mut out = Vec::new();
        let (mut bits, mut lens) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let base = arena.end();
        for row in rows.iter() {
            let begin = out.len();
            self.encode_row(arena, values, row, &mut out)?;
            bits.push(base + begin as i64);
            lens.push(u32::try_from(out.len() - begin).map_err(|_| FULL)?);
        }
        arena.extra.extend_from_slice(&out);
        Ok((bits, lens))
    }

    /// Appends the map of a row as an encoded KeyValueList.
    pub fn encode_row<P: AsRef<[u8]>>(
        &self,
        arena: &Arena<P>,
        values: &Values,
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let number = u32::from(values.map_values);
        let (codes, entries) = self.row(row);
        let mut at = 0;
        while let (Some(&code), Some(entry)) = (codes.get(at), entries.get(at)) {
            if entry.untouched() {
                at += copy_run(out, arena.payload.as_ref(), number, &entries[at..])?;
            } else {
                let cell = entry.cell();
                self.keys.put_pair(out, values, number, code, cell, arena.cell(cell)?);
                at += 1;
            }
        }
        Ok(())
    }

    /// Replaces the contents of rows by encoded KeyValueLists.
    pub fn assign<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        rows: Rows,
        maps: (&[i64], &[u32]),
        touched: &mut [bool],
    ) -> Result<(), String> {
        let fits = |len: usize| len == rows.len() || len == 1;
        if !fits(maps.0.len()) || maps.0.len() != maps.1.len() {
            return Err(format!("expected {} maps or one, got {}", rows.len(), maps.0.len()));
        }
        let mut pairs: Vec<(&[u8], Cell)> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            if at == 0 || maps.0.len() > 1 {
                pairs.clear();
                decode_map(arena, values, maps.0[at], maps.1[at], |key, cell| pairs.push((key, cell)))?;
            }
            let run = self.clear_for(row, u32::try_from(pairs.len()).map_err(|_| FULL)?)?;
            let mut before = START;
            for (slot, &(key, cell)) in (run.begin as usize..).zip(&pairs) {
                before = self.keys.code_after(before, key);
                self.codes[slot] = before;
                self.entries[slot] = Entry::made(cell);
            }
            self.runs[row].count = pairs.len() as u32;
            self.mark(row, touched);
        }
        Ok(())
    }
}

/// Rows that are worked on together.
const BLOCK: usize = 64;

/// So many rows that follow one another.
#[inline(always)]
pub fn block<T>(rows: &mut [T], first: usize) -> Option<&mut [T; BLOCK]> {
    rows.get_mut(first..)?.first_chunk_mut()
}

/// Copies the untouched entries that begin a row and follow each other in the payload, under another field number; how many.
fn copy_run(out: &mut Vec<u8>, payload: &[u8], number: u32, entries: &[Entry]) -> Result<usize, String> {
    let raw = |entry: &Entry| entry.raw as usize..entry.raw as usize + entry.raw_len as usize;
    let first = entries.first().map(raw).unwrap_or_default();
    let bytes = payload.get(first.clone()).unwrap_or_default();
    if number >= 16 || bytes.first().is_none_or(|&tag| tag >= 0x80) {
        let (_, body) = wire::tag(bytes, 0, bytes.len()).map_err(damaged)?;
        wire::put_tag(out, number, wire::LEN);
        out.extend_from_slice(bytes.get(body..).unwrap_or_default());
        return Ok(1);
    }
    let (mut count, mut end) = (1, first.end);
    for entry in entries.iter().skip(1) {
        let short = payload.get(entry.raw as usize).is_some_and(|&tag| tag < 0x80);
        if !(entry.untouched() && entry.raw as usize == end && short) {
            break;
        }
        end = raw(entry).end;
        count += 1;
    }
    let begin = out.len();
    out.extend_from_slice(payload.get(first.start..end).unwrap_or_default());
    for entry in entries.iter().take(count) {
        if let Some(tag) = out.get_mut(begin + entry.raw as usize - first.start) {
            *tag = (number << 3) as u8 | wire::LEN;
        }
    }
    Ok(count)
}

/// What a value that should be an encoded list or map is not.
pub fn damaged(_: Stop) -> String {
    "not an encoded list or map".into()
}

/// Reads an encoded KeyValueList.
pub fn decode_map<'a, P: AsRef<[u8]>>(
    arena: &'a Arena<P>,
    values: &Values,
    begin: i64,
    len: u32,
    mut each: impl FnMut(&'a [u8], Cell),
) -> Result<(), String> {
    let data = arena.bytes(begin, len)?;
    for item in Items::new(data, values.map_values) {
        let (from, to) = item.map_err(damaged)?;
        if let Some((key, cell)) = values::plain_pair(values, data, from, to, begin) {
            each(key, cell);
            continue;
        }
        let pair = values::key_value(values, data, from, to).map_err(damaged)?;
        let (cell, _) = values::any_value(values, data, pair.value.0, pair.value.1, begin).map_err(damaged)?;
        each(data.get(pair.key.0..pair.key.1).unwrap_or_default(), cell);
    }
    Ok(())
}

/// Finds the row of a slot. Slots mostly come in the order of the rows, so that the next row is tried first; rows that moved are
/// found in a sorted list made when first needed.
#[derive(Default)]
struct Owners {
    row: usize,
    sorted: Option<Vec<(u32, u32)>>,
}

impl Owners {
    fn find(&mut self, runs: &[Run], slot: usize) -> Option<usize> {
        let holds =
            |row: usize| runs.get(row).is_some_and(|run| slot.wrapping_sub(run.begin as usize) < run.count as usize);
        for row in self.row..self.row + 4 {
            if holds(row) {
                self.row = row;
                return Some(row);
            }
        }
        let sorted = self.sorted.get_or_insert_with(|| {
            let live = runs.iter().zip(0u32..).filter(|(run, _)| run.count > 0);
            let mut sorted: Vec<(u32, u32)> = live.map(|(run, row)| (run.begin, row)).collect();
            sorted.sort_unstable();
            sorted
        });
        let after = sorted.partition_point(|&(begin, _)| begin as usize <= slot);
        let row = sorted.get(after.checked_sub(1)?)?.1 as usize;
        self.row = row;
        holds(row).then_some(row)
    }
}

/// One step into a list or map.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    Key(&'a [u8]),
    Index(i64),
}

/// Why a step failed, see `child`.
pub mod step_errors {
    pub const NONE: u8 = 0;
    pub const NOT_INDEXABLE: u8 = 1;
    pub const OUT_OF_RANGE: u8 = 2;
}

/// Looks an element up in a cell.
pub fn child<P: AsRef<[u8]>>(arena: &Arena<P>, values: &Values, cell: Cell, step: Step) -> Result<(Cell, u8), String> {
    match (step, cell.tag) {
        (Step::Key(key), tags::MAP) => {
            let data = arena.cell(cell)?;
            for item in Items::new(data, values.map_values) {
                let (from, to) = item.map_err(damaged)?;
                let pair = values::key_value(values, data, from, to).map_err(damaged)?;
                if data.get(pair.key.0..pair.key.1) == Some(key) {
                    let value = values::any_value(values, data, pair.value.0, pair.value.1, cell.bits);
                    return Ok((value.map_err(damaged)?.0, step_errors::NONE));
                }
            }
            Ok((Cell::EMPTY, step_errors::NONE))
        }
        (Step::Index(index), tags::LIST) => {
            let data = arena.cell(cell)?;
            let mut items = Items::new(data, values.array_values);
            match usize::try_from(index).ok().and_then(|index| items.nth(index)) {
                Some(item) => {
                    let (from, to) = item.map_err(damaged)?;
                    let value = values::any_value(values, data, from, to, cell.bits).map_err(damaged)?;
                    Ok((value.0, step_errors::NONE))
                }
                None => Ok((Cell::EMPTY, step_errors::OUT_OF_RANGE)),
            }
        }
        _ => Ok((Cell::EMPTY, step_errors::NOT_INDEXABLE)),
    }
}

/// Number of elements of a list or map cell, -1 for other cells.
pub fn child_count<P: AsRef<[u8]>>(arena: &Arena<P>, values: &Values, cell: Cell) -> Result<i64, String> {
    let number = match cell.tag {
        tags::LIST => values.array_values,
        tags::MAP => values.map_values,
        _ => return Ok(-1),
    };
    let mut count = 0;
    for item in Items::new(arena.cell(cell)?, number) {
        item.map_err(damaged)?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 100;

    /// Rows as lists of keys and values, in the way that maps are meant.
    type Model = Vec<Vec<(u32, i64)>>;

    fn scanned(rows: &Model) -> Map {
        let mut map = Map::default();
        for key in 0..12u8 {
            map.keys.code(&[key]);
        }
        for (row, pairs) in rows.iter().enumerate().filter(|(_, pairs)| !pairs.is_empty()) {
            let mut run = map.open_run(row);
            for &(code, bits) in pairs {
                map.scanned(&mut run, &[code as u8], Entry::made(Cell::scalar(tags::INT, bits)));
            }
            map.close_run(run, 1, 2);
        }
        map.finish(rows.len());
        map
    }

    #[test]
    fn rows_of_all_layouts_are_edited_like_lists() {
        let mut seed = 7u32;
        let mut random = move |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        let row = |random: &mut dyn FnMut(u32) -> u32| (0..random(11)).map(|at| (random(12), i64::from(at))).collect();
        let mut model: Model = (0..ROWS).map(|_| row(&mut random)).collect();
        let (mut map, mut touched) = (scanned(&model), vec![false; ROWS]);
        let (mut hint, mut put) = (Hint::default(), 0);
        for step in 0..20_000i64 {
            let (at, code) = (random(ROWS as u32) as usize, random(12));
            let first = model[at].iter().position(|pair| pair.0 == code);
            let pairs = &mut model[at];
            match random(40) {
                0 => {
                    map.keep(at, |found| found != code, &mut touched);
                    pairs.retain(|pair| pair.0 != code);
                }
                1..=4 => {
                    assert_eq!(map.remove(at, code, &mut touched), first.is_some());
                    first.map(|first| pairs.swap_remove(first));
                }
                5 => {
                    let new: Vec<(u32, i64)> = row(&mut random);
                    let codes: Vec<u32> = new.iter().map(|pair| pair.0).collect();
                    let entries: Vec<Entry> =
                        new.iter().map(|pair| Entry::made(Cell::scalar(tags::INT, pair.1))).collect();
                    map.rewrite(at, &codes, &entries, &mut touched).unwrap();
                    *pairs = new;
                }
                6 => {
                    // From here on with layouts, and later with more keys than there was room for.
                    map.growth = FOLLOWED;
                    map.keys.code(&(step % 30).to_le_bytes());
                    map.use_layouts();
                    hint = Hint::default();
                }
                7 => {
                    let (begin, rows) =
                        (random((ROWS - BLOCK) as u32) as usize, u64::from(random(1 << 24)) * 0x1_0000_0101);
                    let value = |at: usize| (at % 7 != 3).then(|| Cell::scalar(tags::INT, step + at as i64));
                    let rest = map.put_some(begin, rows, code, value, &mut touched);
                    assert_eq!(rest & !rows, 0);
                    for row in (0..BLOCK).filter(|row| (rows & !rest) >> row & 1 == 1) {
                        let (pairs, bits) = (&mut model[begin + row], step + row as i64);
                        match pairs.iter().position(|pair| pair.0 == code) {
                            Some(first) => pairs[first].1 = bits,
                            None => pairs.push((code, bits)),
                        }
                    }
                    put += (rows & !rest).count_ones();
                }
                8..=20 => {
                    let hint = if code == 3 { &mut hint } else { &mut Hint::default() };
                    map.put_next(at, code, Cell::scalar(tags::INT, step), hint, &mut touched).unwrap();
                    match first {
                        Some(first) => pairs[first].1 = step,
                        None => pairs.push((code, step)),
                    }
                }
                _ => {
                    let found = map.value(at, code, &mut Hint::default());
                    assert_eq!(found.map(|cell| cell.bits), first.map(|first| pairs[first].1));
                }
            }
            let (codes, entries) = map.row(at);
            let found: Vec<(u32, i64)> = codes.iter().copied().zip(entries.iter().map(|entry| entry.bits)).collect();
            assert_eq!(found, model[at]);
        }
        assert!(map.layouts.are_used());
        assert!(put > 200, "{put}");
        for (row, pairs) in model.iter().enumerate() {
            assert!(map.row(row).0.iter().copied().eq(pairs.iter().map(|pair| pair.0)));
        }
    }

    #[test]
    fn a_hint_is_of_one_layout() {
        let rows: Model =
            (0..40).map(|row| (0..3 + row % 3).map(|at| ((at * (1 + row % 2)) % 12, 0)).collect()).collect();
        let mut map = scanned(&rows);
        map.growth = FOLLOWED;
        map.use_layouts();
        for code in 0..12 {
            let mut hint = Hint::default();
            for (row, pairs) in rows.iter().enumerate() {
                let found = map.value(row, code, &mut hint).is_some();
                assert_eq!(found, pairs.iter().any(|pair| pair.0 == code));
            }
        }
    }

    #[test]
    fn a_code_is_found_where_it_first_stands() {
        for at in 0..8 {
            let mut block = [7, u32::MAX, 0, 1 << 31, 0x8000, 0xffff, 0x1_0000, 9];
            assert_eq!(place_of(block[at], &block), Some(at));
            block[7] = block[at];
            assert_eq!(place_of(block[at], &block), Some(at));
            block[at] = 5;
            assert_eq!(place_of(5, &block), Some(at));
        }
        assert_eq!(place_of(1, &[0x1_0001, 0x101, 0, 2, 3, 4, 5, u32::MAX]), None);
    }
}

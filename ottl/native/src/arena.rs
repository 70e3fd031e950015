//! The arena that views point into, and what is done with whole columns of views: interning, comparing, searching.
//!
//! One address space: offsets below the payload's length lie in the payload, the others in a buffer that only grows.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};

use memchr::memmem::Finder;
use rustc_hash::FxHasher;

use crate::schema::tags;
use crate::values::Cell;

/// The payload and the bytes added to it.
#[derive(Debug)]
pub struct Arena<P> {
    pub payload: P,
    pub extra: Vec<u8>,
}

/// A view that does not lie in the arena.
pub const OUTSIDE: &str = "a view lies outside the arena";

impl<P: AsRef<[u8]>> Arena<P> {
    /// An arena that holds a payload.
    pub fn new(payload: P) -> Arena<P> {
        Arena { payload, extra: Vec::new() }
    }

    /// The bytes of a view.
    #[inline(always)]
    pub fn get(&self, begin: i64, len: u32) -> Option<&[u8]> {
        let payload = self.payload.as_ref();
        let begin = usize::try_from(begin).ok()?;
        let end = begin.checked_add(len as usize)?;
        if end <= payload.len() {
            return payload.get(begin..end);
        }
        self.extra.get(begin.checked_sub(payload.len())?..end - payload.len())
    }

    /// The bytes of a view, or why there are none.
    #[inline(always)]
    pub fn bytes(&self, begin: i64, len: u32) -> Result<&[u8], String> {
        self.get(begin, len).ok_or_else(|| OUTSIDE.into())
    }

    /// The bytes that a cell views; none for other cells.
    #[inline(always)]
    pub fn cell(&self, cell: Cell) -> Result<&[u8], String> {
        if tags::is_view(cell.tag) {
            self.bytes(cell.bits, cell.len)
        } else {
            Ok(&[])
        }
    }

    /// Where the next bytes will lie.
    #[inline]
    pub fn end(&self) -> i64 {
        (self.payload.as_ref().len() + self.extra.len()) as i64
    }

    /// Adds the bytes of a view once more; their new offset.
    #[inline]
    pub fn copy(&mut self, begin: i64, len: u32) -> Option<i64> {
        let to = self.end();
        let Arena { payload, extra } = self;
        let payload = P::as_ref(payload);
        let begin = usize::try_from(begin).ok()?;
        let end = begin.checked_add(len as usize)?;
        if end <= payload.len() {
            extra.extend_from_slice(payload.get(begin..end)?);
        } else {
            let range = begin.checked_sub(payload.len())?..end - payload.len();
            if range.end > extra.len() {
                return None;
            }
            extra.extend_from_within(range);
        }
        Some(to)
    }

    /// Adds bytes; their offset.
    pub fn add(&mut self, bytes: &[u8]) -> i64 {
        let begin = self.end();
        self.extra.extend_from_slice(bytes);
        begin
    }
}

/// A hash table from byte strings to codes, in order of first appearance; the strings are kept elsewhere.
///
/// FxHash is not keyed, so that a payload can be made to collide: a long probe switches the table to the keyed SipHash.
#[derive(Debug, Default)]
pub struct Codes {
    /// Code + 1, 0 for a free place. The length is a power of two.
    places: Vec<u32>,
    hashes: Vec<u64>,
    keyed: Option<RandomState>,
}

const LONGEST_PROBE: usize = 64;

impl Codes {
    /// How many codes there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// True once colliding strings have made the table change its hash.
    pub fn is_keyed(&self) -> bool {
        self.keyed.is_some()
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        match &self.keyed {
            None => {
                let mut hasher = FxHasher::default();
                hasher.write(bytes);
                hasher.finish()
            }
            Some(state) => state.hash_one(bytes),
        }
    }

    /// The code of a string; `string` gives the string of a code.
    #[inline]
    pub fn find<'s>(&self, bytes: &[u8], string: impl Fn(u32) -> &'s [u8]) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        self.probe(self.hash(bytes), bytes, &string).0
    }

    /// The code if there is one, otherwise the free place; and the steps taken.
    #[inline]
    fn probe<'s>(&self, hash: u64, bytes: &[u8], string: &impl Fn(u32) -> &'s [u8]) -> (Option<u32>, usize, usize) {
        let mask = self.places.len() - 1;
        let mut place = hash as usize & mask;
        let mut steps = 0;
        loop {
            let Some(code) = self.places[place].checked_sub(1) else {
                return (None, place, steps);
            };
            if self.hashes[code as usize] == hash && same(string(code), bytes) {
                return (Some(code), place, steps);
            }
            place = (place + 1) & mask;
            steps += 1;
        }
    }

    /// The code of a string, new or known; true when it is new (the caller then keeps the string).
    #[inline]
    pub fn code<'s>(&mut self, bytes: &[u8], string: impl Fn(u32) -> &'s [u8]) -> (u32, bool) {
        if self.places.len() <= self.hashes.len() * 2 {
            self.grow();
        }
        let hash = self.hash(bytes);
        let (found, place, steps) = self.probe(hash, bytes, &string);
        if let Some(code) = found {
            return (code, false);
        }
        let code = self.hashes.len() as u32;
        self.hashes.push(hash);
        self.places[place] = code + 1;
        if steps > LONGEST_PROBE && self.keyed.is_none() {
            self.switch(code, bytes, &string);
        }
        (code, true)
    }

    fn grow(&mut self) {
        self.places = vec![0; (self.places.len() * 2).max(32)];
        self.fill();
    }

    fn fill(&mut self) {
        let mask = self.places.len() - 1;
        for (code, &hash) in self.hashes.iter().enumerate() {
            let mut place = hash as usize & mask;
            while self.places[place] != 0 {
                place = (place + 1) & mask;
            }
            self.places[place] = code as u32 + 1;
        }
    }

    #[cold]
    fn switch<'s>(&mut self, newest: u32, bytes: &[u8], string: &impl Fn(u32) -> &'s [u8]) {
        self.keyed = Some(RandomState::new());
        self.hashes = (0..newest).map(|code| self.hash(string(code))).chain([self.hash(bytes)]).collect();
        self.places.fill(0);
        self.fill();
    }
}

/// True when two short strings are equal; cheaper than a call of memcmp.
#[inline(always)]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let len = a.len();
    if len != b.len() {
        return false;
    }
    #[inline(always)]
    fn word(bytes: &[u8], at: usize) -> u64 {
        bytes.get(at..at + 8).and_then(|w| w.try_into().ok()).map_or(0, u64::from_le_bytes)
    }
    match len {
        8..=16 => word(a, 0) == word(b, 0) && word(a, len - 8) == word(b, len - 8),
        17..=32 => {
            word(a, 0) == word(b, 0)
                && word(a, 8) == word(b, 8)
                && word(a, len - 16) == word(b, len - 16)
                && word(a, len - 8) == word(b, len - 8)
        }
        0..=7 => a.iter().zip(b).all(|(x, y)| x == y),
        _ => a == b,
    }
}

/// Codes of a column of views, and for each code the row where it first appears.
pub fn intern<P: AsRef<[u8]>>(
    arena: &Arena<P>,
    kinds: Option<&[u8]>,
    bits: &[i64],
    lens: &[u32],
) -> Result<(Vec<i32>, Vec<i32>), String> {
    let rows = bits.len();
    if lens.len() != rows || kinds.is_some_and(|kinds| kinds.len() != rows) {
        return Err("tags, bits and lens differ in length".into());
    }
    let mut table = Codes::default();
    let mut first: Vec<i32> = Vec::new();
    let mut codes = Vec::with_capacity(rows);
    let mut last = (i64::MIN, 0, -1);
    for (row, (&begin, &len)) in bits.iter().zip(lens).enumerate() {
        if kinds.is_some_and(|kinds| !tags::is_view(kinds[row])) {
            codes.push(-1);
            continue;
        }
        if (begin, len) != (last.0, last.1) {
            let bytes = arena.bytes(begin, len)?;
            let string = |code: u32| {
                let row = first.get(code as usize).map_or(0, |&row| row as usize);
                arena.get(bits[row], lens[row]).unwrap_or_default()
            };
            let (code, new) = table.code(bytes, string);
            if new {
                first.push(row as i32);
            }
            last = (begin, len, code as i32);
        }
        codes.push(last.2);
    }
    Ok((codes, first))
}

/// A question about one string.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    Equal,
    StartsWith,
    EndsWith,
    Contains,
}

/// Asks each view of a column about a string.
pub fn ask<P: AsRef<[u8]>>(
    arena: &Arena<P>,
    ask: Ask,
    bits: &[i64],
    lens: &[u32],
    needle: &[u8],
) -> Result<Vec<bool>, String> {
    if bits.len() != lens.len() {
        return Err("bits and lens differ in length".into());
    }
    let each = |test: &dyn Fn(&[u8]) -> bool| {
        bits.iter().zip(lens).map(|(&begin, &len)| Ok(test(arena.bytes(begin, len)?))).collect()
    };
    let finder = Finder::new(needle);
    match ask {
        Ask::Equal => bits
            .iter()
            .zip(lens)
            .map(|(&begin, &len)| Ok(len as usize == needle.len() && same(arena.bytes(begin, len)?, needle)))
            .collect(),
        Ask::StartsWith => each(&|bytes| bytes.starts_with(needle)),
        Ask::EndsWith => each(&|bytes| bytes.ends_with(needle)),
        Ask::Contains => each(&|bytes| finder.find(bytes).is_some()),
    }
}

/// Compares two columns of views as memcmp does: -1, 0 or 1; a column of length 1 stands for every row.
pub fn compare<P: AsRef<[u8]>>(arena: &Arena<P>, a: (&[i64], &[u32]), b: (&[i64], &[u32])) -> Result<Vec<i8>, String> {
    let rows = if a.0.len() == 1 { b.0.len() } else { a.0.len() };
    let fits =
        |column: (&[i64], &[u32])| column.0.len() == column.1.len() && (column.0.len() == rows || column.0.len() == 1);
    if !fits(a) || !fits(b) {
        return Err("the two columns differ in length".into());
    }
    let at = |column: (&[i64], &[u32]), row: usize| {
        let row = if column.0.len() == 1 { 0 } else { row };
        arena.bytes(column.0[row], column.1[row])
    };
    (0..rows)
        .map(|row| {
            Ok(match at(a, row)?.cmp(at(b, row)?) {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            })
        })
        .collect()
}

//! Elements that are pairs of a key and a value, as attributes are, and how they begin.
//!
//! Most of what telemetry holds is attributes, whose keys and types repeat from row to row. So the beginning of each element of
//! a field of pairs, from its brace to the value proper, is remembered with what it became, under a hash of its key; where an
//! element begins the same, one comparison and one copy do for it. An element that does not fit is left to the parser or
//! writer, untouched; nothing here reports an error.

use super::{Descriptor, Field, Kind};

/// Bytes that are compared and copied at most.
pub const LONGEST: usize = 64;
/// Bytes of a key that are hashed.
const HASHED: usize = 16;
const SMALL_PAYLOAD: usize = 16 << 10;
/// Of so many beginnings that would replace another only one does, which bounds what keys that never repeat cost.
const PATIENCE: u32 = 4;

/// A repeated field of pairs: which of those of the schema it is, and where in the text of an element its key begins.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    id: u8,
    key_at: u8,
}

/// The beginning of an element and what it becomes.
#[derive(Clone)]
struct Beginning {
    source_len: u8,
    result_len: u8,
    pairs: u8,
    member: u8,
    source: [u8; LONGEST],
    result: [u8; LONGEST],
}

/// The beginnings that were seen.
pub struct Beginnings {
    known: Vec<Beginning>,
    misses: u32,
}

/// A beginning that was met again: the length of its source, what it becomes (a block and the bytes that count), and the
/// rank of the value's member, if it is part of the source.
pub struct Known<'a> {
    pub source_len: usize,
    pub result: &'a [u8; LONGEST],
    pub result_len: usize,
    pub member: usize,
}

/// A hash of a key's first bytes for a field; two places are made of it.
#[derive(Clone, Copy)]
pub struct Hash {
    places: u64,
    pairs: u8,
}

impl Pairs {
    #[inline(always)]
    fn hash(self, key: u128) -> Hash {
        let folded = key as u64 ^ ((key >> 64) as u64).rotate_left(29) ^ u64::from(self.id) << 56;
        Hash { places: folded.wrapping_mul(0x9e37_79b9_7f4a_7c15), pairs: self.id }
    }

    /// Of an element in JSON; behind a short key stands what stands behind it every time.
    #[inline(always)]
    pub fn of_text(self, element: &[u8]) -> Option<Hash> {
        let key = element.get(usize::from(self.key_at)..)?.first_chunk::<HASHED>()?;
        Some(self.hash(u128::from_le_bytes(*key)))
    }

    /// Of an element on the wire, which begins with the tag and the length of its key; `bytes` may go on behind it.
    #[inline(always)]
    pub fn of_wire(self, bytes: &[u8]) -> Option<Hash> {
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let key = u128::from_le_bytes(*rest.first_chunk::<HASHED>()?);
        Some(self.hash(match usize::from(head[1]) {
            len if len < HASHED => key & ((1 << (8 * len)) - 1),
            _ => key,
        }))
    }
}

impl Beginnings {
    /// As many as a payload of so many bytes may need.
    pub fn new(payload: usize) -> Beginnings {
        let none = Beginning {
            source_len: 0,
            result_len: 0,
            pairs: 0,
            member: u8::MAX,
            source: [0; LONGEST],
            result: [0; LONGEST],
        };
        Beginnings { known: vec![none; if payload < SMALL_PAYLOAD { 32 } else { 256 }], misses: 0 }
    }

    #[inline(always)]
    fn places(&self, hash: Hash) -> (usize, usize) {
        let mask = self.known.len() - 1;
        ((hash.places >> 56) as usize & mask, (hash.places >> 40) as usize & mask)
    }

    /// What was remembered of an element that begins as `bytes` do.
    #[inline(always)]
    pub fn recall(&self, hash: Hash, bytes: &[u8]) -> Option<Known<'_>> {
        let (first, second) = self.places(hash);
        self.recall_at(first, hash, bytes).or_else(|| self.recall_at(second, hash, bytes))
    }

    #[inline(always)]
    fn recall_at(&self, place: usize, hash: Hash, bytes: &[u8]) -> Option<Known<'_>> {
        let known = self.known.get(place)?;
        let source_len = usize::from(known.source_len);
        let source = known.source.get(..source_len)?;
        let met = source_len > 0 && known.pairs == hash.pairs && bytes.starts_with(source);
        met.then_some(Known {
            source_len,
            result: &known.result,
            result_len: usize::from(known.result_len),
            member: usize::from(known.member),
        })
    }

    /// Whether an element that was not recalled should be remembered, and where.
    #[inline]
    pub fn vacancy(&mut self, hash: Hash) -> Option<usize> {
        let (first, second) = self.places(hash);
        let vacant = |place: usize| self.known.get(place).is_some_and(|known| known.source_len == 0);
        if vacant(first) {
            return Some(first);
        }
        if vacant(second) {
            return Some(second);
        }
        self.misses = self.misses.wrapping_add(1);
        match self.misses % (2 * PATIENCE) {
            0 => Some(first),
            PATIENCE => Some(second),
            _ => None,
        }
    }

    /// Remembers the beginning of an element, unless it is too long.
    pub fn remember(&mut self, place: usize, hash: Hash, source: &[u8], result: &[&[u8]], member: usize) {
        let (Some(known), Ok(member)) = (self.known.get_mut(place), u8::try_from(member)) else {
            return;
        };
        let result_len: usize = result.iter().map(|part| part.len()).sum();
        let Some(from) = known.source.get_mut(..source.len()).filter(|_| result_len <= LONGEST) else {
            return;
        };
        from.copy_from_slice(source);
        let mut at = 0;
        for part in result {
            known.result[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        (known.source_len, known.result_len, known.pairs, known.member) =
            (source.len() as u8, result_len as u8, hash.pairs, member);
    }
}

/// The key and the value of a message that is a pair: a string, and a message that is one of several members.
#[inline(always)]
pub fn fields(descriptor: &Descriptor) -> Option<(&Field, &Field)> {
    match descriptor.fields.as_slice() {
        [key, value, ..] => Some((key, value)),
        _ => None,
    }
}

/// Marks the repeated fields whose elements are pairs.
pub fn find(messages: &mut [Descriptor]) {
    let single = |field: &Field| !field.repeated && field.oneof.is_none() && field.tag_len == 1;
    let choice = |kind: usize| messages[kind].fields.iter().all(|field| field.oneof.is_some() && !field.repeated);
    let key_at = |descriptor: &Descriptor| {
        let (key, value) = fields(descriptor)?;
        let kinds = key.kind == Kind::String && value.kind == Kind::Message;
        let is_pair = kinds && single(key) && single(value) && choice(value.message);
        u8::try_from(key.quoted.len() + 2).ok().filter(|_| is_pair)
    };
    let places: Vec<Option<u8>> = messages.iter().map(key_at).collect();
    let repeated = messages.iter_mut().flat_map(|descriptor| &mut descriptor.fields);
    for (id, field) in (0..u8::MAX)
        .zip(repeated.filter(|field| field.repeated && field.kind == Kind::Message && places[field.message].is_some()))
    {
        field.pairs = places[field.message].map(|key_at| Pairs { id, key_at });
    }
}

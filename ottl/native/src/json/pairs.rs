//! Elements that are pairs of a key and a value, as attributes are, and how they begin.
//!
//! Most of what telemetry holds is attributes, whose keys and types repeat from row to row. So the beginning of each element of
//! a field of pairs, from its brace to the value proper, is remembered with what it became, under a hash of its key; where an
//! element begins the same, one comparison and one copy do for it. An element that does not fit is left to the parser or
//! writer, untouched; nothing here reports an error. As rows have their keys in the same order, the one that came last time behind
//! the one before is tried first.

use super::text::begins;
use super::{Descriptor, Field, Kind};

/// Bytes that are compared at most, less one.
pub const LONGEST: usize = 64;
/// Bytes that are copied at most.
pub const WRITTEN: usize = 96;
/// Bytes of a key that are hashed.
const HASHED: usize = 16;
const PLACES: usize = 256;
/// Of so many beginnings that would replace another only one does, which bounds what keys that never repeat cost.
const PATIENCE: u32 = 4;

/// A repeated field of pairs: which of those of the schema it is, where in the text of an element its key begins, and which
/// message its values are.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    id: u8,
    key_at: u8,
    pub choice: usize,
}

/// The beginning of an element and what it becomes.
#[derive(Debug, Clone)]
pub struct Beginning {
    source_len: u8,
    pairs: u8,
    /// Kind, rank and first tag byte of the member that the value had.
    pub kind: Kind,
    pub member: u8,
    pub tag: u8,
    /// Whether the source ends with a quote.
    pub quoted: bool,
    /// How much of the result is made of the source, and how much with the member.
    pub key_len: u8,
    pub result_len: u8,
    source: [u8; LONGEST],
    pub result: [u8; WRITTEN],
}

impl Beginning {
    /// Length of the source, below `LONGEST`.
    #[inline(always)]
    pub fn len(&self) -> usize {
        usize::from(self.source_len) % LONGEST
    }
}

/// The beginnings that were seen, in this payload or in earlier ones: what they become depends on nothing else.
#[derive(Debug)]
pub struct Beginnings {
    known: Vec<Beginning>,
    /// The place of the one that came last time behind the one of each place, and behind them the first of each field.
    next: Vec<u8>,
    misses: u32,
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
    /// None.
    pub fn new() -> Beginnings {
        let none = Beginning {
            source_len: 0,
            pairs: 0,
            kind: Kind::Message,
            member: 0,
            tag: 0,
            quoted: false,
            key_len: 0,
            result_len: 0,
            source: [0; LONGEST],
            result: [0; WRITTEN],
        };
        Beginnings { known: vec![none; PLACES], next: vec![0; PLACES + usize::from(u8::MAX)], misses: 0 }
    }

    #[inline(always)]
    fn places(&self, hash: Hash) -> (usize, usize) {
        let mask = self.known.len() - 1;
        ((hash.places >> 56) as usize & mask, (hash.places >> 40) as usize & mask)
    }

    /// What stands for the place before the first pair of a row.
    #[inline(always)]
    pub fn start(&self, pairs: Pairs) -> usize {
        self.known.len() + usize::from(pairs.id)
    }

    /// The place of what was remembered of an element that begins as the bytes at `at` do; `before` is that of the one before it.
    #[inline(always)]
    pub fn recall(
        &mut self,
        pairs: Pairs,
        before: usize,
        bytes: &[u8],
        at: usize,
        hash: impl FnOnce() -> Option<Hash>,
    ) -> Option<usize> {
        let guess = self.next.get(before).map_or(0, |&next| usize::from(next));
        if self.fits(guess, pairs, bytes, at) {
            return Some(guess);
        }
        self.recall_unexpected(pairs, before, bytes, at, hash()?)
    }

    #[inline(never)]
    fn recall_unexpected(&mut self, pairs: Pairs, before: usize, bytes: &[u8], at: usize, hash: Hash) -> Option<usize> {
        let (first, second) = self.places(hash);
        let place = [first, second].into_iter().find(|&place| self.fits(place, pairs, bytes, at))?;
        *self.next.get_mut(before)? = place as u8;
        Some(place)
    }

    #[inline(always)]
    fn fits(&self, place: usize, pairs: Pairs, bytes: &[u8], at: usize) -> bool {
        let fits = |known: &Beginning| {
            known.pairs == pairs.id && known.source_len > 0 && begins(bytes, at, &known.source, known.len())
        };
        self.known.get(place).is_some_and(fits)
    }

    /// What was remembered at a place.
    #[inline(always)]
    pub fn at(&self, place: usize) -> Option<&Beginning> {
        self.known.get(place)
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

    /// Remembers the beginning of an element, unless it is too long: what becomes of it, and what is written of the member that its
    /// value has.
    pub fn remember(
        &mut self,
        place: usize,
        hash: Hash,
        source: &[u8],
        key: &[&[u8]],
        (member, field, begun): (usize, &Field, &[u8]),
    ) {
        let (Some(known), Ok(member)) = (self.known.get_mut(place), u8::try_from(member)) else {
            return;
        };
        let key_len: usize = key.iter().map(|part| part.len()).sum();
        let result_len = key_len + begun.len();
        if source.len() >= LONGEST || result_len > WRITTEN {
            return;
        }
        known.source[..source.len()].copy_from_slice(source);
        let parts = key.iter().copied().chain([begun]).flatten();
        known.result.iter_mut().zip(parts).for_each(|(place, &byte)| *place = byte);
        (known.source_len, known.pairs) = (source.len() as u8, hash.pairs);
        (known.key_len, known.result_len) = (key_len as u8, result_len as u8);
        known.quoted = source.last() == Some(&b'"');
        (known.member, known.kind, known.tag) = (member, field.kind, field.tag[0]);
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
        let key_at = u8::try_from(key.quoted.len() + 2).ok().filter(|_| is_pair)?;
        Some((key_at, value.message))
    };
    let places: Vec<Option<(u8, usize)>> = messages.iter().map(key_at).collect();
    let repeated = messages.iter_mut().flat_map(|descriptor| &mut descriptor.fields);
    for (id, field) in (0..u8::MAX)
        .zip(repeated.filter(|field| field.repeated && field.kind == Kind::Message && places[field.message].is_some()))
    {
        field.pairs = places[field.message].map(|(key_at, choice)| Pairs { id, key_at, choice });
    }
}

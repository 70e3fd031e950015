//! Elements that are pairs of a key and a value, as attributes are, and how they begin.
//!
//! Most of what telemetry holds is attributes, and those of one row mostly have the keys and types of the row before, place by
//! place. So the beginning of each element of a field of pairs, from its brace to the value proper, is remembered with what it
//! became, by field and place; where the next element in that place begins the same, one comparison and one copy do for it. An
//! element that does not fit is left to the parser or writer, untouched; nothing here reports an error.

use super::{Descriptor, Field, Kind};

/// Bytes that are compared and copied at most.
pub const LONGEST: usize = 64;
const PLACES: usize = 64;
/// Places between the first elements of two fields.
const STRIDE: usize = 24;

/// The beginning of an element and what it becomes.
#[derive(Clone)]
struct Beginning {
    source: [u8; LONGEST],
    source_len: u8,
    result: [u8; LONGEST],
    result_len: u8,
    member: u8,
}

/// The beginnings that were seen last.
pub struct Beginnings(Vec<Beginning>);

/// A beginning that was met again: the length of its source, what it becomes (a block and the bytes that count), and the
/// rank of the value's member, if it is part of the source.
pub struct Known<'a> {
    pub source_len: usize,
    pub result: &'a [u8; LONGEST],
    pub result_len: usize,
    pub member: usize,
}

impl Beginnings {
    pub fn new() -> Beginnings {
        let none =
            Beginning { source: [0; LONGEST], source_len: 0, result: [0; LONGEST], result_len: 0, member: u8::MAX };
        Beginnings(vec![none; PLACES])
    }

    /// What was remembered of a place, if `bytes` begin with it.
    #[inline(always)]
    pub fn recall(&self, place: usize, bytes: &[u8]) -> Option<Known<'_>> {
        let known = self.0.get(place % PLACES)?;
        let source_len = usize::from(known.source_len);
        let source = known.source.get(..source_len).filter(|source| !source.is_empty())?;
        bytes.starts_with(source).then_some(Known {
            source_len,
            result: &known.result,
            result_len: usize::from(known.result_len),
            member: usize::from(known.member),
        })
    }

    /// Remembers the beginning of an element, unless it is too long.
    pub fn remember(&mut self, place: usize, source: &[u8], result: &[u8], member: usize) {
        let (Some(known), Ok(member)) = (self.0.get_mut(place % PLACES), u8::try_from(member)) else {
            return;
        };
        if let (Some(from), Some(to)) = (known.source.get_mut(..source.len()), known.result.get_mut(..result.len())) {
            from.copy_from_slice(source);
            to.copy_from_slice(result);
            (known.source_len, known.result_len, known.member) = (source.len() as u8, result.len() as u8, member);
        }
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
    let single = |field: &Field| !field.repeated && field.oneof.is_none();
    let choice = |kind: usize| messages[kind].fields.iter().all(|field| field.oneof.is_some() && !field.repeated);
    let is_pair = |descriptor: &Descriptor| {
        fields(descriptor).is_some_and(|(key, value)| {
            let kinds = key.kind == Kind::String && value.kind == Kind::Message;
            kinds && single(key) && single(value) && choice(value.message)
        })
    };
    let pairs: Vec<bool> = messages.iter().map(is_pair).collect();
    let found = messages.iter_mut().flat_map(|descriptor| &mut descriptor.fields);
    for (number, field) in found.filter(|f| f.repeated && f.kind == Kind::Message && pairs[f.message]).enumerate() {
        field.pairs = Some(number * STRIDE);
    }
}

//! Whether bytes can be a message of a type: what the detection of signals asks, as `ottl/signals.py` has it.
//!
//! Only a few elements (spans, metrics, log records) are looked into, so a large payload costs no more than a small one.

#[cfg(feature = "python")]
use pyo3::prelude::*;

#[cfg(feature = "python")]
use crate::py::{payload_of, Schema as PySchema};
use crate::schema::{types, wire_of, Field, Look, Message, Schema};
use crate::wire;

/// Elements that are looked into.
const LEAVES: usize = 6;
/// Messages between the root and an element: the root's entry, the scope's entry.
const LEAF_DEPTH: usize = 2;
/// The field of a scope's entry that has the elements.
const ELEMENTS: u64 = 2;
/// Attribute values may nest; what lies deeper is not looked at.
const DEEPEST: usize = 8;

/// Whether a payload fits a message of the schema, unknown fields allowed or not, and has an element.
pub fn fits(schema: &Schema, root: u32, payload: &[u8], unknown_allowed: bool) -> bool {
    let mut check = Check { schema, unknown_allowed, leaves: LEAVES };
    check.message(payload, root, 0) && check.leaves < LEAVES
}

struct Check<'a> {
    schema: &'a Schema,
    unknown_allowed: bool,
    leaves: usize,
}

impl Check<'_> {
    fn message(&mut self, body: &[u8], message: u32, depth: usize) -> bool {
        let schema = self.schema;
        let Some(known) = schema.messages.get(message as usize) else {
            return false;
        };
        let mut at = 0;
        while at < body.len() {
            let Some((number, wire_type, value, next)) = next_field(body, at) else {
                return false;
            };
            at = next;
            let child = match known.probe(number, wire_type) {
                Probe::Unknown if !self.unknown_allowed => return false,
                Probe::Mismatch => return false,
                Probe::Id(length) if !value.is_empty() && value.len() != usize::from(length) => return false,
                Probe::Text if has_control(value) => return false,
                Probe::Message(child) => child,
                Probe::Unknown | Probe::Id(_) | Probe::Text | Probe::Anything => continue,
            };
            if depth == DEEPEST || (depth <= LEAF_DEPTH && self.leaves == 0) {
                continue;
            }
            if !self.message(value, child, depth + 1) {
                return false;
            }
            if depth == LEAF_DEPTH && number == ELEMENTS {
                self.leaves -= 1;
            }
        }
        true
    }
}

/// What tells whether a value of a field fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// There is no such field.
    Unknown,
    /// It has another wire type.
    Mismatch,
    Anything,
    /// An id of so many bytes, or none.
    Id(u8),
    /// No control characters, which would rather be tags of a nested message.
    Text,
    Message(u32),
}

impl Probe {
    /// For values of a field that have a wire type.
    pub fn of(field: &Field, wire_type: u8) -> Probe {
        let expected = match field.look() {
            Some(Look::Packed(_)) => wire::LEN,
            _ => wire_of(field.field_type),
        };
        match (field.field_type, field.message, field.name.as_str()) {
            _ if wire_type != expected => Probe::Mismatch,
            (_, Some(message), _) => Probe::Message(message),
            (types::STRING, ..) => Probe::Text,
            (types::BYTES, _, "trace_id") => Probe::Id(16),
            (types::BYTES, _, "span_id" | "parent_span_id") => Probe::Id(8),
            _ => Probe::Anything,
        }
    }
}

impl Message {
    #[inline(always)]
    fn probe(&self, number: u64, wire_type: u8) -> Probe {
        if number < 16 {
            return self.probes[(number as usize * 8 + usize::from(wire_type)) % 128];
        }
        let field = u32::try_from(number).ok().and_then(|number| self.field(number));
        field.map_or(Probe::Unknown, |field| Probe::of(field, wire_type))
    }
}

fn has_control(text: &[u8]) -> bool {
    text.chunks(CHUNK).any(|chunk| chunk.iter().fold(false, |found, &byte| found | is_control(byte)))
}

/// So many bytes are looked at at once.
const CHUNK: usize = 16;

fn is_control(byte: u8) -> bool {
    (byte < 0x20) & !(0x09..=0x0d).contains(&byte)
}

/// Number, wire type, bytes and end of the field at a position; none where there is none.
#[inline(always)]
fn next_field(body: &[u8], at: usize) -> Option<(u64, u8, &[u8], usize)> {
    let (tag, start) = varint(body, at)?;
    let (number, wire_type) = (tag >> 3, (tag & 7) as u8);
    if number == 0 {
        return None;
    }
    let (start, end) = match wire_type {
        wire::VARINT => (start, varint(body, start)?.1),
        wire::FIXED64 => (start, start.checked_add(8)?),
        wire::FIXED32 => (start, start.checked_add(4)?),
        wire::LEN => {
            let (length, start) = varint(body, start)?;
            (start, start.checked_add(usize::try_from(length).ok()?)?)
        }
        _ => return None,
    };
    Some((number, wire_type, body.get(start..end)?, end))
}

/// A varint of at most ten bytes, and the position behind it; one of more than 64 bits counts as a large number with the same wire type.
#[inline(always)]
fn varint(body: &[u8], at: usize) -> Option<(u64, usize)> {
    match body.get(at) {
        Some(&byte) if byte < 0x80 => Some((u64::from(byte), at + 1)),
        _ => long_varint(body, at),
    }
}

fn long_varint(body: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, &byte) in body.get(at..)?.iter().take(10).enumerate() {
        value |= u128::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            let value = u64::try_from(value).unwrap_or(u64::MAX << 3 | value as u64 & 7);
            return Some((value, at + index + 1));
        }
    }
    None
}

/// Whether a payload fits the message of index `root`, and has an element.
#[cfg(feature = "python")]
#[pyfunction]
fn fits_message(
    schema: &Bound<'_, PySchema>,
    root: u32,
    payload: &Bound<'_, PyAny>,
    unknown_allowed: bool,
) -> PyResult<bool> {
    let payload = payload_of(payload)?;
    Ok(fits(&schema.get().core, root, &payload, unknown_allowed))
}

/// Whether one of some names, which all begin with a stem, stands anywhere in a payload.
pub fn holds(payload: &[u8], stem: &[u8], names: &[Vec<u8>]) -> bool {
    let begins = |at: usize| names.iter().any(|name| payload.get(at..).is_some_and(|rest| rest.starts_with(name)));
    memchr::memmem::find_iter(payload, stem).any(begins)
}

#[cfg(feature = "python")]
#[pyfunction]
fn holds_any(payload: &Bound<'_, PyAny>, stem: &[u8], names: Vec<Vec<u8>>) -> PyResult<bool> {
    Ok(holds(&payload_of(payload)?, stem, &names))
}

#[cfg(feature = "python")]
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(fits_message, module)?)?;
    module.add_function(wrap_pyfunction!(holds_any, module)?)
}

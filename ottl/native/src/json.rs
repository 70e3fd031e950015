//! OTLP JSON to protobuf and back, one pass each way, driven by the message descriptors; no tree in between.
//!
//! Reading (`to_protobuf`). The text must be JSON as RFC 8259 has it: valid UTF-8, no byte order mark, no trailing commas,
//! no bare `NaN`, no control characters in strings, nothing after the value, at most 1,024 brackets deep (what orjson
//! accepts, because the plain stack reads with it; the collector's own reader is laxer about text that is not JSON).
//! Beyond that:
//! - keys are the JSON name or the name of the field in the `.proto` file; unknown keys are skipped, their syntax checked;
//! - `null` leaves a field as it is; in an array it is an empty message or an empty string, and elsewhere an error;
//! - integers: numbers, also spelled `1.0` or `1e3` when they are whole, or strings of decimal digits (`"+5"` and leading
//!   zeros only as far as Go's `strconv` has them); out of range is an error;
//! - doubles: numbers, or strings with a decimal number or `NaN`, `Inf`, `Infinity` (any case); overflow is an error;
//! - enums: numbers or exact names; booleans: `true` and `false`;
//! - trace, span and profile ids are hex in any case and of any even length, other bytes base64 (standard or URL-safe, with
//!   or without padding, line breaks ignored as in Go);
//! - an escaped lone surrogate is U+FFFD, as in Go;
//! - a repeated key acts as the field repeated on the wire: the last scalar wins, messages merge, arrays are joined, the last
//!   member of a oneof stands (the collector's reader does the same except that it starts messages in a oneof afresh);
//! - zeros and empty values of fields without presence are left out, those of oneofs and `optional` fields are kept.
//!
//! Writing (`to_json`) follows the collector's marshaler: lowerCamelCase, 64-bit integers as strings, enums as numbers, ids in
//! lower-case hex, doubles in Go's shortest form, control characters as `\u00XX` but for `\n \r \t`. It differs in the order of
//! fields (by number, the collector's is that of the `.proto` files) and where the collector loses something or writes text
//! that is not JSON: a message is written when it is on the wire (the collector always writes `status`, `resource`...), ids of
//! zeros are kept, negative zero is kept, and an invalid UTF-8 byte becomes U+FFFD. Fields may come in any order and be
//! repeated on the wire; unknown ones have no place in JSON and are left out.
//!
//! Both functions check every bound, recurse once a message and never deeper than `MAX_RECURSION`.

use std::borrow::Cow;

#[cfg(feature = "python")]
use pyo3::{prelude::*, types::PyBytes};

use self::pairs::Beginnings;
#[cfg(feature = "python")]
use crate::py::{joined, payload_of, scan_error, Schema as PySchema};
use crate::schema::{types, wire_of, Schema};
use crate::spare::{Buffers, Shelf};
use crate::wire::{self, Stop};

mod binary;
pub mod numbers;
mod pairs;
mod read;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use read::to_protobuf;
pub use write::to_json;

/// Brackets that may be open at once in a JSON text, known fields and unknown values together.
pub const MAX_LEVELS: usize = 1024;
/// Messages below the root that either direction follows, whatever the caller's limit is.
const MAX_RECURSION: usize = 250;
/// Why an input was refused and the byte where that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    pub message: Cow<'static, str>,
    pub offset: usize,
}

type Result<T> = std::result::Result<T, JsonError>;

fn fail<T>(message: impl Into<Cow<'static, str>>, offset: usize) -> Result<T> {
    Err(JsonError { message: message.into(), offset })
}

/// What the functions of both directions return: behind a pointer, an error fits into a register beside the position.
type Step<T> = std::result::Result<T, Box<JsonError>>;

#[cold]
#[inline(never)]
fn stop<T>(message: impl Into<Cow<'static, str>>, offset: usize) -> Step<T> {
    Err(Box::new(JsonError { message: message.into(), offset }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Uint32,
    Fixed64,
    Fixed32,
    Sfixed64,
    Sfixed32,
    Sint64,
    Sint32,
    Bool,
    Enum,
    String,
    Base64,
    Hex,
    Message,
}

impl Kind {
    fn new(field_type: u8, name: &str) -> Option<Kind> {
        Some(match field_type {
            types::DOUBLE => Kind::Double,
            types::FLOAT => Kind::Float,
            types::INT64 => Kind::Int64,
            types::UINT64 => Kind::Uint64,
            types::INT32 => Kind::Int32,
            types::FIXED64 => Kind::Fixed64,
            types::FIXED32 => Kind::Fixed32,
            types::BOOL => Kind::Bool,
            types::STRING => Kind::String,
            types::MESSAGE => Kind::Message,
            types::BYTES if matches!(name, "trace_id" | "span_id" | "parent_span_id" | "profile_id") => Kind::Hex,
            types::BYTES => Kind::Base64,
            types::UINT32 => Kind::Uint32,
            types::ENUM => Kind::Enum,
            types::SFIXED32 => Kind::Sfixed32,
            types::SFIXED64 => Kind::Sfixed64,
            types::SINT32 => Kind::Sint32,
            types::SINT64 => Kind::Sint64,
            _ => return None,
        })
    }

    /// Whether values are written between quotes.
    #[inline(always)]
    fn quoted(self) -> bool {
        use Kind::{Base64, Fixed64, Hex, Int64, Sfixed64, Sint64, String, Uint64};
        matches!(self, String | Base64 | Hex | Int64 | Uint64 | Fixed64 | Sfixed64 | Sint64)
    }
}

/// Bytes of `Field::lead` and `Field::block`; longer texts take a call to copy or compare.
const LEAD: usize = 32;

/// The first bytes of a text.
fn block_of(text: &[u8]) -> [u8; LEAD] {
    let mut block = [0; LEAD];
    block.iter_mut().zip(text).for_each(|(place, &byte)| *place = byte);
    block
}

#[derive(Debug)]
struct Field {
    number: u32,
    kind: Kind,
    /// Wire type when not packed.
    wire: u8,
    repeated: bool,
    message: usize,
    oneof: Option<u32>,
    /// Tag as it is on the wire (packed form for repeated scalars) and its length.
    tag: [u8; 5],
    tag_len: u8,
    name: Vec<u8>,
    json_name: Vec<u8>,
    /// `"jsonName":`, compared with the input as a whole.
    quoted: Vec<u8>,
    /// Its first bytes.
    block: [u8; LEAD],
    /// `,"jsonName":` and the quote or bracket with which every value begins, for the output; and all of it.
    lead: [u8; LEAD],
    begun: Vec<u8>,
    enum_values: Vec<(Vec<u8>, i64)>,
    /// Of a repeated field of pairs: how its elements are remembered.
    pairs: Option<pairs::Pairs>,
}

impl Field {
    fn new(field: &crate::schema::Field) -> Option<Field> {
        let kind = Kind::new(field.field_type, &field.name)?;
        let wire = wire_of(field.field_type);
        let written = if field.repeated { wire::LEN } else { wire };
        let mut bytes = Vec::with_capacity(5);
        wire::put_tag(&mut bytes, field.number, written);
        let mut tag = [0; 5];
        let tag_len = bytes.len().min(5);
        tag[..tag_len].copy_from_slice(&bytes[..tag_len]);
        let quoted = format!("\"{}\":", field.json_name).into_bytes();
        let mut begun = format!(",\"{}\":", field.json_name).into_bytes();
        if field.repeated {
            begun.push(b'[');
        } else if kind.quoted() {
            begun.push(b'"');
        }
        let named = |(name, value): &(String, i64)| (name.clone().into_bytes(), *value);
        Some(Field {
            number: field.number,
            kind,
            wire,
            repeated: field.repeated,
            message: field.message.unwrap_or(0) as usize,
            oneof: field.oneof,
            tag,
            tag_len: tag_len as u8,
            name: field.name.clone().into_bytes(),
            json_name: field.json_name.clone().into_bytes(),
            block: block_of(&quoted),
            quoted,
            lead: block_of(&begun),
            begun,
            enum_values: field.enum_values.iter().flatten().map(named).collect(),
            pairs: None,
        })
    }

    /// Whether its key and colon are what stands at `at`.
    #[inline(always)]
    fn stands_at(&self, bytes: &[u8], at: usize) -> bool {
        if self.quoted.len() <= LEAD {
            return text::begins(bytes, at, &self.block, self.quoted.len());
        }
        bytes.get(at..).is_some_and(|rest| rest.starts_with(&self.quoted))
    }

    #[inline(always)]
    fn packed(&self) -> bool {
        self.repeated && self.wire != wire::LEN
    }

    /// Whether a value of this wire type is read as this field; any other makes it an unknown field, as in upb.
    fn takes(&self, wire: u8) -> bool {
        wire == self.wire || (self.packed() && wire == wire::LEN)
    }
}

#[derive(Debug)]
struct Descriptor {
    fields: Vec<Field>,
    /// Rank of the field with a number below 32, or 255.
    by_number: [u8; 32],
    /// Rank of the field with a tag below 128, of a wire type that the field takes, or 255.
    by_tag: [u8; 128],
    /// Where its predictions begin in `Parser::next`: one for each field and one for the first key.
    base: usize,
}

impl Descriptor {
    #[inline]
    fn rank(&self, number: u32) -> Option<usize> {
        match self.by_number.get(number as usize) {
            Some(255) => None,
            Some(&rank) => Some(usize::from(rank)),
            None => self.fields.iter().position(|f| f.number == number),
        }
    }

    /// Rank of the field with this tag, of a wire type that it takes; beyond all ranks for another.
    #[inline(always)]
    fn rank_of_tag(&self, tag: u32) -> usize {
        match self.by_tag.get(tag as usize) {
            Some(&rank) => usize::from(rank),
            None => self.rank(tag >> 3).filter(|&rank| self.fields[rank].takes((tag & 7) as u8)).unwrap_or(usize::MAX),
        }
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        let same = |f: &Field| f.json_name == key || f.name == key;
        self.fields.iter().position(same)
    }
}

/// How deep a message may be nested that is written.
pub const WRITTEN_DEPTH: usize = 100;

/// What JSON needs of the descriptors: built once and shared.
#[derive(Debug)]
pub struct JsonSchema {
    messages: Vec<Descriptor>,
    /// What conversions write into; whoever is done with a result gives it back.
    pub buffers: Buffers,
    /// What earlier conversions have learned of pairs, from and to JSON.
    read: Shelf<Beginnings>,
    written: Shelf<Beginnings>,
}

impl JsonSchema {
    /// The tables for all messages of `schema`. Groups have no JSON and are left out.
    pub fn new(schema: &Schema) -> JsonSchema {
        let mut messages = Vec::with_capacity(schema.messages.len());
        let mut predictions = 0;
        for message in &schema.messages {
            let fields: Vec<Field> = message.fields.iter().filter_map(Field::new).collect();
            let mut by_number = [255; 32];
            for (rank, field) in fields.iter().enumerate().take(255) {
                if let Some(slot) = by_number.get_mut(field.number as usize) {
                    *slot = rank as u8;
                }
            }
            let mut by_tag = [255; 128];
            for (tag, slot) in by_tag.iter_mut().enumerate() {
                let field = fields.iter().take(255).position(|f| f.number as usize == tag >> 3);
                if let Some(rank) = field.filter(|&rank| fields[rank].takes((tag & 7) as u8)) {
                    *slot = rank as u8;
                }
            }
            let base = predictions;
            predictions += fields.len() + 1;
            messages.push(Descriptor { fields, by_number, by_tag, base });
        }
        pairs::find(&mut messages);
        JsonSchema { messages, buffers: Buffers::default(), read: Shelf::default(), written: Shelf::default() }
    }

    fn check_root(&self, root: usize) -> Result<()> {
        if root < self.messages.len() {
            return Ok(());
        }
        fail("no such message in the schema", 0)
    }
}

impl From<Stop> for JsonError {
    fn from(stop: Stop) -> JsonError {
        match stop {
            Stop::Malformed(fault, at) => JsonError { message: fault.message().into(), offset: at as usize },
            Stop::Irregular => JsonError { message: "group".into(), offset: 0 },
        }
    }
}

#[cfg(feature = "python")]
fn converted<'py>(
    py: Python<'py>,
    json: &JsonSchema,
    payload: &Bound<'py, PyAny>,
    convert: impl FnOnce(&[u8]) -> Result<Vec<u8>> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    let payload = payload_of(payload)?;
    let bytes: &[u8] = &payload;
    match py.detach(|| convert(bytes)) {
        Ok(out) => {
            let bytes = joined(py, out.len(), std::iter::once(&out[..]));
            json.buffers.give(out);
            bytes
        }
        Err(error) => Err(scan_error(py, &error.message, error.offset)),
    }
}

/// The protobuf encoding of the message (of index `root` in the schema) that an OTLP JSON text spells.
#[cfg(feature = "python")]
#[pyfunction]
#[pyo3(signature = (schema, root, payload, max_messages, max_depth))]
fn json_to_protobuf<'py>(
    py: Python<'py>,
    schema: &Bound<'py, PySchema>,
    root: usize,
    payload: &Bound<'py, PyAny>,
    max_messages: usize,
    max_depth: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let json = &schema.get().json;
    converted(py, json, payload, |bytes| to_protobuf(json, root, bytes, max_messages, max_depth))
}

/// The OTLP JSON of a protobuf message (of index `root` in the schema).
#[cfg(feature = "python")]
#[pyfunction]
#[pyo3(signature = (schema, root, payload, max_depth = WRITTEN_DEPTH))]
fn protobuf_to_json<'py>(
    py: Python<'py>,
    schema: &Bound<'py, PySchema>,
    root: usize,
    payload: &Bound<'py, PyAny>,
    max_depth: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let json = &schema.get().json;
    converted(py, json, payload, |bytes| to_json(json, root, bytes, max_depth))
}

/// Adds this file's functions to the module.
#[cfg(feature = "python")]
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(json_to_protobuf, module)?)?;
    module.add_function(wrap_pyfunction!(protobuf_to_json, module)?)
}

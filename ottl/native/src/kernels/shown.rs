//! Values as texts, as pdata's AsString shows them: bytes in base64, lists and maps as JSON, nothing as no text.

use std::io::Write;

use super::nested::list_items;
use crate::arena::Arena;
use crate::json::numbers::{write_double, write_signed};
use crate::maps::decode_map;
use crate::schema::{tags, Values};
use crate::values::Cell;

/// Lists and maps that nest deeper are left to the caller.
const DEEPEST: usize = 40;

/// Why there is no text.
enum Stop {
    /// JSON has no form for a number that is not finite.
    NotFinite,
    Declined,
}

impl From<String> for Stop {
    fn from(_: String) -> Stop {
        Stop::Declined
    }
}

/// Appends the text of a value; None where the caller has to make it.
pub fn push_shown<P: AsRef<[u8]>>(out: &mut Vec<u8>, arena: &Arena<P>, values: &Values, cell: Cell) -> Option<()> {
    let double = f64::from_bits(cell.bits as u64);
    match cell.tag {
        tags::EMPTY | tags::STRING_INDEX => {}
        tags::STRING => out.extend_from_slice(arena.cell(cell).ok()?),
        tags::BYTES => push_base64(arena.cell(cell).ok()?, out),
        tags::DOUBLE if double.is_nan() => out.extend_from_slice(b"NaN"),
        tags::DOUBLE if double.is_infinite() => {
            out.extend_from_slice(if double > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        _ => {
            let begin = out.len();
            match push_json(out, arena, values, cell, DEEPEST) {
                Ok(()) => {}
                Err(Stop::NotFinite) => out.truncate(begin),
                Err(Stop::Declined) => return None,
            }
        }
    }
    Some(())
}

fn push_json<P: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    arena: &Arena<P>,
    values: &Values,
    cell: Cell,
    room: usize,
) -> Result<(), Stop> {
    let room = room.checked_sub(1).ok_or(Stop::Declined)?;
    match cell.tag {
        tags::STRING => push_quoted(out, arena.cell(cell)?)?,
        tags::BOOL => out.extend_from_slice(if cell.bits != 0 { b"true" } else { b"false" }),
        tags::INT => write_signed(out, cell.bits),
        tags::DOUBLE => push_float(out, f64::from_bits(cell.bits as u64))?,
        tags::BYTES if cell.len > 0 => {
            out.push(b'"');
            push_base64(arena.cell(cell)?, out);
            out.push(b'"');
        }
        tags::LIST => {
            out.push(b'[');
            for (number, item) in list_items(arena, values, cell)?.into_iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                push_json(out, arena, values, item, room)?;
            }
            out.push(b']');
        }
        tags::MAP => {
            let mut members: Vec<(&[u8], Cell)> = Vec::new();
            decode_map(arena, values, cell.bits, cell.len, |key, cell| members.push((key, cell)))?;
            // Of keys that come again the last value counts: the sort is stable.
            members.sort_by_key(|member| member.0);
            out.push(b'{');
            let mut first = true;
            for (at, (key, value)) in members.iter().enumerate() {
                if members.get(at + 1).is_some_and(|next| next.0 == *key) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                push_quoted(out, key)?;
                out.push(b':');
                push_json(out, arena, values, *value, room)?;
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

/// Appends a finite number: plain between 1e-6 and 1e21, else with an exponent, whose digits are as few as there are.
fn push_float(out: &mut Vec<u8>, number: f64) -> Result<(), Stop> {
    if !number.is_finite() {
        return Err(Stop::NotFinite);
    }
    let begin = out.len();
    write_double(out, number);
    if number.abs() < 1e-6 {
        let padded = out.get(begin..).and_then(|text| text.windows(3).position(|part| part == b"e-0"));
        if let Some(at) = padded {
            out.remove(begin + at + 2);
        }
    }
    Ok(())
}

fn push_quoted(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Stop> {
    out.push(b'"');
    if text.iter().all(|&byte| matches!(byte, b' '..=0x7f) && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text);
    } else {
        for c in std::str::from_utf8(text).map_err(|_| Stop::Declined)?.chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\u{8}' => out.extend_from_slice(b"\\b"),
                '\u{c}' => out.extend_from_slice(b"\\f"),
                '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => {
                    write!(out, "\\u{:04x}", u32::from(c)).map_err(|_| Stop::Declined)?;
                }
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
    Ok(())
}

/// Appends bytes in base64, padded.
pub fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = if at <= part.len() { DIGITS[(bits >> (18 - 6 * at) & 63) as usize] } else { b'=' };
            out.push(digit);
        }
    }
}

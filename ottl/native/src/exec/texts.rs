//! Converters that cut, part, search and print texts, and what they take of lists and maps.

use std::io::Write;

use memchr::{memchr_iter, memmem};

use super::calls::push_int;
use super::registers::LANES;
use super::{boolean, kinds, known, stored, Declined, Done, Failed, Operator, Run, Slot};
use crate::json::numbers::write_double;
use crate::kernels::nested::{deep, list_items};
use crate::kernels::parse::{put_item, put_parts, DEEPEST};
use crate::kernels::push_hex;
use crate::kernels::shown::push_shown;
use crate::maps::{self, step_errors, Step as Into};
use crate::schema::tags;
use crate::values::Cell;

/// A text that stands before a value, and how the value is printed; `verb` is 0 behind the last one.
#[derive(Debug)]
pub struct Verb {
    pub literal: Vec<u8>,
    pub verb: u8,
    /// Characters that it is filled up to.
    pub width: usize,
    /// Digits behind the point.
    pub precision: usize,
    /// Filled up at its right.
    pub left: bool,
    /// Filled up with zeros behind the sign.
    pub zero: bool,
}

/// An alphabet of base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base64 {
    pub padded: bool,
    pub url: bool,
}

impl Base64 {
    fn digits(self) -> &'static [u8; 64] {
        if self.url {
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        } else {
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        }
    }

    fn encode(self, text: &[u8], out: &mut Vec<u8>) {
        let digits = self.digits();
        for part in text.chunks(3) {
            let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for at in 0..=part.len() {
                out.push(digits[(bits >> (18 - 6 * at) & 63) as usize]);
            }
            if self.padded {
                out.resize(out.len() + 3 - part.len(), b'=');
            }
        }
    }

    /// None for what is not written as `encode` does.
    fn decode(self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let digits = match (self.padded, text.iter().rev().take(2).take_while(|&&byte| byte == b'=').count()) {
            (true, padding) if text.len() % 4 == 0 => text.get(..text.len() - padding)?,
            (false, 0) => text,
            _ => return None,
        };
        for part in digits.chunks(4) {
            let mut bits = 0u32;
            for &digit in part {
                bits = bits << 6 | self.value(digit)?;
            }
            match part.len() {
                4 => out.extend_from_slice(&bits.to_be_bytes()[1..]),
                3 if bits & 3 == 0 => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
                2 if bits & 15 == 0 => out.push((bits >> 4) as u8),
                _ => return None,
            }
        }
        Some(())
    }

    fn value(self, digit: u8) -> Option<u32> {
        Some(match digit {
            b'A'..=b'Z' => u32::from(digit - b'A'),
            b'a'..=b'z' => u32::from(digit - b'a') + 26,
            b'0'..=b'9' => u32::from(digit - b'0') + 52,
            _ if digit == self.digits()[62] => 62,
            _ if digit == self.digits()[63] => 63,
            _ => return None,
        })
    }
}

/// MurmurHash3 of 32 bits for x86, with seed 0.
fn murmur3(text: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = 0u32;
    let mut words = text.chunks_exact(4);
    for word in &mut words {
        let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        hash = (hash ^ mix(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = words.remainder().iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    hash ^= mix(rest) ^ text.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// Appends a float that is written without an exponent wherever it is shown.
pub(super) fn push_double(out: &mut Vec<u8>, number: f64) -> Done<()> {
    let plain = (1e-4..1e15).contains(&number.abs()) || number.to_bits() == 0;
    if !plain {
        return Err(Declined);
    }
    write_double(out, number);
    Ok(())
}

/// Appends random bytes as an identifier, with the bits that say so in the places that RFC 9562 has for them.
fn push_uuid(mut bytes: [u8; 16], out: &mut Vec<u8>) {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let begin = out.len();
    push_hex(&bytes, out);
    out.resize(begin + 36, b'-');
    // From the right, as the groups make room for each other.
    for (group, from) in [(20..32, 24), (16..20, 19), (12..16, 14), (8..12, 9)] {
        out.copy_within(begin + group.start..begin + group.end, begin + from);
        out[begin + from - 1] = b'-';
    }
}

/// Fills up what has been written from `begin` on.
fn pad(out: &mut Vec<u8>, begin: usize, verb: &Verb) -> Done<()> {
    let written = std::str::from_utf8(out.get(begin..).unwrap_or_default()).map_err(|_| Declined)?;
    let missing = verb.width.saturating_sub(written.chars().count());
    if verb.left {
        out.resize(out.len() + missing, b' ');
        return Ok(());
    }
    let (at, fill) = match (verb.zero, out.get(begin) == Some(&b'-')) {
        (true, signed) => (begin + usize::from(signed), b'0'),
        (false, _) => (begin, b' '),
    };
    out.splice(at..at, std::iter::repeat_n(fill, missing));
    Ok(())
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    /// A text that `write` makes, at the end of the arena.
    pub(super) fn made(&mut self, tag: u8, write: impl FnOnce(&Self, &mut Vec<u8>) -> Done<()>) -> Done<Cell> {
        let mut out = std::mem::take(&mut self.state.scratch.out);
        out.clear();
        let done = match write(self, &mut out) {
            Ok(()) if tag == tags::STRING && out.len() > self.room.longest => Err(Declined),
            done => done,
        };
        let cell = done.map(|()| Cell::view(tag, self.arena.add(&out), out.len()));
        self.state.scratch.out = out;
        cell
    }

    /// The text of a value, as pdata shows it.
    pub(super) fn text_of(&mut self, cell: Cell) -> Done<Cell> {
        match cell.tag {
            tags::STRING => Ok(cell),
            tags::EMPTY => Ok(Cell::view(tags::STRING, 0, 0)),
            tag if tag > tags::STRING_INDEX => Err(Declined),
            _ => self.made(tags::STRING, |run, out| push_shown(out, run.arena, &run.values, cell).ok_or(Declined)),
        }
    }

    pub(super) fn substring(&self, target: Cell, start: Cell, length: Cell, whole: bool) -> Done<Cell> {
        let text = self.text(target)?;
        if start.tag != tags::INT || length.tag != tags::INT || length.bits < 1 {
            return Err(Declined);
        }
        let mut begin = usize::try_from(start.bits).map_err(|_| Failed)?;
        let mut end = begin.checked_add(length.bits as usize).filter(|&end| end <= text.len()).ok_or(Failed)?;
        if whole {
            let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
            while inside(begin) {
                begin += 1;
            }
            while begin < end && inside(end) {
                end -= 1;
            }
        }
        Ok(Cell::view(tags::STRING, target.bits + begin as i64, end.saturating_sub(begin)))
    }

    pub(super) fn split(&mut self, target: Cell, delimiter: Cell) -> Done<Cell> {
        self.made(kinds::TEXTS, |run, out| {
            let (text, between) = (run.text(target)?, run.text(delimiter)?);
            let values = &run.values;
            let (mut begin, mut count) = (0, 0);
            let mut part = |end: usize, next: usize| {
                let text = text.get(begin..end).unwrap_or_default();
                put_item(out, values, Cell::view(tags::STRING, 0, text.len()), text);
                (begin, count) = (next, count + 1);
            };
            match between {
                [] => {
                    let text = std::str::from_utf8(text).map_err(|_| Declined)?;
                    text.char_indices().for_each(|(at, c)| part(at + c.len_utf8(), at + c.len_utf8()));
                }
                [byte] => {
                    memchr_iter(*byte, text).for_each(|at| part(at, at + 1));
                    part(text.len(), text.len());
                }
                _ => {
                    memmem::find_iter(text, between).for_each(|at| part(at, at + between.len()));
                    part(text.len(), text.len());
                }
            }
            if count > run.room.items {
                return Err(Declined);
            }
            Ok(())
        })
    }

    pub(super) fn find(&self, target: Cell, value: Cell) -> Done<Cell> {
        let found = match target.tag {
            tags::STRING => {
                memmem::find(self.text(target)?, self.text(value)?).map_or(-1, |at| i64::try_from(at).unwrap_or(-1))
            }
            _ => self.position(target, value)?,
        };
        Ok(Cell::scalar(tags::INT, found))
    }

    pub(super) fn contains(&self, target: Cell, value: Cell) -> Done<Cell> {
        Ok(boolean(self.position(target, value)? >= 0))
    }

    /// The number of the first element that equals a value, or -1.
    fn position(&self, list: Cell, value: Cell) -> Done<i64> {
        let (kind, list) = (list.tag, stored(list));
        if list.tag != tags::LIST {
            return Err(Declined);
        }
        let items = list_items(self.arena, &self.values, list)?;
        // A map in a literal is an error, and a list is not told from one that was there before.
        if kind == kinds::RAW && items.iter().any(|item| item.tag >= tags::LIST) {
            return Err(Declined);
        }
        for (number, item) in (0..).zip(items) {
            if self.compare(Operator::Equal, known(item), value)? {
                return Ok(number);
            }
        }
        Ok(-1)
    }

    /// The keys or the values of a map.
    pub(super) fn parts(&mut self, map: Cell, keys: bool) -> Done<Cell> {
        if map.tag != tags::MAP || (!keys && deep(self.arena, &self.values, map, DEEPEST)?) {
            return Err(Declined);
        }
        self.made(tags::LIST, |run, out| {
            put_parts(out, run.arena, &run.values, (map.bits, map.len), keys)?;
            Ok(())
        })
    }

    /// A part of a list or map; one that is missing is an error.
    pub(super) fn item(&self, value: Cell, key: Cell) -> Done<Cell> {
        let (kind, value) = (value.tag, stored(value));
        let step = match key.tag {
            tags::STRING => Into::Key(self.text(key)?),
            tags::INT => Into::Index(key.bits),
            _ => return Err(Declined),
        };
        let (found, error) = maps::child(self.arena, &self.values, value, step)?;
        // An Empty that is there cannot be told from a missing one here.
        if error != step_errors::NONE || found.tag == tags::EMPTY {
            return Err(Declined);
        }
        if kind == kinds::RAW && found.tag == tags::LIST {
            return Err(Declined);
        }
        Ok(known(found))
    }

    pub(super) fn format(&mut self, verbs: &[Verb], arguments: &[Slot]) -> Done<Cell> {
        self.made(tags::STRING, |run, out| {
            for (number, verb) in verbs.iter().enumerate() {
                out.extend_from_slice(&verb.literal);
                if verb.verb != 0 {
                    let cell = arguments.get(number).map_or(Cell::EMPTY, |&slot| run.get(slot));
                    let begin = out.len();
                    run.print(verb, cell, out)?;
                    if verb.width > 0 {
                        pad(out, begin, verb)?;
                    }
                }
                // Before the next value is printed: each may be long.
                if out.len() > run.room.longest {
                    return Err(Declined);
                }
            }
            Ok(())
        })
    }

    fn print(&self, verb: &Verb, cell: Cell, out: &mut Vec<u8>) -> Done<()> {
        match (verb.verb, cell.tag) {
            (b's' | b'v', tags::STRING) => out.extend_from_slice(self.text(cell)?),
            (b'd' | b'v', tags::INT) => push_int(out, cell.bits),
            (b't' | b'v', tags::BOOL) => out.extend_from_slice(if cell.bits != 0 { b"true" } else { b"false" }),
            (b'v', tags::EMPTY) => out.extend_from_slice(b"<nil>"),
            (b'v', tags::DOUBLE) => push_double(out, f64::from_bits(cell.bits as u64))?,
            (b'f', tags::DOUBLE) => {
                let number = f64::from_bits(cell.bits as u64);
                if !number.is_finite() {
                    return Err(Declined);
                }
                write!(out, "{number:.*}", verb.precision).map_err(|_| Declined)?;
            }
            (b'x', tags::STRING) => push_hex(self.text(cell)?, out),
            (b'x', tags::INT) if cell.bits >= 0 => write!(out, "{:x}", cell.bits).map_err(|_| Declined)?,
            (b'q', tags::STRING) => {
                let text = self.text(cell)?;
                if !text.iter().all(|&byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
                    return Err(Declined);
                }
                out.push(b'"');
                out.extend_from_slice(text);
                out.push(b'"');
            }
            _ => return Err(Declined),
        }
        Ok(())
    }

    pub(super) fn hex(&mut self, cell: Cell) -> Done<Cell> {
        self.made(tags::STRING, |run, out| {
            match cell.tag {
                tags::EMPTY => {}
                tags::STRING | tags::BYTES => push_hex(run.arena.get(cell.bits, cell.len).ok_or(Declined)?, out),
                tags::INT | tags::DOUBLE => push_hex(&cell.bits.to_be_bytes(), out),
                tags::BOOL => push_hex(&[u8::from(cell.bits != 0)], out),
                _ => return Err(Declined),
            }
            Ok(())
        })
    }

    pub(super) fn murmur3(&mut self, cell: Cell) -> Done<Cell> {
        self.made(tags::STRING, |run, out| {
            push_hex(&murmur3(run.text(cell)?).to_le_bytes(), out);
            Ok(())
        })
    }

    pub(super) fn base64_of(&mut self, cell: Cell, alphabet: Base64) -> Done<Cell> {
        self.made(tags::STRING, |run, out| {
            alphabet.encode(run.text(cell)?, out);
            Ok(())
        })
    }

    pub(super) fn text_of_base64(&mut self, cell: Cell, alphabet: Base64) -> Done<Cell> {
        self.made(tags::STRING, |run, out| {
            if !matches!(cell.tag, tags::STRING | tags::BYTES) {
                return Err(Declined);
            }
            alphabet.decode(run.arena.get(cell.bits, cell.len).ok_or(Declined)?, out).ok_or(Declined)
        })
    }

    pub(super) fn truth_of(&self, cell: Cell) -> Done<Cell> {
        Ok(match cell.tag {
            tags::BOOL | tags::EMPTY => cell,
            tags::INT => boolean(cell.bits != 0),
            tags::DOUBLE => boolean(f64::from_bits(cell.bits as u64) != 0.0),
            _ => match self.text(cell)? {
                b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => boolean(true),
                b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => boolean(false),
                _ => return Err(Declined),
            },
        })
    }

    /// A new random identifier (version 4).
    pub(super) fn uuid(&mut self) -> Done<Cell> {
        let random = &mut self.state.scratch.random;
        if random.is_empty() {
            random.resize(LANES, [0; 16]);
            if getrandom::fill(random.as_flattened_mut()).is_err() {
                random.clear();
            }
        }
        let bytes = random.pop().ok_or(Declined)?;
        self.made(tags::STRING, |_, out| {
            push_uuid(bytes, out);
            Ok(())
        })
    }

    /// An id of so many bytes, from them or from their hexadecimal digits.
    pub(super) fn identifier(&mut self, cell: Cell, tag: u8, size: usize) -> Done<Cell> {
        if !matches!(cell.tag, tags::STRING | tags::BYTES) {
            return Err(Declined);
        }
        if cell.len as usize == size {
            return Ok(Cell { tag, ..cell });
        }
        self.made(tag, |run, out| {
            let digits = run.arena.get(cell.bits, cell.len).ok_or(Declined)?;
            if digits.len() != 2 * size {
                return Err(Declined);
            }
            for pair in digits.chunks_exact(2) {
                let digit = |byte: u8| (byte as char).to_digit(16).ok_or(Declined);
                out.push((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_round_trip() {
        let text: Vec<u8> = (0..=255).collect();
        for alphabet in
            [(true, false), (false, false), (true, true), (false, true)].map(|(padded, url)| Base64 { padded, url })
        {
            for end in 0..text.len() {
                let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
                alphabet.encode(&text[..end], &mut encoded);
                alphabet.decode(&encoded, &mut decoded).unwrap();
                assert_eq!(decoded, &text[..end]);
            }
            for bad in [&b"A"[..], b"AB=", b"A===", b"AB\n=", b"AB*=", b"AB==AB=="] {
                assert_eq!(alphabet.decode(bad, &mut Vec::new()), None);
            }
        }
    }

    #[test]
    fn bits_of_identifiers() {
        for (byte, text) in
            [(0x00, "00000000-0000-4000-8000-000000000000"), (0xff, "ffffffff-ffff-4fff-bfff-ffffffffffff")]
        {
            let mut out = b"x".to_vec();
            push_uuid([byte; 16], &mut out);
            assert_eq!(&out[1..], text.as_bytes());
        }
        let mut out = Vec::new();
        push_uuid(std::array::from_fn(|at| at as u8 * 0x11), &mut out);
        assert_eq!(out, b"00112233-4455-4677-8899-aabbccddeeff");
    }

    #[test]
    fn murmur3_of_known_texts() {
        let known = [("", 0), ("Hello World", 0x1976_83ce), ("abcd", 0x43ed_676a), ("abc", 0xb3dd_93fa)];
        for (text, hash) in known {
            assert_eq!(murmur3(text.as_bytes()), hash, "{text}");
        }
    }
}

//! OTLP JSON text to protobuf bytes.
//!
//! Positions are arguments and results rather than a field of the parser, so that they stay in registers.

use super::binary::{base64_decode, hex_decode};
use super::numbers::{decimal, leading_digits, plain_double};
use super::pairs::{self, Beginnings};
use super::text::{append, append_block, run};
use super::{fail, stop, Descriptor, Field, JsonSchema, Kind, Result, Step, MAX_LEVELS, MAX_RECURSION};
use crate::wire::{self, put_varint};

/// Messages whose fields have larger ranks share bits of the "seen before" set; a shared bit only costs an explicit zero.
const SEEN_BITS: u32 = 64;

/// The protobuf encoding of the message `root` that `payload` spells as OTLP JSON.
///
/// # Errors
/// Text that is not JSON or does not fit the schema, more than `max_messages` messages below the root, or messages more
/// than `max_depth` below the root; each with its offset in `payload`.
pub fn to_protobuf(
    schema: &JsonSchema,
    root: usize,
    payload: &[u8],
    max_messages: usize,
    max_depth: usize,
) -> Result<Vec<u8>> {
    schema.check_root(root)?;
    let mut parser = Parser {
        schema,
        bytes: payload,
        out: Vec::with_capacity(payload.len() / 8 * 5 + 64),
        scratch: Vec::new(),
        messages: max_messages.saturating_add(1),
        max_depth: max_depth.min(MAX_RECURSION),
        widths: vec![1; schema.messages.len()],
        next: schema.messages.iter().flat_map(|m| 0..=m.fields.len() as u16).collect(),
        beginnings: Beginnings::new(),
    };
    match parser.root(root) {
        Ok(()) => Ok(parser.out),
        // Strings are validated one by one and nothing else may have other bytes than ASCII, so text that was read is valid.
        Err(error) => match std::str::from_utf8(payload) {
            Ok(_) => Err(*error),
            Err(invalid) => fail("invalid UTF-8", invalid.valid_up_to()),
        },
    }
}

struct Parser<'a> {
    schema: &'a JsonSchema,
    bytes: &'a [u8],
    out: Vec<u8>,
    scratch: Vec<u8>,
    messages: usize,
    max_depth: usize,
    /// Bytes that the length of the last message of each kind took: the next one's place is made that wide.
    widths: Vec<u8>,
    /// From each message's `base` on: the rank that came last time after the field of rank `i - 1` (0: first in its message).
    next: Vec<u16>,
    beginnings: Beginnings,
}

/// A string of the input: between two offsets, or (with escapes) in the scratch buffer; and the position behind it.
struct Text {
    start: usize,
    end: usize,
    escaped: bool,
    next: usize,
}

impl<'a> Parser<'a> {
    fn root(&mut self, root: usize) -> Step<()> {
        let at = self.blank(0);
        let end = if self.peek(at) == b'n' { self.word(at, b"null")? } else { self.message(root, at, 0, 1)? };
        let end = self.blank(end);
        if end < self.bytes.len() {
            return stop("text after the end of the message", end);
        }
        Ok(())
    }

    /// The byte at the position, 0 at the end (a zero byte is no JSON outside strings either).
    #[inline(always)]
    fn peek(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The position of the next byte that is not white space.
    #[inline(always)]
    fn blank(&self, at: usize) -> usize {
        if self.peek(at) > b' ' {
            return at;
        }
        self.long_blank(at)
    }

    fn long_blank(&self, mut at: usize) -> usize {
        while let b' ' | b'\n' | b'\r' | b'\t' = self.peek(at) {
            at += 1;
        }
        at
    }

    #[cold]
    #[inline(never)]
    fn unexpected<T>(&self, at: usize, wanted: &str) -> Step<T> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let Some(got) = rest.utf8_chunks().next() else {
            return stop(format!("expected {wanted}, got the end of the text"), at);
        };
        let got = got.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        stop(format!("expected {wanted}, got {got:?}"), at)
    }

    #[inline(always)]
    fn expect(&self, at: usize, byte: u8, wanted: &str) -> Step<usize> {
        if self.peek(at) != byte {
            return self.unexpected(at, wanted);
        }
        Ok(at + 1)
    }

    fn word(&self, at: usize, word: &'static [u8]) -> Step<usize> {
        if !self.bytes[at.min(self.bytes.len())..].starts_with(word) {
            return self.unexpected(at, "a value");
        }
        Ok(at + word.len())
    }

    #[inline(always)]
    fn put_tag(&mut self, field: &Field) {
        if field.tag_len == 1 {
            self.out.push(field.tag[0]);
        } else {
            self.out.extend_from_slice(&field.tag[..usize::from(field.tag_len.min(5))]);
        }
    }

    /// Writes the length of what follows `start + width` into its place, widening or narrowing the place.
    #[inline(always)]
    fn close(&mut self, start: usize, width: usize) -> usize {
        let len = self.out.len() - start - width;
        if width == 1 && len < 0x80 {
            self.out[start] = len as u8;
            return 1;
        }
        if width == 2 && (0x80..0x4000).contains(&len) {
            self.out[start..start + 2].copy_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]);
            return 2;
        }
        self.close_anyhow(start, width, len)
    }

    #[inline(never)]
    fn close_anyhow(&mut self, start: usize, width: usize, len: usize) -> usize {
        let need = wire::varint_len(len as u64);
        if need > width {
            self.out.resize(self.out.len() + need - width, 0);
            self.out.copy_within(start + width..start + width + len, start + need);
        } else if need < width {
            self.out.copy_within(start + width..start + width + len, start + need);
            self.out.truncate(start + need + len);
        }
        let mut rest = len;
        for i in 0..need {
            let more = if i + 1 < need { 0x80 } else { 0 };
            self.out[start + i] = (rest & 0x7f) as u8 | more;
            rest >>= 7;
        }
        need
    }

    #[inline(always)]
    fn open(&mut self, width: usize) -> usize {
        let start = self.out.len();
        if width == 1 {
            self.out.push(0);
        } else {
            self.out.extend_from_slice(&[0; 10][..width.min(10)]);
        }
        start
    }

    /// A submessage with its tag and length.
    #[inline]
    fn submessage(&mut self, field: &Field, at: usize, depth: usize, level: usize) -> Step<usize> {
        self.put_tag(field);
        let width = usize::from(self.widths[field.message]);
        let start = self.open(width);
        let end = self.message(field.message, at, depth, level)?;
        let needed = self.close(start, width);
        if needed != width {
            self.widths[field.message] = needed as u8;
        }
        Ok(end)
    }

    #[cold]
    #[inline(never)]
    fn check_message(&self, at: usize, depth: usize, level: usize) -> Step<()> {
        if self.peek(at) != b'{' {
            return self.unexpected(at, "an object");
        }
        if level > MAX_LEVELS {
            return stop("text nested too deeply", at);
        }
        self.check_limits(at, depth)
    }

    fn check_limits(&self, at: usize, depth: usize) -> Step<()> {
        if depth > self.max_depth {
            return stop("messages nested too deeply", at);
        }
        if self.messages == 0 {
            return stop("too many messages (--max-messages raises the limit)", at);
        }
        Ok(())
    }

    /// The body of a message from its JSON object.
    fn message(&mut self, kind: usize, at: usize, depth: usize, level: usize) -> Step<usize> {
        if self.peek(at) != b'{' || level > MAX_LEVELS || depth > self.max_depth || self.messages == 0 {
            self.check_message(at, depth, level)?;
        }
        self.messages -= 1;
        let schema: &'a JsonSchema = self.schema;
        let descriptor = &schema.messages[kind];
        let mut seen = 0u64;
        let mut last = 0;
        let mut at = self.blank(at + 1);
        if self.peek(at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            let guess = usize::from(self.next[descriptor.base + last]);
            let guessed = descriptor.fields.get(guess).filter(|field| field.stands_at(self.bytes, at));
            let (rank, value) = match guessed {
                Some(field) => (guess, at + field.quoted.len()),
                None => self.key(descriptor, last, at)?,
            };
            at = self.blank(value);
            if let Some(field) = descriptor.fields.get(rank) {
                last = rank + 1;
                let bit = 1u64 << (rank as u32 % SEEN_BITS);
                let again = seen & bit != 0;
                seen |= bit;
                at = self.value(field, at, again, depth, level)?;
            } else {
                at = self.skip(at, level)?;
            }
            at = self.blank(at);
            match self.peek(at) {
                b',' => at = self.blank(at + 1),
                b'}' => return Ok(at + 1),
                _ => return self.unexpected(at, "',' or '}'"),
            }
        }
    }

    /// The value of a known key.
    #[inline]
    fn value(&mut self, field: &'a Field, at: usize, again: bool, depth: usize, level: usize) -> Step<usize> {
        if self.peek(at) == b'n' {
            return self.word(at, b"null");
        }
        if field.repeated {
            return self.array(field, at, depth, level);
        }
        match field.kind {
            Kind::Message => self.submessage(field, at, depth + 1, level + 1),
            Kind::String => self.text(field, at, again || field.oneof.is_some()),
            _ => self.scalar(field, at, again || field.oneof.is_some()),
        }
    }

    /// The rank of the field whose key (and colon) stand here but were not expected, beyond all ranks for an unknown one;
    /// and the position behind the colon. Most messages repeat the order of the one before, so what followed which key is
    /// remembered.
    #[inline(never)]
    fn key(&mut self, descriptor: &Descriptor, last: usize, at: usize) -> Step<(usize, usize)> {
        let bytes = self.bytes;
        let found = descriptor.fields.iter().enumerate().find(|(_, field)| field.stands_at(bytes, at));
        if let Some((rank, field)) = found {
            self.next[descriptor.base + last] = rank as u16;
            return Ok((rank, at + field.quoted.len()));
        }
        let key = self.expected_string(at, "a key")?;
        let rank = descriptor.find(self.text_of(&key));
        let colon = self.blank(key.next);
        let next = self.expect(colon, b':', "':'")?;
        if let Some(rank) = rank {
            self.next[descriptor.base + last] = rank as u16;
        }
        Ok((rank.unwrap_or(usize::MAX), next))
    }

    fn array(&mut self, field: &'a Field, at: usize, depth: usize, level: usize) -> Step<usize> {
        if self.peek(at) != b'[' {
            return self.unexpected(at, "an array");
        }
        if level + 1 > MAX_LEVELS {
            return stop("text nested too deeply", at);
        }
        let mut at = self.blank(at + 1);
        if self.peek(at) == b']' {
            return Ok(at + 1);
        }
        let packed = field.packed();
        let mut start = 0;
        if packed {
            self.put_tag(field);
            start = self.open(1);
        }
        let mut place = field.pairs;
        loop {
            at = match field.kind {
                Kind::Message if place.is_some() => {
                    let here = place.unwrap_or_default();
                    place = Some(here + 1);
                    match self.pair(field, at, here, depth + 1, level + 2) {
                        Some(next) => next,
                        None => {
                            let next = self.element(field, at, depth, level)?;
                            self.remember(field, at, here);
                            next
                        }
                    }
                }
                Kind::Message => self.element(field, at, depth, level)?,
                Kind::String if self.peek(at) == b'n' => {
                    self.put_tag(field);
                    self.out.push(0);
                    self.word(at, b"null")?
                }
                Kind::String => self.text(field, at, true)?,
                _ if packed => self.number(field, at)?,
                _ => self.scalar(field, at, true)?,
            };
            at = self.blank(at);
            match self.peek(at) {
                b',' => at = self.blank(at + 1),
                b']' => break,
                _ => return self.unexpected(at, "',' or ']'"),
            }
        }
        if packed {
            self.close(start, 1);
        }
        Ok(at + 1)
    }

    /// A message that is an element, with its tag.
    #[inline]
    fn element(&mut self, field: &Field, at: usize, depth: usize, level: usize) -> Step<usize> {
        if self.peek(at) != b'n' {
            return self.submessage(field, at, depth + 1, level + 2);
        }
        self.put_tag(field);
        let next = self.word(at, b"null")?;
        self.check_limits(at, depth + 1)?;
        self.messages -= 1;
        self.out.push(0);
        Ok(next)
    }

    /// The end of a pair that begins like the one before it in this place and holds one scalar; nothing is done for another.
    #[inline]
    fn pair(&mut self, field: &Field, at: usize, place: usize, depth: usize, level: usize) -> Option<usize> {
        let schema: &'a JsonSchema = self.schema;
        let known = self.beginnings.recall(place, self.bytes.get(at..)?)?;
        if self.messages < 2 || depth >= self.max_depth || level >= MAX_LEVELS {
            return None;
        }
        let (_, choice) = pairs::fields(&schema.messages[field.message])?;
        let member = schema.messages[choice.message].fields.get(known.member)?;
        let mark = self.out.len();
        let value = at + known.source_len;
        append_block(&mut self.out, known.result, known.result_len);
        let inner = self.out.len() - 1;
        let done = match member.kind {
            Kind::String => self.text(member, value, true),
            _ => self.scalar(member, value, true),
        };
        match done {
            Ok(next) if self.peek(next) == b'}' && self.peek(next + 1) == b'}' => {
                self.close(inner, 1);
                self.close(mark + usize::from(field.tag_len), 1);
                self.messages -= 2;
                Some(next + 2)
            }
            _ => {
                self.out.truncate(mark);
                None
            }
        }
    }

    /// Remembers how the pair begins that was read at `at`, if it is spelled the way writers spell it.
    #[inline(never)]
    fn remember(&mut self, field: &Field, at: usize, place: usize) -> Option<()> {
        let bytes = self.bytes;
        let (key, choice) = pairs::fields(&self.schema.messages[field.message])?;
        let follows = |at: usize, text: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(text));
        let name = (follows(at, b"{") && follows(at + 1, &key.quoted)).then(|| at + 1 + key.quoted.len())?;
        let (end, wide) = follows(name, b"\"").then(|| run(bytes, name + 1))?;
        let text = bytes.get(name + 1..end).filter(|text| (1..pairs::LONGEST).contains(&text.len()) && !wide)?;
        let value = follows(end, b"\",").then_some(end + 2)?;
        let brace = follows(value, &choice.quoted).then(|| value + choice.quoted.len())?;
        let members = &self.schema.messages[choice.message].fields;
        let rank = members.iter().position(|member| follows(brace, b"{") && follows(brace + 1, &member.quoted))?;
        let member = members.get(rank).filter(|member| member.kind != Kind::Message)?;
        let mut result = field.tag[..usize::from(field.tag_len)].to_vec();
        result.push(0);
        wire::put_bytes(&mut result, key.number, text);
        wire::put_tag(&mut result, choice.number, wire::LEN);
        result.push(0);
        self.beginnings.remember(place, bytes.get(at..brace + 1 + member.quoted.len())?, &result, rank);
        Some(())
    }

    /// A singular string, or an element, with its tag; an empty one is left out unless `keep`.
    #[inline]
    fn text(&mut self, field: &Field, at: usize, keep: bool) -> Step<usize> {
        let text = self.expected_string(at, "a string")?;
        if text.escaped {
            let scratch = std::mem::take(&mut self.scratch);
            self.put_text(field, &scratch, 0, scratch.len(), keep);
            self.scratch = scratch;
        } else {
            self.put_text(field, self.bytes, text.start, text.end, keep);
        }
        Ok(text.next)
    }

    #[inline]
    fn put_text(&mut self, field: &Field, source: &[u8], start: usize, end: usize, keep: bool) {
        if keep || start < end {
            self.put_tag(field);
            put_varint(&mut self.out, (end - start) as u64);
            append(&mut self.out, source, start, end);
        }
    }

    /// A singular value that is no message or string, or such an element that is length-delimited, with its tag; a zero is
    /// left out unless `keep`.
    fn scalar(&mut self, field: &Field, at: usize, keep: bool) -> Step<usize> {
        let mark = self.out.len();
        self.put_tag(field);
        let start = self.out.len();
        if !matches!(field.kind, Kind::Base64 | Kind::Hex) {
            let next = self.number(field, at)?;
            if !keep && self.out[start..].iter().rev().all(|&byte| byte == 0) {
                self.out.truncate(mark);
            }
            return Ok(next);
        }
        let text = self.expected_string(at, "a string")?;
        let source = if text.escaped { &self.scratch } else { &self.bytes[text.start..text.end] };
        self.out.push(0);
        let good = if field.kind == Kind::Hex {
            hex_decode(source, &mut self.out)
        } else {
            base64_decode(source, &mut self.out)
        };
        if !good {
            let wanted = if field.kind == Kind::Hex { "hex" } else { "base64" };
            return stop(format!("not a {wanted} string"), at);
        }
        if self.out.len() == start + 1 && !keep {
            self.out.truncate(mark);
        } else {
            self.close(start, 1);
        }
        Ok(text.next)
    }

    /// A number, boolean or enum as it is on the wire, without a tag.
    #[inline]
    fn number(&mut self, field: &Field, at: usize) -> Step<usize> {
        const I32: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);
        const I64: (i64, i64) = (i64::MIN, i64::MAX);
        match field.kind {
            Kind::Double => {
                let (value, next) = self.float(at)?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(next)
            }
            Kind::Float => {
                let (value, next) = self.float(at)?;
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return stop("number out of range", at);
                }
                self.out.extend_from_slice(&narrow.to_le_bytes());
                Ok(next)
            }
            Kind::Bool => match self.peek(at) {
                b't' => {
                    self.out.push(1);
                    self.word(at, b"true")
                }
                b'f' => {
                    self.out.push(0);
                    self.word(at, b"false")
                }
                _ => self.unexpected(at, "true or false"),
            },
            Kind::Enum if self.peek(at) == b'"' => self.enum_name(field, at),
            Kind::Enum | Kind::Int32 => {
                let (value, next) = self.signed(at, I32)?;
                put_varint(&mut self.out, value as u64);
                Ok(next)
            }
            Kind::Sint32 => {
                let (value, next) = self.signed(at, I32)?;
                put_varint(&mut self.out, zigzag(value));
                Ok(next)
            }
            Kind::Sfixed32 => {
                let (value, next) = self.signed(at, I32)?;
                self.out.extend_from_slice(&(value as i32).to_le_bytes());
                Ok(next)
            }
            Kind::Int64 => {
                let (value, next) = self.signed(at, I64)?;
                put_varint(&mut self.out, value as u64);
                Ok(next)
            }
            Kind::Sint64 => {
                let (value, next) = self.signed(at, I64)?;
                put_varint(&mut self.out, zigzag(value));
                Ok(next)
            }
            Kind::Sfixed64 => {
                let (value, next) = self.signed(at, I64)?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(next)
            }
            Kind::Uint32 => {
                let (value, next) = self.unsigned(at, u64::from(u32::MAX))?;
                put_varint(&mut self.out, value);
                Ok(next)
            }
            Kind::Fixed32 => {
                let (value, next) = self.unsigned(at, u64::from(u32::MAX))?;
                self.out.extend_from_slice(&(value as u32).to_le_bytes());
                Ok(next)
            }
            Kind::Uint64 => {
                let (value, next) = self.unsigned(at, u64::MAX)?;
                put_varint(&mut self.out, value);
                Ok(next)
            }
            Kind::Fixed64 => {
                let (value, next) = self.unsigned(at, u64::MAX)?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(next)
            }
            Kind::String | Kind::Base64 | Kind::Hex | Kind::Message => self.unexpected(at, "a number"),
        }
    }

    fn enum_name(&mut self, field: &Field, at: usize) -> Step<usize> {
        let text = self.string(at)?;
        let name = self.text_of(&text);
        let found = field.enum_values.iter().find(|(known, _)| known == name);
        let Some(&(_, value)) = found else {
            return stop("unknown name of an enum value", at);
        };
        put_varint(&mut self.out, value as u64);
        Ok(text.next)
    }

    #[inline(always)]
    fn text_of(&self, text: &Text) -> &[u8] {
        if text.escaped {
            &self.scratch
        } else {
            &self.bytes[text.start..text.end]
        }
    }

    #[inline(always)]
    fn expected_string(&mut self, at: usize, wanted: &str) -> Step<Text> {
        if self.peek(at) != b'"' {
            return self.unexpected(at, wanted);
        }
        self.string(at)
    }

    /// The string whose opening quote stands here.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Step<Text> {
        let start = at + 1;
        let (end, wide) = run(self.bytes, start);
        if self.peek(end) != b'"' {
            let next = self.escaped_string(start)?;
            return Ok(Text { start, end, escaped: true, next });
        }
        if wide {
            self.check_utf8(start, end)?;
        }
        Ok(Text { start, end, escaped: false, next: end + 1 })
    }

    fn check_utf8(&self, start: usize, end: usize) -> Step<()> {
        match std::str::from_utf8(&self.bytes[start..end]) {
            Ok(_) => Ok(()),
            Err(error) => stop("invalid UTF-8", start + error.valid_up_to()),
        }
    }

    /// Unescapes the string from `start` on into the scratch buffer; returns the position behind it.
    #[inline(never)]
    fn escaped_string(&mut self, start: usize) -> Step<usize> {
        self.scratch.clear();
        let mut from = start;
        loop {
            let (at, wide) = run(self.bytes, from);
            if wide {
                self.check_utf8(from, at)?;
            }
            append(&mut self.scratch, self.bytes, from, at);
            match self.bytes.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => from = self.escape(at)?,
                Some(_) => return stop("control character in a string", at),
                None => return stop("string without an end", at),
            }
        }
    }

    /// Unescapes the sequence whose backslash is at `at`; returns the position behind it.
    #[inline(always)]
    fn escape(&mut self, at: usize) -> Step<usize> {
        let plain = match self.bytes.get(at + 1) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(at),
            _ => return stop("bad escape sequence", at),
        };
        self.scratch.push(plain);
        Ok(at + 2)
    }

    fn unicode(&mut self, at: usize) -> Step<usize> {
        let Some(first) = self.four_digits(at) else {
            return stop("bad escape sequence", at);
        };
        let mut code = first;
        let mut next = at + 6;
        if (0xd800..0xdc00).contains(&first) {
            if let Some(second @ 0xdc00..=0xdfff) = self.four_digits(next) {
                code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                next += 6;
            }
        }
        let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.scratch.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(next)
    }

    /// The code of the `\uXXXX` at `at`.
    fn four_digits(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |code, &byte| Some(code << 4 | char::from(byte).to_digit(16)?))
    }

    /// Where the number that stands here ends, and its sign and digits' value if it is an integer of at most 64 bits.
    fn numeral(&self, start: usize) -> Step<(usize, Option<(bool, u64)>)> {
        let negative = self.peek(start) == b'-';
        let first = start + usize::from(negative);
        let mut at = first;
        let mut value = 0u64;
        while let byte @ b'0'..=b'9' = self.peek(at) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            at += 1;
        }
        let digits = at - first;
        if digits == 0 {
            return self.unexpected(at, "a digit");
        }
        if digits > 1 && self.bytes[first] == b'0' {
            return stop("number with a leading zero", first);
        }
        let mut whole = true;
        if self.peek(at) == b'.' {
            whole = false;
            at = self.digits(at + 1)?;
        }
        if let b'e' | b'E' = self.peek(at) {
            whole = false;
            at += 1;
            if let b'+' | b'-' = self.peek(at) {
                at += 1;
            }
            at = self.digits(at)?;
        }
        if whole && digits < 20 {
            return Ok((at, Some((negative, value))));
        }
        let exact = ascii(&self.bytes[first..at]).parse().ok().filter(|_| whole);
        Ok((at, exact.map(|value| (negative, value))))
    }

    fn digits(&self, mut at: usize) -> Step<usize> {
        if !self.peek(at).is_ascii_digit() {
            return self.unexpected(at, "a digit");
        }
        while self.peek(at).is_ascii_digit() {
            at += 1;
        }
        Ok(at)
    }

    #[inline(always)]
    fn float(&mut self, at: usize) -> Step<(f64, usize)> {
        match plain_double(self.bytes, at) {
            Some(found) => Ok(found),
            None => self.any_float(at),
        }
    }

    #[inline(never)]
    fn any_float(&mut self, at: usize) -> Step<(f64, usize)> {
        if self.peek(at) != b'"' {
            if self.peek(at) != b'-' && !self.peek(at).is_ascii_digit() {
                return self.unexpected(at, "a number");
            }
            let (end, _) = self.numeral(at)?;
            return Ok((self.finite(at, end)?, end));
        }
        let string = self.string(at)?;
        let text = self.text_of(&string);
        let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+"));
        let bare = unsigned.unwrap_or(text);
        if bare.eq_ignore_ascii_case(b"inf") || bare.eq_ignore_ascii_case(b"infinity") {
            let sign = if text[0] == b'-' { -1.0 } else { 1.0 };
            return Ok((f64::INFINITY * sign, string.next));
        }
        if text.eq_ignore_ascii_case(b"nan") {
            return Ok((f64::NAN, string.next));
        }
        if !decimal(text) {
            return stop("not a number in a string", at);
        }
        Ok((finite(ascii(text), at)?, string.next))
    }

    fn finite(&self, start: usize, end: usize) -> Step<f64> {
        finite(ascii(&self.bytes[start..end]), start)
    }

    /// The integer that stands here as a sign and a magnitude, and where it ends.
    #[inline(always)]
    fn integer(&mut self, at: usize, signs: bool) -> Step<(bool, u64, usize)> {
        let quoted = self.peek(at) == b'"';
        let first = at + usize::from(quoted);
        let (value, end) = leading_digits(self.bytes, first);
        if quoted {
            if end > first && self.peek(end) == b'"' {
                return Ok((false, value, end + 1));
            }
        } else if end > first
            && (self.peek(first) != b'0' || end == first + 1)
            && !matches!(self.peek(end), b'0'..=b'9' | b'.' | b'e' | b'E')
        {
            return Ok((false, value, end));
        }
        self.any_integer(at, signs)
    }

    #[inline(never)]
    fn any_integer(&mut self, at: usize, signs: bool) -> Step<(bool, u64, usize)> {
        let first = self.peek(at);
        if first == b'"' {
            let string = self.string(at)?;
            let text = self.text_of(&string);
            let negative = signs && text.first() == Some(&b'-');
            let digits = match text {
                [b'+' | b'-', rest @ ..] if signs => rest,
                _ => text,
            };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return stop("not an integer in a string", at);
            }
            let mut value = 0u64;
            for &digit in digits {
                let wider = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
                let Some(wider) = wider else {
                    return stop("integer out of range", at);
                };
                value = wider;
            }
            return Ok((negative, value, string.next));
        }
        if first != b'-' && !first.is_ascii_digit() {
            return self.unexpected(at, "an integer");
        }
        let (end, exact) = self.numeral(at)?;
        if let Some((negative, value)) = exact {
            // The plain stack's reader has negative integers below the range of int64 as floats.
            if !(negative && value > 1 << 63) {
                return Ok((negative, value, end));
            }
        }
        let value = self.finite(at, end)?;
        if value.fract() != 0.0 {
            return stop("expected an integer, got a fraction", at);
        }
        // 2^63 itself may stand for a number beyond it, so a negative one must be smaller than that.
        if value <= -9_223_372_036_854_775_808.0 || value >= 18_446_744_073_709_551_616.0 {
            return stop("integer out of range", at);
        }
        Ok((value < 0.0, value.abs() as u64, end))
    }

    #[inline(always)]
    fn signed(&mut self, at: usize, (min, max): (i64, i64)) -> Step<(i64, usize)> {
        let (negative, magnitude, next) = self.integer(at, true)?;
        let bound = if negative { min.unsigned_abs() } else { max as u64 };
        if magnitude > bound {
            return stop("integer out of range", at);
        }
        let value = magnitude as i64;
        Ok((if negative { value.wrapping_neg() } else { value }, next))
    }

    #[inline(always)]
    fn unsigned(&mut self, at: usize, max: u64) -> Step<(u64, usize)> {
        let (negative, magnitude, next) = self.integer(at, false)?;
        if magnitude > max || (negative && magnitude != 0) {
            return stop("integer out of range", at);
        }
        Ok((magnitude, next))
    }

    /// Skips the value of an unknown key without recursion; its syntax is checked as strictly as that of a known one.
    fn skip(&mut self, mut at: usize, level: usize) -> Step<usize> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek(at) {
                bracket @ (b'{' | b'[') => {
                    if level + open.len() + 1 > MAX_LEVELS {
                        return stop("text nested too deeply", at);
                    }
                    at = self.blank(at + 1);
                    if self.peek(at) != bracket + 2 {
                        open.push(bracket + 2);
                        if bracket == b'{' {
                            at = self.skip_key(at)?;
                        }
                        continue;
                    }
                    at += 1;
                }
                b'"' => at = self.string(at)?.next,
                b't' => at = self.word(at, b"true")?,
                b'f' => at = self.word(at, b"false")?,
                b'n' => at = self.word(at, b"null")?,
                b'-' | b'0'..=b'9' => {
                    let (end, exact) = self.numeral(at)?;
                    if exact.is_none() {
                        self.finite(at, end)?;
                    }
                    at = end;
                }
                _ => return self.unexpected(at, "a value"),
            }
            loop {
                let Some(&closing) = open.last() else {
                    return Ok(at);
                };
                at = self.blank(at);
                if self.peek(at) == b',' {
                    at = self.blank(at + 1);
                    if closing == b'}' {
                        at = self.skip_key(at)?;
                    }
                    break;
                }
                at = self.expect(at, closing, "',' or the end of an array or object")?;
                open.pop();
            }
        }
    }

    fn skip_key(&mut self, at: usize) -> Step<usize> {
        let key = self.expected_string(at, "a key")?;
        let colon = self.blank(key.next);
        Ok(self.blank(self.expect(colon, b':', "':'")?))
    }
}

/// Bytes known to be ASCII as text.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The value of a decimal number, which must not overflow.
fn finite(text: &str, at: usize) -> Step<f64> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => stop("number out of range", at),
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

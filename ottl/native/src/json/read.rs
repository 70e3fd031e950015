//! OTLP JSON text to protobuf bytes.
//!
//! Positions are arguments and results rather than a field of the parser, so that they stay in registers.

use super::binary::{base64_decode, hex_decode, hex_run};
use super::numbers::leading_digits;
use super::pairs::{self, Beginnings, Hash, Pairs};
use super::text::{append, append_all, append_block, append_run, run};
use super::{fail, stop, Descriptor, Field, JsonSchema, Kind, Result, Step, MAX_LEVELS, MAX_RECURSION};
use crate::wire::{self, put_varint};

mod scalars;

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
        out: schema.buffers.take(payload.len() / 8 * 5 + 64),
        scratch: Vec::new(),
        messages: max_messages.saturating_add(1),
        max_depth: max_depth.min(MAX_RECURSION),
        widths: vec![1; schema.messages.len()],
        next: schema.messages.iter().flat_map(|m| 0..=m.fields.len() as u16).collect(),
        beginnings: schema.read.take().unwrap_or_else(Beginnings::new),
    };
    match parser.root(root) {
        Ok(()) => {
            schema.read.give(parser.beginnings);
            Ok(parser.out)
        }
        // Strings are validated one by one and nothing else may have other bytes than ASCII, so text that was read is valid.
        Err(error) => match std::str::from_utf8(payload) {
            Ok(_) => Err(*error),
            Err(invalid) => fail("invalid UTF-8", invalid.valid_up_to()),
        },
    }
}

#[inline(always)]
fn put_tag(out: &mut Vec<u8>, field: &Field) {
    if field.tag_len == 1 {
        out.push(field.tag[0]);
    } else {
        out.extend_from_slice(&field.tag[..usize::from(field.tag_len.min(5))]);
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
        put_tag(&mut self.out, field);
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
            append_block(&mut self.out, &[0; 10], width);
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
        // Most likely one that is behind the last.
        let fields = &descriptor.fields;
        let ranks = (last..fields.len()).chain(0..last.min(fields.len()));
        let found = ranks.map(|rank| (rank, &fields[rank])).find(|(_, field)| field.stands_at(bytes, at));
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
        if let Some(pairs) = field.pairs {
            return self.pairs(field, pairs, at, depth, level);
        }
        let packed = field.packed();
        let mut start = 0;
        if packed {
            self.put_tag(field);
            start = self.open(1);
        }
        loop {
            at = match field.kind {
                Kind::Message => self.element(field, at, depth, level)?,
                Kind::String if self.peek(at) == b'n' => {
                    self.put_tag(field);
                    self.out.push(0);
                    self.word(at, b"null")?
                }
                Kind::String => self.text(field, at, true)?,
                _ if packed => {
                    let (bits, next) = self.number(field, at)?;
                    self.put_number(field, bits);
                    next
                }
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

    /// The elements of an array of pairs, the first one at `at`; returns the position behind its bracket.
    #[inline]
    fn pairs(&mut self, field: &Field, pairs: Pairs, mut at: usize, depth: usize, level: usize) -> Step<usize> {
        let mut before = self.beginnings.start(pairs);
        let shallow = depth + 1 < self.max_depth && level + 2 < MAX_LEVELS;
        loop {
            at = match shallow.then(|| self.known_pair(field, pairs, before, at)).flatten() {
                Some((next, place)) => {
                    before = place;
                    next
                }
                None => self.any_pair(field, pairs, at, depth, level)?,
            };
            at = self.blank(at);
            match self.peek(at) {
                b',' => at = self.blank(at + 1),
                b']' => return Ok(at + 1),
                _ => return self.unexpected(at, "',' or ']'"),
            }
        }
    }

    /// A pair, with its tag; how it begins is remembered.
    #[inline(never)]
    fn any_pair(&mut self, field: &Field, pairs: Pairs, at: usize, depth: usize, level: usize) -> Step<usize> {
        let next = self.element(field, at, depth, level)?;
        let hash = pairs.of_text(self.bytes.get(at..).unwrap_or_default());
        if let Some((hash, place)) = hash.and_then(|hash| Some((hash, self.beginnings.vacancy(hash)?))) {
            self.remember(field, at, place, hash);
        }
        Ok(next)
    }

    /// A pair that begins as one before it did and holds one scalar, with its tag: where it ends, and the place of its beginning,
    /// `before` being that of the beginning before it. Nothing is done for another.
    #[inline(always)]
    fn known_pair(&mut self, field: &Field, pairs: Pairs, before: usize, at: usize) -> Option<(usize, usize)> {
        let bytes = self.bytes;
        let place = self.beginnings.recall(pairs, before, bytes, at, || pairs.of_text(bytes.get(at..)?))?;
        let known = self.beginnings.at(place).filter(|_| self.messages >= 2)?;
        let value = at + known.len();
        let next = match known.kind {
            Kind::String => self.short_text(field, place, value).or_else(|| self.any_text(field, pairs, place, value)),
            Kind::Int64 => {
                self.digits_only(field, place, value).or_else(|| self.any_number(field, pairs, place, value))
            }
            _ => self.any_number(field, pairs, place, value),
        }?;
        self.messages -= 2;
        Some((next, place))
    }

    /// The position behind a pair whose value, a text, ends here.
    #[inline(always)]
    fn end_of_text(&self, at: usize) -> Option<usize> {
        self.bytes.get(at..)?.starts_with(b"\"}}").then_some(at + 3)
    }

    /// A pair with a text that is short, ASCII and without escapes.
    #[inline(always)]
    fn short_text(&mut self, field: &Field, place: usize, value: usize) -> Option<usize> {
        let known = self.beginnings.at(place)?;
        let (mark, tag_len, begun) = (self.out.len(), usize::from(field.tag_len), usize::from(known.result_len));
        append_block(&mut self.out, &known.result, begun);
        let end = append_run(&mut self.out, self.bytes, value);
        let next = end.and_then(|end| self.end_of_text(end));
        let Some(len) = next.map(|next| next - 3 - value).filter(|len| begun - tag_len - 1 + len < 0x80) else {
            self.out.truncate(mark);
            return None;
        };
        self.out[mark + tag_len] = (begun - tag_len - 1 + len) as u8;
        self.out[mark + begun - 3] = len as u8 + 2;
        self.out[mark + begun - 1] = len as u8;
        next
    }

    /// A pair with an integer between quotes and without a sign.
    #[inline(always)]
    fn digits_only(&mut self, field: &Field, place: usize, value: usize) -> Option<usize> {
        let (number, end) = leading_digits(self.bytes, value);
        let next = self.end_of_text(end).filter(|_| end > value && i64::try_from(number).is_ok())?;
        let known = self.beginnings.at(place).filter(|known| known.quoted)?;
        let (mark, tag_len, begun) = (self.out.len(), usize::from(field.tag_len), usize::from(known.result_len));
        append_block(&mut self.out, &known.result, begun);
        put_varint(&mut self.out, number);
        let len = self.out.len() - mark;
        self.out[mark + tag_len] = (len - tag_len - 1) as u8;
        self.out[mark + begun - 2] = (len - begun + 1) as u8;
        Some(next)
    }

    #[inline(never)]
    fn any_text(&mut self, field: &Field, pairs: Pairs, place: usize, value: usize) -> Option<usize> {
        let text = self.string(value - 1).ok()?;
        let next = self.end_of_text(text.next - 1)?;
        let known = self.beginnings.at(place)?;
        let member = self.schema.messages[pairs.choice].fields.get(usize::from(known.member))?;
        let (source, start, end) =
            if text.escaped { (&self.scratch[..], 0, self.scratch.len()) } else { (self.bytes, text.start, text.end) };
        let key = known.result.get(usize::from(field.tag_len) + 1..usize::from(known.key_len))?;
        let len = end - start;
        let inner = 1 + wire::varint_len(len as u64) + len;
        let out = &mut self.out;
        put_tag(out, field);
        put_varint(out, (key.len() + wire::varint_len(inner as u64) + inner) as u64);
        out.extend_from_slice(key);
        put_varint(out, inner as u64);
        put_tag(out, member);
        put_varint(out, len as u64);
        append(out, source, start, end);
        Some(next)
    }

    #[inline(never)]
    fn any_number(&mut self, field: &Field, pairs: Pairs, place: usize, value: usize) -> Option<usize> {
        let schema: &'a JsonSchema = self.schema;
        let known = self.beginnings.at(place)?;
        let member = schema.messages[pairs.choice].fields.get(usize::from(known.member))?;
        let (bits, next) = self.number(member, value - usize::from(known.quoted)).ok()?;
        if self.peek(next) != b'}' || self.peek(next + 1) != b'}' {
            return None;
        }
        let known = self.beginnings.at(place)?;
        let (mark, begun) = (self.out.len(), usize::from(known.result_len));
        append_block(&mut self.out, &known.result, begun);
        self.put_number(member, bits);
        self.close(mark + begun - 2, 1);
        self.close(mark + usize::from(field.tag_len), 1);
        Some(next + 2)
    }

    /// Remembers how the pair begins that was read at `at`, if it is spelled the way writers spell it.
    #[inline(never)]
    fn remember(&mut self, field: &Field, at: usize, place: usize, hash: Hash) -> Option<()> {
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
        let known = |member: &&Field| !matches!(member.kind, Kind::Message | Kind::Base64 | Kind::Hex);
        let member = members.get(rank).filter(|member| known(member) && member.tag_len == 1)?;
        let value = brace + 1 + member.quoted.len();
        let quoted = member.kind.quoted() && follows(value, b"\"");
        if member.kind == Kind::String && !quoted {
            return None;
        }
        let source = bytes.get(at..value + usize::from(quoted))?;
        let tag = field.tag.get(..usize::from(field.tag_len))?;
        let result = [tag, &[0, key.tag[0], text.len() as u8], text, &choice.tag[..1]];
        // The length of the value, and that of a text.
        let begun = [0, member.tag[0], 0];
        let begun = if member.kind == Kind::String { &begun[..] } else { &begun[..2] };
        self.beginnings.remember(place, hash, source, &result, (rank, member, begun));
        Some(())
    }

    /// A singular string, or an element, with its tag; an empty one is left out unless `keep`.
    #[inline(always)]
    fn text(&mut self, field: &Field, at: usize, keep: bool) -> Step<usize> {
        let text = self.expected_string(at, "a string")?;
        let (source, start, end) =
            if text.escaped { (&self.scratch[..], 0, self.scratch.len()) } else { (self.bytes, text.start, text.end) };
        if keep || start < end {
            put_tag(&mut self.out, field);
            put_varint(&mut self.out, (end - start) as u64);
            append(&mut self.out, source, start, end);
        }
        Ok(text.next)
    }

    /// A singular value that is no message or string, or such an element that is length-delimited, with its tag; a zero is
    /// left out unless `keep`.
    #[inline]
    fn scalar(&mut self, field: &Field, at: usize, keep: bool) -> Step<usize> {
        if matches!(field.kind, Kind::Base64 | Kind::Hex) {
            return self.binary(field, at, keep);
        }
        let (bits, next) = self.number(field, at)?;
        if keep || bits != 0 {
            self.put_tag(field);
            self.put_number(field, bits);
        }
        Ok(next)
    }

    /// Writes a number as it is on the wire.
    #[inline(always)]
    fn put_number(&mut self, field: &Field, bits: u64) {
        match field.wire {
            wire::FIXED64 => append_all(&mut self.out, &bits.to_le_bytes()),
            wire::FIXED32 => append_all(&mut self.out, &(bits as u32).to_le_bytes()),
            _ => put_varint(&mut self.out, bits),
        }
    }

    /// Bytes, likewise.
    #[inline]
    fn binary(&mut self, field: &Field, at: usize, keep: bool) -> Step<usize> {
        let mark = self.out.len();
        self.put_tag(field);
        let start = self.out.len();
        self.out.push(0);
        let next = match self.plain_hex(field, at) {
            Some(next) => next,
            None => {
                self.out.truncate(start + 1);
                self.any_binary(field, at)?
            }
        };
        if self.out.len() == start + 1 && !keep {
            self.out.truncate(mark);
        } else {
            self.close(start, 1);
        }
        Ok(next)
    }

    /// Digits of an id in hex of eight or more bytes, as ids are, up to a quote.
    #[inline(always)]
    fn plain_hex(&mut self, field: &Field, at: usize) -> Option<usize> {
        if field.kind != Kind::Hex || self.peek(at) != b'"' {
            return None;
        }
        let len = hex_run(self.bytes.get(at + 1..)?, &mut self.out);
        (self.peek(at + 1 + len) == b'"').then_some(at + 2 + len)
    }

    #[inline(never)]
    fn any_binary(&mut self, field: &Field, at: usize) -> Step<usize> {
        let text = self.expected_string(at, "a string")?;
        let source = if text.escaped { &self.scratch } else { &self.bytes[text.start..text.end] };
        let good = if field.kind == Kind::Hex {
            hex_decode(source, &mut self.out)
        } else {
            base64_decode(source, &mut self.out)
        };
        if !good {
            let wanted = if field.kind == Kind::Hex { "hex" } else { "base64" };
            return stop(format!("not a {wanted} string"), at);
        }
        Ok(text.next)
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

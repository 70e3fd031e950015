//! OTLP JSON text to protobuf bytes.

use super::{fail, plain_run, Descriptor, Field, JsonSchema, Kind, Result, BASE64_DIGITS, MAX_LEVELS, MAX_RECURSION};
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
    let text = match std::str::from_utf8(payload) {
        Ok(text) => text,
        Err(error) => return fail("invalid UTF-8", error.valid_up_to()),
    };
    let mut parser = Parser {
        schema,
        text,
        bytes: payload,
        pos: 0,
        out: Vec::with_capacity(payload.len() / 2),
        scratch: Vec::new(),
        messages: max_messages.saturating_add(1),
        max_depth: max_depth.min(MAX_RECURSION),
        widths: vec![1; schema.messages.len()],
        next: schema.messages.iter().flat_map(|m| 0..=m.fields.len() as u16).collect(),
    };
    parser.blank();
    if parser.peek() != b'n' {
        parser.message(root, 0, 1)?;
    } else {
        parser.word(b"null")?;
    }
    parser.blank();
    if parser.pos < payload.len() {
        return fail("text after the end of the message", parser.pos);
    }
    Ok(parser.out)
}

struct Parser<'a> {
    schema: &'a JsonSchema,
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    out: Vec<u8>,
    scratch: Vec<u8>,
    messages: usize,
    max_depth: usize,
    /// Bytes that the length of the last message of each kind took: the next one's place is made that wide.
    widths: Vec<u8>,
    /// From each message's `base` on: the rank that came last time after the field of rank `i - 1` (0: first in its message).
    next: Vec<u16>,
}

/// A string of the input: between two offsets, or (with escapes) in the scratch buffer.
enum Text {
    Raw(usize, usize),
    Scratch,
}

impl<'a> Parser<'a> {
    /// The byte at the position, 0 at the end (a zero byte is no JSON outside strings either).
    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    #[inline]
    fn blank(&mut self) {
        while let b' ' | b'\n' | b'\r' | b'\t' = self.peek() {
            self.pos += 1;
        }
    }

    #[cold]
    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        let Some(rest) = self.text.get(self.pos..).filter(|rest| !rest.is_empty()) else {
            return fail(format!("expected {wanted}, got the end of the text"), self.pos);
        };
        let got = rest.chars().next().unwrap_or(' ');
        fail(format!("expected {wanted}, got {got:?}"), self.pos)
    }

    #[inline]
    fn expect(&mut self, byte: u8, wanted: &str) -> Result<()> {
        if self.peek() != byte {
            return self.unexpected(wanted);
        }
        self.pos += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<()> {
        if !self.bytes[self.pos.min(self.bytes.len())..].starts_with(word) {
            return self.unexpected("a value");
        }
        self.pos += word.len();
        Ok(())
    }

    /// Whether a `null` stood here; it is consumed.
    #[inline]
    fn null(&mut self) -> Result<bool> {
        if self.peek() != b'n' {
            return Ok(false);
        }
        self.word(b"null")?;
        Ok(true)
    }

    #[inline]
    fn put_tag(&mut self, field: &Field) {
        self.out.extend_from_slice(&field.tag[..usize::from(field.tag_len.min(5))]);
    }

    /// Writes the length of what follows `start + width` into its place, widening or narrowing the place.
    #[inline]
    fn close(&mut self, start: usize, width: usize) -> usize {
        let len = self.out.len() - start - width;
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

    fn open(&mut self, width: usize) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 10][..width.min(10)]);
        start
    }

    /// A submessage with its length; the tag is written.
    fn submessage(&mut self, kind: usize, depth: usize, level: usize) -> Result<()> {
        let width = usize::from(self.widths[kind]);
        let start = self.open(width);
        self.message(kind, depth, level)?;
        self.widths[kind] = self.close(start, width) as u8;
        Ok(())
    }

    /// The body of a message from its JSON object.
    fn message(&mut self, kind: usize, depth: usize, level: usize) -> Result<()> {
        if self.peek() != b'{' {
            return self.unexpected("an object");
        }
        if level > MAX_LEVELS {
            return fail("text nested too deeply", self.pos);
        }
        if depth > self.max_depth {
            return fail("messages nested too deeply", self.pos);
        }
        if self.messages == 0 {
            return fail("too many messages (--max-messages raises the limit)", self.pos);
        }
        self.messages -= 1;
        self.pos += 1;
        let schema: &'a JsonSchema = self.schema;
        let descriptor = &schema.messages[kind];
        let mut seen = 0u64;
        let mut last = 0;
        self.blank();
        if self.peek() == b'}' {
            self.pos += 1;
            return Ok(());
        }
        loop {
            match self.key(descriptor, &mut last)? {
                Some(rank) => {
                    let bit = 1u64 << (rank as u32 % SEEN_BITS);
                    let again = seen & bit != 0;
                    seen |= bit;
                    self.blank();
                    if !self.null()? {
                        let field = &descriptor.fields[rank];
                        if field.repeated {
                            self.array(field, depth, level)?;
                        } else if field.kind == Kind::Message {
                            self.put_tag(field);
                            self.submessage(field.message, depth + 1, level + 1)?;
                        } else {
                            self.scalar(field, again || field.oneof.is_some())?;
                        }
                    }
                }
                None => {
                    self.blank();
                    self.skip(level)?;
                }
            }
            self.blank();
            match self.peek() {
                b',' => self.pos += 1,
                b'}' => {
                    self.pos += 1;
                    return Ok(());
                }
                _ => return self.unexpected("',' or '}'"),
            }
            self.blank();
        }
    }

    /// The rank of the field whose key (and colon) stand here, `None` for an unknown one. Most messages repeat the order of
    /// the one before, so the key that followed last time is compared first.
    #[inline]
    fn key(&mut self, descriptor: &Descriptor, last: &mut usize) -> Result<Option<usize>> {
        let guess = usize::from(self.next[descriptor.base + *last]);
        if let Some(field) = descriptor.fields.get(guess) {
            if self.bytes[self.pos..].starts_with(&field.quoted) {
                self.pos += field.quoted.len();
                *last = guess + 1;
                return Ok(Some(guess));
            }
        }
        if self.peek() != b'"' {
            return self.unexpected("a key");
        }
        let key = self.string()?;
        let rank = match key {
            Text::Raw(start, end) => descriptor.find(&self.bytes[start..end]),
            Text::Scratch => descriptor.find(&self.scratch),
        };
        self.blank();
        self.expect(b':', "':'")?;
        if let Some(rank) = rank {
            self.next[descriptor.base + *last] = rank as u16;
            *last = rank + 1;
        }
        Ok(rank)
    }

    fn array(&mut self, field: &'a Field, depth: usize, level: usize) -> Result<()> {
        if self.peek() != b'[' {
            return self.unexpected("an array");
        }
        if level + 1 > MAX_LEVELS {
            return fail("text nested too deeply", self.pos);
        }
        self.pos += 1;
        self.blank();
        if self.peek() == b']' {
            self.pos += 1;
            return Ok(());
        }
        let mut start = 0;
        if field.packed() {
            self.put_tag(field);
            start = self.open(1);
        }
        loop {
            match field.kind {
                Kind::Message => {
                    self.put_tag(field);
                    let at = self.pos;
                    if self.null()? {
                        if depth + 1 > self.max_depth {
                            return fail("messages nested too deeply", at);
                        }
                        if self.messages == 0 {
                            return fail("too many messages (--max-messages raises the limit)", at);
                        }
                        self.messages -= 1;
                        self.out.push(0);
                    } else {
                        self.submessage(field.message, depth + 1, level + 2)?;
                    }
                }
                Kind::String if self.null()? => {
                    self.put_tag(field);
                    self.out.push(0);
                }
                _ if field.packed() => self.packed(field)?,
                _ => self.scalar(field, true)?,
            }
            self.blank();
            match self.peek() {
                b',' => self.pos += 1,
                b']' => {
                    self.pos += 1;
                    break;
                }
                _ => return self.unexpected("',' or ']'"),
            }
            self.blank();
        }
        if field.packed() {
            self.close(start, 1);
        }
        Ok(())
    }

    /// A singular scalar, or an element that is length-delimited, with its tag; a zero is left out unless `keep`.
    fn scalar(&mut self, field: &Field, keep: bool) -> Result<()> {
        match field.kind {
            Kind::String => {
                let text = self.text_value("a string")?;
                let bytes = match text {
                    Text::Raw(start, end) => &self.bytes[start..end],
                    Text::Scratch => &self.scratch[..],
                };
                if keep || !bytes.is_empty() {
                    self.out.extend_from_slice(&field.tag[..usize::from(field.tag_len.min(5))]);
                    put_varint(&mut self.out, bytes.len() as u64);
                    self.out.extend_from_slice(bytes);
                }
                Ok(())
            }
            Kind::Base64 | Kind::Hex => {
                let at = self.pos;
                let text = self.text_value("a string")?;
                let source = match text {
                    Text::Raw(start, end) => &self.bytes[start..end],
                    Text::Scratch => &self.scratch[..],
                };
                let mark = self.out.len();
                self.out.extend_from_slice(&field.tag[..usize::from(field.tag_len.min(5))]);
                let start = self.out.len();
                self.out.push(0);
                let good = if field.kind == Kind::Hex {
                    hex_decode(source, &mut self.out)
                } else {
                    base64_decode(source, &mut self.out)
                };
                if !good {
                    let wanted = if field.kind == Kind::Hex { "hex" } else { "base64" };
                    return fail(format!("not a {wanted} string"), at);
                }
                if self.out.len() == start + 1 && !keep {
                    self.out.truncate(mark);
                } else {
                    self.close(start, 1);
                }
                Ok(())
            }
            _ => {
                let mark = self.out.len();
                self.put_tag(field);
                let start = self.out.len();
                self.packed(field)?;
                if !keep && self.out[start..].iter().all(|&byte| byte == 0) {
                    self.out.truncate(mark);
                }
                Ok(())
            }
        }
    }

    /// A number, boolean or enum as it is on the wire, without a tag.
    fn packed(&mut self, field: &Field) -> Result<()> {
        match field.kind {
            Kind::Double => {
                let value = self.float()?;
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Float => {
                let at = self.pos;
                let value = self.float()?;
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return fail("number out of range", at);
                }
                self.out.extend_from_slice(&narrow.to_le_bytes());
            }
            Kind::Bool => {
                let value = match self.peek() {
                    b't' => {
                        self.word(b"true")?;
                        1
                    }
                    b'f' => {
                        self.word(b"false")?;
                        0
                    }
                    _ => return self.unexpected("true or false"),
                };
                self.out.push(value);
            }
            Kind::Enum if self.peek() == b'"' => {
                let at = self.pos;
                let name = match self.string()? {
                    Text::Raw(start, end) => &self.bytes[start..end],
                    Text::Scratch => &self.scratch[..],
                };
                let found = field.enum_values.iter().find(|(known, _)| known == name);
                let Some((_, value)) = found else {
                    return fail("unknown name of an enum value", at);
                };
                put_varint(&mut self.out, *value as u64);
            }
            Kind::Enum | Kind::Int32 => {
                let value = self.signed(i64::from(i32::MIN), i64::from(i32::MAX))?;
                put_varint(&mut self.out, value as u64);
            }
            Kind::Sint32 => {
                let value = self.signed(i64::from(i32::MIN), i64::from(i32::MAX))?;
                put_varint(&mut self.out, zigzag(value));
            }
            Kind::Sfixed32 => {
                let value = self.signed(i64::from(i32::MIN), i64::from(i32::MAX))?;
                self.out.extend_from_slice(&(value as i32).to_le_bytes());
            }
            Kind::Int64 => {
                let value = self.signed(i64::MIN, i64::MAX)?;
                put_varint(&mut self.out, value as u64);
            }
            Kind::Sint64 => {
                let value = self.signed(i64::MIN, i64::MAX)?;
                put_varint(&mut self.out, zigzag(value));
            }
            Kind::Sfixed64 => {
                let value = self.signed(i64::MIN, i64::MAX)?;
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Uint32 => {
                let value = self.unsigned(u64::from(u32::MAX))?;
                put_varint(&mut self.out, value);
            }
            Kind::Fixed32 => {
                let value = self.unsigned(u64::from(u32::MAX))?;
                self.out.extend_from_slice(&(value as u32).to_le_bytes());
            }
            Kind::Uint64 => {
                let value = self.unsigned(u64::MAX)?;
                put_varint(&mut self.out, value);
            }
            Kind::Fixed64 => {
                let value = self.unsigned(u64::MAX)?;
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::String | Kind::Base64 | Kind::Hex | Kind::Message => {
                return self.unexpected("a number");
            }
        }
        Ok(())
    }

    #[inline]
    fn text_value(&mut self, wanted: &str) -> Result<Text> {
        if self.peek() != b'"' {
            return self.unexpected(wanted);
        }
        self.string()
    }

    /// The string whose opening quote stands here.
    #[inline]
    fn string(&mut self) -> Result<Text> {
        let start = self.pos + 1;
        let end = plain_run(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.pos = end + 1;
            return Ok(Text::Raw(start, end));
        }
        self.escaped_string(start)?;
        Ok(Text::Scratch)
    }

    /// The string from `start` on, unescaped into the scratch buffer.
    fn escaped_string(&mut self, start: usize) -> Result<()> {
        self.scratch.clear();
        let mut from = start;
        loop {
            let at = plain_run(self.bytes, from);
            self.scratch.extend_from_slice(&self.bytes[from..at]);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.pos = at + 1;
                    return Ok(());
                }
                Some(b'\\') => from = self.escape(at)?,
                Some(_) => return fail("control character in a string", at),
                None => return fail("string without an end", at),
            }
        }
    }

    /// Unescapes the sequence whose backslash is at `at`; returns the position behind it.
    fn escape(&mut self, at: usize) -> Result<usize> {
        let plain = match self.bytes.get(at + 1) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(at),
            _ => return fail("bad escape sequence", at),
        };
        self.scratch.push(plain);
        Ok(at + 2)
    }

    fn unicode(&mut self, at: usize) -> Result<usize> {
        let Some(first) = self.four_digits(at) else {
            return fail("bad escape sequence", at);
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

    /// The number that stands here: its text, and its digits' value if it is an integer of at most 64 bits.
    #[inline]
    fn number(&mut self) -> Result<(&'a str, Option<(bool, u64)>)> {
        let start = self.pos;
        let negative = self.peek() == b'-';
        self.pos += usize::from(negative);
        let first = self.pos;
        let mut value = 0u64;
        while let byte @ b'0'..=b'9' = self.peek() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.pos += 1;
        }
        let digits = self.pos - first;
        if digits == 0 {
            return self.unexpected("a digit");
        }
        if digits > 1 && self.bytes[first] == b'0' {
            return fail("number with a leading zero", first);
        }
        let mut whole = true;
        if self.peek() == b'.' {
            whole = false;
            self.pos += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.peek() {
            whole = false;
            self.pos += 1;
            if let b'+' | b'-' = self.peek() {
                self.pos += 1;
            }
            self.digits()?;
        }
        let text = &self.text[start..self.pos];
        if whole && digits < 20 {
            return Ok((text, Some((negative, value))));
        }
        let exact = text.trim_start_matches('-').parse().ok().filter(|_| whole);
        Ok((text, exact.map(|value| (negative, value))))
    }

    fn digits(&mut self) -> Result<()> {
        if !self.peek().is_ascii_digit() {
            return self.unexpected("a digit");
        }
        while self.peek().is_ascii_digit() {
            self.pos += 1;
        }
        Ok(())
    }

    fn float(&mut self) -> Result<f64> {
        let at = self.pos;
        if self.peek() != b'"' {
            if self.peek() != b'-' && !self.peek().is_ascii_digit() {
                return self.unexpected("a number");
            }
            let (text, _) = self.number()?;
            return finite(text, at);
        }
        let text = match self.string()? {
            Text::Raw(start, end) => &self.bytes[start..end],
            Text::Scratch => &self.scratch[..],
        };
        let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+"));
        let bare = unsigned.unwrap_or(text);
        if bare.eq_ignore_ascii_case(b"inf") || bare.eq_ignore_ascii_case(b"infinity") {
            let sign = if text[0] == b'-' { -1.0 } else { 1.0 };
            return Ok(f64::INFINITY * sign);
        }
        if text.eq_ignore_ascii_case(b"nan") {
            return Ok(f64::NAN);
        }
        match std::str::from_utf8(text) {
            Ok(text) if decimal(text.as_bytes()) => finite(text, at),
            _ => fail("not a number in a string", at),
        }
    }

    /// The integer that stands here as a sign and a magnitude, and where it began.
    #[inline]
    fn integer(&mut self, signs: bool) -> Result<(bool, u64, usize)> {
        let at = self.pos;
        let first = self.peek();
        if first == b'"' {
            let text = match self.string()? {
                Text::Raw(start, end) => &self.bytes[start..end],
                Text::Scratch => &self.scratch[..],
            };
            let negative = signs && text.first() == Some(&b'-');
            let digits = match text {
                [b'+' | b'-', rest @ ..] if signs => rest,
                _ => text,
            };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return fail("not an integer in a string", at);
            }
            let mut value = 0u64;
            for &digit in digits {
                let wider = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
                let Some(wider) = wider else {
                    return fail("integer out of range", at);
                };
                value = wider;
            }
            return Ok((negative, value, at));
        }
        if first != b'-' && !first.is_ascii_digit() {
            return self.unexpected("an integer");
        }
        let (text, exact) = self.number()?;
        if let Some((negative, value)) = exact {
            // The plain stack's reader has negative integers below the range of int64 as floats.
            if !(negative && value > 1 << 63) {
                return Ok((negative, value, at));
            }
        }
        let value = finite(text, at)?;
        if value.fract() != 0.0 {
            return fail("expected an integer, got a fraction", at);
        }
        // 2^63 itself may stand for a number beyond it, so a negative one must be smaller than that.
        if value <= -9_223_372_036_854_775_808.0 || value >= 18_446_744_073_709_551_616.0 {
            return fail("integer out of range", at);
        }
        Ok((value < 0.0, value.abs() as u64, at))
    }

    #[inline]
    fn signed(&mut self, min: i64, max: i64) -> Result<i64> {
        let (negative, magnitude, at) = self.integer(true)?;
        let bound = if negative { min.unsigned_abs() } else { max as u64 };
        if magnitude > bound {
            return fail("integer out of range", at);
        }
        let value = magnitude as i64;
        Ok(if negative { value.wrapping_neg() } else { value })
    }

    #[inline]
    fn unsigned(&mut self, max: u64) -> Result<u64> {
        let (negative, magnitude, at) = self.integer(false)?;
        if magnitude > max || (negative && magnitude != 0) {
            return fail("integer out of range", at);
        }
        Ok(magnitude)
    }

    /// Skips the value of an unknown key without recursion; its syntax is checked as strictly as that of a known one.
    fn skip(&mut self, level: usize) -> Result<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                bracket @ (b'{' | b'[') => {
                    if level + open.len() + 1 > MAX_LEVELS {
                        return fail("text nested too deeply", self.pos);
                    }
                    self.pos += 1;
                    self.blank();
                    if self.peek() != bracket + 2 {
                        open.push(bracket + 2);
                        if bracket == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                    self.pos += 1;
                }
                b'"' => {
                    self.string()?;
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                b'-' | b'0'..=b'9' => {
                    let at = self.pos;
                    let (text, exact) = self.number()?;
                    if exact.is_none() {
                        finite(text, at)?;
                    }
                }
                _ => return self.unexpected("a value"),
            }
            loop {
                let Some(&closing) = open.last() else {
                    return Ok(());
                };
                self.blank();
                if self.peek() == b',' {
                    self.pos += 1;
                    self.blank();
                    if closing == b'}' {
                        self.skip_key()?;
                    }
                    break;
                }
                self.expect(closing, "',' or the end of an array or object")?;
                open.pop();
            }
        }
    }

    fn skip_key(&mut self) -> Result<()> {
        self.text_value("a key")?;
        self.blank();
        self.expect(b':', "':'")?;
        self.blank();
        Ok(())
    }
}

/// The value of a decimal number, which must not overflow.
fn finite(text: &str, at: usize) -> Result<f64> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => fail("number out of range", at),
    }
}

/// Whether a string is a decimal number as Go's `strconv.ParseFloat` has it: digits may be missing on one side of the point.
fn decimal(text: &[u8]) -> bool {
    let text = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let exponent_good = exponent.is_none_or(|exponent| {
        let digits = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            _ => exponent,
        };
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    let points = mantissa.iter().filter(|&&b| b == b'.').count();
    let digits = mantissa.iter().filter(|b| b.is_ascii_digit()).count();
    exponent_good && points <= 1 && digits > 0 && digits + points == mantissa.len()
}

const NO_DIGIT: u8 = 255;

const HEX_VALUES: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut i = 0;
    while i < 16 {
        table[b"0123456789abcdef"[i] as usize] = i as u8;
        table[b"0123456789ABCDEF"[i] as usize] = i as u8;
        i += 1;
    }
    table
};

const BASE64_VALUES: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut i = 0;
    while i < 64 {
        table[BASE64_DIGITS[i] as usize] = i as u8;
        i += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

fn hex_decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    if text.len() % 2 != 0 {
        return false;
    }
    out.reserve(text.len() / 2);
    for pair in text.chunks_exact(2) {
        let high = HEX_VALUES[usize::from(pair[0])];
        let low = HEX_VALUES[usize::from(pair[1])];
        if high | low > 15 {
            return false;
        }
        out.push(high << 4 | low);
    }
    true
}

fn base64_decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut digits = 0usize;
    let mut padding = 0usize;
    let mut group = 0u32;
    for &byte in text {
        if matches!(byte, b'\r' | b'\n') {
            continue;
        }
        if byte == b'=' {
            padding += 1;
            continue;
        }
        let value = BASE64_VALUES[usize::from(byte)];
        if value == NO_DIGIT || padding > 0 {
            return false;
        }
        group = group << 6 | u32::from(value);
        digits += 1;
        if digits % 4 == 0 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            group = 0;
        }
    }
    match digits % 4 {
        2 => out.push((group >> 4) as u8),
        3 => out.extend_from_slice(&((group >> 2) as u16).to_be_bytes()),
        _ => {}
    }
    match padding {
        0 => digits % 4 != 1,
        1 => digits % 4 == 3,
        2 => digits % 4 == 2,
        _ => false,
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

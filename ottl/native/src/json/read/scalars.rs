//! Strings, numbers and the other values that hold no values, as the parser reads them.

use super::Parser;
use crate::json::numbers::{decimal, leading_digits, plain_double};
use crate::json::text::{append, run};
use crate::json::{stop, Field, Kind, Step};

/// A string of the input: between two offsets, or (with escapes) in the scratch buffer; and the position behind it.
pub(super) struct Text {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
    pub(super) next: usize,
}

impl Parser<'_> {
    /// A number, boolean or enum: its bits as they are on the wire, and where it ends.
    #[inline(always)]
    pub(super) fn number(&mut self, field: &Field, at: usize) -> Step<(u64, usize)> {
        match field.kind {
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                let (value, next) = self.signed(at, (i64::MIN, i64::MAX))?;
                Ok((if field.kind == Kind::Sint64 { zigzag(value) } else { value as u64 }, next))
            }
            Kind::Uint64 | Kind::Fixed64 => self.unsigned(at, u64::MAX),
            Kind::Uint32 | Kind::Fixed32 => self.unsigned(at, u64::from(u32::MAX)),
            Kind::Double => {
                let (value, next) = self.float(at)?;
                Ok((value.to_bits(), next))
            }
            Kind::Float => {
                let (value, next) = self.float(at)?;
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return stop("number out of range", at);
                }
                Ok((u64::from(narrow.to_bits()), next))
            }
            Kind::Bool => match self.peek(at) {
                b't' => Ok((1, self.word(at, b"true")?)),
                b'f' => Ok((0, self.word(at, b"false")?)),
                _ => self.unexpected(at, "true or false"),
            },
            Kind::Enum if self.peek(at) == b'"' => self.enum_name(field, at),
            Kind::Enum | Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                let (value, next) = self.signed(at, (i64::from(i32::MIN), i64::from(i32::MAX)))?;
                Ok((if field.kind == Kind::Sint32 { zigzag(value) } else { value as u64 }, next))
            }
            Kind::String | Kind::Base64 | Kind::Hex | Kind::Message => self.unexpected(at, "a number"),
        }
    }

    #[inline(never)]
    fn enum_name(&mut self, field: &Field, at: usize) -> Step<(u64, usize)> {
        let text = self.string(at)?;
        let name = self.text_of(&text);
        let found = field.enum_values.iter().find(|(known, _)| known == name);
        let Some(&(_, value)) = found else {
            return stop("unknown name of an enum value", at);
        };
        Ok((value as u64, text.next))
    }

    #[inline(always)]
    pub(super) fn text_of(&self, text: &Text) -> &[u8] {
        if text.escaped {
            &self.scratch
        } else {
            &self.bytes[text.start..text.end]
        }
    }

    #[inline(always)]
    pub(super) fn expected_string(&mut self, at: usize, wanted: &str) -> Step<Text> {
        if self.peek(at) != b'"' {
            return self.unexpected(at, wanted);
        }
        self.string(at)
    }

    /// The string whose opening quote stands here.
    #[inline(always)]
    pub(super) fn string(&mut self, at: usize) -> Step<Text> {
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
    pub(super) fn numeral(&self, start: usize) -> Step<(usize, Option<(bool, u64)>)> {
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

    pub(super) fn finite(&self, start: usize, end: usize) -> Step<f64> {
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

//! Protobuf bytes to OTLP JSON text.

use super::{fail, plain_run, Descriptor, Field, JsonSchema, Kind, Result, BASE64_DIGITS, MAX_RECURSION};
use crate::wire;

/// Field number, wire type and the position behind the tag.
#[inline]
fn tag(bytes: &[u8], pos: usize) -> Result<(u32, u8, usize)> {
    let (tag, next) = wire::tag(bytes, pos, bytes.len())?;
    Ok((tag >> 3, (tag & 7) as u8, next))
}

/// Bounds of a length-delimited value whose length is at `pos`.
#[inline]
fn body(bytes: &[u8], pos: usize) -> Result<(usize, usize)> {
    Ok(wire::length(bytes, pos, bytes.len())?)
}

/// Position behind the value at `pos`, whose tag is at `at`; groups are walked without recursion.
#[inline]
fn skip_value(bytes: &[u8], at: usize, pos: usize, number: u32, kind: u8, room: usize) -> Result<usize> {
    if kind == wire::GROUP {
        return skip_group(bytes, pos, number, room);
    }
    Ok(wire::skip(bytes, kind, at, pos, bytes.len())?)
}

fn skip_group(bytes: &[u8], mut pos: usize, number: u32, room: usize) -> Result<usize> {
    let mut open = vec![number];
    while let Some(&current) = open.last() {
        if open.len() > room {
            return fail("messages nested too deeply", pos);
        }
        if pos >= bytes.len() {
            return fail("group without an end", pos);
        }
        let (number, kind, next) = tag(bytes, pos)?;
        if kind == wire::GROUP {
            open.push(number);
            pos = next;
        } else if kind == wire::END_GROUP && number == current {
            open.pop();
            pos = next;
        } else {
            pos = wire::skip(bytes, kind, pos, next, bytes.len())?;
        }
    }
    Ok(pos)
}

/// The OTLP JSON of the protobuf message `payload` of kind `root`.
///
/// # Errors
/// A payload that is not well-formed protobuf, or messages more than `max_depth` below the root, with the offset.
pub fn to_json(schema: &JsonSchema, root: usize, payload: &[u8], max_depth: usize) -> Result<Vec<u8>> {
    schema.check_root(root)?;
    if u32::try_from(payload.len()).is_err() {
        return fail("payload of 4 GiB or more", 0);
    }
    let mut writer = Writer {
        schema,
        out: Vec::with_capacity(payload.len() * 2 + 16),
        fields: Vec::new(),
        max_depth: max_depth.min(MAX_RECURSION),
    };
    writer.message(root, payload, 0, payload.len(), 0)?;
    Ok(writer.out)
}

struct Writer<'a> {
    schema: &'a JsonSchema,
    out: Vec<u8>,
    /// A stack of the fields of the messages that are open: rank in the high, offset of the tag in the low 32 bits.
    fields: Vec<u64>,
    max_depth: usize,
}

impl<'a> Writer<'a> {
    /// Writes the message whose body is `bytes[start..end]`. A first walk notes where the fields are (a run of the elements
    /// of one repeated field once), the second writes them in the order of the descriptor.
    fn message(&mut self, kind: usize, bytes: &[u8], start: usize, end: usize, depth: usize) -> Result<()> {
        if depth > self.max_depth {
            return fail("messages nested too deeply", start);
        }
        let schema: &'a JsonSchema = self.schema;
        let descriptor = &schema.messages[kind];
        let base = self.fields.len();
        let regular = self.collect(descriptor, &bytes[..end], start, depth)?;
        if !regular {
            self.settle_oneofs(descriptor, &bytes[..end], base, depth)?;
        }
        if !self.fields[base..].is_sorted() {
            self.fields[base..].sort_unstable();
        }
        self.out.push(b'{');
        let mut at = base;
        let top = self.fields.len();
        let mut first = true;
        while at < top {
            let rank = (self.fields[at] >> 32) as usize;
            let mut next = at + 1;
            while next < top && (self.fields[next] >> 32) as usize == rank {
                next += 1;
            }
            let field = &descriptor.fields[rank];
            let mark = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&field.quoted);
            let written = if field.repeated {
                self.array(field, &bytes[..end], at, next, depth)?
            } else if field.kind == Kind::Message {
                self.submessage(field, &bytes[..end], at, next, depth)?;
                true
            } else {
                let tag_at = self.fields[next - 1] as u32 as usize;
                let (_, _, value) = tag(bytes, tag_at)?;
                self.scalar(field, &bytes[..end], value, field.oneof.is_some())?.1
            };
            if written {
                first = false;
            } else {
                self.out.truncate(mark);
            }
            at = next;
        }
        self.fields.truncate(base);
        self.out.push(b'}');
        Ok(())
    }

    /// Pushes the known fields of a message in wire order and says whether no oneof was set twice.
    fn collect(&mut self, descriptor: &Descriptor, bytes: &[u8], start: usize, depth: usize) -> Result<bool> {
        let mut pos = start;
        let mut run = usize::MAX;
        let mut oneofs = 0u64;
        let mut regular = true;
        while pos < bytes.len() {
            let (number, kind, next) = tag(bytes, pos)?;
            let known = descriptor.rank(number);
            match known.filter(|&rank| descriptor.fields[rank].takes(kind)) {
                Some(rank) => {
                    let field = &descriptor.fields[rank];
                    if rank != run {
                        self.fields.push((rank as u64) << 32 | pos as u64);
                        run = if field.repeated { rank } else { usize::MAX };
                    }
                    if let Some(oneof) = field.oneof {
                        let bit = 1u64 << (oneof % 64);
                        regular &= oneofs & bit == 0;
                        oneofs |= bit;
                    }
                }
                None => run = usize::MAX,
            }
            let room = self.max_depth.saturating_sub(depth);
            pos = skip_value(bytes, pos, next, number, kind, room)?;
        }
        Ok(regular)
    }

    /// Drops the members of oneofs that a later different member replaced; replaced messages must still be well-formed.
    fn settle_oneofs(&mut self, descriptor: &Descriptor, bytes: &[u8], base: usize, depth: usize) -> Result<()> {
        let mut winners: Vec<(u32, usize, bool)> = Vec::new();
        let fields = self.fields.split_off(base);
        let mut kept = Vec::with_capacity(fields.len());
        for &entry in fields.iter().rev() {
            let rank = (entry >> 32) as usize;
            let field = &descriptor.fields[rank];
            let mut keep = true;
            if let Some(oneof) = field.oneof {
                match winners.iter_mut().find(|(known, _, _)| *known == oneof) {
                    Some((_, winner, replaced)) => {
                        *replaced |= *winner != rank;
                        keep = !*replaced;
                    }
                    None => winners.push((oneof, rank, false)),
                }
            }
            if keep {
                kept.push(entry);
            } else if field.kind == Kind::Message {
                let (_, _, next) = tag(bytes, entry as u32 as usize)?;
                let (start, end) = body(bytes, next)?;
                self.check(field.message, bytes, start, end, depth + 1)?;
            }
        }
        self.fields.extend(kept.into_iter().rev());
        Ok(())
    }

    /// Whether a message that is not written is well-formed, as deep as the schema knows.
    fn check(&self, kind: usize, bytes: &[u8], start: usize, end: usize, depth: usize) -> Result<()> {
        if depth > self.max_depth {
            return fail("messages nested too deeply", start);
        }
        let descriptor = &self.schema.messages[kind];
        let bytes = &bytes[..end];
        let mut pos = start;
        while pos < end {
            let (number, kind, next) = tag(bytes, pos)?;
            let room = self.max_depth.saturating_sub(depth);
            pos = skip_value(bytes, pos, next, number, kind, room)?;
            if kind != wire::LEN {
                continue;
            }
            let known = descriptor.rank(number).map(|rank| &descriptor.fields[rank]);
            let (from, to) = body(bytes, next)?;
            match known {
                Some(field) if field.kind == Kind::Message => {
                    self.check(field.message, bytes, from, to, depth + 1)?;
                }
                Some(field) if field.packed() => {
                    let mut at = from;
                    while at < to {
                        at = wire::skip(bytes, field.wire, at, at, to)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A singular message from its occurrences `fields[at..next]`: several are one message whose bodies are joined.
    fn submessage(&mut self, field: &Field, bytes: &[u8], at: usize, next: usize, depth: usize) -> Result<()> {
        let first = self.fields[at] as u32 as usize;
        if next == at + 1 {
            let (_, _, value) = tag(bytes, first)?;
            let (start, end) = body(bytes, value)?;
            return self.message(field.message, bytes, start, end, depth + 1);
        }
        let mut joined = Vec::new();
        for i in at..next {
            let (_, _, value) = tag(bytes, self.fields[i] as u32 as usize)?;
            let (start, end) = body(bytes, value)?;
            self.check(field.message, bytes, start, end, depth + 1)?;
            joined.extend_from_slice(&bytes[start..end]);
        }
        let len = joined.len();
        match self.message(field.message, &joined, 0, len, depth + 1) {
            Err(error) => fail(error.message, first),
            done => done,
        }
    }

    /// A repeated field from its runs `fields[at..next]`; false if it has no elements (packed fields of length zero).
    fn array(&mut self, field: &Field, bytes: &[u8], at: usize, next: usize, depth: usize) -> Result<bool> {
        self.out.push(b'[');
        let mut empty = true;
        for i in at..next {
            let mut pos = self.fields[i] as u32 as usize;
            while pos < bytes.len() {
                let (number, kind, value) = tag(bytes, pos)?;
                if number != field.number || !field.takes(kind) {
                    break;
                }
                if field.packed() && kind == wire::LEN {
                    let (mut start, end) = body(bytes, value)?;
                    while start < end {
                        self.comma(&mut empty);
                        start = self.scalar(field, &bytes[..end], start, true)?.0;
                    }
                    pos = end;
                } else if field.kind == Kind::Message {
                    self.comma(&mut empty);
                    let (start, end) = body(bytes, value)?;
                    self.message(field.message, bytes, start, end, depth + 1)?;
                    pos = end;
                } else {
                    self.comma(&mut empty);
                    pos = self.scalar(field, bytes, value, true)?.0;
                }
            }
        }
        self.out.push(b']');
        Ok(!empty)
    }

    #[inline]
    fn comma(&mut self, empty: &mut bool) {
        if !std::mem::replace(empty, false) {
            self.out.push(b',');
        }
    }

    /// Writes the value at `pos`; returns the position behind it and whether it is to be kept (not a zero that may go).
    fn scalar(&mut self, field: &Field, bytes: &[u8], pos: usize, keep: bool) -> Result<(usize, bool)> {
        let out = &mut self.out;
        let (next, zero) = match field.kind {
            Kind::String | Kind::Base64 | Kind::Hex => {
                let (start, end) = body(bytes, pos)?;
                let value = &bytes[start..end];
                if keep || !value.is_empty() {
                    match field.kind {
                        Kind::String => write_string(out, value),
                        Kind::Hex => write_hex(out, value),
                        _ => write_base64(out, value),
                    }
                }
                (end, value.is_empty())
            }
            Kind::Double => {
                let (bits, next) = wire::fixed64(bytes, pos, bytes.len())?;
                let value = f64::from_bits(bits);
                write_double(out, value);
                (next, value.to_bits() == 0)
            }
            Kind::Float => {
                let (bits, next) = wire::fixed32(bytes, pos, bytes.len())?;
                let value = f32::from_bits(bits);
                write_double(out, f64::from(value));
                (next, value.to_bits() == 0)
            }
            Kind::Fixed64 => {
                let (value, next) = wire::fixed64(bytes, pos, bytes.len())?;
                write_quoted(out, false, value);
                (next, value == 0)
            }
            Kind::Sfixed64 => {
                let (bits, next) = wire::fixed64(bytes, pos, bytes.len())?;
                let value = bits as i64;
                write_quoted(out, value < 0, value.unsigned_abs());
                (next, value == 0)
            }
            Kind::Fixed32 => {
                let (value, next) = wire::fixed32(bytes, pos, bytes.len())?;
                write_integer(out, u64::from(value));
                (next, value == 0)
            }
            Kind::Sfixed32 => {
                let (bits, next) = wire::fixed32(bytes, pos, bytes.len())?;
                let value = bits as i32;
                write_signed(out, i64::from(value));
                (next, value == 0)
            }
            _ => {
                let (value, next) = wire::varint(bytes, pos, bytes.len())?;
                (next, write_varint(out, field.kind, value))
            }
        };
        Ok((next, keep || !zero))
    }
}

/// Writes a number that was a varint on the wire; returns whether it is zero.
fn write_varint(out: &mut Vec<u8>, kind: Kind, value: u64) -> bool {
    match kind {
        Kind::Uint64 => write_quoted(out, false, value),
        Kind::Int64 => write_quoted(out, (value as i64) < 0, (value as i64).unsigned_abs()),
        Kind::Sint64 => {
            let value = unzigzag(value);
            write_quoted(out, value < 0, value.unsigned_abs());
        }
        Kind::Bool => {
            let word: &[u8] = if value == 0 { b"false" } else { b"true" };
            out.extend_from_slice(word);
        }
        Kind::Uint32 => {
            write_integer(out, u64::from(value as u32));
            return value as u32 == 0;
        }
        Kind::Sint32 => {
            let value = unzigzag(u64::from(value as u32)) as i32;
            write_signed(out, i64::from(value));
            return value == 0;
        }
        _ => {
            write_signed(out, i64::from(value as i32));
            return value as i32 == 0;
        }
    }
    value == 0
}

/// Writes decimal digits.
fn write_integer(out: &mut Vec<u8>, mut value: u64) {
    const PAIRS: [[u8; 2]; 100] = {
        let mut table = [[0; 2]; 100];
        let mut i = 0;
        while i < 100 {
            table[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
            i += 1;
        }
        table
    };
    let mut buffer = [0u8; 20];
    let mut at = buffer.len();
    while value >= 100 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if value >= 10 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[value as usize]);
    } else {
        at -= 1;
        buffer[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&buffer[at..]);
}

fn write_signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    write_integer(out, value.unsigned_abs());
}

fn write_quoted(out: &mut Vec<u8>, negative: bool, magnitude: u64) {
    out.push(b'"');
    if negative {
        out.push(b'-');
    }
    write_integer(out, magnitude);
    out.push(b'"');
}

/// Writes a double as Go's `strconv` has it in the shortest form: positional from 1e-6 up to 1e21, else with an exponent of
/// at least two digits. NaN and the infinities are strings.
fn write_double(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        let word: &[u8] = if value.is_nan() {
            b"\"NaN\""
        } else if value > 0.0 {
            b"\"Infinity\""
        } else {
            b"\"-Infinity\""
        };
        out.extend_from_slice(word);
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude < 9e15 && magnitude.trunc() == magnitude {
        return write_integer(out, magnitude as u64);
    }
    // Ryu breaks ties between shortest digits as Go and Python do; Rust's own formatting does not.
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(magnitude).as_bytes();
    let (mantissa, mut exponent) = match shortest.iter().position(|&byte| byte == b'e') {
        Some(at) => (&shortest[..at], decimal_exponent(&shortest[at + 1..])),
        None => (shortest, 0),
    };
    // The value is 0.DIGITS times ten to the power of `exponent`.
    let mut digits = [0u8; 32];
    let mut count = 0;
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    exponent += point as i32;
    for &digit in mantissa.iter().filter(|&&byte| byte != b'.') {
        if digit == b'0' && count == 0 {
            exponent -= 1;
        } else if count < digits.len() {
            digits[count] = digit;
            count += 1;
        }
    }
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    place_point(out, &digits[..count], exponent);
}

fn decimal_exponent(text: &[u8]) -> i32 {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        _ => (1, text),
    };
    sign * digits.iter().fold(0, |value, &digit| value * 10 + i32::from(digit - b'0'))
}

/// Writes 0.DIGITS times ten to the power of `exponent`.
fn place_point(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let leading = exponent - 1;
    if !(-6..21).contains(&leading) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if leading < 0 { b"e-" } else { b"e+" });
        if leading.abs() < 10 {
            out.push(b'0');
        }
        write_integer(out, u64::from(leading.unsigned_abs()));
    } else if exponent <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize));
        out.extend_from_slice(digits);
    } else {
        let whole = exponent as usize;
        out.extend_from_slice(&digits[..whole.min(digits.len())]);
        if whole >= digits.len() {
            out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
        } else {
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
    }
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

fn write_hex(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() * 2 + 2);
    out.push(b'"');
    for &byte in value {
        out.push(HEX_DIGITS[usize::from(byte >> 4)]);
        out.push(HEX_DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

fn write_base64(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() / 3 * 4 + 6);
    out.push(b'"');
    for chunk in value.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for i in 0..4 {
            out.push(if i <= chunk.len() { BASE64_DIGITS[(bits >> (18 - 6 * i)) as usize & 63] } else { b'=' });
        }
    }
    out.push(b'"');
}

/// Writes a string with its escapes; each byte that is not part of valid UTF-8 becomes U+FFFD.
fn write_string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    if value.is_ascii() || std::str::from_utf8(value).is_ok() {
        write_escaped(out, value);
    } else {
        for chunk in value.utf8_chunks() {
            write_escaped(out, chunk.valid().as_bytes());
            for _ in chunk.invalid() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, value: &[u8]) {
    let mut from = 0;
    loop {
        let at = plain_run(value, from);
        out.extend_from_slice(&value[from..at]);
        let Some(&byte) = value.get(at) else {
            return;
        };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digits = [HEX_DIGITS[usize::from(byte >> 4)], HEX_DIGITS[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
        from = at + 1;
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

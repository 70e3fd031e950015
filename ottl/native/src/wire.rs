//! The protobuf wire format: reading and writing varints, tags and lengths.
//!
//! The readers accept and refuse exactly what upb (protobuf's own parser) accepts and refuses: tags and lengths take at most
//! five bytes, varints ten, and a value may not cross the end of its message. Strings are bytes.

/// Why a scan or a walk stopped before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Not protobuf of this schema: what is wrong, and the offset where it was noticed.
    Malformed(Fault, u32),
    /// Well-formed so far, but a shape that only the plain stack runs.
    Irregular,
}

/// What is wrong with a malformed payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Truncated,
    Varint,
    Tag,
    Length,
    WireType,
    EndGroup,
    Packed,
    Depth,
    Messages,
    TooLarge,
}

impl Fault {
    /// A sentence for people.
    pub fn message(self) -> &'static str {
        match self {
            Fault::Truncated => "truncated: the value runs past the end of its message",
            Fault::Varint => "varint of more than 10 bytes",
            Fault::Tag => "bad field tag",
            Fault::Length => "length runs past the end of the message",
            Fault::WireType => "unknown wire type",
            Fault::EndGroup => "end of a group that was not opened",
            Fault::Packed => "packed values do not fill their length",
            Fault::Depth => "messages nested deeper than the limit",
            Fault::Messages => "more messages than the limit (--max-messages raises the limit)",
            Fault::TooLarge => "payload of more than 2 GiB",
        }
    }
}

pub const VARINT: u8 = 0;
pub const FIXED64: u8 = 1;
pub const LEN: u8 = 2;
pub const GROUP: u8 = 3;
pub const END_GROUP: u8 = 4;
pub const FIXED32: u8 = 5;

/// Largest payload, and the largest length that upb accepts.
pub const MAX_PAYLOAD: usize = i32::MAX as usize;

#[cold]
#[inline(never)]
fn malformed<T>(fault: Fault, at: usize) -> Result<T, Stop> {
    Err(Stop::Malformed(fault, at as u32))
}

/// A fault at an offset.
#[cold]
#[inline(never)]
pub fn fault(fault: Fault, at: usize) -> Stop {
    Stop::Malformed(fault, at as u32)
}

/// Reads a varint of up to ten bytes that must end before `end`; (value, next position).
#[inline(always)]
pub fn varint(data: &[u8], pos: usize, end: usize) -> Result<(u64, usize), Stop> {
    if pos < end {
        if let Some(&byte) = data.get(pos) {
            if byte < 0x80 {
                return Ok((u64::from(byte), pos + 1));
            }
            if let Some((value, next)) = word_varint(data, pos) {
                if next <= end {
                    return Ok((value, next));
                }
            }
        }
    }
    long_varint(data, pos, end, 10)
}

/// A varint of at most eight bytes out of one word, without a branch on its length.
#[inline(always)]
fn word_varint(data: &[u8], pos: usize) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*data.get(pos..)?.first_chunk::<8>()?);
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let word = word & (ends ^ (ends - 1));
    let pairs = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let quads = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = (quads & 0x0fff_ffff) | (quads & 0x0fff_ffff_0000_0000) >> 4;
    Some((value, pos + (ends.trailing_zeros() / 8) as usize + 1))
}

#[inline(never)]
fn long_varint(data: &[u8], start: usize, end: usize, most: usize) -> Result<(u64, usize), Stop> {
    let Some(bytes) = data.get(start..end.min(start.saturating_add(most))) else {
        return malformed(Fault::Truncated, start);
    };
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, start + index + 1));
        }
    }
    if bytes.len() < most {
        malformed(Fault::Truncated, start)
    } else {
        malformed(Fault::Varint, start)
    }
}

/// Reads a tag: at most five bytes, 32 bits; (tag, next position). Field number 0 is refused.
#[inline(always)]
pub fn tag(data: &[u8], pos: usize, end: usize) -> Result<(u32, usize), Stop> {
    if pos < end {
        if let Some(&byte) = data.get(pos) {
            if (8..0x80).contains(&byte) {
                return Ok((u32::from(byte), pos + 1));
            }
        }
    }
    long_tag(data, pos, end)
}

/// A varint of two bytes, neither of which may be left out.
#[inline(always)]
fn two_bytes(data: &[u8], pos: usize, end: usize) -> Option<u64> {
    let &[first, second] = data.get(pos..end)?.first_chunk::<2>()?;
    let value = u64::from(first & 0x7f) | u64::from(second) << 7;
    (first >= 0x80 && (1..0x80).contains(&second)).then_some(value)
}

#[inline(never)]
fn long_tag(data: &[u8], pos: usize, end: usize) -> Result<(u32, usize), Stop> {
    if let Some(value) = two_bytes(data, pos, end) {
        return Ok((value as u32, pos + 2));
    }
    let (value, next) = match long_varint(data, pos, end, 5) {
        Err(Stop::Malformed(Fault::Varint, _)) => return malformed(Fault::Tag, pos),
        other => other?,
    };
    if value > u64::from(u32::MAX) || value < 8 {
        return malformed(Fault::Tag, pos);
    }
    Ok((value as u32, next))
}

/// Reads a length and checks it against `end`; (begin, end) of the bytes.
#[inline(always)]
pub fn length(data: &[u8], pos: usize, end: usize) -> Result<(usize, usize), Stop> {
    if pos < end {
        if let Some(&byte) = data.get(pos) {
            if byte < 0x80 {
                let stop = pos + 1 + usize::from(byte);
                if stop <= end {
                    return Ok((pos + 1, stop));
                }
                return malformed(Fault::Length, pos);
            }
        }
    }
    long_length(data, pos, end)
}

#[inline(never)]
fn long_length(data: &[u8], pos: usize, end: usize) -> Result<(usize, usize), Stop> {
    if let Some(value) = two_bytes(data, pos, end) {
        let stop = pos + 2 + value as usize;
        return if stop <= end { Ok((pos + 2, stop)) } else { malformed(Fault::Length, pos) };
    }
    let (value, next) = match long_varint(data, pos, end, 5) {
        Err(Stop::Malformed(Fault::Varint, _)) => return malformed(Fault::Length, pos),
        other => other?,
    };
    if value > MAX_PAYLOAD as u64 || value as usize > end - next {
        return malformed(Fault::Length, pos);
    }
    Ok((next, next + value as usize))
}

/// Reads eight bytes.
#[inline(always)]
pub fn fixed64(data: &[u8], pos: usize, end: usize) -> Result<(u64, usize), Stop> {
    if end.saturating_sub(pos) >= 8 {
        if let Some(bytes) = data.get(pos..pos + 8) {
            return Ok((u64::from_le_bytes(bytes.try_into().unwrap_or_default()), pos + 8));
        }
    }
    malformed(Fault::Truncated, pos)
}

/// Reads four bytes.
#[inline(always)]
pub fn fixed32(data: &[u8], pos: usize, end: usize) -> Result<(u32, usize), Stop> {
    if end.saturating_sub(pos) >= 4 {
        if let Some(bytes) = data.get(pos..pos + 4) {
            return Ok((u32::from_le_bytes(bytes.try_into().unwrap_or_default()), pos + 4));
        }
    }
    malformed(Fault::Truncated, pos)
}

/// Passes over the value of a field whose tag was just read; `at` is the tag's position.
#[inline(always)]
pub fn skip(data: &[u8], wire: u8, at: usize, pos: usize, end: usize) -> Result<usize, Stop> {
    match wire {
        VARINT => Ok(varint(data, pos, end)?.1),
        LEN => Ok(length(data, pos, end)?.1),
        FIXED64 => Ok(fixed64(data, pos, end)?.1),
        FIXED32 => Ok(fixed32(data, pos, end)?.1),
        GROUP => Err(Stop::Irregular),
        END_GROUP => malformed(Fault::EndGroup, at),
        _ => malformed(Fault::WireType, at),
    }
}

/// Bytes that `value` takes as a varint.
#[inline(always)]
pub fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends a varint.
#[inline(always)]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field's tag.
#[inline(always)]
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

/// Appends tag, length and bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, LEN);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip() {
        for value in
            (0..64).flat_map(|bit| [1 << bit, (1u64 << bit) - 1, u64::MAX >> bit, 0x1234_5678_9abc_def0 >> bit])
        {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value));
            assert_eq!(varint(&out, 0, out.len()), Ok((value, out.len())));
            let len = out.len();
            for cut in 0..len {
                assert!(varint(&out, 0, cut).is_err());
            }
            out.resize(len + 8, 0xff);
            assert_eq!(varint(&out, 0, out.len()), Ok((value, len)));
            assert!(varint(&out, 0, len - 1).is_err());
        }
    }

    #[test]
    fn tags_and_lengths_have_five_bytes_at_most() {
        assert!(tag(&[0], 0, 1).is_err());
        assert!(tag(&[7], 0, 1).is_err());
        assert_eq!(tag(&[0x8a, 0x00], 0, 2), Ok((10, 2)));
        assert!(tag(&[0x8a, 0x80, 0x80, 0x80, 0x80, 0x00], 0, 6).is_err());
        assert!(length(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 0, 6).is_err());
        assert!(length(&[2, 0], 0, 2).is_err());
    }
}

//! Hexadecimal and base64 digits, both ways.

use super::text::{append_all, append_block};

const HIGH: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Four bytes from eight hexadecimal digits, the first one lowest in the word.
#[inline(always)]
fn four_bytes(word: u64) -> Option<[u8; 4]> {
    if word & HIGH != 0 {
        return None;
    }
    let lower = word | (ONES * 0x20);
    // The high bit of a byte of `x + (0x80 - n) * ONES` tells whether that byte of `x` is at least n.
    let digit = (word + ONES * 0x50) & !(word + ONES * 0x46);
    let letter = (lower + ONES * 0x1f) & !(lower + ONES * 0x19);
    if (digit | letter) & HIGH != HIGH {
        return None;
    }
    let nibbles = (word & (ONES * 0x0f)) + ((letter & HIGH) >> 7) * 9;
    let pairs = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some(((quads | quads >> 16) as u32).to_le_bytes())
}

/// Appends the bytes that hexadecimal digits stand for, eight at a time; returns how many digits were.
#[inline(always)]
pub fn hex_run(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut rest = text;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let Some(bytes) = four_bytes(u64::from_le_bytes(*word)) else {
            break;
        };
        append_all(out, &bytes);
        rest = tail;
    }
    text.len() - rest.len()
}

/// Appends the bytes that an even number of hexadecimal digits stand for; false for any other text.
#[inline]
pub fn hex_decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    if text.len() % 2 != 0 {
        return false;
    }
    let rest = &text[hex_run(text, out)..];
    if rest.len() >= 8 {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let mut word = [b'0'; 8];
    word[..rest.len()].copy_from_slice(rest);
    let Some(bytes) = four_bytes(u64::from_le_bytes(word)) else {
        return false;
    };
    append_block(out, &bytes, rest.len() / 2);
    true
}

const BASE64_DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NO_DIGIT: u8 = 255;

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

/// Appends the bytes that base64 digits stand for, standard or URL-safe, with or without padding, line breaks ignored;
/// false for any other text.
pub fn base64_decode(text: &[u8], out: &mut Vec<u8>) -> bool {
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

const HEX_PAIRS: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = [b"0123456789abcdef"[i >> 4], b"0123456789abcdef"[i & 15]];
        i += 1;
    }
    table
};

/// The two lower-case hexadecimal digits of a byte.
#[inline(always)]
pub fn hex_pair(byte: u8) -> [u8; 2] {
    HEX_PAIRS[usize::from(byte)]
}

/// Appends lower-case hexadecimal digits.
#[inline]
pub fn write_hex(out: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        rest = tail;
        // Without a table, so that all are made at once.
        let digits: [u8; 16] = std::array::from_fn(|i| {
            let nibble = if i % 2 == 0 { eight[i / 2] >> 4 } else { eight[i / 2] & 15 };
            nibble + if nibble > 9 { b'a' - 10 } else { b'0' }
        });
        append_all(out, &digits);
    }
    for &byte in rest {
        out.extend_from_slice(&hex_pair(byte));
    }
}

/// Appends padded standard base64.
pub fn write_base64(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len().div_ceil(3) * 4);
    for chunk in value.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for i in 0..4 {
            out.push(if i <= chunk.len() { BASE64_DIGITS[(bits >> (18 - 6 * i)) as usize & 63] } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits_are_the_twenty_two_and_no_others() {
        for len in (0..24).step_by(2) {
            let text = vec![b'0'; len];
            for at in 0..len {
                for byte in 0..=255u8 {
                    let mut text = text.clone();
                    text[at] = byte;
                    let mut out = Vec::new();
                    let good = hex_decode(&text, &mut out);
                    assert_eq!(good, byte.is_ascii_hexdigit(), "{byte} at {at} of {len}");
                    if let Some(value) = char::from(byte).to_digit(16).filter(|_| good) {
                        let mut wanted = vec![0; len / 2];
                        wanted[at / 2] = if at % 2 == 0 { value << 4 } else { value } as u8;
                        assert_eq!(out, wanted);
                    }
                }
            }
        }
        assert!(!hex_decode(b"abc", &mut Vec::new()));
    }

    #[test]
    fn hex_of_all_bytes_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        for end in 0..bytes.len() {
            let (mut text, mut again) = (Vec::new(), Vec::new());
            write_hex(&mut text, &bytes[..end]);
            assert!(hex_decode(&text, &mut again));
            assert_eq!(again, bytes[..end]);
        }
    }
}

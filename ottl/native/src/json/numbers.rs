//! Decimal numbers, both ways: what Go's `strconv` reads and writes.

use super::text::append_block;

const HIGH: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// The value of eight decimal digits, the first one lowest in the word; `None` if a byte is something else.
#[inline(always)]
fn eight_digits(word: u64) -> Option<u64> {
    // A byte has its high bit set in one of these unless it is a digit; carries can only come from bytes that are none.
    if ((word.wrapping_add(ONES * 0x46)) | word.wrapping_sub(ONES * 0x30)) & HIGH != 0 {
        return None;
    }
    let digits = word - ONES * 0x30;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((quads * 10_000 + (quads >> 32)) & 0xffff_ffff)
}

/// The decimal digits at `pos`: their value, and where they end. Behind 19 digits, the most that fit in any case, there may
/// be more.
#[inline(always)]
pub fn leading_digits(bytes: &[u8], pos: usize) -> (u64, usize) {
    let mut value = 0;
    let mut at = pos;
    for _ in 0..2 {
        let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let Some(eight) = word.and_then(|word| eight_digits(u64::from_le_bytes(*word))) else {
            break;
        };
        value = value * 100_000_000 + eight;
        at += 8;
    }
    while at < pos + 19 {
        match bytes.get(at) {
            Some(&byte @ b'0'..=b'9') => value = value * 10 + u64::from(byte - b'0'),
            _ => break,
        }
        at += 1;
    }
    (value, at)
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The double at `pos` and where it ends, if it is of the plain kind: at most 15 digits, a point among them or not, no
/// exponent. Both digits and power of ten are exact then, so that their quotient is the nearest double.
#[inline(always)]
pub fn plain_double(bytes: &[u8], pos: usize) -> Option<(f64, usize)> {
    let negative = bytes.get(pos) == Some(&b'-');
    let first = pos + usize::from(negative);
    let (mut digits, mut at) = leading_digits(bytes, first);
    let whole = at - first;
    if whole == 0 || whole > 15 || (whole > 1 && bytes.get(first) == Some(&b'0')) {
        return None;
    }
    let mut places = 0;
    if bytes.get(at) == Some(&b'.') {
        let (fraction, end) = leading_digits(bytes, at + 1);
        places = end - at - 1;
        if places == 0 || whole + places > 15 {
            return None;
        }
        digits = digits * POWERS[places] as u64 + fraction;
        at = end;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E' | b'.' | b'0'..=b'9')) {
        return None;
    }
    let value = digits as f64 / POWERS[places];
    Some((if negative { -value } else { value }, at))
}

/// Whether a string is a decimal number as Go's `strconv.ParseFloat` has it: digits may be missing on one side of the point.
pub fn decimal(text: &[u8]) -> bool {
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

const PAIRS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        table[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    table
};

/// Eight digits of a number below 10^8.
#[inline(always)]
fn put_eight(place: &mut [u8; 8], value: u32) {
    let (high, low) = (value / 10_000, value % 10_000);
    for (i, pair) in [high / 100, high % 100, low / 100, low % 100].into_iter().enumerate() {
        place[2 * i..2 * i + 2].copy_from_slice(&PAIRS[pair as usize % 100]);
    }
}

/// Appends decimal digits.
#[inline]
pub fn write_integer(out: &mut Vec<u8>, value: u64) {
    const EIGHT: u64 = 100_000_000;
    if value < 10 {
        return out.push(b'0' + value as u8);
    }
    if value < 100 {
        return out.extend_from_slice(&PAIRS[value as usize]);
    }
    if value < EIGHT {
        let mut digits = [0; 8];
        put_eight(&mut digits, value as u32);
        return append_without_zeros(out, &digits);
    }
    let (rest, low) = (value / EIGHT, value % EIGHT);
    if rest < EIGHT {
        let mut digits = [0; 8];
        put_eight(&mut digits, rest as u32);
        append_without_zeros(out, &digits);
    } else {
        write_integer(out, rest / EIGHT);
        append_eight(out, (rest % EIGHT) as u32);
    }
    append_eight(out, low as u32);
}

#[inline(always)]
fn append_eight(out: &mut Vec<u8>, value: u32) {
    let mut digits = [0; 8];
    put_eight(&mut digits, value);
    out.extend_from_slice(&digits);
}

/// Appends the digits of a number, not all zeros, without those that lead it.
#[inline(always)]
fn append_without_zeros(out: &mut Vec<u8>, digits: &[u8; 8]) {
    let word = u64::from_le_bytes(*digits);
    let zeros = ((word & (ONES * 0x0f)).trailing_zeros() / 8).min(7);
    append_block(out, &(word >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
}

/// Appends an integer with its sign.
#[inline]
pub fn write_signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    write_integer(out, value.unsigned_abs());
}

/// Appends a double as Go's `strconv` has it in the shortest form: positional from 1e-6 up to 1e21, else with an exponent of
/// at least two digits. NaN and the infinities are strings.
pub fn write_double(out: &mut Vec<u8>, value: f64) {
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
    if (1e-4..9e15).contains(&magnitude) {
        return out.extend_from_slice(shortest); // positional there too, and a fraction
    }
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

/// Appends 0.DIGITS times ten to the power of `exponent`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: u64) -> String {
        let mut out = Vec::new();
        write_integer(&mut out, value);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn integers_of_all_lengths_are_written_and_read() {
        let powers = (0..20).map(|n| 10u64.pow(n));
        for value in powers.flat_map(|p| [p, p - 1, p + 1, p.saturating_mul(7), p.wrapping_mul(123_456_789)]) {
            let text = written(value);
            assert_eq!(text, value.to_string());
            if text.len() <= 19 {
                for tail in ["", "\"", "\":12345678", "x00000000"] {
                    let bytes = format!("{text}{tail}").into_bytes();
                    assert_eq!(leading_digits(&bytes, 0), (value, text.len()), "{text}{tail}");
                }
            }
        }
        assert_eq!(written(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn digits_end_at_any_other_byte() {
        for at in 0..16 {
            for byte in 0..=255u8 {
                let mut bytes = *b"1111111111111111xx";
                bytes[at] = byte;
                let (_, end) = leading_digits(&bytes, 0);
                assert_eq!(end, if byte.is_ascii_digit() { 16 } else { at });
            }
        }
    }

    #[test]
    fn plain_doubles_are_the_nearest() {
        let texts = ["0", "-0", "1.5", "12.345", "-0.001", "0.1", "999999999999999", "99999999.9999999", "5.00"];
        for text in texts {
            let (value, end) = plain_double(text.as_bytes(), 0).expect("a plain number");
            let wanted: f64 = text.parse().expect("a number");
            assert_eq!((value.to_bits(), end), (wanted.to_bits(), text.len()), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e3", "1.5E3", "1234567890.1234567", "1.5.", "12345678901234567890"] {
            assert_eq!(plain_double(text.as_bytes(), 0), None, "{text}");
        }
    }
}

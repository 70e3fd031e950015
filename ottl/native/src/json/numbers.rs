//! Decimal numbers, both ways: what Go's `strconv` reads and writes.

use super::text::{append_all, append_block};

const HIGH: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of the first byte that is no decimal digit, the first being lowest in the word, and any bits above it.
#[inline(always)]
fn no_digits(word: u64) -> u64 {
    // Carries go up only, and come from bytes that are no digits only.
    (word.wrapping_add(ONES * 0x46) | word.wrapping_sub(ONES * 0x30)) & HIGH
}

/// The number of eight digits, the first one lowest in the word.
#[inline(always)]
fn number_of(digits: u64) -> u64 {
    let digits = digits & (ONES * 0x0f);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (quads * 10_000 + (quads >> 32)) & 0xffff_ffff
}

/// The decimal digits at `pos`: their value, and where they end. Behind 19 digits, the most that fit in any case, there may
/// be more.
#[inline(always)]
pub fn leading_digits(bytes: &[u8], pos: usize) -> (u64, usize) {
    let mut value = 0;
    let mut at = pos;
    for most in [8, 8, 3] {
        let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
            return last_digits(bytes, pos, value, at);
        };
        let word = u64::from_le_bytes(*word);
        let ends = no_digits(word);
        if ends == 0 && most == 8 {
            value = value * 100_000_000 + number_of(word);
            at += 8;
            continue;
        }
        let count = (ends.trailing_zeros() as usize / 8).min(most);
        if count > 0 {
            value = value * TENS[count % 8] + number_of(word << (64 - 8 * count));
        }
        return (value, at + count);
    }
    (value, at)
}

const TENS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The same near the end of the text.
#[inline(never)]
fn last_digits(bytes: &[u8], pos: usize, mut value: u64, mut at: usize) -> (u64, usize) {
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

/// The digits of a number below 10^8 as values, the first one lowest in the word.
#[inline(always)]
fn digits_of(value: u32) -> u64 {
    let quads = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((quads * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (quads - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// Appends decimal digits.
#[inline]
pub fn write_integer(out: &mut Vec<u8>, value: u64) {
    const EIGHT: u64 = 100_000_000;
    if value < 10 {
        return out.push(b'0' + value as u8);
    }
    if value < EIGHT {
        return write_short(out, value as u32);
    }
    write_long(out, value / EIGHT, (value % EIGHT) as u32);
}

/// A number below 10^8 and not zero.
#[inline(always)]
fn write_short(out: &mut Vec<u8>, value: u32) {
    let digits = digits_of(value);
    let zeros = (digits.trailing_zeros() / 8).min(7);
    append_block(out, &((digits | (ONES * 0x30)) >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
}

/// `rest`, which is not zero, and eight more digits.
#[inline(never)]
fn write_long(out: &mut Vec<u8>, rest: u64, low: u32) {
    const EIGHT: u64 = 100_000_000;
    let low = u128::from(digits_of(low) | (ONES * 0x30));
    if rest < EIGHT {
        write_short(out, rest as u32);
        return append_all(out, &(low as u64).to_le_bytes());
    }
    write_integer(out, rest / EIGHT);
    let high = u128::from(digits_of((rest % EIGHT) as u32) | (ONES * 0x30));
    append_all(out, &(low << 64 | high).to_le_bytes());
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
    if let Some(thousandths) = thousandths(magnitude) {
        return write_thousandths(out, thousandths);
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

/// A thousand times the number, if it is the double nearest to so many thousandths. At most 15 digits, which no other number of at
/// most 15 digits shares a double with: they are the shortest but for zeros at the end.
#[inline(always)]
fn thousandths(magnitude: f64) -> Option<u64> {
    if !(1e-3..1e12).contains(&magnitude) {
        return None;
    }
    let count = (magnitude * 1e3 + 0.5) as u64;
    (count as f64 / 1e3 == magnitude && count < 1_000_000_000_000_000).then_some(count)
}

/// Appends a number of thousandths that are not a whole number, without zeros at the end.
fn write_thousandths(out: &mut Vec<u8>, count: u64) {
    let (whole, fraction) = (count / 1000, (count % 1000) as u32);
    write_integer(out, whole);
    // 0000DDD0, of which the fourth becomes the point.
    let text = (digits_of(fraction * 10) >> 24) as u32 | u32::from_le_bytes(*b".000");
    let len = match fraction {
        _ if fraction % 100 == 0 => 2,
        _ if fraction % 10 == 0 => 3,
        _ => 4,
    };
    append_block(out, &text.to_le_bytes(), len);
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
    fn thousandths_are_written_as_others_are() {
        let written = |value: f64| {
            let mut out = Vec::new();
            write_double(&mut out, value);
            String::from_utf8(out).expect("digits")
        };
        for count in (1..30_000u64).chain((0..40).flat_map(|n| [(1 << n) + 1, 10u64.pow(n % 15) + 1, (7 << n) + 30])) {
            let value = count as f64 / 1e3;
            assert_eq!(written(value), value.to_string(), "{count}");
            for near in [f64::from_bits(value.to_bits() + 1), f64::from_bits(value.to_bits() - 1)] {
                assert_eq!(written(near), ryu::Buffer::new().format_finite(near), "beside {count}");
            }
        }
        for (value, text) in
            [(0.001, "0.001"), (0.5, "0.5"), (4.089, "4.089"), (999_999_999_999.999, "999999999999.999")]
        {
            assert_eq!(written(value), text);
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

//! Converters of times in UTC and of durations, which registers hold in nanoseconds.

use super::calls::{push_digits, push_int};
use super::{kinds, Declined, Done, Run};
use crate::schema::tags;
use crate::values::Cell;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Seconds and nanoseconds up to here add up within 64 bits.
const FAR_SECONDS: i64 = 8_000_000_000;
const FAR_NANOS: i64 = 1_000_000_000_000_000_000;

/// A number of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// Texts of a date with numbers at fixed places.
#[derive(Debug)]
pub struct Fixed {
    /// Such a text, with zeros for the digits.
    pub pattern: Vec<u8>,
    pub places: Vec<(Field, usize, usize)>,
}

/// A part of a time that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Literal(Vec<u8>),
    Year,
    ShortYear,
    /// A number, filled up to so many digits with a character; none without one.
    Number(Number, Option<u8>),
    MonthName(usize),
    DayName(usize),
    /// Noon and later, and before.
    Half([u8; 2], [u8; 2]),
    /// A mark, and up to so many digits of a second's fraction; zeros at the end are left out.
    Fraction(u8, usize),
}

/// A number of a time that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Month,
    Day,
    YearDay,
    Hour,
    /// From 1 to 12.
    HalfHour,
    Minute,
    Second,
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
fn date_of(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that a leap day ends one.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970 of a date.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Fixed {
    /// The time that a text says; None for any other text.
    fn read(&self, text: &[u8]) -> Option<i64> {
        if text.len() != self.pattern.len() {
            return None;
        }
        let fits =
            |(&found, &wanted): (&u8, &u8)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
        if !text.iter().zip(&self.pattern).all(fits) {
            return None;
        }
        let (mut year, mut month, mut day, mut hour, mut minute, mut second) = (0, 1, 1, 0, 0, 0);
        for &(field, begin, end) in &self.places {
            let digits = text.get(begin..end)?;
            let number = digits.iter().fold(0, |number, &digit| number * 10 + i64::from(digit - b'0'));
            *match field {
                Field::Year => &mut year,
                Field::Month => &mut month,
                Field::Day => &mut day,
                Field::Hour => &mut hour,
                Field::Minute => &mut minute,
                Field::Second => &mut second,
            } = number;
        }
        let there = (1678..2262).contains(&year) && (1..=12).contains(&month) && day >= 1;
        if !there || hour >= 24 || minute >= 60 || second >= 60 {
            return None;
        }
        let days = days_of(year, month, day);
        // A day that its month does not have is one of the next month.
        (date_of(days).1 == month).then_some(days * DAY + (hour * 3600 + minute * 60 + second) * SECOND)
    }
}

/// The duration that a text says; None for what is no duration, and for numbers of many digits.
fn duration(text: &[u8]) -> Option<i64> {
    let negative = text.first() == Some(&b'-');
    let mut rest = if matches!(text.first(), Some(b'-' | b'+')) { &text[1..] } else { text };
    if rest == b"0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let whole = digits(&mut rest)?;
        let mut part = None;
        if rest.first() == Some(&b'.') {
            rest = &rest[1..];
            part = Some(digits(&mut rest)?);
        }
        if whole.1 == 0 && part.is_none_or(|part| part.1 == 0) {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'.' | b'0'..=b'9')).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            b"ns" => 1,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
            b"ms" => 1_000_000,
            b"s" => SECOND,
            b"m" => 60 * SECOND,
            b"h" => 3600 * SECOND,
            _ => return None,
        };
        rest = &rest[end..];
        let mut nanos = whole.0.checked_mul(unit)?;
        if let Some((number, places)) = part {
            // In floating point, as the reference does it; powers of ten up to 22 are exact.
            let scale = (0..places).fold(1.0, |scale, _| scale * 10.0);
            nanos = nanos.checked_add((number as f64 * (unit as f64 / scale)) as i64)?;
        }
        total = total.checked_add(nanos)?;
    }
    Some(if negative { -total } else { total })
}

/// The number that a text begins with, and how many digits it has; None for more than 18.
fn digits(text: &mut &[u8]) -> Option<(i64, usize)> {
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if count > 18 {
        return None;
    }
    let number = text[..count].iter().fold(0, |number, &digit| number * 10 + i64::from(digit - b'0'));
    *text = &text[count..];
    Some((number, count))
}

/// Appends a time as its parts show it.
fn show(parts: &[Part], time: i64, out: &mut Vec<u8>) {
    let (days, of_day) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (seconds, nanos) = (of_day / SECOND, of_day % SECOND);
    let (year, month, day) = date_of(days);
    let hour = seconds / 3600;
    for part in parts {
        match part {
            Part::Literal(text) => out.extend_from_slice(text),
            Part::Year => push_digits(out, year, 4, b'0'),
            Part::ShortYear => push_digits(out, year % 100, 2, b'0'),
            Part::Number(number, fill) => {
                let value = match number {
                    Number::Month => month,
                    Number::Day => day,
                    Number::YearDay => days - days_of(year, 1, 1) + 1,
                    Number::Hour => hour,
                    Number::HalfHour => (hour + 11) % 12 + 1,
                    Number::Minute => seconds / 60 % 60,
                    Number::Second => seconds % 60,
                };
                match fill {
                    None => push_int(out, value),
                    Some(fill) => push_digits(out, value, if *number == Number::YearDay { 3 } else { 2 }, *fill),
                }
            }
            Part::MonthName(len) => push_name(out, MONTHS[(month - 1) as usize], *len),
            Part::DayName(len) => push_name(out, DAYS[(days + 4).rem_euclid(7) as usize], *len),
            Part::Half(late, early) => out.extend_from_slice(if hour >= 12 { late } else { early }),
            Part::Fraction(mark, digits) => {
                let begin = out.len();
                out.push(*mark);
                push_digits(out, nanos, 9, b'0');
                out.truncate(begin + 1 + *digits);
                let shown = out.iter().skip(begin + 1).rposition(|&digit| digit != b'0');
                out.truncate(shown.map_or(begin, |last| begin + last + 2));
            }
        }
    }
}

fn push_name(out: &mut Vec<u8>, name: &str, len: usize) {
    out.extend_from_slice(name.get(..len).unwrap_or(name).as_bytes());
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    pub(super) fn duration(&self, cell: Cell) -> Done<Cell> {
        let nanos = duration(self.text(cell)?).ok_or(Declined)?;
        Ok(Cell::scalar(kinds::DURATION, nanos))
    }

    pub(super) fn seconds(&self, cell: Cell) -> Done<Cell> {
        if cell.tag != kinds::DURATION {
            return Err(Declined);
        }
        let (size, second) = (cell.bits.unsigned_abs(), SECOND as u64);
        let value = (size / second) as f64 + (size % second) as f64 / 1e9;
        let value = if cell.bits < 0 { -value } else { value };
        Ok(Cell::scalar(tags::DOUBLE, value.to_bits() as i64))
    }

    /// The time at a number of seconds since 1970 and, if there are any, nanoseconds.
    pub(super) fn instant(&self, seconds: Cell, nanos: Option<Cell>) -> Done<Cell> {
        let nanos = nanos.unwrap_or(Cell::scalar(tags::INT, 0));
        if seconds.tag != tags::INT || nanos.tag != tags::INT {
            return Err(Declined);
        }
        if seconds.bits.unsigned_abs() > FAR_SECONDS as u64 || nanos.bits.unsigned_abs() > FAR_NANOS as u64 {
            return Err(Declined);
        }
        Ok(Cell::scalar(kinds::TIME, seconds.bits * SECOND + nanos.bits))
    }

    pub(super) fn read_time(&self, cell: Cell, fixed: &Fixed) -> Done<Cell> {
        let time = fixed.read(self.text(cell)?).ok_or(Declined)?;
        Ok(Cell::scalar(kinds::TIME, time))
    }

    pub(super) fn show_time(&mut self, cell: Cell, parts: &[Part]) -> Done<Cell> {
        if cell.tag != kinds::TIME {
            return Err(Declined);
        }
        self.made(tags::STRING, |_, out| {
            show(parts, cell.bits, out);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for days in -110_000..110_000 {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
    }

    #[test]
    fn durations() {
        for (text, nanos) in
            [("1h2m3.5s", 3_723_500_000_000), ("-1.5µs", -1500), ("0", 0), ("+.5ms", 500_000), ("1.s", SECOND)]
        {
            assert_eq!(duration(text.as_bytes()), Some(nanos), "{text}");
        }
        for text in ["", "-", "1", "1d", ".s", "1s ", "9223372036854775808ns", "3000000h"] {
            assert_eq!(duration(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn fractions_lose_their_zeros() {
        for (nanos, text) in [(120_000_000, ".12"), (0, ""), (1, ""), (999_999_999, ".999")] {
            let mut out = Vec::new();
            show(&[Part::Fraction(b'.', 3)], nanos, &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}

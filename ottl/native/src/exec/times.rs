//! Converters of times and durations, which registers hold in nanoseconds.

use super::calls::{push_digits, push_int};
use super::{kinds, Declined, Done, Failed, Run};
use crate::kernels::dates::{self, date_of, days_of, Layout, Place, DAY, DAYS, MONTHS, SECOND};
use crate::schema::tags;
use crate::values::Cell;

/// Seconds and nanoseconds up to here add up within 64 bits.
const FAR_SECONDS: i64 = 8_000_000_000;
const FAR_NANOS: i64 = 1_000_000_000_000_000_000;

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

/// Offsets are less than this; a flag tells those of zones.
const FARTHEST: i64 = 1 << 20;
const IN_ZONE: u32 = 1 << 31;

/// A time in a register.
fn time_at(time: i64, place: Place) -> Cell {
    match place {
        Place::Utc => Cell::scalar(kinds::TIME, time),
        Place::Away { offset, zone } => {
            let len = (offset + FARTHEST) as u32 | if zone { IN_ZONE } else { 0 };
            Cell { bits: time, len, tag: kinds::TIME_AWAY }
        }
    }
}

/// Where the time in a register is shown; None of anything else.
fn place_of(cell: Cell) -> Option<Place> {
    match cell.tag {
        kinds::TIME => Some(Place::Utc),
        kinds::TIME_AWAY => {
            let offset = i64::from(cell.len & !IN_ZONE) - FARTHEST;
            Some(Place::Away { offset, zone: cell.len & IN_ZONE != 0 })
        }
        _ => None,
    }
}

/// A value for those who look at the instant of a time only.
#[inline(always)]
pub(super) fn instant(cell: Cell) -> Cell {
    if cell.tag == kinds::TIME_AWAY {
        return Cell::scalar(kinds::TIME, cell.bits);
    }
    cell
}

/// A time moved by a duration; in a zone it might then have another offset.
pub(super) fn moved(cell: Cell, bits: i64) -> Done<Cell> {
    match place_of(cell) {
        Some(Place::Away { zone: true, .. }) | None => Err(Declined),
        Some(_) => Ok(Cell { bits, ..cell }),
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

    /// The time by the system's clock.
    pub(super) fn now(&self) -> Done<Cell> {
        Ok(Cell::scalar(kinds::TIME, dates::now().ok_or(Declined)?))
    }

    pub(super) fn read_time(&self, cell: Cell, layout: &Layout) -> Done<Cell> {
        let text = self.text(cell)?;
        let (time, place) = layout.read(text).ok_or_else(|| if layout.fails(text) { Failed } else { Declined })?;
        Ok(time_at(time, place))
    }

    /// A time as text; one away from UTC only where that shows no zone.
    pub(super) fn show_time(&mut self, cell: Cell, parts: &[Part], zone: bool) -> Done<Cell> {
        let time = match place_of(cell).ok_or(Declined)? {
            Place::Utc => cell.bits,
            Place::Away { offset, .. } if !zone => cell.bits.checked_add(offset * SECOND).ok_or(Declined)?,
            Place::Away { .. } => return Err(Declined),
        };
        self.made(tags::STRING, |_, out| {
            show(parts, time, out);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

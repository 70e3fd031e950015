//! Times as texts say them: the calendar, and layouts that texts are read by.
//!
//! A [`Layout`] reads what `stdlib/layouts.py` reads at its first attempt, and at those that follow where an element has blanks
//! before it or is spelled in another way. It gives that time or none: whatever else the text may be is left to the caller.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{each, Arena};

pub const SECOND: i64 = 1_000_000_000;
pub const DAY: i64 = 86_400 * SECOND;
pub const MONTHS: [&str; 12] = [
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
pub const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Years of times that fit 64 bits whatever their zone, and those for which a zone knows its changes.
const YEARS: std::ops::Range<i64> = 1678..2262;
const KNOWN_YEARS: std::ops::Range<i64> = 1900..2100;
const WEEK: i64 = 7 * DAY;

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
pub fn date_of(days: i64) -> (i64, i64, i64) {
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

/// Days since 1970 of a date; a day beyond its month is one of the next month.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)),
        _ => 31,
    }
}

/// The system's clock, in nanoseconds since 1970.
pub fn now() -> Option<i64> {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// A number of one or two digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Month,
    Day,
    Hour,
    /// From 0 to 12.
    HalfHour,
    Minute,
    /// With its fraction, where that is no element of its own.
    Second {
        fraction: bool,
    },
}

/// How the distance from UTC is spelled: whether a Z stands for none, whether there are colons, and of how many numbers it is.
pub type Spelling = (bool, bool, usize);

/// What a text has at some place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    Number(Unit),
    Year,
    /// Two digits, from 1969 on.
    ShortYear,
    /// Four digits, or two.
    AnyYear,
    /// Its first letters, or all.
    Month {
        whole: bool,
    },
    Weekday {
        whole: bool,
    },
    /// What is written of noon and later, and before.
    Half([u8; 2], [u8; 2]),
    Fraction,
    /// The first spelling that fits.
    Offset(Vec<Spelling>),
    /// UTC or GMT.
    Name,
}

/// An element and what stands before it.
#[derive(Debug, Clone)]
pub struct Part {
    pub literal: Vec<u8>,
    pub element: Element,
    /// Whether there may be blanks between the two.
    pub blanks: bool,
}

/// Seconds east of UTC from some instants on, in seconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    pub starts: Vec<i64>,
    pub offsets: Vec<i64>,
}

/// How texts say times.
#[derive(Debug, Clone)]
pub struct Layout {
    pub parts: Vec<Part>,
    /// What stands behind the last element.
    pub rest: Vec<u8>,
    /// That of texts which name none; None for UTC.
    pub zone: Option<Zone>,
}

/// Where a time is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Utc,
    /// At a distance from UTC, which in a zone holds for this time only.
    Away {
        offset: i64,
        zone: bool,
    },
}

/// A time and the place it is shown at.
pub type Moment = (i64, Place);

/// The numbers that a text has named so far.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    late: Option<bool>,
    utc: bool,
    greenwich: bool,
    offset: Option<i64>,
}

impl Zone {
    fn offset_at(&self, seconds: i64) -> i64 {
        let at = self.starts.partition_point(|&start| start <= seconds);
        self.offsets.get(at.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// The offset at what a clock in the zone shows: near a change that which was in force at the first guess, as Go has it.
    fn offset_of(&self, local: i64) -> i64 {
        match self.offset_at(local) {
            0 => 0,
            offset => self.offset_at(local - offset),
        }
    }
}

impl Layout {
    /// Whether a text that was not read is one that nobody reads: a character of the literals is not there, or no digit is.
    #[cold]
    pub fn fails(&self, text: &[u8]) -> bool {
        let numeric = |part: &Part| matches!(part.element, Element::Number(_) | Element::Year | Element::AnyYear);
        if self.parts.iter().any(numeric) && !text.iter().any(u8::is_ascii_digit) {
            return true;
        }
        // A point or comma may belong to a fraction, and a blank may stand for none.
        let literals = self.parts.iter().map(|part| &part.literal).chain([&self.rest]);
        let mut wanted = literals.flatten().filter(|byte| !matches!(byte, b'.' | b',' | b' '));
        let mut rest = text;
        !wanted.all(|wanted| {
            let at = rest.iter().position(|byte| byte == wanted);
            rest = at.and_then(|at| rest.get(at + 1..)).unwrap_or_default();
            at.is_some()
        })
    }

    /// The time that a text says; None for what has to be looked at again.
    pub fn read(&self, mut text: &[u8]) -> Option<Moment> {
        if text.is_empty() {
            return None;
        }
        let mut fields = Fields::default();
        for part in &self.parts {
            skip(&mut text, &part.literal)?;
            if part.blanks {
                while matches!(text.first(), Some(b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')) {
                    text = &text[1..];
                }
            }
            fields.read(&part.element, &mut text)?;
        }
        skip(&mut text, &self.rest)?;
        if text.is_empty() {
            fields.time(self.zone.as_ref())
        } else {
            None
        }
    }
}

/// Takes a literal off a text; a run of blanks stands for any number of them, for none only at the end.
#[inline(always)]
fn skip(text: &mut &[u8], literal: &[u8]) -> Option<()> {
    let mut at = 0;
    while let Some(&wanted) = literal.get(at) {
        if wanted != b' ' {
            *text = text.strip_prefix(&[wanted])?;
            at += 1;
            continue;
        }
        if text.first().is_some_and(|&byte| byte != b' ') {
            return None;
        }
        while literal.get(at) == Some(&b' ') {
            at += 1;
        }
        while let [b' ', rest @ ..] = text {
            *text = rest;
        }
    }
    Some(())
}

#[inline(always)]
fn digit(byte: u8) -> Option<i64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(i64::from(digit))
}

/// Takes a number of exactly so many digits off a text.
#[inline(always)]
fn digits<const N: usize>(text: &mut &[u8]) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<N>()?;
    let mut number = 0;
    for &byte in head {
        number = number * 10 + digit(byte)?;
    }
    *text = rest;
    Some(number)
}

#[inline(always)]
fn one_or_two(text: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = text.split_first()?;
    let first = digit(first)?;
    let (number, rest) = match rest.split_first().map(|(&second, rest)| (digit(second), rest)) {
        Some((Some(second), rest)) => (first * 10 + second, rest),
        _ => (first, rest),
    };
    *text = rest;
    Some(number)
}

/// Takes one of some names off a text, in any case: its first three letters, by which they differ, or all; its number.
#[inline(always)]
fn name(text: &mut &[u8], names: &[&str], whole: bool) -> Option<i64> {
    // Only a letter becomes a small letter by that bit.
    let small = |letters: &[u8; 3]| letters.map(|letter| letter | 0x20);
    let (head, mut rest) = text.split_first_chunk::<3>()?;
    let head = small(head);
    let found = names.iter().position(|name| name.as_bytes().first_chunk().map(small) == Some(head))?;
    if whole {
        let behind = names[found].as_bytes().get(3..)?;
        let (same, after) = rest.split_at_checked(behind.len())?;
        if !same.eq_ignore_ascii_case(behind) {
            return None;
        }
        rest = after;
    }
    *text = rest;
    Some(found as i64)
}

/// The nanoseconds of a fraction, if the text begins with one.
fn fraction(text: &mut &[u8]) -> Option<i64> {
    let [b'.' | b',', rest @ ..] = *text else {
        return None;
    };
    let count = rest.iter().position(|&byte| digit(byte).is_none()).unwrap_or(rest.len());
    if count == 0 {
        return None;
    }
    let (found, behind) = rest.split_at(count);
    *text = behind;
    let mut nanos = 0;
    for at in 0..9 {
        nanos = nanos * 10 + found.get(at).map_or(0, |&byte| i64::from(byte - b'0'));
    }
    Some(nanos)
}

/// Sign and numbers of a distance from UTC, if the text begins with them so spelled.
fn offset(text: &mut &[u8], (_, colons, count): Spelling) -> Option<(bool, [i64; 3])> {
    let (sign, mut rest) = text.split_first()?;
    let mut numbers = [0; 3];
    for (at, number) in numbers.iter_mut().take(count).enumerate() {
        if colons && at > 0 {
            rest = rest.strip_prefix(b":")?;
        }
        *number = digits::<2>(&mut rest)?;
    }
    let negative = match sign {
        b'+' => false,
        b'-' => true,
        _ => return None,
    };
    *text = rest;
    Some((negative, numbers))
}

impl Fields {
    #[inline]
    fn read(&mut self, element: &Element, text: &mut &[u8]) -> Option<()> {
        match element {
            Element::Number(unit) => {
                let number = one_or_two(text)?;
                let (field, range) = match unit {
                    Unit::Month => (self.month.insert(0), 1..=12),
                    Unit::Day => (self.day.insert(0), 1..=31),
                    Unit::Hour => (&mut self.hour, 0..=23),
                    Unit::HalfHour => (&mut self.hour, 0..=12),
                    Unit::Minute => (&mut self.minute, 0..=59),
                    Unit::Second { .. } => (&mut self.second, 0..=59),
                };
                if !range.contains(&number) {
                    return None;
                }
                *field = number;
                if let Unit::Second { fraction: true } = unit {
                    self.nanosecond = fraction(text).unwrap_or(self.nanosecond);
                }
            }
            Element::Year => self.year = Some(digits::<4>(text)?),
            Element::ShortYear => self.year = Some(short_year(text)?),
            Element::AnyYear => self.year = Some(digits::<4>(text).or_else(|| short_year(text))?),
            Element::Month { whole } => self.month = Some(name(text, &MONTHS, *whole)? + 1),
            Element::Weekday { whole } => {
                name(text, &DAYS, *whole)?;
            }
            Element::Half(late, early) => {
                let (found, rest) = text.split_first_chunk::<2>()?;
                if found != late && found != early {
                    return None;
                }
                (self.late, *text) = (Some(found == late), rest);
            }
            Element::Fraction => self.nanosecond = fraction(text).unwrap_or(self.nanosecond),
            Element::Offset(spellings) => self.read_offset(spellings, text)?,
            Element::Name => match *text {
                [b'U', b'T', b'C', rest @ ..] => (self.utc, *text) = (true, rest),
                // With a number behind it is another zone.
                [b'G', b'M', b'T', b'+' | b'-', ..] => return None,
                [b'G', b'M', b'T', rest @ ..] => (self.greenwich, *text) = (true, rest),
                _ => return None,
            },
        }
        Some(())
    }

    fn read_offset(&mut self, spellings: &[Spelling], text: &mut &[u8]) -> Option<()> {
        if let (Some(b'Z'), Some((true, ..))) = (text.first(), spellings.first()) {
            (self.utc, *text) = (true, &text[1..]);
            return Some(());
        }
        let (negative, [hours, minutes, seconds]) = spellings.iter().find_map(|&spelling| offset(text, spelling))?;
        if hours > 24 || minutes > 60 || seconds > 60 {
            return None;
        }
        let distance = hours * 3600 + minutes * 60 + seconds;
        self.offset = Some(if negative { -distance } else { distance });
        Some(())
    }

    /// The time that has been named, in a zone unless the text has named another.
    fn time(&self, zone: Option<&Zone>) -> Option<Moment> {
        let hour = match self.late {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (year, month, day) = (self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        // A year that is not named is a leap year until it is known.
        if day > days_in(year.unwrap_or(0), month) || year.is_some_and(|year| !YEARS.contains(&year)) {
            return None;
        }
        // Which of both zones a year that is not named would be in, a zone says of a year long ago.
        if year.is_none() && self.offset.is_some() && zone.is_some() && !self.utc {
            return None;
        }
        let clock = hour * 3600 + self.minute * 60 + self.second;
        let date = |year, month, day| self.settle(year, days_of(year, month, day) * 86_400 + clock, zone);
        match year {
            Some(year) => date(year, month, day),
            None => in_current_year(month, day, date),
        }
    }

    /// The time at which a clock shows so many seconds since 1970.
    fn settle(&self, year: i64, local: i64, zone: Option<&Zone>) -> Option<Moment> {
        let at = |offset: i64| (local - offset) * SECOND + self.nanosecond;
        let away = |offset, zone| (at(offset), Place::Away { offset, zone });
        match (self.offset, zone) {
            _ if self.utc => Some((at(0), Place::Utc)),
            (Some(0), None) => Some((at(0), Place::Utc)),
            (Some(offset), None) => Some(away(offset, false)),
            _ if zone.is_some() && (!KNOWN_YEARS.contains(&year) || self.greenwich) => None,
            (Some(offset), Some(zone)) => match zone.offset_at(local - offset) {
                found if found == offset => Some(away(offset, true)),
                _ if offset == 0 => Some((at(0), Place::Utc)),
                _ => Some(away(offset, false)),
            },
            (None, Some(zone)) => {
                // A clock that is set forward never shows some times: what is meant by one is shown as another.
                let seconds = local - zone.offset_of(local);
                let offset = zone.offset_at(seconds);
                Some((seconds * SECOND + self.nanosecond, Place::Away { offset, zone: true }))
            }
            (None, None) if self.greenwich => Some(away(0, true)),
            (None, None) => Some((at(0), Place::Utc)),
        }
    }
}

fn short_year(text: &mut &[u8]) -> Option<i64> {
    let year = digits::<2>(text)?;
    Some(if year >= 69 { year + 1900 } else { year + 2000 })
}

/// A date of this year, or of the last where it would lie more than a week ahead; today is that of UTC.
fn in_current_year(month: i64, day: i64, date: impl Fn(i64, i64, i64) -> Option<Moment>) -> Option<Moment> {
    let now = now()?;
    let moved = date(date_of(now.div_euclid(DAY)).0, month, day)?;
    if moved.0 <= now.checked_add(WEEK)? {
        return Some(moved);
    }
    let offset = match moved.1 {
        Place::Utc => 0,
        Place::Away { offset, .. } => offset,
    };
    let (year, month, day) = date_of((moved.0 + offset * SECOND).div_euclid(DAY));
    date(year - 1, month, day)
}

/// The times that texts say, and the rows of those that say none in UTC or are left to the caller.
pub fn read_times<P: AsRef<[u8]>>(
    arena: &Arena<P>,
    layout: &Layout,
    bits: &[i64],
    lens: &[u32],
) -> Result<(Vec<i64>, Vec<bool>), String> {
    let mut found = (Vec::with_capacity(bits.len()), Vec::with_capacity(bits.len()));
    for text in each(arena, bits, lens)? {
        let time = layout.read(text?).filter(|moment| moment.1 == Place::Utc);
        found.0.push(time.map_or(0, |moment| moment.0));
        found.1.push(time.is_none());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for days in -110_000..110_000 {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
            assert!(day <= days_in(year, month));
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
        assert_eq!(date_of(days_of(2023, 2, 29)), (2023, 3, 1));
    }

    #[test]
    fn literals_with_blanks() {
        for (text, literal, rest) in
            [("a  b", "a b", Some("")), ("a", "a ", Some("")), ("ab", "a b", None), (" x", " ", Some("x"))]
        {
            let mut text = text.as_bytes();
            assert_eq!(skip(&mut text, literal.as_bytes()).map(|()| text), rest.map(str::as_bytes));
        }
    }

    #[test]
    fn clocks_that_change() {
        let zone = Zone { starts: vec![i64::MIN, 1_000_000, 2_000_000], offsets: vec![3600, 7200, 3600] };
        for (local, offset) in [(0, 3600), (1_003_599, 3600), (1_007_200, 7200), (2_003_599, 7200), (2_003_600, 3600)] {
            assert_eq!(zone.offset_of(local), offset, "{local}");
        }
    }
}

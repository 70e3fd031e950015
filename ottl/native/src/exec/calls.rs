//! Converters on cells. Each gives what its scalar kernel gives, or declines.

use super::edits::Renamed;
use super::texts::{push_double, Base64, Verb};
use super::times::{instant, Part};
use super::{boolean, kinds, no_text, stored, Declined, Done, Failed, Run, Slot};
use crate::arena::Arena;
use crate::kernels::dates::Layout;
use crate::kernels::parse::{self, Pairs};
use crate::kernels::{self, Algorithm, Pattern, Piece, Replacement, Searcher};
use crate::maps::{self, Keys, START};
use crate::schema::{tags, Values};
use crate::values::{self, Cell};

/// A group of an expression as an entry of a map: number, key, and how its text is read.
pub type Group = (usize, Vec<u8>, Reading);

/// How a captured text becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Text,
    Int,
    Double,
}

/// What a call computes.
#[derive(Debug)]
#[repr(u8)]
pub enum Function {
    /// Whether an expression matches anywhere; nil matches nothing.
    Matches(Pattern),
    Digest(Algorithm),
    Fnv,
    /// All arguments but the first, joined by it.
    Joined,
    StartsWith,
    EndsWith,
    WithoutPrefix,
    WithoutSuffix,
    /// A text without some ASCII characters at its ends.
    Trimmed(Vec<u8>),
    Lower,
    Upper,
    /// Whether the value is of a kind.
    IsKind(u8),
    Length,
    ParseJson,
    ParsePairs(Vec<u8>, Vec<u8>),
    /// The groups of the first match as a map; with `all`, also those that are empty or took no part.
    Captures {
        pattern: Pattern,
        groups: Vec<Group>,
        all: bool,
    },
    /// A duration, or a time since the Unix epoch, in whole units of so many nanoseconds.
    Units {
        kind: u8,
        nanos: i64,
    },
    Integer,
    Float,
    Text,
    /// A body as text.
    BodyText,
    IsEmpty,
    /// Whether an id is all zeros.
    IsZero,
    /// An id in lower-case hexadecimal.
    IdText,
    /// A part of a text; with `whole` without the characters that its bounds cut.
    Substring {
        whole: bool,
    },
    Split,
    /// Where a text or list first has a value.
    Find,
    Contains,
    /// The keys of a map, or its values.
    Parts {
        keys: bool,
    },
    /// The part of a list or map under a key.
    Item,
    List,
    /// A map with these keys.
    Map(Vec<Vec<u8>>),
    Format(Vec<Verb>),
    Hex,
    Murmur3,
    ToBase64(Base64),
    FromBase64(Base64),
    Boolean,
    Identifier {
        kind: u8,
        size: usize,
    },
    Duration,
    Seconds,
    /// The time at seconds, and nanoseconds, since the Unix epoch.
    Instant,
    Now,
    ReadTime(Layout),
    /// A time as text, which may show its zone.
    ShowTime {
        parts: Vec<Part>,
        zone: bool,
    },
    /// A new random identifier.
    Uuid,
}

/// Buffers that calls share.
#[derive(Debug, Default)]
pub struct Scratch {
    /// What searches for expressions, by the address of each.
    searchers: Vec<(usize, Searcher)>,
    pairs: Vec<(usize, Pairs)>,
    /// New keys of maps, by the address of the expression that they come from.
    renamed: Vec<(usize, Renamed)>,
    pub out: Vec<u8>,
    /// What a parser has found: codes of keys, and values.
    pub entries: Vec<(u32, Cell)>,
    /// Random bytes that nobody has had yet: the system is asked for many at once, as a question costs it more than an answer.
    pub random: Vec<[u8; 16]>,
}

impl Scratch {
    /// What searches for an expression with some of its groups, and the buffer.
    pub fn searcher(
        &mut self,
        pattern: &Pattern,
        groups: impl IntoIterator<Item = usize>,
    ) -> (&mut Searcher, &mut Vec<u8>) {
        let id = std::ptr::from_ref(pattern) as usize;
        let at = self.searchers.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            self.searchers.push((id, pattern.searcher(groups)));
            self.searchers.len() - 1
        });
        (&mut self.searchers[at].1, &mut self.out)
    }

    /// What keys become by an expression, as far as that is known.
    pub fn take_renamed(&mut self, pattern: &Pattern) -> Renamed {
        let id = std::ptr::from_ref(pattern) as usize;
        let found = self.renamed.iter_mut().find(|(known, _)| *known == id);
        found.map_or_else(Renamed::default, |(_, renamed)| std::mem::take(renamed))
    }

    /// Keeps that for the next row.
    pub fn give_renamed(&mut self, pattern: &Pattern, renamed: Renamed) {
        let id = std::ptr::from_ref(pattern) as usize;
        match self.renamed.iter_mut().find(|(known, _)| *known == id) {
            Some((_, place)) => *place = renamed,
            None => self.renamed.push((id, renamed)),
        }
    }

    /// Forgets what is known by the codes of keys.
    pub fn forget_keys(&mut self) {
        self.renamed.clear();
    }

    fn pairs(&mut self, delimiter: &Vec<u8>, between: &[u8]) -> Done<(&mut Pairs, &mut Vec<u8>)> {
        let id = std::ptr::from_ref(delimiter) as usize;
        let at = match self.pairs.iter().position(|(known, _)| *known == id) {
            Some(at) => at,
            None => {
                self.pairs.push((id, Pairs::new(delimiter, between)?));
                self.pairs.len() - 1
            }
        };
        Ok((&mut self.pairs[at].1, &mut self.out))
    }
}

/// What `write` makes of a string, as a cell at the end of the arena; it gives the tag, or None for a string declined.
#[inline]
fn written<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    out: &mut Vec<u8>,
    cell: Cell,
    write: impl FnOnce(&[u8], &mut Vec<u8>) -> Option<u8>,
) -> Done<Cell> {
    if cell.tag != tags::STRING {
        return Err(no_text(cell.tag));
    }
    out.clear();
    let tag = write(arena.get(cell.bits, cell.len).ok_or(Declined)?, out).ok_or(Declined)?;
    Ok(Cell::view(tag, arena.add(out), out.len()))
}

/// Whether a text is neither a JSON object nor an array.
#[cold]
fn no_json(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    !matches!(first, Some(b'{' | b'['))
}

/// Most entries that [`entries`] tells apart one by one.
const FEW: usize = 64;

/// What a parser finds in a text, in `scratch.entries`, a key once: the last value counts, or for JSON none may come again. False for
/// a text that has to be written down as a map.
pub fn entries<P: AsRef<[u8]>>(
    function: &Function,
    arena: &mut Arena<P>,
    values: &Values,
    scratch: &mut Scratch,
    cell: Cell,
    keys: &mut Keys,
) -> Done<bool> {
    if cell.tag != tags::STRING {
        return Err(no_text(cell.tag));
    }
    let text = arena.get(cell.bits, cell.len).ok_or(Declined)?;
    let mut found = std::mem::take(&mut scratch.entries);
    found.clear();
    scratch.out.clear();
    let (mut before, mut again) = (START, false);
    let mut each = |key: &[u8], cell: Cell| {
        let code = keys.code_after(before, key);
        before = code;
        match found.iter_mut().take(FEW).find(|known| known.0 == code) {
            Some(known) => (known.1, again) = (cell, true),
            None => found.push((code, cell)),
        }
    };
    let done = match function {
        Function::ParseJson => {
            let end = arena.end();
            parse::json_entries(values, (text, cell.bits), (&mut scratch.out, end), each).filter(|()| !again)
        }
        Function::ParsePairs(delimiter, between) => {
            let end = arena.end();
            let (pairs, out) = scratch.pairs(delimiter, between)?;
            pairs.entries((text, cell.bits), (out, end), each)
        }
        Function::Captures { pattern, groups, all } => {
            let (searcher, _) = scratch.searcher(pattern, groups.iter().map(|group| group.0));
            if searcher.capture(text).ok_or(Declined)? {
                for (group, key, reading) in groups {
                    let (from, to) = searcher.group(*group).unwrap_or((0, 0));
                    if *all || from < to {
                        let text = text.get(from..to).ok_or(Declined)?;
                        each(key, reading.cell(text, cell.bits + from as i64).ok_or(Declined)?);
                    }
                }
            }
            Some(())
        }
        _ => None,
    };
    let done = done.is_some() && found.len() < FEW;
    scratch.entries = found;
    arena.add(&scratch.out);
    Ok(done)
}

impl Reading {
    /// A captured text, which lies at a place of the arena, as a value.
    fn cell(self, text: &[u8], begin: i64) -> Option<Cell> {
        match self {
            Reading::Text => Some(Cell::view(tags::STRING, begin, text.len())),
            Reading::Int => Some(Cell::scalar(tags::INT, plain_int(text)?)),
            Reading::Double => Some(Cell::scalar(tags::DOUBLE, plain_double(text)?.to_bits() as i64)),
        }
    }
}

/// A string with all matches replaced; None where it stays as it is.
pub fn replaced<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    (searcher, out): (&mut Searcher, &mut Vec<u8>),
    template: &[Piece],
    longest: usize,
    cell: Cell,
) -> Done<Option<Cell>> {
    out.clear();
    match searcher.replace(arena.get(cell.bits, cell.len).ok_or(Declined)?, template, longest, out) {
        Replacement::Made => Ok(Some(Cell::view(tags::STRING, arena.add(out), out.len()))),
        Replacement::None => Ok(None),
        Replacement::Declined => Err(Declined),
    }
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    /// The result of a call.
    #[inline]
    pub(super) fn call(&mut self, function: &Function, arguments: &[Slot]) -> Done<Cell> {
        let argument = |number: usize| arguments.get(number).map_or(Cell::EMPTY, |&slot| self.get(slot));
        let first = argument(0);
        match function {
            Function::Matches(pattern) => {
                if first.tag == tags::EMPTY {
                    return Ok(boolean(false));
                }
                if first.tag != tags::STRING {
                    return Err(Declined);
                }
                let text = self.arena.get(first.bits, first.len).ok_or(Declined)?;
                self.state.scratch.searcher(pattern, []).0.is_match(text).map(boolean).ok_or(Declined)
            }
            Function::Digest(algorithm) => written(self.arena, &mut self.state.scratch.out, first, |text, out| {
                kernels::push_digest(*algorithm, text, out);
                Some(tags::STRING)
            }),
            Function::Fnv => Ok(Cell::scalar(tags::INT, kernels::fnv1a(self.text(first)?))),
            Function::Joined => self.joined(arguments),
            Function::StartsWith => Ok(boolean(self.text(first)?.starts_with(self.text(argument(1))?))),
            Function::EndsWith => Ok(boolean(self.text(first)?.ends_with(self.text(argument(1))?))),
            Function::WithoutPrefix => {
                let part = self.text(argument(1))?;
                if !self.text(first)?.starts_with(part) {
                    return Ok(first);
                }
                Ok(Cell::view(tags::STRING, first.bits + part.len() as i64, first.len as usize - part.len()))
            }
            Function::WithoutSuffix => {
                let part = self.text(argument(1))?;
                let cut = if self.text(first)?.ends_with(part) { part.len() } else { 0 };
                Ok(Cell::view(tags::STRING, first.bits, first.len as usize - cut))
            }
            Function::Trimmed(characters) => {
                let text = self.text(first)?;
                let stays = |byte: &u8| !characters.contains(byte);
                let begin = text.iter().position(stays).unwrap_or(text.len());
                let end = text.iter().rposition(stays).map_or(begin, |last| last + 1);
                Ok(Cell::view(tags::STRING, first.bits + begin as i64, end - begin))
            }
            Function::Lower => self.cased(first, u8::is_ascii_uppercase, |text| text.make_ascii_lowercase()),
            Function::Upper => self.cased(first, u8::is_ascii_lowercase, |text| text.make_ascii_uppercase()),
            Function::IsKind(tag) => Ok(boolean(stored(first).tag == *tag)),
            Function::Length => match first.tag {
                tags::STRING | tags::BYTES => Ok(Cell::scalar(tags::INT, i64::from(first.len))),
                tags::LIST | tags::MAP | kinds::TEXTS | kinds::RAW => {
                    let cell = stored(first);
                    Ok(Cell::scalar(tags::INT, maps::child_count(self.arena, &self.values, cell)?))
                }
                _ => Err(Declined),
            },
            Function::ParseJson => {
                let (values, out) = (&self.values, &mut self.state.scratch.out);
                let made = written(self.arena, out, first, |text, out| parse::json_text(values, text, out));
                made.map_err(|refusal| if self.text(first).is_ok_and(no_json) { Failed } else { refusal })
            }
            Function::ParsePairs(delimiter, between) => {
                let (pairs, out) = self.state.scratch.pairs(delimiter, between)?;
                let values = &self.values;
                let made = written(self.arena, out, first, |text, out| pairs.parse(values, text, out));
                let text = self.arena.get(first.bits, first.len).filter(|_| first.tag == tags::STRING);
                made.map_err(|refusal| if text.is_some_and(|text| pairs.fails(text)) { Failed } else { refusal })
            }
            Function::Captures { pattern, groups, all } => self.captures(first, pattern, groups, *all),
            Function::Units { kind, nanos } => {
                if instant(first).tag != *kind {
                    return Err(Declined);
                }
                Ok(Cell::scalar(tags::INT, first.bits / nanos))
            }
            Function::Integer => self.integer(first),
            Function::Float => self.float(first),
            Function::Text => self.shown(first),
            Function::BodyText => self.text_of(first),
            Function::IsEmpty => self.is_empty(first).map(boolean),
            Function::IsZero => self.is_zero(first).map(boolean),
            Function::IdText => self.id_text(first),
            Function::Substring { whole } => self.substring(first, argument(1), argument(2), *whole),
            Function::Split => self.split(first, argument(1)),
            Function::Find => self.find(first, argument(1)),
            Function::Contains => self.contains(first, argument(1)),
            Function::Parts { keys } => self.parts(first, *keys),
            Function::Item => self.item(first, argument(1)),
            Function::List => self.list(arguments),
            Function::Map(names) => self.map(names, arguments),
            Function::Format(verbs) => self.format(verbs, arguments),
            Function::Hex => self.hex(first),
            Function::Murmur3 => self.murmur3(first),
            Function::ToBase64(alphabet) => self.base64_of(first, *alphabet),
            Function::FromBase64(alphabet) => self.text_of_base64(first, *alphabet),
            Function::Boolean => self.truth_of(first),
            Function::Identifier { kind, size } => self.identifier(first, *kind, *size),
            Function::Duration => self.duration(first),
            Function::Seconds => self.seconds(first),
            Function::Instant => self.instant(first, arguments.get(1).map(|&slot| self.get(slot))),
            Function::Now => self.now(),
            Function::ReadTime(layout) => self.read_time(first, layout),
            Function::ShowTime { parts, zone } => self.show_time(first, parts, *zone),
            Function::Uuid => self.uuid(),
        }
    }

    fn joined(&mut self, arguments: &[Slot]) -> Done<Cell> {
        let (&between, parts) = arguments.split_first().ok_or(Declined)?;
        let between = self.get(between);
        let mut out = std::mem::take(&mut self.state.scratch.out);
        out.clear();
        let joined = self.join(between, parts, &mut out);
        let cell = joined.map(|()| Cell::view(tags::STRING, self.arena.add(&out), out.len()));
        self.state.scratch.out = out;
        cell
    }

    fn join(&self, between: Cell, parts: &[Slot], out: &mut Vec<u8>) -> Done<()> {
        let between = self.text(between)?;
        for (number, &part) in parts.iter().enumerate() {
            if number > 0 {
                out.extend_from_slice(between);
            }
            if out.len() > self.room.longest {
                return Err(Declined);
            }
            let cell = self.get(part);
            match cell.tag {
                tags::STRING => out.extend_from_slice(self.text(cell)?),
                tags::EMPTY => out.extend_from_slice(b"<nil>"),
                tags::BOOL => out.extend_from_slice(if cell.bits != 0 { b"true" } else { b"false" }),
                tags::INT => push_int(out, cell.bits),
                tags::DOUBLE => push_double(out, f64::from_bits(cell.bits as u64))?,
                _ => return Err(Declined),
            }
        }
        if out.len() > self.room.longest {
            return Err(Declined);
        }
        Ok(())
    }

    fn integer(&self, cell: Cell) -> Done<Cell> {
        let number = match cell.tag {
            tags::INT | tags::EMPTY => return Ok(cell),
            tags::BOOL => cell.bits,
            tags::DOUBLE => {
                let number = f64::from_bits(cell.bits as u64);
                // What does not fit becomes the least integer, as on the reference's machines.
                if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
                    number as i64
                } else {
                    i64::MIN
                }
            }
            _ => {
                let text = self.text(cell)?;
                let foreign = |byte: &u8| !(byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
                let hopeless = text.is_empty() || text.iter().any(foreign);
                plain_int(text).ok_or(if hopeless { Failed } else { Declined })?
            }
        };
        Ok(Cell::scalar(tags::INT, number))
    }

    fn float(&self, cell: Cell) -> Done<Cell> {
        let number = match cell.tag {
            tags::DOUBLE | tags::EMPTY => return Ok(cell),
            tags::BOOL | tags::INT => cell.bits as f64,
            _ => plain_double(self.text(cell)?).ok_or(Declined)?,
        };
        Ok(Cell::scalar(tags::DOUBLE, number.to_bits() as i64))
    }

    fn shown(&mut self, cell: Cell) -> Done<Cell> {
        let out = &mut self.state.scratch.out;
        out.clear();
        match cell.tag {
            tags::STRING | tags::EMPTY => return Ok(cell),
            tags::BOOL => out.extend_from_slice(if cell.bits != 0 { b"true" } else { b"false" }),
            tags::INT => push_int(out, cell.bits),
            tags::DOUBLE => push_double(out, f64::from_bits(cell.bits as u64))?,
            _ => return Err(Declined),
        }
        Ok(Cell::view(tags::STRING, self.arena.add(out), out.len()))
    }

    fn is_empty(&self, cell: Cell) -> Done<bool> {
        match cell.tag {
            tags::EMPTY => Ok(true),
            tags::STRING | tags::BYTES | kinds::TEXTS | kinds::RAW => Ok(cell.len == 0),
            tags::BOOL | tags::INT | kinds::DURATION => Ok(cell.bits == 0),
            tags::DOUBLE => Ok(f64::from_bits(cell.bits as u64) == 0.0),
            tags::LIST | tags::MAP => Ok(maps::child_count(self.arena, &self.values, cell)? == 0),
            _ => self.is_zero(cell),
        }
    }

    fn is_zero(&self, cell: Cell) -> Done<bool> {
        if !matches!(cell.tag, kinds::TRACE_ID | kinds::SPAN_ID) {
            return Err(Declined);
        }
        Ok(self.arena.get(cell.bits, cell.len).ok_or(Declined)?.iter().all(|&byte| byte == 0))
    }

    fn id_text(&mut self, cell: Cell) -> Done<Cell> {
        let size = match cell.tag {
            kinds::TRACE_ID => 16,
            kinds::SPAN_ID => 8,
            _ => return Err(Declined),
        };
        let out = &mut self.state.scratch.out;
        out.clear();
        if cell.len == 0 {
            out.resize(2 * size, b'0');
        } else {
            kernels::push_hex(self.arena.get(cell.bits, cell.len).ok_or(Declined)?, out);
        }
        Ok(Cell::view(tags::STRING, self.arena.add(out), out.len()))
    }

    fn cased(&mut self, cell: Cell, other: fn(&u8) -> bool, change: fn(&mut [u8])) -> Done<Cell> {
        let text = self.text(cell)?;
        if !text.is_ascii() {
            return Err(Declined);
        }
        if !text.iter().any(other) {
            return Ok(cell);
        }
        let begin = self.arena.copy(cell.bits, cell.len).ok_or(Declined)?;
        let from = self.arena.extra.len() - cell.len as usize;
        change(self.arena.extra.get_mut(from..).ok_or(Declined)?);
        Ok(Cell::view(tags::STRING, begin, cell.len as usize))
    }

    fn captures(&mut self, cell: Cell, pattern: &Pattern, groups: &[Group], all: bool) -> Done<Cell> {
        let (searcher, out) = self.state.scratch.searcher(pattern, groups.iter().map(|group| group.0));
        let values = &self.values;
        written(self.arena, out, cell, |text, out| {
            if !searcher.capture(text)? {
                return Some(tags::MAP);
            }
            for (group, key, reading) in groups {
                let found = searcher.group(*group).and_then(|(from, to)| text.get(from..to)).unwrap_or_default();
                if !all && found.is_empty() {
                    continue;
                }
                let value = reading.cell(found, 0)?;
                values::put_pair(out, values, u32::from(values.map_values), key, value, found, None);
            }
            Some(tags::MAP)
        })
    }
}

/// Digits, few enough to fit, with or without a minus.
fn plain_int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some(if digits.len() < text.len() { -number } else { number })
}

/// A decimal number without an exponent.
fn plain_double(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, part) = match digits.iter().position(|&byte| byte == b'.') {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &b"0"[..]),
    };
    let plain = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !plain(whole) || !plain(part) || text.len() > 300 {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn push_int(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number that is not negative, filled up at its left.
pub(super) fn push_digits(out: &mut Vec<u8>, number: i64, width: usize, fill: u8) {
    let begin = out.len();
    push_int(out, number);
    let missing = width.saturating_sub(out.len() - begin);
    if missing > 0 {
        out.splice(begin..begin, std::iter::repeat_n(fill, missing));
    }
}

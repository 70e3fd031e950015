//! Texts to encoded maps and lists, and columns of cells to them: JSON, pairs of keys and values, captures.
//!
//! What a text says is written down at once as the body of a list or map, without a tree between. A text that is unusual in any
//! way (an error, a repeated key, deep nesting) is declined: the caller's scalar way says what it means.

use std::hash::Hasher;

use memchr::memmem::Finder;
use rustc_hash::FxHasher;

use super::{each, Views};
use crate::arena::Arena;
use crate::maps::decode_map;
use crate::schema::{tags, Values};
use crate::values::{self, Cell, CellVec, Cells};
use crate::wire;

/// Lists and maps inside each other that a kernel reads or writes; deeper ones are the caller's.
pub const DEEPEST: usize = 20;

/// Pairs of one text: each is compared with all before it.
const MOST_PAIRS: usize = 256;

/// Results of texts, and the rows declined.
#[derive(Debug, Default)]
pub struct Parsed {
    pub cells: CellVec,
    pub declined: Vec<u32>,
}

/// Writes one result a row at the end of the arena.
fn parse_each<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    (bits, lens): (&[i64], &[u32]),
    mut parse: impl FnMut(&[u8], &mut Vec<u8>) -> Option<u8>,
) -> Result<Parsed, String> {
    let mut parsed = Parsed { cells: CellVec::with_capacity(bits.len()), declined: Vec::new() };
    let base = arena.end();
    let mut out = Vec::new();
    for (row, text) in each(arena, bits, lens)?.enumerate() {
        let begin = out.len();
        match parse(text?, &mut out) {
            Some(tag) => parsed.cells.push(Cell::view(tag, base + begin as i64, out.len() - begin)),
            None => {
                out.truncate(begin);
                parsed.declined.push(row as u32);
                parsed.cells.push(Cell::EMPTY);
            }
        }
    }
    arena.add(&out);
    Ok(parsed)
}

/// JSON objects and arrays as map and list cells; all numbers are floats.
pub fn json<P: AsRef<[u8]>>(arena: &mut Arena<P>, values: &Values, texts: (&[i64], &[u32])) -> Result<Parsed, String> {
    parse_each(arena, texts, |text, out| json_text(values, text, out))
}

/// Appends the body of the map or list that a text says, and gives its tag; None, with anything appended, for a text declined.
pub fn json_text(values: &Values, text: &[u8], out: &mut Vec<u8>) -> Option<u8> {
    std::str::from_utf8(text).ok()?;
    let mut json = Json { text, at: 0, values, out };
    let tag = json.document()?;
    json.blanks();
    (json.at == text.len()).then_some(tag)
}

/// Hands out the entries of the JSON object that a text says, without writing it down as a whole: strings are views on the text,
/// which lies at `base` of the arena, and what has to be written goes to `out`, which will lie at `end`. None for a text that is
/// unusual in any way; some entries may then have been handed out.
pub fn json_entries(
    values: &Values,
    (text, base): (&[u8], i64),
    (out, end): (&mut Vec<u8>, i64),
    mut each: impl FnMut(&[u8], Cell),
) -> Option<()> {
    std::str::from_utf8(text).ok()?;
    let mut json = Json { text, at: 0, values, out };
    if json.blanks() != b'{' {
        return None;
    }
    json.at += 1;
    if json.blanks() == b'}' {
        json.at += 1;
    } else {
        loop {
            if json.blanks() != b'"' {
                return None;
            }
            let (begin, len) = json.plain_string()?;
            if json.blanks() != b':' {
                return None;
            }
            json.at += 1;
            let cell = json.cell(base, end)?;
            each(text.get(begin..begin + len)?, cell);
            if json.ends(b'}')? {
                break;
            }
        }
    }
    json.blanks();
    (json.at == text.len()).then_some(())
}

struct Json<'a> {
    text: &'a [u8],
    at: usize,
    values: &'a Values,
    out: &'a mut Vec<u8>,
}

impl Json<'_> {
    fn blanks(&mut self) -> u8 {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    fn document(&mut self) -> Option<u8> {
        let first = self.blanks();
        self.at += 1;
        match first {
            b'{' => self.map(1).map(|()| tags::MAP),
            b'[' => self.list(1).map(|()| tags::LIST),
            _ => None,
        }
    }

    /// A tag, and one byte for the length that `close` fills in.
    fn open(&mut self, number: u8) -> usize {
        wire::put_tag(self.out, u32::from(number), wire::LEN);
        self.out.push(0);
        self.out.len()
    }

    fn close(&mut self, begin: usize) {
        let len = self.out.len() - begin;
        if len < 128 {
            self.out[begin - 1] = len as u8;
            return;
        }
        let mut head = Vec::with_capacity(10);
        wire::put_varint(&mut head, len as u64);
        self.out.splice(begin - 1..begin, head);
    }

    /// The body of a KeyValueList, behind the opening bracket.
    fn map(&mut self, depth: usize) -> Option<()> {
        if self.blanks() == b'}' {
            self.at += 1;
            return Some(());
        }
        let mut seen: Vec<u64> = Vec::with_capacity(16);
        loop {
            if self.blanks() != b'"' {
                return None;
            }
            let pair = self.open(self.values.map_values);
            let key = self.open(self.values.key);
            self.string()?;
            let mut hasher = FxHasher::default();
            hasher.write(&self.out[key..]);
            seen.push(hasher.finish());
            if self.out.len() == key {
                self.out.truncate(pair);
            } else {
                self.close(key);
            }
            if self.blanks() != b':' {
                return None;
            }
            self.at += 1;
            let value = self.open(self.values.value);
            self.value(depth)?;
            self.close(value);
            self.close(pair);
            if self.ends(b'}')? {
                break;
            }
        }
        seen.sort_unstable();
        seen.windows(2).all(|two| two[0] != two[1]).then_some(())
    }

    /// The body of an ArrayValue, behind the opening bracket.
    fn list(&mut self, depth: usize) -> Option<()> {
        if self.blanks() == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            let item = self.open(self.values.array_values);
            self.value(depth)?;
            self.close(item);
            if self.ends(b']')? {
                return Some(());
            }
        }
    }

    /// Reads a comma (false) or the closing bracket (true).
    fn ends(&mut self, closing: u8) -> Option<bool> {
        let found = self.blanks();
        self.at += 1;
        (found == b',' || found == closing).then_some(found == closing)
    }

    fn member(&self, tag: u8) -> u8 {
        self.values.members[usize::from(tag)]
    }

    /// A string without escapes: where its characters begin, and how many bytes they have.
    fn plain_string(&mut self) -> Option<(usize, usize)> {
        let begin = self.at + 1;
        let len = self.text.get(begin..)?.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        if self.text[begin + len] != b'"' {
            return None;
        }
        self.at = begin + len + 1;
        Some((begin, len))
    }

    /// A value of the outermost object as a cell.
    fn cell(&mut self, base: i64, end: i64) -> Option<Cell> {
        let before = self.out.len();
        let tag = match self.blanks() {
            b'"' => {
                if let Some((begin, len)) = self.plain_string() {
                    return Some(Cell::view(tags::STRING, base + begin as i64, len));
                }
                self.string()?;
                tags::STRING
            }
            b'{' => {
                self.at += 1;
                self.map(2)?;
                tags::MAP
            }
            b'[' => {
                self.at += 1;
                self.list(2)?;
                tags::LIST
            }
            b't' => return self.word(b"true", Cell::scalar(tags::BOOL, 1)),
            b'f' => return self.word(b"false", Cell::scalar(tags::BOOL, 0)),
            b'n' => return self.word(b"null", Cell::EMPTY),
            _ => return Some(Cell::scalar(tags::DOUBLE, self.number()?.to_bits() as i64)),
        };
        Some(Cell::view(tag, end + before as i64, self.out.len() - before))
    }

    /// The body of an AnyValue.
    fn value(&mut self, depth: usize) -> Option<()> {
        let first = self.blanks();
        match first {
            b'"' => {
                let text = self.open(self.member(tags::STRING));
                self.string()?;
                self.close(text);
            }
            b'{' | b'[' => {
                if depth >= DEEPEST {
                    return None;
                }
                self.at += 1;
                let tag = if first == b'{' { tags::MAP } else { tags::LIST };
                let body = self.open(self.member(tag));
                if first == b'{' {
                    self.map(depth + 1)?;
                } else {
                    self.list(depth + 1)?;
                }
                self.close(body);
            }
            b't' | b'f' | b'n' => {
                let cell = match first {
                    b't' => self.word(b"true", Cell::scalar(tags::BOOL, 1))?,
                    b'f' => self.word(b"false", Cell::scalar(tags::BOOL, 0))?,
                    _ => self.word(b"null", Cell::EMPTY)?,
                };
                values::put_any(self.out, self.values, cell, &[]);
            }
            _ => {
                let number = self.number()?;
                values::put_any(self.out, self.values, Cell::scalar(tags::DOUBLE, number.to_bits() as i64), &[]);
            }
        }
        Some(())
    }

    fn word(&mut self, word: &[u8], cell: Cell) -> Option<Cell> {
        let found = self.text.get(self.at..self.at + word.len())?;
        self.at += word.len();
        (found == word).then_some(cell)
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - begin
    }

    fn number(&mut self) -> Option<f64> {
        let begin = self.at;
        self.at += usize::from(self.text.get(self.at) == Some(&b'-'));
        let whole = self.at;
        let count = self.digits();
        if count == 0 || (count > 1 && self.text[whole] == b'0') {
            return None;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        } else if count <= 15 && whole == begin && !matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            let digits = &self.text[begin..self.at];
            return Some(digits.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0')) as f64);
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return None;
            }
        }
        let number: f64 = std::str::from_utf8(&self.text[begin..self.at]).ok()?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// The characters of a string, from its opening quote to behind the closing one.
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..)?;
            let plain = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
            self.out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let letter = *self.text.get(self.at)?;
        self.at += 1;
        let byte = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.hex()?;
                if (0xd800..0xdc00).contains(&code) {
                    if self.text.get(self.at..self.at + 2)? != b"\\u" {
                        return None;
                    }
                    self.at += 2;
                    let low = self.hex()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return None;
                    }
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                let mut buffer = [0; 4];
                self.out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buffer).as_bytes());
                return Some(());
            }
            _ => return None,
        };
        self.out.push(byte);
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
    }
}

/// Pairs of keys and values, with quotes, as map cells; see the scalar kernel of `ParseKeyValue` for the rules.
pub fn pairs<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    values: &Values,
    texts: (&[i64], &[u32]),
    delimiter: &[u8],
    pair_delimiter: &[u8],
) -> Result<Parsed, String> {
    let mut pairs = Pairs::new(delimiter, pair_delimiter)?;
    parse_each(arena, texts, |text, out| pairs.parse(values, text, out))
}

/// A parser of pairs, with its buffers.
#[derive(Debug)]
pub struct Pairs {
    between: Finder<'static>,
    after: Finder<'static>,
    /// Whether delimiters stand between characters: they are no parts of one.
    whole: bool,
    unquoted: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Pairs {
    /// A parser for these delimiters.
    ///
    /// # Errors
    /// One of them is empty.
    pub fn new(delimiter: &[u8], pair_delimiter: &[u8]) -> Result<Pairs, String> {
        if delimiter.is_empty() || pair_delimiter.is_empty() {
            return Err("a delimiter is empty".into());
        }
        let finder = |delimiter| Finder::new(delimiter).into_owned();
        let (between, after) = (finder(delimiter), finder(pair_delimiter));
        let whole = [delimiter, pair_delimiter].iter().all(|text| std::str::from_utf8(text).is_ok());
        Ok(Pairs { between, after, whole, unquoted: Vec::new(), places: Vec::new() })
    }

    /// Divides a text at the delimiters of pairs; true if it had quotes, so that the pairs lie in `unquoted`, else in the text.
    /// `places` are their bounds. None for a text declined.
    fn divide(&mut self, text: &[u8]) -> Option<bool> {
        self.unquoted.clear();
        self.places.clear();
        let known = text.is_ascii() || (self.whole && std::str::from_utf8(text).is_ok());
        if text.is_empty() || !known {
            return None;
        }
        if text.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'\\' | 0)) {
            unquote(text, self.after.needle(), &mut self.unquoted, &mut self.places)?;
            return Some(true);
        }
        let mut begin = 0;
        while begin < text.len() {
            let rest = text.get(begin..).unwrap_or_default();
            let end = begin + self.after.find(rest).unwrap_or(rest.len());
            if end > begin {
                self.places.push((begin, end));
            }
            begin = end + self.after.needle().len();
        }
        Some(false)
    }

    /// Whether a text that is not taken is one that the function fails on for certain.
    #[cold]
    pub fn fails(&mut self, text: &[u8]) -> bool {
        if text.is_empty() || !text.is_ascii() {
            return text.is_empty();
        }
        let Some(quoted) = self.divide(text) else {
            return true;
        };
        let source = if quoted { self.unquoted.as_slice() } else { text };
        let mut pairs = self.places.iter().map(|&(from, to)| source.get(from..to).unwrap_or_default());
        pairs.any(|pair| self.between.find(pair).is_none())
    }

    /// Hands out the entries of the map that a text says, which lies at `base` of the arena; a key may come again. Values are views on
    /// the text, or on what is appended to `out`, which will lie at `end`. None for a text declined; some entries may then have been
    /// handed out.
    pub fn entries(
        &mut self,
        (text, base): (&[u8], i64),
        (out, end): (&mut Vec<u8>, i64),
        mut each: impl FnMut(&[u8], Cell),
    ) -> Option<()> {
        let quoted = self.divide(text)?;
        let (source, base) = if quoted { (self.unquoted.as_slice(), end) } else { (text, base) };
        for &(from, to) in &self.places {
            let pair = source.get(from..to)?;
            let middle = self.between.find(pair)?;
            let second = middle + self.between.needle().len();
            let value = stripped(&pair[second..]);
            let blanks = value.as_ptr() as usize - pair.as_ptr() as usize;
            each(stripped(&pair[..middle]), Cell::view(tags::STRING, base + (from + blanks) as i64, value.len()));
        }
        if quoted {
            out.extend_from_slice(&self.unquoted);
        }
        Some(())
    }

    /// Appends the body of the map that a text says, and gives its tag; None for a text declined.
    pub fn parse(&mut self, values: &Values, text: &[u8], out: &mut Vec<u8>) -> Option<u8> {
        let quoted = self.divide(text)?;
        let source = if quoted { self.unquoted.as_slice() } else { text };
        if self.places.len() > MOST_PAIRS {
            return None;
        }
        let mut found: Vec<(&[u8], &[u8])> = Vec::with_capacity(self.places.len());
        for &(from, to) in &self.places {
            let pair = source.get(from..to)?;
            let middle = self.between.find(pair)?;
            let (key, value) = (stripped(&pair[..middle]), stripped(&pair[middle + self.between.needle().len()..]));
            match found.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => found.push((key, value)),
            }
        }
        for (key, value) in found {
            let cell = Cell::view(tags::STRING, 0, value.len());
            values::put_pair(out, values, u32::from(values.map_values), key, cell, value, None);
        }
        Some(tags::MAP)
    }
}

/// The pairs of a text without the quotes that protect delimiters, one after the other, and the bounds of each; None for a quote
/// without end.
fn unquote(text: &[u8], delimiter: &[u8], out: &mut Vec<u8>, places: &mut Vec<(usize, usize)>) -> Option<()> {
    let (mut quote, mut escaped, mut at, mut begin) = (0, false, 0, 0);
    while let Some(&byte) = text.get(at) {
        if quote == 0 && delimiter.first() == Some(&byte) && text[at..].starts_with(delimiter) {
            if out.len() > begin {
                places.push((begin, out.len()));
                begin = out.len();
            }
            at += delimiter.len();
            continue;
        }
        at += 1;
        if escaped {
            escaped = false;
        } else if quote == 0 && (byte == b'"' || byte == b'\'') {
            quote = byte;
            continue;
        } else if byte == quote {
            // Outside of quotes this drops a NUL.
            quote = 0;
            continue;
        } else {
            escaped = byte == b'\\';
        }
        out.push(byte);
    }
    if out.len() > begin {
        places.push((begin, out.len()));
    }
    (quote == 0).then_some(())
}

/// A text without the blanks at its ends, those of Unicode too.
fn stripped(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let begin = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(begin, |last| last + 1);
    let text = &text[begin..end];
    if text.first().is_none_or(u8::is_ascii) && text.last().is_none_or(u8::is_ascii) {
        return text;
    }
    std::str::from_utf8(text).map_or(text, |text| text.trim().as_bytes())
}

/// One column of the values that `maps` and `lists` put together: cells, and where there is one.
pub type Part<'a> = (Cells<'a>, Option<&'a [bool]>);

/// A map a row, of the same keys in the same order; columns hold no lists or maps.
pub fn maps<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    values: &Values,
    names: &[Vec<u8>],
    parts: &[Part],
    count: usize,
) -> Result<Views, String> {
    assemble(arena, parts, count, |out, part, cell, bytes| {
        let name = names.get(part).map(Vec::as_slice).unwrap_or_default();
        values::put_pair(out, values, u32::from(values.map_values), name, cell, bytes, None);
    })
}

/// A list a row; columns hold no lists or maps.
pub fn lists<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    values: &Values,
    parts: &[Part],
    count: usize,
) -> Result<Views, String> {
    assemble(arena, parts, count, |out, _, cell, bytes| put_item(out, values, cell, bytes))
}

/// The keys, or the values, of map cells as list cells.
pub fn keys_or_values<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    values: &Values,
    (bits, lens): (&[i64], &[u32]),
    keys: bool,
) -> Result<Views, String> {
    if bits.len() != lens.len() {
        return Err("bits and lens differ in length".into());
    }
    let base = arena.end();
    let mut out = Vec::new();
    let mut found: Views = (Vec::with_capacity(bits.len()), Vec::with_capacity(bits.len()));
    for (&begin, &len) in bits.iter().zip(lens) {
        let start = out.len();
        put_parts(&mut out, arena, values, (begin, len), keys)?;
        found.0.push(base + start as i64);
        found.1.push(u32::try_from(out.len() - start).map_err(|_| "a value is too long")?);
    }
    arena.add(&out);
    Ok(found)
}

/// Appends the keys, or the values, of a map cell as elements of a list.
pub fn put_parts<P: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    arena: &Arena<P>,
    values: &Values,
    (begin, len): (i64, u32),
    keys: bool,
) -> Result<(), String> {
    decode_map(arena, values, begin, len, |key, cell| {
        if keys {
            put_item(out, values, Cell::view(tags::STRING, 0, key.len()), key);
        } else if cell.tag == tags::STRING_INDEX {
            put_item(out, values, Cell::EMPTY, &[]);
        } else {
            put_item(out, values, cell, arena.cell(cell).unwrap_or_default());
        }
    })
}

/// Appends an element of a list.
pub fn put_item(out: &mut Vec<u8>, values: &Values, cell: Cell, bytes: &[u8]) {
    wire::put_tag(out, u32::from(values.array_values), wire::LEN);
    wire::put_varint(out, values::any_len(cell) as u64);
    values::put_any(out, values, cell, bytes);
}

fn assemble<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    parts: &[Part],
    count: usize,
    mut put: impl FnMut(&mut Vec<u8>, usize, Cell, &[u8]),
) -> Result<Views, String> {
    let base = arena.end();
    let mut out = Vec::new();
    let (mut bits, mut lens) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for row in 0..count {
        let begin = out.len();
        for (number, (cells, present)) in parts.iter().enumerate() {
            if present.is_none_or(|present| present.get(row).copied().unwrap_or(false)) {
                let cell = cells.get(row);
                put(&mut out, number, cell, arena.cell(cell)?);
            }
        }
        bits.push(base + begin as i64);
        lens.push(u32::try_from(out.len() - begin).map_err(|_| "a value is too long")?);
    }
    arena.add(&out);
    Ok((bits, lens))
}

/// Strings joined row by row; a column of one string stands for every row.
pub fn concat<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    columns: &[(&[i64], &[u32])],
    delimiter: &[u8],
    count: usize,
) -> Result<Views, String> {
    for (bits, lens) in columns {
        if bits.len() != lens.len() || (bits.len() != count && bits.len() != 1) {
            return Err(format!("expected {count} strings or one, got {} and {}", bits.len(), lens.len()));
        }
    }
    let base = arena.end();
    let mut out = Vec::new();
    let (mut bits, mut lens) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for row in 0..count {
        let begin = out.len();
        for (number, (begins, sizes)) in columns.iter().enumerate() {
            if number > 0 {
                out.extend_from_slice(delimiter);
            }
            let at = if begins.len() == 1 { 0 } else { row };
            out.extend_from_slice(arena.bytes(begins[at], sizes[at])?);
        }
        bits.push(base + begin as i64);
        lens.push(u32::try_from(out.len() - begin).map_err(|_| "a value is too long")?);
    }
    arena.add(&out);
    Ok((bits, lens))
}

//! Kernels over columns of string views: hashes, regular expressions, and what a string is made of.
//!
//! Each takes a batch and views `bits int64 (n,)`, `lens uint32 (n,)`; results that are strings are views again, on bytes added
//! to the batch's arena. A kernel that cannot answer for a row as the reference would (a text that is not UTF-8, a result that
//! is too long) says so in a mask and leaves the row to the caller's scalar way.

use md5::Md5;
use regex::CaptureLocations;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::arena::{Arena, OUTSIDE};

pub mod nested;
#[cfg(feature = "python")]
mod objects;
pub mod parse;
mod pattern;
#[cfg(feature = "python")]
mod py;
pub mod running;

#[cfg(feature = "python")]
pub use py::{register, template_of, PyPiece, Regex};

/// Bytes that replacements make at once; rows beyond are declined, and the caller counts what it makes of each.
const MUCH: usize = 1 << 28;

/// Views on bytes: offsets and lengths.
pub type Views = (Vec<i64>, Vec<u32>);

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Literal(Vec<u8>),
    Group(usize),
}

/// The digests that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Xxh3,
}

fn each<'a, P: AsRef<[u8]>>(
    arena: &'a Arena<P>,
    bits: &'a [i64],
    lens: &'a [u32],
) -> Result<impl Iterator<Item = Result<&'a [u8], String>> + 'a, String> {
    if bits.len() != lens.len() {
        return Err("bits and lens differ in length".into());
    }
    Ok(bits.iter().zip(lens).map(|(&begin, &len)| arena.get(begin, len).ok_or_else(|| OUTSIDE.into())))
}

/// The digests of the views in lower-case hexadecimal, one after the other, and the length of one.
pub fn hex_digests<P: AsRef<[u8]>>(
    arena: &Arena<P>,
    algorithm: Algorithm,
    bits: &[i64],
    lens: &[u32],
) -> Result<(Vec<u8>, usize), String> {
    let mut out = Vec::with_capacity(bits.len() * 64);
    let (mut width, mut last): (usize, Option<&[u8]>) = (0, None);
    for text in each(arena, bits, lens)? {
        let text = text?;
        // Values of the parent come in runs of the same view.
        if last.is_some_and(|last| std::ptr::eq(last, text)) {
            out.extend_from_within(out.len() - width..);
            continue;
        }
        last = Some(text);
        let before = out.len();
        push_digest(algorithm, text, &mut out);
        width = out.len() - before;
    }
    Ok((out, width))
}

/// Appends the digest of a text in lower-case hexadecimal.
#[inline]
pub fn push_digest(algorithm: Algorithm, text: &[u8], out: &mut Vec<u8>) {
    match algorithm {
        Algorithm::Md5 => push_hex(&Md5::digest(text), out),
        Algorithm::Sha1 => push_hex(&Sha1::digest(text), out),
        Algorithm::Sha256 => push_hex(&Sha256::digest(text), out),
        Algorithm::Sha512 => push_hex(&Sha512::digest(text), out),
        Algorithm::Xxh3 => push_hex(&xxhash_rust::xxh3::xxh3_64(text).to_be_bytes(), out),
    }
}

/// Appends bytes in lower-case hexadecimal.
pub fn push_hex(digest: &[u8], out: &mut Vec<u8>) {
    let digit = |half: u8| half + b'0' + u8::from(half > 9) * (b'a' - b'0' - 10);
    let mut rest = digest;
    // Arithmetic on arrays, not a table: the compiler makes a few vector instructions of it.
    while let Some((chunk, behind)) = rest.split_first_chunk::<16>() {
        let (high, low) = (chunk.map(|byte| digit(byte >> 4)), chunk.map(|byte| digit(byte & 15)));
        let mut text = [0; 32];
        for at in 0..16 {
            text[2 * at] = high[at];
            text[2 * at + 1] = low[at];
        }
        out.extend_from_slice(&text);
        rest = behind;
    }
    rest.iter().for_each(|&byte| out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]));
}

/// The 64-bit FNV-1a hash of each view.
pub fn fnv1a64<P: AsRef<[u8]>>(arena: &Arena<P>, bits: &[i64], lens: &[u32]) -> Result<Vec<i64>, String> {
    each(arena, bits, lens)?.map(|text| Ok(fnv1a(text?))).collect()
}

/// The 64-bit FNV-1a hash of a text.
pub fn fnv1a(text: &[u8]) -> i64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, step) as i64
}

/// Whether each view is ASCII.
pub fn is_ascii<P: AsRef<[u8]>>(arena: &Arena<P>, bits: &[i64], lens: &[u32]) -> Result<Vec<bool>, String> {
    each(arena, bits, lens)?.map(|text| Ok(text?.is_ascii())).collect()
}

/// Whether each view is valid UTF-8.
pub fn is_utf8<P: AsRef<[u8]>>(arena: &Arena<P>, bits: &[i64], lens: &[u32]) -> Result<Vec<bool>, String> {
    each(arena, bits, lens)?.map(|text| Ok(std::str::from_utf8(text?).is_ok())).collect()
}

/// A regular expression with Go's meaning; texts must be UTF-8.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: regex::Regex,
}

/// What a replacement made: the rows that changed with the ends of their new strings in `bytes`, and the rows declined.
#[derive(Debug, Default)]
pub struct Replaced {
    pub bytes: Vec<u8>,
    pub rows: Vec<u32>,
    pub ends: Vec<usize>,
    pub declined: Vec<u32>,
}

/// Where the first match and its groups lie, for each row; no match: no views.
#[derive(Debug, Default)]
pub struct Captured {
    pub matched: Vec<bool>,
    pub declined: Vec<u32>,
    /// For each group asked for: views, and whether the group took part in the match.
    pub groups: Vec<(Views, Vec<bool>)>,
}

impl Pattern {
    /// Compiles Go's expression.
    ///
    /// # Errors
    /// It is none, or one that this engine might understand otherwise than Go.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let regex =
            regex::Regex::new(&pattern::translate(text)?).map_err(|error| format!("not translated: {error}"))?;
        Ok(Pattern { regex })
    }

    /// Number of groups, the whole match counted.
    pub fn groups(&self) -> usize {
        self.regex.captures_len()
    }

    /// Room for the groups of a match.
    pub fn places(&self) -> CaptureLocations {
        self.regex.capture_locations()
    }

    /// Whether the expression matches anywhere in a text; None if the text is not UTF-8.
    #[inline]
    pub fn search(&self, text: &[u8]) -> Option<bool> {
        Some(self.regex.is_match(std::str::from_utf8(text).ok()?))
    }

    /// Finds the first match and its groups; whether there is one, None if the text is not UTF-8.
    #[inline]
    pub fn capture(&self, text: &[u8], places: &mut CaptureLocations) -> Option<bool> {
        Some(self.regex.captures_read(places, std::str::from_utf8(text).ok()?).is_some())
    }

    /// Appends a text with all matches replaced, or nothing where that leaves it as it is; results longer than `longest`
    /// are declined.
    #[inline]
    pub fn replace(
        &self,
        bytes: &[u8],
        template: &[Piece],
        places: &mut CaptureLocations,
        longest: usize,
        out: &mut Vec<u8>,
    ) -> Replacement {
        let start = out.len();
        let end = start.saturating_add(longest);
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Replacement::Declined;
        };
        let literal = template.iter().all(|piece| matches!(piece, Piece::Literal(_)));
        let outcome = if literal {
            self.replace_literally(text, template, end, out)
        } else {
            self.replace_groups(text, template, places, end, out)
        };
        if outcome == Replacement::Made && out[start..] != *bytes {
            return Replacement::Made;
        }
        out.truncate(start);
        if outcome == Replacement::Made {
            return Replacement::None;
        }
        outcome
    }

    /// Whether the expression matches anywhere in each view, and the rows that are not UTF-8.
    pub fn is_match<P: AsRef<[u8]>>(
        &self,
        arena: &Arena<P>,
        bits: &[i64],
        lens: &[u32],
    ) -> Result<(Vec<bool>, Vec<u32>), String> {
        let mut declined = Vec::new();
        let mut matched = Vec::with_capacity(bits.len());
        for (row, text) in each(arena, bits, lens)?.enumerate() {
            matched.push(self.search(text?).unwrap_or_else(|| {
                declined.push(row as u32);
                false
            }));
        }
        Ok((matched, declined))
    }

    /// All matches in each view replaced by a template; results longer than `longest` are declined.
    pub fn replace_all<P: AsRef<[u8]>>(
        &self,
        arena: &Arena<P>,
        bits: &[i64],
        lens: &[u32],
        template: &[Piece],
        longest: usize,
    ) -> Result<Replaced, String> {
        let mut replaced = Replaced::default();
        let mut places = self.places();
        for (row, text) in each(arena, bits, lens)?.enumerate() {
            let most = if replaced.bytes.len() > MUCH { 0 } else { longest };
            match self.replace(text?, template, &mut places, most, &mut replaced.bytes) {
                Replacement::Made => {
                    replaced.rows.push(row as u32);
                    replaced.ends.push(replaced.bytes.len());
                }
                Replacement::None => {}
                Replacement::Declined => replaced.declined.push(row as u32),
            }
        }
        Ok(replaced)
    }

    /// Appends the text with its matches replaced, or nothing where there is no match.
    fn replace_literally(&self, text: &str, template: &[Piece], end: usize, out: &mut Vec<u8>) -> Replacement {
        let mut last = None;
        for found in self.regex.find_iter(text) {
            out.extend_from_slice(&text.as_bytes()[last.unwrap_or(0)..found.start()]);
            if !expand(template, text, None, end, out) {
                return Replacement::Declined;
            }
            last = Some(found.end());
        }
        finish(text, last, end, out)
    }

    fn replace_groups(
        &self,
        text: &str,
        template: &[Piece],
        places: &mut CaptureLocations,
        end: usize,
        out: &mut Vec<u8>,
    ) -> Replacement {
        let mut at = 0;
        let mut last = None;
        while at <= text.len() {
            let Some(found) = self.regex.captures_read_at(places, text, at) else {
                break;
            };
            // No empty match right behind another.
            if found.is_empty() && last == Some(found.end()) {
                at = next_char(text, found.end());
                continue;
            }
            out.extend_from_slice(&text.as_bytes()[last.unwrap_or(0)..found.start()]);
            if !expand(template, text, Some(places), end, out) {
                return Replacement::Declined;
            }
            last = Some(found.end());
            at = if found.is_empty() { next_char(text, found.end()) } else { found.end() };
        }
        finish(text, last, end, out)
    }

    /// The first match of each view: `wanted` groups as views on the text itself.
    pub fn captures<P: AsRef<[u8]>>(
        &self,
        arena: &Arena<P>,
        bits: &[i64],
        lens: &[u32],
        wanted: &[usize],
    ) -> Result<Captured, String> {
        let mut captured = Captured::default();
        captured.groups.resize_with(wanted.len(), Default::default);
        let mut places = self.regex.capture_locations();
        for (row, text) in each(arena, bits, lens)?.enumerate() {
            let found = self.capture(text?, &mut places).unwrap_or_else(|| {
                captured.declined.push(row as u32);
                false
            });
            captured.matched.push(found);
            for (&group, (views, present)) in wanted.iter().zip(&mut captured.groups) {
                let place = if found { places.get(group) } else { None };
                let (begin, end) = place.unwrap_or((0, 0));
                views.0.push(bits[row] + begin as i64);
                views.1.push((end - begin) as u32);
                present.push(place.is_some());
            }
        }
        Ok(captured)
    }
}

/// What became of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    Made,
    None,
    /// It is not UTF-8, or what it becomes is too long.
    Declined,
}

/// Appends the rest of a text behind its last match.
fn finish(text: &str, last: Option<usize>, end: usize, out: &mut Vec<u8>) -> Replacement {
    let Some(last) = last else {
        return Replacement::None;
    };
    let rest = &text.as_bytes()[last..];
    if out.len() + rest.len() > end {
        return Replacement::Declined;
    }
    out.extend_from_slice(rest);
    Replacement::Made
}

/// Appends a template filled in; false, with a part of it, where that would go beyond `end`.
fn expand(template: &[Piece], text: &str, places: Option<&CaptureLocations>, end: usize, out: &mut Vec<u8>) -> bool {
    for piece in template {
        if out.len() > end {
            return false;
        }
        match piece {
            Piece::Literal(bytes) => out.extend_from_slice(bytes),
            Piece::Group(group) => {
                let place = places.and_then(|places| places.get(*group));
                out.extend(place.and_then(|(begin, end)| text.as_bytes().get(begin..end)).unwrap_or_default());
            }
        }
    }
    out.len() <= end
}

fn next_char(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(1, char::len_utf8)
}

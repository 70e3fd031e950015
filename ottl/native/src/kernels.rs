//! Kernels over columns of string views: hashes, regular expressions, and what a string is made of.
//!
//! Each takes a batch and views `bits int64 (n,)`, `lens uint32 (n,)`; results that are strings are views again, on bytes added
//! to the batch's arena. A kernel that cannot answer for a row as the reference would (a text that is not UTF-8, a result that
//! is too long) says so in a mask and leaves the row to the caller's scalar way.

use std::sync::{Arc, Mutex, OnceLock};

use md5::Md5;
use regex_automata::meta::{self, Cache};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, Span};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::arena::{Arena, OUTSIDE};
use captures::{Automaton, Expression, NOWHERE};
use first::First;

mod captures;
pub mod dates;
mod first;
pub mod inside;
pub mod nested;
#[cfg(feature = "python")]
mod objects;
pub mod parse;
mod pattern;
#[cfg(feature = "python")]
mod py;
pub mod running;
pub mod shown;

#[cfg(feature = "python")]
pub use py::{register, template_of, PyKey, PyLayout, PyPiece, Regex};

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
    each(arena, bits, lens)?.map(|text| Ok(utf8(text?))).collect()
}

/// Whether a text is UTF-8. Most are ASCII, which is found out several times faster.
#[inline]
fn utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

/// Whether no character goes on behind a place.
fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

/// A regular expression with Go's meaning; texts must be UTF-8.
#[derive(Debug, Clone)]
pub struct Pattern {
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    regex: meta::Regex,
    /// The expression as the `regex` crate has it.
    text: String,
    /// What automata for groups are made of, where they can serve.
    expression: OnceLock<Option<Expression>>,
    first: OnceLock<Option<First>>,
    /// What searches have built up, for those to come: 2 KB each, too large to be moved about in a run on one row.
    #[allow(clippy::vec_box)]
    spares: Mutex<Vec<Box<Buffers>>>,
}

/// As many searches for an expression are likely to run at a time.
const MOST_SPARES: usize = 4;

/// Bytes that a lazy DFA may take, as in the `regex` crate.
const DFA_ROOM: usize = 2 << 20;

/// Bytes of a compiled expression, as in the `regex` crate.
const LARGEST_PATTERN: usize = 10 << 20;

/// What searches build up.
#[derive(Debug, Default)]
struct Buffers {
    cache: Option<Cache>,
    automaton: Option<Automaton>,
    /// The bounds of the groups of the last match.
    slots: Vec<u32>,
    wide: Vec<Option<NonMaxUsize>>,
}

/// Searches for an expression, one after the other.
#[derive(Debug)]
pub struct Searcher {
    core: Arc<Core>,
    /// Taken out at the end only.
    buffers: Option<Box<Buffers>>,
}

impl Drop for Searcher {
    fn drop(&mut self) {
        if let (Some(buffers), Ok(mut spares)) = (self.buffers.take(), self.core.spares.lock()) {
            if spares.len() < MOST_SPARES {
                spares.push(buffers);
            }
        }
    }
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
        Pattern::compile(pattern::translate(text)?)
    }

    /// Compiles an expression of the `regex` crate.
    fn compile(text: String) -> Result<Pattern, String> {
        let config = meta::Config::new().nfa_size_limit(Some(LARGEST_PATTERN)).hybrid_cache_capacity(DFA_ROOM);
        let regex = meta::Builder::new().configure(config).build(&text);
        let regex = regex.map_err(|error| format!("not translated: {error}"))?;
        Ok(Pattern {
            core: Arc::new(Core {
                regex,
                text,
                expression: OnceLock::new(),
                first: OnceLock::new(),
                spares: Mutex::default(),
            }),
        })
    }

    /// Number of groups, the whole match counted.
    pub fn groups(&self) -> usize {
        self.core.regex.captures_len()
    }

    /// What searches for it; of the groups, only those given can be asked for.
    pub fn searcher(&self, groups: impl IntoIterator<Item = usize>) -> Searcher {
        let core = &self.core;
        let mut buffers = core.spares.lock().ok().and_then(|mut spares| spares.pop()).unwrap_or_default();
        for group in groups {
            if buffers.slots.is_empty() {
                buffers.slots.resize(2 * self.groups(), NOWHERE);
                let expression = core.expression.get_or_init(|| Expression::new(&core.text));
                buffers.automaton = expression.clone().map(Automaton::new);
            }
            if let Some(automaton) = &mut buffers.automaton {
                automaton.ask(group);
            }
        }
        Searcher { core: core.clone(), buffers: Some(buffers) }
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
        let mut searcher = self.searcher([]);
        for (row, text) in each(arena, bits, lens)?.enumerate() {
            matched.push(searcher.is_match(text?).unwrap_or_else(|| {
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
        let mut searcher = self.searcher(groups_of(template));
        for (row, text) in each(arena, bits, lens)?.enumerate() {
            let most = if replaced.bytes.len() > MUCH { 0 } else { longest };
            match searcher.replace(text?, template, most, &mut replaced.bytes) {
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
        let mut searcher = self.searcher(wanted.iter().copied());
        for (row, text) in each(arena, bits, lens)?.enumerate() {
            let found = searcher.capture(text?).unwrap_or_else(|| {
                captured.declined.push(row as u32);
                false
            });
            captured.matched.push(found);
            for (&group, (views, present)) in wanted.iter().zip(&mut captured.groups) {
                let place = if found { searcher.group(group) } else { None };
                let (begin, end) = place.unwrap_or((0, 0));
                views.0.push(bits[row] + begin as i64);
                views.1.push((end - begin) as u32);
                present.push(place.is_some());
            }
        }
        Ok(captured)
    }
}

impl Searcher {
    #[inline(always)]
    fn parts(&mut self) -> (&meta::Regex, &mut Buffers) {
        (&self.core.regex, self.buffers.get_or_insert_default())
    }

    /// Whether the expression matches anywhere in a text; None if the text is not UTF-8.
    #[inline]
    pub fn is_match(&mut self, text: &[u8]) -> Option<bool> {
        if !utf8(text) {
            return None;
        }
        let Some(at) = self.place(text, 0) else {
            return Some(false);
        };
        let (regex, buffers) = self.parts();
        let cache = buffers.cache.get_or_insert_with(|| regex.create_cache());
        Some(regex.search_half_with(cache, &Input::new(text).range(at..).earliest(true)).is_some())
    }

    /// Where a match may begin, from a position on; None for nowhere.
    #[inline]
    fn place(&self, text: &[u8], at: usize) -> Option<usize> {
        match self.core.first.get_or_init(|| First::new(&self.core.text)) {
            Some(first) => first.place(text, at),
            None => Some(at),
        }
    }

    /// Finds the first match and its groups; whether there is one, None if the text is not UTF-8.
    #[inline]
    pub fn capture(&mut self, text: &[u8]) -> Option<bool> {
        utf8(text).then(|| self.capture_at(text, 0))
    }

    /// The bounds of a group in the last match; None if it took no part.
    #[inline]
    pub fn group(&self, number: usize) -> Option<(usize, usize)> {
        let slots = self.buffers.as_ref()?.slots.chunks_exact(2).nth(number)?;
        (slots[0] != NOWHERE && slots[1] != NOWHERE).then_some((slots[0] as usize, slots[1] as usize))
    }

    /// Finds the first match from a position on and its groups; whether there is one.
    fn capture_at(&mut self, text: &[u8], at: usize) -> bool {
        let Buffers { automaton, slots, .. } = self.parts().1;
        match automaton.as_mut().and_then(|automaton| automaton.search(text, at, slots)) {
            // An empty match within a character is none: the other engine looks behind it.
            Some(true) if slots[0] == slots[1] && !is_boundary(text, slots[0] as usize) => {
                self.capture_slowly(text, at)
            }
            Some(found) => found,
            None => self.capture_slowly(text, at),
        }
    }

    /// What `capture_at` does, by the engine that serves every expression and every text.
    #[cold]
    fn capture_slowly(&mut self, text: &[u8], at: usize) -> bool {
        let (regex, Buffers { cache, slots, wide, .. }) = self.parts();
        let cache = cache.get_or_insert_with(|| regex.create_cache());
        wide.resize(slots.len(), None);
        let input = Input::new(text).range(at..);
        if regex.search_slots_with(cache, &input, wide).is_none() {
            return false;
        }
        for (slot, wide) in slots.iter_mut().zip(wide) {
            *slot = wide.map_or(NOWHERE, |place| place.get() as u32);
        }
        true
    }

    /// Finds the first match from a position on.
    fn find_at(&mut self, text: &[u8], at: usize) -> Option<Span> {
        let at = self.place(text, at)?;
        let (regex, buffers) = self.parts();
        let cache = buffers.cache.get_or_insert_with(|| regex.create_cache());
        regex.search_with(cache, &Input::new(text).range(at..)).map(|found| found.span())
    }

    /// Appends a text with all matches replaced, or nothing where that leaves it as it is; results longer than `longest`
    /// are declined.
    #[inline]
    pub fn replace(&mut self, text: &[u8], template: &[Piece], longest: usize, out: &mut Vec<u8>) -> Replacement {
        let start = out.len();
        let end = start.saturating_add(longest);
        if !utf8(text) {
            return Replacement::Declined;
        }
        let outcome = self.replace_matches(text, template, end, out);
        if outcome == Replacement::Made && out[start..] != *text {
            return Replacement::Made;
        }
        out.truncate(start);
        if outcome == Replacement::Made {
            return Replacement::None;
        }
        outcome
    }

    /// Appends the text with its matches replaced, or nothing where there is no match.
    fn replace_matches(&mut self, text: &[u8], template: &[Piece], end: usize, out: &mut Vec<u8>) -> Replacement {
        let groups = groups_of(template).next().is_some();
        let mut at = 0;
        let mut last = None;
        while at <= text.len() {
            let found = if !groups {
                self.find_at(text, at)
            } else if self.capture_at(text, at) {
                self.group(0).map(|(begin, end)| Span { start: begin, end })
            } else {
                None
            };
            let Some(found) = found else {
                break;
            };
            // No empty match right behind another.
            if found.is_empty() && last == Some(found.end) {
                at = next_char(text, found.end);
                continue;
            }
            out.extend_from_slice(&text[last.unwrap_or(0)..found.start]);
            if !self.expand(template, text, end, out) {
                return Replacement::Declined;
            }
            last = Some(found.end);
            at = if found.is_empty() { next_char(text, found.end) } else { found.end };
        }
        finish(text, last, end, out)
    }

    /// Appends a template filled in; false, with a part of it, where that would go beyond `end`.
    fn expand(&self, template: &[Piece], text: &[u8], end: usize, out: &mut Vec<u8>) -> bool {
        for piece in template {
            if out.len() > end {
                return false;
            }
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Group(group) => {
                    let place = self.group(*group);
                    out.extend(place.and_then(|(begin, end)| text.get(begin..end)).unwrap_or_default());
                }
            }
        }
        out.len() <= end
    }
}

/// The groups that a template asks for.
pub fn groups_of(template: &[Piece]) -> impl Iterator<Item = usize> + '_ {
    template.iter().filter_map(|piece| match piece {
        Piece::Group(group) => Some(*group),
        Piece::Literal(_) => None,
    })
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
fn finish(text: &[u8], last: Option<usize>, end: usize, out: &mut Vec<u8>) -> Replacement {
    let Some(last) = last else {
        return Replacement::None;
    };
    let rest = &text[last..];
    if out.len() + rest.len() > end {
        return Replacement::Declined;
    }
    out.extend_from_slice(rest);
    Replacement::Made
}

fn next_char(text: &[u8], at: usize) -> usize {
    (at + 1..).find(|&at| is_boundary(text, at)).unwrap_or(at + 1)
}

//! Where the groups of an expression lie: a tagged automaton, made deterministic while it runs.
//!
//! A state is what a Pike VM knows between two bytes: the threads in their order of priority, each a state of the NFA with the
//! *version* of the groups that it has seen; threads with the same history share a version. Versions are numbered in order of first
//! appearance, behind the one that has seen nothing, and registers hold a row of slots for each. A transition says which rows move,
//! and which slots become the current position; on most bytes none does, and the step is one look into a table. Empty transitions
//! are followed when the next byte is known, so that threads that end at it leave no trace. See V. Laurikari, "NFAs with tagged
//! transitions, their conversion to deterministic automata and application to regular expressions" (SPIRE 2000), and for the
//! lookahead U. Trofimovich, "Tagged deterministic finite automata with lookahead" (arXiv:1907.08837).
//!
//! Only groups that somebody asks for have slots: the many that are there for their brackets tell no histories apart.
//!
//! States and transitions are made when a text first needs them, within bounds of memory and of work. An expression that does not
//! fit is given up, and the caller has another engine for it.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::nfa::thompson::{Config, State, NFA};
use regex_automata::util::look::Look;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{MatchKind, Span};
use rustc_hash::FxHashMap;

#[cfg(test)]
mod tests;

/// A slot without a position.
pub const NOWHERE: u32 = u32::MAX;

/// Bytes of an NFA.
const LARGEST_NFA: usize = 1 << 20;

/// Groups in the slots of a row.
const MOST_GROUPS: usize = 128;

/// The version that has seen no group, which needs no moves: its row stays as it is.
const BLANK: u32 = 0;

/// Versions of a state; a text that needs more moves too many rows.
const MOST_VERSIONS: usize = 16;

/// The row that serves to exchange others.
const SPARE_ROW: usize = MOST_VERSIONS;

/// Bytes that states and transitions may take before they are forgotten.
const ROOM: usize = 1 << 21;

/// Steps of making states that are free at the start; later ones are paid for by the bytes that were searched.
const CREDIT: i64 = 1 << 22;

/// What a searched byte pays for.
const EARNED: i64 = 16;

/// Marks a transition that does more than to go to the next state: the rest is the number of an action.
const ACTION: u32 = 1 << 31;

/// A transition that has not been made; no action has this number.
const UNKNOWN: u32 = ACTION;

/// The state without threads.
const DEAD: u32 = u32::MAX;

/// No sets.
const NO_SETS: u32 = u32::MAX;

/// What is known of the byte before a position.
mod behind {
    pub const START: u32 = 1;
    pub const LINE_FEED: u32 = 2;
    pub const WORD: u32 = 4;
}

/// Why a search ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    /// There is no room for another state.
    Full,
    /// The expression is given up.
    Unfit,
}

/// A match met on a transition: the row of its version and the slots that are set.
#[derive(Debug, Clone)]
struct Met {
    row: u32,
    sets: Range<u32>,
}

/// What a transition does.
#[derive(Debug)]
struct Action {
    next: u32,
    /// Whether only matches that begin later are left.
    idle: bool,
    moves: Range<u32>,
    met: Option<Met>,
}

/// A change of registers, which are numbered through all rows.
#[derive(Debug, Clone, Copy)]
enum Move {
    Row { from: u32, to: u32 },
    Set { register: u32 },
}

/// A thread behind the byte of a transition.
#[derive(Debug, Clone, Copy)]
struct Thread {
    state: StateID,
    version: u32,
    sets: u32,
}

/// States of the NFA met since the last reset.
#[derive(Debug)]
struct Seen {
    stamps: Vec<u32>,
    now: u32,
}

impl Seen {
    fn reset(&mut self) {
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
    }

    fn insert(&mut self, state: StateID) -> bool {
        let stamp = &mut self.stamps[state.as_usize()];
        let new = *stamp != self.now;
        *stamp = self.now;
        new
    }
}

/// The automaton of an expression with what it has made of it so far.
#[derive(Debug)]
pub struct Automaton {
    nfa: NFA,
    prefilter: Option<Prefilter>,
    /// The groups that are asked for, the whole match first; slots of rows are their begins and ends.
    groups: Vec<u32>,
    /// Slots of rows by those of the NFA.
    slots: Vec<Option<u32>>,
    classes: [u8; 256],
    /// A byte of each class.
    examples: Vec<u8>,
    /// Entries of a state: one for each class, and one for the end of the text.
    stride: usize,
    /// What of the byte before matters.
    behind: u32,
    /// Next states, as places of their entries here, or actions.
    table: Vec<u32>,
    /// What is behind each state, and its threads: state of the NFA and version.
    states: Vec<Arc<[u32]>>,
    known: FxHashMap<Arc<[u32]>, u32>,
    actions: Vec<Action>,
    moves: Vec<Move>,
    /// Slots set by matches met.
    sets: Vec<u32>,
    /// By what is behind.
    starts: [Option<u32>; 8],
    registers: Vec<u32>,
    /// Bytes taken by states and transitions.
    size: usize,
    credit: i64,
    closed: Seen,
    reached: Seen,
    stack: Vec<(StateID, u32)>,
    /// Sets on the way to threads: slot, and the sets before.
    trail: Vec<(u32, u32)>,
    threads: Vec<Thread>,
}

/// What an automaton is made of.
#[derive(Debug, Clone)]
pub struct Expression {
    nfa: NFA,
    /// Finds where a match may begin, where that is fast.
    prefilter: Option<Prefilter>,
}

impl Expression {
    /// An expression of the `regex` crate; None where no automaton can serve.
    pub fn new(pattern: &str) -> Option<Expression> {
        let hir = syntax::parse(pattern).ok()?;
        let config = Config::new().nfa_size_limit(Some(LARGEST_NFA));
        let nfa = NFA::compiler().configure(config).build_from_hir(&hir).ok()?;
        let known = nfa.look_set_any().iter().all(|look| look_at(look, 0, None).is_some());
        let anywhere = !nfa.is_always_start_anchored();
        let prefilter = anywhere.then(|| Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, &hir)).flatten();
        let prefilter = prefilter.filter(Prefilter::is_fast);
        known.then_some(Expression { nfa, prefilter })
    }
}

/// Whether an assertion holds before a byte or the end of a text; None for one that is not known here.
fn look_at(look: Look, before: u32, next: Option<u8>) -> Option<bool> {
    let word = before & behind::WORD != 0;
    let next_word = next.is_some_and(is_word);
    Some(match look {
        Look::Start => before & behind::START != 0,
        Look::End => next.is_none(),
        Look::StartLF => before & (behind::START | behind::LINE_FEED) != 0,
        Look::EndLF => next.is_none_or(|byte| byte == b'\n'),
        Look::WordAscii => word != next_word,
        Look::WordAsciiNegate => word == next_word,
        _ => return None,
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn behind(byte: u8) -> u32 {
    let line_feed = if byte == b'\n' { behind::LINE_FEED } else { 0 };
    line_feed | if is_word(byte) { behind::WORD } else { 0 }
}

impl Automaton {
    pub fn new(Expression { nfa, prefilter }: Expression) -> Automaton {
        let states = nfa.states().len();
        let mut classes = [0; 256];
        let mut examples = Vec::new();
        for byte in 0..=255u8 {
            let class = nfa.byte_classes().get(byte);
            classes[usize::from(byte)] = class;
            if usize::from(class) == examples.len() {
                examples.push(byte);
            }
        }
        let seen = || Seen { stamps: vec![0; states], now: 0 };
        let looks = nfa.look_set_any();
        let mut matters = 0;
        if looks.contains(Look::Start) || looks.contains(Look::StartLF) {
            matters |= behind::START;
        }
        if looks.contains(Look::StartLF) {
            matters |= behind::LINE_FEED;
        }
        if looks.contains_word() {
            matters |= behind::WORD;
        }
        let mut automaton = Automaton {
            groups: Vec::new(),
            slots: vec![None; nfa.group_info().slot_len()],
            classes,
            stride: examples.len() + 1,
            examples,
            behind: matters,
            table: Vec::new(),
            states: Vec::new(),
            known: FxHashMap::default(),
            actions: Vec::new(),
            moves: Vec::new(),
            sets: Vec::new(),
            starts: [None; 8],
            registers: Vec::new(),
            size: 0,
            credit: CREDIT,
            closed: seen(),
            reached: seen(),
            stack: Vec::new(),
            trail: Vec::new(),
            threads: Vec::new(),
            nfa,
            prefilter,
        };
        automaton.ask(0);
        automaton
    }

    /// Asks for a group from now on.
    pub fn ask(&mut self, group: usize) {
        if let Some([begin @ None, end]) = self.slots.chunks_exact_mut(2).nth(group) {
            let slot = 2 * self.groups.len() as u32;
            (*begin, *end) = (Some(slot), Some(slot + 1));
            self.groups.push(group as u32);
            self.registers.clear();
            self.forget();
        }
    }

    /// Slots of a row.
    fn width(&self) -> usize {
        2 * self.groups.len()
    }

    /// Finds the first match that begins at a position or behind it, and writes down the bounds of the groups asked for; whether
    /// there is one, None if the search has been given up. A match that is empty may lie within a character.
    pub fn search(&mut self, text: &[u8], from: usize, slots: &mut [u32]) -> Option<bool> {
        let fits = text.len() < NOWHERE as usize && slots.len() == self.slots.len() && self.groups.len() <= MOST_GROUPS;
        if self.credit < 0 || !fits {
            return None;
        }
        let mut found = self.attempt(text, from, slots);
        if found == Err(Halt::Full) {
            self.forget();
            found = self.attempt(text, from, slots);
        }
        match found {
            Ok((found, end)) => {
                self.credit = CREDIT.min(self.credit + EARNED * (end - from) as i64);
                Some(found)
            }
            Err(Halt::Full) => None,
            Err(Halt::Unfit) => {
                self.credit = -1;
                self.forget();
                None
            }
        }
    }

    /// Forgets what has been made so far.
    fn forget(&mut self) {
        self.table = Vec::new();
        self.states = Vec::new();
        self.known = FxHashMap::default();
        self.actions = Vec::new();
        self.moves = Vec::new();
        self.sets = Vec::new();
        self.starts = [None; 8];
        self.size = 0;
    }

    /// Whether there is a match, and how far the text was read.
    fn attempt(&mut self, text: &[u8], from: usize, slots: &mut [u32]) -> Result<(bool, usize), Halt> {
        let Some(mut at) = self.candidate(text, from) else {
            return Ok((false, text.len()));
        };
        let mut state = self.start(text, at)? as usize;
        // The match to be written down, unless another one is met while its registers stay as they are.
        let mut met: Option<(usize, usize)> = None;
        let mut found = false;
        let width = self.width();
        self.registers.resize(width * (MOST_VERSIONS + 1), NOWHERE);
        let end = self.stride - 1;
        loop {
            let (mut entry, mut class);
            (state, at) = {
                let (table, mut state, mut at) = (self.table.as_slice(), state, at);
                loop {
                    class = text.get(at).map_or(end, |&byte| usize::from(self.classes[usize::from(byte)]));
                    entry = table[state + class];
                    if entry & ACTION != 0 {
                        break;
                    }
                    (state, at) = (entry as usize, at + 1);
                }
                (state, at)
            };
            if entry == UNKNOWN {
                entry = self.transition(state, class)?;
                self.table[state + class] = entry;
                if entry & ACTION == 0 {
                    (state, at) = (entry as usize, at + 1);
                    continue;
                }
            }
            let number = (entry & !ACTION) as usize;
            let action = &self.actions[number];
            if action.met.is_some() {
                (met, found) = (Some((number, at)), true);
            }
            if !action.moves.is_empty() {
                if let Some((number, at)) = met.take() {
                    self.write_down(number, at, slots);
                }
                for &change in &self.moves[action.moves.start as usize..action.moves.end as usize] {
                    match change {
                        Move::Row { from, to } => {
                            self.registers.copy_within(from as usize..from as usize + width, to as usize);
                        }
                        Move::Set { register } => self.registers[register as usize] = at as u32,
                    }
                }
            }
            if action.next == DEAD {
                break;
            }
            (state, at) = (action.next as usize, at + 1);
            if action.idle {
                let Some(candidate) = self.candidate(text, at) else {
                    break;
                };
                if candidate > at {
                    at = candidate;
                    state = self.start(text, at)? as usize;
                }
            }
        }
        if let Some((number, at)) = met {
            self.write_down(number, at, slots);
        }
        Ok((found, at))
    }

    /// Writes down the slots of the match that an action met.
    fn write_down(&self, action: usize, at: usize, slots: &mut [u32]) {
        if let Some(Met { row, sets }) = &self.actions[action].met {
            let mut bounds = self.registers[*row as usize..].chunks_exact(2);
            for &group in &self.groups {
                let group = 2 * group as usize;
                slots[group..group + 2].copy_from_slice(bounds.next().unwrap_or(&[NOWHERE; 2]));
            }
            for &slot in &self.sets[sets.start as usize..sets.end as usize] {
                let group = self.groups[slot as usize / 2];
                slots[(2 * group + slot % 2) as usize] = at as u32;
            }
        }
    }

    /// Where the next match may begin, from a position on.
    #[inline]
    fn candidate(&self, text: &[u8], at: usize) -> Option<usize> {
        let Some(prefilter) = &self.prefilter else {
            return Some(at);
        };
        prefilter.find(text, Span { start: at, end: text.len() }).map(|span| span.start)
    }

    /// The state before a position.
    #[inline]
    fn start(&mut self, text: &[u8], at: usize) -> Result<u32, Halt> {
        let before = match at.checked_sub(1) {
            Some(last) => text.get(last).map_or(0, |&byte| behind(byte)),
            None => behind::START,
        };
        let before = before & self.behind;
        if let Some(state) = self.starts[before as usize] {
            return Ok(state);
        }
        let state = self.state(&[before, self.nfa.start_unanchored().as_u32(), BLANK])?;
        self.starts[before as usize] = Some(state);
        Ok(state)
    }

    /// The place of a state's entries.
    fn state(&mut self, key: &[u32]) -> Result<u32, Halt> {
        if let Some(&state) = self.known.get(key) {
            return Ok(state);
        }
        self.grow(8 * key.len() + 4 * self.stride + 64)?;
        let state = self.table.len() as u32;
        self.table.resize(self.table.len() + self.stride, UNKNOWN);
        let key: Arc<[u32]> = key.into();
        self.states.push(key.clone());
        self.known.insert(key, state);
        Ok(state)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Halt> {
        self.size += bytes;
        self.credit -= bytes as i64;
        if self.credit < 0 {
            return Err(Halt::Unfit);
        }
        if self.size > ROOM {
            return Err(Halt::Full);
        }
        Ok(())
    }

    /// Makes the transition of a state on a class of bytes, or at the end of the text.
    #[cold]
    #[inline(never)]
    fn transition(&mut self, state: usize, class: usize) -> Result<u32, Halt> {
        let from = self.states[state / self.stride].clone();
        let next = self.examples.get(class).copied();
        let met = self.step(&from, next);
        let mut key = vec![next.map_or(0, behind) & self.behind];
        let mut histories: Vec<(u32, Vec<u32>)> = vec![(BLANK, Vec::new())];
        for thread in std::mem::take(&mut self.threads) {
            let history = (thread.version, self.slots_of(thread.sets));
            self.credit -= history.1.len() as i64 + 1;
            let version = histories.iter().position(|known| *known == history).unwrap_or(histories.len());
            if version == MOST_VERSIONS {
                return Err(Halt::Unfit);
            }
            if version == histories.len() {
                histories.push(history);
            }
            key.extend([thread.state.as_u32(), version as u32]);
        }
        let moves = self.moves_to(&histories);
        let met = met.map(|(version, sets)| {
            let begin = self.sets.len();
            let sets = self.slots_of(sets);
            self.sets.extend(sets);
            Met { row: version * self.width() as u32, sets: begin as u32..self.sets.len() as u32 }
        });
        let next = if key.len() == 1 { DEAD } else { self.state(&key)? };
        let idle = self.prefilter.is_some() && key[1..] == [self.nfa.start_unanchored().as_u32(), BLANK];
        if next != DEAD && !idle && moves.is_empty() && met.is_none() {
            return Ok(next);
        }
        self.grow(std::mem::size_of::<Action>() + std::mem::size_of::<Move>() * moves.len() + 64)?;
        // The first action stands for a transition that has not been made.
        if self.actions.is_empty() {
            self.actions.push(Action { next: DEAD, idle: false, moves: 0..0, met: None });
        }
        let begin = self.moves.len();
        self.moves.extend(moves);
        self.actions.push(Action { next, idle, moves: begin as u32..self.moves.len() as u32, met });
        Ok((self.actions.len() - 1) as u32 | ACTION)
    }

    /// Takes the threads of a state over a byte, into `threads`; the version and sets of a match that is met, which cuts off the
    /// threads behind it.
    fn step(&mut self, from: &[u32], next: Option<u8>) -> Option<(u32, u32)> {
        let (before, list) = from.split_first()?;
        self.closed.reset();
        self.reached.reset();
        self.trail.clear();
        self.threads.clear();
        self.stack.clear();
        for pair in list.chunks_exact(2) {
            let (first, version) = (StateID::new_unchecked(pair[0] as usize), pair[1]);
            self.stack.push((first, NO_SETS));
            while let Some((id, sets)) = self.stack.pop() {
                self.credit -= 1;
                if !self.closed.insert(id) {
                    continue;
                }
                let target = match self.nfa.state(id) {
                    State::ByteRange { trans } => next.and_then(|byte| trans.matches_byte(byte).then_some(trans.next)),
                    State::Sparse(several) => next.and_then(|byte| several.matches_byte(byte)),
                    State::Dense(all) => next.and_then(|byte| all.matches_byte(byte)),
                    State::Look { look, next: behind } => {
                        if look_at(*look, *before, next) == Some(true) {
                            self.stack.push((*behind, sets));
                        }
                        None
                    }
                    State::Union { alternates } => {
                        self.credit -= alternates.len() as i64;
                        self.stack.extend(alternates.iter().rev().map(|&alternate| (alternate, sets)));
                        None
                    }
                    State::BinaryUnion { alt1, alt2 } => {
                        self.stack.extend([(*alt2, sets), (*alt1, sets)]);
                        None
                    }
                    State::Capture { next: behind, slot, .. } => {
                        let sets = match self.slots[slot.as_usize()] {
                            Some(slot) => with_set(&mut self.trail, &mut self.credit, slot, sets),
                            None => sets,
                        };
                        self.stack.push((*behind, sets));
                        None
                    }
                    State::Fail => None,
                    State::Match { .. } => return Some((version, sets)),
                };
                if let Some(state) = target.filter(|&target| self.reached.insert(target)) {
                    self.threads.push(Thread { state, version, sets });
                }
            }
        }
        None
    }

    /// The slots that a thread has set, in order.
    fn slots_of(&self, sets: u32) -> Vec<u32> {
        let mut slots = Vec::new();
        let mut at = sets;
        while let Some(&(slot, before)) = self.trail.get(at as usize) {
            slots.push(slot);
            at = before;
        }
        slots.sort_unstable();
        slots
    }

    /// The moves that make the rows of new versions out of those of old ones.
    fn moves_to(&self, histories: &[(u32, Vec<u32>)]) -> Vec<Move> {
        let sources = histories.iter().map(|(version, _)| *version as usize).enumerate();
        let mut copies: Vec<(usize, usize)> = sources.filter(|(to, from)| to != from).collect();
        let mut moves = Vec::new();
        let row = |number: usize| (number * self.width()) as u32;
        while !copies.is_empty() {
            let free = copies.iter().position(|(to, _)| copies.iter().all(|(_, from)| from != to));
            if let Some(free) = free {
                let (to, from) = copies.swap_remove(free);
                moves.push(Move::Row { from: row(from), to: row(to) });
                continue;
            }
            // Rows that change places: one of them goes aside.
            let aside = copies[0].0;
            moves.push(Move::Row { from: row(aside), to: row(SPARE_ROW) });
            copies.iter_mut().filter(|(_, from)| *from == aside).for_each(|(_, from)| *from = SPARE_ROW);
        }
        for (version, (_, sets)) in histories.iter().enumerate() {
            moves.extend(sets.iter().map(|&slot| Move::Set { register: row(version) + slot }));
        }
        moves
    }
}

/// Adds a slot to the sets on the way to a thread, unless it is there.
fn with_set(trail: &mut Vec<(u32, u32)>, credit: &mut i64, slot: u32, sets: u32) -> u32 {
    let mut at = sets;
    while let Some(&(known, before)) = trail.get(at as usize) {
        *credit -= 1;
        if known == slot {
            return sets;
        }
        at = before;
    }
    trail.push((slot, sets));
    trail.len() as u32 - 1
}

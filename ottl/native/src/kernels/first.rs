//! The bytes that a match can begin with: most short texts hold none, which a look at each byte tells sooner than an engine that has
//! to be set up.

use regex_automata::nfa::thompson::{Config, State, WhichCaptures, NFA};

/// Bytes of an NFA; expressions that take more are searched for at once.
const LARGEST_NFA: usize = 1 << 16;

/// Texts up to so many bytes are looked at byte by byte; engines skip faster in longer ones.
const SHORT: usize = 32;

/// Where a match may begin.
#[derive(Debug)]
pub struct First {
    bytes: [bool; 256],
}

impl First {
    /// None for an expression that matches nothing but a place, or one that is too large.
    pub fn new(pattern: &str) -> Option<First> {
        let config = Config::new().nfa_size_limit(Some(LARGEST_NFA)).which_captures(WhichCaptures::None);
        let nfa = NFA::compiler().configure(config).build(pattern).ok()?;
        let mut bytes = [false; 256];
        let mut seen = vec![false; nfa.states().len()];
        let mut stack = vec![nfa.start_anchored()];
        while let Some(id) = stack.pop() {
            if std::mem::replace(seen.get_mut(id.as_usize())?, true) {
                continue;
            }
            let mut add = |from: u8, to: u8| bytes[usize::from(from)..=usize::from(to)].fill(true);
            match nfa.state(id) {
                State::ByteRange { trans } => add(trans.start, trans.end),
                State::Sparse(several) => several.transitions.iter().for_each(|trans| add(trans.start, trans.end)),
                State::Dense(_) => add(0, u8::MAX),
                // An assertion may hold.
                State::Look { next, .. } | State::Capture { next, .. } => stack.push(*next),
                State::Union { alternates } => stack.extend(alternates.iter().copied()),
                State::BinaryUnion { alt1, alt2 } => stack.extend([*alt1, *alt2]),
                State::Fail => {}
                State::Match { .. } => return None,
            }
        }
        Some(First { bytes })
    }

    /// The first place from a position on where a match can begin, or one before it; None where there is none.
    #[inline]
    pub fn place(&self, text: &[u8], at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        if rest.len() > SHORT {
            return Some(at);
        }
        rest.iter().position(|&byte| self.bytes[usize::from(byte)]).map(|found| at + found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_where_matches_can_begin() {
        let place = |pattern: &str, text: &str| First::new(pattern).map(|first| first.place(text.as_bytes(), 1));
        assert_eq!(place("[0-9]+", "1ab2"), Some(Some(3)));
        assert_eq!(place("[0-9]+", "1abc"), Some(None));
        assert_eq!(place("(?i)post|^get", "xyzG"), Some(Some(3)));
        assert_eq!(place("\\bé+", "a é"), Some(Some(2)));
        assert_eq!(place("(a|b*)", "xb"), None);
        assert_eq!(place("$", "xb"), None);
        assert_eq!(place("z", &"a".repeat(200)), Some(Some(1)));
    }
}

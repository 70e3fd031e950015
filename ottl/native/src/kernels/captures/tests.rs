//! Generated expressions on generated texts: groups and replacements are those of the `regex` crate.

use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

use super::super::{Pattern, Piece, Replacement, Searcher};
use super::*;

/// A small generator of random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn pick<'a>(&mut self, several: &[&'a str]) -> &'a str {
        several[self.below(several.len())]
    }
}

const ATOMS: &[&str] = &[
    "a", "b", "ab", "ba", "c", "0", "1", "é", "日", " ", "\\n", ".", "\\w", "\\d", "\\s", "\\S", "\\D", "[ab]", "[^a]",
    "[a-c0]", "[^\\n]", "[é日]", "[^é]", "", "(?i:A)", "(?i:é)", "(?s:.)", "-",
];
const LOOKS: &[&str] =
    &["^", "$", "\\A", "\\z", "(?m:^)", "(?m:$)", "(?-u:\\b)", "(?-u:\\B)", "\\b", "(?R)(?m:$)", "(?-u:\\b{start})"];
const REPEATS: &[&str] = &["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}", "{0,5}", "{2,3}?"];
const LETTERS: &[&str] = &["a", "b", "c", "0", "1", "é", "日", " ", "\n", "-", "A", "É", "\r", "ab", "aab", "_"];

fn expression(random: &mut Random, depth: usize) -> String {
    let inner = |random: &mut Random| expression(random, depth - 1);
    match if depth == 0 { 0 } else { random.below(12) } {
        0 | 1 => random.pick(ATOMS).into(),
        2 => random.pick(LOOKS).into(),
        3 | 4 => format!("{}{}", inner(random), inner(random)),
        5 => format!("(?:{}|{})", inner(random), inner(random)),
        6 => format!("({}|{}|{})", inner(random), inner(random), inner(random)),
        7 | 8 => format!("({})", inner(random)),
        9 => format!("(?:{}){}", inner(random), random.pick(REPEATS)),
        10 => format!("({}){}", inner(random), random.pick(REPEATS)),
        _ => format!("{}({}){}", inner(random), inner(random), inner(random)),
    }
}

fn text(random: &mut Random, longest: usize) -> String {
    (0..random.below(longest)).map(|_| random.pick(LETTERS)).collect()
}

/// What the crate finds: the bounds of groups.
fn expected(regex: &Regex, text: &str, groups: &[usize]) -> Option<Vec<Option<(usize, usize)>>> {
    let mut captures = regex.create_captures();
    regex.captures(text, &mut captures);
    captures.is_match().then(|| groups.iter().map(|&group| bounds(&captures, group)).collect())
}

fn bounds(captures: &Captures, group: usize) -> Option<(usize, usize)> {
    captures.get_group(group).map(|span| (span.start, span.end))
}

fn found(searcher: &mut Searcher, text: &str, groups: &[usize]) -> Option<Vec<Option<(usize, usize)>>> {
    let found = searcher.capture(text.as_bytes()).expect("a text in UTF-8");
    found.then(|| groups.iter().map(|&group| searcher.group(group)).collect())
}

/// A text with its matches replaced by a template, as the crate's iterator finds them.
fn expected_replacement(regex: &Regex, text: &str, template: &[Piece]) -> Vec<u8> {
    let (mut out, mut last) = (Vec::new(), 0);
    for captures in regex.captures_iter(text) {
        let (begin, end) = bounds(&captures, 0).expect("a match");
        out.extend_from_slice(&text.as_bytes()[last..begin]);
        for piece in template {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Group(group) => {
                    out.extend(bounds(&captures, *group).map_or("", |(begin, end)| &text[begin..end]).bytes());
                }
            }
        }
        last = end;
    }
    out.extend_from_slice(&text.as_bytes()[last..]);
    out
}

fn replacement(searcher: &mut Searcher, text: &str, template: &[Piece]) -> Vec<u8> {
    let mut out = Vec::new();
    match searcher.replace(text.as_bytes(), template, 1 << 20, &mut out) {
        Replacement::Made => out,
        Replacement::None => text.into(),
        Replacement::Declined => panic!("declined"),
    }
}

fn pattern(text: &str) -> Option<(Pattern, Regex)> {
    let pattern = Pattern::compile(text.into()).ok()?;
    let regex = pattern.core.regex.clone();
    Some((pattern, regex))
}

fn made(searcher: &Searcher) -> Option<&Automaton> {
    searcher.buffers.as_ref()?.automaton.as_ref()
}

fn automaton(searcher: &Searcher) -> &Automaton {
    made(searcher).expect("an automaton")
}

#[test]
fn generated_expressions_find_the_same_groups() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut expressions, mut served, mut given_up) = (0, 0, 0);
    for round in 0..6000 {
        let depth = 1 + round % 5;
        let source = expression(&mut random, depth);
        let Some((pattern, regex)) = pattern(&source) else { continue };
        expressions += 1;
        let all: Vec<usize> = (0..pattern.groups()).collect();
        let some: Vec<usize> = all.iter().copied().filter(|_| random.below(2) == 0).chain([0]).collect();
        let groups = if round % 2 == 0 { all } else { some };
        let template =
            [Piece::Literal(b"<".into()), Piece::Group(random.below(3)), Piece::Literal(b"|".into()), Piece::Group(1)];
        let mut searcher = pattern.searcher(groups.iter().copied());
        let mut replacer = pattern.searcher([0, 1, 2]);
        for _ in 0..10 {
            let text = text(&mut random, 20);
            let found = found(&mut searcher, &text, &groups);
            assert_eq!(expected(&regex, &text, &groups), found, "{source:?} on {text:?}");
            let replaced = replacement(&mut replacer, &text, &template);
            let expected = expected_replacement(&regex, &text, &template);
            assert_eq!(expected, replaced, "{source:?} replaced in {text:?}");
        }
        served += usize::from(made(&searcher).is_some());
        given_up += usize::from(made(&searcher).is_some_and(|automaton| automaton.credit < 0));
    }
    assert!(expressions > 5000, "{expressions} expressions");
    assert!(served * 10 > expressions * 7 && given_up * 50 < served, "{served} of {expressions}, {given_up} given up");
}

/// Expressions that are large, or whose automata would be, on texts that bring out their states.
#[test]
fn hostile_expressions_stay_in_bounds() {
    let words = (0..2000).map(|number| format!("w{}", number * 7919)).collect::<Vec<_>>().join("|");
    let sources = [
        "(?:(a|b)*)a(?:a|b){14}(c)".into(),
        "((a{1,40}){1,40})b".into(),
        "(((a?){20}){10}){5}(b)".into(),
        "(a|ab|b){1,60}?(c|$)".into(),
        "([ab]{1,50})c([ab]{1,50})".into(),
        "(a*)(a*)(a*)(a*)(a*)(a*)(b)".into(),
        "((a)|(b)|(ab)|(ba))*(c)?(a|b)*c".into(),
        "(\\w{1,30})-(\\w{1,30})".into(),
        format!("({words})(a)?"),
        "(.{0,300}?)(c)(.{0,300})".into(),
        (0..200).map(|_| "(a)?").collect::<String>(),
    ];
    let mut random = Random(7);
    for source in &sources {
        let (pattern, regex) = pattern(source).expect("an expression");
        let groups: Vec<usize> = (0..pattern.groups().min(300)).collect();
        let mut searcher = pattern.searcher(groups.iter().copied());
        for round in 0..12 {
            let letters = if round % 2 == 0 { &["a", "b"][..] } else { &["a", "b", "ab", "w7919", "c", "-"] };
            let text: String = (0..40 << round.min(6)).map(|_| random.pick(letters)).collect();
            let found = found(&mut searcher, &text, &groups);
            assert_eq!(expected(&regex, &text, &groups), found, "{source:?} on {text:?}");
            let Some(automaton) = made(&searcher) else { continue };
            assert!(automaton.size <= ROOM + (1 << 16), "{source:?}: {} bytes", automaton.size);
            assert!(automaton.registers.len() <= 2 * MOST_GROUPS * (MOST_VERSIONS + 1), "{source:?}");
        }
    }
}

#[test]
fn states_that_are_forgotten_are_made_again() {
    let (pattern, regex) = pattern("(?:a|b)*a((?:a|b){9})(c|$)").expect("an expression");
    let mut searcher = pattern.searcher([0, 1, 2]);
    let mut random = Random(3);
    let mut text: String = (0..3000).map(|_| random.pick(&["a", "b"])).collect();
    for _ in 0..20 {
        let groups = found(&mut searcher, &text, &[0, 1, 2]);
        assert_eq!(expected(&regex, &text, &[0, 1, 2]), groups);
        searcher.parts().1.automaton.as_mut().expect("an automaton").size = ROOM;
        text.push_str(random.pick(&["a", "ba", "c"]));
    }
    assert!(automaton(&searcher).credit >= 0);
}

#[test]
fn most_bytes_move_nothing() {
    let (pattern, _) = pattern("^(\\S+) (\\w+) (/[^ ]*) ([0-9]+)(?: (.*))?$").expect("an expression");
    let mut searcher = pattern.searcher(1..=5);
    assert_eq!(searcher.capture(b"10.0.0.1 GET /api/users 200 something else"), Some(true));
    assert_eq!(searcher.group(5), Some((28, 42)));
    assert!(automaton(&searcher).moves.len() <= 20, "{} moves", automaton(&searcher).moves.len());
}

#[test]
fn searches_go_on_where_a_match_may_begin() {
    let (pattern, _) = pattern("key=(\\w+)").expect("an expression");
    let mut searcher = pattern.searcher([1]);
    assert_eq!(searcher.capture("no kéy=x, another key= and key=value".as_bytes()), Some(true));
    assert_eq!(searcher.group(1), Some((32, 37)));
    assert_eq!(searcher.capture(b"key= and no other"), Some(false));
    assert!(automaton(&searcher).actions.iter().any(|action| action.idle));
}

#[test]
fn groups_nobody_asks_for_have_no_slots() {
    let (pattern, _) = pattern("(a)(b)(c)").expect("an expression");
    assert!(made(&pattern.searcher([])).is_none());
    let searcher = pattern.searcher([2, 2, 7]);
    assert_eq!(automaton(&searcher).groups, [0, 2]);
}

/// Searchers take over what others have built up, and several can be at work at a time.
#[test]
fn searchers_share_what_they_build_up() {
    let (pattern, _) = pattern("(a+)b").expect("an expression");
    let mut first = pattern.searcher([1]);
    assert_eq!(first.capture(b"caab"), Some(true));
    let states = automaton(&first).states.len();
    drop(first);
    assert_eq!(automaton(&pattern.clone().searcher([1])).states.len(), states);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut searcher = pattern.searcher([1]);
                    assert_eq!(searcher.capture(b"-aaab"), Some(true));
                    assert_eq!(searcher.group(1), Some((1, 4)));
                }
            });
        }
    });
    assert!(pattern.core.spares.lock().expect("spares").len() <= 4);
}

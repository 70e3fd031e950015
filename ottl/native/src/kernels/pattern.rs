//! Regular expressions of Go as ones of the `regex` crate, where the two provably mean the same.
//!
//! The crate's syntax and its leftmost-first matches are Go's but for details, so what is told apart here is what passes. Written
//! anew: `\d \w \s \b` (ASCII in Go, and `\s` without the vertical tab), POSIX classes, escapes, a `{` that counts nothing, names
//! of groups. Refused, because the two differ or cannot be shown not to: `\B`, `\p`, octal escapes, a repetition of something that
//! can be empty or is repeated already, non-ASCII letters and complements within a class where case is ignored (the two have
//! different versions of Unicode), and whatever Go itself refuses. The caller has another engine for those.

use std::iter::Peekable;
use std::str::Chars;

/// An expression of the `regex` crate with as many groups as the original.
pub fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        open: vec![Frame::new(false)],
    };
    translator.run()?;
    Ok(translator.out)
}

type Ranges = Vec<(u32, u32)>;

const DIGIT: &[(u32, u32)] = &[(0x30, 0x39)];
const WORD: &[(u32, u32)] = &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)];
const SPACE: &[(u32, u32)] = &[(0x09, 0x0a), (0x0c, 0x0d), (0x20, 0x20)];
const LAST: u32 = 0x10_ffff;

const POSIX: [(&str, &[(u32, u32)]); 14] = [
    ("alnum", &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)]),
    ("alpha", &[(0x41, 0x5a), (0x61, 0x7a)]),
    ("ascii", &[(0, 0x7f)]),
    ("blank", &[(0x09, 0x09), (0x20, 0x20)]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", DIGIT),
    ("graph", &[(0x21, 0x7e)]),
    ("lower", &[(0x61, 0x7a)]),
    ("print", &[(0x20, 0x7e)]),
    ("punct", &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)]),
    ("space", &[(0x09, 0x0d), (0x20, 0x20)]),
    ("upper", &[(0x41, 0x5a)]),
    ("word", WORD),
    ("xdigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
];

/// A group that is open.
struct Frame {
    /// Whether case is ignored now.
    fold: bool,
    /// Whether a branch before this one, or what there is of this one, can be empty.
    earlier_empty: bool,
    empty: bool,
    /// Whether this branch could be empty before its last item.
    empty_before: bool,
    /// Whether the last item can be empty; `None` where nothing stands that may be repeated.
    item: Option<bool>,
}

impl Frame {
    fn new(fold: bool) -> Frame {
        Frame { fold, earlier_empty: false, empty: true, empty_before: true, item: None }
    }

    fn push(&mut self, empty: bool) {
        self.empty_before = self.empty;
        self.empty &= empty;
        self.item = Some(empty);
    }
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// The outermost is the expression itself.
    open: Vec<Frame>,
}

/// One escape: a character, or a class and whether it is the complement.
enum Escape {
    Char(char),
    Class(&'static [(u32, u32)], bool),
}

fn refuse<T>(what: &str) -> Result<T, String> {
    Err(format!("not translated: {what}"))
}

impl Translator<'_> {
    fn frame(&mut self) -> &mut Frame {
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(char) = self.rest.next() {
            match char {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                ')' => self.close()?,
                '|' => {
                    self.out.push('|');
                    let frame = self.frame();
                    frame.earlier_empty |= frame.empty;
                    frame.empty = true;
                    frame.item = None;
                }
                '.' => {
                    self.out.push('.');
                    self.frame().push(false);
                }
                '^' | '$' => {
                    self.out.push(char);
                    self.frame().item = None;
                }
                '*' => self.repeat("*", true)?,
                '+' => self.repeat("+", false)?,
                '?' => self.repeat("?", true)?,
                '{' => self.counted()?,
                _ => self.literal(char)?,
            }
        }
        if self.open.len() > 1 {
            return refuse("missing )");
        }
        Ok(())
    }

    fn literal(&mut self, char: char) -> Result<(), String> {
        if self.frame().fold && !char.is_ascii() {
            return refuse("a letter beyond ASCII where case is ignored");
        }
        if char.is_ascii_alphanumeric() || !char.is_ascii() {
            self.out.push(char);
        } else {
            self.code(char as u32);
        }
        self.frame().push(false);
        Ok(())
    }

    fn code(&mut self, code: u32) {
        self.out.push_str(&format!("\\x{{{code:x}}}"));
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek() {
            Some('b') => {
                self.out.push_str("(?-u:\\b)");
                self.rest.next();
                self.frame().item = None;
                Ok(())
            }
            Some('A' | 'z') => {
                self.out.push('\\');
                self.out.extend(self.rest.next());
                self.frame().item = None;
                Ok(())
            }
            Some('Q') => {
                self.rest.next();
                self.quoted()
            }
            _ => match self.escaped()? {
                Escape::Char(char) => self.literal(char),
                Escape::Class(ranges, complement) => {
                    self.out.push_str(if complement { "[^" } else { "[" });
                    self.ranges(ranges);
                    self.out.push(']');
                    self.frame().push(false);
                    Ok(())
                }
            },
        }
    }

    fn quoted(&mut self) -> Result<(), String> {
        while let Some(char) = self.rest.next() {
            if char == '\\' && self.rest.peek() == Some(&'E') {
                self.rest.next();
                return Ok(());
            }
            self.literal(char)?;
        }
        Ok(())
    }

    /// What stands behind a backslash, in a class or outside.
    fn escaped(&mut self) -> Result<Escape, String> {
        let Some(char) = self.rest.next() else {
            return refuse("trailing backslash");
        };
        Ok(Escape::Char(match char {
            'd' => return Ok(Escape::Class(DIGIT, false)),
            'D' => return Ok(Escape::Class(DIGIT, true)),
            'w' => return Ok(Escape::Class(WORD, false)),
            'W' => return Ok(Escape::Class(WORD, true)),
            's' => return Ok(Escape::Class(SPACE, false)),
            'S' => return Ok(Escape::Class(SPACE, true)),
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.hexadecimal()?,
            _ if char.is_ascii() && !char.is_ascii_alphanumeric() => char,
            _ => return refuse("escape sequence"),
        }))
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let braced = self.rest.next_if_eq(&'{').is_some();
        let mut code = 0u32;
        let mut digits = 0;
        while let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit) {
            code = code << 4 | digit.to_digit(16).unwrap_or(0);
            digits += 1;
            if digits == if braced { 6 } else { 2 } {
                break;
            }
        }
        if if braced { digits == 0 || self.rest.next() != Some('}') } else { digits != 2 } {
            return refuse("hexadecimal escape");
        }
        match char::from_u32(code) {
            Some(char) => Ok(char),
            None => refuse("not a character"),
        }
    }

    fn ranges(&mut self, ranges: &[(u32, u32)]) {
        for &(low, high) in ranges {
            self.code(low);
            if low != high {
                self.out.push('-');
                self.code(high);
            }
        }
    }

    fn class(&mut self) -> Result<(), String> {
        let fold = self.frame().fold;
        let complement = self.rest.next_if_eq(&'^').is_some();
        let mut ranges = Ranges::new();
        let mut first = true;
        loop {
            let Some(char) = self.rest.next() else {
                return refuse("missing ]");
            };
            if char == ']' && !first {
                break;
            }
            first = false;
            if char == '[' && self.rest.peek() == Some(&':') {
                self.posix(fold, &mut ranges)?;
                continue;
            }
            let low = match self.class_char(char)? {
                Escape::Class(named, negated) => {
                    add(&mut ranges, named, negated, fold)?;
                    continue;
                }
                Escape::Char(low) => low as u32,
            };
            let mut ahead = self.rest.clone();
            let mut high = low;
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|&next| next != ']') {
                self.rest.next();
                let Some(char) = self.rest.next() else {
                    return refuse("missing ]");
                };
                let Escape::Char(char) = self.class_char(char)? else {
                    return refuse("range to a class");
                };
                high = char as u32;
            }
            if low > high || (fold && high > 0x7f) {
                return refuse("range");
            }
            ranges.push((low, high));
        }
        self.out.push_str(if complement { "[^" } else { "[" });
        self.ranges(&ranges);
        self.out.push(']');
        self.frame().push(false);
        Ok(())
    }

    fn class_char(&mut self, char: char) -> Result<Escape, String> {
        if char == '\\' {
            return self.escaped();
        }
        Ok(Escape::Char(char))
    }

    /// The rest of a `[:name:]` whose bracket has been read.
    fn posix(&mut self, fold: bool, ranges: &mut Ranges) -> Result<(), String> {
        self.rest.next();
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut name = String::new();
        while let Some(letter) = self.rest.next_if(char::is_ascii_lowercase) {
            name.push(letter);
        }
        let closed = self.rest.next() == Some(':') && self.rest.next() == Some(']');
        match POSIX.iter().find(|(known, _)| *known == name) {
            Some((_, named)) if closed => add(ranges, named, negated, fold),
            _ => refuse("POSIX class"),
        }
    }

    fn group(&mut self) -> Result<(), String> {
        let mut fold = self.frame().fold;
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.peek() {
                Some('P' | '<') => self.name()?,
                _ => {
                    self.out.push('?');
                    let (closed, folds) = self.flags(fold)?;
                    if closed {
                        let frame = self.frame();
                        frame.fold = folds;
                        frame.item = None;
                        return Ok(());
                    }
                    fold = folds;
                }
            }
        }
        if self.open.len() > 200 {
            return refuse("groups nested too deeply");
        }
        self.open.push(Frame::new(fold));
        Ok(())
    }

    /// Leaves out the `P<name>` or `<name>` of a group.
    fn name(&mut self) -> Result<(), String> {
        self.rest.next_if_eq(&'P');
        if self.rest.next() != Some('<') {
            return refuse("group");
        }
        let mut length = 0;
        while self.rest.next_if(|&char| char.is_ascii_alphanumeric() || char == '_').is_some() {
            length += 1;
        }
        if length == 0 || self.rest.next() != Some('>') {
            return refuse("name of a group");
        }
        Ok(())
    }

    /// Copies flags up to their `)` or `:`; whether it was a `)`, and whether case is ignored from here on.
    fn flags(&mut self, mut fold: bool) -> Result<(bool, bool), String> {
        let mut set = true;
        let mut letters = 0;
        for flag in self.rest.by_ref() {
            self.out.push(flag);
            match flag {
                'i' => fold = set,
                'm' | 's' | 'U' => {}
                '-' if set => {
                    set = false;
                    letters = 0;
                    continue;
                }
                ':' if set || letters > 0 => return Ok((false, fold)),
                ')' if letters > 0 => return Ok((true, fold)),
                _ => break,
            }
            letters += 1;
        }
        refuse("group")
    }

    fn close(&mut self) -> Result<(), String> {
        if self.open.len() == 1 {
            return refuse("unexpected )");
        }
        self.out.push(')');
        let empty = self.open.pop().is_some_and(|frame| frame.earlier_empty || frame.empty);
        self.frame().push(empty);
        Ok(())
    }

    /// A repetition of the last item, with its `?` if it is lazy.
    fn repeat(&mut self, operator: &str, none: bool) -> Result<(), String> {
        let frame = self.frame();
        if frame.item != Some(false) {
            return refuse("repetition of what can be empty or is repeated already");
        }
        frame.item = None;
        frame.empty = frame.empty_before && none;
        self.out.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(())
    }

    /// A brace: a counted repetition, or only a brace.
    fn counted(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        let mut text = String::new();
        loop {
            match ahead.next() {
                Some('}') => break,
                Some(char @ ('0'..='9' | ',')) if text.len() < 10 => text.push(char),
                _ => return self.literal('{'),
            }
        }
        let (low, high) = text.split_once(',').unwrap_or((&text, &text));
        let Ok(least) = low.parse::<u32>() else {
            return if low.is_empty() { self.literal('{') } else { refuse("repetition") };
        };
        if high.contains(',') {
            return self.literal('{');
        }
        let most = if high.is_empty() { u32::MAX } else { high.parse().map_err(|_| "not translated: repetition")? };
        let finite = most == u32::MAX || (1..=1000).contains(&most);
        if !finite || least > most || least > 1000 {
            return refuse("repetition");
        }
        self.rest = ahead;
        self.repeat(&format!("{{{text}}}"), least == 0)
    }
}

/// Adds a class, or its complement, to the ranges of another.
fn add(ranges: &mut Ranges, named: &[(u32, u32)], negated: bool, fold: bool) -> Result<(), String> {
    if !negated {
        ranges.extend_from_slice(named);
        return Ok(());
    }
    if fold {
        return refuse("complement in a class where case is ignored");
    }
    let mut next = 0;
    for &(low, high) in named {
        if low > next {
            ranges.push((next, low - 1));
        }
        next = high + 1;
    }
    if next <= LAST {
        ranges.push((next, LAST));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(pattern: &str) -> String {
        translate(pattern).expect("a translation")
    }

    #[test]
    fn classes_are_those_of_go() {
        assert_eq!(same(r"\s"), r"[\x{9}-\x{a}\x{c}-\x{d}\x{20}]");
        assert_eq!(same(r"[^\d-]"), r"[^\x{30}-\x{39}\x{2d}]");
        assert_eq!(same(r"[]a]"), r"[\x{5d}\x{61}]");
        assert_eq!(same(r"[[:^alpha:]]"), r"[\x{0}-\x{40}\x{5b}-\x{60}\x{7b}-\x{10ffff}]");
        assert_eq!(same(r"(?i)[k-m]"), r"(?i)[\x{6b}-\x{6d}]");
    }

    #[test]
    fn groups_lose_their_names() {
        assert_eq!(same("(?P<a>x)(?<b>y)(?:z)(?i-s:w)"), "(x)(y)(?:z)(?i-s:w)");
    }

    #[test]
    fn braces_count_or_are_braces() {
        assert_eq!(same("a{2,}?"), "a{2,}?");
        assert_eq!(same("a{,2}"), r"a\x{7b}\x{2c}2\x{7d}");
        assert_eq!(same("{a"), r"\x{7b}a");
    }

    #[test]
    fn what_cannot_be_shown_equal_is_refused() {
        let refused = [
            r"\B",
            r"\pL",
            r"\12",
            r"\0",
            "(a*)*",
            "(|a)+",
            "a**",
            "a{2}{3}",
            "^*",
            "(?i)é",
            r"(?i)[\W]",
            "(?x)a",
            "(",
            ")",
            "[a",
            "a{1001}",
            "a{3,2}",
            "a{0}",
            r"\x{d800}",
            r"\",
            "(?P<>a)",
            "(?i-)a",
            "*",
            "[z-a]",
            r"[a-\d]",
            "[[:foo:]]",
            r"\C",
            r"\Z",
        ];
        for pattern in refused {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}

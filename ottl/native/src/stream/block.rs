//! Blocks of messages as they lie in a file: frames, each behind its length, or lines of JSON.
//!
//! Only what needs no second look is found here: whole messages in their plainest form, of which the signal is certain. `ottl/files.py`
//! and `ottl/signals.py` know the others, and what is wrong with them; what both find is the same.

use memchr::memchr;

use crate::schema::Schema;
use crate::signal;

/// How messages lie in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Protobuf, behind a length of four bytes, the highest first.
    Frames,
    /// JSON, before the end of a line.
    Lines,
}

/// Bytes before a frame.
pub const PREFIX: usize = 4;

const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

impl Layout {
    /// The name that files have for it.
    pub fn named(name: &str) -> Option<Layout> {
        match name {
            "framed" => Some(Layout::Frames),
            "jsonl" => Some(Layout::Lines),
            _ => None,
        }
    }

    /// The message at the beginning of some bytes, and how many it takes with what belongs to it; none where it is not whole, longer
    /// than `most`, or in no plain form.
    pub fn message(self, bytes: &[u8], most: usize) -> Option<(&[u8], usize)> {
        let (body, end) = match self {
            Layout::Frames => {
                let (length, rest) = bytes.split_first_chunk::<PREFIX>()?;
                let length = u32::from_be_bytes(*length) as usize;
                (rest.get(..length)?, PREFIX + length)
            }
            Layout::Lines => match memchr(b'\n', bytes) {
                Some(end) => (bytes.get(..end)?, end + 1),
                None => (bytes, bytes.len()),
            },
        };
        (body.len() <= most && !(self == Layout::Frames && is_special(body))).then_some((body, end))
    }
}

/// Whether a frame may hold something else than protobuf.
fn is_special(body: &[u8]) -> bool {
    let first = body.iter().find(|&&byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    body.is_empty() || first == Some(&b'{') || body.starts_with(ZSTD_MAGIC)
}

/// Whether a line holds nothing.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|&byte| byte == b' ' || (b'\t'..=b'\r').contains(&byte))
}

/// What tells messages of a signal.
#[derive(Debug)]
pub struct Signal {
    /// Index of the root message.
    pub root: usize,
    /// The keys of a JSON root.
    pub keys: Vec<Vec<u8>>,
    /// Those of all other signals, in quotation marks.
    pub others: Vec<Vec<u8>>,
}

/// The number of the signal of a protobuf message; none where it is not certain.
pub fn of_protobuf(schema: &Schema, signals: &[Signal], body: &[u8]) -> Option<usize> {
    let fits = |unknown_allowed| {
        let fit = move |signal: &Signal| signal::fits(schema, signal.root as u32, body, unknown_allowed);
        signals.iter().enumerate().filter(move |(_, signal)| fit(signal)).map(|(number, _)| number)
    };
    [false, true].into_iter().find_map(|unknown_allowed| {
        let mut fitting = fits(unknown_allowed);
        fitting.next().map(|first| fitting.next().is_none().then_some(first))
    })?
}

/// The number of the signal of a JSON message, by the first key of the root; none where that is not certain.
pub fn of_json(signals: &[Signal], stem: &[u8], line: &[u8]) -> Option<usize> {
    let blanks = |bytes: &[u8]| bytes.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    let root = line.get(blanks(line)..)?.strip_prefix(b"{")?;
    let key = root.get(blanks(root)..)?.strip_prefix(b"\"")?;
    let key = key.get(..memchr(b'"', key.get(..64).unwrap_or(key))?)?;
    let number = signals.iter().position(|signal| signal.keys.iter().any(|name| name == key))?;
    let others = &signals.get(number)?.others;
    (!signal::holds(line, stem, others)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole_or_not_at_all() {
        let bytes = b"\0\0\0\x03\x0a\x01x\0\0\0\x02\x0a";
        assert_eq!(Layout::Frames.message(bytes, 9), Some((&b"\x0a\x01x"[..], 7)));
        assert_eq!(Layout::Frames.message(bytes, 2), None);
        assert_eq!(Layout::Frames.message(&bytes[7..], 9), None);
        assert_eq!(Layout::Frames.message(b"\0\0", 9), None);
    }

    #[test]
    fn frames_that_may_be_json_or_packed_or_are_empty_are_left() {
        for body in [&b""[..], b"{}", b" \n{", b"\x28\xb5\x2f\xfd.."] {
            let frame = [&(body.len() as u32).to_be_bytes(), body].concat();
            assert_eq!(Layout::Frames.message(&frame, 99), None, "{body:?}");
        }
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(Layout::Lines.message(b"{}\n{", 9), Some((&b"{}"[..], 3)));
        assert_eq!(Layout::Lines.message(b"{}", 2), Some((&b"{}"[..], 2)));
        assert_eq!(Layout::Lines.message(b"{}\n", 1), None);
    }

    fn signals() -> Vec<Signal> {
        let names: [&[u8]; 2] = [b"resourceSpans", b"resourceLogs"];
        let quoted = |name: &[u8]| [b"\"", name, b"\""].concat();
        let signal =
            |at: usize| Signal { root: at, keys: vec![names[at].to_vec()], others: vec![quoted(names[1 - at])] };
        vec![signal(0), signal(1)]
    }

    #[test]
    fn the_first_key_of_a_line_tells_its_signal_unless_another_is_there() {
        let of = |line: &[u8]| of_json(&signals(), b"\"resource", line);
        assert_eq!(of(b" {\t\"resourceLogs\":[]}"), Some(1));
        assert_eq!(of(b"{\"resourceSpans\":[{\"resource\":{}}]}"), Some(0));
        for line in
            [&b"{\"resourceSpans\":[],\"resourceLogs\":[]}"[..], b"{}", b"", b"{\"x\":0,\"resourceLogs\":[]}", b"[]"]
        {
            assert_eq!(of(line), None, "{line:?}");
        }
    }
}

//! The bytes of JSON strings: where a run without escapes ends, copies of short runs, and how a text begins.

use std::mem::MaybeUninit;

/// Bytes looked at together.
const CHUNK: usize = 16;

/// Bit `i` of the first number: byte `i` is a quote, a backslash or a control character; of the second: it is not ASCII.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn marks(chunk: &[u8; CHUNK]) -> (u32, u32) {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: every x86-64 processor has SSE2, and the load takes the 16 bytes of the chunk at any alignment.
    unsafe {
        let bytes = _mm_loadu_si128(chunk.as_ptr().cast::<__m128i>());
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        let special = _mm_or_si128(_mm_or_si128(quote, backslash), control);
        (_mm_movemask_epi8(special) as u32, _mm_movemask_epi8(bytes) as u32)
    }
}

/// As above, a byte at a time: compilers make vectors of it.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn marks(chunk: &[u8; CHUNK]) -> (u32, u32) {
    let (mut special, mut wide) = (0, 0);
    for (i, &byte) in chunk.iter().enumerate() {
        special |= u32::from(is_special(byte)) << i;
        wide |= u32::from(byte >> 7) << i;
    }
    (special, wide)
}

/// Bit `i`: byte `i` is the same in both.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn equals(one: &[u8; CHUNK], other: &[u8; CHUNK]) -> u32 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
    // SAFETY: as above.
    unsafe {
        let one = _mm_loadu_si128(one.as_ptr().cast::<__m128i>());
        let other = _mm_loadu_si128(other.as_ptr().cast::<__m128i>());
        _mm_movemask_epi8(_mm_cmpeq_epi8(one, other)) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn equals(one: &[u8; CHUNK], other: &[u8; CHUNK]) -> u32 {
    one.iter().zip(other).enumerate().fold(0, |equal, (i, (one, other))| equal | u32::from(one == other) << i)
}

/// Whether the first `len` bytes of `block` are what stands at `at`.
#[inline(always)]
pub fn begins<const N: usize>(bytes: &[u8], at: usize, block: &[u8; N], len: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(text) = rest.first_chunk::<N>() else {
        return block.get(..len).is_some_and(|wanted| rest.starts_with(wanted));
    };
    let mut from = 0;
    while let (Some(text), Some(block)) = (chunks(text, from), chunks(block, from)) {
        let equal = equals(text[0], block[0]) | equals(text[1], block[1]) << CHUNK;
        from += 2 * CHUNK;
        if len <= from {
            return u64::from(equal) | u64::MAX << (len + 2 * CHUNK - from) == u64::MAX;
        }
        if equal != u32::MAX {
            break;
        }
    }
    false
}

/// Two chunks from an offset on.
#[inline(always)]
fn chunks(bytes: &[u8], from: usize) -> Option<[&[u8; CHUNK]; 2]> {
    let (first, rest) = bytes.get(from..)?.split_first_chunk()?;
    Some([first, rest.first_chunk()?])
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Offset of the first quote, backslash or control character at or behind `pos`, or the length of `bytes`; and whether a
/// byte before it is not ASCII.
#[inline(always)]
pub fn run(bytes: &[u8], mut pos: usize) -> (usize, bool) {
    let mut wide = 0;
    while let Some(chunk) = bytes.get(pos..).and_then(|rest| rest.first_chunk::<CHUNK>()) {
        let (special, high) = marks(chunk);
        if special != 0 {
            let before = (special & special.wrapping_neg()).wrapping_sub(1);
            return (pos + special.trailing_zeros() as usize, (wide | (high & before)) != 0);
        }
        wide |= high;
        pos += CHUNK;
    }
    short_run(bytes, pos, wide != 0)
}

#[inline(never)]
fn short_run(bytes: &[u8], mut pos: usize, mut wide: bool) -> (usize, bool) {
    while let Some(&byte) = bytes.get(pos) {
        if is_special(byte) {
            break;
        }
        wide |= byte > 0x7f;
        pos += 1;
    }
    (pos, wide)
}

/// Whether `bytes[start..end]`, which lies inside, is ASCII that needs no escapes.
#[inline(always)]
pub fn is_plain(bytes: &[u8], mut start: usize, end: usize) -> bool {
    while start < end {
        let Some(chunk) = bytes.get(start..).and_then(|rest| rest.first_chunk::<CHUNK>()) else {
            let (stop, wide) = short_run(&bytes[..end], start, false);
            return stop == end && !wide;
        };
        let (special, high) = marks(chunk);
        let wanted = match end - start {
            rest if rest < CHUNK => (1 << rest) - 1,
            _ => u32::MAX,
        };
        if (special | high) & wanted != 0 {
            return false;
        }
        start += CHUNK;
    }
    true
}

/// Appends `bytes[start..end]`, which lies inside, if it is ASCII that needs no escapes; nothing, and false, for another text.
#[inline(always)]
pub fn append_plain(out: &mut Vec<u8>, bytes: &[u8], start: usize, end: usize) -> bool {
    let len = end - start;
    let whole = len.next_multiple_of(CHUNK);
    let Some(text) = bytes.get(start..start + whole) else {
        let plain = is_plain(bytes, start, end);
        out.extend_from_slice(&bytes[start..if plain { end } else { start }]);
        return plain;
    };
    out.reserve(whole);
    let mark = out.len();
    let room = &mut out.spare_capacity_mut()[..whole];
    // What is behind the end does not count in the last chunk.
    let (mut odd, mut last, mut at) = (0, 0, 0);
    while let (Some(chunk), Some(place)) = (chunk_at(text, at), room.get_mut(at..at + CHUNK)) {
        place.copy_from_slice(&chunk.map(MaybeUninit::new));
        let (special, high) = marks(chunk);
        odd |= last;
        last = special | high;
        at += CHUNK;
    }
    if odd | last & !(u32::MAX << (len + CHUNK - whole)) != 0 {
        return false;
    }
    // SAFETY: `whole` bytes behind `mark`, no fewer than `len`, were reserved and have been written.
    unsafe { out.set_len(mark + len) };
    true
}

/// Bytes that `append_run` looks at.
const SHORT: usize = 128;

/// Appends what stands between `start` and the first quote, backslash or control character, and returns where that is; nothing is
/// appended if it is not ASCII, long or near the end of the text.
#[inline(always)]
pub fn append_run(out: &mut Vec<u8>, bytes: &[u8], start: usize) -> Option<usize> {
    let text = bytes.get(start..)?.first_chunk::<SHORT>()?;
    out.reserve(SHORT);
    let mark = out.len();
    let room = out.spare_capacity_mut().first_chunk_mut::<SHORT>()?;
    let mut at = 0;
    while let (Some(chunk), Some(place)) = (chunk_at(text, at), room.get_mut(at..at + CHUNK)) {
        place.copy_from_slice(&chunk.map(MaybeUninit::new));
        let (special, high) = marks(chunk);
        if special | high != 0 {
            let count = (special | high).trailing_zeros();
            let len = at + count as usize;
            if high >> count & 1 != 0 {
                return None;
            }
            // SAFETY: these bytes were reserved and have been written.
            unsafe { out.set_len(mark + len) };
            return Some(start + len);
        }
        at += CHUNK;
    }
    None
}

#[inline(always)]
fn chunk_at(bytes: &[u8], at: usize) -> Option<&[u8; CHUNK]> {
    bytes.get(at..at + CHUNK)?.first_chunk()
}

/// Appends `bytes[start..end]`, which lies inside. Short ones are copied in blocks of a fixed size, which takes no call.
#[inline(always)]
pub fn append(out: &mut Vec<u8>, bytes: &[u8], start: usize, end: usize) {
    let len = end - start;
    let rest = &bytes[start..];
    match (rest.first_chunk::<16>(), rest.first_chunk::<64>()) {
        (Some(block), _) if len <= 16 => append_block(out, block, len),
        (_, Some(block)) if len <= 64 => append_block(out, block, len),
        _ => out.extend_from_slice(&bytes[start..end]),
    }
}

/// Appends the first `len` bytes of a block.
#[inline(always)]
pub fn append_block<const N: usize>(out: &mut Vec<u8>, block: &[u8; N], len: usize) {
    out.reserve(N);
    let mark = out.len();
    // SAFETY: `N` bytes behind `mark`, no fewer than count, were reserved and are written here. (`extend_from_slice` is a call to copy
    // a length that only the callee knows.)
    unsafe {
        out.as_mut_ptr().add(mark).cast::<[u8; N]>().write(*block);
        out.set_len(mark + len.min(N));
    }
}

/// Appends a block.
#[inline(always)]
pub fn append_all<const N: usize>(out: &mut Vec<u8>, block: &[u8; N]) {
    append_block(out, block, N);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_each_special_byte_wherever_it_stands() {
        for len in 0..70 {
            let clean = vec![b'a'; len];
            assert_eq!(run(&clean, 0), (len, false));
            assert!(is_plain(&clean, 0, len));
            for at in 0..len {
                for byte in 0..=255u8 {
                    let mut bytes = clean.clone();
                    bytes[at] = byte;
                    let stop = if is_special(byte) { at } else { len };
                    assert_eq!(run(&bytes, 0), (stop, byte > 0x7f));
                    assert_eq!(is_plain(&bytes, 0, len), stop == len && byte < 0x80);
                    let mut out = b"x".to_vec();
                    let long = [bytes.as_slice(), b"\"", &[byte; 150]].concat();
                    let end = append_run(&mut out, &long, 0);
                    assert_eq!(end, (stop < len || byte < 0x80).then_some(stop), "{byte} at {at} of {len}");
                    assert!(end.is_none_or(|end| out[1..] == bytes[..end]));
                    let mut out = b"x".to_vec();
                    assert_eq!(append_plain(&mut out, &bytes, 0, len), is_plain(&bytes, 0, len));
                    assert_eq!(out[1..], bytes[..if is_plain(&bytes, 0, len) { len } else { 0 }]);
                    assert!(is_plain(&bytes, 0, at));
                    assert!(is_plain(&bytes, at + 1, len));
                }
            }
        }
    }

    #[test]
    fn texts_begin_alike_as_far_as_they_are_told_to() {
        let block: [u8; 64] = std::array::from_fn(|at| at as u8);
        for room in [0, 3, 16, 31, 32, 40, 63, 64, 65, 100] {
            let text: Vec<u8> = (0..room).collect();
            for len in 1..=64 {
                assert_eq!(begins(&text, 0, &block, len), len <= usize::from(room), "{len} of {room}");
                for other in 0..text.len() {
                    let mut text = text.clone();
                    text[other] ^= 0x80;
                    assert_eq!(begins(&text, 0, &block, len), len <= text.len().min(other), "{len}, not {other}");
                }
            }
        }
        assert!(begins(b"__abc", 2, b"abcd", 3));
        assert!(!begins(b"__abc", 9, b"abcd", 3));
    }

    #[test]
    fn bytes_behind_the_end_of_a_run_do_not_count() {
        let bytes = "\"ab\\\u{e9}".as_bytes();
        assert_eq!(run(bytes, 1), (3, false));
        let mut long = b"abc\"".to_vec();
        long.extend_from_slice(&[0xff; 40]);
        assert_eq!(run(&long, 0), (3, false));
        assert!(is_plain(&long, 0, 3));
    }

    #[test]
    fn appended_runs_are_what_they_were() {
        let bytes: Vec<u8> = (0..=255).collect();
        for start in [0, 1, 100, 180, 240, 255] {
            for end in start..=bytes.len() {
                let mut out = b"x".to_vec();
                append(&mut out, &bytes, start, end);
                assert_eq!(out[1..], bytes[start..end]);
            }
        }
        let mut out = Vec::new();
        append_block(&mut out, b"abcd", 3);
        assert_eq!(out, b"abc");
    }
}

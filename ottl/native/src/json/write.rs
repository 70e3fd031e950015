//! Protobuf bytes to OTLP JSON text.

use super::binary::{hex_pair, write_base64, write_hex};
use super::numbers::{write_double, write_integer, write_signed};
use super::pairs::{self, Beginnings, Hash, Pairs};
use super::text::{append, append_all, append_block, append_plain, is_plain, run};
use super::{fail, stop, Descriptor, Field, JsonSchema, Kind, Result, Step, LEAD, MAX_RECURSION};
use crate::wire::{self, Stop};

#[inline(always)]
fn checked<T>(found: std::result::Result<T, Stop>) -> Step<T> {
    found.map_err(|stop| Box::new(stop.into()))
}

/// Field number, wire type and the position behind the tag.
#[inline]
fn tag(bytes: &[u8], pos: usize) -> Step<(u32, u8, usize)> {
    let (tag, next) = checked(wire::tag(bytes, pos, bytes.len()))?;
    Ok((tag >> 3, (tag & 7) as u8, next))
}

/// Bounds of a length-delimited value whose length is at `pos`.
#[inline(always)]
fn length(bytes: &[u8], pos: usize, end: usize) -> Step<(usize, usize)> {
    checked(wire::length(bytes, pos, end))
}

#[inline(always)]
fn body(bytes: &[u8], pos: usize) -> Step<(usize, usize)> {
    length(bytes, pos, bytes.len())
}

/// Position behind the value at `pos`, whose tag is at `at`; groups are walked without recursion.
#[inline]
fn skip_value(bytes: &[u8], at: usize, pos: usize, number: u32, kind: u8, room: usize) -> Step<usize> {
    if kind == wire::GROUP {
        return skip_group(bytes, pos, number, room);
    }
    checked(wire::skip(bytes, kind, at, pos, bytes.len()))
}

fn skip_group(bytes: &[u8], mut pos: usize, number: u32, room: usize) -> Step<usize> {
    let mut open = vec![number];
    while let Some(&current) = open.last() {
        if open.len() > room {
            return stop("messages nested too deeply", pos);
        }
        if pos >= bytes.len() {
            return stop("group without an end", pos);
        }
        let (number, kind, next) = tag(bytes, pos)?;
        if kind == wire::GROUP {
            open.push(number);
            pos = next;
        } else if kind == wire::END_GROUP && number == current {
            open.pop();
            pos = next;
        } else {
            pos = checked(wire::skip(bytes, kind, pos, next, bytes.len()))?;
        }
    }
    Ok(pos)
}

/// The OTLP JSON of the protobuf message `payload` of kind `root`.
///
/// # Errors
/// A payload that is not well-formed protobuf, or messages more than `max_depth` below the root, with the offset.
pub fn to_json(schema: &JsonSchema, root: usize, payload: &[u8], max_depth: usize) -> Result<Vec<u8>> {
    schema.check_root(root)?;
    if u32::try_from(payload.len()).is_err() {
        return fail("payload of 4 GiB or more", 0);
    }
    let mut writer = Writer {
        schema,
        out: schema.buffers.take(payload.len() / 4 * 9 + 64),
        fields: Vec::new(),
        max_depth: max_depth.min(MAX_RECURSION),
        disordered: vec![false; schema.messages.len()],
        beginnings: schema.written.take().unwrap_or_else(Beginnings::new),
    };
    if writer.message(root, payload, 0, payload.len(), 0).is_ok() {
        schema.written.give(writer.beginnings);
        return Ok(writer.out);
    }
    // Of several faults the one that walks find which look at the whole of a message first is reported.
    writer.out.clear();
    writer.disordered.fill(true);
    match writer.message(root, payload, 0, payload.len(), 0) {
        Ok(()) => Ok(writer.out),
        Err(error) => Err(*error),
    }
}

/// Fields that a message may have if some are to be put in order while it is written.
const SORTED: usize = 32;
/// Bytes of text that a field which comes late is moved over at most.
const MOVED: usize = 4096;

struct Writer<'a> {
    schema: &'a JsonSchema,
    out: Vec<u8>,
    /// A stack of the fields of the messages that are open: rank in the high, offset of the tag in the low 32 bits.
    fields: Vec<u64>,
    max_depth: usize,
    /// Kinds of messages of which one had its fields in quite another order than the descriptor's, or more than once.
    disordered: Vec<bool>,
    beginnings: Beginnings,
}

impl<'a> Writer<'a> {
    /// Writes the message whose body is `bytes[start..end]`.
    ///
    /// Fields mostly come in the order of the descriptor, which is that of JSON, and are written in one walk; one that comes late, as
    /// those do which are set in rows that lacked them, is moved to its place. Where that did not do for a message once, two walks
    /// are made of all of its kind that follow.
    #[inline]
    fn message(&mut self, kind: usize, bytes: &[u8], start: usize, end: usize, depth: usize) -> Step<()> {
        if self.disordered[kind] {
            return self.message_in_any_order(kind, bytes, start, end, depth);
        }
        self.message_in_order(kind, bytes, start, end, depth)
    }

    /// Writes a message in one walk while its fields can be put in order, and from the beginning if one cannot.
    fn message_in_order(&mut self, kind: usize, bytes: &[u8], start: usize, end: usize, depth: usize) -> Step<()> {
        if depth > self.max_depth {
            return stop("messages nested too deeply", start);
        }
        let schema: &'a JsonSchema = self.schema;
        let descriptor = &schema.messages[kind];
        let mark = self.out.len();
        let mut pos = start;
        // Which ranks were met, and where the text of each begins.
        let mut met = 0u64;
        let mut starts = [0; SORTED];
        let mut oneofs = 0u64;
        while pos < end {
            let (tag, value) = checked(wire::tag(bytes, pos, end))?;
            let rank = descriptor.rank_of_tag(tag);
            let Some(field) = descriptor.fields.get(rank) else {
                let room = self.max_depth.saturating_sub(depth);
                pos = skip_value(&bytes[..end], pos, value, tag >> 3, (tag & 7) as u8, room)?;
                continue;
            };
            let bit = field.oneof.map_or(0, |oneof| 1u64 << (oneof % 64));
            let before = self.out.len();
            let later = met >> (rank % 64);
            if later != 0 || oneofs & bit != 0 || rank >= SORTED {
                let place = starts[(rank + later.trailing_zeros() as usize) % SORTED];
                if later & 1 != 0 || oneofs & bit != 0 || rank >= SORTED || before - place > MOVED {
                    self.out.truncate(mark);
                    self.disordered[kind] = true;
                    return self.message_in_any_order(kind, bytes, start, end, depth);
                }
            }
            oneofs |= bit;
            self.begin(field);
            if field.repeated {
                pos = self.array(field, tag, bytes, value, end, depth)?;
            } else if field.kind == Kind::Message {
                let (from, to) = length(bytes, value, end)?;
                self.message(field.message, bytes, from, to, depth + 1)?;
                pos = to;
            } else {
                let (next, kept) = self.scalar(field, bytes, value, end, bit != 0)?;
                if !kept {
                    self.out.truncate(before);
                }
                pos = next;
            }
            starts[rank] = before;
            met |= 1 << rank;
            if later != 0 {
                self.move_up(rank, later, &mut starts);
            }
        }
        self.finish(mark);
        Ok(())
    }

    /// Moves the last field, of this rank, before those of the ranks that `later` tells, counted from its own.
    #[inline(never)]
    fn move_up(&mut self, rank: usize, mut later: u64, starts: &mut [usize; SORTED]) {
        let len = self.out.len() - starts[rank];
        let place = starts[(rank + later.trailing_zeros() as usize) % SORTED];
        self.out[place..].rotate_right(len);
        starts[rank] = place;
        while later != 0 {
            starts[(rank + later.trailing_zeros() as usize) % SORTED] += len;
            later &= later - 1;
        }
    }

    /// Writes a comma, the key and what every value of the field begins with.
    #[inline(always)]
    fn begin(&mut self, field: &Field) {
        if field.begun.len() <= LEAD {
            append_block(&mut self.out, &field.lead, field.begun.len());
        } else {
            self.out.extend_from_slice(&field.begun);
        }
    }

    /// Makes an object of the fields from `mark` on, each of which has a comma before it.
    #[inline(always)]
    fn finish(&mut self, mark: usize) {
        match self.out.get_mut(mark) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// Writes an array of the elements of a repeated field that follow one another with one tag.
    #[inline]
    fn array(&mut self, field: &Field, first: u32, bytes: &[u8], pos: usize, end: usize, depth: usize) -> Step<usize> {
        let mark = self.out.len();
        let pos = self.elements(field, first, bytes, pos, end, depth)?;
        self.close(field, mark);
        Ok(pos)
    }

    /// Writes the elements of a repeated field that follow one another with one tag, the first one's value being at `pos`, each with
    /// a comma; returns where they end.
    #[inline(never)]
    fn elements(
        &mut self,
        field: &Field,
        first: u32,
        bytes: &[u8],
        mut pos: usize,
        end: usize,
        depth: usize,
    ) -> Step<usize> {
        if let Some(pairs) = field.pairs {
            return self.pairs(field, pairs, first, bytes, (pos, end), depth);
        }
        loop {
            if field.kind == Kind::Message {
                let (from, to) = length(bytes, pos, end)?;
                self.message(field.message, bytes, from, to, depth + 1)?;
                self.out.push(b',');
                pos = to;
            } else if field.packed() && (first & 7) as u8 == wire::LEN {
                let (mut from, to) = length(bytes, pos, end)?;
                while from < to {
                    from = self.element(field, bytes, from, to)?;
                }
                pos = to;
            } else {
                pos = self.element(field, bytes, pos, end)?;
            }
            if pos >= end {
                break;
            }
            match checked(wire::tag(bytes, pos, end))? {
                (tag, next) if tag == first => pos = next,
                _ => break,
            }
        }
        Ok(pos)
    }

    /// As `elements` does, pairs.
    #[inline]
    fn pairs(
        &mut self,
        field: &Field,
        pairs: Pairs,
        first: u32,
        bytes: &[u8],
        (mut pos, end): (usize, usize),
        depth: usize,
    ) -> Step<usize> {
        let mut before = self.beginnings.start(pairs);
        loop {
            let (from, to) = length(bytes, pos, end)?;
            let hash = || pairs.of_wire(bytes.get(from..)?);
            let begun = self.beginnings.recall(pairs, before, bytes, from, hash).filter(|_| depth + 1 < self.max_depth);
            before = match begun {
                Some(place) if self.short_pair(place, bytes, from, to).is_some() => place,
                Some(place) if self.known_pair(pairs, place, bytes, from, to).is_some() => place,
                _ => {
                    self.new_pair(field, pairs, bytes, (from, to), depth + 1)?;
                    before
                }
            };
            pos = to;
            match bytes.get(pos) {
                Some(&tag) if pos < end && u32::from(tag) == first && first < 0x80 => pos += 1,
                _ if first < 0x80 || pos >= end => break,
                _ => match checked(wire::tag(bytes, pos, end))? {
                    (tag, next) if tag == first => pos = next,
                    _ => break,
                },
            }
        }
        Ok(pos)
    }

    /// Writes a pair and a comma, which begins as what is remembered at a place, if it holds one scalar of a kind and of no more bytes
    /// than most do; nothing is done for another.
    #[inline(always)]
    fn short_pair(&mut self, place: usize, bytes: &[u8], from: usize, to: usize) -> Option<()> {
        let known = self.beginnings.at(place)?;
        let head = bytes.get(from..)?.first_chunk::<{ pairs::LONGEST + 2 }>()?;
        let (value_len, tag, len) = (head[known.len()], head[known.len() + 1], head[known.len() + 2]);
        let value = from + known.len() + 2;
        if tag != known.tag || value_len >= 0x80 || value + usize::from(value_len) != to + 1 {
            return None;
        }
        let out = &mut self.out;
        let begin = |out: &mut Vec<u8>| append_block(out, &known.result, usize::from(known.result_len));
        match known.kind {
            Kind::String if len + 2 == value_len => {
                begin(out);
                write_string(out, bytes, value + 1, to);
            }
            Kind::Int64 | Kind::Bool => {
                let (number, _) = wire::varint(bytes, value, to).ok().filter(|&(_, end)| end == to)?;
                begin(out);
                write_varint(out, known.kind, number);
            }
            Kind::Double => {
                let (bits, _) = wire::fixed64(bytes, value, to).ok().filter(|&(_, end)| end == to)?;
                begin(out);
                write_double(out, f64::from_bits(bits));
            }
            _ => return None,
        }
        append_all(out, b"}},");
        Some(())
    }

    /// Writes a pair of which nothing is known beforehand, and a comma; remembers how it begins.
    #[inline(never)]
    fn new_pair(
        &mut self,
        field: &Field,
        pairs: Pairs,
        bytes: &[u8],
        (from, to): (usize, usize),
        depth: usize,
    ) -> Step<()> {
        self.message(field.message, bytes, from, to, depth)?;
        self.out.push(b',');
        let hash = pairs.of_wire(&bytes[from..]);
        if let Some((hash, place)) = hash.and_then(|hash| Some((hash, self.beginnings.vacancy(hash)?))) {
            self.remember(field, pairs, &bytes[from..to], place, hash);
        }
        Ok(())
    }

    /// As `short_pair` does, a pair with any scalar.
    #[inline(never)]
    fn known_pair(&mut self, pairs: Pairs, place: usize, bytes: &[u8], from: usize, to: usize) -> Option<()> {
        let schema: &'a JsonSchema = self.schema;
        let known = self.beginnings.at(place)?;
        let (value, end) = wire::length(bytes, from + known.len(), to).ok()?;
        let (tag, value) = wire::tag(bytes, value, to).ok().filter(|_| end == to)?;
        let choices = &schema.messages[pairs.choice];
        let member = choices.fields.get(choices.rank_of_tag(tag)).filter(|member| member.kind != Kind::Message)?;
        let mark = self.out.len();
        append_block(&mut self.out, &known.result, usize::from(known.key_len));
        let brace = self.out.len();
        self.begin(member);
        self.out[brace] = b'{';
        if self.scalar(member, bytes, value, to, true).map_or(true, |(end, _)| end != to) {
            self.out.truncate(mark);
            return None;
        }
        append_all(&mut self.out, b"}},");
        Some(())
    }

    /// Remembers how the pair that was written begins, if it has its two fields in order.
    #[inline(never)]
    fn remember(&mut self, field: &Field, pairs: Pairs, bytes: &[u8], place: usize, hash: Hash) -> Option<()> {
        let (key, choice) = pairs::fields(&self.schema.messages[field.message])?;
        let (tag, next) = wire::tag(bytes, 0, bytes.len()).ok().filter(|_| bytes.len() < 0x4000)?;
        let (from, to) = (tag >> 3 == key.number && key.takes((tag & 7) as u8))
            .then(|| wire::length(bytes, next, bytes.len()).ok())?
            .filter(|&(from, to)| from < to && is_plain(bytes, from, to))?;
        let (tag, next) = wire::tag(bytes, to, bytes.len()).ok()?;
        if tag >> 3 != choice.number || !choice.takes((tag & 7) as u8) {
            return None;
        }
        let (value, end) = wire::length(bytes, next, bytes.len()).ok()?;
        let (tag, _) = wire::tag(bytes, value, end).ok()?;
        let members = &self.schema.messages[pairs.choice];
        let rank = members.rank_of_tag(tag);
        let member = members.fields.get(rank).filter(|member| member.tag_len == 1 && member.kind != Kind::Message)?;
        let text = [b"{", key.begun.get(1..)?, &bytes[from..to], b"\"", &choice.begun];
        let begun = [b"{", member.begun.get(1..)?].concat();
        self.beginnings.remember(place, hash, &bytes[..next], &text, (rank, member, &begun));
        Some(())
    }

    /// Writes a scalar element and a comma.
    #[inline]
    fn element(&mut self, field: &Field, bytes: &[u8], pos: usize, end: usize) -> Step<usize> {
        if field.kind.quoted() {
            self.out.push(b'"');
        }
        let (next, _) = self.scalar(field, bytes, pos, end, true)?;
        self.out.push(b',');
        Ok(next)
    }

    /// Makes an array of the elements from `mark` on, each of which has a comma behind it; of none, nothing stays of the field.
    #[inline(always)]
    fn close(&mut self, field: &Field, mark: usize) {
        if self.out.len() == mark {
            self.out.truncate(mark - field.begun.len());
        } else if let Some(comma) = self.out.last_mut() {
            *comma = b']';
        }
    }

    /// Writes a message with its fields in any order. A first walk notes where the fields are (a run of the elements of one
    /// repeated field once), the second writes them in the order of the descriptor.
    #[inline(never)]
    fn message_in_any_order(&mut self, kind: usize, bytes: &[u8], start: usize, end: usize, depth: usize) -> Step<()> {
        if depth > self.max_depth {
            return stop("messages nested too deeply", start);
        }
        let schema: &'a JsonSchema = self.schema;
        let descriptor = &schema.messages[kind];
        let base = self.fields.len();
        let regular = self.collect(descriptor, &bytes[..end], start, depth)?;
        if !regular {
            self.settle_oneofs(descriptor, &bytes[..end], base, depth)?;
        }
        if !self.fields[base..].is_sorted() {
            self.fields[base..].sort_unstable();
        }
        let mark = self.out.len();
        let mut at = base;
        let top = self.fields.len();
        while at < top {
            let rank = (self.fields[at] >> 32) as usize;
            let mut next = at + 1;
            while next < top && (self.fields[next] >> 32) as usize == rank {
                next += 1;
            }
            let field = &descriptor.fields[rank];
            let before = self.out.len();
            self.begin(field);
            if field.repeated {
                self.array_of_runs(field, &bytes[..end], at, next, depth)?;
            } else if field.kind == Kind::Message {
                self.submessage(field, &bytes[..end], at, next, depth)?;
            } else {
                let tag_at = self.fields[next - 1] as u32 as usize;
                let (_, _, value) = tag(bytes, tag_at)?;
                if !self.scalar(field, bytes, value, end, field.oneof.is_some())?.1 {
                    self.out.truncate(before);
                }
            }
            at = next;
        }
        self.fields.truncate(base);
        self.finish(mark);
        Ok(())
    }

    /// Pushes the known fields of a message in wire order and says whether no oneof was set twice.
    fn collect(&mut self, descriptor: &Descriptor, bytes: &[u8], start: usize, depth: usize) -> Step<bool> {
        let mut pos = start;
        let mut run = usize::MAX;
        let mut oneofs = 0u64;
        let mut regular = true;
        while pos < bytes.len() {
            let (number, kind, next) = tag(bytes, pos)?;
            let known = descriptor.rank(number);
            match known.filter(|&rank| descriptor.fields[rank].takes(kind)) {
                Some(rank) => {
                    let field = &descriptor.fields[rank];
                    if rank != run {
                        self.fields.push((rank as u64) << 32 | pos as u64);
                        run = if field.repeated { rank } else { usize::MAX };
                    }
                    if let Some(oneof) = field.oneof {
                        let bit = 1u64 << (oneof % 64);
                        regular &= oneofs & bit == 0;
                        oneofs |= bit;
                    }
                }
                None => run = usize::MAX,
            }
            let room = self.max_depth.saturating_sub(depth);
            pos = skip_value(bytes, pos, next, number, kind, room)?;
        }
        Ok(regular)
    }

    /// Drops the members of oneofs that a later different member replaced; replaced messages must still be well-formed.
    fn settle_oneofs(&mut self, descriptor: &Descriptor, bytes: &[u8], base: usize, depth: usize) -> Step<()> {
        let mut winners: Vec<(u32, usize, bool)> = Vec::new();
        let fields = self.fields.split_off(base);
        let mut kept = Vec::with_capacity(fields.len());
        for &entry in fields.iter().rev() {
            let rank = (entry >> 32) as usize;
            let field = &descriptor.fields[rank];
            let mut keep = true;
            if let Some(oneof) = field.oneof {
                match winners.iter_mut().find(|(known, _, _)| *known == oneof) {
                    Some((_, winner, replaced)) => {
                        *replaced |= *winner != rank;
                        keep = !*replaced;
                    }
                    None => winners.push((oneof, rank, false)),
                }
            }
            if keep {
                kept.push(entry);
            } else if field.kind == Kind::Message {
                let (_, _, next) = tag(bytes, entry as u32 as usize)?;
                let (start, end) = body(bytes, next)?;
                self.check(field.message, bytes, start, end, depth + 1)?;
            }
        }
        self.fields.extend(kept.into_iter().rev());
        Ok(())
    }

    /// Whether a message that is not written is well-formed, as deep as the schema knows.
    fn check(&self, kind: usize, bytes: &[u8], start: usize, end: usize, depth: usize) -> Step<()> {
        if depth > self.max_depth {
            return stop("messages nested too deeply", start);
        }
        let descriptor = &self.schema.messages[kind];
        let bytes = &bytes[..end];
        let mut pos = start;
        while pos < end {
            let (number, kind, next) = tag(bytes, pos)?;
            let room = self.max_depth.saturating_sub(depth);
            pos = skip_value(bytes, pos, next, number, kind, room)?;
            if kind != wire::LEN {
                continue;
            }
            let known = descriptor.rank(number).map(|rank| &descriptor.fields[rank]);
            let (from, to) = body(bytes, next)?;
            match known {
                Some(field) if field.kind == Kind::Message => {
                    self.check(field.message, bytes, from, to, depth + 1)?;
                }
                Some(field) if field.packed() => {
                    let mut at = from;
                    while at < to {
                        at = checked(wire::skip(bytes, field.wire, at, at, to))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A singular message from its occurrences `fields[at..next]`: several are one message whose bodies are joined.
    fn submessage(&mut self, field: &Field, bytes: &[u8], at: usize, next: usize, depth: usize) -> Step<()> {
        let first = self.fields[at] as u32 as usize;
        if next == at + 1 {
            let (_, _, value) = tag(bytes, first)?;
            let (start, end) = body(bytes, value)?;
            return self.message(field.message, bytes, start, end, depth + 1);
        }
        let mut joined = Vec::new();
        for i in at..next {
            let (_, _, value) = tag(bytes, self.fields[i] as u32 as usize)?;
            let (start, end) = body(bytes, value)?;
            self.check(field.message, bytes, start, end, depth + 1)?;
            joined.extend_from_slice(&bytes[start..end]);
        }
        let len = joined.len();
        match self.message(field.message, &joined, 0, len, depth + 1) {
            Err(error) => stop(error.message, first),
            done => done,
        }
    }

    /// A repeated field from its runs `fields[at..next]`.
    fn array_of_runs(&mut self, field: &Field, bytes: &[u8], at: usize, next: usize, depth: usize) -> Step<()> {
        let mark = self.out.len();
        for i in at..next {
            let mut pos = self.fields[i] as u32 as usize;
            while pos < bytes.len() {
                let (first, value) = checked(wire::tag(bytes, pos, bytes.len()))?;
                if first >> 3 != field.number || !field.takes((first & 7) as u8) {
                    break;
                }
                pos = self.elements(field, first, bytes, value, bytes.len(), depth)?;
            }
        }
        self.close(field, mark);
        Ok(())
    }

    /// Writes the value at `pos` without the quote that opens it; returns the position behind it and whether it is to be kept
    /// (not a zero that may go).
    #[inline(always)]
    fn scalar(&mut self, field: &Field, bytes: &[u8], pos: usize, end: usize, keep: bool) -> Step<(usize, bool)> {
        let out = &mut self.out;
        let (next, zero) = match field.kind {
            Kind::String => {
                let (from, to) = length(bytes, pos, end)?;
                write_string(out, bytes, from, to);
                (to, from == to)
            }
            Kind::Base64 | Kind::Hex => {
                let (from, to) = length(bytes, pos, end)?;
                let write = if field.kind == Kind::Hex { write_hex } else { write_base64 };
                write(out, &bytes[from..to]);
                out.push(b'"');
                (to, from == to)
            }
            Kind::Double => {
                let (bits, next) = checked(wire::fixed64(bytes, pos, end))?;
                write_double(out, f64::from_bits(bits));
                (next, bits == 0)
            }
            Kind::Float => {
                let (bits, next) = checked(wire::fixed32(bytes, pos, end))?;
                write_double(out, f64::from(f32::from_bits(bits)));
                (next, bits == 0)
            }
            Kind::Fixed64 => {
                let (value, next) = checked(wire::fixed64(bytes, pos, end))?;
                write_integer(out, value);
                out.push(b'"');
                (next, value == 0)
            }
            Kind::Sfixed64 => {
                let (bits, next) = checked(wire::fixed64(bytes, pos, end))?;
                write_signed(out, bits as i64);
                out.push(b'"');
                (next, bits == 0)
            }
            Kind::Fixed32 => {
                let (value, next) = checked(wire::fixed32(bytes, pos, end))?;
                write_integer(out, u64::from(value));
                (next, value == 0)
            }
            Kind::Sfixed32 => {
                let (bits, next) = checked(wire::fixed32(bytes, pos, end))?;
                write_signed(out, i64::from(bits as i32));
                (next, bits == 0)
            }
            _ => {
                let (value, next) = checked(wire::varint(bytes, pos, end))?;
                (next, write_varint(out, field.kind, value))
            }
        };
        Ok((next, keep || !zero))
    }
}

/// Writes a number that was a varint on the wire, without the quote that opens it; returns whether it is zero.
#[inline]
fn write_varint(out: &mut Vec<u8>, kind: Kind, value: u64) -> bool {
    match kind {
        Kind::Uint64 => {
            write_integer(out, value);
            out.push(b'"');
        }
        Kind::Int64 => {
            write_signed(out, value as i64);
            out.push(b'"');
        }
        Kind::Sint64 => {
            write_signed(out, unzigzag(value));
            out.push(b'"');
        }
        Kind::Bool => {
            append_block(out, if value == 0 { b"false" } else { b"true " }, if value == 0 { 5 } else { 4 });
        }
        Kind::Uint32 => {
            write_integer(out, u64::from(value as u32));
            return value as u32 == 0;
        }
        Kind::Sint32 => {
            let value = unzigzag(u64::from(value as u32)) as i32;
            write_signed(out, i64::from(value));
            return value == 0;
        }
        _ => {
            write_signed(out, i64::from(value as i32));
            return value as i32 == 0;
        }
    }
    value == 0
}

/// Writes a string with its escapes and the quote that closes it; each byte that is not part of valid UTF-8 becomes U+FFFD.
#[inline(always)]
fn write_string(out: &mut Vec<u8>, bytes: &[u8], start: usize, end: usize) {
    if !append_plain(out, bytes, start, end) {
        write_any_string(out, &bytes[start..end]);
    }
    out.push(b'"');
}

#[inline(never)]
fn write_any_string(out: &mut Vec<u8>, value: &[u8]) {
    if std::str::from_utf8(value).is_ok() {
        return write_escaped(out, value);
    }
    for chunk in value.utf8_chunks() {
        write_escaped(out, chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn write_escaped(out: &mut Vec<u8>, value: &[u8]) {
    let mut from = 0;
    loop {
        let (at, _) = run(value, from);
        append(out, value, from, at);
        let Some(&byte) = value.get(at) else {
            return;
        };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex_pair(byte));
            }
        }
        from = at + 1;
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

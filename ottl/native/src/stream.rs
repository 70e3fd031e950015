//! Payloads in windows: some rows are scanned, worked on and written again while they are in the cache, before the scan goes on.
//!
//! What a payload costs is then the same a row however many it has, and no table ever holds more than a window. The statements of a
//! stream run on the rows of one table, which has none below it, and write nothing but these rows; so what lies around the rows is
//! copied as it came, but for the lengths of the messages that hold a changed row. Anything else ends the stream, with nothing done:
//! a row that is declined, a payload that is irregular or malformed, a field around the rows that comes behind some of them. The
//! caller then takes the payload as a whole, which also knows what to say.

pub mod block;
#[cfg(feature = "python")]
mod py;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arena::Arena;
use crate::batch::{Batch, Extent, Table};
use crate::exec::{Execution, Outcome, Program, Room};
use crate::maps::Rows;
use crate::patch;
use crate::scan::{self, Limits, Window};
use crate::schema::{Plan, Schema};
use crate::spare::Spare;
use crate::wire::{self, Stop};

#[cfg(feature = "python")]
pub use py::register;

/// When a window is full.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Bytes of the payload. Where a message around the rows ends, half of them are enough: there, nothing around them can come late.
    pub bytes: usize,
    /// A number of which its rows are a multiple, unless it ends with a message around them.
    pub rows: usize,
}

/// Where the result goes.
pub trait Sink {
    /// Appends bytes.
    fn extend(&mut self, bytes: &[u8]);

    /// What was written so far; less where the sink has failed.
    fn bytes(&mut self) -> &mut [u8];

    /// Forgets what was written behind a length.
    fn truncate(&mut self, len: usize);
}

impl Sink for Vec<u8> {
    fn extend(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn bytes(&mut self) -> &mut [u8] {
        self
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// Some statements: all on the rows on which one of the selector's conditions holds, if it has one.
pub struct Stage<'p> {
    pub selector: Option<&'p Program>,
    pub program: &'p Program,
    /// How many keys of the rows' cache it uses.
    pub cached: usize,
    /// By statement, whether a row on which it fails ends the stream, since nobody knows yet how; any does without.
    pub untold: Option<Vec<bool>>,
}

/// What became of a payload.
#[derive(Debug)]
pub struct Done {
    /// By stage.
    pub outcomes: Vec<Outcome>,
    /// Whether the sink holds a result; if not, nothing has changed.
    pub changed: bool,
    pub scan: Duration,
    pub patch: Duration,
}

/// Runs stages over a payload; None, with nothing done but to the sink, if it has to be taken as a whole.
pub fn run<S: Sink>(
    schema: &Arc<Schema>,
    plan: &Arc<Plan>,
    payload: &[u8],
    limits: Limits,
    stages: &[Stage],
    (size, room): (Size, Room),
    sink: &mut S,
) -> Option<Done> {
    let begun = Instant::now();
    let table = stages.first()?.program.context;
    if payload.len() > wire::MAX_PAYLOAD {
        return None;
    }
    let Spare { tables, extra, rope } = plan.spares.take(&plan.tables);
    let arena = Arena { payload, extra };
    let stream = Stream {
        batch: Batch { schema: schema.clone(), plan: plan.clone(), arena, tables: Vec::new(), rope },
        table,
        stages,
        size,
        executions: Vec::new(),
        room,
        begun,
        made: 0,
        base: 0,
        since: 0,
        settled: vec![0; tables.len()],
        writer: Writer { payload, sink, kept: 0, frames: Vec::new(), next: 0, open: Vec::new() },
        statements: Duration::ZERO,
        patch: Duration::ZERO,
    };
    let (mut tables, mut stream) = scan::windows(schema, plan, payload, limits, tables, stream).ok()?;
    stream.work(&mut tables, payload.len(), true).ok()?;
    std::mem::swap(&mut stream.batch.tables, &mut tables);
    let changed = stream.writer.finish()?;
    let (statements, patch) = (stream.statements, stream.patch);
    let outcomes = stream.executions.into_iter().map(|(_, execution)| execution.outcome()).collect();
    let scan = begun.elapsed().saturating_sub(statements + patch);
    Some(Done { outcomes, changed, scan, patch })
}

/// A stream on its way through a payload.
struct Stream<'a, 'p, S> {
    /// Has the tables while a window is worked on; the scan has them otherwise.
    batch: Batch<&'a [u8]>,
    /// The one whose rows the statements run on.
    table: usize,
    stages: &'p [Stage<'p>],
    size: Size,
    /// By stage; none before the first window.
    executions: Vec<(Option<Execution<'p>>, Execution<'p>)>,
    room: Room,
    begun: Instant,
    /// Bytes that the statements have made in earlier windows.
    made: i64,
    /// Bytes of the arena that all windows need.
    base: usize,
    /// Where the window begins.
    since: usize,
    /// By table, rows that statements have looked at.
    settled: Vec<usize>,
    writer: Writer<'a, 'p, S>,
    statements: Duration,
    patch: Duration,
}

impl<S: Sink> Window for Stream<'_, '_, S> {
    #[inline(always)]
    fn is_around(&self, table: u32) -> bool {
        table as usize != self.table
    }

    fn is_settled(&self, table: u32, row: usize) -> bool {
        self.settled.get(table as usize).is_some_and(|&rows| row < rows)
    }

    fn entered(&mut self, extent: Extent) {
        self.writer.frames.push(extent);
    }

    #[inline(always)]
    fn left(&mut self, tables: &mut Vec<Table>, table: u32, end: usize) -> Result<(), Stop> {
        let around = self.is_around(table);
        let bytes = if around { self.size.bytes / 2 } else { self.size.bytes };
        if end - self.since < bytes {
            return Ok(());
        }
        let rows = tables.get(self.table).map_or(0, Table::len);
        if !around && rows % self.size.rows.max(1) != 0 {
            return Ok(());
        }
        self.work(tables, end, false)
    }
}

impl<'p, S: Sink> Stream<'_, 'p, S> {
    /// Works on the rows that the scan has found, up to a position, and forgets them.
    #[inline(never)]
    fn work(&mut self, tables: &mut Vec<Table>, end: usize, last: bool) -> Result<(), Stop> {
        std::mem::swap(&mut self.batch.tables, tables);
        let done = self.window(last);
        self.since = end;
        self.writer.pass(end);
        std::mem::swap(&mut self.batch.tables, tables);
        done.ok_or(Stop::Irregular)
    }

    fn window(&mut self, last: bool) -> Option<()> {
        let begun = Instant::now();
        let table = self.batch.tables.get_mut(self.table)?;
        let count = table.len();
        if count == 0 && !(last && self.executions.is_empty()) {
            return Some(());
        }
        table.finish();
        if self.executions.is_empty() {
            self.executions = self.open(if last { count } else { usize::MAX })?;
            self.base = self.batch.arena.extra.len();
        }
        self.run(count)?;
        let ran = Instant::now();
        let Stream { batch, writer, .. } = self;
        patch::changed_rows(batch, self.table, |extent, rope, arena| writer.row(extent, rope.pieces(arena))).ok()?;
        self.batch.tables.get_mut(self.table)?.clear_rows();
        self.made += (self.batch.arena.extra.len() - self.base) as i64;
        self.batch.arena.extra.truncate(self.base);
        for (settled, table) in self.settled.iter_mut().zip(&self.batch.tables) {
            *settled = table.len();
        }
        self.statements += ran - begun;
        self.patch += ran.elapsed();
        Some(())
    }

    fn open(&mut self, rows: usize) -> Option<Vec<(Option<Execution<'p>>, Execution<'p>)>> {
        let Stream { batch, stages, .. } = self;
        let mut execution = |program| Execution::new(program, batch, rows, false).ok();
        let mut found = Vec::with_capacity(stages.len());
        for stage in stages.iter() {
            let selector = match stage.selector {
                Some(program) => Some(execution(program)?),
                None => None,
            };
            let mut running = execution(stage.program)?;
            running.untold.clone_from(&stage.untold);
            found.push((selector, running));
        }
        Some(found)
    }

    /// Runs the stages on the rows of the window.
    fn run(&mut self, count: usize) -> Option<()> {
        let room = Room { most: self.room.most - self.made, ..self.room };
        for (stage, (selector, execution)) in self.stages.iter().zip(&mut self.executions) {
            let room = Room { seconds: self.room.seconds - self.begun.elapsed().as_secs_f64(), ..room };
            if stage.cached > 0 {
                self.batch.open_cache(self.table, stage.cached).ok()?;
            }
            let rows = match selector {
                Some(selector) => Some(selected(selector, &mut self.batch, count, room)?),
                None => None,
            };
            execution.forget();
            execution.run(&mut self.batch, rows.as_deref().map_or(Rows::All(count), Rows::Some), 0, room).ok()?;
            let spent = self.batch.arena.end() > room.most || self.begun.elapsed().as_secs_f64() > self.room.seconds;
            if spent || execution.has_declined() {
                return None;
            }
        }
        Some(())
    }
}

/// The rows on which one of a selector's conditions holds.
fn selected(selector: &mut Execution, batch: &mut Batch<&[u8]>, count: usize, room: Room) -> Option<Vec<i32>> {
    selector.forget();
    let mut pending: Vec<i32> = (0..count as i32).collect();
    let mut found = Vec::with_capacity(count);
    for number in 0..selector.statements() {
        let states = selector.select(batch, Rows::Some(&pending), number, room).ok()?;
        if states.contains(&2) {
            return None;
        }
        let mut states = states.iter();
        pending.retain(|&row| {
            let holds = states.next() == Some(&1);
            if holds {
                found.push(row);
            }
            !holds
        });
    }
    found.sort_unstable();
    Some(found)
}

/// A message in the result whose length is known only when it ends.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Where it ends in the payload.
    end: usize,
    /// Where its body begins in the result.
    body: usize,
    /// Bytes before the body that hold its length.
    width: usize,
}

/// Writes the payload again, with some rows rewritten.
struct Writer<'a, 's, S> {
    payload: &'a [u8],
    sink: &'s mut S,
    /// Up to here the payload is written.
    kept: usize,
    /// Messages around rows, in the order in which they begin; those before `next` are written or passed.
    frames: Vec<Extent>,
    next: usize,
    open: Vec<Open>,
}

impl<S: Sink> Writer<'_, '_, S> {
    /// Writes a row, and what comes before it.
    fn row<'b>(&mut self, extent: Extent, pieces: impl Iterator<Item = &'b [u8]>) {
        while let Some(&frame) = self.frames.get(self.next).filter(|frame| frame.start < extent.start) {
            self.next += 1;
            if frame.end > extent.start {
                self.enter(frame);
            }
        }
        self.enter(extent);
        pieces.for_each(|piece| self.sink.extend(piece));
        self.kept = extent.end as usize;
        self.close();
    }

    /// Writes the header of a message, with the length that it had.
    #[inline(always)]
    fn enter(&mut self, Extent { start, body, end }: Extent) {
        self.leave(start as usize);
        self.copy(body as usize);
        let header = self.payload.get(start as usize..body as usize).unwrap_or_default();
        let tag = header.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
        let body = self.sink.bytes().len();
        self.open.push(Open { end: end as usize, body, width: header.len().saturating_sub(tag) });
    }

    /// Ends the messages that end before a position.
    #[inline(always)]
    fn leave(&mut self, before: usize) {
        while let Some(&open) = self.open.last().filter(|open| open.end <= before) {
            self.copy(open.end);
            self.close();
        }
    }

    /// Copies the payload up to a position.
    #[inline(always)]
    fn copy(&mut self, to: usize) {
        self.sink.extend(self.payload.get(self.kept..to).unwrap_or_default());
        self.kept = to;
    }

    /// Writes the length of the innermost message.
    #[inline(always)]
    fn close(&mut self) {
        let Some(Open { body, width, .. }) = self.open.pop() else {
            return;
        };
        let (end, Some(begin)) = (self.sink.bytes().len(), body.checked_sub(width)) else {
            return;
        };
        let mut len = end.saturating_sub(body);
        let wanted = wire::varint_len(len as u64);
        if wanted != width {
            self.shift(body, end, begin + wanted);
        }
        let place = self.sink.bytes().get_mut(begin..begin + wanted).unwrap_or_default();
        for byte in place {
            *byte = len as u8 & 0x7f | u8::from(len >= 0x80) << 7;
            len >>= 7;
        }
    }

    /// Moves the body of a message whose length takes more bytes than before, or fewer.
    #[cold]
    fn shift(&mut self, body: usize, end: usize, to: usize) {
        self.sink.extend([0; 8].get(..to.saturating_sub(body)).unwrap_or_default());
        let bytes = self.sink.bytes();
        if end.max(to + end - body) <= bytes.len() {
            bytes.copy_within(body..end, to);
        }
        self.sink.truncate(to + end - body);
    }

    /// Forgets the messages that end before a position of which the rows are written.
    fn pass(&mut self, position: usize) {
        self.frames.drain(..self.next);
        self.next = 0;
        self.frames.retain(|frame| frame.end as usize > position);
    }

    /// Writes the rest; whether anything has changed, None if the result is too long.
    fn finish(&mut self) -> Option<bool> {
        if self.kept == 0 {
            return Some(false);
        }
        self.leave(self.payload.len());
        self.copy(self.payload.len());
        (self.sink.bytes().len() <= wire::MAX_PAYLOAD).then_some(true)
    }
}

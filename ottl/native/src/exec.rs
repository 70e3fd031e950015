//! The native executor: statements of bytecode over the tables of a batch, some rows at a time.
//!
//! A program is what the columns executor makes of neighbouring statements that are known here in full. All of them run on a chunk
//! of rows before the next chunk is looked at, and each step runs on all rows of the chunk that its statement still means: the rows
//! stay in the cache, what it costs to know what to do is shared by many of them (Boncz, Zukowski and Nes: MonetDB/X100,
//! Hyper-Pipelining Query Execution, 2005), and nothing is computed for a row that a condition has left out. Rows of such statements
//! do not see each other, so the order does not show.
//!
//! A statement runs on a row as a whole or not at all. What the steps here do not do exactly as the scalar kernels would (an error,
//! an unusual type, a text that is not UTF-8) *declines* the row before anything is written; the caller's way then takes the row
//! over from that statement on. So there are no error messages here, and no step has to know what an unusual value means.
//!
//! What a step computes from an outer level alone is computed once a row of that level, and what one reads of the rows themselves is
//! kept until something is written there: a [`Memo`] tells what a register still holds. Statements that read the same share all that.

use std::time::{Duration, Instant};

use crate::arena::Arena;
use crate::batch::{Batch, Column, Table};
pub use crate::kernels::inside::Key;
use crate::kernels::nested::Flattened;
use crate::maps::{self, Hint, Rows};
use crate::schema::{tags, Values};
use crate::values::Cell;

mod calls;
mod compute;
mod edits;
mod inside;
#[cfg(feature = "python")]
mod py;
mod registers;
mod stores;
mod texts;
mod times;

pub use calls::Function;
pub use compute::{Operation, Operator};
pub use edits::{Editor, KeySet};
pub use inside::{Change, Glob, Place, Spot};
#[cfg(feature = "python")]
pub use py::{register, Program as PyProgram, PyRoom};

use registers::{Lanes, Packed, Registers, Verdict, LANES};

/// Kinds of values that only registers hold.
pub mod kinds {
    pub const TIME: u8 = 16;
    pub const DURATION: u8 = 17;
    pub const TRACE_ID: u8 = 18;
    pub const SPAN_ID: u8 = 19;
    /// A list of strings, which is told from a list of any values until it is stored.
    pub const TEXTS: u8 = 20;
    /// A time that is not shown in UTC; its length says where (see `times`).
    pub const TIME_AWAY: u8 = 21;
    /// A list that a rule has written down, which is told from one of a payload until it is stored.
    pub const RAW: u8 = 22;
}

/// Why a statement does not run on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The caller has to take the row over.
    Declined,
    /// The statement fails there for certain, whoever runs it, and has nothing more to leave behind.
    Failed,
}

pub use Refusal::{Declined, Failed};

/// The result of a step on a row.
pub type Done<T> = Result<T, Refusal>;

impl From<String> for Refusal {
    fn from(_: String) -> Refusal {
        Declined
    }
}

/// What a run may take; the caller ends a batch that goes beyond.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes of a text that a step makes.
    pub longest: usize,
    /// Bytes of the arena.
    pub most: i64,
    pub seconds: f64,
    /// Elements of a list that a step makes.
    pub items: usize,
}

/// Number of a register.
pub type Slot = u32;

/// Where a path reads from, in the row of its table.
#[derive(Debug, Clone)]
#[repr(u8)]
pub enum Source {
    /// An entry of a map, and what lies below it.
    Entry { map: u32, key: u32, below: Vec<Key> },
    /// A scalar field, which is of this tag even where it is absent; nil in rows whose node is not one of `variants`.
    Field { column: u32, tag: u8, variants: Option<Vec<u16>> },
    /// An id of so many bytes; without any it stands for zeros.
    Id { column: u32, tag: u8, size: u32 },
    /// A member of a choice: nil where another one is there.
    Member { column: u32, tag: u8, variants: Option<Vec<u16>> },
    /// Whichever number of two members is there.
    Number { double: u32, int: u32 },
    /// An attribute value, and what lies below it.
    Value { column: u32, below: Vec<Key> },
    /// Which of the columns is marked, from 1 on.
    Marked { columns: Vec<u32> },
    /// A field of whichever data message the metric has; nil where that lacks it.
    Chosen { data: Vec<stores::Data>, tag: u8 },
    /// The name of a number, from registers; the last one is that of unknown numbers.
    Named { column: u32, names: Vec<Slot> },
    /// A key of the rows' cache.
    Cache { column: u32 },
}

/// How a number fits into a narrower field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Whole,
    Signed32,
    Unsigned32,
}

/// Kinds of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    And,
    Or,
    UnlessNil,
}

/// What a step does; see the operations of the bytecode.
#[derive(Debug)]
#[repr(u8)]
pub enum Action {
    Load {
        table: u32,
        source: Source,
    },
    /// A map as a value.
    Whole {
        table: u32,
        map: u32,
    },
    /// The keys of a map, or its values, as a list.
    Parts {
        table: u32,
        map: u32,
        keys: bool,
    },
    Compare {
        operator: Operator,
        left: Slot,
        right: Slot,
    },
    Arithmetic {
        operation: Operation,
        left: Slot,
        right: Slot,
    },
    Negate {
        value: Slot,
    },
    Truth {
        value: Slot,
    },
    Not {
        value: Slot,
    },
    Call {
        function: Function,
        arguments: Vec<Slot>,
    },
    /// Enters a block, or goes on behind its end.
    Open {
        block: Block,
        value: Slot,
        end: usize,
    },
    Close {
        value: Slot,
    },
    Where {
        value: Slot,
    },
    StoreEntry {
        map: u32,
        key: u32,
        value: Slot,
    },
    /// Stores a value of one tag into a field; other values decline.
    StoreField {
        column: u32,
        from: u8,
        tag: u8,
        width: Width,
        value: Slot,
    },
    /// Stores an attribute value.
    StoreValue {
        column: u32,
        value: Slot,
    },
    Write {
        target: stores::Target,
        value: Slot,
    },
    Edit {
        map: u32,
        editor: Editor,
    },
    /// Stores a value below the first key of a map, or in a body.
    StoreInside {
        spot: Spot,
        value: Slot,
    },
    /// Edits a map that is inside another one, or a body.
    EditInside {
        spot: Spot,
        /// The number of the map that it is taken into.
        number: u32,
        editor: Editor,
    },
    /// Changes a value, which was loaded from the spot.
    Change {
        spot: Spot,
        value: Slot,
        change: Change,
    },
}

impl Action {
    /// Whether its result is a value that it computes in each lane.
    fn computes(&self) -> bool {
        matches!(
            self,
            Action::Load { .. }
                | Action::Whole { .. }
                | Action::Parts { .. }
                | Action::Arithmetic { .. }
                | Action::Negate { .. }
                | Action::Call { .. }
        )
    }
}

/// One step.
#[derive(Debug)]
pub struct Step {
    pub action: Action,
    pub result: Slot,
    /// Registers that it reads.
    pub reads: Vec<Slot>,
    /// For a step that need not run again: the table for whose current row its register holds, and where that is remembered.
    pub once: Option<(u32, u32)>,
    /// What no longer holds once it has run.
    pub kills: Vec<u32>,
}

/// The steps of one statement, or of one condition, whose register is then `result`.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub begin: usize,
    pub end: usize,
    pub result: Option<Slot>,
}

/// What a register holds before the first row.
#[derive(Debug)]
pub enum Constant {
    Cell(Cell),
    /// A value of this tag that views bytes.
    View(u8, Vec<u8>),
}

/// Statements that run one after another on each row.
#[derive(Debug)]
pub struct Program {
    /// The table whose rows they run on.
    pub context: usize,
    pub registers: usize,
    /// How many steps with different results need not run again.
    pub memos: usize,
    pub constants: Vec<(Slot, Constant)>,
    /// Keys of paths: table, map and name; steps know them by number.
    pub keys: Vec<(u32, u32, Vec<u8>)>,
    pub key_sets: Vec<KeySet>,
    pub steps: Vec<Step>,
    pub statements: Vec<Statement>,
    /// By register, whether it holds truths that only conditions look at; see [`registers::truths`].
    pub truths: Vec<bool>,
}

/// What became of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub matched: Vec<i64>,
    pub changed: Vec<i64>,
    /// Time of each statement, estimated from some of the rows.
    pub ns: Vec<i64>,
    /// For each statement, the rows it declined.
    pub declined: Vec<Vec<i32>>,
    /// For each statement, on how many more rows it failed.
    pub failed: Vec<i64>,
    /// What each step took, where that was asked for.
    pub laps: Vec<Lap>,
}

/// Nanoseconds of a step, and the rows it ran on.
pub type Lap = (i64, i64);

/// Rows are worked on in chunks; one chunk in so many is timed statement by statement.
const TIMED: usize = 4;

/// What a register still holds of what its step computed.
#[derive(Debug, Clone, Copy)]
struct Memo {
    /// The lanes in which it does.
    lanes: Lanes,
    /// The row of an outer level for which it does in all lanes, whichever rows are worked on.
    row: Option<u32>,
}

impl Memo {
    const NOTHING: Memo = Memo { lanes: Lanes::NONE, row: None };
}

/// What a program knows of a payload, and its memory: all that goes on from some rows to the next.
struct State<'p> {
    registers: Registers<'p>,
    memos: Vec<Memo>,
    /// By table and lane, the row: that of the context, or the one around it.
    places: Vec<[u32; LANES]>,
    /// By table, the row around all lanes, if it is one.
    shared: Vec<Option<u32>>,
    /// The tables around the context's, the innermost first.
    around: Vec<usize>,
    /// Codes of the program's keys.
    codes: Vec<u32>,
    /// Lanes of the blocks around the current one.
    outer: Vec<Lanes>,
    scratch: calls::Scratch,
    sets: Vec<edits::Known>,
    flattened: Flattened,
    decoded: stores::Decoded,
    /// Maps that are taken out of rows, one for each step that does so.
    taken: Vec<inside::Taken>,
    /// Values of an entry each, and whether they are new.
    found: Vec<(Cell, bool)>,
}

/// A program on its way over a batch.
struct Run<'p, 'b, P> {
    program: &'p Program,
    room: Room,
    begun: Instant,
    arena: &'b mut Arena<P>,
    tables: &'b mut [Table],
    values: Values,
    /// By column of the context's table, the tags that it may hold.
    accepts: &'b [u16],
    state: State<'p>,
    /// The first row, if all lanes have rows that follow one another.
    first: Option<usize>,
    /// The lane that is worked on where lanes are taken one by one.
    lane: usize,
    /// Lanes that no statement has declined so far.
    alive: Lanes,
    /// Lanes that the current statement has declined, or on which it has failed.
    lost: Lanes,
    /// Those on which it has failed.
    failed: Lanes,
    /// Those that its condition has let through.
    meant: Lanes,
    /// Lanes that it has changed.
    changed: Lanes,
    /// By step; empty where steps are not timed.
    laps: Vec<Lap>,
}

impl Program {
    /// Runs the statements from number `first` on over rows of the context, or all of them, as long as there is room; with `timed`
    /// each step is timed. For `untold` see [`Execution`].
    pub fn run<P: AsRef<[u8]>>(
        &self,
        batch: &mut Batch<P>,
        rows: Option<&[i32]>,
        (first, untold): (usize, Option<Vec<bool>>),
        room: Room,
        timed: bool,
    ) -> Result<Outcome, String> {
        let rows = batch.rows(self.context, rows)?;
        let mut execution = Execution::new(self, batch, rows.len(), timed)?;
        execution.untold = untold;
        execution.run(batch, rows, first, room)?;
        Ok(execution.outcome())
    }

    /// Evaluates one condition on rows of the context, or all of them: 1 where it holds, 0 where not, 2 where it declined; and with
    /// `timed` what each step took.
    pub fn select<P: AsRef<[u8]>>(
        &self,
        batch: &mut Batch<P>,
        rows: Option<&[i32]>,
        number: usize,
        room: Room,
        timed: bool,
    ) -> Result<(Vec<u8>, Vec<Lap>), String> {
        let rows = batch.rows(self.context, rows)?;
        let mut execution = Execution::new(self, batch, rows.len(), timed)?;
        let states = execution.select(batch, rows, number, room)?;
        Ok((states, execution.outcome.laps))
    }
}

/// A program that runs on the rows of a payload, some at a time.
pub struct Execution<'p> {
    program: &'p Program,
    /// None while it runs.
    state: Option<State<'p>>,
    outcome: Outcome,
    took: Duration,
    /// By statement, whether nobody knows yet how it fails: then the first row on which it does is declined, and the others are counted.
    /// All are declined without.
    pub untold: Option<Vec<bool>>,
}

impl<'p> Execution<'p> {
    /// A program that is about to run on at most so many rows at a time.
    pub fn new<P: AsRef<[u8]>>(
        program: &'p Program,
        batch: &mut Batch<P>,
        rows: usize,
        timed: bool,
    ) -> Result<Self, String> {
        let state = Some(State::new(program, batch, rows)?);
        let count = program.statements.len();
        let outcome = Outcome {
            matched: vec![0; count],
            changed: vec![0; count],
            ns: vec![0; count],
            declined: vec![Vec::new(); count],
            failed: vec![0; count],
            laps: vec![(0, 0); if timed { program.steps.len() } else { 0 }],
        };
        Ok(Execution { program, state, outcome, took: Duration::ZERO, untold: None })
    }

    /// What has become of all rows so far.
    pub fn outcome(mut self) -> Outcome {
        spread(&mut self.outcome.ns, self.took.as_nanos() as i64);
        self.outcome
    }

    /// How many statements or conditions there are.
    pub fn statements(&self) -> usize {
        self.program.statements.len()
    }

    /// Whether a statement has declined a row.
    pub fn has_declined(&self) -> bool {
        self.outcome.declined.iter().any(|rows| !rows.is_empty())
    }

    /// Forgets what was computed of earlier rows: they, and what the arena held of them, are no longer there.
    pub fn forget(&mut self) {
        if let Some(state) = &mut self.state {
            state.memos.fill(Memo::NOTHING);
            state.decoded.forget();
        }
    }

    fn begin<'b, P: AsRef<[u8]>>(&mut self, batch: &'b mut Batch<P>, room: Room) -> Result<Run<'p, 'b, P>, String> {
        let state = self.state.take().ok_or("the program has failed before")?;
        Run::new(self.program, batch, state, room, std::mem::take(&mut self.outcome.laps))
    }

    fn end<P>(&mut self, run: Run<'p, '_, P>) {
        self.outcome.laps = run.laps;
        self.state = Some(run.state);
    }

    /// Runs the statements from number `first` on, as long as there is room.
    pub fn run<P: AsRef<[u8]>>(
        &mut self,
        batch: &mut Batch<P>,
        rows: Rows,
        first: usize,
        room: Room,
    ) -> Result<(), String> {
        let statements = self.program.statements.get(first..).unwrap_or_default();
        let mut run = self.begin(batch, room)?;
        let outcome = &mut self.outcome;
        for chunk in 0..rows.len().div_ceil(LANES) {
            if run.spent() {
                break;
            }
            run.enter(rows, chunk * LANES);
            let timed = chunk % TIMED == 0;
            let mut before = timed.then(Instant::now);
            for (number, &statement) in (first..).zip(statements) {
                if run.alive.is_empty() {
                    break;
                }
                let matched = run.statement(statement);
                outcome.matched[number] += matched.len() as i64;
                outcome.changed[number] += run.changed.len() as i64;
                if !run.lost.is_empty() {
                    let failed = known_failures(run.failed, number, &mut self.untold);
                    outcome.failed[number] += failed.len() as i64;
                    outcome.matched[number] += run.let_through(statement, failed).len() as i64;
                    let declined = run.lost.without(failed);
                    outcome.declined[number].extend(declined.map(|lane| run.row(lane) as i32));
                    run.alive = run.alive.without(declined);
                }
                if let Some(before) = &mut before {
                    let now = Instant::now();
                    outcome.ns[number] += now.duration_since(*before).as_nanos() as i64;
                    *before = now;
                }
            }
        }
        self.took += run.begun.elapsed();
        self.end(run);
        Ok(())
    }

    /// Evaluates one condition: 1 where it holds, 0 where not, 2 where it declined.
    pub fn select<P: AsRef<[u8]>>(
        &mut self,
        batch: &mut Batch<P>,
        rows: Rows,
        number: usize,
        room: Room,
    ) -> Result<Vec<u8>, String> {
        let statement = self.program.statements.get(number).copied().ok_or("there is no such condition")?;
        let result = statement.result.ok_or("a statement is no condition")?;
        let mut run = self.begin(batch, room)?;
        let mut found = Vec::with_capacity(rows.len());
        for chunk in 0..rows.len().div_ceil(LANES) {
            if run.spent() {
                found.resize(rows.len(), 0);
                break;
            }
            run.enter(rows, chunk * LANES);
            run.statement(statement);
            let Verdict { holds, lost } = run.state.registers.holding(result, run.alive);
            let unknown = run.lost.with(lost);
            found.extend(run.alive.map(|lane| if unknown.contains(lane) { 2 } else { u8::from(holds.contains(lane)) }));
        }
        self.end(run);
        Ok(found)
    }
}

/// The lanes on which a statement has failed in a way that is known, once the first of them has been told.
fn known_failures(failed: Lanes, number: usize, untold: &mut Option<Vec<bool>>) -> Lanes {
    let (Some(untold), Some(first)) = (untold.as_mut().and_then(|untold| untold.get_mut(number)), { failed }.next())
    else {
        return Lanes::NONE;
    };
    if std::mem::take(untold) {
        return failed.without(Lanes::one(first));
    }
    failed
}

/// Puts the values of some lanes where they belong; the lanes that have one.
#[inline(always)]
fn filled(lanes: Lanes, value: impl Fn(usize) -> Option<Cell>, mut put: impl FnMut(usize, Cell)) -> Lanes {
    let mut filled = Lanes::NONE;
    for lane in lanes {
        if let Some(cell) = value(lane) {
            put(lane, cell);
            filled.insert(lane, true);
        }
    }
    filled
}

/// Scales the sampled times so that they add up to the whole.
fn spread(ns: &mut [i64], whole: i64) {
    let sampled: i64 = ns.iter().sum();
    for part in ns.iter_mut() {
        *part = (i128::from(*part) * i128::from(whole) / i128::from(sampled.max(1))) as i64;
    }
}

impl<'p> State<'p> {
    fn new<P: AsRef<[u8]>>(program: &'p Program, batch: &mut Batch<P>, rows: usize) -> Result<Self, String> {
        let mut around = Vec::new();
        let mut table = program.context;
        while let Some(parent) = batch.plan.tables.get(table).and_then(|shape| shape.parent) {
            table = parent as usize;
            around.push(table);
        }
        let mut codes = Vec::with_capacity(program.keys.len());
        let takes = |step: &&Step| matches!(step.action, Action::EditInside { .. });
        let mut taken: Vec<inside::Taken> = program.steps.iter().filter(takes).map(|_| Default::default()).collect();
        for (table, map, name) in &program.keys {
            if let Some(number) = map.checked_sub(inside::TAKEN) {
                let taken = taken.get_mut(number as usize).ok_or("there is no such map")?;
                codes.push(taken.map.keys.code(name));
                continue;
            }
            let (_, map, _) = batch.edit(*table as usize, *map as usize)?;
            codes.push(map.keys.code(name));
            map.growth += 1;
        }
        for (table, map, _) in program.keys.iter().filter(|(_, map, _)| *map < inside::TAKEN) {
            batch.edit(*table as usize, *map as usize)?.1.use_layouts();
        }
        Ok(State {
            registers: Registers::new(program, rows.min(LANES), &mut batch.arena),
            memos: vec![Memo::NOTHING; program.memos],
            places: vec![[0; LANES]; batch.tables.len()],
            shared: vec![None; batch.tables.len()],
            around,
            codes,
            outer: Vec::new(),
            scratch: calls::Scratch::default(),
            flattened: Flattened::default(),
            decoded: stores::Decoded::default(),
            sets: program.key_sets.iter().map(|_| edits::Known::default()).collect(),
            taken,
            found: Vec::new(),
        })
    }

    /// Forgets the keys of a map that is taken out of rows, and what is known by their codes.
    fn forget_keys(&mut self, program: &Program, number: u32) {
        let Some(taken) = self.taken.get_mut(number as usize) else { return };
        taken.map = maps::Map::default();
        for (code, (_, map, name)) in self.codes.iter_mut().zip(&program.keys) {
            if *map == inside::TAKEN + number {
                *code = taken.map.keys.code(name);
            }
        }
        self.sets.iter_mut().for_each(|known| *known = edits::Known::default());
        self.scratch.forget_keys();
        self.decoded.forget();
    }
}

impl<'p, 'b, P: AsRef<[u8]>> Run<'p, 'b, P> {
    fn new(
        program: &'p Program,
        batch: &'b mut Batch<P>,
        state: State<'p>,
        room: Room,
        laps: Vec<Lap>,
    ) -> Result<Self, String> {
        Ok(Run {
            program,
            room,
            begun: Instant::now(),
            values: batch.values()?,
            state,
            first: None,
            lane: 0,
            alive: Lanes::NONE,
            lost: Lanes::NONE,
            failed: Lanes::NONE,
            meant: Lanes::NONE,
            changed: Lanes::NONE,
            laps,
            accepts: batch.plan.tables.get(program.context).map_or(&[], |shape| shape.accepts.as_slice()),
            arena: &mut batch.arena,
            tables: &mut batch.tables,
        })
    }

    /// The value of a register in the current lane.
    #[inline(always)]
    fn get(&self, slot: Slot) -> Cell {
        self.state.registers.at(self.state.registers.home(slot), self.lane).cell()
    }

    #[inline(always)]
    fn text(&self, cell: Cell) -> Done<&[u8]> {
        if cell.tag != tags::STRING {
            return Err(no_text(cell.tag));
        }
        self.arena.get(cell.bits, cell.len).ok_or(Declined)
    }

    /// The row of a lane.
    #[inline(always)]
    fn row(&self, lane: usize) -> usize {
        self.state.places.get(self.program.context).map_or(0, |rows| rows[lane % LANES] as usize)
    }

    /// Whether the run has taken what it may.
    fn spent(&self) -> bool {
        self.full() || self.begun.elapsed().as_secs_f64() > self.room.seconds
    }

    /// Takes up the rows from a position on, and finds those around them.
    fn enter(&mut self, rows: Rows, begin: usize) {
        let count = (rows.len() - begin).min(LANES);
        self.alive = Lanes::first(count);
        self.first = (count == LANES && matches!(rows, Rows::All(_))).then_some(begin);
        self.lost = Lanes::NONE;
        let mut inner = self.program.context;
        let mut current = [0u32; LANES];
        for (lane, row) in current.iter_mut().take(count).enumerate() {
            *row = rows.get(begin + lane) as u32;
        }
        if let Some(place) = self.state.places.get_mut(inner) {
            *place = current;
        }
        for &table in &self.state.around {
            if let Some(inner) = self.tables.get(inner) {
                for row in current.iter_mut().take(count) {
                    *row = inner.parents.get(*row as usize).map_or(0, |&parent| parent as u32);
                }
            }
            if let (Some(place), Some(shared)) = (self.state.places.get_mut(table), self.state.shared.get_mut(table)) {
                *place = current;
                let one = current[..count].iter().all(|&row| row == current[0]);
                *shared = one.then_some(current[0]);
            }
            inner = table;
        }
        self.state.memos.iter_mut().for_each(|memo| memo.lanes = Lanes::NONE);
    }

    /// Runs a statement; the lanes on which it ran to its end, while `lost` are those on which it did not.
    fn statement(&mut self, statement: Statement) -> Lanes {
        let program = self.program;
        let mut at = statement.begin;
        let mut lanes = self.alive;
        self.lost = Lanes::NONE;
        self.failed = Lanes::NONE;
        self.meant = Lanes::NONE;
        self.changed = Lanes::NONE;
        self.state.outer.clear();
        while let Some(step) = program.steps.get(at).filter(|_| at < statement.end) {
            let (number, before) = (at, self.begin_lap(lanes));
            at += 1;
            match &step.action {
                Action::Open { block, value, end } => {
                    let entered = self.open(*block, *value, step.result, lanes);
                    if entered.is_empty() {
                        at = *end;
                    } else {
                        self.state.outer.push(lanes);
                        lanes = entered;
                    }
                }
                Action::Close { value } => {
                    if self.state.registers.is_truth(*value) || self.state.registers.is_truth(step.result) {
                        self.decide(*value, step.result, lanes);
                    } else {
                        self.state.registers.copy(*value, step.result, lanes);
                    }
                    lanes = self.state.outer.pop().unwrap_or(lanes);
                }
                Action::Where { value } => {
                    let Verdict { holds, lost } = self.state.registers.holding(*value, lanes);
                    self.lost = self.lost.with(lost);
                    lanes = holds;
                    self.meant = holds;
                }
                _ => match step.once {
                    Some(once) => self.remembered(step, once, lanes),
                    None => self.step(step, lanes),
                },
            }
            self.end_lap(number, before);
            for &memo in &step.kills {
                if let Some(memo) = self.state.memos.get_mut(memo as usize) {
                    memo.lanes = memo.lanes.without(lanes);
                }
            }
            lanes = lanes.without(self.lost);
            if lanes.is_empty() && self.state.outer.is_empty() {
                break;
            }
        }
        self.changed = self.changed.without(self.lost);
        lanes
    }

    #[inline(always)]
    fn begin_lap(&self, lanes: Lanes) -> Option<(Instant, Lanes)> {
        (!self.laps.is_empty()).then(|| (Instant::now(), lanes))
    }

    #[inline(always)]
    fn end_lap(&mut self, step: usize, before: Option<(Instant, Lanes)>) {
        let Some((begun, lanes)) = before else { return };
        if let Some(lap) = self.laps.get_mut(step) {
            lap.0 += begun.elapsed().as_nanos() as i64;
            lap.1 += lanes.len() as i64;
        }
    }

    /// Runs a step in the lanes in which its register may not still hold what it would compute.
    #[inline(never)]
    fn remembered(&mut self, step: &Step, (table, number): (u32, u32), lanes: Lanes) {
        let shared = self.state.shared.get(table as usize).copied().flatten();
        let memo = self.state.memos.get(number as usize).copied().unwrap_or(Memo::NOTHING);
        if shared.is_some() && shared == memo.row {
            return;
        }
        let mut wanted = lanes.without(memo.lanes);
        let Some(first) = { wanted }.next() else {
            return;
        };
        if table as usize == self.program.context {
            self.step(step, wanted);
        } else if shared.is_some() {
            if self.once(step, first, self.alive) {
                wanted = self.alive;
            } else {
                self.lose(wanted, first);
            }
        } else {
            self.by_row(step, table as usize, wanted);
        }
        if let Some(memo) = self.state.memos.get_mut(number as usize) {
            memo.lanes = memo.lanes.with(wanted.without(self.lost));
            // A register of fewer lanes holds nothing for those that another chunk has.
            memo.row = shared.filter(|_| memo.lanes == Lanes::ALL);
        }
    }

    /// Those of some lost lanes that the statement's condition has let through, if it has one.
    fn let_through(&self, statement: Statement, lanes: Lanes) -> Lanes {
        let steps = self.program.steps.get(statement.begin..statement.end).unwrap_or_default();
        let conditional = steps.iter().any(|step| matches!(step.action, Action::Where { .. }));
        if conditional {
            lanes.and(self.meant)
        } else {
            lanes
        }
    }

    /// Notes that a step does not run in a lane.
    #[inline(always)]
    fn refused(&mut self, lane: usize, refusal: Refusal) {
        self.lost.insert(lane, true);
        self.failed.insert(lane, refusal == Failed);
    }

    /// Loses lanes for the reason for which one of them is lost.
    fn lose(&mut self, lanes: Lanes, like: usize) {
        self.lost = self.lost.with(lanes);
        if self.failed.contains(like) {
            self.failed = self.failed.with(lanes);
        }
    }

    /// Computes a value in one lane and gives it to others; false if that one declines.
    fn once(&mut self, step: &Step, first: usize, lanes: Lanes) -> bool {
        self.step(step, Lanes::one(first));
        let known = !self.lost.contains(first);
        if known {
            self.state.registers.spread(step.result, first, lanes);
        }
        known
    }

    /// Computes a value for each row of an outer table.
    fn by_row(&mut self, step: &Step, table: usize, lanes: Lanes) {
        let rows = self.state.places.get(table).copied().unwrap_or([0; LANES]);
        let mut rest = lanes;
        while let Some(first) = { rest }.next() {
            let mut same = Lanes::NONE;
            for lane in rest {
                if rows[lane % LANES] != rows[first % LANES] {
                    break;
                }
                same.insert(lane, true);
            }
            if !self.once(step, first, same) {
                self.lose(same, first);
            }
            rest = rest.without(same);
        }
    }

    /// Enters a block: its lanes. All lanes have the value as the block's, until its end gives another.
    fn open(&mut self, block: Block, value: Slot, result: Slot, lanes: Lanes) -> Lanes {
        match block {
            Block::And => self.decide(value, result, lanes),
            Block::Or => lanes.without(self.decide(value, result, lanes)).without(self.lost),
            Block::UnlessNil => {
                self.state.registers.copy(value, result, lanes);
                let nil = |value: Packed| Some(value.tag() == tags::EMPTY);
                self.state.registers.ask(self.state.registers.home(value), lanes, nil).holds
            }
        }
    }

    /// Takes a truth over into another register; the lanes in which it holds.
    fn decide(&mut self, value: Slot, result: Slot, lanes: Lanes) -> Lanes {
        let Verdict { holds, lost } = self.state.registers.holding(value, lanes);
        self.lost = self.lost.with(lost);
        self.state.registers.tell(result, lanes, holds);
        holds
    }

    /// Runs a step on some lanes.
    fn step(&mut self, step: &Step, lanes: Lanes) {
        match &step.action {
            Action::Load { table, source: Source::Entry { map, key, below } } if below.is_empty() => {
                self.load_entry(*table as usize, *map, *key, step.result, lanes);
            }
            Action::Load { table, source: Source::Field { column, tag, variants: None } } => {
                self.load_field(*table as usize, *column, *tag, step.result, lanes);
            }
            Action::Compare { operator, left, right } => {
                let Verdict { holds, lost } = self.compared(*operator, *left, *right, lanes);
                self.lost = self.lost.with(lost);
                self.state.registers.tell(step.result, lanes, holds);
            }
            Action::Truth { value } => {
                self.decide(*value, step.result, lanes);
            }
            Action::Not { value } => {
                let Verdict { holds, lost } = self.state.registers.holding(*value, lanes);
                self.lost = self.lost.with(lost);
                self.state.registers.tell(step.result, lanes, lanes.without(holds));
            }
            Action::Arithmetic { operation, left, right } => {
                let (left, right) = (self.state.registers.home(*left), self.state.registers.home(*right));
                let to = self.state.registers.home(step.result);
                for lane in lanes {
                    let (left, right) =
                        (self.state.registers.at(left, lane).cell(), self.state.registers.at(right, lane).cell());
                    match compute::arithmetic(*operation, left, right) {
                        Ok(value) => self.state.registers.put(to, lane, Packed::new(value)),
                        Err(refusal) => self.refused(lane, refusal),
                    }
                }
            }
            Action::StoreEntry { map, key, value } => self.store_entries(*map, *key, *value, lanes),
            Action::StoreField { column, from, tag, width, value } => {
                let (from, tag, width) = (*from, *tag, *width);
                self.store_column(*column, *value, lanes, move |cell| {
                    let cell = times::instant(cell);
                    (cell.tag == from).then(|| Cell { bits: width.fit(cell.bits), tag, ..cell })
                });
            }
            Action::StoreValue { column, value } => {
                let items = self.room.items;
                self.store_column(*column, *value, lanes, |cell| {
                    Some(stored(cell)).filter(|&cell| inside::fits(cell, items))
                });
            }
            Action::Write { target, value } => {
                self.store_each(*value, lanes, |run, row, cell| run.write(row, target, cell));
            }
            Action::Edit { map, editor } => self.edit_each(lanes, |run, row| run.edit(row, *map, editor)),
            Action::StoreInside { spot, value } => {
                self.store_each(*value, lanes, |run, row, cell| run.store_at(row, spot, cell));
            }
            Action::EditInside { spot, number, editor } => {
                self.edit_each(lanes, |run, row| run.edit_at(row, spot, *number, editor));
            }
            Action::Change { spot, value, change } => {
                self.edit_each(lanes, |run, row| run.change_at(row, spot, *value, change));
            }
            _ => {
                let to = self.state.registers.home(step.result);
                for lane in lanes {
                    self.lane = lane;
                    match self.value(step) {
                        Ok(value) => self.state.registers.put(to, lane, value),
                        Err(refusal) => self.refused(lane, refusal),
                    }
                    if self.full() {
                        break;
                    }
                }
            }
        }
    }

    /// Whether the arena holds more than it may: the caller ends the batch, so that nothing has to be right from here on.
    #[inline(always)]
    fn full(&self) -> bool {
        self.arena.end() > self.room.most
    }

    /// Stores the value of each lane in a column, in the form that it has there.
    #[inline(never)]
    fn store_column(&mut self, column: u32, value: Slot, lanes: Lanes, form: impl Fn(Cell) -> Option<Cell>) {
        let home = self.state.registers.home(value);
        let (context, accepts) = (self.program.context, self.accepts.get(column as usize).copied().unwrap_or(0));
        let (Some(table), Some(places)) = (self.tables.get_mut(context), self.state.places.get(context)) else {
            self.lost = self.lost.with(lanes);
            return;
        };
        let (count, Table { columns, dirty, .. }) = (table.len(), table);
        let Some(column) = columns.get_mut(column as usize) else {
            self.lost = self.lost.with(lanes);
            return;
        };
        let accepted = |cell: &Cell| cell.tag <= tags::STRING_INDEX && accepts >> cell.tag & 1 != 0;
        let (cells, marks) = column.opened(count);
        let registers = &self.state.registers;
        let value = |lane| form(registers.at(home, lane).cell()).filter(accepted);
        let block =
            self.first.map(|first| (maps::block(cells, first), maps::block(marks, first), maps::block(dirty, first)));
        let stored = match block {
            Some((Some(cells), Some(marks), Some(dirty))) => filled(lanes, value, |lane, cell| {
                (cells[lane % LANES], marks[lane % LANES], dirty[lane % LANES]) = (cell, true, true);
            }),
            _ => filled(lanes, value, |lane, cell| {
                let row = places[lane % LANES] as usize;
                let found = (cells.get_mut(row), marks.get_mut(row), dirty.get_mut(row));
                if let (Some(place), Some(mark), Some(dirty)) = found {
                    (*place, *mark, *dirty) = (cell, true, true);
                }
            }),
        };
        self.changed = self.changed.with(stored);
        self.lost = self.lost.with(lanes.without(stored));
    }

    /// Stores the value of each lane in its row.
    #[inline(always)]
    fn store_each(&mut self, value: Slot, lanes: Lanes, store: impl Fn(&mut Self, usize, Cell) -> Done<()>) {
        let home = self.state.registers.home(value);
        for lane in lanes {
            let stored = store(self, self.row(lane), self.state.registers.at(home, lane).cell());
            self.wrote(lane, stored.map(|()| true));
        }
    }

    /// Edits the row of each lane, as long as there is room.
    #[inline(always)]
    fn edit_each(&mut self, lanes: Lanes, edit: impl Fn(&mut Self, usize) -> Done<bool>) {
        for lane in lanes {
            self.lane = lane;
            let edited = edit(self, self.row(lane));
            self.wrote(lane, edited);
            if self.full() {
                break;
            }
        }
    }

    /// Notes what a step that writes did in a lane.
    #[inline(always)]
    fn wrote(&mut self, lane: usize, changed: Done<bool>) {
        match changed {
            Ok(changed) => self.changed.insert(lane, changed),
            Err(refusal) => self.refused(lane, refusal),
        }
    }

    /// The value that a step computes in the current lane.
    #[inline]
    fn value(&mut self, step: &Step) -> Done<Packed> {
        match &step.action {
            Action::Load { table, source } => self.load(*table as usize, source).map(Packed::new),
            Action::Whole { table, map } => self.whole(*table as usize, *map).map(Packed::new),
            Action::Parts { table, map, keys } => self.parts_of(*table as usize, *map, *keys).map(Packed::new),
            Action::Negate { value } => compute::negate(self.get(*value)).map(Packed::new),
            Action::Call { function, arguments } => self.call(function, arguments).map(Packed::new),
            _ => Err(Declined),
        }
    }

    fn load_entry(&mut self, table: usize, map: u32, key: u32, result: Slot, lanes: Lanes) {
        let to = self.state.registers.home(result);
        let found = self.tables.get_mut(table).and_then(|table| table.maps.get_mut(map as usize));
        let (Some(map), Some(&code), Some(rows)) =
            (found, self.state.codes.get(key as usize), self.state.places.get(table))
        else {
            self.lost = self.lost.with(lanes);
            return;
        };
        let mut hint = Hint::default();
        for lane in lanes {
            let cell = map.value(rows[lane % LANES] as usize, code, &mut hint).map_or(Cell::EMPTY, known);
            self.state.registers.put(to, lane, Packed::new(cell));
        }
    }

    fn load_field(&mut self, table: usize, column: u32, tag: u8, result: Slot, lanes: Lanes) {
        let to = self.state.registers.home(result);
        let found = self.tables.get(table).and_then(|table| table.columns.get(column as usize));
        let (Some(column), Some(rows)) = (found, self.state.places.get(table)) else {
            lanes.for_each(|lane| self.state.registers.put(to, lane, Packed::new(Cell { tag, ..Cell::EMPTY })));
            return;
        };
        for lane in lanes {
            let cell = column.get(rows[lane % LANES] as usize);
            self.state.registers.put(to, lane, Packed::new(Cell { tag, ..cell }));
        }
    }

    #[inline]
    fn load(&self, number: usize, source: &Source) -> Done<Cell> {
        let row = self.state.places.get(number).ok_or(Declined)?[self.lane % LANES] as usize;
        let table = self.tables.get(number).ok_or(Declined)?;
        let column = |number: u32| table.columns.get(number as usize).map_or(Cell::EMPTY, |column| column.get(row));
        match source {
            Source::Entry { map, key, below } => {
                let code = self.state.codes.get(*key as usize).copied().ok_or(Declined)?;
                let map = table.maps.get(*map as usize).ok_or(Declined)?;
                match map.entry(row, code) {
                    Some(entry) if below.is_empty() => Ok(known(entry.cell())),
                    Some(entry) => self.below(entry.cell(), below),
                    None => Ok(Cell::EMPTY),
                }
            }
            Source::Value { column: number, below } => {
                let cell = column(*number);
                if below.is_empty() {
                    return Ok(known(cell));
                }
                self.below(cell, below)
            }
            Source::Field { column: number, tag, variants } => {
                if absent(table, row, variants) {
                    return Ok(Cell::EMPTY);
                }
                Ok(Cell { tag: *tag, ..column(*number) })
            }
            Source::Id { column: number, tag, size } => {
                let cell = column(*number);
                if cell.len != *size && cell.len != 0 {
                    return Err(Declined);
                }
                Ok(Cell { tag: *tag, ..cell })
            }
            Source::Member { column: number, tag, variants } => {
                if absent(table, row, variants) {
                    return Ok(Cell::EMPTY);
                }
                let cell = column(*number);
                Ok(Cell::scalar(*tag, if cell.tag == tags::EMPTY { 0 } else { cell.bits }))
            }
            Source::Number { double, int } => {
                let (double, int) = (column(*double), column(*int));
                if double.tag != tags::EMPTY {
                    return Ok(Cell::scalar(tags::DOUBLE, double.bits));
                }
                Ok(if int.tag == tags::EMPTY { Cell::EMPTY } else { Cell::scalar(tags::INT, int.bits) })
            }
            Source::Marked { columns } => {
                let marked = |&number: &u32| column(number) == Cell::scalar(tags::BOOL, 1);
                let found = columns.iter().rposition(marked).map_or(0, |at| at as i64 + 1);
                Ok(Cell::scalar(tags::INT, found))
            }
            Source::Chosen { data, tag } => match self.chosen(number, row, data) {
                Some(number) => Ok(Cell::scalar(*tag, column(number).bits)),
                None => Ok(Cell::EMPTY),
            },
            Source::Named { column: number, names } => {
                let name = usize::try_from(column(*number).bits).ok().and_then(|at| names.get(at)).or(names.last());
                Ok(name.map_or(Cell::EMPTY, |&slot| self.get(slot)))
            }
            Source::Cache { column } => {
                Ok(table.cache.get(*column as usize).map_or(Cell::EMPTY, |column| column.get(row)))
            }
        }
    }

    /// What lies below a value; behind a key that is not there everything is nil.
    fn below(&self, mut cell: Cell, keys: &[Key]) -> Done<Cell> {
        for (number, key) in keys.iter().enumerate() {
            let (found, error) = maps::child(self.arena, &self.values, cell, key.step())?;
            if error != maps::step_errors::NONE {
                return Err(Failed);
            }
            // An Empty that is there cannot be looked into; it cannot be told from a missing one here.
            if found.tag == tags::EMPTY && number + 1 < keys.len() {
                return Err(Declined);
            }
            cell = found;
        }
        Ok(known(cell))
    }

    #[inline(never)]
    fn store_entries(&mut self, map: u32, key: u32, value: Slot, lanes: Lanes) {
        let home = self.state.registers.home(value);
        let (context, code) = (self.program.context, self.state.codes.get(key as usize));
        let (Some(table), Some(&code), Some(rows)) =
            (self.tables.get_mut(context), code, self.state.places.get(context))
        else {
            self.lost = self.lost.with(lanes);
            return;
        };
        let Some(map) = table.maps.get_mut(map as usize) else {
            self.lost = self.lost.with(lanes);
            return;
        };
        let registers = &self.state.registers;
        let items = self.room.items;
        let value = |lane| Some(stored(registers.at(home, lane).cell())).filter(|&cell| inside::fits(cell, items));
        let rest = match (self.first, home.is_constant()) {
            (Some(first), true) => {
                let cell = value(0);
                Lanes(map.put_some(first, lanes.0, code, |_| cell, &mut table.dirty))
            }
            (Some(first), false) => Lanes(map.put_some(first, lanes.0, code, value, &mut table.dirty)),
            (None, _) => lanes,
        };
        let (mut hint, mut done) = (Hint::default(), lanes.without(rest));
        for lane in rest {
            let row = rows[lane % LANES] as usize;
            if let Some(cell) = value(lane) {
                done.insert(lane, map.put_next(row, code, cell, &mut hint, &mut table.dirty).is_ok());
            } else if matches!(registers.at(home, lane).tag(), kinds::TIME | kinds::TIME_AWAY | kinds::DURATION) {
                // What cannot be stored leaves a new key behind, empty, and an old one as it was.
                let there = map.entry(row, code).is_some();
                let failed = there || map.put_next(row, code, Cell::EMPTY, &mut hint, &mut table.dirty).is_ok();
                self.failed.insert(lane, failed);
            }
        }
        self.changed = self.changed.with(done);
        self.lost = self.lost.with(lanes.without(done));
    }

    #[inline(always)]
    fn store_entry(&mut self, row: usize, map: u32, key: u32, cell: Cell) -> Done<()> {
        let cell = stored(cell);
        if cell.tag > tags::MAP {
            return Err(Declined);
        }
        let code = self.state.codes.get(key as usize).copied().ok_or(Declined)?;
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        Ok(map.put(row, code, cell, &mut table.dirty)?)
    }

    #[inline(always)]
    fn store_cell(&mut self, row: usize, column: u32, cell: Cell) -> Done<()> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let rows = table.len();
        if cell.tag > tags::STRING_INDEX {
            return Err(Declined);
        }
        if self.accepts.get(column as usize).is_none_or(|accepts| accepts >> cell.tag & 1 == 0) {
            return Err(Declined);
        }
        let column: &mut Column = table.columns.get_mut(column as usize).ok_or(Declined)?;
        column.put(row, rows, cell);
        if let Some(dirty) = table.dirty.get_mut(row) {
            *dirty = true;
        }
        Ok(())
    }
}

fn absent(table: &Table, row: usize, variants: &Option<Vec<u16>>) -> bool {
    let having = |variants: &Vec<u16>| table.variants.get(row).is_some_and(|variant| variants.contains(variant));
    variants.as_ref().is_some_and(|variants| !having(variants))
}

/// Why a value of a kind is not taken where only a text is.
#[cold]
fn no_text(tag: u8) -> Refusal {
    if is_no_container(tag) || matches!(tag, tags::LIST | tags::MAP) {
        Failed
    } else {
        Declined
    }
}

/// Whether values of a kind are nil, a text, a truth or a number.
fn is_no_container(tag: u8) -> bool {
    matches!(tag, tags::EMPTY | tags::STRING | tags::BOOL | tags::INT | tags::DOUBLE)
}

/// An index that nobody resolved is no value, as in the reference.
#[inline(always)]
fn known(cell: Cell) -> Cell {
    if cell.tag == tags::STRING_INDEX {
        return Cell::EMPTY;
    }
    cell
}

/// A value in the form in which it is stored.
#[inline(always)]
fn stored(cell: Cell) -> Cell {
    if matches!(cell.tag, kinds::TEXTS | kinds::RAW) {
        return Cell { tag: tags::LIST, ..cell };
    }
    cell
}

#[inline(always)]
fn boolean(value: bool) -> Cell {
    Cell::scalar(tags::BOOL, i64::from(value))
}

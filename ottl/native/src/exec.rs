//! The native executor: statements of bytecode over the tables of a batch, row after row.
//!
//! A program is what the columns executor makes of neighbouring statements that are known here in full. All of them run on one row
//! before the next row is looked at: its entries stay in the cache, and nothing is computed for a row that a condition has left
//! out. Rows of such statements do not see each other, so the order does not show.
//!
//! A statement runs on a row as a whole or not at all. What the steps here do not do exactly as the scalar kernels would (an error,
//! an unusual type, a text that is not UTF-8) *declines* the row before anything is written; the caller's way then takes the row
//! over from that statement on. So there are no error messages here, and no step has to know what an unusual value means.
//!
//! What a step computes from an outer level alone is computed once a row of that level, and what one reads of the row itself is kept
//! until something is written there: `stamps` tells for which row a register holds. Statements that read the same share all that.

use std::time::Instant;

use crate::arena::Arena;
use crate::batch::{Batch, Column, Table};
use crate::kernels::nested::Flattened;
use crate::kernels::{Pattern, Piece};
use crate::maps::{self, Step as Into};
use crate::schema::{tags, Values};
use crate::values::Cell;

mod calls;
mod compute;
mod edits;
#[cfg(feature = "python")]
mod py;
mod texts;
mod times;

pub use calls::Function;
pub use compute::{Operation, Operator};
pub use edits::{Editor, KeySet, Place};
#[cfg(feature = "python")]
pub use py::register;

/// Kinds of values that only registers hold.
pub mod kinds {
    pub const TIME: u8 = 16;
    pub const DURATION: u8 = 17;
    pub const TRACE_ID: u8 = 18;
    pub const SPAN_ID: u8 = 19;
    /// A list of strings, which is told from a list of any values until it is stored.
    pub const TEXTS: u8 = 20;
}

/// A row that the caller has to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declined;

/// The result of a step on a row.
pub type Done<T> = Result<T, Declined>;

impl From<String> for Declined {
    fn from(_: String) -> Declined {
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

/// A key behind a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Name(Vec<u8>),
    Index(i64),
}

/// Where a path reads from, in the row of its table.
#[derive(Debug, Clone)]
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
pub enum Action {
    Load {
        table: u32,
        source: Source,
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
    Edit {
        map: u32,
        editor: Editor,
    },
    /// Replaces the matches of an expression in a string, which was loaded from the place.
    Replace {
        place: Place,
        value: Slot,
        pattern: Pattern,
        template: Vec<Piece>,
    },
}

/// One step.
#[derive(Debug)]
pub struct Step {
    pub action: Action,
    pub result: Slot,
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
}

/// One row in so many is timed statement by statement.
const TIMED: usize = 128;

/// What a statement did on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Unmatched,
    Unchanged,
    Changed,
}

/// A cell in two words, as registers hold it: written and read back whole, where fields of their own size would be written one by
/// one and read back together, which the processor has to wait for.
#[derive(Debug, Clone, Copy)]
struct Packed {
    bits: i64,
    rest: u64,
}

impl Packed {
    #[inline(always)]
    fn new(cell: Cell) -> Packed {
        Packed { bits: cell.bits, rest: u64::from(cell.len) | u64::from(cell.tag) << 32 }
    }

    #[inline(always)]
    fn cell(self) -> Cell {
        Cell { bits: self.bits, len: self.rest as u32, tag: (self.rest >> 32) as u8 }
    }
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
    registers: Vec<Packed>,
    /// By memo, the row for which the register holds.
    stamps: Vec<usize>,
    /// By table, the row around the current one.
    places: Vec<usize>,
    /// The tables around the context's, the innermost first.
    around: Vec<usize>,
    /// Codes of the program's keys.
    codes: Vec<u32>,
    scratch: calls::Scratch,
    sets: Vec<edits::Known>,
    flattened: Flattened,
}

impl Program {
    /// Runs the statements from number `first` on over rows of the context, or all of them, as long as there is room.
    pub fn run<P: AsRef<[u8]>>(
        &self,
        batch: &mut Batch<P>,
        rows: Option<&[i32]>,
        first: usize,
        room: Room,
    ) -> Result<Outcome, String> {
        let count = self.statements.len();
        let mut outcome = Outcome {
            matched: vec![0; count],
            changed: vec![0; count],
            ns: vec![0; count],
            declined: vec![Vec::new(); count],
        };
        let rows = batch.rows(self.context, rows)?;
        let begun = Instant::now();
        let mut run = Run::new(self, batch, room)?;
        for (at, row) in rows.iter().enumerate() {
            if run.spent(at) {
                break;
            }
            run.enter(row);
            if at % TIMED == 0 {
                run.timed_row(row, first, &mut outcome);
            } else {
                run.row(row, first, &mut outcome);
            }
        }
        spread(&mut outcome.ns, begun.elapsed().as_nanos() as i64);
        Ok(outcome)
    }

    /// Evaluates one condition on rows of the context, or all of them: 1 where it holds, 0 where not, 2 where it declined.
    pub fn select<P: AsRef<[u8]>>(
        &self,
        batch: &mut Batch<P>,
        rows: Option<&[i32]>,
        number: usize,
        room: Room,
    ) -> Result<Vec<u8>, String> {
        let rows = batch.rows(self.context, rows)?;
        let statement = self.statements.get(number).copied().ok_or("there is no such condition")?;
        let result = statement.result.ok_or("a statement is no condition")?;
        let mut run = Run::new(self, batch, room)?;
        let mut found = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            if run.spent(at) {
                found.resize(rows.len(), 0);
                break;
            }
            run.enter(row);
            let holds = match run.statement(statement, row) {
                Ok(_) => run.get(result),
                Err(Declined) => Cell::EMPTY,
            };
            found.push(if holds.tag == tags::BOOL { u8::from(holds.bits != 0) } else { 2 });
        }
        Ok(found)
    }
}

/// Scales the sampled times so that they add up to the whole.
fn spread(ns: &mut [i64], whole: i64) {
    let sampled: i64 = ns.iter().sum();
    for part in ns.iter_mut() {
        *part = (i128::from(*part) * i128::from(whole) / i128::from(sampled.max(1))) as i64;
    }
}

impl<'p, 'b, P: AsRef<[u8]>> Run<'p, 'b, P> {
    fn new(program: &'p Program, batch: &'b mut Batch<P>, room: Room) -> Result<Self, String> {
        let values = batch.values()?;
        let mut around = Vec::new();
        let mut table = program.context;
        while let Some(parent) = batch.plan.tables.get(table).and_then(|shape| shape.parent) {
            table = parent as usize;
            around.push(table);
        }
        let mut codes = Vec::with_capacity(program.keys.len());
        for (table, map, name) in &program.keys {
            let (_, map, _) = batch.edit(*table as usize, *map as usize)?;
            codes.push(map.keys.code(name));
            map.growth += 1;
        }
        let mut registers = vec![Packed::new(Cell::EMPTY); program.registers];
        for (slot, constant) in &program.constants {
            let cell = match constant {
                Constant::Cell(cell) => *cell,
                Constant::View(tag, bytes) => Cell::view(*tag, batch.arena.add(bytes), bytes.len()),
            };
            if let Some(register) = registers.get_mut(*slot as usize) {
                *register = Packed::new(cell);
            }
        }
        Ok(Run {
            program,
            room,
            begun: Instant::now(),
            values,
            registers,
            stamps: vec![usize::MAX; program.memos],
            places: vec![usize::MAX; batch.tables.len()],
            around,
            codes,
            scratch: calls::Scratch::default(),
            flattened: Flattened::default(),
            sets: program.key_sets.iter().map(|_| edits::Known::default()).collect(),
            accepts: batch.plan.tables.get(program.context).map_or(&[], |shape| shape.accepts.as_slice()),
            arena: &mut batch.arena,
            tables: &mut batch.tables,
        })
    }

    #[inline(always)]
    fn get(&self, slot: Slot) -> Cell {
        self.registers.get(slot as usize).map_or(Cell::EMPTY, |register| register.cell())
    }

    #[inline(always)]
    fn text(&self, cell: Cell) -> Done<&[u8]> {
        if cell.tag != tags::STRING {
            return Err(Declined);
        }
        self.arena.get(cell.bits, cell.len).ok_or(Declined)
    }

    /// Whether the run has taken what it may; the clock is looked at once in some rows.
    #[inline(always)]
    fn spent(&self, at: usize) -> bool {
        self.arena.end() > self.room.most || (at % TIMED == 0 && self.begun.elapsed().as_secs_f64() > self.room.seconds)
    }

    /// Finds the rows around a row of the context.
    #[inline(always)]
    fn enter(&mut self, row: usize) {
        let mut inner = self.program.context;
        let mut at = row;
        if let Some(place) = self.places.get_mut(inner) {
            *place = row;
        }
        for &table in &self.around {
            at = self.tables.get(inner).and_then(|table| table.parents.get(at)).map_or(0, |&row| row as usize);
            match self.places.get_mut(table) {
                Some(place) if *place != at => *place = at,
                _ => return,
            }
            inner = table;
        }
    }

    #[inline(always)]
    fn row(&mut self, row: usize, first: usize, outcome: &mut Outcome) {
        let program = self.program;
        let statements = program.statements.get(first..).unwrap_or_default();
        for (number, &statement) in (first..).zip(statements) {
            let effect = self.statement(statement, row);
            if !count(effect, number, row, outcome) {
                return;
            }
        }
    }

    #[inline(never)]
    fn timed_row(&mut self, row: usize, first: usize, outcome: &mut Outcome) {
        let program = self.program;
        let mut before = Instant::now();
        let statements = program.statements.get(first..).unwrap_or_default();
        for (number, &statement) in (first..).zip(statements) {
            let effect = self.statement(statement, row);
            let now = Instant::now();
            outcome.ns[number] += now.duration_since(before).as_nanos() as i64;
            before = now;
            if !count(effect, number, row, outcome) {
                return;
            }
        }
    }

    #[inline(always)]
    fn statement(&mut self, statement: Statement, row: usize) -> Done<Effect> {
        let program = self.program;
        let mut at = statement.begin;
        let mut effect = Effect::Unchanged;
        while at < statement.end {
            let Some(step) = program.steps.get(at) else {
                return Err(Declined);
            };
            if let Some((table, memo)) = step.once {
                let place = self.places.get(table as usize).copied().unwrap_or(0);
                if self.stamps.get(memo as usize) != Some(&place) {
                    let value = self.value(step)?;
                    self.set(step.result, value);
                    if let Some(stamp) = self.stamps.get_mut(memo as usize) {
                        *stamp = place;
                    }
                }
                at += 1;
                continue;
            }
            match &step.action {
                Action::Open { block, value, end } => {
                    let value = self.get(*value);
                    let enter = match block {
                        Block::UnlessNil => value.tag == tags::EMPTY,
                        Block::And => truth(value)?,
                        Block::Or => !truth(value)?,
                    };
                    self.set(step.result, Packed::new(value));
                    if !enter {
                        at = *end;
                        continue;
                    }
                }
                Action::Close { value } => {
                    let value = self.get(*value);
                    self.set(step.result, Packed::new(value));
                }
                Action::Where { value } => {
                    if !truth(self.get(*value))? {
                        return Ok(Effect::Unmatched);
                    }
                }
                Action::StoreEntry { map, key, value } => {
                    self.store_entry(row, *map, *key, self.get(*value))?;
                    effect = Effect::Changed;
                }
                Action::StoreField { column, from, tag, width, value } => {
                    let cell = self.get(*value);
                    if cell.tag != *from {
                        return Err(Declined);
                    }
                    let bits = match width {
                        Width::Whole => cell.bits,
                        Width::Signed32 => i64::from(cell.bits as i32),
                        Width::Unsigned32 => i64::from(cell.bits as u32),
                    };
                    self.store_cell(row, *column, Cell { bits, tag: *tag, ..cell })?;
                    effect = Effect::Changed;
                }
                Action::StoreValue { column, value } => {
                    let cell = stored(self.get(*value));
                    if cell.tag > tags::MAP {
                        return Err(Declined);
                    }
                    self.store_cell(row, *column, cell)?;
                    effect = Effect::Changed;
                }
                Action::Edit { map, editor } => {
                    if self.edit(row, *map, editor)? {
                        effect = Effect::Changed;
                    }
                }
                Action::Replace { place, value, pattern, template } => {
                    if self.replace(row, place, *value, pattern, template)? {
                        effect = Effect::Changed;
                    }
                }
                _ => {
                    let value = self.value(step)?;
                    self.set(step.result, value);
                }
            }
            for &memo in &step.kills {
                if let Some(stamp) = self.stamps.get_mut(memo as usize) {
                    *stamp = usize::MAX;
                }
            }
            at += 1;
        }
        Ok(effect)
    }

    #[inline(always)]
    fn set(&mut self, slot: Slot, value: Packed) {
        if let Some(register) = self.registers.get_mut(slot as usize) {
            *register = value;
        }
    }

    /// The value that a step computes.
    #[inline(always)]
    fn value(&mut self, step: &Step) -> Done<Packed> {
        match &step.action {
            Action::Load { table, source } => self.load(*table as usize, source).map(Packed::new),
            Action::Compare { operator, left, right } => {
                let holds = self.compare(*operator, self.get(*left), self.get(*right))?;
                Ok(Packed::new(boolean(holds)))
            }
            Action::Arithmetic { operation, left, right } => {
                compute::arithmetic(*operation, self.get(*left), self.get(*right)).map(Packed::new)
            }
            Action::Negate { value } => compute::negate(self.get(*value)).map(Packed::new),
            Action::Truth { value } => Ok(Packed::new(boolean(truth(self.get(*value))?))),
            Action::Not { value } => Ok(Packed::new(boolean(!truth(self.get(*value))?))),
            Action::Call { function, arguments } => self.call(function, arguments).map(Packed::new),
            _ => Err(Declined),
        }
    }

    #[inline(always)]
    fn load(&self, table: usize, source: &Source) -> Done<Cell> {
        let row = self.places.get(table).copied().ok_or(Declined)?;
        let table = self.tables.get(table).ok_or(Declined)?;
        let column = |number: u32| table.columns.get(number as usize).map_or(Cell::EMPTY, |column| column.get(row));
        match source {
            Source::Entry { map, key, below } => {
                let code = self.codes.get(*key as usize).copied().ok_or(Declined)?;
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
        }
    }

    /// What lies below a value; behind a key that is not there everything is nil.
    fn below(&self, mut cell: Cell, keys: &[Key]) -> Done<Cell> {
        for (number, key) in keys.iter().enumerate() {
            let step = match key {
                Key::Name(name) => Into::Key(name),
                Key::Index(index) => Into::Index(*index),
            };
            let (found, error) = maps::child(self.arena, &self.values, cell, step)?;
            // An Empty that is there cannot be looked into; it cannot be told from a missing one here.
            if error != maps::step_errors::NONE || (found.tag == tags::EMPTY && number + 1 < keys.len()) {
                return Err(Declined);
            }
            cell = found;
        }
        Ok(known(cell))
    }

    #[inline(always)]
    fn store_entry(&mut self, row: usize, map: u32, key: u32, cell: Cell) -> Done<()> {
        let cell = stored(cell);
        if cell.tag > tags::MAP {
            return Err(Declined);
        }
        let code = self.codes.get(key as usize).copied().ok_or(Declined)?;
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

/// Counts what a statement did on a row; false if it declined.
#[inline(always)]
fn count(effect: Done<Effect>, number: usize, row: usize, outcome: &mut Outcome) -> bool {
    match effect {
        Ok(Effect::Unmatched) => true,
        Ok(effect) => {
            outcome.matched[number] += 1;
            outcome.changed[number] += i64::from(effect == Effect::Changed);
            true
        }
        Err(Declined) => {
            outcome.declined[number].push(row as i32);
            false
        }
    }
}

fn absent(table: &Table, row: usize, variants: &Option<Vec<u16>>) -> bool {
    let having = |variants: &Vec<u16>| table.variants.get(row).is_some_and(|variant| variants.contains(variant));
    variants.as_ref().is_some_and(|variants| !having(variants))
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
    if cell.tag == kinds::TEXTS {
        return Cell { tag: tags::LIST, ..cell };
    }
    cell
}

#[inline(always)]
fn boolean(value: bool) -> Cell {
    Cell::scalar(tags::BOOL, i64::from(value))
}

#[inline(always)]
fn truth(cell: Cell) -> Done<bool> {
    if cell.tag != tags::BOOL {
        return Err(Declined);
    }
    Ok(cell.bits != 0)
}

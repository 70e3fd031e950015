//! Registers: what steps compute, in each lane. Truths that only conditions look at are kept as one word, a bit a lane; all other
//! values as cells.

use super::{boolean, Action, Block, Constant, Program, Slot, Step};
use crate::arena::Arena;
use crate::schema::tags;
use crate::values::Cell;

/// Rows that are worked on together: a step runs on all of them before the next one does, so that what it costs to know what to do is
/// paid once for many rows, while their values stay in the cache.
pub(super) const LANES: usize = 64;

/// Some of the rows that are worked on together: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lanes(pub(super) u64);

impl Lanes {
    pub(super) const NONE: Lanes = Lanes(0);
    pub(super) const ALL: Lanes = Lanes(u64::MAX);

    /// The first so many.
    pub(super) fn first(count: usize) -> Lanes {
        Lanes(if count < LANES { (1 << count) - 1 } else { u64::MAX })
    }

    pub(super) fn one(lane: usize) -> Lanes {
        Lanes(1 << (lane % LANES))
    }

    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    #[inline(always)]
    pub(super) fn contains(self, lane: usize) -> bool {
        self.0 >> lane & 1 != 0
    }

    #[inline(always)]
    pub(super) fn insert(&mut self, lane: usize, wanted: bool) {
        self.0 |= u64::from(wanted) << lane;
    }

    #[inline(always)]
    pub(super) fn with(self, other: Lanes) -> Lanes {
        Lanes(self.0 | other.0)
    }

    #[inline(always)]
    pub(super) fn and(self, other: Lanes) -> Lanes {
        Lanes(self.0 & other.0)
    }

    #[inline(always)]
    pub(super) fn without(self, other: Lanes) -> Lanes {
        Lanes(self.0 & !other.0)
    }
}

impl Iterator for Lanes {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

/// What a question to some lanes found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) holds: Lanes,
    /// Lanes that cannot tell.
    pub(super) lost: Lanes,
}

/// A cell in two words, as registers hold it: written and read back whole, where fields of their own size would be written one by
/// one and read back together, which the processor has to wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    pub(super) bits: i64,
    rest: u64,
}

impl Packed {
    #[inline(always)]
    pub(super) fn new(cell: Cell) -> Packed {
        Packed { bits: cell.bits, rest: u64::from(cell.len) | u64::from(cell.tag) << 32 }
    }

    #[inline(always)]
    pub(super) fn cell(self) -> Cell {
        Cell { bits: self.bits, len: self.rest as u32, tag: self.tag() }
    }

    #[inline(always)]
    pub(super) fn tag(self) -> u8 {
        (self.rest >> 32) as u8
    }

    /// Whether the other one has this tag and length.
    #[inline(always)]
    pub(super) fn resembles(self, other: Packed) -> bool {
        self.rest == other.rest
    }
}

/// Where a register lies: a cell for each lane, or one for all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    begin: usize,
    mask: usize,
}

impl Home {
    /// Whether it is one for all.
    #[inline(always)]
    pub(super) fn is_constant(self) -> bool {
        self.mask == 0
    }
}

/// What registers hold in each lane.
#[derive(Debug)]
pub(super) struct Registers<'p> {
    homes: Vec<Home>,
    cells: Vec<Packed>,
    /// By register; 0 for those that hold cells.
    truths: Vec<u64>,
    is_truth: &'p [bool],
}

impl<'p> Registers<'p> {
    pub(super) fn new<P: AsRef<[u8]>>(program: &'p Program, width: usize, arena: &mut Arena<P>) -> Registers<'p> {
        let mut homes = vec![Home { begin: 0, mask: usize::MAX }; program.registers];
        let mut cells = Vec::with_capacity(program.registers * width);
        for (slot, constant) in &program.constants {
            let cell = match constant {
                Constant::Cell(cell) => *cell,
                Constant::View(tag, bytes) => Cell::view(*tag, arena.add(bytes), bytes.len()),
            };
            if let Some(home) = homes.get_mut(*slot as usize) {
                *home = Home { begin: cells.len(), mask: 0 };
                cells.push(Packed::new(cell));
            }
        }
        let is_truth = program.truths.as_slice();
        for (home, _) in homes.iter_mut().zip(is_truth).filter(|(home, &truth)| home.mask != 0 && !truth) {
            home.begin = cells.len();
            cells.resize(cells.len() + width, Packed::new(Cell::EMPTY));
        }
        Registers { homes, cells, truths: vec![0; is_truth.len()], is_truth }
    }

    #[inline(always)]
    pub(super) fn home(&self, slot: Slot) -> Home {
        self.homes.get(slot as usize).copied().unwrap_or(Home { begin: 0, mask: 0 })
    }

    #[inline(always)]
    pub(super) fn at(&self, home: Home, lane: usize) -> Packed {
        self.cells.get(home.begin + (lane & home.mask)).copied().unwrap_or(Packed::new(Cell::EMPTY))
    }

    #[inline(always)]
    pub(super) fn put(&mut self, home: Home, lane: usize, value: Packed) {
        if let Some(cell) = self.cells.get_mut(home.begin + (lane & home.mask)) {
            *cell = value;
        }
    }

    /// Whether a register keeps truths as a word.
    #[inline(always)]
    pub(super) fn is_truth(&self, slot: Slot) -> bool {
        self.is_truth.get(slot as usize).copied().unwrap_or(false)
    }

    /// Where a register is true; lanes are lost where it is no truth.
    #[inline(always)]
    pub(super) fn holding(&self, slot: Slot, lanes: Lanes) -> Verdict {
        if self.is_truth(slot) {
            let truths = self.truths.get(slot as usize).copied().unwrap_or(0);
            return Verdict { holds: Lanes(truths & lanes.0), lost: Lanes::NONE };
        }
        self.ask(self.home(slot), lanes, |value| (value.tag() == tags::BOOL).then_some(value.bits != 0))
    }

    /// Asks the cell in each lane.
    #[inline(always)]
    pub(super) fn ask(&self, home: Home, lanes: Lanes, question: impl Fn(Packed) -> Option<bool>) -> Verdict {
        let cells = self.cells.get(home.begin..).unwrap_or_default();
        match cells.first_chunk::<LANES>().filter(|_| !home.is_constant()) {
            Some(cells) => asked(lanes, |lane| question(cells[lane % LANES])),
            None => asked(lanes, |lane| question(self.at(home, lane))),
        }
    }

    /// Says of some lanes in which ones a register is true.
    #[inline(always)]
    pub(super) fn tell(&mut self, slot: Slot, lanes: Lanes, holds: Lanes) {
        if !self.is_truth(slot) {
            let home = self.home(slot);
            lanes.for_each(|lane| self.put(home, lane, Packed::new(boolean(holds.contains(lane)))));
        } else if let Some(truths) = self.truths.get_mut(slot as usize) {
            *truths = *truths & !lanes.0 | holds.0 & lanes.0;
        }
    }

    /// Copies a register.
    pub(super) fn copy(&mut self, from: Slot, to: Slot, lanes: Lanes) {
        let (from, to) = (self.home(from), self.home(to));
        for lane in lanes {
            let value = self.at(from, lane);
            self.put(to, lane, value);
        }
    }

    /// Gives all lanes what the first one has.
    pub(super) fn spread(&mut self, slot: Slot, first: usize, lanes: Lanes) {
        if self.is_truth(slot) {
            let holds = !self.holding(slot, Lanes::one(first)).holds.is_empty();
            self.tell(slot, lanes, if holds { lanes } else { Lanes::NONE });
        } else {
            let home = self.home(slot);
            let value = self.at(home, first);
            lanes.for_each(|lane| self.put(home, lane, value));
        }
    }
}

/// Asks in each lane.
#[inline(always)]
pub(super) fn asked(lanes: Lanes, question: impl Fn(usize) -> Option<bool>) -> Verdict {
    let mut found = Verdict { holds: Lanes::NONE, lost: Lanes::NONE };
    for lane in lanes {
        match question(lane) {
            Some(holds) => found.holds.insert(lane, holds),
            None => found.lost.insert(lane, true),
        }
    }
    found
}

/// By register, whether it keeps truths as a word: if nothing else is written there, and only conditions look at it.
pub(super) fn truths(registers: usize, constants: &[(Slot, Constant)], steps: &[Step]) -> Vec<bool> {
    let mut truths = vec![true; registers];
    let mut cell = |slot: Slot| {
        if let Some(truth) = truths.get_mut(slot as usize) {
            *truth = false;
        }
    };
    constants.iter().for_each(|(slot, _)| cell(*slot));
    for step in steps {
        match &step.action {
            Action::Compare { left, right, .. } => [*left, *right].into_iter().for_each(&mut cell),
            Action::Open { block: Block::UnlessNil, value, .. } => {
                [*value, step.result].into_iter().for_each(&mut cell)
            }
            Action::Open { .. } | Action::Close { .. } | Action::Truth { .. } | Action::Not { .. } => {}
            Action::Where { .. } => {}
            action => {
                if action.computes() {
                    cell(step.result);
                }
                step.reads.iter().copied().for_each(&mut cell);
            }
        }
    }
    truths
}

//! Comparison and arithmetic of cells, as the tables of the reference say.

use std::cmp::Ordering;

use super::registers::{asked, Home, Lanes, Packed, Verdict};
use super::times::{instant, moved};
use super::{kinds, Declined, Done, Failed, Run, Slot};
use crate::arena::same;
use crate::schema::tags;
use crate::values::Cell;

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Operator {
    #[inline(always)]
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterEqual => left >= right,
        }
    }

    /// The one that says the same of operands that have changed places.
    fn turned(self) -> Operator {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessEqual => Operator::GreaterEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterEqual => Operator::LessEqual,
            same => same,
        }
    }
}

/// Arithmetic of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// Times and durations up to here add up within 64 bits.
const FAR: i64 = 1 << 62;

#[inline(always)]
fn is_number(tag: u8) -> bool {
    matches!(tag, tags::INT | tags::DOUBLE)
}

#[inline(always)]
fn is_time(tag: u8) -> bool {
    matches!(tag, kinds::TIME | kinds::TIME_AWAY)
}

/// A number as a float.
#[inline(always)]
fn float(cell: Cell) -> f64 {
    if cell.tag == tags::DOUBLE {
        return f64::from_bits(cell.bits as u64);
    }
    cell.bits as f64
}

#[inline(always)]
fn double(value: f64) -> Cell {
    Cell::scalar(tags::DOUBLE, value.to_bits() as i64)
}

/// The sum, difference, product or quotient of two cells.
#[inline]
pub fn arithmetic(operation: Operation, left: Cell, right: Cell) -> Done<Cell> {
    if left.tag == tags::INT && right.tag == tags::INT {
        let (a, b) = (left.bits, right.bits);
        let bits = match operation {
            Operation::Add => a.wrapping_add(b),
            Operation::Subtract => a.wrapping_sub(b),
            Operation::Multiply => a.wrapping_mul(b),
            Operation::Divide if b == 0 => return Err(Failed),
            Operation::Divide => a.wrapping_div(b),
        };
        return Ok(Cell::scalar(tags::INT, bits));
    }
    if is_number(left.tag) && is_number(right.tag) {
        let (a, b) = (float(left), float(right));
        return match operation {
            Operation::Add => Ok(double(a + b)),
            Operation::Subtract => Ok(double(a - b)),
            Operation::Multiply => Ok(double(a * b)),
            Operation::Divide if b == 0.0 => Err(Failed),
            Operation::Divide => Ok(double(a / b)),
        };
    }
    let is_timely = |cell: Cell| is_time(cell.tag) || cell.tag == kinds::DURATION;
    if !(is_timely(left) && is_timely(right)) {
        return Err(Failed);
    }
    let far = |bits: i64| bits >= FAR || bits <= -FAR;
    if far(left.bits) || far(right.bits) {
        return Err(Declined);
    }
    let bits = match operation {
        Operation::Add => left.bits + right.bits,
        Operation::Subtract => left.bits - right.bits,
        _ => return Err(Failed),
    };
    match (operation, instant(left).tag, instant(right).tag) {
        (_, kinds::DURATION, kinds::DURATION) | (Operation::Subtract, kinds::TIME, kinds::TIME) => {
            Ok(Cell::scalar(kinds::DURATION, bits))
        }
        (_, kinds::TIME, kinds::DURATION) => moved(left, bits),
        (Operation::Add, kinds::DURATION, kinds::TIME) => moved(right, bits),
        _ => Err(Failed),
    }
}

/// The negative of a number.
pub fn negate(cell: Cell) -> Done<Cell> {
    match cell.tag {
        tags::INT => Ok(Cell::scalar(tags::INT, cell.bits.wrapping_neg())),
        tags::DOUBLE => Ok(double(-float(cell))),
        _ => Err(Declined),
    }
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    /// Compares two registers. One of them mostly is a constant, of which everything is then known beforehand.
    pub(super) fn compared(&self, operator: Operator, left: Slot, right: Slot, lanes: Lanes) -> Verdict {
        let (left, right) = (self.state.registers.home(left), self.state.registers.home(right));
        let (operator, home, other) =
            if left.is_constant() { (operator.turned(), right, left) } else { (operator, left, right) };
        let constant = self.state.registers.at(other, 0);
        let exactly = operator == Operator::Equal || operator == Operator::NotEqual;
        let unequal = operator == Operator::NotEqual;
        match constant.tag() {
            tags::INT | tags::BOOL | kinds::TIME | kinds::DURATION if other.is_constant() => {
                // By whether the value is less, equal or greater: looked up, as branches would be taken at random.
                let holds = [(0, 1), (0, 0), (1, 0)].map(|(a, b)| u32::from(operator.holds(a, b)));
                let holds = holds[0] | holds[1] << 1 | holds[2] << 2;
                self.each(operator, home, constant, lanes, |value| {
                    let order = u32::from(value.bits >= constant.bits) + u32::from(value.bits > constant.bits);
                    Some(holds >> order & 1 != 0)
                })
            }
            tags::STRING if other.is_constant() && exactly => {
                let text = self.text(constant.cell()).unwrap_or_default();
                self.each(operator, home, constant, lanes, |value| {
                    if !value.resembles(constant) {
                        return Some(unequal);
                    }
                    Some(same(self.text(value.cell()).ok()?, text) != unequal)
                })
            }
            tags::EMPTY if other.is_constant() => {
                self.each(operator, home, constant, lanes, |_| Some(operator.holds(0, 0)))
            }
            _ => {
                let registers = &self.state.registers;
                let cells = |lane| (registers.at(home, lane).cell(), registers.at(other, lane).cell());
                asked(lanes, |lane| {
                    let (value, other) = cells(lane);
                    self.compare(operator, value, other).ok()
                })
            }
        }
    }

    /// Compares a register with a constant, by a question to the values of its kind.
    #[inline(never)]
    fn each(
        &self,
        operator: Operator,
        home: Home,
        constant: Packed,
        lanes: Lanes,
        question: impl Fn(Packed) -> Option<bool>,
    ) -> Verdict {
        let tag = constant.tag();
        self.state.registers.ask(home, lanes, |value| {
            if value.tag() == tag {
                return question(value);
            }
            self.compare(operator, value.cell(), constant.cell()).ok()
        })
    }

    /// Whether a comparison holds; values of different kinds are only unequal.
    pub(super) fn compare(&self, operator: Operator, left: Cell, right: Cell) -> Done<bool> {
        let holds = match (left.tag, right.tag) {
            (tags::INT, tags::INT) => operator.holds(left.bits, right.bits),
            (tags::STRING, tags::STRING) => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                match operator {
                    Operator::Equal => same(left, right),
                    Operator::NotEqual => !same(left, right),
                    _ => operator.holds(left.cmp(right), Ordering::Equal),
                }
            }
            (a, b) if is_number(a) && is_number(b) => operator.holds(float(left), float(right)),
            (tags::BOOL, tags::BOOL) | (kinds::DURATION, kinds::DURATION) => operator.holds(left.bits, right.bits),
            (a, b) if is_time(a) && is_time(b) => operator.holds(left.bits, right.bits),
            (tags::EMPTY, tags::EMPTY) => operator.holds(0, 0),
            // Empty bytes are nil.
            (tags::BYTES, tags::EMPTY) if left.len == 0 => operator.holds(0, 0),
            (tags::EMPTY, tags::BYTES) if right.len == 0 => operator.holds(0, 0),
            (tags::BYTES, tags::EMPTY) | (tags::EMPTY, tags::BYTES) => operator == Operator::NotEqual,
            (a, b) if (is_plain(a) && is_container(b)) || (is_container(a) && is_plain(b)) => {
                operator == Operator::NotEqual
            }
            (kinds::TRACE_ID, kinds::TRACE_ID) | (kinds::SPAN_ID, kinds::SPAN_ID) => match operator {
                Operator::Equal => self.same_id(left, right)?,
                Operator::NotEqual => !self.same_id(left, right)?,
                _ => return Err(Declined),
            },
            (a, b) if is_plain(a) && is_plain(b) => operator == Operator::NotEqual,
            _ => return Err(Declined),
        };
        Ok(holds)
    }
}

/// Values that compare by their kinds alone with those of another kind.
fn is_plain(tag: u8) -> bool {
    matches!(tag, tags::EMPTY | tags::STRING | tags::BOOL | tags::INT | tags::DOUBLE)
        || matches!(tag, kinds::DURATION | kinds::TRACE_ID | kinds::SPAN_ID)
        || is_time(tag)
}

fn is_container(tag: u8) -> bool {
    matches!(tag, tags::LIST | tags::MAP | kinds::TEXTS | kinds::RAW)
}

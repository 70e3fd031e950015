//! Programs as Python builds and runs them; `ottl/vm/native.py` is the other side.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::calls::{Group, Reading};
use super::stores::{Data, Member, Target};
use super::texts::{Base64, Verb};
use super::times::{Number, Part};
use super::{
    Action, Block, Change, Constant, Editor, Function, Glob, Key, KeySet, Lap, Operation, Operator, Place,
    Program as Core, Room, Slot, Source, Spot, Statement, Step, Width,
};
use crate::kernels::nested::Strategy;
use crate::kernels::{template_of, Algorithm, PyKey, PyLayout, PyPiece, Regex};
use crate::py::{frozen, Array, Batch, Input};
use crate::values::Cell;

fn bad(message: String) -> PyErr {
    PyValueError::new_err(message)
}

type PyStep<'py> = (String, Slot, Option<(u32, u32)>, Vec<Slot>, Bound<'py, PyTuple>, Vec<u32>);
type KeySets<'py> = Vec<(Vec<Vec<u8>>, Option<Bound<'py, Regex>>, bool)>;

/// Statements for the native executor.
#[pyclass(frozen, module = "ottl._native")]
pub struct Program {
    pub core: Core,
}

#[derive(FromPyObject)]
enum PyConstant {
    Scalar(u8, i64),
    View(u8, Vec<u8>),
}

/// Bytes of a text, bytes of the arena, seconds, elements of a list.
#[derive(FromPyObject)]
pub struct PyRoom(usize, i64, f64, usize);

impl From<PyRoom> for Room {
    fn from(PyRoom(longest, most, seconds, items): PyRoom) -> Room {
        Room { longest, most, seconds, items }
    }
}

#[pymethods]
impl Program {
    /// What `ottl.vm.native` has lowered: see `Action` for the steps.
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        context: usize,
        registers: usize,
        memos: usize,
        constants: Vec<(Slot, PyConstant)>,
        keys: Vec<(u32, u32, Vec<u8>)>,
        key_sets: KeySets<'_>,
        steps: Vec<PyStep<'_>>,
        statements: Vec<(usize, usize, i64)>,
    ) -> PyResult<Program> {
        let constants = constants.into_iter().map(|(slot, constant)| match constant {
            PyConstant::Scalar(tag, bits) => (slot, Constant::Cell(Cell::scalar(tag, bits))),
            PyConstant::View(tag, bytes) => (slot, Constant::View(tag, bytes)),
        });
        let key_sets = key_sets.into_iter().map(|(names, pattern, complement)| KeySet {
            names,
            pattern: pattern.map(|pattern| pattern.get().core.clone()),
            complement,
        });
        let statements = statements.into_iter().map(|(begin, end, result)| Statement {
            begin,
            end,
            result: Slot::try_from(result).ok(),
        });
        let steps: PyResult<Vec<Step>> = steps.into_iter().map(step).collect();
        let (steps, constants) = (steps?, constants.collect::<Vec<_>>());
        Ok(Program {
            core: Core {
                context,
                registers,
                memos,
                truths: super::registers::truths(registers, &constants, &steps),
                constants,
                keys,
                key_sets: key_sets.collect(),
                steps,
                statements: statements.collect(),
            },
        })
    }

    /// Runs the statements from number `first` on, over all rows or some; with `timed` each step is timed. See [`super::Execution`] for
    /// `untold`.
    #[pyo3(signature = (batch, rows, first, untold, room, timed))]
    #[allow(clippy::type_complexity)]
    fn run<'py>(
        &self,
        batch: &Bound<'py, Batch>,
        rows: Option<Input<'py, i32>>,
        first: usize,
        untold: Option<Vec<bool>>,
        room: PyRoom,
        timed: bool,
    ) -> PyResult<(Vec<i64>, Vec<i64>, Vec<i64>, Vec<(usize, Array<'py, i32>)>, Vec<i64>, Vec<Lap>)> {
        let py = batch.py();
        let mut batch = batch.try_borrow_mut()?;
        let core = &mut batch.core;
        let rows = rows.as_ref().map(Input::get);
        let outcome = py.detach(|| self.core.run(core, rows, (first, untold), room.into(), timed)).map_err(bad)?;
        let declined = outcome.declined.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
        let declined = declined.map(|(number, rows)| (number, frozen(py, rows))).collect();
        Ok((outcome.matched, outcome.changed, outcome.ns, declined, outcome.failed, outcome.laps))
    }

    /// Where a condition holds: 1, or 0; 2 where it declined; and with `timed` what each step took.
    #[pyo3(signature = (batch, rows, number, room, timed))]
    fn select<'py>(
        &self,
        batch: &Bound<'py, Batch>,
        rows: Option<Input<'py, i32>>,
        number: usize,
        room: PyRoom,
        timed: bool,
    ) -> PyResult<(Array<'py, u8>, Vec<Lap>)> {
        let py = batch.py();
        let mut batch = batch.try_borrow_mut()?;
        let core = &mut batch.core;
        let rows = rows.as_ref().map(Input::get);
        let select = || self.core.select(core, rows, number, room.into(), timed);
        let (states, laps) = py.detach(select).map_err(bad)?;
        Ok((frozen(py, states), laps))
    }
}

fn step((name, result, once, slots, data, kills): PyStep<'_>) -> PyResult<Step> {
    let slot = |number: usize| slots.get(number).copied().ok_or_else(|| bad(format!("{name}: too few registers")));
    let action = match name.as_str() {
        "load_entry" => {
            let (table, map, key, below): (u32, u32, u32, Vec<PyKey>) = data.extract()?;
            Action::Load {
                table,
                source: Source::Entry { map, key, below: below.into_iter().map(Key::from).collect() },
            }
        }
        "load_field" => {
            let (table, column, tag, variants) = data.extract()?;
            Action::Load { table, source: Source::Field { column, tag, variants } }
        }
        "load_id" => {
            let (table, column, tag, size) = data.extract()?;
            Action::Load { table, source: Source::Id { column, tag, size } }
        }
        "load_member" => {
            let (table, column, tag, variants) = data.extract()?;
            Action::Load { table, source: Source::Member { column, tag, variants } }
        }
        "load_number" => {
            let (table, double, int) = data.extract()?;
            Action::Load { table, source: Source::Number { double, int } }
        }
        "load_value" => {
            let (table, column, below): (u32, u32, Vec<PyKey>) = data.extract()?;
            Action::Load { table, source: Source::Value { column, below: below.into_iter().map(Key::from).collect() } }
        }
        "load_marked" => {
            let (table, columns) = data.extract()?;
            Action::Load { table, source: Source::Marked { columns } }
        }
        "load_chosen" => {
            let (table, data, tag) = data.extract()?;
            Action::Load { table, source: Source::Chosen { data, tag } }
        }
        "load_named" => {
            let (table, column): (u32, u32) = data.extract()?;
            Action::Load { table, source: Source::Named { column, names: slots.clone() } }
        }
        "load_cache" => {
            let (table, column) = data.extract()?;
            Action::Load { table, source: Source::Cache { column } }
        }
        "load_map" => {
            let (table, map) = data.extract()?;
            Action::Whole { table, map }
        }
        "load_parts" => {
            let (table, map, keys) = data.extract()?;
            Action::Parts { table, map, keys }
        }
        "compare" => {
            let (symbol,): (String,) = data.extract()?;
            Action::Compare { operator: operator(&symbol)?, left: slot(0)?, right: slot(1)? }
        }
        "add" | "subtract" | "multiply" | "divide" => {
            let operation = match name.as_str() {
                "add" => Operation::Add,
                "subtract" => Operation::Subtract,
                "multiply" => Operation::Multiply,
                _ => Operation::Divide,
            };
            Action::Arithmetic { operation, left: slot(0)?, right: slot(1)? }
        }
        "negate" => Action::Negate { value: slot(0)? },
        "truth" => Action::Truth { value: slot(0)? },
        "not" => Action::Not { value: slot(0)? },
        "and" | "or" | "unless_nil" => {
            let (end,): (usize,) = data.extract()?;
            let block = match name.as_str() {
                "and" => Block::And,
                "or" => Block::Or,
                _ => Block::UnlessNil,
            };
            Action::Open { block, value: slot(0)?, end }
        }
        "end" => Action::Close { value: slot(0)? },
        "where" => Action::Where { value: slot(0)? },
        "store_entry" => {
            let (map, key) = data.extract()?;
            Action::StoreEntry { map, key, value: slot(0)? }
        }
        "store_field" => {
            let (column, from, tag, width): (u32, u8, u8, String) = data.extract()?;
            Action::StoreField { column, from, tag, width: width_of(&width), value: slot(0)? }
        }
        "store_cache" | "store_map" | "store_id" | "store_members" | "store_data" => {
            Action::Write { target: target(&name, &data)?, value: slot(0)? }
        }
        "store_value" => {
            let (column,) = data.extract()?;
            Action::StoreValue { column, value: slot(0)? }
        }
        "store_inside_entry" | "store_inside_column" => {
            Action::StoreInside { spot: spot(&name, &data)?, value: slot(0)? }
        }
        "edit_entry" | "edit_column" => {
            let (_, number, editing, rest): (Bound<'_, PyAny>, u32, String, Bound<'_, PyTuple>) = data.extract()?;
            Action::EditInside { spot: spot(&name, &data)?, number, editor: editor(&editing, &rest, &slots)? }
        }
        "change_entry" | "change_column" | "change_cache" => {
            let (_, changing, rest): (Bound<'_, PyAny>, String, Bound<'_, PyTuple>) = data.extract()?;
            let change = change(&changing, &rest, slots.get(1..).unwrap_or_default())?;
            Action::Change { spot: spot(&name, &data)?, value: slot(0)?, change }
        }
        "call" => Action::Call { function: function(&data)?, arguments: slots.clone() },
        _ => {
            let editor = editor(&name, &data.get_slice(1, data.len()), &slots)?;
            Action::Edit { map: data.get_item(0)?.extract()?, editor }
        }
    };
    Ok(Step { action, result, reads: slots, once, kills })
}

fn width_of(name: &str) -> Width {
    match name {
        "signed32" => Width::Signed32,
        "unsigned32" => Width::Unsigned32,
        _ => Width::Whole,
    }
}

type PyMember = (u32, u8, u8, (i64, i64), String, Option<u32>);

fn target(name: &str, data: &Bound<'_, PyTuple>) -> PyResult<Target> {
    Ok(match name {
        "store_cache" => {
            let (column,) = data.extract()?;
            Target::Cache { column }
        }
        "store_map" => {
            let (map,) = data.extract()?;
            Target::Map { map }
        }
        "store_id" => {
            let (column, kind) = data.extract()?;
            Target::Id { column, kind }
        }
        "store_members" => {
            let (members, variants): (Vec<PyMember>, _) = data.extract()?;
            let members = members.into_iter().map(|(column, from, tag, range, width, other)| {
                let width = width_of(&width);
                Member { column, from, tag, range, width, other }
            });
            Target::Members { members: members.collect(), variants }
        }
        _ => {
            let (data, from, width): (Vec<Data>, u8, String) = data.extract()?;
            Target::Data { data, from, width: width_of(&width) }
        }
    })
}

fn operator(symbol: &str) -> PyResult<Operator> {
    Ok(match symbol {
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterEqual,
        _ => return Err(bad(format!("there is no operator {symbol}"))),
    })
}

/// Where a step writes, which its name and the first of its data tell.
fn spot(name: &str, data: &Bound<'_, PyTuple>) -> PyResult<Spot> {
    let data = data.get_item(0)?;
    let (place, below): (Place, Vec<PyKey>) = if name.ends_with("_entry") {
        let (map, key, below) = data.extract()?;
        (Place::Entry { map, key }, below)
    } else {
        let (column, below) = data.extract()?;
        (if name.ends_with("_cache") { Place::Cache { column } } else { Place::Column { column } }, below)
    };
    Ok(Spot { place, below: below.into_iter().map(Key::from).collect() })
}

/// A glob: what texts begin and end with, or an expression.
#[derive(FromPyObject)]
enum PyGlob<'py> {
    Ends(Vec<u8>, Vec<u8>),
    Pattern(Bound<'py, Regex>),
}

impl From<PyGlob<'_>> for Glob {
    fn from(glob: PyGlob<'_>) -> Glob {
        match glob {
            PyGlob::Ends(begin, end) => Glob::Ends(begin, end),
            PyGlob::Pattern(pattern) => Glob::Pattern(pattern.get().core.clone()),
        }
    }
}

fn change(name: &str, data: &Bound<'_, PyTuple>, slots: &[Slot]) -> PyResult<Change> {
    let slot = |number: usize| slots.get(number).copied().ok_or_else(|| bad(format!("{name}: too few registers")));
    Ok(match name {
        "replace" => {
            let (pattern, template): (Bound<'_, Regex>, Vec<PyPiece>) = data.extract()?;
            Change::Replace { pattern: pattern.get().core.clone(), template: template_of(template) }
        }
        "match" => {
            let (glob,): (PyGlob<'_>,) = data.extract()?;
            Change::Match { glob: glob.into(), new: slot(0)? }
        }
        "clear" => Change::Clear,
        "append" => Change::Append(slots.to_vec()),
        "cut" => Change::Cut { start: slot(0)?, end: slots.get(1).copied() },
        _ => return Err(bad(format!("there is no change {name}"))),
    })
}

fn editor(name: &str, data: &Bound<'_, PyTuple>, slots: &[Slot]) -> PyResult<Editor> {
    let slot = || slots.first().copied().ok_or_else(|| bad(format!("{name}: too few registers")));
    let replacing = || -> PyResult<_> {
        let (pattern, template): (Bound<'_, Regex>, Vec<PyPiece>) = data.extract()?;
        Ok((pattern.get().core.clone(), template_of(template)))
    };
    Ok(match name {
        "delete" => {
            let (key,) = data.extract()?;
            Editor::Delete { key }
        }
        "keep" => {
            let (set,) = data.extract()?;
            Editor::Keep { set }
        }
        "limit" => {
            let (limit, set) = data.extract()?;
            Editor::Limit { limit, set }
        }
        "truncate" => {
            let (limit, whole_characters, marker): (usize, bool, Vec<u8>) = data.extract()?;
            if marker.len() > limit {
                return Err(bad("the marker is longer than the limit".into()));
            }
            Editor::Truncate { limit, whole_characters, marker }
        }
        "merge" => {
            let (strategy,): (String,) = data.extract()?;
            Editor::Merge { source: slot()?, strategy: Strategy::named(&strategy).map_err(bad)? }
        }
        "merge_map" => {
            let (strategy, source): (String, u32) = data.extract()?;
            Editor::MergeMap { source, strategy: Strategy::named(&strategy).map_err(bad)? }
        }
        "merge_call" => {
            let (strategy, call): (String, Bound<'_, PyTuple>) = data.extract()?;
            let strategy = Strategy::named(&strategy).map_err(bad)?;
            Editor::MergeCall { function: function(&call)?, text: slot()?, strategy }
        }
        "flatten" => {
            let (prefix, depth, resolve): (Vec<u8>, Option<usize>, bool) = data.extract()?;
            Editor::Flatten { prefix, depth: depth.unwrap_or(usize::MAX), resolve }
        }
        "replace_all" => {
            let (pattern, template) = replacing()?;
            Editor::ReplaceAll { pattern, template }
        }
        "rename" => {
            let (pattern, template) = replacing()?;
            Editor::Rename { pattern, template }
        }
        "match_all" => {
            let (glob,): (PyGlob<'_>,) = data.extract()?;
            Editor::MatchAll { glob: glob.into(), new: slot()? }
        }
        "stringify" => Editor::Stringify,
        _ => return Err(bad(format!("there is no step {name}"))),
    })
}

fn function(data: &Bound<'_, PyTuple>) -> PyResult<Function> {
    let name: String = data.get_item(0)?.extract()?;
    let bytes = |at: usize| -> PyResult<Vec<u8>> { Ok(data.get_item(at)?.cast::<PyBytes>()?.as_bytes().to_vec()) };
    let pattern = || -> PyResult<_> { Ok(data.get_item(1)?.cast::<Regex>()?.get().core.clone()) };
    Ok(match name.as_str() {
        "matches" => Function::Matches(pattern()?),
        "md5" => Function::Digest(Algorithm::Md5),
        "sha1" => Function::Digest(Algorithm::Sha1),
        "sha256" => Function::Digest(Algorithm::Sha256),
        "sha512" => Function::Digest(Algorithm::Sha512),
        "xxh3" => Function::Digest(Algorithm::Xxh3),
        "fnv" => Function::Fnv,
        "joined" => Function::Joined,
        "starts_with" => Function::StartsWith,
        "ends_with" => Function::EndsWith,
        "without_prefix" => Function::WithoutPrefix,
        "without_suffix" => Function::WithoutSuffix,
        "trimmed" => Function::Trimmed(bytes(1)?),
        "lower" => Function::Lower,
        "upper" => Function::Upper,
        "is_kind" => Function::IsKind(data.get_item(1)?.extract()?),
        "length" => Function::Length,
        "integer" => Function::Integer,
        "float" => Function::Float,
        "text" => Function::Text,
        "body_text" => Function::BodyText,
        "is_empty" => Function::IsEmpty,
        "is_zero" => Function::IsZero,
        "id_text" => Function::IdText,
        "parse_json" => Function::ParseJson,
        "parse_pairs" => Function::ParsePairs(bytes(1)?, bytes(2)?),
        "captures" => {
            let groups: Vec<(usize, Vec<u8>, String)> = data.get_item(2)?.extract()?;
            let groups: PyResult<Vec<Group>> = groups
                .into_iter()
                .map(|(group, key, reading)| {
                    let reading = match reading.as_str() {
                        "text" => Reading::Text,
                        "int" => Reading::Int,
                        "double" => Reading::Double,
                        _ => return Err(bad(format!("captures cannot be read as {reading}"))),
                    };
                    Ok((group, key, reading))
                })
                .collect();
            Function::Captures { pattern: pattern()?, groups: groups?, all: data.get_item(3)?.extract()? }
        }
        "units" => {
            let nanos: i64 = data.get_item(2)?.extract()?;
            if nanos < 1 {
                return Err(bad(format!("a unit of {nanos} nanoseconds")));
            }
            Function::Units { kind: data.get_item(1)?.extract()?, nanos }
        }
        "substring" => Function::Substring { whole: data.get_item(1)?.extract()? },
        "split" => Function::Split,
        "find" => Function::Find,
        "contains" => Function::Contains,
        "keys" => Function::Parts { keys: true },
        "values" => Function::Parts { keys: false },
        "item" => Function::Item,
        "list" => Function::List,
        "map" => Function::Map(data.get_item(1)?.extract()?),
        "format" => {
            let verbs: Vec<(Vec<u8>, String, usize, usize, bool, bool)> = data.get_item(1)?.extract()?;
            let verbs = verbs.into_iter().map(|(literal, verb, width, precision, left, zero)| {
                let verb = verb.bytes().next().unwrap_or(0);
                Verb { literal, verb, width, precision, left, zero }
            });
            Function::Format(verbs.collect())
        }
        "hex" => Function::Hex,
        "murmur3" => Function::Murmur3,
        "to_base64" | "from_base64" => {
            let alphabet = Base64 { padded: data.get_item(1)?.extract()?, url: data.get_item(2)?.extract()? };
            if name == "to_base64" {
                Function::ToBase64(alphabet)
            } else {
                Function::FromBase64(alphabet)
            }
        }
        "boolean" => Function::Boolean,
        "identifier" => Function::Identifier { kind: data.get_item(1)?.extract()?, size: data.get_item(2)?.extract()? },
        "duration" => Function::Duration,
        "seconds" => Function::Seconds,
        "instant" => Function::Instant,
        "now" => Function::Now,
        "uuid" => Function::Uuid,
        "read_time" => Function::ReadTime(data.get_item(1)?.extract::<PyLayout>()?.try_into()?),
        "show_time" => {
            let parts: Vec<(Vec<u8>, String)> = data.get_item(1)?.extract()?;
            let parts: PyResult<Vec<_>> = parts
                .into_iter()
                .map(|(literal, element)| if element.is_empty() { Ok(Part::Literal(literal)) } else { part(&element) })
                .collect();
            Function::ShowTime { parts: parts?, zone: data.get_item(2)?.extract()? }
        }
        _ => return Err(bad(format!("there is no function {name}"))),
    })
}

/// An element of a layout of Go's.
fn part(element: &str) -> PyResult<Part> {
    Ok(match element {
        "2006" => Part::Year,
        "06" => Part::ShortYear,
        "01" => Part::Number(Number::Month, Some(b'0')),
        "1" => Part::Number(Number::Month, None),
        "Jan" => Part::MonthName(3),
        "January" => Part::MonthName(usize::MAX),
        "02" => Part::Number(Number::Day, Some(b'0')),
        "_2" => Part::Number(Number::Day, Some(b' ')),
        "2" => Part::Number(Number::Day, None),
        "002" => Part::Number(Number::YearDay, Some(b'0')),
        "__2" => Part::Number(Number::YearDay, Some(b' ')),
        "Mon" => Part::DayName(3),
        "Monday" => Part::DayName(usize::MAX),
        "15" => Part::Number(Number::Hour, Some(b'0')),
        "03" => Part::Number(Number::HalfHour, Some(b'0')),
        "3" => Part::Number(Number::HalfHour, None),
        "04" => Part::Number(Number::Minute, Some(b'0')),
        "4" => Part::Number(Number::Minute, None),
        "05" => Part::Number(Number::Second, Some(b'0')),
        "5" => Part::Number(Number::Second, None),
        "PM" => Part::Half(*b"PM", *b"AM"),
        "pm" => Part::Half(*b"pm", *b"am"),
        _ => match element.as_bytes() {
            [mark @ (b'.' | b','), digits @ ..] if digits.len() <= 9 => Part::Fraction(*mark, digits.len()),
            _ => return Err(bad(format!("there is no element {element}"))),
        },
    })
}

/// Adds this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Program>()
}

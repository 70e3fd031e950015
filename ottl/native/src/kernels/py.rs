//! The kernels as Python sees them.

use numpy::{PyReadwriteArray1, PyReadwriteArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::dates::{self, Element, Part, Unit, Zone};
use super::inside::{put_rows, Key, Root};
use super::nested::{self, Flatten, Flattened, Strategy};
use super::parse::{self, Parsed};
use super::running::{self, Statistic, Windows};
use super::{Algorithm, Pattern, Piece};
use crate::maps::Map;
use crate::py::{frozen, Array, Batch, Input};
use crate::values::Cells;

type PyViews<'py> = (Array<'py, i64>, Array<'py, u32>);
type Bools<'py> = Array<'py, bool>;
type Group<'py> = (Array<'py, i64>, Array<'py, u32>, Bools<'py>);

fn bad(message: String) -> PyErr {
    PyValueError::new_err(message)
}

/// A mask with the given rows set, or None without any.
fn mask<'py>(py: Python<'py>, rows: usize, set: &[u32]) -> Option<Bools<'py>> {
    if set.is_empty() {
        return None;
    }
    let mut mask = vec![false; rows];
    for &row in set {
        mask[row as usize] = true;
    }
    Some(frozen(py, mask))
}

fn digests<'py>(
    batch: &Bound<'py, Batch>,
    algorithm: Algorithm,
    bits: &Input<'py, i64>,
    lens: &Input<'py, u32>,
) -> PyResult<PyViews<'py>> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let arena = &mut batch.core.arena;
    let (bits, lens) = (bits.get(), lens.get());
    let (bytes, width) = py.detach(|| super::hex_digests(arena, algorithm, bits, lens)).map_err(bad)?;
    let begin = arena.add(&bytes);
    let places = (0..bits.len()).map(|row| begin + (row * width) as i64).collect();
    Ok((frozen(py, places), frozen(py, vec![width as u32; bits.len()])))
}

/// The arrays of `Windows` in their order.
#[derive(FromPyObject)]
struct PyWindows<'py>(
    PyReadwriteArray2<'py, f64>,
    PyReadwriteArray2<'py, f64>,
    PyReadwriteArray1<'py, i64>,
    PyReadwriteArray1<'py, bool>,
    PyReadwriteArray1<'py, f64>,
    PyReadwriteArray1<'py, f64>,
);

/// How many values give 0 after a 1, the threshold, and how many of them are still to come for each series.
type PyAlarm<'py> = (i64, f64, PyReadwriteArray1<'py, i64>);

#[pyfunction]
#[pyo3(signature = (slots, values, windows, score, alarm))]
fn window_steps<'py>(
    py: Python<'py>,
    slots: Input<'py, i64>,
    values: Input<'py, f64>,
    mut windows: PyWindows<'py>,
    score: bool,
    mut alarm: Option<PyAlarm<'py>>,
) -> PyResult<(Array<'py, f64>, Bools<'py>)> {
    let [_, window] = *windows.0.as_array().shape() else {
        return Err(bad("expected windows of two dimensions".into()));
    };
    let gaps = |_| bad("the arrays of the windows have gaps".into());
    let mut arrays = Windows {
        window,
        tail_mean: windows.0.as_slice_mut().map_err(gaps)?,
        tail_squares: windows.1.as_slice_mut().map_err(gaps)?,
        filled: windows.2.as_slice_mut().map_err(gaps)?,
        full: windows.3.as_slice_mut().map_err(gaps)?,
        mean: windows.4.as_slice_mut().map_err(gaps)?,
        squares: windows.5.as_slice_mut().map_err(gaps)?,
    };
    let mut statistic = match &mut alarm {
        Some((hold, threshold, silent)) => {
            Statistic::Alarm { silent: silent.as_slice_mut().map_err(gaps)?, threshold: *threshold, hold: *hold }
        }
        None if score => Statistic::Score,
        None => Statistic::Deviation,
    };
    let (slots, values) = (slots.get(), values.get());
    let found = py.detach(|| running::steps(&mut arrays, &mut statistic, slots, values));
    let (results, valid) = found.map_err(bad)?;
    Ok((frozen(py, results), frozen(py, valid)))
}

macro_rules! digest_functions {
    ($($name:ident $algorithm:ident),*) => {$(
        #[pyfunction]
        fn $name<'py>(
            batch: &Bound<'py, Batch>,
            bits: Input<'py, i64>,
            lens: Input<'py, u32>,
        ) -> PyResult<PyViews<'py>> {
            digests(batch, Algorithm::$algorithm, &bits, &lens)
        }
    )*};
}

digest_functions!(md5_hex Md5, sha1_hex Sha1, sha256_hex Sha256, sha512_hex Sha512, xxh3_hex Xxh3);

#[pyfunction]
fn fnv1a64<'py>(batch: &Bound<'py, Batch>, bits: Input<'py, i64>, lens: Input<'py, u32>) -> PyResult<Array<'py, i64>> {
    let py = batch.py();
    let batch = batch.try_borrow()?;
    let (arena, bits, lens) = (&batch.core.arena, bits.get(), lens.get());
    Ok(frozen(py, py.detach(|| super::fnv1a64(arena, bits, lens)).map_err(bad)?))
}

#[pyfunction]
fn is_utf8<'py>(batch: &Bound<'py, Batch>, bits: Input<'py, i64>, lens: Input<'py, u32>) -> PyResult<Bools<'py>> {
    let py = batch.py();
    let batch = batch.try_borrow()?;
    let (arena, bits, lens) = (&batch.core.arena, bits.get(), lens.get());
    Ok(frozen(py, py.detach(|| super::is_utf8(arena, bits, lens)).map_err(bad)?))
}

#[pyfunction]
fn is_ascii<'py>(batch: &Bound<'py, Batch>, bits: Input<'py, i64>, lens: Input<'py, u32>) -> PyResult<Bools<'py>> {
    let py = batch.py();
    let batch = batch.try_borrow()?;
    let (arena, bits, lens) = (&batch.core.arena, bits.get(), lens.get());
    Ok(frozen(py, py.detach(|| super::is_ascii(arena, bits, lens)).map_err(bad)?))
}

/// Parts (a literal, an element as Go's layouts have it, whether blanks may stand between), what stands behind them, and the changes
/// of a zone.
#[derive(FromPyObject)]
pub struct PyLayout(Vec<(Vec<u8>, String, bool)>, Vec<u8>, Option<(Vec<i64>, Vec<i64>)>);

impl TryFrom<PyLayout> for dates::Layout {
    type Error = PyErr;

    fn try_from(PyLayout(parts, rest, zone): PyLayout) -> PyResult<dates::Layout> {
        let fractions = parts.iter().map(|part| part.1.starts_with(['.', ','])).skip(1).chain([false]);
        let fractions: Vec<bool> = fractions.collect();
        let parts = parts.into_iter().zip(fractions).map(|((literal, element, blanks), fraction)| {
            Ok(Part { literal, element: element_of(&element, fraction)?, blanks })
        });
        let zone = zone.map(|(starts, offsets)| {
            if starts.len() != offsets.len() || !starts.is_sorted() {
                return Err(bad("a zone whose changes are out of order".into()));
            }
            Ok(Zone { starts, offsets })
        });
        Ok(dates::Layout { parts: parts.collect::<PyResult<_>>()?, rest, zone: zone.transpose()? })
    }
}

/// An element of a layout of Go's, or several that it may be; whether one of a fraction follows.
fn element_of(text: &str, fraction: bool) -> PyResult<Element> {
    Ok(match text {
        "2006" => Element::Year,
        "06" => Element::ShortYear,
        "2006|06" => Element::AnyYear,
        "1" => Element::Number(Unit::Month),
        "2" => Element::Number(Unit::Day),
        "15" => Element::Number(Unit::Hour),
        "3" => Element::Number(Unit::HalfHour),
        "4" => Element::Number(Unit::Minute),
        "5" => Element::Number(Unit::Second { fraction: !fraction }),
        "Jan" => Element::Month { whole: false },
        "January" => Element::Month { whole: true },
        "Mon" => Element::Weekday { whole: false },
        "Monday" => Element::Weekday { whole: true },
        "PM" => Element::Half(*b"PM", *b"AM"),
        "pm" => Element::Half(*b"pm", *b"am"),
        "MST" => Element::Name,
        _ if text.starts_with(['.', ',']) => Element::Fraction,
        _ => {
            let spellings = text.split('|').map(|one| match one.strip_prefix(['Z', '-']) {
                Some("07") => Ok((one.starts_with('Z'), false, 1)),
                Some("0700") => Ok((one.starts_with('Z'), false, 2)),
                Some("07:00") => Ok((one.starts_with('Z'), true, 2)),
                Some("070000") => Ok((one.starts_with('Z'), false, 3)),
                Some("07:00:00") => Ok((one.starts_with('Z'), true, 3)),
                _ => Err(bad(format!("there is no element {text}"))),
            });
            Element::Offset(spellings.collect::<PyResult<_>>()?)
        }
    })
}

#[pyfunction]
fn read_times<'py>(
    batch: &Bound<'py, Batch>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
    layout: PyLayout,
) -> PyResult<(Array<'py, i64>, Bools<'py>)> {
    let py = batch.py();
    let batch = batch.try_borrow()?;
    let layout = layout.try_into()?;
    let (arena, bits, lens) = (&batch.core.arena, bits.get(), lens.get());
    let (times, declined) = py.detach(|| dates::read_times(arena, &layout, bits, lens)).map_err(bad)?;
    Ok((frozen(py, times), frozen(py, declined)))
}

type PyCells<'py> = (Array<'py, u8>, Array<'py, i64>, Array<'py, u32>);

fn parsed<'py>(py: Python<'py>, found: Parsed) -> (PyCells<'py>, Option<Bools<'py>>) {
    let declined = mask(py, found.cells.tags.len(), &found.declined);
    let cells = found.cells;
    ((frozen(py, cells.tags), frozen(py, cells.bits), frozen(py, cells.lens)), declined)
}

fn views<'py>(py: Python<'py>, (bits, lens): super::Views) -> PyViews<'py> {
    (frozen(py, bits), frozen(py, lens))
}

#[pyfunction]
fn parse_json<'py>(
    batch: &Bound<'py, Batch>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
) -> PyResult<(PyCells<'py>, Option<Bools<'py>>)> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let (arena, texts) = (&mut batch.core.arena, (bits.get(), lens.get()));
    Ok(parsed(py, py.detach(|| parse::json(arena, &values, texts)).map_err(bad)?))
}

#[pyfunction]
fn parse_pairs<'py>(
    batch: &Bound<'py, Batch>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
    delimiter: &[u8],
    pair_delimiter: &[u8],
) -> PyResult<(PyCells<'py>, Option<Bools<'py>>)> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let (arena, texts) = (&mut batch.core.arena, (bits.get(), lens.get()));
    Ok(parsed(py, py.detach(|| parse::pairs(arena, &values, texts, delimiter, pair_delimiter)).map_err(bad)?))
}

type PyPart<'py> = (Input<'py, u8>, Input<'py, i64>, Input<'py, u32>, Option<Input<'py, bool>>);

/// Columns of scalars to put together; views and tags are checked.
fn parts<'a>(batch: &Batch, columns: &'a [PyPart<'_>], count: usize) -> PyResult<Vec<parse::Part<'a>>> {
    const SCALARS: u16 = 0x3f;
    let part = |(tags, bits, lens, present): &'a PyPart<'_>| {
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), count).map_err(bad)?;
        batch.core.check(&cells, SCALARS).map_err(bad)?;
        Ok((cells, present.as_ref().map(Input::get)))
    };
    columns.iter().map(part).collect()
}

#[pyfunction]
fn make_maps<'py>(
    batch: &Bound<'py, Batch>,
    names: Vec<Vec<u8>>,
    columns: Vec<PyPart<'py>>,
    count: usize,
) -> PyResult<PyViews<'py>> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let parts = parts(&batch, &columns, count)?;
    let arena = &mut batch.core.arena;
    Ok(views(py, py.detach(|| parse::maps(arena, &values, &names, &parts, count)).map_err(bad)?))
}

#[pyfunction]
fn make_lists<'py>(batch: &Bound<'py, Batch>, columns: Vec<PyPart<'py>>, count: usize) -> PyResult<PyViews<'py>> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let parts = parts(&batch, &columns, count)?;
    let arena = &mut batch.core.arena;
    Ok(views(py, py.detach(|| parse::lists(arena, &values, &parts, count)).map_err(bad)?))
}

#[pyfunction]
fn any_deep<'py>(
    batch: &Bound<'py, Batch>,
    tags: Input<'py, u8>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
) -> PyResult<bool> {
    let batch = batch.try_borrow()?;
    let values = batch.core.values().map_err(bad)?;
    let count = bits.get().len();
    let cells = Cells::new(tags.get(), bits.get(), lens.get(), count).map_err(bad)?;
    for row in 0..count {
        if nested::deep(&batch.core.arena, &values, cells.get(row), parse::DEEPEST).map_err(bad)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[pyfunction]
fn map_parts<'py>(
    batch: &Bound<'py, Batch>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
    keys: bool,
) -> PyResult<PyViews<'py>> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let (arena, maps) = (&mut batch.core.arena, (bits.get(), lens.get()));
    Ok(views(py, py.detach(|| parse::keys_or_values(arena, &values, maps, keys)).map_err(bad)?))
}

#[pyfunction]
fn concat<'py>(
    batch: &Bound<'py, Batch>,
    columns: Vec<(Input<'py, i64>, Input<'py, u32>)>,
    delimiter: &[u8],
    count: usize,
) -> PyResult<PyViews<'py>> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let arena = &mut batch.core.arena;
    let columns: Vec<(&[i64], &[u32])> = columns.iter().map(|(bits, lens)| (bits.get(), lens.get())).collect();
    Ok(views(py, py.detach(|| parse::concat(arena, &columns, delimiter, count)).map_err(bad)?))
}

#[pyfunction]
#[pyo3(signature = (batch, table, map, rows, bits, lens, strategy))]
fn map_merge<'py>(
    batch: &Bound<'py, Batch>,
    table: usize,
    map: usize,
    rows: Option<Input<'py, i32>>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
    strategy: &str,
) -> PyResult<usize> {
    let strategy = Strategy::named(strategy).map_err(bad)?;
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let rows = batch.core.rows(table, rows.as_ref().map(Input::get)).map_err(bad)?;
    let (arena, map, touched) = batch.core.edit(table, map).map_err(bad)?;
    let sources = (bits.get(), lens.get());
    py.detach(|| nested::merge(arena, &values, map, rows, sources, strategy, touched)).map_err(bad)
}

#[pyfunction]
#[allow(clippy::too_many_arguments)]
#[pyo3(signature = (batch, table, map, rows, prefix, depth, resolve, longest))]
fn map_flatten<'py>(
    batch: &Bound<'py, Batch>,
    table: usize,
    map: usize,
    rows: Option<Input<'py, i32>>,
    prefix: &[u8],
    depth: Option<usize>,
    resolve: bool,
    longest: usize,
) -> PyResult<bool> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let rows = batch.core.rows(table, rows.as_ref().map(Input::get)).map_err(bad)?;
    let (arena, map, touched) = batch.core.edit(table, map).map_err(bad)?;
    let how = Flatten { prefix, depth: depth.unwrap_or(usize::MAX), resolve, longest };
    py.detach(|| nested::flatten(arena, &values, map, rows, how, &mut Flattened::default(), touched)).map_err(bad)
}

/// The map of a table that no field feeds: made when first asked for, it holds what is edited apart.
#[pyfunction]
#[pyo3(signature = (batch, table, rows, bits, lens))]
fn map_scratch<'py>(
    batch: &Bound<'py, Batch>,
    table: usize,
    rows: Option<Input<'py, i32>>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
) -> PyResult<usize> {
    let mut batch = batch.try_borrow_mut()?;
    let values = batch.core.values().map_err(bad)?;
    let rows = batch.core.rows(table, rows.as_ref().map(Input::get)).map_err(bad)?;
    let planned = batch.core.plan.tables.get(table).map_or(0, |shape| shape.detached.len());
    let found = batch.core.tables.get_mut(table).ok_or_else(|| bad(format!("there is no table {table}")))?;
    let count = found.len();
    let mut unmarked = vec![false; count];
    if found.maps.len() <= planned {
        let mut map = Map::default();
        map.finish(count);
        found.maps.push(map);
    }
    let number = found.maps.len() - 1;
    let (arena, map, _) = batch.core.edit(table, number).map_err(bad)?;
    map.assign(arena, &values, rows, (bits.get(), lens.get()), &mut unmarked).map_err(bad)?;
    map.dirty.fill(false);
    Ok(number)
}

/// A key as Python gives it.
#[derive(FromPyObject)]
pub enum PyKey {
    Index(i64),
    Name(Vec<u8>),
}

impl From<PyKey> for Key {
    fn from(key: PyKey) -> Key {
        match key {
            PyKey::Index(index) => Key::Index(index),
            PyKey::Name(name) => Key::Name(name),
        }
    }
}

/// Puts values into those that rows have in a map, whose key is the first, or in a column; in which rows that was not done.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
#[pyo3(signature = (batch, table, map, column, keys, rows, tags, bits, lens, items))]
fn put_inside<'py>(
    batch: &Bound<'py, Batch>,
    table: usize,
    map: Option<usize>,
    column: Option<usize>,
    keys: Vec<PyKey>,
    rows: Option<Input<'py, i32>>,
    tags: Input<'py, u8>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
    items: usize,
) -> PyResult<Bools<'py>> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
    let (root, keys) = match (map, column, keys.split_first()) {
        (Some(map), None, Some((Key::Name(name), keys))) => (Root::Entry(map, name), keys),
        (None, Some(column), _) => (Root::Column(column), keys.as_slice()),
        _ => return Err(bad("expected a map and its key, or a column".into())),
    };
    let rows = batch.core.rows(table, rows.as_ref().map(Input::get)).map_err(bad)?;
    let cells = Cells::new(tags.get(), bits.get(), lens.get(), rows.len()).map_err(bad)?;
    let core = &mut batch.core;
    let declined = py.detach(|| put_rows(core, table, root, keys, rows, cells, items)).map_err(bad)?;
    Ok(frozen(py, declined))
}

#[pyfunction]
#[pyo3(signature = (batch, table, map, rows))]
fn map_changed<'py>(
    batch: &Bound<'py, Batch>,
    table: usize,
    map: usize,
    rows: Option<Input<'py, i32>>,
) -> PyResult<Bools<'py>> {
    let py = batch.py();
    let batch = batch.try_borrow()?;
    let rows = batch.core.rows(table, rows.as_ref().map(Input::get)).map_err(bad)?;
    let dirty = &batch.core.map(table, map).map_err(bad)?.dirty;
    Ok(frozen(py, rows.iter().map(|row| dirty.get(row).copied().unwrap_or(false)).collect()))
}

/// A regular expression with Go's meaning.
#[pyclass(frozen, module = "ottl._native")]
pub struct Regex {
    pub core: Pattern,
}

/// A piece of a template as Python gives it.
#[derive(FromPyObject)]
pub enum PyPiece {
    Group(usize),
    Literal(Vec<u8>),
}

/// A template as Python gives it.
pub fn template_of(pieces: Vec<PyPiece>) -> Vec<Piece> {
    pieces
        .into_iter()
        .map(|piece| match piece {
            PyPiece::Group(group) => Piece::Group(group),
            PyPiece::Literal(bytes) => Piece::Literal(bytes),
        })
        .collect()
}

#[pymethods]
impl Regex {
    #[new]
    fn new(pattern: &str) -> PyResult<Regex> {
        Ok(Regex { core: Pattern::new(pattern).map_err(bad)? })
    }

    #[getter]
    fn groups(&self) -> usize {
        self.core.groups()
    }

    fn is_match<'py>(
        &self,
        batch: &Bound<'py, Batch>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
    ) -> PyResult<(Bools<'py>, Option<Bools<'py>>)> {
        let py = batch.py();
        let batch = batch.try_borrow()?;
        let (arena, bits, lens) = (&batch.core.arena, bits.get(), lens.get());
        let (matched, declined) = py.detach(|| self.core.is_match(arena, bits, lens)).map_err(bad)?;
        Ok((frozen(py, matched), mask(py, bits.len(), &declined)))
    }

    #[allow(clippy::type_complexity)]
    fn replace_all<'py>(
        &self,
        batch: &Bound<'py, Batch>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        template: Vec<PyPiece>,
        longest: usize,
    ) -> PyResult<(Array<'py, i64>, Array<'py, u32>, Bools<'py>, Option<Bools<'py>>)> {
        let py = batch.py();
        let template = template_of(template);
        let mut batch = batch.try_borrow_mut()?;
        let arena = &mut batch.core.arena;
        let (bits, lens) = (bits.get(), lens.get());
        let replaced = py.detach(|| self.core.replace_all(arena, bits, lens, &template, longest)).map_err(bad)?;
        let start = arena.add(&replaced.bytes);
        let (mut new_bits, mut new_lens) = (bits.to_vec(), lens.to_vec());
        let mut begin = 0;
        for (&row, &end) in replaced.rows.iter().zip(&replaced.ends) {
            new_bits[row as usize] = start + begin as i64;
            new_lens[row as usize] = (end - begin) as u32;
            begin = end;
        }
        let mut changed = vec![false; bits.len()];
        for &row in &replaced.rows {
            changed[row as usize] = true;
        }
        Ok((frozen(py, new_bits), frozen(py, new_lens), frozen(py, changed), mask(py, bits.len(), &replaced.declined)))
    }

    #[allow(clippy::type_complexity)]
    fn captures<'py>(
        &self,
        batch: &Bound<'py, Batch>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        groups: Vec<usize>,
    ) -> PyResult<(Bools<'py>, Vec<Group<'py>>, Option<Bools<'py>>)> {
        let py = batch.py();
        let batch = batch.try_borrow()?;
        let (arena, bits, lens) = (&batch.core.arena, bits.get(), lens.get());
        let captured = py.detach(|| self.core.captures(arena, bits, lens, &groups)).map_err(bad)?;
        let groups = captured
            .groups
            .into_iter()
            .map(|((bits, lens), present)| (frozen(py, bits), frozen(py, lens), frozen(py, present)))
            .collect();
        Ok((frozen(py, captured.matched), groups, mask(py, bits.len(), &captured.declined)))
    }
}

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Regex>()?;
    module.add_function(wrap_pyfunction!(md5_hex, module)?)?;
    module.add_function(wrap_pyfunction!(sha1_hex, module)?)?;
    module.add_function(wrap_pyfunction!(sha256_hex, module)?)?;
    module.add_function(wrap_pyfunction!(sha512_hex, module)?)?;
    module.add_function(wrap_pyfunction!(xxh3_hex, module)?)?;
    module.add_function(wrap_pyfunction!(fnv1a64, module)?)?;
    module.add_function(wrap_pyfunction!(read_times, module)?)?;
    module.add_function(wrap_pyfunction!(is_utf8, module)?)?;
    module.add_function(wrap_pyfunction!(parse_json, module)?)?;
    module.add_function(wrap_pyfunction!(parse_pairs, module)?)?;
    module.add_function(wrap_pyfunction!(make_maps, module)?)?;
    module.add_function(wrap_pyfunction!(make_lists, module)?)?;
    module.add_function(wrap_pyfunction!(map_parts, module)?)?;
    module.add_function(wrap_pyfunction!(any_deep, module)?)?;
    module.add_function(wrap_pyfunction!(concat, module)?)?;
    module.add_function(wrap_pyfunction!(map_merge, module)?)?;
    module.add_function(wrap_pyfunction!(map_flatten, module)?)?;
    module.add_function(wrap_pyfunction!(window_steps, module)?)?;
    module.add_function(wrap_pyfunction!(map_scratch, module)?)?;
    module.add_function(wrap_pyfunction!(map_changed, module)?)?;
    module.add_function(wrap_pyfunction!(put_inside, module)?)?;
    super::objects::register(module)?;
    module.add_function(wrap_pyfunction!(is_ascii, module)?)
}

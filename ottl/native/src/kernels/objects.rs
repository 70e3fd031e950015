//! Cells as Python values, and Python values as cells: what scalar kernels see of lists and maps.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use super::nested::list_items;
use super::parse::{put_item, DEEPEST};
use crate::maps::decode_map;
use crate::py::{frozen, Array, Batch, Input};
use crate::schema::{tags, Values};
use crate::values::{self, Cell, CellVec, Cells};

type Arena = crate::arena::Arena<pyo3::pybacked::PyBackedBytes>;
type CellArrays<'py> = (Array<'py, u8>, Array<'py, i64>, Array<'py, u32>);

/// Deeper lists and maps are left to the caller.
const DEEPEST_READ: usize = 60;

fn bad(message: String) -> PyErr {
    PyValueError::new_err(message)
}

/// Bytes that are written at once; values beyond are declined, and the caller counts what it makes of each.
const MUCH: usize = 1 << 28;

/// The classes of values that have no type of Python's own: map, list, bytes, list of one Go type.
#[derive(FromPyObject)]
struct Classes<'py>(Bound<'py, PyType>, Bound<'py, PyType>, Bound<'py, PyType>, Bound<'py, PyType>);

struct Reader<'a, 'py> {
    py: Python<'py>,
    arena: &'a Arena,
    values: Values,
    classes: &'a Classes<'py>,
}

impl<'py> Reader<'_, 'py> {
    fn value(&self, cell: Cell, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let bytes = || Ok::<_, PyErr>(PyBytes::new(py, self.arena.cell(cell).map_err(bad)?).into_any());
        match cell.tag {
            tags::STRING => bytes(),
            tags::BOOL => Ok(PyBool::new(py, cell.bits != 0).to_owned().into_any()),
            tags::INT => Ok(cell.bits.into_pyobject(py)?.into_any()),
            tags::DOUBLE => Ok(PyFloat::new(py, f64::from_bits(cell.bits as u64)).into_any()),
            tags::BYTES => self.classes.2.call1((bytes()?,)),
            tags::LIST | tags::MAP if depth >= DEEPEST_READ => Err(bad("nested too deep".into())),
            tags::LIST => {
                let cells = list_items(self.arena, &self.values, cell).map_err(bad)?;
                let items = cells.into_iter().map(|item| self.value(item, depth + 1));
                self.classes.1.call1((PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?,))
            }
            tags::MAP => {
                let mut pairs = Vec::new();
                let each = |key, cell| pairs.push((key, cell));
                decode_map(self.arena, &self.values, cell.bits, cell.len, each).map_err(bad)?;
                let entries = pairs.into_iter().map(|(key, cell)| {
                    PyTuple::new(py, [PyBytes::new(py, key).into_any(), self.value(cell, depth + 1)?])
                });
                self.classes.0.call1((PyList::new(py, entries.collect::<PyResult<Vec<_>>>()?)?,))
            }
            _ => Ok(py.None().into_bound(py)),
        }
    }
}

#[pyfunction]
fn objects<'py>(
    batch: &Bound<'py, Batch>,
    tags: Input<'py, u8>,
    bits: Input<'py, i64>,
    lens: Input<'py, u32>,
    classes: Classes<'py>,
) -> PyResult<Bound<'py, PyList>> {
    let py = batch.py();
    let batch = batch.try_borrow()?;
    let count = bits.get().len();
    let cells = Cells::new(tags.get(), bits.get(), lens.get(), count).map_err(bad)?;
    let values = batch.core.values().map_err(bad)?;
    let reader = Reader { py, arena: &batch.core.arena, values, classes: &classes };
    let found = (0..count).map(|row| reader.value(cells.get(row), 0));
    PyList::new(py, found.collect::<PyResult<Vec<_>>>()?)
}

struct Writer<'a, 'py> {
    values: Values,
    classes: &'a Classes<'py>,
    /// Elements that the value may still have.
    room: std::cell::Cell<usize>,
}

impl<'py> Writer<'_, 'py> {
    /// Writes the bytes of a value; its cell, a view from `out`'s beginning. None: another way must find out what it is.
    fn value(&self, object: &Bound<'py, PyAny>, out: &mut Vec<u8>, depth: usize) -> PyResult<Option<Cell>> {
        let begin = out.len();
        let kind = object.get_type();
        if object.is_none() {
            return Ok(Some(Cell::EMPTY));
        }
        if let Ok(value) = object.cast_exact::<PyBytes>() {
            out.extend_from_slice(value.as_bytes());
            return Ok(Some(Cell::view(tags::STRING, begin as i64, out.len() - begin)));
        }
        if let Ok(value) = object.cast_exact::<PyBool>() {
            return Ok(Some(Cell::scalar(tags::BOOL, i64::from(value.is_true()))));
        }
        if let Ok(value) = object.cast_exact::<PyInt>() {
            return Ok(value.extract::<i64>().ok().map(|value| Cell::scalar(tags::INT, value)));
        }
        if let Ok(value) = object.cast_exact::<PyFloat>() {
            return Ok(Some(Cell::scalar(tags::DOUBLE, value.value().to_bits() as i64)));
        }
        if kind.is(&self.classes.2) {
            out.extend_from_slice(object.cast::<PyBytes>()?.as_bytes());
            return Ok(Some(Cell::view(tags::BYTES, begin as i64, out.len() - begin)));
        }
        if depth >= DEEPEST {
            return Ok(None);
        }
        if kind.is(&self.classes.0) {
            return self.map(object, out, depth);
        }
        if kind.is(&self.classes.3) {
            let element = object.getattr(intern!(object.py(), "element"))?;
            let known = element.cast::<PyString>()?.to_cow()?;
            if !matches!(known.as_ref(), "string" | "int64" | "float64" | "bool") {
                return Ok(None);
            }
        } else if !kind.is(&self.classes.1) && object.cast_exact::<PyList>().is_err() {
            return Ok(None);
        }
        self.list(object.cast::<PyList>()?, out, depth)
    }

    /// Whether there is room for so many elements more.
    fn takes(&self, count: usize) -> bool {
        let left = self.room.get().checked_sub(count);
        self.room.set(left.unwrap_or(0));
        left.is_some()
    }

    fn list(&self, items: &Bound<'py, PyList>, out: &mut Vec<u8>, depth: usize) -> PyResult<Option<Cell>> {
        if !self.takes(items.len()) {
            return Ok(None);
        }
        let (mut body, mut bytes) = (Vec::new(), Vec::new());
        for item in items.iter() {
            bytes.clear();
            let Some(cell) = self.value(&item, &mut bytes, depth + 1)? else {
                return Ok(None);
            };
            put_item(&mut body, &self.values, cell, &bytes);
        }
        Ok(Some(append(out, tags::LIST, &body)))
    }

    fn map(&self, map: &Bound<'py, PyAny>, out: &mut Vec<u8>, depth: usize) -> PyResult<Option<Cell>> {
        let entries = map.getattr(intern!(map.py(), "entries"))?;
        let entries = entries.cast::<PyList>()?;
        if !self.takes(entries.len()) {
            return Ok(None);
        }
        let (mut body, mut bytes) = (Vec::new(), Vec::new());
        for entry in entries.iter() {
            let (key, value): (Bound<'py, PyBytes>, Bound<'py, PyAny>) = entry.extract()?;
            bytes.clear();
            let Some(cell) = self.value(&value, &mut bytes, depth + 1)? else {
                return Ok(None);
            };
            let number = u32::from(self.values.map_values);
            values::put_pair(&mut body, &self.values, number, key.as_bytes(), cell, &bytes, None);
        }
        Ok(Some(append(out, tags::MAP, &body)))
    }
}

fn append(out: &mut Vec<u8>, tag: u8, body: &[u8]) -> Cell {
    let begin = out.len();
    out.extend_from_slice(body);
    Cell::view(tag, begin as i64, body.len())
}

#[pyfunction]
fn cells<'py>(
    batch: &Bound<'py, Batch>,
    values: &Bound<'py, PyList>,
    classes: Classes<'py>,
    most: usize,
) -> PyResult<(CellArrays<'py>, Vec<usize>)> {
    let py = batch.py();
    let mut batch = batch.try_borrow_mut()?;
    let writer = Writer { values: batch.core.values().map_err(bad)?, classes: &classes, room: most.into() };
    let base = batch.core.arena.end();
    let mut out = Vec::new();
    let mut found = CellVec::with_capacity(values.len());
    let mut declined = Vec::new();
    for (row, value) in values.iter().enumerate() {
        let begin = out.len();
        writer.room.set(most);
        let cell = if begin > MUCH { None } else { writer.value(&value, &mut out, 0)? };
        let cell = cell.unwrap_or_else(|| {
            out.truncate(begin);
            declined.push(row);
            Cell::EMPTY
        });
        if out.len() - begin > u32::MAX as usize {
            return Err(bad("a value is too long".into()));
        }
        let place = if tags::is_view(cell.tag) { base } else { 0 };
        found.push(Cell { bits: cell.bits.wrapping_add(place), ..cell });
    }
    batch.core.arena.add(&out);
    Ok(((frozen(py, found.tags), frozen(py, found.bits), frozen(py, found.lens)), declined))
}

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(objects, module)?)?;
    module.add_function(wrap_pyfunction!(cells, module)?)
}

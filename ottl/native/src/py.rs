//! The classes that Python sees: thin, all work is done by the modules beside. `ottl/_native.pyi` is the contract.

use std::sync::Arc;

use numpy::npyffi::NPY_ARRAY_WRITEABLE;
use numpy::{Element, PyArray1, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use crate::arena::{self, Ask};
use crate::batch::Batch as Core;
use crate::maps::{self, Step};
use crate::pages;
use crate::patch;
use crate::scan::{scan as scan_payload, Limits, MAX_DEPTH};
use crate::schema::{self, Field, RawAction};
use crate::stream::Sink;
use crate::values::{CellVec, Cells};
use crate::wire::Stop;

pyo3::create_exception!(ottl._native, ScanError, PyValueError, "Malformed payload; `offset` says where.");

/// A `ScanError` with its offset.
pub fn scan_error(py: Python<'_>, message: &str, offset: usize) -> PyErr {
    let error = ScanError::new_err(message.to_owned());
    match error.value(py).setattr("offset", offset) {
        Ok(()) => error,
        Err(other) => other,
    }
}

fn bad(message: String) -> PyErr {
    PyValueError::new_err(message)
}

pub type Array<'py, T> = Bound<'py, PyArray1<T>>;
type CellArrays<'py> = (Array<'py, u8>, Array<'py, i64>, Array<'py, u32>);

/// Below this many values, a copy is cheaper than an array that owns the vector.
const SMALL: usize = 512;

pub fn frozen<T: Element + Copy>(py: Python<'_>, values: Vec<T>) -> Array<'_, T> {
    if values.len() < SMALL {
        return copied(py, &values);
    }
    read_only(PyArray1::from_vec(py, values))
}

fn copied<'py, T: Element + Copy>(py: Python<'py>, values: &[T]) -> Array<'py, T> {
    read_only(PyArray1::from_slice(py, values))
}

fn read_only<T: Element>(array: Array<'_, T>) -> Array<'_, T> {
    // SAFETY: the array was made just now, nobody else has seen it. (`readwrite().make_nonwriteable()` does the same with
    // a search in a table of borrows, which costs as much as the array.)
    unsafe { (*array.as_array_ptr()).fields.flags &= !NPY_ARRAY_WRITEABLE };
    array
}

fn cell_arrays(py: Python<'_>, cells: CellVec) -> CellArrays<'_> {
    (frozen(py, cells.tags), frozen(py, cells.bits), frozen(py, cells.lens))
}

/// The values of an array argument; an array that is not contiguous is copied.
pub struct Input<'py, T: Element + Copy> {
    array: PyReadonlyArray1<'py, T>,
    packed: Option<Vec<T>>,
}

impl<'py, T: Element + Copy> Input<'py, T> {
    fn new(array: PyReadonlyArray1<'py, T>) -> Input<'py, T> {
        let packed = match array.as_slice() {
            Ok(_) => None,
            Err(_) => Some(array.as_array().iter().copied().collect()),
        };
        Input { array, packed }
    }

    pub fn get(&self) -> &[T] {
        match &self.packed {
            Some(packed) => packed,
            None => self.array.as_slice().unwrap_or_default(),
        }
    }
}

impl<'a, 'py, T: Element + Copy> FromPyObject<'a, 'py> for Input<'py, T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let found = object.extract::<PyReadonlyArray1<'py, T>>();
        let name = || object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        let array = found.map_err(|_| {
            let got = object.getattr("dtype").map_or_else(|_| name(), |dtype| format!("array of {dtype}"));
            PyTypeError::new_err(format!("expected a one-dimensional array of {}, got {got}", type_name::<T>()))
        })?;
        Ok(Input::new(array))
    }
}

fn type_name<T>() -> &'static str {
    match std::any::type_name::<T>() {
        "i64" => "int64",
        "i32" => "int32",
        "u32" => "uint32",
        "u8" => "uint8",
        other => other,
    }
}

/// The bytes of a payload without a copy when it is `bytes`.
pub fn payload_of(payload: &Bound<'_, PyAny>) -> PyResult<PyBackedBytes> {
    if let Ok(bytes) = payload.cast::<PyBytes>() {
        return Ok(PyBackedBytes::from(bytes.clone()));
    }
    let py = payload.py();
    let view = py.import("builtins")?.getattr("memoryview")?.call1((payload,))?;
    let bytes = py.get_type::<PyBytes>().call1((view,))?;
    Ok(PyBackedBytes::from(bytes.cast_into::<PyBytes>()?))
}

type FieldTuple = (u32, u8, bool, i64, i64, String, String, Option<Vec<(String, i64)>>);

/// Message descriptors.
#[pyclass(frozen, module = "ottl._native")]
pub struct Schema {
    pub core: Arc<schema::Schema>,
    pub json: crate::json::JsonSchema,
}

#[pymethods]
impl Schema {
    #[new]
    fn new(messages: Vec<(String, Vec<FieldTuple>)>) -> PyResult<Schema> {
        let fields = |fields: Vec<FieldTuple>| {
            let field =
                |(number, field_type, repeated, message, oneof, name, json_name, enum_values): FieldTuple| Field {
                    number,
                    field_type,
                    repeated,
                    message: u32::try_from(message).ok(),
                    oneof: u32::try_from(oneof).ok(),
                    name,
                    json_name,
                    enum_values,
                };
            fields.into_iter().map(field).collect()
        };
        let messages = messages.into_iter().map(|(name, list)| (name, fields(list))).collect();
        let core = Arc::new(schema::Schema::new(messages).map_err(bad)?);
        let json = crate::json::JsonSchema::new(&core);
        Ok(Schema { core, json })
    }
}

/// What a scan extracts.
#[pyclass(frozen, module = "ottl._native")]
pub struct Plan {
    pub schema: Arc<schema::Schema>,
    pub core: Arc<schema::Plan>,
}

#[pymethods]
impl Plan {
    #[new]
    fn new(
        schema: &Schema,
        root_message_index: u32,
        nodes: Vec<(u32, Vec<RawAction>)>,
        tables: Vec<(u32, u32)>,
    ) -> PyResult<Plan> {
        let core = schema::Plan::new(&schema.core, root_message_index, nodes, tables).map_err(bad)?;
        Ok(Plan { schema: schema.core.clone(), core: Arc::new(core) })
    }
}

/// Reads a payload into tables.
#[pyfunction]
fn scan(
    py: Python<'_>,
    plan: &Plan,
    payload: &Bound<'_, PyAny>,
    max_messages: usize,
    max_depth: usize,
) -> PyResult<Option<Batch>> {
    if max_depth > MAX_DEPTH {
        return Err(bad(format!("max_depth must be at most {MAX_DEPTH}, got {max_depth}")));
    }
    let payload = payload_of(payload)?;
    let limits = Limits { messages: max_messages, depth: max_depth };
    let (schema, core) = (&plan.schema, &plan.core);
    match py.detach(|| scan_payload(schema, core, payload, limits)) {
        Ok(core) => Ok(Some(Batch { core })),
        Err(Stop::Irregular) => Ok(None),
        Err(Stop::Malformed(fault, offset)) => Err(scan_error(py, fault.message(), offset as usize)),
    }
}

/// The tables of one payload.
#[pyclass(module = "ottl._native")]
pub struct Batch {
    pub core: Core<PyBackedBytes>,
}

type RowsArg<'py> = Option<Input<'py, i32>>;

fn list<'r>(rows: &'r RowsArg<'_>) -> Option<&'r [i32]> {
    rows.as_ref().map(Input::get)
}

#[pymethods]
impl Batch {
    fn rows(&self, table: usize) -> PyResult<usize> {
        Ok(self.core.table(table).map_err(bad)?.len())
    }

    fn parents<'py>(&self, py: Python<'py>, table: usize) -> PyResult<Array<'py, i32>> {
        Ok(copied(py, &self.core.table(table).map_err(bad)?.parents))
    }

    fn variants<'py>(&self, py: Python<'py>, table: usize) -> PyResult<Array<'py, u16>> {
        Ok(copied(py, &self.core.table(table).map_err(bad)?.variants))
    }

    fn dirty<'py>(&self, py: Python<'py>, table: usize) -> PyResult<Array<'py, bool>> {
        Ok(copied(py, &self.core.table(table).map_err(bad)?.dirty))
    }

    fn column<'py>(&self, py: Python<'py>, table: usize, column: usize) -> PyResult<CellArrays<'py>> {
        let cells = &self.core.column(table, column).map_err(bad)?.cells;
        let rows = self.core.table(table).map_err(bad)?.len();
        let mut tags: Vec<u8> = cells.iter().map(|cell| cell.tag).collect();
        let mut bits: Vec<i64> = cells.iter().map(|cell| cell.bits).collect();
        let mut lens: Vec<u32> = cells.iter().map(|cell| cell.len).collect();
        tags.resize(rows, 0);
        bits.resize(rows, 0);
        lens.resize(rows, 0);
        Ok(cell_arrays(py, CellVec { tags, bits, lens }))
    }

    #[pyo3(signature = (table, column, rows, tags, bits, lens))]
    #[allow(clippy::too_many_arguments)]
    fn store(
        &mut self,
        table: usize,
        column: usize,
        rows: RowsArg<'_>,
        tags: Input<'_, u8>,
        bits: Input<'_, i64>,
        lens: Input<'_, u32>,
    ) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), rows.len()).map_err(bad)?;
        self.core.store(table, column, rows, cells).map_err(bad)
    }

    fn open_cache(&mut self, table: usize, keys: usize) -> PyResult<()> {
        self.core.open_cache(table, keys).map_err(bad)
    }

    fn cached<'py>(&self, py: Python<'py>, table: usize, key: usize) -> PyResult<CellArrays<'py>> {
        let table = self.core.table(table).map_err(bad)?;
        let mut cells = CellVec::with_capacity(table.len());
        if let Some(column) = table.cache.get(key) {
            (0..table.len()).for_each(|row| cells.push(column.get(row)));
        }
        Ok(cell_arrays(py, cells))
    }

    #[pyo3(signature = (table, key, tags, bits, lens))]
    fn keep(
        &mut self,
        table: usize,
        key: usize,
        tags: Input<'_, u8>,
        bits: Input<'_, i64>,
        lens: Input<'_, u32>,
    ) -> PyResult<()> {
        let rows = self.core.rows(table, None).map_err(bad)?;
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), rows.len()).map_err(bad)?;
        self.core.keep(table, key, rows, cells).map_err(bad)
    }

    #[pyo3(signature = (table, rows))]
    fn touch(&mut self, table: usize, rows: RowsArg<'_>) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        self.core.touch(table, rows).map_err(bad)
    }

    fn drop(&mut self, table: usize, mask: Input<'_, bool>) -> PyResult<()> {
        self.core.drop_rows(table, mask.get()).map_err(bad)
    }

    fn size(&self) -> i64 {
        self.core.arena.end()
    }

    fn put<'py>(
        &mut self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<(Array<'py, i64>, Array<'py, u32>)> {
        let (mut bits, mut lens) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
        for value in values.iter() {
            let bytes = value.cast::<PyBytes>()?.as_bytes();
            bits.push(self.core.arena.add(bytes));
            lens.push(length(bytes.len())?);
        }
        Ok((frozen(py, bits), frozen(py, lens)))
    }

    fn put_joined<'py>(
        &mut self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        lengths: Input<'py, u32>,
    ) -> PyResult<Array<'py, i64>> {
        let data = payload_of(data)?;
        let total: u64 = lengths.get().iter().map(|&len| u64::from(len)).sum();
        if total != data.len() as u64 {
            return Err(bad(format!("the lengths add up to {total}, the data has {} bytes", data.len())));
        }
        let mut begin = self.core.arena.add(&data);
        let starts = lengths.get().iter().map(|&len| {
            begin += i64::from(len);
            begin - i64::from(len)
        });
        Ok(frozen(py, starts.collect()))
    }

    #[pyo3(name = "const")]
    fn constant(&mut self, value: &Bound<'_, PyBytes>) -> PyResult<(i64, u32)> {
        let len = length(value.as_bytes().len())?;
        Ok((self.core.arena.add(value.as_bytes()), len))
    }

    fn take<'py>(&self, py: Python<'py>, bits: Input<'py, i64>, lens: Input<'py, u32>) -> PyResult<Bound<'py, PyList>> {
        let (bits, lens) = pair(&bits, &lens)?;
        let arena = &self.core.arena;
        let bytes: Result<Vec<Bound<'py, PyBytes>>, String> =
            bits.iter().zip(lens).map(|(&begin, &len)| Ok(PyBytes::new(py, arena.bytes(begin, len)?))).collect();
        PyList::new(py, bytes.map_err(bad)?)
    }

    fn arena_view<'py>(
        &self,
        py: Python<'py>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
    ) -> PyResult<(Bound<'py, PyBytes>, Array<'py, i64>)> {
        let (bits, lens) = pair(&bits, &lens)?;
        let arena = &self.core.arena;
        let mut offsets = Vec::with_capacity(bits.len() + 1);
        let mut total = 0i64;
        offsets.push(0);
        for (&begin, &len) in bits.iter().zip(lens) {
            arena.bytes(begin, len).map_err(bad)?;
            total += i64::from(len);
            offsets.push(total);
        }
        let pieces = bits.iter().zip(lens).map(|(&begin, &len)| arena.get(begin, len).unwrap_or_default());
        let data = joined(py, total as usize, pieces)?;
        Ok((data, frozen(py, offsets)))
    }

    #[pyo3(signature = (tags, bits, lens))]
    fn intern<'py>(
        &self,
        py: Python<'py>,
        tags: Option<Input<'py, u8>>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
    ) -> PyResult<(Array<'py, i32>, Array<'py, i32>)> {
        let kinds = tags.as_ref().map(Input::get);
        let (codes, first) = arena::intern(&self.core.arena, kinds, bits.get(), lens.get()).map_err(bad)?;
        Ok((frozen(py, codes), frozen(py, first)))
    }

    fn equal<'py>(
        &self,
        py: Python<'py>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        needle: &[u8],
    ) -> PyResult<Array<'py, bool>> {
        self.ask(py, Ask::Equal, &bits, &lens, needle)
    }

    fn starts_with<'py>(
        &self,
        py: Python<'py>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        needle: &[u8],
    ) -> PyResult<Array<'py, bool>> {
        self.ask(py, Ask::StartsWith, &bits, &lens, needle)
    }

    fn ends_with<'py>(
        &self,
        py: Python<'py>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        needle: &[u8],
    ) -> PyResult<Array<'py, bool>> {
        self.ask(py, Ask::EndsWith, &bits, &lens, needle)
    }

    fn contains<'py>(
        &self,
        py: Python<'py>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        needle: &[u8],
    ) -> PyResult<Array<'py, bool>> {
        self.ask(py, Ask::Contains, &bits, &lens, needle)
    }

    fn compare<'py>(
        &self,
        py: Python<'py>,
        bits_a: Input<'py, i64>,
        lens_a: Input<'py, u32>,
        bits_b: Input<'py, i64>,
        lens_b: Input<'py, u32>,
    ) -> PyResult<Array<'py, i8>> {
        let (a, b) = ((bits_a.get(), lens_a.get()), (bits_b.get(), lens_b.get()));
        Ok(frozen(py, arena::compare(&self.core.arena, a, b).map_err(bad)?))
    }

    #[pyo3(signature = (table, map, rows))]
    fn map_lengths<'py>(
        &self,
        py: Python<'py>,
        table: usize,
        map: usize,
        rows: RowsArg<'py>,
    ) -> PyResult<Array<'py, i64>> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        Ok(frozen(py, self.core.map(table, map).map_err(bad)?.lengths(rows)))
    }

    #[pyo3(signature = (table, map, key, rows))]
    #[allow(clippy::type_complexity)]
    fn map_get<'py>(
        &self,
        py: Python<'py>,
        table: usize,
        map: usize,
        key: &[u8],
        rows: RowsArg<'py>,
    ) -> PyResult<(Array<'py, u8>, Array<'py, i64>, Array<'py, u32>, Array<'py, bool>)> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let (cells, found) = self.core.map(table, map).map_err(bad)?.get(key, rows);
        let (tags, bits, lens) = cell_arrays(py, cells);
        Ok((tags, bits, lens, frozen(py, found)))
    }

    #[pyo3(signature = (table, map, key, rows, tags, bits, lens))]
    #[allow(clippy::too_many_arguments)]
    fn map_set(
        &mut self,
        table: usize,
        map: usize,
        key: &[u8],
        rows: RowsArg<'_>,
        tags: Input<'_, u8>,
        bits: Input<'_, i64>,
        lens: Input<'_, u32>,
    ) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), rows.len()).map_err(bad)?;
        self.core.check(&cells, ANY).map_err(bad)?;
        let (_, map, touched) = self.core.edit(table, map).map_err(bad)?;
        map.set(key, rows, cells, touched).map_err(bad)
    }

    #[pyo3(signature = (table, map, key, rows))]
    fn map_delete(&mut self, table: usize, map: usize, key: &[u8], rows: RowsArg<'_>) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let (_, map, touched) = self.core.edit(table, map).map_err(bad)?;
        map.delete(key, rows, touched);
        Ok(())
    }

    fn map_keys<'py>(&self, py: Python<'py>, table: usize, map: usize) -> PyResult<Bound<'py, PyList>> {
        let keys = &self.core.map(table, map).map_err(bad)?.keys;
        PyList::new(py, (0..keys.len() as u32).map(|code| PyBytes::new(py, keys.get(code))))
    }

    #[pyo3(signature = (table, map, rows, keep))]
    fn map_retain(&mut self, table: usize, map: usize, rows: RowsArg<'_>, keep: Input<'_, bool>) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let (_, map, touched) = self.core.edit(table, map).map_err(bad)?;
        map.retain(rows, keep.get(), touched).map_err(bad)
    }

    #[pyo3(signature = (table, map, rows))]
    #[allow(clippy::type_complexity)]
    fn map_entries<'py>(
        &self,
        py: Python<'py>,
        table: usize,
        map: usize,
        rows: RowsArg<'py>,
    ) -> PyResult<(Array<'py, i32>, Array<'py, u32>, Array<'py, i32>, Array<'py, u8>, Array<'py, i64>, Array<'py, u32>)>
    {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let all = self.core.map(table, map).map_err(bad)?.all(rows);
        let (tags, bits, lens) = cell_arrays(py, all.cells);
        Ok((frozen(py, all.owners), frozen(py, all.codes), frozen(py, all.slots), tags, bits, lens))
    }

    fn map_put_slots(
        &mut self,
        table: usize,
        map: usize,
        slots: Input<'_, i32>,
        tags: Input<'_, u8>,
        bits: Input<'_, i64>,
        lens: Input<'_, u32>,
    ) -> PyResult<()> {
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), slots.get().len()).map_err(bad)?;
        self.core.check(&cells, ANY).map_err(bad)?;
        let (_, map, touched) = self.core.edit(table, map).map_err(bad)?;
        map.put_slots(slots.get(), cells, touched).map_err(bad)
    }

    #[pyo3(signature = (table, map, rows, counts, key_bits, key_lens, tags, bits, lens))]
    #[allow(clippy::too_many_arguments)]
    fn map_replace(
        &mut self,
        table: usize,
        map: usize,
        rows: RowsArg<'_>,
        counts: Input<'_, i32>,
        key_bits: Input<'_, i64>,
        key_lens: Input<'_, u32>,
        tags: Input<'_, u8>,
        bits: Input<'_, i64>,
        lens: Input<'_, u32>,
    ) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), key_bits.get().len()).map_err(bad)?;
        self.core.check(&cells, ANY).map_err(bad)?;
        let (arena, map, touched) = self.core.edit(table, map).map_err(bad)?;
        let keys = (key_bits.get(), key_lens.get());
        map.replace(arena, rows, counts.get(), keys, cells, touched).map_err(bad)
    }

    #[pyo3(signature = (table, map, rows))]
    fn map_encode<'py>(
        &mut self,
        py: Python<'py>,
        table: usize,
        map: usize,
        rows: RowsArg<'py>,
    ) -> PyResult<(Array<'py, i64>, Array<'py, u32>)> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let values = self.core.values().map_err(bad)?;
        let (arena, map, _) = self.core.edit(table, map).map_err(bad)?;
        let (bits, lens) = map.encode(arena, &values, rows).map_err(bad)?;
        Ok((frozen(py, bits), frozen(py, lens)))
    }

    #[pyo3(signature = (table, map, rows, bits, lens))]
    fn map_assign(
        &mut self,
        table: usize,
        map: usize,
        rows: RowsArg<'_>,
        bits: Input<'_, i64>,
        lens: Input<'_, u32>,
    ) -> PyResult<()> {
        let rows = self.core.rows(table, list(&rows)).map_err(bad)?;
        let values = self.core.values().map_err(bad)?;
        let (arena, map, touched) = self.core.edit(table, map).map_err(bad)?;
        map.assign(arena, &values, rows, (bits.get(), lens.get()), touched).map_err(bad)
    }

    #[allow(clippy::type_complexity)]
    fn child<'py>(
        &self,
        py: Python<'py>,
        tags: Input<'py, u8>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<(Array<'py, u8>, Array<'py, i64>, Array<'py, u32>, Array<'py, u8>)> {
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), bits.get().len()).map_err(bad)?;
        let values = self.core.values().map_err(bad)?;
        let step = match key.cast::<PyBytes>() {
            Ok(bytes) => Step::Key(bytes.as_bytes()),
            Err(_) => Step::Index(key.extract::<i64>()?),
        };
        let rows = bits.get().len();
        let mut out = CellVec::with_capacity(rows);
        let mut errors = Vec::with_capacity(rows);
        for row in 0..rows {
            let (cell, error) = maps::child(&self.core.arena, &values, cells.get(row), step).map_err(bad)?;
            out.push(cell);
            errors.push(error);
        }
        let (tags, bits, lens) = cell_arrays(py, out);
        Ok((tags, bits, lens, frozen(py, errors)))
    }

    fn child_counts<'py>(
        &self,
        py: Python<'py>,
        tags: Input<'py, u8>,
        bits: Input<'py, i64>,
        lens: Input<'py, u32>,
    ) -> PyResult<Array<'py, i64>> {
        let cells = Cells::new(tags.get(), bits.get(), lens.get(), bits.get().len()).map_err(bad)?;
        let values = self.core.values().map_err(bad)?;
        let count = |row| maps::child_count(&self.core.arena, &values, cells.get(row));
        let counts: Result<Vec<i64>, String> = (0..bits.get().len()).map(count).collect();
        Ok(frozen(py, counts.map_err(bad)?))
    }

    fn patch<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let core = &mut self.core;
        if !py.detach(|| patch::patch(core)).map_err(bad)? {
            return Ok((&core.arena.payload).into_pyobject(py)?.cast_into()?);
        }
        joined(py, core.rope.len() as usize, core.rope.pieces(&core.arena))
    }
}

/// Tags that attribute values may have.
const ANY: u16 = 0x1ff;

impl Batch {
    fn ask<'py>(
        &self,
        py: Python<'py>,
        ask: Ask,
        bits: &Input<'py, i64>,
        lens: &Input<'py, u32>,
        needle: &[u8],
    ) -> PyResult<Array<'py, bool>> {
        Ok(frozen(py, arena::ask(&self.core.arena, ask, bits.get(), lens.get(), needle).map_err(bad)?))
    }
}

fn length(len: usize) -> PyResult<u32> {
    u32::try_from(len).map_err(|_| bad(format!("a value of {len} bytes is too long")))
}

fn pair<'a>(bits: &'a Input<'_, i64>, lens: &'a Input<'_, u32>) -> PyResult<(&'a [i64], &'a [u32])> {
    if bits.get().len() == lens.get().len() {
        return Ok((bits.get(), lens.get()));
    }
    Err(bad("bits and lens differ in length".into()))
}

/// A `bytes` of pieces whose lengths add up to `len`, written without the interpreter lock.
pub fn joined<'py, 'a>(
    py: Python<'py>,
    len: usize,
    pieces: impl Iterator<Item = &'a [u8]> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    struct Target(*mut u8);
    // SAFETY: the pointer goes to memory that only this call knows until it returns.
    unsafe impl Send for Target {}
    // SAFETY: a null source asks for `len` uninitialised bytes of a new object that nobody else refers to, so they may be written
    // while the lock is released; every write is checked to stay inside, and the object is handed out only when all are written.
    // (PyBytes::new_with would write zeros first: 30 ns a span.)
    unsafe {
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), len as ffi::Py_ssize_t);
        let bytes = Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>();
        let target = Target(ffi::PyBytes_AsString(object).cast());
        pages::large(target.0, len);
        let written = py.detach(move || {
            let target = target;
            let mut at = 0;
            for piece in pieces {
                if piece.len() > len - at {
                    return usize::MAX;
                }
                std::ptr::copy_nonoverlapping(piece.as_ptr(), target.0.add(at), piece.len());
                at += piece.len();
            }
            at
        });
        if written != len {
            return Err(bad("the pieces do not add up".into()));
        }
        Ok(bytes)
    }
}

/// A part of a result that may be left unused behind it: one in so many of its bytes.
const SPARED: usize = 16;

extern "C" {
    /// Part of Python's C API, which the bindings lack.
    fn _PyBytes_Resize(object: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> std::ffi::c_int;
}

/// A `bytes` that grows while it is written, without the interpreter lock.
pub struct Growing {
    /// Null once memory was lacking.
    object: *mut ffi::PyObject,
    place: *mut u8,
    len: usize,
    room: usize,
}

// SAFETY: the object and its memory are known to nobody else until it is finished.
unsafe impl Send for Growing {}

impl Growing {
    /// An empty one with room for so many bytes.
    pub fn new(py: Python<'_>, room: usize) -> PyResult<Growing> {
        let size = ffi::Py_ssize_t::try_from(room)?;
        // SAFETY: a null source asks for uninitialised bytes; they are written before they are handed out.
        let object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
        if object.is_null() {
            return Err(PyErr::fetch(py));
        }
        let mut growing = Growing { object, place: std::ptr::null_mut(), len: 0, room };
        growing.placed();
        Ok(growing)
    }

    fn placed(&mut self) {
        // SAFETY: the object is a `bytes` that only this one refers to.
        self.place = unsafe { ffi::PyBytes_AsString(self.object).cast() };
        pages::large(self.place.wrapping_add(self.len), self.room - self.len);
    }

    /// Gives it another size, at least what is written; nothing is left of it where memory is lacking.
    fn resize(&mut self, py: Python<'_>, room: usize) -> PyResult<()> {
        let size = ffi::Py_ssize_t::try_from(room)?;
        // SAFETY: the object is not shared; what the call leaves in its place is a `bytes` of the new size, or null with an error.
        if unsafe { _PyBytes_Resize(&mut self.object, size) } != 0 {
            (self.object, self.len, self.room) = (std::ptr::null_mut(), 0, 0);
            return Err(PyErr::fetch(py));
        }
        self.room = room;
        self.placed();
        Ok(())
    }

    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        let room = self.len.saturating_add(more).saturating_add(self.room / 2);
        !self.object.is_null() && Python::attach(|py| self.resize(py, room)).is_ok()
    }

    /// What was written.
    pub fn finish(mut self, py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
        if self.object.is_null() {
            return Err(PyMemoryError::new_err("no memory for the result"));
        }
        if self.room - self.len > self.len / SPARED {
            self.resize(py, self.len)?;
        }
        let object = std::mem::replace(&mut self.object, std::ptr::null_mut());
        // SAFETY: the object is a `bytes` with room for so many and the zero behind them. It may have more: an allocator that gets back
        // less than it gave takes the next block from the system again, page by page.
        unsafe {
            *self.place.add(self.len) = 0;
            (*object.cast::<ffi::PyVarObject>()).ob_size = self.len as ffi::Py_ssize_t;
        }
        // SAFETY: the object is a `bytes` of which all bytes are written, and this was the only reference to it.
        Ok(unsafe { Bound::from_owned_ptr(py, object).cast_into_unchecked() })
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.object.is_null() {
            // SAFETY: this is the only reference to the object.
            Python::attach(|_| unsafe { ffi::Py_DECREF(self.object) });
        }
    }
}

impl Sink for Growing {
    #[inline(always)]
    fn extend(&mut self, bytes: &[u8]) {
        if bytes.len() > self.room - self.len && !self.grow(bytes.len()) {
            return;
        }
        // SAFETY: the room behind what is written was just looked at, and nobody else knows the memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.place.add(self.len), bytes.len()) };
        self.len += bytes.len();
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: so many bytes are written, and nobody else knows the memory.
        unsafe { std::slice::from_raw_parts_mut(self.place, self.len) }
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// Adds the classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("OPTIMISED", !cfg!(debug_assertions))?;
    module.add("ScanError", module.py().get_type::<ScanError>())?;
    module.add_class::<Schema>()?;
    module.add_class::<Plan>()?;
    module.add_class::<Batch>()?;
    module.add_function(wrap_pyfunction!(scan, module)?)
}

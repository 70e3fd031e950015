//! The kernels as Python sees them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{Algorithm, Pattern, Piece};
use crate::py::{frozen, Array, Batch, Input};

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

/// A regular expression with Go's meaning.
#[pyclass(frozen, module = "ottl._native")]
pub struct Regex {
    core: Pattern,
}

#[derive(FromPyObject)]
enum PyPiece {
    Group(usize),
    Literal(Vec<u8>),
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
    ) -> PyResult<(Array<'py, i64>, Array<'py, u32>, Bools<'py>, Option<Bools<'py>>)> {
        let py = batch.py();
        let template: Vec<Piece> = template
            .into_iter()
            .map(|piece| match piece {
                PyPiece::Group(group) => Piece::Group(group),
                PyPiece::Literal(bytes) => Piece::Literal(bytes),
            })
            .collect();
        let mut batch = batch.try_borrow_mut()?;
        let arena = &mut batch.core.arena;
        let (bits, lens) = (bits.get(), lens.get());
        let replaced = py.detach(|| self.core.replace_all(arena, bits, lens, &template)).map_err(bad)?;
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
    module.add_function(wrap_pyfunction!(is_utf8, module)?)?;
    module.add_function(wrap_pyfunction!(is_ascii, module)?)
}

//! The native codec of `ottl`: OTLP protobuf as tables of columns, and JSON to protobuf and back.
//!
//! The core (`schema`, `wire`, `scan`, `batch`, `maps`, `values`, `patch`, `stream`, `json`, `signal`, `kernels`) knows no Python; `py` is the thin
//! layer over it. Nothing here knows a signal: descriptors and plans come from Python. No input may panic.

pub mod arena;
pub mod batch;
pub mod exec;
pub mod json;
pub mod kernels;
pub mod layouts;
pub mod maps;
pub mod pages;
pub mod patch;
pub mod scan;
pub mod schema;
pub mod signal;
pub mod spare;
pub mod stream;
pub mod values;
pub mod wire;

#[cfg(feature = "python")]
mod py;

#[cfg(feature = "python")]
use pyo3::prelude::*;

/// The module `ottl._native`.
#[cfg(feature = "python")]
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    py::register(module)?;
    json::register(module)?;
    kernels::register(module)?;
    exec::register(module)?;
    signal::register(module)?;
    stream::register(module)?;
    Ok(())
}

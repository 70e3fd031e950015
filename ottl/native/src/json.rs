//! OTLP JSON to protobuf and back.

#[cfg(feature = "python")]
use pyo3::prelude::*;

/// Adds this file's functions to the module.
#[cfg(feature = "python")]
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

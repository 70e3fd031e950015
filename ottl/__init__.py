"""The OpenTelemetry Transformation Language for Python.

The public names, each loaded when first asked for, so that `import ottl` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ottl.codec import Limits
    from ottl.config import Config, load_config
    from ottl.engine import RowError, StatementStats
    from ottl.errors import ConfigError, Diagnostic, Error, PayloadError, StatementError
    from ottl.filter import Filter
    from ottl.program import (
        ConditionProgram,
        Program,
        ValueProgram,
        check,
        compile,  # noqa: A004 (the public name, as `re.compile`)
        compile_condition,
        compile_value,
    )
    from ottl.transform import Transform

__all__ = [
    "ConditionProgram",
    "Config",
    "ConfigError",
    "Diagnostic",
    "Error",
    "Filter",
    "Limits",
    "PayloadError",
    "Program",
    "RowError",
    "StatementError",
    "StatementStats",
    "Transform",
    "ValueProgram",
    "check",
    "compile",
    "compile_condition",
    "compile_value",
    "load_config",
]

__version__ = "0.1.0"

_HOMES = {
    "ConditionProgram": "ottl.program",
    "Config": "ottl.config",
    "ConfigError": "ottl.errors",
    "Diagnostic": "ottl.errors",
    "Error": "ottl.errors",
    "Filter": "ottl.filter",
    "Limits": "ottl.codec",
    "PayloadError": "ottl.errors",
    "Program": "ottl.program",
    "RowError": "ottl.engine",
    "StatementError": "ottl.errors",
    "StatementStats": "ottl.engine",
    "Transform": "ottl.transform",
    "ValueProgram": "ottl.program",
    "check": "ottl.program",
    "compile": "ottl.program",
    "compile_condition": "ottl.program",
    "compile_value": "ottl.program",
    "load_config": "ottl.config",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ottl' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""The OpenTelemetry Transformation Language for Python.

The public names, each loaded when first asked for, so that `import ottl` costs nothing.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "ottl.errors",
    "Diagnostic": "ottl.errors",
    "Error": "ottl.errors",
    "PayloadError": "ottl.errors",
    "StatementError": "ottl.errors",
    "Limits": "ottl.codec",
    "Config": "ottl.config",
    "load_config": "ottl.config",
    "Transform": "ottl.transform",
    "Filter": "ottl.filter",
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
    return sorted({*globals(), *_HOMES})

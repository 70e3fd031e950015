"""The standard library: every function of the language, by family.

Each file declares the functions of one family; this one gathers them. Imported as `ottl.stdlib`.
"""

from __future__ import annotations

if __name__ != "ottl.stdlib":
    raise ImportError("import this package as ottl.stdlib, not by its folder's name")

from ottl.functions import FunctionSet
from ottl.stdlib import actions as _actions
from ottl.stdlib import causes as _causes
from ottl.stdlib import containers as _containers
from ottl.stdlib import conversion as _conversion
from ottl.stdlib import editors as _editors
from ottl.stdlib import encoding as _encoding
from ottl.stdlib import formatting as _formatting
from ottl.stdlib import hashing as _hashing
from ottl.stdlib import identity as _identity
from ottl.stdlib import matching as _matching
from ottl.stdlib import parsing as _parsing
from ottl.stdlib import replacing as _replacing
from ottl.stdlib import statistics as _statistics
from ottl.stdlib import strings as _strings
from ottl.stdlib import times as _times
from ottl.stdlib import traces as _traces

FUNCTIONS: FunctionSet = FunctionSet.of(
    _causes,
    _containers,
    _conversion,
    _editors,
    _encoding,
    _formatting,
    _hashing,
    _identity,
    _matching,
    _parsing,
    _replacing,
    _statistics,
    _strings,
    _times,
    _traces,
)
"""All functions that every configuration may call, by name."""

ACTIONS: FunctionSet = FunctionSet.of(_actions)
"""The actions of the script dialect, by name."""

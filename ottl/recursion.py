"""Room on the interpreter's stack for recursion over rule trees.

The parser bounds how deep an expression nests (`Limits.max_nesting`), so functions that walk trees recursively need a
bounded number of frames, but more than Python allows by default. `bounded` gives a function that room while it runs;
nothing else has to know.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

FRAMES = 10_000
"""Frames that the deepest tree may take: 250 levels of at most 12 frames each, with a margin of three."""

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.Lock()
_state = {"users": 0, "limit": 0}


def bounded(function: Callable[P, T]) -> Callable[P, T]:
    """The function, run with room for `FRAMES` more frames than it was called with.

    The limit is the interpreter's: it is raised for the first of several threads and goes back with the last.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with _lock:
            if _state["users"] == 0:
                _state["limit"] = sys.getrecursionlimit()
            _state["users"] += 1
            wanted = _state["limit"] + FRAMES
            if sys.getrecursionlimit() < wanted:
                sys.setrecursionlimit(wanted)
        try:
            return function(*args, **kwargs)
        finally:
            with _lock:
                _state["users"] -= 1
                if _state["users"] == 0:
                    sys.setrecursionlimit(_state["limit"])

    return run

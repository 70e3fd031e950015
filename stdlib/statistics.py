"""Statistics of series: functions that remember, for each key, what came before.

`key` is a value or a list of values; left out, it is the row's identity: for a data point its series (resource, scope,
metric, attributes), for a span its service and name, for a log record its service. The order is that in which rows
arrive. Nil, NaN and infinite values are no part of a series and give nil. Memory is bounded by the number of keys (the
least recently used goes) and saved with the program's state.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.analysis.running import Alarm, Cursor, Deviation, Ewma, Score, Window
from ottl.codec import kernels
from ottl.functions import Columns, Const, Example, Key, Number, Slots, State, converter
from ottl.tables.vectors import BOOL, DOUBLE, EMPTY, Vector, numbers, uniform

ANOMALY_METHODS = ("zscore",)
_LARGEST_WINDOW = 100_000


def check_method(method: str, known: tuple[str, ...]) -> None:
    """Refuses a method that is not known, and names those that are."""
    if method not in known:
        raise ValueError(f"unknown method {method!r}, known: {', '.join(known)}")


def check_window(window: int) -> None:
    """Refuses a window that has no deviation, or that no memory holds."""
    if not 2 <= window <= _LARGEST_WINDOW:
        raise ValueError(f"window must be from 2 to {_LARGEST_WINDOW}, got {window}")


def _step(series: Cursor, x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else series.step(x)


def advance(memory: Any, slots: NDArray[np.intp], values: NDArray[np.float64]) -> tuple[Any, Any]:
    """The next values of many series, in native code where the memory is a window (60 times as fast on few series).

    Args:
        memory: of the call.
        slots: the series of each value, (n,).
        values: finite, (n,).

    Returns:
        The statistic after each value, float64 (n,), and where there is one, bool (n,).
    """
    if not isinstance(memory, Window):
        found: tuple[Any, Any] = memory.steps(slots, values)
        return found
    c = memory.columns
    alarm = (memory.hold, memory.threshold, c["silent"]) if isinstance(memory, Alarm) else None
    windows = tuple(c[n] for n in ("tail_mean", "tail_squares", "filled", "full", "mean", "squares"))
    return kernels.window_steps(slots.astype(np.int64, copy=False), values, windows, isinstance(memory, Score), alarm)


def _steps(columns: Columns, series: Slots, x: Vector) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """The statistic after each row, and where there is one; None where a value is no number."""
    found = numbers(x, columns.count)
    slots = None if found is None else series.rows()
    if found is None or slots is None:
        return None
    values, known = found
    if known.all():
        return advance(series.memory, slots, values)
    results, valid = np.zeros(columns.count), np.zeros(columns.count, np.bool_)
    results[known], valid[known] = advance(series.memory, slots[known], values[known])
    return results, valid


def _doubles(columns: Columns, series: Slots, x: Vector) -> Vector | None:
    found = _steps(columns, series, x)
    if found is None:
        return None
    results, valid = found
    if valid.all():
        return Vector(DOUBLE, results, None, None, columns.level)
    tags = np.where(valid, np.uint8(DOUBLE), np.uint8(EMPTY))
    bits = np.where(valid, results.view(np.int64), 0)
    return uniform(tags, bits, np.zeros(columns.count, np.uint32), columns.level)


@converter(
    "EWMA",
    Example("EWMA(1.5)", 1.5),
    Example('EWMA(2, 0.5, key="é")', 2.0),
    Example("EWMA(nil)", None),
    Example('EWMA("x")', error="x", load_error=True),
    Example("EWMA(1, 0)", error="alpha must be", load_error=True),
    extension=True,
    memory=Ewma,
)
def ewma(series: State[Cursor], x: Number | None, alpha: Const[float] = 0.2, key: Key = None) -> float | None:
    """The exponentially weighted moving average of a series: `alpha x + (1 - alpha) e`, which begins with the first x.

    Constant time a row, 9 bytes a key.

    Args:
        series: what is remembered of the key.
        x: a number; a duration is its nanoseconds.
        alpha: weight of the newest value, above 0 and at most 1.
        key: what keeps series apart; left out, the row's identity.

    Source: S. W. Roberts, Control chart tests based on geometric moving averages, 1959.
    """
    del alpha, key
    return _step(series, x)


@ewma.vector
def _(columns: Columns, series: Slots, x: Vector, alpha: float, key: None) -> Vector | None:
    del alpha, key
    return _doubles(columns, series, x)


@ewma.checked
def _(alpha: float) -> None:
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be above 0 and at most 1, got {alpha:g}")


@converter(
    "StdDev",
    Example("StdDev(1)", None),
    Example("StdDev(nil)", None),
    Example("StdDev(1, 1)", error="window must be", load_error=True),
    extension=True,
    memory=Deviation,
)
def standard_deviation(
    series: State[Cursor], x: Number | None, window: Const[int] = 100, key: Key = None
) -> float | None:
    """The sample standard deviation of the last values of a series, the newest included; nil before the second.

    Constant time a row on average, 16 bytes a key and value of the window.

    Args:
        series: what is remembered of the key.
        x: a number; a duration is its nanoseconds.
        window: how many values.
        key: what keeps series apart; left out, the row's identity.

    Source: B. P. Welford, Note on a method for calculating corrected sums of squares and products, 1962.
    """
    del window, key
    return _step(series, x)


@standard_deviation.vector
def _(columns: Columns, series: Slots, x: Vector, window: int, key: None) -> Vector | None:
    del window, key
    return _doubles(columns, series, x)


@standard_deviation.checked
def _(window: int) -> None:
    check_window(window)


@converter(
    "ZScore",
    Example("ZScore(1)", None),
    Example("ZScore(nil)", None),
    Example("ZScore(1, 0)", error="window must be", load_error=True),
    extension=True,
    memory=Score,
)
def z_score(series: State[Cursor], x: Number | None, window: Const[int] = 100, key: Key = None) -> float | None:
    """How many sample standard deviations x lies from the mean of the values before it; nil before there are two.

    Zero where x equals a mean without deviation, infinite where it differs from one. Time and memory as for `StdDev`.

    Args:
        series: what is remembered of the key.
        x: a number; a duration is its nanoseconds.
        window: how many values before x.
        key: what keeps series apart; left out, the row's identity.

    Source: F. E. Grubbs, Procedures for detecting outlying observations in samples, 1969.
    """
    del window, key
    return _step(series, x)


@z_score.vector
def _(columns: Columns, series: Slots, x: Vector, window: int, key: None) -> Vector | None:
    del window, key
    return _doubles(columns, series, x)


@z_score.checked
def _(window: int) -> None:
    check_window(window)


@converter(
    "IsAnomaly",
    Example("IsAnomaly(1)", False),
    Example("IsAnomaly(nil)", False),
    Example('IsAnomaly(1, "magic")', error="known: zscore", load_error=True),
    Example('IsAnomaly(1, "zscore", 0)', error="threshold must be", load_error=True),
    extension=True,
    memory=Alarm,
)
def is_anomaly(
    series: State[Cursor],
    x: Number | None,
    method: Const[str] = "zscore",
    threshold: Const[float] = 3.0,
    hold: Const[int] = 0,
    key: Key = None,
    window: Const[int] = 100,
) -> bool:
    """Whether x is unlike what came before it in its series; false while nothing can be said.

    Args:
        series: what is remembered of the key.
        x: a number; a duration is its nanoseconds.
        method: `zscore`, see `ZScore`.
        threshold: the absolute score above which x is an anomaly.
        hold: how many rows of the key are false after a true one, whatever their score.
        key: what keeps series apart; left out, the row's identity.
        window: how many values before x count.

    Source: as for `ZScore`.
    """
    del method, threshold, hold, key, window
    return _step(series, x) == 1.0


@is_anomaly.vector
def _(
    columns: Columns, series: Slots, x: Vector, method: str, threshold: float, hold: int, key: None, window: int
) -> Vector | None:
    del method, threshold, hold, key, window
    found = _steps(columns, series, x)
    return None if found is None else Vector(BOOL, found[1] & (found[0] == 1.0), None, None, columns.level)


@is_anomaly.checked
def _(method: str, threshold: float, hold: int, window: int) -> None:
    check_method(method, ANOMALY_METHODS)
    check_window(window)
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold:g}")
    if not 0 <= hold < 1 << 40:
        raise ValueError(f"hold must not be negative, got {hold}")

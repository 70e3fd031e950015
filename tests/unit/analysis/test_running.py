"""Running statistics against their definitions, and the same to the last bit whatever the batches."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ottl.analysis.running import Alarm, Deviation, Ewma, Score, Series
from ottl.codec import native
from ottl.stdlib.statistics import advance
from tests.unit.analysis import oracles

VALUES = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, 1e15, 1e15 + 1, 1e-300, 5e-324]),
)
ROWS = st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=60)
FEW = [0, 2, 100, *([None] if native.available() else [])]
"""How many series make a round; None for native code."""
MAKERS: dict[str, Any] = {
    "ewma": lambda: Ewma(0.2),
    "deviation": lambda: Deviation(5),
    "score": lambda: Score(4),
    "alarm": lambda: Alarm(3, 1.5, 2),
}


def _one_by_one(series: Series, rows: list[tuple[int, float]]) -> list[float | None]:
    series.resize(4)
    return [series.step(slot, value) for slot, value in rows]


def _in_batches(series: Series, rows: list[tuple[int, float]], cuts: list[int], few: int | None) -> list[float | None]:
    series.few = series.few if few is None else few
    steps = partial(advance, series) if few is None else series.steps
    series.resize(4)
    found: list[float | None] = []
    bounds = [0, *sorted(c for c in cuts if c < len(rows)), len(rows)]
    for begin, end in itertools.pairwise(bounds):
        part = rows[begin:end]
        values, valid = steps(
            np.array([slot for slot, _ in part], np.intp), np.array([value for _, value in part], np.float64)
        )
        found += [v if ok else None for v, ok in zip(values.tolist(), valid.tolist(), strict=True)]
    return found


@pytest.mark.parametrize("name", sorted(MAKERS))
@given(rows=ROWS, cuts=st.lists(st.integers(0, 60), max_size=4), few=st.sampled_from(FEW))
def test_batches_do_not_matter(name: str, rows: list[tuple[int, float]], cuts: list[int], few: int | None) -> None:
    """Row by row, in rounds, by series or natively, and however rows are cut: the very same floats and memory."""
    one, many = MAKERS[name](), MAKERS[name]()
    expected = _one_by_one(one, rows)
    assert repr(_in_batches(many, rows, cuts, few)) == repr(expected)
    slots = np.arange(4)
    for key, column in one.save(slots).items():
        assert column.tobytes() == many.save(slots)[key].tobytes(), key


@given(st.lists(VALUES, max_size=30), st.floats(0.01, 1))
def test_ewma(values: list[float], alpha: float) -> None:
    """It is its recurrence, to the last bit."""
    series = Ewma(alpha)
    assert _one_by_one(series, [(0, v) for v in values]) == oracles.ewma(values, alpha)


MODERATE = st.lists(st.integers(-2000, 2000).map(lambda n: n / 8), max_size=30)


def _close(found: list[float | None], expected: list[float | None]) -> None:
    assert [f is None for f in found] == [e is None for e in expected]
    for one, other in zip(found, expected, strict=True):
        if one is not None and other is not None and abs(other) < 1e6:
            assert one == pytest.approx(other, rel=1e-6, abs=1e-9)


@given(MODERATE, st.integers(2, 8))
def test_deviation(values: list[float], window: int) -> None:
    """It is the sample deviation of the last values, the newest included."""
    _close(_one_by_one(Deviation(window), [(0, v) for v in values]), oracles.deviations(values, window))


@given(MODERATE, st.integers(2, 8))
def test_score(values: list[float], window: int) -> None:
    """It is taken against the values before; equal ones give zero or infinity, exactly."""
    _close(_one_by_one(Score(window), [(0, v) for v in values]), oracles.scores(values, window))


@given(MODERATE, st.integers(2, 6), st.floats(0.5, 4), st.integers(0, 5))
def test_alarm(values: list[float], window: int, threshold: float, hold: int) -> None:
    """True where the score lies beyond the threshold, then silent for some values."""
    rows = [(0, v) for v in values]
    score = _one_by_one(Score(window), rows)
    found = _one_by_one(Alarm(window, threshold, hold), rows)
    assert [f == 1.0 for f in found] == oracles.alarms(score, threshold, hold)


def test_nothing_builds_up() -> None:
    """What was enormous and has left the window leaves no error behind."""
    series = Deviation(3)
    values = [1e15, -1e15, 3e15, *([0.5] * 7), 1.5, 2.5]
    found = _one_by_one(series, [(0, v) for v in values])
    assert found[5:10] == [0.0] * 5
    assert found[-1] == pytest.approx(1.0)


def test_values_that_overflow() -> None:
    """Squares beyond floats give no deviation, and none of this is an exception."""
    found = _one_by_one(Deviation(4), [(0, v) for v in (1e300, -1e300, 1.0)])
    assert found == [None, None, None]
    assert _one_by_one(Score(4), [(0, v) for v in (1e300, -1e300, 1.0)])[2] in (0.0, None)


def test_long_series_in_rounds() -> None:
    """Many blocks of many series, in batches of odd sizes."""
    rng = np.random.default_rng(7)
    slots = rng.integers(0, 40, 6000).astype(np.intp)
    values = rng.normal(10, 3, 6000)
    one, many = Score(10), Score(10)
    one.resize(40)
    many.resize(40)
    expected = [one.step(int(s), float(v)) for s, v in zip(slots, values, strict=True)]
    found: list[float | None] = []
    for begin in range(0, 6000, 1700):
        got, valid = many.steps(slots[begin : begin + 1700], values[begin : begin + 1700])
        found += [g if ok else None for g, ok in zip(got.tolist(), valid.tolist(), strict=True)]
    assert found == expected


def test_forget_and_restore() -> None:
    """A forgotten slot begins anew; a saved one goes on where it was; what does not fit is refused."""
    series = Score(3)
    series.resize(2)
    for value in (1.0, 2.0, 4.0, 8.0):
        series.step(0, value)
    saved = series.save(np.array([0]))
    other = Score(3)
    other.resize(2)
    other.restore(np.array([1]), saved)
    assert other.step(1, 3.0) == series.step(0, 3.0)
    series.forget(np.array([0]))
    assert series.step(0, 3.0) is None
    larger = Score(4)
    larger.resize(1)
    with pytest.raises(ValueError, match="does not fit"):
        larger.restore(np.array([0]), saved)


def test_score_of_infinite_difference() -> None:
    """A jump away from a series without deviation is infinitely far, in its direction."""
    series = Score(5)
    assert _one_by_one(series, [(0, v) for v in (2.0, 2.0, 1.0)]) == [None, None, -math.inf]

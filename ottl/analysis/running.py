"""Running statistics: many series side by side, each in a *slot*, with the memory of all of them in arrays.

A series is fed value by value (`step`) or many rows at once (`steps`); the two do the same operations on 64-bit floats
in the same order, so that the answers are equal to the last bit, whatever the batches. `steps` works in rounds: a round
takes the next value of every series that has one left; where only few series are left, each is finished by itself.

Values must be finite; callers leave out the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.intp]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

_FEW_WRAPS = 16
"""Up to so many full blocks are summed up in plain Python, which is then quicker than an array operation a value."""


def _sorting(numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """What sorts small numbers, equal ones in their order; 16 bits are sorted by their digits, which is quicker."""
    return np.argsort(numbers.astype(np.uint16) if int(numbers.max()) < 1 << 16 else numbers, kind="stable")


class Memory(Protocol):
    """What is remembered of every key: slots that can be added, forgotten, saved and restored."""

    def resize(self, count: int) -> None:
        """Makes room for `count` slots; new ones have seen nothing."""

    def forget(self, slots: Slots) -> None:
        """Makes slots as new."""

    def at(self, slot: int) -> Any:
        """What a scalar kernel gets for one slot."""

    def save(self, slots: Slots) -> Mapping[str, NDArray[Any]]:
        """The memory of slots: arrays by name, their first dimension that of the slots."""

    def restore(self, slots: Slots, saved: Mapping[str, NDArray[Any]]) -> None:
        """Takes back what `save` gave; raises `ValueError` where it does not fit."""


class Cursor:
    """One series, for kernels that see one row."""

    __slots__ = ("_memory", "_slot")

    def __init__(self, memory: Series, slot: int) -> None:
        self._memory = memory
        self._slot = slot

    def step(self, value: float) -> float | None:
        """Takes the next value of the series and gives the statistic; None where there is none yet."""
        return self._memory.step(self._slot, value)


class Series:
    """Base of the statistics: holds their arrays, and feeds many series at once."""

    few = 128
    """Rounds of fewer series than this are not worth an array operation."""

    def __init__(self) -> None:
        self.capacity = 0
        self.columns: Columns = {}

    def _blank(self, count: int) -> Columns:
        """New arrays for `count` slots that have seen nothing; all zeros mean that too."""
        raise NotImplementedError

    def step(self, slot: int, value: float) -> float | None:
        """The next value of one series."""
        raise NotImplementedError

    def _round(self, slots: Slots, values: Floats) -> tuple[Floats, Bools]:
        """The next value of distinct series: statistics and whether there is one, (m,) each."""
        raise NotImplementedError

    def at(self, slot: int) -> Cursor:
        """One series."""
        return Cursor(self, slot)

    def resize(self, count: int) -> None:
        """Makes room for slots; what there is doubles, so that adding one by one stays cheap."""
        if count <= self.capacity:
            return
        wanted = max(count, 2 * self.capacity, 16)
        fresh = self._blank(wanted)
        for name, old in self.columns.items():
            fresh[name][: self.capacity] = old[: self.capacity]
        self.columns = fresh
        self.capacity = wanted

    def forget(self, slots: Slots) -> None:
        """Makes slots as new."""
        for column in self.columns.values():
            column[slots] = 0

    def save(self, slots: Slots) -> Columns:
        """The memory of slots."""
        return {name: column[slots] for name, column in self.columns.items()}

    def restore(self, slots: Slots, saved: Mapping[str, NDArray[Any]]) -> None:
        """Takes back what `save` gave."""
        for name, column in self.columns.items():
            found = saved.get(name)
            if found is None or found.dtype != column.dtype or found.shape != (len(slots), *column.shape[1:]):
                raise ValueError(f"the saved {name} does not fit")
            column[slots] = found

    def steps(self, slots: Slots, values: Floats) -> tuple[Floats, Bools]:
        """The next values of many series, in order.

        Args:
            slots: the series of each value, intp (n,); below `capacity`.
            values: finite, float64 (n,).

        Returns:
            The statistic after each value, float64 (n,), and where there is one, bool (n,).
        """
        count = len(slots)
        results = np.zeros(count, np.float64)
        valid = np.zeros(count, np.bool_)
        if count == 0:
            return results, valid
        order = _sorting(slots)
        grouped = slots[order]
        first = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]]))
        lengths = np.diff(np.append(first, count))
        turn = np.arange(count) - np.repeat(first, lengths)
        by_turn = order[_sorting(turn)]
        sizes = np.bincount(turn)
        done = 0
        for number, size in enumerate(sizes.tolist()):
            if size < self.few:
                rest = first[lengths > number] + number
                ends = first[lengths > number] + lengths[lengths > number]
                for begin, end in zip(rest.tolist(), ends.tolist(), strict=True):
                    self._finish(order[begin:end], int(grouped[begin]), values, results, valid)
                break
            rows = by_turn[done : done + size]
            results[rows], valid[rows] = self._round(slots[rows], values[rows])
            done += size
        return results, valid

    def _finish(self, rows: Slots, slot: int, values: Floats, results: Floats, valid: Bools) -> None:
        found = self._run(slot, values[rows].tolist())
        valid[rows] = [one is not None for one in found]
        results[rows] = [0.0 if one is None else one for one in found]

    def _run(self, slot: int, values: list[float]) -> list[float | None]:
        """The next values of one series."""
        return [self.step(slot, value) for value in values]


class Ewma(Series):
    """Exponentially weighted moving average: `alpha x + (1 - alpha) e`, beginning with the first value.

    O(1) a value, 9 bytes a series.

    Args:
        alpha: weight of the newest value, above 0 and at most 1.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def _blank(self, count: int) -> Columns:
        return {"mean": np.zeros(count), "begun": np.zeros(count, np.bool_)}

    def step(self, slot: int, value: float) -> float:
        """The next value of one series."""
        return self._run(slot, [value])[0]

    def _run(self, slot: int, values: list[float]) -> list[float]:  # type: ignore[override]
        means, begun = self.columns["mean"], self.columns["begun"]
        alpha, keep = self.alpha, 1.0 - self.alpha
        mean = float(means[slot])
        found: list[float] = []
        if not begun[slot]:
            begun[slot] = True
            mean = values[0]
            found.append(mean)
            values = values[1:]
        for value in values:
            mean = alpha * value + keep * mean
            found.append(mean)
        means[slot] = mean
        return found

    def _round(self, slots: Slots, values: Floats) -> tuple[Floats, Bools]:
        means, begun = self.columns["mean"], self.columns["begun"]
        found = np.where(begun[slots], self.alpha * values + (1.0 - self.alpha) * means[slots], values)
        means[slots] = found
        begun[slots] = True
        return found, np.ones(len(slots), np.bool_)


class Window(Series):
    """Count, mean and sum of squared differences over the last `window` values of each series.

    Nothing is ever subtracted, so that no error builds up and a window of equal values has a deviation of exactly zero:
    values are taken in blocks of `window`. `mean` and `squares` sum up the block so far; when it is full, `tail_mean`
    and `tail_squares` get the sums over each of its tails, and the window is at any time a tail of the last block with
    the block so far. Values of the block so far lie where tails are no longer needed. O(1) a value on average, 16 bytes
    a series and value of the window.

    Args:
        window: how many values, at least 2.
    """

    few = 24

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def _blank(self, count: int) -> Columns:
        return {
            "tail_mean": np.zeros((count, self.window)),
            "tail_squares": np.zeros((count, self.window)),
            "filled": np.zeros(count, np.int64),
            "full": np.zeros(count, np.bool_),
            "mean": np.zeros(count),
            "squares": np.zeros(count),
        }

    def summary(self, slot: int) -> tuple[int, float, float]:
        """Count, mean and squares of the window of one series."""
        c = self.columns
        filled = int(c["filled"][slot])
        mean, squares = float(c["mean"][slot]), float(c["squares"][slot])
        if not c["full"][slot]:
            return filled, mean, squares
        tail_mean, tail_squares = float(c["tail_mean"][slot, filled]), float(c["tail_squares"][slot, filled])
        if filled == 0:
            return self.window, tail_mean, tail_squares
        share = filled / self.window
        difference = mean - tail_mean
        return (
            self.window,
            tail_mean + difference * share,
            tail_squares + squares + difference * difference * ((self.window - filled) * share),
        )

    def summaries(self, slots: Slots) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Counts, means and squares of the windows of series."""
        c = self.columns
        filled, full = c["filled"][slots], c["full"][slots]
        mean, squares = c["mean"][slots], c["squares"][slots]
        tail_mean, tail_squares = c["tail_mean"][slots, filled], c["tail_squares"][slots, filled]
        with np.errstate(all="ignore"):
            share = filled / self.window
            difference = mean - tail_mean
            joined_mean = tail_mean + difference * share
            joined = tail_squares + squares + difference * difference * ((self.window - filled) * share)
        empty = filled == 0
        return (
            np.where(full, self.window, filled),
            np.where(full, np.where(empty, tail_mean, joined_mean), mean),
            np.where(full, np.where(empty, tail_squares, joined), squares),
        )

    def push(self, slot: int, value: float) -> None:
        """Takes the next value of one series."""
        c = self.columns
        filled = int(c["filled"][slot])
        mean = float(c["mean"][slot])
        c["tail_mean"][slot, filled] = value
        filled += 1
        difference = value - mean
        mean += difference / filled
        squares = float(c["squares"][slot]) + difference * (value - mean)
        if filled == self.window:
            self._sum_tails(slot)
        else:
            c["filled"][slot], c["mean"][slot], c["squares"][slot] = filled, mean, squares

    def _sum_tails(self, slot: int) -> None:
        """A full block becomes tails."""
        c = self.columns
        values: list[float] = c["tail_mean"][slot].tolist()
        mean = squares = 0.0
        means, sums = [0.0] * self.window, [0.0] * self.window
        for count in range(1, self.window + 1):
            value = values[-count]
            difference = value - mean
            mean += difference / count
            squares += difference * (value - mean)
            means[-count], sums[-count] = mean, squares
        c["tail_mean"][slot], c["tail_squares"][slot] = means, sums
        c["filled"][slot], c["full"][slot], c["mean"][slot], c["squares"][slot] = 0, True, 0.0, 0.0

    def push_round(self, slots: Slots, values: Floats) -> None:
        """Takes the next value of distinct series."""
        c = self.columns
        filled, mean = c["filled"][slots], c["mean"][slots]
        c["tail_mean"][slots, filled] = values
        filled += 1
        with np.errstate(all="ignore"):
            difference = values - mean
            mean += difference / filled
            c["squares"][slots] += difference * (values - mean)
        c["filled"][slots], c["mean"][slots] = filled, mean
        full = slots[filled == self.window]
        if len(full) <= _FEW_WRAPS:
            for slot in full.tolist():
                self._sum_tails(slot)
        else:
            self._sum_tails_round(full)

    def _sum_tails_round(self, slots: Slots) -> None:
        c = self.columns
        values = c["tail_mean"][slots].T.copy()
        sums = np.zeros_like(values)
        mean, squares = np.zeros(len(slots)), np.zeros(len(slots))
        with np.errstate(all="ignore"):
            for count in range(1, self.window + 1):
                value = values[-count]
                difference = value - mean
                mean = mean + difference / count
                squares = squares + difference * (value - mean)
                values[-count], sums[-count] = mean, squares
        c["tail_mean"][slots], c["tail_squares"][slots] = values.T, sums.T
        c["filled"][slots], c["full"][slots], c["mean"][slots], c["squares"][slots] = 0, True, 0.0, 0.0


class Deviation(Window):
    """Sample standard deviation of the last `window` values, the newest included; none before the second."""

    def step(self, slot: int, value: float) -> float | None:
        """The next value of one series."""
        self.push(slot, value)
        count, _, squares = self.summary(slot)
        return _finite(math.sqrt(squares / (count - 1))) if count > 1 and squares == squares else None  # noqa: PLR0124

    def _round(self, slots: Slots, values: Floats) -> tuple[Floats, Bools]:
        self.push_round(slots, values)
        count, _, squares = self.summaries(slots)
        with np.errstate(all="ignore"):
            found = np.sqrt(squares / np.maximum(count - 1, 1))
        return found, (count > 1) & np.isfinite(found)


class Score(Window):
    """How many standard deviations a value lies from the mean of the `window` values before it.

    None before there are two of them; 0 where it equals a mean without deviation, infinite where it differs from one.
    """

    def step(self, slot: int, value: float) -> float | None:
        """The next value of one series."""
        count, mean, squares = self.summary(slot)
        self.push(slot, value)
        if count < 2:
            return None
        difference = value - mean
        if difference == 0:
            return 0.0
        spread = math.sqrt(squares / (count - 1)) if squares >= 0 else math.nan
        found = difference / spread if spread else math.copysign(math.inf, difference)
        return None if math.isnan(found) else found

    def _round(self, slots: Slots, values: Floats) -> tuple[Floats, Bools]:
        count, mean, squares = self.summaries(slots)
        self.push_round(slots, values)
        with np.errstate(all="ignore"):
            difference = values - mean
            found = difference / np.sqrt(squares / np.maximum(count - 1, 1))
            found = np.where(difference == 0, 0.0, found)
        return found, (count > 1) & ~np.isnan(found)


class Alarm(Score):
    """Whether a value's score lies beyond a threshold: 1 or 0. After a 1 the series is silent for `hold` values.

    Args:
        window: of the score.
        threshold: the absolute score above which a value is an anomaly.
        hold: values that give 0 after a 1.
    """

    def __init__(self, window: int, threshold: float, hold: int) -> None:
        super().__init__(window)
        self.threshold = threshold
        self.hold = hold

    def _blank(self, count: int) -> Columns:
        return {**super()._blank(count), "silent": np.zeros(count, np.int64)}

    def step(self, slot: int, value: float) -> float:
        """The next value of one series."""
        score = super().step(slot, value)
        silent = self.columns["silent"]
        if silent[slot]:
            silent[slot] -= 1
            return 0.0
        if score is None or abs(score) <= self.threshold:
            return 0.0
        silent[slot] = self.hold
        return 1.0

    def _round(self, slots: Slots, values: Floats) -> tuple[Floats, Bools]:
        score, valid = super()._round(slots, values)
        silent = self.columns["silent"]
        before = silent[slots]
        found = valid & (np.abs(score) > self.threshold) & (before == 0)
        silent[slots] = np.where(found, self.hold, np.maximum(before - 1, 0))
        return found.astype(np.float64), np.ones(len(slots), np.bool_)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Rows that leave a payload: what goes with a dropped row, and what goes where when rows are routed.

A payload is a forest of levels (`resource`, `scope`, `span`, `spanevent`...). Rows of a level are numbered in the order
of the payload, in both executors, and masks over those numbers say which rows are meant; the rules are here, once, and
the two executors only carry them out:

- what hangs below a dropped row goes with it; a parent that loses its last row goes too, but for a span without events
  and a data point without exemplars;
- a routed row takes what hangs below it along, and the resource and scope around it are in every output that has a row
  of theirs.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.vm.entries import retain
from ottl.vm.walk import LEVELS, containers, points

Bools = NDArray[np.bool_]
MAX_PERIODS = 4096
"""Periods that a rate limit remembers; the oldest is forgotten first."""

_OPTIONAL = frozenset({"span", "datapoint"})
"""Levels whose rows need nothing below them."""


def chain(signal: str, deepest: str) -> tuple[str, ...]:
    """The levels from the resource down to a level."""
    element = LEVELS[signal]
    below = {"spanevent": ("spanevent",), "datapoint": ("datapoint",), "exemplar": ("datapoint", "exemplar")}
    every = ("resource", "scope", element)
    return (*every, *below[deepest]) if deepest in below else every[: every.index(deepest) + 1]


@dataclass(frozen=True, slots=True)
class Forest:
    """The rows of a payload by level.

    Args:
        levels: from the resource down.
        parents: by level, the row of the level above for each row, int32 (n,); zeros for resources.
        rows: by level, the messages; empty where only tables know them.
    """

    levels: tuple[str, ...]
    parents: Mapping[str, NDArray[np.int32]]
    rows: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def survey(root: Any, signal: str, levels: tuple[str, ...]) -> Forest:
    """The rows of a decoded payload."""
    names = dict(zip(levels, containers(signal), strict=False))
    above: list[Any] = [root]
    parents: dict[str, NDArray[np.int32]] = {}
    rows: dict[str, Sequence[Any]] = {}
    for level in levels:
        below = [(n, row) for n, parent in enumerate(above) for row in _below(parent, level, names)]
        parents[level] = np.array([n for n, _ in below], np.int32)
        above = [row for _, row in below]
        rows[level] = above
    return Forest(levels, parents, rows)


def _below(parent: Any, level: str, names: Mapping[str, str]) -> Any:
    if level == "datapoint":
        return points(parent)
    if level == "spanevent":
        return parent.events
    if level == "exemplar":
        return getattr(parent, "exemplars", ())
    return getattr(parent, names[level])


def after_drop(forest: Forest, dropped: Mapping[str, Bools]) -> dict[str, Bools]:
    """By level, the rows that stay when some are dropped."""
    keep: dict[str, Bools] = {}
    above = ""
    for level in forest.levels:
        parents = forest.parents[level]
        stays = ~dropped[level] if level in dropped else np.ones(len(parents), np.bool_)
        keep[level] = stays & keep[above][parents] if above else stays
        above = level
    for outer, inner in reversed(list(itertools.pairwise(forest.levels))):
        if outer in _OPTIONAL:
            continue
        parents, size = forest.parents[inner], len(keep[outer])
        had = np.bincount(parents, minlength=size) > 0
        has = np.bincount(parents[keep[inner]], minlength=size) > 0
        keep[outer] &= has | ~had
    return keep


def on_route(forest: Forest, marked: Mapping[str, Bools]) -> dict[str, Bools]:
    """By level, the rows that one route gets."""
    keep: dict[str, Bools] = {}
    above = ""
    for level in forest.levels:
        parents = forest.parents[level]
        chosen = marked[level].copy() if level in marked else np.zeros(len(parents), np.bool_)
        keep[level] = chosen | keep[above][parents] if above else chosen
        above = level
    for outer, inner in reversed(list(itertools.pairwise(forest.levels))):
        keep[outer] |= np.bincount(forest.parents[inner][keep[inner]], minlength=len(keep[outer])) > 0
    return keep


def remove(root: Any, signal: str, forest: Forest, keep: Mapping[str, Bools]) -> bool:
    """Removes rows from a decoded payload; whether nothing is left. The message is then empty."""
    if not keep["resource"].any():
        root.Clear()
        return True
    names = dict(zip(forest.levels, containers(signal), strict=False))
    holders: Sequence[Any] = [root]
    for level in forest.levels:
        stays = keep[level]
        if not stays.all():
            parents = forest.parents[level]
            for number in np.unique(parents[~stays]).tolist():
                first, last = np.searchsorted(parents, [number, number + 1]).tolist()
                retain(_below(holders[number], level, names), stays[first:last].tolist())
        holders = forest.rows[level]
    return False


@dataclass(slots=True)
class Marks:
    """Which rows go to which routes, by route and level; numbers are those of the payload as it is now.

    Args:
        rows: bool (rows of the level,) by route and level.
    """

    rows: dict[str, dict[str, Bools]] = field(default_factory=dict)

    def add(self, route: str, level: str, mask: Bools) -> None:
        """Marks rows of a level."""
        levels = self.rows.setdefault(route, {})
        levels[level] = levels[level] | mask if level in levels else mask

    def levels(self) -> set[str]:
        """The levels that have marks."""
        return {level for levels in self.rows.values() for level in levels}

    def keep(self, kept: Mapping[str, Bools]) -> None:
        """Rows have gone: the others move up."""
        for levels in self.rows.values():
            for level, mask in levels.items():
                if level in kept:
                    levels[level] = mask[kept[level]]

    def move(self, before: Forest, after: Forest) -> None:
        """Rows of messages may have gone or moved: marks follow the messages."""
        for level in self.levels():
            numbers = {id(row): n for n, row in enumerate(before.rows[level])}
            old = np.array([numbers.get(id(row), -1) for row in after.rows[level]], np.int64)
            for levels in self.rows.values():
                if level in levels:
                    padded = np.append(levels[level], False)
                    levels[level] = padded[old]

    def any(self) -> dict[str, Bools]:
        """By level, the rows that go to any route."""
        found: dict[str, Bools] = {}
        for levels in self.rows.values():
            for level, mask in levels.items():
                found[level] = found[level] | mask if level in found else mask
        return found


class RateLimiter:
    """Counts rows by period of their own time. Safe to share between threads.

    Args:
        count: rows that stay in each period.
        period: nanoseconds.
    """

    def __init__(self, count: int, period: int) -> None:
        self.count = count
        self.period = period
        self._seen: dict[int, int] = {}
        self._lock = threading.Lock()

    def admit(self, times: NDArray[np.int64]) -> Bools:
        """Which of some rows, in order, stay; bool (n,).

        Args:
            times: nanoseconds, int64 (n,).
        """
        with self._lock:
            periods, inverse = np.unique(times // self.period, return_inverse=True)
            if len(self._seen) + len(periods) > MAX_PERIODS:
                return np.array([self._admit(int(time)) for time in times.tolist()], np.bool_)
            order = np.argsort(inverse, kind="stable")
            numbers = np.bincount(inverse, minlength=len(periods))
            place = np.empty(len(times), np.int64)
            place[order] = np.arange(len(times)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
            before = np.array([self._seen.get(p, 0) for p in periods.tolist()], np.int64)
            for period, seen in zip(periods.tolist(), (before + numbers).tolist(), strict=True):
                self._seen[period] = min(seen, self.count)
            return place + before[inverse] < self.count

    def admit_one(self, time: int) -> bool:
        """Whether a row stays."""
        with self._lock:
            return self._admit(time)

    def save(self) -> dict[str, NDArray[np.int64]]:
        """What it remembers: the periods, and how many rows of each have stayed, int64 (n,) each."""
        with self._lock:
            periods = sorted(self._seen)
            stayed = [self._seen[period] for period in periods]
        return {"periods": np.array(periods, np.int64), "stayed": np.array(stayed, np.int64)}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Takes back what `save` gave, in place of what is remembered.

        Raises:
            ValueError: it does not fit.
        """
        periods, stayed = (saved.get(name, np.zeros(0, np.float64)) for name in ("periods", "stayed"))
        if periods.dtype != np.int64 or stayed.dtype != np.int64 or periods.ndim != 1 or periods.shape != stayed.shape:
            raise ValueError("the saved periods do not fit")
        newest = np.argsort(periods, kind="stable")[-MAX_PERIODS:]
        with self._lock:
            self._seen = dict(zip(periods[newest].tolist(), stayed[newest].tolist(), strict=True))

    def forget(self) -> None:
        """Begins anew."""
        with self._lock:
            self._seen.clear()

    def _admit(self, time: int) -> bool:
        period = time // self.period
        seen = self._seen.get(period)
        if seen is None:
            seen = 0
            if len(self._seen) >= MAX_PERIODS:
                del self._seen[min(self._seen)]
        if seen >= self.count:
            return False
        self._seen[period] = seen + 1
        return True

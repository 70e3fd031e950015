"""What may have caused a failure: where an error came from, and how likely each span is its root cause.

A trace has failed when a span of it has the status error; the failure begins at the start of its earliest error span,
of those the first row. A span is abnormal when its duration lies above the 95th percentile of the batch for its service
and name, from 20 spans on.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ottl.analysis import traces
from ottl.analysis.spans import Keys, Spans
from ottl.analysis.traces import Rows

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SECOND_NS = 1_000_000_000
FEW_SPANS = 20
"""Spans of an operation from which on one of them can be abnormal."""
QUANTILE = 0.95
NEIGHBOURS = 8
"""Spans of one service are compared up to so many places apart, by start, so that pairs stay linear in number."""

_EARLY, _PATH, _ERROR, _ABNORMAL = 0.3, 0.4, 0.3, 0.2
_LINK, _LIKENESS = 0.9, 0.5
_TABLE = 512
"""Up to so many sets of keys are compared with each other beforehand."""


def error_origins(spans: Spans) -> Rows:
    """For each span in error the row of the error it came from, -1 for the others; intp (n,).

    The deepest descendant that error spans connect it with, itself if there is none; of those the one that starts
    first, of those the first row.
    """
    trees, errors = spans.forest, spans.errors
    count = spans.count
    if not count:
        return np.zeros(0, np.intp)
    parent = np.where(errors & (trees.parent >= 0) & errors[trees.parent], trees.parent, -1)
    order = np.lexsort((np.arange(count), spans.starts, -trees.depth))
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    best = traces.up_minimum(parent, trees.depth, rank)
    return np.where(errors, order[best], -1).astype(np.intp)


def earliest_errors(spans: Spans, window_ns: int, limit: int) -> tuple[Rows, dict[int, list[int]]]:
    """For each span the earliest error among its ancestors, and the errors of its trace around that one.

    Args:
        spans: the spans.
        window_ns: how far the others' starts may lie from its start.
        limit: how many rows a list may have, the earliest error included.

    Returns:
        Row of the earliest error above each span, intp (n,), -1 where no ancestor is in error; and by that row the list
        of the errors: itself, then the others by their start.
    """
    trees, errors, starts = spans.forest, spans.errors, spans.starts
    count = spans.count
    lists: dict[int, list[int]] = {}
    if not count:
        return np.zeros(0, np.intp), lists
    order = np.lexsort((np.arange(count), starts))
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    least = traces.down(trees.parent, np.where(errors, rank, count), np.minimum)
    above = np.where(trees.parent >= 0, least[trees.parent], count)
    first = np.where(above < count, order[np.minimum(above, count - 1)], -1).astype(np.intp)
    by_trace = order[errors[order]]
    by_trace = by_trace[np.argsort(trees.trace[by_trace], kind="stable")]
    bounds = np.searchsorted(trees.trace[by_trace], np.arange(trees.trace_count + 1)).tolist()
    when, rows = starts[by_trace].tolist(), by_trace.tolist()
    for earliest in np.unique(first[first >= 0]).tolist():
        at, number = int(starts[earliest]), int(trees.trace[earliest])
        place = bisect.bisect_left(when, at - window_ns, bounds[number], bounds[number + 1])
        found = [earliest]
        while place < bounds[number + 1] and when[place] <= at + window_ns and len(found) < limit:
            if rows[place] != earliest:
                found.append(rows[place])
            place += 1
        lists[earliest] = found
    return first, lists


def failures(spans: Spans) -> Rows:
    """For each trace the row of its earliest error span, -1 for a trace that has not failed; intp (t,)."""
    trees = spans.forest
    rows = np.flatnonzero(spans.errors)
    return traces.first_of(trees.trace[rows], rows, spans.starts, trees.trace_count)


def operations(spans: Spans) -> NDArray[np.intp]:
    """Number of each span's service and name, intp (n,)."""
    services, names = spans.services, spans.names
    pair = services.codes.astype(np.int64) * max(len(names.names), 1) + names.codes
    numbers: NDArray[np.intp] = np.unique(pair, return_inverse=True)[1].astype(np.intp)
    return numbers


def abnormal(spans: Spans) -> Bools:
    """Whether each span took longer than most of its operation, bool (n,).

    The percentile is interpolated between the two nearest durations. A span that ends before it starts is left out.
    """
    durations = spans.durations
    found = np.zeros(spans.count, np.bool_)
    rows = np.flatnonzero(durations >= 0)
    if not len(rows):
        return found
    operation = operations(spans)[rows]
    order = np.lexsort((durations[rows], operation))
    rows, operation = rows[order], operation[order]
    first = np.flatnonzero(np.append(True, operation[1:] != operation[:-1]))
    sizes = np.diff(np.append(first, len(rows)))
    ordered = durations[rows].astype(np.float64)
    place = QUANTILE * (sizes - 1)
    below = np.floor(place).astype(np.intp)
    low = ordered[first + below]
    high = ordered[first + np.minimum(below + 1, sizes - 1)]
    limit = low + (high - low) * (place - below)
    limit[sizes < FEW_SPANS] = np.inf
    found[rows] = ordered > np.repeat(limit, sizes)
    return found


class _KeySets:
    """The sets of attribute keys that spans have, and how much of one another has.

    Args:
        keys: the keys of all spans.
        count: number of spans.
    """

    def __init__(self, keys: Keys, count: int) -> None:
        bounds = np.searchsorted(keys.owner, np.arange(count + 1)).tolist()
        codes = keys.codes.tolist()
        numbers: dict[tuple[int, ...], int] = {}
        self.of_row = np.fromiter(
            (numbers.setdefault(tuple(codes[low:high]), len(numbers)) for low, high in itertools.pairwise(bounds)),
            np.int64,
            count,
        )
        self._sets = [frozenset(codes) for codes in numbers]
        self._table: Floats | None = None
        if len(self._sets) <= _TABLE:
            self._table = np.array([[self._share(a, b) for b in self._sets] for a in self._sets])

    @staticmethod
    def _share(one: frozenset[int], other: frozenset[int]) -> float:
        return len(one & other) / len(one) if one else 0.0

    def shares(self, a: Rows, b: Rows) -> Floats:
        """The share of the first spans' keys that the second ones have, 0 for a span without keys; float64 (m,)."""
        first, second = self.of_row[a], self.of_row[b]
        if self._table is not None:
            return self._table[first, second] if len(self._sets) else np.zeros(len(a))
        pairs, inverse = np.unique(first * len(self._sets) + second, return_inverse=True)
        found = [self._share(self._sets[p // len(self._sets)], self._sets[p % len(self._sets)]) for p in pairs.tolist()]
        shares: Floats = np.array(found)[inverse]
        return shares


def likeness(spans: Spans, sets: _KeySets, a: Rows, b: Rows) -> Floats:
    """How alike pairs of spans are, 0 to 1, float64 (m,); the first of a pair starts first.

    0.3 x the share of the first's attribute keys that the second has, 0.3 for the same service, 0.2 x exp(-gap / 1 s)
    where the gap lies between the end of the first and the start of the second, 0.2 if both are in error.
    """
    gap = np.maximum(spans.starts[b] - spans.ends[a], 0).astype(np.float64) / SECOND_NS
    services = spans.services.codes
    found: Floats = (
        0.3 * sets.shares(a, b)
        + 0.3 * (services[a] == services[b])
        + 0.2 * np.exp(-gap)
        + 0.2 * (spans.errors[a] & spans.errors[b])
    )
    return found


def _edges(spans: Spans, failed: Bools) -> tuple[NDArray[np.intp], Rows, Floats]:
    """What connects spans of failed traces besides parents: links, and spans of one service that are alike.

    Returns:
        For each span the bounds of its edges, (n + 1,), and for each edge the cause and the strength, (m,).
    """
    trees, starts = spans.forest, spans.starts
    services = spans.services.codes
    linking, linked = spans.causes
    within = failed[linking] & (trees.trace[linking] == trees.trace[linked])
    causes, effects = [linked[within]], [linking[within]]
    strengths = [np.full(int(within.sum()), _LINK)]
    rows = np.flatnonzero(failed)
    order = rows[np.lexsort((rows, starts[rows], services[rows], trees.trace[rows]))]
    sets = _KeySets(spans.keys, spans.count)
    for apart in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
        a, b = order[:-apart], order[apart:]
        near = (trees.trace[a] == trees.trace[b]) & (services[a] == services[b])
        near &= np.maximum(starts[b] - spans.ends[a], 0) <= SECOND_NS
        a, b = a[near], b[near]
        alike = likeness(spans, sets, a, b)
        kept = alike > _LIKENESS
        causes.append(a[kept])
        effects.append(b[kept])
        strengths.append(alike[kept])
    every = np.concatenate(effects)
    order = np.argsort(every, kind="stable")
    bounds = np.searchsorted(every[order], np.arange(spans.count + 1))
    return bounds, np.concatenate(causes)[order], np.concatenate(strengths)[order]


def path_strengths(spans: Spans, failed_at: Rows) -> Floats:
    """How strongly each span is connected with the failure of its trace, 0 to 1, float64 (n,).

    The strength of the best path from it to the earliest error span, along causes: of parent to child 1, of a linked
    span to the one that links 0.9, of two spans that are alike (see `likeness`) more than 0.5 that likeness; a path
    multiplies. The earliest error span itself has 1.

    Args:
        spans: the spans.
        failed_at: see `failures`.
    """
    trees = spans.forest
    strengths = [0.0] * spans.count
    targets = failed_at[failed_at >= 0]
    if not len(targets):
        return np.array(strengths)
    bounds, causes, edges = _edges(spans, (failed_at >= 0)[trees.trace])
    at = bounds.tolist()
    parent = trees.parent.tolist()
    waiting = [(-1.0, row) for row in targets.tolist()]
    heapq.heapify(waiting)
    while waiting:
        negative, row = heapq.heappop(waiting)
        strength = -negative
        # Parents are as strongly connected as their children.
        while row >= 0 and strengths[row] < strength:
            strengths[row] = strength
            low, high = at[row], at[row + 1]
            if low < high:
                for cause, edge in zip(causes[low:high].tolist(), edges[low:high].tolist(), strict=True):
                    if strengths[cause] < strength * edge:
                        heapq.heappush(waiting, (-strength * edge, cause))
            row = parent[row]
    return np.array(strengths)


def scores(spans: Spans) -> tuple[Floats, Bools]:
    """How likely each span is the root cause of its trace's failure, 0 to 1.

    0.3 if it ended before the failure began, 0.4 x its connection with the failure (see `path_strengths`), 0.3 if it is
    in error, 0.2 if it is abnormal; at most 1.

    Returns:
        Scores, float64 (n,), and whether the span's trace has failed, bool (n,).
    """
    count = spans.count
    trees = spans.forest
    failed_at = failures(spans)
    target = failed_at[trees.trace] if count else np.zeros(0, np.intp)
    failed = target >= 0
    began = np.where(failed, spans.starts[np.maximum(target, 0)], 0) if count else spans.starts
    total = (
        _EARLY * (spans.ends < began)
        + _PATH * path_strengths(spans, failed_at)
        + _ERROR * spans.errors
        + _ABNORMAL * abnormal(spans)
    )
    return np.where(failed, np.minimum(total, 1.0), 0.0), failed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible root cause.

    Args:
        service: number of the service.
        score: mean over the failed traces of its best span's score, 0 in those where it has none.
        row: its best span: the highest score, of those the first row.
        traces: in how many failed traces it has a span.
        errors: whether a span of it is in error in a failed trace.
        abnormal: whether one is abnormal.
    """

    service: int
    score: float
    row: int
    traces: int
    errors: bool
    abnormal: bool


def candidates(spans: Spans) -> list[Candidate]:
    """The services in failed traces, most likely root cause first; equal ones in the order of their best spans."""
    found, failed = scores(spans)
    rows = np.flatnonzero(failed)
    if not len(rows):
        return []
    trees, services = spans.forest, spans.services.codes
    failed_traces = len(np.unique(trees.trace[rows]))
    slow = abnormal(spans)
    # The best span of every service in every failed trace.
    order = rows[np.lexsort((rows, -found[rows], trees.trace[rows], services[rows]))]
    service, trace = services[order], trees.trace[order]
    best = np.append(True, (service[1:] != service[:-1]) | (trace[1:] != trace[:-1]))
    best_rows, best_services = order[best], service[best]
    result: list[Candidate] = []
    for number in np.unique(best_services).tolist():
        own = best_rows[best_services == number]
        spans_of = rows[services[rows] == number]
        top = own[np.lexsort((own, -found[own]))[0]]
        score = math.fsum(found[own].tolist()) / failed_traces
        result.append(
            Candidate(number, score, int(top), len(own), bool(spans.errors[spans_of].any()), bool(slow[spans_of].any()))
        )
    return sorted(result, key=lambda c: (-c.score, -found[c.row], c.row))

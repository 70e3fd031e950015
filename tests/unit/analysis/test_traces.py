"""The trace graph against plain ways to compute the same, and at size."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given

from ottl.analysis import causes, traces
from ottl.analysis.spans import Spans, durations
from tests.unit.analysis.arrays import One, span_lists, spans
from tests.unit.analysis.oracles import Trees


def _none(row: int) -> int | None:
    return None if row < 0 else row


@given(span_lists())
def test_structure(ones: list[One]) -> None:
    """Parents, tops, roots, depths and counts are those found span by span."""
    forest, trees = spans(*ones).forest, Trees(ones)
    assert [_none(p) for p in forest.parent.tolist()] == trees.parent
    assert forest.depth.tolist() == [len(trees.ancestors(r)) for r in trees.rows]
    assert [_none(r) for r in forest.root.tolist()] == [trees.root(r) for r in trees.rows]
    assert traces.child_counts(forest).tolist() == [len(trees.children(r)) for r in trees.rows]
    assert traces.trace_counts(forest).tolist() == [len(trees.trace_rows(r)) for r in trees.rows]
    chosen = np.array([o.error for o in ones], np.bool_)
    assert traces.child_counts(forest, chosen).tolist() == [
        sum(ones[c].error for c in trees.children(r)) for r in trees.rows
    ]
    assert traces.trace_counts(forest, chosen).tolist() == [
        sum(ones[c].error for c in trees.trace_rows(r)) for r in trees.rows
    ]
    first, rows = forest.children
    assert [rows[first[r] : first[r + 1]].tolist() for r in trees.rows] == [trees.children(r) for r in trees.rows]
    place = {row: n for n, row in enumerate(forest.downwards.tolist())}
    assert all(place[p] < place[r] for r, p in enumerate(trees.parent) if p is not None)


@given(span_lists())
def test_times_and_clocks(ones: list[One]) -> None:
    """Self times, logical clocks and what precedes what are those found span by span."""
    batch, trees = spans(*ones), Trees(ones)
    forest = batch.forest
    found = traces.self_times(forest, batch.starts, batch.ends, batch.durations)
    assert found.tolist() == [trees.self_time(r) for r in trees.rows]
    assert traces.logical_clocks(forest, *batch.causes).tolist() == [trees.clock(r) for r in trees.rows]
    pairs = [(a, b) for a in trees.rows for b in trees.rows]
    a, b = (np.array([p[n] for p in pairs], np.intp) for n in (0, 1))
    effects, linked = batch.causes
    assert traces.precedes(batch.starts, batch.ends, forest, effects, linked, a, b).tolist() == [
        trees.precedes(*p) for p in pairs
    ]


@given(span_lists())
def test_paths(ones: list[One]) -> None:
    """The critical path is the one CRISP walks, the longest one the heaviest."""
    batch, trees = spans(*ones), Trees(ones)
    critical = traces.critical_path(batch.forest, batch.starts, batch.ends)
    assert set(np.flatnonzero(critical).tolist()) == trees.critical()
    longest = traces.longest_path(batch.forest, batch.starts, batch.durations)
    assert set(np.flatnonzero(longest).tolist()) == trees.longest()


@given(span_lists())
def test_errors(ones: list[One]) -> None:
    """Origins and earliest errors are those found span by span."""
    batch, trees = spans(*ones), Trees(ones)
    assert [_none(r) for r in causes.error_origins(batch).tolist()] == [trees.origin(r) for r in trees.rows]
    first, lists = causes.earliest_errors(batch, 5, 3)
    found = [lists[row] if row >= 0 else None for row in first.tolist()]
    assert found == [trees.earliest(r, 5, 3) for r in trees.rows]


@given(span_lists(unit=400_000_000))
def test_scores(ones: list[One]) -> None:
    """Scores are those of the best path found by trying all edges."""
    ones = ones * 3
    batch, trees = spans(*ones), Trees(ones)
    found, failed = causes.scores(batch)
    expected = [trees.score(r, causes.NEIGHBOURS) for r in trees.rows]
    assert failed.tolist() == [e is not None for e in expected]
    assert found[failed].tolist() == pytest.approx([e for e in expected if e is not None])
    assert causes.abnormal(batch).tolist() == [trees.abnormal(r) for r in trees.rows]


def test_ring_and_self_parent() -> None:
    """A span that is its own parent has none; a ring loses the edge of its first span, and no root comes of it."""
    batch = spans(
        One(span=1, parent=1),
        One(span=2, parent=3, start=5),
        One(span=3, parent=2, start=4),
        One(span=4, parent=2),
    )
    forest = batch.forest
    assert forest.parent.tolist() == [-1, 2, -1, 1]
    assert forest.root.tolist() == [-1] * 4
    assert forest.ringed.tolist() == [True, False, True, False]
    assert forest.rootless.tolist() == [True, False, True, False]


def test_ring_of_links() -> None:
    """Links that close a ring count for nothing, others do."""
    batch = spans(
        One(span=1, links=[(1, 2)]),
        One(span=2, parent=1),
        One(span=3, links=[(1, 2)]),
        One(span=4, parent=3, links=[(2, 9)]),
    )
    assert traces.logical_clocks(batch.forest, *batch.causes).tolist() == [0, 1, 2, 3]


def test_durations_that_do_not_fit() -> None:
    """A duration is at most the largest int64, and -1 where the end lies before the start."""
    most = (1 << 63) - 1
    starts, ends = np.array([-most, 5, 5], np.int64), np.array([most, 4, 5], np.int64)
    assert durations(starts, ends).tolist() == [most, -1, 0]


def test_overflowing_child() -> None:
    """A child that outlives its parent is clipped, one outside it is not on the critical path."""
    batch = spans(
        One(span=1, start=0, end=100),
        One(span=2, parent=1, start=50, end=200),
        One(span=3, parent=1, start=20, end=50),
        One(span=4, parent=1, start=10, end=60),
        One(span=5, parent=1, start=150, end=160),
        One(span=6, parent=2, start=110, end=120),
    )
    found = traces.critical_path(batch.forest, batch.starts, batch.ends)
    assert found.tolist() == [True, True, True, False, False, False]
    own = traces.self_times(batch.forest, batch.starts, batch.ends, batch.durations)
    assert own.tolist() == [10, 140, 30, 50, 10, 10]


def _shape(parents: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Spans:
    count = len(parents)
    rng = np.random.default_rng(1)
    order = rng.permutation(count)

    class Source:
        """Rows in random order, so that no order is of help."""

        count = len(parents)

        def identifiers(self) -> object:
            from ottl.analysis.spans import Identifiers

            ids = np.arange(1, count + 1, dtype=np.uint64)
            named = np.where(parents < 0, 0, parents + 1).astype(np.uint64)
            return Identifiers(np.ones((count, 2), np.uint64), ids[order], named[order])

        def times(self) -> object:
            starts = np.arange(count, dtype=np.int64)
            return starts[order], starts[order] + 2 * count

        def errors(self) -> object:
            return (np.arange(count) % 3 != 0)[order]

        def links(self) -> object:
            from ottl.analysis.spans import Links

            return Links(np.zeros(0, np.intp), np.zeros((0, 2), np.uint64), np.zeros(0, np.uint64))

    return Spans(Source())  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", ["chain", "star", "forest"])
@pytest.mark.slow
def test_a_hundred_thousand_spans(shape: str) -> None:
    """Every shape is done in a moment: nothing is quadratic, nothing recurses."""
    count = 100_000
    parents = {
        "chain": np.arange(-1, count - 1),
        "star": np.where(np.arange(count) == 0, -1, 0),
        "forest": np.where(
            np.arange(count) % 100 == 0, -1, (np.arange(count) // 100) * 100 + np.arange(count) % 100 // 3
        ),
    }[shape].astype(np.intp)
    parents[parents == np.arange(count)] = -1
    batch = _shape(parents)
    begun = time.perf_counter()
    forest = batch.forest
    assert int(forest.depth.max()) == {"chain": count - 1, "star": 1}.get(shape, int(forest.depth.max()))
    traces.self_times(forest, batch.starts, batch.ends, batch.durations)
    traces.logical_clocks(forest, *batch.causes)
    assert traces.critical_path(forest, batch.starts, batch.ends).any()
    assert traces.longest_path(forest, batch.starts, batch.durations).any()
    causes.error_origins(batch)
    causes.earliest_errors(batch, 5, 3)
    assert time.perf_counter() - begun < 20

"""The graph that spans form: parents found by identifiers, and what can be read off it, all in arrays.

Rules of the graph, for data as it comes:
- A parent is looked for in the span's own trace. Where an id occurs twice, the first row stands for it. A parent id
  that is absent makes an orphan.
- A span that names itself as parent has none. In a ring of parents the span that starts first (of those the first row)
  loses its own, so that the rest is a forest; `parent` is -1 there, as for roots and orphans.
- The root of a span is the top of its tree if that has no parent id, else the root of its trace: of the spans without
  parent id the one that starts first, of those the first row.

Nothing recurses, and nothing costs more than O(n log n) whatever the shape: what flows down the trees does so by
pointer doubling, what flows up goes level by level in flat forests and span by span in deep ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]

_DEEP = 256
"""Forests deeper than this are walked span by span: a level of theirs is too small for an array operation."""


@dataclass(frozen=True, slots=True)
class Index:
    """Rows by trace id and span id; of equal ones the first.

    Args:
        traces: the distinct trace ids, uint64 (t, 2), sorted.
        span_ids: the distinct span ids, uint64 (s,), sorted.
        pairs: trace number * s + span number of each distinct pair, int64 (p,), sorted.
        rows: the first row of each pair, intp (p,).
    """

    traces: Words
    span_ids: Words
    pairs: Ints
    rows: Rows

    def trace_numbers(self, trace: Words) -> Rows:
        """Numbers of trace ids, -1 for unknown ones; uint64 (m, 2) to intp (m,)."""
        return _find_pairs(self.traces, trace)

    def find(self, trace: Words, span: Words) -> Rows:
        """Rows of spans by trace id (m, 2) and span id (m,), -1 for those that are not here."""
        return self.find_in(self.trace_numbers(trace), span)

    def find_in(self, trace: Rows, span: Words) -> Rows:
        """Rows of spans by the number of their trace and their span id; -1 for those that are not here."""
        number = _search(self.span_ids, span)
        pair = trace.astype(np.int64) * len(self.span_ids) + number
        place = _search(self.pairs, pair)
        known = (trace >= 0) & (number >= 0) & (place >= 0)
        found = np.full(len(span), -1, np.intp)
        found[known] = self.rows[place[known]]
        return found


def _search(known: NDArray[np.generic], wanted: NDArray[np.generic]) -> Rows:
    """Positions of values in a sorted array without repetitions, -1 where they are not there."""
    if not len(known):
        return np.full(len(wanted), -1, np.intp)
    place = np.searchsorted(known, wanted)
    place = np.minimum(place, len(known) - 1)
    return np.where(known[place] == wanted, place, -1).astype(np.intp)


def _find_pairs(known: Words, wanted: Words) -> Rows:
    """As `_search`, for rows of two words."""
    high, number = np.unique(known[:, 0], return_inverse=True)
    low_words = np.unique(known[:, 1])
    keys = number.astype(np.int64) * len(low_words) + _search(low_words, known[:, 1])
    a, b = _search(high, wanted[:, 0]), _search(low_words, wanted[:, 1])
    found = _search(keys, a.astype(np.int64) * len(low_words) + b)
    return np.where((a >= 0) & (b >= 0), found, -1).astype(np.intp)


def index(trace: Words, span: Words) -> tuple[Index, Rows]:
    """The index of spans, and the number of each span's trace, intp (n,)."""
    count = len(span)
    order = np.lexsort((trace[:, 1], trace[:, 0]))
    ordered = trace[order]
    fresh = np.ones(count, np.bool_)
    if count > 1:
        fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(count, np.intp)
    numbers[order] = np.cumsum(fresh) - 1
    span_ids, span_number = np.unique(span, return_inverse=True)
    pairs, rows = np.unique(numbers.astype(np.int64) * max(len(span_ids), 1) + span_number, return_index=True)
    return Index(ordered[fresh], span_ids, pairs, rows.astype(np.intp)), numbers


@dataclass(slots=True)
class Forest:
    """The trees that spans form.

    Args:
        index: rows by identifiers.
        trace: number of each span's trace, intp (n,), from 0 to `trace_count` - 1.
        trace_count: number of traces.
        parent: row of the parent, intp (n,), -1 for the tops of trees.
        rootless: tops that are no roots: orphans and where a ring was cut; bool (n,).
        ringed: tops that close a ring, themselves included; bool (n,).
        depth: steps to the top, int64 (n,).
        top: row of the top of the tree, intp (n,).
        trace_root: row of the root of each trace, intp (t,), -1 where there is none.
        root: row of each span's root, intp (n,), -1 where there is none.
    """

    index: Index
    trace: Rows
    trace_count: int
    parent: Rows
    rootless: Bools
    ringed: Bools
    depth: Ints
    top: Rows
    trace_root: Rows
    root: Rows
    _children: tuple[Rows, Rows] | None = field(default=None)
    _downwards: Rows | None = field(default=None)

    @property
    def count(self) -> int:
        """Number of spans."""
        return len(self.parent)

    @property
    def children(self) -> tuple[Rows, Rows]:
        """Children of all spans: `rows[first[s]:first[s + 1]]` are those of span s, in the order of the payload."""
        if self._children is None:
            held = np.flatnonzero(self.parent >= 0)
            rows = held[np.argsort(self.parent[held], kind="stable")]
            first = np.zeros(self.count + 1, np.intp)
            np.cumsum(np.bincount(self.parent[held], minlength=self.count), out=first[1:])
            self._children = first, rows.astype(np.intp)
        return self._children

    @property
    def downwards(self) -> Rows:
        """All rows, parents before their children."""
        if self._downwards is None:
            self._downwards = np.argsort(self.depth, kind="stable").astype(np.intp)
        return self._downwards


def forest(trace: Words, span: Words, parent: Words, starts: Ints) -> Forest:
    """The trees of spans.

    Args:
        trace: trace ids, uint64 (n, 2).
        span: span ids, uint64 (n,).
        parent: parents' span ids, uint64 (n,), 0 for none.
        starts: when spans start, int64 (n,).
    """
    count = len(span)
    known, numbers = index(trace, span)
    named = parent != 0
    above = np.full(count, -1, np.intp)
    above[named] = known.find_in(numbers[named], parent[named])
    # A span that is its own parent: by row, or because it has the id that it names as its parent's.
    own = named & (parent == span)
    above[own] = -1
    ringed = own
    top, depth, ring = _climb(above)
    if len(ring):
        cut = _ring_heads(above, ring, starts)
        above[cut] = -1
        ringed = ringed.copy()
        ringed[cut] = True
        top, depth, _ = _climb(above)
    tops = above < 0
    rootless = tops & named
    trace_count = len(known.traces)
    roots = np.flatnonzero(tops & ~named)
    trace_root = first_of(numbers[roots], roots, starts, trace_count)
    own_root = ~rootless[top]
    root = np.where(own_root, top, trace_root[numbers] if count else top).astype(np.intp)
    return Forest(known, numbers, trace_count, above, rootless, ringed, depth, top, trace_root, root)


def first_of(groups: Rows, rows: Rows, starts: Ints, count: int) -> Rows:
    """For each group the row that starts first, of those the first; -1 for a group without rows.

    Args:
        groups: number of the group of each of the rows, (m,).
        rows: rows, (m,).
        starts: when the spans of all rows start.
        count: number of groups.
    """
    found = np.full(count, -1, np.intp)
    order = np.lexsort((rows, starts[rows]))[::-1]
    # Of equal indices the last assignment stays: the first in order.
    found[groups[order]] = rows[order]
    return found


def _climb(parent: Rows) -> tuple[Rows, Ints, Rows]:
    """Top and depth of every span by pointer doubling, and the spans on rings of parents, which have neither."""
    count = len(parent)
    self_rows = np.arange(count, dtype=np.intp)
    jump = np.where(parent < 0, self_rows, parent).astype(np.intp)
    depth = (parent >= 0).astype(np.int64)
    steps = 1
    while steps < count:
        further = jump[jump]
        if (further == jump).all():
            break
        depth += depth[jump]
        jump = further
        steps *= 2
    ring = np.unique(jump[parent[jump] >= 0]) if count else self_rows
    return jump, depth, ring.astype(np.intp)


def _ring_heads(parent: Rows, ring: Rows, starts: Ints) -> Rows:
    """Of each ring the span that starts first, of those the first row."""
    rank = np.empty(len(ring), np.intp)
    rank[np.lexsort((ring, starts[ring]))] = np.arange(len(ring))
    place = np.full(len(parent), -1, np.intp)
    place[ring] = np.arange(len(ring))
    jump = place[parent[ring]]
    least = rank.copy()
    steps = 1
    while steps < len(ring):
        least = np.minimum(least, least[jump])
        jump = jump[jump]
        steps *= 2
    least = np.minimum(least, least[jump])
    heads: Rows = ring[rank == least]
    return heads


# -- along the trees ------------------------------------------------------------------------------------------------


def down(parent: Rows, values: NDArray[Any], join: np.ufunc) -> NDArray[Any]:
    """For every span its ancestors' values and its own, joined; `join` minds neither order nor repetition.

    Args:
        parent: row of the parent, -1 for tops.
        values: (n,).
        join: such as `np.maximum` or `np.logical_and`.
    """
    count = len(parent)
    jump = np.where(parent < 0, np.arange(count), parent)
    found = values.copy()
    steps = 1
    while True:
        found = join(found, found[jump])
        further = jump[jump]
        if steps >= count or (further == jump).all():
            return join(found, found[jump])  # type: ignore[no-any-return]
        jump = further
        steps *= 2


def down_sum(parent: Rows, values: Ints) -> Ints:
    """For every span the sum of its ancestors' values and its own, int64 (n,)."""
    count = len(parent)
    # One row more stands for what lies above the tops, and adds nothing.
    jump = np.append(np.where(parent < 0, count, parent), count)
    found = np.append(values, np.int64(0))
    while (jump < count).any():
        found = found + found[jump]
        jump = jump[jump]
    return found[:-1]


def up_minimum(parent: Rows, depth: Ints, values: Ints) -> Ints:
    """For every span the least value among it and its descendants, int64 (n,)."""
    found = values.copy()
    if not len(parent):
        return found
    deepest = int(depth.max())
    order = np.argsort(-depth, kind="stable")
    order = order[parent[order] >= 0]
    if deepest <= _DEEP:
        sizes = np.bincount(depth[order], minlength=deepest + 1)[::-1]
        done = 0
        for size in sizes.tolist():
            rows = order[done : done + size]
            np.minimum.at(found, parent[rows], found[rows])
            done += size
        return found
    best = found.tolist()
    for row, above in zip(order.tolist(), parent[order].tolist(), strict=True):
        best[above] = min(best[above], best[row])
    return np.array(best, np.int64)


# -- what is read off the graph -------------------------------------------------------------------------------------


def child_counts(trees: Forest, chosen: Bools | None = None) -> Ints:
    """How many children each span has, of those chosen, int64 (n,)."""
    held = trees.parent >= 0
    if chosen is not None:
        held = held & chosen
    return np.bincount(trees.parent[held], minlength=trees.count).astype(np.int64)


def trace_counts(trees: Forest, chosen: Bools | None = None) -> Ints:
    """How many spans the trace of each span has, of those chosen, int64 (n,)."""
    numbers = trees.trace if chosen is None else trees.trace[chosen]
    return np.bincount(numbers, minlength=trees.trace_count)[trees.trace].astype(np.int64)


def self_times(trees: Forest, starts: Ints, ends: Ints, durations: Ints) -> Ints:
    """Duration less the union of the children's intervals within the span; -1 for a span that ends before it starts.

    Args:
        trees: the graph.
        starts: nanoseconds, int64 (n,).
        ends: nanoseconds, int64 (n,).
        durations: see `spans.durations`.
    """
    rows = np.flatnonzero((trees.parent >= 0) & (durations >= 0))
    above = trees.parent[rows]
    begin = np.maximum(starts[rows], starts[above])
    end = np.minimum(ends[rows], ends[above])
    inside = (begin < end) & (durations[above] >= 0)
    rows, above, begin, end = rows[inside], above[inside], begin[inside], end[inside]
    order = np.lexsort((begin, above))
    above, begin, end = above[order], begin[order], end[order]
    covered = np.zeros(len(starts), np.int64)
    if len(above):
        # The latest end before each child among its elder siblings. Ranks of ends stand for them, so that a family's
        # cannot reach into the next one.
        family = np.cumsum(np.append(False, above[1:] != above[:-1]))
        distinct, rank = np.unique(end, return_inverse=True)
        reach = np.maximum.accumulate(family * len(distinct) + rank)
        before = np.append(-1, reach[:-1])
        elder = (before >= family * len(distinct)) & (before >= 0)
        until = np.where(elder, distinct[np.where(elder, before, 0) % len(distinct)], begin)
        added = np.maximum(end - np.maximum(begin, until), 0)
        first = np.flatnonzero(np.append(True, above[1:] != above[:-1]))
        covered[above[first]] = np.add.reduceat(added, first)
    return np.where(durations < 0, np.int64(-1), durations - covered)


def logical_clocks(trees: Forest, effects: Rows, causes: Rows) -> Ints:
    """Lamport clocks: 0 for a span without cause, else 1 + the largest clock of its causes.

    The causes of a span are its parent and the spans it links to. A link that would make a span its own cause, through
    others too, counts for nothing.

    Args:
        trees: the graph.
        effects: rows of the linking spans, (m,).
        causes: rows of the spans they link to, (m,).
    """
    if not len(effects):
        return trees.depth
    component = _components(trees, effects, causes)
    kept = component[effects] != component[causes]
    effects, causes = effects[kept], causes[kept]
    if not len(effects):
        return trees.depth
    linked = _by_cause(effects, causes)
    waiting = (trees.parent >= 0).astype(np.int64)
    np.add.at(waiting, effects, 1)
    first, rows = (a.tolist() for a in trees.children)
    missing = waiting.tolist()
    clocks = [0] * trees.count
    ready = np.flatnonzero(waiting == 0).tolist()
    while ready:
        row = ready.pop()
        clock = clocks[row] + 1
        for after in (*rows[first[row] : first[row + 1]], *linked.get(row, ())):
            clocks[after] = max(clocks[after], clock)
            missing[after] -= 1
            if not missing[after]:
                ready.append(after)
    return np.array(clocks, np.int64)


def _by_cause(effects: Rows, causes: Rows) -> dict[int, list[int]]:
    """The rows that link to each row."""
    linked: dict[int, list[int]] = {}
    for effect, cause in zip(effects.tolist(), causes.tolist(), strict=True):
        linked.setdefault(cause, []).append(effect)
    return linked


def _components(trees: Forest, effects: Rows, causes: Rows) -> Ints:
    """Numbers of the strongly connected parts of parents and links, by Tarjan's algorithm (1972) without recursion.

    Trees have no rings, so the search starts from spans that are linked to.
    """
    count = trees.count
    linked = _by_cause(effects, causes)
    first, rows = (a.tolist() for a in trees.children)
    number = [0] * count
    low = [0] * count
    component = [-1] * count
    clock = parts = 0
    stack: list[int] = []
    for start in np.unique(causes).tolist():
        if number[start]:
            continue
        path: list[tuple[int, int]] = [(start, 0)]
        while path:
            row, place = path[-1]
            if place == 0:
                clock += 1
                number[row] = low[row] = clock
                stack.append(row)
            below = first[row + 1] - first[row]
            links = linked.get(row, ())
            if place < below + len(links):
                path[-1] = (row, place + 1)
                after = rows[first[row] + place] if place < below else links[place - below]
                if not number[after]:
                    path.append((after, 0))
                elif component[after] < 0:
                    low[row] = min(low[row], number[after])
                continue
            path.pop()
            if low[row] == number[row]:
                while True:
                    member = stack.pop()
                    component[member] = parts
                    if member == row:
                        break
                parts += 1
            if path:
                above = path[-1][0]
                low[above] = min(low[above], low[row])
    found = np.array(component, np.int64)
    lonely = np.flatnonzero(found < 0)
    found[lonely] = parts + np.arange(len(lonely))
    return found


def precedes(starts: Ints, ends: Ints, trees: Forest, effects: Rows, causes: Rows, a: Rows, b: Rows) -> Bools:
    """Whether a causally precedes b, at once: a ends before b starts, and is b's parent or linked to by b.

    Args:
        starts: nanoseconds, int64 (n,).
        ends: nanoseconds, int64 (n,).
        trees: the graph.
        effects: rows of linking spans.
        causes: rows of the spans they link to.
        a: rows, (m,).
        b: rows, (m,).
    """
    edges = np.unique(effects.astype(np.int64) * trees.count + causes)
    linked = _search(edges, b.astype(np.int64) * trees.count + a) >= 0
    found: Bools = (ends[a] < starts[b]) & ((trees.parent[b] == a) | linked)
    return found


def critical_path(trees: Forest, starts: Ints, ends: Ints) -> Bools:
    """Whether each span lies on the critical path of its trace, bool (n,), as CRISP has it.

    From the end of the trace's root the path goes into the child that finished last, then into the one that finished
    last before that child started, and so on, and in each of them likewise. Spans are clipped to their ancestors; what
    lies outside them is not on the path. A trace without root has the top that starts first in its place. Of children
    that finish together the one that starts first is taken, of those the first row.

    Args:
        trees: the graph.
        starts: nanoseconds, int64 (n,).
        ends: nanoseconds, int64 (n,).
    """
    count = trees.count
    if not count:
        return np.zeros(0, np.bool_)
    begin = down(trees.parent, starts, np.maximum)
    end = down(trees.parent, ends, np.minimum)
    inside = begin <= end
    chosen = np.zeros(count, np.bool_)
    chosen[_heads(trees, starts)] = True
    rows = np.flatnonzero((trees.parent >= 0) & inside)
    if len(rows):
        above = trees.parent[rows]
        order = np.lexsort((rows, begin[rows], -1 - end[rows], above))
        rows, above = rows[order], above[order]
        family = np.cumsum(np.append(False, above[1:] != above[:-1]))
        first = np.append(True, above[1:] != above[:-1])
        # Behind each child the first of its siblings that ends when it starts, or before: found by ranks of times,
        # from the latest.
        times = np.unique(np.concatenate([begin[rows], end[rows]]))
        size = len(times)
        late_end = size - 1 - np.searchsorted(times, end[rows])
        late_begin = size - 1 - np.searchsorted(times, begin[rows])
        following = np.searchsorted(family * size + late_end, family * size + late_begin)
        places = np.arange(len(rows))
        following = np.maximum(following, places + 1)
        known = following < len(rows)
        known[known] = family[following[known]] == family[known]
        following = np.where(known, following, len(rows))
        taken = _reached(first, following)
        chosen[rows[taken]] = True
    return down(trees.parent, chosen, np.logical_and).astype(np.bool_)


def _heads(trees: Forest, starts: Ints) -> Rows:
    """For each trace where its critical path starts."""
    tops = np.flatnonzero(trees.parent < 0)
    fallback = first_of(trees.trace[tops], tops, starts, trees.trace_count)
    return np.where(trees.trace_root >= 0, trees.trace_root, fallback)


def _reached(begun: Bools, following: NDArray[np.intp]) -> Bools:
    """What is reached from the marked places by going on to the following ones; the count stands for the end."""
    count = len(begun)
    reached = np.append(begun, False)
    jump = np.append(following, count)
    steps = 1
    while steps <= count:
        reached[jump[reached]] = True
        reached[count] = False
        jump = jump[jump]
        if (jump == count).all():
            break
        steps *= 2
    return reached[:-1]


def longest_path(trees: Forest, starts: Ints, durations: Ints) -> Bools:
    """Whether each span lies on the path from its trace's root to a leaf with the largest sum of durations, bool (n,).

    Of equal paths the one that ends in the first row. A span that ends before it starts adds nothing.
    """
    found = np.zeros(trees.count, np.bool_)
    if not trees.count:
        return found
    # Bounded so that no sum along a path can overflow.
    bound = ((1 << 63) - 1) // (int(trees.depth.max()) + 1)
    total = down_sum(trees.parent, np.clip(durations, 0, bound))
    leaf = child_counts(trees) == 0
    heads = _heads(trees, starts)
    rows = np.flatnonzero(leaf & (heads[trees.trace] == trees.top))
    order = np.lexsort((rows, -1 - total[rows]))[::-1]
    last = np.full(trees.trace_count, -1, np.intp)
    last[trees.trace[rows[order]]] = rows[order]
    parent = trees.parent.tolist()
    marked: list[int] = []
    for leaf_row in last.tolist():
        row = leaf_row
        while row >= 0:
            marked.append(row)
            row = parent[row]
    found[marked] = True
    return found

"""Slow and plain: what the analysis functions mean, span by span."""

from __future__ import annotations

import math
from functools import cached_property

from tests.unit.analysis.arrays import One


class Trees:
    """The graph of a payload.

    Args:
        ones: its spans.
    """

    def __init__(self, ones: list[One]) -> None:
        self.ones = ones
        self.rows = range(len(ones))
        self.parent: list[int | None] = [self._named_parent(row) for row in self.rows]
        for row in self.rows:
            ring = self._ring(row)
            if ring:
                self.parent[min(ring, key=lambda r: (ones[r].start, r))] = None

    def find(self, trace: int, span: int) -> int | None:
        """The first row with an id."""
        return next((r for r in self.rows if (self.ones[r].trace, self.ones[r].span) == (trace, span)), None)

    def _named_parent(self, row: int) -> int | None:
        one = self.ones[row]
        return None if one.parent in (0, one.span) else self.find(one.trace, one.parent)

    def _ring(self, row: int) -> list[int]:
        path: list[int] = []
        at: int | None = row
        while at is not None and at not in path:
            path.append(at)
            at = self.parent[at]
        return path if at == row else []

    def ancestors(self, row: int) -> list[int]:
        """From the parent up."""
        found: list[int] = []
        at = self.parent[row]
        while at is not None:
            found.append(at)
            at = self.parent[at]
        return found

    def children(self, row: int) -> list[int]:
        """In the order of the payload."""
        return [r for r in self.rows if self.parent[r] == row]

    def trace_rows(self, row: int) -> list[int]:
        """All spans of a span's trace."""
        return [r for r in self.rows if self.ones[r].trace == self.ones[row].trace]

    def trace_root(self, row: int) -> int | None:
        """The earliest span of the trace without parent id."""
        found = [r for r in self.trace_rows(row) if not self.ones[r].parent]
        return min(found, key=lambda r: (self.ones[r].start, r), default=None)

    def root(self, row: int) -> int | None:
        """Of the own tree, else of the trace."""
        top = [row, *self.ancestors(row)][-1]
        return top if not self.ones[top].parent else self.trace_root(row)

    def duration(self, row: int) -> int:
        """-1 for a span that ends before it starts."""
        one = self.ones[row]
        return -1 if one.end < one.start else one.end - one.start

    def self_time(self, row: int) -> int:
        """Instants of the span in which no child runs."""
        one = self.ones[row]
        if one.end < one.start:
            return -1
        busy = [(self.ones[c].start, self.ones[c].end) for c in self.children(row)]
        return sum(not any(s <= t < e for s, e in busy) for t in range(one.start, one.end))

    @cached_property
    def causes(self) -> list[set[int]]:
        """Parent and links of each span, less the links that close a ring."""
        links = [
            {f for t, s in one.links if (f := self.find(t, s)) is not None} for one in self.ones
        ]  # fmt: skip
        everything = [links[r] | ({p} if (p := self.parent[r]) is not None else set()) for r in self.rows]

        def reaches(start: int, wanted: int) -> bool:
            seen: set[int] = set()
            pending = [start]
            while pending:
                at = pending.pop()
                if at == wanted:
                    return True
                if at not in seen:
                    seen.add(at)
                    pending += everything[at]
            return False

        found: list[set[int]] = []
        for row in self.rows:
            kept = {c for c in links[row] if not reaches(c, row)}
            if (p := self.parent[row]) is not None:
                kept.add(p)
            found.append(kept)
        return found

    def clock(self, row: int) -> int:
        """Lamport's."""
        return max((1 + self.clock(c) for c in self.causes[row]), default=0)

    def precedes(self, a: int, b: int) -> bool:
        """At once."""
        one, other = self.ones[a], self.ones[b]
        linked = any(self.find(t, s) == a for t, s in other.links)
        return one.end < other.start and (self.parent[b] == a or linked)

    def head(self, row: int) -> int:
        """Where the critical path of the trace starts."""
        root = self.trace_root(row)
        if root is not None:
            return root
        tops = [r for r in self.trace_rows(row) if self.parent[r] is None]
        return min(tops, key=lambda r: (self.ones[r].start, r))

    def critical(self) -> set[int]:
        """As CRISP walks."""
        found: set[int] = set()

        def walk(row: int, begin: int, end: int) -> None:
            found.add(row)
            inside = []
            for child in self.children(row):
                low, high = max(begin, self.ones[child].start), min(end, self.ones[child].end)
                if low <= high:
                    inside.append((-high, low, child))
            until: int | None = None
            for negative, low, child in sorted(inside):
                if until is None or -negative <= until:
                    walk(child, low, -negative)
                    until = low

        for head in {self.head(row) for row in self.rows}:
            if self.ones[head].start <= self.ones[head].end:
                walk(head, self.ones[head].start, self.ones[head].end)
            found.add(head)
        return found

    def longest(self) -> set[int]:
        """The heaviest path from each head."""
        found: set[int] = set()
        for head in {self.head(row) for row in self.rows}:
            best: tuple[int, int] | None = None
            for leaf in self.rows:
                path = [leaf, *self.ancestors(leaf)]
                if head in path and not self.children(leaf):
                    total = sum(max(self.duration(r), 0) for r in path)
                    if best is None or total > best[0]:
                        best = (total, leaf)
            assert best is not None
            found |= {best[1], *self.ancestors(best[1])}
        return found

    # -- errors -------------------------------------------------------------------------------------------------------

    def origin(self, row: int) -> int | None:
        """The deepest error below that errors connect with."""
        if not self.ones[row].error:
            return None
        reached, pending = [], [(0, row)]
        while pending:
            depth, at = pending.pop()
            reached.append((-depth, self.ones[at].start, at))
            pending += [(depth + 1, c) for c in self.children(at) if self.ones[c].error]
        return min(reached)[2]

    def earliest(self, row: int, window: int, limit: int) -> list[int] | None:
        """The earliest error above, and the errors around it."""
        above = [r for r in self.ancestors(row) if self.ones[r].error]
        if not above:
            return None
        first = min(above, key=lambda r: (self.ones[r].start, r))
        around = sorted(
            (self.ones[r].start, r)
            for r in self.trace_rows(row)
            if r != first and self.ones[r].error and abs(self.ones[r].start - self.ones[first].start) <= window
        )
        return [first, *(r for _, r in around)][:limit]

    def failure(self, row: int) -> int | None:
        """The earliest error of the trace."""
        errors = [r for r in self.trace_rows(row) if self.ones[r].error]
        return min(errors, key=lambda r: (self.ones[r].start, r), default=None)

    def abnormal(self, row: int) -> bool:
        """Above the 95th percentile of its operation."""
        one = self.ones[row]
        same = sorted(
            self.duration(r)
            for r in self.rows
            if (self.ones[r].service, self.ones[r].name) == (one.service, one.name) and self.duration(r) >= 0
        )
        if len(same) < 20 or self.duration(row) < 0:
            return False
        place = 0.95 * (len(same) - 1)
        low = math.floor(place)
        high = min(low + 1, len(same) - 1)
        return self.duration(row) > same[low] + (same[high] - same[low]) * (place - low)

    def likeness(self, a: int, b: int) -> float:
        """Of two spans, the first starting first."""
        one, other = self.ones[a], self.ones[b]
        shared = len(set(one.keys) & set(other.keys)) / len(set(one.keys)) if one.keys else 0.0
        gap = max(other.start - one.end, 0) / 1e9
        same, both = one.service == other.service, one.error and other.error
        return 0.3 * shared + 0.3 * same + 0.2 * math.exp(-gap) + 0.2 * both

    def strength(self, row: int, neighbours: int) -> float:
        """The best path to the failure, by relaxing all edges until nothing changes."""
        target = self.failure(row)
        if target is None:
            return 0.0
        edges: list[tuple[int, int, float]] = []
        members = self.trace_rows(row)
        for effect in members:
            if (p := self.parent[effect]) is not None:
                edges.append((p, effect, 1.0))
            for t, s in self.ones[effect].links:
                cause = self.find(t, s)
                if cause is not None and cause in members:
                    edges.append((cause, effect, 0.9))
        for service in {self.ones[r].service for r in members}:
            order = sorted(
                (r for r in members if self.ones[r].service == service), key=lambda r: (self.ones[r].start, r)
            )
            for i, a in enumerate(order):
                edges += [
                    (a, b, self.likeness(a, b))
                    for b in order[i + 1 : i + 1 + neighbours]
                    if max(self.ones[b].start - self.ones[a].end, 0) <= 10**9 and self.likeness(a, b) > 0.5
                ]
        best: dict[int, float] = {target: 1.0}
        for _ in members:
            for cause, effect, edge in edges:
                best[cause] = max(best.get(cause, 0.0), best.get(effect, 0.0) * edge)
        return best.get(row, 0.0)

    def score(self, row: int, neighbours: int) -> float | None:
        """How likely the span is the root cause."""
        target = self.failure(row)
        if target is None:
            return None
        total = 0.3 * (self.ones[row].end < self.ones[target].start) + 0.4 * self.strength(row, neighbours)
        return min(1.0, total + 0.3 * self.ones[row].error + 0.2 * self.abnormal(row))


# -- series ---------------------------------------------------------------------------------------------------------


def ewma(values: list[float], alpha: float) -> list[float]:
    """By its recurrence."""
    found: list[float] = []
    for x in values:
        found.append(x if not found else alpha * x + (1 - alpha) * found[-1])
    return found


def mean(values: list[float]) -> float:
    """Of some values, exactly rounded."""
    return math.fsum(values) / len(values)


def deviation(values: list[float]) -> float:
    """Of a sample."""
    middle = mean(values)
    return math.sqrt(math.fsum((v - middle) ** 2 for v in values) / (len(values) - 1))


def deviations(values: list[float], window: int) -> list[float | None]:
    """Over the last values, the newest included."""
    found: list[float | None] = []
    for n in range(1, len(values) + 1):
        last = values[max(0, n - window) : n]
        found.append(deviation(last) if len(last) > 1 else None)
    return found


def scores(values: list[float], window: int) -> list[float | None]:
    """Against the values before."""
    found: list[float | None] = []
    for n, x in enumerate(values):
        last = values[max(0, n - window) : n]
        if len(last) < 2:
            found.append(None)
        elif len(set(last)) == 1:
            found.append(0.0 if x == last[0] else math.copysign(math.inf, x - last[0]))
        else:
            found.append((x - mean(last)) / deviation(last))
    return found


def alarms(found: list[float | None], threshold: float, hold: int) -> list[bool]:
    """True once, then silent."""
    given: list[bool] = []
    silent = 0
    for score in found:
        alarm = silent == 0 and score is not None and abs(score) > threshold
        silent = hold if alarm else max(silent - 1, 0)
        given.append(alarm)
    return given

"""Spans for the tests of the analysis: written as plain tuples, seen as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from ottl.analysis.spans import Identifiers, Ints, Keys, Labels, Links, Spans


@dataclass
class One:
    """A span.

    Args:
        trace: number of its trace.
        span: its id, 0 for none.
        parent: its parent's id, 0 for none.
        start: nanoseconds.
        end: nanoseconds.
        error: whether its status is an error.
        service: its service.
        name: its name.
        links: trace and span id of the spans it links to.
        keys: its attribute keys.
    """

    trace: int = 1
    span: int = 0
    parent: int = 0
    start: int = 0
    end: int = 0
    error: bool = False
    service: str = "a"
    name: str = "x"
    links: list[tuple[int, int]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def _labels(texts: list[str]) -> Labels:
    names = list(dict.fromkeys(texts))
    return Labels(np.array([names.index(t) for t in texts], np.intp), [n.encode() for n in names])


def _traces(numbers: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    # The more significant half varies less, so that both take part.
    return np.array([(n % 2, n) for n in numbers], np.uint64).reshape(len(numbers), 2)


class Given:
    """The source of the arrays."""

    def __init__(self, ones: list[One]) -> None:
        self.ones = ones

    @property
    def count(self) -> int:
        return len(self.ones)

    def identifiers(self) -> Identifiers:
        return Identifiers(
            _traces([o.trace for o in self.ones]),
            np.array([o.span for o in self.ones], np.uint64),
            np.array([o.parent for o in self.ones], np.uint64),
        )

    def times(self) -> tuple[Ints, Ints]:
        return np.array([o.start for o in self.ones], np.int64), np.array([o.end for o in self.ones], np.int64)

    def errors(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([o.error for o in self.ones], np.bool_)

    def services(self) -> Labels:
        return _labels([o.service for o in self.ones])

    def names(self) -> Labels:
        return _labels([o.name for o in self.ones])

    def links(self) -> Links:
        found = [(row, t, s) for row, o in enumerate(self.ones) for t, s in o.links]
        return Links(
            np.array([f[0] for f in found], np.intp),
            _traces([f[1] for f in found]),
            np.array([f[2] for f in found], np.uint64),
        )

    def keys(self) -> Keys:
        known = sorted({k for o in self.ones for k in o.keys})
        found = [(row, known.index(k)) for row, o in enumerate(self.ones) for k in o.keys]
        return Keys(np.array([f[0] for f in found], np.intp), np.array([f[1] for f in found], np.intp))


def spans(*ones: One) -> Spans:
    """The spans as the algorithms see them."""
    return Spans(Given(list(ones)))


@st.composite
def span_lists(draw: st.DrawFn, unit: int = 1) -> list[One]:
    """Small payloads with everything that goes wrong: repeated ids, rings, missing parents, skewed clocks.

    Args:
        draw: of hypothesis.
        unit: nanoseconds of a step of the clock.
    """
    ids = st.integers(0, 7)
    return draw(
        st.lists(
            st.builds(
                lambda trace, span, parent, start, length, error, service, name, links, keys: One(
                    trace, span, parent, start * unit, (start + length) * unit, error, service, name, links, keys
                ),
                st.integers(1, 3),
                st.one_of(ids, st.integers(1, 30)),
                ids,
                st.integers(0, 12),
                st.integers(-2, 12),
                st.booleans(),
                st.sampled_from("abc"),
                st.sampled_from("xy"),
                st.lists(st.tuples(st.integers(1, 3), ids), max_size=2),
                st.lists(st.sampled_from("klmn"), max_size=3, unique=True),
            ),
            max_size=14,
        )
    )

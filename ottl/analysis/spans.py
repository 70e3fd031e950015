"""The spans of a payload as arrays: what the algorithms on traces read.

`Spans` asks its `Source` for a part when that is first needed and keeps it; whoever changes the payload says which
parts are stale (`forget`). Rows are spans in the order of the payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ottl.analysis import traces
from ottl.analysis.traces import Forest

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]
INT64_MAX = (1 << 63) - 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Who a span is.

    Args:
        trace: trace id, uint64 (n, 2), most significant half first.
        span: span id, uint64 (n,).
        parent: parent's span id, uint64 (n,), 0 for none.
    """

    trace: Words
    span: Words
    parent: Words


@dataclass(frozen=True, slots=True)
class Links:
    """The links of all spans, those of a span together.

    Args:
        owner: row of the span that has the link, intp (m,), ascending.
        trace: trace id of the linked span, uint64 (m, 2).
        span: its span id, uint64 (m,).
    """

    owner: NDArray[np.intp]
    trace: Words
    span: Words


@dataclass(frozen=True, slots=True)
class Labels:
    """A text for each span, as a number into the distinct texts.

    Args:
        codes: intp (n,).
        names: the texts, in the order of their first rows.
    """

    codes: NDArray[np.intp]
    names: list[bytes]


@dataclass(frozen=True, slots=True)
class Keys:
    """The attribute keys of all spans, those of a span together.

    Args:
        owner: row of the span, intp (m,), ascending.
        codes: number of the key, intp (m,); equal keys have equal numbers.
    """

    owner: NDArray[np.intp]
    codes: NDArray[np.intp]


class Source(Protocol):
    """Where the arrays come from: tables or messages."""

    @property
    def count(self) -> int:
        """Number of spans."""

    def identifiers(self) -> Identifiers:
        """Who the spans are."""

    def times(self) -> tuple[Ints, Ints]:
        """Starts and ends, nanoseconds since the epoch, int64 (n,) each."""

    def errors(self) -> Bools:
        """Whether the status is an error, bool (n,)."""

    def services(self) -> Labels:
        """The service of each span."""

    def names(self) -> Labels:
        """The name of each span."""

    def links(self) -> Links:
        """The links."""

    def keys(self) -> Keys:
        """The attribute keys."""


PARTS = ("identifiers", "times", "errors", "services", "names", "links", "keys")


class Spans:
    """The spans of a payload.

    Args:
        source: where the arrays come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: dict[str, tuple[frozenset[str], Any]] = {}

    @property
    def count(self) -> int:
        """Number of spans."""
        return self._source.count

    def forget(self, parts: Iterable[str]) -> None:
        """Drops parts that are stale, and what was computed from them."""
        stale = frozenset(parts)
        self._kept = {name: kept for name, kept in self._kept.items() if not kept[0] & stale}

    def derived(self, name: str, parts: Iterable[str], make: Callable[[], T]) -> T:
        """Something computed from parts, kept under a name until one of them is stale."""
        found = self._kept.get(name)
        if found is None:
            found = self._kept[name] = (frozenset(parts), make())
        return found[1]

    def _part(self, name: str) -> Any:
        return self.derived(name, (name,), getattr(self._source, name))

    @property
    def identifiers(self) -> Identifiers:
        """Who the spans are."""
        return self._part("identifiers")  # type: ignore[no-any-return]

    @property
    def starts(self) -> Ints:
        """When spans start, nanoseconds since the epoch, int64 (n,)."""
        return self._part("times")[0]  # type: ignore[no-any-return]

    @property
    def ends(self) -> Ints:
        """When spans end."""
        return self._part("times")[1]  # type: ignore[no-any-return]

    @property
    def errors(self) -> Bools:
        """Whether the status is an error."""
        return self._part("errors")  # type: ignore[no-any-return]

    @property
    def services(self) -> Labels:
        """The service of each span."""
        return self._part("services")  # type: ignore[no-any-return]

    @property
    def names(self) -> Labels:
        """The name of each span."""
        return self._part("names")  # type: ignore[no-any-return]

    @property
    def links(self) -> Links:
        """The links."""
        return self._part("links")  # type: ignore[no-any-return]

    @property
    def keys(self) -> Keys:
        """The attribute keys."""
        return self._part("keys")  # type: ignore[no-any-return]

    @property
    def durations(self) -> Ints:
        """Ends less starts, at most the largest int64; -1 for a span that ends before it starts."""
        return self.derived("durations", ("times",), lambda: durations(self.starts, self.ends))

    @property
    def forest(self) -> Forest:
        """The trees that parents form."""

        def make() -> Forest:
            ids = self.identifiers
            return traces.forest(ids.trace, ids.span, ids.parent, self.starts)

        return self.derived("forest", ("identifiers", "times"), make)

    @property
    def causes(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The links whose span is here: rows of the linking span and of the linked one, (m,) each."""

        def make() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
            links = self.links
            if not len(links.owner):
                return links.owner, links.owner
            rows = self.forest.index.find(links.trace, links.span)
            known = rows >= 0
            return links.owner[known], rows[known]

        return self.derived("causes", ("identifiers", "times", "links"), make)


def durations(starts: Ints, ends: Ints) -> Ints:
    """Ends less starts; see `Spans.durations`."""
    found = np.subtract(ends, starts)
    # A difference that does not fit wraps to a negative one.
    found = np.where(found < 0, INT64_MAX, found)
    return np.where(ends < starts, np.int64(-1), found)

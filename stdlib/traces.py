"""Functions over whole traces: what a span is among the others of its trace.

They see the spans of the payload (for files, of the file), grouped by trace id, as they are before the statement
changes anything, and those that a group's conditions leave out too. A span's parent is looked for in its own trace;
see `ottl.analysis.traces` for what happens with ids that are missing, repeated or go round in circles. Time is
O(n log n) in the spans whatever the shape of the traces, memory O(n).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ottl.analysis import traces
from ottl.analysis.spans import Spans
from ottl.functions import Answer, Argument, ConditionOnAll, Const, Taken, Trace, ValueOnAll, converter
from ottl.stdlib.statistics import check_method
from ottl.types import Duration, Value

PATH_METHODS = ("crisp", "longest")

_STRUCTURE = ("identifiers", "times")


@converter("Parent", extension=True, over="trace", reads=_STRUCTURE, contexts=("span",))
def parent(trace: Trace[Spans], x: ValueOnAll) -> Value:
    """The value that x has on the parent span; nil where there is no parent.

    Args:
        trace: the spans.
        x: any expression.

    Source: OpenTelemetry specification, Trace API, span parent.
    """
    return Taken(x, trace.forest.parent)  # type: ignore[return-value]


@converter("Root", extension=True, over="trace", reads=_STRUCTURE, contexts=("span",))
def root(trace: Trace[Spans], x: ValueOnAll) -> Value:
    """The value that x has on the root span; nil where there is none.

    The root is the top of the span's tree if that has no parent id, else the span of the trace without parent id that
    starts first.

    Args:
        trace: the spans.
        x: any expression.

    Source: OpenTelemetry specification, Trace API, root span.
    """
    return Taken(x, trace.forest.root)  # type: ignore[return-value]


def _first_failed(failed: NDArray[np.bool_], groups: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """The first row of each group on which a condition failed, -1 where there is none; group -1 is nobody's."""
    found = np.full(count, -1, np.intp)
    rows = np.flatnonzero(failed & (groups >= 0))[::-1]
    found[groups[rows]] = rows
    return found


def _failures(
    condition: Argument | None, groups: NDArray[np.intp], count: int, of_row: NDArray[np.intp] | None
) -> tuple[tuple[Argument, NDArray[np.intp]], ...]:
    if condition is None or not condition.failed.any():
        return ()
    first = _first_failed(condition.failed, groups, count)
    return ((condition, first if of_row is None else first[of_row]),)


@converter("TraceCount", extension=True, over="trace", reads=_STRUCTURE, contexts=("span",))
def trace_count(trace: Trace[Spans], condition: ConditionOnAll | None = None) -> int:
    """How many spans the trace has, or how many on which a condition holds.

    A condition that fails on a span makes the call fail on all spans of its trace.

    Args:
        trace: the spans.
        condition: left out, all count.

    Source: analysis functions of this project.
    """
    forest = trace.forest
    found = traces.trace_counts(forest, None if condition is None else condition.truths())
    return Answer(found, None, _failures(condition, forest.trace, forest.trace_count, forest.trace))  # type: ignore[return-value]


@converter("ChildCount", extension=True, over="trace", reads=_STRUCTURE, contexts=("span",))
def child_count(trace: Trace[Spans], condition: ConditionOnAll | None = None) -> int:
    """How many children the span has, or how many on which a condition holds.

    A condition that fails on a span makes the call fail on its parent.

    Args:
        trace: the spans.
        condition: left out, all count.

    Source: analysis functions of this project.
    """
    forest = trace.forest
    found = traces.child_counts(forest, None if condition is None else condition.truths())
    return Answer(found, None, _failures(condition, forest.parent, forest.count, None))  # type: ignore[return-value]


@converter("SelfTime", extension=True, over="trace", reads=_STRUCTURE, contexts=("span",))
def self_time(trace: Trace[Spans]) -> Duration | None:
    """The duration of the span less the time in which children of it run; nil where it ends before it starts.

    Children are clipped to the span, and where they overlap their time counts once.

    Args:
        trace: the spans.

    Source: analysis functions of this project; M. Hauswirth et al. call it exclusive time.
    """
    found = trace.derived(
        "self times",
        _STRUCTURE,
        lambda: traces.self_times(trace.forest, trace.starts, trace.ends, trace.durations),
    )
    return Answer(found, found >= 0)  # type: ignore[return-value]


@converter("LogicalClock", extension=True, over="trace", reads=(*_STRUCTURE, "links"), contexts=("span",))
def logical_clock(trace: Trace[Spans]) -> int:
    """The span's Lamport clock: 0 without cause, else 1 + the largest clock of its causes.

    Causes are the parent and the spans it links to, those of other traces too; a link that would make a span its own
    cause counts for nothing.

    Args:
        trace: the spans.

    Source: L. Lamport, Time, clocks, and the ordering of events in a distributed system, 1978.
    """
    found = trace.derived(
        "logical clocks", (*_STRUCTURE, "links"), lambda: traces.logical_clocks(trace.forest, *trace.causes)
    )
    return Answer(found)  # type: ignore[return-value]


@converter("CausallyPrecedes", extension=True, over="trace", reads=(*_STRUCTURE, "links"), contexts=("span",))
def causally_precedes(trace: Trace[Spans], a: ValueOnAll, b: ValueOnAll) -> bool | None:
    """Whether span a is a direct cause of span b: it ends before b starts, and is b's parent or b links to it.

    Nil where the row's trace has no such span.

    Args:
        trace: the spans.
        a: span id, or its 16 hexadecimal digits.
        b: span id, or its 16 hexadecimal digits.

    Source: L. Lamport, Time, clocks, and the ordering of events in a distributed system, 1978.
    """
    forest = trace.forest
    (a_ids, a_known), (b_ids, b_known) = a.span_ids(), b.span_ids()
    first, second = (forest.index.find_in(forest.trace, ids) for ids in (a_ids, b_ids))
    known = a_known & b_known & (first >= 0) & (second >= 0)
    rows = np.flatnonzero(known)
    found = np.zeros(forest.count, np.bool_)
    found[rows] = traces.precedes(trace.starts, trace.ends, forest, *trace.causes, first[rows], second[rows])
    own = np.arange(forest.count)
    return Answer(found, known, ((a, own), (b, own)))  # type: ignore[return-value]


@converter("IsOnCriticalPath", extension=True, over="trace", reads=_STRUCTURE, contexts=("span",))
def is_on_critical_path(trace: Trace[Spans], method: Const[str] = "crisp") -> bool:
    """Whether the span lies on the critical path of its trace.

    `crisp` walks back from the end of the root, always into the child that finished last, then into the one that
    finished last before that one started; `longest` takes the path from the root to a leaf with the largest sum of
    durations. A trace without root has the topmost span that starts first in its place.

    Args:
        trace: the spans.
        method: `crisp` or `longest`.

    Source: Z. Zhang et al., CRISP: critical path analysis of large-scale microservice architectures, USENIX ATC 2022.
    """

    def crisp() -> NDArray[np.bool_]:
        return traces.critical_path(trace.forest, trace.starts, trace.ends)

    def longest() -> NDArray[np.bool_]:
        return traces.longest_path(trace.forest, trace.starts, trace.durations)

    found = trace.derived(f"{method} path", _STRUCTURE, longest if method == "longest" else crisp)
    return Answer(found)  # type: ignore[return-value]


@is_on_critical_path.checked
def _(method: str) -> None:
    check_method(method, PATH_METHODS)

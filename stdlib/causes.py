"""Errors and root causes: where an error came from, and what made a trace fail.

A trace has failed when one of its spans has the status error. Like the other functions over whole traces, these see all
spans of the payload as they are before the statement changes anything.
"""

from __future__ import annotations

from typing import Annotated

from ottl.analysis import causes
from ottl.analysis.spans import Spans
from ottl.functions import Answer, Compiled, Const, Trace, converter
from ottl.stdlib import times
from ottl.stdlib.statistics import check_method
from ottl.types import Map, Slice, Value

CAUSE_METHODS = ("score",)
GROUPINGS = ("service",)

_ERRORS = ("identifiers", "times", "errors")
_SCORES = (*_ERRORS, "services", "names", "links", "keys")


def _length(text: str) -> int:
    found = int(times.duration(text.encode()))
    if found < 0:
        raise ValueError(f"the window must not be negative, got {text}")
    return found


Window = Const[Annotated[str, Compiled(_length)]]


def _hex(words: list[int]) -> bytes:
    return "".join(f"{word:016x}" for word in words).encode()


@converter("ErrorOrigin", extension=True, over="trace", reads=_ERRORS, contexts=("span",))
def error_origin(trace: Trace[Spans]) -> str | None:
    """The span id, as text, of the error that this span's error came from; nil on a span that is not in error.

    It is the deepest descendant that error spans connect the span with, or the span itself; of several the one that
    starts first.

    Args:
        trace: the spans.

    Source: analysis functions of this project.
    """
    rows = trace.derived("error origins", _ERRORS, lambda: causes.error_origins(trace))
    ids = trace.identifiers.span.tolist()
    return Answer([None if row < 0 else _hex([ids[row]]) for row in rows.tolist()])  # type: ignore[return-value]


@converter("EarliestError", extension=True, over="trace", reads=_ERRORS, contexts=("span",))
def earliest_error(trace: Trace[Spans], window: Window = "5s", limit: Const[int] = 100) -> Slice | None:
    """Span ids, as texts: the earliest error among the span's ancestors, then the errors of its trace around that one.

    The others are those that start within the window before or after it, in the order of their starts. Nil where no
    ancestor is in error.

    Args:
        trace: the spans.
        window: a duration such as `5s`.
        limit: how many ids at most.

    Source: analysis functions of this project.
    """
    first, lists = causes.earliest_errors(trace, window, limit)  # type: ignore[arg-type]
    ids = trace.identifiers.span.tolist()
    texts = {row: Slice(_hex([ids[r]]) for r in found) for row, found in lists.items()}
    return Answer([None if row < 0 else texts[row] for row in first.tolist()])  # type: ignore[return-value]


@earliest_error.checked
def _(limit: int) -> None:
    if not 1 <= limit <= 10_000:
        raise ValueError(f"limit must be from 1 to 10000, got {limit}")


@converter("RootCauseScore", extension=True, over="trace", reads=_SCORES, contexts=("span",))
def root_cause_score(trace: Trace[Spans]) -> float | None:
    """How likely the span is the root cause of its trace's failure, from 0 to 1; nil in a trace that has not failed.

    The failure is the error span that starts first. A span gets 0.3 if it ended before the failure began, 0.4 x the
    strength of the best path from it to the failure, 0.3 if it is in error, and 0.2 if it took longer than 95 % of the
    payload's spans of its service and name (of which there must be 20). A step of a path is as strong as 1 from parent
    to child, 0.9 from a span to one that links to it, and between spans of one service up to a second apart their
    likeness, if that is over 0.5: 0.3 x the share of the first one's attribute keys that the second has + 0.3 for the
    same service + 0.2 x exp(-gap in seconds) + 0.2 if both are in error.

    Args:
        trace: the spans.

    Source: analysis functions of this project.
    """
    return Answer(*trace.derived("root cause scores", _SCORES, lambda: causes.scores(trace)))  # type: ignore[return-value]


@converter("RootCauses", extension=True, over="trace", reads=_SCORES, contexts=("span",))
def root_causes(
    trace: Trace[Spans], n: Const[int] = 5, by: Const[str] = "service", method: Const[str] = "score"
) -> Slice:
    """The services most likely to have caused the failures of the payload, ranked: a list of maps, on every span.

    A map has `service`, `score`, `reason` and `evidence`. The score is the mean over the failed traces of the best
    `RootCauseScore` that a span of the service has there. The reason is `error_origin` where the service has error
    spans in failed traces, else `latency` where it has slow ones, else nil. The evidence is the span that scored best
    (`trace_id`, `span_id`, `name`) and `failed_traces`, how many of them the service took part in. The list is empty
    where nothing failed.

    Args:
        trace: the spans.
        n: how many services at most.
        by: `service`.
        method: `score`.

    Source: analysis functions of this project.
    """
    del by, method
    found = trace.derived("candidates", _SCORES, lambda: causes.candidates(trace))
    ids, names, services = trace.identifiers, trace.names, trace.services
    result = Slice()
    for one in found[:n]:
        evidence = Map(
            [
                (b"trace_id", _hex(ids.trace[one.row].tolist())),
                (b"span_id", _hex([int(ids.span[one.row])])),
                (b"name", names.names[int(names.codes[one.row])]),
                (b"failed_traces", one.traces),
            ]
        )
        reason = b"error_origin" if one.errors else b"latency" if one.abnormal else None
        entries: list[tuple[bytes, Value]] = [
            (b"service", services.names[one.service]),
            (b"score", one.score),
            (b"reason", reason),
            (b"evidence", evidence),
        ]
        result.append(Map(entries))
    return Answer([result])  # type: ignore[return-value]


@root_causes.checked
def _(n: int, by: str, method: str) -> None:
    check_method(method, CAUSE_METHODS)
    if by not in GROUPINGS:
        raise ValueError(f"by must be one of {', '.join(GROUPINGS)}, got {by!r}")
    if not 1 <= n <= 1000:
        raise ValueError(f"n must be from 1 to 1000, got {n}")

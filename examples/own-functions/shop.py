"""Functions of a shop's own, one of each kind: for `ottl run --functions shop.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ottl.analysis.spans import Spans
from ottl.functions import (
    Answer,
    Columns,
    Duration,
    Example,
    Key,
    MapTarget,
    Number,
    State,
    Trace,
    Utf8,
    converter,
    editor,
)
from ottl.tables.vectors import DOUBLE, Vector


@converter("MaskCard", Example('MaskCard("4111111111111111")', "************1111"), Example('MaskCard("no")', "no"))
def mask_card(number: str) -> str:
    """The number with stars for all but its last four digits; other texts as they are."""
    return "*" * (len(number) - 4) + number[-4:] if number.isdigit() and len(number) > 8 else number


@converter("InSeconds", Example('InSeconds(Duration("1500ms"))', 1.5))
def in_seconds(duration: Duration) -> float:
    """The duration as a number of seconds."""
    return duration / 1e9


@in_seconds.vector
def _(columns: Columns, duration: Vector) -> Vector:
    # The same for a whole column at once: only speed, the function above is the meaning.
    return Vector(DOUBLE, duration.bits / 1e9, None, None, columns.level)


@editor("rename_key", Example('rename_key(log.attributes, "a", "b")', {"b": 1}, given={"a": 1}))
def rename_key(target: MapTarget, old: Utf8, new: Utf8) -> None:
    """Gives the entry of a map another key; nothing where it has no such entry."""
    target.replace([(new if key == old else key, value) for key, value in target.items()])


@dataclass
class Seen:
    """What is remembered of each key."""

    largest: float | None = None


@converter("Largest", Example("Largest(2)", 2.0))
def largest(seen: State[Seen], x: Number, key: Key = None) -> float:
    """The largest x so far, for each key."""
    del key  # decides which `seen` comes
    seen.largest = x if seen.largest is None else max(seen.largest, x)
    return seen.largest


@converter("IsSlowest", over="trace", reads=("identifiers", "times"), contexts=("span",))
def is_slowest(trace: Trace[Spans]) -> bool:
    """Whether no span of the trace takes longer."""
    group = trace.forest.trace  # number of each span's trace, -1 without a trace id
    longest = np.zeros(trace.forest.trace_count + 1, np.int64)
    np.maximum.at(longest, group, trace.durations)
    return Answer((group >= 0) & (trace.durations == longest[group]))  # type: ignore[return-value]

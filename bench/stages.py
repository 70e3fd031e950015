"""The stages of a processor of ours, timed one by one: scan, statements, patch."""

# ruff: noqa: SLF001 - stages are timed one by one, which nobody else needs to
from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ottl import engine


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds a payload.

    Args:
        executor: `columns` or `rows`.
        scan: bytes to tables, or to messages.
        statements: all passes.
        patch: tables or messages to bytes.
    """

    executor: str
    scan: float
    statements: float
    patch: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.scan + self.statements + self.patch


def in_columns(processor: Any, signal: str) -> bool:
    """Whether all passes may run in columns."""
    return all(p.in_columns for p in processor._passes.get(signal, ()))


def measure(processor: Any, data: bytes, signal: str, seconds: float) -> Stages | None:
    """The means over about so many seconds, in the executor that takes the payload; None without statements."""
    passes = processor._passes.get(signal, ())
    if not passes:
        return None
    processor.process(data, signal=signal)
    options = processor._options
    program = processor._tables.get((signal, 0))
    small = options.stack == "auto" and len(data) < engine.SMALL_PAYLOAD
    columns = program is not None and in_columns(processor, signal) and not small
    columns = columns and program.scan(data, options.limits) is not None
    total = [0.0, 0.0, 0.0]
    count = -1  # the first run warms up
    while count < 2 or sum(total) < seconds:
        if columns:
            marks = _over_tables(program, passes, data, options)
        else:
            marks = _over_messages(passes, data, signal, options)
        count += 1
        if count:
            for number in range(3):
                total[number] += marks[number + 1] - marks[number]
    return Stages("columns" if columns else "rows", *(t / count for t in total))


def _over_tables(program: Any, passes: Sequence[Any], data: bytes, options: Any) -> tuple[float, ...]:
    clock = time.perf_counter
    session = engine.Session(None)
    start = clock()
    batch = program.scan(data, options.limits)
    scanned = clock()
    for number, one in enumerate(passes):
        one.run_columns(program, number, batch, one.report(), session)
    ran = clock()
    batch.patch()
    return start, scanned, ran, clock()


def _over_messages(passes: Sequence[Any], data: bytes, signal: str, options: Any) -> tuple[float, ...]:
    clock = time.perf_counter
    session = engine.Session(None)
    start = clock()
    payload = engine.Payload(data, signal, options.limits)
    payload.message()
    parsed = clock()
    for one in passes:
        one.run_rows(payload, one.report(), session)
    ran = clock()
    payload.encoded()
    return start, parsed, ran, clock()

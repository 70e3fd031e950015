"""A run of passes over one set of tables: their common projection, and each of them in the columns executor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ottl.bytecode import GroupCode, Op, Place, StatementCode
from ottl.codec import Limits, native
from ottl.contexts.paths import PathSpec, View
from ottl.vm import columns
from ottl.vm.frame import Frame, level_of, needs


def paths(code: StatementCode) -> Iterator[PathSpec]:
    """The paths that instructions read or write."""
    for i in code.instructions:
        if i.op in (Op.LOAD, Op.STORE, Op.TOUCH):
            yield i.data
        for operand in i.operands:
            if isinstance(operand, Place):
                yield operand.spec


class Program:
    """Groups that run one after another over the same tables.

    Args:
        signal: the signal.
        groups: their bytecode, in order.
        around: clock and identifiers.
    """

    def __init__(self, signal: str, groups: Sequence[GroupCode], around: Any) -> None:
        self.groups = tuple(groups)
        self.around = around
        self._preparations: dict[int, Any] = {}
        specs = {
            spec
            for group in self.groups
            for code in (*group.conditions, *group.statements)
            for spec in paths(code)
            if spec.level != "otelcol"
        }
        levels = {group.context for group in self.groups} | {
            level_of(spec) for spec in specs if spec.view is not View.CACHE
        }
        wanted = {need for spec in specs for need in needs(spec)}
        typed = any(spec.view in (View.METRIC_TYPE, View.METRIC_DATA) for spec in specs)
        self.layout = native.layout(signal, levels, wanted, typed)

    def scan(self, payload: bytes, limits: Limits) -> Any:
        """The tables of a payload; None for an odd one."""
        return native.scan(self.layout, payload, limits)

    def run_group(self, number: int, batch: Any, report: Any, request: Mapping[str, Any] | None) -> None:
        """One group over the tables."""
        group = self.groups[number]
        frame = Frame(batch, self.layout, group.context, request, self._preparations)
        columns.run_group(frame, group, self.around, report)

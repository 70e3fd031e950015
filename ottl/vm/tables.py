"""A run of passes over one set of tables: their common projection, and each of them in the columns executor."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.bytecode import Elements, GroupCode, Instruction, Live, Op, Over, Place, StatementCode, calls
from ottl.codec import Limits, native
from ottl.contexts.identity import SPAN_PARTS
from ottl.contexts.paths import PathSpec, View
from ottl.functions import Form
from ottl.types import Kind
from ottl.vm import columns, leaving
from ottl.vm.entries import NESTING
from ottl.vm.frame import Frame, level_of, needs
from ottl.vm.native import NOTHING, lower


def paths(code: StatementCode) -> Iterator[PathSpec]:
    """The paths that instructions read or write."""
    for i in code.instructions:
        if i.op in (Op.LOAD, Op.STORE, Op.TOUCH):
            yield i.data
        for operand in i.operands:
            if isinstance(operand, Place):
                yield operand.spec
            elif isinstance(operand, Over):
                yield from paths(operand.code)


def span_parts(code: StatementCode) -> Iterator[native.Need]:
    """The fields that functions over whole traces read by themselves."""
    for call in calls(code):
        for part in call.data.reads:
            yield from SPAN_PARTS[part]


Counts = list[tuple[list[int], list[int], list[int], list[int]]]
"""For each pass, by statement: rows matched, changed and failed, and nanoseconds."""

Known = list[list[bool]]
"""For each pass, by statement: whether it is known how it fails."""

Failures = list[tuple[int, int, str]]
"""Number of a condition, row and message."""


MOST_RESTS = 1023
"""How many payloads in a row go untried."""

DEEPER = 3
"""Messages between an attribute and the attributes inside it."""


_CONTAINERS = (Kind.ANY, Kind.MAP, Kind.LIST)


def _nests(code: StatementCode) -> bool:
    """Whether a statement may put a value deeper: a whole map or body into a value, any value into another."""
    wholes: set[int] = set()
    values: set[int] = set()
    for i in code.instructions:
        if i.op is Op.LOAD and i.kind in _CONTAINERS:
            values.add(i.result)
            if i.data.view in (View.MAP, View.VALUE) and i.constant_keys == ():
                wholes.add(i.result)
        elif i.op is Op.CALL and i.data.over is not None:
            if i.kind in _CONTAINERS:
                wholes.add(i.result)
                values.add(i.result)
        elif i.op in (Op.UNLESS_NIL, Op.END, Op.INDEX) or (i.op is Op.CALL and i.kind in _CONTAINERS):
            for registers in (wholes, values):
                if not registers.isdisjoint(i.registers) or not registers.isdisjoint(_read(i)):
                    registers.add(i.result)
        elif i.op is Op.STORE:
            inside = i.constant_keys is None or len(i.constant_keys) > (i.data.view is not View.VALUE)
            return i.registers[0] in (values if inside else wholes)
        elif i.op is Op.EDIT and any(
            isinstance(o, Place) and (o.constant_keys != () or o.spec.view is View.VALUE) for o in i.operands
        ):
            return not values.isdisjoint(_read(i))
    return False


def _with_cache_map(group: GroupCode, number: int) -> GroupCode:
    """The group with its cache as a map of the rows beside the payload, where it uses more of it than single keys.

    Args:
        group: its bytecode.
        number: of the pass, which each has a cache of its own.
    """
    codes = (*group.conditions, *group.statements)
    if not any(_beyond_keys(i) for code in codes for i in code.instructions):
        return group
    specs: dict[PathSpec, PathSpec] = {}

    def mapped(spec: Any) -> Any:
        if not isinstance(spec, PathSpec) or spec.view is not View.CACHE:
            return spec
        found = dataclasses.replace(spec, view=View.MAP, field=(native.DETACHED, str(number)))
        return specs.setdefault(spec, found)  # one object for each, as everywhere

    def operand(part: Any) -> Any:
        return dataclasses.replace(part, spec=mapped(part.spec)) if isinstance(part, (Place, Live)) else part

    def instruction(i: Instruction) -> Instruction:
        if not any(spec.view is View.CACHE for spec in _specs(i)):
            return i  # the object tells what a function remembers
        return dataclasses.replace(i, data=mapped(i.data), operands=tuple(map(operand, i.operands)))

    def code(one: StatementCode) -> StatementCode:
        return dataclasses.replace(one, instructions=tuple(map(instruction, one.instructions)))

    return dataclasses.replace(
        group, conditions=tuple(map(code, group.conditions)), statements=tuple(map(code, group.statements))
    )


def _specs(i: Instruction) -> Iterator[PathSpec]:
    """The paths of an instruction."""
    if isinstance(i.data, PathSpec):
        yield i.data
    yield from (part.spec for part in i.operands if isinstance(part, (Place, Live)))


def _beyond_keys(i: Instruction) -> bool:
    """Whether an instruction does more with a cache than read or write one constant key."""
    if not any(spec.view is View.CACHE for spec in _specs(i)):
        return False
    keys = [i.constant_keys] if isinstance(i.data, PathSpec) else []
    keys += [part.constant_keys for part in i.operands if isinstance(part, (Place, Live))]
    if i.op is Op.EDIT and any(p.form in (Form.MAP_TARGET, Form.LIST_TARGET) for p in i.data.parameters):
        return True
    return not all(found is not None and len(found) == 1 and type(found[0]) is bytes for found in keys)


def _read(i: Instruction) -> Iterator[int]:
    """The registers among the operands of a call."""
    for operand in i.operands:
        if isinstance(operand, int):
            yield operand
        elif isinstance(operand, Elements):
            yield from operand.registers


class Program:
    """Passes that run one after another over the same tables.

    Args:
        signal: the signal.
        passes: their bytecode, in order: a group of statements, or a filter's conditions level by level.
        around: clock, identifiers and memories of each pass.
        tracked: levels whose rows are told apart although no pass reads them: those with marks of routes.

    Attributes:
        native: all statements run natively, so that tables are the faster way for the smallest payloads too.
        stream: runs all passes at once over payloads in windows; None where they need all tables as a whole.
    """

    def __init__(
        self,
        signal: str,
        passes: Sequence[tuple[GroupCode, ...]],
        around: Sequence[Any],
        tracked: Sequence[str] = (),
    ) -> None:
        self.signal = signal
        self.tracked = tuple(tracked)
        self.passes = tuple(
            tuple(_with_cache_map(group, number) for group in groups) for number, groups in enumerate(passes)
        )
        self.around = tuple(around)
        self._preparations: dict[int, Any] = {}
        self._pause = self._resting = 0
        specs = {
            spec
            for groups in self.passes
            for group in groups
            for code in (*group.conditions, *group.statements)
            for spec in paths(code)
            if spec.level != "otelcol"
        }
        levels = {group.context for groups in self.passes for group in groups} | {
            level_of(spec) for spec in specs if spec.view is not View.CACHE
        }
        filtered = {group.context for groups in self.passes for group in groups if not group.statements}
        if "resource" in filtered:
            levels.add("scope")
        if filtered:
            levels.add(native.ELEMENT_LEVELS[signal])
        levels |= set(tracked)
        wanted = {need for spec in specs for need in needs(spec)} | {
            need
            for groups in self.passes
            for group in groups
            for code in (*group.conditions, *group.statements)
            for need in span_parts(code)
        }
        typed = "datapoint" in filtered or any(spec.view in (View.METRIC_TYPE, View.METRIC_DATA) for spec in specs)
        self.layout = native.layout(signal, levels, wanted, typed)
        statements = [code for groups in self.passes for group in groups for code in group.statements]
        self._lowered = {
            id(group): lower(group, self.layout, environment)
            for groups, environment in zip(self.passes, self.around, strict=True)
            for group in groups
        }
        self.native = all(self._lowered[id(group)].covers(group) for groups in self.passes for group in groups)
        self.deepest = NESTING - DEEPER * sum(map(_nests, statements))
        self.stream = self._stream()

    def _stream(self) -> Any:
        """The passes as one stream, if all are statements on the innermost rows that the layout has."""
        groups = [group for groups in self.passes for group in groups]
        contexts = {group.context for group in groups}
        if not self.native or self.deepest <= 0 or len(contexts) != 1 or not all(g.statements for g in groups):
            return None
        if self.layout.tables.keys() != {*native.levels_of(self.signal, *contexts)}:
            return None
        lowered = [self._lowered[id(group)] for group in groups]
        return native.stream(
            self.layout,
            [
                (one.selector, one.segments[0].program, len(one.cache), group.error_mode != "propagate")
                for group, one in zip(groups, lowered, strict=True)
            ],
        )

    def unsettled(self) -> None:
        """A payload has turned out to need rows, behind the trouble of trying: some of the next ones are not tried."""
        self._pause = min(2 * self._pause + 1, MOST_RESTS)
        self._resting = self._pause

    def rests(self) -> bool:
        """Whether a payload goes in rows at once, because earlier ones have had to."""
        if not self._resting:
            return False
        self._resting -= 1
        return True

    def scan(self, payload: bytes, limits: Limits) -> Any:
        """The tables of a payload; None for an odd one.

        Values are copied as the bytes they are, without a look at how deep they nest: a payload that the statements
        might make deeper than the rows executor allows is an odd one.
        """
        return native.scan(self.layout, payload, limits, self.deepest) if self.deepest > 0 else None

    def run_stream(
        self, payload: bytes, limits: Limits, seconds: float | None, known: Known | None = None
    ) -> tuple[bytes, Counts, tuple[int, int]] | None:
        """All passes over a payload, from bytes to bytes; None, with nothing done, where it needs tables as a whole.

        Args:
            payload: the encoded root message.
            limits: bounds.
            seconds: that the statements may take; None for as long as it takes.
            known: for which statements of each pass it is known how they fail; a payload in which others do needs
                tables. None where each failure is to be told.

        Returns:
            The payload, the very object if nothing has changed; for each pass the counts; and the nanoseconds of scan
            and patch.
        """
        depth = min(limits.max_depth, self.deepest)
        return self.stream.run(payload, limits.max_messages, depth, native.room(limits, seconds), known)  # type: ignore[no-any-return]

    def run_json_stream(self, payload: bytes, limits: Limits, known: Known | None) -> tuple[bytes, Counts] | None:
        """As `run_stream`, from OTLP JSON to OTLP JSON, which is no object that was there before."""
        depths, room = (limits.max_depth, min(limits.max_depth, self.deepest)), native.room(limits, limits.deadline_s)
        return self.stream.run_json(payload, limits.max_messages, depths, room, known)  # type: ignore[no-any-return]

    def run_group(self, number: int, batch: Any, report: Any, request: Mapping[str, Any] | None) -> None:
        """One group over the tables."""
        (group,) = self.passes[number]
        frame = Frame(batch, self.layout, group.context, request, self._preparations, self._lowered[id(group)])
        frame.profile = report.instructions
        columns.run_group(frame, group, self.around[number], report)
        if frame.gone is not None:
            self._drop(batch, group.context, frame.gone, report)

    def _drop(self, batch: Any, context: str, gone: NDArray[np.bool_], report: Any) -> None:
        """Takes dropped rows out of the tables, with what goes along."""
        known = [level for level in (context, *self.tracked) if level in self.layout.tables]
        levels = max((leaving.chain(self.signal, level) for level in known), key=len)
        forest = leaving.Forest(levels, {level: batch.parents(self.layout.tables[level]) for level in levels})
        report.kept = leaving.after_drop(forest, {context: gone})
        for level, keep in report.kept.items():
            if not keep.all():
                batch.drop(self.layout.tables[level], ~keep)

    def run_filter(
        self, number: int, batch: Any, report: Any, request: Mapping[str, Any] | None
    ) -> tuple[Failures, bool]:
        """A filter's item over the tables: drops what its conditions select, and parents left or found empty.

        Returns:
            The failures that `propagate` reports, and whether nothing is left.
        """
        groups = {group.context: group for group in self.passes[number]}
        numbers = _numbers(self.passes[number])
        element = native.ELEMENT_LEVELS[self.signal]
        below = {"span": "spanevent", "metric": "datapoint"}.get(element, "")
        chain = [level for level in ("resource", "scope", element, below) if level in self.layout.tables]
        deepest = max(chain.index(level) for level in groups)
        chain = chain[: max(deepest + 1, 2 if deepest == 0 else 3)]
        failures: Failures = []
        kept: dict[str, NDArray[np.bool_]] = {}
        previous = ""
        for depth, level in enumerate(chain):
            table = self.layout.tables[level]
            count = batch.rows(table)
            alive = kept[previous][batch.parents(table)] if previous else np.ones(count, np.bool_)
            if depth <= deepest and level in groups:
                lowered = self._lowered[id(groups[level])]
                frame = Frame(batch, self.layout, level, request, self._preparations, lowered)
                frame.profile = report.instructions
                selected, failed = columns.select(
                    frame, groups[level], frame.all.narrow(alive), self.around[number], report, numbers[level]
                )
                failures += failed
                alive &= ~selected
            kept[level] = alive
            previous = level
        self._drop_empty(batch, kept, chain, groups)
        for level, alive in kept.items():
            if not alive.all():
                batch.drop(self.layout.tables[level], ~alive)
        return failures, not kept["resource"].any()

    def _drop_empty(
        self,
        batch: Any,
        kept: dict[str, NDArray[np.bool_]],
        chain: list[str],
        groups: Mapping[str, GroupCode],
    ) -> None:
        """Parents without children go; of the elements only metrics that hold some data, where points are looked at."""
        for outer, inner in reversed(list(itertools.pairwise(chain))):
            if outer == "span" or (outer == "metric" and inner not in groups):
                continue
            parents = batch.parents(self.layout.tables[inner])[kept[inner]]
            children = np.bincount(parents, minlength=len(kept[outer]))
            empty = children == 0
            if outer == "metric":
                frame = Frame(batch, self.layout, "metric", None, self._preparations, NOTHING)
                empty &= frame.metric_data(None) != 0
            kept[outer] &= ~empty


def _numbers(groups: Sequence[GroupCode]) -> dict[str, list[int]]:
    """By level: the numbers of its conditions in the order in which the filter lists them."""
    order = {id(code): n for n, code in enumerate(code for group in groups for code in group.conditions)}
    return {group.context: [order[id(code)] for code in group.conditions] for group in groups}

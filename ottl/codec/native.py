"""The native codec: OTLP bytes to tables and back, and JSON to protobuf and back. The only importer of `ottl._native`.

A *layout* says which tables, columns and maps a program needs of a signal: it is the program's projection, in the form
the scanner takes. Levels of the OTLP tree (`resource`, `scope`, `span`...) are tables; fields in singular submessages
(`status.code`, `resource.attributes`) are columns of the row around them. Data points of all kinds share one table,
each kind visited through a node of its own, so that a field is looked up by name in the point's own message.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl import schema
from ottl.codec import Limits
from ottl.errors import PayloadError
from ottl.signals import SIGNALS, STEM, root_keys

if TYPE_CHECKING:
    from typing import TypeAlias

    from ottl import _native

    Program: TypeAlias = _native.Program

KEY_VALUE = "opentelemetry.proto.common.v1.KeyValue"

ELEMENT_LEVELS = {"traces": "span", "metrics": "metric", "logs": "log"}

METRIC = "opentelemetry.proto.metrics.v1.Metric"

WINDOW: tuple[int, int] | None = (256 << 10, 64)
"""Bytes of a payload that make a window of a stream, with a multiple of so many rows; None for payloads as a whole.

With the tables of its rows and what is written of them, a window fits into a second cache, and 64 rows are what the
executor works on at a time.
"""


@functools.cache
def metric_data() -> tuple[str, ...]:
    """The fields of which a metric holds one, in the order of their numbers."""
    return tuple(f.name for f in schema.message(METRIC).fields if f.oneof == "data")


Need = tuple[str, tuple[str, ...]]
"""A level and the field names from its row message down: `("span", ("status", "code"))`. Names that begin with
`DETACHED` stand for a map that rows have beside the payload."""

DETACHED = ""


@functools.cache
def available() -> bool:
    """Whether the extension can be imported."""
    try:
        import ottl._native  # noqa: F401
    except ImportError:
        return False
    return True


@functools.cache
def _schema() -> _native.Schema:
    from ottl import _native

    return _native.Schema(schema.native_messages())


@dataclass(slots=True)
class _Node:
    """One way to visit a message, while a layout is built."""

    message: str
    actions: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    inline: dict[str, tuple[_Node, int]] = field(default_factory=dict)
    rows: dict[str, tuple[int, _Node]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """Tables, columns and maps of a projection.

    Args:
        signal: the signal.
        plan: for the scanner.
        tables: table number by level.
        columns: column number by level and field.
        maps: map number by level and field.
        presence: for `metric`: columns that say which data message a metric holds, in the order of `metric_data`.
        points: for `datapoint`: message name by variant.
    """

    signal: str
    plan: Any
    tables: dict[str, int]
    columns: dict[Need, int]
    maps: dict[Need, int]
    presence: tuple[int, ...]
    points: dict[int, str]


def levels_of(signal: str, level: str) -> tuple[str, ...]:
    """The tables between the root and a level, the level last."""
    element = ELEMENT_LEVELS[signal]
    below = {
        "spanevent": ("spanevent",),
        "spanlink": ("spanlink",),
        "datapoint": ("datapoint",),
        "exemplar": ("datapoint", "exemplar"),
    }
    chain = ("resource", "scope", element)
    if level in below:
        return (*chain, *below[level])
    return chain[: chain.index(level) + 1]


def layout(signal: str, levels: Iterable[str], needs: Iterable[Need], metric_types: bool) -> Layout:
    """The layout for a projection.

    Args:
        signal: the signal.
        levels: whose tables are needed, besides those of `needs`.
        needs: fields, see `Need`.
        metric_types: which data message each metric holds is needed.
    """
    return _layout(signal, tuple(sorted(set(levels))), tuple(sorted(set(needs))), metric_types)


@functools.lru_cache(maxsize=256)
def _layout(signal: str, levels: tuple[str, ...], needs: tuple[Need, ...], metric_types: bool) -> Layout:
    builder = _Builder(signal)
    for level in {*levels, *(level for level, _ in needs)}:
        for one in levels_of(signal, level):
            builder.level(one)
    if metric_types:
        builder.metric_presence()
    for level, names in needs:
        builder.need(level, names)
    return builder.finish()


class _Builder:
    """Collects nodes, tables and columns."""

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.root = _Node(schema.ROOTS[signal])
        self.tables: dict[str, int] = {}
        self.nodes_of: dict[str, list[_Node]] = {}
        self.column_counts: list[int] = [0]
        self.map_counts: list[int] = [0]
        self.columns: dict[Need, int] = {}
        self.maps: dict[Need, int] = {}
        self.presence: dict[str, int] = {}

    def level(self, level: str) -> None:
        if level in self.tables:
            return
        table = len(self.column_counts)
        self.tables[level] = table
        self.column_counts.append(0)
        self.map_counts.append(0)
        chain = levels_of(self.signal, level)
        parents = [self.root] if len(chain) == 1 else self.nodes_of[chain[-2]]
        self.nodes_of[level] = []
        for parent in parents:
            self._children(level, parent, table)

    def _children(self, level: str, parent: _Node, table: int) -> None:
        if level == "datapoint":
            for name in metric_data():
                data = self._inline(parent, name)
                self._rows(level, data, "data_points", table)
            return
        names = {"spanevent": "events", "spanlink": "links", "exemplar": "exemplars"}
        if level in names:
            if names[level] in schema.fields_by_name(parent.message):
                self._rows(level, parent, names[level], table)
            return
        first = next(f for f in schema.message(parent.message).fields if f.repeated and f.message is not None)
        self._rows(level, parent, first.name, table)

    def _rows(self, level: str, parent: _Node, name: str, table: int) -> None:
        found = schema.fields_by_name(parent.message)[name]
        node = _Node(found.message or "")
        parent.rows[name] = (table, node)
        self.nodes_of[level].append(node)

    def _inline(self, parent: _Node, name: str) -> _Node:
        if name not in parent.inline:
            found = schema.fields_by_name(parent.message)[name]
            parent.inline[name] = (_Node(found.message or ""), -1)
        return parent.inline[name][0]

    def metric_presence(self) -> None:
        table = self.tables["metric"]
        for parent in self.nodes_of["metric"]:
            for name in metric_data():
                if name not in self.presence:
                    self.presence[name] = self.column_counts[table]
                    self.column_counts[table] += 1
                parent.inline[name] = (self._inline(parent, name), self.presence[name])

    def need(self, level: str, names: tuple[str, ...]) -> None:
        if (level, names) in self.columns or (level, names) in self.maps:
            return
        table = self.tables[level]
        if names[0] == DETACHED:
            self.maps[level, names] = self.map_counts[table]
            self.map_counts[table] += 1
            return
        for start in self.nodes_of[level]:
            node: _Node | None = start
            for name in names[:-1]:
                node = self._inline(node, name) if node and name in schema.fields_by_name(node.message) else None
            last = schema.fields_by_name(node.message).get(names[-1]) if node is not None else None
            if node is None or last is None:
                continue
            if last.repeated and last.message == KEY_VALUE:
                if (level, names) not in self.maps:
                    self.maps[level, names] = self.map_counts[table]
                    self.map_counts[table] += 1
                node.actions[last.number] = ("entries", self.maps[level, names], 0)
            else:
                if (level, names) not in self.columns:
                    self.columns[level, names] = self.column_counts[table]
                    self.column_counts[table] += 1
                node.actions[last.number] = ("column", self.columns[level, names], 0)

    def finish(self) -> Layout:
        from ottl import _native

        index = schema.message_index()
        order: list[_Node] = []
        pending = [self.root]
        while pending:
            node = pending.pop(0)
            order.append(node)
            pending += [child for child, _ in node.inline.values()]
            pending += [child for _, child in node.rows.values()]
        numbers = {id(node): number for number, node in enumerate(order)}
        nodes = []
        for node in order:
            fields = schema.fields_by_name(node.message)
            actions = [(number, *action) for number, action in node.actions.items()]
            for name, (child, presence) in node.inline.items():
                actions.append((fields[name].number, "inline", numbers[id(child)], presence))
            for name, (table, child) in node.rows.items():
                actions.append((fields[name].number, "rows", table, numbers[id(child)]))
            nodes.append((index[node.message], actions))
        plan = _native.Plan(
            _schema(),
            index[self.root.message],
            nodes,
            list(zip(self.column_counts, self.map_counts, strict=True)),
        )
        return Layout(
            self.signal,
            plan,
            self.tables,
            self.columns,
            self.maps,
            tuple(self.presence[name] for name in metric_data()) if self.presence else (),
            {numbers[id(n)]: n.message for n in self.nodes_of.get("datapoint", ())},
        )


def scan(projection: Layout, payload: bytes, limits: Limits, deepest: int | None = None) -> _native.Batch | None:
    """The tables of a payload; None for an odd one, which only messages can hold.

    Args:
        projection: what to look at.
        payload: the encoded root message.
        limits: bounds.
        deepest: nesting beyond which a payload counts as odd, where the limits allow it.

    Raises:
        PayloadError: it is malformed or exceeds a limit.
    """
    from ottl import _native

    depth = limits.max_depth if deepest is None else min(limits.max_depth, deepest)
    try:
        return _native.scan(projection.plan, payload, limits.max_messages, depth)
    except _native.ScanError as error:
        if depth < limits.max_depth and "nested" in str(error):
            return None
        raise PayloadError(str(error), error.offset) from None


def program(
    context: int,
    registers: int,
    memos: int,
    constants: list[tuple[int, Any]],
    keys: list[tuple[int, int, bytes]],
    key_sets: list[tuple[list[bytes], Any, bool]],
    steps: list[tuple[str, int, tuple[int, int] | None, list[int], tuple[Any, ...], list[int]]],
    statements: list[tuple[int, int, int]],
) -> Program:
    """Statements for the native executor.

    Args:
        context: number of the table whose rows they run on.
        registers: how many they use.
        memos: how many results are remembered.
        constants: registers, and a tag with bits or with the bytes that the value views.
        keys: tables, maps and names.
        key_sets: names, or an expression, and whether the other keys are meant.
        steps: name, result, table and memo of what need not run again, registers read, constants, and the memos that
            no longer hold behind it (see `ottl/native/src/exec.rs`).
        statements: first step, the one behind the last, and the register of a condition or -1.
    """
    from ottl import _native

    return _native.Program(context, registers, memos, constants, keys, key_sets, steps, statements)


def stream(projection: Layout, stages: list[tuple[Program | None, Program, int, bool]]) -> _native.Stream | None:
    """Programs that run over payloads in windows, from bytes to bytes; None without windows.

    Args:
        projection: what they look at; their rows are those of its innermost level.
        stages: a program whose statements are conditions, of which one must hold, or None; the program; how many keys
            of the cache they use; and whether rows on which a statement fails go on.
    """
    from ottl import _native

    if WINDOW is None:
        return None
    root = schema.message_index()[schema.ROOTS[projection.signal]]
    return _native.Stream(_schema(), root, projection.plan, stages, WINDOW)


def room(limits: Limits, seconds: float | None) -> tuple[int, int, float, int]:
    """What a stream may take: bytes of a text, bytes beside the payload, seconds, elements of a list."""
    return limits.max_string, limits.max_growth, math.inf if seconds is None else seconds, limits.max_items


def pipeline(chains: Mapping[str, Sequence[tuple[_native.Stream, int]]]) -> _native.Pipeline:
    """Streams one after another, over the messages of blocks.

    Args:
        chains: by signal, streams and how deep messages may lie in what they get.
    """
    from ottl import _native

    index = schema.message_index()
    signals = [
        (index[schema.ROOTS[signal]], root_keys(signal), list(chains[signal]) if signal in chains else None)
        for signal in SIGNALS
    ]
    return _native.Pipeline(_schema(), STEM, signals)


def from_json(payload: bytes, signal: str, limits: Limits) -> bytes:
    """OTLP JSON as protobuf.

    Raises:
        PayloadError: it is malformed or exceeds a limit.
    """
    from ottl import _native

    root = schema.message_index()[schema.ROOTS[signal]]
    try:
        return _native.json_to_protobuf(_schema(), root, payload, limits.max_messages, limits.max_depth)
    except _native.ScanError as error:
        raise PayloadError(str(error), error.offset) from None


def fits_signal(payload: bytes, signal: str, unknown_allowed: bool) -> bool:
    """Whether bytes can be a message of a signal, for `signals.signal_of_protobuf`; 20 times as fast as its own way."""
    from ottl import _native

    root = schema.message_index()[schema.ROOTS[signal]]
    return _native.fits_message(_schema(), root, payload, unknown_allowed)


def holds_any(payload: bytes, names: tuple[bytes, ...]) -> bool:
    """Whether one of some names stands in bytes, for `signals.signal_of_json`; 5 times as fast as its own way."""
    from ottl import _native

    return _native.holds_any(payload, STEM, names)


def to_json(payload: bytes, signal: str, _limits: Limits) -> bytes:
    """Protobuf as OTLP JSON; called as `from_json` is.

    Raises:
        PayloadError: it is malformed.
    """
    from ottl import _native

    root = schema.message_index()[schema.ROOTS[signal]]
    try:
        return _native.protobuf_to_json(_schema(), root, payload)
    except _native.ScanError as error:
        raise PayloadError(str(error), error.offset) from None


def put_inside(
    batch: _native.Batch,
    table: int,
    map: int | None,
    column: int | None,
    keys: Sequence[bytes | int],
    rows: NDArray[np.int32] | None,
    cells: tuple[Any, Any, Any],
    items: int,
) -> NDArray[np.bool_]:
    """Puts cells where keys lead in the map or column of rows; in which rows it did not, bool (n,)."""
    from ottl import _native

    return _native.put_inside(batch, table, map, column, keys, rows, *cells, items)


def parent_rows(batch: _native.Batch, projection: Layout, level: str, outer: str) -> NDArray[np.int32]:
    """For each row of a level, the row of an outer level that holds it, int32 (n,)."""
    chain = levels_of(projection.signal, level)
    rows = batch.parents(projection.tables[level])
    for above in reversed(chain[chain.index(outer) + 1 : -1]):
        rows = batch.parents(projection.tables[above])[rows]
    return rows

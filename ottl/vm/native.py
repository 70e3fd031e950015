"""Statements for the native executor: what of a group's bytecode it can run, in the form it takes.

A statement is lowered whole or not at all. Neighbouring ones that are lowered make a `Segment`, which runs all of them
on some rows before it looks at the next ones. What the native executor cannot do exactly as the scalar kernels would,
it declines row by row, before anything is written; `vm.columns` then runs the statement on those rows in its own way.
So all that is asked of a lowering is that a row which is not declined comes out right.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ottl.bytecode import Elements, GroupCode, Instruction, Literal, Op, Place, StatementCode
from ottl.codec import native
from ottl.contexts.paths import Access, PathSpec, View
from ottl.functions import MISSING, Environment, Form, Function, MapKey, MapKeys, NativeCall, Register
from ottl.tables.vectors import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    EMPTY,
    INT,
    LIST,
    MAP,
    SPAN_ID,
    STRING,
    TIME,
    TRACE_ID,
)
from ottl.types import Bytes, Duration, Kind, Map, Slice, SpanID, Time, TraceID, TypedList, storable
from ottl.vm import fields
from ottl.vm.frame import CONTAINERS, FIELD_TAGS, level_of
from ottl.vm.lift import constant_operand
from ottl.vm.rows import argument_converter, element_converter
from ottl.vm.stores import MOST_KEYS

_FIELDS = {**FIELD_TAGS, View.INT: INT, View.FLAGS32: INT, View.NON_NEGATIVE: INT}
"""The tags of fields as rules read them."""

_STORED = {
    View.STRING: STRING,
    View.TRACE_STATE: STRING,
    View.VALUE_TEXT: STRING,
    View.BOOL: BOOL,
    View.INT: INT,
    View.DOUBLE: DOUBLE,
    View.TIME: TIME,
}
"""The tags that fields take as they are."""

TEXTS, RAW = 20, 22
"""Tags that only registers of the native executor have: a list of strings, and one that a rule has written down."""

_IDS = {Kind.TRACE_ID: TRACE_ID, Kind.SPAN_ID: SPAN_ID}
_ID_TAGS: dict[type, int] = {TraceID: TRACE_ID, SpanID: SPAN_ID}
_PARSERS = frozenset({"parse_json", "parse_pairs", "captures"})
"""Functions whose result need not be written down as a map to be merged into another."""

_MAP_EDITS = frozenset(
    {
        "keep",
        "limit",
        "truncate",
        "merge",
        "merge_call",
        "merge_map",
        "flatten",
        "replace_all",
        "rename",
        "match_all",
        "stringify",
        "store_map",
    }
)
"""Steps that may change any entry of a map."""

_ENTRY_EDITS = frozenset({"store_entry", "delete", "store_inside_entry", "edit_entry", "change_entry"})
"""Steps that change one entry."""

_COLUMN_EDITS = frozenset(
    {"store_field", "store_value", "store_id", "store_inside_column", "edit_column", "change_column"}
)
"""Steps that change a field."""

_TAKEN = 1 << 16
"""The number of the first map that is taken out of a row to be edited; those of tables have smaller ones."""

_DEEPEST = 16
"""Lists and maps that may lie inside each other in a constant."""

_WHOLE = (-(1 << 63), (1 << 63) - 1)
_RANGES = {View.FLAGS32: (0, (1 << 32) - 1)}
"""The integers that fields take, least and greatest, where not all are taken."""

_WITHOUT_NEGATIVE_ZERO = (1 - (1 << 63), (1 << 63) - 1)
"""The bits of all floats but -0, which has the least as an integer; some data points lose its sign."""

_OPERATIONS = {Op.ADD: "add", Op.SUBTRACT: "subtract", Op.MULTIPLY: "multiply", Op.DIVIDE: "divide"}
_BLOCKS = {Op.AND: "and", Op.OR: "or", Op.UNLESS_NIL: "unless_nil"}
_SIMPLE = {Op.NEGATE: "negate", Op.TRUTH: "truth", Op.NOT: "not"}


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring statements that run natively.

    Args:
        start: number of the first.
        end: number behind the last.
        program: runs them.
        cached: keys of the cache that they write.
        origins: of each step, the number of the statement and of the instruction there that it is of.
    """

    start: int
    end: int
    program: native.Program
    cached: tuple[bytes, ...] = ()
    origins: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NativeGroup:
    """What of a group runs natively.

    Args:
        segments: by the number of the first statement.
        conditions: by the identity of its code, the number of a condition in `selector`.
        selector: evaluates conditions; None without any.
        cache: keys of the cache by their number in the tables.
        origins: as those of segments, for the selector.
    """

    segments: dict[int, Segment]
    conditions: dict[int, int]
    selector: native.Program | None
    cache: dict[bytes, int]
    origins: tuple[tuple[int, int], ...] = ()

    def covers(self, group: GroupCode) -> bool:
        """Whether all of a group runs natively."""
        statements = sum(segment.end - segment.start for segment in self.segments.values())
        return statements == len(group.statements) > 0 and len(self.conditions) == len(group.conditions)


NOTHING = NativeGroup({}, {}, None, {})
"""Nothing runs natively."""


def lower(group: GroupCode, layout: native.Layout, environment: Environment) -> NativeGroup:
    """What of a group runs natively over tables of a layout, with a clock and identifiers."""
    segments: dict[int, Segment] = {}
    cache: dict[bytes, int] = {}
    lowering = _Lowering(layout, group.context, cache, environment)
    start = 0
    for number, code in enumerate((*group.statements, None)):
        if code is not None and lowering.add(code):
            continue
        if lowering.statements:
            origins = tuple(lowering.origins)
            segments[start] = Segment(start, number, lowering.program(), lowering.cached(), origins)
            lowering = _Lowering(layout, group.context, cache, environment)
        start = number + 1
    selecting = _Lowering(layout, group.context, cache, environment)
    conditions: dict[int, int] = {}
    for code in group.conditions:
        if selecting.add(code):
            conditions[id(code)] = len(conditions)
    selector = selecting.program() if conditions else None
    return NativeGroup(segments, conditions, selector, cache, tuple(selecting.origins))


class _Declined(Exception):  # noqa: N818 - nothing is wrong
    """A statement that the native executor does not know."""


@dataclass(frozen=True, slots=True)
class _Value:
    """What is known of a bytecode register: its native one, the level at which it is computed, a constant's value."""

    slot: int
    level: str
    constant: Any = MISSING


@dataclass(frozen=True, slots=True)
class _Step:
    """One step.

    Args:
        name: what it does.
        slots: registers read.
        data: constants.
        result: register written.
        table: of a step that computes a value, the one whose row it depends on.
    """

    name: str
    slots: tuple[int, ...]
    data: tuple[Any, ...] = ()
    result: int = 0
    table: int | None = None


def _changes(step: _Step, load: _Step) -> bool:
    """Whether a step may change what a load of its level gives: the column, the entry, or any entry of the map."""
    place = _place(step)
    if load.name in ("load_entry", "load_map", "load_parts"):
        if step.name in _MAP_EDITS or (step.name in _ENTRY_EDITS and load.name != "load_entry"):
            return bool(place[0] == load.data[1])
        return step.name in _ENTRY_EDITS and bool(load.data[1:3] == place[:2])
    if load.name == "load_cache":
        return step.name in ("store_cache", "change_cache") and bool(place[0] == load.data[1])
    if load.name == "load_chosen":
        return step.name == "store_data"
    read = load.data[1:3] if load.name == "load_number" else load.data[1:2]
    if step.name == "store_members":
        written = {column for member in step.data[0] for column in (member[0], member[-1])}
    else:
        written = {place[0]} if step.name in _COLUMN_EDITS else set()
    return any(column in written for column in read if isinstance(column, int))


def _place(step: _Step) -> tuple[Any, ...]:
    """What a step writes, of its data: a map and a key, a map, or a column."""
    return step.data[0] if step.data and isinstance(step.data[0], tuple) else step.data


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, Map))


def _encoded(value: Any) -> tuple[int, bytes]:
    """A list or map as a register holds it."""
    kind = type(value)
    if kind is list:
        tag = RAW
    elif kind is Slice or kind is Map:
        tag = LIST if kind is Slice else MAP
    elif kind is TypedList and value.element == "string":
        tag = TEXTS
    else:
        raise _Declined
    try:
        stored = storable(value)
        if _depth(stored) > _DEEPEST:
            raise _Declined
        return tag, CONTAINERS.encode(stored)
    except ValueError:
        raise _Declined from None


def _depth(value: Any) -> int:
    """How many lists and maps lie inside each other."""
    if isinstance(value, Map):
        return 1 + max((_depth(item) for _, item in value.entries), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


class _Lowering:
    """Builds one native program.

    Args:
        layout: the tables.
        context: the level whose rows the statements run on.
        cache: keys of the cache by number, which is added to.
        environment: clock and identifiers.
    """

    def __init__(self, layout: native.Layout, context: str, cache: dict[bytes, int], environment: Environment) -> None:
        self.environment = environment
        self.layout = layout
        self.context = context
        self.cache = cache
        self.steps: list[_Step] = []
        self.origins: list[tuple[int, int]] = []
        self.statements: list[tuple[int, int, int]] = []
        self.constants: dict[Any, int] = {}
        self.memos: dict[Any, _Step] = {}
        self.loads: dict[int, frozenset[int]] = {}
        self.keys: dict[tuple[int, int, bytes], int] = {}
        self.key_sets: list[tuple[list[bytes], Any, bool]] = []
        self.slots = 0
        self.known: dict[int, _Value] = {}

    def add(self, code: StatementCode) -> bool:
        """Takes a statement or condition over; false, with nothing done, if it is not known here."""
        begin = len(self.steps)
        before = dict(self.constants), dict(self.keys), len(self.key_sets), self.slots, dict(self.memos)
        loads = dict(self.loads)
        self.known = {}
        try:
            self._statement(code)
            result = self._register(code.result).slot if code.result >= 0 else -1
        except _Declined:
            del self.steps[begin:], self.origins[begin:]
            self.constants, self.keys, _, self.slots, self.memos = before
            self.loads = loads
            del self.key_sets[before[2] :]
            return False
        self._leave_out(begin)
        self.statements.append((begin, len(self.steps), result))
        return True

    def _leave_out(self, begin: int) -> None:
        """Takes maps out of a statement that it has loaded, but does not read as values."""
        steps = self.steps[begin:]
        if any(step.name in _BLOCKS.values() for step in steps):
            return  # blocks know the numbers of steps
        read = {slot for step in steps for slot in step.slots}
        for number in reversed(range(begin, len(self.steps))):
            if self.steps[number].name == "load_map" and self.steps[number].result not in read:
                del self.steps[number], self.origins[number]

    def program(self) -> native.Program:
        """The program."""
        memos = self._memos()
        numbers = {step.result: number for number, step in enumerate(memos)}
        return native.program(
            self.layout.tables[self.context],
            self.slots,
            len(memos),
            [(slot, held) for held, slot in self.constants.items()],
            [*self.keys],
            self.key_sets,
            [
                (s.name, s.result, self._once(s, numbers), list(s.slots), s.data, self._kills(s, memos))
                for s in self.steps
            ],
            self.statements,
        )

    def _memos(self) -> list[_Step]:
        """The steps that need not run again, each once: those that several do alike, or of an outer level."""
        own = self.layout.tables[self.context]
        uses = Counter(step.result for step in self.steps if step.table is not None)
        return [step for step in self.memos.values() if step.table != own or uses[step.result] > 1]

    @staticmethod
    def _once(step: _Step, numbers: dict[int, int]) -> tuple[int, int] | None:
        if step.table is None or step.result not in numbers:
            return None
        return step.table, numbers[step.result]

    def _kills(self, step: _Step, memos: list[_Step]) -> list[int]:
        """The memos that a step ends: computed from loads of the same column or entry, or of any of the map."""
        own = self.layout.tables[self.context]
        loads = (memo for memo in self.memos.values() if memo.name.startswith("load_") and memo.table == own)
        changed = {load.result for load in loads if _changes(step, load)}
        return [number for number, memo in enumerate(memos) if changed & self.loads[memo.result]] if changed else []

    def cached(self) -> tuple[bytes, ...]:
        """The keys of the cache that are written."""
        written = {_place(step)[0] for step in self.steps if step.name in ("store_cache", "change_cache")}
        return tuple(key for key, number in self.cache.items() if number in written)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _fresh(self) -> int:
        self.slots += 1
        return self.slots - 1

    def _register(self, number: int) -> _Value:
        """A register that holds a value."""
        found = self.known[number]
        if found.slot < 0:
            found = replace(found, slot=self._constant(found.constant))
            self.known[number] = found
        return found

    def _constant(self, value: Any) -> int:
        """A register of its own for a constant."""
        kind = type(value)
        if kind is bytes:
            held: Any = (STRING, value)
        elif kind in (bool, int):
            held = (BOOL if kind is bool else INT, int(value))
        elif kind is float:
            held = (DOUBLE, struct.unpack("<q", struct.pack("<d", value))[0])
        elif value is None:
            held = (EMPTY, 0)
        elif kind is Duration:
            held = (DURATION, int(value))
        elif kind is Bytes:
            held = (BYTES, bytes(value))
        elif kind in _ID_TAGS:
            held = (_ID_TAGS[kind], bytes(value))
        elif kind is Time and not value.zone and -(1 << 63) <= value.ns < 1 << 63:
            held = (TIME, value.ns)
        elif _is_container(value):
            held = _encoded(value)
        else:
            raise _Declined
        known = self.constants.get(held)
        if known is None:
            known = self.constants[held] = self._fresh()
        return known

    def _meet(self, values: Sequence[_Value]) -> str:
        """The level at which values meet: an outer one if all lie there, else the context."""
        levels = {v.level for v in values} - {""}
        return levels.pop() if len(levels) == 1 else self.context

    def _emit(
        self, name: str, values: Sequence[_Value], data: tuple[Any, ...] = (), level: str | None = None
    ) -> _Value:
        """A step that computes a value."""
        where = self._meet(values) if level is None else level
        slots = tuple(v.slot for v in values)
        # Computed once, whichever of the statements needs it first.
        key = (name, slots, repr(data))
        step = self.memos.get(key)
        if step is None:
            step = self.memos[key] = _Step(name, slots, data, self._fresh(), self.layout.tables[where])
            below = frozenset().union(*(self.loads.get(slot, ()) for slot in slots))
            self.loads[step.result] = frozenset({step.result}) if name.startswith("load_") else below
        self.steps.append(step)
        return _Value(step.result, where)

    def _emit_anew(self, name: str, values: Sequence[_Value], data: tuple[Any, ...] = ()) -> _Value:
        """A step that computes another value each time it runs, or none of its own."""
        self.steps.append(_Step(name, tuple(v.slot for v in values), data, self._fresh()))
        return _Value(self.steps[-1].result, self.context)

    def _act(self, name: str, values: Sequence[_Value], data: tuple[Any, ...] = ()) -> None:
        """A step without a result."""
        self.steps.append(_Step(name, tuple(v.slot for v in values), data))

    def _key(self, level: str, number: int, name: bytes) -> int:
        return self.keys.setdefault((self.layout.tables[level], number, name), len(self.keys))

    # -- instructions -------------------------------------------------------------------------------------------------

    def _statement(self, code: StatementCode) -> None:
        opened: list[int] = []
        for number, i in enumerate(code.instructions):
            self._instruction(i, opened)
            del self.origins[len(self.steps) :]
            self.origins += [(len(self.statements), number)] * (len(self.steps) - len(self.origins))

    def _instruction(self, i: Instruction, opened: list[int]) -> None:
        match i.op:
            case Op.CONSTANT:
                self.known[i.result] = _Value(-1, "", i.data)
            case Op.LOAD:
                self.known[i.result] = self._load(i.data, i.constant_keys)
            case Op.CALL:
                self.known[i.result] = self._call(i)
            case Op.INDEX:
                self.known[i.result] = self._emit("call", self._any(i), ("item",))
            case Op.LIST:
                self.known[i.result] = self._emit("call", self._any(i), ("list",))
            case Op.MAP:
                self.known[i.result] = self._emit("call", self._any(i), ("map", list(i.data)))
            case Op.COMPARE:
                self.known[i.result] = self._emit("compare", self._all(i), (i.data,))
            case Op.ADD | Op.SUBTRACT | Op.MULTIPLY | Op.DIVIDE:
                self.known[i.result] = self._emit(_OPERATIONS[i.op], self._all(i))
            case Op.NEGATE | Op.TRUTH | Op.NOT:
                self.known[i.result] = self._emit(_SIMPLE[i.op], self._all(i))
            case Op.AND | Op.OR | Op.UNLESS_NIL:
                self.known[i.result] = self._emit_anew(_BLOCKS[i.op], self._all(i))
                opened.append(len(self.steps) - 1)
            case Op.END:
                (value,) = self._all(i)
                self.steps.append(_Step("end", (value.slot,), (), self.known[i.result].slot))
                at = opened.pop()
                self.steps[at] = replace(self.steps[at], data=(len(self.steps),))
            case Op.WHERE:
                self._act("where", self._all(i))
            case Op.STORE:
                self._store(i)
            case Op.EDIT:
                self._edit(i)
            case _:
                raise _Declined

    def _all(self, i: Instruction) -> list[_Value]:
        """The registers of an instruction that does nothing with a list or map but fail, or compare it."""
        if any(_is_container(self.known[number].constant) for number in i.registers):
            raise _Declined
        return self._any(i)

    def _any(self, i: Instruction) -> list[_Value]:
        return [self._register(number) for number in i.registers]

    def _load(self, spec: PathSpec, keys: tuple[Any, ...] | None) -> _Value:
        level = level_of(spec)
        table = self.layout.tables.get(level)
        if table is None or keys is None or any(type(key) is not bytes and type(key) is not int for key in keys):
            raise _Declined
        columns = self.layout.columns
        match spec.view:
            case View.MAP if keys and type(keys[0]) is bytes:
                number = self.layout.maps[level, spec.field]
                data: tuple[Any, ...] = (number, self._key(level, number, keys[0]), list(keys[1:]))
                return self._emit("load_entry", (), (table, *data), level)
            case View.MAP if not keys:
                return self._emit("load_map", (), (table, self.layout.maps[level, spec.field]), level)
            case View.CACHE if len(keys) == 1 and type(keys[0]) is bytes:
                return self._emit("load_cache", (), (table, self._cache_key(keys[0])), level)
            case View.VALUE:
                return self._emit("load_value", (), (table, columns[level, spec.field], list(keys)), level)
        if keys:
            raise _Declined
        if spec.view is View.METRIC_TYPE:
            return self._emit("load_marked", (), (table, list(self.layout.presence)), level)
        if spec.view is View.POINT_VALUE:
            both = columns[level, ("as_double",)], columns[level, ("as_int",)]
            return self._emit("load_number", (), (table, *both), level)
        if spec.view in (View.ID, View.ID_HEX):
            kind = fields.id_kind(spec)
            if kind not in _IDS:
                raise _Declined
            data = (table, columns[level, spec.field], _IDS[kind], fields.IDS[kind][1])
            found = self._emit("load_id", (), data, level)
            return found if spec.view is View.ID else self._emit("call", (found,), ("id_text",))
        if spec.view is View.NUMBER:
            tag = DOUBLE if spec.kind is Kind.DOUBLE else INT
            return self._emit("load_member", (), (table, columns[level, spec.field], tag, self._having(spec)), level)
        if spec.view is View.METRIC_DATA:
            tag = BOOL if spec.kind is Kind.BOOL else INT
            return self._emit("load_chosen", (), (table, self._data(spec), tag), level)
        if spec.view is View.ENUM_TEXT:
            names = [_Value(self._constant(name.encode()), "") for name in (*spec.names, "")]
            return self._emit("load_named", names, (table, columns[level, spec.field]), level)
        if spec.view is View.VALUE_TEXT:
            body = self._emit("load_value", (), (table, columns[level, spec.field], []), level)
            return self._emit("call", (body,), ("body_text",))
        if spec.view not in _FIELDS:
            raise _Declined
        if (level, spec.field) not in columns:
            return _Value(-1, "", None)
        data = (table, columns[level, spec.field], _FIELDS[spec.view], self._having(spec))
        return self._emit("load_field", (), data, level)

    def _having(self, spec: PathSpec) -> list[int] | None:
        """The variants of data points that have a field; None for all."""
        if level_of(spec) != "datapoint" or not spec.nullable:
            return None
        return [v for v, name in self.layout.points.items() if fields.resolve(name, spec.field) is not None]

    def _cache_key(self, key: bytes) -> int:
        return self.cache.setdefault(key, len(self.cache))

    def _data(self, spec: PathSpec) -> list[tuple[int, int | None]]:
        """For each data message of metrics the column that marks it, and that of a field where it has one."""
        having = fields.data_fields(spec)
        found: list[tuple[int, int | None]] = []
        for mark, name in zip(self.layout.presence, native.metric_data(), strict=True):
            column = self.layout.columns["metric", (name, having[name].name)] if name in having else None
            found.append((mark, column))
        return found

    def _call(self, i: Instruction) -> _Value:
        function: Function = i.data
        if function.over is not None:
            raise _Declined
        call = self._native(function, i)
        values = [self._argument(register) for register in call.registers]
        if call.name in ("keys", "values"):
            load = next((step for step in self.steps if step.result == values[0].slot), None)
            if load is not None and load.name == "load_map":
                return self._emit("load_parts", (), (*load.data, call.name == "keys"), values[0].level)
        data = (call.name, *call.data)
        return self._emit("call", values, data) if function.pure else self._emit_anew("call", values, data)

    def _argument(self, register: Register) -> _Value:
        return self._register(register.number)

    def _native(self, function: Function, i: Instruction) -> NativeCall:
        """The call that a function's declaration makes of its arguments."""
        if function.native_call is None:
            raise _Declined
        arguments: list[Any] = []
        for p, operand in zip(function.parameters, i.operands, strict=True):
            match operand:
                case Literal(value=value):
                    arguments.append(constant_operand(p, value))
                case Elements(registers=registers) if p.form in (Form.LIST, Form.TUPLE):
                    convert = element_converter(p)
                    arguments.append([self._given(number, convert) for number in registers])
                case int():
                    given = self._given(operand, argument_converter(p))
                    compiled = p.compile is not None and given.value is not MISSING
                    arguments.append(given.value if compiled else given)
                case Place():
                    pass
                case None if p.form is Form.ENVIRONMENT:
                    arguments.append(self.environment)
                case _:
                    raise _Declined
        found = function.native_call(*arguments)
        if found is None:
            raise _Declined
        return found

    def _given(self, number: int, convert: Any) -> Register:
        """An argument; of a constant, what the scalar kernel gets."""
        constant = self.known[number].constant
        if constant is MISSING:
            return Register(number)
        try:
            return Register(number, convert(constant))
        except ValueError:
            raise _Declined from None

    # -- edits --------------------------------------------------------------------------------------------------------

    def _own(self, spec: PathSpec) -> None:
        """Declines what is not written in the row itself."""
        if level_of(spec) != self.context or spec.access is not Access.READ_WRITE:
            raise _Declined

    def _store(self, i: Instruction) -> None:
        spec: PathSpec = i.data
        self._own(spec)
        keys = i.constant_keys
        value = self._register(i.registers[0])
        if keys is None:
            raise _Declined
        level, columns = self.context, self.layout.columns
        if spec.view is View.MAP and len(keys) == 1 and type(keys[0]) is bytes:
            number = self.layout.maps[level, spec.field]
            self._act("store_entry", (value,), (number, self._key(level, number, keys[0])))
        elif spec.view is View.CACHE and len(keys) == 1 and type(keys[0]) is bytes:
            self._act("store_cache", (value,), (self._cache_key(keys[0]),))
        elif keys:
            kind, place = self._spot(spec, keys)
            self._act(f"store_inside_{kind}", (value,), (place,))
        elif spec.view is View.MAP:
            self._act("store_map", (value,), (self.layout.maps[level, spec.field],))
        elif spec.view is View.VALUE:
            self._act("store_value", (value,), (columns[level, spec.field],))
        elif spec.view is View.METRIC_DATA:
            form = (BOOL, "whole") if spec.kind is Kind.BOOL else (INT, "signed32")
            self._act("store_data", (value,), (self._data(spec), *form))
        elif spec.view is View.ID and fields.id_kind(spec) in _IDS:
            self._act("store_id", (value,), (columns[level, spec.field], _IDS[fields.id_kind(spec)]))
        elif spec.view in _STORED and level != "datapoint":
            tag = _STORED[spec.view]
            held = INT if tag == TIME else tag
            width = fields.width_of(spec) if spec.view is View.INT else "whole"
            self._act("store_field", (value,), (columns[level, spec.field], tag, held, width))
        else:
            self._act("store_members", (value,), (self._members(spec), self._having(spec)))

    def _members(self, spec: PathSpec) -> list[tuple[Any, ...]]:
        """The fields that take a value, one for each tag (see `Member` in `exec/stores.rs`)."""
        level, columns = level_of(spec), self.layout.columns
        if spec.view in (View.NUMBER, View.POINT_VALUE):
            double, integer = columns[level, ("as_double",)], columns[level, ("as_int",)]
            found = [(double, DOUBLE, DOUBLE, _WHOLE, "whole", integer), (integer, INT, INT, _WHOLE, "whole", double)]
            return found if spec.view is View.POINT_VALUE else [m for m in found if m[0] == columns[level, spec.field]]
        tag = INT if spec.view in _RANGES else _STORED.get(spec.view, EMPTY)
        if tag == EMPTY or spec.limit is not None:
            raise _Declined
        limits = _RANGES.get(spec.view, _WITHOUT_NEGATIVE_ZERO if spec.view is View.DOUBLE else _WHOLE)
        width = fields.width_of(spec) if spec.view is View.INT else "whole"
        return [(columns[level, spec.field], tag, INT if tag == TIME else tag, limits, width, None)]

    def _edit(self, i: Instruction) -> None:
        function: Function = i.data
        target = next(o for o in i.operands if isinstance(o, Place))
        form = next(p.form for p, o in zip(function.parameters, i.operands, strict=True) if o is target)
        spec, keys = target.spec, target.constant_keys
        self._own(spec)
        if keys is None:
            raise _Declined
        if function.name == "clear" and spec.view is View.MAP and not keys:
            empty = _Value(self._constant(Map()), "")
            self._act("store_map", (empty,), (self.layout.maps[self.context, spec.field],))
            return
        call = self._native(function, i)
        values = [self._argument(register) for register in call.registers]
        level = self.context
        if form is not Form.MAP_TARGET:
            kind, place = self._spot(spec, keys)
            self._act(f"change_{kind}", (self._load(spec, keys), *values), (place, call.name, call.data))
        elif spec.view is View.MAP and not keys:
            number = self.layout.maps[level, spec.field]
            name, values, data = self._edited(number, call, values)
            self._act(name, values, (number, *data))
        elif spec.view in (View.MAP, View.VALUE):
            kind, place = self._spot(spec, keys)
            number = sum(step.name in ("edit_entry", "edit_column") for step in self.steps)
            name, values, data = self._edited(_TAKEN + number, call, values)
            self._act(f"edit_{kind}", values, (place, number, name, data))
        else:
            raise _Declined

    def _spot(self, spec: PathSpec, keys: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """Where something is written, with the keys that lead on from there."""
        if len(keys) > MOST_KEYS or any(type(key) is not bytes and type(key) is not int for key in keys):
            raise _Declined
        if spec.view is View.MAP and keys and type(keys[0]) is bytes:
            number = self.layout.maps[self.context, spec.field]
            return "entry", (number, self._key(self.context, number, keys[0]), list(keys[1:]))
        if spec.view is View.CACHE and len(keys) == 1 and type(keys[0]) is bytes:
            return "cache", (self._cache_key(keys[0]), [])
        if spec.view is View.VALUE or (spec.view is View.STRING and not keys):
            return "column", (self.layout.columns[self.context, spec.field], list(keys))
        raise _Declined

    def _edited(self, number: int, call: NativeCall, values: list[_Value]) -> tuple[str, list[_Value], tuple[Any, ...]]:
        """An edit of a map: its name, what it reads, and its constants."""
        if call.name == "merge" and self._parsed(values[0]):
            parsed = self.steps.pop()
            del self.memos["call", parsed.slots, repr(parsed.data)]
            texts = [_Value(slot, self.context) for slot in parsed.slots]
            return "merge_call", texts, (*call.data, parsed.data)
        if call.name == "merge" and values[0].level == self.context:
            source = next((step for step in self.steps if step.result == values[0].slot), None)
            if source is not None and source.name == "load_map":
                return "merge_map", [], (*call.data, source.data[1])
        return call.name, values, tuple(self._editors(number, part) for part in call.data)

    def _parsed(self, value: _Value) -> bool:
        """Whether a map is what the last step has parsed from the rows, and nothing else reads it."""
        if not self.steps:
            return False
        last = self.steps[-1]
        parsed = last.name == "call" and last.result == value.slot and last.data[0] in _PARSERS
        alone = parsed and not any(value.slot in (step.result, *step.slots) for step in self.steps[:-1])
        return alone and last.table == self.layout.tables[self.context]

    def _editors(self, number: int, part: Any) -> Any:
        """A constant of an editor, with keys as numbers."""
        if isinstance(part, MapKey):
            return self._key(self.context, number, part.name)
        if isinstance(part, MapKeys):
            self.key_sets.append((list(part.names), part.pattern, part.complement))
            return len(self.key_sets) - 1
        return part

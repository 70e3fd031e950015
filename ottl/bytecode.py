"""The bytecode: what the compiler makes, what both executors run, and its printed form.

A statement is a flat list of instructions over registers; each register is written once, or once on each side of a
block. `AND`, `OR` and `UNLESS_NIL` open a block that runs only where the register so far leaves the result open, and
`END` closes it: that is all the control flow there is, and what lets the columns executor narrow its rows where the
rows executor branches. `WHERE` ends the condition of a statement, an editing instruction ends the statement.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ottl.contexts.identity import SPAN_PARTS
from ottl.contexts.paths import PathSpec
from ottl.functions import Function, Parameter
from ottl.source import NOWHERE, Source, SourceRange
from ottl.typed import StackChoice
from ottl.types import MISSING, Kind, duration_text


class Op(enum.IntEnum):
    """Operations; `r` is a register, `row` the current row or rows."""

    CONSTANT = enum.auto()  # r <- constant
    LOAD = enum.auto()  # r <- path [keys r...]
    CALL = enum.auto()  # r <- function (operands)
    INDEX = enum.auto()  # r <- r [r]             a missing key is an error
    LIST = enum.auto()  # r <- [r...]
    MAP = enum.auto()  # r <- {key: r...}
    ADD = enum.auto()  # r <- r + r
    SUBTRACT = enum.auto()  # r <- r - r
    MULTIPLY = enum.auto()  # r <- r * r
    DIVIDE = enum.auto()  # r <- r / r
    NEGATE = enum.auto()  # r <- - r
    COMPARE = enum.auto()  # r <- r operator r        never fails
    TRUTH = enum.auto()  # r <- r                  an error unless bool
    NOT = enum.auto()  # r <- not r
    AND = enum.auto()  # r <- r; block where it is true
    OR = enum.auto()  # r <- r; block where it is false
    UNLESS_NIL = enum.auto()  # r <- r; block where it is nil
    END = enum.auto()  # r <- r at the end of a block, for the rows in it
    WHERE = enum.auto()  # keep the rows where r is true
    TOUCH = enum.auto()  # path [keys r...] <- an empty map or list, as r is one
    STORE = enum.auto()  # path [keys r...] <- r
    EDIT = enum.auto()  # editor (operands)
    DROP = enum.auto()  # the row goes; nothing after it runs on it
    ROUTE = enum.auto()  # the row goes to an output
    RATE = enum.auto()  # count rows by the time in r, or in r where that is 0; those beyond the limit go


ACTIONS = frozenset({Op.DROP, Op.ROUTE, Op.RATE})
"""What only scripts do."""


@dataclass(frozen=True, slots=True)
class Elements:
    """A list argument, element by element."""

    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A path that an editor writes."""

    spec: PathSpec
    keys: tuple[int, ...] = ()
    constant_keys: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """A path that holds what the editor changes, read whenever the editor asks."""

    spec: PathSpec
    keys: tuple[int, ...] = ()
    constant_keys: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant argument, in the form the kernel gets it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A converter passed by name."""

    function: Function
    parameter: Parameter | None


@dataclass(frozen=True, slots=True)
class Over:
    """An argument that is evaluated on every row of the payload."""

    code: StatementCode


Operand: TypeAlias = "int | Elements | Place | Live | Literal | Reference | Over | None"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Args:
        op: what it does.
        result: register written, -1 for none.
        registers: registers read.
        data: constant, `PathSpec`, `Function`, operator or keys, as `op` needs.
        operands: arguments of a call, in the order of the parameters.
        kind: static type of the result.
        constant_keys: keys of a `LOAD` or `STORE` where all are constants.
        range: place in the statement's text.
    """

    op: Op
    result: int = -1
    registers: tuple[int, ...] = ()
    data: Any = None
    operands: tuple[Operand, ...] = ()
    kind: Kind = Kind.ANY
    constant_keys: tuple[Any, ...] | None = None
    range: SourceRange = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class StatementCode:
    """The instructions of a statement, a condition (then `result` is its register) or a value.

    Args:
        instructions: in order.
        registers: how many registers they use.
        source: the text.
        result: register of the value, for conditions and values; -1 for statements.
    """

    instructions: tuple[Instruction, ...]
    registers: int
    source: Source
    text: str
    result: int = -1


@dataclass(frozen=True, slots=True)
class GroupCode:
    """A group of statements in one context."""

    context: str
    statements: tuple[StatementCode, ...]
    conditions: tuple[StatementCode, ...]
    error_mode: str
    shared_cache: bool
    choice: StackChoice


def _shown_operand(operand: Operand) -> str:
    match operand:
        case int():
            return f"r{operand}"
        case Elements(registers=registers):
            return "[" + ", ".join(f"r{r}" for r in registers) + "]"
        case Place(spec=spec, keys=keys, constant_keys=constants):
            return shown_path(spec, keys, constants)
        case Live(spec=spec, keys=keys, constant_keys=constants):
            return f"live {shown_path(spec, keys, constants)}"
        case Literal(value=value):
            return shown_constant(value)
        case Reference(function=function):
            return function.name
        case Over(code=code):
            return f"on every row r{code.result}"
    return "-"


def shown_constant(value: Any) -> str:
    """A constant as the disassembly shows it."""
    if type(value) is bytes or isinstance(value, str):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if value is None:
        return "nil"
    if value is MISSING:
        return "-"
    if isinstance(value, list):
        return f"[{', '.join(map(shown_constant, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def shown_path(spec: PathSpec, keys: tuple[int, ...], constants: tuple[Any, ...] | None) -> str:
    """A path as the disassembly shows it."""
    shown = [shown_constant(c) for c in constants] if constants is not None else [f"r{key}" for key in keys]
    return f"{spec.level}.{spec.name}" + "".join(f"[{s}]" for s in shown)


_OPERATORS = {Op.ADD: "+", Op.SUBTRACT: "-", Op.MULTIPLY: "*", Op.DIVIDE: "/"}


def _shown(instruction: Instruction) -> str:
    i = instruction
    r = [f"r{n}" for n in i.registers]
    match i.op:
        case Op.CONSTANT:
            body = shown_constant(i.data)
        case Op.LOAD:
            body = shown_path(i.data, i.registers, i.constant_keys)
        case Op.CALL | Op.EDIT:
            body = f"{i.data.name}({', '.join(_shown_operand(o) for o in i.operands)})"
        case Op.INDEX:
            body = f"{r[0]}[{r[1]}]"
        case Op.LIST:
            body = f"[{', '.join(r)}]"
        case Op.MAP:
            body = "{" + ", ".join(f"{shown_constant(k)}: {v}" for k, v in zip(i.data, r, strict=True)) + "}"
        case Op.ADD | Op.SUBTRACT | Op.MULTIPLY | Op.DIVIDE:
            body = f"{r[0]} {_OPERATORS[i.op]} {r[1]}"
        case Op.COMPARE:
            body = f"{r[0]} {i.data} {r[1]}"
        case Op.ROUTE:
            body = shown_constant(i.data.encode())
        case Op.RATE:
            body = f"{i.data[0]} in {duration_text(i.data[1])} by {r[0]}, {r[1]}"
        case Op.STORE | Op.TOUCH:
            body = f"{shown_path(i.data, i.registers[1:], i.constant_keys)} <- {r[0]}"
        case _:
            body = " ".join(r)
    return f"r{i.result:<3} <- {body}" if i.result >= 0 else f"        {body}"


def shown_part(level: str, field: tuple[str, ...]) -> str:
    """A field that a function over whole traces reads by itself, as a path."""
    return ".".join(field if field[0] == level else (level, *field))


def projection(codes: Iterable[StatementCode]) -> tuple[list[str], list[str]]:
    """What instructions read and write, as paths with their constant keys, sorted: all that a scan has to extract."""
    read: set[str] = set()
    written: set[str] = set()
    for code in codes:
        for i in everywhere(code):
            if i.op is Op.CALL:
                read.update(shown_part(*field) for part in i.data.reads for field in SPAN_PARTS[part])
            keys = i.registers[1:] if i.op in (Op.STORE, Op.TOUCH) else i.registers
            if i.op is Op.LOAD:
                read.add(shown_path(i.data, keys, i.constant_keys))
            elif i.op in (Op.STORE, Op.TOUCH):
                written.add(shown_path(i.data, keys, i.constant_keys))
            written.update(shown_path(o.spec, o.keys, o.constant_keys) for o in i.operands if isinstance(o, Place))
    return sorted(read), sorted(written)


def describe(code: StatementCode) -> Iterator[str]:
    """The printed form of each instruction of a statement, blocks indented."""
    depth = 0
    for instruction in code.instructions:
        if instruction.op is Op.END:
            depth -= 1
        typed = f"  : {instruction.kind.value}" if instruction.result >= 0 and instruction.kind is not Kind.ANY else ""
        yield f"{instruction.op.name:<10} {'  ' * depth}{_shown(instruction)}{typed}"
        if instruction.op in (Op.AND, Op.OR, Op.UNLESS_NIL):
            depth += 1


def disassemble(code: StatementCode) -> Iterator[str]:
    """The instructions of a statement, one line each with its number."""
    for number, (instruction, text) in enumerate(zip(code.instructions, describe(code), strict=True)):
        yield f"{number:4}  {text}"
        for operand in instruction.operands:
            if isinstance(operand, Over):
                yield from (f"      | {line}" for line in disassemble(operand.code))


def everywhere(code: StatementCode) -> Iterator[Instruction]:
    """The instructions of a statement, and in front of a call those of its arguments that go over all rows."""
    for instruction in code.instructions:
        for operand in instruction.operands:
            if isinstance(operand, Over):
                yield from everywhere(operand.code)
        yield instruction


def calls(code: StatementCode) -> Iterator[Instruction]:
    """The calls of a statement, those inside arguments that are evaluated on every row included."""
    return (i for i in everywhere(code) if i.op in (Op.CALL, Op.EDIT))


def over_traces(code: StatementCode) -> bool:
    """Whether a statement looks at whole traces."""
    return any(call.data.over is not None for call in calls(code))

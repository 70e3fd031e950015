"""The rows executor: bytecode compiled to one Python function a group, run on one row at a time over protobuf messages.

This is the executable meaning of the language: scalar kernels on scalars, statement after statement. Registers become
local variables, blocks become `if`s, constants and kernels become names of the function's globals, so that nothing is
looked up or dispatched while rows run. The text that is compiled consists of register numbers and generated names only;
nothing of a rule's text is in it.

A statement that fails on a row raises `ValueError` inside the kernel or accessor; the generated function catches it at
the statement and hands it to `Failures`, which applies the error mode.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ottl import types
from ottl.bytecode import Elements, GroupCode, Instruction, Literal, Live, Op, Operand, Place, Reference, StatementCode
from ottl.contexts.paths import PathSpec, View
from ottl.functions import Form, Function, Parameter
from ottl.types import Bytes, Duration, Kind, Map, Slice, Value
from ottl.vm import messages
from ottl.vm.memories import remembering
from ottl.vm.messages import Row
from ottl.vm.profile import Profile

_MAX_INDENT = 60
_EXACT = 1 << 53
_BINARY = {Op.ADD: types.add, Op.SUBTRACT: types.subtract, Op.MULTIPLY: types.multiply, Op.DIVIDE: types.divide}


class Sink(Protocol):
    """Where a group reports to; one object a run."""

    matched: list[int]
    changed: list[int]
    ns: list[int]

    def failed(self, statement: int, row: Any, error: ValueError) -> None:
        """A statement failed on a row; raises under `propagate`."""

    def drop(self, row: Any) -> None:
        """A row goes."""

    def route(self, row: Any, name: str) -> None:
        """A row goes to an output."""

    def over(self, statement: int, time: int) -> bool:
        """Whether a row is beyond the limit of a statement, which counts it."""

    def condition_failed(self, condition: int, row: Any, error: ValueError) -> None:
        """A group condition failed on a row; raises under `propagate`."""


RowFunction = Callable[[Row, Sink], None]
ValueFunction = Callable[[Row], Any]


@dataclass(slots=True)
class PathTarget:
    """A path of a row as an editor's kernel sees it."""

    row: Row
    read: Callable[[Row], Value]
    write: Callable[[Row, Value], None]
    changed: bool = False

    def get(self) -> Value:
        """The current value."""
        return self.read(self.row)

    def set(self, value: Value) -> None:
        """Writes the value."""
        self.write(self.row, value)
        self.changed = True


@dataclass(slots=True)
class KeyedTarget:
    """A path with keys of a row as an editor's kernel sees it."""

    row: Row
    keys: tuple[Value, ...]
    read: Callable[[Row, tuple[Value, ...]], Value]
    write: Callable[[Row, tuple[Value, ...], Value], None]
    changed: bool = False

    def get(self) -> Value:
        """The current value."""
        return self.read(self.row, self.keys)

    def set(self, value: Value) -> None:
        """Writes the value."""
        self.write(self.row, self.keys, value)
        self.changed = True


@dataclass(slots=True)
class _Writer:
    """Generates the text of one function and the names it uses."""

    environment: Any
    names: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    indent: int = 1
    guards: list[str] = field(default_factory=list)
    statement: int = 0
    profile: Profile | None = None

    def bind(self, prefix: str, value: Any) -> str:
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def line(self, text: str) -> None:
        guard = f"if {self.guards[-1]}: " if self.guards else ""
        self.lines.append("    " * self.indent + guard + text)

    def open(self, condition: str) -> None:
        """Begins a block; deep ones are guarded line by line, because Python's indentation is bounded."""
        if self.indent < _MAX_INDENT and not self.guards:
            self.line(f"if {condition}:")
            self.indent += 1
            self.lines.append("    " * self.indent + "pass")
        else:
            guard = self.bind("g", None)
            outer = f"{self.guards[-1]} and " if self.guards else ""
            self.lines.append("    " * self.indent + f"{guard} = bool({outer}({condition}))")
            self.guards.append(guard)

    def close(self) -> None:
        if self.guards:
            self.guards.pop()
        else:
            self.indent -= 1

    # -- instructions -------------------------------------------------------------------------------------------------

    def code(self, code: StatementCode, prefix: str, on_edit: Callable[[], None] | None = None) -> None:
        """All instructions; `on_edit` is called where the rows that pass the condition are known."""
        constants: dict[int, Any] = {}
        passed = False
        lap = self.bind("lap", self.profile.laps(code)) if self.profile is not None else ""
        if lap:
            self.line(f"{lap}(-1)")
        for number, instruction in enumerate(code.instructions):
            if instruction.op is Op.CONSTANT:
                constants[instruction.result] = instruction.data
            if instruction.op is Op.WHERE:
                self.open(self.register(prefix, instruction.registers[0], constants))
            if on_edit is not None and not passed and (instruction.op is Op.WHERE or not _has_where(code)):
                on_edit()
                passed = True
            if instruction.op is not Op.WHERE:
                self.instruction(instruction, prefix, constants)
            if lap and instruction.op is not Op.CONSTANT:
                self.line(f"{lap}({number})")
        if any(i.op is Op.WHERE for i in code.instructions):
            self.close()

    def register(self, prefix: str, number: int, constants: dict[int, Any]) -> str:
        if number in constants:
            value = constants[number]
            return repr(value) if value is None or isinstance(value, bool) else self.bind("c", value)
        return f"{prefix}{number}"

    def instruction(self, i: Instruction, prefix: str, constants: dict[int, Any]) -> None:
        r = [self.register(prefix, n, constants) for n in i.registers]
        result = f"{prefix}{i.result}"
        match i.op:
            case Op.CONSTANT:
                return
            case Op.LOAD:
                self.line(f"{result} = {self.load(i, r)}")
            case Op.CALL:
                if i.data.over is None:
                    self.line(f"{result} = {self.call(i, prefix, constants)}")
                else:
                    self.line(f"{result} = {self.bind('taken', taken)}(row, {self.bind('call', id(i))})")
            case Op.INDEX:
                self.line(f"{result} = {self.bind('index', types.index_keys)}({r[0]}, ({r[1]},))")
            case Op.LIST:
                self.line(f"{result} = [{', '.join(r)}]")
            case Op.MAP:
                pairs = ", ".join(f"({self.bind('k', k)}, {v})" for k, v in zip(i.data, r, strict=True))
                self.line(f"{result} = {self.bind('map', types.make_map)}([{pairs}])")
            case Op.ADD | Op.SUBTRACT | Op.MULTIPLY | Op.DIVIDE:
                self.line(f"{result} = {self.bind('arithmetic', _BINARY[i.op])}({r[0]}, {r[1]})")
            case Op.NEGATE:
                self.line(f"{result} = {self.bind('negate', types.negate)}({r[0]})")
            case Op.COMPARE:
                self.line(f"{result} = {self.compare(i, r, constants)}")
            case Op.TRUTH:
                self.line(f"{result} = {self.bind('truth', truth)}({r[0]})")
            case Op.NOT:
                self.line(f"{result} = not {r[0]}")
            case Op.AND:
                self.line(f"{result} = {r[0]}")
                self.open(result)
            case Op.OR:
                self.line(f"{result} = {r[0]}")
                self.open(f"not {result}")
            case Op.UNLESS_NIL:
                self.line(f"{result} = {r[0]}")
                self.open(f"{result} is None")
            case Op.END:
                self.line(f"{result} = {r[0]}")
                self.close()
            case Op.TOUCH:
                self.line(
                    f"emptied = {self.bind('emptied', emptied)}({r[0]}, {self.live(i.data, i.constant_keys, r[1:])})"
                )
                self.open("emptied is not None")
                self.store(i, ["emptied", *r[1:]])
                self.close()
            case Op.STORE:
                self.store(i, r)
            case Op.EDIT:
                self.edit(i, prefix, constants)
            case Op.DROP:
                self.line("dropped = True")
                self.line("edited = True")
            case Op.ROUTE:
                self.line(f"sink.route(row, {self.bind('name', i.data)})")
                self.line("edited = True")
            case Op.RATE:
                self.line(f"edited = dropped = sink.over({self.statement}, {r[0]} or {r[1]})")

    def edit(self, i: Instruction, prefix: str, constants: dict[int, Any]) -> None:
        function: Function = i.data
        arguments = []
        finish = False
        for p, operand in zip(function.parameters, i.operands, strict=True):
            text = self.argument(p, operand, prefix, constants)
            if isinstance(operand, Place):
                self.line(f"target = {text}")
                text = "target"
                finish = p.form is not Form.TARGET
            arguments.append(text)
        kernel = function.alias_kernel if any(isinstance(o, Live) for o in i.operands) else function.kernel
        self.line(f"{self.bind('f', kernel)}({', '.join(arguments)})")
        if finish:
            self.line("target.finish()")
        self.line("edited = target.changed")

    def load(self, i: Instruction, r: list[str]) -> str:
        spec = i.data
        if i.constant_keys is not None:
            if not i.constant_keys:
                return f"{self.bind('get', messages.getter(spec))}(row)"
            if len(i.constant_keys) == 1 and type(i.constant_keys[0]) is bytes:
                return f"{self.bind('get', messages.key_getter(spec, i.constant_keys[0]))}(row)"
            keys = self.bind("keys", i.constant_keys)
            return f"{self.bind('get', messages.keys_getter(spec))}(row, {keys})"
        return f"{self.bind('get', messages.keys_getter(spec))}(row, ({', '.join(r)},))"

    def live(self, spec: PathSpec, constant_keys: tuple[Any, ...] | None, keys: list[str]) -> str:
        """A function that reads a path when it is called."""
        if constant_keys == ():
            return f"lambda: {self.bind('get', messages.getter(spec))}(row)"
        shown = f"({', '.join(keys)},)" if constant_keys is None else self.bind("keys", constant_keys)
        return f"lambda: {self.bind('get', messages.keys_getter(spec))}(row, {shown})"

    def store(self, i: Instruction, r: list[str]) -> None:
        spec = i.data
        if i.constant_keys is not None:
            if not i.constant_keys:
                self.line(f"{self.bind('set', messages.setter(spec))}(row, {r[0]})")
            elif len(i.constant_keys) == 1 and type(i.constant_keys[0]) is bytes:
                self.line(f"{self.bind('set', messages.key_setter(spec, i.constant_keys[0]))}(row, {r[0]})")
            else:
                keys = self.bind("keys", i.constant_keys)
                self.line(f"{self.bind('set', messages.keys_setter(spec))}(row, {keys}, {r[0]})")
        else:
            self.line(f"{self.bind('set', messages.keys_setter(spec))}(row, ({', '.join(r[1:])},), {r[0]})")
        self.line("edited = True")

    def compare(self, i: Instruction, r: list[str], constants: dict[int, Any]) -> str:
        operator = i.data
        left, right = i.registers
        if left in constants and right not in constants:
            left, right, r, operator = right, left, [r[1], r[0]], _MIRROR[operator]
        if right in constants and left not in constants and operator in ("==", "!="):
            wanted = constants[right]
            negated = "not " if operator == "!=" else ""
            if wanted is None:
                return f"{negated}({r[0]} is None or ({r[0]} == b'' and type({r[0]}) is {self.bind('t', Bytes)}))"
            if type(wanted) is bytes:
                return f"{negated}({r[0]} == {r[1]} and type({r[0]}) is {self.bind('t', bytes)})"
            if type(wanted) is int and -_EXACT <= wanted <= _EXACT:
                pair = self.bind("t", (int, float))
                return f"{negated}({r[0]} == {r[1]} and type({r[0]}) in {pair})"
        return f"{self.bind('compare', types.compare)}({operator!r}, {r[0]}, {r[1]})"

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, i: Instruction, prefix: str, constants: dict[int, Any]) -> str:
        function: Function = i.data
        arguments = [
            self.argument(p, o, prefix, constants) for p, o in zip(function.parameters, i.operands, strict=True)
        ]
        kernel = remembering(i, self.environment) if function.stateful else function.kernel
        text = f"{self.bind('f', kernel)}({', '.join(arguments)})"
        convert = None if function.editor else types.convert_result(function.result, function.result_raw)
        return text if convert is None or convert is types.identity else f"{self.bind('out', convert)}({text})"

    def argument(self, p: Parameter, operand: Operand, prefix: str, constants: dict[int, Any]) -> str:
        match operand:
            case None:
                return self.bind("environment", self.environment)
            case Literal(value=value):
                if p.compile is not None and value is not None and value != p.default:
                    value = [p.compile(v) for v in value] if isinstance(value, list) else p.compile(value)
                elif p.compile is not None and isinstance(value, str):
                    value = p.compile(value)
                return self.bind("c", value)
            case Place():
                return self.place(p, operand, prefix, constants)
            case Live(spec=spec, keys=numbers, constant_keys=known):
                read = self.live(spec, known, [self.register(prefix, n, constants) for n in numbers])
                return f"lambda: {self.bind('in', argument_converter(p))}(({read})())"
            case Reference():
                return self.bind("function", function_argument(operand))
            case Elements(registers=registers):
                convert = element_converter(p)
                items = [self.converted(convert, self.register(prefix, n, constants)) for n in registers]
                if p.form is Form.TUPLE:
                    return f"({', '.join(items)}{',' if items else ''})"
                return f"[{', '.join(items)}]"
            case int():
                value = self.register(prefix, operand, constants)
                if operand in constants and p.form is not Form.LIST:
                    try:
                        return self.bind("c", argument_converter(p)(constants[operand]))
                    except ValueError:
                        pass  # refused on every row, with the statement's own condition in front of it
                return self.converted(argument_converter(p), value)
            case _:
                raise TypeError(f"{p.name} is evaluated on every row, in front of the statement")

    def converted(self, convert: Callable[[Any], Any], value: str) -> str:
        return value if convert is types.identity else f"{self.bind('in', convert)}({value})"

    def place(self, p: Parameter, place: Place, prefix: str, constants: dict[int, Any]) -> str:
        keys = place.constant_keys
        if keys is not None:
            shown = self.bind("keys", keys) if keys else "()"
            keyed = bool(keys)
        else:
            shown = "(" + "".join(self.register(prefix, n, constants) + ", " for n in place.keys) + ")"
            keyed = True
        if p.form is Form.MAP_TARGET:
            return f"{self.bind('target', messages.map_target(place.spec, keyed))}(row, {shown})"
        if p.form is Form.LIST_TARGET:
            return f"{self.bind('target', messages.list_target(place.spec, keyed))}(row, {shown})"
        if not keyed:
            read, write = messages.getter(place.spec), messages.setter(place.spec)
            return f"{self.bind('target', PathTarget)}(row, {self.bind('get', read)}, {self.bind('set', write)})"
        if keys is not None and len(keys) == 1 and type(keys[0]) is bytes and place.spec.view is not View.TRACE_STATE:
            read, write = messages.key_getter(place.spec, keys[0]), messages.key_setter(place.spec, keys[0])
            return f"{self.bind('target', PathTarget)}(row, {self.bind('get', read)}, {self.bind('set', write)})"
        many_read, many_write = messages.keys_getter(place.spec), messages.keys_setter(place.spec)
        names = f"{self.bind('get', many_read)}, {self.bind('set', many_write)}"
        return f"{self.bind('target', KeyedTarget)}(row, {shown}, {names})"

    def function(self, arguments: str, name: str) -> Callable[..., Any]:
        text = "\n".join([f"def generated({arguments}):", *self.lines])
        exec(compile(text, f"<ottl {name}>", "exec"), self.names)  # noqa: S102 - generated names only, no text of rules
        return self.names["generated"]  # type: ignore[no-any-return]


_MIRROR = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _has_where(code: StatementCode) -> bool:
    return any(i.op is Op.WHERE for i in code.instructions)


def taken(row: Row, call: int) -> Any:
    """The result of a call over whole traces on a row (see `ottl.vm.traces`); raises `ValueError` where it failed."""
    values, errors = row.computed[call]
    if errors and row.number in errors:
        raise ValueError(errors[row.number])
    return values[row.number]


def truth(value: Value) -> bool:
    """A converter's result as a condition."""
    if value is True or value is False:
        return value
    raise ValueError(f"a condition must be bool, got {types.kind_name(value)}")


def emptied(value: Value, current: Callable[[], Value]) -> Value:
    """What a slot is set to before a map or list that holds it is stored there: an empty one; nil where needless."""
    if not isinstance(value, (Map, list)):
        return None
    try:
        before = current()
    except ValueError:
        before = None
    if isinstance(value, Map):
        return None if isinstance(before, Map) else Map()
    return None if isinstance(before, list) else Slice()


def argument_converter(p: Parameter) -> Callable[[Any], Any]:
    """What turns a VM value into a kernel's argument."""
    if p.form is Form.LIST:
        return _list_converter(p)
    if p.form is Form.CONDITION:
        return _held
    convert = types.convert_argument(p.kind, p.like, p.raw, p.nil)
    if p.number:
        return lambda value: convert(int(value) if type(value) is Duration else value)
    if p.compile is None:
        return convert
    compile_text = p.compile

    def compiled(value: Value) -> Any:
        text = convert(value)
        return None if text is None else compile_text(text)

    return compiled


def _held(value: Value) -> Callable[[], Value]:
    """A condition's result as a function of nothing, which is how kernels ask for it."""
    return lambda: value


def element_converter(p: Parameter) -> Callable[[Any], Any]:
    """What turns an element of a list literal into a kernel's argument."""
    return types.convert_argument(p.kind, p.like, p.raw, p.nil_elements)


def _list_converter(p: Parameter) -> Callable[[Any], Any]:
    elements = types.convert_elements(p.kind, p.like, p.raw, p.nil_elements)
    if not p.nil:
        return elements
    return lambda value: None if value is None else elements(value)


def function_argument(reference: Reference) -> Callable[[bytes], bytes]:
    """A converter passed by name, as a function of UTF-8 bytes."""
    function, parameter = reference.function, reference.parameter
    if parameter is None:
        return _refuse(f"{function.name} cannot be passed by name: it must take exactly one argument")
    if parameter.kind is not Kind.STRING or parameter.like or parameter.form is not Form.VALUE:
        return _refuse(f"{function.name} cannot be passed by name: its argument must be a string")
    if any(p.form is Form.ENVIRONMENT for p in function.parameters):
        return _refuse(f"{function.name} cannot be passed by name")
    convert = argument_converter(parameter)
    give = types.convert_result(function.result, function.result_raw)
    kernel = function.kernel

    def apply(text: bytes) -> bytes:
        result = give(kernel(convert(text)))
        if type(result) is not bytes:
            raise ValueError(f"{function.name} must give a string here, got {types.kind_name(result)}")
        return result

    return apply


def _refuse(message: str) -> Callable[[bytes], bytes]:
    def refuse(_: bytes) -> bytes:
        raise ValueError(message)

    return refuse


def build_group(group: GroupCode, environment: Any, timed: bool = False, profile: Profile | None = None) -> RowFunction:
    """The group as a function of a row and a sink.

    Args:
        group: its bytecode.
        environment: clock and identifiers for impure functions (see `functions.Environment`).
        timed: adds the time of each statement to the sink's `ns`, for the rows that are sampled.
        profile: gets the time of each instruction.
    """
    writer = _Writer(environment, profile=profile)
    clock = writer.bind("clock", time.perf_counter_ns) if timed else ""
    if group.conditions:
        writer.line("passed = False")
        for number, condition in enumerate(group.conditions):
            writer.line("if not passed:")
            writer.indent += 1
            writer.line("try:")
            writer.indent += 1
            prefix = f"q{number}_"
            writer.code(condition, prefix)
            writer.line(f"passed = {_result(writer, condition, prefix)}")
            writer.indent -= 1
            writer.line("except ValueError as error:")
            writer.lines.append("    " * (writer.indent + 1) + f"sink.condition_failed({number}, row, error)")
            writer.indent -= 1
        writer.line("if not passed: return")
    writer.line("matched = sink.matched")
    writer.line("changed = sink.changed")
    for number, statement in enumerate(group.statements):
        writer.statement = number
        drops = any(i.op in (Op.DROP, Op.RATE) for i in statement.instructions)
        if drops:
            writer.line("dropped = False")
        if timed:
            writer.line(f"begun = {clock}()")
        writer.line("try:")
        writer.indent += 1
        writer.line("edited = False")
        writer.code(statement, f"s{number}_", lambda n=number: writer.line(f"matched[{n}] += 1"))  # type: ignore[misc]
        writer.line(f"if edited: changed[{number}] += 1")
        writer.indent -= 1
        writer.line("except ValueError as error:")
        writer.lines.append("    " * (writer.indent + 1) + f"sink.failed({number}, row, error)")
        if timed:
            writer.line(f"sink.ns[{number}] += {clock}() - begun")
        if drops:
            writer.line("if dropped:")
            writer.indent += 1
            writer.line("sink.drop(row)")
            writer.line("return")
            writer.indent -= 1
    return writer.function("row, sink", f"{group.context} group")


def _result(writer: _Writer, code: StatementCode, prefix: str) -> str:
    constants = {i.result: i.data for i in code.instructions if i.op is Op.CONSTANT}
    return writer.register(prefix, code.result, constants)


def build_value(code: StatementCode, environment: Any, profile: Profile | None = None) -> ValueFunction:
    """A condition or value as a function of a row; raises `ValueError` where it fails."""
    writer = _Writer(environment, profile=profile)
    writer.code(code, "r")
    writer.line(f"return {_result(writer, code, 'r')}")
    return writer.function("row", "value")

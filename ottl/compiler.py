"""Typed tree to bytecode.

Equal sub-expressions of a statement share a register (value numbering): within one statement nothing is written before
the editor runs, so a pure expression computed on all rows of an enclosing block holds throughout that block.
"""

from __future__ import annotations

from ottl import bytecode, typed
from ottl.binder import constant_argument
from ottl.bytecode import Instruction, Op, Operand, StatementCode
from ottl.functions import Form, Function, Parameter
from ottl.recursion import bounded
from ottl.source import NOWHERE, Source, SourceRange
from ottl.types import Kind

_ARITHMETIC = {"+": Op.ADD, "-": Op.SUBTRACT, "*": Op.MULTIPLY, "/": Op.DIVIDE}


class _Emitter:
    """Collects the instructions of one statement."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.registers = 0
        self.known: list[dict[typed.Expression, int]] = [{}]

    def fresh(self) -> int:
        self.registers += 1
        return self.registers - 1

    def emit(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        return instruction.result

    def expression(self, node: typed.Expression) -> int:
        for scope in self.known:
            if node in scope:
                return scope[node]
        register = self._expression(node)
        if is_pure(node):
            self.known[-1][node] = register
        return register

    def again(self, node: typed.Expression) -> int:
        """The expression computed anew, although it is known."""
        return self._expression(node)

    def _expression(self, node: typed.Expression) -> int:
        where, kind = node.range, node.kind
        match node:
            case typed.Constant(value=value):
                return self.emit(Instruction(Op.CONSTANT, self.fresh(), data=value, kind=kind, range=where))
            case typed.Load(spec=spec, keys=keys):
                registers, constants = self.keys(keys)
                return self.emit(Instruction(Op.LOAD, self.fresh(), registers, spec, (), kind, constants, where))
            case typed.Invoke(function=function, arguments=arguments):
                if function.over is None:
                    operands = self.arguments(function.parameters, arguments)
                else:
                    operands = tuple(map(self._over, function.parameters, arguments))
                return self.emit(
                    Instruction(Op.CALL, self.fresh(), data=function, operands=operands, kind=kind, range=where)
                )
            case typed.Index(value=value, key=key):
                return self._simple(Op.INDEX, kind, where, None, value, key)
            case typed.MakeList(items=items):
                return self._simple(Op.LIST, kind, where, None, *items)
            case typed.MakeMap(keys=names, items=items):
                return self._simple(Op.MAP, kind, where, names, *items)
            case typed.Arithmetic(operator=operator, left=left, right=right):
                return self._simple(_ARITHMETIC[operator], kind, where, None, left, right)
            case typed.Negate(operand=operand):
                return self._simple(Op.NEGATE, kind, where, None, operand)
            case typed.Compare(operator=comparison, left=left, right=right):
                return self._simple(Op.COMPARE, kind, where, comparison, left, right)
            case typed.Truth(operand=operand):
                return self._simple(Op.TRUTH, kind, where, None, operand)
            case typed.Not(operand=operand):
                return self._simple(Op.NOT, kind, where, None, operand)
            case typed.And(operands=operands):
                return self._blocks(Op.AND, kind, where, operands)
            case typed.Or(operands=operands):
                return self._blocks(Op.OR, kind, where, operands)
            case typed.FirstNonNil(operands=operands):
                return self._blocks(Op.UNLESS_NIL, kind, where, operands)
        raise TypeError(f"no bytecode for {type(node).__name__}")

    def _simple(self, op: Op, kind: Kind, where: SourceRange, data: object, *below: typed.Expression) -> int:
        registers = tuple(self.expression(node) for node in below)
        return self.emit(Instruction(op, self.fresh(), registers, data, kind=kind, range=where))

    def _blocks(self, op: Op, kind: Kind, where: SourceRange, operands: tuple[typed.Expression, ...]) -> int:
        """`a and b and c`: each further operand in a block behind the result so far, the blocks one after another."""
        register = self.expression(operands[0])
        for node in operands[1:]:
            result = self.fresh()
            self.emit(Instruction(op, result, (register,), kind=kind, range=where))
            self.known.append({})
            inner = self.expression(node)
            self.known.pop()
            self.emit(Instruction(Op.END, result, (inner,), kind=kind, range=where))
            register = result
        return register

    def keys(self, keys: tuple[typed.Expression, ...]) -> tuple[tuple[int, ...], tuple[object, ...] | None]:
        constants = [key.value for key in keys if isinstance(key, typed.Constant)]
        if len(constants) == len(keys):
            return (), tuple(constants)
        return tuple(self.expression(key) for key in keys), None

    def arguments(
        self, parameters: tuple[Parameter, ...], arguments: tuple[typed.Operand | None, ...]
    ) -> tuple[Operand, ...]:
        return tuple(self._argument(p, a) for p, a in zip(parameters, arguments, strict=True))

    def live_arguments(self, function: Function, arguments: tuple[typed.Operand | None, ...]) -> tuple[Operand, ...]:
        """The operands of an editor; a source that holds the target stays live if the editor knows what that means."""
        places = [a for a in arguments if isinstance(a, typed.Place)] if function.alias_kernel is not None else []
        operands: list[Operand] = []
        for parameter, argument in zip(function.parameters, arguments, strict=True):
            if isinstance(argument, typed.Load) and any(holds(argument, place) for place in places):
                operands.append(bytecode.Live(argument.spec, *self.keys(argument.keys)))
            else:
                operands.append(self._argument(parameter, argument))
        return tuple(operands)

    def _argument(self, parameter: Parameter, argument: typed.Operand | None) -> Operand:
        match argument:
            case None:
                hidden = parameter.form in (Form.ENVIRONMENT, Form.STATE, Form.TRACE)
                return None if hidden else bytecode.Literal(parameter.default)
            case typed.Place(spec=spec, keys=keys):
                registers, constants = self.keys(keys)
                return bytecode.Place(spec, registers, constants)
            case typed.Elements(items=items):
                return bytecode.Elements(tuple(self.expression(item) for item in items))
            case typed.FunctionReference(function=function, parameter=filled):
                return bytecode.Reference(function, filled)
            case typed.Constant(value=value) if parameter.form is Form.CONSTANT:
                return bytecode.Literal(constant_argument(parameter, value))
        return self.expression(argument)

    def _over(self, parameter: Parameter, argument: typed.Operand | None) -> Operand:
        """An argument of a function over whole traces: what is no literal gets code of its own, for all rows."""
        if not isinstance(argument, typed.Expression) or parameter.form is Form.CONSTANT:
            return self._argument(parameter, argument)
        inner = _Emitter()
        register = inner.expression(argument)
        return bytecode.Over(StatementCode(tuple(inner.instructions), inner.registers, Source(""), "", register))

    def finish(self, source: typed.Statement | typed.ConditionText | None, text: str, result: int) -> StatementCode:
        assert source is not None
        place = source.source if source.range == NOWHERE else source.source.part(source.range)
        return StatementCode(tuple(self.instructions), self.registers, place, text, result)


def is_pure(node: typed.Operand) -> bool:
    """True when the expression depends on the row alone, so that computing it once is enough."""
    return all(not (isinstance(n, typed.Invoke) and not n.function.pure) for n in typed.walk(node))


def holds(value: typed.Load, place: typed.Place) -> bool:
    """Whether a value is the map or list that a place is, or one that has it inside."""
    return value.spec == place.spec and value.keys == place.keys[: len(value.keys)]


def overlaps(place: typed.Place, value: typed.Expression) -> bool:
    """Whether a value is a map or list that holds the place it is stored in."""
    return isinstance(value, typed.Load) and len(value.keys) < len(place.keys) and holds(value, place)


_ACTIONS = ("drop", "route", "rate_limit")


def _compile_action(emitter: _Emitter, statement: typed.Statement) -> None:
    """An action of the script dialect: constants, and for a limit the times of the row."""
    where = statement.range
    constants = [a.value for a in statement.arguments if isinstance(a, typed.Constant)]
    match statement.editor.lowering:
        case "drop":
            emitter.emit(Instruction(Op.DROP, range=where))
        case "route":
            (name,) = constants
            assert isinstance(name, bytes)
            emitter.emit(Instruction(Op.ROUTE, data=name.decode("utf-8", "replace"), range=where))
        case _:
            registers = tuple(emitter.expression(a) for a in statement.arguments if isinstance(a, typed.Load))
            emitter.emit(Instruction(Op.RATE, registers=registers, data=tuple(constants), range=where))


@bounded
def compile_statement(statement: typed.Statement) -> StatementCode:
    """The bytecode of a statement: condition, arguments, edit."""
    emitter = _Emitter()
    if statement.condition is not None:
        register = emitter.expression(statement.condition)
        emitter.emit(Instruction(Op.WHERE, registers=(register,), range=statement.condition.range))
    function = statement.editor
    where = statement.range
    if function.lowering in _ACTIONS:
        _compile_action(emitter, statement)
    elif function.lowering == "store":
        place, value = statement.arguments
        assert isinstance(place, typed.Place)
        assert isinstance(value, typed.Expression)
        register = emitter.expression(value)
        registers, constants = emitter.keys(place.keys)
        if overlaps(place, value):
            # The reference first makes the slot a map, unless it is one, and then copies the map that now holds it.
            emitter.emit(
                Instruction(
                    Op.TOUCH, -1, (register, *registers), place.spec, constant_keys=constants, range=place.range
                )
            )
            register = emitter.again(value)
        emitter.emit(
            Instruction(Op.STORE, -1, (register, *registers), place.spec, (), Kind.ANY, constants, place.range)
        )
    else:
        operands = emitter.live_arguments(function, statement.arguments)
        emitter.emit(Instruction(Op.EDIT, data=function, operands=operands, range=where))
    return emitter.finish(statement, statement.text, -1)


@bounded
def compile_condition(condition: typed.ConditionText) -> StatementCode:
    """The bytecode of a condition or value; the result's register is in `result`."""
    emitter = _Emitter()
    register = emitter.expression(condition.expression)
    return emitter.finish(condition, condition.text, register)

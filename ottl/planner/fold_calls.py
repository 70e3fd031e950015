"""Computes pure converters and arithmetic over constants once, when the rule is loaded.

    Concat(["a", "b"], "-")   ->  "a-b"
    60 * 1000                 ->  60000
    1 / 0                     ->  1 / 0      what fails keeps failing on its rows

The result is a constant but no literal: the reference computes these on every row, so they take no part in its folding
of conditions.
"""

from __future__ import annotations

from typing import Any

from ottl import types
from ottl.binder import constant_argument, explicit_value
from ottl.functions import Form, Parameter
from ottl.typed import Arithmetic, Constant, Elements, Expression, Invoke, MakeList, MakeMap, Negate, Operand

_ARITHMETIC = {"+": types.add, "-": types.subtract, "*": types.multiply, "/": types.divide}


def fold_calls(node: Expression) -> Expression:
    """The node, or the constant that it always is."""
    try:
        match node:
            case Arithmetic(left=Constant() as left, right=Constant() as right):
                return explicit_value(_ARITHMETIC[node.operator](left.value, right.value))
            case Negate(operand=Constant() as operand):
                return explicit_value(types.negate(operand.value))
            case MakeList(items=items) if _constant(items):
                return explicit_value([i.value for i in items if isinstance(i, Constant)])
            case MakeMap(items=items) if _constant(items):
                members = (i.value for i in items if isinstance(i, Constant))
                return explicit_value(types.make_map(zip(node.keys, members, strict=True)))
            case Invoke(function=function, arguments=arguments) if function.pure and _foldable(node):
                values = [_argument(p, a) for p, a in zip(function.parameters, arguments, strict=True)]
                return explicit_value(
                    types.convert_result(function.result, function.result_raw)(function.kernel(*values))
                )
    except ValueError:
        return node
    return node


def _constant(items: tuple[Expression, ...]) -> bool:
    return all(isinstance(i, Constant) for i in items)


def _foldable(node: Invoke) -> bool:
    return all(
        (argument is None and not parameter.hidden)
        or (isinstance(argument, Constant) and parameter.form in (Form.VALUE, Form.CONSTANT))
        or (isinstance(argument, Elements) and _constant(argument.items))
        for parameter, argument in zip(node.function.parameters, node.arguments, strict=True)
    )


def _argument(parameter: Parameter, argument: Operand | None) -> Any:
    convert = types.convert_argument(parameter.kind, parameter.like, parameter.raw, parameter.nil)
    match argument:
        case Constant(value=value) if parameter.form is Form.CONSTANT:
            result = constant_argument(parameter, value)
        case Constant(value=value):
            result = convert(value)
        case Elements(items=items):
            one = types.convert_argument(parameter.kind, parameter.like, parameter.raw, parameter.nil_elements)
            converted = [one(i.value) for i in items if isinstance(i, Constant)]
            result = tuple(converted) if parameter.form is Form.TUPLE else converted
        case _:
            return parameter.default
    if parameter.compile is not None and result is not None:
        result = [parameter.compile(r) for r in result] if isinstance(result, list) else parameter.compile(result)
    return result

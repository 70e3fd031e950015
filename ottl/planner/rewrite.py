"""Rebuilding typed trees from their leaves, for the rules of the planner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ottl import typed
from ottl.typed import Expression, Operand

Rewrite = Callable[[Expression], Expression]


def rewrite(node: Expression, rule: Rewrite) -> Expression:
    """The tree with the rule applied to every expression, operands first."""
    return rule(_below(node, rule))


def _operand(node: Operand | None, rule: Rewrite) -> Operand | None:
    match node:
        case typed.Place(keys=keys):
            return replace(node, keys=_all(keys, rule))
        case typed.Elements(items=items):
            return replace(node, items=_all(items, rule))
        case Expression():
            return rewrite(node, rule)
    return node


def _all(nodes: tuple[Expression, ...], rule: Rewrite) -> tuple[Expression, ...]:
    return tuple(rewrite(node, rule) for node in nodes)


def _below(node: Expression, rule: Rewrite) -> Expression:
    match node:
        case typed.Load(keys=keys) if keys:
            return replace(node, keys=_all(keys, rule))
        case typed.Invoke(arguments=arguments):
            return replace(node, arguments=tuple(_operand(a, rule) for a in arguments))
        case typed.Index(value=value, key=key):
            return replace(node, value=rewrite(value, rule), key=rewrite(key, rule))
        case typed.MakeList(items=items) | typed.MakeMap(items=items):
            return replace(node, items=_all(items, rule))
        case typed.Arithmetic(left=left, right=right) | typed.Compare(left=left, right=right):
            return replace(node, left=rewrite(left, rule), right=rewrite(right, rule))
        case typed.Negate(operand=operand) | typed.Truth(operand=operand) | typed.Not(operand=operand):
            return replace(node, operand=rewrite(operand, rule))
        case typed.And(operands=below) | typed.Or(operands=below) | typed.FirstNonNil(operands=below):
            return replace(node, operands=_all(below, rule))
    return node


def statement(node: typed.Statement, rule: Rewrite) -> typed.Statement:
    """The statement with the rule applied to all its expressions."""
    condition = None if node.condition is None else rewrite(node.condition, rule)
    return replace(node, arguments=tuple(_operand(a, rule) for a in node.arguments), condition=condition)

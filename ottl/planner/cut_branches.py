"""Drops operands of a condition that a constant in front of them makes unreachable.

    f(x) and Concat... (always false) and g(x)   ->  f(x) and false

Unlike the reference's folding this looks only to the right: what stands to the left is still evaluated and may still
fail.
"""

from __future__ import annotations

from dataclasses import replace

from ottl.typed import And, Compare, Constant, Expression, Not, Or, Truth
from ottl.types import Kind, compare


def cut_branches(node: Expression) -> Expression:
    """The node without operands that no row reaches."""
    match node:
        case Truth(operand=Constant(kind=Kind.BOOL) as operand):
            return operand
        case Compare(left=Constant() as left, right=Constant() as right):
            return Constant(Kind.BOOL, compare(node.operator, left.value, right.value), literal=False)
        case Not(operand=Constant(kind=Kind.BOOL) as operand):
            return Constant(Kind.BOOL, not operand.value, literal=False)
        case And(operands=operands):
            return _cut(node, operands, decisive=False)
        case Or(operands=operands):
            return _cut(node, operands, decisive=True)
    return node


def _cut(node: And | Or, operands: tuple[Expression, ...], decisive: bool) -> Expression:
    kept: list[Expression] = []
    for operand in operands:
        if isinstance(operand, Constant) and operand.kind is Kind.BOOL:
            if operand.value is decisive:
                kept.append(operand)
                break
            continue
        kept.append(operand)
    if not kept:
        return Constant(Kind.BOOL, not decisive, literal=False)
    return kept[0] if len(kept) == 1 else replace(node, operands=tuple(kept))

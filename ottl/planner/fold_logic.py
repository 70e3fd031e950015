"""Folds conditions exactly as the reference does when it loads a rule.

1/0 == 1 or true        ->  true        a literal true decides wherever it stands, and hides errors to its left
a == 1 and true         ->  a == 1      neutral literals go
not (1 == 1)            ->  false
"a" < "b"               ->  true        two literals compare when the rule is loaded
"""

from __future__ import annotations

from dataclasses import replace

from ottl import types
from ottl.typed import And, Compare, Constant, Expression, Not, Or
from ottl.types import Kind


def fold_logic(node: Expression) -> Expression:
    """The node, folded if its operands are literals."""
    match node:
        case Compare(left=Constant(literal=True) as left, right=Constant(literal=True) as right):
            return Constant(Kind.BOOL, types.compare(node.operator, left.value, right.value), range=node.range)
        case Not(operand=Constant(literal=True) as operand):
            return Constant(Kind.BOOL, not operand.value, range=node.range)
        case And(operands=operands):
            return _group(node, operands, decisive=False)
        case Or(operands=operands):
            return _group(node, operands, decisive=True)
    return node


def _group(node: And | Or, operands: tuple[Expression, ...], decisive: bool) -> Expression:
    rest = [o for o in operands if not _is_literal(o)]
    if any(_is_literal(o) and o.value is decisive for o in operands if isinstance(o, Constant)):
        return Constant(Kind.BOOL, decisive, range=node.range)
    if not rest:
        return Constant(Kind.BOOL, not decisive, range=node.range)
    return rest[0] if len(rest) == 1 else replace(node, operands=tuple(rest))


def _is_literal(node: Expression) -> bool:
    return isinstance(node, Constant) and node.literal and node.kind is Kind.BOOL

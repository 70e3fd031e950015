"""The planner: typed tree to typed tree, rule by rule, and the choice of the executor.

`RULES` run in order, each over the whole tree from the leaves up. `stacks.choose` says afterwards which executor may
run a group, and why.
"""

from __future__ import annotations

from dataclasses import replace

from ottl import typed
from ottl.planner import rewrite
from ottl.planner.cut_branches import cut_branches
from ottl.planner.fold_calls import fold_calls
from ottl.planner.fold_logic import fold_logic
from ottl.recursion import bounded

RULES: tuple[rewrite.Rewrite, ...] = (fold_logic, fold_calls, cut_branches)


@bounded
def plan(group: typed.Group, rules: tuple[rewrite.Rewrite, ...] = RULES) -> typed.Group:
    """The group with every rule applied."""
    statements, conditions = group.statements, group.conditions
    for rule in rules:
        statements = tuple(rewrite.statement(s, rule) for s in statements)
        conditions = tuple(plan_condition(c, (rule,)) for c in conditions)
    return replace(group, statements=statements, conditions=conditions)


@bounded
def plan_condition(condition: typed.ConditionText, rules: tuple[rewrite.Rewrite, ...] = RULES) -> typed.ConditionText:
    """A condition or value with every rule applied."""
    for rule in rules:
        condition = replace(condition, expression=rewrite.rewrite(condition.expression, rule))
    return condition

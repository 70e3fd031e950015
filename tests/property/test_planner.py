"""A program does the same whether it was planned or not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ottl import ConfigError, planner, typed
from ottl.planner import RULES
from ottl.planner.fold_logic import fold_logic
from ottl.planner.rewrite import Rewrite
from tests.property import agreement
from tests.property.payloads import random_payload
from tests.property.programs import Program, random_program

REFERENCE: tuple[Rewrite, ...] = (fold_logic,)
"""The rule that changes what a condition means, as the reference's folding does; the others only save time."""

_PLAN, _PLAN_CONDITION = planner.plan, planner.plan_condition


def _unplanned(program: Program) -> agreement.Pair:
    """The program with the reference's folding alone."""

    def plan(group: typed.Group) -> typed.Group:
        return _PLAN(group, REFERENCE)

    def plan_condition(condition: typed.ConditionText, rules: tuple[Rewrite, ...] = REFERENCE) -> typed.ConditionText:
        return _PLAN_CONDITION(condition, rules)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "plan", plan)
        patch.setattr(planner, "plan_condition", plan_condition)
        return agreement.Pair(program)


def test_all_rules_but_the_references_are_left_out() -> None:
    """The comparison below compares something."""
    assert set(REFERENCE) < set(RULES)


@given(st.sampled_from(agreement.SIGNALS), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
@settings(max_examples=150, deadline=None)
def test_planned_equals_unplanned(signal: str, program_seed: int, payload_seed: int) -> None:
    """Outputs, failures and counts, on the plain stack."""
    program = random_program(signal, random.Random(program_seed))
    try:
        planned, unplanned = agreement.Pair(program), _unplanned(program)
    except ConfigError:
        return
    draw = random.Random(payload_seed)
    for _ in range(8):
        payload = random_payload(signal, draw)
        one, other = (agreement.outcome(pair.plain, payload, payload.data) for pair in (planned, unplanned))
        how = agreement.difference(one, other, signal)
        assert how is None, f"{agreement.Disagreement(program, payload, 'protobuf', str(how)).render()}"

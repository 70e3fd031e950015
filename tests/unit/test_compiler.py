"""Compilation: registers are shared where, and only where, that changes nothing."""

from __future__ import annotations

import pytest

import ottl
from ottl import compiler, engine, typed
from ottl.bytecode import Op, StatementCode
from ottl.engine import GroupText, Options
from ottl.source import Source
from ottl.stdlib import FUNCTIONS
from tests.conftest import log_attributes, logs


def compiled(text: str) -> StatementCode:
    """A statement of the log context, planned and compiled."""
    group, found = engine.bind_group(GroupText((Source(text),)), "logs", Options(FUNCTIONS))
    assert group is not None, found
    return engine.compile_group(group, "logs").statements[0]


def count(text: str, op: Op) -> int:
    """How many instructions of a kind a statement has."""
    return sum(i.op is op for i in compiled(text).instructions)


@pytest.mark.parametrize(
    ("text", "op", "expected"),
    [
        ("set(log.body, Len(log.severity_text) + Len(log.severity_text))", Op.CALL, 1),
        ('set(log.body, log.attributes["a"]) where log.attributes["a"] != nil', Op.LOAD, 1),
        ('set(log.body, log.attributes["a"]) where log.attributes["b"] != nil', Op.LOAD, 2),
        ("set(log.body, UUID()) where UUID() != nil", Op.CALL, 2),
        ("set(log.body, 1.0) where log.severity_number == 1", Op.CONSTANT, 2),
        # Computed inside a block, it is known there only.
        ('set(log.body, log.attributes["a"]) where log.flags == 1 or log.attributes["a"] == 1', Op.LOAD, 3),
        # Computed outside, it is known inside.
        ('set(log.body, 1) where log.attributes["a"] == 2 or log.attributes["a"] == 3', Op.LOAD, 1),
    ],
)
def test_common_expressions(text: str, op: Op, expected: int) -> None:
    """Equal pure expressions are computed once where all rows need them."""
    assert count(text, op) == expected


def test_purity() -> None:
    """An expression is pure when no call in it asks for more than its arguments."""
    impure = {name for name, function in FUNCTIONS.items() if not function.pure and not function.editor}
    assert impure == {"Now", "UUID"} | {name for name, function in FUNCTIONS.items() if function.stateful}
    (condition,) = compiled("set(log.body, 1) where Len(UUID()) == 36").instructions[-1:]
    assert condition.op is Op.STORE
    assert compiler.is_pure(typed.Elements(()))


def test_a_block_does_not_leak(stack: engine.Stack) -> None:
    """A value known in a block that some rows skip is computed again behind it."""
    program = ottl.compile(
        'set(log.attributes["out"], Len(log.attributes["s"])) '
        'where log.attributes["n"] == 1 or Len(log.attributes["s"]) == 2',
        stack=stack,
    )
    out = log_attributes(program.run(logs({"n": 1, "s": "abc"}, {"n": 0, "s": "ab"}, {"n": 0, "s": "a"})))
    assert [a.get("out") for a in out] == [3, 2, None]


def test_ranges_point_into_the_text() -> None:
    """Instructions know the piece of text that they come from."""
    text = 'set(log.body, Concat([log.severity_text, "x"], "")) where log.flags == 1'
    pieces = {text[i.range.start : i.range.end] for i in compiled(text).instructions}
    assert {"log.flags == 1", "log.severity_text", 'Concat([log.severity_text, "x"], "")', "log.body"} <= pieces

"""The examples that functions are declared with, run as tests: as written, and row by row on both stacks.

As written, literal arguments are folded when the rule is loaded, so that a call with nothing else is computed by the
scalar kernel alone. The second run plans nothing and reads the literals from the record's body, so that the same calls
go through bytecode, both executors and the vector kernels.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

import ottl
from ottl import engine, typed
from ottl.bytecode import GroupCode
from ottl.compiler import compile_statement
from ottl.contexts import CONTEXTS
from ottl.engine import GroupPass, GroupText, Options, Processor
from ottl.functions import Example, Form, Function
from ottl.planner import rewrite, stacks
from ottl.source import Source
from ottl.stdlib import FUNCTIONS
from ottl.types import Kind, to_python
from tests.conftest import CLOCK, IDENTIFIER, log_attributes, logs

ROWS = 3
OPTIONS = Options(FUNCTIONS, clock=lambda: CLOCK, uuid=lambda: IDENTIFIER)
PLAIN = replace(OPTIONS, stack="plain")
STORABLE = {Kind.STRING, Kind.INT, Kind.DOUBLE, Kind.BOOL, Kind.BYTES}
CASES = [(function, example) for function in FUNCTIONS.values() for example in function.examples]
LOADED = [(function, example) for function, example in CASES if not example.load_error]


def identifier(value: Any) -> str:
    """How a case is called."""
    return value.name if isinstance(value, Function) else value.call


def same(expected: Any, actual: Any) -> bool:
    """Equal, with types and order of map keys; an id equals its bytes."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return list(expected) == list(actual) and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, bytes) and isinstance(actual, bytes):
        return bytes(expected) == bytes(actual)
    if isinstance(expected, float) and isinstance(actual, float) and math.isnan(expected):
        return math.isnan(actual)
    return type(expected) is type(actual) and bool(expected == actual)


def test_every_function_has_examples() -> None:
    """Functions of the log context show what they do; all others have none, as examples run in that context."""
    here = {name for name, function in FUNCTIONS.items() if not function.contexts or "log" in function.contexts}
    assert {function.name for function in FUNCTIONS.values() if function.examples} == here


@pytest.mark.parametrize(("function", "example"), CASES, ids=identifier)
def test_as_written(function: Function, example: Example) -> None:
    """The example gives what it promises: a value, the attributes afterwards, or an error."""
    payload = logs(example.given)
    keywords: Any = {"clock": OPTIONS.clock, "uuid": OPTIONS.uuid, "stack": "plain"}
    if example.load_error:
        compile_call: Any = ottl.compile if function.editor else ottl.compile_value
        with pytest.raises(ottl.ConfigError) as caught:
            compile_call(example.call, context="log", **keywords)
        assert any((example.error or "") in d.message for d in caught.value.diagnostics)
    elif function.editor:
        program = ottl.compile(example.call, signal="logs", **keywords, error_mode="propagate")
        if example.error is not None:
            with pytest.raises(ottl.StatementError, match=r".*") as failed:
                program.run(payload)
            assert example.error in str(failed.value)
        else:
            (actual,) = log_attributes(program.run(payload))
            assert same(example.result, actual), actual
    else:
        value = ottl.compile_value(example.call, context="log", **keywords)
        if example.error is not None:
            with pytest.raises(ottl.StatementError, match=r".*") as failed:
                value.evaluate(payload, signal="logs")
            assert example.error in str(failed.value)
        else:
            (result,) = value.evaluate(payload, signal="logs")
            assert same(example.result, to_python(result)), result


class _Lifted:
    """Replaces literal arguments by reads from the body, whose contents it collects."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    def __call__(self, node: typed.Expression) -> typed.Expression:
        if not isinstance(node, typed.Invoke):
            return node
        pairs = zip(node.function.parameters, node.arguments, strict=True)
        return replace(node, arguments=tuple(self.argument(p.form, a) for p, a in pairs))

    def argument(self, form: Form, node: typed.Operand | None) -> typed.Operand | None:
        if isinstance(node, typed.Elements):
            return replace(node, items=tuple(self.load(item) for item in node.items))
        if isinstance(node, typed.Expression) and form in (Form.VALUE, Form.LIST):
            return self.load(node)
        return node

    def load(self, node: typed.Expression) -> typed.Expression:
        if not (isinstance(node, typed.Constant) and node.kind in STORABLE):
            return node
        name = f"literal {len(self.body)}"
        self.body[name] = to_python(node.value)
        key = typed.Constant(Kind.STRING, name.encode())
        return typed.Load(Kind.ANY, CONTEXTS["log"].levels["log"]["body"], (key,))


def lifted(function: Function, example: Example) -> tuple[GroupCode, dict[str, Any]]:
    """The example as a group that nobody planned, with its literals in the body."""
    text = example.call if function.editor else f'set(log.attributes["out"], {example.call})'
    group, found = engine.bind_group(GroupText((Source(text),)), "logs", OPTIONS)
    assert group is not None, found
    lift = _Lifted()
    (statement,) = (rewrite.statement(s, lift) for s in group.statements)
    if function.editor:
        pairs = zip(statement.editor.parameters, statement.arguments, strict=True)
        statement = replace(statement, arguments=tuple(lift.argument(p.form, a) for p, a in pairs))
    group = replace(group, statements=(statement,))
    code = GroupCode("log", (compile_statement(statement),), (), "ignore", False, stacks.choose(group, "logs"))
    return code, lift.body


def run(code: GroupCode, options: Options, payload: bytes) -> tuple[list[dict[str, Any]], engine.StatementStats]:
    """The attributes afterwards, and the statistics of the statement."""
    processor = Processor({"logs": [GroupPass(code, options)]}, options, ())
    attributes = log_attributes(processor._process(payload, "logs", "protobuf", None))
    return attributes, processor.stats()[0]


@pytest.mark.usefixtures("always_columns")
@pytest.mark.parametrize(("function", "example"), LOADED, ids=identifier)
def test_row_by_row(function: Function, example: Example) -> None:
    """With its literals read from every row, unplanned, the example gives the same on both stacks."""
    code, literals = lifted(function, example)
    payload = logs(*[example.given] * ROWS, bodies=[literals] * ROWS)
    plain, counted = run(code, PLAIN, payload)
    fast, counted_fast = run(code, OPTIONS, payload)
    assert same(plain, fast)
    assert replace(counted_fast, ns=0) == replace(counted, ns=0)
    if example.error is not None:
        assert counted.errors == ROWS
        assert example.error in (counted.first_error or "")
    elif function.editor:
        assert same(example.result, plain[0]), plain[0]
    elif not counted.errors:
        assert same(example.result, plain[0]["out"]), plain[0]["out"]
    else:
        assert "unsupported type" in (counted.first_error or "")

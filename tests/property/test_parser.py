"""Random trees survive formatting and parsing; random texts give a tree or a diagnostic."""

import re
from typing import Any, TypeAlias, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from ottl import ast
from ottl.dialect import parse_script
from ottl.errors import ConfigError
from ottl.formatter import format_condition, format_statement, format_value
from ottl.layout import script_text, statement_lines
from ottl.parser import parse_condition, parse_statement, parse_value
from ottl.source import Source

_T = TypeVar("_T")

KEYWORDS = {"nil", "not", "or", "and", "true", "false"}
SPLIT = re.compile(r".*[A-Z][A-Z0-9_]*(nil|not|or|and|true|false)")

Nodes: TypeAlias = st.SearchStrategy[Any]

lower = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(lambda name: name not in KEYWORDS)
lower_mixed = st.from_regex(r"[a-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in KEYWORDS and not SPLIT.fullmatch(name)
)
upper = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
upper_mixed = st.from_regex(r"[A-Z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not SPLIT.fullmatch(name))

integers = st.integers(0, 2**63 - 1).map(ast.Integer)
floats = st.floats(0, allow_infinity=False).map(ast.Float)
strings = st.text(max_size=8).map(lambda text: ast.String(text.encode()))
literals = (
    st.just(ast.Nil())
    | st.booleans().map(ast.Boolean)
    | integers
    | floats
    | strings
    | st.binary(min_size=1, max_size=4).map(ast.Bytes)
    | upper.map(ast.Name)
)


def lists_of(strategy: st.SearchStrategy[_T], minimum: int = 0) -> st.SearchStrategy[tuple[_T, ...]]:
    """Tuples of up to three."""
    return st.lists(strategy, min_size=minimum, max_size=3).map(tuple)


numbers: Nodes = st.deferred(lambda: integers | floats | paths | calls)
arithmetic: Nodes = st.deferred(lambda: numbers | unaries | binaries)
groups: Nodes = st.deferred(lambda: numbers.map(ast.Group))
unaries: Nodes = st.deferred(lambda: st.builds(ast.Unary, st.sampled_from("+-"), numbers | groups | unaries | binaries))
binaries: Nodes = st.deferred(lambda: st.builds(ast.Binary, st.sampled_from("+-*/"), arithmetic, arithmetic))
keys: Nodes = st.deferred(lambda: (strings | groups | arithmetic).map(ast.Key))
segments: Nodes = st.deferred(lambda: st.builds(ast.Segment, lower, lists_of(keys)))
paths: Nodes = st.deferred(lambda: lists_of(segments, 1).map(ast.Path))
maps: Nodes = st.deferred(lambda: lists_of(st.tuples(strings, values)).map(ast.Map))
plain_values: Nodes = st.deferred(lambda: literals | arithmetic | lists_of(values).map(ast.List) | maps)
values: Nodes = st.deferred(lambda: plain_values | groups)
comparisons: Nodes = st.deferred(
    lambda: st.builds(ast.Comparison, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), plain_values, plain_values)
)
compound: Nodes = st.deferred(
    lambda: (
        comparisons
        | conditions.map(ast.Not)
        | lists_of(conditions, 2).map(ast.And)
        | lists_of(conditions, 2).map(ast.Or)
    )
)
conditions: Nodes = st.deferred(lambda: st.booleans().map(ast.Boolean) | calls | compound)
parameters = st.lists(lower | st.just("_"), max_size=3).map(
    lambda names: tuple(name for index, name in enumerate(names) if name == "_" or name not in names[:index])
)
lambdas: Nodes = st.deferred(lambda: st.builds(ast.Lambda, parameters, values | compound))
condition_arguments: Nodes = st.deferred(lambda: (st.booleans().map(ast.Boolean) | compound).map(ast.Condition))
argument_values: Nodes = st.deferred(lambda: values | lambdas | upper_mixed.map(ast.Name) | condition_arguments)
arguments: Nodes = st.deferred(
    lambda: st.builds(
        lambda positional, named: positional + named,
        lists_of(st.builds(ast.Argument, argument_values)),
        lists_of(st.builds(ast.Argument, argument_values, lower_mixed)),
    )
)
calls: Nodes = st.deferred(lambda: st.builds(ast.Call, upper_mixed, arguments, lists_of(keys)))
statements = st.builds(ast.Statement, st.builds(ast.Call, lower_mixed, arguments), st.none() | conditions)


@settings(max_examples=80, deadline=None)
@given(statements)
def test_statement_survives_formatting(statement: ast.Statement) -> None:
    """A statement that is formatted and parsed again is the same tree, and formatting it again the same text."""
    text = format_statement(statement)
    again = parse_statement(Source(text))
    assert again == statement
    assert format_statement(again) == text


@settings(max_examples=80, deadline=None)
@given(statements, st.integers(1, 120))
def test_statement_survives_layout(statement: ast.Statement, width: int) -> None:
    """Lines of any width parse to the same tree, and are one where they fit; nothing else in a script."""
    lines = statement_lines(statement, width)
    assert parse_statement(Source("\n".join(lines))) == statement
    assert len(lines) == 1 or len(format_statement(statement)) > width
    script = ast.Script((ast.Block((statement,)),))
    text = script_text(script, width)
    again, diagnostics = parse_script(Source(text))
    assert (again, [d for d in diagnostics if d.severity == "error"]) == (script, [])
    assert script_text(again, width) == text


@settings(max_examples=80, deadline=None)
@given(conditions)
def test_condition_survives_formatting(condition: ast.Expression) -> None:
    """A condition that is formatted and parsed again is the same tree."""
    assert parse_condition(Source(format_condition(condition))) == condition


@settings(max_examples=80, deadline=None)
@given(values)
def test_value_survives_formatting(value: ast.Expression) -> None:
    """A value that is formatted and parsed again is the same tree."""
    assert parse_value(Source(format_value(value))) == value


@settings(max_examples=50, deadline=None)
@given(statements)
def test_ranges_nest(statement: ast.Statement) -> None:
    """The range of a node lies inside the range of its parent and is not empty."""
    text = format_statement(statement)
    for node in ast.walk(parse_statement(Source(text))):
        assert 0 <= node.range.start < node.range.end <= len(text)
        for child in ast.children(node):
            assert node.range.start <= child.range.start
            assert child.range.end <= node.range.end


PIECES = [
    "set(",
    "a.b",
    '"x"',
    "1",
    ".5",
    "0xff",
    "nil",
    "true",
    "not",
    "and",
    "or",
    "where",
    "==",
    "=",
    "=>",
    "+",
    "-",
]
PIECES += ["(", ")", "[", "]", "{", "}", ",", ":", "_", "FOO", "Foo", "Foo(", " ", "\n", "'", "é", "\\", "*", "<"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_is_answered(text: str) -> None:
    """Any text gives a tree, or one diagnostic with a message and a place inside the text."""
    for parse in (parse_statement, parse_condition, parse_value):
        try:
            parse(Source(text))
        except ConfigError as error:
            (diagnostic,) = error.diagnostics
            assert diagnostic.message
            assert diagnostic.range is not None
            assert 0 <= diagnostic.range.start <= len(text)
            assert diagnostic.render()

"""The rows executor: what its generated functions do, and what is in them."""

from __future__ import annotations

import math
from typing import Any

import pytest

import ottl
from ottl import engine, types
from ottl.engine import GroupText, Options
from ottl.source import Source
from ottl.stdlib import FUNCTIONS
from ottl.types import Bytes, Duration, Map, Slice, Value
from ottl.vm import rows
from tests.conftest import log_attributes, logs

VALUES: list[Value] = [
    None, True, False, 0, 1, 2, -1, 2**53 + 1, 2.0, 1.0, math.nan, b"", b"a", b"b", Bytes(b""), Bytes(b"a"),
    Slice([]), Slice([1]), Map([]), Map([(b"a", 1)]), Duration(1),
]  # fmt: skip
CONSTANTS = {
    "nil": None, "true": True, "0": 0, "1": 1, "-1": -1, "9007199254740993": 2**53 + 1, "2.0": 2.0, '"a"': b"a",
    '""': b"", "0x61": Bytes(b"a"), "[1]": [1], "[]": [],
}  # fmt: skip
OPERATORS: list[types.Operator] = ["==", "!=", "<", "<=", ">", ">="]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("constant", CONSTANTS)
def test_comparison_with_constants(constant: str, operator: types.Operator) -> None:
    """Comparisons with a constant, which are generated inline, give what the comparison table gives, on either side."""
    stored = [v for v in VALUES if not isinstance(v, Duration)]
    payload = logs(*({"v": types.to_python(v)} for v in stored))
    for text, pairs in (
        (f'log.attributes["v"] {operator} {constant}', [(v, CONSTANTS[constant]) for v in stored]),
        (f'{constant} {operator} log.attributes["v"]', [(CONSTANTS[constant], v) for v in stored]),
    ):
        found = ottl.compile_condition(text).evaluate(payload, signal="logs").tolist()
        # Empty bytes in an attribute read as nil, and so they compare.
        assert found == [types.compare(operator, a, b) for a, b in pairs], text


def test_no_text_of_rules_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed to Python's compiler holds no string, path or function of a rule."""
    texts: list[str] = []

    def spy(text: str, *arguments: Any) -> Any:
        texts.append(text)
        return compile(text, *arguments)

    monkeypatch.setattr(rows, "compile", spy, raising=False)
    statement = (
        'set(log.attributes["__import__"], Concat(["secret", log.body], "evil()")) where IsMatch(log.body, "evil")'
    )
    group, _ = engine.bind_group(GroupText((Source(statement),)), "logs", Options(FUNCTIONS))
    assert group is not None
    rows.build_group(engine.compile_group(group, "logs"), engine.environment(Options(FUNCTIONS)), timed=True)
    (text,) = texts
    for word in ("secret", "evil", "__import__", "Concat", "attributes", "body"):
        assert word not in text


@pytest.mark.parametrize("depth", [10, 61, 120, 240])
def test_alternations_beyond_indentation(depth: int) -> None:
    """Nested `and` and `or` deeper than Python indents are evaluated only as far as their result is open."""
    text = "".join(
        f'log.attributes["n"] == {n} or (' if n % 2 else f'log.attributes["n"] > {n} and (' for n in range(depth)
    )
    condition = ottl.compile_condition(f'{text}1 / (log.attributes["n"] - 500) == 0{")" * depth}')

    def expected(n: int) -> bool:
        for level in range(depth):
            if level % 2 and n == level:
                return True
            if not level % 2 and not n > level:
                return False
        return abs(n - 500) > 1

    numbers = [0, 1, 2, 3, depth - 1, depth, depth + 1, 300]
    payload = logs(*({"n": n} for n in numbers))
    assert condition.evaluate(payload, signal="logs").tolist() == [expected(n) for n in numbers]
    with pytest.raises(ottl.StatementError):
        condition.evaluate(logs({"n": 500}), signal="logs")


@pytest.mark.parametrize(
    ("statement", "before", "after"),
    [
        # A map stored inside itself: the slot becomes a map first, unless it is one.
        ('set(log.attributes["m"], log.attributes)', {"a": 1}, {"a": 1, "m": {"a": 1, "m": {}}}),
        ('set(log.attributes["m"], log.attributes)', {"m": {"x": 1}}, {"m": {"m": {"x": 1}}}),
        ('set(log.attributes["m"], log.attributes)', {"m": 5}, {"m": {"m": {}}}),
        (
            'set(log.attributes["m"]["n"], log.attributes["m"])',
            {"m": {"x": 1}},
            {"m": {"x": 1, "n": {"x": 1, "n": {}}}},
        ),
        # Merging a map with itself: a slot is made before its value is read.
        ('merge_maps(log.attributes, log.attributes, "upsert")', {"a": 1, "b": 2}, {"a": None, "b": None}),
        ('merge_maps(log.attributes, log.attributes, "update")', {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ('merge_maps(log.attributes, log.attributes, "insert")', {"a": 1}, {"a": 1}),
        (
            'merge_maps(log.attributes["m"], log.attributes, "insert")',
            {"m": {"x": 1}, "a": 2},
            {"m": {"x": 1, "m": {"x": 1, "m": None}, "a": 2}, "a": 2},
        ),
        # What lies inside the target is read before.
        ('merge_maps(log.attributes, log.attributes["m"], "upsert")', {"m": {"m": 1, "x": 2}}, {"m": 1, "x": 2}),
    ],
)
def test_aliases(statement: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Editors whose source shares a map with their target do what the reference's references do."""
    program = ottl.compile(statement)
    assert log_attributes(program.run(logs(before))) == [after]


def test_sampled_rows_count_once() -> None:
    """The rows whose statements are timed are not run twice."""
    program = ottl.compile('set(log.attributes["n"], log.attributes["n"] + 1)', stack="plain")
    count = 3 * engine.SAMPLED_ROWS
    out = log_attributes(program.run(logs(*({"n": n} for n in range(count)))))
    assert [a["n"] for a in out] == list(range(1, count + 1))
    assert program.stats()[0].matched == count


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("Concat", "exactly one argument"),
        ("Len", "must be a string"),
        ("Int", "must be a string"),
        ("FNV", "give a string"),
    ],
)
def test_functions_that_cannot_be_passed(function: str, message: str) -> None:
    """A converter passed by name takes one string and gives one; others are an error of the row."""
    program = ottl.compile(f'replace_pattern(log.attributes["a"], "a", "b", {function})', context="log")
    program.run(logs({"a": "a"}))
    assert message in (program.stats()[0].first_error or "")

"""What rules may cost: every bound is an argument, an overrun a failure of its row, or of the payload."""

from __future__ import annotations

import itertools
import time

import pytest

import ottl
from ottl import bounds
from ottl.functions import converter
from ottl.stdlib import FUNCTIONS
from tests.conftest import log_attributes, logs

PAYLOAD = logs(*({"a": "x" * 16, "n": n} for n in range(40)))
SMALL = ottl.Limits(max_string=4096, max_items=50)
TEXT = 'log.attributes["a"]'
DOUBLE = 'set(log.attributes["a"], Concat([log.attributes["a"], log.attributes["a"]], ""))'


def run(rules: str | list[str], stack: str, limits: ottl.Limits = SMALL) -> tuple[bytes, list[ottl.StatementStats]]:
    """The output and the statistics."""
    program = ottl.compile(rules, signal="logs", limits=limits, stack=stack)  # type: ignore[arg-type]
    return program.run(PAYLOAD), program.stats()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('Format("%999999d", [log.attributes["n"]])', "the result is longer than 4,096 bytes"),
        ('Format("%s", ["' + "x" * 5000 + '"])', "the result is longer than 4,096 bytes"),
        (f"Concat([{', '.join([TEXT] * 300)}], '')", "the result is longer than 4,096 bytes"),
        ("Hex(" * 60 + 'log.attributes["a"]' + ")" * 60, "the result is longer than 4,096 bytes"),
        ("Hex(" * 60 + '"x"' + ")" * 60, "the result is longer than 4,096 bytes"),
        (f"Split(Concat([{', '.join([TEXT] * 4)}], ''), '')", "more than 50 elements"),
    ],
    ids=["width", "argument", "concat", "nested", "folded", "split"],
)
def test_what_a_function_makes_is_limited(stack: str, value: str, message: str) -> None:
    """A text or list beyond the limit fails the statement on its row, and no constant is made so long at load."""
    output, (stats,) = run(f'set(log.attributes["b"], {value})', stack)
    assert (stats.errors, stats.changed) == (40, 0)
    assert message in (stats.first_error or "")
    assert log_attributes(output) == log_attributes(PAYLOAD)


def test_a_width_that_is_no_number(stack: str) -> None:
    """As in the reference, a width beyond a million is none, and the text stays short."""
    output, (stats,) = run('set(log.attributes["b"], Format("%999999999d", [1]))', stack)
    assert stats.errors == 0
    assert log_attributes(output)[0]["b"].startswith("%!(NOVERB)")


@pytest.mark.parametrize("template", ["$$1" * 300, "y" * 300], ids=["groups", "literal"])
def test_a_replacement_is_limited(stack: str, template: str) -> None:
    """A template may not make a text long, in one match or in many."""
    rule = f'replace_pattern(log.attributes["a"], "(x)", "{template.replace("$$", "$")}")'
    _, (stats,) = run([rule], stack)
    assert (stats.errors, stats.changed) == (40, 0)


def test_a_text_that_doubles(stack: str) -> None:
    """Doubling ends at the limit, where the row keeps what it has."""
    output, stats = run([DOUBLE] * 20, stack)
    assert [s.errors for s in stats] == [0] * 8 + [40] * 12
    assert {len(attributes["a"]) for attributes in log_attributes(output)} == {4096}


@pytest.mark.parametrize("first", ['["x"]', '{"x": 1}'])
def test_lists_and_maps_that_double(stack: str, first: str) -> None:
    """Elements of nested lists and maps count too; what is too large is stored as nothing."""
    rule = 'set(log.attributes["l"], [log.attributes["l"], log.attributes["l"]])'
    _, stats = run([f'set(log.attributes["l"], {first})', *[rule] * 6], stack)
    assert [s.errors for s in stats] == [0, 0, 0, 0, 0, 40, 0]


def test_an_index_beyond_the_limit(stack: str) -> None:
    """A list is not filled up to any index."""
    _, (stats,) = run('set(log.attributes["l"][50], 1)', stack)
    assert stats.errors == 40
    _, (stats,) = run('set(log.attributes["l"][49], 1)', stack)
    assert stats.errors == 0


def test_keys_that_flatten_makes(stack: str) -> None:
    """The keys of a row have a limit in all."""
    build = ['set(log.attributes["l"], {"a": {"b": {"c": [1, 2, 3]}}})', f'flatten(log.attributes, "{"k" * 300}")']
    for most, errors in ((1024, 40), (4096, 0)):
        assert run(build, stack, ottl.Limits(max_string=most))[1][1].errors == errors


def test_what_is_made_of_a_payload_is_limited(stack: str) -> None:
    """The sum over all rows has a limit too, and is the payload's failure."""
    limits = ottl.Limits(max_growth=100_000)
    with pytest.raises(ottl.PayloadError, match=r"make more than 100,000 bytes of one payload \(--max-growth"):
        run([DOUBLE] * 12, stack, limits)
    run([DOUBLE] * 5, stack, limits)


@converter("Slow", pure=False)
def slow(x: int) -> int:
    """Takes its time."""
    time.sleep(0.001)
    return x


@pytest.mark.parametrize(
    "rules",
    [
        ['set(log.attributes["n"], Slow(1))', 'set(log.attributes["n"], 2)'],
        ["set(log.body, 1) where Slow(1) == 2 and Slow(2) == 2", "set(log.body, 2)"],
    ],
    ids=["statement", "condition"],
)
def test_a_deadline_ends_a_payload(stack: str, rules: list[str]) -> None:
    """Between statements and calls in columns, between rows elsewhere."""
    functions = FUNCTIONS.union([slow])
    program = ottl.compile(rules, signal="logs", limits=ottl.Limits(deadline_s=1e-3), stack=stack, functions=functions)  # type: ignore[arg-type]
    with pytest.raises(ottl.PayloadError, match=r"take longer than 0.001 s for one payload \(--deadline"):
        program.run(PAYLOAD)
    patient = ottl.compile(rules, signal="logs", limits=ottl.Limits(deadline_s=None), functions=functions)
    patient.run(PAYLOAD)


def test_a_deadline_of_filters_and_expressions() -> None:
    """Filters, conditions and values have it as well."""
    limits = ottl.Limits(deadline_s=1e-3)
    functions = FUNCTIONS.union([slow])
    filtering = ottl.Filter(
        {"log_conditions": ["Slow(log.flags) == 2"]}, limits=limits, functions=functions, stack="plain"
    )
    condition = ottl.compile_condition("Slow(1) == 2", context="log", limits=limits, functions=functions)
    value = ottl.compile_value("Slow(1)", context="log", limits=limits, functions=functions)
    with pytest.raises(ottl.PayloadError, match="longer than"):
        filtering.process(PAYLOAD, "logs")
    for evaluator in (condition, value):
        with pytest.raises(ottl.PayloadError, match="longer than"):
            evaluator.evaluate(PAYLOAD)


def test_a_deadline_of_whole_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads taken together have the time of all of them."""
    ticks = itertools.count()
    monkeypatch.setattr("ottl.bounds.time.monotonic", lambda: float(next(ticks)))
    with bounds.within(ottl.Limits(deadline_s=2.0)) as limit:
        limit.check_time()
        limit.check_time()
        with pytest.raises(ottl.PayloadError):
            limit.check_time()


def test_bounds_on_texts_of_rules() -> None:
    """Length and nesting of a rule are arguments; a rule within larger ones loads."""
    long = f'set(log.body, "{"x" * 100_000}")'
    with pytest.raises(ottl.ConfigError, match="expected at most 100,000 characters"):
        ottl.compile(long)
    ottl.compile(long, limits=ottl.Limits(max_text=200_000))
    deep = "set(log.body, " + "[" * 10 + "1" + "]" * 10 + ")"
    ottl.compile(deep)
    for made in (ottl.compile, ottl.check):
        limits = ottl.Limits(max_nesting=10)
        found = made(deep, limits=limits) if made is ottl.check else None
        assert found is None or [d.code for d in found] == ["E104"]
    with pytest.raises(ottl.ConfigError, match="expected at most 10 expressions"):
        ottl.Transform({"log_statements": [deep]}, limits=ottl.Limits(max_nesting=10))
    with pytest.raises(ottl.ConfigError, match="expected at most 10 expressions"):
        ottl.Filter({"log_conditions": ["(" * 11 + "true" + ")" * 11]}, limits=ottl.Limits(max_nesting=10))


@pytest.mark.parametrize("name", ["max_message", "max_string", "max_items", "max_growth", "deadline_s", "max_text"])
def test_a_limit_of_nothing(name: str) -> None:
    """Zero and less bound nothing that can run."""
    with pytest.raises(ValueError, match=f"{name} must be above 0"):
        ottl.Limits(**{name: 0})


def test_limits_out_of_reach() -> None:
    """Recursion has room for 250, and texts of a kilobyte are not counted."""
    with pytest.raises(ValueError, match="at least 1,024"):
        ottl.Limits(max_string=1023)
    with pytest.raises(ValueError, match="at most 250"):
        ottl.Limits(max_nesting=251)

"""The planner: each rule against its fixture, constants as the reference folds them, and the choice of the executor."""

import math
from pathlib import Path

import pytest

from ottl import binder, engine, parser, planner, typed
from ottl.contexts import CONTEXTS
from ottl.engine import GroupText, Options
from ottl.planner import rewrite, stacks
from ottl.source import Source
from ottl.stdlib import FUNCTIONS
from ottl.types import Kind

FIXTURES = Path(__file__).parent.parent / "fixtures" / "planner"
RULES = {rule.__name__: rule for rule in planner.RULES}


def pairs(rule: str) -> list[tuple[str, str, str]]:
    """Rule, text before and text after, for every pair of a rule's fixture."""
    lines = (FIXTURES / f"{rule}.ottl").read_text(encoding="utf-8").splitlines()
    return [(rule, *line.split("; ")) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def bound(text: str, is_value: bool = False) -> typed.Expression:
    """A condition or value bound in the span context."""
    source = Source(text)
    bind = binder.Binder(CONTEXTS["span"], FUNCTIONS)
    if is_value:
        found = bind.value(parser.parse_value(source), source)
    else:
        condition = bind.condition(parser.parse_condition(source), source)
        found = None if condition is None else condition.expression
    assert found is not None, bind.diagnostics
    return found


def group(*statements: str, signal: str = "traces", context: str | None = None, **keywords: object) -> typed.Group:
    """A group bound and planned."""
    text = GroupText(tuple(map(Source, statements)), context=context, **keywords)  # type: ignore[arg-type]
    found, diagnostics = engine.bind_group(text, signal, Options(FUNCTIONS))
    assert found is not None, diagnostics
    return planner.plan(found)


def test_every_rule_has_a_fixture() -> None:
    """A rule is a file and a fixture of the same name."""
    assert {path.stem for path in FIXTURES.glob("*.ottl")} == set(RULES)


@pytest.mark.parametrize(("rule", "before", "after"), [pair for rule in RULES for pair in pairs(rule)])
def test_rules(rule: str, before: str, after: str) -> None:
    """A rule, after those in front of it, makes the text after out of the text before."""
    is_value = rule == "fold_calls"
    actual = bound(before, is_value)
    for known in planner.RULES[: planner.RULES.index(RULES[rule]) + 1]:
        actual = rewrite.rewrite(actual, known)
    assert actual == bound(after, is_value)


def test_integers_wrap() -> None:
    """The least integer, which no text can write, comes from wrapping."""
    folded = rewrite.rewrite(bound("9223372036854775807 + 1", is_value=True), RULES["fold_calls"])
    assert folded == typed.Constant(Kind.INT, -(2**63))


@pytest.mark.parametrize(
    "text", ["1 + 1 == 2", "-(1) == -1", 'Len("a") == 1', "span.kind == 1", "not (span.kind == 1)"]
)
def test_what_the_reference_does_not_fold(text: str) -> None:
    """Arithmetic, calls and paths take no part in the folding of conditions, though we compute them early."""
    tree = bound(text)
    assert rewrite.rewrite(tree, RULES["fold_logic"]) is not None
    folded = rewrite.rewrite(rewrite.rewrite(tree, RULES["fold_calls"]), RULES["fold_logic"])
    assert not (isinstance(folded, typed.Constant) and folded.literal)


def test_computed_constants_hide_no_errors() -> None:
    """What we compute early does not decide a condition before what stands to its left, which may fail."""
    tree = bound('1 / 0 == 1 or Len("a") == 1')
    for rule in planner.RULES:
        tree = rewrite.rewrite(tree, rule)
    assert isinstance(tree, typed.Or)
    assert isinstance(tree.operands[0], typed.Compare)


def test_folding_without_impure_functions() -> None:
    """A clock is asked on every row."""
    calls: list[int] = []

    def clock() -> int:
        calls.append(1)
        return 5

    options = Options(FUNCTIONS, clock=clock)
    text = GroupText((Source('set(span.attributes["x"], UnixNano(Now()))'),))
    found, _ = engine.bind_group(text, "traces", options)
    assert found is not None
    planner.plan(found)
    assert calls == []


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (1, 1.0), (1, True), (b"a", "a"), (math.nan, 0.0)])
def test_constants_differ(one: object, other: object) -> None:
    """Constants are the same only with the same type, sign of zero and all."""
    assert typed.Constant(Kind.ANY, one) != typed.Constant(Kind.ANY, other)  # type: ignore[arg-type]
    assert typed.Constant(Kind.ANY, one) == typed.Constant(Kind.ANY, one)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signal", "statements"),
    [
        ("traces", ['set(span.attributes["x"], span.name) where span.kind == 2', 'delete_key(span.attributes, "y")']),
        ("traces", ['set(resource.attributes["x"], "y")']),
        ("traces", ['set(resource.attributes["x"], span.name)']),
        ("traces", ['set(resource.attributes["x"], "y") where span.kind == 2']),
        ("traces", ['delete_key(resource.attributes, "x")', 'set(span.name, "x")']),
        ("traces", ['set(spanevent.attributes["x"], span.name)']),
        ("traces", ['set(span.cache["x"], span.name)', 'set(span.attributes["x"], span.cache["x"])']),
        ("traces", ["flatten(span.cache)", "set(span.attributes, span.cache)"]),
        ("traces", ['set(span.trace_state["a"], span.name)', "set(span.attributes[span.name], 1)"]),
        ("metrics", ['set(metric.description, datapoint.attributes["x"])']),
        ("metrics", ['set(datapoint.attributes["x"], metric.name)']),
        ("logs", ['set(log.attributes["x"], log.body["y"])', 'set(log.body, "x")']),
        (
            "logs",
            [
                'set(log.body["x"], 1)',
                'delete_key(log.body["m"], "k")',
                'append(log.body["l"], 1)',
                "flatten(log.body)",
            ],
        ),
        ("logs", ['merge_maps(log.attributes, ParseJSON(log.body), "upsert") where IsString(log.body)']),
        ("traces", ['set(resource.attributes["x"], 1)', 'set(span.name, resource.attributes["x"])']),
        ("traces", ['set(resource.attributes["x"], 1)', 'set(resource.attributes["y"], 2)', 'set(span.name, "x")']),
    ],
)
def test_groups_in_columns(signal: str, statements: list[str]) -> None:
    """Groups in which no row sees what another row writes run in columns."""
    for mode in ("ignore", "propagate"):
        choice = stacks.choose(group(*statements, signal=signal, error_mode=mode), signal)
        assert choice.columns, choice.reason
        assert not choice.settle


@pytest.mark.parametrize(
    ("statements", "levels"),
    [
        (
            ['set(resource.attributes["x"], ToLowerCase(resource.attributes["x"]))', 'set(span.name, "x")'],
            ("resource",),
        ),
        (
            [
                'set(resource.attributes["x"], 1) where resource.attributes["x"] == nil',
                "keep_keys(span.attributes, [])",
            ],
            ("resource",),
        ),
        (
            [
                'set(scope.name, resource.attributes["x"])',
                'delete_key(resource.attributes, "x")',
                'set(span.name, "x")',
            ],
            ("resource", "scope"),
        ),
        (['replace_pattern(scope.name, "x", "y")', "set(scope.version, span.name)", 'set(span.name, "x")'], ("scope",)),
    ],
)
def test_groups_that_settle(statements: list[str], levels: tuple[str, ...]) -> None:
    """Groups that change what rows share by nothing but that run in columns as long as this comes to rest."""
    choice = stacks.choose(group(*statements), "traces")
    assert choice.columns, choice.reason
    assert choice.settle == levels


@pytest.mark.parametrize(
    ("signal", "statements", "reason"),
    [
        ("traces", ['set(resource.attributes["x"], 1) where resource.attributes["x"] == span.name'], "another one has"),
        ("traces", ['set(resource.attributes["x"], 1)', 'set(resource.attributes["x"], span.name)'], "more than once"),
        ("traces", ['set(resource.attributes["x"], span.name)', 'replace_pattern(scope.name, "x", "y")'], "depends on"),
        ("traces", ['set(resource.attributes["x"], span.name)', 'set(resource.attributes["y"], span.name)'], "order"),
        ("traces", ['set(resource.attributes["x"], span.name)', 'set(span.name, resource.attributes["x"])'], "shared"),
        ("traces", ['append(resource.attributes["x"], span.name)'], "resource.attributes is shared"),
        ("traces", ["keep_matching_keys(resource.attributes, span.name)"], "depends on the row"),
        ("traces", ["set(span.events, nil)"], "span.events is not held in tables"),
        ("traces", ["set(span.trace_state[span.name], 1)"], "no literal"),
        ("traces", ['replace_pattern(span.trace_state["a"], "b", "c")'], "a member of span.trace_state is edited"),
        ("traces", ['merge_maps(span.attributes["m"], span.attributes, "upsert")'], "inside itself"),
        ("traces", ['merge_maps(span.attributes, span.attributes, "upsert")'], "inside itself"),
        ("traces", ['set(span.attributes["m"], span.attributes)'], "inside itself"),
        ("traces", ['set(span.cache["x"], span.cache)'], "inside itself"),
        ("traces", ["set(span.cache, span.attributes)", 'set(span.cache["x"], EWMA(span.kind))'], "used as a whole"),
        ("profiles", ['set(profile.attributes["x"], 1)'], "shared tables"),
        ("profiles", ['set(resource.attributes["x"], 1)'], "shared tables"),
    ],
)
def test_groups_in_rows(signal: str, statements: list[str], reason: str) -> None:
    """Groups whose rows see each other, or that use what tables do not hold, run in rows, and say why."""
    choice = stacks.choose(group(*statements, signal=signal), signal)
    assert not choice.columns
    assert reason in choice.reason


def test_settings_that_need_rows() -> None:
    """A shared cache, and functions that remember under propagate, need rows."""
    shared = group('set(span.name, "x")', shared_cache=True)
    assert "shared cache" in stacks.choose(shared, "traces").reason
    remember = group('set(span.attributes["x"], EWMA(span.kind))', error_mode="propagate")
    assert "under propagate" in stacks.choose(remember, "traces").reason


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (("span", "name"), ("span", "name"), True),
        (("span", "name"), ("scope", "name"), False),
        (("span", "attributes", b"a"), ("span", "attributes", b"b"), False),
        (("span", "attributes", b"a"), ("span", "attributes", b"a"), True),
        (("span", "attributes", b"a"), ("span", "attributes"), True),
        (("span", "status"), ("span", "status.code"), True),
        (("span", "kind.string"), ("span", "kind"), True),
        (("span", "start_time"), ("span", "end_time"), False),
    ],
)
def test_locations(one: tuple[str, ...], other: tuple[str, ...], overlap: bool) -> None:
    """Locations overlap where they share a field or a key."""
    a, b = stacks.Location(*one), stacks.Location(*other)  # type: ignore[arg-type]
    assert a.overlaps(b) is b.overlaps(a) is overlap

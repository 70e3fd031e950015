"""Binding: the fixtures of diagnostics, types, contexts, and that everything is reported at once."""

from pathlib import Path

import pytest

import ottl
from ottl import ast, binder, parser, typed
from ottl.contexts import CONTEXTS
from ottl.errors import Diagnostic
from ottl.functions import Condition, FunctionSet, converter
from ottl.source import Source
from ottl.stdlib import FUNCTIONS
from ottl.types import Kind

FIXTURES = Path(__file__).parent.parent / "fixtures" / "diagnostics"


def fixture_cases() -> list[tuple[str, str, str, str]]:
    """Text, severity, code and words, for every line of the fixtures that expects a diagnostic of the binder."""
    cases = []
    for name in ("names.ottl", "arguments.ottl"):
        for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines():
            for severity in ("error", "warning"):
                text, mark, expected = line.rpartition(f"# {severity}: ")
                if mark and not line.startswith("#"):
                    code, _, words = expected.partition(" ")
                    cases.append((text.rstrip(), severity, code, words))
    return cases


def bind(
    text: str, context: str, names: binder.Names = "required", functions: FunctionSet = FUNCTIONS
) -> binder.Binder:
    """The binder after it has bound a condition, its result among the diagnostics' neighbours."""
    source = Source(text)
    found = binder.Binder(CONTEXTS[context], functions, names)
    found.condition(parser.parse_condition(source), source)
    return found


def value(text: str, context: str = "span") -> typed.Expression:
    """A value bound in a context."""
    source = Source(text)
    found = binder.Binder(CONTEXTS[context], FUNCTIONS).value(parser.parse_value(source), source)
    assert found is not None
    return found


@pytest.mark.parametrize(("text", "severity", "code", "words"), fixture_cases())
def test_diagnostics(text: str, severity: str, code: str, words: str) -> None:
    """A mistake gives its one diagnostic, with a place inside the text, and words that help."""
    found = ottl.check(text)
    assert [d.code for d in found] == [code]
    diagnostic = found[0]
    assert diagnostic.severity == severity
    assert words in f"{diagnostic.message} {diagnostic.hint or ''}"
    if diagnostic.range is not None:
        assert 0 <= diagnostic.range.start < diagnostic.range.end <= len(text)
    else:
        assert code == "E208"


def test_every_code_has_a_case() -> None:
    """Every code of the binder is the answer to some line of the fixtures."""
    registered = {code for code in ottl.errors.CODES if code[:2] in ("E2", "E3", "W3")}
    assert {code for _, _, code, _ in fixture_cases()} >= registered


def test_all_mistakes_at_once() -> None:
    """Every mistake of a statement is reported, and every statement's mistakes."""
    texts = [
        'set(span.nmae, Concatt(["a"], "")) where span.knd == 1 and IsMtch(span.name, "x")',
        "set(span.name)",
        "set(span.kind, 1",
    ]
    found = ottl.check(texts, context="span")
    assert [d.code for d in found] == ["E115", "E201", "E204", "E201", "E204", "E207"]


def test_ranges_point_at_the_mistake() -> None:
    """The range of a diagnostic is the mistaken word itself."""
    text = 'set(span.name, Concat([span.name, Lenn("x")], span.attributes["x"]["y"]))'
    (found,) = ottl.check(text)
    assert found.range is not None
    assert text[found.range.start : found.range.end] == "Lenn"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1 + 2", Kind.INT),
        ("1 + 2.0", Kind.DOUBLE),
        ("span.start_time - span.end_time", Kind.DURATION),
        ('span.start_time + Duration("1s")', Kind.TIME),
        ('Duration("1s") + span.start_time', Kind.TIME),
        ('span.attributes["x"] + 1', Kind.ANY),
        ('span.attributes["x"]', Kind.ANY),
        ("span.attributes", Kind.MAP),
        ("span.kind", Kind.INT),
        ("span.trace_id", Kind.TRACE_ID),
        ("SPAN_KIND_SERVER", Kind.INT),
        ("-span.kind", Kind.INT),
        ("-5", Kind.INT),
        ("[1, span.name]", Kind.LIST),
        ('{"a": span.name}', Kind.MAP),
        ('Split(span.name, ",")[0]', Kind.ANY),
        ("Len(span.name)", Kind.INT),
        ("nil", Kind.NIL),
        ("0x00ff", Kind.BYTES),
    ],
)
def test_static_kinds(text: str, kind: Kind) -> None:
    """Expressions know their type where rows cannot change it."""
    assert value(text).kind is kind


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("1", True),
        ("(1)", True),
        ("-1", True),
        ("-(1)", False),
        ("-(-1)", False),
        ('"a"', True),
        ("[1, [nil]]", True),
        ("[1 + 1]", False),
    ],
)
def test_literals(text: str, literal: bool) -> None:
    """What the reference knows when it loads a rule is a literal constant."""
    found = value(text)
    assert (isinstance(found, typed.Constant) and found.literal) is literal


def test_last_of_equal_keys_wins() -> None:
    """A map literal keeps the last of equal keys."""
    found = value('{"a": 1, "a": 2}')
    assert isinstance(found, typed.Constant)
    assert repr(found.value) == repr(ottl.types.make_map([(b"a", 2)]))


@pytest.mark.parametrize(
    ("text", "context", "names", "level"),
    [
        ('span.name == "x"', "span", "required", "span"),
        ('name == "x"', "span", "inserted", "span"),
        ('name == "x"', "span", "legacy", "span"),
        ('resource.attributes["x"] == "x"', "span", "inserted", "resource"),
        ('instrumentation_scope.name == "x"', "span", "required", "instrumentation_scope"),
        ('instrumentation_scope.name == "x"', "scope", "legacy", "instrumentation_scope"),
        ("status.code == 1", "span", "inserted", "span"),
    ],
)
def test_names_of_contexts(text: str, context: str, names: binder.Names, level: str) -> None:
    """Paths name their context, or get the own one, as the place where they stand demands."""
    source = Source(text)
    found = binder.Binder(CONTEXTS[context], FUNCTIONS, names).condition(parser.parse_condition(source), source)
    assert found is not None
    (load,) = [node for node in typed.walk(found.expression) if isinstance(node, typed.Load)]
    assert load.spec.level in (level, "scope" if level == "instrumentation_scope" else level)


@pytest.mark.parametrize(
    ("text", "context", "names", "code"),
    [
        ('instrumentation_scope.name == "x"', "scope", "required", "E202"),
        ('instrumentation_scope.name == "x"', "scope", "inserted", "E201"),
        ('metric.name == "x"', "span", "inserted", "E201"),
        ('metric.name == "x"', "span", "legacy", "E201"),
        ('attributes["x"] == "x"', "span", "required", "E202"),
    ],
)
def test_refused_names_of_contexts(text: str, context: str, names: binder.Names, code: str) -> None:
    """A context that cannot be read from here is refused, or taken for a field."""
    assert [d.code for d in bind(text, context, names).diagnostics] == [code]


@pytest.mark.parametrize(
    ("texts", "context"),
    [
        (['set(resource.attributes["a"], 1)'], "resource"),
        (['set(resource.attributes["a"], scope.name)'], "scope"),
        (['set(resource.attributes["a"], 1)', 'set(span.name, "x")'], "span"),
        (['set(span.name, "x")', "set(spanevent.name, span.name)"], "spanevent"),
        (['set(resource.attributes["a"], SEVERITY_NUMBER_INFO)'], "log"),
        (["set(metric.unit, FLAG_NONE)"], "datapoint"),
        (['set(resource.attributes["a"], IsRootSpan())'], "span"),
        (['set(instrumentation_scope.name, "x") where log.body == nil'], "log"),
        (['replace_pattern(span.name, "a", "b", SHA256)'], "span"),
    ],
)
def test_inference(texts: list[str], context: str) -> None:
    """The most specific context that paths name is chosen, or a lower one that knows all functions and enums."""
    trees: list[tuple[ast.Node, Source]] = [(parser.parse_statement(s), s) for s in map(Source, texts)]
    candidates = {c.name: c for c in CONTEXTS.values() if c.signals and c.name != "profilesample"}
    found = binder.infer_context(trees, candidates, lambda name: binder.available(FUNCTIONS, name))
    assert not isinstance(found, Diagnostic)
    assert found.name == context


@pytest.mark.parametrize(
    ("written", "parameter"),
    [
        ("resolve_conflicts", "ResolveConflicts"),
        ("resolveConflicts", "ResolveConflicts"),
        ("utf_8_safe", "Utf8Safe"),
        ("utf8safe", "Utf8Safe"),
        ("utf8_safe", "Utf8Safe"),
        ("a", "A"),
    ],
)
def test_parameter_names(written: str, parameter: str) -> None:
    """Named arguments match parameters as the reference matches them."""
    assert binder.camel(written) == parameter


@converter("Holds")
def holds(condition: Condition) -> bool:
    """Whether a condition holds."""
    return condition()


@pytest.mark.parametrize(
    "argument",
    ["span.kind == 1", "true", "IsMap(span.attributes)", "(IsMap(span.attributes))", "not IsMap(span.name)", "(true)"],
)
def test_conditions_as_arguments(argument: str) -> None:
    """A parameter that is a condition takes every boolean expression, a bare call and a literal among them."""
    functions = FunctionSet([*FUNCTIONS.values(), holds])
    found = bind(f"Holds({argument})", "span", functions=functions)
    assert found.diagnostics == []


@pytest.mark.parametrize("argument", ["1", '"x"', "span.name", "[true]", "nil"])
def test_values_are_no_conditions(argument: str) -> None:
    """A parameter that is a condition takes nothing else."""
    functions = FunctionSet([*FUNCTIONS.values(), holds])
    assert [d.code for d in bind(f"Holds({argument})", "span", functions=functions).diagnostics] == ["E301"]

"""The script dialect as text: layout, short forms, diagnostics, comments and the formatter."""

from __future__ import annotations

from pathlib import Path

import pytest

import ottl
from ottl import ast, dialect
from ottl.bounds import DEFAULT_LIMITS
from ottl.dialect import converter_name, lower, parse_script
from ottl.errors import ConfigError
from ottl.formatter import format_script, format_statement, format_value
from ottl.functions import FunctionSet, converter
from ottl.parser import parse_condition, parse_part, parse_statement, parse_value
from ottl.source import LocatedText, Source
from ottl.stdlib import ACTIONS, FUNCTIONS

EVERY = ACTIONS.union(FUNCTIONS)
ROOT = Path(__file__).parent.parent.parent


def script(text: str) -> ast.Script:
    """A script without mistakes."""
    found, diagnostics = parse_script(Source(text))
    assert [d for d in diagnostics if d.severity == "error"] == []
    return found


def blocks(text: str) -> list[tuple[list[str], str | None]]:
    """The statements and the condition of every block, as text."""
    return [
        ([format_statement(s) for s in b.statements], None if b.condition is None else format_value(b.condition))
        for b in script(text).blocks
    ]


def lowered(text: str, context: str | None = None) -> str:
    """A statement with its short forms spelled out."""
    return format_statement(lower(parse_part(Source(text), "statement"), EVERY, context))


def lowered_condition(text: str, context: str | None = None) -> str:
    """A condition with its short forms spelled out."""
    return format_value(lower(parse_part(Source(text), "condition"), EVERY, context))


def codes(text: str, **keywords: str) -> list[tuple[str, int, int]]:
    """Code, line and column of everything that the checker says."""
    found = []
    for diagnostic in ottl.check(text, **keywords):
        assert diagnostic.source is not None
        start = diagnostic.range.start if diagnostic.range is not None else 0
        found.append((diagnostic.code, *diagnostic.source.line_column(start)))
    return found


# -- layout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a()\nb()", [(["a()", "b()"], None)]),
        ("a()\n\nb()", [(["a()"], None), (["b()"], None)]),
        ("a()\n \t\nb()", [(["a()"], None), (["b()"], None)]),
        ("a()\r\n\r\nb()\r\n", [(["a()"], None), (["b()"], None)]),
        ("a()\n# not a blank line\nb()", [(["a()", "b()"], None)]),
        ("a()\nb()\nwhere x == 1", [(["a()", "b()"], "x == 1")]),
        ("a()\n# why\nwhere x == 1", [(["a()"], "x == 1")]),
        ("a() where x == 1\nb()", [(["a() where x == 1", "b()"], None)]),
        ("a() where x == 1\nb()\nwhere y == 2", [(["a() where x == 1", "b()"], "y == 2")]),
        ("a()\nwhere x == 1\n\nb()\nwhere y == 2", [(["a()"], "x == 1"), (["b()"], "y == 2")]),
        ("a(1,\n  2)\nb()", [(["a(1, 2)", "b()"], None)]),
        ("a([\n\n1,\n\n2])", [(["a([1, 2])"], None)]),
        ('a("x\n\ny")\nb()', [(['a("x\\n\\ny")', "b()"], None)]),
        ("a()\nwhere x == 1\n  and y == 2\n  or z == 3", [(["a()"], "x == 1 and y == 2 or z == 3")]),
        ("a()\nwhere\n  x == 1 and\n  y == 2", [(["a()"], "x == 1 and y == 2")]),
        ("a()\nwhere x ==\n  1", [(["a()"], "x == 1")]),
        ("a()\n  where x == 1", [(["a()"], "x == 1")]),
        ("a() # one\nb() # 'two", [(["a()", "b()"], None)]),
        ("a('#', \"#\") # '", [(['a("#", "#")'], None)]),
        ("x > 1 > a()", [(["x > 1 > a()"], None)]),
        ("x > 1\n  > a()", [(["x > 1 > a()"], None)]),
        ("x >\n 1 > a()\nb()", [(["x > 1 > a()", "b()"], None)]),
        ("x > f(y) > a()", [(["x > f(y) > a()"], None)]),
        ("x > f(y) > a() where z == 1", [(["x > f(y) and z == 1 > a()"], None)]),
        ("x == 1 and (y > g(2)) > a(b > c(1))", [(["x == 1 and y > g(2) > a(b > c(1))"], None)]),
        ("a() where x > f(y)", [(["a() where x > f(y)"], None)]),
        ("IsMap(x) > a()\nwhere y > f(1)", [(["IsMap(x) > a()"], "y > f(1)")]),
        ("", []),
        ("\n\n# only words\n", []),
    ],
)
def test_layout(text: str, expected: list[tuple[list[str], str | None]]) -> None:
    """Blocks end at blank lines, statements at line ends that end them, and a `where` that begins a line governs."""
    assert blocks(text) == expected


def test_same_tree() -> None:
    """A statement gives the tree that the reference's grammar gives, with ranges that are offsets into the script."""
    text = 'set(span.attributes["a"], Len(span.name) * 2) where span.kind == 2 and not (span.name == "x")'
    source = Source(f"# one\nset(span.name, 'b')\n\n{text}")
    (_, block) = parse_script(source)[0].blocks
    assert block.statements == (parse_statement(Source(text)),)
    assert source.slice(block.statements[0].range) == text
    assert source.slice(block.statements[0].editor.name_range) == "set"


@pytest.mark.parametrize(
    ("text", "dumped"),
    [
        ("'it''", None),
        ("'it\\'s \"x\"'", "String b'it\\'s \"x\"'"),
        ('"it\'s"', 'String b"it\'s"'),
        ("3s", "Duration 3000000000"),
        ("150ms", "Duration 150000000"),
        ("1h30m", "Duration 5400000000000"),
        ("1.5s", "Duration 1500000000"),
        ("2us", "Duration 2000"),
        ("2\u00b5s", "Duration 2000"),
        ("0s", "Duration 0"),
        ("-3s", "Unary - Duration 3000000000"),
        ("span.end_time - 3s", "Binary - Path Segment span Segment end_time Duration 3000000000"),
        ("3", "Integer 3"),
        ("3.5", "Float 3.5"),
        ("3sec", None),
        ("3 s", None),
        ("9999999h", None),
    ],
)
def test_literals(text: str, dumped: str | None) -> None:
    """Single-quoted strings and durations; None for what is refused."""
    if dumped is None:
        with pytest.raises(ConfigError):
            parse_part(Source(text), "value")
    else:
        assert " ".join(ast.dump(parse_part(Source(text), "value")).split()) == dumped


@pytest.mark.parametrize(
    "text",
    ["set(x.y, 'a')", "set(x.y, 3s)", "set(x.y, len(x.z))", "set(x.y, 1) # c", "a()\nb()", "x > 1 > set(x.y, 1)"],
)
def test_reference_grammar_stays(text: str) -> None:
    """What only scripts have is refused by the reference's grammar."""
    with pytest.raises(ConfigError):
        parse_statement(Source(text))


def test_configurations_stay() -> None:
    """Transform, Filter and the collector's YAML take neither the grammar nor the paths nor the actions of scripts."""
    for text in (
        "set(span.name, 'a')",
        'set(span.name, "a") # c',
        "set(span.name, lowercase(span.name))",
        "set(span.status.code, ERROR)",
        'set(span.name, "a") where span.kind == SERVER',
        'set(resource.attr.x, "a")',
        'set(span.name, "a") where span.duration > 3000',
        'span.kind == 2 > set(span.name, "a")',
        "drop() where span.kind == 2",
        'route("x") where span.kind == 2',
        "delete(span.name)",
    ):
        with pytest.raises(ConfigError):
            ottl.Transform({"trace_statements": [text]})
    for text in ("metric.value > 3", "datapoint.value > 3", 'metric.attributes["a"] == nil'):
        with pytest.raises(ConfigError):
            ottl.Transform({"metric_statements": [f'set(metric.name, "x") where {text}']})
    for text in ("span.kind == SERVER", "span.name == 'a'", "span.duration > 3000"):
        with pytest.raises(ConfigError):
            ottl.Filter({"trace_conditions": [text]})


# -- short forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set(span.name, resource.attr.x)", 'set(span.name, resource.attributes["x"])'),
        ("set(span.name, resource.attr.service.name)", 'set(span.name, resource.attributes["service.name"])'),
        ('set(span.attr.a["b"], 1)', 'set(span.attributes["a"]["b"], 1)'),
        ('set(span.attr["b"], 1)', 'set(span.attributes["b"], 1)'),
        ("set(span.attr, {})", "set(span.attributes, {})"),
        ("set(metric.value, 1)", "set(datapoint.value, 1)"),
        ('set(metric.attributes["a"], value)', 'set(datapoint.attributes["a"], datapoint.value)'),
        ("set(metric.attr.a, 1)", 'set(datapoint.attributes["a"], 1)'),
        ("set(metric.name, 1)", "set(metric.name, 1)"),
        ("set(span.attr.d, duration)", 'set(span.attributes["d"], span.end_time - span.start_time)'),
        ("set(span.status.code, ERROR)", "set(span.status.code, STATUS_CODE_ERROR)"),
        ("set(span.status.code, STATUS_CODE_OK)", "set(span.status.code, STATUS_CODE_OK)"),
        ("set(span.kind, SERVER)", "set(span.kind, SPAN_KIND_SERVER)"),
        ("set(log.severity_number, WARN)", "set(log.severity_number, SEVERITY_NUMBER_WARN)"),
        ("set(span.name, SERVER)", "set(span.name, SERVER)"),
        ("set(span.kind, NOWHERE)", "set(span.kind, NOWHERE)"),
        ("set(span.name, sha256(span.name))", "set(span.name, SHA256(span.name))"),
        ("set(span.name, parse_json(span.name)['a'])", 'set(span.name, ParseJSON(span.name)["a"])'),
        ("set(span.name, Sha256(span.name))", "set(span.name, Sha256(span.name))"),
        ("set(span.name, nothing(span.name))", "set(span.name, nothing(span.name))"),
        ('replace_pattern(span.name, "a", "b", sha256)', 'replace_pattern(span.name, "a", "b", SHA256)'),
        ("limit(10, 1m)", "rate_limit(10, 1m)"),
        ('limit(span.attributes, 10, ["a"])', 'limit(span.attributes, 10, ["a"])'),
        ("route(exporter.kafka_a)", 'route("kafka_a")'),
        ("route(exporter.kafka.a)", 'route("kafka.a")'),
        ('route("kafka/a")', 'route("kafka/a")'),
    ],
)
def test_short_statements(text: str, expected: str) -> None:
    """Short paths, tails of enums, converters in lower case, and the dialect's own names of actions."""
    assert lowered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("duration > 3000", "span.end_time - span.start_time > 3000000000ns"),
        ("3000 <= span.duration", "3000000000ns <= span.end_time - span.start_time"),
        ("duration > 2.5", "span.end_time - span.start_time > 2500000ns"),
        ("duration > -1", "span.end_time - span.start_time > -1000000ns"),
        ("duration > 3s", "span.end_time - span.start_time > 3s"),
        ("span.end_time - span.start_time > 3000", "span.end_time - span.start_time > 3000"),
        ("value > 3", "datapoint.value > 3"),
        ("metric.type == SUM", "metric.type == METRIC_DATA_TYPE_SUM"),
        ("DELTA != metric.aggregation_temporality", "AGGREGATION_TEMPORALITY_DELTA != metric.aggregation_temporality"),
        ("span.kind == SERVER or span.kind == 3", "span.kind == SPAN_KIND_SERVER or span.kind == 3"),
        ("span.name == SERVER", "span.name == SERVER"),
        ("is_match(span.name, 'a')", 'IsMatch(span.name, "a")'),
    ],
)
def test_short_conditions(text: str, expected: str) -> None:
    """The same in conditions, and bare numbers beside a duration."""
    assert lowered_condition(text) == expected


def test_context_given() -> None:
    """With a context, short forms may leave it out, and its own paths come first."""
    assert lowered("set(attr.x, 1)", "span") == 'set(attributes["x"], 1)'
    assert lowered("set(status.code, ERROR)", "span") == "set(status.code, STATUS_CODE_ERROR)"
    assert lowered_condition("duration > 1", "profile") == "duration > 1"
    assert lowered_condition("duration > 1", "span") == "span.end_time - span.start_time > 1000000ns"
    assert ottl.check("set(attr.x, 1) where kind == SERVER", context="span") == []


def test_lambda_parameters_are_no_paths() -> None:
    """A parameter of a lambda hides a short path of its name."""
    text = "Filter(span.attributes, (value, _) => value > 1)"
    assert format_value(lower(parse_part(Source(text), "value"), EVERY)) == text


def test_no_two_functions_collide() -> None:
    """Lower case and underscores tell all functions apart, so every converter can be written in lower case."""
    folded = [name.replace("_", "").lower() for name in EVERY]
    assert sorted({name for name in folded if folded.count(name) > 1}) == []
    assert {converter_name(name.lower(), EVERY) for name, f in EVERY.items() if not f.editor} == {
        name for name, f in EVERY.items() if not f.editor
    }


def test_snake_case() -> None:
    """Underscores may stand anywhere; a name that two converters share means none."""

    @converter("StdDev")
    def std_dev(x: float) -> float:
        return x

    @converter("Stddev")
    def stddev(x: float) -> float:
        return x

    assert {converter_name(n, FunctionSet([std_dev])) for n in ("stddev", "std_dev", "st_ddev")} == {"StdDev"}
    assert converter_name("stddev", FunctionSet([std_dev, stddev])) is None


# -- diagnostics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('set(span.name, "x"\n\nset(span.nam, 1)', [("E115", 1, 19), ("E201", 3, 5)]),
        ("set(span.name, 'x)\n\nset(span.nam, 'y')", [("E101", 1, 16), ("E201", 3, 5)]),
        ("set(span.name, 5x)\nset(span.nam, 'y')", [("E102", 1, 17), ("E201", 2, 5)]),
        ("where span.kind == 1", [("E120", 1, 1)]),
        ("set(span.name, 'x')\n\nwhere span.kind == 1", [("E120", 3, 1)]),
        ("set(span.name, 'x')\nwhere span.kind == 1\nwhere span.kind == 2", [("E121", 3, 1)]),
        ("span.kind == 1", [("E102", 1, 1)]),
        ("# fine\n  set(span.name, stddevv(1))", [("E204", 2, 18)]),
        ("set(span.kind, CLIENTT)", [("E205", 1, 16)]),
        ("set(span.name, set(span.name, 1))", [("E209", 1, 16)]),
        ("set(span.duration, 3s)", [("E301", 1, 5)]),
        ("set(span.name, 'x')\nwhere log.body == 'x'", [("E202", 1, 5)]),
        ("set(span.name, 'x')\n\nset(foo.bar, 1)", [("E208", 3, 5)]),
        ("", [("W103", 1, 1)]),
        ("# nothing", [("W103", 1, 1)]),
        ("set(span.name, 'x')\nset(span.kind, 1)\nwhere duration > 1", [("W101", 3, 7)]),
        ("set(span.name, 'x')\n  where duration > 1", []),
        ("set(span.name, 'x')\nwhere duration > 1\nset(span.kind, 1)", [("W102", 3, 1)]),
        ("set(span.name, 'x')\nset(span.kind, 1) where duration > 1", []),
    ],
)
def test_diagnostics(text: str, expected: list[tuple[str, int, int]]) -> None:
    """Mistakes have their line and column in the script, and those of one block do not hide those of another."""
    assert codes(text) == expected


def test_warning_of_pasted_text_is_the_checkers() -> None:
    """A governed block is no finding where a script is compiled to run, and what it means is said in the hint."""
    text = "set(span.name, 'x')\nset(span.kind, 1)\nwhere duration > 1"
    assert ottl.compile(text).diagnostics == ()
    (warning,) = ottl.check(text)
    assert (
        warning.message == "this `where` governs all 2 statements of its block, not just the last one as in a collector"
    )


def test_limits() -> None:
    """Each statement and the whole script have a limit; nesting has one too."""
    long = f"set(span.name, '{'x' * DEFAULT_LIMITS.max_text}')"
    assert [c for c, *_ in codes(long)] == ["E105"]
    assert [c for c, *_ in codes("a()\n" * (dialect.MAX_SCRIPT // 3))] == ["E105"]
    assert [c for c, *_ in codes("set(span.name, " + "[" * 300 + "]" * 300 + ")")] == ["E104"]


def test_places_in_files() -> None:
    """A script read from a file knows its place there."""
    text = LocatedText("a()\n\nset(span.nam, 1)", "rules.ottl", 3, 5, 5)
    found = [d.source.describe(d.range) for d in ottl.check(text) if d.source is not None]
    assert found == ["rules.ottl:5:9"] or found[-1] == "rules.ottl:5:9"


# -- comments and the formatter -------------------------------------------------------------------------------------

COMMENTED = """\
# head

# second paragraph

# above a
a(1,  # inside a
  2) # beside a
  # above b
b()
# above where
where x == 1 # beside where
# after

# above c
c()

# the end
"""
FORMATTED = """\
# head

# second paragraph

# above a
# inside a
a(1, 2)  # beside a
# above b
b()
# above where
where x == 1  # beside where
# after

# above c
c()

# the end
"""


def test_comments_are_kept() -> None:
    """The tree holds every comment, and the formatter writes each beside what it was written beside."""
    tree = script(COMMENTED)
    assert format_script(tree) == FORMATTED
    assert format_script(script(FORMATTED)) == FORMATTED
    first = tree.blocks[0]
    assert [[c.text for c in p] for p in first.before] == [["# head"], ["# second paragraph"]]
    assert [c.text for c in first.statements[0].comments.above] == ["# above a", "# inside a"]
    assert first.comments.beside is not None
    assert first.comments.beside.text == "# beside where"
    assert [[c.text for c in p] for p in tree.after] == [["# the end"]]


def test_comments_do_not_count() -> None:
    """Two texts that mean the same have equal trees."""
    assert script("a() # x\nwhere y == 1") == script("# z\n\na()\n\n  where y == 1".replace("\n\n  where", "\nwhere"))
    assert script("x == 1 > a()").blocks[0].statements == script("a() where x == 1").blocks[0].statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a( 'x' )", 'a("x")\n'),
        ("a(1h30m, 1.50s)", "a(1h30m, 1.50s)\n"),
        ("x>1>a()", "x > 1 > a()\n"),
        ("a()\n\n\n\nb()", "a()\n\nb()\n"),
        ("(x == 1 or y == 2) > a() where z == 3", "(x == 1 or y == 2) and z == 3 > a()\n"),
        ("", ""),
    ],
)
def test_format(text: str, expected: str) -> None:
    """Canonical spelling; durations and guards stay as they are written."""
    assert format_script(script(text)) == expected


def test_reference_text_is_script_text() -> None:
    """Single statements, conditions and values of the reference mean the same in a script."""
    for text in ('set(a.b["c"], 1 + 2 * -3)', 'set(a.b, [1, 2.5, nil, true, 0x0a, {"k": "v"}]) where A() or b.c != 1'):
        assert parse_part(Source(text), "statement") == parse_statement(Source(text))
    assert parse_part(Source("a.b == 1"), "condition") == parse_condition(Source("a.b == 1"))
    assert parse_part(Source("-(a.b)"), "value") == parse_value(Source("-(a.b)"))

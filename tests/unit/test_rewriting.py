"""Configuration files are formatted in their statements and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ottl.config import load_config
from ottl.errors import ConfigError
from ottl.layout import statement_lines, value_lines
from ottl.parser import parse_condition, parse_statement
from ottl.rewriting import format_config, format_rules
from ottl.source import Source

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

BEFORE = r"""# why
processors:
  batch: {timeout:  1s}   # not ours
  transform/x:
    error_mode:   ignore
    trace_statements:
      # what comes next
      - set( span.name,"x" )   where span.kind==SPAN_KIND_SERVER # behind
      - 'set(span.attributes["a"],  "it''s")'
      - "set(span.attributes[\"a\"],  \"b\\n\")"
      - replace_pattern(span.name,  "(\\d+)", "$$1")
      - &same set(span.name,"y")
      - *same
      - context: span
        conditions: [ 'name  ==   "x"', IsRootSpan( ) ]
        statements: &list
          - >-
            set(name,
            "y")

          - set(name,
             "z")
      - statements: *list
  filter:
    traces:
      span:
        - name  == "x"
    metrics:
      include:
        - not   touched
service:
  pipelines: {traces: {processors: [transform/x]}}
"""

AFTER = r"""# why
processors:
  batch: {timeout:  1s}   # not ours
  transform/x:
    error_mode:   ignore
    trace_statements:
      # what comes next
      - set(span.name, "x") where span.kind == SPAN_KIND_SERVER # behind
      - 'set(span.attributes["a"], "it''s")'
      - "set(span.attributes[\"a\"], \"b\\n\")"
      - replace_pattern(span.name, "(\\d+)", "$$1")
      - &same set(span.name, "y")
      - *same
      - context: span
        conditions: [ 'name == "x"', IsRootSpan() ]
        statements: &list
          - >-
            set(name, "y")

          - set(name, "z")
      - statements: *list
  filter:
    traces:
      span:
        - name == "x"
    metrics:
      include:
        - not   touched
service:
  pipelines: {traces: {processors: [transform/x]}}
"""


def test_only_statements_change() -> None:
    """Comments, styles, anchors, other keys and other processors stay character by character."""
    assert format_config(BEFORE) == AFTER
    assert format_config(AFTER) == AFTER


def test_line_ends_and_byte_order_mark_stay() -> None:
    """Also in blocks."""
    text = "\ufeff" + BEFORE.replace("\n", "\r\n")
    assert format_config(text) == "\ufeff" + AFTER.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('- set(span.attributes["a"],{"a":1}["a"])', None),
        ("""- 'set(span.attributes,{"a":1})'""", """- 'set(span.attributes, {"a": 1})'"""),
        # A blank behind the colon ends a plain scalar's being one.
        ("- set(span.attributes,{a:1})", None),
        ('- set(span.attributes,{"a":1})', """- 'set(span.attributes, {"a": 1})'"""),
        ('[set(span.name\\,"a")]', None),
        (
            """['set(span.name,"a")',"set(span.name,\\"b\\")"]""",
            """['set(span.name, "a")',"set(span.name, \\"b\\")"]""",
        ),
        ('- |2\n   set(span.name,"a")\n', '- |2\n   set(span.name, "a")\n'),
        ('- |+\n  set(span.name,"a")\n\n\n', '- |+\n  set(span.name, "a")\n\n\n'),
        ('- >\n  set(span.name,"a")', '- >\n  set(span.name, "a")'),
        ('- !!str set(span.name,"a")', '- !!str set(span.name, "a")'),
    ],
)
def test_styles(before: str, after: str | None) -> None:
    """Each keeps its style where that can hold the new text; None: it is refused as it is."""
    prefix = "trace_statements:\n" if before.startswith("- ") else "trace_statements: "
    if after is None:
        with pytest.raises(ConfigError):
            format_config(prefix + before)
    else:
        assert format_config(prefix + before) == prefix + after
        assert format_config(prefix + after) == prefix + after


def test_all_findings_are_reported() -> None:
    """With a syntax error nothing is formatted, and every finding has its place in the file."""
    text = 'trace_statements:\n  - set(span.name "x")\n  - set(span.name,1)\n  - set(span.name\n'
    with pytest.raises(ConfigError) as caught:
        format_config(text, "rules.yaml")
    lines = [d.to_dict()["line"] for d in caught.value.diagnostics]
    assert ([d.code for d in caught.value.diagnostics], lines) == (["E102", "E115"], [2, 4])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/rules.yaml")), ids=lambda path: path.parent.name)
def test_examples_are_formatted(path: Path) -> None:
    """What we show is in the form that we recommend."""
    text = path.read_text(encoding="utf-8")
    assert format_config(text, str(path)) == text
    assert load_config(text).processors


LONG = (
    'set(span.attributes["key"], Concat(["a", "b", "c"], "-")) '
    'where (span.name == "aaaaaaaa" or span.name == "bbbbbbbb") '
    "and not IsRootSpan() and span.kind == 2"
)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_layout_keeps_the_meaning(width: int) -> None:
    """The lines parse to the tree that they were made of, and the lines that can be broken are not too long."""
    tree = parse_statement(Source(LONG))
    lines = statement_lines(tree, width)
    assert parse_statement(Source("\n".join(lines))) == tree
    assert len(lines) == 1 or width < len(LONG)
    if width >= 60:
        assert max(map(len, lines)) <= width


def test_layout_of_a_statement() -> None:
    """The condition begins a line, its operands are below each other."""
    assert statement_lines(parse_statement(Source(LONG)), 70) == [
        'set(span.attributes["key"], Concat(["a", "b", "c"], "-"))',
        '  where (span.name == "aaaaaaaa" or span.name == "bbbbbbbb")',
        "    and not IsRootSpan()",
        "    and span.kind == 2",
    ]


def test_layout_of_long_lists() -> None:
    """Literals fill lines, calls stand one below the other, names and keys stay where they belong."""
    keys = ", ".join(f'"key.{number}"' for number in range(12))
    tree = parse_statement(Source(f"keep_keys(span.attributes, keys=[{keys}])"))
    assert statement_lines(tree, 44) == [
        "keep_keys(",
        "  span.attributes,",
        "  keys=[",
        '    "key.0", "key.1", "key.2", "key.3",',
        '    "key.4", "key.5", "key.6", "key.7",',
        '    "key.8", "key.9", "key.10", "key.11"',
        "  ]",
        ")",
    ]
    condition = parse_condition(Source('Split(span.name, "aaaaaaaaaaaaaaaaaaaaaaaaa")[0] == "b" or (true and false)'))
    assert value_lines(condition, 50) == [
        'Split(span.name, "aaaaaaaaaaaaaaaaaaaaaaaaa")[0] == "b"',
        "  or true and false",
    ]


SCRIPT = """
#   about the file

# about the block
set( span.status.code ,ERROR )   # beside
   # between
set(span.attributes['a'],
    # inside
    "b") where span.kind==SERVER
  where duration>3s and
    resource.attr.env == 'prod'
# behind


metric.value>3   >   set(metric.attributes['alert'], 'anomaly')
# the end"""

NEAT_SCRIPT = """\
#   about the file

# about the block
set(span.status.code, ERROR)  # beside
# between
# inside
set(span.attributes["a"], "b") where span.kind == SERVER
where duration > 3s and resource.attr.env == "prod"
# behind

metric.value > 3 > set(metric.attributes["alert"], "anomaly")
# the end
"""


def test_scripts() -> None:
    """A line a statement, a blank line between blocks, every comment kept; line ends and byte order mark too."""
    assert format_rules(SCRIPT) == NEAT_SCRIPT
    assert format_rules(NEAT_SCRIPT) == NEAT_SCRIPT
    assert format_rules("\ufeff" + SCRIPT.replace("\n", "\r\n")) == "\ufeff" + NEAT_SCRIPT.replace("\n", "\r\n")
    assert format_rules("# nothing but this") == "# nothing but this\n"


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (
            f"{LONG}  # why",
            [
                'set(span.attributes["key"], Concat(["a", "b", "c"], "-")) where',
                '  (span.name == "aaaaaaaa" or span.name == "bbbbbbbb")',
                "    and not IsRootSpan()",
                "    and span.kind == 2  # why",
            ],
        ),
        (
            "span.name == 'aaaaaaaaaaaaaaaaaaaaa' and span.kind == 2 > set(span.attributes['bbbbbbbbbbbbbbbbbbbb'], 1)",
            [
                'span.name == "aaaaaaaaaaaaaaaaaaaaa" and span.kind == 2',
                '  > set(span.attributes["bbbbbbbbbbbbbbbbbbbb"], 1)',
            ],
        ),
        (
            "set(span.name, 'x')\nwhere span.name == 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' and span.kind == 2",
            [
                'set(span.name, "x")',
                'where span.name == "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
                "  and span.kind == 2",
            ],
        ),
    ],
)
def test_long_lines_of_scripts(script: str, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement's own `where` ends a line, because one that begins a line would be its block's."""
    monkeypatch.setattr("ottl.rewriting.WIDTH", 70)
    text = "\n".join(lines) + "\n"
    assert format_rules(script) == text
    assert format_rules(text) == text


def test_a_script_with_mistakes_is_refused() -> None:
    """All of them are reported."""
    with pytest.raises(ConfigError) as caught:
        format_rules("set(span.name 1)\n\nset(span.name", "rules.ottl")
    assert [(d.code, d.to_dict()["line"]) for d in caught.value.diagnostics] == [("E102", 1), ("E115", 3)]


def test_scripts_in_yaml() -> None:
    """Conditions and actions are formatted; a script that YAML has folded into one line stays."""
    before = (
        "scripts:\n"
        "  - name:   slow  # its name\n"
        "    condition: duration>3s\n"
        "    action: |\n"
        "      # why\n"
        "      set(span.status.code,ERROR)\n"
        "      set(span.name,'x')\n"
        "  - {condition: duration>3s, action: 'set(span.name,\"x\")'}\n"
        "  - action:\n      - set(span.kind,SERVER)\n"
    )
    assert format_config(before) == (
        "scripts:\n"
        "  - name:   slow  # its name\n"
        "    condition: duration > 3s\n"
        "    action: |\n"
        "      # why\n"
        "      set(span.status.code, ERROR)\n"
        '      set(span.name, "x")\n'
        "  - {condition: duration > 3s, action: 'set(span.name, \"x\")'}\n"
        "  - action:\n      - set(span.kind, SERVER)\n"
    )
    folded = 'scripts:\n  - action: "set(span.name,1)\\nset(span.kind,2)"\n'
    assert format_config(folded) == folded

r"""A page for every diagnostic code: what it means, what causes it, how to mend it.

`ottl explain E204` shows them, and so do the REPL and other tools. The titles stand where the codes are reported (see
`ottl.errors.CODES`); a code of the one must have a page here, and the examples are run: the first causes the code, the
second has no error.

Texts are raw strings. In an example of `Form.STATEMENT` every line is a statement of one group; `Form.PYTHON` is an
expression; `Form.OUTLINE` stands for a text too long to be printed.
"""

from __future__ import annotations

import enum
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ottl.errors import CODES

__all__ = ["PAGES", "Form", "Page", "render"]


class Form(enum.Enum):
    """What the examples of a page are."""

    STATEMENT = "statement"
    SCRIPT = "script"
    YAML = "yaml"
    PYTHON = "python"
    OUTLINE = "outline"


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to say about a code.

    Args:
        meaning: what the code stands for and why it is a finding; one paragraph.
        wrong: an example that causes it.
        mend: how to repair it; one paragraph.
        right: the example repaired.
        form: what the examples are.
        options: of `ottl check`, with which the examples are checked.
    """

    meaning: str
    wrong: str
    mend: str
    right: str
    form: Form = Form.STATEMENT
    options: tuple[str, ...] = ()


_TEXT: Final = {
    "E101": Page(
        "A character that no part of the language begins with: curly quotes, `;`, `#`, `&&`, or a string without its "
        "closing quote.",
        "set(span.name, “checkout”)",
        "Write strings between straight double quotes, one statement a string of the list, `and`, `or`, `not` for the "
        "operators, and `\\\\` for a backslash in a string.",
        'set(span.name, "checkout")',
    ),
    "E102": Page(
        "A word or sign stands where the grammar wants another one. The message says what would fit, the carets show "
        "the place; what is wrong may lie just before it.",
        'set(span.name "checkout")',
        "Look at the place and one step to its left: a comma, a bracket, `==` for `=`, `where` in lower case.",
        'set(span.name, "checkout")',
    ),
    "E103": Page(
        "A literal that cannot be read: an unknown escape in a string, an integer beyond 64 bits or with a leading "
        "zero, an odd number of hexadecimal digits.",
        r'replace_pattern(span.name, "\d+", "{id}")',
        "A backslash in a string is written twice, so that a pattern reads `\\\\d`. In YAML, single quotes around the "
        "statement keep backslashes as they are.",
        r'replace_pattern(span.name, "\\d+", "{id}")',
    ),
    "E104": Page(
        "Calls, lists, maps and parentheses lie inside each other deeper than the limit. The limit keeps a rule from "
        "exhausting the stack of whoever loads it.",
        "set(span.name, ToLowerCase(ToLowerCase(...)))",
        "Split the rule: keep intermediate results in `cache`.",
        'set(cache["name"], ToLowerCase(span.name))',
        Form.OUTLINE,
    ),
    "E105": Page(
        "The text of one statement is longer than the limit.",
        'keep_keys(span.attributes, ["a", "b", ...])',
        "Split the statement; a long list of keys is often a pattern (`keep_matching_keys`).",
        'keep_matching_keys(span.attributes, "^(http|db)[.]")',
        Form.OUTLINE,
    ),
    "E106": Page(
        "A statement begins with an editor, and editors are written with a lower-case first letter. Upper case is a "
        "converter, which gives a value and changes nothing.",
        "SHA256(span.name)",
        "Begin with an editor; to keep what a converter gives, `set` it somewhere.",
        "set(span.name, SHA256(span.name))",
    ),
    "E107": Page(
        "A function inside a statement is a converter, and converters are written with an upper-case first "
        "letter. Only "
        "scripts take them in lower case too.",
        """\
trace_statements:
  - set(span.name, concat([span.name, "x"], "-"))""",
        "Use the converter's own spelling; `ottl functions` lists all of them.",
        """\
trace_statements:
  - set(span.name, Concat([span.name, "x"], "-"))""",
        Form.YAML,
    ),
    "E108": Page(
        "Once an argument is given by its name, all that follow need theirs.",
        'set(target=span.name, "checkout")',
        "Put positional arguments first, or name them all.",
        'set(span.name, value="checkout")',
    ),
    "E109": Page(
        "`[...]` reads an entry of a map or an element of a list. Paths and results of converters have "
        "entries, editors "
        "and literals have none.",
        'set(span.name, "checkout")["a"]',
        "Index the path or the converter whose entry is meant.",
        'set(span.attributes["a"], "checkout")',
    ),
    "E110": Page(
        "A condition is a comparison, a call of a converter that gives a bool, `true` or `false`, or several of them "
        "with `and`, `or`, `not`. A path is none, even where it holds a bool.",
        'set(span.name, "checkout") where span.attributes["paid"]',
        "Compare the value: `== true`, `!= nil`.",
        'set(span.name, "checkout") where span.attributes["paid"] == true',
    ),
    "E111": Page(
        "`+ - * /` work on numbers, times and durations. A string, a list, nil or an enum symbol is no operand, and "
        "parentheses around a single value are not allowed where they would mean nothing.",
        'set(span.name, "order " + "checkout")',
        "Join strings with `Concat`, lists with `append`.",
        'set(span.name, Concat(["order", "checkout"], " "))',
    ),
    "E112": Page(
        "A comparison decides which rows a statement runs on; it is not a value that an argument could take.",
        'set(span.attributes["slow"], [span.name == "checkout"])',
        "Move the comparison behind `where`; use two statements where both outcomes need a value.",
        'set(span.attributes["slow"], true) where span.name == "checkout"',
    ),
    "E113": Page(
        "A lambda is `(name, name) => value`: different lower-case names in parentheses, and a body that is no lambda "
        "itself. Parentheses with several values are nothing else.",
        'set(span.attributes["x"], (span.name, span.kind))',
        "For a list write brackets; in a lambda use plain names, and `_` for a parameter that is not needed.",
        'set(span.attributes["x"], [span.name, span.kind])',
    ),
    "E114": Page(
        "A key is a string, an integer, a path or a call. Bools, nil, lists and enum symbols are no keys, and "
        "arithmetic needs parentheses around it.",
        'set(span.attributes[true], "x")',
        "Use the key as a string, or put arithmetic into parentheses.",
        'set(span.attributes["true"], "x")',
    ),
    "E115": Page(
        "The text ends while something is still open: a bracket, an argument, a condition after `where` or `and`.",
        'set(span.name, "checkout"',
        "Close what is open; the hint names the column where it was opened.",
        'set(span.name, "checkout")',
    ),
    "E116": Page(
        "`and or not where nil true false` are words of the language and cannot be parts of a path.",
        "set(span.nil, 1)",
        "If it is the key of an attribute, put it between brackets and quotes.",
        'set(span.attributes["nil"], 1)',
    ),
    "E120": Page(
        "In a script, a `where` that begins a line governs the statements of its block above it. Here there are none: "
        "the block begins with it.",
        """\
set(span.attributes["slow"], true)

where duration > 3s""",
        "Put it right below its statements, without a blank line.",
        """\
set(span.attributes["slow"], true)
where duration > 3s""",
        Form.SCRIPT,
    ),
    "E121": Page(
        "A block of a script has one condition, and this one has two lines that begin with `where`.",
        """\
set(span.attributes["slow"], true)
where duration > 3s
where span.kind == SERVER""",
        "Join the two with `and`.",
        """\
set(span.attributes["slow"], true)
where duration > 3s and span.kind == SERVER""",
        Form.SCRIPT,
    ),
    "W101": Page(
        "In a script, a `where` that begins a line governs all statements of its block. In a collector's "
        "configuration it "
        "would belong to the statement before it, so that text pasted from there means something else here.",
        """\
set(span.status.code, ERROR)
set(span.attributes["slow"], true)
where duration > 3s""",
        "If all are meant, nothing is wrong. If only the last one is, put the `where` on its line, or a "
        "blank line above "
        "that statement.",
        """\
set(span.status.code, ERROR)

set(span.attributes["slow"], true)
where duration > 3s""",
        Form.SCRIPT,
    ),
    "W102": Page(
        "The condition of a block ends it, so a statement right below begins the next block, and the "
        "condition does not "
        "govern it. Without a blank line between, that is easily misread.",
        """\
set(span.status.code, ERROR)
where duration > 3s
set(span.attributes["seen"], true)""",
        "Put a blank line between, or the condition below all statements that it is to govern.",
        """\
set(span.status.code, ERROR)
where duration > 3s

set(span.attributes["seen"], true)""",
        Form.SCRIPT,
    ),
    "W103": Page(
        "The script is empty, or has nothing but comments.",
        "# set(span.status.code, ERROR)",
        "Write a statement; `#` begins a comment.",
        "set(span.status.code, ERROR)  # why",
        Form.SCRIPT,
    ),
}

_NAMES: Final = {
    "E201": Page(
        "The context has no such path. Field names follow the reference: `name`, `attributes`, `status.code`. What an "
        "application sends in addition is an attribute.",
        'set(span.atributes["slow"], true)',
        'Take the nearest name from the hint, or read the attribute: `attributes["key"]`.',
        'set(span.attributes["slow"], true)',
    ),
    "E202": Page(
        "Paths begin with the name of their context, and one statement sees its own context and those around it: a "
        "span event sees its span, scope and resource, a span does not see its events.",
        'set(span.name, "x") where name == "y"',
        "Put the context in front (`span.name`), or move what belongs to another context to a statement of its own.",
        'set(span.name, "x") where span.name == "y"',
    ),
    "E203": Page(
        "Only maps, lists and the trace state take keys. Text, numbers and times have no entries.",
        'set(span.name["x"], 1)',
        "Remove the key, or name the map that holds it.",
        'set(span.attributes["x"], 1)',
    ),
    "E204": Page(
        "No function of this name is known in this context. Names are case-sensitive: editors are snake case "
        "(`replace_pattern`), converters upper camel case (`ToLowerCase`). Some functions exist in one context only.",
        "set(span.name, ToLower(span.name))",
        "Take the nearest name from the hint; `ottl functions` lists all, `ottl functions NAME` shows one.",
        "set(span.name, ToLowerCase(span.name))",
    ),
    "E205": Page(
        "A word in capitals is a symbol of one of the context's enums, and this one is not there.",
        "set(span.status.code, STATUS_CODE_FAILED)",
        "Take the symbol from the hint; a number works too.",
        "set(span.status.code, STATUS_CODE_ERROR)",
    ),
    "E206": Page(
        "The function has no parameter of that name, or it is given twice.",
        "truncate_all(span.attributes, lenght=10)",
        "`ottl functions NAME` shows the parameters.",
        "truncate_all(span.attributes, limit=10)",
    ),
    "E207": Page(
        "The call has more arguments than the function has parameters, or misses one that has no default.",
        "set(span.name)",
        "`ottl functions NAME` shows the signature; a parameter with `?` may be left out.",
        'set(span.name, "checkout")',
    ),
    "E208": Page(
        "A group runs in one context, which is inferred from the paths of all its statements. Here no path names a "
        "context, or the name is none that rules can run in.",
        'set(name, "checkout")',
        "Put the context in front of every path, or name it once: `context:` in a group of the configuration, "
        "`--context` for `-e`.",
        'set(span.name, "checkout")',
    ),
    "E210": Page(
        "Each context has a cache of its own, and a statement reads and writes that of its own context only.",
        'set(span.attributes["a"], resource.cache["a"])',
        "Keep the value in the cache of the statement's own context, or read it from where it was taken.",
        'set(span.attributes["a"], span.cache["a"])',
    ),
    "E211": Page(
        "The action needs something that rows of this context do not have: a span event is not routed "
        "without its span, "
        "and rows without a time of their own have no rate.",
        'route(exporter.failures) where spanevent.name == "exception"',
        "Say by a path, or with `context`, which rows are meant: spans, metrics and records can be routed; "
        "spans, records "
        "and data points have a time.",
        "route(exporter.failures) where span.status.code == STATUS_CODE_ERROR",
        Form.SCRIPT,
    ),
    "E212": Page(
        "`delete` removes a key from a map, or sets a field to its zero value. What can only be read cannot "
        "be deleted, "
        "and a message that rules cannot look into has no zero value.",
        "delete(spanevent.event_index)",
        "Delete what the path is derived from, field by field.",
        'delete(spanevent.attributes["index"])',
        Form.SCRIPT,
    ),
}

_TYPES: Final = {
    "E301": Page(
        "The parameter takes another kind of argument: a path, a list literal, the name of a function, a condition.",
        'set("checkout", span.name)',
        "`ottl functions NAME` shows what each parameter takes; an editor's first one is the path to be changed.",
        'set(span.name, "checkout")',
    ),
    "E302": Page(
        "The parameter takes a literal of another type. Literals are checked when the rule is loaded.",
        'set(span.name, Split("a b", 1))',
        "Write the literal in the type of the signature: numbers without quotes, strings with them.",
        'set(span.name, Split("a b", " "))',
    ),
    "E303": Page(
        "The function refuses this argument whatever the row: a pattern that does not compile, a layout, a negative "
        "limit, an unknown strategy.",
        'replace_pattern(span.name, "(", "")',
        "The message is the function's own. Patterns have RE2's syntax: no look-around, no back-references.",
        'replace_pattern(span.name, "[(]", "")',
    ),
    "E304": Page(
        "Lambdas are behind a gate that is off by default, and only certain parameters take one.",
        'set(span.attributes["x"], (k, v) => v)',
        "Give the lambda to a function that takes one, and switch the gate on: `--feature-gates "
        "ottl.functions.enableLambda`, `lambdas=True` in Python.",
        'set(span.attributes["x"], Keys(span.attributes))',
    ),
    "E305": Page(
        "A function over whole traces evaluates its argument on the spans around the row, once for each of them. A "
        "function with memory would learn from the same span many times, so it cannot stand there.",
        'set(span.attributes["busy"], TraceCount(EWMA(span.attributes["load"]) > 1.0))',
        "Store what the function remembers with a statement of its own, and look at the attribute instead.",
        'set(span.attributes["busy"], TraceCount(span.attributes["average"] > 1.0))',
    ),
    "W301": Page(
        "The path holds another type, so this write fails on every row that reaches it. The rule loads, because the "
        "reference loads it too.",
        'set(span.start_time, "now")',
        "Convert the value first (`Int`, `Time`, `Duration`), or write to a path of its type.",
        "set(span.start_time, Now())",
    ),
    "W302": Page(
        "The path can be read only, so this write fails on every row that reaches it.",
        "set(spanevent.event_index, 1)",
        "Write to another path, an attribute for instance.",
        'set(spanevent.attributes["index"], 1)',
    ),
    "W303": Page(
        "The function takes another type than the argument has, so the call fails on every row that reaches it.",
        "set(span.name, ToLowerCase(span.kind))",
        "Convert the argument (`String`, `Int`...), or take a path of the right type.",
        "set(span.name, ToLowerCase(span.kind.string))",
    ),
    "W304": Page(
        "The path exists in the language, but reading it fails on every row here.",
        'set(spanevent.attributes["index"], spanevent.event_index)',
        "Leave the path out; name and time tell events apart.",
        'set(spanevent.attributes["name"], spanevent.name)',
    ),
}

_CONFIGURATION: Final = {
    "E401": Page(
        "A key of the configuration has a value of another form: a mapping where a list is wanted, a number "
        "where a bool "
        "is.",
        """\
trace_statements:
  set: span.name""",
        "Give the key the form that the message names; statements are a list of strings.",
        """\
trace_statements:
  - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E402": Page(
        "An item of the list is empty: a dash with nothing behind it.",
        """\
trace_statements:
  -""",
        "Remove the dash, or write the statement.",
        """\
trace_statements:
  - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E403": Page(
        "A list has either statements or groups (`context`, `conditions`, `statements`), never both.",
        """\
trace_statements:
  - set(span.name, "checkout")
  - statements:
      - set(span.kind, SPAN_KIND_SERVER)""",
        "Put the single statements into a group of their own.",
        """\
trace_statements:
  - statements:
      - set(span.name, "checkout")
  - statements:
      - set(span.kind, SPAN_KIND_SERVER)""",
        Form.YAML,
    ),
    "E404": Page(
        "The processor has no such key. A misspelled one would otherwise be ignored, and the rule with it.",
        """\
trace_statements:
  - condition: [span.name == "a"]
    statements:
      - set(span.name, "checkout")""",
        "Take the nearest key from the hint.",
        """\
trace_statements:
  - conditions: [span.name == "a"]
    statements:
      - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E405": Page(
        "The key needs a feature gate of the collector that is off here.",
        """\
flatten_data: true
log_statements:
  - set(log.body, "x")""",
        "Leave the key out.",
        """\
log_statements:
  - set(log.body, "x")""",
        Form.YAML,
    ),
    "E406": Page(
        "There is no such context, or it does not occur in this signal.",
        """\
trace_statements:
  - context: spans
    statements:
      - set(name, "checkout")""",
        "Take one of the contexts in the message; left out, the context is inferred.",
        """\
trace_statements:
  - context: span
    statements:
      - set(name, "checkout")""",
        Form.YAML,
    ),
    "E407": Page(
        "The error mode says what happens when a statement fails on a row: `ignore` counts and goes on, "
        "`silent` goes on, "
        "`propagate` gives the payload up.",
        """\
error_mode: skip
trace_statements:
  - set(span.name, "checkout")""",
        "Take one of the three.",
        """\
error_mode: ignore
trace_statements:
  - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E408": Page(
        "Two styles of one processor that cannot go together, such as `trace_conditions` and `traces` of a filter, or "
        "its matchers `include` and `exclude`, which are no OTTL.",
        """\
trace_conditions:
  - span.name == "health"
traces:
  span:
    - name == "ready\"""",
        "Keep one style; `trace_conditions` is the newer one.",
        """\
trace_conditions:
  - span.name == "health"
  - span.name == "ready\"""",
        Form.YAML,
    ),
    "E409": Page(
        "The context does not occur in the signal that was asked for.",
        'ottl.compile(\'set(name, "checkout")\', context="span", signal="logs")',
        "Spans and span events are in traces; metrics, data points and exemplars in metrics; log records in "
        "logs; resource "
        "and scope in all.",
        'ottl.compile(\'set(name, "checkout")\', context="span", signal="traces")',
        Form.PYTHON,
    ),
    "E410": Page(
        "An entry of `scripts:` is one block with one condition, and this action has several.",
        """\
scripts:
  - name: slow
    condition: duration > 3s
    action: |
      set(span.status.code, ERROR)

      set(span.attributes["slow"], true)""",
        "Write one entry a block, or remove the blank line between.",
        """\
scripts:
  - name: slow
    condition: duration > 3s
    action: |
      set(span.status.code, ERROR)
      set(span.attributes["slow"], true)""",
        Form.YAML,
    ),
    "E411": Page(
        "A program with `route` has several outputs, and `run` gives one.",
        "ottl.compile('route(exporter.archive) where span.kind == 2').run(b\"\")",
        "Call `run_routes`, which gives the payload of each route; on the command line `-o` is a directory then.",
        "ottl.compile('route(exporter.archive) where span.kind == 2').run_routes(b\"\")",
        Form.PYTHON,
    ),
    "W401": Page(
        "One text stands where a list is expected. The collector splits it at its commas, and so do we; a "
        "statement has "
        "commas of its own.",
        """\
trace_statements:
  - conditions: IsRootSpan(), span.kind == SPAN_KIND_SERVER
    statements:
      - set(span.name, "checkout")""",
        "Write a list.",
        """\
trace_statements:
  - conditions:
      - IsRootSpan()
      - span.kind == SPAN_KIND_SERVER
    statements:
      - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E450": Page(
        "The file is not YAML. The most frequent cause is a statement that begins with a quote or holds `: ` "
        "or ` #` and "
        "is not quoted as a whole.",
        """\
trace_statements:
  - 'set(span.name, "checkout")""",
        "Put the whole statement between single quotes, or write it as a block (`- >`).",
        """\
trace_statements:
  - 'set(span.name, "checkout")'""",
        Form.YAML,
    ),
    "E451": Page(
        "A mapping has one key twice. YAML readers keep one of the two, and not all the same one.",
        """\
trace_statements:
  - set(span.name, "a")
trace_statements:
  - set(span.name, "b")""",
        "Join the two.",
        """\
trace_statements:
  - set(span.name, "a")
  - set(span.name, "b")""",
        Form.YAML,
    ),
    "E452": Page(
        "The collector would replace `${env:NAME}` when it starts. Here it is not followed, because a rule should not "
        "change with the environment of whoever checks it.",
        """\
trace_statements:
  - set(span.attributes["region"], "${env:REGION}")""",
        "Write the value; `$${env:NAME}` is this very text.",
        """\
trace_statements:
  - set(span.attributes["region"], "eu")""",
        Form.YAML,
    ),
    "E453": Page(
        "The file is neither the configuration of a transform or filter processor nor a collector's configuration with "
        "one.",
        """\
statements:
  - set(span.name, "checkout")""",
        "Name the list after its signal (`trace_statements`, `log_statements`...), or put it below `transform:`.",
        """\
trace_statements:
  - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E454": Page(
        "A pipeline, or `--processor`, names an OTTL processor that is not defined.",
        """\
processors:
  transform/names:
    trace_statements:
      - set(span.name, "checkout")
service:
  pipelines:
    traces:
      processors: [transform/name]""",
        "Use the name as it stands below `processors:`.",
        """\
processors:
  transform/names:
    trace_statements:
      - set(span.name, "checkout")
service:
  pipelines:
    traces:
      processors: [transform/names]""",
        Form.YAML,
    ),
    "E455": Page(
        "A part of the file has another shape than a configuration has there.",
        """\
- set(span.name, "checkout")""",
        "The root is a mapping: statements stand in a list below a key such as `trace_statements`.",
        """\
trace_statements:
  - set(span.name, "checkout")""",
        Form.YAML,
    ),
    "E456": Page(
        "Several pipelines of one signal run different processors. A file of telemetry does not say which pipeline it "
        "came through.",
        """\
processors:
  transform/a:
    trace_statements: ['set(span.name, "a")']
  transform/b:
    trace_statements: ['set(span.name, "b")']
service:
  pipelines:
    traces/a: {processors: [transform/a]}
    traces/b: {processors: [transform/b]}""",
        "Name the processors to run: `--processor transform/a`.",
        """\
processors:
  transform/a:
    trace_statements: ['set(span.name, "a")']
service:
  pipelines:
    traces/a: {processors: [transform/a]}""",
        Form.YAML,
    ),
}

_EXECUTION: Final = {
    "E901": Page(
        "The columns executor was asked for, and this group cannot run in it: rows of the group see each "
        "other, so that "
        "the order of rows decides. The message has the reason.",
        'set(resource.attributes["last"], span.name)\nset(span.attributes["last"], resource.attributes["last"])',
        "Leave the stack at `auto`; the group then runs row by row. `ottl explain` shows the choice for each group.",
        'set(resource.attributes["last"], span.name)',
        options=("--stack", "fast"),
    ),
    "E902": Page(
        "A group with a function over whole traces runs statement by statement over all rows. A shared cache would "
        "need it row by row, so the two exclude each other.",
        """\
trace_statements:
  - shared_cache: true
    statements:
      - set(span.attributes["spans"], TraceCount())""",
        "Leave the cache unshared, and keep what later rows need in an attribute.",
        """\
trace_statements:
  - statements:
      - set(span.attributes["spans"], TraceCount())""",
        Form.YAML,
    ),
}

PAGES: Final[Mapping[str, Page]] = MappingProxyType(
    {**_TEXT, **_NAMES, **_TYPES, **_CONFIGURATION, **_EXECUTION},
)
"""The pages by code."""


_NAME, _HEAD, _RESET = "\x1b[36m", "\x1b[1m", "\x1b[0m"


def render(code: str, color: bool = False, width: int = 100) -> str:
    """The page of a code as text for people.

    Args:
        code: one that has a page.
        color: whether to use ANSI colours.
        width: of the lines, in characters.
    """

    def paint(text: str, style: str) -> str:
        return f"{style}{text}{_RESET}" if color else text

    page = PAGES[code]
    severity = "warning" if code.startswith("W") else "error"
    call = f"  (ottl check {' '.join(page.options)})" if page.options else ""
    return "\n".join(
        [
            f"{paint(f'{severity}[{code}]', _NAME)}: {paint(CODES[code], _HEAD)}",
            "",
            *textwrap.wrap(page.meaning, width),
            "",
            paint("Causes it", _HEAD) + call,
            textwrap.indent(page.wrong, "  "),
            "",
            *textwrap.wrap(page.mend, width),
            "",
            paint("Repaired", _HEAD),
            textwrap.indent(page.right, "  "),
        ]
    )

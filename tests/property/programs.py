"""Random configurations of transform and filter, for the tests that hold the two stacks together.

Expressions are drawn by type: paths from `CONTEXTS`, calls from the declarations of `FUNCTIONS`, literals, arithmetic.
Most statements bind and do something; a share is ill-typed on purpose. What is drawn is a tree of texts (`Piece`), by
which a disagreement is made smaller.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ottl.contexts import CONTEXTS
from ottl.contexts.paths import Access, PathSpec, View
from ottl.functions import Form, Function, Parameter
from ottl.stdlib import FUNCTIONS
from ottl.types import Kind
from tests.property import payloads

T = TypeVar("T")
_WORDS = re.compile("[A-Za-z]\\w*")
SIGNAL_CONTEXTS: dict[str, tuple[tuple[str, int], ...]] = {
    "traces": (("span", 6), ("spanevent", 3), ("resource", 1), ("scope", 1)),
    "metrics": (("datapoint", 6), ("metric", 4), ("exemplar", 2), ("resource", 1), ("scope", 1)),
    "logs": (("log", 7), ("resource", 1), ("scope", 1)),
    "profiles": (("profile", 1), ("resource", 1), ("scope", 1)),
}
LISTS = {
    "traces": "trace_statements",
    "metrics": "metric_statements",
    "logs": "log_statements",
    "profiles": "profile_statements",
}
CONDITION_LISTS = {
    "traces": "trace_conditions",
    "metrics": "metric_conditions",
    "logs": "log_conditions",
    "profiles": "profile_conditions",
}
_RARE = frozenset(
    {
        View.OPAQUE,
        View.INTS,
        View.DOUBLES,
        View.TIMES,
        View.METRIC_POINTS,
        View.DICTIONARY_MAP,
        View.TRACE_STATE,
        View.UNAVAILABLE,
    }
)
"""Views that keep a group from columns: drawn less often."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a rule's text.

    Args:
        parts: texts and parts, in order.
        kind: `value`, `condition`, or `text` for what cannot be replaced.
        simple: a literal that may stand in its place.
    """

    parts: tuple[str | Piece, ...]
    kind: str = "text"
    simple: str = ""

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    def smaller(self) -> Iterator[Piece]:
        """The piece with one part made simpler: the simplest first."""
        if self.simple and self.parts != (self.simple,):
            yield Piece((self.simple,), self.kind)
        for part in self.parts:
            if isinstance(part, Piece):
                if part.kind == self.kind and self.kind != "text":
                    yield part
                for n, other in enumerate(self.parts):
                    if other is part:
                        for small in part.smaller():
                            yield replace(self, parts=(*self.parts[:n], small, *self.parts[n + 1 :]))


def text(*parts: str | Piece) -> Piece:
    """A part that nothing replaces."""
    return Piece(parts)


def value(simple: str, *parts: str | Piece) -> Piece:
    """A part with a value, and a literal of its type."""
    return Piece(parts, "value", simple)


def condition(*parts: str | Piece) -> Piece:
    """A part that is a condition."""
    return Piece(parts, "condition", "true")


@dataclass(frozen=True, slots=True)
class Statement:
    """An editor's call with its condition."""

    action: Piece
    where: Piece | None = None

    def __str__(self) -> str:
        return f"{self.action} where {self.where}" if self.where is not None else str(self.action)

    def smaller(self) -> Iterator[Statement]:
        """Simpler statements."""
        if self.where is not None:
            yield Statement(self.action)
            yield from (Statement(self.action, where) for where in self.where.smaller())
        yield from (Statement(action, self.where) for action in self.action.smaller())


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a transform, or an item of a filter, whose statements are then empty."""

    statements: tuple[Statement, ...]
    conditions: tuple[Piece, ...] = ()
    context: str | None = None
    error_mode: str | None = None
    shared_cache: bool = False

    def config(self, filtering: bool) -> dict[str, Any]:
        """As it stands in a configuration."""
        found: dict[str, Any] = {"conditions": [str(c) for c in self.conditions]} if self.conditions else {}
        if not filtering:
            found["statements"] = [str(s) for s in self.statements]
        if self.context:
            found["context"] = self.context
        if self.error_mode:
            found["error_mode"] = self.error_mode
        if self.shared_cache:
            found["shared_cache"] = True
        return found

    def smaller(self) -> Iterator[Group]:
        """Simpler groups."""
        for statements in _fewer(self.statements):
            yield replace(self, statements=statements)
        for conditions in _fewer(self.conditions):
            yield replace(self, conditions=conditions)
        if self.error_mode:
            yield replace(self, error_mode=None)
        for n, statement in enumerate(self.statements):
            for simpler in statement.smaller():
                yield replace(self, statements=(*self.statements[:n], simpler, *self.statements[n + 1 :]))
        for n, one in enumerate(self.conditions):
            for small in one.smaller():
                yield replace(self, conditions=(*self.conditions[:n], small, *self.conditions[n + 1 :]))


def _fewer(members: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for n in range(len(members)):
        yield (*members[:n], *members[n + 1 :])


@dataclass(frozen=True, slots=True)
class Program:
    """A configuration of one signal.

    Args:
        signal: the signal.
        groups: its groups.
        filtering: a filter's configuration.
        style: `groups`; `flat`, one list of texts; for filters also `old`, by level.
    """

    signal: str
    groups: tuple[Group, ...]
    filtering: bool = False
    style: str = "groups"

    def functions(self) -> set[str]:
        """The functions that its texts name."""
        texts = [str(t) for g in self.groups for t in (*g.statements, *g.conditions)]
        return {word for text in texts for word in _WORDS.findall(text)} & set(FUNCTIONS)

    def config(self) -> dict[str, Any]:
        """The configuration."""
        name = CONDITION_LISTS[self.signal] if self.filtering else LISTS[self.signal]
        if self.style == "groups" or not self.groups:
            return {name: [g.config(self.filtering) for g in self.groups]}
        mode = {"error_mode": self.groups[0].error_mode} if self.groups[0].error_mode else {}
        if self.style == "flat":
            return mode | {
                name: [str(t) for g in self.groups for t in (g.conditions if self.filtering else g.statements)]
            }
        levels: dict[str, list[str]] = {}
        for group in self.groups:
            key = "log_record" if group.context == "log" else str(group.context)
            levels.setdefault(key, []).extend(map(str, group.conditions))
        return mode | {self.signal: levels}

    def smaller(self) -> Iterator[Program]:
        """Simpler programs."""
        for groups in _fewer(self.groups):
            yield replace(self, groups=groups)
        for n, group in enumerate(self.groups):
            for small in group.smaller():
                yield replace(self, groups=(*self.groups[:n], small, *self.groups[n + 1 :]))


# -- literals -------------------------------------------------------------------------------------------------------


def quoted(string: str) -> str:
    """A string literal."""
    escaped = string.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


_TEXTS = tuple(
    b.decode()
    for b in (*payloads.STRINGS, *payloads.NAMES)
    if b"\xff" not in b and b"\xe6\x97" not in b[-2:] and b != b"\0"
)
_REGEXES = (
    "a",
    "^G",
    "(?i)post",
    "[0-9]+",
    "(\\w+)@(\\w+)",
    "^/api/(?P<version>v\\d+)/(?P<what>\\w+)",
    "user=(?P<user>\\w+)",
    "^$",
    "",
    ".*",
    "^(s|i)",
    "\\.",
    "é",
    "l2?$",
    "password=\\S+",
)
_BAD_REGEXES = ("(", "[a", "(?P<1>x)")
_GLOBS = ("*", "a*", "*o*", "GET", "/api/*/users/*", "{GET,post}", "?", "[a-z]*", "", "user=*")
_REPLACEMENTS = ("", "X", "$1", "${1}-${2}", "$$", "$user", "é", "***", "$version/$9")
_LAYOUTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%H:%M:%S.%f", "%d/%b/%Y %z", "%A %j", "%s", "%")
_DURATIONS = ("1h30m", "0s", "-5ms", "100us", "3s", "1.5h", "bad")
_GROK = (
    "%{IP:client} %{WORD:method} %{URIPATHPARAM:request} %{NUMBER:bytes:int}",
    "%{WORD:w}",
    "%{GREEDYDATA}",
    "%{NUMBER:n:double}",
)
_FORMATS = ("%s", "%d-%v", "%5.2f|%x", "%q %t", "%%", "%v", "plain")

_ARGUMENTS: dict[tuple[str, str], Sequence[str]] = {
    ("EWMA", "alpha"): ("0.5", "0.25", "1", "0.9"),
    ("IsAnomaly", "hold"): ("0", "1", "3"),
    ("IsAnomaly", "method"): ('"zscore"', '"bad"'),
    ("IsAnomaly", "threshold"): ("0.5", "1", "1.5"),
    ("IsAnomaly", "window"): ("2", "3", "5"),
    ("StdDev", "window"): ("2", "3", "5"),
    ("ZScore", "window"): ("2", "3", "5"),
    ("CausallyPrecedes", "a"): ("span.parent_span_id", "span.span_id.string", "Parent(span.span_id)", '"x"'),
    ("CausallyPrecedes", "b"): ("span.span_id", "span.span_id.string", "nil", 'span.attributes["s"]'),
    ("EarliestError", "limit"): ("1", "2", "100"),
    ("EarliestError", "window"): ('"1ns"', '"5s"', '"1000h"', '"bad"'),
    ("IsOnCriticalPath", "method"): ('"crisp"', '"longest"', '"bad"'),
    ("RootCauses", "n"): ("1", "2", "5"),
    ("RootCauses", "by"): ('"service"', '"bad"'),
    ("RootCauses", "method"): ('"score"', '"bad"'),
    ("limit", "limit"): ("4", "5", "2", "0", "-1"),
    ("limit", "priority_keys"): ("[]", "[]", '["s"]', '["i", "m"]', '["s", "i", "d", "b"]'),
    ("truncate_all", "limit"): ("0", "1", "3", "7", "100", "-1"),
    ("truncate_all", "truncation_marker"): ('"..."', '""', '"é"'),
    ("merge_maps", "strategy"): ('"insert"', '"update"', '"upsert"', '"bad"'),
    ("flatten", "prefix"): ('"p"', '""', '"a.b"'),
    ("flatten", "depth"): ("0", "1", "2", "5", "-1"),
    ("replace_all_patterns", "mode"): ('"key"', '"value"', '"bad"'),
    ("Base64Encode", "variant"): ('"base64"', '"base64-raw"', '"base64-url"', '"base64-raw-url"', '"bad"'),
    ("Decode", "encoding"): (
        '"base64"',
        '"base64-raw"',
        '"base64-url"',
        '"us-ascii"',
        '"utf-8"',
        '"latin1"',
        '"gbk"',
        '"bad"',
    ),
    ("Format", "format"): tuple(map(quoted, _FORMATS)),
    ("ExtractGrokPatterns", "pattern"): tuple(map(quoted, _GROK)),
    ("ExtractGrokPatterns", "pattern_definitions"): ("[]", '["MINE=%{WORD}"]'),
    ("ParseKeyValue", "delimiter"): ('"="', '":"', '"k"'),
    ("ParseKeyValue", "pair_delimiter"): ('" "', '","', '"bad"'),
    ("Split", "delimiter"): ('","', '"a"', '""', '" "'),
    ("Concat", "delimiter"): ('""', '"-"', '", "', '"é"'),
    ("Trim", "replacement"): ('" "', '"a"', '"é/"', '""'),
    ("Time", "format"): tuple(map(quoted, _LAYOUTS)),
    ("Time", "location"): ('"UTC"', '"America/New_York"', '"Asia/Tokyo"', '""', '"Nowhere/Land"'),
    ("Time", "locale"): ('"en-US"', '"de-DE"', '"bad"'),
    ("FormatTime", "format"): tuple(map(quoted, _LAYOUTS)),
    ("Duration", "duration"): tuple(map(quoted, _DURATIONS)),
    ("Substring", "start"): ("0", "1", "2", "-1", "50"),
    ("Substring", "length"): ("0", "1", "3", "-1", "100"),
    ("delete_index", "start_index"): ("0", "0", "1", "-1", "5"),
    ("delete_index", "end_index"): ("1", "2", "0", "9"),
    ("replace_pattern", "replacement_format"): ('"%s"', '"<%s>"', '"%d"', '"none"'),
    ("replace_match", "replacement_format"): ('"%s"', '"<%s>"', '"%d"', '"none"'),
    ("replace_all_patterns", "replacement_format"): ('"%s"', '"<%s>"', '"%d"', '"none"'),
    ("replace_all_matches", "replacement_format"): ('"%s"', '"<%s>"', '"%d"', '"none"'),
}
_COMPILED = {"compile_regex": _REGEXES, "compile_glob": _GLOBS}
_LITERALS: dict[Kind, Sequence[str]] = {
    Kind.STRING: tuple(map(quoted, _TEXTS)),
    Kind.INT: (
        *map(str, (0, 1, 2, 3, 5, 42, 100, -1, -7, 404, 1 << 31, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63) + 1)),
    ),
    Kind.DOUBLE: ("0.0", "1.0", "1.5", "-2.25", "42.0", "3.0e2", "0.000001", ".5"),
    Kind.BOOL: ("true", "false"),
    Kind.BYTES: ("0x00ff", "0x61", "0x0102030405060708", "0x0102030405060708090a0b0c0d0e0f10"),
    Kind.NIL: ("nil",),
    Kind.MAP: ("{}", '{"a": 1}', '{"s": "x", "m": {"i": 2.5}, "l": [1, "b", nil]}', '{"k": true, "s": "é"}'),
    Kind.LIST: ("[]", "[1, 2, 3]", '["a", "b"]', '[1, "x", nil, 2.5]', "[[1], {}]", "[true]", "[1.5, -0.5]"),
    Kind.TRACE_ID: ("TraceID(0x0102030405060708090a0b0c0d0e0f10)", 'TraceID("0123456789abcdef0123456789abcdef")'),
    Kind.SPAN_ID: ("SpanID(0x0102030405060708)", 'SpanID("0123456789abcdef")'),
    Kind.TIME: ("Unix(1683356889, 123456789)", "Unix(0)", 'Time("2024-02-29", "%Y-%m-%d")', "Now()"),
    Kind.DURATION: tuple(f"Duration({quoted(d)})" for d in _DURATIONS[:-1]),
}
FILTERS = 0.12
"""Share of filter configurations."""

_KINDS = (Kind.STRING, Kind.STRING, Kind.INT, Kind.INT, Kind.DOUBLE, Kind.BOOL, Kind.BYTES, Kind.MAP, Kind.LIST)
_ODD_KINDS = (Kind.NIL, Kind.TIME, Kind.DURATION, Kind.TRACE_ID, Kind.SPAN_ID)
_KEY_KINDS = {
    Kind.STRING: "string",
    Kind.INT: "int",
    Kind.DOUBLE: "double",
    Kind.BOOL: "bool",
    Kind.BYTES: "bytes",
    Kind.MAP: "map",
    Kind.LIST: "list",
}


@functools.cache
def _paths(context: str) -> dict[Kind, tuple[tuple[str, PathSpec], ...]]:
    """The paths of a context by kind of what they give, those of inner levels several times."""
    found: dict[Kind, list[tuple[str, PathSpec]]] = {}
    known = CONTEXTS[context]
    for prefix in known.prefixes:
        weight = 6 if prefix == context else 1 if prefix in ("otelcol", "instrumentation_scope") else 2
        for name, spec in known.levels[prefix].items():
            times = 1 if spec.view in _RARE else weight
            found.setdefault(spec.kind, []).extend([(f"{prefix}.{name}", spec)] * times)
    return {kind: tuple(specs) for kind, specs in found.items()}


@functools.cache
def _targets(context: str) -> tuple[tuple[str, PathSpec], ...]:
    """The paths that an editor may be given, the context's own several times."""
    known = CONTEXTS[context]
    found: list[tuple[str, PathSpec]] = []
    for prefix in known.prefixes:
        for name, spec in known.levels[prefix].items():
            times = 12 if prefix == context else 3
            if prefix == "otelcol" or spec.access is Access.READ_ONLY or spec.view in _RARE:
                times = 1
            elif spec.view in (View.MAP, View.VALUE) and prefix == context:
                times = 40
            found.extend([(f"{prefix}.{name}", spec)] * times)
    return tuple(found)


@functools.cache
def _converters(context: str) -> dict[Kind, tuple[Function, ...]]:
    """The converters of a context by kind of their result."""
    found: dict[Kind, list[Function]] = {}
    for function in FUNCTIONS.values():
        if not function.editor and (not function.contexts or context in function.contexts):
            found.setdefault(function.result, []).append(function)
    return {kind: tuple(functions) for kind, functions in found.items()}


_EDITORS = tuple(f for f in FUNCTIONS.values() if f.editor)


class Writer:
    """Draws the texts of one group.

    Args:
        draw: the source of chance.
        context: the context of the group.
        wild: how often something ill-typed is drawn.
    """

    def __init__(self, draw: random.Random, context: str, wild: float = 0.04) -> None:
        self.draw = draw
        self.context = context
        self.wild = wild

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, kind: Kind, depth: int) -> Piece:
        """An expression that mostly gives a value of a kind."""
        draw = self.draw
        if kind is Kind.ANY or draw.random() < self.wild:
            kind = draw.choice(_KINDS) if draw.random() < 0.9 else draw.choice(_ODD_KINDS)
        chance = draw.random()
        if chance < 0.30:
            return self.literal(kind, depth)
        if chance < 0.52:
            return self.path(kind)
        if chance < 0.74 or depth <= 0:
            return self.keyed(kind, depth)
        if chance < 0.93:
            return self.call(kind, depth)
        if kind in (Kind.INT, Kind.DOUBLE, Kind.TIME, Kind.DURATION) or chance > 0.99:
            return self.arithmetic(kind, depth)
        return self.call(kind, depth)

    def simple(self, kind: Kind) -> str:
        """A literal of a kind."""
        return _LITERALS.get(kind, ("nil",))[0]

    def literal(self, kind: Kind, depth: int) -> Piece:
        """A literal; of lists and maps sometimes one whose parts rows decide."""
        draw = self.draw
        if kind is Kind.INT and draw.random() < 0.15 and CONTEXTS[self.context].enums:
            return value("0", draw.choice(tuple(CONTEXTS[self.context].enums)))
        if kind in (Kind.LIST, Kind.MAP) and depth > 0 and draw.random() < 0.4:
            element = draw.choice(_KINDS)
            items: list[str | Piece] = []
            for n in range(draw.randrange(4)):
                if items:
                    items.append(", ")
                if kind is Kind.MAP:
                    items.append(quoted(("k", "s", "m")[n]) + ": ")
                items.append(self.value(element, depth - 1))
            left, right = "[]" if kind is Kind.LIST else "{}"
            return value(self.simple(kind), left, *items, right)
        return value(self.simple(kind), draw.choice(_LITERALS.get(kind, ("nil",))))

    def path(self, kind: Kind) -> Piece:
        """A path of a kind, without keys."""
        specs = _paths(self.context).get(kind)
        if not specs:
            return self.keyed(kind, 0)
        name, spec = self.draw.choice(specs)
        if spec.view is View.CACHE:
            return self.keyed(kind, 0)
        return value(self.simple(kind), name)

    def key(self, kind: Kind, depth: int) -> Piece:
        """A key of attributes whose values mostly are of a kind."""
        draw = self.draw
        if depth > 0 and draw.random() < 0.08:
            return self.value(draw.choice((Kind.STRING, Kind.STRING, Kind.INT, Kind.ANY)), 0)
        if draw.random() < 0.08:
            return text(draw.choice(('"missing"', '"zz"', "0", '"http"')))
        names = payloads.KEYS[_KEY_KINDS.get(kind, "any")] if draw.random() < 0.9 else payloads.KEYS["any"]
        return text(quoted(draw.choice(names)))

    def map_path(self, own: bool = False, write: bool = False) -> str:
        """A path of a map or of another thing with keys."""
        draw = self.draw
        specs = _paths(self.context).get(Kind.MAP, ())
        if write and draw.random() < 0.98:
            specs = tuple(s for s in specs if s[1].access is Access.READ_WRITE) or specs
        if own:
            specs = tuple(s for s in specs if s[0].startswith(self.context + ".")) or specs
        if self.context == "log" and draw.random() < 0.12:
            return "log.body"
        if self.context == "span" and draw.random() < 0.01:
            return "span.trace_state"
        name, spec = draw.choice(specs)
        if spec.view is View.CACHE and draw.random() < (0.97 if own else 0.5):
            others = [s for s in specs if s[1].view is not View.CACHE]
            return draw.choice(others)[0] if others else name
        return name

    def keyed(self, kind: Kind, depth: int) -> Piece:
        """A path with keys."""
        draw = self.draw
        name = self.map_path()
        chance = draw.random()
        if name.endswith("cache"):
            return value(self.simple(kind), name, "[", text(quoted(draw.choice(("c", "c2")))), "]")
        if chance < 0.85:
            return value(self.simple(kind), name, "[", self.key(kind, depth), "]")
        if chance < 0.93:
            inner = self.key(kind, depth)
            return value(self.simple(kind), name, "[", self.key(Kind.MAP, depth), "][", inner, "]")
        if chance < 0.98:
            return value(
                self.simple(kind), name, "[", self.key(Kind.LIST, depth), f"][{draw.choice((0, 1, 2, 9, -1))}]"
            )
        return value(self.simple(kind), name, '["m"]["l"][0]')

    def call(self, kind: Kind, depth: int) -> Piece:
        """A converter with a result of a kind."""
        draw = self.draw
        known = _converters(self.context)
        functions = known.get(kind, ())
        chance = draw.random()
        if not functions or chance < 0.1:
            functions = known.get(Kind.ANY, functions)
        if chance > 0.995:
            functions = sum(known.values(), ())
        if not functions:
            return self.literal(kind, depth)
        function = draw.choice(functions)
        made = text(function.name, "(", *self.arguments(function, depth - 1), ")")
        if function.result in (Kind.MAP, Kind.LIST) and draw.random() < 0.1:
            return value(self.simple(kind), made, draw.choice(("[0]", '["a"]', '["user"]', "[1]")))
        return value(self.simple(kind), made)

    def arithmetic(self, kind: Kind, depth: int) -> Piece:
        """Two operands and what is between."""
        draw = self.draw
        symbol = draw.choice("+-*/")
        left, right = kind, kind
        if kind is Kind.TIME:
            left, right, symbol = Kind.TIME, Kind.DURATION, draw.choice("+-")
        elif kind is Kind.DURATION:
            left, right, symbol = draw.choice(
                ((Kind.TIME, Kind.TIME, "-"), (Kind.DURATION, Kind.DURATION, "+"), (Kind.DURATION, Kind.DURATION, "-"))
            )
        elif kind is Kind.DOUBLE:
            left, right = draw.choice(((kind, kind), (Kind.INT, kind), (kind, Kind.INT)))
        sign = "-" if draw.random() < 0.1 else ""
        parts = (f"{sign}(", self.operand(left, depth - 1), f" {symbol} ", self.operand(right, depth - 1), ")")
        return value(self.simple(kind), *parts)

    def operand(self, kind: Kind, depth: int) -> Piece:
        """An operand of arithmetic, which is no literal but of a number."""
        draw = self.draw
        if kind in (Kind.INT, Kind.DOUBLE) and draw.random() < 0.3:
            return value("0", draw.choice(_LITERALS[kind]).lstrip("-"))
        if draw.random() < 0.3 and depth > 0:
            return self.call(kind, depth)
        if kind in (Kind.TIME, Kind.DURATION):
            return self.path(kind) if kind is Kind.TIME else self.call(kind, 1)
        return self.keyed(kind, depth) if draw.random() < 0.6 else self.path(kind)

    # -- calls --------------------------------------------------------------------------------------------------------

    def arguments(self, function: Function, depth: int) -> list[str | Piece]:
        """Arguments for the parameters that a rule can write."""
        draw = self.draw
        parts: list[str | Piece] = []
        named = False
        for parameter in function.visible:
            needed = parameter.required or (function.name == "append" and parameter.name == "values" and named)
            if not needed and draw.random() < 0.6:
                named = True
                continue
            if parts:
                parts.append(", ")
            if named or draw.random() < 0.03:
                named = True
                parts.append(f"{parameter.name}=")
            parts.append(self.argument(function, parameter, depth))
        return parts

    def argument(self, function: Function, parameter: Parameter, depth: int) -> Piece:
        """An argument for a parameter."""
        draw = self.draw
        known = _ARGUMENTS.get((function.name, parameter.name))
        if known is not None and (parameter.form is Form.CONSTANT or draw.random() < 0.85):
            choices = known[:-1] if known[-1] in ('"bad"', "-1") and draw.random() < 0.98 else known
            return text(draw.choice(choices))
        if parameter.compile is not None:
            texts = _COMPILED.get(getattr(parameter.compile, "__name__", ""))
            if function.name.startswith("replace"):
                texts = tuple(t for t in texts or () if t)  # between all letters it would double a text on each row
            if texts and draw.random() < 0.93:
                return text(quoted(draw.choice(texts) if draw.random() < 0.995 else draw.choice(_BAD_REGEXES)))
        if parameter.name == "replacement" and draw.random() < 0.9:
            return text(quoted(draw.choice(_REPLACEMENTS)))
        match parameter.form:
            case Form.CONSTANT:
                return self.constant(parameter)
            case Form.LIST | Form.TUPLE:
                return self.elements(parameter, depth)
            case Form.FUNCTION:
                name = draw.choice(
                    ("SHA256", "MD5", "ToUpperCase", "ToLowerCase", "Hex", "Trim", "FNV", "Len", "ParseJSON")
                )
                return text(name)
            case Form.TARGET | Form.MAP_TARGET | Form.LIST_TARGET:
                return self.target(parameter)
            case Form.CONDITION:
                return self.condition(max(depth - 1, 0))
            case Form.KEY if draw.random() < 0.3:
                return text("[", self.value(Kind.ANY, 0), ", ", self.value(Kind.STRING, 0), "]")
        return self.value(parameter.kind, depth)

    def constant(self, parameter: Parameter) -> Piece:
        """A literal for a parameter that takes nothing else."""
        if parameter.constant_list:
            return text("[", quoted(self.draw.choice(_TEXTS)), "]")
        return text(self.draw.choice(_LITERALS.get(parameter.kind, ("nil",))))

    def elements(self, parameter: Parameter, depth: int) -> Piece:
        """A list for a parameter that takes one."""
        draw = self.draw
        if parameter.form is Form.LIST and draw.random() < 0.1:
            return self.value(Kind.LIST, depth)
        kind = parameter.kind if not parameter.like or draw.random() < 0.5 else Kind.ANY
        items: list[str | Piece] = []
        for _ in range(draw.choice((0 if parameter.form is Form.LIST else 1, 1, 2, 2, 3))):
            if items:
                items.append(", ")
            if parameter.name == "keys" and draw.random() < 0.9:
                items.append(self.key(draw.choice(_KINDS), 0))
            else:
                items.append(self.value(kind, depth))
        return value("[]", "[", *items, "]")

    # -- conditions ---------------------------------------------------------------------------------------------------

    def condition(self, depth: int) -> Piece:
        """A condition."""
        draw = self.draw
        chance = draw.random()
        if depth > 0 and chance < 0.30:
            word = draw.choice((" and ", " or "))
            return condition("(", self.condition(depth - 1), word, self.condition(depth - 1), ")")
        if depth > 0 and chance < 0.36:
            return condition("not (", self.condition(depth - 1), ")")
        if chance < 0.40:
            return condition(draw.choice(("true", "false", "not true", "1 == 1", "1 > 2.5", '"a" < "b"')))
        if chance < 0.55:
            return condition(self.call(Kind.BOOL, depth))
        return self.comparison(depth)

    def comparison(self, depth: int) -> Piece:
        """A comparison."""
        draw = self.draw
        kind = draw.choice(_KINDS) if draw.random() < 0.85 else draw.choice(_ODD_KINDS)
        symbol = draw.choice(("==", "!=", "==", "!=", "<", "<=", ">", ">="))
        left = self.path(kind) if draw.random() < 0.3 else self.value(kind, depth)
        chance = draw.random()
        if chance < 0.15:
            right = text("nil")
        elif chance < 0.25:
            right = self.value(Kind.ANY, depth)
        elif chance < 0.35 and kind is Kind.INT:
            right = self.value(Kind.DOUBLE, depth)
        elif chance < 0.75:
            right = self.literal(kind, 0)
        else:
            right = self.value(kind, depth)
        if draw.random() < 0.1:
            left, right = right, left
        return condition(left, f" {symbol} ", right)

    # -- statements ---------------------------------------------------------------------------------------------------

    def target(self, parameter: Parameter) -> Piece:
        """A path for an editor to change."""
        draw = self.draw
        if parameter.form is Form.MAP_TARGET:
            name = self.map_path(own=draw.random() < 0.75, write=True)
            if draw.random() < 0.2:
                return text(name, "[", self.key(Kind.MAP, 0), "]")
            return text(name)
        if parameter.form is Form.LIST_TARGET:
            return text(self.map_path(own=draw.random() < 0.8, write=True), "[", self.key(Kind.LIST, 0), "]")
        return self.place()[0]

    def place(self) -> tuple[Piece, Kind]:
        """A path for an editor of values, and the kind it takes."""
        draw = self.draw
        name, spec = draw.choice(_targets(self.context))
        kind = spec.kind
        if not spec.keyed:
            return text(name), kind
        if spec.view is View.CACHE:
            if draw.random() < 0.96:
                return text(name, draw.choice(('["c"]', '["c"]', '["c2"]'))), Kind.ANY
            return text(name), kind
        chance = draw.random()
        if spec.view is View.VALUE and chance < 0.6:
            return text(name), Kind.ANY
        if chance < 0.12:
            return text(name), kind
        kind = draw.choice(_KINDS)
        if chance < 0.85:
            return text(name, "[", self.key(kind, 1), "]"), kind
        if chance < 0.93:
            return text(name, "[", self.key(Kind.MAP, 0), "][", self.key(kind, 0), "]"), kind
        if chance < 0.98:
            return text(name, "[", self.key(Kind.LIST, 0), f"][{draw.choice((0, 1, 5, -1))}]"), kind
        return text(name, '["m"]["n"]["o"]'), kind

    def statement(self, depth: int) -> Statement:
        """A statement."""
        draw = self.draw
        if draw.random() < 0.4:
            place, kind = self.place()
            if draw.random() < 0.06:
                kind = Kind.NIL
            action = text("set(", place, ", ", self.value(kind, depth), ")")
        else:
            editor = draw.choice(_EDITORS)
            action = text(editor.name, "(", *self.arguments(editor, depth), ")")
        return Statement(action, self.condition(depth) if draw.random() < 0.55 else None)


def _weighted(draw: random.Random, choices: tuple[tuple[str, int], ...]) -> str:
    return draw.choices([name for name, _ in choices], [weight for _, weight in choices])[0]


def random_group(signal: str, draw: random.Random, filtering: bool) -> Group:
    """A group, or an item of a filter."""
    contexts = tuple(c for c in SIGNAL_CONTEXTS[signal] if not filtering or c[0] != "exemplar")
    writer = Writer(draw, _weighted(draw, contexts), draw.choice((0.0, 0.02, 0.1)))
    depth = draw.choice((1, 1, 2, 2, 3))
    chance = draw.random()
    mode = "propagate" if chance < 0.08 else "silent" if chance < 0.14 else None
    statements: tuple[Statement, ...] = ()
    conditions: tuple[Piece, ...] = ()
    if filtering:
        conditions = tuple(writer.condition(depth) for _ in range(draw.choice((1, 1, 2, 3))))
    else:
        statements = tuple(writer.statement(depth) for _ in range(draw.choice((1, 1, 2, 2, 3, 4))))
        if draw.random() < 0.2:
            conditions = tuple(writer.condition(depth) for _ in range(draw.choice((1, 1, 2))))
    context = writer.context if filtering or draw.random() < 0.7 else None
    shared = not filtering and draw.random() < 0.02
    return Group(statements, conditions, context, mode, shared)


def random_program(signal: str, draw: random.Random) -> Program:
    """A configuration; one in eight is a filter's. Not all of them can be loaded."""
    filtering = draw.random() < FILTERS
    count = draw.choice((1, 1, 1, 2, 3))
    groups = tuple(random_group(signal, draw, filtering) for _ in range(count))
    chance = draw.random()
    style = "groups"
    if filtering:
        style = "old" if chance < 0.3 else "flat" if chance < 0.5 else style
    elif count == 1 and not groups[0].conditions and not groups[0].shared_cache and chance < 0.3:
        style = "flat"
    return Program(signal, groups, filtering, style)

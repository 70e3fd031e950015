"""Binding: syntax trees to typed trees, with every mistake reported at once.

Looks up contexts, paths, enums and functions, matches arguments with parameters, checks literals as the reference does
when it loads a rule (an error), and flags what the reference loads but fails on rows (a warning). Context inference is
here too, because it needs the same names.

A binder belongs to one context; `infer_context` chooses it.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from ottl import ast, contexts, typed, types
from ottl.contexts.identity import IDENTITY
from ottl.contexts.paths import Access, Context, PathSpec, View
from ottl.errors import Diagnostic, Severity, register_codes
from ottl.functions import Form, Function, FunctionSet, Parameter
from ottl.recursion import bounded
from ottl.source import NOWHERE, Source, SourceRange
from ottl.typed import (
    And,
    Arithmetic,
    Compare,
    ConditionText,
    Constant,
    Elements,
    Expression,
    FirstNonNil,
    FunctionReference,
    Index,
    Invoke,
    Load,
    MakeList,
    MakeMap,
    Negate,
    Not,
    Operand,
    Or,
    Place,
    Statement,
    Truth,
)
from ottl.types import Bytes, Kind, Value

register_codes(
    {
        "E201": "unknown path",
        "E202": "missing or wrong context in front of a path",
        "E203": "path cannot be indexed",
        "E204": "unknown function",
        "E205": "unknown enum symbol",
        "E206": "unknown parameter",
        "E207": "wrong number of arguments",
        "E208": "context cannot be inferred",
        "E210": "cache of another context",
        "E211": "action that the rows of the context cannot take",
        "E212": "path that cannot be deleted",
        "E301": "wrong kind of argument",
        "E302": "literal of the wrong type",
        "E303": "argument refused by the function",
        "E304": "lambda not allowed here",
        "E305": "function with memory inside one over whole traces",
        "W301": "value of a type that the path refuses on every row",
        "W302": "write to a path that refuses writes on every row",
        "W303": "argument of a type that the function refuses on every row",
        "W304": "path that cannot be read on any row",
    }
)

NUMBERS = (Kind.INT, Kind.DOUBLE)
_UNSTORABLE = (Kind.TIME, Kind.DURATION, Kind.TRACE_ID, Kind.SPAN_ID, Kind.PROFILE_ID, Kind.OPAQUE)


_ROW_TIMES: Mapping[str, tuple[str, str]] = {
    "span": ("start_time_unix_nano", "start_time_unix_nano"),
    "spanevent": ("time_unix_nano", "time_unix_nano"),
    "datapoint": ("time_unix_nano", "time_unix_nano"),
    "exemplar": ("time_unix_nano", "time_unix_nano"),
    "log": ("time_unix_nano", "observed_time_unix_nano"),
    "profile": ("time_unix_nano", "time_unix_nano"),
}
"""By context: the time of a row, and what counts where that is not set."""

_ZEROS: Mapping[Kind, Value] = {
    Kind.STRING: b"",
    Kind.BYTES: Bytes(b""),
    Kind.BOOL: False,
    Kind.INT: 0,
    Kind.DOUBLE: 0.0,
    Kind.TIME: types.Time(0),
    Kind.TRACE_ID: types.TraceID(bytes(16)),
    Kind.SPAN_ID: types.SpanID(bytes(8)),
}
_CLEARED = (View.MAP, View.CACHE, View.DICTIONARY_MAP, View.VALUE, View.INTS, View.DOUBLES, View.TIMES)
"""Views of fields that nil empties."""


def _zero(spec: PathSpec) -> Constant | None:
    """The value that a field without one has; None where it cannot be written."""
    if spec.view in _CLEARED or spec.view is View.METRIC_POINTS or spec.name in ("events", "links", "exemplars"):
        return Constant(Kind.NIL, None)
    if spec.view is View.ENUM_TEXT:
        return Constant(Kind.STRING, spec.names[0].encode())
    if spec.view is View.ID_HEX:
        size = 32 if spec.field[-1] in ("trace_id", "profile_id") else 16
        return Constant(Kind.STRING, b"0" * size)
    if spec.view is View.POINT_VALUE:
        return Constant(Kind.INT, 0)
    return Constant(spec.kind, _ZEROS[spec.kind]) if spec.kind in _ZEROS else None


Names = Literal["required", "inserted", "legacy"]
"""How paths name their context: each must; one that names none gets the binder's own; or, as the reference did before
it inferred contexts, the own one may be left out and every level within reach may be named."""


class _Failure(Exception):  # noqa: N818 - a control flow of this module, not an error that anybody sees
    """Ends the binding of one statement; its diagnostic is recorded already."""


def camel(name: str) -> str:
    """A parameter name as the reference compares it: upper camel case, a digit ends a word too."""
    words: list[str] = []
    upper = True
    for character in name.strip():
        if character in "_ -.":
            upper = True
            continue
        words.append(character.upper() if upper else character)
        upper = character.isdigit()
    return "".join(words)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint that offers the known name closest to a mistyped one."""
    candidates = list(known)
    found = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    if not found:
        folded = {c.replace("_", "").lower(): c for c in candidates}
        same = folded.get(name.replace("_", "").lower())
        found = [same] if same else []
    return f"did you mean `{found[0]}`?" if found else None


def available(functions: FunctionSet, context: str, conditions_only: bool = False) -> FunctionSet:
    """The functions that a context knows."""
    return FunctionSet(
        f
        for f in functions.values()
        if (not f.contexts or context in f.contexts) and not (conditions_only and f.editor)
    )


@dataclass(slots=True)
class Binder:
    """Binds texts of one context.

    Args:
        context: the context.
        functions: those that statements may call (see `available`).
        names: what paths say about their context (see `Names`).
        lambdas: lambda arguments are allowed.
        parts: a source holds more than one text, as a script does.
    """

    context: Context
    functions: FunctionSet
    names: Names = "required"
    lambdas: bool = False
    parts: bool = False
    source: Source = field(default_factory=lambda: Source(""))
    diagnostics: list[Diagnostic] = field(default_factory=list)

    # -- entry points -------------------------------------------------------------------------------------------------

    @bounded
    def statement(self, tree: ast.Statement, source: Source) -> Statement | None:
        """The statement bound; None when it has errors, which are then in `diagnostics`."""
        self.source = source
        try:
            function = self._function(tree.editor, editor=True)
            self._check_action(function, tree.editor)
            arguments = self._attempt(lambda: self._arguments(function, tree.editor))
            condition = self._attempt(lambda: self._condition(tree.condition)) if tree.condition is not None else None
        except _Failure:
            if tree.condition is not None:
                self._attempt(lambda: self._condition(tree.condition))
            return None
        if arguments is None or (tree.condition is not None and condition is None):
            return None
        if function.lowering == "delete":
            deletion = self._attempt(lambda: self._deletion(arguments))
            if deletion is None:
                return None
            function, arguments = deletion
        self._check_store(function, arguments)
        return Statement(function, arguments, condition, source, tree.range if self.parts else NOWHERE)

    @bounded
    def condition(self, tree: ast.Expression, source: Source) -> ConditionText | None:
        """The condition bound; None when it has errors."""
        self.source = source
        bound = self._attempt(lambda: self._condition(tree))
        return None if bound is None else ConditionText(bound, source, tree.range if self.parts else NOWHERE)

    @bounded
    def value(self, tree: ast.Expression, source: Source) -> Expression | None:
        """The value expression bound; None when it has errors."""
        self.source = source
        bound: Expression | None = self._attempt(lambda: self._value(tree))
        return bound

    # -- actions ------------------------------------------------------------------------------------------------------

    def _check_action(self, function: Function, tree: ast.Call) -> None:
        """Refuses an action of the script dialect in a context whose rows cannot take it."""
        context = self.context.name
        if function.lowering == "route" and context in ("spanevent", "exemplar"):
            outer = "span" if context == "spanevent" else "data point"
            raise self._fail("E211", f"{context} rows cannot be routed without their {outer}", tree.range)
        if function.lowering == "rate_limit" and context not in _ROW_TIMES:
            hint = f"count rows of one of these contexts: {', '.join(_ROW_TIMES)}; say which by a path or a context"
            raise self._fail("E211", f"{context} rows have no time of their own", tree.range, hint)

    def _deletion(self, arguments: Sequence[Operand | None]) -> tuple[Function, tuple[Operand | None, ...]]:
        """The editor that deletes a path: a key is removed from its map, a field set to its zero value."""
        place = arguments[0]
        assert isinstance(place, Place)
        shown = f"{place.spec.level}.{place.spec.name}"
        if place.spec.access is not Access.READ_WRITE:
            raise self._fail("E212", f"{shown} is read-only", place.range)
        if place.keys and place.spec.view is not View.TRACE_STATE:
            holder = Place(place.spec, place.keys[:-1], range=place.range)
            return self._needed("delete_key", place.range), (holder, place.keys[-1])
        zero = None if place.keys else _zero(place.spec)
        if zero is None:
            hint = "delete what it holds, field by field" if place.spec.view is View.OPAQUE else None
            raise self._fail("E212", f"{shown} cannot be deleted", place.range, hint)
        return self._needed("set", place.range), (place, zero)

    def _needed(self, name: str, where: SourceRange) -> Function:
        function = self.functions.get(name)
        if function is None:
            raise self._fail("E204", f"delete needs the editor {name}", where)
        return function

    # -- diagnostics --------------------------------------------------------------------------------------------------

    def _attempt(self, bind: Callable[[], Any]) -> Any:
        try:
            return bind()
        except _Failure:
            return None

    def _report(
        self, code: str, message: str, where: SourceRange, hint: str | None = None, severity: Severity = "error"
    ) -> None:
        self.diagnostics.append(Diagnostic(code, severity, message, where, hint, self.source))

    def _fail(self, code: str, message: str, where: SourceRange, hint: str | None = None) -> _Failure:
        self._report(code, message, where, hint)
        return _Failure()

    # -- conditions ---------------------------------------------------------------------------------------------------

    def _condition(self, tree: Any) -> Expression:
        match tree:
            case ast.Boolean(value=value):
                return Constant(Kind.BOOL, value, range=tree.range)
            case ast.Call():
                operand = self._call(tree)
                return operand if operand.kind is Kind.BOOL else Truth(Kind.BOOL, operand, range=tree.range)
            case ast.Comparison(operator=operator, left=left, right=right):
                a = self._attempt(lambda: self._value(left))
                b = self._attempt(lambda: self._value(right))
                if a is None or b is None:
                    raise _Failure
                return Compare(Kind.BOOL, operator, a, b, range=tree.range)
            case ast.Not(operand=operand):
                return Not(Kind.BOOL, self._condition(operand), range=tree.range)
            case ast.And(operands=operands):
                return And(Kind.BOOL, self._conditions(operands), range=tree.range)
            case ast.Or(operands=operands):
                return Or(Kind.BOOL, self._conditions(operands), range=tree.range)
            case ast.Condition(expression=expression) | ast.Group(operand=ast.Call() as expression):
                return self._condition(expression)
        raise self._fail("E301", "expected a condition, got a value", tree.range)

    def _conditions(self, trees: Sequence[Any]) -> tuple[Expression, ...]:
        bound = [self._attempt(partial(self._condition, tree)) for tree in trees]
        if any(b is None for b in bound):
            raise _Failure
        return tuple(bound)

    # -- values -------------------------------------------------------------------------------------------------------

    def _value(self, tree: Any) -> Expression:
        where: SourceRange = tree.range
        match tree:
            case ast.Nil():
                return Constant(Kind.NIL, None, range=where)
            case ast.Boolean(value=value):
                return Constant(Kind.BOOL, value, range=where)
            case ast.Integer(value=value):
                return Constant(Kind.INT, value, range=where)
            case ast.Float(value=value):
                return Constant(Kind.DOUBLE, value, range=where)
            case ast.Duration(value=value):
                return Constant(Kind.DURATION, types.Duration(value), range=where)
            case ast.String(value=value):
                return Constant(Kind.STRING, value, range=where)
            case ast.Bytes(value=value):
                return Constant(Kind.BYTES, Bytes(value), range=where)
            case ast.Name(name=name):
                return self._enum(name, where)
            case ast.Path():
                return self._load(tree)
            case ast.Call():
                return self._call(tree)
            case ast.List(items=items):
                return self._list(items, where)
            case ast.Map(entries=entries):
                return self._map(entries, where)
            case ast.Group(operand=operand):
                inner = self._value(operand)
                if isinstance(inner, Constant):
                    return Constant(inner.kind, inner.value, inner.kind in NUMBERS, range=where)
                return inner
            case ast.Unary(operator=operator, operand=operand):
                inner = self._value(operand)
                if operator == "+":
                    return inner
                if isinstance(inner, Constant) and inner.kind in NUMBERS:
                    # The reference folds the sign of a number as written, not that of an expression in parentheses.
                    written = isinstance(operand, ast.Integer | ast.Float)
                    return Constant(inner.kind, types.negate(inner.value), written, range=where)
                if isinstance(operand, ast.Duration):
                    return Constant(Kind.DURATION, types.Duration(-operand.value), range=where)
                return Negate(inner.kind if inner.kind in NUMBERS else Kind.ANY, inner, range=where)
            case ast.Binary(operator=operator, left=left, right=right):
                a = self._attempt(lambda: self._value(left))
                b = self._attempt(lambda: self._value(right))
                if a is None or b is None:
                    raise _Failure
                return Arithmetic(_arithmetic_kind(operator, a.kind, b.kind), operator, a, b, range=where)
            case ast.Condition():
                raise self._fail(
                    "E112", "a comparison is not a value here", where, "compare in the `where` clause instead"
                )
            case ast.Lambda():
                raise self._fail("E304", "a lambda is not a value here", where)
        raise self._fail("E301", "expected a value, got a condition", where)

    def _enum(self, name: str, where: SourceRange) -> Constant:
        number = self.context.enums.get(name)
        if number is None:
            hint = nearest(name, self.context.enums)
            if name in self.functions:
                hint = f"a function is called with parentheses: `{name}(...)`"
            raise self._fail("E205", f"unknown enum symbol {name} in context {self.context.name}", where, hint)
        return Constant(Kind.INT, number, range=where)

    def _list(self, items: Sequence[Any], where: SourceRange) -> Expression:
        bound = self._values(items)
        if all(isinstance(b, Constant) and b.literal for b in bound):
            return Constant(Kind.LIST, [b.value for b in bound if isinstance(b, Constant)], range=where)
        return MakeList(Kind.LIST, bound, range=where)

    def _map(self, entries: Sequence[tuple[ast.String, Any]], where: SourceRange) -> Expression:
        last = {key.value: value for key, value in entries}
        bound = self._values(tuple(last.values()))
        if all(isinstance(b, Constant) and b.literal for b in bound):
            pairs = zip(last, (b.value for b in bound if isinstance(b, Constant)), strict=True)
            try:
                return Constant(Kind.MAP, types.make_map(pairs), range=where)
            except ValueError as error:
                raise self._fail("E302", str(error), where) from None
        return MakeMap(Kind.MAP, tuple(last), bound, range=where)

    def _values(self, trees: Sequence[Any]) -> tuple[Expression, ...]:
        bound = [self._attempt(partial(self._value, tree)) for tree in trees]
        if any(b is None for b in bound):
            raise _Failure
        return tuple(bound)

    # -- paths --------------------------------------------------------------------------------------------------------

    def _spec(self, tree: ast.Path) -> tuple[PathSpec, tuple[ast.Key, ...]]:
        segments = tree.segments
        level = self.context.name
        first = segments[0]
        has_context = len(segments) > 1 and not first.keys
        known = tuple(self.context.levels) if self.names == "legacy" else self.context.prefixes
        if has_context and first.name in known:
            level = first.name
            segments = segments[1:]
        elif self.names == "required":
            shown = ".".join(s.name for s in segments)
            if has_context:
                hint = nearest(first.name, known)
                readable = ", ".join(known)
                message = f"context {first.name} is not one of those that {self.context.name} can read: {readable}"
            else:
                message, hint = f"missing context in front of {shown}", f"write `{self.context.name}.{shown}`"
            raise self._fail("E202", message, tree.range, hint)
        name = ".".join(s.name for s in segments)
        paths = self.context.levels[level]
        spec = paths.get(name)
        if spec is None:
            if segments[0].name == "cache":
                raise self._fail(
                    "E210",
                    f"{level}.cache cannot be read in context {self.context.name}",
                    tree.range,
                    f"write `{self.context.name}.cache`",
                )
            hint = nearest(name, paths)
            if hint is None:
                elsewhere = [f"{other}.{name}" for other, known in self.context.levels.items() if name in known]
                hint = f"did you mean `{elsewhere[0]}`?" if elsewhere else f"known: {', '.join(sorted(paths))}"
            raise self._fail("E201", f"unknown path {name} in {level}", tree.range, hint)
        for segment in segments[:-1]:
            if segment.keys:
                raise self._fail("E203", f"{segment.name} cannot be indexed here", segment.range)
        keys = segments[-1].keys
        if keys and not spec.keyed:
            raise self._fail("E203", f"{level}.{name} cannot be indexed", keys[0].range)
        if keys and spec.view is View.TRACE_STATE and len(keys) > 1:
            raise self._fail("E203", f"{level}.{name} takes one key", keys[1].range)
        return spec, keys

    def _keys(self, keys: Sequence[ast.Key]) -> tuple[Expression, ...]:
        return self._values([key.value for key in keys])

    def _load(self, tree: ast.Path) -> Load:
        spec, keys = self._spec(tree)
        if spec.view is View.UNAVAILABLE:
            self._report("W304", f"{spec.level}.{spec.name} cannot be read here", tree.range, severity="warning")
        kind = Kind.ANY if keys or spec.nullable else spec.kind
        return Load(kind, spec, self._keys(keys), range=tree.range)

    def _place(self, tree: ast.Path) -> Place:
        spec, keys = self._spec(tree)
        return Place(spec, self._keys(keys), range=tree.range)

    # -- calls --------------------------------------------------------------------------------------------------------

    def _function(self, tree: ast.Call, editor: bool) -> Function:
        where = tree.name_range
        function = self.functions.get(tree.name)
        if function is None:
            known = [n for n, f in self.functions.items() if f.editor == editor]
            raise self._fail(
                "E204",
                f"unknown {'editor' if editor else 'converter'} {tree.name} in context {self.context.name}",
                where,
                nearest(tree.name, known),
            )
        if function.editor and not editor:
            message = f"{tree.name} is an editor and gives no value"
            raise self._fail("E209", message, where, "an editor stands at the beginning of a statement")
        return function

    def _call(self, tree: ast.Call) -> Expression:
        function = self._function(tree, editor=False)
        arguments = self._arguments(function, tree)
        bound: Expression
        if function.lowering == "coalesce":
            elements = next(a for a in arguments if isinstance(a, Elements))
            bound = FirstNonNil(Kind.ANY, elements.items, range=tree.range)
        else:
            kind = Kind.ANY if function.result_nil else function.result
            bound = Invoke(kind, function, arguments, range=tree.range)
        for key in self._keys(tree.keys):
            bound = Index(Kind.ANY, bound, key, range=tree.range)
        return bound

    def _arguments(self, function: Function, tree: ast.Call) -> tuple[Operand | None, ...]:
        visible = function.visible
        required = sum(p.required for p in visible)
        count = len(tree.arguments)
        if not required <= count <= len(visible):
            wanted = str(required) if required == len(visible) else f"{required} to {len(visible)}"
            raise self._fail(
                "E207",
                f"{function.name} takes {wanted} argument{'' if wanted == '1' else 's'}, got {count}",
                tree.range,
                f"`{function.signature()}`",
            )
        by_name = {camel(p.name): p for p in visible}
        given: dict[str, ast.Argument] = {}
        failed = False
        for position, argument in enumerate(tree.arguments):
            parameter = visible[position] if argument.name is None else by_name.get(camel(argument.name))
            if parameter is None:
                hint = nearest(argument.name or "", [p.name for p in visible])
                self._report("E206", f"{function.name} has no parameter {argument.name}", argument.range, hint)
                failed = True
            elif parameter.name in given:
                self._report("E206", f"parameter {parameter.name} is given twice", argument.range)
                failed = True
            else:
                given[parameter.name] = argument
        for parameter in visible:
            if parameter.required and parameter.name not in given and not failed:
                self._report("E207", f"{function.name} misses its argument {parameter.name}", tree.range)
                failed = True
        bound: list[Operand | None] = []
        for parameter in function.parameters:
            if parameter.form is Form.PATH:
                bound.append(self._hidden_path(parameter))
            elif parameter.form is Form.KEY and parameter.name not in given:
                bound.append(self._identity())
            elif parameter.name in given:
                operand = self._attempt(partial(self._argument, function, parameter, given[parameter.name].value))
                failed = failed or operand is None
                bound.append(operand)
            else:
                bound.append(None)
        if failed:
            raise _Failure
        self._check_call(function, bound, tree)
        if function.over is not None:
            self._check_over(function, bound, tree)
        return tuple(bound)

    def _identity(self) -> Elements:
        """The key of a row for which the rule gives none."""
        found: list[Expression] = []
        for level, name, key in IDENTITY[self.context.name]:
            spec = self.context.levels[level][name]
            keys = () if key is None else (Constant(Kind.STRING, key),)
            found.append(Load(Kind.ANY if keys or spec.nullable else spec.kind, spec, keys))
        return Elements(tuple(found))

    def _check_over(self, function: Function, bound: Sequence[Operand | None], tree: ast.Call) -> None:
        """Refuses arguments of a function over whole traces that remember something."""
        for operand in bound:
            for node in typed.walk(operand) if operand is not None else ():
                if isinstance(node, Invoke) and node.function.stateful:
                    raise self._fail(
                        "E305",
                        f"{node.function.name} remembers something and cannot be evaluated on the spans of a trace",
                        tree.range,
                        f"store its result with a statement before, and give {function.name} the attribute",
                    )

    def _hidden_path(self, parameter: Parameter) -> Load:
        assert parameter.path is not None
        level, _, name = parameter.path.partition(".")
        if level == "row":
            level, name = self.context.name, _ROW_TIMES[self.context.name][name == "received"]
        spec = self.context.levels[level][name]
        return Load(Kind.ANY if spec.nullable else spec.kind, spec)

    def _argument(self, function: Function, parameter: Parameter, tree: Any) -> Operand:
        where: SourceRange = tree.range
        match parameter.form:
            case Form.TARGET | Form.MAP_TARGET | Form.LIST_TARGET:
                if not isinstance(tree, ast.Path):
                    written = self.source.slice(where)
                    computed = isinstance(tree, ast.Binary) and written in ("duration", "span.duration")
                    hint = "a duration is end minus start: set span.end_time or span.start_time" if computed else None
                    raise self._fail("E301", f"{parameter.name} of {function.name} must be a path", where, hint)
                return self._place(tree)
            case Form.FUNCTION:
                return self._function_reference(tree)
            case Form.CONSTANT:
                return self._constant(function, parameter, tree)
            case Form.TUPLE:
                if not isinstance(tree, ast.List):
                    raise self._fail("E301", f"{parameter.name} of {function.name} must be a list literal", where)
                return self._elements(function, parameter, tree)
            case Form.LIST:
                if isinstance(tree, ast.List):
                    return self._elements(function, parameter, tree)
                bound = self._value(tree)
                if isinstance(bound, Constant) and bound.literal:
                    message = f"{parameter.name} of {function.name} must be a list, got {bound.kind.value}"
                    raise self._fail("E302", message, where)
                return bound
            case Form.CONDITION:
                return self._condition(tree)
            case Form.KEY:
                return Elements(self._values(tree.items) if isinstance(tree, ast.List) else (self._value(tree),))
            case Form.LAMBDA:
                raise self._fail("E304", "lambdas are switched off", where)
            case _:
                bound = self._value(tree)
                self._check_literal(function, parameter, bound, where)
                return bound

    def _elements(self, function: Function, parameter: Parameter, tree: ast.List) -> Elements:
        items = self._values(tree.items)
        for item, written in zip(items, tree.items, strict=True):
            self._check_literal(function, parameter, item, written.range)
        return Elements(items)

    def _function_reference(self, tree: Any) -> FunctionReference:
        where: SourceRange = tree.range
        if not isinstance(tree, ast.Name):
            name = tree.segments[0].name if isinstance(tree, ast.Path) else None
            hint = f"write `{tree.name}` without parentheses" if isinstance(tree, ast.Call) else None
            raise self._fail("E301", f"expected the name of a function{f', got {name}' if name else ''}", where, hint)
        function = self.functions.get(tree.name)
        if function is None:
            known = [n for n, f in self.functions.items() if not f.editor]
            raise self._fail("E204", f"unknown converter {tree.name}", where, nearest(tree.name, known))
        visible = function.visible
        return FunctionReference(function, visible[0] if len(visible) == 1 else None)

    def _constant(self, function: Function, parameter: Parameter, tree: Any) -> Constant:
        where: SourceRange = tree.range
        if parameter.constant_list:
            if not isinstance(tree, ast.List):
                raise self._fail("E301", f"{parameter.name} of {function.name} must be a list literal", where)
            values = [self._literal(function, parameter, item) for item in tree.items]
            return Constant(Kind.LIST, values, range=where)
        return Constant(parameter.kind, self._literal(function, parameter, tree), range=where)

    def _literal(self, function: Function, parameter: Parameter, tree: Any) -> Any:
        wanted: Mapping[Kind, type[Any]] = {
            Kind.STRING: ast.String,
            Kind.INT: ast.Integer,
            Kind.DOUBLE: ast.Float,
            Kind.BOOL: ast.Boolean,
            Kind.BYTES: ast.Bytes,
            Kind.DURATION: ast.Duration,
        }
        if parameter.kind is Kind.DURATION and isinstance(tree, ast.Call):
            found = self._duration(tree)
            if found is not None:
                return found
        if parameter.kind is Kind.ANY:
            bound = self._value(tree)
            if isinstance(bound, Constant):
                return bound.value
        elif type(tree) is wanted[parameter.kind]:
            return types.Duration(tree.value) if parameter.kind is Kind.DURATION else tree.value
        if function.extension and parameter.kind is Kind.DOUBLE and isinstance(tree, ast.Integer):
            return float(tree.value)
        hints = {
            Kind.INT: "an integer literal has no sign and no dot",
            Kind.DURATION: "a duration is a number and its unit: `30s`",
        }
        message = f"{parameter.name} of {function.name} must be a literal {parameter.kind.value}"
        raise self._fail("E301", message, tree.range, hints.get(parameter.kind))

    def _duration(self, tree: ast.Call) -> types.Duration | None:
        """The value of a call of `Duration` with a literal text."""
        function = self.functions.get("Duration")
        if tree.name != "Duration" or function is None or len(tree.arguments) != 1:
            return None
        text = tree.arguments[0].value
        if not isinstance(text, ast.String):
            return None
        try:
            return types.Duration(function.kernel(text.value if function.parameters[0].raw else text.value.decode()))
        except ValueError as error:
            raise self._fail("E303", str(error), tree.range) from None

    # -- checks -------------------------------------------------------------------------------------------------------

    def _check_literal(self, function: Function, parameter: Parameter, bound: Operand, where: SourceRange) -> None:
        if not isinstance(bound, Expression):
            return
        if not (isinstance(bound, Constant) and bound.literal):
            self._warn_kind(function, parameter, bound, where)
            return
        value = bound.value
        if value is None and (parameter.like or parameter.nil or parameter.kind is Kind.ANY):
            return
        try:
            types.convert_argument(parameter.kind, parameter.like, parameter.raw, parameter.nil)(value)
        except ValueError as error:
            raise self._fail("E302", f"{parameter.name} of {function.name}: {error}", where) from None
        if parameter.compile is not None and isinstance(value, bytes):
            try:
                parameter.compile(value.decode("utf-8", "surrogateescape"))
            except ValueError as error:
                raise self._fail("E303", f"{parameter.name} of {function.name}: {error}", where) from None

    def _warn_kind(self, function: Function, parameter: Parameter, bound: Expression, where: SourceRange) -> None:
        wanted, got = parameter.kind, bound.kind
        if wanted is Kind.ANY or got is Kind.ANY or parameter.like or wanted is got:
            return
        if got is Kind.NIL and parameter.nil:
            return
        message = f"{parameter.name} of {function.name} wants {wanted.value}, this is always {got.value}"
        self._report("W303", message, where, severity="warning")

    def _check_call(self, function: Function, bound: Sequence[Operand | None], tree: ast.Call) -> None:
        """Runs the function's own check of its constants."""
        for parameter, operand in zip(function.parameters, bound, strict=True):
            if parameter.form is Form.CONSTANT and parameter.compile is not None and isinstance(operand, Constant):
                values = operand.value if isinstance(operand.value, list) else [operand.value]
                for value in values:
                    try:
                        parameter.compile(constant_argument(parameter, value))
                    except ValueError as error:
                        message = f"{parameter.name} of {function.name}: {error}"
                        raise self._fail("E303", message, operand.range) from None
        if function.check is None:
            return
        wanted = inspect.signature(function.check).parameters
        known: dict[str, Any] = {}
        for parameter, operand in zip(function.parameters, bound, strict=True):
            if parameter.name not in wanted:
                continue
            if operand is None and not parameter.required:
                known[parameter.name] = parameter.default
            elif isinstance(operand, Constant) and operand.literal:
                known[parameter.name] = constant_argument(parameter, operand.value)
            elif isinstance(operand, Elements) and all(isinstance(i, Constant) and i.literal for i in operand.items):
                items = [i.value for i in operand.items if isinstance(i, Constant)]
                known[parameter.name] = constant_argument(parameter, items)
        if any(p.default is inspect.Parameter.empty and name not in known for name, p in wanted.items()):
            return
        try:
            function.check(**known)
        except ValueError as error:
            raise self._fail("E303", f"{function.name}: {error}", tree.range) from None

    def _check_store(self, function: Function, arguments: Sequence[Operand | None]) -> None:
        """Warns of writes that fail on every row."""
        for parameter, operand in zip(function.parameters, arguments, strict=True):
            if parameter.form is Form.TARGET and isinstance(operand, Place):
                if operand.spec.access is Access.READ_ONLY:
                    message = f"{operand.spec.level}.{operand.spec.name} refuses every write"
                    self._report("W302", message, operand.range, severity="warning")
                elif function.lowering == "store":
                    value = next((a for a in arguments if isinstance(a, Expression)), None)
                    if value is not None:
                        self._check_stored_kind(operand, value)

    def _check_stored_kind(self, place: Place, value: Expression) -> None:
        got = value.kind
        spec = place.spec
        if got is Kind.ANY or spec.access is not Access.READ_WRITE:
            return
        if place.keys or spec.view is View.VALUE:
            fits = got not in _UNSTORABLE
            wanted = "a value that attributes can hold"
        elif spec.view in (View.MAP, View.CACHE, View.DICTIONARY_MAP):
            fits = got in (Kind.MAP, Kind.NIL)
            wanted = "a map"
        elif spec.view is View.POINT_VALUE:
            fits = got in NUMBERS
            wanted = "a number"
        elif spec.view in (View.OPAQUE, View.INTS, View.DOUBLES, View.TIMES, View.METRIC_POINTS):
            return
        else:
            stored = Kind.STRING if spec.view in (View.ID_HEX, View.ENUM_TEXT, View.VALUE_TEXT) else spec.kind
            fits = got is stored
            wanted = stored.value
        if not fits:
            message = f"{spec.level}.{spec.name} takes {wanted}, this is always {got.value}"
            self._report("W301", message, value.range, severity="warning")


def constant_argument(parameter: Parameter, value: Any) -> Any:
    """A literal in the form that a kernel gets it."""
    if isinstance(value, list):
        return [constant_argument(parameter, item) for item in value]
    if type(value) is bytes and not parameter.raw and parameter.kind is Kind.STRING:
        return value.decode("utf-8", "surrogateescape")
    return value


def _arithmetic_kind(operator: str, left: Kind, right: Kind) -> Kind:
    if left in NUMBERS and right in NUMBERS:
        return Kind.INT if left is right is Kind.INT else Kind.DOUBLE
    if operator == "-" and left is right is Kind.TIME:
        return Kind.DURATION
    if operator in "+-":
        if left is right is Kind.DURATION:
            return Kind.DURATION
        if left is Kind.TIME and right is Kind.DURATION:
            return Kind.TIME
        if operator == "+" and left is Kind.DURATION and right is Kind.TIME:
            return Kind.TIME
    return Kind.ANY


# -- context inference ----------------------------------------------------------------------------------------------


def infer_context(
    trees: Sequence[tuple[ast.Node, Source]], candidates: Mapping[str, Context], functions: Callable[[str], FunctionSet]
) -> Context | Diagnostic:
    """The context that the reference chooses for texts that run together.

    Args:
        trees: statements and conditions with their sources.
        candidates: the contexts of the signal, by name.
        functions: the functions of a context, by its name.

    Returns:
        The context, or the reason why there is none.
    """
    first = trees[0][1] if trees else None
    chosen: str | None = None
    chosen_at: tuple[ast.Node, Source] | None = None
    calls: dict[str, tuple[ast.Node, Source]] = {}
    names: dict[str, tuple[ast.Node, Source]] = {}
    for tree, source in trees:
        for node, scopes in _walk_scoped(tree):
            if isinstance(node, ast.Path):
                segment = node.segments[0]
                if segment.name in scopes:
                    continue
                written = segment.name if len(node.segments) > 1 and not segment.keys else ""
                if chosen is None or contexts.rank(written) < contexts.rank(chosen):
                    chosen, chosen_at = written, (node, source)
            elif isinstance(node, ast.Call):
                calls.setdefault(node.name, (node, source))
            elif isinstance(node, ast.Name):
                names.setdefault(node.name, (node, source))
    if not chosen:
        own = [c for c in candidates.values() if any(_only_in(c.name, functions, name) for name in calls)]
        if len(own) == 1:
            return _unknown(own[0], functions, calls, names) or own[0]
        return Diagnostic(
            "E208",
            "error",
            "the context cannot be inferred: no path names one",
            chosen_at[0].range if chosen_at is not None else None,
            f"begin paths with one of: {', '.join(candidates)}; or give the group a context",
            chosen_at[1] if chosen_at is not None else first,
        )
    assert chosen_at is not None
    if chosen not in candidates or chosen in ("instrumentation_scope", "otelcol"):
        return Diagnostic(
            "E208",
            "error",
            f"the context cannot be inferred: {chosen} is not a context to run in here",
            chosen_at[0].range,
            nearest(chosen, candidates) or f"contexts here: {', '.join(candidates)}",
            chosen_at[1],
        )
    problem = _unknown(candidates[chosen], functions, calls, names)
    if problem is None:
        return candidates[chosen]
    lower = [c for c in candidates.values() if chosen in c.prefixes and c.name != chosen]
    for context in sorted(lower, key=lambda c: c.rank):
        if _unknown(context, functions, calls, names) is None:
            return context
    return problem


def _only_in(context: str, functions: Callable[[str], FunctionSet], name: str) -> bool:
    """Whether a function of ours belongs to a context; those of the reference tell it nothing."""
    found = functions(context).get(name)
    return found is not None and found.extension and context in found.contexts


def _walk_scoped(tree: ast.Node) -> Iterable[tuple[ast.Node, frozenset[str]]]:
    stack: list[tuple[ast.Node, frozenset[str]]] = [(tree, frozenset())]
    while stack:
        node, scopes = stack.pop()
        yield node, scopes
        inner = scopes | set(node.parameters) if isinstance(node, ast.Lambda) else scopes
        stack.extend((child, inner) for child in reversed(ast.children(node)))


def _unknown(
    context: Context,
    functions: Callable[[str], FunctionSet],
    calls: Mapping[str, tuple[ast.Node, Source]],
    names: Mapping[str, tuple[ast.Node, Source]],
) -> Diagnostic | None:
    known = functions(context.name)
    for name, (node, source) in calls.items():
        if name not in known:
            where = node.name_range if isinstance(node, ast.Call) else node.range
            message = f"unknown function {name} in context {context.name}"
            return Diagnostic("E204", "error", message, where, nearest(name, known), source)
    for name, (node, source) in names.items():
        if name not in context.enums and name not in known:
            if name.isupper():
                message = f"unknown enum symbol {name} in context {context.name}"
                return Diagnostic("E205", "error", message, node.range, nearest(name, context.enums), source)
            message = f"unknown function {name} in context {context.name}"
            return Diagnostic("E204", "error", message, node.range, nearest(name, known), source)
    return None


def explicit_value(value: Value) -> Constant:
    """A constant for a value made by the planner: not a literal to the reference."""
    return Constant(types.kind_of(value), value, literal=False)

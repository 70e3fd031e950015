"""The script dialect: text to the same syntax tree as the reference's grammar gives, and its short forms spelled out.

A script is read in two steps. The *layout* (`_paragraphs`) finds comments, blocks and statements by looking at line
ends, brackets and the words at both sides of a line end, and nothing else:

- a blank line ends a block, a comment line does not; inside brackets and strings both are blanks;
- a line continues the one above while a bracket is open, behind an operator, `and`, `or`, `not` or `where`, and
  when it begins with an operator, `and` or `or`;
- a line that begins with `where` is the condition of its block and governs the statements above it; a statement
  behind it begins the next block;
- the last `>` of a statement that stands before a call is a guard's: `condition > action`.

Each statement and condition is then parsed by the grammar `script.lark`, one mistake each, with ranges that are
offsets into the script. A text whose brackets or quotes do not match is read again with blank lines as walls, so
that a mistake in one block leaves the others alone.

`lower` spells the short forms out before names are bound: short paths, tails of enum symbols, converters in lower case,
durations against bare numbers. It needs to know functions and paths, and reports nothing: what it does not know
stays as it is for the binder to point at.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ottl import ast
from ottl.contexts import CONTEXTS
from ottl.errors import ConfigError, Diagnostic, register_codes
from ottl.functions import Form, FunctionSet
from ottl.parser import parse_part
from ottl.source import Source, SourceRange
from ottl.types import INT64_MAX

__all__ = ["MAX_SCRIPT", "converter_name", "governed", "lower", "parse_script"]

MAX_SCRIPT: Final = 1_000_000
"""Characters of a script; each of its statements is held to `Limits.max_text`."""

register_codes(
    {
        "E120": "a `where` without statements",
        "E121": "two conditions of one block",
        "W101": "a `where` that begins a line governs several statements",
        "W102": "a statement right behind the condition of a block",
        "W103": "a script without statements",
    }
)

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<string>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')
    |(?P<quote>["'])
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][A-Za-z0-9_.]*)
    |(?P<operator>==|!=|>=|<=|=>|[<>=+\-*/,.:])
    |(?P<line>\n)
    |(?P<blank>[ \t\f\r]+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_BLANK_LINES = re.compile(r"\n[ \t\f\r]*(?:\n[ \t\f\r]*)+")
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}
_OPEN_WORDS: Final = frozenset({"and", "or", "not", "where"})
_JOINING_WORDS: Final = frozenset({"and", "or"})


@dataclass(frozen=True, slots=True)
class _Token:
    """A token as far as layout looks at it.

    Args:
        kind: group of `_TOKEN`.
        text: as written.
        start: offset.
        depth: open brackets before it.
        first: the first of its line.
        lines: line ends between it and the token before; a line that holds a comment has a token of its own.
    """

    kind: str
    text: str
    start: int
    depth: int
    first: bool
    lines: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def range(self) -> SourceRange:
        return SourceRange(self.start, self.end)


@dataclass(slots=True)
class _Item:
    """The tokens of a statement or of a block's condition, and the comments that belong to it."""

    tokens: list[_Token]
    above: list[ast.Comment] = field(default_factory=list)
    inside: list[ast.Comment] = field(default_factory=list)

    @property
    def place(self) -> SourceRange:
        return SourceRange(self.tokens[0].start, self.tokens[-1].end)

    @property
    def governs(self) -> bool:
        return self.tokens[0].text == "where"

    def comments(self) -> ast.Comments:
        beside = [c for c in self.inside if c.range.start >= self.place.end]
        inside = [c for c in self.inside if c.range.start < self.place.end]
        return ast.Comments((*self.above, *inside), beside[0] if beside else None)


@dataclass(slots=True)
class _Paragraph:
    """What stands between two blank lines: items in order, and comments behind the last one."""

    items: list[_Item] = field(default_factory=list)
    after: list[ast.Comment] = field(default_factory=list)


def _tokens(text: str, start: int, end: int, found: list[_Token]) -> bool:
    """Adds the tokens of a piece of text; whether its brackets and quotes match."""
    stack: list[str] = []
    matched = True
    first, lines, at = True, 0, start
    while at < end:
        match = _TOKEN.match(text, at, end)
        assert match is not None
        kind, piece = match.lastgroup or "", match[0]
        if kind == "quote":
            piece, matched = text[at:end].rstrip(), False
        at += len(piece)
        if kind == "line":
            first, lines = True, lines + 1
            continue
        if kind == "blank":
            continue
        depth = len(stack)
        if kind == "open":
            stack.append(_CLOSERS[piece])
        elif kind == "close":
            if stack and stack[-1] == piece:
                stack.pop()
            else:
                matched = False
            depth = len(stack)
        found.append(_Token(kind, piece, at - len(piece), depth, first, lines))
        first, lines = False, 0
        if kind == "quote":
            break
    return matched and not stack


def _all_tokens(text: str) -> list[_Token]:
    """The tokens of a script; where brackets or quotes do not match, with blank lines as walls."""
    found: list[_Token] = []
    if _tokens(text, 0, len(text), found):
        return found
    found.clear()
    start = 0
    for wall in _BLANK_LINES.finditer(text):
        _piece(text, start, wall.start(), found)
        start = wall.end()
    _piece(text, start, len(text), found)
    return found


def _piece(text: str, start: int, end: int, found: list[_Token]) -> None:
    before = len(found)
    _tokens(text, start, end, found)
    if before and len(found) > before:
        found[before] = replace(found[before], lines=2)


def _paragraphs(text: str) -> list[_Paragraph]:
    """The layout of a script."""
    paragraphs: list[_Paragraph] = []
    current = _Paragraph()
    item: _Item | None = None
    pending: list[ast.Comment] = []
    last: _Token | None = None
    for token in _all_tokens(text):
        if token.lines > 1 and token.depth == 0 and (current.items or pending):
            current.after, pending = pending, []
            paragraphs.append(current)
            current, item, last = _Paragraph(), None, None
        if token.kind == "comment":
            comment = ast.Comment(token.text.rstrip(), range=token.range)
            if item is not None and (not token.first or token.depth):
                item.inside.append(comment)
            else:
                pending.append(comment)
            continue
        if item is not None and (token.depth or not token.first or _continues(last, token)):
            # Comments on lines of their own inside a statement.
            item.inside += pending
            item.tokens.append(token)
        else:
            item = _Item([token], pending)
            current.items.append(item)
        pending = []
        last = token
    if current.items or pending:
        current.after = pending
        paragraphs.append(current)
    return paragraphs


def _continues(last: _Token | None, token: _Token) -> bool:
    """Whether the first token of a line belongs to the statement above."""
    if last is None or token.kind == "close" or token.text in ("[", "{"):
        return last is not None
    open_end = last.kind == "operator" or (last.kind == "word" and last.text in _OPEN_WORDS)
    return open_end or token.kind == "operator" or (token.kind == "word" and token.text in _JOINING_WORDS)


def parse_script(source: Source) -> tuple[ast.Script, list[Diagnostic]]:
    """The tree of a script, and everything that is wrong with its text.

    Returns:
        The blocks as far as they could be parsed, and the diagnostics in the order of the text.
    """
    text = source.text
    if len(text) > MAX_SCRIPT:
        message = f"expected at most {MAX_SCRIPT:,} characters, got {len(text):,}"
        return ast.Script(), [Diagnostic("E105", "error", message, SourceRange(0, 1), "split the script", source)]
    diagnostics: list[Diagnostic] = []
    blocks: list[ast.Block] = []
    loose: list[tuple[ast.Comment, ...]] = []
    any_items = False
    for paragraph in _paragraphs(text):
        if not paragraph.items:
            loose.append(tuple(paragraph.after))
            continue
        any_items = True
        found = list(_blocks(paragraph, source, diagnostics))
        if found and loose:
            found[0] = replace(found[0], before=tuple(loose))
            loose = []
        blocks += found
    if not any_items:
        diagnostics.append(Diagnostic("W103", "warning", "the script has no statements", None, None, source))
    return ast.Script(tuple(blocks), after=tuple(loose), range=SourceRange(0, len(text))), diagnostics


def _blocks(paragraph: _Paragraph, source: Source, diagnostics: list[Diagnostic]) -> Iterator[ast.Block]:
    """The blocks of a paragraph: one, unless statements stand behind a `where` that begins a line."""
    groups: list[list[_Item]] = [[]]
    for item in paragraph.items:
        if groups[-1] and groups[-1][-1].governs:
            if item.governs:
                hint = "join them with `and`"
                message = "the block has a condition already"
                diagnostics.append(Diagnostic("E121", "error", message, item.tokens[0].range, hint, source))
                continue
            message = "a statement right behind the condition of a block: the condition does not govern it"
            hint = "put a blank line between, or the condition below all statements that it is to govern"
            diagnostics.append(Diagnostic("W102", "warning", message, item.place, hint, source))
            groups.append([])
        groups[-1].append(item)
    for number, items in enumerate(groups):
        after = paragraph.after if number == len(groups) - 1 else []
        block = _block(items, after, source, diagnostics)
        if block is not None:
            yield block


def _block(
    items: Sequence[_Item], after: Sequence[ast.Comment], source: Source, diagnostics: list[Diagnostic]
) -> ast.Block | None:
    statements: list[ast.Statement] = []
    condition: Any = None
    comments = ast.Comments()
    for number, item in enumerate(items):
        try:
            if not item.governs:
                statements.append(_statement(item, source))
                continue
            where = item.tokens[0]
            if number == 0:
                hint = "a blank line ends a block: put the `where` right below its statements"
                message = "there are no statements above this `where` in its block"
                diagnostics.append(Diagnostic("E120", "error", message, where.range, hint, source))
            condition = parse_part(source, "condition", SourceRange(where.end, item.place.end))
            comments = item.comments()
        except ConfigError as error:
            diagnostics += error.diagnostics
    if not statements:
        return None
    place = items[0].place.union(items[-1].place)
    return ast.Block(tuple(statements), condition, comments=comments, after=tuple(after), range=place)


def _statement(item: _Item, source: Source) -> ast.Statement:
    """A statement, or a guard and its action.

    Raises:
        ConfigError: it is neither.
    """
    guard = _guard(item.tokens)
    if guard is None:
        try:
            statement: ast.Statement = parse_part(source, "statement", item.place)
        except ConfigError as error:
            raise _without_action(source, item) or error from None
        return replace(statement, comments=item.comments())
    condition: Any = parse_part(source, "condition", SourceRange(item.place.start, guard.start))
    statement = parse_part(source, "statement", SourceRange(guard.end, item.place.end))
    if statement.condition is not None:
        own = statement.condition
        condition = ast.And((condition, own), range=condition.range.union(own.range))
    return replace(statement, condition=condition, guarded=True, comments=item.comments(), range=item.place)


def _without_action(source: Source, item: _Item) -> ConfigError | None:
    """The better error for a statement that is a condition and nothing else."""
    try:
        tree = parse_part(source, "condition", item.place)
    except ConfigError:
        return None
    if isinstance(tree, ast.Call):
        return None
    hint = "a guard has an action: `condition > set(...)`; the condition of a block begins with `where`"
    message = "expected a statement, got a condition"
    return ConfigError([Diagnostic("E102", "error", message, item.place, hint, source)])


def _guard(tokens: Sequence[_Token]) -> _Token | None:
    """The `>` between a guard and its action, if the statement is of that form."""
    top = [(n, t) for n, t in enumerate(tokens) if t.depth == 0]
    end = next((n for n, t in top[1:] if t.kind == "word" and t.text == "where"), len(tokens))
    if not end or tokens[end - 1].text != ")":
        return None
    for number, token in reversed(top):
        if token.text == ">" and 0 < number < end - 2:
            name, bracket = tokens[number + 1], tokens[number + 2]
            action = name.kind == "word" and name.text[0].islower() and bracket.text == "("
            closed = next((n for n in range(number + 3, end) if tokens[n].text == ")" and tokens[n].depth == 0), -1)
            return token if action and closed == end - 1 else None
    return None


def governed(script: ast.Script, source: Source) -> Iterator[Diagnostic]:
    """Warnings about text that means something else in a collector, where a `where` belongs to one statement."""
    for block in script.blocks:
        if block.condition is not None and len(block.statements) > 1:
            count = len(block.statements)
            message = (
                f"this `where` governs all {count} statements of its block, not just the last one as in a collector"
            )
            hint = "if only the last one is meant, put the `where` on its line"
            yield Diagnostic("W101", "warning", message, block.condition.range, hint, source)


# -- short forms ----------------------------------------------------------------------------------------------------


@functools.cache
def _symbol_prefixes() -> Mapping[tuple[str, str], str]:
    """By level and path: what the symbols of its enum begin with."""
    return {
        (level, name): spec.symbols
        for context in CONTEXTS.values()
        for level, paths in context.levels.items()
        for name, spec in paths.items()
        if spec.symbols
    }


def converter_name(name: str, functions: FunctionSet) -> str | None:
    """The one converter whose name is this one when case and underscores are dropped; None for none or several."""
    found = [f for f, function in functions.items() if not function.editor and _folded(f) == _folded(name)]
    return found[0] if len(found) == 1 else None


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


_LEVELS: Final = frozenset({*CONTEXTS, "instrumentation_scope"})
_POINT_PATHS: Final = frozenset({"value", "attributes", "attr"})


@dataclass(slots=True)
class _Lowering:
    """One tree on its way from short forms to long ones."""

    functions: FunctionSet
    context: str | None
    hidden: frozenset[str]
    durations: list[ast.Node] = field(default_factory=list)

    def __call__(self, node: ast.Node) -> ast.Node:
        match node:
            case ast.Path():
                return self.path(node)
            case ast.Comparison():
                return self.comparison(node)
            case ast.Call():
                return self.call(node)
            case ast.Statement():
                return self.statement(node)
        return node

    # -- paths --------------------------------------------------------------------------------------------------------

    def path(self, path: ast.Path) -> ast.Node:
        if path.segments[0].name in self.hidden:
            return path
        segments = self._attributes(self._point(path.segments))
        level, name, keys = self._split(segments)
        if (level, name) == ("span", "duration") and not keys:
            end, start = (
                ast.Path((ast.Segment("span", range=path.range), ast.Segment(n, range=path.range)), range=path.range)
                for n in ("end_time", "start_time")
            )
            found = ast.Binary("-", end, start, range=path.range)
            self.durations.append(found)
            return found
        return path if segments is path.segments else replace(path, segments=segments)

    def _own(self, name: str) -> bool:
        """Whether the context that was given has a path of that name."""
        return self.context is not None and name in CONTEXTS[self.context].levels[self.context]

    def _point(self, segments: tuple[ast.Segment, ...]) -> tuple[ast.Segment, ...]:
        """`value`, `metric.value` and `metric.attributes` are those of the data point, `duration` is the span's."""
        first = segments[0]
        if len(segments) == 1 and not first.keys and not self._own(first.name):
            level = {"value": "datapoint", "duration": "span"}.get(first.name)
            if level is not None:
                return (ast.Segment(level, range=first.range), first)
        if len(segments) > 1 and first.name == "metric" and not first.keys and segments[1].name in _POINT_PATHS:
            return (replace(first, name="datapoint"), *segments[1:])
        return segments

    def _attributes(self, segments: tuple[ast.Segment, ...]) -> tuple[ast.Segment, ...]:
        """`resource.attr.service.name` is `resource.attributes["service.name"]`."""
        at = 1 if segments[0].name in _LEVELS and not segments[0].keys else 0
        if at == 0 and (self.context is None or self._own("attr")):
            return segments
        if len(segments) <= at or segments[at].name != "attr":
            return segments
        names = segments[at + 1 :]
        if any(segment.keys for segment in segments[at:-1]):
            return segments
        keys = segments[-1].keys
        if names:
            place = names[0].range.union(names[-1].range)
            key = ast.String(".".join(s.name for s in names).encode(), range=place)
            keys = (ast.Key(key, range=place), *keys)
        elif not keys:
            return (*segments[:at], replace(segments[at], name="attributes"))
        return (*segments[:at], ast.Segment("attributes", keys, range=segments[at].range))

    def _split(self, segments: tuple[ast.Segment, ...]) -> tuple[str, str, tuple[ast.Key, ...]]:
        """Level, name and keys of a path."""
        first = segments[0]
        named = len(segments) > 1 and first.name in CONTEXTS and not first.keys
        level = first.name if named else self.context or ""
        name = ".".join(s.name for s in (segments[1:] if named else segments))
        return level, name, segments[-1].keys

    # -- enums and durations ------------------------------------------------------------------------------------------

    def symbol(self, node: Any, beside: ast.Node) -> Any:
        """A tail of an enum's symbol where the path beside it says which enum."""
        if not isinstance(node, ast.Name) or not isinstance(beside, ast.Path):
            return node
        level, name, keys = self._split(beside.segments)
        prefix = _symbol_prefixes().get((level, name))
        if prefix is None or keys or level not in CONTEXTS:
            return node
        enums = CONTEXTS[level].enums
        whole = prefix + node.name
        return replace(node, name=whole) if node.name not in enums and whole in enums else node

    def comparison(self, node: ast.Comparison) -> ast.Node:
        left = self.milliseconds(self.symbol(node.left, node.right), node.right)
        right = self.milliseconds(self.symbol(node.right, node.left), node.left)
        if left is node.left and right is node.right:
            return node
        return replace(node, left=left, right=right)

    def milliseconds(self, node: Any, beside: ast.Node) -> Any:
        """A bare number beside a span's duration as the duration that it stands for."""
        if not any(beside is found for found in self.durations):
            return node
        negative = isinstance(node, ast.Unary)
        number = node.operand if isinstance(node, ast.Unary) else node
        if not isinstance(number, ast.Integer | ast.Float):
            return node
        nanoseconds = min(round(number.value * 1_000_000), INT64_MAX)
        found = ast.Duration(nanoseconds, range=number.range)
        return replace(node, operand=found) if negative else found

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, node: ast.Call) -> ast.Node:
        """A converter under its own name; editors stay as they are, and are no converters."""
        name = node.name
        if name[0].islower() and (name not in self.functions or self.functions[name].editor):
            name = converter_name(name, self.functions) or name
        return self._references(node if name == node.name else replace(node, name=name), name)

    def _references(self, node: ast.Call, name: str) -> ast.Call:
        """Converters passed by name, in lower case too."""
        function = self.functions.get(name)
        if function is None or all(p.form is not Form.FUNCTION for p in function.visible):
            return node
        arguments = list(node.arguments)
        for number, (argument, parameter) in enumerate(zip(arguments, function.visible, strict=False)):
            value = argument.value
            if argument.name is None and parameter.form is Form.FUNCTION and isinstance(value, ast.Path):
                known = converter_name(value.segments[0].name, self.functions) if len(value.segments) == 1 else None
                if known is not None:
                    arguments[number] = replace(argument, value=ast.Name(known, range=value.range))
        return replace(node, arguments=tuple(arguments))

    def statement(self, node: ast.Statement) -> ast.Statement:
        editor = node.editor
        if editor.arguments and isinstance(editor.arguments[0].value, ast.Path):
            target = editor.arguments[0].value
            arguments = tuple(replace(a, value=self.symbol(a.value, target)) for a in editor.arguments[1:])
            editor = replace(editor, arguments=(editor.arguments[0], *arguments))
        return replace(node, editor=editor)


def lower(tree: Any, functions: FunctionSet, context: str | None = None) -> Any:
    """The tree with the short forms of the dialect spelled out.

    Args:
        tree: a statement, condition or value.
        functions: what rules may call.
        context: given explicitly; None where it is still to be inferred.
    """
    hidden = frozenset(
        name for node in ast.walk(tree) if isinstance(node, ast.Lambda) for name in node.parameters if name != "_"
    )
    work = _Lowering(functions, context, hidden)
    lowered: Any = ast.replace(tree, work)
    if isinstance(tree, ast.Statement):
        # The name of an editor is looked up by itself; a converter may not stand in its place.
        lowered = replace(lowered, editor=_action(replace(lowered.editor, name=tree.editor.name)))
    return lowered


def _action(editor: ast.Call) -> ast.Call:
    """`limit(count, period)` under its own name, and the name of an exporter as a text."""
    arguments = editor.arguments
    if editor.name == "limit" and len(arguments) == 2 and not isinstance(arguments[0].value, ast.Path):
        return replace(editor, name="rate_limit")
    if editor.name == "route" and len(arguments) == 1 and isinstance(arguments[0].value, ast.Path):
        path = arguments[0].value
        if path.segments[0].name == "exporter" and not any(s.keys for s in path.segments) and len(path.segments) > 1:
            name = ".".join(s.name for s in path.segments[1:])
            argument = replace(arguments[0], value=ast.String(name.encode(), range=path.range))
            return replace(editor, arguments=(argument,))
    return editor

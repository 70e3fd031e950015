"""Text to syntax tree.

The grammar (`grammar/ottl.lark`) is wider than the language: values, arithmetic and conditions share one expression
grammar, because one token of lookahead cannot tell what an opening parenthesis begins. `_Builder` makes the nodes as
the parser reduces, and each construct there says what it admits (`_as_value`, `_as_condition`...),
so that what the reference refuses is refused, with a message about the construct and not about tokens.

The builder and the compiled grammar hold no state of a parse and are shared by threads. Lark is imported with the
first parse. The first mistake ends a text; `parse_all` goes on with the next one. Nothing here recurses: the parser
keeps a stack of its own, and a tree deeper than the limit (`ottl.bounds`) is refused before anyone else walks it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from ottl import ast, bounds
from ottl.errors import ConfigError, Diagnostic, register_codes
from ottl.grammar import load
from ottl.source import Source, SourceRange

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = [
    "Start",
    "parse_all",
    "parse_condition",
    "parse_part",
    "parse_statement",
    "parse_value",
]


register_codes(
    {
        "E101": "unexpected character",
        "E102": "unexpected word or sign",
        "E103": "bad literal",
        "E104": "nested too deep",
        "E105": "text too long",
        "E106": "the name of an editor starts with a lower-case letter",
        "E107": "the name of a converter starts with an upper-case letter",
        "E108": "positional argument after a named one",
        "E109": "only paths and results of converters can be indexed",
        "E110": "not a condition",
        "E111": "not an arithmetic operand",
        "E112": "a condition is not a value",
        "E113": "bad lambda",
        "E114": "bad key",
        "E115": "unexpected end of the text",
        "E116": "reserved word",
    }
)

Start = Literal["statement", "condition", "value"]
"""What a text is to be parsed as."""
_Children = list[Any]

_KEYWORDS: Final = ("nil", "not", "or", "and", "true", "false")
_ESCAPE = re.compile(
    r'\\(?:(?P<plain>[abfnrtv\\"])|(?P<octal>[0-3][0-7]{2})|x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})'
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<bad>.))",
    re.DOTALL,
)
_PLAIN_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}
_SURROGATE = re.compile("[\ud800-\udfff]")
# A string without its closing quote goes to the end, or looking for its end would start again at every escaped quote.
_BRACKET_OR_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[(\[{)\]}]', re.DOTALL)
_SCRIPT_BRACKET_OR_STRING = re.compile(
    r"""\#[^\n]*|"[^"\\]*(?:\\.[^"\\]*)*"?|'[^'\\]*(?:\\.[^'\\]*)*'?|[(\[{)\]}]""", re.DOTALL
)
_DURATION_PART = re.compile(r"([0-9]+)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_UNITS_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


class _TextError(Exception):
    """A mistake in the text, on its way from the builder to the diagnostic."""

    def __init__(self, code: str, message: str, range: SourceRange, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = _clip(message, 300)
        self.range = range
        self.hint = None if hint is None else _clip(hint, 300)

    def moved(self, offset: int) -> _TextError:
        """The same mistake with its place further on in the text."""
        place = SourceRange(self.range.start + offset, self.range.end + offset)
        return _TextError(self.code, self.message, place, self.hint)


def parse_statement(source: Source) -> ast.Statement:
    """The tree of a statement: an editor, and the condition after `where`.

    Raises:
        ConfigError: the text is not a statement; it has one diagnostic.
    """
    statement = _parse(source, "statement")
    assert isinstance(statement, ast.Statement)
    return statement


def parse_condition(source: Source) -> ast.BooleanExpression:
    """The tree of a condition.

    Raises:
        ConfigError: the text is not a condition; it has one diagnostic.
    """
    condition = _parse(source, "condition")
    assert isinstance(condition, ast.BooleanExpression)
    return condition


def parse_value(source: Source) -> ast.Value:
    """The tree of a value expression.

    Raises:
        ConfigError: the text is not a value; it has one diagnostic.
    """
    value = _parse(source, "value")
    assert isinstance(value, ast.Value)
    return value


def parse_all(sources: Iterable[Source]) -> tuple[list[ast.Statement | None], list[Diagnostic]]:
    """The trees of many statements, and the diagnostics of those that are none.

    Returns:
        One entry a source, None where it has a syntax error; and the diagnostics in the order of the sources.
    """
    statements: list[ast.Statement | None] = []
    diagnostics: list[Diagnostic] = []
    for source in sources:
        try:
            statements.append(parse_statement(source))
        except ConfigError as error:
            statements.append(None)
            diagnostics.extend(error.diagnostics)
    return statements, diagnostics


def parse_part(source: Source, start: Start, place: SourceRange | None = None) -> Any:
    """The tree of a statement, condition or value of the script dialect; ranges are offsets into the whole source.

    Args:
        source: the text.
        start: what it is to be.
        place: the piece of the text that is to be read; None for all of it.

    Raises:
        ConfigError: the text is not of the kind; it has one diagnostic.
    """
    return _parse(source, start, place or SourceRange(0, len(source.text)))


def _parse(source: Source, start: Start, place: SourceRange | None = None) -> ast.Node:
    try:
        return _read(source.text, start) if place is None else _read_part(source.text, start, place)
    except _TextError as problem:
        diagnostic = Diagnostic(problem.code, "error", problem.message, problem.range, problem.hint, source)
    raise ConfigError([diagnostic])


def _read(text: str, start: Start) -> ast.Node:
    from lark import UnexpectedCharacters, UnexpectedToken

    _check_size(text)
    try:
        tree = _grammar().parse(text, start=start)
    except UnexpectedCharacters as error:
        offset: Any = error.pos_in_stream
        raise _unexpected_character(text, offset) from None
    except UnexpectedToken as error:
        raise _unexpected_token(text, start, error.token, error.accepts) from None
    assert isinstance(tree, ast.Node)
    _check_depth(tree)
    return tree


def _read_part(text: str, start: Start, place: SourceRange) -> ast.Node:
    """A piece of a script. What the lexer and the grammar refuse is described by the piece alone, then moved."""
    from lark import TextSlice, Token, UnexpectedCharacters, UnexpectedToken

    piece = text[place.start : place.end]
    try:
        _check_size(piece, dialect=True)
    except _TextError as problem:
        raise problem.moved(place.start) from None
    try:
        tree = _script_grammar().parse(TextSlice(text, place.start, place.end), start=start)
    except UnexpectedCharacters as error:
        offset: Any = error.pos_in_stream
        raise _unexpected_character(piece, offset - place.start, dialect=True).moved(place.start) from None
    except UnexpectedToken as error:
        token = error.token
        if token.type != "$END":
            token = Token(token.type, token.value, token.start_pos - place.start, end_pos=token.end_pos - place.start)
        raise _unexpected_token(piece, start, token, error.accepts, dialect=True).moved(place.start) from None
    assert isinstance(tree, ast.Node)
    _check_depth(tree)
    return tree


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    from lark import Lark

    return Lark(load("ottl"), transformer=_Builder(), **_OPTIONS)


@lru_cache(maxsize=1)
def _script_grammar() -> Lark:
    from lark import Lark
    from lark.load_grammar import FromPackageLoader

    places = [FromPackageLoader("ottl.grammar", ("",))]
    return Lark(load("script"), transformer=_Builder(dialect=True), import_paths=places, **_OPTIONS)


_OPTIONS: Final[dict[str, Any]] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": ["statement", "condition", "value"],
    "maybe_placeholders": False,
}


def _check_size(text: str, dialect: bool = False) -> None:
    """Refuse what is too long, or has brackets too deep (parentheses leave no trace in the tree)."""
    limits = bounds.current().limits
    if len(text) > limits.max_text:
        message = f"expected at most {limits.max_text:,} characters, got {len(text):,}"
        raise _TextError("E105", message, SourceRange(0, 1), "split the statement")
    most = limits.max_nesting
    if sum(map(text.count, "([{")) <= most:
        return
    level = 0
    for token in _brackets(dialect).finditer(text):
        if token[0] in "([{":
            level += 1
            if level > most:
                raise _too_deep(SourceRange(*token.span()), most)
        elif token[0] in ")]}":
            level -= 1


def _brackets(dialect: bool) -> re.Pattern[str]:
    """Finds brackets, and passes over what is none: strings, in scripts also comments."""
    return _SCRIPT_BRACKET_OR_STRING if dialect else _BRACKET_OR_STRING


def _check_depth(tree: ast.Node) -> None:
    """Refuse a tree that is deeper than those who walk it can go."""
    most = bounds.current().limits.max_nesting
    if ast.depth(tree) > most:
        raise _too_deep(tree.range, most)


def _too_deep(range: SourceRange, most: int) -> _TextError:
    return _TextError("E104", f"expected at most {most} expressions inside each other", range)


@dataclass(frozen=True, slots=True)
class _Parentheses(ast.Node):
    """Something in parentheses before it is known what: a value, a condition, or the parameters of a lambda."""

    items: tuple[ast.Node, ...]


_CONDITIONS: Final = (ast.Comparison, ast.Not, ast.And, ast.Or)
_KEYS: Final = (ast.Path, ast.Call, ast.Integer, ast.Float, ast.Unary, ast.Binary)
_ARITHMETIC: Final = (*_KEYS, ast.Duration)

_WORDS: Final[dict[type[ast.Node], str]] = {
    ast.Nil: "`nil`",
    ast.Boolean: "a boolean",
    ast.Integer: "an integer",
    ast.Float: "a float",
    ast.Duration: "a duration",
    ast.String: "a string",
    ast.Bytes: "bytes",
    ast.Name: "an enum",
    ast.Path: "a path",
    ast.Call: "a call",
    ast.List: "a list",
    ast.Map: "a map",
    ast.Unary: "arithmetic",
    ast.Binary: "arithmetic",
    ast.Group: "arithmetic",
    ast.Comparison: "a comparison",
    ast.Not: "a condition",
    ast.And: "a condition",
    ast.Or: "a condition",
    _Parentheses: "parentheses",
}


def _inside(node: ast.Node) -> ast.Node:
    """What stands in parentheses, however many there are."""
    while isinstance(node, _Parentheses):
        if len(node.items) != 1:
            expected = "a value" if not node.items else "one value"
            got = "nothing" if not node.items else f"{len(node.items)}"
            hint = "parameters in parentheses begin a lambda: `(a, b) => ...`, which stands only as an argument"
            raise _TextError("E113", f"expected {expected} in the parentheses, got {got}", node.range, hint)
        node = node.items[0]
    return node


def _no_value(node: ast.Node) -> _TextError:
    hint = "put the condition after `where`"
    return _TextError("E112", "expected a value, got a condition", node.range, hint)


def _is_condition(node: ast.Node) -> bool:
    """Whether a node can only be a condition."""
    if not isinstance(node, _Parentheses):
        return isinstance(node, _CONDITIONS)
    while isinstance(node, _Parentheses) and len(node.items) == 1:
        node = node.items[0]
    return isinstance(node, (*_CONDITIONS, ast.Boolean))


def _covering(first: Any, last: Any) -> SourceRange:
    return SourceRange(_start(first), _end(last))


def _start(part: Any) -> int:
    start: int = part.range.start if isinstance(part, ast.Node) else part.start_pos
    return start


def _end(part: Any) -> int:
    end: int = part.range.end if isinstance(part, ast.Node) else part.end_pos
    return end


class _Builder:
    """Makes the nodes; a method a rule of the grammar, called with the tokens and nodes of that rule.

    Args:
        dialect: converters may be written in lower case.
    """

    def __init__(self, dialect: bool = False) -> None:
        self.dialect = dialect

    def __getattr__(self, name: str) -> Any:
        """Names that a grammar gives to alternatives carry the grammar's name where another one imports them."""
        if name.startswith("ottl__"):
            return getattr(self, name.removeprefix("ottl__"))
        raise AttributeError(name)

    def statement(self, parts: _Children) -> ast.Statement:
        editor = parts[0]
        if editor.name[0].isupper():
            message = f"editor names must start with a lower-case letter, got `{editor.name}`"
            hint = "a converter gives a value and cannot stand alone: `set(path, value)` stores it"
            if editor.name[1:].islower():
                hint = f"did you mean `{editor.name.lower()}`?"
            raise _TextError("E106", message, editor.name_range, hint)
        if editor.keys:
            keys = _covering(editor.keys[0], editor.keys[-1])
            raise _TextError("E109", f"only paths and converters can be indexed, not the editor `{editor.name}`", keys)
        if len(parts) == 1:
            return ast.Statement(editor, range=editor.range)
        where = parts[1]
        if where.value != "where":
            message = f"expected `where` or the end of the statement, got `{where.value}`"
            raise _TextError("E102", message, _covering(where, where), _where_hint(where.value, parts[2]))
        return ast.Statement(editor, self._as_condition(parts[2]), range=_covering(editor, parts[2]))

    def condition(self, parts: _Children) -> ast.Node:
        inner = parts[0]
        if isinstance(inner, ast.Call) and inner.name[0].islower() and not self.dialect:
            raise _TextError("E110", f"expected a condition, got the editor `{inner.name}`", inner.range)
        return self._as_condition(inner)  # type: ignore[no-any-return]

    def value(self, parts: _Children) -> ast.Node:
        return self._as_value(parts[0])  # type: ignore[no-any-return]

    def disjunction(self, parts: _Children) -> ast.Or:
        return ast.Or(tuple(map(self._as_condition, parts)), range=_covering(parts[0], parts[-1]))

    def conjunction(self, parts: _Children) -> ast.And:
        return ast.And(tuple(map(self._as_condition, parts)), range=_covering(parts[0], parts[-1]))

    def not_(self, parts: _Children) -> ast.Not:
        return ast.Not(self._as_condition(parts[1]), range=_covering(*parts))

    def comparison(self, parts: _Children) -> ast.Comparison:
        left, operator, right = parts
        return ast.Comparison(
            operator.value, self._as_operand(left), self._as_operand(right), range=_covering(left, right)
        )

    def binary(self, parts: _Children) -> ast.Binary:
        left, operator, right = parts
        return ast.Binary(
            operator.value, self._as_arithmetic(left), self._as_arithmetic(right), range=_covering(left, right)
        )

    def unary(self, parts: _Children) -> ast.Unary:
        operator, operand = parts
        inner = self._as_arithmetic(operand)
        if isinstance(operand, _Parentheses) and not isinstance(inner, ast.Unary | ast.Binary):
            inner = ast.Group(inner, range=operand.range)
        return ast.Unary(operator.value, inner, range=_covering(operator, operand))

    def literal(self, parts: _Children) -> ast.Node:
        token = parts[0]
        return _LITERALS[token.type](token.value, SourceRange(token.start_pos, token.end_pos))

    def call(self, parts: _Children) -> ast.Call:
        name = parts[0]
        _check_name(name.value, _covering(name, name))
        arguments = tuple(part for part in parts if isinstance(part, ast.Argument))
        named = False
        for argument in arguments:
            if named and argument.name is None:
                hint = "give its name, or move it before the named ones"
                raise _TextError("E108", "a positional argument stands after a named one", argument.range, hint)
            named = argument.name is not None
        keys = tuple(part for part in parts if isinstance(part, ast.Key))
        return ast.Call(name.value, arguments, keys, range=_covering(name, parts[-1]), name_range=_covering(name, name))

    def argument(self, parts: _Children) -> ast.Argument:
        return ast.Argument(self._as_argument(parts[0]), range=parts[0].range)

    def named_argument(self, parts: _Children) -> ast.Argument:
        name, value = parts
        _check_name(name.value, _covering(name, name))
        return ast.Argument(self._as_argument(value), name.value, range=_covering(name, value))

    def lambda_(self, parts: _Children) -> ast.Lambda:
        parameters, body = parts
        if isinstance(body, ast.Lambda):
            raise _TextError("E113", "the body of a lambda must not be a lambda", body.range)
        names: list[str] = []
        for parameter in parameters.items:
            name = _parameter_name(parameter)
            if name is None:
                hint = "a parameter is a name in lower case or `_`"
                raise _TextError("E113", "expected a parameter of the lambda", parameter.range, hint)
            if name != "_" and name in names:
                raise _TextError("E113", f"the lambda has two parameters `{name}`", parameter.range)
            names.append(name)
        result = self._as_condition(body) if _is_condition(body) else self._as_value(body)
        return ast.Lambda(tuple(names), result, range=_covering(parameters, body))

    def path(self, parts: _Children) -> ast.Path:
        return ast.Path(tuple(parts), range=_covering(parts[0], parts[-1]))

    def segment(self, parts: _Children) -> ast.Segment:
        return ast.Segment(parts[0].value, tuple(parts[1:]), range=_covering(parts[0], parts[-1]))

    def key(self, parts: _Children) -> ast.Key:
        inner = parts[1]
        if isinstance(inner, ast.String):
            return ast.Key(inner, range=_covering(parts[0], parts[2]))
        if _is_condition(inner) or not isinstance(inner, (*_KEYS, _Parentheses)):
            message = f"expected a string, an integer, a path or a call as a key, got {_WORDS[type(inner)]}"
            raise _TextError("E114", message, inner.range)
        leftmost: ast.Node = inner
        while isinstance(leftmost, ast.Binary):
            leftmost = leftmost.left
        if inner is not leftmost and isinstance(leftmost, ast.Integer) and leftmost.range.start == inner.range.start:
            hint = "put the integer in parentheses"
            raise _TextError("E114", "a key that begins with an integer must be just that integer", inner.range, hint)
        return ast.Key(self._as_value(inner), range=_covering(parts[0], parts[2]))

    def list(self, parts: _Children) -> ast.List:
        return ast.List(tuple(map(self._as_value, parts[1:-1])), range=_covering(parts[0], parts[-1]))

    def map(self, parts: _Children) -> ast.Map:
        return ast.Map(tuple(parts[1:-1]), range=_covering(parts[0], parts[-1]))

    def entry(self, parts: _Children) -> tuple[ast.Node, ast.Node]:
        key, value = parts
        return _string(key.value, _covering(key, key)), self._as_value(value)

    def parentheses(self, parts: _Children) -> _Parentheses:
        return _Parentheses(tuple(parts[1:-1]), range=_covering(parts[0], parts[-1]))

    def _check_plain(self, node: ast.Node) -> None:
        """Refuse what never is an operand: editors, bare names of functions, the blank parameter."""
        if isinstance(node, ast.Call) and node.name[0].islower() and not self.dialect:
            proper = "".join(part[:1].upper() + part[1:] for part in node.name.split("_"))
            message = f"converter names must start with an upper-case letter, got `{node.name}`"
            hint = f"did you mean `{proper}`? (a name in lower case is an editor, and only a statement begins with one)"
            raise _TextError("E107", message, node.name_range, hint)
        if isinstance(node, ast.Name) and node.name == "_":
            raise _TextError("E113", "the blank `_` has no value", node.range, "name the parameter to use it")
        if isinstance(node, ast.Name) and not node.name.isupper():
            raise _TextError(
                "E102", f"expected `(` after the converter name `{node.name}`", node.range, _name_hint(node.name)
            )

    def _as_arithmetic(self, node: ast.Node) -> Any:
        """An operand of arithmetic."""
        inner = _inside(node)
        self._check_plain(inner)
        if isinstance(inner, _ARITHMETIC):
            return inner
        hint = None
        if isinstance(inner, ast.String):
            hint = 'join strings with Concat([...], "")'
        elif isinstance(inner, _CONDITIONS):
            hint = "a condition has no value"
        raise _TextError(
            "E111", f"expected a number, path or call as an operand, got {_WORDS[type(inner)]}", inner.range, hint
        )

    def _as_value(self, node: ast.Node) -> Any:
        """A value: anything but a condition; parentheses hold arithmetic only."""
        if isinstance(node, _Parentheses):
            inner = _inside(node)
            if isinstance(inner, (*_CONDITIONS, ast.Boolean)):
                raise _no_value(node)
            self._check_plain(inner)
            if not isinstance(inner, _ARITHMETIC):
                message = f"expected arithmetic in the parentheses, got {_WORDS[type(inner)]}"
                raise _TextError("E111", message, inner.range, "remove the parentheses")
            return inner if isinstance(inner, ast.Unary | ast.Binary) else ast.Group(inner, range=node.range)
        if isinstance(node, _CONDITIONS):
            raise _no_value(node)
        self._check_plain(node)
        return node

    def _as_operand(self, node: ast.Node) -> Any:
        """A side of a comparison."""
        if _is_condition(node):
            hint = "join conditions with `and` or `or`"
            raise _TextError("E112", "expected a value to compare, got a condition", node.range, hint)
        value = self._as_value(node)
        return value.operand if isinstance(value, ast.Group) else value

    def _as_condition(self, node: ast.Node) -> Any:
        """A condition: a comparison, a boolean, a call, or these joined."""
        inner = _inside(node)
        self._check_plain(inner)
        if isinstance(inner, (*_CONDITIONS, ast.Boolean, ast.Call)):
            return inner
        hint = None
        if isinstance(inner, ast.Path):
            hint = "compare it: `== true`, or `!= nil` for presence"
        elif isinstance(inner, ast.Name) and inner.name.lower() in _KEYWORDS:
            hint = f"keywords are lower case: `{inner.name.lower()}`"
        raise _TextError("E110", f"expected a condition, got {_WORDS[type(inner)]}", inner.range, hint)

    def _as_argument(self, node: ast.Node) -> Any:
        """An argument: a value, a lambda, the name of a function, or a condition."""
        if isinstance(node, ast.Lambda):
            return node
        if isinstance(node, ast.Name) and node.name != "_":
            _check_name(node.name, node.range)
            return node
        if _is_condition(node):
            return ast.Condition(self._as_condition(node), range=node.range)
        return self._as_value(node)


def _check_name(name: str, range: SourceRange) -> None:
    """Refuse a name with an upper-case run before exactly a keyword: the reference's lexer splits it there."""
    for keyword in _KEYWORDS:
        if name.endswith(keyword) and name.removesuffix(keyword).rstrip("0123456789_")[-1:].isupper():
            message = f"the name `{name}` ends in the keyword `{keyword}` behind an upper-case letter"
            raise _TextError("E116", message, range)


def _parameter_name(node: ast.Node) -> str | None:
    if isinstance(node, ast.Name) and node.name == "_":
        return "_"
    if isinstance(node, ast.Path) and len(node.segments) == 1 and not node.segments[0].keys:
        return node.segments[0].name
    return None


def _string(text: str, range: SourceRange) -> ast.String:
    quote, body = text[0], text[1:-1]
    if "\\" in body:
        body = _ESCAPE.sub(lambda escape: _unescape(escape, range.start + 1, quote), body)
    # A lone surrogate stands for bytes that were no UTF-8 in the first place.
    return ast.String(_SURROGATE.sub("\ufffd", body).encode(), range=range)


def _unescape(escape: re.Match[str], offset: int, quote: str) -> str:
    if escape["bad"] == quote:
        return quote
    place = SourceRange(offset + escape.start(), offset + escape.end())
    if escape["plain"]:
        return _PLAIN_ESCAPES[escape["plain"]]
    if escape["octal"]:
        return chr(int(escape["octal"], 8))
    digits = escape["hex"] or escape["short"] or escape["long"]
    if not digits:
        hint = f"write `{escape['bad']}`" if escape["bad"] == "'" else f"write `\\{escape[0]}` for a backslash"
        raise _TextError("E103", f"unknown escape `{escape[0]}` in the string", place, hint)
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise _TextError("E103", f"`{escape[0]}` is not a character", place)
    return chr(code)


def _integer(text: str, range: SourceRange) -> ast.Integer:
    octal = len(text) > 1 and text[0] == "0"
    digits = text.lstrip("0") or "0"
    if octal and ("8" in digits or "9" in digits):
        hint = f"write `{digits}`"
        raise _TextError("E103", f"an integer with a leading zero is octal, got `{_clip(text)}`", range, hint)
    value = int(digits, 8 if octal else 10) if len(digits) <= 22 else 1 << 63
    if value >= 1 << 63:
        raise _TextError("E103", f"expected an integer below 2^63, got `{_clip(text)}`", range)
    return ast.Integer(value, range=range)


def _float(text: str, range: SourceRange) -> ast.Float:
    value = float(text)
    if value == float("inf"):
        raise _TextError("E103", f"expected a 64-bit float, got `{_clip(text)}`", range)
    return ast.Float(value, range=range)


def _bytes(text: str, range: SourceRange) -> ast.Bytes:
    if len(text) % 2:
        message = f"expected an even number of hexadecimal digits, got {len(text) - 2}"
        raise _TextError("E103", message, range)
    return ast.Bytes(bytes.fromhex(text[2:]), range=range)


def _duration(text: str, range: SourceRange) -> ast.Duration:
    total = 0
    for whole, fraction, unit in _DURATION_PART.findall(text):
        total += int(whole[:25]) * _UNITS_NS[unit] + int(fraction[:25] or 0) * _UNITS_NS[unit] // 10 ** len(
            fraction[:25]
        )
    if total >= 1 << 63:
        raise _TextError("E103", f"expected a duration below 2^63 nanoseconds, got `{_clip(text)}`", range)
    return ast.Duration(total, text=text, range=range)


def _name(text: str, range: SourceRange) -> ast.Name:
    return ast.Name(text, range=range)


_LITERALS: Final[dict[str, Callable[[str, SourceRange], ast.Node]]] = {
    "NIL": lambda _, place: ast.Nil(range=place),
    "BOOLEAN": lambda text, place: ast.Boolean(text == "true", range=place),
    "BYTES": _bytes,
    "FLOAT": _float,
    "DURATION": _duration,
    "INT": _integer,
    "STRING": _string,
    "UPPER": _name,
    "UPPER_MIXED": _name,
    "UNDERSCORE": _name,
}


def _clip(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


# So much of the text around a mistake is searched for what may have caused it.
_TAIL: Final = 200
_VALUE_STARTS: Final = frozenset({"STRING", "INT", "NIL", "LPAR"})
_SIGNS: Final = {
    "_COMMA": "`,`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "RBRACE": "`}`",
    "_COLON": "`:`",
    "_ARROW": "`=>`",
    "$END": "the end",
}
_CHARACTER_HINTS: Final = {
    "'": 'strings take double quotes: "..."',
    "`": 'strings take double quotes: "..."',
    "\u2018": 'strings take straight double quotes: "..."',
    "\u2019": 'strings take straight double quotes: "..."',
    "\u201c": 'strings take straight double quotes: "..."',
    "\u201d": 'strings take straight double quotes: "..."',
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`, or `!=` for not equal",
    "%": "there is no remainder operator",
    "^": "there is no power operator",
    "#": "there are no comments here",
    ";": "one statement a string: split them",
    "$": "in a collector's YAML `$` in a string is written `$$`",
    "?": "there is no conditional operator: write two statements with `where`",
    "_": "names start with a letter",
    "\\": "an escape stands only inside a string",
    "\xa0": "this is a no-break space: write a plain one",
    "\u2013": "this is a dash: write `-`",
    "\u2212": "this is a minus sign from a word processor: write `-`",
}
_SCRIPT_HINTS: Final = {
    ";": "one statement a line",
    "$": "a `$` stands only inside a string",
    "\u2018": "strings take straight quotes: '...'",
    "\u2019": "strings take straight quotes: '...'",
}
_WORD_HINTS: Final = {
    "in": "write `ContainsValue(list, value)`, or join comparisons with `or`",
    "is": "write `==`",
    "eq": "write `==`",
    "ne": "write `!=`",
    "contains": 'write `ContainsValue(list, value)` or `IsMatch(text, "pattern")`',
    "matches": 'write `IsMatch(text, "pattern")`',
    "like": 'write `IsMatch(text, "pattern")`',
    "if": "write `where`",
    "when": "write `where`",
    "mod": "there is no remainder operator",
    "xor": "write `(a or b) and not (a and b)`",
}


def _unexpected_character(text: str, offset: int, dialect: bool = False) -> _TextError:
    character = text[offset]
    place = SourceRange(offset, offset + 1)
    if character == '"' or (character == "'" and dialect):
        message = "the string has no closing quote"
        repair = f"end it with `{character}`; a quote inside is `\\{character}`"
        return _TextError("E101", message, SourceRange(offset, len(text.rstrip())), repair)
    hints = {**_CHARACTER_HINTS, **_SCRIPT_HINTS} if dialect else _CHARACTER_HINTS
    hint = hints.get(character)
    if text[offset : offset + 2] == "!~":
        hint = 'write `IsMatch(text, "pattern")`'
    shown = repr(character)[1:-1] if not character.isprintable() else character
    return _TextError("E101", f"unexpected character `{shown}`", place, hint)


def _unexpected_token(text: str, start: Start, token: Token, accepts: set[str], dialect: bool = False) -> _TextError:
    before = text.rstrip() if token.type == "$END" else text[: token.start_pos]
    expected = _expected(before, start, accepts)
    if token.type == "$END":
        end = len(before)
        opener = _unclosed(text, dialect)
        hint = None
        if opener is not None:
            where = "" if dialect else f" in column {opener + 1}"
            hint = f"`{text[opener]}`{where} is not closed"
        return _TextError("E115", f"expected {expected}, got the end of the text", SourceRange(end, end + 1), hint)
    assert token.start_pos is not None
    assert token.end_pos is not None
    place = SourceRange(token.start_pos, token.end_pos)
    if start != "statement" and not dialect and before.strip() == "where":
        place = SourceRange(before.index("where"), len(before.rstrip()))
        return _TextError("E102", f"expected a {start}, got `where`", place, "leave `where` out")
    if token.value in _KEYWORDS and before.endswith("."):
        hint = f'`{token.value}` is a keyword; as a key it is `["{token.value}"]`'
        return _TextError("E116", f"expected a name, got the keyword `{token.value}`", place, hint)
    hint = _token_hint(before[-_TAIL:], token, text[token.end_pos :][:_TAIL], accepts)
    return _TextError("E102", f"expected {expected}, got `{_clip(token.value)}`", place, hint)


def _expected(before: str, start: Start, accepts: set[str]) -> str:
    """What may follow, in words: things before signs, closers last."""
    if not before.strip():
        return {"statement": "a statement", "condition": "a condition", "value": "a value"}[start]
    words: list[str] = []
    previous = re.search(r"[A-Za-z_]+$|.$", before.rstrip()[-_TAIL:], re.DOTALL)
    if accepts >= _VALUE_STARTS:
        after_keyword = previous is not None and previous[0] in {"where", "and", "or", "not"}
        words.append("a condition" if after_keyword else "a value")
    elif "LOWER" in accepts and "$END" in accepts:
        words.append("`where`")
    elif "LOWER" in accepts and "SIGN" not in accepts:
        words.append("a name")
    elif accepts == {"LPAR"}:
        words.append("`(`")
    if "STRING" in accepts and "INT" not in accepts:
        words.append("a string")
    if not words and accepts & {"COMPARISON", "SIGN", "FACTOR", "_AND", "_OR"}:
        words.append("an operator")
    words.extend(word for sign, word in _SIGNS.items() if sign in accepts)
    if not words:
        words.append("something else")
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _token_hint(before: str, token: Token, after: str, accepts: set[str]) -> str | None:
    """The likely slip behind an unexpected token."""
    word = str(token.value)
    lower = word.lower()
    last = before.rstrip()[-1:]
    pair = before[-1:] + word
    if lower in (*_KEYWORDS, "where") and word != lower:
        return f"keywords are lower case: `{lower}`"
    if lower == "where":
        return "a statement has one `where`: join conditions with `and`"
    if token.type == "_DOT" and accepts == {"LPAR"}:
        return "a statement begins with an editor: `set(path, value)` changes a field"
    if token.type == "_EQUAL":
        if after.startswith("~"):
            return 'write `IsMatch(text, "pattern")`'
        if re.search(r"[(,]\s*[A-Z]\w*\s*$", before):
            return "the name of an argument starts with a lower-case letter"
        if last == "=":
            return "`==` compares, there is no `===`"
        return "`==` compares; a field is changed with `set(path, value)`"
    if pair == "<>":
        return "not equal is `!=`"
    if token.type == "COMPARISON":
        return _comparison_hint(last, accepts)
    if token.type == "_ARROW":
        return "a lambda `(a) => ...` stands only as an argument; at least is `>=`"
    if token.type in {"RPAR", "RSQB"} and last == ",":
        return "remove the comma before it"
    if token.type == "NOT" and re.search(r"\bnot\s*$", before):
        return "write `not (not ...)`"
    if token.type == "SIGN" and last in {"+", "-"}:
        return "one sign an operand: write `-(-...)`"
    if token.type == "FACTOR":
        return "there are no comments here" if word == "/" and last == "/" else "an operand is missing before it"
    if token.type == "LSQB" and last in {"]", "}", '"'}:
        return "only paths and results of converters can be indexed"
    if re.search(r"[0-9]$", before) and token.type in {"LOWER", "LOWER_MIXED"}:
        return _number_hint(before, word)
    if (
        re.search(r"[A-Za-z0-9_][ \t\r\n\f]+$", before)
        and after.lstrip().startswith("(")
        and token.type.endswith(("ER", "MIXED"))
    ):
        joined = re.search(r"[A-Za-z0-9_]+[ \t\r\n\f]+$", before)
        if joined is not None and joined[0].strip() not in {*_KEYWORDS, "where"}:
            return _WORD_HINTS.get(word) or f"a name has no blanks: `{joined[0].strip()}{word}`"
    if word in _WORD_HINTS:
        return _WORD_HINTS[word]
    if "_COMMA" in accepts and token.type in {*_VALUE_STARTS, "LOWER", "UPPER", "UPPER_MIXED", "BOOLEAN", "FLOAT"}:
        near = difflib.get_close_matches(word, ("and", "or", "where"), 1, 0.6)
        return f"did you mean `{near[0]}`?" if near else "is a comma or an operator missing before it?"
    return _near_keyword(word, accepts)


def _near_keyword(word: str, accepts: set[str]) -> str | None:
    words = [keyword for keyword, terminal in (("and", "_AND"), ("or", "_OR"), ("not", "NOT")) if terminal in accepts]
    near = difflib.get_close_matches(word.lower(), words, 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else None


def _comparison_hint(last: str, accepts: set[str]) -> str | None:
    if last in {"=", "<", ">"}:
        return "the comparisons are == != < <= > >="
    if "_AND" in accepts:
        return "comparisons cannot be chained: join two with `and`"
    return None


def _number_hint(before: str, word: str) -> str | None:
    number = re.search(r"[0-9.]+$", before)
    assert number is not None
    if re.fullmatch(r"e[0-9]*", word):
        return f"a float has a dot: `{number[0]}.0{word}`"
    if word in {"ns", "us", "ms", "s", "m", "h"}:
        return f'a duration is `Duration("{number[0]}{word}")`'
    if number[0] == "0" and word.startswith("x"):
        return "bytes are `0x` and pairs of hexadecimal digits"
    return "names start with a letter"


def _name_hint(name: str) -> str | None:
    lower = name.lower()
    if lower in _KEYWORDS:
        return f"keywords are lower case: `{lower}`"
    return None


def _where_hint(word: str, after: ast.Node) -> str | None:
    if word in _WORD_HINTS and "where" in _WORD_HINTS[word]:
        return _WORD_HINTS[word]
    if difflib.get_close_matches(word, ["where"], 1, 0.6):
        return "did you mean `where`?"
    if isinstance(after, _Parentheses):
        return "a statement has one editor: write one statement a string"
    return None


def _unclosed(text: str, dialect: bool = False) -> int | None:
    """Offset of the innermost bracket that is still open at the end."""
    stack: list[int] = []
    for token in _brackets(dialect).finditer(text):
        if token[0] in "([{":
            stack.append(token.start())
        elif token[0] in ")]}" and stack:
            stack.pop()
    return stack[-1] if stack else None

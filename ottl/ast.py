"""The syntax tree: frozen dataclasses, each with the range of text it came from.

The tree says what was written and nothing more: names are not looked up, types not known. Ranges do not take part in
equality, so two texts that mean the same have equal trees. Parentheses are kept in two places only, because the
reference treats what stands in them differently:

- `Group`: a number, path or call in parentheses where a value or a signed operand stands. `(1)` is an arithmetic
  expression and no longer a literal, `(span.name)` no longer a path that an editor could set, `-(1)` is not folded.
  (On the sides of an operator, arithmetic or comparison, the parentheses of a single operand mean nothing and vanish.)
- `Condition`: a boolean expression as an argument. The reference has no such arguments, so only a parameter declared
  as a condition takes one; for every other parameter it is a syntax error (`E112`) which the binder reports.

An upper-case word is a `Name`: an enum symbol or, as an argument, the name of a function; the binder decides by the
parameter.

Nesting is limited by the parser (`Limits.max_nesting` expressions), and everything in this module walks with a stack
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias

from ottl.source import NOWHERE, SourceRange

__all__ = [
    "And",
    "Argument",
    "Binary",
    "Block",
    "Boolean",
    "Bytes",
    "Call",
    "Comment",
    "Comments",
    "Comparison",
    "Condition",
    "Duration",
    "Expression",
    "Float",
    "Group",
    "Integer",
    "Key",
    "Lambda",
    "List",
    "Map",
    "Name",
    "Nil",
    "Node",
    "Not",
    "Or",
    "Path",
    "Script",
    "Segment",
    "Statement",
    "String",
    "Unary",
    "children",
    "depth",
    "dump",
    "replace",
    "walk",
]

ArithmeticOperator = Literal["+", "-", "*", "/"]
ComparisonOperator = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all nodes; `range` is where the node was written."""

    range: SourceRange = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Nil(Node):
    """The literal `nil`."""


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """The literal `true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Integer(Node):
    """An integer literal, 0 to 2^63 - 1 (a sign is a `Unary`)."""

    value: int


@dataclass(frozen=True, slots=True)
class Float(Node):
    """A float literal; finite, not negative."""

    value: float


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """A duration literal of the script dialect such as `1h30m`; not negative (a sign is a `Unary`).

    Args:
        value: nanoseconds, below 2^63.
        text: as it was written.
    """

    value: int
    text: str = field(default="", compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class String(Node):
    """A string literal; `value` is its UTF-8, escapes resolved (an escaped byte FF is the code point U+00FF)."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Bytes(Node):
    """A bytes literal such as `0x0aff`."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Name(Node):
    """An upper-case word: an enum symbol, or the name of a function where a function is wanted."""

    name: str


@dataclass(frozen=True, slots=True)
class Key(Node):
    """An index in brackets: a string, an integer, a float, a path, a call or arithmetic."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Segment(Node):
    """One dotted part of a path with its keys."""

    name: str
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Path(Node):
    """Dotted segments; whether the first one is a context is for the binder. A lambda parameter looks the same."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """An argument of a call, with its name if it was given one."""

    value: Expression
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A call of a converter or an editor; `name_range` is where its name was written."""

    name: str
    arguments: tuple[Argument, ...] = ()
    keys: tuple[Key, ...] = ()
    name_range: SourceRange = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class List(Node):
    """A list literal."""

    items: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Map(Node):
    """A map literal as written; of equal keys the later one counts."""

    entries: tuple[tuple[String, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class Group(Node):
    """A number, path or call in parentheses: arithmetic without an operator."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """A signed operand."""

    operator: Literal["+", "-"]
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic on two operands."""

    operator: ArithmeticOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """A comparison of two values."""

    operator: ComparisonOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not(Node):
    """A negated condition."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And(Node):
    """Two or more conditions joined by `and`."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Two or more conditions joined by `or`."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    """`(a, _) => body`; the body is a value or a boolean expression, a parameter may be the blank `_`."""

    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Condition(Node):
    """A boolean expression as an argument, for a parameter that is declared as a condition."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """A comment of a script, from its `#` to the end of the line."""

    text: str


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of a statement or of a block's condition.

    Args:
        above: those on lines of their own, and those inside a statement of several lines.
        beside: the one behind it.
    """

    above: tuple[Comment, ...] = ()
    beside: Comment | None = None


@dataclass(frozen=True, slots=True)
class Statement(Node):
    """An editor and the condition under which it runs.

    `guarded` says that a script has the condition in front: `condition > editor`. Comments and spelling are no part of
    the meaning and do not count in comparisons.
    """

    editor: Call
    condition: Expression | None = None
    guarded: bool = field(default=False, compare=False, repr=False, kw_only=True)
    comments: Comments = field(default=Comments(), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Block(Node):
    """Statements of a script that run row by row together, and the condition that governs them all.

    Args:
        statements: at least one.
        condition: of a `where` that begins a line; evaluated once a row, before the first statement.
        before: comments above the block that blank lines set apart, paragraph by paragraph.
        comments: of the condition.
        after: comment lines behind the last line of the block.
    """

    statements: tuple[Statement, ...]
    condition: Expression | None = None
    before: tuple[tuple[Comment, ...], ...] = field(default=(), compare=False, repr=False, kw_only=True)
    comments: Comments = field(default=Comments(), compare=False, repr=False, kw_only=True)
    after: tuple[Comment, ...] = field(default=(), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Script(Node):
    """The blocks of a script in order; `after` are the paragraphs of comments behind the last one."""

    blocks: tuple[Block, ...] = ()
    after: tuple[tuple[Comment, ...], ...] = field(default=(), compare=False, repr=False, kw_only=True)


Value: TypeAlias = (
    Nil
    | Boolean
    | Integer
    | Float
    | Duration
    | String
    | Bytes
    | Name
    | Path
    | Call
    | List
    | Map
    | Group
    | Unary
    | Binary
)
BooleanExpression: TypeAlias = Boolean | Call | Comparison | Not | And | Or
Expression: TypeAlias = Value | BooleanExpression | Lambda | Condition

_TRANSPARENT: Final = (Argument, Segment, Key, Statement, Condition, Block, Script)


def _plain_fields(kind: type[Node]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.compare)


_FIELDS: dict[type[Node], tuple[str, ...]] = {
    kind: _plain_fields(kind)
    for kind in (
        Nil,
        Boolean,
        Integer,
        Float,
        Duration,
        String,
        Bytes,
        Name,
        Key,
        Segment,
        Path,
        Argument,
        Call,
        List,
        Map,
        Group,
        Unary,
        Binary,
        Comparison,
        Not,
        And,
        Or,
        Lambda,
        Condition,
        Comment,
        Statement,
        Block,
        Script,
    )
}


def children(node: Node) -> list[Node]:
    """The nodes directly below a node, in the order of the text as far as the tree knows it."""
    found: list[Node] = []
    for name in _FIELDS[type(node)]:
        _collect(getattr(node, name), found)
    return found


def _collect(value: Any, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _collect(item, found)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, parents before children, left to right."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))


def depth(node: Node) -> int:
    """The largest number of expressions inside each other (arguments, segments and keys do not count themselves)."""
    deepest = 0
    stack = [(node, 0)]
    while stack:
        top, level = stack.pop()
        if not isinstance(top, _TRANSPARENT):
            level += 1
            deepest = max(deepest, level)
        stack.extend((child, level) for child in children(top))
    return deepest


def replace(node: Node, function: Callable[[Node], Node]) -> Node:
    """The tree rebuilt from its leaves: `function` gets each node with its new children and returns its substitute.

    A node whose children did not change is handed over as it is, so that an untouched subtree stays the same object.
    """
    done: list[Node] = []
    work: list[tuple[Node, int]] = [(node, -1)]
    while work:
        top, count = work.pop()
        if count < 0:
            below = children(top)
            work.append((top, len(below)))
            work.extend((child, -1) for child in reversed(below))
            continue
        new = done[len(done) - count :]
        del done[len(done) - count :]
        done.append(function(_rebuild(top, new)))
    return done[0]


def _rebuild(node: Node, new: list[Node]) -> Node:
    if all(old is fresh for old, fresh in zip(children(node), new, strict=True)):
        return node
    source = iter(new)
    values = {name: _substitute(getattr(node, name), source) for name in _FIELDS[type(node)]}
    rest = {item.name: getattr(node, item.name) for item in fields(node) if not item.compare}
    return type(node)(**values, **rest)


def _substitute(value: Any, source: Iterator[Node]) -> Any:
    if isinstance(value, Node):
        return next(source)
    if isinstance(value, tuple):
        return tuple(_substitute(item, source) for item in value)
    return value


def dump(node: Node) -> str:
    """The tree as indented text, one node a line, without ranges; stable, for tests and for reading."""
    lines: list[str] = []
    stack = [(node, 0)]
    while stack:
        top, level = stack.pop()
        lines.append("  " * level + _label(top))
        stack.extend((child, level + 1) for child in reversed(children(top)))
    return "\n".join(lines)


def _label(node: Node) -> str:
    words = [type(node).__name__]
    for name in _FIELDS[type(node)]:
        value = getattr(node, name)
        if isinstance(value, str) and not isinstance(node, Argument):
            words.append(value)
        elif isinstance(value, str):
            words.append(f"{value}=")
        elif isinstance(node, Bytes):
            words.append("0x" + node.value.hex())
        elif isinstance(node, Lambda) and name == "parameters":
            words.append("(" + ", ".join(node.parameters) + ")")
        elif isinstance(value, bool | int | float | bytes):
            words.append(repr(value))
    return " ".join(words)

"""The typed tree: what the binder makes of the syntax tree, and what the planner rewrites.

Names are gone: a path is a `PathSpec`, a call holds its `Function`, an enum is a constant. Every expression knows its
static kind, `Kind.ANY` where only rows can tell. Nodes are frozen and compare by meaning (ranges left out), so equal
expressions are equal objects to the planner.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from ottl.contexts.paths import PathSpec
from ottl.functions import Function, Parameter
from ottl.source import NOWHERE, Source, SourceRange
from ottl.types import Kind, Value

ArithmeticOperator = Literal["+", "-", "*", "/"]
ComparisonOperator = Literal["==", "!=", "<", "<=", ">", ">="]


class ConstantKey:
    """What makes two constants the same: the type as well as the value, NaN and the sign of zero included."""

    __slots__ = ("text",)

    def __init__(self, value: object) -> None:
        self.text = f"{type(value).__name__} {value!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstantKey) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@functools.cache
def _names(node: type[Any]) -> tuple[str, ...]:
    """The fields that make up a node's meaning."""
    return tuple(f.name for f in fields(node) if f.compare)


def _parts(node: Any) -> tuple[object, ...]:
    kind: Any = type(node)
    return tuple(getattr(node, name) for name in _names(kind))


def _same(left: object, right: object) -> bool:
    pending = [(left, right)]
    while pending:
        a, b = pending.pop()
        if a is b:
            continue
        if type(a) is not type(b):
            return False
        if isinstance(a, tuple) and isinstance(b, tuple):
            if len(a) != len(b):
                return False
            pending.extend(zip(a, b, strict=True))
        elif isinstance(a, (Expression, Place, Elements)):
            if hash(a) != hash(b):
                return False
            pending.extend(zip(_parts(a), _parts(b), strict=True))
        elif a != b:
            return False
    return True


def _shown(node: object) -> str:
    text: list[str] = []
    pending = [node]
    while pending:
        top = pending.pop()
        match top:
            case Constant(value=value):
                text.append(f"Constant({value!r})")
            case Expression() | Place() | Elements():
                text.append(f"{type(top).__name__}(")
                pending.append(_Text(")"))
                pending.extend(part for part in reversed(_parts(top)) if not isinstance(part, Kind))
            case tuple():
                text.append("(")
                pending.append(_Text(")"))
                pending.extend(reversed(top))
            case _Text():
                text.append(top)
            case PathSpec():
                text.append(f"{top.level}.{top.name} ")
            case _:
                text.append(f"{top!r} ")
    return "".join(text)


class _Text(str):
    """A piece of finished text among the nodes that are still to be shown."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Expression:
    """Base of the nodes that have a value.

    Hash, equality and `repr` do not recurse: trees nest as deep as the parser allows, and the compiler looks every node
    up.
    """

    kind: Kind
    range: SourceRange = field(default=NOWHERE, compare=False, repr=False, kw_only=True)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((type(self), *_parts(self))))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and _same(self, other)

    def __repr__(self) -> str:
        return _shown(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant(Expression):
    """A value known when the rule is loaded. `literal`: written as one, so the reference knows it too."""

    value: Value = field(compare=False)
    literal: bool = field(default=True, compare=False)
    key: ConstantKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", ConstantKey(self.value))
        Expression.__post_init__(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Load(Expression):
    """A read of a path with its keys."""

    spec: PathSpec
    keys: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Invoke(Expression):
    """A call of a converter. Arguments stand in the order of the function's parameters; `None` = left out."""

    function: Function
    arguments: tuple[Operand | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Index(Expression):
    """A key applied to a value that is no path: stricter than `Load`, a missing key is an error."""

    value: Expression
    key: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MakeList(Expression):
    """A list literal with parts that rows decide."""

    items: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MakeMap(Expression):
    """A map literal with parts that rows decide; keys are distinct."""

    keys: tuple[bytes, ...] = ()
    items: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Arithmetic(Expression):
    """Two operands and an operator; both are evaluated before either is looked at."""

    operator: ArithmeticOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Negate(Expression):
    """Unary minus."""

    operand: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compare(Expression):
    """A comparison; never fails of itself."""

    operator: ComparisonOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Truth(Expression):
    """A converter's result as a condition: an error unless it is a bool."""

    operand: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not(Expression):
    """Negation."""

    operand: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class And(Expression):
    """Operands evaluated left to right up to the first false one."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Or(Expression):
    """Operands evaluated left to right up to the first true one."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FirstNonNil(Expression):
    """Operands evaluated left to right up to the first that is not nil."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A path as the target of an editor."""

    spec: PathSpec
    keys: tuple[Expression, ...] = ()
    range: SourceRange = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Elements:
    """A list literal for a parameter that takes one, element by element."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A converter passed by name, with the parameter that its argument fills."""

    function: Function
    parameter: Parameter | None


Operand: TypeAlias = "Expression | Place | Elements | FunctionReference"


@dataclass(frozen=True, slots=True)
class Statement:
    """An editor call and its condition.

    Args:
        editor: the editor.
        arguments: as in `Invoke`.
        condition: `None` = always.
        source: the text, for messages; `range` in `source` where it has several statements.
    """

    editor: Function
    arguments: tuple[Operand | None, ...]
    condition: Expression | None
    source: Source
    range: SourceRange = field(default=NOWHERE, compare=False)

    @property
    def text(self) -> str:
        """The statement as written."""
        return self.source.text if self.range == NOWHERE else self.source.slice(self.range)


@dataclass(frozen=True, slots=True)
class ConditionText:
    """A condition with its source: of a group, or of the filter; `range` in `source` where it holds more."""

    expression: Expression
    source: Source
    range: SourceRange = field(default=NOWHERE, compare=False)

    @property
    def text(self) -> str:
        """The condition as written."""
        return self.source.text if self.range == NOWHERE else self.source.slice(self.range)


@dataclass(frozen=True, slots=True)
class Group:
    """Statements that run row by row together, in one context.

    Args:
        context: the context's name.
        statements: in order.
        conditions: the group runs on a row when one holds, or when there are none.
        error_mode: `ignore`, `silent` or `propagate`.
        shared_cache: the cache lives as long as the payload's pass.
    """

    context: str
    statements: tuple[Statement, ...]
    conditions: tuple[ConditionText, ...] = ()
    error_mode: str = "ignore"
    shared_cache: bool = False


@dataclass(frozen=True, slots=True)
class StackChoice:
    """Which executor may run a group.

    Args:
        columns: the columns executor may.
        reason: why not, or what was taken care of.
        settle: levels that statements change once for each of the rows within, the outermost first; columns may while
            that soon leaves them as they are.
        changing: the numbers of these statements.
    """

    columns: bool
    reason: str
    settle: tuple[str, ...] = ()
    changing: tuple[int, ...] = ()


def operands(node: Operand) -> tuple[Operand, ...]:
    """The nodes directly below a node."""
    match node:
        case Load(keys=keys) | Place(keys=keys):
            return keys
        case Invoke(arguments=arguments):
            return tuple(a for a in arguments if a is not None)
        case Index(value=value, key=key):
            return (value, key)
        case MakeList(items=items) | MakeMap(items=items) | Elements(items=items):
            return items
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Negate(operand=operand) | Truth(operand=operand) | Not(operand=operand):
            return (operand,)
        case And(operands=below) | Or(operands=below) | FirstNonNil(operands=below):
            return below
        case _:
            return ()


def walk(node: Operand) -> Iterator[Operand]:
    """The node and everything below it, parents first."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(operands(top)))

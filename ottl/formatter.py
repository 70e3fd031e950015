"""Syntax tree to text: a statement is one line, canonical spelling, only the parentheses that the meaning needs.

Formatting and parsing again gives an equal tree, so formatting is idempotent. Comparisons, `and`, `or` and arithmetic
bind as in the grammar; `_BINDING` is that order as numbers. The printer keeps a stack of its own and never recurses.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from ottl import ast

__all__ = ["format_condition", "format_script", "format_statement", "format_value"]

# A node in a place that wants at least this binding strength, or finished text.
_Piece: TypeAlias = str | tuple[ast.Node, int]

_ANY, _OR, _AND, _NOT, _BOOLEAN, _SUM, _PRODUCT, _SIGNED, _OPERAND = range(9)
_BINDING: Final[dict[type[ast.Node], int]] = {
    ast.Or: _OR,
    ast.And: _AND,
    ast.Not: _NOT,
    ast.Comparison: _BOOLEAN,
    ast.Unary: _SIGNED,
}
_ESCAPES: Final = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\", '"': '"'}


def format_statement(statement: ast.Statement) -> str:
    """The canonical text of a statement."""
    return _print(statement)


def format_condition(condition: ast.Expression) -> str:
    """The canonical text of a condition."""
    return _print(condition)


def format_value(value: ast.Expression) -> str:
    """The canonical text of a value expression."""
    return _print(value)


def format_script(
    script: ast.Script,
    statement_lines: Callable[[ast.Statement], list[str]] = lambda statement: [_print(statement)],
    condition_lines: Callable[[ast.Expression], list[str]] = lambda condition: [f"where {_print(condition)}"],
) -> str:
    """The canonical text of a script: a line a statement, a blank line between blocks, comments where they were.

    Formatting and parsing again gives an equal tree with the same comments.

    Args:
        script: the tree.
        statement_lines: a statement's own lines; by default one.
        condition_lines: those of a block's condition, `where` in front; by default one.
    """
    paragraphs: list[list[str]] = []
    for block in script.blocks:
        paragraphs.extend([comment.text for comment in lines] for lines in block.before)
        found: list[str] = []
        for statement in block.statements:
            found += _commented(statement.comments, statement_lines(statement))
        if block.condition is not None:
            found += _commented(block.comments, condition_lines(block.condition))
        found += [comment.text for comment in block.after]
        paragraphs.append(found)
    paragraphs.extend([comment.text for comment in lines] for lines in script.after)
    return "\n\n".join("\n".join(lines) for lines in paragraphs) + ("\n" if paragraphs else "")


def _commented(comments: ast.Comments, lines: list[str]) -> list[str]:
    """Lines with their comments."""
    beside = "" if comments.beside is None else f"  {comments.beside.text}"
    return [*(comment.text for comment in comments.above), *lines[:-1], lines[-1] + beside]


def _print(node: ast.Node) -> str:
    output: list[str] = []
    stack: list[_Piece] = [(node, _ANY)]
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            output.append(piece)
            continue
        top, wanted = piece
        if _binding(top) < wanted:
            stack.extend((")", (top, _ANY), "("))
        else:
            stack.extend(reversed(list(_pieces(top))))
    return "".join(output)


def _binding(node: ast.Node) -> int:
    if isinstance(node, ast.Binary):
        return _SUM if node.operator in "+-" else _PRODUCT
    return _BINDING.get(type(node), _OPERAND)


def _pieces(node: ast.Node) -> Iterable[_Piece]:
    """The text of a node, its children still nodes."""
    match node:
        case ast.Statement(editor, None):
            return [(editor, _ANY)]
        case ast.Statement(editor, condition, guarded=True) if condition is not None:
            return [(condition, _ANY), " > ", (editor, _ANY)]
        case ast.Statement(editor, condition) if condition is not None:
            return [(editor, _ANY), " where ", (condition, _ANY)]
        case ast.Call(name, arguments, keys):
            return [name, "(", *_joined(", ", arguments), ")", *_joined("", keys)]
        case ast.Argument(value, None):
            return [(value, _ANY)]
        case ast.Argument(value, name):
            return [f"{name}=", (value, _ANY)]
        case ast.Path(segments):
            return _joined(".", segments)
        case ast.Segment(name, keys):
            return [name, *_joined("", keys)]
        case ast.Key(value):
            return ["[(", (value, _ANY), ")]"] if _begins_with_integer(value) else ["[", (value, _ANY), "]"]
        case ast.List(items):
            return ["[", *_joined(", ", items), "]"]
        case ast.Map(entries):
            return ["{", *_entries(entries), "}"]
        case ast.Group(operand):
            return ["(", (operand, _ANY), ")"]
        case ast.Unary(operator, operand):
            return [operator, (operand, _OPERAND)]
        case ast.Binary(operator, left, right):
            own = _binding(node)
            return [(left, own), f" {operator} ", (right, own + 1)]
        case ast.Comparison(operator, left, right):
            return [(left, _SUM), f" {operator} ", (right, _SUM)]
        case ast.Not(operand):
            return ["not ", (operand, _BOOLEAN)]
        case ast.And(operands):
            return _joined(" and ", operands, _NOT)
        case ast.Or(operands):
            return _joined(" or ", operands, _AND)
        case ast.Lambda(parameters, body):
            return [f"({', '.join(parameters)}) => ", (body, _ANY)]
        case ast.Condition(ast.Boolean() as boolean):
            return ["(", (boolean, _ANY), ")"]
        case ast.Condition(expression):
            return [(expression, _ANY)]
        case _:
            return [_literal(node)]


def _joined(separator: str, nodes: Iterable[ast.Node], wanted: int = _ANY) -> Iterator[_Piece]:
    for index, node in enumerate(nodes):
        if index and separator:
            yield separator
        yield node, wanted


def _entries(entries: Iterable[tuple[ast.Node, ast.Node]]) -> Iterator[_Piece]:
    for index, (key, value) in enumerate(entries):
        yield from (", " if index else "", (key, _ANY), ": ", (value, _ANY))


def _begins_with_integer(key: ast.Node) -> bool:
    """Whether a key is arithmetic whose text would begin with an integer literal, which the grammar refuses."""
    top = key
    while isinstance(top, ast.Binary) and _binding(top.left) >= _binding(top):
        top = top.left
    return top is not key and isinstance(top, ast.Integer)


def _literal(node: ast.Node) -> str:
    match node:
        case ast.Nil():
            return "nil"
        case ast.Boolean(value):
            return "true" if value else "false"
        case ast.Integer(value):
            return str(value)
        case ast.Float(value):
            mantissa, exponent, power = repr(value).partition("e")
            return f"{mantissa if '.' in mantissa else mantissa + '.0'}{exponent}{power}"
        case ast.Duration(value, text=text):
            return text or f"{value}ns"
        case ast.String(value):
            return f'"{"".join(map(_escaped, value.decode()))}"'
        case ast.Bytes(value):
            return f"0x{value.hex()}"
        case ast.Name(name):
            return name
        case _:
            raise TypeError(f"{type(node).__name__} is no expression")


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return f"\\{_ESCAPES[character]}"
    if " " <= character <= "~" or unicodedata.category(character) not in {"Cc", "Cf", "Cn", "Co", "Zl", "Zp"}:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

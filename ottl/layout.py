"""Syntax tree to text over several lines, for what is too long for one.

Lines are broken where a reader would: before `where`, before `and` and `or`, behind the commas of the outermost call or
list that does not fit. What lies between two breaks is the formatter's canonical text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ottl import ast
from ottl.formatter import format_condition, format_script, format_statement, format_value

__all__ = ["script_text", "statement_lines", "value_lines"]

_STEP = "  "


def statement_lines(statement: ast.Statement, width: int) -> list[str]:
    """The lines of a statement; one where it fits.

    Args:
        statement: the tree.
        width: of a line in characters; a line that cannot be broken may be longer.
    """
    whole = format_statement(statement)
    if len(whole) <= width:
        return [whole]
    lines = value_lines(statement.editor, width)
    if statement.condition is not None:
        lines += _indented(_led("where ", value_lines(statement.condition, width - len(_STEP) - len("where "))))
    return lines


def script_text(script: ast.Script, width: int) -> str:
    """The text of a script (see `formatter.format_script`), long statements over several lines.

    A `where` that begins a line governs a whole block there, so that of a statement ends one.
    """
    return format_script(
        script,
        lambda statement: _script_lines(statement, width),
        lambda condition: _led("where ", value_lines(condition, width - len("where "))),
    )


def _script_lines(statement: ast.Statement, width: int) -> list[str]:
    whole = format_statement(statement)
    if len(whole) <= width or statement.condition is None:
        return [whole] if len(whole) <= width else value_lines(statement.editor, width)
    editor = value_lines(statement.editor, width - len(_STEP) - len("> "))
    inner = width - len(_STEP)
    if statement.guarded:
        return [*value_lines(statement.condition, width), *_indented(_led("> ", editor))]
    lines = value_lines(statement.editor, width - len(" where"))
    return [*lines[:-1], f"{lines[-1]} where", *_indented(value_lines(statement.condition, inner))]


def value_lines(node: ast.Expression, width: int) -> list[str]:
    """The lines of an expression; arguments as for `statement_lines`."""
    whole = format_value(node)
    if len(whole) <= width:
        return [whole]
    match node:
        case ast.Call(name, arguments, keys) if arguments:
            texts = [_argument_lines(argument, width - len(_STEP) - 1) for argument in arguments]
            return [f"{name}(", *_below(texts), ")" + _keys(keys)]
        case ast.List(items) if items:
            return ["[", *_items(items, width - len(_STEP) - 1), "]"]
        case ast.And(operands):
            return _joined("and ", operands, width, (ast.And, ast.Or))
        case ast.Or(operands):
            return _joined("or ", operands, width, (ast.Or,))
        case _:
            return [whole]


def _keys(keys: Iterable[ast.Key]) -> str:
    # A key has no text of its own outside of a path.
    path = ast.Path((ast.Segment("x", tuple(keys)),))
    return format_value(path)[1:]


def _argument_lines(argument: ast.Argument, width: int) -> list[str]:
    if argument.name is None:
        return value_lines(argument.value, width)
    lines = value_lines(argument.value, width)
    if len(lines) == 1:
        lines = value_lines(argument.value, width - len(argument.name) - 1)
    return _led(f"{argument.name}=", lines)


def _items(items: Sequence[ast.Expression], width: int) -> list[str]:
    """The inside of a list: as many literals a line as fit, or one item below the other."""
    if not all(isinstance(item, ast.String | ast.Integer | ast.Float | ast.Name) for item in items):
        return _below([value_lines(item, width) for item in items])
    lines = [""]
    for number, item in enumerate(items):
        piece = format_value(item) + ("," if number < len(items) - 1 else "")
        joined = f"{lines[-1]} {piece}" if lines[-1] else piece
        if lines[-1] and len(joined) > width:
            lines.append(piece)
        else:
            lines[-1] = joined
    return _indented(lines)


def _below(texts: Sequence[Sequence[str]]) -> list[str]:
    """The inside of brackets: one below the other, with commas between."""
    found: list[str] = []
    for number, lines in enumerate(texts):
        found += [*lines[:-1], lines[-1] + ("," if number < len(texts) - 1 else "")]
    return _indented(found)


def _joined(word: str, operands: Sequence[ast.Expression], width: int, wrapped: tuple[type, ...]) -> list[str]:
    found: list[str] = []
    for number, operand in enumerate(operands):
        inner = width - (len(_STEP) + len(word) if number else 0)
        if isinstance(operand, wrapped):
            text = f"({format_condition(operand)})"
            lines = [text] if len(text) <= inner else _wrapped(value_lines(operand, inner - 2))
        else:
            lines = value_lines(operand, inner)
        found += _indented(_led(word, lines)) if number else lines
    return found


def _wrapped(lines: list[str]) -> list[str]:
    first, *rest = lines
    rest = [f" {line}" for line in rest]
    inside = [f"({first}", *rest]
    return [*inside[:-1], f"{inside[-1]})"]


def _led(word: str, lines: list[str]) -> list[str]:
    """Lines with a word in front of the first."""
    first, *rest = lines
    return [word + first, *rest]


def _indented(lines: Iterable[str]) -> list[str]:
    return [_STEP + line for line in lines]

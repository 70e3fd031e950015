"""Rule files in canonical form: scripts, and the statements of configuration files, of which all else stays.

The YAML is composed into nodes to find the statements and conditions of its OTTL processors; each is parsed, formatted
and written back over its own characters, in the style that it had (plain, quoted, block). Comments, order, indentation,
anchors and line ends are never touched, because nothing else is written. What was on one line stays on one line;
what spans several is laid out anew.

`scripts:` hold texts of the script dialect; an action is rewritten where its line ends are its own: in a literal block
(`|`), or as a single statement.

`$` needs no care: it occurs inside of string literals only, whose text is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from ottl import ast, dialect, parser
from ottl.config import is_filter_list, is_transform_list, kind_of_processor, locate
from ottl.errors import ConfigError, Diagnostic, Error
from ottl.layout import script_text, statement_lines, value_lines
from ottl.source import Source

__all__ = ["WIDTH", "format_config", "format_rules"]

WIDTH: Final = 100
"""Characters of a line, where a line can be broken."""

_BLOCKS: Final = {"|", ">"}
_SHORTEST = 40
_STRING = "tag:yaml.org,2002:str"

Part = Literal["statement", "condition", "script", "script condition"]


@dataclass(frozen=True, slots=True)
class _Found:
    """A statement or condition in the file.

    Args:
        node: the YAML scalar.
        part: what it is.
        flow: it stands between brackets, where plain scalars can hold less.
    """

    node: Any
    part: Part
    flow: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the text of a scalar lies.

    Args:
        start: of what is replaced, an offset in the file.
        end: of the same.
        indentation: of its second and later lines, in columns.
    """

    start: int
    end: int
    indentation: int


def format_rules(text: str, name: str = "<rules>") -> str:
    """The text of a script in canonical form, its comments kept.

    Args:
        text: with whatever line ends.
        name: of the file, for diagnostics.

    Raises:
        ConfigError: with all diagnostics.
    """
    bare = text.removeprefix("\ufeff")
    tree = _parse_script(Source(bare, name))
    made = script_text(tree, WIDTH)
    again = _parse_script(Source(made, name))
    if again != tree or _comments(again) != _comments(tree):
        raise Error(f"{name}: the formatted script would mean something else, it is left as it was")
    return text[: len(text) - len(bare)] + (made.replace("\n", "\r\n") if "\r\n" in bare else made)


def _comments(script: ast.Script) -> list[str]:
    """The texts of all comments."""
    found = [comment for lines in script.after for comment in lines]
    for block in script.blocks:
        found += [*(comment for lines in block.before for comment in lines), *block.after]
        for comments in (block.comments, *(statement.comments for statement in block.statements)):
            found += [*comments.above, *([comments.beside] if comments.beside is not None else [])]
    return sorted(comment.text.rstrip() for comment in found)


def format_config(text: str, name: str = "<config>") -> str:
    """The text of a configuration file with its statements and conditions formatted.

    Args:
        text: YAML, with whatever line ends.
        name: of the file, for diagnostics.

    Raises:
        ConfigError: malformed YAML, a syntax error in a statement, or nothing of OTTL in the file.
    """
    from ottl.config import load_config

    load_config(text, name=name)  # refuses what is malformed, with the place
    bare = text.removeprefix("\ufeff")
    root = _compose(bare)
    lines = bare.split("\n")
    diagnostics: list[Diagnostic] = []
    written: dict[int, tuple[_Place, str]] = {}
    texts = {id(found.node): found for found in _texts(root)}  # an alias is its anchor's node
    for found in texts.values():
        try:
            tree = _parse(found.part, locate(found.node, lines, name).source())
        except ConfigError as error:
            diagnostics += error.diagnostics
            continue
        place = _place(found.node, bare, lines)
        written[place.start] = place, _written(found, place, tree, bare)
    if diagnostics:
        raise ConfigError(diagnostics)
    result = bare
    for _, (place, new) in sorted(written.items(), reverse=True):
        result = result[: place.start] + new + result[place.end :]
    if not _same(root, _compose(result), {key: found.part for key, found in texts.items()}):
        raise Error(f"{name}: the formatted file would mean something else, it is left as it was")
    return text[: len(text) - len(bare)] + result


def _compose(text: str) -> Any:
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _parse(part: Part, source: Source) -> Any:
    match part:
        case "statement":
            return parser.parse_statement(source)
        case "condition":
            return parser.parse_condition(source)
        case "script condition":
            return parser.parse_part(source, "condition")
        case _:
            return _parse_script(source)


def _parse_script(source: Source) -> ast.Script:
    script, diagnostics = dialect.parse_script(source)
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
    if errors:
        raise ConfigError(errors)
    return script


# -- finding -----------------------------------------------------------------------------------------------------------


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of a mapping node, of merged ones too; nothing for another node."""
    if node is None or node.id != "mapping":
        return
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if value.id == "sequence" else [value]:
                yield from _entries(merged)
        elif key.id == "scalar":
            yield key.value, value


def _texts(root: Any) -> Iterator[_Found]:
    """The scalars that are statements or conditions."""
    entries = dict(_entries(root))
    if "scripts" in entries:
        yield from _scripts(entries["scripts"])
    elif "processors" in entries or "service" in entries:
        yield from _processors(entries.get("processors"))
    elif entries and all(kind_of_processor(key) is not None for key in entries):
        yield from _processors(root)
    else:
        yield from _transform(root)
        yield from _filter(root)


def _processors(section: Any) -> Iterator[_Found]:
    for name, value in _entries(section):
        kind = kind_of_processor(name)
        if kind == "transform":
            yield from _transform(value)
        elif kind == "filter":
            yield from _filter(value)


def _transform(node: Any) -> Iterator[_Found]:
    for key, value in _entries(node):
        if is_transform_list(key):
            yield from _list(value, "statement")


def _filter(node: Any) -> Iterator[_Found]:
    for key, value in _entries(node):
        if key.endswith("_conditions"):
            yield from _list(value, "condition")
        elif is_filter_list(key) and key != "spans":
            for inner, texts in _entries(value):
                if inner not in {"include", "exclude"}:
                    yield from _list(texts, "condition")


def _scripts(node: Any) -> Iterator[_Found]:
    for item in node.value if node.id == "sequence" else ():
        for key, value in _entries(item):
            texts = value.value if value.id == "sequence" else [value]
            for text in texts if key in {"condition", "action"} else ():
                # Elsewhere than in a literal block, line ends are folded, so those of a script cannot be written.
                several = key == "action" and text.style != "|" and "\n" in text.value
                if text.id == "scalar" and text.tag == _STRING and text.value.strip() and not several:
                    yield _Found(text, "script" if key == "action" else "script condition", bool(item.flow_style))


def _list(node: Any, part: Part) -> Iterator[_Found]:
    # A single text in place of a list is split at its commas by the collector: no statement, and left alone.
    if node.id != "sequence":
        return
    for item in node.value:
        if item.id == "scalar" and item.tag == _STRING and item.value.strip():
            yield _Found(item, part, bool(node.flow_style))
        for key, texts in _entries(item):
            if key in {"statements", "conditions"}:
                yield from _list(texts, "statement" if key == "statements" else "condition")


# -- writing -----------------------------------------------------------------------------------------------------------


def _place(node: Any, text: str, lines: list[str]) -> _Place:
    if node.style in _BLOCKS:
        first = node.start_mark.line + 1
        last = first
        while last < len(lines) and last < node.end_mark.line + (node.end_mark.column > 0):
            last += 1
        while last > first and not lines[last - 1].strip():
            last -= 1
        content = [line for line in lines[first:last] if line.strip()]
        indentation = min(len(line) - len(line.lstrip(" ")) for line in content)
        start = _offset(lines, first)
        return _Place(start, _offset(lines, last) - 1, indentation)
    start, end = node.start_mark.index, node.end_mark.index
    # Marks begin at an anchor or a tag.
    while text[start] in "&!":
        while not text[start].isspace():
            start += 1
        while text[start].isspace():
            start += 1
    indentation = node.start_mark.column
    if "\n" in text[start:end]:
        second = lines[node.start_mark.line + 1 : node.end_mark.line + 1]
        indents = [len(line) - len(line.lstrip(" ")) for line in second if line.strip()]
        indentation = min(indents) if indents else indentation
    return _Place(start, end, indentation)


def _offset(lines: list[str], line: int) -> int:
    return sum(len(each) + 1 for each in lines[:line])


def _written(found: _Found, place: _Place, tree: Any, text: str) -> str:
    """The characters that take the place of a text."""
    old = text[place.start : place.end]
    end = "\r\n" if "\r\n" in text else "\n"
    margin = " " * place.indentation
    style = found.node.style
    width = max(WIDTH - place.indentation, _SHORTEST)
    if style in _BLOCKS:
        made = _lines(found.part, tree, width if "\n" in old else 1 << 30)
        if style == ">":
            # A line that is indented deeper would keep its line end.
            made = [line.lstrip(" ") for line in made]
        carried = "\r" if old.endswith("\r") else ""
        return end.join(margin + line if line else "" for line in made) + carried
    if "\n" in old and found.part != "script":
        joined = (end + margin).join(_lines(found.part, tree, width))
    else:
        joined = " ".join(_lines(found.part, tree, 1 << 30))
    whole = " ".join(_lines(found.part, tree, 1 << 30))
    return _scalar(joined, whole, style, flow=found.flow)


def _lines(part: Part, tree: Any, width: int) -> list[str]:
    if part == "script":
        return script_text(tree, width).rstrip("\n").split("\n")
    return statement_lines(tree, width) if part == "statement" else value_lines(tree, width)


def _scalar(text: str, value: str, style: str | None, *, flow: bool) -> str:
    """A text as a scalar in its old style, or in the next one that can hold it.

    Args:
        text: maybe over several lines.
        value: the same as a reader gets it.
        style: the quotes; None for none.
        flow: it stands between brackets.
    """
    writers: dict[str | None, Callable[[str], str]] = {
        None: lambda t: t,
        "'": lambda t: "'" + t.replace("'", "''") + "'",
        '"': lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"',
    }
    for candidate in (style, "'", '"'):
        written = writers[candidate](text)
        if _reads_as(written, value, flow=flow):
            return written
    raise AssertionError("double quotes hold any text")


def _reads_as(written: str, value: str, *, flow: bool) -> bool:
    """Whether a scalar means a text, but for the blanks at which it is broken."""
    import yaml

    indented = written.replace("\n", "\n    ")
    try:
        node = _compose(f"- [{indented}]\n" if flow else f"- {indented}\n").value[0]
    except yaml.YAMLError:
        return False
    if flow:
        if len(node.value) != 1:
            return False
        node = node.value[0]
    return bool(node.id == "scalar" and node.tag == _STRING and node.value.split() == value.split())


def _same(old: Any, new: Any, parts: dict[int, Part]) -> bool:
    """Whether two documents are equal but for the spelling of statements, which have to have equal trees."""
    stack = [(old, new)]
    done: set[tuple[int, int]] = set()
    while stack:
        left, right = stack.pop()
        if left is None or right is None:
            return left is right
        if (id(left), id(right)) in done:
            continue
        done.add((id(left), id(right)))
        if left.id != right.id or left.tag != right.tag:
            return False
        if left.id == "scalar":
            part = parts.get(id(left))
            if part is None and left.value != right.value:
                return False
            if part is not None and _parse(part, Source(left.value)) != _parse(part, Source(right.value)):
                return False
        elif len(left.value) != len(right.value):
            return False
        elif left.id == "sequence":
            stack += zip(left.value, right.value, strict=True)
        else:
            for pair, other in zip(left.value, right.value, strict=True):
                stack += zip(pair, other, strict=True)
    return True

"""Reading the collector's configurations: forms, error modes, contexts, and where in a file a text stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ottl.binder import nearest
from ottl.bytecode import GroupCode, over_traces
from ottl.engine import ERROR_MODES, Stack
from ottl.errors import Diagnostic, register_codes
from ottl.functions import FunctionSet
from ottl.source import LocatedText, Source, SourceRange

register_codes(
    {
        "E401": "configuration value of the wrong form",
        "E402": "empty item in a configuration list",
        "E403": "two configuration styles in one list",
        "E404": "unknown configuration key",
        "E405": "configuration needs a feature gate",
        "E406": "unknown context",
        "E407": "unknown error mode",
        "E408": "settings that exclude each other",
        "W401": "a text where a list is expected",
    }
)


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def standard_functions() -> FunctionSet:
    """The standard library: what rules may call unless they are given another set."""
    from ottl.stdlib import FUNCTIONS

    return FUNCTIONS


def script_actions() -> FunctionSet:
    """The editors that the script dialect has beside the standard library."""
    from ottl.stdlib import ACTIONS

    return ACTIONS


def source(text: str, path: str) -> Source:
    """The source of a text of a configuration, with its place in the file where that is known."""
    if isinstance(text, LocatedText):
        return text.source(path)
    return Source(str(text), path or "<rule>")


def type_name(value: Any) -> str:
    """A value's type in the words of YAML."""
    names = {
        str: "a string",
        int: "a number",
        float: "a number",
        bool: "a bool",
        dict: "a mapping",
        list: "a list",
        type(None): "nothing",
    }
    return next(
        (name for kind, name in names.items() if type(value) is kind),
        "a string" if isinstance(value, str) else type(value).__name__,
    )


def _first_text(value: Any) -> str | None:
    """The text that stands for a value in a diagnostic: itself, or the first one inside that knows its place."""
    if isinstance(value, str):
        return value
    inside = value
    while isinstance(inside, Mapping | list) and inside:
        inside = next(iter(inside))
    return inside if isinstance(inside, LocatedText) else None


def _nearest_text(root: Any, path: str) -> LocatedText | None:
    """The last key or text on a path (`log_statements[1].context`) through a configuration that knows its place."""
    found = None
    value = root
    for name, number in _STEP.findall(path):
        if number:
            value = value[int(number)] if isinstance(value, list) and int(number) < len(value) else None
        elif isinstance(value, Mapping):
            key = next((key for key in value if key == name), None)
            found = key if isinstance(key, LocatedText) else found
            value = value.get(name)
        text = _first_text(value)
        found = text if number and isinstance(text, LocatedText) else found
    return found


def _split(text: str) -> list[str]:
    """The pieces of a text between its commas, with their places where the text is on one line of a file."""
    pieces = text.split(",")
    if not isinstance(text, LocatedText) or "\n" in text:
        return pieces
    column = text.column
    located: list[str] = []
    for piece in pieces:
        located.append(LocatedText(piece, text.file, text.line, column, text.next_column))
        column += len(piece) + 1
    return located


def check_stack(code: GroupCode, stack: Stack) -> list[Diagnostic]:
    """The error for a group that was asked to run in columns and cannot, or that cannot have its shared cache."""
    if code.shared_cache and any(map(over_traces, (*code.conditions, *code.statements))):
        first = code.statements[0].source if code.statements else None
        message = "a group that looks at whole traces runs statement by statement and cannot have a shared cache"
        return [Diagnostic("E902", "error", message, None, "keep the value in an attribute", first)]
    if stack != "fast" or code.choice.columns:
        return []
    first = code.statements[0].source if code.statements else None
    message = f"this group cannot run in columns: {code.choice.reason}"
    return [Diagnostic("E901", "error", message, None, "leave the stack at `auto`", first)]


@dataclass(slots=True)
class Reader:
    """Checks the form of a configuration, collecting what is wrong."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    root: Any = None

    def report(self, code: str, message: str, value: Any, path: str, hint: str | None = None) -> None:
        """Adds an error at a value of the configuration; at its key where the value itself has no place in the file."""
        text = _first_text(value)
        if not isinstance(text, LocatedText):
            text = _nearest_text(self.root, path) or text
        where = source(text, path) if text is not None else Source("", path or "<configuration>")
        place = SourceRange(0, len(where.text)) if where.text else None
        self.diagnostics.append(Diagnostic(code, "error", message, place, hint, where))

    def mapping(self, value: Any, path: str, known: Sequence[str]) -> Mapping[str, Any]:
        """A mapping with known keys only."""
        if value is None:
            return {}
        if not path:
            self.root = value
        if not isinstance(value, Mapping):
            self.report("E401", f"{path or 'the configuration'} must be a mapping, got {type_name(value)}", value, path)
            return {}
        for key in value:
            if key not in known:
                place = f"{path}.{key}" if path else str(key)
                self.report("E404", f"unknown key {key}", key, place, nearest(str(key), known))
        return value

    def error_mode(self, value: Any, path: str) -> str | None:
        """An error mode in lower case; None for an absent one."""
        if value is None:
            return None
        if isinstance(value, str) and value.lower() in ERROR_MODES:
            return value.lower()
        self.report("E407", f"{path} must be one of {', '.join(ERROR_MODES)}, got {value}", value, path)
        return None

    def context(self, value: Any, path: str, known: Sequence[str], allowed: Sequence[str]) -> str | None:
        """A context by name, in any case; None for an absent one."""
        if value is None:
            return None
        name = value.lower() if isinstance(value, str) else None
        if name in known and name in allowed:
            return name
        choices = [c for c in known if c in allowed]
        message = f"{path} must be one of {', '.join(choices)}, got {value}"
        self.report("E406", message, value, path, nearest(str(value), choices))
        return None

    def boolean(self, value: Any, path: str) -> bool:
        """A bool, false where absent."""
        if value is None or isinstance(value, bool):
            return bool(value)
        self.report("E401", f"{path} must be a bool, got {type_name(value)}", value, path)
        return False

    def texts(self, value: Any, path: str) -> tuple[Source, ...]:
        """A list of texts. Where one text stands instead, the collector splits it at its commas, and so do we."""
        if value is None:
            return ()
        if isinstance(value, str):
            if "," in value:
                where = source(value, path)
                message = f"{path} is one text, which is split at its commas, as in the collector"
                hint = "write a list: a line with `- ` for each"
                place = SourceRange(0, len(where.text))
                self.diagnostics.append(Diagnostic("W401", "warning", message, place, hint, where))
            return tuple(source(part, path) for part in _split(value)) if value else ()
        if not isinstance(value, Sequence):
            self.report("E401", f"{path} must be a list, got {type_name(value)}", value, path)
            return ()
        found: list[Source] = []
        for number, item in enumerate(value):
            if isinstance(item, str):
                found.append(source(item, f"{path}[{number}]"))
            else:
                self.report("E401", f"{path}[{number}] must be a string, got {type_name(item)}", item, path)
        return tuple(found)

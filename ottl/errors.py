"""Errors and diagnostics.

Everything that this package raises on purpose derives from `Error`. A mistake in a rule or a configuration is a
`Diagnostic`, which points into the text; `ConfigError` carries all of those found. `CODES` holds the one-line title
of every diagnostic code: the module that reports a family of codes adds its titles with `register_codes`, so that a
code is written down in one place only.

Codes: E1xx text and syntax, E2xx names, E3xx types, E4xx configuration, E9xx execution; `W` instead of `E` for a
warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ottl.source import Source, SourceRange

__all__ = [
    "CODES",
    "ConfigError",
    "Diagnostic",
    "Error",
    "PayloadError",
    "Severity",
    "StatementError",
    "register_codes",
]

Severity = Literal["error", "warning"]

CODES: dict[str, str] = {}

_COLORS: dict[str, str] = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m"}
_BOLD, _BLUE, _RESET = "\x1b[1m", "\x1b[1;34m", "\x1b[0m"


def register_codes(titles: Mapping[str, str]) -> None:
    """Add the titles of a family of diagnostic codes to `CODES`.

    Args:
        titles: one-line title by code.

    Raises:
        ValueError: a code is already there with another title.
    """
    for code, title in titles.items():
        if CODES.setdefault(code, title) != title:
            raise ValueError(f"diagnostic code {code} has two titles")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a rule or a configuration, with its place in the text.

    Args:
        code: stable code such as `E204`.
        severity: `error`, or `warning` for what loads but is likely to fail on rows.
        message: what was expected, what came; lower case, no full stop.
        range: the offending piece of `source`; None when the finding has no place.
        hint: how to repair it, usually the nearest name.
        source: the text that `range` points into.
    """

    code: str
    severity: Severity
    message: str
    range: SourceRange | None = None
    hint: str | None = None
    source: Source | None = None

    def render(self, color: bool = False) -> str:
        """Text for people: headline, place, the line with carets, hint.

        Args:
            color: whether to use ANSI colours.
        """

        def paint(text: str, style: str) -> str:
            return f"{style}{text}{_RESET}" if color else text

        lines = [paint(f"{self.severity}[{self.code}]", _COLORS[self.severity]) + paint(f": {self.message}", _BOLD)]
        if self.source is not None:
            lines.append(paint("  --> ", _BLUE) + self.source.describe(self.range))
            if self.range is not None:
                lines.extend(self.source.picture(self.range))
        if self.hint is not None:
            lines.append(paint("  = hint: ", _BLUE) + self.hint)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values for JSON; lines and columns count from 1, the end column is exclusive."""
        line = column = end_line = end_column = None
        if self.source is not None and self.range is not None:
            line, column = self.source.line_column(self.range.start)
            end_line, end_column = self.source.line_column(self.range.end)
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": self.source.name if self.source is not None else None,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "hint": self.hint,
        }


class Error(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(Error):
    """A rule or a configuration that cannot be loaded; `diagnostics` has every finding.

    Args:
        diagnostics: the findings, in the order of the text.
    """

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(diagnostic.render() for diagnostic in self.diagnostics)


class PayloadError(Error):
    """A malformed or oversized payload.

    Args:
        message: what is wrong with it.
        offset: byte offset of the fault in the payload, where known.
    """

    offset: int | None

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.offset is None else f"{message} (at byte {self.offset})"


class StatementError(Error):
    """A statement that failed on a row under the error mode `propagate`.

    Args:
        message: what went wrong.
        statement: text of the statement.
        row: number of the row in its payload, from 0.
    """

    statement: str | None
    row: int | None

    def __init__(self, message: str, statement: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.statement = statement
        self.row = row

    def __str__(self) -> str:
        message = super().__str__()
        if self.row is not None:
            message = f"row {self.row}: {message}"
        return message if self.statement is None else f"{message}: {self.statement}"

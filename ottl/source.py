"""Rule texts and places in them.

A `Source` is the text of one statement, condition or script together with where it came from: a statement inside a
YAML file knows the line and column at which its text begins, so that a diagnostic names the place in the file. A
`SourceRange` is a pair of offsets into `Source.text`; everything behind the parser carries ranges and asks the source
for lines and columns only when something is shown.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Self

__all__ = ["NOWHERE", "LocatedText", "Source", "SourceRange"]

_TAB_WIDTH = 4
_PICTURE_WIDTH = 120
_MARGIN = 40


@dataclass(frozen=True, slots=True)
class SourceRange:
    """A piece of a text: character offsets, the end exclusive."""

    start: int
    end: int

    def union(self, other: SourceRange) -> SourceRange:
        """The smallest range that covers both."""
        return SourceRange(min(self.start, other.start), max(self.end, other.end))


NOWHERE = SourceRange(0, 0)


@dataclass(frozen=True, slots=True)
class Source:
    """A rule text and its place in the file that holds it.

    Args:
        text: the text itself.
        name: file name, or a name such as `<rule>`.
        first_line: line of the file in which the text begins, from 1.
        first_column: column at which the text begins, from 1.
        path: place inside a configuration, such as `trace_statements[0].statements[2]`.
        next_column: column at which the second and later lines of the text begin (the indentation of a YAML block).
    """

    text: str
    name: str = "<rule>"
    first_line: int = 1
    first_column: int = 1
    path: str = ""
    next_column: int = 1

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset in the file, both from 1; a column is a character."""
        offset = max(0, min(offset, len(self.text)))
        line = self.text.count("\n", 0, offset)
        column = offset - (self.text.rfind("\n", 0, offset) + 1)
        return self.first_line + line, column + (self.next_column if line else self.first_column)

    def slice(self, range: SourceRange) -> str:
        """The text of a range."""
        return self.text[range.start : range.end]

    def part(self, range: SourceRange) -> Source:
        """A piece of the text as a source of its own, which knows its place in the file."""
        line, column = self.line_column(range.start)
        return Source(self.slice(range), self.name, line, column, self.path, self.next_column)

    def describe(self, range: SourceRange | None = None) -> str:
        """The place in words: `name:line:column (path)`."""
        line, column = self.line_column(range.start if range is not None else 0)
        place = f"{self.name}:{line}:{column}"
        return f"{place} ({self.path})" if self.path else place

    def picture(self, range: SourceRange) -> list[str]:
        """The line in which a range begins, and carets under the range.

        Tabs are drawn as four blanks, control characters as U+FFFD, and carets count terminal cells, so that they
        stay under wide characters. Of a long line only the surroundings of the range are shown, of a range over
        several lines only the first.
        """
        text = self.text
        start = max(0, min(range.start, len(text)))
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        end = min(max(range.end, start), line_end)
        left = line_start if end - line_start <= _PICTURE_WIDTH else max(line_start, start - _MARGIN)
        right = min(line_end, left + _PICTURE_WIDTH)
        prefix = "..." if left > line_start else ""
        suffix = "..." if right < line_end else ""
        drawn, widths = _draw(text[left:right])
        before = len(prefix) + sum(widths[: start - left])
        carets = max(1, sum(widths[start - left : end - left]))
        number = str(self.line_column(start)[0])
        gutter = " " * len(number)
        return [
            f"{gutter} |",
            f"{number} | {prefix}{drawn}{suffix}",
            f"{gutter} | {' ' * before}{'^' * carets}",
        ]


def _draw(line: str) -> tuple[str, list[int]]:
    """A line as it may be printed, and the terminal cells of each of its characters."""
    drawn: list[str] = []
    widths: list[int] = []
    for character in line:
        if character == "\t":
            drawn.append(" " * _TAB_WIDTH)
            widths.append(_TAB_WIDTH)
        elif " " <= character <= "~":
            drawn.append(character)
            widths.append(1)
        elif character == "\r":
            widths.append(0)
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            # Bidirectional and zero-width controls could make the picture show another text than the one that was
            # parsed.
            drawn.append("\ufffd")
            widths.append(1)
        else:
            drawn.append(character)
            wide = unicodedata.east_asian_width(character) in {"W", "F"}
            widths.append(0 if unicodedata.combining(character) else 2 if wide else 1)
    return "".join(drawn), widths


class LocatedText(str):
    """A text that was read from a file and knows its place there.

    Args:
        text: the text itself.
        file: name of the file.
        line: line at which the text begins, from 1.
        column: column at which it begins, from 1.
        next_column: column at which its second and later lines begin.
    """

    __slots__ = ("column", "file", "line", "next_column")

    file: str
    line: int
    column: int
    next_column: int

    def __new__(cls, text: str, file: str, line: int, column: int, next_column: int = 1) -> Self:  # noqa: D102
        located = super().__new__(cls, text)
        located.file, located.line, located.column, located.next_column = file, line, column, next_column
        return located

    def __reduce__(self) -> tuple[type[LocatedText], tuple[str, str, int, int, int]]:
        return LocatedText, (str(self), self.file, self.line, self.column, self.next_column)

    def source(self, path: str = "") -> Source:
        """The text as a `Source` in its file, with its place inside the configuration."""
        return Source(str(self), self.file, self.line, self.column, path, self.next_column)

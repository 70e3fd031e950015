import copy
import pickle

import pytest

from ottl.source import LocatedText, Source, SourceRange


@pytest.mark.parametrize(
    ("offset", "place"), [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (5, (2, 3)), (99, (2, 4)), (-1, (1, 1))]
)
def test_line_column(offset: int, place: tuple[int, int]) -> None:
    """Lines and columns count from 1; an offset outside the text means its nearest end."""
    assert Source("ab\ncde").line_column(offset) == place


def test_line_column_inside_a_file() -> None:
    """A text inside a file starts at its own line and column; its later lines start at the indentation of the block."""
    source = Source("ab\ncde", "f.yaml", first_line=10, first_column=7, next_column=5)
    assert source.line_column(1) == (10, 8)
    assert source.line_column(4) == (11, 6)


def test_describe() -> None:
    """A place is file, line and column, and the path inside the configuration where there is one."""
    assert Source("abc").describe(SourceRange(1, 2)) == "<rule>:1:2"
    assert Source("abc", "f.yaml", 3, 5, "conditions[0]").describe() == "f.yaml:3:5 (conditions[0])"


def carets(text: str, start: int, end: int) -> tuple[str, str]:
    """The line and the carets of a picture, gutter removed."""
    _, line, marks = Source(text).picture(SourceRange(start, end))
    return line[4:], marks[4:]


@pytest.mark.parametrize(
    ("text", "start", "end", "line", "marks"),
    [
        ("abc", 1, 2, "abc", " ^"),
        ("abc", 3, 4, "abc", "   ^"),
        ("abc", 1, 1, "abc", " ^"),
        ("a\nbcd\ne", 3, 5, "bcd", " ^^"),
        ("ab\ncd", 1, 5, "ab", " ^"),
        ("\tb", 1, 2, "    b", "    ^"),
        ("日本x", 1, 3, "日本x", "  ^^^"),
        ("e\u0301x", 2, 3, "e\u0301x", " ^"),
        ("a\x1b[31mb", 6, 7, "a\ufffd[31mb", "      ^"),
        ("a\u202eb", 2, 3, "a\ufffdb", "  ^"),
        ("ab\r\nc", 1, 2, "ab", " ^"),
        ("", 0, 1, "", "^"),
    ],
)
def test_picture(text: str, start: int, end: int, line: str, marks: str) -> None:
    """Carets stand under the range: behind tabs, wide, combining and control characters, and at the end of the text."""
    assert carets(text, start, end) == (line, marks)


def test_picture_of_a_long_line() -> None:
    """Of a long line only the surroundings of the range are drawn."""
    line, marks = carets("x" * 5000 + "!" + "y" * 5000, 5000, 5001)
    assert len(line) < 200
    assert line.startswith("...")
    assert line.endswith("...")
    assert line[marks.index("^")] == "!"


def test_picture_of_a_long_range() -> None:
    """A range longer than the picture is underlined to the edge of what is drawn."""
    line, marks = carets("a" * 5000, 0, 5000)
    assert len(marks) <= len(line) < 200


def test_ranges() -> None:
    """A range cuts its text, and the union covers both ranges."""
    assert Source("abcdef").slice(SourceRange(1, 3)) == "bc"
    assert SourceRange(4, 6).union(SourceRange(1, 2)) == SourceRange(1, 6)


def test_located_text() -> None:
    """A text read from a file is a string, gives a source with its place, and keeps the place when copied."""
    text = LocatedText("set(a, 1)", "f.yaml", 3, 7, 5)
    assert text == "set(a, 1)"
    for again in (text, copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert again.source("statements[0]") == Source("set(a, 1)", "f.yaml", 3, 7, "statements[0]", 5)

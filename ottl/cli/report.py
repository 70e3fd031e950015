"""What `ottl run` says when it is done: bad messages, statement errors, the statistics, and failures one by one."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

import click

from ottl import files
from ottl.cli.rules import Rules
from ottl.cli.targets import Target

if TYPE_CHECKING:
    from ottl.engine import RowError

__all__ = ["ErrorFile", "Tally", "check_errors_file", "report", "summary"]

_NARROWEST: Final = 20


@dataclass(slots=True)
class Bad:
    """The bad messages of one input that were passed over."""

    count: int = 0
    first: str = ""


@dataclass(slots=True)
class Tally:
    """The messages of a run.

    Args:
        read: how many have been read.
        emptied: of which nothing was left.
        bad: those passed over, by input.
    """

    read: int = 0
    emptied: int = 0
    bad: dict[str, Bad] = field(default_factory=dict)

    def pass_over(self, name: str, description: str) -> None:
        """Counts a bad message of an input."""
        bad = self.bad.setdefault(name, Bad())
        bad.count += 1
        bad.first = bad.first or description


def summary(rules: Rules, tally: Tally) -> str:
    """What a run without output has to say."""
    bad = sum(bad.count for bad in tally.bad.values())
    errors = sum(stat.errors for _, runner in rules.runners() for stat in runner.stats())
    messages = "message" if tally.read == 1 else "messages"
    line = f"{tally.read:,} {messages}, {tally.emptied:,} emptied, {bad:,} bad; "
    line += f"{errors:,} statement {'error' if errors == 1 else 'errors'}; nothing written"
    return f"{_table([stat for _, runner in rules.runners() for stat in runner.stats()])}\n\n{line}"


def report(rules: Rules, tally: Tally, *, on_bad_input: str, stats: bool, silent: bool) -> None:
    """Bad messages, statement errors and the statistics, on standard error."""
    for name, bad in tally.bad.items():
        one = bad.count == 1
        done = "left out" if on_bad_input == "skip" else f"copied as {'it was' if one else 'they were'}"
        messages = "message" if one else "messages"
        click.echo(f"ottl: {name}: {bad.count} bad {messages} {done}, the first: {bad.first}", err=True)
    found = [stat for _, runner in rules.runners() for stat in runner.stats()]
    for stat in found:
        if stat.errors and not silent:
            errors = "error" if stat.errors == 1 else "errors"
            statement = " ".join(stat.statement.split())
            click.echo(
                f"ottl: {stat.location}: {stat.errors} {errors} in {statement}: the first: {stat.first_error}", err=True
            )
    if stats:
        click.echo(_table(found), err=True)


def _table(found: Sequence[Any]) -> str:
    """The statistics as a table: what each statement matched, changed, failed on and took."""
    rows = [("matched", "changed", "errors", "ms", "signal", "context", "statement")]
    rows += [
        (
            f"{stat.matched:,}",
            f"{stat.changed:,}",
            f"{stat.errors:,}",
            f"{stat.ns / 1e6:,.1f}",
            stat.signal,
            stat.context,
            " ".join(stat.statement.split()),
        )
        for stat in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    before = sum(widths) + 2 * len(widths)
    return "\n".join("  ".join([*_aligned(row, widths), _wrapped(row[-1], before)]) for row in rows)


def _wrapped(text: str, before: int) -> str:
    """A text behind `before` columns; on a terminal over several lines, each of which begins there."""
    room = shutil.get_terminal_size().columns - before if sys.stderr.isatty() else len(text)
    if room >= len(text) or room < _NARROWEST:
        return text
    return ("\n" + " " * before).join(text[start : start + room] for start in range(0, len(text), room))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The cells of a row but the last: numbers to the right, words to the left."""
    cells = zip(row, widths, strict=False)
    return [cell.rjust(width) if column < 4 else cell.ljust(width) for column, (cell, width) in enumerate(cells)]


def check_errors_file(path: str, read: Sequence[str | None], targets: Sequence[Target]) -> None:
    """Refuses to write failures over what is read or written besides.

    Raises:
        UsageError: it is one of those files.
    """
    place = Path(path).resolve()
    if any(name not in {None, files.STANDARD_STREAM} and Path(name or "").resolve() == place for name in read):
        raise click.UsageError(f"{path}: --errors would overwrite what is read")
    if any(target.path is not None and target.path.resolve() == place for target in targets):
        raise click.UsageError(f"{path}: --errors and the output would be one file")


class ErrorFile:
    """Failures of statements as JSON lines, written as they come.

    Args:
        path: the file.
        rules: whose failures are wanted.
    """

    def __init__(self, path: str, rules: Rules) -> None:
        self.place = ""
        self.count = 0
        self._path = path
        self._file: IO[bytes] = Path(path).open("wb")  # noqa: SIM115 (closed by `__exit__`)
        for name, runner in rules.runners():
            runner.on_error = functools.partial(self.write, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, processor: str, error: RowError) -> None:
        """Writes a failure in a processor, of a message at the current `place`."""
        import orjson

        self.count += 1
        found = {
            "input": self.place,
            "processor": processor,
            "statement": error.statement,
            "location": error.location,
            "signal": error.signal,
            "context": error.context,
            "row": error.row,
            "error": error.message,
            "record": orjson.Fragment(error.record),
        }
        with files.named_errors(self._path):
            self._file.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))

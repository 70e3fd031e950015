"""How commands write for people: colours only where they can be seen, columns that fit, a bar for what takes long."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import click

from ottl import files

__all__ = ["Progress", "colored", "columns"]

_WIDEST = 60
_PROGRESS_DELAY_S: Final = 0.5
_PROGRESS_STEP_S: Final = 0.1


def colored() -> bool:
    """Whether standard output shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def columns(pairs: Sequence[tuple[str, str]], color: bool = False) -> Iterator[str]:
    """Lines of a name and a text: side by side in a terminal, cut to its width; else with a tab between.

    Args:
        pairs: name and text of each line.
        color: whether to use ANSI colours.
    """
    width = shutil.get_terminal_size((110, 24)).columns if sys.stdout.isatty() else 0
    column = min(max((len(name) for name, _ in pairs), default=0), _WIDEST)
    for name, text in pairs:
        painted = click.style(name, fg="cyan") if color else name
        if not width:
            yield f"  {painted}{' ' * max(column - len(name), 0)}  {text}"
        elif len(name) > column:
            yield f"  {painted}"
            yield f"  {' ' * column}  {_cut(text, width - column - 4)}"
        else:
            yield f"  {painted}{' ' * (column - len(name))}  {_cut(text, width - column - 4)}"


def _cut(text: str, width: int) -> str:
    width = max(width, 20)
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


class Progress:
    """A bar on standard error, where that is a terminal which shows nothing else; a short run has none."""

    def __init__(self, inputs: Sequence[tuple[str, Path]], output: str | None) -> None:
        self._bar: Any = None
        self._total = 0
        self._done = 0
        self._next = time.monotonic() + _PROGRESS_DELAY_S
        if not sys.stderr.isatty() or (output is None and sys.stdout.isatty()):
            return
        sizes = [Path(name).stat().st_size if name != files.STANDARD_STREAM else 0 for name, _ in inputs]
        self._total = sum(sizes) if all(sizes) else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away, before anything else is written there."""
        self._total = 0
        if self._bar is not None:
            self._bar.stop()

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("ottl run", total=self._total)
        self._bar.start()

    def show(self, position: int) -> None:
        """How far the current input has been read."""
        if self._total and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_STEP_S
            if self._bar is None:
                self._start()
            self._bar.update(self._task, completed=self._done + position)

    def finish(self, size: int) -> None:
        """The current input is done."""
        self._done += size

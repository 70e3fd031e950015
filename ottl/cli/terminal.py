"""How commands write for people: colours only where they can be seen, columns that fit."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence

import click

__all__ = ["colored", "columns"]

_WIDEST = 60


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

"""The options that bound what messages and rules may take, for the commands that run rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ottl.bounds import DEFAULT_LIMITS, NESTING_CEILING, Limits
from ottl.cli.rules import Size

__all__ = ["limit_options", "limits_of"]

F = TypeVar("F", bound=Callable[..., Any])

_NUMBER: Final = click.IntRange(min=1)


class Seconds(click.ParamType[float | None]):
    """A time that is not nothing: `0.5`, `30`, `30s`; or `none`."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """The seconds; None for as long as it takes."""
        if value is None or isinstance(value, float):
            return value
        text = str(value).strip().lower()
        if text == "none":
            return None
        try:
            seconds = float(text.removesuffix("s"))
        except ValueError:
            seconds = -1.0
        if not 0 < seconds < float("inf"):
            self.fail(f"{value!r} is no time such as 0.5, 30s or none", param, ctx)
        return seconds


def limit_options(command: F) -> F:
    """Add the options that become `Limits` to a command."""
    d = DEFAULT_LIMITS
    options = [
        click.option("--max-message", type=Size(), default=d.max_message, help="Largest message [default: 64MiB]."),
        click.option(
            "--max-messages", type=_NUMBER, default=d.max_messages, show_default=True,
            help="Most protobuf messages inside one message.",
        ),
        click.option(
            "--max-text", type=_NUMBER, default=d.max_text, show_default=True,
            help="Most characters of a statement.",
        ),
        click.option(
            "--max-nesting", type=click.IntRange(1, NESTING_CEILING), default=d.max_nesting, show_default=True,
            help="Most expressions inside each other.",
        ),
        click.option("--max-string", type=Size(), default=d.max_string, help="Longest text made [default: 16MiB]."),
        click.option(
            "--max-items", type=_NUMBER, default=d.max_items, show_default=True,
            help="Most elements of a list or map made.",
        ),
        click.option(
            "--max-growth", type=Size(), default=d.max_growth,
            help="Most that statements make of one message [default: 1GiB].",
        ),
        click.option(
            "--deadline", type=Seconds(), default=str(d.deadline_s), metavar="SECONDS",
            help="Longest that statements may take for one message, or none [default: 600].",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def limits_of(options: dict[str, Any]) -> Limits:
    """The limits among the options of a command, which are taken out of them.

    Raises:
        UsageError: a limit is out of reach.
    """
    names = [name for name in Limits.__slots__ if name in options]
    try:
        return Limits(**{name: options.pop(name) for name in names}, deadline_s=options.pop("deadline"))
    except ValueError as error:
        raise click.UsageError(f"--{str(error).replace('_', '-')}") from None

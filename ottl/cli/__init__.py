"""The command line: one file a command, imported when the command is called.

Exit codes: 0 done, 1 the rules or the data failed, 2 usage, 130 interrupted. A reader that closes the pipe ends the
command quietly.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any, NoReturn

import click

from ottl import __version__
from ottl.errors import ConfigError, Error

__all__ = ["command", "main"]

_COMMANDS = ("run", "bench", "check", "explain", "fmt", "functions", "repl", "completion")
_INTERRUPTED = 130


class _Commands(click.Group):
    """The commands, each imported when it is called or its help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ottl.cli.{cmd_name}").command
        return command


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"ottl {__version__} ({_describe_stack()})")
        ctx.exit()


def _describe_stack() -> str:
    if os.environ.get("OTTL_NATIVE") == "0":
        return "plain stack: OTTL_NATIVE=0"
    try:
        importlib.import_module("ottl._native")
    except ImportError:
        return "plain stack: no native extension"
    return "native codec in use"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def cli() -> None:
    """The OpenTelemetry Transformation Language over OTLP files."""


def command() -> NoReturn:
    """The program `ottl`: as `main`, but the process ends at once.

    Python would take a tenth of a second to take apart what the system takes back anyway. And where an interrupt comes
    while Python runs a piece of source, as it does to make a dataclass, Python would end the process by that signal,
    although the interrupt was dealt with.
    """
    try:
        main()
    except SystemExit as end:
        code = end.code
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave by `SystemExit`.

    Args:
        arguments: without the program's name; by default those of the process.
    """
    # Threads that wait for matrices would take 0.1 s of a core before they sleep.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has had enough. Python would complain once more when it flushes at the end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    if "_OTTL_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "ottl", "_OTTL_COMPLETE", os.environ["_OTTL_COMPLETE"])
    try:
        # Not `cli.main`, which writes an empty line on an interrupt.
        with cli.make_context("ottl", sys.argv[1:] if arguments is None else list(arguments)) as context:
            result: Any = cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except ConfigError as error:
        color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        for diagnostic in error.diagnostics:
            click.echo(diagnostic.render(color), err=True)
    except BrokenPipeError:
        raise
    except Error as error:
        click.echo(f"ottl: {error}", err=True)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        click.echo(f"ottl: {place}{error.strerror or error}", err=True)
    else:
        return result if isinstance(result, int) else 0
    return 1

"""`ottl repl`: try statements and expressions on real data."""

from __future__ import annotations

import sys
from typing import Any

import click

from ottl.cli.complete import complete_files
from ottl.cli.limits import limit_options, limits_of
from ottl.cli.modules import functions_option
from ottl.cli.rules import gate_option
from ottl.configuration import script_actions
from ottl.repl import console
from ottl.repl.data import Data, read
from ottl.repl.session import Session
from ottl.signals import SIGNALS

__all__ = ["command"]


@click.command("repl", short_help="Try statements and expressions on real data.")
@click.argument("path", required=False, metavar="[FILE]", shell_complete=complete_files)
@click.option("--signal", type=click.Choice(SIGNALS), help="The signal of protobuf that cannot tell it.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Load no more than N messages.")
@click.option("--strict", is_flag=True, help="Refuse what the reference does not know.")
@gate_option
@functions_option
@limit_options
def command(path: str | None, **options: Any) -> None:
    """Load FILE, OTLP in any format, or a built-in sample, and answer what is typed.

    A statement runs on the current record and shows what it changed; a value or a condition is shown. :help lists the
    commands. What comes from a pipe is answered line by line.
    """
    limits = limits_of(options)

    def load(name: str | None) -> Data:
        return Data(read(name, limits, options["signal"], options["limit"]), limits)

    functions = None if options["strict"] else options["functions"]
    keywords = {"strict": options["strict"], "functions": functions, **options["gates"]}
    session = Session(load(path), path or "sample", console.colored(), limits, keywords, load)
    if functions is not None:
        session.functions = script_actions().union(functions)
    if sys.stdin.isatty():
        console.run(session)
    else:
        console.serve(session, sys.stdin, lambda text: click.echo(text) if text else None)

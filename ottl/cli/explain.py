"""`ottl explain`: how rules will be run, what a diagnostic code means, what a function does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ottl.binder import nearest
from ottl.cli import functions as function_pages
from ottl.cli.complete import complete_explain
from ottl.cli.rules import load_rules, rule_options, settings_of
from ottl.cli.terminal import colored
from ottl.configuration import script_actions, standard_functions
from ottl.functions import FunctionSet
from ottl.pages import PAGES, render
from ottl.reference import find

__all__ = ["command"]

_CODE = re.compile(r"[EW]\d{3}", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"\w+")


@click.command("explain", short_help="Show how RULES are run, what a CODE means, what a FUNCTION does.")
@click.argument("what", required=False, metavar="[RULES | CODE | FUNCTION]", shell_complete=complete_explain)
@rule_options
def command(what: str | None, **options: Any) -> None:
    """Show how RULES are run, what a diagnostic CODE means, or what a FUNCTION does.

    Of RULES: contexts, fields read and written, the stack and its reason, instructions. A file that is named like a
    code or a function needs its directory: ./E204.
    """
    settings = settings_of(options)
    if (what is None) != bool(settings.statements):
        raise click.UsageError("give RULES, a CODE, a FUNCTION or -e")
    functions = script_actions().union(settings.functions if settings.functions is not None else standard_functions())
    if what is not None and _explain_name(what, functions):
        return
    rules = load_rules(what, settings)
    for name, runner in rules.runners():
        signals = sorted({signal for step in rules.steps if step.runner is runner for signal in step.signals})
        click.echo(f"{name} ({', '.join(signals) or 'no signal'})\n")
        click.echo(runner.explain().rstrip() + "\n")
    if rules.left_out:
        click.echo(f"left out: {', '.join(rules.left_out)}")


def _explain_name(what: str, functions: FunctionSet) -> bool:
    """Prints the page of a code or a function; False for what is neither.

    Raises:
        UsageError: it has the form of a code, and none is spelled like that.
    """
    if _CODE.fullmatch(what):
        if what.upper() not in PAGES:
            hint = nearest(what.upper(), PAGES)
            raise click.UsageError(f"no code {what.upper()}" + (f": {hint}" if hint else ""))
        click.echo(render(what.upper(), colored()))
        return True
    if _PLAIN_NAME.fullmatch(what):
        function = functions.get(what)
        if function is None and not Path(what).exists():
            function = find(what, functions)
            if function is None:
                hint = nearest(what, functions)
                raise click.UsageError(f"no file and no function {what}" + (f": {hint}" if hint else ""))
        if function is not None:
            function_pages.show(function)
            return True
    return False

"""`ottl functions`: what rules can call, from the declarations of the functions."""

from __future__ import annotations

import json

import click

from ottl.binder import nearest
from ottl.cli.complete import complete_contexts, complete_functions
from ottl.cli.modules import functions_option
from ottl.cli.terminal import colored, columns
from ottl.configuration import script_actions, standard_functions
from ottl.contexts import CONTEXTS
from ottl.functions import Function, FunctionSet
from ottl.reference import contexts_of, describe, find

__all__ = ["command", "show"]


@click.command("functions", short_help="List the functions, or show one.")
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete_functions)
@click.option("--context", metavar="NAME", help="Only what this context knows.", shell_complete=complete_contexts)
@functions_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(name: str | None, context: str | None, functions: FunctionSet | None, as_json: bool) -> None:
    """List the functions, or show NAME: signature, meaning, arguments, examples, contexts."""
    known = _known(context, functions)
    if name is not None:
        function = find(name, known)
        if function is None:
            hint = nearest(name, known)
            raise click.UsageError(f"no function {name}" + (f": {hint}" if hint else ""))
        show(function, as_json=as_json)
    elif as_json:
        pages = [describe(function).to_dict() for function in _sorted(known)]
        click.echo(json.dumps(pages, indent=2, ensure_ascii=False))
    else:
        kinds: dict[str, list[Function]] = {}
        for function in _sorted(known):
            kinds.setdefault(_kind(function), []).append(function)
        for number, (title, found) in enumerate(kinds.items()):
            if number:
                click.echo()
            click.echo(click.style(title, bold=True) if colored() else title)
            for line in columns([(f.signature(), describe(f).summary) for f in found], colored()):
                click.echo(line)


def show(function: Function, *, as_json: bool = False) -> None:
    """Print the page of a function."""
    described = describe(function)
    if as_json:
        click.echo(json.dumps(described.to_dict(), indent=2, ensure_ascii=False))
    else:
        click.echo(described.render(colored()))


def _kind(function: Function) -> str:
    if function.name in script_actions():
        return "Editors of scripts"
    return "Editors" if function.editor else "Converters"


def _sorted(functions: FunctionSet) -> list[Function]:
    order = ("Editors", "Editors of scripts", "Converters")
    return sorted(functions.values(), key=lambda function: (order.index(_kind(function)), function.name.lower()))


def _known(context: str | None, functions: FunctionSet | None) -> FunctionSet:
    functions = script_actions().union(functions if functions is not None else standard_functions())
    if context is None:
        return functions
    known = [each.name for each in CONTEXTS.values() if each.signals]
    if context not in known:
        raise click.UsageError(f"no context {context}, there are {', '.join(known)}")
    return FunctionSet(function for function in functions.values() if context in contexts_of(function))

"""`--functions MODULE`: functions that users declare in Python, beside those that are there."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import click

from ottl.configuration import script_actions, standard_functions
from ottl.functions import Function, FunctionSet

__all__ = ["functions_option"]


def _load(name: str) -> ModuleType:
    """The module of a name, looked for in the current folder first, or of a path that ends in `.py`."""
    path = Path(name)
    if path.suffix == ".py":
        folder, name = str(path.parent.resolve()), path.stem
        if not path.is_file():
            raise click.BadParameter(f"{path}: no such file")
    else:
        folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise click.BadParameter(
                f"no module {name}: give a module that Python finds from here, or a .py file"
            ) from None
        raise click.BadParameter(f"{name} does not load: {error}") from error
    except Exception as error:
        raise click.BadParameter(f"{name} does not load: {type(error).__name__}: {error}") from error


def _declared(name: str, known: FunctionSet) -> list[Function]:
    """The functions that a module declares, less those that are there anyway."""
    module = _load(name)
    try:
        found = FunctionSet.of(module)
    except ValueError as error:
        raise click.BadParameter(f"{name}: {error}") from None
    taken = [
        function.name for function in found.values() if function.name in known and known[function.name] is not function
    ]
    if taken:
        raise click.BadParameter(f"{name}: {', '.join(taken)} is there already, choose another name")
    new = [function for function in found.values() if function.name not in known]
    if not new:
        raise click.BadParameter(f"{name} declares no function with @converter or @editor")
    return new


def _functions(_ctx: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> FunctionSet | None:
    """All functions, with those of the modules; None for the standard ones."""
    if not names:
        return None
    functions = standard_functions()
    for name in names:
        functions = functions.union(_declared(name, script_actions().union(functions)))
    return functions


functions_option = click.option(
    "--functions",
    multiple=True,
    metavar="MODULE",
    callback=_functions,
    help="Functions of your own: a module of Python, or its file; repeatable.",
)

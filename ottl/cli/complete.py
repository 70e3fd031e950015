"""What the shell is offered when it asks for the rest of a word."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["complete_contexts", "complete_explain", "complete_files", "complete_functions"]


def complete_functions(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Functions, with what they do."""
    from ottl.configuration import script_actions, standard_functions
    from ottl.reference import describe

    return [
        CompletionItem(function.name, help=describe(function).summary)
        for function in script_actions().union(standard_functions()).values()
        if function.name.lower().startswith(incomplete.lower())
    ]


def complete_contexts(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Contexts that rules can run in."""
    from ottl.contexts import CONTEXTS

    return [
        CompletionItem(context.name)
        for context in CONTEXTS.values()
        if context.signals and context.name.startswith(incomplete.lower())
    ]


def complete_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Files, which the shell knows itself."""
    return [CompletionItem(incomplete, type="file")]


def complete_explain(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Codes and functions; where none fits, files."""
    from ottl.pages import PAGES

    codes = [CompletionItem(code) for code in PAGES if incomplete and code.startswith(incomplete.upper())]
    found = codes + (complete_functions(ctx, parameter, incomplete) if incomplete else [])
    return found or complete_files(ctx, parameter, incomplete)

"""`ottl check`: all diagnostics of rules, for people or as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

import ottl
from ottl.cli.complete import complete_files
from ottl.cli.rules import Settings, is_script, make, read_config, read_script, rule_options, settings_of
from ottl.errors import ConfigError, Diagnostic

__all__ = ["command"]


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[RULES]...", shell_complete=complete_files)
@rule_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(paths: tuple[str, ...], form: str, **options: Any) -> int:
    """Check RULES: every finding, with its line. Ends with 1 if there are errors; warnings do not count."""
    settings = settings_of(options)
    if bool(paths) == bool(settings.statements):
        raise click.UsageError("give RULES or -e")
    found = _check_statements(settings) if settings.statements else []
    for path in paths:
        found += _in_order(_check_file(path, settings))
    if form == "json":
        click.echo(json.dumps([diagnostic.to_dict() for diagnostic in found], indent=2, ensure_ascii=False))
    elif found:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        click.echo("\n\n".join(diagnostic.render(color) for diagnostic in found))
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    if form == "text":
        warnings = len(found) - errors
        click.echo(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}", err=True)
    return 1 if errors else 0


def _in_order(found: list[Diagnostic]) -> list[Diagnostic]:
    """The findings of a file from top to bottom; one of a text that several processors share stands there once."""
    distinct = {tuple(diagnostic.to_dict().values()): diagnostic for diagnostic in found}
    return sorted(distinct.values(), key=_place)


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    place = diagnostic.to_dict()
    return place["line"] or 0, place["column"] or 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check_statements(settings: Settings) -> list[Diagnostic]:
    return ottl.check(list(settings.statements), context=settings.context, **settings.keywords())


def _check_file(path: str, settings: Settings) -> list[Diagnostic]:
    """The diagnostics of a script, or of every processor in a file, whether a pipeline uses it or not."""
    try:
        if is_script(path):
            return ottl.check(read_script(path), context=settings.context, **settings.keywords())
        config = read_config(path)
        wanted = [step.processor for step in config.steps(settings.processors)] if settings.processors else None
    except ConfigError as error:
        return list(error.diagnostics)
    found: list[Diagnostic] = []
    for processor in wanted if wanted is not None else config.processors.values():
        try:
            if processor.kind == "scripts":
                found += ottl.check(processor.config(), **settings.keywords())
                continue
            found += getattr(make(processor, settings), "diagnostics", ())
        except ConfigError as error:
            found += error.diagnostics
    if wanted is None:
        try:
            config.steps()
        except ConfigError as error:
            found += error.diagnostics
    return found

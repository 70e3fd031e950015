"""`ottl explain`: how rules will be run."""

from __future__ import annotations

from typing import Any

import click

from ottl.cli.rules import load_rules, rule_options, settings_of

__all__ = ["command"]


@click.command("explain", short_help="Show how RULES are run, and why so.")
@click.argument("path", required=False, metavar="[RULES]")
@rule_options
def command(path: str | None, **options: Any) -> None:
    """Show how RULES are run: contexts, fields read and written, the stack and its reason, instructions."""
    settings = settings_of(options)
    if (path is None) != bool(settings.statements):
        raise click.UsageError("give RULES or -e")
    rules = load_rules(path, settings)
    for name, runner in rules.runners():
        signals = sorted({signal for step in rules.steps if step.runner is runner for signal in step.signals})
        click.echo(f"{name} ({', '.join(signals) or 'no signal'})\n")
        click.echo(runner.explain().rstrip() + "\n")
    if rules.left_out:
        click.echo(f"left out: {', '.join(rules.left_out)}")

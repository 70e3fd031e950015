"""`ottl completion`: the script that teaches a shell to complete commands, options, functions and contexts."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

_VARIABLE = "_OTTL_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash: eval "$(ottl completion bash)"      in ~/.bashrc
    zsh:  eval "$(ottl completion zsh)"       in ~/.zshrc
    fish: ottl completion fish | source       in ~/.config/fish/config.fish
    """  # noqa: D301 (click wants the character itself)
    made = get_completion_class(shell)
    assert made is not None  # the choices are click's own shells
    template = made(ctx.find_root().command, {}, "ottl", _VARIABLE)
    # Not `source()`, which runs bash to look at its version.
    click.echo(template.source_template % template.source_vars())

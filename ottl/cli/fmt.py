"""`ottl fmt`: rules in canonical form."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

import click

from ottl.cli.complete import complete_files
from ottl.cli.terminal import colored
from ottl.errors import ConfigError, Diagnostic, Error
from ottl.files import STANDARD_STREAM
from ottl.rewriting import format_config, format_rules
from ottl.source import Source

__all__ = ["command"]

# A line that is a key of a YAML mapping; a script has none but inside of a string or a comment.
_YAML_KEY = re.compile(r"^(?:---|[\w./-]+:(?:\s|$))", re.MULTILINE)


@click.command("fmt", short_help="Format scripts, and the statements inside YAML.")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
def command(paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Format rules in place: scripts (.ottl), and the statements inside of YAML, of which all else stays as it is.

    - is standard input, formatted to standard output. A file with a syntax error stays as it was, the exit code is 1.
    """
    changed = failed = 0
    for path in dict.fromkeys(paths):
        name = "<stdin>" if path == STANDARD_STREAM else path
        old = _read(path)
        try:
            new = _formatted(old, path, name)
        except ConfigError as error:
            failed += 1
            color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
            click.echo("\n\n".join(diagnostic.render(color) for diagnostic in error.diagnostics), err=True)
            continue
        except Error as error:
            failed += 1
            click.echo(f"ottl: {error}", err=True)
            continue
        changed += new != old
        if diff:
            _show_difference(old, new, name)
        if path == STANDARD_STREAM and not (check or diff):
            click.echo(new, nl=False)
        elif new != old and not diff:
            if not check:
                _replace(Path(path), new)
            click.echo(f"{'would reformat' if check else 'reformatted'} {name}", err=True)
    if len(paths) > 1:
        would = "would be " if check or diff else ""
        left = len(dict.fromkeys(paths)) - changed - failed
        parts = [f"{changed} {would}reformatted", f"{left} left as they are", *([f"{failed} failed"] if failed else [])]
        click.echo(", ".join(parts), err=True)
    return 1 if failed or (check and changed) else 0


def _read(path: str) -> str:
    """A file as text, line ends kept.

    Raises:
        ConfigError: it is not UTF-8.
        UsageError: it cannot be read.
    """
    try:
        data = sys.stdin.buffer.read() if path == STANDARD_STREAM else Path(path).read_bytes()
        return data.decode()
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8 (byte {error.start})"
        raise ConfigError([Diagnostic("E450", "error", message, None, None, Source("", path))]) from None


def _formatted(text: str, path: str, name: str) -> str:
    """The text of a file in canonical form.

    Raises:
        ConfigError: with all diagnostics.
    """
    if _is_script(text, path):
        return format_rules(text, name)
    return format_config(text, name)


def _is_script(text: str, path: str) -> bool:
    """Whether a file is a script: by its name, or, of standard input, by its content."""
    if path != STANDARD_STREAM:
        return path.lower().endswith(".ottl")
    return _YAML_KEY.search(text) is None


def _show_difference(old: str, new: str, name: str) -> None:
    colors = {"-": "red", "+": "green", "@": "cyan"}
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), name, name, "as it is", "formatted", lineterm="")
    for line in lines:
        click.echo(click.style(line, fg=colors.get(line[:1])) if colored() else line)


def _replace(path: Path, text: str) -> None:
    """Writes a file so that it is never seen half written; a link stays a link, and rights are kept."""
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(name).chmod(stat.S_IMODE(target.stat().st_mode))
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise

"""State files of `ottl run --state`: what the functions of its processors remember, from run to run."""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np

from ottl.analysis import saved
from ottl.cli.rules import Rules
from ottl.errors import Error

__all__ = ["restore", "save"]


def restore(path: str, rules: Rules) -> None:
    """Gives processors back what a file says that they remember; nothing where the file is not there yet.

    Raises:
        Error: the file is no state, damaged or of another version.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        if not Path(path).parent.is_dir():
            raise click.UsageError(f"{path}: its directory is not there") from None
        return
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    try:
        sections = {section.about.get("processor"): section for section in saved.unpack(data)}
        for name, runner in rules.runners():
            section = sections.get(name)
            if section is not None and "state" in section.arrays:
                runner.load_state(section.arrays["state"].tobytes())
    except Error as error:
        raise Error(f"{path}: {error}") from None


def save(path: str, rules: Rules) -> None:
    """Writes what processors remember; a file that is there is replaced when the new one is complete.

    Raises:
        Error: it cannot be written.
    """
    sections = [
        saved.Section({"processor": name}, [], {"state": np.frombuffer(runner.state(), np.uint8)})
        for name, runner in rules.runners()
        if runner.stateful
    ]
    target = Path(path)
    # Named before it is there, so that an interrupt leaves none behind.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(saved.pack(sections))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise Error(f"{path}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)

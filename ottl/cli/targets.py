"""Where `ottl run` writes: one output for all inputs, or one for each, and one more for every route."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from ottl import files
from ottl.errors import Error
from ottl.files import Layout, Output

__all__ = ["Target", "find_targets"]


@dataclass(slots=True)
class Target:
    """Where the messages of one input go; several inputs may share one.

    Args:
        path: the file; None for standard output.
        to: format of the output; None for that of the first input.
        dry: nothing is written.
    """

    path: Path | None
    to: files.Format | None
    dry: bool = False
    output: Output | None = None
    routes: dict[str, Output] = field(default_factory=dict)

    def layout(self, source: Layout) -> Layout:
        """How the output holds messages.

        Args:
            source: the layout of its first input.
        """
        compression = files.compression_of(self.path) if self.path is not None and not self.dry else None
        return Layout(self.to or source.format, compression)

    def open(self, layout: Layout, opened: list[Output]) -> Output:
        """The output, made when first asked for.

        Raises:
            Error: an input has another encoding than the output.
        """
        if self.output is None:
            _check_free(self.path, opened)
            wanted = self.layout(layout)
            if self.dry:
                self.output = Output(Path(os.devnull), wanted)
                opened.append(self.output)
                return self.output
            if self.path is None and wanted.encoding == "protobuf" and sys.stdout.isatty():
                raise click.UsageError("protobuf is not for a terminal: use -o FILE or --to jsonl")
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.output = Output(self.path, wanted)
            opened.append(self.output)
            self.output.open()
        elif self.to is None and not _fits(layout.format, self.output.layout.format):
            ours, theirs = layout.format, self.output.layout.format
            raise Error(f"{self.output.name}: inputs in {theirs} and {ours} need --to for one output")
        return self.output

    def open_route(self, route: str, layout: Layout, opened: list[Output]) -> Output:
        """The output of a route, made when first asked for."""
        if self.dry and self.output is not None:
            return self.output
        assert self.path is not None
        if route not in self.routes:
            path = files.route_name(self.path, route)
            _check_free(path, opened)
            self.routes[route] = Output(path, self.layout(layout))
            opened.append(self.routes[route])
        return self.routes[route]


def _check_free(path: Path | None, opened: Sequence[Output]) -> None:
    """Refuses a second output of one name, as the route of one input and another input may have."""
    if path is not None and any(output.path == path for output in opened):
        raise Error(f"{path}: two outputs would be written to it")


def _fits(source: files.Format, target: files.Format) -> bool:
    return source == target or (source == "json" and target == "jsonl")


def find_targets(
    inputs: Sequence[tuple[str, Path]],
    arguments: Sequence[str],
    output: str | None,
    to: files.Format | None,
    routes: Sequence[str],
    *,
    dry: bool,
) -> list[Target]:
    """For each input where it goes."""
    if routes and not dry and (output is None or Path(output).is_file()):
        raise click.UsageError(f"the rules route rows to {', '.join(routes)}: give a directory with -o")
    if output is None:
        return [Target(None, to, dry)] * len(inputs)
    folder = output.endswith(os.sep) or Path(output).is_dir() or bool(routes)
    if not folder and not Path(output).exists() and not files.is_file_name(output):
        folder = any(Path(name).is_dir() for name in arguments)
    if not folder:
        if not Path(output).parent.is_dir():
            raise click.UsageError(f"{output}: its directory is not there")
        return [Target(Path(output), to, dry)] * len(inputs)
    taken: dict[Path, str] = {}
    targets = []
    for name, place in inputs:
        path = Path(output) / files.output_name(place, to)
        if path in taken:
            raise click.UsageError(f"{taken[path]} and {name} would both be written to {path}")
        taken[path] = name
        targets.append(Target(path, to, dry))
    return targets

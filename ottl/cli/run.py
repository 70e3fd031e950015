"""`ottl run`: rules over OTLP files and streams, message by message."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import signal as signals
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self, cast

import click

import ottl
from ottl import files
from ottl.cli.complete import complete_files
from ottl.cli.limits import limit_options, limits_of
from ottl.cli.rules import Rules, load_rules, rule_options, settings_of
from ottl.cli.state import restore, save
from ottl.codec import Limits, joined
from ottl.errors import Error, PayloadError, StatementError
from ottl.files import Input, Layout, Message, Output
from ottl.signals import SIGNALS

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ottl.engine import RowError

__all__ = ["command"]

OnBadInput = Literal["stop", "skip", "copy"]

_EMPTIED: Final = {"json": b"{}", "protobuf": b""}
_PROGRESS_DELAY_S: Final = 0.5
_PROGRESS_STEP_S: Final = 0.1
_NARROWEST: Final = 20


class _BadInputError(Error):
    """A message that ends the run."""


@dataclass(slots=True)
class _Bad:
    """The bad messages of one input that were passed over."""

    count: int = 0
    first: str = ""


@dataclass(slots=True)
class _Held:
    """A message that waits for the end of its input.

    Args:
        message: as it came.
        fault: why it cannot be processed.
        payload: in protobuf, for a message of traces without a fault.
        routes: what goes to other outputs, in protobuf.
    """

    message: Message
    fault: PayloadError | StatementError | None = None
    payload: bytes | None = None
    routes: dict[str | None, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """One call of the command.

    Args:
        rules: the processors.
        limits: bounds on a message.
        on_bad_input: what to do with a message that cannot be processed.
        to: format of the output; None for that of the input.
        source: format of the input; None to detect it.
        signal: of input that does not say it.
        limit: how many messages to read at most; None for all.
        errors: where failures of statements are written.
    """

    rules: Rules
    limits: Limits
    on_bad_input: OnBadInput
    to: files.Format | None
    source: files.Format | None
    signal: str | None
    limit: int | None = None
    errors: _ErrorFile | None = None
    read: int = 0
    emptied: int = 0
    outputs: list[Output] = field(default_factory=list)
    bad: dict[str, _Bad] = field(default_factory=dict)

    def run_input(self, name: str, output: _Target, progress: _Progress) -> None:
        """All messages of one input."""
        try:
            source = Input(name, max_message=self.limits.max_message, format=self.source, signal=self.signal)
        except PayloadError as error:
            shown = "<stdin>" if name == files.STANDARD_STREAM else name
            self._count(shown, f"{shown}: {error}", stop=self.on_bad_input != "skip")
            return
        with source:
            if self.on_bad_input == "copy" and self.to is not None and self.to != source.layout.format:
                raise click.UsageError(f"--on-bad-input copy cannot turn {source.layout.format} into {self.to}")
            target = output.open(source.layout, self.outputs)
            messages = iter(source)
            with files.named_errors(target.name):
                if any("traces" in step.runner.whole_traces & step.signals for step in self.rules.steps):
                    self._run_together(messages, source, output, target, progress)
                while (message := self._next(messages, source)) is not None:
                    self._run_message(message, source, output, target)
                    progress.show(source.position)
                    if name == files.STANDARD_STREAM:
                        target.flush()
            progress.finish(source.size or 0)

    @property
    def full(self) -> bool:
        """Whether as many messages have been read as were wanted."""
        return self.limit is not None and self.read >= self.limit

    def _run_together(
        self, messages: Iterator[Message], source: Input, output: _Target, target: Output, progress: _Progress
    ) -> None:
        """All messages of an input whose traces are looked at as a whole: those of traces are held until its end."""
        held: list[_Held] = []
        while (message := self._next(messages, source)) is not None:
            progress.show(source.position)
            one = _Held(message, message.fault)
            if message.fault is None and message.signal == "traces":
                try:
                    one.payload = files.transcode(message.payload, "traces", message.encoding, "protobuf", self.limits)
                    joined.check(one.payload, "traces", self.limits)
                except PayloadError as error:
                    one.fault, one.payload = error, None
            elif message.rest is not None:
                one.message = replace(message, rest=iter([b"".join(message.rest)]))
            held.append(one)
        if self.errors is not None:
            self.errors.place = source.name
        self._process_together([one for one in held if one.payload is not None])
        for one in held:
            if one.fault is not None:
                self._pass_over(one.message, one.fault, source, target)
            elif one.payload is None:
                self._run_message(one.message, source, output, target)
            else:
                encoding = one.message.encoding if self.to is None else target.layout.encoding
                outputs = {
                    route: files.transcode(part, "traces", "protobuf", encoding, self.limits)
                    if part
                    else _EMPTIED[encoding]
                    for route, part in {None: one.payload, **one.routes}.items()
                }
                self.emptied += outputs[None] == _EMPTIED[encoding]
                self._write_routes(outputs, one.message, encoding, output, source.layout, target)

    def _process_together(self, held: Sequence[_Held]) -> None:
        """The messages of traces of an input through the processors; a fault of them all is that of each."""
        for step in self.rules.steps:
            if "traces" not in step.signals:
                continue
            good = [one for one in held if one.fault is None and one.payload]
            if "traces" in step.runner.whole_traces:
                try:
                    found = step.runner.split_together([one.payload or b"" for one in good], "traces")
                except (PayloadError, StatementError) as error:
                    for one in good:
                        one.fault = error
                else:
                    for one, outputs in zip(good, found, strict=True):
                        one.payload = outputs.pop(None)
                        one.routes = outputs
                continue
            for one in good:
                try:
                    one.payload = step.runner.process(one.payload or b"", signal="traces", encoding="protobuf")
                except (PayloadError, StatementError) as error:
                    one.fault = error

    def _next(self, messages: Iterator[Message], source: Input) -> Message | None:
        if self.full:
            return None
        try:
            message = next(messages, None)
            self.read += message is not None
            return message
        except PayloadError as error:
            # A broken compressed stream has no next message, and its rest cannot be copied.
            self._count(source.name, f"{source.name}: {error}", stop=self.on_bad_input != "skip")
            return None

    def _run_message(self, message: Message, source: Input, output: _Target, target: Output) -> None:
        fault: PayloadError | StatementError | None = message.fault
        if self.errors is not None:
            self.errors.place = f"{source.name}:{message.line}" if message.line else source.name
        if fault is None:
            encoding = message.encoding if self.to is None else target.layout.encoding
            try:
                if self.rules.routes:
                    outputs = self._routed(message, encoding)
                    self._write_routes(outputs, message, encoding, output, source.layout, target)
                    return
                payload = self.process(message, encoding)
            except (PayloadError, StatementError) as error:
                fault = error
            else:
                self.emptied += payload == _EMPTIED[encoding] != message.payload
                target.write(payload, packed=message.packed, encoding=encoding)
                return
        self._pass_over(message, fault, source, target)

    def _pass_over(
        self, message: Message, fault: PayloadError | StatementError | None, source: Input, target: Output
    ) -> None:
        """A message that cannot be processed."""
        self._count(source.name, _describe(fault, message, source), stop=self.on_bad_input == "stop")
        if self.on_bad_input == "copy":
            if message.fault is not None:
                target.copy(message)
            else:
                target.write(message.payload, packed=message.packed, encoding=message.encoding)

    def _write_routes(
        self,
        outputs: Mapping[str | None, bytes],
        message: Message,
        encoding: files.Encoding,
        output: _Target,
        layout: Layout,
        rest: Output,
    ) -> None:
        """A message taken apart: each route to its own file, the rows of none to the rest."""
        for route, payload in outputs.items():
            if route is None:
                rest.write(payload, packed=message.packed, encoding=encoding)
            elif payload != _EMPTIED[encoding]:
                target = output.open_route(route, layout, self.outputs)
                target.write(payload, packed=message.packed, encoding=encoding)

    def _routed(self, message: Message, target: files.Encoding) -> dict[str | None, bytes]:
        """A message through the rules, by route; see `process`."""
        (step,) = self.rules.steps
        signal = message.signal
        if signal is None or signal not in step.signals:
            return {None: self.process(message, target)}
        payload = files.transcode(message.payload, signal, message.encoding, target, self.limits)
        assert isinstance(step.runner, ottl.Program), "only scripts have routes"
        return step.runner.run_routes(payload, encoding=target, signal=signal)

    def _count(self, name: str, description: str, *, stop: bool) -> None:
        if stop:
            raise _BadInputError(description)
        bad = self.bad.setdefault(name, _Bad())
        bad.count += 1
        bad.first = bad.first or description

    def process(self, message: Message, target: files.Encoding) -> bytes:
        """A message through the processors of its signal.

        Args:
            message: without a fault.
            target: the encoding wanted.

        Raises:
            PayloadError: it is malformed or exceeds a limit.
            StatementError: a statement failed under `propagate`.
        """
        signal, payload, encoding = message.signal, message.payload, message.encoding
        if signal is None:
            return payload if encoding == target else _EMPTIED[target]
        steps = [step for step in self.rules.steps if signal in step.signals]
        # Several processors in a row share one conversion.
        working: files.Encoding = "protobuf" if len(steps) > 1 else target
        payload = files.transcode(payload, signal, encoding, working, self.limits)
        for step in steps:
            payload = step.runner.process(payload, signal=signal, encoding=working)
            if payload == _EMPTIED[working]:
                return _EMPTIED[target]
        return files.transcode(payload, signal, working, target, self.limits)


class _Nowhere(io.RawIOBase):
    """Takes what is written and keeps nothing."""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Buffer) -> int:
        """All of it."""
        return memoryview(data).nbytes


@dataclass(slots=True)
class _Target:
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

    def open(self, layout: Layout, opened: list[Output]) -> Output:
        """The output, made when first asked for.

        Raises:
            Error: an input has another encoding than the output.
        """
        if self.output is None:
            _check_free(self.path, opened)
            compression = files.compression_of(self.path) if self.path is not None else None
            wanted = Layout(self.to or layout.format, compression)
            if self.dry:
                self.output = Output(None, wanted, cast("IO[bytes]", _Nowhere()))
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
            self.routes[route] = Output(path, Layout(self.to or layout.format, files.compression_of(path)))
            opened.append(self.routes[route])
        return self.routes[route]


def _check_free(path: Path | None, opened: Sequence[Output]) -> None:
    """Refuses a second output of one name, as the route of one input and another input may have."""
    if path is not None and any(output.path == path for output in opened):
        raise Error(f"{path}: two outputs would be written to it")


def _fits(source: files.Format, target: files.Format) -> bool:
    return source == target or (source == "json" and target == "jsonl")


def _describe(fault: PayloadError | StatementError | None, message: Message, source: Input) -> str:
    """A fault with the file, line and offset of its message."""
    place = f"{source.name}:{message.line}" if message.line else source.name
    inflated = " of the inflated stream" if source.layout.compression is not None else ""
    if not isinstance(fault, PayloadError):
        message_place = "" if message.line else f" (in the message at byte {message.offset}{inflated})"
        return f"{place}: {fault}{message_place}"
    offset = message.offset + (0 if message.packed else fault.offset or 0)
    return f"{place}: {fault.args[0]} (at byte {offset}{inflated})"


def _check_errors_file(path: str, read: Sequence[str | None], targets: Sequence[_Target]) -> None:
    """Refuses to write failures over what is read or written besides.

    Raises:
        UsageError: it is one of those files.
    """
    place = Path(path).resolve()
    if any(name not in {None, files.STANDARD_STREAM} and Path(name or "").resolve() == place for name in read):
        raise click.UsageError(f"{path}: --errors would overwrite what is read")
    if any(target.path is not None and target.path.resolve() == place for target in targets):
        raise click.UsageError(f"{path}: --errors and the output would be one file")


class _ErrorFile:
    """Failures of statements as JSON lines, written as they come.

    Args:
        path: the file.
        rules: whose failures are wanted.
    """

    def __init__(self, path: str, rules: Rules) -> None:
        self.place = ""
        self.count = 0
        self._path = path
        self._file: IO[bytes] = Path(path).open("wb")  # noqa: SIM115 (closed by `__exit__`)
        for name, runner in rules.runners():
            runner.on_error = functools.partial(self._write, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, processor: str, error: RowError) -> None:
        import orjson

        self.count += 1
        found = {
            "input": self.place,
            "processor": processor,
            "statement": error.statement,
            "location": error.location,
            "signal": error.signal,
            "context": error.context,
            "row": error.row,
            "error": error.message,
            "record": orjson.Fragment(error.record),
        }
        with files.named_errors(self._path):
            self._file.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))


class _Progress:
    """A bar on standard error, where that is a terminal which shows nothing else; a short run has none."""

    def __init__(self, inputs: Sequence[tuple[str, Path]], output: str | None) -> None:
        self._bar: Any = None
        self._total = 0
        self._done = 0
        self._next = time.monotonic() + _PROGRESS_DELAY_S
        if not sys.stderr.isatty() or (output is None and sys.stdout.isatty()):
            return
        sizes = [Path(name).stat().st_size if name != files.STANDARD_STREAM else 0 for name, _ in inputs]
        self._total = sum(sizes) if all(sizes) else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away, before anything else is written there."""
        self._total = 0
        if self._bar is not None:
            self._bar.stop()

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("ottl run", total=self._total)
        self._bar.start()

    def show(self, position: int) -> None:
        """How far the current input has been read."""
        if self._total and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_STEP_S
            if self._bar is None:
                self._start()
            self._bar.update(self._task, completed=self._done + position)

    def finish(self, size: int) -> None:
        """The current input is done."""
        self._done += size


def _targets(
    inputs: Sequence[tuple[str, Path]],
    arguments: Sequence[str],
    output: str | None,
    to: files.Format | None,
    routes: Sequence[str],
    *,
    dry: bool,
) -> list[_Target]:
    """For each input where it goes."""
    if routes and not dry and (output is None or Path(output).is_file()):
        raise click.UsageError(f"the rules route rows to {', '.join(routes)}: give a directory with -o")
    if output is None:
        return [_Target(None, to, dry)] * len(inputs)
    folder = output.endswith(os.sep) or Path(output).is_dir() or bool(routes)
    if not folder and not Path(output).exists() and not files.is_file_name(output):
        folder = any(Path(name).is_dir() for name in arguments)
    if not folder:
        if not Path(output).parent.is_dir():
            raise click.UsageError(f"{output}: its directory is not there")
        return [_Target(Path(output), to, dry)] * len(inputs)
    taken: dict[Path, str] = {}
    targets = []
    for name, place in inputs:
        path = Path(output) / files.output_name(place, to)
        if path in taken:
            raise click.UsageError(f"{taken[path]} and {name} would both be written to {path}")
        taken[path] = name
        targets.append(_Target(path, to, dry))
    return targets


@click.command("run")
@click.argument("arguments", nargs=-1, metavar="[RULES] [INPUT]...", shell_complete=complete_files)
@rule_options
@click.option("--signal", type=click.Choice(SIGNALS), help="The signal of protobuf that cannot tell it.")
@click.option(
    "--from", "source", type=click.Choice(files.FORMATS), help="Format of the input, instead of detecting it."
)
@click.option("--to", type=click.Choice(files.FORMATS), help="Format of the output; by default that of the input.")
@click.option("-o", "--output", type=click.Path(), metavar="PATH", help="A file, or a directory for many inputs.")
@click.option(
    "--on-bad-input",
    type=click.Choice(["stop", "skip", "copy"]),
    default="stop",
    show_default=True,
    help="What to do with a message that cannot be processed.",
)
@click.option(
    "--state", type=click.Path(), metavar="FILE", help="Begin with what functions remember in FILE, and save it there."
)
@click.option("--stats", is_flag=True, help="Print what each statement did on standard error.")
@click.option(
    "--errors",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write each failure to FILE: statement, error, record.",
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Read no more than N messages.")
@click.option("--dry-run", is_flag=True, help="Write nothing, print the counts.")
@limit_options
def command(arguments: tuple[str, ...], **options: Any) -> int:
    """Run RULES over OTLP files.

    RULES is a YAML file (the configuration of a transform or filter processor, of a collector, or scripts:) or an .ottl
    script. Without -e the first argument is RULES, all others are INPUT: files, patterns, directories, or - (and
    nothing) for standard input; OTLP JSON, JSON lines, protobuf (--to protobuf) and length-prefixed protobuf
    (--to framed), each also .gz and .zst. Rules with routes need a directory for -o: NAME.ROUTE.EXT beside NAME.EXT.
    """
    settings = settings_of(options)
    if settings.statements and settings.processors:
        raise click.UsageError("--processor goes with RULES")
    if not settings.statements and not arguments:
        raise click.UsageError("give RULES or -e")
    path = None if settings.statements else arguments[0]
    names = (arguments if settings.statements else arguments[1:]) or (files.STANDARD_STREAM,)
    limits = limits_of(options)
    try:
        inputs = files.find_inputs(names)
    except FileNotFoundError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None
    rules = load_rules(path, settings, limits)
    if settings.stack == "fast":
        _demand_native()
    targets = _targets(inputs, names, options["output"], options["to"], rules.routes, dry=options["dry_run"])
    _say_what_runs(rules, settings.stack)
    if options["state"] is not None:
        restore(options["state"], rules)
    run = _Run(rules, limits, options["on_bad_input"], options["to"], options["source"], options["signal"])
    run.limit = options["limit"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_termination())
        progress = stack.enter_context(_Progress(inputs, options["output"]))
        if options["errors"] is not None:
            _check_errors_file(options["errors"], [path, *(name for name, _ in inputs)], targets)
            run.errors = stack.enter_context(_ErrorFile(options["errors"], rules))
        try:
            for (name, _), target in zip(inputs, targets, strict=True):
                if not run.full:
                    run.run_input(name, target, progress)
            for output in run.outputs:
                output.finish()
            for output in run.outputs:
                output.commit()
            if options["state"] is not None and not options["dry_run"]:
                save(options["state"], rules)
        finally:
            progress.stop()
            for output in run.outputs:
                output.abandon()
            _report(rules, run, stats=options["stats"], silent=settings.error_mode == "silent")
    if options["dry_run"]:
        click.echo(_summary(rules, run))
    return 1 if run.bad else 0


def _summary(rules: Rules, run: _Run) -> str:
    """What a run without output has to say."""
    bad = sum(bad.count for bad in run.bad.values())
    errors = sum(stat.errors for _, runner in rules.runners() for stat in runner.stats())
    messages = "message" if run.read == 1 else "messages"
    line = f"{run.read:,} {messages}, {run.emptied:,} emptied, {bad:,} bad; "
    line += f"{errors:,} statement {'error' if errors == 1 else 'errors'}; nothing written"
    return f"{_table([stat for _, runner in rules.runners() for stat in runner.stats()])}\n\n{line}"


@contextlib.contextmanager
def _termination() -> Iterator[None]:
    """The signals that end a process, or say that its terminal is gone, let it clean up as an interrupt does."""

    def end(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signals, name)]
    numbers = [getattr(signals, name) for name in names]
    # What is ignored (`nohup`) stays so.
    previous = {number: signals.getsignal(number) for number in numbers}
    heeded = [number for number in numbers if previous[number] != signals.SIG_IGN]
    for number in heeded:
        signals.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signals.signal(number, previous[number])


def _demand_native() -> None:
    """The fast stack is one with native code.

    Raises:
        Error: there is none.
    """
    from ottl.engine import native_enabled

    if not native_enabled():
        raise Error("--stack fast needs the native extension, which is not in use here (ottl --version)")


def _say_what_runs(rules: Rules, stack: str) -> None:
    """One line each for the processors left out and for a missing native extension."""
    if rules.left_out:
        click.echo(f"ottl: left out: {', '.join(rules.left_out)}", err=True)
    for _, runner in rules.runners():
        for warning in getattr(runner, "diagnostics", ()):
            click.echo(warning.render(), err=True)
    if stack == "auto" and os.environ.get("OTTL_NATIVE") != "0":
        from ottl.engine import native_enabled

        if not native_enabled():
            click.echo("ottl: no native extension here, the plain stack serves (slower)", err=True)


def _report(rules: Rules, run: _Run, *, stats: bool, silent: bool) -> None:
    """Bad messages, statement errors and the statistics, on standard error."""
    for name, bad in run.bad.items():
        one = bad.count == 1
        done = "left out" if run.on_bad_input == "skip" else f"copied as {'it was' if one else 'they were'}"
        messages = "message" if one else "messages"
        click.echo(f"ottl: {name}: {bad.count} bad {messages} {done}, the first: {bad.first}", err=True)
    found = [stat for _, runner in rules.runners() for stat in runner.stats()]
    for stat in found:
        if stat.errors and not silent:
            errors = "error" if stat.errors == 1 else "errors"
            statement = " ".join(stat.statement.split())
            click.echo(
                f"ottl: {stat.location}: {stat.errors} {errors} in {statement}: the first: {stat.first_error}", err=True
            )
    if stats:
        click.echo(_table(found), err=True)


def _table(found: Sequence[Any]) -> str:
    """The statistics as a table: what each statement matched, changed, failed on and took."""
    rows = [("matched", "changed", "errors", "ms", "signal", "context", "statement")]
    rows += [
        (
            f"{stat.matched:,}",
            f"{stat.changed:,}",
            f"{stat.errors:,}",
            f"{stat.ns / 1e6:,.1f}",
            stat.signal,
            stat.context,
            " ".join(stat.statement.split()),
        )
        for stat in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    before = sum(widths) + 2 * len(widths)
    return "\n".join("  ".join([*_aligned(row, widths), _wrapped(row[-1], before)]) for row in rows)


def _wrapped(text: str, before: int) -> str:
    """A text behind `before` columns; on a terminal over several lines, each of which begins there."""
    room = shutil.get_terminal_size().columns - before if sys.stderr.isatty() else len(text)
    if room >= len(text) or room < _NARROWEST:
        return text
    return ("\n" + " " * before).join(text[start : start + room] for start in range(0, len(text), room))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The cells of a row but the last: numbers to the right, words to the left."""
    cells = zip(row, widths, strict=False)
    return [cell.rjust(width) if column < 4 else cell.ljust(width) for column, (cell, width) in enumerate(cells)]

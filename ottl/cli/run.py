"""`ottl run`: rules over OTLP files and streams, message by message."""

from __future__ import annotations

import contextlib
import os
import signal as signals
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, Final

import click

from ottl import files
from ottl.cli.blocks import Done, Job, alone
from ottl.cli.complete import complete_files
from ottl.cli.intake import Broken, Came, Ended, Event, Filled, Intake, Opened
from ottl.cli.limits import limit_options, limits_of
from ottl.cli.passage import Fault, Passage
from ottl.cli.report import ErrorFile, Tally, check_errors_file, report, summary
from ottl.cli.rules import EMPTIED, Rules, load_rules, rule_options, settings_of
from ottl.cli.state import restore, save
from ottl.cli.targets import Target, find_targets
from ottl.cli.terminal import Progress
from ottl.codec import joined
from ottl.errors import Error, PayloadError, StatementError
from ottl.files import Input, Layout, Message, Output
from ottl.signals import SIGNALS

if TYPE_CHECKING:
    from ottl.cli.workers import Crew

__all__ = ["command"]

_LARGE_BLOCK: Final = 24 << 20


class _BadInputError(Error):
    """A message that ends the run."""


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
    fault: Fault | None = None
    payload: bytes | None = None
    routes: dict[str | None, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """One call of the command.

    Args:
        passage: what becomes of a message.
        targets: where each input goes.
        progress: how far the inputs have been read.
        errors: where failures of statements are written.
        source: the input that messages come from.
        target: where it goes.
        held: its messages of traces, where traces are looked at as a whole.
        lines: of the input, in the blocks that have been taken.
        layouts: of each target, by its id, as it will be.
        reading: how workers take the messages of the input that is being read, which may be a later one.
    """

    passage: Passage
    targets: Sequence[Target]
    progress: Progress
    errors: ErrorFile | None = None
    outputs: list[Output] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    source: Input | None = None
    target: Target | None = None
    output: Output | None = None
    held: list[_Held] | None = None
    lines: int = 0
    layouts: dict[int, Layout] = field(default_factory=dict)
    reading: Job | None = None

    def take(self, event: Event, done: Done | None = None) -> None:
        """What is to be done when something happens.

        Args:
            event: what.
            done: what became of messages, if they have been through the rules.
        """
        match event:
            case Opened(number=number, source=source):
                self._open(source, self.targets[number])
            case Broken(name=name, fault=fault):
                # A broken compressed stream has no next message, and its rest cannot be copied.
                self._count(name, f"{name}: {fault}", stop=self.passage.on_bad_input != "skip")
            case Came(message=message, position=position):
                if done is not None:
                    self._collect(done, 0)
                else:
                    self._came(replace(message, line=self._line(message.line)) if self.lines else message)
                    self.lines += message.line if self.reading is not None else 0
                self.progress.show(position)
            case Filled(block=block, position=position):
                assert done is not None, "blocks are for workers"
                self._collect(done, block.offset)
                self.progress.show(position)
            case Ended(source=source):
                with files.named_errors(self._output.name):
                    self._release()
                self.progress.finish(source.size or 0)

    def _open(self, source: Input, target: Target) -> None:
        to = self.passage.to
        if self.passage.on_bad_input == "copy" and to is not None and to != source.layout.format:
            raise click.UsageError(f"--on-bad-input copy cannot turn {source.layout.format} into {to}")
        self.source, self.target, self.lines = source, target, 0
        self.output = target.open(source.layout, self.outputs)
        self.held = [] if self.passage.rules.whole_traces else None

    def _came(self, message: Message) -> None:
        self.tally.read += 1
        with files.named_errors(self._output.name):
            if self.held is not None:
                self.held.append(self._hold(message))
                return
            self._finish(message)
            if self._source.name == "<stdin>":
                self._output.flush()

    @property
    def _source(self) -> Input:
        assert self.source is not None, "a message comes from an input"
        return self.source

    @property
    def _output(self) -> Output:
        assert self.output is not None, "an input has an output"
        return self.output

    def _sink(self, route: str | None) -> Output:
        """Where the rows of a route go."""
        if route is None:
            return self._output
        assert self.target is not None, "an input has a target"
        return self.target.open_route(route, self._source.layout, self.outputs)

    # -- one message --------------------------------------------------------------------------------------------------

    def _finish(self, message: Message) -> None:
        """Brings a message through the rules and to its outputs."""
        if self.errors is not None:
            self.errors.place = _place(message.line, self._source)
        fault, emptied = self.passage.take(message, self._sink)
        self.tally.emptied += emptied
        if fault is not None:
            self._faulty(message, fault)

    def _faulty(self, message: Message, fault: Fault) -> None:
        stop = self.passage.on_bad_input == "stop"
        self._count(self._source.name, _describe(fault, message, self._source), stop=stop)

    def _count(self, name: str, description: str, *, stop: bool) -> None:
        if stop:
            raise _BadInputError(description)
        self.tally.pass_over(name, description)

    # -- messages that workers take ------------------------------------------------------------------------------------

    def job(self, event: Event) -> Job | None:
        """How a worker is to read and write the messages of an event; the thread that reads asks."""
        if isinstance(event, Opened):
            # Several inputs may share a target, which has the format of the first.
            source, target = event.source, self.targets[event.number]
            output = self.layouts.setdefault(id(target), target.layout(source.layout))
            self.reading = Job(source.name, source.layout.format, source.signal, output)
        large = isinstance(event, Came) and event.message.rest is not None
        return self.reading if isinstance(event, Came | Filled) and not large else None

    def _line(self, line: int) -> int:
        """The line of an input, counted in what follows the blocks that have been taken; 0 where there are none."""
        return line and self.lines + line

    def _collect(self, done: Done, offset: int) -> None:
        """What became of a block, or of a message that was taken by itself."""
        self.tally.read += done.read
        self.tally.emptied += done.emptied
        for (_, runner), counts in zip(self.passage.rules.runners(), done.counts, strict=True):
            runner.add_counts(counts)
        with files.named_errors(self._output.name):
            assert done.write is not None, "it has arrived"
            done.write(self._sink)
            if self._source.name == "<stdin>":
                self._output.flush()
        if self.errors is not None:
            for line, processor, error in done.errors:
                self.errors.place = _place(self._line(line), self._source)
                self.errors.write(processor, error)
        for message, fault in done.faults:
            self._faulty(replace(message, offset=offset + message.offset, line=self._line(message.line)), fault)
        self.lines += done.lines
        if done.failure is not None:
            raise done.failure

    # -- all messages of an input -------------------------------------------------------------------------------------

    def _hold(self, message: Message) -> _Held:
        """A message of an input whose traces are looked at as a whole, which waits for its end."""
        one = _Held(message, message.fault)
        if message.fault is None and message.signal == "traces":
            try:
                one.payload = files.transcode(
                    message.payload, "traces", message.encoding, "protobuf", self.passage.limits
                )
                joined.check(one.payload, "traces", self.passage.limits)
            except PayloadError as error:
                one.fault, one.payload = error, None
        elif message.rest is not None:
            one.message = replace(message, rest=iter([b"".join(message.rest)]))
        return one

    def _release(self) -> None:
        """What was held goes through the rules and to the outputs."""
        held, self.held = self.held, None
        if held is None:
            return
        if self.errors is not None:
            self.errors.place = self._source.name
        self._process_together([one for one in held if one.payload is not None])
        for one in held:
            if one.fault is not None:
                self.passage.pass_over(one.message, self._sink)
                self._faulty(one.message, one.fault)
            elif one.payload is None:
                self._finish(one.message)
            else:
                encoding = self.passage.encoding(one.message)
                outputs = {
                    route: files.transcode(part, "traces", "protobuf", encoding, self.passage.limits)
                    if part
                    else EMPTIED[encoding]
                    for route, part in {None: one.payload, **one.routes}.items()
                }
                self.tally.emptied += outputs[None] == EMPTIED[encoding]
                self.passage.write(outputs, one.message, self._sink)

    def _process_together(self, held: Sequence[_Held]) -> None:
        """The messages of traces of an input through the processors; a fault of them all is that of each."""
        for step in self.passage.rules.steps:
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


def _place(line: int, source: Input) -> str:
    """Where a message stands."""
    return f"{source.name}:{line}" if line else source.name


def _describe(fault: Fault | None, message: Message, source: Input) -> str:
    """A fault with the file, line and offset of its message."""
    place = _place(message.line, source)
    inflated = " of the inflated stream" if source.layout.compression is not None else ""
    if not isinstance(fault, PayloadError):
        message_place = "" if message.line else f" (in the message at byte {message.offset}{inflated})"
        return f"{place}: {fault}{message_place}"
    offset = message.offset + (0 if message.packed else fault.offset or 0)
    return f"{place}: {fault.args[0]} (at byte {offset}{inflated})"


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
    "--jobs",
    type=click.IntRange(min=0),
    metavar="N",
    help="Use N threads or processes, 0 for one a core; the output is the same.  [default: 1]",
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
    targets = find_targets(inputs, names, options["output"], options["to"], rules.routes, dry=options["dry_run"])
    _say_what_runs(rules, settings.stack)
    jobs = _jobs(options["jobs"], rules)
    if options["state"] is not None:
        restore(options["state"], rules)
    intake = Intake(
        [name for name, _ in inputs], limits.max_message, options["source"], options["signal"], options["limit"]
    )
    passage = Passage(rules, limits, options["on_bad_input"], options["to"])
    _keep_heap()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_termination())
        crew = None
        if jobs > 1:
            # Not above: one process need not pay for what several need (13 ms).
            from ottl.cli.workers import Crew

            crew = stack.enter_context(Crew(jobs, passage, errors=options["errors"] is not None))
        progress = stack.enter_context(Progress(inputs, options["output"]))
        run = _Run(passage, targets, progress)
        if options["errors"] is not None:
            check_errors_file(options["errors"], [path, *(name for name, _ in inputs)], targets)
            run.errors = stack.enter_context(ErrorFile(options["errors"], rules))
        try:
            _run_all(run, intake, crew)
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
            silent = settings.error_mode == "silent"
            report(rules, run.tally, on_bad_input=passage.on_bad_input, stats=options["stats"], silent=silent)
    if options["dry_run"]:
        click.echo(summary(rules, run.tally))
    return 1 if run.tally.bad else 0


def _keep_heap() -> None:
    """Has the C library keep what a large message leaves free for the next one.

    The GNU one gives the end of its heap back to the system, and gets it again page by page, unless a block this large
    has been freed before: two thirds of all page faults, 5 % of the time with one process and 10 % with two.
    """
    bytes(_LARGE_BLOCK)


def _jobs(wanted: int | None, rules: Rules) -> int:
    """How many processes run; one where messages must be taken one after another, which is then said."""
    jobs = wanted if wanted is not None else 1
    if jobs == 0:
        from ottl.cli.workers import cores

        jobs = cores()
    if jobs > 1 and rules.sequential is not None:
        click.echo(f"ottl: one job instead of {jobs}: {rules.sequential}", err=True)
        return 1
    return jobs


def _run_all(run: _Run, intake: Intake, crew: Crew | None) -> None:
    """All messages of all inputs."""
    if run.passage.rules.whole_traces:
        with contextlib.closing(intake.events()) as events:
            for event in events:
                run.take(event)
        return
    # Whoever waits for a buffered standard input holds a lock that the end of the process would wait for.
    with _unbuffered() as stdin:
        intake = replace(intake, stdin=stdin)
        errors = run.errors is not None
        found = crew.run(intake, run.job) if crew is not None else alone(run.passage, intake, run.job, errors=errors)
        with contextlib.closing(found):
            for event, done in found:
                run.take(event, done)


@contextlib.contextmanager
def _unbuffered() -> Iterator[IO[bytes] | None]:
    """Standard input without a buffer; None where it is no file of the system."""
    try:
        number = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):
        yield None
        return
    with open(number, "rb", buffering=0, closefd=False) as file:
        yield file


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

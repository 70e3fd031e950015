"""`ottl bench`: how fast rules are on the messages of some files, and where the time goes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ottl import files
from ottl.cli.complete import complete_files
from ottl.cli.intake import Broken, Came, Intake, Opened
from ottl.cli.measure import Contender, Sample, StatementFigures, measure
from ottl.cli.rules import Rules, Settings, Size, load_rules, rule_options, settings_of
from ottl.codec import Limits
from ottl.engine import native_enabled
from ottl.errors import Error, PayloadError
from ottl.signals import SIGNALS
from ottl.vm.profile import STAGES

__all__ = ["command"]

_DEFAULTS: Final = Limits()
_MOST_BYTES: Final = 256 << 20
_WIDE: Final = 100
_PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
_WORK: Final = {
    "decode": "decode JSON",
    "scan": "scan",
    "statements": "statements",
    "patch": "patch",
    "encode": "encode JSON",
}
_UNITS: Final = {"traces": "spans", "metrics": "data points", "logs": "log records", "profiles": "profiles"}


@click.command("bench")
@click.argument("arguments", nargs=-1, metavar="[RULES] [INPUT]...", shell_complete=complete_files)
@rule_options
@click.option("--signal", type=click.Choice(SIGNALS), help="The signal of protobuf that cannot tell it.")
@click.option(
    "--from", "source", type=click.Choice(files.FORMATS), help="Format of the input, instead of detecting it."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take no more than N messages.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="How long to measure each stack.",
)
@click.option("--instructions", is_flag=True, help="Time each instruction too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--max-message", type=Size(), default=_DEFAULTS.max_message, help="Largest message [default: 64MiB].")
def command(arguments: tuple[str, ...], **options: Any) -> int:
    """Measure RULES on the messages of OTLP files, which stay as they are.

    RULES and INPUT are those of `ottl run`. The messages are read into memory and go through the rules again and again,
    one at a time on one core, from bytes to bytes: throughput, latency of a message, and what each stage and each
    statement takes. With --stack auto the plain stack, which needs no native code, is measured beside it.
    """
    settings = settings_of(options)
    if settings.statements and settings.processors:
        raise click.UsageError("--processor goes with RULES")
    if not settings.statements and not arguments:
        raise click.UsageError("give RULES or -e")
    path = None if settings.statements else arguments[0]
    names = (arguments if settings.statements else arguments[1:]) or (files.STANDARD_STREAM,)
    try:
        inputs = [name for name, _ in files.find_inputs(names)]
    except FileNotFoundError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None
    limits = Limits(options["max_message"], _DEFAULTS.max_messages, _DEFAULTS.max_depth)
    contenders = _contenders(path, settings, limits)
    rules = contenders[0].rules
    if rules.sequential is not None:
        click.echo(f"ottl: each message is measured by itself, although {rules.sequential}", err=True)
    intake = Intake(inputs, limits.max_message, options["source"], options["signal"], options["limit"])
    samples = _samples(intake, rules, limits)
    if not samples:
        raise Error(f"no message for these rules in {', '.join(inputs)}: they run on {', '.join(_signals(rules))}")
    measured = measure(contenders, samples, options["seconds"], instructions=options["instructions"])
    if len(measured) < len(samples):
        click.echo(
            f"ottl: the first {len(measured):,} of {len(samples):,} messages are measured; --seconds for more", err=True
        )
    if options["as_json"]:
        click.echo(json.dumps(_as_json(contenders, measured), indent=2, ensure_ascii=False))
    else:
        _print(contenders, measured, instructions=options["instructions"])
    return 0


def _contenders(path: str | None, settings: Settings, limits: Limits) -> list[Contender]:
    """The rules on each stack, the slowest last.

    Raises:
        Error: native code is asked for and not there.
    """
    native = native_enabled()
    if settings.stack == "fast" and not native:
        raise Error("--stack fast needs the native extension, which is not in use here (ottl --version)")
    stacks = {"native": settings.stack} if native and settings.stack != "plain" else {}
    if settings.stack != "fast":
        stacks["plain"] = "plain"
    return [
        Contender(name, load_rules(path, replace(settings, stack=stack), limits), name == "native", limits)
        for name, stack in stacks.items()
    ]


def _signals(rules: Rules) -> list[str]:
    return sorted({signal for step in rules.steps for signal in step.signals})


def _samples(intake: Intake, rules: Rules, limits: Limits) -> list[Sample]:
    """The messages that the rules do something with.

    Raises:
        Error: a message or an input cannot be read, or they are too large in all.
    """
    contexts: dict[str, set[str]] = {}
    for _, runner in rules.runners():
        for stat in runner.stats():
            contexts.setdefault(stat.signal, set()).add(stat.context)
    wanted = set(_signals(rules))
    samples: list[Sample] = []
    place, size = "", 0
    for event in intake.events():
        if isinstance(event, Broken):
            raise Error(f"{event.name}: {event.fault}")
        if isinstance(event, Opened):
            place = event.source.name
        if not isinstance(event, Came):
            continue
        message = event.message
        at = f"{place}:{message.line}" if message.line else place
        if message.fault is not None:
            raise Error(f"{at}: {message.fault}")
        if message.signal not in wanted:
            continue
        size += len(message.payload)
        if size > _MOST_BYTES:
            raise Error(f"{at}: more than {_MOST_BYTES >> 20} MiB of messages to hold in memory: use --limit")
        try:
            samples.append(Sample.of(message, at, contexts.get(message.signal, ()), limits))
        except PayloadError as fault:
            raise Error(f"{at}: {fault}") from None
    return samples


# -- JSON -----------------------------------------------------------------------------------------------------------


def _as_json(contenders: Sequence[Contender], samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "messages": len(samples),
        "bytes": sum(len(sample.payload) for sample in samples),
        "rows": {
            signal: sum(sample.elements for sample in samples if sample.signal == signal)
            for signal in SIGNALS
            if any(sample.signal == signal for sample in samples)
        },
        "stacks": {contender.name: _stack_as_json(contender) for contender in contenders},
    }


def _stack_as_json(contender: Contender) -> dict[str, Any]:
    total = sum(contender.stages.values())
    statements = []
    for figures in contender.statements:
        found = asdict(figures)
        found["ns_a_row"] = found.pop("ns") or None
        found["instructions"] = found.pop("lines")
        statements.append(found)
    return {
        "rows_a_second": contender.elements / contender.seconds,
        "bytes_a_second": contender.size / contender.seconds,
        "runs": len(contender.latencies),
        "latency_ns": {name: contender.percentile(share) for name, share in _PERCENTILES.items()},
        "stages": {
            stage: {"ns_a_row": ns, "share": ns / total if total else 0.0} for stage, ns in contender.stages.items()
        },
        "statements": statements,
    }


# -- tables ---------------------------------------------------------------------------------------------------------


def _print(contenders: Sequence[Contender], samples: Sequence[Sample], *, instructions: bool) -> None:
    """All tables; in a terminal as wide as it is, else as wide as they are, without colours."""
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else 10_000
    console = Console(width=width, highlight=False, soft_wrap=False)
    with console.capture() as capture:
        console.print(Text(_headline(samples)))
        for table in _tables(contenders, samples, width, instructions=instructions):
            console.print()
            console.print(table)
    # Cells are filled up to the width of their column, which nobody wants in a file.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _headline(samples: Sequence[Sample]) -> str:
    found: dict[str, int] = {}
    for sample in samples:
        found[sample.signal] = found.get(sample.signal, 0) + sample.elements
    rows = ", ".join(f"{count:,} {_UNITS[signal]}" for signal, count in found.items())
    noun = "message" if len(samples) == 1 else "messages"
    encodings = {"json": "JSON", "protobuf": "protobuf"}
    kinds = " and ".join(sorted({encodings[sample.encoding] for sample in samples}))
    return f"{len(samples):,} {noun} of {kinds}: {rows}, {sum(len(s.payload) for s in samples) / 1e6:,.2f} MB"


def _tables(
    contenders: Sequence[Contender], samples: Sequence[Sample], width: int, *, instructions: bool
) -> Iterator[Table | Text]:
    yield _overview(contenders, samples)
    yield _stages(contenders)
    yield _statements(contenders, width)
    if width < _WIDE:
        yield _legend(contenders[0].statements)
    if instructions:
        for contender in contenders:
            yield _instructions(contender)


def _table(title: str, *columns: str) -> Table:
    """A table without a frame, its first column to the left, the others to the right."""
    table = Table(title=Text(title, "bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(Text(column, "cyan"), justify="right" if number else "left", no_wrap=True, overflow="ellipsis")
    return table


def _overview(contenders: Sequence[Contender], samples: Sequence[Sample]) -> Table:
    signals = {sample.signal for sample in samples}
    unit = _UNITS[signals.pop()] if len(signals) == 1 else "rows"
    table = _table("Whole messages", "", *(contender.name for contender in contenders))
    table.add_row(f"{unit} a second", *(f"{c.elements / c.seconds:,.0f}" for c in contenders))
    table.add_row("MB a second", *(f"{c.size / c.seconds / 1e6:,.1f}" for c in contenders))
    table.add_row("messages run", *(f"{len(c.latencies):,}" for c in contenders))
    for name, share in _PERCENTILES.items():
        table.add_row(f"latency {name}, ms", *(f"{c.percentile(share) / 1e6:,.3f}" for c in contenders))
    return table


def _stages(contenders: Sequence[Contender]) -> Table:
    columns = [column for c in contenders for column in (f"{c.name}, ns a row", "share")]
    table = _table("Stages", "", *columns)
    totals = [sum(contender.stages.values()) for contender in contenders]
    for stage in STAGES:
        values = [contender.stages[stage] for contender in contenders]
        if any(values):
            cells = [(_nanos(v), _percent(v / total)) for v, total in zip(values, totals, strict=True)]
            table.add_row(_WORK[stage], *(cell for pair in cells for cell in pair))
    return table


def _statements(contenders: Sequence[Contender], width: int) -> Table:
    """A line for each statement; in a narrow terminal with its number in the place of its text."""
    first = contenders[0]
    names = [f"{c.name}, ns a row" if len(contenders) == 1 else f"{c.name}, ns" for c in contenders]
    table = _table("Statements", "no.", "share", *names, "matched", "changed", "errors")
    wide = width >= _WIDE
    if wide:
        table.add_column(Text("statement", "cyan"), justify="left", overflow="fold", ratio=1)
    for number, figures in enumerate(first.statements):
        times = (_nanos(contender.statements[number].ns) for contender in contenders)
        counts = (f"{count:,}" for count in (figures.matched, figures.changed, figures.errors))
        texts = [Text(figures.statement)] if wide else []
        table.add_row(str(number + 1), _percent(figures.share), *times, *counts, *texts)
    rest = max(
        first.stages["statements"] / max(sum(first.stages.values()), 1) - sum(f.share for f in first.statements), 0
    )
    texts = [Text("walking, conditions of groups, counting", "dim")] if wide else []
    table.add_row("rest", _percent(rest), *[""] * (len(contenders) + 3), *texts)
    return table


def _legend(statements: Sequence[StatementFigures]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, figures in enumerate(statements, 1):
        table.add_row(str(number), Text(figures.statement))
    return table


def _instructions(contender: Contender) -> Table:
    """What each instruction takes, below its statement."""
    table = _table(f"Instructions, {contender.name}", "no.", "share", "ns a row", "rows")
    table.add_column(Text("instruction", "cyan"), justify="left", overflow="fold")
    total = sum(line.seconds for figures in contender.statements for line in figures.lines)
    for number, figures in enumerate(contender.statements, 1):
        if not figures.lines:
            table.add_row(str(number), "", "", "", Text("(not timed)", "dim"))
        for line in figures.lines:
            table.add_row(
                f"{number}.{line.number}",
                _percent(line.seconds / total),
                _nanos(line.seconds / line.rows * 1e9),
                f"{line.rows:,}",
                Text(line.instruction),
            )
    return table


def _nanos(value: float) -> str:
    """Nanoseconds; what took none was not timed."""
    if not value:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

"""What `run`, `check` and `explain` share: the options about rules, and processors made from them.

Rules are a YAML file (a collector's configuration, which keeps the reference's grammar, or `scripts:`), an `.ottl`
file, or the texts of `-e`; the last three are in the script dialect.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self, TypeVar

import click

import ottl
from ottl import files
from ottl.cli.complete import complete_contexts
from ottl.cli.modules import functions_option
from ottl.codec import Limits
from ottl.config import Config, Processor, load_config
from ottl.errors import ConfigError, Diagnostic, PayloadError, StatementError
from ottl.functions import FunctionSet
from ottl.source import LocatedText, Source

if TYPE_CHECKING:
    from ottl.pipeline import Pipeline

__all__ = [
    "EMPTIED",
    "Rules",
    "Settings",
    "Size",
    "Step",
    "Task",
    "gate_option",
    "is_script",
    "load_rules",
    "make",
    "read_config",
    "read_script",
    "rule_options",
]

EMPTIED: Final = {"json": b"{}", "protobuf": b""}
_NO_ROWS: Final = b"\x0a\x00"
"""A message of any signal, in protobuf: one resource without anything."""

ERROR_MODES: Final = ("ignore", "silent", "propagate")

# The reference's gates and the keyword each is here. Gates that are always on there are accepted, and so is switching
# off what is off.
_GATES: Final = {
    "ottl.functions.enableLambda": "lambdas",
    "pkg.ottl.functions.enableExperimental": "experimental",
    "ottl.functions.enableExperimental": "experimental",
}
_ALWAYS_ON: Final = frozenset(
    {
        "ottl.PanicDuplicateName",
        "ottl.contexts.enableOTelColContext",
        "ottl.set.allowNil",
        "pkg.ottl.functions.enableDynamicSliceArguments",
        "processor.filter.defaultErrorModeIgnore",
        "processor.transform.defaultErrorModeIgnore",
    }
)
_ALWAYS_OFF: Final = frozenset({"transform.flatten.logs"})

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}

F = TypeVar("F", bound=Callable[..., Any])


class Runner(Protocol):
    """What `ottl.Transform`, `ottl.Filter` and `ottl.Program` have in common."""

    on_error: Callable[[Any], None] | None
    profile: Any

    @property
    def signals(self) -> frozenset[str]: ...

    @property
    def whole_traces(self) -> frozenset[str]: ...

    @property
    def stateful(self) -> bool: ...

    def process(self, payload: bytes, signal: str = ..., encoding: Literal["protobuf", "json"] = ...) -> bytes: ...

    def split_together(self, payloads: Sequence[bytes], signal: str = ...) -> list[dict[str | None, bytes]]: ...

    def state(self) -> bytes: ...

    def load_state(self, state: bytes) -> int: ...

    def stats(self) -> list[Any]: ...

    def codes(self) -> list[Any]: ...

    def sibling(self) -> Self: ...

    def stream(self, signal: str) -> Any: ...

    def count_streamed(self, signal: str, start: int, counts: Sequence[Any]) -> None: ...

    def known_failures(self, signal: str, start: int = ..., count: int | None = ...) -> list[list[bool]] | None: ...

    def take_counts(self) -> list[Any]: ...

    def add_counts(self, counts: Sequence[Any]) -> None: ...

    def explain(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a command that concern rules.

    Args:
        statements: of `-e`.
        context: of those, where it cannot be inferred.
        processors: names of processors to use.
        error_mode: in place of the one in the configuration.
        strict: only what the reference knows.
        lambdas: the gate of that name.
        experimental: the gate of that name.
        stack: which executor runs.
        functions: what rules may call; None for the standard library.
    """

    statements: tuple[str, ...] = ()
    context: str | None = None
    processors: tuple[str, ...] = ()
    error_mode: str | None = None
    strict: bool = False
    lambdas: bool = False
    experimental: bool = False
    stack: str = "auto"
    functions: FunctionSet | None = None

    def keywords(self) -> dict[str, Any]:
        """The keyword options of the library."""
        return {
            "strict": self.strict,
            "lambdas": self.lambdas,
            "experimental": self.experimental,
            "stack": self.stack,
            "functions": None if self.strict else self.functions,
        }


@dataclass(frozen=True, slots=True)
class Task:
    """A message without a fault, and what is wanted of it.

    Args:
        payload: its bytes.
        signal: what it holds; None for an emptied message.
        encoding: of the payload.
        target: the encoding wanted.
    """

    payload: bytes
    signal: str | None
    encoding: files.Encoding
    target: files.Encoding


@dataclass(frozen=True, slots=True)
class Step:
    """A processor that is ready to run, and the signals that it is run on."""

    name: str
    runner: Runner
    signals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """The processors in their order, and the names of those left out."""

    steps: tuple[Step, ...]
    left_out: tuple[str, ...] = ()

    @property
    def routes(self) -> tuple[str, ...]:
        """The outputs that rows are routed to."""
        found = (name for _, runner in self.runners() for name in getattr(runner, "routes", ()))
        return tuple(dict.fromkeys(found))

    @property
    def sequential(self) -> str | None:
        """Why messages must be taken one after another, with a processor's name; None where each stands for itself."""
        found = ((name, getattr(runner, "sequential", None)) for name, runner in self.runners())
        return next((f"{name}: {reason}" for name, reason in found if reason is not None), None)

    @property
    def whole_traces(self) -> bool:
        """Whether messages of traces must wait for all others of their input."""
        return any("traces" in step.runner.whole_traces & step.signals for step in self.steps)

    def runners(self) -> list[tuple[str, Runner]]:
        """Each processor once, with its name."""
        return list({id(step.runner): (step.name, step.runner) for step in self.steps}.values())

    def siblings(self) -> Rules:
        """The same processors, which count and report for themselves."""
        made = {id(runner): runner.sibling() for _, runner in self.runners()}
        return replace(self, steps=tuple(replace(step, runner=made[id(step.runner)]) for step in self.steps))

    @property
    def signals(self) -> frozenset[str]:
        """The signals that have rules."""
        return frozenset[str]().union(*(step.signals for step in self.steps))

    def prepare(self, limits: Limits) -> None:
        """Does what is done once, for the first message of each signal (40 ms), so that forked processes need not."""
        for signal in self.signals:
            with contextlib.suppress(PayloadError, StatementError):
                self.siblings().process(Task(_NO_ROWS, signal, "protobuf", "json"), limits)

    def _chain(self, signal: str) -> list[Runner]:
        """The processors that messages of a signal go through, if all are streams; none if not, or not yet."""
        chain = [step.runner for step in self.steps if signal in step.signals]
        known = not self.routes and all(runner.stream(signal) is not None for runner in chain)
        return chain if known else []

    @property
    def are_streams(self) -> bool:
        """Whether a pipeline takes messages of all signals that have rules; known when they are prepared."""
        return all(map(self._chain, self.signals))

    def pipeline(self, signals: Iterable[str], limits: Limits) -> Pipeline | None:
        """The processors for messages of some signals; None where none of them can go through one."""
        chains = {signal: chain for signal in signals if (chain := self._chain(signal))}
        if not chains:
            return None
        from ottl.pipeline import Pipeline

        return Pipeline(chains, limits)

    def process(self, task: Task, limits: Limits) -> dict[str | None, bytes]:
        """A message through the processors of its signal, by route; None for the rows that have none.

        Raises:
            PayloadError: it is malformed or exceeds a limit.
            StatementError: a statement failed under `propagate`.
        """
        if self.routes:
            (step,) = self.steps
            if task.signal in step.signals:
                payload = files.transcode(task.payload, task.signal, task.encoding, task.target, limits)
                assert isinstance(step.runner, ottl.Program), "only scripts have routes"
                return step.runner.run_routes(payload, encoding=task.target, signal=task.signal)
        return {None: self._through(task, limits)}

    def _through(self, task: Task, limits: Limits) -> bytes:
        signal, payload, encoding, target = task.signal, task.payload, task.encoding, task.target
        if signal is None:
            return payload if encoding == target else EMPTIED[target]
        steps = [step for step in self.steps if signal in step.signals]
        if not steps and encoding == target:
            files.check(payload, signal, encoding, limits)
            return payload
        # Several processors in a row share one conversion.
        working: files.Encoding = "protobuf" if len(steps) > 1 else target
        payload = files.transcode(payload, signal, encoding, working, limits)
        for step in steps:
            payload = step.runner.process(payload, signal=signal, encoding=working)
            if payload == EMPTIED[working]:
                return EMPTIED[target]
        return files.transcode(payload, signal, working, target, limits)


class Size(click.ParamType[int]):
    """A number of bytes: `1000000`, `64MiB`, `2GB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The size in bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+)\s*([kmg]i?)?b?", value.strip().lower())
        size = int(match[1]) * _UNITS[match[2] or ""] if match is not None else 0
        if not size:
            self.fail(f"{value!r} is no size such as 500000, 64MiB or 2GB", param, ctx)
        return size


def _gates(_ctx: click.Context, _parameter: click.Parameter, value: Sequence[str]) -> dict[str, bool]:
    """The gates of `--feature-gates`: names with commas between, `-name` switches one off."""
    found = {}
    for name in (name.strip() for item in value for name in item.split(",")):
        plain = name.removeprefix("+").removeprefix("-")
        on = not name.startswith("-")
        if plain in _GATES:
            found[_GATES[plain]] = on
        elif (plain in _ALWAYS_ON and on) or (plain in _ALWAYS_OFF and not on):
            continue
        elif plain in _ALWAYS_ON or plain in _ALWAYS_OFF:
            raise click.BadParameter(f"{plain} is always {'on' if plain in _ALWAYS_ON else 'off'} here")
        elif plain:
            known = ", ".join(sorted([*_GATES, *_ALWAYS_ON]))
            raise click.BadParameter(f"no gate {plain}, there are {known}")
    return found


gate_option = click.option(
    "--feature-gates",
    "gates",
    multiple=True,
    metavar="NAMES",
    callback=_gates,
    help="Gates of the collector, with commas between; -NAME switches one off.",
)


def rule_options(command: F) -> F:
    """Add the options that become `Settings` to a command."""
    options = [
        click.option(
            "-e", "--statement", "statements", multiple=True, metavar="STATEMENT",
            help="A statement or a script in place of a RULES file; statements of several -e form one group.",
        ),
        click.option(
            "--context", metavar="NAME", help="Context of -e or an .ottl file, where it cannot be inferred.",
            shell_complete=complete_contexts,
        ),
        click.option(
            "--processor", "processors", multiple=True, metavar="NAME",
            help="Use this processor of the file (transform/name); repeat it for more, in this order.",
        ),
        click.option(
            "--error-mode", type=click.Choice(ERROR_MODES),
            help="In place of the error_mode of the processor; a group's own stays.",
        ),
        click.option("--strict", is_flag=True, help="Refuse what the reference does not know."),
        gate_option,
        click.option(
            "--stack", type=click.Choice(["auto", "fast", "plain"]), default="auto", show_default=True,
            help="The executor: columns on the native codec, or rows over messages.",
        ),
        functions_option,
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def settings_of(options: dict[str, Any]) -> Settings:
    """The settings among the options of a command, which are taken out of them."""
    gates = options.pop("gates")
    names = [name for name in Settings.__slots__ if name in options]
    return Settings(**{name: options.pop(name) for name in names}, **gates)


def load_rules(path: str | None, settings: Settings, limits: Limits | None = None) -> Rules:
    """The processors of a RULES file or of `-e`.

    Args:
        path: the file, YAML or `.ottl`; None for `-e`.
        settings: options of the command.
        limits: bounds on payloads.

    Raises:
        ConfigError: with all diagnostics of the first processor that does not load.
        UsageError: options that do not go together, or a file that is not there.
    """
    if path is None or is_script(path):
        if path is not None and settings.processors:
            raise click.UsageError("--processor goes with a YAML file")
        texts = list(settings.statements) if path is None else read_script(path)
        keywords = settings.keywords() | {"limits": limits, "context": settings.context}
        program = ottl.compile(texts, error_mode=settings.error_mode or "ignore", **keywords)
        return Rules((Step(path or "-e", program, program.signals),))
    if settings.context is not None:
        raise click.UsageError("--context goes with -e or an .ottl file")
    config = read_config(path)
    made: dict[str, Runner] = {}
    steps = []
    for step in config.steps(settings.processors):
        name = step.processor.name
        runner = made.get(name) or made.setdefault(name, make(step.processor, settings, limits))
        signals = runner.signals if step.signals is None else runner.signals & step.signals
        steps.append(Step(name, runner, signals))
    return Rules(tuple(steps), tuple(config.left_out(settings.processors)))


def is_script(path: str) -> bool:
    """Whether a file of rules is in the script dialect, by its name."""
    return path.lower().endswith(".ottl")


def read_script(path: str) -> str:
    """The text of an `.ottl` file, which knows its place.

    Raises:
        ConfigError: it is not UTF-8.
        UsageError: it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8 (byte {error.start})"
        raise ConfigError([Diagnostic("E101", "error", message, None, None, Source("", path))]) from None
    return LocatedText(text, path, 1, 1)


def read_config(path: str) -> Config:
    """The configuration in a file.

    Raises:
        ConfigError: it is malformed.
        UsageError: it cannot be read.
    """
    try:
        return load_config(Path(path))
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None


def make(processor: Processor, settings: Settings, limits: Limits | None = None) -> Runner:
    """A processor of a file, ready to run.

    Raises:
        ConfigError: its statements do not load.
    """
    config = processor.config()
    if settings.error_mode is not None:
        config["error_mode"] = settings.error_mode
    if processor.kind == "scripts":
        return ottl.compile(config, limits=limits, **settings.keywords())
    if processor.kind == "transform":
        return ottl.Transform(config, limits=limits, **settings.keywords())
    return ottl.Filter(config, limits=limits, **settings.keywords())

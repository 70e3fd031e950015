"""The engine: rule texts to programs, and programs over payloads.

Puts the front end (parser, binder, planner, compiler) and the executors together, around a `FunctionSet` that is given
to it. A processor is a list of *passes*; a pass walks the whole payload once, and the next begins when it has ended.
Between passes a payload may change its form (bytes, tables, messages), always through bytes; `_Payload` keeps the
newest one.

Row errors meet the error mode in `_Report`, the sink of one pass over one payload; its counts go to the statistics when
the pass is over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
import uuid as uuid_module
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, TypeAlias

import numpy as np

from ottl import ast, binder, bounds, bytecode, compiler, parser, planner, typed
from ottl.analysis import saved
from ottl.bytecode import Op
from ottl.codec import Limits, joined, messages
from ottl.codec import native as native_codec
from ottl.contexts import CONTEXTS
from ottl.contexts.paths import Context, View
from ottl.errors import ConfigError, Diagnostic, Error, PayloadError, StatementError, register_codes
from ottl.functions import FunctionSet
from ottl.planner import stacks
from ottl.source import Source
from ottl.types import Kind
from ottl.vm import leaving, rows, traces
from ottl.vm import messages as message_rows
from ottl.vm.extract import alone
from ottl.vm.leaving import Marks, RateLimiter
from ottl.vm.memories import Memories, Site
from ottl.vm.profile import Profile

Stack = Literal["auto", "fast", "plain"]
Encoding = Literal["protobuf", "json"]
SIGNALS = ("traces", "metrics", "logs", "profiles")
ERROR_MODES = ("ignore", "silent", "propagate")

SMALL_PAYLOAD = 4096
"""Bytes below which messages and rows are faster than tables and columns, unless all statements run natively (measured,
see docs/performance.md)."""

SAMPLED_ROWS = 64
"""One row in so many has its statements timed one by one in the rows executor."""

register_codes(
    {
        "E901": "the group cannot run on the stack that was asked for",
        "E902": "shared cache in a group that looks at whole traces",
    }
)


_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))
"""What the bytes of a random identifier become that say so."""

_system_clock = time.time_ns


def _random_identifier() -> str:
    return str(uuid_module.uuid4())


@dataclass(frozen=True, slots=True)
class Options:
    """What all entry points take as keywords.

    Args:
        functions: what rules may call.
        strict: only what the reference knows.
        lambdas: the reference's gate for lambda arguments.
        experimental: the reference's gate for experimental functions.
        limits: bounds on payloads.
        clock: nanoseconds since the Unix epoch; tests inject their own.
        uuid: a new identifier a call; tests inject their own.
        stack: `auto`, or one of the two for all groups.
    """

    functions: FunctionSet
    strict: bool = False
    lambdas: bool = False
    experimental: bool = False
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], int] = time.time_ns
    uuid: Callable[[], str] = _random_identifier
    stack: Stack = "auto"


def make_options(
    functions: FunctionSet,
    *,
    strict: bool = False,
    lambdas: bool = False,
    experimental: bool = False,
    limits: Limits | None = None,
    clock: Callable[[], int] | None = None,
    uuid: Callable[[], str] | None = None,
    stack: Stack = "auto",
) -> Options:
    """The options with defaults filled in."""
    if stack not in ("auto", "fast", "plain"):
        raise ValueError(f"stack must be auto, fast or plain, got {stack!r}")
    return Options(
        functions.reference() if strict else functions,
        strict,
        lambdas,
        experimental,
        limits or Limits(),
        clock or time.time_ns,
        uuid or _random_identifier,
        stack,
    )


def native_enabled() -> bool:
    """Whether the native codec is there and not switched off by `OTTL_NATIVE=0`."""
    if os.environ.get("OTTL_NATIVE") == "0":
        return False
    return native_codec.available()


@dataclass(frozen=True, slots=True)
class StatementStats:
    """What one statement (or condition of a filter) has done so far.

    Args:
        statement: its text.
        signal: `traces`, `metrics`, `logs` or `profiles`.
        context: the context it runs in.
        location: file, line and column, and place in the configuration.
        matched: rows on which its condition held.
        changed: rows on which its editor did something.
        errors: rows on which it failed.
        ns: time spent, nanoseconds; in the rows executor estimated from samples.
        first_error: message of the first failure.
    """

    statement: str
    signal: str
    context: str
    location: str
    matched: int = 0
    changed: int = 0
    errors: int = 0
    ns: int = 0
    first_error: str | None = None


@dataclass(frozen=True, slots=True)
class RowError:
    """A statement, or a condition, that failed on a row.

    Args:
        statement: its text.
        location: file, line and column, and place in the configuration.
        signal: `traces`, `metrics`, `logs` or `profiles`.
        context: the context it runs in.
        row: number of the row among those of its context, from 0; None where a filter's walk does not count them.
        message: what went wrong.
        record: the row as it came to the processor, as a payload of OTLP JSON with nothing beside it; where rows may
            come and go before the statement runs, as it was when the statement failed.
    """

    statement: str
    location: str
    signal: str
    context: str
    row: int | None
    message: str
    record: bytes


@dataclass(frozen=True, slots=True)
class _Fault:
    """A failure as a pass reports it: of a statement, or of a group condition (negative, from -1 on).

    `row` is the number of a row, or the row's record where numbers may not hold any more.
    """

    number: int
    row: int | None
    message: str
    record: Any = None


# -- front end ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupText:
    """A group as configured.

    Args:
        statements: the texts.
        conditions: texts of which one must hold for the group to run on a row.
        context: given explicitly, or None to infer it.
        error_mode: as configured.
        shared_cache: as configured.
    """

    statements: tuple[Source, ...]
    conditions: tuple[Source, ...] = ()
    context: str | None = None
    error_mode: str = "ignore"
    shared_cache: bool = False


def contexts_of(signal: str) -> dict[str, Context]:
    """The contexts in which statements for a signal may run."""
    return {n: c for n, c in CONTEXTS.items() if signal in c.signals and n != "profilesample"}


def infer(
    trees: Sequence[tuple[Any, Source]], candidates: Mapping[str, Context], functions: FunctionSet
) -> Context | Diagnostic:
    """The context for texts that run together (see `binder.infer_context`)."""
    return binder.infer_context(trees, candidates, lambda name: binder.available(functions, name))


@dataclass(frozen=True, slots=True)
class GroupTree:
    """A group as parsed: trees with the sources that their ranges point into.

    Args:
        statements: in order.
        conditions: of which one must hold for the group to run on a row; of a script, all.
        error_mode: as configured.
        shared_cache: as configured.
        script: of a script: sources hold more than one text.
    """

    statements: tuple[tuple[ast.Statement, Source], ...]
    conditions: tuple[tuple[ast.Expression, Source], ...] = ()
    error_mode: str = "ignore"
    shared_cache: bool = False
    script: bool = False


def bind_group(text: GroupText, signal: str, options: Options) -> tuple[typed.Group | None, list[Diagnostic]]:
    """A group bound, with all diagnostics; None when there is an error among them."""
    diagnostics: list[Diagnostic] = []
    statements, found = parser.parse_all(text.statements)
    diagnostics += found
    conditions: list[Any] = []
    for source in text.conditions:
        try:
            conditions.append(parser.parse_condition(source))
        except ConfigError as error:
            conditions.append(None)
            diagnostics += error.diagnostics
    tree = GroupTree(
        tuple((t, s) for t, s in zip(statements, text.statements, strict=True) if t is not None),
        tuple((t, s) for t, s in zip(conditions, text.conditions, strict=True) if t is not None),
        text.error_mode,
        text.shared_cache,
    )
    if text.context is not None:
        return bind_tree(tree, CONTEXTS[text.context], True, options, diagnostics)
    chosen = infer([*tree.statements, *tree.conditions], contexts_of(signal), options.functions)
    if isinstance(chosen, Diagnostic):
        # What does not parse might have named the context.
        return None, diagnostics or [chosen]
    return bind_tree(tree, chosen, False, options, diagnostics)


def bind_tree(
    tree: GroupTree, context: Context, explicit: bool, options: Options, diagnostics: list[Diagnostic]
) -> tuple[typed.Group | None, list[Diagnostic]]:
    """A parsed group bound in its context, with all diagnostics; None when there is an error among them.

    Args:
        tree: the group.
        context: given, or inferred.
        explicit: it was given, so paths may leave it out.
        options: of the program.
        diagnostics: found so far; added to.
    """
    functions = binder.available(options.functions, context.name)
    names: binder.Names = "inserted" if explicit else "required"
    bind = binder.Binder(context, functions, names, options.lambdas, tree.script, diagnostics=diagnostics)
    bound = [bind.statement(statement, source) for statement, source in tree.statements]
    bind.functions = binder.available(options.functions, context.name, conditions_only=True)
    if explicit and not tree.script:
        bind.names = "legacy"
    bound_conditions = [bind.condition(condition, source) for condition, source in tree.conditions]
    if any(d.severity == "error" for d in diagnostics):
        return None, diagnostics
    found = [c for c in bound_conditions if c is not None]
    if tree.script and len(found) > 1:
        every = typed.And(Kind.BOOL, tuple(c.expression for c in found))
        found = [typed.ConditionText(every, found[0].source, found[0].range)]
    group = typed.Group(
        context.name,
        tuple(s for s in bound if s is not None),
        tuple(found),
        tree.error_mode,
        tree.shared_cache,
    )
    return group, diagnostics


def compile_group(group: typed.Group, signal: str) -> bytecode.GroupCode:
    """A bound group planned and compiled, with the choice of its executor for a signal."""
    planned = planner.plan(group)
    return bytecode.GroupCode(
        planned.context,
        tuple(compiler.compile_statement(s) for s in planned.statements),
        tuple(compiler.compile_condition(c) for c in planned.conditions),
        planned.error_mode,
        planned.shared_cache,
        stacks.choose(planned, signal),
    )


def compile_condition(condition: typed.ConditionText) -> bytecode.StatementCode:
    """A bound condition or value planned and compiled."""
    return compiler.compile_condition(planner.plan_condition(condition))


# -- running --------------------------------------------------------------------------------------------------------


class RuleEnvironment:
    """Clock and identifiers, as impure functions see them, and what functions with memory remember."""

    __slots__ = ("clock", "memories", "uuid")

    def __init__(self, options: Options, memories: Memories) -> None:
        self.clock = options.clock
        self.uuid = options.uuid
        self.memories = memories

    @property
    def system_clock(self) -> bool:
        """Whether nobody has injected a clock."""
        return self.clock is _system_clock

    @property
    def system_uuid(self) -> bool:
        """Whether nobody has injected identifiers."""
        return self.uuid is _random_identifier

    def uuids(self, count: int) -> list[str]:
        """New identifiers; the random ones from one read of the system's randomness (4 times as fast)."""
        if not self.system_uuid:
            return [self.uuid() for _ in range(count)]
        random = bytearray(os.urandom(16 * count))
        random[6::16] = random[6::16].translate(_VERSION)
        random[8::16] = random[8::16].translate(_VARIANT)
        text = random.hex()
        return [
            f"{text[at : at + 8]}-{text[at + 8 : at + 12]}-{text[at + 12 : at + 16]}-{text[at + 16 : at + 20]}"
            f"-{text[at + 20 : at + 32]}"
            for at in range(0, len(text), 32)
        ]


def environment(options: Options, codes: Iterable[bytecode.StatementCode] = ()) -> RuleEnvironment:
    """The environment that options stand for, with a memory for the calls in some statements."""
    return RuleEnvironment(options, Memories(codes))


Counts: TypeAlias = tuple[int, int, int, int, "str | None"]
"""Rows matched, changed and failed, nanoseconds, and the message of the first failure."""


@dataclass(slots=True)
class _Counter:
    """Statistics of one statement, under the processor's lock."""

    text: str
    source: Source
    signal: str
    context: str
    matched: int = 0
    changed: int = 0
    errors: int = 0
    ns: int = 0
    first_error: str | None = None

    def add(self, matched: int, changed: int, errors: int, ns: int, first_error: str | None) -> None:
        """Counts of another one, of later rows."""
        self.matched += matched
        self.changed += changed
        self.errors += errors
        self.ns += ns
        if self.first_error is None:
            self.first_error = first_error

    def take(self) -> Counts | None:
        """The counts, which begin anew."""
        found = (self.matched, self.changed, self.errors, self.ns, self.first_error)
        self.matched = self.changed = self.errors = self.ns = 0
        self.first_error = None
        return found if any(found) else None

    def snapshot(self) -> StatementStats:
        return StatementStats(
            self.text,
            self.signal,
            self.context,
            self.source.describe(),
            self.matched,
            self.changed,
            self.errors,
            self.ns,
            self.first_error,
        )


class Report:
    """The sink of one pass over one payload: counts, and the error mode."""

    __slots__ = (
        "changed",
        "condition_errors",
        "context",
        "errors",
        "faults",
        "first",
        "gone",
        "instructions",
        "kept",
        "known",
        "limiters",
        "marks",
        "matched",
        "mode",
        "ns",
        "routed",
        "row",
        "sampled",
        "signal",
        "texts",
    )

    def __init__(
        self, texts: Sequence[str], conditions: int, mode: str, limiters: Mapping[int, RateLimiter] | None = None
    ) -> None:
        count = len(texts)
        self.texts = texts
        self.limiters = limiters or {}
        self.gone: list[Any] = []
        self.routed: list[tuple[str, Any]] = []
        self.kept: dict[str, Any] | None = None
        self.marks: Marks | None = None
        self.mode = mode
        self.matched = [0] * count
        self.changed = [0] * count
        self.errors = [0] * count
        self.ns = [0] * count
        self.condition_errors = [0] * conditions
        self.first: dict[int, str] = {}
        self.known = [False] * count
        self.row = 0
        self.faults: list[_Fault] | None = None
        self.instructions: Profile | None = None
        self.sampled = SAMPLED_ROWS
        self.signal = ""
        self.context = ""

    def listen(self, signal: str, context: str) -> None:
        """Every failure is kept from now on; with a context, so are the rows, whose numbers may not hold."""
        self.faults = []
        self.signal = signal
        self.context = context

    def fault(self, number: int, row: Any, message: str, context: str = "") -> None:
        """Keeps a failure, if failures are kept.

        Args:
            number: of the statement, or of a group condition: -1, -2...
            row: its number; or the row itself, with its context.
            message: what went wrong.
            context: of the row.
        """
        if self.faults is None:
            return
        if isinstance(row, int):
            self.faults.append(_Fault(number, row, message))
        else:
            self.faults.append(_Fault(number, None, message, alone(row, self.signal, context)))

    def failed(self, statement: int, row: Any, error: ValueError) -> None:
        """A statement failed on the current row; raises under `propagate`."""
        self.errors[statement] += 1
        if statement not in self.first:
            self.first[statement] = str(error)
        if self.faults is not None:
            self.fault(statement, row if self.context else self.row, str(error), self.context)
        if self.mode == "propagate":
            raise StatementError(str(error), self.texts[statement], self.row) from error

    def propagate(self, statement: int, row: int, message: str) -> None:
        """The failure that ends the payload: of a statement, or of a group condition where the number is negative."""
        self.fault(statement if statement >= 0 else -1 - (statement + len(self.condition_errors)), row, message)
        raise StatementError(message, self.texts[statement] if statement >= 0 else None, row)

    def drop(self, row: Any) -> None:
        """The current row goes."""
        self.gone.append(row)

    def route(self, row: Any, name: str) -> None:
        """The current row goes to an output."""
        self.routed.append((name, row))

    def over(self, statement: int, time: int) -> bool:
        """Whether the current row is beyond the limit of a statement."""
        return not self.limiters[statement].admit_one(time)

    def condition_failed(self, condition: int, row: Any, error: ValueError) -> None:
        """A group condition failed on the current row; raises under `propagate`."""
        self.condition_errors[condition] += 1
        if self.faults is not None:
            self.fault(-1 - condition, row if self.context else self.row, str(error), self.context)
        if self.mode == "propagate":
            raise StatementError(str(error), None, self.row) from error


class Payload:
    """One payload on its way through the passes: bytes, or the tables or messages made of them."""

    __slots__ = ("_bytes", "_message", "limits", "signal")

    def __init__(self, data: bytes, signal: str, limits: Limits) -> None:
        self._bytes: bytes | None = data
        self._message: Any = None
        self.signal = signal
        self.limits = limits

    def message(self) -> Any:
        """The payload as a protobuf message, to be changed in place; say so with `touch`."""
        if self._message is None:
            assert self._bytes is not None
            self._message = messages.decode(self._bytes, self.signal, "protobuf", self.limits)
        return self._message

    def set_message(self, message: Any) -> None:
        """Takes over a message, as read from JSON."""
        self._message = message
        self._bytes = None

    def touch(self) -> None:
        """The message was changed."""
        self._bytes = None

    def encoded(self) -> bytes:
        """The payload as protobuf; the very bytes it came as while nothing changed."""
        if self._bytes is None:
            self._bytes = messages.encode(self._message, self.signal, "protobuf")
        return self._bytes

    def snapshot(self) -> bytes:
        """The payload as protobuf, while it is still to be worked on."""
        data = self.encoded()
        if self.signal == "profiles":
            self._message = None  # encoding has changed it for good
        return data

    def set_bytes(self, data: bytes) -> None:
        """Takes over new bytes."""
        if data is not self._bytes:
            self._bytes = data
            self._message = None


@dataclass(slots=True)
class Session:
    """What belongs to one payload on its way through the passes.

    Args:
        request: metadata, in the form that rows read.
        caches: the shared caches, by context.
        errors: failures of filter conditions under `propagate`, which are reported at the end.
        emptied: a filter has left nothing.
        base: the payload in which row numbers of failures are looked up, if anybody wants them.
        marks: which rows go to which routes.
        refused: a stream has refused it as it came.
    """

    request: Any
    caches: dict[str, Any] = field(default_factory=dict)
    errors: list[StatementError] = field(default_factory=list)
    emptied: bool = False
    base: bytes | None = None
    marks: Marks = field(default_factory=Marks)
    refused: bool = False


class Pass(Protocol):
    """One walk over the payload: a group of statements, or an item of a filter."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts of its statements or conditions."""

    @property
    def sources(self) -> Sequence[Source]:
        """Where each text stands."""

    @property
    def contexts(self) -> Sequence[str]:
        """The context of each text."""

    @property
    def drops(self) -> bool:
        """Whether rows may go, so that the next pass needs new tables."""

    @property
    def around(self) -> RuleEnvironment:
        """Clock, identifiers and memories of its statements."""

    @property
    def limiters(self) -> Mapping[int, RateLimiter]:
        """The counters of its rate limits, by number of the statement."""

    @property
    def whole(self) -> bool:
        """Whether it looks at whole traces."""

    @property
    def counts_rows(self) -> bool:
        """Whether a rate limit counts rows from payload to payload."""

    @property
    def routes(self) -> Sequence[str]:
        """The outputs that it sends rows to."""

    @property
    def title(self) -> str:
        """The pass in a few words."""

    def describe(self) -> Iterator[str]:
        """The pass as `explain` shows it."""

    @property
    def in_columns(self) -> bool:
        """Whether the columns executor may run it."""

    @property
    def settles(self) -> bool:
        """Whether the columns executor may find out that it needs rows."""

    def table_code(self) -> Any:
        """Its bytecode, for the columns executor's projection."""

    def codes(self) -> Sequence[bytecode.StatementCode]:
        """The bytecode of its statements or conditions, in the order of the texts."""

    def report(self) -> Report:
        """A new sink for one payload."""

    def place(self, number: int) -> tuple[str, Source, str]:
        """Text, place and context of a statement, or of a group condition (-1, -2...)."""

    def run_rows(self, payload: Payload, report: Report, session: Session) -> None:
        """The pass in the rows executor."""

    def run_columns(self, program: Any, number: int, batch: Any, report: Report, session: Session) -> None:
        """The pass over tables."""


def describe_projection(codes: Iterable[bytecode.StatementCode]) -> Iterator[str]:
    """What a pass reads and writes, as `explain` shows it."""
    for verb, paths in zip(("reads", "writes"), bytecode.projection(codes), strict=True):
        yield f"{verb}: {', '.join(paths) or 'nothing'}"


class GroupPass:
    """One group of a transform: walks its context's rows and runs the statements on each."""

    def __init__(self, code: bytecode.GroupCode, options: Options) -> None:
        self.code = code
        operations = [(n, i) for n, s in enumerate(code.statements) for i in s.instructions]
        self.drops = any(i.op in (Op.DROP, Op.RATE) for _, i in operations)
        self.routes = tuple(dict.fromkeys(i.data for _, i in operations if i.op is Op.ROUTE))
        self.limiters = {n: RateLimiter(*i.data) for n, i in operations if i.op is Op.RATE}
        self.counts_rows = bool(self.limiters)
        self._restructures = any(
            i.op in (Op.STORE, Op.TOUCH) and i.data.view in (View.OPAQUE, View.METRIC_POINTS) for _, i in operations
        )
        self.options = options
        self.texts = [s.text for s in code.statements]
        self.sources = [s.source for s in code.statements]
        self.contexts = [code.context] * len(code.statements)
        self.around = environment(options, (*code.conditions, *code.statements))
        self.whole = any(map(bytecode.over_traces, (*code.conditions, *code.statements)))
        self._built: tuple[rows.RowFunction, rows.RowFunction] | None = None
        self._apart: tuple[list[rows.ValueFunction], list[rows.RowFunction]] | None = None
        self._profiled: tuple[Profile, rows.RowFunction] | None = None
        self._tick = 0

    def functions(self) -> tuple[rows.RowFunction, rows.RowFunction]:
        """The group for the rows executor, plain and timed; made when first needed."""
        if self._built is None:
            self._built = (
                rows.build_group(self.code, self.around),
                rows.build_group(self.code, self.around, timed=True),
            )
        return self._built

    def _with_laps(self, profile: Profile) -> rows.RowFunction:
        """The group for the rows executor, with each instruction timed."""
        if self._profiled is None or self._profiled[0] is not profile:
            self._profiled = profile, rows.build_group(self.code, self.around, profile=profile)
        return self._profiled[1]

    def codes(self) -> Sequence[bytecode.StatementCode]:
        """The bytecode of its statements."""
        return self.code.statements

    def report(self) -> Report:
        """A new sink for one payload."""
        return Report(self.texts, len(self.code.conditions), self.code.error_mode, self.limiters)

    def place(self, number: int) -> tuple[str, Source, str]:
        """Text, place and context of a statement, or of a group condition (-1, -2...)."""
        code = self.code.statements[number] if number >= 0 else self.code.conditions[-1 - number]
        return code.text, code.source, self.code.context

    @property
    def title(self) -> str:
        """The pass in a few words."""
        return f"context {self.code.context}, error mode {self.code.error_mode}"

    def describe(self) -> Iterator[str]:
        """The pass as `explain` shows it."""
        choice = self.code.choice
        yield f"stack: {'columns' if choice.columns else 'rows'} ({choice.reason})"
        if self.whole:
            yield "looks at whole traces: statement by statement over all rows"
        yield from describe_projection((*self.code.conditions, *self.code.statements))
        for condition in self.code.conditions:
            yield f"when {condition.text}"
            yield from bytecode.disassemble(condition)
        for statement in self.code.statements:
            yield statement.text
            yield from bytecode.disassemble(statement)

    @property
    def in_columns(self) -> bool:
        """Whether the columns executor may run it."""
        return self.code.choice.columns

    @property
    def settles(self) -> bool:
        """Whether the columns executor may find out that it needs rows."""
        return bool(self.code.choice.settle)

    def table_code(self) -> tuple[bytecode.GroupCode, ...]:
        """Its bytecode, for the columns executor's projection."""
        return (self.code,)

    def run_columns(self, program: Any, number: int, batch: Any, report: Report, session: Session) -> None:
        """The pass over tables."""
        report.marks = session.marks
        program.run_group(number, batch, report, session.request)
        if report.kept is not None:
            session.marks.keep(report.kept)
            session.emptied = session.emptied or not report.kept["resource"].any()

    def run_rows(self, payload: Payload, report: Report, session: Session) -> None:
        """The pass in the rows executor."""
        before = None
        if self._restructures and session.marks.levels():
            before = self._survey(payload, session)
        if self.whole:
            self._run_whole(payload, report, session)
        else:
            self._run_each(payload, report, session)
        if before is not None:
            session.marks.move(before, self._survey(payload, session))
        if report.gone or report.routed:
            self._settle(payload, report, session)

    def _run_each(self, payload: Payload, report: Report, session: Session) -> None:
        """The statements on one row, then on the next."""
        plain, timed = self.functions()
        if report.instructions is not None:
            plain = timed = self._with_laps(report.instructions)
        sampled = report.sampled
        message = payload.message()
        cache = None
        if self.code.shared_cache:
            cache = session.caches.setdefault(self.code.context, message_rows.new_cache())
        tick = self._tick
        touched = False
        limit = bounds.current()
        report.row = -1
        try:
            for row in message_rows.walk(
                message, payload.signal, self.code.context, request=session.request, cache=cache
            ):
                report.row += 1
                tick += 1
                if not tick % bounds.CHECKED_ROWS:
                    limit.check_time()
                if tick % sampled:
                    plain(row, report)
                else:
                    timed(row, report)
                touched = touched or row.changed
        finally:
            self._tick = tick % SAMPLED_ROWS
            report.ns = [ns * sampled for ns in report.ns]
            if touched:
                payload.touch()

    def _survey(self, payload: Payload, session: Session) -> leaving.Forest:
        """The rows of the context, and of the levels that have marks of routes."""
        levels = {self.code.context, *session.marks.levels()}
        chains = (leaving.chain(payload.signal, level) for level in levels)
        return leaving.survey(payload.message(), payload.signal, max(chains, key=len))

    def _settle(self, payload: Payload, report: Report, session: Session) -> None:
        """Rows of the walk that go, or go to routes."""
        context = self.code.context
        forest = self._survey(payload, session)

        def mask(found: Iterable[Any]) -> Any:
            wanted = {id(getattr(row, context)) for row in found}
            return np.array([id(row) in wanted for row in forest.rows[context]], np.bool_)

        for name in self.routes:
            session.marks.add(name, context, mask(row for route, row in report.routed if route == name))
        if report.gone:
            keep = leaving.after_drop(forest, {context: mask(report.gone)})
            if leaving.remove(payload.message(), payload.signal, forest, keep):
                session.emptied = True
            session.marks.keep(keep)
            payload.touch()

    def _run_whole(self, payload: Payload, report: Report, session: Session) -> None:
        """The pass statement by statement over all rows, as columns do it, where functions look at whole traces."""
        code, around = self.code, self.around
        if self._apart is None:
            alone = dataclasses.replace(code, conditions=())
            self._apart = (
                [rows.build_value(c, around) for c in code.conditions],
                [rows.build_group(dataclasses.replace(alone, statements=(s,)), around) for s in code.statements],
            )
        found = list(
            message_rows.walk(payload.message(), payload.signal, code.context, request=session.request, cache=None)
        )
        computed = traces.Computed(found)
        failures: list[tuple[int, int, str]] = []
        limit = bounds.current()
        selected = self._select_whole(found, computed, report, failures) if code.conditions else found
        for number, statement in enumerate(code.statements):
            if not selected:
                break
            begun = time.perf_counter_ns()
            computed.prepare(statement, around)
            sink = _StatementSink(report, number)
            for row in selected:
                if not row.number % bounds.CHECKED_ROWS:
                    limit.check_time()
                self._apart[1][number](row, sink)
            computed.written(statement)
            report.matched[number] += sink.matched[0]
            report.changed[number] += sink.changed[0]
            report.errors[number] += len(sink.errors)
            report.ns[number] += time.perf_counter_ns() - begun
            for row_number, message in sink.errors.items():
                report.first.setdefault(number, message)
                if code.error_mode == "propagate":
                    failures.append((row_number, number, message))
                else:
                    report.fault(number, row_number, message)
            if sink.gone or failures:
                left = sink.gone if code.error_mode != "propagate" else sink.gone | sink.errors.keys()
                selected = [row for row in selected if row.number not in left]
        if any(row.changed for row in found):
            payload.touch()
        if failures:
            row_number, number, message = min(failures)
            report.propagate(number, row_number, message)

    def _select_whole(
        self, found: list[Any], computed: traces.Computed, report: Report, failures: list[tuple[int, int, str]]
    ) -> list[Any]:
        """The rows on which a condition of the group holds."""
        assert self._apart is not None
        kept: set[int] = set()
        pending = found
        limit = bounds.current()
        for number, condition in enumerate(self.code.conditions):
            if not pending:
                break
            computed.prepare(condition, self.around)
            left = []
            for row in pending:
                if not row.number % bounds.CHECKED_ROWS:
                    limit.check_time()
                try:
                    if self._apart[0][number](row):
                        kept.add(row.number)
                    else:
                        left.append(row)
                except ValueError as error:
                    report.condition_errors[number] += 1
                    if self.code.error_mode == "propagate":
                        failures.append((row.number, number - len(self.code.conditions), str(error)))
                    else:
                        report.fault(-1 - number, row.number, str(error))
                        left.append(row)
            pending = left
        return [row for row in found if row.number in kept]


_NO_TURN: contextlib.nullcontext[None] = contextlib.nullcontext()
_EMPTIED: Mapping[str, bytes] = {"protobuf": b"", "json": b"{}"}


class _StatementSink:
    """Where one statement over all rows reports to."""

    __slots__ = ("_number", "_report", "changed", "errors", "gone", "matched", "ns")

    def __init__(self, report: Report, number: int) -> None:
        self._report = report
        self._number = number
        self.gone: set[int] = set()
        self.matched = [0]
        self.changed = [0]
        self.ns = [0]
        self.errors: dict[int, str] = {}

    def failed(self, statement: int, row: Any, error: ValueError) -> None:
        """The statement failed on a row."""
        del statement
        self.errors[row.number] = str(error)

    def drop(self, row: Any) -> None:
        """The row goes."""
        self.gone.add(row.number)
        self._report.drop(row)

    def route(self, row: Any, name: str) -> None:
        """The row goes to an output."""
        self._report.route(row, name)

    def over(self, statement: int, time: int) -> bool:
        """Whether the row is beyond the limit of the statement."""
        del statement
        return self._report.over(self._number, time)

    def condition_failed(self, condition: int, row: Any, error: ValueError) -> None:
        """Statements here have no conditions of their group."""
        raise AssertionError((condition, row, error))


def _restore(make: Callable[..., Any], positional: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return make(*positional, **keywords)


def _shown(constants: Mapping[str, Any]) -> str:
    """Constants in a form that is the same for the same ones."""
    return ", ".join(f"{name}={value!r}" for name, value in sorted(constants.items()))


class Processor:
    """Passes for each signal over payloads: what `Transform`, `Filter` and `Program` are made of.

    Safe to share between threads: the passes hold no state of a payload, and counting is under a lock.
    """

    def __init__(
        self, passes: Mapping[str, Sequence[Pass]], options: Options, diagnostics: Iterable[Diagnostic]
    ) -> None:
        self._passes = {signal: tuple(p) for signal, p in passes.items() if p}
        self._options = options
        self.diagnostics = tuple(diagnostics)
        self._lock = threading.Lock()
        self._remembering = threading.Lock()
        self._remembered = {s: tuple(site for p in ps for site in p.around.memories) for s, ps in self._passes.items()}
        self._tables: dict[tuple[str, int], Any] = {}
        self.recipe: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] = (type(self), (), {})
        self.on_error: Callable[[RowError], None] | None = None
        self.profile: Profile | None = None
        self._has_native = native_enabled()
        self._counters = self._zeroes()
        self._known: dict[tuple[str, int, int | None], list[list[bool]] | None] = {}

    def _zeroes(self) -> dict[tuple[str, int], list[_Counter]]:
        """For each pass of each signal the counters of its statements."""
        return {
            (signal, number): [
                _Counter(text, source, signal, context)
                for text, source, context in zip(p.texts, p.sources, p.contexts, strict=True)
            ]
            for signal, passes_of in self._passes.items()
            for number, p in enumerate(passes_of)
        }

    def sibling(self) -> Self:
        """One that shares what is compiled, and counts and reports for itself."""
        found = object.__new__(type(self))  # not a copy, which would compile anew
        found.__dict__.update(self.__dict__, _lock=threading.Lock(), _counters=self._zeroes(), _known={}, on_error=None)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as what it was made from: compiling again is quick, and generated functions do not travel."""
        make, positional, keywords = self.recipe
        options = self._options
        keywords = {
            **keywords,
            "functions": options.functions,
            "strict": options.strict,
            "lambdas": options.lambdas,
            "experimental": options.experimental,
            "limits": options.limits,
            "clock": options.clock,
            "uuid": options.uuid,
            "stack": options.stack,
        }
        return _restore, (make, positional, keywords)

    @property
    def signals(self) -> frozenset[str]:
        """The signals that have statements."""
        return frozenset(self._passes)

    @property
    def whole_traces(self) -> frozenset[str]:
        """The signals whose payloads should hold whole traces, because functions look at them."""
        return frozenset(s for s, passes in self._passes.items() if any(p.whole for p in passes))

    @property
    def stateful(self) -> bool:
        """Whether functions or limits remember something from payload to payload."""
        return any(len(p.around.memories) or p.limiters for passes in self._passes.values() for p in passes)

    @property
    def sequential(self) -> str | None:
        """Why payloads must go through this one processor in their order; None where each stands for itself."""
        passes = [p for passes_of in self._passes.values() for p in passes_of]
        if any(p.whole for p in passes):
            return "functions look at whole traces"
        names = dict.fromkeys(site.function.name for p in passes for site in p.around.memories)
        if names:
            return f"{', '.join(names)} {'remembers' if len(names) == 1 else 'remember'} from message to message"
        return "a limit counts rows from message to message" if any(p.counts_rows for p in passes) else None

    def _sites(self) -> dict[str, Site]:
        """The calls with memory by name: signal, which of the statements with its text, which call in it."""
        found: dict[str, Site] = {}
        for signal, passes in self._passes.items():
            seen: dict[tuple[str, int, str], int] = {}
            for site in (site for p in passes for site in p.around.memories):
                name = (" ".join(site.text.split()), site.number, site.function.name)
                again = seen[name] = seen.get(name, -1) + 1
                found[f"{signal}, {again}, {site.number}, {site.function.name}: {name[0]}"] = site
        return found

    def _limits(self) -> dict[str, RateLimiter]:
        """The rate limits by name: signal, which of the statements with its text."""
        found: dict[str, RateLimiter] = {}
        for signal, passes in self._passes.items():
            seen: dict[str, int] = {}
            for text, limiter in ((p.texts[number], one) for p in passes for number, one in p.limiters.items()):
                name = " ".join(text.split())
                again = seen[name] = seen.get(name, -1) + 1
                found[f"{signal}, {again}, limit: {name}"] = limiter
        return found

    def state(self) -> bytes:
        """What functions and limits remember, for `load_state`: versioned, checksummed, bounded in keys and periods.

        Raises:
            Error: a function of the user's remembers what cannot be saved.
        """
        with self._remembering:
            sections = []
            for name, site in self._sites().items():
                try:
                    keys, arrays = site.keyed.save()
                except ValueError as error:
                    raise Error(f"{site.function.name}: {error}") from None
                sections.append(saved.Section({"site": name, "constants": _shown(site.constants)}, keys, arrays))
            for name, limiter in self._limits().items():
                about = {"site": name, "constants": _shown({"count": limiter.count, "period": limiter.period})}
                sections.append(saved.Section(about, [], limiter.save()))
        return saved.pack(sections)

    def load_state(self, state: bytes) -> int:
        """Takes back what `state` gave, in place of what is remembered.

        What belongs to a statement that is no longer there, or whose constants are others, is left out; calls that the
        state does not know begin anew.

        Returns:
            The number of calls that have their memory back.

        Raises:
            Error: the state is damaged, or of another version.
        """
        sections = {section.about.get("site"): section for section in saved.unpack(state)}
        restored = 0
        with self._remembering:
            for name, site in self._sites().items():
                section = sections.get(name)
                site.keyed.clear()
                if section is None or section.about.get("constants") != _shown(site.constants):
                    continue
                try:
                    site.keyed.restore(section.keys, section.arrays)
                except ValueError:
                    continue
                restored += 1
            for name, limiter in self._limits().items():
                section = sections.get(name)
                limiter.forget()
                wanted = _shown({"count": limiter.count, "period": limiter.period})
                if section is not None and section.about.get("constants") == wanted:
                    with contextlib.suppress(ValueError):
                        limiter.restore(section.arrays)
                        restored += 1
        return restored

    def codes(self) -> list[bytecode.StatementCode]:
        """The bytecode of every statement, in the order of `stats`."""
        return [code for passes in self._passes.values() for one in passes for code in one.codes()]

    def stats(self) -> list[StatementStats]:
        """What every statement has done since the processor was made."""
        with self._lock:
            return [counter.snapshot() for counters in self._counters.values() for counter in counters]

    def take_counts(self) -> list[Counts | None]:
        """What every statement has done since the last call, in the order of `stats`; None where that is nothing."""
        with self._lock:
            self._known.clear()
            return [counter.take() for counters in self._counters.values() for counter in counters]

    def add_counts(self, counts: Sequence[Counts | None]) -> None:
        """Adds what another processor made from the same rules has done (its `take_counts`) to the statistics."""
        with self._lock:
            self._known.clear()
            counters = (counter for counters in self._counters.values() for counter in counters)
            for counter, found in zip(counters, counts, strict=True):
                if found is not None:
                    counter.add(*found)

    def explain(self) -> str:
        """Context, stack and instructions of every pass, as text."""
        lines: list[str] = []
        for signal, passes in self._passes.items():
            for number, one in enumerate(passes, 1):
                lines.append(f"{signal}, pass {number}: {one.title}")
                lines.extend("  " + line for line in one.describe())
                lines.append("")
        return "\n".join(lines)

    def _count(self, signal: str, number: int, report: Report) -> None:
        with self._lock:
            if any(report.errors):
                self._known.clear()
            for index, counter in enumerate(self._counters[signal, number]):
                counter.matched += report.matched[index]
                counter.changed += report.changed[index]
                counter.errors += report.errors[index]
                counter.ns += report.ns[index]
                if counter.first_error is None:
                    counter.first_error = report.first.get(index)

    def _process(self, data: bytes, signal: str, encoding: Encoding, metadata: Mapping[str, Any] | None) -> bytes:
        """One payload through all passes of its signal.

        Args:
            data: the payload, in any contiguous buffer.
            signal: `traces`, `metrics`, `logs` or `profiles`.
            encoding: `protobuf` or `json`; the result has the same.
            metadata: what the request carried besides the payload.

        Raises:
            PayloadError: the payload is malformed or exceeds a limit.
            StatementError: a statement failed under `propagate`.
        """
        data, passes = self._checked(data, signal, encoding)
        if not passes:
            return data
        refused = False
        program = self.stream(signal)
        if program is not None:
            output = self._from_bytes_to_bytes(program, data, signal, encoding)
            if output is not None:
                return output
            refused = True
        with bounds.Bounds(self._options.limits), self._turn(signal):
            native = self._native
            payload, session = self._through(data, signal, encoding, metadata, passes, native, refused)
            return _EMPTIED[encoding] if session.emptied else self._encoded(payload, encoding, native)

    def stream(self, signal: str) -> Any:
        """All passes of a signal as one stream (`vm.tables.Program`); None where they are none."""
        if not self._native or self.profile is not None:
            return None
        program = self._tables.get((signal, 0))
        if program is None or program.stream is None or len(program.passes) < len(self._passes[signal]):
            return None
        return program

    def _from_bytes_to_bytes(self, program: Any, data: bytes, signal: str, encoding: Encoding) -> bytes | None:
        """All passes, which are a stream, over a payload; None, with nothing done, where it needs tables."""
        limits = self._options.limits
        if encoding == "protobuf":
            return self._streamed(program, data, signal, 0, limits.deadline_s)
        found = program.run_json_stream(data, limits, self.known_failures(signal))
        if found is None:
            return None
        self.count_streamed(signal, 0, found[1])
        return found[0]  # type: ignore[no-any-return]

    def _streamed(self, program: Any, data: bytes, signal: str, start: int, seconds: float | None) -> bytes | None:
        """Passes from one on that are a stream, over a payload; None, with nothing done, where it needs tables."""
        known = self.known_failures(signal, start, len(program.passes))
        found = program.run_stream(data, self._options.limits, seconds, known)
        if found is None:
            return None
        output, counts, stages = found
        self.count_streamed(signal, start, counts)
        if self.profile is not None:
            self.profile.divide(*stages)
        return output  # type: ignore[no-any-return]

    def count_streamed(self, signal: str, start: int, counts: Sequence[Any]) -> None:
        """Adds what a stream of the passes from one on has counted to their statistics."""
        with self._lock:
            for number, one in enumerate(counts, start):
                for counter, matched, changed, failed, ns in zip(self._counters[signal, number], *one, strict=True):
                    counter.matched += matched
                    counter.changed += changed
                    counter.errors += failed
                    counter.ns += ns

    def known_failures(self, signal: str, start: int = 0, count: int | None = None) -> list[list[bool]] | None:
        """For so many passes from one on, by statement, whether its first failure is known.

        Returns:
            None where each failure is told, and where none has been.
        """
        if self.on_error is not None:
            return None
        key = signal, start, count
        try:
            return self._known[key]
        except KeyError:
            passes = range(start, len(self._passes[signal]) if count is None else start + count)
            found = [[one.first_error is not None for one in self._counters[signal, number]] for number in passes]
            self._known[key] = known = found if any(map(any, found)) else None
            return known

    def _turn(self, signal: str) -> contextlib.AbstractContextManager[None]:
        """Payloads take turns where functions remember something from one to the next."""
        sites = self._remembered.get(signal)
        return self._take_turn(sites) if sites else _NO_TURN

    @contextlib.contextmanager
    def _take_turn(self, sites: Sequence[Site]) -> Iterator[None]:
        with self._remembering:
            now = self._options.clock()
            for site in sites:
                site.keyed.begin(now)
            yield

    def process_together(
        self, payloads: Sequence[bytes], signal: str = "traces", metadata: Mapping[str, Any] | None = None
    ) -> list[bytes]:
        """Several payloads as if they were one, so that functions see whole traces; each comes back by itself.

        Args:
            payloads: in protobuf; the limits hold for each of them.
            signal: what they hold.
            metadata: what the request carried besides the payloads.

        Raises:
            PayloadError: one of them is malformed or exceeds a limit.
            StatementError: a statement failed under `propagate`.
            ValueError: rows are routed, so that there is more than one output.
        """
        found = self.split_together(payloads, signal, metadata)
        if any(len(outputs) > 1 for outputs in found):
            raise ValueError("rows are routed: call split_together")
        return [outputs[None] for outputs in found]

    def split_together(
        self, payloads: Sequence[bytes], signal: str = "traces", metadata: Mapping[str, Any] | None = None
    ) -> list[dict[str | None, bytes]]:
        """As `process_together`, for each payload by route, None for the rows without one."""
        limits = self._options.limits
        for payload in payloads:
            if len(payload) > limits.max_message:
                raise PayloadError(f"payload of {len(payload)} bytes exceeds the limit of {limits.max_message}")
        whole, aside = joined.join(payloads)
        count = max(len(payloads), 1)
        together = object.__new__(type(self))  # not a copy, which would compile anew and count apart
        together.__dict__.update(self.__dict__)
        together._options = dataclasses.replace(
            self._options,
            limits=dataclasses.replace(
                limits,
                max_message=limits.max_message * count,
                max_messages=limits.max_messages * count,
                max_growth=limits.max_growth * count,
                deadline_s=None if limits.deadline_s is None else limits.deadline_s * count,
            ),
        )
        outputs = together._split(whole, signal, "protobuf", metadata)
        found: list[dict[str | None, bytes]] = [{} for _ in payloads]
        for route, output in outputs.items():
            rest = aside if route is None else [b""] * len(payloads)
            for one, part in zip(found, joined.split(output, rest), strict=True):
                one[route] = part
        return found

    def _checked(self, data: bytes, signal: str, encoding: Encoding) -> tuple[bytes, tuple[Pass, ...]]:
        """The payload as bytes, and the passes of its signal."""
        if signal not in SIGNALS:
            raise ValueError(f"signal must be one of {', '.join(SIGNALS)}, got {signal!r}")
        if encoding not in ("protobuf", "json"):
            raise ValueError(f"encoding must be protobuf or json, got {encoding!r}")
        data = bytes(data)  # the very object where it is `bytes` already
        passes = self._passes.get(signal, ())
        if passes and len(data) > self._options.limits.max_message:
            raise PayloadError(
                f"payload of {len(data)} bytes exceeds the limit of {self._options.limits.max_message} "
                "(--max-message, Limits.max_message)"
            )
        return data, passes

    @staticmethod
    def _routed_levels(passes: Sequence[Pass]) -> tuple[str, ...]:
        """The levels whose rows get marks of routes."""
        return tuple({p.contexts[0]: None for p in passes if p.routes})

    def _through(
        self,
        data: bytes,
        signal: str,
        encoding: Encoding,
        metadata: Mapping[str, Any] | None,
        passes: tuple[Pass, ...],
        native: bool,
        refused: bool = False,
    ) -> tuple[Payload, Session]:
        """The payload after all passes."""
        options = self._options
        if self.profile is not None:
            self.profile.begin()
        payload = Payload(data, signal, options.limits)
        if encoding == "json":
            if native:
                payload.set_bytes(native_codec.from_json(data, signal, options.limits))
            else:
                payload.set_message(messages.decode(data, signal, "json", options.limits))
        session = Session(metadata, refused=refused)
        if self.profile is not None:
            self.profile.lap("decode" if encoding == "json" else "scan")
        if self.on_error is not None:
            session.base = payload.snapshot()
        if native:
            self._run_native(payload, signal, passes, session)
        else:
            for number, one in enumerate(passes):
                self._run_rows(payload, signal, number, one, session)
        if session.errors and not session.emptied:
            raise session.errors[0]
        return payload, session

    @property
    def _native(self) -> bool:
        """Whether the native codec serves."""
        return self._has_native and self._options.stack != "plain"

    def _encoded(self, payload: Payload, encoding: Encoding, native: bool) -> bytes:
        """The payload in an encoding."""
        profile = self.profile
        if encoding == "protobuf":
            if not native:
                payload.message()  # refuses what is malformed, even where no row reads it
            data = payload.encoded()
            if profile is not None:
                profile.lap("patch")
            return data
        if native:
            data = payload.encoded()
            if profile is not None:
                profile.lap("patch")
            data = native_codec.to_json(data, payload.signal, self._options.limits)
        else:
            data = messages.encode(payload.message(), payload.signal, "json")
        if profile is not None:
            profile.lap("encode")
        return data

    def _split(
        self, data: bytes, signal: str, encoding: Encoding, metadata: Mapping[str, Any] | None
    ) -> dict[str | None, bytes]:
        """As `_process`, for passes that route rows: by route, and None for the rows without one."""
        data, passes = self._checked(data, signal, encoding)
        if not passes:
            return {None: data}
        with bounds.Bounds(self._options.limits), self._turn(signal):
            native = self._native
            payload, session = self._through(data, signal, encoding, metadata, passes, native)
        names = dict.fromkeys(name for p in passes for name in p.routes)
        outputs: dict[str | None, bytes] = dict.fromkeys([None, *names], _EMPTIED[encoding])
        if session.emptied:
            return outputs
        if not session.marks.rows:
            return {**outputs, None: self._encoded(payload, encoding, native)}
        for name in outputs:
            part = self._part(payload, session.marks, name)
            if part is not None:
                outputs[name] = self._encoded(part, encoding, native)
        return outputs

    def _part(self, payload: Payload, marks: Marks, route: str | None) -> Payload | None:
        """The rows of one route, or those of none; None where there are no rows."""
        signal, limits = payload.signal, self._options.limits
        levels = max((leaving.chain(signal, level) for level in marks.levels()), key=len)

        def keep(forest: leaving.Forest) -> dict[str, Any]:
            if route is None:
                return leaving.after_drop(forest, marks.any())
            return leaving.on_route(forest, marks.rows.get(route, {}))

        part = Payload(b"", signal, limits)
        if self._native and signal in native_codec.ELEMENT_LEVELS:
            layout = native_codec.layout(signal, levels, (), False)
            batch = native_codec.scan(layout, payload.encoded(), limits)
            if batch is not None:
                tables = layout.tables
                kept = keep(leaving.Forest(levels, {level: batch.parents(tables[level]) for level in levels}))
                if not kept["resource"].any():
                    return None
                for level, stays in kept.items():
                    batch.drop(tables[level], ~stays)
                part.set_bytes(batch.patch())
                return part
        message = type(payload.message())()
        message.CopyFrom(payload.message())
        forest = leaving.survey(message, signal, levels)
        if leaving.remove(message, signal, forest, keep(forest)):
            return None
        part.set_message(message)
        return part

    def _run_rows(self, payload: Payload, signal: str, number: int, one: Pass, session: Session) -> None:
        report = one.report()
        if session.base is not None:
            # Groups that columns may run neither add nor remove rows, so numbers hold.
            report.listen(signal, "" if one.in_columns else one.contexts[0])
        if self.profile is not None:
            payload.message()
            self.profile.lap("scan")
            report.instructions = self.profile if self.profile.instructions else None
            report.sampled = 1
        try:
            one.run_rows(payload, report, session)
        finally:
            if self.profile is not None:
                self.profile.lap("statements")
            self._count(signal, number, report)
            self._tell(signal, one, report, session)
        if session.base is not None and (one.drops or not one.in_columns):
            session.base = payload.snapshot()

    def _tell(self, signal: str, one: Pass, report: Report, session: Session) -> None:
        """Hands the failures of a pass to whoever wants them."""
        if not report.faults or self.on_error is None or session.base is None:
            return
        places = {fault.number: one.place(fault.number) for fault in report.faults}
        wanted: dict[str, dict[int, Any]] = {}
        for fault in report.faults:
            if fault.row is not None:
                wanted.setdefault(places[fault.number][2], {})[fault.row] = None
        for context, found in wanted.items():
            root = messages.decode(session.base, signal, "protobuf", self._options.limits)
            for at, row in enumerate(message_rows.walk(root, signal, context)):
                if at in found:
                    found[at] = messages.encode(alone(row, signal, context), signal, "json")
        for fault in sorted(report.faults, key=lambda fault: -1 if fault.row is None else fault.row):
            text, source, context = places[fault.number]
            record = fault.record
            encoded = wanted[context][fault.row] if fault.row is not None else messages.encode(record, signal, "json")
            self.on_error(RowError(text, source.describe(), signal, context, fault.row, fault.message, encoded))

    def _run_native(self, payload: Payload, signal: str, passes: tuple[Pass, ...], session: Session) -> None:
        """Neighbouring passes that columns can take share one set of tables; the others and odd payloads go in rows."""
        number = 0
        while number < len(passes):
            end = number
            while end < len(passes) and passes[end].in_columns:
                if passes[end].settles and end > number:
                    break  # it may turn out to need rows, and then the payload as it was before
                end += 1
                if passes[end - 1].drops:
                    break
            if end == number or not self._run_columns(payload, signal, number, end, passes, session):
                end = max(end, number + 1)
                for index in range(number, end):
                    self._run_rows(payload, signal, index, passes[index], session)
            number = end

    def _run_columns(
        self, payload: Payload, signal: str, start: int, end: int, passes: tuple[Pass, ...], session: Session
    ) -> bool:
        """Passes over tables; False, with nothing done, for a payload that goes in rows instead."""
        program = self._tables.get((signal, start))
        if program is None:
            from ottl.vm.tables import Program as TableProgram

            codes = [p.table_code() for p in passes[start:end]]
            around = [p.around for p in passes[start:end]]
            program = TableProgram(signal, codes, around, self._routed_levels(passes))
            program = self._tables.setdefault((signal, start), program)
        data = payload.encoded()
        if self._options.stack == "auto" and len(data) < SMALL_PAYLOAD and not program.native:
            return False
        profile = self.profile
        if profile is not None:
            profile.lap("patch")
        if program.stream is not None and not session.refused and (profile is None or not profile.instructions):
            output = self._streamed(program, data, signal, start, bounds.current().seconds_left())
            if output is not None:
                payload.set_bytes(output)
                return True
        batch = None if program.rests() else program.scan(data, self._options.limits)
        if profile is not None:
            profile.lap("scan")
        if batch is None:
            return False
        for index in range(start, end):
            report, settled = passes[index].report(), True
            if session.base is not None:
                report.listen(signal, "")
            if profile is not None and profile.instructions:
                report.instructions = profile
            report.known = [counter.first_error is not None for counter in self._counters[signal, index]]
            try:
                passes[index].run_columns(program, index - start, batch, report, session)
            except stacks.Unsettled:
                settled = False
                program.unsettled()
                return False  # it is the first pass over these tables, see `_run_native`
            finally:
                if settled:
                    self._count(signal, index, report)
                    if program.stream is not None and report.first:
                        program.stream.resume()
                    self._tell(signal, passes[index], report, session)
        if profile is not None:
            profile.lap("statements")
        payload.set_bytes(batch.patch())
        if profile is not None:
            profile.lap("patch")
        if session.base is not None and any(one.drops for one in passes[start:end]):
            session.base = payload.snapshot()
        return True

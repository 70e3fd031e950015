"""Runs a program over a payload on both stacks, compares, and makes what disagrees smaller."""

from __future__ import annotations

import contextlib
import copy
import random
import signal as signals
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ottl import ConfigError, Filter, Transform, bytecode, engine
from ottl.codec import messages, native
from ottl.contexts import CONTEXTS
from ottl.errors import Error, StatementError
from ottl.stdlib import FUNCTIONS
from ottl.vm.tables import paths
from tests.property.payloads import Payload, random_payload
from tests.property.programs import SIGNAL_CONTEXTS, Program, random_program

CLOCK = 1_700_000_000_123_456_789
IDENTIFIER = "11111111-2222-4333-8444-555555555555"
METADATA = {
    "client.addr": "10.0.0.1",
    "client.metadata": {"x-tenant": ["a", "b"], "s": ["one"]},
    "client.auth.attributes": {"s": "subject", "i": 1},
    "grpc.metadata": {"s": ["g"]},
}
ENCODINGS: tuple[engine.Encoding, ...] = ("protobuf", "json")
SIGNALS = ("traces", "metrics", "logs", "profiles")
PROGRAM_SHARES = (40, 34, 24, 2)
POOL = 60
LIMIT_S = 5
"""Seconds after which a payload counts as endless."""

PAYLOADS = 20
"""Payloads a program is run over."""


@dataclass(slots=True)
class Outcome:
    """What a stack made of a payload.

    Args:
        data: the bytes; None where it raised.
        error: what it raised.
        matched: rows on which each statement's condition held.
        errors: rows on which each statement failed.
    """

    data: bytes | None
    error: Exception | None
    matched: list[int]
    errors: list[int]


def outcome(processor: Any, payload: Payload, data: bytes, encoding: engine.Encoding = "protobuf") -> Outcome:
    """What a processor makes of a payload, with the counts of this payload alone."""
    counters = [c for found in processor._counters.values() for c in found]
    for counter in counters:
        counter.matched = counter.errors = 0
    try:
        out, error = processor.process(data, payload.signal, encoding, METADATA), None
    except Error as caught:
        out, error = None, caught
    return Outcome(out, error, [c.matched for c in counters], [c.errors for c in counters])


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raises `TimeoutError` inside after a while, where signals can."""
    if not hasattr(signals, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signals.signal(signals.SIGALRM, _give_up)
    signals.alarm(LIMIT_S)
    try:
        yield
    finally:
        signals.alarm(0)
        signals.signal(signals.SIGALRM, before)


def _twin(processor: Any) -> Any:
    """A processor with the same passes and tables and counts of its own."""
    twin = copy.copy(processor)
    twin._tables = {}
    twin._counters = {key: [copy.copy(c) for c in counters] for key, counters in processor._counters.items()}
    return twin


def _give_up(*_: Any) -> None:
    raise TimeoutError(f"no end after {LIMIT_S} s")


class Pair:
    """A program on both stacks. The two share passes: compiled once, each executor has its own functions.

    Args:
        program: the configuration.

    Raises:
        ConfigError: it cannot be loaded.
    """

    def __init__(self, program: Program) -> None:
        make: Any = Filter if program.filtering else Transform
        self.program = program
        self.changed = False
        self.fast = make(program.config(), clock=lambda: CLOCK, uuid=lambda: IDENTIFIER)
        if self.fast.stateful:
            # Each remembers what it has seen.
            self.plain = make(program.config(), clock=lambda: CLOCK, uuid=lambda: IDENTIFIER, stack="plain")
        else:
            self.plain = _twin(self.fast)
            self.plain._options = replace(self.fast._options, stack="plain")
        self.whole = _twin(self.fast)
        self.passes: tuple[Any, ...] = tuple(p for found in self.fast._passes.values() for p in found)

    @property
    def in_columns(self) -> list[bool]:
        """Of each pass, whether columns may run it."""
        return [p.in_columns for p in self.passes]

    def codes(self) -> Iterator[tuple[str, bytecode.StatementCode]]:
        """The bytecode of all statements and conditions, with their contexts."""
        for one in self.passes:
            if self.program.filtering:
                yield from ((context, code) for context, code, _ in one.item.conditions)
            else:
                yield from ((one.code.context, c) for c in (*one.code.conditions, *one.code.statements))

    def disagreement(self, payload: Payload, encoding: engine.Encoding = "protobuf") -> str | None:
        """How the stacks differ on a payload; None where they agree. A fast stack that comes to no end has crashed."""
        with _limited():
            return self._disagreement(payload, encoding)

    def _disagreement(self, payload: Payload, encoding: engine.Encoding) -> str | None:
        data = payload.data
        self.changed = False
        if encoding == "json":
            try:
                message = messages.decode(data, payload.signal)
                data = messages.encode(message, payload.signal, "json")
            except Error:
                return None
        try:
            plain = outcome(self.plain, payload, data, encoding)
        except (TimeoutError, MemoryError):
            return None  # what a rule doubles row by row, the reference doubles too
        except Exception as error:  # noqa: BLE001
            return f"the plain stack crashed: {type(error).__name__}: {error}"
        self.changed = plain.data is not None and plain.data != data
        try:
            with pytest.MonkeyPatch.context() as patch:
                # The smallest windows there are; programs that have none are held against the plain stack once.
                patch.setattr(native, "WINDOW", (1, 1))
                fast = outcome(self.fast, payload, data, encoding)
                found = difference(plain, fast, payload.signal, encoding)
                streams = any(program.stream is not None for program in self.fast._tables.values())
                if found is None and streams:
                    patch.setattr(native, "WINDOW", None)
                    whole = outcome(self.whole, payload, data, encoding)
                    found = difference(plain, whole, payload.signal, encoding)
        except Exception as error:  # noqa: BLE001 - a crash is what this looks for
            return f"the fast stack crashed: {type(error).__name__}: {error}"
        return found


def difference(plain: Outcome, fast: Outcome, signal: str, encoding: engine.Encoding = "protobuf") -> str | None:
    """How two outcomes differ; None where they agree."""
    if plain.error is not None or fast.error is not None:
        if type(plain.error) is not type(fast.error):
            return f"plain: {plain.error!r}, fast: {fast.error!r}"
        if isinstance(plain.error, StatementError) and isinstance(fast.error, StatementError):
            places = [(e.statement, e.row) for e in (plain.error, fast.error)]
            # A filter's rows are counted by columns only, which also go level by level.
            if places[0] != places[1] and places[0][1] is not None:
                return f"failing statement and row: plain {places[0]}, fast {places[1]}"
        return None
    assert plain.data is not None
    assert fast.data is not None
    if plain.data != fast.data and not _equal(plain.data, fast.data, signal, encoding):
        return (
            f"outputs differ\nplain: {shown(plain.data, signal, encoding)}\nfast:  {shown(fast.data, signal, encoding)}"
        )
    if (plain.matched, plain.errors) != (fast.matched, fast.errors):
        return f"matched and errors: plain {plain.matched} {plain.errors}, fast {fast.matched} {fast.errors}"
    return None


def _equal(a: bytes, b: bytes, signal: str, encoding: engine.Encoding) -> bool:
    one, other = messages.decode(a, signal, encoding), messages.decode(b, signal, encoding)
    if one.SerializeToString() == other.SerializeToString():
        return True
    _complete(one)
    _complete(other)
    return bool(one.SerializeToString() == other.SerializeToString())


def _complete(message: Any) -> None:
    """Makes a submessage that is absent an empty one: the reference gives them one meaning, and writes only the latter.

    Nor does it tell an index into a dictionary that nobody resolved from no value. Unknown fields inside attribute
    values, which the reference drops, need not survive copies and rewritten maps.
    """
    if message.DESCRIPTOR.name in ("AnyValue", "KeyValue"):
        message.DiscardUnknownFields()
    if message.DESCRIPTOR.name == "AnyValue" and message.HasField("string_value_strindex"):
        message.ClearField("string_value_strindex")
    for member in message.DESCRIPTOR.fields:
        if member.type != member.TYPE_MESSAGE:
            continue
        if member.is_repeated:
            for part in getattr(message, member.name):
                _complete(part)
        else:
            if member.containing_oneof is None:
                getattr(message, member.name).SetInParent()
            if message.HasField(member.name):
                _complete(getattr(message, member.name))


def shown(data: bytes, signal: str, encoding: engine.Encoding) -> str:
    """A payload in one line."""
    if encoding == "json":
        return data.decode()
    return " ".join(str(messages.root_class(signal).FromString(data)).split())


# -- making it smaller ----------------------------------------------------------------------------------------------


def smaller_messages(message: Any) -> Iterator[Any]:
    """Copies of a message with something left out."""

    def visit(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        for descriptor, found in part.ListFields():
            if descriptor.is_extension:
                continue
            yield (*path, descriptor.name)
            if descriptor.is_repeated:
                for n in range(len(found)):
                    yield (*path, (descriptor.name, n))
                if descriptor.type == descriptor.TYPE_MESSAGE:
                    for n, one in enumerate(found):
                        yield from visit(one, (*path, descriptor.name, n))
            elif descriptor.type == descriptor.TYPE_MESSAGE:
                yield from visit(found, (*path, descriptor.name, None))

    for path in list(visit(message, ())):
        made = copy.deepcopy(message)
        part = made
        steps = path[:-1]
        for name, n in zip(steps[::2], steps[1::2], strict=True):
            part = getattr(part, name) if n is None else getattr(part, name)[n]
        last = path[-1]
        if isinstance(last, tuple):
            del getattr(part, last[0])[last[1]]
        else:
            part.ClearField(last)
        yield made


def shrink(
    program: Program, payload: Payload, encoding: engine.Encoding, budget: int = 4000
) -> tuple[Program, Payload, str]:
    """A smaller program and payload on which the stacks still disagree, and how they do."""
    tries = 0

    def problem(one: Program, data: Payload) -> str | None:
        nonlocal tries
        tries += 1
        try:
            return Pair(one).disagreement(data, encoding)
        except ConfigError:
            return None

    how = problem(program, payload)
    if how is None:
        return program, payload, "only once"
    progress = True
    while progress and tries < budget:
        progress = False
        for one in program.smaller():
            found = problem(one, payload)
            if found is not None:
                program, how, progress = one, found, True
                break
            if tries > budget:
                break
        try:
            message = messages.root_class(payload.signal).FromString(payload.data)
        except Exception:  # noqa: BLE001 - malformed on purpose
            continue
        for made in smaller_messages(message):
            data = Payload(payload.signal, made.SerializeToString())
            found = problem(program, data)
            if found is not None:
                payload, how, progress = data, found, True
                break
            if tries > budget:
                break
    return program, payload, how


# -- volume ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Coverage:
    """What a run has reached.

    Args:
        programs: programs that loaded.
        refused: programs that did not.
        pairs: pairs that were compared.
        changed: pairs whose payload a rule changed.
        groups: groups that ran.
        columns: those of them in columns.
        functions: functions called in a program that ran.
        paths: paths that were read or written, as `context: level.name`.
        operations: opcodes that ran.
        disagreements: what was found.
    """

    programs: int = 0
    refused: int = 0
    pairs: int = 0
    changed: int = 0
    groups: int = 0
    columns: int = 0
    functions: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    operations: set[bytecode.Op] = field(default_factory=set)
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, other: Coverage) -> None:
        """Takes over what another run has reached."""
        for name in ("programs", "refused", "pairs", "changed", "groups", "columns"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.functions |= other.functions
        self.paths |= other.paths
        self.operations |= other.operations
        self.disagreements += other.disagreements

    def note(self, pair: Pair) -> None:
        """Notes what a program is made of."""
        self.programs += 1
        self.groups += len(pair.passes)
        self.columns += sum(pair.in_columns)
        self.functions |= pair.program.functions()
        for context, code in pair.codes():
            self.operations |= {i.op for i in code.instructions}
            self.paths |= {f"{context}: {spec.level}.{spec.name}" for spec in paths(code)}

    def summary(self) -> str:
        """The numbers, in one line."""
        share = 100 * self.columns / max(1, self.groups)
        return (
            f"{self.pairs:,} pairs of {self.programs:,} programs ({self.refused:,} refused), "
            f"{self.changed:,} payloads changed; "
            f"groups in columns: {self.columns:,} of {self.groups:,}, {share:.1f} %"
        )

    def missing(self) -> list[str]:
        """What was not reached: functions, paths of every context, opcodes."""
        contexts = {c for found in SIGNAL_CONTEXTS.values() for c, _ in found}
        every = {
            f"{context}: {spec.level}.{spec.name}"
            for context in contexts
            for prefix in CONTEXTS[context].prefixes
            for spec in CONTEXTS[context].levels[prefix].values()
        }
        return [
            *(f"function {name}" for name in sorted(set(FUNCTIONS) - self.functions)),
            *(f"path {name}" for name in sorted(every - self.paths)),
            *(f"opcode {op.name}" for op in sorted(set(bytecode.Op) - bytecode.ACTIONS - self.operations)),
        ]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A program and a payload on which the stacks differ."""

    program: Program
    payload: Payload
    encoding: engine.Encoding
    how: str

    def render(self) -> str:
        """A case that can be run again."""
        return (
            f"config = {self.program.config()!r}\n"
            f"payload = {self.payload.data!r}  # {self.payload.signal}, {self.encoding}\n"
            f"{self.how}"
        )


def run(seed: int, pairs: int, per_program: int = PAYLOADS, stop: Callable[[Coverage], bool] | None = None) -> Coverage:
    """Compares the stacks on many pairs.

    Args:
        seed: of the source of chance: the same seed, the same pairs.
        pairs: how many at least.
        per_program: payloads a program is run over.
        stop: ends the run early.
    """
    draw = random.Random(seed)
    coverage = Coverage()
    pools: dict[str, list[Payload]] = {s: [] for s in SIGNALS}
    small, engine.SMALL_PAYLOAD = engine.SMALL_PAYLOAD, 0
    try:
        while coverage.pairs < pairs and not (stop and stop(coverage)):
            signal = draw.choices(SIGNALS, PROGRAM_SHARES)[0]
            program = random_program(signal, draw)
            pool = pools[signal]
            while len(pool) < POOL:
                pool.append(random_payload(signal, draw))
            for _ in range(2):
                pool[draw.randrange(POOL)] = random_payload(signal, draw)
            try:
                pair = Pair(program)
            except ConfigError:
                coverage.refused += 1
                continue
            coverage.note(pair)
            for payload in draw.sample(pool, per_program):
                encoding: engine.Encoding = "json" if draw.random() < 0.08 else "protobuf"
                coverage.pairs += 1
                how = pair.disagreement(payload, encoding)
                coverage.changed += pair.changed
                if how is not None:
                    coverage.disagreements.append(Disagreement(program, payload, encoding, how))
                    break
    finally:
        engine.SMALL_PAYLOAD = small
    return coverage


def shrunk(found: Disagreement) -> Disagreement:
    """The disagreement made smaller."""
    small, engine.SMALL_PAYLOAD = engine.SMALL_PAYLOAD, 0
    try:
        program, payload, how = shrink(found.program, found.payload, found.encoding)
    finally:
        engine.SMALL_PAYLOAD = small
    return Disagreement(program, payload, found.encoding, how if how != "only once" else f"only once: {found.how}")

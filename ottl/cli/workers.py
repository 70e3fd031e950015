"""`ottl run --jobs N`: blocks of messages through the rules in several processes, outcomes in the order of the input.

One thread reads the inputs, whole messages at a time (`files.Block`): of a plain file only where they begin and end, of
all others the bytes, into memory that all processes share. The main thread hands blocks to workers and yields what came
of each when all before it is done. A worker reads a block that was left in its file, takes it apart, brings each
message through the rules, and lays the outputs out as they will lie in the file, a compressed one's as a member of its
own. It keeps them until the main thread knows where they go, and writes them there itself: into a file at an offset, so
that all workers may write at once; into a pipe, one block after another. What is left for the one process that all wait
for is a few calls of the system a block, not work a message or a byte. A worker has at most two blocks, one in work and
one waiting. A block has half a megabyte of small messages, two where it is left in its file, or one large message; of a
pipe it is what is there, which is answered at once.

Processes rather than threads, because of what surrounds the native parts and of statements that do not run natively:
two threads were 1.6 times as fast as one with messages of 8,000 spans, 1.4 to 1.6 with 512 and 0.5 with 10, where they
pass the interpreter's lock to and fro.

Counts travel with each block and are added in order, and a worker stops at a bad message when that ends the run:
whatever is reported at the end is what one process would have reported.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, Final, Self

from ottl import files
from ottl.cli.intake import Came, Event, Filled, Intake
from ottl.cli.passage import Fault, Passage
from ottl.errors import Error
from ottl.files import Message, Output, Room

__all__ = ["Crew", "Done", "Job", "Part", "cores"]

# Elsewhere a forked process may find its system's libraries locked or half initialised.
_FORKED = sys.platform == "linux"
# Pages that no block needs are never touched and take no memory.
_ROOM_BYTES = 16 << 20
_WAITING: Final = 2
# One block is read and one is written while the workers have the others.
_MOVING: Final = 2
_AHEAD_BYTES: Final = 2 << 20
# The system takes no more pieces in one call (IOV_MAX).
_AT_ONCE: Final = 1024
_PATIENCE_S: Final = 5.0


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Job:
    """How the messages of an input are read and written.

    Args:
        name: of the input.
        format: of the input.
        signal: of messages that do not say it themselves.
        output: of the output.
    """

    name: str
    format: files.Format
    signal: str | None
    output: files.Layout


@dataclass(slots=True)
class Part:
    """Messages as they will lie in an output.

    Args:
        route: which output.
        messages: how many they are.
        size: in bytes.
    """

    route: str | None
    messages: int
    size: int


@dataclass(slots=True)
class Done:
    """What became of a block, up to a message that ends the run.

    Args:
        parts: of the outputs, whose bytes the worker keeps until it is told where to write them.
        read: messages taken.
        emptied: of which nothing was left.
        lines: how many there were.
        faults: messages that could not be processed, without their bytes, and why.
        errors: failures of statements: line of the message, name of the processor, and what happened.
        counts: what the statements of each processor did.
        failure: what else went wrong, which ends the run.
        write: has the worker write the parts to the outputs of their routes.
    """

    parts: list[Part] = field(default_factory=list)
    read: int = 0
    emptied: int = 0
    lines: int = 0
    faults: list[tuple[Message, Fault]] = field(default_factory=list)
    errors: list[tuple[int, str, Any]] = field(default_factory=list)
    counts: list[list[Any]] = field(default_factory=list)
    failure: BaseException | None = None
    write: Callable[[Callable[[str | None], Output]], None] | None = None


@dataclass(slots=True)
class _Slot:
    """Memory for a block."""

    number: int
    room: Room


@dataclass(slots=True)
class _Take:
    """An order to bring messages through the rules.

    Args:
        number: of the order; what comes of the messages is kept under it.
        job: how they are read and written.
        given: the messages: one of them, their bytes, or how many bytes there are in a slot or, where no slot is named,
            in the file whose descriptor follows.
        slot: number of the slot.
        offset: in the file.
    """

    number: int
    job: Job
    given: Message | bytes | int
    slot: int | None = None
    offset: int = 0


@dataclass(slots=True)
class _Put:
    """An order to write a part of an output.

    Args:
        number: of the order that it came of.
        part: which of the parts.
        offset: in the file whose descriptor follows; None for what comes next in it.
        here: no descriptor follows: the bytes are to be sent back.
    """

    number: int
    part: int
    offset: int | None = None
    here: bool = False


@dataclass(slots=True)
class _Written:
    """The answer to an order to write: the bytes, if they were wanted, and why it failed, if it did."""

    data: bytes = b""
    failure: OSError | None = None


# -- the worker -----------------------------------------------------------------------------------------------------


def _serve(
    connection: Connection, slots: Sequence[_Slot], passage: Passage, listen: bool, others: Sequence[Connection]
) -> None:
    """Answers orders until the parent closes the connection, or is gone."""
    for other in others:
        other.close()  # a copy of the parent's end, which would outlive the parent
    # A terminal interrupts the parent and its children alike, and the parent ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    errors: list[tuple[str, Any]] = []
    if listen:
        for name, runner in passage.rules.runners():
            runner.on_error = functools.partial(_keep, errors, name)
    kept: dict[tuple[int, int], Sequence[bytes]] = {}
    memory = bytearray()
    with contextlib.suppress(EOFError, OSError):
        while True:
            order: _Take | _Put = connection.recv()
            if isinstance(order, _Put):
                connection.send(_write(order, kept, connection))
                continue
            file = recv_handle(connection) if isinstance(order.given, int) and order.slot is None else None
            try:
                given = _given(order, slots, memory, file)
            except OSError as failure:
                connection.send(Done(counts=_counts(passage), failure=failure))
                continue
            done, parts = _work(order.job, given, passage, errors)
            kept |= {(order.number, part): pieces for part, pieces in enumerate(parts)}
            connection.send(done)


def _given(
    order: _Take, slots: Sequence[_Slot], memory: bytearray, file: int | None
) -> Message | tuple[bytes | Room, int]:
    """The messages of an order: one, or so many bytes of memory with some.

    Args:
        order: whose they are.
        slots: where they may be.
        memory: for those that are left in a file, made larger where they are more.
        file: which has them; it is closed. Where it has become shorter, there are fewer.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(order.given, Message):
        return order.given
    if isinstance(order.given, bytes):
        return order.given, len(order.given)
    if file is None:
        assert order.slot is not None, "they are somewhere"
        return slots[order.slot].room, order.given
    memory.extend(bytes(max(0, order.given - len(memory))))
    read = 0
    try:
        with memoryview(memory) as view, files.named_errors(order.job.name):
            while read < order.given and (size := os.preadv(file, [view[read : order.given]], order.offset + read)):
                read += size
    finally:
        os.close(file)
    return memory, read


def _write(order: _Put, kept: dict[tuple[int, int], Sequence[bytes]], connection: Connection) -> _Written:
    """Writes a part that was kept, and forgets it."""
    pieces = kept.pop((order.number, order.part))
    if order.here:
        return _Written(b"".join(pieces))
    file = recv_handle(connection)
    left = deque(memoryview(piece) for piece in pieces if piece)
    at = order.offset
    try:
        while left:
            some = list(itertools.islice(left, _AT_ONCE))
            written = os.writev(file, some) if at is None else os.pwritev(file, some, at)
            at = None if at is None else at + written
            while left and written >= len(left[0]):
                written -= len(left.popleft())
            if written:
                left[0] = left[0][written:]
    except OSError as failure:
        return _Written(failure=failure)
    finally:
        os.close(file)
    return _Written()


def _keep(errors: list[tuple[str, Any]], name: str, error: Any) -> None:
    errors.append((name, error))


def _work(
    job: Job, given: Message | tuple[bytes | Room, int], passage: Passage, errors: list[tuple[str, Any]]
) -> tuple[Done, list[Sequence[bytes]]]:
    """What becomes of messages: one, or those in so many bytes of memory; and the bytes of the parts in pieces."""
    done = Done()
    found: dict[tuple[str | None, int], _Pieces] = {}
    form = job.output.format

    def sink(route: str | None) -> _Pieces:
        # Where an output holds one message, whoever writes a second has to say so behind the first.
        key = route, done.read if form in files.SINGLE else 0
        return found.get(key) or found.setdefault(key, _Pieces(form))

    messages: Any
    if isinstance(given, Message):
        messages = [given]
    else:
        data, size = given
        messages = files.messages_of(data, size, job.format, passage.limits.max_message, job.signal)
    try:
        for message in messages:
            done.read += 1
            fault, emptied = passage.take(message, sink)
            done.emptied += emptied
            done.errors += ((message.line, name, error) for name, error in errors)
            errors.clear()
            if fault is not None:
                done.faults.append((replace(message, payload=b"", fault=None, rest=None), fault))
                if passage.on_bad_input == "stop":
                    break
    except Exception as failure:  # noqa: BLE001 (an edge: the parent raises it)
        done.failure = _portable(failure)
    done.lines = given.line if isinstance(given, Message) else messages.line
    done.counts = _counts(passage)
    parts: list[Sequence[bytes]] = []
    for (route, _), one in found.items():
        pieces = files.compressed(one.pieces, job.output.compression)
        done.parts.append(Part(route, one.messages, sum(map(len, pieces))))
        parts.append(pieces)
    return done, parts


def _counts(passage: Passage) -> list[list[Any]]:
    return [runner.take_counts() for _, runner in passage.rules.runners()]


class _Pieces:
    """Messages as they will lie in a file of a format."""

    def __init__(self, format: files.Format) -> None:
        self.messages = 0
        self.pieces: list[bytes] = []
        self._format = format

    def write(self, payload: bytes, *, packed: bool = False, encoding: files.Encoding | None = None) -> None:
        """Takes a message."""
        self.messages += 1
        self.pieces += files.laid_out(payload, self._format, packed=packed, encoding=encoding)

    def copy(self, message: Message) -> None:
        """Takes a faulty message as it is."""
        self.messages += 1
        self.pieces += files.copied(message, self._format)


def _portable(failure: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(failure))  # noqa: S301 (our own)
    except Exception:  # noqa: BLE001 (whatever its class makes of it)
        return RuntimeError(f"{type(failure).__name__}: {failure}")
    return failure


# -- the parent -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Entry:
    """Something that was read.

    Args:
        event: what it is.
        job: of messages that are for a worker.
        slot: of a block.
        done: what became of the messages.
        gone: whether it went out and has been dealt with.
    """

    event: Event
    job: Job | None = None
    slot: _Slot | None = None
    done: Done | None = None
    gone: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is for a worker, and not done."""
        return self.job is not None and self.done is None

    def close(self) -> None:
        """Closes the file of a block that was left in it."""
        if isinstance(self.event, Filled) and isinstance(self.event.block.room, int):
            os.close(self.event.block.room)


@dataclass(slots=True)
class _Worker:
    """A process, the parent's end of its connection, and what is expected of it.

    Args:
        process: it.
        connection: to it.
        entries: that it has, with the numbers of their orders.
        writes: parts that it is writing, with the names of their outputs.
    """

    process: BaseProcess
    connection: Connection
    entries: deque[tuple[int, _Entry]] = field(default_factory=deque)
    writes: deque[str] = field(default_factory=deque)


class Crew:
    """Worker processes; made before any thread is, and closed by `with`.

    Args:
        jobs: how many.
        passage: what becomes of messages.
        errors: whether failures of statements are wanted one by one.
    """

    def __init__(self, jobs: int, passage: Passage, *, errors: bool = False) -> None:
        self._passage = passage
        self._errors = errors
        self._lock = threading.Condition()
        self._entries: deque[_Entry] = deque()  # in order, until they go out
        self._pending: deque[_Entry] = deque()  # for the workers
        self._ended = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._feeder: threading.Thread | None = None
        self._workers: list[_Worker] = []
        self._slots = [self._slot(number) for number in range(_WAITING * jobs + _MOVING)]
        self._free = self._slots[:]
        self._filling: _Slot | None = None
        self._orders = itertools.count()
        self._taken = 0  # blocks that are on their way
        self._held = 0  # their bytes
        context: Any = multiprocessing.get_context("fork" if _FORKED else "spawn")
        self._bell, self._button = context.Pipe(duplex=False)
        self._sleeping = False
        if _FORKED:
            passage.rules.prepare(passage.limits)
            gc.freeze()  # a worker that looks through all that it was born with would copy the pages it lies in
        try:
            for _ in range(jobs):
                self._workers.append(self._hire(context))
        except BaseException:
            self.close()
            raise
        finally:
            gc.unfreeze()

    @staticmethod
    def _slot(number: int) -> _Slot:
        return _Slot(number, mmap.mmap(-1, _ROOM_BYTES) if _FORKED else bytearray(_ROOM_BYTES))

    def _hire(self, context: Any) -> _Worker:
        slots: list[_Slot] = []
        others: list[Connection] = []
        ours, theirs = context.Pipe()
        if _FORKED:
            slots = self._slots
            others = [ours, self._bell, self._button, *(worker.connection for worker in self._workers)]
        arguments = (theirs, slots, self._passage, self._errors, others)
        process = context.Process(target=_serve, args=arguments, daemon=True)
        with warnings.catch_warnings():
            # Newer versions of Python warn of forking beside threads. There are none yet but those of numpy's BLAS,
            # which knows how to be forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers, whatever they are at."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE_S)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
        if self._feeder is not None:
            self._feeder.join(0.2)  # it may wait for standard input for ever
        if self._feeder is None or not self._feeder.is_alive():
            for entry in self._pending:
                entry.close()
            self._bell.close()
            self._button.close()

    def run(
        self,
        intake: Intake,
        job_of: Callable[[Event], Job | None],
    ) -> Iterator[tuple[Event, Done | None]]:
        """The events in their order, those of messages for the workers with what became of them.

        At the end all that was to be written is.

        Args:
            intake: what to read, in a thread of its own.
            job_of: how the messages of an event are read and written; None where there are none, or not for a worker.

        Raises:
            Error: a worker has died.
            OSError: an input cannot be read, or an output not be written.
        """
        self._feeder = threading.Thread(target=self._feed, args=(intake, job_of), daemon=True)
        self._feeder.start()
        while (entry := self._next()) is not None:
            done = entry.done
            if done is not None:
                for (_, runner), counts in zip(self._passage.rules.runners(), done.counts, strict=True):
                    runner.add_counts(counts)
            yield entry.event, done
            if done is not None and done.failure is not None:
                raise done.failure
            with self._lock:
                entry.gone = True
                if isinstance(entry.event, Filled):
                    self._taken -= 1
                    self._held -= entry.event.block.size
                if entry.slot is not None:
                    self._free.append(entry.slot)
                self._lock.notify_all()
        while any(worker.writes for worker in self._workers):
            self._collect(None)
        if self._failure is not None:
            raise self._failure

    # -- reading ahead ------------------------------------------------------------------------------------------------

    def _feed(
        self,
        intake: Intake,
        job_of: Callable[[Event], Job | None],
    ) -> None:
        """Reads ahead, not too far; runs in a thread of its own."""
        failure: BaseException | None = None
        try:
            with contextlib.closing(intake.events(self._room, unread=_FORKED)) as found:
                for event in found:
                    if not self._admit(event, job_of(event)):
                        break
        except _StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 (an edge: the main thread raises it)
            failure = error
        with self._lock:
            self._failure = failure
            self._ended = True
            self._ring()

    def _room(self) -> Room:
        """The memory of a free slot, again and again until a block in it is admitted."""
        with self._lock:
            while self._filling is None and self._full() and not self._stopped:
                self._lock.wait()
            if self._stopped:
                raise _StoppedError
            # The one that was used last, so that no more are touched than are needed.
            self._filling = self._filling or self._free.pop()
            return self._filling.room

    def _full(self) -> bool:
        """Whether enough is on its way.

        Large blocks do not wait for workers: what is on its way should stay in the processor's cache.
        """
        jobs = len(self._workers)
        enough = self._taken >= jobs + _MOVING and self._held >= jobs * _AHEAD_BYTES
        return enough or self._taken == len(self._slots)

    def _admit(self, event: Event, job: Job | None) -> bool:
        """Takes an event in; whether more are wanted."""
        entry = _Entry(event, job)
        with self._lock:
            unread = isinstance(event, Filled) and isinstance(event.block.room, int)
            while not self._stopped and ((unread and self._full()) or (isinstance(event, Came) and self._large())):
                self._lock.wait()
            if self._stopped:
                entry.close()
                return False
            if isinstance(event, Filled):
                if not unread:
                    entry.slot, self._filling = self._filling, None
                self._taken += 1
                self._held += event.block.size
            self._entries.append(entry)
            if entry.waits:
                self._pending.append(entry)
            self._ring()
            # What lies behind the beginning of a message that is too large is read by whoever copies it.
            while isinstance(event, Came) and event.message.rest is not None and not (entry.gone or self._stopped):
                self._lock.wait()
        return True

    def _large(self) -> bool:
        """Whether there are as many messages without a slot as workers."""
        return sum(isinstance(entry.event, Came) for entry in self._entries) >= len(self._workers)

    def _ring(self) -> None:
        """Wakes the main thread, if it sleeps."""
        if self._sleeping:
            self._sleeping = False
            self._button.send_bytes(b"!")

    # -- handing out and collecting -----------------------------------------------------------------------------------

    def _next(self) -> _Entry | None:
        """The next entry, in order, when it is done; None at the end."""
        self._collect(0)
        while True:
            seen = self._hand_out()
            with self._lock:
                head = self._entries[0] if self._entries else None
                if head is not None and not head.waits:
                    return self._entries.popleft()
                if head is None and self._ended:
                    return None
                if seen is not None and seen != len(self._pending):
                    continue
                self._sleeping = True
            self._collect(None)

    def _hand_out(self) -> int | None:
        """Gives workers what is pending; how many entries are left, None where no worker wants any."""
        while True:
            worker = min(self._workers, key=lambda worker: len(worker.entries))
            if len(worker.entries) >= _WAITING:
                return None
            with self._lock:
                if not self._pending:
                    return 0
                entry = self._pending[0]
                # Both ends of a pipe would wait for each other if a busy worker got more than the pipe holds.
                if worker.entries and (isinstance(entry.event, Came) or not _FORKED):
                    return None
                self._pending.popleft()
            number = next(self._orders)
            worker.entries.append((number, entry))
            self._send(worker, _order(number, entry), _file_of(entry))
            entry.close()

    def _send(self, worker: _Worker, order: _Take | _Put, file: int | None) -> None:
        """Gives an order to a worker, with the file that it is about."""
        try:
            worker.connection.send(order)
            if file is not None:
                send_handle(worker.connection, file, worker.process.pid)
        except OSError:
            raise _death(worker) from None

    def _collect(self, timeout: float | None) -> None:
        """Takes what is done; without a timeout waits for something, or for the feeder."""
        working = {worker.connection: worker for worker in self._workers if worker.entries or worker.writes}
        for ready in wait([self._bell, *working], timeout):
            worker = working.get(ready)  # type: ignore[call-overload]
            if worker is None:
                self._bell.recv_bytes()
                continue
            self._receive(worker)

    def _receive(self, worker: _Worker) -> bytes:
        """Takes the next answer of a worker; the bytes that it sends back, where such were wanted.

        Raises:
            OSError: an output could not be written.
        """
        try:
            answer: Done | _Written = worker.connection.recv()
        except (EOFError, OSError):
            raise _death(worker) from None
        if isinstance(answer, Done):
            number, entry = worker.entries.popleft()
            answer.write = functools.partial(self._write, worker, number, answer.parts)
            entry.done = answer
            return b""
        name = worker.writes.popleft()
        if answer.failure is not None:
            with files.named_errors(name):
                raise answer.failure
        return answer.data

    def _write(self, worker: _Worker, number: int, parts: Sequence[Part], sink: Callable[[str | None], Output]) -> None:
        """Has a worker write the parts that came of an order; see `Done.write`."""
        for index, part in enumerate(parts):
            output = sink(part.route)
            place = output.reserve(part.size, part.messages) if _FORKED else None
            file, offset = place if place is not None else (None, None)
            self._send(worker, _Put(number, index, offset, here=file is None), file)
            worker.writes.append(output.name)
            if offset is not None:
                continue
            data = b""
            while worker.writes:  # what comes next has to come behind it
                data = self._receive(worker)
            if file is None:
                output.append(data, part.messages)


class _StoppedError(Exception):
    """Nobody wants what would be read."""


def _order(number: int, entry: _Entry) -> _Take:
    """An entry as it travels."""
    assert entry.job is not None, "it is for a worker"
    event = entry.event
    if isinstance(event, Came):
        return _Take(number, entry.job, event.message)
    assert isinstance(event, Filled), "nothing else has messages"
    block = event.block
    if isinstance(block.room, int):
        return _Take(number, entry.job, block.size, offset=block.offset)
    assert entry.slot is not None, "it was read into one"
    if not _FORKED:
        return _Take(number, entry.job, bytes(block.room[: block.size]))
    return _Take(number, entry.job, block.size, entry.slot.number)


def _file_of(entry: _Entry) -> int | None:
    """The file that a block was left in."""
    room = entry.event.block.room if isinstance(entry.event, Filled) else None
    return room if isinstance(room, int) else None


def _death(worker: _Worker) -> Error:
    """The error for a worker that is gone."""
    worker.process.join(_PATIENCE_S)
    code = worker.process.exitcode
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
    return Error(f"a worker process {how}; fewer --jobs need less memory, and --jobs 1 needs no worker")

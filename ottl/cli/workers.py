"""`ottl run --jobs N`: blocks of messages through the rules in several processes, outcomes in the order of the input.

One thread reads the inputs into memory that all processes share, whole messages at a time (`files.Block`), and the main
thread hands blocks to workers, collects what comes back and yields it when all before it is done. A worker takes a
block apart, brings each message through the rules and lays the outputs out as they will lie in the file: what is left
for the one process that reads and writes is two calls of the system a block, not work a message. A worker has at most
two blocks, one in work and one waiting. A block has half a megabyte of small messages, or one large one; of a pipe it
is what is there, which is answered at once.

Processes rather than threads, because of what surrounds the native parts and of statements that do not run natively:
two threads were 1.6 times as fast as one with messages of 8,000 spans, 1.4 to 1.6 with 512 and 0.5 with 10, where they
pass the interpreter's lock to and fro. The memory that is shared costs one copy of the outputs more than one process
needs. What does not fit into it goes through a pipe, which is slower.

Counts travel with each block and are added in order, and a worker stops at a bad message when that ends the run:
whatever is reported at the end is what one process would have reported.
"""

from __future__ import annotations

import contextlib
import functools
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
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Self, TypeAlias

from ottl import files
from ottl.cli.intake import Came, Event, Filled
from ottl.cli.passage import Fault, Passage
from ottl.errors import Error
from ottl.files import Message, Room

__all__ = ["Crew", "Done", "Job", "Part", "cores"]

# Elsewhere a forked process may find its system's libraries locked or half initialised.
_START: Final = "fork" if sys.platform == "linux" else "spawn"
# Pages that no block needs are never touched and take no memory.
_ROOM_BYTES = 16 << 20
_WAITING: Final = 2
# One slot is filled and one is written while the workers have the others.
_MOVING: Final = 2
_AHEAD_BYTES: Final = 2 << 20
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
        format: of the input.
        signal: of messages that do not say it themselves.
        output: format of the output.
    """

    format: files.Format
    signal: str | None
    output: files.Format


@dataclass(slots=True)
class Part:
    """Messages as they will lie in an output, before that is compressed.

    Args:
        route: which output.
        messages: how many they are.
        data: their bytes; on the way, their number where the bytes lie in shared memory.
    """

    route: str | None
    messages: int
    data: bytes | memoryview | int = 0


@dataclass(slots=True)
class Done:
    """What became of a block, up to a message that ends the run.

    Args:
        parts: of the outputs.
        read: messages taken.
        emptied: of which nothing was left.
        lines: how many there were.
        faults: messages that could not be processed, without their bytes, and why.
        errors: failures of statements: line of the message, name of the processor, and what happened.
        counts: what the statements of each processor did.
        failure: what else went wrong, which ends the run.
    """

    parts: list[Part] = field(default_factory=list)
    read: int = 0
    emptied: int = 0
    lines: int = 0
    faults: list[tuple[Message, Fault]] = field(default_factory=list)
    errors: list[tuple[int, str, Any]] = field(default_factory=list)
    counts: list[list[Any]] = field(default_factory=list)
    failure: BaseException | None = None


@dataclass(slots=True)
class _Slot:
    """Memory for a block and for what becomes of it."""

    number: int
    room: Room
    outputs: mmap.mmap | None = None


_Order: TypeAlias = "tuple[Job, int | None, int | bytes | Message]"
"""What a worker gets: number of the slot, and the size of the block in it; or the bytes, or the one message."""


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
    with contextlib.suppress(EOFError, OSError):
        while True:
            order: _Order = connection.recv()
            job, number, given = order
            slot = slots[number] if number is not None else None
            done, pieces = _work(job, given, slot, passage, errors)
            _pack(done.parts, pieces, slot.outputs if slot is not None else None)
            connection.send(done)


def _keep(errors: list[tuple[str, Any]], name: str, error: Any) -> None:
    errors.append((name, error))


def _work(
    job: Job, given: int | bytes | Message, slot: _Slot | None, passage: Passage, errors: list[tuple[str, Any]]
) -> tuple[Done, list[list[bytes]]]:
    """What becomes of a block, and the bytes of its parts in pieces."""
    done = Done()
    parts: dict[tuple[str | None, int], _Pieces] = {}

    def sink(route: str | None) -> _Pieces:
        # Where an output holds one message, whoever writes a second has to say so behind the first.
        key = route, done.read if job.output in files.SINGLE else 0
        return parts.get(key) or parts.setdefault(key, _Pieces(job.output))

    messages: Any
    if isinstance(given, Message):
        messages = [given]
    else:
        data: bytes | Room = given if isinstance(given, bytes) else slot.room if slot is not None else b""
        size = len(given) if isinstance(given, bytes) else given
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
    done.counts = [runner.take_counts() for _, runner in passage.rules.runners()]
    done.parts = [Part(route, one.messages) for (route, _), one in parts.items()]
    return done, [one.pieces for one in parts.values()]


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


def _pack(parts: list[Part], pieces: list[list[bytes]], room: mmap.mmap | None) -> None:
    """Lays the bytes of parts one behind the other into shared memory, as far as they fit."""
    at = 0
    for part, found in zip(parts, pieces, strict=True):
        size = sum(map(len, found))
        if room is None or size > len(room) - at:
            part.data = b"".join(found)
            continue
        part.data = size
        for piece in found:
            room[at : at + len(piece)] = piece
            at += len(piece)


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


@dataclass(slots=True)
class _Worker:
    """A process, the parent's end of its connection, and the entries it has."""

    process: BaseProcess
    connection: Connection
    entries: deque[_Entry] = field(default_factory=deque)


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
        self._held = 0  # bytes of the blocks
        context: Any = multiprocessing.get_context(_START)
        self._bell, self._button = context.Pipe(duplex=False)
        self._sleeping = False
        if _START == "fork":
            passage.rules.prepare(passage.limits)
        try:
            for _ in range(jobs):
                self._workers.append(self._hire(context))
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _slot(number: int) -> _Slot:
        if _START != "fork":
            return _Slot(number, bytearray(_ROOM_BYTES))
        return _Slot(number, mmap.mmap(-1, _ROOM_BYTES), mmap.mmap(-1, _ROOM_BYTES))

    def _hire(self, context: Any) -> _Worker:
        slots: list[_Slot] = []
        others: list[Connection] = []
        ours, theirs = context.Pipe()
        if _START == "fork":
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
            self._bell.close()
            self._button.close()

    def run(
        self,
        events: Callable[[Callable[[], Room]], Generator[Event, None, None]],
        job_of: Callable[[Event], Job | None],
    ) -> Iterator[tuple[Event, Done | None]]:
        """The events in their order, those of messages for the workers with what became of them.

        Args:
            events: read in a thread of their own, into the memory that it is given.
            job_of: how the messages of an event are read and written; None where there are none, or not for a worker.

        Raises:
            Error: a worker has died.
        """
        self._feeder = threading.Thread(target=self._feed, args=(events, job_of), daemon=True)
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
                if isinstance(entry.event, Filled) and entry.slot is not None:
                    self._free.append(entry.slot)
                    self._held -= entry.event.block.size
                self._lock.notify_all()
        if self._failure is not None:
            raise self._failure

    # -- reading ahead ------------------------------------------------------------------------------------------------

    def _feed(
        self,
        events: Callable[[Callable[[], Room]], Generator[Event, None, None]],
        job_of: Callable[[Event], Job | None],
    ) -> None:
        """Reads as far ahead as there are slots; runs in a thread of its own."""
        failure: BaseException | None = None
        try:
            with contextlib.closing(events(self._room)) as found:
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
        taken = len(self._slots) - len(self._free)
        jobs = len(self._workers)
        return not self._free or (taken >= jobs + _MOVING and self._held >= jobs * _AHEAD_BYTES)

    def _admit(self, event: Event, job: Job | None) -> bool:
        """Takes an event in; whether more are wanted."""
        entry = _Entry(event, job)
        with self._lock:
            while isinstance(event, Came) and self._large() and not self._stopped:
                self._lock.wait()
            if self._stopped:
                return False
            if isinstance(event, Filled):
                entry.slot, self._filling = self._filling, None
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
                if worker.entries and (entry.slot is None or entry.slot.outputs is None):
                    return None
                self._pending.popleft()
            worker.entries.append(entry)
            try:
                worker.connection.send(_order(entry))
            except OSError:
                raise _death(worker) from None

    def _collect(self, timeout: float | None) -> None:
        """Takes what is done; without a timeout waits for something, or for the feeder."""
        working = {worker.connection: worker for worker in self._workers if worker.entries}
        for ready in wait([self._bell, *working], timeout):
            worker = working.get(ready)  # type: ignore[call-overload]
            if worker is None:
                self._bell.recv_bytes()
                continue
            try:
                done = worker.connection.recv()
            except (EOFError, OSError):
                raise _death(worker) from None
            entry = worker.entries.popleft()
            _unpack(done.parts, entry.slot.outputs if entry.slot is not None else None)
            entry.done = done


class _StoppedError(Exception):
    """Nobody wants what would be read."""


def _order(entry: _Entry) -> _Order:
    """An entry as it travels."""
    assert entry.job is not None, "it is for a worker"
    event = entry.event
    if isinstance(event, Came):
        return entry.job, None, event.message
    assert isinstance(event, Filled), "nothing else has messages"
    assert entry.slot is not None, "blocks have slots"
    size = event.block.size
    if entry.slot.outputs is None:
        return entry.job, None, bytes(entry.slot.room[:size])
    return entry.job, entry.slot.number, size


def _unpack(parts: Sequence[Part], room: mmap.mmap | None) -> None:
    """Parts with the bytes that lie in shared memory."""
    sizes = [part.data if isinstance(part.data, int) else 0 for part in parts]
    for part, end in zip(parts, itertools.accumulate(sizes), strict=True):
        if isinstance(part.data, int):
            assert room is not None, "a number is that of bytes in shared memory"
            part.data = memoryview(room)[end - part.data : end]


def _death(worker: _Worker) -> Error:
    """The error for a worker that is gone."""
    worker.process.join(_PATIENCE_S)
    code = worker.process.exitcode
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
    return Error(f"a worker process {how}; fewer --jobs need less memory, and --jobs 1 needs no worker")

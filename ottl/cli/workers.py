"""`ottl run --jobs N`: blocks of messages through the rules by several workers, outcomes in the order of the input.

The inputs are read one block of whole messages after another (`files.Block`): of a plain file only where it begins and
ends, of all others the bytes, into memory that all workers share. The main thread yields what came of each block when
all before it is done. A worker reads a block that was left in its file, takes it apart, brings each message through the
rules, and lays the outputs out as they will lie in the file, a compressed one's as a member of its own. It keeps them
until the main thread knows where they go, and writes them there itself, into a file at an offset whenever no other
worker is writing to that one (the system lets them in one by one, and the others spin), into a pipe one block after
another. What is left for the one thread that all wait for is a few calls of the system a block, not work a message or a
byte. A block has two megabytes of small messages, or one large message; of a pipe it is what is there, which is
answered at once.

Each worker is a thread. Where a pipeline takes all messages (`Rules.are_streams`), it does the work itself: native code
goes through a block without the interpreter's lock, and two threads take half the time of one. Whoever has nothing to
do reads the next block, so that there are as many threads at work as there should be, and a block is in the cache of
the processor that needs it. Other rules are Python between their native parts: there a thread has a process of its own
do the work, and only passes on what it is to do; one more thread reads.

Counts travel with each block and are added in order, and a worker stops at a bad message when that ends the run:
whatever is reported at the end is what one thread would have reported.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, Final, Protocol, Self, TypeAlias

from ottl import files
from ottl.cli.blocks import UNREAD, Done, Given, Job, Part, Pieces, Work, given_of, slab
from ottl.cli.intake import Came, Event, Filled, Intake
from ottl.cli.passage import Passage
from ottl.errors import Error
from ottl.files import Message, Output, Room

__all__ = ["Crew", "cores"]

# Elsewhere a forked process may find its system's libraries locked or half initialised.
_FORKED = sys.platform == "linux"
# Blocks for each worker: one in work and one waiting. A process has both; threads take them when they need them.
_WAITING: Final = 2
# One block is read and one is written while the workers have the others.
_MOVING: Final = 2
# Parts that a worker may still have to write when it begins with something else.
_BEHIND: Final = 2
_AHEAD_BYTES: Final = 2 << 20
# The system takes no more pieces in one call (IOV_MAX).
_AT_ONCE: Final = 1024
_SIGNALS: Final = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else ())}
_PATIENCE_S: Final = 5.0
_LEAVE_S: Final = 0.2


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(slots=True)
class _Slot:
    """Memory for a block."""

    number: int
    room: Room


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
class _Put:
    """An order to write a part of what came of an entry.

    Args:
        number: of the part among all that the worker keeps.
        output: name of the output.
        file: where to, closed by whoever writes; None where the bytes are wanted.
        offset: there; None for what comes next in it.
        data: the bytes, if they were wanted.
        done: whether it is carried out.
    """

    number: int
    output: str
    file: int | None
    offset: int | None
    data: bytes = b""
    done: bool = False


class _Read:
    """An order to read the next block."""


_Order: TypeAlias = "_Entry | _Put | _Read"


class _Worker(Protocol):
    """Whoever works.

    Attributes:
        most: entries that it may have at a time.
        held: entries that it has.
        local: whether it does the work itself; then it also reads, if it has nothing else to do, and leaves an output
            alone that another one is writing to.
        puts: orders to write, which go before entries.
    """

    most: int
    local: bool
    held: int
    puts: deque[_Put]

    def run(self) -> None:
        """Carries out orders until there are no more; runs in a thread of its own."""

    def put(self, put: _Put) -> bool:
        """Carries out an order to write in the caller's thread, if it can do that; whether it has."""

    def stop(self) -> None:
        """Ends what it is at."""

    def close(self) -> None:
        """Gives back what it has of the system, when it runs no more."""


def _write(file: int, pieces: Pieces, offset: int | None) -> None:
    """Writes bytes to a file, at an offset or behind what went before.

    Raises:
        OSError: that failed.
    """
    left = deque(memoryview(piece) for piece in pieces if piece)
    while left:
        some = list(itertools.islice(left, _AT_ONCE))
        written = os.writev(file, some) if offset is None else os.pwritev(file, some, offset)
        offset = None if offset is None else offset + written
        while left and written >= len(left[0]):
            written -= len(left.popleft())
        if written:
            left[0] = left[0][written:]


class _Kept:
    """The parts of outputs that were not written yet, by number."""

    def __init__(self) -> None:
        self._pieces: dict[int, Pieces] = {}
        self._numbers = itertools.count()

    def keep(self, done: Done, pieces: Sequence[Pieces], job: Job) -> list[int]:
        """Takes the parts of what was done, compressed if the output is; their numbers."""
        numbers = []
        for part, some in zip(done.parts, pieces, strict=True):
            ready = files.compressed(some, job.output.compression)
            if ready is not some:
                part.size = sum(map(len, ready))
            numbers.append(next(self._numbers))
            self._pieces[numbers[-1]] = ready
        return numbers

    def take(self, number: int) -> Pieces:
        """A part, which is kept no longer."""
        return self._pieces.pop(number)


# -- threads --------------------------------------------------------------------------------------------------------


class _Thread:
    """A worker that does the work itself."""

    most = 1
    local = True

    def __init__(self, crew: Crew, passage: Passage, *, errors: bool) -> None:
        self.held = 0
        self.puts: deque[_Put] = deque()
        self._crew = crew
        self._work = Work(passage, errors=errors)
        self._kept = _Kept()

    def run(self) -> None:
        """Carries out orders."""
        while (order := self._crew.order(self)) is not None:
            if isinstance(order, _Read):
                self._crew.read()
                continue
            if isinstance(order, _Put):
                self.put(order)
                self._crew.written(order)
                continue
            assert order.job is not None, "it is for a worker"
            done, pieces = self._work.take(order.job, given_of(self._work, order.job, order.event))
            self._crew.finished(self, order, done, self._kept.keep(done, pieces, order.job))

    def put(self, put: _Put) -> bool:
        """Writes in the caller's thread."""
        pieces = self._kept.take(put.number)
        if put.file is None:
            put.data = b"".join(pieces)
            return True
        try:
            with files.named_errors(put.output):
                _write(put.file, pieces, put.offset)
        finally:
            os.close(put.file)
        return True

    def stop(self) -> None:
        """Nothing: it ends when it has done what it is at, or with the process."""

    def close(self) -> None:
        """Nothing: it has nothing."""


# -- processes ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Take:
    """An order, as a process gets it, to bring messages through the rules.

    Args:
        job: how they are read and written.
        given: the messages: one of them, their bytes, or how many bytes there are in a slot or, where no slot is named,
            in the file whose descriptor follows.
        slot: number of the slot.
        offset: in the file.
    """

    job: Job
    given: Message | bytes | int
    slot: int | None = None
    offset: int = 0


@dataclass(slots=True)
class _Give:
    """An order, as a process gets it, to write a part.

    Args:
        number: of the part.
        offset: in the file whose descriptor follows; None for what comes next in it.
        here: no descriptor follows: the bytes are to be sent back.
    """

    number: int
    offset: int | None = None
    here: bool = False


@dataclass(slots=True)
class _Given:
    """The answer to an order to write: the bytes, if they were wanted, and why it failed, if it did."""

    data: bytes = b""
    failure: OSError | None = None


def _serve(
    connection: Connection, slots: Sequence[_Slot], passage: Passage, errors: bool, others: Sequence[Connection]
) -> None:
    """Answers orders until the parent closes the connection, or is gone; runs in a process of its own."""
    for other in others:
        other.close()  # a copy of the parent's end, which would outlive the parent
    # A terminal interrupts the parent and its children alike, and the parent ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in _SIGNALS - {signal.SIGINT}:
        if signal.getsignal(number) != signal.SIG_IGN:  # as it is under `nohup`
            signal.signal(number, signal.SIG_DFL)
    if _FORKED:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    work = Work(passage, errors=errors)
    kept = _Kept()
    with contextlib.suppress(EOFError, OSError):
        while True:
            order: _Take | _Give = connection.recv()
            if isinstance(order, _Give):
                connection.send(_give(order, kept, connection))
                continue
            given: Done | Given
            if isinstance(order.given, Message):
                given = order.given
            elif isinstance(order.given, bytes):
                given = order.given, len(order.given)
            elif order.slot is not None:
                given = slots[order.slot].room, order.given
            else:
                given = work.read(order.job, recv_handle(connection), order.offset, order.given)
            done, pieces = work.take(order.job, given)
            done.failure = _portable(done.failure)
            connection.send((done, kept.keep(done, pieces, order.job)))


def _give(order: _Give, kept: _Kept, connection: Connection) -> _Given:
    """Writes a part that was kept."""
    pieces = kept.take(order.number)
    if order.here:
        return _Given(b"".join(pieces))
    file = recv_handle(connection)
    try:
        _write(file, pieces, order.offset)
    except OSError as failure:
        return _Given(failure=failure)
    finally:
        os.close(file)
    return _Given()


def _portable(failure: BaseException | None) -> BaseException | None:
    """A failure that can be sent."""
    try:
        pickle.loads(pickle.dumps(failure))  # noqa: S301 (our own)
    except Exception:  # noqa: BLE001 (whatever its class makes of it)
        return RuntimeError(f"{type(failure).__name__}: {failure}")
    return failure


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait until a forked process has its own ways with them; it is born with the parent's."""
    if not _FORKED:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Process:
    """A worker that has a process do the work."""

    most = _WAITING
    local = False

    def __init__(
        self, crew: Crew, passage: Passage, *, errors: bool, slots: Sequence[_Slot], others: Sequence[Connection]
    ) -> None:
        self.held = 0
        self.puts: deque[_Put] = deque()
        self._crew = crew
        context: Any = multiprocessing.get_context("fork" if _FORKED else "spawn")
        self.connection, theirs = context.Pipe()
        shared = (slots, [self.connection, *others]) if _FORKED else ((), ())
        arguments = (theirs, shared[0], passage, errors, shared[1])
        self.process: BaseProcess = context.Process(target=_serve, args=arguments, daemon=True)
        with warnings.catch_warnings():
            # Newer versions of Python warn of forking beside threads. There are none yet but those of numpy's BLAS,
            # which knows how to be forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            with _held_back():
                self.process.start()
        theirs.close()
        self._flying: deque[_Entry | _Put] = deque()

    def run(self) -> None:
        """Passes on orders, and takes what came of them."""
        while True:
            order = self._crew.order(self, wait=not self._flying)
            if order is not None:
                assert not isinstance(order, _Read), "it does not read"
                self._send(order)
            elif self._flying:
                self._receive()
            else:
                return

    def put(self, put: _Put) -> bool:  # noqa: ARG002 (a worker's way)
        """Nothing: only the process has the bytes."""
        return False

    def _send(self, order: _Entry | _Put) -> None:
        """Passes an order on, with the file that it is about."""
        self._flying.append(order)
        if isinstance(order, _Put):
            file = order.file
            message: _Take | _Give = _Give(order.number, order.offset, here=file is None)
        else:
            file = _file_of(order)
            message = _take_of(order)
        try:
            self.connection.send(message)
            if file is not None:
                send_handle(self.connection, file, self.process.pid)
        except OSError:
            raise self._death() from None
        finally:
            if file is not None:
                os.close(file)

    def _receive(self) -> None:
        """Takes the next answer.

        Raises:
            OSError: an output could not be written.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._death() from None
        order = self._flying.popleft()
        if isinstance(order, _Put):
            if answer.failure is not None:
                with files.named_errors(order.output):
                    raise answer.failure
            order.data = answer.data
            self._crew.written(order)
        else:
            self._crew.finished(self, order, *answer)

    def _death(self) -> Error:
        """The error for a process that is gone."""
        self.process.join(_PATIENCE_S)
        code = self.process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        return Error(f"a worker process {how}; fewer --jobs need less memory, and --jobs 1 needs no worker")

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()

    def close(self) -> None:
        """Waits for the end of the process."""
        self.process.join(_PATIENCE_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.connection.close()


def _take_of(entry: _Entry) -> _Take:
    """An entry as a process gets it."""
    assert entry.job is not None, "it is for a worker"
    event = entry.event
    if isinstance(event, Came):
        return _Take(entry.job, event.message)
    assert isinstance(event, Filled), "nothing else has messages"
    block = event.block
    if isinstance(block.room, int):
        return _Take(entry.job, block.size, offset=block.offset)
    assert entry.slot is not None, "it was read into one"
    if not _FORKED:
        return _Take(entry.job, bytes(block.room[: block.size]))
    return _Take(entry.job, block.size, entry.slot.number)


def _file_of(entry: _Entry) -> int | None:
    """The file that a block was left in."""
    room = entry.event.block.room if isinstance(entry.event, Filled) else None
    return room if isinstance(room, int) else None


# -- all of them ----------------------------------------------------------------------------------------------------


class Crew:
    """Workers; made before any thread is, and closed by `with`.

    Args:
        jobs: how many.
        passage: what becomes of messages.
        errors: whether failures of statements are wanted one by one.
    """

    def __init__(self, jobs: int, passage: Passage, *, errors: bool = False) -> None:
        self._lock = threading.Lock()
        self._wanted = threading.Condition(self._lock)  # by workers: orders
        self._ready = threading.Condition(self._lock)  # for the main thread: what is done
        self._space = threading.Condition(self._lock)  # for the thread that reads
        self._entries: deque[_Entry] = deque()  # in order, until they go out
        self._pending: deque[_Entry] = deque()  # for the workers
        self._ended = False
        self._stopped = False
        self._failure: BaseException | None = None  # of the thread that reads, behind what it has read
        self._fault: BaseException | None = None  # of a worker
        self._threads: list[threading.Thread] = []
        self._workers: list[_Worker] = []
        self._idle = 0
        self._reading = False
        self._events: Generator[Event, None, None] | None = None
        self._job_of: Callable[[Event], Job | None] = lambda _: None
        self._writing = 0
        self._written_to: set[str] = set()  # outputs that some worker is writing to
        self._filling: _Slot | None = None
        self._taken = 0  # blocks that are on their way
        self._held = 0  # their bytes
        passage.rules.prepare(passage.limits)
        forks = not passage.rules.are_streams
        self._slots = [_Slot(number, slab()) for number in range(_WAITING * jobs + _MOVING)]
        self._free = self._slots[:]
        self._bulky = forks and not _FORKED
        self._unread = UNREAD and (_FORKED or not forks)
        if not forks:
            self._workers += (_Thread(self, passage, errors=errors) for _ in range(jobs))
            return
        gc.freeze()  # a worker that looks through all that it was born with would copy the pages it lies in
        try:
            others: list[Connection] = []
            for _ in range(jobs):
                worker = _Process(self, passage, errors=errors, slots=self._slots, others=others)
                others.append(worker.connection)
                self._workers.append(worker)
        except BaseException:
            self.close()
            raise
        finally:
            gc.unfreeze()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers, whatever they are at."""
        with self._lock:
            self._stopped = True
            for condition in (self._wanted, self._ready, self._space):
                condition.notify_all()
        for worker in self._workers:
            worker.stop()
        end = time.monotonic() + _LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))  # the one that reads may wait for standard input for ever
        for worker in self._workers:
            worker.close()
        if any(thread.is_alive() for thread in self._threads):
            return
        for entry in self._pending:
            entry.close()
        for file in (put.file for worker in self._workers for put in worker.puts):
            if file is not None:
                os.close(file)
        if self._events is not None:
            self._events.close()

    def run(
        self, intake: Intake, job_of: Callable[[Event], Job | None]
    ) -> Generator[tuple[Event, Done | None], None, None]:
        """The events in their order, those of messages for the workers with what became of them.

        At the end all that was to be written is.

        Args:
            intake: what to read, in another thread than the caller's.
            job_of: how the messages of an event are read and written; None where there are none, or not for a worker.

        Raises:
            Error: a worker has died.
            OSError: an input cannot be read, or an output not be written.
        """
        self._job_of = job_of
        self._events = intake.events(self._room, unread=self._unread)
        runs: list[Callable[[], None]] = [functools.partial(self._work, worker) for worker in self._workers]
        if not any(worker.local for worker in self._workers):
            runs.append(self._feed)
        for target in runs:
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)
        while (entry := self._next()) is not None:
            yield entry.event, entry.done
            with self._lock:
                entry.gone = True
                if isinstance(entry.event, Filled):
                    self._taken -= 1
                    self._held -= entry.event.block.size
                if entry.slot is not None:
                    self._free.append(entry.slot)
                self._space.notify()
        with self._lock:
            self._wait(lambda: not self._writing)
        if self._failure is not None:
            raise self._failure

    def _next(self) -> _Entry | None:
        """The next entry, in order, when it is done; None at the end."""
        with self._lock:
            self._wait(lambda: not self._entries[0].waits if self._entries else self._ended)
            return self._entries.popleft() if self._entries else None

    def _wait(self, until: Callable[[], bool]) -> None:
        """Has the main thread wait, under the lock, for something that is done.

        Raises:
            Error: a worker has died.
            OSError: an output cannot be written.
        """
        while self._fault is None and not until():
            self._ready.wait()
        if self._fault is not None:
            raise self._fault

    # -- reading ahead ------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Reads ahead, not too far; runs in a thread of its own."""
        while not self._ended:
            self.read()

    def read(self) -> None:
        """Takes in the next event; only one thread at a time may do so."""
        assert self._events is not None, "it is running"
        failure: BaseException | None = None
        try:
            event = next(self._events, None)
            more = event is not None and self._admit(event, self._job_of(event))
        except _StoppedError:
            more = False
        except BaseException as error:  # noqa: BLE001 (an edge: the main thread raises it)
            more, failure = False, error
        with self._lock:
            self._reading = False
            if not more:
                self._failure, self._ended = failure, True
                self._ready.notify()
            self._wanted.notify_all()

    def _room(self) -> Room:
        """The memory of a free slot, again and again until a block in it is admitted."""
        with self._lock:
            while self._filling is None and self._full() and not self._stopped:
                self._space.wait()
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
                self._space.wait()
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
            elif entry is self._entries[0]:
                self._ready.notify()
            # What lies behind the beginning of a message that is too large is read by whoever copies it.
            while isinstance(event, Came) and event.message.rest is not None and not (entry.gone or self._stopped):
                self._space.wait()
        return True

    def _large(self) -> bool:
        """Whether there are as many messages without a slot as workers."""
        return sum(isinstance(entry.event, Came) for entry in self._entries) >= len(self._workers)

    # -- what workers ask and tell ------------------------------------------------------------------------------------

    def _work(self, worker: _Worker) -> None:
        """A worker's thread."""
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001 (an edge: the main thread raises it)
            with self._lock:
                self._fault = self._fault or error
                self._ready.notify()

    def order(self, worker: _Worker, *, wait: bool = True) -> _Order | None:
        """What a worker is to do next; None where that is nothing, or nothing now if it does not want to wait."""
        with self._lock:
            while not self._stopped:
                waits = worker.local and worker.puts and worker.puts[0].output in self._written_to
                if worker.puts and not waits:
                    self._written_to.add(worker.puts[0].output)
                    return worker.puts.popleft()
                behind = waits and len(worker.puts) >= _BEHIND
                if self._pending and not behind and self._may_take(worker, busy=not wait):
                    worker.held += 1
                    return self._pending.popleft()
                if worker.local and not (self._reading or self._ended or self._pending):
                    self._reading = True
                    return _Read()
                if not wait:
                    return None
                self._idle += 1
                self._wanted.wait()
                self._idle -= 1
            return None

    def _may_take(self, worker: _Worker, *, busy: bool) -> bool:
        """Whether the next entry is for a worker: one that has another leaves it to those that have none."""
        # Both ends of a process's pipe would wait for each other if a busy one got more than the pipe holds.
        if busy and (self._bulky or isinstance(self._pending[0].event, Came)):
            return False
        return not worker.held or (worker.held < worker.most and len(self._pending) > self._idle)

    def finished(self, worker: _Worker, entry: _Entry, done: Done, numbers: Sequence[int]) -> None:
        """Takes what became of an entry, and the numbers under which the worker keeps its parts."""
        done.write = functools.partial(self._write, worker, numbers, done.parts)
        with self._lock:
            worker.held -= 1
            entry.done = done
            if entry is self._entries[0]:
                self._ready.notify()

    def written(self, put: _Put) -> None:
        """Takes note that an order to write is carried out."""
        with self._lock:
            put.done = True
            self._writing -= 1
            self._written_to.discard(put.output)
            if put.offset is None or not self._writing:
                self._ready.notify()
            if self._idle:
                self._wanted.notify_all()

    def _write(
        self, worker: _Worker, numbers: Sequence[int], parts: Sequence[Part], sink: Callable[[str | None], Output]
    ) -> None:
        """Has a worker write the parts that came of an entry; see `Done.write`."""
        for number, part in zip(numbers, parts, strict=True):
            output = sink(part.route)
            place = output.reserve(part.size, part.messages) if self._unread else None
            file, offset = place if place is not None else (None, None)
            put = _Put(number, output.name, os.dup(file) if file is not None else None, offset)
            # What goes behind what went before is waited for.
            if offset is not None or not worker.put(put):
                with self._lock:
                    self._writing += 1
                    worker.puts.append(put)
                    self._wanted.notify_all()
                    if offset is None:
                        self._wait(lambda put=put: put.done)  # type: ignore[misc]
            if file is None:
                output.append(put.data, part.messages)


class _StoppedError(Exception):
    """Nobody wants what would be read."""

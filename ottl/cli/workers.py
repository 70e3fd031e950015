"""`ottl run --jobs N`: messages through the rules in several processes, outcomes in the order of the messages.

One thread reads ahead, bounded in bytes, and makes *entries*; the main thread hands entries to workers in batches,
collects what comes back and yields each entry when all before it are done. A worker has at most two batches, one in
work and one waiting; a batch is what has been read by then, so that a slow pipe is answered message by message.

Processes rather than threads, because statements that do not run natively hold the interpreter's lock, and so does what
surrounds small messages: two threads were 0.8 to 1.6 times as fast as one, nearer to the lower end the less of the work
was native (`bench/cores.py`). Payloads travel through memory that a worker shares with its parent, where a round trip
costs 0.1 ns a byte (0.9 to 1.5 through a pipe); what does not fit goes through the pipe.

Counts travel with each batch and are added in order, and a batch never goes on behind a bad message when that ends the
run: whatever is reported at the end is what one process would have reported.
"""

from __future__ import annotations

import contextlib
import functools
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
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Self, TypeAlias

from ottl.cli.intake import Came, Event
from ottl.cli.rules import Outcome, Rules, Task
from ottl.codec import Limits
from ottl.errors import Error, PayloadError, StatementError

__all__ = ["Crew", "Work", "cores"]

# Elsewhere a forked process may find its system's libraries locked or half initialised.
_START: Final = "fork" if sys.platform == "linux" else "spawn"
_AHEAD_BYTES = 4 << 20
_AHEAD_ENTRIES = 1024
_BATCH_BYTES = 256 << 10
_BATCH_TASKS = 256
_WAITING: Final = 2
# Pages that no message needs are never touched and take no memory.
_SLAB_BYTES = 16 << 20
_PATIENCE_S: Final = 5.0


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does.

    Args:
        rules: the processors.
        limits: bounds on a message.
        errors: whether failures of statements are wanted one by one.
        stop: whether a message that cannot be processed ends the run.
    """

    rules: Rules
    limits: Limits
    errors: bool = False
    stop: bool = True


_Header: TypeAlias = "tuple[int | bytes, str | None, Any, Any]"
"""A task on its way: the length of its payload in the slab, or the payload; signal, encoding and target."""
_Slabs: TypeAlias = "tuple[mmap.mmap, ...]"
"""Payloads of the two batches that a worker may have, then their outputs."""


# -- the worker -----------------------------------------------------------------------------------------------------


def _serve(connection: Connection, slabs: _Slabs, work: Work, others: Sequence[Connection]) -> None:
    """Answers batches until the parent closes the connection, or is gone."""
    for other in others:
        other.close()  # a copy of the parent's end, which would outlive the parent
    # A terminal interrupts the parent and its children alike, and the parent ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    errors: list[tuple[str, Any]] = []
    if work.errors:
        for name, runner in work.rules.runners():
            runner.on_error = functools.partial(_keep, errors, name)
    with contextlib.suppress(EOFError, OSError):
        while True:
            turn, headers = connection.recv()
            tasks = _unpacked(headers, slabs[turn] if slabs else None)
            outcomes = list(_outcomes(tasks, work, errors))
            connection.send(_packed(outcomes, slabs[_WAITING + turn] if slabs else None))


def _keep(errors: list[tuple[str, Any]], name: str, error: Any) -> None:
    errors.append((name, error))


def _outcomes(tasks: Iterator[Task], work: Work, errors: list[tuple[str, Any]]) -> Iterator[Outcome]:
    """One for each task, up to one that ends the run; the last has the counts."""
    done: Outcome | None = None
    for task in tasks:
        if done is not None:
            yield done
        done = Outcome()
        try:
            done.outputs = work.rules.process(task, work.limits)
        except (PayloadError, StatementError) as fault:
            done.fault = fault
        except Exception as failure:  # noqa: BLE001 (an edge: the parent raises it)
            done.failure = _portable(failure)
        done.errors = errors[:]
        errors.clear()
        if done.failure is not None or (done.fault is not None and work.stop):
            break
    assert done is not None, "a batch holds something"
    done.counts = [runner.take_counts() for _, runner in work.rules.runners()]
    yield done


def _portable(failure: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(failure))  # noqa: S301 (our own)
    except Exception:  # noqa: BLE001 (whatever its class makes of it)
        return RuntimeError(f"{type(failure).__name__}: {failure}")
    return failure


def _unpacked(headers: Sequence[_Header], slab: mmap.mmap | None) -> Iterator[Task]:
    at = 0
    for given, of, encoding, target in headers:
        if isinstance(given, int):
            assert slab is not None, "a length is that of bytes in the slab"
            at, payload = at + given, slab[at : at + given]
        else:
            payload = given
        yield Task(payload, of, encoding, target)


def _packed(outcomes: list[Outcome], slab: mmap.mmap | None) -> list[tuple[Outcome, list[tuple[str | None, Any]]]]:
    """Outcomes with their outputs apart: the length of each in the slab, or the output itself."""
    at = 0
    packed = []
    for outcome in outcomes:
        parts: list[tuple[str | None, Any]] = []
        for route, output in outcome.outputs.items():
            end = at + len(output)
            if slab is None or end > len(slab):
                parts.append((route, output))
            else:
                slab[at:end] = output
                at = end
                parts.append((route, len(output)))
        outcome.outputs = {}
        packed.append((outcome, parts))
    return packed


# -- the parent -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Entry:
    """Something that was read.

    Args:
        event: what it is.
        task: what a worker still has to do about it.
        outcome: what became of a task.
        first: of a batch.
        gone: whether it went out and has been dealt with.
    """

    event: Event
    task: Task | None = None
    outcome: Outcome | None = None
    first: bool = False
    gone: bool = False

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.event.message.payload) if isinstance(self.event, Came) else 0


@dataclass(slots=True)
class _Worker:
    """A process, the parent's end of its connection, the batches it has, and which slab the next one gets."""

    process: BaseProcess
    connection: Connection
    slabs: _Slabs
    batches: deque[list[_Entry]] = field(default_factory=deque)
    turn: int = 0


class Crew:
    """Worker processes; made before any thread is, and closed by `with`.

    Args:
        jobs: how many.
        work: what they do.
    """

    def __init__(self, jobs: int, work: Work) -> None:
        self._work = work
        self._lock = threading.Condition()
        self._entries: deque[_Entry] = deque()  # in order, until they go out
        self._pending: deque[_Entry | None] = deque()  # for the workers; None where a batch must end
        self._held = 0  # bytes of the entries
        self._ended = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._feeder: threading.Thread | None = None
        self._workers: list[_Worker] = []
        context: Any = multiprocessing.get_context(_START)
        self._bell, self._button = context.Pipe(duplex=False)
        self._sleeping = False
        try:
            for _ in range(jobs):
                self._workers.append(self._hire(context, work))
        except BaseException:
            self.close()
            raise

    def _hire(self, context: Any, work: Work) -> _Worker:
        slabs: _Slabs = ()
        others: list[Connection] = []
        ours, theirs = context.Pipe()
        if _START == "fork":
            slabs = tuple(mmap.mmap(-1, _SLAB_BYTES) for _ in range(2 * _WAITING))
            others = [ours, self._bell, self._button, *(worker.connection for worker in self._workers)]
        process = context.Process(target=_serve, args=(theirs, slabs, work, others), daemon=True)
        with warnings.catch_warnings():
            # Newer versions of Python warn of forking beside threads. There are none yet but those of numpy's BLAS,
            # which knows how to be forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return _Worker(process, ours, slabs)

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
            for slab in worker.slabs:
                slab.close()
        if self._feeder is not None:
            self._feeder.join(0.2)  # it may wait for standard input for ever
        if self._feeder is None or not self._feeder.is_alive():
            self._bell.close()
            self._button.close()

    def run(
        self, events: Generator[Event, None, None], task_of: Callable[[Event], Task | None]
    ) -> Iterator[tuple[Event, Outcome | None]]:
        """The events in their order, those with a task with its outcome.

        Args:
            events: read in a thread of their own.
            task_of: what is to be done about an event; None for nothing.

        Raises:
            Error: a worker has died.
        """
        self._feeder = threading.Thread(target=self._feed, args=(events, task_of), daemon=True)
        self._feeder.start()
        while (entry := self._next()) is not None:
            if entry.outcome is not None and entry.outcome.failure is not None:
                raise entry.outcome.failure
            if entry.outcome is not None and entry.outcome.counts is not None:
                for (_, runner), counts in zip(self._work.rules.runners(), entry.outcome.counts, strict=True):
                    runner.add_counts(counts)
            yield entry.event, entry.outcome
            with self._lock:
                entry.gone = True
                self._held -= entry.size
                self._lock.notify_all()
        if self._failure is not None:
            raise self._failure

    # -- reading ahead ------------------------------------------------------------------------------------------------

    def _feed(self, events: Generator[Event, None, None], task_of: Callable[[Event], Task | None]) -> None:
        """Reads as far ahead as is allowed; runs in a thread of its own."""
        failure: BaseException | None = None
        try:
            with contextlib.closing(events):
                for event in events:
                    if not self._admit(event, task_of(event)):
                        return
        except BaseException as error:  # noqa: BLE001 (an edge: the main thread raises it)
            failure = error
        with self._lock:
            self._failure = failure
            self._ended = True
            self._ring()

    def _admit(self, event: Event, task: Task | None) -> bool:
        """Takes an event in when there is room; whether more are wanted."""
        entry = _Entry(event)
        if task is not None and self._work.rules.passes_on(task):
            entry.outcome = Outcome(self._work.rules.process(task, self._work.limits))
        elif task is not None:
            entry.task = task
        with self._lock:
            while self._full() and not self._stopped:
                self._lock.wait()
            if self._stopped:
                return False
            self._entries.append(entry)
            self._held += entry.size
            if entry.outcome is None:
                self._pending.append(entry if entry.task is not None else None)
            self._ring()
            # What lies behind the beginning of a message that is too large is read by whoever copies it.
            while isinstance(event, Came) and event.message.rest is not None and not (entry.gone or self._stopped):
                self._lock.wait()
        return True

    def _full(self) -> bool:
        return len(self._entries) > len(self._workers) and (
            self._held >= _AHEAD_BYTES * len(self._workers) or len(self._entries) >= _AHEAD_ENTRIES * len(self._workers)
        )

    def _ring(self) -> None:
        """Wakes the main thread, if it sleeps."""
        if self._sleeping:
            self._sleeping = False
            self._button.send_bytes(b"!")

    # -- handing out and collecting -----------------------------------------------------------------------------------

    def _next(self) -> _Entry | None:
        """The next entry, in order, when it is done; None at the end."""
        while True:
            seen = self._hand_out()
            with self._lock:
                head = self._entries[0] if self._entries else None
                if head is not None and head.task is None:
                    self._entries.popleft()
                    break
                if head is None and self._ended:
                    return None
                if seen is not None and seen != len(self._pending):
                    continue
                self._sleeping = True
            self._collect(None)
        if head.first:
            # While this batch is written, the workers should not wait.
            self._collect(0)
            self._hand_out()
        return head

    def _hand_out(self) -> int | None:
        """Gives workers what is pending; how many entries are left, None where no worker wants any."""
        while True:
            worker = min(self._workers, key=lambda worker: len(worker.batches))
            if len(worker.batches) >= _WAITING:
                return None
            batch, left = self._batch(worker)
            if not batch:
                return left
            headers = _headers([task for entry in batch if (task := entry.task) is not None], worker)
            batch[0].first = True
            worker.batches.append(batch)
            try:
                worker.connection.send((worker.turn, headers))
            except OSError:
                raise _death(worker) from None
            worker.turn = (worker.turn + 1) % _WAITING

    def _batch(self, worker: _Worker) -> tuple[list[_Entry], int]:
        """What a worker gets next, and how many entries are then left."""
        batch: list[_Entry] = []
        size = 0
        with self._lock:
            pending = self._pending
            while pending and pending[0] is None:
                pending.popleft()
            most = min(_BATCH_TASKS, -(-len(pending) // len(self._workers)))
            while pending and len(batch) < most and (entry := pending[0]) is not None:
                # Both ends of a pipe would wait for each other if a busy worker got more than the pipe holds.
                if worker.batches and (not worker.slabs or size + entry.size > _SLAB_BYTES):
                    break
                if batch and size + entry.size > _BATCH_BYTES:
                    break
                pending.popleft()
                batch.append(entry)
                size += entry.size
            return batch, len(pending)

    def _collect(self, timeout: float | None) -> None:
        """Takes the outcomes that are there; without a timeout waits for some, or for the feeder."""
        working = {worker.connection: worker for worker in self._workers if worker.batches}
        for ready in wait([self._bell, *working], timeout):
            worker = working.get(ready)  # type: ignore[call-overload]
            if worker is None:
                self._bell.recv_bytes()
                continue
            try:
                packed = worker.connection.recv()
            except (EOFError, OSError):
                raise _death(worker) from None
            turn = (worker.turn - len(worker.batches)) % _WAITING
            outcomes = _with_outputs(packed, worker.slabs[_WAITING + turn] if worker.slabs else None)
            # A batch that has met the end of the run has fewer outcomes than entries.
            for entry, outcome in zip(worker.batches.popleft(), outcomes, strict=False):
                entry.task, entry.outcome = None, outcome


def _headers(tasks: Sequence[Task], worker: _Worker) -> list[_Header]:
    """Tasks as they travel, their payloads laid into the worker's slab where they fit."""
    slab = worker.slabs[worker.turn] if worker.slabs else None
    headers: list[_Header] = []
    at = 0
    for task in tasks:
        payload: int | bytes = task.payload
        end = at + len(task.payload)
        if slab is not None and end <= len(slab):
            slab[at:end] = task.payload
            at, payload = end, len(task.payload)
        headers.append((payload, task.signal, task.encoding, task.target))
    return headers


def _with_outputs(
    packed: Sequence[tuple[Outcome, list[tuple[str | None, int | bytes]]]], slab: mmap.mmap | None
) -> Iterator[Outcome]:
    at = 0
    for outcome, parts in packed:
        for route, part in parts:
            if isinstance(part, int):
                assert slab is not None, "a length is that of bytes in the slab"
                at, output = at + part, slab[at : at + part]
            else:
                output = part
            outcome.outputs[route] = output
        yield outcome


def _death(worker: _Worker) -> Error:
    """The error for a worker that is gone."""
    worker.process.join(_PATIENCE_S)
    code = worker.process.exitcode
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
    return Error(f"a worker process {how}; fewer --jobs need less memory, and --jobs 1 needs no worker")

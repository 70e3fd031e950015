"""Blocks of messages through the rules, whoever does it: the thread that reads them, another one, or another process.

What the rules can do as streams goes through a pipeline, many messages in one call; all others one by one.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ottl import files
from ottl.cli.intake import Came, Event, Filled, Intake
from ottl.cli.passage import Fault, Passage
from ottl.files import Message, Output, Room

if TYPE_CHECKING:
    from ottl.pipeline import Pipeline

__all__ = ["UNREAD", "Done", "Job", "Part", "Pieces", "Work", "alone", "given_of", "slab"]

UNREAD: Final = hasattr(os, "preadv") and hasattr(os, "pwritev")
"""Whether blocks can be read, and what becomes of them written, at offsets."""
# Pages that no block needs are never touched and take no memory.
_ROOM_BYTES = 16 << 20

Pieces: TypeAlias = Sequence[bytes]
"""Bytes that follow each other."""

Given: TypeAlias = "Message | tuple[bytes | Room, int]"
"""One message, or so many bytes of memory with some."""


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
    """Messages as they will lie in an output, before it is compressed or behind that.

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
        parts: of the outputs, whose bytes whoever did it keeps until it is told where to write them.
        read: messages taken.
        emptied: of which nothing was left.
        lines: how many there were.
        faults: messages that could not be processed, without their bytes, and why.
        errors: failures of statements: line of the message, name of the processor, and what happened.
        counts: what the statements of each processor did.
        failure: what else went wrong, which ends the run.
        write: has the parts written to the outputs of their routes.
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


def slab() -> Room:
    """Memory for a block, which forked processes share."""
    return mmap.mmap(-1, _ROOM_BYTES)


class Work:
    """Brings blocks through the rules, and counts for itself what they do.

    Args:
        passage: what becomes of a message.
        errors: whether failures of statements are wanted one by one.
    """

    def __init__(self, passage: Passage, *, errors: bool = False) -> None:
        self._passage = replace(passage, rules=passage.rules.siblings())
        self._errors: list[tuple[str, Any]] = []
        self._memory = bytearray()
        self._seen: set[str] = set()
        self._pipeline: Pipeline | None = None
        if errors:
            for name, runner in self._passage.rules.runners():
                runner.on_error = functools.partial(self._keep, name)

    def _keep(self, name: str, error: Any) -> None:
        self._errors.append((name, error))

    def read(self, job: Job, file: int, offset: int, size: int) -> Done | Given:
        """The messages of a block that was left in its file, or why there are none.

        Args:
            job: how they are read.
            file: which has them; it is closed. Where it has become shorter, there are fewer.
            offset: where they begin there.
            size: in bytes.
        """
        self._memory.extend(bytes(max(0, size - len(self._memory))))
        read = 0
        try:
            with memoryview(self._memory) as view, files.named_errors(job.name):
                while read < size and (more := os.preadv(file, [view[read:size]], offset + read)):
                    read += more
        except OSError as failure:
            return Done(counts=self._counts(), failure=failure)
        finally:
            os.close(file)
        return self._memory, read

    def take(self, job: Job, given: Done | Given) -> tuple[Done, list[Pieces]]:
        """What becomes of messages, if there are any, and the bytes of the parts."""
        if isinstance(given, Done):
            return given, []
        done = Done()
        found: dict[tuple[str | None, int], _Pieces] = {}
        form = job.output.format

        def sink(route: str | None) -> _Pieces:
            # Where an output holds one message, whoever writes a second has to say so behind the first.
            key = route, done.read if form in files.SINGLE else 0
            return found.get(key) or found.setdefault(key, _Pieces(form))

        try:
            if isinstance(given, Message):
                done.lines = given.line
                self._take(given, sink, done)
            else:
                self._take_all(job, given, sink, done)
        except Exception as failure:  # noqa: BLE001 (an edge: whoever takes what was done raises it)
            done.failure = failure
        done.counts = self._counts()
        for (route, _), one in found.items():
            done.parts.append(Part(route, one.messages, sum(map(len, one.pieces))))
        return done, [one.pieces for one in found.values()]

    def _take_all(self, job: Job, given: tuple[bytes | Room, int], sink: Callable[..., _Pieces], done: Done) -> None:
        messages = files.messages_of(*given, job.format, self._passage.limits.max_message, job.signal)
        stays = job.format == job.output.format and job.format not in files.SINGLE
        left = iter(messages)
        try:
            while True:
                if stays and self._pipeline is not None:
                    self._pass(self._pipeline, messages, job, sink, done)
                message = next(left, None)
                if message is None or not self._take(message, sink, done):
                    break
                if message.signal is not None and message.signal not in self._seen:
                    self._seen.add(message.signal)
                    self._pipeline = self._passage.rules.pipeline(self._seen, self._passage.limits)
        finally:
            done.lines = messages.line

    def _pass(
        self, pipeline: Pipeline, messages: files.Messages, job: Job, sink: Callable[..., _Pieces], done: Done
    ) -> None:
        """As many messages at once as may be."""
        found = pipeline.run(*messages.left, job.format, job.signal)
        messages.skip(found.end, found.lines)
        done.read += found.messages
        if found.messages:
            sink(None).add(found.output, found.messages)

    def _take(self, message: Message, sink: Callable[..., _Pieces], done: Done) -> bool:
        """One message by itself; whether another one is wanted."""
        done.read += 1
        fault, emptied = self._passage.take(message, sink)
        done.emptied += emptied
        done.errors += ((message.line, name, error) for name, error in self._errors)
        self._errors.clear()
        for _ in message.rest or ():
            pass  # what follows begins behind it
        if fault is None:
            return True
        done.faults.append((replace(message, payload=b"", fault=None, rest=None), fault))
        return self._passage.on_bad_input != "stop"

    def _counts(self) -> list[list[Any]]:
        return [runner.take_counts() for _, runner in self._passage.rules.runners()]


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

    def add(self, pieces: bytes, messages: int) -> None:
        """Takes messages that are laid out."""
        self.messages += messages
        self.pieces.append(pieces)

    def copy(self, message: Message) -> None:
        """Takes a faulty message as it is."""
        self.messages += 1
        self.pieces += files.copied(message, self._format)


def given_of(work: Work, job: Job, event: Event) -> Done | Given:
    """The messages of an event, or why there are none."""
    if isinstance(event, Came):
        return event.message
    assert isinstance(event, Filled), "nothing else has messages"
    block = event.block
    if isinstance(block.room, int):
        return work.read(job, block.room, block.offset, block.size)
    return block.room, block.size


def alone(
    passage: Passage, intake: Intake, job_of: Callable[[Event], Job | None], *, errors: bool
) -> Generator[tuple[Event, Done | None], None, None]:
    """The events in their order, those of messages with what became of them.

    Args:
        passage: what becomes of messages.
        intake: what to read.
        job_of: how the messages of an event are read and written; None where there are none, or not for a block.
        errors: whether failures of statements are wanted one by one.

    Raises:
        OSError: an input cannot be read, or an output not be written.
    """
    work = Work(passage, errors=errors)
    room = slab()
    with contextlib.closing(intake.events(lambda: room, unread=UNREAD)) as events:
        for event in events:
            job = job_of(event)
            if job is None:
                yield event, None
                continue
            done, pieces = work.take(job, given_of(work, job, event))
            done.write = functools.partial(_write, done.parts, pieces)
            yield event, done


def _write(parts: Sequence[Part], pieces: Sequence[Pieces], sink: Callable[[str | None], Output]) -> None:
    for part, some in zip(parts, pieces, strict=True):
        sink(part.route).add(some, part.size, part.messages)

"""The messages of the inputs of `ottl run`, one after another, with the beginning and the end of each input.

They are read when they are asked for, and whoever asks decides what to do with a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

from ottl import files
from ottl.errors import PayloadError
from ottl.files import Block, Input, Message, Room

__all__ = ["Broken", "Came", "Ended", "Event", "Filled", "Intake", "Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """An input begins."""

    number: int
    source: Input


@dataclass(frozen=True, slots=True)
class Came:
    """A message of the input that was opened last.

    Args:
        message: as it came.
        position: bytes of the input that have been read.
    """

    message: Message
    position: int


@dataclass(frozen=True, slots=True)
class Filled:
    """Messages of the input that was opened last.

    Args:
        block: has them.
        position: bytes of the input that have been read.
    """

    block: Block
    position: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The rest of an input, or all of it, cannot be read: it has no next message, and nothing of it can be copied."""

    name: str
    fault: PayloadError


@dataclass(frozen=True, slots=True)
class Ended:
    """The input that was opened last has no more messages, or no more are wanted."""

    source: Input


Event: TypeAlias = "Opened | Came | Filled | Broken | Ended"


@dataclass(frozen=True, slots=True)
class Intake:
    """What to read.

    Args:
        names: paths, and `-` for standard input.
        max_message: largest message in bytes, before and after inflating.
        format: the format, where it should not be detected.
        signal: the signal of messages that do not say it themselves.
        limit: how many messages to read at most; None for all.
        stdin: read for `-`; by default the process's own.
    """

    names: Sequence[str]
    max_message: int
    format: files.Format | None = None
    signal: str | None = None
    limit: int | None = None
    stdin: IO[bytes] | None = None

    def events(self, room: Callable[[], Room] | None = None, *, unread: bool = False) -> Generator[Event, None, None]:
        """What happens, in order.

        Args:
            room: memory for messages, which then come many at a time (`Input.blocks`); by default they come one by one.
            unread: blocks may be left in their file.

        Raises:
            OSError: an input cannot be read.
        """
        wanted = self.limit
        for number, name in enumerate(self.names):
            if wanted == 0:
                return
            try:
                source = Input(
                    name, max_message=self.max_message, format=self.format, signal=self.signal, stdin=self.stdin
                )
            except PayloadError as error:
                yield Broken("<stdin>" if name == files.STANDARD_STREAM else name, error)
                continue
            with source:
                yield Opened(number, source)
                pieces = iter(source) if room is None else source.blocks(room, wanted, unread=unread)
                while wanted != 0:
                    try:
                        piece = next(pieces, None)
                    except PayloadError as error:
                        yield Broken(source.name, error)
                        break
                    if piece is None:
                        break
                    wanted = None if wanted is None else wanted - piece.messages
                    if isinstance(piece, Block):
                        yield Filled(piece, source.position)
                    else:
                        yield Came(piece, source.position)
                yield Ended(source)

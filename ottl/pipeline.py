"""Processors one after another, over blocks of messages, with no Python between one message and the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ottl.codec import Limits, native
from ottl.signals import SIGNALS

if TYPE_CHECKING:
    import mmap

__all__ = ["Passed", "Pipeline"]


class Streamed(Protocol):
    """What a pipeline asks of a processor (`engine.Processor`)."""

    def stream(self, signal: str) -> Any: ...

    def count_streamed(self, signal: str, start: int, counts: Sequence[Any]) -> None: ...

    def known_failures(self, signal: str, start: int = ..., count: int | None = ...) -> list[list[bool]] | None: ...


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of the first messages of a block.

    Args:
        end: where the others begin.
        messages: how many they were.
        lines: on how many lines.
        output: what they have become, in the layout of the block.
    """

    end: int
    messages: int
    lines: int
    output: bytes


class Pipeline:
    """Processors whose passes over a signal are streams.

    Args:
        chains: by signal the processors, in their order, that its messages go through; all passes of each must be a
            stream (`Processor.stream`). Messages of other signals are taken by themselves.
        limits: bounds on each message.
    """

    def __init__(self, chains: Mapping[str, Sequence[Streamed]], limits: Limits) -> None:
        streams = {signal: [one.stream(signal) for one in chain] for signal, chain in chains.items()}
        self._chains = {signal: tuple(chain) for signal, chain in chains.items()}
        self._bounds = (
            limits.max_message,
            limits.max_messages,
            limits.max_depth,
            native.room(limits, limits.deadline_s),
        )
        self._native = native.pipeline(
            {
                signal: [(one.stream, min(limits.max_depth, one.deepest)) for one in found]
                for signal, found in streams.items()
            }
        )

    def run(
        self, data: bytes | bytearray | mmap.mmap, begin: int, end: int, layout: str, signal: str | None = None
    ) -> Passed:
        """Takes messages until one has to be taken by itself: one that a stream refuses, or is in no plain form.

        Args:
            data: has them.
            begin: where the first begins.
            end: where the last ends.
            layout: how they lie there, `framed` or `jsonl` (see `ottl.files`).
            signal: of protobuf, instead of detecting it.
        """
        number = None if signal is None else SIGNALS.index(signal)
        known = [[one.known_failures(name) for one in self._chains.get(name, ())] for name in SIGNALS]
        at, messages, lines, output, counts = self._native.run(data, (begin, end), layout, number, self._bounds, known)
        for name, chain in self._chains.items():
            # No counts are there where no message was of the signal.
            for processor, stages in zip(chain, counts[SIGNALS.index(name)], strict=False):
                processor.count_streamed(name, 0, stages)
        return Passed(at, messages, lines, output)

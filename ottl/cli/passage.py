"""A message through the rules and to its outputs: in the process that reads it, or in a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ottl import files
from ottl.cli.rules import EMPTIED, Rules, Task
from ottl.codec import Limits
from ottl.errors import PayloadError, StatementError
from ottl.files import Message

__all__ = ["Fault", "OnBadInput", "Passage", "Sink"]

OnBadInput = Literal["stop", "skip", "copy"]
Fault: TypeAlias = "PayloadError | StatementError"


class Sink(Protocol):
    """Takes messages, as `files.Output` does."""

    def write(self, payload: bytes, *, packed: bool = ..., encoding: files.Encoding | None = ...) -> None:
        """Takes a message."""

    def copy(self, message: Message) -> None:
        """Takes a faulty message as it is."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of messages.

    Args:
        rules: the processors.
        limits: bounds on a message.
        on_bad_input: what to do with a message that cannot be processed.
        to: format of the output; None for that of the input.
    """

    rules: Rules
    limits: Limits
    on_bad_input: OnBadInput = "stop"
    to: files.Format | None = None

    def encoding(self, message: Message) -> files.Encoding:
        """The encoding in which a message goes out."""
        return message.encoding if self.to is None else files.Layout(self.to).encoding

    def take(self, message: Message, sink: Callable[[str | None], Sink]) -> tuple[Fault | None, bool]:
        """Brings a message to where it goes.

        Args:
            message: as it came.
            sink: for each route where its rows go; for None, where the rest does.

        Returns:
            Why it could not be processed, and whether nothing was left of it.
        """
        fault: Fault | None = message.fault
        outputs: dict[str | None, bytes] = {}
        if fault is None:
            task = Task(message.payload, message.signal, message.encoding, self.encoding(message))
            try:
                outputs = self.rules.process(task, self.limits)
            except (PayloadError, StatementError) as error:
                fault = error
        if fault is not None:
            self.pass_over(message, sink)
            return fault, False
        self.write(outputs, message, sink)
        emptied = not self.rules.routes and outputs[None] == EMPTIED[self.encoding(message)] != message.payload
        return None, emptied

    def write(self, outputs: dict[str | None, bytes], message: Message, sink: Callable[[str | None], Sink]) -> None:
        """A message taken apart: each route to its own place, the rows of none to the rest."""
        encoding = self.encoding(message)
        for route, payload in outputs.items():
            if route is None or payload != EMPTIED[encoding]:
                sink(route).write(payload, packed=message.packed, encoding=encoding)

    def pass_over(self, message: Message, sink: Callable[[str | None], Sink]) -> None:
        """A message that cannot be processed, where such are copied."""
        if self.on_bad_input != "copy":
            return
        if message.fault is not None:
            sink(None).copy(message)
        else:
            sink(None).write(message.payload, packed=message.packed, encoding=message.encoding)

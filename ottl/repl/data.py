"""The records of a session: OTLP messages in memory, each record by number, every change undoable.

A record is a span, a metric, a log record or a profile. Messages stay protobuf bytes, of which the ones in use are
parsed; a change replaces bytes, so that undoing it is putting the old ones back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ottl import files
from ottl.codec import Limits, messages
from ottl.errors import PayloadError
from ottl.vm.extract import alone
from ottl.vm.messages import Row, walk
from ottl.vm.walk import containers

__all__ = ["LEVELS", "Data", "Place", "read"]

LEVELS: Mapping[str, str] = {"traces": "span", "metrics": "metric", "logs": "log", "profiles": "profile"}
"""What a record of a signal is."""

SAMPLE = Path(__file__).with_name("sample.jsonl")

_PARSED = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is: number of its message, and its own number in there."""

    message: int
    row: int


def read(name: str | None, limits: Limits, signal: str | None, count: int | None) -> Iterator[tuple[str, bytes]]:
    """Signal and protobuf of each message of a file; of the built-in sample without a name.

    Args:
        name: a path, or `-` for standard input.
        limits: bounds on a message.
        signal: of protobuf that cannot tell it.
        count: how many messages at most; None for all.

    Raises:
        PayloadError: a message cannot be read.
        OSError: the file cannot be read.
    """
    path = str(SAMPLE) if name is None else name
    with files.Input(path, max_message=limits.max_message, signal=signal) as source:
        for number, message in enumerate(source):
            if number == count:
                return
            if message.fault is not None:
                place = f"{source.name}:{message.line}" if message.line else source.name
                raise PayloadError(f"{place}: {message.fault}")
            if message.signal is not None:
                payload = files.transcode(message.payload, message.signal, message.encoding, "protobuf", limits)
                yield message.signal, payload


class Data:
    """The messages of a session.

    Args:
        loaded: signal and protobuf of each.
        limits: bounds on a message.
    """

    def __init__(self, loaded: Iterable[tuple[str, bytes]], limits: Limits) -> None:
        self.signals: list[str] = []
        self.payloads: list[bytes] = []
        self.places: list[Place] = []
        self.version = 0
        self._limits = limits
        self._counts: list[int] = []
        self._parsed: OrderedDict[int, tuple[Any, list[Row]]] = OrderedDict()
        self._undo: list[tuple[str, dict[int, bytes]]] = []
        for signal, payload in loaded:
            self.signals.append(signal)
            self.payloads.append(payload)
            self._counts.append(len(self.rows(len(self.payloads) - 1)))
        self._number()

    def _number(self) -> None:
        self.places = [Place(message, row) for message, count in enumerate(self._counts) for row in range(count)]
        self.version += 1

    def signal(self, place: Place) -> str:
        """The signal of a record."""
        return self.signals[place.message]

    def level(self, place: Place) -> str:
        """What a record is."""
        return LEVELS[self.signals[place.message]]

    def message(self, number: int) -> Any:
        """A message, parsed; not to be changed."""
        self.rows(number)
        return self._parsed[number][0]

    def rows(self, number: int) -> list[Row]:
        """The records of a message, parsed; not to be changed."""
        found = self._parsed.get(number)
        if found is None:
            signal = self.signals[number]
            root = messages.decode(self.payloads[number], signal, "protobuf", self._limits)
            found = self._parsed[number] = root, list(walk(root, signal, LEVELS[signal]))
            if len(self._parsed) > _PARSED:
                self._parsed.popitem(last=False)
        else:
            self._parsed.move_to_end(number)
        return found[1]

    def row(self, place: Place) -> Row:
        """A record; not to be changed."""
        return self.rows(place.message)[place.row]

    def alone(self, place: Place) -> bytes:
        """A record as a payload of its own."""
        root = alone(self.row(place), self.signal(place), self.level(place))
        return messages.encode(root, self.signal(place))

    def with_record(self, place: Place, payload: bytes) -> bytes:
        """The message of a record, with the record, its scope and its resource taken from a payload of its own.

        Args:
            place: the record.
            payload: what rules have made of `alone(place)`; it may have lost the record, or hold several.
        """
        signal = self.signal(place)
        _, scopes, elements = containers(signal)
        root = messages.decode(self.payloads[place.message], signal, "protobuf", self._limits)
        row = list(walk(root, signal, LEVELS[signal]))[place.row]
        new = messages.decode(payload, signal, "protobuf", self._limits)
        made = list(walk(new, signal, LEVELS[signal]))
        holder = getattr(row.scope, elements)
        at = next(n for n, element in enumerate(holder) if element is getattr(row, LEVELS[signal]))
        kept = list(holder)
        changed = [*kept[:at], *(getattr(each, LEVELS[signal]) for each in made), *kept[at + 1 :]]
        copies = [type(each).FromString(each.SerializeToString()) for each in changed]
        del holder[:]
        holder.extend(copies)
        if made:
            row.resource.resource.CopyFrom(made[0].resource.resource)
            row.resource.schema_url = made[0].resource.schema_url
            row.scope.scope.CopyFrom(made[0].scope.scope)
            row.scope.schema_url = made[0].scope.schema_url
            if made[0].dictionary is not None:
                root.dictionary.CopyFrom(new.dictionary)
        elif not holder:
            _remove(getattr(row.resource, scopes), row.scope)
        return messages.encode(root, signal)

    def replace(self, why: str, changed: Mapping[int, bytes]) -> None:
        """Takes new bytes for some messages.

        Args:
            why: the statement, for `undo`.
            changed: by number of the message.
        """
        # Parsing comes first: what cannot be parsed changes nothing.
        counts = {n: self._count(self.signals[n], payload) for n, payload in changed.items()}
        self._undo.append((why, {number: self.payloads[number] for number in changed}))
        for number, payload in changed.items():
            self.payloads[number] = payload
            self._counts[number] = counts[number]
            self._parsed.pop(number, None)
        self._number()

    def _count(self, signal: str, payload: bytes) -> int:
        root = messages.decode(payload, signal, "protobuf", self._limits)
        return sum(1 for _ in walk(root, signal, LEVELS[signal]))

    @property
    def undoable(self) -> int:
        """How many changes can be undone."""
        return len(self._undo)

    def undo(self) -> str | None:
        """Takes the last change back; what it was, or None where there is none."""
        if not self._undo:
            return None
        why, before = self._undo.pop()
        for number, payload in before.items():
            self.payloads[number] = payload
            self._counts[number] = self._count(self.signals[number], payload)
            self._parsed.pop(number, None)
        self._number()
        return why


def _remove(container: Any, item: Any) -> None:
    for number, each in enumerate(container):
        if each is item:
            del container[number]
            return

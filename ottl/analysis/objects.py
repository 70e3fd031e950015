"""A memory of plain objects: one instance a slot, for functions that say with a dataclass what they remember."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.analysis.running import Slots


class Objects:
    """One instance of a dataclass for each slot.

    Saved as JSON, so fields are numbers, texts, bools, None, or lists and dicts of these.

    Args:
        kind: the dataclass; every field has a default.
    """

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self._objects: list[Any] = []

    def resize(self, count: int) -> None:
        """Makes room for slots; new ones hold what the defaults say."""
        while len(self._objects) < count:
            self._objects.append(self.kind())

    def forget(self, slots: Slots) -> None:
        """Makes slots as new."""
        for slot in slots.tolist():
            self._objects[slot] = self.kind()

    def at(self, slot: int) -> Any:
        """The instance of a slot, to be changed in place."""
        return self._objects[slot]

    def save(self, slots: Slots) -> Mapping[str, NDArray[Any]]:
        """The fields of the instances, as JSON."""
        names = [f.name for f in dataclasses.fields(self.kind)]
        texts = []
        for slot in slots.tolist():
            found = {name: getattr(self._objects[slot], name) for name in names}
            try:
                texts.append(json.dumps(found).encode())
            except TypeError as error:
                raise ValueError(f"{self.kind.__name__} holds what cannot be saved: {error}") from None
        width = max(map(len, texts), default=0)
        cells = b"".join(text.ljust(width) for text in texts)
        return {"text": np.frombuffer(cells, np.uint8).reshape(len(texts), width)}

    def restore(self, slots: Slots, saved: Mapping[str, NDArray[Any]]) -> None:
        """Takes back what `save` gave."""
        text = saved.get("text")
        if text is None or text.dtype != np.uint8 or text.ndim != 2 or len(text) != len(slots):
            raise ValueError(f"the saved {self.kind.__name__} does not fit")
        made: list[Any] = []
        for cells in text:
            try:
                made.append(self.kind(**json.loads(cells.tobytes())))
            except (TypeError, ValueError):
                raise ValueError(f"the saved {self.kind.__name__} does not fit") from None
        for slot, one in zip(slots.tolist(), made, strict=True):
            self._objects[slot] = one

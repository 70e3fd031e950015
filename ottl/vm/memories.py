"""What functions remember from row to row and payload to payload: by call site and key, the same in both executors.

A *site* is one call of a function with memory in a statement or condition. Its key is what the rule gives, or the
row's identity; equal keys are those with equal `key_bytes`. Arguments are converted before the key is looked up, so a
row whose argument is refused leaves no trace.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl.analysis.keyed import IDLE_S, MAX_KEYS, Keyed
from ottl.analysis.objects import Objects
from ottl.bytecode import Instruction, Literal, StatementCode, calls
from ottl.functions import Form, Function
from ottl.types import Bytes, Duration, Map, ProfileID, SpanID, Time, TraceID, Value, kind_name

_INT = struct.Struct(">q")
_WORD = (1 << 64) - 1
_FLOAT = struct.Struct(">d")
_BLOBS = {bytes: b"s", Bytes: b"b", TraceID: b"t", SpanID: b"p", ProfileID: b"o"}


def key_bytes(values: Iterable[Value]) -> bytes:
    """The values of a key as bytes: equal for equal values, whatever the order of the entries of maps.

    Raises:
        ValueError: a value cannot be part of a key.
    """
    out = bytearray()
    for value in values:
        _add(value, out)
    return bytes(out)


def _add(value: Any, out: bytearray) -> None:
    kind = type(value)
    letter = _BLOBS.get(kind)
    if letter is not None:
        out += letter + _INT.pack(len(value)) + value
    elif value is None:
        out += b"n"
    elif kind is bool:
        out += b"y" if value else b"z"
    elif kind is int or kind is Duration:
        # Counts of buckets are unsigned.
        out += (b"i" if kind is int else b"u") + (value & _WORD).to_bytes(8, "big")
    elif kind is float:
        out += b"d" + _FLOAT.pack(value)
    elif kind is Time:
        out += b"m" + str(value.ns).encode() + b" "
    elif isinstance(value, Map):
        entries = [(key, key_bytes((item,))) for key, item in value]
        out += b"a" + _INT.pack(len(entries))
        for key, item in sorted(entries):
            out += _INT.pack(len(key)) + key + item
    elif isinstance(value, list):
        out += b"l" + _INT.pack(len(value))
        for item in value:
            _add(item, out)
    else:
        raise ValueError(f"{kind_name(value)} cannot be a key")


@dataclass(frozen=True, slots=True)
class Site:
    """One call of a function with memory.

    Args:
        text: the statement or condition.
        number: which of the calls with memory in it.
        function: the function.
        constants: its constant arguments by name.
        keyed: what it remembers.
    """

    text: str
    number: int
    function: Function
    constants: dict[str, Any]
    keyed: Keyed[Any]

    def state(self, key: Sequence[Value]) -> Any:
        """What the kernel gets for a key."""
        keyed = self.keyed
        return keyed.memory.at(keyed.slot(key_bytes(key)))


class PendingSlots:
    """The slots of many rows, found when a vector kernel asks for them.

    Args:
        keyed: of the site.
        keys: the distinct keys in the order of their first rows.
        codes: number of the key of each row, intp (n,).
    """

    def __init__(self, keyed: Keyed[Any], keys: Sequence[bytes], codes: NDArray[np.intp]) -> None:
        self._keyed = keyed
        self._keys = keys
        self._codes = codes

    @property
    def memory(self) -> Any:
        """The memory of the site."""
        return self._keyed.memory

    def rows(self) -> NDArray[np.intp] | None:
        """Slot of each row; None where there is no room for all keys at once."""
        return self._keyed.slots(self._keys, self._codes)


class Memories:
    """The sites of some statements.

    Args:
        codes: their bytecode, which must live as long.
        max_keys: keys of a site.
        idle_s: seconds after which an unused key is forgotten.
    """

    def __init__(self, codes: Iterable[StatementCode], max_keys: int = MAX_KEYS, idle_s: float = IDLE_S) -> None:
        self._sites: dict[int, Site] = {}
        for code in codes:
            number = 0
            for i in calls(code):
                if i.data.stateful:
                    constants = _constants(i)
                    keyed = Keyed(_memory(i.data, constants), max_keys, int(idle_s * 1e9))
                    self._sites[id(i)] = Site(code.text, number, i.data, constants, keyed)
                    number += 1

    def __len__(self) -> int:
        return len(self._sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites.values())

    def begin(self, now: int) -> None:
        """Sets the time at which keys are used from now on, nanoseconds since the epoch."""
        for site in self:
            site.keyed.begin(now)

    def of(self, i: Instruction) -> Site:
        """The site of a call."""
        return self._sites[id(i)]


def _constants(i: Instruction) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for p, operand in zip(i.data.parameters, i.operands, strict=True):
        if isinstance(operand, Literal) and p.form is Form.CONSTANT:
            value = operand.value
            found[p.name] = p.compile(value) if p.compile is not None and isinstance(value, str) else value
    return found


def _memory(function: Function, constants: dict[str, Any]) -> Any:
    """A new memory for a site: the dataclass of the function's state, or what its `memory` makes of the constants."""
    make = function.memory
    assert make is not None
    if any(p.form is Form.STATE and p.compile is make for p in function.parameters):
        return Objects(make)  # type: ignore[arg-type]
    wanted = inspect.signature(make).parameters
    return make(**{name: value for name, value in constants.items() if name in wanted})


def remembering(i: Instruction, environment: Any) -> Callable[..., Any]:
    """The kernel of a call with memory, with the state of the key in the place of both."""
    function: Function = i.data
    site = environment.memories.of(i)
    kernel, state = function.kernel, site.state
    forms = [p.form for p in function.parameters]
    at = forms.index(Form.STATE)
    key = forms.index(Form.KEY) if Form.KEY in forms else None

    def run(*arguments: Any) -> Any:
        given = list(arguments)
        given[at] = state(() if key is None else given[key])
        if key is not None:
            given[key] = None
        return kernel(*given)

    return run

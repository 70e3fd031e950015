"""What rules may cost: bounds on texts of rules, on what statements make, and on the time of a batch.

The entry points put the bounds of their `Limits` in place with `loading` and `within`; parser, kernels
and executors ask `current`. A text, list or map beyond its bound is a `ValueError`, which fails the statement on its
row; a batch that makes too much in all, or takes too long, is a `PayloadError`. A context variable carries them, so
that threads and tasks have their own, and kernels need no argument more.
"""

from __future__ import annotations

import dataclasses
import time
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Final

from ottl.errors import PayloadError

__all__ = ["CHECKED_ROWS", "DEFAULT_LIMITS", "SMALL", "Bounds", "Limits", "current", "loading", "within"]

ITEM_BYTES: Final = 32
"""What an element of a list or map counts among the bytes that a batch makes."""

SMALL: Final = 1024
"""Bytes of a text, or elements of a list, that are not worth counting: a batch cannot make much of them."""

CHECKED_ROWS: Final = 16
"""What goes row by row looks at the clock once in so many rows."""

_LARGE: Final = 1 << 16
_FOLDED: Final = 4096
_NEVER: Final = float("inf")

NESTING_CEILING: Final = 250
"""Nesting that recursion over rules has room for, whatever the limits say."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one payload and on the rules that run over it, so that neither can take the host down.

    Args:
        max_message: bytes of one message, after inflating.
        max_messages: protobuf messages in it, nested ones included.
        max_depth: nesting of messages below the root.
        max_text: characters of a statement, a condition or a value.
        max_nesting: expressions inside each other, at most 250.
        max_string: bytes of a text, or of bytes, that a function makes; at least 1,024.
        max_items: elements and entries of a list or map that a statement makes, those of nested ones included.
        max_growth: bytes that the statements make of one payload in all.
        deadline_s: seconds that the statements may take for one payload; None for as long as it takes.
    """

    max_message: int = 64 << 20
    max_messages: int = 8_000_000
    max_depth: int = 100
    max_text: int = 100_000
    max_nesting: int = NESTING_CEILING
    max_string: int = 16 << 20
    max_items: int = 1_000_000
    max_growth: int = 1 << 30
    deadline_s: float | None = 600.0

    def __post_init__(self) -> None:
        """Refuses what bounds nothing.

        Raises:
            ValueError: a bound that is not above 0, or a nesting beyond what there is room for.
        """
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        if self.max_string < SMALL:
            raise ValueError(f"max_string must be at least {SMALL:,}, got {self.max_string}")
        if self.max_nesting > NESTING_CEILING:
            raise ValueError(f"max_nesting must be at most {NESTING_CEILING}, got {self.max_nesting}")


DEFAULT_LIMITS: Final = Limits()


class Bounds:
    """The limits at work: what is left of them.

    Args:
        limits: the limits.
    """

    __slots__ = ("_end", "left", "limits", "max_items", "max_string", "room")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.max_string = limits.max_string
        self.max_items = self.room = limits.max_items
        self.left = limits.max_growth
        self._end = _NEVER if limits.deadline_s is None else time.monotonic() + limits.deadline_s

    def text(self, size: int) -> None:
        """Counts a text that was made, or is about to be; callers may leave out what is no longer than `SMALL`.

        Raises:
            ValueError: it is too long.
            PayloadError: it is too much in all.
        """
        if size > self.max_string:
            raise self.too_long()
        if size > SMALL:
            self.left -= size
            if self.left < 0:
                raise self.too_much()
            if size > _LARGE:
                self.check_time()

    def too_long(self) -> ValueError:
        """The failure of a statement that makes too long a text."""
        return ValueError(f"the result is longer than {self.max_string:,} bytes (--max-string, Limits.max_string)")

    def too_much(self) -> PayloadError:
        """The failure of a payload of which statements make too much."""
        most = f"{self.limits.max_growth:,} bytes"
        return PayloadError(f"the statements make more than {most} of one payload (--max-growth, Limits.max_growth)")

    def value(self) -> None:
        """A list or map begins to be written, whose elements `items` counts.

        Raises:
            PayloadError: the payload's time is over.
        """
        self.room = self.max_items
        self.check_time()

    def items(self, count: int) -> None:
        """Counts elements of the list or map that is being written, or of one inside it.

        Raises:
            ValueError: they are too many.
            PayloadError: it is too much in all.
        """
        self.room -= count
        if self.room < 0:
            raise self.too_many()
        self.left -= count * ITEM_BYTES
        if self.left < 0:
            raise self.too_much()

    def too_many(self) -> ValueError:
        """The failure of a statement that makes too large a list or map."""
        return ValueError(f"the result has more than {self.max_items:,} elements (--max-items, Limits.max_items)")

    def seconds_left(self) -> float:
        """How long the statements may still take."""
        return self._end - time.monotonic()

    def check_time(self) -> None:
        """Ends a batch whose time is over.

        Raises:
            PayloadError: it is.
        """
        if time.monotonic() > self._end:
            most = f"{self.limits.deadline_s:g} s"
            raise PayloadError(
                f"the statements take longer than {most} for one payload (--deadline, Limits.deadline_s)"
            )


_CURRENT: ContextVar[Bounds] = ContextVar("ottl_bounds")
_BETWEEN = Bounds(Limits(max_growth=1 << 62, deadline_s=None))
"""Outside of any run: kernels that are called by themselves."""


def current() -> Bounds:
    """The bounds in place."""
    return _CURRENT.get(_BETWEEN)


class within:  # noqa: N801 - reads as a function, and is one but for its speed
    """Puts limits in place for what runs inside a `with`, from now on."""

    __slots__ = ("_bounds", "_token")
    _token: Token[Bounds]

    def __init__(self, limits: Limits) -> None:
        self._bounds = Bounds(limits)

    def __enter__(self) -> Bounds:
        self._token = _CURRENT.set(self._bounds)
        return self._bounds

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


def loading(limits: Limits) -> within:
    """Puts the limits on texts of rules in place while rules are loaded.

    What is computed of constants then stays short: the rest waits for its rows, where a failure has a place.
    """
    return within(
        dataclasses.replace(
            limits,
            max_string=min(limits.max_string, _FOLDED),
            max_items=min(limits.max_items, _FOLDED),
            max_growth=1 << 62,
            deadline_s=None,
        )
    )

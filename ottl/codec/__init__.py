"""Between OTLP bytes and what the executors work on: tables (`native`) or protobuf messages (`messages`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one payload, so that a hostile one cannot take the host down.

    Args:
        max_message: bytes of one message, after inflating.
        max_messages: protobuf messages in it, nested ones included.
        max_depth: nesting of messages below the root.
    """

    max_message: int = 64 << 20
    max_messages: int = 8_000_000
    max_depth: int = 100


DEFAULT_LIMITS = Limits()

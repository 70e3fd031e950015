"""Between OTLP bytes and what the executors work on: tables (`native`) or protobuf messages (`messages`)."""

from __future__ import annotations

from ottl.bounds import DEFAULT_LIMITS, Limits

__all__ = ["DEFAULT_LIMITS", "Limits"]

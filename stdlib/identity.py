"""Identifiers: new ones, and what a span's say about it."""

from __future__ import annotations

from typing import Annotated

from ottl.functions import Columns, Environment, Example, NativeCall, PathArgument, Register, converter
from ottl.tables.vectors import BOOL, SPAN_ID, STRING, Bools, Vector
from ottl.types import Value


@converter(
    "UUID",
    Example("Len(UUID())", 36),
    Example('Index(UUID(), "-")', 8),
    pure=False,
)
def uuid(environment: Environment) -> str:
    """A new random identifier (version 4), lower case.

    Args:
        environment: where identifiers come from.

    Source: OTTL reference, converter `UUID`.
    """
    return environment.uuid()


@uuid.vector
def _(columns: Columns, environment: Environment) -> Vector:
    texts = [text.encode(errors="surrogateescape") for text in environment.uuids(columns.count)]
    bits, lens = columns.arena.put(texts)
    return Vector(STRING, bits, lens, None, columns.level)


@uuid.native
def _(environment: Environment) -> NativeCall | None:
    return NativeCall("uuid") if environment.system_uuid else None


@converter("IsRootSpan", contexts=("span",))
def is_root_span(parent: Annotated[Value, PathArgument("span.parent_span_id")]) -> bool:
    """Whether the span has no parent: its parent's identifier is empty or all zeros.

    Args:
        parent: the identifier of the parent span.

    Source: OTTL reference, converter `IsRootSpan`.
    """
    return not (isinstance(parent, bytes) and any(parent))


@is_root_span.vector
def _(columns: Columns, parent: Vector) -> tuple[Vector, Bools] | None:
    if parent.tag != SPAN_ID or parent.lens is None:
        return None
    none = columns.arena.equal(parent.bits, parent.lens, bytes(8)) | (parent.lens == 0)
    return Vector(BOOL, none, None, None, columns.level), (parent.lens != 0) & (parent.lens != 8)


@is_root_span.native
def _(parent: Register) -> NativeCall:
    return NativeCall("is_zero", (parent,))

"""Paths of a span event; its enums are those of the span."""

from __future__ import annotations

from ottl.contexts.paths import Access, PathSpec, View, attributes, by_name, count, instant, text
from ottl.types import Kind

PATHS = by_name(
    *instant("spanevent", "time"),
    text("spanevent", "name"),
    attributes("spanevent", ("attributes",)),
    count("spanevent", "dropped_attributes_count"),
    # The reference's processors never tell the position of an event.
    PathSpec("spanevent", "event_index", (), View.UNAVAILABLE, Kind.INT, Access.READ_ONLY),
)

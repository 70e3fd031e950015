"""Paths of a resource. The row is the message around it (`ResourceSpans`...), which holds the schema URL."""

from __future__ import annotations

from ottl.contexts.paths import PathSpec, View, attributes, by_name, text
from ottl.types import Kind

PATHS = by_name(
    attributes("resource", ("resource", "attributes")),
    PathSpec("resource", "dropped_attributes_count", ("resource", "dropped_attributes_count"), View.INT, Kind.INT),
    text("resource", "schema_url"),
)

"""Paths of an instrumentation scope. The row is the message around it (`ScopeSpans`...), which holds the schema URL."""

from __future__ import annotations

from ottl.contexts.paths import PathSpec, View, attributes, by_name, text
from ottl.types import Kind

PATHS = by_name(
    PathSpec("scope", "name", ("scope", "name"), View.STRING, Kind.STRING),
    PathSpec("scope", "version", ("scope", "version"), View.STRING, Kind.STRING),
    text("scope", "schema_url"),
    attributes("scope", ("scope", "attributes")),
    PathSpec("scope", "dropped_attributes_count", ("scope", "dropped_attributes_count"), View.INT, Kind.INT),
)

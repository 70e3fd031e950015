"""Paths of an exemplar."""

from __future__ import annotations

from ottl.contexts.paths import PathSpec, View, attributes, by_name, identifier, instant
from ottl.types import Kind

PATHS = by_name(
    *instant("exemplar", "time"),
    PathSpec("exemplar", "double_value", ("as_double",), View.NUMBER, Kind.DOUBLE),
    PathSpec("exemplar", "int_value", ("as_int",), View.NUMBER, Kind.INT),
    *identifier("exemplar", "trace_id", Kind.TRACE_ID),
    *identifier("exemplar", "span_id", Kind.SPAN_ID),
    attributes("exemplar", ("filtered_attributes",)),
)

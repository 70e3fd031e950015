"""Paths and enums of a log record."""

from __future__ import annotations

from ottl import schema
from ottl.contexts.paths import PathSpec, View, attributes, by_name, count, identifier, instant, text
from ottl.types import Kind

ENUMS = dict(schema.enum_values("SeverityNumber"))

PATHS = by_name(
    *instant("log", "time"),
    *instant("log", "observed_time"),
    count("log", "severity_number", symbols="SEVERITY_NUMBER_"),
    text("log", "severity_text"),
    PathSpec("log", "body", ("body",), View.VALUE, Kind.ANY, keyed=True, nullable=True),
    PathSpec("log", "body.string", ("body",), View.VALUE_TEXT, Kind.STRING),
    attributes("log", ("attributes",)),
    count("log", "dropped_attributes_count"),
    count("log", "flags"),
    *identifier("log", "trace_id", Kind.TRACE_ID),
    *identifier("log", "span_id", Kind.SPAN_ID),
    text("log", "event_name"),
)

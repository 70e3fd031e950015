"""Paths and enums of a span."""

from __future__ import annotations

from ottl import schema
from ottl.contexts.paths import PathSpec, View, attributes, by_name, count, identifier, instant, text
from ottl.types import Kind

_KINDS = schema.enum_values("SpanKind")

ENUMS = {**_KINDS, **schema.enum_values("StatusCode")}

_KIND_SYMBOLS = tuple(sorted(_KINDS, key=_KINDS.__getitem__))

PATHS = by_name(
    *identifier("span", "trace_id", Kind.TRACE_ID),
    *identifier("span", "span_id", Kind.SPAN_ID),
    *identifier("span", "parent_span_id", Kind.SPAN_ID),
    PathSpec("span", "trace_state", ("trace_state",), View.TRACE_STATE, Kind.STRING, keyed=True),
    text("span", "name"),
    count("span", "kind", symbols="SPAN_KIND_"),
    PathSpec(
        "span",
        "kind.string",
        ("kind",),
        View.ENUM_TEXT,
        Kind.STRING,
        names=tuple(symbol.removeprefix("SPAN_KIND_").capitalize() for symbol in _KIND_SYMBOLS),
    ),
    PathSpec("span", "kind.deprecated_string", ("kind",), View.ENUM_TEXT, Kind.STRING, names=_KIND_SYMBOLS),
    *instant("span", "start_time"),
    *instant("span", "end_time"),
    attributes("span", ("attributes",)),
    count("span", "dropped_attributes_count"),
    PathSpec("span", "events", ("events",), View.OPAQUE, Kind.OPAQUE),
    count("span", "dropped_events_count"),
    PathSpec("span", "links", ("links",), View.OPAQUE, Kind.OPAQUE),
    count("span", "dropped_links_count"),
    PathSpec("span", "status", ("status",), View.OPAQUE, Kind.OPAQUE),
    PathSpec("span", "status.code", ("status", "code"), View.INT, Kind.INT, symbols="STATUS_CODE_"),
    PathSpec("span", "status.message", ("status", "message"), View.STRING, Kind.STRING),
    PathSpec("span", "flags", ("flags",), View.FLAGS32, Kind.INT),
)

"""Spans as events: one flat mapping a span, the form in which a tool for JSON logs would meet them.

An event holds the attributes of its resource under `resource`, and the scope's name under `scope`; attributes are plain
maps, ids hexadecimal, times integers. What OTLP says once a resource, events say once a span.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

Event = dict[str, Any]


def attributes(entries: Iterable[KeyValue]) -> Event:
    """Scalar attributes as a mapping."""
    return {entry.key: getattr(entry.value, str(entry.value.WhichOneof("value"))) for entry in entries}


def _event(span: Span, resource: Event, scope: str) -> Event:
    return {
        "resource": resource,
        "scope": scope,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "events": [
            {"time_unix_nano": e.time_unix_nano, "name": e.name, "attributes": attributes(e.attributes)}
            for e in span.events
        ],
        "status": {"code": span.status.code, "message": span.status.message},
    }


def of_payload(payload: bytes) -> Iterator[Event]:
    """The events of a `TracesData` message."""
    for resource_spans in TracesData.FromString(payload).resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _event(span, resource, scope_spans.scope.name)


def to_lines(found: Iterable[Event]) -> bytes:
    """JSON lines, as small as they get."""
    return b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in found)


def from_lines(text: bytes) -> list[Event]:
    """The events of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]

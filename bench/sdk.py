"""The rule sets in the OpenTelemetry SDK for Python: a span processor that edits each ended span, and the exporter.

An ended span cannot be changed, so the processor hands on a new one with what the rules made of it, as redacting
processors do. Needs the packages of `bench/requirements.txt`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from bench import events
from bench.by_hand import INTERNAL, KEPT_SPAN, MONEY, NUMBER, SLOW_NS

Edited = tuple[str, dict[str, Any], Status]


def one(span: ReadableSpan) -> Edited:
    """One condition and set."""
    found: dict[str, Any] = dict(span.attributes or {})
    if found.get("http.response.status_code", 0) >= 500:
        found["internal.slow"] = True
    return span.name, found, span.status


def policy(span: ReadableSpan) -> Edited:
    """Masking, status by duration, keeping what is allowed."""
    found: dict[str, Any] = {key: value for key, value in (span.attributes or {}).items() if key in KEPT_SPAN}
    status = span.status
    if "credit_card" in found and span.resource.attributes.get("env") == "prod":
        found["credit_card"] = hashlib.sha256(found["credit_card"].encode()).hexdigest()
    if (span.end_time or 0) - (span.start_time or 0) > SLOW_NS:
        status = Status(StatusCode.ERROR, "slow")
    return span.name, found, status


def mixed(span: ReadableSpan) -> Edited:
    """Ten statements of all kinds."""
    found: dict[str, Any] = dict(span.attributes or {})
    status = span.status
    found["url.full"] = NUMBER.sub(r"/{id}\1", found["url.full"])
    endpoint = found["op"] = f"{found['http.request.method']} {found['http.route']}"
    if MONEY.search(str(span.resource.attributes.get("service.name"))):
        found["tier"] = "money"
    found = {key: value for key, value in found.items() if not INTERNAL.search(key)}
    found["duration_ms"] = ((span.end_time or 0) - (span.start_time or 0)) // 1_000_000
    if "credit_card" in found:
        found["credit_card"] = hashlib.sha256(found["credit_card"].encode()).hexdigest()
    if found["http.response.status_code"] >= 400:
        status = Status(StatusCode.ERROR, status.description)
    if span.resource.attributes.get("env") != "prod":
        found.pop("user.id", None)
    for key, value in found.items():
        if isinstance(value, str) and len(value) > 48:
            found[key] = value[:48]
    return endpoint, found, status


RULES: Final[dict[str, Callable[[ReadableSpan], Edited]]] = {"one": one, "policy": policy, "mixed": mixed}


class RulesProcessor(SpanProcessor):
    """Hands on an edited copy of each span that ends.

    Args:
        rules: what a span becomes.
        receive: takes the copy.
    """

    def __init__(self, rules: Callable[[ReadableSpan], Edited], receive: Callable[[ReadableSpan], object]) -> None:
        self._rules = rules
        self._receive = receive

    def on_end(self, span: ReadableSpan) -> None:
        """Edits and hands on."""
        name, attributes, status = self._rules(span)
        self._receive(
            ReadableSpan(
                name,
                span.context,
                span.parent,
                span.resource,
                attributes,
                span.events,
                span.links,
                span.kind,
                status=status,
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )


def _span(event: events.Event, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    trace_id, parent = int(event["trace_id"], 16), event["parent_span_id"]
    code = StatusCode(event["status"]["code"])
    return ReadableSpan(
        event["name"],
        SpanContext(trace_id, int(event["span_id"], 16), is_remote=False),
        SpanContext(trace_id, int(parent, 16), is_remote=False) if parent else None,
        resource,
        event["attributes"],
        [Event(e["name"], e["attributes"], e["time_unix_nano"]) for e in event["events"]],
        kind=SpanKind(event["kind"] - 1),
        status=Status(code, event["status"]["message"]) if code is StatusCode.ERROR else Status(code),
        start_time=event["start_time_unix_nano"],
        end_time=event["end_time_unix_nano"],
        instrumentation_scope=scope,
    )


def spans(found: Iterable[events.Event]) -> list[ReadableSpan]:
    """Ended spans of the SDK, one an event; resources and scopes are shared as they are in a program."""
    resources: dict[str, Resource] = {}
    scopes: dict[str, InstrumentationScope] = {}
    ended = []
    for event in found:
        name = event["resource"]["service.instance.id"]
        resource = resources.setdefault(name, Resource(event["resource"]))
        scope = scopes.setdefault(event["scope"], InstrumentationScope(event["scope"], "0.50b0"))
        ended.append(_span(event, resource, scope))
    return ended


def edit(ended: Iterable[ReadableSpan], rule_set: str) -> list[ReadableSpan]:
    """What comes out of the processor."""
    received: list[ReadableSpan] = []
    processor = RulesProcessor(RULES[rule_set], received.append)
    for span in ended:
        processor.on_end(span)
    return received


def export(edited: list[ReadableSpan]) -> bytes:
    """The bytes that the exporter would send."""
    encoded: bytes = encode_spans(edited).SerializeToString()
    return encoded

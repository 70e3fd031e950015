"""The rule sets as one would write them in Python without an engine: protobuf objects in a loop, a function each.

Written straightforwardly for speed: no generality, patterns compiled once. The results equal the engine's but for the
order of attributes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

SLOW_NS: Final = 3_000_000_000
NUMBER: Final = re.compile(r"/[0-9]+(/|$)")
MONEY: Final = re.compile(r"^(checkout|payment)-")
INTERNAL: Final = re.compile(r"^internal\..*")
FAILED: Final = re.compile(r" 50[0-9] ")
PAIR: Final = re.compile(r'(\w+)=(?:"([^"]*)"|(\S+))')
PASSWORD: Final = re.compile(r"password=[^ ]*")
ACCESS: Final = re.compile(r"^([0-9.]+) (\w+) (\S+) ([0-9]+) ([0-9]+) ([0-9]+)")
KEPT_SPAN: Final = frozenset({
    "http.request.method", "http.route", "url.full", "http.response.status_code", "server.address", "credit_card",
    "user.id",
})  # fmt: skip
KEPT_LOG: Final = frozenset({"log.file.name", "session.id", "credit_card", "code.function.name"})
KEPT_POINT: Final = frozenset({"http.request.method", "http.route", "class", "user.id", "server.address"})


def _find(attributes: Any, key: str) -> KeyValue | None:
    for entry in attributes:
        if entry.key == key:
            found: KeyValue = entry
            return found
    return None


def _put(attributes: Any, key: str) -> AnyValue:
    """The value to be set under a key, added where it is missing."""
    value: AnyValue = (_find(attributes, key) or attributes.add(key=key)).value
    return value


def _text(attributes: Any, key: str) -> str:
    entry = _find(attributes, key)
    return entry.value.string_value if entry is not None else ""


def _keep(attributes: Any, keep: Callable[[str], bool]) -> None:
    kept = [entry for entry in attributes if keep(entry.key)]
    if len(kept) < len(attributes):
        copies = [KeyValue.FromString(entry.SerializeToString()) for entry in kept]
        del attributes[:]
        attributes.extend(copies)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _each_span(data: TracesData) -> Iterator[tuple[Any, Span]]:
    for resource_spans in data.resource_spans:
        resource = resource_spans.resource.attributes
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield resource, span


def _each_log(data: LogsData) -> Iterator[tuple[Any, LogRecord]]:
    for resource_logs in data.resource_logs:
        resource = resource_logs.resource.attributes
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                yield resource, record


def _each_point(data: MetricsData) -> Iterator[tuple[Any, Any, Any]]:
    for resource_metrics in data.resource_metrics:
        resource = resource_metrics.resource.attributes
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                    yield resource, metric, point


def none_spans(payload: bytes) -> bytes:
    """Nothing but the codec."""
    return TracesData.FromString(payload).SerializeToString()


def one_span(payload: bytes) -> bytes:
    """One condition and set."""
    data = TracesData.FromString(payload)
    for _, span in _each_span(data):
        status = _find(span.attributes, "http.response.status_code")
        if status is not None and status.value.int_value >= 500:
            _put(span.attributes, "internal.slow").bool_value = True
    return data.SerializeToString()


def policy_spans(payload: bytes) -> bytes:
    """Masking, status by duration, keeping what is allowed."""
    data = TracesData.FromString(payload)
    for resource, span in _each_span(data):
        card = _find(span.attributes, "credit_card")
        if card is not None and _text(resource, "env") == "prod":
            card.value.string_value = _sha256(card.value.string_value)
        if span.end_time_unix_nano - span.start_time_unix_nano > SLOW_NS:
            span.status.code = Status.STATUS_CODE_ERROR
            span.status.message = "slow"
        _keep(span.attributes, KEPT_SPAN.__contains__)
    return data.SerializeToString()


def mixed_spans(payload: bytes) -> bytes:
    """Ten statements of all kinds."""
    data = TracesData.FromString(payload)
    for resource, span in _each_span(data):
        attributes = span.attributes
        url = _find(attributes, "url.full")
        if url is not None:
            url.value.string_value = NUMBER.sub(r"/{id}\1", url.value.string_value)
        endpoint = f"{_text(attributes, 'http.request.method')} {_text(attributes, 'http.route')}"
        _put(attributes, "op").string_value = endpoint
        if MONEY.search(_text(resource, "service.name")):
            _put(attributes, "tier").string_value = "money"
        _keep(attributes, lambda key: not INTERNAL.search(key))
        duration = span.end_time_unix_nano - span.start_time_unix_nano
        _put(attributes, "duration_ms").int_value = duration // 1_000_000
        card = _find(attributes, "credit_card")
        if card is not None:
            card.value.string_value = _sha256(card.value.string_value)
        status = _find(attributes, "http.response.status_code")
        if status is not None and status.value.int_value >= 400:
            span.status.code = Status.STATUS_CODE_ERROR
        if span.name != endpoint:
            span.name = endpoint
        if _text(resource, "env") != "prod":
            _keep(attributes, lambda key: key != "user.id")
        for entry in attributes:
            if len(entry.value.string_value) > 48:
                entry.value.string_value = entry.value.string_value[:48]
    return data.SerializeToString()


def none_logs(payload: bytes) -> bytes:
    """Nothing but the codec."""
    return LogsData.FromString(payload).SerializeToString()


def one_log(payload: bytes) -> bytes:
    """One condition and set."""
    data = LogsData.FromString(payload)
    for _, record in _each_log(data):
        if record.severity_number >= 17:
            _put(record.attributes, "alert").bool_value = True
    return data.SerializeToString()


def policy_logs(payload: bytes) -> bytes:
    """Masking, severity by content, keeping what is allowed."""
    data = LogsData.FromString(payload)
    for resource, record in _each_log(data):
        card = _find(record.attributes, "credit_card")
        if card is not None and _text(resource, "env") == "prod":
            card.value.string_value = _sha256(card.value.string_value)
        if record.severity_number >= 17 and FAILED.search(record.body.string_value):
            record.severity_text = "ALERT"
        _keep(record.attributes, KEPT_LOG.__contains__)
    return data.SerializeToString()


def _set(value: AnyValue, found: Any) -> None:
    if isinstance(found, bool):
        value.bool_value = found
    elif isinstance(found, int):
        value.int_value = found
    elif isinstance(found, float):
        value.double_value = found
    else:
        value.string_value = found


def _flattened(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def parsing_logs(payload: bytes) -> bytes:
    """Bodies taken apart into attributes."""
    data = LogsData.FromString(payload)
    for _, record in _each_log(data):
        body = record.body.string_value
        found: dict[str, Any] = {}
        if body.startswith("{"):
            found = dict(_flattened(json.loads(body, parse_int=float)))
        elif body.startswith("level="):
            found = {key: quoted or bare for key, quoted, bare in PAIR.findall(body)}
        elif (match := ACCESS.search(body)) is not None:
            address, method, path, status, size, took = match.groups()
            found = {"client.ip": address, "method": method, "path": path}
            found |= {"status": int(status), "size": int(size), "took": int(took)}
        for key, value in found.items():
            _set(_put(record.attributes, key), value)
        record.body.string_value = PASSWORD.sub("password=***", body)
    return data.SerializeToString()


def none_points(payload: bytes) -> bytes:
    """Nothing but the codec."""
    return MetricsData.FromString(payload).SerializeToString()


def one_point(payload: bytes) -> bytes:
    """One condition and set."""
    data = MetricsData.FromString(payload)
    for resource, metric, point in _each_point(data):
        if metric.name == "http.server.duration":
            _put(point.attributes, "env").string_value = _text(resource, "env")
    return data.SerializeToString()


def policy_points(payload: bytes) -> bytes:
    """A description, a class of status, and keeping what is allowed."""
    data = MetricsData.FromString(payload)
    for resource, metric, point in _each_point(data):
        if metric.name == "http.server.requests":
            metric.description = "requests since start"
        status = _find(point.attributes, "http.response.status_code")
        if status is not None:
            _put(point.attributes, "class").int_value = status.value.int_value // 100
        allowed = KEPT_POINT - {"user.id"} if _text(resource, "env") == "prod" else KEPT_POINT
        _keep(point.attributes, allowed.__contains__)
    return data.SerializeToString()


LOOPS: Final[dict[str, dict[str, Callable[[bytes], bytes]]]] = {
    "traces": {"none": none_spans, "one": one_span, "policy": policy_spans, "mixed": mixed_spans},
    "logs": {"none": none_logs, "one": one_log, "policy": policy_logs, "parsing": parsing_logs},
    "metrics": {"none": none_points, "one": one_point, "policy": policy_points},
}
"""Signal, name of the rule set, function from payload to payload."""

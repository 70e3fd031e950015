"""Payloads for the benchmarks: what a few services send, made from a seed, the same on every machine.

Spans have 12 attributes and about 540 bytes each in protobuf, resource and scope included; log records and data points
are smaller, 8 attributes each. Resources are services (up to 20 a payload, two scopes each), and values repeat as they
do in real traffic: few methods and routes, some hosts and user agents, many users, cards and paths.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

START_NS: Final = 1_750_000_000_000_000_000
SECOND_NS: Final = 1_000_000_000
SERVICES: Final = (
    "checkout",
    "payment",
    "cart",
    "catalog",
    "shipping",
    "frontend",
    "accounts",
    "search",
    "email",
    "quotes",
)
ENVIRONMENTS: Final = ("prod", "staging", "prod", "dev")
METHODS: Final = ("GET", "GET", "GET", "POST", "POST", "PUT", "DELETE")
ROUTES: Final = (
    "/api/orders/{id}",
    "/api/users/{id}/cart",
    "/api/products/{id}",
    "/api/checkout",
    "/health",
    "/api/search",
)
AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
)
STATUS_CODES: Final = (200, 200, 200, 200, 201, 204, 301, 400, 404, 500, 503)
USERS: Final = 5_000


def _value(value: str | bool | float) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def _attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _resource(number: int) -> list[KeyValue]:
    service = SERVICES[number % len(SERVICES)]
    return _attributes({
        "service.name": f"{service}-service",
        "service.version": f"1.{number % 7}.0",
        "service.instance.id": f"{service}-{number:02d}-6d4f8b9c7d",
        "env": ENVIRONMENTS[number % len(ENVIRONMENTS)],
        "host.name": f"node-{number % 5}.eu-west-1.internal",
        "telemetry.sdk.language": "python",
    })  # fmt: skip


def _shares(rows: int, parts: int) -> Iterator[int]:
    """So many rows as evenly as possible over parts."""
    for part in range(parts):
        yield rows // parts + (part < rows % parts)


def _resources(rows: int) -> int:
    return min(20, 1 + rows // 32)


def _scopes(rows: int) -> int:
    return 1 if rows < 16 else 2


def _card(user: int) -> str:
    return f"4{user * 7919 % 10**15:015d}"


def _fill_span(span: Span, number: int, rng: random.Random, trace_id: bytes) -> None:
    start = START_NS + number * 1_250_000
    seconds = rng.expovariate(1.1)
    user = rng.randrange(USERS)
    route = rng.choice(ROUTES)
    method = rng.choice(METHODS)
    status = rng.choice(STATUS_CODES)
    span.trace_id = trace_id
    span.span_id = rng.randbytes(8)
    if number % 6:
        span.parent_span_id = rng.randbytes(8)
    span.name = f"{method} {route}" if number % 3 else method
    span.kind = Span.SPAN_KIND_SERVER if number % 3 else Span.SPAN_KIND_CLIENT
    span.start_time_unix_nano = start
    span.end_time_unix_nano = start + int(seconds * SECOND_NS)
    span.flags = 257
    span.attributes.extend(_attributes({
        "http.request.method": method,
        "http.route": route,
        "url.full": "https://shop.example.com" + route.replace("{id}", str(user)),
        "http.response.status_code": status,
        "user_agent.original": rng.choice(AGENTS),
        "server.address": f"node-{number % 5}.eu-west-1.internal",
        "server.port": 8080,
        "user.id": f"user-{user}",
        "credit_card": _card(user),
        "internal.retry": rng.random() < 0.1,
        "internal.queue_ms": round(rng.random() * 40, 3),
        "http.response.body.size": rng.randrange(200, 90_000),
    }))  # fmt: skip
    if status >= 500:
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = "upstream failed"
    if number % 16 == 0:
        event = span.events.add(time_unix_nano=start + 1000, name="exception")
        event.attributes.extend(_attributes({"exception.type": "TimeoutError", "exception.message": "timed out"}))


def traces(rows: int, seed: int = 1) -> bytes:
    """A `TracesData` message of so many spans."""
    rng = random.Random(seed)
    data = TracesData()
    number = 0
    trace_id = b""
    for index, share in enumerate(_shares(rows, _resources(rows))):
        resource_spans = data.resource_spans.add()
        resource_spans.resource.attributes.extend(_resource(index))
        for name, part in zip(("http.server", "db.client"), _shares(share, _scopes(rows)), strict=False):
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name, scope_spans.scope.version = f"opentelemetry.instrumentation.{name}", "0.50b0"
            for _ in range(part):
                if number % 6 == 0:
                    trace_id = rng.randbytes(16)
                _fill_span(scope_spans.spans.add(), number, rng, trace_id)
                number += 1
    return data.SerializeToString()


def _body(number: int, user: int, rng: random.Random) -> str:
    """A line of one of three formats: JSON, key=value, access log."""
    status = rng.choice(STATUS_CODES)
    millis = rng.randrange(1, 900)
    if number % 3 == 0:
        record = {
            "level": "info",
            "msg": "order placed",
            "user": {"id": f"user-{user}", "card": _card(user)},
            "order": {"id": number, "items": rng.randrange(1, 9), "total": round(rng.random() * 300, 2)},
            "took_ms": millis,
        }
        return json.dumps(record, separators=(",", ":"))
    if number % 3 == 1:
        return (
            f'level=warn msg="login failed" user=user-{user} password=hunter{user} attempt={user % 5} took={millis}ms'
        )
    path = rng.choice(ROUTES).replace("{id}", str(user))
    return (
        f"10.0.{user % 256}.{number % 256} {rng.choice(METHODS)} {path} {status} {rng.randrange(200, 90_000)} {millis}"
    )


def _fill_log(record: LogRecord, number: int, rng: random.Random) -> None:
    user = rng.randrange(USERS)
    record.time_unix_nano = START_NS + number * 1_250_000
    record.observed_time_unix_nano = record.time_unix_nano + 1_000_000
    record.severity_number = rng.choice((5, 9, 9, 9, 13, 17))  # type: ignore[assignment]
    record.severity_text = {5: "DEBUG", 9: "INFO", 13: "WARN", 17: "ERROR"}[record.severity_number]
    record.body.string_value = _body(number, user, rng)
    record.attributes.extend(_attributes({
        "log.file.name": f"service-{number % 5}.log",
        "log.iostream": "stdout",
        "thread.id": rng.randrange(64),
        "code.function.name": rng.choice(("handle", "dispatch", "authorize", "render")),
        "session.id": f"{user * 2654435761 % 2**64:016x}",
        "credit_card": _card(user),
        "internal.shard": rng.randrange(8),
        "sampled": number % 4 == 0,
    }))  # fmt: skip
    record.trace_id = rng.randbytes(16)
    record.span_id = rng.randbytes(8)
    record.flags = 1


def logs(rows: int, seed: int = 2) -> bytes:
    """A `LogsData` message of so many records: a third each of JSON, key=value and access log lines."""
    rng = random.Random(seed)
    data = LogsData()
    number = 0
    for index, share in enumerate(_shares(rows, _resources(rows))):
        resource_logs = data.resource_logs.add()
        resource_logs.resource.attributes.extend(_resource(index))
        for name, part in zip(("app", "access"), _shares(share, _scopes(rows)), strict=False):
            scope_logs = resource_logs.scope_logs.add()
            scope_logs.scope.name = name
            for _ in range(part):
                _fill_log(scope_logs.log_records.add(), number, rng)
                number += 1
    return data.SerializeToString()


def _point_attributes(number: int, rng: random.Random) -> list[KeyValue]:
    return _attributes({
        "http.request.method": METHODS[number % len(METHODS)],
        "http.route": ROUTES[number % len(ROUTES)],
        "http.response.status_code": rng.choice(STATUS_CODES),
        "server.address": f"node-{number % 5}.eu-west-1.internal",
        "server.port": 8080,
        "user.id": f"user-{rng.randrange(USERS)}",
        "internal.shard": number % 8,
        "network.protocol.version": "1.1",
    })  # fmt: skip


def metrics(rows: int, seed: int = 3) -> bytes:
    """A `MetricsData` message of so many data points: gauges, sums and histograms of ten points each."""
    rng = random.Random(seed)
    data = MetricsData()
    number = 0
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for index, share in enumerate(_shares(rows, _resources(rows))):
        resource_metrics = data.resource_metrics.add()
        resource_metrics.resource.attributes.extend(_resource(index))
        scope_metrics = resource_metrics.scope_metrics.add()
        scope_metrics.scope.name = "opentelemetry.instrumentation.http"
        for first in range(0, share, 10):
            metric = scope_metrics.metrics.add(unit="ms", description="what the server measured")
            kind = (first // 10) % 3
            metric.name = ("http.server.queue", "http.server.requests", "http.server.duration")[kind]
            for _ in range(min(10, share - first)):
                point: Any
                if kind == 0:
                    point = metric.gauge.data_points.add(as_double=round(rng.random() * 100, 3))
                elif kind == 1:
                    metric.sum.aggregation_temporality, metric.sum.is_monotonic = cumulative, True
                    point = metric.sum.data_points.add(as_int=rng.randrange(100_000))
                else:
                    metric.histogram.aggregation_temporality = cumulative
                    counts = [rng.randrange(200) for _ in range(8)]
                    point = metric.histogram.data_points.add(count=sum(counts), sum=round(rng.random() * 9_000, 3))
                    point.bucket_counts.extend(counts)
                    point.explicit_bounds.extend((5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0))
                point.start_time_unix_nano = START_NS
                point.time_unix_nano = START_NS + number * 1_250_000
                point.attributes.extend(_point_attributes(number, rng))
                number += 1
    return data.SerializeToString()


MAKERS: Final[dict[str, Callable[..., bytes]]] = {"traces": traces, "logs": logs, "metrics": metrics}
"""Signal to the function that makes its payload, from the number of rows and a seed."""

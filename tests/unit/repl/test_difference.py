"""Records as paths and values, and what differs."""

from __future__ import annotations

import json
from typing import Any

from ottl.codec import messages
from ottl.repl.difference import Change, changes, describe, flatten
from ottl.vm.messages import walk


def paths(signal: str, document: dict[str, Any], level: str) -> dict[str, str]:
    """The paths of the first record of a document."""
    root = messages.decode(json.dumps(document).encode(), signal, "json")
    return flatten(next(walk(root, signal, level)), level)


def text(value: str) -> dict[str, str]:
    """An attribute value."""
    return {"stringValue": value}


def test_a_span() -> None:
    """Fields by their paths, maps by their keys, rows inside by their numbers."""
    span = {
        "name": "a",
        "startTimeUnixNano": "1000000000",
        "spanId": "0102030405060708",
        "kind": 77,
        "attributes": [
            {"key": 'k"q', "value": text("v")},
            {"key": 'k"q', "value": text("again")},
            {"key": "m", "value": {"kvlistValue": {"values": [{"key": "x", "value": {"intValue": "1"}}]}}},
            {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
            {"key": "e", "value": {"kvlistValue": {}}},
        ],
        "events": [{"name": "one"}, {}],
        "links": [{"traceId": "01020304050607080102030405060708"}],
        "status": {"code": 2},
    }
    document = {
        "resourceSpans": [
            {"schemaUrl": "s", "resource": {}, "scopeSpans": [{"scope": {"name": "lib"}, "spans": [span]}]},
        ]
    }
    assert paths("traces", document, "span") == {
        "span.span_id": "0102030405060708",
        "span.name": '"a"',
        "span.kind": "77",
        "span.start_time": "1970-01-01T00:00:01Z",
        'span.attributes["k\\"q"]': '"v"',
        'span.attributes["k\\"q"] (2)': '"again"',
        'span.attributes["m"]["x"]': "1",
        'span.attributes["l"]': "[true, nil]",
        'span.attributes["e"]': "{}",
        "spanevent[0].name": '"one"',
        "spanevent[1]": "{}",
        "span.links[0].trace_id": "01020304050607080102030405060708",
        "span.status.code": "2 (STATUS_CODE_ERROR)",
        "scope.name": '"lib"',
        "resource.schema_url": '"s"',
    }


def test_a_metric() -> None:
    """Data points and exemplars are named as their contexts name them."""
    point = {"asInt": "3", "exemplars": [{"asDouble": 1.5}], "attributes": [{"key": "a", "value": text("b")}]}
    document = {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "sum": {"dataPoints": [point]}}]}]}],
    }
    assert paths("metrics", document, "metric") == {
        "metric.name": '"m"',
        "metric.type": "Sum",
        "datapoint[0].value_int": "3",
        "datapoint[0].exemplar[0].double_value": "1.5",
        'datapoint[0].attributes["a"]': '"b"',
    }


def test_a_histogram() -> None:
    """Lists of numbers are shown whole."""
    point = {"count": "3", "bucketCounts": ["1", "2"], "explicitBounds": [0.5]}
    document = {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "histogram": {"dataPoints": [point]}}]}]}],
    }
    found = paths("metrics", document, "metric")
    assert found["datapoint[0].bucket_counts"] == "[1, 2]"
    assert found["datapoint[0].explicit_bounds"] == "[0.5]"


def test_a_log() -> None:
    """A body that is a map by its keys; a record in a few words."""
    record = {"severityText": "WARN", "body": {"kvlistValue": {"values": [{"key": "a", "value": text("b")}]}}}
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"body": text("x")}, {}]}]}]}
    assert paths("logs", document, "log")['log.body["a"]'] == '"b"'
    root = messages.decode(json.dumps(document).encode(), "logs", "json")
    assert [describe(row, "log") for row in walk(root, "logs", "log")] == ['WARN {"a": "b"}', '"x"', "no body"]


def test_changes() -> None:
    """What is gone or different in the old order, then what is new."""
    found = changes({"a": "1", "b": "2", "c": "3"}, {"c": "4", "a": "1", "d": "5"})
    assert found == [Change("b", "2", None), Change("c", "3", "4"), Change("d", None, "5")]
    assert [change.sign for change in found] == ["-", "~", "+"]

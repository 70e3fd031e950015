"""The filter: what its conditions drop, in both styles and on both stacks."""

from __future__ import annotations

from typing import Any

import pytest

import ottl
from ottl import engine
from ottl.codec.messages import root_class


def traces(*resources: list[list[tuple[str, list[str]]]]) -> bytes:
    """Resources of scopes of spans, each with a name and the names of its events."""
    message = root_class("traces")()
    for number, scopes in enumerate(resources):
        holder = message.resource_spans.add(schema_url=f"r{number}".encode())
        for spans in scopes:
            scope = holder.scope_spans.add()
            for name, events in spans:
                span = scope.spans.add(name=name.encode())
                for event in events:
                    span.events.add(name=event.encode())
    return bytes(message.SerializeToString())


def shape(payload: bytes) -> list[list[list[tuple[str, list[str]]]]]:
    """The reverse of `traces`."""
    message = root_class("traces").FromString(payload)
    return [
        [[(s.name.decode(), [e.name.decode() for e in s.events]) for s in scope.spans] for scope in r.scope_spans]
        for r in message.resource_spans
    ]


def metrics(*points: list[int]) -> bytes:
    """Gauges m0, m1... with these integers as points."""
    message = root_class("metrics")()
    scope = message.resource_metrics.add().scope_metrics.add()
    for number, values in enumerate(points):
        metric = scope.metrics.add(name=f"m{number}".encode())
        metric.gauge.SetInParent()
        for value in values:
            metric.gauge.data_points.add(as_int=value)
    return bytes(message.SerializeToString())


PAYLOAD = traces([[("a", ["x", "y"]), ("b", [])], [("c", ["x"])]], [[("a", [])]])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"trace_conditions": ['span.name == "a"']}, [[[("b", [])], [("c", ["x"])]]]),
        ({"trace_conditions": ['span.name == "a"', 'span.name == "c"']}, [[[("b", [])]]]),
        (
            {"trace_conditions": ['spanevent.name == "x"']},
            [[[("a", ["y"]), ("b", [])], [("c", [])]], [[("a", [])]]],
        ),
        ({"trace_conditions": ['resource.schema_url == "r0"']}, [[[("a", [])]]]),
        (
            {"trace_conditions": ['resource.schema_url == "r1"', 'spanevent.name == "x"', 'span.name == "b"']},
            [[[("a", ["y"])], [("c", [])]]],
        ),
        (
            {"trace_conditions": [{"context": "span", "conditions": ['name == "b"']},
                                  {"conditions": ["Len(span.events) == 0"]}]},
            [[[("a", ["x", "y"])], [("c", ["x"])]]],
        ),
        ({"traces": {"span": ['name == "a"'], "spanevent": ['span.name == "c"']}}, [[[("b", [])], [("c", [])]]]),
        ({"traces": {"resource": ['schema_url == "r0"']}}, [[[("a", [])]]]),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_dropped(
    config: dict[str, Any], expected: list[list[list[tuple[str, list[str]]]]], stack: engine.Stack
) -> None:
    """Elements for which a condition of their level holds go, and parents that are left empty go with them."""
    assert shape(ottl.Filter(config, stack=stack).process(PAYLOAD)) == expected


def test_emptied_payloads(stack: engine.Stack) -> None:
    """A payload of which nothing is left is empty, in the form of its encoding."""
    processor = ottl.Filter({"trace_conditions": ["true or span.name == nil"]}, stack=stack)
    assert processor.process(PAYLOAD) == b""
    everything = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}'
    assert processor.process(everything, encoding="json") == b"{}"


def test_nothing_dropped_nothing_changed(stack: engine.Stack) -> None:
    """A payload that loses nothing comes back as it came."""
    assert ottl.Filter({"trace_conditions": ['span.name == "z"']}, stack=stack).process(PAYLOAD) == PAYLOAD
    assert ottl.Filter({}, stack=stack).process(PAYLOAD) == PAYLOAD
    assert ottl.Filter({"log_conditions": ['log.body == "x"']}, stack=stack).process(PAYLOAD) == PAYLOAD


def test_metrics_without_points(stack: engine.Stack) -> None:
    """A metric goes with its last data point, one that came without points too."""
    payload = metrics([1, 2], [1], [])
    out = ottl.Filter({"metric_conditions": ["datapoint.value_int == 1"]}, stack=stack).process(payload, "metrics")
    message = root_class("metrics").FromString(out)
    (metric,) = message.resource_metrics[0].scope_metrics[0].metrics
    assert [p.as_int for p in metric.gauge.data_points] == [2]


def test_errors_keep_the_element(stack: engine.Stack) -> None:
    """A condition that fails counts as false and the next is asked; it is counted."""
    processor = ottl.Filter({"trace_conditions": ['Split(span.name, "b")[1] == ""', 'span.name == "a"']}, stack=stack)
    assert shape(processor.process(PAYLOAD)) == [[[("c", ["x"])]]]
    assert [(s.matched, s.errors) for s in processor.stats()] == [(1, 3), (2, 0)]


def test_propagate_fails_the_payload(stack: engine.Stack) -> None:
    """Under propagate a failing condition fails the payload once the walk is over."""
    config = {"error_mode": "propagate", "trace_conditions": ['Split(span.name, "b")[1] == ""']}
    with pytest.raises(ottl.StatementError, match="Split"):
        ottl.Filter(config, stack=stack).process(PAYLOAD)


def test_wholly_dropped_although_one_failed(stack: engine.Stack) -> None:
    """Of a payload that is wholly dropped nobody hears of failures."""
    conditions = [
        {"conditions": ["1 / 0 == 1 or resource.schema_url == nil"]},
        {"conditions": ["true or resource.schema_url == nil"]},
    ]
    config = {"error_mode": "propagate", "trace_conditions": conditions}
    assert ottl.Filter(config, stack=stack).process(PAYLOAD) == b""


def test_explanation() -> None:
    """What is dropped when, and on which stack."""
    shown = ottl.Filter({"trace_conditions": ["span.kind == 2"]}).explain()
    assert shown.startswith("traces, pass 1: drop elements, error mode ignore\n  stack: columns")
    assert "drop span when span.kind == 2" in shown


def test_fast_where_rows_are_needed() -> None:
    """Asking for columns where rows are needed is an error of the configuration."""
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.Filter({"trace_conditions": ["Len(span.events) == 0"]}, stack="fast")
    assert [d.code for d in caught.value.diagnostics] == ["E901"]

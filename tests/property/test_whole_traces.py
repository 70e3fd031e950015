"""Functions over whole traces and with memory: both stacks do the same, on traces with everything that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ottl import Filter, StatementError, Transform, engine
from ottl.codec.messages import root_class
from tests import otlp_compare
from tests.unit.analysis.arrays import One, span_lists

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

STATEMENTS = (
    'set(span.attributes["p"], Parent(span.name))',
    'set(span.attributes["p"], Parent(span.attributes["p"])) where span.kind != 1',
    'set(span.attributes["pp"], Parent(Parent(span.attributes)))',
    'set(span.name, Concat([Root(span.name), "!"], "")) where Parent(span.name) != nil or IsOnCriticalPath()',
    'set(span.attributes["n"], TraceCount(span.status.code == 2))',
    'set(span.attributes["c"], ChildCount(Len(span.attributes["k"]) == 1))',
    'set(span.attributes["t"], TraceCount(span.end_time_unix_nano / span.kind > 1)) where TraceCount() > 2',
    'set(span.attributes["self"], SelfTime() / Duration("1ns")) where SelfTime() != nil',
    'set(span.attributes["self"], Nanoseconds(SelfTime()))',
    'set(span.attributes["l"], LogicalClock())',
    'set(span.attributes["before"], CausallyPrecedes(span.parent_span_id, span.span_id))',
    'set(span.attributes["before"], CausallyPrecedes(Parent(span.span_id.string), span.attributes["k"]))',
    'set(span.attributes["critical"], IsOnCriticalPath())',
    'set(span.attributes["longest"], IsOnCriticalPath("longest"))',
    'set(span.attributes["origin"], ErrorOrigin())',
    'set(span.attributes["earliest"], EarliestError("3s", limit=2))',
    'set(span.attributes["score"], RootCauseScore())',
    'set(span.attributes["causes"], RootCauses(2))',
    "set(span.status.code, 2) where ErrorOrigin() == nil and TraceCount() > 3",
    'set(span.parent_span_id.string, "0000000000000001") where LogicalClock() == 2',
    "set(span.end_time_unix_nano, span.start_time_unix_nano) where IsOnCriticalPath()",
    'set(resource.attributes["service.name"], "z") where TraceCount(span.name == "x") == 2',
    'set(resource.attributes["last"], LogicalClock())',
    'set(span.attributes["e"], EWMA(span.attributes["v"]))',
    'set(span.attributes["z"], ZScore(ChildCount(), 3, key=[span.kind, Root(span.name)]))',
    'set(span.attributes["d"], StdDev(span.attributes["v"], 2, key=span.attributes))',
    'set(span.attributes["a"], "anomaly") where IsAnomaly(span.attributes["v"], threshold=0.9, hold=1, window=2)',
    'delete_key(span.attributes, "k") where RootCauseScore() > 0.5',
)
CONDITIONS = (
    'Parent(span.name) == "x"',
    "TraceCount(span.status.code == 2) > 1",
    "IsAnomaly(span.kind, threshold=1, window=2, key=nil)",
    'EWMA(span.attributes["v"]) > 1',
    "ErrorOrigin() == span.span_id.string",
)


@pytest.fixture(autouse=True, scope="module")
def _every_payload_in_columns() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SMALL_PAYLOAD", 0)
        yield


def payload(ones: list[One], odd: bool = False) -> bytes:
    """The spans as OTLP, every service a resource."""
    message = root_class("traces")()
    for number, one in enumerate(ones):
        if not number or ones[number - 1].service != one.service:
            resource = message.resource_spans.add()
            resource.resource.attributes.add(key=b"service.name").value.string_value = one.service.encode()
            scope = resource.scope_spans.add()
        else:
            scope = message.resource_spans[-1].scope_spans[0]
        span = scope.spans.add(
            trace_id=one.trace.to_bytes(16, "big"),
            span_id=one.span.to_bytes(8, "big") if one.span else b"",
            parent_span_id=one.parent.to_bytes(8, "big") if one.parent else b"\0" * (one.start // 500_000_000 % 3),
            name=one.name.encode(),
            kind=one.start // 500_000_000 % 4,
            start_time_unix_nano=one.start,
            end_time_unix_nano=max(one.end, 0),
        )
        span.status.code = 2 if one.error else 0
        if odd and one.error:
            span.trace_id = span.trace_id[:5]
        for trace, linked in one.links:
            span.links.add(trace_id=trace.to_bytes(16, "big"), span_id=linked.to_bytes(8, "big"))
        step = max(one.end, 0) // 500_000_000
        for key in one.keys:
            value = span.attributes.add(key=key.encode()).value
            if key == "k":
                value.string_value = one.name.encode() * (step % 3)
        if step % 5:
            value = span.attributes.add(key=b"v").value
            if step % 5 == 1:
                value.double_value = step / 2
            elif step % 5 == 2:
                value.string_value = b"7" if step % 2 else b"seven"
            else:
                value.int_value = step
    return bytes(message.SerializeToString())


def _run(processor: Any, data: bytes) -> Any:
    try:
        return processor.process(data, "traces")
    except StatementError as error:
        return str(error)


def _agree(make: Any, config: dict[str, Any], payloads: list[bytes]) -> None:
    fast, plain = (make(config, stack=stack, clock=lambda: 10**18) for stack in ("auto", "plain"))
    for data in payloads:
        one, other = _run(fast, data), _run(plain, data)
        if isinstance(one, bytes) and isinstance(other, bytes):
            # A value that is absent and an empty one are the same to the reference.
            assert otlp_compare.parse_protobuf(one, "traces") == otlp_compare.parse_protobuf(other, "traces")
        else:
            assert one == other
    if config.get("error_mode") != "propagate":
        assert [(s.matched, s.changed, s.errors, s.first_error) for s in fast.stats()] == [
            (s.matched, s.changed, s.errors, s.first_error) for s in plain.stats()
        ]
        assert fast.state() == plain.state()


PAYLOADS = st.lists(st.builds(payload, span_lists(unit=500_000_000), st.booleans()), min_size=1, max_size=3)


@given(
    st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5),
    st.lists(st.sampled_from(CONDITIONS), max_size=2),
    PAYLOADS,
    st.sampled_from(["ignore", "propagate"]),
)
@settings(max_examples=150, deadline=None)
def test_groups(statements: list[str], conditions: list[str], payloads: list[bytes], mode: str) -> None:
    """Groups of a transform, statement by statement, over a few payloads that they remember."""
    group = {"context": "span", "statements": statements, "conditions": conditions}
    _agree(Transform, {"error_mode": mode, "trace_statements": [group]}, payloads)


@given(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3), PAYLOADS)
@settings(max_examples=60, deadline=None)
def test_filters(conditions: list[str], payloads: list[bytes]) -> None:
    """A filter sees whole traces before anything goes."""
    items = ['resource.attributes["service.name"] == "c"', *conditions]
    _agree(Filter, {"trace_conditions": items}, payloads)


def test_these_run_in_columns() -> None:
    """Columns take nearly all of the statements, alone."""
    chosen = [
        Transform({"trace_statements": [{"context": "span", "statements": [s]}]})._passes["traces"][0].in_columns
        for s in STATEMENTS
    ]
    assert sum(chosen) >= len(STATEMENTS) - 2

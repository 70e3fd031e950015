"""Statements that change what rows share: columns give what rows give, whichever of the ways they take."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

import ottl
from ottl import engine
from ottl.planner import stacks
from tests import otlp_compare

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

SEEDS = st.integers(0, 1 << 32)
KEYS = ("a", "b", "c", "d")
VALUES: tuple[Any, ...] = ("x", "xx", "X Y", "12", "", 3, True, 1.5)


def _value(draw: random.Random, target: Any) -> None:
    value = draw.choice(VALUES)
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    else:
        target.string_value = value


def _attributes(draw: random.Random, target: Any) -> None:
    for key in draw.sample(KEYS, draw.randint(0, len(KEYS))):
        _value(draw, target.add(key=key).value)


def payload(signal: str, draw: random.Random) -> bytes:
    """Up to three resources with up to three scopes with many rows."""
    data: Any = TracesData() if signal == "traces" else MetricsData()
    for _ in range(draw.randint(1, 3)):
        resource = (data.resource_spans if signal == "traces" else data.resource_metrics).add()
        _attributes(draw, resource.resource.attributes)
        for _ in range(draw.randint(1, 3)):
            scope = (resource.scope_spans if signal == "traces" else resource.scope_metrics).add()
            scope.scope.name = draw.choice(["", "x", "Lib X"])
            _attributes(draw, scope.scope.attributes)
            if signal == "traces":
                for _ in range(draw.randint(0, 9)):
                    span = scope.spans.add(name=draw.choice(["x", "y", "z"]), kind=draw.randint(0, 3))
                    _attributes(draw, span.attributes)
                continue
            for _ in range(draw.randint(0, 3)):
                metric = scope.metrics.add(name=draw.choice(["x", "y"]), description=draw.choice(["", "x", "Some X"]))
                metric.gauge.SetInParent()
                for _ in range(draw.randint(0, 7)):
                    _attributes(draw, metric.gauge.data_points.add(as_int=1).attributes)
    encoded: bytes = data.SerializeToString()
    return encoded


def _outer(draw: random.Random, signal: str) -> tuple[str, str]:
    """A map that rows share, and a text that they share."""
    if signal == "metrics" and draw.random() < 0.5:
        return "resource.attributes", "metric.description"
    level = draw.choice(["resource", "scope"])
    return f"{level}.attributes", draw.choice(["scope.name", f'{level}.attributes["{draw.choice(KEYS)}"]'])


def statement(signal: str, draw: random.Random) -> str:
    """One that writes what rows share, most of the time, from what they share, most of the time."""
    row = "span" if signal == "traces" else "datapoint"
    entries, text = _outer(draw, signal)
    other, _ = _outer(draw, signal)
    key, another, own = (f'{entries}["{draw.choice(KEYS)}"]', f'{other}["{draw.choice(KEYS)}"]', f"{row}.attributes")
    found = draw.choice(
        [
            f"set({key}, {draw.choice(['1', chr(34) + 'x' + chr(34), 'true', another, text])})",
            f"set({key}, {own}[{draw.choice(KEYS)!r}])".replace("'", '"'),
            f'set({key}, Concat([{key}, "x"], ""))',
            f'set({text}, Concat(["y", {text}], "-"))',
            f"set({key}, ToLowerCase({key}))",
            f"set({text}, Substring({text}, 0, 1))",
            f'set({entries}, ParseJSON("{{}}"))',
            f'delete_key({entries}, "{draw.choice(KEYS)}")',
            f'keep_keys({entries}, ["{draw.choice(KEYS)}", "{draw.choice(KEYS)}"])',
            f'replace_pattern({key}, "x", "{draw.choice(["y", "yx", ""])}")',
            f'replace_all_patterns({entries}, "{draw.choice(["key", "value"])}", "x", "{draw.choice(["y", "yx"])}")',
            f'merge_maps({entries}, {other}, "{draw.choice(["insert", "update", "upsert"])}")',
            f"limit({entries}, {draw.randint(0, 3)}, [])",
            f"truncate_all({entries}, {draw.randint(0, 3)})",
            f'append({key}, "x")',
            f"set({own}[{draw.choice(KEYS)!r}], {draw.choice([key, another, text])})".replace("'", '"'),
            f"merge_maps({own}, {entries}, {draw.choice(['insert', 'upsert'])!r})".replace("'", '"'),
            f'set({own}["n"], Len({entries}))',
        ]
    )
    condition = draw.choice(
        [
            *["", "", ""],
            f" where {key} == nil",
            f" where {another} != nil",
            f' where {another} == "x"',
            f' where IsMatch({another}, "x")',
            f'{" where "}{own}["a"] == "x"',
            f" where Len({another}) > 1",
        ]
    )
    return found + condition


def _result(processor: Any, data: bytes, signal: str) -> tuple[Any, list[tuple[int, int, str | None]]]:
    try:
        out: Any = processor.process(data, signal=signal)
    except ottl.StatementError as error:
        return (str(error), error.row), []
    return out, [(s.matched, s.errors, s.first_error) for s in processor.stats()]


def check(signal: str, draw: random.Random) -> tuple[bool, bool]:
    """A program over payloads in both ways; whether columns may run it, and whether it has to settle."""
    row = "span" if signal == "traces" else "datapoint"
    group: dict[str, Any] = {
        "context": row,
        "statements": [statement(signal, draw) for _ in range(draw.randint(1, 4))],
        "error_mode": draw.choice(["ignore", "propagate"]),
    }
    if draw.random() < 0.3:
        group["conditions"] = [f'{row}.attributes["{draw.choice(KEYS)}"] != nil']
    config = {("trace" if signal == "traces" else "metric") + "_statements": [group]}
    fast, plain = ottl.Transform(config), ottl.Transform(config, stack="plain")
    for _ in range(4):
        data = payload(signal, draw)
        ours, counts = _result(fast, data, signal)
        theirs, expected = _result(plain, data, signal)
        if isinstance(ours, bytes) and isinstance(theirs, bytes):
            one, other = (otlp_compare.parse_protobuf(x, signal, ordered=True) for x in (ours, theirs))
            assert otlp_compare.equal(one, other), (config, data, list(otlp_compare.differences(one, other)))
        else:
            assert ours == theirs, (config, data)
            break  # what has been counted up to there is each executor's own
        assert counts == expected, (config, data)
    (found,) = next(iter(fast._passes.values()))
    assert isinstance(found, engine.GroupPass)
    choice = found.code.choice
    return choice.columns, bool(choice.settle)


@pytest.fixture(autouse=True)
def _every_payload_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)


@given(st.sampled_from(["traces", "metrics"]), SEEDS)
@settings(max_examples=400, deadline=None)
def test_what_rows_share(signal: str, seed: int) -> None:
    """Columns give what rows give: bytes, counts and the first failure."""
    check(signal, random.Random(seed))


def test_most_programs_run_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs here reach every way: columns at once, columns that settle, columns that give up, and rows."""
    given_up = 0

    class Counted(stacks.Unsettled):
        def __init__(self) -> None:
            nonlocal given_up
            given_up += 1

    monkeypatch.setattr(stacks, "Unsettled", Counted)
    draw = random.Random(7)
    ways = [check(draw.choice(["traces", "metrics"]), draw) for _ in range(200)]
    assert min(ways.count((True, False)), ways.count((True, True)), ways.count((False, False)), given_up) > 10


def test_rows_that_go() -> None:
    """A row that is dropped before it changes anything does not show that nothing would change."""
    data: Any = TracesData()
    resource = data.resource_spans.add()
    resource.resource.attributes.add(key="a").value.string_value = "x"
    scope = resource.scope_spans.add()
    for number in range(9):
        scope.spans.add(name="gone" if number == 1 else "stays")
    rules = (
        'drop() where span.name == "gone"\nreplace_pattern(resource.attributes["a"], "x", "yx")\nset(span.kind, 2)\n'
    )
    found = [
        TracesData.FromString(ottl.compile(rules, stack=stack).process(data.SerializeToString(), signal="traces"))
        for stack in ("auto", "plain")
    ]
    assert found[0] == found[1]
    assert found[0].resource_spans[0].resource.attributes[0].value.string_value == "y" * 8 + "x"

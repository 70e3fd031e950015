"""Functions over whole traces in groups, filters, values and across messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ottl
from ottl import engine
from ottl.cli import main
from ottl.codec import joined
from ottl.codec.messages import decode, encode
from ottl.errors import PayloadError

TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(number: int, parent: int = 0, **fields: Any) -> dict[str, Any]:
    """A span of the one trace, as JSON has it."""
    start, end = fields.pop("at", (0, 0))
    found = {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "name": f"s{number}",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        **fields,
    }
    return {**found, "parentSpanId": f"{parent:016x}"} if parent else found


def message(*spans: dict[str, Any], service: str = "shop") -> str:
    """A message of one resource."""
    attributes = [{"key": "service.name", "value": {"stringValue": service}}]
    resource = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}
    return json.dumps({"resourceSpans": [resource]})


def spans_of(text: str | bytes) -> list[dict[str, Any]]:
    """The spans of a message."""
    return [
        one
        for resource in json.loads(text).get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for one in scope["spans"]
    ]


def run(stack: engine.Stack, *statements: str, spans: list[dict[str, Any]], **group: Any) -> list[dict[str, Any]]:
    """The spans after some statements."""
    config = {"trace_statements": [{"context": "span", "statements": list(statements), **group}]}
    return spans_of(ottl.Transform(config, stack=stack).process(message(*spans).encode(), "traces", "json"))


def test_statement_by_statement(stack: engine.Stack) -> None:
    """All rows see the effects of earlier statements, and none of the statement itself."""
    found = run(
        stack,
        "set(span.name, Parent(span.name)) where Parent(span.name) != nil",
        'set(span.trace_state, Concat([Root(span.name), Parent(span.name)], "-"))',
        spans=[span(1), span(2, 1), span(3, 2), span(4, 3)],
    )
    assert [s["name"] for s in found] == ["s1", "s1", "s2", "s3"]
    assert [s["traceState"] for s in found] == ["s1-<nil>", "s1-s1", "s1-s1", "s1-s2"]


def test_structure_that_changes(stack: engine.Stack) -> None:
    """What statements write to ids, times and status is seen by those after them."""
    found = run(
        stack,
        'set(span.parent_span_id.string, "0000000000000002") where span.name == "s3"',
        "set(span.flags, LogicalClock())",
        "set(span.end_time_unix_nano, 50)",
        'set(span.kind, 2) where SelfTime() == Duration("50ns")',
        "set(span.status.code, 2)",
        "set(span.dropped_events_count, TraceCount(ErrorOrigin() != nil))",
        spans=[span(1, at=(50, 0)), span(2, 1), span(3, 1)],
    )
    assert [s.get("flags", 0) for s in found] == [0, 1, 2]
    assert [s.get("kind", 0) for s in found] == [0, 0, 2]
    assert [s["droppedEventsCount"] for s in found] == [3, 3, 3]


def test_rows_that_a_condition_leaves_out_count(stack: engine.Stack) -> None:
    """A group's conditions choose who is written, not who is in the trace."""
    found = run(
        stack,
        "set(span.flags, TraceCount())",
        spans=[span(1), span(2, 1), span(3, 1)],
        conditions=['name == "s2"', "ChildCount() == 9"],
    )
    assert [s.get("flags") for s in found] == [None, 3, None]


def test_failing_condition(stack: engine.Stack) -> None:
    """A condition that fails on one span fails for those that ask about it: its trace, or its parent."""
    spans = [span(1), span(2, 1), span(3, 2), {**span(4), "traceId": "0" * 31 + "1"}]
    config = {
        "trace_statements": [
            'set(span.attributes["n"], TraceCount(10 / (span.kind - 1) == 10))',
            'set(span.attributes["c"], ChildCount(10 / (span.kind - 1) == 10))',
        ]
    }
    spans[2]["kind"] = 1
    processor = ottl.Transform(config, stack=stack)
    found = spans_of(processor.process(message(*spans).encode(), "traces", "json"))
    assert [s.errors for s in processor.stats()] == [3, 1]
    assert [[a["key"] for a in s.get("attributes", [])] for s in found] == [["c"], [], ["c"], ["n", "c"]]


def test_error_modes(stack: engine.Stack) -> None:
    """Under `propagate` the first failing row is told, whichever statement failed on it."""
    config = {
        "error_mode": "propagate",
        "trace_statements": [
            'set(span.name, Substring(span.name, 5, 1)) where span.name == "s3" and TraceCount() == 3',
            'set(span.name, Substring(span.name, 6, 1)) where span.name == "s2"',
        ],
    }
    with pytest.raises(ottl.StatementError) as caught:
        ottl.Transform(config, stack=stack).process(message(span(1), span(2, 1), span(3, 1)).encode(), "traces", "json")
    assert caught.value.row == 1


def test_shared_cache_is_refused() -> None:
    """Rows cannot pass things on where statements run over all of them."""
    group = {"context": "span", "statements": ["set(name, Parent(name))"], "shared_cache": True}
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.Transform({"trace_statements": [group]})
    assert [d.code for d in caught.value.diagnostics] == ["E902"]


def test_only_where_there_are_spans() -> None:
    """Other contexts do not know these functions."""
    with pytest.raises(ottl.ConfigError, match="unknown"):
        ottl.compile('set(log.attributes["x"], TraceCount())')


def test_filter_sees_whole_traces(stack: engine.Stack) -> None:
    """Conditions are evaluated before anything is dropped."""
    filtering = ottl.Filter({"trace_conditions": ["ChildCount() == 0", "span.kind == 3"]}, stack=stack)
    data = message(span(1), span(2, 1), span(3, 2), {**span(4), "kind": 3}).encode()
    assert [s["name"] for s in spans_of(filtering.process(data, "traces", "json"))] == ["s1", "s2"]


def test_values() -> None:
    """Compiled values and conditions see whole traces too."""
    data = message(span(1), span(2, 1), span(3, 2)).encode()
    value = ottl.compile_value("Parent(Parent(span.name))", signal="traces")
    assert value.evaluate(data, encoding="json") == [None, None, "s1"]
    condition = ottl.compile_condition("LogicalClock() > 1", signal="traces")
    assert condition.evaluate(data, encoding="json").tolist() == [False, False, True]


def test_explained() -> None:
    """The explanation shows what is evaluated on every row, and what is read by itself."""
    text = ottl.compile("set(span.name, Parent(span.trace_state)) where TraceCount(span.kind == 1) > 1").explain()
    assert "looks at whole traces" in text
    assert "| " in text
    for path in ("span.trace_state", "span.kind", "span.parent_span_id", "span.start_time_unix_nano"):
        assert path in text


# Across messages


def payload(text: str) -> bytes:
    """A message in protobuf."""
    return encode(decode(text.encode(), "traces", "json"), "traces", "protobuf")


def as_json(data: bytes) -> str:
    """A payload as JSON."""
    return encode(decode(data, "traces", "protobuf"), "traces", "json").decode()


def test_joined_and_split() -> None:
    """Payloads come back byte for byte, empty ones and fields that nobody knows included."""
    unknown = b"\xf8\xff\xff\xff\x0f\x05"  # the very field that marks elements
    own = payload(message(span(1)))
    inner = own[2:] + unknown
    odd = b"\x0a" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner + unknown
    payloads = [own, b"", odd, payload(message(span(2), service="b"))]
    whole, aside = joined.join(payloads)
    assert joined.split(whole, aside)[0] == own
    assert [decode(p, "traces") for p in joined.split(whole, aside)] == [decode(p, "traces") for p in payloads]
    assert joined.split(whole, aside)[2].count(unknown) == 2
    for broken in (b"\x0a\x05", b"\x0a", b"\xff", b"\x0b"):
        with pytest.raises(PayloadError):
            joined.join([broken])


def test_processed_together(stack: engine.Stack) -> None:
    """A trace in several payloads is one trace, and every payload comes back by itself, an emptied one empty."""
    payloads = [payload(message(span(3, 2))), payload(message(span(1))), b"", payload(message(span(2, 1)))]
    processor = ottl.Transform({"trace_statements": ["set(span.name, Root(span.name))"]}, stack=stack)
    found = [[s["name"] for s in spans_of(as_json(p))] for p in processor.process_together(payloads)]
    assert found == [["s1"], ["s1"], [], ["s1"]]
    filtering = ottl.Filter({"trace_conditions": ["ChildCount() > 0"]}, stack=stack)
    assert [len(p) > 0 for p in filtering.process_together(payloads)] == [True, False, False, False]


def ottl_run(arguments: list[str]) -> int:
    """The exit code of `ottl run`."""
    with pytest.raises(SystemExit) as caught:
        main(["run", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


RULE = "set(span.name, Root(span.name)) where TraceCount() == 3"
LOGS = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}'


def test_run_groups_by_trace(tmp_path: Path) -> None:
    """`ottl run` sees the traces of a file, and writes its messages in their order."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join([message(span(2, 1)), LOGS, message(span(1)), message(span(3, 2))]) + "\n")
    assert ottl_run(["-e", RULE, str(source), "-o", str(target)]) == 0
    lines = target.read_text().splitlines()
    assert [[s["name"] for s in spans_of(line)] for line in lines] == [["s1"], [], ["s1"], ["s1"]]
    assert "resourceLogs" in lines[1]


def test_run_with_bad_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad message is passed over as always; the others are still looked at together."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    bad = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":5}]}]}]}'
    source.write_text("\n".join([message(span(2, 1)), bad, "nonsense", message(span(1), span(3, 2))]) + "\n")
    assert ottl_run(["-e", RULE, str(source), "-o", str(target), "--on-bad-input", "copy"]) == 1
    lines = target.read_text().splitlines()
    assert lines[1:3] == [bad, "nonsense"]
    assert [s["name"] for s in spans_of(lines[3])] == ["s1", "s1"]
    assert "2 bad messages" in capsys.readouterr().err
    assert ottl_run(["-e", RULE, str(source), "-o", str(tmp_path / "none.jsonl")]) == 1
    assert not (tmp_path / "none.jsonl").exists()


def test_run_with_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What functions remember goes from run to run; a damaged file stops the run and stays."""
    rule = 'set(span.flags, 7) where IsAnomaly(span.end_time_unix_nano, window=3, key="all")'
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(message(*(span(n, at=(0, 5)) for n in range(1, 5))) + "\n")
    second.write_text(message(span(9, at=(0, 6))) + "\n")
    state = tmp_path / "state"
    assert ottl_run(["-e", rule, "--state", str(state), str(first), "-o", str(tmp_path / "x")]) == 0
    assert ottl_run(["-e", rule, "--state", str(state), str(second), "-o", str(tmp_path / "y.jsonl")]) == 0
    assert spans_of((tmp_path / "y.jsonl").read_text())[0]["flags"] == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl", "state", "x", "y.jsonl"]
    state.write_bytes(b"OTTLSTAT" + bytes(100))
    assert ottl_run(["-e", rule, "--state", str(state), str(second), "-o", str(tmp_path / "z.jsonl")]) == 1
    assert "version 0" in capsys.readouterr().err
    assert not (tmp_path / "z.jsonl").exists()


def test_drop_and_route(stack: engine.Stack) -> None:
    """Actions go statement by statement too: a dropped row is out, and leaves when the group has ended."""
    script = """
    drop() where span.name == "s2"
    route(exporter.slow) where ChildCount() == 1
    set(span.flags, TraceCount())
    limit(2, 1h)
    """
    program = ottl.compile(script, signal="traces", stack=stack)
    data = message(*(span(n, n - 1, at=(10**18, 10**18)) for n in range(1, 6))).encode()
    seen = []
    for _ in range(2):
        outputs = {route: spans_of(out) for route, out in program.run_routes(data, encoding="json").items()}
        seen.append({route: [(s["name"], s["flags"]) for s in spans] for route, spans in outputs.items()})
    assert seen == [{None: [], "slow": [("s1", 5), ("s3", 5)]}, {None: [], "slow": []}]
    assert [(s.matched, s.changed) for s in program.stats()] == [(2, 2), (6, 6), (8, 8), (8, 6)]


def test_routes_across_messages() -> None:
    """Routed rows of a trace in several payloads go to the outputs of their payloads."""
    program = ottl.compile("route(exporter.inner) where Parent(span.name) != nil", signal="traces")
    payloads = [payload(message(span(2, 1))), payload(message(span(1), span(3, 2)))]
    found = [
        {route: [s["name"] for s in spans_of(as_json(out))] for route, out in outputs.items()}
        for outputs in program.split_together(payloads)
    ]
    assert found == [{None: [], "inner": ["s2"]}, {None: ["s1"], "inner": ["s3"]}]
    with pytest.raises(ValueError, match="split_together"):
        program.process_together(payloads)

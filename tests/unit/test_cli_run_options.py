"""`ottl run` with the real engine: `--errors`, `--limit`, `--dry-run`, `--strict`, many inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ottl
from ottl import engine
from ottl.cli import main
from ottl.codec import messages, native
from ottl.engine import RowError


def span(name: str, **attributes: Any) -> dict[str, Any]:
    """A span of OTLP JSON."""
    kinds = {str: "stringValue", int: "intValue"}
    entries = [{"key": key, "value": {kinds[type(value)]: value}} for key, value in attributes.items()]
    return {"name": name, "attributes": entries}


def traces(*spans: dict[str, Any]) -> str:
    """A message of spans in one resource and scope, as a line of JSON."""
    scopes = [{"scope": {"name": "lib"}, "spans": list(spans)}]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}) + "\n"


FAILS = 'set(span.attributes["y"], ToUpperCase(span.attributes["x"])) where span.attributes["x"] != nil'


@pytest.fixture(params=["plain", "auto"])
def stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both executors, columns on however small a payload."""
    if request.param == "auto" and not native.available():
        pytest.skip("the native codec is not there")
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)
    return str(request.param)


def run(*arguments: str) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as caught:
        main(["run", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with one input."""
    monkeypatch.chdir(tmp_path)
    text = traces(span("a", x="one"), span("b", x=1)) + traces(span("c", x=2)) + traces(span("d"))
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_errors_go_to_a_file(folder: Path, stack: str) -> None:
    """One line a failure: statement, error, place, and the record, alone and as it came."""
    change = 'set(span.name, "changed")'
    assert run("--stack", stack, "-e", change, "-e", FAILS, "in.jsonl", "-o", "out.jsonl", "--errors", "errors") == 0
    found = lines(folder / "errors")
    assert [(error["input"], error["row"]) for error in found] == [("in.jsonl:1", 1), ("in.jsonl:2", 0)]
    record = found[0].pop("record")
    assert found[0] == {
        "input": "in.jsonl:1",
        "processor": "-e",
        "statement": FAILS,
        "location": found[0]["location"],
        "signal": "traces",
        "context": "span",
        "row": 1,
        "error": "expected string but got int64",
    }
    (resource,) = record["resourceSpans"]
    assert resource["resource"]["attributes"][0]["key"] == "service.name"
    (scope,) = resource["scopeSpans"]
    assert scope["scope"]["name"] == "lib"
    assert [each["name"] for each in scope["spans"]] == ["b"]


def test_a_record_can_be_run_again(folder: Path, stack: str) -> None:
    """It is OTLP JSON, and fails in the same way."""
    assert run("--stack", stack, "-e", FAILS, "in.jsonl", "-o", "out.jsonl", "--errors", "errors") == 0
    first = lines(folder / "errors")
    (folder / "again.jsonl").write_text("".join(json.dumps(e["record"]) + "\n" for e in first), encoding="utf-8")
    assert run("--stack", stack, "-e", FAILS, "again.jsonl", "-o", "out.jsonl", "--errors", "errors") == 0
    again = lines(folder / "errors")
    assert [e["record"] for e in again] == [e["record"] for e in first]
    assert [e["error"] for e in again] == [e["error"] for e in first]


@pytest.mark.parametrize("path", ["in.jsonl", "./in.jsonl", "out.jsonl", "rules.yaml"])
def test_errors_never_overwrite(folder: Path, path: str) -> None:
    """Neither an input nor the rules nor the output."""
    (folder / "rules.yaml").write_text("trace_statements: ['set(span.kind, 2)']", encoding="utf-8")
    before = (folder / "in.jsonl").read_bytes()
    assert run("rules.yaml", "in.jsonl", "-o", "out.jsonl", "--errors", path) == 2
    assert (folder / "in.jsonl").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["in.jsonl", "rules.yaml"]


def test_errors_under_propagate(folder: Path, stack: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The failure that ends the message is there."""
    assert run("--stack", stack, "--error-mode", "propagate", "-e", FAILS, "in.jsonl", "--errors", "errors") == 1
    assert [(e["row"], e["error"]) for e in lines(folder / "errors")] == [(1, "expected string but got int64")]
    assert "row 1: expected string" in capfd.readouterr().err


CONTEXTS = [
    ('set(resource.attributes["x"], Substring(resource.attributes["service.name"], 9, 9))', "resource", {}),
    (
        "set(spanevent.name, Substring(spanevent.name, 9, 9))",
        "spanevent",
        {"events": [{"name": "one"}, {"name": "two"}]},
    ),
]


@pytest.mark.parametrize(("statement", "context", "more"), CONTEXTS)
def test_records_of_other_contexts(
    folder: Path, stack: str, statement: str, context: str, more: dict[str, Any]
) -> None:
    """A resource comes without its spans, an event with its span and no other event."""
    (folder / "in.jsonl").write_text(traces({**span("a"), **more}, span("b")), encoding="utf-8")
    assert run("--stack", stack, "-e", statement, "in.jsonl", "-o", "out.jsonl", "--errors", "errors") == 0
    found = lines(folder / "errors")
    assert {error["context"] for error in found} == {context}
    (resource,) = found[-1]["record"]["resourceSpans"]
    if context == "resource":
        assert "scopeSpans" not in resource
    else:
        assert len(found) == 2
        assert resource["scopeSpans"][0]["spans"][0]["name"] == "a"
        assert resource["scopeSpans"][0]["spans"][0]["events"] == [{"name": "two"}]


POINTS: dict[str, Any] = {
    "resourceMetrics": [
        {
            "scopeMetrics": [
                {
                    "metrics": [
                        {
                            "name": "m",
                            "unit": "s",
                            "sum": {
                                "isMonotonic": True,
                                "dataPoints": [
                                    {"asInt": "1", "exemplars": [{"asInt": "5"}, {"asInt": "6"}]},
                                    {"asInt": "2", "exemplars": [{"asInt": "7"}]},
                                ],
                            },
                        }
                    ]
                }
            ]
        }
    ]
}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('set(datapoint.attributes["x"], Substring("a", datapoint.value_int, 9))', [["5", "6"], ["7"]]),
        ('set(exemplar.filtered_attributes["x"], Substring("a", exemplar.int_value, 9))', [["5"], ["6"], ["7"]]),
    ],
)
def test_records_of_data_points(folder: Path, stack: str, statement: str, expected: list[list[str]]) -> None:
    """A data point comes with its metric, an exemplar with its data point, and what is beside them is left out."""
    (folder / "in.json").write_text(json.dumps(POINTS), encoding="utf-8")
    assert run("--stack", stack, "-e", statement, "in.json", "-o", "out.json", "--errors", "errors") == 0
    found = []
    for error in lines(folder / "errors"):
        (metric,) = error["record"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        assert (metric["name"], metric["unit"], metric["sum"]["isMonotonic"]) == ("m", "s", True)
        (point,) = metric["sum"]["dataPoints"]
        found.append([exemplar["asInt"] for exemplar in point["exemplars"]])
    assert found == expected


def failures(processor: Any, payload: bytes, signal: str = "traces") -> list[tuple[str, str, int | None, bytes]]:
    """Statement, context, row and record of each failure."""
    found: list[RowError] = []
    processor.on_error = found.append
    processor.process(payload, signal=signal, encoding="json")
    return [(error.statement, error.context, error.row, error.record) for error in found]


def test_failures_of_filters(stack: Any) -> None:
    """Conditions of several levels, each with its own record; what an earlier one dropped is not counted."""
    payload = traces(
        span("drop"), {**span("a", x=1), "events": [{"name": "one"}]}, {**span("b", x="1"), "events": [{"name": "two"}]}
    ).encode()
    wrong = 'HasPrefix(span.attributes["x"], "1") and span.attributes["x"] != nil'
    both = ottl.Filter(
        {"trace_conditions": ['span.name == "drop"', wrong, 'HasPrefix(spanevent.attributes["x"], "1")']}, stack=stack
    )
    found = failures(both, payload)
    names = [json.loads(record)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for *_, record in found]
    assert sorted(zip((context for _, context, _, _ in found), names, strict=True)) == [
        ("span", "a"), ("spanevent", "a"),
    ]  # fmt: skip


def test_failures_of_group_conditions(stack: Any) -> None:
    """They are told as those of statements are."""
    wrong = 'HasPrefix(span.attributes["x"], "1")'
    group = {"conditions": [wrong], "statements": ['set(span.name, "x")']}
    transform = ottl.Transform({"trace_statements": [group]}, stack=stack)
    found = failures(transform, traces(span("a", x="1"), span("b", x=1)).encode())
    assert [(text, context, row) for text, context, row, _ in found] == [(wrong, "span", 1)]


def test_rows_after_a_group_that_removes_some() -> None:
    """A statement that takes rows away shifts the numbers; the records are still the right ones."""
    events = [{"name": "one"}, {"name": "two"}]
    payload = traces({**span("a"), "events": events}, {**span("b"), "events": [{"name": "three"}]}).encode()
    transform = ottl.Transform(
        {
            "trace_statements": [
                {"statements": ['set(span.events, nil) where spanevent.name == "one"']},
                {"statements": ["set(spanevent.name, Substring(spanevent.name, 9, 9))"]},
            ]
        }
    )
    ((_, _, row, record),) = failures(transform, payload)
    assert row == 0
    assert json.loads(record)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["events"] == [{"name": "three"}]


TRACE = "01020304050607080102030405060708"


def test_failures_over_whole_traces(folder: Path, stack: str, capfd: pytest.CaptureFixture[str]) -> None:
    """They are told and counted where messages are held until their traces are whole, those of conditions too."""
    text = "".join(traces({**span(name), "traceId": TRACE, "spanId": f"{n:016x}"}) for n, name in enumerate("abc", 1))
    (folder / "in.jsonl").write_text(text, encoding="utf-8")
    statement = 'set(span.attributes["x"], Substring(span.name, TraceCount(), 9)) where span.name != "b"'
    arguments = ["--stack", stack, "-e", statement, "in.jsonl", "--dry-run", "--errors", "errors"]
    assert run(*arguments) == 0
    assert capfd.readouterr().out.splitlines()[1].split()[:3] == ["2", "0", "2"]
    found = lines(folder / "errors")
    assert [(error["input"], error["row"]) for error in found] == [("in.jsonl", 0), ("in.jsonl", 2)]
    names = [e["record"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for e in found]
    assert names == ["a", "c"]


def test_limit(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """So many messages are read, over all inputs."""
    (folder / "more.jsonl").write_text(traces(span("e")), encoding="utf-8")
    statement = "set(span.kind, 2)"
    assert run("-e", statement, "in.jsonl", "more.jsonl", "--limit", "2") == 0
    assert len(capfd.readouterr().out.splitlines()) == 2
    assert run("-e", statement, "in.jsonl", "more.jsonl", "--limit", "4") == 0
    assert len(capfd.readouterr().out.splitlines()) == 4
    assert run("-e", statement, "in.jsonl", "--limit", "0", "-o", "none.jsonl") == 0
    assert not (folder / "none.jsonl").exists()


def test_dry_run(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, not even a directory, and the counts are printed."""
    path = folder / "in.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + "{broken\n", encoding="utf-8")
    arguments = ["-e", FAILS, "in.jsonl", "-o", "new/", "--dry-run", "--on-bad-input", "skip"]
    assert run(*arguments) == 1
    out = capfd.readouterr().out
    assert "\n      3        1       2  " in out
    assert out.endswith("\n4 messages, 0 emptied, 1 bad; 2 statement errors; nothing written\n")
    assert sorted(path.name for path in folder.iterdir()) == ["in.jsonl"]


def test_dry_run_counts_emptied_messages(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a filter leaves nothing of."""
    (folder / "rules.yaml").write_text("trace_conditions: ['span.attributes[\"x\"] != nil']", encoding="utf-8")
    assert run("rules.yaml", "in.jsonl", "--dry-run") == 0
    assert capfd.readouterr().out.endswith("\n3 messages, 2 emptied, 0 bad; 0 statement errors; nothing written\n")


def test_many_inputs_into_a_directory(folder: Path) -> None:
    """Each comes out under its own name."""
    (folder / "more.jsonl").write_text(traces(span("e")), encoding="utf-8")
    assert run("-e", 'set(span.name, "x")', "*.jsonl", "-o", "out/") == 0
    assert {path.name: len(lines(path)) for path in (folder / "out").iterdir()} == {"in.jsonl": 3, "more.jsonl": 1}


def test_records_keep_profiles_intact() -> None:
    """Their dictionary comes along, and taking the record does not disturb what is written."""
    root = messages.root_class("profiles")()
    root.dictionary.string_table.extend([b"", b"key"])
    profile = root.resource_profiles.add().scope_profiles.add().profiles.add()
    profile.dropped_attributes_count = 7
    payload = root.SerializeToString()
    statement = "set(profile.dropped_attributes_count, Int(Substring(profile.original_payload_format, 9, 9)))"
    quiet = ottl.compile(statement, signal="profiles")
    told = ottl.compile(statement, signal="profiles")
    found: list[RowError] = []
    told.on_error = found.append
    assert told.run(payload) == quiet.run(payload)
    assert [error.context for error in found] == ["profile"]
    assert b"stringTable" in found[0].record

"""The scripts of `examples/script-*`, an agent's YAML and a guard over the capture of several tenants.

What each should give is computed here once more, by plain Python over the JSON of the capture, and its counts are
pinned: they were checked by hand.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import ottl
from ottl.cli import main
from ottl.engine import Stack

EXAMPLES = Path(__file__).parent.parent / "examples"
LINES = (EXAMPLES / "data" / "tenants.jsonl").read_text(encoding="utf-8").splitlines()
ROOTS = {"resourceSpans": "traces", "resourceMetrics": "metrics"}
Message = dict[str, Any]


def attribute(holder: Message, key: str) -> Any:
    """An attribute's value, None if it is not there."""
    found = [next(iter(a["value"].values())) for a in holder.get("attributes", []) if a["key"] == key]
    return found[0] if found else None


def spans(message: Message) -> Iterator[tuple[Message, Message]]:
    """The spans of a message with their resources."""
    for resource in message.get("resourceSpans", []):
        for scope in resource["scopeSpans"]:
            yield from ((resource["resource"], span) for span in scope["spans"])


def points(message: Message) -> Iterator[Message]:
    """The data points of a message."""
    for resource in message.get("resourceMetrics", []):
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                yield from metric["gauge"]["dataPoints"]


def run(program: Any, lines: list[str]) -> list[Message]:
    """Each line through a program, as JSON."""
    found = []
    for line in lines:
        signal = ROOTS[next(iter(json.loads(line)))]
        found.append(json.loads(program.process(line.encode(), signal=signal, encoding="json")))
    return found


def expected(change: Callable[[Message], int]) -> tuple[list[Message], int]:
    """The messages with a change made to each, and how many rows it changed."""
    messages = [json.loads(line) for line in LINES]
    return messages, sum(map(change, messages))


def mask(message: Message) -> int:
    """Hashes cards of production."""
    changed = 0
    for resource, span in spans(message):
        for item in span["attributes"]:
            if item["key"] == "credit_card" and attribute(resource, "env") == "prod":
                text = item["value"]["stringValue"]
                item["value"]["stringValue"] = hashlib.sha256(text.encode()).hexdigest()
                changed += 1
    return changed


def breach(message: Message) -> int:
    """Marks spans of more than three seconds."""
    changed = 0
    for _, span in spans(message):
        if int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) > 3_000_000_000:
            span["attributes"].append({"key": "slo.breached", "value": {"boolValue": True}})
            span["status"] = {"code": 2}
            changed += 1
    return changed


def keep(message: Message) -> int:
    """Keeps three attributes of data points."""
    changed = 0
    for point in points(message):
        kept = [a for a in point["attributes"] if a["key"] in ("cluster", "node", "namespace")]
        changed += len(kept) != len(point["attributes"])
        point["attributes"] = kept
    return changed


def alerts(messages: list[Message]) -> int:
    """Marks points whose value is above three deviations of the last hundred of their series."""
    series: dict[str, list[float]] = {}
    changed = 0
    for message in messages:
        (resource,) = message["resourceMetrics"]
        for point in points(message):
            values = series.setdefault(json.dumps([resource["resource"], point["attributes"]]), [])
            values.append(point["asDouble"])
            if len(values) > 1 and values[-1] > 3 * statistics.stdev(values[-100:]):
                point["attributes"].append({"key": "alert", "value": {"stringValue": "anomaly"}})
                changed += 1
    return changed


SPANS = sum(1 for line in LINES for _ in spans(json.loads(line)))
POINTS = sum(1 for line in LINES for _ in points(json.loads(line)))


@pytest.mark.parametrize(
    ("folder", "change", "rows", "count"),
    [("masking", mask, SPANS, 54), ("slo", breach, SPANS, 20), ("cardinality", keep, POINTS, 30)],
)
def test_scripts(stack: Stack, folder: str, change: Callable[[Message], int], rows: int, count: int) -> None:
    """Each script does what it says, to at least ten rows, and leaves at least ten alone."""
    text = (EXAMPLES / f"script-{folder}" / "rules.ottl").read_text(encoding="utf-8")
    wanted, changed = expected(change)
    program = ottl.compile(text, stack=stack)
    assert run(program, LINES) == wanted
    assert changed == count
    assert min(changed, rows - changed) >= 10
    assert max(s.changed for s in program.stats()) == count
    assert sum(s.errors for s in program.stats()) == 0


def test_routing(stack: Stack) -> None:
    """Whole resources of tenant A go to their route, all others stay, messages stay whole."""
    text = (EXAMPLES / "script-routing" / "rules.ottl").read_text(encoding="utf-8")
    program = ottl.compile(text, stack=stack)
    moved = 0
    for line in LINES:
        message = json.loads(line)
        root = next(iter(message))
        outputs = program.run_routes(line.encode(), encoding="json", signal=ROOTS[root])
        (resource,) = message[root]
        ours = attribute(resource["resource"], "tenant") == "A"
        assert {name: json.loads(out) for name, out in outputs.items()} == {
            "kafka_tenant_a": message if ours else {},
            None: {} if ours else message,
        }
        moved += ours
    assert (moved, len(LINES)) == (28, 67)


@pytest.mark.parametrize("form", ["agent.yaml", "rules.ottl"])
def test_agent_and_guard(stack: Stack, form: str) -> None:
    """The agent's YAML and the guard form mean the same; the first value of each of the 16 series has no deviation."""
    place = EXAMPLES / "script-anomaly" / form
    text = place.read_text(encoding="utf-8")
    program = ottl.compile(yaml.safe_load(text) if form == "agent.yaml" else text, stack=stack)
    lines = (EXAMPLES / "script-anomaly" / "input.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = [json.loads(line) for line in lines]
    changed = alerts(wanted)
    assert run(program, lines) == wanted
    (stats,) = program.stats()
    assert (stats.matched, stats.changed) == (changed, changed)
    assert stats.errors == (16 if form == "rules.ottl" else 0)  # the condition of a group is no statement
    assert (changed, sum(1 for message in wanted for _ in points(message))) == (17, 720)


@pytest.mark.parametrize("native", ["0", "1"])
def test_routes_on_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, native: str) -> None:
    """`-o DIR` gets a file for the rest and one a route; what was emptied stays an empty object in the rest."""
    monkeypatch.setenv("OTTL_NATIVE", native)
    folder = EXAMPLES / "script-routing"
    with pytest.raises(SystemExit) as caught:
        main(["run", str(folder / "rules.ottl"), str(folder / "input.jsonl"), "-o", str(tmp_path / "out")])
    assert caught.value.code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["input.jsonl", "input.kafka_tenant_a.jsonl"]
    whole = [json.loads(line) for line in LINES]
    rest = [json.loads(line) for line in (tmp_path / "out" / "input.jsonl").read_text().splitlines()]
    ours = [json.loads(line) for line in (tmp_path / "out" / "input.kafka_tenant_a.jsonl").read_text().splitlines()]
    assert len(rest) == len(whole)
    assert [m for m, r in zip(whole, rest, strict=True) if r == {}] == ours
    assert all(r in ({}, m) for m, r in zip(whole, rest, strict=True))


@pytest.mark.parametrize("folder", ["masking", "slo", "routing", "cardinality", "anomaly"])
def test_examples_check(capfd: pytest.CaptureFixture[str], folder: str) -> None:
    """Every example is free of errors, and explains itself."""
    place = EXAMPLES / f"script-{folder}"
    assert (place / "README.md").exists()
    with pytest.raises(SystemExit) as caught:
        main(["check", str(place / "rules.ottl")])
    warnings = {"slo": ["W101"]}.get(folder, [])
    assert caught.value.code == 0
    assert [d.code for d in ottl.check(place / "rules.ottl")] == warnings
    assert "0 errors" in capfd.readouterr().err


def test_capture_is_not_changed_by_reading() -> None:
    """The plain Python above works on copies."""
    before = copy.deepcopy([json.loads(line) for line in LINES])
    expected(mask)
    assert [json.loads(line) for line in LINES] == before


DEMO = Path(os.environ.get("OTTL_SHARED", EXAMPLES.parent.parent / "shared")) / "data" / "otel-demo" / "telemetry.jsonl"
MASK = """
set(span.attr.app.product.name, sha256(span.attr.app.product.name))
where resource.attr.os.type == 'linux' and span.attr.app.product.name != nil
"""
SIGNALS = {**ROOTS, "resourceLogs": "logs"}


@pytest.mark.skipif(not DEMO.exists(), reason="the capture is not part of the project")
@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (MASK, 36),
        ("set(span.attributes['slo.breached'], true)\nset(span.status.code, ERROR)\nwhere duration > 100", 52),
        ('route(exporter.go)\nwhere resource.attributes["telemetry.sdk.language"] == "go"', 39),
        ('keep_keys(metric.attributes, ["device", "state", "direction"])', 1156),
        ("metric.value > 1000 > set(metric.attributes['alert'], 'high')", 1398),
        ("metric.value > 3 * stddev(metric.value) > set(metric.attributes['alert'], 'anomaly')", 826),
    ],
)
def test_demo(stack: Stack, text: str, changed: int) -> None:
    """The same rules with the names of a capture of other people's services."""
    program = ottl.compile(text, stack=stack)
    other = ottl.compile(text, stack="plain")
    for line in DEMO.read_bytes().splitlines():
        signal = SIGNALS[next(iter(json.loads(line)))]
        found, wanted = (p.run_routes(line, encoding="json", signal=signal) for p in (program, other))
        assert {k: json.loads(v) for k, v in found.items()} == {k: json.loads(v) for k, v in wanted.items()}
    assert sum(s.changed for s in program.stats()) == changed
    # The first value of a series has no deviation.
    assert sum(s.errors for s in program.stats()) == (3222 if "stddev" in text else 0)

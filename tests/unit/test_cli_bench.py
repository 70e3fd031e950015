"""`ottl bench`: what is measured and how it is shown, whatever the numbers are."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from ottl import engine
from ottl.cli import main, measure
from ottl.vm import tables
from ottl.vm.native import NOTHING

SET = 'set(span.attributes["n"], ToUpperCase(span.name)) where span.name != "b"'
FAILS = 'set(span.name, ToUpperCase(span.attributes["x"]))'
LOG = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}\n'


def traces(*names: str) -> str:
    """A message of spans, as a line of JSON."""
    spans = [{"name": name, "attributes": [{"key": "x", "value": {"intValue": 1}}]} for name in names]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}) + "\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with one input, columns on however small a payload, time for all messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)
    monkeypatch.setattr(measure, "_FIRST_S", 60)
    (tmp_path / "in.jsonl").write_text(traces("a", "b") + LOG + traces("c"), encoding="utf-8")
    return tmp_path


def bench(*arguments: str) -> int:
    """Exit code of the command, which measures for as short as it can."""
    with pytest.raises(SystemExit) as caught:
        main(["bench", "--seconds", "0.01", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def measured(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The measurements as JSON."""
    assert bench("--json", *arguments) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_json_has_all_figures_of_both_stacks(capfd: pytest.CaptureFixture[str]) -> None:
    """Only messages that the rules run on count, and counts are those of one run over them."""
    found = measured(capfd, "-e", SET, "-e", FAILS, "--stack", "plain", "in.jsonl")
    assert (found["messages"], found["rows"]) == (2, {"traces": 3})
    stack = found["stacks"]["plain"]
    assert stack["rows_a_second"] > 0
    assert stack["bytes_a_second"] > 0
    latency = stack["latency_ns"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert sum(stage["share"] for stage in stack["stages"].values()) == pytest.approx(1)
    first, second = stack["statements"]
    assert (first["statement"], first["context"], first["rows"]) == (SET, "span", 3)
    assert (first["matched"], first["changed"], first["errors"]) == (2, 2, 0)
    assert (second["matched"], second["changed"], second["errors"]) == (3, 0, 3)
    assert first["share"] + second["share"] < stack["stages"]["statements"]["share"]
    assert first["instructions"] == []


def test_native_code_and_the_plain_stack_stand_side_by_side(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is native code and no stack was asked for; else the one there is."""
    if engine.native_enabled():
        found = measured(capfd, "-e", SET, "in.jsonl")
        assert list(found["stacks"]) == ["native", "plain"]
        native_one, plain_one = (found["stacks"][name]["statements"][0]["matched"] for name in ("native", "plain"))
        assert native_one == plain_one
        assert list(measured(capfd, "-e", SET, "--stack", "fast", "in.jsonl")["stacks"]) == ["native"]
    monkeypatch.setenv("OTTL_NATIVE", "0")
    assert list(measured(capfd, "-e", SET, "in.jsonl")["stacks"]) == ["plain"]
    assert bench("-e", SET, "--stack", "fast", "in.jsonl") == 1
    assert "--stack fast needs the native extension" in capfd.readouterr().err


def test_instructions_are_timed_on_each_stack(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    """Those that ran one by one, with the rows they ran for: behind a condition fewer."""
    monkeypatch.setattr(tables, "lower", lambda *_: NOTHING)
    found = measured(capfd, "-e", SET, "--instructions", "--stack", "fast" if stack == "auto" else stack, "in.jsonl")
    (only,) = found["stacks"].values()
    lines = only["statements"][0]["instructions"]
    texts = [line["instruction"] for line in lines]
    assert [text.split()[0] for text in texts] == ["LOAD", "COMPARE", "WHERE", "CALL", "STORE"]
    rows = [line["rows"] for line in lines]
    assert rows[0] == rows[1] > rows[3] == rows[4] > 0
    assert all(line["seconds"] > 0 for line in lines)


def test_instructions_are_timed_in_native_code(capfd: pytest.CaptureFixture[str], always_columns: None) -> None:
    """Those of neighbours that run together too, each under its own statement, and of one whose rows it declines."""
    del always_columns
    arguments = ["-e", SET, "-e", SET, "-e", FAILS, "--instructions", "--stack", "fast", "in.jsonl"]
    statements = measured(capfd, *arguments)["stacks"]["native"]["statements"]
    for statement in statements[:2]:
        lines = statement["instructions"]
        assert [line["instruction"].split()[0] for line in lines] == ["LOAD", "COMPARE", "WHERE", "CALL", "STORE"]
        rows = [line["rows"] for line in lines]
        assert rows[0] == rows[1] == rows[2] > rows[3] == rows[4] > 0
        assert sum(line["seconds"] for line in lines) > 0
    assert [line["instruction"].split()[0] for line in statements[2]["instructions"]][:2] == ["LOAD", "CALL"]
    assert bench(*arguments) == 0
    assert "LOAD" in capfd.readouterr().out


def test_a_statement_that_never_ran_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """It has no instructions with times."""
    assert bench("-e", SET, "-e", 'set(spanevent.name, "x")', "--instructions", "in.jsonl") == 0
    assert "(not timed)" in capfd.readouterr().out


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """A narrow one has the statements below their figures; nothing is cut."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert bench("-e", SET, "-e", FAILS, "--instructions", "in.jsonl") == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in terminal.getvalue()
    assert (f"1  {SET}" in lines) == (width == 80)
    assert "\x1b[" in terminal.getvalue()


def test_a_pipe_gets_no_colours_and_whole_lines(capfd: pytest.CaptureFixture[str]) -> None:
    """One line for each stage and statement, however long, without blanks at its end."""
    long = f'set(span.attributes["{"k" * 300}"], 1)'
    assert bench("-e", long, "-e", SET, "in.jsonl") == 0
    out = capfd.readouterr().out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0] == "2 messages of JSON: 3 spans, 0.00 MB"
    assert any(line.startswith("1 ") and line.endswith(long) for line in lines)
    assert all(line == line.rstrip() for line in lines)
    assert any(line.startswith("decode JSON") for line in lines)


def test_several_processors_and_routes_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    """A chain of processors converts JSON once, outside of them; rows may go to several outputs."""
    rules = {"transform/a": {"trace_statements": [SET]}, "filter/b": {"trace_conditions": ['span.name == "a"']}}
    Path("rules.yaml").write_text(json.dumps({"processors": rules}))
    (stack,) = measured(capfd, "--stack", "plain", "rules.yaml", "in.jsonl")["stacks"].values()
    assert [figures["processor"] for figures in stack["statements"]] == ["transform/a", "filter/b"]
    assert stack["stages"]["decode"]["ns_a_row"] > 0
    assert stack["stages"]["encode"]["ns_a_row"] > 0
    (stack,) = measured(capfd, "--stack", "plain", "-e", "route(exporter.x)\nwhere span.name == 'a'", "in.jsonl")[
        "stacks"
    ].values()
    assert stack["statements"][0]["matched"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give RULES or -e"),
        (("-e", SET, "none.jsonl"), 2, "none.jsonl: No such file"),
        (("-e", SET, "logs.jsonl"), 1, "no message for these rules in logs.jsonl: they run on traces"),
        (("-e", SET, "bad.jsonl"), 1, "bad.jsonl:1: "),
        (("-e", "set(span.nome, 1)", "in.jsonl"), 1, "unknown path nome"),
        (("--error-mode", "propagate", "-e", FAILS, "in.jsonl"), 1, "in.jsonl:1: row 0: expected string"),
    ],
)
def test_mistakes_are_told_in_a_line(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    """Before anything is measured."""
    Path("logs.jsonl").write_text(LOG)
    Path("bad.jsonl").write_text('{"resourceSpans": 7}\n')
    assert bench(*arguments) == code
    assert message in capfd.readouterr().err


def test_memory_across_messages_is_spoken_of(capfd: pytest.CaptureFixture[str]) -> None:
    """Messages are run again and again, which such functions notice."""
    assert bench("-e", 'set(span.attributes["c"], IsOnCriticalPath())', "--stack", "plain", "in.jsonl") == 0
    assert "each message is measured by itself, although -e: functions look at whole traces" in capfd.readouterr().err

"""Configuration files: places of texts, and what a diagnostic of a file points to."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import ottl
from ottl.config import load_config
from ottl.source import LocatedText


def places(path: Path, text: str) -> list[tuple[str, int | None, int | None]]:
    """Code, line and column of every finding in a file."""
    path.write_text(text, encoding="utf-8")
    found = ottl.check(path)
    assert {item.source.name if item.source is not None else "" for item in found} <= {str(path)}
    return [(item.code, item.to_dict()["line"], item.to_dict()["column"]) for item in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trace_statements:\n  - set(span.nme, 1)\n", [("E201", 2, 9)]),
        ("trace_statements:\n  - |\n    set(span.name,\n      span.nme)\n", [("E201", 4, 7)]),
        ("trace_statements:\n  - 'set(span.nme, 1)'\n", [("E201", 2, 10)]),
        ('trace_statements:\n  - set(span.name, "a")\n  - statements: [x]\n', [("E403", 3, 5)]),
        ("trace_statments: []\ntrace_statements: []\n", [("E404", 1, 1)]),
        ("log_statements:\n- context: lgo\n  statements: []\n", [("E406", 2, 12)]),
        ("error_mode: never\nlog_statements: []\n", [("E407", 1, 13)]),
        ("log_statements: {a: 1}\n", [("E401", 1, 18)]),
        ("error_mode: ignore\nlog_statements: 5\n", [("E401", 2, 1)]),
        ("log_statements:\n- statements: [1]\n", [("E401", 2, 3)]),
        ("metric_conditions: ['true', 7]\n", [("E403", 1, 1)]),
        (
            "log_statements:\n- context: log\n  statements: set(nme, 1)\n",
            [("W401", 3, 15), ("E115", 3, 22), ("E102", 3, 24)],
        ),
    ],
)
def test_findings_point_into_the_file(tmp_path: Path, text: str, expected: list[tuple[str, int, int]]) -> None:
    """File, line and column are those of an editor."""
    assert places(tmp_path / "rules.yaml", text) == expected


def test_a_text_keeps_its_place_when_pickled() -> None:
    """Programs are pickled together with their sources."""
    text = LocatedText("set(...)", "rules.yaml", 3, 5, 7)
    again = pickle.loads(pickle.dumps(text))
    assert (again, again.file, again.line, again.column, again.next_column) == (text, "rules.yaml", 3, 5, 7)
    assert again.source("trace_statements[0]").describe() == "rules.yaml:3:5 (trace_statements[0])"


def test_other_yaml_values_stay_what_they_are() -> None:
    """Numbers, booleans, nothing; a date is a text."""
    config = load_config("transform:\n  n: 1\n  b: true\n  c: ~\n  d: 1.5\n  e: 2024-01-01\n")
    assert config.processors["transform"].config() == {"n": 1, "b": True, "c": None, "d": 1.5, "e": "2024-01-01"}


def test_a_mapping_may_merge_another() -> None:
    """`<<` brings in keys, and what is written wins."""
    config = load_config("processors:\n  transform/a: &a {x: 1, y: 2}\n  transform/b: {<<: *a, y: 3}\n")
    assert config.processors["transform/b"].config() == {"x": 1, "y": 3}


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "5", "text", "[]"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    """Nothing to run is an error, not a silent success."""
    with pytest.raises(ottl.ConfigError) as caught:
        load_config(text, name="empty.yaml")
    assert [item.code for item in caught.value.diagnostics] == ["E455"]


@pytest.mark.parametrize("text", ["processors: {batch: {}}", "service: {pipelines: {logs: {processors: [batch]}}}"])
def test_a_collector_without_our_processors_is_refused(text: str) -> None:
    """It would change nothing, in silence."""
    with pytest.raises(ottl.ConfigError, match="no transform or filter processor in c") as caught:
        load_config(text, name="c.yaml")
    assert [(item.code, item.to_dict()["line"]) for item in caught.value.diagnostics] == [("E453", 1)]


def test_a_mistyped_list_is_offered_its_name() -> None:
    """The most frequent slip of a bare configuration."""
    with pytest.raises(ottl.ConfigError, match="did you mean `trace_statements`"):
        load_config("trace_statments: []")


def test_a_file_must_be_utf_8(tmp_path: Path) -> None:
    """Another encoding is named, with the byte."""
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"trace_statements: ['\xe4']")
    with pytest.raises(ottl.ConfigError, match=r"not UTF-8 \(byte 20\)"):
        load_config(path)

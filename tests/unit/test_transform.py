"""The transform's configuration: styles, groups and signals. What groups do on rows is in `test_engine.py`."""

from __future__ import annotations

from typing import Any

import pytest

import ottl
from ottl import engine
from ottl.transform import read_groups
from tests.conftest import log_attributes, logs


def groups(config: dict[str, Any]) -> list[tuple[str, int, str | None, str, bool]]:
    """Signal, number of statements, context, error mode and sharing of every group."""
    found, diagnostics = read_groups(config)
    assert diagnostics == []
    return [
        (signal, len(g.statements), g.context, g.error_mode, g.shared_cache) for signal, gs in found.items() for g in gs
    ]


def test_a_flat_list_is_one_group() -> None:
    """Strings of a list form one group."""
    config = {"error_mode": "silent", "log_statements": ['set(log.body, "x")', 'set(log.severity_text, "y")']}
    assert groups(config) == [("logs", 2, None, "silent", False)]


def test_groups_have_their_settings() -> None:
    """Objects of a list are groups, with the configuration's error mode unless they have their own."""
    config = {
        "error_mode": "propagate",
        "trace_statements": [
            {"statements": ['set(span.name, "x")']},
            {"context": "SPAN", "statements": [], "error_mode": "ignore", "shared_cache": True, "conditions": None},
        ],
        "metric_statements": [],
    }
    assert groups(config) == [
        ("traces", 1, None, "propagate", False),
        ("traces", 0, "span", "ignore", True),
    ]


def test_objects_then_strings() -> None:
    """Strings behind objects form a last group, as in the reference."""
    config = {"log_statements": [{"context": "log", "statements": ['set(body, "x")']}, 'set(log.body, "y")']}
    assert groups(config) == [("logs", 1, "log", "ignore", False), ("logs", 1, None, "ignore", False)]


def test_one_context_rules_a_flat_list() -> None:
    """The most specific context of a flat list runs them all."""
    config = {"trace_statements": ['set(resource.attributes["x"], 1)', 'set(spanevent.name, "x")']}
    assert "context spanevent" in ottl.Transform(config).explain()


def test_groups_run_one_after_the_other(stack: engine.Stack) -> None:
    """A group sees what the groups before it did to the whole payload."""
    config = {
        "log_statements": [
            {"statements": ['set(resource.attributes["last"], log.attributes["n"])']},
            {"statements": ['set(log.attributes["last"], resource.attributes["last"])']},
        ]
    }
    out = ottl.Transform(config, stack=stack).process(logs({"n": 1}, {"n": 2}), "logs")
    assert log_attributes(out) == [{"n": 1, "last": 2}, {"n": 2, "last": 2}]


def test_rows_see_shared_writes_in_order(stack: engine.Stack) -> None:
    """Within a group a row sees what the rows before it wrote to what they share."""
    config = {
        "log_statements": [
            'set(log.attributes["before"], resource.attributes["count"])',
            'set(resource.attributes["count"], resource.attributes["count"] + 1)',
        ]
    }
    payload = logs({}, {}, resource={"count": 0})
    out = ottl.Transform(config, stack=stack).process(payload, "logs")
    assert log_attributes(out) == [{"before": 0}, {"before": 1}]


def test_all_mistakes_of_all_groups() -> None:
    """Mistakes of form and of statements of all groups are reported together."""
    config = {
        "error_mode": "explode",
        "log_statements": [{"statements": ["set("]}, {"statements": ["set(log.bdy, 1)"]}],
        "trace_statements": [{"context": "log", "statements": []}],
    }
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.Transform(config)
    assert sorted(d.code for d in caught.value.diagnostics) == ["E115", "E201", "E406", "E407"]


def test_the_configuration_stays_as_it_was() -> None:
    """A processor does not change the mapping that it was made from."""
    config = {"log_statements": ['set(log.body, "x")'], "error_mode": "IGNORE"}
    before = {**config, "log_statements": list(config["log_statements"])}
    ottl.Transform(config)
    assert config == before


def test_a_warning_of_form_drops_no_group() -> None:
    """A group whose text was split, which is a warning, is bound all the same, and its pieces are refused."""
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.Transform({"trace_statements": [{"context": "span", "statements": 'set(name, "x")'}]})
    assert {d.code for d in caught.value.diagnostics if d.severity == "error"} == {"E102", "E115"}

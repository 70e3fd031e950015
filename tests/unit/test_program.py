"""Programs, conditions and values without a configuration around them, and the checker."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import ottl
from ottl.codec.messages import root_class
from tests.conftest import log_attributes, logs


def spans(*names: str) -> bytes:
    """A payload of spans with these names and kinds 1, 2, 3..."""
    message = root_class("traces")()
    scope = message.resource_spans.add().scope_spans.add()
    for number, name in enumerate(names):
        scope.spans.add(name=name.encode(), kind=number + 1)
    return bytes(message.SerializeToString())


def names(payload: bytes) -> list[str]:
    """The names of a payload's spans."""
    message = root_class("traces").FromString(payload)
    return [s.name.decode() for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]


def test_one_statement() -> None:
    """A statement is a program, which knows its signal from its context."""
    program = ottl.compile('set(span.name, "x") where span.kind == 2')
    assert program.signals == {"traces"}
    assert names(program.run(spans("a", "b", "c"))) == ["a", "x", "c"]
    assert names(program.process(spans("a", "b"))) == ["a", "x"]


def test_several_statements() -> None:
    """A list of statements is one group, in the most specific context of them all."""
    program = ottl.compile(['set(span.name, "x")', 'set(span.name, Concat([span.name, resource.schema_url], "-"))'])
    assert names(program.run(spans("a"))) == ["x-"]


def test_no_statements() -> None:
    """No statements change nothing."""
    payload = spans("a")
    assert ottl.compile([]).process(payload) == payload


def test_several_signals() -> None:
    """A program of a context that all signals have runs on all of them; which one, the caller says."""
    program = ottl.compile('set(resource.attributes["x"], 1)')
    assert program.signals == {"traces", "metrics", "logs", "profiles"}
    with pytest.raises(ValueError, match="give a signal: the program runs on logs, metrics, profiles, traces"):
        program.run(b"")
    assert program.run(logs({}), signal="logs") != logs({})
    assert ottl.compile('set(resource.attributes["x"], 1)', signal="logs").signals == {"logs"}


@pytest.mark.usefixtures("always_columns")
def test_columns_for_the_signals_that_have_them() -> None:
    """Asked for columns, a program on all signals runs profiles in rows; on profiles alone it cannot."""
    assert ottl.compile('set(resource.attributes["x"], 1)', stack="fast").signals >= {"profiles", "logs"}
    with pytest.raises(ottl.ConfigError, match="cannot run in columns"):
        ottl.compile('set(resource.attributes["x"], 1)', stack="fast", signal="profiles")


def test_given_context() -> None:
    """With a context, paths may leave it out."""
    assert names(ottl.compile('set(name, "x")', context="Span").run(spans("a"))) == ["x"]


@pytest.mark.parametrize(
    ("context", "signal", "code", "hint"),
    [("spam", None, "E406", "did you mean `span`?"), ("otelcol", None, "E406", None), ("span", "logs", "E409", None)],
)
def test_bad_context(context: str, signal: str | None, code: str, hint: str | None) -> None:
    """A context must exist, and occur in the signal."""
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.compile('set(name, "x")', context=context, signal=signal)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert hint is None or diagnostic.hint == hint


def test_bad_options() -> None:
    """Options that do not exist are the caller's mistake."""
    with pytest.raises(ValueError, match="error mode must be one of"):
        ottl.compile('set(span.name, "x")', error_mode="explode")
    with pytest.raises(ValueError, match="signal must be one of"):
        ottl.compile('set(span.name, "x")', signal="spans")


def test_warnings_are_kept() -> None:
    """What loads but fails on rows is a warning of the program."""
    program = ottl.compile("set(span.name, 5)")
    assert [d.code for d in program.diagnostics] == ["W301"]
    program.run(spans("a"))
    assert program.stats()[0].errors == 1


def test_conditions() -> None:
    """A condition gives a bool an element."""
    condition = ottl.compile_condition("span.kind == 2")
    found = condition.evaluate(spans("a", "b", "c"))
    assert found.dtype == np.bool_
    assert found.tolist() == [False, True, False]
    assert ottl.compile_condition("kind > 1", context="span").evaluate(spans("a", "b")).tolist() == [False, True]
    assert condition.evaluate(b"").tolist() == []


def test_values() -> None:
    """A value expression gives a plain Python value an element."""
    assert ottl.compile_value("Len(span.name)").evaluate(spans("a", "bc")) == [1, 2]
    assert ottl.compile_value('{"n": name, "l": [kind, nil]}', context="span").evaluate(spans("é")) == [
        {"n": "é", "l": [1, None]}
    ]
    assert ottl.compile_value('attributes["x"]', context="log").evaluate(logs({"x": b"\x00"}), signal="logs") == [
        b"\x00"
    ]


def test_failing_evaluation() -> None:
    """A condition or value that fails says on which element."""
    for evaluate in (
        ottl.compile_condition("1 / (span.kind - 2) == 5").evaluate,
        ottl.compile_value("1 / (span.kind - 2)").evaluate,
    ):
        with pytest.raises(ottl.StatementError, match="divide") as caught:
            evaluate(spans("a", "b"))
        assert caught.value.row == 1


def test_signals_of_evaluations() -> None:
    """A context of several signals needs the signal, and the signal must have the context."""
    condition = ottl.compile_condition('resource.attributes["x"] == 1')
    with pytest.raises(ValueError, match="give a signal"):
        condition.evaluate(b"")
    with pytest.raises(ValueError, match="context span does not occur in logs"):
        ottl.compile_condition("span.kind == 2").evaluate(b"", signal="logs")


def test_everything_pickles() -> None:
    """Programs, conditions and values travel between processes."""
    payload = spans("a", "b")
    program = pickle.loads(pickle.dumps(ottl.compile('set(span.name, "x") where span.kind == 2', error_mode="silent")))
    assert names(program.run(payload)) == ["a", "x"]
    assert "error mode silent" in program.explain()
    condition = pickle.loads(pickle.dumps(ottl.compile_condition("kind == 2", context="span")))
    assert condition.evaluate(payload).tolist() == [False, True]
    value = pickle.loads(pickle.dumps(ottl.compile_value("span.kind + 1")))
    assert value.evaluate(payload) == [2, 3]
    filters = pickle.loads(pickle.dumps(ottl.Filter({"trace_conditions": ["span.kind == 2"]})))
    assert names(filters.process(payload)) == ["a"]
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.compile("set(")
    assert pickle.loads(pickle.dumps(caught.value)).diagnostics[0].code == "E115"


# The checker

GOOD = 'set(span.name, "x")'
BAD = 'set(span.nmae, "x")'


def codes(found: list[ottl.Diagnostic]) -> list[str]:
    """The codes of findings."""
    return [d.code for d in found]


def test_check_texts() -> None:
    """A text, or a list of texts, with or without a context."""
    assert ottl.check(GOOD) == []
    assert codes(ottl.check(BAD)) == ["E201"]
    assert codes(ottl.check([GOOD, BAD, "set("])) == ["E115", "E201"]
    assert codes(ottl.check(["set(name, 1)", "set("])) == ["E115"]
    assert codes(ottl.check([GOOD, BAD, "set("], context="span")) == ["E115", "E201"]
    assert codes(ottl.check("set(span.name, 5)")) == ["W301"]


def test_check_mappings() -> None:
    """A configuration of either processor, told apart by its keys."""
    assert ottl.check({"trace_statements": [GOOD]}) == []
    assert codes(ottl.check({"trace_statements": [BAD]})) == ["E201"]
    assert codes(ottl.check({"trace_conditions": ['span.nmae == "x"']})) == ["E201"]
    assert codes(ottl.check({"traces": {"span": ['nmae == "x"']}})) == ["E201"]
    assert codes(ottl.check({"unknown": []})) == ["E404"]


def test_check_files(tmp_path: Path) -> None:
    """A file with processors, or one that cannot be read as such."""
    path = tmp_path / "rules.yaml"
    path.write_text(f"trace_statements:\n  - '{BAD}'\n", encoding="utf-8")
    (found,) = ottl.check(path)
    assert (found.code, found.to_dict()["line"], found.to_dict()["column"]) == ("E201", 2, 10)
    path.write_text("trace_statements: [", encoding="utf-8")
    assert codes(ottl.check(path)) == ["E450"]


def test_strings_of_invalid_text() -> None:
    """Strings that are no UTF-8 come out as they went in."""
    message = root_class("logs").FromString(logs({"x": "abc"}))
    message.resource_logs[0].scope_logs[0].log_records[0].attributes[0].value.string_value = b"a\xff"
    payload = message.SerializeToString()
    out = ottl.compile('set(log.attributes["y"], Concat([log.attributes["x"], "b"], ""))').run(payload)
    assert log_attributes(out) == [{"x": "a\udcff", "y": "a\udcffb"}]


def test_a_finding_names_its_statement() -> None:
    """Of several, by their number."""
    found = ottl.check(['set(span.name, "x")', "set(span.nme, 1)"])
    assert [d.source.describe(d.range) for d in found if d.source is not None] == ["<rule 2>:1:5"]

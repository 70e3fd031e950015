import json
import pickle

import pytest

from ottl.errors import CODES, ConfigError, Diagnostic, Error, PayloadError, StatementError, register_codes
from ottl.source import Source, SourceRange

SOURCE = Source("set(span.nmae, 1)", "rules.yaml", 12, 9, "trace_statements[0]")
FINDING = Diagnostic(
    "E204", "error", "unknown path `span.nmae`", SourceRange(4, 13), "did you mean `span.name`?", SOURCE
)


RENDERED = """\
error[E204]: unknown path `span.nmae`
  --> rules.yaml:12:13 (trace_statements[0])
   |
12 | set(span.nmae, 1)
   |     ^^^^^^^^^
  = hint: did you mean `span.name`?"""


def test_render() -> None:
    """A finding shows its code, its place in the file, the line with carets, and the hint."""
    assert FINDING.render() == RENDERED


def test_render_without_place() -> None:
    """A finding without text is its headline; with text and no range it names the text."""
    assert Diagnostic("E401", "warning", "no statements").render() == "warning[E401]: no statements"
    rendered = Diagnostic("E401", "error", "no statements", source=SOURCE).render()
    assert rendered == "error[E401]: no statements\n  --> rules.yaml:12:9 (trace_statements[0])"


def test_render_in_color() -> None:
    """Colours are added only when asked for, and change nothing else."""
    assert "\x1b" not in FINDING.render()
    colored = FINDING.render(color=True)
    assert colored.startswith("\x1b[1;31merror[E204]\x1b[0m")


def test_to_dict() -> None:
    """The plain form has exactly the keys of `ottl check --format json`, and fits into JSON."""
    assert json.loads(json.dumps(FINDING.to_dict())) == {
        "code": "E204",
        "severity": "error",
        "message": "unknown path `span.nmae`",
        "file": "rules.yaml",
        "line": 12,
        "column": 13,
        "end_line": 12,
        "end_column": 22,
        "hint": "did you mean `span.name`?",
    }
    assert Diagnostic("E401", "error", "x").to_dict()["line"] is None


def test_config_error_shows_all() -> None:
    """A configuration error carries all findings and shows them all."""
    other = Diagnostic("W301", "warning", "other")
    error = ConfigError([FINDING, other])
    assert error.diagnostics == (FINDING, other)
    assert str(error) == f"{FINDING.render()}\n\n{other.render()}"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError([FINDING]), FINDING.render()),
        (PayloadError("truncated"), "truncated"),
        (PayloadError("truncated", 17), "truncated (at byte 17)"),
        (StatementError("failed"), "failed"),
        (StatementError("failed", "set(a, 1)", 3), "row 3: failed: set(a, 1)"),
    ],
)
def test_errors_pickle(error: Error, text: str) -> None:
    """Every error says what it knows, is an `Error`, and survives pickling with its attributes."""
    assert isinstance(error, Error)
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == text
    assert vars(again) == vars(error)


def test_codes_have_one_title(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code may be registered twice with the same title, never with two."""
    monkeypatch.setattr("ottl.errors.CODES", dict(CODES))
    register_codes({"E999": "test"})
    register_codes({"E999": "test"})
    with pytest.raises(ValueError, match="E999"):
        register_codes({"E999": "other"})

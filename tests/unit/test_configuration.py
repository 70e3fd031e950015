"""Configurations: the fixture of their diagnostics, and where in a file they point."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import ottl
from ottl.configuration import Reader, type_name
from ottl.errors import CODES, ConfigError

TESTS = Path(__file__).parent.parent
FIXTURES = TESTS / "fixtures" / "diagnostics"
DOCUMENTS = [d for d in yaml.safe_load_all((FIXTURES / "configuration.yaml").read_text(encoding="utf-8")) if d]


def make(document: dict[str, Any]) -> ottl.Transform | ottl.Filter:
    """The processor of a document."""
    kind = ottl.Filter if document.get("kind") == "filter" else ottl.Transform
    return kind(document["config"])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d["config"])[:60])
def test_diagnostics(document: dict[str, Any]) -> None:
    """A mistake of form gives its diagnostics, all of them, with words that help."""
    with pytest.raises(ConfigError) as caught:
        make(document)
    found = caught.value.diagnostics
    assert [d.code for d in found] == [code for code, _, _ in document["expected"]]
    for diagnostic, (_, line, words) in zip(found, document["expected"], strict=True):
        assert words in f"{diagnostic.message} {diagnostic.hint or ''}"
        assert (diagnostic.to_dict()["line"] is not None) == (line is not None)
        assert diagnostic.source is not None
        assert diagnostic.render().startswith(f"{diagnostic.severity}[{diagnostic.code}]: ")


def test_every_code_has_a_test() -> None:
    """Every diagnostic code that the package knows is named in a fixture or a test."""
    texts = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(TESTS.rglob("*"))
        if path.suffix in {".py", ".ottl", ".yaml"} and "conformance" not in path.name
    )
    named = set(re.findall(r"\b[EW]\d{3}\b", texts))
    known = {code for code in CODES if code != "E999"}  # a test of the registry adds that one
    assert known <= named


FILE = """\
processors:
  transform:
    error_mode: ignore
    trace_statements:
      - context: span
        statements:
          - set(nmae, "x")
          - >-
            set(name,
                Lenn("x"))
          - 'set(status.code, 1) where'
  filter/logs:
    log_conditions:
      - log.severity_txt == "x"
"""


def test_files_are_pointed_into(tmp_path: Path) -> None:
    """A diagnostic of a file has its line and column, in folded texts too."""
    path = tmp_path / "collector.yaml"
    path.write_text(FILE, encoding="utf-8")
    found = [d.to_dict() for d in ottl.check(path)]
    places = [(d["code"], Path(d["file"]).name, d["line"], d["column"]) for d in found]
    assert sorted(places) == sorted(
        [
            ("E115", "collector.yaml", 11, 39),
            ("E201", "collector.yaml", 7, 17),
            ("E204", "collector.yaml", 10, 17),
            ("E201", "collector.yaml", 14, 9),
        ]
    )


def test_lists_from_one_text() -> None:
    """Where a list of texts is wanted, one text is split at its commas, as the collector splits it: with a warning."""
    reader = Reader()
    assert [s.text for s in reader.texts("true", "x")] == ["true"]
    assert reader.texts("", "x") == reader.texts(None, "x") == ()
    assert reader.diagnostics == []
    assert [s.text for s in reader.texts("a,b", "x")] == ["a", "b"]
    assert [(d.code, d.severity) for d in reader.diagnostics] == [("W401", "warning")]


def test_names_in_any_case() -> None:
    """Contexts and error modes may be written in capitals."""
    statements = ['set(name, "x")']
    config = {"error_mode": "PROPAGATE", "trace_statements": [{"context": "Span", "statements": statements}]}
    assert "context span, error mode propagate" in ottl.Transform(config).explain()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("x", "a string"), (1, "a number"), (1.5, "a number"), (True, "a bool"), ({}, "a mapping"), ([], "a list"),
        (None, "nothing"), (b"", "bytes"),
    ],
)  # fmt: skip
def test_names_of_types(value: object, name: str) -> None:
    """Values are called what YAML calls them."""
    assert type_name(value) == name

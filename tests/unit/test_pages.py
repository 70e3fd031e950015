"""Every diagnostic code has a page, and the examples of the pages do what they say."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import pytest

import ottl
from ottl.cli import main
from ottl.errors import CODES, ConfigError
from ottl.pages import PAGES, Form, render


def registered() -> set[str]:
    """The codes of all modules."""
    for module in pkgutil.walk_packages(ottl.__path__, "ottl."):
        if not module.name.endswith(("__main__", "._native")) and not module.name.startswith("ottl.repl"):
            importlib.import_module(module.name)
    return set(CODES)


def test_every_code_has_a_page() -> None:
    """A code without a page could not be explained, and a page without a code explains nothing."""
    assert registered() == set(PAGES)


def codes_of(text: str, code: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The codes that `ottl check` finds in an example of a page."""
    page = PAGES[code]
    if page.form is Form.PYTHON:
        try:
            eval(text, {"ottl": ottl})
        except ConfigError as error:
            return [diagnostic.code for diagnostic in error.diagnostics]
        return []
    if page.form in {Form.YAML, Form.SCRIPT}:
        path = folder / ("rules.yaml" if page.form is Form.YAML else "rules.ottl")
        path.write_text(text + "\n", encoding="utf-8")
        rules = [str(path)]
    else:
        rules = [part for line in text.split("\n") for part in ("-e", line)]
    with pytest.raises(SystemExit):
        main(["check", "--format", "json", *page.options, *rules])
    return [finding["code"] for finding in json.loads(capfd.readouterr().out)]


@pytest.mark.parametrize("code", [code for code, page in PAGES.items() if page.form is not Form.OUTLINE])
def test_examples_cause_and_mend(code: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The first example gives this code and no other, the second nothing at all."""
    assert codes_of(PAGES[code].wrong, code, tmp_path, capfd) == [code]
    assert codes_of(PAGES[code].right, code, tmp_path, capfd) == []


def test_outlines_are_those_that_cannot_be_printed() -> None:
    """They are not run, so there are only as many as need be."""
    assert {code for code, page in PAGES.items() if page.form is Form.OUTLINE} == {"E104", "E105"}


def test_render() -> None:
    """A page has its code, title, both examples and no colours unless asked for."""
    text = render("E204", width=60)
    assert text.startswith("error[E204]: unknown function\n\n")
    assert PAGES["E204"].wrong in text
    assert text.endswith(PAGES["E204"].right)
    assert max(map(len, text.splitlines())) <= 60
    assert "\x1b" not in text
    assert render("W301", color=True).startswith("\x1b[36mwarning[W301]\x1b[0m: ")

"""`ottl functions`, `ottl explain CODE | FUNCTION`, `ottl completion`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ottl.cli import main
from ottl.stdlib import ACTIONS, FUNCTIONS


def run(*arguments: str) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_functions_lists_all(capfd: pytest.CaptureFixture[str]) -> None:
    """Editors first, those of scripts, then converters, each with its signature and a sentence."""
    assert run("functions") == 0
    out = capfd.readouterr().out
    assert out.startswith("Editors\n")
    assert [name for name in FUNCTIONS if f"  {FUNCTIONS[name].signature()}" not in out] == []
    assert out.index("Editors of scripts\n") < out.index("  drop()") < out.index("Converters\n")


def test_functions_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    """A list of objects, or one object."""
    assert run("functions", "--json") == 0
    assert {page["name"] for page in json.loads(capfd.readouterr().out)} == {*FUNCTIONS, *ACTIONS}
    assert run("functions", "Substring", "--json") == 0
    assert json.loads(capfd.readouterr().out)["parameters"][1]["type"] == "int"


def test_functions_of_a_context(capfd: pytest.CaptureFixture[str]) -> None:
    """Those that it does not know are left out."""
    assert run("functions", "--context", "log") == 0
    out = capfd.readouterr().out
    assert "ToLowerCase(" in out
    assert "IsRootSpan(" not in out
    assert run("functions", "--context", "spam") == 2


def test_functions_offers_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    """A mistyped name is a mistake of usage."""
    assert run("functions", "Substrng") == 2
    assert "did you mean `Substring`?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("E204", "error[E204]: unknown function"),
        ("w301", "warning[W301]: value of a type that the path refuses on every row"),
        ("set", "set(target: target, value: any)"),
        ("drop", "drop()"),
        ("to_lower_case", "ToLowerCase(target: string) -> string"),
    ],
)
def test_explain_names(name: str, first: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A code is a code, a function name a function."""
    assert run("explain", name) == 0
    assert capfd.readouterr().out.splitlines()[0] == first


def test_explain_a_file_that_is_named_like_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its directory it is the file; a file that is named like no function needs none."""
    monkeypatch.chdir(tmp_path)
    for name in ("E204", "rules"):
        (tmp_path / name).write_text("""trace_statements: ['set(span.name, "x")']\n""", encoding="utf-8")
    for what in ("./E204", "rules"):
        assert run("explain", what) == 0
        assert capfd.readouterr().out.startswith("transform (traces)")
    assert run("explain", "E204") == 0
    assert capfd.readouterr().out.startswith("error[E204]")


@pytest.mark.parametrize(("name", "message"), [("E299", "no code E299"), ("ToLowrCase", "did you mean `ToLowerCase`?")])
def test_explain_what_is_not_there(name: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The nearest name is offered."""
    assert run("explain", name) == 2
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each names the variable that the command answers to."""
    assert run("completion", shell) == 0
    assert f"_OTTL_COMPLETE={shell}_complete" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ottl exp", ["explain"]),
        ("ottl functions to", ["ToLowerCase", "ToUpperCase"]),
        ("ottl explain E20", ["E201", "E202", "E203", "E204", "E205", "E206", "E207", "E208"]),
        ("ottl run --context data", ["datapoint"]),
        ("ottl run --stack f", ["fast"]),
    ],
)
def test_completion(
    words: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Commands, functions, codes, contexts and choices are offered."""
    monkeypatch.setenv("_OTTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert run() == 0
    assert capfd.readouterr().out.split() == [f"plain,{name}" for name in offered]


def test_completion_leaves_files_to_the_shell(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where a file is meant, the shell knows better."""
    monkeypatch.setenv("_OTTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "ottl run rul")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert run() == 0
    assert capfd.readouterr().out == "file,rul\n"

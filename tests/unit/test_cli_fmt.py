"""`ottl fmt`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ottl.cli import main

UGLY = 'trace_statements:\n  - set(span.name,"x")  # why\n'
NEAT = 'trace_statements:\n  - set(span.name, "x")  # why\n'


def run(*arguments: str) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as caught:
        main(["fmt", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with something to format."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rules.yaml"
    path.write_text(UGLY, encoding="utf-8")
    return path


def test_in_place(rules: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The file is replaced, with its rights; a second time there is nothing to do."""
    rules.chmod(0o640)
    assert run("rules.yaml") == 0
    assert rules.read_text(encoding="utf-8") == NEAT
    assert rules.stat().st_mode & 0o777 == 0o640
    assert capfd.readouterr() == ("", "reformatted rules.yaml\n")
    before = rules.stat().st_ino
    assert run("rules.yaml") == 0
    assert (capfd.readouterr(), rules.stat().st_ino) == (("", ""), before)


def test_a_link_stays_one(rules: Path) -> None:
    """What it points to is written."""
    link = rules.parent / "link.yaml"
    link.symlink_to("rules.yaml")
    assert run("link.yaml") == 0
    assert link.is_symlink()
    assert rules.read_text(encoding="utf-8") == NEAT


def test_check(rules: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, the exit code tells."""
    assert run("--check", "rules.yaml") == 1
    assert capfd.readouterr().err == "would reformat rules.yaml\n"
    assert rules.read_text(encoding="utf-8") == UGLY
    rules.write_text(NEAT, encoding="utf-8")
    assert run("--check", "rules.yaml") == 0


def test_diff(rules: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The lines that would change; with --check the exit code tells too."""
    assert run("--diff", "rules.yaml") == 0
    out = capfd.readouterr().out
    assert '-  - set(span.name,"x")  # why\n+  - set(span.name, "x")  # why\n' in out
    assert rules.read_text(encoding="utf-8") == UGLY
    assert run("--diff", "--check", "rules.yaml") == 1


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """To standard output, changed or not."""
    for text in (UGLY, NEAT):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert run("-") == 0
        assert capfd.readouterr().out == NEAT


def test_scripts(rules: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """By their names, and on standard input by their content."""
    path = rules.parent / "rules.ottl"
    path.write_text("set(span.name,'x')  # trace_statements: here\n", encoding="utf-8")
    neat = 'set(span.name, "x")  # trace_statements: here\n'
    assert run("rules.ottl") == 0
    assert path.read_text(encoding="utf-8") == neat
    capfd.readouterr()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"set(span.name,'x')  # trace_statements: here")))
    assert run("-") == 0
    assert capfd.readouterr().out == neat


def test_many_files(rules: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that has a syntax error stays and ends the command with 1; the others are formatted."""
    broken = rules.parent / "broken.yaml"
    broken.write_text("trace_statements: [set(]", encoding="utf-8")
    (rules.parent / "neat.yaml").write_text(NEAT, encoding="utf-8")
    assert run("broken.yaml", "rules.yaml", "neat.yaml") == 1
    err = capfd.readouterr().err
    assert "error[E115]" in err
    assert err.endswith("reformatted rules.yaml\n1 reformatted, 1 left as they are, 1 failed\n")
    assert rules.read_text(encoding="utf-8") == NEAT
    assert broken.read_text(encoding="utf-8") == "trace_statements: [set(]"


def test_what_cannot_be_read(rules: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A missing file is a mistake of usage, one in another encoding or without rules a bad file."""
    assert run("missing.yaml") == 2
    rules.write_bytes(b"trace_statements: ['\xe4']")
    assert run("rules.yaml") == 1
    assert "not UTF-8 (byte 20)" in capfd.readouterr().err
    rules.write_text("a: 1", encoding="utf-8")
    assert run("rules.yaml") == 1
    assert "E453" in capfd.readouterr().err

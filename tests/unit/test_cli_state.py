"""`ottl run --state FILE`: what functions and limits remember, from run to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ottl.cli import main

RULES = (
    "set(span.attributes['mean'], EWMA(span.attributes['n'], 0.5, key=span.name))",
    "limit(3, 1h) where span.name == 'a'",
)


def run(*arguments: str) -> int:
    """Exit code of the command over the input, with both rules."""
    rules = [part for rule in RULES for part in ("-e", rule)]
    with pytest.raises(SystemExit) as caught:
        main(["run", *rules, "in.jsonl", "-o", "out.jsonl", "--state", "state", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two spans in one message."""
    monkeypatch.chdir(tmp_path)
    spans = [{"name": "a", "attributes": [{"key": "n", "value": {"intValue": n}}]} for n in (8, 4)]
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}) + "\n"
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def means() -> list[Any]:
    """What the first rule computed for the spans that are left."""
    (line,) = Path("out.jsonl").read_text(encoding="utf-8").splitlines()
    spans = json.loads(line).get("resourceSpans", [{"scopeSpans": [{"spans": []}]}])[0]["scopeSpans"][0]["spans"]
    return [one["value"]["doubleValue"] for span in spans for one in span["attributes"] if one["key"] == "mean"]


@pytest.mark.parametrize("stack", ["auto", "plain"])
def test_runs_go_on_where_others_ended(stack: str) -> None:
    """A file that is not there yet is a beginning; averages and limits go on from it."""
    assert run("--stack", stack) == 0
    assert means() == [8, 6]
    assert run("--stack", stack) == 0
    assert means() == [7]
    assert run("--stack", stack) == 0
    assert means() == []
    assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl", "out.jsonl", "state"]


def test_a_dry_run_remembers_nothing() -> None:
    """It reads the state and leaves it."""
    assert run() == 0
    before = Path("state").read_bytes()
    assert run("--dry-run") == 0
    assert Path("state").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "damaged: its checksum does not fit"),
        (lambda data: data[: len(data) // 2], "damaged: its checksum does not fit"),
        (lambda data: data[:20], "this is no saved state"),
        (lambda _: b"", "this is no saved state"),
        (lambda _: b"# rules\n" * 20, "this is no saved state"),
        (lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:], "damaged: its checksum does not fit"),
        (lambda data: data[:9] + b"\x63" + data[10:], "of version 99, this reads version 1"),
    ],
    ids=["cut", "half", "head", "empty", "text", "flipped", "version"],
)
def test_a_damaged_state(capfd: pytest.CaptureFixture[str], change: Any, message: str) -> None:
    """It is refused with its name, before anything is read or written, and stays as it is."""
    assert run() == 0
    Path("out.jsonl").unlink()
    damaged = change(Path("state").read_bytes())
    Path("state").write_bytes(damaged)
    capfd.readouterr()
    assert run() == 1
    err = capfd.readouterr().err
    assert "state: " in err
    assert message in err
    assert "Traceback" not in err
    assert Path("state").read_bytes() == damaged
    assert not Path("out.jsonl").exists()


def test_a_run_that_fails_saves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A bad message ends the run, and the state that is there stays."""
    assert run() == 0
    before = Path("state").read_bytes()
    with Path("in.jsonl").open("a", encoding="utf-8") as file:
        file.write("{\n")
    assert run() == 1
    assert Path("state").read_bytes() == before
    assert "Traceback" not in capfd.readouterr().err


def test_the_state_is_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash while it is written leaves the old one, and no rest."""
    assert run() == 0
    before = Path("state").read_bytes()

    def crash(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ottl.cli.state.os.fsync", crash)
    assert run() == 1
    assert Path("state").read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl", "out.jsonl", "state"]


def test_a_state_that_cannot_be_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    """A directory is a mistake of usage."""
    Path("state").mkdir()
    assert run() == 2
    assert "Is a directory" in capfd.readouterr().err

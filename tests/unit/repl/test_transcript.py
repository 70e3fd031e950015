"""The session shown in the documentation answers as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ottl.codec import Limits
from ottl.repl.console import answer
from ottl.repl.data import Data, read
from ottl.repl.session import COMMANDS, Session

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "repl.md"
_PROMPT = re.compile(r"(?P<prompt>(?:span|log|metric|all) [\d/]+> )(?P<text>.*)")


def asked() -> list[tuple[str, str, list[str]]]:
    """Prompt, text and answer of each exchange."""
    found: list[tuple[str, str, list[str]]] = []
    block = PAGE.read_text(encoding="utf-8").partition("```console\n")[2].partition("```")[0]
    for line in block.splitlines():
        match = _PROMPT.fullmatch(line)
        if match is not None:
            found.append((match["prompt"], match["text"], []))
        elif found and line.startswith("     . "):
            prompt, text, _ = found[-1]
            found[-1] = prompt, f"{text}\n{line.removeprefix('     . ')}", []
        elif found:
            found[-1][2].append(line)
    return found


def test_the_transcript_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the time that something took."""
    monkeypatch.chdir(tmp_path)
    session = Session(Data(read(None, Limits(), None, None), Limits()))
    exchanges = asked()
    assert len(exchanges) > 10
    for prompt, text, expected in exchanges:
        assert session.prompt == prompt
        said = re.sub(r"  \(\d+ ms\)", "", answer(session, text)).splitlines()
        assert said == [re.sub(r"  \(\d+ ms\)", "", line) for line in expected]


def test_every_command_is_documented() -> None:
    """With its usage."""
    text = PAGE.read_text(encoding="utf-8")
    assert [c.name for c in COMMANDS if f"| `{f':{c.name} {c.usage}'.strip()}` |" not in text] == []

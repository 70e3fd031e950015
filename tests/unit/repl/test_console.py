"""The terminal of the REPL: what ends a text, keys, history, and life without a terminal or without the extra."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ottl.codec import Limits
from ottl.errors import Error
from ottl.repl import console
from ottl.repl.data import Data, read
from ottl.repl.session import Session

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("span.name", True),
        ('set(span.name, "x")', True),
        ('set(span.name, "(")', True),
        ("set(span.name, ')')", True),
        ("set(span.name", False),
        ("set(span.name,", False),
        ('set(span.name, "x', False),
        ("set(span.name, 'it", False),
        ("span.kind ==", False),
        ("span.kind == 2 and", False),
        ("span.kind == 2 and  # why", False),
        ("set(span.name, 'x') where", False),
        ("1 +", False),
        ("span.brand", True),
        ("keep_keys(span.attributes, [", False),
        (")", True),
        (":where (", True),
        ("", True),
        ("# only a comment (", True),
    ],
)
def test_is_whole(text: str, whole: bool) -> None:
    """Open brackets, strings and operators want more."""
    assert console.is_whole(text) is whole


def make() -> Session:
    """A session over the sample."""
    return Session(Data(read(None, Limits(), None, None), Limits()))


def test_a_stream() -> None:
    """Texts over several lines are put together, `:quit` ends it, and what is left open at the end is answered."""
    said: list[str] = []
    console.serve(make(), io.StringIO("span.kind ==\n  CLIENT\n\nspan.nme\n1 + 1\nset(span.name"), said.append)
    assert (said[0], said[1], said[3]) == ("true", "", "2 : int")
    assert "E201" in said[2]
    assert "E115" in said[4]
    said.clear()
    console.serve(make(), io.StringIO(":quit\n1\n"), said.append)
    assert said == [""]


def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: str, *, more: int = 0) -> tuple[list[str], Session]:
    """What is answered to keys at a terminal, and the session; `more` interrupts before them."""
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    monkeypatch.setenv("OTTL_HISTORY", str(tmp_path / "deep" / "history"))
    said: list[str] = []
    monkeypatch.setattr(console, "_say", said.append)
    session = make()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("\x03" * more + keys)
        console.run(session)
    return said, session


def test_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Enter ends what is whole and continues what is not, Alt-Enter begins a line, Ctrl-C forgets, Ctrl-D leaves."""
    said, session = played(
        monkeypatch,
        tmp_path,
        'span.name\rlen(\rspan.name)\rhalf a line\x031 + 1\rset(span.name, "x")\x1b\rwhere 1 == 1\r\x04',
    )
    assert said[1:4] == ['"bank.authorize" : string', "14 : int", "2 : int"]
    assert said[4] == '~ span.name: "bank.authorize" -> "x"'
    assert not session.done


def test_ctrl_c_never_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However often; an error neither."""
    said, session = played(monkeypatch, tmp_path, "span.nme\r:nothing\r1\r:q\r", more=3)
    assert said[-2] == "1 : int"
    assert session.done


def test_history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is kept on disk for its owner alone, and offered the next time."""
    played(monkeypatch, tmp_path, "1 + 2\r:q\r")
    path = tmp_path / "deep" / "history"
    assert "+1 + 2\n" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    said, _ = played(monkeypatch, tmp_path, "\x1b[A\x1b[A\r:q\r")
    assert said[1] == "3 : int"


def test_history_without_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The session works all the same."""
    (tmp_path / "deep").write_text("a file where a directory is wanted", encoding="utf-8")
    said, _ = played(monkeypatch, tmp_path, "1\r:q\r")
    assert said[1] == "1 : int"


def test_where_the_history_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, or below the user's state directory."""
    monkeypatch.setenv("OTTL_HISTORY", "/a/b")
    assert console.history_file() == Path("/a/b")
    monkeypatch.delenv("OTTL_HISTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert console.history_file() == Path("/state/ottl/history")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert console.history_file() == Path.home() / ".local/state/ottl/history"


def command(*arguments: str, stdin: str = "", blocked: bool = False) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, maybe without prompt_toolkit."""
    block = "sys.modules['prompt_toolkit'] = None\n" if blocked else ""
    script = f"import sys\n{block}from ottl.cli import main\nmain(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_without_the_extra() -> None:
    """The help and a pipe need nothing."""
    assert "Load FILE" in command("repl", "--help", blocked=True).stdout
    done = command("repl", stdin="1 + 1\n", blocked=True)
    assert (done.returncode, done.stdout) == (0, "2 : int\n")


def test_at_a_terminal_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, and how to get it."""
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    with pytest.raises(Error, match=r"pip install 'ottl\[repl\]'"):
        console.run(make())


def test_a_file(tmp_path: Path) -> None:
    """Its name comes first; a missing or malformed one is said and ends with 1."""
    (tmp_path / "in.jsonl").write_text('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}\n', encoding="utf-8")
    assert command("repl", str(tmp_path / "in.jsonl"), stdin="log.severity_number\n").stdout == "0 : int\n"
    missing = command("repl", str(tmp_path / "missing.jsonl"))
    assert missing.returncode == 1
    assert "No such file" in missing.stderr
    (tmp_path / "bad.jsonl").write_text('{"resourceLogs":[{}]}\n{broken\n', encoding="utf-8")
    bad = command("repl", str(tmp_path / "bad.jsonl"))
    assert (bad.returncode, "bad.jsonl:2" in bad.stderr) == (1, True)
    assert command("repl", str(tmp_path / "bad.jsonl"), "--limit", "1").returncode == 0

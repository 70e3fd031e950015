"""`--functions MODULE`: the functions of `examples/own-functions`, one of each kind, in rules and commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ottl import engine
from ottl.cli import main

FOLDER = Path(__file__).parent.parent / "examples" / "own-functions"
RULES, INPUT, MODULE = (str(FOLDER / name) for name in ("rules.ottl", "input.jsonl", "shop.py"))


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A working directory of its own; modules and places to find them are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("ottl", "numpy", "google", "pyarrow", "lark")):
            del sys.modules[name]


def ottl_command(*arguments: str) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}


def spans(path: str) -> list[dict[str, Any]]:
    """The spans of a file of JSON lines."""
    found = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        for resource in json.loads(line).get("resourceSpans", []):
            found += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    return found


@pytest.mark.parametrize("stack", ["fast", "plain"])
def test_one_of_each_kind(monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    """Each does what its docstring says, as plain Python has it, in both stacks."""
    if stack == "fast" and not engine.native_enabled():
        pytest.skip("the native codec is not there")
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)
    assert ottl_command("run", RULES, INPUT, "--functions", MODULE, "--stack", stack, "-o", "out.jsonl") == 0
    before, after = spans(INPUT), spans("out.jsonl")
    took = [int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) for span in before]
    longest: dict[str, int] = {}
    for span, ns in zip(before, took, strict=True):
        longest[span["traceId"]] = max(ns, longest.get(span["traceId"], 0))
    largest: dict[str, int] = {}
    slowest = 0
    for old, new, ns in zip(before, after, took, strict=True):
        given, found = attributes(old), attributes(new)
        assert found["credit_card"] == "*" * 12 + given["credit_card"][-4:]
        assert found["seconds"] == ns / 1e9
        assert found["currency"] == given["payment.currency"]
        assert "payment.currency" not in found
        largest[old["name"]] = max(ns, largest.get(old["name"], 0))
        assert found["slowest.so.far"] == largest[old["name"]]
        assert found.get("slowest", False) == (ns == longest[old["traceId"]])
        slowest += found.get("slowest", False)
    assert (len(after), slowest) == (90, 45)


def test_other_commands_take_them(capfd: pytest.CaptureFixture[str]) -> None:
    """They are checked, explained and listed as those of the library are; a name may be that of a module."""
    sys.path.insert(0, str(FOLDER))
    assert ottl_command("check", RULES, "--functions", "shop") == 0
    assert ottl_command("explain", RULES, "--functions", "shop") == 0
    assert ottl_command("explain", "IsSlowest", "--functions", "shop") == 0
    assert ottl_command("functions", "MaskCard", "--functions", "shop") == 0
    assert ottl_command("functions", "--functions", "shop", "--json") == 0
    out = capfd.readouterr().out
    assert "looks at whole traces" in out
    assert 'gives "************1111"' in out
    assert '"name": "Largest"' in out


def test_strict_refuses_them(capfd: pytest.CaptureFixture[str]) -> None:
    """A collector does not know them."""
    assert ottl_command("check", RULES, "--functions", MODULE, "--strict") == 1
    assert "unknown function MaskCard" in capfd.readouterr().out


def test_the_state_keeps_what_they_remember() -> None:
    """The dataclass of a function goes into the state file and comes back."""
    rule = 'set(span.attributes["largest"], Largest(duration, key=span.name))'
    command = ("run", "-e", rule, INPUT, "--functions", MODULE, "--state", "state", "-o", "out.jsonl")
    assert ottl_command(*command) == 0
    last = {span["name"]: attributes(span)["largest"] for span in spans("out.jsonl")}
    assert ottl_command(*command) == 0
    assert {span["name"]: attributes(span)["largest"] for span in spans("out.jsonl")} == last
    assert attributes(spans("out.jsonl")[0])["largest"] == last[spans(INPUT)[0]["name"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("x = 1", "declares no function"),
        ("x = 1 / 0", "does not load: ZeroDivisionError: division by zero"),
        ("import no_such_module_anywhere", "does not load: No module named"),
        ("def f(:", "does not load: SyntaxError"),
        (
            "from ottl.functions import converter\n@converter('SHA256')\ndef f(x: str) -> str: return x",
            "SHA256 is there already",
        ),
        (
            "from ottl.functions import converter\n@converter('Odd')\ndef f(x: complex) -> str: return ''",
            "no OTTL type for the annotation",
        ),
        (
            "from ottl.functions import converter as c\n\n"
            + "".join(f"@c('Odd')\ndef {name}(x: str) -> str: return x\n" for name in "fg"),
            "function Odd is declared twice",
        ),
    ],
)
def test_modules_that_do_not_serve(capfd: pytest.CaptureFixture[str], text: str | None, message: str) -> None:
    """A mistake in the module is told in one line, as one of usage."""
    if text is not None:
        Path("mine.py").write_text(text, encoding="utf-8")
    assert ottl_command("run", "-e", "set(span.name, 'x')", INPUT, "--functions", "mine.py") == 2
    err = capfd.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_a_module_that_is_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    assert ottl_command("check", "-e", "set(span.name, 'x')", "--functions", "no.such.module") == 2
    assert "no module no.such.module" in capfd.readouterr().err

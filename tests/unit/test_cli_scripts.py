"""Scripts on the command line: `.ottl` files, `-e`, `scripts:` YAML, and where routes go."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ottl.cli import main
from ottl.files import route_name

TRACES = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]}]}]}'


def call(*arguments: str | Path) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    return int(caught.value.code or 0)


def names(text: str) -> list[str]:
    """The names of the spans in JSON lines."""
    return [
        span["name"]
        for line in text.splitlines()
        for resource in json.loads(line).get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A file with two spans."""
    path = tmp_path / "traces.jsonl"
    path.write_text(TRACES + "\n", encoding="utf-8")
    return path


def test_script_file(tmp_path: Path, traces: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`run`, `check` and `explain` take an `.ottl` file; findings name its lines."""
    rules = tmp_path / "rules.ottl"
    rules.write_text("\ufeff# words\nset(span.name, 'c') where span.name == 'a'\n", encoding="utf-8")
    assert call("run", rules, traces) == 0
    assert names(capfd.readouterr().out) == ["c", "b"]
    assert call("check", rules) == 0
    assert call("explain", rules) == 0
    assert "context span" in capfd.readouterr().out
    rules.write_text("# words\n\nset(span.nam, 'c')\n", encoding="utf-8")
    assert call("check", rules) == 1
    assert f"{rules}:3:5" in capfd.readouterr().out
    assert call("run", rules, traces) == 1
    rules.write_bytes(b"set(span.name, '\xff')")
    assert call("check", rules) == 1
    assert "not UTF-8" in capfd.readouterr().out
    assert call("check", tmp_path / "none.ottl") == 2
    assert call("run", rules, traces, "--processor", "transform") == 2


def test_context_of_a_script(tmp_path: Path, traces: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--context` is for scripts too."""
    rules = tmp_path / "rules.ottl"
    rules.write_text("set(name, 'c')", encoding="utf-8")
    assert call("run", rules, traces, "--context", "span") == 0
    assert names(capfd.readouterr().out) == ["c", "c"]


def test_script_in_an_option(traces: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`-e` takes a whole script."""
    assert call("run", "-e", "set(span.name, 'c')\nwhere span.name == 'a'\n\nspan.name == 'c' > drop()", traces) == 0
    assert names(capfd.readouterr().out) == ["b"]
    assert call("check", "-e", "set(span.name, 'c')\nset(span.kind, SERVER)\nwhere span.name == 'a'") == 0
    assert "W101" in capfd.readouterr().out


def test_script_in_yaml(tmp_path: Path, traces: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`scripts:` runs, is checked with its places in the file, and reads `$` as it stands."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "scripts:\n"
        "  - name: rename\n"
        "    condition: span.name == 'a'\n"
        "    action: replace_pattern(span.name, '(a)', '$1$1$$')\n",
        encoding="utf-8",
    )
    assert call("run", rules, traces) == 0
    assert names(capfd.readouterr().out) == ["aa$", "b"]
    assert call("explain", rules) == 0
    assert call("check", rules) == 0
    rules.write_text("scripts:\n  - condition: span.nam == 'a'\n    action: drop()\n", encoding="utf-8")
    capfd.readouterr()
    assert call("check", rules) == 1
    assert "rules.yaml:2:16" in capfd.readouterr().out


def test_collector_yaml_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A processor's statements are in the reference's grammar."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("trace_statements:\n  - set(span.name, 'c')\n", encoding="utf-8")
    assert call("check", rules) == 1
    assert "E101" in capfd.readouterr().out


def test_routes(tmp_path: Path, traces: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A directory gets a file for the rest and one a route; without one there is nowhere to route to."""
    script = "route(exporter.x) where span.name == 'a'\n\nroute('y/z') where span.name == 'none'"
    assert call("run", "-e", script, traces) == 2
    assert "give a directory with -o" in capfd.readouterr().err
    assert call("run", "-e", script, traces, "-o", traces) == 2
    out = tmp_path / "new" / "out"
    assert call("run", "-e", script, traces, "-o", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["traces.jsonl", "traces.x.jsonl"]
    assert names((out / "traces.jsonl").read_text()) == ["b"]
    assert names((out / "traces.x.jsonl").read_text()) == ["a"]


def test_routes_in_other_formats(tmp_path: Path, traces: Path) -> None:
    """Routes have the format and the compression of the rest."""
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(traces.read_bytes()))
    script = "route('y/z') where span.name == 'a'"
    assert call("run", "-e", script, packed, traces, "-o", tmp_path / "out") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "in.jsonl.gz",
        "in.y_z.jsonl.gz",
        "traces.jsonl",
        "traces.y_z.jsonl",
    ]
    assert names(gzip.decompress((tmp_path / "out" / "in.y_z.jsonl.gz").read_bytes()).decode()) == ["a"]
    assert call("run", "-e", script, traces, "--to", "framed", "-o", tmp_path / "pb") == 0
    assert max(p.suffixes[0] for p in (tmp_path / "pb").iterdir()) == ".y_z"


def test_outputs_that_meet(tmp_path: Path, traces: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two outputs of one name are an error, and nothing is written."""
    other = tmp_path / "traces.x.jsonl"
    other.write_text(TRACES + "\n", encoding="utf-8")
    script = "route(exporter.x) where span.name == 'a'"
    for inputs in ((other, traces), (traces, other)):
        assert call("run", "-e", script, *inputs, "-o", tmp_path / "out") == 1
        assert "two outputs would be written to it" in capfd.readouterr().err
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "route", "name"),
    [
        ("a.jsonl", "x", "a.x.jsonl"),
        ("a.b.json.gz", "x", "a.b.x.json.gz"),
        ("a", "x", "a.x"),
        ("a.log", "x", "a.log.x"),
        ("a.pb", "kafka/x y", "a.kafka_x_y.pb"),
        ("a.pb", "../../x", "a.__.._x.pb"),
    ],
)
def test_names_of_routes(place: str, route: str, name: str) -> None:
    """The name stands before the suffixes, and leads nowhere else."""
    assert route_name(Path(place), route) == Path(name)

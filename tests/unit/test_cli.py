"""The command line, over a stand-in for the engine: arguments, files, order of processors, faults, exit codes.

What rules do to telemetry is tested elsewhere; here a statement appends itself to the names of spans or bodies of
records, or is one of the words that `Stub` knows.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

import ottl
import ottl.cli.terminal
from ottl.cli import main
from ottl.engine import StatementStats
from ottl.errors import ConfigError, Diagnostic, PayloadError, StatementError
from ottl.files import transcode
from ottl.source import LocatedText, SourceRange

SPAN = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"%s"}]}]}]}'
LOG = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"%s"}}]}]}]}'
SIGNALS = {"trace": "traces", "log": "logs", "metric": "metrics"}


class Stub:
    """Appends each statement to the first quoted `*` text of a JSON payload.

    `drop` empties the message, `broken` raises a `PayloadError`, `fails` a `StatementError`, `counted` counts an error.
    """

    made: ClassVar[list[tuple[Mapping[str, Any], dict[str, Any]]]] = []
    whole_traces: frozenset[str] = frozenset()
    stateful = False

    def __init__(self, config: Mapping[str, Any], **keywords: Any) -> None:
        Stub.made.append((config, keywords))
        self._statements: dict[str, list[str]] = {}
        self._errors = 0
        for key, statements in config.items():
            if key.endswith(("_statements", "_conditions")):
                self._statements[SIGNALS[key.partition("_")[0]]] = statements
        wrong = [s for statements in self._statements.values() for s in statements if s.startswith("wrong")]
        if wrong:
            raise ConfigError([self._diagnostic("E101", "error", text) for text in wrong])
        self.diagnostics = [
            self._diagnostic("W301", "warning", text)
            for statements in self._statements.values()
            for text in statements
            if text.startswith("doubtful")
        ]

    @staticmethod
    def _diagnostic(code: str, severity: Any, text: str) -> Diagnostic:
        assert isinstance(text, LocatedText)
        return Diagnostic(code, severity, f"{text} it is", SourceRange(0, 5), "try another", text.source())

    @property
    def signals(self) -> frozenset[str]:
        """Those with statements."""
        return frozenset(self._statements)

    def process(self, payload: bytes, signal: str = "traces", encoding: str = "protobuf") -> bytes:
        """The payload with all statements applied."""
        wanted: Any = encoding
        payload = transcode(payload, signal, wanted, "json", ottl.Limits())
        for statement in self._statements[signal]:
            if statement == "drop":
                return b"{}" if encoding == "json" else b""
            if statement == "broken" and b"bad" in payload:
                raise PayloadError("it is broken", 7)
            if statement == "fails" and b"bad" in payload:
                raise StatementError("it fails", statement, 3)
            if statement == "counted":
                self._errors += 1
            elif not statement.startswith("doubtful"):
                payload = payload.replace(b"*", b"*" + statement.encode(), 1)
        return transcode(payload, signal, "json", wanted, ottl.Limits())

    def sibling(self) -> Stub:
        """One that counts for itself."""
        found = copy.copy(self)
        found._errors = 0
        return found

    def stream(self, signal: str) -> None:
        """It is none."""

    def take_counts(self) -> list[Any]:
        """The errors so far, which are counted anew."""
        counts, self._errors = [self._errors], 0
        return counts

    def add_counts(self, counts: list[Any]) -> None:
        """Errors of a sibling."""
        self._errors += counts[0]

    def stats(self) -> list[StatementStats]:
        """One for each statement."""
        return [
            StatementStats(statement, signal, "span", f"rules.yaml:{number}:1", 1234, 5, self._errors, 1_500_000, "why")
            for signal, statements in self._statements.items()
            for number, statement in enumerate(statements, 1)
        ]

    def explain(self) -> str:
        """Something to print."""
        return f"explained {self._statements}\n"


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The stand-in in place of both processors, in an empty directory."""
    monkeypatch.setattr(ottl, "Transform", Stub, raising=False)
    monkeypatch.setattr(ottl, "Filter", Stub, raising=False)
    monkeypatch.setenv("OTTL_NATIVE", "0")
    monkeypatch.chdir(tmp_path)
    Stub.made = []
    yield
    Stub.made = []


def ottl_command(*arguments: str) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def rules(name: str = "rules.yaml", **statements: list[str]) -> str:
    """A file with a processor's configuration."""
    Path(name).write_text(json.dumps({f"{key}_statements": value for key, value in statements.items()}))
    return name


def telemetry(*lines: str, name: str = "in.jsonl") -> str:
    """A file with these lines."""
    Path(name).write_text("".join(line + "\n" for line in lines))
    return name


def test_rules_run_over_the_lines_of_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    """Each line goes through the processor of its signal, others pass as they came."""
    source = telemetry(SPAN % "*", LOG % "*", "{}", SPAN % "*")
    assert ottl_command("run", rules(trace=["x", "y"]), source) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == [SPAN % "*yx", LOG % "*", "{}", SPAN % "*yx"]
    assert err == ""


COLLECTOR = """
receivers: {otlp: }
processors:
  batch:
  filter/c: {trace_conditions: [c]}
  transform/a: {trace_statements: [a], log_statements: [A]}
  transform/b: {trace_statements: [b], log_statements: [B]}
"""
PIPELINES = """
service:
  pipelines:
    traces: {processors: [batch, transform/b, transform/a]}
    logs/2: {processors: [transform/a]}
"""
TWO_PIPELINES = """
processors: {transform: {}, filter: {}}
service:
  pipelines:
    traces/1: {processors: [transform]}
    traces/2: {processors: [filter]}
"""


@pytest.mark.parametrize(
    ("text", "options", "names", "left_out"),
    [
        (COLLECTOR, [], ("*bac", "*BA"), "batch"),
        (COLLECTOR, ["--processor", "transform/b"], ("*b", "*B"), "filter/c, transform/a"),
        (COLLECTOR, ["--processor", "transform/b", "--processor", "filter/c"], ("*cb", "*B"), "transform/a"),
        (COLLECTOR + PIPELINES, [], ("*ab", "*A"), "batch, filter/c"),
        (COLLECTOR + PIPELINES, ["--processor", "filter/c"], ("*c", "*"), "batch, transform/b, transform/a"),
        ("transform/a: {trace_statements: [a]}\nfilter: {log_conditions: [f]}", [], ("*a", "*f"), ""),
    ],
)
def test_processors_run_in_the_order_asked_for(
    capfd: pytest.CaptureFixture[str], text: str, options: list[str], names: tuple[str, str], left_out: str
) -> None:
    """The pipeline's order, the file's, or that of `--processor`; the others are named."""
    Path("rules.yaml").write_text(text)
    assert ottl_command("run", *options, "rules.yaml", telemetry(SPAN % "*", LOG % "*")) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        json.dumps(json.loads(line), separators=(",", ":")) for line in (SPAN % names[0], LOG % names[1])
    ]
    assert err == (f"ottl: left out: {left_out}\n" if left_out else "")


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (COLLECTOR, ["--processor", "transform/z"], "E454"),
        ("processors: {}\nservice: {pipelines: {traces: {processors: [transform]}}}", [], "E454"),
        (TWO_PIPELINES, [], "E456"),
        ("a: 1\na: 2", [], "E451"),
        ("trace_statements: ['${env:HOME}']", [], "E452"),
        ("exporters: {}", [], "E453"),
        ("processors: [1]", [], "E455"),
        ("processors: {transform: 5}", [], "E455"),
        ("service: {pipelines: {logs: {processors: transform}}}", [], "E455"),
        ("trace_statements: [", [], "E450"),
        ("\t", [], "E450"),
        ("a: &a {a: *a}", [], "E450"),
        ("[" * 100_000, [], "E450"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_ends_with_1(
    capfd: pytest.CaptureFixture[str], text: str, options: list[str], code: str
) -> None:
    """The diagnostic is on standard error, nothing on standard output."""
    Path("rules.yaml").write_text(text)
    assert ottl_command("run", *options, "rules.yaml", telemetry(SPAN % "*")) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"error[{code}]: ")
    assert "rules.yaml:" in err or options


def test_dollars_are_read_as_the_collector_reads_them(capfd: pytest.CaptureFixture[str]) -> None:
    """Two are one, one stays, an escaped reference is a text."""
    Path("rules.yaml").write_text("trace_statements: [$$1, $2, '$${x}']")
    assert ottl_command("run", "rules.yaml", telemetry(SPAN % "*")) == 0
    assert "*${x}$2$1" in capfd.readouterr().out


def test_an_alias_may_stand_for_much_without_growing() -> None:
    """What aliases share is read once."""
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    processor = ottl.load_config(f"processors:\n  transform:\n    {text.replace(chr(10), chr(10) + '    ')}")
    started = time.monotonic()
    assert len(processor.processors["transform"].config()) == 60
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "missing.yaml", "in.jsonl"),
        ("run", "rules.yaml", "missing.jsonl"),
        ("run", "rules.yaml", "in.jsonl", "--context", "span"),
        ("run", "-e", "x", "--processor", "transform", "in.jsonl"),
        ("run", "rules.yaml", "in.jsonl", "--to", "xml"),
        ("run", "rules.yaml", "in.jsonl", "--max-message", "lots"),
        ("run", "rules.yaml", "in.jsonl", "--max-message", "0"),
        ("run", "rules.yaml", "in.jsonl", "--feature-gates", "no.such.gate"),
        ("run", "rules.yaml", "in.jsonl", "--feature-gates", "transform.flatten.logs"),
        ("run", "rules.yaml", "in.jsonl", "-o", "no/such/folder.jsonl"),
        ("run", "rules.yaml", "in.jsonl", "in.jsonl", "-o", "out/"),
        ("run", "rules.yaml", "in.jsonl", "--on-bad-input", "copy", "--to", "framed"),
        ("check",),
        ("check", "missing.yaml"),
        ("explain",),
        ("explain", "rules.yaml", "-e", "x"),
        ("frobnicate",),
    ],
)
def test_wrong_usage_ends_with_2(capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """A line on standard error says what is wrong."""
    rules(trace=["x"])
    telemetry(SPAN % "*")
    assert ottl_command(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "Error: " in err
    assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl", "rules.yaml"]


def test_options_reach_the_processors() -> None:
    """Limits, gates, strictness, stack and error mode."""
    source = telemetry("{}")
    gates = "ottl.functions.enableLambda,pkg.ottl.functions.enableExperimental"
    options = ["--max-message", "1GiB", "--max-messages", "7", "--strict", "--stack", "plain", "--error-mode", "silent"]
    assert ottl_command("run", rules(trace=["x"]), source, *options, "--feature-gates", gates) == 0
    assert ottl_command("run", "rules.yaml", source, "--feature-gates", "-ottl.functions.enableLambda") == 0
    (config, keywords), (plain_config, plain_keywords) = Stub.made
    assert config["error_mode"] == "silent"
    assert keywords == {
        "strict": True,
        "stack": "plain",
        "lambdas": True,
        "experimental": True,
        "functions": None,
        "limits": ottl.Limits(1 << 30, 7, 100),
    }
    assert plain_config == {"trace_statements": ["x"]}
    assert plain_keywords == {
        "strict": False,
        "stack": "auto",
        "lambdas": False,
        "experimental": False,
        "functions": None,
        "limits": ottl.Limits(),
    }


def test_a_bad_message_stops_and_leaves_the_output_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """File, line and offset are named; the file that was there stays."""
    source = telemetry(SPAN % "*", SPAN % "bad", SPAN % "*")
    Path("out.jsonl").write_text("old\n")
    assert ottl_command("run", rules(trace=["broken"]), source, "-o", "out.jsonl") == 1
    assert capfd.readouterr().err == f"ottl: in.jsonl:2: it is broken (at byte {len(SPAN % '*') + 1 + 7})\n"
    assert Path("out.jsonl").read_text() == "old\n"
    assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl", "out.jsonl", "rules.yaml"]


@pytest.mark.parametrize("statement", ["broken", "fails"])
def test_bad_messages_can_be_left_out_or_copied(capfd: pytest.CaptureFixture[str], statement: str) -> None:
    """They are counted, the output is written, and the command still ends with 1."""
    source = telemetry(SPAN % "*", SPAN % "bad", "nonsense", SPAN % "*", SPAN % "bad")
    config = rules(trace=[statement])
    assert ottl_command("run", config, source, "-o", "skip.jsonl", "--on-bad-input", "skip") == 1
    assert "ottl: in.jsonl: 3 bad messages left out, the first: in.jsonl:2: " in capfd.readouterr().err
    assert ottl_command("run", config, source, "-o", "copy.jsonl", "--on-bad-input", "copy") == 1
    assert "ottl: in.jsonl: 3 bad messages copied as they were, the first: in.jsonl:2: " in capfd.readouterr().err
    done = SPAN % f"*{statement}"
    assert Path("skip.jsonl").read_text().splitlines() == [done, done]
    assert Path("copy.jsonl").read_text().splitlines() == [done, SPAN % "bad", "nonsense", done, SPAN % "bad"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_message_that_no_rule_looks_at_must_be_whole(capfd: pytest.CaptureFixture[str], jobs: str) -> None:
    """Whoever reads the output could not read a line cut short; it is named, and can be left out."""
    cut = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9'
    whole = '{"resourceLogs": [ {} ]}'
    Path("in.jsonl").write_text(f"{whole}\n{cut}\n{whole}\n")
    arguments = ("-e", 'set(span.name, "x")', "in.jsonl", "--jobs", jobs)
    assert ottl_command("run", *arguments) == 1
    out, err = capfd.readouterr()
    assert out == f"{whole}\n"
    assert err.startswith("ottl: in.jsonl:2: ")
    assert f"(at byte {len(whole) + 1 + len(cut)})" in err
    assert ottl_command("run", *arguments, "--on-bad-input", "skip") == 1
    assert capfd.readouterr().out == f"{whole}\n{whole}\n"


def test_one_bad_message_is_spoken_of_as_one(capfd: pytest.CaptureFixture[str]) -> None:
    """It was copied, not they."""
    assert ottl_command("run", rules(trace=["x"]), telemetry("{", SPAN % "*"), "--on-bad-input", "copy") == 1
    assert "ottl: in.jsonl: 1 bad message copied as it was, the first: in.jsonl:1: " in capfd.readouterr().err


def test_a_limit_names_its_flag(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever meets it can raise it."""
    source = telemetry(SPAN % "*")
    for option in ("--max-message", "--max-messages"):
        assert ottl_command("run", rules(trace=["x"]), source, "--to", "framed", option, "2") == 1
        assert f"({option} raises the limit) (at byte " in capfd.readouterr().err


def test_a_failing_frame_is_told_by_its_offset(capfd: pytest.CaptureFixture[str]) -> None:
    """Frames have no lines."""
    assert ottl_command("run", rules(metric=["x"]), telemetry("{}", SPAN % "bad"), "--to", "framed", "-o", "in.pb") == 0
    assert ottl_command("run", rules(trace=["fails"]), "in.pb") == 1
    assert capfd.readouterr().err == "ottl: in.pb: row 3: it fails: fails (in the message at byte 8)\n"


def test_the_fast_stack_is_refused_without_native_code(capfd: pytest.CaptureFixture[str]) -> None:
    """Not run on the other one in silence."""
    assert ottl_command("run", rules(trace=["x"]), telemetry(SPAN % "*"), "--stack", "fast") == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "ottl: --stack fast needs the native extension, which is not in use here (ottl --version)\n"


def test_a_directory_may_go_into_one_file() -> None:
    """Where the name of the output is that of an OTLP file; any other new name is a directory."""
    Path("in").mkdir()
    telemetry(SPAN % "*", name="in/a.jsonl")
    telemetry(SPAN % "*", SPAN % "*", name="in/b.jsonl")
    config = rules(trace=["x"])
    for name in ("out.jsonl", "out.jsonl"):
        assert ottl_command("run", config, "in", "-o", name) == 0
        assert Path("out.jsonl").read_text().splitlines() == [SPAN % "*x"] * 3
    assert ottl_command("run", config, "in", "-o", "out") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.jsonl", "b.jsonl"]


def test_a_broken_stream_ends_its_input(capfd: pytest.CaptureFixture[str]) -> None:
    """What was read before the break is written under `skip`; the next input follows."""
    Path("cut.jsonl.gz").write_bytes(gzip.compress((SPAN % "*" + "\n").encode() * 3)[:-6])
    source = telemetry(SPAN % "*")
    assert ottl_command("run", rules(trace=["x"]), "cut.jsonl.gz", source, "--on-bad-input", "skip") == 1
    out, err = capfd.readouterr()
    assert out.splitlines()[-1] == SPAN % "*x"
    assert "cut.jsonl.gz: 1 bad message left out, the first: cut.jsonl.gz: the gzip stream is cut short" in err
    assert ottl_command("run", "rules.yaml", "cut.jsonl.gz", "--on-bad-input", "copy") == 1


def test_statement_errors_are_counted_with_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    """They do not change the exit code; `silent` hides them."""
    source = telemetry(SPAN % "*", SPAN % "*")
    assert ottl_command("run", rules(trace=["counted"]), source) == 0
    assert capfd.readouterr().err == "ottl: rules.yaml:1:1: 2 errors in counted: the first: why\n"
    assert ottl_command("run", "rules.yaml", source, "--error-mode", "silent") == 0
    assert capfd.readouterr().err == ""


def test_statistics_are_a_table(capfd: pytest.CaptureFixture[str]) -> None:
    """One row a statement, on standard error."""
    assert ottl_command("run", rules(trace=["x", "longer"]), telemetry("{}"), "--stats") == 0
    assert capfd.readouterr().err.splitlines() == [
        "matched  changed  errors   ms  signal  context  statement",
        "  1,234        5       0  1.5  traces  span     x",
        "  1,234        5       0  1.5  traces  span     longer",
    ]


def test_many_inputs_go_to_one_stream_or_to_a_directory(capfd: pytest.CaptureFixture[str]) -> None:
    """In the order of the arguments; a directory keeps names and compression."""
    Path("data/deep").mkdir(parents=True)
    telemetry(SPAN % "*1", name="data/a.jsonl")
    Path("data/deep/b.jsonl.gz").write_bytes(gzip.compress((SPAN % "*2").encode()))
    config = rules(trace=["x"])
    assert ottl_command("run", config, "data/a.jsonl", "data/deep/*.gz") == 0
    assert capfd.readouterr().out.splitlines() == [SPAN % "*x1", SPAN % "*x2"]
    assert ottl_command("run", config, "data", "-o", "out") == 0
    assert Path("out/a.jsonl").read_text() == SPAN % "*x1" + "\n"
    assert gzip.decompress(Path("out/deep/b.jsonl.gz").read_bytes()).decode() == SPAN % "*x2" + "\n"


def test_of_many_outputs_all_or_none_appear() -> None:
    """A bad message in the last input leaves the first output alone too."""
    telemetry(SPAN % "*", name="a.jsonl")
    telemetry(SPAN % "bad", name="b.jsonl")
    assert ottl_command("run", rules(trace=["broken"]), "a.jsonl", "b.jsonl", "-o", "out/") == 1
    assert list(Path("out").iterdir()) == []


def test_the_output_may_be_the_input() -> None:
    """The file is read to its end before it is replaced."""
    source = telemetry(*[SPAN % "*"] * 1000)
    assert ottl_command("run", rules(trace=["x"]), source, "-o", source) == 0
    assert Path(source).read_text() == (SPAN % "*x" + "\n") * 1000


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.jsonl"])
def test_the_output_is_compressed_by_its_suffix(name: str) -> None:
    """Whatever the input is."""
    Path("in.gz").write_bytes(gzip.compress((SPAN % "*").encode()))
    assert ottl_command("run", rules(trace=["x"]), "in.gz", "-o", name) == 0
    data = Path(name).read_bytes()
    assert (gzip.decompress(data) if name.endswith(".gz") else data).decode() == SPAN % "*x" + "\n"


def test_an_emptied_message_has_a_form_in_each_format() -> None:
    """`{}`, a frame of length zero, an empty file."""
    source = telemetry(SPAN % "*", LOG % "*")
    config = rules(trace=["drop"])
    assert ottl_command("run", config, source, "-o", "out.jsonl") == 0
    assert Path("out.jsonl").read_text() == "{}\n" + LOG % "*" + "\n"
    assert ottl_command("run", config, source, "-o", "out.pb", "--to", "framed") == 0
    data = Path("out.pb").read_bytes()
    assert data[:4] == b"\0\0\0\0"
    assert struct.unpack(">I", data[4:8]) == (len(data) - 8,)
    assert ottl_command("run", config, telemetry(SPAN % "*"), "-o", "one.pb", "--to", "protobuf") == 0
    assert Path("one.pb").read_bytes() == b""


def test_a_format_of_one_message_cannot_hold_two(capfd: pytest.CaptureFixture[str]) -> None:
    """The message says which format can, and nothing is written."""
    source = telemetry(SPAN % "*", SPAN % "*")
    assert ottl_command("run", rules(trace=["x"]), source, "--to", "protobuf", "-o", "out.pb") == 1
    assert "--to framed" in capfd.readouterr().err
    assert not Path("out.pb").exists()


def test_messages_can_change_their_format() -> None:
    """Lines to frames and back are the same messages."""
    source = telemetry(SPAN % "a", LOG % "b", "{}")
    config = rules(metric=["x"])
    assert ottl_command("run", config, source, "--to", "framed", "-o", "out.pb.zst") == 0
    assert ottl_command("run", config, "out.pb.zst", "--to", "jsonl", "-o", "back.jsonl") == 0
    assert Path("back.jsonl").read_text().splitlines() == [SPAN % "a", LOG % "b", "{}"]


def test_inputs_of_two_encodings_need_a_common_format(capfd: pytest.CaptureFixture[str]) -> None:
    """One output has one format."""
    config = rules(metric=["x"])
    source = telemetry(SPAN % "a")
    assert ottl_command("run", config, source, "--to", "framed", "-o", "a.pb") == 0
    assert ottl_command("run", config, source, "a.pb", "-o", "both.jsonl") == 1
    assert "inputs in jsonl and framed need --to" in capfd.readouterr().err
    assert ottl_command("run", config, source, "a.pb", "-o", "both.jsonl", "--to", "jsonl") == 0
    assert Path("both.jsonl").read_text().splitlines() == [SPAN % "a"] * 2


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.mark.parametrize("delay_s", [0, 60])
def test_the_bar_is_gone_before_anything_is_reported(monkeypatch: pytest.MonkeyPatch, delay_s: float) -> None:
    """It would be drawn into the report; a short run has none."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(ottl.cli.terminal, "_PROGRESS_DELAY_S", delay_s)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    source = telemetry(SPAN % "*", SPAN % "*")
    assert ottl_command("run", rules(trace=["counted"]), source, "-o", "out.jsonl") == 0
    err = terminal.getvalue()
    report = "ottl: rules.yaml:1:1: 2 errors in counted: the first: why\n"
    if delay_s:
        assert err == report
    else:
        assert err.index("ottl run") < err.index("\x1b[?25h") < err.index(report)


def test_statistics_fit_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement goes on below itself."""
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert ottl_command("run", rules(trace=["x" * 40]), telemetry("{}"), "--stats") == 0
    lines = terminal.getvalue().splitlines()
    assert [line[48:] for line in lines] == ["statement", "x" * 32, "x" * 8]
    assert {line[:48].strip() for line in lines[2:]} == {""}


def test_check_shows_every_diagnostic(capfd: pytest.CaptureFixture[str]) -> None:
    """Of all processors and files; errors end with 1, warnings with 0."""
    Path("a.yaml").write_text("processors:\n  transform/a:\n    trace_statements: [wrong 1, wrong 2]\n  filter:\n"
                              "    log_conditions: [doubtful 3]\n")  # fmt: skip
    rules("b.yaml", trace=["doubtful 4"])
    assert ottl_command("check", "a.yaml", "b.yaml") == 1
    out, err = capfd.readouterr()
    assert out.count("error[E101]: wrong") == 2
    assert out.count("warning[W301]: doubtful") == 2
    assert "--> a.yaml:3:24" in out
    assert err == "2 errors, 2 warnings\n"
    assert ottl_command("check", "b.yaml") == 0
    assert capfd.readouterr().err == "0 errors, 1 warning\n"


def test_check_reads_from_top_to_bottom(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever was found first; a list that processors share is shown once."""
    Path("a.yaml").write_text("processors:\n  filter:\n    log_conditions: &a [wrong 1]\n  transform/a:\n"
                              "    metric_statements: [wrong 2, wrong 3]\n    log_statements: *a\n")  # fmt: skip
    assert ottl_command("check", "a.yaml") == 1
    out, err = capfd.readouterr()
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("  --> ")] == [
        "a.yaml:3:25", "a.yaml:5:25", "a.yaml:5:34"
    ]  # fmt: skip
    assert err == "3 errors, 0 warnings\n"


def test_check_prints_json(capfd: pytest.CaptureFixture[str]) -> None:
    """A list of objects with stable names."""
    Path("a.yaml").write_text("trace_statements:\n- 'wrong 1'\n")
    assert ottl_command("check", "a.yaml", "--format", "json") == 1
    assert json.loads(capfd.readouterr().out) == [
        {
            "code": "E101",
            "severity": "error",
            "message": "wrong 1 it is",
            "file": "a.yaml",
            "line": 2,
            "column": 4,
            "end_line": 2,
            "end_column": 9,
            "hint": "try another",
        }
    ]
    Path("a.yaml").write_text("trace_statements: [fine]")
    assert ottl_command("check", "a.yaml", "--format", "json") == 0
    assert json.loads(capfd.readouterr().out) == []


def test_explain_prints_each_processor_once(capfd: pytest.CaptureFixture[str]) -> None:
    """With the signals it runs on, and what is left out."""
    Path("rules.yaml").write_text(COLLECTOR + PIPELINES)
    assert ottl_command("explain", "rules.yaml") == 0
    out = capfd.readouterr().out
    assert "transform/a (logs, traces)\n\nexplained " in out
    assert out.count("transform/a (") == 1
    assert out.endswith("left out: batch, filter/c\n")


def test_places_follow_every_style_of_yaml(capfd: pytest.CaptureFixture[str]) -> None:
    """Plain, quoted and block texts point to their first character."""
    Path("rules.yaml").write_text(
        "trace_statements:\n"
        "  - wrong plain\n"
        "  - 'wrong quoted'\n"
        '  - "wrong double"\n'
        "  - |\n"
        "      wrong block\n"
        "  - >-\n"
        "    wrong folded\n"
    )
    assert ottl_command("check", "rules.yaml", "--format", "json") == 1
    found = json.loads(capfd.readouterr().out)
    assert [(item["line"], item["column"]) for item in found] == [(2, 5), (3, 6), (4, 6), (6, 7), (8, 5)]


def test_the_version_says_which_codec_is_used(capfd: pytest.CaptureFixture[str]) -> None:
    """Switched off, it is the plain stack."""
    assert ottl_command("--version") == 0
    assert capfd.readouterr().out == f"ottl {ottl.__version__} (plain stack: OTTL_NATIVE=0)\n"


def test_help_of_every_command_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    """Each command appears in the help and has its own."""
    assert ottl_command("--help") == 0
    text = capfd.readouterr().out
    for name in ("run", "check", "explain"):
        assert f"\n  {name} " in text
        assert ottl_command(name, "--help") == 0
        assert f"Usage: ottl {name}" in capfd.readouterr().out


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process of its own, all its streams pipes; it is ended where it takes too long."""
    root = str(Path(ottl.__file__).parent.parent)
    # A shell lets its background jobs ignore interrupts, and what is ignored is inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    before_hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(
        [sys.executable, "-m", "ottl", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            signal.signal(signal.SIGINT, before)
            signal.signal(signal.SIGHUP, before_hangup)


def test_a_closed_pipe_ends_quietly() -> None:
    """A reader that has had enough is no error."""
    Path("in.jsonl").write_text((SPAN % "a" + "\n") * 50_000)
    with started("run", "-e", 'set(metric.name, "x")', "in.jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == (SPAN % "a" + "\n").encode()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_leaves_nothing_behind(number: int, code: int) -> None:
    """No traceback, no half-written file, the old one untouched."""
    Path("out.jsonl").write_text("old\n")
    with started("run", "-e", 'set(metric.name, "x")', "-o", "out.jsonl") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write((SPAN % "a" + "\n").encode())
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not list(Path().glob(".out.jsonl.*.part")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert process.stderr.read() == b""
    assert [path.name for path in Path().iterdir()] == ["out.jsonl"]
    assert Path("out.jsonl").read_text() == "old\n"


def test_an_interrupt_inside_a_piece_of_source() -> None:
    """Python remembers one that came while it ran text, and would end the process by the signal, whoever caught it."""
    Path("interrupted.py").write_text(
        "from ottl import cli\n"
        "def run(arguments):\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        return 130\n"
        "cli._run = run\n"
        "cli.command()\n"
    )
    root = str(Path(ottl.__file__).parent.parent)
    path = os.pathsep.join((root, str(Path.cwd())))
    command = [sys.executable, "-m", "interrupted"]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    assert ottl_command("run", rules(trace=["x"]), telemetry(SPAN % "*"), "-o", "/dev/full") == 1
    assert capfd.readouterr().err == "ottl: /dev/full: No space left on device\n"


def test_standard_input_is_answered_line_by_line() -> None:
    """A pipe need not end before its first message comes out."""
    with started("run", "-e", 'set(metric.name, "x")') as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("a", "b"):
            process.stdin.write((SPAN % text + "\n").encode())
            process.stdin.flush()
            assert process.stdout.readline() == (SPAN % text + "\n").encode()
        process.stdin.close()
        assert process.wait(timeout=30) == 0

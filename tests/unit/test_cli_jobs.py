"""`ottl run --jobs N`: the same outputs, reports and exit codes as one process, in the same order."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ottl import files
from ottl.cli import blocks, main, workers
from ottl.cli.passage import Passage
from ottl.cli.rules import Rules
from ottl.codec.messages import root_class

CHANGE = 'set(span.attributes["n"], Concat([span.name, "x"], "-")) where span.name != "7"'
FAILS = 'set(span.attributes["y"], ToUpperCase(span.attributes["x"])) where span.attributes["x"] != nil'
INFLATE: dict[str, Any] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".zst": lambda file: zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True),
}
DROPS = 'drop() where span.name == "5"'


def traces(name: str, value: str | int = "text") -> str:
    """A message of one span, as a line of JSON."""
    kind = "stringValue" if isinstance(value, str) else "intValue"
    span = {"name": name, "attributes": [{"key": "x", "value": {kind: value}}]}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n"


def lines(count: int = 40) -> str:
    """Messages of traces, every tenth of another kind: logs, none, or with an attribute that `FAILS` fails on."""
    odd = {
        3: '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}\n',
        6: "{}\n",
        8: traces("eight", 8),
    }
    return "".join(odd.get(number % 10, traces(str(number))) for number in range(count))


def framed(count: int) -> bytes:
    """Length-prefixed protobuf messages of one span each."""
    found = b""
    for number in range(count):
        root: Any = root_class("traces")()
        root.resource_spans.add().scope_spans.add().spans.add().name = str(number).encode()
        data = root.SerializeToString()
        found += len(data).to_bytes(4, "big") + data
    return found


@pytest.fixture(autouse=True, params=["threads", "processes"])
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An empty working directory, batches small enough for several of them, and workers of either kind.

    Rules that are no streams have processes for workers in both cases.
    """
    if request.param == "processes":
        monkeypatch.setattr(Rules, "are_streams", False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "_BLOCK", 300)
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], jobs: int, *arguments: str) -> tuple[int, str, str, dict[str, bytes]]:
    """Exit code, both streams (without times) and the files of `out` after a run, inflated; they are removed."""
    with pytest.raises(SystemExit) as caught:
        main(["run", "--jobs", str(jobs), *arguments])
    out, err = capfd.readouterr()
    found = {}
    for path in sorted(Path("out").rglob("*")):
        if path.is_file():
            # Every worker compresses for itself: there may be several members in place of one.
            with path.open("rb") as file:
                found[str(path)] = INFLATE.get(path.suffix, lambda file: file)(file).read()
            path.unlink()
    assert isinstance(caught.value.code, int)
    return caught.value.code, without_times(out), without_times(err), found


def without_times(text: str) -> str:
    """A report without the times of statements and the blanks that make room for them."""
    return re.sub(r" +", " ", re.sub(r"[\d,]+\.\d", "-", text))


def assert_same(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str, dict[str, bytes]]:
    """What one process and several gave, which is the same."""
    Path("out").mkdir(exist_ok=True)
    one = run(capfd, 1, *arguments)
    several = run(capfd, 3, *arguments)
    assert several == one
    return one


@pytest.mark.parametrize("slab", [1 << 16, 200])
@pytest.mark.parametrize("to", ["jsonl", "framed"])
def test_outputs_and_statistics_are_those_of_one_process(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, slab: int, to: str
) -> None:
    """In order, whatever the format, through shared memory or, where it is too small, the pipe."""
    monkeypatch.setattr(blocks, "_ROOM_BYTES", slab)
    Path("in.jsonl").write_text(lines())
    code, out, err, _ = assert_same(capfd, "-e", CHANGE, "-e", FAILS, "--to", to, "--stats", "-o", "out/o", "in.jsonl")
    assert (code, out) == (0, "")
    assert "4 errors in" in err


@pytest.mark.parametrize("name", ["in.jsonl.gz", "in.pb", "folder"])
def test_all_inputs_of_one_process_are_read(capfd: pytest.CaptureFixture[str], name: str) -> None:
    """Compressed ones, protobuf, and many files with one message each, which share the workers."""
    if name == "folder":
        Path(name).mkdir()
        for number in range(8):
            Path(name, f"{number}.json").write_text(traces(str(number)))
    else:
        Path(name).write_bytes(gzip.compress(lines().encode()) if name.endswith(".gz") else framed(20))
    _, _, _, files = assert_same(capfd, "-e", CHANGE, "-e", DROPS, "-o", "out/", name)
    assert len(files) == (8 if name == "folder" else 1)


@pytest.mark.parametrize("what", ["stop", "skip", "copy"])
@pytest.mark.parametrize(
    "bad", ["not JSON\n", '{"resourceSpans":[{"scopeSpans":[{"spans":[7]}]}]}\n', "x" * 3000 + "\n"]
)
def test_bad_messages_are_met_in_order(capfd: pytest.CaptureFixture[str], what: str, bad: str) -> None:
    """Found while reading, in a worker, or larger than is allowed: only what came before it counts."""
    Path("in.jsonl").write_text(lines(20) + bad + lines(20) + bad + lines(20))
    arguments = ["-e", CHANGE, "-e", FAILS, "--max-message", "2000", "--on-bad-input", what, "--stats", "in.jsonl"]
    code, _, err, files = assert_same(capfd, "-o", "out/o.jsonl", *arguments)
    assert code == 1
    assert "in.jsonl:21" in err
    assert bool(files) == (what != "stop")


@pytest.mark.parametrize("room", [1 << 16, 500])
def test_started_anew_workers_do_the_same(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Where a process cannot be forked, rules and messages travel through pipes."""
    monkeypatch.setattr(Rules, "are_streams", False)
    monkeypatch.setattr(workers, "_FORKED", False)
    monkeypatch.setattr(blocks, "_ROOM_BYTES", room)
    Path("in.jsonl").write_text(lines(20) + traces("long" * 300) + "bad\n" + lines(20))
    arguments = ["-e", CHANGE, "-e", FAILS, "--stats", "--errors", "out/errors", "--on-bad-input", "copy"]
    code, _, err, files = assert_same(capfd, *arguments, "-o", "out/o.jsonl", "in.jsonl")
    assert code == 1
    assert "in.jsonl:22" in err
    assert len(files["out/o.jsonl"].splitlines()) == 42


def test_large_blocks_and_outputs_pass_through_a_pipe_both_ways(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is started anew gets neither while it has something to answer, which would stop both for ever."""
    monkeypatch.setattr(Rules, "are_streams", False)
    monkeypatch.setattr(workers, "_FORKED", False)
    monkeypatch.setattr(files, "_BLOCK", 1 << 20)
    Path("in.jsonl").write_text("".join(traces("long" * 5000) for _ in range(300)))
    Path("out").mkdir()
    arguments = ("-e", CHANGE, "-o", "out/o.jsonl", "in.jsonl")
    assert run(capfd, 2, *arguments) == run(capfd, 1, *arguments)


@pytest.mark.parametrize("size", [3, 400, 3000])
def test_memory_is_used_again_only_when_what_it_held_is_written(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Many more blocks than there is memory for, of messages of different lengths."""
    monkeypatch.setattr(workers, "_AHEAD_BYTES", 2 * size)
    Path("in.jsonl").write_text("".join(traces(f"{number}" * (number % size)) for number in range(300)))
    _, _, err, _ = assert_same(capfd, "-e", CHANGE, "-o", "out/o.jsonl", "in.jsonl")
    assert err == ""


def test_large_messages_keep_their_lines(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have no room in shared memory, or are larger than is allowed, count like the others."""
    monkeypatch.setattr(blocks, "_ROOM_BYTES", 700)
    parts = [lines(7), traces("x" * 900, 8), "\n", "y" * 1500 + "\n", traces("z" * 1500), lines(10), "bad\n"]
    Path("in.jsonl").write_text("".join(parts * 4))
    arguments = ["-e", FAILS, "--max-message", "1200", "--on-bad-input", "copy", "--errors", "out/errors", "--stats"]
    for more in ([], ["--limit", "9"], ["--limit", "30"]):
        code, _, _, files = assert_same(capfd, *arguments, *more, "-o", "out/o.jsonl", "in.jsonl")
        assert code == 1
        assert b"in.jsonl:8" in files["out/errors"]


def test_a_format_of_one_message_is_refused_as_by_one_process(capfd: pytest.CaptureFixture[str]) -> None:
    """Behind its first message."""
    Path("in.jsonl").write_text(lines(3))
    code, out, err, _ = assert_same(capfd, "-e", CHANGE, "--to", "json", "in.jsonl")
    assert code == 1
    assert "holds one message" in err
    assert len(out.splitlines()) == 1


def test_a_statement_that_fails_under_propagate_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    """Statistics stand where they stood, although workers are ahead."""
    Path("in.jsonl").write_text(lines())
    code, out, err, _ = assert_same(capfd, "--error-mode", "propagate", "-e", FAILS, "--stats", "in.jsonl")
    assert code == 1
    assert len(out.splitlines()) == 8
    assert "in.jsonl:9" in err


def test_errors_limit_and_dry_run_are_those_of_one_process(capfd: pytest.CaptureFixture[str]) -> None:
    """The failures one by one, no message beyond the limit counts, nothing is written."""
    Path("in.jsonl").write_text(lines())
    arguments = ["-e", CHANGE, "-e", FAILS, "--limit", "25", "in.jsonl"]
    _, _, _, files = assert_same(capfd, *arguments, "--errors", "out/errors", "-o", "out/o.jsonl")
    assert [json.loads(line)["input"] for line in files["out/errors"].splitlines()] == ["in.jsonl:9", "in.jsonl:19"]
    _, out, _, files = assert_same(capfd, *arguments, "--dry-run")
    assert "25 messages" in out
    assert not files


def test_only_messages_of_the_input_are_counted(capfd: pytest.CaptureFixture[str]) -> None:
    """Not what the rules are made ready with before the workers begin."""
    Path("in.jsonl").write_text(traces("a") * 3)
    _, _, err, _ = assert_same(capfd, "-e", 'set(resource.attributes["r"], 1)', "--stats", "in.jsonl")
    assert " 3 3 0 - traces resource" in err
    assert " 0 0 0 - logs resource" in err


def test_rows_are_routed_as_by_one_process(capfd: pytest.CaptureFixture[str]) -> None:
    """Each route has its file."""
    Path("in.jsonl").write_text(lines())
    route = 'route(exporter.odd) where span.name == "7" or span.name == "17"'
    _, _, _, files = assert_same(capfd, "-e", route, "-o", "out/", "in.jsonl")
    assert sorted(files) == ["out/in.jsonl", "out/in.odd.jsonl"]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ('set(span.attributes["e"], EWMA(Double(Len(span.name)), 0.5))', "EWMA remembers from message to message"),
        ("limit(2, 1s)\nwhere span.kind == 0", "a limit counts rows from message to message"),
        ('set(span.attributes["c"], IsOnCriticalPath())', "functions look at whole traces"),
    ],
)
def test_rules_that_need_the_order_run_in_one_process(
    capfd: pytest.CaptureFixture[str], rules: str, reason: str
) -> None:
    """And say why; the output is what it should be."""
    Path("in.jsonl").write_text(lines(10))
    one = run(capfd, 1, "-e", rules, "in.jsonl")
    several = run(capfd, 3, "-e", rules, "in.jsonl")
    assert several[:2] == one[:2] == (0, one[1])
    assert several[2] == f"ottl: one job instead of 3: -e: {reason}\n"


def die(passage: Passage, *_: Any) -> Any:
    """Ends the process as the system does when memory is short."""
    del passage
    os.kill(os.getpid(), signal.SIGKILL)


def fail(passage: Passage, *_: Any) -> Any:
    """A defect."""
    del passage
    raise LookupError("a defect")


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked, with what is patched here, on Linux only")
def test_a_worker_that_dies_is_an_error(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and no half-written output."""
    monkeypatch.setattr(Rules, "are_streams", False)
    monkeypatch.setattr(Passage, "take", die)
    Path("out").mkdir()
    Path("in.jsonl").write_text(traces("a") * 10)
    code, _, err, files = run(capfd, 2, "-e", CHANGE, "-o", "out/o.jsonl", "in.jsonl")
    assert code == 1
    assert err.startswith("ottl: a worker process was killed by signal 9")
    assert not files


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked, with what is patched here, on Linux only")
def test_a_defect_in_a_worker_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be in one process."""
    monkeypatch.setattr(Passage, "take", fail)
    Path("in.jsonl").write_text(traces("a") * 10)
    with pytest.raises(LookupError, match="a defect"):
        main(["run", "--jobs", "2", "-e", CHANGE, "in.jsonl"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the one process writes")
def test_a_full_disk_is_an_error_that_names_the_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Whether the output is a file, which stays as it was, or a device."""
    import resource

    Path("out").mkdir()
    Path("in.jsonl").write_text(traces("a") * 200)
    Path("out/o.jsonl").write_text("before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        code, _, err, found = run(capfd, 2, "-e", CHANGE, "-o", "out/o.jsonl", "in.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, err) == (1, "ottl: out/o.jsonl: File too large\n")
    assert found == {"out/o.jsonl": b"before"}
    if Path("/dev/full").exists():
        code, _, err, _ = run(capfd, 2, "-e", CHANGE, "-o", "/dev/full", "in.jsonl")
        assert (code, err) == (1, "ottl: /dev/full: No space left on device\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the one process reads")
def test_a_disk_that_cannot_be_read_is_an_error_that_names_the_input(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one process does not read it, so a worker meets it."""

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    Path("in.jsonl").write_text(traces("a") * 10)
    code, _, err, _ = run(capfd, 2, "-e", CHANGE, "in.jsonl")
    assert (code, err) == (1, "ottl: in.jsonl: Input/output error\n")


def test_many_small_messages_are_written_whole(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In as many calls as the system needs, each of which may do less than it was asked to."""
    monkeypatch.setattr(files, "_BLOCK", 1 << 20)
    monkeypatch.setattr(workers, "_AT_ONCE", 7)
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda file, pieces, at: write(file, [pieces[0][:100]], at), raising=False)
    Path("in.jsonl").write_text(lines(300))
    Path("out").mkdir()
    arguments = ("-e", CHANGE, "-o", "out/o.jsonl", "in.jsonl")
    assert run(capfd, 2, *arguments) == run(capfd, 1, *arguments)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_an_output_of_no_messages_is_that_of_one_process(capfd: pytest.CaptureFixture[str], suffix: str) -> None:
    """Of a compressed one too, which has to be one even if it is empty."""
    Path("in.jsonl").write_text("\n\n")
    Path("out").mkdir()
    arguments = ("-e", CHANGE, "-o", f"out/o.jsonl{suffix}", "in.jsonl")
    assert run(capfd, 2, *arguments)[3] == run(capfd, 1, *arguments)[3] == {f"out/o.jsonl{suffix}": b""}


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been opened is read, not what has its name by then."""
    opened = files.Input.__init__

    def replaced(self: files.Input, name: str, **options: Any) -> None:
        opened(self, name, **options)
        Path(name).unlink()
        Path(name).write_text(traces("later"))

    Path("in.jsonl").write_text(traces("a") * 50)
    monkeypatch.setattr(files.Input, "__init__", replaced)
    code, out, _, _ = run(capfd, 2, "-e", CHANGE, "in.jsonl")
    assert (code, out.count('"a-x"'), out.count("later")) == (0, 50, 0)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, ended at the latest with the test."""
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "ottl", "run", "--jobs", "2", *arguments]
    # A shell lets its background jobs ignore interrupts, and what is ignored is inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()
            signal.signal(signal.SIGINT, before)


def test_standard_input_is_answered_line_by_line_and_an_interrupt_ends_all() -> None:
    """A pipe need not end before its first message comes out; no process is left when the command is."""
    Path("out").mkdir()
    with started("-e", CHANGE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for text in ("a", "b"):
            process.stdin.write(traces(text).encode())
            process.stdin.flush()
            assert f'"{text}-x"'.encode() in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        # The streams end when the last process that has them does.
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 130


def test_a_closed_pipe_ends_quietly() -> None:
    """A reader that has had enough is no error."""
    Path("in.jsonl").write_text(traces("a") * 20_000)
    with started("-e", CHANGE, "in.jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_workers_end_when_the_command_is_killed() -> None:
    """Nobody is left to wait for work that will not come."""
    with started("-e", CHANGE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(traces("a").encode())
        process.stdin.flush()
        process.stdout.readline()
        process.kill()
        # The stream ends when the last process that has it open does; a worker that stayed would keep it for ever.
        assert select.select([process.stdout], [], [], 30)[0]
        assert process.stdout.read() == b""

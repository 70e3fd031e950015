"""Pipelines: blocks of messages become what the messages become one by one."""

from __future__ import annotations

import gzip
import io
import json
import mmap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import zstandard

import ottl
from ottl import engine, files
from ottl.cli import main
from ottl.codec import native
from ottl.errors import Error
from ottl.pipeline import Passed, Pipeline

_native = pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

SPANS = {"trace_statements": ['set(span.attributes["n"], span.name) where span.name != "skip"']}
LOGS = {"log_statements": ['set(log.severity_text, "x")']}


def traces(name: str, more: str = "") -> str:
    """A message of one span, as a line of JSON without its end."""
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"{name}"}}]}}]}}]{more}}}'


LOG = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"b"}}]}]}]}'


def lines(*messages: str) -> bytes:
    """A block of JSON."""
    return "".join(message + "\n" for message in messages).encode()


def protobuf(text: str, signal: str = "traces") -> bytes:
    """A message in protobuf."""
    return native.from_json(text.encode(), signal, ottl.Limits())


def frames(*messages: bytes) -> bytes:
    """A block of protobuf."""
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


def ready(**config: Any) -> ottl.Transform:
    """A processor that has seen a payload of each signal, and counts from here on."""
    transform = ottl.Transform(config)
    for signal in transform.signals:
        transform.process(b"\x0a\x00", signal=signal)
    transform.take_counts()
    return transform


def pipeline(*processors: ottl.Transform, limits: ottl.Limits | None = None) -> Pipeline:
    """The processors one after another, for all their signals."""
    signals = frozenset[str]().union(*(one.signals for one in processors))
    chains = {signal: [one for one in processors if signal in one.signals] for signal in signals}
    return Pipeline(chains, limits or ottl.Limits())


def run(found: Pipeline, block: bytes, layout: str, signal: str | None = None) -> Passed:
    """A whole block."""
    return found.run(block, 0, len(block), layout, signal)


def mapped(data: bytes) -> mmap.mmap:
    """Memory that processes may share."""
    found = mmap.mmap(-1, len(data))
    found[:] = data
    return found


@pytest.mark.parametrize("hold", [bytes, bytearray, mapped])
def test_a_block_becomes_what_its_messages_become(hold: Callable[[bytes], Any]) -> None:
    """Of both encodings, in memory of any kind, from any place on; counts are those of single messages."""
    names = ["a", "skip", "c" * 300, "d"]
    one, many = ready(**SPANS), ready(**SPANS)
    for layout, messages in (
        ("jsonl", [traces(n).encode() for n in names]),
        ("framed", [protobuf(traces(n)) for n in names]),
    ):
        encoding: Any = "json" if layout == "jsonl" else "protobuf"
        expected = [one.process(message, encoding=encoding) for message in messages]
        pack: Any = frames if layout == "framed" else lambda *some: b"".join(piece + b"\n" for piece in some)
        block = pack(*messages)
        held = hold(b"???" + block + b"???")
        found = pipeline(many).run(held, 3, 3 + len(block), layout)
        assert found == Passed(3 + len(block), 4, 4 if layout == "jsonl" else 0, pack(*expected))
    assert [(s.matched, s.changed) for s in many.stats()] == [(s.matched, s.changed) for s in one.stats()] == [(6, 6)]


def test_signals_may_mix_and_the_others_stop() -> None:
    """Each goes to its own processors; one that has none is left, and what is behind it."""
    found = pipeline(ready(**SPANS, **LOGS))
    passed = run(found, lines(traces("a"), LOG, "", "  ", traces("b")), "jsonl")
    assert (passed.messages, passed.lines) == (3, 5)
    assert [json.loads(line).popitem()[0] for line in passed.output.splitlines()] == [
        "resourceSpans",
        "resourceLogs",
        "resourceSpans",
    ]
    only = pipeline(ready(**SPANS))
    assert run(only, lines(traces("a"), LOG, traces("b")), "jsonl").messages == 1
    log = protobuf(LOG, "logs")
    assert run(found, frames(protobuf(traces("a")), log), "framed").messages == 2
    assert run(only, frames(protobuf(traces("a")), log), "framed").messages == 1


def test_processors_follow_each_other() -> None:
    """Each gets what the one before it has made, or left as it was."""
    first = ready(trace_statements=['set(span.name, Concat([span.name, "1"], "")) where span.name != "skip"'])
    second = ready(trace_statements=['set(span.name, Concat([span.name, "2"], ""))'])
    found = pipeline(first, second)
    for layout, block in (
        ("jsonl", lines(traces("a"), traces("skip"))),
        ("framed", frames(protobuf(traces("a")), protobuf(traces("skip")))),
    ):
        output = run(found, block, layout).output
        assert b"a12" in output
        assert b"skip2" in output
    assert [s.changed for one in (first, second) for s in one.stats()] == [2, 4]


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"{}",
        b" {}",
        b"\xff",
        zstandard.ZstdCompressor().compress(b"\x0a\x00"),
        b"\x0a\x00",
        frames(b"x" * 40)[:-1],
    ],
)
def test_frames_that_need_a_look_are_left(odd: bytes) -> None:
    """Empty, JSON, packed, malformed, of no certain signal, too long or cut short."""
    good = protobuf(traces("a"))
    found = pipeline(ready(**SPANS), limits=ottl.Limits(max_message=35))
    block = frames(good) + (odd if odd.startswith(b"\0\0\0") else frames(odd)) + frames(good)
    passed = run(found, block, "framed")
    assert (passed.end, passed.messages) == (4 + len(good), 1)
    assert run(found, block[passed.end :], "framed") == Passed(0, 0, 0, b"")


@pytest.mark.parametrize(
    "odd",
    [
        "not JSON",
        "{}",
        '{"resourceSpans":[]}',
        '{"resourceSpans":[7]}',
        '{"x":[],"resourceSpans":[]}',
        traces("a", ',"resourceLogs":[]'),
        traces("a" * 200),
        "7",
    ],
)
def test_lines_that_need_a_look_are_left(odd: str) -> None:
    """Malformed, emptied, of several signals or too long."""
    found = pipeline(ready(**SPANS), limits=ottl.Limits(max_message=150))
    passed = run(found, lines("", traces("a"), odd, traces("b")), "jsonl")
    assert (passed.end, passed.messages, passed.lines) == (len(lines("", traces("a"))), 1, 2)


def test_the_signal_can_be_given() -> None:
    """Of protobuf that does not tell it."""
    found = pipeline(ready(**SPANS))
    assert run(found, frames(b"\x0a\x00"), "framed").messages == 0
    assert run(found, frames(b"\x0a\x00"), "framed", "traces") == Passed(6, 1, 0, frames(b"\x0a\x00"))
    assert run(found, frames(b"\x0a\x00"), "framed", "logs").messages == 0


def test_rows_that_a_statement_fails_on() -> None:
    """The first one is taken by itself, so that it is known how; the others are counted on the way."""
    upper = 'set(span.attributes["u"], ToUpperCase(span.attributes["x"])) where span.attributes["x"] != nil'
    transform = ready(trace_statements=[upper])
    bad = traces("a").replace('"name"', '"attributes":[{"key":"x","value":{"intValue":1}}],"name"')
    good = lines(traces("b"), traces("c"))
    assert run(pipeline(transform), lines(traces("a"), bad) + good, "jsonl").messages == 1
    assert transform.stats()[0].errors == 0
    transform.process(bad.encode(), encoding="json")
    assert transform.stats()[0].errors == 1
    assert run(pipeline(transform), lines(bad, bad) + good, "jsonl").messages == 4
    assert transform.stats()[0].errors == 3
    told: list[Any] = []
    transform.on_error = told.append
    assert run(pipeline(transform), good + lines(bad), "jsonl").messages == 2


def test_a_stream_that_refuses_lets_some_messages_pass() -> None:
    """As it does when it is called for each: here at a value that only the general way knows."""
    length = 'set(span.attributes["n"], Len(span.attributes["x"])) where span.attributes["x"] != nil'
    transform = ready(trace_statements=[length])
    bad = traces("a").replace('"name"', '"attributes":[{"key":"x","value":{"intValue":1}}],"name"')
    good = lines(traces("b"), traces("c"))
    assert run(pipeline(transform), lines(traces("a"), bad) + good, "jsonl").messages == 1
    transform.process(bad.encode(), encoding="json")
    transform.process(bad.encode(), encoding="json")
    assert run(pipeline(transform), lines(bad) + good, "jsonl").messages == 0


def test_wrong_arguments_are_refused() -> None:
    """Before anything is touched."""
    found = pipeline(ready(**SPANS))
    with pytest.raises(ValueError, match="no layout"):
        run(found, b"", "json")
    with pytest.raises(ValueError, match="ends before"):
        found.run(b"abc", 0, 4, "jsonl")
    with pytest.raises(ValueError, match="ends before"):
        found.run(b"abc", 2, 1, "jsonl")
    with pytest.raises(ValueError, match="not in tuple"):
        run(found, b"", "framed", "smoke")
    with pytest.raises((BufferError, TypeError)):
        found.run("text", 0, 4, "jsonl")  # type: ignore[arg-type]
    with pytest.raises((BufferError, ValueError)):
        found.run(memoryview(b"abcdef")[::2], 0, 2, "jsonl")  # type: ignore[arg-type]


def test_only_streams_make_a_pipeline() -> None:
    """Other passes are no stream, and neither are those of which no payload has come yet."""
    assert ottl.Transform(SPANS).stream("traces") is None
    assert ready(**SPANS).stream("traces") is not None
    assert ready(trace_statements=['set(resource.attributes["a"], 1)', "set(span.kind, 1)"]).stream("traces") is None
    plain = ottl.Transform(SPANS, stack="plain")
    plain.process(b"\x0a\x00")
    assert plain.stream("traces") is None


# -- through the command --------------------------------------------------------------------------------------------


def outcomes(monkeypatch: pytest.MonkeyPatch, arguments: Iterable[str], capfd: pytest.CaptureFixture[str]) -> list[Any]:
    """Exit code, report and output of a run with pipelines, then without."""
    found = []
    for usable in (True, False):
        with monkeypatch.context() as patch:
            if not usable:
                patch.setattr("ottl.cli.rules.Rules.pipeline", lambda *_: None)
            with pytest.raises(SystemExit) as caught:
                main(["run", *arguments])
        out, err = capfd.readouterr()
        found.append((caught.value.code, out, err, Path("o").read_bytes() if Path("o").exists() else None))
        Path("o").unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("what", ["stop", "skip", "copy"])
@pytest.mark.parametrize("form", ["jsonl", "framed"])
def test_reports_are_those_of_single_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], jobs: str, what: str, form: str
) -> None:
    """Lines, offsets, failures one by one and exit codes, wherever odd messages lie between the others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "_BLOCK", 900)
    fails = traces("f").replace('"name"', '"attributes":[{"key":"x","value":{"intValue":1}}],"name"')
    odd = [fails, "{}", LOG, "", '{"resourceSpans":[7]}', traces("a" * 600), traces("b" * 300)]
    texts = [one for number in range(40) for one in (traces(str(number)), *odd[number % 9 : number % 9 + 1])]
    if form == "framed":
        messages = []
        for text in texts:
            try:
                messages.append(protobuf(text, "logs" if text == LOG else "traces") if text else b"")
            except Error:
                messages.append(b"\xff\xff")
        Path("in").write_bytes(frames(*messages))
    else:
        Path("in").write_bytes(lines(*texts))
    rule = 'set(span.attributes["u"], ToUpperCase(span.attributes["x"])) where span.attributes["x"] != nil'
    more = 'set(span.attributes["n"], span.name)'
    arguments = ["-e", rule, "-e", more, "--jobs", jobs, "--on-bad-input", what, "--max-message", "500", "--from", form]
    for extra in ([], ["--limit", "17"]):
        # Without `--stats`, which shows times.
        streams, single = outcomes(monkeypatch, [*arguments, *extra, "--errors", "e", "-o", "o", "in"], capfd)
        assert streams == single
        assert streams[0] == (1 if what == "stop" or not extra else streams[0])


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("form", ["json", "pb"])
def test_files_of_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: str, form: str) -> None:
    """Have no block, also where a pipeline is known from the file before."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(5):
        text = traces(f"name {number}")
        Path("in", f"{number}.{form}").write_bytes(text.encode() if form == "json" else protobuf(text))
    with pytest.raises(SystemExit) as caught:
        main(["run", "-e", 'set(span.attributes["n"], span.name)', "--jobs", jobs, "-o", "out/", "in"])
    assert caught.value.code == 0
    assert all(Path("out", f"{n}.{form}").read_bytes().count(f"name {n}".encode()) == 2 for n in range(5))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("what", ["skip", "copy"])
def test_nothing_inside_a_message_that_is_too_large_is_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], jobs: str, what: str
) -> None:
    """Although it may look so, and what follows it is not lost; in blocks that were read without a look at lengths."""
    monkeypatch.chdir(tmp_path)
    large = frames(protobuf(traces("inside"))) + bytes(400)
    block = frames(*(protobuf(traces(n)) for n in "ab"), large, *(protobuf(traces(n)) for n in "cde"))
    Path("in.pb.gz").write_bytes(gzip.compress(block))
    rule = 'set(span.attributes["n"], Concat([span.name, "x"], "-"))'
    arguments = [
        "-e",
        rule,
        "--jobs",
        jobs,
        "--max-message",
        "300",
        "--on-bad-input",
        what,
        "--from",
        "framed",
        "-o",
        "o",
    ]
    streams, single = outcomes(monkeypatch, [*arguments, "--to", "framed", "in.pb.gz"], capfd)
    assert streams == single
    assert [f"{name}-x".encode() in streams[3] for name in [*"abcde", "inside"]] == [True] * 5 + [False]


def test_a_standard_input_that_is_no_file(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """As a program gives it that calls the command, or none at all."""
    for stdin, code, told in (
        (io.TextIOWrapper(io.BytesIO(lines(traces("a")))), 0, ""),
        (None, 1, "ottl: <stdin>: Bad file descriptor\n"),
    ):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(SystemExit) as caught:
            main(["run", "-e", "set(span.kind, 1)"])
        out, err = capfd.readouterr()
        assert (caught.value.code, err) == (code, told)
        assert out.count('"kind":1') == 1 - code


def test_compressed_inputs_and_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A compressed output is one member with one job; other formats than the input's go the way of single messages."""
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl.gz").write_bytes(gzip.compress(lines(*(traces(str(n)) for n in range(50)))))
    rule = 'set(span.attributes["n"], span.name)'
    for name, to in (("o", "jsonl"), ("o", "framed"), ("o.gz", "jsonl")):
        streams, single = outcomes(monkeypatch, ["-e", rule, "-o", name, "--to", to, "in.jsonl.gz"], capfd)
        assert streams == single
        assert streams[0] == 0
    assert gzip.decompress(Path("o.gz").read_bytes()).count(b"\n") == 50

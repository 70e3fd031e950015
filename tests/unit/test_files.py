"""Reading and writing OTLP files and streams."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import struct
import sys
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ottl import files
from ottl.codec import Limits, native
from ottl.engine import native_enabled
from ottl.errors import Error, PayloadError
from ottl.files import Block, Input, Layout, Message, Output, find_inputs, messages_of, output_name, transcode
from ottl.signals import signal_of_json, signal_of_protobuf

LIMIT = 1 << 20


def spans(*names: str) -> bytes:
    """A traces message."""
    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for name in names:
        scope.spans.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), name=name, kind=2)
    return data.SerializeToString()


def records(*bodies: str) -> bytes:
    """A logs message."""
    data = LogsData()
    scope = data.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add(severity_number=9).body.string_value = body
    return data.SerializeToString()


def metrics(*names: str) -> bytes:
    """A metrics message."""
    data = MetricsData()
    scope = data.resource_metrics.add().scope_metrics.add()
    for name in names:
        scope.metrics.add(name=name, unit="1").gauge.data_points.add(as_int=1)
    return data.SerializeToString()


def frames(*payloads: bytes) -> bytes:
    """Length-prefixed messages."""
    return b"".join(struct.pack(">I", len(payload)) + payload for payload in payloads)


SPAN_LINE = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}'
LOG_LINE = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}'


def read(path: Path, **options: Any) -> tuple[Layout, list[Message]]:
    """Layout and messages of a file."""
    with Input(str(path), **{"max_message": LIMIT, **options}) as source:
        return source.layout, list(source)


def written(tmp_path: Path, data: bytes, name: str = "input") -> Path:
    """A file with this content."""
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (SPAN_LINE, "x.json", "jsonl"),
        (SPAN_LINE + b"\n" + LOG_LINE, "x", "jsonl"),
        (json.dumps(json.loads(SPAN_LINE), indent=2).encode(), "x", "json"),
        (json.dumps(json.loads(SPAN_LINE), indent=0).encode(), "x.json", "json"),
        (b'{"resourceSpans": [\n{"scopeSpans": []}]}', "x", "json"),
        (b'{"resourceSpans":[{"re\n' + SPAN_LINE + b"\n", "x.json", "jsonl"),
        (b"\n\n" + SPAN_LINE + b"\n\n", "x", "jsonl"),
        (b"{}", "x", "jsonl"),
        (b"", "x", "jsonl"),
        (b"", "x.pb", "protobuf"),
        (spans("a"), "x", "protobuf"),
        (spans("a" * 80), "x", "protobuf"),
        (frames(spans("a"), records("b")), "x", "framed"),
        (frames(b""), "x", "framed"),
    ],
)
def test_the_format_is_read_from_the_content(tmp_path: Path, data: bytes, name: str, expected: str) -> None:
    """Name and content of a file give its format."""
    layout, _ = read(written(tmp_path, data, name))
    assert layout == Layout(expected)  # type: ignore[arg-type]


def test_text_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """A text file is neither of the encodings."""
    with pytest.raises(PayloadError, match="neither OTLP JSON nor OTLP protobuf"):
        read(written(tmp_path, b"hello world\n"))


def test_lines_may_mix_signals(tmp_path: Path) -> None:
    """Each line says which signal it holds, and where it lies."""
    data = SPAN_LINE + b"\r\n\n{}\n" + LOG_LINE
    _, found = read(written(tmp_path, data))
    assert [(m.signal, m.line, m.offset) for m in found] == [
        ("traces", 1, 0),
        (None, 3, len(SPAN_LINE) + 3),
        ("logs", 4, len(SPAN_LINE) + 6),
    ]
    assert found[2].payload == LOG_LINE


@pytest.mark.parametrize("size", [5, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 700_000])
def test_lines_longer_than_a_chunk_come_out_whole(tmp_path: Path, size: int) -> None:
    """The seams between chunks do not show."""
    line = b'{"resourceSpans":[], "x": "' + b"y" * size + b'"}'
    _, found = read(written(tmp_path, line + b"\n" + SPAN_LINE + b"\n" + line))
    assert [m.payload for m in found] == [line, SPAN_LINE, line]
    assert [m.offset for m in found] == [0, len(line) + 1, len(line) + len(SPAN_LINE) + 2]


@pytest.fixture(params=["isal", "zlib"])
def inflater(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Both that may read gzip."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("chunk", [1, 7, 4096])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_gzip_of_any_kind_is_read_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, level: int
) -> None:
    """Stored and compressed blocks, and all that a header may hold; a wrong checksum is an error."""
    monkeypatch.setattr(files, "_CHUNK", chunk)
    lines = b"".join(b'{"resourceSpans":[],"x":"%s"}\n' % os.urandom(40).hex().encode() for _ in range(9))
    plain = gzip.compress(lines, level)
    # FHCRC, FEXTRA, FNAME and FCOMMENT (RFC 1952, 2.3.1), all combinations of them.
    for flags in range(0, 32, 2):
        head = plain[:3] + bytes([flags]) + plain[4:10]
        parts = {4: b"\x03\x00abc", 8: b"name\0", 16: b"comment\0"}
        head += b"".join(part for flag, part in parts.items() if flags & flag)
        head += zlib.crc32(head).to_bytes(4, "little")[:2] if flags & 2 else b""
        _, found = read(written(tmp_path, plain + head + plain[10:]))
        assert [m.payload for m in found] == 2 * lines.splitlines()
    wrong = plain[:-8] + bytes(byte ^ 1 for byte in plain[-8:-4]) + plain[-4:]
    with pytest.raises(PayloadError, match="malformed gzip"):
        read(written(tmp_path, wrong))


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("members", [1, 2, 5])
def test_compressed_streams_may_be_several_one_behind_the_other(tmp_path: Path, compress: Any, members: int) -> None:
    """Concatenated gzip members and zstd frames are one stream."""
    data = b"".join(compress(SPAN_LINE + b"\n") for _ in range(members))
    layout, found = read(written(tmp_path, data))
    assert layout.format == "jsonl"
    assert [m.payload for m in found] == [SPAN_LINE] * members


@pytest.mark.usefixtures("inflater")
def test_zeros_behind_a_gzip_stream_are_padding(tmp_path: Path) -> None:
    """Tape-like padding is passed over."""
    _, found = read(written(tmp_path, gzip.compress(SPAN_LINE) + bytes(1000)))
    assert [m.payload for m in found] == [SPAN_LINE]


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("cut", [1, 8, 20])
def test_a_truncated_compressed_stream_is_an_error(tmp_path: Path, compress: Any, cut: int) -> None:
    """Nothing is silently lost at the end."""
    data = compress(os.urandom(3000).hex().encode().join([b'{"resourceSpans":[],"x":"', b'"}\n']))
    with pytest.raises(PayloadError, match="cut short"):
        read(written(tmp_path, data[:-cut]))


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_garbage_in_a_compressed_stream_is_an_error(tmp_path: Path, compress: Any) -> None:
    """Bytes that are no compressed data are refused."""
    with pytest.raises(PayloadError, match="malformed"):
        read(written(tmp_path, compress(SPAN_LINE) + b"garbage that is long enough"))


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_small_file_cannot_inflate_without_bound(tmp_path: Path, compress: Any) -> None:
    """The message limit counts inflated bytes, in every format."""
    bomb = compress(b'{"resourceSpans":[' + b" " * (64 << 20))
    _, found = read(written(tmp_path, bomb))
    assert [str(m.fault) for m in found] == [
        f"a message of more than {LIMIT} bytes (--max-message raises the limit) (at byte 0)"
    ]
    _, found = read(written(tmp_path, frames(zstandard.ZstdCompressor().compress(spans("a" * (2 * LIMIT))))))
    assert "more than" in str(found[0].fault)


def test_a_compressed_stream_of_many_messages_has_no_total_bound(tmp_path: Path) -> None:
    """Only the largest message counts."""
    data = gzip.compress((SPAN_LINE + b"\n") * 40_000)
    with Input(str(written(tmp_path, data)), max_message=1000) as source:
        assert sum(1 for message in source if message.fault is None) == 40_000


def test_a_long_line_is_passed_over_and_the_next_one_read(tmp_path: Path) -> None:
    """A message beyond the limit is a fault of its own."""
    long = b'{"resourceSpans":[],"x":"' + b"y" * 3 * LIMIT + b'"}'
    _, found = read(written(tmp_path, SPAN_LINE + b"\n" + long + b"\n" + LOG_LINE + b"\n"))
    assert [(m.line, m.fault is None) for m in found] == [(1, True), (2, False), (3, True)]
    assert found[2].payload == LOG_LINE


def test_faulty_messages_can_be_copied(tmp_path: Path) -> None:
    """What is copied is what lay in the file."""
    long = b'{"resourceSpans":[],"x":"' + b"y" * 3 * LIMIT + b'"}'
    data = SPAN_LINE + b"\n" + long + b"\n" + b"[1]\n" + LOG_LINE + b"\n"
    source = written(tmp_path, data)
    assert copied(source, tmp_path / "out", Layout("jsonl")) == data
    data = frames(spans("a"), b"y" * 3 * LIMIT, b"\xff\xff", records("b"))
    assert copied(written(tmp_path, data), tmp_path / "out", Layout("framed")) == data


def copied(source: Path, target: Path, layout: Layout) -> bytes:
    """Every message of a file, faulty or not, written again."""
    output = Output(target, layout)
    with Input(str(source), max_message=LIMIT) as messages:
        for message in messages:
            if message.fault is not None:
                output.copy(message)
            else:
                output.write(message.payload, packed=message.packed, encoding=message.encoding)
    output.finish()
    output.commit()
    return target.read_bytes()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (frames(b"\x0a\x03abc")[:-1], "a frame of 5 bytes is cut short after 4 (at byte 8)"),
        (frames(spans("a")) + b"\0\0", "a frame begins with 4 bytes, got 2"),
        (frames(b"\x28\xb5\x2f\xfdxxxxxxxxx"), "malformed zstd"),
        (frames(b"\x0a\xff\xff"), "malformed, or of a signal that the bytes do not tell"),
    ],
)
def test_faulty_frames_are_named(tmp_path: Path, data: bytes, fault: str) -> None:
    """A frame that cannot be read says why."""
    _, found = read(written(tmp_path, data))
    assert fault in str(found[-1].fault)


@pytest.mark.parametrize("data", [SPAN_LINE, SPAN_LINE + b"\n" + LOG_LINE + b"\n", gzip.compress(SPAN_LINE, mtime=0)])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, data: bytes) -> None:
    """Some editors put one in front of a text."""
    mark = b"\xef\xbb\xbf"
    marked = gzip.compress(mark + SPAN_LINE) if data[:2] == b"\x1f\x8b" else mark + data
    expected, without = read(written(tmp_path, data))
    layout, found = read(written(tmp_path, marked))
    assert layout == expected
    assert [(m.payload, m.signal, m.line) for m in found] == [(m.payload, m.signal, m.line) for m in without]


def test_frames_may_be_compressed_and_hold_json(tmp_path: Path) -> None:
    """The file exporter frames JSON too when it compresses."""
    pack = zstandard.ZstdCompressor().compress
    data = frames(pack(spans("a")), pack(LOG_LINE), SPAN_LINE, b"")
    _, found = read(written(tmp_path, data))
    assert [(m.payload, m.encoding, m.signal, m.packed) for m in found] == [
        (spans("a"), "protobuf", "traces", True),
        (LOG_LINE, "json", "logs", True),
        (SPAN_LINE, "json", "traces", False),
        (b"", "protobuf", None, False),
    ]
    again = copied(tmp_path / "input", tmp_path / "again", Layout("framed"))
    assert [m.payload for m in read(written(tmp_path, again, "again"))[1]] == [m.payload for m in found]


@pytest.mark.parametrize(
    ("payload", "signal"),
    [
        (spans("a"), "traces"),
        (spans(), None),
        (records("a", "b"), "logs"),
        (metrics("m", "n"), "metrics"),
        (b"", None),
        (spans("a") + records("b"), None),
        (b"\x0a\x05abc", None),
    ],
)
def test_protobuf_tells_its_signal_only_where_it_can(payload: bytes, signal: str | None) -> None:
    """The leaves of a message give its signal; without leaves there is no answer."""
    assert signal_of_protobuf(payload) == signal


@pytest.mark.parametrize("fill", [spans, records, metrics])
def test_a_newer_field_does_not_hide_the_signal(fill: Any) -> None:
    """Fields unknown to this schema are passed over on a second look."""
    inner = fill("a")
    assert signal_of_protobuf(inner + b"\xf8\x3f\x01") == signal_of_protobuf(inner)


@pytest.mark.parametrize(
    ("payload", "signal"),
    [
        (SPAN_LINE, "traces"),
        (b' {\n "resource_metrics" : []}', "metrics"),
        (b'{"dictionary":{},"resourceProfiles":[]}', "profiles"),
        (b'{"resource\\u004cogs":[]}', "logs"),
        (b'{"resourceSpans":[{"schemaUrl":"\\"resourceLogs\\""}]}', "traces"),
        (b'{"resourceSpans":[{"x":{"resourceLogs":1}}]}', "traces"),
        (b" { } ", None),
    ],
)
def test_json_tells_its_signal(payload: bytes, signal: str | None) -> None:
    """The key at the root says which signal it is."""
    assert signal_of_json(payload) == signal
    if native_enabled():
        assert signal_of_json(payload, native.holds_any) == signal


@pytest.mark.parametrize(
    ("payload", "message", "offset"),
    [
        (b'{"resourceSpans":[],"resourceLogs":[]}', "several signals: logs, traces", 0),
        (b'{"spans":[]}', "at the root, got spans", 0),
        (b"[]", "expected a JSON object", 0),
        (b'{"a":1,}', "malformed JSON", 6),
        ('{"é":1,}'.encode(), "malformed JSON", 7),
        (b'{"a":"\xff"}', "invalid UTF-8", 6),
    ],
)
def test_json_without_a_signal_is_refused(payload: bytes, message: str, offset: int) -> None:
    """The fault names the place in bytes."""
    with pytest.raises(PayloadError, match=message) as caught:
        signal_of_json(payload)
    assert caught.value.offset == offset
    if native_enabled():
        with pytest.raises(PayloadError, match=message):
            signal_of_json(payload, native.holds_any)


def test_a_given_signal_answers_for_protobuf_only(tmp_path: Path) -> None:
    """JSON says what it is, whatever was given."""
    _, found = read(written(tmp_path, spans()), signal="logs")
    assert [m.signal for m in found] == ["logs"]
    _, found = read(written(tmp_path, SPAN_LINE), signal="logs")
    assert [m.signal for m in found] == ["traces"]


def output(path: Path, format: Any, payloads: Sequence[bytes]) -> bytes:
    """What a file holds after these messages."""
    target = Output(path, Layout(format))
    try:
        for payload in payloads:
            target.write(payload)
        target.finish()
        target.commit()
    finally:
        target.abandon()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("format", "payloads", "expected"),
    [
        ("jsonl", [b"{}", b'{\n"a": 1\r\n}\n'], b'{}\n{ "a": 1  }\n'),
        ("json", [b'{\n"a": 1}\n'], b'{\n"a": 1}\n'),
        ("json", [b"{}"], b"{}\n"),
        ("protobuf", [b""], b""),
        ("framed", [b"", b"\x0a\x00"], b"\0\0\0\0\0\0\0\2\x0a\0"),
        ("framed", [], b""),
    ],
)
def test_each_format_has_its_form_of_a_message(
    tmp_path: Path, format: str, payloads: list[bytes], expected: bytes
) -> None:
    """An emptied message has a form in each format."""
    assert output(tmp_path / "out", format, payloads) == expected


@pytest.mark.parametrize(("format", "other"), [("json", "jsonl"), ("protobuf", "framed")])
def test_a_format_of_one_message_refuses_a_second(tmp_path: Path, format: str, other: str) -> None:
    """The message names the format to use."""
    with pytest.raises(Error, match=f"--to {other}"):
        output(tmp_path / "out", format, [b"{}", b"{}"])


@pytest.mark.parametrize(("compression", "inflate"), [("gzip", gzip.decompress), ("zstd", None)])
def test_output_is_compressed_when_asked_for(tmp_path: Path, compression: Any, inflate: Any) -> None:
    """What is written can be inflated again, and is the same every time."""
    results = []
    for name in ("a", "b"):
        target = Output(tmp_path / name, Layout("jsonl", compression))
        target.write(SPAN_LINE)
        target.finish()
        target.commit()
        results.append((tmp_path / name).read_bytes())
    assert results[0] == results[1]
    inflate = inflate or (lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data))
    assert inflate(results[0]) == SPAN_LINE + b"\n"


def test_a_file_is_replaced_only_by_a_complete_one(tmp_path: Path) -> None:
    """Until `commit`, and after `abandon`, the old content stays and nothing is left beside it."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(0o640)
    target = Output(path, Layout("jsonl"))
    target.write(b"{}")
    target.finish()
    assert path.read_bytes() == b"old"
    target.abandon()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    output(path, "jsonl", [b"{}"])
    assert path.read_bytes() == b"{}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    """The mask of the process applies, as to any file."""
    mask = os.umask(0o027)
    try:
        output(tmp_path / "out", "jsonl", [])
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file behind it is replaced."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    output(tmp_path / "link", "jsonl", [b"{}"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_bytes() == b"{}\n"


def test_an_interrupt_while_a_file_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is known before the file is there."""

    def make(path: Path, mode: str) -> None:
        path.touch()
        raise KeyboardInterrupt(mode)

    target = Output(tmp_path / "out.jsonl", Layout("jsonl"))
    monkeypatch.setattr(Path, "open", make)
    with pytest.raises(KeyboardInterrupt):
        target.open()
    assert len(list(tmp_path.iterdir())) == 1
    target.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    """A named pipe is not replaced by a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    target = Output(path, Layout("jsonl"))
    target.write(b"{}")
    target.finish()
    target.commit()
    reader.join()
    assert received == [b"{}\n"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_arguments_become_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, patterns and directories, in the order of the arguments and sorted within one."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.json", "a.jsonl.gz", "notes.txt", "deep/c.pb", ".hidden/d.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{}")
    assert find_inputs(["notes.txt", "-"]) == [("notes.txt", Path("notes.txt")), ("-", Path("stdin"))]
    assert find_inputs(["*.js*"]) == [("a.jsonl.gz", Path("a.jsonl.gz")), ("b.json", Path("b.json"))]
    inside = [(str(tmp_path / name), Path(name)) for name in ("a.jsonl.gz", "b.json", "deep/c.pb")]
    assert find_inputs([str(tmp_path)]) == inside


@pytest.mark.parametrize("name", ["missing.json", "*.missing", "empty"])
def test_an_argument_that_names_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A missing file, a pattern without a match and a directory without OTLP."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        find_inputs([name])
    assert caught.value.filename == name


@pytest.mark.parametrize(
    ("place", "format", "expected"),
    [
        ("a.json.gz", None, "a.json.gz"),
        ("a.json.gz", "framed", "a.pb.gz"),
        ("sub/a.pb", "jsonl", "sub/a.jsonl"),
        ("a.b.log", "json", "a.b.log.json"),
        ("stdin", "jsonl", "stdin.jsonl"),
    ],
)
def test_an_output_is_named_after_its_input(place: str, format: Any, expected: str) -> None:
    """The suffix follows the format."""
    assert output_name(Path(place), format) == Path(expected)


class Trickle(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = data
        self._step = step

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most a step."""
        size = min(size, self._step) if size >= 0 else self._step
        piece, self._data = self._data[:size], self._data[size:]
        return piece


@pytest.mark.parametrize("step", [1, 3, 100])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_standard_input_may_come_in_small_pieces(step: int, pack: Any) -> None:
    """A reader asks again until it has enough."""
    for data, expected in (
        ((SPAN_LINE + b"\n" + LOG_LINE + b"\n"), [SPAN_LINE, LOG_LINE]),
        (frames(spans("a"), b"", records("b")), [spans("a"), b"", records("b")]),
        (json.dumps(json.loads(SPAN_LINE), indent=1).encode(), [json.dumps(json.loads(SPAN_LINE), indent=1).encode()]),
    ):
        source = Input("-", max_message=LIMIT, stdin=Trickle(pack(data), step))  # type: ignore[arg-type]
        assert [m.payload for m in source] == expected


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize("payload", [spans("a"), records("b"), metrics("m")])
def test_a_message_survives_the_other_encoding(monkeypatch: pytest.MonkeyPatch, payload: bytes, native: str) -> None:
    """Protobuf to JSON and back is the same message, in both stacks."""
    monkeypatch.setenv("OTTL_NATIVE", native)
    if native == "1":
        pytest.importorskip("ottl.codec.native")
    signal = signal_of_protobuf(payload)
    assert signal is not None
    text = transcode(payload, signal, "protobuf", "json", Limits())
    assert signal_of_json(text) == signal
    assert transcode(text, signal, "json", "protobuf", Limits()) == payload


def taken(message: Message, *, rest: bool = True) -> tuple[Any, ...]:
    """What a message is, its bytes and those behind them as one; or without any, where they are not taken."""
    fault = (message.fault.args, message.fault.offset) if message.fault is not None else None
    whole = message.payload + b"".join(message.rest or ()) if rest else b""
    return whole, message.encoding, message.signal, message.offset, message.line, message.packed, fault


def by_blocks(
    path: Path, room_size: int, most: int | None = None, *, rests: bool = True, unread: bool = False
) -> tuple[list[tuple[Any, ...]], int]:
    """The messages of a file, read by blocks, and how many blocks those were."""
    room = bytearray(room_size)
    found = []
    lines = blocks = 0
    with Input(str(path), max_message=400) as source:
        for piece in source.blocks(lambda: room, most, unread=unread):
            offset = 0
            messages: Any = [piece]
            if isinstance(piece, Block):
                blocks += 1
                offset = piece.offset
                data: Any = piece.room
                if isinstance(data, int):
                    file, data = data, os.pread(data, piece.size, piece.offset)
                    os.close(file)
                messages = messages_of(data, piece.size, source.layout.format, 400, None)
            seen = [taken(message, rest=rests) for message in messages]
            found += [(*m[:3], m[3] + offset, m[4] and m[4] + lines, *m[5:]) for m in seen]
            lines += messages.line if isinstance(piece, Block) else piece.line
    return found, blocks


LINES = [
    b'{"resourceSpans":[]}',
    b"",
    b"  ",
    b"not JSON",
    b'{"resourceLogs":[{"schemaUrl":"' + b"x" * 500 + b'"}]}',
    b"{}",
] * 9
PACKED = zstandard.ZstdCompressor().compress(spans("packed"))
STREAMS = {
    "whole.jsonl": b"\n".join(LINES) + b"\n",
    "open.jsonl": b"\n".join(LINES),
    "blank.jsonl": b"\n \n\n",
    "whole.pb": frames(*[spans("a"), b"", records("b" * 150), spans("c" * 600), PACKED, b"{}"] * 9),
    "cut.pb": frames(*[spans("a")] * 5)[:-3],
    "prefix.pb": frames(*[spans("a")] * 5) + b"\0\0",
    "huge.pb": frames(spans("a"), records("b")) + b"\xff\xff\xff\xffrest",
    "one.json": b'{\n"resourceSpans":[]}\n',
    "long.json": b'{\n"resourceSpans":[' + b" " * 900 + b"]}\n",
    "message.pb": spans("a", "b"),
    "empty.jsonl": b"",
}


@pytest.mark.parametrize("room", [70, 300, 5000])
@pytest.mark.parametrize("block", [1, 64, 4096])
@pytest.mark.parametrize("name", STREAMS)
def test_blocks_hold_the_messages_of_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, block: int, room: int
) -> None:
    """The same ones, with their places: good, broken, too large or cut short, compressed or not."""
    monkeypatch.setattr(files, "_BLOCK", block)
    monkeypatch.setattr(files, "_CHUNK", 50)
    for suffix, data in (("", STREAMS[name]), (".gz", gzip.compress(STREAMS[name]))):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(data)
        with Input(str(path), max_message=400) as source:
            expected = [taken(message) for message in source]
        for unread in (False, True):
            found, _ = by_blocks(path, room, unread=unread)
            assert found == expected
        assert by_blocks(path, room, rests=False)[0] == [(b"", *message[1:]) for message in expected]
        for most in (1, 2, 7):
            assert by_blocks(path, room, most)[0] == expected[:most]


def test_small_messages_share_a_block_and_large_ones_have_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise handing them on would cost more than the messages do."""
    monkeypatch.setattr(files, "_BLOCK", 1000)
    small, large = spans("a"), spans("b" * 2000)
    path = tmp_path / "in.pb"
    path.write_bytes(frames(*[small] * 100))
    assert by_blocks(path, 5000)[1] == -(-len(frames(*[small] * 100)) // (len(frames(*[small] * 21))))
    path.write_bytes(frames(*[large] * 10))
    assert by_blocks(path, 5000)[1] == 10
    assert by_blocks(path, 0, unread=True)[1] == 0  # larger than a message may be


def test_a_failure_of_the_disk_that_comes_early_is_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells it once only, to whoever asked first."""

    def fail(_file: int) -> None:
        monkeypatch.undo()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "_SYNCED_BYTES", 1)
    monkeypatch.setattr(os, "fsync", fail)
    target = Output(tmp_path / "out.jsonl", Layout("jsonl"))
    target.write(b"{}")
    with pytest.raises(OSError, match="Input/output error") as caught:
        target.finish()
    target.abandon()
    assert caught.value.filename == str(tmp_path / "out.jsonl")
    assert not list(tmp_path.iterdir())


def test_blocks_are_left_in_plain_files_only(tmp_path: Path) -> None:
    """What is compressed or counted has to be read to know where messages end."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"resourceSpans":[]}\n' * 3)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    left = []
    for name, most in (("in.jsonl", None), ("in.jsonl", 2), ("in.jsonl.gz", None)):
        with Input(str(tmp_path / name), max_message=400) as source:
            pieces = list(source.blocks(lambda: bytearray(900), most, unread=True))
        left += [isinstance(piece, Block) and isinstance(piece.room, int) for piece in pieces]
        for piece in pieces:
            if isinstance(piece, Block) and isinstance(piece.room, int):
                os.close(piece.room)
    assert left == [True, False, False]


def test_a_broken_stream_is_met_behind_the_messages_before_it(tmp_path: Path) -> None:
    """Those are whole; the fault comes when they have been taken."""
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"resourceSpans":[]}\n' * 3)[:-5])
    room = bytearray(1000)
    with Input(str(path), max_message=400) as source:
        pieces = source.blocks(lambda: room)
        first = next(pieces)
        assert isinstance(first, Block)
        assert first.size == 63
        with pytest.raises(PayloadError, match="cut short"):
            next(pieces)


@pytest.mark.parametrize("native", ["1", "0"])
@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("json", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9'),
        ("json", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[7]}]}]}'),
        ("protobuf", records("abc")[:-1]),
        ("protobuf", records("abc")[:-4] + b"\x09abc"),
    ],
)
def test_what_no_rule_could_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, native: str, encoding: files.Encoding, bad: bytes
) -> None:
    """With native code and without."""
    monkeypatch.setenv("OTTL_NATIVE", native)
    good = records("abc") if encoding == "protobuf" else b'{"resourceLogs":[{}]}'
    files.check(good, "logs", encoding, Limits())
    with pytest.raises(PayloadError):
        files.check(bad, "logs", encoding, Limits())


def test_a_block_ends_before_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is looked through once, not for every line before it."""
    for name, size in (("_BLOCK", 100), ("_HEAD", 64), ("_CHUNK", 64)):
        monkeypatch.setattr(files, name, size)
    path = tmp_path / "in.jsonl"
    path.write_bytes((SPAN_LINE + b"\n") * 3 + b"x" * 1000 + b"\n" + SPAN_LINE + b"\n")
    good = 3 * (len(SPAN_LINE) + 1)
    with path.open("rb") as file:
        end = 0
        while end < good:
            before, end = end, files._end_of_block(file.fileno(), end, "jsonl", 500)
            assert end > before
        assert end == good
        assert files._end_of_block(file.fileno(), end, "jsonl", 500) == end

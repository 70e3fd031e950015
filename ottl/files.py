"""Reading and writing OTLP files and streams, message by message.

Formats:

- `json`: one OTLP JSON document, over several lines;
- `jsonl`: one JSON message a line, as the collector's file exporter writes; lines may mix signals;
- `protobuf`: one message;
- `framed`: length-prefixed messages (4 bytes, big-endian), as the file exporter writes for `format: proto`. With
  `compression: zstd` it compresses each message and frames JSON in the same way, so a frame may hold a zstd frame and
  its message may be JSON.

Each may lie inside gzip or zstd. A reader holds one message and one chunk at a time: `Limits.max_message` bounds both a
message and what inflating may yield for it, and a compressed stream of many messages has no other bound. Format,
compression and signal are read from the content. A message that cannot be read is handed out as one with a `fault`,
because it is the caller who decides whether to stop, leave it out or copy it.

A file is replaced only by a complete one: `Output` writes beside it, and `commit` renames.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import io
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Protocol, Self, TypeAlias, cast

from ottl import signals
from ottl.codec import Limits
from ottl.errors import Error, PayloadError

if TYPE_CHECKING:
    import mmap

__all__ = [
    "FORMATS",
    "Input",
    "Layout",
    "Message",
    "Messages",
    "Output",
    "check",
    "compression_of",
    "find_inputs",
    "is_file_name",
    "named_errors",
    "output_name",
    "transcode",
]

Format = Literal["json", "jsonl", "protobuf", "framed"]
Compression = Literal["gzip", "zstd"]
Encoding = Literal["json", "protobuf"]
Room: TypeAlias = "bytearray | mmap.mmap"
"""Memory for a block."""

FORMATS: Final[tuple[Format, ...]] = ("json", "jsonl", "protobuf", "framed")
SINGLE: Final[frozenset[Format]] = frozenset({"json", "protobuf"})
"""The formats that hold one message."""
STANDARD_STREAM: Final = "-"

_CHUNK = 256 << 10
_SYNCED_BYTES: Final = 32 << 20
# Each block costs some calls of the system.
_BLOCK = 2 << 20
_HEAD = 4096
_PREFIX = 4
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Skippable zstd frames begin with 0x50 to 0x5f and these.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
# A zstd block of 4 bytes can stand for 128 KiB, so this much input yields at most 64 MiB at a time.
_ZSTD_STEP = 2048
_ZSTD_WINDOW = 128 << 20
_BLANK = b" \t\r\n"
# Some editors put it in front of a text. Neither a protobuf message nor a frame can begin with it.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Control characters that JSON cannot hold. A protobuf message of OTLP always holds some: field 2 is tagged 0x12.
_BINARY = bytes(set(range(32)) - set(_BLANK))
_COMPRESSION_SUFFIXES: Mapping[str, Compression] = MappingProxyType({".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"})
_FORMAT_SUFFIXES: Mapping[Format, str] = MappingProxyType(
    {"json": ".json", "jsonl": ".jsonl", "protobuf": ".pb", "framed": ".pb"}
)
_INPUT_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".pb", ".proto", ".binpb", ".bin", ".otlp"})


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file holds its messages."""

    format: Format
    compression: Compression | None = None

    @property
    def encoding(self) -> Encoding:
        """The encoding of a message in a file that we write in this layout."""
        return "json" if self.format in {"json", "jsonl"} else "protobuf"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an input.

    Args:
        payload: its bytes, inflated; of a faulty message what there is of it, as it lay in the file.
        encoding: of the payload.
        signal: what it holds; None for an emptied message, and where `fault` is set.
        offset: of its first byte in the inflated stream.
        line: its line, from 1; 0 where there are none.
        packed: the frame held a zstd frame.
        fault: why it cannot be processed.
        rest: of a faulty message, chunks of its bytes behind `payload`; unread ones are passed over.
    """

    payload: bytes
    encoding: Encoding
    signal: str | None
    offset: int
    line: int = 0
    packed: bool = False
    fault: PayloadError | None = None
    rest: Iterator[bytes] | None = None

    @property
    def messages(self) -> int:
        """As of a block."""
        return 1


@dataclass(frozen=True, slots=True)
class Block:
    """Whole messages of an input, as they lie in it.

    Args:
        room: has its bytes; or the descriptor of the file that has them, for whoever takes the block to close.
        offset: of its first byte in the inflated stream.
        size: how many bytes.
        messages: how many, where somebody wanted so many and no more.
    """

    room: Room | int
    offset: int
    size: int
    messages: int = 0


Place: TypeAlias = "tuple[int, int | None]"
"""A descriptor to write to, and the offset there; None where bytes go behind those that went before."""


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Input:
    """The messages of a file or of standard input.

    Args:
        name: a path, or `-` for standard input.
        max_message: largest message in bytes, before and after inflating.
        format: the format, where it should not be detected.
        signal: the signal of messages that do not say it themselves.
        stdin: read for `-`.

    Raises:
        PayloadError: the content is no OTLP.
        OSError: the file cannot be read.
    """

    name: str
    layout: Layout
    size: int | None
    signal: str | None

    def __init__(
        self,
        name: str,
        *,
        max_message: int,
        format: Format | None = None,
        signal: str | None = None,
        stdin: IO[bytes] | None = None,
    ) -> None:
        self.name = "<stdin>" if name == STANDARD_STREAM else name
        self._max_message = max_message
        self.signal = signal
        self._owned = name != STANDARD_STREAM
        self._file: Any
        if self._owned:
            self._file = Path(name).open("rb", buffering=0)  # noqa: SIM115 (closed by `close`)
        else:
            self._file = stdin or getattr(sys.stdin, "buffer", None)
            if self._file is None:  # closed before the program began
                raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.name)
        self.size = os.fstat(self._file.fileno()).st_size if self._owned else None
        try:
            self._bytes = _Bytes(_Chunks(self._file, self.name))
            compression = self._inflate()
            if self._bytes.peek(1) == _BYTE_ORDER_MARK[:1] and self._bytes.peek(3) == _BYTE_ORDER_MARK:
                self._bytes.take(3)
            self.layout = Layout(format or self._detect(name), compression)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._owned:
            self._file.close()

    @property
    def position(self) -> int:
        """Bytes of the file read so far, for a progress bar."""
        return int(self._file.tell()) if self._owned and not self._file.closed else 0

    def __iter__(self) -> Iterator[Message]:
        """The messages, one at a time.

        Raises:
            PayloadError: the compressed stream is malformed; nothing behind the fault can be read.
        """
        return iter(self._messages())

    def _messages(self) -> Messages:
        return Messages(self._bytes, self.layout.format, self._max_message, self.signal)

    def blocks(
        self, room: Callable[[], Room], most: int | None = None, *, unread: bool = False
    ) -> Iterator[Block | Message]:
        """The messages, as many at a time as make it worth handing them on; taken apart by `messages_of`.

        A message for which the room is too small comes by itself, its line counted from the one before it.

        Args:
            room: where the bytes of the next block go; asked for again where there was none.
            most: how many messages are wanted; None for all, which are then not counted.
            unread: blocks of a plain file may be left in it.

        Raises:
            PayloadError: the compressed stream is malformed; nothing behind the fault can be read.
        """
        regular = False
        with contextlib.suppress(OSError):  # of what is no file of the system
            regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        unread = unread and regular and self._owned and most is None and self.layout.compression is None
        blocks = _Blocks(self._bytes, self.layout.format, patient=regular)
        while most != 0:
            piece: Block | Message | None = self._extent() if unread else blocks.fill(room(), most)
            piece = piece or next(iter(self._messages()), None)
            if piece is None:
                return
            yield piece
            if self.layout.format in SINGLE:
                return
            for _ in (isinstance(piece, Message) and piece.rest) or ():
                pass
            if most is not None:
                most -= piece.messages

    def _extent(self) -> Block | None:
        """The next block, left in the file; None where the next message is too large, or cut short, or not there."""
        begin = self._bytes.offset
        with named_errors(self.name):
            end = _end_of_block(self._file.fileno(), begin, self.layout.format, self._max_message)
            self._file.seek(max(begin, end))
            self._bytes = _Bytes(_Chunks(self._file, self.name), max(begin, end))
            return Block(os.dup(self._file.fileno()), begin, end - begin) if end > begin else None

    def _inflate(self) -> Compression | None:
        head = self._bytes.peek(_PREFIX)
        if head.startswith(_GZIP_MAGIC):
            self._bytes = _Bytes(_gunzip(self._bytes))
            return "gzip"
        if head == _ZSTD_MAGIC or (head[1:] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
            self._bytes = _Bytes(_unzstd(self._bytes))
            return "zstd"
        return None

    def _detect(self, name: str) -> Format:
        head = self._bytes.peek_head()
        suffixes = [suffix for suffix in Path(name).suffixes if suffix not in _COMPRESSION_SUFFIXES]
        suffix = suffixes[-1] if suffixes else ""
        if not head:
            return "protobuf" if suffix in {".pb", ".proto", ".binpb", ".bin"} else "jsonl"
        if head.translate(None, _BINARY) != head:
            # A protobuf message cannot begin with a byte below 8, a frame of less than 128 MiB always does.
            return "framed" if head[0] < 8 else "protobuf"
        if suffix in {".jsonl", ".ndjson"}:
            return "jsonl"
        if not head.lstrip(_BLANK).startswith(b"{"):
            if not head.strip(_BLANK):
                return "jsonl"
            raise PayloadError("neither OTLP JSON nor OTLP protobuf", 0)
        return "jsonl" if self._first_line_is_complete() else "json"

    def _first_line_is_complete(self) -> bool:
        """Whether the first line is a JSON document of its own, or was meant to be one."""
        line, following = self._bytes.peek_lines(self._max_message)
        if line[-1:] in {b"{", b"[", b",", b":"}:
            return False
        import orjson

        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            return following.startswith(b"{")
        return True


class Messages:
    """The messages in some bytes.

    Attributes:
        line: lines passed so far, where there are lines.
    """

    def __init__(self, source: _Bytes, format: Format, max_message: int, signal: str | None) -> None:
        self._source = source
        self._format = format
        self._max_message = max_message
        self._signal = signal
        self.line = 0

    def __iter__(self) -> Iterator[Message]:
        if self._format == "jsonl":
            return self._lines()
        return self._frames() if self._format == "framed" else self._document()

    @property
    def left(self) -> tuple[bytes | Room, int, int]:
        """Memory with the bytes that are left, where they begin there, and where they end; see `messages_of`."""
        return self._source.held

    def skip(self, end: int, lines: int) -> None:
        """Passes over messages that were taken from what is left.

        Args:
            end: where they end there.
            lines: how many they had.
        """
        self._source.skip(end)
        self.line += lines

    def _document(self) -> Iterator[Message]:
        encoding = Layout(self._format).encoding
        payload = self._source.take(self._max_message)
        if self._source.peek(1):
            yield Message(payload, encoding, None, 0, fault=self._too_large(), rest=self._source.chunks())
            return
        yield self._message(payload, encoding, 0, line=1 if encoding == "json" else 0)

    def _lines(self) -> Iterator[Message]:
        source = self._source
        while source.peek(1):
            self.line += 1
            offset = source.offset
            line, complete = source.take_line(self._max_message)
            if not complete:
                rest = source.chunks(until_newline=True)
                yield Message(line, "json", None, offset, self.line, fault=self._too_large(), rest=rest)
                for _ in rest:
                    pass
            elif line and not line.isspace():
                yield self._message(line, "json", offset, line=self.line)

    def _frames(self) -> Iterator[Message]:
        source = self._source
        while True:
            offset = source.offset
            prefix = source.take(_PREFIX)
            if not prefix:
                return
            length = int.from_bytes(prefix, "big")
            if len(prefix) < _PREFIX:
                fault = PayloadError(f"a frame begins with 4 bytes, got {len(prefix)}", 0)
                yield Message(prefix, "protobuf", None, offset, fault=fault)
                return
            if length > self._max_message:
                rest = source.chunks(length=length)
                yield Message(prefix, "protobuf", None, offset, fault=self._too_large(), rest=rest)
                for _ in rest:
                    pass
                continue
            body = source.take(length)
            if len(body) < length:
                message = f"a frame of {length} bytes is cut short after {len(body)}"
                fault = PayloadError(message, _PREFIX + len(body))
                yield Message(prefix + body, "protobuf", None, offset, fault=fault)
                return
            yield self._frame(prefix, body, offset)

    def _frame(self, prefix: bytes, body: bytes, offset: int) -> Message:
        packed = body.startswith(_ZSTD_MAGIC)
        payload = body
        if packed:
            try:
                inflated = _Bytes(_unzstd(_Bytes(_Once(body))))
                payload = inflated.take(self._max_message)
                if inflated.peek(1):
                    raise self._too_large()
            except PayloadError as fault:
                return Message(prefix + body, "protobuf", None, offset, fault=fault)
        start = payload[:_HEAD].lstrip(_BLANK)
        text = start.startswith(b"{") and start.translate(None, _BINARY) == start
        message = self._message(payload, "json" if text else "protobuf", offset + _PREFIX, packed=packed)
        return message if message.fault is None else replace(message, payload=prefix + body)

    def _message(
        self, payload: bytes, encoding: Encoding, offset: int, *, line: int = 0, packed: bool = False
    ) -> Message:
        signal = fault = None
        try:
            signal = self._signal_of(payload, encoding)
        except PayloadError as error:
            fault = error
        return Message(payload, encoding, signal, offset, line, packed, fault)

    def _signal_of(self, payload: bytes, encoding: Encoding) -> str | None:
        if encoding == "protobuf" and (not payload or self._signal is not None):
            return self._signal
        from ottl.engine import native_enabled

        fits, holds = signals.fits_signal, signals.holds_any
        if native_enabled():
            from ottl.codec import native

            fits, holds = native.fits_signal, native.holds_any
        if encoding == "json":
            return signals.signal_of_json(payload, holds)
        signal = signals.signal_of_protobuf(payload, fits)
        if signal is None:
            message = "malformed, or of a signal that the bytes do not tell (--signal names it)"
            raise PayloadError(f"a protobuf message that is {message}", 0)
        return signal

    def _too_large(self) -> PayloadError:
        return PayloadError(f"a message of more than {self._max_message} bytes (--max-message raises the limit)", 0)


def messages_of(data: bytes | Room, size: int, format: Format, max_message: int, signal: str | None) -> Messages:
    """The messages of a block, lines and offsets counted from its beginning.

    Args:
        data: has them.
        size: of the block.
        format: of the input.
        max_message: largest message in bytes, before and after inflating.
        signal: the signal of messages that do not say it themselves.
    """
    source = _Bytes(_Once(b""))
    source.hold(data, size)
    return Messages(source, format, max_message, signal)


def _end_of_block(file: int, begin: int, format: Format, max_message: int) -> int:
    """Where a block of a file ends, with as little of it read as tells that; where it begins if there is none.

    Args:
        file: a descriptor.
        begin: offset of the first message.
        format: how messages lie in the file.
        max_message: largest message in bytes.
    """
    size = os.fstat(file).st_size
    if format in SINGLE:
        return size if size - begin <= max_message else begin
    wanted = begin + _BLOCK
    if format == "jsonl":
        at = wanted - 1
        while at < size:
            piece = os.pread(file, _HEAD if at < wanted else _CHUNK, at)
            newline = piece.find(b"\n")
            if newline >= 0:
                return at + newline + 1
            at += len(piece)
            if not piece or at - wanted > max_message:
                # What comes before the long line is a block by itself, or the line would be looked through for each.
                return begin + os.pread(file, wanted - begin, begin).rfind(b"\n") + 1
        return size
    end = begin
    while end < min(wanted, size):
        piece = os.pread(file, _HEAD, end)
        at = 0
        while at + _PREFIX <= len(piece):
            length = int.from_bytes(piece[at : at + _PREFIX], "big")
            if length > max_message or end + _PREFIX + length > size:
                return end
            at += _PREFIX + length
            end += _PREFIX + length
        if not at:
            return end
    return end


class _Blocks:
    """Fills memory with whole messages.

    Args:
        source: the bytes.
        format: how messages lie in them.
        patient: whether to wait until a block is full: what is read is there already.
    """

    def __init__(self, source: _Bytes, format: Format, *, patient: bool) -> None:
        self._source = source
        self._format = format
        self._patient = patient

    def fill(self, room: Room, most: int | None) -> Block | None:
        """A block; None where the next message has no room, or there is none.

        Raises:
            PayloadError: the stream is broken and there are no whole messages before.
        """
        source = self._source
        offset = source.offset
        cut = _Cut(self._format, most)
        size = 0
        more = _BLOCK
        with memoryview(room) as view:
            while True:
                try:
                    read = source.fill(view[size : size + more])
                except PayloadError:
                    if not cut.end:
                        raise
                    break  # it is met again behind the block
                size += read
                missing = cut.advance(room, size, ended=not read)
                if not read or cut.full:
                    break
                # A frame that is nearly there is waited for, so that its beginning need not move to the next block.
                if cut.end and not (self._patient and (size < _BLOCK or 0 < missing <= _BLOCK)):
                    break
                left = len(view) - size
                if missing > left or not left:
                    break
                more = min(max(missing, _BLOCK - size) or _CHUNK, left)
            source.unread(bytes(view[cut.end : size]))
        return Block(room, offset, cut.end, cut.messages) if cut.end else None


class _Cut:
    """Where the last whole message ends in bytes that become more.

    Args:
        format: how messages lie in them.
        most: how many messages are wanted; None for all, which are then not counted in lines.
    """

    def __init__(self, format: Format, most: int | None) -> None:
        self._format = format
        self._most = most
        self._seen = 0
        self.end = 0
        self.messages = 0

    @property
    def full(self) -> bool:
        """Whether there are as many messages as are wanted."""
        return self.messages == self._most

    def advance(self, room: Room, size: int, *, ended: bool) -> int:
        """Looks at what has come; how many bytes are missing of the message that is not complete, 0 if that is open.

        Args:
            room: has the bytes.
            size: how many.
            ended: there will be no more.
        """
        missing = 0
        if self._format == "framed":
            missing = self._frames(room, size)
        elif self._format == "jsonl":
            self._lines(room, size)
        if ended and self.end < size and not self.full:
            self.end = size
            self.messages += 1
        return missing

    def _frames(self, room: Room, size: int) -> int:
        while self.end < size and not self.full:
            begin = self.end + _PREFIX
            end = begin + int.from_bytes(room[self.end : begin], "big")
            if begin > size:
                return begin - size
            if end > size:
                return end - size
            self.end = end
            self.messages += 1
        return 0

    def _lines(self, room: Room, size: int) -> None:
        if self._most is None:
            self.end = max(room.rfind(b"\n", self._seen, size) + 1, self.end)
            self._seen = size
            return
        while not self.full and (end := room.find(b"\n", self.end, size) + 1):
            line = bytes(room[self.end : end])
            self.end = end
            self.messages += not line.isspace()


class _Chunks:
    """A file read in chunks; of a pipe, whatever is there."""

    def __init__(self, file: Any, name: str) -> None:
        self._read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        self._read_into: Callable[[memoryview], int] | None = getattr(
            file, "readinto1", getattr(file, "readinto", None)
        )
        self._name = name

    def read(self, size: int, /) -> bytes:
        with named_errors(self._name):
            return self._read(max(size, 1)) or b""

    def fill(self, room: memoryview) -> int:
        """Reads into memory; how many bytes, 0 at the end."""
        if self._read_into is None:
            piece = self.read(len(room))
            room[: len(piece)] = piece
            return len(piece)
        with named_errors(self._name):
            return self._read_into(room) or 0


@contextlib.contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Have errors of the system name the file at which they arise."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = name
        raise


class _Once:
    """One piece of bytes as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, _size: int, /) -> bytes:
        data, self._data = self._data, b""
        return data


class _Bytes:
    """A stream with a look ahead, lines and exact lengths; itself a stream of what is left.

    `offset` is the position of the next byte.
    """

    def __init__(self, stream: _Stream, offset: int = 0) -> None:
        self._stream = stream
        self._buffer: bytes | Room = b""
        self._at = 0
        self._end = 0
        self._fault: PayloadError | None = None
        self.offset = offset

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, empty at the end."""
        if self._at == self._end:
            self.hold(self._pull())
        return self._advance(min(self._end, self._at + size))

    def hold(self, data: bytes | Room, size: int | None = None) -> None:
        """Takes the place of what has been read and passed."""
        self._buffer, self._at, self._end = data, 0, len(data) if size is None else size

    @property
    def held(self) -> tuple[bytes | Room, int, int]:
        """Memory with what has been read and not passed, where that begins, and where it ends."""
        return self._buffer, self._at, self._end

    def skip(self, end: int) -> None:
        """Passes over what is held, up to a place in its memory."""
        self.offset += end - self._at
        self._at = end

    def _left(self) -> bytes:
        return bytes(self._buffer[self._at : self._end])

    def unread(self, data: bytes) -> None:
        """Puts back what was read last."""
        if data:
            self.hold(data + self._left())
            self.offset -= len(data)

    def fill(self, room: memoryview) -> int:
        """Puts the next bytes into memory; how many, 0 at the end."""
        if self._at == self._end and self._fault is None and isinstance(self._stream, _Chunks):
            size = self._stream.fill(room)
            self.offset += size
            return size
        piece = self.read(len(room))
        room[: len(piece)] = piece
        return len(piece)

    def _pull(self) -> bytes:
        if self._fault is None:
            try:
                return self._stream.read(_CHUNK)
            except PayloadError as fault:
                self._fault = fault  # a stream that is broken would seem to have ended
        raise self._fault

    def _advance(self, end: int) -> bytes:
        piece = bytes(self._buffer[self._at : end])
        self._at = end
        self.offset += len(piece)
        return piece

    def peek(self, size: int) -> bytes:
        """The next bytes, left where they are; fewer at the end.

        Raises:
            PayloadError: the stream is broken right here; a break further on is met when it is reached.
        """
        while self._end - self._at < size:
            try:
                chunk = self._pull()
            except PayloadError:
                if self._at == self._end:
                    raise
                break
            if not chunk:
                break
            self.hold(self._left() + chunk)
        return bytes(self._buffer[self._at : min(self._end, self._at + size)])

    def peek_head(self) -> bytes:
        """The first bytes, enough to tell text from protobuf; they stay.

        A line, or a control character, is enough: whoever writes into a pipe may wait for an answer to the first line.
        """
        size = 1
        while True:
            head = self.peek(size)
            if len(head) < size:
                return head
            head = bytes(self._buffer[self._at : min(self._end, self._at + _HEAD)])
            if len(head) == _HEAD or b"\n" in head.lstrip(_BLANK) or head.translate(None, _BINARY) != head:
                return head
            size = len(head) + 1

    def peek_lines(self, limit: int) -> tuple[bytes, bytes]:
        """The first line that is not blank, without blanks around it, and the first bytes of the next; both stay."""
        offset = self.offset
        pieces = []
        line = b""
        complete = True
        while not line and complete and self.peek(1):
            piece, complete = self.take_line(limit)
            pieces += [piece, b"\n"] if complete and self._newline_passed else [piece]
            line = piece.strip(_BLANK)
        # Looked at only where the first line is no document, so that a pipe is not waited for.
        following = self._left()[:1]
        self.unread(b"".join(pieces))
        self.offset = offset
        return line, following

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        pieces = []
        left = size
        while left and (piece := self.read(left)):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take_line(self, limit: int) -> tuple[bytes, bool]:
        """A line without its end.

        Returns:
            The line and True, or the beginning of a line longer than `limit` and False.
        """
        pieces = []
        size = 0
        self._newline_passed = False
        while size <= limit:
            if self._at == self._end:
                self.hold(self._pull())
                if not self._end:
                    break
            end = self._buffer.find(b"\n", self._at, self._end)
            if end >= 0:
                pieces.append(self._advance(end))
                self._at += 1
                self.offset += 1
                self._newline_passed = True
                break
            pieces.append(self._advance(self._end))
            size += len(pieces[-1])
        line = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return line, len(line) <= limit

    def chunks(self, *, length: int | None = None, until_newline: bool = False) -> Iterator[bytes]:
        """Chunks up to a length, the end of the line (passed over) or the end."""
        left = length
        if until_newline and self._newline_passed:
            return
        while left is None or left > 0:
            if self._at == self._end and not self.peek(1):
                return
            end = self._end if left is None else min(self._end, self._at + left)
            newline = self._buffer.find(b"\n", self._at, end) if until_newline else -1
            piece = self._advance(end if newline < 0 else newline)
            if left is not None:
                left -= len(piece)
            if newline >= 0:
                self._at += 1
                self.offset += 1
                yield piece
                return
            yield piece


class _Inflated:
    """What a generator of chunks yields, as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int, /) -> bytes:
        return next(self._pieces, b"")


def _gunzip(source: _Bytes) -> _Stream:
    return _Inflated(_gunzip_chunks(source))


def _gunzip_chunks(source: _Bytes) -> Iterator[bytes]:
    """The members of a gzip stream one behind the other, zeros between and behind them passed over."""
    inflater = None
    failure: Any = ()
    held = b""
    while True:
        held = held or source.read(_CHUNK)
        if inflater is None:
            held = held.lstrip(b"\0")
            if held:
                while len(held) < _PREFIX and (more := source.read(_CHUNK)):
                    held += more
                inflater, failure = _inflater(held)
            elif not source.peek(1):
                return
            continue
        try:
            piece = inflater.decompress(held, _CHUNK)
        except failure as error:
            raise PayloadError(f"malformed gzip: {error}", source.offset) from None
        if not held and not piece and not inflater.eof:
            raise PayloadError("the gzip stream is cut short", source.offset)
        held = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        if inflater.eof:
            inflater = None
        if piece:
            yield piece


# Flags of a gzip member (RFC 1952, 2.3.1): it is text, or has one optional field, as that of its name.
_USUAL_FLAGS: Final = frozenset({0, 1, 4, 8, 16})


def _inflater(head: bytes) -> tuple[Any, type[Exception]]:
    """What inflates a member of a gzip stream, and how it fails: ISA-L, in 0.4 of the time of zlib, where it is there.

    Args:
        head: how the member begins. ISA-L refuses several optional fields if they come in pieces, and takes any flags.
    """
    import zlib

    if len(head) >= _PREFIX and head[_PREFIX - 1] in _USUAL_FLAGS:
        with contextlib.suppress(ImportError):
            from isal import isal_zlib

            return isal_zlib.decompressobj(wbits=31), cast("type[Exception]", isal_zlib.error)
    return zlib.decompressobj(wbits=31), zlib.error


def _unzstd(source: _Bytes) -> _Stream:
    return _Inflated(_unzstd_chunks(source))


def _unzstd_chunks(source: _Bytes) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    inflater = None
    held = b""
    while True:
        held = held or source.read(_ZSTD_STEP)
        if not held:
            if inflater is not None:
                raise PayloadError("the zstd stream is cut short", source.offset)
            return
        inflater = inflater or decompressor.decompressobj()
        try:
            piece = inflater.decompress(held)
        except zstandard.ZstdError as error:
            raise PayloadError(f"malformed zstd: {error}", source.offset) from None
        held = inflater.unused_data if inflater.eof else b""
        if inflater.eof:
            inflater = None
        if piece:
            yield piece


class Output:
    """A file, or a stream, to which messages are written in a layout.

    A regular file appears under its name only with `commit`; until then, and for good after `abandon`, what was there
    before stays. A device or a pipe is written to directly.

    Args:
        path: the file; None for `stream`.
        layout: format and compression.
        stream: where to write without a path; standard output by default.
    """

    def __init__(self, path: Path | None, layout: Layout, stream: IO[bytes] | None = None) -> None:
        self.path = path
        self.layout = layout
        self._messages = 0
        self._stream = stream
        self._temporary: Path | None = None
        self._raw: IO[bytes] | None = None
        self._member: IO[bytes] | None = None
        self._unsynced = 0
        self._syncing: threading.Thread | None = None
        self._failure: OSError | None = None

    def open(self) -> IO[bytes]:
        """Make the file, if that is not done yet; an interrupt may come at any moment, and `abandon` undoes it.

        Returns:
            The stream that has the bytes as they will lie in the file.
        """
        if self._raw is None:
            # A link stays a link: what it points to is replaced.
            self._raw = (
                self._stream or sys.stdout.buffer
                if self.path is None
                else self._make(Path(os.path.realpath(self.path)))
            )
        return self._raw

    def _file(self) -> IO[bytes]:
        """The stream that takes bytes before they are compressed; a member of the file, where it has several."""
        raw = self.open()
        if self.layout.compression is None:
            return raw
        if self._member is None:
            self._member = _compressor(raw, self.layout.compression)
        return self._member

    def _end_member(self) -> IO[bytes]:
        """Completes a member that is open; the stream that has the compressed bytes."""
        raw = self.open()
        member, self._member = self._member, None
        if member is not None:
            member.close()
        return raw

    def _make(self, target: Path) -> IO[bytes]:
        self._target = target
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            return target.open("wb")
        # Not with `tempfile`, which tells the name when the file is there: an interrupt in between would leave it.
        self._temporary = target.with_name(f".{target.name[:80]}.{os.urandom(6).hex()}.part")
        try:
            raw = self._temporary.open("xb")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(target)) from None
        if mode is not None:
            with contextlib.suppress(OSError):
                self._temporary.chmod(stat.S_IMODE(mode))
        return raw

    def write(self, payload: bytes, *, packed: bool = False, encoding: Encoding | None = None) -> None:
        """Write a message.

        Args:
            payload: its bytes, in the encoding of the layout (a frame may hold either).
            packed: in a frame, as a zstd frame.
            encoding: of the payload in a frame.

        Raises:
            Error: a second message in a format that holds one.
        """
        self.add(laid_out(payload, self.layout.format, packed=packed, encoding=encoding), len(payload), 1)

    def _sync_ahead(self, size: int) -> None:
        """Has the system begin to bring a long file to disk, so that `finish` need not wait for all of it."""
        self._unsynced += size
        if self._unsynced < _SYNCED_BYTES or self._temporary is None or self._raw is None:
            return
        if self._syncing is not None and self._syncing.is_alive():
            return
        self._unsynced = 0
        self._syncing = threading.Thread(target=self._sync, args=(os.dup(self._raw.fileno()),), daemon=True)
        self._syncing.start()

    def _sync(self, file: int) -> None:
        """Brings what there is so far to disk; the system tells a failure once, and `finish` passes it on."""
        try:
            os.fsync(file)
        except OSError as failure:
            self._failure = failure
        finally:
            os.close(file)

    def _count(self, messages: int) -> None:
        self._messages += messages
        ours = self.layout.format
        if self._messages > 1 and ours in SINGLE:
            other = "jsonl" if ours == "json" else "framed"
            raise Error(f"{self.name}: {ours} holds one message, there are more: write them with --to {other}")

    def copy(self, message: Message) -> None:
        """Write a faulty message as it lay in its file."""
        file = self._file()
        self._messages += 1
        for piece in copied(message, self.layout.format):
            file.write(piece)

    def reserve(self, size: int, messages: int) -> Place | None:
        """Keep a place for messages that `compressed` has made ready.

        Args:
            size: of them all, in bytes.
            messages: how many they are.

        Returns:
            Where they are to be written, before `finish`; None where only this process can (`append`).

        Raises:
            Error: more messages than the format holds.
        """
        raw = self._end_member()
        try:
            file = raw.fileno()
        except OSError:
            return None
        self._count(messages)
        raw.flush()
        if self._temporary is None:
            return file, None
        offset = raw.tell()
        raw.seek(offset + size)
        self._sync_ahead(size)
        return file, offset

    def append(self, data: bytes, messages: int) -> None:
        """Write messages that `compressed` has made ready.

        Raises:
            Error: more messages than the format holds.
        """
        self._count(messages)
        self._end_member().write(data)

    def add(self, pieces: Iterable[bytes], size: int, messages: int) -> None:
        """Write messages that are laid out (`laid_out`, `copied`).

        Args:
            pieces: of them all.
            size: in bytes.
            messages: how many they are.

        Raises:
            Error: more messages than the format holds.
        """
        file = self._file()
        self._count(messages)
        for piece in pieces:
            file.write(piece)
        self._sync_ahead(size)

    @property
    def name(self) -> str:
        """For messages to people."""
        return "<stdout>" if self.path is None else str(self.path)

    def flush(self) -> None:
        """Hand what is written so far to the system."""
        raw = self.open()
        if self._member is not None:
            self._member.flush()
        raw.flush()

    def finish(self) -> None:
        """Complete the bytes and, of a file, have them on disk."""
        with named_errors(self.name):
            if not self._messages:
                self._file()  # no file is that of no messages in a compressed one
            raw = self._end_member()
            raw.flush()
            if self._syncing is not None:
                self._syncing.join()
            if self._failure is not None:
                raise self._failure
            if self._temporary is not None:
                os.fsync(raw.fileno())
            if self.path is not None:
                raw.close()

    def commit(self) -> None:
        """Let the finished file appear under its name."""
        if self._temporary is None:
            return
        self._temporary.replace(self._target)
        self._temporary = None
        with contextlib.suppress(OSError):
            folder = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def abandon(self) -> None:
        """Forget what was written; the file under its name stays as it was."""
        if self.path is not None and self._raw is not None:
            with contextlib.suppress(OSError, ValueError):
                self._raw.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None


_ONE_LINE = bytes(32 if byte in b"\r\n" else byte for byte in range(256))


def laid_out(
    payload: bytes, format: Format, *, packed: bool = False, encoding: Encoding | None = None
) -> tuple[bytes, ...]:
    """A message as it lies in a file, before that is compressed, in pieces; see `Output.write`."""
    if format == "framed":
        if packed and payload and payload != b"{}":
            import zstandard

            payload = zstandard.ZstdCompressor().compress(payload)
        if encoding == "json" and payload == b"{}":
            payload = b""
        return len(payload).to_bytes(_PREFIX, "big"), payload
    if format == "jsonl" and b"\n" in payload:
        # Outside of strings a line end is a blank like any other, inside JSON has none.
        payload = payload.strip(_BLANK).translate(_ONE_LINE)
    ends = format == "jsonl" or (format == "json" and not payload.endswith(b"\n"))
    return (payload, b"\n") if ends else (payload,)


def copied(message: Message, format: Format) -> Iterator[bytes]:
    """A faulty message as it lay in its file, in pieces."""
    yield message.payload
    yield from message.rest or ()
    if format == "jsonl":
        yield b"\n"


def _compressor(raw: IO[bytes], compression: Compression) -> IO[bytes]:
    if compression == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="", compresslevel=6))
    import zstandard

    return cast("IO[bytes]", zstandard.ZstdCompressor().stream_writer(raw, closefd=False))


def compressed(pieces: Sequence[bytes], compression: Compression | None) -> Sequence[bytes]:
    """Messages as they will lie in a file, a compressed one taking them as a member of its own.

    Args:
        pieces: as `laid_out` and `copied` give them.
        compression: of the file.
    """
    if compression is None:
        return pieces
    found = io.BytesIO()
    with _compressor(found, compression) as member:
        for piece in pieces:
            member.write(piece)
    return [found.getvalue()]


def transcode(payload: bytes, signal: str, source: Encoding, target: Encoding, limits: Limits) -> bytes:
    """A message in the other encoding.

    Args:
        payload: the message; an emptied one stays one.
        signal: what it holds.
        source: its encoding.
        target: the wanted one.
        limits: bounds on it.

    Raises:
        PayloadError: it is malformed or exceeds the limits.
    """
    if source == target:
        return payload
    from ottl.engine import native_enabled

    if native_enabled():
        from ottl.codec import native

        converted: bytes = (
            native.from_json(payload, signal, limits) if source == "json" else native.to_json(payload, signal, limits)
        )
        return converted
    from ottl.codec import messages

    return messages.encode(messages.decode(payload, signal, source, limits), signal, target)


def check(payload: bytes, signal: str, encoding: Encoding, limits: Limits) -> None:
    """Looks through a message that is passed on as it came.

    Args:
        payload: the message; an emptied one is none to look through.
        signal: what it holds.
        encoding: its encoding.
        limits: bounds on it.

    Raises:
        PayloadError: it is malformed or exceeds the limits, so that no rule could run on it.
    """
    from ottl.engine import native_enabled

    if native_enabled():
        from ottl.codec import native

        if encoding == "json":
            native.from_json(payload, signal, limits)
            return
        if native.scan(native.layout(signal, (), (), metric_types=False), payload, limits) is not None:
            return
    from ottl.codec import messages

    messages.decode(payload, signal, encoding, limits)


def compression_of(name: str | os.PathLike[str]) -> Compression | None:
    """The compression that a file name asks for."""
    return _COMPRESSION_SUFFIXES.get(Path(name).suffix.lower())


def is_file_name(name: str | os.PathLike[str]) -> bool:
    """Whether a name ends as those of OTLP files do."""
    path = Path(name)
    return path.suffix.lower() in _INPUT_SUFFIXES or compression_of(path) is not None


def find_inputs(names: Sequence[str]) -> list[tuple[str, Path]]:
    """The files that arguments name.

    Args:
        names: files, `-`, patterns such as `logs/**/*.json`, and directories, searched for OTLP files by suffix.

    Returns:
        For each file its path as a user would write it and its place below an output directory; in the order of the
        arguments, and sorted within one.

    Raises:
        FileNotFoundError: an argument names nothing.
    """
    found: list[tuple[str, Path]] = []
    for name in names:
        path = Path(name)
        if name == STANDARD_STREAM:
            found.append((name, Path("stdin")))
        elif not name:
            raise FileNotFoundError(2, "an empty name", "''")
        elif path.is_dir():
            found += _in_directory(path)
        elif path.exists() or not glob.has_magic(name):
            if not path.exists():
                raise FileNotFoundError(2, os.strerror(2), name)
            found.append((name, Path(path.name)))
        else:
            paths = glob.glob(name, recursive=True)  # noqa: PTH207 (an absolute pattern too)
            matches = sorted(path for path in paths if Path(path).is_file())
            if not matches:
                raise FileNotFoundError(2, "no file matches", name)
            found += [(match, Path(Path(match).name)) for match in matches]
    return found


def _in_directory(folder: Path) -> Iterable[tuple[str, Path]]:
    files = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            suffixes = [suffix.lower() for suffix in path.suffixes]
            plain = suffixes[:-1] if suffixes and suffixes[-1] in _COMPRESSION_SUFFIXES else suffixes
            if plain and plain[-1] in _INPUT_SUFFIXES:
                files.append((str(path), inside))
    if not files:
        raise FileNotFoundError(2, "no OTLP file in the directory", str(folder))
    return files


def route_name(place: Path, route: str) -> Path:
    """The place of a route's output: `traces.jsonl.gz` and `kafka` give `traces.kafka.jsonl.gz`."""
    suffix = place.suffix if place.suffix.lower() in _COMPRESSION_SUFFIXES else ""
    plain = Path(place.name.removesuffix(suffix))
    format_suffix = plain.suffix if plain.suffix.lower() in _INPUT_SUFFIXES else ""
    stem = plain.name.removesuffix(format_suffix)
    return place.with_name(f"{stem}.{_UNSAFE.sub('_', route)}{format_suffix}{suffix}")


_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]|^\.+")
"""What the name of a route may have and that of a file should not."""


def output_name(place: Path, format: Format | None) -> Path:
    """The place of an output below its directory: the input's, with the suffix of another format if asked for one."""
    if format is None:
        return place
    suffix = place.suffix if place.suffix.lower() in _COMPRESSION_SUFFIXES else ""
    plain = Path(place.name.removesuffix(suffix))
    known = plain.suffix.lower() in _INPUT_SUFFIXES
    stem = plain.stem if known else plain.name
    return place.with_name(stem + _FORMAT_SUFFIXES[format] + suffix)

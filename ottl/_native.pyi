# ruff: noqa: PYI021 - this stub is the contract: the docstrings belong here
"""Contract of the native codec: OTLP protobuf payloads as tables of columns.

**Cells**, the one value format: a tag, 64 bits and a length; a column of cells is three arrays `tags uint8 (n,)`,
`bits int64 (n,)`,
`lens uint32 (n,)`. Tags: 0 empty, 1 string, 2 bool, 3 int, 4 double (bits are those of the float), 5 bytes, 6 list (an
encoded
ArrayValue), 7 map (an encoded KeyValueList), 8 dictionary-indexed string. For 1, 5, 6 and 7 bits and length are a
*view* on the batch's
arena: offset and byte length. Offsets below the payload's length lie in the payload, the others in bytes added by
`put`, `put_joined`,
`const` and `map_encode`; views stay valid as long as the batch.

Arrays that come out are copies and read-only; arrays that go in are read during the call and never kept, must be
one-dimensional and of
the exact dtype. Where cells go in, a column of length 1 stands for every row, each of the three arrays by itself.
`rows` is an array of
row numbers or None for all rows of the table. A wrong row, view, tag or length raises ValueError, a wrong dtype
TypeError.
"""

import mmap
from collections.abc import Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Buffer: TypeAlias = bytes | bytearray | memoryview
Bools: TypeAlias = NDArray[np.bool_]
Int8s: TypeAlias = NDArray[np.int8]
UInt8s: TypeAlias = NDArray[np.uint8]
UInt16s: TypeAlias = NDArray[np.uint16]
Int32s: TypeAlias = NDArray[np.int32]
UInt32s: TypeAlias = NDArray[np.uint32]
Int64s: TypeAlias = NDArray[np.int64]
Cells: TypeAlias = tuple[UInt8s, Int64s, UInt32s]

FieldTuple: TypeAlias = tuple[int, int, bool, int, int, str, str, list[tuple[str, int]] | None]
"""number, `FieldDescriptorProto.Type`, repeated, message index or -1, oneof or -1, name, JSON name, enum values."""
ActionTuple: TypeAlias = tuple[int, str, int, int]
"""field number, kind, a, b.

The kinds: ("column", column, 0), ("inline", node, presence column or -1), ("rows", table, node), ("entries", map, 0).
"""

OPTIMISED: bool
"""Whether the extension was compiled with optimisation: what benchmarks insist on."""

class ScanError(ValueError):
    """Malformed payload: what protobuf's own parser refuses, or more messages or nesting than the limits allow."""

    offset: int

@final
class Schema:
    """Message descriptors; immutable and safe to share."""

    def __new__(cls, messages: Sequence[tuple[str, Sequence[FieldTuple]]]) -> Schema:
        """Checks and indexes the descriptors.

        Args:
            messages: full name and fields of each message; message indices refer to this list.

        Raises:
            ValueError: a field is not valid.
        """

@final
class Plan:
    """What a scan extracts; immutable and safe to share."""

    def __new__(
        cls,
        schema: Schema,
        root_message_index: int,
        nodes: Sequence[tuple[int, Sequence[ActionTuple]]],
        tables: Sequence[tuple[int, int]],
    ) -> Plan:
        """Checks a plan against the schema.

        Args:
            schema: the descriptors.
            root_message_index: message of the payload.
            nodes: message index and actions of each way to visit a message; node 0 is the root, and a node leads only
                to nodes after it.
            tables: number of columns and of maps of each table; table 0 is the root's and has one row. A table has one
                parent table.

        Raises:
            ValueError: the plan contradicts itself or the schema.
        """

@final
class Batch:
    """The tables of one payload. Not for two threads at a time: a call during another one raises RuntimeError."""

    def rows(self, table: int) -> int:
        """Number of rows of a table."""

    def parents(self, table: int) -> Int32s:
        """Row of the parent table for each row, int32 (n,)."""

    def variants(self, table: int) -> UInt16s:
        """Node that visited each row, uint16 (n,)."""

    def dirty(self, table: int) -> Bools:
        """Rows that were written to, bool (n,)."""

    def column(self, table: int, column: int) -> Cells:
        """Cells of a column, (n,) each."""

    def store(self, table: int, column: int, rows: Int32s | None, tags: UInt8s, bits: Int64s, lens: UInt32s) -> None:
        """Writes cells and marks the rows dirty; of a row given twice the last cell wins.

        Empty removes the field. In a submessage that the payload lacks, a cell that is not empty creates the
        submessage; a presence
        column (bool) decides where there is one and it was stored.
        """

    def open_cache(self, table: int, keys: int) -> None:
        """Empties what is kept for the rows of a table beside the payload, and gives it so many keys."""

    def cached(self, table: int, key: int) -> Cells:
        """What is kept under a key, (n,) each."""

    def keep(self, table: int, key: int, tags: UInt8s, bits: Int64s, lens: UInt32s) -> None:
        """Keeps cells under a key, one a row or one for all."""

    def touch(self, table: int, rows: Int32s | None) -> None:
        """Marks rows dirty without a change."""

    def drop(self, table: int, mask: Bools) -> None:
        """Removes the marked rows, with all below them, from the patched payload.

        Args:
            table: any but the root's.
            mask: bool (n,); adds to the rows dropped before.
        """

    def size(self) -> int:
        """Bytes of the arena: the payload, and all that was added to it."""

    def put(self, values: list[bytes]) -> tuple[Int64s, UInt32s]:
        """Views on byte strings added to the arena."""

    def put_joined(self, data: Buffer, lengths: UInt32s) -> Int64s:
        """Offsets of byte strings that were added to the arena in one piece; the lengths must add up to the data's."""

    def const(self, value: bytes) -> tuple[int, int]:
        """View on one byte string added to the arena: bits and length."""

    def take(self, bits: Int64s, lens: UInt32s) -> list[bytes]:
        """The byte strings that views show."""

    def arena_view(self, bits: Int64s, lens: UInt32s) -> tuple[bytes, Int64s]:
        """The byte strings that views show, joined, and the offsets of their ends behind a 0, int64 (n + 1,)."""

    def intern(self, tags: UInt8s | None, bits: Int64s, lens: UInt32s) -> tuple[Int32s, Int32s]:
        """Codes of views: equal byte strings have equal codes, numbered in order of first appearance.

        Returns:
            Codes int32 (n,), -1 for cells without a view when tags are given; first int32 (m,), the position of each
            code's first view.
        """

    def equal(self, bits: Int64s, lens: UInt32s, needle: bytes) -> Bools:
        """Whether each view equals a byte string, bool (n,)."""

    def starts_with(self, bits: Int64s, lens: UInt32s, needle: bytes) -> Bools:
        """Whether each view begins with a byte string, bool (n,)."""

    def ends_with(self, bits: Int64s, lens: UInt32s, needle: bytes) -> Bools:
        """Whether each view ends with a byte string, bool (n,)."""

    def contains(self, bits: Int64s, lens: UInt32s, needle: bytes) -> Bools:
        """Whether each view contains a byte string, bool (n,)."""

    def compare(self, bits_a: Int64s, lens_a: UInt32s, bits_b: Int64s, lens_b: UInt32s) -> Int8s:
        """Order of the bytes of two columns of views: -1, 0 or 1, int8 (n,); one view stands for every row."""

    def map_lengths(self, table: int, map: int, rows: Int32s | None) -> Int64s:
        """Number of entries of each row, int64 (k,)."""

    def map_get(self, table: int, map: int, key: bytes, rows: Int32s | None) -> tuple[UInt8s, Int64s, UInt32s, Bools]:
        """Cell of the first entry with a key for each row, and whether there is one, bool; (k,) each."""

    def map_set(
        self, table: int, map: int, key: bytes, rows: Int32s | None, tags: UInt8s, bits: Int64s, lens: UInt32s
    ) -> None:
        """Overwrites the first entry with a key, or appends one, and marks the rows dirty."""

    def map_delete(self, table: int, map: int, key: bytes, rows: Int32s | None) -> None:
        """Removes the first entry with a key; the row's last entry moves into its place.

        Rows without the key stay clean.
        """

    def map_keys(self, table: int, map: int) -> list[bytes]:
        """Keys of all rows, also those no longer in use, by code."""

    def map_retain(self, table: int, map: int, rows: Int32s | None, keep: Bools) -> None:
        """Keeps the entries whose key is marked, in their order; rows that lose nothing stay clean.

        `keep` is bool (number of `map_keys`,).
        """

    def map_entries(
        self, table: int, map: int, rows: Int32s | None
    ) -> tuple[Int32s, UInt32s, Int32s, UInt8s, Int64s, UInt32s]:
        """All entries of rows, in order, (m,) each.

        Returns:
            Position in `rows` int32, key code uint32, slot int32 (for `map_put_slots`, until entries are added or
            removed), and the cells.
        """

    def map_put_slots(self, table: int, map: int, slots: Int32s, tags: UInt8s, bits: Int64s, lens: UInt32s) -> None:
        """Overwrites the values of entries and marks their rows dirty."""

    def map_replace(
        self,
        table: int,
        map: int,
        rows: Int32s | None,
        counts: Int32s,
        key_bits: Int64s,
        key_lens: UInt32s,
        tags: UInt8s,
        bits: Int64s,
        lens: UInt32s,
    ) -> None:
        """Replaces all entries of rows.

        `counts` is the number of entries of each row, int32 (k,); the keys of all entries are views, (m,), m the sum of
        the counts; their values are cells, (m,) or (1,).
        """

    def map_encode(self, table: int, map: int, rows: Int32s | None) -> tuple[Int64s, UInt32s]:
        """The maps of rows as map cells (their bits and lens, (k,)), encoded into the arena.

        Later edits of the rows do not show in them.
        """

    def map_assign(self, table: int, map: int, rows: Int32s | None, bits: Int64s, lens: UInt32s) -> None:
        """Replaces all entries of rows by those of map cells, (k,) or (1,)."""

    def child(
        self, tags: UInt8s, bits: Int64s, lens: UInt32s, key: bytes | int
    ) -> tuple[UInt8s, Int64s, UInt32s, UInt8s]:
        """Elements of list and map cells.

        Returns:
            Cells (n,) and errors uint8 (n,): 0 found, or a map without the key (empty); 1 the cell is not indexable by
            this kind of key; 2 the index is negative or past the end.
        """

    def child_counts(self, tags: UInt8s, bits: Int64s, lens: UInt32s) -> Int64s:
        """Number of elements of list and map cells, int64 (n,); -1 for other cells."""

    def patch(self) -> bytes:
        """The payload with all changes; the payload itself where nothing changed.

        Untouched rows, fields and entries and unknown fields are copied as they came.

        Raises:
            ValueError: a cell does not fit its field, or the result is larger than 2 GiB.
        """

def scan(plan: Plan, payload: Buffer, max_messages: int, max_depth: int) -> Batch | None:
    """The tables of a payload, or None for a payload that only the plain stack runs.

    The latter are well-formed but odd: a visited singular submessage or a oneof set twice, a field of the plan with
    another wire type
    than its own, groups, an attribute with two keys or values or a dictionary-indexed key.

    Args:
        plan: what to extract.
        payload: encoded root message; bytes are used in place, other buffers copied.
        max_messages: limit on the number of messages below the root.
        max_depth: limit on the nesting of messages below the root, at most 1000.

    Raises:
        ScanError: the payload is malformed or beyond a limit.
    """

def json_to_protobuf(schema: Schema, root: int, payload: Buffer, max_messages: int, max_depth: int) -> bytes:
    """The protobuf encoding of the message (of index `root` in the schema) that an OTLP JSON text spells.

    Raises:
        ScanError: not JSON, not of this schema, or over a limit.
    """

def protobuf_to_json(schema: Schema, root: int, payload: Buffer, max_depth: int = 100) -> bytes:
    """The OTLP JSON of a protobuf message (of index `root` in the schema).

    Raises:
        ScanError: malformed, or messages nested deeper than `max_depth` below the root.
    """

def fits_message(schema: Schema, root: int, payload: Buffer, unknown_allowed: bool) -> bool:
    """Whether bytes can be an OTLP message (of index `root` in the schema) with at least one span, metric or record.

    Field numbers, wire types, lengths of ids, texts and nested messages are looked at, of the first six elements only;
    see `ottl.signals`, which does the same.
    """

def holds_any(payload: Buffer, stem: bytes, names: tuple[bytes, ...]) -> bool:
    """Whether one of some names, which all begin with a stem, stands anywhere in a payload."""

def md5_hex(batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Int64s, UInt32s]:
    """The MD5 digests of strings in lower-case hexadecimal, as views."""

def sha1_hex(batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Int64s, UInt32s]:
    """The SHA-1 digests of strings in lower-case hexadecimal, as views."""

def sha256_hex(batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Int64s, UInt32s]:
    """The SHA-256 digests of strings in lower-case hexadecimal, as views."""

def sha512_hex(batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Int64s, UInt32s]:
    """The SHA-512 digests of strings in lower-case hexadecimal, as views."""

def xxh3_hex(batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Int64s, UInt32s]:
    """The 64-bit XXH3 hashes of strings in lower-case hexadecimal (most significant byte first), as views."""

def fnv1a64(batch: Batch, bits: Int64s, lens: UInt32s) -> Int64s:
    """The 64-bit FNV-1a hashes of strings, wrapped to int64, (n,)."""

def read_times(batch: Batch, bits: Int64s, lens: UInt32s, layout: tuple[Any, ...]) -> tuple[Int64s, Bools]:
    """The times that strings say by a layout (see `ottl.stdlib.times`), int64 (n,), and the rows without one in UTC."""

def is_utf8(batch: Batch, bits: Int64s, lens: UInt32s) -> Bools:
    """Whether each string is valid UTF-8, bool (n,)."""

def is_ascii(batch: Batch, bits: Int64s, lens: UInt32s) -> Bools:
    """Whether each string is ASCII, bool (n,)."""

Classes: TypeAlias = tuple[type, type, type, type]
"""The classes of maps (with `entries`), lists, byte strings, and lists with an `element` type."""
Part: TypeAlias = tuple[UInt8s, Int64s, UInt32s, Bools | None]
"""A column of cells that are neither lists nor maps, (n,) or (1,), and where there is one."""

def objects(batch: Batch, tags: UInt8s, bits: Int64s, lens: UInt32s, classes: Classes) -> list[object]:
    """Cells as Python values, lists and maps with all they hold; strings are `bytes`.

    Raises:
        ValueError: a list or map is odd (two values in one place) or nests deeper than 60.
    """

def cells(batch: Batch, values: list[object], classes: Classes, most: int) -> tuple[Cells, list[int]]:
    """Python values as cells, and the positions of values of other types, too large or nested deep; those are empty.

    Args:
        batch: owner of the cells.
        values: the values.
        classes: of values that have no type of Python's own.
        most: elements and entries of one value, those of nested ones included.
    """

def parse_json(batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Cells, Bools | None]:
    """JSON objects and arrays as map and list cells.

    Returns:
        The cells and `declined`: texts that are no JSON object or array, not UTF-8, repeat a key, nest deep, or have a
        number that no float holds.
    """

def parse_pairs(
    batch: Batch, bits: Int64s, lens: UInt32s, delimiter: bytes, pair_delimiter: bytes
) -> tuple[Cells, Bools | None]:
    """Texts of keys and values as map cells.

    Returns:
        The cells and `declined`: texts that are empty, not ASCII, malformed or very long.
    """

def make_maps(batch: Batch, names: Sequence[bytes], columns: Sequence[Part], count: int) -> tuple[Int64s, UInt32s]:
    """A map cell a row, of the same keys in the same order, less the entries that are not there."""

def make_lists(batch: Batch, columns: Sequence[Part], count: int) -> tuple[Int64s, UInt32s]:
    """A list cell a row."""

def any_deep(batch: Batch, tags: UInt8s, bits: Int64s, lens: UInt32s) -> bool:
    """Whether any list or map nests 20 deep or more, so that storing it again may be refused."""

def map_parts(batch: Batch, bits: Int64s, lens: UInt32s, keys: bool) -> tuple[Int64s, UInt32s]:
    """The keys (true) or the values (false) of map cells as list cells."""

def concat(
    batch: Batch, columns: Sequence[tuple[Int64s, UInt32s]], delimiter: bytes, count: int
) -> tuple[Int64s, UInt32s]:
    """Strings joined row by row; a column is (count,) or (1,)."""

def window_steps(
    slots: Int64s,
    values: NDArray[np.float64],
    windows: tuple[NDArray[np.generic], ...],
    score: bool,
    alarm: tuple[int, float, Int64s] | None,
) -> tuple[NDArray[np.float64], Bools]:
    """The statistic after each value of many series, in order, and where there is one; see `ottl.codec.kernels`."""

def map_merge(
    batch: Batch, table: int, map: int, rows: Int32s | None, bits: Int64s, lens: UInt32s, strategy: str
) -> int:
    """Writes the entries of map cells, (k,) or (1,), into the maps of rows: `insert`, `update` or `upsert`.

    Returns:
        In how many rows it wrote any.
    """

def map_scratch(batch: Batch, table: int, rows: Int32s | None, bits: Int64s, lens: UInt32s) -> int:
    """Puts the entries of map cells into a map of the table that no field feeds, and that `patch` passes over.

    Returns:
        Its number, the same for all calls; no row of it is marked as changed.
    """

def map_changed(batch: Batch, table: int, map: int, rows: Int32s | None) -> Bools:
    """Which rows of a map were changed since the scan, or since `map_scratch`, bool (k,)."""

def put_inside(
    batch: Batch,
    table: int,
    map: int | None,
    column: int | None,
    keys: Sequence[bytes | int],
    rows: Int32s | None,
    tags: UInt8s,
    bits: Int64s,
    lens: UInt32s,
    items: int,
) -> Bools:
    """Puts values where keys lead in rows, making what is missing; in which ones it did not, bool (k,).

    Args:
        batch: owner of the rows.
        table: of the rows.
        map: number of the map that the first key is of; None for a column.
        column: number of the column; its value has to be a list or map.
        keys: strings for maps, integers for lists.
        rows: int32 (k,); None for all.
        tags: of the values, (k,) or (1,).
        bits: of the values.
        lens: of the values.
        items: most elements of a list that is made of nothing.
    """

def map_flatten(
    batch: Batch,
    table: int,
    map: int,
    rows: Int32s | None,
    prefix: bytes,
    depth: int | None,
    resolve: bool,
    longest: int,
) -> bool:
    """Replaces nested lists and maps of rows by entries with dotted keys; false and nothing where too long or deep.

    Args:
        batch: owner of the map.
        table: of the rows.
        map: number of the map.
        rows: int32 (k,); None for all.
        prefix: of all keys.
        depth: levels that are taken apart; None for all.
        resolve: whether keys that are taken get a number.
        longest: bytes of the keys of a row.
    """

@final
class Regex:
    """A regular expression that means what it means in Go; immutable and safe to share.

    Its methods decline rows that they cannot answer for as Go would: a string that is not UTF-8, a replacement that
    makes a string of more than 16 MiB. `declined` is bool (n,), or None when there is no such row.
    """

    def __new__(cls, pattern: str) -> Regex:
        """Compiles.

        Raises:
            ValueError: this engine might understand the expression otherwise than Go, or Go refuses it.
        """

    @property
    def groups(self) -> int:
        """Number of groups, the whole match counted."""

    def is_match(self, batch: Batch, bits: Int64s, lens: UInt32s) -> tuple[Bools, Bools | None]:
        """Whether the expression matches anywhere in each string.

        Returns:
            `(matched, declined)`.
        """

    def replace_all(
        self, batch: Batch, bits: Int64s, lens: UInt32s, template: Sequence[bytes | int], longest: int
    ) -> tuple[Int64s, UInt32s, Bools, Bools | None]:
        """Strings with all matches replaced.

        Args:
            batch: owner of the strings.
            bits: offsets.
            lens: lengths.
            template: literals, and numbers of groups (one that took no part, or that there is not, is empty).
            longest: bytes of a result.

        Returns:
            `(bits, lens, changed, declined)`; rows that did not change keep their views.
        """

    def captures(
        self, batch: Batch, bits: Int64s, lens: UInt32s, groups: Sequence[int]
    ) -> tuple[Bools, list[tuple[Int64s, UInt32s, Bools]], Bools | None]:
        """The first match of each string.

        Returns:
            `(matched, [(bits, lens, took_part)] for each of the groups, declined)`; the views lie in the strings.
        """

class Program:
    """Statements for the native executor (see `ottl.codec.native.program`)."""

    def __init__(
        self,
        context: int,
        registers: int,
        memos: int,
        constants: list[tuple[int, Any]],
        keys: list[tuple[int, int, bytes]],
        key_sets: list[tuple[list[bytes], Regex | None, bool]],
        steps: list[tuple[str, int, tuple[int, int] | None, list[int], tuple[Any, ...], list[int]]],
        statements: list[tuple[int, int, int]],
    ) -> None: ...
    def run(
        self,
        batch: Batch,
        rows: NDArray[np.int32] | None,
        first: int,
        untold: list[bool] | None,
        room: tuple[int, int, float, int],
        timed: bool,
    ) -> tuple[list[int], list[int], list[int], list[tuple[int, NDArray[np.int32]]], list[int], list[tuple[int, int]]]:
        """Runs the statements from number `first` on, on all rows or some, as long as there is room.

        Args:
            batch: the tables.
            rows: int32 (k,); None for all.
            first: number of the first statement.
            untold: by statement, whether the first row on which it fails is to be declined, while the others are only
                counted; None to decline all.
            room: bytes of a text that a step makes, bytes of the arena and seconds, beyond which nothing is done, and
                elements of a list that a step makes.
            timed: whether steps are timed, which makes them slower.

        Returns:
            For each statement the rows on which its condition held, those that it changed and its nanoseconds; by
            statement the rows that it declined, int32 (m,), on which it has done nothing; and for each statement on how
            many others it failed. Last, by step, its nanoseconds and the rows it ran on; none where steps are not
            timed.
        """
    def select(
        self, batch: Batch, rows: NDArray[np.int32] | None, number: int, room: tuple[int, int, float, int], timed: bool
    ) -> tuple[NDArray[np.uint8], list[tuple[int, int]]]:
        """Where a condition holds, uint8 (rows,): 1, or 0; 2 where it declined. And what each step took."""

class Stream:
    """Programs that run over payloads in windows: the rows of one table, with none below it."""

    def __init__(
        self,
        schema: Schema,
        root: int,
        plan: Plan,
        stages: list[tuple[Program | None, Program, int, bool]],
        window: tuple[int, int],
    ) -> None:
        """Makes one.

        Args:
            schema: message descriptors.
            root: index of the root message there.
            plan: what to scan.
            stages: a program whose statements are conditions, of which one must hold, or None; the program that runs
                on these rows; how many keys of the cache it uses; and whether rows on which a statement fails go on.
            window: bytes of the payload, and a number of which its rows are a multiple.
        """
    def resume(self) -> None:
        """Lets no payload go by unseen: the reason for which one was refused is gone."""
    def run(
        self,
        payload: bytes,
        max_messages: int,
        max_depth: int,
        room: tuple[int, int, float, int],
        known: list[list[bool]] | None,
    ) -> tuple[bytes, list[tuple[list[int], list[int], list[int], list[int]]], tuple[int, int]] | None:
        """Scans, runs and patches; None, with nothing done, for a payload that has to be taken as a whole.

        Args:
            payload: the encoded root message.
            max_messages: how many messages it may have.
            max_depth: how deep they may lie.
            room: as `Program.run` takes it, but with the bytes that the arena may get beside the payload.
            known: by stage and statement, whether it is known how it fails; no payload is taken in which another one
                does. None where each failure is to be told.

        Returns:
            The payload, the very object if nothing has changed; by stage and statement the rows on which its condition
            held, those that it changed, those on which it failed, and its nanoseconds; and the nanoseconds of scan and
            patch.
        """
    def run_json(
        self,
        payload: bytes,
        max_messages: int,
        depths: tuple[int, int],
        room: tuple[int, int, float, int],
        known: list[list[bool]] | None,
    ) -> tuple[bytes, list[tuple[list[int], list[int], list[int], list[int]]]] | None:
        """The same from OTLP JSON to OTLP JSON, without the nanoseconds.

        Args:
            payload: the text.
            max_messages: how many messages it may have.
            depths: how deep they may lie in the text, and in what is made of it.
            room: as `run` takes it.
            known: the same.
        """

class Pipeline:
    """Streams one after another, by signal, over the messages of blocks."""

    def __init__(
        self,
        schema: Schema,
        stem: bytes,
        signals: list[tuple[int, list[bytes], list[tuple[Stream, int]] | None]],
    ) -> None:
        """Makes one.

        Args:
            schema: message descriptors.
            stem: what all keys of JSON roots begin with, behind a quotation mark.
            signals: index of the root message, the keys of a JSON root, and the streams with how deep messages may lie
                in what they get; None where messages are to be taken by themselves.
        """
    def run(
        self,
        data: bytes | bytearray | mmap.mmap,
        extent: tuple[int, int],
        layout: str,
        signal: int | None,
        bounds: tuple[int, int, int, tuple[int, int, float, int]],
        known: list[list[list[list[bool]] | None]],
    ) -> tuple[int, int, int, bytes, list[list[list[tuple[list[int], list[int], list[int], list[int]]]]]]:
        """Takes messages from a place on, until one that has to be taken by itself.

        Args:
            data: has the messages; nobody may write there meanwhile.
            extent: where they begin and end.
            layout: `framed` or `jsonl`.
            signal: number of the signal of protobuf, where it need not be found out.
            bounds: on each message its bytes, messages in it and their depth in JSON; and the room of each stream.
            known: by signal and stream, as `Stream.run` takes it.

        Returns:
            The place behind the last message that was taken; how many there were, on how many lines; what they have
            become, as they lie in a block; and by signal and stream the counts of its stages, as `Stream.run` gives
            them, none where there was no message.
        """

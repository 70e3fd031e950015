"""The native codec: tables of a payload, edits in them, and the patched payload."""

from __future__ import annotations  # the aliases of the stub are not there at run time

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

pytest.importorskip("ottl._native", reason="the native extension is not built")

from ottl import _native

STRING, BOOL, INT, DOUBLE, BYTES, LIST, MAP = 1, 2, 3, 4, 5, 6, 7
RESOURCE, SCOPE, SPAN, EVENT = 1, 2, 3, 4
NAME, KIND, START, CODE, HAS_STATUS = 0, 1, 2, 3, 4
MESSAGES, DEPTH = 1_000_000, 100


def descriptors(root: Descriptor) -> list[Descriptor]:
    """A message type and all that it leads to."""
    found = [root]
    for descriptor in found:
        below = [field.message_type for field in descriptor.fields if field.message_type is not None]
        found.extend(message for message in dict.fromkeys(below) if message not in found)
    return found


FOUND = descriptors(TracesData.DESCRIPTOR)
INDEX = {descriptor.full_name: index for index, descriptor in enumerate(FOUND)}


def field_tuple(field: FieldDescriptor) -> _native.FieldTuple:
    """A field as the schema takes it."""
    message = -1 if field.message_type is None else INDEX[field.message_type.full_name]
    oneof = -1 if field.containing_oneof is None else field.containing_oneof.index
    enum = None if field.enum_type is None else [(value.name, value.number) for value in field.enum_type.values]
    return (field.number, field.type, field.is_repeated, message, oneof, field.name, field.json_name, enum)


SCHEMA = _native.Schema([(found.full_name, [field_tuple(field) for field in found.fields]) for found in FOUND])


def node(message: str, /, **actions: tuple[str, int, int]) -> tuple[int, list[_native.ActionTuple]]:
    """A node of a plan, its fields by name."""
    descriptor = FOUND[INDEX[f"opentelemetry.proto.{message}"]]
    return INDEX[descriptor.full_name], [
        (descriptor.fields_by_name[field].number, *action) for field, action in actions.items()
    ]


NODES = [
    node("trace.v1.TracesData", resource_spans=("rows", RESOURCE, 1)),
    node("trace.v1.ResourceSpans", resource=("inline", 2, -1), scope_spans=("rows", SCOPE, 3)),
    node("resource.v1.Resource", attributes=("entries", 0, 0)),
    node("trace.v1.ScopeSpans", scope=("inline", 4, -1), spans=("rows", SPAN, 5)),
    node("common.v1.InstrumentationScope", name=("column", 0, 0)),
    node(
        "trace.v1.Span",
        name=("column", NAME, 0),
        kind=("column", KIND, 0),
        start_time_unix_nano=("column", START, 0),
        attributes=("entries", 0, 0),
        status=("inline", 6, HAS_STATUS),
        events=("rows", EVENT, 7),
    ),
    node("trace.v1.Status", code=("column", CODE, 0)),
    node("trace.v1.Span.Event", name=("column", 0, 0), attributes=("entries", 0, 0)),
]
TABLES = [(0, 0), (0, 1), (1, 0), (5, 1), (1, 1)]
PLAN = _native.Plan(SCHEMA, 0, NODES, TABLES)


def attribute(key: str, value: object) -> KeyValue:
    """An attribute of a Python value."""
    return KeyValue(key=key, value=any_value(value))


def any_value(value: object) -> AnyValue:
    """A Python value as AnyValue."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
        case dict():
            pairs = [attribute(str(key), item) for key, item in value.items()]
            return AnyValue(kvlist_value=KeyValueList(values=pairs))
        case _:
            return AnyValue(string_value=str(value))


VALUES: list[object] = [
    "GET",
    "",
    "x" * 200,
    True,
    -1,
    2**62,
    0.5,
    None,
    b"\xff\x00",
    [1, "a", [None]],
    {"k": {"n": 1}, "l": []},
]
KEYS = ["http.request.method", "url", "k", "", "a key of more than thirty-two bytes"]


def traces(seed: int, spans: int = 6) -> TracesData:
    """A small payload with everything in it."""
    choose = random.Random(seed)
    data = TracesData()
    for _ in range(2):
        resource_spans = data.resource_spans.add()
        resource_spans.resource.attributes.append(attribute("service.name", "shop"))
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "library"
        for _ in range(spans // 2):
            keys = choose.sample(KEYS, choose.randint(0, len(KEYS)))
            span = Span(
                trace_id=choose.randbytes(16),
                span_id=choose.randbytes(8),
                name=choose.choice(["", "GET /", "SELECT"]),
                kind=choose.choice([Span.SPAN_KIND_UNSPECIFIED, Span.SPAN_KIND_SERVER]),
                start_time_unix_nano=choose.choice([0, 2**63 + 5, 1_700_000_000_000_000_000]),
                attributes=[attribute(key, choose.choice(VALUES)) for key in keys],
            )
            if choose.random() < 0.5:
                span.status.CopyFrom(
                    Status(message="text", code=choose.choice([Status.STATUS_CODE_OK, Status.STATUS_CODE_UNSET]))
                )
            for number in range(choose.randint(0, 2)):
                span.events.add(name=f"event{number}", attributes=[attribute("e", number)])
            scope_spans.spans.append(span)
    return data


def spans_of(data: TracesData) -> list[Span]:
    """All spans in order."""
    return [span for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans]


def scan(payload: bytes, plan: _native.Plan = PLAN) -> _native.Batch:
    """The batch of a regular payload."""
    batch = _native.scan(plan, payload, MESSAGES, DEPTH)
    assert batch is not None
    return batch


def resolve(batch: _native.Batch, cells: _native.Cells) -> list[object]:
    """Cells as Python values."""
    return [
        resolve_one(batch, tag, bits, length) for tag, bits, length in zip(*(c.tolist() for c in cells), strict=True)
    ]


def resolve_one(batch: _native.Batch, tag: int, bits: int, length: int) -> object:
    """A cell as a Python value."""
    if tag == DOUBLE:
        return struct.unpack("<d", struct.pack("<q", bits))[0]
    if tag in {0, BOOL, INT}:
        return {0: None, BOOL: bool(bits), INT: bits}[tag]
    view = batch.take(np.array([bits], np.int64), np.array([length], np.uint32))[0]
    if tag == LIST:
        return plain(AnyValue(array_value=ArrayValue.FromString(view)))
    if tag == MAP:
        return plain(AnyValue(kvlist_value=KeyValueList.FromString(view)))
    return view if tag == BYTES else view.decode()


def plain(value: AnyValue) -> object:
    """An AnyValue as a Python value."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind)


def cell(batch: _native.Batch, value: object) -> _native.Cells:
    """A Python value as a cell."""
    match value:
        case None:
            return cells_of(0)
        case bool():
            return cells_of(BOOL, int(value))
        case int():
            return cells_of(INT, value)
        case float():
            return cells_of(DOUBLE, struct.unpack("<q", struct.pack("<d", value))[0])
        case bytes():
            return cells_of(BYTES, *batch.const(value))
        case list():
            return cells_of(LIST, *batch.const(any_value(value).array_value.SerializeToString()))
        case dict():
            return cells_of(MAP, *batch.const(any_value(value).kvlist_value.SerializeToString()))
        case _:
            return cells_of(STRING, *batch.const(str(value).encode()))


def cells_of(tag: int, bits: int = 0, length: int = 0) -> _native.Cells:
    """One cell."""
    return np.array([tag], np.uint8), np.array([bits], np.int64), np.array([length], np.uint32)


def some(*rows: int) -> NDArray[np.int32]:
    """Row numbers."""
    return np.array(rows, np.int32)


def contents(batch: _native.Batch, table: int) -> list[list[tuple[str, object]]]:
    """Keys and values of each row's map."""
    owners, codes, _, tags, bits, lens = batch.map_entries(table, 0, None)
    keys = [key.decode() for key in batch.map_keys(table, 0)]
    rows: list[list[tuple[str, object]]] = [[] for _ in range(batch.rows(table))]
    for owner, code, value in zip(owners, codes, resolve(batch, (tags, bits, lens)), strict=True):
        rows[owner].append((keys[code], value))
    return rows


def attributes_of(spans: Sequence[Span]) -> list[list[tuple[str, object]]]:
    """Keys and values of each span's attributes."""
    return [[(pair.key, plain(pair.value)) for pair in span.attributes] for span in spans]


def test_tables_hold_what_the_messages_hold() -> None:
    """Columns, parents, variants and maps are those of protobuf's own parser."""
    data = traces(1)
    batch = scan(data.SerializeToString())
    spans = spans_of(data)
    assert [batch.rows(table) for table in range(5)] == [1, 2, 2, 6, sum(len(span.events) for span in spans)]
    assert batch.parents(SPAN).tolist() == [0, 0, 0, 1, 1, 1]
    assert set(batch.variants(SPAN).tolist()) == {5}
    assert [value or "" for value in resolve(batch, batch.column(SPAN, NAME))] == [span.name for span in spans]
    assert [value or 0 for value in resolve(batch, batch.column(SPAN, KIND))] == [span.kind for span in spans]
    starts = batch.column(SPAN, START)[1].view(np.uint64).tolist()
    assert starts == [span.start_time_unix_nano for span in spans]
    assert [bool(value) for value in resolve(batch, batch.column(SPAN, HAS_STATUS))] == [
        span.HasField("status") for span in spans
    ]
    assert contents(batch, SPAN) == attributes_of(spans)
    assert batch.map_lengths(SPAN, 0, None).tolist() == [len(span.attributes) for span in spans]


def test_untouched_batch_is_its_payload() -> None:
    """Nothing changed, nothing copied; other buffers than bytes are taken too."""
    payload = traces(2).SerializeToString()
    assert scan(payload).patch() is payload
    for buffer in (bytearray(payload), memoryview(payload)):
        batch = _native.scan(PLAN, buffer, MESSAGES, DEPTH)
        assert batch is not None
        assert batch.patch() == payload
    touched = scan(payload)
    touched.touch(SPAN, None)
    assert touched.dirty(SPAN).all()
    assert touched.patch() == payload


def test_stored_columns_show_in_the_messages() -> None:
    """Fields are replaced, added and removed; a submessage appears when one of its fields does."""
    data = traces(3)
    batch = scan(data.SerializeToString())
    batch.store(SPAN, NAME, some(0, 3), *cell(batch, "renamed"))
    batch.store(SPAN, NAME, some(1), *cells_of(0))
    batch.store(SPAN, KIND, None, *cells_of(INT, 4))
    batch.store(SPAN, START, some(2), *cells_of(INT, -1))
    batch.store(SPAN, CODE, some(0, 1, 2), *cells_of(INT, 2))
    batch.store(SPAN, HAS_STATUS, some(4), *cells_of(BOOL, 0))
    batch.store(SPAN, HAS_STATUS, some(5), *cells_of(BOOL, 1))
    spans = spans_of(data)
    spans[0].name = spans[3].name = "renamed"
    spans[1].name = ""
    spans[2].start_time_unix_nano = 2**64 - 1
    spans[4].ClearField("status")
    spans[5].status.SetInParent()
    for span in spans:
        span.kind = Span.SPAN_KIND_PRODUCER
    for span in spans[:3]:
        span.status.code = Status.STATUS_CODE_ERROR
    assert TracesData.FromString(batch.patch()) == data
    assert batch.dirty(SPAN).all()
    assert not batch.dirty(EVENT).any()


def test_dropped_rows_are_gone() -> None:
    """Rows go with all below them, their neighbours stay as they are."""
    data = traces(4)
    batch = scan(data.SerializeToString())
    mask = np.array([True, False, True, False, False, True])
    batch.drop(SPAN, mask)
    batch.drop(EVENT, np.ones(batch.rows(EVENT), np.bool_))
    for resource in data.resource_spans:
        for scope in resource.scope_spans:
            spans = [Span.FromString(span.SerializeToString()) for span in scope.spans]
            kept = [
                span
                for span, drop in zip(spans, mask[:3] if resource is data.resource_spans[0] else mask[3:], strict=True)
                if not drop
            ]
            for span in kept:
                span.ClearField("events")
            scope.ClearField("spans")
            scope.spans.extend(kept)
    assert TracesData.FromString(batch.patch()) == data


def model_delete(entries: list[tuple[str, object]], key: str) -> None:
    """Removes the first entry with a key, the last one fills the hole."""
    for index, (found, _) in enumerate(entries):
        if found == key:
            last = entries.pop()
            if index < len(entries):
                entries[index] = last
            return


def model_set(entries: list[tuple[str, object]], key: str, value: object) -> None:
    """Overwrites the first entry with a key or appends one."""
    for index, (found, _) in enumerate(entries):
        if found == key:
            entries[index] = (key, value)
            return
    entries.append((key, value))


@pytest.mark.parametrize("seed", range(40))
def test_map_edits_agree_with_lists_of_pairs(seed: int) -> None:
    """Any sequence of edits gives what the same edits of plain lists give, before and after patching."""
    choose = random.Random(seed)
    data = traces(seed, spans=8)
    batch = scan(data.SerializeToString())
    model = attributes_of(spans_of(data))
    keys = [*KEYS, "new.key", "other.key"]
    for _ in range(12):
        rows = sorted(choose.sample(range(8), choose.randint(1, 8)))
        key, value, chosen = choose.choice(keys), choose.choice(VALUES), some(*rows)
        match choose.randrange(7):
            case 0 | 1:
                batch.map_set(SPAN, 0, key.encode(), chosen, *cell(batch, value))
                for row in rows:
                    model_set(model[row], key, value)
            case 2:
                batch.map_delete(SPAN, 0, key.encode(), chosen)
                for row in rows:
                    model_delete(model[row], key)
            case 3:
                known = batch.map_keys(SPAN, 0)
                keep = {found.decode() for found in known if choose.random() < 0.7}
                batch.map_retain(SPAN, 0, chosen, np.array([found.decode() in keep for found in known], np.bool_))
                for row in rows:
                    model[row] = [pair for pair in model[row] if pair[0] in keep]
            case 4:
                _, codes, slots, _, _, _ = batch.map_entries(SPAN, 0, chosen)
                batch.map_put_slots(SPAN, 0, slots, *cell(batch, value))
                assert len(codes) == sum(len(model[row]) for row in rows)
                for row in rows:
                    model[row] = [(found, value) for found, _ in model[row]]
            case 5:
                batch.map_assign(SPAN, 0, chosen, *batch.map_encode(SPAN, 0, some(*reversed(rows))))
                copies = [list(model[row]) for row in reversed(rows)]
                for row, copy in zip(rows, copies, strict=True):
                    model[row] = copy
            case _:
                counts = [choose.randint(0, 6) for _ in rows]
                names = [choose.choice(keys) for _ in range(sum(counts))]
                views = batch.put([name.encode() for name in names])
                tags, bits, lens = cell(batch, value)
                batch.map_replace(SPAN, 0, chosen, np.array(counts, np.int32), *views, tags, bits, lens)
                flat = iter(names)
                for row, count in zip(rows, counts, strict=True):
                    model[row] = [(next(flat), value) for _ in range(count)]
        assert contents(batch, SPAN) == model
    for key in keys:
        found = batch.map_get(SPAN, 0, key.encode(), None)
        want = [next(((value,) for name, value in entries if name == key), None) for entries in model]
        assert found[3].tolist() == [value is not None for value in want]
        assert resolve(batch, found[:3]) == [value and value[0] for value in want]
    out = TracesData.FromString(batch.patch())
    assert attributes_of(spans_of(out)) == model
    for old, new in zip(spans_of(data), spans_of(out), strict=True):
        old.ClearField("attributes")
        new.ClearField("attributes")
    assert out == data


def test_untouched_maps_stay_clean() -> None:
    """Deleting what is not there and keeping everything change nothing."""
    payload = traces(6).SerializeToString()
    batch = scan(payload)
    batch.map_delete(SPAN, 0, b"no such key", None)
    batch.map_retain(SPAN, 0, None, np.ones(len(batch.map_keys(SPAN, 0)), np.bool_))
    assert not batch.dirty(SPAN).any()
    assert batch.patch() is payload


def test_repeated_keys_are_met_first() -> None:
    """Set and delete take the first of two entries with one key; after a delete the second shows."""
    data = TracesData()
    span = data.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.extend([attribute("k", 1), attribute("x", 2), attribute("k", 3)])
    batch = scan(data.SerializeToString())
    batch.map_set(SPAN, 0, b"k", None, *cells_of(INT, 9))
    assert contents(batch, SPAN) == [[("k", 9), ("x", 2), ("k", 3)]]
    batch.map_delete(SPAN, 0, b"k", None)
    assert contents(batch, SPAN) == [[("k", 3), ("x", 2)]]


def test_maps_appear_where_the_message_was_absent() -> None:
    """A key set on a resource that is not on the wire creates the resource."""
    data = TracesData()
    data.resource_spans.add().scope_spans.add().scope.name = "s"
    batch = scan(data.SerializeToString())
    batch.map_set(RESOURCE, 0, b"k", None, *cells_of(INT, 1))
    batch.store(SCOPE, 0, None, *cells_of(0))
    data.resource_spans[0].resource.attributes.append(attribute("k", 1))
    data.resource_spans[0].scope_spans[0].scope.name = ""
    assert TracesData.FromString(batch.patch()) == data


def test_children_of_lists_and_maps() -> None:
    """Steps by key and index, their errors, and the number of elements."""
    data = TracesData()
    span = data.resource_spans.add().scope_spans.add().spans.add()
    values: list[object] = [{"a": 1, "b": ["x", None]}, ["y", {"c": 2.5}], "text", None]
    span.attributes.extend(attribute(str(index), value) for index, value in enumerate(values))
    batch = scan(data.SerializeToString())
    cells = batch.map_entries(SPAN, 0, None)[3:]
    by_key = batch.child(*cells, b"b")
    assert (resolve(batch, by_key[:3]), by_key[3].tolist()) == ([["x", None], None, None, None], [0, 1, 1, 1])
    assert batch.child(*cells, b"no such key")[3].tolist() == [0, 1, 1, 1]
    by_index = batch.child(*cells, 1)
    assert (resolve(batch, by_index[:3]), by_index[3].tolist()) == ([None, {"c": 2.5}, None, None], [1, 0, 1, 1])
    for past in (2, -1, 2**40):
        assert batch.child(*cells, past)[3].tolist() == [1, 2, 1, 1]
    assert batch.child_counts(*cells).tolist() == [2, 2, -1, -1]


def test_views_and_questions() -> None:
    """Strings put into the arena come out again and answer."""
    batch = scan(b"")
    words = [b"alpha", b"", b"beta", b"alpha", b"al\xff", b"alphabet soup with more than thirty-two bytes"]
    bits, lens = batch.put(words)
    assert batch.take(bits, lens) == words
    joined = batch.put_joined(bytearray(b"".join(words)), lens)
    assert batch.take(joined, lens) == words
    data, offsets = batch.arena_view(joined, lens)
    assert (data, offsets.tolist()) == (b"".join(words), [0, *np.cumsum(lens).tolist()])
    codes, first = batch.intern(None, bits, lens)
    assert (codes.tolist(), first.tolist()) == ([0, 1, 2, 0, 3, 4], [0, 1, 2, 4, 5])
    tags = np.array([STRING, INT, STRING, BYTES, 0, STRING], np.uint8)
    codes, first = batch.intern(tags, bits, lens)
    assert (codes.tolist(), first.tolist()) == ([0, -1, 1, 0, -1, 2], [0, 2, 5])
    for needle in (b"", b"al", b"alpha", b"a", b"ta", b"\xff", b"soup"):
        assert batch.equal(bits, lens, needle).tolist() == [word == needle for word in words]
        assert batch.starts_with(bits, lens, needle).tolist() == [word.startswith(needle) for word in words]
        assert batch.ends_with(bits, lens, needle).tolist() == [word.endswith(needle) for word in words]
        assert batch.contains(bits, lens, needle).tolist() == [needle in word for word in words]
    order = [(word > b"alpha") - (word < b"alpha") for word in words]
    assert batch.compare(bits, lens, bits[:1], lens[:1]).tolist() == order
    assert batch.compare(bits[:1], lens[:1], bits, lens).tolist() == [-sign for sign in order]
    sliced = np.repeat(bits, 2)[::2]
    assert batch.take(sliced, lens) == words


def test_broadcast_and_repeated_rows() -> None:
    """One value stands for all rows; of a row given twice the last value stays."""
    batch = scan(traces(7).SerializeToString())
    tags, bits, lens = cells_of(INT)
    batch.map_set(SPAN, 0, b"n", some(1, 1, 2), tags, np.array([5, 6, 7]), lens)
    assert batch.map_get(SPAN, 0, b"n", some(1, 2))[1].tolist() == [6, 7]
    batch.store(SPAN, KIND, some(0, 0), tags, np.array([3, 2]), lens)
    assert batch.column(SPAN, KIND)[1][0] == 2
    with pytest.raises(ValueError, match="read-only"):
        batch.column(SPAN, KIND)[1][0] = 7
    assert bits.tolist() == [0]


def span_payload(body: bytes) -> bytes:
    """A payload with one span of this body."""
    for tag in (b"\x12", b"\x12", b"\x0a"):
        body = tag + length(len(body)) + body
    return body


def length(value: int) -> bytes:
    """A varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


IRREGULAR = {
    "group": b"\x0b\x0c",
    "status twice": b"\x7a\x02\x18\x01\x7a\x02\x18\x02",
    "name as a number": b"\x28\x05",
    "attribute with two values": b"\x4a\x04\x12\x00\x12\x00",
    "attribute with two keys": b"\x4a\x04\x0a\x00\x0a\x00",
    "key by index": b"\x4a\x02\x18\x01",
    "two members of a value": b"\x4a\x06\x12\x04\x18\x01\x10\x01",
    "value of another wire type": b"\x4a\x02\x10\x01",
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in IRREGULAR.items()])
def test_odd_payloads_are_left_to_the_plain_stack(body: bytes) -> None:
    """What tables do not show faithfully is not scanned."""
    assert _native.scan(PLAN, span_payload(body), MESSAGES, DEPTH) is None


def test_the_last_scalar_wins() -> None:
    """A scalar field twice on the wire is its last value, and one field after a change."""
    payload = span_payload(b"\x2a\x01a\x30\x01\x2a\x01b")
    batch = scan(payload)
    assert resolve(batch, batch.column(SPAN, NAME)) == ["b"]
    batch.store(SPAN, NAME, None, *cell(batch, "c"))
    assert batch.patch() == span_payload(b"\x2a\x01c\x30\x01")


def test_tags_may_be_longer_than_they_need_be() -> None:
    """A tag of two bytes where one would do is what the short one is."""
    payload = span_payload(b"\xca\x00\x03\x0a\x01k\x4a\x03\x0a\x01l\xaa\x00\x01n")
    batch = scan(payload)
    assert contents(batch, SPAN) == [[("k", None), ("l", None)]]
    assert resolve(batch, batch.column(SPAN, NAME)) == ["n"]
    batch.map_set(SPAN, 0, b"m", None, *cells_of(BOOL, 1))
    batch.store(SPAN, NAME, None, *cells_of(0))
    assert batch.patch() == span_payload(b"\xca\x00\x03\x0a\x01k\x4a\x03\x0a\x01l\x4a\x07\x0a\x01m\x12\x02\x10\x01")


def test_unknown_fields_survive() -> None:
    """Unknown fields stay, also those of an attribute whose value changes."""
    payload = span_payload(b"\x4a\x0b\x0a\x01k\x12\x04\x18\x01\x78\x05\x48\x06" + b"\xfa\x3f\x01z")
    batch = scan(payload)
    batch.map_set(SPAN, 0, b"k", None, *cells_of(INT, 2))
    assert batch.patch() == span_payload(b"\x4a\x0b\x0a\x01k\x12\x04\x18\x02\x78\x05\x48\x06" + b"\xfa\x3f\x01z")


def bytes_class() -> type[Message]:
    """TracesData with bytes for strings, so that protobuf's parser minds no UTF-8."""
    pool = descriptor_pool.DescriptorPool()

    def files(file: FileDescriptor) -> Iterator[FileDescriptor]:
        for dependency in file.dependencies:
            yield from files(dependency)
        yield file

    def without_strings(message: descriptor_pb2.DescriptorProto) -> None:
        for field in message.field:
            if field.type == FieldDescriptor.TYPE_STRING:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        for nested in message.nested_type:
            without_strings(nested)

    for name, file in {file.name: file for file in files(TracesData.DESCRIPTOR.file)}.items():
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            without_strings(message)
        assert proto.name == name
        pool.Add(proto)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("opentelemetry.proto.trace.v1.TracesData"))


BOMBS = [
    b"\xff" * 5,
    b"\xff" * 11,
    b"\x80" * 4 + b"\x10",
    b"\x80" * 9 + b"\x02",
    b"\x80\x00",
    b"\xca\x00",
    b"\x00",
    b"\x07",
    b"\x0b",
    b"\x0c",
]


def mutated(payload: bytes, choose: random.Random) -> bytes:
    """A payload with one to three faults."""
    out = bytearray(payload)
    for _ in range(choose.randint(1, 3)):
        at = choose.randrange(len(out)) if out else 0
        bomb = choose.choice(BOMBS)
        match choose.randrange(5):
            case 0 if out:
                out[at] ^= 1 << choose.randrange(8)
            case 1:
                out[at:at] = bomb
            case 2:
                out[at : at + len(bomb)] = bomb
            case 3:
                del out[at : at + choose.randint(1, 8)]
            case _:
                if choose.random() < 0.2:
                    del out[at:]
    return bytes(out)


def test_malformed_is_what_protobuf_refuses() -> None:
    """On mutated payloads the scan raises exactly where protobuf's own parser does."""
    choose = random.Random(20)
    parser = bytes_class()
    outcomes = {True: 0, False: 0}
    payloads = [traces(seed, spans=2).SerializeToString() for seed in range(20)]
    for number in range(4000):
        payload = mutated(payloads[number % 20], choose)
        try:
            parser.FromString(payload)
            parsed = True
        except DecodeError:
            parsed = False
        offset = None
        try:
            if _native.scan(PLAN, payload, MESSAGES, DEPTH) is None:
                continue
        except _native.ScanError as error:
            offset = error.offset
        scanned = offset is None
        assert scanned or 0 <= (offset or 0) <= len(payload)
        assert scanned == parsed, payload.hex()
        outcomes[parsed] += 1
    assert min(outcomes.values()) > 500


def nested(depth: int) -> bytes:
    """A payload whose innermost message lies this deep below the root: an attribute of lists in lists."""
    body = b""
    for level in range(depth - 4):
        tag = b"\x0a" if level % 2 == 0 else b"\x2a"
        body = tag + length(len(body)) + body
    return span_payload(b"\x4a" + length(len(body) + 1 + len(length(len(body)))) + b"\x12" + length(len(body)) + body)


@pytest.mark.parametrize("depth", [99, 100, 101, 102, 300])
def test_nesting_ends_where_protobuf_ends_it(depth: int) -> None:
    """A hundred messages below the root are parsed, one more is refused; a higher limit admits more."""
    payload = nested(depth + depth % 2)
    try:
        TracesData.FromString(payload)
    except DecodeError:
        with pytest.raises(_native.ScanError, match="nested deeper"):
            _native.scan(PLAN, payload, MESSAGES, 100)
    else:
        assert _native.scan(PLAN, payload, MESSAGES, 100) is not None
    assert _native.scan(PLAN, payload, MESSAGES, 400) is not None


def test_number_of_messages_is_limited() -> None:
    """One message more than the limit is refused at its offset."""
    payload = b"\x0a\x00" * 10
    assert scan(payload).rows(RESOURCE) == 10
    with pytest.raises(_native.ScanError, match="more messages") as caught:
        _native.scan(PLAN, payload, 9, DEPTH)
    assert caught.value.offset == 18
    assert isinstance(caught.value, ValueError)


def test_one_plan_serves_many_threads() -> None:
    """Plans are shared between threads, each with batches of its own."""
    payloads = [traces(seed).SerializeToString() for seed in range(8)]

    def rename(payload: bytes) -> set[str]:
        batch = scan(payload)
        batch.store(SPAN, NAME, None, *cell(batch, "renamed"))
        return {span.name for span in spans_of(TracesData.FromString(batch.patch()))}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(rename, payloads * 20)) == [{"renamed"}] * 160


def test_wrong_arguments_are_refused() -> None:
    """Rows, views, tags, lengths and dtypes are checked before anything is written."""
    batch = scan(traces(8).SerializeToString())
    one = cells_of(INT, 1)
    wrong: list[Callable[[], object]] = [
        lambda: batch.rows(9),
        lambda: batch.column(SPAN, 9),
        lambda: batch.map_lengths(SCOPE, 0, None),
        lambda: batch.store(SPAN, KIND, some(6), *one),
        lambda: batch.store(SPAN, KIND, some(-1), *one),
        lambda: batch.store(SPAN, NAME, None, *one),
        lambda: batch.store(SPAN, NAME, None, *cells_of(STRING, 10**9, 1)),
        lambda: batch.store(SPAN, NAME, None, *cells_of(STRING, -1, 1)),
        lambda: batch.store(SPAN, KIND, None, *cells_of(200, 1)),
        lambda: batch.store(SPAN, KIND, some(0, 1, 2), np.zeros(2, np.uint8), *one[1:]),
        lambda: batch.map_set(SPAN, 0, b"k", None, *cells_of(16)),
        lambda: batch.map_put_slots(SPAN, 0, some(10**6), *one),
        lambda: batch.map_put_slots(SPAN, 0, some(-1), *one),
        lambda: batch.map_retain(SPAN, 0, None, np.ones(99, np.bool_)),
        lambda: batch.map_assign(SPAN, 0, None, *batch.put([b"\xff"])),
        lambda: batch.drop(SPAN, np.ones(2, np.bool_)),
        lambda: batch.drop(0, np.ones(1, np.bool_)),
        lambda: batch.put_joined(b"abc", np.array([2], np.uint32)),
        lambda: batch.take(np.array([10**12]), np.array([4], np.uint32)),
        lambda: _native.scan(PLAN, b"", MESSAGES, 10**6),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match=r"."):
            call()
    with pytest.raises(TypeError, match="expected a one-dimensional array of int64, got array of int32"):
        batch.take(some(1), np.array([1], np.uint32))  # type: ignore[arg-type]


def test_plans_are_checked() -> None:
    """A plan that contradicts the schema or itself is refused."""
    wrong: list[tuple[list[tuple[int, list[_native.ActionTuple]]], list[tuple[int, int]]]] = [
        (NODES[:1], TABLES),
        (NODES, TABLES[:3]),
        ([node("trace.v1.TracesData", resource_spans=("column", 0, 0))], [(1, 0)]),
        ([node("trace.v1.TracesData", resource_spans=("nonsense", 0, 0))], [(0, 0)]),
        ([node("trace.v1.TracesData", resource_spans=("rows", 0, 0))], [(0, 0)]),
        ([(0, [(99, "column", 0, 0)])], [(1, 0)]),
        ([(3, [])], [(0, 0)]),
        ([], []),
    ]
    for nodes, tables in wrong:
        with pytest.raises(ValueError, match=r"."):
            _native.Plan(SCHEMA, 0, nodes, tables)

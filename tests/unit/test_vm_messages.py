"""Paths over protobuf messages: what each reads, takes, refuses and leaves behind; the walks."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ottl.codec.messages import root_class
from ottl.contexts import CONTEXTS
from ottl.contexts.paths import PathSpec
from ottl.types import (
    MISSING,
    Bytes,
    Duration,
    Map,
    Opaque,
    ProfileID,
    RawMap,
    Slice,
    SpanID,
    Time,
    TraceID,
    TypedList,
    Value,
)
from ottl.vm.messages import (
    Row,
    getter,
    key_getter,
    key_setter,
    keys_getter,
    keys_setter,
    list_target,
    map_target,
    new_cache,
    prune,
    setter,
    value_from_message,
    value_into_message,
    walk,
)

SIGNALS = {"span": "traces", "spanevent": "traces", "log": "logs", "metric": "metrics", "exemplar": "metrics"}
SIGNALS |= {"datapoint": "metrics", "profile": "profiles", "profilesample": "profiles"}


def spec(context: str, path: str) -> PathSpec:
    """The path, written as rules do, in a context."""
    level, name = path.split(".", 1)
    return CONTEXTS[context].levels[level][name]


def read(row: Row, context: str, path: str, *keys: Value) -> Value:
    """A path with keys, read by every way that there is."""
    place = spec(context, path)
    if not keys:
        return getter(place)(row)
    value = keys_getter(place)(row, keys)
    if len(keys) == 1 and type(keys[0]) is bytes:
        assert shown(key_getter(place, keys[0])(row)) == shown(value)
    return value


def write(row: Row, context: str, path: str, value: Value, *keys: Value) -> None:
    """Writes a path with keys."""
    place = spec(context, path)
    if keys:
        keys_setter(place)(row, keys, value)
    else:
        setter(place)(row, value)


def shown(value: Any) -> Any:
    """A value in a form that compares."""
    if isinstance(value, Map):
        return {"map": [(key, shown(item)) for key, item in value]}
    if isinstance(value, list):
        return [type(value).__name__, *map(shown, value)]
    return value if not isinstance(value, bytes) else (type(value).__name__, bytes(value))


NESTED = Map([(b"k", Slice([1, 2]))])


def span_row() -> Row:
    """A span with a few attributes."""
    root = root_class("traces")()
    resource = root.resource_spans.add()
    span = resource.scope_spans.add().spans.add(name=b"GET")
    entries: list[tuple[bytes, Value]] = [(b"a", b"1"), (b"n", 7), (b"a", b"again"), (b"m", NESTED), (b"z", None)]
    for key, value in entries:
        value_into_message(span.attributes.add(key=key).value, value)
    span.events.add(name=b"e1")
    return next(walk(root, "traces", "span"))


def log_row(body: Value = None) -> Row:
    """A log record with a body."""
    root = root_class("logs")()
    record = root.resource_logs.add().scope_logs.add().log_records.add()
    value_into_message(record.body, body)
    return next(walk(root, "logs", "log"))


def metric_root(*kinds: str) -> Any:
    """Metrics of the given types with one data point each."""
    root = root_class("metrics")()
    metrics = root.resource_metrics.add().scope_metrics.add().metrics
    for kind in kinds:
        metric = metrics.add(name=kind.encode())
        if kind != "none":
            getattr(metric, kind).data_points.add()
    return root


def point_row(kind: str) -> Row:
    """A data point of a metric type."""
    return next(walk(metric_root(kind), "metrics", "datapoint"))


def profile_row(context: str = "profile") -> Row:
    """A profile with one attribute, `host` = `a` with a unit, and a sample that has it too."""
    root = root_class("profiles")()
    root.dictionary.string_table.extend([b"", b"host", b"cpu", b"ns"])
    attribute = root.dictionary.attribute_table.add(key_strindex=1, unit_strindex=3)
    attribute.value.string_value = b"a"
    profile = root.resource_profiles.add().scope_profiles.add().profiles.add()
    profile.attribute_indices.append(0)
    profile.sample_type.type_strindex = 2
    profile.samples.add(link_index=1).attribute_indices.append(0)
    return next(walk(root, "profiles", context))


# Values


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"\xff",
        Bytes(b""),
        True,
        -(1 << 63),
        1.5,
        Slice([None, Slice(), Map([(b"k", Bytes(b"x"))])]),
        Map([(b"b", 1), (b"a", Map()), (b"b", False)]),
    ],
)
def test_values_round_trip(value: Value) -> None:
    """Stored values come back with their types, order and repeated keys."""
    message = log_row().log.body
    value_into_message(message, value)
    assert shown(value_from_message(message)) == shown(value)


def test_lists_of_go_become_lists() -> None:
    """Literals and typed lists are stored as lists, raw maps as maps."""
    message = log_row().log.body
    value_into_message(message, TypedList([b"a", b"b"], "string"))
    assert shown(value_from_message(message)) == ["Slice", ("bytes", b"a"), ("bytes", b"b")]
    value_into_message(message, [1, RawMap([(b"k", [2])])])
    assert shown(value_from_message(message)) == ["Slice", 1, {"map": [(b"k", ["Slice", 2])]}]


@pytest.mark.parametrize("value", [Time(0), Duration(1), TraceID(16), TypedList([1], "uint64"), Opaque("x", True, [])])
def test_unstorable_values_leave_an_empty_key(value: Value) -> None:
    """A new key stays behind, empty; an old one keeps its value."""
    row = span_row()
    with pytest.raises(ValueError, match="unsupported type"):
        write(row, "span", "span.attributes", value, b"new")
    assert row.changed
    assert row.span.attributes[-1].key == b"new"
    assert row.span.attributes[-1].HasField("value")
    assert read(row, "span", "span.attributes", b"new") is None
    with pytest.raises(ValueError, match="unsupported type"):
        write(row, "span", "span.attributes", value, b"n")
    assert read(row, "span", "span.attributes", b"n") == 7


def test_only_the_last_element_of_a_list_is_reported() -> None:
    """An earlier bad element becomes empty in silence; a last one fails with the list half written."""
    row = span_row()
    write(row, "span", "span.attributes", [1, Time(0), 2], b"l")
    assert shown(read(row, "span", "span.attributes", b"l")) == ["Slice", 1, None, 2]
    with pytest.raises(ValueError, match="unsupported type"):
        write(row, "span", "span.attributes", [3, Time(0)], b"l")
    assert shown(read(row, "span", "span.attributes", b"l")) == ["Slice", 3, None]


def test_nesting_of_values_is_bounded() -> None:
    """What rules build up stays decodable."""
    value: Value = 1
    for _ in range(29):
        value = Map([(b"k", value)])
    message = log_row().log.body
    value_into_message(message, Map([(b"k", value)]))
    for deep in (Map([(b"k", Map([(b"k", value)]))]), Slice([Slice([Slice([value])])])):
        with pytest.raises(ValueError, match="nested deeper"):
            value_into_message(message, deep)


# Maps and keys


def test_reading_keys() -> None:
    """The first of repeated keys, nil for a missing one whatever follows, errors for bad indexes."""
    row = span_row()
    assert read(row, "span", "span.attributes", b"a") == b"1"
    assert read(row, "span", "span.attributes", b"m", b"k", 1) == 2
    assert read(row, "span", "span.attributes", b"none", b"k", 9) is None
    assert read(row, "span", "span.attributes", b"m", b"none", 9) is None
    assert read(row, "span", "span.attributes", b"z") is None
    for keys, message in [
        ((1,), "string key"),
        ((b"m", 1), "string key"),
        ((b"m", b"k", 2), "index 2 out of bounds"),
        ((b"m", b"k", -1), "index -1 out of bounds"),
        ((b"m", b"k", b"x"), "integer index"),
        ((b"n", b"x"), "Int does not support indexing"),
        ((b"z", 0), "Empty does not support indexing"),
    ]:
        with pytest.raises(ValueError, match=message):
            keys_getter(spec("span", "span.attributes"))(row, keys)
    assert not row.changed


def test_reads_are_detached() -> None:
    """Changing what was read changes nothing."""
    row = span_row()
    attributes = read(row, "span", "span.attributes")
    assert isinstance(attributes, Map)
    attributes.entries.clear()
    assert len(row.span.attributes) == 5


def test_writing_keys() -> None:
    """First of repeated keys, new keys at the end, missing maps and padded lists on the way."""
    row = span_row()
    write(row, "span", "span.attributes", b"x", b"a")
    write(row, "span", "span.attributes", 1, b"p", b"q", 2)
    write(row, "span", "span.attributes", 5, b"m", b"k", 0)
    write(row, "span", "span.attributes", b"neg", b"neg", -3)
    assert shown(read(row, "span", "span.attributes")) == {
        "map": [
            (b"a", ("bytes", b"x")),
            (b"n", 7),
            (b"a", ("bytes", b"again")),
            (b"m", {"map": [(b"k", ["Slice", 5, 2])]}),
            (b"z", None),
            (b"p", {"map": [(b"q", ["Slice", None, None, 1])]}),
            (b"neg", ["Slice", ("bytes", b"neg")]),
        ]
    }


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ((b"m", b"k", 2), "out of bounds"),
        ((b"n", b"x"), "Int does not support indexing"),
        ((b"m", 0), "string key"),
        ((b"new", 1.0), "string or an integer"),
        ((b"new", 1 << 40), "too large"),
        ((7,), "string key"),
    ],
)
def test_writing_bad_keys(keys: tuple[Value, ...], message: str) -> None:
    """The way there is kept as far as it was made."""
    row = span_row()
    with pytest.raises(ValueError, match=message):
        write(row, "span", "span.attributes", 1, *keys)
    assert [entry.key for entry in row.span.attributes][5:] == ([b"new"] if keys[0] == b"new" else [])


def test_whole_maps() -> None:
    """Maps copy, nil clears, the rest is refused."""
    row = span_row()
    write(row, "span", "span.attributes", RawMap([(b"r", [1])]))
    assert shown(read(row, "span", "span.attributes")) == {"map": [(b"r", ["Slice", 1])]}
    with pytest.raises(ValueError, match="expected a map"):
        write(row, "span", "span.attributes", b"x")
    write(row, "span", "span.attributes", None)
    assert len(row.span.attributes) == 0


def test_cache_is_a_map_of_its_own() -> None:
    """Empty on every row, no part of the payload, shared when asked for."""
    root = span_row()
    assert shown(read(root, "span", "span.cache")) == {"map": []}
    write(root, "span", "span.cache", Map([(b"k", Slice([1]))]))
    write(root, "span", "span.cache", 2, b"k", 0)
    assert read(root, "span", "span.cache", b"k", 0) == 2
    assert not root.changed
    payload = root_class("traces")()
    payload.resource_spans.add().scope_spans.add().spans.extend([root.span, root.span])
    place = key_setter(spec("span", "span.cache"), b"n")
    for cache, expected in [(None, 1), (new_cache(), 2)]:
        for number, row in enumerate(walk(payload, "traces", "span", cache=cache)):
            place(row, number)
            write(row, "span", "span.cache", number, b"%d" % number)
        total = read(row, "span", "span.cache")
        assert isinstance(total, Map)
        assert len(total) == expected + 1


# Fields


@pytest.mark.parametrize(
    ("path", "value", "stored"),
    [
        ("span.name", b"\xff", ("name", b"\xff")),
        ("span.kind", (1 << 32) + 3, ("kind", 3)),
        ("span.kind", -1, ("kind", -1)),
        ("span.kind.string", b"Client", ("kind", 3)),
        ("span.kind.deprecated_string", b"SPAN_KIND_SERVER", ("kind", 2)),
        ("span.dropped_events_count", -1, ("dropped_events_count", (1 << 32) - 1)),
        ("span.start_time_unix_nano", -1, ("start_time_unix_nano", (1 << 64) - 1)),
        ("span.end_time", Time(-1, "UTC"), ("end_time_unix_nano", (1 << 64) - 1)),
        ("span.end_time", Time(1 << 70), ("end_time_unix_nano", 0)),
        ("span.trace_id", TraceID(b"x" * 16), ("trace_id", b"x" * 16)),
        ("span.trace_id", TraceID(16), ("trace_id", b"")),
        ("span.span_id.string", b"00000000000000fF", ("span_id", b"\0\0\0\0\0\0\0\xff")),
        ("span.flags", (1 << 32) - 1, ("flags", (1 << 32) - 1)),
        ("span.events", None, ("events", [])),
        ("span.trace_state", b"no state", ("trace_state", b"no state")),
    ],
)
def test_span_fields_take(path: str, value: Value, stored: tuple[str, Any]) -> None:
    """Values are stored as the field can hold them."""
    row = span_row()
    write(row, "span", path, value)
    assert getattr(row.span, stored[0]) == stored[1]
    assert row.changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("span.name", None),
        ("span.name", 5),
        ("span.name", Bytes(b"x")),
        ("span.kind", True),
        ("span.kind", 1.0),
        ("span.kind.string", b""),
        ("span.kind.string", b"SERVER"),
        ("span.start_time", 5),
        ("span.start_time_unix_nano", Time(0)),
        ("span.trace_id", b"x" * 16),
        ("span.trace_id", SpanID(8)),
        ("span.trace_id.string", b"00"),
        ("span.span_id.string", b"0000000 00000000"),
        ("span.span_id.string", b"00000000000000zz"),
        ("span.flags", -1),
        ("span.flags", 1 << 32),
        ("span.events", []),
        ("span.status", None),
        ("span.status", Opaque("opentelemetry.proto.trace.v1.Span.Event", True, [])),
        ("scope.name", None),
        ("resource.dropped_attributes_count", b"1"),
    ],
)
def test_span_fields_refuse(path: str, value: Value) -> None:
    """Wrong types and nil are errors that change nothing."""
    row = span_row()
    with pytest.raises(ValueError, match=r"."):
        write(row, "span", path, value)
    assert not row.changed


def test_reading_span_fields() -> None:
    """Zero values, ids of zeros, texts of enums."""
    row = span_row()
    row.span.kind = 77
    row.span.start_time_unix_nano = (1 << 64) - 1
    row.span.span_id = b"short"
    assert read(row, "span", "span.start_time_unix_nano") == -1
    assert read(row, "span", "span.start_time") == Time(-1)
    assert read(row, "span", "span.kind.string") == b""
    assert shown(read(row, "span", "span.trace_id")) == ("TraceID", bytes(16))
    assert read(row, "span", "span.trace_id.string") == b"0" * 32
    assert read(row, "span", "span.span_id.string") == b"73686f7274000000"
    assert read(row, "span", "span.status.code") == 0
    assert read(row, "span", "resource.schema_url") == b""
    assert read(row, "span", "instrumentation_scope.version") == b""


def test_writing_makes_parents() -> None:
    """A field of a submessage that is not there yet."""
    row = span_row()
    write(row, "span", "span.status.code", 2)
    write(row, "span", "scope.name", b"lib")
    write(row, "span", "resource.attributes", 1, b"k")
    assert (row.span.status.code, row.scope.scope.name) == (2, b"lib")
    assert row.resource.resource.attributes[0].value.int_value == 1


def test_opaque_values_copy() -> None:
    """A status or a list of events can be copied from its like, its own self included, and is the live message."""
    row, other = span_row(), span_row()
    other.span.status.code = 2
    other.span.events.add(name=b"e2")
    events = read(other, "span", "span.events")
    assert isinstance(events, Opaque)
    assert (len(events), events.reference is other.span.events) == (2, True)
    write(row, "span", "span.events", events)
    write(row, "span", "span.events", read(row, "span", "span.events"))
    write(row, "span", "span.status", read(other, "span", "span.status"))
    assert [event.name for event in row.span.events] == [b"e1", b"e2"]
    assert row.span.status.code == 2


@pytest.mark.parametrize(
    ("state", "key", "value"),
    [
        (b"a=1,b=2", b"b", b"2"),
        (b"a=1, b=2 ", b"b", b"2"),
        (b",a=1,,", b"a", b"1"),
        (b"", b"a", b""),
        (b"a=1", b"c", b""),
        (b"1a@sys=x y", b"1a@sys", b"x y"),
        (b"a=1,a=2", b"a", None),
        (b"A=1", b"a", None),
        (b"a", b"a", None),
        (b"1a=1", b"1a", None),
        (b"a=" + b"x" * 257, b"a", None),
        (b",".join(b"k%d=1" % n for n in range(33)), b"k1", None),
    ],
)
def test_trace_state_members(state: bytes, key: bytes, value: bytes | None) -> None:
    """Members by key, empty when missing, nil for what is no trace state."""
    row = span_row()
    row.span.trace_state = state
    assert key_getter(spec("span", "span.trace_state"), key)(row) == value


@pytest.mark.parametrize(
    ("state", "key", "value", "after"),
    [
        (b"a=1,b=2", b"b", b"3", b"b=3,a=1"),
        (b"", b"n", b"1", b"n=1"),
        (b"a=1", b"N", b"1", b"a=1"),
        (b"a=1", b"n", b"", b"a=1"),
        (b"a=1", b"n", b"x ", b"a=1"),
        (b"a=1,a=2", b"n", b"1", b"a=1,a=2"),
        (
            b",".join(b"k%d=1" % n for n in range(32)),
            b"n",
            b"1",
            b"n=1," + b",".join(b"k%d=1" % n for n in range(31)),
        ),
    ],
)
def test_trace_state_insert(state: bytes, key: bytes, value: bytes, after: bytes) -> None:
    """New members go to the front, bad ones nowhere."""
    row = span_row()
    row.span.trace_state = state
    key_setter(spec("span", "span.trace_state"), key)(row, value)
    assert row.span.trace_state == after


def test_trace_state_wants_literal_keys() -> None:
    """An expression as key is an error, unless the state cannot be parsed."""
    row = span_row()
    place = spec("span", "span.trace_state")
    with pytest.raises(ValueError, match="literal string"):
        keys_getter(place)(row, (b"a",))
    with pytest.raises(ValueError, match="literal string"):
        keys_setter(place)(row, (b"a",), b"x")
    row.span.trace_state = b"="
    assert keys_getter(place)(row, (b"a",)) is None
    keys_setter(place)(row, (b"a",), b"x")


def test_event_index_is_unavailable() -> None:
    """The reference's processors never know it."""
    row = span_row()
    with pytest.raises(ValueError, match="not known"):
        read(row, "spanevent", "spanevent.event_index")
    with pytest.raises(ValueError, match="read-only"):
        write(row, "spanevent", "spanevent.event_index", 1)


# Logs


def test_body() -> None:
    """Any value in, any value out; the text form replaces it."""
    row = log_row(Map([(b"k", Slice([1]))]))
    assert read(row, "log", "log.body.string") == b'{"k":[1]}'
    assert read(row, "log", "log.body", b"k", 0) == 1
    write(row, "log", "log.body", 2, b"k", 0)
    write(row, "log", "log.body", 3, b"new", b"x")
    assert read(row, "log", "log.body.string") == b'{"k":[2],"new":{"x":3}}'
    write(row, "log", "log.body.string", b"text")
    assert read(row, "log", "log.body") == b"text"
    write(row, "log", "log.body", None)
    assert read(row, "log", "log.body") is None
    assert read(row, "log", "log.body.string") == b""


@pytest.mark.parametrize("body", [None, b"text", 5])
def test_only_maps_and_lists_of_a_body_are_indexed(body: Value) -> None:
    """Writing never turns a body into something else."""
    row = log_row(body)
    actions: tuple[Callable[[], object], ...] = (
        lambda: keys_getter(spec("log", "log.body"))(row, (b"k",)),
        lambda: write(row, "log", "log.body", 1, b"k"),
        lambda: write(row, "log", "log.body", 1, 0),
    )
    for action in actions:
        with pytest.raises(ValueError, match="index"):
            action()
    assert read(row, "log", "log.body") == body


def test_lists_of_a_body_do_not_grow() -> None:
    """An index out of range is an error, nothing is added."""
    row = log_row(Slice([1]))
    with pytest.raises(ValueError, match="out of bounds"):
        write(row, "log", "log.body", 1, 1)
    with pytest.raises(ValueError, match="integer index"):
        write(row, "log", "log.body", 1, b"k")
    assert shown(read(row, "log", "log.body")) == ["Slice", 1]


# Metrics


@pytest.mark.parametrize(
    ("kind", "number", "temporality", "monotonic"),
    [
        ("none", 0, None, None),
        ("gauge", 1, None, None),
        ("sum", 2, 0, False),
        ("histogram", 3, 0, None),
        ("exponential_histogram", 4, 0, None),
        ("summary", 5, None, None),
    ],
)
def test_metric_data(kind: str, number: int, temporality: int | None, monotonic: bool | None) -> None:
    """Fields of the data are nil on the types that lack them, and writing them there does nothing."""
    row = next(walk(metric_root(kind), "metrics", "metric"))
    assert read(row, "metric", "metric.type") == number
    assert read(row, "metric", "metric.aggregation_temporality") == temporality
    assert read(row, "metric", "metric.is_monotonic") is monotonic
    write(row, "metric", "metric.type", b"anything")
    assert not row.changed
    write(row, "metric", "metric.aggregation_temporality", 2)
    write(row, "metric", "metric.is_monotonic", True)
    assert row.changed == (temporality is not None)
    assert read(row, "metric", "metric.aggregation_temporality") == (None if temporality is None else 2)
    assert read(row, "metric", "metric.is_monotonic") == (None if monotonic is None else True)
    with pytest.raises(ValueError, match="expects int64"):
        write(row, "metric", "metric.aggregation_temporality", b"DELTA")
    points = read(row, "metric", "metric.data_points")
    assert (points is None) == (kind == "none")
    if points is not None:
        with pytest.raises(ValueError, match="expects"):
            write(row, "metric", "metric.data_points", Slice())
    write(row, "metric", "metric.data_points", None)
    assert not isinstance(points, Opaque) or len(points) == 0


def test_number_points() -> None:
    """Either value reads as zero while the other is set; writing one replaces the other."""
    row = point_row("gauge")
    row.datapoint.as_int = 5
    assert (read(row, "datapoint", "datapoint.value_int"), read(row, "datapoint", "datapoint.value_double")) == (5, 0.0)
    write(row, "datapoint", "datapoint.value_double", 1.5)
    assert row.datapoint.WhichOneof("value") == "as_double"
    assert read(row, "datapoint", "datapoint.value_int") == 0
    with pytest.raises(ValueError, match="expects int64"):
        write(row, "datapoint", "datapoint.value_int", 1.5)


@pytest.mark.parametrize(
    ("path", "value", "kinds"),
    [
        ("attributes", Map(), "gauge sum histogram exponential_histogram summary"),
        ("flags", 1, "gauge sum histogram exponential_histogram summary"),
        ("start_time", Time(5), "gauge sum histogram exponential_histogram summary"),
        ("value_int", 1, "gauge sum"),
        ("count", 1, "histogram exponential_histogram summary"),
        ("sum", 1.0, "histogram exponential_histogram summary"),
        ("bucket_counts", TypedList([1, 2], "uint64"), "histogram"),
        ("explicit_bounds", TypedList([1.0], "float64"), "histogram"),
        ("scale", -1, "exponential_histogram"),
        ("zero_count", 1, "exponential_histogram"),
        ("positive.offset", -3, "exponential_histogram"),
        ("negative.bucket_counts", TypedList([1], "uint64"), "exponential_histogram"),
    ],
)
def test_fields_by_point_type(path: str, value: Value, kinds: str) -> None:
    """Where a type of point lacks a field, reading gives nil and writing fails."""
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        row = point_row(kind)
        if kind in kinds.split():
            write(row, "datapoint", f"datapoint.{path}", value)
            assert shown(read(row, "datapoint", f"datapoint.{path}")) == shown(value)
        else:
            assert read(row, "datapoint", f"datapoint.{path}") is None
            with pytest.raises(ValueError, match="has no"):
                write(row, "datapoint", f"datapoint.{path}", value)
            assert not row.changed


@pytest.mark.parametrize(("kind", "text"), [("histogram", "-0.0"), ("summary", "0.0")])
def test_negative_zero(kind: str, text: str) -> None:
    """Where zero means absent there is but one zero."""
    row = point_row(kind)
    write(row, "datapoint", "datapoint.sum", -0.0)
    assert str(row.datapoint.sum) == text


def test_lists_of_numbers() -> None:
    """Counts take integers and wrap, bounds take doubles only; nil clears."""
    row = point_row("histogram")
    for value in ([-1, 2], Slice([-1, 2]), TypedList([-1, 2], "int64")):
        write(row, "datapoint", "datapoint.bucket_counts", value)
        assert list(row.datapoint.bucket_counts) == [(1 << 64) - 1, 2]
    for bad in ([1.0], [True], TypedList([1.0], "float64"), b"x", Slice([None])):
        with pytest.raises(ValueError, match="expects"):
            write(row, "datapoint", "datapoint.bucket_counts", bad)
    with pytest.raises(ValueError, match="expects"):
        write(row, "datapoint", "datapoint.explicit_bounds", [1])
    assert len(row.datapoint.bucket_counts) == 2
    write(row, "datapoint", "datapoint.bucket_counts", None)
    assert len(row.datapoint.bucket_counts) == 0


def test_opaque_parts_of_points() -> None:
    """Buckets copy from their like on a point that has them."""
    row, other = point_row("exponential_histogram"), point_row("exponential_histogram")
    other.datapoint.positive.offset = 4
    write(row, "datapoint", "datapoint.negative", read(other, "datapoint", "datapoint.positive"))
    assert row.datapoint.negative.offset == 4
    with pytest.raises(ValueError, match="has no"):
        write(point_row("sum"), "datapoint", "datapoint.negative", read(other, "datapoint", "datapoint.positive"))
    with pytest.raises(ValueError, match="nil"):
        write(row, "datapoint", "datapoint.negative", None)


def test_exemplars() -> None:
    """Values and ids of an exemplar; summaries have none."""
    root = metric_root("sum", "summary", "histogram")
    for metric in root.resource_metrics[0].scope_metrics[0].metrics:
        if metric.name != b"summary":
            metric_points = getattr(metric, metric.name.decode()).data_points
            metric_points[0].exemplars.add(as_int=3)
    rows = list(walk(root, "metrics", "exemplar"))
    assert [row.metric.name for row in rows] == [b"sum", b"histogram"]
    assert read(rows[0], "exemplar", "exemplar.int_value") == 3
    write(rows[0], "exemplar", "exemplar.double_value", 2.5)
    write(rows[0], "exemplar", "exemplar.filtered_attributes", b"v", b"k")
    assert rows[0].exemplar.WhichOneof("value") == "as_double"
    assert read(rows[0], "exemplar", "exemplar.filtered_attributes", b"k") == b"v"
    assert read(rows[0], "exemplar", "datapoint.count") is None


# Profiles


def test_profile_fields() -> None:
    """Durations are not negative, ids not empty."""
    row = profile_row()
    write(row, "profile", "profile.profile_id", ProfileID(b"x" * 16))
    write(row, "profile", "profile.duration", 5)
    write(row, "profile", "profile.original_payload", Bytes(b"\xff"))
    assert read(row, "profile", "profile.duration_unix_nano") == 5
    assert shown(read(row, "profile", "profile.original_payload")) == ("Bytes", b"\xff")
    refused: list[tuple[str, Value]] = [
        ("profile_id", ProfileID(16)),
        ("profile_id.string", b"0" * 32),
        ("duration", -1),
        ("original_payload", b"text"),
    ]
    for path, value in refused:
        with pytest.raises(ValueError, match=r"."):
            write(row, "profile", f"profile.{path}", value)


def test_dictionary_strings() -> None:
    """Texts are looked up in the table, and added to it."""
    row = profile_row()
    assert read(row, "profile", "profile.sample_type.type") == b"cpu"
    write(row, "profile", "profile.sample_type.type", b"ns")
    write(row, "profile", "profile.period_type.unit", b"new")
    assert (row.profile.sample_type.type_strindex, row.profile.period_type.unit_strindex) == (3, 4)
    assert row.dictionary.string_table[4] == b"new"
    row.profile.sample_type.type_strindex = 9
    with pytest.raises(ValueError, match="out of range"):
        read(row, "profile", "profile.sample_type.type")


def test_dictionary_attributes() -> None:
    """A changed attribute is a new entry of the table, without the old one's unit; an equal one is shared."""
    row = profile_row()
    assert shown(read(row, "profile", "profile.attributes")) == {"map": [(b"host", ("bytes", b"a"))]}
    write(row, "profile", "profile.attributes", b"b", b"host")
    write(row, "profile", "profile.attributes", 1, b"deep", b"x")
    assert list(row.profile.attribute_indices) == [1, 2]
    assert [a.unit_strindex for a in row.dictionary.attribute_table] == [3, 0, 0]
    write(row, "profile", "profile.attributes", b"b", b"host")
    assert len(row.dictionary.attribute_table) == 3
    assert read(row, "profile", "profile.attributes", b"deep", b"x") == 1
    write(row, "profile", "profile.attributes", Map([(b"host", b"b")]))
    assert list(row.profile.attribute_indices) == [1]
    write(row, "profile", "profile.attributes", None)
    assert list(row.profile.attribute_indices) == []
    row.profile.attribute_indices.append(99)
    with pytest.raises(ValueError, match="out of bounds"):
        read(row, "profile", "profile.attributes")


def test_repeated_dictionary_attributes() -> None:
    """A key that comes twice reads as its last value, in its first place."""
    row = profile_row()
    row.dictionary.attribute_table.add(key_strindex=1).value.string_value = b"later"
    row.profile.attribute_indices.append(1)
    assert shown(read(row, "profile", "profile.attributes")) == {"map": [(b"host", ("bytes", b"later"))]}


def test_editing_dictionary_attributes() -> None:
    """Edits of such a map are written when the editor has finished, and not before."""
    row = profile_row()
    target = map_target(spec("profile", "profile.attributes"), False)(row, ())
    target.put(b"new", 1)
    assert list(row.profile.attribute_indices) == [0]
    target.finish()
    assert list(row.profile.attribute_indices) == [1, 2]
    assert row.changed


def test_profile_samples() -> None:
    """Integers read as int64, times as times; the link index has a limit."""
    row = profile_row("profilesample")
    write(row, "profilesample", "profilesample.values", [-1, 2])
    write(row, "profilesample", "profilesample.timestamps_unix_nano", [-1])
    assert shown(read(row, "profilesample", "profilesample.values")) == ["TypedList", -1, 2]
    assert read(row, "profilesample", "profilesample.timestamps") == [Time(-1)]
    write(row, "profilesample", "profilesample.timestamps", TypedList([Time(7)], "time"))
    assert list(row.profilesample.timestamps_unix_nano) == [7]
    with pytest.raises(ValueError, match="expects"):
        write(row, "profilesample", "profilesample.timestamps", [Time(7)])
    with pytest.raises(ValueError, match="too large"):
        write(row, "profilesample", "profilesample.link_index", (1 << 31) - 1)
    write(row, "profilesample", "profilesample.link_index", -1)
    assert row.profilesample.link_index == -1
    assert read(row, "profilesample", "profile.period") == 0


# Request metadata

REQUEST = {
    "client": {
        "addr": "127.0.0.1:1",
        "metadata": {"X-Tenant": ["a", "b"], "empty": []},
        "auth": {"subject": "me", "roles": ["r"], "n": 1},
    },
    "grpc": {"metadata": {"k": ["v"]}},
}


def request_row(request: Mapping[str, Any] | None) -> Row:
    """A row of a message that came with a request."""
    return next(walk(span_row().resource, "traces", "otelcol", request=request))


def test_request_metadata() -> None:
    """Keys of metadata are case-insensitive; lists take one index."""
    row = request_row(REQUEST)
    assert read(row, "otelcol", "otelcol.client.addr") == b"127.0.0.1:1"
    assert read(row, "otelcol", "otelcol.client.metadata", b"x-TENANT", 1) == b"b"
    assert shown(read(row, "otelcol", "otelcol.client.metadata", b"x-tenant")) == [
        "Slice",
        ("bytes", b"a"),
        ("bytes", b"b"),
    ]
    assert read(row, "otelcol", "otelcol.client.metadata", b"empty") is None
    assert read(row, "otelcol", "otelcol.client.metadata", b"none", 4) is None
    assert read(row, "otelcol", "otelcol.client.auth.attributes", b"subject") == b"me"
    assert read(row, "otelcol", "otelcol.client.auth.attributes", b"roles", 0) == b"r"
    assert shown(read(row, "otelcol", "otelcol.grpc.metadata")) == {"map": [(b"k", ["Slice", ("bytes", b"v")])]}
    for path, keys in [
        ("client.metadata", (b"x-tenant", 2)),
        ("client.metadata", (b"x-tenant", 0, 0)),
        ("client.metadata", (1,)),
        ("client.auth.attributes", (b"n", 0)),
    ]:
        with pytest.raises(ValueError, match=r"."):
            keys_getter(spec("otelcol", f"otelcol.{path}"))(row, keys)


def test_no_request() -> None:
    """Without a request there is nothing, and no error."""
    row = request_row(None)
    assert read(row, "otelcol", "otelcol.client.addr") is None
    for path in ("client.metadata", "client.auth.attributes", "grpc.metadata"):
        assert shown(read(row, "otelcol", f"otelcol.{path}")) == {"map": []}
        assert read(row, "otelcol", f"otelcol.{path}", b"k", 0) is None


def test_request_metadata_is_read_only() -> None:
    """Writing is refused, editing only when the editor has finished."""
    row = request_row(REQUEST)
    place = spec("otelcol", "otelcol.client.metadata")
    actions: tuple[Callable[[], object], ...] = (
        lambda: setter(place)(row, None),
        lambda: key_setter(place, b"k")(row, b"v"),
        lambda: keys_setter(place)(row, (b"k",), b"v"),
    )
    for action in actions:
        with pytest.raises(ValueError, match="read-only"):
            action()
    target = map_target(place, False)(row, ())
    assert target.remove(b"x-tenant")
    with pytest.raises(ValueError, match="read-only"):
        target.finish()
    assert len(map_target(place, False)(row, ())) == 2


# Targets


def test_map_target() -> None:
    """Order and repeated keys are the reference's."""
    row = span_row()
    target = map_target(spec("span", "span.attributes"), False)(row, ())
    assert target.keys() == [b"a", b"n", b"a", b"m", b"z"]
    assert (target.get(b"a"), target.get(b"z"), target.get(b"none")) == (b"1", None, MISSING)
    assert not target.remove(b"none")
    target.retain([True] * 5)
    before = row.changed
    assert target.remove(b"a")
    assert (before, row.changed) == (False, True)
    assert target.keys() == [b"z", b"n", b"a", b"m"]
    assert target.remove(b"m")
    assert target.keys() == [b"z", b"n", b"a"]
    target.put(b"n", 8)
    target.put(b"new", b"x")
    target.put_at(2, 3.0)
    assert target.items() == [(b"z", None), (b"n", 8), (b"a", 3.0), (b"new", b"x")]
    target.retain([False, True, False, True])
    assert target.keys() == [b"n", b"new"]
    target.replace((key, value) for key, value in reversed(target.items()))
    assert target.items() == [(b"new", b"x"), (b"n", 8)]
    target.retain([False, False])
    assert len(target) == len(row.span.attributes) == 0


def test_many_keys_of_a_map_target() -> None:
    """Keys are looked up where they are, whatever was put, moved or removed before."""
    row = span_row()
    target = map_target(spec("span", "span.attributes"), False)(row, ())
    for key, value in ((b"n", 1), (b"new", 2), (b"a", 3), (b"new", 4), (b"last", None)):
        target.put(key, value)
    shown = [(b"a", 3), (b"n", 1), (b"a", b"7"), (b"m", Map([(b"x", 1)])), (b"z", None), (b"new", 4), (b"last", None)]
    assert [key for key, _ in target.items()] == [key for key, _ in shown]
    assert [target.get(key) for key in (b"a", b"n", b"new", b"last")] == [3, 1, 4, None]
    assert target.remove(b"a")
    target.put(b"a", 5)
    assert (target.get(b"a"), target.get(b"last"), target.keys()[0]) == (5, None, b"last")
    target.retain([False] * 5 + [True])
    assert (target.get(b"a"), target.get(b"new")) == (MISSING, 4)


def test_a_map_target_from_a_position_on() -> None:
    """The entries in front of it stay, with other keys where they are renamed."""
    row = span_row()
    target = map_target(spec("span", "span.attributes"), False)(row, ())
    flat = target.flat_keys()
    assert flat == [b"a", b"n", b"a"]
    rest = target.items(len(flat))
    assert [key for key, _ in rest] == [b"m", b"z"]
    target.rename(flat)
    target.replace([(b"y", 1)], len(flat))
    assert target.keys() == [b"a", b"n", b"a", b"y"]
    target.rename([b"b", b"c"])
    assert target.keys() == [b"b", b"c", b"a", b"y"]
    assert (target.get(b"y"), target.get(b"b")) == (1, b"1")


def test_removing_keeps_nested_values() -> None:
    """The entry that moves into a hole brings all it holds."""
    row = span_row()
    write(row, "span", "span.attributes", Map([(b"k", Slice([Bytes(b"x")]))]), b"last")
    map_target(spec("span", "span.attributes"), False)(row, ()).remove(b"a")
    assert read(row, "span", "span.attributes", b"last", b"k", 0) == b"x"
    assert [entry.key for entry in row.span.attributes] == [b"last", b"n", b"a", b"m", b"z"]


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_retain_keeps_order(count: int) -> None:
    """Whatever goes, the rest stays in order."""
    row = span_row()
    write(row, "span", "span.attributes", Map([(b"%d" % n, n) for n in range(count)]))
    target = map_target(spec("span", "span.attributes"), False)(row, ())
    keep = [n % 3 != 1 for n in range(count)]
    target.retain(keep)
    assert target.items() == [(b"%d" % n, n) for n in range(count) if keep[n]]


def test_map_target_inside() -> None:
    """Maps inside maps, bodies and caches open too; what is no map does not."""
    row = span_row()
    place = map_target(spec("span", "span.attributes"), True)
    place(row, (b"m",)).put(b"new", 1)
    assert read(row, "span", "span.attributes", b"m", b"new") == 1
    for keys, message in [((b"none",), "got nil"), ((b"z",), "got nil"), ((b"n",), "got int64"), ((b"m", b"k"), "got")]:
        with pytest.raises(ValueError, match=f"expected pcommon.Map but {message}" if "nil" in message else message):
            place(row, keys)
    record = log_row(Map([(b"k", Map())]))
    map_target(spec("log", "log.body"), False)(record, ()).put(b"a", 1)
    map_target(spec("log", "log.body"), True)(record, (b"k",)).put(b"b", 2)
    assert read(record, "log", "log.body.string") == b'{"a":1,"k":{"b":2}}'
    with pytest.raises(ValueError, match="got string"):
        map_target(spec("log", "log.body"), False)(log_row(b"text"), ())
    map_target(spec("span", "span.cache"), False)(row, ()).put(b"c", 1)
    assert read(row, "span", "span.cache", b"c") == 1
    with pytest.raises(ValueError, match="got string"):
        map_target(spec("span", "span.name"), False)(row, ())
    with pytest.raises(ValueError, match="got nil"):
        map_target(spec("metric", "metric.data_points"), False)(
            next(walk(metric_root("none"), "metrics", "metric")), ()
        )


def test_list_target() -> None:
    """Lists are read, and written back as a whole."""
    row = span_row()
    target = list_target(spec("span", "span.attributes"), True)(row, (b"m", b"k"))
    assert target.items() == [1, 2]
    target.replace([2, b"x"])
    assert shown(read(row, "span", "span.attributes", b"m", b"k")) == ["Slice", 2, ("bytes", b"x")]
    point = point_row("histogram")
    point.datapoint.bucket_counts.extend([1, 2, 3])
    list_target(spec("datapoint", "datapoint.bucket_counts"), False)(point, ()).replace([3])
    assert list(point.datapoint.bucket_counts) == [3]
    for keys, message in [((b"none",), "got nil"), ((b"n",), "got int64")]:
        with pytest.raises(ValueError, match=message):
            list_target(spec("span", "span.attributes"), True)(row, keys)


# Walks


def test_rows_come_in_order() -> None:
    """Resources, then scopes, then elements, then what is in them."""
    root = root_class("traces")()
    for resource in (b"r1", b"r2"):
        container = root.resource_spans.add(schema_url=resource)
        for scope in (b"s1", b"s2"):
            spans = container.scope_spans.add(schema_url=scope).spans
            for name in (b"x", b"y"):
                spans.add(name=name).events.add(name=b"e")
    names = [(r.resource.schema_url, r.scope.schema_url, r.span.name) for r in walk(root, "traces", "spanevent")]
    assert names == [(r, s, n) for r in (b"r1", b"r2") for s in (b"s1", b"s2") for n in (b"x", b"y")]
    assert len(list(walk(root, "traces", "resource"))) == 2
    assert len(list(walk(root, "traces", "scope"))) == 4


def test_lists_are_walked_live() -> None:
    """A metric that a row appends is visited; points that a row clears are not."""
    root = metric_root("sum", "gauge")
    seen = []
    for row in walk(root, "metrics", "metric"):
        seen.append(row.metric.name)
        if len(seen) < 3:
            row.scope.metrics.add(name=b"new%d" % len(seen))
    assert seen == [b"sum", b"gauge", b"new1", b"new2"]
    root.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points.add()
    visited = 0
    for row in walk(root, "metrics", "datapoint"):
        visited += 1
        write(row, "datapoint", "metric.data_points", None)
    assert visited == 2


def test_metrics_without_data_have_no_points() -> None:
    """Data point rows skip them."""
    rows = list(walk(metric_root("none", "summary", "gauge"), "metrics", "datapoint"))
    assert [row.metric.name for row in rows] == [b"summary", b"gauge"]


def pruned(root: Any, signal: str, **names: set[Any]) -> tuple[bool, Counter[str]]:
    """Prunes rows by name at each level; what went is counted."""
    gone: Counter[str] = Counter()

    def name_of(row: Row, level: str) -> Any:
        if level in ("resource", "scope"):
            return getattr(row, level).schema_url
        return row.datapoint.flags if level == "datapoint" else getattr(row, level).name

    def condition(level: str) -> Callable[[Row], bool]:
        return lambda row: name_of(row, level) in names[level]

    def removed(level: str, count: int) -> None:
        gone[level] += count

    empty = prune(root, signal, {level: condition(level) for level in names}, removed=removed)
    return empty, gone


def tree() -> Any:
    """Two resources of two scopes of two spans with an event each; a third resource is empty, a scope too."""
    root = root_class("traces")()
    for resource in (b"r1", b"r2"):
        container = root.resource_spans.add(schema_url=resource)
        for scope in (b"s1", b"s2"):
            spans = container.scope_spans.add(schema_url=scope).spans
            for name in (b"x", b"y"):
                spans.add(name=name).events.add(name=b"e")
    root.resource_spans.add(schema_url=b"r3")
    root.resource_spans[0].scope_spans.add(schema_url=b"s3")
    return root


def outline(root: Any) -> list[Any]:
    """What is left of a tree."""
    return [
        (r.schema_url, [(s.schema_url, [(x.name, len(x.events)) for x in s.spans]) for s in r.scope_spans])
        for r in root.resource_spans
    ]


def test_prune_by_resource_looks_no_deeper() -> None:
    """An empty resource goes, an empty scope stays unseen."""
    root = tree()
    assert pruned(root, "traces", resource={b"r2"})[0] is False
    assert [r for r, _ in outline(root)] == [b"r1"]
    assert [s for s, _ in outline(root)[0][1]] == [b"s1", b"s2", b"s3"]


def test_prune_by_scope_and_span() -> None:
    """Emptied parents go, those that arrived empty too."""
    root = tree()
    pruned(root, "traces", scope={b"s1"}, span={b"y"})
    assert outline(root) == [(b"r1", [(b"s2", [(b"x", 1)])]), (b"r2", [(b"s2", [(b"x", 1)])])]
    root = tree()
    assert pruned(root, "traces", span={b"x", b"y"}) == (True, Counter(span=8, scope=5, resource=3))
    assert outline(root) == []


def test_prune_of_events_keeps_spans() -> None:
    """A span without events stays; nothing below a dropped span is looked at."""
    root = tree()
    pruned(root, "traces", span={b"y"}, spanevent={b"e"})
    assert outline(root) == [(r, [(s, [(b"x", 0)]) for s in (b"s1", b"s2")]) for r in (b"r1", b"r2")]


def test_prune_of_data_points() -> None:
    """A metric whose last point goes, or that had none, goes; one without data stays."""
    root = metric_root("none", "gauge", "sum", "histogram")
    metrics = root.resource_metrics[0].scope_metrics[0].metrics
    metrics[2].sum.data_points.add(flags=1)
    metrics.add(name=b"empty").summary.SetInParent()
    assert pruned(root, "metrics", datapoint={0})[0] is False
    assert [(m.name, len(m.sum.data_points)) for m in metrics] == [(b"none", 0), (b"sum", 1)]
    root = metric_root("none", "gauge")
    pruned(root, "metrics", metric={b"none"})
    assert [m.name for m in root.resource_metrics[0].scope_metrics[0].metrics] == [b"gauge"]


def test_prune_of_logs_and_profiles() -> None:
    """The same for the other signals."""
    logs = root_class("logs")()
    records = logs.resource_logs.add().scope_logs.add().log_records
    records.add(flags=1)
    records.add(flags=2)
    assert prune(logs, "logs", {"log": lambda row: row.log.flags == 1}) is False
    assert [record.flags for record in records] == [2]
    profiles = root_class("profiles")()
    profiles.resource_profiles.add().scope_profiles.add().profiles.add(period=1)
    dictionary = profiles.dictionary
    dictionary.string_table.append(b"")
    assert prune(profiles, "profiles", {"profile": lambda row: row.dictionary is dictionary}) is True
    assert profiles.SerializeToString() == b""


def test_prune_that_removes_nothing() -> None:
    """Nothing is told, nothing changes."""
    root = span_row()
    payload = root_class("traces")()
    payload.resource_spans.add().CopyFrom(root.resource)
    before = payload.SerializeToString()
    assert pruned(payload, "traces", span={b"other"}, resource=set()) == (False, Counter())
    assert payload.SerializeToString() == before

"""OTLP bytes to messages and back: nothing is lost, faults are found where they are, limits hold."""

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.profiles.v1development.profiles_pb2 import ProfilesData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ottl.codec import Limits
from ottl.codec.messages import check, decode, encode, message_class, root_class
from ottl.errors import PayloadError


def field(number: int, body: bytes) -> bytes:
    """A length-delimited field with a number and a length of one byte or more."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def varint(value: int) -> bytes:
    """A number as the wire has it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def nested(levels: int) -> bytes:
    """Traces nested that many messages below the root."""
    body = b""
    for level in range(levels - 4, 0, -1):
        body = field(5 if level % 2 else 1, body)
    return field(1, field(1, field(1, field(2, body))))


def traces() -> bytes:
    """A small payload with values of several kinds."""
    data = TracesData()
    span = data.resource_spans.add().scope_spans.add().spans.add(name="GET", trace_id=bytes(16), kind=2)
    span.attributes.add(key="a").value.string_value = "x"
    span.attributes.add(key="l").value.array_value.values.add().int_value = -1
    span.events.add(name="e", time_unix_nano=5)
    return data.SerializeToString()


def test_round_trip() -> None:
    """A payload comes back as it went in."""
    payload = traces()
    message = decode(payload, "traces")
    assert message.resource_spans[0].scope_spans[0].spans[0].name == b"GET"
    assert encode(message, "traces") == payload


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs", "profiles"])
def test_root_of_each_signal(signal: str) -> None:
    """Each signal has its own root class; an empty payload is an empty message."""
    assert encode(decode(b"", signal), signal) == b""
    assert decode(memoryview(b""), signal).DESCRIPTOR.name == f"{signal.capitalize()}Data"


def test_invalid_utf8_survives() -> None:
    """Strings are bytes and stay what they are."""
    payload = field(1, field(2, field(2, field(5, b"\xff\xfe"))))
    message = decode(payload, "traces")
    assert message.resource_spans[0].scope_spans[0].spans[0].name == b"\xff\xfe"
    assert encode(message, "traces") == payload


def test_unknown_fields_survive() -> None:
    """A field of a newer protocol is kept."""
    payload = field(1, field(90, b"new"))
    message = decode(payload, "logs")
    message.resource_logs[0].schema_url = b"u"
    assert LogsData.FromString(encode(message, "logs")).resource_logs[0].schema_url == "u"
    assert field(90, b"new") in encode(message, "logs")


@pytest.mark.parametrize(
    ("payload", "offset", "text"),
    [
        (b"\x0a\x05ab", 0, "past the end"),
        (b"\x0a\x00\x0a\x03\x0a\x02a", 4, "past the end"),
        (b"\x0a", 1, "truncated"),
        (b"\x00\x00", 0, "field number"),
        (b"\x0a\x00\x0c", 2, "end of a group"),
        (b"\x0b", 1, "without an end"),
        (b"\x0e\x00", 0, "wire type"),
        (b"\x0a\x02\xff\xff", 2, "truncated"),
        (b"\x10" + b"\xff" * 10 + b"\x01", 1, "too long"),
        (b"\x11\x00", 0, "truncated"),
    ],
)
def test_faults_have_offsets(payload: bytes, offset: int, text: str) -> None:
    """The offset is that of the field or number that is wrong."""
    with pytest.raises(PayloadError, match=text) as caught:
        decode(payload, "traces")
    assert caught.value.offset == offset


def test_packed_numbers_are_checked() -> None:
    """A cut list of fixed-size numbers is refused where it begins."""
    point = field(6, b"\x01\x02\x03")
    payload = field(1, field(2, field(2, field(9, field(1, point)))))
    with pytest.raises(PayloadError, match="list of numbers") as caught:
        decode(payload, "metrics")
    assert caught.value.offset == len(payload) - len(point)


@pytest.mark.parametrize("levels", [99, 100, 101, 102])
def test_nesting_is_that_of_the_parser(levels: int) -> None:
    """100 messages below the root pass, one more does not; walk and parser agree."""
    payload = nested(levels)
    if levels <= 100:
        assert encode(decode(payload, "traces"), "traces") == payload
        assert check(payload, "traces") == levels
    else:
        with pytest.raises(PayloadError, match="nested deeper than 100"):
            decode(payload, "traces")


def test_nesting_limit_can_be_lowered() -> None:
    """A smaller limit holds too."""
    decode(nested(10), "traces", limits=Limits(max_depth=10))
    with pytest.raises(PayloadError, match="nested deeper than 9"):
        decode(nested(10), "traces", limits=Limits(max_depth=9))


def test_message_limits() -> None:
    """Size and number of messages are bounded; the errors name the flags."""
    with pytest.raises(PayloadError, match="--max-message"):
        decode(bytes(11), "traces", limits=Limits(max_message=10))
    payload = field(1, field(2, field(2, b"") * 10))
    assert check(payload, "traces") == 12
    decode(payload, "traces", limits=Limits(max_messages=12))
    with pytest.raises(PayloadError, match="more than 11 messages"):
        decode(payload, "traces", limits=Limits(max_messages=11))


def test_strings_are_no_messages() -> None:
    """Long texts do not count, whatever bytes they are made of."""
    payload = field(1, field(3, b"\x0a\x12" * 500))
    decode(payload, "traces", limits=Limits(max_messages=1))


@pytest.mark.parametrize("seed", range(4))
def test_walk_refuses_what_the_parser_refuses(seed: int) -> None:
    """On mutated payloads the walk and upb agree, so that every refusal has an offset."""
    chance = random.Random(seed)
    payload = traces() * 3
    parse = root_class("traces").FromString
    refused = 0
    for _ in range(1000):
        mutated = bytearray(payload)
        for _ in range(chance.choice((1, 1, 3))):
            at = chance.randrange(len(mutated))
            if chance.random() < 0.6:
                mutated[at] = chance.choice((chance.randrange(256), 0x0A, 0x0B, 0x0C, 0x80, 0xFF, 0))
            else:
                mutated[at:at] = chance.randbytes(chance.randrange(1, 9))
        data = bytes(mutated)
        try:
            parse(data)
        except DecodeError:
            refused += 1
            with pytest.raises(PayloadError) as caught:
                check(data, "traces")
            assert caught.value.offset is not None
        else:
            check(data, "traces")
    assert refused > 100


def test_references_of_profiles_are_resolved() -> None:
    """Keys and strings given as indices are written out; indices out of range and real keys stay."""
    data = ProfilesData()
    data.dictionary.string_table.extend(["", "key", "text"])
    attributes = data.resource_profiles.add().resource.attributes
    first = attributes.add(key_strindex=1)
    first.value.string_value_strindex = 2
    attributes.add(key="own", key_strindex=1).value.array_value.values.add().string_value_strindex = 2
    attributes.add(key_strindex=9).value.string_value_strindex = 9
    decoded = decode(data.SerializeToString(), "profiles").resource_profiles[0].resource.attributes
    assert [(a.key, a.key_strindex) for a in decoded] == [(b"key", 0), (b"own", 1), (b"", 9)]
    assert decoded[0].value.string_value == b"text"
    assert decoded[1].value.array_value.values[0].string_value == b"text"
    assert decoded[2].value.string_value_strindex == 9


def test_references_of_profiles_are_made() -> None:
    """Strings of resources and scopes go into the dictionary once, the last of equal ones counts; the rest stays."""
    data = ProfilesData()
    data.dictionary.string_table.extend(["", "key", "key"])
    scope = data.resource_profiles.add().scope_profiles.add().scope
    scope.name = "name"
    scope.attributes.add(key="key").value.string_value = "text"
    scope.attributes.add(key="map").value.kvlist_value.values.add(key="key").value.string_value = ""
    encoded = ProfilesData.FromString(encode(decode(data.SerializeToString(), "profiles"), "profiles"))
    assert list(encoded.dictionary.string_table) == ["", "key", "key", "text", "map"]
    first, second = encoded.resource_profiles[0].scope_profiles[0].scope.attributes
    assert (first.key, first.key_strindex, first.value.string_value_strindex) == ("", 2, 3)
    inner = second.value.kvlist_value.values[0]
    assert (second.key_strindex, inner.key_strindex, inner.value.WhichOneof("value")) == (4, 2, "string_value")


def test_an_empty_string_table_keeps_its_first_place_empty() -> None:
    """Index 0 means no string; a payload without strings gets no table."""
    data = ProfilesData()
    scope = data.resource_profiles.add().scope_profiles.add().scope
    assert not ProfilesData.FromString(encode(decode(data.SerializeToString(), "profiles"), "profiles")).HasField(
        "dictionary"
    )
    scope.attributes.add(key="k")
    encoded = ProfilesData.FromString(encode(decode(data.SerializeToString(), "profiles"), "profiles"))
    assert list(encoded.dictionary.string_table) == ["", "k"]


def test_json_and_protobuf_meet() -> None:
    """The same message, whichever way it is spelt."""
    payload = b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{}}]}]}]}'
    message = decode(payload, "metrics", "json")
    parsed = MetricsData.FromString(encode(message, "metrics"))
    assert parsed.resource_metrics[0].scope_metrics[0].metrics[0].name == "m"
    assert decode(encode(message, "metrics", "json"), "metrics", "json") == message


def test_classes_are_shared() -> None:
    """A class is made once, nested messages included."""
    event: Any = message_class("opentelemetry.proto.trace.v1.Span.Event")
    assert event(name=b"\xff").name == b"\xff"
    assert message_class("opentelemetry.proto.trace.v1.Span.Event") is event

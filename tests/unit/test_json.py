"""OTLP JSON in both codecs: what is accepted, what it means, what is refused and where, how values are written."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest

from ottl import schema
from ottl.codec import DEFAULT_LIMITS, Limits
from ottl.codec.json import json_to_message, message_to_json
from ottl.codec.messages import message_class
from ottl.errors import PayloadError

SPAN = "opentelemetry.proto.trace.v1.Span"
VALUE = "opentelemetry.proto.common.v1.AnyValue"
POINT = "opentelemetry.proto.metrics.v1.HistogramDataPoint"

Convert = Callable[..., bytes]


def plain_round(name: str, text: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The text after a round through a message of the plain stack."""
    return message_to_json(json_to_message(text, message_class(name), limits))


@functools.cache
def native_schema() -> tuple[Any, Any]:
    """The native module and its schema."""
    native = pytest.importorskip("ottl._native")
    return native, native.Schema(schema.native_messages())


def native_round(name: str, text: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The text after a round through protobuf in the native codec."""
    native, handle = native_schema()
    root = schema.message_index()[name]
    try:
        encoded = native.json_to_protobuf(handle, root, text, limits.max_messages, limits.max_depth)
    except native.ScanError as error:
        raise PayloadError(str(error), error.offset) from error
    message_class(name).FromString(encoded)
    return bytes(native.protobuf_to_json(handle, root, encoded))


@pytest.fixture(params=[plain_round, native_round], ids=["plain", "native"])
def convert(request: pytest.FixtureRequest) -> Convert:
    """One codec's way from text to text."""
    return request.param  # type: ignore[no-any-return]


ACCEPTED = [
    ("null message", VALUE, "null", "{}"),
    ("hex in any case", SPAN, '{"traceId":"00FFab"}', '{"traceId":"00ffab"}'),
    ("ids of zeros stay", SPAN, '{"spanId":"0000000000000000"}', '{"spanId":"0000000000000000"}'),
    ("snake case", SPAN, '{"trace_id":"00","end_time_unix_nano":1}', '{"traceId":"00","endTimeUnixNano":"1"}'),
    ("null is absent", SPAN, '{"name":null,"attributes":null,"status":null}', "{}"),
    ("null keeps what was there", SPAN, '{"name":"a","name":null}', '{"name":"a"}'),
    ("null in arrays", SPAN, '{"attributes":[null]}', '{"attributes":[{}]}'),
    ("zeros without presence go", SPAN, '{"name":"","flags":0,"kind":0,"startTimeUnixNano":"0"}', "{}"),
    ("zeros of a oneof stay", VALUE, '{"intValue":0}', '{"intValue":"0"}'),
    ("zeros of optional fields stay", POINT, '{"sum":0,"min":-0}', '{"sum":0,"min":-0}'),
    ("empty messages stay", SPAN, '{"status":{}}', '{"status":{}}'),
    ("unknown keys", SPAN, '{"x":[{"y":[1,null,"\\u0000"]}],"name":"a","":1}', '{"name":"a"}'),
    ("integer in a string", VALUE, '{"intValue":"-007"}', '{"intValue":"-7"}'),
    ("integer with a plus", VALUE, '{"intValue":"+7"}', '{"intValue":"7"}'),
    ("integer as a float", VALUE, '{"intValue":1e3}', '{"intValue":"1000"}'),
    ("small integer in a string", SPAN, '{"flags":"257"}', '{"flags":257}'),
    ("least integer", VALUE, '{"intValue":-9223372036854775808}', '{"intValue":"-9223372036854775808"}'),
    (
        "greatest unsigned",
        SPAN,
        '{"endTimeUnixNano":18446744073709551615}',
        '{"endTimeUnixNano":"18446744073709551615"}',
    ),
    ("enum by name", SPAN, '{"kind":"SPAN_KIND_CLIENT"}', '{"kind":3}'),
    ("enum beyond its names", SPAN, '{"kind":-77}', '{"kind":-77}'),
    ("double in a string", VALUE, '{"doubleValue":"1.5e3"}', '{"doubleValue":1500}'),
    ("not a number", VALUE, '{"doubleValue":"nan"}', '{"doubleValue":"NaN"}'),
    (
        "infinities",
        POINT,
        '{"explicitBounds":["inf","-Infinity","+INF"]}',
        '{"explicitBounds":["Infinity","-Infinity","Infinity"]}',
    ),
    ("negative zero", VALUE, '{"doubleValue":-0}', '{"doubleValue":-0}'),
    ("an exponent that looks like it", VALUE, '{"doubleValue":1e-0}', '{"doubleValue":1}'),
    ("a string that looks like it", VALUE, '{"stringValue":"-0,"}', '{"stringValue":"-0,"}'),
    ("base64 both alphabets", VALUE, '{"bytesValue":"_-8"}', '{"bytesValue":"/+8="}'),
    ("base64 with line breaks", VALUE, '{"bytesValue":"AA\\r\\nEC"}', '{"bytesValue":"AAEC"}'),
    ("repeated scalar", SPAN, '{"flags":1,"name":"a","flags":0}', '{"name":"a"}'),
    ("repeated list", POINT, '{"bucketCounts":[1],"bucketCounts":["2"]}', '{"bucketCounts":["1","2"]}'),
    ("repeated message", SPAN, '{"status":{"code":1},"status":{"message":"m"}}', '{"status":{"message":"m","code":1}}'),
    ("repeated key, blank before the colon", SPAN, '{"flags":1,"flags" :2}', '{"flags":2}'),
    ("both spellings", SPAN, '{"traceState":"a","trace_state":"b"}', '{"traceState":"b"}'),
    ("last member of a oneof", VALUE, '{"intValue":1,"stringValue":"a"}', '{"stringValue":"a"}'),
    (
        "member, other, member",
        VALUE,
        '{"arrayValue":{"values":[{}]},"intValue":1,"arrayValue":{}}',
        '{"arrayValue":{}}',
    ),
    ("strings with colons", VALUE, '{"stringValue":"::1"}', '{"stringValue":"::1"}'),
    (
        "lone surrogates",
        VALUE,
        '{"stringValue":"\\ud800\\ud83d\\ude00\\udc00"}',
        '{"stringValue":"\ufffd\U0001f600\ufffd"}',
    ),
    (
        "escapes",
        VALUE,
        '{"stringValue":"\\b\\f\\n\\r\\t\\/\\u001F\\u007f"}',
        '{"stringValue":"\\u0008\\u000c\\n\\r\\t/\\u001f\x7f"}',
    ),
    ("blanks", VALUE, ' {\t"intValue" :\r\n1 } ', '{"intValue":"1"}'),
]


@pytest.mark.parametrize(
    ("name", "text", "expected"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED]
)
def test_accepted(convert: Convert, name: str, text: str, expected: str) -> None:
    """Each spelling means the same in both codecs and is written in the one way."""
    assert convert(name, text.encode()).decode() == expected


REFUSED = [
    ("nothing", SPAN, b"", 0),
    ("no object", SPAN, b"[]", 0),
    ("more than one value", SPAN, b"{} {}", 3),
    ("byte order mark", SPAN, b"\xef\xbb\xbf{}", 0),
    ("trailing comma", SPAN, b'{"name":"a",}', 12),
    ("missing comma", SPAN, b'{"name":"a" "kind":1}', 12),
    ("unclosed", SPAN, b'{"name":"a"', 11),
    ("unclosed string", SPAN, b'{"name":"a', 10),
    ("invalid UTF-8", SPAN, b'{"name":"\xc3\xa9\xff"}', 11),
    ("invalid UTF-8 in an unknown key", SPAN, b'{"\xed\xa0\x80":1}', 2),
    ("control character", SPAN, b'{"name":"a\n"}', 10),
    ("control character after a long text", SPAN, b'{"' + b"a" * 9000 + b'\n":1}', 9002),
    ("bad escape", SPAN, b'{"name":"a\\x"}', 10),
    ("leading zero", SPAN, b'{"x":01}', 5),
    ("bare NaN", VALUE, b'{"doubleValue":NaN}', 15),
    ("overflow", VALUE, b'{"doubleValue":1e999}', 15),
    ("overflow in a string", VALUE, b'{"doubleValue":"1e999"}', 15),
    ("overflow of an unknown value", VALUE, b'{"x":1e999}', 5),
    ("hexadecimal", VALUE, b'{"doubleValue":"0x1p4"}', 15),
    ("fraction", VALUE, b'{"intValue":1.5}', 12),
    ("below the least integer", VALUE, b'{"intValue":-9223372036854775809}', 12),
    ("above the greatest integer", VALUE, b'{"intValue":"9223372036854775808"}', 12),
    ("negative unsigned", SPAN, b'{"flags":-1}', 9),
    ("signed unsigned in a string", SPAN, b'{"flags":"+1"}', 9),
    ("boolean for a number", SPAN, b'{"flags":true}', 9),
    ("number for a string", SPAN, b'{"name":1}', 8),
    ("string for a boolean", VALUE, b'{"boolValue":"true"}', 13),
    ("unknown enum name", SPAN, b'{"kind":"CLIENT"}', 8),
    ("odd hex", SPAN, b'{"traceId":"abc"}', 11),
    ("bad base64", VALUE, b'{"bytesValue":"AAE=="}', 14),
    ("object for an array", SPAN, b'{"attributes":{}}', 14),
    ("array for an object", SPAN, b'{"status":[]}', 10),
    ("null number in an array", POINT, b'{"bucketCounts":[1,null]}', 19),
    ("wrong in a repeated key", SPAN, b'{"flags":1,"flags":"x","flags":2}', 19),
    ("deep in a list", SPAN, b'{"attributes":[{},{"value":{"intValue":"x"}}]}', 39),
]


@pytest.mark.parametrize(("name", "text", "offset"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(convert: Convert, name: str, text: bytes, offset: int) -> None:
    """Each fault is refused at the same byte."""
    with pytest.raises(PayloadError) as caught:
        convert(name, text)
    assert caught.value.offset == offset


def nested(levels: int) -> bytes:
    """A value with lists within it; each takes two messages."""
    return b'{"arrayValue":{"values":[' * levels + b"{}" + b"]}}" * levels


def test_depth_limit(convert: Convert) -> None:
    """Messages below the root are counted, brackets are not."""
    assert convert(VALUE, nested(50), Limits()) == nested(50)
    with pytest.raises(PayloadError, match="nested too deeply") as caught:
        convert(VALUE, nested(50), Limits(max_depth=99))
    assert caught.value.offset == nested(50).index(b"{}")
    with pytest.raises(PayloadError, match="nested too deeply"):
        convert(VALUE, nested(51), Limits())


def test_bracket_limit(convert: Convert) -> None:
    """Unknown values may nest up to 1,024 brackets, the object around them included."""
    assert convert(VALUE, b'{"x":' + b"[" * 1023 + b"]" * 1023 + b"}") == b"{}"
    with pytest.raises(PayloadError, match="nested too deeply") as caught:
        convert(VALUE, b'{"x":' + b"[" * 1024 + b"]" * 1024 + b"}")
    assert caught.value.offset == 5 + 1023


def test_message_limit(convert: Convert) -> None:
    """Messages below the root are counted, null elements too."""
    text = b'{"attributes":[{},null,{}]}'
    assert convert(SPAN, text, Limits(max_messages=3)) == b'{"attributes":[{},{},{}]}'
    with pytest.raises(PayloadError, match="too many messages"):
        convert(SPAN, text, Limits(max_messages=2))


DOUBLES = [
    (1.0, "1"),
    (0.1, "0.1"),
    (1e-6, "0.000001"),
    (9.5e-7, "9.5e-07"),
    (1.5e-5, "0.000015"),
    (1e15, "1000000000000000"),
    (9007199254740993.0, "9007199254740992"),
    (1.2345678901234568e20, "123456789012345680000"),
    (1802980776054234.25, "1802980776054234.2"),
    (1e21, "1e+21"),
    (-1.7976931348623157e308, "-1.7976931348623157e+308"),
    (5e-324, "5e-324"),
    (-0.0, "-0"),
    (math.inf, '"Infinity"'),
]


@pytest.mark.parametrize(("value", "expected"), DOUBLES)
def test_doubles(value: float, expected: str) -> None:
    """Doubles are written as Go writes them, in both codecs."""
    message = message_class(VALUE)(double_value=value)
    text = message_to_json(message)
    assert text.decode() == f'{{"doubleValue":{expected}}}'
    assert native_round(VALUE, text) == text


def test_invalid_utf8_is_replaced_byte_by_byte() -> None:
    """Each byte that is not part of valid UTF-8 becomes U+FFFD."""
    message = message_class(VALUE)(string_value=b"a\xe2\x82b\xff\xed\xa0\x80")
    expected = '{"stringValue":"a\ufffd\ufffdb\ufffd\ufffd\ufffd\ufffd"}'
    assert message_to_json(message).decode() == expected
    native, handle = native_schema()
    root = schema.message_index()[VALUE]
    assert native.protobuf_to_json(handle, root, message.SerializeToString()).decode() == expected


def test_malformed_protobuf_is_refused_with_its_offset() -> None:
    """The native writer checks what it is given."""
    native, handle = native_schema()
    root = schema.message_index()[SPAN]
    with pytest.raises(native.ScanError) as caught:
        native.protobuf_to_json(handle, root, b"\x2a\x01a\x2a\x05a")
    assert caught.value.offset == 4

"""The values' rules: comparison, arithmetic, coercion, text forms, storage, and the boundary of kernels."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from ottl.types import (
    COMPARISONS,
    INT64_MAX,
    INT64_MIN,
    MISSING,
    Bytes,
    Duration,
    Kind,
    Map,
    NotStorableError,
    Opaque,
    RawMap,
    Slice,
    SpanID,
    Time,
    TraceID,
    TypedList,
    Value,
    add,
    as_raw,
    as_string,
    bool_like,
    bytes_like,
    compare,
    convert_argument,
    convert_elements,
    convert_result,
    divide,
    duration_text,
    equals,
    float_like,
    float_text,
    from_python,
    index_keys,
    int_like,
    kind_name,
    kind_of,
    map_member,
    multiply,
    negate,
    parse_float,
    read_keys,
    rfc3339,
    storable,
    strict_map,
    strict_slice,
    string_like,
    subtract,
    time_text,
    to_python,
)

NAN = math.nan
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (None, None, {"==", "<=", ">="}),
        (None, Bytes(b""), {"==", "<=", ">="}),
        (Bytes(b""), None, {"==", "<=", ">="}),
        (None, 0, {"!="}),
        (Bytes(b""), Bytes(b"a"), {"!="}),
        (Bytes(b"a"), Bytes(b"b"), {"!=", "<", "<="}),
        (Bytes(b"a"), b"a", {"!="}),
        (False, True, {"!=", "<", "<="}),
        (True, 1, {"!="}),
        (3, 3.0, {"==", "<=", ">="}),
        (2**53 + 1, float(2**53), {"==", "<=", ">="}),
        (NAN, NAN, {"!="}),
        (0.0, -0.0, {"==", "<=", ">="}),
        (b"\xc3\xa9", b"z", {"!=", ">", ">="}),
        (b"7", 7, {"!="}),
        (Time(1, "Europe/Paris"), Time(1), {"==", "<=", ">="}),
        (Time(1), 1, {"!="}),
        (Duration(1), Duration(2), {"!=", "<", "<="}),
        (Duration(1), 1, {"!="}),
        (TraceID(bytes(16)), TraceID(bytes(16)), {"=="}),
        (SpanID(bytes(8)), Bytes(bytes(8)), {"!="}),
        (TraceID(bytes(16)), None, {"!="}),
        (Map([(b"a", 1), (b"b", 2)]), Map([(b"b", 2), (b"a", 1)]), {"=="}),
        (Map([(b"a", 1)]), Map([(b"a", 1.0)]), {"!="}),
        (Map([(b"a", 1), (b"a", 2)]), Map([(b"a", 1), (b"a", 1)]), {"!="}),
        (Map([(b"a", 1), (b"a", 1)]), Map([(b"a", 1), (b"b", 2)]), {"=="}),
        (Map([(b"a", 1), (b"a", 2)]), RawMap([(b"a", 2)]), {"=="}),
        (Slice([3, b"a", 1.5]), [3, b"a", 1.5], {"=="}),
        (Slice([3]), [3.0], {"!="}),
        (Slice([Map([(b"a", 1)])]), [Map([(b"a", 1)])], {"!="}),
        ([Map([(b"a", 1)])], [Map([(b"a", 1)])], {"=="}),
        (Slice([NAN]), Slice([NAN]), {"!="}),
        (TypedList([b"a"], "string"), [b"a"], {"!="}),
        (TypedList([b"a"], "string"), TypedList([b"a"], "string"), {"=="}),
        (TypedList([1], "int64"), TypedList([1], "uint64"), {"!="}),
    ],
)
def test_comparison_follows_the_table(left: Value, right: Value, expected: set[str]) -> None:
    """Each pair satisfies just the operators that the reference says."""
    assert {operator for operator in COMPARISONS if compare(operator, left, right)} == expected  # type: ignore[arg-type]


def test_opaque_values_compare_by_identity() -> None:
    """Two views of one message are equal, equal messages are not."""
    one, other = [1], [1]
    assert equals(Opaque("Span.Event", True, one), Opaque("Span.Event", True, one))
    assert not equals(Opaque("Span.Event", True, one), Opaque("Span.Event", True, other))


@pytest.mark.parametrize(
    ("operation", "left", "right", "expected"),
    [
        (add, INT64_MAX, 1, INT64_MIN),
        (add, 1, 2.5, 3.5),
        (add, Time(5, "Europe/Paris"), Duration(2), Time(7)),
        (add, Duration(2), Time(5), Time(7)),
        (add, Duration(INT64_MAX), Duration(1), Duration(INT64_MIN)),
        (subtract, Time(5), Time(7), Duration(-2)),
        (subtract, Time(2**70), Time(0), Duration(INT64_MAX)),
        (subtract, Time(5), Duration(7), Time(-2)),
        (subtract, INT64_MIN, 1, INT64_MAX),
        (multiply, 2**62, 4, 0),
        (multiply, 1e308, 10, math.inf),
        (divide, -7, 2, -3),
        (divide, 7, -2, -3),
        (divide, INT64_MIN, -1, INT64_MIN),
        (divide, 1, 2.0, 0.5),
    ],
)
def test_arithmetic_gives_the_reference_results(operation: Any, left: Value, right: Value, expected: Value) -> None:
    """Integers wrap, division truncates, times and durations combine."""
    found = operation(left, right)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("operation", "left", "right"),
    [
        (divide, 1, 0),
        (divide, 1.0, 0.0),
        (add, None, 1),
        (add, 1, None),
        (add, True, 1),
        (add, b"a", b"b"),
        (add, Duration(1), 1),
        (add, Time(1), Time(1)),
        (subtract, Duration(1), Time(1)),
        (multiply, Duration(1), 2),
        (divide, Time(1), Duration(2)),
    ],
)
def test_arithmetic_refuses(operation: Any, left: Value, right: Value) -> None:
    """Division by zero and operands of other types are errors."""
    with pytest.raises(ValueError, match=r"divide by 0|arithmetic|only addition"):
        operation(left, right)


def test_negation_is_for_numbers_only() -> None:
    """The least integer negates to itself, a duration does not negate."""
    assert negate(INT64_MIN) == INT64_MIN
    assert negate(2.5) == -2.5
    with pytest.raises(ValueError, match=r"unary minus: expected int64 or float64 but got time.Duration"):
        negate(Duration(1))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff", b"\xff"),
        (Bytes(b"\x00\xff"), b"00ff"),
        (-5, b"-5"),
        (1.0, b"1"),
        (-0.0, b"-0"),
        (1e-7, b"1e-07"),
        (1e21, b"1e+21"),
        (True, b"true"),
        (Map([(b"b", 1), (b"a", b"<&>"), (b"b", 3)]), b'{"a":"\\u003c\\u0026\\u003e","b":3}'),
        (Map([(b"a", 1), (b"a b", 2)]), b'{"a b":2,"a":1}'),
        (Slice([Bytes(b""), Bytes(b"ab"), None, b"\x08\xff"]), b'[null,"YWI=",null,"\\u0008\\ufffd"]'),
        ([Map([(b"a", 1)]), 1], b"[{},1]"),
        (RawMap([(b"a", [1])]), b'{"a":[1]}'),
        (Time(SECOND + 5), b'"1970-01-01T00:00:01.000000005Z"'),
        (Duration(SECOND), b"1000000000"),
        (SpanID(bytes(range(8))), b"[0,1,2,3,4,5,6,7]"),
        (None, None),
    ],
)
def test_string_like_writes_json_as_the_reference(value: Value, expected: bytes | None) -> None:
    """Bytes are hex, JSON is HTML-escaped, and its keys are ordered as they are written."""
    assert string_like(value) == expected


@pytest.mark.parametrize("value", [NAN, math.inf, Slice([NAN]), Time(-(10**30))])
def test_string_like_refuses_what_json_cannot_hold(value: Value) -> None:
    """Not-a-number, infinities and years beyond 9999 have no JSON."""
    with pytest.raises(ValueError, match="unsupported type"):
        string_like(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b""),
        (Bytes(b"ab"), b"YWI="),
        (1e-7, b"1e-7"),
        (-math.inf, b"-Infinity"),
        (Slice([b"<\x08", 1e-7]), b'["<\\b",1e-7]'),
        (Slice([NAN]), b""),
        (Map([(b"a", 1), (b"a b", 2)]), b'{"a":1,"a b":2}'),
    ],
)
def test_as_string_is_the_display_form(value: Value, expected: bytes) -> None:
    """Bytes are base64, JSON is not HTML-escaped, exponents are short."""
    assert as_string(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1e-6, "0.000001"), (1e20, "100000000000000000000"), (5e-324, "5e-324"), (0.1, "0.1"), (-1.5e22, "-1.5e+22")],
)
def test_float_text_switches_to_exponents_at_its_bounds(value: float, expected: str) -> None:
    """Plain digits from 1e-6 up to 1e21."""
    assert float_text(value, pad_exponent=False) == expected


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (int_like, b"+012", 12),
        (int_like, -2.9, -2),
        (int_like, NAN, INT64_MIN),
        (int_like, 1e30, INT64_MIN),
        (int_like, True, 1),
        (int_like, b"-9223372036854775808", INT64_MIN),
        (float_like, b"1_0", 10.0),
        (float_like, b"0x1p-2", 0.25),
        (float_like, b"-Inf", -math.inf),
        (float_like, False, 0.0),
        (bool_like, b"T", True),
        (bool_like, NAN, True),
        (bool_like, -0.0, False),
        (bytes_like, 255, b"\x00\x00\x00\x00\x00\x00\x00\xff"),
        (bytes_like, 1.0, b"\x3f\xf0\x00\x00\x00\x00\x00\x00"),
        (bytes_like, True, b"\x01"),
        (bytes_like, None, None),
    ],
)
def test_likes_convert(convert: Any, value: Value, expected: Any) -> None:
    """Other types are converted as the reference does."""
    found = convert(value)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (int_like, b"1.0"),
        (int_like, b" 1"),
        (int_like, b"9223372036854775808"),
        (int_like, "٣".encode()),
        (int_like, Bytes(b"1")),
        (float_like, b"+nan"),
        (float_like, b"1e400"),
        (float_like, b"0x1"),
        (float_like, b"1__0"),
        (bool_like, b"yes"),
        (bool_like, Map()),
        (bytes_like, TraceID(bytes(16))),
    ],
)
def test_likes_refuse(convert: Any, value: Value) -> None:
    """Texts that the reference cannot read and types without a conversion are errors."""
    with pytest.raises(ValueError, match=r"invalid syntax|out of range|unsupported type"):
        convert(value)


def test_parse_float_does_not_round_long_inputs_twice() -> None:
    """A halfway decimal goes to even."""
    assert parse_float(b"9007199254740993") == 9007199254740992.0


@pytest.mark.parametrize(
    ("time", "json", "text"),
    [
        (Time(1_500_000_000), "1970-01-01T00:00:01.5Z", "1970-01-01 00:00:01.5 +0000 UTC"),
        (Time(-1), "1969-12-31T23:59:59.999999999Z", "1969-12-31 23:59:59.999999999 +0000 UTC"),
        (Time(951_782_400 * SECOND), "2000-02-29T00:00:00Z", "2000-02-29 00:00:00 +0000 UTC"),
        (Time(0, "Europe/Paris"), "1970-01-01T01:00:00+01:00", "1970-01-01 01:00:00 +0100 CET"),
        (Time(0, "-03:30"), "1969-12-31T20:30:00-03:30", "1969-12-31 20:30:00 -0330 -0330"),
    ],
)
def test_times_are_written_in_their_zone(time: Time, json: str, text: str) -> None:
    """Fractions lose trailing zeros, leap days and zones count."""
    assert (rfc3339(time), time_text(time)) == (json, text)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0s"),
        (1, "1ns"),
        (-1500, "-1.5µs"),
        (1_050_000, "1.05ms"),
        (90 * SECOND, "1m30s"),
        (3600 * SECOND + 1, "1h0m0.000000001s"),
        (INT64_MIN, "-2562047h47m16.854775808s"),
    ],
)
def test_duration_text(nanoseconds: int, expected: str) -> None:
    """The largest unit that fits, below a second a fraction of one."""
    assert duration_text(nanoseconds) == expected


def test_storable_converts_lists_and_plain_maps() -> None:
    """Lists become slices all the way down, `[]uint64` has no place."""
    found = storable([TypedList([1], "int64"), [None, RawMap([(b"a", [1])])]])
    assert type(found) is Slice
    assert type(found[1]) is Slice
    assert to_python(found) == [[1], [None, {"a": [1]}]]
    with pytest.raises(NotStorableError, match=r"unsupported type \[\]uint64"):
        storable(TypedList([1], "uint64"))


def test_only_the_last_bad_element_is_reported() -> None:
    """An earlier one becomes nil in silence; a reported one leaves the list in the slot."""
    assert storable([Time(0), 1]) == Slice([None, 1])
    with pytest.raises(NotStorableError) as failure:
        storable([1, Time(0)])
    assert failure.value.partial == Slice([1, None])
    with pytest.raises(NotStorableError) as scalar:
        storable(Time(0))
    assert scalar.value.partial is MISSING


def test_map_literals_are_stricter_than_slots() -> None:
    """A payload list is no member of a map literal, a list literal with a map is."""
    assert to_python(map_member([Map([(b"a", 1)])])) == [{"a": 1}]
    with pytest.raises(ValueError, match=r"invalid value type pcommon\.Slice"):
        map_member(Slice([1]))


def test_strict_slice_takes_lists_without_maps() -> None:
    """Unsigned integers wrap, a map in a list literal is an error."""
    assert strict_slice(TypedList([2**64 - 1], "uint64")) == [-1]
    with pytest.raises(ValueError, match=r"invalid value type pcommon\.Map"):
        strict_slice([Map()])
    assert strict_map(RawMap([(b"a", [1])])).entries == [(b"a", Slice([1]))]


def test_reading_keys_and_indexing_results_differ() -> None:
    """A missing key is nil through a path and an error on a result."""
    value = Map([(b"a", Slice([1, Map([(b"b", 2)])]))])
    assert read_keys(value, [b"a", 1, b"b"]) == 2
    assert read_keys(value, [b"x", 0]) is None
    assert index_keys(value, [b"a", 0]) == 1
    assert index_keys(TypedList([b"x"], "string"), [0]) == b"x"
    keys: Any
    for keys, message in (([b"x"], "key not found"), ([b"a", 5], "out of bounds"), ([0], "int indexing")):
        with pytest.raises(ValueError, match=message):
            index_keys(value, keys)
    for keys, message in (([b"a", -1], "out of bounds"), ([b"a", 0, b"x"], "type Int does not"), ([1], "string key")):
        with pytest.raises(ValueError, match=message):
            read_keys(value, keys)


def test_raw_form_keeps_the_last_of_repeated_keys() -> None:
    """The plain form of a map has each key once."""
    found = as_raw(Map([(b"a", 1), (b"a", Slice([2]))]))
    assert (type(found), found.entries) == (RawMap, [(b"a", [2])])


def test_kinds_and_names() -> None:
    """Kinds go by the exact type, names are the reference's."""
    assert kind_of(Bytes(b"")) is Kind.BYTES
    assert kind_of(Duration(1)) is Kind.DURATION
    assert kind_name(TypedList([], "string")) == "[]string"
    assert kind_name(Opaque("opentelemetry.proto.trace.v1.Span.Event", True, [])) == "ptrace.SpanEventSlice"


def test_python_objects_round_trip() -> None:
    """Text may hold invalid UTF-8, bytes stay apart from text."""
    plain = {"a": ["x\udcff", b"\x00", 1, 2.5, None, {"b": True}]}
    assert to_python(from_python(plain)) == plain
    for bad in (1 << 63, "\ud800", object()):
        with pytest.raises(ValueError, match=r"64 bits|surrogates|no OTTL value"):
            from_python(bad)


def test_typed_lists_pickle() -> None:
    """The element type survives."""
    assert pickle.loads(pickle.dumps(TypedList([1], "uint64"))).element == "uint64"


def test_arguments_are_converted_at_the_boundary() -> None:
    """Strict, like, raw and nil each do what the signature says."""
    assert convert_argument(Kind.STRING)(b"\xff") == "\udcff"
    assert convert_argument(Kind.STRING, raw=True)(b"\xff") == b"\xff"
    assert convert_argument(Kind.STRING, like=True)(1.0) == "1"
    assert convert_argument(Kind.INT, nil=True)(None) is None
    assert convert_argument(Kind.TRACE_ID)(TraceID(bytes(16))) == bytes(16)
    assert convert_argument(Kind.ANY)(None) is None
    for converter, value, message in (
        (convert_argument(Kind.STRING), 1, "expected string but got int64"),
        (convert_argument(Kind.INT), True, "expected int64 but got bool"),
        (convert_argument(Kind.INT, like=True), None, "expected int64 but got nil"),
        (convert_argument(Kind.TRACE_ID), Bytes(bytes(16)), "expected pcommon.TraceID"),
    ):
        with pytest.raises(ValueError, match=message):
            converter(value)


def test_elements_of_runtime_lists_read_as_payload_values() -> None:
    """As strings, bytes are base64 and nil is empty; of a plain list nil is nil."""
    elements = convert_elements(Kind.STRING, like=True, raw=True, nil=True)
    assert elements(Slice([None, Bytes(b"ab"), 1e-7])) == [b"", b"YWI=", b"1e-7"]
    assert elements([None, Bytes(b"ab"), 1e-7]) == [None, b"6162", b"1e-07"]
    assert elements(None) == []
    with pytest.raises(ValueError, match=r"expected a slice"):
        elements(b"text")


def test_results_are_converted_at_the_boundary() -> None:
    """Text is encoded, integers must fit, bytes of an untyped result are a string."""
    assert convert_result(Kind.STRING)("é\udcff") == b"\xc3\xa9\xff"
    assert type(convert_result(Kind.BYTES)(b"a")) is Bytes
    assert convert_result(Kind.DOUBLE)(1) == 1.0
    assert convert_result(Kind.ANY)(b"a") == b"a"
    assert to_python(convert_result(Kind.ANY)(["a", {"b": 1}])) == ["a", {"b": 1}]
    with pytest.raises(ValueError, match="64 bits"):
        convert_result(Kind.INT)(1 << 64)

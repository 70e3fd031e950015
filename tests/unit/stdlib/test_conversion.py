"""Type tests, emptiness and length, where the examples of the functions leave off."""

from __future__ import annotations

import pytest

from ottl.functions import Function
from ottl.stdlib import conversion
from ottl.types import Bytes, Duration, Map, Opaque, RawMap, Slice, SpanID, Time, TraceID, TypedList, Value

EVENTS = Opaque("opentelemetry.proto.trace.v1.Span.Event", True, [1, 2])
STATUS = Opaque("opentelemetry.proto.trace.v1.Status", False, object())
SAMPLES = Opaque("opentelemetry.proto.profiles.v1development.Sample", True, [1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Slice(), True),
        ([], True),
        (TypedList([], "float64"), True),
        (TypedList([], "uint64"), False),
        (TypedList([], "time"), False),
        (EVENTS, True),
        (SAMPLES, False),
        (STATUS, False),
        (Bytes(b""), False),
        (Map(), False),
    ],
)
def test_is_list(value: Value, expected: bool) -> None:
    """Unsigned integers, bytes and parts of profiles are no lists."""
    assert conversion.is_list(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.0, True),
        (Bytes(b""), True),
        (Duration(0), True),
        (TraceID(bytes(16)), True),
        (SpanID(bytes(7) + b"\x01"), False),
        (Time(0), False),
        (Time(-62_135_596_800 * 10**9), True),
        (Slice([None]), False),
        (RawMap(), True),
        (Opaque("opentelemetry.proto.trace.v1.Span.Event", True, []), False),
    ],
)
def test_is_empty(value: Value, expected: bool) -> None:
    """The zero of a type is empty, the epoch and parts of the payload are not."""
    assert conversion.is_empty(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Bytes(b"ab"), 2), (Map([(b"a", 1), (b"a", 2)]), 2), (TypedList([b"a"], "string"), 1), (EVENTS, 2)],
)
def test_len(value: Value, expected: int) -> None:
    """Repeated keys count, messages of a repeated field too."""
    assert conversion.length(value) == expected


@pytest.mark.parametrize("value", [TraceID(bytes(16)), STATUS, SAMPLES, True, Time(0)])
def test_len_refuses(value: Value) -> None:
    """Identifiers and single messages have no length."""
    with pytest.raises(ValueError, match="len: unsupported type"):
        conversion.length(value)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (conversion.is_int, Duration(1)),
        (conversion.is_int, True),
        (conversion.is_string, Bytes(b"")),
        (conversion.is_string, TraceID(bytes(16))),
        (conversion.is_map, Slice()),
    ],
)
def test_subtypes_are_other_types(function: Function, value: Value) -> None:
    """A duration is no integer, bytes are no string."""
    assert function(value) is False

"""`Format` against answers of the reference (`tests/fixtures/format.jsonl`), its limit, and addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ottl.stdlib.formatting import format_text, format_values
from ottl.types import Bytes, Duration, Map, RawMap, Slice, SpanID, Time, TraceID, TypedList, Value

FIXTURE = Path(__file__).parents[2] / "fixtures" / "format.jsonl"
CASES = [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").split("\n") if line]

READERS: dict[str, Any] = {
    "float": float,
    "string": bytes.fromhex,
    "bytes": lambda text: Bytes(bytes.fromhex(text)),
    "time": Time,
    "duration": Duration,
    "trace_id": lambda text: TraceID(bytes.fromhex(text)),
    "span_id": lambda text: SpanID(bytes.fromhex(text)),
    "strings": lambda items: TypedList([item.encode() for item in items], "string"),
}


def read(written: Any) -> Value:
    """A value as the fixture writes it."""
    match written:
        case str():
            return written.encode()
        case list():
            return [read(item) for item in written]
        case dict():
            ((kind, content),) = written.items()
            return READERS[kind](content)  # type: ignore[no-any-return]
        case _:
            return written  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["layout"])
def test_format_prints_as_the_reference(case: dict[str, Any]) -> None:
    """Flags, widths, indexes, wrong verbs and wrong arguments."""
    values = tuple(read(value) for value in case["values"])
    assert format_values(case["layout"], values) == read(case["result"])


@pytest.mark.parametrize(
    ("layout", "value", "expected"),
    [
        ("%s", Map([(b"a", 1)]), '{"a":1}'),
        ("%v", Slice([b"<", None]), '["<",null]'),
        ("%d", Slice([1]), "%!d(pcommon.Slice=[1])"),
        ("%v", RawMap([(b"b", None), (b"a", 1)]), "map[a:1 b:<nil>]"),
        ("%#v", RawMap([(b"a", b"x")]), 'map[string]interface {}{"a":"x"}'),
        ("%v", TypedList([1, 2**64 - 1], "uint64"), "[1 18446744073709551615]"),
        ("%#v", TypedList([10], "uint64"), "[]uint64{0xa}"),
        ("%v", Time(0, "Europe/Paris"), "1970-01-01 01:00:00 +0100 CET"),
        ("%p", [1], "0x0"),
    ],
)
def test_format_of_what_the_reference_shows_as_addresses(layout: str, value: Value, expected: str) -> None:
    """Parts of the payload read as their contents, plain maps by sorted keys."""
    assert format_text(layout, [value]) == expected


@pytest.mark.parametrize(
    ("layout", "values"),
    [
        ("%9999999d%9999999d", [1, 1]),
        ("%1000000d", [[1] * 20]),
        ("%.9999999f%.9999999f", [1.0, 1.0]),
        ("%9999999x%-9999999x", [b"", b"a"]),
        ("%[1]s%[1]s", [bytes(9 << 20)]),
    ],
)
def test_format_refuses_long_results(layout: str, values: list[Value]) -> None:
    """The limit holds for paddings, precisions and lists of padded elements."""
    with pytest.raises(ValueError, match="the result is longer"):
        format_text(layout, values)


def test_numbers_that_are_too_long_are_no_width() -> None:
    """As in the reference, the rest of the layout is lost."""
    assert format_text("a%999999999d b", [1]) == "a%!(NOVERB)%!(EXTRA int64=1)"

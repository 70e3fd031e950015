"""The native executor: what it takes, what it declines, and that it does what the rows executor does."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    MetricsData,
)
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

import ottl
from ottl import StatementError, engine
from tests.conftest import CLOCK, log_attributes, logs

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

MIXED: list[dict[str, Any]] = [
    {"n": 1, "s": "Straße", "t": "a b"},
    {"n": 2.5, "s": "", "t": "x=1 y=2"},
    {"n": "7", "s": "ABC", "m": {"k": {"i": 1}}, "t": '{"a": {"b": [1, {"c": null}]}, "n": 4, "u": "\\u00e9"}'},
    {"n": True, "s": 5, "t": "[1]"},
    {"s": b"\xff", "t": "u=1 u='2 3' v="},
    {"n": "x", "t": None},
]


def both(*statements: str, error_mode: str = "ignore", records: list[dict[str, Any]] | None = None) -> Any:
    """A transform of log records on both stacks: what each made, and the fast one."""
    config = {"error_mode": error_mode, "log_statements": [{"context": "log", "statements": list(statements)}]}
    data = logs(*(MIXED if records is None else records), resource={"r": "x"})
    found = []
    for stack in ("fast", "plain"):
        transform = ottl.Transform(config, stack=stack)
        found.append((log_attributes(transform.process(data, signal="logs")), transform))
    (fast, transform), (plain, other) = found
    assert fast == plain
    told = [[(s.matched, s.errors, s.first_error) for s in t.stats()] for t in (transform, other)]
    assert told[0] == told[1]
    return fast, transform


def segments(transform: Any) -> list[tuple[int, int]]:
    """Which of the statements of the only group run natively."""
    (program,) = transform._tables.values()
    (lowered,) = program._lowered.values()
    return [(s.start, s.end) for s in lowered.segments.values()]


@pytest.mark.parametrize(
    "statement",
    [
        'set(log.attributes["x"], log.attributes["n"]) where log.attributes["n"] > 1 and log.attributes["s"] != nil',
        'set(log.attributes["x"], log.attributes["n"] * 2 + 1 - log.attributes["n"] / 2)',
        'set(log.attributes["x"], Concat([log.attributes["n"], log.attributes["s"], nil], "-"))',
        'set(log.attributes["x"], ToUpperCase(log.attributes["s"])) where not IsString(log.attributes["n"])',
        'set(log.attributes["x"], SHA256(ToLowerCase(log.attributes["s"])))',
        'set(log.attributes["x"], TrimSuffix(TrimPrefix(Trim(log.attributes["t"]), "x"), "2"))',
        'set(log.attributes["x"], Len(log.attributes["m"])) where IsMap(log.attributes["m"])',
        'set(log.attributes["x"], Int(log.attributes["n"]))',
        'set(log.attributes["x"], Double(log.attributes["n"]))',
        'set(log.attributes["x"], String(log.attributes["n"]))',
        'set(log.attributes["x"], IsEmpty(log.attributes["s"]))',
        'set(log.attributes["x"], log.attributes["m"]["k"]["i"])',
        'set(log.attributes["x"], Milliseconds(log.time - log.observed_time))',
        'set(log.attributes["x"], UnixNano(log.time) + 5)',
        'set(log.attributes["x"], log.trace_id.string)',
        'set(log.body, log.attributes["t"]) where IsMatch(log.attributes["t"], "^[a-z]")',
        'set(log.severity_number, log.attributes["n"])',
        'set(log.severity_text, log.attributes["s"])',
        'replace_pattern(log.attributes["s"], "(.)B", "$1$1")',
        'replace_pattern(log.attributes["s"], "A", "b", replacement_format=log.attributes["n"])',
        'replace_all_patterns(log.attributes, "value", "[a-z]", "<$0>")',
        'keep_keys(log.attributes, ["n", "t", "none"])',
        'limit(log.attributes, 2, ["t", "none"])',
        "limit(log.attributes, 1, [])",
        "limit(log.attributes, 9, [])",
        'delete_matching_keys(log.attributes, "^[mn]$")',
        'keep_matching_keys(log.attributes, "^[mn]$")',
        'delete_key(log.attributes, "s")',
        "truncate_all(log.attributes, 2)",
        'truncate_all(log.attributes, 4, true, "..")',
        "flatten(log.attributes)",
        'flatten(log.attributes, "p", 1, true)',
        'merge_maps(log.attributes, ParseJSON(log.attributes["t"]), "upsert")',
        'merge_maps(log.attributes, ParseJSON(log.attributes["t"]), "update")',
        'merge_maps(log.attributes, ParseKeyValue(log.attributes["t"]), "insert")',
        'merge_maps(log.attributes, ExtractPatterns(log.attributes["t"], "(?P<first>\\\\w)(?P<n>\\\\d)?"), "upsert")',
        'set(log.attributes["x"], ExtractGrokPatterns(log.attributes["t"], "%{WORD:w}=%{INT:i:int}", true))',
        'set(log.attributes["x"], ParseKeyValue(log.attributes["t"]))',
        'set(log.attributes["x"], 1) where resource.attributes["r"] == "x" or HasPrefix(log.attributes["s"], "A")',
    ],
)
def test_both_agree(statement: str) -> None:
    """Values of every kind, the ones that are errors too, come out as in the rows executor."""
    both(statement, 'set(log.attributes["after"], true)')


TEXTS: list[Any] = [
    "",
    "a,b,,c",
    "héllo, wörld",
    'q"uote',
    "tab\there",
    "12",
    "true",
    "1h2m3.5s",
    "-1.5µs",
    "0",
    "1d",
    "aGVsbG8=",
    "aGk",
    "AB==",
    "0001020304050607",
    "000102030405060708090a0b0c0d0e0f",
    "sixteen-bytes-id",
    "2024-02-29T12:34:56Z",
    "2023-02-29T12:34:56Z",
    "1969-12-31T23:59:59Z",
    "9999-12-31T00:00:00Z",
    1,
    -42,
    0.0,
    -0.0,
    2.5,
    1e-7,
    1e21,
    float("inf"),
    False,
    None,
    b"\xff",
    [1, 2.0, "a", None],
    {"k": "v", "n": {"d": 1}},
]


@pytest.mark.parametrize(
    "value",
    [
        'Substring(log.attributes["s"], log.attributes["n"], 3)',
        'Substring(log.attributes["s"], 1, log.attributes["n"], true)',
        'Split(log.attributes["s"], ",")',
        'Split(log.attributes["s"], "")',
        'Split(log.attributes["s"], ", ")',
        'Split(log.attributes["s"], ",")[log.attributes["n"]]',
        'Len(Split(log.attributes["s"], ","))',
        'IsList(Split(log.attributes["s"], ","))',
        'IsEmpty(Split(log.attributes["s"], ""))',
        'String(Split(log.attributes["s"], ","))',
        'ContainsValue(Split(log.attributes["s"], ","), "b")',
        'Index(log.attributes["s"], log.attributes["n"])',
        'Index(log.attributes["s"], "l")',
        'ContainsValue(log.attributes["s"], log.attributes["n"])',
        'ContainsValue(log.attributes["s"], nil)',
        'Keys(log.attributes["s"])',
        'Values(log.attributes["s"])',
        'ParseJSON(log.attributes["s"])["k"]',
        'Format("%s %d %v%% é", [log.attributes["s"], log.attributes["n"], log.attributes["s"]])',
        'Format("%-7s|%05d|%6v|%-05d", [log.attributes["s"], log.attributes["n"], log.attributes["s"], 3])',
        'Format("%q %x %t", [log.attributes["s"], log.attributes["s"], log.attributes["n"]])',
        'Format("%.2f %08.1f %f", [log.attributes["s"], log.attributes["n"], log.attributes["s"]])',
        'Hex(log.attributes["s"])',
        'Bool(log.attributes["s"])',
        'Murmur3Hash(log.attributes["s"])',
        'Base64Encode(log.attributes["s"])',
        'Base64Encode(log.attributes["s"], "base64-raw-url")',
        'Decode(log.attributes["s"], "base64")',
        'Decode(log.attributes["s"], "base64-raw-url")',
        'IsEmpty(TraceID(log.attributes["s"]))',
        'IsEmpty(SpanID(log.attributes["s"]))',
        'Nanoseconds(Duration(log.attributes["s"]))',
        'Seconds(Duration(log.attributes["s"]))',
        'UnixNano(Unix(log.attributes["n"], log.attributes["s"]))',
        'UnixNano(Time(log.attributes["s"], "%Y-%m-%dT%H:%M:%SZ"))',
        'FormatTime(Time(log.attributes["s"], "%FT%TZ"), "%y %o %q %b %B %e %g %a %A %l %I %p %P %Z %z %w %j %c é%%")',
        'FormatTime(Unix(log.attributes["n"], 120000), "%Y %m-%d %T.%L %T,%s")',
        'String(log.attributes["s"])',
        'Concat([log.attributes["s"], log.attributes["n"]], "-")',
    ],
)
def test_calls_of_all_kinds(value: str) -> None:
    """Calls run natively, and give what their scalar kernels give, failures included."""
    records = [{"s": text, "n": n} for text in TEXTS for n in (0, 2, "l", 2.0)]
    _, transform = both(f'set(log.attributes["x"], {value})', 'set(log.attributes["after"], true)', records=records)
    assert segments(transform) == [(0, 2)]


PAIRS: list[Any] = [
    "a=1 b='x y' c=é",
    "é=ü ß=\u3000 \u00a0=1",
    " \u3000a = b\u2003 \u0085",
    'a=\u200a\u200b\u1680 b=\\"é',
    "a='é\u3000b' é=1 é=2",
    "a=\0é b='\0'",
    "日=本·日=本",
    "a=1·b=é",
    b"a=\xe9 b=1",
    "a=é b",
    "é",
    "'é",
]


@pytest.mark.parametrize("delimiters", ["", ', "="', ', "é"', ', "=", "·"', ', "=", "é "', ', "\u00a0", "\u3000"'])
@pytest.mark.parametrize("action", ['set(log.attributes["x"], {})', 'merge_maps(log.attributes, {}, "upsert")'])
def test_pairs_beyond_ascii(delimiters: str, action: str) -> None:
    """Characters are no place to divide at, and all blanks of Unicode are dropped."""
    records = [{"s": text, "a": "a"} for text in PAIRS]
    both(action.format(f'ParseKeyValue(log.attributes["s"]{delimiters})'), records=records)


def test_pairs_beyond_ascii_run_natively() -> None:
    """They are not left to the scalar kernel."""
    statement = 'set(log.attributes["x"], ParseKeyValue(log.attributes["s"]))'
    transform = ottl.Transform({"log_statements": [statement]}, stack="fast")
    data = logs({"s": "a=1 b='é x' ü=\u3000"})
    transform.process(data, signal="logs")
    (program,) = transform._tables.values()
    assert program.run_stream(data, ottl.Limits(), None) is not None


IDS: list[Any] = [
    "000102030405060708090a0b0c0d0e0f",
    "0" * 32,
    "0" * 16,
    "0001020304050607",
    b"\0" * 16,
    b"\1" * 8,
    "x",
    1,
]


@pytest.mark.parametrize("operator", ["==", "!=", "<", ">="])
@pytest.mark.parametrize("other", ["nil", '"a"', 'log.attributes["n"]', "log.trace_id", "log.span_id", "log.time"])
def test_ids_compare_with_all_kinds(operator: str, other: str) -> None:
    """An id is unequal to what is none of its kind, and has no order."""
    records = [{"s": text, "n": n} for text in IDS for n in (None, 1, b"\0" * 16)]
    for name in ("TraceID", "SpanID"):
        _, transform = both(
            f'set(log.attributes["x"], 1) where {name}(log.attributes["s"]) {operator} {other}', records=records
        )
        assert segments(transform) == [(0, 1)]


def test_new_identifiers() -> None:
    """Each row has its own, random, of version 4; a statement has its own too."""
    statements = ('set(log.attributes["x"], UUID())', 'set(log.attributes["y"], UUID())')
    transform = ottl.Transform({"log_statements": list(statements)}, stack="fast")
    rows = log_attributes(transform.process(logs(*({"n": n} for n in range(300))), signal="logs"))
    assert segments(transform) == [(0, 2)]
    found = [uuid.UUID(row[key]) for row in rows for key in "xy"]
    assert all(one.version == 4 and one.variant == uuid.RFC_4122 for one in found)
    assert [str(one) for one in found] == [row[key] for row in rows for key in "xy"]
    assert len(set(found)) == 600
    ones = [sum(one.int >> bit & 1 for one in found) for bit in range(128)]
    assert sorted(n for n in ones if not 200 < n < 400) == [0] * 4 + [600] * 2


def test_the_systems_clock() -> None:
    """It is read once a row, as times go on."""
    statements = [f'set(log.attributes["{key}"], UnixNano(Now()))' for key in "xy"]
    transform = ottl.Transform({"log_statements": statements}, stack="fast")
    before = time.time_ns()
    rows = log_attributes(transform.process(logs(*({"n": n} for n in range(200))), signal="logs"))
    assert segments(transform) == [(0, 2)]
    times = [row[key] for row in rows for key in "xy"]
    assert before <= min(times) <= max(times) <= time.time_ns()
    assert len(set(times)) > 1


@pytest.mark.parametrize("stack", ["fast", "plain"])
def test_clock_and_identifiers_of_others(stack: Any) -> None:
    """Injected ones are asked once a row; a text without a year means theirs."""
    ids, ticks = iter(range(9)), iter(range(CLOCK, CLOCK + 9))
    statements = ['set(log.attributes["x"], UUID())', 'set(log.attributes["t"], UnixNano(Now()))']
    transform = ottl.Transform(
        {"log_statements": statements}, stack=stack, uuid=lambda: f"id-{next(ids)}", clock=lambda: next(ticks)
    )
    rows = log_attributes(transform.process(logs({}, {}, {}), signal="logs"))
    assert [(row["x"], row["t"] - CLOCK) for row in rows] == [("id-0", 0), ("id-1", 1), ("id-2", 2)]
    dated = 'set(log.attributes["t"], FormatTime(Time(log.attributes["s"], "%b %d", "UTC"), "%Y"))'
    transform = ottl.Transform({"log_statements": [dated]}, stack=stack, clock=lambda: CLOCK)
    rows = log_attributes(transform.process(logs({"s": "Nov 15"}, {"s": "Dec 25"}), signal="logs"))
    assert [row["t"] for row in rows] == ["2023", "2022"]


def test_long_lists_are_refused() -> None:
    """A list of more elements than are allowed is not made."""
    config = {"error_mode": "ignore", "log_statements": ['set(log.attributes["x"], Split(log.attributes["s"], ","))']}
    limits = ottl.Limits(max_items=3)
    data = logs({"s": "a,b,c"}, {"s": "a,b,c,d"})
    for stack in ("fast", "plain"):
        transform = ottl.Transform(config, stack=stack, limits=limits)
        found = log_attributes(transform.process(data, signal="logs"))
        assert [record.get("x") for record in found] == [["a", "b", "c"], None]
        assert [s.errors for s in transform.stats()] == [1]


def test_what_runs_natively() -> None:
    """Statements are taken in runs; one that is not known in full divides them."""
    _, transform = both(
        'set(log.attributes["a"], SHA256(log.attributes["t"]))',
        'delete_key(log.attributes, "s")',
        'set(log.attributes["b"], Format("%+v", [log.attributes["a"]]))',
        'set(log.attributes["c"], log.attributes["b"])',
    )
    assert segments(transform) == [(0, 2), (3, 4)]


def test_declined_rows_meet() -> None:
    """Rows that are left to the columns executor go on in order, and failures are told from the first row on."""
    records: list[dict[str, Any]] = [{"a": 1, "b": 1}, {"a": "x", "b": 1}, {"a": 1, "b": "x"}, {"a": "x", "b": "y"}]
    found, transform = both(
        'set(log.attributes["c"], SHA1(log.attributes["a"]))',
        'set(log.attributes["d"], SHA1(log.attributes["b"]))',
        'set(log.attributes["e"], Concat([IsString(log.attributes["c"]), IsString(log.attributes["d"])], ","))',
        records=records,
    )
    assert [record["e"] for record in found] == ["false,false", "true,false", "false,true", "true,true"]
    assert [s.errors for s in transform.stats()] == [2, 2, 0]
    assert segments(transform) == [(0, 3)]


@pytest.mark.parametrize("first", [0, 1])
def test_propagated_failures(first: int) -> None:
    """Under `propagate` the failure of the first row is raised, whichever statement it is of."""
    records: list[dict[str, Any]] = [{"a": "x", "b": "x"}, {"a": "x", "b": 1}, {"a": 1, "b": "x"}]
    statements = ['set(log.attributes["c"], SHA1(log.attributes["a"]))', 'delete_key(log.attributes, "zz")']
    statements.insert(first, 'set(log.attributes["d"], SHA1(log.attributes["b"]))')
    config = {"error_mode": "propagate", "log_statements": [{"context": "log", "statements": statements}]}
    raised = []
    for stack in ("fast", "plain"):
        with pytest.raises(StatementError) as caught:
            ottl.Transform(config, stack=stack).process(logs(*records), signal="logs")
        raised.append((str(caught.value), caught.value.row, caught.value.statement))
    assert raised[0] == raised[1]
    assert raised[0][1:] == (1, statements[first])


def test_conditions_of_filters() -> None:
    """Conditions run natively too; a row on which one fails is kept, and the failure is counted."""
    config = {"error_mode": "ignore", "log_conditions": ['SHA1(log.attributes["a"]) != nil', 'log.attributes["b"] > 1']}
    records: list[dict[str, Any]] = [{"a": "x"}, {"a": 1}, {"a": 1, "b": 2}, {"b": 1}]
    kept = []
    for stack in ("fast", "plain"):
        found = ottl.Filter(config, stack=stack)
        kept.append((log_attributes(found.process(logs(*records), signal="logs")), [s.errors for s in found.stats()]))
    assert kept[0] == kept[1] == ([{"a": 1}, {"b": 1}], [3, 0])


def test_rows_of_all_layouts() -> None:
    """Keys are found, set and taken away in rows that have them in any order, twice, or not at all."""
    keys = ["n", "s", "t", "u", "v"]
    orders = [keys[start:] + keys[:start][::-1] for start in range(5)] + [keys[:n] for n in range(5)]
    records: list[dict[str, str | int]] = [
        {"q": "k1=1 k2=2 u=3"} | {key: (n * 7 + at) % 3 for at, key in enumerate(order)}
        for n, order in enumerate(orders * 15)
    ]
    _, transform = both(
        'set(log.attributes["a"], 1) where log.attributes["n"] == 1',
        'set(log.attributes["b"], log.attributes["u"])',
        'set(log.attributes["t"], log.attributes["s"]) where log.attributes["v"] != nil',
        'delete_key(log.attributes, "u") where log.attributes["n"] == 2',
        'set(log.attributes["u"], log.attributes["b"]) where log.attributes["a"] == nil',
        'merge_maps(log.attributes, ParseKeyValue(log.attributes["q"]), "insert") where log.attributes["u"] < 1',
        'set(log.attributes["k2"], log.attributes["k1"])',
        'keep_keys(log.attributes, ["a", "u", "k2", "s"]) where log.attributes["t"] == 1',
        'set(log.attributes["n"], log.attributes["u"])',
        'set(log.attributes["a"], 2)',
        records=records,
    )
    assert segments(transform) == [(0, 10)]


def test_the_same_pair_in_several_fields() -> None:
    """Attributes with the same key and value are written with the number of each message's own field."""
    agree("datapoint", ['set(datapoint.attributes["same"], "value")', 'set(datapoint.attributes["n"], 1)'])


SHARED = [
    # A store in some rows makes only those rows compute again what was read of the same place.
    [
        'set(log.attributes["a"], Len(log.attributes["s"]) + 1) where log.attributes["n"] == 1',
        'set(log.attributes["s"], "longer") where log.attributes["n"] == 2.5 or log.attributes["n"] == "7"',
        'set(log.attributes["b"], Len(log.attributes["s"]) + 1)',
        'set(log.attributes["c"], Len(log.attributes["s"]) + 1) where log.attributes["n"] != 1',
    ],
    [
        'set(log.attributes["a"], 1) where log.attributes["s"] == "ABC"',
        'delete_matching_keys(log.attributes, "^s$") where log.attributes["n"] != 1',
        'set(log.attributes["b"], 1) where log.attributes["s"] == "ABC"',
        'set(log.attributes["c"], 1) where not (log.attributes["s"] == "ABC")',
        'set(log.attributes["d"], 1) where log.attributes["s"] == "Stra\u00dfe"',
    ],
    [
        'set(log.attributes["a"], ParseJSON(log.attributes["t"])["n"]) where IsMatch(log.attributes["t"], "a")',
        'merge_maps(log.attributes, ParseJSON(log.attributes["t"]), "upsert") where IsMatch(log.attributes["t"], "a")',
        'set(log.attributes["b"], ParseJSON(log.attributes["t"])["u"]) where IsMatch(log.attributes["t"], "a")',
    ],
    [
        'set(log.attributes["a"], 1) where resource.attributes["r"] == "x" and log.attributes["n"] == 1',
        'set(log.attributes["b"], 1) where resource.attributes["r"] == "x" and log.attributes["n"] != 1',
        'set(log.attributes["c"], 1) where resource.attributes["r"] == "y" or log.attributes["n"] == true',
        'set(log.attributes["d"], 1) where not (resource.attributes["r"] == "x" and log.attributes["n"] == 1)',
    ],
]
"""Statements that read the same, with stores between."""


@pytest.mark.parametrize("statements", SHARED)
def test_what_statements_share(statements: list[str]) -> None:
    """What several statements compute alike is computed again where something it reads was written."""
    _, transform = both(*statements, records=MIXED * 30)
    assert segments(transform) == [(0, len(statements))]


CONSTANTS = (
    "1",
    "-2.5",
    "true",
    '"ABC"',
    '""',
    "nil",
    'Duration("1s")',
    "1.0",
    "TraceID(0x01020304050607080910111213141516)",
)


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("constant", CONSTANTS)
def test_comparisons_with_constants(operator: str, constant: str) -> None:
    """A constant compares with values of all kinds as in the rows executor, on either side."""
    both(
        f'set(log.attributes["l"], 1) where log.attributes["n"] {operator} {constant}',
        f'set(log.attributes["r"], 1) where {constant} {operator} log.attributes["n"]',
        f'set(log.attributes["t"], 1) where log.attributes["s"] {operator} {constant}',
        f'set(log.attributes["o"], 1) where {constant} {operator} log.attributes["s"] or log.attributes["n"] == 1',
    )


def test_keys_are_kept_between_payloads() -> None:
    """Memory that a payload leaves behind shows in no later one."""
    program = ottl.compile('set(log.attributes["x"], log.attributes["a"])', stack="fast")
    assert log_attributes(program.run(logs({"a": 1}, {"b": 2}))) == [{"a": 1, "x": 1}, {"b": 2, "x": None}]
    assert log_attributes(program.run(logs({"c": 3}))) == [{"c": 3, "x": None}]
    many = {f"k{n}": n for n in range(600)}
    assert log_attributes(program.run(logs(many))) == [{**many, "x": None}]
    assert log_attributes(program.run(logs({"a": "z"}))) == [{"a": "z", "x": "z"}]


def metrics() -> bytes:
    """A metric of each type, and one of none, with points of both numbers and of none."""
    payload = MetricsData()
    scope = payload.resource_metrics.add().scope_metrics.add()
    metric = scope.metrics.add(name="gauge")
    metric.gauge.data_points.add(as_int=7, time_unix_nano=9, flags=1)
    metric.gauge.data_points.add(as_double=-0.0)
    metric.gauge.data_points.add(as_double=2.5)
    metric.gauge.data_points.add()
    metric = scope.metrics.add(name="sum")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, AGGREGATION_TEMPORALITY_CUMULATIVE
    metric.sum.data_points.add(as_double=1)
    metric = scope.metrics.add(name="histogram")
    metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    metric.histogram.data_points.add(count=4, sum=2.5, min=1, max=3)
    metric.histogram.data_points.add(count=4)
    metric = scope.metrics.add(name="exponential")
    metric.exponential_histogram.data_points.add(count=4, sum=2.5, scale=3, zero_count=1)
    scope.metrics.add(name="summary").summary.data_points.add(count=7, sum=8.5)
    scope.metrics.add(name="none")
    return payload.SerializeToString()


def spans() -> bytes:
    """Spans of each kind, unknown ones too, with numbers that flags take and that they do not."""
    payload = TracesData()
    scope = payload.resource_spans.add().scope_spans.add()
    for kind, number in enumerate((0, -1, 1 << 33, 5, (1 << 32) - 1, 1 << 32, 7), -1):
        span = scope.spans.add(kind=kind, flags=3, trace_state="a=b" if kind % 2 else "", span_id=bytes(range(8)))
        span.attributes.add(key="n", value=AnyValue(int_value=number))
    return payload.SerializeToString()


def agree(context: str, statements: list[str]) -> None:
    """Statements run natively in full, and do what they do in rows."""
    signal, payload, form = (
        ("traces", spans(), TracesData) if context == "span" else ("metrics", metrics(), MetricsData)
    )
    groups = [{"context": context, "statements": statements}]
    found = []
    for stack in ("fast", "plain"):
        transform = ottl.Transform({"error_mode": "ignore", f"{signal[:-1]}_statements": groups}, stack=stack)
        made = form.FromString(transform.process(payload, signal=signal))
        found.append((made, [(s.matched, s.changed, s.errors, s.first_error) for s in transform.stats()]))
        if stack == "fast":
            assert segments(transform) == [(0, len(statements))]
    assert found[0] == found[1]


@pytest.mark.parametrize("value", ["5", "2.5", "-0.0", "nil", '"x"', "Unix(3)", "5000000000", "0 - 1"])
@pytest.mark.parametrize(
    "field", ["value_double", "value_int", "flags", "count", "sum", "time", "time_unix_nano", "scale", "zero_count"]
)
def test_fields_of_data_points(field: str, value: str) -> None:
    """Each takes what it takes in rows: of its type, in its range, where the point has it."""
    agree(
        "datapoint",
        [
            f"set(datapoint.{field}, {value})",
            'set(datapoint.attributes["d"], datapoint.value_double)',
            'set(datapoint.attributes["i"], datapoint.value_int)',
            f'set(datapoint.attributes["x"], Format("%v", [datapoint.{field}]))',
        ],
    )


@pytest.mark.parametrize(
    ("context", "statements"),
    [
        ("datapoint", ['set(datapoint.value_int, Int(datapoint.value_double)) where metric.name == "gauge"']),
        ("datapoint", ["set(datapoint.sum, datapoint.sum * -1.0)", "set(datapoint.sum, datapoint.sum * 0.0)"]),
        (
            "metric",
            ["set(metric.aggregation_temporality, 1)", "set(metric.unit, String(metric.aggregation_temporality))"],
        ),
        ("metric", ["set(metric.aggregation_temporality, 5000000001)", "set(metric.is_monotonic, 1)"]),
        ("metric", ["set(metric.is_monotonic, false)", 'set(metric.unit, "u") where metric.is_monotonic == nil']),
        ("metric", ['set(metric.unit, "u") where metric.is_monotonic == true or metric.aggregation_temporality == 1']),
        (
            "span",
            ['set(span.attributes["k"], span.kind.string)', 'set(span.attributes["k"], span.kind.deprecated_string)'],
        ),
        (
            "span",
            ["set(span.kind, span.kind + 1)", 'set(span.name, span.kind.string) where span.kind.string != "Client"'],
        ),
        ("span", ['set(span.flags, span.attributes["n"])', 'set(span.attributes["f"], span.flags)']),
        ("span", ["set(span.parent_span_id, span.span_id)", "set(span.span_id, SpanID(0x0000000000000000))"]),
        ("span", ['set(span.name, "r") where span.parent_span_id == SpanID(0x0000000000000000)']),
        ("span", ['set(span.name, "r") where span.span_id != span.parent_span_id and span.trace_id != nil']),
    ],
)
def test_fields_of_all_kinds(context: str, statements: list[str]) -> None:
    """Fields that choose where they are, that have names, ranges or zeros of their own."""
    agree(context, statements)


@pytest.mark.parametrize(
    ("statements", "native"),
    [
        (['set(log.cache["x"], log.attributes["n"])', 'set(log.attributes["x"], log.cache["x"])'], [(0, 2)]),
        (
            [
                'set(log.cache["x"], log.attributes["s"]) where log.attributes["n"] != 1',
                'set(log.cache["x"], Concat([log.cache["x"], "b"], "-")) where log.cache["y"] == nil',
                'set(log.attributes["x"], log.cache["x"])',
            ],
            [(0, 3)],
        ),
        (
            [
                'set(log.cache["x"], Substring(log.attributes["s"], 0, 2))',
                'set(log.cache["y"], Format("%+v", [log.cache["x"]]))',
                'set(log.attributes["x"], log.cache["x"])',
                'set(log.attributes["y"], log.cache["y"])',
                'set(log.cache["x"], Format("%+v", [log.attributes["n"]])) where log.attributes["s"] == "ABC"',
                'set(log.cache["y"], log.cache["x"])',
                'set(log.attributes["z"], log.cache["y"])',
            ],
            [(0, 1), (2, 4), (5, 7)],
        ),
        (['set(log.cache["x"], log.time)', 'set(log.attributes["x"], log.cache["x"])'], [(0, 2)]),
        (["set(log.attributes, resource.attributes)", 'set(log.attributes["x"], Len(log.attributes))'], [(0, 2)]),
        (['merge_maps(log.attributes, resource.attributes, "insert")'], [(0, 1)]),
        (['set(log.attributes["x"], resource.attributes)', 'set(log.attributes["x"]["y"], 1)'], [(0, 2)]),
        (
            [
                "set(log.body, log.attributes)",
                'delete_key(log.attributes, "s")',
                'set(log.attributes["s"], Len(log.body))',
            ],
            [(0, 3)],
        ),
        (
            [
                'set(log.cache["n"], Len(log.attributes)) where log.attributes["s"] != nil',
                'set(log.attributes["new"], 1)',
                'set(log.cache["m"], Len(log.attributes) - log.cache["n"])',
                'set(log.attributes["n"], log.cache["m"])',
            ],
            [(0, 4)],
        ),
        (['set(log.body, log.attributes["s"])', 'set(log.attributes["x"], log.body.string)'], [(0, 2)]),
        (['set(log.body.string, log.attributes["t"])', 'set(log.attributes["x"], log.body)'], [(0, 2)]),
    ],
)
def test_caches_and_whole_maps(statements: list[str], native: list[tuple[int, int]]) -> None:
    """What is kept in the cache is seen by both executors, whichever wrote it; whole maps are values."""
    _, transform = both(*statements)
    assert segments(transform) == native


def test_a_cache_lasts_for_one_payload() -> None:
    """The next payload begins with an empty one."""
    statements = ['set(log.attributes["x"], log.cache["x"])', 'set(log.cache["x"], log.attributes["n"])']
    transform = ottl.Transform({"log_statements": [{"context": "log", "statements": statements}]}, stack="fast")
    for _ in range(2):
        assert all(record.get("x") is None for record in log_attributes(transform.process(logs(*MIXED), signal="logs")))

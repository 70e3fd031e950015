"""The native executor: what it takes, what it declines, and that it does what the rows executor does."""

from __future__ import annotations

from typing import Any

import pytest

import ottl
from ottl import StatementError, engine
from tests.conftest import log_attributes, logs

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

MIXED = [
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


def test_keys_are_kept_between_payloads() -> None:
    """Memory that a payload leaves behind shows in no later one."""
    program = ottl.compile('set(log.attributes["x"], log.attributes["a"])', stack="fast")
    assert log_attributes(program.run(logs({"a": 1}, {"b": 2}))) == [{"a": 1, "x": 1}, {"b": 2, "x": None}]
    assert log_attributes(program.run(logs({"c": 3}))) == [{"c": 3, "x": None}]
    many = {f"k{n}": n for n in range(600)}
    assert log_attributes(program.run(logs(many))) == [{**many, "x": None}]
    assert log_attributes(program.run(logs({"a": "z"}))) == [{"a": "z", "x": "z"}]

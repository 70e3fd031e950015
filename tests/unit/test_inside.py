"""Writes inside nested lists and maps, literals, and editors of them: native and in columns as in the rows executor."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

import ottl
from ottl import ConfigError, Limits, engine
from ottl.vm import native, tables
from tests.conftest import logs

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)


class Pairs(list[tuple[str, Any]]):
    """A map whose keys may repeat."""


DEEP: Any = "bottom"
for _ in range(24):
    DEEP = {"d": DEEP}

VALUES: tuple[Any, ...] = (
    None,
    "",
    "kk",
    "/user/é/list",
    7,
    2.0,
    -0.0,
    1e21,
    1e-7,
    float("inf"),
    True,
    b"\xff\x00",
    [],
    {},
    [1, "k", None, 2.5],
    [{"k": "x", "d": [1]}, [2, [3]], "y"],
    {"k": "x", "n": 1, "d": {"k": "z", "e": None, "l": [1, {"k": 2}]}},
    {"d": [{"k": 1}, {}], "x": "", "é": 'ü\u2028\x07"\\', "k": b"ab"},
    Pairs([("k", 1), ("n", "a"), ("k", "again"), ("", 3), ("m", Pairs([("k", 1), ("k", 2)])), ("key", float("nan"))]),
    {"m": {"d": {"k": "deep"}}, "l": ["a", ["b", "c"]], "k.x": 1},
    {"k": "x" * 200, "d": {"k": "y" * 300, "n": "z"}, "m": {"d": {"k": "w" * 20_000}}},
    DEEP,
    {str(n): n for n in range(40)},
)


def fill(target: AnyValue, value: Any) -> None:
    """Writes a Python value; None leaves nothing."""
    if isinstance(value, dict):
        value = Pairs(value.items())
    match value:
        case Pairs():
            target.kvlist_value.SetInParent()
            for key, item in value:
                entry = target.kvlist_value.values.add(key=key)
                entry.value.SetInParent()
                fill(entry.value, item)
        case list():
            target.array_value.SetInParent()
            for item in value:
                fill(target.array_value.values.add(), item)
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case bytes():
            target.bytes_value = value
        case str():
            target.string_value = value


def payload(*records: tuple[list[tuple[str, Any]], Any]) -> bytes:
    """Log records of attributes and a body."""
    data = LogsData()
    scope = data.resource_logs.add().scope_logs.add()
    for attributes, body in records:
        record = scope.log_records.add(severity_text="WARN")
        for key, value in attributes:
            fill(record.attributes.add(key=key).value, value)
        fill(record.body, body)
    return data.SerializeToString()


HOSTILE = payload(
    *(
        ([("s", "kk"), ("m", v), ("l", [v, v]), ("n", n % 4), ("m2", {"k": 0, "new": [1, {}]}), ("e", None)], v)
        for n, v in enumerate(VALUES)
    ),
    ([], None),
    ([("m", {"k": 1}), ("m", "again"), ("m", {"d": {}}), ("n", "x"), ("m2", None)], {"m": {"d": {}}, "l": [1, {}]}),
    ([("n", -1), ("l", {"k": 1}), ("m2", DEEP)], {"l": {"x": 1}, "m": [1]}),
)

TARGETS = (
    'log.attributes["m"]',
    'log.attributes["m"]["d"]',
    'log.attributes["m"]["d"]["l"][1]',
    'log.attributes["l"][1]',
    'log.attributes["l"][0]["k"]',
    'log.attributes["l"][-1]',
    'log.attributes["none"]["x"][2]["y"]',
    'log.attributes["e"][3]',
    'log.attributes["e"][-2]',
    'log.attributes["m"][""]',
    "log.body",
    'log.body["m"]',
    'log.body["d"]["k"]',
    "log.body[1]",
    'log.body["none"]["x"]',
    'log.body[log.attributes["s"]]["x"]',
    'log.attributes["m"][log.attributes["n"]]',
    "log.attributes",
    'log.cache["c"]',
)
ACTIONS = (
    'delete_key({}, "k")',
    'delete_key({}, log.attributes["s"])',
    'keep_keys({}, ["k", "d"])',
    'delete_matching_keys({}, "^k")',
    'keep_matching_keys({}, "é|k")',
    'limit({}, 1, ["n"])',
    "truncate_all({}, 1)",
    "flatten({})",
    'flatten({}, "p", 1, true)',
    "stringify_all({})",
    'merge_maps({}, {{"k": 1, "z": [1, {{"y": nil}}]}}, "upsert")',
    'merge_maps({}, {{"k": log.attributes["n"]}}, "update")',
    'merge_maps({}, ParseJSON("{{\\"k\\": 1, \\"q\\": [2]}}"), "insert")',
    'merge_maps({}, log.attributes["m2"], "upsert")',
    'replace_all_patterns({}, "value", "k", "<$0>")',
    'replace_all_patterns({}, "key", "k.*", "m")',
    'replace_all_patterns({}, "key", "^", "p.")',
    'replace_all_matches({}, "/user/*/list", "/user/{{id}}")',
    'replace_all_matches({}, "k?", log.severity_text)',
    'replace_all_matches({}, "*", log.attributes["n"])',
    'set({}, "x")',
    "set({}, nil)",
    'set({}, {{"a": 1, "b": "x", "a": {{"c": [1.5, true, 0x00]}}}})',
    'set({}, [1, "b", nil, [2], {{"k": 1}}])',
    'set({}, Split("a,b", ","))',
    'set({}, [log.severity_text, log.attributes["n"], log.attributes["m2"], ["x", log.attributes["n"]]])',
    'set({}, {{"s": log.severity_text, "l": [log.attributes["n"]], "m": log.attributes["m2"]}})',
    'set({}, {{"l": log.attributes["l"]}})',
    'set({}, {{"t": Split("a,b", log.attributes["s"]), "x": log.time}})',
    'set({}, [Split(log.attributes["s"], "k")])',
    'set({}, log.attributes["m2"])',
    "set({}, log.time)",
    "clear({})",
    'append({}, "y")',
    'append({}, values=[1, log.attributes["n"], nil])',
    'append({}, log.attributes["m2"])',
    "append({}, [1])",
    "delete_index({}, 0)",
    "delete_index({}, 1, 1)",
    "delete_index({}, 0, 0)",
    'delete_index({}, 1, log.attributes["n"])',
    'delete_index({}, log.attributes["n"])',
    'replace_pattern({}, "k+", "<$0>")',
    'replace_match({}, "k*", "new")',
    'replace_match({}, "/user/*/list", "/user")',
    'replace_match({}, "*", log.attributes["n"])',
)


def outcome(statements: Sequence[str], stack: Any, data: bytes) -> tuple[bytes, Any]:
    """What statements make of a payload, and on how many rows they ran and failed."""
    transform = ottl.Transform({"error_mode": "ignore", "log_statements": [*statements]}, stack=stack)
    found = LogsData.FromString(transform.process(data, signal="logs"))
    for holder in found.resource_logs:
        for scope in holder.scope_logs:
            for record in scope.log_records:
                record.body.SetInParent()
                for entry in record.attributes:
                    entry.value.SetInParent()
    return found.SerializeToString(deterministic=True), [(s.matched, s.errors) for s in transform.stats()]


@functools.cache
def meant(statements: tuple[str, ...]) -> tuple[bytes, Any]:
    """What they do in the rows executor."""
    return outcome(statements, "plain", HOSTILE)


@pytest.mark.usefixtures("always_columns")
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("executor", ["native", "columns"])
def test_writes_inside_agree(action: str, executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every editor does with every target what it does in rows: wrong types, missing and repeated keys, odd indices."""
    if executor == "columns":
        monkeypatch.setattr(tables, "lower", lambda *_: native.NOTHING)
    ran = 0
    for target in TARGETS:
        statements = [
            action.format(target),
            'set(log.attributes["seen"], log.attributes["m"]["d"])',
            'set(log.attributes["whole"], Len(log.attributes))',
            'set(log.attributes["body"], log.body)',
        ]
        if "cache" in target:
            statements.insert(0, 'set(log.cache["c"], log.attributes["m"])')
            statements.append('set(log.attributes["cached"], log.cache["c"])')
        try:
            fast = outcome(statements, "fast", HOSTILE)
        except ConfigError:
            continue
        assert fast == meant(tuple(statements)), target
        ran += 1
    assert ran


PLAIN: list[dict[str, Any]] = [
    {"a": "x", "n": n, "u": "/user/1/list", "l": [1, n, "x"], "m": {"k": "v", "n": n, "d": {"e": [1, {"f": n}]}}}
    for n in range(100)
]

COMMON = (
    'set(log.attributes, {"a": 1, "b": "x"})',
    'set(log.attributes["x"], [1, "b", nil])',
    'set(log.attributes["x"], [log.severity_text, "b"])',
    'set(log.attributes["x"], {"a": log.severity_text, "l": [log.attributes["n"]]})',
    'set(log.body, {"a": [1]})',
    'set(log.cache["x"], ["a"])',
    'merge_maps(log.attributes, {"a": 2}, "upsert")',
    'set(log.attributes["x"], 1) where ContainsValue(["x", "y"], log.attributes["a"])',
    'set(log.attributes["x"], 1) where log.attributes["m"] != nil and log.attributes["l"] != "x"',
    'set(log.attributes["x"], Len([log.attributes["a"], 1]))',
    'set(log.attributes["new"]["b"], "x")',
    'set(log.attributes["m"]["d"]["e"][1]["f"], log.attributes["n"])',
    'set(log.body["k"], log.attributes["n"])',
    'set(log.body["new"]["x"], {"y": 1})',
    'delete_key(log.attributes["m"], "k")',
    'keep_keys(log.attributes["m"]["d"], ["e"])',
    'merge_maps(log.attributes["m"], ParseJSON("{\\"z\\": 1}"), "insert")',
    'merge_maps(log.body, ParseJSON("{\\"z\\": 1}"), "upsert")',
    'delete_key(log.body, "k")',
    'keep_matching_keys(log.body["d"], "^e$")',
    "flatten(log.body)",
    'limit(log.body, 1, ["n"])',
    "truncate_all(log.body, 1)",
    "stringify_all(log.attributes)",
    'append(log.attributes["a"], "y")',
    'append(log.body["list"], values=[1, 2])',
    'delete_index(log.attributes["l"], 1)',
    'clear(log.attributes["a"])',
    "clear(log.attributes)",
    'clear(log.body["d"])',
    'replace_match(log.attributes["u"], "/user/*/list", "/user/{id}")',
    'replace_all_matches(log.attributes, "/user/*", "/user")',
    'replace_all_patterns(log.attributes, "key", "^(.)$", "p.$1")',
    'replace_pattern(log.body["k"], "v", "w")',
    'set(log.attributes["text"], log.body.string)',
)


@pytest.mark.parametrize("statement", COMMON)
def test_common_forms_are_streams(statement: str) -> None:
    """Ordinary rows are not declined: a stream does the payload as a whole, and as the rows executor does."""
    data = payload(*(([*one.items()], one["m"]) for one in PLAIN))
    config = {"error_mode": "ignore", "log_statements": [{"context": "log", "statements": [statement]}]}
    transform = ottl.Transform(config, stack="fast")
    result = transform.process(data, signal="logs")
    (program,) = transform._tables.values()
    found = program.run_stream(data, Limits(), None)
    assert found is not None
    assert found[0] == result
    plain = ottl.Transform(config, stack="plain").process(data, signal="logs")
    assert LogsData.FromString(plain) == LogsData.FromString(result)


@pytest.mark.parametrize(
    "statement",
    [
        'set(log.attributes["x"], [1, 2, 3, 4])',
        'set(log.attributes["x"], {"a": 1, "b": log.attributes["n"], "c": 2, "d": 3})',
        'set(log.attributes, {"a": 1, "b": 2, "c": 3, "d": 4})',
        'set(log.attributes["x"][7], 1)',
        'append(log.attributes["l"], 4)',
        'set(log.body["x"], [1, 2, 3, 4])',
    ],
)
def test_large_lists_and_maps_are_refused(statement: str) -> None:
    """What has more elements than are allowed is not made."""
    data = payload(([("l", [1, 2, 3]), ("n", 1), ("a", 1), ("b", 2)], {"k": 1}), ([("l", []), ("n", 2)], {}))
    config = {"error_mode": "ignore", "log_statements": [statement]}
    found = []
    for stack in ("fast", "plain"):
        transform = ottl.Transform(config, stack=stack, limits=Limits(max_items=3))
        found.append((LogsData.FromString(transform.process(data, signal="logs")), transform.stats()[0].errors))
    assert found[0] == found[1]
    assert found[0][1] > 0


def test_many_keys_of_inner_maps() -> None:
    """A map that rows are taken into forgets keys when they get too many, and still tells them apart."""
    records = [
        ([("m", {f"key{n}-{k}": k for k in range(9)} | {"k": 1, "kk": 2}), ("n", n)], {f"k{n}": 1, "x": 2})
        for n in range(1_500)
    ]
    statements = [
        'delete_key(log.attributes["m"], "k")',
        'keep_matching_keys(log.attributes["m"], "[k4]$")',
        'replace_all_patterns(log.attributes["m"], "key", "^key", "k")',
        'merge_maps(log.attributes["m"], {"kk": 1, "q": 2}, "update")',
        'delete_key(log.body, "x")',
    ]
    data = payload(*records)
    assert outcome(statements, "fast", data) == outcome(statements, "plain", data)


@pytest.mark.usefixtures("always_columns")
@pytest.mark.parametrize("count", [29, 31])
def test_many_keys_behind_each_other(count: int) -> None:
    """Native code follows so many keys, and leaves longer paths to the rows' own way."""
    path = 'log.attributes["a"]' + '["b"][0]' * (count // 2)
    statements = [f'set({path}, "x")', f'append({path}, "y")', f"delete_index({path}, 0)"]
    data = payload(([("n", 1)], None), ([("a", {"b": ["x"]})], None))
    assert outcome(statements, "fast", data) == outcome(statements, "plain", data)


def test_failures_of_nested_edits_are_those_of_their_rows() -> None:
    """Each row is told its own failure, also where some have nothing to edit."""
    sizes = [0, 3, 150, 150, 0, 150, 3]
    payload = logs(*({"m": {f"k{n}": n for n in range(size)}} if size else {} for size in sizes))
    found = []
    for stack in ("auto", "plain"):
        processor = ottl.Transform(
            {
                "log_statements": ['replace_all_patterns(log.attributes["m"], "key", "k", "kkkkkkkk")'],
                "error_mode": "ignore",
            },
            stack=stack,
            limits=ottl.Limits(max_items=100),
        )
        told: list[tuple[int | None, str]] = []
        processor.on_error = lambda error, told=told: told.append((error.row, error.message))
        found.append((processor.process(payload, signal="logs"), told))
    assert found[0][1] == found[1][1]
    assert [row for row, _ in found[0][1]] == [0, 2, 3, 4, 5]


def test_names_that_statements_make_count() -> None:
    """New keys are held to the limit on what statements make, as values are."""
    payload = logs({"x" * 1000 + str(n): 1 for n in range(80)})
    rule = f'replace_all_patterns(log.attributes, "key", "x", "{"y" * 8000}")'
    for stack in ("auto", "plain"):
        processor = ottl.Transform(
            {"log_statements": [rule], "error_mode": "ignore"},
            stack=stack,
            limits=ottl.Limits(max_growth=10_000_000),
        )
        with pytest.raises(ottl.PayloadError):
            processor.process(payload, signal="logs")

"""Scripts that run: blocks as groups, actions, routes and limits, in both stacks."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import ottl
from ottl.codec.messages import root_class
from ottl.engine import Stack
from ottl.functions import converter
from ottl.stdlib import FUNCTIONS
from ottl.vm.leaving import MAX_PERIODS, RateLimiter

SECOND = 10**9
Shape = list[tuple[str, list[tuple[str, list[str]]]]]


def spans(tenants: str = "AB", scopes: int = 2, names: str = "xyz") -> bytes:
    """A resource a tenant, some scopes each, in each a span a name, one starting each second and lasting its number."""
    message = root_class("traces")()
    for tenant in tenants:
        resource = message.resource_spans.add()
        resource.resource.attributes.add(key=b"tenant").value.string_value = tenant.encode()
        for number in range(scopes):
            scope = resource.scope_spans.add()
            scope.scope.name = b"s%d" % number
            for position, name in enumerate(names):
                start = (position + 1) * SECOND
                span = scope.spans.add(
                    name=name.encode(), start_time_unix_nano=start, end_time_unix_nano=start + position * SECOND
                )
                span.events.add(name=b"e" + name.encode(), time_unix_nano=start)
                span.attributes.add(key=b"n").value.int_value = position
    return bytes(message.SerializeToString())


def shape(payload: bytes) -> Shape:
    """Tenants, scopes and names of spans."""
    message = root_class("traces").FromString(payload)
    return [
        (
            resource.resource.attributes[0].value.string_value.decode(),
            [(s.scope.name.decode(), [span.name.decode() for span in s.spans]) for s in resource.scope_spans],
        )
        for resource in message.resource_spans
    ]


def all_spans(payload: bytes) -> list[Any]:
    """The spans of a payload, in order."""
    message = root_class("traces").FromString(payload)
    return [span for r in message.resource_spans for scope in r.scope_spans for span in scope.spans]


def points() -> bytes:
    """A gauge with an int, a double and a point without a value, and a histogram."""
    message = root_class("metrics")()
    scope = message.resource_metrics.add().scope_metrics.add()
    gauge = scope.metrics.add(name=b"g").gauge
    gauge.data_points.add(as_int=5).attributes.add(key=b"cluster").value.string_value = b"c"
    gauge.data_points.add(as_double=2.5).attributes.add(key=b"pod").value.string_value = b"p"
    gauge.data_points.add()
    scope.metrics.add(name=b"h").histogram.data_points.add(count=7)
    return bytes(message.SerializeToString())


def all_points(payload: bytes) -> list[Any]:
    """The data points of a payload, in order."""
    message = root_class("metrics").FromString(payload)
    return [
        point
        for r in message.resource_metrics
        for scope in r.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]


def run(text: Any, payload: bytes, stack: Stack, **keywords: Any) -> bytes:
    """A script over a payload of spans."""
    keywords.setdefault("signal", "traces")
    return ottl.compile(text, stack=stack, error_mode="propagate", **keywords).run(payload)


# -- blocks ---------------------------------------------------------------------------------------------------------


def test_condition_of_a_block_comes_first(stack: Stack) -> None:
    """The condition is evaluated once a row, before the first statement, so that a statement cannot change its mind."""
    text = 'set(span.name, "done")\nset(span.attributes["seen"], span.name)\nwhere span.name == "x"'
    out = all_spans(run(text, spans("A", 1), stack))
    assert [s.name for s in out] == [b"done", b"y", b"z"]
    assert [a.value.string_value for a in out[0].attributes] == [b"", b"done"]


def test_own_condition_is_added(stack: Stack) -> None:
    """A statement's own `where` holds for it alone."""
    text = 'set(span.attributes["n"], 7) where span.kind == 0\nset(span.name, "q") where false\nwhere span.name == "y"'
    out = all_spans(run(text, spans("A", 1), stack))
    assert [s.attributes[0].value.int_value for s in out] == [0, 7, 2]
    assert [s.name for s in out] == [b"x", b"y", b"z"]


def test_blocks_one_after_another(stack: Stack) -> None:
    """A block runs over the whole message before the next one: the last span decides what the first one sees."""
    one = 'set(resource.attributes["last"], span.name)\n\nset(span.name, resource.attributes["last"])'
    assert [s.name for s in all_spans(run(one, spans("A", 1), stack))] == [b"z", b"z", b"z"]
    together = one.replace("\n\n", "\n")
    assert [s.name for s in all_spans(run(together, spans("A", 1), stack))] == [b"x", b"y", b"z"]


def test_each_block_has_its_context() -> None:
    """Contexts are inferred block by block, and each runs on every signal that has it."""
    program = ottl.compile(
        'set(span.name, "a")\n\nset(log.body, "b")\n\nset(resource.attributes["c"], 1)\n\nset(metric.attr.d, 1)'
    )
    assert program.signals == {"traces", "logs", "metrics", "profiles"}
    contexts = sorted({(s.signal, s.context) for s in program.stats()})
    assert contexts == [
        ("logs", "log"),
        ("logs", "resource"),
        ("metrics", "datapoint"),
        ("metrics", "resource"),
        ("profiles", "resource"),
        ("traces", "resource"),
        ("traces", "span"),
    ]


def test_signal_keeps_what_applies() -> None:
    """With a signal, blocks of others are left out; a script of which nothing is left is an error."""
    text = 'set(span.name, "a")\n\nset(log.body, "b")'
    assert ottl.compile(text, signal="logs").signals == {"logs"}
    assert ottl.compile(text, signal="logs").stats()[0].statement == 'set(log.body, "b")'
    assert [d.code for d in ottl.check('set(log.body, "b")', signal="traces")] == ["E409"]


def test_places_of_statements() -> None:
    """Statistics show each statement and where it stands in the script."""
    stats = ottl.compile('# c\nset(span.name,\n  "a")\n\nspan.kind == 1 > set(span.name, "b")').stats()
    assert [s.statement for s in stats] == ['set(span.name,\n  "a")', 'span.kind == 1 > set(span.name, "b")']
    assert [s.location for s in stats] == ["<rule>:2:1", "<rule>:5:1"]


def test_lists_are_groups() -> None:
    """Statements of a list form one group; an element that is a script of its own keeps its blocks."""
    one = ottl.compile(['set(span.name, "a")', 'set(span.name, "b")\nwhere span.kind == 1'])
    assert one.explain().count("pass ") == 1
    many = ottl.compile(['set(span.name, "a")', 'set(span.name, "b")\nset(span.name, "c")\nwhere span.kind == 1'])
    assert many.explain().count("pass ") == 2


def test_pickle() -> None:
    """A script travels as its text."""
    program = ottl.compile("limit(1, 1h) where span.name != ''", signal="traces")
    assert shape(pickle.loads(pickle.dumps(program)).run(spans("A"))) == [("A", [("s0", ["x"])])]


def test_evaluators() -> None:
    """Conditions and values take the dialect too."""
    payload = spans("A", 1)
    assert list(ottl.compile_condition("duration >= 1000").evaluate(payload)) == [False, True, True]
    assert ottl.compile_value("to_upper_case(span.name) # c").evaluate(payload) == ["X", "Y", "Z"]
    assert ottl.compile_value("value").evaluate(points()) == [5, 2.5, None, None]
    assert list(ottl.compile_condition("value > 3").evaluate(points())) == [True, False, False, False]


# -- values of data points ------------------------------------------------------------------------------------------


def test_point_values(stack: Stack) -> None:
    """`metric.value` is an int or a double as it comes, and takes either; other points have none."""
    out = all_points(run("set(metric.value, value * 2) where value != nil", points(), stack, signal="metrics"))
    assert [p.as_int for p in out[:1]] == [10]
    assert [p.as_double for p in out[1:2]] == [5.0]
    out = all_points(run("set(metric.value, 1.5) where metric.name == 'g'", points(), stack, signal="metrics"))
    assert [p.WhichOneof("value") for p in out[:3]] == ["as_double"] * 3
    program = ottl.compile("set(metric.value, 'x')\n\nset(metric.value, 1)", stack=stack)
    out = all_points(program.run(points()))
    assert [s.errors for s in program.stats()] == [4, 1]
    assert [p.as_int for p in out[:3]] == [1, 1, 1]


def test_point_attributes(stack: Stack) -> None:
    """`metric.attributes` are those of the data point."""
    out = all_points(run('keep_keys(metric.attributes, ["cluster"])', points(), stack, signal="metrics"))
    assert [[a.key for a in p.attributes] for p in out] == [[b"cluster"], [], [], []]


# -- actions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('drop() where span.name == "y"', [("A", [("s0", ["x", "z"]), ("s1", ["x", "z"])])]),
        ('drop() where scope.name == "s0" and span.name != ""', [("A", [("s1", ["x", "y", "z"])])]),
        ('drop() where scope.name == "s0"', [("A", [("s1", ["x", "y", "z"])])]),
        ('drop()\nwhere resource.attr.tenant == "A"', []),
        ('drop() where spanevent.name == "ex"', [("A", [("s0", ["x", "y", "z"]), ("s1", ["x", "y", "z"])])]),
        ('drop() where span.name != "y"\nset(span.name, "w")', [("A", [("s0", ["w"]), ("s1", ["w"])])]),
        ("drop() where span.name != ''\n\nset(span.name, 'w')", []),
    ],
)
def test_drop(stack: Stack, text: str, expected: Shape) -> None:
    """A dropped row goes, with parents that it leaves empty, and no later statement sees it."""
    assert shape(run(text, spans("A"), stack)) == expected


def test_dropped_payload_is_empty(stack: Stack) -> None:
    """Nothing left is nothing: no byte, or an empty object; events leave their spans behind."""
    program = ottl.compile("drop() where span.name != ''", stack=stack, signal="traces")
    assert program.run(spans()) == b""
    assert program.run(ottl.compile("set(span.name, span.name)").run(spans()), encoding="protobuf") == b""
    assert program.run(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}', encoding="json") == b"{}"
    out = all_spans(run('drop() where spanevent.name == "ex"', spans("A", 1), stack))
    assert [len(s.events) for s in out] == [0, 1, 1]


def test_empty_parents_that_nobody_emptied_stay(stack: Stack) -> None:
    """A scope that came without spans is not the drop's business."""
    message = root_class("traces").FromString(spans("A", 1))
    message.resource_spans[0].scope_spans.add().scope.name = b"empty"
    payload = message.SerializeToString()
    assert shape(run('drop() where span.name == "x"', payload, stack)) == [("A", [("s0", ["y", "z"]), ("empty", [])])]


def test_drop_points_and_metrics(stack: Stack) -> None:
    """A metric whose last point goes, goes too."""
    out = all_points(run("drop() where value == nil", points(), stack, signal="metrics"))
    assert [p.as_int or p.as_double for p in out] == [5, 2.5]
    out = all_points(run("drop() where metric.name == 'g'", points(), stack, signal="metrics"))
    assert [p.count for p in out] == [7]


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ('delete(span.attributes["n"])', lambda s: len(s.attributes) == 0),
        ("delete(span.attr.n)", lambda s: len(s.attributes) == 0),
        ("delete(span.attributes)", lambda s: len(s.attributes) == 0),
        ('delete(span.attributes["nothing"])', lambda s: len(s.attributes) == 1),
        ("delete(span.name)", lambda s: s.name == b""),
        ("delete(span.start_time)", lambda s: s.start_time_unix_nano == 0),
        ("delete(span.end_time_unix_nano)", lambda s: s.end_time_unix_nano == 0),
        ("delete(span.events)", lambda s: len(s.events) == 0),
        ("delete(span.trace_id)", lambda s: s.trace_id == b""),
        ("delete(span.span_id.string)", lambda s: s.span_id == b""),
        ("delete(span.kind.string)", lambda s: s.kind == 0),
        ("delete(span.status.message)", lambda s: s.status.message == b""),
    ],
)
def test_delete(stack: Stack, text: str, check: Any) -> None:
    """A key goes, a field gets its zero value."""
    out = all_spans(run(text, spans("A", 1), stack))
    assert [check(s) for s in out] == [True] * 3


def test_delete_refuses() -> None:
    """What is read-only or has no zero value is an error of the text."""
    assert [d.code for d in ottl.check("delete(metric.type)")] == ["E212"]
    assert [d.code for d in ottl.check("delete(span.status)")] == ["E212"]
    assert [d.code for d in ottl.check("delete(span.duration)")] == ["E301"]
    assert [d.code for d in ottl.check("delete(otelcol.client.addr) where span.name == ''")] == ["E212"]


def test_limit(stack: Stack) -> None:
    """So many rows stay in each period of their own time; the counter lives as long as the program."""
    program = ottl.compile("limit(3, 1s)\nwhere span.name != 'y'", signal="traces", stack=stack)
    first = program.run(spans("AB"))
    assert shape(first) == [
        ("A", [("s0", ["x", "y", "z"]), ("s1", ["x", "y", "z"])]),
        ("B", [("s0", list("xyz")), ("s1", ["y"])]),
    ]
    assert shape(program.run(spans("A", 1))) == [("A", [("s0", ["y"])])]
    assert [(s.matched, s.changed) for s in program.stats()] == [(10, 4)]


def test_limits_count_for_themselves(stack: Stack) -> None:
    """One counter a call site, and a row that is gone is not counted again."""
    text = "limit(2, 1h) where span.name == 'x'\nlimit(3, 1h) where span.name != ''"
    assert shape(run(text, spans("A", 3, "xy"), stack)) == [("A", [("s0", ["x", "y"]), ("s1", ["x"])])]


def test_limit_of_logs_without_time(stack: Stack) -> None:
    """A record without a time counts at the moment it was observed."""
    message = root_class("logs")()
    scope = message.resource_logs.add().scope_logs.add()
    for observed in (1, 1, 2):
        scope.log_records.add(observed_time_unix_nano=observed * SECOND)
    scope.log_records.add(time_unix_nano=SECOND, observed_time_unix_nano=5 * SECOND)
    out = root_class("logs").FromString(
        run("limit(1, 1s) where log.flags == 0", message.SerializeToString(), stack, signal="logs")
    )
    assert [r.observed_time_unix_nano for r in out.resource_logs[0].scope_logs[0].log_records] == [SECOND, 2 * SECOND]


def test_limit_by_resource(stack: Stack) -> None:
    """A limit whose condition knows resources only counts the spans, records or points of each signal."""
    text = "limit(2, 1h)\nwhere resource.attr.tenant == 'A'"
    assert shape(run(text, spans("AB", 1), stack)) == [("A", [("s0", ["x", "y"])]), ("B", [("s0", ["x", "y", "z"])])]
    contexts = {(s.signal, s.context) for s in ottl.compile(text).stats()}
    assert contexts == {("traces", "span"), ("metrics", "datapoint"), ("logs", "log"), ("profiles", "profile")}
    assert [d.code for d in ottl.check(text, context="resource")] == ["E211"]


@pytest.mark.parametrize("text", ["limit(1, 0s)", "limit(1, 60)", "limit(-1, 1s)", "limit(1.5, 1s)", "limit('1', 1s)"])
def test_limit_refuses(text: str) -> None:
    """Count and period are literals."""
    assert [d.severity for d in ottl.check(f"{text} where span.name == ''")] == ["error"]


def test_rate_limiter_in_pieces() -> None:
    """The answers do not depend on how the rows are cut into batches, nor on which executor counts."""
    times = np.random.default_rng(3).integers(0, 40, 500) * SECOND
    whole = RateLimiter(7, 2 * SECOND).admit(times)
    pieces = RateLimiter(7, 2 * SECOND)
    assert np.concatenate([pieces.admit(part) for part in np.array_split(times, 23)]).tolist() == whole.tolist()
    one = RateLimiter(7, 2 * SECOND)
    assert [one.admit_one(t) for t in times.tolist()] == whole.tolist()
    assert np.bincount(times[whole] // (2 * SECOND)).tolist() == [7] * 20


def test_limits_are_saved(stack: Stack) -> None:
    """What has stayed in each period counts in the next run too; for a limit of other numbers it does not."""
    text = "limit(3, 1h) where span.name == 'x'"
    first = ottl.compile(text, signal="traces", stack=stack)
    first.run(spans("AB", 1))
    assert first.stateful
    for again, left in ((text, 1), (f"  {text}", 1), (text.replace("3", "4"), 4), (text.replace("1h", "2h"), 3)):
        second = ottl.compile(again, signal="traces", stack=stack)
        second.run(spans("A", 1))
        assert second.load_state(first.state()) == (left == 1)
        second.run(spans("AB", 2))
        (stats,) = second.stats()
        assert stats.matched - stats.changed - 1 == left, again


def test_saved_periods_that_do_not_fit() -> None:
    """They are refused and nothing changes; of too many the newest stay."""
    limiter = RateLimiter(1, 1)
    limiter.admit(np.arange(3, dtype=np.int64))
    for bad in ({}, {"periods": np.zeros(2, np.int64), "stayed": np.zeros(3, np.int64)}, {"periods": np.zeros(1)}):
        with pytest.raises(ValueError, match="do not fit"):
            limiter.restore(bad)
    assert limiter.save()["stayed"].tolist() == [1, 1, 1]
    many = np.arange(MAX_PERIODS + 5, dtype=np.int64)
    limiter.restore({"periods": many, "stayed": np.ones_like(many)})
    assert limiter.save()["periods"].tolist() == many[5:].tolist()


def test_rate_limiter_forgets() -> None:
    """The periods that are remembered are bounded, whatever the times are."""
    limiter = RateLimiter(1, 1)
    times = np.arange(3 * MAX_PERIODS, dtype=np.int64)
    assert limiter.admit(times).all()
    assert len(limiter._seen) == MAX_PERIODS
    assert limiter.admit(times[-5:]).tolist() == [False] * 5
    assert limiter.admit(np.full(3, -(2**62), np.int64)).tolist() == [True, False, False]


# -- routes ---------------------------------------------------------------------------------------------------------


def routes(text: str, payload: bytes, stack: Stack, **keywords: Any) -> dict[str | None, Shape]:
    """What goes where."""
    keywords.setdefault("signal", "traces")
    outputs = ottl.compile(text, stack=stack, **keywords).run_routes(payload)
    return {name: shape(out) for name, out in outputs.items()}


def test_route_moves(stack: Stack) -> None:
    """Rows leave the main output; whole resources where the condition is about resources."""
    found = routes('route(exporter.kafka_a)\nwhere resource.attr.tenant == "A"', spans(), stack)
    assert found == {None: shape(spans("B")), "kafka_a": shape(spans("A"))}


def test_two_routes_get_both(stack: Stack) -> None:
    """A row with two routes goes to both, and later blocks still run on it."""
    text = """
    route(exporter.a) where span.name != "z"

    route("b/c") where span.name == "x" or span.name == "q"

    set(span.name, "w") where span.name == "x"
    """
    assert routes(text, spans("A", 1), stack) == {
        None: [("A", [("s0", ["z"])])],
        "a": [("A", [("s0", ["w", "y"])])],
        "b/c": [("A", [("s0", ["w"])])],
    }


def test_routes_on_several_levels(stack: Stack) -> None:
    """What is routed as a resource and what is routed as a span meet in one output."""
    text = 'route(exporter.a)\nwhere resource.attr.tenant == "A"\n\nroute(exporter.a) where span.name == "x"'
    assert routes(text, spans("AB", 1), stack) == {
        None: [("B", [("s0", ["y", "z"])])],
        "a": [("A", [("s0", ["x", "y", "z"])]), ("B", [("s0", ["x"])])],
    }


def test_drop_after_route(stack: Stack) -> None:
    """A dropped row goes nowhere, and the marks of the others stay with them."""
    text = (
        "route(exporter.a) where span.name == 'z'\n\ndrop() where span.name == 'x'\n\nroute('b') where span.name == 'y'"
    )
    assert routes(text, spans("A", 1), stack) == {
        None: [],
        "a": [("A", [("s0", ["z"])])],
        "b": [("A", [("s0", ["y"])])],
    }
    text = 'route(exporter.a) where span.name == "z"\ndrop() where span.name == "z"'
    assert routes(text, spans("A", 1), stack) == {None: [("A", [("s0", ["x", "y"])])], "a": []}


def test_marks_survive_drops_of_other_levels(stack: Stack) -> None:
    """Scopes that go take the marks of their spans along, and the others move up."""
    text = 'route(exporter.a) where span.name == "y"\n\ndrop() where scope.name == "s0"'
    assert routes(text, spans("AB", 2), stack) == {
        None: [("A", [("s1", ["x", "z"])]), ("B", [("s1", ["x", "z"])])],
        "a": [("A", [("s1", ["y"])]), ("B", [("s1", ["y"])])],
    }


def test_route_points(stack: Stack) -> None:
    """A metric is in every output that has a point of it."""
    outputs = ottl.compile("route(exporter.big) where value > 3", stack=stack).run_routes(points())
    assert [p.as_int for p in all_points(outputs["big"])] == [5]
    assert len(all_points(outputs[None])) == 3


def test_marks_follow_points_that_move() -> None:
    """Points that a later block takes away take their marks along."""
    message = root_class("metrics").FromString(points())
    message.resource_metrics[0].scope_metrics[0].metrics.add(name=b"k").gauge.data_points.add(as_int=9)
    text = "route(exporter.big) where value > 3\n\nset(metric.data_points, nil) where metric.name == 'g'"
    stacks: tuple[Stack, ...] = ("plain", "auto")
    for stack in stacks:
        outputs = ottl.compile(text, stack=stack).run_routes(message.SerializeToString())
        assert [p.as_int for p in all_points(outputs["big"])] == [9]


def test_empty_outputs(stack: Stack) -> None:
    """Every route is there, with nothing in it if nothing went there; in JSON that is an empty object."""
    program = ottl.compile('route(exporter.a) where span.name == "none"', stack=stack)
    assert program.run_routes(spans()) == {None: spans(), "a": b""}
    payload = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"none"}]}]}]}'
    outputs = program.run_routes(payload, encoding="json")
    assert outputs[None] == b"{}"
    assert b'"name":"none"' in outputs["a"]


def test_programs_with_routes_refuse_run() -> None:
    """One output cannot hold them; a program without routes has just the one."""
    program = ottl.compile('route(exporter.a) where span.name == "x"')
    assert program.routes == ("a",)
    for call in (program.run, program.process):
        with pytest.raises(ottl.ConfigError, match="run_routes"):
            call(spans())
    assert ottl.compile('set(span.name, "x")').run_routes(spans("A", 1, "x")) == {None: spans("A", 1, "x")}


def test_route_refuses() -> None:
    """Rows that cannot stand alone, and names that are none."""
    assert [d.code for d in ottl.check('route(exporter.a) where spanevent.name == "x"')] == ["E211"]
    assert [d.code for d in ottl.check("route(span.name) where span.name == 'x'")] == ["E301"]


def test_strict_knows_no_actions() -> None:
    """Strict means what the reference knows."""
    assert ottl.check("drop() where span.name == ''") == []
    assert [d.code for d in ottl.check("drop() where span.name == ''", strict=True)] == ["E204"]


# -- scripts: YAML --------------------------------------------------------------------------------------------------


def entry(**fields: Any) -> dict[str, Any]:
    """A configuration of one script."""
    return {"scripts": [{"name": "n", **fields}]}


def test_entries(stack: Stack) -> None:
    """An entry is a group with its condition; its action may have several statements and a `where` of its own."""
    action = "set(span.name, 'w')\nset(span.attr.n, 9)\nwhere span.name != 'x'"
    out = all_spans(run(entry(condition="duration < 2s", action=action), spans("A", 1), stack))
    assert [(s.name, s.attributes[0].value.int_value) for s in out] == [(b"x", 0), (b"w", 9), (b"z", 2)]
    out = all_spans(run(entry(action=["set(span.name, 'a')", "set(span.attr.n, 1)"]), spans("A", 1), stack))
    assert {(s.name, s.attributes[0].value.int_value) for s in out} == {(b"a", 1)}


def test_entries_are_groups() -> None:
    """Each entry has its own context."""
    config = {"scripts": [{"action": "set(span.name, 'a')"}, {"action": "set(log.body, 'a')"}]}
    assert ottl.compile(config).signals == {"traces", "logs"}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"scripts": "set(span.name, 'a')"}, "E401"),
        (entry(), "E401"),
        (entry(action=[1]), "E401"),
        (entry(action="set(span.name, 'a')", condition=["x"]), "E401"),
        (entry(action="set(span.name, 'a')", conditions="span.kind == 1"), "E404"),
        (entry(action="set(span.name, 'a')\n\nset(span.name, 'b')"), "E410"),
        (entry(action="set(span.name, 'a'", condition="span.kind == 1"), "E115"),
        (entry(action="set(span.name, 'a')", condition="span.kind =="), "E115"),
        (entry(action="set(span.name, 'a')", error_mode="loud"), "E407"),
    ],
)
def test_entries_refuse(config: dict[str, Any], code: str) -> None:
    """Mistakes in the form, and in the texts."""
    assert [d.code for d in ottl.check(config)] == [code]


def test_program_with_routes_has_a_code() -> None:
    """The refusal is a diagnostic like all others."""
    with pytest.raises(ottl.ConfigError) as caught:
        ottl.compile('route(exporter.a) where span.name == "x"').run(b"")
    assert [d.code for d in caught.value.diagnostics] == ["E411"]


def test_user_converter_in_lower_case() -> None:
    """Functions of users can be written in lower case too."""

    @converter("StdDev")
    def std_dev(value: float) -> float:
        """A stand-in."""
        return value / value

    text = "metric.value > 2 * stddev(metric.value) > set(metric.attributes['alert'], 'anomaly')"
    program = ottl.compile(text, functions=FUNCTIONS.union([std_dev]))
    out = all_points(program.run(points()))
    assert [[a.key for a in p.attributes][-1:] for p in out[:2]] == [[b"cluster"], [b"alert"]]

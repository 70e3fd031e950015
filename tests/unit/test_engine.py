"""The engine: statistics, error modes, group conditions, caches, threads, pickling, deep rules, on both stacks."""

from __future__ import annotations

import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ottl
from ottl import engine, typed
from ottl.codec import native
from ottl.engine import StatementStats
from ottl.types import Kind
from tests.conftest import CLOCK, IDENTIFIER, log_attributes, logs


def transform(*groups: Any, stack: engine.Stack = "plain", **keywords: Any) -> ottl.Transform:
    """A transform of log statements."""
    mode = {"error_mode": keywords.pop("error_mode")} if "error_mode" in keywords else {}
    return ottl.Transform({**mode, "log_statements": list(groups)}, stack=stack, **keywords)


def counts(processor: ottl.Transform | ottl.Filter) -> list[tuple[int, int, int]]:
    """Matched, changed and errors of every statement."""
    return [(s.matched, s.changed, s.errors) for s in processor.stats()]


# Statistics


def test_statistics(stack: engine.Stack) -> None:
    """Rows whose condition held, rows that were written, rows that failed, and the first failure."""
    processor = transform(
        'set(log.attributes["x"], 1) where log.attributes["n"] > 1',
        'delete_key(log.attributes, "gone")',
        'set(log.attributes["y"], Substring(log.attributes["s"], 0, 3))',
        stack=stack,
    )
    processor.process(logs({"n": 1, "s": "abc"}, {"n": 2, "s": "ab"}, {"n": 3, "gone": 1}), "logs")
    assert counts(processor) == [(2, 2, 0), (3, 1, 0), (3, 1, 2)]
    first, _, third = processor.stats()
    assert first.first_error is None
    assert "substring" in (third.first_error or "").lower()
    assert (first.signal, first.context, first.location) == ("logs", "log", "log_statements[0]:1:1")
    assert first.statement == 'set(log.attributes["x"], 1) where log.attributes["n"] > 1'
    processor.process(logs({"n": 5, "s": "abc"}), "logs")
    assert counts(processor) == [(3, 3, 0), (4, 1, 0), (4, 2, 2)]


def test_time_is_counted(stack: engine.Stack) -> None:
    """Statements that run over many rows have taken time."""
    processor = transform('set(log.attributes["x"], SHA256(log.attributes["n"]))', stack=stack)
    for _ in range(3):
        processor.process(logs(*({"n": str(n)} for n in range(200))), "logs")
    assert processor.stats()[0].ns > 0


def test_statistics_of_a_failed_payload() -> None:
    """What a payload did before it failed counts."""
    processor = transform("set(log.body, log.time)", error_mode="propagate")
    with pytest.raises(ottl.StatementError):
        processor.process(logs({}), "logs")
    assert counts(processor) == [(1, 0, 1)]


# Error modes


@pytest.mark.parametrize("mode", ["ignore", "silent"])
def test_errors_leave_the_row(mode: str, stack: engine.Stack) -> None:
    """A failed statement is left for its row, and the row goes on with the next."""
    processor = transform(
        'set(log.attributes["a"], 1 / log.attributes["n"])', 'set(log.attributes["b"], 1)', stack=stack, error_mode=mode
    )
    out = log_attributes(processor.process(logs({"n": 0}, {"n": 1}), "logs"))
    assert out == [{"n": 0, "b": 1}, {"n": 1, "a": 1, "b": 1}]


def test_propagate_reports_the_first_row(stack: engine.Stack) -> None:
    """Under propagate the first failing row ends the payload, and of its statements the first failing one."""
    processor = transform(
        'set(log.attributes["a"], 1) where 1 / log.attributes["n"] == 1',
        'set(log.attributes["b"], Split(log.attributes["s"], ",")[5])',
        stack=stack,
        error_mode="propagate",
    )
    with pytest.raises(ottl.StatementError) as caught:
        processor.process(logs({"n": 1, "s": ",,,,,"}, {"n": 1, "s": "x"}, {"n": 0, "s": "x"}), "logs")
    assert caught.value.row == 1
    assert caught.value.statement == 'set(log.attributes["b"], Split(log.attributes["s"], ",")[5])'


def test_propagate_goes_group_by_group(stack: engine.Stack) -> None:
    """A later group has not begun when an earlier one fails, on whatever row."""
    processor = transform(
        {"statements": ['set(log.attributes["a"], 1 / log.attributes["n"])']},
        {"statements": ['set(log.attributes["b"], 1 / 0)']},
        stack=stack,
        error_mode="propagate",
    )
    with pytest.raises(ottl.StatementError) as caught:
        processor.process(logs({"n": 1}, {"n": 0}), "logs")
    assert caught.value.row == 1
    assert 'log.attributes["a"]' in (caught.value.statement or "")
    assert [s.matched for s in processor.stats()][1] == 0


def test_modes_of_groups(stack: engine.Stack) -> None:
    """A group's own error mode wins over the configuration's."""
    processor = transform(
        {"statements": ['set(log.attributes["a"], 1 / 0)'], "error_mode": "Ignore"},
        {"statements": ['set(log.attributes["b"], 1 / 0)'], "error_mode": "silent"},
        stack=stack,
        error_mode="propagate",
    )
    assert log_attributes(processor.process(logs({}), "logs")) == [{}]


# Group conditions


def test_group_conditions_are_alternatives(stack: engine.Stack) -> None:
    """A group runs on the rows for which one of its conditions holds; an explicit context may be left out there."""
    group = {
        "context": "log",
        "conditions": ['attributes["n"] == 1', 'log.attributes["n"] == 2'],
        "statements": ['set(attributes["x"], true)'],
    }
    processor = transform(group, stack=stack)
    out = log_attributes(processor.process(logs({"n": 1}, {"n": 2}, {"n": 3}), "logs"))
    assert out == [{"n": 1, "x": True}, {"n": 2, "x": True}, {"n": 3}]
    assert counts(processor) == [(2, 2, 0)]


def test_failing_group_condition(stack: engine.Stack) -> None:
    """A group condition that fails counts as false, and the next is asked; under propagate it ends the payload."""
    group: dict[str, Any] = {
        "conditions": ['1 / log.attributes["n"] == 1', 'log.attributes["m"] == true'],
        "statements": ['set(log.attributes["x"], true)'],
    }
    payload = logs({"n": 1}, {"n": 0, "m": True}, {"n": 0})
    out = log_attributes(transform(group, stack=stack).process(payload, "logs"))
    assert [("x" in attributes) for attributes in out] == [True, True, False]
    with pytest.raises(ottl.StatementError) as caught:
        transform({**group, "error_mode": "propagate"}, stack=stack).process(payload, "logs")
    assert caught.value.row == 1


# Caches


def test_cache_of_a_row(stack: engine.Stack) -> None:
    """The cache is empty at the beginning of every row and every group."""
    processor = transform(
        {"statements": ['set(log.attributes["before"], log.cache["x"])', 'set(log.cache["x"], log.attributes["n"])',
                        'set(log.attributes["after"], log.cache["x"])']},
        {"statements": ['set(log.attributes["later"], log.cache["x"])']},
        stack=stack,
    )  # fmt: skip
    out = log_attributes(processor.process(logs({"n": 1}, {"n": 2}), "logs"))
    assert out == [{"n": n, "before": None, "after": n, "later": None} for n in (1, 2)]


def test_shared_cache(stack: engine.Stack) -> None:
    """A shared cache lasts for the payload: over rows, and over the groups of its context that share it."""
    shared = {"context": "log", "shared_cache": True}
    processor = transform(
        {**shared, "statements": ['set(cache["n"], 0) where cache["n"] == nil', 'set(cache["n"], cache["n"] + 1)']},
        {"context": "log", "statements": ['set(attributes["other"], cache["n"])']},
        {**shared, "statements": ['set(attributes["total"], cache["n"])']},
        stack=stack,
    )
    for _ in range(2):
        out = log_attributes(processor.process(logs({}, {}, {}), "logs"))
        assert out == [{"other": None, "total": 3}] * 3


# Payloads


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_buffers(kind: type[Any], stack: engine.Stack) -> None:
    """Any buffer is a payload, and one that nothing changed comes back as it came."""
    payload = logs({"n": 1})
    processor = transform('set(log.attributes["n"], 2) where log.attributes["n"] == 3', stack=stack)
    out = processor.process(kind(payload), "logs")
    assert type(out) is bytes
    assert out == payload


def test_unknown_signal_and_encoding() -> None:
    """A signal or encoding that does not exist is the caller's mistake."""
    processor = transform('set(log.attributes["n"], 2)')
    with pytest.raises(ValueError, match="signal must be one of traces, metrics, logs, profiles"):
        processor.process(b"", "spans")
    with pytest.raises(ValueError, match="encoding must be protobuf or json"):
        processor.process(b"", "logs", "yaml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="stack must be auto, fast or plain"):
        transform('set(log.attributes["n"], 2)', stack="slow")  # type: ignore[arg-type]


def test_limit_on_the_message(stack: engine.Stack) -> None:
    """A payload beyond the limit is refused, with the name of what raises the limit."""
    processor = transform('set(log.attributes["n"], 2)', stack=stack, limits=ottl.Limits(max_message=10))
    with pytest.raises(ottl.PayloadError, match="max-message"):
        processor.process(logs({"long": "x" * 20}), "logs")


def test_clock_and_identifiers_are_given(stack: engine.Stack) -> None:
    """Clock and identifiers come from the caller."""
    processor = transform(
        'set(log.attributes["now"], UnixNano(Now()))',
        'set(log.attributes["id"], UUID())',
        stack=stack,
        clock=lambda: CLOCK,
        uuid=lambda: IDENTIFIER,
    )
    assert log_attributes(processor.process(logs({}, {}), "logs")) == [{"now": CLOCK, "id": IDENTIFIER}] * 2


def test_native_codec_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTTL_NATIVE=0` is as if the extension were not there."""
    monkeypatch.setenv("OTTL_NATIVE", "0")
    assert not engine.native_enabled()
    processor = transform('set(log.attributes["n"], 2)')
    assert log_attributes(processor.process(logs({}), "logs")) == [{"n": 2}]


def test_fast_where_rows_are_needed() -> None:
    """Asking for columns where rows are needed is an error of the configuration, with the reason."""
    with pytest.raises(ottl.ConfigError) as caught:
        transform('merge_maps(log.attributes["m"], log.attributes, "upsert")', stack="fast")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E901"
    assert "stores a map inside itself" in diagnostic.message


# Sharing


def test_threads_share_a_processor(stack: engine.Stack) -> None:
    """Eight threads over one processor: every result is right, and the statistics add up."""
    processor = transform(
        'set(log.attributes["x"], Concat([log.attributes["s"], "!"], ""))',
        'set(log.attributes["y"], 1 / log.attributes["n"])',
        stack=stack,
    )
    payload = logs(*({"s": f"row {n}", "n": n % 2} for n in range(50)))
    expected = processor.process(payload, "logs")
    with ThreadPoolExecutor(8) as pool:
        outs = list(pool.map(lambda _: processor.process(payload, "logs"), range(80)))
    assert outs == [expected] * 80
    assert counts(processor) == [(81 * 50, 81 * 50, 0), (81 * 50, 81 * 25, 81 * 25)]


def test_the_codec_releases_the_lock() -> None:
    """Other threads run while the codec works on a large payload."""
    if not native.available():
        pytest.skip("the native codec is not there")
    processor = transform('set(log.attributes["x"], 1) where log.attributes["n"] == -1', stack="fast")
    payload = logs(*({"n": n, "text": "x" * 200} for n in range(40_000)))
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(10)  # nobody is made to give up the lock; it is given away or kept
    watcher = threading.Thread(target=tick)
    try:
        watcher.start()
        processor.process(payload, "logs")
        during = ticks
    finally:
        done.set()
        sys.setswitchinterval(interval)
        watcher.join()
    assert during > 0


def test_processors_pickle(stack: engine.Stack) -> None:
    """A processor is pickled with its options, and begins to count anew."""
    processor = transform('set(log.attributes["x"], log.attributes["n"] + 1)', stack=stack)
    payload = logs({"n": 1})
    out = processor.process(payload, "logs")
    again = pickle.loads(pickle.dumps(processor))
    assert counts(again) == [(0, 0, 0)]
    assert again.process(payload, "logs") == out
    assert again.explain() == processor.explain()


def test_explanation() -> None:
    """What runs where, why, and how, as text."""
    processor = transform(
        {
            "context": "log",
            "conditions": ["body != nil"],
            "statements": ['set(attributes["x"], Len(body)) where IsString(body)'],
            "error_mode": "silent",
        },
        {"statements": ['merge_maps(log.attributes, log.cache, "upsert")']},
    )
    assert processor.explain() == EXPLAINED


EXPLAINED = """\
logs, pass 1: context log, error mode silent
  stack: columns (no row sees what another row writes)
  reads: log.body
  writes: log.attributes["x"]
  when body != nil
     0  LOAD       r0   <- log.body
     1  CONSTANT   r1   <- nil  : nil
     2  COMPARE    r2   <- r0 != r1  : bool
  set(attributes["x"], Len(body)) where IsString(body)
     0  LOAD       r0   <- log.body
     1  CALL       r1   <- IsString(r0)  : bool
     2  WHERE              r1
     3  CALL       r2   <- Len(r0)  : int
     4  STORE              log.attributes["x"] <- r2

logs, pass 2: context log, error mode ignore
  stack: columns (no row sees what another row writes)
  reads: log.cache
  writes: log.attributes
  merge_maps(log.attributes, log.cache, "upsert")
     0  LOAD       r0   <- log.cache  : map
     1  EDIT               merge_maps(log.attributes, r0, "upsert")
"""


def test_snapshots_of_statistics_are_data() -> None:
    """A snapshot does not change while the processor goes on."""
    processor = transform('set(log.attributes["x"], 1)')
    before = processor.stats()
    processor.process(logs({}), "logs")
    assert before == [StatementStats('set(log.attributes["x"], 1)', "logs", "log", "log_statements[0]:1:1")]


# Deep rules

DEEP = 120
RULES = {
    "parentheses": "(" * 240 + "1" + ")" * 240,
    "arithmetic": "(1 + " * DEEP + 'log.attributes["n"]' + ")" * DEEP,
    "sums": "1" + ' + log.attributes["n"]' * 240,
    "signs": "-(" * DEEP + 'log.attributes["n"]' + ")" * DEEP,
    "calls": "ToUpperCase(" * 240 + 'log.attributes["s"]' + ")" * 240,
    "lists of calls": "Concat([" * DEEP + '"a"' + '], "")' * DEEP,
    "keys": "log.attributes[" * 240 + '"n"' + "]" * 240,
    "lists": "[" * 240 + 'log.attributes["n"]' + "]" * 240,
    "maps": '{"a": ' * 240 + 'log.attributes["n"]' + "}" * 240,
}
CONDITIONS = {
    "not": "not (" * DEEP + 'log.attributes["n"] == 1' + ")" * DEEP,
    "and, or": "".join(
        f'log.attributes["n"] == {n} {"or" if n % 2 else "and"} (' if n % 2 else f'log.attributes["n"] != {n} and ('
        for n in range(200, 440)
    )
    + 'log.attributes["n"] == 1'
    + ")" * 240,
    "calls": "IsBool(" * 240 + 'log.attributes["n"]' + ")" * 240,
}
TEXTS = {
    **{f"value: {name}": f'set(log.attributes["out"], {text})' for name, text in RULES.items()},
    **{f"condition: {name}": f'set(log.attributes["out"], 1) where {text}' for name, text in CONDITIONS.items()},
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS.items()])
def test_deep_rules(text: str, stack: engine.Stack) -> None:
    """What the parser admits runs through everything behind it, from a shallow stack and from a deep one."""
    limit = sys.getrecursionlimit()

    def deep(depth: int) -> ottl.Transform:
        return deep(depth - 1) if depth else transform(text, stack=stack)

    for processor in (transform(text, stack=stack), deep(600)):
        first = log_attributes(processor.process(logs({"n": 1, "s": "x"}, {"n": 2, "s": "y"}), "logs"))
        (found,) = processor.stats()
        assert found.errors in (0, 2)
        assert [a["n"] for a in first] == [1, 2]
        assert text in processor.explain()
    assert sys.getrecursionlimit() == limit


def test_too_deep_rules() -> None:
    """Deeper rules are refused by a diagnostic."""
    for text in TEXTS.values():
        deeper = text.replace("(" * 240, "(" * 260).replace(")" * 240, ")" * 260)
        if deeper != text:
            assert [d.code for d in ottl.check(deeper)][:1] in (["E104"], ["E102"])


def test_deep_trees_are_data() -> None:
    """Trees compare, hash and show themselves however deep they are."""

    def tree(leaf: int) -> typed.Expression:
        node: typed.Expression = typed.Constant(Kind.INT, leaf)
        for _ in range(5000):
            node = typed.Negate(Kind.INT, node)
        return node

    assert tree(1) == tree(1)
    assert hash(tree(1)) == hash(tree(1))
    assert tree(1) != tree(2)
    assert repr(tree(1)).startswith("Negate(Negate(")

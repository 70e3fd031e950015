"""Functions with memory: keys, batches, bounds, saving, strictness, and those that users declare."""

from __future__ import annotations

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ottl
from ottl import engine
from ottl.analysis import saved
from ottl.functions import FunctionSet, Key, Number, State, converter
from ottl.stdlib import FUNCTIONS
from ottl.types import Bytes, Duration, Map, Opaque, Slice, SpanID, Time
from ottl.vm.memories import key_bytes
from tests.conftest import log_attributes, logs

EWMA = 'set(log.attributes["e"], EWMA(log.attributes["n"], 0.5, log.attributes["k"]))'


@dataclass
class Steps:
    """What `Delta` remembers: the value before, and how many there were."""

    last: float | None = None
    count: int = 0
    seen: list[float] = field(default_factory=list)


@converter("Delta")
def delta(steps: State[Steps], x: Number | None, key: Key = None) -> float | None:
    """The difference to the value before."""
    assert key is None
    before, steps.last = steps.last, x
    steps.count += 1
    return None if before is None or x is None else x - before


@dataclass
class Held:
    """What cannot be saved."""

    thing: Any = None


@converter("Hold")
def hold(held: State[Held], x: Number) -> float:
    """The value, kept together with something else."""
    held.thing = object()
    return x


def program(*statements: str, stack: engine.Stack = "plain", **keywords: Any) -> ottl.Program:
    """A program over logs."""
    return ottl.compile(list(statements), signal="logs", stack=stack, **keywords)


def results(processor: ottl.Program, rows: list[dict[str, Any]], name: str = "e") -> list[Any]:
    """An attribute of every record afterwards."""
    return [found.get(name) for found in log_attributes(processor.run(logs(*rows)))]


def test_keys_are_apart(stack: engine.Stack) -> None:
    """Every key has a series of its own, which goes on from payload to payload."""
    processor = program(EWMA, stack=stack)
    rows: list[dict[str, Any]] = [{"n": 8, "k": "a"}, {"n": 1.0, "k": "b"}, {"n": 4, "k": "a"}, {"n": 2, "k": 1}]
    assert results(processor, rows) == [8.0, 1.0, 6.0, 2.0]
    assert results(processor, rows) == [7.0, 1.0, 5.5, 2.0]


def test_nil_and_what_is_no_number(stack: engine.Stack) -> None:
    """Nil, NaN and infinity give nil and change nothing; what is no number fails, and a text that is one counts."""
    processor = program(EWMA, stack=stack)
    values: list[Any] = [8, None, float("nan"), float("inf"), "4", "four", True]
    rows = [{"n": v, "k": "a"} if v is not None else {"k": "a"} for v in values]
    assert results(processor, rows) == [8.0, None, None, None, 6.0, None, 3.5]
    assert [s.errors for s in processor.stats()] == [1]


def test_calls_are_apart(stack: engine.Stack) -> None:
    """Two calls, even of one statement, remember for themselves."""
    text = 'set(log.attributes["e"], EWMA(log.attributes["n"], 0.5) + EWMA(log.attributes["n"] * 0.0, 0.5))'
    processor = program(text, text, stack=stack)
    assert results(processor, [{"n": 8.0}, {"n": 4.0}]) == [8.0, 6.0]
    assert len(saved.unpack(processor.state())) == 4


def test_default_key(stack: engine.Stack) -> None:
    """Without a key rows of one identity belong together, whatever the order of their attributes."""
    text = 'set(resource.attributes["e"], EWMA(resource.attributes["n"], 0.5))'
    again = 'set(log.attributes["e"], EWMA(log.attributes["n"], 0.5))'
    processor = ottl.compile(again, signal="logs", stack=stack)
    for service, expected in (("a", 8.0), ("b", 4.0), ("a", 6.0)):
        payload = logs({"n": 8 if expected == 8.0 else 4}, resource={"service.name": service})
        assert log_attributes(processor.run(payload))[0]["e"] == expected
    outer = ottl.compile(text, signal="logs", stack=stack)
    for attributes in ({"n": 8, "x": 1}, {"x": 1, "n": 8}, {"x": 2, "n": 8}):
        outer.run(logs({}, resource=attributes))
    assert len(saved.unpack(outer.state())[0].keys) == 2


KEYED = st.lists(
    st.fixed_dictionaries(
        {"k": st.sampled_from(["a", "b", 1, 1.0, True, b"a", ["a"], {"x": 1, "y": 2}, {"y": 2, "x": 1}])},
        optional={"n": st.one_of(st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["1", "x"]))},
    ),
    max_size=12,
)


@given(KEYED, st.lists(st.integers(0, 12), max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.usefixtures("always_columns")
def test_batches_do_not_matter(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    """However rows are cut into payloads, and whichever stack runs them: the same answers, the same memory."""
    texts = [
        EWMA,
        'set(log.attributes["z"], ZScore(log.attributes["n"], 3, key=[log.attributes["k"], "x"]))',
        'set(log.attributes["a"], IsAnomaly(log.attributes["n"], threshold=1, window=2, key=log.attributes["k"]))',
        'set(log.attributes["d"], StdDev(log.attributes["n"], 2, key=log.attributes)) where log.attributes["n"] != 0',
    ]
    whole = program(*texts, clock=lambda: 5)
    expected = log_attributes(whole.run(logs(*rows))) if rows else []
    cut = program(*texts, stack="auto", clock=lambda: 5)
    bounds = [0, *sorted(c for c in cuts if c < len(rows)), len(rows)]
    found: list[dict[str, Any]] = []
    for begin, end in itertools.pairwise(bounds):
        found += log_attributes(cut.run(logs(*rows[begin:end])))
    assert repr(found) == repr(expected)
    assert cut.state() == whole.state()


def test_saved_and_restored(stack: engine.Stack) -> None:
    """What was saved goes on in another program with the same statement; others begin anew."""
    first = program(EWMA, stack=stack)
    results(first, [{"n": 8, "k": "a"}])
    second = program('set(log.attributes["x"], 1)', EWMA, EWMA.replace("0.5", "0.25"), stack=stack)
    assert second.load_state(first.state()) == 1
    assert results(second, [{"n": 4, "k": "a"}]) == [4.0]
    third = program(EWMA, stack=stack)
    assert third.load_state(first.state()) == 1
    assert results(third, [{"n": 4, "k": "a"}]) == [6.0]
    assert third.load_state(saved.pack([])) == 0
    assert results(third, [{"n": 4, "k": "a"}]) == [4.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum"),
        (lambda data: data[:60], "checksum"),
        (lambda data: data[:20], "no saved state"),
        (lambda _: b"", "no saved state"),
        (lambda data: b"\0" + data, "no saved state"),
        (lambda data: data[:9] + b"\x63" + data[10:], "version 99"),
    ],
)
def test_damaged_state(change: Any, message: str) -> None:
    """A state that is not as it was written is refused, and nothing is forgotten for it."""
    processor = program(EWMA)
    results(processor, [{"n": 8, "k": "a"}])
    with pytest.raises(ottl.Error, match=message):
        processor.load_state(change(processor.state()))
    assert results(processor, [{"n": 4, "k": "a"}]) == [6.0]


def test_idle_keys() -> None:
    """A key that nothing was heard of for a day begins anew."""
    now = [10**18]
    processor = program(EWMA, clock=lambda: now[0])
    results(processor, [{"n": 8, "k": "a"}])
    now[0] += 86_400 * 10**9
    assert results(processor, [{"n": 4, "k": "a"}]) == [6.0]
    now[0] += 86_401 * 10**9
    assert results(processor, [{"n": 4, "k": "a"}]) == [4.0]


def test_strict_refuses_ours() -> None:
    """The reference knows none of these; standard functions stay."""
    ours = [f for f in FUNCTIONS.values() if f.extension]
    assert {"EWMA", "Parent", "RootCauses"} <= {f.name for f in ours}
    with pytest.raises(ottl.ConfigError, match="unknown function EWMA"):
        program(EWMA, strict=True)
    assert program('set(log.attributes["x"], Len("x"))', strict=True).signals == {"logs"}


def test_declared_by_a_user(stack: engine.Stack) -> None:
    """A dataclass is all that a function of the user's own needs to remember; it is saved and restored."""
    functions = FUNCTIONS.union([delta])
    text = 'set(log.attributes["e"], Delta(log.attributes["n"])) where log.attributes["n"] != nil'
    processor = program(text, stack=stack, functions=functions)
    assert results(processor, [{"n": 8}, {}, {"n": 9.5}]) == [None, None, 1.5]
    other = program(text, stack=stack, functions=functions)
    assert other.load_state(processor.state()) == 1
    assert results(other, [{"n": 9}]) == [-0.5]


def test_what_cannot_be_saved() -> None:
    """A dataclass that holds more than plain values is an error when the state is asked for."""
    processor = program('set(log.attributes["e"], Hold(1))', functions=FunctionSet([*FUNCTIONS.values(), hold]))
    processor.run(logs({}))
    with pytest.raises(ottl.Error, match="Hold: Held holds"):
        processor.state()


def test_durations_are_numbers(stack: engine.Stack) -> None:
    """A duration is its nanoseconds."""
    processor = program('set(log.attributes["e"], EWMA(Duration(log.attributes["t"]), 0.5))', stack=stack)
    assert results(processor, [{"t": "3ns"}, {"t": "1ns"}]) == [3.0, 2.0]


def test_a_copy_begins_anew() -> None:
    """A pickled program is its rules; what was remembered travels by `state`."""
    processor = program(EWMA)
    results(processor, [{"n": 8, "k": "a"}])
    assert results(pickle.loads(pickle.dumps(processor)), [{"n": 4, "k": "a"}]) == [4.0]


def test_threads_take_turns(stack: engine.Stack) -> None:
    """Payloads of several threads are remembered one after another: nothing is lost."""
    processor = program(
        'set(log.attributes["e"], Delta(log.attributes["n"]))', functions=FUNCTIONS.union([delta]), stack=stack
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: processor.run(logs(*({"n": n} for n in range(50)))), range(20)))
    (section,) = saved.unpack(processor.state())
    assert b'"count": 1000' in section.arrays["memory.text"].tobytes()


def test_propagate_stops_remembering_at_the_failing_row(stack: engine.Stack) -> None:
    """Under `propagate` rows behind the one that fails are not looked at."""
    processor = program(EWMA, stack=stack, error_mode="propagate")
    with pytest.raises(ottl.StatementError):
        processor.run(logs({"n": 8, "k": "a"}, {"n": "x", "k": "a"}, {"n": 100, "k": "a"}))
    assert results(processor, [{"n": 4, "k": "a"}]) == [6.0]


def test_conditions_and_values_remember() -> None:
    """A compiled condition or value remembers too, from one evaluation to the next."""
    value = ottl.compile_value('EWMA(log.attributes["n"], 0.5)', signal="logs")
    assert value.evaluate(logs({"n": 8}, {"n": 4})) == [8.0, 6.0]
    assert value.evaluate(logs({"n": 2})) == [4.0]
    condition = ottl.compile_condition('IsAnomaly(log.attributes["n"], window=3)', signal="logs")
    assert condition.evaluate(logs(*({"n": n} for n in (1, 1, 1, 9)))).tolist() == [False, False, False, True]


def test_key_bytes() -> None:
    """Equal keys are equal bytes: kinds are told apart, entries of maps have no order, parts stay apart."""
    distinct: list[list[Any]] = [
        [None],
        [True],
        [1],
        [1.0],
        [b"a"],
        [Bytes(b"a")],
        [SpanID(b"12345678")],
        [Duration(1)],
        [Time(1)],
        [Slice([b"a"])],
        [Map([(b"a", 1)])],
        [b"a", b"b"],
        [b"ab"],
        [b"ab", None],
        [],
    ]
    assert len({key_bytes(key) for key in distinct}) == len(distinct)
    assert key_bytes([[(1 << 64) - 1]]) not in {key_bytes([[1]]), key_bytes([[1 << 63]])}  # as counts of buckets may be
    assert key_bytes([Map([(b"a", 1), (b"b", 2)])]) == key_bytes([Map([(b"b", 2), (b"a", 1)])])
    with pytest.raises(ValueError, match="cannot be a key"):
        key_bytes([Opaque("x", False, None)])

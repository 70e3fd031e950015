"""The columns executor: narrowing, failures by row, levels, and what is evaluated how often."""

from __future__ import annotations

from typing import Any

import pytest

import ottl
from ottl.functions import FunctionSet, converter
from ottl.stdlib import FUNCTIONS
from ottl.types import Value
from tests.conftest import log_attributes, logs

pytestmark = pytest.mark.usefixtures("always_columns")
CALLS: list[Any] = []


@converter("Seen")
def seen(value: Value) -> Value:
    """Remembers what it was asked."""
    CALLS.append(value)
    return value


@converter("SeenAnew", pure=False)
def seen_anew(value: Value) -> Value:
    """Remembers what it was asked, and is no function of it."""
    CALLS.append(value)
    return value


OWN: FunctionSet = FUNCTIONS.union([seen, seen_anew])


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLS.clear()


def run(*statements: str, records: list[dict[str, Any]], **keywords: Any) -> list[dict[str, Any]]:
    """The attributes after statements in columns."""
    program = ottl.compile(list(statements), functions=OWN, stack="fast", **keywords)
    return log_attributes(program.run(logs(*records, resource={"r": "x"})))


def test_blocks_narrow() -> None:
    """The right side of `and` and `or` is evaluated for the rows that need it."""
    records = [{"n": n} for n in range(4)]
    run('set(log.attributes["y"], 1) where log.attributes["n"] > 1 and Seen(log.attributes["n"]) == 3', records=records)
    assert CALLS == [2, 3]
    CALLS.clear()
    run('set(log.attributes["y"], 1) where log.attributes["n"] > 1 or Seen(log.attributes["n"]) == 1', records=records)
    assert CALLS == [0, 1]


def test_arguments_for_selected_rows() -> None:
    """Arguments are evaluated for the rows that the condition leaves, and not at all where it leaves none."""
    records = [{"n": n} for n in range(3)]
    run('set(log.attributes["y"], Seen(log.attributes["n"])) where log.attributes["n"] == 1', records=records)
    assert CALLS == [1]
    CALLS.clear()
    run('set(log.attributes["y"], Seen(log.attributes["n"])) where log.attributes["n"] == 9', records=records)
    assert CALLS == []


def test_failed_rows_leave_the_statement() -> None:
    """A row that fails is evaluated no further in its statement, and takes part in the next."""
    out = run(
        'set(log.attributes["y"], Seen(log.attributes["n"])) where 1 / log.attributes["n"] < 5',
        'set(log.attributes["z"], Seen(log.attributes["n"]))',
        records=[{"n": 0}, {"n": 2}],
    )
    assert CALLS == [2, 0, 2]
    assert out == [{"n": 0, "z": 0}, {"n": 2, "y": 2, "z": 2}]


def test_outer_levels_once() -> None:
    """An expression over the resource is evaluated once a resource."""
    out = run('set(log.attributes["y"], Seen(resource.attributes["r"]))', records=[{}, {}, {}])
    assert CALLS == [b"x"]
    assert out == [{"y": "x"}] * 3


def test_distinct_values_once() -> None:
    """A pure function is asked once for each of few distinct texts, an impure one on every row."""
    records = [{"s": "ab"[n % 2]} for n in range(10)]
    run('set(log.attributes["y"], Seen(log.attributes["s"]))', records=records)
    assert sorted(CALLS) == [b"a", b"b"]
    CALLS.clear()
    run('set(log.attributes["y"], SeenAnew(log.attributes["s"]))', records=records)
    assert len(CALLS) == 10


def test_merging_alternatives() -> None:
    """The first that is not nil, of several types."""
    out = run(
        'set(log.attributes["y"], Coalesce([log.attributes["a"], log.attributes["b"], [1, log.attributes["c"]]]))',
        records=[{"a": 1}, {"b": "x"}, {"c": 2}, {"a": None, "b": None}],
    )
    assert [a["y"] for a in out] == [1, "x", [1, 2], [1, None]]


def test_arithmetic_by_type() -> None:
    """Rows of different types in one column each compute as they are, wrap and fail as they are."""
    out = run(
        'set(log.attributes["y"], log.attributes["n"] / log.attributes["d"])',
        'set(log.attributes["w"], log.attributes["n"] * 2)',
        records=[{"n": -7, "d": 2}, {"n": -7.0, "d": 2}, {"n": 1, "d": 0.0}, {"n": "x", "d": 1}, {"n": 2**62, "d": -1}],
    )
    assert [a.get("y") for a in out] == [-3, -3.5, None, None, -(2**62)]
    assert [a.get("w") for a in out] == [-14, -14.0, 2, None, -(2**63)]


def test_the_last_row_writes_what_is_shared() -> None:
    """Of rows that write the same field of what they share, the last selected one wins."""
    program = ottl.compile(
        'set(resource.attributes["last"], log.attributes["n"]) where log.attributes["n"] < 3', stack="fast"
    )
    payload = program.run(logs({"n": 1}, {"n": 2}, {"n": 3}))
    assert ottl.compile_value('resource.attributes["last"]', context="log").evaluate(payload, signal="logs") == [2] * 3


def test_partial_effects_stay() -> None:
    """What cannot be stored leaves a new key behind, empty, and an old one as it was."""
    out = run('set(log.attributes["t"], log.time)', records=[{}, {"t": 1}])
    assert out == [{"t": None}, {"t": 1}]

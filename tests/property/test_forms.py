"""Kinds of statements that have ways of their own: both stacks give the same on drawn payloads."""

from __future__ import annotations

import random
from typing import Any

import pytest

import ottl
from ottl import engine
from tests.property import agreement
from tests.property.payloads import random_payload

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

PAYLOADS = 40

FORMS: dict[str, list[list[str]]] = {
    "logs": [
        ['set(log.body["k"], "x")'],
        ['set(log.attributes["s"]["k"], "x")'],
        [
            'set(log.attributes["x"], log.body["y"])',
            'set(log.attributes["x2"], log.body[9])',
            'set(log.attributes["x3"], log.attributes["s"]["q"])',
            'set(log.attributes["x4"], log.attributes["m"]["s"]["q"])',
        ],
        ["set(log.attributes[log.body], 1)"],
        ['set(log.body, log.body["a"])'],
        ['set(log.body, log.body["m"]["a"])'],
        ["set(log.body, log.body[0])"],
        ['merge_maps(log.attributes, log.attributes["m"], "upsert")'],
        ['merge_maps(log.attributes, log.attributes["m"]["m2"], "insert")'],
        ['set(log.attributes, log.attributes["m"])'],
        ['set(log.attributes["m"], log.attributes["m"]["m2"])'],
        ['set(log.attributes["m"], log.attributes["m"])'],
        [
            "set(log.cache, log.attributes)",
            'set(log.cache["x"], log.body)',
            'merge_maps(log.attributes, log.cache, "upsert")',
        ],
        ["set(log.cache, log.body)", "set(log.body, log.cache)"],
        [
            'set(log.cache["m"]["n"], log.body)',
            "set(log.body, log.cache)",
            'set(log.attributes["q"], Len(log.cache["m"]))',
        ],
        [
            'merge_maps(log.cache, log.attributes, "upsert")',
            'delete_key(log.cache, "a")',
            'keep_keys(log.cache, ["m","s","i"])',
            "set(log.attributes, log.cache)",
        ],
        [
            "set(log.cache, log.attributes)",
            "flatten(log.cache)",
            "truncate_all(log.cache, 2)",
            "limit(log.cache, 2, [])",
            'replace_all_patterns(log.cache, "key", "a", "b")',
            "set(log.attributes, log.cache)",
        ],
        ['set(log.cache["t"], log.time)', "set(log.attributes, log.cache)"],
        [
            'set(log.cache["a"], log.attributes["m"])',
            'merge_maps(log.cache["a"], log.attributes, "insert")',
            'set(log.body, log.cache["a"])',
        ],
        [
            'set(log.attributes["x"], 1) where log.attributes["m"] == nil',
            'set(log.attributes["y"], 1) where log.body != nil',
            'set(log.attributes["z"], 1) where log.body == nil',
        ],
        [
            'set(log.attributes["x"], 1) where log.body < nil',
            'set(log.attributes["y"], 1) where log.attributes["by"] == nil',
            'set(log.attributes["z"], 1) where log.attributes["l"] >= nil',
        ],
        [
            'set(log.cache, log.attributes) where log.cache["zz"] == nil',
            'append(log.cache["l"], "x")',
            "set(log.body, log.cache)",
        ],
        ['set(log.cache["a"], "x")', "clear(log.cache)", 'set(log.attributes["n"], Len(log.cache))'],
    ],
    "traces": [
        ['set(span.trace_state["x"], "y")'],
        ['set(span.trace_state, "x=y")'],
        ['set(span.trace_state["x"], span.attributes["s"])', 'set(span.attributes["t"], span.trace_state["x"])'],
        [
            'set(span.attributes["t"], span.trace_state)',
            'replace_pattern(span.trace_state, "a", "b")',
        ],
        ['set(span.trace_state["x"], spanevent.name)'],
        ['set(span.trace_state["bad key"], "y")', 'set(span.trace_state["x"], 5)'],
        [
            'set(span.attributes["q"], 1) where span.trace_state["x"] == nil',
            'set(span.attributes["r"], 1) where span.trace_state["x"] == ""',
            "set(span.trace_state, nil)",
        ],
        ["set(span.attributes[span.name], 1)"],
        ['set(span.attributes[span.attributes["s"]], span.attributes["m"])'],
        ["set(resource.attributes[span.name], 1)"],
        [
            "set(span.attributes[span.kind.string], span.attributes[span.name])",
            'set(span.attributes[span.attributes["i"]], 1)',
        ],
        ["set(span.cache, resource.attributes)", 'merge_maps(span.attributes, span.cache, "upsert")'],
        [
            'merge_maps(span.cache, span.attributes, "upsert")',
            'merge_maps(span.cache, resource.attributes, "insert")',
            "set(span.attributes, span.cache)",
        ],
        ["set(spanevent.cache, spanevent.attributes)", 'set(spanevent.attributes["k"], Keys(spanevent.cache))'],
    ],
    "metrics": [
        ["set(datapoint.cache, datapoint.attributes)", 'set(metric.description, datapoint.cache["s"])'],
        ['merge_maps(datapoint.attributes, datapoint.attributes["m"], "upsert")'],
    ],
}


@pytest.fixture(autouse=True)
def _every_payload_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)


def _configuration(signal: str, statements: list[str], mode: str) -> dict[str, Any]:
    return {"error_mode": mode, f"{signal.removesuffix('s')}_statements": statements}


@pytest.mark.parametrize("mode", ["ignore", "propagate"])
@pytest.mark.parametrize(
    ("signal", "statements"),
    [pytest.param(signal, one, id="; ".join(one)) for signal, found in FORMS.items() for one in found],
)
def test_forms(signal: str, statements: list[str], mode: str) -> None:
    """Messages, counts and failures, from columns that none of these forms keeps a group from."""
    config = _configuration(signal, statements, mode)
    fast, plain = ottl.Transform(config), ottl.Transform(config, stack="plain")
    draw = random.Random(";".join(statements))
    for _ in range(PAYLOADS):
        payload = random_payload(signal, draw)
        one, other = (agreement.outcome(p, payload, payload.data) for p in (plain, fast))
        how = agreement.difference(one, other, signal)
        assert how is None, (how, payload.data)
    assert all(one.in_columns for passes in fast._passes.values() for one in passes)

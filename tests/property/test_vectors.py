"""Vector kernels give what the scalar kernels give."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ottl import ConfigError, engine
from ottl.codec.messages import root_class
from ottl.stdlib import FUNCTIONS
from tests.property import agreement, payloads
from tests.property.programs import Group, Piece, Program, Statement, Writer, text

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

CALLS = 40
"""Calls drawn for each function, and more where its kernel has not answered often."""

ROWS = 60
KERNELS = sorted(f.name for f in FUNCTIONS.values() if f.vector_kernel is not None)


def _rows(context: str, draw: random.Random) -> payloads.Payload:
    """Log records or spans with attributes of all kinds, many values coming again."""
    if context == "span":
        message = root_class("traces")()
        spans = message.resource_spans.add().scope_spans.add().spans
        for _ in range(ROWS):
            span = spans.add(name=draw.choice(payloads.NAMES), parent_span_id=draw.choice((b"", bytes(8), b"12345678")))
            payloads.entries_into(span.attributes, draw, draw.choice((3, 8, 12)))
        return payloads.Payload("traces", message.SerializeToString())
    message = root_class("logs")()
    records = message.resource_logs.add().scope_logs.add().log_records
    for _ in range(ROWS):
        record = records.add(severity_text=draw.choice(payloads.STRINGS), flags=draw.randrange(3))
        record.time_unix_nano = draw.choice(payloads.TIMES)
        payloads.entries_into(record.attributes, draw, draw.choice((3, 8, 12)))
        payloads.value_into(record.body, draw, draw.choice(("string", "any")))
    return payloads.Payload("logs", message.SerializeToString())


def _context(name: str) -> str:
    """The context in which a function is tried."""
    contexts = FUNCTIONS[name].contexts
    return "log" if not contexts or "log" in contexts else "span"


def _program(name: str, context: str, draw: random.Random) -> Program:
    """A statement that calls the function, without a condition or with one."""
    function = FUNCTIONS[name]
    writer = Writer(draw, context, draw.choice((0.0, 0.1)))
    action: Piece = text(name, "(", *writer.arguments(function, draw.choice((0, 1, 2))), ")")
    if not function.editor:
        action = text(f'set({context}.attributes["out"], ', action, ")")
    statement = Statement(action, writer.condition(0) if draw.random() < 0.4 else None)
    return Program("traces" if context == "span" else "logs", (Group((statement,), (), context),))


@pytest.mark.parametrize("name", KERNELS)
def test_vector_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On random arguments the columns executor, with the vector kernel, does what the rows executor does."""
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)
    function = FUNCTIONS[name]
    kernel: Any = function.vector_kernel
    answers = 0

    def counted(*arguments: Any) -> Any:
        nonlocal answers
        found = kernel(*arguments)
        answers += found is not None
        return found

    monkeypatch.setattr(function, "vector_kernel", counted)
    draw = random.Random(name)
    context = _context(name)
    rows = [_rows(context, draw) for _ in range(4)]
    for number in range(20 * CALLS):
        # Few random calls suit some kernels.
        if number >= CALLS and answers:
            break
        program = _program(name, context, draw)
        try:
            pair = agreement.Pair(program)
        except ConfigError:
            continue
        for payload in draw.sample(rows, 2):
            how = pair.disagreement(payload)
            if how is not None:
                found = agreement.Disagreement(program, payload, "protobuf", how)
                pytest.fail(agreement.shrunk(found).render())
    assert answers > 0, f"the vector kernel of {name} never answered"

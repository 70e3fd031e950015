"""Streams give what the plain stack gives, in windows of any size."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ottl
from ottl import engine
from ottl.codec import native
from ottl.errors import Error
from ottl.pipeline import Pipeline
from ottl.vm.tables import Program
from tests.property import agreement, payloads

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

COMMON = (
    'set({0}.attributes["new"], resource.attributes["a"])',
    'set({0}.attributes["long"], Concat([scope.name, {0}.attributes["a"], resource.attributes["b"]], "--------"))',
    'set({0}.attributes["hash"], SHA256({0}.attributes["a"])) where {0}.attributes["a"] != nil',
    'delete_key({0}.attributes, "a") where scope.version == ""',
    'keep_keys({0}.attributes, ["a", "b", "new"])',
    'replace_all_patterns({0}.attributes, "value", "[aeiou]", "")',
    "limit({0}.attributes, 1, [])",
    'set({0}.cache["x"], {0}.attributes["b"]) where resource.attributes["a"] != nil',
    'set({0}.attributes["from"], {0}.cache["x"])',
    'set({0}.attributes["n"], resource.dropped_attributes_count + scope.dropped_attributes_count)',
    'merge_maps({0}.attributes, resource.attributes, "insert")',
    'set({0}.attributes["m"]["k"], {0}.attributes["a"]) where IsMap({0}.attributes["m"])',
    'set({0}.attributes["new"]["l"][1], {{"a": {0}.attributes["b"]}})',
    'delete_key({0}.attributes["m"], "s") where IsMap({0}.attributes["m"])',
    'merge_maps({0}.attributes["m"], {{"k": [1, "x"]}}, "upsert") where IsMap({0}.attributes["m"])',
    'append({0}.attributes["l"], scope.name)',
    'clear({0}.attributes["a"])',
    "stringify_all({0}.attributes)",
    'replace_all_patterns({0}.attributes, "key", "^(.)", "k.$1")',
    'set({0}.attributes["keys"], Keys({0}.attributes))',
)
OWN = {
    "span": (
        'set(span.name, "") where span.kind == 1',
        "set(span.status.code, 2) where span.end_time_unix_nano > span.start_time_unix_nano",
        'set(span.status.message, Concat([span.name, span.status.message], ":"))',
        "truncate_all(span.attributes, 3)",
    ),
    "log": (
        "set(log.body, resource.attributes)",
        'set(log.body["new"]["a"], log.attributes["a"]) where IsMap(log.body)',
        'delete_key(log.body, "a") where IsMap(log.body)',
        "flatten(log.body) where IsMap(log.body)",
        'set(log.severity_text, "ALERT") where log.severity_number > 1',
        'set(log.attributes["text"], log.body)',
    ),
    "datapoint": (
        'set(datapoint.attributes["name"], metric.name)',
        'set(datapoint.attributes["type"], metric.type)',
        'set(datapoint.attributes["monotonic"], metric.is_monotonic) where metric.aggregation_temporality != 0',
        "set(datapoint.flags, 1)",
    ),
    "metric": (
        'set(metric.name, Concat([metric.name, metric.unit], "_"))',
        'set(metric.unit, "") where metric.type == 2',
    ),
    "resource": ('set(resource.attributes["new"], "x")', 'delete_key(resource.attributes, "a")'),
}
CONDITIONS = (
    'resource.attributes["a"] != nil',
    "scope.name == scope.version",
    '{0}.attributes["a"] == {0}.attributes["b"]',
)
SIGNALS = {"span": "traces", "log": "logs", "datapoint": "metrics", "metric": "metrics", "resource": "traces"}
KEYS = {"traces": "trace_statements", "logs": "log_statements", "metrics": "metric_statements"}


def _configuration(context: str, draw: random.Random) -> dict[str, Any]:
    """One group or two, on rows of one context."""
    known = [*OWN[context], *(COMMON if context in ("span", "log", "datapoint") else ())]
    conditions = CONDITIONS if context in ("span", "log", "datapoint") else CONDITIONS[:1]
    groups = []
    for _ in range(draw.choice((1, 1, 2))):
        group: dict[str, Any] = {"context": context}
        group["statements"] = [one.format(context) for one in draw.choices(known, k=draw.randrange(1, 6))]
        if draw.random() < 0.4:
            group["conditions"] = [
                one.format(context) for one in draw.sample(conditions, draw.randrange(1, len(conditions) + 1))
            ]
        groups.append(group)
    mode = draw.choice(("ignore", "silent", "propagate"))
    return {"error_mode": mode, KEYS[SIGNALS[context]]: groups}


def _payload(signal: str, draw: random.Random) -> payloads.Payload:
    """A payload of many rows, or of an odd form, more often than not."""
    message = payloads.random_message(signal, draw)
    chance = draw.random()
    if chance < 0.4:
        return payloads.Payload(signal, payloads.crowded(message, signal, draw))
    if chance < 0.6:
        return payloads.Payload(signal, payloads.rough(message, draw), False)
    return payloads.random_payload(signal, draw)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each payload, whether a stream has taken it."""
    found: list[bool] = []
    run = Program.run_stream

    def counted(self: Program, *arguments: Any) -> Any:
        outcome = run(self, *arguments)
        found.append(outcome is not None)
        return outcome

    monkeypatch.setattr(Program, "run_stream", counted)
    return found


@pytest.mark.slow
def test_windows_of_any_size(monkeypatch: pytest.MonkeyPatch, taken: list[bool]) -> None:
    """Outputs, counts and failures are those of the plain stack, wherever windows end."""

    @given(st.sampled_from(sorted(SIGNALS)), st.integers(0, 1 << 32), st.integers(1, 3000), st.sampled_from((1, 2, 64)))
    @settings(max_examples=400, deadline=None)
    def check(context: str, seed: int, size: int, rows: int) -> None:
        draw = random.Random(seed)
        config = _configuration(context, draw)
        signal = SIGNALS[context]
        monkeypatch.setattr(native, "WINDOW", (size, rows))
        fast, plain = (ottl.Transform(config, stack=stack) for stack in ("fast", "plain"))
        for _ in range(4):
            payload = _payload(signal, draw)
            found = agreement.outcome(fast, payload, payload.data)
            (program,) = fast._tables.values() or (None,)
            if program is not None:
                assert program.stream is not None, config
                # A pause would hide what the next payload shows.
                program.stream = program._stream()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(native, "WINDOW", None)
                whole = agreement.outcome(ottl.Transform(config, stack="fast"), payload, payload.data)
            assert not payload.sound or found.data == whole.data
            how = agreement.difference(agreement.outcome(plain, payload, payload.data), found, signal)
            assert how is None, (config, payload.data.hex(), how)
            try:
                text = native.to_json(payload.data, signal, ottl.Limits())
            except Error:
                continue
            found, expected = (agreement.outcome(one, payload, text, "json") for one in (fast, plain))
            how = agreement.difference(expected, found, signal, "json")
            assert how is None, (config, text, how)

    check()
    assert sum(taken) > 0.4 * len(taken)


def _by_blocks(transform: ottl.Transform, messages: list[bytes], layout: str, signal: str) -> tuple[list[Any], int]:
    """What becomes of messages that lie in one block, and how many of them the pipeline took."""
    encoding: Any = "json" if layout == "jsonl" else "protobuf"
    block = b"".join(m + b"\n" if layout == "jsonl" else len(m).to_bytes(4, "big") + m for m in messages)
    pipeline = Pipeline({signal: [transform]}, ottl.Limits())
    found: list[Any] = []
    at = taken = 0
    while at < len(block):
        passed = pipeline.run(block, at, len(block), layout, signal)
        at, taken = passed.end, taken + passed.messages
        if layout == "jsonl":
            found += passed.output.splitlines()
        rest = passed.output if layout == "framed" else b""
        while rest:
            end = 4 + int.from_bytes(rest[:4], "big")
            found.append(rest[4:end])
            rest = rest[end:]
        if at < len(block):
            message = messages[len(found)]
            found.append(_alone(transform, message, signal, encoding))
            at += len(message) + (1 if layout == "jsonl" else 4)
    return found, taken


def _alone(transform: ottl.Transform, message: bytes, signal: str, encoding: Any) -> Any:
    """What becomes of a message by itself, or why it fails."""
    try:
        return transform.process(message, signal=signal, encoding=encoding)
    except Error as error:
        return str(error)


@pytest.mark.slow
def test_blocks_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a pipeline they become what each becomes by itself, and the counts are the same."""
    count = {"framed": 0, "jsonl": 0}

    @given(st.sampled_from(sorted(SIGNALS)), st.integers(0, 1 << 32), st.sampled_from((1, 300, 256 << 10)))
    @settings(max_examples=150, deadline=None)
    def check(context: str, seed: int, size: int) -> None:
        draw = random.Random(seed)
        config = _configuration(context, draw)
        signal = SIGNALS[context]
        monkeypatch.setattr(native, "WINDOW", (size, draw.choice((1, 64))))
        messages = [_payload(signal, draw).data for _ in range(draw.randrange(1, 9))]
        texts = []
        for message in messages:
            with contextlib.suppress(Error):
                texts.append(native.to_json(message, signal, ottl.Limits()))
        for layout, some in (("framed", messages), ("jsonl", texts)):
            one, many = (ottl.Transform(config, stack="fast") for _ in range(2))
            for transform in (one, many):
                transform.process(b"\x0a\x00", signal=signal)
            encoding = "json" if layout == "jsonl" else "protobuf"
            found, taken = _by_blocks(many, some, layout, signal)
            assert found == [_alone(one, message, signal, encoding) for message in some], config
            assert _counted(many) == _counted(one), config
            count[layout] += taken

    check()
    assert min(count.values()) > 100


def _counted(transform: ottl.Transform) -> list[Any]:
    return [(one.matched, one.changed, one.errors, one.first_error) for one in transform.stats()]


def test_only_the_innermost_rows() -> None:
    """Passes on rows of several levels, or with other levels below their own, are no stream."""
    for statements in (
        ['set(span.name, "x")', 'set(resource.attributes["x"], 1)'],
        ['set(span.name, "x")', 'set(spanevent.name, "y")'],
    ):
        transform = ottl.Transform({"trace_statements": statements})
        with pytest.raises(Error):
            transform.process(b"\xff", signal="traces")
        assert all(program.stream is None for program in transform._tables.values())

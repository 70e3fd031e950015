"""Streams: payloads in windows, their lengths, and what has to be taken as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, TracesData

import ottl
from ottl import PayloadError, engine
from ottl.codec import native

_native = pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

WINDOWS = [(1, 1), (200, 1), (1000, 8), (256 << 10, 64)]


def traces(spans: int, *, name: str = "op", scopes: int = 1, resource: str = "r") -> bytes:
    """Spans `0`, `1`... with an attribute `n`, in some scopes of one resource."""
    data = TracesData()
    found = data.resource_spans.add()
    found.resource.attributes.add(key="name").value.string_value = resource
    for scope in range(scopes):
        group = found.scope_spans.add()
        group.scope.name = f"scope {scope}"
        for number in range(scope * spans // scopes, (scope + 1) * spans // scopes):
            span = group.spans.add(name=name)
            span.attributes.add(key="n").value.int_value = number
    return data.SerializeToString()


def transform(*statements: str, **options: Any) -> ottl.Transform:
    """A transform of spans that fails on no row."""
    return ottl.Transform({"error_mode": "ignore", "trace_statements": list(statements)}, **options)


def stream_of(processor: ottl.Transform) -> Any:
    """The stream of its only passes."""
    (program,) = processor._tables.values()
    return program.stream


def runs(processor: ottl.Transform, payload: bytes) -> bool:
    """Whether the stream takes a payload."""
    known = processor.known_failures("traces")
    return stream_of(processor).run(payload, 1 << 30, 100, (1 << 30, 1 << 40, 1e9, 1 << 30), known) is not None


@pytest.fixture(autouse=True, params=WINDOWS, ids=str)
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Windows of several sizes."""
    size: tuple[int, int] = request.param
    monkeypatch.setattr(native, "WINDOW", size)
    return size


@pytest.mark.parametrize("before", [0, 60, 100, 110, 16_200, 16_300])
@pytest.mark.parametrize("value", ["", "x" * 9, "x" * 70])
def test_lengths_of_all_widths(monkeypatch: pytest.MonkeyPatch, before: int, value: str) -> None:
    """Lengths of rows, and of what lies around them, may take more bytes than before, or fewer."""
    for count in (1, 2, 3, 40, 150):
        for end in range(0, 30, 7):
            payload = traces(count, name="o" * (before + end), scopes=min(count, 3))
            rule = f'set(span.name, "{value}")' if value else 'delete_key(span.attributes, "n")'
            found = transform(rule).process(payload)
            with monkeypatch.context() as patch:
                patch.setattr(native, "WINDOW", None)
                assert found == transform(rule).process(payload)
            assert found != payload
            spans = [s for scope in TracesData.FromString(found).resource_spans[0].scope_spans for s in scope.spans]
            assert len(spans) == count
            assert all(s.name == value if value else not s.attributes for s in spans)


def test_only_some_rows_change() -> None:
    """What lies between changed rows is copied, also where messages end and begin there."""
    data = TracesData()
    for number in range(30):
        data.MergeFromString(traces(number % 4, scopes=1 + number % 3, resource=f"r{number}"))
    payload = data.SerializeToString()
    rule = 'set(span.attributes["hit"], resource.attributes["name"]) where span.attributes["n"] == 2'
    found = TracesData.FromString(transform(rule).process(payload))
    hits = [
        (resource.resource.attributes[0].value.string_value, span.attributes[-1].value.string_value)
        for resource in found.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if span.attributes[-1].key == "hit"
    ]
    assert hits == [(f"r{number}", f"r{number}") for number in range(30) if number % 4 == 3]
    for resource in found.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                del span.attributes[1:]
    assert found == data


def test_much_larger_results() -> None:
    """The result may be many times as long as the payload, and the next one short again."""
    processor = transform(f'set(span.attributes["long"], "{"x" * 3000}") where span.name == "long"')
    for _ in range(3):
        found = TracesData.FromString(processor.process(traces(500, name="long")))
        assert {len(s.attributes[1].value.string_value) for s in found.resource_spans[0].scope_spans[0].spans} == {3000}
        assert processor.process(traces(500)) == traces(500)
    assert runs(processor, traces(500))


def test_what_does_not_change_is_the_payload_itself() -> None:
    """No copy is made of it."""
    payload = traces(300)
    assert transform('set(span.name, "x") where span.kind == 5').process(payload) is payload


def test_json_takes_the_same_way() -> None:
    """Text comes and goes without a payload between, malformed text is refused where it is, and limits hold."""
    rule = 'set(span.attributes["x"], Concat([span.name, resource.attributes["name"], "0123456789abcdef"], "-"))'
    payload = traces(300, scopes=2)
    text = native.to_json(payload, "traces", ottl.Limits())
    processor = transform(rule)
    wanted = native.to_json(processor.process(payload), "traces", ottl.Limits())
    for _ in range(3):
        assert processor.process(text, encoding="json") == wanted
    assert [stats.changed for stats in processor.stats()] == [1200]
    with pytest.raises(PayloadError) as caught:
        processor.process(text[:-9], encoding="json")
    assert caught.value.offset is not None
    unchanged = transform('set(span.name, "x") where span.kind == 5')
    assert {unchanged.process(text, encoding="json") for _ in range(3)} == {text}
    small = transform(rule, limits=ottl.Limits(max_growth=1000))
    for _ in range(3):
        with pytest.raises(PayloadError, match="make more than"):
            small.process(text, encoding="json")


FAILING = (
    'set(span.attributes["m"], Substring(span.name, 0, 9)) where span.attributes["n"] > 100',
    'set(span.attributes["t"], span.start_time)',
    'merge_maps(span.attributes, span.attributes["none"], "upsert")',
    'set(span.attributes["k"], span.attributes["n"] + 1)',
)


def test_rows_that_fail_are_counted_once_it_is_known_how() -> None:
    """The first payload goes as a whole and tells how statements fail; then they are streams, with the same counts."""
    payload = traces(300)
    processor, plain = transform(*FAILING), transform(*FAILING, stack="plain")
    wanted = plain.process(payload)
    assert processor.process(payload) == wanted
    assert runs(processor, payload)
    for _ in range(4):
        assert processor.process(payload) == wanted
        plain.process(payload)
    found, expected = ([(s.matched, s.changed, s.errors, s.first_error) for s in p.stats()] for p in (processor, plain))
    assert found == expected
    assert [errors for _, _, errors, _ in found] == [5 * 199, 5 * 300, 5 * 300, 0]


def test_each_of_several_processors_tells_its_first_failure() -> None:
    """A sibling counts for itself, and begins anew when its counts are taken."""
    payload = traces(300)
    processor = transform(FAILING[1])
    for one in (processor, processor.sibling()):
        for _ in range(3):
            one.process(payload)
            (stats,) = one.stats()
            assert stats.errors % 300 == 0
            assert stats.first_error is not None
            one.take_counts()


def test_rows_that_fail_where_each_is_told() -> None:
    """With `on_error`, and under `propagate`, no payload with a failure is a stream."""
    payload = traces(300)
    processor = transform(FAILING[1])
    processor.process(payload)
    told: list[Any] = []
    processor.on_error = told.append
    processor.process(payload)
    assert [error.row for error in told] == list(range(300))
    strict = ottl.Transform({"error_mode": "propagate", "trace_statements": [FAILING[0]]})
    for _ in range(3):
        with pytest.raises(ottl.StatementError) as caught:
            strict.process(payload)
        assert caught.value.row == 101


def test_declined_rows_are_counted_once() -> None:
    """A payload with a row that fails goes as a whole, as if there had been no stream."""
    processor = transform('set(span.attributes["m"], Len(span.attributes["n"])) where span.attributes["n"] == 199')
    for _ in range(3):
        processor.process(traces(200))
    (stats,) = processor.stats()
    assert (stats.matched, stats.changed, stats.errors) == (3, 0, 3)
    processor.process(traces(150))
    (stats,) = processor.stats()
    assert (stats.matched, stats.errors) == (3, 3)


def test_pauses_get_longer_and_shorter() -> None:
    """Twice as many payloads go by unseen with each failure, and one fewer for each success."""
    processor = transform('set(span.attributes["m"], Len(span.attributes["n"]))')
    good, bad = traces(0), traces(1)
    processor.process(good)

    def passing() -> int:
        return next(number for number in range(100) if runs(processor, good))

    found = []
    for _ in range(3):
        assert not runs(processor, bad)
        found.append(passing())
    assert found == [1, 1, 1]
    for _ in range(2):
        assert not runs(processor, bad)
        for _ in range(found[-1]):
            assert not runs(processor, bad)
        found.append(2 * found[-1] + 1)
    assert not runs(processor, bad)
    assert passing() == 7


def test_limits_hold_over_all_windows() -> None:
    """What the statements make counts for the whole payload; so does time."""
    payload = traces(400)
    rule = 'set(span.attributes["x"], Concat([span.name, span.name, "0123456789abcdef"], "-"))'
    made = len(transform(rule).process(payload)) - len(payload)
    transform(rule, limits=ottl.Limits(max_growth=2 * made)).process(payload)
    with pytest.raises(PayloadError, match="make more than"):
        transform(rule, limits=ottl.Limits(max_growth=made // 4)).process(payload)
    with pytest.raises(PayloadError, match="longer than"):
        transform(rule, limits=ottl.Limits(deadline_s=1e-9)).process(payload)
    with pytest.raises(PayloadError, match="more messages than the limit"):
        transform(rule, limits=ottl.Limits(max_messages=500)).process(payload)


@pytest.mark.parametrize("end", [b"\x0a", b"\x0a\x05\x12\x03\x12\x02\x2a", b"\xff\xff\xff\xff\xff\xff"])
def test_malformed_behind_many_windows(end: bytes) -> None:
    """The error is that of the plain stack, and nothing is counted."""
    payload = traces(300) + end
    processor = transform('set(span.name, "x")')
    with pytest.raises(PayloadError) as caught:
        processor.process(payload)
    assert caught.value.offset is not None
    assert caught.value.offset >= len(traces(300))
    with pytest.raises(PayloadError):
        transform('set(span.name, "x")', stack="plain").process(payload)
    assert [s.matched for s in processor.stats()] == [0]


def test_what_comes_late(window: tuple[int, int]) -> None:
    """A resource or scope that is known only behind rows still holds for all of them."""
    parts = ResourceSpans.FromString(TracesData.FromString(traces(100)).resource_spans[0].SerializeToString())
    parts.scope_spans[0].scope.Clear()
    late = parts.SerializeToString()
    head = ResourceSpans()
    head.resource.attributes.add(key="name").value.string_value = "late"
    parts.ClearField("resource")
    late = parts.SerializeToString() + head.SerializeToString()
    data = TracesData()
    data.resource_spans.add().MergeFromString(late)
    payload = b"\x0a" + _varint(len(late)) + late
    processor = transform('set(span.name, resource.attributes["name"])')
    found = TracesData.FromString(processor.process(payload))
    assert {span.name for span in found.resource_spans[0].scope_spans[0].spans} == {"late"}
    assert runs(processor, payload) == (window[0] > len(payload))
    # Nothing reads it here, so it may come whenever it likes.
    other = transform('set(span.name, "x")')
    other.process(payload)
    assert runs(other, payload)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_conditions_of_groups_and_several_passes() -> None:
    """Groups run one after another on each window, each on the rows that its conditions select."""
    groups = [
        {
            "context": "span",
            "conditions": ['span.attributes["n"] < 10', 'span.attributes["n"] >= 290'],
            "statements": ['set(span.cache["x"], "chosen")', 'set(span.name, span.cache["x"])'],
        },
        {
            "context": "span",
            "statements": [
                'set(span.kind, 3) where span.name == "chosen"',
                'set(span.name, "old") where span.cache["x"] != nil',
            ],
        },
    ]
    processor = ottl.Transform({"trace_statements": groups})
    payload = traces(300, scopes=3)
    found = TracesData.FromString(processor.process(payload))
    spans = [span for scope in found.resource_spans[0].scope_spans for span in scope.spans]
    assert [span.kind for span in spans] == [3 if not 10 <= number < 290 else 0 for number in range(300)]
    assert {span.name for span in spans} == {"op", "chosen"}
    assert [stats.matched for stats in processor.stats()] == [20, 20, 20, 0]
    assert runs(processor, payload)


def test_a_stream_has_stages_on_innermost_rows() -> None:
    """What a stream cannot do is refused when it is made."""
    processor = transform('set(span.name, "x")')
    processor.process(traces(1))
    (program,) = processor._tables.values()
    segment = next(iter(program._lowered.values())).segments[0]
    for layout in (
        native.layout("traces", ["span", "spanevent"], [], False),
        native.layout("traces", ["resource"], [], False),
    ):
        with pytest.raises(ValueError, match="a stream needs"):
            native.stream(layout, [(None, segment.program, 0, True)])
    with pytest.raises(ValueError, match="a stream needs"):
        native.stream(program.layout, [])

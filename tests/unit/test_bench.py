"""What the benchmarks compute from their samples, and what becomes of it on the page and in pictures."""

import math
from xml.etree import ElementTree as ET

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from bench import events, harness, payloads, scaled, svg, targets


def test_a_spread_is_the_median_between_the_extremes() -> None:
    """Outliers move the ends of a spread, not its middle."""
    spread = harness.Spread.of([3.0, 1.0, 90.0])
    assert (spread.median, spread.low, spread.high) == (3.0, 1.0, 90.0)
    assert str(spread) == "3.00 (1.00..90.0)"
    assert str(harness.Spread.of([])) == "-"


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0123, "0.012"), (0.4567, "0.457"), (0.9999, "1.00"), (9.996, "10.0"), (123.4, "123"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits(value: float, words: str) -> None:
    """A table shows no more of a number than the measurement is worth."""
    assert harness.number(value) == words


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which everything was twice as slow has the same ratio as the others."""
    assert harness.ratios([10.0, 20.0, 10.0], [2.0, 4.0, 2.0]) == [5.0, 5.0, 5.0]
    assert harness.geometric([[2.0, 1.0], [8.0, 1.0]]) == [pytest.approx(4.0), 1.0]


def test_contenders_take_turns() -> None:
    """Each round asks every contender once, in the same order."""
    calls: list[str] = []
    harness.rounds({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b", "a", "b"]


def test_targets_say_whether_they_are_met() -> None:
    """A target is judged by the median, and one without measurements is not judged."""
    samples = {"ours": [1.0, 1.0, 1.0], "total": [11.0, 12.0, 7.0], "hand": [1.0] * 3, "rows": [4.0] * 3}
    found = [
        {"signal": "traces", "rows": 8000, "rule_set": name, "micros": samples} for name in ("one", "policy", "mixed")
    ]
    lines = {line[0]: line[1:] for line in targets.lines({"run": {"measurements": found}})}
    assert lines["8,000 spans: geometric mean of one, policy, mixed"] == ["at least 10 ×", "11.0", "7.00..12.0", "yes"]
    assert lines["without native code, against the loop by hand"][-1] == "no"
    assert lines["log parsing, 8,000 records"][-1] == "not measured"


def test_a_large_payload_has_the_rows_asked_for() -> None:
    """Blocks that are joined are one message of all their spans."""
    data = TracesData.FromString(scaled.spans(scaled.BLOCK + 7))
    assert sum(len(s.spans) for r in data.resource_spans for s in r.scope_spans) == scaled.BLOCK + 7


def test_events_survive_json_lines() -> None:
    """An event is a span with its resource, and reads back as it was written."""
    found = list(events.of_payload(payloads.traces(3)))
    assert [e["resource"]["service.name"] for e in found] == ["checkout-service"] * 3
    assert events.from_lines(events.to_lines(found)) == found


def test_charts_are_well_formed_and_inside_their_panel() -> None:
    """A chart is XML whose points all lie on the panel, whatever is in its words."""
    points = [(1.0, 0.5), (10.0, 50.0), (8000.0, 3.0)]
    axis = svg.Axis("rows & <more>", logarithmic=True)
    for text in (
        svg.lines("title", "it's", [svg.Series("a", points)], axis, axis),
        svg.bars("title", "", {"group": [svg.Bar("<b>", 3, "3 ×", 2, 4, 10)]}),
    ):
        root = ET.fromstring(text)
        width, height = (float(root.attrib[name]) for name in ("width", "height"))
        for node in root.iter():
            for name, limit in (("cx", width), ("x", width), ("x2", width), ("cy", height), ("y", height)):
                assert 0 <= float(node.attrib.get(name, 0)) <= limit


def test_logarithmic_scales_have_round_ticks() -> None:
    """Ticks are powers of ten, or finer where those would be few."""
    assert svg.Scale(0.5, 5000, 0, 1, logarithmic=True).ticks() == [1, 10, 100, 1000]
    assert svg.Scale(3, 30, 0, 1, logarithmic=True).ticks() == [5, 10, 20]
    assert svg.Scale(0, 66, 0, 1).ticks() == pytest.approx([0, 20, 40, 60])


def test_missing_numbers_are_null_in_json() -> None:
    """What was not measured is null in the files, not something that JSON does not know."""
    assert harness.plain({"a": [harness.Spread(), 1]}) == {"a": [{"median": None, "low": None, "high": None}, 1]}
    assert math.isnan(harness.Spread().median)

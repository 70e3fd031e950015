"""Pictures of what the other scripts measured last, into docs/performance/: `python bench/plots.py`.

Reads `build/bench/*.json`; a picture whose measurements are missing stays as it is, and that is said.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import harness, svg, targets

FOLDER: Final = harness.ROOT / "docs" / "performance"
SHORT: Final = {
    "ours": "ours",
    "ours_json": "ours, OTLP JSON",
    "reference": "reference",
    "reference_json": "reference, OTLP JSON",
    "hand": "protobuf loop in Python",
    "sdk": "SDK for Python",
    "vrl": "VRL, JSON lines",
}
Found = Mapping[str, Any]


def _commit(found: Found) -> str:
    commit, _, more = found["machine"]["commit"].partition(" ")
    return f"commit {commit}{'+' if more else ''}"


def _bar(name: str, samples: list[float], unit: str, mark: float | None = None, group: int = 0) -> svg.Bar:
    spread = harness.Spread.of(samples)
    words = f"{harness.number(spread.median)} {unit}" + (f" (target {mark:g})" if mark is not None else "")
    return svg.Bar(name, spread.median, words, spread.low, spread.high, mark, group)


def ratios(found: Found) -> str:
    """How many times faster than the reference, with the targets."""
    bars = []
    for target in targets.TARGETS:
        if target.script == "run" and target.unit == "×" and target.limit >= 1:
            samples = target.read(found)
            if samples:
                name = target.what.replace("geometric mean of one, policy, mixed", "three rule sets")
                bars.append(_bar(name.replace("the same", "three rule sets"), samples, "×", target.limit))
    subtitle = f"bytes in to bytes out on one core; the line shows the spread over the rounds; {_commit(found)}"
    return svg.bars("Times the speed of the Go reference", subtitle, {"": bars})


def sizes(found: Found) -> str:
    """Microseconds a span over the size of the payload."""
    series = []
    for number, rule_set in enumerate(targets.SCORED):
        for contender, dashed in (("ours", False), ("total", True)):
            points = [
                (m["rows"], harness.Spread.of(m["micros"][contender]).median)
                for m in found["measurements"]
                if m["signal"] == "traces" and m["rule_set"] == rule_set and contender in m["micros"]
            ]
            if points:
                series.append(svg.Series(rule_set, points, number, dashed))
    return svg.lines(
        "A span in payloads of different sizes",
        f"microseconds a span, both axes logarithmic; dashed: the reference; {_commit(found)}",
        series,
        svg.Axis("spans a payload", logarithmic=True),
        svg.Axis("µs a span", logarithmic=True),
    )


def rows(found: Found) -> str:
    """Nanoseconds a row up to a million rows."""
    series = []
    for number, (rule_set, points) in enumerate(found["rows"].items()):
        for contender, dashed in (("ours", False), ("theirs", True)):
            chosen = [
                (p["rows"], harness.Spread.of(p[contender]).median / p["rows"] * 1e9) for p in points if p[contender]
            ]
            if chosen:
                series.append(svg.Series(rule_set, chosen, number, dashed))
    return svg.lines(
        "A row in payloads of 512 to 1,000,000 rows",
        f"nanoseconds a row, both axes logarithmic; dashed: the reference; {_commit(found)}",
        series,
        svg.Axis("rows a payload", logarithmic=True),
        svg.Axis("ns a row", logarithmic=True),
    )


def statements(found: Found) -> str:
    """What one more simple statement costs."""
    groups = {
        one["kind"]: [
            _bar("ours", [max(ns, 0.1) for ns in one["ours_ns"]], "ns", 30),
            *(
                [_bar("reference", [max(ns, 0.1) for ns in one["theirs_ns"]], "ns", group=1)]
                if one["theirs_ns"]
                else []
            ),
        ]
        for one in found["statements"]
    }
    subtitle = f"nanoseconds a row at 8,000 spans, logarithmic; {_commit(found)}"
    return svg.bars("One more statement", subtitle, groups, logarithmic=True)


def peers(found: Found) -> str:
    """Ours beside its peers."""
    count = found["rows"]
    colours = {"ours": 0, "ours_json": 0, "reference": 1, "reference_json": 1, "hand": 2, "sdk": 3, "vrl": 4}
    groups: dict[str, list[svg.Bar]] = {}
    for m in found["measurements"]:
        micros = [s["total"] / count * 1e6 for s in m["seconds"]]
        groups.setdefault(m["rule_set"], []).append(_bar(SHORT[m["peer"]], micros, "µs", group=colours[m["peer"]]))
    subtitle = f"microseconds a span, {count:,} spans a payload, one core, logarithmic; {_commit(found)}"
    return svg.bars("The same work, side by side", subtitle, groups, logarithmic=True)


def soak(found: Found) -> str:
    """Resident memory over the payloads."""
    points = [(s["payloads"], s["resident"] / 1e6) for s in found["samples"]]
    return svg.lines(
        f"Resident memory over {found['payloads']:,} payloads",
        f"all signals, rule sets and stacks, one in ten damaged; {_commit(found)}",
        [svg.Series("resident memory", points, dots=False)],
        svg.Axis("payloads", words=lambda value: f"{value:,.0f}"),
        svg.Axis("MB", low=0),
    )


PICTURES: Final[dict[str, tuple[str, Callable[[Found], str]]]] = {
    "ratios": ("run", ratios),
    "sizes": ("run", sizes),
    "rows": ("scaling", rows),
    "statements": ("scaling", statements),
    "peers": ("peers", peers),
    "soak": ("soak", soak),
}
"""Name of the file, script whose measurements it shows, function that draws it."""


def main() -> None:
    """Draws all that can be drawn."""
    parser = harness.arguments(__doc__)
    parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name, (script, draw) in PICTURES.items():
        found = harness.saved(script)
        if found is None:
            print(f"{name}.svg: not drawn, bench/{script}.py has not run")
            continue
        (FOLDER / f"{name}.svg").write_text(draw(found), encoding="utf-8")
        print(f"{name}.svg: drawn")


if __name__ == "__main__":
    main()

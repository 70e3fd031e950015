"""Charts as SVG, written by hand: bars and lines on a panel of their own, readable on dark and on light pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 760
LEFT: Final = 70
RIGHT: Final = 40
TOP: Final = 74
BOTTOM: Final = 52
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Distinguishable with any kind of colour vision."""
INK, FAINT, PANEL = "#1f2328", "#d0d7de", "#ffffff"
FONT: Final = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to places on the panel.

    Args:
        low: the smallest value.
        high: the largest.
        start: place of the smallest.
        end: place of the largest.
        logarithmic: equal ratios take equal room.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high, value = (math.log10(max(v, 1e-12)) if self.logarithmic else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values: powers of ten, or about five steps."""
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            powers = [10.0**n for n in range(first, last + 1)]
            finer = [factor * power for power in powers for factor in (1, 2, 5)]
            shown = [[t for t in some if self.low * 0.999 <= t <= self.high * 1.001] for some in (powers, finer)]
            return shown[0] if len(shown[0]) > 3 else shown[1]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(f for f in (1, 2, 5, 10) if (self.high - self.low) / (step * f) <= 6)
        return [n * step for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' {more}>{escape(words)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = FAINT, more: str = "") -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' {more}/>"


def _panel(height: int, title: str, subtitle: str, parts: Sequence[str]) -> str:
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' "
        f"role='img' aria-label='{escape(title, quote=True)}' fill='{INK}' {FONT}>\n"
        f"<rect x='0.5' y='0.5' width='{WIDTH - 1}' height='{height - 1}' rx='8' fill='{PANEL}' stroke='{FAINT}'/>\n"
    )
    words = [_text(20, 28, title, size=16, more="font-weight='600'"), _text(20, 48, subtitle)]
    return head + "\n".join([*words, *parts]) + "\n</svg>\n"


def _legend(names: Sequence[tuple[int, str]], y: float) -> list[str]:
    found, x = [], float(LEFT)
    for number, name in names:
        colour = COLOURS[number]
        found.append(f"<rect x='{x:.1f}' y='{y - 9:.1f}' width='12' height='10' rx='2' fill='{colour}'/>")
        found.append(_text(x + 17, y, name))
        x += 34 + 6.6 * len(name)
    return found


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart.

    Args:
        name: in the legend.
        points: x and y, from left to right.
        colour: number of its colour.
        dashed: whether it is, and left out of the legend.
        dots: whether each point is marked.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False
    dots: bool = True


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows.

    Args:
        title: beside it.
        logarithmic: equal ratios take equal room.
        words: what a value is called.
        low: the least value, where it shall not follow from the points.
    """

    title: str
    logarithmic: bool = False
    words: Callable[[float], str] = field(default=lambda value: f"{value:,.10g}")
    low: float | None = None


def lines(title: str, subtitle: str, series: Sequence[Series], x: Axis, y: Axis) -> str:
    """A chart of lines over two axes."""
    height = 400
    xs = [point[0] for one in series for point in one.points]
    ys = [point[1] for one in series for point in one.points]
    bottom = height - BOTTOM
    low = y.low if y.low is not None else min(ys) * 0.8
    to_x = Scale(x.low if x.low is not None else min(xs), max(xs), LEFT, WIDTH - RIGHT, x.logarithmic)
    to_y = Scale(low, max(ys) * (1.3 if y.logarithmic else 1.08), bottom, TOP + 22, y.logarithmic)
    parts = _legend([(one.colour, one.name) for one in series if not one.dashed], TOP)
    for tick in to_y.ticks():
        parts.append(_line(LEFT, to_y(tick), WIDTH - RIGHT, to_y(tick)))
        parts.append(_text(LEFT - 8, to_y(tick) + 4, y.words(tick), anchor="end"))
    parts += [
        _text(to_x(tick), bottom + 18, x.words(tick), anchor="middle")
        for tick in (to_x.ticks() if len(set(xs)) > 12 else sorted(set(xs)))
    ]
    parts.append(_line(LEFT, bottom, WIDTH - RIGHT, bottom, INK))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 14, x.title, anchor="middle"))
    middle = (TOP + bottom) / 2
    parts.append(_text(18, middle, y.title, anchor="middle", more=f"transform='rotate(-90 18 {middle:.1f})'"))
    for one in series:
        colour = COLOURS[one.colour]
        dashes = " stroke-dasharray='6 4'" if one.dashed else ""
        path = " ".join(f"{to_x(a):.1f},{to_y(b):.1f}" for a, b in one.points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'{dashes}/>")
        for a, b in one.points if one.dots else ():
            parts.append(f"<circle cx='{to_x(a):.1f}' cy='{to_y(b):.1f}' r='3.5' fill='{colour}'/>")
    return _panel(height, title, subtitle, parts)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart.

    Args:
        name: beside it.
        value: how long it is.
        words: at its end.
        low: where its spread begins.
        high: where it ends.
        mark: a line across, such as a target.
        group: bars of a group have a colour.
    """

    name: str
    value: float
    words: str
    low: float
    high: float
    mark: float | None = None
    group: int = 0


def bars(title: str, subtitle: str, groups: Mapping[str, Sequence[Bar]], *, logarithmic: bool = False) -> str:
    """Horizontal bars in groups with a heading each; a thin line shows the spread."""
    found = [bar for group in groups.values() for bar in group]
    left, row = 230, 24
    least = min(bar.low for bar in found)
    most = max(max(bar.high, bar.mark or 0) for bar in found)
    start = 10.0 ** math.floor(math.log10(least)) if logarithmic else 0.0
    to_x = Scale(start, most, left, WIDTH - 150, logarithmic)
    parts: list[str] = []
    y = float(TOP)
    for heading, group in groups.items():
        if heading:
            parts.append(_text(20, y + 6, heading, size=13, more="font-weight='600'"))
            y += row
        for bar in group:
            colour = COLOURS[bar.group]
            end, middle = to_x(bar.value), y + 1
            parts.append(_text(left - 10, middle + 4, bar.name, anchor="end"))
            parts.append(
                f"<rect x='{left}' y='{middle - 7:.1f}' width='{max(1.0, end - left):.1f}' height='14' rx='2' "
                f"fill='{colour}' fill-opacity='0.85'/>"
            )
            parts.append(_line(to_x(bar.low), middle, to_x(bar.high), middle, INK, "stroke-width='1.5'"))
            if bar.mark is not None:
                at = to_x(bar.mark)
                parts.append(_line(at, middle - 11, at, middle + 11, INK, "stroke-width='2' stroke-dasharray='3 2'"))
            place = max(to_x(bar.high), to_x(bar.mark) if bar.mark is not None else 0.0) + 8
            parts.append(_text(place, middle + 4, bar.words))
            y += row
        y += 8
    return _panel(int(y + 6), title, subtitle, parts)

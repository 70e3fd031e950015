"""Layouts of times: strptime directives, read and written as the reference does.

The reference turns a format into a layout of Go's `time` package (`%Y-%m` is `2006-01`) and lets that package do the
work, so its habits can be seen: letters of a format that spell an element of a layout (`Jan`, `PM`) are read as one,
neighbours melt (`%m%S` reads an hour), a fraction of a second loses its zeros. This module goes the same way.

Texts are handled as Latin-1 decoded UTF-8: a character is a byte.
"""

from __future__ import annotations

import bisect
import functools
import importlib.resources
import itertools
import os
import re
import zoneinfo
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ottl.types import Civil, Time, civil, zone_offset

_NANOS = 1_000_000_000
_MAX_DIRECTIVES = 100
_MAX_ATTEMPTS = 200

_WRITTEN = {
    "%Y": "2006",
    "%y": "06",
    "%m": "01",
    "%o": "_1",
    "%q": "1",
    "%b": "Jan",
    "%h": "Jan",
    "%B": "January",
    "%d": "02",
    "%e": "_2",
    "%g": "2",
    "%a": "Mon",
    "%A": "Monday",
    "%H": "15",
    "%l": "3",
    "%I": "03",
    "%p": "PM",
    "%P": "pm",
    "%M": "04",
    "%S": "05",
    "%L": "999",
    "%f": "999999",
    "%s": "999999999",
    "%Z": "MST",
    "%z": "Z0700",
    "%w": "-070000",
    "%i": "-07",
    "%j": "-07:00",
    "%k": "-07:00:00",
    "%D": "01/02/2006",
    "%x": "01/02/2006",
    "%F": "2006-01-02",
    "%T": "15:04:05",
    "%X": "15:04:05",
    "%r": "03:04:05 pm",
    "%R": "15:04",
    "%n": "\n",
    "%t": "\t",
    "%%": "%",
    "%c": "Mon Jan 02 15:04:05 2006",
}
# What a directive reads, where that is more than what it writes: alternatives, each a list of elements.
_DATE = (("1", "/", "2", "/", "2006"), ("1", "/", "2", "/", "06"))
_CLOCK = (("15", ":", "4", ":", "5"),)
_READ: dict[str, tuple[tuple[str, ...], ...]] = {
    "%m": (("1",),),
    "%o": (("1",),),
    "%q": (("1",),),
    "%d": (("2",),),
    "%e": (("2",),),
    "%g": (("2",),),
    "%I": (("3",),),
    "%M": (("4",),),
    "%S": (("5",),),
    "%D": _DATE,
    "%x": _DATE,
    "%F": (("2006", "-", "1", "-", "2"),),
    "%T": _CLOCK,
    "%X": _CLOCK,
    "%r": (("3", ":", "4", ":", "5", " ", "pm"),),
    "%R": (("15", ":", "4"),),
    "%c": (("Mon", " ", "Jan", " ", "2", " ", "15", ":", "4", ":", "5", " ", "2006"),),
    "%z": (("Z0700",), ("Z07:00",), ("Z07",)),
}
_DIRECTIVE = re.compile("%[^\n]")
_LOST_FRACTION = re.compile("[^.,]%[Lfs]")
_SPACE = re.compile("[\t\n\f\r ]*")
_AFTER_BLANKS = "0123456789Z"
"""What elements begin with that blanks may stand before."""

_ELEMENT = re.compile(
    "January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2(?!006)|__2|[345]|PM|pm"
    "|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07|[.,](?:0+|9+)(?![0-9])"
)
_PART = {"15": "h", "03": "h", "3": "h", "PM": "h", "pm": "h", "04": "m", "4": "m", "05": "s", "5": "s"}
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)


class LayoutError(ValueError):
    """A text that is not as its layout says.

    Args:
        element: the part of the layout that does not fit; `""` for text behind the end.
        remainder: the text from there on.
    """

    def __init__(self, element: str, remainder: str, reason: str = "") -> None:
        super().__init__(f"time does not match {element or 'the end of the format'} at {remainder!r}{reason}")
        self.element = element
        self.remainder = remainder


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked strptime format.

    Args:
        text: the format as the rule has it.
    """

    text: str

    @property
    def utc(self) -> bool:
        """Whether times without a zone are UTC: the format ends in a literal Z."""
        return self.text.endswith("Z") and not self.text.endswith("%Z")

    def format(self, time: Time) -> str:
        """The time as text, in its own zone."""
        layout = _DIRECTIVE.sub(lambda match: _WRITTEN[match[0]], self.text)
        fields = civil(time)
        pieces = []
        for literal, element in _elements(layout):
            pieces.append(literal)
            if element:
                pieces.append(_shown(element, fields))
        return "".join(pieces)

    def parts(self) -> list[tuple[str, str, str]]:
        """Literals, the elements behind them, and what each shows of a time in UTC.

        Returns:
            The last is `d` for days and what does not change, `h`, `m`, `s`, or `n` for the fraction of a second.
        """
        layout = _DIRECTIVE.sub(lambda match: _WRITTEN[match[0]], self.text)
        return [
            (literal, element, _PART.get(element, "n" if element[:1] in (".", ",") else "d"))
            for literal, element in _elements(layout)
        ]

    def shown(self, element: str, time: Time) -> str:
        """An element as `format` writes it."""
        return _shown(element, civil(time))

    def reading(self) -> Reading | None:
        """What the native engine reads texts by; None where it might read one otherwise than `parse`."""
        return _reading(self.text)

    def parse(self, text: bytes, location: str, locale: Locale | None = None) -> Time:
        """The time that a text says; its year is below 1 where the format has none.

        Args:
            text: UTF-8.
            location: the zone of a text that names none, as `Time.zone`.
            locale: whose names of days and months the text has.

        Raises:
            ValueError: the text does not fit, or names an unknown zone.
        """
        value = text.decode("latin-1")

        def read(layout: str) -> Time:
            return _read_time(layout, value if locale is None else locale.translate(layout, value), location)

        form = self.text.encode(errors="surrogateescape").decode("latin-1")
        return _Search(form, tuple(match.span() for match in _DIRECTIVE.finditer(form)), read).solve("", 0, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """A layout for the native engine (see `ottl/native/src/kernels/dates.rs`).

    Args:
        parts: a literal, the element behind it or several that it may be, and whether blanks may stand between.
        rest: what stands behind the last element.
        dated: whether the year is named.
    """

    parts: tuple[tuple[bytes, str, bool], ...]
    rest: bytes
    dated: bool


_MOST_ELEMENTS = 50
"""With so many, blanks before each are found well within `_MAX_ATTEMPTS`."""


@functools.lru_cache(maxsize=1024)
def _reading(text: str) -> Reading | None:
    """How `_Search` comes to the layout that fits, in one pass: elements with blanks before them, or spelled otherwise.

    That is so where an element that does not fit is blamed on its own directive, as no other has it, and where the
    elements of a layout are those of its directives, as neighbours do not melt.
    """
    form = text.encode(errors="surrogateescape").decode("latin-1")
    directives = list(_DIRECTIVE.finditer(form))
    spellings = [_READ.get(d[0], ((_WRITTEN[d[0]],),)) for d in directives]
    uses = Counter(e for ways in spellings for e in {e for way in ways for e in way if _ELEMENT.fullmatch(e)})
    if uses.total() > _MOST_ELEMENTS or any(
        len(ways) > 1 and uses[e] > 1 for ways in spellings for w in ways for e in w
    ):
        return None
    found = [_pairs(form, directives, chosen) for chosen in itertools.product(*spellings)]
    if any(pairs != _elements(layout) for layout, pairs in found):
        return None
    parts = []
    for same in zip(*(pairs[:-1] for _, pairs in found), strict=True):
        literal, element = same[0]
        blanks = element[0] in _AFTER_BLANKS and uses[element] == 1
        parts.append((literal.encode("latin-1"), "|".join(dict.fromkeys(e for _, e in same)), blanks))
    if "MST" in uses and any(e[0] in "Z-" for e in uses):
        return None
    return Reading(tuple(parts), found[0][1][-1][0].encode("latin-1"), not uses.keys().isdisjoint(("2006", "06")))


def _pairs(
    form: str, directives: Sequence[re.Match[str]], spellings: Sequence[tuple[str, ...]]
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The layout that a format makes with its directives so spelled, and what `_elements` gives of it if none melt."""
    layout = literal = ""
    pairs = []
    position = 0
    for directive, spelling in zip(directives, spellings, strict=True):
        literal += form[position : directive.start()]
        layout += form[position : directive.start()] + "".join(spelling)
        for part in spelling:
            if part[0] == "9":
                # The mark before a fraction belongs to it.
                pairs.append((literal[:-1], literal[-1:] + part))
                literal = ""
            elif _ELEMENT.fullmatch(part):
                pairs.append((literal, part))
                literal = ""
            else:
                literal += part
        position = directive.end()
    pairs.append((literal + form[position:], ""))
    return layout + form[position:], tuple(pairs)


@functools.lru_cache(maxsize=1024)
def compile_layout(text: str) -> Layout:
    """The checked format; raises `ValueError` for what the reference refuses."""
    if not text:
        raise ValueError("format must not be empty")
    if any("0" <= character <= "9" for character in text):
        raise ValueError(f"format must not have digits: {text}")
    lost = _LOST_FRACTION.search(text)
    if lost:
        raise ValueError(f"a fraction of a second must stand behind . or , in a format, got {lost[0]}")
    directives = _DIRECTIVE.findall(text)
    for directive in directives:
        if directive not in _WRITTEN:
            raise ValueError(f"unsupported directive {directive} in format {text}")
    if len(directives) > _MAX_DIRECTIVES:
        raise ValueError(f"format has {len(directives)} directives, more than {_MAX_DIRECTIVES}")
    return Layout(text)


class _Search:
    """The search for a layout that fits: directives that may be spelled in several ways, blanks before numbers.

    A failure names the element that did not fit; the last directive with such an element takes the blame, tries what
    else it has and passes the failure on under its own name.
    """

    __slots__ = ("attempts", "directives", "form", "read")

    def __init__(self, form: str, directives: tuple[tuple[int, int], ...], read: Callable[[str], Time]) -> None:
        self.form = form
        self.directives = directives
        self.read = read
        self.attempts = 0

    def solve(self, partial: str, position: int, index: int) -> Time:
        if index == len(self.directives):
            self.attempts += 1
            if self.attempts > _MAX_ATTEMPTS:
                raise ValueError("time does not match the format in any of many ways")
            return self.read(partial + self.form[position:])
        start, end = self.directives[index]
        directive = self.form[start:end]
        partial += self.form[position:start]
        failure: LayoutError | None = None
        for alternative in _READ.get(directive) or ((_WRITTEN[directive],),):
            elements = list(alternative)
            while True:
                try:
                    return self.solve(partial + "".join(elements), end, index + 1)
                except LayoutError as error:
                    if not error.element or error.element not in elements:
                        raise
                    at = elements.index(error.element)
                    error.element = directive
                    failure = error
                blanks = _SPACE.match(failure.remainder)
                if not blanks or not blanks[0] or elements[at][0] not in _AFTER_BLANKS:
                    break
                elements.insert(at, blanks[0])
        assert failure is not None
        raise failure


@functools.lru_cache(maxsize=4096)
def _elements(layout: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a literal and the element behind it; the last pair has no element."""
    pairs = []
    position = 0
    for match in _ELEMENT.finditer(layout):
        pairs.append((layout[position : match.start()], match[0]))
        position = match.end()
    pairs.append((layout[position:], ""))
    return tuple(pairs)


def _shown(element: str, fields: Civil) -> str:
    simple = _SHOWN.get(element)
    if simple is not None:
        return simple(fields)
    if element[0] in ".,":
        if not fields.nanosecond:
            return ""
        digits = f"{fields.nanosecond:09d}"[: len(element) - 1].rstrip("0")
        return element[0] + digits if digits else ""
    return _shown_offset(element, fields.offset_s)


def _shown_offset(element: str, offset_s: int) -> str:
    if element[0] == "Z" and offset_s == 0:
        return "Z"
    # Towards zero, as Go divides: an offset of less than a minute has no sign of its own.
    minutes = abs(offset_s) // 60
    sign = "-" if offset_s <= -60 else "+"
    colon = ":" if ":" in element else ""
    hours = f"{sign}{minutes // 60:02d}"
    if len(element) == 3:
        return hours
    seconds = f"{colon}{abs(offset_s) % 60:02d}" if len(element) in (7, 9) else ""
    return f"{hours}{colon}{minutes % 60:02d}{seconds}"


def _weekday(fields: Civil) -> int:
    return (_days_since_epoch(fields.year, fields.month, fields.day) + 4) % 7


def _year_day(fields: Civil) -> int:
    return _days_since_epoch(fields.year, fields.month, fields.day) - _days_since_epoch(fields.year, 1, 1) + 1


_SHOWN: dict[str, Callable[[Civil], str]] = {
    "2006": lambda c: f"{'-' if c.year < 0 else ''}{abs(c.year):04d}",
    "06": lambda c: f"{abs(c.year) % 100:02d}",
    "01": lambda c: f"{c.month:02d}",
    "1": lambda c: str(c.month),
    "Jan": lambda c: MONTHS[c.month - 1][:3],
    "January": lambda c: MONTHS[c.month - 1],
    "02": lambda c: f"{c.day:02d}",
    "_2": lambda c: f"{c.day:2d}",
    "2": lambda c: str(c.day),
    "002": lambda c: f"{_year_day(c):03d}",
    "__2": lambda c: f"{_year_day(c):3d}",
    "Mon": lambda c: _DAYS[_weekday(c)][:3],
    "Monday": lambda c: _DAYS[_weekday(c)],
    "15": lambda c: f"{c.hour:02d}",
    "03": lambda c: f"{(c.hour - 1) % 12 + 1:02d}",
    "3": lambda c: str((c.hour - 1) % 12 + 1),
    "04": lambda c: f"{c.minute:02d}",
    "4": lambda c: str(c.minute),
    "05": lambda c: f"{c.second:02d}",
    "5": lambda c: str(c.second),
    "PM": lambda c: "PM" if c.hour >= 12 else "AM",
    "pm": lambda c: "pm" if c.hour >= 12 else "am",
    "MST": lambda c: c.abbreviation,
}


# Reading


def _days_since_epoch(year: int, month: int, day: int) -> int:
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def date_in(fields: tuple[int, int, int, int, int, int, int], zone: str) -> Time:
    """The time with a year, month, day, hour, minute, second and nanosecond in a zone; a day may overflow its month."""
    year, month, day, hour, minute, second, nanosecond = fields
    seconds = _days_since_epoch(year, month, 1) + day - 1
    seconds = seconds * 86_400 + hour * 3600 + minute * 60 + second
    # Near a change of clocks Go takes the offset that was in force at the first guess.
    offset = zone_offset(zone, seconds)[0]
    if offset:
        offset = zone_offset(zone, seconds - offset)[0]
    return Time((seconds - offset) * _NANOS + nanosecond, zone)


class _Fields:
    """What a text has said so far."""

    __slots__ = (
        "day",
        "half",
        "hour",
        "minute",
        "month",
        "name",
        "nanosecond",
        "offset",
        "second",
        "utc",
        "year",
        "year_day",
    )

    def __init__(self) -> None:
        self.year = self.hour = self.minute = self.second = self.nanosecond = 0
        self.month = self.day = self.year_day = -1
        self.half = ""
        self.utc = False
        self.offset: int | None = None
        self.name = ""


def _read_time(layout: str, value: str, location: str) -> Time:
    time, name = _read_in(layout, value, location)
    if not name:
        return time
    # An abbreviation that the location does not have: the reference takes it for the name of a zone.
    try:
        zone = load_location(name)
    except ValueError:
        raise ValueError(f"time has the unknown zone {name}") from None
    return _read_in(layout, value, zone)[0]


def _read_in(layout: str, value: str, location: str) -> tuple[Time, str]:
    """The time, and the abbreviation of its zone where the location does not know it."""
    fields = _Fields()
    elements = _elements(layout)
    for index, (literal, element) in enumerate(elements):
        value = _skip(value, literal)
        if not element:
            if value:
                raise LayoutError("", value)
            break
        value = _read_element(element, value, fields, elements[index + 1][1])
    if fields.half in ("PM", "pm") and fields.hour < 12:
        fields.hour += 12
    elif fields.half in ("AM", "am") and fields.hour == 12:
        fields.hour = 0
    _settle_date(fields, value)
    written = (fields.year, fields.month, fields.day, fields.hour, fields.minute, fields.second, fields.nanosecond)
    if fields.utc:
        return date_in(written, ""), ""
    if fields.offset is not None:
        ns = date_in(written, "").ns - fields.offset * _NANOS
        offset, name = zone_offset(location, ns // _NANOS)
        if offset == fields.offset and fields.name in ("", name):
            return Time(ns, location), ""
        return Time(ns, _fixed_zone(fields.offset)), ""
    if fields.name:
        return _read_named(date_in(written, ""), fields.name, location)
    return date_in(written, location), ""


def _read_named(time: Time, name: str, location: str) -> tuple[Time, str]:
    seconds = time.ns // _NANOS
    types = [offset for offset, abbreviation in _zone_types(location) if abbreviation == name]
    in_force = [offset for offset in types if zone_offset(location, seconds - offset)[1] == name]
    for offset in in_force or types:
        return Time(time.ns - offset * _NANOS, location), ""
    if name.startswith("GMT") and len(name) > 3:
        hours = int(name[3:])
        if hours:
            # Go shifts the name of the zone only, not the clock.
            return Time(time.ns, _fixed_zone(hours * 3600)), ""
    return Time(time.ns), name


def _fixed_zone(offset_s: int) -> str:
    if not offset_s:
        return ""
    minutes, second = divmod(abs(offset_s), 60)
    tail = f":{second:02d}" if second else ""
    return f"{'-' if offset_s < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}{tail}"


def _settle_date(fields: _Fields, value: str) -> None:
    leap = fields.year % 4 == 0 and (fields.year % 100 != 0 or fields.year % 400 == 0)
    if fields.year_day >= 0:
        if not 1 <= fields.year_day <= 365 + leap:
            raise LayoutError("", value, ": day of year out of range")
        month = day = 0
        for month in range(1, 13):
            day = fields.year_day - _DAYS_BEFORE[month - 1] - (leap and month > 2)
            if day <= _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (leap and month == 2):
                break
        if fields.month not in (-1, month) or fields.day not in (-1, day):
            raise LayoutError("", value, ": day of year does not match the date")
        fields.month, fields.day = month, day
    fields.month = max(fields.month, 1)
    fields.day = 1 if fields.day < 0 else fields.day
    length = _DAYS_BEFORE[fields.month] - _DAYS_BEFORE[fields.month - 1] + (leap and fields.month == 2)
    if not 1 <= fields.day <= length:
        raise LayoutError("", value, ": day out of range")


def _skip(value: str, literal: str) -> str:
    """The text behind a literal; a run of blanks stands for any number of blanks, none only at the end."""
    at = 0
    while at < len(literal):
        if literal[at] == " ":
            if value and value[0] != " ":
                raise LayoutError(literal, value)
            while at < len(literal) and literal[at] == " ":
                at += 1
            value = value.lstrip(" ")
            continue
        if not value or value[0] != literal[at]:
            raise LayoutError(literal, value)
        at += 1
        value = value[1:]
    return value


_NUMBER = re.compile("[0-9]{1,2}")
_FRACTION = re.compile("[.,]([0-9]+)")


def _read_number(element: str, value: str, fixed: bool) -> tuple[int, str]:
    match = _NUMBER.match(value)
    if not match or (fixed and len(match[0]) != 2):
        raise LayoutError(element, value)
    return int(match[0]), value[match.end() :]


def _read_name(element: str, value: str, names: tuple[str, ...], length: int) -> tuple[int, str]:
    for index, name in enumerate(names):
        wanted = name[:length]
        if value[: len(wanted)].lower() == wanted.lower():
            return index, value[len(wanted) :]
    raise LayoutError(element, value)


def _ranged(element: str, number: int, low: int, high: int, rest: str, what: str) -> int:
    if not low <= number <= high:
        raise LayoutError(element, rest, f": {what} out of range")
    return number


def _read_element(element: str, value: str, fields: _Fields, following: str) -> str:
    """Reads one element from the front of a text; returns the rest."""
    fixed = element[0] == "0"
    if element == "2006":
        if not (value[:4].isascii() and value[:4].isdigit() and len(value) >= 4):
            raise LayoutError(element, value)
        fields.year = int(value[:4])
        return value[4:]
    if element == "06":
        if not re.fullmatch("[0-9]{2}|[+-][0-9]", value[:2]):
            raise LayoutError(element, value)
        year = int(value[:2])
        fields.year = year + (1900 if year >= 69 else 2000)
        return value[2:]
    if element in ("1", "01"):
        number, rest = _read_number(element, value, fixed)
        fields.month = _ranged(element, number, 1, 12, rest, "month")
        return rest
    if element in ("Jan", "January"):
        index, rest = _read_name(element, value, MONTHS, 3 if element == "Jan" else 9)
        fields.month = index + 1
        return rest
    if element in ("Mon", "Monday"):
        return _read_name(element, value, _DAYS, 3 if element == "Mon" else 9)[1]
    if element in ("2", "_2", "02"):
        fields.day, rest = _read_number(element, value[1:] if element == "_2" and value[:1] == " " else value, fixed)
        return rest
    if element in ("__2", "002"):
        match = re.compile(" {0,2}([0-9]{1,3})" if element == "__2" else "([0-9]{3})").match(value)
        if not match:
            raise LayoutError(element, value)
        fields.year_day = int(match[1])
        return value[match.end() :]
    if element in ("15", "3", "03"):
        number, rest = _read_number(element, value, fixed)
        fields.hour = _ranged(element, number, 0, 23 if element == "15" else 12, rest, "hour")
        return rest
    if element in ("4", "04"):
        number, rest = _read_number(element, value, fixed)
        fields.minute = _ranged(element, number, 0, 59, rest, "minute")
        return rest
    if element in ("5", "05"):
        number, rest = _read_number(element, value, fixed)
        fields.second = _ranged(element, number, 0, 59, rest, "second")
        # A fraction may follow a second even where the layout has none.
        return rest if following[:1] in (".", ",") else _read_fraction(rest, fields)
    if element in ("PM", "pm"):
        if value[:2] not in (("AM", "PM") if element == "PM" else ("am", "pm")):
            raise LayoutError(element, value)
        fields.half = value[:2]
        return value[2:]
    if element == "MST":
        return _read_abbreviation(value, fields)
    if element[0] in ".,":
        return _read_fraction(value, fields)
    return _read_offset(element, value, fields)


def _read_fraction(value: str, fields: _Fields) -> str:
    match = _FRACTION.match(value)
    if not match:
        return value
    fields.nanosecond = int(match[1][:9].ljust(9, "0"))
    return value[match.end() :]


_OFFSETS = {
    "07": re.compile("([+-])([0-9]{2})"),
    "0700": re.compile("([+-])([0-9]{2})([0-9]{2})"),
    "07:00": re.compile("([+-])([0-9]{2}):([0-9]{2})"),
    "070000": re.compile("([+-])([0-9]{2})([0-9]{2})([0-9]{2})"),
    "07:00:00": re.compile("([+-])([0-9]{2}):([0-9]{2}):([0-9]{2})"),
}


def _read_offset(element: str, value: str, fields: _Fields) -> str:
    if element[0] == "Z" and value.startswith("Z"):
        fields.utc = True
        return value[1:]
    match = _OFFSETS[element[1:]].match(value)
    if not match:
        raise LayoutError(element, value)
    sign, *numbers = match.groups()
    rest = value[match.end() :]
    hour, minute, second = (*map(int, numbers), 0, 0)[:3]
    _ranged(element, hour, 0, 24, rest, "hour of the time zone offset")
    _ranged(element, minute, 0, 60, rest, "minute of the time zone offset")
    _ranged(element, second, 0, 60, rest, "second of the time zone offset")
    offset = hour * 3600 + minute * 60 + second
    fields.offset = -offset if sign == "-" else offset
    return rest


_ABBREVIATION = re.compile(
    "ChST|MeST|GMT[+-](?:0*(?:1[0-9]|2[0-3]|[0-9]))(?![0-9])|GMT|[+-]0*(?:1[0-9]|2[0-3]|[0-9])(?![0-9])|[A-Z]{1,6}"
)


def _read_abbreviation(value: str, fields: _Fields) -> str:
    if value.startswith("UTC"):
        fields.utc = True
        return value[3:]
    match = _ABBREVIATION.match(value)
    name = match[0] if match and len(value) >= 3 else ""
    if name.isupper() and name.isalpha():
        fits = (
            len(name) == 3
            or (len(name) == 4 and (name[3] == "T" or name == "WITA"))
            or (len(name) == 5 and name[4] == "T")
        )
        name = name if fits else ""
    if not name:
        raise LayoutError("MST", value)
    fields.name = name
    return value[len(name) :]


# Zones


@functools.lru_cache(maxsize=1024)
def load_location(name: str) -> str:
    """The zone of a name of the IANA database, as `Time.zone` has it; raises `ValueError` for an unknown one."""
    if name in ("", "UTC"):
        return ""
    if name == "Local":
        return host_zone()
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f"unknown time zone {name}") from None
    return name


def host_zone() -> str:
    """The zone of this machine: the variable TZ, else what `/etc/localtime` points to."""
    return _host_zone(os.environ.get("TZ"))


# `Local` names nothing here; the others are UTC under another name, which nobody sees.
_NAMES_OF_UTC = frozenset({"Local", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"})


@functools.lru_cache(maxsize=8)
def _host_zone(variable: str | None) -> str:
    if variable is not None:
        name = variable.removeprefix(":")
        found = name.partition("zoneinfo/")[2] or name
    else:
        found = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    try:
        return load_location("" if found in _NAMES_OF_UTC else found)
    except ValueError:
        return ""


@functools.lru_cache(maxsize=256)
def _zone_types(zone: str) -> tuple[tuple[int, str], ...]:
    """The pairs of offset and abbreviation that a zone has had, in the order of its file."""
    if not zone or zone[0] in "+-":
        return ()
    data, start, size, times, types, chars = _zone_block(zone)
    start += times * (size + 1)
    names = data[start + types * 6 : start + types * 6 + chars]
    found = []
    for at in range(start, start + types * 6, 6):
        offset = int.from_bytes(data[at : at + 4], signed=True)
        found.append((offset, names[data[at + 5] :].partition(b"\0")[0].decode("ascii")))
    return tuple(found)


_WEEK_S = 7 * 86_400
_KNOWN_S = range(-2_209_593_600, 4_103_308_800, _WEEK_S)
"""From before 1900 to behind 2099."""


@functools.lru_cache(maxsize=64)
def zone_changes(zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The instants at which the offset of a zone changes from 1900 to 2099, in seconds, and the offsets from then on.

    They are what `zone_offset` says: those of the zone's file, and behind them, where a rule goes on, one found in each
    week at whose ends it differs. The first begins before 1900.
    """
    data, start, size, times, *_ = _zone_block(zone)
    named = (int.from_bytes(data[at : at + size], signed=True) for at in range(start, start + times * size, size))
    marks = sorted(
        {*_KNOWN_S, *(t for time in named if _KNOWN_S.start < time < _KNOWN_S.stop for t in (time - 1, time))}
    )
    starts, offsets = [marks[0]], [zone_offset(zone, marks[0])[0]]
    for low, high in itertools.pairwise(marks):
        offset = zone_offset(zone, high)[0]
        if offset != offsets[-1]:
            between = range(low + 1, high + 1)
            starts.append(between[bisect.bisect_left(between, True, key=lambda t: zone_offset(zone, t)[0] == offset)])
            offsets.append(offset)
    return tuple(starts), tuple(offsets)


def _zone_block(zone: str) -> tuple[bytes, int, int, int, int, int]:
    """The file of a zone, where its times begin, of how many bytes each is, and how many times, types and letters."""
    data = _zone_file(zone)
    # RFC 8536: a block of 32-bit times, then, from version 2 on, one of 64-bit times; six counts behind the magic.
    start, size = 0, 4
    if data[4:5] >= b"2":
        utc, std, leap, times, types, chars = (int.from_bytes(data[20 + 4 * i : 24 + 4 * i]) for i in range(6))
        start, size = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc, 8
    _, _, _, times, types, chars = (int.from_bytes(data[start + 20 + 4 * i : start + 24 + 4 * i]) for i in range(6))
    return data, start + 44, size, times, types, chars


def _zone_file(zone: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = Path(folder) / zone
        if path.is_file():
            return path.read_bytes()
    return importlib.resources.files("tzdata").joinpath("zoneinfo", zone).read_bytes()


# Locales


@dataclass(frozen=True, slots=True)
class Locale:
    """The names of a locale, and how a text in it becomes English.

    Args:
        tag: BCP 47 tag.
    """

    tag: str

    def translate(self, layout: str, value: str) -> str:
        """The text with the names that the layout asks for in English.

        Source: package lunes of the reference, whose walk over layout and text is followed, bytes that it writes as
        characters included.
        """
        output: list[str] = []
        at = 0
        place = 0
        while place < len(layout):
            element = _TRANSLATED.match(layout, place)
            if element is not None and element[0] in _NAMED:
                found, at = self._english(element[0], value, at)
                output.append(found)
                place = element.end()
            elif element is not None and element[0] == "__2" and len(value) >= at + 3:
                found, at = _next_word(value, at, 3, "__2")
                output.append(found)
                place += 3
            elif element is not None and element[0] in ("_2", "_2006") and len(value) >= at + len(element[0]):
                found, at = _next_word(value, at, len(element[0]), element[0])
                output.append(found)
                place = element.end()
            elif layout[place] in "345" and (place == 0 or layout[place - 1] != "0"):
                match = _CLOCK_DIGITS.match(value, at)
                if not match:
                    raise LayoutError(layout[place], "")
                output.append(" " * (len(match[1])) + match[2])
                at = match.end()
                place += 1
            else:
                if at < len(value):
                    written = value[at].encode().decode("latin-1")
                    output.append(written)
                    at += len(written)
                place += 1
        output.append(value[at:])
        return "".join(output)

    def _english(self, element: str, value: str, at: int) -> tuple[str, int]:
        field, english = _NAMED[element]
        names = _names(self.tag)[field]
        if not names:
            raise ValueError(f"the locale {self.tag} has no names for {element}")
        start = at
        while start < len(value) and value[start] in _UNICODE_SPACES:
            start += 1
        best = matched = ""
        for name, standard in zip(names, english, strict=True):
            candidate = value[start : start + len(name)]
            if (
                (not best or len(name) > len(matched))
                and len(candidate) == len(name)
                and _fold(candidate) == _fold(name)
            ):
                best, matched = standard, candidate
        if start >= len(value) or not best:
            raise LayoutError(element, "")
        return " " * (start - at) + best, start + len(matched)


_UNICODE_SPACES = "\t\n\v\f\r \x85\xa0"
_TRANSLATED = re.compile("January|Jan(?![a-z])|Monday|Mon(?![a-z])|[Pp][Mm]|_2006|_2|__2")
_CLOCK_DIGITS = re.compile(f"([{_UNICODE_SPACES}]*)([0-9]{{1,2}})")
_SHORT_DAYS = tuple(name[:3] for name in _DAYS)
_SHORT_MONTHS = tuple(name[:3] for name in MONTHS)
_UPPER_HALVES = (4, ("AM", "PM"))
_LOWER_HALVES = (4, ("am", "pm"))
_NAMED: dict[str, tuple[int, tuple[str, ...]]] = {
    "Mon": (0, _SHORT_DAYS),
    "Monday": (1, _DAYS),
    "Jan": (2, _SHORT_MONTHS),
    "January": (3, MONTHS),
    "PM": _UPPER_HALVES,
    "Pm": _UPPER_HALVES,
    "pM": _LOWER_HALVES,
    "pm": _LOWER_HALVES,
}


def _next_word(value: str, at: int, most: int, element: str) -> tuple[str, int]:
    start = at
    while start < len(value) and value[start] in _UNICODE_SPACES:
        start += 1
    if start >= len(value):
        raise LayoutError(element, "")
    end = start
    while end < len(value) and end - start < most and value[end] not in _UNICODE_SPACES:
        end += 1
    return " " * (start - at) + value[start:end], end


def _fold(text: str) -> str:
    return text.encode("latin-1").decode(errors="surrogateescape").casefold()


@functools.cache
def _locales() -> dict[str, tuple[str, ...]]:
    from ottl.stdlib.locale_names import LOCALES  # 160 KB that few rules need

    return {tag: names for tags, names in LOCALES.items() for tag in tags.split()}


@functools.lru_cache(maxsize=64)
def _names(tag: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(n.encode().decode("latin-1") for n in field.split("|") if field) for field in _locales()[tag])


def load_locale(tag: str) -> Locale:
    """The locale of a BCP 47 tag; raises `ValueError` for one without names."""
    if tag not in _locales():
        raise ValueError(f"unsupported locale {tag}, it must be a BCP 47 language tag of the CLDR")
    return Locale(tag)

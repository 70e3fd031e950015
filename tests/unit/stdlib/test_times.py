"""Times and durations: layouts with their habits, zones, missing years, locales, overflow."""

from __future__ import annotations

import pytest

from ottl.stdlib import times
from ottl.stdlib.layouts import compile_layout, host_zone, load_locale, load_location
from ottl.types import Time


class Fixed:
    """An environment whose clock stands still.

    Args:
        text: its time, `%F %T` in UTC.
    """

    def __init__(self, text: str) -> None:
        self.ns = compile_layout("%F %T").parse(text.encode(), "").ns

        self.system_clock = self.system_uuid = False

    def clock(self) -> int:
        return self.ns

    def uuid(self) -> str:
        raise AssertionError

    def uuids(self, count: int) -> list[str]:
        """Identifiers of many rows."""
        return [self.uuid() for _ in range(count)]


def _read(text: str, form: str, location: str = "", locale: str = "") -> str:
    layout = compile_layout(form)
    time = layout.parse(text.encode(), location, load_locale(locale) if locale else None)
    return compile_layout("%FT%T.%s%z").format(time)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2023-5-6  7:8:9", "%Y-%m-%d %H:%M:%S", "2023-05-06T07:08:09Z"),
        ("2023-05-06 07:08:09.5", "%F %T", "2023-05-06T07:08:09.5Z"),
        ("07:08:09,123456789123", "%T", "0000-01-01T07:08:09.123456789Z"),
        ("1/2/69", "%D", "1969-01-02T00:00:00Z"),
        ("1/2/2068", "%D", "2068-01-02T00:00:00Z"),
        ("12 AM 2000", "%I %p %Y", "2000-01-01T00:00:00Z"),
        ("01:02:03 pm", "%r", "0000-01-01T13:02:03Z"),
        ("2000 +0130", "%Y %z", "2000-01-01T00:00:00+0130"),
        ("2000 +01:30", "%Y %z", "2000-01-01T00:00:00+0130"),
        ("2000 -01", "%Y %z", "2000-01-01T00:00:00-0100"),
        ("2000 Z", "%Y %z", "2000-01-01T00:00:00Z"),
        ("2000 EST", "%Y %Z", "2000-01-01T00:00:00-0500"),
        ("2000 GMT+3", "%Y %Z", "2000-01-01T03:00:00+0300"),
        ("wednesday 2000", "%A %Y", "2000-01-01T00:00:00Z"),
        ("2000JUN", "%Y%b", "2000-06-01T00:00:00Z"),
    ],
)
def test_reading(text: str, form: str, expected: str) -> None:
    """Padding may lack, fractions may follow seconds, offsets come in four forms."""
    assert _read(text, form) == expected


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2023-02-29", "%F"),
        ("24:00", "%R"),
        ("2000 PST", "%Y %Z"),
        ("2000x", "%Y"),
        ("2000", "%Y-"),
        ("13 pm", "%I %P"),
        ("2000 +25:00", "%Y %z"),
        ("é", "%Y"),
        (" 5 x", "%d %d"),
    ],
)
def test_what_does_not_fit(text: str, form: str) -> None:
    """Dates that are none, unknown zones, text left over; the last one makes the reference hang."""
    with pytest.raises(ValueError, match="time"):
        _read(text, form)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2023-03-26 02:30:00", "Europe/Berlin", "2023-03-26T03:30:00+0200"),
        ("2023-10-29 02:30:00", "Europe/Berlin", "2023-10-29T02:30:00+0100"),
        ("2023-11-05 01:30:00", "America/New_York", "2023-11-05T01:30:00-0400"),
        ("1883-11-18 12:00:00", "America/New_York", "1883-11-18T12:00:00-0456"),
    ],
)
def test_changes_of_clocks(text: str, zone: str, expected: str) -> None:
    """Times that do not exist or exist twice go the reference's way."""
    assert _read(text, "%F %T", zone) == expected


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        ("2024-01-03 00:00:00", "Jan 10", "2024-01-10"),
        ("2024-01-03 00:00:00", "Jan 11", "2023-01-11"),
        ("2023-06-01 00:00:00", "Feb 29", "2023-03-01"),
    ],
)
def test_a_missing_year_is_the_nearest(now: str, text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current one, the last where that lies more than a week ahead."""
    monkeypatch.setenv("TZ", "UTC")
    found = times.parse_time(Fixed(now), text.encode(), compile_layout("%b %d"))
    assert times.format_time(found, compile_layout("%F")) == expected


def test_zone_of_a_text_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The location, else UTC for a final Z, else the host's; `%Z` is no final Z."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    environment = Fixed("2024-01-01 00:00:00")
    for form, location, expected in (("%Y", "America/New_York", 5.0), ("%YZ", None, 0.0), ("%Y", None, -5.5)):
        text = b"2000Z" if form.endswith("Z") else b"2000"
        found = times.parse_time(environment, text, compile_layout(form), location)
        assert (found.ns - 946_684_800 * 10**9) / 3600e9 == expected
    assert not compile_layout("%Y %Z").utc
    assert times.unix(0).zone == "Asia/Kolkata"


def test_host_zone_that_is_unknown_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the reference."""
    monkeypatch.setenv("TZ", "Nowhere/Land")
    assert host_zone() == ""


@pytest.mark.parametrize("name", ["Nowhere/Land", "../etc/passwd", "/etc/passwd", "America"])
def test_unknown_locations(name: str) -> None:
    """Names that are none, and paths."""
    with pytest.raises(ValueError, match="unknown time zone"):
        load_location(name)


@pytest.mark.parametrize(
    ("ns", "form", "expected"),
    [
        (20_120_000_000, "%S.%L", "20.12"),
        (20_000_000_000, "%S.%L|%S,%f", "20|20"),
        (5_000_000, "%S.%s", "00.005"),
        (0, "%L", "999"),
        (-62_167_219_200_000_000_001, "%Y-%y", "-0001-01"),
        (0, "%w|%i|%j|%k|%z", "+000000|+00|+00:00|+00:00:00|Z"),
        (0, "%e|%g|%o|%q|%I|%l|%p|%P|%a|%b|%%|%n", " 1|1|_1|1|12|12|AM|am|Thu|Jan|%|\n"),
        (0, "Jan _%e é", "Jan   1 é"),
    ],
)
def test_formatting(ns: int, form: str, expected: str) -> None:
    """Fractions lose zeros, `%o` pads with an underscore, letters of a layout are replaced."""
    assert compile_layout(form).format(Time(ns)) == expected


@pytest.mark.parametrize("form", ["", "%Q", "2006", "%S%L", "%S %f", "%Y" * 101])
def test_formats_that_are_refused(form: str) -> None:
    """Empty, unknown directive, digits, a fraction without its dot, too many directives."""
    with pytest.raises(ValueError, match=r"format|fraction"):
        compile_layout(form)


@pytest.mark.parametrize(
    ("text", "form", "locale", "expected"),
    [
        ("mercredi février 1 2023", "%A %B %d %Y", "fr", "2023-02-01T00:00:00Z"),
        ("MAI 5 2023", "%b %d %Y", "de", "2023-05-05T00:00:00Z"),
        ("2023 1月", "%Y %B", "ja", "2023-01-01T00:00:00Z"),
        ("2 Jan 2023", "%d %b %Y", "en", "2023-01-02T00:00:00Z"),
    ],
)
def test_locales(text: str, form: str, locale: str, expected: str) -> None:
    """Names of the locale, in any case."""
    assert _read(text, form, locale=locale) == expected


def test_unknown_locale() -> None:
    """Tags are looked up as they are written."""
    with pytest.raises(ValueError, match="unsupported locale"):
        load_locale("xx-YY")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h2m3.5s4ms5us6ns", 3_723_504_005_006),
        ("-9223372036854775808ns", -(1 << 63)),
        ("9223372036854775807ns", (1 << 63) - 1),
        (".5s5.m", 300_500_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("+0", 0),
        ("1\u03bcs1\u00b5s", 2000),
    ],
)
def test_durations(text: str, expected: int) -> None:
    """Signs, fractions in floating point, both micro signs, the ends of 64 bits."""
    assert times.duration(text.encode()) == expected


@pytest.mark.parametrize(
    "text", ["", "-", "1", "s", ".s", "1d", "1h ", "9223372036854775808ns", "1e3s", "99999999999h"]
)
def test_durations_that_are_none(text: str) -> None:
    """A unit is needed, a number too, and 64 bits must hold it."""
    with pytest.raises(ValueError, match="invalid duration"):
        times.duration(text.encode())


def test_unix_nano_wraps() -> None:
    """Times may lie outside 64 bits, their nanoseconds may not."""
    assert times.unix_nano(Time(1 << 63)) == -(1 << 63)

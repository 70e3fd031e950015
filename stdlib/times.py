"""Converters of times and durations."""

from __future__ import annotations

import re
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ottl.codec import kernels
from ottl.functions import (
    Columns,
    Compiled,
    Const,
    Environment,
    Example,
    NativeCall,
    Omittable,
    Register,
    Utf8,
    converter,
)
from ottl.stdlib.layouts import Layout, compile_layout, date_in, host_zone, load_locale, load_location, zone_changes
from ottl.tables.vectors import DOUBLE, DURATION, INT, STRING, TIME, Bools, Vector
from ottl.types import INT64_MAX, INT64_MIN, Duration, Time, civil, shown, wrap_int64

NANOS_PER_MILLI = 1_000_000
NANOS_PER_SECOND = 1_000_000_000

Format = Const[Annotated[str, Compiled(compile_layout)]]
Location = Const[Annotated[str, Compiled(load_location)]]
LocaleTag = Const[Annotated[str, Compiled(load_locale)]]

_UNITS = {
    b"ns": 1,
    b"us": 1_000,
    "µs".encode(): 1_000,
    "μs".encode(): 1_000,
    b"ms": NANOS_PER_MILLI,
    b"s": NANOS_PER_SECOND,
    b"m": 60 * NANOS_PER_SECOND,
    b"h": 3600 * NANOS_PER_SECOND,
}
_DURATION_PART = re.compile(rb"([0-9]*)(?:\.([0-9]*))?([^.0-9]+)")
_LIMIT = 1 << 63


@converter(
    "Duration",
    Example('Milliseconds(Duration("1h2m3.5s"))', 3_723_500),
    Example('Nanoseconds(Duration("-1.5µs"))', -1500),
    Example('Nanoseconds(Duration("0"))', 0),
    Example('Duration("1d")', error="duration"),
    Example('Duration("")', error="duration"),
)
def duration(duration: Utf8) -> Duration:
    """The duration that a text says: numbers with the units h, m, s, ms, us, µs, ns, with a sign before them.

    Args:
        duration: such as `1h15m30.5s`.

    Source: OTTL reference, converter `Duration`; Go, `time.ParseDuration`.
    """
    negative = duration[:1] == b"-"
    text = duration[1:] if duration[:1] in (b"-", b"+") else duration
    if text == b"0":
        return Duration(0)
    total = position = 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        if part is None or not (part[1] or part[2]) or part[3] not in _UNITS:
            break
        total += _nanoseconds(part[1], part[2] or b"", _UNITS[part[3]])
        if total > _LIMIT:
            break
        position = part.end()
    if position < len(text) or not text or (total == _LIMIT and not negative):
        raise ValueError(f"invalid duration {shown(duration)}")
    return Duration(-total if negative else total)


@duration.native
def _(duration: Register) -> NativeCall:
    return NativeCall("duration", (duration,))


def _nanoseconds(whole: bytes, fraction: bytes, unit: int) -> int:
    """A number of units, its fraction in floating point as Go has it; beyond `_LIMIT` where the number is too large."""
    if len(whole.lstrip(b"0")) > 19:
        return _LIMIT + 1
    value = int(whole or b"0") * unit
    # Go reads digits of a fraction while they fit 63 bits.
    digits = scale = 0
    for digit in fraction:
        if digits > INT64_MAX // 10 or digits * 10 + digit - 48 > _LIMIT:
            break
        digits = digits * 10 + digit - 48
        scale += 1
    return value + int(float(digits) * (float(unit) / 10.0**scale))


@converter(
    "Nanoseconds",
    Example('Nanoseconds(Duration("1us"))', 1000),
    Example('Nanoseconds(Duration("-2ns"))', -2),
    Example("Nanoseconds(nil)", error="expected", load_error=True),
)
def nanoseconds(duration: Duration) -> int:
    """Nanoseconds of a duration.

    Args:
        duration: the duration.

    Source: OTTL reference, converter `Nanoseconds`.
    """
    return int(duration)


@nanoseconds.vector
def _(columns: Columns, duration: Vector) -> Vector:
    return Vector(INT, duration.bits, None, None, columns.level)


@nanoseconds.native
def _(duration: Register) -> NativeCall:
    return NativeCall("units", (duration,), (DURATION, 1))


@converter(
    "Milliseconds",
    Example('Milliseconds(Duration("1.5s"))', 1500),
    Example('Milliseconds(Duration("-1500us"))', -1),
    Example('Milliseconds("1s")', error="expected", load_error=True),
)
def milliseconds(duration: Duration) -> int:
    """Whole milliseconds of a duration, rounded towards zero.

    Args:
        duration: the duration.

    Source: OTTL reference, converter `Milliseconds`.
    """
    whole = abs(duration) // NANOS_PER_MILLI
    return whole if duration >= 0 else -whole


@milliseconds.vector
def _(columns: Columns, duration: Vector) -> Vector:
    floor = duration.bits // NANOS_PER_MILLI
    short = (duration.bits < 0) & (duration.bits != floor * NANOS_PER_MILLI)
    return Vector(INT, floor + short, None, None, columns.level)


@milliseconds.native
def _(duration: Register) -> NativeCall:
    return NativeCall("units", (duration,), (DURATION, NANOS_PER_MILLI))


@converter(
    "Seconds",
    Example('Seconds(Duration("1500ms"))', 1.5),
    Example('Seconds(Duration("-1ns"))', -1e-09),
    Example("Seconds(1)", error="expected", load_error=True),
)
def seconds(duration: Duration) -> float:
    """Seconds of a duration, with their fraction.

    Args:
        duration: the duration.

    Source: OTTL reference, converter `Seconds`.
    """
    whole, rest = divmod(abs(duration), NANOS_PER_SECOND)
    value = float(whole) + float(rest) / 1e9
    return value if duration >= 0 else -value


@seconds.vector
def _(columns: Columns, duration: Vector) -> Vector:
    size = np.abs(duration.bits).view(np.uint64)
    value = (size // np.uint64(NANOS_PER_SECOND)).astype(np.float64)
    value = value + (size % np.uint64(NANOS_PER_SECOND)).astype(np.float64) / 1e9
    return Vector(DOUBLE, np.where(duration.bits >= 0, value, -value), None, None, columns.level)


@seconds.native
def _(duration: Register) -> NativeCall:
    return NativeCall("seconds", (duration,))


@converter(
    "Time",
    Example('UnixNano(Time("2023-05-26 12:34:56.5", "%Y-%m-%d %H:%M:%S.%L", "UTC"))', 1685104496500000000),
    Example('UnixNano(Time("Mai 26 2023", "%b %d %Y", "Europe/Berlin", "de"))', 1685052000000000000),
    Example('UnixNano(Time("1/2/1969 +01:00", "%D %z"))', -31453200000000000),
    Example('Time("x", "%Y")', error="does not match"),
    Example('Time("2023", "%Q")', error="directive", load_error=True),
)
def parse_time(
    environment: Environment,
    time: Utf8,
    format: Format,
    location: Omittable[Location] = None,
    locale: Omittable[LocaleTag] = None,
) -> Time:
    """The time that a text says.

    A format without a year means the current one, or the last where the time would lie more than a week ahead.

    Args:
        environment: the clock.
        time: the text.
        format: strptime format.
        location: zone of a text that names none, from the IANA database; else UTC for a format that ends in `Z`, else
            that of the host.
        locale: BCP 47 tag of the language that days and months are in.

    Source: OTTL reference, converter `Time`.
    """
    layout: Layout | Any = format
    if not time:
        raise ValueError("time must not be empty")
    zone: str = location if location is not None else "" if layout.utc else host_zone()
    names: Any = locale
    found: Time = layout.parse(time, zone, names)
    return found if civil(found).year > 0 else _in_current_year(found, environment)


@parse_time.vector
def _(
    columns: Columns, environment: Environment, time: Vector, format: Any, location: str | None, locale: Any
) -> tuple[Vector, Bools | None] | None:
    layout = _native_layout(environment, format, location, locale)
    if layout is None or time.lens is None:
        return None
    times, declined = kernels.read_times(columns.arena, layout, time.bits, time.lens)
    return Vector(TIME, times, None, None, columns.level), declined


@parse_time.native
def _(environment: Environment, time: Register, format: Any, location: str | None, locale: Any) -> NativeCall | None:
    layout = _native_layout(environment, format, location, locale)
    return None if layout is None else NativeCall("read_time", (time,), (layout,))


def _native_layout(environment: Environment, format: Any, location: str | None, locale: Any) -> tuple[Any, ...] | None:
    """A format as the native engine has it: parts, what stands behind them, and the changes of the zone."""
    reading = format.reading() if isinstance(format, Layout) and locale is None else None
    if reading is None or not (reading.dated or (environment.system_clock and not host_zone())):
        return None
    zone = location if location is not None else "" if format.utc else host_zone()
    return reading.parts, reading.rest, zone_changes(zone) if zone else None


def _in_current_year(time: Time, environment: Environment) -> Time:
    now = Time(environment.clock(), host_zone())
    fields, today = civil(time), civil(now)
    clock = (fields.hour, fields.minute, fields.second, fields.nanosecond)
    moved = date_in((today.year, fields.month, fields.day, *clock), time.zone)
    ahead = date_in(
        (today.year, today.month, today.day + 7, today.hour, today.minute, today.second, today.nanosecond), now.zone
    )
    if moved.ns > ahead.ns:
        fields = civil(moved)
        moved = date_in((fields.year - 1, fields.month, fields.day, *clock), time.zone)
    return moved


@converter(
    "FormatTime",
    Example('FormatTime(Time("2023-05-06", "%F", "UTC"), "%a %e.%q.%y %I %p")', "Sat  6.5.23 12 AM"),
    Example('FormatTime(Time("20.120", "%S.%L", "UTC"), "%S.%L é")', "20.12 é"),
    Example('FormatTime("2023", "%Y")', error="expected", load_error=True),
    Example('FormatTime(Now(), "%S%L")', error="fraction", load_error=True),
)
def format_time(time: Time, format: Format) -> str:
    """A time as text, in its own zone; fractions of a second without zeros at the end.

    Args:
        time: the time.
        format: strftime format.

    Source: OTTL reference, converter `FormatTime`.
    """
    layout: Layout | Any = format
    text: str = layout.format(time)
    return text


@format_time.vector
def _(columns: Columns, time: Vector, format: Any) -> Vector | None:
    if not isinstance(format, Layout):
        return None
    # Each element shows one field; it is written once a value of the field, at some time that has it.
    days, of_day = np.divmod(time.bits, _NANOS_PER_DAY)
    seconds, nanos = np.divmod(of_day, NANOS_PER_SECOND)
    fields = {"h": seconds // 3600, "m": seconds // 60 % 60, "s": seconds % 60}
    units = {"h": 3600 * NANOS_PER_SECOND, "m": 60 * NANOS_PER_SECOND, "s": NANOS_PER_SECOND}
    distinct: dict[str, tuple[NDArray[np.int64], NDArray[np.intp]]] = {}
    parts: list[tuple[kernels.Bits, kernels.Lens]] = []
    for literal, element, field in format.parts():
        if literal:
            parts.append(columns.arena.put([literal.encode(errors="surrogateescape")]))
        if not element:
            continue
        if field in units:
            codes = fields[field]
            moments = [n * units[field] for n in range(24 if field == "h" else 60)]
        else:
            if field not in distinct:
                distinct[field] = np.unique(days if field == "d" else nanos, return_inverse=True)
            values, codes = distinct[field]
            moments = [n * _NANOS_PER_DAY if field == "d" else n for n in values.tolist()]
        shown = [format.shown(element, Time(moment)).encode() for moment in moments]
        bits, lens = columns.arena.put(shown)
        parts.append((bits[codes], lens[codes]))
    bits, lens = kernels.joined(columns.arena, parts, b"", len(time))
    return Vector(STRING, bits, lens, None, columns.level)


@format_time.native
def _(time: Register, format: Any) -> NativeCall | None:
    if not isinstance(format, Layout):
        return None
    parts = []
    zone = False
    for literal, element, _ in format.parts():
        if literal:
            parts.append((literal.encode(errors="surrogateescape"), ""))
        if element == "MST" or element[:1] in ("Z", "-"):
            # That of UTC: times shown elsewhere do not come here then.
            zone = True
            parts.append((format.shown(element, Time(0)).encode(), ""))
        elif element:
            parts.append((b"", element))
    return NativeCall("show_time", (time,), (parts, zone))


_NANOS_PER_DAY = 86_400 * NANOS_PER_SECOND


@converter(
    "Unix",
    Example("UnixNano(Unix(1, 500))", 1000000500),
    Example("UnixNano(Unix(0 - 1))", -1000000000),
    Example('Unix("1")', error="expected", load_error=True),
)
def unix(seconds: int, nanoseconds: Omittable[int] = None) -> Time:
    """The time at a number of seconds since 1970, in the zone of the host.

    Args:
        seconds: seconds.
        nanoseconds: nanoseconds added to them.

    Source: OTTL reference, converter `Unix`.
    """
    return Time(seconds * NANOS_PER_SECOND + (nanoseconds or 0), host_zone())


@unix.vector
def _(columns: Columns, seconds: Vector, nanoseconds: Vector | None) -> tuple[Vector, Bools | None] | None:
    if host_zone():
        return None
    whole = seconds.bits
    rest = np.zeros(1, np.int64) if nanoseconds is None else nanoseconds.bits
    far = (np.abs(whole // 2) > _FAR_SECONDS) | (np.abs(rest // 2) > _FAR_NANOS)
    with np.errstate(over="ignore"):
        times = np.where(far, 0, whole * NANOS_PER_SECOND + rest)
    return Vector(TIME, times, None, None, columns.level), far if far.any() else None


@unix.native
def _(seconds: Register, nanoseconds: Register | None) -> NativeCall | None:
    if host_zone():
        return None
    return NativeCall("instant", (seconds,) if nanoseconds is None else (seconds, nanoseconds))


# Halves of what keeps the sum well within 64 bits.
_FAR_SECONDS = 4_000_000_000
_FAR_NANOS = 500_000_000_000_000_000


@converter(
    "UnixNano",
    Example('UnixNano(Time("1970-01-01", "%F", "UTC"))', 0),
    Example('UnixNano(Time("1969-12-31T23:59:59Z", "%FT%TZ"))', -1000000000),
    Example("UnixNano(1)", error="expected", load_error=True),
)
def unix_nano(time: Time) -> int:
    """Nanoseconds since 1970, wrapped to 64 bits.

    Args:
        time: the time.

    Source: OTTL reference, converter `UnixNano`.
    """
    return wrap_int64(time.ns)


@unix_nano.vector
def _(columns: Columns, time: Vector) -> Vector:
    return Vector(INT, time.bits, None, None, columns.level)


@unix_nano.native
def _(time: Register) -> NativeCall:
    return NativeCall("units", (time,), (TIME, 1))


@converter("Now", Example('IsString(FormatTime(Now(), "%Y"))', True), pure=False)
def now(environment: Environment) -> Time:
    """The current time, in the zone of the host.

    Args:
        environment: the clock.

    Source: OTTL reference, converter `Now`.
    """
    return Time(environment.clock(), host_zone())


@now.vector
def _(columns: Columns, environment: Environment) -> Vector | None:
    if host_zone():
        return None
    clock = environment.clock
    found = [clock() for _ in range(columns.count)]
    if found and (min(found) < INT64_MIN or max(found) > INT64_MAX):
        raise OverflowError("the clock is beyond 64 bits")
    return Vector(TIME, np.array(found, np.int64), None, None, columns.level)


@now.native
def _(environment: Environment) -> NativeCall | None:
    return NativeCall("now") if environment.system_clock and not host_zone() else None

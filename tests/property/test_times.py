"""Times that the native engine reads are those of the scalar kernel, for formats and texts of all kinds."""

from __future__ import annotations

import random
import zoneinfo
from typing import Any

import pytest

import ottl
from ottl import engine
from ottl.stdlib.layouts import Layout, compile_layout, load_location, zone_changes
from ottl.types import Time, zone_offset
from tests.conftest import log_attributes, logs

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

COMMON = [
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%LZ",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%j",
    "%Y-%m-%d %H:%M:%S.%s",
    "%Y-%m-%d %H:%M:%S,%L",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y/%m/%d %R",
    "%Y%m%d%H%M%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%b %e %H:%M:%S",
    "%b %d %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%A %d %B %y",
    "%D %r",
    "%D %z",
    "%FT%T",
    "%c",
]
"""Formats that run natively."""

DIRECTIVES = "YymoqbhBdegaAHlIpPMSLfsZzwijkDxFTXrRntc%"
BETWEEN = ["", " ", "-", "/", ":", ".", ",", "T", " at ", "  ", "é", "_", "x", "th ", "[", "Z", "UTC"]
LOCATIONS = ["", "UTC", "GMT", "Europe/Berlin", "Europe/London", "America/New_York", "Australia/Lord_Howe", "EST5EDT"]
OFFSETS = [
    "+0200",
    "-05:30",
    "+00:00",
    "-0000",
    "Z",
    "+02",
    "+2500",
    "+02:61",
    "+1:00",
    " +0100",
    "GMT",
    "GMT+3",
    "CET",
]
PIECES = [" ", "\t", "0", "9", "29", "31", "60", "24", "13", ".", ",5", ".123456789123", "+", "-", "Z", "é", "\n", "x"]
SHOWN = ("%F %T.%s", "%Y %z %Z")


def _format(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return rng.choice(COMMON)
    form = rng.choice(BETWEEN)
    for _ in range(rng.randint(1, 7)):
        directive = rng.choice(DIRECTIVES)
        form += (rng.choice(".,") if directive in "Lfs" else "") + "%" + directive + rng.choice(BETWEEN)
    return form


def _text(rng: random.Random, layout: Layout, location: str | None) -> str:
    """A text of a format, often spoilt, and often near a change of clocks."""
    seconds = rng.choice([rng.randint(-9_300_000_000, 9_300_000_000), rng.randint(1_600_000_000, 1_800_000_000)])
    if rng.random() < 0.02:
        seconds = rng.randint(-70_000_000_000, 260_000_000_000)
    if location not in (None, "", "UTC") and rng.random() < 0.3:
        starts, offsets = zone_changes(str(location))
        change = rng.randrange(len(starts))
        seconds = starts[change] + offsets[max(change - rng.randrange(2), 0)] + rng.randint(-4000, 4000)
    zone = rng.choice(["", "", "+02:00", "-03:30", "Europe/Berlin"])
    text = layout.format(Time(seconds * 10**9 + rng.choice([0, 0, rng.randrange(10**9), 120_000_000]), zone))
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(6):
            case 0:
                text = text[:at] + rng.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + rng.choice(PIECES) + text[at + 1 :]
            case 2:
                text = text[:at] + text[at + 1 :]
            case 3:
                text = text.replace("0", rng.choice(["", " ", "0"]), rng.randint(1, 3))
            case 4:
                text = text[:at] + rng.choice(OFFSETS) + text[at + rng.choice([0, 1, 5, 6]) :]
            case _:
                text = rng.choice([text.upper(), text.lower(), text[:at], text + rng.choice(OFFSETS)])
    return text


def _compared(form: str, location: str | None, texts: list[str]) -> Any:
    """What both stacks make of texts; the fast one."""
    time = f'Time(log.attributes["s"], {_quoted(form)}{"" if location is None else f", {_quoted(location)}"})'
    statements = [
        f"set(log.time, {time})",
        f'set(log.attributes["ns"], UnixNano({time}))',
        f'set(log.attributes["late"], true) where {time} > Unix(1700000000)',
        f'set(log.attributes["age"], Nanoseconds(Unix(1700000000) - {time}))',
        *(f'set(log.attributes["shown{n}"], FormatTime({time}, "{shown}"))' for n, shown in enumerate(SHOWN)),
        # Not known to the native executor: in columns.
        f'set(log.attributes["text"], Format("%+v", [UnixNano({time})]))',
        f'set(log.attributes["moved"], FormatTime({time} + Duration("5000h"), "{SHOWN[0]}"))',
        'set(log.attributes["time"], log.time_unix_nano)',
    ]
    data = logs(*({"s": text} for text in texts))
    found = []
    for stack in ("fast", "plain"):
        transform = ottl.Transform({"error_mode": "ignore", "log_statements": statements}, stack=stack)
        made = log_attributes(transform.process(data, signal="logs"))
        found.append((made, [(s.errors, s.first_error) for s in transform.stats()], transform))
    for fast, plain in zip(found[0][0], found[1][0], strict=True):
        assert fast == plain, (form, location)
    assert found[0][1] == found[1][1], (form, location)
    return found[0][2]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@pytest.mark.parametrize("seed", range(20))
def test_native_times_are_those_of_the_scalar_kernel(seed: int) -> None:
    """Whatever is read natively is read so by the scalar kernel; texts that fail, fail alike."""
    rng = random.Random(seed)
    formats = 0
    while formats < 12:
        form = _format(rng)
        try:
            layout = compile_layout(form)
        except ValueError:
            continue
        formats += 1
        location = rng.choice([None, *LOCATIONS])
        _compared(form, location, [_text(rng, layout, location) for _ in range(60)])


def _declined(form: str, location: str | None, texts: list[str]) -> list[str]:
    """The texts of a format that are not read natively."""
    given = "" if location is None else f', "{location}"'
    statement = f'set(log.time, Time(log.attributes["s"], "{form}"{given}))'
    transform = ottl.Transform({"error_mode": "propagate", "log_statements": [statement]}, stack="fast")
    declined = []
    for text in texts:
        data = logs({"s": text})
        transform.process(data, signal="logs")
        (program,) = transform._tables.values()
        if program.run_stream(data, ottl.Limits(), None) is None:
            declined.append(text)
    return declined


@pytest.mark.parametrize("form", COMMON)
@pytest.mark.parametrize("location", ["UTC", "America/New_York"])
def test_common_formats_run_natively(form: str, location: str) -> None:
    """No text that such a format writes is left to the scalar kernel."""
    rng = random.Random(form)
    layout = compile_layout(form)
    moments = [Time(rng.randrange(86_400 * 365 * 80) * 10**9 + rng.randrange(10**9)) for _ in range(30)]
    # A name of a zone is looked up in the location, which is not done natively.
    named = "%Z" in form and location != "UTC"
    assert (
        _declined(form, None if form.endswith("Z") else location, [layout.format(t) for t in moments if not named])
        == []
    )


def test_texts_that_are_written_otherwise_run_natively() -> None:
    """Blanks, names in any case, one digit, fractions that the format has not, and all spellings of an offset."""
    for form, texts in {
        "%d/%b/%Y:%H:%M:%S %z": ["1/jan/2024:1:2:3 +02:00", "\t1/JAN/2024:01:02:03 -07", "1/Jan/2024: 1:2:3,25 Z"],
        "%D %T": ["1/2/2024 3:4:5", "1/2/24 3:4:5.5", " 1/ 2/ 24  3: 4: 5"],
        "%Y-%m-%d %H:%M:%S.%L": ["2024-02-29 00:00:00", "2024-2-29 0:0:0,123456789"],
        "%a, %d %b %Y %H:%M:%S %Z": ["Mon, 01 Jan 2024 00:00:00 GMT", "mon, 1 jan 2024 0:0:0 UTC"],
    }.items():
        assert _declined(form, "UTC", texts) == []


def test_formats_whose_elements_melt_are_left() -> None:
    """A format that Go reads otherwise than directive by directive is none for the native engine."""
    for form in ("%m%S", "Jan %d", "%Y PM", "%s", "%z %z", "%D %x", "%D %Y", "%z %Z", "%d " * 60):
        assert compile_layout(form).reading() is None, form


@pytest.mark.parametrize("zone", sorted(zoneinfo.available_timezones())[::7])
def test_changes_of_zones(zone: str) -> None:
    """The offset from each change on is that of the zone, and so it is in between."""
    if not load_location(zone):
        return
    rng = random.Random(zone)
    starts, offsets = zone_changes(zone)
    for start, stop, offset in zip(starts, (*starts[1:], starts[-1] + 10**7), offsets, strict=True):
        for moment in (start, stop - 1, rng.randrange(start, stop)):
            assert zone_offset(zone, moment)[0] == offset, (zone, moment)

"""Telling the signal of protobuf: the native way and the plain one."""

from __future__ import annotations

import random

import pytest

from bench import payloads
from ottl.codec import native
from ottl.codec.messages import root_class
from ottl.signals import SIGNALS, fits_signal, holds_any, signal_of_protobuf


def samples() -> list[bytes]:
    """Payloads of all signals, whole and damaged."""
    chance = random.Random(7)
    profile = root_class("profiles")()
    profile.resource_profiles.add().scope_profiles.add().profiles.add(time_unix_nano=1, profile_id=b"p" * 16)
    profile.dictionary.string_table.extend([b"", b"name"])
    found = [maker(rows) for maker in payloads.MAKERS.values() for rows in (1, 2, 9)]
    found += [profile.SerializeToString(), b"", b"\x0a\x00", b"\x0a\x02\x12\x00", b"\xff" * 12]
    for data in [*found]:
        for _ in range(12 if data else 0):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 3)):
                damaged[chance.randrange(len(damaged))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            found.append(bytes(damaged))
            found.append(data[: chance.randrange(len(data))])
            found.append(data + b"\xf8\x07\x01")
    return found


@pytest.mark.skipif(not native.available(), reason="the native codec is not there")
def test_native_code_gives_the_same_answers() -> None:
    """For every signal, with unknown fields and without, on whatever bytes."""
    fitting = 0
    for data in samples():
        for signal in SIGNALS:
            for unknown_allowed in (False, True):
                expected = fits_signal(data, signal, unknown_allowed)
                assert native.fits_signal(data, signal, unknown_allowed) == expected, (data, signal, unknown_allowed)
                fitting += expected
    assert fitting > 100


@pytest.mark.parametrize("signal", payloads.MAKERS)
def test_only_the_first_elements_are_looked_into(signal: str) -> None:
    """What follows is still walked over: the end may be cut off."""
    data = payloads.MAKERS[signal](64)
    calls: list[str] = []

    def fits(payload: bytes, name: str, unknown_allowed: bool) -> bool:
        calls.append(name)
        return fits_signal(payload, name, unknown_allowed)

    assert signal_of_protobuf(data, fits) == signal
    assert calls == list(SIGNALS)
    assert signal_of_protobuf(data[:-1]) is None


@pytest.mark.skipif(not native.available(), reason="the native codec is not there")
def test_names_anywhere() -> None:
    """Both ways find a name wherever it stands, and none that is cut off or has another end."""
    names = (b'"resourceLogs"', b'"resource_logs"')
    draw = random.Random(5)
    pieces = [*names, b'"resource', b'"resourceLog"', b'"resourceSpans"', b'"', b"x" * 40, b"resourceLogs"]
    found = 0
    for _ in range(2000):
        payload = b"".join(draw.choices(pieces, k=draw.randrange(6)))
        payload = payload[: draw.randrange(len(payload) + 1)]
        expected = any(name in payload for name in names)
        assert holds_any(payload, names) == expected
        assert native.holds_any(payload, names) == expected
        found += expected
    assert 200 < found < 1800

"""Slots by key: bounds, age, and the same outcome row by row and together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ottl.analysis.keyed import Keyed
from ottl.analysis.running import Ewma


def _feed(keyed: Keyed[Ewma], keys: list[bytes], together: bool) -> list[float | None]:
    values = [float(n) for n in range(len(keys))]
    if together:
        distinct = list(dict.fromkeys(keys))
        codes = np.array([distinct.index(k) for k in keys], np.intp)
        slots = keyed.slots(distinct, codes)
        if slots is not None:
            found, valid = keyed.memory.steps(slots, np.array(values))
            return [f if ok else None for f, ok in zip(found.tolist(), valid.tolist(), strict=True)]
    return [keyed.memory.step(keyed.slot(k), v) for k, v in zip(keys, values, strict=True)]


BATCHES = st.lists(
    st.tuples(st.integers(0, 40), st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"k" * 100]), max_size=8)),
    max_size=6,
)


@given(BATCHES, st.integers(1, 6))
def test_together_as_row_by_row(batches: list[tuple[int, list[bytes]]], most: int) -> None:
    """Evictions, ages and statistics do not depend on how rows come."""
    one, many = Keyed(Ewma(0.5), most, 30), Keyed(Ewma(0.5), most, 30)
    now = 0
    for later, keys in batches:
        now += later
        one.begin(now)
        many.begin(now)
        assert _feed(one, keys, False) == _feed(many, keys, True)
        assert len(one) == len(many) <= most
        assert one.save()[0] == many.save()[0]


def test_least_recently_used_goes() -> None:
    """A key beyond the bound takes the place of the one that was not used for longest."""
    keyed = Keyed(Ewma(0.5), 2)
    for key in (b"a", b"b", b"a", b"c"):
        keyed.memory.step(keyed.slot(key), 1.0)
    assert keyed.save()[0] == [b"a", b"c"]


def test_idle_keys_are_forgotten() -> None:
    """A key that was idle for too long begins anew, whether its slot was swept or not; time never goes back."""
    keyed = Keyed(Ewma(0.5), 10, 100)
    keyed.begin(1000)
    keyed.memory.step(keyed.slot(b"a"), 8.0)
    keyed.begin(1100)
    assert keyed.memory.step(keyed.slot(b"a"), 0.0) == 4.0
    keyed.begin(5)
    keyed.begin(1201)
    assert keyed.memory.step(keyed.slot(b"a"), 0.0) == 0.0
    keyed.begin(2000)
    assert len(keyed) == 0


def test_restored() -> None:
    """What was saved goes on: keys, their age and their order; the most recent ones where there are too many."""
    keyed = Keyed(Ewma(0.5), 10, 100)
    keyed.begin(50)
    for number, key in enumerate((b"a", b"b" * 200, b"c")):
        keyed.memory.step(keyed.slot(key), float(number))
    keys, arrays = keyed.save()
    other = Keyed(Ewma(0.5), 2, 100)
    other.slot(b"z")
    other.begin(60)
    other.restore(keys, arrays)
    assert other.save()[0] == keys[1:]
    assert other.memory.step(other.slot(b"b" * 200), 0.0) == 0.5
    other.begin(151)
    assert other.memory.step(other.slot(b"c"), 7.0) == 7.0
    with pytest.raises(ValueError, match="fit"):
        other.restore(keys, {"seen": np.zeros(1, np.int64)})
    assert len(other) == 0

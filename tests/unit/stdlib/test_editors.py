"""Editors of fields, maps and lists: order, repeated keys, bytes, limits."""

from __future__ import annotations

from typing import Any

import pytest

from ottl.patterns import compile_regex
from ottl.stdlib import editors
from ottl.types import Bytes, Duration, Map, NotStorableError, Opaque, Slice, Time, TraceID, TypedList, Value
from tests.unit.stdlib.targets import PlainMap, PlainValue


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"x", b""),
        (True, False),
        (1.5, 0.0),
        (Bytes(b"x"), Bytes(b"")),
        (Slice([1]), Slice()),
        (TypedList([1.5], "float64"), Slice()),
        (None, None),
    ],
)
def test_clear_writes_the_zero_of_the_same_type(value: Value, expected: Value) -> None:
    """What a target holds decides its zero value."""
    target = PlainValue(value)
    editors.clear(target)
    assert (type(target.value), target.value) == (type(expected), expected)


class AnyValue(PlainValue):
    """A target that takes values of all types, as fields of the schema do."""

    def set(self, value: Value) -> None:
        self.value = value


def test_clear_of_a_time_is_the_year_one() -> None:
    """Go's zero time, which is not the epoch; ids become zeros."""
    target = AnyValue(Time(5))
    editors.clear(target)
    assert target.value == Time(-62_135_596_800 * 10**9)
    target = AnyValue(TraceID(b"x" * 16))
    editors.clear(target)
    assert (type(target.value), target.value) == (TraceID, bytes(16))


def test_clear_refuses_what_has_no_zero() -> None:
    """Opaque parts of the payload, where the reference panics."""
    with pytest.raises(ValueError, match="no zero value"):
        editors.clear(PlainValue(Opaque("Event", True, [])))


@pytest.mark.parametrize(
    ("current", "value", "expected"),
    [
        (None, None, [None]),
        (b"a", [1, [2]], [b"a", [1, [2]]]),
        (Bytes(b"\x01"), 2, [Bytes(b"\x01"), 2]),
        (Slice([Map([(b"k", 1)])]), 1, [Map([(b"k", 1)]), 1]),
        (TypedList([b"a", b"b"], "string"), b"c", [b"a", b"b", b"c"]),
    ],
)
def test_append(current: Value, value: Value, expected: list[Any]) -> None:
    """Scalars become the first element, lists grow, literals nest."""
    target = PlainValue(current)
    editors.append(target, value)
    assert repr(target.value) == repr(expected)


@pytest.mark.parametrize("value", [Map(), Slice(), TypedList([b"a"], "string"), Duration(1)])
def test_append_takes_plain_values_only(value: Value) -> None:
    """Maps and lists read from the payload are refused, and nothing is written."""
    target = PlainValue(b"a")
    with pytest.raises(ValueError, match="invalid value type"):
        editors.append(target, value)
    assert target.value == b"a"


def test_set_fails_with_what_no_slot_takes() -> None:
    """A time cannot be stored."""
    with pytest.raises(NotStorableError):
        editors.set_value(PlainValue(None), Time(0))


def test_delete_key_takes_the_first_of_repeated_keys() -> None:
    """The second one shows again, the last entry fills the hole."""
    target = PlainMap((b"a", 1), (b"b", 2), (b"a", 3), (b"c", 4))
    editors.delete_key(target, b"a")
    assert target.entries == [(b"c", 4), (b"b", 2), (b"a", 3)]


def test_keeping_and_deleting_see_all_repeated_keys() -> None:
    """The matching family works on every entry, in order."""
    entries = ((b"a1", 1), (b"b", 2), (b"a1", 3), (b"\xff", 4))
    for editor, arguments, expected in (
        (editors.keep_keys, [[b"a1"]], [1, 3]),
        (editors.delete_matching_keys, [compile_regex("[0-9]")], [2, 4]),
        (editors.keep_matching_keys, [compile_regex("^\ufffd$")], [4]),
    ):
        target = PlainMap(*entries)
        editor(target, *arguments)
        assert [value for _, value in target.entries] == expected


def test_limit_counts_priority_keys_once_present() -> None:
    """A priority key that is absent leaves its place to others."""
    target = PlainMap(*[(key.encode(), 0) for key in "abcd"])
    editors.limit(target, 2, ["x", "d"])
    assert target.keys() == [b"a", b"d"]


@pytest.mark.parametrize(
    ("text", "limit", "safe", "marker", "expected"),
    [
        (b"h\xc3\xa9llo", 2, False, "", b"h\xc3"),
        (b"h\xc3\xa9llo", 2, True, "", b"h"),
        (b"\xa9\xa9\xa9", 2, True, "", b""),
        (b"abc", 3, True, "..", b"abc"),
        (b"abcd", 3, True, "é", b"a\xc3\xa9"),
        (b"ab", 0, True, "", b""),
    ],
)
def test_truncate_all_counts_bytes(text: bytes, limit: int, safe: bool, marker: str, expected: bytes) -> None:
    """Cuts back to the start of a character when asked to; the marker counts."""
    target = PlainMap((b"k", text), (b"n", 12345), (b"b", Bytes(b"abcdef")))
    editors.truncate_all(target, limit, safe, marker)
    assert target.entries == [(b"k", expected), (b"n", 12345), (b"b", Bytes(b"abcdef"))]


def test_merge_maps_with_a_source_that_repeats_a_key() -> None:
    """Insert takes the first, upsert the last."""
    source = Map([(b"k", 1), (b"k", 2)])
    inserted, upserted = PlainMap(), PlainMap()
    editors.merge_maps(inserted, source, "insert")
    editors.merge_maps(upserted, source, "upsert")
    assert (inserted.entries, upserted.entries) == ([(b"k", 1)], [(b"k", 2)])


def test_flatten_of_lists_in_lists_forgets_a_dot() -> None:
    """The reference writes the index of the inner list's elements right behind the outer index."""
    target = PlainMap((b"l", Slice([Slice([1, 2]), Map([(b"k", 3)])])))
    editors.flatten(target)
    assert target.entries == [(b"l.00", 1), (b"l.01", 2), (b"l.1.k", 3)]


def test_flatten_resolves_conflicts_in_order() -> None:
    """The first of a key keeps it, the others are numbered."""
    target = PlainMap((b"a.b", 1), (b"a", Map([(b"b", 2)])), (b"a.b", 3))
    editors.flatten(target, resolve_conflicts=True)
    assert target.entries == [(b"a.b", 1), (b"a.b.0", 2), (b"a.b.1", 3)]


@pytest.mark.parametrize(
    ("entries", "prefix", "expected"),
    [
        ([(b"a", 1), (b"b", b"x")], "", [(b"a", 1), (b"b", b"x")]),
        ([(b"a", 1), (b"b", b"x")], "p", [(b"p.a", 1), (b"p.b", b"x")]),
        ([(b"a", 1), (b"m", Map([(b"k", 2)])), (b"b", 3)], "p", [(b"p.a", 1), (b"p.m.k", 2), (b"p.b", 3)]),
        ([(b"a.b", 1), (b"c", 2), (b"a", Map([(b"b", 3)]))], "", [(b"a.b", 3), (b"c", 2)]),
        ([(b"a", 1), (b"b", 2), (b"a", 3)], "", [(b"a", 3), (b"b", 2)]),
        ([(b"a", 1), (b"e", None), (b"a", 3)], "", [(b"a", 3), (b"e", None)]),
    ],
)
def test_flatten_of_what_is_flat_in_front(
    entries: list[tuple[bytes, Value]], prefix: str, expected: list[tuple[bytes, Value]]
) -> None:
    """Entries in front of the first nested one only get new keys, unless a key comes twice."""
    target = PlainMap(*entries)
    editors.flatten(target, prefix)
    assert target.entries == expected


def test_flatten_cannot_grow_keys_without_end() -> None:
    """Long keys over many leaves add up."""
    wide = Map([(b"%d" % index, 0) for index in range(20)])
    with pytest.raises(ValueError, match="keys of more than"):
        editors.flatten(PlainMap((b"k" * (1 << 20), wide)))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 3, []), (1, None, [1, 3]), (1, 1, [1, 2, 3]), (2, 3, [1, 2])],
)
def test_delete_index(start: int, end: int | None, expected: list[int]) -> None:
    """The end is not deleted; an empty range changes nothing."""
    target = PlainValue(Slice([1, 2, 3]))
    editors.delete_index(target, start, end)
    assert target.value == expected


@pytest.mark.parametrize(("start", "end"), [(-1, None), (3, 3), (2, 1), (1, 4)])
def test_delete_index_out_of_bounds(start: int, end: int | None) -> None:
    """Bounds are checked before anything changes."""
    with pytest.raises(ValueError, match="delete_index"):
        editors.delete_index(PlainValue(Slice([1, 2, 3])), start, end)


def test_stringify_all_leaves_strings_that_are_no_utf8() -> None:
    """Only other types are rewritten: bytes become base64."""
    target = PlainMap((b"s", b"\xff"), (b"b", Bytes(b"\xff")), (b"f", 1e-7))
    editors.stringify_all(target)
    assert target.entries == [(b"s", b"\xff"), (b"b", b"/w=="), (b"f", b"1e-7")]

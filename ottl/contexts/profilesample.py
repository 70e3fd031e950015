"""Paths of a sample of a profile."""

from __future__ import annotations

from ottl.contexts.paths import PathSpec, View, by_name
from ottl.types import Kind


def _integers(name: str) -> PathSpec:
    return PathSpec("profilesample", name, (name,), View.INTS, Kind.LIST, element="int64")


PATHS = by_name(
    _integers("values"),
    _integers("attribute_indices"),
    PathSpec("profilesample", "link_index", ("link_index",), View.INT, Kind.INT, limit=(1 << 31) - 1),
    _integers("timestamps_unix_nano"),
    PathSpec("profilesample", "timestamps", ("timestamps_unix_nano",), View.TIMES, Kind.LIST, element="time"),
    PathSpec("profilesample", "attributes", ("attribute_indices",), View.DICTIONARY_MAP, Kind.MAP, keyed=True),
)

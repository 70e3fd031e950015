"""Paths of a profile. Texts and attributes live in the dictionary that all profiles of a message share."""

from __future__ import annotations

from ottl.contexts.paths import PathSpec, View, by_name, count, identifier, instant, text
from ottl.types import Kind


def _value_type(name: str) -> tuple[PathSpec, PathSpec, PathSpec]:
    return (
        PathSpec("profile", name, (name,), View.OPAQUE, Kind.OPAQUE),
        PathSpec("profile", f"{name}.type", (name, "type_strindex"), View.DICTIONARY_STRING, Kind.STRING),
        PathSpec("profile", f"{name}.unit", (name, "unit_strindex"), View.DICTIONARY_STRING, Kind.STRING),
    )


PATHS = by_name(
    *_value_type("sample_type"),
    *_value_type("period_type"),
    PathSpec("profile", "sample", ("samples",), View.OPAQUE, Kind.OPAQUE),
    *instant("profile", "time"),
    PathSpec("profile", "duration_unix_nano", ("duration_nano",), View.NON_NEGATIVE, Kind.INT),
    PathSpec("profile", "duration", ("duration_nano",), View.NON_NEGATIVE, Kind.INT),
    count("profile", "period"),
    *identifier("profile", "profile_id", Kind.PROFILE_ID),
    PathSpec("profile", "attribute_indices", ("attribute_indices",), View.INTS, Kind.LIST, element="int64"),
    count("profile", "dropped_attributes_count"),
    text("profile", "original_payload_format"),
    PathSpec("profile", "original_payload", ("original_payload",), View.BYTES, Kind.BYTES),
    PathSpec("profile", "attributes", ("attribute_indices",), View.DICTIONARY_MAP, Kind.MAP, keyed=True),
)

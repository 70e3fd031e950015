"""Paths and enums of a data point, whatever its type.

A field is looked up by name in the point's own message; where that lacks it, reading gives nil and writing is an error.
"""

from __future__ import annotations

from ottl.contexts import metric
from ottl.contexts.paths import PathSpec, View, attributes, by_name, count, instant
from ottl.types import Kind

ENUMS = {**metric.ENUMS, "FLAG_NONE": 0, "FLAG_NO_RECORDED_VALUE": 1}


def _counts(name: str, field: tuple[str, ...]) -> PathSpec:
    return PathSpec("datapoint", name, field, View.INTS, Kind.LIST, nullable=True, element="uint64")


def _buckets(name: str) -> tuple[PathSpec, PathSpec, PathSpec]:
    return (
        PathSpec("datapoint", name, (name,), View.OPAQUE, Kind.OPAQUE, nullable=True),
        PathSpec("datapoint", f"{name}.offset", (name, "offset"), View.INT, Kind.INT, nullable=True),
        _counts(f"{name}.bucket_counts", (name, "bucket_counts")),
    )


PATHS = by_name(
    attributes("datapoint", ("attributes",)),
    *instant("datapoint", "start_time"),
    *instant("datapoint", "time"),
    PathSpec("datapoint", "value_double", ("as_double",), View.NUMBER, Kind.DOUBLE, nullable=True),
    PathSpec("datapoint", "value_int", ("as_int",), View.NUMBER, Kind.INT, nullable=True),
    PathSpec("datapoint", "exemplars", ("exemplars",), View.OPAQUE, Kind.OPAQUE, nullable=True),
    count("datapoint", "flags", symbols="FLAG_"),
    count("datapoint", "count", nullable=True),
    PathSpec("datapoint", "sum", ("sum",), View.DOUBLE, Kind.DOUBLE, nullable=True),
    _counts("bucket_counts", ("bucket_counts",)),
    PathSpec(
        "datapoint", "explicit_bounds", ("explicit_bounds",), View.DOUBLES, Kind.LIST, nullable=True, element="float64"
    ),
    count("datapoint", "scale", nullable=True),
    count("datapoint", "zero_count", nullable=True),
    *_buckets("positive"),
    *_buckets("negative"),
    PathSpec("datapoint", "quantile_values", ("quantile_values",), View.OPAQUE, Kind.OPAQUE, nullable=True),
)

SCRIPT_PATHS = by_name(
    PathSpec("datapoint", "value", ("as_double",), View.POINT_VALUE, Kind.ANY, nullable=True),
)
"""What the script dialect adds: the value of a number data point, an int or a double as it comes."""

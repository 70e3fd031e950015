"""Paths and enums of a metric."""

from __future__ import annotations

from ottl import schema
from ottl.contexts.paths import Access, PathSpec, View, attributes, by_name, text
from ottl.types import Kind

DATA_FIELDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
"""Members of the metric's oneof, in the order of the reference's type numbers, which start at 1."""

ENUMS = {
    **schema.enum_values("AggregationTemporality"),
    "METRIC_DATA_TYPE_NONE": 0,
    **{f"METRIC_DATA_TYPE_{name.upper()}": number for number, name in enumerate(DATA_FIELDS, 1)},
}

PATHS = by_name(
    text("metric", "name"),
    text("metric", "description"),
    text("metric", "unit"),
    PathSpec("metric", "type", (), View.METRIC_TYPE, Kind.INT, Access.IGNORED, symbols="METRIC_DATA_TYPE_"),
    PathSpec(
        "metric",
        "aggregation_temporality",
        ("aggregation_temporality",),
        View.METRIC_DATA,
        Kind.INT,
        nullable=True,
        symbols="AGGREGATION_TEMPORALITY_",
    ),
    PathSpec("metric", "is_monotonic", ("is_monotonic",), View.METRIC_DATA, Kind.BOOL, nullable=True),
    PathSpec("metric", "data_points", ("data_points",), View.METRIC_POINTS, Kind.OPAQUE, nullable=True),
    attributes("metric", ("metadata",)),
)

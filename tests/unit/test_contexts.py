"""The tables of paths agree with the language reference and with the schema."""

import pytest

from ottl import schema
from ottl.contexts import CONTEXTS
from ottl.contexts.paths import Access, PathSpec, View
from ottl.types import Kind

ROWS = {
    "resource": ["opentelemetry.proto.trace.v1.ResourceSpans", "opentelemetry.proto.logs.v1.ResourceLogs"],
    "scope": ["opentelemetry.proto.trace.v1.ScopeSpans", "opentelemetry.proto.metrics.v1.ScopeMetrics"],
    "span": ["opentelemetry.proto.trace.v1.Span"],
    "spanevent": ["opentelemetry.proto.trace.v1.Span.Event"],
    "metric": ["opentelemetry.proto.metrics.v1.Metric"],
    "exemplar": ["opentelemetry.proto.metrics.v1.Exemplar"],
    "log": ["opentelemetry.proto.logs.v1.LogRecord"],
    "profile": ["opentelemetry.proto.profiles.v1development.Profile"],
    "profilesample": ["opentelemetry.proto.profiles.v1development.Sample"],
}
POINTS = [
    f"opentelemetry.proto.metrics.v1.{name}DataPoint"
    for name in ("Number", "Histogram", "ExponentialHistogram", "Summary")
]


def resolve(row: str, path: tuple[str, ...]) -> schema.Field | None:
    """The last field of a path, None where the message lacks it."""
    field = None
    for name in path:
        field = schema.fields_by_name(row).get(name)
        if field is None:
            return None
        row = field.message or ""
    return field


def own_paths(level: str) -> dict[str, PathSpec]:
    """The paths of a context below its own prefix."""
    return CONTEXTS[level].levels[level]


@pytest.mark.parametrize("level", sorted(ROWS))
def test_every_field_exists(level: str) -> None:
    """Each path names a field of its row message."""
    for spec in own_paths(level).values():
        if spec.view not in (View.METRIC_DATA, View.METRIC_POINTS):
            for row in ROWS[level]:
                assert not spec.field or resolve(row, spec.field), spec


def test_data_point_fields_are_nullable_where_a_type_lacks_them() -> None:
    """A field of some point types only may read as nil, one of all never does."""
    for spec in own_paths("datapoint").values():
        if spec.field:
            found = [resolve(row, spec.field) is not None for row in POINTS]
            assert any(found)
            assert all(found) != spec.nullable, spec


@pytest.mark.parametrize(
    ("level", "names"),
    [
        ("resource", "attributes cache dropped_attributes_count schema_url"),
        ("scope", "attributes cache dropped_attributes_count name schema_url version"),
        (
            "span",
            (
                "attributes cache dropped_attributes_count dropped_events_count dropped_links_count end_time "
                "end_time_unix_nano events flags kind kind.deprecated_string kind.string links name parent_span_id "
                "parent_span_id.string span_id span_id.string start_time start_time_unix_nano status status.code "
                "status.message trace_id trace_id.string trace_state"
            ),
        ),
        ("spanevent", "attributes cache dropped_attributes_count event_index name time time_unix_nano"),
        ("metric", "aggregation_temporality cache data_points description is_monotonic metadata name type unit"),
        (
            "datapoint",
            (
                "attributes bucket_counts cache count exemplars explicit_bounds flags negative negative.bucket_counts "
                "negative.offset positive positive.bucket_counts positive.offset quantile_values scale start_time "
                "start_time_unix_nano sum time time_unix_nano value_double value_int zero_count"
            ),
        ),
        (
            "exemplar",
            (
                "cache double_value filtered_attributes int_value span_id span_id.string time time_unix_nano trace_id "
                "trace_id.string"
            ),
        ),
        (
            "log",
            (
                "attributes body body.string cache dropped_attributes_count event_name flags observed_time "
                "observed_time_unix_nano severity_number severity_text span_id span_id.string time time_unix_nano "
                "trace_id trace_id.string"
            ),
        ),
        (
            "profile",
            (
                "attribute_indices attributes cache dropped_attributes_count duration duration_unix_nano "
                "original_payload original_payload_format period period_type period_type.type period_type.unit "
                "profile_id profile_id.string sample sample_type sample_type.type sample_type.unit time time_unix_nano"
            ),
        ),
        (
            "profilesample",
            "attribute_indices attributes cache link_index timestamps timestamps_unix_nano values",
        ),
        ("otelcol", "cache client.addr client.auth.attributes client.metadata grpc.metadata"),
    ],
)
def test_paths_are_those_of_the_reference(level: str, names: str) -> None:
    """No path is missing, none is invented."""
    assert sorted(own_paths(level)) == names.split()


@pytest.mark.parametrize(
    ("context", "prefixes"),
    [
        ("resource", "resource otelcol"),
        ("scope", "scope resource otelcol"),
        ("span", "span scope instrumentation_scope resource otelcol"),
        ("spanevent", "spanevent span scope instrumentation_scope resource otelcol"),
        ("metric", "metric scope instrumentation_scope resource otelcol"),
        ("datapoint", "datapoint metric scope instrumentation_scope resource otelcol"),
        ("exemplar", "exemplar datapoint metric scope instrumentation_scope resource otelcol"),
        ("log", "log scope instrumentation_scope resource otelcol"),
        ("profile", "profile scope instrumentation_scope resource otelcol"),
        ("profilesample", "profilesample scope instrumentation_scope resource otelcol"),
        ("otelcol", "otelcol"),
    ],
)
def test_prefixes(context: str, prefixes: str) -> None:
    """Each context reads itself and what is above it."""
    assert CONTEXTS[context].prefixes == tuple(prefixes.split())
    assert set(CONTEXTS[context].prefixes) <= set(CONTEXTS[context].levels)


def test_prefixes_that_count_only_where_names_are_optional() -> None:
    """The reference's two oddities."""
    assert "instrumentation_scope" in CONTEXTS["scope"].levels
    assert "profile" in CONTEXTS["profilesample"].levels


def test_cache_belongs_to_its_own_context() -> None:
    """Only the first prefix has a cache."""
    for context in CONTEXTS.values():
        assert [prefix for prefix, paths in context.levels.items() if "cache" in paths] == [context.name]


def test_enums() -> None:
    """The symbols of each context, none elsewhere."""
    sizes = {name: len(context.enums) for name, context in CONTEXTS.items() if context.enums}
    assert sizes == {"span": 9, "spanevent": 9, "metric": 9, "datapoint": 11, "log": 25}
    assert CONTEXTS["metric"].enums["METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM"] == 4
    assert CONTEXTS["datapoint"].enums["FLAG_NO_RECORDED_VALUE"] == 1


def test_ranks_follow_the_order_of_inference() -> None:
    """A more specific context is preferred."""
    names = ["log", "exemplar", "datapoint", "metric", "spanevent", "span", "profile", "scope", "resource"]
    assert sorted(names, key=lambda name: CONTEXTS[name].rank) == names


def test_access() -> None:
    """What cannot be written is known before any row is seen."""
    odd = {
        (spec.level, spec.name): spec.access
        for context in CONTEXTS.values()
        for paths in context.levels.values()
        for spec in paths.values()
        if spec.access is not Access.READ_WRITE
    }
    assert odd == {
        ("spanevent", "event_index"): Access.READ_ONLY,
        ("metric", "type"): Access.IGNORED,
        ("otelcol", "client.addr"): Access.READ_ONLY,
        ("otelcol", "client.metadata"): Access.READ_ONLY,
        ("otelcol", "client.auth.attributes"): Access.READ_ONLY,
        ("otelcol", "grpc.metadata"): Access.READ_ONLY,
    }


def test_span_kind_texts() -> None:
    """Both text forms of a span kind are in the order of its numbers."""
    assert own_paths("span")["kind.string"].names[2] == "Server"
    assert own_paths("span")["kind.deprecated_string"].names[2] == "SPAN_KIND_SERVER"
    assert own_paths("span")["kind"].kind is Kind.INT

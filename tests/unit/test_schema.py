"""The schema agrees with the descriptors it is read from."""

from ottl import schema


def test_roots_reach_every_signal() -> None:
    """Each root is a message whose first field repeats."""
    for signal in schema.ROOTS:
        assert schema.root(signal).fields[0].repeated


def test_field_facts() -> None:
    """Numbers, types, names and presence are those of the protocol."""
    span = schema.message("opentelemetry.proto.trace.v1.Span")
    start = span.field("start_time_unix_nano")
    assert (start.number, start.json_name, start.repeated, start.message) == (7, "startTimeUnixNano", False, None)
    assert [f.number for f in span.fields] == list(range(1, 17))
    kind = span.field("kind")
    assert kind.enum is not None
    assert dict(kind.enum)["SPAN_KIND_CONSUMER"] == 5
    status = span.field("status")
    assert (status.message, status.has_presence) == ("opentelemetry.proto.trace.v1.Status", True)


def test_optional_fields_are_alone_in_a_oneof() -> None:
    """A proto3 optional has presence and its own oneof; a plain field has neither."""
    point = "opentelemetry.proto.metrics.v1.HistogramDataPoint"
    total, minimum, flags = (schema.fields_by_name(point)[name] for name in ("sum", "min", "flags"))
    assert total.oneof_index != minimum.oneof_index
    assert total.has_presence
    assert (flags.oneof, flags.oneof_index, flags.has_presence) == (None, -1, False)


def test_json_names_accept_both_spellings() -> None:
    """OTLP JSON may spell a key either way."""
    fields = schema.fields_by_json_name("opentelemetry.proto.trace.v1.Span")
    assert fields["traceId"] is fields["trace_id"]


def test_native_form_refers_to_itself() -> None:
    """Message indexes of the native form point at the message that the field holds."""
    native = schema.native_messages()
    index = schema.message_index()
    assert [name for name, _ in native] == list(schema.messages())
    for name, fields in native:
        for number, _, _, child, *_ in fields:
            expected = schema.fields_by_number(name)[number].message
            assert (native[child][0] if child >= 0 else None) == expected
    assert native[index[schema.ROOTS["logs"]]][0] == schema.ROOTS["logs"]


def test_enums_nested_and_not() -> None:
    """An enum is found by its short name wherever it is declared."""
    assert schema.enum_values("StatusCode")["STATUS_CODE_ERROR"] == 2
    assert schema.enum_values("AggregationTemporality")["AGGREGATION_TEMPORALITY_CUMULATIVE"] == 2

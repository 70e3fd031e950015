"""The judge of the conformance tests tells messages apart, and only different ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests import otlp_compare as otlp


def _attributes(*values: Any) -> otlp.Json:
    entries = [{"key": key, "value": value} for key, value in values]
    return {"resourceSpans": [{"resource": {"attributes": entries}}]}


def _same(left: otlp.Json, right: otlp.Json, *, ordered: bool = True) -> bool:
    return otlp.equal(otlp.canonical(left, "traces", ordered=ordered), otlp.canonical(right, "traces", ordered=ordered))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"intValue": "5"}, {"intValue": 5}),
        ({"doubleValue": 5}, {"doubleValue": "5.0"}),
        ({"doubleValue": "NaN"}, {"doubleValue": float("nan")}),
        ({"bytesValue": "3q2+7w=="}, {"bytesValue": "3q2-7w"}),
        ({"arrayValue": {}}, {"arrayValue": {"values": []}}),
        ({"string_value": "x"}, {"stringValue": "x"}),
    ],
)
def test_spellings_of_one_value_are_equal(left: Any, right: Any) -> None:
    """Numbers count by value, names in either spelling, empty lists as absent ones."""
    assert _same(_attributes(("k", left)), _attributes(("k", right)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"intValue": "5"}, {"doubleValue": 5.0}),
        ({"intValue": "0"}, {}),
        ({"stringValue": ""}, {}),
        ({"doubleValue": 0.0}, {"doubleValue": -0.0}),
        ({"arrayValue": {}}, {"kvlistValue": {}}),
        ({"boolValue": False}, {"intValue": "0"}),
        ({"stringValue": "5"}, {"intValue": "5"}),
    ],
)
def test_different_values_differ(left: Any, right: Any) -> None:
    """Kinds are told apart, and an empty value from one that is there."""
    assert not _same(_attributes(("k", left)), _attributes(("k", right)))


def test_order_of_keys_counts_when_asked() -> None:
    """Entries are sorted by key unless the order counts; entries of one key keep theirs."""
    one, two = ("a", {"intValue": 1}), ("b", {"intValue": 2})
    assert _same(_attributes(one, two), _attributes(two, one), ordered=False)
    assert not _same(_attributes(one, two), _attributes(two, one))
    again = ("a", {"intValue": 3})
    assert not _same(_attributes(one, again), _attributes(again, one), ordered=False)


def test_implicit_defaults_are_as_absent() -> None:
    """Zero ids, empty messages of their own and default scalars are the same as none."""
    full = {
        "resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0" * 32, "kind": 0, "status": {}, "name": ""}]}]}]
    }
    bare: otlp.Json = {"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}
    assert _same(full, bare)
    assert not _same(bare, {"resourceSpans": [{"scopeSpans": [{}]}]})


def test_protobuf_and_json_meet() -> None:
    """A message is the same through both encodings, invalid text included."""
    message = _attributes(("k", {"stringValue": "caf\udce9"}), ("n", {"intValue": str(-(2**63))}))
    payload = otlp.to_protobuf(message, "traces")
    assert b"caf\xe9" in payload
    assert otlp.equal(otlp.canonical(message, "traces"), otlp.parse_protobuf(payload, "traces"))


def test_digest_sees_order_and_kind() -> None:
    """The digest changes with the order of keys and with the kind of a number."""
    one, two = ("a", {"intValue": 1}), ("b", {"doubleValue": 1})
    digests = {
        otlp.digest(otlp.canonical(message, "traces"))
        for message in (_attributes(one, two), _attributes(two, one), _attributes(one, ("b", {"intValue": 1})))
    }
    assert len(digests) == 3


def test_differences_name_the_place() -> None:
    """A difference is told with its path and both values."""
    left, right = (otlp.canonical(_attributes(("k", {"intValue": n})), "traces") for n in (1, 2))
    place = ".resourceSpans[0].resource.attributes[0].value.intValue"
    assert otlp.differences(left, right) == [f"{place}: expected 1, got 2"]

"""What a row is by itself, for functions that remember something by key; and the fields behind the parts of spans.

`IDENTITY` lists for each context what makes up the key of a row for which a rule names none: for a data point that of
its series (resource, scope, metric, attributes), for a span its service and name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Part = tuple[str, str, bytes | None]
"""Level, path and, where only one entry of a map counts, its key."""

SERVICE: Part = ("resource", "attributes", b"service.name")
_RESOURCE: tuple[Part, ...] = (("resource", "attributes", None),)
_SCOPE: tuple[Part, ...] = (
    *_RESOURCE,
    ("scope", "name", None),
    ("scope", "version", None),
    ("scope", "attributes", None),
)
_METRIC: tuple[Part, ...] = (*_SCOPE, ("metric", "name", None))
_POINT: tuple[Part, ...] = (*_METRIC, ("datapoint", "attributes", None))

IDENTITY: Mapping[str, tuple[Part, ...]] = MappingProxyType(
    {
        "resource": _RESOURCE,
        "scope": _SCOPE,
        "span": (SERVICE, ("span", "name", None)),
        "spanevent": (SERVICE, ("span", "name", None), ("spanevent", "name", None)),
        "metric": _METRIC,
        "datapoint": _POINT,
        "exemplar": _POINT,
        "log": (SERVICE,),
        "profile": (SERVICE,),
        "profilesample": (SERVICE,),
    }
)
"""The key of a row that a rule gives none, by context."""

Field = tuple[str, tuple[str, ...]]
"""Level and field names from its row message down."""

SPAN_PARTS: Mapping[str, tuple[Field, ...]] = MappingProxyType(
    {
        "identifiers": (("span", ("trace_id",)), ("span", ("span_id",)), ("span", ("parent_span_id",))),
        "times": (("span", ("start_time_unix_nano",)), ("span", ("end_time_unix_nano",))),
        "errors": (("span", ("status", "code")),),
        "services": (("resource", ("resource", "attributes")),),
        "names": (("span", ("name",)),),
        "links": (("spanlink", ("trace_id",)), ("spanlink", ("span_id",))),
        "keys": (("span", ("attributes",)),),
    }
)
"""The fields that a part of the spans is made of (see `ottl.analysis.spans.PARTS`)."""


def stale_parts(level: str, field: tuple[str, ...]) -> set[str]:
    """The parts that a write to a field makes stale."""
    if level == "span" and field[:1] == ("links",):
        return {"links"}
    return {
        part
        for part, fields in SPAN_PARTS.items()
        if any(level == other and field[: len(names)] == names[: len(field)] for other, names in fields)
    }

"""One row as a payload of its own: what an error report and the REPL show of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ottl.codec.messages import root_class
from ottl.vm.walk import Row, containers

__all__ = ["alone"]

_ELEMENTS = {
    "span": "span",
    "spanevent": "span",
    "metric": "metric",
    "datapoint": "metric",
    "exemplar": "metric",
    "log": "log",
    "profile": "profile",
    "profilesample": "profile",
}


def alone(row: Row, signal: str, context: str) -> Any:
    """A new payload with one row and what is around it, and nothing beside it.

    A span event comes with its span, which has no other event; a data point with its metric, an exemplar with its data
    point; a resource comes without its scopes, a scope without its elements.

    Args:
        row: the row.
        signal: of the payload it is in.
        context: of the row.
    """
    root = root_class(signal)()
    if context == "otelcol":
        return root
    resources, scopes, elements = containers(signal)
    resource = getattr(root, resources).add()
    _copy(row.resource, resource, {scopes})
    if row.dictionary is not None:
        root.dictionary.CopyFrom(row.dictionary)
    if context == "resource":
        return root
    scope = getattr(resource, scopes).add()
    _copy(row.scope, scope, {elements})
    if context == "scope":
        return root
    level = _ELEMENTS[context]
    element = getattr(scope, elements).add()
    whole = getattr(row, level)
    match context:
        case "spanevent":
            _copy(whole, element, {"events"})
            element.events.add().CopyFrom(row.spanevent)
        case "profilesample":
            _copy(whole, element, {"samples"})
            element.samples.add().CopyFrom(row.profilesample)
        case "datapoint" | "exemplar":
            _copy_metric(row, element, only_exemplar=context == "exemplar")
        case _:
            element.CopyFrom(whole)
    return root


def _copy_metric(row: Row, metric: Any, *, only_exemplar: bool) -> None:
    """The metric with one of its data points, and maybe one exemplar of that."""
    kind = row.metric.WhichOneof("data")
    _copy(row.metric, metric, {kind})
    data = getattr(metric, kind)
    _copy(getattr(row.metric, kind), data, {"data_points"})
    point = data.data_points.add()
    if not only_exemplar:
        point.CopyFrom(row.datapoint)
        return
    _copy(row.datapoint, point, {"exemplars"})
    point.exemplars.add().CopyFrom(row.exemplar)


def _copy(source: Any, target: Any, without: Iterable[str]) -> None:
    """All fields that are set, but for some; without the cost of copying those and taking them away again."""
    for field, value in source.ListFields():
        if field.name in without:
            continue
        own = getattr(target, field.name)
        if hasattr(own, "MergeFrom"):
            own.MergeFrom(value)
        else:
            setattr(target, field.name, value)

"""Rows of the plain stack: the walk over a payload in the reference's order, and the filter's walk that removes.

Lists are read by index as the walk goes, so that rows which a rule adds are visited and rows it removes are not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ottl import schema
from ottl.codec.messages import message_class
from ottl.contexts.metric import DATA_FIELDS
from ottl.vm.entries import retain


class Row:
    """One element and what is around it, as protobuf messages.

    Args:
        resource: the message around the resource (`ResourceSpans`...).
        scope: the message around the scope (`ScopeSpans`...).
        dictionary: `ProfilesDictionary`, in profiles.
        request: metadata of the request, or None.
        cache: a map that rows share (see `new_cache`), or None for one of its own, made when first used.

    The other levels are set by the walk where the context has them, `number` and `computed` where statements look at
    whole traces. `changed` turns true when something in the payload
    is written; whoever runs statements resets it.
    """

    __slots__ = (
        "cache",
        "changed",
        "computed",
        "datapoint",
        "dictionary",
        "exemplar",
        "log",
        "metric",
        "number",
        "profile",
        "profilesample",
        "request",
        "resource",
        "scope",
        "span",
        "spanevent",
    )

    span: Any
    spanevent: Any
    metric: Any
    datapoint: Any
    exemplar: Any
    log: Any
    profile: Any
    profilesample: Any
    number: int
    computed: dict[int, tuple[list[Any], dict[int, str]]]

    def __init__(
        self,
        resource: Any = None,
        scope: Any = None,
        dictionary: Any = None,
        request: Mapping[str, Any] | None = None,
        cache: Any = None,
    ) -> None:
        self.resource = resource
        self.scope = scope
        self.dictionary = dictionary
        self.request = request
        self.cache = cache
        self.changed = False


LEVELS: dict[str, str] = {"traces": "span", "metrics": "metric", "logs": "log", "profiles": "profile"}

Fields = tuple[str, str, str]


@functools.cache
def containers(signal: str) -> Fields:
    """Names of the repeated fields that hold resources, scopes and elements of a signal."""
    message = schema.root(signal)
    names = []
    for _ in range(3):
        field = next(field for field in message.fields if field.repeated and field.message is not None)
        names.append(field.name)
        message = schema.message(field.message or "")
    return names[0], names[1], names[2]


def new_cache() -> Any:
    """An empty map for `walk(cache=...)`."""
    return message_class("opentelemetry.proto.common.v1.KeyValueList")()


def cache_entries(row: Row) -> Any:
    """The entries of the row's cache."""
    if row.cache is None:
        row.cache = new_cache()
    return row.cache.values


def walk(
    root: Any,
    signal: str,
    context: str,
    cache: Any = None,
    request: Mapping[str, Any] | None = None,
) -> Iterator[Row]:
    """The rows of a context in the order of the reference.

    Args:
        root: decoded payload.
        signal: its signal.
        context: name of the context, one that the signal has.
        cache: shared by all rows; None gives each its own.
        request: metadata of the request.
    """
    return _WALKS[context](root, containers(signal), cache, request)


def _resources(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    dictionary = getattr(root, "dictionary", None)
    for resource in getattr(root, fields[0]):
        yield Row(resource, None, dictionary, request, cache)


def _scopes(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    dictionary = getattr(root, "dictionary", None)
    name = fields[1]
    for resource in getattr(root, fields[0]):
        for scope in getattr(resource, name):
            yield Row(resource, scope, dictionary, request, cache)


def _spans(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _scopes(root, fields, cache, request):
        for span in outer.scope.spans:
            row = Row(outer.resource, outer.scope, None, request, cache)
            row.span = span
            yield row


def _span_events(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _spans(root, fields, cache, request):
        for event in outer.span.events:
            row = Row(outer.resource, outer.scope, None, request, cache)
            row.span = outer.span
            row.spanevent = event
            yield row


def _metrics(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _scopes(root, fields, cache, request):
        for metric in outer.scope.metrics:
            row = Row(outer.resource, outer.scope, None, request, cache)
            row.metric = metric
            yield row


def _data_points(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _metrics(root, fields, cache, request):
        for point in points(outer.metric):
            row = Row(outer.resource, outer.scope, None, request, cache)
            row.metric = outer.metric
            row.datapoint = point
            yield row


def _exemplars(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _metrics(root, fields, cache, request):
        if outer.metric.WhichOneof("data") == "summary":
            continue
        for point in points(outer.metric):
            for exemplar in point.exemplars:
                row = Row(outer.resource, outer.scope, None, request, cache)
                row.metric = outer.metric
                row.datapoint = point
                row.exemplar = exemplar
                yield row


def _logs(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _scopes(root, fields, cache, request):
        for log in outer.scope.log_records:
            row = Row(outer.resource, outer.scope, None, request, cache)
            row.log = log
            yield row


def _profiles(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _scopes(root, fields, cache, request):
        for profile in outer.scope.profiles:
            row = Row(outer.resource, outer.scope, root.dictionary, request, cache)
            row.profile = profile
            yield row


def _profile_samples(root: Any, fields: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    for outer in _profiles(root, fields, cache, request):
        for sample in outer.profile.samples:
            row = Row(outer.resource, outer.scope, root.dictionary, request, cache)
            row.profile = outer.profile
            row.profilesample = sample
            yield row


def _message(_: Any, __: Fields, cache: Any, request: Mapping[str, Any] | None) -> Iterator[Row]:
    yield Row(None, None, None, request, cache)


_WALKS: dict[str, Callable[[Any, Fields, Any, Mapping[str, Any] | None], Iterator[Row]]] = {
    "resource": _resources,
    "scope": _scopes,
    "span": _spans,
    "spanevent": _span_events,
    "metric": _metrics,
    "datapoint": _data_points,
    "exemplar": _exemplars,
    "log": _logs,
    "profile": _profiles,
    "profilesample": _profile_samples,
    "otelcol": _message,
}


def points(metric: Any) -> Any:
    """The data points of a metric, whatever its type; nothing for a metric without data."""
    kind = metric.WhichOneof("data")
    return () if kind is None else getattr(metric, kind).data_points


Predicate = Callable[[Row], bool]


def prune(
    root: Any,
    signal: str,
    conditions: Mapping[str, Predicate],
    request: Mapping[str, Any] | None = None,
    removed: Callable[[str, int], None] | None = None,
) -> bool:
    """Removes what conditions select, in one walk, and every parent left or found empty, as the filter processor does.

    A resource or scope that goes takes its children with it unseen. A span may lose all its events and stays; a metric
    without data points goes where data points are looked at, one without data stays.

    Args:
        root: decoded payload, changed in place.
        signal: its signal.
        conditions: by level (`resource`, `scope`, `span`, `spanevent`, `metric`, `datapoint`, `log`, `profile`): true
            removes the row. Levels left out are not looked at.
        request: metadata of the request.
        removed: told the level and how many rows of it went, emptied parents included.

    Returns:
        Whether nothing is left; the message is then empty, a dictionary of profiles gone too.
    """
    return _Pruning(root, signal, conditions, request, removed).run()


class _Pruning:
    __slots__ = ("_conditions", "_dictionary", "_fields", "_level", "_removed", "_request", "_root")

    def __init__(
        self,
        root: Any,
        signal: str,
        conditions: Mapping[str, Predicate],
        request: Mapping[str, Any] | None,
        removed: Callable[[str, int], None] | None,
    ) -> None:
        self._root = root
        self._fields = containers(signal)
        self._level = LEVELS[signal]
        self._conditions = conditions
        self._request = request
        self._removed = removed
        self._dictionary = getattr(root, "dictionary", None)

    def run(self) -> bool:
        resources = getattr(self._root, self._fields[0])
        self._keep("resource", resources, [not self._drops_resource(resource) for resource in resources])
        if resources:
            return False
        self._root.Clear()
        return True

    def _keep(self, level: str, container: Any, keep: list[bool]) -> None:
        if retain(container, keep) and self._removed is not None:
            self._removed(level, keep.count(False))

    def _row(self, resource: Any, scope: Any = None) -> Row:
        return Row(resource, scope, self._dictionary, self._request)

    def _drops_resource(self, resource: Any) -> bool:
        condition = self._conditions.get("resource")
        if condition is not None and condition(self._row(resource)):
            return True
        scopes = getattr(resource, self._fields[1])
        if any(level != "resource" for level in self._conditions):
            self._keep("scope", scopes, [not self._drops_scope(resource, scope) for scope in scopes])
        return not scopes

    def _drops_scope(self, resource: Any, scope: Any) -> bool:
        condition = self._conditions.get("scope")
        if condition is not None and condition(self._row(resource, scope)):
            return True
        elements = getattr(scope, self._fields[2])
        if any(level not in ("resource", "scope") for level in self._conditions):
            self._keep(self._level, elements, [not self._drops(resource, scope, element) for element in elements])
        return not elements

    def _drops(self, resource: Any, scope: Any, element: Any) -> bool:
        condition = self._conditions.get(self._level)
        if condition is not None:
            row = self._row(resource, scope)
            setattr(row, self._level, element)
            if condition(row):
                return True
        if self._level == "span":
            inner = self._conditions.get("spanevent")
            if inner is not None:
                self._prune_below(resource, scope, "span", element, "spanevent", element.events, inner)
        elif self._level == "metric":
            inner = self._conditions.get("datapoint")
            kind = element.WhichOneof("data")
            if inner is not None and kind is not None:
                below = getattr(element, kind).data_points
                self._prune_below(resource, scope, "metric", element, "datapoint", below, inner)
                return not below
        return False

    def _prune_below(
        self, resource: Any, scope: Any, parent: str, element: Any, level: str, container: Any, condition: Predicate
    ) -> None:
        keep = []
        for item in container:
            row = self._row(resource, scope)
            setattr(row, parent, element)
            setattr(row, level, item)
            keep.append(not condition(row))
        self._keep(level, container, keep)


def number_of_type(metric: Any) -> int:
    """The reference's number for a metric's type, 0 for a metric without data."""
    kind = metric.WhichOneof("data")
    return 0 if kind is None else DATA_FIELDS.index(kind) + 1

"""The contexts of the language: which paths and enums a rule can name in each.

One file a level of the OTLP tree lists its paths; here they are put together. The binder looks names up in `CONTEXTS`,
the executors build their accessors from the `PathSpec`s, the documentation lists both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ottl.contexts import (
    datapoint,
    exemplar,
    log,
    metric,
    otelcol,
    profile,
    profilesample,
    resource,
    scope,
    span,
    spanevent,
)
from ottl.contexts.paths import Context, PathSpec, View
from ottl.types import Kind

_LEVELS = {
    "resource": resource.PATHS,
    "scope": scope.PATHS,
    "instrumentation_scope": scope.PATHS,
    "span": span.PATHS,
    "spanevent": spanevent.PATHS,
    "metric": metric.PATHS,
    "datapoint": datapoint.PATHS,
    "exemplar": exemplar.PATHS,
    "log": log.PATHS,
    "profile": profile.PATHS,
    "profilesample": profilesample.PATHS,
    "otelcol": otelcol.PATHS,
}

_SCOPE = ("scope", "instrumentation_scope", "resource", "otelcol")

_RANKS = (
    "log",
    "exemplar",
    "datapoint",
    "metric",
    "spanevent",
    "span",
    "profile",
    "scope",
    "instrumentation_scope",
    "resource",
)

UNRANKED = len(_RANKS)
"""Rank of what the reference does not list when it infers a context."""


def rank(prefix: str) -> int:
    """Place of a path prefix when a context is inferred; the lowest is chosen."""
    return _RANKS.index(prefix) if prefix in _RANKS else UNRANKED


def _context(
    name: str,
    ancestors: tuple[str, ...],
    signals: tuple[str, ...],
    enums: Mapping[str, int] | None = None,
    optional: tuple[str, ...] = (),
) -> Context:
    prefixes = (name, *ancestors)
    levels = {prefix: dict(_LEVELS[prefix]) for prefix in prefixes + optional}
    levels[name]["cache"] = PathSpec(name, "cache", (), View.CACHE, Kind.MAP, keyed=True)
    return Context(name, prefixes, levels, dict(enums or {}), signals, rank(name))


CONTEXTS: Mapping[str, Context] = MappingProxyType(
    {
        context.name: context
        for context in (
            _context("resource", ("otelcol",), ("traces", "metrics", "logs", "profiles")),
            _context(
                "scope",
                ("resource", "otelcol"),
                ("traces", "metrics", "logs", "profiles"),
                optional=("instrumentation_scope",),
            ),
            _context("span", _SCOPE, ("traces",), span.ENUMS),
            _context("spanevent", ("span", *_SCOPE), ("traces",), span.ENUMS),
            _context("metric", _SCOPE, ("metrics",), metric.ENUMS),
            _context("datapoint", ("metric", *_SCOPE), ("metrics",), datapoint.ENUMS),
            _context("exemplar", ("datapoint", "metric", *_SCOPE), ("metrics",)),
            _context("log", _SCOPE, ("logs",), log.ENUMS),
            _context("profile", _SCOPE, ("profiles",)),
            # The reference knows the paths of `profile` here, but accepts that prefix only where names are optional.
            _context("profilesample", _SCOPE, ("profiles",), optional=("profile",)),
            _context("otelcol", (), ()),
        )
    }
)
"""Every context by name."""


def _for_scripts(context: Context) -> Context:
    added = {"datapoint": datapoint.SCRIPT_PATHS}
    levels = {level: {**paths, **added.get(level, {})} for level, paths in context.levels.items()}
    return replace(context, levels=levels)


SCRIPT_CONTEXTS: Mapping[str, Context] = MappingProxyType({n: _for_scripts(c) for n, c in CONTEXTS.items()})
"""The same contexts with the paths that only the script dialect knows."""

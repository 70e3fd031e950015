"""What a path of a rule stands for: declared once a context, read by the binder and by both executors.

A `PathSpec` says which field of which level of the OTLP tree a path names and how the reference presents it (its
*view*); it holds no code. The executors implement each view once, over messages and over tables.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ottl.types import Kind


class View(enum.Enum):
    """How a field is presented to rules, and what writing to it takes."""

    STRING = "string"
    BYTES = "bytes"
    BOOL = "bool"
    INT = "int"  # any integer field; written by truncating to the field's width
    FLAGS32 = "flags"  # uint32, written only within its range
    NON_NEGATIVE = "non-negative int"  # uint64, negative refused
    DOUBLE = "double"
    TIME = "time"  # unix nanoseconds presented as a time
    ID = "id"  # bytes presented as TraceID, SpanID or ProfileID (see PathSpec.kind)
    ID_HEX = "id text"  # the same as lower-case hex, zeros when empty
    ENUM_TEXT = "enum text"  # an enum through PathSpec.names
    MAP = "map"  # repeated KeyValue; keys follow
    VALUE = "value"  # an AnyValue (log body); keys follow
    VALUE_TEXT = "value text"  # an AnyValue as text (AsString)
    TRACE_STATE = "trace state"  # text; one literal key may follow
    OPAQUE = "opaque"  # message or repeated message
    INTS = "int list"  # repeated integers as a typed list
    DOUBLES = "double list"
    TIMES = "time list"
    CACHE = "cache"
    METRIC_TYPE = "metric type"
    METRIC_DATA = "metric data"  # a field of whichever data message the metric holds
    METRIC_POINTS = "metric points"
    POINT_VALUE = "point value"  # whichever member of a value oneof is there, of the script dialect
    NUMBER = "number"  # one member of a value oneof (PathSpec.field), writing it clears the others
    DICTIONARY_STRING = "dictionary string"  # an index into the profiles' string table
    DICTIONARY_MAP = "dictionary map"  # attribute indices into the profiles' attribute table
    CLIENT_ADDRESS = "client address"
    CLIENT_METADATA = "client metadata"
    CLIENT_AUTH = "client auth"
    GRPC_METADATA = "grpc metadata"
    UNAVAILABLE = "unavailable"  # reading is an error on every row


class Access(enum.Enum):
    """What may be done with a path."""

    READ_WRITE = "read and write"
    READ_ONLY = "read only"  # writing is an error on every row
    IGNORED = "writes ignored"  # writing does nothing


@dataclass(frozen=True, slots=True)
class PathSpec:
    """One path without its keys.

    Args:
        level: the level of the OTLP tree whose row holds the field: `resource`, `scope`, `span`, `spanevent`, `metric`,
            `datapoint`, `exemplar`, `log`, `profile`, `profilesample`, or `otelcol` for request metadata.
        name: the path as rules write it, below its level: `status.code`.
        field: protobuf field names from the level's *row message* (for `resource` the ResourceSpans-like container,
            for `scope` the ScopeSpans-like container) down to the field: `("resource", "attributes")`,
            `("status", "code")`; for `datapoint` resolved by name in the point's own message type, absent there =
            nil. Empty for what has no field.
        view: how it is presented.
        kind: static type of reading it (`ANY` where it varies).
        access: what may be done.
        names: texts of an enum by number, for `ENUM_TEXT`.
        keyed: keys may follow (maps, values, trace state).
        nullable: reading may give nil. In `datapoint` also: some point types lack the field, and setting it there is an
            error.
        element: Go's name of the element type, for lists of scalars (see `ottl.types.TypedList`).
        limit: integers from this one on are refused.
        symbols: what the symbols of the path's enum begin with, such as `SPAN_KIND_`.
    """

    level: str
    name: str
    field: tuple[str, ...]
    view: View
    kind: Kind
    access: Access = Access.READ_WRITE
    names: tuple[str, ...] = ()
    keyed: bool = False
    nullable: bool = False
    element: str = ""
    limit: int | None = None
    symbols: str = ""


def by_name(*specs: PathSpec) -> dict[str, PathSpec]:
    """The paths of one level by their names."""
    return {spec.name: spec for spec in specs}


def attributes(level: str, field: tuple[str, ...]) -> PathSpec:
    """A map of attributes, named as its field is."""
    return PathSpec(level, field[-1], field, View.MAP, Kind.MAP, keyed=True)


def count(level: str, name: str, nullable: bool = False, symbols: str = "") -> PathSpec:
    """An integer of the row message itself."""
    return PathSpec(level, name, (name,), View.INT, Kind.INT, nullable=nullable, symbols=symbols)


def text(level: str, name: str) -> PathSpec:
    """A string of the row message itself."""
    return PathSpec(level, name, (name,), View.STRING, Kind.STRING)


def instant(level: str, name: str) -> tuple[PathSpec, PathSpec]:
    """A moment under its two names: `x_unix_nano`, an integer, and `x`, a time."""
    field = (f"{name}_unix_nano",)
    return PathSpec(level, field[0], field, View.INT, Kind.INT), PathSpec(level, name, field, View.TIME, Kind.TIME)


def identifier(level: str, name: str, kind: Kind) -> tuple[PathSpec, PathSpec]:
    """An id under its two names: `x`, and `x.string`, its hex text."""
    return (
        PathSpec(level, name, (name,), View.ID, kind),
        PathSpec(level, f"{name}.string", (name,), View.ID_HEX, Kind.STRING),
    )


@dataclass(frozen=True, slots=True)
class Context:
    """One context of the language.

    Args:
        name: `span`, `spanevent`...
        prefixes: the path prefixes it accepts when names are required, its own first.
        levels: prefix -> the paths below it, by dotted name. May hold prefixes beyond `prefixes`, which count only
            where names are optional.
        enums: symbol -> number.
        signals: `traces`, `metrics`, `logs`, `profiles` where it occurs.
        rank: place in the order by which the reference infers contexts; lower is preferred.
    """

    name: str
    prefixes: tuple[str, ...]
    levels: dict[str, dict[str, PathSpec]]
    enums: dict[str, int] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    rank: int = 0

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Levels that many rows of this context share, outermost last."""
        return tuple(p for p in self.prefixes[1:] if p not in ("otelcol", "instrumentation_scope"))

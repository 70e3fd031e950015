"""A record as a list of paths and values, and what differs between two of them.

Paths are spelled as rules spell them: `span.attributes["http.method"]`, `resource.schema_url`. Rows inside of a record
have numbers: `spanevent[0].name`, `datapoint[2].attributes["node"]`. Values are shown, not compared in their own types:
what looks the same is the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ottl import schema
from ottl.reference import shown
from ottl.types import Time, rfc3339, to_python
from ottl.vm.messages import Row, value_from_message

__all__ = ["Change", "changes", "describe", "flatten"]

_ID_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id", "profile_id"})
_ROWS = {"events": "spanevent", "data_points": "datapoint", "exemplars": "exemplar", "samples": "profilesample"}
_POINT_NAMES = {"as_double": "value_double", "as_int": "value_int"}
_DATA = frozenset({"Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary"})


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one path.

    Args:
        path: as a rule spells it.
        before: the value shown; None where there was none.
        after: the same.
    """

    path: str
    before: str | None
    after: str | None

    @property
    def sign(self) -> str:
        """`+` for what is new, `-` for what is gone, `~` for what is different."""
        return "+" if self.before is None else "-" if self.after is None else "~"


def flatten(row: Row, level: str) -> dict[str, str]:
    """All paths of a record with their values shown: the record, its scope and its resource.

    Args:
        row: the record.
        level: what it is: `span`, `metric`, `log` or `profile`.
    """
    found: dict[str, str] = {}
    _put(found, _message(getattr(row, level), level))
    for name, holder in (("scope", row.scope), ("resource", row.resource)):
        if holder is None:
            continue
        if holder.HasField(name):
            _put(found, _message(getattr(holder, name), name))
        if holder.schema_url:
            _put(found, [(f"{name}.schema_url", shown(_text(holder.schema_url)))])
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """What differs between two records, in their order."""
    found = [Change(path, value, after.get(path)) for path, value in before.items() if after.get(path) != value]
    return found + [Change(path, None, value) for path, value in after.items() if path not in before]


def describe(row: Row, level: str) -> str:
    """A record in a few words."""
    record = getattr(row, level)
    if level == "log":
        text = shown(to_python(value_from_message(record.body))) if record.HasField("body") else "no body"
        severity = _text(record.severity_text)
        return f"{severity} {text}".strip()
    if level == "profile":
        return f"profile {record.profile_id.hex() or 'without id'}"
    name = _text(record.name)
    return shown(name)


def _put(found: dict[str, str], pairs: Any) -> None:
    for path, value in pairs:
        number, free = 2, path
        while free in found:  # keys may repeat
            free = f"{path} ({number})"
            number += 1
        found[free] = value


@functools.cache
def _fields(message: str) -> Mapping[str, schema.Field]:
    return {field.name: field for field in schema.message(message).fields}


def _message(message: Any, prefix: str) -> Iterator[tuple[str, str]]:
    fields = _fields(message.DESCRIPTOR.full_name)
    for descriptor, value in message.ListFields():
        yield from _field(fields[descriptor.name], value, prefix)


def _field(field: schema.Field, value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    path = f"{prefix}.{_named(field.name, prefix)}"
    kind = (field.message or "").rpartition(".")[2]
    if not field.repeated:
        if kind in _DATA:
            yield "metric.type", kind
            yield from _message(value, prefix)
        elif kind:
            yield from _any(value, path, kind)
        else:
            yield path, _scalar(field, value)
    elif kind == "KeyValue":
        for entry in value:
            yield from _value(entry.value, f"{path}[{shown(_text(entry.key))}]")
    elif kind:
        inner = _ROWS.get(field.name, path)
        if field.name == "exemplars":
            inner = f"{prefix}.{inner}"
        for number, item in enumerate(value):
            pairs = list(_any(item, f"{inner}[{number}]", kind))
            yield from pairs or [(f"{inner}[{number}]", "{}")]
    else:
        yield path, "[" + ", ".join(_scalar(field, item) for item in value) + "]"


def _named(field: str, prefix: str) -> str:
    """A field as paths spell it."""
    if prefix.startswith("datapoint["):
        inner = prefix.rpartition(".")[2]
        names = {"as_double": "double_value", "as_int": "int_value"} if inner.startswith("exemplar[") else _POINT_NAMES
        return names.get(field, field.removesuffix("_unix_nano"))
    return field.removesuffix("_unix_nano")


def _any(message: Any, path: str, kind: str) -> Iterator[tuple[str, str]]:
    yield from _value(message, path) if kind == "AnyValue" else _message(message, path)


def _value(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """An AnyValue; maps by key, lists whole."""
    if value.WhichOneof("value") == "kvlist_value" and value.kvlist_value.values:
        for entry in value.kvlist_value.values:
            yield from _value(entry.value, f"{path}[{shown(_text(entry.key))}]")
    else:
        yield path, shown(to_python(value_from_message(value)))


def _scalar(field: schema.Field, value: Any) -> str:
    if field.enum:
        symbol = next((name for name, number in field.enum if number == value), None)
        return f"{value} ({symbol})" if symbol is not None else str(value)
    if field.name.endswith("time_unix_nano") and value < 1 << 63:
        return rfc3339(Time(value, "UTC"))
    if field.name in _ID_FIELDS:
        return str(value.hex())
    return shown(_text(value) if field.type == schema.TYPE_STRING else value)


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value

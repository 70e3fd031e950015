"""What tests of the whole engine share: payloads made of plain Python values, and both stacks forced on small ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ottl import engine
from ottl.codec import native
from ottl.codec.messages import root_class
from ottl.types import from_python, to_python
from ottl.vm.entries import read_entries, value_into_message

CLOCK = 1_700_000_000_123_456_789
IDENTIFIER = "11111111-2222-4333-8444-555555555555"


def logs(*records: Mapping[str, Any], resource: Mapping[str, Any] | None = None, bodies: Sequence[Any] = ()) -> bytes:
    """A payload of log records with these attributes and bodies, in one resource."""
    message = root_class("logs")()
    holder = message.resource_logs.add()
    write_attributes(holder.resource.attributes, resource or {})
    scope = holder.scope_logs.add()
    for number, attributes in enumerate(records):
        record = scope.log_records.add()
        write_attributes(record.attributes, attributes)
        if number < len(bodies):
            value_into_message(record.body, from_python(bodies[number]))
    return bytes(message.SerializeToString())


def write_attributes(entries: Any, attributes: Mapping[str, Any]) -> None:
    """Adds attributes to a repeated `KeyValue`."""
    for key, value in attributes.items():
        entry = entries.add()
        entry.key = key.encode()
        value_into_message(entry.value, from_python(value))


def log_attributes(payload: bytes) -> list[dict[str, Any]]:
    """The attributes of every log record of a payload, as plain Python values."""
    message = root_class("logs").FromString(payload)
    return [
        to_python(read_entries(record.attributes))
        for holder in message.resource_logs
        for scope in holder.scope_logs
        for record in scope.log_records
    ]


@pytest.fixture
def always_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns run whatever they can, however small the payload; skips where there is no native codec."""
    if not native.available():
        pytest.skip("the native codec is not there")
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)
    monkeypatch.delenv("OTTL_NATIVE", raising=False)


@pytest.fixture(params=["plain", "auto"])
def stack(request: pytest.FixtureRequest) -> str:
    """Both stacks, one after the other; `auto` takes columns for whatever they can run."""
    if request.param == "auto":
        request.getfixturevalue("always_columns")
    return str(request.param)

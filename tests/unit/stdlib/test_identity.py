"""New identifiers and root spans."""

from __future__ import annotations

import pytest

from ottl.stdlib import identity
from ottl.types import Kind, SpanID, Value


class Fixed:
    """An environment that always gives the same."""

    system_clock = system_uuid = False

    def clock(self) -> int:
        """The epoch."""
        return 0

    def uuid(self) -> str:
        """One identifier."""
        return "00000000-0000-4000-8000-000000000000"

    def uuids(self, count: int) -> list[str]:
        """Identifiers of many rows."""
        return [self.uuid() for _ in range(count)]


def test_uuid_comes_from_the_environment() -> None:
    """It is neither pure nor made by the function itself."""
    assert identity.uuid(Fixed()) == "00000000-0000-4000-8000-000000000000"
    assert not identity.uuid.pure
    assert identity.uuid.visible == ()


@pytest.mark.parametrize(
    ("parent", "expected"),
    [(SpanID(b""), True), (SpanID(bytes(8)), True), (SpanID(bytes(7) + b"\x01"), False), (None, True)],
)
def test_root_spans_have_no_parent(parent: Value, expected: bool) -> None:
    """An identifier of zeros is none."""
    assert identity.is_root_span(parent) is expected
    assert identity.is_root_span.result is Kind.BOOL

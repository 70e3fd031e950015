"""Paths of the request's metadata, which no rule can change."""

from __future__ import annotations

from ottl.contexts.paths import Access, PathSpec, View, by_name
from ottl.types import Kind


def _metadata(name: str, view: View) -> PathSpec:
    return PathSpec("otelcol", name, (), view, Kind.MAP, Access.READ_ONLY, keyed=True)


PATHS = by_name(
    PathSpec("otelcol", "client.addr", (), View.CLIENT_ADDRESS, Kind.STRING, Access.READ_ONLY, nullable=True),
    _metadata("client.metadata", View.CLIENT_METADATA),
    _metadata("client.auth.attributes", View.CLIENT_AUTH),
    _metadata("grpc.metadata", View.GRPC_METADATA),
)

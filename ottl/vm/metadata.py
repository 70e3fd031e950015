"""Request metadata as `otelcol.*` paths read it: plain Python mappings in, values out.

Whole maps are sorted by key: in the reference their order changes from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ottl.contexts.paths import View
from ottl.types import Map, Slice, Value, read_keys
from ottl.types import from_python as _from_python
from ottl.vm.entries import list_index, string_key

Request = Mapping[str, Any] | None


def _client(request: Request) -> Mapping[str, Any]:
    client: Mapping[str, Any] = (request or {}).get("client") or {}
    return client


def _texts(values: Any) -> Slice:
    return Slice([value if isinstance(value, bytes) else str(value).encode() for value in values])


def _lists(source: Mapping[str, Any] | None) -> dict[bytes, Slice]:
    return {key.lower().encode(): _texts(values) for key, values in (source or {}).items()}


def _client_lists(request: Request) -> dict[bytes, Slice]:
    return _lists(_client(request).get("metadata"))


def _grpc_lists(request: Request) -> dict[bytes, Slice]:
    return _lists(((request or {}).get("grpc") or {}).get("metadata"))


def _address(request: Request) -> Value:
    address = _client(request).get("addr")
    return None if address is None else str(address).encode()


def _auth(request: Request) -> Map:
    attributes: Mapping[str, Any] = _client(request).get("auth") or {}
    return Map(sorted((key.encode(), _from_python(value)) for key, value in attributes.items()))


def _auth_at(request: Request, keys: tuple[Value, ...]) -> Value:
    value = read_keys(_auth(request), (string_key(keys[0]),))
    if _client(request).get("auth") is None:
        return None
    result: Value = read_keys(value, keys[1:])
    return result


def _at(lists: Callable[[Request], dict[bytes, Slice]]) -> Callable[[Request, tuple[Value, ...]], Value]:
    def read(request: Request, keys: tuple[Value, ...]) -> Value:
        found = lists(request).get(string_key(keys[0]).lower())
        if not found:
            return None
        if len(keys) == 1:
            return found
        if len(keys) > 2:
            raise ValueError("a list of strings takes one index")
        text: Value = found[list_index(keys[1], len(found))]
        return text

    return read


def _all(lists: Callable[[Request], dict[bytes, Slice]]) -> Callable[[Request], Value]:
    return lambda request: Map(sorted(lists(request).items()))


READERS: Final[dict[View, Callable[[Request], Value]]] = {
    View.CLIENT_ADDRESS: _address,
    View.CLIENT_METADATA: _all(_client_lists),
    View.CLIENT_AUTH: _auth,
    View.GRPC_METADATA: _all(_grpc_lists),
}
"""By view: the path without keys."""

KEY_READERS: Final[dict[View, Callable[[Request, tuple[Value, ...]], Value]]] = {
    View.CLIENT_METADATA: _at(_client_lists),
    View.CLIENT_AUTH: _auth_at,
    View.GRPC_METADATA: _at(_grpc_lists),
}
"""By view: the path with keys."""

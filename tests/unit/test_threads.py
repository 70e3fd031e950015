"""Threads: what the native codec does without the interpreter's lock."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ottl.codec import Limits, native
from ottl.codec.messages import root_class

pytest.importorskip("ottl._native", reason="the native extension is not built")


SPANS = 4000
"""Enough for each call to take longer than another thread needs to wake up."""


@pytest.fixture(scope="module")
def large() -> dict[str, bytes]:
    """A payload of many spans in both encodings."""
    root: Any = root_class("traces")()
    spans = root.resource_spans.add().scope_spans.add().spans
    for number in range(SPANS):
        span = spans.add(name=b"GET /" + str(number).encode(), span_id=b"12345678")
        span.attributes.add(key=b"http.route").value.string_value = b"/orders/{id}" * 4
    data = root.SerializeToString()
    return {"protobuf": data, "json": native.to_json(data, "traces", Limits())}


def changed(data: bytes) -> Any:
    """A batch whose spans all have to be written again."""
    layout = native.layout("traces", {"span"}, {("span", ("attributes",))}, False)
    batch: Any = native.scan(layout, data, Limits())
    batch.touch(layout.tables["span"], None)
    return batch


@pytest.mark.parametrize("what", ["scan", "patch", "from JSON", "to JSON"])
def test_other_threads_run_meanwhile(large: dict[str, bytes], what: str) -> None:
    """The interpreter's lock is released, or threads would not use a second core."""
    layout = native.layout("traces", {"span"}, {("span", ("attributes",))}, False)
    calls: dict[str, Callable[[], object]] = {
        "scan": lambda: native.scan(layout, large["protobuf"], Limits()),
        "patch": changed(large["protobuf"]).patch,
        "from JSON": lambda: native.from_json(large["json"], "traces", Limits()),
        "to JSON": lambda: native.to_json(large["protobuf"], "traces", Limits()),
    }
    assert any(runs_meanwhile(calls[what]) for _ in range(200))


def runs_meanwhile(call: Callable[[], object]) -> bool:
    """Whether this thread got to run before a call in another one had ended; by chance it may not."""
    started, ended = threading.Event(), threading.Event()

    def run() -> None:
        started.set()
        call()
        ended.set()

    interval = sys.getswitchinterval()
    # Nothing but a released lock lets the other thread run.
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        started.wait()
        found = not ended.is_set()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    return found

"""Real captures through real rules: what comes out has the digest that the reference's output has.

The captures are not part of the project. They are found in ``../shared/data`` beside the repository, or in the folder
``data`` of the one that ``OTTL_SHARED`` names; ``conformance/real/digests.jsonl`` keeps a SHA-256 of each message's
canonical output, order of keys kept, as ``conformance/record`` wrote it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import yaml

import ottl
from tests import otlp_compare as otlp

ROOT: Final = Path(__file__).resolve().parent.parent
REAL: Final = ROOT / "conformance" / "real"
DATA: Final = Path(os.environ.get("OTTL_SHARED", ROOT.parent / "shared")) / "data"
SHOWN_FAILURES: Final = 10

Encoding = Literal["json", "protobuf"]
Signal = Literal["traces", "metrics", "logs"]


@functools.cache
def _messages(file: str) -> tuple[bytes, ...]:
    """Give the messages of a capture: the lines of JSON lines, the whole of anything else."""
    path = DATA / file
    if not path.exists():
        pytest.skip(f"no capture at {path}")
    content = path.read_bytes()
    return tuple(content.strip().split(b"\n")) if path.suffix == ".jsonl" else (content,)


@functools.cache
def _digests() -> dict[str, list[dict[str, Any]]]:
    """Give what the reference made of each message, by rules file."""
    digests: dict[str, list[dict[str, Any]]] = {}
    for line in (REAL / "digests.jsonl").read_bytes().splitlines():
        digest = otlp.load_json(line)
        digests.setdefault(digest["rules"], []).append(digest)
    return digests


def _outcome(processor: ottl.Transform | ottl.Filter, payload: bytes, signal: Signal, encoding: Encoding) -> str:
    """Give the digest of what comes out, or the name of the failure."""
    try:
        out = processor.process(payload, signal=signal, encoding=encoding)
    except ottl.PayloadError:
        return "bad_input"
    except ottl.Error:
        return "error"
    parse = otlp.parse_json if encoding == "json" else otlp.parse_protobuf
    return otlp.digest(parse(bytes(out), signal))


def _payloads(digest: dict[str, Any]) -> Iterator[tuple[Encoding, bytes]]:
    """Give the message in each encoding that it can be said in."""
    message = _messages(digest["file"])[digest["index"]]
    if digest["file"].endswith(".pb"):
        yield "protobuf", message
        return
    yield "json", message
    if digest.get("error") != "bad_input":
        yield "protobuf", otlp.to_protobuf(otlp.load_json(message), digest["signal"])


def _processors(rules: str) -> dict[str, ottl.Transform | ottl.Filter]:
    """Load a rules file as it comes and for the plain stack."""
    settings = yaml.safe_load((REAL / rules).read_bytes())
    make = ottl.Transform if settings["processor"] == "transform" else ottl.Filter
    return {"auto": make(settings["config"]), "plain": make(settings["config"], stack="plain")}


@pytest.mark.parametrize("rules", sorted(path.name for path in REAL.glob("*.yaml")))
def test_real_data(rules: str) -> None:
    """Every message of the captures gives what the reference gave, in both stacks and encodings."""
    failures = []
    compared = 0
    processors = _processors(rules)
    for digest in _digests()[rules]:
        expected = digest.get("sha256") or digest["error"]
        for encoding, payload in _payloads(digest):
            for stack, processor in processors.items():
                compared += 1
                actual = _outcome(processor, payload, digest["signal"], encoding)
                if actual != expected:
                    place = f"{digest['file']}:{digest['index'] + 1} ({digest['signal']}, {stack}, {encoding})"
                    failures.append(f"{place}: expected {expected[:12]}, got {actual[:12]}")
    shown = "\n".join(failures[:SHOWN_FAILURES])
    assert not failures, f"{len(failures)} of {compared} outputs differ\n{shown}"

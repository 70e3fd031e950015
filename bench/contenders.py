"""Ours and the reference over the same payload and configuration: that they agree, and what each takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ottl
from bench import harness
from tests import otlp_compare

PARTS: Final = ("total", "unmarshal", "process", "marshal")
LARGE: Final = ottl.Limits(max_message=2 << 30, max_messages=100_000_000)


def transform(config: dict[str, Any], stack: Any = "auto") -> Any:
    """A processor of ours, for payloads of any size."""
    return ottl.Transform(config, stack=stack, limits=LARGE)


def server_turn(server: harness.Server, seconds: float, **request: Any) -> dict[str, float]:
    """Seconds a payload, the whole and its parts, in one turn of a peer's program."""
    nanos = server.ask(seconds=seconds, **request)["ns_per_op"]
    return {part: nanos[part] / 1e9 for part in PARTS}


def same(what: str, ours: bytes, theirs: bytes, signal: str, *, ordered: bool = True, json: bool = False) -> None:
    """Ends the program where two outputs differ as messages."""
    parse = otlp_compare.parse_json if json else otlp_compare.parse_protobuf
    left, right = parse(theirs, signal, ordered=ordered), parse(ours, signal, ordered=ordered)
    if not otlp_compare.equal(left, right):
        found = "\n  ".join(otlp_compare.differences(left, right))
        sys.exit(f"{what}: the outputs differ:\n  {found}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Ours and the reference, seconds a payload in each round.

    Args:
        rows: rows of the payload.
        payload_bytes: its size.
        ours: `Transform.process`, bytes in, bytes out.
        theirs: the reference from bytes to bytes; empty where there is none.
    """

    rows: int
    payload_bytes: int
    ours: list[float]
    theirs: list[float]

    @property
    def ours_ns(self) -> harness.Spread:
        """Nanoseconds a row of ours."""
        return harness.Spread.of(self.ours).times(1e9 / self.rows)

    @property
    def theirs_ns(self) -> harness.Spread:
        """Nanoseconds a row of the reference."""
        return harness.Spread.of(self.theirs).times(1e9 / self.rows)

    @property
    def ratio(self) -> harness.Spread:
        """How many times faster ours is."""
        return harness.Spread.of(harness.ratios(self.theirs, self.ours)) if self.theirs else harness.Spread()


@dataclass(frozen=True, slots=True)
class Contest:
    """Where pairs are measured.

    Args:
        plan: rounds and their length.
        server: the reference, if there is one.
        folder: for payloads.
    """

    plan: harness.Plan
    server: harness.Server | None
    folder: Path

    def check(self, config: dict[str, Any], signal: str, data: bytes) -> None:
        """Ends the program where ours and the reference differ, or where a statement fails."""
        processor = transform(config)
        ours = processor.process(data, signal=signal)
        failed = [s for s in processor.stats() if s.errors]
        if failed:
            sys.exit(f"{failed[0].statement} fails: {failed[0].first_error}")
        if self.server is not None:
            source, result = self.folder / "checked", self.folder / "answer"
            source.write_bytes(data)
            self.server.ask(config=config, signal=signal, payload=str(source), iterations=1, output=str(result))
            same(str(config), ours, result.read_bytes(), signal)

    def pair(self, config: dict[str, Any], signal: str, data: bytes, rows: int) -> Pair:
        """Ours and the reference by turns."""
        return self.pairs([config], signal, data, rows)[0]

    def pairs(self, configs: Sequence[dict[str, Any]], signal: str, data: bytes, rows: int) -> list[Pair]:
        """Several configurations, each ours and the reference, all by turns."""
        source = self.folder / "payload"
        source.write_bytes(data)
        takers: dict[str, Callable[[], float]] = {}
        for number, config in enumerate(configs):
            takers[f"ours {number}"] = self._ours(config, signal, data)
            if self.server is not None:
                takers[f"theirs {number}"] = self._theirs(self.server, config, signal, source)
        found = harness.rounds(takers, self.plan.rounds)
        return [
            Pair(rows, len(data), found[f"ours {number}"], found.get(f"theirs {number}", []))
            for number in range(len(configs))
        ]

    def _ours(self, config: dict[str, Any], signal: str, data: bytes) -> Callable[[], float]:
        processor = transform(config)
        processor.process(data, signal=signal)
        return lambda: harness.turn(self.plan.seconds, lambda: processor.process(data, signal=signal))

    def _theirs(self, server: harness.Server, config: dict[str, Any], signal: str, source: Path) -> Callable[[], float]:
        request = {"config": config, "signal": signal, "payload": str(source)}
        return lambda: server_turn(server, self.plan.seconds, **request)["total"]

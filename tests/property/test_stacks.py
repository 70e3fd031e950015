"""The two stacks give the same result on random programs and payloads."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ottl import ConfigError, bytecode, engine
from ottl.stdlib import FUNCTIONS
from tests.property import agreement
from tests.property.payloads import Payload, random_payload
from tests.property.programs import random_program

pytest.importorskip("ottl._native")

if not engine.native_enabled():
    pytest.skip("the native codec is switched off", allow_module_level=True)

SEED = 20_260_101
PAIRS = 9_000
SIGNALS = st.sampled_from(agreement.SIGNALS)
SEEDS = st.integers(0, 1 << 32)


@pytest.fixture(autouse=True, scope="module")
def _every_payload_in_columns() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SMALL_PAYLOAD", 0)
        yield


def _payloads(signal: str, seed: int, count: int) -> list[Payload]:
    draw = random.Random(seed)
    return [random_payload(signal, draw) for _ in range(count)]


@given(SIGNALS, SEEDS, SEEDS, st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_stacks_agree(signal: str, program_seed: int, payload_seed: int, count: int) -> None:
    """A drawn program over a few drawn payloads; hypothesis keeps the seeds of what failed."""
    try:
        pair = agreement.Pair(random_program(signal, random.Random(program_seed)))
    except ConfigError:
        return
    for payload in _payloads(signal, payload_seed, count):
        for encoding in agreement.ENCODINGS:
            how = pair.disagreement(payload, encoding)
            if how is not None:
                found = agreement.Disagreement(pair.program, payload, encoding, how)
                pytest.fail(agreement.shrunk(found).render())


@pytest.mark.slow
def test_a_run_of_many_pairs() -> None:
    """A short run of what `bench/fuzz.py` does for long: it reaches every function and opcode, mostly in columns."""
    coverage = agreement.run(SEED, PAIRS, per_program=5)
    print(coverage.summary())  # noqa: T201 - what the run is for
    assert not coverage.disagreements, agreement.shrunk(coverage.disagreements[0]).render()
    assert set(FUNCTIONS) == coverage.functions
    assert set(bytecode.Op) - bytecode.ACTIONS == coverage.operations
    assert coverage.columns >= 0.6 * coverage.groups
    assert coverage.changed >= 0.2 * coverage.pairs

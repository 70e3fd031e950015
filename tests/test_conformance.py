"""The recorded answers of the reference, replayed on both stacks, through JSON and through protobuf.

Two sources: our own cases (``conformance/*.yaml`` with ``conformance/answers/*.jsonl``, see the README there), and a
sample recorded elsewhere, found at ``../shared/conformance-sample.jsonl`` beside the repository or in the folder that
``OTTL_SHARED`` names. ``conformance/gaps.toml`` lists the deliberate differences.
"""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import pytest
import yaml

import ottl
from ottl.stdlib import FUNCTIONS
from tests import otlp_compare as otlp

ROOT: Final = Path(__file__).resolve().parent.parent
CONFORMANCE: Final = ROOT / "conformance"
SAMPLE: Final = Path(os.environ.get("OTTL_SHARED", ROOT.parent / "shared")) / "conformance-sample.jsonl"
LAMBDA_GATE: Final = "ottl.functions.enableLambda"
Stack = Literal["fast", "plain"]
Encoding = Literal["json", "protobuf"]
STACKS: Final[tuple[Stack, ...]] = ("fast", "plain")
ENCODINGS: Final[tuple[Encoding, ...]] = ("json", "protobuf")
SHOWN_FAILURES: Final = 40
FAST_REFUSED: Final = "E9"
KEYWORDS: Final = frozenset({"and", "or", "not", "where"})
FAILURES: Final = ("config_error", "error", "bad_input", "panic", "hang")
INHERITED: Final = (
    "processor", "signal", "context", "input", "target", "error_mode", "gates", "metadata", "shared_cache", "ordered",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One question and what the reference answered."""

    id: str
    processor: str
    signal: str
    config: dict[str, Any]
    answer: Mapping[str, Any]
    input_json: str | None
    input_protobuf: bytes | None
    gates: tuple[str, ...] = ()
    metadata: Mapping[str, Any] | None = None
    ordered: bool = False
    signed_zero: bool = True


@dataclass(frozen=True, slots=True)
class Gap:
    """A deliberate difference: why, and the cases it covers."""

    reason: str
    pattern: str

    def covers(self, case_id: str) -> bool:
        """Tell whether this entry speaks about the case."""
        return re.search(self.pattern, case_id) is not None


@dataclass(slots=True)
class Replay:
    """What one run over a source found."""

    count: int = 0
    plain_only: int = 0
    unregistered: int = 0
    failures: list[str] = field(default_factory=list)
    differing: set[str] = field(default_factory=set)


# Reading the cases


def _expand(file: Mapping[str, Any], section: Mapping[str, Any], item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the case with its inherited fields, once an error mode."""
    fields = {name: source[name] for source in (file, section, item) for name in INHERITED if name in source}
    merged = {**item, **fields, "id": f"{section['section']}.{item['id']}"}
    modes = merged.get("error_mode")
    for mode in modes if isinstance(modes, list) else [modes]:
        suffix = f".{mode}" if isinstance(modes, list) and len(modes) > 1 else ""
        yield {**merged, "error_mode": mode, "id": merged["id"] + suffix}


def _configuration(item: Mapping[str, Any]) -> dict[str, Any]:
    """Build the processor's configuration from the short forms of a case."""
    mode = {"error_mode": item["error_mode"]} if item["error_mode"] is not None else {}
    if "config" in item:
        return {**mode, **item["config"]}
    kind = item["signal"].removesuffix("s")
    context = {"context": item["context"]} if item.get("context") else {}
    if item.get("processor") == "filter":
        conditions: list[Any] = item.get("groups", item.get("conditions"))
        if context and "groups" not in item:
            conditions = [{**context, "conditions": conditions}]
        return {**mode, f"{kind}_conditions": conditions}
    statements = item.get("statements")
    if "value" in item:
        statements = [f'set({item["target"]}["out"], {item["value"]})', f'set({item["target"]}["done"], true)']
    elif "where" in item:
        statements = [
            f'set({item["target"]}["out"], true) where {item["where"]}',
            f'set({item["target"]}["done"], true)',
        ]
    if "groups" in item:
        return {**mode, f"{kind}_statements": item["groups"]}
    group = {**context, **{name: item[name] for name in ("conditions", "shared_cache") if name in item}}
    return {**mode, f"{kind}_statements": [{**group, "statements": statements}] if group else statements}


def _input(item: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[str | None, bytes | None]:
    """Give the payload of a case as JSON text or as protobuf bytes."""
    payload = item["input"]
    if isinstance(payload, str):
        payload = inputs.get(payload, payload)
    if isinstance(payload, str):
        return payload, None
    if "protobuf_hex" in payload:
        return None, bytes.fromhex(payload["protobuf_hex"])
    return orjson.dumps(payload).decode(), None


@functools.cache
def own_cases() -> tuple[Case, ...]:
    """Give the cases of ``conformance/`` with their kept answers."""
    cases = []
    for path in sorted(CONFORMANCE.glob("*.yaml")):
        file = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        lines = (CONFORMANCE / "answers" / f"{path.stem}.jsonl").read_bytes().splitlines()
        answers = {answer["id"]: answer for answer in map(otlp.load_json, lines)}
        for section in file["sections"]:
            for item in section["cases"]:
                for expanded in _expand(file, section, item):
                    config = _configuration(expanded)
                    answer = answers.pop(expanded["id"], None)
                    if answer is None or answer["config"] != config:
                        pytest.fail(f"{path.name}: {expanded['id']} has no answer; run conformance/record/run")
                    input_json, input_protobuf = _input(expanded, file.get("inputs", {}))
                    cases.append(
                        Case(
                            id=expanded["id"],
                            processor=expanded.get("processor", "transform"),
                            signal=expanded["signal"],
                            config=config,
                            answer=answer,
                            input_json=input_json,
                            input_protobuf=input_protobuf,
                            gates=tuple(expanded.get("gates", ())),
                            metadata=expanded.get("metadata"),
                            ordered=expanded.get("ordered", False),
                        )
                    )
        if answers:
            pytest.fail(f"{path.name}: answers of removed cases: {sorted(answers)[:5]}; run conformance/record/run")
    return tuple(cases)


def _functions_of(config: Any) -> set[str]:
    """Give the names that the texts of a configuration call, string literals aside."""
    if isinstance(config, str):
        names = re.findall(r"[A-Za-z_]\w*(?=\()", re.sub(r'"(?:\\.|[^\\"])*"', '""', config))
        return {name for name in names if name not in KEYWORDS}
    members = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    return {name for member in members for name in _functions_of(member)}


def _unknown_to_reference(row: Mapping[str, Any]) -> set[str]:
    """Give the names before a parenthesis that the reference has no function for, so that ours need not either."""
    refused = re.findall(
        r'undefined function "(\w+)"|converter names must start .* got \'(\w+)\'', row.get("error_text", "")
    )
    return {name for names in refused for name in names}


@functools.cache
def sample_cases() -> tuple[Case, ...]:
    """Give the cases of the sample whose functions are all registered, or which the reference does not know either."""
    if not SAMPLE.exists():
        pytest.skip(f"no sample of recorded answers at {SAMPLE}")
    rows = [otlp.load_json(line) for line in SAMPLE.read_bytes().splitlines()]
    cases = tuple(
        Case(
            id=row["id"],
            processor=row["processor"],
            signal=row["signal"],
            config=row["config"],
            answer=row,
            input_json=orjson.dumps(row["input"]).decode(),
            input_protobuf=None,
            signed_zero=False,
        )
        for row in rows
        if all(name in FUNCTIONS for name in _functions_of(row["config"]) - _unknown_to_reference(row))
    )
    print(f"sample: {len(cases)} of {len(rows)} cases use registered functions only")  # noqa: T201
    return cases


@functools.cache
def gaps() -> tuple[Gap, ...]:
    """Give the deliberate differences."""
    entries = tomllib.loads((CONFORMANCE / "gaps.toml").read_text(encoding="utf-8")).get("gap", [])
    return tuple(Gap(entry["reason"], entry["pattern"]) for entry in entries)


# Asking ours


def build(case: Case, stack: Stack) -> ottl.Transform | ottl.Filter:
    """Load the configuration of a case for one stack."""
    make = ottl.Transform if case.processor == "transform" else ottl.Filter
    return make(case.config, stack=stack, lambdas=LAMBDA_GATE in case.gates)


def _outcome(case: Case, processor: ottl.Transform | ottl.Filter, encoding: Encoding) -> Any:
    """Give what ours does: a canonical message or the name of a failure; None if the encoding cannot say the case."""
    if encoding == "protobuf":
        payload = case.input_protobuf
        if payload is None:
            if case.answer.get("bad_input"):
                return None
            payload = otlp.to_protobuf(otlp.load_json(case.input_json or ""), case.signal)
    elif case.input_json is None or "output_protobuf_hex" in case.answer:
        return None
    else:
        payload = case.input_json.encode()
    try:
        out = processor.process(payload, signal=case.signal, encoding=encoding, metadata=case.metadata)
    except ottl.PayloadError:
        return "bad_input"
    except ottl.Error:
        return "error"
    parse = otlp.parse_protobuf if encoding == "protobuf" else otlp.parse_json
    return parse(bytes(out), case.signal, ordered=case.ordered)


def _expected(case: Case) -> Any:
    """Give what the reference did, in the form of ``_outcome``."""
    for outcome in FAILURES:
        if case.answer.get(outcome):
            return outcome
    if "output_protobuf_hex" in case.answer:
        return otlp.parse_protobuf(bytes.fromhex(case.answer["output_protobuf_hex"]), case.signal, ordered=case.ordered)
    return otlp.canonical(case.answer["output"], case.signal, ordered=case.ordered)


def _compare(case: Case, actual: Any) -> list[str]:
    """Describe how our outcome differs; nothing if it agrees."""
    expected = _expected(case)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return otlp.differences(expected, actual, signed_zero=case.signed_zero)
    if expected == actual:
        return []
    told = f" ({case.answer['error_text']})" if case.answer.get("error_text") else ""
    short = ["a message" if isinstance(outcome, dict) else outcome for outcome in (expected, actual)]
    return [f"expected {short[0]}{told}, got {short[1]}"]


def _replay(cases: tuple[Case, ...], stack: Stack) -> Replay:
    replay = Replay()
    for case in cases:
        waits = any(name[0].isupper() and name not in FUNCTIONS for name in _functions_of(case.config))
        if waits and not case.answer.get("config_error"):
            replay.unregistered += 1
            continue
        try:
            processor = build(case, stack)
        except ottl.ConfigError as error:
            if stack == "fast" and any(d.code.startswith(FAST_REFUSED) for d in error.diagnostics):
                replay.plain_only += 1
                continue
            outcomes: dict[str, Any] = {"config": "config_error"}
        else:
            outcomes = {}
            for encoding in ENCODINGS:
                try:
                    outcomes[encoding] = _outcome(case, processor, encoding)
                except Exception as failure:  # noqa: BLE001 - of this case, not of the run
                    outcomes[encoding] = f"{type(failure).__name__}: {failure}"
        for way, actual in outcomes.items():
            if actual is None:
                continue
            replay.count += 1
            if found := _compare(case, actual):
                replay.differing.add(case.id)
                if not any(gap.covers(case.id) for gap in gaps()):
                    texts = orjson.dumps(case.config).decode()
                    replay.failures.append(f"{case.id} ({way})\n    {texts[:300]}\n    " + "\n    ".join(found))
    return replay


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("source", ["own", "sample"])
def test_answers(source: str, stack: Stack) -> None:
    """Every case gives what the reference gave, through JSON and through protobuf."""
    replay = _replay(own_cases() if source == "own" else sample_cases(), stack)
    print(  # noqa: T201
        f"{source}, {stack}: {replay.count} answers, {replay.plain_only} cases plain only, "
        f"{replay.unregistered} wait for a function"
    )
    shown = "\n".join(replay.failures[:SHOWN_FAILURES])
    assert not replay.failures, f"{len(replay.failures)} of {replay.count} answers differ\n{shown}"


def test_gaps_are_needed() -> None:
    """Every deliberate difference shows in at least one case of our own or of the sample."""
    cases = own_cases() + (sample_cases() if SAMPLE.exists() else ())
    for gap in gaps():
        covered = tuple(case for case in cases if gap.covers(case.id))
        assert covered, f"no case matches {gap.pattern!r}"
        differing = _replay(covered, "plain").differing
        assert differing, f"all cases of {gap.pattern!r} agree with the reference: remove the entry"


def test_sample_is_covered() -> None:
    """The registry selects most of the sample."""
    assert len(sample_cases()) >= 380

"""Rules of many kinds, ours and the reference, from bytes to bytes: `python bench/forms.py [--quick] [--markdown]`.

The other benchmarks look closely at a few rule sets. This one looks wherever a rule might meet a way that is slow: what
rows share is changed, the cache is used as a whole, bodies are taken apart, keys are made of values, rows fail, or are
filtered. Each kind is one small configuration over 8,000 rows. Where no row fails, the error mode is `propagate`, which
is the reference's own.

Outputs of both are compared before anything is timed, but for the order of keys: that of a map literal is accidental in
the reference.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ottl
from bench import contenders, harness, payloads, rules

ROWS: Final = 8_000
CHECKED: Final = 500

Form = tuple[str, str, tuple[str, ...]]
"""What it is, the signal, and its statements or conditions."""

TRANSFORMS: Final[tuple[Form, ...]] = (
    (
        "resource set, then spans",
        "traces",
        ('set(resource.attributes["env"], "prod")', 'set(span.attributes["x"], "y")'),
    ),
    (
        "resource set and read",
        "traces",
        (
            'set(resource.attributes["tier"], "gold") where resource.attributes["env"] == "prod"',
            'set(span.attributes["tier"], resource.attributes["tier"])',
        ),
    ),
    (
        "resource attribute renamed",
        "traces",
        (
            'set(resource.attributes["host"], resource.attributes["host.name"])',
            'delete_key(resource.attributes, "host.name")',
            'set(span.attributes["x"], "y")',
        ),
    ),
    (
        "service name in small letters",
        "traces",
        (
            'set(resource.attributes["service.name"], ToLowerCase(resource.attributes["service.name"]))',
            'set(span.attributes["service"], resource.attributes["service.name"])',
        ),
    ),
    ("span attribute on its resource", "traces", ('set(resource.attributes["last"], span.name)',)),
    ("resource merged into spans", "traces", ('merge_maps(span.attributes, resource.attributes, "insert")',)),
    (
        "keys kept on two levels",
        "traces",
        ('keep_keys(resource.attributes, ["service.name"])', 'keep_keys(span.attributes, ["http.route"])'),
    ),
    ("map literal for all attributes", "traces", ('set(span.attributes, {"a": 1, "b": span.name})',)),
    ("below two keys", "traces", ('set(span.attributes["a"]["b"], "x")',)),
    ("under a key from the row", "traces", ("set(span.attributes[span.name], 1)",)),
    ("trace state", "traces", ('set(span.trace_state, "x=y")',)),
    ("member of the trace state", "traces", ('set(span.trace_state["x"], "y")',)),
    ("events by their span", "traces", ('set(spanevent.attributes["s"], span.name)',)),
    (
        "JSON by way of the cache",
        "logs",
        (
            'set(log.cache, ParseJSON(log.body)) where IsMatch(log.body, "^\\\\{")',
            'merge_maps(log.attributes, log.cache, "upsert")',
        ),
    ),
    (
        "JSON as body, taken apart",
        "logs",
        (
            'set(log.body, ParseJSON(log.body)) where HasPrefix(log.body, "{")',
            'set(log.attributes["level"], log.body["level"]) where IsMap(log.body)',
            'set(log.body, log.body["msg"]) where IsMap(log.body)',
        ),
    ),
    (
        "JSON nested, merged and removed",
        "logs",
        (
            'set(log.attributes["n"], ParseJSON(log.body)) where HasPrefix(log.body, "{")',
            'merge_maps(log.attributes, log.attributes["n"], "upsert") where log.attributes["n"] != nil',
            'delete_key(log.attributes, "n")',
        ),
    ),
    (
        "key written into bodies",
        "logs",
        (
            'set(log.body, ParseJSON(log.body)) where HasPrefix(log.body, "{")',
            'set(log.body["seen"], true) where IsMap(log.body)',
        ),
    ),
    (
        "time of a text",
        "logs",
        (
            'set(log.attributes["t"], FormatTime(log.time, "%Y-%m-%dT%H:%M:%S%z"))',
            'set(log.observed_time, Time(log.attributes["t"], "%Y-%m-%dT%H:%M:%S%z"))',
        ),
    ),
    (
        "resource set, then records",
        "logs",
        ('set(resource.attributes["env"], "prod")', 'set(log.attributes["x"], "y")'),
    ),
    (
        "metric and its points",
        "metrics",
        ('set(metric.description, "x")', 'set(datapoint.attributes["metric"], metric.name)'),
    ),
    (
        "resource set, then points",
        "metrics",
        ('set(resource.attributes["env"], "prod")', 'set(datapoint.attributes["x"], "y")'),
    ),
)
"""Rules on which no row fails."""

FAILING: Final[tuple[Form, ...]] = (
    ("JSON that most bodies are not", "logs", ('merge_maps(log.attributes, ParseJSON(log.body), "upsert")',)),
    ("pairs that most bodies are not", "logs", ('merge_maps(log.attributes, ParseKeyValue(log.body), "upsert")',)),
    ("numbers that bodies are not", "logs", ('set(log.attributes["n"], Int(log.body))',)),
    ("times that bodies are not", "logs", ('set(log.time, Time(log.body, "%Y-%m-%d"))',)),
    ("beyond the end of a text", "logs", ('set(log.attributes["x"], Substring(log.body, 0, 100))',)),
    ("a map that is not there", "logs", ('merge_maps(log.attributes, log.attributes["none"], "upsert")',)),
    ("a time into an attribute", "logs", ('set(log.attributes["t"], log.time)',)),
    ("a key of what has none", "logs", ('set(log.attributes["x"], log.body["y"])',)),
    ("nil plus one", "traces", ('set(span.attributes["n"], span.attributes["none"] + 1)',)),
)
"""Rules that fail on most rows, or on all, and go on."""

FILTERS: Final[tuple[Form, ...]] = (
    (
        "spans by name or status",
        "traces",
        ('IsMatch(span.name, "^GET")', 'span.attributes["http.response.status_code"] >= 500'),
    ),
    ("spans by resource", "traces", ('resource.attributes["env"] == "prod"',)),
    ("records by severity", "logs", ("log.severity_number < SEVERITY_NUMBER_WARN",)),
    ("records by body", "logs", ('IsMatch(log.body, "(?i)error")',)),
    ("metrics by name", "metrics", ('metric.name == "http.server.duration"',)),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A kind of rule in each round, in nanoseconds a row.

    Args:
        group: the table that it is in.
        what: the kind.
        ours: `process`, from bytes to bytes.
        theirs: the reference doing the same; empty where there is none.
    """

    group: str
    what: str
    ours: list[float]
    theirs: list[float]


def _configuration(group: str, signal: str, lines: tuple[str, ...]) -> dict[str, Any]:
    if group == "filters":
        return {"error_mode": "ignore", rules.KEYS[signal].replace("statements", "conditions"): list(lines)}
    return {"error_mode": "ignore" if group == "failing" else "propagate", rules.KEYS[signal]: list(lines)}


def measure(plan: harness.Plan, server: harness.Server | None, group: str, form: Form) -> Measured:
    """One kind of rule."""
    what, signal, lines = form
    config = _configuration(group, signal, lines)
    make: Any = ottl.Filter if group == "filters" else ottl.Transform
    processor = make(config)
    kind = "filter" if group == "filters" else "transform"
    make_payload = getattr(payloads, signal)
    small, data = make_payload(CHECKED), make_payload(ROWS)
    with tempfile.TemporaryDirectory() as folder:
        source, answer = Path(folder) / "payload", Path(folder) / "answer"
        if server is not None:
            source.write_bytes(small)
            request = {"config": config, "signal": signal, "payload": str(source), "processor": kind}
            server.ask(**request, iterations=1, output=str(answer))
            contenders.same(what, processor.process(small, signal=signal), answer.read_bytes(), signal, ordered=False)
            source.write_bytes(data)
        takers = {"ours": lambda: harness.turn(plan.seconds, lambda: processor.process(data, signal=signal))}
        if server is not None:
            takers["theirs"] = lambda: contenders.server_turn(server, plan.seconds, **request)["total"]
        found = harness.rounds(takers, plan.rounds)
    ours, theirs = ([s / ROWS * 1e9 for s in found.get(name, [])] for name in ("ours", "theirs"))
    return Measured(group, what, ours, theirs)


def as_tables(results: list[Measured]) -> str:
    """The results in markdown."""
    of = harness.Spread.of
    titles = {
        "transforms": "Rules on which no row fails, `error_mode: propagate`",
        "failing": "Rules that fail on most rows, or on all, `error_mode: ignore`",
        "filters": "Filters",
    }
    parts = []
    for group, title in titles.items():
        lines = [
            [
                r.what,
                str(of(r.ours)),
                str(of(r.theirs)),
                str(of(harness.ratios(r.theirs, r.ours)) if r.theirs else harness.Spread()),
            ]
            for r in results
            if r.group == group
        ]
        parts.append(f"{title}:\n\n{harness.table(['kind', 'ours, ns a row', 'reference, ns a row', 'ratio'], lines)}")
    return "\n\n".join(parts)


def main() -> None:
    """Measures and prints."""
    given = harness.arguments(__doc__).parse_args()
    plan = harness.QUICK if given.quick else harness.FULL
    facts, server = harness.begin()
    groups = {"transforms": TRANSFORMS, "failing": FAILING, "filters": FILTERS}
    results = [measure(plan, server, group, form) for group, forms in groups.items() for form in forms]
    print(as_tables(results))
    harness.save("forms", {"machine": facts, "measurements": results}, given.json)
    if given.markdown:
        harness.write_section("bench/forms.py", f"{harness.machine_lines(facts)}\n\n{as_tables(results)}")


if __name__ == "__main__":
    main()

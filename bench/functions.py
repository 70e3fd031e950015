"""Every function, both stacks and the reference: ns a row at 8,000 rows, `python bench/functions.py [NAME ...]`.

The calls come from the declarations: the first example of a function that succeeds, its first argument (of a list
literal all elements) moved into an attribute, so that it differs from row to row. Values are varied (digits change,
text gets a number behind it) as long as the call still succeeds: up to `--distinct` different ones. Each record has six
more attributes. Times and durations are those of the record. Functions over whole traces are left out.

A converter's result is stored in the cache; where a map cannot hold it, it is compared with nil. *statement* is the
time of the statement alone: loads, call and store, in columns and in rows; *whole* is the whole way from bytes to
bytes, which the reference does too where it knows the function. What is slower in columns than in rows is marked.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

import ottl
from bench import contenders, harness, payloads, rules, stages
from ottl import ast, formatter, parser
from ottl.configuration import standard_functions
from ottl.functions import Form, Function, Parameter
from ottl.source import Source
from ottl.types import Kind

ROWS: Final = 8_000
DISTINCT: Final = 2_000
LITERALS: Final = (ast.String, ast.Integer, ast.Float, ast.Boolean, ast.Bytes, ast.Nil, ast.Unary)
PATHS: Final = {Kind.TIME: "log.time", Kind.DURATION: "log.observed_time - log.time"}
FILLERS: Final[dict[str, Any]] = {
    "service.name": "checkout-service",
    "http.request.method": "GET",
    "http.route": "/api/users/{id}/cart",
    "http.response.status_code": 200,
    "server.address": "node-1.eu-west-1.internal",
    "elapsed": 12.5,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A statement and what the records hold.

    Args:
        statement: its text.
        given: attributes besides the fillers, unvaried.
        signal: `logs`, or `traces` for what only spans have.
    """

    statement: str
    given: dict[str, Any]
    signal: str = "logs"


@dataclass(frozen=True, slots=True)
class Result:
    """Nanoseconds a row.

    Args:
        name: the function.
        statement: what was run.
        kernel: whether it has a vector kernel.
        columns: the statement in columns.
        rows: the statement in rows.
        whole_columns: bytes to bytes in columns.
        whole_rows: bytes to bytes in rows.
        reference: bytes to bytes in the reference; not a number where it does not know the function.
    """

    name: str
    statement: str
    kernel: bool
    columns: float
    rows: float
    whole_columns: float
    whole_rows: float
    reference: float

    @property
    def slower(self) -> bool:
        """Whether columns lose."""
        return self.columns > self.rows or self.whole_columns > self.whole_rows


# -- calls ----------------------------------------------------------------------------------------------------------


def _literal(node: ast.Node) -> Any:
    """The Python value of a literal; bytes for bytes, text for strings."""
    if isinstance(node, ast.String):
        return node.value.decode()
    if isinstance(node, ast.Nil):
        return "text"
    if isinstance(node, ast.Unary):
        inner = _literal(node.operand)
        return -inner if node.operator == "-" else inner
    return node.value  # type: ignore[attr-defined]


def _path(text: str) -> Any:
    return parser.parse_value(Source(text))


def _attributes_for(function: Function, call: ast.Call) -> tuple[ast.Call, dict[str, Any]]:
    """The call with paths in place of what shall vary, and the attributes that hold it."""
    given: dict[str, Any] = {}

    def moved(node: Any, p: Parameter) -> Any:
        if p.kind in PATHS:
            return _path(PATHS[p.kind])
        if not isinstance(node, LITERALS):
            return node
        name = f"value{len(given)}"
        given[name] = _literal(node)
        return _path(f'log.attributes["{name}"]')

    visible = {p.name: p for p in function.visible}
    arguments: list[ast.Argument] = []
    for number, argument in enumerate(call.arguments):
        p = visible[argument.name] if argument.name else function.visible[number]
        value: Any = argument.value
        if p.form in (Form.LIST, Form.TUPLE) and isinstance(value, ast.List) and not function.editor:
            value = dataclasses.replace(value, items=tuple(moved(item, p) for item in value.items))
        elif p.form is Form.VALUE and number == 0:
            value = moved(value, p)
        arguments.append(dataclasses.replace(argument, value=value))
    return dataclasses.replace(call, arguments=tuple(arguments)), given


def cases(function: Function) -> Iterator[Case]:
    """Statements that call the function, the likeliest first."""
    if function.contexts and "log" not in function.contexts:
        yield Case(f"set(span.flags, 1) where {function.name}()", {}, "traces")
        return
    for example in function.examples:
        if example.error is not None or example.load_error:
            continue
        if function.editor:
            yield Case(example.call, dict(example.given))
            continue
        tree = parser.parse_value(Source(example.call))
        call = next((n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.name == function.name), None)
        if call is None:
            continue
        call, given = _attributes_for(function, call)
        text = formatter.format_value(call)
        everything = dict(example.given) | given
        yield Case(f'set(log.cache["out"], {text})', everything)
        yield Case(f"set(log.flags, 1) where {text} == nil", everything)
    if not function.visible:
        yield Case(f'set(log.cache["out"], {function.name}())', {})
        yield Case(f"set(log.flags, 1) where {function.name}() == nil", {})


# -- values ---------------------------------------------------------------------------------------------------------


def _by_digits(text: str, number: int) -> str:
    """Digits changed from the right, none to a greater one, so that times stay times."""
    out = list(text)
    for place in range(len(out) - 1, -1, -1):
        if out[place] in "123456789":
            number, digit = divmod(number, int(out[place]) + 1)
            out[place] = str(digit)
    return "".join(out)


def _by_suffix(text: str, number: int) -> str:
    return f"{text}{number}"


Way = Callable[[str, int], str]
WAYS: Final[tuple[Way, ...]] = (_by_digits, _by_suffix, lambda text, _: text)


def varied(value: Any, number: int, way: Way) -> Any:
    """The value of a row."""
    if isinstance(value, bool):
        return value ^ bool(number % 2)
    if isinstance(value, int):
        return value + number
    if isinstance(value, float):
        return value + number / 8
    if isinstance(value, str):
        return way(value, number)
    if isinstance(value, bytes):
        return value[:-2] + number.to_bytes(2, "big") if len(value) > 2 else value
    if isinstance(value, dict):
        return {key: varied(item, number, way) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [varied(item, number, way) for item in value]
    return value


def fill(target: AnyValue, value: Any) -> None:
    """Writes a Python value."""
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            fill(target.kvlist_value.values.add(key=key).value, item)
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            fill(target.array_value.values.add(), item)


def payload(case: Case, rows: int, way: Way, distinct: int = DISTINCT) -> bytes:
    """Log records with the given attributes, varied, among the fillers; spans as in the other benchmarks."""
    if case.signal == "traces":
        return payloads.traces(rows)
    data = LogsData()
    records = data.resource_logs.add().scope_logs.add().log_records
    for row in range(rows):
        number = row * 7919 % distinct
        record = records.add(
            time_unix_nano=1_750_000_000_000_000_000 + number * 1_250_000,
            observed_time_unix_nano=1_750_000_001_000_000_000 + number * 3_350_000,
        )
        record.body.string_value = f"request {number} done"
        for key, value in itertools.chain(FILLERS.items(), varied(case.given, number, way).items()):
            fill(record.attributes.add(key=key).value, value)
    return data.SerializeToString()


# -- measuring ------------------------------------------------------------------------------------------------------


def configuration(case: Case) -> dict[str, Any]:
    """Its one statement."""
    return {"error_mode": "silent", rules.KEYS[case.signal]: [case.statement]}


def processor(case: Case, stack: Any) -> Any:
    """The same, loaded."""
    return ottl.Transform(configuration(case), stack=stack)


def _succeeds(case: Case, way: Way) -> bool:
    try:
        one = processor(case, "plain")
    except ottl.ConfigError:
        return False
    one.process(payload(case, 300, way), signal=case.signal)
    return not any(s.errors for s in one.stats())


def chosen(function: Function) -> tuple[Case, Way] | None:
    """The first case that succeeds, with the way of varying that keeps it so."""
    for case in cases(function):
        text = json.dumps(list(case.given.values()), default=str)
        ways = WAYS if re.search(r"[1-9]", text) else (WAYS[1], WAYS[2])
        for way in ways:
            if _succeeds(case, way):
                return case, way
    return None


def reference(server: harness.Server | None, case: Case, data: bytes, seconds: float) -> float:
    """Seconds of the reference over a payload; not a number without one, and where it refuses the rule."""
    if server is None:
        return math.nan
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "payload"
        source.write_bytes(data)
        request = {"config": configuration(case), "signal": case.signal, "payload": str(source)}
        try:
            return contenders.server_turn(server, seconds, **request)["total"]
        except RuntimeError:
            return math.nan


def measure(
    server: harness.Server | None,
    name: str,
    kernel: bool,
    case: Case,
    way: Way,
    seconds: float,
    distinct: int = DISTINCT,
) -> Result:
    """Both stacks and the reference over the payload of a case."""
    data = payload(case, ROWS, way, distinct)
    found = {}
    for stack in ("fast", "plain"):
        found[stack] = stages.measure(processor(case, stack), data, case.signal, seconds)
    fast, plain = found["fast"], found["plain"]
    assert fast is not None
    assert plain is not None
    assert fast.executor == "columns"
    took = fast.statements, plain.statements, fast.total, plain.total, reference(server, case, data, seconds)
    nanos = [t / ROWS * 1e9 for t in took]
    return Result(name, case.statement, kernel, *nanos)


def as_table(results: Sequence[Result]) -> str:
    """The results in markdown."""
    header = ["function", "statement, columns", "rows", "whole, columns", "rows", "reference", "ratio", "note"]
    lines = [
        [
            f"`{r.name}`" if r.name else "load and store alone",
            f"{r.columns:,.0f}",
            f"{r.rows:,.0f}",
            f"{r.whole_columns:,.0f}",
            f"{r.whole_rows:,.0f}",
            "-" if math.isnan(r.reference) else f"{r.reference:,.0f}",
            harness.number(r.reference / r.whole_columns),
            "slower in columns" if r.slower else "",
        ]
        for r in results
    ]
    return harness.table(header, lines)


def main() -> None:
    """Measures and prints; exits 1 where a function is slower in columns, or could not be called."""
    parser = harness.arguments(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these functions")
    parser.add_argument("--distinct", type=int, default=DISTINCT, metavar="N", help="different values (%(default)s)")
    parser.add_argument("--calls", action="store_true", help="print the statements too")
    given = parser.parse_args()
    facts, server = harness.begin()
    functions = standard_functions()
    names = given.names or sorted(name for name in functions if functions[name].over is None)
    seconds = 0.03 if given.quick else 0.2
    alone = Case('set(log.cache["out"], log.attributes["value0"])', {"value0": "text"})
    results = [measure(server, "", True, alone, _by_suffix, seconds, given.distinct)]
    missing: list[str] = []
    for name in names:
        function = functions[name]
        found = chosen(function)
        if found is None:
            missing.append(name)
            continue
        results.append(measure(server, name, function.vector_kernel is not None, *found, seconds, given.distinct))
        if given.calls:
            print(f"{name}: {results[-1].statement}", flush=True)
    print(as_table(results))
    slower = [r.name for r in results if r.slower]
    print(f"\nslower in columns: {', '.join(slower) or 'none'}; not measured: {', '.join(missing) or 'none'}")
    harness.save("functions", {"machine": facts, "measurements": results}, given.json)
    if given.markdown:
        what = (
            f"Nanoseconds a row, {ROWS:,} rows, up to {given.distinct:,} different values; *ratio* is the reference's "
            "over ours in columns, from bytes to bytes."
        )
        text = f"{harness.source_line(facts)}\n\n{what}\n\n{as_table(results)}"
        harness.write_section("bench/functions.py", text)
    sys.exit(1 if slower or missing else 0)


if __name__ == "__main__":
    main()

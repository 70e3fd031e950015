"""Functions over whole traces and over series at scale, `python bench/analysis.py [--quick] [--markdown]`.

*Whole traces*: every function on three shapes of `--spans` spans and of a quarter of them: a *chain* (each span is the
child of the one before), a *star* (all are children of one), and a *forest* of traces as services make them (some
dozens of spans, fan-outs, errors, skewed clocks). A statement that stores the result runs over one payload, in a
process of its own: its seconds of the processor, the better of two runs, reading the spans and storing included, and
the peak of the process while the payload goes from bytes to bytes, above what it held before. *growth* is the time over
that of a quarter of the spans: 4 is linear.

*Series*: `EWMA`, `StdDev`, `ZScore` and `IsAnomaly` over `--points` values of `--keys` keys, in payloads of 100,000
points: the algorithm alone, and a statement in OTLP from bytes to bytes, beside one that reads and stores the same
without the function.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from bench import harness

SHAPES: Final = ("chain", "star", "forest")
CALLS: Final = {
    "Parent": "Parent(span.kind)",
    "Root": "Root(span.kind)",
    "TraceCount": "TraceCount(span.status.code == STATUS_CODE_ERROR)",
    "ChildCount": "ChildCount(span.status.code == STATUS_CODE_ERROR)",
    "SelfTime": "Nanoseconds(SelfTime())",
    "LogicalClock": "LogicalClock()",
    "CausallyPrecedes": "CausallyPrecedes(span.parent_span_id, span.span_id)",
    "IsOnCriticalPath": "IsOnCriticalPath()",
    'IsOnCriticalPath("longest")': 'IsOnCriticalPath("longest")',
    "ErrorOrigin": "ErrorOrigin()",
    "EarliestError": "EarliestError()",
    "RootCauseScore": "RootCauseScore()",
    "RootCauses": "RootCauses()",
}
BATCH: Final = 100_000
SERIES: Final = ("EWMA", "StdDev", "ZScore", "IsAnomaly")


# -- payloads -------------------------------------------------------------------------------------------------------


def parents(shape: str, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each span the row of its parent, -1 for none, and the number of its trace, int64 (count,) each."""
    rows = np.arange(count)
    if shape == "chain":
        return rows - 1, np.zeros(count, np.int64)
    if shape == "star":
        return np.where(rows == 0, -1, 0), np.zeros(count, np.int64)
    dice = np.random.default_rng(1)
    sizes = dice.geometric(1 / 30, count)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), count)) + 1]
    trace = np.repeat(np.arange(len(sizes)), sizes)[:count]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])[trace]
    inside = rows - first
    # Any span before it, more often a recent one: some ten deep, with fan-outs of some dozens.
    above = (np.sqrt(dice.random(count)) * inside).astype(np.int64)
    return np.where(inside == 0, -1, first + above), trace


def spans(shape: str, count: int) -> bytes:
    """A payload of spans in ten services, in the order in which they start."""
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status, TracesData

    up, trace = parents(shape, count)
    dice = np.random.default_rng(2)
    start = 1_700_000_000_000_000_000 + np.arange(count) * 1000 + dice.integers(-500, 500, count)
    took = dice.integers(1000, 5_000_000, count)
    failed = dice.random(count) < 0.05
    data = TracesData()
    holders = []
    for number in range(10):
        holder = ResourceSpans()
        item = holder.resource.attributes.add(key="service.name")
        item.value.string_value = f"service-{number}"
        holder.scope_spans.add()
        holders.append(holder)
    columns = (up.tolist(), trace.tolist(), start.tolist(), took.tolist(), failed.tolist())
    for row, (above, of, begin, ns, bad) in enumerate(zip(*columns, strict=True)):
        scope = holders[(row // 7) % 10].scope_spans[0]
        span = scope.spans.add(
            trace_id=(of + 1).to_bytes(16, "big"),
            span_id=(row + 1).to_bytes(8, "big"),
            name=f"operation-{row % 20}",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=begin,
            end_time_unix_nano=begin + ns,
        )
        if above >= 0:
            span.parent_span_id = (above + 1).to_bytes(8, "big")
        if bad:
            span.status.code = Status.STATUS_CODE_ERROR
    data.resource_spans.extend(holders)
    return data.SerializeToString()


def points(seed: int, keys: int) -> bytes:
    """A payload of gauge points, each with its key as an attribute."""
    from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

    dice = np.random.default_rng(seed)
    data = MetricsData()
    gauge = data.resource_metrics.add().scope_metrics.add().metrics.add(name="load").gauge
    for key, value in zip(dice.integers(0, keys, BATCH).tolist(), dice.normal(10, 2, BATCH).tolist(), strict=True):
        gauge.data_points.add(as_double=value).attributes.add(key="host").value.string_value = f"host-{key:05}"
    return data.SerializeToString()


# -- one measurement, in a process of its own -----------------------------------------------------------------------


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def measure_statement(statement: str, path: str) -> None:
    """Prints seconds and peak memory of a statement over one payload."""
    import ottl

    limits = ottl.Limits(max_message=4 << 30, max_messages=100_000_000, max_growth=64 << 30, deadline_s=None)
    program = ottl.compile(statement, signal="traces", limits=limits)
    data = Path(path).read_bytes()
    program.run(spans("forest", 200))
    # The processor's time, which others on the machine change least.
    setattr(time, "perf_counter_ns", time.process_time_ns)  # noqa: B010
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = _resident("VmRSS")
    begun = program.stats()[0].ns
    program.run(data)
    peak, first = _resident("VmHWM"), program.stats()[0].ns
    program.run(data)
    (stats,) = program.stats()
    assert stats.errors == 0, stats.first_error
    print(json.dumps([min(first - begun, stats.ns - first) / 1e9, peak - before]))


def measure_series(name: str, count: int, keys: int) -> None:
    """Prints seconds of the arrays alone and of the statement, and the memory of the keys."""
    import ottl
    from ottl.analysis import running
    from ottl.stdlib.statistics import advance

    made: Callable[[], Any] = {
        "EWMA": lambda: running.Ewma(0.2),
        "StdDev": lambda: running.Deviation(100),
        "ZScore": lambda: running.Score(100),
        "IsAnomaly": lambda: running.Alarm(100, 3.0, 0),
    }[name]
    memory = made()
    memory.resize(keys)
    dice = np.random.default_rng(3)
    batches = [(dice.integers(0, keys, BATCH), dice.normal(10, 2, BATCH)) for _ in range(4)]
    turns = max(1, count // BATCH)
    advance(memory, *batches[0])
    begin = time.process_time()
    for turn in range(turns):
        advance(memory, *batches[turn % 4])
    arrays = time.process_time() - begin
    size = sum(column.nbytes for column in memory.columns.values())
    payloads = [points(seed, keys) for seed in range(4)]
    statement = f'set(datapoint.attributes["out"], {name}(datapoint.value_double, key=datapoint.attributes["host"]))'
    plain = 'set(datapoint.attributes["out"], datapoint.value_double) where datapoint.attributes["host"] != nil'
    seconds = []
    for text in (statement, plain):
        program = ottl.compile(text, signal="metrics")
        program.run(payloads[0])
        begin = time.process_time()
        for turn in range(turns):
            program.run(payloads[turn % 4])
        seconds.append(time.process_time() - begin)
    points_seen = turns * BATCH
    print(json.dumps([arrays / points_seen, seconds[0] / points_seen, seconds[1] / points_seen, size]))


def _measured(*arguments: str) -> list[Any]:
    done = subprocess.run([sys.executable, __file__, "--one", *arguments], capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


# -- tables ---------------------------------------------------------------------------------------------------------


def trace_rows(count: int, folder: Path) -> Iterator[list[str]]:
    """Lines of the table of whole traces."""
    files = {}
    for shape in SHAPES:
        for size in (count // 4, count):
            files[shape, size] = str(folder / f"{shape}-{size}")
            Path(files[shape, size]).write_bytes(spans(shape, size))
    for name, call in CALLS.items():
        cells = [f"`{name}`"]
        for shape in SHAPES:
            statement = f'set(span.attributes["out"], {call})'
            small, full = (_measured("statement", statement, files[shape, size]) for size in (count // 4, count))
            cells += [f"{full[0]:.2f}", f"{full[0] / small[0]:.1f}", f"{full[1] / 1e6:,.0f}"]
        yield cells


def series_rows(count: int, keys: int) -> Iterator[list[str]]:
    """Lines of the table of series."""
    for name in SERIES:
        arrays, statement, plain, size = _measured("series", name, str(count), str(keys))
        yield [
            f"`{name}`",
            f"{arrays * 1e9:.0f}",
            f"{statement * 1e9:.0f}",
            f"{plain * 1e9:.0f}",
            f"{size / 1e6:.1f}",
        ]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000, help="spans of a payload (1,000,000)")
    parser.add_argument("--points", type=int, default=10_000_000, help="points of a series (10,000,000)")
    parser.add_argument("--keys", type=int, default=10_000, help="keys of the points (10,000)")
    parser.add_argument("--quick", action="store_true", help="a tenth of all that")
    parser.add_argument("--markdown", action="store_true", help="write the results into docs/performance.md too")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        what, *rest = arguments.one
        if what == "statement":
            measure_statement(*rest)
        else:
            measure_series(rest[0], int(rest[1]), int(rest[2]))
        return
    harness.require_native()
    facts = harness.describe()
    share = 10 if arguments.quick else 1
    count, total, keys = arguments.spans // share, arguments.points // share, arguments.keys // share
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        lines = list(trace_rows(count, Path(name)))
    header = ["function", *(f"{shape}{what}" for shape in SHAPES for what in (", s", ", growth", ", MB"))]
    told = f"Whole traces, {count:,} spans; seconds of the statement, growth from a quarter, peak of the run:"
    first = f"{told}\n\n{harness.table(header, lines)}"
    print(first, flush=True)
    header = ["function", "arrays", "statement", "statement without", "memory, MB"]
    told = (
        f"Series, {total:,} points of {keys:,} keys; nanoseconds of the processor a point, and the memory of all keys:"
    )
    second = f"{told}\n\n{harness.table(header, list(series_rows(total, keys)))}"
    print(f"\n{second}", flush=True)
    facts["load after"] = f"{harness.load():.2f}"
    if arguments.markdown:
        harness.write_section("bench/analysis.py", f"{harness.machine_lines(facts)}\n\n{first}\n\n{second}")


if __name__ == "__main__":
    main()

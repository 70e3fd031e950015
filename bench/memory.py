"""Memory: `python bench/memory.py [--size 2G] [--quick] [--markdown]`.

Two measurements, each in processes of their own:

- a file of JSON lines (2 GB unless told otherwise; traces, logs and metrics by turns, made in a temporary folder)
  passes through `ottl run`: peak of resident memory, time, and a count of the lines that came out;
- payloads of 8,000 rows pass through `Transform.process`: the peak of resident memory above that of the interpreter
  with the processor loaded and warm, before it reads the payload; input and output are in it. *times* is the peak over
  the sizes of input and output together.

Exits 1 where the file took 400 MB or more, or where lines are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import harness, payloads, rules

LIMIT: Final = 400 * 10**6
LINE_ROWS: Final = 512
ROWS: Final = 8_000
UNITS: Final = {"K": 10**3, "M": 10**6, "G": 10**9}


def size(text: str) -> int:
    """A number of bytes, `K`, `M` or `G` behind it."""
    unit = UNITS.get(text[-1:].upper())
    return int(float(text[:-1]) * unit) if unit else int(text)


# -- a long file ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command.

    Args:
        bytes_in: size of the file.
        bytes_out: size of the output.
        lines: lines of the output; as many went in.
        peak: most resident memory, bytes.
        seconds: how long it took.
    """

    bytes_in: int
    bytes_out: int
    lines: int
    peak: int
    seconds: float


def write_lines(path: Path, wanted: int) -> int:
    """JSON lines of all signals, at least so many bytes; the number of lines."""
    from ottl import Limits
    from ottl.codec import native

    lines = [
        native.to_json(maker(LINE_ROWS, seed), signal, Limits()) + b"\n"
        for seed in range(4)
        for signal, maker in payloads.MAKERS.items()
    ]
    written = count = 0
    with path.open("wb") as file:
        while written < wanted:
            written += file.write(lines[count % len(lines)])
            count += 1
    return count


def configuration() -> dict[str, object]:
    """The policy scripts for all signals."""
    return {"error_mode": "ignore"} | {
        key: list(rules.STATEMENTS[signal]["policy"]) for signal, key in rules.KEYS.items()
    }


def run_command(folder: Path, wanted: int) -> Run:
    """Makes the file and puts it through `ottl run`.

    Raises:
        RuntimeError: the command failed or lost lines.
    """
    source, result, config = folder / "in.jsonl", folder / "out.jsonl", folder / "rules.yaml"
    count = write_lines(source, wanted)
    config.write_text(json.dumps(configuration()), encoding="utf-8")
    command = [sys.executable, "-m", "ottl", "run", str(config), str(source), "-o", str(result)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=harness.ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"ottl run ended with {process.returncode}")
    with result.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    if lines != count:
        raise RuntimeError(f"{count} lines went in, {lines} came out")
    return Run(source.stat().st_size, result.stat().st_size, lines, usage.ru_maxrss * 1024, seconds)


# -- one payload ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Peak:
    """What one payload needed.

    Args:
        bytes_in: size of the payload.
        bytes_out: size of what came out.
        before: resident memory of the interpreter with the processor, before the payload was read.
        peak: most of it after.
    """

    bytes_in: int
    bytes_out: int
    before: int
    peak: int

    @property
    def above(self) -> int:
        """What the payload needed, itself and the output included."""
        return self.peak - self.before

    @property
    def times(self) -> float:
        """How often the sizes of input and output that is."""
        return self.above / (self.bytes_in + self.bytes_out)


def measure_here(signal: str, rule_set: str, stack: str, source: Path) -> Peak:
    """That of a payload in this process; first runs a small one."""
    import ottl

    one = ottl.Transform(rules.configuration(signal, rule_set), stack=stack)  # type: ignore[arg-type]
    one.process(source.with_suffix(".small").read_bytes(), signal=signal)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = harness.resident("VmRSS")
    data = source.read_bytes()
    out = one.process(data, signal=signal)
    return Peak(len(data), len(out), before, harness.resident("VmHWM"))


def measure_payloads(folder: Path, rows: int) -> list[dict[str, Any]]:
    """Every signal, rule set and stack."""
    found = []
    for signal, sets in rules.STATEMENTS.items():
        source = folder / signal
        source.write_bytes(payloads.MAKERS[signal](rows))
        source.with_suffix(".small").write_bytes(payloads.MAKERS[signal](64))
        for rule_set in sets:
            if rule_set == "none":
                continue
            one: dict[str, Any] = {"signal": signal, "rule_set": rule_set, "rows": rows}
            for name, stack in (("columns", "fast"), ("rows_stack", "plain")):
                command = [sys.executable, __file__, "--one", signal, rule_set, stack, str(source)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peak = Peak(*json.loads(done.stdout))
                one[name] = asdict(peak) | {"above": peak.above, "times": peak.times}
            found.append(one)
    return found


def payload_table(found: list[dict[str, Any]]) -> str:
    """The payloads in markdown."""
    header = ["rules", "in, MB", "out, MB", "columns, MB", "times", "rows, MB", "times"]
    lines = []
    for one in found:
        cells = [f"{one['signal']}, {one['rule_set']}"]
        cells += [f"{one['columns'][name] / 1e6:.1f}" for name in ("bytes_in", "bytes_out")]
        for name in ("columns", "rows_stack"):
            cells += [f"{one[name]['above'] / 1e6:.1f}", f"{one[name]['times']:.1f}"]
        lines.append(cells)
    return harness.table(header, lines)


def main() -> None:
    """Measures and prints."""
    parser = harness.arguments(__doc__)
    parser.add_argument("--size", type=size, help="bytes of the file, K, M or G behind (2G; 100M with --quick)")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the payloads (%(default)s)")
    parser.add_argument("--one", nargs=4, metavar=("SIGNAL", "RULES", "STACK", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        signal, rule_set, stack, source = given.one
        print(json.dumps(list(asdict(measure_here(signal, rule_set, stack, Path(source))).values())))
        return
    facts, _ = harness.begin(peers=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = run_command(folder, given.size or (size("100M") if given.quick else size("2G")))
        told = (
            f"`ottl run` over {run.bytes_in / 1e9:.2f} GB of JSON lines ({run.lines:,} messages of {LINE_ROWS} rows; "
            f"{run.bytes_out / 1e9:.2f} GB came out): peak {run.peak / 1e6:.0f} MB, {run.seconds:.0f} s "
            f"({run.bytes_in / run.seconds / 1e6:.0f} MB a second)."
        )
        print(told, flush=True)
        found = measure_payloads(folder, given.rows)
    what = f"Peak above the interpreter's own, payloads of {given.rows:,} rows, input and output included:"
    text = f"{what}\n\n{payload_table(found)}"
    print(f"\n{text}")
    harness.save("memory", {"machine": facts, "run": run, "payloads": found}, given.json)
    if given.markdown:
        harness.write_section("bench/memory.py", f"{harness.source_line(facts)}\n\n{told}\n\n{text}")
    if run.peak >= LIMIT:
        sys.exit(f"the limit is {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

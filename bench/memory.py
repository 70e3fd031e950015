"""Memory: `python bench/memory.py [--size 2G] [--markdown]`.

Two measurements, each in processes of their own:

- a file of JSON lines (2 GB unless told otherwise; traces, logs and metrics by turns, made in a temporary folder and
  removed) passes through `ottl run`: peak of resident memory, time, and a count of the lines that came out;
- payloads of 8,000 rows pass through `Transform.process`: peak of resident memory above what the process held before,
  and how often the size of payload and result together that is.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def measure_here(signal: str, rule_set: str, stack: str) -> None:
    """Prints payload size, resident memory before and its peak after, in this process; first runs a small payload."""
    import ottl

    one = ottl.Transform(rules.configuration(signal, rule_set), stack=stack)  # type: ignore[arg-type]
    one.process(payloads.MAKERS[signal](64, 1), signal=signal)
    data = Path(sys.stdin.readline().strip()).read_bytes()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = _resident("VmRSS")
    out = one.process(data, signal=signal)
    print(json.dumps([len(data), len(out), before, _resident("VmHWM")]))


def payload_rows(folder: Path) -> list[list[str]]:
    """Lines of the table: every signal, rule set and stack."""
    lines = []
    for signal, sets in rules.STATEMENTS.items():
        source = folder / signal
        source.write_bytes(payloads.MAKERS[signal](ROWS))
        for rule_set in sets:
            if rule_set == "none":
                continue
            cells = [f"{signal}, {rule_set}", f"{source.stat().st_size / 1e6:.1f}"]
            for stack in ("fast", "plain"):
                command = [sys.executable, __file__, "--one", signal, rule_set, stack]
                done = subprocess.run(command, input=f"{source}\n", capture_output=True, text=True, check=True)
                came, went, before, peak = json.loads(done.stdout)
                if stack == "fast":
                    cells.append(f"{went / 1e6:.1f}")
                cells += [f"{(peak - before) / 1e6:.1f}", f"{(peak - before) / (came + went):.1f}"]
            lines.append(cells)
    return lines


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=size, default=size("2G"), help="bytes of the file, K, M or G behind (2G)")
    parser.add_argument("--markdown", action="store_true", help="write the results into docs/performance.md too")
    parser.add_argument("--one", nargs=3, metavar=("SIGNAL", "RULES", "STACK"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure_here(*arguments.one)
        return
    harness.require_native()
    facts = harness.describe()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = run_command(folder, arguments.size)
        told = (
            f"`ottl run` over {run.bytes_in / 1e9:.2f} GB of JSON lines ({run.lines:,} messages of {LINE_ROWS} rows; "
            f"{run.bytes_out / 1e9:.2f} GB came out): peak {run.peak / 1e6:.0f} MB, {run.seconds:.0f} s "
            f"({run.bytes_in / run.seconds / 1e6:.0f} MB a second)."
        )
        print(told, flush=True)
        header = ["rules", "payload, MB", "result, MB", "columns, MB", "times", "rows, MB", "times"]
        table = harness.table(header, payload_rows(folder))
    print(f"\nPeak above what the process held before, payloads of {ROWS:,} rows:\n\n{table}")
    if arguments.markdown:
        what = f"Peak above what the process held before, payloads of {ROWS:,} rows:"
        harness.write_section("bench/memory.py", f"{harness.machine_lines(facts)}\n\n{told}\n\n{what}\n\n{table}")
    if run.peak >= LIMIT:
        sys.exit(f"the limit is {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

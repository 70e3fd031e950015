"""More than one core: `python bench/cores.py [--rows 512] [--megabytes 600] [--rounds 5]`.

- *jobs*: `ottl run --jobs N` over files of length-prefixed protobuf, JSON lines and JSON lines in gzip: the fastest of
  some runs, by turns, and how many times as fast as one process that is; the outputs are compared. `start` is what the
  command takes with no input, `cpu` the seconds of all its processes. `at most` is what as many commands of one process
  reach that run side by side, each on its share of the input: what the machine gives, as nothing holds them together.
  The files lie in memory where there is room.
- *sizes*: messages of few spans and of many, with one job and with two: microseconds a span without the start.
- *threads*: `Transform.process` from several threads of one program, and from as many processes that are handed the
  same payloads, on messages in memory.

With fewer idle cores than jobs the numbers say nothing: the load is printed with them.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ottl
from bench import harness, payloads, rules
from ottl.cli.workers import cores
from ottl.codec import native
from ottl.files import Encoding

RULE_SETS: Final = ("one", "policy", "mixed")
SEEDS: Final = 4


def messages(rows: int, encoding: str) -> list[bytes]:
    """A few payloads of spans."""
    found = [payloads.traces(rows, seed) for seed in range(SEEDS)]
    return [native.to_json(one, "traces", ottl.Limits()) for one in found] if encoding == "json" else found


# -- jobs -----------------------------------------------------------------------------------------------------------


INPUTS: Final = ("in.pb", "in.jsonl", "in.jsonl.gz")


def write_inputs(folder: Path, rows: int, size: int, names: Sequence[str] = INPUTS) -> list[Path]:
    """A file of each format, of about so many bytes before it is compressed."""
    framed = [len(one).to_bytes(4, "big") + one for one in messages(rows, "protobuf")]
    lines = [one + b"\n" for one in messages(rows, "json")]
    found = []
    for name in names:
        parts = framed if name == "in.pb" else lines
        data = b"".join(parts) * max(1, size // sum(map(len, parts)))
        path = folder / name
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        found.append(path)
    return found


def write_config(folder: Path, rule_set: str) -> Path:
    """A file with the rule set."""
    path = folder / f"{rule_set}.yaml"
    path.write_text(json.dumps(rules.configuration("traces", rule_set)), encoding="utf-8")
    return path


def begin_command(config: Path, source: Path, jobs: int) -> tuple[subprocess.Popen[bytes], Path]:
    """A command on its way, and where its output goes."""
    result = source.with_name(f"out{source.name.removeprefix('in').removesuffix('.gz')}")
    command = [sys.executable, "-m", "ottl", "run", str(config), str(source), "-o", str(result), "--jobs", str(jobs)]
    result.unlink(missing_ok=True)
    # As for most users: what was imported once need not be compiled again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(command, cwd=harness.ROOT, env=environment), result


def run_command(config: Path, source: Path, jobs: int) -> tuple[float, float, bytes]:
    """Seconds, seconds of processors, and the output of one run.

    Raises:
        RuntimeError: the command failed.
    """
    start = time.perf_counter()
    process, result = begin_command(config, source, jobs)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"ottl run ended with {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, result.read_bytes()


def run_side_by_side(config: Path, sources: Sequence[Path]) -> float:
    """Seconds of commands of one process each, all at once.

    Raises:
        RuntimeError: one of them failed.
    """
    start = time.perf_counter()
    processes = [begin_command(config, source, 1)[0] for source in sources]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise RuntimeError(f"ottl run ended with {max(codes)}")
    return time.perf_counter() - start


def in_memory(size: int) -> str | None:
    """A folder in memory with room for so many bytes, so that no disk is measured; None where there is none."""
    folder = "/dev/shm"
    return folder if Path(folder).is_dir() and shutil.disk_usage(folder).free > size else None


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def measure_jobs(folder: Path, rule_sets: Sequence[str], rows: int, size: int, rounds: int) -> Iterator[list[str]]:
    """A line for each rule set and format.

    Raises:
        RuntimeError: the outputs differ.
    """
    wanted = sorted({1, 2, cores()})
    run_command(write_config(folder, "one"), write_inputs(folder, rows, 0)[0], 1)  # warms the system's caches
    nothing = folder / "in-nothing.jsonl"
    nothing.write_bytes(b"")
    shares = {
        jobs: [write_inputs(_made(folder / f"{n} of {jobs}"), rows, size // jobs) for n in range(jobs)]
        for jobs in wanted
        if jobs > 1
    }
    for rule_set in rule_sets:
        config = write_config(folder, rule_set)
        for number, source in enumerate(write_inputs(folder, rows, size)):
            best = dict.fromkeys(wanted, math.inf)
            spent = dict.fromkeys(wanted, math.inf)
            apart = dict.fromkeys(wanted, math.inf)
            start = math.inf
            outputs = set()
            for _ in range(rounds):
                start = min(start, run_command(config, nothing, 1)[0])
                for jobs in wanted:
                    seconds, cpu, output = run_command(config, source, jobs)
                    best[jobs], spent[jobs] = min(best[jobs], seconds), min(spent[jobs], cpu)
                    outputs.add(hash(output))
                    if jobs > 1:
                        parts = [share[number] for share in shares[jobs]]
                        apart[jobs] = min(apart[jobs], run_side_by_side(config, parts))
            if len(outputs) != 1:
                raise RuntimeError(f"{rule_set}, {source.name}: outputs differ")
            line = [rule_set, source.name.removeprefix("in."), f"{start:.2f} s"]
            for jobs in wanted:
                line += [f"{best[jobs]:.2f} s", f"{spent[jobs]:.2f} s"]
                if jobs > 1:
                    ratios = (best[1] - start) / (best[jobs] - start), (best[1] - start) / (apart[jobs] - start)
                    line += [f"{best[1] / best[jobs]:.2f}", *(f"{ratio:.2f}" for ratio in ratios)]
            yield line


def jobs_header() -> list[str]:
    """The columns of the table of jobs."""
    header = ["rules", "format", "start"]
    for jobs in sorted({1, 2, cores()}):
        header += [f"--jobs {jobs}", "cpu"]
        if jobs > 1:
            header += ["times", "without start", "at most"]
    return header


SMALL: Final = (1, 10, 64, 512)


def measure_sizes(folder: Path, size: int, rounds: int) -> Iterator[list[str]]:
    """A line for each size of messages and format: microseconds a span with one job and with two, without the start."""
    config = write_config(folder, "one")
    nothing = folder / "in-nothing.jsonl"
    nothing.write_bytes(b"")
    for rows in SMALL:
        for source in write_inputs(folder, rows, size, INPUTS[:2]):
            spans = rows * (source.stat().st_size // max(1, sum(map(len, messages(rows, _encoding(source)))) // SEEDS))
            best = dict.fromkeys((0, 1, 2), math.inf)
            for _ in range(rounds):
                for jobs in best:
                    seconds = run_command(config, source if jobs else nothing, max(1, jobs))[0]
                    best[jobs] = min(best[jobs], seconds)
            micros = [f"{(best[jobs] - best[0]) / spans * 1e6:.2f}" for jobs in (1, 2)]
            yield [str(rows), source.name.removeprefix("in."), *micros]


def _encoding(source: Path) -> str:
    return "protobuf" if source.suffix == ".pb" else "json"


# -- threads --------------------------------------------------------------------------------------------------------


def in_threads(count: int, process: Callable[[bytes], object], work: Sequence[bytes]) -> None:
    """Every payload once, by whichever thread is free."""
    left = iter(work)
    lock = threading.Lock()

    def run() -> None:
        while True:
            with lock:
                payload = next(left, None)
            if payload is None:
                return
            process(payload)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def answer(connection: Any, process: Callable[[bytes], bytes]) -> None:
    """Sends back what becomes of each payload, until an empty one comes; or, for seconds, how often it ran the last."""
    last = b""
    while payload := connection.recv():
        if isinstance(payload, float):
            connection.send(harness.time_for(payload, functools.partial(process, last))[0])
        else:
            last = payload
            connection.send(process(payload))


def ask(connection: Any, payload: bytes) -> None:
    """One payload through a process."""
    connection.send(payload)
    connection.recv()


def at_most(connections: Sequence[Any], payload: bytes, seconds: float) -> float:
    """How many times as fast all processes are as one, each with a payload that it has already."""
    counts = []
    for some in (connections[:1], connections):
        for connection in some:
            ask(connection, payload)
        for connection in some:
            connection.send(seconds)
        counts.append(sum(connection.recv() for connection in some))
    return float(counts[1] / counts[0])


def in_processes(connections: Sequence[Any], work: Sequence[bytes]) -> None:
    """Every payload once, by whichever process is free."""
    left = list(connections)
    lock = threading.Lock()

    def process(payload: bytes) -> None:
        with lock:
            connection = left.pop()
        ask(connection, payload)
        with lock:
            left.append(connection)

    in_threads(len(connections), process, work)


def measure_threads(rule_sets: Sequence[str], rows: int, seconds: float, rounds: int) -> Iterator[list[str]]:
    """A line for each rule set and encoding."""
    count = max(2, cores())
    context = multiprocessing.get_context("fork")
    for rule_set in rule_sets:
        for encoding in ("protobuf", "json"):
            kind: Encoding = "json" if encoding == "json" else "protobuf"
            transform = ottl.Transform(rules.configuration("traces", rule_set))
            process = functools.partial(transform.process, signal="traces", encoding=kind)
            few = messages(rows, encoding)
            once, spent = harness.time_for(seconds / 4, lambda few=few, process=process: [process(p) for p in few])  # type: ignore[misc]
            work = few * max(1, int(seconds * once / spent))
            pipes = [context.Pipe() for _ in range(count)]
            workers = [context.Process(target=answer, args=(theirs, process), daemon=True) for _, theirs in pipes]
            for worker in workers:
                worker.start()
            ours = [one for one, _ in pipes]
            best = dict.fromkeys(("one", "threads", "processes"), math.inf)
            most = 0.0
            for _ in range(rounds):
                for name, run in (
                    ("one", functools.partial(in_threads, 1, process, work)),
                    ("threads", functools.partial(in_threads, count, process, work)),
                    ("processes", functools.partial(in_processes, ours, work)),
                ):
                    start = time.perf_counter()
                    run()
                    best[name] = min(best[name], time.perf_counter() - start)
                most = max(most, at_most(ours, few[0], seconds))
            for one, worker in zip(ours, workers, strict=True):
                one.send(b"")
                worker.join()
            micros = best["one"] / len(work) / rows * 1e6
            times = [f"{best['one'] / best[name]:.2f}" for name in ("threads", "processes")]
            yield [rule_set, encoding, f"{micros:.2f}", *times, f"{most:.2f}"]


def main() -> None:
    """Measures, and prints as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=512, help="spans a message")
    parser.add_argument("--megabytes", type=int, default=600, help="size of the files")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--rules", default=",".join(RULE_SETS), help="rule sets, with commas between")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn of threads")
    parser.add_argument("--markdown", action="store_true", help="write the tables into docs/performance.md too")
    arguments = parser.parse_args()
    rule_sets = arguments.rules.split(",")
    if unknown := set(rule_sets) - set(rules.STATEMENTS["traces"]):
        parser.error(f"no such rules: {', '.join(sorted(unknown))}")
    harness.require_native()
    facts = harness.describe() | {"cores": f"{os.cpu_count()}, of which {cores()} may be used"}
    text = harness.machine_lines(facts)
    print(text, flush=True)
    lines = list(measure_threads(rule_sets, arguments.rows, arguments.seconds, arguments.rounds))
    count = max(2, cores())
    header = [
        "rules",
        "encoding",
        "one thread, µs a span",
        f"{count} threads, times",
        f"{count} processes, times",
        "at most",
    ]
    threads = harness.table(header, lines)
    print(f"\n{threads}\n", flush=True)
    size = arguments.megabytes * 10**6
    with tempfile.TemporaryDirectory(dir=in_memory(10 * size)) as name:
        found = list(measure_jobs(Path(name), rule_sets, arguments.rows, size, arguments.rounds))
        jobs = harness.table(jobs_header(), found)
        print(f"{jobs}\n", flush=True)
        found = list(measure_sizes(Path(name), size // 3, arguments.rounds))
    sizes = harness.table(["spans a message", "format", "--jobs 1, µs a span", "--jobs 2, µs a span"], found)
    print(f"{sizes}\n\nload after: {harness.load():.2f}")
    if arguments.markdown:
        small = f"Files of {arguments.megabytes // 3} MB, rules `one`."
        about = f"Files of {arguments.megabytes} MB before compression, messages of {arguments.rows} spans."
        harness.write_section(
            "bench/cores.py", f"{text}\n\nIn one program:\n\n{threads}\n\n{about}\n\n{jobs}\n\n{small}\n\n{sizes}"
        )


if __name__ == "__main__":
    main()

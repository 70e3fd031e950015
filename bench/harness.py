"""What the benchmarks share: one core, turns and their spread, the machine in words, servers of peers, generated docs.

Contenders take turns, round after round (`rounds`). A turn repeats whole payloads for a while, and gives the seconds
a payload; a number in a table is the median over the rounds, with the smallest and the largest beside it. A ratio is
taken within each round, between neighbours in time, before the median is: what slows the machine slows both.

Every script writes what it measured to `build/bench/<script>.json` too, for `bench/plots.py` and `bench/targets.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "performance.md"
RESULTS: Final = ROOT / "build" / "bench"
REFERENCE_VERSION: Final = "v0.161.0"
BUSY_LOAD: Final = 0.5
SETTLING: Final = 200
"""How often to look whether a server rests, every 30 ms."""

PACKAGES: Final = ("numpy", "protobuf", "google-re2", "orjson")


def begin(*, peers: bool = True) -> tuple[dict[str, str], Reference | None]:
    """Binds to one core and prints the machine: its description, and the reference where it is wanted and there."""
    require_native()
    facts = describe()
    core = pin()
    print(machine_lines(facts))
    print(f"- core: {core}" if core >= 0 else "- core: not bound to one (this system cannot)")
    reference = Reference.start() if peers else None
    if peers and reference is None:
        print("Go is not installed: only ours is measured")
    print(flush=True)
    return facts, reference


def pin() -> int:
    """Binds this process, and those it starts, to one core; its number, -1 where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return -1
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    os.environ["GOMAXPROCS"] = "1"
    return core


def require_native() -> None:
    """Ends the program where the native extension is missing, switched off or built without optimisation."""
    if os.environ.get("OTTL_NATIVE") == "0":
        sys.exit("OTTL_NATIVE=0: nothing to measure without the native extension")
    try:
        from ottl import _native
    except ImportError as error:
        sys.exit(f"the native extension does not import ({error}): build it with `pip install -e .`")
    if not getattr(_native, "OPTIMISED", False):
        sys.exit("the native extension was built without optimisation: build it with `pip install -e .`")


def _first_match(path: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found else None


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def load() -> float:
    """How many processes wanted to run in the last minute."""
    return os.getloadavg()[0]


def resident(field: str) -> int:
    """Bytes of resident memory of this process: now (`VmRSS`) or at most so far (`VmHWM`)."""
    kilobytes = _first_match("/proc/self/status", rf"^{field}:\s+(\d+)")
    assert kilobytes is not None, "this measures where there is /proc"
    return int(kilobytes) * 1024


def describe() -> dict[str, str]:
    """The machine, the commit and the versions."""
    kilobytes = _first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)")
    commit = _output("git", "rev-parse", "--short", "HEAD") or "unknown"
    if _output("git", "status", "--porcelain", "--untracked-files=no", "--", "ottl", "stdlib", "grammar", "bench"):
        commit += " and uncommitted changes"
    return {
        "processor": _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.processor() or "unknown",
        "cores": f"{os.cpu_count()}, of which 1 is used",
        "memory": f"{int(kilobytes) / 2**20:.1f} GiB" if kilobytes else "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
        "reference": f"contrib {REFERENCE_VERSION}, {_output('go', 'version')[11:] or 'no Go here'}",
        "commit": commit,
        "load before": f"{load():.2f}" + ("" if load() < BUSY_LOAD else " (BUSY: the numbers are indicative only)"),
    }


# -- time -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure.

    Args:
        rounds: turns of each contender.
        seconds: length of a turn.
    """

    rounds: int
    seconds: float


FULL: Final = Plan(rounds=5, seconds=0.3)
QUICK: Final = Plan(rounds=3, seconds=0.08)


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several measurements, and how far apart they lie; not numbers where there are none.

    Args:
        median: the middle.
        low: the smallest.
        high: the largest.
    """

    median: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """That of some samples."""
        return cls(statistics.median(samples), min(samples), max(samples)) if samples else cls()

    def times(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def __str__(self) -> str:
        if math.isnan(self.median):
            return "-"
        return f"{number(self.median)} ({number(self.low)}..{number(self.high)})"


def number(value: float) -> str:
    """Three digits of a number, and all digits before the point."""
    if math.isnan(value):
        return "-"
    if value and abs(value) < 0.995:
        return f"{value:.2g}" if abs(value) < 0.0995 else f"{value:.3f}"
    return f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}" if abs(value) < 99.95 else f"{value:,.0f}"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Those of each round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def geometric(columns: Sequence[Sequence[float]]) -> list[float]:
    """The geometric mean of several series, round by round."""
    return [statistics.geometric_mean(values) for values in zip(*columns, strict=True)]


def time_for(seconds: float, run: Callable[[], object], least: int = 1) -> tuple[int, float]:
    """Runs again and again for about so long: how often, and the seconds it took in all."""
    count, total = 0, 0.0
    clock = time.perf_counter
    while count < least or total < seconds:
        start = clock()
        run()
        total += clock() - start
        count += 1
    return count, total


def turn(seconds: float, run: Callable[[], object]) -> float:
    """The seconds that one run takes, in the mean over about so long a time.

    The first one does not count, as in a turn of the reference: caches are another contender's, and memory that lay
    free since the last turn may have gone back to whoever runs this machine.
    """
    run()
    count, total = time_for(seconds, run)
    return total / count


def rounds(contenders: Mapping[str, Callable[[], Any]], count: int) -> dict[str, list[Any]]:
    """What each contender says of each of its turns; they take turns in the order given."""
    found: dict[str, list[Any]] = {name: [] for name in contenders}
    for _ in range(count):
        for name, take in contenders.items():
            found[name].append(take())
    return found


# -- peers ----------------------------------------------------------------------------------------------------------


class Server:
    """A program of a peer that measures: a line of JSON in is a request, a line out its result."""

    def __init__(self, name: str, binary: Path) -> None:
        self._name = name
        self._process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The result of one measurement.

        Raises:
            RuntimeError: what the program says went wrong.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        if result.get("error"):
            raise RuntimeError(f"{self._name}: {result['error']}")
        self._settle()
        return result

    def _settle(self) -> None:
        """Waits until the program rests: its garbage collector may go on behind the answer, on the core we share."""
        spent = ""
        for _ in range(SETTLING):
            fields = _first_match(f"/proc/{self._process.pid}/stat", r"\) \S (.*)")
            before, spent = spent, " ".join((fields or "").split()[10:12])
            if spent == before:
                return
            time.sleep(0.03)

    def stop(self) -> None:
        """Ends the program."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Reference(Server):
    """The collector's processors, served by the Go program in `bench/reference` (requests and results: there)."""

    @classmethod
    def start(cls) -> Reference | None:
        """Builds and starts the server; None where there is no Go to build it with."""
        if shutil.which("go") is None:
            return None
        binary = ROOT / "build" / "reference"
        binary.parent.mkdir(exist_ok=True)
        subprocess.run(["go", "build", "-o", binary, "."], cwd=ROOT / "bench" / "reference", check=True)
        return cls("the reference", binary)


class Vrl(Server):
    """Vector's language, served by the Rust program in `bench/vrl` (requests and results: there)."""

    @classmethod
    def start(cls) -> Vrl | None:
        """Builds, which takes minutes the first time, and starts; None where there is no Cargo to build it with."""
        if shutil.which("cargo") is None:
            return None
        target = ROOT / "build" / "vrl"
        command = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", str(target)]
        subprocess.run(command, cwd=ROOT / "bench" / "vrl", check=True)
        return cls("vrl", target / "release" / "vrl-bench")


# -- showing --------------------------------------------------------------------------------------------------------


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The options that all scripts have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short turns: for a look, not for a record")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the measurements to this file")
    parser.add_argument("--markdown", action="store_true", help="write the results into docs/performance.md too")
    return parser


def plain(value: Any) -> Any:
    """The value with numbers that are none as null, for JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def save(name: str, found: dict[str, Any], path: Path | None = None) -> None:
    """Keeps the measurements of a script for the pictures and the table of targets."""
    path = path or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(found), indent=1) + "\n", encoding="utf-8")


def saved(name: str) -> dict[str, Any] | None:
    """What a script measured last; None where it has not."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in markdown, its first column to the left, the others to the right."""
    widths = [max(3, *(len(line[n]) for line in (header, *rows))) for n in range(len(header))]
    lines = [header, ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])], *rows]
    return "\n".join(
        "| "
        + " | ".join(c.ljust(w) if n == 0 else c.rjust(w) for n, (c, w) in enumerate(zip(line, widths, strict=True)))
        + " |"
        for line in lines
    )


def machine_lines(facts: dict[str, str]) -> str:
    """The facts of `describe` as a list in markdown."""
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def source_line(facts: dict[str, str]) -> str:
    """Where the numbers of a section come from, in one line of markdown."""
    return f"*{facts['processor']}, one core; commit {facts['commit']}; load before: {facts['load before']}*"


def write_section(name: str, text: str) -> None:
    """Puts a text between the marks of a generated section of docs/performance.md.

    Raises:
        ValueError: the page has no such section.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{PAGE.name} has no section {name!r}")
    PAGE.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")

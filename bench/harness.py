"""What the benchmarks share: one core, the machine in words, the reference's server, generated sections of docs."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "performance.md"
REFERENCE_VERSION: Final = "v0.161.0"
BUSY_LOAD: Final = 0.5
PACKAGES: Final = ("numpy", "protobuf", "google-re2", "orjson")


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


class Reference:
    """The collector's processors, served by the Go program in `bench/reference` (requests and results: there)."""

    def __init__(self, binary: Path) -> None:
        self._process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def start(cls) -> Reference | None:
        """Builds and starts the server; None where there is no Go to build it with."""
        if shutil.which("go") is None:
            return None
        binary = ROOT / "build" / "reference"
        binary.parent.mkdir(exist_ok=True)
        subprocess.run(["go", "build", "-o", binary, "."], cwd=ROOT / "bench" / "reference", check=True)
        return cls(binary)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The result of one measurement.

        Raises:
            RuntimeError: what the reference says went wrong.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        if result.get("error"):
            raise RuntimeError(f"the reference: {result['error']}")
        return result

    def stop(self) -> None:
        """Ends the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


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

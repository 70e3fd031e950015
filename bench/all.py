"""All measurements, one after the other, then the pictures and docs/performance.md: `python bench/all.py [--quick]`.

Builds the programs of the peers first. The whole takes about half an hour on an idle machine (and some more the first
time, for VRL), with `--quick` a third of that. `bench/analysis.py`, whose payloads are huge, is run by itself. A script
that fails does not stop the others; which did is said at the end, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import harness

QUICK: Final = ("--quick",)
SCRIPTS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "run": ((), QUICK),
    "encoding": ((), QUICK),
    "latency": ((), QUICK),
    "peers": ((), QUICK),
    "scaling": ((), QUICK),
    "floors": ((), QUICK),
    "functions": ((), QUICK),
    "forms": ((), QUICK),
    "memory": (("--size", "1G"), QUICK),
    "cores": (("--rounds", "3"), ("--rounds", "1", "--megabytes", "10", "--seconds", "0.1")),
    "soak": ((), QUICK),
    "targets": ((), ()),
    "plots": ((), ()),
}
"""Script to its options for a record and for a look; the last two read what the others measured."""


def main() -> None:
    """Runs them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short turns: for a look, not for a record")
    parser.add_argument("--only", metavar="NAMES", help="which scripts, with commas between")
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else list(SCRIPTS)
    if unknown := [name for name in chosen if name not in SCRIPTS]:
        sys.exit(f"no such script: {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")
    for build in (harness.Reference.start, harness.Vrl.start):
        server: harness.Server | None = build()
        if server is not None:
            server.stop()
    failed = []
    for name in chosen:
        command = [sys.executable, str(harness.ROOT / "bench" / f"{name}.py"), "--markdown"]
        command += SCRIPTS[name][given.quick]
        print(f"== {name}", flush=True)
        start = time.perf_counter()
        if subprocess.run(command, cwd=harness.ROOT, check=False).returncode:
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - start:.0f} s\n", flush=True)
    if failed:
        sys.exit(f"not as they should be: {', '.join(failed)}")


if __name__ == "__main__":
    main()

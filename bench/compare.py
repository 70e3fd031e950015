"""Two commits against each other: `python bench/compare.py BASE [HEAD] [--quick] [--fail]`.

Each commit gets a worktree and a virtual environment of its own below a cache folder (`build/compare`; the first time
takes minutes, because the extension is built). Both sides then run the same rule sets (`bench/rules.py`) over the same
payloads (`bench/payloads.py`) in processes of their own, one at a time and on one core.

A *pair* is a fresh process of each side: every case is run by both in turns, the fastest run of each counts, and the
pair's ratio is HEAD's time over BASE's. Processes are made anew for each pair because where things lie in memory
makes a process faster or slower for all its life, and both get the same seed for hashes. What is shown is the median
over the pairs with an interval that holds it with 95 % confidence for all cases together (order statistics, as in the
sign test: nothing is assumed about the noise). A case is slower or faster where its interval lies on one side of 1.

With `--fail` the exit code is 1 if a case is slower, outside the noise, by more than `--threshold` per cent, if one
fails in HEAD alone, or if outputs differ.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import harness, payloads, rules

CACHE: Final = harness.ROOT / "build" / "compare"
WORKER: Final = Path(__file__).with_name("compare_worker.py")
CONFIDENCE: Final = 0.95
TURNS: Final = 3

Verdict = Literal["faster", "slower", "no change"]


# -- statistics -----------------------------------------------------------------------------------------------------


def median_interval(values: Sequence[float], doubt: float) -> tuple[float, float]:
    """Bounds that hold the median of what the values were drawn from, but for a doubt of at most so much.

    Args:
        values: independent draws.
        doubt: probability that it lies outside; with too few values for it, the bounds are infinite.

    Source: the interval of the sign test, from order statistics.
    """
    ordered = sorted(values)
    count = len(ordered)
    outside, tail = -1, 0.0
    while outside + 1 < count:
        tail += math.comb(count, outside + 1) / 2**count
        if 2 * tail > doubt:
            break
        outside += 1
    if outside < 0:
        return -math.inf, math.inf
    return ordered[outside], ordered[count - 1 - outside]


def verdict(low: float, high: float) -> Verdict:
    """What an interval of ratios says."""
    return "slower" if low > 1 else "faster" if high < 1 else "no change"


# -- the two sides --------------------------------------------------------------------------------------------------


def git(*arguments: str) -> str:
    """What git prints.

    Raises:
        SystemExit: git refuses, with what it says.
    """
    done = subprocess.run(["git", *arguments], cwd=harness.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout.strip()


def resolve(name: str) -> str:
    """The full name of a commit.

    Raises:
        SystemExit: there is none.
    """
    command = ["git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"]
    done = subprocess.run(command, cwd=harness.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"expected a commit, got {name}")
    return done.stdout.strip()


def build(commit: str, cache: Path) -> Path:
    """The Python of a commit's environment, made where it is not there yet.

    Raises:
        SystemExit: it cannot be built.
    """
    folder = cache / commit
    python = folder / "venv" / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python
    print(f"building {commit[:12]} in {folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tree").exists():
        git("worktree", "add", "--detach", "--force", str(folder / "tree"), commit)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        install: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "-e",
            folder / "tree",
        ]
        subprocess.run(install, check=True)
        subprocess.run([python, "-c", "from ottl import _native; assert _native.OPTIMISED"], cwd=folder, check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{commit[:12]} cannot be built: {error}")
    ready.touch()
    return python


def clean(cache: Path) -> None:
    """Removes all worktrees and environments."""
    for folder in cache.iterdir() if cache.exists() else ():
        git("worktree", "remove", "--force", str(folder / "tree"))
        subprocess.run(["rm", "-rf", folder], check=True)


class Side:
    """A process with one commit's `ottl`."""

    def __init__(self, python: Path, seed: int) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OTTL_"))}
        environment["PYTHONHASHSEED"] = str(seed)
        self._process = subprocess.Popen(
            [python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        home = self._answer()["home"]
        if not Path(home).is_relative_to(python.parent.parent.parent):
            raise RuntimeError(f"{python} runs the ottl of {home}")

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Ends the process."""
        self._process.communicate("\n")


# -- cases ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Case:
    """A rule set over a payload, and what has been measured.

    Args:
        signal: `traces`, `logs` or `metrics`.
        rule_set: name in `rules.STATEMENTS`.
        encoding: `protobuf` or `json`.
        rows: of the payload.
        base: nanoseconds of a payload, for each pair.
        head: the same.
        error: why it cannot be measured.
        differs: the outputs are not the same bytes.
    """

    signal: str
    rule_set: str
    encoding: str
    rows: int
    base: list[int] = field(default_factory=list)
    head: list[int] = field(default_factory=list)
    error: str = ""
    differs: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.signal}, {self.rule_set}, {self.encoding}, {self.rows:,} rows"

    @property
    def ratios(self) -> list[float]:
        """HEAD's time over BASE's, for each pair."""
        return [head / base for base, head in zip(self.base, self.head, strict=True)]


def cases_of(signals: Sequence[str], sizes: Sequence[int]) -> list[Case]:
    """All rule sets that do something in protobuf, and one for each signal in JSON."""
    return [
        Case(signal, rule_set, encoding, rows)
        for signal in signals
        for rule_set in rules.STATEMENTS[signal]
        for encoding in ("protobuf", "json")
        for rows in sizes
        if rule_set != "none" and (encoding == "protobuf" or rule_set == "policy")
    ]


def write_payloads(cases: Sequence[Case], folder: Path) -> dict[tuple[str, str, int], Path]:
    """A file for each signal, encoding and number of rows."""
    from ottl import Limits
    from ottl.codec import native

    found: dict[tuple[str, str, int], Path] = {}
    for case in cases:
        key = case.signal, case.encoding, case.rows
        if key in found:
            continue
        data = payloads.MAKERS[case.signal](case.rows)
        found[key] = folder / "-".join(map(str, key))
        found[key].write_bytes(native.to_json(data, case.signal, Limits()) if case.encoding == "json" else data)
    return found


def measure_pair(
    number: int, pythons: tuple[Path, Path], cases: Sequence[Case], files: dict[tuple[str, str, int], Path], ns: float
) -> None:
    """A fresh process of each side; adds a pair to every case."""
    sides = [Side(python, number) for python in pythons]
    for at, case in enumerate(cases):
        if case.error:
            continue
        name = str(at)
        config = rules.configuration(case.signal, case.rule_set)
        payload = str(files[case.signal, case.encoding, case.rows])
        request = {"case": name, "config": config, "signal": case.signal, "encoding": case.encoding, "payload": payload}
        answers = [side.ask(**request) for side in sides]
        errors = [answer.get("error") for answer in answers]
        if any(errors):
            case.error = f"{'BASE' if errors[0] else 'HEAD'} fails: {errors[0] or errors[1]}"
            continue
        case.differs = case.differs or answers[0]["digest"] != answers[1]["digest"]
        once = max(side.ask(case=name, count=2)["ns"] for side in sides)
        count = max(1, int(ns / TURNS / once))
        best = [1 << 62, 1 << 62]
        for turn in range(TURNS):
            # Neither side always goes first.
            for which in (0, 1) if (turn + number) % 2 else (1, 0):
                best[which] = min(best[which], sides[which].ask(case=name, count=count)["ns"])
        case.base.append(best[0])
        case.head.append(best[1])
    for side in sides:
        side.stop()


# -- showing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """What is said about a case.

    Args:
        name: of the case.
        base: microseconds a row, median over the pairs.
        head: the same.
        ratio: HEAD's time over BASE's, median over the pairs.
        low: of the interval of the ratio.
        high: of the interval of the ratio.
        verdict: what that says.
        error: why there is nothing to say.
        differs: the outputs are not the same bytes.
    """

    name: str
    base: float
    head: float
    ratio: float
    low: float
    high: float
    verdict: str
    error: str = ""
    differs: bool = False


def judge(case: Case, count: int) -> Result:
    """What is said about a case, one of so many."""
    if case.error:
        return Result(case.name, math.nan, math.nan, math.nan, math.nan, math.nan, case.error, case.error)
    low, high = median_interval(case.ratios, (1 - CONFIDENCE) / count)
    base, head = (statistics.median(times) / case.rows / 1e3 for times in (case.base, case.head))
    ratio = statistics.median(case.ratios)
    return Result(case.name, base, head, ratio, low, high, verdict(low, high), differs=case.differs)


def shown(results: Sequence[Result]) -> str:
    """The results as a table."""
    lines = []
    for result in results:
        if result.error:
            lines.append([result.name, "-", "-", "-", "-", result.error])
            continue
        interval = f"{result.low:.3f} to {result.high:.3f}"
        said = result.verdict + (", other output" if result.differs else "")
        lines.append([result.name, f"{result.base:.3f}", f"{result.head:.3f}", f"{result.ratio:.3f}", interval, said])
    return harness.table(["case", "BASE, µs a row", "HEAD", "ratio", "interval", "verdict"], lines)


def failures(results: Sequence[Result], threshold: float) -> list[str]:
    """What `--fail` fails for."""
    found = []
    for result in results:
        if result.error.startswith("HEAD"):
            found.append(f"{result.name}: {result.error}")
        elif result.verdict == "slower" and result.ratio > 1 + threshold / 100:
            found.append(f"{result.name}: slower by {100 * (result.ratio - 1):.1f} %")
        elif result.differs:
            found.append(f"{result.name}: other output")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", metavar="BASE", help="a commit")
    parser.add_argument("head", nargs="?", metavar="HEAD", default="HEAD", help="another one; by default HEAD")
    parser.add_argument("--signals", default="traces,logs,metrics", help="which signals, with commas between")
    parser.add_argument("--rows", default="16,512", help="rows a payload, with commas between")
    parser.add_argument("--pairs", type=int, default=15, help="how many pairs of processes")
    parser.add_argument("--seconds", type=float, default=0.06, help="time of a case and side in a pair")
    parser.add_argument("--quick", action="store_true", help="traces of 512 rows, 10 pairs")
    parser.add_argument("--threshold", type=float, default=5, metavar="PERCENT", help="what --fail allows (5)")
    parser.add_argument("--fail", action="store_true", help="exit 1 when something got slower")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file too")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where commits are built")
    parser.add_argument("--clean", action="store_true", help="remove what was built, and do nothing else")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.signals, arguments.rows, arguments.pairs = "traces", "512", 10
    if not arguments.clean and arguments.base is None:
        parser.error("give BASE")
    unknown = [signal for signal in arguments.signals.split(",") if signal not in rules.STATEMENTS]
    if unknown:
        parser.error(f"no such signal: {', '.join(unknown)}")
    return arguments


def main() -> int:
    """Builds, measures and prints; the exit code."""
    arguments = _arguments()
    if arguments.clean:
        clean(arguments.cache)
        return 0
    commits = [resolve(name) for name in (arguments.base, arguments.head)]
    harness.require_native()
    cases = cases_of(arguments.signals.split(","), [int(rows) for rows in arguments.rows.split(",")])
    least = math.ceil(1 - math.log2((1 - CONFIDENCE) / len(cases)))
    if arguments.pairs < least:
        sys.exit(f"{len(cases)} cases need at least {least} pairs to say anything, got {arguments.pairs}")
    base, head = (build(commit, arguments.cache.resolve()) for commit in commits)
    facts = harness.describe()
    del facts["commit"]
    harness.pin()
    names = [f"{commit[:12]} ({git('show', '-s', '--format=%s', commit)[:60]})" for commit in commits]
    print(f"- BASE: {names[0]}\n- HEAD: {names[1]}\n{harness.machine_lines(facts)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        files = write_payloads(cases, Path(name))
        for number in range(arguments.pairs):
            measure_pair(number, (base, head), cases, files, arguments.seconds * 1e9)
            print(f"\rpair {number + 1} of {arguments.pairs}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    results = [judge(case, len(cases)) for case in cases]
    print(f"\n{shown(results)}\n")
    found = [result.verdict for result in results if not result.error]
    print(", ".join(f"{found.count(said)} {said}" for said in ("slower", "faster", "no change")))
    if arguments.json:
        text = json.dumps({"commits": commits, "machine": facts, "results": [asdict(result) for result in results]})
        Path(arguments.json).write_text(
            text.replace("NaN", "null").replace("Infinity", "null") + "\n", encoding="utf-8"
        )
    if not arguments.fail:
        return 0
    wrong = failures(results, arguments.threshold)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

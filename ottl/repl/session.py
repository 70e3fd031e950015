"""What a session answers: statements, value expressions, conditions and commands in, text out.

A session knows no terminal. What is typed acts on the current record, or on all that are selected after `:all`. A
statement on one record runs on a payload that holds nothing else; on all, whole messages run, as `ottl run` would run
them. Nothing is kept of what fails or is interrupted: a change is taken over when everything has worked.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import ottl
from ottl import ast, files, parser
from ottl.binder import nearest
from ottl.codec import Limits, messages
from ottl.configuration import script_actions, standard_functions
from ottl.dialect import converter_name, parse_script
from ottl.errors import ConfigError, Error, StatementError
from ottl.functions import FunctionSet
from ottl.pages import PAGES, render
from ottl.reference import describe as describe_function
from ottl.reference import find, shown
from ottl.repl.data import LEVELS, Data, Place, read
from ottl.repl.difference import Change, changes, describe, flatten
from ottl.source import LocatedText, Source
from ottl.types import kind_of
from ottl.vm.extract import alone
from ottl.vm.messages import Row, walk

__all__ = ["COMMANDS", "Command", "Session"]

_SHOWN_ROWS = 20
_SHOWN_CHANGES = 3
_WIDEST = 100

# Contexts of which one record holds several rows.
_INNER: Final = frozenset({"spanevent", "datapoint", "exemplar", "profilesample"})

_STYLES: Final = {
    "+": "\x1b[32m",
    "-": "\x1b[31m",
    "~": "\x1b[35m",
    "path": "\x1b[36m",
    "head": "\x1b[1m",
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;35m",
}
_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the REPL.

    Args:
        name: without its colon; also the name of the method of `Session`.
        usage: what may follow.
        help: what it does.
        short: another name.
    """

    name: str
    usage: str
    help: str
    short: str = ""


COMMANDS: Final = (
    Command("help", "[NAME]", "this list; a command, a function or a diagnostic code", "h"),
    Command("show", "", "the current record, path by path", "s"),
    Command("next", "[N]", "the next selected record", "n"),
    Command("prev", "[N]", "the previous one", "p"),
    Command("go", "N", "record number N of those selected", "g"),
    Command("list", "[N]", "the selected records around the current one", "l"),
    Command("where", "[CONDITION]", "select the records on which a condition holds; without one, all", "w"),
    Command("all", "", "from now on act on all selected records", "a"),
    Command("one", "", "from now on act on the current record only", "o"),
    Command("undo", "[N]", "take back the last change, or the last N", "u"),
    Command("explain", "[STATEMENT]", "how a statement is run; without one, the last", "e"),
    Command("functions", "[TEXT]", "the functions, or those with TEXT in their name or summary", "f"),
    Command("rules", "", "the statements that changed something, as a script", "r"),
    Command("save", "FILE", "write the records, or to a name that ends in .ottl the statements"),
    Command("open", "[FILE]", "load other data; without a name the built-in sample"),
    Command("quit", "", "leave; Ctrl-D does too", "q"),
)


@dataclass(slots=True)
class Session:
    """A session over some data.

    Args:
        data: the records.
        name: of the file they came from.
        color: whether answers have ANSI colours.
        limits: bounds on messages.
        keywords: for `ottl.compile`, besides the limits.
        load: reads a file for `:open`, by its name; None for the sample.
    """

    data: Data
    name: str = "sample"
    color: bool = False
    limits: Limits = field(default_factory=Limits)
    keywords: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[str | None], Data] | None = None
    done: bool = False
    every: bool = False
    at: int = 0
    condition: str = ""
    statements: list[str] = field(default_factory=list)
    last: str = ""
    functions: FunctionSet = field(default_factory=lambda: script_actions().union(standard_functions()))
    _selected: list[Place] | None = None

    # -- what is selected ---------------------------------------------------------------------------------------------

    @property
    def selected(self) -> Sequence[Place]:
        """The selected records."""
        return self.data.places if self._selected is None else self._selected

    @property
    def current(self) -> Place | None:
        """The current record; None where none is selected."""
        found = self.selected
        return found[min(self.at, len(found) - 1)] if found else None

    @property
    def prompt(self) -> str:
        """What stands in front of what is typed."""
        if self.current is None:
            return "no records> "
        if self.every:
            return f"all {len(self.selected)}> "
        return f"{self.data.level(self.current)} {self.at + 1}/{len(self.selected)}> "

    @property
    def status(self) -> str:
        """A line about the session."""
        counts = Counter(self.data.level(place) for place in self.data.places)
        names = {"log": "log record"}
        parts = [f"{n} {names.get(level, level)}{'s' if n != 1 else ''}" for level, n in counts.items()]
        found = [Path(self.name).name, ", ".join(parts) or "no records"]
        if self.condition:
            found.append(f"where {self.condition} ({len(self.selected)})")
        if self.data.undoable:
            found.append(f"{self.data.undoable} to undo")
        return "  |  ".join(found)

    # -- answers ------------------------------------------------------------------------------------------------------

    def answer(self, text: str) -> str:
        """What the session says to a text; the session is as before if it fails.

        Raises:
            Error: what was typed is wrong, or failed.
            OSError: a file cannot be read or written.
        """
        text = text.strip()
        if not text:
            return ""
        if text.startswith(":"):
            return self._command(text)
        if self.current is None:
            return "no records are selected: `:where` alone selects all, `:open FILE` loads others"
        kind = self._kind(text)
        if kind == "value":
            return self._evaluate(text)
        if kind == "condition":
            return self._decide(text)
        return self._run(text)

    def complain(self, error: BaseException) -> str:
        """An error as text."""
        if isinstance(error, ConfigError):
            return "\n".join(diagnostic.render(self.color) for diagnostic in error.diagnostics)
        return f"{self._paint('error', 'error')}: {error}"

    def greeting(self) -> str:
        """The first lines."""
        return f"{self._paint(f'ottl {ottl.__version__}', 'head')}  {self.status}\n:help lists the commands"

    def _paint(self, text: str, style: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self.color else text

    def _kind(self, text: str) -> str:
        """What a text is: a statement, a value or a condition.

        Raises:
            ConfigError: it is none of them; the finding is the one furthest in the text.
        """
        source = Source(text, "<repl>")
        script, findings = parse_script(source)
        failures = [finding for finding in findings if finding.severity == "error"]
        if not failures and not self._converts(script):
            return "statement"
        for start in ("value", "condition"):
            try:
                tree = parser.parse_part(source, start)
            except ConfigError as error:
                failures += error.diagnostics
            else:
                if not any(isinstance(node, ast.Call) and self._edits(node.name) for node in ast.walk(tree)):
                    return start
        best = max(failures, key=lambda failure: failure.range.start if failure.range is not None else -1)
        raise ConfigError([best])

    def _converts(self, script: ast.Script) -> bool:
        """Whether what looks like a statement is the call of a converter in lower case."""
        statements = [statement for block in script.blocks for statement in block.statements]
        if len(statements) != 1 or statements[0].condition is not None or script.blocks[0].condition is not None:
            return False
        name = statements[0].editor.name
        return not self._edits(name) and converter_name(name, self.functions) is not None

    def _edits(self, name: str) -> bool:
        function = self.functions.get(name)
        return function is not None and function.editor

    def _compile(self, make: Callable[..., Any], text: str) -> Any:
        """A program, in the context that its paths name, or else in that of the current record."""
        keywords = {**self.keywords, "limits": self.limits}
        text = LocatedText(text, "<repl>", 1, 1)
        try:
            return make(text, **keywords)
        except ConfigError as error:
            if all(d.code != "E208" for d in error.diagnostics) or self.current is None:
                raise
            try:
                return make(text, context=self.data.level(self.current), **keywords)
            except ConfigError as other:
                raise other from None

    # -- statements ---------------------------------------------------------------------------------------------------

    def _run(self, text: str) -> str:
        program: ottl.Program = self._compile(ottl.compile, text)
        self.last = text
        places = list(self.selected) if self.every else [self.current] if self.current is not None else []
        wanted = [place for place in places if self.data.signal(place) in program.signals]
        lines = [diagnostic.render(self.color) for diagnostic in program.diagnostics]
        if not wanted:
            here = sorted({self.data.level(place) for place in places})
            lines.append(
                f"it runs on {', '.join(sorted(program.signals)) or 'nothing'}; this is a {' and '.join(here)}"
            )
            return "\n".join(lines)
        begun = time.perf_counter()
        routed: Counter[str] = Counter()
        whole = self._sees_traces(text)
        if whole:
            changed = self._run_traces(program, wanted)
        elif not self.every or self._selected is not None:
            changed = self._run_each(program, wanted, routed)
        else:
            changed = {
                number: self._process(program, self.data.payloads[number], self.data.signals[number], routed)
                for number in dict.fromkeys(place.message for place in wanted)
            }
        elapsed = time.perf_counter() - begun
        changed = {n: payload for n, payload in changed.items() if payload != self.data.payloads[n]}
        report = self._compare(changed)
        if whole:  # the statistics count spans of the traces that are not meant
            lines += self._errors(program)
        else:
            lines += self._counts(program, routed, elapsed) if self.every or not report else self._errors(program)
        if changed and report:
            lines += report
            self.data.replace(text, changed)
            self.statements.append(text)
            self._after_change()
        elif not self.every:
            lines = lines or ["nothing changed"]
        return "\n".join(lines)

    def _run_each(self, program: ottl.Program, places: Sequence[Place], routed: Counter[str]) -> dict[int, bytes]:
        """Some records, each alone; the messages that hold them, changed."""
        made: dict[int, dict[int, bytes]] = {}
        for place in places:
            before = self.data.alone(place)
            found = self._process(program, before, self.data.signal(place), routed)
            if found != before:
                made.setdefault(place.message, {})[place.row] = found
        return {number: self.data.with_records(number, changed) for number, changed in made.items()}

    def _run_traces(self, program: ottl.Program, places: Sequence[Place]) -> dict[int, bytes]:
        """Some spans, each among all spans of its trace, of which only those that are meant are taken over."""
        made: dict[int, dict[int, bytes]] = {}
        traces = self._traces()
        wanted: dict[bytes, list[Place]] = {}
        for place in places:
            wanted.setdefault(self._trace(place), []).append(place)
        for trace, meant in wanted.items():
            signal, level = self.data.signal(meant[0]), self.data.level(meant[0])
            payload = b"".join(self.data.alone(place) for place in traces.get(trace, meant))
            output = self._process(program, payload, signal, Counter())
            root = messages.decode(output, signal, "protobuf", self.limits)
            rows = {_key(row, level): row for row in walk(root, signal, level)}
            for place in meant:
                row = rows.get(_key(self.data.row(place), level))
                found = messages.encode(alone(row, signal, level), signal) if row is not None else b""
                if found != self.data.alone(place):
                    made.setdefault(place.message, {})[place.row] = found
        return {number: self.data.with_records(number, changed) for number, changed in made.items()}

    def _trace(self, place: Place) -> bytes:
        """The trace of a span; something of its own for another record."""
        if self.data.level(place) == "span":
            return bytes(self.data.row(place).span.trace_id)
        return repr(place).encode()

    def _traces(self) -> dict[bytes, list[Place]]:
        """All spans by their traces."""
        found: dict[bytes, list[Place]] = {}
        for place in self.data.places:
            if self.data.level(place) == "span":
                found.setdefault(self._trace(place), []).append(place)
        return found

    def _sees_traces(self, text: str) -> bool:
        """Whether a function in a text looks at whole traces."""
        names = set(re.findall(r"[A-Za-z_]\w*(?=\s*\()", text))
        known = {converter_name(name, self.functions) or name for name in names}
        return any(getattr(self.functions.get(name), "over", None) == "trace" for name in known)

    def _process(self, program: ottl.Program, payload: bytes, signal: str, routed: Counter[str]) -> bytes:
        if not program.routes:
            return program.process(payload, signal=signal)
        outputs = program.run_routes(payload, signal=signal)
        for name, output in outputs.items():
            if name is not None and output:
                root = messages.decode(output, signal, "protobuf", self.limits)
                routed[name] += sum(1 for _ in walk(root, signal, LEVELS[signal]))
        return outputs.get(None, b"")

    def _errors(self, program: ottl.Program) -> list[str]:
        return [
            f"{self._paint('failed', 'error')}: {stat.first_error}"
            + (f" ({stat.errors} records)" if stat.errors > 1 else "")
            for stat in program.stats()
            if stat.errors
        ]

    def _counts(self, program: ottl.Program, routed: Mapping[str, int], elapsed: float) -> list[str]:
        lines = []
        several = len(program.stats()) > 1
        for stat in program.stats():
            if stat.matched or stat.errors:
                name = f"{' '.join(stat.statement.split())}: " if several else ""
                lines.append(f"{name}{stat.matched} matched, {stat.changed} changed, {stat.errors} failed")
        lines += [f"{count} routed to {name}" for name, count in sorted(routed.items())]
        if not lines:
            lines.append("no record matches" if self.every else "no match, nothing has changed")
        elif self.every:
            lines[-1] += f"  ({elapsed * 1000:.0f} ms)"
        return lines + self._errors(program)

    def _compare(self, changed: Mapping[int, bytes]) -> list[str]:
        """What is different between the messages as they are and new ones."""
        groups: dict[tuple[Change, ...], list[str]] = {}
        loose: list[str] = []
        for number, payload in changed.items():
            signal = self.data.signals[number]
            level = LEVELS[signal]
            before = self.data.rows(number)
            root = messages.decode(payload, signal, "protobuf", self.limits)
            after = list(walk(root, signal, level))
            for old, new in _paired(before, after, level):
                if old is None or new is None:
                    loose.append(self._gone(old, level, "-") if old is not None else self._gone(new, level, "+"))
                elif found := changes(flatten(old, level), flatten(new, level)):
                    groups.setdefault(tuple(found), []).append(f"{level} {describe(old, level)}")
        lines = []
        for found_changes, records in list(groups.items())[:_SHOWN_CHANGES]:
            if self.every or len(groups) > 1:
                more = f" and {len(records) - 1} more" if len(records) > 1 else ""
                lines.append(self._paint(_cut(records[0]) + more, "head"))
            lines += [self._change(change) for change in found_changes]
        hidden = sum(len(records) for records in list(groups.values())[_SHOWN_CHANGES:])
        if hidden:
            lines.append(f"... {hidden} more records with other changes")
        lines += loose[:_SHOWN_ROWS]
        if len(loose) > _SHOWN_ROWS:
            lines.append(f"... {len(loose) - _SHOWN_ROWS} more")
        return lines

    def _gone(self, row: Row | None, level: str, sign: str) -> str:
        assert row is not None
        return self._paint(f"{sign} {level} {_cut(describe(row, level))}", sign)

    def _change(self, change: Change) -> str:
        if change.before is None:
            text = f"{change.path}: {_cut(change.after or '')}"
        elif change.after is None:
            text = f"{change.path}: {_cut(change.before)}"
        else:
            text = f"{change.path}: {_cut(change.before)} -> {_cut(change.after)}"
        return self._paint(f"{change.sign} {text}", change.sign)

    def _after_change(self) -> None:
        """Keeps the current record and the selection as near as possible to where they were."""
        if self._selected is not None:
            # The condition may hold elsewhere now; the selection is what it was, as far as it is there.
            there = set(self.data.places)
            self._selected = [place for place in self._selected if place in there]
        self.at = max(0, min(self.at, len(self.selected) - 1))

    # -- values and conditions ----------------------------------------------------------------------------------------

    def _evaluate(self, text: str) -> str:
        program = self._compile(ottl.compile_value, text)
        found, failed = self._values(program, text)
        if not self.every:
            if failed:
                raise StatementError(failed[0][1])
            lines = [self._value(value) for _, _, value in found]
            if len(lines) > 1:
                lines = [f"{program.context}[{number}]  {line}" for number, line in enumerate(lines)]
            return "\n".join(lines) or f"no {program.context} here"
        lines = []
        if len(found) <= _SHOWN_ROWS:
            for place, number, value in found:
                label = f"{self.data.level(place)} {_cut(self._label(place), 30)}"
                inner = f" {program.context}[{number}]" if program.context in _INNER else ""
                lines.append(f"{label}{inner}  {self._value(value)}")
        else:
            counted = Counter(self._value(value) for _, _, value in found)
            width = len(f"{counted.most_common(1)[0][1]}")
            lines += [f"{count:{width}}  {value}" for value, count in counted.most_common(_SHOWN_ROWS)]
            if len(counted) > _SHOWN_ROWS:
                lines.append(f"... {len(counted) - _SHOWN_ROWS} other values")
        return "\n".join([*lines, *self._failures(failed)]) or f"no {program.context} here"

    def _decide(self, text: str) -> str:
        program = self._compile(ottl.compile_condition, text)
        found, failed = self._values(program, text)
        holds = sum(bool(value) for _, _, value in found)
        if not self.every:
            if failed:
                raise StatementError(failed[0][1])
            if len(found) == 1:
                return "true" if holds else "false"
        lines = [f"true on {holds} of {len(found)} {program.context} rows"]
        return "\n".join([*lines, *self._failures(failed)])

    def _failures(self, failed: Sequence[tuple[Place, str]]) -> list[str]:
        if not failed:
            return []
        return [f"{self._paint('failed', 'error')} on {len(failed)} records, the first: {failed[0][1]}"]

    def _values(self, program: Any, text: str) -> tuple[list[tuple[Place, int, Any]], list[tuple[Place, str]]]:
        """The value on each row of the records that are meant, and the records on which it fails."""
        places = list(self.selected) if self.every else [self.current] if self.current is not None else []
        wanted = [place for place in places if self.data.signal(place) in program.signals]
        if places and not wanted and not self.every:
            here = self.data.level(places[0])
            raise Error(f"{program.context} occurs in {', '.join(sorted(program.signals))}; this is a {here}")
        if wanted and self._sees_traces(text):
            return self._values_within(program, wanted), []
        found: list[tuple[Place, int, Any]] = []
        failed: list[tuple[Place, str]] = []
        for place in wanted:
            try:
                values = program.evaluate(self.data.alone(place), self.data.signal(place))
            except StatementError as error:
                failed.append((place, error.args[0]))
            else:
                found += [(place, number, value) for number, value in enumerate(list(values))]
        return found, failed

    def _values_within(self, program: Any, wanted: Sequence[Place]) -> list[tuple[Place, int, Any]]:
        """The values on spans, evaluated with all spans of their traces at hand."""
        signal = self.data.signal(wanted[0])
        spans = [place for place in self.data.places if self.data.signal(place) == signal]
        if len(wanted) == 1:
            spans = self._traces().get(self._trace(wanted[0]), [wanted[0]])
        parts = [self.data.alone(place) for place in spans]
        values = iter(list(program.evaluate(b"".join(parts), signal)))
        found = []
        for place, part in zip(spans, parts, strict=True):
            root = messages.decode(part, signal, "protobuf", self.limits)
            rows = sum(1 for _ in walk(root, signal, program.context))
            found += [(place, number, next(values)) for number in range(rows)]
        meant = set(wanted)
        return [each for each in found if each[0] in meant]

    def _value(self, value: Any) -> str:
        return f"{_cut(shown(value))} {self._paint(f': {_kind_name(value)}', 'path')}"

    def _label(self, place: Place) -> str:
        return describe(self.data.row(place), self.data.level(place))

    # -- commands -----------------------------------------------------------------------------------------------------

    def _command(self, text: str) -> str:
        name, _, rest = text[1:].partition(" ")
        command = next((c for c in COMMANDS if name in {c.name, c.short} and name), None)
        if command is None:
            starts = [c for c in COMMANDS if name and c.name.startswith(name)]
            command = starts[0] if len(starts) == 1 else None
        if command is None:
            hint = nearest(name, [c.name for c in COMMANDS])
            raise Error(f"no command :{name}" + (f", {hint}" if hint else ", :help lists them"))
        answer: str = getattr(self, f"_do_{command.name}")(rest.strip())
        return answer

    def _do_help(self, rest: str) -> str:
        name = rest.removeprefix(":")
        if not rest:
            width = max(len(c.name) + len(c.usage) for c in COMMANDS) + 2
            lines = [
                "A statement changes the current record, a value or a condition is shown. Enter ends what is whole,",
                "Alt-Enter begins another line, Tab completes, Ctrl-C forgets the line.",
                "",
            ]
            for command in COMMANDS:
                usage = f":{command.name} {command.usage}".rstrip()
                short = f" (:{command.short})" if command.short else ""
                lines.append(f"  {self._paint(usage, 'path')}{' ' * (width - len(usage))}  {command.help}{short}")
            return "\n".join(lines)
        asked = next((c for c in COMMANDS if name in {c.name, c.short}), None)
        if asked is not None:
            return f"{self._paint(f':{asked.name} {asked.usage}'.rstrip(), 'path')}  {asked.help}"
        return self._page(name) or f"no command, function or code {rest}" + self._nearest(name)

    def _page(self, name: str) -> str | None:
        """The page of a diagnostic code or a function."""
        if name.upper() in PAGES:
            return render(name.upper(), self.color)
        function = find(name, self.functions)
        return describe_function(function).render(self.color) if function is not None else None

    def _nearest(self, name: str) -> str:
        hint = nearest(name, [*self.functions, *PAGES])
        return f", {hint}" if hint else ""

    def _do_show(self, _: str) -> str:
        place = self.current
        if place is None:
            return "no record is selected"
        found = flatten(self.data.row(place), self.data.level(place))
        return "\n".join(f"{self._paint(path, 'path')}: {_cut(value, 200)}" for path, value in found.items())

    def _move(self, to: int) -> str:
        if not self.selected:
            return "no record is selected"
        self.at = max(0, min(to, len(self.selected) - 1))
        place = self.current
        assert place is not None
        return f"{self.data.level(place)} {self.at + 1}/{len(self.selected)}  {_cut(self._label(place))}"

    def _do_next(self, rest: str) -> str:
        return self._move(self.at + _number(rest, 1))

    def _do_prev(self, rest: str) -> str:
        return self._move(self.at - _number(rest, 1))

    def _do_go(self, rest: str) -> str:
        return self._move(_number(rest, None) - 1)

    def _do_list(self, rest: str) -> str:
        count = _number(rest, 10)
        first = max(0, min(self.at - count // 2, len(self.selected) - count))
        lines = []
        for number, place in enumerate(self.selected[first : first + count], first):
            mark = ">" if number == self.at else " "
            lines.append(f"{mark} {number + 1:4}  {self.data.level(place)} {_cut(self._label(place))}")
        return "\n".join(lines) or "no records are selected"

    def _do_where(self, rest: str) -> str:
        if not rest:
            self._selected, self.condition, self.at = None, "", 0
            return f"{len(self.selected)} records"
        program = self._compile(ottl.compile_condition, rest)
        every, selected = self.every, self._selected
        try:
            self.every, self._selected = True, None
            values, failed = self._values(program, rest)
        finally:
            self.every, self._selected = every, selected
        found = list(dict.fromkeys(place for place, _, holds in values if holds))
        lines = [f"{len(found)} of {len(self.data.places)} records", *self._failures(failed)]
        if found:
            self._selected, self.condition, self.at = found, rest, 0
        else:
            lines.append("the selection stays as it was")
        return "\n".join(lines)

    def _do_all(self, _: str) -> str:
        self.every = True
        return f"acting on {len(self.selected)} records; :one for the current one only"

    def _do_one(self, _: str) -> str:
        self.every = False
        return self._move(self.at)

    def _do_undo(self, rest: str) -> str:
        lines = []
        for _ in range(_number(rest, 1)):
            why = self.data.undo()
            if why is None:
                lines.append("nothing to undo")
                break
            if self.statements:
                self.statements.pop()
            lines.append(f"undone: {' '.join(why.split())}")
        self._after_change()
        return "\n".join(lines)

    def _do_explain(self, rest: str) -> str:
        page = self._page(rest) if re.fullmatch(r"\w+", rest) else None
        if page is not None:
            return page
        text = rest or self.last
        if not text:
            return "nothing has been run yet: `:explain STATEMENT`"
        kind = self._kind(text)
        if kind == "statement":
            explained: str = self._compile(ottl.compile, text).explain()
            return explained.rstrip()
        made = self._compile(ottl.compile_value if kind == "value" else ottl.compile_condition, text)
        return f"a {kind} in context {made.context}, which occurs in {', '.join(sorted(made.signals))}"

    def _do_functions(self, rest: str) -> str:
        lines = []
        for function in sorted(self.functions.values(), key=lambda f: (not f.editor, f.name.lower())):
            summary = describe_function(function).summary
            if rest.lower() in function.name.lower() or rest.lower() in summary.lower():
                lines.append(f"  {self._paint(function.signature(), 'path')}\n      {summary}")
        return "\n".join(lines) or f"no function has {rest} in its name or summary"

    def _do_rules(self, _: str) -> str:
        return "\n\n".join(self.statements) or "no statement has changed anything yet"

    def _do_save(self, rest: str) -> str:
        if not rest:
            raise Error("give a name: `:save FILE`")
        path = Path(rest).expanduser()
        if path.suffix == ".ottl":
            path.write_text("\n\n".join(self.statements) + "\n", encoding="utf-8")
            return f"{len(self.statements)} statements to {path}"
        form = _form(path, len(self.data.payloads))
        output = files.Output(path, files.Layout(form, files.compression_of(path)))
        try:
            for signal, payload in zip(self.data.signals, self.data.payloads, strict=True):
                encoding = output.layout.encoding
                output.write(files.transcode(payload, signal, "protobuf", encoding, self.limits), encoding=encoding)
            output.finish()
            output.commit()
        finally:
            output.abandon()
        return f"{len(self.data.payloads)} messages to {path}"

    def _do_open(self, rest: str) -> str:
        if self.load is None:
            self.data = Data(read(rest or None, self.limits, None, None), self.limits)
        else:
            self.data = self.load(rest or None)
        self.name = rest or "sample"
        self._selected, self.condition, self.at = None, "", 0
        self.statements = []
        return self.status

    def _do_quit(self, _: str) -> str:
        self.done = True
        return ""


def _paired(before: Sequence[Row], after: Sequence[Row], level: str) -> Iterable[tuple[Row | None, Row | None]]:
    """Records as they were with the same records as they are; None where one has gone or come."""
    if len(before) == len(after):
        yield from zip(before, after, strict=True)
        return
    import difflib

    old, new = ([_key(row, level) for row in rows] for rows in (before, after))
    for tag, b1, b2, a1, a2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(before[b1:b2], after[a1:a2], strict=True)
        else:
            yield from ((row, None) for row in before[b1:b2])
            yield from ((None, row) for row in after[a1:a2])


def _key(row: Row, level: str) -> bytes:
    """What tells a record from others."""
    record = getattr(row, level)
    if level == "span":
        return bytes(record.trace_id + record.span_id)
    if level == "metric":
        return bytes(record.name)
    return bytes(record.SerializeToString(deterministic=True))


def _number(text: str, default: int | None) -> int:
    if not text and default is not None:
        return default
    try:
        return int(text)
    except ValueError:
        raise Error(f"expected a number, got {text or 'nothing'}") from None


def _cut(text: str, width: int = _WIDEST) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _kind_name(value: Any) -> str:
    """The type of a plain Python value in the words of the language."""
    plain = {str: "string", bytes: "bytes", dict: "map", type(None): "nil"}
    if isinstance(value, list):
        return "list"
    return plain.get(type(value)) or kind_of(value).value


def _form(path: Path, messages_count: int) -> files.Format:
    """The format that a name asks for."""
    suffixes = [suffix.lower() for suffix in path.suffixes if files.compression_of(f"x{suffix}") is None]
    if suffixes and suffixes[-1] in {".pb", ".proto", ".binpb", ".bin", ".otlp"}:
        return "protobuf" if messages_count == 1 else "framed"
    return "json" if suffixes and suffixes[-1] == ".json" and messages_count == 1 else "jsonl"

"""What could come next in what is being typed.

Names come from where they are declared (functions, paths, enums, commands, codes), names and values of attributes from
the loaded data. Which of them fit is read from the text before the cursor, with patterns: what is typed is rarely whole
enough to be parsed.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ottl
from ottl.contexts import SCRIPT_CONTEXTS
from ottl.errors import Error
from ottl.pages import PAGES
from ottl.reference import contexts_of, describe
from ottl.repl.session import COMMANDS, Session
from ottl.types import Map, to_python
from ottl.vm.messages import value_from_message

__all__ = ["Candidate", "Completion"]

_MOST_RECORDS = 5000
_MOST_VALUES = 50
# Short paths of the script dialect, which no table of paths has.
_SHORT_PATHS: Final = {"span": {"duration": "duration"}, "metric": {"value": "any", "attributes": "map"}}
_KEYWORDS: Final = ("where", "and", "or", "not", "true", "false", "nil")

_FILES = re.compile(r":(?:save|open)\s+(?P<word>.*)$")
_TOPIC = re.compile(r":(?:help|h|explain|e|functions|f)\s+(?P<word>:?\w*)$")
_COMMAND = re.compile(r"^:(?P<word>\w*)$")
# A string that is still open, and what stands before it.
_OPEN = re.compile(r"""(?P<before>.*?)(?P<quote>["'])(?P<word>(?:\\.|(?!(?P=quote)).)*)$""", re.DOTALL)
_STRINGS = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
_PATH = r"""[a-z][\w.]*(?:\[(?:"[^"]*"|'[^']*')\])*"""
_KEY_OF = re.compile(rf"(?P<path>{_PATH})\[$")
_COMPARED = re.compile(rf"(?P<path>{_PATH})\s*(?:==|!=)\s*$")
_MAP_ARGUMENT = re.compile(rf"\b[a-z_]\w*\(\s*(?P<path>{_PATH})\s*,\s*\[?(?:[^()\[\]]*,\s*)?$")
_SHORT_KEY = re.compile(r"(?P<path>[a-z]+)\.attr\.(?P<word>[\w.]*)$")
_NAME = re.compile(r"[A-Za-z_][\w.]*$")
_BEGINS_STATEMENT = re.compile(r"(?:^|\n|[)\w\]]\s*>)\s*$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be meant.

    Args:
        text: what takes the place of the word.
        start: how many characters of the text before the cursor it replaces.
        meaning: a few words about it.
        shown: in place of the text in a list.
    """

    text: str
    start: int
    meaning: str = ""
    shown: str = ""


class Completion:
    """Candidates for a session, whose data it indexes when first asked about attributes.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._indexed: tuple[int, int] | None = None
        self._keys: dict[str, Counter[str]] = {}
        self._values: dict[str, Counter[str]] = {}

    def candidates(self, text: str) -> list[Candidate]:
        """What may be meant by the end of a text.

        Args:
            text: what stands before the cursor.
        """
        if text.lstrip().startswith(":"):
            text = text.lstrip()
            found = list(self._of_command(text))
            if found or not re.match(r":(?:where|w|explain|e)\s", text):
                return found
            text = text.partition(" ")[2]
        inside = _open_string(text)
        if inside is not None:
            return list(self._of_string(*inside))
        return list(self._of_name(text))

    # -- commands -----------------------------------------------------------------------------------------------------

    def _of_command(self, text: str) -> Iterator[Candidate]:
        if match := _COMMAND.match(text):
            for command in COMMANDS:
                if command.name.startswith(match["word"]):
                    yield Candidate(command.name, len(match["word"]), command.help, f":{command.name} {command.usage}")
        elif match := _FILES.match(text):
            word = match["word"]
            start = str(Path(word).expanduser()) if word.startswith("~") else word
            for name in sorted(glob.glob(glob.escape(start) + "*")):  # noqa: PTH207 (the spelling is to stay)
                yield Candidate(name + "/" if Path(name).is_dir() else name, len(word))
        elif match := _TOPIC.match(text):
            word = match["word"]
            for function in self._session.functions.values():
                if word and function.name.lower().startswith(word.lower()):
                    yield Candidate(function.name, len(word), describe(function).summary)
            if text.startswith((":h", ":e")):
                for code in PAGES:
                    if word and code.startswith(word.upper()):
                        yield Candidate(code, len(word))
            if text.startswith(":h"):
                yield from (Candidate(c.name, len(word), c.help) for c in COMMANDS if c.name.startswith(word))

    # -- strings ------------------------------------------------------------------------------------------------------

    def _of_string(self, before: str, quote: str, word: str) -> Iterator[Candidate]:
        """Names and values of attributes."""
        if match := _KEY_OF.search(before):
            for key, count in self._keys_of(match["path"]):
                if key.startswith(word):
                    yield Candidate(f"{_escaped(key, quote)}{quote}]", len(word), f"on {count} records", key)
        elif match := _COMPARED.search(before):
            for value, count in self._values_of(match["path"]):
                if value.startswith(word):
                    yield Candidate(f"{_escaped(value, quote)}{quote}", len(word), f"{count} times", value)
        elif match := _MAP_ARGUMENT.search(before):
            for key, count in self._keys_of(match["path"]):
                if key.startswith(word):
                    yield Candidate(f"{_escaped(key, quote)}{quote}", len(word), f"on {count} records", key)

    def _keys_of(self, path: str) -> list[tuple[str, int]]:
        """The keys that a map has in the data, the most frequent first."""
        self._refresh()
        return self._keys.get(self._full(path), Counter()).most_common()

    def _values_of(self, path: str) -> list[tuple[str, int]]:
        """The texts that a path has in the data, the most frequent first."""
        self._refresh()
        if path not in self._values:
            self._values[path] = Counter(self._texts(path))
        return self._values[path].most_common(_MOST_VALUES)

    def _texts(self, path: str) -> Iterator[str]:
        session = self._session
        try:
            program = ottl.compile_value(self._full(path))
            for place in session.data.places[:_MOST_RECORDS]:
                signal = session.data.signal(place)
                if signal in program.signals:
                    values = program.evaluate(session.data.alone(place), signal)
                    yield from (value for value in values if isinstance(value, str) and value)
        except Error:
            return

    def _full(self, path: str) -> str:
        """A path with its context in front."""
        first = path.partition(".")[0].partition("[")[0]
        if first in SCRIPT_CONTEXTS or self._session.current is None:
            return path
        return f"{self._session.data.level(self._session.current)}.{path}"

    def _refresh(self) -> None:
        """Reads the keys of the data, if it is not that of the last time."""
        data = self._session.data
        state = id(data), data.version
        if self._indexed == state:
            return
        self._indexed = state
        self._values = {}
        keys: dict[str, Counter[str]] = {}
        for place in data.places[:_MOST_RECORDS]:
            row, level = data.row(place), data.level(place)
            record = getattr(row, level)
            _count(keys, "resource.attributes", row.resource.resource.attributes)
            _count(keys, "scope.attributes", row.scope.scope.attributes)
            if level != "metric":
                _count(keys, f"{level}.attributes", getattr(record, "attributes", ()))
            else:
                kind = record.WhichOneof("data")
                for point in getattr(record, kind).data_points if kind is not None else ():
                    _count(keys, "datapoint.attributes", point.attributes)
                    _count(keys, "metric.attributes", point.attributes)
            for event in record.events if level == "span" else ():
                _count(keys, "spanevent.attributes", event.attributes)
            if level == "log":
                body = value_from_message(record.body)
                if isinstance(body, Map):
                    keys.setdefault("log.body", Counter()).update(to_python(body))
        self._keys = keys

    # -- names --------------------------------------------------------------------------------------------------------

    def _of_name(self, text: str) -> Iterator[Candidate]:
        if match := _SHORT_KEY.search(text):
            for key, count in self._keys_of(f"{match['path']}.attributes"):
                if key.startswith(match["word"]) and re.fullmatch(r"[a-z][a-z0-9_]*", key):
                    yield Candidate(key, len(match["word"]), f"on {count} records")
            return
        match = _NAME.search(text)
        word = match[0] if match is not None else ""
        before = text[: len(text) - len(word)]
        if "." in word:
            yield from self._of_path(word)
            return
        if not word and before and not before.endswith((" ", "(", ",", "\n", "[")):
            return
        begins = _BEGINS_STATEMENT.search(before) is not None
        yield from self._of_function(word, editors=begins)
        for context in self._contexts():
            if context.startswith(word):
                yield Candidate(f"{context}.", len(word), "context")
        if not word:
            return
        if not begins:
            yield from self._of_symbol(word)
            yield from (Candidate(keyword, len(word)) for keyword in _KEYWORDS if keyword.startswith(word))
        if self._session.current is not None:
            # Without its context in front, a path is of that of the current record.
            level = self._session.data.level(self._session.current)
            paths = {name: spec.kind.value for name, spec in SCRIPT_CONTEXTS[level].levels[level].items()}
            for name, kind in (_SHORT_PATHS.get(level, {}) | paths).items():
                if name.startswith(word):
                    yield Candidate(name, len(word), kind)

    def _contexts(self) -> list[str]:
        """The contexts that paths may begin with on the data that is loaded."""
        signals = set(self._session.data.signals)
        return [
            name
            for name, context in SCRIPT_CONTEXTS.items()
            if signals.intersection(context.signals) or name == "otelcol"
        ]

    def _of_path(self, word: str) -> Iterator[Candidate]:
        level, _, rest = word.partition(".")
        found = dict(_SHORT_PATHS.get(level, {}))
        for context in SCRIPT_CONTEXTS.values():
            for name, spec in context.levels.get(level, {}).items():
                found.setdefault(name, spec.kind.value)
        for name, kind in found.items():
            if name.startswith(rest):
                yield Candidate(name, len(rest), kind)

    def _of_function(self, word: str, *, editors: bool) -> Iterator[Candidate]:
        contexts = set(self._contexts())
        for function in self._session.functions.values():
            if function.editor and not editors:
                continue
            if function.name.lower().startswith(word.lower()) and contexts.intersection(contexts_of(function)):
                closed = "" if function.visible else ")"
                text = f"{function.name}({closed}"
                yield Candidate(text, len(word), describe(function).summary, function.signature())

    def _of_symbol(self, word: str) -> Iterator[Candidate]:
        seen: set[str] = set()
        for name in self._contexts():
            for symbol, number in SCRIPT_CONTEXTS[name].enums.items():
                if symbol.startswith(word) and symbol not in seen:
                    seen.add(symbol)
                    yield Candidate(symbol, len(word), str(number))


def _open_string(text: str) -> tuple[str, str, str] | None:
    """What stands before a string that is still open, its quote, and its text so far; None outside of strings."""
    masked = _STRINGS.sub(lambda match: "\0" * len(match[0]), text)
    match = _OPEN.match(masked)
    if match is None:
        return None
    at = match.start("quote")
    return text[:at], match["quote"], text[at + 1 :]


def _count(keys: dict[str, Counter[str]], path: str, entries: Iterable[Any]) -> None:
    found = keys.setdefault(path, Counter())
    found.update({entry.key.decode(errors="replace") for entry in entries})


def _escaped(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n")

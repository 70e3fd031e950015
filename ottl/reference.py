"""The function reference: what documentation, the REPL and editors show of a function, read from its declaration."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ottl.contexts import CONTEXTS
from ottl.functions import Example, Function, FunctionSet, Parameter
from ottl.types import Duration, Opaque, ProfileID, SpanID, Time, TraceID, duration_text, rfc3339

__all__ = ["FunctionPage", "ParameterPage", "contexts_of", "describe", "find", "shown"]

_NAME, _HEAD, _NOTE, _RESET = "\x1b[36m", "\x1b[1m", "\x1b[32m", "\x1b[0m"

_SECTION = re.compile(r"^(Args|Returns|Raises|Source|State):(.*)$")
_ENTRY = re.compile(r"^ {4}(\w+): (.*)$")


@dataclass(frozen=True, slots=True)
class ParameterPage:
    """One parameter as documentation shows it.

    Args:
        name: the name for named arguments.
        type: what it takes, in words.
        required: whether it may not be left out.
        default: what holds when it is left out; None also where that depends on the function.
        text: what it means.
    """

    name: str
    type: str
    required: bool
    default: Any
    text: str


@dataclass(frozen=True, slots=True)
class FunctionPage:
    """A function as documentation shows it.

    Args:
        name: the name in rules.
        kind: `editor` or `converter`.
        signature: the call with the types of its parameters and of its result.
        summary: what it does, in one sentence.
        text: what else there is to say; may be empty.
        parameters: those that a rule can write.
        result: type of the result; None for editors.
        contexts: the contexts that know it.
        pure: the same arguments give the same result.
        examples: calls and what comes of them.
        source: where its meaning is written down.
        stateful: it remembers something of every key.
    """

    name: str
    kind: str
    signature: str
    summary: str
    text: str
    parameters: tuple[ParameterPage, ...]
    result: str | None
    contexts: tuple[str, ...]
    pure: bool
    examples: tuple[Example, ...]
    source: str
    stateful: bool

    def to_dict(self) -> dict[str, Any]:
        """The page as plain values for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "signature": self.signature,
            "summary": self.summary,
            "description": self.text,
            "parameters": [
                {
                    "name": parameter.name,
                    "type": parameter.type,
                    "required": parameter.required,
                    "default": _plain(parameter.default),
                    "description": parameter.text,
                }
                for parameter in self.parameters
            ],
            "result": self.result,
            "contexts": list(self.contexts),
            "pure": self.pure,
            "examples": [_example(example, self.kind) for example in self.examples],
            "source": self.source,
        }

    def render(self, color: bool = False, width: int = 100) -> str:
        """Text for people.

        Args:
            color: whether to use ANSI colours.
            width: of the lines, in characters.
        """
        return "\n".join(self._lines(color, width))

    def _lines(self, color: bool, width: int) -> Iterator[str]:
        def paint(text: str, style: str) -> str:
            return f"{style}{text}{_RESET}" if color else text

        name, rest = self.signature[: len(self.name)], self.signature[len(self.name) :]
        yield paint(name, _NAME) + rest
        yield ""
        yield from textwrap.wrap(self.summary, width)
        if self.text:
            yield ""
            yield self.text
        if self.parameters:
            yield ""
            yield paint("Arguments", _HEAD)
            longest = max(len(parameter.name) for parameter in self.parameters)
            for parameter in self.parameters:
                text = parameter.text
                if parameter.default is not None:
                    text = f"{text.rstrip('.')} (default: {shown(parameter.default)})."
                margin = " " * (longest + 4)
                first, *more = textwrap.wrap(text, max(width - longest - 4, 30)) or [""]
                yield f"  {paint(parameter.name.ljust(longest), _NAME)}  {first}".rstrip()
                yield from (margin + line for line in more)
        if self.examples:
            yield ""
            yield paint("Examples", _HEAD)
            for example in self.examples:
                yield from _example_lines(example, self.kind, paint)
        yield ""
        everywhere = len(self.contexts) == sum(bool(context.signals) for context in CONTEXTS.values())
        yield f"{paint('Contexts', _HEAD)}  {'all' if everywhere else ', '.join(self.contexts)}"
        if self.kind == "converter" and not self.pure:
            why = "remembers what came before, for each key" if self.stateful else "another result each time"
            yield f"{paint('Impure', _HEAD)}    {why}"
        if self.source:
            yield f"{paint('Source', _HEAD)}    {self.source}"


def describe(function: Function) -> FunctionPage:
    """The page of a function."""
    summary, text, sections = _split(function.doc)
    texts = _entries(sections.get("Args", ""))
    # The declaration knows the type in words only inside its signature.
    inside = function.signature().partition("(")[2][:-1]
    types = dict(part.split(": ", 1) for part in inside.split(", ")) if inside else {}
    parameters = tuple(_parameter(parameter, types, texts) for parameter in function.visible)
    result = None if function.editor else function.result.value
    signature = function.signature() if result is None else f"{function.signature()} -> {result}"
    return FunctionPage(
        function.name,
        "editor" if function.editor else "converter",
        signature,
        summary,
        text,
        parameters,
        result,
        contexts_of(function),
        function.pure,
        function.examples,
        " ".join(sections.get("Source", "").split()).rstrip("."),
        function.stateful,
    )


def contexts_of(function: Function) -> tuple[str, ...]:
    """The contexts in which rules can call a function."""
    return tuple(
        name for name, context in CONTEXTS.items() if context.signals and name in (function.contexts or CONTEXTS)
    )


def find(name: str, functions: FunctionSet) -> Function | None:
    """The function of a name; where none is spelled like that, the one that differs in case and underscores only."""
    exact = functions.get(name)
    if exact is not None:
        return exact
    bare = name.replace("_", "").lower()
    return next((function for function in functions.values() if function.name.replace("_", "").lower() == bare), None)


def shown(value: Any) -> str:
    """A plain Python value (see `ottl.types.to_python`), spelled as a rule would spell it where it has a spelling."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, TraceID | SpanID | ProfileID):
        return value.hex()
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Time):
        return rfc3339(value)
    if isinstance(value, Duration):
        return duration_text(value)
    if isinstance(value, Opaque):
        return "[...]" if value.repeated else "{...}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{shown(key)}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)} | {
    ord(character): f"\\{name}" for character, name in {"\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\"}.items()
}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return shown(value)


def _example(example: Example, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"call": example.call}
    if example.given:
        found["attributes"] = _plain(example.given)
    if example.error is not None:
        found["error"] = example.error
    else:
        found["attributes_after" if kind == "editor" else "result"] = _plain(example.result)
    return found


def _example_lines(example: Example, kind: str, paint: Callable[[str, str], str]) -> Iterator[str]:
    """A call and what comes of it."""
    if example.given:
        yield f"  {paint('given', _NOTE)} log.attributes = {shown(dict(example.given))}"
    yield f"  {example.call}"
    if example.error is not None:
        yield f"    {paint('refused:' if example.load_error else 'fails:', _NOTE)} {example.error}"
    elif kind == "editor":
        yield f"    {paint('gives', _NOTE)} log.attributes = {shown(example.result)}"
    else:
        yield f"    {paint('gives', _NOTE)} {shown(example.result)}"


def _parameter(parameter: Parameter, types: Mapping[str, str], texts: Mapping[str, str]) -> ParameterPage:
    written = types[parameter.name if parameter.required else f"{parameter.name}?"]
    default = parameter.default if isinstance(parameter.default, bool | int | float | str) else None
    return ParameterPage(parameter.name, written, parameter.required, default, texts.get(parameter.name, ""))


def _split(doc: str) -> tuple[str, str, dict[str, str]]:
    """First sentence, other paragraphs and sections of a docstring."""
    summary, _, rest = doc.partition("\n\n")
    paragraphs: list[str] = []
    sections: dict[str, str] = {}
    current: str | None = None
    for block in rest.split("\n\n") if rest else ():
        match = _SECTION.match(block.partition("\n")[0])
        if match is not None:
            current = match[1]
            sections[current] = (match[2].strip() + "\n" + block.partition("\n")[2]).strip("\n")
        elif current is not None and block.startswith("    "):
            sections[current] += "\n" + block
        else:
            current = None
            paragraphs.append(block)
    return " ".join(summary.split()), "\n\n".join(paragraphs), sections


def _entries(section: str) -> dict[str, str]:
    """The texts of an `Args` section by parameter."""
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        match = _ENTRY.match(line)
        if match is not None:
            name = match[1]
            found[name] = match[2].strip()
        elif name:
            found[name] += " " + line.strip()
    return found

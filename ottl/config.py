"""Configuration files: YAML as values that know their place, and the OTTL processors in them.

A file is either the configuration of one processor, or a configuration of the collector, or a part of one:
`processors:` alone, or `transform:` and `filter/name:` at the root; or it has `scripts:` in the script dialect.
Texts come out as `LocatedText`, so that a diagnostic of a statement names the line and column of the file; mapping
keys too.

The collector's own reading of `$` is kept, also for the configuration of one processor, which is written for the same
file: `$$` is a `$`. References such as `${env:NAME}` are not followed, because a rule should not change with the
environment of whoever checks it; one inside a processor that is used is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ottl.binder import nearest
from ottl.errors import ConfigError, Diagnostic, register_codes
from ottl.source import LocatedText, Source, SourceRange

__all__ = [
    "Config",
    "Processor",
    "Step",
    "is_filter_list",
    "is_transform_list",
    "kind_of_processor",
    "load_config",
    "locate",
]

register_codes(
    {
        "E450": "malformed YAML",
        "E451": "a key that is there twice",
        "E452": "a reference that is not followed",
        "E453": "no OTTL processor in the file",
        "E454": "a processor that is not in the file",
        "E455": "a value of another shape than expected",
        "E456": "several pipelines for one signal",
    }
)

Kind = Literal["transform", "filter", "scripts"]

_KINDS: Final[tuple[Kind, ...]] = ("transform", "filter")
_TRANSFORM_KEY = re.compile(r".*_statements|flatten(_data)?")
_FILTER_KEY = re.compile(r".*_conditions|traces|metrics|logs|profiles|spans")
_SIGNALS = frozenset({"traces", "metrics", "logs", "profiles"})
_BARE_KEYS = tuple(
    f"{signal}_{what}" for what in ("statements", "conditions") for signal in ("trace", "metric", "log", "profile")
)
# A `$` before the one of `${` escapes it, two escape each other.
_REFERENCE = re.compile(r"(?<!\$)(?:\$\$)*(\$\{[^${}]*\})")
_TEXT_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"})


@dataclass(frozen=True, slots=True)
class Processor:
    """One OTTL processor of a file.

    Args:
        name: `transform`, `filter/name`...; for the configuration of one processor its kind.
        kind: which processor it is.
        raw: its configuration as written.
    """

    name: str
    kind: Kind
    raw: Mapping[str, Any]

    def config(self) -> dict[str, Any]:
        """The configuration with `$$` read as the collector reads it; of scripts, which are none of its, as it is.

        Raises:
            ConfigError: it holds references such as `${env:NAME}`.
        """
        if self.kind == "scripts":
            return dict(self.raw)
        diagnostics: list[Diagnostic] = []
        resolved: dict[str, Any] = _unescaped(self.raw, diagnostics, {})
        if diagnostics:
            raise ConfigError(diagnostics)
        return resolved


@dataclass(frozen=True, slots=True)
class Step:
    """A processor and the signals it is run on; None for all."""

    processor: Processor
    signals: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file.

    Args:
        name: of the file.
        processors: the OTTL processors, in the order of the file.
        pipelines: by name (`traces/2`), the processors of each pipeline.
        text: of the file.
        others: names of the processors of other kinds.
    """

    name: str
    processors: Mapping[str, Processor]
    pipelines: Mapping[str, Sequence[str]]
    text: str
    others: Sequence[str] = ()

    def steps(self, names: Sequence[str] = ()) -> list[Step]:
        """The processors to run, in order.

        Args:
            names: these, in this order. Without names those of the pipelines, in their order; without pipelines all.

        Raises:
            ConfigError: a name is not in the file, or two pipelines of one signal differ.
        """
        if names:
            return [Step(self._processor(name)) for name in names]
        if not self.pipelines:
            return [Step(processor) for processor in self.processors.values()]
        steps = []
        for signal in sorted({pipeline.partition("/")[0] for pipeline in self.pipelines}):
            steps += [Step(self._processor(name), frozenset({signal})) for name in self._pipeline(signal)]
        return steps

    def left_out(self, names: Sequence[str] = ()) -> list[str]:
        """The processors that `steps` leaves out although a pipeline, or a file without pipelines, would run them."""
        used = {step.processor.name for step in self.steps(names)}
        in_pipelines = [name for names in self.pipelines.values() for name in names]
        # Whoever names processors knows that the others of a file do not run.
        others = () if names else self.others
        mentioned = dict.fromkeys([*(in_pipelines if self.pipelines else others), *self.processors])
        return [name for name in mentioned if name not in used]

    def _pipeline(self, signal: str) -> Sequence[str]:
        found: dict[tuple[str, ...], str] = {}
        for pipeline, names in self.pipelines.items():
            ours = tuple(name for name in names if _kind(name) is not None)
            if pipeline.partition("/")[0] == signal and ours:
                found.setdefault(ours, pipeline)
        if len(found) > 1:
            message = f"{len(found)} pipelines with different processors for {signal}: {', '.join(found.values())}"
            hint = "name the processors to run with --processor"
            raise ConfigError([_at(next(iter(found.values())), "E456", message, hint)])
        return next(iter(found), ())

    def _processor(self, name: str) -> Processor:
        found = self.processors.get(name)
        if found is None:
            known = ", ".join(self.processors)
            hint = f"there are {known}" if known else None
            raise ConfigError([_at(name, "E454", f"no OTTL processor {name} in {self.name}", hint)])
        return found


def load_config(source: str | os.PathLike[str], *, name: str | None = None) -> Config:
    """Read a configuration.

    Args:
        source: a path (`pathlib.Path`), or the YAML text itself (`str`).
        name: what diagnostics call the file; by default its path.

    Raises:
        ConfigError: malformed YAML, or no OTTL processor in it.
        OSError: the file cannot be read.
    """
    if isinstance(source, str):
        text, name = source, name or "<config>"
    else:
        name = name or str(source)
        try:
            text = Path(source).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            message = f"malformed YAML: the file is not UTF-8 (byte {error.start})"
            raise ConfigError([Diagnostic("E450", "error", message, None, None, Source("", name))]) from None
    root = _Reader(text, name).read()
    if not isinstance(root, Mapping):
        raise _wrong(root, "a mapping", Source(text, name))
    if "processors" in root or "service" in root:
        section = _mapping(root.get("processors"), "processors", text, name)
        processors = _processors(section)
        pipelines = _pipelines(root, text, name)
        if not processors and not any(_kind(item) for items in pipelines.values() for item in items):
            key = next(key for key in root if key in {"processors", "service"})
            raise ConfigError([_at(key, "E453", f"no transform or filter processor in {name}")])
        others = tuple(str(key) for key in section if _kind(key) is None)
        return Config(name, processors, pipelines, text, others)
    if root and all(_kind(key) is not None for key in root):
        return Config(name, _processors(root), {}, text)
    kind = _bare_kind(root)
    if kind is None:
        known = "trace_statements, metric_statements, log_statements, trace_conditions, ... or processors, or scripts"
        place = next(iter(root), None)
        message = f"no OTTL processor: expected {known}"
        if isinstance(place, LocatedText):
            raise ConfigError([_at(place, "E453", message, nearest(place, (*_BARE_KEYS, "processors")))])
        raise ConfigError([Diagnostic("E453", "error", message, None, None, Source(text, name))])
    return Config(name, {kind: Processor(kind, kind, root)}, {}, text)


def _kind(name: str) -> Kind | None:
    return next((kind for kind in _KINDS if name.partition("/")[0].strip() == kind), None)


def _bare_kind(root: Mapping[str, Any]) -> Kind | None:
    if "scripts" in root:
        return "scripts"
    for kind, pattern in (("transform", _TRANSFORM_KEY), ("filter", _FILTER_KEY)):
        if any(pattern.fullmatch(key) for key in root):
            return kind  # type: ignore[return-value]  # the literals of the tuple above
    return None


def _processors(section: Mapping[str, Any]) -> dict[str, Processor]:
    found = {}
    for name, value in section.items():
        kind = _kind(name)
        if kind is not None:
            if not isinstance(value, Mapping | None):
                raise _wrong(value, f"a mapping below {name}", _source_of(name))
            found[str(name)] = Processor(str(name), kind, value or {})
    return found


def _pipelines(root: Mapping[str, Any], text: str, name: str) -> dict[str, Sequence[str]]:
    service = _mapping(root.get("service"), "service", text, name)
    found: dict[str, Sequence[str]] = {}
    for pipeline, value in _mapping(service.get("pipelines"), "pipelines", text, name).items():
        names = _mapping(value, pipeline, text, name).get("processors") or ()
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise _wrong(names, f"a list of processors in {pipeline}", _source_of(pipeline))
        if pipeline.partition("/")[0] in _SIGNALS:
            found[pipeline] = [item for item in names if isinstance(item, str)]
    return found


def _mapping(value: Any, what: str, text: str, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping | None):
        raise _wrong(value, f"a mapping below {what}", Source(text, name))
    return value or {}


def _wrong(value: Any, expected: str, source: Source) -> ConfigError:
    if isinstance(value, LocatedText):
        source = value.source()
    got = "nothing" if value is None else f"a {type(value).__name__}".replace("LocatedText", "text")
    place = SourceRange(0, len(source.text)) if isinstance(value, LocatedText) else None
    return ConfigError([Diagnostic("E455", "error", f"expected {expected}, got {got}", place, None, source)])


def _source_of(text: str) -> Source:
    return text.source() if isinstance(text, LocatedText) else Source(text)


def _at(text: str, code: str, message: str, hint: str | None = None) -> Diagnostic:
    """A diagnostic about a whole text; without a place where the text has none."""
    if not isinstance(text, LocatedText):
        return Diagnostic(code, "error", message, None, hint)
    return Diagnostic(code, "error", message, SourceRange(0, len(text)), hint, text.source())


def _unescaped(value: Any, diagnostics: list[Diagnostic], done: dict[int, Any]) -> Any:
    """A value with `$$` read as `$`; what aliases share stays shared, or a small file could grow without bound."""
    if isinstance(value, str):
        return _unescaped_text(value, diagnostics)
    if not isinstance(value, Mapping | list):
        return value
    if id(value) not in done:
        if isinstance(value, Mapping):
            done[id(value)] = {key: _unescaped(item, diagnostics, done) for key, item in value.items()}
        else:
            done[id(value)] = [_unescaped(item, diagnostics, done) for item in value]
    return done[id(value)]


def _unescaped_text(value: str, diagnostics: list[Diagnostic]) -> str:
    for match in _REFERENCE.finditer(value):
        message = f"{match[1]} is not followed, the rule would hold the reference itself"
        hint = f"write the value, or ${match[1]} for this very text"
        place = SourceRange(match.start(1), match.end(1))
        diagnostics.append(Diagnostic("E452", "error", message, place, hint, _source_of(value)))
    text = value.replace("$$", "$")
    if isinstance(value, LocatedText):
        return LocatedText(text, value.file, value.line, value.column, value.next_column)
    return text


class _Reader:
    """One YAML text, composed into nodes and built into located values."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._name = name
        self._built: dict[int, Any] = {}
        self._open: set[int] = set()
        self._diagnostics: list[Diagnostic] = []

    def read(self) -> Any:
        """The value of the only document.

        Raises:
            ConfigError: it is malformed.
        """
        import yaml

        # Not the loader in C: it ends the process on deeply nested input.
        self._loader = yaml.SafeLoader(self._text)
        try:
            node = self._loader.get_single_node()
            value = self._build(node) if node is not None else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._error("E450", f"malformed YAML: {error.problem or error.context}", mark) from None
        except yaml.YAMLError as error:
            first_line = str(error).partition("\n")[0]
            raise self._error("E450", f"malformed YAML: {first_line}", None) from None
        except RecursionError:
            raise self._error("E450", "malformed YAML: nested too deep", None) from None
        finally:
            self._loader.dispose()
        if self._diagnostics:
            raise ConfigError(self._diagnostics)
        return value

    def _error(self, code: str, message: str, mark: Any) -> ConfigError:
        return ConfigError([self._diagnostic(code, message, mark)])

    def _diagnostic(self, code: str, message: str, mark: Any, width: int = 1) -> Diagnostic:
        if mark is None or mark.line >= len(self._lines):
            return Diagnostic(code, "error", message, None, None, Source(self._text, self._name))
        source = Source(self._lines[mark.line].rstrip("\r"), self._name, mark.line + 1)
        return Diagnostic(code, "error", message, SourceRange(mark.column, mark.column + width), None, source)

    def _build(self, node: Any) -> Any:
        key = id(node)
        if key in self._built:
            return self._built[key]
        if key in self._open:
            raise self._error("E450", "malformed YAML: an alias inside what it stands for", node.start_mark)
        self._open.add(key)
        value: Any
        if node.id == "scalar":
            value = self._scalar(node)
        elif node.id == "sequence":
            value = [self._build(item) for item in node.value]
        else:
            value = dict(self._entries(node))
        self._open.discard(key)
        self._built[key] = value
        return value

    def _entries(self, node: Any) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key, _ in node.value:
            if key.id == "scalar" and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    message = f"{key.value} is there twice"
                    self._diagnostics.append(self._diagnostic("E451", message, key.start_mark, len(key.value)))
                seen.add(key.value)
        self._loader.flatten_mapping(node)
        for key, item in node.value:
            if key.id != "scalar":
                raise self._error("E450", "malformed YAML: expected a text as key", key.start_mark)
            yield self._located(key), self._build(item)

    def _scalar(self, node: Any) -> Hashable:
        if node.tag in _TEXT_TAGS:
            return self._located(node)
        value: Hashable = self._loader.construct_object(node, deep=True)
        return value

    def _located(self, node: Any) -> LocatedText:
        return locate(node, self._lines, self._name)


def locate(node: Any, lines: Sequence[str], name: str) -> LocatedText:
    """The text of a YAML scalar with its place.

    Args:
        node: the scalar.
        lines: of the file.
        name: of the file.
    """
    mark = node.start_mark
    if node.style in {"|", ">"}:
        first = mark.line + 1
        content = next((line for line in lines[first:] if line.strip()), "")
        indentation = len(content) - len(content.lstrip(" "))
        return LocatedText(node.value, name, first + 1, indentation + 1, indentation + 1)
    column = mark.column + (2 if node.style in {"'", '"'} else 1)
    return LocatedText(node.value, name, mark.line + 1, column)


def kind_of_processor(name: str) -> Kind | None:
    """The kind of the processor of a name such as `transform/names`; None for one that is not OTTL's."""
    return _kind(name)


def is_transform_list(key: str) -> bool:
    """Whether a key of a transform processor holds statements."""
    return key.endswith("_statements")


def is_filter_list(key: str) -> bool:
    """Whether a key of a filter processor holds conditions, in lists or by level."""
    return _FILTER_KEY.fullmatch(key) is not None

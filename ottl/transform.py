"""The transform processor: the collector's own configuration over the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ottl import bounds, configuration
from ottl.codec import Limits
from ottl.configuration import Reader, standard_functions
from ottl.engine import (
    Encoding,
    GroupPass,
    GroupText,
    Options,
    Processor,
    Stack,
    bind_group,
    compile_group,
    contexts_of,
    make_options,
)
from ottl.errors import ConfigError, Diagnostic
from ottl.functions import FunctionSet
from ottl.source import Source

_LISTS = {
    "trace_statements": "traces",
    "metric_statements": "metrics",
    "log_statements": "logs",
    "profile_statements": "profiles",
}
_CONTEXTS = ("resource", "scope", "span", "spanevent", "metric", "datapoint", "exemplar", "log", "profile")


class Transform(Processor):
    """Statements of a transform processor's configuration, over OTLP payloads. Safe to share between threads.

    Args:
        config: the mapping below `transform:`, as the collector takes it.
        functions: what statements may call; the standard library by default.
        strict: only what the reference knows.
        lambdas: allows lambda arguments (the reference's gate).
        experimental: allows experimental functions (the reference's gate).
        limits: bounds on payloads.
        clock: nanoseconds since the Unix epoch.
        uuid: gives a new identifier a call.
        stack: `auto`, or `fast` or `plain` for all groups.

    Raises:
        ConfigError: with all diagnostics.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        functions: FunctionSet | None = None,
        strict: bool = False,
        lambdas: bool = False,
        experimental: bool = False,
        limits: Limits | None = None,
        clock: Callable[[], int] | None = None,
        uuid: Callable[[], str] | None = None,
        stack: Stack = "auto",
    ) -> None:
        options = make_options(
            functions if functions is not None else standard_functions(),
            strict=strict,
            lambdas=lambdas,
            experimental=experimental,
            limits=limits,
            clock=clock,
            uuid=uuid,
            stack=stack,
        )
        with bounds.loading(options.limits):
            groups, diagnostics = read_groups(config)
            passes, diagnostics = build(groups, options, diagnostics)
        super().__init__(passes, options, diagnostics)
        self.recipe = (type(self), (config,), {})

    def process(
        self,
        payload: bytes,
        signal: str = "traces",
        encoding: Encoding = "protobuf",
        metadata: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The payload with all statements applied, in the same encoding."""
        return self._process(payload, signal, encoding, metadata)


def read_groups(config: Mapping[str, Any]) -> tuple[dict[str, list[GroupText]], list[Diagnostic]]:
    """The groups of a configuration by signal, and what is wrong with its form."""
    reader = Reader()
    root = reader.mapping(config, "", ("error_mode", "flatten_data", "flatten", *_LISTS))
    mode = reader.error_mode(root.get("error_mode"), "error_mode") or "ignore"
    _check_flatten(reader, root)
    groups: dict[str, list[GroupText]] = {}
    for name, signal in _LISTS.items():
        found = _read_list(reader, root.get(name), name, signal, mode) if name in root else []
        if found:
            groups[signal] = found
    return groups, reader.diagnostics


def _check_flatten(reader: Reader, root: Mapping[str, Any]) -> None:
    flatten = root.get("flatten")
    nested = flatten.get("log") if isinstance(flatten, Mapping) else None
    if flatten is not None and not isinstance(flatten, Mapping):
        reader.report("E401", f"flatten must be a mapping, got {configuration.type_name(flatten)}", flatten, "flatten")
    for value, path in ((root.get("flatten_data"), "flatten_data"), (nested, "flatten.log")):
        if value is not None and not isinstance(value, bool):
            reader.report("E401", f"{path} must be a bool, got {configuration.type_name(value)}", value, path)
        elif value:
            reader.report("E405", f"{path} needs the gate transform.flatten.logs, which is off", value, path)


def _read_list(reader: Reader, items: Any, name: str, signal: str, mode: str) -> list[GroupText]:
    if not isinstance(items, Sequence) or isinstance(items, str):
        reader.report("E401", f"{name} must be a list, got {configuration.type_name(items)}", items, name)
        return []
    groups: list[GroupText] = []
    texts: list[Source] = []
    for number, item in enumerate(items):
        path = f"{name}[{number}]"
        if item is None:
            reader.report("E402", f"{path} is empty", item, path)
        elif isinstance(item, str):
            texts.append(configuration.source(item, path))
        elif texts:
            reader.report("E403", f"{name} mixes statements and groups", item, path)
        else:
            group = _read_group(reader, item, path, signal, mode)
            if group is not None:
                groups.append(group)
    if texts:
        groups.append(GroupText(tuple(texts), error_mode=mode))
    return groups


def _read_group(reader: Reader, item: Any, path: str, signal: str, mode: str) -> GroupText | None:
    before = sum(d.severity == "error" for d in reader.diagnostics)
    fields = reader.mapping(item, path, ("context", "conditions", "statements", "error_mode", "shared_cache"))
    context = reader.context(fields.get("context"), f"{path}.context", _CONTEXTS, tuple(contexts_of(signal)))
    own_mode = reader.error_mode(fields.get("error_mode"), f"{path}.error_mode")
    shared = reader.boolean(fields.get("shared_cache"), f"{path}.shared_cache")
    statements = reader.texts(fields.get("statements"), f"{path}.statements")
    conditions = reader.texts(fields.get("conditions"), f"{path}.conditions")
    if sum(d.severity == "error" for d in reader.diagnostics) > before:
        return None
    return GroupText(statements, conditions, context, own_mode or mode, shared)


def build(
    groups: Mapping[str, Sequence[GroupText]],
    options: Options,
    diagnostics: list[Diagnostic],
) -> tuple[dict[str, list[GroupPass]], list[Diagnostic]]:
    """Binds and compiles groups; raises `ConfigError` when there is any error."""
    passes: dict[str, list[GroupPass]] = {}
    for signal, texts in groups.items():
        for text in texts:
            bound, found = bind_group(text, signal, options)
            diagnostics = [*diagnostics, *found]
            if bound is not None:
                code = compile_group(bound, signal)
                diagnostics += configuration.check_stack(code, options.stack)
                passes.setdefault(signal, []).append(GroupPass(code, options))
    if any(d.severity == "error" for d in diagnostics):
        raise ConfigError(diagnostics)
    return passes, diagnostics

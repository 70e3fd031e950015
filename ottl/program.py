"""Programs of statements, conditions and values without a collector's configuration around them, and the checker."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl import binder, configuration, engine, parser, transform, typed, types
from ottl import filter as filters
from ottl.codec import Limits, messages
from ottl.config import load_config
from ottl.configuration import standard_functions
from ottl.contexts import CONTEXTS
from ottl.contexts.paths import Context
from ottl.engine import (
    ERROR_MODES,
    SIGNALS,
    Encoding,
    GroupPass,
    GroupText,
    Options,
    Processor,
    Stack,
    bind_group,
    compile_group,
    environment,
    infer,
    make_options,
)
from ottl.errors import ConfigError, Diagnostic, StatementError, register_codes
from ottl.functions import FunctionSet
from ottl.source import Source
from ottl.vm import messages as message_rows
from ottl.vm import rows, traces

register_codes({"E409": "context and signal do not fit"})


class Program(Processor):
    """Statements compiled by `compile`. Immutable, picklable, safe to share between threads."""

    def process(
        self,
        payload: bytes,
        signal: str = "traces",
        encoding: Encoding = "protobuf",
        metadata: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The payload with all statements applied, in the same encoding (see `Processor.run`)."""
        return self._process(payload, signal, encoding, metadata)

    def run(
        self,
        payload: bytes,
        encoding: Encoding = "protobuf",
        signal: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bytes:
        """As `process`; the signal may be left out where the program knows only one.

        Raises:
            ValueError: the program runs on several signals and none is given.
        """
        if signal is None:
            if len(self.signals) != 1:
                raise ValueError(f"give a signal: the program runs on {', '.join(sorted(self.signals))}")
            (signal,) = self.signals
        return self._process(payload, signal, encoding, metadata)


def _sources(source: str | Sequence[str]) -> tuple[Source, ...]:
    texts = [source] if isinstance(source, str) else list(source)
    return tuple(
        configuration.source(text, "" if len(texts) == 1 else f"<rule {n}>") for n, text in enumerate(texts, 1)
    )


def _signals(signal: str | None) -> tuple[str, ...]:
    if signal is not None and signal not in SIGNALS:
        raise ValueError(f"signal must be one of {', '.join(SIGNALS)}, got {signal!r}")
    return SIGNALS if signal is None else (signal,)


def _known_context(context: str | None, source: Source) -> str | None:
    if context is None:
        return None
    name = context.lower()
    if name not in CONTEXTS or not CONTEXTS[name].signals:
        known = [c.name for c in CONTEXTS.values() if c.signals]
        message = f"unknown context {context}"
        raise ConfigError([Diagnostic("E406", "error", message, None, binder.nearest(name, known), source)])
    return name


def compile(  # noqa: A001 (the public name, as `re.compile`)
    source: str | Sequence[str],
    *,
    signal: str | None = None,
    context: str | None = None,
    error_mode: str = "ignore",
    functions: FunctionSet | None = None,
    strict: bool = False,
    lambdas: bool = False,
    experimental: bool = False,
    limits: Limits | None = None,
    clock: Callable[[], int] | None = None,
    uuid: Callable[[], str] | None = None,
    stack: Stack = "auto",
) -> Program:
    """Statements to a program; several statements form one group, as a flat list of the transform processor does.

    Args:
        source: a statement, or a list of them.
        signal: keeps the program to one signal; else it runs on every signal that has its context.
        context: the context; inferred by default. With it, paths may leave it out.
        error_mode: `ignore`, `silent` or `propagate`.
        functions: what statements may call; the standard library by default.
        strict: only what the reference knows.
        lambdas: allows lambda arguments (the reference's gate).
        experimental: allows experimental functions (the reference's gate).
        limits: bounds on payloads.
        clock: nanoseconds since the Unix epoch.
        uuid: gives a new identifier a call.
        stack: `auto`, or `fast` or `plain`.

    Raises:
        ConfigError: with all diagnostics.
    """
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
    if error_mode.lower() not in ERROR_MODES:
        raise ValueError(f"error mode must be one of {', '.join(ERROR_MODES)}, got {error_mode!r}")
    texts = _sources(source)
    if not texts:
        return Program({}, options, ())
    chosen = _known_context(context, texts[0])
    signals = _signals(signal)
    group, diagnostics = _bind(GroupText(texts, (), chosen, error_mode.lower()), signals, options)
    if group is None:
        raise ConfigError(diagnostics)
    codes = {s: compile_group(group, s) for s in signals if s in CONTEXTS[group.context].signals}
    refused = [configuration.check_stack(code, options.stack) for code in codes.values()]
    if all(refused):
        diagnostics += refused[0]
    if any(d.severity == "error" for d in diagnostics):
        raise ConfigError(diagnostics)
    passes = {s: [GroupPass(code, options)] for s, code in codes.items()}
    program = Program(passes, options, diagnostics)
    program.recipe = (compile, (source,), {"signal": signal, "context": context, "error_mode": error_mode})
    return program


def _candidates(signals: Sequence[str]) -> dict[str, Context]:
    return {
        name: context
        for name, context in CONTEXTS.items()
        if name != "profilesample" and any(s in context.signals for s in signals)
    }


def _bind(text: GroupText, signals: Sequence[str], options: Options) -> tuple[typed.Group | None, list[Diagnostic]]:
    """The group bound for the signals that have its context."""
    if text.context is not None and not any(s in CONTEXTS[text.context].signals for s in signals):
        message = f"context {text.context} does not occur in {', '.join(signals)}"
        return None, [Diagnostic("E409", "error", message, None, None, text.statements[0])]
    if text.context is None:
        trees, diagnostics = parser.parse_all(text.statements)
        pairs = [(t, s) for t, s in zip(trees, text.statements, strict=True) if t is not None]
        chosen = infer(pairs, _candidates(signals), options.functions)
        if isinstance(chosen, Diagnostic):
            return None, diagnostics or [chosen]
        signals = [s for s in signals if s in chosen.signals]
    return bind_group(text, signals[0], options)


class _Evaluator:
    """A condition or value over payloads."""

    def __init__(self, text: str, context: Context, code: Any, options: Options, recipe: tuple[Any, ...]) -> None:
        self.text = text
        self.context = context.name
        self.signals = frozenset(context.signals)
        self._options = options
        self._around = environment(options, (code,))
        self._code = code
        self._function = rows.build_value(code, self._around)
        self._recipe = recipe

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, self._recipe

    def _rows(self, payload: bytes, signal: str | None, encoding: Encoding, metadata: Any) -> Any:
        if signal is None:
            if len(self.signals) != 1:
                raise ValueError(f"give a signal: the context occurs in {', '.join(sorted(self.signals))}")
            (signal,) = self.signals
        if signal not in self.signals:
            raise ValueError(f"context {self.context} does not occur in {signal}")
        message = messages.decode(bytes(payload), signal, encoding, self._options.limits)
        self._around.memories.begin(self._options.clock())
        walk = message_rows.walk(message, signal, self.context, request=metadata)
        return enumerate(traces.prepared(self._code, walk, self._around))


class ConditionProgram(_Evaluator):
    """A condition compiled by `compile_condition`."""

    def evaluate(
        self,
        payload: bytes,
        signal: str | None = None,
        encoding: Encoding = "protobuf",
        metadata: Mapping[str, Any] | None = None,
    ) -> NDArray[np.bool_]:
        """Whether the condition holds, for each element of its context in the order of the payload.

        Returns:
            bool, shape (elements,).

        Raises:
            StatementError: it fails on an element; `row` says on which.
        """
        found: list[bool] = []
        for number, row in self._rows(payload, signal, encoding, metadata):
            try:
                found.append(self._function(row))
            except ValueError as error:
                raise StatementError(str(error), self.text, number) from error
        return np.array(found, dtype=np.bool_)


class ValueProgram(_Evaluator):
    """A value expression compiled by `compile_value`."""

    def evaluate(
        self,
        payload: bytes,
        signal: str | None = None,
        encoding: Encoding = "protobuf",
        metadata: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """The value for each element of its context in the order of the payload, as plain Python objects.

        Raises:
            StatementError: it fails on an element; `row` says on which.
        """
        found: list[Any] = []
        for number, row in self._rows(payload, signal, encoding, metadata):
            try:
                found.append(types.to_python(self._function(row)))
            except ValueError as error:
                raise StatementError(str(error), self.text, number) from error
        return found


def _rebuild(kind: str, text: str, keywords: dict[str, Any]) -> _Evaluator:
    return (compile_condition if kind == "condition" else compile_value)(text, **keywords)


def _compile_text(
    kind: str, text: str, context: str | None, signal: str | None, keywords: dict[str, Any]
) -> tuple[str, Context, Any, Options, tuple[Any, ...]]:
    functions = keywords.pop("functions", None)
    options = make_options(functions if functions is not None else standard_functions(), **keywords)
    source = configuration.source(text, "")
    chosen = _known_context(context, source)
    tree = parser.parse_condition(source) if kind == "condition" else parser.parse_value(source)
    if chosen is not None:
        found: Context | Diagnostic = CONTEXTS[chosen]
    else:
        found = infer([(tree, source)], _candidates(_signals(signal)), options.functions)
    if isinstance(found, Diagnostic):
        raise ConfigError([found])
    known = binder.available(options.functions, found.name, conditions_only=True)
    bind = binder.Binder(found, known, "required" if chosen is None else "inserted", options.lambdas)
    bound = bind.condition(tree, source) if kind == "condition" else bind.value(tree, source)
    if bound is None:
        raise ConfigError(bind.diagnostics)
    if not isinstance(bound, typed.ConditionText):
        bound = typed.ConditionText(bound, source)
    recipe = (kind, text, {"context": context, "signal": signal, "functions": functions, **keywords})
    return text, found, engine.compile_condition(bound), options, recipe


def compile_condition(
    text: str, *, context: str | None = None, signal: str | None = None, **keywords: Any
) -> ConditionProgram:
    """A condition to a program that evaluates it for every element of its context.

    Args:
        text: the condition.
        context: the context; inferred by default. With it, paths may leave it out.
        signal: keeps the inference to one signal.
        keywords: as for `compile`.

    Raises:
        ConfigError: with all diagnostics.
    """
    return ConditionProgram(*_compile_text("condition", text, context, signal, keywords))


def compile_value(text: str, *, context: str | None = None, signal: str | None = None, **keywords: Any) -> ValueProgram:
    """A value expression to a program that evaluates it for every element of its context; arguments as above."""
    return ValueProgram(*_compile_text("value", text, context, signal, keywords))


def check(
    source: str | Sequence[str] | Mapping[str, Any] | os.PathLike[str],
    *,
    signal: str | None = None,
    context: str | None = None,
    **keywords: Any,
) -> list[Diagnostic]:
    """All findings about rules, errors and warnings, in the order of the text.

    Args:
        source: a statement, a list of statements, a processor's configuration, or the path of a configuration file.
        signal: for statements, as in `compile`.
        context: for statements, as in `compile`.
        keywords: as for `compile`.
    """
    if isinstance(source, os.PathLike):
        try:
            config = load_config(source)
            found: list[Diagnostic] = []
            for processor in config.processors.values():
                found += _check_config(processor.config(), processor.kind, keywords)
        except ConfigError as error:
            return list(error.diagnostics)
        return found
    if isinstance(source, Mapping):
        kind = "filter" if any(k.endswith("_conditions") or k in SIGNALS for k in source) else "transform"
        return _check_config(source, kind, keywords)
    try:
        return list(compile(source, signal=signal, context=context, **keywords).diagnostics)
    except ConfigError as error:
        return list(error.diagnostics)


def _check_config(config: Mapping[str, Any], kind: str, keywords: dict[str, Any]) -> list[Diagnostic]:
    made = filters.Filter if kind == "filter" else transform.Transform
    try:
        return list(made(config, **keywords).diagnostics)
    except ConfigError as error:
        return list(error.diagnostics)

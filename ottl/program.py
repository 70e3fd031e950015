"""Programs of statements, conditions and values without a collector's configuration around them, and the checker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ottl import binder, bounds, configuration, dialect, engine, parser, scripts, transform, typed, types
from ottl import filter as filters
from ottl.codec import Limits, messages
from ottl.config import load_config
from ottl.configuration import standard_functions
from ottl.contexts import CONTEXTS, SCRIPT_CONTEXTS
from ottl.contexts.paths import Context
from ottl.engine import (
    ERROR_MODES,
    SIGNALS,
    Encoding,
    Options,
    Processor,
    Stack,
    environment,
    infer,
    make_options,
)
from ottl.errors import ConfigError, Diagnostic, StatementError
from ottl.functions import FunctionSet
from ottl.source import LocatedText, Source
from ottl.vm import messages as message_rows
from ottl.vm import rows, traces


class Program(Processor):
    """Statements compiled by `compile`. Immutable, picklable, safe to share between threads."""

    @property
    def routes(self) -> tuple[str, ...]:
        """The names of the outputs that `route` sends rows to."""
        return tuple(dict.fromkeys(name for passes in self._passes.values() for p in passes for name in p.routes))

    def process(
        self,
        payload: bytes,
        signal: str = "traces",
        encoding: Encoding = "protobuf",
        metadata: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The payload with all statements applied, in the same encoding (see `Processor.run`).

        Raises:
            ConfigError: the program has routes.
        """
        if self.routes:
            message = f"the program routes rows to {', '.join(self.routes)}: there is more than one output"
            raise ConfigError([Diagnostic("E411", "error", message, None, "call run_routes, or `ottl run -o DIR`")])
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
            ConfigError: the program has routes.
            ValueError: the program runs on several signals and none is given.
        """
        return self.process(payload, self._signal(signal), encoding, metadata)

    def run_routes(
        self,
        payload: bytes,
        encoding: Encoding = "protobuf",
        signal: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str | None, bytes]:
        """The payload with all statements applied, taken apart: by route, and under None the rows that have none.

        Every route of the program for the signal is there; an output without rows is `b""` in protobuf and `b"{}"` in
        JSON. Rows go as they are when all statements have run.

        Raises:
            ValueError: the program runs on several signals and none is given.
        """
        return self._split(payload, self._signal(signal), encoding, metadata)

    def _signal(self, signal: str | None) -> str:
        if signal is not None:
            return signal
        if len(self.signals) != 1:
            raise ValueError(f"give a signal: the program runs on {', '.join(sorted(self.signals)) or 'none'}")
        (only,) = self.signals
        return only


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
    source: str | Sequence[str] | Mapping[str, Any],
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
    """Statements in the script dialect to a program.

    Args:
        source: a statement or a script, or a list of them. Each block of a script is a group of its own; statements
            of a list form one group, as a flat list of the transform processor does. Or the mapping of a `scripts:`
            configuration.
        signal: keeps the program to one signal; else each group runs on every signal that has its context.
        context: the context of all groups; inferred by default. With it, paths may leave it out.
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
    with bounds.loading(options.limits):
        program, _ = _program(source, signal, context, error_mode, options)
    return program


def _program(
    source: str | Sequence[str] | Mapping[str, Any],
    signal: str | None,
    context: str | None,
    mode: str,
    options: Options,
) -> tuple[Program, list[Diagnostic]]:
    """The program of a script, a list of texts, or a `scripts:` configuration, and warnings for the checker alone.

    Raises:
        ConfigError: with all diagnostics, those warnings too.
    """
    if not options.strict:
        options = replace(options, functions=configuration.script_actions().union(options.functions))
    if mode.lower() not in ERROR_MODES:
        raise ValueError(f"error mode must be one of {', '.join(ERROR_MODES)}, got {mode!r}")
    signals = _signals(signal)
    if isinstance(source, Mapping):
        groups, diagnostics, notes = scripts.read_entries(source)
        first = Source("", "<scripts>")
    else:
        texts = _sources(source)
        groups, diagnostics, notes = scripts.read_texts(texts, mode.lower())
        first = texts[0] if texts else Source("")
    chosen = _known_context(context, first)
    if chosen is not None and not any(s in SCRIPT_CONTEXTS[chosen].signals for s in signals):
        message = f"context {chosen} does not occur in {', '.join(signals)}"
        raise ConfigError([Diagnostic("E409", "error", message, None, None, first)])
    whole = all(d.severity != "error" for d in diagnostics)
    passes, found = scripts.build(groups, chosen, signals, options, whole)
    diagnostics = _in_order([*diagnostics, *found])
    if any(d.severity == "error" for d in diagnostics):
        raise ConfigError(_in_order([*diagnostics, *notes]))
    program = Program(passes, options, diagnostics)
    program.recipe = (compile, (source,), {"signal": signal, "context": context, "error_mode": mode})
    return program, notes


def _in_order(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics in the order of the texts, those of one text by their places."""
    order = {id(d.source): n for n, d in reversed(list(enumerate(diagnostics)))}
    return sorted(diagnostics, key=lambda d: (order[id(d.source)], d.range.start if d.range is not None else -1))


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

    def _rows(self, payload: bytes, signal: str | None, encoding: Encoding, metadata: Any) -> Iterator[tuple[int, Any]]:
        if signal is None:
            if len(self.signals) != 1:
                raise ValueError(f"give a signal: the context occurs in {', '.join(sorted(self.signals))}")
            (signal,) = self.signals
        if signal not in self.signals:
            raise ValueError(f"context {self.context} does not occur in {signal}")
        message = messages.decode(bytes(payload), signal, encoding, self._options.limits)
        self._around.memories.begin(self._options.clock())
        limit = bounds.current()
        for number, row in enumerate(
            traces.prepared(
                self._code, message_rows.walk(message, signal, self.context, request=metadata), self._around
            )
        ):
            if not number % bounds.CHECKED_ROWS:
                limit.check_time()
            yield number, row


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
        with bounds.within(self._options.limits):
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
        with bounds.within(self._options.limits):
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
    recipe = (kind, text, {"context": context, "signal": signal, "functions": functions, **keywords})
    with bounds.loading(options.limits):
        found, code = _bound_text(kind, text, context, signal, options)
    return text, found, code, options, recipe


def _bound_text(kind: str, text: str, context: str | None, signal: str | None, options: Options) -> tuple[Context, Any]:
    """Context and bytecode of a condition or value."""
    source = configuration.source(text, "")
    chosen = _known_context(context, source)
    start: parser.Start = "condition" if kind == "condition" else "value"
    tree = dialect.lower(parser.parse_part(source, start), options.functions, chosen)
    if chosen is not None:
        found: Context | Diagnostic = SCRIPT_CONTEXTS[chosen]
    else:
        found = infer([(tree, source)], scripts.candidates(_signals(signal)), options.functions)
    if isinstance(found, Diagnostic):
        raise ConfigError([found])
    known = binder.available(options.functions, found.name, conditions_only=True)
    bind = binder.Binder(found, known, "required" if chosen is None else "inserted", options.lambdas)
    bound = bind.condition(tree, source) if kind == "condition" else bind.value(tree, source)
    if bound is None:
        raise ConfigError(bind.diagnostics)
    if not isinstance(bound, typed.ConditionText):
        bound = typed.ConditionText(bound, source)
    return found, engine.compile_condition(bound)


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
        source: a statement or script, a list of them, a configuration, or the path of a configuration or `.ottl` file.
        signal: for statements, as in `compile`.
        context: for statements, as in `compile`.
        keywords: as for `compile`.
    """
    if isinstance(source, os.PathLike):
        if os.fspath(source).lower().endswith(".ottl"):
            text = LocatedText(Path(source).read_text(encoding="utf-8-sig"), str(source), 1, 1)
            return check(text, signal=signal, context=context, **keywords)
        try:
            config = load_config(source)
            found: list[Diagnostic] = []
            for processor in config.processors.values():
                found += _check_config(processor.config(), processor.kind, keywords)
        except ConfigError as error:
            return list(error.diagnostics)
        return found
    if isinstance(source, Mapping) and "scripts" not in source:
        kind = "filter" if any(k.endswith("_conditions") or k in SIGNALS for k in source) else "transform"
        return _check_config(source, kind, keywords)
    mode = keywords.pop("error_mode", "ignore")
    functions = keywords.pop("functions", None) or standard_functions()
    options = make_options(functions, **keywords)
    try:
        with bounds.loading(options.limits):
            program, notes = _program(source, signal, context, mode, options)
    except ConfigError as error:
        return list(error.diagnostics)
    return _in_order([*program.diagnostics, *notes])


def _check_config(config: Mapping[str, Any], kind: str, keywords: dict[str, Any]) -> list[Diagnostic]:
    if kind == "scripts":
        return check(config, **keywords)
    made = filters.Filter if kind == "filter" else transform.Transform
    try:
        return list(made(config, **keywords).diagnostics)
    except ConfigError as error:
        return list(error.diagnostics)

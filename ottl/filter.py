"""The filter processor: the collector's own configuration over the engine. A condition that holds drops its element."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ottl import ast, binder, bounds, bytecode, configuration, parser, typed
from ottl.codec import Limits
from ottl.configuration import Reader, standard_functions
from ottl.contexts import CONTEXTS
from ottl.contexts.paths import Context
from ottl.engine import (
    Encoding,
    Options,
    Payload,
    Processor,
    Report,
    Session,
    Stack,
    compile_condition,
    contexts_of,
    describe_projection,
    environment,
    infer,
    make_options,
)
from ottl.errors import ConfigError, Diagnostic, StatementError
from ottl.functions import FunctionSet
from ottl.planner import stacks
from ottl.source import Source
from ottl.vm import messages as message_rows
from ottl.vm import rows, traces
from ottl.vm.leaving import RateLimiter

_LISTS = {
    "trace_conditions": "traces",
    "metric_conditions": "metrics",
    "log_conditions": "logs",
    "profile_conditions": "profiles",
}
_OLD = {
    "traces": {"resource": "resource", "span": "span", "spanevent": "spanevent"},
    "metrics": {"resource": "resource", "metric": "metric", "datapoint": "datapoint"},
    "logs": {"resource": "resource", "log_record": "log"},
    "profiles": {"resource": "resource", "profile": "profile"},
}
_CONTEXTS = ("resource", "scope", "span", "spanevent", "metric", "datapoint", "log", "profile")


def _contexts(signal: str) -> dict[str, Context]:
    """The contexts whose elements a filter can drop."""
    return {name: context for name, context in contexts_of(signal).items() if name in _CONTEXTS}


@dataclass(frozen=True, slots=True)
class _Level:
    """The conditions of one level of an item, with what the binder needs."""

    context: Context
    texts: tuple[Source, ...]
    names: binder.Names


@dataclass(frozen=True, slots=True)
class FilterItem:
    """One item of a filter's configuration: conditions by level, in the order of the texts.

    Args:
        conditions: level, bytecode and choice of stack of each condition.
        error_mode: of the item.
        levels: those that are walked, with or without conditions: what is found empty there goes.
        signal: whose payloads it runs on.
    """

    conditions: tuple[tuple[str, bytecode.StatementCode, typed.StackChoice], ...]
    error_mode: str
    levels: tuple[str, ...]
    signal: str


class FilterPass:
    """One item of a filter: one walk that drops the elements for which a condition of their level holds."""

    drops = True
    counts_rows = False
    routes: tuple[str, ...] = ()
    limiters: Mapping[int, RateLimiter] = MappingProxyType({})

    def __init__(self, item: FilterItem, options: Options) -> None:
        self.item = item
        self.options = options
        self.texts = [code.text for _, code, _ in item.conditions]
        self.sources = [code.source for _, code, _ in item.conditions]
        self.contexts = [level for level, _, _ in item.conditions]
        self._levels = tuple(_level_codes(item))
        self.around = environment(options, (code for _, code, _ in item.conditions))
        self.whole = any(bytecode.over_traces(code) for _, code, _ in item.conditions)
        self._columns = bool(self._levels) and all(level.choice.columns for level in self._levels)
        self._built: dict[str, list[tuple[int, rows.ValueFunction]]] | None = None

    @property
    def title(self) -> str:
        """The pass in a few words."""
        return f"drop elements, error mode {self.item.error_mode}"

    def describe(self) -> Iterator[str]:
        """The pass as `explain` shows it."""
        reasons = sorted({level.choice.reason for level in self._levels if not level.choice.columns})
        reasons = reasons or ["no conditions"]
        yield f"stack: {'columns' if self._columns else 'rows (' + '; '.join(reasons) + ')'}"
        yield from describe_projection([code for _, code, _ in self.item.conditions])
        for level, code, _ in self.item.conditions:
            yield f"drop {level} when {code.text}"
            yield from bytecode.disassemble(code)

    def codes(self) -> Sequence[bytecode.StatementCode]:
        """The bytecode of its conditions."""
        return [code for _, code, _ in self.item.conditions]

    def report(self) -> Report:
        """A new sink for one payload."""
        return Report(self.texts, len(self.texts), self.item.error_mode)

    def place(self, number: int) -> tuple[str, Source, str]:
        """Text, place and context of a condition."""
        return self.texts[number], self.sources[number], self.contexts[number]

    @property
    def in_columns(self) -> bool:
        """Whether the columns executor may run it."""
        return self._columns

    @property
    def settles(self) -> bool:
        """Conditions change nothing."""
        return False

    def table_code(self) -> tuple[bytecode.GroupCode, ...]:
        """Its bytecode, for the columns executor's projection: the conditions of a level are those of a group."""
        return self._levels

    def run_columns(self, program: Any, number: int, batch: Any, report: Report, session: Session) -> None:
        """The pass over tables."""
        failures, emptied = program.run_filter(number, batch, report, session.request)
        session.errors += [StatementError(message, self.texts[n], row) for n, row, message in failures]
        session.emptied = session.emptied or emptied

    def functions(self) -> dict[str, list[tuple[int, rows.ValueFunction]]]:
        """The conditions of each level for the rows executor, with their numbers; made when first needed."""
        if self._built is None:
            built: dict[str, list[tuple[int, rows.ValueFunction]]] = {level: [] for level in self.item.levels}
            for number, (level, code, _) in enumerate(self.item.conditions):
                built.setdefault(level, []).append((number, rows.build_value(code, self.around)))
            self._built = built
        return self._built

    def run_rows(self, payload: Payload, report: Report, session: Session) -> None:
        """The pass in the rows executor."""
        ready = self._whole_traces(payload, session) if self.whole else None
        predicates = {
            level: self._predicate(conditions, report, session, ready) for level, conditions in self.functions().items()
        }
        removed: list[str] = []
        if message_rows.prune(
            payload.message(),
            payload.signal,
            predicates,
            request=session.request,
            removed=lambda level, _: removed.append(level),
        ):
            session.emptied = True
        if removed:
            payload.touch()

    def _whole_traces(self, payload: Payload, session: Session) -> Callable[[Any], None]:
        """What gives a span its results of functions over whole traces, which are computed before any row goes."""
        found = list(message_rows.walk(payload.message(), payload.signal, "span", request=session.request))
        computed = traces.Computed(found)
        for level, code, _ in self.item.conditions:
            if level == "span":
                computed.prepare(code, self.around)
        numbers = {id(row.span): row.number for row in found}

        def ready(row: Any) -> None:
            span = getattr(row, "span", None)
            if span is not None:
                row.number, row.computed = numbers[id(span)], computed.results

        return ready

    def _predicate(
        self,
        conditions: Sequence[tuple[int, rows.ValueFunction]],
        report: Report,
        session: Session,
        ready: Callable[[Any], None] | None,
    ) -> Callable[[Any], bool]:
        """Whether any condition of a level holds. A failing one keeps the element; under `propagate` at once."""
        propagate = self.item.error_mode == "propagate"
        matched, errors, first = report.matched, report.errors, report.first

        limit = bounds.current()
        turns = itertools.count(1)

        def drop(row: Any) -> bool:
            if not next(turns) % bounds.CHECKED_ROWS:
                limit.check_time()
            if ready is not None:
                ready(row)
            for number, condition in conditions:
                try:
                    holds = condition(row)
                except ValueError as error:
                    errors[number] += 1
                    first.setdefault(number, str(error))
                    if report.faults is not None:
                        report.fault(number, row, str(error), self.contexts[number])
                    if propagate:
                        session.errors.append(StatementError(str(error), self.texts[number]))
                        return False
                else:
                    if holds:
                        matched[number] += 1
                        return True
            return False

        return drop


def _level_codes(item: FilterItem) -> Iterator[bytecode.GroupCode]:
    """The conditions of each level as a group without statements; `matched` of a report counts them by number."""
    for level in item.levels:
        chosen = [(code, choice) for name, code, choice in item.conditions if name == level]
        fine = stacks.choose(typed.Group(level, ()), item.signal)
        worst = next((choice for _, choice in chosen if not choice.columns), fine)
        yield bytecode.GroupCode(level, (), tuple(code for code, _ in chosen), item.error_mode, False, worst)


class Filter(Processor):
    """Conditions of a filter processor's configuration, over OTLP payloads. Safe to share between threads.

    Args:
        config: the mapping below `filter:`, as the collector takes it.
        functions: what conditions may call; the standard library by default.
        strict: only what the reference knows.
        lambdas: allows lambda arguments (the reference's gate).
        experimental: allows experimental functions (the reference's gate).
        limits: bounds on payloads.
        clock: nanoseconds since the Unix epoch.
        uuid: gives a new identifier a call.
        stack: `auto`, or `fast` or `plain` for all items.

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
            items, diagnostics = read_items(config, options)
        if any(d.severity == "error" for d in diagnostics):
            raise ConfigError(diagnostics)
        super().__init__(
            {s: [FilterPass(item, options) for item in found] for s, found in items.items()}, options, diagnostics
        )
        self.recipe = (type(self), (config,), {})

    def process(
        self,
        payload: bytes,
        signal: str = "traces",
        encoding: Encoding = "protobuf",
        metadata: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The payload less what the conditions drop; emptied, `b""` in protobuf and `b"{}"` in JSON."""
        return self._process(payload, signal, encoding, metadata)


def read_items(config: Mapping[str, Any], options: Options) -> tuple[dict[str, list[FilterItem]], list[Diagnostic]]:
    """The items of a configuration by signal, and all its diagnostics."""
    reader = Reader()
    root = reader.mapping(config, "", ("error_mode", "spans", *_OLD, *_LISTS))
    mode = reader.error_mode(root.get("error_mode"), "error_mode") or "ignore"
    items: dict[str, list[FilterItem]] = {}
    for name, signal in _LISTS.items():
        old = _old_levels(reader, root, signal)
        new = root.get(name)
        if new is not None and old is not None:
            reader.report("E408", f"{name} cannot be combined with {signal}", name, name)
            continue
        found: list[FilterItem | None] = []
        if new is not None:
            found = _read_list(reader, new, name, signal, mode, options)
        elif old:
            found = [_bind(reader, old, signal, mode, options)]
        kept = [item for item in found if item is not None]
        if kept:
            items[signal] = kept
    return items, reader.diagnostics


def _old_levels(reader: Reader, root: Mapping[str, Any], signal: str) -> list[_Level] | None:
    """The older style, by level; None where the signal does not use it."""
    known = _OLD[signal]
    matchers = ("include", "exclude", "regexp") if signal in ("metrics", "logs") else ()
    fields = reader.mapping(root.get(signal), signal, (*known, *matchers)) if signal in root else {}
    spans = reader.mapping(root.get("spans"), "spans", ("include", "exclude")) if signal == "traces" else {}
    levels = [
        _Level(CONTEXTS[context], reader.texts(fields.get(key), f"{signal}.{key}"), "legacy")
        for key, context in known.items()
        if fields.get(key) is not None
    ]
    for holder, place in ((fields, signal), (spans, "spans")):
        for key in ("include", "exclude"):
            if holder.get(key) is None:
                continue
            path = f"{place}.{key}"
            if levels:
                reader.report("E408", f"{path} cannot be combined with conditions of {signal}", key, path)
            else:
                reader.report("E408", f"{path} is no OTTL", key, path, f"write the match as a condition of {signal}")
    return levels or None


def _read_list(
    reader: Reader, items: Any, name: str, signal: str, mode: str, options: Options
) -> list[FilterItem | None]:
    if not isinstance(items, Sequence) or isinstance(items, str):
        reader.report("E401", f"{name} must be a list, got {configuration.type_name(items)}", items, name)
        return []
    if any(isinstance(i, str) for i in items) and not all(isinstance(i, str) for i in items):
        reader.report("E403", f"{name} mixes conditions and groups", None, name)
        return []
    if items and isinstance(items[0], str):
        return [_bind(reader, _inferred(reader, reader.texts(items, name), signal, options), signal, mode, options)]
    found: list[FilterItem | None] = []
    for number, item in enumerate(items):
        path = f"{name}[{number}]"
        if item is None:
            reader.report("E402", f"{path} is empty", item, path)
            continue
        fields = reader.mapping(item, path, ("context", "conditions", "error_mode"))
        context = reader.context(fields.get("context"), f"{path}.context", _CONTEXTS, tuple(_contexts(signal)))
        own_mode = reader.error_mode(fields.get("error_mode"), f"{path}.error_mode") or mode
        texts = reader.texts(fields.get("conditions"), f"{path}.conditions")
        if context is not None:
            levels = [_Level(CONTEXTS[context], texts, "inserted")] if texts else []
        else:
            levels = _inferred(reader, texts, signal, options)
        found.append(_bind(reader, levels, signal, own_mode, options))
    return found


def _inferred(reader: Reader, texts: Sequence[Source], signal: str, options: Options) -> list[_Level]:
    """Each text in the context that is inferred for it alone."""
    functions = options.functions.converters()
    levels: list[_Level] = []
    for text in texts:
        try:
            tree: ast.Node = parser.parse_condition(text)
        except ConfigError as error:
            reader.diagnostics += error.diagnostics
            continue
        chosen = infer([(tree, text)], _contexts(signal), functions)
        if isinstance(chosen, Diagnostic):
            reader.diagnostics.append(chosen)
        else:
            levels.append(_Level(chosen, (text,), "required"))
    return levels


def _bind(reader: Reader, levels: Sequence[_Level], signal: str, mode: str, options: Options) -> FilterItem | None:
    conditions: list[tuple[str, bytecode.StatementCode, typed.StackChoice]] = []
    before = sum(d.severity == "error" for d in reader.diagnostics)
    for level in levels:
        functions = binder.available(options.functions, level.context.name, conditions_only=True)
        bind = binder.Binder(level.context, functions, level.names, options.lambdas, diagnostics=reader.diagnostics)
        for text in level.texts:
            try:
                tree = parser.parse_condition(text)
            except ConfigError as error:
                reader.diagnostics += error.diagnostics
                continue
            bound = bind.condition(tree, text)
            if bound is not None:
                choice = stacks.choose(typed.Group(level.context.name, (), (bound,), mode), signal)
                if options.stack == "fast" and not choice.columns:
                    message = f"this condition cannot run in columns: {choice.reason}"
                    hint = "leave the stack at `auto`"
                    bind.diagnostics.append(Diagnostic("E901", "error", message, None, hint, text))
                conditions.append((level.context.name, compile_condition(bound), choice))
    if sum(d.severity == "error" for d in reader.diagnostics) > before:
        return None
    order = [level.context.name for level in levels]
    walked = tuple(dict.fromkeys(level.context.name for level in levels))
    return FilterItem(tuple(sorted(conditions, key=lambda c: order.index(c[0]))), mode, walked, signal)

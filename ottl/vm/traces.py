"""Functions over whole traces in both executors: the arrays they read, their arguments on every row, and their answers.

A call is evaluated for all rows of the payload before its statement changes anything. The columns executor does so
where the instruction stands; the rows executor, which runs such groups statement by statement, does it in front of the
statement (`prepare`), and the generated function then takes each row's result (`taken`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ottl import types
from ottl.analysis.spans import Bools, Identifiers, Ints, Keys, Labels, Links, Spans, Words
from ottl.bounds import CHECKED_ROWS, current
from ottl.bytecode import Instruction, Literal, Op, Over, Place, StatementCode, over_traces
from ottl.contexts.identity import SERVICE, stale_parts
from ottl.functions import Answer, Function, Parameter, Taken
from ottl.tables.vectors import BOOL, DOUBLE, DURATION, EMPTY, INT, NO_LENS, OBJECT, SPAN_ID, Vector, uniform
from ottl.types import Duration, Kind, SpanID, Value, kind_name
from ottl.vm import rows as row_executor
from ottl.vm.entries import find, value_from_message
from ottl.vm.walk import Row

if TYPE_CHECKING:
    from ottl.vm.columns import Errors, Evaluation
    from ottl.vm.frame import Frame

_ERROR = 2
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_SERVICE_KEY = SERVICE[2] or b""


# -- the spans ------------------------------------------------------------------------------------------------------


def _fixed(raw: bytes, size: int) -> bytes:
    """An id of the wrong length as paths present it: an empty one is zero, a short one is filled up."""
    return raw if len(raw) == size else raw[:size].ljust(size, b"\0")


def _words(data: bytes) -> Words:
    return np.frombuffer(data, ">u8").astype(np.uint64)


def _labels(values: Sequence[bytes]) -> Labels:
    names: dict[bytes, int] = {}
    codes = [names.setdefault(value, len(names)) for value in values]
    return Labels(np.array(codes, np.intp), list(names))


def _service(value: Value) -> bytes:
    return b"" if value is None else types.as_string(value)


class RowSource:
    """The spans of messages.

    Args:
        rows: all rows of the span context, in order.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    @property
    def count(self) -> int:
        """Number of spans."""
        return len(self.rows)

    def identifiers(self) -> Identifiers:
        """Who the spans are."""
        spans = [row.span for row in self.rows]
        return Identifiers(
            _words(b"".join(_fixed(s.trace_id, _TRACE_BYTES) for s in spans)).reshape(len(spans), 2),
            _words(b"".join(_fixed(s.span_id, _SPAN_BYTES) for s in spans)),
            _words(b"".join(_fixed(s.parent_span_id, _SPAN_BYTES) for s in spans)),
        )

    def times(self) -> tuple[Ints, Ints]:
        """Starts and ends."""
        starts = np.array([row.span.start_time_unix_nano for row in self.rows], np.uint64)
        ends = np.array([row.span.end_time_unix_nano for row in self.rows], np.uint64)
        return starts.view(np.int64), ends.view(np.int64)

    def errors(self) -> Bools:
        """Whether the status is an error."""
        return np.array([row.span.status.code == _ERROR for row in self.rows], np.bool_)

    def services(self) -> Labels:
        """The service of each span."""
        known: dict[int, bytes] = {}
        found = []
        for row in self.rows:
            name = known.get(id(row.resource))
            if name is None:
                value = find(row.resource.resource.attributes, _SERVICE_KEY)
                name = known[id(row.resource)] = _service(None if value is None else value_from_message(value))
            found.append(name)
        return _labels(found)

    def names(self) -> Labels:
        """The name of each span."""
        return _labels([row.span.name for row in self.rows])

    def links(self) -> Links:
        """The links."""
        found = [(number, link) for number, row in enumerate(self.rows) for link in row.span.links]
        return Links(
            np.array([number for number, _ in found], np.intp),
            _words(b"".join(_fixed(link.trace_id, _TRACE_BYTES) for _, link in found)).reshape(len(found), 2),
            _words(b"".join(_fixed(link.span_id, _SPAN_BYTES) for _, link in found)),
        )

    def keys(self) -> Keys:
        """The attribute keys."""
        found = [(number, entry.key) for number, row in enumerate(self.rows) for entry in row.span.attributes]
        return Keys(np.array([number for number, _ in found], np.intp), _labels([key for _, key in found]).codes)


class TableSource:
    """The spans of tables.

    Args:
        frame: the tables, in the context of spans.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    @property
    def count(self) -> int:
        """Number of spans."""
        return self.frame.count

    def _ids(self, level: str, field: str, size: int) -> Words:
        _, bits, lens = self.frame.column(level, (field,), None)
        batch = self.frame.batch
        if (lens == size).all():
            return _words(batch.arena_view(bits, lens)[0])
        return _words(b"".join(_fixed(raw, size) for raw in batch.take(bits, lens)))

    def identifiers(self) -> Identifiers:
        """Who the spans are."""
        return Identifiers(
            self._ids("span", "trace_id", _TRACE_BYTES).reshape(self.count, 2),
            self._ids("span", "span_id", _SPAN_BYTES),
            self._ids("span", "parent_span_id", _SPAN_BYTES),
        )

    def times(self) -> tuple[Ints, Ints]:
        """Starts and ends."""
        column = self.frame.column
        return (
            np.array(column("span", ("start_time_unix_nano",), None)[1]),
            np.array(column("span", ("end_time_unix_nano",), None)[1]),
        )

    def errors(self) -> Bools:
        """Whether the status is an error."""
        found: Bools = self.frame.column("span", ("status", "code"), None)[1] == _ERROR
        return found

    def services(self) -> Labels:
        """The service of each span."""
        frame = self.frame
        table, number = frame.layout.tables["resource"], frame.layout.maps["resource", ("resource", "attributes")]
        tags, bits, lens, _ = frame.batch.map_get(table, number, _SERVICE_KEY, None)
        values = frame.objects(uniform(tags, bits, lens, "resource"), len(tags))
        own = _labels([_service(value) for value in values])
        # In the order of the spans, as rows number them.
        of_span = own.codes[frame.parents("resource")]
        _, first, numbers = np.unique(of_span, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))
        names = [own.names[of_span[row]] for row in np.sort(first).tolist()]
        return Labels(order[numbers].astype(np.intp), names)

    def names(self) -> Labels:
        """The name of each span."""
        _, bits, lens = self.frame.column("span", ("name",), None)
        codes, first = self.frame.batch.intern(None, bits, lens)
        return Labels(codes.astype(np.intp), self.frame.batch.take(bits[first], lens[first]))

    def links(self) -> Links:
        """The links."""
        owner = self.frame.batch.parents(self.frame.layout.tables["spanlink"]).astype(np.intp)
        trace = self._ids("spanlink", "trace_id", _TRACE_BYTES).reshape(len(owner), 2)
        return Links(owner, trace, self._ids("spanlink", "span_id", _SPAN_BYTES))

    def keys(self) -> Keys:
        """The attribute keys."""
        layout = self.frame.layout
        found = self.frame.batch.map_entries(layout.tables["span"], layout.maps["span", ("attributes",)], None)
        return Keys(found[0].astype(np.intp), found[1].astype(np.intp))


def spans_of(frame: Frame) -> Spans:
    """The spans of tables, kept with them."""
    if frame.traces is None:
        frame.traces = Spans(TableSource(frame))
    return frame.traces


def written_parts(code: StatementCode) -> set[str]:
    """The parts of the spans that a statement makes stale."""
    found: set[str] = set()
    for i in code.instructions:
        specs = [operand.spec for operand in i.operands if isinstance(operand, Place)]
        if i.op in (Op.STORE, Op.TOUCH):
            specs.append(i.data)
        for spec in specs:
            found |= stale_parts(spec.level, spec.field)
    return found


# -- arguments ------------------------------------------------------------------------------------------------------


def _span_id(value: Value) -> int:
    """A span id as a number, 0 for none."""
    if type(value) is SpanID:
        return int.from_bytes(value, "big")
    if value is None:
        return 0
    if type(value) is bytes and len(value) == 2 * _SPAN_BYTES:
        try:
            return int(bytes.fromhex(value.decode("ascii")).hex(), 16)
        except ValueError:
            pass
    raise ValueError(f"expected a span id or its 16 hexadecimal digits, got {kind_name(value)}")


class _Evaluated:
    """An argument on every row.

    Args:
        count: number of rows.
        errors: messages of the rows on which it failed.
    """

    def __init__(self, count: int, errors: dict[int, str]) -> None:
        self.count = count
        self.errors = errors

    @property
    def failed(self) -> Bools:
        """Where it failed."""
        found = np.zeros(self.count, np.bool_)
        found[list(self.errors)] = True
        return found

    def objects(self) -> list[Any]:
        """The values."""
        raise NotImplementedError

    def truths(self) -> Bools:
        """The values of a condition."""
        return np.array([value is True for value in self.objects()], np.bool_)

    def span_ids(self) -> tuple[Words, Bools]:
        """The values as span ids."""
        found = [0] * self.count
        for row, value in enumerate(self.objects()):
            if row not in self.errors:
                try:
                    found[row] = _span_id(value)
                except ValueError as error:
                    self.errors[row] = str(error)
        words = np.array(found, np.uint64)
        return words, words != 0


class _RowValues(_Evaluated):
    def __init__(self, values: list[Any], errors: dict[int, str]) -> None:
        super().__init__(len(values), errors)
        self.values = values

    def objects(self) -> list[Any]:
        """The values."""
        return self.values


class _Cells(_Evaluated):
    def __init__(self, frame: Frame, vector: Vector, errors: Errors) -> None:
        messages: dict[int, str] = {}
        for numbers, message in errors.messages:
            for position, row in enumerate(numbers.tolist()):
                messages.setdefault(row, message if isinstance(message, str) else message[position])
        super().__init__(frame.count, messages)
        self.frame = frame
        self.vector = vector

    def objects(self) -> list[Any]:
        """The values."""
        return self.frame.objects(self.vector, self.count)

    def truths(self) -> Bools:
        """The values of a condition."""
        return np.broadcast_to(self.vector.bits, (self.count,)) & ~self.failed

    def span_ids(self) -> tuple[Words, Bools]:
        """The values as span ids."""
        vector = self.vector
        if vector.tag != SPAN_ID or vector.constant or self.errors or vector.lens is None:
            return super().span_ids()
        words = _words(self.frame.batch.arena_view(vector.bits, vector.lens)[0])
        return words, words != 0


def _arguments(i: Instruction, spans: Spans, evaluate: Callable[[StatementCode], _Evaluated]) -> list[Any]:
    """The kernel's arguments: the spans for its hidden parameter, literals, and what is evaluated on every row."""
    function: Function = i.data
    found: list[Any] = []
    for p, operand in zip(function.parameters, i.operands, strict=True):
        if isinstance(operand, Over):
            found.append(evaluate(operand.code))
        elif isinstance(operand, Literal):
            found.append(_constant(p, operand.value))
        else:
            found.append(spans)
    return found


def _constant(p: Parameter, value: Any) -> Any:
    return p.compile(value) if p.compile is not None and isinstance(value, str) else value


def _failures(answer: Answer | Taken) -> tuple[tuple[Any, NDArray[Any]], ...]:
    return ((answer.argument, answer.rows),) if isinstance(answer, Taken) else answer.failures


# -- the rows executor ----------------------------------------------------------------------------------------------


class Computed:
    """The results of the calls of one statement on every row.

    Args:
        rows: the rows, numbered by their place.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.spans = Spans(RowSource(rows))
        self.results: dict[int, tuple[list[Any], dict[int, str]]] = {}
        self._built: dict[int, row_executor.ValueFunction] = {}
        for number, row in enumerate(rows):
            row.number, row.computed = number, self.results

    def prepare(self, code: StatementCode, environment: Any) -> None:
        """Evaluates the calls over whole traces in a statement, for all rows."""
        for i in code.instructions:
            if i.op is Op.CALL and i.data.over is not None:
                arguments = _arguments(i, self.spans, lambda inner: self._evaluate(inner, environment))
                self.results[id(i)] = self._result(i.data, i.data.kernel(*arguments))

    def written(self, code: StatementCode) -> None:
        """A statement was run, and may have made parts of the spans stale."""
        self.spans.forget(written_parts(code))

    def _evaluate(self, code: StatementCode, environment: Any) -> _RowValues:
        self.prepare(code, environment)
        function = self._built.get(id(code))
        if function is None:
            function = self._built[id(code)] = row_executor.build_value(code, environment)
        values: list[Any] = []
        errors: dict[int, str] = {}
        limit = current()
        for number, row in enumerate(self.rows):
            if not number % CHECKED_ROWS:
                limit.check_time()
            try:
                values.append(function(row))
            except ValueError as error:
                values.append(None)
                errors[number] = str(error)
        return _RowValues(values, errors)

    def _result(self, function: Function, answer: Answer | Taken) -> tuple[list[Any], dict[int, str]]:
        errors: dict[int, str] = {}
        for argument, rows in _failures(answer):
            for number, row in enumerate(rows.tolist()):
                if row >= 0 and row in argument.errors:
                    errors.setdefault(number, argument.errors[row])
        if isinstance(answer, Taken):
            values = answer.argument.objects()  # type: ignore[attr-defined]
            return [None if row < 0 else values[row] for row in answer.rows.tolist()], errors
        found = _as_objects(function, answer)
        return (found * len(self.rows) if len(found) == 1 else found), errors


def _as_objects(function: Function, answer: Answer) -> list[Any]:
    found = answer.values
    values = found if isinstance(found, list) else found.tolist()
    if function.result is Kind.DURATION:
        values = [Duration(value) for value in values]
    elif isinstance(found, list):
        values = list(map(types.convert_result(function.result, function.result_raw), values))
    if answer.valid is not None:
        values = [value if valid else None for value, valid in zip(values, answer.valid.tolist(), strict=True)]
    return values


def prepared(code: StatementCode, rows: Iterable[Row], environment: Any) -> Iterable[Row]:
    """The rows of a payload, ready for a condition or value that may look at whole traces."""
    if not over_traces(code):
        return rows
    found = list(rows)
    Computed(found).prepare(code, environment)
    return found


# -- the columns executor -------------------------------------------------------------------------------------------


def call(run: Evaluation, i: Instruction) -> Vector:
    """CALL of a function over whole traces, for the selected rows."""
    from ottl.vm import columns

    frame = run.frame

    def evaluate(code: StatementCode) -> _Cells:
        errors = columns.Errors(frame)
        inner = columns.Evaluation(frame, code, frame.all, errors, run.environment)
        inner.run()
        return _Cells(frame, inner.get(code.result), errors)

    answer = i.data.kernel(*_arguments(i, spans_of(frame), evaluate))
    chosen = run.selection.numbers()
    for argument, rows in _failures(answer):
        taken = rows[chosen]
        bad = (taken >= 0) & argument.failed[np.maximum(taken, 0)]
        if bad.any():
            run.fail(bad, frame.context, [argument.errors[row] for row in taken[bad].tolist()])
    if isinstance(answer, Taken):
        return _take(frame, answer.argument.vector, answer.rows[chosen])  # type: ignore[attr-defined]
    return _vector(frame, i.data, answer, chosen)


def _take(frame: Frame, vector: Vector, rows: NDArray[Any]) -> Vector:
    """The values on other rows, nil for row -1."""
    gone = rows < 0
    if vector.tag == OBJECT:
        values = frame.objects(vector, frame.count)
        return frame.vector([None if row < 0 else values[row] for row in rows.tolist()], frame.context)
    index = np.zeros(len(rows), np.intp) if vector.constant else np.maximum(rows, 0)
    found = vector.take(index, frame.context)
    return _without(found, gone)


def _without(found: Vector, gone: Bools) -> Vector:
    """The values, nil where they are gone."""
    if not gone.any():
        return found
    if found.objects is not None:
        values = [None if lost else value for value, lost in zip(found.objects, gone.tolist(), strict=True)]
        return Vector(OBJECT, found.bits, None, values, found.level)
    tags = np.where(gone, np.uint8(EMPTY), found.tag_array(len(gone))).astype(np.uint8)
    lens = np.zeros(len(gone), np.uint32) if found.lens is None else np.where(gone, NO_LENS, found.lens)
    return uniform(tags, np.where(gone, 0, found.raw()), lens.astype(np.uint32), found.level)


_TAGS = {"b": BOOL, "i": INT, "f": DOUBLE}


def _vector(frame: Frame, function: Function, answer: Answer, chosen: NDArray[Any]) -> Vector:
    if isinstance(answer.values, list):
        if len(answer.values) == 1:
            return frame.vector(_as_objects(function, answer), "")
        # A value that many rows share is converted and encoded once.
        numbers: dict[int, int] = {}
        codes = np.array([numbers.setdefault(id(value), len(numbers)) for value in answer.values], np.intp)
        _, first = np.unique(codes, return_index=True)
        shared = Answer([answer.values[row] for row in first.tolist()])
        found = frame.vector(_as_objects(function, shared), frame.context).take(codes[chosen], frame.context)
        return found if answer.valid is None else _without(found, ~answer.valid[chosen])
    bits = answer.values[chosen]
    tag = DURATION if function.result is Kind.DURATION else _TAGS[bits.dtype.kind]
    found = Vector(tag, bits, None, None, frame.context)
    if answer.valid is None or answer.valid[chosen].all():
        return found
    tags = np.where(answer.valid[chosen], np.uint8(tag), np.uint8(EMPTY)).astype(np.uint8)
    return uniform(tags, found.raw(), np.zeros(len(bits), np.uint32), frame.context)

"""How an OTTL function is declared, and the sets that hold functions.

A function is declared once, by a decorator over its scalar kernel: name, parameters, result type, documentation,
examples and traits are read from that one place. The scalar kernel is the meaning; a vector kernel, where one is
attached, is only speed.

Parameters come from annotations. Values that cross into a kernel are converted (and refused, with the reference's
type rules) at the boundary, so that kernels never test for types or nil:

| annotation | the argument | what the kernel gets |
|---|---|---|
| `int`, `float`, `bool`, `Time`, `Duration`, `Map`, `Slice` | a value of just that type | the same |
| `str` | a string | the text, decoded with `surrogateescape` |
| `Utf8` | a string | its UTF-8 bytes, undecoded |
| `StringLike`, `Utf8Like`, `IntLike`, `FloatLike`, `BoolLike`, `BytesLike` | any value, coerced | the coerced value |
| `Value` | any value | the value as the VM holds it (see `ottl.types`) |
| `T | None` | as `T`, nil allowed | `None` for nil |
| `Omittable[T]` (default `None`) | as `T`, may be left out, nil refused | `None` when left out |
| `Const[T]` | a literal, known at compile time | the Python value |
| `list[T]` | a list literal, or any value that is a list at run time | a `list` of converted elements |
| `tuple[T, ...]` | a list literal of expressions | a `tuple` of converted elements |
| `Annotated[str, Compiled(f)]` | a string | `f(text)`; for a literal computed once, when the rule is loaded |
| `Number` | a value, coerced; a duration is its nanoseconds | `float` |
| `Condition` | a condition | a function that says whether it holds |
| `FunctionArgument` | a converter's name | a callable of UTF-8 bytes to UTF-8 bytes |
| `Target`, `MapTarget`, `ListTarget` | a path | an accessor that reads and writes in place |
| `Annotated[T, PathArgument("span.parent_span_id")]` | none: the VM reads that path | the path's value |
| `Environment` | none | clock and identifier source of the engine |
| `State[T]` | none | what the function remembers of the row's key, see below |
| `Key` (default `None`) | a value, or a list of them; left out: the row's identity | `None`: it decides on the state |
| `Trace[Spans]` | none | all spans of the payload, see below |

A function with *memory* has a parameter `State[T]`. The engine keeps one `T` for each call site and key, carries it
from payload to payload, bounds the number of keys and saves them. `T` is a dataclass whose fields have defaults and
hold plain values, and which the kernel changes in place; or what a `memory` of arrays gives for a slot (see
`ottl.analysis.running`), which the vector kernel gets as `Slots`.

A function over *whole traces* (`over="trace"`) has one kernel, for all rows at once: it gets the spans as arrays,
conditions and values as `Argument`s, which are evaluated on every span, and gives an `Answer` or `Taken`. It is
evaluated before the statement changes anything.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import inspect
import types as python_types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeVar, overload

from numpy.typing import NDArray

from ottl.bounds import SMALL, current
from ottl.types import MISSING as MISSING  # noqa: PLC0414 - editors import it from here
from ottl.types import Duration, Kind, Map, Slice, Time, Value
from ottl.types import Missing as Missing  # noqa: PLC0414 - see above

T = TypeVar("T")


class Form(enum.Enum):
    """What kind of argument a parameter takes."""

    VALUE = "value"
    CONSTANT = "constant"
    LIST = "list"
    TUPLE = "tuple"
    TARGET = "target"
    MAP_TARGET = "map target"
    LIST_TARGET = "list target"
    FUNCTION = "function"
    CONDITION = "condition"
    LAMBDA = "lambda"
    PATH = "path"
    ENVIRONMENT = "environment"
    KEY = "key"
    STATE = "state"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class _Marker:
    form: Form | None = None
    kind: Kind | None = None
    like: bool = False
    raw: bool = False
    omittable: bool = False
    number: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """Marks a string parameter that is compiled: a pattern, a layout, a zone.

    Args:
        compile: from text to the object that the kernel gets; raises `ValueError` for a bad text.
    """

    compile: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class PathArgument:
    """Marks a parameter that the VM fills from a path of the row, not from an argument."""

    path: str


Utf8 = Annotated[bytes, _Marker(kind=Kind.STRING, raw=True)]
StringLike = Annotated[str, _Marker(kind=Kind.STRING, like=True)]
Utf8Like = Annotated[bytes, _Marker(kind=Kind.STRING, like=True, raw=True)]
IntLike = Annotated[int, _Marker(kind=Kind.INT, like=True)]
FloatLike = Annotated[float, _Marker(kind=Kind.DOUBLE, like=True)]
BoolLike = Annotated[bool, _Marker(kind=Kind.BOOL, like=True)]
BytesLike = Annotated[bytes, _Marker(kind=Kind.BYTES, like=True)]
Const = Annotated[T, _Marker(form=Form.CONSTANT)]
Omittable = Annotated[T | None, _Marker(omittable=True)]
FunctionArgument = Annotated[Callable[[bytes], bytes], _Marker(form=Form.FUNCTION)]
Condition = Annotated[Callable[[], bool], _Marker(form=Form.CONDITION)]
Number = Annotated[float, _Marker(kind=Kind.DOUBLE, like=True, number=True)]
Key = Annotated[None, _Marker(form=Form.KEY)]
State = Annotated[T, _Marker(form=Form.STATE)]
Trace = Annotated[T, _Marker(form=Form.TRACE)]
ValueOnAll = Annotated["Argument", _Marker(kind=Kind.ANY)]
ConditionOnAll = Annotated["Argument", _Marker(form=Form.CONDITION)]
Lambda = Annotated[Callable[..., Value], _Marker(form=Form.LAMBDA)]


class Target(Protocol):
    """A path that an editor reads and writes, on one row."""

    def get(self) -> Value:
        """The current value; nil where the path has none."""

    def set(self, value: Value) -> None:
        """Writes the value; raises `ValueError` where the path refuses it."""


class MapTarget(Protocol):
    """The entries of a map that an editor changes in place, on one row.

    Entries keep their order and keys may repeat. Indexes are positions in `items()`.
    """

    def __len__(self) -> int: ...

    def items(self, start: int = 0) -> list[tuple[bytes, Value]]:
        """A snapshot of all entries, or those from a position on, in order, repeated keys included."""

    def keys(self) -> list[bytes]:
        """A snapshot of all keys, in order; cheaper than `items`, which decodes the values."""

    def flat_keys(self) -> list[bytes]:
        """As `keys`, up to the first entry whose value is a map, a list or Empty."""

    def get(self, key: bytes) -> Value | Missing:
        """The value of the first entry with the key."""

    def put(self, key: bytes, value: Value) -> None:
        """Overwrites the first entry with the key, or appends one; raises `ValueError` for a value no slot takes."""

    def put_at(self, index: int, value: Value) -> None:
        """Overwrites the value of the entry at a position."""

    def remove(self, key: bytes) -> bool:
        """Removes the first entry with the key; the last entry moves into the hole. False: no such key."""

    def rename(self, keys: list[bytes]) -> None:
        """Gives the first entries new keys, one each, in order."""

    def retain(self, keep: list[bool]) -> None:
        """Keeps the entries whose position is marked, in order."""

    def replace(self, entries: Iterable[tuple[bytes, Value]], start: int = 0) -> None:
        """Gives the map new contents, all of them or those from a position on."""


class ListTarget(Protocol):
    """The elements of a list that an editor changes, on one row."""

    def items(self) -> list[Value]:
        """A snapshot of the elements."""

    def replace(self, items: Iterable[Value]) -> None:
        """Gives the list new contents."""


class Environment(Protocol):
    """What impure functions may ask of the engine; tests inject their own."""

    @property
    def system_clock(self) -> bool:
        """Whether `clock` is that of the system, which the native executor may read itself."""

    @property
    def system_uuid(self) -> bool:
        """Whether `uuid` is random, so that others are as good."""

    def clock(self) -> int:
        """Nanoseconds since the Unix epoch."""

    def uuid(self) -> str:
        """A new random identifier (version 4), lower case."""

    def uuids(self, count: int) -> list[str]:
        """As many as `uuid` gives in so many calls."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a converter's vector kernel may use besides its arguments.

    Args:
        arena: the batch: adds and takes texts, tells distinct values apart, compares.
        level: the level of the vectors; the result's too.
        count: number of rows; a constant argument has one value for all of them.
    """

    arena: Any
    level: str
    count: int


class Slots(Protocol):
    """What a vector kernel gets for `State`."""

    @property
    def memory(self) -> Any:
        """The memory of the call site."""

    def rows(self) -> NDArray[Any] | None:
        """Slot of each row, intp (n,); a kernel asks once, when it will not decline, and declines if this is None."""


class Argument(Protocol):
    """An argument of a function over whole traces: its value on every span."""

    @property
    def failed(self) -> NDArray[Any]:
        """Where evaluating it failed, bool (n,)."""

    def truths(self) -> NDArray[Any]:
        """The values of a condition, bool (n,); false where it failed."""

    def span_ids(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The values as span ids, uint64 (n,), and where there is one, bool (n,); nil is none, other values fail."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a function over whole traces for every span.

    Args:
        values: an array of int64, float64 or bool, or a list of values; (n,), or 1 for all.
        valid: where there is one, bool (n,); elsewhere it is nil. None for everywhere.
        failures: arguments with the row whose failure is that of each row, intp (n,), -1 for none.
    """

    values: NDArray[Any] | list[Any]
    valid: NDArray[Any] | None = None
    failures: tuple[tuple[Argument, NDArray[Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of a function over whole traces: for every span the value that an argument has on another one.

    Args:
        argument: the argument.
        rows: the other span, intp (n,), -1 for nil.
    """

    argument: Argument
    rows: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Register:
    """An argument of a call in the native executor.

    Args:
        number: its register, -1 for a constant that no register holds.
        value: its value where it is a constant, else `MISSING`.
    """

    number: int
    value: Any = MISSING


@dataclass(frozen=True, slots=True)
class MapKey:
    """A key of the map that an editor changes, for the native executor."""

    name: bytes


@dataclass(frozen=True, slots=True)
class MapKeys:
    """A set of keys of the map that an editor changes, for the native executor.

    Args:
        names: the keys; empty where there is an expression.
        pattern: the native expression that the keys match.
        complement: all other keys are meant.
    """

    names: tuple[bytes, ...] = ()
    pattern: Any = None
    complement: bool = False


@dataclass(frozen=True, slots=True)
class NativeCall:
    """A call as the native executor runs it (see `ottl/native/src/exec`).

    Args:
        name: the operation.
        registers: what it reads.
        data: its constants.
    """

    name: str
    registers: tuple[Register, ...] = ()
    data: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function, as its annotation says.

    Args:
        name: the name for named arguments.
        form: what kind of argument it takes.
        kind: the type of the value (of the elements, for lists); `Kind.ANY` for any.
        like: coerced by the reference's "like" rules.
        raw: strings reach the kernel as UTF-8 bytes.
        nil: nil is passed on as `None`.
        required: no default.
        default: the kernel's default.
        compile: set for `Compiled` strings.
        path: set for `PathArgument`.
        constant_list: a constant that is a list of constants.
        nil_elements: nil elements of a list are passed on as `None`.
        number: durations are numbers too, of nanoseconds.
    """

    name: str
    form: Form
    kind: Kind
    like: bool = False
    raw: bool = False
    nil: bool = False
    required: bool = True
    default: Any = None
    compile: Callable[[str], Any] | None = None
    path: str | None = None
    constant_list: bool = False
    nil_elements: bool = False
    number: bool = False

    @property
    def hidden(self) -> bool:
        """True where the VM, not the rule, supplies the argument."""
        return self.form in (Form.PATH, Form.ENVIRONMENT, Form.STATE, Form.TRACE)


@dataclass(frozen=True, slots=True)
class Example:
    """A call and what comes of it: documentation and test at once.

    Args:
        call: a value expression, or for an editor a statement, in the log context with names on.
        result: the value, in plain Python types (`str`, `bytes`, `dict`, `list`...); for editors the attributes
            afterwards.
        given: the attributes of the record before the call.
        error: a part of the message, for a call that fails; `result` is then not looked at.
        load_error: the call is refused when loaded.
    """

    call: str
    result: Any = None
    given: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    load_error: bool = False


class Function:
    """A registered function: its declaration, its scalar kernel and, where one exists, its vector kernel.

    Calling it calls the scalar kernel. Pickled by reference to the module that declared it.
    """

    __slots__ = (
        "alias_kernel",
        "check",
        "contexts",
        "doc",
        "editor",
        "examples",
        "extension",
        "kernel",
        "lowering",
        "memory",
        "name",
        "native_call",
        "over",
        "parameters",
        "pure",
        "reads",
        "result",
        "result_nil",
        "result_raw",
        "varying",
        "vector_kernel",
    )

    def __init__(
        self,
        name: str,
        kernel: Callable[..., Any],
        *,
        examples: tuple[Example, ...],
        editor: bool,
        pure: bool,
        contexts: tuple[str, ...],
        lowering: str | None,
        extension: bool = False,
        memory: Callable[..., Any] | None = None,
        over: str | None = None,
        reads: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.kernel = kernel
        self.editor = editor
        self.examples = examples
        self.pure = pure
        self.contexts = contexts
        self.lowering = lowering
        self.extension = extension
        self.memory = memory
        self.over = over
        self.reads = reads
        self.vector_kernel: Callable[..., Any] | None = None
        self.native_call: Callable[..., NativeCall | None] | None = None
        self.varying: tuple[bool, ...] = ()
        self.alias_kernel: Callable[..., None] | None = None
        self.check: Callable[..., None] | None = None
        self.doc = inspect.getdoc(kernel) or ""
        hints = typing.get_type_hints(kernel, include_extras=True)
        signature = inspect.signature(kernel)
        self.parameters = tuple(_parameter(p, hints[p.name]) for p in signature.parameters.values())
        if self.memory is None:
            self.memory = next((p.compile for p in self.parameters if p.form is Form.STATE), None)
        if self.memory is not None:
            self.pure = False
        self.result, self.result_raw, self.result_nil = _result(hints.get("return", type(None)))
        if not editor and over is None and self.result in _GROWING:
            self.kernel = _counted(kernel)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the scalar kernel gives."""
        return self.kernel(*args, **kwargs)

    def vector(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """Attaches a vector kernel; it must agree with the scalar one, and declines what it cannot do with `None`.

        A converter's gets `Columns`, then its arguments: a `Vector` for a value (of the one type that a strict
        parameter wants), a list of them for a list literal, constants as the scalar kernel gets them; it returns a
        `Vector`, or a pair of one and the rows that it declines, bool (rows,). An impure function's sees the rows that
        have not failed. An editor's gets its target, a `MapColumn`, or for a plain target `Columns` and the current
        values, then its other arguments, which are constants; beside a `MapColumn`, a parameter annotated `Vector` gets
        a vector of the type that the declaration wants. It returns on how many rows it changed something, or for a
        plain target the new values and where to write them, bool (rows,).
        """
        self.vector_kernel = kernel
        self.varying = tuple("Vector" in str(p.annotation) for p in inspect.signature(kernel).parameters.values())
        return kernel

    def native(self, lower: Callable[..., NativeCall | None]) -> Callable[..., NativeCall | None]:
        """Attaches how the native executor runs the function; it must agree with the scalar kernel, or decline rows.

        The function given gets the arguments but for an editor's target: a `Register` for a value, a list of them for
        a list literal, the environment and other constants as the scalar kernel gets them. It returns the call, or None
        where the native executor cannot run it for such arguments.
        """
        self.native_call = lower
        return lower

    def aliased(self, kernel: Callable[..., None]) -> Callable[..., None]:
        """Attaches an editor's kernel for a source that holds its target: the edit changes what is still to be read.

        It gets what the scalar kernel gets, but for the source a function that reads it as it is by then.
        """
        self.alias_kernel = kernel
        return kernel

    def checked(self, check: Callable[..., None]) -> Callable[..., None]:
        """Attaches a check of literal arguments, run when a rule is loaded.

        The check gets, by keyword, those of the arguments it names that were written as literals (defaults where left
        out), and raises `ValueError`. It is not run while a parameter of it without default is no literal.
        """
        self.check = check
        return check

    @property
    def visible(self) -> tuple[Parameter, ...]:
        """The parameters that a rule can write."""
        return tuple(p for p in self.parameters if not p.hidden)

    @property
    def stateful(self) -> bool:
        """Whether it remembers something from row to row."""
        return self.memory is not None

    def signature(self) -> str:
        """The call as documentation shows it: `Substring(target: string, start: int, utf8_safe?: bool)`."""
        shown = ", ".join(f"{p.name}{'' if p.required else '?'}: {_shown_type(p)}" for p in self.visible)
        return f"{self.name}({shown})"

    def __repr__(self) -> str:
        return f"<{'editor' if self.editor else 'converter'} {self.signature()}>"

    def __reduce__(self) -> tuple[Callable[[str, str, str], Function], tuple[str, str, str]]:
        return _restore, (self.kernel.__module__, self.kernel.__qualname__, self.name)


_GROWING = (Kind.STRING, Kind.BYTES, Kind.LIST, Kind.MAP, Kind.ANY)


def _counted(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The scalar kernel, whose large results count among what a statement may make (see `ottl.bounds`)."""

    @functools.wraps(kernel)
    def count(*args: Any, **kwargs: Any) -> Any:
        result = kernel(*args, **kwargs)
        if isinstance(result, (bytes, str, list, Map)) and len(result) > SMALL:
            bounds = current()
            if isinstance(result, (bytes, str)):
                bounds.text(len(result))
            else:
                bounds.value()
                bounds.items(len(result))
        return result

    return count


def _restore(module: str, qualified_name: str, name: str) -> Function:
    found = getattr(importlib.import_module(module), qualified_name, None)
    if not isinstance(found, Function):
        raise TypeError(
            f"function {name} can be pickled only where {qualified_name} is a module-level name of {module}"
        )
    return found


_KINDS: dict[Any, Kind] = {
    str: Kind.STRING,
    int: Kind.INT,
    float: Kind.DOUBLE,
    bool: Kind.BOOL,
    bytes: Kind.BYTES,
    Time: Kind.TIME,
    Duration: Kind.DURATION,
    Map: Kind.MAP,
    Slice: Kind.LIST,
    Value: Kind.ANY,
    Any: Kind.ANY,
    object: Kind.ANY,
}


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    markers: list[Any] = []
    while typing.get_origin(hint) is Annotated:
        markers.extend(hint.__metadata__)
        hint = hint.__origin__
    form, like, raw, nil, compile_text, path = Form.VALUE, False, False, False, None, None
    kind: Kind | None = None
    omittable = number = False
    for marker in markers:
        if isinstance(marker, Compiled):
            compile_text = marker.compile
        elif isinstance(marker, PathArgument):
            form, path = Form.PATH, marker.path
        elif isinstance(marker, _Marker):
            form = marker.form or form
            kind = marker.kind or kind
            like, raw, omittable = like or marker.like, raw or marker.raw, omittable or marker.omittable
            number = number or marker.number
    if form in (Form.FUNCTION, Form.CONDITION, Form.LAMBDA, Form.KEY, Form.TRACE):
        return Parameter(parameter.name, form, Kind.ANY, required=required, default=default)
    if form is Form.STATE:
        made = hint if dataclasses.is_dataclass(hint) else None
        return Parameter(parameter.name, form, Kind.ANY, compile=made)  # type: ignore[arg-type]
    if hint in (Target, MapTarget, ListTarget, Environment):
        forms = {
            Target: Form.TARGET,
            MapTarget: Form.MAP_TARGET,
            ListTarget: Form.LIST_TARGET,
            Environment: Form.ENVIRONMENT,
        }
        return Parameter(parameter.name, forms[hint], Kind.ANY, required=required, default=default)
    if typing.get_origin(hint) in (typing.Union, python_types.UnionType) and hint != Value:
        members = [m for m in typing.get_args(hint) if m is not type(None)]
        nil = not omittable
        hint = members[0]
        inner = _parameter(inspect.Parameter(parameter.name, parameter.kind), hint)
        if inner.form in (Form.FUNCTION, Form.TARGET, Form.LAMBDA, Form.CONDITION, Form.KEY):
            return Parameter(parameter.name, inner.form, inner.kind, required=required, default=default)
        form = inner.form if form is Form.VALUE else form
        kind, like, raw = kind or inner.kind, like or inner.like, raw or inner.raw
        compile_text = compile_text or inner.compile
        number = number or inner.number
        return Parameter(
            parameter.name,
            form,
            kind,
            like,
            raw,
            nil,
            required,
            default,
            compile_text,
            path,
            inner.constant_list,
            inner.nil_elements,
            number,
        )
    constant_list = nil_elements = False
    if typing.get_origin(hint) in (list, tuple):
        element = _parameter(inspect.Parameter(parameter.name, parameter.kind), typing.get_args(hint)[0])
        constant_list = form is Form.CONSTANT
        if form is Form.VALUE:
            form = Form.LIST if typing.get_origin(hint) is list else Form.TUPLE
        kind, like, raw, nil_elements = element.kind, element.like, element.raw, element.nil
        compile_text = compile_text or element.compile
    if kind is None:
        try:
            kind = _KINDS[hint]
        except (KeyError, TypeError):
            raise TypeError(f"parameter {parameter.name}: no OTTL type for the annotation {hint!r}") from None
    return Parameter(
        parameter.name,
        form,
        kind,
        like,
        raw,
        nil,
        required,
        default,
        compile_text,
        path,
        constant_list,
        nil_elements,
        number,
    )


def _result(hint: Any) -> tuple[Kind, bool, bool]:
    """The kind of a result, whether strings come as UTF-8 bytes, and whether it may be nil."""
    raw = False
    if typing.get_origin(hint) is Annotated:
        raw = any(isinstance(m, _Marker) and m.raw for m in hint.__metadata__)
        kinds = [m.kind for m in hint.__metadata__ if isinstance(m, _Marker) and m.kind is not None]
        return (kinds[0] if kinds else _KINDS.get(hint.__origin__, Kind.ANY)), raw, False
    if hint is type(None):
        return Kind.ANY, False, True
    if typing.get_origin(hint) in (typing.Union, python_types.UnionType) and hint != Value:
        members = [m for m in typing.get_args(hint) if m is not type(None)]
        if len(members) == 1:
            kind, raw, _ = _result(members[0])
            return kind, raw, True
        return Kind.ANY, False, True
    try:
        kind = _KINDS.get(hint, Kind.ANY)
    except TypeError:
        kind = Kind.ANY
    return kind, raw, kind is Kind.ANY


def _shown_type(parameter: Parameter) -> str:
    if parameter.form in (Form.VALUE, Form.PATH):
        shown = parameter.kind.value + (" like" if parameter.like else "")
    elif parameter.form is Form.CONSTANT:
        shown = f"literal {parameter.kind.value}" + (" list" if parameter.constant_list else "")
    elif parameter.form in (Form.LIST, Form.TUPLE):
        shown = f"list of {parameter.kind.value}" + (" like" if parameter.like else "")
    else:
        shown = parameter.form.value
    return shown


class _Decorator(Protocol):
    def __call__(self, kernel: Callable[..., Any]) -> Function: ...


def converter(
    name: str,
    *examples: Example,
    pure: bool = True,
    contexts: tuple[str, ...] = (),
    lowering: str | None = None,
    extension: bool = False,
    memory: Callable[..., Any] | None = None,
    over: str | None = None,
    reads: tuple[str, ...] = (),
) -> _Decorator:
    """Declares a converter: a function with a result, its name in upper camel case.

    Args:
        name: the name in rules.
        examples: calls and results, run as tests.
        pure: same arguments, same result: may be folded, hoisted and computed once a distinct value.
        contexts: the contexts that know it; empty for all.
        lowering: the bytecode form that replaces the call (`"coalesce"`), for functions that decide what is evaluated.
        extension: the reference does not know it, so that `strict` refuses it.
        memory: makes the memory of a call site from the constants it names, where `State` is no dataclass.
        over: `"trace"` for a function over whole traces.
        reads: what it reads of the spans, for a function over whole traces (see `ottl.analysis.spans.PARTS`).
    """

    def declare(kernel: Callable[..., Any]) -> Function:
        return Function(
            name,
            kernel,
            examples=examples,
            editor=False,
            pure=pure,
            contexts=contexts,
            lowering=lowering,
            extension=extension,
            memory=memory,
            over=over,
            reads=reads,
        )

    return declare


def editor(
    name: str,
    *examples: Example,
    contexts: tuple[str, ...] = (),
    lowering: str | None = None,
    extension: bool = False,
) -> _Decorator:
    """Declares an editor: a function that changes its target, its name in lower case. Arguments as for `converter`."""

    def declare(kernel: Callable[..., Any]) -> Function:
        return Function(
            name,
            kernel,
            examples=examples,
            editor=True,
            pure=False,
            contexts=contexts,
            lowering=lowering,
            extension=extension,
        )

    return declare


class FunctionSet(Mapping[str, Function]):
    """An immutable set of functions by name."""

    __slots__ = ("_functions",)

    def __init__(self, functions: Iterable[Function] = ()) -> None:
        self._functions: dict[str, Function] = {}
        for function in functions:
            if function.name in self._functions:
                raise ValueError(f"function {function.name} is declared twice")
            self._functions[function.name] = function

    @classmethod
    def of(cls, *modules: python_types.ModuleType) -> FunctionSet:
        """All functions that the modules declare."""
        return cls(value for module in modules for value in vars(module).values() if isinstance(value, Function))

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    @overload
    def union(self, other: FunctionSet) -> FunctionSet: ...
    @overload
    def union(self, other: Iterable[Function]) -> FunctionSet: ...
    def union(self, other: FunctionSet | Iterable[Function]) -> FunctionSet:
        """Both sets; a name in both is the other's."""
        added = list(other.values()) if isinstance(other, FunctionSet) else list(other)
        names = {f.name for f in added}
        return FunctionSet([f for f in self._functions.values() if f.name not in names] + added)

    def without(self, *names: str) -> FunctionSet:
        """The set less the named functions."""
        return FunctionSet(f for f in self._functions.values() if f.name not in names)

    def reference(self) -> FunctionSet:
        """The functions that the reference knows."""
        return FunctionSet(f for f in self._functions.values() if not f.extension)

    def pure(self) -> FunctionSet:
        """The functions whose result depends on their arguments alone, and the editors."""
        return FunctionSet(f for f in self._functions.values() if (f.pure and f.over is None) or f.editor)

    def converters(self) -> FunctionSet:
        """The functions that conditions may call."""
        return FunctionSet(f for f in self._functions.values() if not f.editor)

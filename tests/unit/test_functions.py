"""How functions are declared: what annotations mean, what sets do, and what becomes of it in rules."""

from __future__ import annotations

import pickle
import types as python_types
from typing import Annotated, Any

import pytest

import ottl
from ottl import engine
from ottl.functions import (
    BoolLike,
    BytesLike,
    Compiled,
    Condition,
    Const,
    Environment,
    Example,
    FloatLike,
    Form,
    Function,
    FunctionArgument,
    FunctionSet,
    IntLike,
    ListTarget,
    MapTarget,
    Omittable,
    Parameter,
    PathArgument,
    StringLike,
    Target,
    Utf8,
    Utf8Like,
    converter,
    editor,
)
from ottl.stdlib import FUNCTIONS
from ottl.types import Duration, Kind, Map, Slice, Time, Value
from tests.conftest import log_attributes, logs


@converter("Everything")
def everything(
    text: str,
    number: int,
    real: float,
    flag: bool,
    raw: Utf8,
    like: StringLike,
    raw_like: Utf8Like | None,
    count: IntLike,
    ratio: FloatLike,
    yes: BoolLike,
    data: BytesLike,
    any_value: Value,
    when: Time,
    span: Duration | None,
    entries: Map,
    items: Slice,
    texts: list[str],
    likes: list[StringLike | None],
    values: tuple[Value, ...],
    literal: Const[str],
    literals: Const[list[int]],
    pattern: Annotated[str, Compiled(str.upper)],
    function: FunctionArgument,
    condition: Condition,
    parent: Annotated[Value, PathArgument("log.body")],
    around: Environment,
    omitted: Omittable[str] = None,
    default: int = 5,
) -> Utf8:
    """Takes everything."""
    raise AssertionError((text, number, real, flag, raw, like, raw_like, count, ratio, yes, data, any_value, when, span,
                          entries, items, texts, likes, values, literal, literals, pattern, function, condition, parent,
                          around, omitted, default))  # fmt: skip


PARAMETERS = {p.name: p for p in everything.parameters}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", Parameter("text", Form.VALUE, Kind.STRING)),
        ("number", Parameter("number", Form.VALUE, Kind.INT)),
        ("real", Parameter("real", Form.VALUE, Kind.DOUBLE)),
        ("flag", Parameter("flag", Form.VALUE, Kind.BOOL)),
        ("raw", Parameter("raw", Form.VALUE, Kind.STRING, raw=True)),
        ("like", Parameter("like", Form.VALUE, Kind.STRING, like=True)),
        ("raw_like", Parameter("raw_like", Form.VALUE, Kind.STRING, like=True, raw=True, nil=True)),
        ("count", Parameter("count", Form.VALUE, Kind.INT, like=True)),
        ("ratio", Parameter("ratio", Form.VALUE, Kind.DOUBLE, like=True)),
        ("yes", Parameter("yes", Form.VALUE, Kind.BOOL, like=True)),
        ("data", Parameter("data", Form.VALUE, Kind.BYTES, like=True)),
        ("any_value", Parameter("any_value", Form.VALUE, Kind.ANY)),
        ("when", Parameter("when", Form.VALUE, Kind.TIME)),
        ("span", Parameter("span", Form.VALUE, Kind.DURATION, nil=True)),
        ("entries", Parameter("entries", Form.VALUE, Kind.MAP)),
        ("items", Parameter("items", Form.VALUE, Kind.LIST)),
        ("texts", Parameter("texts", Form.LIST, Kind.STRING)),
        ("likes", Parameter("likes", Form.LIST, Kind.STRING, like=True, nil_elements=True)),
        ("values", Parameter("values", Form.TUPLE, Kind.ANY)),
        ("literal", Parameter("literal", Form.CONSTANT, Kind.STRING)),
        ("literals", Parameter("literals", Form.CONSTANT, Kind.INT, constant_list=True)),
        ("pattern", Parameter("pattern", Form.VALUE, Kind.STRING, compile=str.upper)),
        ("function", Parameter("function", Form.FUNCTION, Kind.ANY)),
        ("condition", Parameter("condition", Form.CONDITION, Kind.ANY)),
        ("parent", Parameter("parent", Form.PATH, Kind.ANY, path="log.body")),
        ("around", Parameter("around", Form.ENVIRONMENT, Kind.ANY)),
        ("omitted", Parameter("omitted", Form.VALUE, Kind.STRING, required=False)),
        ("default", Parameter("default", Form.VALUE, Kind.INT, required=False, default=5)),
    ],
)
def test_annotations(name: str, expected: Parameter) -> None:
    """An annotation says what the parameter takes."""
    assert PARAMETERS[name] == expected


def test_signature() -> None:
    """The signature shows what a rule can write, with types and what may be left out."""
    assert [p.name for p in everything.parameters if p.hidden] == ["parent", "around"]
    shown = everything.signature()
    assert shown.startswith("Everything(text: string, number: int, real: double, ")
    assert shown.endswith("condition: condition, omitted?: string, default?: int)")
    assert repr(everything) == f"<converter {shown}>"
    assert everything.doc == "Takes everything."
    assert (everything.result, everything.result_raw, everything.result_nil) == (Kind.STRING, True, False)


def test_annotations_without_meaning() -> None:
    """An annotation that is no type of the language is the declaring programmer's mistake."""

    def kernel(value: complex) -> int:
        return int(value.real)

    with pytest.raises(TypeError, match="parameter value: no OTTL type"):
        converter("Bad")(kernel)


def test_sets() -> None:
    """Sets are immutable, know names once, and give parts of themselves."""
    functions = FunctionSet([everything])
    assert list(functions) == ["Everything"]
    assert functions["Everything"] is everything
    with pytest.raises(ValueError, match="declared twice"):
        FunctionSet([everything, everything])
    assert "Everything" not in functions.without("Everything")
    assert "Now" not in FUNCTIONS.pure()
    assert "set" in FUNCTIONS.pure()
    assert "set" not in FUNCTIONS.converters()
    other = converter("Everything")(lambda: None)
    assert functions.union([other])["Everything"] is other
    module = python_types.ModuleType("m")
    module.everything, module.one = everything, 1  # type: ignore[attr-defined]
    assert list(FunctionSet.of(module)) == ["Everything"]


def test_functions_travel_by_name() -> None:
    """A function is pickled as the module-level name that it is."""
    assert pickle.loads(pickle.dumps(FUNCTIONS["Concat"])) is FUNCTIONS["Concat"]

    @converter("Local")
    def local() -> int:
        return 1

    with pytest.raises((TypeError, AttributeError)):
        pickle.loads(pickle.dumps(local))


def test_every_function_of_the_library_is_documented() -> None:
    """Functions say what they do, every parameter that a rule can write, and where their meaning comes from."""
    for function in FUNCTIONS.values():
        lines = function.doc.splitlines()
        assert lines[0].endswith("."), function.name
        assert "Source: " in function.doc, function.name
        for parameter in function.visible:
            assert f"    {parameter.name}: " in function.doc, (function.name, parameter.name)


def test_names_do_not_collide() -> None:
    """No two converters are the same when case and underscores are dropped."""
    folded = [name.replace("_", "").lower() for name, f in FUNCTIONS.items() if not f.editor]
    assert len(folded) == len(set(folded))
    for name, function in FUNCTIONS.items():
        assert name[0].islower() is function.editor


# Functions of users


@converter("Twice", Example("Twice(2)", 4))
def twice(value: int) -> int:
    """Twice a number."""
    return 2 * value


@converter("Holds")
def holds(condition: Condition, otherwise: StringLike = "no") -> str:
    """Whether a condition holds."""
    return "yes" if condition() else otherwise


@converter("BodyIs", contexts=("log",))
def body_is(body: Annotated[Value, PathArgument("log.body")], wanted: Utf8) -> bool:
    """Whether the body is a text."""
    return body == wanted


@editor("rename")
def rename(target: MapTarget, old: Utf8, new: Utf8) -> None:
    """Gives an entry another key."""
    value = target.get(old)
    if target.remove(old):
        target.put(new, value)  # type: ignore[arg-type]


@editor("increment")
def increment(target: Target, by: int = 1) -> None:
    """Adds to a number."""
    value = target.get()
    if not isinstance(value, int):
        raise ValueError("increment: expected a number")  # noqa: TRY004 - what kernels raise on rows
    target.set(value + by)


@editor("reverse")
def reverse(target: ListTarget) -> None:
    """Turns a list round."""
    target.replace(target.items()[::-1])


OWN: list[Function] = [twice, holds, body_is, rename, increment, reverse]


@pytest.mark.parametrize(
    ("statement", "before", "after"),
    [
        ('set(log.attributes["n"], Twice(log.attributes["n"]))', {"n": 2}, {"n": 4}),
        ('set(log.attributes["n"], Twice(21))', {}, {"n": 42}),
        ('set(log.attributes["x"], Holds(log.attributes["n"] == 2 or false))', {"n": 2}, {"n": 2, "x": "yes"}),
        ('set(log.attributes["x"], Holds(true))', {}, {"x": "yes"}),
        ('set(log.attributes["x"], Holds((IsMap(log.attributes["n"])), 5))', {"n": 2}, {"n": 2, "x": "5"}),
        ('set(log.attributes["x"], Holds(not IsMap(log.attributes["n"])))', {"n": 2}, {"n": 2, "x": "yes"}),
        ('set(log.attributes["x"], 1) where BodyIs("b")', {}, {"x": 1}),
        ('set(log.attributes["x"], 1) where BodyIs("c")', {}, {}),
        ('rename(log.attributes, "a", "b")', {"a": 1, "c": 2}, {"c": 2, "b": 1}),
        ('increment(log.attributes["n"])', {"n": 1}, {"n": 2}),
        ('increment(log.attributes["n"], by=5)', {"n": 1}, {"n": 6}),
        ('reverse(log.attributes["l"])', {"l": [1, 2]}, {"l": [2, 1]}),
    ],
)
def test_functions_of_users(statement: str, before: dict[str, Any], after: dict[str, Any], stack: engine.Stack) -> None:
    """Registered functions run in rules like those of the library."""
    program = ottl.compile(statement, functions=FUNCTIONS.union(OWN), stack=stack)
    out = log_attributes(program.run(logs(before, before, bodies=["b", "b"])))
    assert out == [after, after]
    assert program.stats()[0].errors == 0

"""The function reference says what the declarations say."""

from __future__ import annotations

import json

import pytest

from ottl.functions import Const, Example, Function, FunctionSet, converter, editor
from ottl.reference import describe, find, shown
from ottl.stdlib import FUNCTIONS
from ottl.types import Duration, Time, TraceID


@converter("Twice", Example("Twice(2)", 4), Example('Twice("a")', error="wants int"), pure=False, contexts=("span",))
def twice(value: int, times: Const[int] = 2) -> int:
    """A number, twice.

    Nobody knows why.

    Or do they?

    Args:
        value: the number,
            as it is.
        times: how often.

    Source: made up.
    """
    return value * times


def test_describe() -> None:
    """Name, signature, texts, parameters, contexts and examples come from the one declaration."""
    page = describe(twice)
    assert (page.name, page.kind, page.result, page.contexts, page.pure) == (
        "Twice", "converter", "int", ("span",), False,
    )  # fmt: skip
    assert page.signature == "Twice(value: int, times?: literal int) -> int"
    assert (page.summary, page.text, page.source) == ("A number, twice.", "Nobody knows why.\n\nOr do they?", "made up")
    assert [(p.name, p.type, p.required, p.default, p.text) for p in page.parameters] == [
        ("value", "int", True, None, "the number, as it is."),
        ("times", "literal int", False, 2, "how often."),
    ]


def test_render() -> None:
    """The page as text names all of it, in lines that fit."""
    text = describe(twice).render(width=50)
    assert text.splitlines()[0] == "Twice(value: int, times?: literal int) -> int"
    for part in ("how often (default: 2).", "gives 4", "fails: wants int", "Contexts  span", "Impure", "made up"):
        assert part in text
    assert "\x1b" not in text
    assert "\x1b[36mTwice\x1b[0m(" in describe(twice).render(color=True)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_function_is_documented(function: Function) -> None:
    """A sentence, a text for each parameter, a source; and all of it fits into JSON."""
    page = describe(function)
    assert page.summary.endswith(".")
    assert [parameter.name for parameter in page.parameters if not parameter.text] == []
    assert page.source
    assert json.loads(json.dumps(page.to_dict()))["signature"] == page.signature


def test_an_editor_has_no_result() -> None:
    """Its examples show the attributes before and after."""
    page = describe(FUNCTIONS["delete_key"])
    assert page.result is None
    assert "->" not in page.signature
    assert {"call", "attributes", "attributes_after"} == set(page.to_dict()["examples"][0])
    assert "given log.attributes = {" in page.render()


def test_find() -> None:
    """The very name comes first, else one that differs in case and underscores only."""

    @editor("twice")
    def lower(target: int) -> None:
        """Nothing."""

    known = FunctionSet([twice, lower])
    assert find("twice", known) is lower
    assert find("Twice", known) is twice
    assert find("TW_ICE", known) is twice
    assert find("thrice", known) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nil"),
        (True, "true"),
        (1.5, "1.5"),
        ('a"b\\\n\x01é', '"a\\"b\\\\\\n\\x01é"'),
        (b"\x01\xff", "0x01ff"),
        ({"a": [1, None]}, '{"a": [1, nil]}'),
        (Duration(1_500_000_000), "1.5s"),
        (Time(0, "UTC"), "1970-01-01T00:00:00Z"),
        (TraceID(b"\x0a" * 16), "0a" * 16),
    ],
)
def test_shown(value: object, text: str) -> None:
    """Values are spelled as rules spell them."""
    assert shown(value) == text

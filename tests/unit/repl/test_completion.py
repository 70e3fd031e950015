"""What the REPL offers for what has been typed so far, over the built-in sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from ottl.codec import Limits
from ottl.repl.completion import Completion
from ottl.repl.data import Data, read
from ottl.repl.session import Session


@pytest.fixture(scope="module")
def completion() -> Completion:
    """Over the sample, at its first span."""
    return Completion(Session(Data(read(None, Limits(), None, None), Limits())))


def completed(completion: Completion, text: str) -> list[str]:
    """The text with each candidate in its place."""
    return [text[: len(text) - c.start] + c.text for c in completion.candidates(text)]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        # Functions: editors where a statement begins, converters elsewhere.
        ("delete_m", "delete_matching_keys("),
        ("set(span.name, ToUp", "set(span.name, ToUpperCase("),
        ("set(span.name, toup", "set(span.name, ToUpperCase("),
        ("set(span.name, 'x')\ndelete_m", "set(span.name, 'x')\ndelete_matching_keys("),
        ("span.kind == 2 > se", "span.kind == 2 > set("),
        ("IsRoot", "IsRootSpan()"),
        # Paths.
        ("spa", "span."),
        ("set(span.att", "set(span.attributes"),
        ("set(span.status.c", "set(span.status.code"),
        ("set(spanevent.na", "set(spanevent.name"),
        ("set(datapoint.val", "set(datapoint.value_int"),
        ("set(span.name, 'x') where dur", "set(span.name, 'x') where duration"),
        ("len(na", "len(name"),
        # Symbols and words.
        ("set(span.kind, SPAN_KIND_S", "set(span.kind, SPAN_KIND_SERVER"),
        ("set(span.name, 'x') whe", "set(span.name, 'x') where"),
        # Names and values of the data.
        ('span.attributes["cred', 'span.attributes["credit_card"]'),
        ("span.attributes['cred", "span.attributes['credit_card']"),
        ('resource.attributes["service.na', 'resource.attributes["service.name"]'),
        ('spanevent.attributes["exception.t', 'spanevent.attributes["exception.type"]'),
        ('datapoint.attributes["no', 'datapoint.attributes["node"]'),
        ('attributes["cred', 'attributes["credit_card"]'),
        ("resource.attr.te", "resource.attr.tenant"),
        ('span.name == "ba', 'span.name == "bank.authorize"'),
        ('resource.attributes["env"] != "pr', 'resource.attributes["env"] != "prod"'),
        ('delete_key(span.attributes, "cred', 'delete_key(span.attributes, "credit_card"'),
        ('keep_keys(span.attributes, ["a", "cred', 'keep_keys(span.attributes, ["a", "credit_card"'),
        # Commands.
        (":whe", ":where"),
        (":where dura", ":where duration"),
        (':where span.attributes["cred', ':where span.attributes["credit_card"]'),
        (":help Subs", ":help Substring"),
        (":help E20", ":help E204"),
        (":help un", ":help undo"),
        (":explain ToLo", ":explain ToLowerCase"),
    ],
)
def test_offered(completion: Completion, text: str, offered: str) -> None:
    """Among the candidates is the one that is meant, and it takes the place of just the word."""
    assert offered in completed(completion, text)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("set(span.name, delete_m", "delete_matching_keys("),
        ("ToUp", "SPAN_KIND_SERVER"),
        ('set(span.name, "sp', "span."),
        ("set(span.name, 'x') where sev", "severity_number"),
        ("span.name # spa", "spam"),
    ],
)
def test_not_offered(completion: Completion, text: str, refused: str) -> None:
    """Editors are no arguments, and inside of a string nothing is a name."""
    assert [c for c in completed(completion, text) if c.endswith(refused)] == []


@pytest.mark.parametrize(
    "text", ["", " ", "(", ")", '"', "'", "[", "set(span.name, 1)", ":", ":zzz ", "\\", 'a["', "."]
)
def test_nothing_fails(completion: Completion, text: str) -> None:
    """Whatever stands there."""
    completion.candidates(text)


def test_files(completion: Completion, tmp_path: Path) -> None:
    """For what is saved and opened."""
    (tmp_path / "out.jsonl").touch()
    (tmp_path / "folder").mkdir()
    assert completed(completion, f":open {tmp_path}/ou") == [f":open {tmp_path}/out.jsonl"]
    assert completed(completion, f":save {tmp_path}/fo") == [f":save {tmp_path}/folder/"]


def test_new_names_are_seen() -> None:
    """What a statement adds is offered at once."""
    session = Session(Data(read(None, Limits(), None, None), Limits()))
    completion = Completion(session)
    assert completed(completion, 'span.attributes["brand') == []
    session.answer('set(span.attributes["brand_new"], "some value")')
    assert completed(completion, 'span.attributes["brand') == ['span.attributes["brand_new"]']
    assert completed(completion, 'span.attributes["brand_new"] == "so') == [
        'span.attributes["brand_new"] == "some value"'
    ]


def test_meanings(completion: Completion) -> None:
    """Functions come with what they do, attributes with how often they are there."""
    (found,) = [c for c in completion.candidates("set(span.name, ToUpper") if c.text.startswith("ToUpperCase")]
    assert found.shown.startswith("ToUpperCase(target: string")
    assert found.meaning
    (key,) = completion.candidates('span.attributes["credit')
    assert (key.shown, key.meaning) == ("credit_card", "on 16 records")

"""What a session answers, over the built-in sample."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ottl.codec import Limits
from ottl.errors import Error
from ottl.repl.console import answer
from ottl.repl.data import Data, read
from ottl.repl.session import COMMANDS, Session


@pytest.fixture
def session() -> Session:
    """At the first span: `bank.authorize` with a credit card."""
    return Session(Data(read(None, Limits(), None, None), Limits()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("span.name", '"bank.authorize" : string'),
        ("name", '"bank.authorize" : string'),
        ("Len(span.name) + 1", "15 : int"),
        ("len(span.name)", "14 : int"),
        ("span.kind", "3 : int"),
        ("duration", "195.503322ms : duration"),
        ("span.attributes['nothing']", "nil : nil"),
        ('span.attributes["credit_card"]', '"4000000000000002" : string'),
        ("[1, 2.5, true]", "[1, 2.5, true] : list"),
        ('{"a": 0x01}', '{"a": 0x01} : map'),
        ("span.trace_id", "9f8894c0abfd66d302f2dcf48ff7ff28 : trace id"),
        ('span.name == "bank.authorize"', "true"),
        ("duration > 3s", "false"),
        ("IsRootSpan()", "false : bool"),
        ("spanevent.name", "no spanevent here"),
    ],
)
def test_values_and_conditions(session: Session, text: str, expected: str) -> None:
    """They are shown with their types; without a context in front, a path is of that of the record."""
    assert session.answer(text) == expected
    assert session.data.undoable == 0


def test_a_statement_shows_what_it_changed(session: Session) -> None:
    """What is new, gone and different, and nothing else; only the current record is touched."""
    before = list(session.data.payloads)
    assert session.answer('set(span.attributes["slow"], true)') == '+ span.attributes["slow"]: true'
    assert session.answer('set(span.name, "x")') == '~ span.name: "bank.authorize" -> "x"'
    assert session.answer('delete_key(span.attributes, "credit_card")') == (
        '- span.attributes["credit_card"]: "4000000000000002"'
    )
    assert session.data.payloads[1:] == before[1:]
    assert session.answer(":next") == 'span 2/23  "POST /charge"'
    assert session.answer('span.attributes["slow"]') == "nil : nil"


def test_a_resource_is_shared(session: Session) -> None:
    """What a statement writes to it is seen from the other records of the resource."""
    assert session.answer('set(resource.attributes["a"], 1)') == '+ resource.attributes["a"]: 1'
    session.answer(":next")
    assert session.answer('resource.attributes["a"]') == "1 : int"


def test_statements_that_do_nothing(session: Session) -> None:
    """They say why, and there is nothing to undo."""
    assert session.answer('set(span.name, "x") where span.kind == SERVER') == "no match, nothing has changed"
    assert session.answer('set(log.body, "x")') == "it runs on logs; this is a span"
    assert "failed: expected string" in session.answer('set(span.attributes["x"], ToUpperCase(span.attributes["y"]))')
    assert session.data.undoable == 0
    assert session.statements == []


def test_undo(session: Session) -> None:
    """The last change, or several, taken back."""
    session.answer('set(span.name, "x")')
    session.answer("set(span.kind, SERVER)")
    session.answer('set(span.attributes["a"], 1)')
    assert session.answer(":undo") == 'undone: set(span.attributes["a"], 1)'
    assert session.answer(":undo 9").splitlines()[-1] == "nothing to undo"
    assert session.answer("span.name") == '"bank.authorize" : string'
    assert session.answer(":rules") == "no statement has changed anything yet"


def test_moving(session: Session) -> None:
    """Forward, back and by number, and never beyond the ends."""
    assert session.answer(":next 2") == 'span 3/23  "bank.authorize"'
    assert session.answer(":p") == 'span 2/23  "POST /charge"'
    assert session.answer(":go 99") == 'metric 23/23  "container.memory"'
    assert session.answer(":prev 99").startswith("span 1/23")
    assert session.answer(":list 3").splitlines() == [
        '>    1  span "bank.authorize"', '     2  span "POST /charge"', '     3  span "bank.authorize"',
    ]  # fmt: skip
    assert session.prompt == "span 1/23> "


def test_where(session: Session) -> None:
    """Records are selected by what they, their events, points or resources are."""
    assert session.answer(":where duration > 3s") == "6 of 23 records"
    assert session.prompt == "span 1/6> "
    assert session.answer(':where spanevent.name == "exception"') == "2 of 23 records"
    assert session.answer(":where datapoint.value_double > 2") == "1 of 23 records"
    assert session.answer(':where resource.attributes["env"] == "staging"') == "6 of 23 records"
    assert "where resource" in session.status
    assert session.answer(":where log.severity_number > 99").splitlines() == [
        "0 of 23 records",
        "the selection stays as it was",
    ]
    assert session.answer(":where") == "23 records"


def test_where_fails_on_some(session: Session) -> None:
    """Those are left out, and said to have failed."""
    lines = session.answer(':where HasPrefix(span.attributes["credit_card"], "4")').splitlines()
    assert lines[0] == "14 of 23 records"
    assert lines[1].startswith("failed on 2 records, the first: expected string")


def test_all(session: Session) -> None:
    """Statements, values and conditions over all records; what changed alike is shown once."""
    session.answer(":all")
    assert session.prompt == "all 23> "
    lines = session.answer('set(span.attributes["slow"], true) where duration > 3s').splitlines()
    assert lines[0].startswith("6 matched, 6 changed, 0 failed")
    assert lines[1:] == ['span "bank.authorize" and 5 more', '+ span.attributes["slow"]: true']
    assert session.answer('span.attributes["slow"] == true') == "true on 6 of 18 span rows"
    assert session.answer("log.severity_text").splitlines()[-1].endswith('"ERROR" : string')
    assert session.answer(":undo") == 'undone: set(span.attributes["slow"], true) where duration > 3s'
    assert session.answer('span.attributes["slow"] == true') == "true on 0 of 18 span rows"


def test_all_that_are_selected(session: Session) -> None:
    """After `:where`, the others are left alone."""
    session.answer(":where span.kind == SERVER")
    session.answer(":all")
    assert session.answer('set(span.name, "x")').startswith("8 matched, 8 changed, 0 failed")
    session.answer(":where")
    assert session.answer('span.name == "x"') == "true on 8 of 18 span rows"


def test_many_values_are_counted(session: Session) -> None:
    """More than a screen of them is a table of the distinct ones."""
    session.answer(":all")
    lines = session.answer('resource.attributes["service.name"]').splitlines()
    assert lines == ['18  "gateway" : string', ' 5  "payment" : string']


def test_records_that_go(session: Session) -> None:
    """One, or all that match, in any order; undoing brings them back."""
    assert session.answer("drop()") == '- span "bank.authorize"'
    assert session.prompt == "span 1/22> "
    session.answer(":undo")
    session.answer(":all")
    lines = session.answer("drop() where span.kind == SERVER").splitlines()
    assert lines[1:] == ['- span "POST /charge"'] * 8
    assert session.prompt == "all 15> "
    session.answer(":undo")
    assert session.prompt == "all 23> "
    session.answer(":where span.kind == SERVER")
    session.answer("drop()")
    session.answer(":where")
    assert session.prompt == "all 15> "


def test_the_last_record_of_a_message_goes(session: Session) -> None:
    """With the first two spans their message is empty, and the next is the current one."""
    session.answer("drop()")
    session.answer("drop()")
    assert session.prompt == "span 1/21> "
    assert session.answer("span.name") == '"bank.authorize" : string'


def test_routes(session: Session) -> None:
    """How many records would leave, and by which way."""
    session.answer(":all")
    lines = session.answer("route(exporter.slow) where duration > 3s").splitlines()
    assert lines[0] == "6 matched, 6 changed, 0 failed"
    assert lines[1].startswith("6 routed to slow  (")
    assert len(lines) == 8
    assert session.prompt == "all 17> "


def test_a_block_of_several_lines(session: Session) -> None:
    """A `where` that begins a line governs all of it."""
    text = 'set(span.name, "x")\nset(span.kind, SERVER)\nwhere span.kind == CLIENT'
    assert session.answer(text).splitlines() == [
        '~ span.name: "bank.authorize" -> "x"',
        "~ span.kind: 3 (SPAN_KIND_CLIENT) -> 2 (SPAN_KIND_SERVER)",
    ]


def test_points_of_a_metric(session: Session) -> None:
    """A metric is one record; its points have numbers."""
    session.answer(":go 22")
    assert session.answer("datapoint.value_double").splitlines() == [
        "datapoint[0]  48.0 : double", "datapoint[1]  1.0 : double",
    ]  # fmt: skip
    assert session.answer('set(datapoint.attributes["big"], true) where metric.value > 3') == (
        '+ datapoint[0].attributes["big"]: true'
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["span.name", "set(span.name, 'x')", "span.name", "drop()", "span.name"],
        [
            ":go 2",
            "duration",
            ":all",
            "span.kind",
            "IsRootSpan()",
            ":where IsRootSpan()",
            "set(span.name, 'y')",
            ":undo",
        ],
        [":go 13", "spanevent.name", ":all", "spanevent.name", ":where spanevent.name == 'exception'", ":show"],
    ],
)
def test_with_whole_traces(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is evaluated with all spans of a trace at hand is the same for texts that do not look at them."""

    def said() -> list[str]:
        session = Session(Data(read(None, Limits(), None, None), Limits()))
        return [re.sub(r"\d+ matched, .*\n", "", session.answer(text)) for text in texts]

    alone = said()
    monkeypatch.setattr(Session, "_sees_traces", lambda _, __: True)
    assert said() == alone


def test_which_texts_look_at_whole_traces(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with a function that does, in whatever spelling."""

    class Counted:
        over = "trace"
        editor = False

    monkeypatch.setattr(session, "functions", {**session.functions, "TraceCount": Counted()})
    assert session._sees_traces("set(span.name, 'x') where TraceCount() > 2")
    assert session._sees_traces("trace_count() > 2")
    assert not session._sees_traces("Len(span.name) > 2")


def test_show(session: Session) -> None:
    """Every path of the record, its scope and its resource."""
    lines = session.answer(":show").splitlines()
    assert 'span.attributes["credit_card"]: "4000000000000002"' in lines
    assert 'resource.attributes["service.name"]: "gateway"' in lines
    assert "span.start_time: 2026-11-21T04:27:08.276775813Z" in lines
    assert "span.kind: 3 (SPAN_KIND_CLIENT)" in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set(span.nme, 1)", "did you mean `name`?"),
        ("span.nme", "did you mean `name`?"),
        ("set(span.name", "E115"),
        ("Len(span.name", "E115"),
        ("span.name ==", "E115"),
        ("Uper(span.name)", "E204"),
        (":nxt", "no command :nxt, did you mean `next`?"),
        (":go x", "expected a number, got x"),
        (":open /no/such/file", "/no/such/file: No such file or directory"),
        (":save", "give a name"),
        ("log.body", "log occurs in logs; this is a span"),
        ('ParseJSON("{")', "error: "),
        (":where span.", "error["),
    ],
)
def test_mistakes(session: Session, text: str, message: str) -> None:
    """They are answered, and the session is as before."""
    before = list(session.data.payloads)
    assert message in answer(session, text)
    assert (session.data.payloads, session.done, session.prompt) == (before, False, "span 1/23> ")


def test_what_nobody_expects(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a fault of ours nor an interrupt ends the session."""

    def fail(_: Session, __: str) -> str:
        raise ZeroDivisionError("odd")

    def interrupt(_: Session, __: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "answer", fail)
    assert "ZeroDivisionError: odd" in answer(session, "1")
    monkeypatch.setattr(Session, "answer", interrupt)
    assert answer(session, "1") == "interrupted, nothing has changed"


def test_help_and_explain(session: Session) -> None:
    """Commands, functions, codes and statements."""
    everything = session.answer(":help")
    assert [command.name for command in COMMANDS if f":{command.name}" not in everything] == []
    assert session.answer(":help undo").startswith(":undo [N]")
    assert session.answer(":help Substring").startswith("Substring(")
    assert session.answer(":h e204").startswith("error[E204]")
    assert session.answer(":help Substrin").endswith("did you mean `Substring`?")
    assert "instructions" not in session.answer(":explain")
    assert "context span" in session.answer(":explain set(span.name, span.attributes['a'])")
    session.answer('set(span.name, "x")')
    assert 'set(span.name, "x")' in session.answer(":explain")
    assert session.answer(":explain Len(span.name)") == "a value in context span, which occurs in traces"
    assert "ToLowerCase(" in session.answer(":functions lower")
    assert session.answer(":functions zzz").startswith("no function")


def test_every_command_has_a_method() -> None:
    """And names that can be told apart."""
    assert [command.name for command in COMMANDS if not hasattr(Session, f"_do_{command.name}")] == []
    shorts = [command.short for command in COMMANDS if command.short]
    assert len(shorts) == len(set(shorts))


def test_save_and_open(session: Session, tmp_path: Path) -> None:
    """Records in the format of the name, statements as a script; what was saved can be opened."""
    session.answer('set(span.name, "x")')
    session.answer("set(span.kind, SERVER)")
    assert session.answer(f":save {tmp_path}/rules.ottl") == f"2 statements to {tmp_path}/rules.ottl"
    assert (tmp_path / "rules.ottl").read_text(encoding="utf-8") == 'set(span.name, "x")\n\nset(span.kind, SERVER)\n'
    for name in ("out.jsonl", "out.pb", "out.jsonl.gz"):
        assert session.answer(f":save {tmp_path}/{name}") == f"9 messages to {tmp_path}/{name}"
        payloads = [json.dumps([s, p.hex()]) for s, p in zip(session.data.signals, session.data.payloads, strict=True)]
        again = [json.dumps([s, p.hex()]) for s, p in read(f"{tmp_path}/{name}", Limits(), None, None)]
        assert again == payloads
    assert session.answer(f":open {tmp_path}/out.jsonl").startswith("out.jsonl  |  18 spans")
    assert session.answer("span.name") == '"x" : string'
    assert session.answer(":open").startswith("sample  |  18 spans")


def test_nothing_loaded(tmp_path: Path) -> None:
    """A file without records is answered about, not a fault."""
    (tmp_path / "empty.jsonl").write_text("{}\n", encoding="utf-8")
    session = Session(Data(read(str(tmp_path / "empty.jsonl"), Limits(), None, None), Limits()))
    assert session.prompt == "no records> "
    for text in ("span.name", ":show", ":next", ":list", ":where span.kind == 1", ":undo", ":all", ":one"):
        assert answer(session, text)
    with pytest.raises(Error):
        session.answer(":nothing")


def test_colors(session: Session) -> None:
    """Only where they are asked for."""
    assert "\x1b" not in session.answer(":show")
    session.color = True
    assert "\x1b[36m" in session.answer(":show")
    assert session.answer('set(span.attributes["a"], 1)').startswith("\x1b[32m+ ")

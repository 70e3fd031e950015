"""Random scripts: formatting keeps meaning and comments, nothing crashes the parser, both stacks agree on actions."""

from __future__ import annotations

import random
from typing import Any

import pytest

import ottl
from ottl import ast, engine
from ottl.codec import native
from ottl.codec.messages import root_class
from ottl.dialect import parse_script
from ottl.formatter import format_script
from ottl.source import Source

VALUES = [
    "1",
    "-2.5",
    "'a'",
    '"b\\n#"',
    "3s",
    "1h30m",
    "nil",
    "[1,\n 2]",
    "{'k': duration}",
    "len(span.name)",
    "(1 + value) * 2",
]
CONDITIONS = ["span.kind == SERVER", "duration > 3000", "not (x.y == 1)", "A()", "x.y > f(1)", "true", "a.b == '>'"]
EDITORS = [
    "set(span.attr.x, {})",
    "drop()",
    "route(exporter.a)",
    "limit(3, 1m)",
    "delete(span.attributes['x'])",
    "f({}, {})",
]


def condition(draw: random.Random) -> str:
    """A condition, with line ends where a script may have them."""
    found = draw.choice(CONDITIONS)
    while draw.random() < 0.4:
        joint = draw.choice([" and ", " or ", "\n  and ", " or\n  ", " and # why\n "])
        found += joint + draw.choice(CONDITIONS)
    return found


def statement(draw: random.Random) -> str:
    """A statement in one of its forms."""
    editor = draw.choice(EDITORS)
    while "{}" in editor:
        editor = editor.replace("{}", draw.choice(VALUES), 1)
    form = draw.random()
    if form < 0.3:
        return f"{editor} where {condition(draw)}"
    if form < 0.5:
        return f"{condition(draw)}{draw.choice([' > ', '>', chr(10) + '  > '])}{editor}"
    return editor


def random_script(draw: random.Random) -> str:
    """Blocks with comments wherever comments may stand."""
    lines: list[str] = []

    def comments(chance: float) -> None:
        while draw.random() < chance:
            lines.append(draw.choice(["# word", '  # it\'s "odd" (', "#", "# where x"]))

    for _ in range(draw.randrange(1, 5)):
        comments(0.2)
        if draw.random() < 0.2:
            lines.append(draw.choice(["", "  ", "\t"]))
        for _ in range(draw.randrange(1, 4)):
            comments(0.2)
            lines.append(draw.choice(["", "  "]) + statement(draw) + draw.choice(["", "", "  # beside"]))
        if draw.random() < 0.5:
            comments(0.2)
            lines.append(f"where {condition(draw)}" + draw.choice(["", " # beside"]))
        comments(0.2)
        lines += [""] * draw.randrange(1, 3)
    comments(0.3)
    return draw.choice(["\n", "\r\n"]).join(lines)


def comments_of(script: ast.Script) -> list[Any]:
    """All comments, with what they belong to."""
    found: list[Any] = []
    for block in script.blocks:
        parts = [(s.comments.above, s.comments.beside) for s in block.statements]
        found.append((block.before, parts, block.comments, block.after))
    return [*found, script.after]


@pytest.mark.parametrize("seed", range(150))
def test_format_round_trip(seed: int) -> None:
    """Formatting and parsing again gives an equal tree with the same comments, and formatting once is enough."""
    text = random_script(random.Random(seed))
    script, diagnostics = parse_script(Source(text))
    assert [d for d in diagnostics if d.severity == "error"] == []
    formatted = format_script(script)
    again, _ = parse_script(Source(formatted))
    assert again == script
    assert comments_of(again) == comments_of(script)
    assert format_script(again) == formatted
    assert text.count("#") - text.count("\\n#") == formatted.count("#") - formatted.count("\\n#")


@pytest.mark.parametrize("seed", range(300, 340))
def test_no_text_crashes(seed: int) -> None:
    """Whatever is cut out of a script, the answer is a tree or diagnostics, and places lie inside the text."""
    draw = random.Random(seed)
    text = random_script(draw)
    for _ in range(20):
        start, end = sorted(draw.randrange(len(text) + 1) for _ in "ab")
        broken = text[:start] + draw.choice(["", "'", '"', "(", "]", "\n\n", "where "]) + text[end:]
        _, diagnostics = parse_script(Source(broken))
        for diagnostic in diagnostics:
            assert diagnostic.render()
            if diagnostic.range is not None:
                assert 0 <= diagnostic.range.start <= diagnostic.range.end <= len(broken) + 1


ACTIONS = [
    "drop()",
    "route(exporter.a)",
    "route('b')",
    "limit(2, 2s)",
    "limit(1, 1h)",
    "set(span.attr.x, duration)",
    "delete(span.attr.n)",
    "delete(span.name)",
    "set(resource.attr.seen, true)",
]
FILTERS = [
    "span.name == 'a'",
    "span.attributes['n'] > 1",
    "duration > 1000",
    "resource.attr.tenant == 'A'",
    "scope.name != 's'",
    "span.kind == SERVER",
    "Len(span.name) > span.attributes['n']",
]


def payload(draw: random.Random) -> bytes:
    """A few resources, some of them odd: without scopes, without spans."""
    message = root_class("traces")()
    for _ in range(draw.randrange(1, 4)):
        resource = message.resource_spans.add()
        resource.resource.attributes.add(key=b"tenant").value.string_value = draw.choice([b"A", b"B"])
        for _ in range(draw.randrange(3)):
            scope = resource.scope_spans.add()
            scope.scope.name = draw.choice([b"s", b"t"])
            for _ in range(draw.randrange(5)):
                start = draw.randrange(1, 8) * 10**9
                span = scope.spans.add(name=draw.choice([b"a", b"b", b""]), kind=draw.randrange(4))
                span.start_time_unix_nano, span.end_time_unix_nano = start, start + draw.randrange(4) * 10**9
                if draw.random() < 0.7:
                    span.attributes.add(key=b"n").value.int_value = draw.randrange(4)
                for _ in range(draw.randrange(3)):
                    span.events.add(name=b"e")
    return bytes(message.SerializeToString())


def actions(draw: random.Random) -> str:
    """Blocks of actions."""
    found = []
    for _ in range(draw.randrange(1, 4)):
        level = draw.choice(["", "", "", "scope.name == 's'", "resource.attr.tenant == 'A'"])
        if level:
            found.append(f"{draw.choice(['drop()', 'route(exporter.a)'])}\nwhere {level}")
            continue
        lines = [f"{draw.choice(ACTIONS)} where {draw.choice(FILTERS)}" for _ in range(draw.randrange(1, 4))]
        found.append("\n".join(["set(span.trace_state, '') where false", *lines][draw.randrange(2) :]))
    return "\n\n".join(found)


@pytest.mark.skipif(not native.available(), reason="the native codec is not there")
@pytest.mark.parametrize("seed", range(120))
def test_stacks_agree_on_actions(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The same rows go and stay in both stacks, payload after payload, and are counted alike."""
    monkeypatch.setattr(engine, "SMALL_PAYLOAD", 0)
    draw = random.Random(seed)
    text = actions(draw)
    programs = [ottl.compile(text, signal="traces", stack=stack) for stack in ("auto", "plain")]
    parse = root_class("traces").FromString
    for _ in range(6):
        data = payload(draw)
        fast, plain = (p.run_routes(data, signal="traces") for p in programs)
        assert fast.keys() == plain.keys()
        for name in fast:
            assert parse(fast[name]) == parse(plain[name]), (text, name)
    counts = [[(s.matched, s.changed, s.errors) for s in p.stats()] for p in programs]
    assert counts[0] == counts[1], text

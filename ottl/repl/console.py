"""The terminal of a session: prompt, keys, history, colours.

Where standard input is no terminal, what comes from it is answered line by line, without a prompt.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ottl.errors import Error
from ottl.repl.completion import Completion
from ottl.repl.session import Session

__all__ = ["history_file", "is_whole", "run", "serve"]

_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\#[^\n]*|[()\[\]{}]|["']|\w+|[<>=!+\-*/,.]+|\S""")
_OPEN_ENDS = re.compile(r"(?:==|!=|<=|>=|[<>+\-*/,.=]|\b(?:where|and|or|not))$")
_LEXEMES = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<string>"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)
    |(?P<keyword>\b(?:where|and|or|not|true|false|nil)\b)
    |(?P<function>\b[A-Za-z_]\w*(?=\())
    |(?P<symbol>\b[A-Z][A-Z0-9_]+\b)
    |(?P<number>\b\d[\w.]*)
    |(?P<command>^:\w+)""",
    re.VERBOSE,
)
# Colours that a terminal draws readably on a dark and on a light ground alike.
_STYLE = {
    "comment": "italic",
    "string": "ansigreen",
    "keyword": "bold",
    "function": "ansiblue",
    "symbol": "ansimagenta",
    "number": "ansimagenta",
    "command": "ansicyan",
    "prompt": "bold",
    "bottom-toolbar": "noreverse ansicyan",
    "completion-menu": "noinherit reverse",
    "completion-menu.completion": "noinherit reverse",
    "completion-menu.completion.current": "noinherit noreverse bold underline",
    "completion-menu.meta.completion": "noinherit reverse",
    "completion-menu.meta.completion.current": "noinherit noreverse",
    "scrollbar.background": "noinherit reverse",
    "scrollbar.button": "noinherit",
}


def is_whole(text: str) -> bool:
    """Whether a text can be answered: no bracket or string is open, and it does not end where something must follow."""
    if text.lstrip().startswith(":"):
        return True
    opened = 0
    last = ""
    for piece in _TOKEN.findall(text):
        if piece in {'"', "'"}:
            return False
        if piece.startswith("#"):
            continue
        opened += (piece in "([{") - (piece in ")]}")
        last = piece
    return opened <= 0 and _OPEN_ENDS.search(last) is None


def history_file() -> Path:
    """Where what was typed is kept: `$OTTL_HISTORY`, or a file below the user's state directory."""
    named = os.environ.get("OTTL_HISTORY")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "ottl" / "history"


def run(session: Session) -> None:
    """A session at a terminal, until the user leaves.

    Raises:
        Error: prompt_toolkit is not there.
    """
    try:
        prompt = _prompt(session)
    except ImportError:
        raise Error("ottl repl needs prompt_toolkit at a terminal: pip install 'ottl[repl]'") from None
    _say(session.greeting())
    while not session.done:
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        _say(answer(session, text))


def serve(session: Session, stdin: TextIO, say: Callable[[str], None]) -> None:
    """A session over a stream: texts are answered as soon as they are whole.

    Args:
        session: the session.
        stdin: what is asked.
        say: takes each answer.
    """
    for text in _texts(stdin):
        say(answer(session, text))
        if session.done:
            return


def _texts(stdin: TextIO) -> Iterator[str]:
    held = ""
    for line in stdin:
        held += line
        if is_whole(held):
            yield held
            held = ""
    if held:
        yield held


def answer(session: Session, text: str) -> str:
    """What a session says; nothing that goes wrong leaves this function."""
    try:
        return session.answer(text)
    except KeyboardInterrupt:
        return "interrupted, nothing has changed"
    except Error as error:
        return session.complain(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        return session.complain(Error(f"{place}{error.strerror or error}"))
    except Exception as error:  # noqa: BLE001 (the edge: whatever is wrong, the session goes on)
        return session.complain(Error(f"{type(error).__name__}: {error} (a fault of ours, the session is as before)"))


def _say(text: str) -> None:
    if text:
        from prompt_toolkit import print_formatted_text
        from prompt_toolkit.formatted_text import ANSI

        print_formatted_text(ANSI(text))


def _prompt(session: Session) -> Any:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.completion import Completion as Completed
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.lexers import Lexer
    from prompt_toolkit.styles import Style

    completion = Completion(session)

    class Completing(Completer):
        """Candidates as prompt_toolkit wants them."""

        def get_completions(self, document: Any, _event: Any) -> Iterator[Any]:
            """The candidates for the text before the cursor."""
            for found in completion.candidates(document.text_before_cursor):
                shown = found.shown or found.text
                yield Completed(found.text, -found.start, display=shown, display_meta=found.meaning)

    class Coloring(Lexer):
        """The words of the language in their colours."""

        def lex_document(self, document: Any) -> Callable[[int], Any]:
            """From the number of a line to its pieces."""
            lines = document.lines
            return lambda number: list(_pieces(lines[number])) if number < len(lines) else []

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None
        elif is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=False)

    @keys.add("escape", "enter")
    def _(event: Any) -> None:
        event.current_buffer.newline(copy_margin=False)

    style = {} if "NO_COLOR" in os.environ else _STYLE
    return PromptSession(
        lambda: [("class:prompt", session.prompt)],
        completer=Completing(),
        complete_while_typing=True,
        history=_history(),
        auto_suggest=AutoSuggestFromHistory(),
        lexer=Coloring() if session.color else None,
        style=Style.from_dict(style),
        key_bindings=keys,
        multiline=True,
        prompt_continuation=lambda width, _number, _wrapped: ". ".rjust(width),
        bottom_toolbar=lambda: session.status,
        reserve_space_for_menu=8,
    )


def _history() -> Any:
    """The history on disk, readable by its owner only; in memory where there is no place for it."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _pieces(line: str) -> Iterator[tuple[str, str]]:
    at = 0
    for match in _LEXEMES.finditer(line):
        yield "", line[at : match.start()]
        yield f"class:{match.lastgroup}", match[0]
        at = match.end()
    yield "", line[at:]


def colored() -> bool:
    """Whether standard output shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ

r"""Patterns of rules, on engines that run in linear time: regular expressions, globs and grok.

A regular expression means exactly what it means to Go's `regexp` package, which the reference uses, and runs on RE2.
The two engines share their syntax and their choice of match, but not everything; what differs is settled here:

- names of groups: Go lets two groups share a name, RE2 does not, so groups go nameless to the engine and
  `Regex.group_names` keeps the names;
- Unicode classes: Go takes `\p{Letter}`, `\p{greek}` or `\p{Cn}`; they become the spellings RE2 knows;
- `\C` is refused, as in Go;
- a text that is not UTF-8: to Go every bad byte is one U+FFFD, so such a text is searched in a copy that has them, and
  offsets are mapped back;
- an empty match (`\B`) in the middle of a character, which RE2 finds, is none in Go.

Python's `re` never sees a pattern of a rule. Compiled patterns are cached and pickle as their text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from ottl import bounds

_CACHED_PATTERNS = 1024
_SMALL_ENGINE_BYTES = 8 << 20
_LARGE_ENGINE_BYTES = 128 << 20
_MAX_GROK_CHARACTERS = 1 << 20
_GROK_ROUNDS = 1000

Spans = list[tuple[int, int]]


class Regex:
    """A compiled regular expression, searched in UTF-8 (possibly invalid) bytes.

    Attributes:
        text: the expression as the rule has it.
        group_names: a name for each group, the whole match first; `""` for a nameless one.
    """

    __slots__ = ("_engine", "_finder", "_inside_characters", "_named_only", "group_names", "text")

    def __init__(self, text: str, named_only: bool = False) -> None:
        """Compiles; raises `ValueError` for what Go refuses. With `named_only` nameless groups only group."""
        translated, names = _translate(text, named_only)
        self._named_only = named_only
        self.text = text
        self.group_names = names
        self._inside_characters = "\\B" in text
        self._engine = _engine(translated)
        # Without groups to report RE2 can use its fastest search.
        self._finder = _engine(translated, captures=False) if len(names) > 1 else self._engine

    def __reduce__(self) -> tuple[Callable[[str, bool], Regex], tuple[str, bool]]:
        return compile_regex, (self.text, self._named_only)

    def __repr__(self) -> str:
        return f"Regex({self.text!r})"

    def search(self, data: bytes) -> bool:
        """Whether the expression matches anywhere."""
        text = _well_formed(data)
        if self._inside_characters:
            return self._spans(text, 0) is not None
        return self._finder.search(text) is not None

    def captures(self, data: bytes) -> tuple[bytes | None, ...] | None:
        """The first match: the whole, then each group, `None` for a group that took no part. `None`: no match."""
        text = _well_formed(data)
        spans = self._spans(text, 0)
        if spans is None:
            return None
        if text is not data:
            spans = _mapped(spans, _offsets(data))
        return tuple(None if start < 0 else data[start:end] for start, end in spans)

    def replace(self, data: bytes, template: bytes) -> bytes:
        """The text with all matches replaced.

        Args:
            data: the text.
            template: the replacement, in which `$1`, `${1}`, `$name` and `${name}` stand for groups and `$$` for a `$`.

        Raises:
            ValueError: the result would be longer than `Limits.max_string`.
        """
        return self._replace(data, template, None)

    def replace_with(self, data: bytes, template: bytes, function: Callable[[bytes], bytes]) -> bytes:
        """As `replace`, with each expanded template passed through a function."""
        return self._replace(data, template, function)

    def numbered(self, template: bytes) -> tuple[bytes | int, ...] | None:
        """A replacement template as literals and group numbers; `None` where a name stands for several groups."""
        parts: list[bytes | int] = []
        for part in _template(template):
            if not isinstance(part, str):
                parts.append(part)
            elif self.group_names.count(part) > 1:
                return None
            elif part in self.group_names:
                parts.append(self.group_names.index(part))
        return tuple(parts)

    def _replace(self, data: bytes, template: bytes, function: Callable[[bytes], bytes] | None) -> bytes:
        parts = _template(template)
        constant = b"".join(part for part in parts if isinstance(part, bytes)) if _is_constant(parts) else None
        pieces: list[bytes] = []
        size = last = 0
        limit = bounds.current()
        for spans in self._matches(data, groups=constant is None):
            start, end = spans[0]
            new = self._expand(parts, data, spans, limit) if constant is None else constant
            if function is not None:
                new = function(new)
            pieces.append(data[last:start])
            pieces.append(new)
            size += start - last + len(new)
            if size > limit.max_string:
                raise limit.too_long()
            last = end
        if not pieces:
            return data
        pieces.append(data[last:])
        limit.text(size + len(data) - last)
        return b"".join(pieces)

    def _expand(self, parts: tuple[bytes | int | str, ...], data: bytes, spans: Spans, limit: bounds.Bounds) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for part in parts:
            piece = part if isinstance(part, bytes) else self._group(part, data, spans)
            pieces.append(piece)
            size += len(piece)
            if size > limit.max_string:
                raise limit.too_long()
        return b"".join(pieces)

    def _group(self, group: int | str, data: bytes, spans: Spans) -> bytes:
        """What a group matched; nothing where it took no part, or where there is none of its name."""
        if isinstance(group, int):
            known = group < len(spans) and spans[group][0] >= 0
            return data[spans[group][0] : spans[group][1]] if known else b""
        for name, (start, end) in zip(self.group_names, spans, strict=True):
            if name == group and start >= 0:
                return data[start:end]
        return b""

    def _matches(self, data: bytes, groups: bool) -> Iterator[Spans]:
        """All matches, as Go walks over them: none empty right behind another, offsets into the data."""
        text = _well_formed(data)
        offsets = None if text is data else _offsets(data)
        position, last_end = 0, -1
        while position <= len(text):
            spans = self._spans(text, position, groups)
            if spans is None:
                return
            end = spans[0][1]
            if end > last_end:
                yield spans if offsets is None else _mapped(spans, offsets)
                last_end = end
            position = end if end > position else _next_character(text, position)

    def _spans(self, text: bytes, position: int, groups: bool = True) -> Spans | None:
        """The next match: the whole, and the groups where they are wanted."""
        engine = self._engine if groups else self._finder
        while True:
            match = engine.search(text, position)
            if match is None:
                return None
            start, end = match.span()
            if start == end and start < len(text) and text[start] & 0xC0 == 0x80:
                position = _next_character(text, start)
                continue
            if not groups:
                return [(start, end)]
            return list(map(match.span, range(len(self.group_names))))


@functools.lru_cache(maxsize=_CACHED_PATTERNS)
def compile_regex(text: str, named_only: bool = False) -> Regex:
    """The compiled expression.

    Args:
        text: the expression.
        named_only: nameless groups capture nothing and do not count, which makes captures cheaper.

    Raises:
        ValueError: Go refuses the expression.
    """
    return Regex(text, named_only)


def _engine(translated: str, captures: bool = True) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    try:
        encoded = translated.encode()
    except UnicodeEncodeError:
        raise ValueError("invalid regular expression: not valid UTF-8") from None
    # Large budgets are for large programs only: the engine fills whatever it may have with cached states.
    shown = ""
    for budget in (_SMALL_ENGINE_BYTES, _LARGE_ENGINE_BYTES):
        options.max_mem = budget
        try:
            return re2.compile(encoded, options)
        except re2.error as error:
            message = error.args[0] if error.args else b""
            shown = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
            if "too large" not in shown:
                break
    raise ValueError(f"invalid regular expression: {shown}")


def _well_formed(data: bytes) -> bytes:
    """The same object for valid UTF-8; otherwise a copy with U+FFFD for each bad byte."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode(errors="surrogateescape")
        return "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in text).encode()
    return data


def _offsets(data: bytes) -> list[int]:
    """For each offset into `_well_formed(data)` at a character's start, the offset into the data."""
    offsets: list[int] = []
    position = 0
    for character in data.decode(errors="surrogateescape"):
        bad = "\udc80" <= character <= "\udcff"
        width = 1 if bad else len(character.encode())
        offsets.extend([position] * (3 if bad else width))
        position += width
    offsets.append(position)
    return offsets


def _mapped(spans: Spans, offsets: list[int]) -> Spans:
    return [(start, end) if start < 0 else (offsets[start], offsets[end]) for start, end in spans]


def _next_character(text: bytes, position: int) -> int:
    position += 1
    while position < len(text) and text[position] & 0xC0 == 0x80:
        position += 1
    return position


# Templates


def _is_constant(parts: tuple[bytes | int | str, ...]) -> bool:
    return all(isinstance(part, bytes) for part in parts)


@functools.lru_cache(maxsize=_CACHED_PATTERNS)
def _template(template: bytes) -> tuple[bytes | int | str, ...]:
    """Splits a template into literals, group numbers and group names."""
    parts: list[bytes | int | str] = []
    literal, marker, rest = template.partition(b"$")
    parts.append(literal)
    while marker:
        if rest.startswith(b"$"):
            parts.append(b"$")
            rest = rest[1:]
        else:
            name, after = _reference(rest)
            if name is None:
                parts.append(b"$")
            else:
                numeric = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
                parts.append(int(name) if numeric and len(name) <= 9 else name)
                rest = after
        literal, marker, rest = rest.partition(b"$")
        parts.append(literal)
    return tuple(part for part in parts if part != b"")


def _reference(rest: bytes) -> tuple[str | None, bytes]:
    """Reads `name` or `{name}` behind a `$`; `None` where there is none."""
    brace = rest.startswith(b"{")
    text = rest[1 if brace else 0 :].decode(errors="surrogateescape")
    length = 0
    while length < len(text) and (text[length] == "_" or text[length].isalpha() or text[length].isdecimal()):
        length += 1
    if length == 0 or (brace and text[length : length + 1] != "}"):
        return None, rest
    return text[:length], text[length + (1 if brace else 0) :].encode(errors="surrogateescape")


# Go's syntax in RE2's spelling


def _translate(text: str, named_only: bool) -> tuple[str, tuple[str, ...]]:
    """The expression without names of groups and with RE2's names of Unicode classes; and the names."""
    pieces: list[str] = []
    names = [""]
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            piece, at = _translate_escape(text, at)
        elif character == "[":
            piece, at = _translate_class(text, at)
        elif character == "(":
            piece, at, name = _translate_group(text, at)
            if named_only and name == "":
                piece = "(?:"
            elif name is not None:
                names.append(name)
        else:
            piece, at = character, at + 1
        pieces.append(piece)
    return "".join(pieces), tuple(names)


def _translate_escape(text: str, at: int) -> tuple[str, int]:
    following = text[at + 1 : at + 2]
    if following == "C":
        raise ValueError("invalid regular expression: invalid escape sequence: `\\C`")
    if following == "Q":
        end = text.find("\\E", at + 2)
        end = len(text) if end < 0 else end + 2
        return text[at:end], end
    if following and following in "pP":
        return _translate_unicode_class(text, at)
    return text[at : at + 2], at + 2


def _translate_class(text: str, at: int) -> tuple[str, int]:
    start, at = at, at + 1
    pieces = ["["]
    if text.startswith("^", at):
        pieces.append("^")
        at += 1
    first = True
    while at < len(text) and (first or text[at] != "]"):
        first = False
        end = text.find(":]", at + 2) if text.startswith("[:", at) else -1
        if end >= 0:
            piece, at = text[at : end + 2], end + 2
        elif text[at] == "\\" and text[at + 1 : at + 2] in ("p", "P"):
            piece, at = _translate_unicode_class(text, at)
            # A complement has no spelling inside a class, so its characters are listed.
            if piece.startswith("[^"):
                piece = _listed(piece)
            elif piece.startswith("["):
                piece = piece[1:-1]
        else:
            width = 2 if text[at] == "\\" else 1
            piece, at = text[at : at + width], at + width
        pieces.append(piece)
    if at >= len(text):
        raise ValueError(f"invalid regular expression: missing closing ]: `{text[start:]}`")
    return "".join(pieces) + "]", at + 1


def _translate_group(text: str, at: int) -> tuple[str, int, str | None]:
    if not text.startswith("(?", at):
        return "(", at + 1, ""
    name_at = at + 4 if text.startswith("(?P<", at) else at + 3 if text.startswith("(?<", at) else 0
    if not name_at:
        return "(?", at + 2, None
    end = text.find(">", name_at)
    name = text[name_at:end] if end >= 0 else ""
    if not (name.isascii() and name.replace("_", "a").isalnum()):
        shown = text[at : end + 1] if end >= 0 else text[at:]
        raise ValueError(f"invalid regular expression: invalid named capture: `{shown}`")
    return "(", end + 1, name


_CATEGORY_ALIASES = {
    "Casedletter": "LC",
    "Closepunctuation": "Pe",
    "Cntrl": "Cc",
    "Combiningmark": "M",
    "Connectorpunctuation": "Pc",
    "Control": "Cc",
    "Currencysymbol": "Sc",
    "Dashpunctuation": "Pd",
    "Decimalnumber": "Nd",
    "Digit": "Nd",
    "Enclosingmark": "Me",
    "Finalpunctuation": "Pf",
    "Format": "Cf",
    "Initialpunctuation": "Pi",
    "Lc": "LC",
    "Letter": "L",
    "Letternumber": "Nl",
    "Lineseparator": "Zl",
    "Lowercaseletter": "Ll",
    "Mark": "M",
    "Mathsymbol": "Sm",
    "Modifierletter": "Lm",
    "Modifiersymbol": "Sk",
    "Nonspacingmark": "Mn",
    "Number": "N",
    "Openpunctuation": "Ps",
    "Other": "C",
    "Otherletter": "Lo",
    "Othernumber": "No",
    "Otherpunctuation": "Po",
    "Othersymbol": "So",
    "Paragraphseparator": "Zp",
    "Privateuse": "Co",
    "Punct": "P",
    "Punctuation": "P",
    "Separator": "Z",
    "Spaceseparator": "Zs",
    "Spacingmark": "Mc",
    "Surrogate": "Cs",
    "Symbol": "S",
    "Titlecaseletter": "Lt",
    "Unassigned": "Cn",
    "Uppercaseletter": "Lu",
}
_VISIBLE = r"\pL\pM\pN\pP\pS\pZ"
# Classes that RE2 lacks or, for C, has without the unassigned characters: members, and whether they are the complement.
_CLASS_MEMBERS = {
    "Ascii": (r"\x00-\x7F", False),
    "Assigned": (_VISIBLE + r"\p{Cc}\p{Cf}\p{Co}\p{Cs}", False),
    "C": (_VISIBLE, True),
    "Cn": (_VISIBLE + r"\p{Cc}\p{Cf}\p{Co}\p{Cs}", True),
    "LC": (r"\p{Lu}\p{Ll}\p{Lt}", False),
}


def _translate_unicode_class(text: str, at: int) -> tuple[str, int]:
    r"""`\pN` or `\p{Name}` at an offset, in RE2's spelling: an escape, or a class in brackets."""
    end = at + 3
    if text.startswith("{", at + 2):
        end = text.find("}", at) + 1
        if not end:
            raise ValueError(f"invalid regular expression: invalid character class range: `{text[at:]}`")
    name = text[at + 2 : end].strip("{}")
    negated = text[at + 1] == "P"
    if name.startswith("^"):
        negated, name = not negated, name[1:]
    canonical = name.replace("_", "").replace("-", "").replace(" ", "").capitalize()
    canonical = _CATEGORY_ALIASES.get(canonical, canonical)
    if canonical in _CLASS_MEMBERS:
        members, complement = _CLASS_MEMBERS[canonical]
        return f"[{'^' if negated != complement else ''}{members}]", end
    # Scripts of several words are known to RE2, and to Go before 1.25, by their exact names only.
    if ("_" in name or name == "SignWriting") and canonical not in _CATEGORY_ALIASES.values():
        canonical = name
    return f"\\{'P' if negated else 'p'}{{{canonical}}}", end


@functools.cache
def _listed(class_text: str) -> str:
    """The characters of a class, as ranges that can stand inside another."""
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    runs = re2.finditer(class_text + "+", everything)
    return "".join(f"\\x{{{ord(everything[run.start()]):X}}}-\\x{{{ord(everything[run.end() - 1]):X}}}" for run in runs)


# Globs


class Glob:
    """A compiled glob, compared with whole texts.

    Attributes:
        text: the glob as the rule has it.
        expression: the regular expression that it stands for.
        ends: what the texts begin and end with, for a glob of one run of `*` and plain text.
    """

    __slots__ = ("_engine", "ends", "expression", "text")

    def __init__(self, text: str) -> None:
        """Compiles; raises `ValueError` for a malformed glob."""
        self.text = text
        pieces = _GlobReader(text).pieces(inside_terms=False)
        # Two habits of the reference's matcher: one piece for one character also takes the empty text, and in
        # `prefix*suffix` the two may overlap (`ab*ba` takes `aba`).
        self.ends = _prefix_and_suffix(pieces)
        if len(pieces) == 1 and (pieces[0] == "." or pieces[0].startswith("[^")):
            pieces.append("?")
        self.expression = "(?s)\\A(?:" + "".join(pieces) + ")\\z"
        self._engine = _engine(self.expression)

    def __reduce__(self) -> tuple[Callable[[str], Glob], tuple[str]]:
        return compile_glob, (self.text,)

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"

    def match(self, data: bytes) -> bool:
        """Whether the glob matches the whole text."""
        if self.ends is not None:
            return data.startswith(self.ends[0]) and data.endswith(self.ends[1])
        return self._engine.search(_well_formed(data)) is not None


@functools.lru_cache(maxsize=_CACHED_PATTERNS)
def compile_glob(text: str) -> Glob:
    r"""The compiled glob: `*` and `**` any run, `?` one character, `[a-z]`, `[!abc]`, `{a,b*}`, `\` quotes.

    Raises:
        ValueError: the glob is malformed.
    """
    return Glob(text)


def _prefix_and_suffix(pieces: list[str]) -> tuple[bytes, bytes] | None:
    """The ends of a glob that is one run of `*` and plain text before or behind it."""
    stars = [at for at, piece in enumerate(pieces) if piece == ".*"]
    if not stars or stars[-1] - stars[0] != len(stars) - 1:
        return None
    if any((len(piece) > 1 and not piece.startswith("\\")) or piece == "." for piece in pieces if piece != ".*"):
        return None
    plain = [piece[-1] for piece in pieces]
    before, after = "".join(plain[: stars[0]]), "".join(plain[stars[-1] + 1 :])
    # With one end only, bytes that are no text are compared as this character.
    if "\ufffd" in before + after and not (before and after):
        return None
    return before.encode(), after.encode()


class _GlobReader:
    r"""Reads a glob into RE2's syntax, with the reference's leniency: a `{` may stay open, a last `\` is dropped."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        # The reference's lexer takes a NUL for the end and refuses U+FFFD, bad bytes included.
        text = text.partition("\0")[0]
        if any(c == "\ufffd" or "\udc80" <= c <= "\udcff" for c in text):
            raise ValueError("invalid glob: could not read rune")
        self.text = text
        self.at = 0

    def pieces(self, inside_terms: bool) -> list[str]:
        """Everything up to the end, or up to the `}` that closes the terms; alternatives divided by `|`."""
        pieces: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == "}" and inside_terms:
                break
            if character == "," and inside_terms:
                pieces.append("|")
            elif character == "{":
                pieces.append("(?:" + "".join(self.pieces(inside_terms=True)) + ")")
            elif character == "[":
                pieces.append(self._range())
            elif character == "?":
                pieces.append(".")
            elif character == "*":
                pieces.append(".*")
            else:
                if character == "\\":
                    character = self.text[self.at : self.at + 1]
                    self.at += 1
                pieces.extend(re2.escape(c) for c in character)
        return pieces

    def _range(self) -> str:
        negated = self.text.startswith("!", self.at)
        self.at += negated
        low = self.text[self.at : self.at + 1]
        if self.text.startswith("-", self.at + 1):
            high = self.text[self.at + 2 : self.at + 3]
            closing = self.text[self.at + 3 : self.at + 4]
            self.at += 4
            if closing != "]" or high < low:
                raise ValueError(f"invalid glob: bad range {low}-{high}")
            return f"[{'^' if negated else ''}\\x{{{ord(low):X}}}-\\x{{{ord(high):X}}}]"
        characters: list[str] = []
        while self.at < len(self.text) and self.text[self.at] != "]":
            self.at += self.text[self.at] == "\\"
            characters.extend(self.text[self.at : self.at + 1])
            self.at += 1
        if self.at >= len(self.text) or not characters:
            raise ValueError("invalid glob: empty or open character list")
        self.at += 1
        return f"[{'^' if negated else ''}" + "".join(f"\\x{{{ord(c):X}}}" for c in characters) + "]"


# Grok


@dataclass(frozen=True, slots=True)
class Grok:
    """A grok pattern, expanded and compiled.

    Args:
        regex: the expanded expression; dots of identifiers are `___` in its group names.
        hints: the type asked for, for each such group name that has one.
    """

    regex: Regex
    hints: Mapping[str, str]
    _wanted: tuple[tuple[int, str, str | None], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = enumerate(self.regex.group_names)
        wanted = tuple((group, self.name(name), self.hints.get(name)) for group, name in names if name)
        object.__setattr__(self, "_wanted", wanted)

    def captures(self, data: bytes) -> dict[str, tuple[bytes, str | None]]:
        """The named captures of the first match that are not empty: identifier to text and type hint."""
        captures = self.regex.captures(data) or ()
        found: dict[str, tuple[bytes, str | None]] = {}
        for group, name, hint in self._wanted if captures else ():
            capture = captures[group]
            if capture:
                found[name] = capture, hint
        return found

    @staticmethod
    def name(group: str) -> str:
        """The identifier that a group's name stands for."""
        return group.replace(_GROK_DOT, ".")

    @property
    def named(self) -> bool:
        """Whether any group has a name."""
        return any(self.regex.group_names)


_GROK_DOT = "___"


def compile_grok(text: str, named_only: bool, definitions: Mapping[str, str]) -> Grok:
    """Expands `%{SYNTAX}`, `%{SYNTAX:id}` and `%{SYNTAX:id:type}` and compiles what comes out.

    Args:
        text: the pattern.
        named_only: capture only what has an id; else a bare SYNTAX is captured under its own name.
        definitions: expressions by SYNTAX; they may refer to each other.

    Raises:
        ValueError: an unknown SYNTAX, an expression that Go refuses, or an expansion without end.
    """
    hints: dict[str, str] = {}
    for _ in range(_GROK_ROUNDS):
        references = list(_grok_references(text))
        if not references:
            break
        for reference in references:
            syntax, *rest = reference.split(":")
            if syntax not in definitions:
                raise ValueError(f'grok pattern definition "{syntax}" is unknown')
            name = rest[0].replace(".", _GROK_DOT) if rest else syntax
            if len(rest) == 2:
                hints[name] = rest[1]
            opening = "(" if named_only and not rest else f"(?P<{name}>"
            text = text.replace("%{" + reference + "}", opening + definitions[syntax] + ")")
            if len(text) > _MAX_GROK_CHARACTERS:
                raise ValueError(f"grok pattern expands to more than {_MAX_GROK_CHARACTERS} characters")
    return Grok(compile_regex(text, named_only=True), hints)


_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def _grok_references(text: str) -> Iterator[str]:
    """What stands inside each `%{...}` that has the form of a reference, in order."""
    at = text.find("%{")
    while at >= 0:
        end = text.find("}", at)
        if end < 0:
            return
        parts = text[at + 2 : end].split(":")
        allowed = zip(parts, (_WORD, _WORD | {"+", "."}, _WORD), strict=False)
        if len(parts) <= 3 and all(part and characters.issuperset(part) for part, characters in allowed):
            yield text[at + 2 : end]
            at = text.find("%{", end)
        else:
            at = text.find("%{", at + 1)

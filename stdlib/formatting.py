"""`Format`: values printed by a layout, as the reference's language prints them.

A layout is text with verbs: `%`, flags, width, precision, argument indexes, a letter. What is wrong shows in the result
(`%!d(string=a)`, `%!s(MISSING)`), it is never an error; only a result beyond the limit is.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from ottl import bounds
from ottl.functions import Const, Example, NativeCall, Register, Utf8, converter
from ottl.stdlib.layouts import MONTHS
from ottl.types import (
    Bytes,
    Duration,
    Map,
    Opaque,
    RawMap,
    Slice,
    Time,
    TypedList,
    Value,
    as_string,
    civil,
    duration_text,
    float_digits,
    kind_name,
    time_text,
)

_LARGEST_NUMBER = 1_000_000
_MAX_RUNE = 0x10FFFF
_FIRST_YEAR_S = 62_135_596_800


@converter(
    "Format",
    Example('Format("%s has %d of %05.1f", ["é", 3, 2.25])', "é has 3 of 002.2"),
    Example('Format("%v %v %v", [nil, [1, "a"], Duration("90s")])', "<nil> [1 a] 1m30s"),
    Example('Format("%-4q|%+x|%#v", ["a", "é", 0x01])', '"a" |c3a9|[]byte{0x1}'),
    Example('Format("%[2]d %[1]*d%%", [4, 7])', "7    7%"),
    Example('Format("%d %s", ["a"])', "%!d(string=a) %!s(MISSING)"),
    Example('Format("", [1])', "%!(EXTRA int64=1)"),
    Example('Format("%9999999d%9999999d", [1, 2])', error="the result is longer than"),
)
def format_values(format: Const[str], vals: tuple[Value, ...]) -> Utf8:
    """A text made from a layout and values.

    Args:
        format: the layout, with the verbs of Go's `fmt`.
        vals: the values, in the order of the verbs.

    Source: OTTL reference, converter `Format`.
    """
    return format_text(format, vals).encode(errors="surrogateescape")


@format_values.native
def _(format: str, vals: list[Register]) -> NativeCall | None:
    verbs = _plain_verbs(format)
    if verbs is None or sum(1 for _, verb, *_ in verbs if verb) != len(vals):
        return None
    return NativeCall("format", tuple(vals), (verbs,))


_PLAIN_VERB = re.compile(
    r"(?P<literal>(?:[^%]|%%)*)"
    r"(?:\Z|%(?P<left>-?)(?P<zero>0?)(?P<width>[0-9]{0,3})(?:\.(?P<precision>[0-9]{1,2}))?(?P<verb>[dfqstvx]))"
)


def _plain_verbs(layout: str) -> list[tuple[bytes, str, int, int, bool, bool]] | None:
    """A layout without the rarer flags and verbs: before each verb its literal, then width, precision and filling."""
    verbs = []
    position = 0
    while position < len(layout):
        found = _PLAIN_VERB.match(layout, position)
        if found is None:
            return None
        literal = found["literal"].replace("%%", "%").encode(errors="surrogateescape")
        verb, precision = found["verb"] or "", found["precision"]
        left, zero = bool(found["left"]), bool(found["zero"])
        if (precision is not None and verb != "f") or (zero and verb not in ("d", "f")):
            return None
        width = int(found["width"] or 0)
        verbs.append((literal, verb, width, 6 if precision is None else int(precision), left, zero))
        position = found.end()
    return verbs


@dataclass(slots=True)
class _Flags:
    """What stands between `%` and the verb. `sharp_v` and `plus_v` are `#` and `+` of the verb `v`."""

    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    sharp_v: bool = False
    plus_v: bool = False


@dataclass(frozen=True, slots=True)
class _Typed:
    """A number or pointer of a type that only parts of values have, with that type's name."""

    value: int
    name: str


class _Result:
    """The text so far, with its limit."""

    __slots__ = ("bounds", "parts", "size")

    def __init__(self) -> None:
        self.bounds = bounds.current()
        self.parts: list[str] = []
        self.size = 0

    def write(self, text: str) -> None:
        self.reserve(len(text))
        self.size += len(text)
        self.parts.append(text)

    def reserve(self, size: int) -> None:
        """Refuses text of a size that is about to be made, where it would pass the limit."""
        if self.size + size > self.bounds.max_string:
            raise self.bounds.too_long()


_SIMPLE = re.compile(r"%([sdv])")


@functools.lru_cache(maxsize=256)
def _simple_layout(layout: str) -> tuple[str, str] | None:
    """A layout of plain `%s`, `%d` and `%v` alone: its form for Python's `%` and its verbs."""
    rest = _SIMPLE.sub("", layout)
    if "%" in rest:
        return None
    return _SIMPLE.sub("%s", layout), "".join(_SIMPLE.findall(layout))


def format_text(layout: str, values: tuple[Value, ...] | list[Value]) -> str:
    """A layout filled in; texts carry invalid UTF-8 as surrogate escapes.

    Args:
        layout: text with verbs.
        values: what the verbs show.

    Raises:
        ValueError: for a result beyond the limit.
    """
    simple = _simple_layout(layout)
    if simple is not None and len(simple[1]) == len(values):
        texts = [_simple_text(verb, value) for verb, value in zip(simple[1], values, strict=True)]
        if None not in texts and sum(map(len, texts)) <= bounds.SMALL:  # type: ignore[arg-type]
            return simple[0] % tuple(texts)
    printer = _Printer(layout, list(values))
    printer.run()
    return "".join(printer.out.parts)


def _simple_text(verb: str, value: Value) -> str | None:
    if type(value) is bytes and verb != "d":
        return value.decode(errors="surrogateescape")
    if type(value) is int and verb != "s":
        return str(value)
    return None


_SIMPLE_TYPES = frozenset({bool, int, float, bytes, Bytes})


class _Printer:
    """One run over a layout."""

    def __init__(self, layout: str, values: list[Value]) -> None:
        self.layout = layout
        self.values = values
        self.out = _Result()
        self.position = 0
        self.argument = 0
        self.reordered = False
        self.good_index = True
        self.flags = _Flags()
        self.erroring = False

    def run(self) -> None:
        layout = self.layout
        while self.position < len(layout):
            percent = layout.find("%", self.position)
            if percent < 0:
                self.out.write(layout[self.position :])
                break
            self.out.write(layout[self.position : percent])
            self.position = percent + 1
            if not self.verb():
                break
        if not self.reordered and self.argument < len(self.values):
            self.extra()

    def extra(self) -> None:
        self.flags = _Flags()
        self.out.write("%!(EXTRA ")
        for index, value in enumerate(self.values[self.argument :]):
            if index:
                self.out.write(", ")
            if value is None:
                self.out.write("<nil>")
            else:
                self.out.write(_type_name(value) + "=")
                self.show(value, "v")
        self.out.write(")")

    def verb(self) -> bool:
        """Reads and prints one verb; False where the layout ends within it."""
        self.good_index = True
        flags = self.flags = _Flags()
        while self.position < len(self.layout):
            match self.layout[self.position]:
                case "#":
                    flags.sharp = True
                case "0":
                    flags.zero = True
                case "+":
                    flags.plus = True
                case "-":
                    flags.minus = True
                case " ":
                    flags.space = True
                case _:
                    break
            self.position += 1
        after_index = self.precision(self.width(self.index()))
        if not after_index:
            self.index()
        if self.position >= len(self.layout):
            self.out.write("%!(NOVERB)")
            return False
        verb = self.layout[self.position]
        self.position += 1
        if verb == "%":
            self.out.write("%")
        elif not self.good_index:
            self.out.write(f"%!{_rune(verb)}(BADINDEX)")
        elif self.argument >= len(self.values):
            self.out.write(f"%!{_rune(verb)}(MISSING)")
        else:
            if verb in "vw":
                flags.sharp_v, flags.sharp = flags.sharp, False
                flags.plus_v, flags.plus = flags.plus, False
            self.show(self.values[self.argument], verb)
            self.argument += 1
        return True

    def index(self) -> bool:
        """Reads an argument index such as `[2]`; True if there was one."""
        if self.layout[self.position : self.position + 1] != "[":
            return False
        self.reordered = True
        close = self.layout.find("]", self.position)
        if close < 0 or len(self.layout) - self.position < 3:
            self.good_index = False
            self.position += 1
            return False
        number, end = self.number(self.position + 1, close)
        self.position = close + 1
        if number is None or end != close:
            self.good_index = False
            return False
        if not 0 <= number - 1 < len(self.values):
            self.good_index = False
            return True
        self.argument = number - 1
        return True

    def number(self, start: int, end: int) -> tuple[int | None, int]:
        """The decimal number from `start`, and where it ends; none, and the end of all, for one that is too long."""
        number: int | None = None
        while start < end and "0" <= self.layout[start] <= "9":
            if number is not None and number > _LARGEST_NUMBER:
                return None, end
            number = (number or 0) * 10 + int(self.layout[start])
            start += 1
        return number, start

    def star(self) -> int | None:
        """The width or precision that `*` takes from the arguments."""
        if self.argument >= len(self.values):
            return None
        value = self.values[self.argument]
        self.argument += 1
        if type(value) is not int and type(value) is not Duration:
            return None
        return int(value) if abs(value) <= _LARGEST_NUMBER else None

    def width(self, after_index: bool) -> bool:
        if self.layout[self.position : self.position + 1] == "*":
            self.position += 1
            width = self.star()
            if width is None:
                self.out.write("%!(BADWIDTH)")
            elif width < 0:
                width = -width
                self.flags.minus, self.flags.zero = True, False
            self.flags.width = width
            return False
        self.flags.width, self.position = self.number(self.position, len(self.layout))
        if after_index and self.flags.width is not None:
            self.good_index = False
        return after_index

    def precision(self, after_index: bool) -> bool:
        if self.layout[self.position : self.position + 1] != "." or self.position + 1 >= len(self.layout):
            return after_index
        self.position += 1
        if after_index:
            self.good_index = False
        after_index = self.index()
        if self.layout[self.position : self.position + 1] == "*":
            self.position += 1
            precision = self.star()
            if precision is None or precision < 0:
                precision = None
                self.out.write("%!(BADPREC)")
            self.flags.precision = precision
            return False
        precision, self.position = self.number(self.position, len(self.layout))
        self.flags.precision = precision or 0
        return after_index

    # Values

    def show(self, value: Any, verb: str) -> None:
        """Prints an argument."""
        if value is None:
            if verb in ("T", "v"):
                self.pad("<nil>")
            else:
                self.bad_verb(None, verb)
        elif verb == "T":
            self.text(_type_name(value), "s")
        elif verb == "p":
            self.pointer(value)
        elif verb == "w" and type(value) not in _SIMPLE_TYPES:
            self.bad_verb(value, verb)
        elif type(value) is Bytes:
            self.byte_string(value, verb, "[]byte", nested=False)
        else:
            self.element(value, verb)

    def element(self, value: Any, verb: str) -> None:
        """Prints a value that may be a part of another."""
        kind = type(value)
        if kind is bytes:
            self.text(value.decode(errors="surrogateescape"), verb, value)
        elif kind is bool:
            if verb in ("t", "v"):
                self.pad("true" if value else "false")
            else:
                self.bad_verb(value, verb)
        elif kind is int:
            self.integer(value, verb, True, value)
        elif kind is float:
            self.floating(value, verb)
        elif kind is Bytes:
            self.byte_string(value, verb, "[]uint8", nested=True)
        elif kind is Slice or kind is Map or kind is Opaque:
            self.inner(value, verb)
        elif kind is list or kind is TypedList:
            self.sequence(value, verb)
        elif kind is RawMap:
            self.plain_map(value, verb)
        elif kind is _Typed:
            self.integer(value.value, verb, value.name == "int64", value)
        else:
            self.with_methods(value, verb)

    def with_methods(self, value: Any, verb: str) -> None:
        """Prints a value whose type says how it reads: times, durations, identifiers."""
        kind = type(value)
        if not self.erroring:
            if self.flags.sharp_v:
                if kind is Time:
                    self.pad(_time_literal(value)[: self.flags.precision])
                    return
            elif verb in ("v", "s", "x", "X", "q"):
                text = duration_text(value) if kind is Duration else time_text(value) if kind is Time else value.hex()
                self.text(text, verb)
                return
        if kind is Duration:
            self.integer(int(value), verb, True, value)
        elif kind is Time:
            self.time_fields(value, verb)
        elif verb in ("s", "q", "x", "X"):
            self.byte_string(Bytes(value), verb, "", nested=True)
        else:
            self.sequence(TypedList([_Typed(byte, "uint8") for byte in value], "uint8"), verb, _type_name(value))

    def time_fields(self, value: Time, verb: str) -> None:
        seconds, nanosecond = divmod(value.ns, 1_000_000_000)
        fields: tuple[tuple[str, _Typed | None], ...] = (
            ("wall", _Typed(nanosecond, "uint64")),
            ("ext", _Typed(seconds + _FIRST_YEAR_S, "int64")),
            ("loc", None),
        )
        self.out.write("{")
        for index, (name, field) in enumerate(fields):
            self.out.write(" " if index else "")
            self.out.write(f"{name}:" if self.flags.plus_v else "")
            if field is not None:
                self.element(field, verb)
            elif verb in ("b", "o", "d", "x", "X"):
                self.integer(0, verb, False, None)
            elif verb == "v":
                self.pad("<nil>")
            else:
                self.out.write(f"%!{_rune(verb)}(*time.Location=")
                self.pad("<nil>")
                self.out.write(")")
        self.out.write("}")

    def inner(self, value: Any, verb: str) -> None:
        """Prints a part of the payload: the reference shows addresses here, this shows the contents."""
        text = as_string(value).decode()
        if verb in ("v", "s"):
            self.pad(text)
        else:
            self.out.write(f"%!{_rune(verb)}({kind_name(value)}={text})")

    def pointer(self, value: Any) -> None:
        if type(value) in (list, TypedList, Bytes, RawMap):
            self.digits(0, 16, "v", sharp=not self.flags.sharp)
        else:
            self.bad_verb(value, "p")

    def bad_verb(self, value: Any, verb: str) -> None:
        self.out.write(f"%!{_rune(verb)}(")
        if value is None:
            self.out.write("<nil>")
        else:
            self.out.write(_type_name(value) + "=")
            self.erroring = True
            if type(value) is _Typed:
                self.element(value, "v")
            else:
                self.show(value, "v")
            self.erroring = False
        self.out.write(")")

    def sequence(self, value: list[Any], verb: str, name: str | None = None) -> None:
        sharp = self.flags.sharp_v
        self.out.write((name or _type_name(value)) + "{" if sharp else "[")
        element = value.element if isinstance(value, TypedList) else ""
        for index, item in enumerate(value):
            if index:
                self.out.write(", " if sharp else " ")
            if item is None:
                self.out.write("interface {}(nil)" if sharp else "<nil>")
            elif element == "uint64":
                self.element(_Typed(item, "uint64"), verb)
            else:
                self.element(item, verb)
        self.out.write("}" if sharp else "]")

    def plain_map(self, value: RawMap, verb: str) -> None:
        sharp = self.flags.sharp_v
        self.out.write("map[string]interface {}{" if sharp else "map[")
        for index, (key, item) in enumerate(sorted(value.entries, key=lambda entry: entry[0])):
            if index:
                self.out.write(", " if sharp else " ")
            self.element(key, verb)
            self.out.write(":")
            if item is None:
                self.out.write("interface {}(nil)" if sharp else "<nil>")
            else:
                self.element(item, verb)
        self.out.write("}" if sharp else "]")

    # Forms

    def pad(self, text: str, *, zero: bool = True) -> None:
        """Writes a text in its width, counted in characters."""
        missing = (self.flags.width or 0) - len(text)
        if missing > 0:
            self.out.reserve(missing)
            fill = "0" if zero and self.flags.zero and not self.flags.minus else " "
            text = text + " " * missing if self.flags.minus else fill * missing + text
        self.out.write(text)

    def text(self, text: str, verb: str, value: Any = None) -> None:
        flags = self.flags
        if verb in ("x", "X"):
            self.hex(text.encode(errors="surrogateescape"), verb)
        elif verb == "q" or (verb == "v" and flags.sharp_v):
            self.pad(_quoted(text[: flags.precision], flags))
        elif verb in ("s", "v"):
            self.pad(text[: flags.precision])
        else:
            self.bad_verb(value, verb)

    def byte_string(self, value: Bytes, verb: str, name: str, *, nested: bool) -> None:
        if verb == "s":
            self.pad(value.decode(errors="surrogateescape")[: self.flags.precision])
        elif verb in ("x", "X"):
            self.hex(value, verb)
        elif verb == "q":
            self.pad(_quoted(value.decode(errors="surrogateescape")[: self.flags.precision], self.flags))
        elif self.flags.sharp_v and not value:
            self.out.write(f"{name if verb in ('v', 'd') else '[]uint8'}(nil)")
        elif verb in ("v", "d") and not nested:
            open_, between, close = (name + "{", ", ", "}") if self.flags.sharp_v else ("[", " ", "]")
            self.out.write(open_)
            for index, byte in enumerate(value):
                self.out.write(between if index else "")
                self.digits(byte, 16 if self.flags.sharp_v else 10, verb, sharp=self.flags.sharp_v)
            self.out.write(close)
        else:
            self.sequence(TypedList([_Typed(byte, "uint8") for byte in value], "uint8"), verb, "[]uint8")

    def hex(self, data: bytes, verb: str) -> None:
        flags = self.flags
        data = data if flags.precision is None else data[: flags.precision]
        prefix = f"0{verb}" if flags.sharp else ""
        self.out.reserve(2 * len(data))
        digits = data.hex(" ") if flags.space else data.hex()
        digits = digits.upper() if verb == "X" else digits
        if data:
            digits = prefix + (digits.replace(" ", f" {prefix}") if flags.space else digits)
        if data or flags.width is not None:
            self.pad(digits)

    def integer(self, value: int, verb: str, signed: bool, original: Any) -> None:
        match verb:
            case "v" if self.flags.sharp_v and not signed:
                self.digits(value, 16, verb, sharp=True)
            case "v" | "d":
                self.digits(value, 10, verb)
            case "b":
                self.digits(value, 2, verb)
            case "o" | "O":
                self.digits(value, 8, verb)
            case "x" | "X":
                self.digits(value, 16, verb)
            case "c":
                self.pad(_character(value))
            case "q":
                quoted = _escaped(_character(value), "'", self.flags.plus)
                self.pad(f"'{quoted}'")
            case "U":
                self.unicode(value)
            case _:
                self.bad_verb(original, verb)

    def digits(self, value: int, base: int, verb: str, *, sharp: bool | None = None) -> None:
        flags = self.flags
        sharp = flags.sharp if sharp is None else sharp
        negative = value < 0
        precision = flags.precision
        if precision is None:
            precision = 0
            if flags.zero and not flags.minus and flags.width is not None:
                precision = flags.width - (negative or flags.plus or flags.space)
        elif precision == 0 and value == 0:
            self.out.reserve(flags.width or 0)
            self.out.write(" " * (flags.width or 0))
            return
        text = format(abs(value), {2: "b", 8: "o", 10: "d", 16: "x"}[base])
        self.out.reserve(precision)
        text = text.rjust(precision, "0")
        if sharp and base == 2:
            text = "0b" + text
        elif sharp and base == 8 and text[0] != "0":
            text = "0" + text
        elif sharp and base == 16:
            text = "0x" + text
        if verb == "X":
            text = text.upper()
        if verb == "O":
            text = "0o" + text
        sign = "-" if negative else "+" if flags.plus else " " if flags.space else ""
        self.pad(sign + text, zero=False)

    def unicode(self, value: int) -> None:
        number = value & 0xFFFFFFFFFFFFFFFF
        digits = max(4, self.flags.precision or 0)
        self.out.reserve(digits)
        text = f"U+{number:0{digits}X}"
        if self.flags.sharp and number <= _MAX_RUNE and chr(number).isprintable():
            text += f" '{chr(number)}'"
        self.pad(text, zero=False)

    def floating(self, value: float, verb: str) -> None:
        flags = self.flags
        if verb not in ("v", "b", "g", "G", "x", "X", "f", "F", "e", "E"):
            self.bad_verb(value, verb)
            return
        form = {"v": "g", "F": "f"}.get(verb, verb)
        precision = flags.precision
        if precision is None and form in ("f", "e", "E"):
            precision = 6
        self.out.reserve(precision or 0)
        number = _float_digits(abs(value), form, precision)
        sign = "-" if math.copysign(1.0, value) < 0 and not math.isnan(value) else "+"
        if flags.space and sign == "+" and not flags.plus:
            sign = " "
        if math.isnan(value) or math.isinf(value):
            if math.isnan(value) and not flags.space and not flags.plus:
                sign = ""
            keep = flags.plus or sign != "+"
            self.pad((sign if keep or math.isinf(value) else "") + number, zero=False)
            return
        if flags.sharp and form != "b":
            number = _with_point(number, form, precision)
        if not flags.plus and sign == "+":
            self.pad(number)
            return
        if flags.zero and not flags.minus and flags.width is not None and flags.width > len(number) + 1:
            self.out.write(sign)
            flags = self.flags
            self.flags = replace(flags, width=flags.width - 1 if flags.width else None)
            self.pad(number)
            self.flags = flags
            return
        self.pad(sign + number)


def _type_name(value: Any) -> str:
    return value.name if type(value) is _Typed else kind_name(value)


def _time_literal(time: Time) -> str:
    c = civil(time)
    zone = "time.UTC" if time.zone in ("", "UTC") else f'time.Location("{time.zone}")'
    fields = f"{c.day}, {c.hour}, {c.minute}, {c.second}, {c.nanosecond}"
    return f"time.Date({c.year}, time.{MONTHS[c.month - 1]}, {fields}, {zone})"


def _rune(verb: str) -> str:
    """A verb as it is repeated in complaints; an invalid byte reads U+FFFD."""
    return "\ufffd" if "\udc80" <= verb <= "\udcff" else verb


def _character(value: int) -> str:
    """The character of a code point, U+FFFD where there is none."""
    if not 0 <= value <= _MAX_RUNE or 0xD800 <= value <= 0xDFFF:
        return "\ufffd"
    return chr(value)


_NAMED_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def _escaped(text: str, quote: str, ascii_only: bool) -> str:
    """The inside of a quoted text."""
    return "".join([_escape(character, quote, ascii_only) for character in text])


def _escape(character: str, quote: str, ascii_only: bool) -> str:
    if character == quote:
        return "\\" + character
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable() and (code < 0x80 or not ascii_only):
        return character
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _quoted(text: str, flags: _Flags) -> str:
    if flags.sharp and all(
        (c >= " " and c not in "`\x7f\ufeff" and not "\udc80" <= c <= "\udcff") or c == "\t" for c in text
    ):
        return f"`{text}`"
    return f'"{_escaped(text, chr(34), flags.plus)}"'


def _float_digits(value: float, form: str, precision: int | None) -> str:
    """A float that is not negative in one of the forms `f e E g G b x X`; no precision: as many digits as it takes."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf"
    if form == "b":
        fraction, exponent = math.frexp(value)
        shift = 53 if value >= 2.2250738585072014e-308 else 53 - (-1021 - exponent)
        return f"{int(math.ldexp(fraction, shift))}p{(exponent - shift if value else -1074):+d}"
    if form in ("x", "X"):
        text = _hexadecimal(value, precision)
        return text.upper() if form == "X" else text
    if form == "f":
        return _plain(value) if precision is None else f"{value:.{precision}f}"
    if form in ("e", "E"):
        text = _scientific(value) if precision is None else f"{value:.{precision}e}"
        return text.upper() if form == "E" else text
    text = _general(value, precision)
    return text.upper() if form == "G" else text


def _digits(value: float) -> tuple[str, int]:
    return float_digits(value) if value else ("0", 0)


def _plain(value: float) -> str:
    digits, exponent = _digits(value)
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return whole + ("." + digits[exponent + 1 :] if len(digits) > exponent + 1 else "")


def _scientific(value: float) -> str:
    digits, exponent = _digits(value)
    return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{exponent:+03d}"


def _general(value: float, precision: int | None) -> str:
    """The shorter of the plain and the scientific form."""
    if precision is None:
        digits, exponent = _digits(value)
        return _scientific(value) if exponent < -4 or exponent >= 6 else _plain(value)
    precision = precision or 1
    mantissa, _, power = f"{value:.{precision - 1}e}".partition("e")
    exponent = int(power)
    digits = mantissa.replace(".", "").rstrip("0") or "0"
    limit = precision
    if limit > len(digits) >= exponent + 1:
        limit = len(digits)
    if exponent < -4 or exponent >= limit:
        return f"{value:.{min(precision, len(digits)) - 1}e}"
    shown = len(digits) if precision > exponent + 1 else precision
    return f"{value:.{max(shown - exponent - 1, 0)}f}"


def _hexadecimal(value: float, precision: int | None) -> str:
    """A float with a hexadecimal fraction and a binary exponent: `0x1.8p+01`."""
    if value == 0:
        return "0x0" + ("." + "0" * precision if precision else "") + "p+00"
    fraction, exponent = math.frexp(value)
    mantissa, exponent = int(math.ldexp(fraction, 53)), exponent - 1
    if precision is not None and precision < 13:
        shift = 52 - 4 * precision
        rest, mantissa = mantissa & ((1 << shift) - 1), mantissa >> shift
        half = 1 << (shift - 1)
        mantissa += rest > half or (rest == half and mantissa & 1)
        if mantissa >> (4 * precision + 1):
            mantissa, exponent = mantissa >> 1, exponent + 1
        digits = f"{mantissa:x}"
    else:
        digits = f"{mantissa:x}"
        digits = digits[0] + (digits[1:].rstrip("0") if precision is None else digits[1:].ljust(precision, "0"))
    return f"0x{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}p{exponent:+03d}"


def _with_point(number: str, form: str, precision: int | None) -> str:
    """A number as the flag `#` has it: always with a point, general forms with all their digits."""
    wanted = 0
    if form in ("g", "G", "x"):
        wanted = 6 if precision is None else precision
    split = next((i for i, c in enumerate(number) if c in "pP" or (c in "eE" and form not in "xX")), len(number))
    number, tail = number[:split], number[split:]
    digits = number.replace(".", "")
    wanted -= len(digits.lstrip("0"))
    if "." not in number:
        wanted -= number == "0"
        number += "."
    return number + "0" * max(wanted, 0) + tail

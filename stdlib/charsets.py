"""Character encodings by their IANA names, decoded as the reference decodes them.

The tables are those of Python's codecs, with the reference's differences: it follows the browsers' standard, and every
sequence without a meaning reads U+FFFD and takes as many bytes as in that standard.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Callable

Decoder = Callable[[bytes], bytes]

_UNKNOWN = "\ufffd"

_OVERRIDES = {
    "utf-16": "utf-16le",
    "utf16": "utf-16le",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "": "utf-8",
    "utf-8-raw": "nop",
    "utf8-raw": "nop",
    "nop": "nop",
}
"""Names that the reference's components read otherwise than the register."""

_ALIASES = {
    "ascii": "us-ascii iso-ir-6 ansi_x3.4-1968 ansi_x3.4-1986 iso_646.irv:1991 iso646-us us ibm367 cp367 csascii",
    "big5": "big5 csbig5",
    "cp037": "ibm037 cp037 ebcdic-cp-us ebcdic-cp-ca ebcdic-cp-wt ebcdic-cp-nl csibm037",
    "cp1047": "ibm1047 ibm-1047 csibm1047",
    "cp1140": "ibm01140 ccsid01140 cp01140 ebcdic-us-37+euro csibm01140",
    "cp1250": "windows-1250 cswindows1250",
    "cp1251": "windows-1251 cswindows1251",
    "cp1252": "windows-1252 cswindows1252",
    "cp1253": "windows-1253 cswindows1253",
    "cp1254": "windows-1254 cswindows1254",
    "cp1255": "windows-1255 cswindows1255",
    "cp1256": "windows-1256 cswindows1256",
    "cp1257": "windows-1257 cswindows1257",
    "cp1258": "windows-1258 cswindows1258",
    "cp437": "ibm437 cp437 437 cspc8codepage437",
    "cp850": "ibm850 cp850 850 cspc850multilingual",
    "cp852": "ibm852 cp852 852 cspcp852",
    "cp855": "ibm855 cp855 855 csibm855",
    "cp858": "ibm00858 ccsid00858 cp00858 pc-multilingual-850+euro csibm00858",
    "cp860": "ibm860 cp860 860 csibm860",
    "cp862": "ibm862 cp862 862 cspc862latinhebrew",
    "cp863": "ibm863 cp863 863 csibm863",
    "cp865": "ibm865 cp865 865 csibm865",
    "cp866": "ibm866 cp866 866 csibm866",
    "cp874": "windows-874 cswindows874",
    "euc-jp": "extended_unix_code_packed_format_for_japanese cseucpkdfmtjapanese euc-jp",
    "euc-kr": "euc-kr cseuckr",
    "gb18030": "gb18030 csgb18030",
    "gbk": "gbk cp936 ms936 windows-936 csgbk",
    "hz-gb-2312": "hz-gb-2312",
    "iso-2022-jp": "iso-2022-jp csiso2022jp",
    "iso8859-1": "iso_8859-1:1987 iso-ir-100 iso_8859-1 iso-8859-1 latin1 l1 ibm819 cp819 csisolatin1",
    "iso8859-10": "iso-8859-10 iso-ir-157 l6 iso_8859-10:1992 csisolatin6 latin6",
    "iso8859-13": "iso-8859-13 csiso885913",
    "iso8859-14": "iso-8859-14 iso-ir-199 iso_8859-14:1998 iso_8859-14 latin8 iso-celtic l8 csiso885914",
    "iso8859-15": "iso-8859-15 iso_8859-15 latin-9 csiso885915",
    "iso8859-16": "iso-8859-16 iso-ir-226 iso_8859-16:2001 iso_8859-16 latin10 l10 csiso885916",
    "iso8859-2": "iso_8859-2:1987 iso-ir-101 iso_8859-2 iso-8859-2 latin2 l2 csisolatin2",
    "iso8859-3": "iso_8859-3:1988 iso-ir-109 iso_8859-3 iso-8859-3 latin3 l3 csisolatin3",
    "iso8859-4": "iso_8859-4:1988 iso-ir-110 iso_8859-4 iso-8859-4 latin4 l4 csisolatin4",
    "iso8859-5": "iso_8859-5:1988 iso-ir-144 iso_8859-5 iso-8859-5 cyrillic csisolatincyrillic",
    "iso8859-6": (
        "iso_8859-6:1987 iso-ir-127 iso_8859-6 iso-8859-6 ecma-114 asmo-708 arabic csisolatinarabic "
        "iso_8859-6-e csiso88596e iso-8859-6-e iso_8859-6-i csiso88596i iso-8859-6-i "
    ),
    "iso8859-7": "iso_8859-7:1987 iso-ir-126 iso_8859-7 iso-8859-7 elot_928 ecma-118 greek greek8 csisolatingreek",
    "iso8859-8": (
        "iso_8859-8:1988 iso-ir-138 iso_8859-8 iso-8859-8 hebrew csisolatinhebrew iso_8859-8-e csiso88598e "
        "iso-8859-8-e iso_8859-8-i csiso88598i iso-8859-8-i "
    ),
    "iso8859-9": "iso_8859-9:1989 iso-ir-148 iso_8859-9 iso-8859-9 latin5 l5 csisolatin5",
    "koi8_r": "koi8-r cskoi8r",
    "koi8_u": "koi8-u cskoi8u",
    "mac_roman": "macintosh mac csmacintosh",
    "shift_jis": "shift_jis ms_kanji csshiftjis",
    "utf-16": "utf-16 csutf16",
    "utf-16be": "utf-16be csutf16be",
    "utf-16le": "utf-16le csutf16le",
    "utf-8": "utf-8 csutf8",
}
"""Encodings the reference decodes, by codec, and their registered names in lower case."""


@functools.lru_cache(maxsize=1)
def _registered() -> dict[str, str]:
    return {alias: codec for codec, aliases in _ALIASES.items() for alias in aliases.split()}


@functools.lru_cache(maxsize=256)
def find_charset(name: str) -> Decoder:
    """The function from encoded bytes to the UTF-8 of their text; raises `ValueError` for an unknown name."""
    codec = _OVERRIDES.get(name.lower()) or _registered().get(name.strip().lower())
    if codec is None:
        raise ValueError(f"unknown encoding {name!r}")
    if codec in _SPECIAL:
        return _SPECIAL[codec]
    if codec in _PATTERNS:
        return functools.partial(_decode_pairs, codec, re.compile(_PATTERNS[codec], re.DOTALL), {})
    return functools.partial(_decode_single, _single_table(codec))


_SINGLE_PATCHES: dict[str, dict[int, str]] = {
    "koi8_u": {0xAE: "ў", 0xBE: "Ў"},
    "cp1255": {0xCA: "\u05ba"},
    "cp1047": {0x5F: "^", 0xAD: "[", 0xB0: "¬", 0xBA: "Ý", 0xBB: "¨", 0xBD: "]"},
}


def _single_table(codec: str) -> str:
    """The 256 characters of a single-byte encoding."""
    base = "cp037" if codec == "cp1047" else codec
    table = list(bytes(range(256)).decode(base, "replace"))
    if codec.startswith("iso8859-") and codec not in ("iso8859-1", "iso8859-9"):
        table[0x80:0xA0] = [_UNKNOWN] * 32
    for byte, character in _SINGLE_PATCHES.get(codec, {}).items():
        table[byte] = character
    return "".join(table)


def _decode_single(table: str, data: bytes) -> bytes:
    return codecs.charmap_decode(data, "strict", table)[0].encode()


_PATTERNS: dict[str, bytes] = {
    "shift_jis": rb"[\x00-\x7f]+|[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xff]|.",
    "euc-kr": rb"[\x00-\x7f]+|[\x81-\xfe][\x80-\xff]|[\x81-\xc5][A-Za-z]|\xc6[A-R]|.",
    "gbk": rb"[\x00-\x7f]+|[\x81-\xfe][\x40-\x7e\x80-\xfe]|.",
    "gb18030": (
        rb"[\x00-\x7f]+|[\x81-\x83\x90-\xe2][0-9][\x81-\xfe][0-9]|\x84(?:0[\x81-\xfe]|1[\x81-\xa4])[0-9]"
        rb"|\xe3(?:[01][\x81-\xfe][0-9]|2(?:[\x81-\x99][0-9]|\x9a[0-5]))|[\x81-\xfe][\x40-\x7e\x80-\xfe]|."
    ),
    "big5": rb"[\x00-\x7f]+|[\x81-\xfe][\x40-\xff]|.",
    "euc-jp": (rb"[\x00-\x7f]+|\x8e[\xa1-\xfe]|\x8f[\xa1-\xfe]{2}|\x8f[\xa1-\xfd]|\x8f\xfe(?=.)|[\xa1-\xfe]{2}|."),
}
"""How the bytes of an encoding part into runs of ASCII, characters, and what takes the place of one."""


def _decode_pairs(codec: str, pattern: re.Pattern[bytes], known: dict[bytes, str], data: bytes) -> bytes:
    if data.isascii():
        return data
    characters: list[str] = []
    for token in pattern.findall(data):
        character = known.get(token)
        if character is None:
            character = token.decode() if token.isascii() else _character(codec, token)
            if len(known) < 40_000:
                known[token] = character
        characters.append(character)
    return "".join(characters).encode()


_LONE = {"shift_jis": {b"\x80": "\x80"}, "gbk": {b"\x80": "€"}, "gb18030": {b"\x80": "€"}}
_CODECS = {"shift_jis": "cp932", "euc-kr": "cp949", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs"}


def _character(codec: str, token: bytes) -> str:
    if codec == "euc-jp":
        return _japanese(token)
    if len(token) == 1 and not (codec == "shift_jis" and 0xA1 <= token[0] <= 0xDF):
        return _LONE.get(codec, {}).get(token, _UNKNOWN)
    if codec == "big5" and token in _big5_additions():
        return _big5_additions()[token]
    if token == b"\xa3\xa0" and codec in ("gbk", "gb18030"):
        return "\u3000"
    text = token.decode(_CODECS[codec], "replace")
    user_defined = len(text) == 1 and "\ue000" <= text <= "\uf8ff" and len(token) == 2
    return _UNKNOWN if user_defined or _UNKNOWN in text else text


def _japanese(token: bytes) -> str:
    """A character of EUC-JP."""
    if len(token) == 3:
        return _jis_x_0212(token[1] - 0xA1, token[2] - 0xA1)
    if len(token) != 2 or token[0] == 0x8F:
        return _UNKNOWN
    if token[0] == 0x8E:
        return token.decode("euc_jp", "replace")[:1]
    return _jis_x_0208(token[0] - 0xA1, token[1] - 0xA1)


def _jis_x_0208(row: int, cell: int) -> str:
    """A character by its place, through Shift_JIS, whose table has the vendors' additions."""
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + 0x9F if row % 2 else cell + 0x40 + (cell >= 63)
    if lead > 0xFC or 0xF0 <= lead <= 0xF9:
        return _UNKNOWN
    text = bytes([lead, trail]).decode("cp932", "replace")
    return text if len(text) == 1 else _UNKNOWN


def _jis_x_0212(row: int, cell: int) -> str:
    if row >= 94:
        return _UNKNOWN
    text = bytes([0x8F, row + 0xA1, cell + 0xA1]).decode("euc_jp", "replace")
    return text if len(text) == 1 else _UNKNOWN


_BIG5_RUNS = (
    "877a㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆㓦珄 "
    "87c0𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋 8e69箸 8e6f簆 8e7e糎 8eab緒 8eb4縝 "
    "8ecd者 8ed0耨 8f57菁 8f69蒨 8f6e萏 8fcb覦覩 8ffe起 906d都 907a銹 90dc靜 90f1響 91bf鼖 9244蔃 "
    "92af兙兛兝兞 92c8鍮 92d1瑹 9447浧 94ca禛 95d9邗 9644靝 96ed瀞 96fc嬨 9b76爁 9b78矗 9b7b纇 9bc6駖 9bde釔 "
    "9bec惞 9bf6澶 9c42輶 9c53侻 9c62營 9c68鄄 9c6b鷰 9c77菏 9cbc尐秣 9cd0婧 9d57輋 9d5a筑 9dc4拐 9ea9恢 "
    "9eef痹 9efd汊 9f60鬮 9f66鼗 9fcb僭 9fd8弌 a063蠏 a077拎 a0d5瑨 a0df煢 a0e4牐 a145‧ a14e﹑ a1c2¯ a1e3～ "
    "a1f2⊕⊙ a241∕﹨ a244￥ a246￠￡ a3c0␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡€ c6cf廴 c6d3无 c6d5癶 c6d7隶 "
    "c6de〃仝 fa5f倩 fa66偽 fabd包 fac5卄 fad5卿 fb48嘅 fbb8婷 fbf3幵 fbf9廐 fc4f彘 fc6c悤 fcb9撐 fce2晴 "
    "fcf1杞 fdb7沜渝 fdbb港 fdf1煮 fe52猪 fe6f瑜 feaa瓩 fedd砉"
)
"""Characters that later editions of the Hong Kong set added or the standard maps otherwise: first code and the run."""


@functools.lru_cache(maxsize=1)
def _big5_additions() -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for run in _BIG5_RUNS.split():
        code = int(run[:4], 16)
        for character in run[4:]:
            found[code.to_bytes(2, "big")] = character
            code += 1 if code & 0xFF != 0x7E else 0xA1 - 0x7E
    return found


_ESCAPES = {
    b"\x1b$@": "kanji",
    b"\x1b$B": "kanji",
    b"\x1b$(D": "more kanji",
    b"\x1b(B": "ascii",
    b"\x1b(J": "ascii",
    b"\x1b(I": "katakana",
}
_ESCAPE = re.compile(rb"\x1b(?:\$\(D|\$[@B]|\([BJI])")


def _decode_iso_2022_jp(data: bytes) -> bytes:
    characters: list[str] = []
    state, position = "ascii", 0
    while position < len(data):
        byte = data[position]
        escape = _ESCAPE.match(data, position)
        position += 1
        if escape is not None:
            state, position = _ESCAPES[escape[0]], escape.end()
        elif byte >= 0x80 or byte == 0x1B:
            characters.append(_UNKNOWN)
        elif state == "ascii":
            characters.append(chr(byte))
        elif state == "katakana":
            characters.append(chr(byte + 0xFF40) if 0x21 <= byte < 0x60 else _UNKNOWN)
        elif byte == 0x0A:
            state = "ascii"
            characters.append("\n")
        elif position == len(data):
            characters.append(_UNKNOWN)
        else:
            # The second byte is not looked at: one out of range lands in a later row, as in the reference.
            row, cell = divmod((byte - 0x21) % 256 * 94 + (data[position] - 0x21) % 256, 94)
            position += 1
            characters.append(_jis_x_0212(row, cell) if state == "more kanji" else _jis_x_0208(row, cell))
    return "".join(characters).encode()


def _decode_hz(data: bytes) -> bytes:
    characters: list[str] = []
    chinese, position = False, 0
    while position < len(data):
        first, second = data[position], data[position + 1 : position + 2]
        position += 1
        if first == 0x7E and second in (b"{", b"}", b"~", b"\n"):
            position += 1
            chinese = second == b"{" if second in (b"{", b"}") else chinese
            characters.append("~" if second == b"~" else "")
        elif first == 0x7E:
            position += 1
            characters.append(_UNKNOWN)
        elif first >= 0x80 or (chinese and not second):
            characters.append(_UNKNOWN)
        elif not chinese:
            characters.append(chr(first))
        else:
            position += second < b"\x81"
            valid = 0x21 <= first < 0x7E and 0x21 <= second[0] < 0x7F
            characters.append(_character("gbk", bytes([first | 0x80, second[0] | 0x80])) if valid else _UNKNOWN)
    return "".join(characters).encode()


def _decode_ascii(data: bytes) -> bytes:
    return data.decode("ascii", "replace").encode()


def _decode_utf_8(data: bytes) -> bytes:
    return data.decode(errors="replace").encode()


def _decode_utf_16(data: bytes, codec: str) -> bytes:
    try:
        return data.decode(codec).encode()
    except UnicodeDecodeError:
        pass
    characters: list[str] = []
    units = [data[i : i + 2] for i in range(0, len(data), 2)]
    high = 1 if codec == "utf-16-le" else 0
    position = 0
    while position < len(units):
        unit = units[position]
        position += 1
        if len(unit) == 2 and 0xD8 <= unit[high] <= 0xDF and position < len(units):
            low = units[position]
            if len(low) == 2 and 0xDC <= low[high] <= 0xDF:
                unit += low
                position += 1
        characters.append(unit.decode(codec, "replace")[:1])
    return "".join(characters).encode()


def _decode_utf_16_marked(data: bytes) -> bytes:
    """UTF-16 by its byte order mark, big-endian without one."""
    if data[:2] == b"\xff\xfe":
        return _decode_utf_16(data[2:], "utf-16-le")
    return _decode_utf_16(data.removeprefix(b"\xfe\xff"), "utf-16-be")


_SPECIAL: dict[str, Decoder] = {
    "nop": bytes,
    "utf-8": _decode_utf_8,
    "ascii": _decode_ascii,
    "utf-16": _decode_utf_16_marked,
    "utf-16be": functools.partial(_decode_utf_16, codec="utf-16-be"),
    "utf-16le": functools.partial(_decode_utf_16, codec="utf-16-le"),
    "iso-2022-jp": _decode_iso_2022_jp,
    "hz-gb-2312": _decode_hz,
}

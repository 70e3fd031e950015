"""Base64 as strict as the reference, identifiers, and character encodings."""

from __future__ import annotations

import pytest

from ottl.stdlib import encoding
from ottl.stdlib.charsets import find_charset
from ottl.stdlib.encoding import find_decoder


@pytest.mark.parametrize(
    ("variant", "digits", "expected"),
    [
        ("base64", b"YQ\r\n==", b"a"),
        ("base64", b"YR==", b"a"),
        ("base64-url", b"-_-_", b"\xfb\xff\xbf"),
        ("base64-raw", b"YWI", b"ab"),
        ("base64-raw-url", b"", b""),
    ],
)
def test_base64_decodes(variant: str, digits: bytes, expected: bytes) -> None:
    """Line ends are skipped, bits that do not count are not looked at."""
    assert find_decoder(variant)(digits) == expected


@pytest.mark.parametrize(
    ("variant", "digits"),
    [
        ("base64", b"YQ"),
        ("base64", b"YWJj="),
        ("base64", b"YQ==YQ=="),
        ("base64", b"Y Q=="),
        ("base64", b"-_-_"),
        ("base64-url", b"+/+/"),
        ("base64-raw", b"YQ=="),
        ("base64-raw", b"Y"),
    ],
)
def test_base64_refuses(variant: str, digits: bytes) -> None:
    """Padding must be as the variant says, and nothing else may stand between."""
    with pytest.raises(ValueError, match="could not decode base64"):
        find_decoder(variant)(digits)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("UTF-8", b"a\xe2\x82\xffb", "a��b"),
        ("us-ascii", "é".encode(), "é"),
        ("iso-ir-6", b"a\xe9", "a�"),
        ("latin1", b"\x80\xe9", "\x80é"),
        ("ISO_8859-2:1987", b"\x80\xb1", "�ą"),
        ("windows-1252", b"\x80\x81", "€�"),
        ("windows-1255", b"\xca", "\u05ba"),
        ("koi8-u", b"\xae", "ў"),
        ("ibm1047", b"\xad\xbd", "[]"),
        ("utf-16", b"\xff\xfea\x00", "\ufeffa"),
        ("csUTF16", b"\xff\xfea\x00", "a"),
        ("csUTF16", b"\x00a", "a"),
        ("utf-16be", b"\xd8\x3d\xde\x00", "😀"),
        ("utf-16be", b"\xdc\x00\xdc\x00\x00a\x00", "�a�"),
        ("utf-16le", b"\x3d\xd8a\x00", "�a"),
        (" utf-16be ", b"\x00a", "a"),
        ("shift_jis", b"\x82\xa0\x80\xb1\xf0\x40\x81 ", "あ\x80ｱ�� "),
        ("EUC-JP", b"\xa4\xa2\xad\xa1\x8e\xb1\x8f\xb0\xa1\x8f\xb0 ", "あ①ｱ丂� "),
        ("EUC-KR", b"\xb0\xa1\x81A\xff", "가갂�"),
        ("gbk", b"\x80\xc4\xe3\xa3\xa0\xff", "€你\u3000�"),
        ("gb18030", b"\x810\x810\x904\xb80\xe50\x810", "\x80𑗖�0�0"),
        ("big5", b"\xa7A\x87z\xa3\xe1\xfe\x30", "你㡵€�0"),
        ("hz-gb-2312", b"a~{VP~}~~~\nb\xff~x", "a中~b��"),
        ("iso-2022-jp", b'\x1b$B$"\n\x1b(Ia\x1b(I1\x1b(B\xff\x1b', "あ\n�ｱ��"),
    ],
)
def test_charsets_decode_as_the_reference(name: str, data: bytes, expected: str) -> None:
    """Names are the registered ones in any case, what has no meaning reads U+FFFD."""
    assert find_charset(name)(data).decode() == expected


@pytest.mark.parametrize("name", ["latin-1", "cp1252", "hex", "rot13", "utf_8", "utf-7", " utf8"])
def test_names_of_python_alone_are_unknown(name: str) -> None:
    """Only names that the reference knows are taken."""
    with pytest.raises(ValueError, match="unknown encoding"):
        find_charset(name)


def test_raw_texts_stay_as_they_are() -> None:
    """Invalid UTF-8 passes."""
    assert find_charset("utf-8-raw")(b"\xff") == b"\xff"
    assert find_charset("NOP")(b"\xff") == b"\xff"


def test_hexadecimal_identifiers_are_strict() -> None:
    """Blanks between the digits are refused."""
    with pytest.raises(ValueError, match="span id"):
        encoding.span_id(b"00 01 02 03 04 0")
    assert encoding.trace_id(b"AABBCCDDEEFF00112233445566778899")[:2] == b"\xaa\xbb"

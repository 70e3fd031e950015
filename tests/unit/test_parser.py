import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ottl import ast
from ottl.bounds import DEFAULT_LIMITS
from ottl.errors import CODES, ConfigError, Diagnostic
from ottl.parser import parse_all, parse_condition, parse_statement, parse_value
from ottl.source import Source, SourceRange

FIXTURES = Path(__file__).parent.parent / "fixtures" / "diagnostics"
MARK = "# error: "


def fixture_cases() -> list[tuple[str, str, str]]:
    """Text, code and words of the hint, for every line that expects an error of the syntax."""
    cases = []
    for line in (FIXTURES / "syntax.ottl").read_text(encoding="utf-8").splitlines():
        text, mark, expected = line.rpartition(MARK)
        if mark and not line.startswith("#"):
            code, _, hint = expected.partition(" ")
            cases.append((text.rstrip(), code, hint))
    return cases


def refusal(text: str) -> Diagnostic:
    """The diagnostic of a statement that is none."""
    with pytest.raises(ConfigError) as caught:
        parse_statement(Source(text))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def value(text: str) -> str:
    """The tree of a value on one line."""
    return " ".join(ast.dump(parse_value(Source(text))).split())


def condition(text: str) -> str:
    """The tree of a condition on one line."""
    return " ".join(ast.dump(parse_condition(Source(text))).split())


@pytest.mark.parametrize(("text", "code", "hint"), fixture_cases())
def test_diagnostics(text: str, code: str, hint: str) -> None:
    """A mistake gives its code, a place inside the text, and a hint that names the repair."""
    diagnostic = refusal(text)
    assert diagnostic.code == code
    assert diagnostic.range is not None
    assert 0 <= diagnostic.range.start < diagnostic.range.end <= len(text) + 1
    assert hint in (diagnostic.hint or "")


def test_every_code_has_a_case() -> None:
    """Every code of the syntax is the answer to some line of the fixture or of the tests of limits."""
    seen = {code for _, code, _ in fixture_cases()} | {"E104", "E105"}
    assert {code for code in CODES if "E101" <= code < "E120"} == seen


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("nil", "Nil"),
        ("true", "Boolean True"),
        ("010", "Integer 8"),
        ("9223372036854775807", "Integer 9223372036854775807"),
        ("1.", "Float 1.0"),
        (".5", "Float 0.5"),
        ("1.e5", "Float 100000.0"),
        ("0xfF00", "Bytes 0xff00"),
        ("TRUE", "Name TRUE"),
        ("nilx", "Path Segment nilx"),
        ("where.nil_x", "Path Segment where Segment nil_x"),
        ("-1", "Unary - Integer 1"),
        ("-(-5)", "Unary - Unary - Integer 5"),
        ("-(5)", "Unary - Group Integer 5"),
        ("3*-5", "Binary * Integer 3 Unary - Integer 5"),
        ("1 - 2 - 3", "Binary - Binary - Integer 1 Integer 2 Integer 3"),
        ("1 + 2 * 3", "Binary + Integer 1 Binary * Integer 2 Integer 3"),
        ("(1 + 2) * (3)", "Binary * Binary + Integer 1 Integer 2 Integer 3"),
        ("((a))", "Group Path Segment a"),
        ("a[-1]", "Path Segment a Key Unary - Integer 1"),
        ("a[(1) + b]", "Path Segment a Key Binary + Integer 1 Path Segment b"),
        ("a[1.5]", "Path Segment a Key Float 1.5"),
        ('a["k"][0].b', "Path Segment a Key String b'k' Key Integer 0 Segment b"),
        ('Split(a, ",")[0]', "Call Split Argument Path Segment a Argument String b',' Key Integer 0"),
        ("XOr()", "Call XOr"),
        ("FOO()", "Call FOO"),
        ("[]", "List"),
        ("[FOO, [nil]]", "List Name FOO List Nil"),
        ('{"a": 1 "b": {},}', "Map String b'a' Integer 1 String b'b' Map"),
        ("F(FooBar, x=FOO)", "Call F Argument Name FooBar Argument x= Name FOO"),
        ("F(fooBar=1)", "Call F Argument fooBar= Integer 1"),
        ("F((a, _) => a)", "Call F Argument Lambda (a, _) Path Segment a"),
        ("F(() => (true))", "Call F Argument Lambda () Boolean True"),
        ("F((a) => a == 1 or G())", "Call F Argument Lambda (a) Or Comparison == Path Segment a Integer 1 Call G"),
        ("F((a) => (a))", "Call F Argument Lambda (a) Group Path Segment a"),
        ("F(a == 1)", "Call F Argument Condition Comparison == Path Segment a Integer 1"),
        (
            "F((true), true, (G()))",
            "Call F Argument Condition Boolean True Argument Boolean True Argument Group Call G",
        ),
        ("F(not G())", "Call F Argument Condition Not Call G"),
    ],
)
def test_values(text: str, tree: str) -> None:
    """A value gives its tree: literals, arithmetic, paths, keys, calls, lambdas and conditions as arguments."""
    assert value(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("not a == b", "Not Comparison == Path Segment a Path Segment b"),
        ("(A())", "Call A"),
        ("((1)) < 2", "Comparison < Integer 1 Integer 2"),
        ("(1+1) == 2", "Comparison == Binary + Integer 1 Integer 1 Integer 2"),
        ("A() or B() and not C()", "Or Call A And Call B Not Call C"),
        ("(A() or B()) and C()", "And Or Call A Call B Call C"),
        ("A() and (B() and C())", "And Call A And Call B Call C"),
        ("not (not true)", "Not Not Boolean True"),
        ("not(A())and(B())", "And Not Call A Call B"),
        ('true == [1] or nil != "x"', "Or Comparison == Boolean True List Integer 1 Comparison != Nil String b'x'"),
    ],
)
def test_conditions(text: str, tree: str) -> None:
    """`not` binds one comparison or parentheses, then `and`, then `or`."""
    assert condition(text) == tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
        (r'"\xFF\377\101"', "ÿÿA"),
        (r'"é\u20ac\U0001F600"', "é€😀"),
        ('"a\nb\tc"', "a\nb\tc"),
        (r'"\\d+"', r"\d+"),
        ('""', ""),
        ('"\udcff"', "\ufffd"),
    ],
)
def test_strings(text: str, expected: str) -> None:
    """Escapes are code points, raw newlines stay, and what is no character becomes the replacement character."""
    assert parse_value(Source(text)) == ast.String(expected.encode())


def test_where_needs_no_blank() -> None:
    """`where` is an ordinary word, told by its place."""
    statement = parse_statement(Source("set(where, 1)where where == 1"))
    assert statement.condition == ast.Comparison("==", ast.Path((ast.Segment("where"),)), ast.Integer(1))


def test_ranges() -> None:
    """Nodes know the text they came from, names of calls too."""
    source = Source('set(a["k"].b, (1 + x)) where not IsMap( c )')
    tree = parse_statement(source)
    texts = {type(node).__name__: source.slice(node.range) for node in reversed(list(ast.walk(tree)))}
    assert texts["Statement"] == source.text
    assert texts["Path"] == 'a["k"].b'
    assert texts["Key"] == '["k"]'
    assert texts["Binary"] == "1 + x"
    assert texts["Not"] == "not IsMap( c )"
    assert source.slice(tree.editor.name_range) == "set"


@pytest.mark.parametrize("leaf", ["1", "b"])
@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("F(", ")"), ("-(", ")"), ("[", "]"), ("b[", "]")])
def test_nesting(leaf: str, opening: str, closing: str) -> None:
    """Nesting of 240 is read; of 300 and of 20,000 it is a diagnostic and no RecursionError."""
    parse_statement(Source(f"set(a, {opening * 240}{leaf}{closing * 240})"))
    for levels in (300, 20_000):
        assert refusal(f"set(a, {opening * levels}{leaf}{closing * levels})").code == "E104"


def test_long_chains() -> None:
    """Operators chained without brackets are deep trees and refused; a long `or` is flat and fine."""
    assert refusal("set(a, 1" + " + 1" * 20_000 + ")").code == "E104"
    assert len(parse_condition(Source("A()" + " or A()" * 5_000)).operands) == 5_001  # type: ignore[union-attr]


def test_text_limit() -> None:
    """A text of 100,000 characters is read, a longer one is refused."""
    fits = 'set(a, "' + "x" * (DEFAULT_LIMITS.max_text - 10) + '")'
    assert len(fits) == DEFAULT_LIMITS.max_text
    parse_statement(Source(fits))
    assert refusal(fits + " ").code == "E105"


@pytest.mark.parametrize("text", ["9" * 90_000, "0" * 90_000 + "8", "9" * 90_000 + ".0"])
def test_long_numbers(text: str) -> None:
    """A number of many digits is refused at once, beyond Python's own limit on digits too, and not repeated in full."""
    diagnostic = refusal(f"set(a, {text})")
    assert diagnostic.code == "E103"
    assert len(diagnostic.message) < 200


def test_many_zeros() -> None:
    """Leading zeros cost nothing: zero stays zero, and an octal number keeps its value."""
    assert parse_value(Source("0" * 90_000)) == ast.Integer(0)
    assert parse_value(Source("0" * 90_000 + "17")) == ast.Integer(15)


def test_parse_all_goes_on() -> None:
    """A mistake ends one statement and not the rest; the result keeps the places of the statements."""
    sources = [Source("set(a, 1)"), Source("set(a 1)", "f.yaml", 7, 5), Source("set(b, 2)"), Source("")]
    statements, diagnostics = parse_all(sources)
    assert [statement is None for statement in statements] == [False, True, False, True]
    assert [diagnostic.code for diagnostic in diagnostics] == ["E102", "E115"]
    assert diagnostics[0].to_dict()["line"] == 7
    assert diagnostics[0].to_dict()["column"] == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a condition, got the end of the text"),
        ("set(a, 1)", "expected a condition, got the editor `set`"),
        ("where true", "expected a condition, got `where`"),
        ("set(a, 1) where true", "expected an operator or the end, got `where`"),
    ],
)
def test_condition_is_no_statement(text: str, message: str) -> None:
    """A statement where a condition is wanted is told apart."""
    with pytest.raises(ConfigError) as caught:
        parse_condition(Source(text))
    assert caught.value.diagnostics[0].message == message


@pytest.mark.parametrize("text", ["1 == 1", "not true", "(true)", "(a) => a", "set(a, 1)", "Foo", "_"])
def test_value_is_no_condition(text: str) -> None:
    """A value expression is neither a condition nor a lambda nor a statement."""
    with pytest.raises(ConfigError):
        parse_value(Source(text))


def test_expected_words() -> None:
    """What was expected is said in words, not in names of tokens."""
    assert refusal("set(a b)").message == "expected an operator, `,` or `)`, got `b`"
    assert refusal("set(a, 1) b").message.startswith("expected ")
    assert refusal("set(a, {1: 2})").message == "expected a string or `}`, got `1`"
    assert refusal("set(a, b.)").message == "expected a name, got `)`"
    assert refusal("set(a, 1) where and").message == "expected a condition, got `and`"


def test_blanks_are_those_of_the_reference() -> None:
    """Tab, newline, form feed, carriage return and blank separate; a no-break space or a vertical tab is a mistake."""
    parse_statement(Source("\tset\n(\fa\r,\n 1 )  "))
    assert refusal("set(a,\u00a01)").range == SourceRange(6, 7)
    assert refusal("set(a,\v1)").code == "E101"


def test_threads_share_the_grammar() -> None:
    """Many threads parse at once and each gets its own tree."""

    def parse(number: int) -> int:
        tree = parse_statement(Source(f"set(a, F({number}, (c) => [c])) where x == {number}"))
        assert isinstance(tree.condition, ast.Comparison)
        assert isinstance(tree.condition.right, ast.Integer)
        return tree.condition.right.value

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(parse, range(200))) == list(range(200))


def test_trees_pickle() -> None:
    """A tree survives pickling, its ranges included."""
    tree = parse_statement(Source('set(a["k"], {"x": -1.5}) where not B(c) or d == nil'))
    again = pickle.loads(pickle.dumps(tree))
    assert again == tree
    assert again.range == tree.range

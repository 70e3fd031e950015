import pytest

from ottl import ast
from ottl.formatter import format_condition, format_statement, format_value
from ottl.parser import parse_condition, parse_statement, parse_value
from ottl.source import Source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set( a . b [ 'k' ] ,1 )where  true".replace("'", '"'), 'set(a.b["k"], 1) where true'),
        ("set(target=a,value=F(x = 1))", "set(target=a, value=F(x=1))"),
        ('set(a,{"x":1 "y":[ ],})', 'set(a, {"x": 1, "y": []})'),
        ("set(a,F((v , _)=>(v==1)))", "set(a, F((v, _) => v == 1))"),
        ("set(a,F((true),((b == 1)),(G())))", "set(a, F((true), b == 1, (G())))"),
        ("set(a,G()[ 0 ][-1])", "set(a, G()[0][-1])"),
    ],
)
def test_statements(text: str, expected: str) -> None:
    """A statement gets one spelling."""
    assert format_statement(parse_statement(Source(text))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("((1+2))*3", "(1 + 2) * 3"),
        ("(1*2)+(3)", "1 * 2 + 3"),
        ("1-(2-3)-4", "1 - (2 - 3) - 4"),
        ("(1-2)-3", "1 - 2 - 3"),
        ("a/(b*c)", "a / (b * c)"),
        ("-(a+b)*+c", "-(a + b) * +c"),
        ("-(-5)", "-(-5)"),
        ("-(5)", "-(5)"),
        ("((5))", "(5)"),
        ("a[(1)+b]", "a[(1 + b)]"),
        ("a[(1+b)*2]", "a[(1 + b) * 2]"),
        ("a[1.5+b]", "a[1.5 + b]"),
        ("010", "8"),
        ("1.", "1.0"),
        (".5e3", "500.0"),
        ("1.0e300", "1.0e+300"),
        ("2.5e-10", "2.5e-10"),
        ("0xABcd", "0xabcd"),
        (r'"\x41\u00e9\t\"\\"', r'"Aé\t\"\\"'),
        (r'"\x1b\u200b\U000e0001"', r'"\x1b\u200b\U000e0001"'),
        ('"a\nb"', r'"a\nb"'),
    ],
)
def test_values(text: str, expected: str) -> None:
    """A value keeps only the parentheses it needs, and literals get one spelling."""
    assert format_value(parse_value(Source(text))) == expected
    assert format_value(parse_value(Source(expected))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("((a==1)and(b!=2))or((not(C())))", "a == 1 and b != 2 or not C()"),
        ("(A() or B()) and C()", "(A() or B()) and C()"),
        ("A() and (B() and C())", "A() and (B() and C())"),
        ("not (not true)", "not (not true)"),
        ("not (A() and B())", "not (A() and B())"),
        ("not (a == b)", "not a == b"),
        ("(1) + 2 >= (x)", "1 + 2 >= x"),
    ],
)
def test_conditions(text: str, expected: str) -> None:
    """A condition keeps only the parentheses it needs."""
    tree = parse_condition(Source(text))
    assert format_condition(tree) == expected
    assert parse_condition(Source(expected)) == tree


@pytest.mark.parametrize(("opening", "closing"), [("F(", ")"), ("-(", ")"), ("[", "]"), ("b[", "]")])
def test_deep_trees(opening: str, closing: str) -> None:
    """A tree as deep as the parser admits is formatted."""
    tree = parse_value(Source(opening * 240 + "b" + closing * 240))
    assert ast.dump(parse_value(Source(format_value(tree)))) == ast.dump(tree)


def test_not_an_expression() -> None:
    """Something that is no node of the language is a mistake of the caller."""
    with pytest.raises(TypeError, match="Node"):
        format_value(ast.Node())  # type: ignore[arg-type]

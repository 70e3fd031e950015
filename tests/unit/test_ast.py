import dataclasses

import pytest

from ottl import ast
from ottl.parser import parse_statement
from ottl.source import Source, SourceRange

TEXT = 'set(log.attributes["k"], F([1, {"a": nil}], x=(v) => -v)) where not IsMap(b) and c == 0xff'


def tree() -> ast.Statement:
    """A statement with most kinds of nodes."""
    return parse_statement(Source(TEXT))


DUMP = """\
Statement
  Call set
    Argument
      Path
        Segment a
        Segment b
          Key
            String b'k'
    Argument
      Call F
        Argument
          Lambda (v)
            Path
              Segment v
        Argument x=
          Unary -
            Float 1.5
  Not
    Comparison ==
      Path
        Segment c
      Bytes 0xff"""


def test_dump() -> None:
    """The dump has a line a node, children indented, and no ranges."""
    assert ast.dump(parse_statement(Source('set(a.b["k"], F((v) => v, x=-1.5)) where not c == 0xff'))) == DUMP


def test_ranges_do_not_count() -> None:
    """Nodes are equal, and hash equally, wherever they were written; an integer is not a float or a boolean."""
    here, there = ast.Integer(1, range=SourceRange(0, 1)), ast.Integer(1, range=SourceRange(5, 6))
    assert here == there
    assert hash(here) == hash(there)
    others: list[ast.Node] = [ast.Float(1.0), ast.Boolean(True)]
    assert here not in others


def test_nodes_are_frozen() -> None:
    """A node cannot be changed."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        ast.Integer(1).value = 2  # type: ignore[misc]


def test_walk_is_in_order() -> None:
    """The walk gives parents before children and siblings from left to right."""
    nodes = list(ast.walk(tree()))
    assert isinstance(nodes[0], ast.Statement)
    starts = [node.range.start for node in nodes if isinstance(node, ast.Segment | ast.String | ast.Bytes)]
    assert starts == sorted(starts)
    assert [node.name for node in nodes if isinstance(node, ast.Call)] == ["set", "F", "IsMap"]


def test_replace_keeps_what_is_untouched() -> None:
    """A replacement that changes nothing gives the same object."""
    statement = tree()
    assert ast.replace(statement, lambda node: node) is statement


def test_replace_rebuilds_the_way_to_a_change() -> None:
    """A replaced leaf changes its ancestors, ranges kept, and leaves its siblings alone."""
    statement = tree()

    def rename(node: ast.Node) -> ast.Node:
        if isinstance(node, ast.Segment) and node.name == "v":
            return dataclasses.replace(node, name="w")
        return dataclasses.replace(node, value=2) if isinstance(node, ast.Integer) else node

    changed = ast.replace(statement, rename)
    expected = TEXT.replace("[1,", "[2,").replace("-v", "-w")
    assert changed == parse_statement(Source(expected))
    assert isinstance(changed, ast.Statement)
    assert changed.range == statement.range
    assert changed.editor.name_range == statement.editor.name_range
    assert changed.condition is statement.condition


def test_replace_sees_new_children() -> None:
    """The function gets a node with its children replaced already."""
    seen: list[ast.Node] = []

    def collect(node: ast.Node) -> ast.Node:
        seen.append(node)
        return ast.Nil() if isinstance(node, ast.Integer) else node

    ast.replace(ast.List((ast.Integer(1), ast.Integer(2))), collect)
    assert seen[-1] == ast.List((ast.Nil(), ast.Nil()))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (ast.Nil(), 1),
        (ast.Path((ast.Segment("a", (ast.Key(ast.Integer(1)),)),)), 2),
        (ast.Call("F", (ast.Argument(ast.Call("G")),)), 2),
        (ast.Not(ast.Comparison("==", ast.Nil(), ast.Unary("-", ast.Integer(1)))), 4),
    ],
)
def test_depth(node: ast.Node, expected: int) -> None:
    """Depth counts expressions; arguments, segments and keys do not count themselves."""
    assert ast.depth(node) == expected


def test_every_node_is_known_to_the_walk() -> None:
    """The table of fields has every kind of node, so that nothing is skipped."""
    kinds = {kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.Node)}
    assert kinds - {ast.Node} == set(ast._FIELDS)


def test_deep_trees_are_walked_without_recursion() -> None:
    """Trees deeper than the parser admits are walked, measured, dumped and rebuilt."""
    node: ast.Expression = ast.Integer(1)
    for _ in range(5000):
        node = ast.Unary("-", node)
    assert ast.depth(node) == 5001
    assert ast.dump(node).count("\n") == 5000
    rebuilt = ast.replace(node, lambda leaf: ast.Integer(2) if isinstance(leaf, ast.Integer) else leaf)
    assert ast.depth(rebuilt) == 5001

"""The import order of the house style: a file imports what has a lower number, or what lies beside it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The longest prefix wins. Files that the house style does not name stand where their imports put them.
LAYERS = {
    "ottl/errors.py": 0,
    "ottl/source.py": 0,
    "ottl/recursion.py": 0,
    "ottl/bounds.py": 1,
    "ottl/grammar/": 0,
    "ottl/types.py": 1,
    "ottl/schema.py": 1,
    "ottl/patterns.py": 1,
    "ottl/pages.py": 1,
    "ottl/signals.py": 2,
    "ottl/tables/": 2,
    "ottl/_native": 2,
    "ottl/codec/": 3,
    "ottl/contexts/": 3,
    "ottl/analysis/": 3,
    "ottl/functions.py": 3,
    "ottl/stdlib/": 4,
    "ottl/ast.py": 4,
    "ottl/typed.py": 4,
    "ottl/reference.py": 4,
    "ottl/parser.py": 5,
    "ottl/dialect.py": 5,
    "ottl/formatter.py": 5,
    "ottl/layout.py": 5,
    "ottl/binder.py": 6,
    "ottl/planner/": 7,
    "ottl/bytecode.py": 8,
    "ottl/compiler.py": 9,
    "ottl/vm/": 9,
    "ottl/engine.py": 10,
    "ottl/pipeline.py": 10,
    "ottl/transform.py": 11,
    "ottl/filter.py": 11,
    "ottl/routing.py": 11,
    "ottl/sampling.py": 11,
    "ottl/config.py": 11,
    "ottl/configuration.py": 11,
    "ottl/files.py": 11,
    "ottl/rewriting.py": 11,
    "ottl/program.py": 11,
    "ottl/scripts.py": 11,
    "ottl/__init__.py": 12,
    "ottl/repl/": 13,
    "ottl/testing/": 13,
    "ottl/lsp/": 13,
    "ottl/playground/": 13,
    "ottl/simulate.py": 13,
    "ottl/cli/": 14,
    "ottl/__main__.py": 15,
}
PACKAGE = LAYERS["ottl/__init__.py"]


def sources() -> list[str]:
    """The Python files of the package under the names they are imported by."""
    names = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("ottl/**/*.py")
        if not path.is_relative_to(ROOT / "ottl/native")
    ]
    linked = [f"ottl/{folder}/{path.name}" for folder in ("grammar", "stdlib") for path in (ROOT / folder).glob("*.py")]
    return sorted({*names, *linked})


def layer(name: str) -> int | None:
    """The number of a file, None for a file that has none yet."""
    found = [prefix for prefix in LAYERS if name.startswith(prefix)]
    return LAYERS[max(found, key=len)] if found else None


def imports(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Line and file of everything of ours that a file imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, target(alias.name)) for alias in node.names if alias.name.split(".")[0] == "ottl")
        elif isinstance(node, ast.ImportFrom):
            base = name.removesuffix(".py").split("/")[: -node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            if module.split(".")[0] == "ottl":
                yield from ((node.lineno, target(module, alias.name)) for alias in node.names)


def target(module: str, attribute: str = "") -> str:
    """The file that an import reads: the submodule if the attribute is one, else the module."""
    for dotted in (f"{module}.{attribute}", module) if attribute else (module,):
        path = dotted.replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py", f"{path}.pyi"):
            if (ROOT / candidate).exists():
                return candidate
    return module.replace(".", "/") + "/__init__.py"


def faults(name: str, text: str) -> list[str]:
    """What is wrong with the imports of a file."""
    own = layer(name)
    if own is None:
        return [f"{name} has no number in LAYERS"]
    found = []
    for line, imported in imports(name, text):
        other = layer(imported)
        beside = other == own and (name.rsplit("/", 1)[0] == imported.rsplit("/", 1)[0] or inside(name, imported))
        if other is None:
            found.append(f"{name}:{line} imports {imported}, which has no number in LAYERS")
        elif other >= own and not beside:
            found.append(f"{name}:{line} (number {own}) imports {imported} (number {other})")
        elif imported == "ottl/__init__.py" and own < PACKAGE:
            found.append(f"{name}:{line} imports from the package itself")
    return found


def inside(name: str, imported: str) -> bool:
    """Whether both lie in one folder of the layout, however deep."""
    return name.count("/") > 1 and name.split("/")[:2] == imported.split("/")[:2]


@pytest.mark.parametrize("name", sources())
def test_imports_point_downwards(name: str) -> None:
    """A file imports only what has a lower number, or what lies beside it."""
    assert faults(name, (ROOT / name).read_text(encoding="utf-8")) == []


def test_errors_import_nothing_of_ours() -> None:
    """`ottl/errors.py` can be imported by everything, so at run time it imports nothing of the package."""
    tree = ast.parse((ROOT / "ottl/errors.py").read_text(encoding="utf-8"))
    modules = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert [module for module in modules if module.startswith("ottl")] == []


def test_the_codec_alone_imports_the_extension() -> None:
    """Whether the extension is there is known in one file."""
    found = {
        name
        for name in sources()
        for _, imported in imports(name, (ROOT / name).read_text(encoding="utf-8"))
        if imported.startswith("ottl/_native")
    }
    assert found <= {"ottl/codec/native.py", "ottl/codec/kernels.py", "ottl/codec/maps.py"}


def test_nothing_imports_the_tests() -> None:
    """The package never imports tests, examples or cases, nor `grammar` and `stdlib` by their bare names."""
    pattern = re.compile(r"^\s*(?:from|import)\s+(?:tests|conformance|examples|bench|grammar|stdlib)\b", re.MULTILINE)
    assert [name for name in sources() if pattern.search((ROOT / name).read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("ottl/parser.py", "from ottl import ast", 0),
        ("ottl/parser.py", "from ottl.binder import bind", 1),
        ("ottl/formatter.py", "from ottl.parser import parse_statement", 0),
        ("ottl/parser.py", "from ottl import check", 1),
        ("ottl/parser.py", "def f():\n    import ottl.engine", 1),
        ("ottl/ast.py", "from ottl.stdlib import FUNCTIONS", 1),
        ("ottl/contexts/span.py", "from ottl.functions import Function", 1),
        ("ottl/codec/json.py", "from . import native", 0),
        ("ottl/helpers.py", "", 1),
    ],
)
def test_rule_itself(name: str, text: str, count: int) -> None:
    """The check sees upward, sideways and package imports, those inside functions too, and files without a number."""
    assert len(faults(name, text)) == count

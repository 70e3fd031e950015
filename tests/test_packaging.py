"""What is installed is what is meant to be: packages, names, the extension, light imports, the README's commands."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ottl

ROOT = Path(__file__).parent.parent
HEAVY = ("numpy", "lark", "pyarrow", "google.protobuf", "rich", "yaml", "zstandard", "orjson")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """`pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages() -> set[str]:
    """Every folder that is a package, by its import name."""
    found = set()
    for folder, prefix in (("ottl", "ottl"), ("grammar", "ottl.grammar"), ("stdlib", "ottl.stdlib")):
        for path in (ROOT / folder).rglob("__init__.py"):
            inside = path.parent.relative_to(ROOT / folder)
            if not {"native", "grammar", "stdlib"} & set(inside.parts):
                found.add(".".join([prefix, *inside.parts]))
    return found


def test_every_package_is_listed(project: dict[str, Any]) -> None:
    """A package that is not listed is missing from the wheel."""
    assert set(project["tool"]["setuptools"]["packages"]) == packages()


def test_links_lead_to_the_top_level_folders() -> None:
    """A checkout and type checkers find the packages through them."""
    for name in ("grammar", "stdlib"):
        assert (ROOT / "ottl" / name).readlink() == Path("..") / name


def test_versions_agree(project: dict[str, Any]) -> None:
    """One version, in three places."""
    crate = tomllib.loads((ROOT / "ottl" / "native" / "Cargo.toml").read_text(encoding="utf-8"))
    assert ottl.__version__ == project["project"]["version"] == crate["package"]["version"]


def test_extras_are_there(project: dict[str, Any]) -> None:
    """The README and users name them."""
    assert {"all", "dev", "test"} <= set(project["project"]["optional-dependencies"])


@pytest.mark.skipif(shutil.which("cargo") is None, reason="without cargo the extension is not built")
def test_the_native_extension_is_there_where_cargo_is() -> None:
    """Its build is optional, so that a failure would pass in silence."""
    assert importlib.import_module("ottl._native") is not None


def test_every_public_name_can_be_loaded() -> None:
    """They load when first asked for."""
    for name in ottl.__all__:
        assert getattr(ottl, name) is not None
    assert sorted(ottl.__all__) == sorted(ottl._HOMES)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ottl.no_such_name


def imported_by(*arguments: str) -> set[str]:
    """The heavy packages that a Python process imports."""
    script = f"import sys\n{arguments[0]}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    """`import ottl` is free."""
    assert imported_by("import ottl") == set()


def test_the_version_imports_nothing_heavy() -> None:
    """`ottl --version` answers at once."""
    call = "from ottl.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass"
    assert imported_by(call) == set()


def test_the_readme_has_the_commands_that_are_tested() -> None:
    """`.ci/run` takes the test command from between these marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.partition("<!-- test command -->")[2].partition("<!-- end -->")[0]
    assert '-e ".[test]"' in block
    assert "pytest" in block

"""The grammar texts of the language, and their loader; no other code lives here."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["load"]


def load(name: str) -> str:
    """The text of a grammar.

    Args:
        name: `ottl` for the reference's language, `script` for the script dialect.
    """
    return files(__name__).joinpath(f"{name}.lark").read_text(encoding="utf-8")

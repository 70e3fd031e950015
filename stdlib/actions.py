"""Actions of the script dialect: editors that the reference lacks, and that decide where a row goes.

They are declared here like every function and carried out by the engine: the binder writes `delete` as the editor that
does it, the others are instructions of their own. Collectors' configurations do not know them.
"""

from __future__ import annotations

from typing import Annotated

from ottl.functions import Const, PathArgument, Target, editor
from ottl.types import Duration


@editor("delete", lowering="delete")
def delete(target: Target) -> None:
    """Removes a key of a map; a field gets its zero value.

    Args:
        target: a key such as `span.attributes["x"]`, or a field.
    """
    del target


@editor("drop", lowering="drop")
def drop() -> None:
    """Removes the row, and parents that it leaves empty. Nothing after it runs on the row."""


@editor("route", lowering="route")
def route(name: Const[str]) -> None:
    """Moves the row to an output of its own; one with two routes goes to both. Later statements still run on it.

    Args:
        name: of the route: `exporter.name`, or a text.
    """
    del name


@editor("rate_limit", lowering="rate_limit")
def rate_limit(
    count: Const[int],
    period: Const[Duration],
    time: Annotated[int, PathArgument("row.time")],
    received: Annotated[int, PathArgument("row.received")],
) -> None:
    """Drops the rows beyond a number in each period of the rows' own time; one counter a call.

    Args:
        count: how many rows stay in a period.
        period: its length, such as `1m`; periods begin at its multiples since the Unix epoch.
        time: of the row.
        received: the time that counts for a row without one.
    """
    del count, period, time, received


@rate_limit.checked
def _(count: int, period: int) -> None:
    del count
    if period <= 0:
        raise ValueError("a period must be longer than nothing")

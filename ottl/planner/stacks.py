"""Chooses the executor of a group: whether columns, statement by statement over all rows, give what rows give.

Rows see each other only through what they share: the resource, the scope, the metric of a data point, the span of an
event, and a shared cache. `choose` looks for writes to those, for what tables do not hold, and for functions that only
make sense row by row, and says why. A statement may write what rows share where

- it does the same on each of them, and nothing once it is done (`_alike`), and nothing reads it before;
- nothing else reads or writes it, so that the last row's value stays;
- it depends on nothing that rows do not share, so that it comes to rest, which columns find out (`_settling`).

What a payload holds that ends by a failure under `propagate`, nobody sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ottl import typed
from ottl.contexts.identity import SPAN_PARTS
from ottl.contexts.paths import PathSpec, View
from ottl.functions import Form, Function
from ottl.typed import StackChoice

_UNTABLED = frozenset(
    {
        View.OPAQUE,
        View.INTS,
        View.DOUBLES,
        View.TIMES,
        View.METRIC_POINTS,
        View.DICTIONARY_MAP,
        View.DICTIONARY_STRING,
        View.UNAVAILABLE,
    }
)

IDEMPOTENT_EDITORS = frozenset(
    {
        "set",
        "delete_key",
        "delete_matching_keys",
        "keep_keys",
        "keep_matching_keys",
        "limit",
        "truncate_all",
        "stringify_all",
        "clear",
    }
)
"""Editors whose second application to the same parent, with the same arguments, changes nothing."""


class Unsettled(Exception):  # noqa: N818 - nothing is wrong
    """Statements go on changing what rows share, each time anew: the payload goes in rows."""


@dataclass(frozen=True, slots=True)
class Location:
    """Something a statement reads or writes: a field, or a key of a map (`None`: the whole)."""

    level: str
    name: str
    key: bytes | None = None

    def overlaps(self, other: Location) -> bool:
        """Whether the two share anything."""
        if self.level != other.level:
            return False
        if self.name == other.name:
            return self.key is None or other.key is None or self.key == other.key
        return self.name.partition(".")[0] == other.name.partition(".")[0]


def location(spec: PathSpec, keys: tuple[typed.Expression, ...]) -> Location:
    """What a path with keys stands for."""
    level = "scope" if spec.level == "instrumentation_scope" else spec.level
    if keys and isinstance(keys[0], typed.Constant) and type(keys[0].value) is bytes:
        return Location(level, spec.name, keys[0].value)
    return Location(level, spec.name)


def reads(node: typed.Operand | None) -> Iterator[Location]:
    """The locations that an expression reads."""
    if node is None:
        return
    for part in typed.walk(node):
        if isinstance(part, typed.Load):
            yield location(part.spec, part.keys)
        elif isinstance(part, typed.Invoke):
            for what in part.function.reads:
                yield from (Location(level, _path(level, names)) for level, names in SPAN_PARTS[what])


def _path(level: str, field: tuple[str, ...]) -> str:
    return ".".join(field[1:] if field[0] == level else field)


def writes(statement: typed.Statement) -> Iterator[Location]:
    """The locations that a statement writes."""
    for parameter, operand in zip(statement.editor.parameters, statement.arguments, strict=True):
        if isinstance(operand, typed.Place) and parameter.form in (Form.TARGET, Form.MAP_TARGET, Form.LIST_TARGET):
            yield location(operand.spec, operand.keys)


def _statement_reads(statement: typed.Statement) -> set[Location]:
    found = set(reads(statement.condition))
    for argument in statement.arguments:
        found.update(reads(argument))
    return found


def _places(group: typed.Group) -> Iterator[typed.Load | typed.Place]:
    """The paths that a group reads or writes."""
    nodes: list[typed.Operand] = [c.expression for c in group.conditions]
    for statement in group.statements:
        if statement.condition is not None:
            nodes.append(statement.condition)
        nodes.extend(a for a in statement.arguments if a is not None)
    for node in nodes:
        for part in typed.walk(node):
            if isinstance(part, (typed.Load, typed.Place)):
                yield part


def _plain_member(part: typed.Load | typed.Place) -> bool:
    """Whether a path leads into no trace state, or by a literal key."""
    return part.spec.view is not View.TRACE_STATE or not part.keys or _is_name(part.keys)


def _is_name(keys: tuple[typed.Expression, ...]) -> bool:
    """Whether keys are one literal string."""
    return len(keys) == 1 and isinstance(keys[0], typed.Constant) and type(keys[0].value) is bytes


def choose(group: typed.Group, signal: str) -> StackChoice:
    """Which executor may run the group on a signal, and why."""
    if group.shared_cache:
        return StackChoice(False, "rows see each other through the shared cache")
    if signal == "profiles":
        return StackChoice(False, "profiles are indices into shared tables, whose order depends on the order of rows")
    for part in _places(group):
        if part.spec.view in _UNTABLED:
            return StackChoice(False, f"{part.spec.level}.{part.spec.name} is not held in tables")
    if not all(map(_plain_member, _places(group))):
        return StackChoice(False, "the key of a trace state is no literal")
    for statement in group.statements:
        problem = _untabled_use(statement)
        if problem is not None:
            return StackChoice(False, problem)
    if group.error_mode == "propagate" and any(s.editor.lowering == "rate_limit" for s in group.statements):
        return StackChoice(False, "under propagate a limit counts no row behind the first failing one")
    if _whole_cache(group) and any(f.stateful or f.over is not None for s in group.statements for f in _calls(s)):
        return StackChoice(False, "the cache is used as a whole, and functions look beyond the row")
    if group.error_mode == "propagate" and any(f.stateful for s in group.statements for f in _calls(s)):
        return StackChoice(False, "under propagate the first failing row decides what functions remember")
    if any(_overlapping(s) for s in group.statements):
        return StackChoice(False, "a statement stores a map inside itself")
    problem = _shared_write(group)
    if problem is None:
        return StackChoice(True, "no row sees what another row writes")
    return _settling(group) or StackChoice(False, problem)


def _untabled_use(statement: typed.Statement) -> str | None:
    """The reason why columns cannot do what a statement does with what is no map."""
    for parameter, operand in zip(statement.editor.parameters, statement.arguments, strict=True):
        if not isinstance(operand, typed.Place):
            continue
        shown = f"{operand.spec.level}.{operand.spec.name}"
        if operand.spec.level == "otelcol":
            return f"{shown} cannot be written"
        if operand.spec.view is View.TRACE_STATE and operand.keys and statement.editor.lowering != "store":
            return f"a member of {shown} is edited"
        if operand.spec.view not in (View.MAP, View.CACHE, View.VALUE) and parameter.form is Form.MAP_TARGET:
            return f"{shown} is edited as a map"
    return None


def _whole_cache(group: typed.Group) -> bool:
    """Whether a group does more with its cache than read or write one constant key."""
    nodes: list[typed.Operand] = [c.expression for c in group.conditions]
    for statement in group.statements:
        nodes += [n for n in (statement.condition, *statement.arguments) if n is not None]
        for parameter, operand in zip(statement.editor.parameters, statement.arguments, strict=True):
            if (
                isinstance(operand, typed.Place)
                and operand.spec.view is View.CACHE
                and parameter.form is not Form.TARGET
            ):
                return True
    return not all(map(_plain_cache, (part for node in nodes for part in typed.walk(node))))


def _plain_cache(node: typed.Operand) -> bool:
    """Whether a node does no more with a cache than read or write one constant key."""
    if not isinstance(node, (typed.Load, typed.Place)) or node.spec.view is not View.CACHE:
        return True
    return _is_name(node.keys)


def _calls(statement: typed.Statement) -> Iterator[Function]:
    """The functions that a statement calls."""
    nodes = [n for n in (statement.condition, *statement.arguments) if n is not None]
    return (part.function for node in nodes for part in typed.walk(node) if isinstance(part, typed.Invoke))


def _overlapping(statement: typed.Statement) -> bool:
    """Whether an argument of an editor holds its target, or is its target where the editor takes that for more."""
    places = [a for a in statement.arguments if isinstance(a, typed.Place) and a.spec.keyed]
    for argument in statement.arguments:
        # What a converter gives is new.
        if argument is None or isinstance(argument, (typed.Place, typed.Invoke)):
            continue
        for part in typed.walk(argument):
            if isinstance(part, typed.Load) and any(
                part.spec == p.spec
                and part.keys == p.keys[: len(part.keys)]
                and (part.keys != p.keys or statement.editor.alias_kernel is not None)
                for p in places
            ):
                return True
    return False


def _shared_write(group: typed.Group) -> str | None:
    """The reason why a write to what rows share needs them one by one."""
    read: set[Location] = set()
    for condition in group.conditions:
        read.update(reads(condition.expression))
    everything = [(_statement_reads(s), set(writes(s))) for s in group.statements]
    for number, statement in enumerate(group.statements):
        for place in everything[number][1]:
            if place.level == group.context:
                continue
            others = [(r, w) for i, (r, w) in enumerate(everything) if i != number]
            if any(place.overlaps(o) for o in read) or any(place.overlaps(o) for _, w in others for o in w):
                return f"{place.level}.{place.name} is shared by rows, which read it or write it more than once"
            if _alike(group, statement, place.level):
                # From the first row on it is what this statement makes it, for all that read it behind.
                if any(place.overlaps(o) for r, _ in everything[: number + 1] for o in r):
                    return f"{place.level}.{place.name} is shared by rows, which read it before it is written"
            elif statement.editor.lowering != "store":
                return f"{place.level}.{place.name} is shared by rows and its new value depends on the row"
            elif any(place.overlaps(o) for r, _ in everything for o in r):
                return f"{place.level}.{place.name} is shared by rows, which read what another one has written"
            if place.key is not None and not _in_order(group, place, everything):
                return f"two statements write keys of {place.level}.{place.name}, whose order then depends on rows"
    return None


def _settling(group: typed.Group) -> StackChoice | None:
    """The choice where what rows share depends on nothing else, so that it may soon stay as it is; None elsewhere."""
    shared: set[Location] = set()
    changing: list[int] = []
    apart: list[Location] = []
    everything = [(_statement_reads(s), set(writes(s))) for s in group.statements]
    for number, statement in enumerate(group.statements):
        places = [place for place in everything[number][1] if place.level != group.context]
        if not places:
            continue
        if all(_parent_only(statement, place.level, group.context) for place in places):
            changing.append(number)
        elif statement.editor.lowering == "store":
            apart += places
        else:
            return None
        shared.update(places)
    # What a row leaves to those it shares with, and nobody looks at: the last one wins, which must stay the last.
    levels = sorted({p.level for n in changing for p in everything[n][1] if p.level != group.context}, key=_depth)
    if not levels or any(_depth(place.level) < _depth(levels[-1]) for place in apart):
        return None
    if any(place.overlaps(o) for place in apart for r, _ in everything for o in r):
        return None
    if any(sum(_same_field(place, o) for _, w in everything for o in w) > 1 for place in apart):
        return None
    for condition in group.conditions:
        if any(place.overlaps(o) for o in reads(condition.expression) for place in shared):
            return None
    if any(s.editor.lowering in ("drop", "rate_limit", "route") for s in group.statements):
        return None  # a row that goes says nothing about what the next one would change
    if not all(f.pure and not f.stateful and f.over is None for s in group.statements for f in _calls(s)):
        return None
    return StackChoice(
        True, f"in rows where a {levels[-1]} does not soon stay as statements leave it", tuple(levels), tuple(changing)
    )


def _same_field(one: Location, other: Location) -> bool:
    return one.level == other.level and one.name.partition(".")[0] == other.name.partition(".")[0]


def _alike(group: typed.Group, statement: typed.Statement, level: str) -> bool:
    """Whether a statement does the same to an outer row from all rows within, and nothing once it is done."""
    return (
        _parent_only(statement, level, group.context)
        and statement.editor.name in IDEMPOTENT_EDITORS
        and _repeatable(statement)
    )


def _repeatable(statement: typed.Statement) -> bool:
    """Whether the target stays the same: a negative index makes a list the first time, and lies outside it later."""
    return all(
        isinstance(key, typed.Constant) and (type(key.value) is not int or key.value >= 0)
        for operand in statement.arguments
        if isinstance(operand, typed.Place)
        for key in operand.keys[1:]
    )


def _in_order(group: typed.Group, place: Location, everything: list[tuple[set[Location], set[Location]]]) -> bool:
    """Whether new keys come in the order of the statements: the first row brings all of them, or there is but one."""
    writing = [
        statement
        for statement, (_, w) in zip(group.statements, everything, strict=True)
        if any(other.level == place.level and other.name == place.name for other in w)
    ]
    return len(writing) == 1 or all(_alike(group, s, place.level) for s in writing)


_INNER = {
    "resource": 0,
    "scope": 1,
    "instrumentation_scope": 1,
    "span": 2,
    "metric": 2,
    "log": 2,
    "profile": 2,
    "spanevent": 3,
    "datapoint": 3,
    "profilesample": 3,
    "exemplar": 4,
    "otelcol": -1,
}


def _depth(level: str) -> int:
    return _INNER[level]


def _parent_only(statement: typed.Statement, level: str, context: str) -> bool:
    """Whether condition and arguments are pure and read nothing of the rows below the level."""
    nodes = [n for n in (statement.condition, *statement.arguments) if n is not None]
    for node in nodes:
        for part in typed.walk(node):
            if isinstance(part, typed.Load) and _depth(part.spec.level) > _depth(level):
                return False
            if isinstance(part, typed.Invoke) and (not part.function.pure or part.function.over is not None):
                return False
    return context != level

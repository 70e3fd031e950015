"""Scripts to passes: texts of the script dialect and `scripts:` configurations, block by block.

A block is a group of its own: its context is inferred for it alone, its condition is the group's, and it runs over the
whole message before the next block begins, on every signal that has its context. A list of statements that are no
scripts of their own forms one group, as the collector's flat lists do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ottl import ast, configuration, dialect, parser
from ottl.configuration import Reader
from ottl.contexts import SCRIPT_CONTEXTS
from ottl.contexts.paths import Context
from ottl.engine import SIGNALS, GroupPass, GroupTree, Options, bind_tree, compile_group, infer
from ottl.errors import ConfigError, Diagnostic, register_codes
from ottl.source import Source

__all__ = ["build", "candidates", "read_entries", "read_texts"]

register_codes(
    {
        "E409": "context and signal do not fit",
        "E410": "an action of more than one block",
        "E411": "a program with routes",
    }
)


def candidates(signals: Iterable[str]) -> dict[str, Context]:
    """The contexts in which rules for some of the signals may run."""
    wanted = set(signals)
    return {n: c for n, c in SCRIPT_CONTEXTS.items() if n != "profilesample" and wanted.intersection(c.signals)}


def read_texts(
    sources: Sequence[Source], error_mode: str
) -> tuple[list[GroupTree], list[Diagnostic], list[Diagnostic]]:
    """The groups of one script, or of a list of statements and scripts.

    Returns:
        The groups as far as they could be parsed, what is wrong, and warnings for the checker alone.
    """
    groups: list[GroupTree] = []
    diagnostics: list[Diagnostic] = []
    notes: list[Diagnostic] = []
    flat: list[tuple[ast.Statement, Source]] = []

    def finish() -> None:
        if flat:
            groups.append(GroupTree(tuple(flat), (), error_mode, script=True))
            flat.clear()

    for source in sources:
        script, found = dialect.parse_script(source)
        diagnostics += found
        notes += dialect.governed(script, source)
        statement = _single(script) if len(sources) > 1 else None
        if statement is not None:
            flat.append((statement, source))
            continue
        if not script.blocks:
            continue
        finish()
        groups += [_group(block, source, error_mode) for block in script.blocks]
    finish()
    return groups, diagnostics, notes


def _single(script: ast.Script) -> ast.Statement | None:
    """The statement of a script that holds just one, with the condition that governs it; None for any other."""
    if len(script.blocks) != 1 or len(script.blocks[0].statements) != 1:
        return None
    (block,) = script.blocks
    (statement,) = block.statements
    if block.condition is None:
        return statement
    both = (block.condition, statement.condition) if statement.condition is not None else ()
    return replace(statement, condition=ast.And(both, range=block.condition.range) if both else block.condition)


def _group(block: ast.Block, source: Source, error_mode: str) -> GroupTree:
    conditions = ((block.condition, source),) if block.condition is not None else ()
    return GroupTree(tuple((s, source) for s in block.statements), conditions, error_mode, script=True)


def read_entries(config: Mapping[str, Any]) -> tuple[list[GroupTree], list[Diagnostic], list[Diagnostic]]:
    """The groups of a `scripts:` configuration, a list of `name`, `condition` and `action`; returns as `read_texts`."""
    reader = Reader()
    root = reader.mapping(config, "", ("scripts", "error_mode"))
    mode = reader.error_mode(root.get("error_mode"), "error_mode") or "ignore"
    items = root.get("scripts")
    if not isinstance(items, Sequence) or isinstance(items, str):
        message = f"scripts must be a list, got {configuration.type_name(items)}"
        reader.report("E401", message, "scripts", "scripts")
        return [], reader.diagnostics, []
    groups: list[GroupTree] = []
    notes: list[Diagnostic] = []
    for number, item in enumerate(items):
        path = f"scripts[{number}]"
        fields = reader.mapping(item, path, ("name", "condition", "action", "error_mode"))
        own_mode = reader.error_mode(fields.get("error_mode"), f"{path}.error_mode") or mode
        groups += _entry(reader, fields, path, own_mode, notes)
    return groups, reader.diagnostics, notes


def _entry(reader: Reader, fields: Mapping[str, Any], path: str, mode: str, notes: list[Diagnostic]) -> list[GroupTree]:
    for key in ("name", "condition"):
        if fields.get(key) is not None and not isinstance(fields[key], str):
            message = f"{path}.{key} must be a string, got {configuration.type_name(fields[key])}"
            reader.report("E401", message, key, f"{path}.{key}")
            return []
    action = fields.get("action")
    if isinstance(action, str):
        sources = [configuration.source(action, f"{path}.action")]
    elif isinstance(action, list) and action and all(isinstance(one, str) for one in action):
        sources = [configuration.source(one, f"{path}.action[{n}]") for n, one in enumerate(action)]
    else:
        message = f"{path}.action must be a text, got {configuration.type_name(action)}"
        reader.report("E401", message, fields, f"{path}.action", "an action is a statement, or several of one block")
        return []
    groups, found, ours = read_texts(sources, mode)
    reader.diagnostics += found
    notes += ours
    if len(groups) > 1:
        hint = "write one entry a block"
        where = sources[0]
        message = f"an action is one block, got {len(groups)}"
        reader.diagnostics.append(Diagnostic("E410", "error", message, None, hint, where))
        return []
    if fields.get("condition") is None:
        return groups
    source = configuration.source(fields["condition"], f"{path}.condition")
    try:
        condition = parser.parse_part(source, "condition")
    except ConfigError as error:
        reader.diagnostics += error.diagnostics
        return []
    return [replace(group, conditions=((condition, source), *group.conditions)) for group in groups]


def build(
    groups: Sequence[GroupTree], context: str | None, signals: Sequence[str], options: Options, whole: bool = True
) -> tuple[dict[str, list[GroupPass]], list[Diagnostic]]:
    """Binds and compiles groups for the signals that have their contexts.

    Args:
        groups: in order.
        context: given for all of them; None to infer each.
        signals: that are wanted; a group that has none of them is left out.
        options: of the program.
        whole: all texts could be parsed; else what is missing might have named a context.

    Returns:
        The passes by signal, and all diagnostics.
    """
    passes: dict[str, list[GroupPass]] = {}
    diagnostics: list[Diagnostic] = []
    left_out: list[Diagnostic] = []
    for tree in groups:
        group = _lowered(tree, options, context)
        chosen = SCRIPT_CONTEXTS[context] if context is not None else _inferred(group, options)
        if isinstance(chosen, Diagnostic):
            diagnostics += [chosen] if whole else []
            continue
        if not any(s in signals for s in chosen.signals):
            source = group.statements[0][1]
            message = f"context {chosen.name} does not occur in {', '.join(signals)}"
            left_out.append(Diagnostic("E409", "error", message, group.statements[0][0].range, None, source))
            continue
        for one in _counted(group, chosen) if context is None else [chosen]:
            applies = [s for s in SIGNALS if s in signals and s in one.signals]
            bound, found = bind_tree(group, one, context is not None, options, []) if applies else (None, [])
            diagnostics += found
            if bound is None:
                continue
            codes = {s: compile_group(bound, s) for s in applies}
            refused = [configuration.check_stack(code, options.stack) for code in codes.values()]
            if all(refused):
                diagnostics += refused[0]
            for signal, code in codes.items():
                passes.setdefault(signal, []).append(GroupPass(code, options))
    if left_out and not passes and whole and not diagnostics:
        diagnostics += left_out
    return passes, diagnostics


_COUNTED = {"traces": "span", "metrics": "datapoint", "logs": "log", "profiles": "profile"}


def _counted(group: GroupTree, chosen: Context) -> list[Context]:
    """The context of a group; for a limit on rows without a time, those of the rows that each signal counts."""
    limits = any(statement.editor.name == "rate_limit" for statement, _ in group.statements)
    if limits and chosen.name in ("resource", "scope", "metric"):
        return [SCRIPT_CONTEXTS[_COUNTED[signal]] for signal in chosen.signals]
    return [chosen]


def _lowered(group: GroupTree, options: Options, context: str | None) -> GroupTree:
    """The group with the short forms spelled out."""
    return replace(
        group,
        statements=tuple((dialect.lower(t, options.functions, context), s) for t, s in group.statements),
        conditions=tuple((dialect.lower(t, options.functions, context), s) for t, s in group.conditions),
    )


def _inferred(group: GroupTree, options: Options) -> Context | Diagnostic:
    return infer([*group.statements, *group.conditions], candidates(SIGNALS), options.functions)

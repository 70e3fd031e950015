"""Bytecode: disassembly against snapshots, one file a subject, and what all bytecode has in common."""

import pickle
from pathlib import Path

import pytest

from ottl import bytecode, engine
from ottl.bytecode import GroupCode, Op
from ottl.engine import GroupText, Options
from ottl.source import Source
from ottl.stdlib import ACTIONS, FUNCTIONS

FIXTURES = Path(__file__).parent.parent / "fixtures" / "bytecode"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.txt"))


def compiled(*statements: str, signal: str = "traces") -> GroupCode:
    """A group of statements, planned and compiled."""
    group, found = engine.bind_group(
        GroupText(tuple(map(Source, statements))), signal, Options(ACTIONS.union(FUNCTIONS))
    )
    assert group is not None, found
    return engine.compile_group(group, signal)


def snapshot(text: str) -> str:
    """The statements of a snapshot, each followed by its disassembly."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("> "):
            (code,) = compiled(line[2:], signal="logs" if "log." in line else "traces").statements
            lines += [line, *(found.rstrip() for found in bytecode.disassemble(code)), ""]
    return "\n".join(lines)


@pytest.mark.parametrize("name", NAMES)
def test_snapshots(name: str) -> None:
    """The disassembly of every statement of a snapshot is what the snapshot shows."""
    text = (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")
    assert snapshot(text) == text


def test_every_operation_is_shown() -> None:
    """The snapshots show every operation."""
    shown = " ".join((FIXTURES / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES)
    assert {op.name for op in Op} - set(shown.split()) == set()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_and_registers(name: str) -> None:
    """Blocks are closed, registers are written before they are read, and by one instruction or one block only."""
    for line in (FIXTURES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("> "):
            continue
        (code,) = compiled(line[2:], signal="logs" if "log." in line else "traces").statements
        written: set[int] = set()
        open_blocks: list[int] = []
        for instruction in code.instructions:
            assert written >= set(instruction.registers)
            if instruction.op in (Op.AND, Op.OR, Op.UNLESS_NIL):
                open_blocks.append(instruction.result)
            elif instruction.op is Op.END:
                assert open_blocks.pop() == instruction.result
            elif instruction.result >= 0:
                assert instruction.result not in written
            if instruction.result >= 0:
                written.add(instruction.result)
        assert open_blocks == []
        assert written == set(range(code.registers))


def test_groups_pickle() -> None:
    """Bytecode travels between processes, functions by name."""
    code = compiled('set(span.name, Concat([span.name, "x"], "")) where IsMatch(span.name, "a+")')
    again = pickle.loads(pickle.dumps(code))
    assert list(bytecode.disassemble(again.statements[0])) == list(bytecode.disassemble(code.statements[0]))
    assert again == code


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'a"b\\', '"a\\"b\\\\"'),
        (None, "nil"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.5, "1.5"),
        (b"\xff", '"\ufffd"'),
        ("a", '"a"'),
        ([1, b"x"], '[1, "x"]'),
    ],
)
def test_constants(value: object, shown: str) -> None:
    """Constants are shown as rules write them."""
    assert bytecode.shown_constant(value) == shown

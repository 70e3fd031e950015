"""Every folder of `examples/` with rules does what its expected output says, in both stacks.

The expected outputs were compared with those of the Go collector's processors (contrib v0.161.0) message by message;
only the order of keys out of `ParseJSON`, which is random there, is ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ottl.cli import main
from ottl.codec import messages
from ottl.files import Input

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/rules.yaml"))


def contents(path: Path) -> list[tuple[str | None, Any]]:
    """The messages of a file: signal and parsed message; None for an emptied one."""
    with Input(str(path), max_message=1 << 26) as source:
        found = list(source)
    assert [message.fault for message in found] == [None] * len(found)
    return [
        (m.signal, messages.decode(m.payload, m.signal, m.encoding) if m.signal is not None else None) for m in found
    ]


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rules_give_the_expected_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, native: str
) -> None:
    """The output agrees message by message with the one that is kept."""
    monkeypatch.setenv("OTTL_NATIVE", native)
    (source,) = folder.glob("input.*")
    output = tmp_path / source.name
    with pytest.raises(SystemExit) as caught:
        main(["run", str(folder / "rules.yaml"), str(source), "-o", str(output)])
    assert caught.value.code == 0
    assert contents(output) == contents(folder / f"expected{source.suffix}")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rules_are_free_of_findings(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """An example that warns would teach something else."""
    with pytest.raises(SystemExit) as caught:
        main(["check", str(folder / "rules.yaml")])
    assert (caught.value.code, capfd.readouterr().err) == (0, "0 errors, 0 warnings\n")


def test_every_example_explains_itself() -> None:
    """A README beside each."""
    assert [folder.name for folder in FOLDERS if not (folder / "README.md").exists()] == []

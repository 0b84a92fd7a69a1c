"""CONTRIBUTING's table "How do I add …" names files that exist."""

import re
from pathlib import Path

KINDS = {
    "a gate rule",
    "a cleaning rule",
    "a mitigation",
    "a measure",
    "a modality",
    "a stage",
    "a deployment",
    "a command",
}


def rows(root: Path) -> dict[str, list[str]]:
    """The files of each row, by what is added."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## How do I add")[2]
    cells = [line.split(" | ") for line in text.splitlines() if line.startswith("| a ")]
    return {what.strip("| "): re.findall(r"`([\w./]+\.\w+)`", files) for what, files, *_ in cells}


def test_every_kind_has_a_row_of_files_that_exist(root: Path) -> None:
    found = rows(root)
    assert set(found) == KINDS
    assert all(found.values())
    absent = {name for names in found.values() for name in names if not (root / name).is_file()}
    assert absent == set()


def test_a_file_that_is_gone_is_named(copy: Path) -> None:
    (copy / "flows/cli/cost_commands.py").unlink()
    absent = {
        name for names in rows(copy).values() for name in names if not (copy / name).is_file()
    }
    assert absent == {"flows/cli/cost_commands.py"}

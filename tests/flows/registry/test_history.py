"""The history of promotions: the truth of who is live, also after a crash within a line."""

from pathlib import Path

import pytest

from flows.registry.history import (
    Move,
    append,
    champion_version,
    folder,
    history,
    moving,
    version_before,
)
from pipeline.core.errors import ArtifactMissing


def move(kind: str, before: str | None, after: str) -> Move:
    return Move(kind, "2026-01-01T00:00:00+00:00", "Ada", "why not", before, after, "0" * 64)  # type: ignore[arg-type]


def write(root: Path, *moves: Move) -> Path:
    for one in moves:
        with moving(root, "adult"):
            append(root, "adult", one)
    return folder(root) / "adult.jsonl"


def test_nobody_is_live_before_the_first_promotion(tmp_path: Path) -> None:
    assert history(tmp_path, "adult") == []
    assert champion_version(tmp_path, "adult") is None


def test_the_last_line_decides(tmp_path: Path) -> None:
    moves = [move("promote", None, "1"), move("promote", "1", "2"), move("rollback", "2", "1")]
    write(tmp_path, *moves)

    assert history(tmp_path, "adult") == moves
    assert champion_version(tmp_path, "adult") == "1"


@pytest.mark.parametrize("torn", ['{"kind": "promote", "ti', '{"kind": "promote"}'])
def test_a_half_written_last_line_counts_as_none_and_goes_with_the_next(
    tmp_path: Path, torn: str
) -> None:
    source = write(tmp_path, move("promote", None, "1"))
    with source.open("a") as stream:
        stream.write(torn)

    assert champion_version(tmp_path, "adult") == "1"
    write(tmp_path, move("promote", "1", "2"))

    assert [one.after for one in history(tmp_path, "adult")] == ["1", "2"]
    assert len(source.read_text().splitlines()) == 2


def test_a_damaged_line_before_the_last_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, move("promote", None, "1"), move("promote", "1", "2"))
    source.write_text("nonsense\n" + source.read_text())

    with pytest.raises(ArtifactMissing, match="line 1 cannot be read"):
        champion_version(tmp_path, "adult")


@pytest.mark.parametrize(
    ("moves", "target"),
    [
        ([], None),
        ([("promote", "1")], None),
        ([("promote", "1"), ("promote", "2")], "1"),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1")], None),
        ([("promote", "1"), ("promote", "2"), ("promote", "3"), ("rollback", "2")], "1"),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1"), ("promote", "3")], "1"),
        ([("promote", "1"), ("promote", "2"), ("promote", "1")], "2"),
    ],
)
def test_a_rollback_goes_to_who_was_live_before_the_champion(
    moves: list[tuple[str, str]], target: str | None
) -> None:
    assert version_before([move(kind, None, after) for kind, after in moves]) == target

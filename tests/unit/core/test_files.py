"""A file is written whole or not at all, and a damaged one is named."""

import os
from pathlib import Path

import polars as pl
import pytest

from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import (
    read_json,
    read_parquet,
    replacing,
    write_json,
    write_parquet,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_that_fails_midway_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_text(target, "old")

    def write_half() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_half()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["report.json"]


def test_a_first_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "report.json"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_the_target_is_old_until_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_written_files_can_be_read_by_others(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder" / "a.txt"
    write_text(target, "Ünïcödé")
    assert target.stat().st_mode & 0o777 == 0o644
    assert target.read_bytes() == "Ünïcödé".encode()


def test_json_has_the_same_bytes_for_the_same_content(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None], "ü": "é"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '{\n  "b": [\n    1,\n    2.5,\n    null\n  ],\n  "ü": "é"\n}\n'
    )
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, None], "ü": "é"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_json_number_and_keeps_the_old_file(
    tmp_path: Path, number: float
) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": number})
    assert read_json(tmp_path / "a.json") == 1


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe{}"], ids=["empty", "cut", "bytes"])
def test_damaged_json_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactMissing, match=r"a\.json to be a whole JSON file") as caught:
        read_json(tmp_path / "a.json")
    assert "dvc checkout" in caught.value.hint


def test_absent_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    for read in (read_json, read_parquet):
        with pytest.raises(
            ArtifactMissing, match=r"expected the file .*gone, found none"
        ) as caught:
            read(tmp_path / "gone")
        assert "hallmark build" in caught.value.hint


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = pl.DataFrame({"n": [1, None], "text": ["ü", None]})
    write_parquet(tmp_path / "t.parquet", table)
    assert read_parquet(tmp_path / "t.parquet").equals(table)
    assert read_parquet(tmp_path / "t.parquet", ["text"]).columns == ["text"]
    first = (tmp_path / "t.parquet").read_bytes()
    write_parquet(tmp_path / "t.parquet", table)
    assert (tmp_path / "t.parquet").read_bytes() == first


@pytest.mark.parametrize("kept", [0, 3, 100])
def test_damaged_parquet_is_named(tmp_path: Path, kept: int) -> None:
    write_parquet(tmp_path / "t.parquet", pl.DataFrame({"n": range(100)}))
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[:kept])
    with pytest.raises(ArtifactMissing, match=r"t\.parquet to be a whole parquet file"):
        read_parquet(tmp_path / "t.parquet")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t.parquet", pl.DataFrame({"n": [1]}))
    with pytest.raises(ArtifactMissing, match="agee"):
        read_parquet(tmp_path / "t.parquet", ["agee"])


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_10_who_may_read_a_file_is_what_the_umask_says(
    tmp_path: Path, mask: int, mode: int
) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "report.json", "{}")
        write_parquet(tmp_path / "table.parquet", pl.DataFrame({"a": [1]}))
    finally:
        os.umask(before)
    for name in ("report.json", "table.parquet"):
        assert (tmp_path / name).stat().st_mode & 0o777 == mode

"""A delivery is taken as it is, and what is wrong with it is said."""

import hashlib
import json
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pytest

from pipeline.core.errors import ProjectError
from pipeline.core.run.runner import run_stage
from tests.people import columns_of, make_project

HEADER = "age,hours,job,sex,region,note,income\n"
ROWS = '39, 40,?,f,north,"a, ""b""",low\n,12.50,Ärztin,m,, ,high\n'
NAMES = list(columns_of().all)


def ingest(root: Path, content: bytes | None, **settings: Any) -> pl.DataFrame:
    settings = {"source": "raw/people.csv", **settings}
    home = make_project(root, ingest=settings)
    if content is not None and "://" not in settings["source"]:
        (home / settings["source"]).write_bytes(content)
    run_stage(root, "ingest", "people")
    return pl.read_parquet(home / "10_ingest/snapshot.parquet")


def refusal(root: Path, content: bytes | None, **settings: Any) -> str:
    with pytest.raises(ProjectError) as caught:
        ingest(root, content, **settings)
    assert not (root / "data/people/10_ingest").exists()
    return str(caught.value)


def test_a_good_csv_is_kept_as_delivered(tmp_path: Path) -> None:
    table = ingest(tmp_path, (HEADER + ROWS).encode())
    assert set(table.dtypes) == {pl.String}
    assert table.rows() == [
        ("39", " 40", "?", "f", "north", 'a, "b"', "low"),
        (None, "12.50", "Ärztin", "m", None, " ", "high"),
    ]


def test_the_profile_names_the_source_and_counts(tmp_path: Path) -> None:
    content = (HEADER + ROWS).encode()
    ingest(tmp_path, content)
    profile = json.loads((tmp_path / "data/people/10_ingest/profile.json").read_text())
    assert profile["source"] == "raw/people.csv"
    assert profile["sha256"] == hashlib.sha256(content).hexdigest()
    assert (profile["bytes"], profile["rows"]) == (len(content), 2)
    assert [one["name"] for one in profile["columns"]] == HEADER.strip().split(",")
    assert profile["columns"][0]["num_missing"] == 1


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        ingest(tmp_path / name, (HEADER + ROWS).encode())
    for file in ("snapshot.parquet", "profile.json"):
        one, other = (tmp_path / name / "data/people/10_ingest" / file for name in "ab")
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\r\n\r\n"])
def test_line_ends_after_the_last_row_are_no_rows(tmp_path: Path, ending: str) -> None:
    content = (HEADER + ROWS).strip() + ending
    assert ingest(tmp_path, content.encode()).height == 2


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    table = ingest(tmp_path, b"\xef\xbb\xbf" + (HEADER + ROWS).encode())
    assert table.columns[0] == "age"


def test_order_of_columns_does_not_matter(tmp_path: Path) -> None:
    table = pl.DataFrame({name: ["1"] for name in reversed(NAMES)})
    assert ingest(tmp_path, table.write_csv().encode()).columns == NAMES[::-1]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator(tmp_path: Path, separator: str) -> None:
    content = HEADER.replace(",", separator) + separator.join("1234567") + "\n"
    table = ingest(tmp_path, content.encode(), separator=separator)
    assert table.row(0) == tuple("1234567")


def test_another_encoding_is_refused_then_read(tmp_path: Path) -> None:
    content = (HEADER + ROWS).encode("latin-1")
    text = refusal(tmp_path / "a", content)
    assert "expected raw/people.csv in utf-8, found other bytes in line 3" in text
    assert "set `ingest.encoding`; latin-1" in text
    assert ingest(tmp_path / "b", content, encoding="latin-1")["job"][1] == "Ärztin"


WRONG: dict[str, tuple[str | None, dict[str, Any], list[str]]] = {
    "missing file": (None, {}, ["ingest.source: expected a file at", "found none", "`dvc pull`"]),
    "a folder": (None, {"source": "raw"}, ["ingest.source: ", "raw"]),
    "empty": ("", {}, ["expected data in", "found an empty file", "`dvc checkout`"]),
    "blank": (" \n\n", {}, ["found an empty file"]),
    "header only": (HEADER, {}, ["expected rows in raw/people.csv, found a header alone"]),
    "column twice": (
        HEADER.replace("note", "age") + "1,2,3,4,5,6,7\n",
        {},
        ["raw/people.csv", "'age' 2 times"],
    ),
    "too many fields": (
        HEADER + ROWS + "1,2,3,4,5,6,7,8\n",
        {},
        ["expected 7 fields in line 4", "found 8"],
    ),
    "too few fields": (
        HEADER + "1,2,3\n" + ROWS,
        {},
        ["expected 7 fields in line 2", "found 3", "cut short?"],
    ),
    "cut short": ((HEADER + ROWS)[:-10], {}, ["expected 7 fields in line 3", "found 4"]),
    "blank line": (HEADER + "\n" + ROWS, {}, ["expected 7 fields in line 2", "found 0"]),
    "open quote": (HEADER + '1,2,"3,4,5,6,7\n' + ROWS, {}, ["raw/people.csv", "ingest.separator"]),
    "other separator": (HEADER.replace(",", ";"), {}, ["ingest"]),
    "unknown encoding": (
        HEADER + ROWS,
        {"encoding": "utf-9"},
        ["ingest.encoding: expected an encoding that Python knows, got 'utf-9'"],
    ),
    "long separator": (HEADER + ROWS, {"separator": ";;"}, ["ingest.separator", "';;'"]),
    "no separator": (HEADER + ROWS, {"separator": ""}, ["ingest.separator"]),
    "wide separator": (HEADER + ROWS, {"separator": "§"}, ["ingest.separator"]),
    "parquet that is none": (HEADER + ROWS, {"format": "parquet"}, ["to be a whole parquet file"]),
    "unknown protocol": (None, {"source": "nowhere://a"}, ["nowhere://a cannot be opened"]),
    "absent in memory": (None, {"source": "memory://absent.csv"}, ["memory://absent.csv"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(tmp_path: Path, case: str) -> None:
    content, settings, expected = WRONG[case]
    text = refusal(tmp_path, None if content is None else content.encode(), **settings)
    for words in expected:
        assert words in text


def test_values_are_not_printed(tmp_path: Path) -> None:
    assert "secret" not in refusal(tmp_path, (HEADER + "secret,1\n").encode())
    assert "secret" not in refusal(tmp_path, (HEADER + '1,2,"secret\n').encode())


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    make_project(tmp_path)
    table = pl.DataFrame({name: [1.5, None] for name in NAMES}).with_columns(job=pl.lit("ü"))
    table.write_parquet(tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    assert ingest(tmp_path / "a", content, source="raw/t.parquet").equals(table)
    assert ingest(tmp_path / "b", content, source="raw/t.dat", format="parquet").equals(table)
    for kept in (3, 12, len(content) // 2):
        text = refusal(tmp_path / str(kept), content[:kept], source="raw/t.parquet")
        assert "expected raw/t.parquet to be a whole parquet file" in text
        assert "cut short" in text


def test_a_url_is_opened(tmp_path: Path) -> None:
    with fsspec.open("memory://hallmark/people.csv", "wb") as stream:
        stream.write((HEADER + ROWS).encode())
    assert ingest(tmp_path, None, source="memory://hallmark/people.csv").height == 2


def test_an_answer_that_is_no_file_is_no_bug_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forbidden(Exception):
        """As aiohttp and botocore raise: no OSError."""

    def opened(*words: Any) -> Any:
        raise Forbidden("403, access denied")

    monkeypatch.setattr(fsspec, "open", opened)
    text = refusal(tmp_path, None, source="https://example.org/people.csv")
    assert "https://example.org/people.csv cannot be opened: 403, access denied" in text

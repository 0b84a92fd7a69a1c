"""Files as people bring them: what comes out of each, or the first line of the refusal."""

import csv
import gzip
import io
import random
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow
import pytest

from pipeline.core.errors import ProjectError
from pipeline.ingest import csv_fields
from pipeline.ingest.reading_settings import Reading
from pipeline.onboarding.reading.reading import detect, read, said
from tests.excel import write_workbook

TEXT = "age,job,pay\n39,clerk,40.5\n22,smith,1.5\n33,clerk,2\n"
ROWS = [("39", "clerk", "40.5"), ("22", "smith", "1.5"), ("33", "clerk", "2")]
JAPANESE = "名前,都市,年齢\n田中太郎,東京,39\n鈴木花子,大阪,22\n佐藤,カタカナ,33\n"
CHINESE = "姓名,城市,年龄\n张三,北京,39\n李四,上海,22\n王五,广州,33\n"
WESTERN = "name;city;age\nJürgen;Düsseldorf;39\nFrançois;Besançon;22\nJosé;Málaga;33\n"
POLISH = "imię;miasto;wiek\nŁukasz;Łódź;39\nMałgorzata;Gdańsk;22\n"
RUSSIAN = "имя,город,возраст\nИван,Москва,39\nМария,Казань,22\n"


def taken(folder: Path, content: bytes, name: str = "people.csv", **given: Any) -> pl.DataFrame:
    (folder / name).write_bytes(content)
    return read(name, Reading(**given), folder)


def detected(folder: Path, content: bytes, name: str = "people.csv") -> dict[str, Any]:
    (folder / name).write_bytes(content)
    return detect(folder / name)


def first_line(folder: Path, content: bytes, name: str = "people.csv", **given: Any) -> str:
    with pytest.raises(ProjectError) as caught:
        taken(folder, content, name, **given)
    return str(caught.value).splitlines()[0]


# What `detect` finds, and the rows that are then read.
FOUND: dict[str, tuple[str | bytes, dict[str, Any], list[tuple[Any, ...]]]] = {
    "nothing to say": (TEXT, {}, ROWS),
    "semicolons": (TEXT.replace(",", ";"), {"separator": ";"}, ROWS),
    "tabs": (TEXT.replace(",", "\t"), {"separator": "\t"}, ROWS),
    "bars": (TEXT.replace(",", "|"), {"separator": "|"}, ROWS),
    "colons": (TEXT.replace(",", ":"), {"separator": ":"}, ROWS),
    "a blank": (TEXT.replace(",", " "), {"separator": "whitespace"}, ROWS),
    "many blanks": (TEXT.replace(",", "   "), {"separator": "whitespace"}, ROWS),
    "blanks, tabs and quotes": (
        '18.0   8   307.0\t"chevrolet malibu"\n15.0   8   350.0\t"buick skylark"\n',
        {"separator": "whitespace", "header": False},
        [("18.0", "8", "307.0", "chevrolet malibu"), ("15.0", "8", "350.0", "buick skylark")],
    ),
    "decimal commas": (
        "a;b;c\n1,5;2,5;x\n2,5;3,5;y\n",
        {"separator": ";"},
        [("1,5", "2,5", "x"), ("2,5", "3,5", "y")],
    ),
    "decimal commas, no header": (
        "1,5;2,5;x\n2,5;3,5;y\n",
        {"separator": ";", "header": False},
        [("1,5", "2,5", "x"), ("2,5", "3,5", "y")],
    ),
    "lists in a field": ("id,tags\n1,a;b\n2,c;d\n", {}, [("1", "a;b"), ("2", "c;d")]),
    "times": ("id,at\n1,12:30:00\n2,13:30:00\n", {}, [("1", "12:30:00"), ("2", "13:30:00")]),
    "single quotes": (
        "a,b\n'x','y, z'\n'w','v'\n",
        {"quote": "single"},
        [("x", "y, z"), ("w", "v")],
    ),
    "inches": ('size,name\n5" x,a\n6" y,b\n7" z,c\n', {"quote": "none"}, [('5" x', "a")]),
    "a line end within quotes": ('a,b\n"x\ny",2\n"z",3\n', {}, [("x\ny", "2"), ("z", "3")]),
    "no header": (TEXT.partition("\n")[2], {"header": False}, ROWS),
    "no header, text alone": ("p,x,s\ne,x,s\ne,b,s\np,x,y\n", {"header": False}, [("p", "x", "s")]),
    "a header over text alone": ("name,city\nanna,rome\nbob,paris\n", {}, [("anna", "rome")]),
    "years as names": ("land,2019,2020\nA,1,2\nB,3,4\n", {}, [("A", "1", "2"), ("B", "3", "4")]),
    "a missing value first": ("age,pay\n?,1\n2,3\n4,5\n", {}, [("?", "1")]),
    "title lines": ("Report 2020\n\n" + TEXT, {"skip_lines": 2}, ROWS),
    "comments": ("# by A\n# at B\n" + TEXT, {"skip_lines": 2}, ROWS),
    "Excel's first line": (
        "sep=;\n" + TEXT.replace(",", ";"),
        {"separator": ";", "skip_lines": 1},
        ROWS,
    ),
    "row names of R": (
        "x y\na 1 2\nb 3 4\n",
        {"separator": "whitespace", "names": ["row_name", "x", "y"]},
        [("a", "1", "2"), ("b", "3", "4")],
    ),
    "blanks around names": (" a, b ,c\n 1,2,3\n", {}, [(" 1", "2", "3")]),
    "quotes as text, far down": (
        "a\tb\n" + "x\ty\n" * 600 + '5" x\t1\n',
        {"separator": "\t", "quote": "none"},
        [("x", "y")],
    ),
    "names in single quotes": (
        "'a' 'b'\n1 2\n",
        {"separator": "whitespace", "quote": "single"},
        [("1", "2")],
    ),
    "names twice": ("a,a,a_2\n1,2,3\n", {"duplicate_names": "number"}, [("1", "2", "3")]),
    "row names of pandas": (",a\n0,1\n1,3\n", {"duplicate_names": "number"}, [("0", "1")]),
    "carriage returns": (TEXT.replace("\n", "\r"), {}, ROWS),
    "both line ends": (TEXT.replace("\n", "\r\n"), {}, ROWS),
    "a byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), {}, ROWS),
    "UTF-16": (TEXT.encode("utf-16"), {"encoding": "utf-16"}, ROWS),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}, ROWS),
    "gzip": (gzip.compress(TEXT.encode()), {}, ROWS),
    "Western": (
        WESTERN.encode("cp1252"),
        {"encoding": "cp1252", "separator": ";"},
        [("Jürgen", "Düsseldorf", "39")],
    ),
    "Western on an old Mac": (
        WESTERN.encode("mac_roman"),
        {"encoding": "mac_roman", "separator": ";"},
        [("Jürgen", "Düsseldorf", "39"), ("François", "Besançon", "22")],
    ),
    "Polish": (
        POLISH.encode("cp1250"),
        {"encoding": "cp1250", "separator": ";"},
        [("Łukasz", "Łódź", "39")],
    ),
    "Russian": (RUSSIAN.encode("cp1251"), {"encoding": "cp1251"}, [("Иван", "Москва", "39")]),
    "Japanese": (
        JAPANESE.encode("shift_jis"),
        {"encoding": "cp932"},
        [("田中太郎", "東京", "39")],
    ),
    "Chinese": (CHINESE.encode("gb18030"), {"encoding": "gb18030"}, [("张三", "北京", "39")]),
}


@pytest.mark.parametrize("case", FOUND)
def test_a_file_is_read_as_it_is_written(tmp_path: Path, case: str) -> None:
    text, expected, rows = FOUND[case]
    content = text if isinstance(text, bytes) else text.encode()
    found = detected(tmp_path, content)
    assert found == expected
    table = taken(tmp_path, content, **found)
    assert set(table.dtypes) == {pl.String}
    assert table.rows()[: len(rows)] == rows


def test_names_are_the_files_or_numbers_or_a_persons(tmp_path: Path) -> None:
    assert taken(tmp_path, TEXT.encode()).columns == ["age", "job", "pay"]
    assert taken(tmp_path, b" a, b\n1,2\n").columns == ["a", "b"]
    assert taken(tmp_path, b"a,b\n1,2,3\n", names=("r", "a", "b")).columns == ["r", "a", "b"]
    rows = TEXT.partition("\n")[2].encode()
    assert taken(tmp_path, rows, header=False).columns == ["column_1", "column_2", "column_3"]
    assert taken(tmp_path, rows, header=False, names=("a", "b", "c")).columns == ["a", "b", "c"]
    odd = 'a,"a, b",a,,ü "x",a_2\n1,2,3,4,5,6\n'.encode()
    assert taken(tmp_path, odd, duplicate_names="number").columns == (
        ["a", "a, b", "a_3", "column_4", 'ü "x"', "a_2"]
    )


def test_what_was_taken_for_granted_is_said() -> None:
    text = "\n".join(said({"header": False, "encoding": "cp1252", "skip_lines": 2}))
    assert "`ingest.header: true` takes the first line for names" in text
    assert "taken for cp1252" in text
    assert "what stands above the header is left out (lines: 2)" in text
    assert said({"separator": ";"}) == []


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("data/people.csv", TEXT)
    packed = {
        "people.csv.gz": gzip.compress(TEXT.encode()),
        "people.zip": zipped.getvalue(),
        "people.csv.zst": pyarrow.compress(TEXT.encode(), codec="zstd", asbytes=True),
    }
    for name, content in packed.items():
        assert taken(tmp_path, content, name).rows() == ROWS
    for name, content in packed.items():
        kind = {"gz": "gzip", "st": "zstd", "ip": "zip"}[name[-2:]]
        message = first_line(tmp_path, content[: len(content) - 12], name)
        assert message.startswith(f"ingest.source: expected {name} to be a whole {kind} file")


def test_a_folder_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("b.csv", "a.csv"):
        (tmp_path / "raw" / name).write_text(f"x,y\n{name},1\n")
    (tmp_path / "raw/.hidden").write_text("no")
    assert read("raw", Reading(), tmp_path).rows() == [("a.csv", "1"), ("b.csv", "1")]
    assert detect(tmp_path / "raw") == {}
    (tmp_path / "raw/c.csv").write_text("x,z\nc,1\n")
    with pytest.raises(ProjectError) as caught:
        read("raw", Reading(), tmp_path)
    assert str(caught.value).splitlines() == [
        "ingest.source: expected the files of raw to have the same columns, "
        "found others in c.csv than in a.csv",
        "  - column 'y' is String in a.csv, absent in c.csv",
        "  - column 'z' is absent in a.csv, String in c.csv",
        "  hint: deliver them alike, or name one file",
    ]


def test_a_file_with_a_pattern_in_its_name_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a1.csv").write_text("x,y\n1,1\n")
    assert taken(tmp_path, b"x,y\n2,2\n", "a[1]*.csv").rows() == [("2", "2")]


REFUSED: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "a web page": (
        "<!DOCTYPE html>\n<html>",
        {},
        "ingest.source: expected csv in people.csv, found a web page",
    ),
    "JSON": ('[{"a": 1}]\n', {}, "ingest.source: expected csv in people.csv, found JSON"),
    "a pickle": (
        b"\x80\x04\x95abc\n",
        {},
        "ingest.source: expected csv in people.csv, found a Python pickle, which can run code",
    ),
    "parquet": (
        b"PAR1abcPAR1",
        {},
        "ingest.source: expected csv in people.csv, found a parquet file",
    ),
    "a DVC pointer": (
        "outs:\n- md5: 0\n",
        {},
        "ingest.source: expected csv in people.csv, found a DVC pointer, not the file",
    ),
    "an Excel workbook": (
        b"\xd0\xcf\x11\xe0\xa1\n",
        {},
        "ingest.source: expected csv in people.csv, found an Excel workbook",
    ),
    "NUL bytes": (
        TEXT + "1,\0,2\n",
        {},
        "ingest.source: expected text in people.csv, found a NUL byte in line 5",
    ),
    "another encoding, far down": (
        TEXT.encode() + b"1,\xe4,2\n",
        {},
        "ingest.source: expected people.csv in utf-8, found other bytes in line 5",
    ),
    "not in the encoding named": (
        TEXT.encode() + b"1,\x81,2\n",
        {"encoding": "cp1252"},
        "ingest.source: expected people.csv in cp1252, found other bytes in line 5",
    ),
    "no text encoding": (
        TEXT,
        {"encoding": "base64"},
        "ingest.encoding: expected an encoding that Python knows, got 'base64'",
    ),
    "a title": (
        "Report\n" + TEXT,
        {},
        "ingest.source: people.csv: expected 1 fields in line 2, as in the first, found 3",
    ),
    "row names of R": (
        "a,b\n1,2,3\n",
        {},
        "ingest.source: people.csv: expected 2 fields in line 2, as in the first, found 3",
    ),
    "another separator": (
        TEXT,
        {"separator": ";", "names": ("a", "b", "c")},
        "ingest.names: expected a name for each of the 1 columns of people.csv, got 3",
    ),
    "a blank line between rows": (
        TEXT + "\n1,2,3\n",
        {},
        "ingest.source: people.csv: expected 3 fields in line 5, as in the first, found 0",
    ),
    "a quote that never closes": (
        TEXT + '1,"2,3\n4,5,6\n',
        {},
        "ingest.source: people.csv cannot be read as csv: a quote that opens in line 5 or after "
        "it is never closed",
    ),
    "text after a quote": (
        TEXT + '1,"2"a,3\n',
        {},
        "ingest.source: people.csv cannot be read as csv: a quote in line 5 stands neither at the "
        "beginning nor at the end of its field",
    ),
    "quotes within fields": (
        TEXT + '1,2" x,3\n4,5" y,6\n',
        {},
        "ingest.source: people.csv cannot be read as csv: a quote in line 5 stands neither at the "
        "beginning nor at the end of its field",
    ),
    "names twice": (
        "a,b,a,b,c,a\n1,2,3,4,5,6\n",
        {},
        "ingest.source: people.csv: expected each column once, found 'a' 3 times",
    ),
    "empty names": (
        "a,,b,\n1,2,3,4\n",
        {},
        "ingest.source: people.csv: expected a name for each column, found none for columns 2, 4",
    ),
    "lines to skip": (
        TEXT,
        {"skip_lines": 9},
        "ingest.skip_lines: expected more than 9 lines in people.csv",
    ),
    "no rows": (
        "a,b\n",
        {},
        "ingest.source: expected rows in people.csv, found a header alone",
    ),
    "no workbook": (
        TEXT,
        {"format": "excel"},
        "ingest.source: expected people.csv to be an Excel workbook: found no workbook",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_in_words(tmp_path: Path, case: str) -> None:
    text, given, expected = REFUSED[case]
    content = text if isinstance(text, bytes) else text.encode()
    assert first_line(tmp_path, content, **given) == expected


def test_the_line_is_that_of_the_file_wherever_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (TEXT + '"4\n4",x,1\n' * 30 + "5,6\n" + '"4\n4",x,1\n').encode()
    for size in (1, 7, 64, 10**6):
        monkeypatch.setattr(csv_fields, "BLOCK_BYTES", size)
        assert "expected 3 fields in line 65" in first_line(tmp_path, content)


def test_any_csv_is_read_as_pythons_own_reader_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random fields of what is awkward, in blocks of a few bytes; each whole file and cut short."""
    rng = random.Random(0)  # noqa: S311 -- no secret
    for _ in range(150):
        monkeypatch.setattr(csv_fields, "BLOCK_BYTES", rng.choice([3, 20, 10**6]))
        width, end = rng.randint(2, 4), rng.choice(["\n", "\r\n"])
        rows = [
            [
                "".join(rng.choices(["a", "é", '"', ",", "\n", " "], k=rng.randint(0, 4)))
                for _ in "ab"
            ]
            + ["1"] * (width - 2)
            for _ in range(rng.randint(1, 5))
        ]
        stream = io.StringIO()
        csv.writer(stream, lineterminator=end).writerows([[*"wxyz"[:width]], *rows])
        text = stream.getvalue() + end * rng.choice([0, 0, 2])
        read_rows = [[cell or "" for cell in row] for row in taken(tmp_path, text.encode()).rows()]
        assert read_rows == rows
        if width > 2:  # without the last field
            cut = stream.getvalue().removesuffix(",1" + end)
            assert "people.csv" in first_line(tmp_path, cut.encode())


def test_types_become_those_that_the_pipeline_knows(tmp_path: Path) -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    table = pl.DataFrame(
        {
            "level": pl.Series(["a", "b"], dtype=pl.Categorical),
            "amount": pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)),
            "day": [date(2020, 1, 2), None],
            "at": pl.Series([moment, None], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(
                "Europe/Paris"
            ),
            "took": [timedelta(minutes=1.5), None],
            "clock": [time(1, 0, 0), None],
            "nothing": [None, None],
            "flag": [True, None],
            "count": [1, None],
        }
    )
    table.write_parquet(tmp_path / "t.dat")
    assert detect(tmp_path / "t.dat") == {"format": "parquet"}
    found = read("t.dat", Reading(format="parquet"), tmp_path)
    plain = datetime(2020, 1, 2, 3, 4, 5)
    assert found.row(0) == ("a", 1.5, date(2020, 1, 2), plain, 90.0, 3600.0, None, True, 1)
    assert found.schema["nothing"] == pl.String


def test_columns_of_several_values_are_refused_by_name(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [[1]], "b": [{"x": 1}], "c": [b"x"], "d": [1]})
    table.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ProjectError) as caught:
        read("t.parquet", Reading(), tmp_path)
    assert str(caught.value).splitlines()[:4] == [
        "ingest.source: t.parquet: expected numbers, text, booleans, dates or times in each "
        "column, found 3 of another kind",
        "  - column 'a' holds lists",
        "  - column 'b' holds structures",
        "  - column 'c' holds bytes",
    ]


SHEET = [("age", "job", "pay", "flag"), (39, "clerk", 40.5, True), (22, None, None, False)]


def test_a_sheet_keeps_its_types(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", {"People": SHEET})
    assert detect(tmp_path / "t.xlsx") == {}
    table = read("t.xlsx", Reading(), tmp_path)
    assert table.columns == ["age", "job", "pay", "flag"]
    assert table.dtypes == [pl.Int64, pl.String, pl.Float64, pl.Boolean]
    assert table.rows() == [(39, "clerk", 40.5, True), (22, None, None, False)]
    without = read("t.xlsx", Reading(header=False), tmp_path)
    assert (without.columns[0], without.height) == ("column_1", 3)


def test_title_rows_and_columns_without_a_value(tmp_path: Path) -> None:
    rows = [("Report",), (None,), ("a", "b", "c"), (1, None, "x"), (2.5, None, "y")]
    write_workbook(tmp_path / "t.xlsx", {"A": rows})
    found = detect(tmp_path / "t.xlsx")
    assert found == {"skip_lines": 2}
    table = read("t.xlsx", Reading(**found), tmp_path)
    assert table.to_dict(as_series=False) == {"a": [1, 2.5], "b": [None, None], "c": ["x", "y"]}
    assert table.dtypes == [pl.Float64, pl.String, pl.String]


def test_of_several_sheets_one_is_named(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", {"Notes": [("a",)], "People": SHEET, "Empty": []})
    with pytest.raises(ProjectError) as caught:
        read("t.xlsx", Reading(), tmp_path)
    assert str(caught.value).splitlines() == [
        "ingest.sheet: expected the name of one of the 3 sheets of t.xlsx, found none",
        "  hint: name one in project.yaml: its sheets are 'Notes', 'People', 'Empty'",
    ]
    assert detect(tmp_path / "t.xlsx") == {"sheet": "People"}
    assert read("t.xlsx", Reading(sheet="People"), tmp_path).height == 2
    content = (tmp_path / "t.xlsx").read_bytes()
    assert first_line(tmp_path, content, "t.xlsx", sheet="people") == (
        "ingest.sheet: expected a sheet of t.xlsx, got 'people'"
    )
    assert first_line(tmp_path, content, "t.xlsx", sheet="Empty") == (
        "ingest.sheet: expected rows in the sheet 'Empty' of t.xlsx, found none"
    )
    assert first_line(tmp_path, content, "t.csv") == (
        "ingest.source: expected csv in t.csv, found an Excel workbook"
    )
    assert detected(tmp_path, content, "t.csv") == {"format": "excel", "sheet": "People"}


def test_a_sheet_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", {"A": [("a", "b", "a"), (1, 2, 3)]})
    content = (tmp_path / "t.xlsx").read_bytes()
    assert first_line(tmp_path, content, "t.xlsx") == (
        "ingest.source: t.xlsx: expected each column once, found 'a' 2 times"
    )
    table = read("t.xlsx", Reading(duplicate_names="number"), tmp_path)
    assert table.to_dicts() == [{"a": 1, "b": 2, "a_2": 3}]

"""Broken deliveries: what a person reads, word for word."""

import gzip
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from tests.errors.broken import (
    HEADER,
    ROWS,
    Broken,
    Repository,
    check,
    edit,
    gone,
    make,
    said,
    whole,
)
from tests.excel import write_workbook

RULES = "      columns: {age: integer, hours: integer}"


def a_folder(made: Repository) -> None:
    made.raw.unlink()
    made.raw.mkdir()


def parquet_cut_short(made: Repository) -> None:
    content = io.BytesIO()
    pl.DataFrame({"age": [1, 2]}).write_parquet(content)
    made.raw.write_bytes(content.getvalue()[:-20])
    edit("project", "raw/people.csv", "raw/people.csv\n  format: parquet")(made)


def as_float(made: Repository, first: str) -> None:
    """The first age is `first`, and ages are read as floats."""
    made.raw.write_text(HEADER + ROWS.replace("20,", f"{first},"), encoding="utf-8")
    edit("project", "age: integer", "age: float")(made)


def a_bomb(made: Repository) -> None:
    made.raw.write_bytes(gzip.compress(b"1,2\n" * (2**24 + 2**10)))


def a_far_cell(made: Repository) -> None:
    write_workbook(made.raw, {"people": [["age", "job"], [30, "clerk"]]})
    with zipfile.ZipFile(made.raw) as archive:
        content = {one.filename: archive.read(one) for one in archive.infolist()}
    name = "xl/worksheets/s1.xml"
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    content[name] = content[name].replace(b"</sheetData>", far)
    with zipfile.ZipFile(made.raw, "w") as archive:
        for one, text in content.items():
            archive.writestr(one, text)
    edit("project", "raw/people.csv", "raw/people.csv\n  format: excel")(made)


def leads_out(made: Repository) -> None:
    (made.root / "secret.csv").write_text(HEADER + ROWS)
    edit("project", "raw/people.csv", "../../secret.csv")(made)


FILES: dict[str, Broken] = {
    "8: a gzip file that unpacks to far more": Broken(
        a_bomb,
        "ingest@people: ProjectError: ingest.max_ratio: expected raw/people.csv to unpack to at "
        "most 200 times its size, found 64.0 MiB or more from 63.7 KiB",
        "tables do not pack so well: is it the right file? if it is, unpack it yourself, or set a "
        "larger `ingest.max_ratio` in project.yaml",
    ),
    "8: a file beyond the project's own limit": Broken(
        edit("project", "raw/people.csv", "raw/people.csv\n  max_bytes: 100"),
        "ingest@people: ProjectError: ingest.max_bytes: expected at most 100 bytes in "
        "raw/people.csv, unpacked, found more",
        "is it the right file? if it is, `hallmark init` a part of it, then set a larger "
        "`ingest.max_bytes` in project.yaml",
    ),
    "8: a workbook with a cell far away": Broken(
        a_far_cell,
        "ingest@people: ProjectError: ingest.source: expected a table in xl/worksheets/s1.xml of "
        "raw/people.csv, found 5 filled cells spread as far as XFD1048576: 17,179,869,184 cells "
        "would be read",
        "a cell far from the others was filled by mistake: delete its row or column, save the "
        "workbook again; or set a larger `ingest.max_ratio`",
    ),
    "10: a source outside of the project": Broken(
        leads_out,
        "ingest@people: ProjectError: ingest.source: expected a file below the project's folder, "
        "got a path that leads out of it: ../../secret.csv",
        "copy it to raw/, where DVC keeps it, and name it there; or set `ingest.external: true`, "
        "and know that DVC does not see when it changes",
    ),
    "no file": Broken(
        gone("raw"),
        "ingest@people: ProjectError: ingest.source: expected a file at "
        "data/people/raw/people.csv, found none",
        "`dvc pull` fetches raw data; or correct `ingest.source` in project.yaml",
    ),
    "a folder without files": Broken(
        a_folder,
        "ingest@people: ProjectError: ingest.source: expected files in the folder "
        "data/people/raw/people.csv, found none",
        "`dvc pull` fetches raw data; or correct `ingest.source` in project.yaml",
    ),
    "an empty file": Broken(
        whole("raw", ""),
        "ingest@people: ProjectError: ingest.source: expected data in "
        "data/people/raw/people.csv, found an empty file",
        "`dvc checkout` restores a raw file that DVC knows",
    ),
    "a header alone": Broken(
        whole("raw", HEADER),
        "ingest@people: ProjectError: ingest.source: expected rows in raw/people.csv, "
        "found a header alone",
        "was the delivery cut short? ask for it again",
    ),
    "bytes of a program": Broken(
        whole("raw", bytes(range(256)) * 8),
        "ingest@people: ProjectError: ingest.source: expected text in raw/people.csv, "
        "found a NUL byte in line 1",
        "a text in UTF-16 has them: set `ingest.encoding: utf-16`; else the file was "
        "damaged on its way: ask for it again",
    ),
    "a damaged zip file": Broken(
        whole("raw", b"PK\x03\x04" + bytes(200)),
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv to be a whole "
        "zip file: File is not a zip file",
        "was the delivery cut short? compare its size with the sender's",
    ),
    "a damaged gzip file": Broken(
        whole("raw", b"\x1f\x8b\x08\x00" + bytes(200)),
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv to be a whole "
        "gzip file: Error -3 while decompressing data: invalid stored block lengths",
        "was the delivery cut short? compare its size with the sender's",
    ),
    "a web page": Broken(
        whole("raw", "<!DOCTYPE html>\n<html><body>Please sign in</body></html>\n"),
        "ingest@people: ProjectError: ingest.source: expected csv in raw/people.csv, found "
        "a web page",
        "a log-in or error page was saved in place of the file: download it again",
    ),
    "JSON": Broken(
        whole("raw", '[{"age": 1}]\n'),
        "ingest@people: ProjectError: ingest.source: expected csv in raw/people.csv, found JSON",
        "have it written as csv or parquet",
    ),
    "cut short": Broken(
        whole("raw", (HEADER + ROWS)[:-12]),
        "ingest@people: ProjectError: ingest.source: raw/people.csv: expected 6 fields in "
        "line 13, as in the first, found 4",
        "was the delivery cut short? is `ingest.separator` right?",
    ),
    "semicolons": Broken(
        whole("raw", (HEADER + ROWS).replace(",", ";")),
        "ingest@people: ProjectError: ingest.source: raw/people.csv: expected fields with "
        "',' between them in the first line, found one field with 5 times ';' in it",
        'set `ingest.separator: ";"`',
    ),
    "tabs": Broken(
        whole("raw", (HEADER + ROWS).replace(",", "\t")),
        "ingest@people: ProjectError: ingest.source: raw/people.csv: expected fields with "
        "',' between them in the first line, found one field with 5 times '\\t' in it",
        'set `ingest.separator: "\\t"`',
    ),
    "another encoding": Broken(
        whole("raw", (HEADER + ROWS.replace("nurse", "Ärztin")).encode("latin-1")),
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv in utf-8, "
        "found other bytes in line 4",
        "set `ingest.encoding`; latin-1 and cp1252 are the usual others",
    ),
    "UTF-16": Broken(
        whole("raw", (HEADER + ROWS).encode("utf-16")),
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv in utf-8, "
        "found other bytes in line 1",
        "it begins as a text in utf-16 does: set `ingest.encoding: utf-16`",
    ),
    "a column twice": Broken(
        whole("raw", (HEADER + ROWS).replace("note", "age", 1)),
        "ingest@people: ProjectError: ingest.source: raw/people.csv: expected each column "
        "once, found 'age' 2 times",
        "rename or leave out the other one at its source, or set `ingest.duplicate_names: "
        "number`, which calls the second one 'age_2'",
    ),
    "a field too many": Broken(
        whole("raw", HEADER + ROWS + "1,2,3,4,5,6,7\n"),
        "ingest@people: ProjectError: ingest.source: raw/people.csv: expected 6 fields in "
        "line 14, as in the first, found 7",
        "was the delivery cut short? is `ingest.separator` right?",
    ),
    "fields too few": Broken(
        whole("raw", HEADER + "1,2\n" + ROWS),
        "ingest@people: ProjectError: ingest.source: raw/people.csv: expected 6 fields in "
        "line 2, as in the first, found 2",
        "was the delivery cut short? is `ingest.separator` right?",
    ),
    "an open quote": Broken(
        whole("raw", HEADER + '1,"2,3,4,5,6\n' + ROWS),
        "ingest@people: ProjectError: ingest.source: raw/people.csv cannot be read as csv: "
        "a quote that opens in line 2 or after it is never closed",
        "was the delivery cut short? `ingest.quote: none` takes quotes as text; is "
        "`ingest.separator` right?",
    ),
    "zeros at the end of a file": Broken(
        whole("raw", HEADER + ROWS + "\0" * 50),
        "ingest@people: ProjectError: ingest.source: expected text in raw/people.csv, "
        "found a NUL byte in line 14",
        "a text in UTF-16 has them: set `ingest.encoding: utf-16`; else the file was "
        "damaged on its way: ask for it again",
    ),
    "an unknown encoding": Broken(
        edit("project", "raw/people.csv", "raw/people.csv\n  encoding: utf-9"),
        "ingest@people: ProjectError: ingest.encoding: expected an encoding that Python "
        "knows, got 'utf-9'",
        "for instance utf-8, latin-1, cp1252",
    ),
    "a separator of two signs": Broken(
        edit("project", "raw/people.csv", "raw/people.csv\n  separator: ';;'"),
        "ingest@people: ProjectError: data/people/project.yaml: ingest.separator: expected "
        "other text, got ';;'",
        "`separator`: What stands between two fields of a csv: one ASCII character, or "
        "`whitespace` for blanks and tabs, however many.",
    ),
    "parquet cut short": Broken(
        parquet_cut_short,
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv to be a whole "
        "parquet file: its end is missing",
        "was the delivery cut short? compare its size with the sender's",
    ),
    "csv that is called parquet": Broken(
        edit("project", "raw/people.csv", "raw/people.csv\n  format: parquet"),
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv to be a whole "
        "parquet file, found other bytes",
        "is it csv? set `ingest.format: csv`",
    ),
    "csv that is called Excel": Broken(
        edit("project", "raw/people.csv", "raw/people.csv\n  format: excel"),
        "ingest@people: ProjectError: ingest.source: expected raw/people.csv to be an "
        "Excel workbook: found no workbook",
        "was it cut short, or is it protected with a password? save it again without",
    ),
    "an unknown protocol": Broken(
        edit("project", "raw/people.csv", "nowhere://a/b.csv"),
        "ingest@people: ProjectError: ingest.source: nowhere://a/b.csv cannot be opened: "
        "Protocol not known: nowhere",
        "is the address right, and does this machine have the rights to read it?",
    ),
}

VALUES: dict[str, Broken] = {
    "a row without a label": Broken(
        whole("raw", (HEADER + ROWS).replace("low\n", "\n", 1)),
        "clean@people: ProjectError: columns.target: expected a label in every row of "
        "'income', 1 of 12 have none",
        "add a rule `drop_missing` with this column under `clean.rules`",
    ),
    "a target of one value": Broken(
        whole("raw", HEADER + ROWS.replace("low", "high")),
        "clean@people: ProjectError: columns.target: expected at least two classes in "
        "'income', found 1",
        "is it the right column? was the delivery filtered by it? do `clean.rules` replace "
        "all its values by one?",
    ),
    "a positive value that is absent": Broken(
        edit("project", "positive: high", 'positive: ">50K"'),
        "clean@people: ProjectError: columns.positive: expected a value of 'income', got "
        "'>50K'; its values after cleaning are 'high', 'low'",
        "set `columns.positive` to one of them, or repair the values under `clean.rules`",
    ),
    "text among numbers": Broken(
        whole("raw", HEADER + ROWS.replace("20,", "twenty,")),
        "clean@people: ProjectError: clean rule 'numbers' (cast): expected values that can be read",
        "put a rule before it that repairs them (strip_whitespace, missing_codes, "
        "replace), say how they are written (`decimal`, `formats`), or set `on_failure: "
        "missing`",
        ("age: 1 of 12 values are no integer",),
    ),
    "numbers that stayed text": Broken(
        edit("project", "{age: integer, hours: integer}", "{age: integer}"),
        "clean@people: ProjectError: columns.numeric: expected numbers in 'hours' after "
        "cleaning, found String",
        "add a rule `cast` for 'hours' under `clean.rules`, or name it under `columns.categorical`",
    ),
    "an infinite number": Broken(
        lambda made: as_float(made, "inf"),
        "clean@people: ProjectError: clean rule 'numbers' (cast): expected values that can be read",
        "put a rule before it that repairs them (strip_whitespace, missing_codes, "
        "replace), say how they are written (`decimal`, `formats`), or set `on_failure: "
        "missing`",
        ("age: 1 of 12 values are no float",),
    ),
    "a decimal comma": Broken(
        lambda made: as_float(made, '"20,5"'),
        "clean@people: ProjectError: clean rule 'numbers' (cast): expected values that can be read",
        "put a rule before it that repairs them (strip_whitespace, missing_codes, "
        "replace), say how they are written (`decimal`, `formats`), or set `on_failure: "
        "missing`",
        ("age: 1 of 12 values are no float",),
    ),
    "all rows dropped": Broken(
        edit(
            "project",
            RULES,
            RULES + '\n    - {name: dash, rule: missing_codes, columns: [note], codes: ["-"]}\n'
            "    - {name: all, rule: drop_missing, columns: [note]}",
        ),
        "clean@people: ProjectError: expected rows after cleaning, found none",
        "a rule under `clean.rules` dropped them all; the rules that drop rows are "
        "drop_missing, drop_duplicates and outside_range with `action: drop_row`",
    ),
    "one group alone": Broken(
        whole("raw", HEADER + ROWS.replace("female", "male")),
        "clean@people: ProjectError: columns.sensitive: expected at least two groups in "
        "'sex', found 1",
        "there is nothing to compare: move 'sex' to `columns.drop` with the reason, or ask "
        "for a delivery with all groups",
    ),
    "a rule for a column that is absent": Broken(
        edit("project", "{age: integer, hours: integer}", "{agee: integer, hours: integer}"),
        "clean@people: ProjectError: clean rule 'numbers' (cast): expected a column "
        "'agee', found none",
        "did you mean `age`?",
    ),
    "a range of text": Broken(
        edit(
            "project",
            RULES,
            RULES + "\n    - {name: range, rule: outside_range, column: job, min: 3}",
        ),
        "clean@people: ProjectError: clean rule 'range' (outside_range): expected numbers "
        "in 'job', found String",
        "put a `cast` rule before it",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    FILES[case].breaks(make(tmp_path))
    check(FILES[case], *said(capfd, "ingest", "people"))


@pytest.mark.parametrize("case", VALUES)
def test_a_table_that_nothing_can_be_learnt_from(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    VALUES[case].breaks(make(tmp_path))
    assert said(capfd, "ingest", "people") == (0, "")
    check(VALUES[case], *said(capfd, "clean", "people"))

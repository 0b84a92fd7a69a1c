"""A few kilobytes that unpack to gigabytes are refused in words, before memory or disk is taken."""

import bz2
import gzip
import io
import lzma
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import ProjectError
from pipeline.ingest import apart, limits, parquet_sizes
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.source import opened
from tests.excel import MAIN, write_workbook

MEGABYTE = 2**20
CSV = b"a,b\n" + b"1,2\n" * 50_000
CELLS = ['<c r="A{row}"><v>{row}</v></c>', '<c r="B{row}"><v>7{row}</v></c>']


def read(file: Path, **settings: Any) -> pl.DataFrame:
    with opened(file.name, Reading(**settings), file.parent) as found:
        return found.table.collect()


def refusal(file: Path, **settings: Any) -> str:
    with pytest.raises(ProjectError) as caught:
        read(file, **settings)
    return str(caught.value)


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", content)
    return target.getvalue()


def in_zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": in_zstd,
    "zip": zipped,
}


@pytest.mark.parametrize("kind", PACKED)
def test_8_a_packed_csv_is_refused_by_its_true_size(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"people.csv.{kind}"
    file.write_bytes(PACKED[kind](CSV))
    assert read(file).height == 50_000
    text = refusal(file, max_bytes=len(CSV) - 1)
    assert text.startswith("ingest.max_bytes: expected at most 195.3 KiB in people.csv.")
    assert "`ingest.max_bytes`" in text.splitlines()[-1]


@pytest.mark.parametrize("kind", PACKED)
def test_8_a_decompression_bomb_is_refused_and_next_to_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / f"people.csv.{kind}"
    file.write_bytes(PACKED[kind](CSV * 5))
    monkeypatch.setattr(limits, "ALWAYS_BYTES", 2**16)
    monkeypatch.setattr(limits.Allowance.check_ratio, "__defaults__", (2**16,))
    monkeypatch.setattr("pipeline.ingest.csv_text.BLOCK_BYTES", 2**14)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    text = refusal(file, max_ratio=3)
    assert "to unpack to at most 3 times its size" in text
    assert "unpack it yourself, or set a larger `ingest.max_ratio`" in text
    assert not list(scratch.iterdir())


def test_8_a_table_that_packs_well_is_no_bomb(tmp_path: Path) -> None:
    file = tmp_path / "people.csv.gz"
    file.write_bytes(gzip.compress(CSV * 5))  # 1 MB of 3 kB
    assert read(file).height == 5 * 50_001 - 1


def test_8_the_files_of_a_folder_are_counted_together(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in "xyz":
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(CSV))
    assert read(folder, max_bytes=3 * len(CSV)).height == 150_000
    assert "expected at most 585.9 KiB in raw" in refusal(folder, max_bytes=3 * len(CSV) - 1)


def test_8_an_xz_that_asks_for_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**29}]
    file = tmp_path / "people.csv.xz"
    with lzma.open(file, "wb", filters=filters) as stream:
        stream.write(CSV)
    assert "Memory usage limit" in refusal(file)


def test_8_an_xz_of_several_streams_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "people.csv.xz"
    file.write_bytes(lzma.compress(CSV) + bytes(4) + lzma.compress(b"3,4\n"))
    assert read(file).row(-1) == ("3", "4")
    file.write_bytes(file.read_bytes()[:-20])
    assert "to be a whole xz file" in refusal(file)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", [0, 2])
def test_8_a_line_without_end_is_refused_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, packed: bool
) -> None:
    for module in ("csv_fields", "csv_text"):
        monkeypatch.setattr(f"pipeline.ingest.{module}.MAX_RECORD_BYTES", 2**16)
    for module in ("csv_fields", "csv_text", "csv_reading"):
        monkeypatch.setattr(f"pipeline.ingest.{module}.BLOCK_BYTES", 2**14)
    lines = [b"a,b", b"1,2", b"3,4"]
    lines[place] = b"x" * 2**18
    content = b"\n".join(lines) + b"\n"
    file = tmp_path / ("people.csv.gz" if packed else "people.csv")
    file.write_bytes(gzip.compress(content) if packed else content)
    text = refusal(file)
    assert "expected lines of at most" in text
    assert f"line {place + 1}" in text


def test_8_a_header_of_more_columns_than_any_table_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(b"a," * 100_000 + b"b\n" + b"1," * 100_000 + b"2\n")
    assert "expected at most 100,000 columns in people.csv, found 100,001" in refusal(file)


def workbook(file: Path, sheet: str, **members: bytes) -> Path:
    """A workbook whose sheet has this XML, and with further members."""
    write_workbook(file, {"people": []})
    with zipfile.ZipFile(file) as archive:
        content = {one.filename: archive.read(one) for one in archive.infolist()}
    content["xl/worksheets/s1.xml"] = sheet.encode()
    content |= {name.replace("__", "/"): value for name, value in members.items()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    return file


def sheet_of(rows: str, before: str = "") -> str:
    cells = f"<sheetData>{rows}</sheetData>"
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}">{cells}</worksheet>'


def rows_of(num_rows: int) -> str:
    return "".join(
        f'<row r="{row}">{"".join(CELLS).format(row=row)}</row>' for row in range(1, num_rows + 1)
    )


FAR = {
    "a far corner": ('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "XFD1048576"),
    "a far row": ('<row r="1048576"><c r="A1048576"><v>1</v></c></row>', "B1048576"),
    "a far column": ('<row r="500"><c r="XFD500"><v>1</v></c></row>', "XFD500"),
    "a far text": (
        '<row r="500"><c r="XFD500" t="inlineStr"><is><t>x</t></is></c></row>',
        "XFD500",
    ),
    "another prefix": (
        '<x:row xmlns:x="y" r="9"><x:c r="XFD1048576"><x:v>1</x:v></x:c></x:row>',
        "XFD1048576",
    ),
    "cells without addresses": (
        "<row>" + "<c/>" * 9_999 + "<c><v>1</v></c></row>",
        "NTP401",
    ),
    "a row that lies": ('<row r="3"><c r="A1048576"><v>1</v></c></row>', "B1048576"),
}


@pytest.mark.parametrize("case", FAR)
def test_8_a_cell_far_from_the_others_is_named(tmp_path: Path, case: str) -> None:
    more, last = FAR[case]
    file = workbook(tmp_path / "people.xlsx", sheet_of(rows_of(400) + more))
    text = refusal(file)
    assert f"spread as far as {last}: " in text
    assert "delete its row or column" in text


def test_8_what_a_sheet_states_of_its_size_counts_for_nothing(tmp_path: Path) -> None:
    sheet = sheet_of(rows_of(400)).replace(
        "<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>'
    )
    assert read(workbook(tmp_path / "people.xlsx", sheet)).shape == (399, 2)


def test_8_styled_cells_without_values_are_none(tmp_path: Path) -> None:
    more = '<row r="1048576"><c r="XFD1048576" s="0"/></row>'
    file = workbook(tmp_path / "people.xlsx", sheet_of(rows_of(400) + more))
    assert read(file).shape == (399, 2)


def test_8_a_sheet_of_more_cells_than_are_allowed_is_refused(tmp_path: Path) -> None:
    file = workbook(tmp_path / "people.xlsx", sheet_of(rows_of(400)))
    assert "expected at most 799 cells" in refusal(file, max_cells=799)
    assert read(file, max_cells=800).height == 399


ENTITIES = '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
BROKEN = {
    "entities": (sheet_of(rows_of(3), ENTITIES), "a document type"),
    "an external entity": (sheet_of(rows_of(3), EXTERNAL), "a document type"),
    "cut short": (sheet_of(rows_of(3))[:-40], "to be a whole Excel workbook"),
    "a tag left open": (
        sheet_of(rows_of(3) + '<row r="4"><c r="A4"><v>1</v>'),
        "to be a whole Excel workbook",
    ),
    "an address that is none": (sheet_of('<row><c r="?"><v>1</v></c></row>'), "a whole Excel"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_8_a_workbook_of_damaged_or_dangerous_xml_is_refused(tmp_path: Path, case: str) -> None:
    sheet, words = BROKEN[case]
    assert words in refusal(workbook(tmp_path / "people.xlsx", sheet))


def test_8_entities_are_refused_in_every_member(tmp_path: Path) -> None:
    strings = f'<?xml version="1.0"?>{ENTITIES}<sst xmlns="{MAIN}"/>'.encode()
    file = workbook(
        tmp_path / "people.xlsx", sheet_of(rows_of(3)), **{"xl__sharedStrings.xml": strings}
    )
    assert "a document type in xl/sharedStrings.xml" in refusal(file)


def test_8_a_sheet_behind_the_name_of_a_picture_is_refused(tmp_path: Path) -> None:
    far = sheet_of(FAR["a far corner"][0]).encode()
    file = workbook(
        tmp_path / "people.xlsx", sheet_of(rows_of(3)), **{"xl__media__image1.png": far}
    )
    assert "a sheet lies in xl/media/image1.png" in refusal(file)


@pytest.mark.parametrize("lies", [False, True])
def test_8_a_member_that_unpacks_without_end_is_refused_whatever_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lies: bool
) -> None:
    monkeypatch.setattr(limits.Allowance.check_ratio, "__defaults__", (MEGABYTE,))
    for module in ("workbook_sizes", "delivery"):
        monkeypatch.setattr(f"pipeline.ingest.{module}.BLOCK_BYTES", 2**14)
    content = b"<sst><si><t>" + b"a" * 8 * MEGABYTE + b"</t></si></sst>"
    file = workbook(
        tmp_path / "people.xlsx", sheet_of(rows_of(3)), **{"xl__sharedStrings.xml": content}
    )
    if lies:
        packed = bytearray(file.read_bytes())
        struct.pack_into("<I", packed, packed.rfind(b"PK\x01\x02") + 24, 100)
        file.write_bytes(packed)
    tracemalloc.start()
    text = refusal(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text.startswith("ingest.max_ratio: expected people.xlsx to unpack to at most 200 times")
    assert peak < 2 * MEGABYTE


def ods(file: Path, rows: str) -> Path:
    content = (
        '<?xml version="1.0"?><office:document-content xmlns:office="o" xmlns:table="t" '
        'xmlns:text="x"><office:body><office:spreadsheet><table:table table:name="s">'
        f"{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    return file


def ods_row(*values: int | str, repeated: int = 1, before: int = 0) -> str:
    empty = f'<table:table-cell table:number-columns-repeated="{before}"/>' if before else ""
    cells = "".join(
        f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}'
        "</text:p></table:table-cell>"
        if isinstance(value, int)
        else '<table:table-cell office:value-type="string"><text:p>'
        f"{value}</text:p></table:table-cell>"
        for value in values
    )
    return (
        f'<table:table-row table:number-rows-repeated="{repeated}">{empty}{cells}</table:table-row>'
    )


def test_8_repeated_rows_of_an_open_document_are_counted(tmp_path: Path) -> None:
    table = ods_row("a", "b") + "".join(ods_row(row, row % 2) for row in range(99))
    rest = (
        '<table:table-row table:number-rows-repeated="1048000">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    file = tmp_path / "people.ods"
    assert read(ods(file, table + rest)).shape == (99, 2)
    assert "as far as B1000100" in refusal(ods(file, table + ods_row(1, repeated=1_000_000)))
    assert "as far as NTQ1048101" in refusal(ods(file, table + rest + ods_row(1, before=10_000)))


def test_8_a_binary_workbook_whose_reader_gives_up_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "people.xls"
    file.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 1016)
    assert "people.xls" in refusal(file)


def test_8_a_binary_workbook_is_read_apart_as_here(tmp_path: Path) -> None:
    file = tmp_path / "people.xlsx"
    write_workbook(file, {"one": [["a"]], "two": [["a", "b"], [1, "x"], [2, None]]})
    table = apart.sheet(file, Reading(sheet="two"), "people.xlsx")
    assert table.equals(read(file, sheet="two"))


@pytest.mark.slow
def test_8_what_is_found_apart_comes_back_and_so_does_a_refusal(tmp_path: Path) -> None:
    file = tmp_path / "people.xlsx"
    write_workbook(file, {"one": [["a"]], "two": [["a", "b"], [1, "x"], [2, None]]})
    assert apart.best_sheet(file, Reading(), "people.xlsx") == {"sheet": "two"}
    with pytest.raises(ProjectError, match=r"ingest.sheet: expected a sheet of people.xlsx"):
        apart.sheet(file, Reading(sheet="three"), "people.xlsx")


def test_8_a_reader_apart_that_is_not_done_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "WAIT_S", 0.01)
    with pytest.raises(ProjectError, match="its reader was not done"):
        apart.sheet(tmp_path / "people.xls", Reading(), "people.xls")


@pytest.mark.slow
def test_8_a_reader_that_takes_too_much_memory_ends_apart(tmp_path: Path) -> None:
    file = workbook(tmp_path / "people.xlsx", sheet_of(rows_of(1) + FAR["a far corner"][0]))
    with pytest.raises(ProjectError, match=r"can be read in 4.0 GiB of memory"):
        apart.sheet(file, Reading(), "people.xlsx")


def test_8_rows_that_a_parquet_file_hardly_has_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    pq.write_table(pa.table({"a": [1] * 50_000}), file, compression="zstd")
    assert file.stat().st_size < 1_000
    assert read(file, max_bytes=400_000).height == 50_000
    assert "ingest.max_bytes" in refusal(file, max_bytes=400_000 - 1)


def test_8_a_long_text_that_stands_in_many_rows_is_counted_in_each(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["x" * MEGABYTE])
    pq.write_table(pa.table({"a": texts}), file, compression="zstd")
    assert file.stat().st_size < 10_000
    text = refusal(file)
    assert text.startswith("ingest.max_ratio: expected people.parquet to unpack to at most 200")
    assert "found 9.8 GiB or more" in text


def test_8_a_page_that_unpacks_to_far_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits.Allowance.check_ratio, "__defaults__", (MEGABYTE,))
    file = tmp_path / "people.parquet"
    table = pa.table({"a": ["x" * 2**16] * 64})
    pq.write_table(table, file, compression="zstd", use_dictionary=False, data_page_size=2**27)
    assert "found 4.0 MiB or more from" in refusal(file)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "brotli", "lz4", "none"])
def test_8_the_pages_of_every_usual_writer_are_understood(
    tmp_path: Path, version: str, compression: str
) -> None:
    file = tmp_path / "people.parquet"
    table = pa.table({"a": [str(n % 300) for n in range(5_000)], "b": list(range(5_000))})
    pq.write_table(table, file, compression=compression, data_page_version=version)
    assert read(file).height == 5_000


def test_8_a_page_header_that_is_none_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    pq.write_table(pa.table({"a": list(range(100))}), file)
    content = bytearray(file.read_bytes())
    content[4:30] = b"\xff" * 26
    file.write_bytes(content)
    assert "to be a whole parquet file" in refusal(file)


def test_8_an_image_larger_than_any_is_refused_unread(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    (folder / "cat").mkdir(parents=True)
    with (folder / "cat/1.png").open("wb") as stream:
        stream.truncate(2**40)  # it takes no room
    assert "in raw/cat/1.png, found 1.0 TiB" in refusal(folder, format="images")
    with (folder / "cat/1.png").open("wb") as stream:
        stream.truncate(100)
    assert "ingest.max_bytes" in refusal(folder, format="images", max_bytes=99)


def test_8_a_download_is_counted_as_it_comes(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://hallmark/large.csv", "wb") as stream:
        stream.write(CSV)
    settings = Reading(max_bytes=1000)
    with (
        pytest.raises(ProjectError, match=r"ingest\.max_bytes"),
        opened("memory://hallmark/large.csv", settings, tmp_path),
    ):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["people.csv.zip", "people.xlsx"])
def test_8_a_zip_that_cannot_be_unpacked_in_parts_is_refused(
    tmp_path: Path, name: str, method: int
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
        archive.writestr("people.csv", CSV)
    text = refusal(tmp_path / name)
    assert f"expected the archive {name} to be packed with deflate" in text
    assert "unpack it yourself" in text


@pytest.mark.parametrize("end", [b"\x01", b"\x9c", b"\xda"])
@pytest.mark.parametrize("packed", [False, True])
def test_8_a_zlib_stream_is_refused_before_polars_unpacks_it(
    tmp_path: Path, end: bytes, packed: bool
) -> None:
    content = b"x" + end + (b"\x80" if end == b"\xda" else b"") + b",b\n1,2\n"
    file = tmp_path / ("people.csv.gz" if packed else "people.csv")
    file.write_bytes(gzip.compress(content) if packed else content)
    text = refusal(file)
    assert "a zlib stream" in text or (packed and "utf-8" in text)


def test_8_delta_texts_count_as_long_as_they_can_be(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    for text, num_rows in (("x" * 100, 500), ("x" * 10_000, 3_000)):
        pq.write_table(
            pa.table({"a": [text] * num_rows}),
            file,
            use_dictionary=False,
            column_encoding={"a": "DELTA_BYTE_ARRAY"},
        )
        if num_rows == 500:
            assert read(file).height == num_rows
    assert file.stat().st_size < 50_000
    assert "ingest.max_bytes" in refusal(file, max_bytes=30_000_000)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_8_bytes_of_one_length_count_in_each_row(tmp_path: Path, version: str) -> None:
    file = tmp_path / "people.parquet"
    values = pa.array([b"x" * 10_000] * 3_000, pa.binary(10_000))
    pq.write_table(pa.table({"image": values}), file, data_page_version=version)
    text = refusal(file, max_bytes=30_000_000)
    assert text.startswith("ingest.max_bytes")


def test_8_a_number_without_end_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    pq.write_table(pa.table({"a": list(range(100_000))}), file, compression="none")
    content = bytearray(file.read_bytes())
    content[4:60_000] = b"\x15" + b"\xff" * 59_995
    file.write_bytes(content)
    assert "a number larger than any" in refusal(file)


def test_8_a_page_of_fewer_values_than_none_is_damage() -> None:
    with pytest.raises(ValueError, match="no number of values"):
        parquet_sizes._values({1: 0, 5: {1: -1, 2: 0}})


@pytest.mark.parametrize(
    "row",
    [
        f'<row><c r="{"Z" * 100_000}1"><v>1</v></c></row>',
        f'<row><c r="A{"1" * 1000}"><v>1</v></c></row>',
        f'<row r="{"1" * 1000}"><c><v>1</v></c></row>',
    ],
)
def test_8_an_address_longer_than_any_is_damage(tmp_path: Path, row: str) -> None:
    text = refusal(workbook(tmp_path / "people.xlsx", sheet_of(row)))
    assert "to be a whole Excel workbook" in text
    assert len(text) < 500

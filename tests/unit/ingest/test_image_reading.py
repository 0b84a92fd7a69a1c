"""Images come in a parquet file, as Hugging Face has them, or as a folder of files by class."""

import re
from pathlib import Path

import polars as pl
import pytest

from pipeline.core.errors import ProjectError
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.source import opened
from pipeline.onboarding.reading.reading import read
from tests.images import png, rows

FOLDER = Reading(format="images")


def placed(home: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (home / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "raw" / name).write_bytes(content)


def test_a_structure_of_bytes_and_path_becomes_bytes(tmp_path: Path) -> None:
    table = rows([png(1), None, png(2)])
    path = pl.lit(None, dtype=pl.String).alias("path")
    nested = table.with_columns(pl.struct(pl.col("image").alias("bytes"), path).alias("image"))
    nested.write_parquet(tmp_path / "clothes.parquet")
    assert read("clothes.parquet", Reading(), tmp_path, ("image",)).equals(table)


def test_bytes_stay_and_no_other_column_may_be_bytes(tmp_path: Path) -> None:
    table = rows([png(1)])
    table.write_parquet(tmp_path / "clothes.parquet")
    assert read("clothes.parquet", Reading(), tmp_path, ("image",)).equals(table)
    with pytest.raises(ProjectError) as refused:
        read("clothes.parquet", Reading(), tmp_path)
    assert "column 'image' holds bytes" in str(refused.value)
    assert "`columns.image` names the one of bytes" in str(refused.value)


def test_paths_alone_and_texts_are_no_images(tmp_path: Path) -> None:
    bare = pl.DataFrame({"image": [{"bytes": None, "path": "a.png"}, {"bytes": b"", "path": None}]})
    bare.write_parquet(tmp_path / "bare.parquet")
    with pytest.raises(ProjectError, match=r"bytes of each image in 'image'.*found 1 paths alone"):
        read("bare.parquet", Reading(), tmp_path, ("image",))
    (tmp_path / "names.csv").write_text("image,label\na.png,x\n")
    with pytest.raises(ProjectError, match=r"columns\.image: expected images as bytes.*String"):
        read("names.csv", Reading(), tmp_path, ("image",))


def test_a_folder_by_class_is_read_in_a_fixed_order_as_it_is(tmp_path: Path) -> None:
    placed(
        tmp_path,
        {
            "shoe/b.png": png(1),
            "shoe/a.png": png(2),
            "bag/z.png": b"no image",  # validate decides
            "bag/.hidden": b"",
            ".DS_Store": b"",
        },
    )
    found = read("raw", FOLDER, tmp_path, ("image",))
    assert found.to_dict(as_series=False) == {
        "file": ["bag/z.png", "shoe/a.png", "shoe/b.png"],
        "image": [b"no image", png(2), png(1)],
        "label": ["bag", "shoe", "shoe"],
    }


def test_what_is_no_image_by_its_name_is_no_row_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {"bag/a.PNG": b"damaged", "bag/b.jpeg": png(1), "shoe/c.png": png(2)}
    others = ["bag/.DS_Store", "bag/Thumbs.db", "bag/notes.txt", "shoe/.hidden.png", "shoe/x"]
    placed(tmp_path, images | dict.fromkeys(["bag/.gitignore", "bag/b.jpeg.dvc"], b"DVC's own"))
    alone = read("raw", FOLDER, tmp_path, ("image",))
    assert capsys.readouterr().err == ""
    placed(tmp_path, dict.fromkeys(others, b"x"))
    with opened("raw", FOLDER, tmp_path, ("image",)) as found:
        assert found.table.collect().equals(alone)
        assert found.num_left_out == 5
    assert alone["file"].to_list() == list(images)
    told = "raw: {} files are no images by their name, left out: " + ", ".join(others)
    assert told.format(5) + "\n" in capsys.readouterr().err
    placed(tmp_path, {"shoe/y": b"", "shoe/z": b""})
    read("raw", FOLDER, tmp_path, ("image",))
    assert told.format(7) + ", 2 more\n" in capsys.readouterr().err


def test_many_bytes_are_read_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(tmp_path, {f"c/{number}.png": png(number) for number in range(5)})
    whole = read("raw", FOLDER, tmp_path, ("image",))
    monkeypatch.setattr("pipeline.ingest.image_folder.SHARD_BYTES", 2 * len(png(1)))
    assert read("raw", FOLDER, tmp_path, ("image",)).equals(whole)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "expected images in the folder raw, found it empty"),
        ({"a/1.png": b"x", "2.png": b"x"}, "found 1 files or folders elsewhere.*2.png"),
        ({"a/1.png": b"x", "a/b/2.png": b"x"}, "found 1 files or folders elsewhere.*a/b"),
        ({"a/1.png": b"x", "b/.keep": b""}, "found 1 folders without any.*b"),
        ({"a/1.png": b"x", "b/1.txt": b"", "b/Thumbs.db": b""}, "found 1 folders without any.*b"),
    ],
    ids=["empty", "outside a class", "folder in a class", "class without images", "other files"],
)
def test_a_folder_of_another_form_is_refused_by_name(
    tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    (tmp_path / "raw").mkdir()
    placed(tmp_path, files)
    with pytest.raises(ProjectError) as refused:
        read("raw", FOLDER, tmp_path, ("image",))
    assert re.search(words, str(refused.value), re.DOTALL)


def test_a_file_is_no_folder_of_images(tmp_path: Path) -> None:
    (tmp_path / "raw.zip").write_bytes(b"x")
    with pytest.raises(ProjectError, match="to be a folder of images, found a file"):
        read("raw.zip", FOLDER, tmp_path, ("image",))

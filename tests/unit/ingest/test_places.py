"""A source lies below its project's folder, unless the project says that it does not."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.errors import ProjectError
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.source import opened

CSV = b"a,b\n1,2\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project's folder with raw/, and beside it people.csv and a folder of images."""
    home = tmp_path / "data/people"
    (home / "raw").mkdir(parents=True)
    (tmp_path / "people.csv").write_bytes(CSV)
    (tmp_path / "images/cat").mkdir(parents=True)
    (tmp_path / "images/cat/1.png").write_bytes(b"png")
    return home


def a_link(home: Path) -> str:
    (home / "raw/people.csv").symlink_to(home.parents[1] / "people.csv")
    return "raw/people.csv"


def a_linked_folder(home: Path) -> str:
    (home / "raw/more").symlink_to(home.parents[1])
    return "raw/more/people.csv"


def a_link_within_a_folder(home: Path) -> str:
    (home / "raw/1.csv").write_bytes(CSV)
    (home / "raw/2.csv").symlink_to(home.parents[1] / "people.csv")
    return "raw"


OUTSIDE: dict[str, Callable[[Path], str]] = {
    "above": lambda _: "../../people.csv",
    "above and back": lambda _: "../people/../../people.csv",
    "an absolute path": lambda home: str(home.parents[1] / "people.csv"),
    "a link": a_link,
    "a linked folder": a_linked_folder,
    "a link within a folder": a_link_within_a_folder,
    "a URL of a file": lambda home: (home.parents[1] / "people.csv").as_uri(),
    "a chain of URLs": lambda home: f"filecache::{(home.parents[1] / 'people.csv').as_uri()}",
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_10_a_source_outside_of_the_project_is_refused_until_it_is_named_so(
    home: Path, case: str
) -> None:
    source = OUTSIDE[case](home)
    with (
        pytest.raises(ProjectError, match="expected a file below the project's folder") as caught,
        opened(source, Reading(), home),
    ):
        pass
    assert "set `ingest.external: true`" in caught.value.hint
    with opened(source, Reading(external=True), home) as found:
        assert found.table.collect().row(-1) == ("1", "2")


def test_10_an_absent_source_outside_is_refused_for_where_it_is(home: Path) -> None:
    with (
        pytest.raises(ProjectError, match=r"a path that leads out of it: \.\./\.\./\.\./absent"),
        opened("../../../absent", Reading(), home),
    ):
        pass


@pytest.mark.parametrize("where", ["class", "file", "all"])
def test_10_images_outside_of_the_project_are_refused(home: Path, where: str) -> None:
    images = home.parents[1] / "images"
    source = "raw"
    if where == "all":
        source = "../../images"
    elif where == "class":
        (home / "raw/cat").symlink_to(images / "cat")
    else:
        (home / "raw/cat").mkdir()
        (home / "raw/cat/1.png").symlink_to(images / "cat/1.png")
    with (
        pytest.raises(ProjectError, match="below the project's folder"),
        opened(source, Reading(format="images"), home, ["image"]),
    ):
        pass
    with opened(source, Reading(format="images", external=True), home, ["image"]) as found:
        assert found.table.collect().rows() == [("cat/1.png", b"png", "cat")]


def test_10_a_link_of_dvc_into_its_cache_is_no_way_out(home: Path, tmp_path: Path) -> None:
    cache = tmp_path / "elsewhere/files/md5/0c"
    cache.mkdir(parents=True)
    (cache / ("1f" * 15)).write_bytes(CSV)
    (home / "raw/people.csv").symlink_to(cache / ("1f" * 15))
    with opened("raw/people.csv", Reading(), home) as found:
        assert found.table.collect().height == 1


def test_10_a_project_that_is_itself_a_link_is_inside(home: Path, tmp_path: Path) -> None:
    (home / "raw/people.csv").write_bytes(CSV)
    linked = tmp_path / "linked"
    linked.symlink_to(home)
    with opened("raw/people.csv", Reading(), linked) as found:
        assert found.table.collect().height == 1
    os.link(home / "raw/people.csv", home / "raw/same.csv")
    with opened("./raw/../raw/same.csv", Reading(), home) as found:
        assert found.table.collect().height == 1


@pytest.mark.parametrize(
    "source",
    [
        "file://{}::http://127.0.0.1:9/y",
        "local://{}::http://127.0.0.1:9/y",
        "{}::http://127.0.0.1:9/y",
        "simplecache::file://{}::http://127.0.0.1:9/y",
        "reference://people.csv::http://127.0.0.1:9/y",
    ],
)
def test_10_a_chain_that_passes_by_this_machine_is_refused(home: Path, source: str) -> None:
    path = home.parents[1] / "people.csv"
    with (
        pytest.raises(ProjectError, match="a file of this machine by its URL"),
        opened(source.format(path), Reading(), home),
    ):
        pass


def test_10_a_chain_of_an_archive_elsewhere_is_opened(home: Path) -> None:
    import fsspec

    with (
        fsspec.open("memory://hallmark/people.zip", "wb") as stream,
        zipfile.ZipFile(stream, "w") as archive,
    ):
        archive.writestr("people.csv", CSV)
    with opened("zip://people.csv::memory://hallmark/people.zip", Reading(), home) as found:
        assert found.table.collect().height == 1

"""A new delivery takes the raw file's place, or nothing is changed; it can be undone."""

import shutil
import sqlite3
import subprocess
from pathlib import Path

import polars as pl
import pytest

from flows.cli.main import main
from flows.init.refresh import refresh
from pipeline.core.errors import ProjectError
from pipeline.core.settings.graph_file import graph_text
from pipeline.onboarding.reading.deliveries import local_delivery
from tests.people import make_project, set_section

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

OLD = "age,hours\n39,40\n"
NEW = "age,hours\n39,40\n22,38\n50,12\n"


def git(root: Path, *words: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *name, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose project has a raw file under DVC, in a folder with a second one."""
    from dvc.repo import Repo

    root = tmp_path_factory.mktemp("refresh") / "repository"
    home = make_project(root)
    (root / "graph.yaml").write_text(graph_text("people", "tabular", "."))
    (home / "raw/people.csv").write_text(OLD)
    (home / "raw/notes.txt").write_text("kept")
    git(root, "init", "-q")
    with Repo.init(str(root)) as repo:
        repo.add(str(home / "raw"))
    (root / ".dvc/config").write_text("['remote \"embedded\"']\n    url = ../../store\n")
    pointer = home / "raw.dvc"
    pointer.write_text(pointer.read_text() + "  remote: embedded\n  push: false\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "raw")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of it of the test's own."""
    return shutil.copytree(made, tmp_path / "repository")


def raw(root: Path) -> Path:
    return root / "data/people/raw/people.csv"


def pointer(root: Path) -> str:
    return (root / "data/people/raw.dvc").read_text()


def refusal(root: Path, *words: str | None) -> str:
    before = pointer(root), sorted(raw(root).parent.iterdir())
    with pytest.raises(ProjectError) as caught:
        refresh(root, "people", words[0] if words else None, words[1] if words[1:] else None)
    assert (pointer(root), sorted(raw(root).parent.iterdir())) == before
    return str(caught.value)


def test_a_delivery_takes_the_place_and_can_be_undone(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "new.csv").write_text(NEW)
    before = pointer(root)
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as ended:
        main(["refresh", "people", "new.csv"])
    assert ended.value.code == 0
    undo = "git checkout data/people/raw.dvc && dvc checkout data/people/raw.dvc"
    assert capsys.readouterr().out.splitlines() == [
        f"data/people/raw/people.csv: 3 rows, {len(NEW)} bytes",
        "`hallmark build people` runs what depends on it",
        f"`{undo}` undoes it",
    ]
    assert raw(root).read_text() == NEW
    assert (raw(root).parent / "notes.txt").read_text() == "kept"
    after = pointer(root)
    assert after != before
    assert "remote: embedded\n  push: false" in after.replace("\n\n", "\n")
    subprocess.run(undo, shell=True, cwd=root, check=True, capture_output=True)  # noqa: S602
    assert raw(root).read_text() == OLD


def test_the_same_bytes_change_nothing(root: Path) -> None:
    (root / "new.csv").write_text(OLD)
    before = pointer(root)
    for delivered in (str(root / "new.csv"), str(raw(root)), None):
        done = refresh(root, "people", delivered, None)
        assert (done.is_same, done.num_rows, done.num_bytes) == (True, 1, len(OLD))
    assert pointer(root) == before


def test_what_lies_there_is_taken_as_it_is(root: Path) -> None:
    before = pointer(root)
    raw(root).write_text(NEW)
    done = refresh(root, "people", None, None)
    assert (done.is_same, done.num_rows) == (False, 3)
    assert pointer(root) != before
    assert refresh(root, "people", None, None).is_same


def test_what_dvc_does_not_know_is_not_lost(root: Path) -> None:
    (root / "new.csv").write_text(NEW)
    raw(root).write_text(OLD + "1,2\n")
    text = refusal(root, str(root / "new.csv"))
    assert text.startswith("data/people/raw: expected what raw.dvc names, found other files")
    assert raw(root).read_text() == OLD + "1,2\n"


def test_what_cannot_be_read_is_refused(root: Path) -> None:
    for content, words in (
        (NEW + "1\n", "expected 2 fields in line 5"),
        ("", "found an empty file"),
        ("<html>\n", "found a web page"),
    ):
        (root / "new.csv").write_text(content)
        assert words in refusal(root, str(root / "new.csv"))
        assert raw(root).read_text() == OLD
    assert "expected a file at" in refusal(root, str(root / "absent.csv"))
    assert "expected a query for a database" in refusal(root, "sqlite:///people.db")
    assert "to be parquet" in refusal(root, "sqlite:///people.db", "SELECT 1")


def test_a_source_that_is_no_raw_file_is_refused(root: Path) -> None:
    for source, words in (
        ("https://example.org/people.csv", "`hallmark build people --from ingest`"),
        ("../people.csv", "expected `ingest.source` below raw/"),
    ):
        set_section(root, "ingest", {"source": source})
        assert words in refusal(root, None)
    set_section(root, "ingest", {"source": "raw"})
    (root / "new.csv").write_text(NEW)
    (raw(root).parent / "notes.txt").unlink()
    assert "is the folder" in refusal(root, str(root / "new.csv"))


def test_a_query_is_asked_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_section(root, "ingest", {"source": "raw/people.parquet"})
    with sqlite3.connect(root / "people.db") as connection:
        connection.execute("CREATE TABLE people (age INTEGER)")
        connection.executemany("INSERT INTO people VALUES (?)", [(39,), (22,)])
    connection.close()
    monkeypatch.chdir(root)
    query = ("sqlite:///people.db", "SELECT age FROM people ORDER BY age")
    assert refresh(root, "people", *query).num_rows == 2
    assert pl.read_parquet(raw(root).with_suffix(".parquet"))["age"].to_list() == [22, 39]
    assert refresh(root, "people", *query).is_same


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "https://u:secret@example.org/a.csv"])
def test_a_password_in_an_address_is_shown_nowhere(url: str, tmp_path: Path) -> None:
    taken = local_delivery(url, None, tmp_path / "a.csv", tmp_path)
    with pytest.raises(ProjectError) as refused, taken:
        pass
    assert "secret" not in str(refused.value)

"""What is not as dvc.lock names it: files, folders, and the objects of DVC's cache."""

import json
import os
import time
from hashlib import md5
from pathlib import Path

import pytest

from flows.graph.damage import Comparison, discard
from flows.graph.digests import SETTLED_NS, Digests
from flows.graph.outputs import Outputs
from pipeline.core.errors import ArtifactMissing

FOLDER = "data/tiny/75_package/bento"


def of(content: bytes) -> str:
    return md5(content).hexdigest()  # noqa: S324 -- DVC's


@pytest.fixture
def files(tmp_path: Path) -> Comparison:
    """A folder of two files, in the workspace and in the cache."""
    comparison = Comparison(tmp_path, tmp_path / "cache", Digests())
    contents = {"a.json": b"{}", "b/c.txt": b"text"}
    for name, content in contents.items():
        for target in (tmp_path / FOLDER / name, comparison.object(of(content))):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    listing = comparison.object(whole())
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_bytes(listed())
    return comparison


def listed() -> bytes:
    entries = [
        {"md5": of(b"{}"), "relpath": "a.json"},
        {"md5": of(b"text"), "relpath": "b/c.txt"},
    ]
    return json.dumps(entries).encode()


def whole() -> str:
    return of(listed()) + ".dir"


def test_7_a_folder_is_compared_file_by_file(files: Comparison) -> None:
    assert files.damages(FOLDER, whole()) == ()
    (files.root / FOLDER / "b/c.txt").write_bytes(b"false")

    (damage,) = files.damages(FOLDER, whole())

    assert (damage.path, damage.found) == (f"{FOLDER}/b/c.txt", of(b"false"))
    assert damage.damaged == ()  # the cache has what it was
    (files.root / FOLDER / "b/c.txt").unlink()
    assert "found none" in str(files.damages(FOLDER, whole())[0])


def test_7_the_damaged_object_of_a_folders_file_is_named_and_thrown_away(
    files: Comparison,
) -> None:
    kept = files.object(of(b"text"))
    for target in (kept, files.root / FOLDER / "b/c.txt"):
        target.write_bytes(b"false")
    kept.chmod(0o444)

    (damage,) = files.damages(FOLDER, whole())
    assert damage.damaged == (kept,)
    discard([damage])

    assert not kept.exists()
    assert files.object(of(b"{}")).exists()


def test_7_a_replaced_list_of_a_folders_files_is_not_believed(files: Comparison) -> None:
    (files.root / FOLDER / "a.json").write_bytes(b"false")
    false = json.dumps([{"md5": of(b"false"), "relpath": "a.json"}])
    files.object(whole()).write_text(false)

    (damage,) = files.damages(FOLDER, whole())

    assert damage.damaged == (files.object(whole()),)


def test_7_outputs_hand_out_no_damaged_folder(files: Comparison, tmp_path: Path) -> None:
    entries = {"package": {"outs": [{"path": FOLDER, "md5": whole()}]}}
    outputs = Outputs(files.root, "tiny", entries, files.cache)
    files.object(of(b"text")).write_bytes(b"false")

    outputs.copy("package", "bento", tmp_path / "copy")  # from the workspace, which has it
    assert (tmp_path / "copy/b/c.txt").read_bytes() == b"text"
    (files.root / FOLDER / "b/c.txt").write_bytes(b"false")
    with pytest.raises(ArtifactMissing, match="found it damaged there"):
        outputs.copy("package", "bento", tmp_path / "another")
    files.object(whole()).unlink()
    with pytest.raises(ArtifactMissing, match="in DVC's cache, found none"):
        outputs.copy("package", "bento", tmp_path / "another")


def test_7_a_folder_that_the_cache_lost_is_taken_from_the_workspace(
    files: Comparison, tmp_path: Path
) -> None:
    entries = {"package": {"outs": [{"path": FOLDER, "md5": whole()}]}}
    outputs = Outputs(files.root, "tiny", entries, tmp_path / "no-cache")

    outputs.copy("package", "bento", tmp_path / "copy")

    assert (tmp_path / "copy/a.json").read_bytes() == b"{}"


def test_7_a_date_that_was_set_back_hides_no_edit(tmp_path: Path) -> None:
    source, memory = tmp_path / "report.json", tmp_path / "memory.json"
    source.write_text("true")
    time.sleep(2 * SETTLED_NS / 1e9)
    first = Digests(memory)
    assert first.of(source) == of(b"true")
    first.keep()
    before = source.stat()
    source.write_text("fals")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.stat().st_mtime_ns == before.st_mtime_ns

    assert Digests(memory).of(source) == of(b"fals")


def test_7_a_damaged_memory_only_costs_time(tmp_path: Path) -> None:
    source, memory = tmp_path / "report.json", tmp_path / "memory.json"
    source.write_text("true")
    memory.write_text('{"files": ')

    assert Digests(memory).of(source) == of(b"true")
    assert Digests(memory).of(tmp_path / "absent") is None

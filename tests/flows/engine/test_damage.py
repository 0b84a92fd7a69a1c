"""Restored results are compared with dvc.lock before anything reads them: real DVC, real damage."""

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.graph.plan import Planner
from flows.graph.why import explanations
from tests.flows.conftest import Tiny

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

FALSE = "train 9 [false]"


@contextlib.contextmanager
def dvc(tiny: Tiny) -> Iterator[Any]:
    """DVC alone, as people run it."""
    from dvc.repo import Repo

    with contextlib.chdir(tiny.root), contextlib.closing(Repo(str(tiny.root))) as repo:
        yield repo


def checkout(tiny: Tiny, *targets: str) -> None:
    with dvc(tiny) as repo:
        repo.checkout(list(targets) or None)


def object_of(tiny: Tiny, stage: str) -> Path:
    """The object of DVC's cache with a stage's output, as dvc.lock has it now."""
    entry = YAML(typ="safe").load((tiny.root / "dvc.lock").read_text())["stages"][stage]
    md5 = entry["outs"][0]["md5"]
    return tiny.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def damage(source: Path, text: str = FALSE, *, same_date: bool = True) -> None:
    """Other bytes in a file that stays read-only, as DVC left it."""
    before = source.stat()
    source.chmod(0o644)
    source.write_text(text.ljust(before.st_size)[: before.st_size])
    source.chmod(stat.S_IMODE(before.st_mode))
    if same_date:
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


def why(tiny: Tiny) -> dict[str, str]:
    return dict(explanations(tiny.plan()))


def test_7_a_damaged_object_of_the_cache_is_not_restored(tiny: Tiny) -> None:
    """The case of the issue: DVC restores a read-only object of its run-cache unread."""
    true = tiny.output("train").read_text()
    kept = object_of(tiny, "train")
    tiny.set_value("train", 20)
    tiny.build()
    damage(kept)
    tiny.set_value("train", 10)

    outcome = tiny.build()

    assert tiny.output("train").read_text() == kept.read_text() == true
    assert tiny.states(outcome)["train"] == "ran"
    assert "false" not in tiny.output("gate").read_text()
    assert outcome.exit_code == 0
    (note,) = tiny.watcher.notes
    assert str(kept) in note
    assert "made again" in note
    assert set(tiny.states(tiny.build()).values()) == {"cached"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_7_what_dvc_checked_out_damaged_is_told_and_made_again(tiny: Tiny, kind: str) -> None:
    true = {stage: tiny.output(stage).read_text() for stage in ("train", "gate")}
    (tiny.root / ".dvc" / "config").write_text(f"[cache]\n    type = {kind}\n")
    tiny.output("train").unlink()
    damage(object_of(tiny, "train"))
    checkout(tiny)
    assert "false" in tiny.output("train").read_text()

    said = why(tiny)["train"]
    outcome = tiny.build()

    assert "out.txt is damaged: expected the MD5" in said
    assert "DVC's cache" in said
    assert tiny.states(outcome)["train"] == "ran"
    assert {stage: tiny.output(stage).read_text() for stage in true} == true
    assert any("damaged" in note for note in tiny.watcher.notes)


@pytest.mark.slow
def test_7_what_plain_dvc_made_of_a_damaged_file_is_made_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dvc.lock then says that the gate read what train wrote, and the cache has the false verdict
    under that name: neither is believed."""
    true = tiny.output("gate").read_text()
    tiny.output("train").unlink()
    damage(object_of(tiny, "train"))
    checkout(tiny, "train")
    monkeypatch.setenv("HALLMARK_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with dvc(tiny) as repo:
        repo.reproduce("gate", single_item=True, force=True)
    assert "false" in tiny.output("gate").read_text()
    assert "may have read" in why(tiny)["gate"]

    tiny.build(target="train")  # an interruption between both forgets nothing
    outcome = tiny.build()

    assert tiny.states(outcome) == {
        "ingest": "cached",
        "clean": "cached",
        "audit": "cached",
        "train": "cached",
        "gate": "ran",
    }
    assert tiny.output("gate").read_text() == true
    assert set(tiny.states(tiny.build()).values()) == {"cached"}


@pytest.mark.slow
@pytest.mark.parametrize("same_date", [True, False])
def test_7_an_edited_output_is_noticed_also_when_its_size_and_date_are_the_old_ones(
    tiny: Tiny, same_date: bool
) -> None:
    tiny.build()  # all is remembered
    true = tiny.output("train").read_text()
    damage(tiny.output("train"), same_date=same_date)

    assert why(tiny)["train"].startswith("stale: ")
    outcome = tiny.build()

    assert tiny.states(outcome)["train"] == "restored"
    assert tiny.output("train").read_text() == true
    assert tiny.states(outcome)["gate"] == "cached"  # what it wrote is older than the edit


def test_7_code_that_was_edited_and_dated_back_runs(tiny: Tiny) -> None:
    code = tiny.root / "code" / "train.py"
    tiny.build()
    text = code.read_text()
    damage(code, text.replace("main('train'", "main('audit'"))
    assert code.stat().st_size == len(text)

    assert "code code/train.py changed" in why(tiny)["train"]


def test_7_damaged_raw_data_are_refused_with_the_commands_that_fetch_them(tiny: Tiny) -> None:
    raw = tiny.root / "raw.txt"
    tiny.git("rm", "--quiet", "--cached", "raw.txt")
    remote = tiny.root.parent / "remote"
    (tiny.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = elsewhere\n['remote \"elsewhere\"']\n    url = {remote}\n"
    )
    with dvc(tiny) as repo:
        repo.add("raw.txt")
        repo.push(["raw.txt.dvc"])
    kept = next((tiny.root / ".dvc/cache/files/md5").glob("bd/*"))  # MD5 of `raw`
    raw.unlink()
    damage(kept, "war")
    checkout(tiny, "raw.txt.dvc")
    assert raw.read_text() == "war"

    outcome = tiny.build()

    assert outcome.exit_code == 2
    error = outcome.stages[0].error
    assert error is not None
    assert "raw.txt: expected the MD5 bd" in error.message
    commands = [words for words in error.message.split("`") if words.startswith(("rm ", "dvc "))]
    assert [words.split()[0] for words in commands] == ["rm", "dvc"]
    subprocess.run(commands[0].split(), cwd=tiny.root, check=True)
    with dvc(tiny) as repo:
        repo.pull(commands[1].split()[2:])
    assert raw.read_text() == "raw"
    assert tiny.build().exit_code == 0


@pytest.mark.slow
def test_7_raw_data_that_somebody_edited_are_their_decision(tiny: Tiny) -> None:
    (tiny.root / "raw.txt").write_text("newly delivered")

    assert "raw.txt changed" in why(tiny)["ingest"]
    assert tiny.build().exit_code == 0


def test_7_a_result_that_stays_damaged_fails_the_stage(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else writes there: nothing reads it, and the message names file and digests."""
    from flows.engine import proven_run

    def run_and_spoil(*given: object) -> object:
        result = plain(*given)  # type: ignore[arg-type]
        tiny.output("train").write_text(FALSE)
        return result

    plain = proven_run.run_stage
    monkeypatch.setattr(proven_run, "run_stage", run_and_spoil)
    tiny.set_value("train", 20)

    outcome = tiny.build()

    assert tiny.states(outcome)["train"] == "failed"
    assert tiny.states(outcome)["gate"] == "skipped"
    error = outcome.failed[0].error
    assert error is not None
    assert "data/tiny/40_train/out.txt: expected the MD5" in error.message
    assert "`hallmark build tiny --from train`" in error.message


def cut(lock: Path, keep: float) -> None:
    lines = lock.read_text().splitlines(keepends=True)
    lock.write_text("".join(lines[: int(len(lines) * keep)]))


def delete(lock: Path, _: float) -> None:
    lock.unlink()


@pytest.mark.parametrize(("spoil", "keep"), [(cut, 0.5), (delete, 0)])
def test_7_a_stage_that_dvc_lock_lost_is_told_as_such(
    tiny: Tiny, spoil: Callable[[Path, float], None], keep: float
) -> None:
    spoil(tiny.root / "dvc.lock", keep)

    said = why(tiny)
    lost = [stage for stage, text in said.items() if "has lost its entry" in text]
    outcome = tiny.build()

    assert lost
    assert "which the last commit has" in said[lost[0]]
    assert not any("never run" in text for text in said.values())
    (note,) = tiny.watcher.notes
    assert f"it has lost {len(lost)} stages" in note
    assert "the last commit names 5. `git checkout dvc.lock`" in note
    assert outcome.exit_code == 0
    assert "ran" not in tiny.states(outcome).values()  # the run-cache has them

    tiny.git("checkout", "dvc.lock")
    assert all(text.startswith("fresh") for text in why(tiny).values())


def test_7_an_entry_that_lost_a_part_is_told_as_such(tiny: Tiny) -> None:
    lock = tiny.root / "dvc.lock"
    text = lock.read_text()
    at = text.index("  gate:")
    lock.write_text(text[: text.index("md5: ", at) + 12])

    assert "has lost its entry" in why(tiny)["gate"]


def test_7_stages_that_never_ran_are_not_told_as_lost(fresh_clone: Tiny) -> None:
    assert set(why(fresh_clone).values()) >= {"stale: never run"}
    fresh_clone.build()
    assert fresh_clone.watcher.notes == []


@pytest.mark.slow
def test_7_a_lock_that_was_committed_cut_is_known_from_the_last_builds_record(tiny: Tiny) -> None:
    from flows.graph.outputs import locked
    from pipeline.core.files import write_json

    entries = locked(tiny.root, "tiny", ["clean", "gate"])
    record = tiny.runs / "20260101T000000000000-1" / "tracking.json"
    write_json(record, {"project": "tiny", "entries": entries})
    cut(tiny.root / "dvc.lock", 0.5)
    tiny.git("commit", "--all", "--quiet", "--message", "Cut")

    assert "which the last build has" in why(tiny)["gate"]
    assert "its outputs are there" in why(tiny)["train"]


def test_7_what_is_remembered_outlives_the_process_and_nothing_is_read_twice(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.graph import digests

    monkeypatch.setattr(digests, "SETTLED_NS", -1)  # however fast this machine is
    tiny.build()

    def never(*_: object) -> None:
        pytest.fail("a file that nobody touched was read")

    monkeypatch.setattr(digests.hashlib, "file_digest", never)
    with Planner(tiny.root, "tiny") as planner:
        assert planner.plan().is_fresh

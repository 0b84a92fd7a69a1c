"""What is pruned and, above all, what never is."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from flows.engine.locks import cache_in_use
from flows.engine.worktree import all_worktrees, commit_changes, create
from flows.graph.outputs import locked
from flows.pruning.prune import DAY_S, Keep, Pruned, prune
from flows.registry.tracked_build import TrackedBuild, write
from flows.registry.versions import Version, bento_place, write_version
from tests.flows.conftest import SOURCE, UPSTREAM, Tiny, wait_until

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

NOTHING_KEPT = Keep(0, 0, 0, 0, 0, 0, 0, 0, 0)


def in_days(days: float) -> float:
    return time.time() + days * DAY_S


def kinds(pruned: Pruned) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in pruned.items:
        found[item.kind] = found.get(item.kind, 0) + 1
    return found


def branches(tiny: Tiny) -> list[str]:
    listed = subprocess.run(
        ["git", "branch", "--list", "run/*", "--format=%(refname:short)"],
        cwd=tiny.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return listed.stdout.split()


def killed_run(tiny: Tiny, run_id: str, code: str = "") -> None:
    """A run that makes its worktree and is killed there."""
    program = (
        "import os, signal; from pathlib import Path; from flows.engine.worktree import *\n"
        f"{code}\n"
        f"create(Path.cwd(), 'tiny', {run_id!r})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tiny.root,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        check=False,
    )
    assert done.returncode == -9


def build_other_values(tiny: Tiny, run_id: str, value: int) -> Path:
    made = create(tiny.root, "tiny", run_id)
    (made.root / "orders").mkdir()
    in_worktree = Tiny(made.root)
    in_worktree.set_value("train", value)
    assert in_worktree.build().exit_code == 0
    commit_changes(made.root, "Results")
    return made.root


def cached(tiny: Tiny) -> set[Path]:
    return {p for p in (tiny.root / ".dvc" / "cache" / "files").rglob("*") if p.is_file()}


def test_a_worktree_of_a_killed_run_goes_and_that_of_a_running_one_never(tiny: Tiny) -> None:
    running = create(tiny.root, "tiny", "running")  # by this very process
    killed_run(tiny, "killed")

    pruned = prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert [item.name for item in pruned.items if item.kind == "worktree"] == ["killed"]
    assert [worktree.root.name for worktree in all_worktrees(tiny.root / ".local")] == ["running"]
    assert (running.root / "dvc.yaml").is_file()
    assert branches(tiny) == ["run/tiny/running"]


def test_what_a_run_killed_while_it_made_its_worktree_left_goes_too(tiny: Tiny) -> None:
    """Killed right after the record was written: no worktree, no branch."""
    killed_run(
        tiny, "early", "import flows.engine.worktree as w; w.git = lambda *a, **k: "
        "os.kill(os.getpid(), 9) if 'add' in a else 'HEAD'",
    )  # fmt: skip
    assert [worktree.root.name for worktree in all_worktrees(tiny.root / ".local")] == ["early"]

    prune(tiny.root, NOTHING_KEPT, now_s=in_days(1))

    assert all_worktrees(tiny.root / ".local") == []
    killed_run(tiny, "early")  # its name is free again


def test_ended_runs_are_kept_by_count_and_by_age(tiny: Tiny) -> None:
    for name in ("a", "b", "c"):
        killed_run(tiny, name)
        time.sleep(1.1)  # `created` is in whole seconds

    by_count = prune(tiny.root, Keep(num_worktrees=2, num_branches=1))
    assert [item.name for item in by_count.items if item.kind == "worktree"] == ["a"]
    assert branches(tiny) == ["run/tiny/a", "run/tiny/b", "run/tiny/c"]

    by_age = prune(tiny.root, Keep(num_worktrees=2, num_branches=1), now_s=in_days(8))
    assert {item.name for item in by_age.items if item.kind == "worktree"} == {"b", "c"}
    assert len(branches(tiny)) == 1


def test_a_dry_run_says_the_same_and_removes_nothing(tiny: Tiny) -> None:
    killed_run(tiny, "killed")

    planned = prune(tiny.root, NOTHING_KEPT, dry_run=True)

    assert kinds(planned)["worktree"] == 1
    assert len(all_worktrees(tiny.root / ".local")) == 1
    assert kinds(prune(tiny.root, NOTHING_KEPT))["worktree"] == 1


@pytest.mark.parametrize(
    "named_by",
    [
        pytest.param(lambda t: t.git("tag", "model/tiny/1", "run/tiny/gone"), id="tag"),
        pytest.param(lambda t: t.git("branch", "mine", "run/tiny/gone"), id="branch"),
        pytest.param(
            lambda t: t.git("worktree", "add", "--detach", "../own", "run/tiny/gone"),
            id="worktree",
        ),
    ],
)
def test_what_is_named_stays_in_the_cache(tiny: Tiny, named_by: Callable[[Tiny], None]) -> None:
    before = cached(tiny)
    build_other_values(tiny, "gone", 40)
    made = cached(tiny) - before
    assert len(made) == 2  # train's output and the gate's
    named_by(tiny)
    shutil.rmtree(tiny.root / ".local" / "worktrees")  # as if its process had ended
    tiny.git("worktree", "prune")

    prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert branches(tiny) == []
    assert made <= cached(tiny)
    assert before <= cached(tiny)  # the checkout's own


def test_what_nothing_names_leaves_the_cache_when_it_is_old(tiny: Tiny) -> None:
    before = cached(tiny)
    build_other_values(tiny, "gone", 40)
    shutil.rmtree(tiny.root / ".local" / "worktrees")
    tiny.git("worktree", "prune")
    tiny.git("branch", "-D", "run/tiny/gone")

    prune(tiny.root, now_s=in_days(29))
    assert len(cached(tiny) - before) == 2
    pruned = prune(tiny.root, now_s=in_days(31))

    assert cached(tiny) == before
    assert pruned.num_bytes > 0
    assert set(tiny.states(tiny.build()).values()) == {"cached"}
    tiny.set_value("train", 40)
    assert tiny.states(tiny.build())["train"] == "ran"  # its result is gone, so it runs


def test_the_cache_is_left_alone_while_a_build_is_at_work(tiny: Tiny) -> None:
    with cache_in_use(tiny.root / ".local"):
        pruned = prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert "a build is at work" in pruned.notes[0]
    assert "cache" not in kinds(pruned)


def test_the_cache_is_left_alone_when_a_branch_cannot_be_read(tiny: Tiny) -> None:
    tiny.git("checkout", "--quiet", "-b", "broken")
    (tiny.root / "dvc.yaml").write_text("stages: 3\n")
    tiny.git("commit", "--all", "--quiet", "--message", "Broken")
    tiny.git("checkout", "--quiet", "-")
    before = cached(tiny)

    pruned = prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert "not all that names it can be read" in pruned.notes[0]
    assert cached(tiny) == before


def test_run_folders_go_by_count_but_the_newest_success_of_a_stage_stays(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.build(target="train")
    tiny.build()
    first, second, third = sorted(tiny.runs.iterdir())

    prune(tiny.root, Keep(num_runs=0))

    assert first.exists()  # ingest, clean and audit last ran here
    assert second.exists()  # train did here
    assert third.exists()  # the gate did here
    tiny.build()
    tiny.set_value("train", 30)
    tiny.build()
    prune(tiny.root, Keep(num_runs=0))
    assert first.exists()
    assert len(list(tiny.runs.iterdir())) == 2


def test_old_checkpoints_go(tiny: Tiny) -> None:
    folder = tiny.root / ".local" / "checkpoints" / "abc"
    folder.mkdir(parents=True)
    (folder / "state.safetensors").write_bytes(b"12345")

    assert kinds(prune(tiny.root, now_s=in_days(13))) == {}
    pruned = prune(tiny.root, now_s=in_days(15))

    assert kinds(pruned) == {"checkpoint": 1}
    assert pruned.num_bytes >= 5
    assert not folder.exists()


def test_the_command_says_what_went(tiny: Tiny) -> None:
    killed_run(tiny, "killed")
    old = tiny.root / ".local" / "worktrees" / "killed.json"
    old.write_text(old.read_text().replace('"created": "20', '"created": "19'))

    for options, verb in ((["--dry-run"], "would remove"), ([], "removed")):
        process = tiny.start("prune", *options)
        output, _ = process.communicate(timeout=150)
        assert process.returncode == 0, output
        assert "worktree    killed" in output
        assert f"{verb}: 1 of worktree; 0." in output

    wait_until(lambda: not (tiny.root / ".local" / "worktrees" / "killed").exists())


def build_on_record(tiny: Tiny, state: Literal["pending", "logged"]) -> Path:
    """Another value's build, its folder, and what tracking keeps beside it."""
    tiny.set_value("train", 40)
    folder = tiny.build().folder
    entries = locked(tiny.root, "tiny", tuple(UPSTREAM))
    tracked = TrackedBuild(
        build=folder.name, project="tiny", state="logged", modality="tabular", project_yaml="",
        digests={}, entries=entries, pid=1, create_time=0.0,
    )  # fmt: skip
    write(tiny.root, replace(tracked, state=state))
    tiny.set_value("train", 10)
    tiny.build()
    return folder


def register(tiny: Tiny, build: str, bento_tag: str = "tiny:abc") -> None:
    version = Version(
        project="tiny", version="1", bento_tag=bento_tag, bento_digest="", model_digest="",
        verdict="pass", verdict_digest="", rehearsal="pass", commit=None, dirty=False,
        dirty_files=(), build=build, run_id="", created=datetime.now(UTC),
    )  # fmt: skip
    write_version(tiny.root, version, {})


@pytest.mark.parametrize("kept_as", ["pending", "registered"])
def test_a_registered_or_unlogged_build_keeps_its_folder_and_its_data(
    tiny: Tiny, kept_as: str
) -> None:
    """Built in place, so that no commit names its data."""
    before = cached(tiny)
    folder = build_on_record(tiny, "pending" if kept_as == "pending" else "logged")
    made = cached(tiny) - before
    assert len(made) == 2
    if kept_as == "registered":
        register(tiny, folder.name)

    prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert made <= cached(tiny)
    assert folder.is_dir()


def test_a_logged_build_that_made_no_version_keeps_no_data(tiny: Tiny) -> None:
    before = cached(tiny)
    build_on_record(tiny, "logged")

    prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert cached(tiny) == before


def test_bentos_that_no_version_names_go_and_others_never(tiny: Tiny) -> None:
    named, orphan = (bento_place(tiny.root, f"tiny:{name}") for name in ("abc", "def"))
    for folder in (named, orphan):
        folder.mkdir(parents=True)
    register(tiny, "no-such-build", "tiny:abc")

    assert "bento" not in kinds(prune(tiny.root))
    pruned = prune(tiny.root, now_s=in_days(2))

    assert kinds(pruned) == {"bento": 1}
    assert named.is_dir()
    assert not orphan.exists()


def test_a_damaged_registry_costs_nobody_anything(tiny: Tiny) -> None:
    """Which bentos, runs and data are in need is then not known."""
    before = cached(tiny)
    folder = build_on_record(tiny, "logged")
    bento = bento_place(tiny.root, "tiny:abc")
    bento.mkdir(parents=True)
    register(tiny, folder.name)
    next(tiny.root.glob(".local/registry/tiny/1/version.json")).write_text("{")

    pruned = prune(tiny.root, NOTHING_KEPT, now_s=in_days(1000))

    assert len(pruned.notes) == 2
    assert folder.is_dir()
    assert bento.is_dir()
    assert len(cached(tiny) - before) == 2

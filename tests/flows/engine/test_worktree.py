"""Builds in worktrees of their own: real git, real DVC, real processes, side by side."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from flows.engine.checkout import commit, dirty_files
from flows.engine.worktree import (
    Worktree,
    WorktreeError,
    all_worktrees,
    commit_changes,
    create,
    is_of_a_run,
    remove,
)
from flows.git import GitError
from pipeline.core.paths import local_state
from tests.flows.conftest import FOLDERS, OUTPUTS, SOURCE, Tiny, wait_until

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

# What a deployment's run does: a worktree, its overrides on the branch, a build in it.
RUN = """
import sys
from pathlib import Path
import flows.settings.project_file
flows.settings.project_file.settings_of = lambda name: None
from flows.engine.build import Request, build
from flows.settings.project_file import apply
from flows.engine.worktree import commit_changes, create
from tests.flows.conftest import Watcher
run_id, *overrides = sys.argv[1:]
made = create(Path.cwd(), "tiny", run_id)
(made.root / "orders").symlink_to(Path.cwd() / "orders")
def prepare():
    apply(made.root, "tiny", tuple(overrides))
    commit_changes(made.root, "Overrides: " + ", ".join(overrides))
outcome = build(Request(made.root, "tiny", prepare=prepare), Watcher())
commit_changes(made.root, "Results")
sys.exit(outcome.exit_code)
"""


def start_run(tiny: Tiny, run_id: str, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, run_id, *overrides],
        cwd=tiny.root,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
            "PYTHONPATH": str(SOURCE),
            "HOME": str(tiny.root.parent / "empty-home"),  # no git identity
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trainings(tiny: Tiny) -> set[Path]:
    """The trainings that have begun, by their logs; that of the fixture's own build is there."""
    return set(tiny.runs.glob("*/train@tiny.log"))


def ended(run: subprocess.Popen[str]) -> int:
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    return run.returncode


def output_of(root: Path, stage: str) -> str:
    return (root / "data" / "tiny" / FOLDERS[stage] / OUTPUTS[stage]).read_text()


def worktree(tiny: Tiny, run_id: str = "one") -> Worktree:
    return create(tiny.root, "tiny", run_id)


@pytest.mark.slow
def test_two_runs_and_an_editor_side_by_side_give_three_clean_results(tiny: Tiny) -> None:
    (tiny.root.parent / "empty-home").mkdir()
    tiny.order("train", "meet editor")  # both wait in their training until the edit is made
    before = trainings(tiny)
    first = start_run(tiny, "first", "train.value=20")
    second = start_run(tiny, "second", "train.value=30", "gate.value=20")
    folder = local_state(tiny.root) / "worktrees"

    def both_train() -> bool:
        return len(trainings(tiny) - before) == 2

    wait_until(lambda: both_train() or any(run.poll() for run in (first, second)))
    if not both_train():
        pytest.fail("".join(run.communicate(timeout=120)[0] for run in (first, second)))

    (tiny.root / "code" / "train.py").write_text("this is half a thought (")
    tiny.set_value("train", 50)
    (tiny.root / "orders" / "editor.pid").write_text("done")
    assert ended(first) == ended(second) == 0

    assert "train 2 " in output_of(folder / "first", "gate")
    assert "train 3 " in output_of(folder / "second", "gate")
    assert output_of(tiny.root, "train").startswith("train 1 ")  # the checkout's own, untouched
    assert dirty_files(tiny.root) == ("code/train.py", "data/tiny/project.yaml")
    for name in ("first", "second"):
        assert dirty_files(folder / name) == ()
    builds = [json.loads(source.read_text()) for source in tiny.runs.glob("*/build.json")]
    assert sum(build["dirty"] is False for build in builds) >= 2

    tiny.git("checkout", "--quiet", "--", "code/train.py", "data/tiny/project.yaml")
    tiny.git("clean", "--force", "--quiet")
    tiny.order("train", "work")
    assert set(tiny.states(tiny.build()).values()) == {"cached"}


def test_overrides_are_on_the_runs_branch_and_nowhere_else(tiny: Tiny) -> None:
    before = commit(tiny.root)
    made = worktree(tiny)
    settings = made.root / "data" / "tiny" / "project.yaml"
    settings.write_text(settings.read_text().replace("value: 10", "value: 30"))

    recorded = commit_changes(made.root, "Overrides")

    assert recorded is not None
    assert recorded == commit(made.root) != before
    assert made.commit == commit(tiny.root) == before
    shown = subprocess.run(
        ["git", "log", "-1", "--format=%an <%ae>%n%s", made.branch],
        cwd=tiny.root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert shown == "Hallmark <hallmark@localhost>\nOverrides\n"
    assert commit_changes(made.root, "Nothing") is None


def test_a_worktree_has_the_data_of_its_commit_and_builds_nothing_anew(tiny: Tiny) -> None:
    made = worktree(tiny)

    in_worktree = Tiny(made.root)

    assert output_of(made.root, "gate") == output_of(tiny.root, "gate")
    assert set(in_worktree.states(in_worktree.build()).values()) == {"cached"}
    assert list(tiny.runs.glob("*/build.json"))  # its record is in the shared .local
    assert not (made.root / ".local").exists()


@pytest.mark.slow
def test_what_a_run_builds_the_checkout_restores(tiny: Tiny) -> None:
    made = worktree(tiny)
    in_worktree = Tiny(made.root)
    (made.root / "orders").mkdir()
    in_worktree.set_value("train", 40)
    assert in_worktree.states(in_worktree.build())["train"] == "ran"

    tiny.set_value("train", 40)

    assert tiny.states(tiny.build())["train"] == "restored"


def test_the_owners_settings_for_dvc_hold_in_the_worktree(tiny: Tiny) -> None:
    (tiny.root / ".dvc" / "config.local").write_text(
        "[cache]\n    dir = ../../elsewhere\n['remote \"own\"']\n    url = ../../bucket\n"
    )

    made = worktree(tiny)

    written = (made.root / ".dvc" / "config.local").read_text()
    from dvc.repo import Repo

    with Repo(str(made.root)) as repo:
        assert Path(repo.cache.local_cache_dir) == tiny.root.parent / "elsewhere"
        assert Path(repo.config["remote"]["own"]["url"]) == tiny.root.parent / "bucket", written


def test_nothing_is_committed_outside_of_a_runs_worktree(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    before = commit(tiny.root)

    assert not is_of_a_run(tiny.root)
    assert commit_changes(tiny.root, "Never") is None

    assert commit(tiny.root) == before


def test_a_worktree_knows_its_process_and_goes_without_a_trace(tiny: Tiny) -> None:
    made = worktree(tiny)
    assert [found.root for found in all_worktrees(tiny.root / ".local")] == [made.root]
    assert made.is_running

    remove(tiny.root, made)

    assert all_worktrees(tiny.root / ".local") == []
    assert not made.root.exists()
    tiny.git("worktree", "add", str(made.root), made.branch)  # git has forgotten it; the branch is


@pytest.mark.parametrize(
    ("run_id", "at", "said"),
    [
        ("../out", "HEAD", "letters, digits"),
        ("one", "no-such-commit", "rev-parse"),
    ],
)
def test_what_is_no_run_or_no_commit_is_refused(
    tiny: Tiny, run_id: str, at: str, said: str
) -> None:
    with pytest.raises((WorktreeError, GitError), match=said):
        create(tiny.root, "tiny", run_id, at)

    assert all_worktrees(tiny.root / ".local") == []


def test_a_run_id_is_used_once(tiny: Tiny) -> None:
    worktree(tiny, run_id := uuid.uuid4().hex)

    with pytest.raises(WorktreeError, match="hallmark prune"):
        worktree(tiny, run_id)


def test_raw_data_are_there_from_the_cache_or_else_from_their_remote(tiny: Tiny) -> None:
    raw = tiny.root / "data" / "tiny" / "raw"
    raw.mkdir()
    (raw / "people.csv").write_text("age\n39\n")
    dvc(tiny, "remote", "add", "--default", "team", str(tiny.root.parent / "remote"))
    dvc(tiny, "add", "--quiet", "data/tiny/raw")
    dvc(tiny, "push", "--quiet", "data/tiny/raw.dvc")
    tiny.git("add", "--all")
    tiny.git("commit", "--quiet", "--message", "Raw data")

    from_cache = worktree(tiny, "one")
    shutil.rmtree(tiny.root / ".dvc" / "cache")
    from_remote = worktree(tiny, "two")

    for made in (from_cache, from_remote):
        assert (made.root / "data/tiny/raw/people.csv").read_text() == "age\n39\n"


def dvc(tiny: Tiny, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=tiny.root, check=True)

"""What is pruned, and when: the one place that says it. `hallmark prune` carries it out.

Never pruned: what a running process uses, and what a tag names, `model/<project>/<version>`
above all: its commit, its data in the DVC cache, its bento, its build's folder. Nor a build that
waits to be logged in MLflow. Everything else goes by age and
count, as the constants of `Keep` say. Nothing here is lost for good: a branch's build can be
built again, and what the cache has lost is made anew when it is asked for.
"""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flows.engine.locks import cache_alone
from flows.engine.processes import is_running_build
from flows.engine.worktree import BRANCHES, Worktree, all_worktrees, one_at_a_time, remove
from flows.git import git
from flows.registry.kept_builds import all_versions, builds_in_need
from flows.registry.versions import bento_place
from pipeline.core.errors import PipelineError
from pipeline.core.paths import local_state
from pipeline.core.run.runner import read_record

DAY_S = 86_400.0


@dataclass(frozen=True)
class Keep:
    """How much is kept. What has `num` and `days` goes when it breaks either."""

    num_worktrees: int = 3
    """Of each project, worktrees of ended runs, newest first: to look into."""
    worktree_days: float = 7
    num_branches: int = 50
    """Of each project, branches of ended runs: a commit with overrides and dvc.lock each."""
    branch_days: float = 90
    num_runs: int = 500
    """Folders in .local/runs; the newest success of each stage stays, as savings are told by it."""
    run_days: float = 180
    checkpoint_days: float = 14
    """Trainings that never went on; `train` itself keeps no more than a few."""
    bento_days: float = 1
    """Bentos that no registered version names: a crash left them."""
    cache_days: float = 30
    """Files in the DVC cache that no branch, tag, experiment, worktree or checkout names."""


@dataclass(frozen=True)
class Item:
    """One thing to prune.

    Attributes:
        kind: worktree, branch, run, checkpoint, bento or cache.
        name: What it is called.
        remove: Removes it.
        num_bytes: What that frees.
    """

    kind: str
    name: str
    remove: Callable[[], None] = field(compare=False)
    num_bytes: int = 0


@dataclass(frozen=True)
class Pruned:
    """What was pruned (or would be), and what could not be looked at, with the reason."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @property
    def num_bytes(self) -> int:
        return sum(item.num_bytes for item in self.items)


def prune(
    root: Path, keep: Keep | None = None, dry_run: bool = False, now_s: float | None = None
) -> Pruned:
    """Prune by the rule.

    Args:
        root: Any checkout of the repository.
        keep: How much to keep.
        dry_run: Only say what would go.
        now_s: The time to reckon ages from, in seconds since 1970; the default is now.
    """
    keep = keep or Keep()
    now = datetime.now(UTC).timestamp() if now_s is None else now_s
    local = local_state(root)
    main = local.parent
    done: list[Item] = []
    notes: list[str] = []
    done += _of_runs(main, keep, now, dry_run)
    with cache_alone(local) as alone:
        for of_builds in (_bentos, _cache) if alone else ():
            found, note = of_builds(main, keep, now)
            done += _carried_out(found, dry_run)
            notes += note
    if not alone:
        notes.append("bentos and the DVC cache were left alone: a build is at work")
    return Pruned(tuple(done), tuple(notes))


def prune_runs(root: Path) -> None:
    """Prune what is pruned before each run of a deployment: all but bentos and the DVC cache."""
    _of_runs(local_state(root).parent, Keep(), datetime.now(UTC).timestamp(), dry_run=False)


def summary(pruned: Pruned, dry_run: bool) -> str:
    """`removed: 2 of worktree, 31 of cache; 14.2 MB`."""
    counts = Counter(item.kind for item in pruned.items)
    listed = ", ".join(f"{number} of {kind}" for kind, number in counts.items()) or "nothing"
    verb = "would remove" if dry_run else "removed"
    return f"{verb}: {listed}; {pruned.num_bytes / 1e6:.1f} MB"


def _of_runs(main: Path, keep: Keep, now: float, dry_run: bool) -> list[Item]:
    done: list[Item] = []
    with one_at_a_time(main / ".local"):
        for finder in (_worktrees, _branches, _runs, _checkpoints):
            done += _carried_out(finder(main, keep, now), dry_run)
    return done


def _carried_out(items: Iterable[Item], dry_run: bool) -> list[Item]:
    found = list(items)
    for item in () if dry_run else found:
        item.remove()
    return found


def _worktrees(main: Path, keep: Keep, now: float) -> Iterator[Item]:
    known = all_worktrees(main / ".local")
    for worktrees in _by_project(known).values():
        ended = [worktree for worktree in reversed(worktrees) if not worktree.is_running]
        for position, worktree in enumerate(ended):
            age_s = now - datetime.fromisoformat(worktree.created).timestamp()
            if position >= keep.num_worktrees or age_s > keep.worktree_days * DAY_S:
                away = partial(remove, main, worktree)
                yield Item("worktree", worktree.root.name, away, _size(worktree.root))


def _by_project(worktrees: Iterable[Worktree]) -> dict[str, list[Worktree]]:
    found: dict[str, list[Worktree]] = {}
    for worktree in worktrees:
        found.setdefault(worktree.project, []).append(worktree)
    return found


def _branches(main: Path, keep: Keep, now: float) -> Iterator[Item]:
    """Branches of runs whose worktree is gone; git itself refuses one that is checked out."""
    in_use = {worktree.branch for worktree in all_worktrees(main / ".local")}
    form = "%(refname:short) %(committerdate:unix) %(worktreepath)"
    listed = git(
        main, "for-each-ref", "--sort=-committerdate", f"--format={form}", f"refs/heads/{BRANCHES}"
    )
    counts: dict[str, int] = {}
    for line in listed.splitlines():
        name, committed, checked_out = line.split(" ", 2)
        project = name.removeprefix(BRANCHES).partition("/")[0]
        if name in in_use or checked_out:
            continue
        counts[project] = counts.get(project, 0) + 1
        too_old = now - float(committed) > keep.branch_days * DAY_S
        if too_old or counts[project] > keep.num_branches:
            yield Item("branch", name, partial(_delete_branch, main, name))


def _delete_branch(main: Path, name: str) -> None:
    git(main, "branch", "--quiet", "-D", name)


def _runs(main: Path, keep: Keep, now: float) -> Iterator[Item]:
    try:
        needed = builds_in_need(main)
    except PipelineError:
        return  # the registry cannot be read, which `_bentos` says
    newest_first = sorted(
        (path for path in (main / ".local" / "runs").glob("*") if path.is_dir()), reverse=True
    )
    succeeded: set[str] = set()
    for position, folder in enumerate(newest_first):
        new = {record for record in _successes(folder) if record not in succeeded}
        succeeded |= new
        too_old = now - folder.stat().st_mtime > keep.run_days * DAY_S
        is_needed = new or folder.name in needed or is_running_build(folder)
        if (too_old or position >= keep.num_runs) and not is_needed:
            yield _folder("run", folder)


def _successes(folder: Path) -> Iterator[str]:
    """The names of the records, `train@adult.json`, of stages that ended well here."""
    for source in folder.glob("*@*.json"):
        if read_record(source).get("exit_code") == 0:
            yield source.name


def _checkpoints(main: Path, keep: Keep, now: float) -> Iterator[Item]:
    for folder in sorted((main / ".local" / "checkpoints").glob("*")):
        times = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
        if now - max(times) > keep.checkpoint_days * DAY_S:
            yield _folder("checkpoint", folder)


def _bentos(main: Path, keep: Keep, now: float) -> tuple[list[Item], list[str]]:
    """Bentos that no version of the registry names."""
    folders = list((main / ".local" / "bentoml" / "bentos").glob("*/*/"))
    old = [folder for folder in folders if now - folder.stat().st_mtime > keep.bento_days * DAY_S]
    if not old:
        return [], []
    try:
        known = {bento_place(main, version.bento_tag) for version in all_versions(main)}
    except PipelineError as error:
        return [], [f"bentos were left alone, as the registry cannot be read: {error}"]
    return [_folder("bento", folder) for folder in old if folder not in known], []


def _cache(main: Path, keep: Keep, now: float) -> tuple[list[Item], list[str]]:
    from flows.pruning.dvc_cache import unnamed_files

    found, notes = unnamed_files(main, lambda: builds_in_need(main))
    old = [path for path in found if now - path.stat().st_mtime > keep.cache_days * DAY_S]
    items = [Item("cache", path.name, path.unlink, path.stat().st_size) for path in old]
    return items, notes


def _folder(kind: str, folder: Path) -> Item:
    return Item(kind, folder.name, partial(shutil.rmtree, folder), _size(folder))


def _size(folder: Path) -> int:
    """The bytes of a folder's files."""
    if not folder.exists():
        return 0
    done = subprocess.run(
        ["du", "--summarize", "--bytes", str(folder)], capture_output=True, text=True, check=False
    )
    return int(done.stdout.split()[0]) if done.stdout else 0

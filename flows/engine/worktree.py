"""A git worktree for each build that a deployment starts, so that runs disturb nobody.

`.local/worktrees/<run id>` holds a commit on the branch `run/<project>/<run id>`. What such a run
changes (overrides, refreshed raw data, dvc.lock) is committed there. The DVC cache and `.local/`
are the checkout's own. Beside each worktree stands `<run id>.json`: whose it is, so that
`flows/pruning/prune.py` can tell an ended run from one that works.
"""

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from flows.engine.locks import cache_in_use
from flows.engine.processes import is_same_process
from flows.git import COMMITTER, git
from flows.graph.plan import explained
from pipeline.core.errors import ArtifactMissing, PipelineError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import local_state
from pipeline.core.settings.graph_file import DVC_FILE, graph_folder

BRANCHES = "run/"


class WorktreeError(PipelineError):
    """Git or DVC could not make a run's worktree."""


@dataclass(frozen=True)
class Worktree:
    """Where a run works.

    Attributes:
        root: The worktree's folder; a checkout as any other.
        project: Whose run it is.
        branch: The run's branch.
        commit: The commit that it started from.
        created: When, in ISO 8601.
        pid: The process that the run is; with `create_time` it is known for certain.
        create_time: When that process began, in seconds since 1970.
    """

    root: Path
    project: str
    branch: str
    commit: str
    created: str
    pid: int
    create_time: float

    @property
    def is_running(self) -> bool:
        """Whether the run's process lives."""
        return is_same_process(self.pid, self.create_time)


def worktrees_folder(local: Path) -> Path:
    return local / "worktrees"


def create(checkout: Path, project: str, run_id: str, commit: str = "HEAD") -> Worktree:
    """Make a worktree of `commit` that belongs to this process, its data checked out.

    What the cache lacks of the data is not there; a build makes it anew or says how to get it.

    Args:
        checkout: The checkout (or any worktree of it) whose commit and cache are used.
        project: The project whose data are checked out.
        run_id: Names folder and branch: letters, digits, `-` and `_`.
        commit: What to start from; the default is what is checked out.

    Raises:
        WorktreeError: a run of this id was there, or the id is none.
        GitError: no such commit, git cannot write.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", run_id):
        raise WorktreeError(f"expected a run id of letters, digits, - and _, got {run_id!r}")
    local = local_state(checkout)
    root = worktrees_folder(local) / run_id
    start = git(checkout, "rev-parse", "--verify", f"{commit}^{{commit}}").strip()
    own = psutil.Process()
    worktree = Worktree(
        root=root,
        project=project,
        branch=f"{BRANCHES}{project}/{run_id}",
        commit=start,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pid=own.pid,
        create_time=own.create_time(),
    )
    with one_at_a_time(local):
        if root.exists() or _owner_file(root).exists():
            raise WorktreeError(
                f"expected no worktree of the run {run_id} yet, found {root}",
                hint="`hallmark prune` removes those of runs that have ended",
            )
        write_json(_owner_file(root), {**asdict(worktree), "root": str(root)})
        git(checkout, "worktree", "add", "--quiet", "-b", worktree.branch, str(root), start)
    _share_cache(checkout, root)
    with cache_in_use(local):
        check_out_data(root, project)
    return worktree


def all_worktrees(local: Path) -> list[Worktree]:
    """Every run's worktree on record, oldest first; also of runs killed while they made theirs."""
    found = []
    for source in worktrees_folder(local).glob("*.json"):
        with contextlib.suppress(ArtifactMissing, TypeError, KeyError):
            content: Mapping[str, Any] = read_json(source)
            found.append(Worktree(**{**content, "root": Path(content["root"])}))
    return sorted(found, key=lambda worktree: worktree.created)


def snapshot(checkout: Path) -> str:
    """A commit of the checkout as it is, edits and new files included; no branch has it.

    The checkout's own index and branch stay as they are.

    Raises:
        GitError: git cannot write.
    """
    index = Path(
        git(checkout, "rev-parse", "--path-format=absolute", "--git-path", "index").strip()
    )
    with tempfile.TemporaryDirectory() as temporary:
        own = Path(temporary) / "index"
        if index.is_file():  # a copy spares git reading files that have not changed
            shutil.copyfile(index, own)
        git(checkout, "add", "--all", index=own)
        tree = git(checkout, "write-tree", index=own).strip()
    message = "The checkout as it was"
    made = git(checkout, *COMMITTER, "commit-tree", "-p", "HEAD", "-m", message, tree)
    return made.strip()


def remove(checkout: Path, worktree: Worktree) -> None:
    """Remove a worktree and its record; its branch stays. Also what a killed run left half made."""
    git(checkout, "worktree", "remove", "--force", "--force", str(worktree.root), check=False)
    if worktree.root.exists():  # made, but not yet known to git
        subprocess.run(["rm", "-rf", "--", str(worktree.root)], check=True)
    git(checkout, "worktree", "prune")
    _owner_file(worktree.root).unlink(missing_ok=True)


def is_of_a_run(root: Path) -> bool:
    """Whether this checkout is a run's worktree."""
    return root.resolve().parent == worktrees_folder(local_state(root)).resolve()


def commit_changes(root: Path, message: str) -> str | None:
    """Commit all that a run changed in its worktree; return the commit, None when nothing was.

    Outside of a run's worktree nothing is committed: that is somebody's own checkout.
    """
    if not is_of_a_run(root):
        return None
    git(root, "add", "--all")
    if not git(root, "status", "--porcelain", "--untracked-files=no").strip():
        return None
    git(root, *COMMITTER, "commit", "--quiet", "--no-verify", "--message", message)
    return git(root, "rev-parse", "HEAD").strip()


def check_out_data(root: Path, project: str) -> None:
    """Put the project's data there as the commit names them: from the cache, raw data also from
    their remote. What neither has, a build makes anew or says how to get."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    home = root.resolve() / "data" / project
    graph = root.resolve() / graph_folder(root, project) / DVC_FILE
    with explained(), contextlib.closing(Repo(str(root), _wait_for_lock=True)) as repo:
        repo.lock._friendly = False
        stages = list(repo.index.stages)
        raw = [stage for stage in stages if Path(stage.path).parent == home]
        raw = [stage for stage in raw if Path(stage.path) != graph]
        made = [stage for stage in stages if Path(stage.path) == graph]
        if targets := [stage.addressing for stage in (*raw, *made)]:
            repo.checkout(targets, force=True, allow_missing=True)
        if absent := [stage.addressing for stage in raw if not all(o.exists for o in stage.outs)]:
            with contextlib.suppress(DvcException):
                repo.pull(absent)


@contextlib.contextmanager
def one_at_a_time(local: Path) -> Iterator[None]:
    """Hold the lock of making and removing worktrees; it goes with its process."""
    source = local / "locks" / "worktrees"
    source.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(source):
        yield


def _owner_file(root: Path) -> Path:
    return root.parent / f"{root.name}.json"


def _share_cache(checkout: Path, root: Path) -> None:
    """Let the worktree use the checkout's cache, and what its owner has set up for DVC there."""
    from dvc.repo import Repo

    with explained(), contextlib.closing(Repo(str(local_state(checkout).parent))) as main:
        own = main.config.load_one("local")  # its relative paths made absolute
        own.setdefault("cache", {})["dir"] = str(main.cache.local_cache_dir)
    with (
        explained(),
        contextlib.closing(Repo(str(root))) as repo,
        repo.config.edit("local") as settings,
    ):
        settings.update(own)

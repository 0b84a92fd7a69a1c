"""Which stages must run, and why: read from DVC in this process, nothing is written.

`dvc.yaml` is the only statement of the graph. A stage is fresh, stale (with reasons) or waits
for stages upstream; once these have run it is asked again, and the same bytes make it fresh.

DVC's locks are not thread-safe: use a Planner from the main thread alone.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows.graph.freshness import Freshness
from flows.graph.reasons import Reason
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.settings.graph_file import DVC_FILE, check_graph, graph_folder
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.project import known_project, projects

Status = Literal["fresh", "stale", "waits"]


class BusyError(PipelineError):
    """Another process is at work on the same files."""


@dataclass(frozen=True)
class Step:
    """One stage of a plan.

    Attributes:
        name: The stage's name without its project, `train`.
        upstream: The names of the stages whose outputs it reads directly.
        status: Whether it must run.
        reasons: Why it is stale; of a waiting one, what is stale about it already.
    """

    name: str
    upstream: tuple[str, ...]
    status: Status
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The stages of one project up to a target, each after those that it reads from."""

    project: str
    steps: tuple[Step, ...]

    def __getitem__(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.steps)

    @property
    def most_awaited_first(self) -> tuple[Step, ...]:
        """The stages in the order to start them in: first what most others wait for."""
        below: dict[str, set[str]] = {name: set() for name in self.names}
        for step in reversed(self.steps):
            for up in step.upstream:
                below[up] |= below[step.name] | {step.name}
        return tuple(sorted(self.steps, key=lambda step: -len(below[step.name])))

    @property
    def is_fresh(self) -> bool:
        return all(step.status == "fresh" for step in self.steps)

    def waits_for(self, name: str) -> tuple[str, ...]:
        """The direct upstream stages of `name` that are not fresh."""
        return tuple(up for up in self[name].upstream if self[up].status != "fresh")


class Planner:
    """Reads graph and status of one project from DVC."""

    def __init__(self, root: Path, project: str) -> None:
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.ERROR)
        self.root = root
        self.project = project
        check_graph(root, project, projects(root)[known_project(root, project)])
        self._file = str(root / graph_folder(root, project) / DVC_FILE)
        with explained():
            self._repo = Repo(str(root), _wait_for_lock=True)
        self._repo.lock._friendly = False  # no progress bar while it waits
        self.fresh = Freshness(self._repo, root, project)

    def close(self) -> None:
        self.fresh.truth.digests.keep()
        self._repo.close()

    @property
    def dvc_lock(self) -> Path:
        """DVC's lock of the repository."""
        return Path(self._repo.tmp_dir) / "lock"

    def __enter__(self) -> "Planner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plan(self, target: str | None = None, forced: str | None = None) -> Plan:
        """All stages of the project, or `target` and what it reads from.

        Args:
            target: The stage to reach; None for all.
            forced: A stage that is to run anew: it counts as stale, so what follows it waits.

        Raises:
            ProjectError: dvc.yaml does not parse, or there is no such stage.
            BusyError: another DVC process writes what we must read.
        """
        with self._locked() as graph:
            stages = self._chosen(graph, target)
            status: dict[str, Status] = {}
            steps = []
            for name, stage in stages.items():
                upstream = self._upstream(graph, stage)
                reasons = self.fresh.reasons(stage)
                self._suspect(graph, stage, reasons)
                if name == forced:
                    reasons.append(Reason("forced"))
                if any(status[up] != "fresh" for up in upstream):
                    status[name] = "waits"
                    made_upstream = self._paths_made_by(graph, stage)
                    reasons = [
                        r for r in reasons if r.kind == "read" or r.what not in made_upstream
                    ]
                else:
                    status[name] = "stale" if reasons else "fresh"
                steps.append(Step(name, upstream, status[name], tuple(reasons)))
        return Plan(self.project, tuple(steps))

    def check_names(self, target: str | None, forced: str | None) -> None:
        """Refuse what dvc.yaml has no such stage for; no stage is asked whether it is fresh.

        Raises:
            ProjectError: there is no stage `target`, or a build up to it has no stage `forced`.
        """
        with self._locked() as graph:
            names = tuple(self._chosen(graph, target))
        if forced is not None and forced not in names:
            raise ProjectError(
                f"--from: expected a stage that this build has ({', '.join(names)}), "
                f"got {forced!r}",
                hint=nearest(forced, names),
            )

    def reasons(self, name: str) -> tuple[Reason, ...]:
        """Why the stage `name` is stale now, its inputs being ready; empty when it is fresh."""
        with self._locked() as graph:
            stage = self._chosen(graph, name)[name]
            reasons = self.fresh.reasons(stage)
            self._suspect(graph, stage, reasons)
            return tuple(reasons)

    def discard_damaged(self, name: str) -> None:
        """Delete what DVC's cache has damaged of a stage's outputs, so that it runs again."""
        with self._locked() as graph:
            self.fresh.truth.discard_damaged(self._chosen(graph, name)[name])

    def lost(self, plan: Plan) -> str:
        """What people are told of stages that dvc.lock has lost; empty where it has lost none."""
        reasons = {s.name: r for s in plan.steps for r in s.reasons if r.kind == "lost"}
        return self.fresh.known_before.line(reasons) if reasons else ""

    def _suspect(self, graph: Any, stage: Any, reasons: list[Reason]) -> None:
        """Remember which stages may have read what is found damaged now: those below that wrote
        something since."""
        import networkx as nx

        for reason in reasons:
            if reason.kind != "damaged":
                continue
            below = {*nx.ancestors(graph, stage)} | ({stage} if reason.how == "source" else set())
            for other in below:
                self.fresh.suspect(other, reason.what)

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        """DVC's graph of this project alone, read while DVC's lock is held: dvc.lock is whole
        then."""
        from dvc.repo import lock_repo
        from dvc.repo.index import Index

        self.fresh.truth.look_anew()
        with explained(), lock_repo(self._repo):
            yield Index.from_file(self._repo, self._file).graph

    def _chosen(self, graph: Any, target: str | None) -> dict[str, Any]:
        """The project's stages by name, each after those that it reads from."""
        import networkx as nx

        stages = {stage.name: stage for stage in nx.dfs_postorder_nodes(graph)}
        if not stages:
            raise ProjectError(
                f"dvc.yaml: expected stages of the project {self.project!r}, found none",
                hint="`git checkout dvc.yaml` restores the graph",
            )
        if target is None:
            return stages
        if target not in stages:
            raise ProjectError(
                f"expected a stage of dvc.yaml, got {target!r}", hint=nearest(target, stages)
            )
        wanted = {stages[target], *nx.descendants(graph, stages[target])}
        return {name: stage for name, stage in stages.items() if stage in wanted}

    def _upstream(self, graph: Any, stage: Any) -> tuple[str, ...]:
        return tuple(sorted(up.name for up in graph.successors(stage)))

    def _paths_made_by(self, graph: Any, stage: Any) -> set[str]:
        ups = list(graph.successors(stage))
        return {self._relative(dep.fs_path) for dep in stage.deps if _is_made_by(dep, ups)}

    def _relative(self, path: str) -> str:
        return Path(os.path.relpath(path, self.root)).as_posix()


def missing_sources(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """The files that a ready stage needs, that are not there and that no stage makes."""
    kinds = ("file", "code", "lock")
    return tuple(r.what for r in reasons if r.kind in kinds and r.how == "deleted")


def _is_made_by(dep: Any, stages: Iterable[Any]) -> bool:
    outs = [out.fs_path for stage in stages for out in stage.outs]
    return any(dep.fs_path == out or dep.fs_path.startswith(out + os.sep) for out in outs)


@contextmanager
def explained() -> Iterator[None]:
    """Turn DVC's errors into ours."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    try:
        yield
    except LockError as error:
        raise BusyError(
            f"expected no other DVC at work on these files, found one: {error}",
            hint="wait until it has ended, or stop it",
        ) from error
    except DvcException as error:
        causes = dict.fromkeys((str(error), str(error.__cause__ or error)))
        if any("is not a git repository" in cause for cause in causes):
            raise ProjectError(
                f"expected a git repository: {next(iter(causes))}",
                hint="`git init` and a first commit make one of this folder; "
                "better, work in a clone made by `git clone`",
            ) from error
        raise ProjectError(
            "DVC cannot read the graph: " + ": ".join(causes),
            hint="`git diff` shows what changed in dvc.yaml, graph.yaml and dvc.lock; "
            "`git checkout` of the file restores its last committed state",
        ) from error

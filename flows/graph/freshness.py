"""Whether one stage is fresh, asked of DVC and of the files themselves."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.graph.committed import LastBuilt
from flows.graph.lost import KnownBefore
from flows.graph.reasons import Reason, code_reasons, file_reason, parameter_reasons
from flows.graph.truth import Truth
from pipeline.core.run.declared import digest, remembered
from pipeline.core.settings.graph_file import LOCK, graph_folder


class Freshness:
    """Why stages of one project must run.

    Args:
        repo: DVC's repository; it is locked by whoever asks.
        root: The checkout.
        project: The project's name.
    """

    def __init__(self, repo: Any, root: Path, project: str) -> None:
        self._repo = repo
        self._root = root
        self._lock = graph_folder(root, project) / LOCK
        self.truth = Truth(repo, root, project)
        self.known_before = KnownBefore(root, project, self._lock)

    def reasons(self, stage: Any) -> list[Reason]:
        """What `dvc repro` would run the stage for, and what it does not see: damaged files. An
        output that only the cache lacks is no reason."""
        from dvc.rwlock import rwlock

        paths = [entry.fs_path for entry in (*stage.deps, *stage.outs)]
        hardlink = self._repo.config["core"].get("hardlink_lock", False)
        with rwlock(self._repo.tmp_dir, self._repo.fs, "hallmark", paths, [], hardlink):
            loss = self.known_before.loss(stage)
            if _never_ran(stage):
                first = [loss or Reason("new")]
                return [*first, *self._missing_sources(stage), *self._damaged_sources(stage)]
            reasons = [loss] if loss else []
            reasons += [Reason("command")] if stage.changed_stage() else []
            if stage.is_callback or stage.always_changed:
                reasons.append(Reason("always"))
            for dep in () if stage.frozen else stage.deps:
                reasons += self._of_dependency(dep)
            if (read := self.truth.digests.suspected(stage.name)) is not None:
                reasons.append(Reason("read", read))
            return [*reasons, *self._damaged_sources(stage), *self._of_outputs(stage.outs)]

    def suspect(self, stage: Any, path: str) -> None:
        """A stage that wrote something since a file was damaged may have read it."""
        since = self.truth.since(path)
        written = [self.truth.since(self._relative(out.fs_path)) for out in stage.outs]
        if since and max(written, default=0) >= since:
            self.truth.digests.suspect(stage.name, path)

    def _of_outputs(self, outs: list[Any]) -> list[Reason]:
        paths = {self._relative(out.fs_path): out for out in outs}
        changed = {p: out for p, out in paths.items() if not self.truth.is_as_named(p, out)}
        believed = {p for p in changed if self.truth.correct(p)}
        found = {p: (out, [*out.workspace_status().values()]) for p, out in changed.items()}
        if len(found) == len(outs) > 1 and all("deleted" in hows for _, hows in found.values()):
            return [Reason("outputs", how="deleted")]
        unseen = {p for p, (out, hows) in found.items() if not hows and Path(out.fs_path).is_file()}
        return [
            self.truth.of_output(path, out.hash_info.value, path in believed | unseen)
            if how == "modified" and out.hash_info
            else Reason("output", path, how)
            for path, (out, hows) in found.items()
            for how in (["modified"] if path in unseen else hows)
        ]

    def _missing_sources(self, stage: Any) -> list[Reason]:
        paths = [self._relative(dep.fs_path) for dep in stage.deps if not dep.exists]
        return [file_reason(path, "deleted") for path in paths]

    def _damaged_sources(self, stage: Any) -> list[Reason]:
        paths = [self._relative(dep.fs_path) for dep in stage.deps]
        return [reason for path in paths for reason in self.truth.of_source(path)]

    def _of_dependency(self, dep: Any) -> list[Reason]:
        path = self._relative(dep.fs_path)
        if hasattr(dep, "read_params"):
            if not dep.workspace_status():
                return []
            old = dep.hash_info.value if dep.hash_info else {}
            new = dep.read_params()
            return parameter_reasons(path, old or {}, new, list(dep.params) or [*new, *(old or {})])
        if self.truth.is_as_named(path, dep):
            return []
        self.truth.correct(path)
        hows = _hows(dep.workspace_status().values())
        if "modified" in hows and path.startswith("pipeline/") and Path(dep.fs_path).is_dir():
            return code_reasons(self._root, path, self._listed_at_last_run(path, dep))
        return [file_reason(path, how) for how in hows]

    def _listed_at_last_run(self, folder: str, dep: Any) -> dict[str, str] | None:
        """The files of a package as the stage's last run found them; None where nobody knows."""
        listed = remembered(self._root, dep.hash_info.value)
        if listed is None:
            committed = self._last_built.manifest(folder)
            listed = committed if digest(committed) == dep.hash_info.value else None
        return listed

    @cached_property
    def _last_built(self) -> LastBuilt:
        return LastBuilt(self._repo.scm, self._root, self._lock)

    def _relative(self, path: str) -> str:
        return Path(os.path.relpath(path, self._root)).as_posix()


def _never_ran(stage: Any) -> bool:
    return not any(entry.hash_info for entry in (*stage.deps, *stage.outs))


def _hows(values: Iterable[Any]) -> list[str]:
    return [value if isinstance(value, str) else "modified" for value in values]

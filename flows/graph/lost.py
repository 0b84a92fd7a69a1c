"""Stages that dvc.lock has lost: a file cut short still parses, and its last stages look new."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.git import answer
from flows.graph.reasons import Reason
from pipeline.core.paths import local_state

MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
RECORD = "tracking.json"
"""What a build leaves of dvc.lock, in its folder."""


class KnownBefore:
    """What the last commit, or the last build here, says of a project's stages.

    Args:
        root: The checkout.
        project: The project's name.
        lock: Its dvc.lock, relative to `root`.
    """

    def __init__(self, root: Path, project: str, lock: Path) -> None:
        self._root = root
        self._project = project
        self._lock = lock

    def loss(self, stage: Any) -> Reason | None:
        """That dvc.lock has lost a stage of dvc.yaml, or a part of its entry; else None."""
        entries = [entry for entry in (*stage.deps, *stage.outs) if not hasattr(entry, "params")]
        missing = {entry.def_path for entry in entries if not _is_named(entry)}
        if not missing:
            return None
        for where, known in (("commit", self.committed), ("build", self.recorded)):
            if missing & _paths(known.get(stage.name, {})):
                return Reason("lost", self._lock.as_posix(), where)
        no_outputs = not any(_is_named(out) for out in stage.outs)
        if no_outputs and all(out.exists for out in stage.outs):
            return Reason("lost", self._lock.as_posix(), "workspace")
        return None

    def line(self, lost: Mapping[str, Reason]) -> str:
        """What people are told of stages that dvc.lock has lost."""
        where = next(iter(lost.values())).how
        known = {"commit": self.committed, "build": self.recorded}.get(where)
        what = {"commit": "the last commit names", "build": "the last build named"}.get(where, "")
        text = f"{self._lock}: it has lost {len(lost)} stages ({', '.join(lost)})"
        if known is None:
            return f"{text}: their outputs are there, and nothing tells what they were made from"
        return f"{text}; {what} {len(known)}. `git checkout {self._lock}` brings back what git has"

    @cached_property
    def committed(self) -> dict[str, Any]:
        """The stages of the last commit's dvc.lock."""
        shown = answer(self._root, "show", f"HEAD:./{self._lock.as_posix()}") or ""
        try:
            content = YAML(typ="safe").load(shown)
        except YAMLError:
            return {}
        return dict((content or {}).get("stages") or {})

    @cached_property
    def recorded(self) -> dict[str, Any]:
        """The stages that the last build here recorded when it had ended."""
        sources = (local_state(self._root) / "runs").glob(f"*/{RECORD}")
        for source in sorted(sources, reverse=True):
            try:
                content = json.loads(source.read_text(encoding="utf-8"))
            except (ValueError, FileNotFoundError):
                continue
            if content.get("project") == self._project and content.get("entries"):
                return dict(content["entries"])
        return {}


def _is_named(entry: Any) -> bool:
    """Whether dvc.lock has a whole digest of a dependency or an output."""
    value = entry.hash_info.value if entry.hash_info else None
    return isinstance(value, str) and MD5.fullmatch(value) is not None


def _paths(entry: Mapping[str, Any]) -> set[str]:
    """The dependencies and outputs that an entry has whole digests of."""
    items = (item for kind in ("deps", "outs") for item in entry.get(kind) or ())
    return {item["path"] for item in items if MD5.fullmatch(str(item.get("md5", "")))}

"""Why a stage is stale: data first, text rendered from it.

A reason names one thing that differs from what `dvc.lock` says of the stage's last run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.core.run.declared import manifest

Kind = Literal[
    "new",
    "command",
    "parameter",
    "items",
    "code",
    "lock",
    "file",
    "output",
    "outputs",
    "forced",
    "always",
    "damaged",
    "read",
    "lost",
]

MAX_VALUE_CHARS = 40
MAX_FILES = 3
"""How many changed files of one package are named."""


@dataclass(frozen=True)
class Reason:
    """One cause of a stage's being stale.

    Attributes:
        kind: What sort of thing differs.
        what: The file (relative to the repository's root) or the parameter's dotted key.
        how: `modified`, `deleted` or `new`, as DVC says it. Of what is damaged, where: `cache`,
            `hand` or `source`; of what dvc.lock lost, who still has it: `commit`, `build` or
            `workspace`.
        old: A parameter's value in dvc.lock, written out; empty when it was absent. Of a list
            (`items`), what it lost. Of what is damaged, the MD5 that it should have.
        new: A parameter's value now, written out; empty when it is absent. Of a list, what it
            gained. Of what is damaged, its MD5.
    """

    kind: Kind
    what: str = ""
    how: str = ""
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        if self.kind == "parameter":
            return self._parameter()
        if self.kind == "items":
            return f"{self.what} {self._items()}"
        return {
            "new": "never run",
            "command": "its command in dvc.yaml changed",
            "always": "DVC is told to run it always",
            "forced": "asked for by --from",
            "code": f"code {self.what} {self._verb()}",
            "lock": f"{self.what} {self._verb()}, so packages may differ",
            "file": f"{self.what} {self._verb()}",
            "outputs": "its outputs are missing",
            "output": f"output {self.what} {self._output_verb()}",
            "damaged": f"{self.what} is damaged: {self._damage()}",
            "read": f"it may have read {self.what} while that was damaged",
            "lost": f"{self.what} {self._loss()}",
        }[self.kind]

    def _damage(self) -> str:
        found = f"found {self.new}" if self.new else "found none"
        where = {
            "hand": "DVC had taken it for unchanged",
            "source": "and so is DVC's cache of it",
            "cache": "and so is DVC's cache of it",
        }.get(self.how, "")
        return f"expected the MD5 {self.old}, {found}; {where}"

    def _loss(self) -> str:
        if self.how == "workspace":
            return "does not name it, though its outputs are there"
        return f"has lost its entry, which the last {self.how} has"

    def _parameter(self) -> str:
        if not self.old:
            return f"{self.what} added: {self.new}"
        if not self.new:
            return f"{self.what} removed, was {self.old}"
        return f"{self.what} {self.old} → {self.new}"

    def _items(self) -> str:
        found = [("gained", self.new), ("lost", self.old)]
        return ", ".join(f"{verb} {items}" for verb, items in found if items) or "in another order"

    def _verb(self) -> str:
        return {"deleted": "is missing", "new": "is new"}.get(self.how, "changed")

    def _output_verb(self) -> str:
        return {"deleted": "is missing", "new": "is new"}.get(self.how, "was changed by hand")


def file_reason(path: str, how: str) -> Reason:
    """The reason that a dependency differs, by what sort of file it is."""
    if path.endswith(".lock"):
        return Reason("lock", path, how)
    is_code = path.startswith("pipeline/") or path.endswith(".py")
    return Reason("code" if is_code else "file", path, how)


def code_reasons(root: Path, folder: str, before: dict[str, str] | None) -> list[Reason]:
    """Which files of a package differ from what `before` lists, the MD5 of each file by its path
    below `folder`; the package itself where nobody knows what it held."""
    if before is None:
        return [Reason("code", folder, "modified")]
    now = manifest(root, Path(folder))
    differing = sorted(name for name in before | now if before.get(name) != now.get(name))
    found = []
    for name in differing[:MAX_FILES]:
        how = "new" if name not in before else "deleted" if name not in now else "modified"
        found.append(Reason("code", f"{folder}/{name}", how))
    if more := len(differing) - MAX_FILES:
        found += [Reason("code", f"{folder} ({more} more files)", "modified")] if more > 0 else []
    return found


def parameter_reasons(
    source: str, old: Mapping[str, Any], new: Mapping[str, Any], watched: list[str]
) -> list[Reason]:
    """What differs between two states of a parameter file, down to the nested key.

    Args:
        source: The file; a project's own file is not named, its sections are known by name.
        old: The watched keys' values at the last run.
        new: Their values now.
        watched: The keys that the stage watches.
    """
    prefix = "" if source.endswith("/project.yaml") else f"{source}: "
    reasons: list[Reason] = []
    for key in watched:
        reasons += _differences(f"{prefix}{key}", old.get(key, _ABSENT), new.get(key, _ABSENT))
    return reasons


_ABSENT = object()


def _differences(key: str, old: Any, new: Any) -> list[Reason]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[Reason] = []
        for name in dict.fromkeys((*new, *old)):
            found += _differences(f"{key}.{name}", old.get(name, _ABSENT), new.get(name, _ABSENT))
        return found
    if isinstance(old, list) and isinstance(new, list):
        lost, gained = [i for i in old if i not in new], [i for i in new if i not in old]
        return [Reason("items", key, "modified", _listed(lost), _listed(gained))]
    how = "new" if old is _ABSENT else "deleted" if new is _ABSENT else "modified"
    return [Reason("parameter", key, how, _written(old), _written(new))]


def _listed(items: list[Any]) -> str:
    return ", ".join(_written(item) for item in items)


def _written(value: Any) -> str:
    if value is _ABSENT:
        return ""
    text = value if isinstance(value, str) and value else repr(value)
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"

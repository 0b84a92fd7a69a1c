"""A project as one stage sees it: its own section of `data/<project>/project.yaml` and the shared
ones that the stage names in SECTIONS, nothing else; DVC watches just these.

Which projects there are, and of which modality, says `params.yaml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.problems import nearest, shown
from pipeline.core.settings.sections import SHARED, About, check_section_names, section
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.settings.yaml_files import read_yaml

PARAMS_KEYS, ENTRY_KEYS = ("projects", "prices"), ("modality", "schedule")

S = TypeVar("S", bound=Frozen)


@dataclass(frozen=True)
class Project(Generic[S]):
    """One project as one stage sees it.

    Attributes:
        name: The project's name.
        modality: The kind of its data; names a folder below `pipeline/`.
        settings: The stage's own section.
        shared: The shared sections that the stage asked for.
    """

    name: str
    modality: str
    settings: S
    shared: Mapping[str, Frozen]

    @property
    def columns(self) -> Columns:
        section = self.shared["columns"]
        assert isinstance(section, Columns)  # noqa: S101 -- narrows the type, checks no input
        return section

    @property
    def about(self) -> About:
        section = self.shared["about"]
        assert isinstance(section, About)  # noqa: S101 -- narrows the type, checks no input
        return section


def load_project(
    root: Path,
    name: str,
    stage: str,
    settings: type[S],
    sections: tuple[str, ...],
    models: Mapping[str, type[Frozen]] | None = None,
) -> Project[S]:
    """Read what `stage` may see of the project `name`.

    Args:
        root: Of the repository.
        name: The project's.
        stage: Whose own section becomes `settings`.
        settings: That section's type.
        sections: What else it sees.
        models: The types of sections among them that belong to another stage.

    Raises:
        ProjectError: the project is unknown, its file is not YAML, a section is missing, a key is
            unknown or a value is of the wrong type; the message names file and key.
    """
    modality = projects(root)[known_project(root, name)]
    source = Path("data") / name / "project.yaml"
    content = read_yaml(root, source)
    check_section_names(source, content)
    known = {**SHARED, **(models or {})}
    return Project(
        name=name,
        modality=modality,
        settings=section(source, content, stage, settings, modality),
        shared={key: section(source, content, key, known[key], modality) for key in sections},
    )


def projects(root: Path) -> dict[str, str]:
    """The repository's projects and their modalities, from `params.yaml`."""
    source = Path("params.yaml")
    content = read_yaml(root, source)
    for key in content:
        if key not in PARAMS_KEYS:
            raise ProjectError(f"{source}: unknown key `{key}`", nearest(str(key), PARAMS_KEYS))
    entries = content.get("projects")
    if not isinstance(entries, dict) or not entries:
        raise ProjectError(
            f"{source}: expected projects below the key `projects`, found none",
            hint="`hallmark init FILE --target COLUMN` adds one; by hand it is `projects:`, below "
            "it its name, below that `modality: tabular`",
        )
    for name, entry in entries.items():
        _check_entry(f"{source}: projects.{name}", entry)
    return {str(name): entry["modality"] for name, entry in entries.items()}


def _check_entry(where: str, entry: Any) -> None:
    """A project's lines in params.yaml: its modality and perhaps a schedule."""
    if not isinstance(entry, dict) or not isinstance(entry.get("modality"), str):
        raise ProjectError(
            f"{where}: expected the line `modality: NAME` below it, got {shown(entry)}",
            hint="write `modality: tabular` in the line below, further in",
        )
    for key in entry:
        if key not in ENTRY_KEYS:
            raise ProjectError(f"{where}: unknown key `{key}`", nearest(str(key), ENTRY_KEYS))
    line = str(entry.get("schedule", "never")).strip()
    if line != "never" and len(line.split()) != 5:
        raise ProjectError(
            f"{where}.schedule: expected a cron line of five fields, got {line!r}",
            hint='for instance `schedule: "0 3 * * 1"`, Mondays at three (UTC), or '
            "`schedule: never`",
        )


def known_project(root: Path, name: str) -> str:
    """Return `name` if `params.yaml` has it; raise ProjectError with the nearest one if not."""
    known = projects(root)
    if name not in known:
        raise ProjectError(
            f"expected a project that params.yaml names ({', '.join(known)}), got {name!r}",
            hint=nearest(name, known),
        )
    return name

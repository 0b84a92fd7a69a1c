"""Which points a frontier has: named overrides of project.yaml, over no mitigation at all."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from flows.settings.assignments import as_yaml
from flows.settings.project_file import apply, modality_of, project_file, settings_of
from pipeline.core.errors import ProjectError
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.sections import SHARED, section
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.settings.yaml_files import read_yaml

TARGET = "calibrate"
"""A point is built up to this stage: it has a model and a policy then."""
Value = bool | int | float | str | None | tuple[str, ...]
AS_IT_IS = "as project.yaml has it"
BLOCKS: Mapping[str, Mapping[str, Value]] = {
    "train.mitigation": {"strength": 0},
    "calibrate.mitigation": {},
}
"""The settings of mitigation that a candidate replaces as a whole, and what they are without it."""
KEPT = ("allow_sensitive_at_serving",)
"""What a candidate that does not set it keeps of the project's own. Nothing else: a point is
the same point whatever was chosen and written before."""
WITHOUT: Mapping[str, Value] = {"balance.method": "none"}
"""The same of settings that stand alone."""


class Candidate(Frozen):
    name: str = Field(min_length=1)
    """What the point is called, on the table and in the plot."""
    family: str = Field(min_length=1)
    """The mitigation that it is an instance of."""
    set: Mapping[str, Value] = Field(default_factory=dict)
    """What it sets in project.yaml, `train.mitigation.strength: 0.8`, over no mitigation at all."""
    trainings: float = Field(1, gt=0)
    """About how many plain trainings it takes: its time is reckoned from those of other points."""


@dataclass(frozen=True)
class Point:
    """A candidate that the project's settings allow.

    Attributes:
        name: What it is called.
        family: The mitigation that it is an instance of.
        assignments: What it changes in the project's file as it is, as `--set` takes it.
        trainings: About how many plain trainings it takes.
        settings: What the settings are then, written out, up to the gate's.
    """

    name: str
    family: str
    assignments: tuple[str, ...]
    trainings: float
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Refused:
    """A candidate that cannot be a point here, and why."""

    name: str
    why: str


def points_of(
    root: Path, project: str, candidates: Iterable[Candidate], as_it_is: bool = True
) -> tuple[list[Point], list[Refused]]:
    """The points among the candidates, and those that the project refuses.

    Each names only what differs from the project's file as it is, so that the build of a chosen
    point reads the same settings, and DVC restores it. Candidates that come to the same settings
    are one point, under the first one's name.

    Args:
        root: The checkout.
        project: The project's name.
        candidates: In order.
        as_it_is: Whether the project's own settings are a point as well, unless a candidate is it.

    Raises:
        ProjectError: the project's own file is refused.
    """
    now = settings_now(root, project)
    points: list[Point] = []
    refused: list[Refused] = []
    for candidate in candidates:
        assignments = changes(root, project, now, candidate)
        try:
            settings = settings_with(root, project, assignments)
            assignments = () if settings == now else assignments
        except ProjectError as error:
            refused.append(Refused(candidate.name, str(error)))
            continue
        if same := next((point for point in points if point.settings == settings), None):
            refused.append(Refused(candidate.name, f"the same settings as {same.name!r}"))
            continue
        points.append(
            Point(candidate.name, candidate.family, assignments, candidate.trainings, settings)
        )
    if as_it_is and all(point.settings != now for point in points):
        points.insert(min(1, len(points)), Point(AS_IT_IS, "the project's own", (), 1, now))
    return points, refused


def changes(
    root: Path, project: str, now: Mapping[str, Any], candidate: Candidate
) -> tuple[str, ...]:
    """What a candidate changes in the project's file, as `--set` takes it; nothing where it comes
    to the same settings.

    The settings of mitigation are replaced as a whole: those of another method would be in the way.

    Args:
        root: The checkout.
        project: The project's name.
        now: From `settings_now`.
        candidate: Which.
    """
    raw = read_yaml(root, project_file(project))
    alone = {key: value for key, value in candidate.set.items() if not _block_of(key)}
    found = []
    for key, value in {**WITHOUT, **alone}.items():
        if _at(now, key) is _ABSENT and key not in alone:
            continue  # nothing there to be without
        if _at(now, key) != _plain(value):
            found.append(f"{key}={as_yaml(value)}")
    for block in BLOCKS:
        own = {key: value for key, value in candidate.set.items() if _block_of(key) == block}
        if own or _at(now, block) is not _ABSENT:
            found += _block_changes(block, _at(raw, block), own)
    return tuple(found)


def _block_of(key: str) -> str:
    return next((block for block in BLOCKS if key.startswith(f"{block}.")), "")


def _block_changes(block: str, written: Any, own: Mapping[str, Value]) -> list[str]:
    """How a block of settings becomes the candidate's."""
    before = written if isinstance(written, Mapping) else {}
    wanted: dict[str, Any] = {key: before[key] for key in KEPT if key in before}
    for key, value in own.items():
        holder = wanted
        *places, last = key.removeprefix(f"{block}.").split(".")
        for name in places:
            holder = holder.setdefault(name, {})
        holder[last] = _plain(value)
    if not own:
        wanted |= BLOCKS[block]
    if set(before) <= set(wanted):
        return [
            f"{block}.{key}={as_yaml(value)}"
            for key, value in wanted.items()
            if key not in before or before[key] != value
        ]
    return [f"{block}={as_yaml(wanted)}"]


def settings_now(root: Path, project: str) -> dict[str, Any]:
    """The project's settings written out, defaults included, of all stages up to the gate.

    Raises:
        ProjectError: what the settings refuse.
    """
    modality = modality_of(root, project)
    source = project_file(project)
    content = read_yaml(root, source)
    stages = READING_ORDER[: READING_ORDER.index("gate") + 1]
    found: dict[str, Any] = {"modality": modality}
    for name in (*SHARED, *stages):
        if model := settings_of(name):
            found[name] = section(source, content, name, model, modality).model_dump(mode="json")
    return found


def settings_with(root: Path, project: str, assignments: tuple[str, ...]) -> dict[str, Any]:
    """The same with these changes, which are checked and not written.

    Raises:
        ProjectError: an unknown key, a value of a wrong type.
    """
    source = project_file(project)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        (copy / source).parent.mkdir(parents=True)
        for name in (Path("params.yaml"), source):
            shutil.copyfile(root / name, copy / name)
        apply(copy, project, assignments)
        return settings_now(copy, project)


_ABSENT = object()


def _at(settings: Mapping[str, Any], key: str) -> Any:
    found: Any = settings
    for name in key.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return _ABSENT
        found = found[name]
    return found


def _plain(value: Value) -> Any:
    """As YAML has it: a list, not a tuple."""
    return list(value) if isinstance(value, tuple) else value

"""Which points a frontier has: named overrides of project.yaml, over no mitigation at all.

`candidates` gives the default list, most informative first: a budget that ends early has then
trained what says most. A file replaces it (`hallmark frontier PROJECT --points FILE`).
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field
from ruamel.yaml import YAML

from flows.settings import apply, modality_of, project_file, settings_of
from pipeline.core.errors import ProjectError
from pipeline.core.groups import CROSS
from pipeline.core.paths import READING_ORDER
from pipeline.core.project import SHARED, Frozen, read_yaml, section

TARGET = "calibrate"
"""A point is built up to this stage: it has a model and a policy then."""
Value = bool | int | float | str | None | tuple[str, ...]
AS_IT_IS = "as project.yaml has it"
WITHOUT: Mapping[str, Value] = {
    "balance.method": "none",
    "train.mitigation.method": "penalty",
    "train.mitigation.strength": 0,
    "calibrate.mitigation.method": "none",
}
"""No mitigation at all: what every candidate starts from."""


class Candidate(Frozen):
    name: str = Field(min_length=1)
    """What the point is called, on the table and in the plot."""
    family: str = Field(min_length=1)
    """The mitigation that it is an instance of."""
    set: Mapping[str, Value] = Field(default_factory=dict)
    """What it sets in project.yaml, `train.mitigation.strength: 0.8`, over no mitigation at all."""
    trainings: float = Field(1, gt=0)
    """About how many plain trainings it takes: its time is reckoned from those of other points."""


CONSTRAINTS = {
    "demographic_parity_difference": "demographic_parity",
    "demographic_parity_ratio": "demographic_parity",
    "equalized_odds_difference": "equalized_odds",
    "equalized_odds_ratio": "equalized_odds",
    "equal_opportunity_difference": "true_positive_rate_parity",
    "equal_opportunity_ratio": "true_positive_rate_parity",
    "false_positive_rate_difference": "false_positive_rate_parity",
}
"""The constraint on which a mitigation works, by the measure of the gate's rule."""
DEFAULT_LIMIT = 0.1


def candidates(root: Path, project: str) -> tuple[Candidate, ...]:
    """The default list for a project: its mitigations work on what its gate has the tightest rule
    on, most informative first.

    Raises:
        ProjectError: the project's own file is refused.
    """
    settings = settings_now(root, project)
    constraint, limit, columns = _tightest(settings["gate"]["rules"])
    threshold: dict[str, Value] = {
        "calibrate.mitigation.method": "constrained_threshold",
        "calibrate.mitigation.constraint": constraint,
        "calibrate.mitigation.at_most": limit,
        "calibrate.mitigation.columns": columns,
    }
    during: dict[str, Value] = {
        "train.mitigation.constraint": constraint,
        "train.mitigation.columns": columns,
    }

    def before(method: str) -> dict[str, Value]:
        return {"balance.method": method}

    def by(method: str) -> dict[str, Value]:
        return {"train.mitigation.method": method, **during}

    def penalty(strength: float) -> dict[str, Value]:
        return {"train.mitigation.strength": strength}

    found: list[tuple[str, str, float, dict[str, Value]]] = [
        ("unmitigated", "none", 1, {}),
        ("penalty 0.8", "penalty", 1, penalty(0.8)),
        ("reweigh", "reweigh", 1, before("reweigh")),
        ("threshold", "constrained threshold", 1, threshold),
        ("penalty 0.4", "penalty", 1, penalty(0.4)),
        ("resample", "resample", 1, before("resample")),
        ("correlation remover", "correlation remover", 1, before("correlation_remover")),
        ("adversarial", "adversarial", 3, by("adversarial")),
        ("exponentiated gradient", "exponentiated gradient", 10, by("exponentiated_gradient")),
        ("penalty 1.5", "penalty", 1, penalty(1.5)),
        ("reweigh + penalty 0.4", "penalty", 1, {**before("reweigh"), **penalty(0.4)}),
        ("synthetic rows (VAE)", "synthetic rows", 3, before("synthetic_vae")),
        ("penalty 0.4 + threshold", "penalty", 1, {**penalty(0.4), **threshold}),
        ("penalty 0.6", "penalty", 1, penalty(0.6)),
        ("grid search", "grid search", 10, by("grid_search")),
    ]
    if settings["calibrate"].get("mitigation", {}).get("allow_sensitive_at_serving"):
        own: dict[str, Value] = {"calibrate.mitigation.method": "threshold_optimizer"}
        found.insert(4, ("threshold optimizer", "threshold optimizer", 1, own))
    return tuple(
        Candidate(name=name, family=family, trainings=trainings, set=keys)
        for name, family, trainings, keys in found
    )


def _tightest(rules: Iterable[Mapping[str, Any]]) -> tuple[str, float, tuple[str, ...] | None]:
    """Constraint, limit and columns of the rule on a difference that allows least, of one column;
    without one: selection rates, the usual limit, all columns."""
    known = [
        rule
        for rule in rules
        if not rule.get("against")
        and rule.get("measure") in CONSTRAINTS
        and rule.get("by")
        and CROSS not in rule["by"]
    ]
    if not known:
        return "demographic_parity", DEFAULT_LIMIT, None
    limits = [rule["at_most"] for rule in known if rule.get("at_most")]
    tight = min(known, key=lambda rule: rule.get("at_most") or 1.0)
    limit = tight.get("at_most") or min(limits, default=DEFAULT_LIMIT)
    return CONSTRAINTS[tight["measure"]], limit, (tight["by"],)


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


def read_candidates(source: Path) -> tuple[Candidate, ...]:
    """The candidates of a file: the key `points`, a list.

    Raises:
        ProjectError: no such file, no YAML, an unknown key, a value of a wrong type; named.
    """
    content = read_yaml(Path(), source)
    if unknown := [str(key) for key in content if key != "points"]:
        raise ProjectError(
            f"{source}: unknown key `{unknown[0]}`", hint="the one key is `points`, a list"
        )
    entries = content.get("points")
    if not isinstance(entries, list) or not entries:
        raise ProjectError(
            f"{source}: expected the key `points` with a list of points, got {entries!r}",
            hint="- {name: penalty 0.8, family: penalty, set: {train.mitigation.strength: 0.8}}",
        )
    keys = [f"points.{index}" for index in range(len(entries))]
    given = dict(zip(keys, entries, strict=True))
    found = tuple(section(source, given, key, Candidate, modality="") for key in keys)
    names = [candidate.name for candidate in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ProjectError(f"{source}: expected one point of each name, found {twice[0]!r} twice")
    return found


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
        assignments = differing(now, candidate)
        try:
            settings = settings_with(root, project, assignments)
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


def differing(now: Mapping[str, Any], candidate: Candidate) -> tuple[str, ...]:
    """What a candidate changes in these settings, as `--set` takes it."""
    wanted = {**WITHOUT, **candidate.set}
    changes = []
    for key, value in wanted.items():
        found = _at(now, key)
        if found is _ABSENT and key not in candidate.set:
            continue  # nothing there to be without
        if found is _ABSENT or found != (list(value) if isinstance(value, tuple) else value):
            changes.append(f"{key}={_as_yaml(value)}")
    return tuple(changes)


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


def _as_yaml(value: Value) -> str:
    """A value on one line, as `--set` reads it; YAML takes 1e-05 for text, and 1.0e-05 not."""
    if isinstance(value, str) and YAML(typ="safe").load(value) == value:
        return value
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    exponent = isinstance(value, float) and "e" in text and "." not in text
    return text.replace("e", ".0e") if exponent else text

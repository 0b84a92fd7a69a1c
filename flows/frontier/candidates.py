"""The candidates of a frontier: the usual list for a project, or a file's.

Most informative first: a budget that ends early has then trained what says most.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flows.frontier.points import Candidate, Value, settings_now
from pipeline.core.dataset.groups import CROSS
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Task
from pipeline.core.settings.sections import section
from pipeline.core.settings.yaml_files import read_yaml

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
Point = tuple[str, str, float, dict[str, Value]]
"""Name, family, about how many plain trainings it takes, and the keys that it sets."""


def candidates(root: Path, project: str) -> tuple[Candidate, ...]:
    """The default list for a project: its mitigations work on what its gate has the tightest rule
    on, most informative first.

    Raises:
        ProjectError: the project's own file is refused.
    """
    settings = settings_now(root, project)
    constraint, limit, columns = _tightest(settings["gate"]["rules"])
    found = _usual(constraint, limit, columns)
    if settings["calibrate"].get("mitigation", {}).get("allow_sensitive_at_serving"):
        own: dict[str, Value] = {"calibrate.mitigation.method": "threshold_optimizer"}
        found.insert(4, ("threshold optimizer", "threshold optimizer", 1, own))
    task = settings["columns"]["task"]
    return tuple(
        Candidate(name=name, family=family, trainings=trainings, set=keys)
        for name, family, trainings, keys in found
        if _is_for(task, keys)
    )


def _usual(constraint: str, limit: float, columns: tuple[str, ...] | None) -> list[Point]:
    """The mitigations of every project, most informative first."""
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

    def by(method: str, **more: Value) -> dict[str, Value]:
        own = {f"train.mitigation.{key}": value for key, value in more.items()}
        return {"train.mitigation.method": method, **during, **own}

    gradient = "exponentiated_gradient"
    bound = "reduction.difference_bound"
    looser: dict[str, Value] = {**threshold, "calibrate.mitigation.at_most": round(1.5 * limit, 4)}

    def penalty(strength: float) -> dict[str, Value]:
        return {"train.mitigation.strength": strength}

    return [
        ("unmitigated", "none", 1, {}),
        ("penalty 0.8", "penalty", 1, penalty(0.8)),
        ("reweigh", "reweigh", 1, before("reweigh")),
        ("exponentiated gradient 0.02", gradient, 3, by(gradient, **{bound: 0.02})),
        ("threshold", "constrained threshold", 1, threshold),
        ("penalty 0.4", "penalty", 1, penalty(0.4)),
        ("resample", "resample", 1, before("resample")),
        ("correlation remover", "correlation remover", 1, before("correlation_remover")),
        ("adversarial", "adversarial", 3, by("adversarial")),
        ("penalty 1.5", "penalty", 1, penalty(1.5)),
        ("reweigh + penalty 0.4", "penalty", 1, {**before("reweigh"), **penalty(0.4)}),
        ("synthetic rows (VAE)", "synthetic rows", 3, before("synthetic_vae")),
        ("penalty 0.4 + threshold", "penalty", 1, {**penalty(0.4), **threshold}),
        ("exponentiated gradient 0.05", gradient, 3, by(gradient, **{bound: 0.05})),
        ("threshold, 1.5 limits", "constrained threshold", 1, looser),
        ("penalty 0.6", "penalty", 1, penalty(0.6)),
        ("grid search", "grid search", 3, by("grid_search")),
    ]


def _is_for(task: Task, keys: Mapping[str, Value]) -> bool:
    """Whether a mitigation knows targets of this kind: Fairlearn's learners and thresholds know two
    classes, weights and drawn rows several; the penalty and the correlation remover any."""
    if task == "binary":
        return True
    of_two = ("calibrate.mitigation.method", "train.mitigation.method")
    method = keys.get("balance.method", "none")
    of_any = task == "multiclass" or method in ("none", "correlation_remover")
    return of_any and not any(name in keys for name in of_two)


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

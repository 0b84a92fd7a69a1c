"""Features that alone nearly give the target: perhaps they were known only after it was."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.onboarding.alerts import screening
from pipeline.onboarding.alerts.screening import Outcome
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.spellings import Reading
from pipeline.onboarding.columns.targets import Decision

MAX_ROWS, MAX_FITTED_ROWS = 100_000, 20_000
MIN_STRENGTH = {"binary": 0.95, "multiclass": 0.95, "regression": 0.95}
"""From here on a feature is compared with all others: an area under the ROC curve, or R²."""
CERTAIN = {"binary": 0.995, "multiclass": 0.995, "regression": 0.995}
LEFT_TO_OTHERS = {"binary": 0.5, "multiclass": 0.5, "regression": 0.33}
"""A leak leaves at most this share of what all others together leave to be explained."""
WORTH_A_LOOK = 0.8
"""Where no feature alone gives this much, all together are not asked."""
NUM_NAMED = 6
NUM_ROUNDS = 60
"""Of boosting, shared among the classes."""
PURE, MIN_RECALL = 0.995, 0.5
"""So certain are the rows of a leak that holds only of one class, and this share of it they are."""
SUMMED = 0.9999
"""From this R² on, a sum of features is the target."""
SAME = 0.99
"""A feature is missing where the target has one value if the two agree in so many rows of both."""

MEASURES = {
    "binary": "area under the ROC curve",
    "multiclass": "mean area under the ROC curve",
    "regression": "R²",
}


@dataclass(frozen=True)
class Suspect:
    """A feature with what it gives alone, and what else tells it."""

    reading: Reading
    strength: float
    pure: float = 0.0
    missing_class: str | None = None


def leaks(
    readings: Mapping[str, Reading],
    columns: Iterable[ProposedColumn],
    target: str,
    decision: Decision,
    seed: int,
) -> list[Finding]:
    """The suspected leaks, the strongest first. A sample of the rows is enough."""
    values = _of_classes(readings[target].values, decision)
    known = values.is_not_null().arg_true().to_numpy().astype(np.int64)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(known, MAX_ROWS, replace=False)) if len(known) > MAX_ROWS else known
    outcome = screening.outcome(values.gather(rows), decision.task, decision.positive, seed)
    names = [one.name for one in columns if one.role in ("numeric", "categorical", "date")]
    coded = {name: screening.codes(readings[name], rows) for name in names}
    summed = _summed([readings[name] for name in names], rows, outcome)
    alone = [_suspect(readings[name], code, rows, outcome) for name, code in coded.items()]
    alone.sort(key=lambda one: -max(one.strength, one.pure))
    enough = MIN_STRENGTH[outcome.task]
    suspects = [one for one in alone if one.missing_class or one.pure or one.strength >= enough]
    if not suspects and (not alone or alone[0].strength < WORTH_A_LOOK):
        return summed
    others = [one for one in alone if one not in suspects]
    rest = _together([coded[one.reading.name] for one in others], outcome, rng)
    found = [
        _finding(one, rest, len(others), outcome)
        for one in suspects
        if _stands_out(one, rest, outcome)
    ]
    if rest >= enough and not found:
        found = [_too_good(alone, rest, outcome)]
    return [*found, *summed]


def _of_classes(values: pl.Series, decision: Decision) -> pl.Series:
    if decision.mapping and values.dtype == pl.String:
        return values.replace(decision.mapping)
    return values


def _suspect(
    reading: Reading, code: NDArray[np.int64], rows: NDArray[np.int64], outcome: Outcome
) -> Suspect:
    predicted = screening.out_of_fold(code, outcome)
    strength = screening.strength(predicted, outcome)
    if outcome.task == "regression":
        return Suspect(reading, strength)
    is_null = reading.values.is_null().gather(rows).to_numpy()
    return Suspect(
        reading,
        strength,
        _recall_of_pure(code, predicted, outcome),
        _same_as_missing(is_null, outcome),
    )


def _recall_of_pure(
    code: NDArray[np.int64], predicted: NDArray[np.float64], outcome: Outcome
) -> float:
    """The share of the rarer class of two that this feature gives away with certainty, by some of
    its values or by having another than the most frequent one; 0 where less than MIN_RECALL."""
    if outcome.task != "binary":
        return 0.0
    score, hit = predicted[:, 0], outcome.values[:, 0]
    if outcome.total[0] > 0.5:
        score, hit = 1 - score, 1 - hit
    unusual = code != np.bincount(code).argmax()
    certain = score >= PURE - 0.01  # what smoothing takes from small levels
    recalls = [
        float(hit[sure].sum() / hit.sum())
        for sure in (certain, unusual)
        if sure.any() and hit[sure].mean() >= PURE
    ]
    return max((one for one in recalls if one >= MIN_RECALL), default=0.0)


def _same_as_missing(is_null: NDArray[np.bool_], outcome: Outcome) -> str | None:
    """The class whose rows, and no others, lack this feature, in words."""
    if not is_null.any():
        return None
    for i, name in enumerate(outcome.names):
        hit = outcome.values[:, i] > 0
        for mask, words in ((is_null, repr(name)), (~is_null, outcome.rest)):
            both = int((mask & hit).sum())
            if both >= SAME * max(int(mask.sum()), int(hit.sum())):
                return words
    return None


def _summed(readings: list[Reading], rows: NDArray[np.int64], outcome: Outcome) -> list[Finding]:
    """Numbers of which the target is a sum, each with a weight: parts of it, then.

    By least squares on the known rows; a number that can be left out is none of them.
    """
    numbers = [one for one in readings if one.is_number]
    if outcome.task != "regression" or not 2 <= len(numbers) <= len(rows) // 10:
        return []
    table = np.column_stack(
        [one.values.gather(rows).cast(pl.Float64).fill_null(0.0).to_numpy() for one in numbers]
    )
    target = outcome.values[:, 0]

    def explained(places: list[int]) -> float:
        chosen = np.column_stack([table[:, places], np.ones(len(table))])
        fitted = chosen @ np.linalg.lstsq(chosen, target, rcond=None)[0]
        return 1 - float(((target - fitted) ** 2).sum() / ((target - target.mean()) ** 2).sum())

    needed = list(range(len(numbers)))
    if explained(needed) < SUMMED:
        return []
    for place in list(needed):
        rest = [one for one in needed if one != place]
        if rest and explained(rest) >= SUMMED:
            needed = rest
    names = tuple(numbers[place].name for place in needed)
    if len(names) < 2:
        return []
    return [
        Finding(
            "leak",
            names,
            f"the target is a weighted sum of {', '.join(names)} (R² {explained(needed):.5f}): "
            "they seem to be its parts",
            "were they known before the outcome was? If not, move them to `columns.drop` with the "
            "reason",
        )
    ]


def _together(others: list[NDArray[np.int64]], outcome: Outcome, rng: np.random.Generator) -> float:
    """What all features but the suspects give together: boosted trees, cross-validated."""
    if not others:
        return 0.0 if outcome.task == "regression" else 0.5
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    rows = np.arange(len(outcome.fold))
    if len(rows) > MAX_FITTED_ROWS:
        rows = np.sort(rng.choice(rows, MAX_FITTED_ROWS, replace=False))
    features = np.column_stack([code[rows] for code in others]).astype(float)
    values, fold = outcome.values[rows], outcome.fold[rows] % 2
    found = np.zeros_like(values)
    of_task = (
        HistGradientBoostingRegressor
        if outcome.task == "regression"
        else HistGradientBoostingClassifier
    )
    rounds = max(10, NUM_ROUNDS // values.shape[1])
    with threadpool_limits(1):
        for part in (0, 1):
            for i in range(values.shape[1]):
                seen = values[fold != part, i]
                if len(np.unique(seen)) < 2:
                    continue
                model = of_task(max_iter=rounds, random_state=0)
                model.fit(features[fold != part], seen)
                held = features[fold == part]
                found[fold == part, i] = (
                    model.predict(held)
                    if outcome.task == "regression"
                    else model.predict_proba(held)[:, 1]
                )
    sampled = Outcome(outcome.task, values, fold, outcome.names)
    return screening.strength(found, sampled)


def _stands_out(suspect: Suspect, rest: float, outcome: Outcome) -> bool:
    if suspect.missing_class or suspect.strength >= CERTAIN[outcome.task]:
        return True
    if suspect.strength >= MIN_STRENGTH[outcome.task]:
        return 1 - suspect.strength <= LEFT_TO_OTHERS[outcome.task] * (1 - rest)
    return suspect.pure > 0 and rest < max(suspect.strength, 0.9)


def _finding(suspect: Suspect, rest: float, num_others: int, outcome: Outcome) -> Finding:
    name = suspect.reading.name
    measure = MEASURES[outcome.task]
    said = f"{name} alone gives the target with {_shown(measure, suspect.strength)}"
    if suspect.missing_class:
        said = (
            f"{name} is missing exactly where the target is {suspect.missing_class} "
            f"({_shown(measure, suspect.strength)} by itself)"
        )
    elif suspect.strength < MIN_STRENGTH[outcome.task]:
        said = (
            f"{name} alone gives away {suspect.pure:.0%} of the rarer class with certainty "
            f"({_shown(measure, suspect.strength)})"
        )
    compared = f"; the {num_others} features that are no suspects give {rest:.3f} together"
    return Finding(
        "leak",
        (name,),
        said + (compared if num_others else ""),
        f"was it known before the outcome was? If not, move {name} to `columns.drop` with the "
        "reason",
    )


def _too_good(alone: list[Suspect], rest: float, outcome: Outcome) -> Finding:
    """Features that give the target nearly together, none of them much more than the others."""
    first = alone[:NUM_NAMED]
    measure = MEASURES[outcome.task]
    each = ", ".join(f"{one.reading.name} {one.strength:.2f}" for one in first)
    return Finding(
        "too_good",
        tuple(one.reading.name for one in first),
        f"many features together nearly give the target ({_shown(measure, rest)}, without those "
        f"that are suspects); the strongest alone: {each}",
        "were they known before the outcome was? Leave out those that were not, before limits are "
        "found with them: `hallmark init … --drop A,B --force`",
    )


def _shown(measure: str, value: float) -> str:
    return f"{measure} {value:.3f}"

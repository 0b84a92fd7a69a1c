"""The gate's rules that `hallmark init` proposes, from training rows alone.

A metric's limit is what a cheap baseline reaches in cross-validation, less a margin for the
network, less what chance does to it and to the bound of an interval over so many test rows; no
answer that is the same for everybody keeps it. A gap's limit is the usual one, or the least that so
many rows of each group can show. Nobody looks at the test part; of it only the size is known.
"""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from pipeline.core.metrics.measures import METRICS_OF
from pipeline.core.metrics.metrics import BinaryMetrics
from pipeline.core.settings.columns import Columns
from pipeline.core.verdict.gate_rules import POWER
from pipeline.onboarding.columns.proposal import Finding
from pipeline.onboarding.gates.cross_validation import MAX_ROWS, CrossValidated, cross_validated
from pipeline.onboarding.gates.gap_proposal import gap_rule
from pipeline.onboarding.gates.proposed_rule import CONFIDENCE, ProposedRule, rounded_up

RARE = 0.15
"""Where fewer rows than this have the positive class, or one class has all others, accuracy says
little."""
MARGIN = {
    "roc_auc": 0.02,
    "accuracy": 0.02,
    "average_precision": 0.04,
    "f1_macro": 0.04,
    "r2": 0.05,
}
"""How far the network may stay behind the baseline, where it has training rows enough."""
ERROR_MARGIN = 0.05
"""The same of mean absolute error, as a share of it."""
ENOUGH_ROWS = 4_000
"""With fewer training rows the margins grow with the root of what lacks."""
CALIBRATION = "expected_calibration_error"
USUAL_CALIBRATION = 0.05
CALIBRATION_MARGIN = 0.75
"""Over the root of the number of training rows: how far off few rows leave the probabilities."""
LARGEST_CALIBRATION = 0.15
"""A limit above this says nothing."""
LARGEST_MARGIN = 0.5
"""By which a model may be worse than the live one, however few the test rows."""
LEAST_BALANCED = 0.52
"""A model that decides alike for everybody has a balanced accuracy of 0.5."""
LEAST_ABOVE_CHANCE = {"roc_auc": 0.05}
"""A limit lies this far above chance at least; 0.01 of every other measure."""
_NORMAL = NormalDist()
SHOWN = _NORMAL.inv_cdf(CONFIDENCE) + _NORMAL.inv_cdf(POWER)
"""Standard errors between a true value and a limit that it is shown to keep in four of five test
sets (see `pipeline.core.verdict.deciding.shown_distance`)."""


def proposed_rules(
    train: pl.DataFrame, columns: Columns, modality: str, num_test_rows: int, seed: int = 0
) -> list[ProposedRule]:
    """The rules in the order of `gate.rules`: metrics, gaps, and against the champion.

    Args:
        train: The training part as `split` makes it.
        columns: What each column is for.
        modality: The kind of data.
        num_test_rows: How many rows the test part has.
        seed: Of the baseline and of the resampling.
    """
    found = cross_validated(train, columns, modality, seed)
    metrics = _metric_rules(found, num_test_rows)
    gaps = [gap_rule(name, train, columns, found, num_test_rows) for name in columns.sensitive]
    return [*metrics, *gaps, *_champion_rules(found, columns, num_test_rows)]


def _metric_rules(found: CrossValidated, num_test_rows: int) -> list[ProposedRule]:
    task = found.predicted.task
    names = {
        "binary": ["roc_auc", _of_decisions(found)],
        "multiclass": ["accuracy", "f1_macro"],
        "regression": ["r2", "mean_absolute_error"],
    }[task]
    rules = [_rule_of(name, found, num_test_rows) for name in names if name]
    if not any(rule.is_active for rule in rules):
        rules[0] = _above_chance(names[0], found, num_test_rows)
    if task == "binary":
        rules.append(_calibration_rule(found, num_test_rows))
        rules += _balanced_rule(found)
    return rules


def _balanced_rule(found: CrossValidated) -> list[ProposedRule]:
    """Of a rare class: a model that never decides for it has no gaps and few errors, and no use."""
    rate = found.chance.get("average_precision", 0.5)
    if RARE <= rate <= 1 - RARE:
        return []
    return [
        ProposedRule(
            {"measure": "balanced_accuracy", "at_least": LEAST_BALANCED},
            "a model that decides alike for everybody has 0.5, and no gap between groups; where it "
            "does, set `calibrate.maximise: balanced_accuracy`",
        )
    ]


def _of_decisions(found: CrossValidated) -> str:
    """Which second measure suits a binary target; none where nearly all rows are positive."""
    rate = found.chance.get("average_precision", 0.5)
    if rate < RARE:
        return "average_precision"
    return "accuracy" if rate <= 1 - RARE else ""


def _error(name: str, found: CrossValidated, num_test_rows: int) -> float:
    """The standard error of the measure on so many test rows minus what was cross-validated."""
    own = found.metrics[name].standard_error or 0.0
    return own * math.sqrt(1 + found.rows.height / max(num_test_rows, 1))


def _rule_of(name: str, found: CrossValidated, num_test_rows: int) -> ProposedRule:
    """The rule on one metric; as a comment alone where its limit would be no better than chance."""
    value, chance = found.metrics[name].value, found.chance[name]
    is_better_larger = METRICS_OF[found.predicted.task][name]
    error = SHOWN * _error(name, found, num_test_rows)
    margin = MARGIN[name] if is_better_larger else ERROR_MARGIN * value
    margin *= math.sqrt(max(ENOUGH_ROWS / found.rows.height, 1))
    limit = value - margin - error if is_better_larger else value + margin + error
    limit = _floor(limit) if is_better_larger else rounded_up(limit)
    side = "less" if is_better_larger else "plus"
    comment = (
        f"{_shown(value)} in cross-validation on {found.rows.height:,} training rows, {side} "
        f"{_shown(margin)} for the network, {side} {_shown(error)} for chance, with "
        f"{num_test_rows:,} test rows"
    )
    rule = {"measure": name, "at_least" if is_better_larger else "at_most": limit}
    above = limit - chance if is_better_larger else chance - limit
    if above >= _least_above(name, chance, is_better_larger):
        return ProposedRule(rule, comment)
    return ProposedRule(
        rule,
        f"{comment}: the same answer for everybody has {_shown(chance)}, so it shows nothing here",
        is_active=False,
    )


def _least_above(name: str, chance: float, is_better_larger: bool) -> float:
    return LEAST_ABOVE_CHANCE.get(name, 0.01) if is_better_larger else 0.01 * chance


def _above_chance(name: str, found: CrossValidated, num_test_rows: int) -> ProposedRule:
    """The one rule that is left where nothing better than chance can be expected: it refuses."""
    chance, value = found.chance[name], found.metrics[name].value
    least = _least_above(name, chance, True)
    limit = math.ceil(round((chance + max(least, 0.02)) * 100, 6)) / 100
    is_beyond = (found.metrics[name].low - chance) > 0
    what = (
        f"The cross-validated baseline has a {name} of {_shown(value)}; {num_test_rows:,} test "
        f"rows can hardly show that a model is better than the same answer for everybody "
        f"({_shown(chance)})."
        if is_beyond
        else f"The cross-validated baseline shows nothing beyond the same answer for everybody: its"
        f" {name} is {_shown(value)}, that answer's {_shown(chance)}."
    )
    advice = "deliver more rows" if is_beyond else "deliver other features; is it the right target?"
    return ProposedRule(
        {"measure": name, "at_least": limit},
        f"above the {_shown(chance)} that the same answer for everybody has; the cross-validated "
        f"baseline has {_shown(value)}",
        finding=Finding("rare_target" if is_beyond else "other", (), what, advice),
    )


def _calibration_rule(found: CrossValidated, num_test_rows: int) -> ProposedRule:
    """The limit that a calibrated model keeps on so many rows: their error is never zero."""
    floor = calibration_floor(found, num_test_rows)
    margin = CALIBRATION_MARGIN / math.sqrt(found.rows.height)
    limit = max(USUAL_CALIBRATION, math.ceil(round((floor + margin) * 100, 6)) / 100)
    comment = (
        f"a model whose probabilities are right shows up to {_shown(floor)} on "
        f"{num_test_rows:,} test rows, by chance alone; plus {_shown(margin)} for what "
        f"{found.rows.height:,} training rows leave"
    )
    rule = {"measure": CALIBRATION, "at_most": limit}
    return ProposedRule(rule, comment, is_active=limit <= LARGEST_CALIBRATION)


def calibration_floor(found: CrossValidated, num_test_rows: int, num_draws: int = 200) -> float:
    """The upper bound of the calibration error that a calibrated model seldom exceeds.

    Labels are drawn from the probabilities and resampled once, as the bound's bootstrap does; of
    such errors the quantile that CONFIDENCE and POWER ask for together.
    """
    rng = np.random.default_rng(0)
    num = min(num_test_rows, MAX_ROWS)
    errors = []
    for _ in range(num_draws):
        drawn = rng.choice(found.probability, num)
        labels = (rng.random(num) < drawn).astype(float)
        weights = np.bincount(rng.integers(0, num, num), minlength=num).astype(float)
        errors.append(BinaryMetrics.of(labels, drawn, labels)(weights)[CALIBRATION])
    return float(np.quantile(errors, 0.98))


def _champion_rules(
    found: CrossValidated, columns: Columns, num_test_rows: int
) -> list[ProposedRule]:
    """No worse than the model in use."""
    task = found.predicted.task
    measure = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}[task]
    error = _error(measure, found, num_test_rows)
    margin = max(0.005, math.ceil(round(SHOWN * error / 2 * 200, 6)) / 200)
    overall = {"measure": measure, "against": "champion", "margin": min(margin, LARGEST_MARGIN)}
    of_group: dict[str, Any] = {"measure": "accuracy", "margin": 0.02}
    if task == "regression":
        off = found.metrics["mean_absolute_error"].value
        of_group = {"measure": "mean_absolute_error", "margin": rounded_up(ERROR_MARGIN * off)}
    comment = (
        "not worse than the model in use, on rows that it was not trained on; without one they pass"
    )
    by_group = [
        ProposedRule(
            {
                "measure": of_group["measure"],
                "against": "champion",
                "by": name,
                "margin": of_group["margin"],
                "power": POWER,
            }
        )
        for name in columns.sensitive
    ]
    return [ProposedRule(overall, comment), *by_group]


def _floor(value: float) -> float:
    """Rounded down to hundredths."""
    return math.floor(round(value * 100, 6)) / 100


def _shown(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.3f}"

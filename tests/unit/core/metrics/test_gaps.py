"""Gaps from counts: worked by hand; whom they concern; what is left out; against Fairlearn."""

from typing import Any

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from pipeline.assess.fairness import RATES as FAIRLEARN
from pipeline.assess.group_rates import Binary, Multiclass
from pipeline.core.metrics.gaps import CELLS, measured
from pipeline.core.metrics.measures import GAPS, REGRESSION_GAPS

HOW: dict[str, Any] = {
    "confidence": 0.95,
    "min_group_size": 50,
    "num_replicates": 400,
    "seed": 0,
}


def entry(group: str, *cells: int) -> dict[str, Any]:
    """A group with true negatives, false positives, false negatives and true positives."""
    counts = dict(zip(CELLS, cells, strict=True))
    return {"group": group, "num_rows": sum(cells), "counts": counts}


#                       tn  fp  fn  tp   selected   tpr      fpr     precision  accuracy
A = entry("a", 80, 20, 20, 80)  # 100 of 200, 80 of 100, 20 of 100, 80 of 100, 160 of 200
B = entry("b", 72, 8, 60, 60)  # 68 of 200, 60 of 120, 8 of 80, 60 of 68, 132 of 200
TINY = entry("c", 0, 20, 0, 20)


def gap(measure: str, *groups: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found = measured(groups or (A, B, TINY), measure, **(HOW | changes))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("measure", "value", "of", "highest"),
    [
        ("demographic_parity_difference", 0.16, "selection_rate", "a"),
        ("demographic_parity_ratio", 0.68, "selection_rate", "a"),
        ("equal_opportunity_difference", 0.3, "true_positive_rate", "a"),
        ("equal_opportunity_ratio", 0.625, "true_positive_rate", "a"),
        ("equalized_odds_difference", 0.3, "true_positive_rate", "a"),
        ("equalized_odds_ratio", 0.5, "false_positive_rate", "a"),
        ("false_positive_rate_difference", 0.1, "false_positive_rate", "a"),
        ("false_negative_rate_difference", 0.3, "false_negative_rate", "b"),
        ("precision_difference", 0.082353, "precision", "b"),
        ("accuracy_difference", 0.14, "accuracy", "a"),
    ],
)
def test_values_are_those_worked_by_hand(measure: str, value: float, of: str, highest: str) -> None:
    found = gap(measure)
    assert found["value"] == value
    assert (found["of"], found["highest"]) == (of, highest)
    assert found["lowest"] == ("b" if highest == "a" else "a")
    assert found["low"] <= value <= found["high"]
    assert found["bootstrap"]["low"] < value < found["bootstrap"]["high"]
    assert found["too_small"] == ["c"]


def test_the_harm_is_counted_in_people() -> None:
    # Selection: 200 people of b, 0.16 of whom would be selected more if it had a's rate: 32,
    # of 400 people compared 800 in 10,000.
    assert gap("demographic_parity_difference")["harm"] == {
        "group": "b",
        "reference": "a",
        "num_people": 32,
        "out_of": 200,
        "per_10000": 800,
    }
    # Outcomes found: 120 people of b have the outcome, 0.3 of whom more would be found: 36.
    found = gap("equal_opportunity_difference")["harm"]
    assert (found["group"], found["num_people"], found["out_of"]) == ("b", 36, 120)
    # False alarms: a has more of them, among its 100 people without the outcome: 10.
    found = gap("false_positive_rate_difference")["harm"]
    assert (found["group"], found["num_people"], found["out_of"]) == ("a", 10, 100)
    # A ratio concerns as many people as the difference of the same two rates.
    assert gap("demographic_parity_ratio")["harm"] == gap("demographic_parity_difference")["harm"]


def test_a_rules_own_group_size_and_confidence_count() -> None:
    assert gap("demographic_parity_difference", min_group_size=40)["highest"] == "c"
    assert measured((A, B, TINY), "accuracy_difference", **(HOW | {"min_group_size": 201})) is None
    assert measured((A,), "accuracy_difference", **HOW) is None
    sure, less = gap("accuracy_difference", confidence=0.99), gap("accuracy_difference")
    assert sure["low"] < less["low"]
    assert sure["high"] > less["high"]
    assert sure["detectable"] > less["detectable"]


@pytest.mark.parametrize("measure", [name for name in GAPS if name != "calibration_difference"])
def test_groups_that_are_alike_stand_at_the_noise_floor(measure: str) -> None:
    found = gap(measure, A, entry("b", 80, 20, 20, 80))
    ratio = measure.endswith("_ratio")
    assert found["value"] == (1 if ratio else 0)
    assert found["noise_floor"] == found["low" if ratio else "high"]
    assert found["harm"]["num_people"] == 0
    # What can be detected lies beyond what could be passed, and beyond what is seen here.
    if ratio:
        assert found["detectable"] < found["noise_floor"] < 1
    else:
        assert found["detectable"] > found["noise_floor"] > 0


def test_a_group_without_anybody_to_take_the_rate_of_leaves_the_gap_open() -> None:
    found = gap("equal_opportunity_difference", A, B, entry("d", 90, 10, 0, 0))
    assert found["unknown"] == ["d"]
    assert (found["value"], found["high"], found["detectable"]) == (0.3, 1, None)
    assert gap("demographic_parity_difference", A, entry("d", 90, 10, 0, 0))["unknown"] == []


def test_bootstrap_ends_are_those_of_a_bootstrap_of_rows() -> None:
    rng = np.random.default_rng(4)
    rows = pd.DataFrame(
        [
            (one["group"], cell in CELLS[2:], cell in (CELLS[1], CELLS[3]))
            for one in (A, B)
            for cell in CELLS
            for _ in range(one["counts"][cell])
        ],
        columns=["group", "label", "decision"],
    )
    values = []
    for _ in range(300):
        drawn = rows.iloc[rng.integers(0, len(rows), len(rows))]
        rates = drawn.groupby("group")["decision"].mean()
        values.append(rates.max() - rates.min())
    found = gap("demographic_parity_difference", num_replicates=4000)["bootstrap"]
    known = np.quantile(values, [0.05, 0.95])
    assert (found["low"], found["high"]) == pytest.approx(known, abs=0.015)


def test_group_intervals_equal_fairlearns_bootstrap_within_noise() -> None:
    rng = np.random.default_rng(6)
    groups = rng.choice(["a", "b"], 800, p=[0.7, 0.3])
    labels = (rng.random(800) < 0.4).astype(np.int64)
    probability = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    found = Binary(labels, (probability > 0.5).astype(np.int64), probability)
    entries = found.entries(groups, confidence=0.95, num_replicates=4000, seed=0)
    frame = fl.MetricFrame(
        metrics=dict(FAIRLEARN),
        y_true=labels,
        y_pred=found.decisions,
        sensitive_features=groups,
        n_boot=100,
        ci_quantiles=[0.05, 0.95],
        random_state=0,
    )
    for end, known in zip(("low", "high"), frame.by_group_ci, strict=True):
        for one in entries:
            for rate in FAIRLEARN:
                # A hundred resamples leave a fifth of the half-width as noise.
                half = one[rate]["high"] - one[rate]["low"]
                theirs = known.loc[one["group"], rate]
                assert one[rate]["bootstrap"][end] == pytest.approx(theirs, abs=0.25 * half)


def test_of_several_classes_the_worst_is_named() -> None:
    classes = np.array(["no", "some", "yes"])
    groups = np.repeat(["a", "b"], 300)
    labels = np.tile(np.repeat(classes, 100), 2)
    decisions = labels.copy()
    decisions[500:560] = "no"  # 60 of group b's 100 `yes`
    found = Multiclass(labels, decisions, classes)
    entries = found.entries(groups, confidence=0.95, num_replicates=100, seed=0)
    assert entries[1]["counts"] == {
        "classes": ["no", "some", "yes"],
        "confusion": [[100, 0, 0], [0, 100, 0], [60, 0, 40]],
    }
    missed = gap("equal_opportunity_difference", *entries)
    assert (missed["value"], missed["class"], missed["lowest"]) == (0.6, "yes", "b")
    assert missed["harm"]["num_people"] == 60
    selected = gap("demographic_parity_difference", *entries)
    assert (selected["value"], selected["class"]) == (0.2, "no")
    right = gap("accuracy_difference", *entries)
    assert right["value"] == pytest.approx(
        1 - accuracy_score(labels[300:], decisions[300:]), abs=1e-6
    )
    assert right["class"] is None


@pytest.mark.parametrize("measure", REGRESSION_GAPS)
def test_gaps_of_numbers_rest_on_sums(measure: str) -> None:
    def sums(values: Any, name: str) -> dict[str, float]:
        squares = np.sum((values - np.mean(values)) ** 2)
        return {f"{name}_sum": float(np.sum(values)), f"{name}_squares": float(squares)}

    rng = np.random.default_rng(1)
    groups = []
    parts: dict[str, list[float]] = {"mean_prediction": [], "mean_residual": []}
    for name, shift in (("a", 0.0), ("b", 2.0)):
        predicted, residual = rng.normal(5 + shift, 1, 80), rng.normal(shift, 1, 80)
        parts["mean_prediction"].append(predicted.mean())
        parts["mean_residual"].append(residual.mean())
        counts = sums(predicted, "prediction") | sums(residual, "residual")
        counts |= sums(np.abs(residual), "absolute_error")
        groups.append({"group": name, "num_rows": 80, "counts": counts})
    found = gap(measure, *groups)
    assert found["highest"] == "b"
    assert 0 < found["low"] < found["value"] < found["high"]
    assert 0 < found["noise_floor"] < found["detectable"]
    if known := parts.get(measure.removesuffix("_difference")):
        assert found["value"] == pytest.approx(known[1] - known[0], abs=1e-6)
        assert found["harm"]["per_person"] == found["value"]

"""Measures by group and gaps equal Fairlearn's on raw rows, exactly; what assess reports does too.

The oracle here calls Fairlearn and scikit-learn on rows, one measure at a time; the stage works
from counts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fairlearn.metrics as fl
import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from pipeline.assess.group_rates import Binary, Multiclass, Regression
from pipeline.assess.stage import Settings, between
from pipeline.core.metrics.measures import GAPS, MULTICLASS_GAPS, RATES, REGRESSION_GAPS

SETTINGS = Settings(num_replicates=100, min_group_size=60)
NUM_ROWS = 1500
RATE: dict[str, Callable[..., float]] = {
    "selection_rate": fl.selection_rate,
    "true_positive_rate": fl.true_positive_rate,
    "false_positive_rate": fl.false_positive_rate,
    "false_negative_rate": fl.false_negative_rate,
    "precision": sk.precision_score,
    "accuracy": sk.accuracy_score,
}
NAMED = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
)


def groups() -> Any:
    """Three groups; `d`, of fewer than 60 rows, takes part in no gap."""
    rng = np.random.default_rng(8)
    return rng.choice(["a", "b", "c", "d"], NUM_ROWS, p=[0.5, 0.37, 0.1, 0.03])


def binary() -> Binary:
    rng = np.random.default_rng(9)
    label = (rng.random(NUM_ROWS) < 0.4).astype(int)
    probability = np.clip(
        0.25 + 0.3 * label + 0.1 * (groups() == "b") + rng.normal(0, 0.2, NUM_ROWS), 0, 1
    )
    return Binary(label, (probability > 0.5).astype(int), probability)


def gap_of(function: Callable[..., float], labels: Any, decisions: Any, names: Any) -> float:
    """The largest difference of a measure between groups, row by row."""
    found = fl.MetricFrame(
        metrics=function, y_true=labels, y_pred=decisions, sensitive_features=names
    ).difference(method="between_groups")
    return float(found)


def binary_gap(measure: str, labels: Any, decisions: Any, probability: Any, names: Any) -> float:
    if measure in NAMED:
        return float(getattr(fl, measure)(labels, decisions, sensitive_features=names))
    if measure == "calibration_difference":
        return gap_of(lambda y, p: np.mean(p) - np.mean(y), labels, probability, names)
    return gap_of(RATE[measure.removesuffix("_difference")], labels, decisions, names)


@pytest.mark.parametrize("measure", GAPS)
def test_gaps_equal_fairlearns_on_rows(measure: str) -> None:
    found, names = binary(), groups()
    gap = between(found, names, tuple(GAPS), SETTINGS)["gaps"][measure]
    kept = found.only(names != "d")
    known = binary_gap(measure, kept.labels, kept.decisions, kept.probability, names[names != "d"])
    assert gap["value"] == round(known, 6)
    assert gap["low"] <= gap["value"] <= gap["high"]


def test_rates_equal_fairlearns_on_rows() -> None:
    found, names = binary(), groups()
    entries = between(found, names, (), SETTINGS)["groups"]
    assert [one["group"] for one in entries] == ["a", "b", "c", "d"]
    for entry in entries:
        own = found.only(names == entry["group"])
        assert entry["num_rows"] == len(own.labels)
        assert entry["too_small"] == (len(own.labels) < 60)
        for rate, function in RATE.items():
            assert entry[rate]["value"] == round(function(own.labels, own.decisions), 6)
            assert entry[rate]["low"] < entry[rate]["value"] < entry[rate]["high"]
        hits = int(own.decisions.sum())
        exact = binomtest(hits, len(own.decisions)).proportion_ci(0.9, method="exact")
        span = entry["selection_rate"]
        assert (span["low"], span["high"]) == pytest.approx((exact.low, exact.high), abs=1e-6)
        assert entry["calibration"]["value"] == pytest.approx(
            own.probability.mean() - own.labels.mean(), abs=1e-6
        )


def multiclass() -> Multiclass:
    rng = np.random.default_rng(10)
    classes = np.array(["bad", "good", "middling"])
    label = rng.integers(0, 3, NUM_ROWS)
    wrong = rng.random(NUM_ROWS) < np.where(groups() == "b", 0.4, 0.2)
    decision = np.where(wrong, rng.integers(0, 3, NUM_ROWS), label)
    return Multiclass(classes[label], classes[decision], classes)


@pytest.mark.parametrize("measure", MULTICLASS_GAPS)
def test_of_several_classes_the_worst_against_the_rest_counts(measure: str) -> None:
    found, names = multiclass(), groups()
    gap = between(found, names, tuple(MULTICLASS_GAPS), SETTINGS)["gaps"][measure]
    kept, names = found.only(names != "d"), names[names != "d"]
    if measure == "accuracy_difference":
        known = gap_of(sk.accuracy_score, kept.labels, kept.decisions, names)
        assert gap["class"] is None
    else:
        by_class = {
            one: binary_gap(measure, kept.labels == one, kept.decisions == one, None, names)
            for one in found.classes.tolist()
        }
        worst = min if measure.endswith("_ratio") else max
        known = worst(by_class.values())
        assert by_class[gap["class"]] == known
    assert gap["value"] == round(known, 6)
    assert gap["low"] <= gap["value"] <= gap["high"]


def test_each_class_has_its_rates_against_the_rest() -> None:
    found, names = multiclass(), groups()
    for entry in between(found, names, (), SETTINGS)["groups"]:
        own = found.only(names == entry["group"])
        assert entry["accuracy"]["value"] == round(sk.accuracy_score(own.labels, own.decisions), 6)
        for one, rates in entry["classes"].items():
            assert set(rates) == set(RATES) - {"accuracy"}
            for rate, span in rates.items():
                known = RATE[rate](own.labels == one, own.decisions == one)
                assert span["value"] == pytest.approx(known, abs=1e-6)


def test_regression_compares_means_of_prediction_residual_and_error() -> None:
    rng = np.random.default_rng(11)
    names = groups()
    truth = rng.normal(10, 2, NUM_ROWS)
    predicted = truth + rng.normal(0, 1, NUM_ROWS) - 0.5 * (names == "b")
    found = between(Regression(truth, predicted), names, tuple(REGRESSION_GAPS), SETTINGS)
    kept = names != "d"
    for name, function in {
        "mean_prediction": fl.mean_prediction,
        "mean_residual": lambda y, p: float(np.mean(p - y)),
        "mean_absolute_error": sk.mean_absolute_error,
    }.items():
        for entry in found["groups"]:
            own = names == entry["group"]
            assert entry[name]["value"] == pytest.approx(
                function(truth[own], predicted[own]), abs=1e-6
            )
        gap = found["gaps"][f"{name}_difference"]
        known = gap_of(function, truth[kept], predicted[kept], names[kept])
        assert gap["value"] == pytest.approx(known, abs=1e-6)
        assert gap["low"] <= gap["value"] <= gap["high"]
    assert found["gaps"]["mean_residual_difference"]["lowest"] == "b"
    assert found["gaps"]["mean_residual_difference"]["low"] > 0


def test_means_keep_their_digits_however_large_they_are() -> None:
    rng = np.random.default_rng(12)
    truth, names = rng.normal(0, 1, NUM_ROWS), groups()
    predicted = truth + rng.normal(0, 1, NUM_ROWS)
    near, far = (
        between(
            Regression(truth + shift, predicted + shift), names, tuple(REGRESSION_GAPS), SETTINGS
        )
        for shift in (0.0, 1e9)
    )
    for measure in REGRESSION_GAPS:
        for end in ("value", "low", "high"):
            assert far["gaps"][measure][end] == pytest.approx(near["gaps"][measure][end], abs=1e-5)


def test_a_group_without_positives_leaves_its_rates_open() -> None:
    # Fairlearn takes the true positive rate of nobody for 0; here it is not known.
    found, names = binary(), groups()
    labels = np.where(names == "c", 0, found.labels)
    report = between(
        Binary(labels, found.decisions, found.probability), names, tuple(GAPS), SETTINGS
    )
    entry = next(one for one in report["groups"] if one["group"] == "c")
    assert entry["true_positive_rate"] == {"value": None, "low": 0, "high": 1, "bootstrap": None}
    gap = report["gaps"]["equal_opportunity_difference"]
    assert gap["unknown"] == ["c"]
    assert gap["high"] == 1
    assert gap["value"] < 0.5
    assert report["gaps"]["equalized_odds_ratio"]["low"] == 0
    assert report["gaps"]["demographic_parity_difference"]["high"] < 0.5


def test_a_model_that_selects_nobody_has_no_gap() -> None:
    found, names = binary(), groups()
    nobody = Binary(found.labels, np.zeros(NUM_ROWS, dtype=int), found.probability)
    gaps = between(nobody, names, tuple(GAPS), SETTINGS)["gaps"]
    assert gaps["demographic_parity_difference"]["value"] == 0
    for measure in ("demographic_parity_ratio", "equalized_odds_ratio"):
        assert gaps[measure]["value"] == 1
        assert gaps[measure]["low"] < 0.9


@pytest.mark.parametrize("by", ["sex", "race", "sex × race"])
def test_on_adult_every_shared_measure_is_fairlearns(root: Path, by: str) -> None:
    source = root / "data/adult/50_evaluate/predictions.parquet"
    if not source.is_file():
        pytest.skip("Adult is not built here: `make run` builds it, `dvc pull` fetches it")
    rows = pl.read_parquet(source)
    test = pl.read_parquet(root / "data/adult/25_split/test.parquet")
    names = np.array([" × ".join(row) for row in test.select(by.split(" × ")).iter_rows()])
    found = Binary(
        rows["label"].to_numpy().astype(np.int64),
        rows["decision"].to_numpy().astype(np.int64),
        rows["probability"].to_numpy(),
    )
    report = between(found, names, tuple(GAPS), Settings(num_replicates=100))
    kept = ~np.isin(names, report["too_small"])
    large = found.only(kept)
    for measure in GAPS:
        known = binary_gap(measure, large.labels, large.decisions, large.probability, names[kept])
        assert report["gaps"][measure]["value"] == round(known, 6), measure
    for entry in report["groups"]:
        own = found.only(names == entry["group"])
        for rate, function in RATE.items():
            assert entry[rate]["value"] == round(function(own.labels, own.decisions), 6), rate

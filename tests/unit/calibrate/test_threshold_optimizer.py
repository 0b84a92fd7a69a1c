"""Thresholds by group against Fairlearn's own predictions; small groups and refusals."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from fairlearn.postprocessing import ThresholdOptimizer

from pipeline.calibrate.postprocessing import Mitigation
from pipeline.calibrate.threshold_optimizer import Given, optimize
from pipeline.core.errors import ProjectError
from pipeline.core.prediction.policy import Policy, draws
from tests.people import columns_of

COLUMNS = columns_of(sensitive=["sex", "age"], numeric=["hours"], sensitive_edges={"age": [40]})
CONSTRAINTS = (
    "demographic_parity",
    "equalized_odds",
    "true_positive_rate_parity",
    "false_positive_rate_parity",
)


def settings(**changes: Any) -> Mitigation:
    return Mitigation(
        **{"method": "threshold_optimizer", "min_group_size": 100, "columns": ("sex",), **changes}
    )


def rows(num_rows: int = 2000) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Calibrated probabilities that are higher for men."""
    rng = np.random.default_rng(11)
    sex = rng.choice(["female", "male"], num_rows)
    probability = rng.beta(2, np.where(sex == "male", 2, 4))
    labels = (rng.random(num_rows) < probability).astype(float)
    table = pl.DataFrame({"sex": sex, "age": rng.integers(20, 60, num_rows)})
    return probability, labels, table


PROBABILITY, LABELS, TABLE = rows()


@pytest.mark.parametrize("maximise", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_chances_are_exactly_fairlearns(constraint: str, maximise: Any) -> None:
    fairlearns = ThresholdOptimizer(
        estimator=Given(),
        constraints=constraint,
        objective=f"{maximise}_score",
        prefit=True,
        predict_method="predict_proba",
    ).fit(PROBABILITY[:, None], LABELS.astype(int), sensitive_features=TABLE["sex"].to_list())
    others, _, table = rows(500)
    others[:2] = 0.0, 1.0
    groups = table["sex"].to_list()
    known = fairlearns._pmf_predict(others[:, None], sensitive_features=groups)[:, 1]

    found = optimize(PROBABILITY, LABELS, TABLE, COLUMNS, settings(constraint=constraint), maximise)
    assert Policy(1.0, 0.5, found.thresholds).chance(others, groups).tolist() == known.tolist()
    assert found.without == {}


def test_with_a_limit_it_is_fairlearns_tolerance() -> None:
    known = ThresholdOptimizer(
        estimator=Given(),
        constraints="demographic_parity",
        objective="accuracy_score",
        prefit=True,
        predict_method="predict_proba",
        tol=0.1,
    ).fit(PROBABILITY[:, None], LABELS.astype(int), sensitive_features=TABLE["sex"].to_list())
    found = optimize(PROBABILITY, LABELS, TABLE, COLUMNS, settings(at_most=0.1), "accuracy")
    groups = TABLE["sex"].to_list()
    chance = Policy(1.0, 0.5, found.thresholds).chance(PROBABILITY, groups)
    pmf = known._pmf_predict(PROBABILITY[:, None], sensitive_features=groups)[:, 1]
    assert chance.tolist() == pmf.tolist()
    by_group = pl.DataFrame({"sex": groups, "chance": chance}).group_by("sex").mean()["chance"]
    assert by_group.max() - by_group.min() == pytest.approx(0.1, abs=2e-3)  # type: ignore[operator]


def test_in_the_long_run_a_group_is_selected_as_often_as_its_chances_say() -> None:
    """40,000 different rows, decided by what they draw: within four standard errors."""
    probability, _, table = rows(40_000)
    thresholds = optimize(
        PROBABILITY, LABELS, TABLE, COLUMNS, settings(constraint="equalized_odds"), "accuracy"
    ).thresholds
    policy, groups = Policy(1.0, 0.5, thresholds), table["sex"].to_list()
    encoded = (probability.astype(np.float32)[:, None], np.arange(40_000)[:, None])
    decisions = policy.decide(probability, groups, draws(encoded, "0"))
    chance = policy.chance(probability, groups)
    assert ((chance > 0) & (chance < 1)).mean() > 0.1
    for name in ("female", "male"):
        members = table["sex"].to_numpy() == name
        error = np.sqrt((chance * (1 - chance))[members].sum()) / members.sum()
        assert abs(decisions[members].mean() - chance[members].mean()) < 4 * error
    again = policy.decide(probability, groups, draws(encoded, "0"))
    assert (decisions == again).all()


def test_groups_too_small_or_of_one_outcome_get_none_and_are_counted() -> None:
    few = pl.DataFrame({"sex": ["diverse"] * 99 + ["unasked"] * 200, "age": [30] * 299})
    table = pl.concat([TABLE, few.cast({"age": TABLE.schema["age"]})])
    probability = np.append(PROBABILITY, np.full(299, 0.5))
    labels = np.append(LABELS, [0.0, 1.0] * 49 + [0.0] * 201)
    found = optimize(probability, labels, table, COLUMNS, settings(), "accuracy")
    assert found.without == {"diverse": 99, "unasked": 200}
    assert set(found.thresholds.groups) == {"female", "male"}
    policy = Policy(1.0, 0.3, found.thresholds)
    assert policy.chance(np.array([0.29, 0.3]), ["diverse", "(missing)"]).tolist() == [0.0, 1.0]
    with pytest.raises(ProjectError, match="at least two groups by sex with 1500"):
        optimize(PROBABILITY, LABELS, TABLE, COLUMNS, settings(min_group_size=1500), "accuracy")


def test_several_columns_are_crossed_and_numbers_cut_at_their_edges() -> None:
    both = settings(columns=None)
    found = optimize(PROBABILITY, LABELS, TABLE, COLUMNS, both, "accuracy").thresholds
    assert found.columns == ("sex", "age")
    assert found.edges == {"age": (40.0,)}
    assert set(found.groups) == {f"{s} × {a}" for s in ("female", "male") for a in ("< 40", "≥ 40")}

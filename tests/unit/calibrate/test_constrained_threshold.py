"""One threshold under a limit on the gap: a table worked by hand, Fairlearn's gaps, refusals."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import (
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    false_positive_rate_difference,
)

from pipeline.calibrate.constrained_threshold import Chosen, constrained_threshold
from pipeline.calibrate.postprocessing import Mitigation, effect, gap_of, grouping
from pipeline.core.errors import ProjectError
from tests.people import columns_of

# Group, probability, rows, and how many of them have the positive outcome.
BLOCKS = [
    ("a", 0.6, 200, 200), ("a", 0.2, 200, 0),
    ("b", 0.6, 100, 100), ("b", 0.4, 100, 40), ("b", 0.2, 200, 0),
]  # fmt: skip
COLUMNS = columns_of(sensitive=["sex"])


def settings(**changes: Any) -> Mitigation:
    return Mitigation(
        **{"method": "constrained_threshold", "at_most": 0.1, "min_group_size": 30, **changes}
    )


def rows(blocks: list[tuple[str, float, int, int]]) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Probabilities, labels and groups."""
    groups = [group for group, _, num, _ in blocks for _ in range(num)]
    probability = np.repeat([one[1] for one in blocks], [one[2] for one in blocks])
    labels = np.concatenate([np.arange(num) < hits for _, _, num, hits in blocks]).astype(float)
    return probability, labels, pl.DataFrame({"sex": groups})


def chosen(blocks: list[tuple[str, float, int, int]], **changes: Any) -> Chosen:
    probability, labels, table = rows(blocks)
    return constrained_threshold(
        probability, labels, table, COLUMNS, settings(**changes), "accuracy"
    )


def test_the_best_threshold_that_keeps_the_limit_is_taken() -> None:
    """From 0.41 to 0.6, half of a and a quarter of b are selected; from 0.21 to 0.4, half of both.

    At 0.5 all but the 40 of the 800 rows are right, at 0.4 all but 60.
    """
    found = chosen(BLOCKS)
    assert (found.threshold, found.num_allowed) == (0.4, 20)
    assert chosen(BLOCKS, at_most=0.4).threshold == 0.5
    probability, labels, _ = rows(BLOCKS)
    for threshold, gap, accuracy in ((0.5, 0.25, 0.95), (0.4, 0.0, 0.925)):
        made = effect(probability >= threshold, labels, found.groupings, settings())
        assert made["gaps"]["sex"]["value"] == pytest.approx(gap)
        assert made["accuracy"] == accuracy


def test_a_small_gap_of_few_rows_is_not_enough() -> None:
    few = [(group, p, num // 5, hits // 5) for group, p, num, hits in BLOCKS]
    with pytest.raises(ProjectError, match=r"nearest, 0\.\d\d, has a bound of 0\.1\d\d"):
        chosen(few)


def test_selecting_nobody_or_everybody_is_no_answer() -> None:
    """Above 0.6 nobody is selected, up to 0.2 everybody: both gaps are 0."""
    blocks = [("a", 0.6, 200, 200), ("a", 0.2, 200, 0), ("b", 0.6, 100, 100), ("b", 0.2, 300, 0)]
    with pytest.raises(ProjectError, match="demographic_parity gap") as refused:
        chosen(blocks)
    assert "has a bound of 0.3" in refused.value.message
    assert "`calibrate.mitigation.at_most`" in refused.value.hint
    assert chosen(blocks, least_share=0.0).threshold in (0.2, 0.61)
    with pytest.raises(ProjectError, match="no threshold decides enough rows each way"):
        chosen([("a", 0.5, 100, 50), ("b", 0.5, 100, 50)])


@pytest.mark.parametrize(
    ("constraint", "oracle"),
    [
        ("demographic_parity", demographic_parity_difference),
        ("equalized_odds", equalized_odds_difference),
        ("true_positive_rate_parity", equal_opportunity_difference),
        ("false_positive_rate_parity", false_positive_rate_difference),
    ],
)
def test_gaps_are_fairlearns(constraint: Any, oracle: Any) -> None:
    rng = np.random.default_rng(3)
    table = pl.DataFrame({"sex": rng.choice(["x", "y", "z"], 900)})
    labels, decisions = rng.integers(0, 2, 900).astype(float), rng.random(900) < 0.4
    groups = grouping(table, ("sex",), COLUMNS, 30)
    found = gap_of(decisions, labels, groups, settings(constraint=constraint))
    known = oracle(labels, decisions.astype(int), sensitive_features=table["sex"].to_list())
    assert found["value"] == pytest.approx(known, abs=1e-6)
    assert found["low"] <= found["value"] <= found["high"]


def test_the_worst_column_decides() -> None:
    probability, labels, table = rows(BLOCKS)
    both = table.with_columns(region=pl.Series(["n", "s"] * 400))
    columns = columns_of(sensitive=["region", "sex"])
    found = constrained_threshold(probability, labels, both, columns, settings(), "accuracy")
    assert found.threshold == 0.4
    assert [one.by for one in found.groupings] == ["region", "sex"]
    alone = settings(columns=("region",))
    found = constrained_threshold(probability, labels, both, columns, alone, "accuracy")
    assert found.threshold == 0.5


def test_small_groups_are_left_out_and_counted() -> None:
    found = chosen([*BLOCKS, ("c", 0.6, 20, 20)])
    assert found.threshold == 0.4
    assert found.groupings[0].too_small == {"c": 20}
    with pytest.raises(ProjectError, match=r"at least two groups of 'sex' .* found 1"):
        chosen([*BLOCKS[:2], ("c", 0.6, 20, 20)])


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        ({"columns": ("job",)}, {}, "expected a sensitive column, got 'job'"),
        ({}, {"sensitive": []}, "expected sensitive columns"),
        ({}, {"task": "regression", "positive": ""}, "expected none where the task is regression"),
    ],
)
def test_columns_that_it_cannot_be_about_are_refused(
    changes: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProjectError, match=message):
        settings(**changes).of(columns_of(**columns))

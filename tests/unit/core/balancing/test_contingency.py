"""Counting rows by group and label."""

import numpy as np
import polars as pl
import pytest

from pipeline.core.balancing.contingency import contingency, labels
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns

TABLE = pl.DataFrame(
    {
        "age": [20, 30, None, 50, 30],
        "sex": ["F", None, "F", "M", "F"],
        "label": ["yes", "no", None, "yes", "no"],
    }
)
BINARY = Columns(
    target="label",
    positive="yes",
    sensitive=("sex", "age"),
    sensitive_edges={"age": (25, 45)},
)


def test_a_missing_value_is_a_group_and_a_missing_label_is_not_positive() -> None:
    found = contingency(TABLE, ("sex",), BINARY)
    assert found.groups == [{"sex": "(missing)"}, {"sex": "F"}, {"sex": "M"}]
    assert found.labels == ["not yes", "yes"]
    assert found.counts.tolist() == [[1, 0], [2, 1], [0, 1]]
    assert found.cells.tolist() == [3, 0, 2, 5, 2]
    assert found.rows_of(1, 0).tolist() == [2, 4]


def test_numbers_are_cut_at_their_edges_and_only_crossings_with_rows_are_groups() -> None:
    found = contingency(TABLE, ("sex", "age"), BINARY)
    assert {tuple(group.values()) for group in found.groups} == {
        ("F", "< 25"),
        ("(missing)", "25 to < 45"),
        ("F", "(missing)"),
        ("M", "≥ 45"),
        ("F", "25 to < 45"),
    }
    assert found.counts.sum() == 5


def test_expected_counts_keep_the_margins() -> None:
    expected = contingency(TABLE, ("sex",), BINARY).expected()
    # Three of five rows are not positive; the groups have 1, 3 and 1 rows.
    np.testing.assert_allclose(expected, [[0.6, 0.4], [1.8, 1.2], [0.6, 0.4]])


def test_several_classes_are_their_own_labels_and_a_number_is_none() -> None:
    several = Columns(target="label", task="multiclass", sensitive=("sex",))
    assert labels(TABLE.drop_nulls("label"), several).to_list() == ["yes", "no", "yes", "no"]
    with pytest.raises(ProjectError, match="1 of 5 have none"):
        labels(TABLE, several)
    with pytest.raises(ProjectError, match="found a regression"):
        labels(TABLE, Columns(target="age", task="regression", sensitive=("sex",)))

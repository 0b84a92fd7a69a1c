"""Numbers without their correlation with sensitive columns."""

import numpy as np
import polars as pl
import pytest
from fairlearn.preprocessing import CorrelationRemover

from pipeline.core.errors import ProjectError
from pipeline.tabular.balancing.correlation import removed
from tests.people import columns_of, people

TABLE = people(900)
COLUMNS = columns_of()
NAMES = ("sex", "region")


def coded(table: pl.DataFrame) -> pl.DataFrame:
    """The sensitive columns as somebody would code them who uses Fairlearn by itself."""
    return table.select(
        male=(pl.col("sex") == "male").cast(pl.Float64),
        north=(pl.col("region") == "north").cast(pl.Float64),
        south=(pl.col("region") == "south").cast(pl.Float64),
    )


@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_it_equals_fairlearns_own(alpha: float) -> None:
    whole = TABLE.drop_nulls()
    changed, _ = removed(whole, NAMES, COLUMNS, alpha)
    frame = pl.concat([coded(whole), whole.select("age", "hours")], how="horizontal")
    ids = ["male", "north", "south"]
    oracle = CorrelationRemover(sensitive_feature_ids=ids, alpha=alpha).fit_transform(frame)
    found = changed.select("age", "hours").to_numpy()
    np.testing.assert_allclose(found, oracle, atol=1e-8)


def test_no_number_is_correlated_with_a_level_afterwards_and_missing_ones_stay() -> None:
    changed, report = removed(TABLE, NAMES, COLUMNS, 1.0)
    assert changed["age"].is_null().equals(TABLE["age"].is_null())
    known = changed["age"].is_not_null()
    for name in ("age", "hours"):
        for level in coded(TABLE).columns:
            rows = known if name == "age" else pl.Series([True] * TABLE.height)
            pair = changed[name].filter(rows), coded(TABLE)[level].filter(rows)
            assert abs(np.corrcoef(*pair)[0, 1]) < 1e-9
    by_name = {entry["column"]: entry for entry in report}
    assert by_name["hours"]["before"] == pytest.approx(
        abs(np.corrcoef(TABLE["hours"], coded(TABLE)["male"])[0, 1]), abs=1e-6
    )
    assert by_name["hours"]["before"] > 0.3
    assert by_name["hours"]["after"] == 0
    assert by_name["age"]["num_missing"] == TABLE["age"].null_count() > 0


def test_all_else_stays_as_it_was() -> None:
    changed, _ = removed(TABLE, NAMES, COLUMNS, 1.0)
    assert changed.drop("age", "hours").equals(TABLE.drop("age", "hours"))
    assert changed["hours"].mean() == pytest.approx(TABLE["hours"].mean())
    same, _ = removed(TABLE, NAMES, COLUMNS, 0.0)
    assert same["hours"].to_list() == pytest.approx(TABLE["hours"].to_list())


def test_a_number_without_values_or_without_variation_does_not_stop_it() -> None:
    dull = TABLE.with_columns(age=pl.lit(None, pl.Float64), hours=pl.lit(7.0))
    changed, report = removed(dull, NAMES, COLUMNS, 1.0)
    assert changed["age"].null_count() == TABLE.height
    assert changed["hours"].to_list() == pytest.approx([7.0] * TABLE.height)
    assert [(entry["before"], entry["after"]) for entry in report] == [(0, 0), (0, 0)]


def test_it_refuses_where_there_is_no_number_or_one_would_be_taken_from_itself() -> None:
    with pytest.raises(ProjectError, match="the project has none"):
        removed(TABLE, NAMES, columns_of(numeric=[]), 1.0)
    with pytest.raises(ProjectError, match="'age' is a feature as well"):
        removed(TABLE, ("age",), columns_of(sensitive=["age"]), 1.0)

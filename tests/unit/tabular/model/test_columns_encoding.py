"""Missing values by their rule, dates as parts, and numbers without end, worked out by hand."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from pipeline.core.prediction.prediction import Predictor
from pipeline.core.settings.columns import Columns
from pipeline.tabular.evaluation.explanation import attributions
from pipeline.tabular.model.architecture import TabularNetwork
from pipeline.tabular.model.encoding import Encoder, fit, gaps
from pipeline.tabular.settings import EncoderSettings

DAYS = [date(2020, 1, 6), date(2020, 2, 4), date(2020, 3, 4), date(2020, 4, 2), date(2020, 5, 1)]
"""A Monday, a Tuesday, and so on to a Friday, each 29 days after the one before."""


def fitted(table: pl.DataFrame, **roles: Any) -> Encoder:
    columns = Columns.model_validate({"target": "y", "positive": "1", **roles})
    return fit(table, columns, EncoderSettings(num_bins=4, min_level_count=1))


def positions(encoder: Encoder, table: pl.DataFrame) -> list[list[float]]:
    found: list[list[float]] = encoder.encode(table)[0].tolist()
    return found


def network_of(encoder: Encoder, **shape: Any) -> TabularNetwork:
    return TabularNetwork(**encoder.architecture(), **shape).eval()


def test_a_missing_number_has_the_codes_of_the_median_and_no_presence() -> None:
    network = TabularNetwork([3], [], hidden=[], dropout=0, embedding_width=2)
    found = []
    for i in range(4):  # three codes and presence, one weight at a time
        with torch.no_grad():
            network.layers[-1].weight.zero_()  # type: ignore[union-attr]
            network.layers[-1].bias.zero_()  # type: ignore[union-attr]
            network.layers[-1].weight[0, i] = 1  # type: ignore[index]
            logits = network(torch.tensor([[-2.5]]), torch.zeros((1, 0), dtype=torch.long))
        found.append(logits.item())
    assert found == [1, 0.5, 0, 0]  # -2.5 is missing, with the median at position 1.5


def test_outputs_have_no_jump_between_missing_and_present() -> None:
    torch.manual_seed(2)
    network = TabularNetwork([4], [], hidden=[8], dropout=0, embedding_width=2).eval()
    line = torch.linspace(-4, 4, 4001).unsqueeze(1)
    with torch.no_grad():
        outputs = network(line, torch.zeros((4001, 0), dtype=torch.long))
    assert float(outputs.diff().abs().max()) < 0.01


def test_a_date_is_its_days_month_day_and_weekday() -> None:
    encoder = fitted(pl.DataFrame({"d": DAYS}), dates=["d"])
    assert encoder.dates == {
        "d": {
            "days since 1970-01-01": [18267, 18296, 18325, 18354, 18383],
            "month": [1, 2, 3, 4, 5],
            "day of month": [1, 2, 4, 6],  # 1, 2, 4, 4, 6
            "weekday": [1, 2, 3, 4, 5],
        }
    }
    assert encoder.columns == ["d"]
    assert encoder.widths == [4]
    assert encoder.architecture()["num_bins"] == [4, 4, 3, 4]
    assert positions(encoder, pl.DataFrame({"d": DAYS[1:2]})) == [[1, 1, 2, 1]]


def test_a_later_date_stays_at_the_outer_edge_and_nothing_refers_to_other_rows() -> None:
    encoder = fitted(pl.DataFrame({"d": DAYS}), dates=["d"])
    late = [date(2031, 5, 2), date(1999, 1, 1)]
    found = positions(encoder, pl.DataFrame({"d": late}))
    assert [row[0] for row in found] == [4, 0]
    assert found[0] == positions(encoder, pl.DataFrame({"d": late[:1]}))[0]


def test_a_missing_date_is_the_median_of_each_part() -> None:
    encoder = fitted(pl.DataFrame({"d": [*DAYS, None]}), dates=["d"])
    assert encoder.medians == {"d": [18325, 3, 4, 3]}
    missing = pl.DataFrame({"d": [None]}, schema={"d": pl.Date})
    assert positions(encoder, missing) == [[-3, -3, -3, -3]]


def test_times_have_an_hour_where_one_is_not_midnight_and_zones_are_utc() -> None:
    times = [datetime(2020, 1, 6, hour) for hour in (0, 6, 12, 18, 23)]
    encoder = fitted(pl.DataFrame({"t": times}), dates=["t"])
    assert encoder.dates["t"]["hour"] == [0, 6, 12, 18, 23]
    zoned = pl.Series("t", times).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    assert positions(encoder, zoned.to_frame()) == positions(encoder, pl.DataFrame({"t": times}))
    midnights = pl.Series("t", DAYS).cast(pl.Datetime("ms"))
    assert "hour" not in fitted(midnights.to_frame(), dates=["t"]).dates["t"]


def test_the_state_carries_medians_and_rules_and_survives_json() -> None:
    table = pl.DataFrame({"n": [1.0, None, 5], "d": DAYS[:3], "c": ["a", None, "b"]})
    roles = {"numeric": ["n"], "dates": ["d"], "categorical": ["c"], "missing": {"d": "drop_row"}}
    encoder = fitted(table, **roles)
    state = json.loads(json.dumps(encoder.as_dict()))
    assert state["medians"]["n"] == [3]
    assert state["missing"] == {"n": "median", "d": "drop_row", "c": "level"}
    assert state["complete"] == ["d"]
    again = Encoder.from_dict(state)
    for one, other in zip(encoder.encode(table), again.encode(table), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.of("d").columns == ["d"]
    assert gaps(table, encoder) == [
        {"column": "n", "rule": "median", "num_missing": 1, "median": 3},
        {"column": "c", "rule": "level", "num_missing": 1, "median": None},
    ]


def test_a_model_from_before_medians_is_read_as_it_was() -> None:
    old = Encoder.from_dict({"edges": {"n": [0.0, 10]}, "levels": {}})
    assert positions(old, pl.DataFrame({"n": [None, 5.0]})) == [[-1], [0.5]]


@pytest.fixture(params=[False, True])
def flushing(request: pytest.FixtureRequest) -> Iterator[None]:
    """With and without a processor that takes the smallest numbers for zero: libraries set it."""
    torch.set_flush_denormal(request.param)
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("flushing")
def test_numbers_of_any_size_keep_their_order_and_fit_in_float32() -> None:
    values = [-1e308, -1.0, 0.0, 1.0, 1e308]
    encoder = fitted(pl.DataFrame({"n": values}), numeric=["n"])
    assert positions(encoder, pl.DataFrame({"n": values})) == [[0], [1], [2], [3], [4]]
    huge = pl.DataFrame({"n": [2**62, -(2**62), 2**53 + 1]})
    found = positions(encoder, huge)
    assert np.isfinite(found).all()
    assert 0 < found[1][0] <= 1 < 3 <= found[2][0] <= found[0][0] < 4


def test_thousands_of_levels_have_a_narrow_embedding_and_rare_ones_share_one() -> None:
    table = pl.DataFrame({"c": [f"№ {i}" for i in range(5000) for _ in range(2)] + ["once"]})
    columns = Columns(target="y", positive="1", categorical=("c",))
    encoder = fit(table, columns, EncoderSettings(min_level_count=2))
    network = network_of(encoder, hidden=[4], dropout=0, embedding_width=16)
    assert tuple(network.embeddings[0].weight.shape) == (5002, 16)  # type: ignore[union-attr]
    assert encoder.encode(pl.DataFrame({"c": ["once", "never"]}))[1].tolist() == [[0], [0]]


@pytest.mark.parametrize("with_gap", [True, False])
def test_a_date_and_a_missing_number_are_explained_by_one_value_each(with_gap: bool) -> None:
    torch.manual_seed(0)
    rows = pl.DataFrame({"n": [1.0, 5, None if with_gap else 2, 9, 7], "d": DAYS})
    encoder = fitted(rows, numeric=["n"], dates=["d"])
    network = network_of(encoder, hidden=[8], dropout=0, embedding_width=2)
    found = attributions(Predictor(encoder, network), rows, num_steps=512)
    assert found.columns == ["n", "d"]
    assert found.values.shape == (5, 2)
    np.testing.assert_allclose(found.errors, 0, atol=0.02)

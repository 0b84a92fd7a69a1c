"""The penalty: what it measures, its gradient, and that training heeds it."""

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from pipeline.train.loop.penalty import Mitigation, memberships, selection_rate_spread
from pipeline.train.loop.settings import LoopSettings
from tests.people import columns_of

COLUMNS = columns_of()
RNG = np.random.default_rng(2)
GROUPS = pl.DataFrame({"sex": RNG.choice(["f", "m"], 60), "region": RNG.choice(list("abc"), 60)})


def logits(num: int = 60) -> Any:
    return torch.tensor(RNG.normal(0, 1.5, num))


def test_members_have_a_column_per_group_in_order() -> None:
    table = pl.DataFrame({"sex": ["m", None, "f"], "age": [3, 1, 3]})
    assert memberships(table, ("sex", "age"), COLUMNS).tolist() == [
        [0, 1, 0, 1],
        [0, 0, 1, 0],
        [1, 0, 0, 1],
    ]
    assert memberships(table, ("sex",), COLUMNS).dtype == torch.float32
    assert memberships(table, (), COLUMNS).shape == (3, 0)


def test_numbers_are_cut_at_their_edges_and_a_missing_one_belongs_to_no_group() -> None:
    columns = columns_of(sensitive=["age"], sensitive_edges={"age": [30, 50]})
    table = pl.DataFrame({"age": [20, 30, None, 70]})
    found = memberships(table, ("age",), columns)
    assert found.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]  # 30 to < 50, < 30, ≥ 50


def test_spread_of_two_groups_is_the_squared_correlation() -> None:
    values = logits()
    soft = 1 / (1 + np.exp(-2.0 * values.numpy()))
    member = (GROUPS["sex"] == "f").to_numpy().astype(float)
    found = selection_rate_spread(values, memberships(GROUPS, ("sex",), COLUMNS).double(), 2.0)
    assert float(found) == pytest.approx(_between(soft, [member, 1 - member]), rel=1e-9)
    # Soft decisions vary less than hard ones: r (1 - r) bounds their variance from above.
    correlation = np.corrcoef(np.sign(values.numpy()), member)[0, 1]
    hard = selection_rate_spread(
        values.sign() * 50, memberships(GROUPS, ("sex",), COLUMNS).double(), 2.0
    )
    assert float(hard) == pytest.approx(correlation**2, rel=1e-9)


def _between(soft: Any, members: list[Any]) -> float:
    rate = soft.mean()
    parts = [one.mean() * ((soft * one).sum() / one.sum() - rate) ** 2 for one in members]
    return float(sum(parts) / (rate * (1 - rate)))


def test_spreads_of_columns_add_up() -> None:
    values = logits()
    each = [
        selection_rate_spread(values, memberships(GROUPS, (name,), COLUMNS), 2.0)
        for name in ("sex", "region")
    ]
    both = selection_rate_spread(values, memberships(GROUPS, ("sex", "region"), COLUMNS), 2.0)
    assert float(both) == pytest.approx(float(sum(each)), rel=1e-6)


@pytest.mark.parametrize("columns", [("sex",), ("sex", "region"), ()])
def test_gradient(columns: tuple[str, ...]) -> None:
    members = memberships(GROUPS[:12], columns, COLUMNS).double()
    values = logits(12).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: selection_rate_spread(x, members, 2.0), (values,))


def test_spread_is_zero_where_rates_are_equal() -> None:
    members = memberships(pl.DataFrame({"sex": ["f", "m", "f", "m"]}), ("sex",), COLUMNS)
    assert float(selection_rate_spread(torch.tensor([1.0, 1, -2, -2]), members, 2.0)) < 1e-12
    assert float(selection_rate_spread(torch.tensor([1.0, -2, 1, -2]), members, 2.0)) > 0.1


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_certain_decisions_give_no_nan(logit: float) -> None:
    values = torch.full((60,), logit, requires_grad=True)
    spread = selection_rate_spread(values, memberships(GROUPS, ("sex",), COLUMNS), 2.0)
    spread.backward()
    assert spread.item() == 0
    assert torch.isfinite(values.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"strength": -1}, {"sharpness": 0}, {"columns": "sex"}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mitigation.model_validate(wrong)


def test_members_count_among_the_passes_of_a_training() -> None:
    reduction = {"max_members": 5, "epochs": 2}
    mitigation = {"method": "grid_search", "reduction": reduction}
    settings = LoopSettings.model_validate({"max_epochs": 7, "mitigation": mitigation})
    assert settings.max_passes == 17
    assert LoopSettings(max_epochs=7).max_passes == 7

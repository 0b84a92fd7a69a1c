"""Costs against sums worked out by hand."""

import pytest

from flows.costs.stage_costs import Cost, cost_of, total
from pipeline.core.costs.prices import Prices

PRICES = Prices(currency="EUR", per_hour={"cpu": 0.10, "gpu": 2.50, "H200": 4.0})


@pytest.mark.parametrize(("device", "price"), [("cpu", 0.05), ("H200", 2.0), ("another GPU", 1.25)])
def test_half_an_hour_of_a_device(device: str, price: float) -> None:
    cost = cost_of({"cost": {"wall_s": 1800, "device": device}}, PRICES)

    assert cost is not None
    assert cost.money == pytest.approx(price)


def test_a_device_without_a_price_makes_the_sum_unknown() -> None:
    without = Prices(currency="EUR", per_hour={"cpu": 0.10})
    used = [{"cost": {"wall_s": 1, "device": name}} for name in ("cpu", "H200")]

    summed = total(cost for record in used if (cost := cost_of(record, without)))

    assert summed.wall_s == 2
    assert summed.money is None


def test_a_record_without_a_cost_has_none() -> None:
    assert cost_of({}, PRICES) is None


def test_sums_add_time_and_take_the_largest_memory() -> None:
    one = Cost(1.5, 2.0, 300, "cpu", None, 0.25)
    two = Cost(2.5, 3.0, 200, "H200", 50, 0.5)

    assert total([one, two]) == Cost(4.0, 5.0, 300, "cpu, H200", 50, 0.75)

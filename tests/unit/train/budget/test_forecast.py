"""A forecast is arithmetic on timed steps; the figures here are worked out by hand."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.core.costs.prices import Prices
from pipeline.core.errors import GateRefused
from pipeline.core.run.energy import Meter
from pipeline.train.budget import forecast as forecasts
from pipeline.train.budget import training_cost
from pipeline.train.budget.affordable import check, figures, in_one_line
from pipeline.train.budget.budget import Budget, Ledger
from pipeline.train.budget.forecast import Forecast, Span, forecast, span_of, step_seconds
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.settings import LoopSettings

FOUND = Forecast(
    start_s=4.0,
    step_s=Span(0.01, 0.02, 0.03),
    num_steps=50,
    validation_s=0.3,
    save_s=0.1,
    max_passes=10,
    power_w=36.0,
    energy_source="estimate",
    memory_before_gb=0.5,
    memory_gb=2.0,
    num_timed=40,
    device="cpu",
)


def book(folder: Path, prices: Prices | None = None) -> Ledger:
    return Ledger(folder, Budget(), prices, "cpu", Meter())


def test_time_is_start_and_passes_of_steps_validation_and_saving() -> None:
    """50 · 0.02 + 0.3 + 0.1 = 1.4 s a pass; ten of them and the start are 18 s."""
    found = FOUND.time_s(10)
    assert (found.low, found.value, found.high) == pytest.approx((13.0, 18.0, 23.0))


def test_energy_is_power_and_money_is_both(tmp_path: Path) -> None:
    """36 W for 18 s are 648 J, 0.00018 kWh; 18 s at 200 an hour are 1, the energy 0.09."""
    assert FOUND.energy_kwh(10).value == pytest.approx(0.00018)
    prices = Prices(currency="EUR", per_hour={"cpu": 200.0}, per_kwh=500.0)
    money = FOUND.money(10, book(tmp_path, prices))
    assert money is not None
    assert money.value == pytest.approx(1.09)
    assert FOUND.money(10, book(tmp_path)) is None
    assert FOUND.money(10, book(tmp_path, Prices(currency="EUR", per_hour={}))) is None


def test_it_is_said_with_its_range_and_its_source(tmp_path: Path) -> None:
    told = figures(FOUND, 10, book(tmp_path))
    assert told["time_s"] == "18 s (13 to 23)"
    assert told["memory_gb"] == "2 GB (2 to 2.3)"
    assert "money" not in told
    assert in_one_line(FOUND, 10, book(tmp_path)).endswith("; energy is an estimate")
    counted = replace(FOUND, energy_source="counters")
    assert "estimate" not in in_one_line(counted, 10, book(tmp_path))


@pytest.mark.parametrize(("num_steps", "is_said"), [(1, True), (2, False)])
def test_one_step_an_epoch_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    num_steps: int,
    is_said: bool,
) -> None:
    found, nothing = replace(FOUND, num_steps=num_steps), torch.zeros(132)
    monkeypatch.setattr(training_cost, "forecast", lambda *_: found)
    rows = Part((nothing,), nothing, nothing, nothing)
    settings, network = LoopSettings(batch_size=1000, accumulate=8), torch.nn.Identity()
    state: Any = None
    training_cost.foreseen(network, rows, rows, settings, state, book(tmp_path))
    line = (
        "train.accumulate × train.batch_size is 8,000 and there are 132 training rows: one "
        "optimizer step an epoch\n"
    )
    assert (line in capsys.readouterr().err) == is_said


def test_a_smaller_batch_is_named_that_fits_into_memory(tmp_path: Path) -> None:
    """0.5 GB are held before, 1.5 more for 1000 rows: 1 GB has room for a third of them."""
    ledger = Ledger(tmp_path, Budget(memory_gb=1.0), None, "cpu", Meter())
    nothing: Any = None
    with pytest.raises(GateRefused) as e:
        check(FOUND, ledger, nothing, nothing, LoopSettings(batch_size=1000))
    assert "memory: at most 1 GB, forecast 2 GB (2 to 2.3)" in str(e.value)
    assert "would fit: `train.batch_size: 333` instead of 1000" in str(e.value)


def test_a_smaller_batch_that_takes_too_long_fits_for_memory_alone(tmp_path: Path) -> None:
    """A third of the rows makes 151 steps a pass: 10 · 3.42 + 4 = 38.2 s, where 18 were enough."""
    nothing: Any = None
    for time_s, said in ((38, "fit for memory alone: `train"), (39, "fit: `train")):
        ledger = Ledger(tmp_path, Budget(memory_gb=1.0, time_s=time_s), None, "cpu", Meter())
        with pytest.raises(GateRefused) as e:
            check(FOUND, ledger, nothing, nothing, LoopSettings(batch_size=1000))
        assert f"would {said}.batch_size: 333`" in str(e.value)


def test_fewer_epochs_fit_for_time_alone_where_memory_is_beyond_too(tmp_path: Path) -> None:
    """4 + 1.4 · 7 is 13.8 s."""
    ledger = Ledger(tmp_path, Budget(memory_gb=1.0, time_s=14), None, "cpu", Meter())
    nothing: Any = None
    settings = LoopSettings(batch_size=1000, max_epochs=10, precision="bf16")
    with pytest.raises(GateRefused) as e:
        check(FOUND, ledger, nothing, nothing, settings)
    assert "would fit for memory alone: `train.batch_size: 333`" in str(e.value)
    assert "would fit for time alone: `train.max_epochs: 7` instead of 10" in str(e.value)
    assert "would fit: " not in str(e.value)


def test_a_training_that_was_begun_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "spent.json").write_text('{"time_s": 50, "energy_kwh": 0.1}')
    ledger = Ledger(tmp_path, Budget(memory_gb=1.0), None, "cpu", Meter())
    nothing: Any = None
    check(FOUND, ledger, nothing, nothing, LoopSettings())
    assert ledger.spent().time_s >= 50


def test_the_range_is_that_of_the_tenth_and_nine_tenths() -> None:
    """Of 1 to 11 the tenth is 2, the nine tenths 10, the mean 6."""
    assert span_of([float(i) for i in range(11, 0, -1)]) == Span(2.0, 6.0, 10.0)


def test_a_mean_beyond_the_nine_tenths_is_the_upper_end() -> None:
    assert span_of([1.0] * 19 + [101.0]) == Span(1.0, 6.0, 6.0)


def test_warming_up_is_left_out_and_slow_steps_are_timed_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def timed(network: Any, train: Any, settings: Any, num: int, augment: Any) -> list[float]:
        asked.append(num)
        return [9.0, 9.0, 9.0, *[duration] * (num - 3)]

    monkeypatch.setattr(forecasts, "timed_steps", timed)
    for duration, calls in ((10.0, [11]), (0.001, [11, 32])):
        asked.clear()
        found = step_seconds(None, None, LoopSettings())  # type: ignore[arg-type]
        assert set(found) == {duration}
        assert asked == calls


class Slow(torch.nn.Module):
    """Takes 2 ms a pass in either direction, whatever its rows."""

    rows_at_once = 64

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        time.sleep(0.002)
        return self.layer(rows).squeeze(1)


def rows(num: int) -> Part:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(num, 3, generator=generator)
    return Part((inputs,), (inputs[:, 0] > 0).float(), torch.ones(num), torch.zeros((num, 0)))


def test_a_forecast_of_real_steps_is_near_what_they_take_and_leaves_no_trace(
    tmp_path: Path,
) -> None:
    """30 steps of 2 ms and a little; validation goes in ten chunks of rows."""
    network, state = Slow(), torch.get_rng_state()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    settings = LoopSettings(batch_size=10, max_epochs=7)
    checkpoint = Checkpoint(tmp_path / "checkpoints/digest")
    found = forecast(network, rows(300), rows(640), settings, checkpoint, book(tmp_path))
    assert (found.num_steps, found.max_passes) == (30, 7)
    assert 0.002 <= found.step_s.value < 0.02
    assert 0.02 <= found.validation_s < 0.2
    assert found.num_timed >= 8
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_forecast_left_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    old, new = tmp_path / "timed-old", tmp_path / "timed-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    checkpoint = Checkpoint(tmp_path / "checkpoints/digest")
    forecast(Slow(), rows(20), rows(20), LoopSettings(), checkpoint, book(tmp_path))
    assert list(tmp_path.iterdir()) == [new]

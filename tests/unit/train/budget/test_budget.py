"""A budget's ledger: what was spent, before a kill too, and the watch that stops a training."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.costs.prices import PARAMS, Prices, load_prices
from pipeline.core.errors import GateRefused, ProjectError
from pipeline.core.run import energy
from pipeline.core.run.energy import Meter, stated_kwh
from pipeline.core.run.runner import run_stage
from pipeline.core.settings.yaml_files import read_yaml
from pipeline.train import stage as train
from pipeline.train.budget import budget, forecast
from pipeline.train.budget.budget import STOPPED, Budget, Ledger, Spent
from pipeline.train.loop.state import Progress
from tests.people import SETTINGS, make_project, set_section, write_parts, write_yaml

PRICES = Prices(currency="EUR", per_hour={"cpu": 0.36, "gpu": 3.6}, per_kwh=0.5)


def ledger(folder: Path, prices: Prices | None = PRICES, **limits: float) -> Ledger:
    return Ledger(folder, Budget(**limits), prices, "cpu", Meter())


def test_a_price_is_of_the_hour_and_of_the_energy() -> None:
    """An hour at 0.36 and two kilowatt-hours at 0.5."""
    assert PRICES.of("cpu", 3600, 2.0) == pytest.approx(0.36 + 1.0)
    assert PRICES.of("NVIDIA H100", 1800) == pytest.approx(1.8)
    assert Prices(currency="EUR", per_hour={"gpu": 1.0}).of("cpu", 3600) is None


def test_stated_power_is_of_the_memory_and_of_busy_threads() -> None:
    """An hour with one busy thread: 10 W + 4 W; with two, 18 W."""
    assert stated_kwh(3600, 3600) == pytest.approx(0.014)
    assert stated_kwh(3600, 7200) == pytest.approx(0.018)


@pytest.mark.parametrize(
    ("limits", "beyond"),
    [
        ({}, []),
        ({"time_s": 10.0}, ["time_s"]),
        ({"time_s": 10.1, "energy_kwh": 0.2}, []),
        ({"money": 0.9, "memory_gb": 4.0}, ["memory_gb", "money"]),
    ],
)
def test_a_limit_is_reached_at_its_value(limits: dict[str, float], beyond: list[str]) -> None:
    assert Spent(10.0, 0.1, 4.0, 1.0).beyond(Budget(**limits)) == beyond


def test_money_without_a_price_reaches_no_limit() -> None:
    assert Spent(10.0, 0.1, 4.0, None).within(Budget(money=0.001))


def test_the_watch_stops_when_the_time_is_up_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, clock = ledger(tmp_path, time_s=60), time.perf_counter()
    for passed, reason in ((59, None), (60.5, STOPPED)):
        monkeypatch.setattr(budget.time, "perf_counter", lambda passed=passed: clock + passed)
        assert book.watch(Progress(num_steps=1)) == reason


def test_a_resumed_training_counts_what_was_spent_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "KEPT_EVERY_S", 0.0)
    first, clock = ledger(tmp_path, time_s=60), time.perf_counter()
    assert not first.is_resumed
    monkeypatch.setattr(budget.time, "perf_counter", lambda: clock + 50)
    assert first.watch(Progress(num_steps=1)) is None
    monkeypatch.undo()
    second = ledger(tmp_path, time_s=60)
    assert second.is_resumed
    assert 50 <= second.spent().time_s < 55
    monkeypatch.setattr(budget.time, "perf_counter", lambda: clock + 12)
    assert second.watch(Progress(num_steps=9)) == STOPPED


def test_a_reason_to_stop_stays(tmp_path: Path) -> None:
    """Of several processes' steps, only each sixteenth listens."""
    book = ledger(tmp_path, time_s=0.01)
    time.sleep(0.06)
    assert [book.watch(Progress(num_steps=number)) for number in range(1, 17)] == [STOPPED] * 16


def as_worker(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    """Make this process one of two, whose other one has used an hour and 5 GB."""
    for name, value in (("TORCHELASTIC_RUN_ID", "a"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RANK", str(rank))
    used = iter([0.0])
    monkeypatch.setattr(energy, "of_other_workers", lambda: (next(used, 3600.0), 0))
    monkeypatch.setattr(budget, "of_other_workers", lambda: (3600.0, 5 * 10**9))


def test_what_all_processes_used_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of a thread at 4 W, and its price."""
    as_worker(monkeypatch, 0)
    spent = ledger(tmp_path).spent()
    assert spent.energy_kwh == pytest.approx(0.004, abs=1e-4)
    assert spent.money == pytest.approx(0.5 * 0.004, abs=1e-3)
    assert spent.memory_gb > 5


def test_each_process_has_a_gpu_that_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_worker(monkeypatch, 0)
    on_gpus = Ledger(tmp_path, Budget(), PRICES, "NVIDIA H100", Meter())
    assert on_gpus.price(3600, 2.0) == pytest.approx(2 * 3.6 + 2 * 0.5)
    assert ledger(tmp_path).price(3600, 2.0) == pytest.approx(0.36 + 2 * 0.5)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_alone_keeps_what_was_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    as_worker(monkeypatch, rank)
    monkeypatch.setattr(budget, "KEPT_EVERY_S", 0.0)
    monkeypatch.setattr(budget, "LOOKED_EVERY_S", 0.0)
    ledger(tmp_path).watch(Progress(num_steps=1))
    assert (tmp_path / "spent.json").exists() == (rank == 0)


@pytest.mark.parametrize("limit", ["energy_kwh", "money", "memory_gb"])
def test_every_limit_stops(tmp_path: Path, limit: str) -> None:
    book = ledger(tmp_path, **{limit: 1e-12})
    time.sleep(0.06)
    assert book.watch(Progress(num_steps=1)) == STOPPED


def small(root: Path, **changes: Any) -> Path:
    home = make_project(root, train={**SETTINGS["train"], **changes})
    write_parts(home)
    return home


def contents(home: Path) -> list[str]:
    return sorted(file.name for file in (home / "40_train").glob("*"))


def test_a_budget_too_small_is_refused_before_training_and_says_what_would_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five steps of 0.1 s a pass are 5,000 s for 10,000 passes; of bf16's 0.01 s, 500 s."""

    def timed(network: Any, rows: Any, settings: Any, num: int, augment: Any) -> list[float]:
        return [0.01 if settings.precision == "bf16" else 0.1] * num

    monkeypatch.setattr(forecast, "timed_steps", timed)
    home = small(tmp_path, max_epochs=10_000, budget={"time_s": 900})
    with pytest.raises(GateRefused, match=r"train\.budget: expected a training that it can") as e:
        run_stage(tmp_path, "train", "people")
    text = str(e.value)
    assert e.value.exit_code == 3
    assert "10000 passes over the training rows, the most that its settings allow" in text
    assert "time: at most 900 s, forecast 5." in text
    fitting = next(line for line in text.splitlines() if "train.max_epochs" in line)
    assert 1000 < int(fitting.partition("train.max_epochs: ")[2].partition("`")[0]) <= 1800
    assert "`train.precision: bf16`, whose steps were 10.0 times as fast here" in text
    assert "fewer rows, with steps that take at most 1" in text
    assert contents(home) == []
    assert list((tmp_path / ".local").glob("checkpoints/*")) == []


def test_a_budget_in_memory_names_what_is_held_before_the_first_step(tmp_path: Path) -> None:
    small(tmp_path, budget={"memory_gb": 0.01})
    with pytest.raises(GateRefused, match=r"memory: at most 0\.01 GB, forecast ") as e:
        run_stage(tmp_path, "train", "people")
    assert "no smaller batch would fit: " in str(e.value)
    assert "train.max_epochs" not in str(e.value)


def test_members_of_a_reduction_count_as_what_the_settings_allow(tmp_path: Path) -> None:
    mitigation = {"method": "grid_search", "columns": ["sex"], "min_group_rows": 50}
    mitigation |= {"reduction": {"max_members": 3_000_000, "epochs": 3}}
    small(tmp_path, mitigation=mitigation, budget={"time_s": 120})
    with pytest.raises(GateRefused, match="more for 9000004 passes over the training rows"):
        run_stage(tmp_path, "train", "people")


def test_one_that_runs_out_stops_cleanly_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its forecast fits, as it is resumed from what somebody else's clock took."""
    home = small(tmp_path, max_epochs=50, patience=50, budget={"time_s": 300})
    real, steps = Ledger.spent, iter(range(1000))

    def spent(self: Ledger) -> Spent:
        return Spent(1000.0) if next(steps) > 30 else real(self)

    monkeypatch.setattr(Ledger, "spent", spent)
    monkeypatch.setattr(budget, "LOOKED_EVERY_S", 0.0)
    run_stage(tmp_path, "train", "people")
    report = json.loads((home / "40_train/report.json").read_text())
    assert report["stopped"] == STOPPED
    assert 1 < report["num_epochs"] < 50
    losses = [
        json.loads(line)["validation_loss"]
        for line in (home / "40_train/curves.jsonl").read_text().splitlines()
    ]
    assert report["best_validation_loss"] == min(losses)
    assert "weights.safetensors" in contents(home)
    assert list((tmp_path / ".local").glob("checkpoints/*")) == []


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # Fairlearn's own
def test_a_reduction_that_runs_out_keeps_the_members_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mitigation = {"method": "grid_search", "columns": ["sex"], "min_group_rows": 50}
    mitigation |= {"reduction": {"max_members": 6, "epochs": 2}}
    home = small(tmp_path, mitigation=mitigation)
    real, calls = Ledger.watch, []

    def watch(self: Ledger, progress: Progress) -> str | None:
        calls.append(len(progress.curve))
        return STOPPED if len(progress.curve) > 6 else real(self, progress)

    monkeypatch.setattr(Ledger, "watch", watch)
    run_stage(tmp_path, "train", "people")
    report = json.loads((home / "40_train/report.json").read_text())
    assert report["stopped"] == STOPPED
    assert report["mitigation"]["num_members_fitted"] < 6


def price(root: Path, *devices: str) -> None:
    prices = {"currency": "EUR", "per_hour": dict.fromkeys(devices, 0.1)}
    write_yaml(root / "params.yaml", {**read_yaml(root, PARAMS), "prices": prices})


@pytest.mark.parametrize("priced", [None, "NVIDIA A100"])
def test_a_budget_in_money_needs_a_price_of_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, priced: str | None
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    small(tmp_path, budget={"money": 5})
    if priced:
        price(tmp_path, priced)
    with pytest.raises(ProjectError, match=r"found no `prices\.per_hour\.cpu`") as e:
        run_stage(tmp_path, "train", "people")
    assert e.value.exit_code == 2


def test_a_budget_that_is_not_reached_changes_nothing_that_is_written(tmp_path: Path) -> None:
    homes = [small(tmp_path / name, **more) for name, more in
             (("a", {}), ("b", {"budget": {"time_s": 3600, "money": 5}}))]  # fmt: skip
    for name in ("a", "b"):
        price(tmp_path / name, "cpu", "gpu")
        run_stage(tmp_path / name, "train", "people")
    first, second = ((home / "40_train/weights.safetensors").read_bytes() for home in homes)
    assert first == second


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"time": 60}, "unknown key `train.budget.time`"),
        ({"time_s": 0}, "train.budget.time_s: expected more than 0, got 0"),
    ],
)
def test_a_wrong_key_or_value_is_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    small(tmp_path)
    set_section(tmp_path, "train", {"budget": given})
    with pytest.raises(ProjectError) as e:
        run_stage(tmp_path, "train", "people")
    assert said in str(e.value)


def test_prices_are_read_from_params(tmp_path: Path) -> None:
    write_yaml(tmp_path / "params.yaml", {"projects": {}})
    assert load_prices(tmp_path) is None
    prices = {"currency": "CHF", "per_hour": {"cpu": 1.0}, "country": "CHE"}
    write_yaml(tmp_path / "params.yaml", {"projects": {}, "prices": prices})
    assert load_prices(tmp_path) == Prices(**prices)
    write_yaml(tmp_path / "params.yaml", {"prices": {**prices, "country": "Switzerland"}})
    with pytest.raises(ProjectError, match=r"prices\.country"):
        load_prices(tmp_path)


def test_a_project_that_names_no_budget_has_none() -> None:
    assert train.Settings.model_fields["budget"].default == Budget()

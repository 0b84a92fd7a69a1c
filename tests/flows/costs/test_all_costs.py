"""Everything on record, summed by hand; forecasts beside what trainings were."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from flows.cli.main import cli
from flows.costs.all_costs import all_costs
from flows.costs.cost_page import duration, render, write
from flows.costs.stage_costs import Cost, cost_of, total
from flows.costs.trainings import training_lines, training_of
from flows.stack.status_page import application
from pipeline.core.costs.prices import Prices
from pipeline.core.files import write_json
from tests.people import write_yaml

PRICES = {"currency": "EUR", "per_hour": {"cpu": 3.6}, "per_kwh": 0.5}


def used(
    wall_s: float, energy_kwh: float | None = 0.001, source: str = "estimate"
) -> dict[str, Any]:
    found = {"wall_s": wall_s, "cpu_s": 2 * wall_s, "peak_memory_bytes": 10**9, "device": "cpu"}
    known = {} if energy_kwh is None else {"energy_kwh": energy_kwh, "energy_source": source}
    return {**found, **known}


def span(value: float) -> dict[str, float]:
    return {"low": 0.5 * value, "value": value, "high": 2 * value}


TRAINING = {
    "budget": {},
    "currency": "EUR",
    "forecast": {"num_passes": 80},
    "stopped": "patience",
    "num_passes": 46.0,
    "forecast_of_these": {
        "num_passes": 46,
        "time_s": span(40.0),
        "energy_kwh": span(0.0002),
        "energy_source": "estimate",
        "money": None,
        "memory_gb": span(0.5),
    },
    "actual": {"time_s": 50.0, "energy_kwh": 0.0001, "memory_gb": 0.6, "money": 0.1},
}


def record(root: Path, run: str, stage: str, project: str, cost: Any, **more: Any) -> None:
    content = {"stage": stage, "project": project, "exit_code": 0, "cost": cost, **more}
    content["started"] = f"2026-11-{run}T10:00:00+00:00"
    write_json(root / f".local/runs/{run}/{stage}@{project}.json", content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two projects: a build that ran two stages, one that the cache spared one of, a run alone."""
    write_yaml(tmp_path / "params.yaml", {"projects": {"a": {"modality": "tabular"}}})
    content = {"projects": {name: {"modality": "tabular"} for name in "ab"}, "prices": PRICES}
    write_yaml(tmp_path / "params.yaml", content)
    record(tmp_path, "02", "train", "a", used(100), training=TRAINING)
    record(tmp_path, "02", "gate", "a", used(10))
    record(tmp_path, "03", "gate", "a", used(20, None))
    record(tmp_path, "04", "train", "b", used(1, 0.002, "counters"))
    saved = {"money": 0.1, "peak_gpu_memory_bytes": None, **used(100, None)}
    nothing = {"money": 0.0, "peak_gpu_memory_bytes": None, **used(0, None)}
    for run, state, of_train in (("02", "ran", None), ("03", "cached", saved)):
        stages = [{"name": "train", "state": state, "cost": None, "saved": of_train}]
        stages += [{"name": "clean", "state": "cached", "cost": None, "saved": None}]
        totals = {"spent": nothing, "saved": of_train or nothing, "num_saved_unknown": 1}
        build = {"project": "a", "started": run, "exit_code": 0, "stages": stages, "totals": totals}
        write_json(tmp_path / f".local/runs/{run}/build.json", build)
    (tmp_path / ".local/runs/05").mkdir()
    (tmp_path / ".local/runs/05/gate@a.json").write_text('{"half')
    return tmp_path


def test_runs_are_summed_by_project_and_by_stage(root: Path) -> None:
    """a: 100 + 10 + 20 s at 3.6 an hour, 0.13, and 2 Wh at 0.5 a kWh; b: 1 s and 2 Wh."""
    found = all_costs(root)
    assert found.since == "2026-11-02T10:00:00+00:00"
    assert [(name, one.num_runs) for name, one in found.projects.items()] == [("a", 3), ("b", 1)]
    assert found.projects["a"].spent.wall_s == 130
    assert found.projects["a"].spent.money == pytest.approx(0.13 + 0.001)
    assert found.projects["a"].spent.energy_kwh == pytest.approx(0.002)
    assert list(found.stages) == ["clean", "train", "gate"]
    assert found.stages["train"].spent.wall_s == 101
    assert found.stages["train"].spent.energy_source == "estimate"
    assert found.total.spent.wall_s == 131
    assert found.total.num_builds == 2


def test_what_the_cache_saved_is_summed_and_what_is_unknown_counted(root: Path) -> None:
    found = all_costs(root)
    assert found.total.saved.wall_s == 100
    assert found.total.saved.money == pytest.approx(0.1)
    assert found.total.num_saved_unknown == 2
    assert found.stages["train"].saved.wall_s == 100
    assert found.stages["clean"].num_saved_unknown == 2


def test_energy_is_an_estimate_if_a_part_is_and_unknown_only_if_all_is() -> None:
    prices = Prices(**PRICES)
    costs = [cost_of({"cost": used(1, *one)}, prices) for one in
             ((0.5, "counters"), (0.25, "estimate"), (None, ""))]  # fmt: skip
    summed = total(one for one in costs if one)
    assert (summed.energy_kwh, summed.energy_source) == (0.75, "estimate")
    assert total([costs[0], costs[2]]).energy_source == "counters"  # type: ignore[list-item]
    assert total([costs[2]]).energy_kwh is None  # type: ignore[list-item]


def test_a_country_adds_the_carbon_dioxide_of_its_electricity(root: Path) -> None:
    assert all_costs(root).carbon_kg() is None
    prices = {**PRICES, "country": "DEU"}
    write_yaml(root / "params.yaml", {"projects": {"a": {"modality": "tabular"}}, "prices": prices})
    found = all_costs(root)
    assert found.carbon_kg_per_kwh == pytest.approx(0.38, abs=0.03)
    assert found.carbon_kg() == pytest.approx(0.004 * (found.carbon_kg_per_kwh or 0))


def test_a_training_stands_beside_its_forecast(root: Path) -> None:
    (found,) = all_costs(root).trainings
    assert [one.name for one in found.figures] == ["time", "energy", "memory"]
    assert found.figures[0].ratio == 1.25
    line = (
        "training: 46 of at most 80 passes: 50 s of 40 forecast (20 to 80); 0.0001 kWh of 0.0002 "
        "forecast (0.0001 to 0.0004); 0.6 GB of 0.5 forecast (0.25 to 1) (energy is an "
        "estimate)"
    )
    assert training_lines(root / ".local/runs/02", "a") == [line]
    assert training_lines(root / ".local/runs/04", "b") == []


def test_one_that_was_cut_short_says_so() -> None:
    cut = training_of({"training": {**TRAINING, "stopped": "budget"}})
    assert cut is not None
    assert "passes, cut short by its budget: " in cut.line


def test_one_that_was_refused_has_no_actual() -> None:
    refused = {key: TRAINING[key] for key in ("budget", "currency", "forecast")}
    assert training_of({"training": refused}) is None


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("flows.cli.cost_commands.find_root", lambda _: root)
    monkeypatch.setenv("COLUMNS", "100")
    return root


def test_the_command_prints_sums(here: Path) -> None:
    shown = CliRunner().invoke(cli, ["cost", "--all"]).output
    assert "2 builds, 4 runs of stages, 1 trainings" in shown
    row = next(line for line in shown.splitlines() if line.startswith("train"))
    assert row.split() == [
        "train",
        "2",
        "101.0",
        "s",
        "0.1025",
        "EUR",
        "3",
        "Wh",
        "100.0",
        "s",
        "0.1000",
        "EUR",
    ]
    assert "spent: 131.0 s (processor 262.0 s), 1.00 GB at most, 0.1330 EUR, 4 Wh (est" in shown
    assert "the cache saved: 100.0 s (processor 200.0 s), 0.1000 EUR, 2 unknown" in shown


def test_json_has_the_same_sums(here: Path) -> None:
    found = json.loads(CliRunner().invoke(cli, ["cost", "--all", "--json"]).output)
    assert found["total"]["spent"]["wall_s"] == 131
    assert found["projects"]["a"]["saved"]["wall_s"] == 100
    assert found["trainings"][0]["figures"][0]["actual"] == 50


def test_json_is_printed_beside_a_page(here: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ended = CliRunner().invoke(cli, ["cost", "--all", "--html", str(page), "--json"])
    assert json.loads(ended.stdout)["total"]["spent"]["wall_s"] == 131
    assert ended.stderr == f"costs: {page}\n"
    assert page.is_file()


def test_forecast_and_actual_stand_side_by_side_for_a_project(here: Path) -> None:
    shown = CliRunner().invoke(cli, ["cost", "a"]).output
    row = next(line for line in shown.splitlines() if line.startswith("time"))
    assert row.split() == ["time", "40", "s", "20", "to", "80", "50", "s", "1.25"]
    assert "energy (estimate)" in shown


@pytest.mark.parametrize("arguments", [[], ["a", "--all"], ["a", "--json"]])
def test_arguments_that_do_not_belong_together_are_refused(
    here: Path, arguments: list[str]
) -> None:
    ended = CliRunner().invoke(cli, ["cost", *arguments])
    assert ended.exit_code == 2
    assert "--all" in ended.output


def test_the_page_draws_it_and_loads_nothing(root: Path) -> None:
    page = write(root).read_text()
    assert write(root) == root / ".local/costs.html"
    for name in ("stages", "saved", "projects", "energy", "forecast"):
        assert f'id="{name}-' in page
    assert "http://www.w3.org" in page
    assert "src=" not in page.replace("default-src", "").replace("style-src", "").replace(
        "img-src", ""
    )
    assert ">1.25</td>" in page


def test_long_times_are_minutes_and_hours() -> None:
    assert [duration(x) for x in (43.04, 600, 36_000)] == ["43.0 s", "10.0 min", "10.0 h"]


def test_an_empty_record_has_a_page_too(tmp_path: Path) -> None:
    write_yaml(tmp_path / "params.yaml", {"projects": {"a": {"modality": "tabular"}}})
    assert "Nothing is on record yet" in render(all_costs(tmp_path))


def test_the_overview_serves_it(root: Path) -> None:
    answer = TestClient(application(root), base_url="http://localhost").get("/costs")
    assert answer.status_code == 200
    assert "What it cost" in answer.text


def test_costs_without_energy_are_read_as_they_were_written() -> None:
    found = cost_of({"cost": {"wall_s": 1.0}}, None)
    assert found == Cost(wall_s=1.0, device="cpu", money=None)


def test_an_hour_on_two_gpus_costs_two() -> None:
    prices = Prices(currency="EUR", per_hour={"gpu": 3.0})
    used = {"wall_s": 3600.0, "device": "NVIDIA H100", "num_devices": 2}
    found = cost_of({"cost": used}, prices)
    assert found is not None
    assert (found.money, found.wall_s) == (6.0, 3600.0)

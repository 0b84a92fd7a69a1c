"""Energy: codecarbon's figures where it runs, stated powers before and without it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.costs.training_record import RECORD
from pipeline.core.run import energy
from pipeline.core.run.energy import COUNTERS, ESTIMATE, Meter, stated_kwh
from pipeline.core.run.runner import main, run_stage
from pipeline.core.run.told import told
from tests.people import make_project, write_parts


class Tracker:
    """36 W from its start on, as codecarbon would tell it."""

    def __init__(self, kept: Any) -> None:
        self.kept, self.started, self.is_running = kept, time.perf_counter(), True

    def flush(self) -> None:
        self.kept.seconds = time.perf_counter() - self.started
        self.kept.kwh = 36 * self.kept.seconds / 3.6e6

    def stop(self) -> None:
        self.is_running = False


def started(meter: Meter) -> Meter:
    meter._timer.join(10)
    return meter


@pytest.mark.parametrize(("counters", "source"), [(True, COUNTERS), (False, ESTIMATE)])
def test_a_trackers_power_holds_from_its_start_on(
    monkeypatch: pytest.MonkeyPatch, counters: bool, source: str
) -> None:
    trackers: list[Tracker] = []

    def made(kept: Any) -> tuple[Tracker, bool]:
        trackers.append(Tracker(kept))
        return trackers[0], counters

    monkeypatch.setattr(energy, "_tracker", made)
    meter = started(Meter(0.0))
    time.sleep(0.3)
    least_s = time.perf_counter() - meter._tracked_from
    kwh, found = meter.close()
    most_s = time.perf_counter() - meter._tracked_from
    assert found == source
    tracked_s = (kwh - meter._before_kwh) * 3.6e6 / 36  # before it, the stated powers hold
    assert least_s * (1 - 1e-6) <= tracked_s <= most_s * (1 + 1e-6)
    assert not trackers[0].is_running


@pytest.mark.parametrize(("counters", "others_kwh"), [(True, 0.0), (False, 4.0)])
def test_other_workers_are_added_where_no_counter_has_them(
    monkeypatch: pytest.MonkeyPatch, counters: bool, others_kwh: float
) -> None:
    """A million seconds of a thread at 4 W, used while the tracker runs: 4 MJ."""
    used = [0.0]
    monkeypatch.setattr(energy, "_tracker", lambda kept: (Tracker(kept), counters))
    monkeypatch.setattr(energy, "of_other_workers", lambda: (used[0], 0))
    meter = started(Meter(0.0))
    used[0] = 1e6
    time.sleep(0.15)
    kwh, _ = meter.close()
    assert kwh == pytest.approx(others_kwh / 3.6, abs=0.01)


def test_a_tracker_that_cannot_start_leaves_the_stated_powers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(energy, "_tracker", lambda _: 1 / 0)
    meter = started(Meter(0.0))
    time.sleep(0.1)
    kwh, source = meter.close()
    assert source == ESTIMATE
    assert stated_kwh(0.1, 0.0) <= kwh <= stated_kwh(5.0, 5.0)


def test_codecarbon_runs_quietly_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    meter = started(Meter(0.0))
    time.sleep(0.3)
    power_w, _ = meter.power_w()
    assert meter._kept.seconds > 0
    assert 0.5 < power_w < 2000
    meter.close()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_the_record_of_a_run_has_energy_and_a_trainings_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_project(tmp_path)
    write_parts(home)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALLMARK_RUN_DIR", str(tmp_path / "records"))
    monkeypatch.setattr(energy, "_tracker", lambda kept: (Tracker(kept), False))
    assert main(["train", "people"]) == 0
    record = json.loads((tmp_path / "records/train@people.json").read_text())
    assert record["cost"]["energy_kwh"] > 0
    assert record["cost"]["energy_source"] == ESTIMATE
    found = record[RECORD]
    assert found["forecast"]["num_passes"] == 4
    assert found["forecast_of_these"]["num_passes"] == found["num_passes"] == 4
    assert set(found["actual"]) == {"time_s", "energy_kwh", "memory_gb", "money"}
    assert found["actual"]["time_s"] <= record["cost"]["wall_s"]
    assert found["stopped"] == "max_epochs"
    assert told() == {}


def test_no_time_energy_or_money_stands_in_what_a_training_writes(tmp_path: Path) -> None:
    home = make_project(tmp_path)
    write_parts(home)
    run_stage(tmp_path, "train", "people")
    assert RECORD in told()
    report = json.loads((home / "40_train/report.json").read_text())
    del report["settings"]  # limits, which somebody has set
    text = json.dumps(report)
    for word in ("time_s", "_kwh", "money", "wall", "memory", "power"):
        assert word not in text
    each = report["operations"]
    assert each["training"] == 4 * (300 * each["training_per_row"] + 60 * each["forward_per_row"])


def test_a_stage_is_counted_and_nothing_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Meter | None] = []
    monkeypatch.setattr(
        "pipeline.core.run.runner.run_stage", lambda *_: seen.append(energy.running)
    )
    assert main(["train", "adult"]) == 0
    assert seen != [None]
    assert energy.running is None

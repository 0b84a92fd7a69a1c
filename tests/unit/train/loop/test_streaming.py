"""Rows that are streamed: each once per epoch, in an order that can be entered anywhere."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json
from pipeline.core.run.runner import run_stage
from pipeline.train.loop import streaming
from pipeline.train.loop.batches import Part, Share, Step
from pipeline.train.loop.streaming import Order, Stream
from tests.conftest import ROOT
from tests.people import SETTINGS, make_project, people, set_section, write_parts

NUM = 1003


def as_part(rows: pl.DataFrame) -> Part:
    number = torch.from_numpy(rows["number"].to_numpy(writable=True))
    return Part((number[:, None],), number.float(), torch.ones(len(number)), number[:, None][:, :0])


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The numbers from 0 on in three files, of small row groups; `_row` is 10 more."""
    folder = tmp_path_factory.mktemp("shards")
    table = pl.DataFrame({"number": np.arange(NUM), "_row": np.arange(NUM) + 10})
    for name, start, end in (("a", 0, 400), ("b", 400, 410), ("c", 410, NUM)):
        table[start:end].write_parquet(folder / f"{name}.parquet", row_group_size=32)
    return folder


def stream(shards: Path, buffer_rows: int = 128) -> Stream:
    table = streaming.scan(shards)
    return Stream(table, NUM, as_part, buffer_rows, as_part(table.head(5).collect()))


def steps(
    rows: Any, seed: int = 1, size: int = 8, accumulate: int = 1, first: int = 0, share: Any = None
) -> list[Step]:
    torch.manual_seed(seed)
    return list(rows.steps(size, accumulate, first, share or Share()))


def numbers(made: list[Step]) -> list[int]:
    return [int(x) for step in made for piece in step.pieces for x in piece.rows.labels]


@pytest.mark.parametrize(("size", "accumulate"), [(8, 1), (8, 3), (7, 2), (500, 1), (2000, 1)])
@pytest.mark.parametrize("buffer_rows", [1, 100, 5000])
def test_each_row_comes_once_in_batches_of_the_same_sizes_as_in_memory(
    shards: Path, size: int, accumulate: int, buffer_rows: int
) -> None:
    made = steps(stream(shards, buffer_rows), size=size, accumulate=accumulate)
    assert sorted(numbers(made)) == list(range(NUM))
    assert numbers(made) == [int(one) for step in made for one in step.positions]
    in_memory = as_part(streaming.scan(shards).collect())
    expected = steps(in_memory, size=size, accumulate=accumulate)
    assert [[(one.num_rows, one.weight) for one in step.pieces] for step in made] == [
        [(one.num_rows, one.weight) for one in step.pieces] for step in expected
    ]


def test_order_follows_from_the_seed_and_is_another_in_each_epoch(shards: Path) -> None:
    assert numbers(steps(stream(shards), seed=1)) == numbers(steps(stream(shards), seed=1))
    first, second = numbers(steps(stream(shards), seed=1)), numbers(steps(stream(shards), seed=2))
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 20


def test_a_batch_mixes_rows_of_many_places(shards: Path) -> None:
    """Were rows merely cut into runs, eight neighbours would lie within eight numbers."""
    made = steps(stream(shards))
    spans = [max(numbers([one])) - min(numbers([one])) for one in made[:-1]]
    assert float(np.median(spans)) > NUM / 3


@pytest.mark.parametrize("first", [1, 15, 16, 17, 100, 125, 126])
def test_it_goes_on_at_any_step(shards: Path, first: int) -> None:
    whole = steps(stream(shards))
    rest = steps(stream(shards), first=first)
    assert numbers(rest) == numbers(whole[first:])
    assert [one.positions.tolist() for one in rest] == [
        one.positions.tolist() for one in whole[first:]
    ]


@pytest.mark.parametrize("world", [2, 3, 9])
def test_ranks_divide_each_step_without_gaps_or_doubles(shards: Path, world: int) -> None:
    alone = steps(stream(shards), accumulate=2)
    shared = [
        steps(stream(shards), accumulate=2, share=Share(rank, world)) for rank in range(world)
    ]
    for number, step in enumerate(alone):
        counted = [
            int(x)
            for of_rank in shared
            for piece in of_rank[number].pieces
            for x in piece.rows.labels[: piece.num_rows]
        ]
        assert sorted(counted) == sorted(step.positions.tolist())
        weights = sum(piece.weight for of_rank in shared for piece in of_rank[number].pieces)
        assert weights == pytest.approx(world)


def test_no_more_rows_than_the_buffer_are_read_at_once(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = Stream._run
    monkeypatch.setattr(
        Stream, "_run", lambda self, start, num: read.append(num) or real(self, start, num)
    )
    steps(stream(shards, buffer_rows=128))
    order = Order.drawn(NUM, 8, 128, 0)
    assert (order.block_rows, max(read)) == (128, 8)
    assert sum(read) == NUM


def test_row_numbers_are_those_of_the_data(shards: Path) -> None:
    assert stream(shards).ids_of(torch.tensor([5, 0, 1002])) == [15, 10, 1012]


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="expected parquet files in"):
        streaming.scan(tmp_path)


def test_what_is_fitted_sees_rows_from_everywhere(shards: Path) -> None:
    found = streaming.spread_sample(streaming.scan(shards), 130)["number"]
    assert found.len() == 128
    assert (found.min(), found.max()) == (0, NUM - 1)
    assert (found.diff() == 1).sum() == 64
    assert streaming.spread_sample(streaming.scan(shards), 5000).height == NUM


@pytest.mark.parametrize(
    ("mode", "budget_mb", "streamed"),
    [("never", 1, False), ("auto", 1, True), ("auto", 64, False), ("always", 64, True)],
)
def test_rows_are_streamed_where_they_are_more_than_the_budget(
    tmp_path: Path, mode: Any, budget_mb: int, streamed: bool
) -> None:
    table = pl.DataFrame({"number": np.arange(100_000)})  # 16 bytes a row, twice as tensors
    table.write_parquet(tmp_path / "rows.parquet")
    found = streaming.opened(
        tmp_path / "rows.parquet", mode, budget_mb, lambda rows: as_part(rows).row_bytes
    )
    assert found.is_streamed is streamed
    assert found.num_rows == 100_000
    assert (found.fitted.height == 100_000) is not (streamed and budget_mb == 1)


def test_a_streamed_training_says_so_and_is_as_good(tmp_path: Path) -> None:
    settings = {**SETTINGS["train"], "max_epochs": 8}
    write_parts(make_project(tmp_path, train=settings), people(2000))
    losses = {}
    for mode in ("never", "always"):
        set_section(tmp_path, "train", {**settings, "stream": mode, "memory_budget_mb": 1})
        run_stage(tmp_path, "train", "people")
        report = read_json(tmp_path / "data/people/40_train/report.json")
        losses[mode] = report["best_validation_loss"]
        assert ("stream" in report) is (mode == "always")
        assert report["num_train_rows"] == 1000
    assert report["stream"]["num_fitted_rows"] <= 1000
    assert losses["always"] == pytest.approx(losses["never"], abs=0.05)


@pytest.mark.slow
def test_peak_memory_of_a_streamed_training_stays_within_the_budget() -> None:
    """Of rows that need three times as much; the command measures ten times by default."""
    command = [sys.executable, "benchmarks/streaming.py", "--budget", "64", "--times", "3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "streamed within the budget: yes" in ran.stdout

"""Made rows: what they look like, and that bad ones are refused."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.balancing.contingency import Contingency, contingency
from pipeline.core.dataset.groups import levels
from pipeline.core.errors import GateRefused, ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.tabular.balancing import synthesis
from pipeline.tabular.balancing.generator import Generator
from pipeline.tabular.settings import SyntheticSettings
from tests.people import columns_of, people

TRAIN, COLUMNS = people(1500), columns_of()
NAMES = ("sex",)
FOUND = contingency(TRAIN, NAMES, COLUMNS)
QUICK = SyntheticSettings(num_epochs=1, width=8)
LENIENT = QUICK.model_copy(
    update={
        "max_column_distance": 1.0,
        "max_discriminator_auc": 1.0,
        "max_closer_to_seen": 1.0,
        "max_copies_beyond_chance": 1.0,
    }
)


def made(
    settings: SyntheticSettings = LENIENT,
    method: str = "synthetic_vae",
    found: Contingency = FOUND,
    columns: Columns = COLUMNS,
    seed: int = 0,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    table, _, report = synthesis.made(TRAIN, found, columns, method, settings, seed)
    return table, report


def below(table: pl.DataFrame) -> pl.DataFrame:
    return table[TRAIN.height :]


@pytest.mark.parametrize("method", ["synthetic_vae", "synthetic_gan"])
def test_made_rows_stand_below_the_delivered_ones_and_are_like_them(method: str) -> None:
    table, report = made(method=method)
    rows = below(table)
    assert table[: TRAIN.height].equals(TRAIN)
    assert table.schema == TRAIN.schema
    assert rows.height == report["num_made"] > 50
    assert rows["_row"].null_count() == rows["note"].null_count() == rows.height
    assert rows["_key"].n_unique() == rows.height
    assert not rows["_key"].is_in(TRAIN["_key"].implode()).any()
    for name in ("age", "hours"):
        assert TRAIN[name].min() <= rows[name].min() <= rows[name].max() <= TRAIN[name].max()
    for name in ("job", "region", "sex", "income"):
        assert set(rows[name].drop_nulls()) <= set(TRAIN[name].drop_nulls())
    assert rows["age"].null_count() > 0  # missing values are made as well


def test_group_and_label_are_independent_afterwards() -> None:
    table, _ = made()
    rates = table.group_by("sex").agg((pl.col("income") == "high").mean())["income"]
    before = TRAIN.group_by("sex").agg((pl.col("income") == "high").mean())["income"]
    assert before.max() - before.min() > 0.1
    assert rates.max() - rates.min() < 0.005


def test_min_rows_brings_each_group_and_label_up_to_them() -> None:
    columns = columns_of()
    found = contingency(TRAIN, ("sex", "region"), columns)
    settings = LENIENT.model_copy(update={"target": "min_rows", "min_rows": 60})
    assert found.counts.min() < 60
    table, report = made(settings, found=found)
    counts = contingency(table, ("sex", "region"), columns).counts
    assert counts.tolist() == np.maximum(found.counts, 60).tolist()
    assert report["num_made"] == (counts - found.counts).sum()


def test_nothing_lacking_makes_nothing() -> None:
    settings = LENIENT.model_copy(update={"target": "min_rows", "min_rows": 2})
    table, report = made(settings)
    assert table.equals(TRAIN)
    assert (report["num_made"], report["checks"]) == (0, [])


def test_a_sensitive_number_is_drawn_anew_until_it_falls_into_its_range() -> None:
    columns = columns_of(sensitive=["age"], sensitive_edges={"age": [30, 50]})
    found = contingency(TRAIN, ("age",), columns)
    learnt = LENIENT.model_copy(
        update={"num_epochs": 8, "width": 16, "batch_size": 64, "learning_rate": 0.02}
    )
    rows = below(made(learnt, found=found, columns=columns)[0])
    whole = contingency(pl.concat([TRAIN, rows]), ("age",), columns)
    rates = whole.counts[:, 0] / whole.counts.sum(axis=1)
    assert np.ptp(rates) < 0.01
    assert set(levels(rows, "age", columns)) <= {"< 30", "30 to < 50", "≥ 50", "(missing)"}


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (made(seed=seed)[0] for seed in (0, 0, 1))
    assert first.equals(again)
    assert not below(first).equals(below(other))


def test_too_few_made_rows_are_refused_as_nothing_can_be_said_of_them() -> None:
    settings = LENIENT.model_copy(update={"target": "min_rows", "min_rows": FOUND.counts.min() + 3})
    with pytest.raises(GateRefused, match="at least 20 made rows, so that they can be checked, fo"):
        made(settings)


def test_several_classes_are_made_rows_of_as_well() -> None:
    columns = columns_of(task="multiclass", target="job", categorical=["income"], positive="")
    train = TRAIN.drop_nulls("job")
    found = contingency(train, NAMES, columns)
    settings = LENIENT.model_copy(update={"target": "min_rows", "min_rows": 250})
    table, sizes, _ = synthesis.made(train, found, columns, "synthetic_vae", settings, 0)
    assert found.counts.shape == (2, 4)
    assert contingency(table, NAMES, columns).counts.tolist() == sizes.tolist()
    assert sizes.min() == 250


# Generators whose rows are known to be good or bad.


def ideal(codes: Any, conditions: Any, *_: Any) -> Generator:
    """Rows as delivered by the same source, which nobody has seen before."""
    fresh = people(30_000, seed=99)
    task = synthesis.task_of(TRAIN, FOUND, COLUMNS, "synthetic_vae", QUICK, 0)
    return picking(task.learnt.codes(fresh), contingency(fresh, NAMES, COLUMNS).cells)


def copying(codes: Any, conditions: Any, *_: Any) -> Generator:
    """The rows that it was given."""
    return picking(codes, conditions @ np.array([2, 1]))


def noise(codes: Any, conditions: Any, num_codes: Any, *_: Any) -> Generator:
    """Each column by itself: what goes together is lost."""
    shuffled = np.stack(
        [np.random.default_rng(i).permutation(column) for i, column in enumerate(codes.T)], axis=1
    )
    return picking(shuffled, np.random.default_rng(0).permutation(conditions) @ np.array([2, 1]))


def constant(codes: Any, conditions: Any, *_: Any) -> Generator:
    """One row, over and over."""
    return picking(np.tile(codes[:1], (4, 1)), np.arange(4))


def picking(codes: Any, cells: Any) -> Generator:
    """Draws from these rows, by their cells."""

    def draw(wanted: Any, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        cell = wanted @ np.array([2, 1])
        rows = [rng.choice(np.flatnonzero(cells == one)) for one in cell]
        return codes[rows]

    return Generator(draw, {})


def outcome(
    monkeypatch: pytest.MonkeyPatch, generator: Any, settings: SyntheticSettings
) -> tuple[pl.DataFrame, dict[str, Any]]:
    monkeypatch.setattr(synthesis, "GENERATORS", {"synthetic_vae": generator})
    return made(settings)


def test_rows_of_the_same_source_keep_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    _, report = outcome(monkeypatch, ideal, QUICK.model_copy(update={"max_closer_to_seen": 0.6}))
    assert [check["passed"] for check in report["checks"]] == [True] * 4
    by_name = {check["name"]: check for check in report["checks"]}
    assert by_name["discriminator_auc"]["value"] < 0.6
    assert by_name["closer_to_seen"]["value"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("generator", "check"),
    [
        (copying, "closer_to_seen"),
        (copying, "copies_beyond_chance"),
        (noise, "discriminator_auc"),
        (constant, "column_distance"),
    ],
)
def test_bad_rows_are_refused_by_the_check_that_is_for_them(
    monkeypatch: pytest.MonkeyPatch, generator: Any, check: str
) -> None:
    alone = LENIENT.model_copy(
        update={f"max_{check}": getattr(SyntheticSettings(), f"max_{check}")}
    )
    with pytest.raises(GateRefused, match=f"1 refuse them\n  - {check}: ") as caught:
        outcome(monkeypatch, generator, alone)
    assert caught.value.exit_code == 3
    assert "balance.method" in caught.value.hint
    outcome(monkeypatch, generator, LENIENT)  # and by nothing else


def test_a_group_that_no_row_falls_into_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = columns_of(sensitive=["age"], sensitive_edges={"age": [30, 50]})
    found = contingency(TRAIN, ("age",), columns)

    def old(codes: Any, *_: Any) -> Generator:
        return Generator(lambda wanted, _seed: np.tile(codes[:1], (len(wanted), 1)), {})

    monkeypatch.setattr(synthesis, "GENERATORS", {"synthetic_vae": old})
    with pytest.raises(ProjectError, match="did not in 100 rounds"):
        made(found=found, columns=columns)

"""Rows made for thin groups: generators learn the training rows, draw new ones, and are checked.

The training rows are dealt into two folds. A generator is fitted on each and makes half of the
rows, so that for every made row there are real rows that its generator has seen and as many that it
has not: a generator that copies makes rows that lie nearer to the first. All rows are used, both to
learn from and to check with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.balancing import resampling
from pipeline.core.balancing.contingency import Contingency, contingency
from pipeline.core.dataset.hashing import keyed_hash
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.tabular.balancing import discretization, gan, synthesis_checks, vae
from pipeline.tabular.balancing.discretization import Discretization
from pipeline.tabular.balancing.generator import Draw
from pipeline.tabular.settings import SyntheticSettings

Ints = NDArray[np.int64]

GENERATORS: Mapping[str, Any] = {
    "synthetic_vae": vae.fit,
    "synthetic_gan": gan.fit,
}
NUM_FOLDS = 2
MAX_ROUNDS = 100
"""How often rows are drawn anew that fell out of their group's range."""


@dataclass(frozen=True)
class Task:
    """What rows are made from.

    Attributes:
        train: The training rows.
        found: They by group and label.
        columns: What each column is for.
        learnt: The codes of the columns that a generator learns.
        set: The columns that a made row's group and label set.
        fit: Fits a generator.
        settings: Of the method.
        seed: Of folds, generators and draws.
    """

    train: pl.DataFrame
    found: Contingency
    columns: Columns
    learnt: Discretization
    set: list[str]
    fit: Any
    settings: SyntheticSettings
    seed: int

    @property
    def features(self) -> list[str]:
        """What tells rows apart: the features and the sensitive columns."""
        return list(dict.fromkeys((*self.columns.features, *self.columns.sensitive)))


def made(
    train: pl.DataFrame,
    found: Contingency,
    columns: Columns,
    method: str,
    settings: SyntheticSettings,
    seed: int,
) -> tuple[pl.DataFrame, Ints, dict[str, Any]]:
    """The rows to fit on with made ones below them, each cell's size, and the checks' report.

    A made row has no `_row`, a `_key` of its own, and nothing in columns that are not used.

    Raises:
        GateRefused: a check refuses the made rows.
        ProjectError: a group is so narrow that no row falls into it.
    """
    task = task_of(train, found, columns, method, settings, seed)
    wanted = (
        resampling.topped_up(found)
        if settings.target == "independent"
        else resampling.at_least(found, settings.min_rows)
    )
    folds = dealt(found, seed)
    missing = (wanted - found.counts).ravel()
    if not missing.any():
        return train, wanted, {"num_made": 0, "target": settings.target, "checks": []}
    rows, cells, sources, learnt = rows_made(task, missing, folds)
    report = synthesis_checks.checked(compared(task, rows, cells, sources, folds), settings, seed)
    keys = keyed_hash(pl.DataFrame({"made": range(rows.height)}), f"made rows, {seed}")
    if "_key" in train.columns:
        rows = rows.with_columns(_key=pl.Series(keys, dtype=pl.UInt64))
    whole = pl.concat([train, rows], how="diagonal").select(train.columns)
    return (
        whole,
        wanted,
        {
            "num_made": rows.height,
            "target": settings.target,
            "generators": learnt,
            **report,
        },
    )


def task_of(
    train: pl.DataFrame,
    found: Contingency,
    columns: Columns,
    method: str,
    settings: SyntheticSettings,
    seed: int,
) -> Task:
    """A sensitive column that makes the groups is set, unless it is a number cut at edges."""
    groups = [name for name in found.names if name not in columns.sensitive_edges]
    names = dict.fromkeys((*columns.features, *columns.sensitive))
    learnt = [name for name in names if name not in groups]
    ordered = {*columns.numeric, *columns.dates, *columns.sensitive_edges}
    numeric = [name for name in learnt if name in ordered]
    if not learnt:
        raise ProjectError(
            "balance.method: expected features to make rows of, found none",
            hint="name some under `columns.numeric` or `columns.categorical`",
        )
    codes = discretization.fit(train, numeric, [name for name in learnt if name not in numeric])
    own = [*groups, columns.target]
    return Task(train, found, columns, codes, own, GENERATORS[method], settings, seed)


def dealt(found: Contingency, seed: int) -> Ints:
    """Each row's fold, shape (rows,): half of every cell each, give or take a row."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(found.cells))
    order = order[np.argsort(found.cells[order], kind="stable")]
    folds = np.empty(len(order), dtype=np.int64)
    folds[order] = np.arange(len(order)) % NUM_FOLDS
    return folds


def rows_made(
    task: Task, missing: Ints, folds: Ints
) -> tuple[pl.DataFrame, Ints, Ints, list[dict[str, float]]]:
    """Made rows, the cell of each, the fold that its generator has seen, and what generators say.

    Args:
        missing: How many rows each cell lacks, shape (cells,).
        folds: From `dealt`.
    """
    given, sizes = conditions(task.found.cells, task.found)
    codes = task.learnt.codes(task.train)
    tables, cells, sources, learnt = [], [], [], []
    for fold in range(NUM_FOLDS):
        seen = folds == fold
        generator = task.fit(
            codes[seen],
            given[seen],
            task.learnt.num_codes,
            sizes,
            task.settings,
            task.seed * NUM_FOLDS + fold,
        )
        share = np.repeat(np.arange(len(missing)), (missing + fold) // NUM_FOLDS)
        table, filled = drawn(task, generator.draw, share, task.seed * NUM_FOLDS + fold)
        tables.append(table)
        cells.append(filled)
        sources.append(np.full(len(filled), fold))
        learnt.append(generator.facts)
    return pl.concat(tables), np.concatenate(cells), np.concatenate(sources), learnt


def drawn(task: Task, draw: Draw, cells: Ints, seed: int) -> tuple[pl.DataFrame, Ints]:
    """A row for each of `cells`, drawn anew until it falls into its group; and each row's cell."""
    waiting, tables, done = cells, [], []
    for attempt in range(MAX_ROUNDS):
        given, _ = conditions(waiting, task.found)
        now = seed * MAX_ROUNDS + attempt
        table = task.learnt.table(draw(given, now), task.train.schema, now)
        table = table.with_columns(set_by(task, waiting, now))
        falls = cells_of(table, task) == waiting
        tables.append(table.filter(pl.Series(falls)))
        done.append(waiting[falls])
        waiting = waiting[~falls]
        if not len(waiting):
            return pl.concat(tables), np.concatenate(done)
    raise ProjectError(
        f"balance.method: expected made rows to fall into their groups, {len(waiting)} of "
        f"{len(cells)} did not in {MAX_ROUNDS} rounds",
        hint="cut sensitive numbers into wider groups (`columns.sensitive_edges`)",
    )


def conditions(cells: Ints, found: Contingency) -> tuple[Ints, list[int]]:
    """Cells as numbers, the level of each column and the label; and how many there are of each."""
    group, label = np.divmod(cells, len(found.labels))
    parts, sizes = [], []
    for name in found.names:
        known = sorted({one[name] for one in found.groups})
        place = np.array([known.index(one[name]) for one in found.groups], dtype=np.int64)
        parts.append(place[group])
        sizes.append(len(known))
    return np.stack([*parts, label], axis=1), [*sizes, len(found.labels)]


def set_by(task: Task, cells: Ints, seed: int) -> list[pl.Series]:
    """The columns that a cell sets, for each of `cells`; as its real rows have them."""
    rng = np.random.default_rng(seed)
    order = np.argsort(task.found.cells, kind="stable")
    sizes = task.found.counts.ravel()
    start = np.cumsum(sizes) - sizes
    rows = order[start[cells] + (rng.random(len(cells)) * sizes[cells]).astype(np.int64)]
    found: list[pl.Series] = task.train.select(task.set)[rows].get_columns()
    return found


def cells_of(table: pl.DataFrame, task: Task) -> Ints:
    """Each row's cell as the training rows number them; -1 for one that they do not have."""
    if not table.height:
        return np.zeros(0, dtype=np.int64)
    there = contingency(table, task.found.names, task.columns)
    groups = task.found.groups
    group = np.array([groups.index(one) if one in groups else -1 for one in there.groups])
    label = np.array([task.found.labels.index(one) for one in there.labels])
    at, which = np.divmod(there.cells, len(there.labels))
    return np.where(group[at] < 0, -1, group[at] * len(task.found.labels) + label[which])


def compared(
    task: Task, rows: pl.DataFrame, cells: Ints, sources: Ints, folds: Ints
) -> synthesis_checks.Rows:
    """Real and made rows as the checks take them."""
    num_made = np.bincount(cells, minlength=task.found.counts.size)
    weights = num_made / np.maximum(task.found.counts.ravel(), 1)
    return synthesis_checks.Rows(
        real=task.train.select(task.features),
        weights=weights[task.found.cells],
        folds=folds,
        made=rows.select(task.features),
        sources=sources,
    )

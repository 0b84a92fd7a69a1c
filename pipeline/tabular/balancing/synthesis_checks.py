"""Are made rows like real ones, and are they nobody's? Four checks, each of which can refuse.

Real rows are those of the groups and labels that rows were made for, weighed so that each of these
cells counts as much as among the made rows.

- `column_distance`: the largest distance between a column's real and made values; total variation
  of levels, Kolmogorov-Smirnov of numbers.
- `discriminator_auc`: how well a classifier tells real from made, the ROC AUC of cross-validated
  scores. D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, ICLR 2017.
- `closer_to_seen`: the share of made rows whose nearest real row is one that their generator has
  seen, not one of as many that it has not. M. Platzer and T. Reutterer, Holdout-based empirical
  assessment of mixed-type synthetic data, Frontiers in Big Data 4 (2021). Half is chance.
- `copies_beyond_chance`: the share of made rows equal to a row that their generator has seen, minus
  the share equal to one that it has not: common rows are met by chance, and as often in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.errors import GateRefused
from pipeline.core.statistics.intervals import Interval, bootstrap
from pipeline.tabular.settings import SyntheticSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CONFIDENCE = 0.95
NUM_REPLICATES = 200
NUM_PARTS = 5
"""Of the classifier's cross-validation."""
MIN_MADE = 20
"""With fewer made rows no check says anything."""
MAX_MEASURED = 5000
"""Of more made rows a sample is measured for its nearest real rows."""
DISTANCES_AT_ONCE = 20_000_000


@dataclass(frozen=True)
class Rows:
    """Real and made rows side by side, features alone.

    Attributes:
        real: All training rows.
        weights: What each counts, shape (real,); 0 where no row was made for its cell.
        folds: Each real row's fold, 0 or 1, shape (real,).
        made: Made rows.
        sources: The fold that each made row's generator has seen, shape (made,).
    """

    real: pl.DataFrame
    weights: Floats
    folds: Ints
    made: pl.DataFrame
    sources: Ints

    def fold(self, number: int) -> pl.DataFrame:
        """The real rows of a fold."""
        return self.real.filter(pl.Series(self.folds == number))

    def of_sources(self, by_fold: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """What made rows have with the fold that their generator has seen, and with the other.

        Args:
            by_fold: Shape (made, folds).
        """
        at = np.arange(len(self.sources))
        return by_fold[at, self.sources], by_fold[at, 1 - self.sources]


def checked(rows: Rows, settings: SyntheticSettings, seed: int) -> dict[str, Any]:
    """What the checks measured, for the report.

    Raises:
        GateRefused: a measure's upper bound lies above its limit, or there are too few made rows.
    """
    if rows.made.height < MIN_MADE:
        raise GateRefused(
            f"balance: expected at least {MIN_MADE} made rows, so that they can be checked, found "
            f"{rows.made.height}",
            hint="the groups lack next to nothing: `balance.method: reweigh` does the same without",
        )
    distances = column_distances(rows)
    found = {
        "column_distance": exactly(max(entry["distance"] for entry in distances)),
        "discriminator_auc": discriminator_auc(rows, seed),
        "closer_to_seen": closer_to_seen(rows, seed),
        "copies_beyond_chance": copies_beyond_chance(rows, seed),
    }
    checks = [
        {
            "name": name,
            **interval.as_dict(),
            "at_most": getattr(settings, f"max_{name}"),
            "passed": interval.high <= getattr(settings, f"max_{name}"),
        }
        for name, interval in found.items()
    ]
    refuse(checks)
    return {"checks": checks, "column_distances": distances, "copies": copies(rows)}


def refuse(checks: Sequence[dict[str, Any]]) -> None:
    """Refuse made rows that a check is against."""
    failed = [check for check in checks if not check["passed"]]
    if failed:
        raise GateRefused(
            f"balance: expected made rows that keep all {len(checks)} checks, {len(failed)} "
            "refuse them",
            findings=[
                f"{check['name']}: {check['value']:.3f} (up to {check['high']:.3f}), expected at "
                f"most {check['at_most']:g}"
                for check in failed
            ],
            hint="take another `balance.method` (reweigh and resample make no rows), fewer made "
            "rows (`balance.synthetic.target: min_rows`), or more of `balance.synthetic.num_epochs`"
            "; a limit is `balance.synthetic.max_…`",
        )


def exactly(value: float) -> Interval:
    return Interval(value, value, value)


def column_distances(rows: Rows) -> list[dict[str, Any]]:
    """Each column's distance between made and real values, and that between the two folds' real
    ones: what chance alone gives, with half as many rows."""
    found = []
    for name in rows.real.columns:
        real, made = ranked(rows.real[name], rows.made[name])
        numeric = is_ordered(rows.real[name])
        one, two = ((real[rows.folds == k], rows.weights[rows.folds == k]) for k in range(2))
        between = apart((real, rows.weights), (made, np.ones(len(made))), numeric=numeric)
        found.append(
            {
                "column": name,
                "distance": round(between, 6),
                "by_chance": round(apart(one, two, numeric=numeric), 6),
            }
        )
    return found


def is_ordered(values: pl.Series) -> bool:
    """Whether values are numbers or dates, which lie near to each other or far apart."""
    return values.dtype.is_numeric() or values.dtype.is_temporal()


def ranked(*parts: pl.Series) -> list[Ints]:
    """Values as whole numbers in the order of the values, the same for all parts; missing first."""
    numeric = is_ordered(parts[0])
    cast = [
        part.to_physical().cast(pl.Float64) if numeric else part.cast(pl.String) for part in parts
    ]
    rank = (pl.concat(cast).rank("dense").fill_null(0)).cast(pl.Int64).to_numpy()
    return np.split(rank, np.cumsum([len(part) for part in parts])[:-1])


def apart(first: tuple[Ints, Floats], second: tuple[Ints, Floats], *, numeric: bool) -> float:
    """Total variation of levels, or Kolmogorov-Smirnov of numbers, between weighted samples."""
    length = 1 + max(int(ranks.max(initial=0)) for ranks, _ in (first, second))
    one, two = (
        np.bincount(ranks, weights, length) / max(weights.sum(), 1e-12)
        for ranks, weights in (first, second)
    )
    if numeric:
        return float(np.abs(np.cumsum(one - two)).max())
    return float(np.abs(one - two).sum() / 2)


def discriminator_auc(rows: Rows, seed: int) -> Interval:
    """ROC AUC of telling made rows from real ones, with bounds by bootstrap over rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    counts = rows.weights > 0
    real = rows.real.filter(pl.Series(counts))
    pairs = [ranked(real[name], rows.made[name]) for name in real.columns]
    features = np.stack([np.concatenate(pair) for pair in pairs], axis=1).astype(float)
    is_made = np.repeat([0, 1], [real.height, rows.made.height])
    weights = np.concatenate([rows.weights[counts], np.ones(rows.made.height)])
    model = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)
    parts = StratifiedKFold(NUM_PARTS, shuffle=True, random_state=seed)
    with threadpool_limits(1):
        scores = cross_val_predict(
            model,
            features,
            is_made,
            cv=parts,
            method="decision_function",
            params={"sample_weight": weights},
        )

    def auc(times: Floats) -> dict[str, float]:
        return {"auc": float(roc_auc_score(is_made, scores, sample_weight=weights * times))}

    return bootstrap(
        auc, len(is_made), confidence=CONFIDENCE, num_replicates=NUM_REPLICATES, seed=seed
    )["auc"]


def closer_to_seen(rows: Rows, seed: int) -> Interval:
    """The share of made rows that lie nearer to rows that their generator has seen; ties half."""
    chosen = np.random.default_rng(seed).permutation(rows.made.height)[:MAX_MEASURED]
    rows = replace(rows, made=rows.made[chosen], sources=rows.sources[chosen])
    real, made = placed(rows.real, rows.made)
    nearest = [nearest_distances(made, real[rows.folds == fold]) for fold in range(2)]
    seen, unseen = rows.of_sources(np.stack(nearest, axis=1))
    tied = np.isclose(seen, unseen, atol=1e-9)
    return mean_of(np.where(tied, 0.5, (seen < unseen).astype(float)), seed)


def copies_beyond_chance(rows: Rows, seed: int) -> Interval:
    """The share of made rows equal to a seen row minus the share equal to an unseen one."""
    seen, unseen = rows.of_sources(equal_to_folds(rows))
    return mean_of(seen.astype(float) - unseen, seed)


def copies(rows: Rows) -> dict[str, int]:
    """How many made rows equal a real one, and how many real rows one of the other fold."""
    first, second = rows.fold(0).unique(), rows.fold(1)
    shared = second.join(first, on=second.columns, how="semi", nulls_equal=True)
    return {
        "num_made_equal_to_real": int(equal_to_folds(rows).any(axis=1).sum()),
        "num_real_equal_to_other_fold": shared.height,
        "num_real": second.height,
    }


def equal_to_folds(rows: Rows) -> NDArray[np.bool_]:
    """Whether each made row equals a real row of each fold, shape (made, folds)."""
    numbered = rows.made.with_row_index("_made")
    found = np.zeros((rows.made.height, 2), dtype=bool)
    for fold in range(2):
        real = rows.fold(fold).unique()
        same = numbered.join(real, on=real.columns, how="semi", nulls_equal=True)
        found[same["_made"].to_numpy(), fold] = True
    return found


def mean_of(values: Floats, seed: int) -> Interval:
    """A mean with bounds by bootstrap over rows."""

    def mean(times: Floats) -> dict[str, float]:
        return {"mean": float(times @ values / times.sum())}

    return bootstrap(
        mean, len(values), confidence=CONFIDENCE, num_replicates=NUM_REPLICATES, seed=seed
    )["mean"]


def placed(real: pl.DataFrame, made: pl.DataFrame) -> tuple[Floats, Floats]:
    """Rows as points whose squared distance counts 1 for each category that differs.

    A number is its position among the real values, from 0 to 1, so that two numbers count the
    square of the share of rows between them; a missing one differs from all others.
    """
    left, right = [], []
    for name in real.columns:
        one, two = ranked(real[name], made[name])
        if is_ordered(real[name]):
            position = np.searchsorted(np.sort(one), np.concatenate([one, two]), "left") / len(one)
            points = np.stack([position, np.concatenate([one, two]) == 0], axis=1).astype(float)
        else:
            points = np.eye(max(one.max(), two.max()) + 1)[np.concatenate([one, two])] / np.sqrt(2)
        left.append(points[: len(one)])
        right.append(points[len(one) :])
    return np.concatenate(left, axis=1), np.concatenate(right, axis=1)


def nearest_distances(points: Floats, others: Floats) -> Floats:
    """The squared distance of each point to the nearest of others, shape (points,)."""
    length = (others**2).sum(axis=1)
    num_chunks = 1 + len(points) * len(others) // DISTANCES_AT_ONCE
    found = [
        (length - 2 * chunk @ others.T).min(axis=1) + (chunk**2).sum(axis=1)
        for chunk in np.array_split(points, num_chunks)
    ]
    return np.concatenate(found)

"""What intervals of group measures and gaps cost: ours from counts, Fairlearn's own from rows.

    OMP_NUM_THREADS=1 python benchmarks/gap_intervals.py

One made table of 50,000 rows and 12 groups. Ours: a thousand resamples of all rows, for six rates
of each group and for every gap. Fairlearn's: `MetricFrame(n_boot=…)`, the same six rates, fewer
resamples (it loops over them), timed in the same run. Printed: both times, the ratio for each
resample, and how far the ends of the groups' intervals lie apart, beside what two bootstraps of
Fairlearn with different seeds differ by.
"""

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame
from numpy.typing import NDArray

from pipeline.assess.fairness import RATES
from pipeline.assess.group_rates import Binary
from pipeline.core.metrics.gaps import measured
from pipeline.core.metrics.measures import GAPS

CONFIDENCE = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--groups", type=int, default=12)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--fairlearn-replicates", type=int, default=50)
    given = parser.parse_args()
    found, groups = made(given.rows, given.groups)

    start = time.perf_counter()
    entries = ours(found, groups, given.replicates)
    ours_s = time.perf_counter() - start
    start = time.perf_counter()
    first = fairlearns(found, groups, given.fairlearn_replicates, seed=0)
    theirs_s = time.perf_counter() - start
    second = fairlearns(found, groups, given.fairlearn_replicates, seed=1)

    mine = np.array(
        [
            [[entry[rate]["bootstrap"][end] for rate in RATES] for entry in entries]
            for end in ("low", "high")
        ]
    )
    each = (theirs_s / given.fairlearn_replicates) / (ours_s / given.replicates)
    print(
        f"{given.rows:,} rows, {given.groups} groups\n"
        f"ours: {given.replicates} resamples, 6 rates by group and {len(GAPS)} gaps, with other "
        f"bounds: {ours_s:.2f} s\n"
        f"Fairlearn's: {given.fairlearn_replicates} resamples, 6 rates by group: {theirs_s:.2f} s\n"
        f"for each resample, Fairlearn's takes {each:,.0f} times as long\n"
        "ends of the groups' intervals, mean distance: ours to Fairlearn's "
        f"{distance(mine, first):.5f}; Fairlearn's to its own with another seed "
        f"{distance(second, first):.5f}"
    )


def made(num_rows: int, num_groups: int) -> tuple[Binary, NDArray[Any]]:
    """Rows of groups of different sizes and rates."""
    rng = np.random.default_rng(0)
    shares = np.arange(1, num_groups + 1) / np.arange(1, num_groups + 1).sum()
    which = rng.choice(num_groups, num_rows, p=shares)
    labels = (rng.random(num_rows) < 0.2 + 0.02 * which).astype(np.int64)
    probability = np.clip(rng.normal(0.35 + 0.25 * labels + 0.01 * which, 0.15), 0, 1)
    names = np.array([f"group {i:02d}" for i in range(num_groups)])[which]
    return Binary(labels, (probability > 0.5).astype(np.int64), probability), names


def ours(found: Binary, groups: NDArray[Any], num_replicates: int) -> list[dict[str, Any]]:
    """Every interval of the report of `assess`, from the rows on."""
    how: dict[str, Any] = {"confidence": CONFIDENCE, "num_replicates": num_replicates, "seed": 0}
    entries = found.entries(groups, **how)
    for measure in GAPS:
        measured(entries, measure, min_group_size=1, **how)
    return entries


def fairlearns(found: Binary, groups: NDArray[Any], num: int, seed: int) -> NDArray[Any]:
    """Ends of the intervals of each rate and group, shape (2, groups, rates)."""
    frame = MetricFrame(
        metrics=dict(RATES),
        y_true=pd.Series(found.labels),
        y_pred=pd.Series(found.decisions),
        sensitive_features=pd.Series(groups, name="group"),
        n_boot=num,
        ci_quantiles=[1 - CONFIDENCE, CONFIDENCE],
        random_state=seed,
    )
    return np.stack([end[list(RATES)].to_numpy(dtype=float) for end in frame.by_group_ci])


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one - other).mean())


if __name__ == "__main__":
    main()

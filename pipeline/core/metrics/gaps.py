"""Gaps between groups, from their counts: the value, its bounds, what the rows could have shown,
and how many people it concerns.

Numpy alone, so that the gate can work out a rule's own confidence and least group size from the
report of `assess`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.metrics.measures import CALIBRATION, COMPARED, MEANS, RATES
from pipeline.core.statistics.intervals import Floats, Interval, resampled_counts
from pipeline.core.statistics.largest_gap import (
    Means,
    Rates,
    detectable_gap,
    detectable_mean_gap,
    largest,
    max_gap,
    max_mean_gap,
)

CELLS = ("true_negative", "false_positive", "false_negative", "true_positive")
MOMENTS = {
    CALIBRATION: "residual",
    "mean_prediction": "prediction",
    "mean_residual": "residual",
    "mean_absolute_error": "absolute_error",
}
"""Of which quantity a measure is the mean; counts hold its sum and its squares."""


def measured(
    groups: Sequence[Mapping[str, Any]],
    measure: str,
    *,
    confidence: float,
    min_group_size: int,
    num_replicates: int,
    seed: int,
) -> dict[str, Any] | None:
    """The largest gap (or smallest ratio) between groups; None if fewer than two are large enough.

    Args:
        groups: Entries of `assess`'s report: `group`, `num_rows` and `counts`.
        measure: A name of `pipeline.core.metrics.measures.COMPARED`.
        confidence: Of each one-sided bound.
        min_group_size: A group with fewer rows takes no part, and is named under `too_small`.
        num_replicates: Bootstrap resamples.
        seed: Of the resampling.

    Returns:
        value, low, high: The gap with one-sided bounds.
        bootstrap: Both ends of the percentile bootstrap, as Fairlearn has it, to compare with. It
            carries the bias of a largest gap, so nothing is decided on it (decision 0003).
        noise_floor: The bound that these rows would give if all groups were alike: no stricter
            limit could be passed.
        detectable: The smallest true gap (largest ratio) between any two of these groups that
            these rows would show, in that its bound excludes "no gap", with a probability of 80 %.
        of, class: Which of the compared measures, of which class (multiclass), has the gap.
        highest, lowest: The groups between which it lies.
        unknown: Groups without a row that the rate could be taken of: they leave the gap open.
        too_small: The groups that were left out.
        harm: How many people it concerns, see `harm`; None where it is no gap between decisions.
    """
    large = [group for group in groups if group["num_rows"] >= min_group_size]
    if len(large) < 2:
        return None
    how = {"confidence": confidence, "num_replicates": num_replicates, "seed": seed}
    names = COMPARED[measure].of
    found = (
        _of_means(large, names[0], how) if names[0] in MOMENTS else _of_rates(large, measure, how)
    )
    small = [group["group"] for group in groups if group["num_rows"] < min_group_size]
    return {**found, "too_small": small}


@dataclass(frozen=True)
class Series:
    """One rate, of one class against the rest where there are several."""

    rate: str
    of_class: str | None


def _of_rates(large: list[Mapping[str, Any]], measure: str, how: dict[str, Any]) -> dict[str, Any]:
    ratio = COMPARED[measure].ratio
    classes = large[0]["counts"].get("classes")
    cells = confusions(large)
    series, rates = rates_of(cells, COMPARED[measure].of, classes)
    drawn = resampled_counts(cells.astype(np.int64), how["num_replicates"], how["seed"])
    _, resampled = rates_of(drawn, COMPARED[measure].of, classes)
    confidence = how["confidence"]
    bounds = max_gap(rates, confidence=confidence, ratio=ratio)
    floor = max_gap(rates.pooled(), confidence=confidence, ratio=ratio)
    detectable = detectable_gap(rates, confidence=confidence, ratio=ratio)
    which, low, high = _worst_pair(rates, ratio)
    percentiles = np.quantile(largest(resampled, ratio), [1 - confidence, confidence])
    found = {
        **bounds.as_dict(),
        "bootstrap": dict(zip(("low", "high"), percentiles.round(6).tolist(), strict=True)),
        "noise_floor": round(floor.low if ratio else floor.high, 6),
        "detectable": None if detectable is None else round(detectable, 6),
        "of": series[which].rate,
        "highest": large[high]["group"],
        "lowest": large[low]["group"],
        "unknown": [
            group["group"]
            for group, total in zip(large, rates.totals.min(axis=0), strict=True)
            if total == 0
        ],
        "harm": harm(series[which].rate, rates, which, low, high, large),
    }
    return found if classes is None else {**found, "class": series[which].of_class}


def confusions(groups: Sequence[Mapping[str, Any]]) -> Floats:
    """How often each class (first) was decided as each class (second), shape (groups, k, k)."""
    counts = [group["counts"] for group in groups]
    if "confusion" in counts[0]:
        return np.array([one["confusion"] for one in counts], dtype=float)
    return np.array([[one[cell] for cell in CELLS] for one in counts], dtype=float).reshape(
        -1, 2, 2
    )


def rates_of(
    cells: Floats, names: Sequence[str], classes: Sequence[str] | None
) -> tuple[list[Series], Rates]:
    """Numerators and denominators of rates, each of shape (..., series, groups).

    Args:
        cells: From `confusions`, shape (..., groups, k, k).
        names: Of rates.
        classes: Their names; each is taken against the rest. None: two, of which the second is
            the positive one. Accuracy is of all classes together.
    """
    series, hits, totals = [], [], []
    num_rows = cells.sum(axis=(-2, -1))
    for name in names:
        if name == "accuracy":
            series.append(Series(name, None))
            hits.append(np.trace(cells, axis1=-2, axis2=-1))
            totals.append(num_rows)
            continue
        for index in range(len(classes)) if classes else (1,):
            true_positive = cells[..., index, index]
            positive, selected = cells[..., index, :].sum(-1), cells[..., index].sum(-1)
            parts = {
                "selection_rate": (selected, num_rows),
                "true_positive_rate": (true_positive, positive),
                "false_positive_rate": (selected - true_positive, num_rows - positive),
                "false_negative_rate": (positive - true_positive, positive),
                "precision": (true_positive, selected),
            }
            series.append(Series(name, classes[index] if classes else None))
            hits.append(parts[name][0])
            totals.append(parts[name][1])
    return series, Rates(np.stack(hits, axis=-2), np.stack(totals, axis=-2))


def _worst_pair(rates: Rates, ratio: bool) -> tuple[int, int, int]:
    """The series with the worst gap, and its groups with the lowest and with the highest rate."""
    known = rates.totals > 0
    shares = rates.successes / np.maximum(rates.totals, 1)
    low = np.where(known, shares, np.inf).min(axis=1)
    high = np.where(known, shares, -np.inf).max(axis=1)
    alike = np.divide(low, high, out=np.ones_like(low), where=high > 0)
    gap = np.where(known.any(axis=1), 1 - alike if ratio else high - low, -np.inf)
    which = int(gap.argmax())
    return (
        which,
        int(np.where(known, shares, np.inf)[which].argmin()),
        int(np.where(known, shares, -np.inf)[which].argmax()),
    )


def harm(
    rate: str, rates: Rates, which: int, low: int, high: int, groups: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """How many people the gap between two groups concerns.

    Of the group that is worse off (with the lower selection rate, true positive rate, precision or
    accuracy; with the higher false positive or false negative rate) so many would be decided
    otherwise if it had the other group's rate: |gap| times those of it whom the rate is taken of
    (all; those with the outcome; those without it; those selected).

    Returns:
        group, reference: Who is worse off, and compared with whom.
        num_people: How many of the group in the test rows.
        out_of: Of how many.
        per_10000: How many for each 10,000 decisions about people of all compared groups.
    """
    group, reference = (low, high) if RATES[rate] else (high, low)
    shares = rates.successes[which] / np.maximum(rates.totals[which], 1)
    concerned = float(abs(shares[high] - shares[low]) * rates.totals[which, group])
    everybody = sum(entry["num_rows"] for entry in groups)
    return {
        "group": groups[group]["group"],
        "reference": groups[reference]["group"],
        "num_people": round(concerned, 1),
        "out_of": int(rates.totals[which, group]),
        "per_10000": round(10_000 * concerned / everybody, 1),
    }


def moments(groups: Sequence[Mapping[str, Any]], name: str) -> Means:
    """Number, sum and squared distances of what a measure is the mean of; shapes (groups,)."""
    quantity = MOMENTS[name]
    return Means(
        np.array([group["num_rows"] for group in groups], dtype=float),
        np.array([group["counts"][f"{quantity}_sum"] for group in groups], dtype=float),
        np.array([group["counts"][f"{quantity}_squares"] for group in groups], dtype=float),
    )


def _of_means(large: list[Mapping[str, Any]], name: str, how: dict[str, Any]) -> dict[str, Any]:
    means = moments(large, name)
    confidence = how["confidence"]
    bounds = max_mean_gap(means, confidence=confidence)
    alike = max_mean_gap(means, confidence=confidence, alike=True)
    low, high = int(means.values.argmin()), int(means.values.argmax())
    return {
        **bounds.as_dict(),
        "noise_floor": round(alike.high, 6),
        "detectable": round(detectable_mean_gap(means, confidence=confidence), 6),
        "of": name,
        "highest": large[high]["group"],
        "lowest": large[low]["group"],
        "harm": amount(name, large, low, high, bounds) if name in MEANS else None,
    }


def amount(
    name: str, groups: Sequence[Mapping[str, Any]], low: int, high: int, gap: Interval
) -> dict[str, Any]:
    """The same for a number that is predicted: how much for each person of the lower group (of the
    group with the larger error), `per_person`; all of its rows are concerned."""
    group, reference = (high, low) if name == "mean_absolute_error" else (low, high)
    return {
        "group": groups[group]["group"],
        "reference": groups[reference]["group"],
        "num_people": groups[group]["num_rows"],
        "out_of": groups[group]["num_rows"],
        "per_person": round(gap.value, 6),
    }

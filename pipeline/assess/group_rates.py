"""What is counted in each group of people, and its measures with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.metrics.gaps import CELLS, confusions, moments, rates_of
from pipeline.core.metrics.measures import CALIBRATION, MEANS, RATES
from pipeline.core.statistics.intervals import Floats, resampled_counts
from pipeline.core.statistics.largest_gap import exact_limits, mean_bounds

Values = NDArray[Any]
Entry = dict[str, Any]
Spans = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Binary:
    """Decisions for or against, each attribute of shape (rows,).

    Attributes:
        labels: 0 or 1.
        decisions: 0 or 1.
        probability: Of 1.
    """

    labels: NDArray[np.int64]
    decisions: NDArray[np.int64]
    probability: Floats

    def only(self, rows: NDArray[np.bool_]) -> "Binary":
        return Binary(self.labels[rows], self.decisions[rows], self.probability[rows])

    def entries(
        self, groups: Values, *, confidence: float, num_replicates: int, seed: int
    ) -> list[Entry]:
        """One for each group: its name, size, counts, and measures with intervals."""
        counted = count_decisions(self.labels, self.decisions, groups, (0, 1))
        residual = sums(self.probability - self.labels, groups, "residual")
        entries: list[Entry] = [
            {
                "group": name,
                "num_rows": int(cells.sum()),
                "counts": dict(zip(CELLS, cells.ravel().tolist(), strict=True)) | residual[name],
            }
            for name, cells in counted.items()
        ]
        rates = rate_spans(entries, confidence, num_replicates, seed)
        calibration = mean_spans(entries, (CALIBRATION,), confidence)
        return [entry | rates[i][None] | calibration[i] for i, entry in enumerate(entries)]


@dataclass(frozen=True)
class Multiclass:
    """Decisions for one of several classes.

    Attributes:
        labels: Names of classes, shape (rows,).
        decisions: Names of classes, shape (rows,).
        classes: All of them, sorted.
    """

    labels: Values
    decisions: Values
    classes: Values

    def only(self, rows: NDArray[np.bool_]) -> "Multiclass":
        return Multiclass(self.labels[rows], self.decisions[rows], self.classes)

    def entries(
        self, groups: Values, *, confidence: float, num_replicates: int, seed: int
    ) -> list[Entry]:
        """One for each group: its name, size, counts, accuracy, and under `classes` the rates of
        each class against the rest."""
        counted = count_decisions(self.labels, self.decisions, groups, self.classes)
        classes = self.classes.tolist()
        entries: list[Entry] = [
            {
                "group": name,
                "num_rows": int(cells.sum()),
                "counts": {"classes": classes, "confusion": cells.tolist()},
            }
            for name, cells in counted.items()
        ]
        rates = rate_spans(entries, confidence, num_replicates, seed)
        return [
            entry | rates[i][None] | {"classes": {name: rates[i][name] for name in classes}}
            for i, entry in enumerate(entries)
        ]


@dataclass(frozen=True)
class Regression:
    """Predictions of a number.

    Attributes:
        labels: What is true, shape (rows,).
        predicted: Shape (rows,).
    """

    labels: Floats
    predicted: Floats

    def only(self, rows: NDArray[np.bool_]) -> "Regression":
        return Regression(self.labels[rows], self.predicted[rows])

    def entries(self, groups: Values, *, confidence: float, **_: int) -> list[Entry]:
        """One for each group: its name, size, counts (sums), and means with intervals."""
        residual = self.predicted - self.labels
        parts = [
            sums(self.predicted, groups, "prediction"),
            sums(residual, groups, "residual"),
            sums(np.abs(residual), groups, "absolute_error"),
        ]
        names, sizes = np.unique(groups, return_counts=True)
        entries: list[Entry] = [
            {
                "group": str(name),
                "num_rows": int(size),
                "counts": {key: x for part in parts for key, x in part[str(name)].items()},
            }
            for name, size in zip(names, sizes, strict=True)
        ]
        means = mean_spans(entries, MEANS, confidence)
        return [entry | means[i] for i, entry in enumerate(entries)]


Predicted = Binary | Multiclass | Regression


def count_decisions(
    labels: Values, decisions: Values, groups: Values, classes: Sequence[Any] | Values | Values
) -> dict[str, NDArray[np.int64]]:
    """How often each class (first) was decided as each class (second): by group, shape (k, k).

    Args:
        labels: Classes, shape (rows,).
        decisions: Classes, shape (rows,).
        groups: Names, shape (rows,).
        classes: All k of them, sorted.
    """
    names, which = np.unique(groups, return_inverse=True)
    k = len(classes)
    label, decision = np.searchsorted(classes, labels), np.searchsorted(classes, decisions)
    flat = np.bincount((which * k + label) * k + decision, minlength=len(names) * k * k)
    return dict(zip(names.tolist(), flat.reshape(-1, k, k), strict=True))


def sums(values: Floats, groups: Values, quantity: str) -> dict[str, dict[str, float]]:
    """Sum of a quantity by group, and sum of squared distances from the group's own mean (which
    loses no digits where the mean is large), as counts hold them."""
    names, which = np.unique(groups, return_inverse=True)
    total = np.bincount(which, values)
    means = total / np.bincount(which)
    squares = np.bincount(which, (values - means[which]) ** 2)
    return {
        str(name): {f"{quantity}_sum": float(one), f"{quantity}_squares": float(two)}
        for name, one, two in zip(names, total, squares, strict=True)
    }


def rate_spans(
    entries: Sequence[Mapping[str, Any]], confidence: float, num_replicates: int, seed: int
) -> list[dict[str | None, Spans]]:
    """Each group's rates with intervals, by class (None: what is of no class alone).

    `low` and `high` are exact, each one-sided at `confidence`: they hold for few rows and for rates
    near 0 and 1, where the percentile bootstrap, under `bootstrap`, does not (of 0 in 30 it makes
    0 to 0). A rate of nobody is None between 0 and 1.

    Args:
        entries: With `counts`.
        confidence: Of each bound.
        num_replicates: Bootstrap resamples of all rows.
        seed: Of the resampling.
    """
    cells = confusions(entries)
    classes = entries[0]["counts"].get("classes")
    series, found = rates_of(cells, tuple(RATES), classes)
    _, drawn = rates_of(
        resampled_counts(cells.astype(np.int64), num_replicates, seed), tuple(RATES), classes
    )
    shares = np.where(drawn.totals > 0, drawn.shares, np.nan)
    ends = _quantiles(shares, confidence)
    low, high = exact_limits(found, 1 - confidence)
    result: list[dict[str | None, Spans]] = [{} for _ in entries]
    for i, one in enumerate(series):
        for g, spans in enumerate(result):
            known = found.totals[i, g] > 0
            spans.setdefault(one.of_class, {})[one.rate] = {
                "value": round(float(found.shares[i, g]), 6) if known else None,
                "low": round(float(low[i, g]), 6),
                "high": round(float(high[i, g]), 6),
                "bootstrap": _ends(ends[:, i, g]) if known else None,
            }
    return result


def _quantiles(drawn: Floats, confidence: float) -> Floats:
    """Both ends, shape (2, ...); resamples without a row of a group say nothing."""
    with np.errstate(invalid="ignore"):
        missing = np.isnan(drawn)
        if not missing.any():
            found: Floats = np.quantile(drawn, [1 - confidence, confidence], axis=0)
            return found
        filled = np.where(missing.all(axis=0), 0.0, drawn)
        return np.nanquantile(filled, [1 - confidence, confidence], axis=0)


def _ends(pair: Floats) -> dict[str, float]:
    return {"low": round(float(pair[0]), 6), "high": round(float(pair[1]), 6)}


def mean_spans(
    entries: Sequence[Mapping[str, Any]], names: Sequence[str], confidence: float
) -> list[Spans]:
    """Each group's means with Student's intervals, each bound one-sided at `confidence`."""
    result: list[Spans] = [{} for _ in entries]
    for name in names:
        found = moments(entries, name)
        low, high = mean_bounds(found, confidence)
        for g, spans in enumerate(result):
            spans[name] = {
                "value": round(float(found.values[g]), 6),
                "low": round(float(low[g]), 6),
                "high": round(float(high[g]), 6),
            }
    return result

"""What mitigation during training brings together: rates of groups, and by how much they differ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ProjectError

if TYPE_CHECKING:
    from pipeline.train.loop.batches import Part

JOINED = "(groups with few rows)"
LABELS_OF = {
    "equalized_odds": (0, 1),
    "true_positive_rate_parity": (1,),
    "false_positive_rate_parity": (0,),
}
"""The labels within which a constraint compares decisions; demographic parity heeds none."""


@dataclass(frozen=True)
class Groups:
    """Each row's group by the columns together, as text, in two parts; shape (rows,)."""

    train: NDArray[Any]
    validation: NDArray[Any]

    @staticmethod
    def joined(train: NDArray[Any], validation: NDArray[Any], min_rows: int) -> "Groups":
        """Those with too few training rows become one group.

        Raises:
            ProjectError: fewer than two are left.
        """
        names, counts = np.unique(train, return_counts=True)
        large = names[counts >= min_rows]
        found = Groups(
            np.where(np.isin(train, large), train, JOINED),
            np.where(np.isin(validation, large), validation, JOINED),
        )
        num_groups = len(set(found.train))
        if num_groups < 2:
            raise ProjectError(
                f"train.mitigation: expected two groups or more, found {num_groups}",
                hint="name other columns under `train.mitigation.columns`, or lower "
                "`train.mitigation.min_group_rows`",
            )
        return found

    def sizes(self) -> list[dict[str, Any]]:
        """The training rows of each group, for the report."""
        names, counts = np.unique(self.train, return_counts=True)
        return [
            {"group": str(name), "num_rows": int(count)}
            for name, count in zip(names, counts, strict=True)
        ]


def equally_weighted(rows: "Part", method: str) -> None:
    """Refuse rows that `balance` weighted: Fairlearn's learners weigh by themselves, or not at all.

    Raises:
        ProjectError: the weights differ.
    """
    if not bool((rows.weights == rows.weights[0]).all()):
        raise ProjectError(
            f"train.mitigation.method: expected rows of equal weight from `balance` for {method}, "
            "found others",
            hint="set `balance.method` to none or resample, or this method to penalty",
        )


def measured(
    rows: "Part", groups: NDArray[Any], constraint: str, decisions: Any
) -> dict[str, float]:
    """The error of decisions, and the largest difference that the constraint bounds.

    Args:
        rows: Their labels are 0 or 1.
        groups: Of the rows, shape (rows,).
        constraint: See `Mitigation`.
        decisions: 0 or 1, or the probability of drawing 1, shape (rows,).
    """
    labels = rows.labels.cpu().numpy()
    decided = np.asarray(decisions, dtype=np.float64)
    return {
        "error": round(float(np.abs(labels - decided).mean()), 6),
        "largest_difference_from_all": round(
            largest_difference(labels, groups, constraint, decided), 6
        ),
    }


def cost(rows: "Part", decisions: Any, found: dict[str, float], weight: float) -> float:
    """What one of several networks is chosen by: (1 - weight) · error + weight · difference.

    Deciding all rows alike has no difference. So one that decides less than half as many rows
    positive as have the outcome, or negative as have not, costs 1 more.
    """
    labels, decided = rows.labels.cpu().numpy().mean(), float(np.mean(decisions))
    is_one_sided = decided < labels / 2 or 1 - decided < (1 - labels) / 2
    sum_of_both = (1 - weight) * found["error"] + weight * found["largest_difference_from_all"]
    return float(sum_of_both + is_one_sided)


def largest_difference(
    labels: NDArray[Any], groups: NDArray[Any], constraint: str, decisions: NDArray[np.float64]
) -> float:
    """The largest difference of a group's rate from that of all rows, as Fairlearn bounds it."""
    within = [labels == label for label in LABELS_OF.get(constraint, ())]
    found = [0.0]
    for rows in within or [np.ones(len(labels), dtype=bool)]:
        for group in np.unique(groups[rows]):
            of_group = decisions[rows & (groups == group)].mean()
            found.append(abs(float(of_group - decisions[rows].mean())))
    return max(found)

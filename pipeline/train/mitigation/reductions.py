"""Fairlearn's reductions over our network: the constraint becomes labels and weights of rows.

A. Agarwal et al., A reductions approach to fair classification, ICML 2018. Each step fits the
network to rows that are relabelled and weighted by the constraint's multipliers. The result of
`exponentiated_gradient` is a mixture of networks, one of which would be drawn at random for each
decision. What is served draws nothing: its probability is the weighted mean of the members'
(docs/decisions/0015-reductions.md tells what that changes). Sensitive columns are used here, while
training, and nowhere in the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ExponentiatedGradient,
    FalsePositiveRateParity,
    GridSearch,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.core.errors import ProjectError
from pipeline.train.budget.budget import STOPPED
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.constraints import LABELS_OF, Groups, cost, equally_weighted, measured
from pipeline.train.loop.learner import Bits, Curve, Learner, Member, logits_of
from pipeline.train.loop.penalty import Reduction
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Progress, Trained
from pipeline.train.loop.steps import Augment
from pipeline.train.loop.training import Watch, append, fit
from pipeline.train.mitigation.mixture import Mixture, mixture_of, trained

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

CONSTRAINTS: dict[str, Any] = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
    "false_positive_rate_parity": FalsePositiveRateParity,
}


class Estimator:
    """The learner as Fairlearn wants it: rows are named by their index, predictions are 0 or 1."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.member: Member | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Estimator":
        return Estimator(self.learner)  # Fairlearn copies for every fit; rows and budget are shared

    def fit(self, X: NDArray[np.int64], y: Any, sample_weight: Any) -> "Estimator":  # noqa: N803, ARG002
        """Fit to all training rows with these labels and weights."""
        labels = np.asarray(y).astype(np.int8)
        self.member = self.learner.fitted(labels, np.asarray(sample_weight, dtype=np.float64))
        return self

    def predict(self, X: NDArray[np.int64]) -> Bits:  # noqa: N803
        """Decisions at probability 0.5, shape (rows,)."""
        assert self.member is not None  # noqa: S101 -- narrows the type: Fairlearn fits first
        return self.member.decisions[X[:, 0]]


def reduce(
    network: "nn.Module",
    train: Part,
    validation: Part,
    groups: "list[pl.Series]",
    settings: LoopSettings,
    checkpoint: Checkpoint,
    curve_file: Path,
    augment: Augment | None = None,
    watch: Watch | None = None,
) -> Trained:
    """Train with the reduction that the settings name; `groups` are each row's, of both parts.

    A budget that is reached ends the search between two members, not before the first one: the
    mixture, or the best point of the grid, is then of those that there are.

    Raises:
        ProjectError: rows are weighted already, or there are fewer than two groups.
    """
    chosen = settings.mitigation.reduction
    named = Groups.joined(
        groups[0].to_numpy(), groups[1].to_numpy(), settings.mitigation.min_group_rows
    )
    equally_weighted(train, settings.mitigation.method)
    if settings.mitigation.method == "grid_search":
        check_grid(named, settings.mitigation.constraint, chosen.max_members)
    begun = Checkpoint(checkpoint.folder / "start")
    start, progress = fit(
        network, train, validation, settings, begun, curve_file, augment=augment, watch=watch
    )

    def spent() -> bool:
        if watch and (reason := watch(progress)):
            progress.stopped = reason
        return progress.stopped == STOPPED

    with _telling(progress, curve_file, chosen.max_members) as tell:
        learner = Learner(
            network,
            start,
            train,
            validation,
            settings,
            chosen.epochs,
            chosen.max_members,
            Checkpoint(checkpoint.folder / "members"),
            tell,
            augment,
            spent,
        )
        with threadpool_limits(settings.num_threads):
            search = SEARCHES[settings.mitigation.method]
            found = search(learner, named, settings, chosen)
    progress.passes_here += learner.passes_here
    return trained(found, learner, named, settings.mitigation, progress)


@contextmanager
def _telling(progress: Progress, curve_file: Path, total: int) -> Iterator[Callable[[Curve], None]]:
    """Yield a function that adds a member's passes to the curve and moves the progress bar."""
    from pipeline.core.run import progress as bars

    with bars.members(total) as advance:

        def tell(curve: Curve) -> None:
            for point in curve:
                progress.curve.append({**point, "epoch": len(progress.curve) + 1})
                append(curve_file, progress.curve[-1])
            advance(curve[-1])

        yield tell


def _exponentiated_gradient(
    learner: Learner, groups: Groups, settings: LoopSettings, chosen: Reduction
) -> Mixture:
    search = ExponentiatedGradient(
        Estimator(learner),
        constraints=_constraint(settings, chosen),
        eps=chosen.eps,
        max_iter=chosen.max_iter,
    )
    labels = learner.train.labels.cpu().numpy().astype(np.int8)
    search.fit(_index(len(labels)), labels, sensitive_features=groups.train)
    members = [getattr(one, "member", None) for one in search.predictors_]
    weights = search.weights_.reindex(search.predictors_.index)
    return Mixture(
        *mixture_of(members, [float(weight) for weight in weights]),
        {
            "num_iterations": int(search.last_iter_) + 1,
            "best_gap": round(float(search.best_gap_), 6),
        },
    )


def _grid_search(
    learner: Learner, groups: Groups, settings: LoopSettings, chosen: Reduction
) -> Mixture:
    """One network for each point of a grid of multipliers; the best one on validation rows."""
    labels = learner.train.labels.cpu().numpy().astype(np.int8)
    constraint = settings.mitigation.constraint
    search = GridSearch(
        Estimator(learner),
        constraints=_constraint(settings, chosen),
        constraint_weight=chosen.constraint_weight,
        grid_size=chosen.max_members,
        grid_limit=chosen.grid_limit,
    )
    search.fit(_index(len(labels)), labels, sensitive_features=groups.train)
    points = []
    for estimator in search.predictors_:
        if member := getattr(estimator, "member", None):
            decided = logits_of(learner.network, member.weights, learner.validation) >= 0
            found = measured(learner.validation, groups.validation, constraint, decided)
            costs = cost(learner.validation, decided, found, chosen.constraint_weight)
            points.append((costs, member, found))
    _, best, _ = min(points, key=lambda point: point[0])
    return Mixture([best], [1.0], {"grid": [found for _, _, found in points]})


def check_grid(groups: Groups, constraint: str, size: int) -> None:
    """Refuse a grid that is too coarse to have a point on either side of each multiplier.

    Raises:
        ProjectError: there are fewer points than two to the number of multipliers.
    """
    num_groups = len(groups.sizes())
    num_multipliers = len(LABELS_OF.get(constraint, (0,))) * (num_groups - 1)
    if size < 2**num_multipliers:
        raise ProjectError(
            f"train.mitigation.method: grid_search has {num_multipliers} multipliers for "
            f"{num_groups} groups; expected {2**num_multipliers} members or more, "
            f"got {size}",
            hint="name fewer columns under `train.mitigation.columns`, raise "
            "`train.mitigation.reduction.max_members`, or take exponentiated_gradient",
        )


SEARCHES = {"exponentiated_gradient": _exponentiated_gradient, "grid_search": _grid_search}


def _constraint(settings: LoopSettings, chosen: Reduction) -> Any:
    constraint = CONSTRAINTS[settings.mitigation.constraint]
    return constraint(difference_bound=chosen.difference_bound)


def _index(num_rows: int) -> NDArray[np.int64]:
    """The rows as Fairlearn gets them: tensors stay where they are, so they are encoded once."""
    return np.arange(num_rows).reshape(-1, 1)

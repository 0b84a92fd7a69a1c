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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ExponentiatedGradient,
    FalsePositiveRateParity,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.core.checkpoint import Checkpoint
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.learner import Bits, Curve, Floats, Learner, Member, logits_of
from pipeline.core.mitigation import Reduction
from pipeline.core.training import LoopSettings, Part, Progress, Trained, append, fit

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

CONSTRAINTS: dict[str, Any] = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
    "false_positive_rate_parity": FalsePositiveRateParity,
}
JOINED = "(groups with few rows)"
LEAST_WEIGHT = 0.01
"""A member with less of the mixture moves no probability by more than this, and is left out."""


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
        if len(set(found.train)) < 2:
            raise ProjectError(
                f"train.mitigation: expected two groups or more, found {len(set(found.train))}",
                hint="name other columns under `train.mitigation.columns`, or lower "
                "`train.mitigation.reduction.min_group_rows`",
            )
        return found


def reduce(
    network: "nn.Module",
    train: Part,
    validation: Part,
    groups: "list[pl.Series]",
    settings: LoopSettings,
    checkpoint: Checkpoint,
    curve_file: Path,
) -> Trained:
    """Train with the reduction that the settings name; `groups` are each row's, of both parts.

    Raises:
        ProjectError: rows are weighted already, or there are fewer than two groups.
    """
    chosen = settings.mitigation.reduction
    named = Groups.joined(groups[0].to_numpy(), groups[1].to_numpy(), chosen.min_group_rows)
    if not bool((train.weights == train.weights[0]).all()):
        raise ProjectError(
            f"train.mitigation.method: {settings.mitigation.method} weighs the rows itself; "
            "expected rows of equal weight from `balance`",
            hint="set `balance.method` to none, or this method to penalty",
        )
    start, progress = fit(
        network, train, validation, settings, Checkpoint(checkpoint.folder / "start"), curve_file
    )
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
        )
        with threadpool_limits(settings.num_threads):
            found = _exponentiated_gradient(learner, named, settings, chosen)
    return _trained(found, learner, named, settings, chosen, progress)


@contextmanager
def _telling(progress: Progress, curve_file: Path, total: int) -> Iterator[Callable[[Curve], None]]:
    """Yield a function that adds a member's passes to the curve and moves the progress bar."""
    from pipeline.core import progress as bars

    with bars.members(total) as advance:

        def tell(curve: Curve) -> None:
            for point in curve:
                progress.curve.append({**point, "epoch": len(progress.curve) + 1})
                append(curve_file, progress.curve[-1])
            advance(curve[-1])

        yield tell


@dataclass(frozen=True)
class Mixture:
    """What a reduction found: members with their weights, and what it says of its search."""

    members: list[Member]
    weights: list[float]
    facts: dict[str, Any]


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


def mixture_of(
    members: list[Member | None], weights: list[float]
) -> tuple[list[Member], list[float]]:
    """Members that count, each once, and their weights, brought to the sum 1.

    Raises:
        PipelineError: one that counts decides all rows alike (Fairlearn makes it where every
            label of a reduction is the same), which is no network.
    """
    shares: dict[int, float] = {}
    known: dict[int, Member] = {}
    for member, weight in zip(members, weights, strict=True):
        if member is not None:
            known[member.number] = member
            shares[member.number] = shares.get(member.number, 0.0) + weight
        elif weight >= LEAST_WEIGHT:
            raise PipelineError(
                "train.mitigation: expected networks, found a member that decides all rows alike",
                hint="raise `train.mitigation.reduction.eps`",
            )
    kept = sorted(number for number, share in shares.items() if share >= LEAST_WEIGHT)
    total = sum(shares[number] for number in kept)
    return [known[number] for number in kept], [shares[number] / total for number in kept]


def _constraint(settings: LoopSettings, chosen: Reduction) -> Any:
    constraint = CONSTRAINTS[settings.mitigation.constraint]
    return constraint(difference_bound=chosen.difference_bound)


def _index(num_rows: int) -> NDArray[np.int64]:
    """The rows as Fairlearn gets them: tensors stay where they are, so they are encoded once."""
    return np.arange(num_rows).reshape(-1, 1)


def _trained(
    found: Mixture,
    learner: Learner,
    groups: Groups,
    settings: LoopSettings,
    chosen: Reduction,
    progress: Progress,
) -> Trained:
    """The model's weights, and what the report tells."""
    validation = learner.validation
    start = logits_of(learner.network, learner.start, validation)
    logits = np.stack(
        [logits_of(learner.network, member.weights, validation) for member in found.members]
    )
    mixture = np.array(found.weights)
    decisions = {
        "without_mitigation": start >= 0,
        "drawn_at_random": mixture @ (logits >= 0),
        "mean_probability": mixture @ _sigmoid(logits) >= 0.5,
    }
    measured = partial(
        _measured, validation.labels.cpu().numpy(), groups.validation, settings, chosen
    )
    names, counts = np.unique(groups.train, return_counts=True)
    facts = {
        "method": settings.mitigation.method,
        "constraint": settings.mitigation.constraint,
        "num_members_fitted": len(learner.members),
        "num_members": len(found.members),
        "mixture": found.weights,
        **found.facts,
        "groups": [
            {"group": str(name), "num_rows": int(count)}
            for name, count in zip(names, counts, strict=True)
        ],
        "validation": {
            name: measured(decided.astype(float)) for name, decided in decisions.items()
        },
    }
    if len(found.members) == 1:
        return Trained(found.members[0].weights, progress, facts=facts)
    weights = {
        f"members.{i}.{name}": value
        for i, member in enumerate(found.members)
        for name, value in member.weights.items()
    }
    return Trained(weights, progress, tuple(found.weights), facts)


def _measured(
    labels: Floats,
    groups: NDArray[np.str_],
    settings: LoopSettings,
    chosen: Reduction,
    decisions: Floats,
) -> dict[str, float]:
    """Error and largest violation of the constraint, of decisions at validation rows."""
    constraint = _constraint(settings, chosen)
    rows = _index(len(labels))
    constraint.load_data(rows, labels.astype(int), sensitive_features=groups)
    error = np.abs(labels - decisions).mean()
    return {
        "error": round(float(error), 6),
        "largest_difference_from_all": round(float(constraint.gamma(lambda _: decisions).max()), 6),
    }


def _sigmoid(logits: Floats) -> Floats:
    probability: Floats = 1 / (1 + np.exp(-logits))
    return probability

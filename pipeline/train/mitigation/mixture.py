"""What a reduction found, as a model: one network, or several whose probabilities are averaged."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.train.loop.constraints import Groups, measured
from pipeline.train.loop.learner import Floats, Learner, Member, logits_of
from pipeline.train.loop.penalty import Mitigation
from pipeline.train.loop.state import Progress, Trained

LEAST_WEIGHT = 0.01
"""A member with less of the mixture moves no probability by more than this, and is left out."""


@dataclass(frozen=True)
class Mixture:
    """Members with their weights, and what the reduction says of its search."""

    members: list[Member]
    weights: list[float]
    facts: dict[str, Any]


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


def trained(
    found: Mixture, learner: Learner, groups: Groups, mitigation: Mitigation, progress: Progress
) -> Trained:
    """The model's weights, and what the report tells: how its decisions differ from drawn ones."""
    validation = learner.validation
    start = logits_of(learner.network, learner.start, validation)
    logits = np.stack(
        [logits_of(learner.network, member.weights, validation) for member in found.members]
    )
    mixture = np.array(found.weights)
    decisions = {"without_mitigation": start >= 0, "model": mixture @ _sigmoid(logits) >= 0.5}
    if len(found.members) > 1:
        decisions["drawn_at_random"] = mixture @ (logits >= 0)
    facts = {
        "groups": groups.sizes(),
        "num_members_fitted": len(learner.members),
        "num_members": len(found.members),
        "mixture": found.weights,
        **found.facts,
        "validation": {
            name: measured(validation, groups.validation, mitigation.constraint, decided)
            for name, decided in decisions.items()
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


def _sigmoid(logits: Floats) -> Floats:
    probability: Floats = 1 / (1 + np.exp(-logits))
    return probability

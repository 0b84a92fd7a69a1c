"""Fairlearn's adversarial learner over our network: a second network guesses each row's group.

B. H. Zhang et al., Mitigating unwanted biases with adversarial learning, AIES 2018. The adversary
sees what the network says of a row (for equalized odds the label, too); the network is fitted to
the labels and against the adversary's success. Then the adversary is thrown away, and with it the
last use of sensitive columns. What of Fairlearn 0.15 had to be worked around stands in
docs/decisions/0024-adversarial-learner.md.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fairlearn.adversarial import AdversarialFairnessClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from pipeline.core.run.progress import epochs
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.constraints import Groups, cost, equally_weighted, measured
from pipeline.train.loop.learner import logits_of
from pipeline.train.loop.objective import evaluate
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Progress, Trained, load_optimizer, optimizer_state, under
from pipeline.train.loop.steps import Augment
from pipeline.train.loop.training import Watch, append, fit

if TYPE_CHECKING:
    import polars as pl


class FlatNetwork(nn.Module):
    """A network as Fairlearn wants it: one matrix of floats in, probabilities (rows, 1) out.

    Its weights are one vector: Fairlearn's projection of one gradient on the other multiplies
    matrices where a dot product is meant, which for a vector is the same.
    """

    def __init__(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.kinds = [one.dtype for one in inputs]
        self.widths = [one.shape[1] for one in inputs]
        self.shapes = {name: value.shape for name, value in network.named_parameters()}
        self.inner = [network]  # in a list: its own parameters are none of ours
        vector = torch.cat([value.detach().flatten() for value in network.parameters()])
        self.vector = nn.Parameter(vector)

    def forward(self, rows: Tensor) -> Tensor:
        columns = torch.split(rows, self.widths, dim=1)
        inputs = tuple(one.to(kind) for one, kind in zip(columns, self.kinds, strict=True))
        network = self.inner[0].train(self.training)
        logits: Tensor = torch.func.functional_call(network, self.weights(), inputs)
        return logits.sigmoid().unsqueeze(1)

    def weights(self) -> dict[str, Tensor]:
        """The vector as the network's parameters."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), torch.split(self.vector, sizes), strict=True)
        return {name: values.view(shape) for (name, shape), values in parts}


class _Seed(np.random.RandomState):
    """Hands Fairlearn our seed where it draws from 0 to 1, and would seed torch with 0 always."""

    value = 0

    def random(self, size: Any = None) -> Any:  # noqa: ARG002 -- its signature
        return self.value


class Contest:
    """The network, its adversary, and where they stand.

    Args:
        network: With the weights to start from.
        train: The training rows.
        groups: Of the training rows, shape (rows,).
        settings: Of the loop; the adversary's are in its mitigation.
    """

    def __init__(
        self, network: nn.Module, train: Part, groups: Any, settings: LoopSettings
    ) -> None:
        chosen, constraint = settings.mitigation.adversary, settings.mitigation.constraint
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.device = device
        self.settings, self.groups, self.seed = settings, groups, _Seed(0)
        self.rows = torch.cat([one.float() for one in train.inputs], dim=1).cpu().numpy()
        self.labels = train.labels.cpu().numpy().astype(int)
        self.network = FlatNetwork(network.to(device), train.inputs).to(device)
        num_groups = len(np.unique(groups))
        self._seed_torch(0)
        self.adversary = _adversary(num_groups, chosen.hidden, constraint).to(device)
        self.optimizers = (
            torch.optim.AdamW(
                self.network.parameters(),
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
            ),
            torch.optim.AdamW(self.adversary.parameters(), lr=chosen.learning_rate),
        )
        self.learner = AdversarialFairnessClassifier(
            backend="torch",
            predictor_model=self.network,
            adversary_model=self.adversary,
            predictor_optimizer=self.optimizers[0],
            adversary_optimizer=self.optimizers[1],
            constraints=constraint,
            alpha=chosen.alpha,
            epochs=1,
            batch_size=settings.batch_size,
            cuda=str(device) if device.type == "cuda" else None,
            random_state=self.seed,
        )

    def _seed_torch(self, epoch: int) -> None:
        self.seed.value = self.settings.seed * 1_000_003 + epoch
        torch.manual_seed(self.seed.value)

    def epoch(self, number: int) -> None:
        """One pass over the rows in a new order, a function of the state before it and its number.

        The first call sets Fairlearn up, which seeds torch once more: with the same seed.
        """
        self._seed_torch(number)
        order = torch.randperm(len(self.labels), generator=self._generator()).numpy()
        self.learner.fit(
            self.rows[order], self.labels[order], sensitive_features=self.groups[order]
        )

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed.value)

    def weights(self) -> dict[str, Tensor]:
        """The network's, on the CPU."""
        return {
            name: value.detach().cpu().clone() for name, value in self.network.weights().items()
        }

    def state(self) -> dict[str, Tensor]:
        """Both networks and their optimizers."""
        found: dict[str, Tensor] = {"network": self.network.vector}
        found |= {f"adversary/{name}": one for name, one in self.adversary.state_dict().items()}
        for i, optimizer in enumerate(self.optimizers):
            moments = optimizer_state(optimizer)
            found |= {f"optimizer{i}/{name}": one for name, one in moments.items()}
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.network.load_state_dict({"vector": state["network"]})
        self.adversary.load_state_dict(under("adversary/", state))
        for i, optimizer in enumerate(self.optimizers):
            load_optimizer(optimizer, under(f"optimizer{i}/", state))


def oppose(
    network: nn.Module,
    train: Part,
    validation: Part,
    groups: "list[pl.Series]",
    settings: LoopSettings,
    checkpoint: Checkpoint,
    curve_file: Path,
    augment: Augment | None = None,
    watch: Watch | None = None,
) -> Trained:
    """Train as without mitigation, then against an adversary; `groups` are those of both parts.

    The epoch is kept that is best on validation rows by error and largest difference. A budget that
    is reached ends the contest between two epochs, not before the first one.

    Raises:
        ProjectError: rows are weighted, or there are fewer than two groups.
    """
    mitigation, chosen = settings.mitigation, settings.mitigation.adversary
    equally_weighted(train, mitigation.method)
    named = Groups.joined(groups[0].to_numpy(), groups[1].to_numpy(), mitigation.min_group_rows)
    begun = Checkpoint(checkpoint.folder / "start")
    start, progress = fit(
        network, train, validation, settings, begun, curve_file, augment=augment, watch=watch
    )
    network.load_state_dict(start)
    contest = Contest(network, train, named.train, settings)
    judge = Judge(network, train.to(contest.device), validation.to(contest.device), named, settings)
    before, saved = judge.found(start)[0], Checkpoint(checkpoint.folder / "contest")
    kept = _contend(contest, judge, progress, saved, curve_file, watch)
    facts = {
        "groups": named.sizes(),
        "alpha": chosen.alpha,
        "num_epochs": len(kept.curve),
        "best_epoch": kept.epoch,
        "validation": {"without_mitigation": before, "model": kept.found},
    }
    return Trained(kept.weights, progress, facts=facts)


def _contend(
    contest: Contest,
    judge: "Judge",
    progress: Progress,
    saved: Checkpoint,
    curve_file: Path,
    watch: Watch | None,
) -> "Kept":
    """Make the epochs against the adversary that are not made yet; `progress` hears of each."""
    settings, kept = judge.settings, Kept()
    if state := saved.load():
        contest.restore(state[0])
        kept = Kept(under("best/", state[0]), **state[1])
    for point in kept.curve:
        _tell(progress, point, curve_file)
    num_epochs = settings.mitigation.adversary.epochs
    with epochs(num_epochs, len(kept.curve)) as advance:
        for epoch in range(len(kept.curve) + 1, num_epochs + 1):
            if kept.curve and watch and (reason := watch(progress)):
                progress.stopped = reason
                break
            with threadpool_limits(settings.num_threads):
                contest.epoch(epoch)
            weights = contest.weights()
            kept.judge(weights, *judge.found(weights), epoch)
            point = {"epoch": len(progress.curve) + 1, **judge.losses()}
            kept.curve.append(point)
            best = {f"best/{name}": value for name, value in kept.weights.items()}
            saved.save({**contest.state(), **best}, kept.plain())
            progress.passes_here += 1
            _tell(progress, point, curve_file)
            advance(point)
    return kept


@dataclass(frozen=True)
class Judge:
    """Measures a network's weights on rows that are on its device."""

    network: nn.Module
    train: Part
    validation: Part
    groups: Groups
    settings: LoopSettings

    def found(self, weights: dict[str, Tensor]) -> tuple[dict[str, float], float]:
        """Error and differences on validation rows, and what they cost together."""
        mitigation = self.settings.mitigation
        decided = logits_of(self.network, weights, self.validation) >= 0
        found = measured(self.validation, self.groups.validation, mitigation.constraint, decided)
        weight = mitigation.adversary.constraint_weight
        return found, cost(self.validation, decided, found, weight)

    def losses(self) -> dict[str, float]:
        """Of the weights that were judged last, for the curve."""
        mitigation = self.settings.mitigation
        return {
            "train_loss": evaluate(self.network, self.train, mitigation)["validation_loss"],
            **evaluate(self.network, self.validation, mitigation),
        }


@dataclass
class Kept:
    """The best epoch so far, and the curve of all."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    epoch: int = 0
    cost: float = float("inf")
    curve: list[dict[str, float]] = field(default_factory=list)

    def judge(
        self, weights: dict[str, Tensor], found: dict[str, float], costs: float, epoch: int
    ) -> None:
        """Keep these weights if they cost less than those before."""
        if costs < self.cost:
            self.weights, self.found, self.epoch, self.cost = weights, found, epoch, costs

    def plain(self) -> dict[str, Any]:
        """All but the weights."""
        return {name: value for name, value in vars(self).items() if name != "weights"}


def _adversary(num_groups: int, width: int, constraint: str) -> nn.Module:
    """From the probability, and for equalized odds the label, to the group.

    Fairlearn's loss wants the probability of one of two groups, and the logits of several.
    """
    incoming = 2 if constraint == "equalized_odds" else 1
    layers = [nn.Linear(incoming, width), nn.ReLU()]
    if num_groups == 2:
        return nn.Sequential(*layers, nn.Linear(width, 1), nn.Sigmoid())
    return nn.Sequential(*layers, nn.Linear(width, num_groups))


def _tell(progress: Progress, point: dict[str, float], curve_file: Path) -> None:
    progress.curve.append(point)
    append(curve_file, point)

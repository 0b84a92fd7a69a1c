"""The adversarial learner: one step by hand, the gap that closes, the same bytes, resuming."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import nn

from pipeline.core.errors import ProjectError
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Progress, Trained
from pipeline.train.mitigation import adversary
from pipeline.train.mitigation.adversary import Contest, FlatNetwork, oppose
from tests.unit.train.mitigation.test_reductions import (
    GROUPS,
    TRAIN,
    VALIDATION,
    Killed,
    network,
    same,
)

OPPONENT = {"epochs": 8, "alpha": 0.5, "hidden": 8, "learning_rate": 0.01}


def settings(**changes: Any) -> LoopSettings:
    mitigation = {
        "method": "adversarial",
        "min_group_rows": 20,
        "adversary": OPPONENT,
        **changes.pop("mitigation", {}),
    }
    return LoopSettings.model_validate(
        {
            "seed": 5,
            "max_epochs": 10,
            "batch_size": 32,
            "learning_rate": 0.02,
            "mitigation": mitigation,
            **changes,
        }
    )


def opposed(folder: Path, chosen: LoopSettings | None = None, **changes: Any) -> Trained:
    return oppose(
        **{
            "network": network(),
            "train": TRAIN,
            "validation": VALIDATION,
            "groups": GROUPS,
            "settings": chosen or settings(),
            "checkpoint": Checkpoint(folder / "checkpoint"),
            "curve_file": folder / "curves.jsonl",
            **changes,
        }
    )


def test_a_flat_network_says_the_same_and_splits_its_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.line = nn.Embedding(4, 2), nn.Linear(3, 1)

        def forward(self, numbers: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
            rows = torch.cat([numbers, self.table(levels[:, 0])], dim=1)
            return self.line(rows).squeeze(1)  # type: ignore[no-any-return]

    inner = Two()
    inputs = (torch.tensor([[0.5], [-1.0]]), torch.tensor([[3], [0]]))
    flat = FlatNetwork(inner, inputs)
    assert [tuple(one.shape) for one in flat.parameters()] == [(8 + 3 + 1,)]
    found = flat(torch.cat([one.float() for one in inputs], dim=1))
    torch.testing.assert_close(found[:, 0], inner(*inputs).sigmoid())
    assert same(flat.weights(), dict(inner.named_parameters()))


def test_one_step_follows_the_paper() -> None:
    """W moves by g - proj(g on h) - alpha · h: Zhang et al., equation 1, in all weights at once."""
    rows = TRAIN.take(slice(0, 32))
    chosen = settings(weight_decay=0.0)
    contest = Contest(network(), rows, GROUPS[0][:32].to_numpy(), chosen)
    contest.network.inner[0].layers[2].p = 0.0  # type: ignore[union-attr, index]
    before = contest.network.vector.detach().clone()
    opponent = [one.detach().clone() for one in contest.adversary.parameters()]

    vector = before.clone().requires_grad_()
    contest.network.vector.data = vector.data
    probability = contest.network(rows.inputs[0])
    female = (GROUPS[0][:32] == "m").cast(pl.Float32).to_torch().unsqueeze(1)
    loss = nn.functional.binary_cross_entropy(probability, rows.labels.unsqueeze(1))
    success = nn.functional.binary_cross_entropy(contest.adversary(probability), female)
    g, h = (
        torch.autograd.grad(one, contest.network.vector, retain_graph=True)[0]
        for one in (loss, success)
    )
    unit = h / h.norm()
    expected = g - (unit @ g) * unit - 0.5 * h
    contest.epoch(1)
    # The first step of AdamW: learning rate · g / (|g| + eps).
    step = -0.02 * expected / (expected.abs() + 1e-8)
    moved = contest.network.vector.detach() - before
    torch.testing.assert_close(moved, step, atol=2e-5, rtol=1e-3)
    assert any(
        not torch.equal(one, other)
        for one, other in zip(contest.adversary.parameters(), opponent, strict=True)
    )


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_the_gap_closes(tmp_path: Path, constraint: str) -> None:
    opponent = {**OPPONENT, "epochs": 25}
    mitigation = {"constraint": constraint, "adversary": opponent}
    facts = opposed(tmp_path, settings(mitigation=mitigation)).facts
    key = "largest_difference_from_all"
    before, after = (facts["validation"][name] for name in ("without_mitigation", "model"))
    assert after[key] < before[key] * 0.6
    assert after["error"] < 0.4
    assert (facts["num_epochs"], 1 <= facts["best_epoch"] <= 25) == (25, True)


def test_several_groups(tmp_path: Path) -> None:
    three = [pl.Series((["a", "b", "c"] * 200)[: len(one)]) for one in GROUPS]
    facts = opposed(tmp_path, groups=three).facts
    assert [one["group"] for one in facts["groups"]] == ["a", "b", "c"]


def test_the_kept_epoch_is_the_model(tmp_path: Path) -> None:
    trained = opposed(tmp_path)
    model = network()
    model.load_state_dict(trained.weights)
    with torch.no_grad():
        decided = (model.eval()(VALIDATION.inputs[0]) >= 0).float()
    wrong = (decided != VALIDATION.labels).float().mean().item()
    assert trained.facts["validation"]["model"]["error"] == pytest.approx(wrong, abs=1e-6)
    curve = trained.progress.curve
    assert [point["epoch"] for point in curve] == list(range(1, len(curve) + 1))
    assert len(curve) == trained.progress.epoch + 8
    assert all(point.keys() == curve[0].keys() for point in curve)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, other = opposed(tmp_path / "a"), opposed(tmp_path / "b")
    assert same(one.weights, other.weights)
    assert one.facts == other.facts
    assert not same(one.weights, opposed(tmp_path / "c", settings(seed=6)).weights)


def test_fairlearns_own_seed_follows_ours() -> None:
    """Were torch seeded with 0 at set-up, two seeds would drop the same activations."""
    states = []
    for seed in (1, 2):
        contest = Contest(network(), TRAIN, GROUPS[0].to_numpy(), settings(seed=seed))
        contest.epoch(1)
        states.append(torch.random.get_rng_state())
    assert not torch.equal(*states)


def kill_after(epoch: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oppose, and be killed when so many epochs are made."""
    real = Contest.epoch

    def dying(self: Contest, number: int) -> None:
        if number > epoch:
            raise Killed
        real(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(adversary.Contest, "epoch", dying)
        with pytest.raises(Killed):
            opposed(folder)


@pytest.mark.parametrize("epoch", [1, 5])
def test_one_that_was_killed_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    whole = opposed(tmp_path / "whole")
    kill_after(epoch, tmp_path / "killed", monkeypatch)
    again = opposed(tmp_path / "killed")
    assert same(whole.weights, again.weights)
    assert whole.facts == again.facts
    curves = [(tmp_path / name / "curves.jsonl").read_bytes() for name in ("whole", "killed")]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("num_epochs", [1, 3])
def test_one_whose_budget_is_used_up_keeps_its_best_epoch(tmp_path: Path, num_epochs: int) -> None:
    opponent = {**OPPONENT, "epochs": num_epochs}
    shorter = opposed(tmp_path / "shorter", settings(mitigation={"adversary": opponent}))

    def watch(progress: Progress) -> str | None:
        return "budget" if len(progress.curve) >= progress.epoch + num_epochs else None

    cut = opposed(tmp_path / "cut", watch=lambda p: watch(p) if p.epoch == 10 else None)
    assert cut.progress.stopped == "budget"
    assert same(cut.weights, shorter.weights)
    assert cut.facts == shorter.facts
    assert cut.facts["num_epochs"] == num_epochs


def test_a_budget_used_up_in_the_last_epoch_cuts_nothing_short(tmp_path: Path) -> None:
    def watch(progress: Progress) -> str | None:
        return (
            "budget" if len(progress.curve) >= progress.epoch + 8 and progress.step == 0 else None
        )

    trained = opposed(tmp_path, watch=lambda p: watch(p) if p.epoch == 10 else None)
    assert trained.progress.stopped == "max_epochs"
    assert trained.facts["num_epochs"] == 8


def test_passes_made_here_are_those_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten passes and eight against the adversary; of one that was killed, the rest of them."""
    assert opposed(tmp_path / "whole").progress.passes_here == pytest.approx(18)
    kill_after(5, tmp_path / "killed", monkeypatch)
    assert opposed(tmp_path / "killed").progress.passes_here == 3
    assert opposed(tmp_path / "killed").progress.passes_here == 0


def test_weighted_rows_are_refused(tmp_path: Path) -> None:
    heavy: Part = replace(TRAIN, weights=torch.linspace(0.5, 1.5, 400))
    with pytest.raises(ProjectError, match="expected rows of equal weight from `balance` for adv"):
        opposed(tmp_path, train=heavy)

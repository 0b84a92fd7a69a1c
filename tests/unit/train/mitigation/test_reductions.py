"""Reductions: the estimator against a plain loop, the gap that closes, resuming, refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from pipeline.core.errors import PipelineError, ProjectError
from pipeline.train.budget.budget import STOPPED
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.learner import Learner, Member
from pipeline.train.loop.penalty import Mitigation
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Progress, Trained
from pipeline.train.mitigation import reductions
from pipeline.train.mitigation.mixture import mixture_of
from pipeline.train.mitigation.reductions import Estimator

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # Fairlearn's own
REDUCTION = {"max_members": 8, "epochs": 2}
SETTINGS = LoopSettings.model_validate(
    {
        "seed": 5,
        "max_epochs": 10,
        "batch_size": 32,
        "learning_rate": 0.02,
        "mitigation": {
            "method": "exponentiated_gradient",
            "min_group_rows": 20,
            "reduction": REDUCTION,
        },
    }
)


class Killed(Exception):
    """Stands for the end of the process."""


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Dropout(0.1), nn.Linear(6, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layers(rows).squeeze(1)  # type: ignore[no-any-return]


def network() -> Network:
    torch.manual_seed(0)
    return Network()


def part(num: int, seed: int) -> Part:
    """The label depends on a number and on the group, which another number gives away."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(num, 3, generator=generator)
    member = (torch.rand(num, generator=generator) < 0.5).float()
    score = rows[:, 0] + 2 * member - 1
    labels = (score > 0.7 * torch.randn(num, generator=generator)).float()
    rows[:, 1] = member + 0.3 * rows[:, 1]
    return Part((rows,), labels, torch.ones(num), torch.stack([member, 1 - member], dim=1))


def groups_of(rows: Part) -> pl.Series:
    return pl.Series(["f" if one else "m" for one in rows.members[:, 0].bool().tolist()])


TRAIN, VALIDATION = part(400, 1), part(300, 2)
GROUPS = [groups_of(TRAIN), groups_of(VALIDATION)]


def reduced(folder: Path, settings: LoopSettings = SETTINGS, **changes: Any) -> Trained:
    return reductions.reduce(
        **{
            "network": network(),
            "train": TRAIN,
            "validation": VALIDATION,
            "groups": GROUPS,
            "settings": settings,
            "checkpoint": Checkpoint(folder / "checkpoint"),
            "curve_file": folder / "curves.jsonl",
            **changes,
        }
    )


def mitigated(**changes: Any) -> LoopSettings:
    given = {"method": "exponentiated_gradient", "min_group_rows": 20, **changes}
    given["reduction"] = {**REDUCTION, **changes.get("reduction", {})}
    return SETTINGS.model_copy(update={"mitigation": Mitigation.model_validate(given)})


def learner(folder: Path, max_members: int = 8, **changes: Any) -> Learner:
    start = {name: value.clone() for name, value in network().state_dict().items()}
    return Learner(
        **{
            "network": network(),
            "start": start,
            "train": TRAIN,
            "validation": VALIDATION,
            "settings": SETTINGS,
            "num_epochs": 2,
            "max_members": max_members,
            "checkpoint": Checkpoint(folder),
            "tell": lambda _: None,
            **changes,
        }
    )


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_the_estimator_equals_a_plain_weighted_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    labels, weights = rng.integers(0, 2, 400), rng.uniform(0, 4, 400)
    index = np.arange(400).reshape(-1, 1)
    found = Estimator(learner(tmp_path)).fit(index, labels, sample_weight=weights)

    plain = network()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.02, weight_decay=0.01)
    target = torch.tensor(labels).float()
    share = torch.tensor(weights / weights.mean()).float()
    for epoch in (1, 2):
        torch.manual_seed(5 * 1_000_003 + epoch)
        order = torch.randperm(400)
        for start in range(0, 400, 32):
            rows = order[start : start + 32]
            losses = nn.functional.binary_cross_entropy_with_logits(
                plain(TRAIN.inputs[0][rows]), target[rows], reduction="none"
            )
            optimizer.zero_grad()
            (share[rows] * losses).mean().backward()
            optimizer.step()
    assert found.member is not None
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(found.member.weights[name], value)
    with torch.no_grad():
        expected = plain.eval()(TRAIN.inputs[0]) >= 0
    rows = np.array([[7], [3], [399]])
    assert found.predict(rows).tolist() == expected[rows[:, 0]].int().tolist()


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_exponentiated_gradient_closes_the_gap(tmp_path: Path, constraint: str) -> None:
    facts = reduced(tmp_path, mitigated(constraint=constraint, reduction={"epochs": 8})).facts
    before, after = (
        facts["validation"][name]["largest_difference_from_all"]
        for name in ("without_mitigation", "model")
    )
    assert before > 0.15
    assert after < before / 2
    assert facts["validation"]["model"]["error"] < 0.45
    assert facts["num_members"] == len(facts["mixture"]) <= facts["num_members_fitted"] <= 8
    assert [group["group"] for group in facts["groups"]] == ["f", "m"]
    assert sum(group["num_rows"] for group in facts["groups"]) == 400


def test_grid_search_takes_the_best_network_on_validation_rows(tmp_path: Path) -> None:
    settings = mitigated(
        method="grid_search", reduction={"max_members": 7, "epochs": 8, "constraint_weight": 0.6}
    )
    trained = reduced(tmp_path, settings)
    facts = trained.facts
    assert len(facts["grid"]) == 7
    key = "largest_difference_from_all"
    costs = [0.4 * one["error"] + 0.6 * one[key] for one in facts["grid"]]
    assert facts["grid"][int(np.argmin(costs))] == facts["validation"]["model"]
    assert facts["validation"]["model"][key] < facts["validation"]["without_mitigation"][key] / 2
    assert (trained.mixture, facts["mixture"]) == ((), [1.0])
    model = network()
    model.load_state_dict(trained.weights)
    with torch.no_grad():
        decisions = (model.eval()(VALIDATION.inputs[0]) >= 0).float()
    wrong = (decisions != VALIDATION.labels).float().mean().item()
    assert facts["validation"]["model"]["error"] == pytest.approx(wrong, abs=1e-6)


@pytest.mark.parametrize(
    ("constraint", "least"), [("demographic_parity", 4), ("equalized_odds", 16)]
)
def test_a_grid_that_is_too_coarse_is_refused(tmp_path: Path, constraint: str, least: int) -> None:
    three = [pl.Series((["a", "b", "c"] * 200)[: len(one)]) for one in GROUPS]
    few = {"max_members": 3, "epochs": 1}
    settings = mitigated(method="grid_search", constraint=constraint, reduction=few)
    with pytest.raises(ProjectError, match=f"expected {least} members or more, got 3") as caught:
        reduced(tmp_path, settings, groups=three)
    assert "max_members" in caught.value.hint


def test_the_mixture_is_the_ensembles_weights(tmp_path: Path) -> None:
    trained = reduced(tmp_path, mitigated(reduction={"epochs": 8}))
    assert sum(trained.mixture) == pytest.approx(1)
    assert len(trained.mixture) >= 2
    names = [f"members.{i}.{name}" for i in range(len(trained.mixture)) for name in NAMES]
    assert sorted(trained.weights) == sorted(names)


NAMES = list(network().state_dict())


def test_curves_go_on_from_the_start(tmp_path: Path) -> None:
    trained = reduced(tmp_path)
    curve = trained.progress.curve
    assert [point["epoch"] for point in curve] == list(range(1, len(curve) + 1))
    assert len(curve) == trained.progress.epoch + 2 * trained.facts["num_members_fitted"]
    assert len((tmp_path / "curves.jsonl").read_text().splitlines()) == len(curve)
    assert all(point.keys() == curve[0].keys() for point in curve)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = reduced(tmp_path / "a"), reduced(tmp_path / "b")
    assert same(one.weights, other.weights)
    assert (one.mixture, one.facts) == (other.mixture, other.facts)
    seeded = reduced(tmp_path / "c", SETTINGS.model_copy(update={"seed": 6}))
    assert not same(one.weights, seeded.weights)


@pytest.mark.parametrize("number", [1, 4])
def test_one_that_was_killed_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    whole, real, fits = reduced(tmp_path / "whole"), Learner._fit, []

    def fit(self: Learner, *arguments: Any) -> Member:
        fits.append(1)
        if len(fits) > number:
            raise Killed
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "_fit", fit)
        with pytest.raises(Killed):
            reduced(tmp_path / "killed")
    kept = list((tmp_path / "killed/checkpoint/members").iterdir())
    assert len(kept) == number
    again = reduced(tmp_path / "killed")
    assert same(whole.weights, again.weights)
    assert (whole.mixture, whole.facts) == (again.mixture, again.facts)
    curves = [(tmp_path / name / "curves.jsonl").read_bytes() for name in ("whole", "killed")]
    assert curves[0] == curves[1]


def test_members_that_are_kept_are_taken_though_the_budget_is_used_up(tmp_path: Path) -> None:
    """Ten passes and two of each member, whose first four fit into the budget; then it is resumed,
    which makes no pass and ends with the same model."""

    def watch(progress: Progress) -> str | None:
        return STOPPED if len(progress.curve) >= 10 + 4 * 2 else None

    cut = reduced(tmp_path, watch=watch)
    assert (cut.progress.stopped, cut.facts["num_members_fitted"]) == (STOPPED, 4)
    assert cut.progress.passes_here == pytest.approx(18)
    again = reduced(tmp_path, watch=lambda _: STOPPED)
    assert same(cut.weights, again.weights)
    assert (cut.mixture, cut.facts) == (again.mixture, again.facts)
    assert again.progress.passes_here == 0


def test_a_member_that_is_kept_is_not_fitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, weights = np.tile([0, 1], 200).astype(np.int8), np.ones(400)
    first = learner(tmp_path).fitted(labels, weights)
    monkeypatch.setattr("pipeline.train.loop.learner.passes", None)
    second = learner(tmp_path)
    assert same(first.weights, second.fitted(labels, weights).weights)
    # Weights count as shares: the same problem.
    assert second.fitted(labels, 3 * weights).number == 0


def test_when_the_budget_is_spent_the_nearest_member_answers(tmp_path: Path) -> None:
    found = learner(tmp_path, max_members=2)
    ones, zeros = np.ones(400, np.int8), np.zeros(400, np.int8)
    found.members = {"a": Member(0, {}, ones), "b": Member(1, {}, zeros)}
    labels = np.repeat([1, 0], [300, 100]).astype(np.int8)
    assert found.fitted(labels, np.ones(400)).number == 0  # 100 wrong against 300
    assert found.fitted(labels, np.repeat([1.0, 4.0], [300, 100])).number == 1  # 400 against 300


def test_a_mixture_keeps_what_counts_once() -> None:
    one, two, three = (Member(i, {}, np.zeros(1, np.int8)) for i in range(3))
    members, weights = mixture_of([two, one, two, three, None], [0.3, 0.395, 0.3, 0.005, 0.0])
    assert [member.number for member in members] == [0, 1]
    assert weights == pytest.approx([0.395 / 0.995, 0.6 / 0.995])
    with pytest.raises(PipelineError, match="found a member that decides all rows alike") as caught:
        mixture_of([one, None], [0.5, 0.5])
    assert "train.mitigation.reduction.eps" in caught.value.hint


def test_one_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="expected two groups or more, found 1") as caught:
        reduced(tmp_path, mitigated(min_group_rows=300))
    assert "min_group_rows" in caught.value.hint


def test_weighted_rows_are_refused(tmp_path: Path) -> None:
    heavy = replace(TRAIN, weights=torch.linspace(0.5, 1.5, 400))
    with pytest.raises(ProjectError, match="expected rows of equal weight") as caught:
        reduced(tmp_path, train=heavy)
    assert "balance.method" in caught.value.hint

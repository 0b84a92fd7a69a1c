"""The steps of training against plain torch: sums, shortened gradients, schedules, shares."""

import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.core.errors import ProjectError
from pipeline.train.loop import batches
from pipeline.train.loop import steps as loop
from pipeline.train.loop.batches import Part, Share
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.objective import evaluate
from pipeline.train.loop.penalty import Mitigation
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.steps import Loop, schedule_factor
from pipeline.train.loop.training import fit
from tests.small_network import SETTINGS, TRAIN, VALIDATION, plain_network, same


def one_epoch(**changes: Any) -> dict[str, torch.Tensor]:
    made = Loop(plain_network(), TRAIN, SETTINGS.model_copy(update=changes))
    for _ in made.epoch(1):
        pass
    return dict(made.network.state_dict())


def plain_epoch(size: int, max_norm: float | None = None, **options: Any) -> dict[str, Any]:
    model = plain_network()
    kind = options.pop("kind", torch.optim.AdamW)
    optimizer = kind(model.parameters(), lr=0.02, weight_decay=options.pop("decay", 0.01))
    factors = options.pop("factors", [1.0] * 210)
    torch.manual_seed(5 * 1_000_003 + 1)
    order = torch.randperm(210)
    for number, start in enumerate(range(0, 210, size)):
        optimizer.param_groups[0]["lr"] = 0.02 * factors[number]
        rows = order[start : start + size]
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(TRAIN.inputs[0][rows]), TRAIN.labels[rows], TRAIN.weights[rows]
        )
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return model.state_dict()


def close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.allclose(one[name], other[name], rtol=1e-4, atol=1e-6) for name in other)


def test_accumulated_batches_are_one_large_one() -> None:
    # 210 = 2 * 96 + 18: the last step has one batch of 18
    assert close(one_epoch(batch_size=32, accumulate=3), plain_epoch(96))
    assert not close(one_epoch(batch_size=32), plain_epoch(96))


def test_gradients_are_shortened() -> None:
    assert close(
        one_epoch(max_gradient_norm=0.05, optimizer="adam"),
        plain_epoch(32, 0.05, kind=torch.optim.Adam),
    )


def test_adam_without_decay() -> None:
    expected = plain_epoch(32, kind=torch.optim.Adam, decay=0)
    assert close(one_epoch(optimizer="adam", weight_decay=0), expected)


def test_a_schedule_acts_in_each_step() -> None:
    # 6 epochs of 7 steps: 42, of which 21 warm up
    factors = [(number + 1) / 21 for number in range(7)]
    assert close(one_epoch(warmup_share=0.5), plain_epoch(32, factors=factors))


@pytest.mark.parametrize(
    ("schedule", "number", "expected"),
    [
        ("constant", 0, 0.1),  # of 100 steps, ten warm up
        ("constant", 9, 1.0),
        ("constant", 99, 1.0),
        ("linear", 10, 1.0),
        ("linear", 55, 0.5),
        ("linear", 130, 0.0),  # timed steps may go past the last
        ("cosine", 130, 0.0),
        ("cosine", 10, 1.0),
        ("cosine", 40, (1 + math.cos(math.pi / 3)) / 2),
        ("cosine", 55, 0.5),
    ],
)
def test_schedules(schedule: str, number: int, expected: float) -> None:
    settings = LoopSettings.model_validate({"schedule": schedule, "warmup_share": 0.1})
    assert schedule_factor(settings, number, 100) == pytest.approx(expected)


def test_frozen_parameters_are_left_alone(tmp_path: Path) -> None:
    model = plain_network()
    model.layers[0].requires_grad_(requires_grad=False)
    before = {name: one.clone() for name, one in model.state_dict().items()}
    made = Loop(model, TRAIN, SETTINGS)
    for _ in made.epoch(1):
        pass
    after = made.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"layers.3.weight", "layers.3.bias"}
    states = {name.split("/")[1] for name in made.state() if name.startswith("optimizer/")}
    assert states == {"0", "1"}
    weights, _ = fit(model, TRAIN, VALIDATION, SETTINGS, Checkpoint(tmp_path), tmp_path / "c.jsonl")
    assert torch.equal(weights["layers.0.weight"], before["layers.0.weight"])


def test_validation_in_chunks_is_validation_at_once() -> None:
    class InChunks(type(plain_network())):  # type: ignore[misc]
        rows_at_once = 7
        seen: list[int] = []  # noqa: RUF012

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            self.seen.append(len(rows))
            return super().forward(rows)  # type: ignore[no-any-return]

    model = plain_network()
    chunked = InChunks()
    chunked.layers = model.layers
    mitigation = Mitigation(strength=1.0)
    found = evaluate(chunked, VALIDATION, mitigation)
    assert found == pytest.approx(evaluate(model, VALIDATION, mitigation), abs=2e-6)
    assert chunked.seen == [7] * 14 + [2]


def test_bf16_is_the_arithmetic_and_not_the_weights() -> None:
    exact, coarse = one_epoch(), one_epoch(precision="bf16")
    assert {value.dtype for value in coarse.values()} == {torch.float32}
    assert not close(coarse, exact)
    assert all(torch.allclose(coarse[name], exact[name], atol=0.05) for name in exact)


def test_fabric_says_nothing_of_the_precision(caplog: pytest.LogCaptureFixture) -> None:
    fabric = logging.getLogger("lightning_fabric")
    fabric.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger=fabric.name):
            one_epoch(precision="bf16")
    finally:
        fabric.removeHandler(caplog.handler)
    assert "Precision" not in caplog.text


def test_blocks_do_not_change_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = one_epoch()
    monkeypatch.setattr(batches, "BLOCK_BYTES", 1)
    assert same(whole, one_epoch())


def test_a_fused_optimizer_on_pictures_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.randn(60, 2, 6, 6, generator=torch.Generator().manual_seed(3))
    labels = (pictures[:, 0, 2, 2] > 0).long()
    rows = Part((pictures,), labels, torch.ones(60), torch.zeros(60, 0), "multiclass")

    def model() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))

    monkeypatch.setattr(loop, "FUSED_FROM", 1)
    made = Loop(model(), rows, SETTINGS)
    for _ in made.epoch(1):
        pass
    plain = model()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.02, weight_decay=0.01)
    torch.manual_seed(5 * 1_000_003 + 1)
    order = torch.randperm(60)
    for chosen in (order[:32], order[32:]):
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain(pictures[chosen]), labels[chosen]).backward()
        optimizer.step()
    assert close(dict(made.network.state_dict()), plain.state_dict())


def batch_rows(share: Share, first: int = 0) -> list[list[tuple[list[float], float]]]:
    torch.manual_seed(4)
    steps = NUMBERS.steps(4, 2, first, share)
    return [
        [(one.rows.labels[: one.num_rows].tolist(), one.weight) for one in step.pieces]
        for step in steps
    ]


NUMBERS = Part((torch.zeros(17, 1),), torch.arange(17.0), torch.ones(17), torch.zeros(17, 0))


def test_the_shares_of_a_batch_are_the_batch() -> None:
    alone = batch_rows(Share())
    torch.manual_seed(4)
    order = [float(one) for one in torch.randperm(17)]
    assert [[rows for rows, _ in step] for step in alone] == [
        [order[:4], order[4:8]],
        [order[8:12], order[12:16]],
        [order[16:]],
    ]
    assert [[weight for _, weight in step] for step in alone] == [[0.5, 0.5], [0.5, 0.5], [1.0]]
    shared = [batch_rows(Share(rank, 3)) for rank in range(3)]
    for i, step in enumerate(alone):
        for k, (rows, weight) in enumerate(step):
            own = [shared[rank][i][k] for rank in range(3)]
            assert sum((one[0] for one in own), []) == rows  # noqa: RUF017
            assert sum(one[1] for one in own) / 3 == pytest.approx(weight)  # DDP takes the mean
    assert batch_rows(Share(), first=1) == alone[1:]


def test_a_penalty_in_several_processes_is_refused() -> None:
    settings = SETTINGS.model_copy(update={"mitigation": Mitigation(strength=0.5)})
    with pytest.raises(ProjectError, match=r"train\.mitigation.strength: expected one process"):
        loop._refuse_divided_groups(settings, 2)
    loop._refuse_divided_groups(SETTINGS, 2)


@pytest.mark.slow
def test_compiled_code_trains_the_same_network() -> None:
    assert close(one_epoch(compile=True), one_epoch())


def test_row_numbers_stay_with_their_rows() -> None:
    numbered = dataclasses.replace(NUMBERS, ids=torch.arange(17) + 100)
    torch.manual_seed(4)
    step = next(iter(numbered.steps(4, 1, 0, Share())))
    labels = step.pieces[0].rows.labels.tolist()
    assert numbered.ids_of(step.positions) == [100 + one for one in labels]

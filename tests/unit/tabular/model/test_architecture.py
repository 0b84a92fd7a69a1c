"""The network's codes by hand, its shape, and the three files of a model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from pipeline.core.errors import ArtifactMissing
from pipeline.core.prediction import prediction
from pipeline.tabular.evaluation import explanation
from pipeline.tabular.model.architecture import (
    TabularEnsemble,
    TabularNetwork,
    architecture,
    build,
    mixed,
)
from pipeline.tabular.model.encoding import Encoder, fit
from pipeline.tabular.settings import EncoderSettings, NetworkSettings
from tests.people import columns_of, people


def linear(num_bins: list[int], num_levels: list[int]) -> TabularNetwork:
    """Codes → logit, no hidden layer."""
    return TabularNetwork(num_bins, num_levels, hidden=[], dropout=0, embedding_width=2)


@pytest.mark.parametrize(
    ("position", "codes"),
    [(0.0, [0, 0, 0, 1]), (1.5, [1, 0.5, 0, 1]), (3.0, [1, 1, 1, 1]), (-1.0, [0, 0, 0, 0])],
)
def test_a_position_unfolds_into_bins_and_presence(position: float, codes: list[float]) -> None:
    network = linear([3], [])
    found = []
    for i in range(4):  # one weight at a time
        with torch.no_grad():
            network.layers[-1].weight.zero_()  # type: ignore[union-attr]
            network.layers[-1].bias.zero_()  # type: ignore[union-attr]
            network.layers[-1].weight[0, i] = 1  # type: ignore[index]
            logits = network(torch.tensor([[position]]), torch.zeros((1, 0), dtype=torch.long))
        found.append(logits.item())
    assert found == codes


def test_embedding_widths_follow_the_number_of_levels() -> None:
    network = TabularNetwork([], [2, 5, 100], hidden=[3], dropout=0, embedding_width=16)
    shapes = [tuple(one.weight.shape) for one in network.embeddings]  # type: ignore[union-attr]
    assert shapes == [(2, 1), (5, 3), (100, 16)]
    assert network(torch.zeros((4, 0)), torch.zeros((4, 3), dtype=torch.long)).shape == (4,)


def test_the_architecture_is_plain_data_that_builds_the_network() -> None:
    encoder = Encoder({"n": [0.0, 1, 2], "one": [5.0]}, {"c": ["a"]})
    plain = json.loads(json.dumps(architecture(encoder, NetworkSettings(hidden=(4,)))))
    assert plain["num_bins"] == [2, 1]
    assert plain["num_levels"] == [3]
    network = build(plain)
    # (2 bins + presence) for each of two numbers, embedding of width 2, then 4 and 1 outputs.
    assert [tuple(p.shape) for p in network.layers.parameters()] == [(4, 8), (4,), (1, 4), (1,)]


def saved(folder: Path) -> tuple[prediction.Predictor, pl.DataFrame]:
    table = people(200)
    encoder = fit(table, columns_of(), EncoderSettings(num_bins=4))
    plain = architecture(encoder, NetworkSettings(hidden=(4,)))
    torch.manual_seed(0)
    network = build(plain)
    prediction.save(folder, encoder, plain, network.state_dict())
    return prediction.Predictor(encoder, network.eval()), table


def test_a_model_comes_back_from_its_files(tmp_path: Path) -> None:
    before, table = saved(tmp_path)
    after = prediction.load(tmp_path, "tabular")
    np.testing.assert_array_equal(before.logits(table), after.logits(table))
    assert after.logits(table).dtype == np.float64
    assert not after.network.training


def test_predictions_do_not_depend_on_how_many_rows_go_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, table = saved(tmp_path)
    whole = model.logits(table)
    monkeypatch.setattr(prediction, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(model.logits(table), whole, atol=1e-6)
    assert model.logits(table.clear()).shape == (0,)


@pytest.mark.parametrize("name", ["encoder.json", "model.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["absent", "cut", "empty object"])
def test_a_damaged_model_is_named_by_file(tmp_path: Path, name: str, damage: str) -> None:
    saved(tmp_path)
    file = tmp_path / name
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:20] if damage == "cut" else b"{}")
    with pytest.raises(ArtifactMissing, match=name.replace(".", r"\.")):
        prediction.load(tmp_path, "tabular")


@pytest.mark.parametrize("change", [{"hidden": [5]}, {"num_levels": [9]}, {"num_layers": 3}])
def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    saved(tmp_path)
    plain = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**plain, **change}))
    with pytest.raises(ArtifactMissing, match=r"weights\.safetensors|model\.json"):
        prediction.load(tmp_path, "tabular")


def saved_ensemble(folder: Path, mixture: tuple[float, ...]) -> tuple[Any, pl.DataFrame]:
    """Networks with different weights, mixed; returns them and some rows."""
    table = people(200)
    encoder = fit(table, columns_of(), EncoderSettings(num_bins=4))
    plain = architecture(encoder, NetworkSettings(hidden=(4,)))
    torch.manual_seed(0)
    members = [build(plain).eval() for _ in mixture]
    weights = {
        f"members.{i}.{name}": 3 * value
        for i, member in enumerate(members)
        for name, value in member.state_dict().items()
    }
    prediction.save(folder, encoder, mixed(plain, mixture), weights)
    for member in members:
        member.load_state_dict({name: 3 * value for name, value in member.state_dict().items()})
    return members, table


def test_an_ensembles_probability_is_the_weighted_mean(tmp_path: Path) -> None:
    members, table = saved_ensemble(tmp_path, (0.5, 0.3, 0.2))
    found = prediction.load(tmp_path, "tabular")
    assert isinstance(found.network, TabularEnsemble)
    logits = [prediction.Predictor(found.encoder, one).logits(table) for one in members]
    probability = [1 / (1 + np.exp(-one)) for one in logits]
    assert np.ptp(probability, axis=0).max() > 0.2
    expected = 0.5 * probability[0] + 0.3 * probability[1] + 0.2 * probability[2]
    np.testing.assert_allclose(1 / (1 + np.exp(-found.logits(table))), expected, atol=1e-6)


def test_an_ensemble_is_sure_where_all_members_are() -> None:
    networks = [linear([], [2]) for _ in range(2)]
    for network, bias in zip(networks, (60.0, 90.0), strict=True):
        with torch.no_grad():
            network.layers[-1].weight.zero_()  # type: ignore[union-attr]
            network.layers[-1].bias.fill_(bias)  # type: ignore[union-attr]
    ensemble = TabularEnsemble(networks, [0.5, 0.5])
    rows = torch.zeros((1, 0)), torch.zeros((1, 1), dtype=torch.long)
    # 1 - (exp(-60) + exp(-90)) / 2, as a logit: 60 + log 2; a float of the probability is 1.
    assert ensemble(*rows).item() == pytest.approx(60 + np.log(2), abs=1e-4)


def test_attributions_of_an_ensemble_add_up(tmp_path: Path) -> None:
    _, table = saved_ensemble(tmp_path, (0.6, 0.4))
    found = prediction.load(tmp_path, "tabular")
    explained = explanation.attributions(found, table[:40], num_steps=256)
    assert explained.columns == ["age", "hours", "job"]
    assert explained.values.shape == (40, 3)
    assert np.abs(explained.errors).max() < 0.02
    reference = explained.logits - explained.values.sum(axis=1)
    assert np.ptp(reference) < 0.05  # every row is told from the same reference


@pytest.mark.parametrize("mixture", [[], [0.5, 0.6], [1.5, -0.5], [1.0, 0.0]])
def test_weights_that_are_no_mixture_are_refused(tmp_path: Path, mixture: list[float]) -> None:
    saved_ensemble(tmp_path, (0.5, 0.5))
    plain = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**plain, "mixture": mixture}))
    with pytest.raises(ArtifactMissing, match=r"model\.json"):
        prediction.load(tmp_path, "tabular")

"""Networks of texts: against plain torch, whatever the padding, and the same again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.core.costs import operations
from pipeline.core.prediction import prediction
from pipeline.text.model.architecture import architecture, build, mixed
from pipeline.text.model.transformer import sinusoids
from pipeline.text.settings import NetworkSettings, RecurrentSettings, TransformerSettings
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.training import LoopSettings, fit
from pipeline.train.stage import tensors
from tests.unit.text.texts import COLUMNS, encoder_of, texts

TABLE = texts(120)
ENCODER = encoder_of(TABLE)
KINDS = ("lstm", "gru", "transformer")


def described(kind: str, num_outputs: int = 1, num_layers: int = 1) -> dict[str, Any]:
    settings = NetworkSettings(
        architecture=kind,  # type: ignore[arg-type]
        recurrent=RecurrentSettings(width=6, num_layers=num_layers),
        transformer=TransformerSettings(width=8, num_heads=2, num_layers=num_layers),
    )
    plain = architecture(ENCODER, settings, num_outputs)
    read: dict[str, Any] = json.loads(json.dumps(plain))
    return read


def network_of(kind: str, **settings: int) -> Any:
    torch.manual_seed(3)
    return build(described(kind, **settings)).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_more_padding_and_longer_neighbours_change_nothing(kind: str) -> None:
    network, (pieces,) = network_of(kind, num_layers=2), ENCODER.encode(TABLE[:20])
    inputs = torch.from_numpy(pieces)
    with torch.no_grad():
        together = network(inputs)
        alone = torch.cat([network(row[row != ENCODER.padding].unsqueeze(0)) for row in inputs])
    assert len({int((row != ENCODER.padding).sum()) for row in inputs}) > 3
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_text_has_an_output_and_several_classes_have_one_each(kind: str) -> None:
    network = network_of(kind, num_outputs=3)
    with torch.no_grad():
        found = network(torch.full((2, 16), ENCODER.padding))
    assert found.shape == (2, 3)
    assert found.isfinite().all()


@pytest.mark.parametrize(("kind", "module"), [("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_recurrent_networks_are_torchs_of_two_directions(kind: str, module: Any) -> None:
    network = network_of(kind, num_layers=2)
    oracle = module(6, 6, 2, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for i in range(2):
            for suffix, one in (("", network.forwards[i]), ("_reverse", network.backwards[i])):
                for name, value in one.named_parameters():
                    getattr(oracle, name.replace("l0", f"l{i}{suffix}")).copy_(value)
        for row in torch.from_numpy(ENCODER.encode(TABLE[:5])[0]):
            text = row[row != ENCODER.padding].unsqueeze(0)
            states, _ = oracle(network.embedding(text))
            expected = states.mean(dim=1) @ network.decide[1].weight.T + network.decide[1].bias
            torch.testing.assert_close(network(row.unsqueeze(0)), expected[0], atol=1e-5, rtol=0)


def test_the_transformer_by_hand() -> None:
    """One layer, normalised before each step, as the paper's formulas say it."""
    network = network_of("transformer")
    row = torch.from_numpy(ENCODER.encode(TABLE[:1])[0])
    text = row[row != ENCODER.padding].unsqueeze(0)
    layer = network.layers.layers[0]
    with torch.no_grad():
        x = network.embedding(text) * 8**0.5 + sinusoids(16, 8)[: text.shape[1]]
        query, key, value = (
            part.view(1, -1, 2, 4).transpose(1, 2)
            for part in nn.functional.linear(
                layer.norm1(x), layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias
            ).chunk(3, dim=2)
        )
        weights = (query @ key.transpose(2, 3) / 4**0.5).softmax(dim=3)
        x = x + layer.self_attn.out_proj((weights @ value).transpose(1, 2).flatten(2))
        x = x + layer.linear2(nn.functional.gelu(layer.linear1(layer.norm2(x))))
        expected = network.decide(network.layers.norm(x).mean(dim=1))[0]
        torch.testing.assert_close(network(row), expected, atol=1e-5, rtol=0)


def test_positions_are_sines_and_cosines() -> None:
    found = sinusoids(3, 4)
    rates = np.array([1, 1, 0.01, 0.01])
    shifted = np.arange(3)[:, None] * rates + np.array([0, np.pi / 2, 0, np.pi / 2])
    np.testing.assert_allclose(found, np.sin(shifted), atol=1e-6)


def trained(kind: str, folder: Path, **loop: Any) -> tuple[dict[str, Any], Any]:
    settings = LoopSettings(**{"max_epochs": 3, "batch_size": 16, "learning_rate": 0.01, **loop})
    torch.manual_seed(settings.seed)
    part = tensors(TABLE, ENCODER, COLUMNS, ())
    return fit(
        build(described(kind)), part, part, settings, Checkpoint(folder / "c"), folder / "curve"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns_the_words_and_gives_the_same_bytes_again(
    kind: str, tmp_path: Path
) -> None:
    weights, progress = trained(kind, tmp_path, max_epochs=8)
    assert progress.best_loss < 0.5  # one word decides; knowing nothing is 0.69
    again, _ = trained(kind, tmp_path / "again", max_epochs=8)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_an_ensembles_probability_is_the_weighted_mean(tmp_path: Path) -> None:
    both = build(mixed(described("gru"), (0.25, 0.75))).eval()
    inputs = torch.from_numpy(ENCODER.encode(TABLE[:6])[0])
    with torch.no_grad():
        first, second = (member(inputs).sigmoid() for member in both.members)  # type: ignore[operator,union-attr]
        found = both(inputs).sigmoid()
    torch.testing.assert_close(found, 0.25 * first + 0.75 * second)
    assert mixed({"a": 1}, ()) == {"a": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_from_its_files(kind: str, tmp_path: Path) -> None:
    network = network_of(kind)
    prediction.save(tmp_path, ENCODER, described(kind), network.state_dict())
    found = prediction.load(tmp_path, "text").logits(TABLE)
    with torch.no_grad():
        expected = network(torch.from_numpy(ENCODER.encode(TABLE)[0])).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="even width that 4 heads divide, got 30"):
        TransformerSettings(width=30)


@pytest.mark.parametrize("kind", KINDS)
def test_arithmetic_is_counted_over_texts_of_all_lengths(kind: str) -> None:
    network, inputs = network_of(kind), tensors(TABLE, ENCODER, COLUMNS, ()).inputs
    short = tuple(one[one.ne(ENCODER.padding).sum(dim=1) < 6] for one in inputs)
    ahead, both = operations.per_row(network, inputs)
    assert both > 2 * ahead > 2 * operations.per_row(network, short)[0]

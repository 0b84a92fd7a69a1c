"""Attributions of a network whose answer is known by hand."""

import numpy as np
import polars as pl
import pytest
import torch

from pipeline.core.prediction.prediction import Predictor
from pipeline.tabular.evaluation.explanation import (
    REFERENCE,
    Attributions,
    attributions,
    case,
    ranking,
)
from pipeline.tabular.model.architecture import TabularNetwork
from pipeline.tabular.model.encoding import Encoder

ENCODER = Encoder({"n": [0.0, 1.0], "unused": [0.0, 1.0]}, {"c": ["a", "b"]})
ROWS = pl.DataFrame(
    {
        "n": [0.0, 0.25, 0.5, 1.0, 0.5],
        "unused": [0.1, 0.9, 0.2, 0.4, 1],
        "c": ["a", "b", "a", "a", "b"],
    }
)


def linear() -> TabularNetwork:
    """logit = 3 · n + embedding of c, which is 1 for a and 6 for b, + 0.5."""
    network = TabularNetwork([1, 1], [4], hidden=[], dropout=0, embedding_width=1)
    with torch.no_grad():
        network.embeddings[0].weight[:] = torch.tensor([[0.0], [0.0], [1.0], [6.0]])  # type: ignore[index,operator]
        # Codes of both numbers, presence of both, the embedding.
        network.layers[-1].weight[:] = torch.tensor([[3.0, 0, 0, 0, 1]])  # type: ignore[index,operator]
        network.layers[-1].bias[:] = 0.5  # type: ignore[index,operator]
    return network.eval()


def test_of_a_linear_network_they_are_weight_times_distance_from_the_reference() -> None:
    found = attributions(Predictor(ENCODER, linear()), ROWS, num_steps=16)
    assert found.columns == ["n", "unused", "c"]
    # The median of n is 0.5; the mean embedding of a, b, a, a, b is 3.
    np.testing.assert_allclose(found.values[:, 0], [-1.5, -0.75, 0, 1.5, 0], atol=1e-5)
    np.testing.assert_allclose(found.values[:, 1], 0, atol=1e-7)
    np.testing.assert_allclose(found.values[:, 2], [-2, 3, -2, -2, 3], atol=1e-5)
    np.testing.assert_allclose(found.logits, [1.5, 7.25, 3, 4.5, 8], atol=1e-5)
    np.testing.assert_allclose(found.errors, 0, atol=1e-5)


def test_of_a_deep_network_they_add_up_to_the_change_of_the_logit() -> None:
    torch.manual_seed(1)
    network = TabularNetwork([1, 1], [4], hidden=[8, 4], dropout=0.5, embedding_width=2).eval()
    model = Predictor(ENCODER, network)
    found = attributions(model, ROWS, num_steps=256)
    positions, levels = (torch.from_numpy(one) for one in ENCODER.encode(ROWS))
    with torch.no_grad():
        middle = positions.median(dim=0, keepdim=True).values
        (embedded,) = network.embed(levels)
        reference = network.from_embedded(middle, embedded.mean(dim=0, keepdim=True)).item()
    np.testing.assert_allclose(found.logits, model.logits(ROWS), atol=1e-6)
    np.testing.assert_allclose(found.values.sum(axis=1), found.logits - reference, atol=0.01)


def test_rows_are_explained_the_same_in_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attributions(Predictor(ENCODER, linear()), ROWS, 16)
    monkeypatch.setattr("pipeline.tabular.evaluation.explanation.ROWS_AT_ONCE", 2)
    parts = attributions(Predictor(ENCODER, linear()), ROWS, 16)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-6)
    assert parts.errors.shape == (5,)


@pytest.mark.parametrize("encoder", [Encoder(ENCODER.edges, {}), Encoder({}, ENCODER.levels)])
def test_one_kind_of_column_alone(encoder: Encoder) -> None:
    shape = encoder.architecture()
    network = TabularNetwork(**shape, hidden=[3], dropout=0, embedding_width=2).eval()
    found = attributions(Predictor(encoder, network), ROWS, 64)
    assert found.columns == encoder.columns
    assert found.values.shape == (5, len(encoder.columns))
    assert np.abs(found.errors).max() < 0.05


def attributed(columns: list[str], values: list[list[float]]) -> Attributions:
    nothing = np.zeros(len(values))
    return Attributions(columns, np.array(values), nothing, nothing, REFERENCE)


def test_ranking_by_hand() -> None:
    found = ranking(attributed(["a", "b", "unused"], [[1.0, -3, 0], [-2, -4, 0]]), scale=2)
    assert found == [
        {"column": "b", "mean_absolute": 7, "mean": -7},
        {"column": "a", "mean_absolute": 3, "mean": -1},
        {"column": "unused", "mean_absolute": 0, "mean": 0},
    ]


def test_a_case_shows_its_row_with_the_strongest_column_first() -> None:
    model = Predictor(ENCODER, linear())
    found = attributed(["a", "b"], [[0.1, -0.5], [2.0, 1.0]])
    assert case(model, found, 0, {"a": 1.0, "b": "x"})["attributions"] == [
        {"column": "b", "value": "x", "attribution": -0.5},
        {"column": "a", "value": 1.0, "attribution": 0.1},
    ]
    shown = case(model, found, 1, {"a": float("inf"), "b": None}, scale=1 / 3, decimals=2)
    assert shown["attributions"] == [
        {"column": "a", "value": "inf", "attribution": 0.67},
        {"column": "b", "value": None, "attribution": 0.33},
    ]

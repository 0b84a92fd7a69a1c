"""Operations counted by hand: two for each multiplication and addition of a matrix product."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from pipeline.core.costs import operations
from pipeline.core.costs.operations import in_words, of_training, per_row
from pipeline.core.prediction.outcome import BINARY
from pipeline.tabular.evaluation import baseline
from pipeline.tabular.model.encoding import fit
from pipeline.tabular.settings import EncoderSettings
from tests.people import columns_of, people


def test_layers_are_counted_forward_and_backward() -> None:
    """3·5 and 5·1 weights: 2 · 20 forward. Backward the same for the weights, and 2 · 5 for what
    flows to the first layer; no gradient flows to the inputs."""
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
    assert per_row(network, (torch.randn(9, 3),)) == (40, 40 + 40 + 10)


def test_frozen_weights_need_no_gradient_of_their_own() -> None:
    """Of 2 · 12 and 2 · 4 forward, only the last layer's 2 · 4 come again."""
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    network[0].requires_grad_(False)
    assert per_row(network, (torch.randn(2, 3),)) == (32, 40)


def test_a_recurrent_network_is_counted_although_its_kernel_is_one() -> None:
    """Four gates of 3 + 2 inputs to 2, six steps: 2 · 4 · 2 · 5 · 6."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.LSTM(3, 2, batch_first=True)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.cells(rows)[0][:, -1, 0]

    forward, both = per_row(Last(), (torch.randn(4, 6, 3),))
    assert forward == 480
    assert 2 * forward < both <= 3 * forward


def test_a_count_leaves_no_trace() -> None:
    network, state = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 1)), None
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    per_row(network, (torch.randn(2, 3, generator=torch.Generator().manual_seed(1)),))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.backends.mkldnn.enabled
    assert all(one.grad is None for one in network.parameters())


def test_a_training_is_passes_of_training_rows_and_validation_rows() -> None:
    """Four passes of 100 rows at 30 and of 10 rows at 10."""
    assert of_training((10, 30), 100, 10, 4)["training"] == 4 * (3000 + 100)


@pytest.mark.parametrize(
    ("count", "words"), [(2.85e11, "285 billion"), (4.3e6, "4.3 million"), (1200, "1,200")]
)
def test_counts_are_said_in_words(count: float, words: str) -> None:
    assert in_words(count) == words


def test_the_boostings_bound_holds_for_one_that_is_fitted() -> None:
    """Rows that are added to histograms, counted in the fitted trees: the root's, and of each
    split the smaller side's; never more than the bound's, at 31 leaves a tree."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    table = people(2000)
    numbers = table.select("age", "hours").to_numpy()
    fitted = HistGradientBoostingClassifier(random_state=0).fit(numbers, table["income"] == "high")
    visits = 0
    for (tree,) in fitted._predictors:
        nodes = tree.nodes
        inner = nodes[nodes["is_leaf"] == 0]
        visits += nodes["count"][0]
        visits += int(
            np.minimum(nodes["count"][inner["left"]], nodes["count"][inner["right"]]).sum()
        )
    assert visits <= 100 * table.height * (1 + np.log2(31) / 2)
    encoder = fit(table, columns_of(), EncoderSettings())
    assert baseline.operations(table, encoder, BINARY) > 3 * 3 * visits


def test_the_boostings_count_grows_with_rows_and_classes() -> None:
    small, large = people(500), pl.concat([people(500, seed) for seed in range(4)])
    encoder = fit(small, columns_of(), EncoderSettings())
    counts = [baseline.operations(table, encoder, BINARY) for table in (small, large)]
    assert counts[0] < counts[1] < 4 * counts[0]
    assert operations.NUM_ROWS == 2

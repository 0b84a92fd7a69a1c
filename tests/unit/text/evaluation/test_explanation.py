"""Attributions by word of networks whose answer is known by hand, and of one of each kind."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from pipeline.core.prediction.prediction import Predictor
from pipeline.text.evaluation.explanation import (
    CUT,
    Attributions,
    attributions,
    case,
    explained,
    ranking,
    reference_of,
)
from pipeline.text.model.architecture import build
from pipeline.text.model.network import TextNetwork, mean
from tests.unit.text.model.test_architecture import described
from tests.unit.text.texts import encoder_of, texts

TABLE = texts(80)
ENCODER = encoder_of(TABLE)


class Mean(TextNetwork):
    """output = 2 · the mean of the pieces' numbers; a piece's number is its place in the
    vocabulary."""

    def __init__(self) -> None:
        super().__init__(ENCODER.padding, 1, 0.0, 1)
        size = ENCODER.architecture()["num_pieces"]
        self.numbers = nn.Embedding.from_pretrained(torch.arange(float(size)).unsqueeze(1))
        with torch.no_grad():
            self.decide[1].weight.fill_(2.0)  # type: ignore[operator,union-attr]
            self.decide[1].bias.zero_()  # type: ignore[operator,union-attr]

    def embed(self, pieces: Tensor) -> Tensor:
        found: Tensor = self.numbers(pieces)
        return found

    def read(self, embedded: Tensor, counts: Tensor) -> Tensor:
        return mean(embedded, counts)


def rows_of(*words: str | None) -> pl.DataFrame:
    return pl.DataFrame({"words": words}, schema={"words": pl.String})


def test_of_a_linear_network_they_are_weight_times_distance_from_the_mean_piece() -> None:
    model, rows = Predictor(ENCODER, Mean().eval()), rows_of("the lovely tea", "Tea")
    found = attributions(model, rows, num_steps=8)
    the, lovely, tea = (ENCODER.tokenizer["model"]["vocab"][w] for w in ("the", "lovely", "tea"))
    middle = (the + lovely + tea + tea) / 4
    expected = [2 / 3 * (number - middle) for number in (the, lovely, tea)]
    assert [word for word, _ in found.words[0]] == ["the", "lovely", "tea"]
    np.testing.assert_allclose([value for _, value in found.words[0]], expected, atol=1e-4)
    assert found.words[1][0][0] == "Tea"  # as it stands in the text
    np.testing.assert_allclose(found.words[1][0][1], 2 * (tea - middle), atol=1e-4)
    np.testing.assert_allclose(found.errors, 0, atol=1e-4)


@pytest.mark.parametrize("kind", ["lstm", "gru", "transformer"])
def test_of_each_network_they_add_up_to_the_change_of_the_logit(kind: str) -> None:
    torch.manual_seed(2)
    model = Predictor(ENCODER, build(described(kind)).eval())
    rows = TABLE[:5]
    found = attributions(model, rows, num_steps=64)
    reference = torch.tensor(reference_of(model, rows))
    for i, row in enumerate(torch.from_numpy(ENCODER.encode(rows)[0])):
        length = int((row != ENCODER.padding).sum())
        with torch.no_grad():
            middle = model.network.from_embedded(
                reference.expand(1, length, -1), torch.ones((1, length), dtype=torch.bool)
            )
        change = found.logits[i] - middle.item()
        assert sum(value for _, value in found.words[i]) == pytest.approx(change, abs=0.005)


def test_of_several_classes_the_decided_one_is_explained() -> None:
    torch.manual_seed(2)
    model = Predictor(ENCODER, build(described("gru", num_outputs=3)).eval())
    found = attributions(model, TABLE[:3], num_steps=64)
    assert found.logits.shape == (3, 3)
    assert np.abs(found.errors).max() < 0.005


def test_an_empty_text_has_no_words_and_a_cut_one_says_so() -> None:
    model = Predictor(ENCODER, Mean().eval())
    rows = rows_of("", None, "tea " * 20)
    found = attributions(model, rows, num_steps=8)
    assert found.words[:2] == ([], [])
    assert [word for word, _ in found.words[2]] == ["tea"] * 16 + [CUT]
    assert case(model, found, 0, rows.row(0, named=True)) == {"tokens": []}


def test_a_case_has_the_words_in_their_order_from_what_the_service_encodes() -> None:
    model, rows = Predictor(ENCODER, Mean().eval()), rows_of("the deliciousbox, tea")
    encoded = ENCODER.encode(rows)
    found = explained(model, encoded, [3.0], 8)
    told = case(model, found, 0, rows.row(0, named=True), scale=10.0, decimals=2)["tokens"]
    assert [one["token"] for one in told] == ["the", "deliciousbox", ",", "tea"]
    numbers = encoded[0][0][encoded[0][0] != ENCODER.padding]
    assert told[0]["attribution"] == round(10 * 2 / len(numbers) * (numbers[0] - 3.0), 2)
    whole = 10 * 2 * (numbers.mean() - 3.0)
    assert sum(one["attribution"] for one in told) == pytest.approx(whole, abs=0.05)


def test_a_row_whose_text_was_cleaned_shows_what_was_read_of_it() -> None:
    """The service has the text as it was sent; what was masked in it is not shown."""
    model = Predictor(ENCODER, Mean().eval())
    found = explained(model, ENCODER.encode(rows_of("the tea")), [3.0], 8)
    told = case(model, found, 0, {"words": "The <b>tea</b> of secret@box.org"})["tokens"]
    assert [one["token"] for one in told] == ["the", "tea"]


def test_the_ranking_has_words_of_several_texts_by_strength() -> None:
    nothing = np.zeros(4)
    words = (
        [("Tea", 1.0), ("box", -3.0), ("tea", 1.0)],
        [("tea", -1.0), ("box", -2.0)],
        [("tea", 1.0), ("box", -1.0), ("rare", 9.0)],
        [(CUT, 0.0)],
    )
    found = ranking(
        Attributions(np.zeros((4, 3), int), np.zeros((4, 3)), nothing, nothing, "", words),
        scale=2.0,
    )
    assert found == [
        {"token": "box", "mean_absolute": 4.0, "mean": -4.0, "num_texts": 3},
        {"token": "tea", "mean_absolute": 2.666667, "mean": 1.333333, "num_texts": 3},
    ]

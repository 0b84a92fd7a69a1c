"""Word dropout: how many pieces, which never, and from whose chance."""

import torch

from pipeline.text.model.augmentation import augmenter
from pipeline.text.settings import AugmentationSettings
from tests.unit.text.texts import encoder_of, texts

ENCODER = encoder_of(texts(80))


def test_a_share_of_pieces_is_unknown_and_padding_stays() -> None:
    augment = augmenter(AugmentationSettings(word_dropout=0.3), ENCODER)
    assert augment is not None
    pieces = torch.from_numpy(ENCODER.encode(texts(2000))[0])
    torch.manual_seed(0)
    (found,) = augment((pieces,))
    words = pieces != ENCODER.padding
    assert torch.equal(found[~words], pieces[~words])
    assert abs(float((found[words] == ENCODER.unknown).float().mean()) - 0.3) < 0.02
    assert torch.equal(
        found[words & (found != ENCODER.unknown)], pieces[words & (found != ENCODER.unknown)]
    )
    torch.manual_seed(0)
    assert torch.equal(augment((pieces,))[0], found)


def test_nothing_is_done_without_it() -> None:
    assert augmenter(AugmentationSettings(), ENCODER) is None

"""What training reads instead of a text: some of its word pieces unknown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.text.model.encoding import Encoder
from pipeline.text.settings import AugmentationSettings

if TYPE_CHECKING:
    from torch import Tensor

Augment = Callable[[tuple["Tensor", ...]], tuple["Tensor", ...]]


def augmenter(settings: AugmentationSettings, encoder: Encoder) -> Augment | None:
    """Word dropout (M. Iyyer et al., Deep unordered composition rivals syntactic methods for text
    classification, ACL 2015): each piece of a text is read as unknown with a chance.

    Draws from torch's own generator. None where nothing is dropped.
    """
    share = settings.word_dropout
    if share == 0:
        return None
    unknown, special = encoder.unknown, encoder.special

    def dropped(inputs: "tuple[Tensor, ...]") -> "tuple[Tensor, ...]":
        import torch

        (pieces,) = inputs
        kept = torch.isin(pieces, torch.tensor(special, device=pieces.device))
        chosen = (torch.rand(pieces.shape, device=pieces.device) < share) & ~kept
        return (pieces.masked_fill(chosen, unknown),)

    return dropped

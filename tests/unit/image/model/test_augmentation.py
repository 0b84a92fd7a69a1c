"""What is done to training images: each change by hand on a small picture."""

import torch
from torch import Tensor

from pipeline.image.model.augmentation import augmenter, erased, flipped, rotated, shifted
from pipeline.image.settings import AugmentationSettings
from tests.unit.image.scenes import encoder

ROWS = 64


def numbered(rows: int = ROWS, channels: int = 2, size: int = 12) -> Tensor:
    """Images whose pixels are all different."""
    one = torch.arange(channels * size * size, dtype=torch.int64).remainder(251).to(torch.uint8)
    return one.view(1, channels, size, size).repeat(rows, 1, 1, 1)


def test_nothing_is_done_by_default() -> None:
    assert augmenter(AugmentationSettings(), encoder()) is None


def test_some_images_are_mirrored() -> None:
    torch.manual_seed(0)
    images = numbered()
    found = flipped(images, 0.5)
    mirrored = [bool((one == images[0].flip(2)).all()) for one in found]
    assert all(m or bool((one == images[0]).all()) for m, one in zip(mirrored, found, strict=True))
    assert 16 < sum(mirrored) < 48
    assert (flipped(images, 1.0) == images.flip(3)).all()


def test_a_moved_image_is_the_same_further_on_and_its_edge_is_repeated() -> None:
    torch.manual_seed(0)
    images = numbered()
    found, seen = shifted(images, 2), set()
    padded = torch.nn.functional.pad(images[:1].float(), (2, 2, 2, 2), mode="replicate")[0]
    for one in found:
        places = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if (padded[:, i : i + 12, j : j + 12] == one).all()
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 15  # of 25


def test_a_turned_image_keeps_its_middle_and_a_whole_number_of_grey() -> None:
    torch.manual_seed(0)
    images = torch.zeros(ROWS, 1, 13, 13, dtype=torch.uint8)
    images[:, :, 6] = 200  # a line from left to right, which turns
    found = rotated(images, 45)
    assert found.dtype == torch.uint8
    assert (found[:, 0, 6, 6] > 150).all()
    upright = found[:, 0].float().std(dim=1).mean(dim=1)  # of columns: less where it is turned
    assert upright.max() - upright.min() > 5
    assert (rotated(images, 1e-4).int() - images.int()).abs().max() <= 1


def test_a_rectangle_becomes_the_mean_pixel() -> None:
    torch.manual_seed(0)
    images = torch.zeros(ROWS, 1, 20, 20, dtype=torch.uint8)
    fill = torch.tensor([128], dtype=torch.uint8)
    found = erased(images, 1.0, fill)
    assert set(found.unique().tolist()) == {0, 128}
    areas = (found == 128).sum(dim=(1, 2, 3))
    assert areas.max() <= 0.3 * 400  # whole pixels: a little more than 20 %
    for one in found[:, 0]:
        inside = (one == 128).nonzero()
        if len(inside):
            low, high = inside.min(dim=0).values, inside.max(dim=0).values + 1
            assert (one[low[0] : high[0], low[1] : high[1]] == 128).all()
    assert (erased(images, 0.0, fill) == images).all()


def test_the_same_seed_gives_the_same_batch_again() -> None:
    settings = AugmentationSettings(flip=0.5, shift=2, rotation=10, erasing=0.5)
    change = augmenter(settings, encoder(channels=2))
    assert change is not None
    batches = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        batches.append(change((numbered(),))[0])
    assert batches[0].dtype == torch.uint8
    assert (batches[0] == batches[1]).all()
    assert (batches[0] != batches[2]).any()

"""Near-duplicates are found by their hashes, whatever their bytes; imagehash is the oracle."""

import imagehash
import numpy as np
from PIL import Image

from pipeline.core.settings.columns import Columns
from pipeline.image.data import content
from pipeline.image.data.perceptual import groups, num_near, pairs, perceptual_hash, stacked
from tests.images import COLUMNS, encoded, picture, png, rows


def with_bits(*places: int) -> bytes:
    bits = np.zeros(256, dtype=np.uint8)
    bits[list(places)] = 1
    return np.packbits(bits).tobytes()


def test_pairs_are_those_that_imagehash_counts() -> None:
    images = [picture(seed) for seed in range(20)]
    images += [image.resize((40, 40)) for image in images[:5]]
    hashes = stacked([perceptual_hash(image) for image in images])
    theirs = [imagehash.phash(image, hash_size=16) for image in images]
    for limit in (0, 16, 110):
        expected = [
            [i, j] for i in range(25) for j in range(i + 1, 25) if theirs[i] - theirs[j] <= limit
        ]
        assert sorted(pairs(hashes, limit).tolist()) == expected
    assert len(pairs(hashes, 16)) == 5


def test_others_are_counted_copies_among_them() -> None:
    near, far = with_bits(*range(16)), with_bits(*range(17))
    hashes = stacked([with_bits(), near, far, with_bits(), with_bits(*range(100, 200))])
    # The first and the fourth are alike and near the second; that is near the third as well.
    assert num_near(hashes).tolist() == [2, 3, 1, 2, 0]
    assert num_near(hashes, 0).tolist() == [1, 0, 0, 1, 0]
    assert num_near(stacked([])).tolist() == []


def test_a_group_is_a_chain_of_near_duplicates() -> None:
    chain = [with_bits(*range(end)) for end in (60, 45, 30)]
    hashes = stacked([with_bits(*range(100, 200)), *chain, chain[0]])
    found = groups(hashes).tolist()
    assert found[0] == 0
    assert len(set(found[1:])) == 1
    assert bytes(hashes[found[1]]) == min(chain)
    assert groups(stacked([])).tolist() == []


def test_a_copy_in_another_form_has_the_same_key_and_another_picture_another() -> None:
    image = picture(1)
    copies = [
        png(1),
        encoded(image, "JPEG", quality=95),
        encoded(image.resize((56, 56), Image.Resampling.BICUBIC)),
        encoded(image.convert("RGB")),
    ]
    found = content.keys(rows([*copies, png(2), b"broken", b"broken", b"other", None]), COLUMNS)
    keys = found["image"].to_list()
    assert len(set(keys[:4])) == 1
    assert len(set(keys[3:5])) == 2
    assert keys[5] == keys[6] != keys[7]
    assert keys[8] is None


def test_labels_and_numbers_tell_no_two_pictures_apart() -> None:
    sensitive = Columns(target="label", task="multiclass", image="image", sensitive=("id",))
    found = content.keys(rows([png(1), png(1)]), sensitive)
    assert found.columns == ["image"]
    assert found["image"].n_unique() == 1

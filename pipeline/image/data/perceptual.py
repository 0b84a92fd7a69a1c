"""Perceptual hashes: what makes two pictures near-duplicates, whatever their bytes.

A hash is that of imagehash.phash: which of the 16 × 16 lowest frequencies of the grey picture, 64
× 64 pixels small, lie above their median; 256 bits. Another format, size or brightness changes few
of them, a mirrored or shifted picture half of them: it is no near-duplicate here.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.image.data.decoding import converted

if TYPE_CHECKING:
    from PIL.Image import Image

HASH_SIDE = 16
NUM_BITS = HASH_SIDE**2
MAX_DISTANCE = 16
"""Bits in which two near-duplicates differ at most. Of Fashion-MNIST's images saved as JPEG of
quality 75 nine in ten lie within it of what they were, and of 72 million pairs of different ones
three, which look alike."""
ROWS_AT_ONCE = 1024

Hashes = NDArray[np.uint8]


def perceptual_hash(image: "Image") -> bytes:
    """The picture's hash, 32 bytes."""
    import imagehash

    bits = imagehash.phash(converted(image, "L"), hash_size=HASH_SIDE).hash
    return np.packbits(bits.ravel()).tobytes()


def stacked(hashes: list[bytes]) -> Hashes:
    """Hashes as an array, shape (hashes, 32)."""
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), NUM_BITS // 8)


def pairs(hashes: Hashes, max_distance: int) -> NDArray[np.int64]:
    """The places of hashes that differ in at most so many bits, shape (pairs, 2), first < second.

    Every two are compared, by products of signs: time grows with the square of their number, and
    12,000 take a second or two.
    """
    signs = np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
    least = NUM_BITS - 2 * max_distance  # the product of hashes that differ in so many bits
    found = []
    for first in range(0, len(signs), ROWS_AT_ONCE):
        products = signs[first : first + ROWS_AT_ONCE] @ signs[first:].T
        some, others = np.nonzero(np.triu(products >= least, k=1))
        found.append(np.column_stack((some, others)) + first)
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)


def num_near(hashes: Hashes, max_distance: int = MAX_DISTANCE) -> NDArray[np.int64]:
    """How many others each hash is near to, shape (hashes,)."""
    distinct, place, count = np.unique(hashes, axis=0, return_inverse=True, return_counts=True)
    near = count - 1
    first, second = pairs(distinct, max_distance).T
    np.add.at(near, first, count[second])
    np.add.at(near, second, count[first])
    found: NDArray[np.int64] = near[place.ravel()]
    return found


def groups(hashes: Hashes, max_distance: int = MAX_DISTANCE) -> NDArray[np.int64]:
    """The place of the least hash of each one's group, shape (hashes,).

    A group is what a chain of near-duplicates links, each near to the next.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    distinct, first, place = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    links = pairs(distinct, max_distance)
    shape = (len(distinct), len(distinct))
    graph = coo_array((np.ones(len(links), dtype=bool), (links[:, 0], links[:, 1])), shape=shape)
    _, group = connected_components(graph, directed=False)
    _, least = np.unique(group, return_index=True)  # the distinct are in ascending order
    found: NDArray[np.int64] = first[least[group[place.ravel()]]]
    return found


def first_ones(hashes: Hashes, max_distance: int = MAX_DISTANCE) -> NDArray[np.bool_]:
    """Which hashes are near to none before them that stays, shape (hashes,)."""
    _, places = np.unique(hashes, axis=0, return_index=True)
    order = np.sort(places)
    links = pairs(hashes[order], max_distance)
    stays = np.ones(len(order), dtype=bool)
    for first, second in links[np.lexsort((links[:, 0], links[:, 1]))]:
        stays[second] &= not stays[first]
    found = np.zeros(len(hashes), dtype=bool)
    found[order[stays]] = True
    return found

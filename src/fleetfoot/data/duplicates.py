"""Exact and near duplicates: two photographs of one thing, one saved twice, one scaled.

Rule     near means that the 64 gradient bits differ in at most `NEAR_BITS` places and the 8 x 8
         thumbnails by at most `NEAR_LEVELS` on average; pictures with a short side under
         `SMALLEST` pixels have too little to compare and count only as exact duplicates
Method   difference hash (dHash), N. Krawetz, "Kind of Like That", 2013
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleetfoot.data.decode import Pixels, picture_of
from fleetfoot.data.preprocess import FILTERS
from fleetfoot.data.samples import Facts

if TYPE_CHECKING:
    from PIL import Image

NEAR_BITS = 3
NEAR_LEVELS = 6.0
SMALLEST = 32
BLOCK = 2_048


def gradient_hash(pixels: Pixels) -> int:
    """Return 64 bits: whether brightness falls from each of 9 x 8 cells to its right neighbour."""
    cells = np.asarray(_shrunk(pixels, (9, 8)).convert("L"), dtype=np.int16)
    bits = (cells[:, 1:] < cells[:, :-1]).astype(np.uint8)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnail(pixels: Pixels) -> bytes:
    """Return 8 x 8 RGB."""
    return _shrunk(pixels, (8, 8)).tobytes()


def exact_groups(facts: Mapping[str, Facts]) -> list[list[str]]:
    """Return the keys of images with equal pixels, in groups of two or more."""
    groups: dict[str, list[str]] = {}
    for key, fact in facts.items():
        if fact.pixels_sha256 is not None:
            groups.setdefault(fact.pixels_sha256, []).append(key)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(facts: Mapping[str, Facts]) -> list[tuple[str, str]]:
    """Return pairs of keys of near duplicates that are not exact ones."""
    keys = [key for key, fact in facts.items() if _comparable(fact)]
    if len(keys) < 2:
        return []
    hashes = np.array([facts[key].gradient_hash for key in keys], dtype=np.uint64)
    thumbnails = np.array(
        [np.frombuffer(facts[key].thumbnail or b"", dtype=np.uint8) for key in keys],
        dtype=np.int16,
    )
    return [
        (keys[a], keys[b])
        for a, b in _close(hashes)
        if np.abs(thumbnails[a] - thumbnails[b]).mean() <= NEAR_LEVELS
        and facts[keys[a]].pixels_sha256 != facts[keys[b]].pixels_sha256
    ]


def groups_of(keys: Sequence[str], linked: Sequence[Sequence[str]]) -> list[int]:
    """Return a group number per key; keys that occur in one of ``linked`` share it.

    >>> groups_of(["a", "b", "c", "d"], [["a", "c"], ["c", "d"]])
    [0, 1, 0, 0]
    """
    places = {key: place for place, key in enumerate(keys)}
    parent = list(range(len(keys)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for group in linked:
        found = [root(places[key]) for key in group if key in places]
        for place in found:
            parent[root(place)] = root(min(found))
    return [root(place) for place in range(len(keys))]


def _close(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK, None]
        distance = np.bitwise_count(block ^ hashes[None, start:])
        rows, columns = np.nonzero(distance <= NEAR_BITS)
        later = columns > rows
        yield from zip((rows[later] + start).tolist(), (columns[later] + start).tolist())


def _comparable(fact: Facts) -> bool:
    large = min(fact.header.width, fact.header.height) >= SMALLEST
    return fact.gradient_hash is not None and large


def _shrunk(pixels: Pixels, size: tuple[int, int]) -> "Image.Image":
    return picture_of(pixels).resize(size, FILTERS["box"])

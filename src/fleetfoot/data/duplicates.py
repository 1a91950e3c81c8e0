"""What tells whether two images are alike, exact duplicates, and groups that stay together.

Method   difference hash (dHash), N. Krawetz, "Kind of Like That", 2013; `near_duplicates` compares
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fleetfoot.data.decode import Pixels, picture_of
from fleetfoot.data.file_names import identities
from fleetfoot.data.preprocess import FILTERS
from fleetfoot.data.samples import Facts, Reader

if TYPE_CHECKING:
    from PIL import Image


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


def same_files(keys: Sequence[str], reader: Reader) -> list[list[str]]:
    """Return the keys that mean one file: other ways to write its name, and links to it."""
    groups: dict[Hashable, list[str]] = {}
    names = list(dict.fromkeys(keys))
    for key, file in zip(names, identities(names, reader)):
        groups.setdefault(file, []).append(key)
    return [group for group in groups.values() if len(group) > 1]


def groups_of(keys: Sequence[str], linked: Sequence[Sequence[str]]) -> list[int]:
    """Return a group number per key; equal keys, and those in one of ``linked``, share it.

    >>> groups_of(["a", "b", "c", "d", "b"], [["a", "c"], ["c", "d"]])
    [0, 1, 0, 0, 1]
    """
    places: dict[str, int] = {}
    parent = [places.setdefault(key, place) for place, key in enumerate(keys)]

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


def _shrunk(pixels: Pixels, size: tuple[int, int]) -> "Image.Image":
    return picture_of(pixels).resize(size, FILTERS["box"])

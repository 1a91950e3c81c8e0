"""Near duplicates: one thing photographed twice, one photograph saved twice or scaled.

Rule     near means that the 64 gradient bits differ in at most `NEAR_BITS` places and the 8 x 8
         thumbnails by at most `NEAR_LEVELS` on average; pictures with a short side under
         `SMALLEST` pixels have too little to compare and count only as exact duplicates
Method   difference hash (dHash), N. Krawetz, "Kind of Like That", 2013. Images that a chain of near
         pairs connects make a group. Thumbnails are compared only until an image has joined the
         group of another, so that a fixed camera's thousands of frames cost what they are
Letters  N images
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fleetfoot.data.samples import Facts

NEAR_BITS = 3
NEAR_LEVELS = 6.0
SMALLEST = 32
PART = 64  # thumbnails that are compared at once


def near_groups(facts: Mapping[str, Facts]) -> list[list[str]]:
    """Return the keys of near duplicates, in groups of two or more different images.

    Exact copies of an image are in its group.
    """
    copies: dict[str, list[str]] = {}
    for key, fact in facts.items():
        if fact.pixels_sha256 is not None and _comparable(fact):
            copies.setdefault(fact.pixels_sha256, []).append(key)
    keys = list(copies.values())
    firsts = [facts[same[0]] for same in keys]
    groups: dict[int, list[list[str]]] = {}
    for same, number in zip(keys, _connected(firsts).tolist()):
        groups.setdefault(number, []).append(same)
    return [[key for same in group for key in same] for group in groups.values() if len(group) > 1]


def _connected(facts: list[Facts]) -> NDArray[np.int64]:
    """Return the number of each image's group, (N,)."""
    hash_N = np.array([fact.gradient_hash for fact in facts], dtype=np.uint64)
    thumbnails = [np.frombuffer(fact.thumbnail or b"", dtype=np.uint8) for fact in facts]
    levels_N = np.array([thumbnail.mean() for thumbnail in thumbnails])
    group_N = np.arange(len(facts))
    for place in range(1, len(facts)):
        distance = np.bitwise_count(hash_N[:place] ^ hash_N[place])
        apart = np.abs(levels_N[:place] - levels_N[place])  # never more than the thumbnails are
        candidates = np.flatnonzero((distance <= NEAR_BITS) & (apart <= NEAR_LEVELS))
        own = thumbnails[place].astype(np.int16)
        while len(candidates):
            part = candidates[:PART]
            others = np.array([thumbnails[other] for other in part], dtype=np.int16)
            near = np.abs(others - own).mean(axis=1) <= NEAR_LEVELS
            for number in np.unique(group_N[part[near]]).tolist():
                _join(group_N, number, place)
            candidates = candidates[PART:]
            candidates = candidates[group_N[candidates] != group_N[place]]
    return group_N


def _join(group_N: NDArray[np.int64], number: int, place: int) -> None:
    """Make one group of an earlier one and that of the image at ``place``."""
    own = group_N[place]
    if own == place:  # nobody else is in it yet
        group_N[place] = number
    else:
        group_N[: place + 1][group_N[: place + 1] == own] = number


def _comparable(fact: Facts) -> bool:
    large = min(fact.header.width, fact.header.height) >= SMALLEST
    return fact.gradient_hash is not None and large

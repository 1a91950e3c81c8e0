"""Which training images become validation: stratified by class, groups kept whole.

Rule     every class gives its share (largest remainders make the total exact), at least one image,
         and keeps at least one; the only image of a class stays in training. A group goes where it
         fits as a whole, so shares are met up to the size of a group.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.seeds import rng

FRACTION = 0.2


def hold_out(
    labels: Sequence[int], groups: Sequence[int], *, seed: int, images: int | None = None
) -> NDArray[np.bool_]:
    """Return which images become validation, (N,).

    Args:
        labels: the class of each image.
        groups: a number per image; equal numbers stay together.
        seed: another seed, another choice.
        images: how many; None for a fifth.
    """
    total = round(FRACTION * len(labels)) if images is None else images
    members = _members(groups)
    units = [Counter(labels[i] for i in unit) for unit in members]
    left = _shares(Counter(labels), total)  # what each class may still give
    kept = Counter(labels)  # what each class would still keep
    chosen = np.zeros(len(labels), dtype=bool)
    order = rng(seed, "split").permutation(len(units)).tolist()
    for place in order:
        if all(left[label] >= count for label, count in units[place].items()):
            chosen[members[place]] = True
            left.subtract(units[place])
            kept.subtract(units[place])
    _rescue(labels, units, members, order, kept, chosen)
    return chosen


def _rescue(
    labels: Sequence[int],
    units: list[Counter[int]],
    members: list[list[int]],
    order: list[int],
    kept: Counter[int],
    chosen: NDArray[np.bool_],
) -> None:
    """Give a class that got no image its smallest group, if all classes keep another one."""
    taken = Counter(labels[i] for i in np.flatnonzero(chosen).tolist())
    for label in sorted(set(labels)):
        if taken[label]:
            continue
        for place in sorted(order, key=lambda place: len(members[place])):
            unit = units[place]
            if unit[label] and all(kept[other] > count for other, count in unit.items()):
                chosen[members[place]] = True
                kept.subtract(unit)
                taken.update(unit)
                break


def _members(groups: Sequence[int]) -> list[list[int]]:
    members: dict[int, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    return list(members.values())


def _shares(counts: Counter[int], total: int) -> Counter[int]:
    """Split ``total`` over the classes by size, each within its bounds."""
    images = sum(counts.values())
    exact = {label: total * count / images for label, count in counts.items()}
    shares = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (shares[label] - exact[label], label))
    for label in by_remainder[: total - sum(shares.values())]:
        shares[label] += 1
    return Counter(
        {
            label: min(max(share, 1), counts[label] - 1) if counts[label] > 1 else 0
            for label, share in shares.items()
        }
    )

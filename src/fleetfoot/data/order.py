"""Which images make which batch: a function of (seed, epoch), the same for every number of workers.

Letters  N images of a split, B images of a batch on one rank, W ranks
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.seeds import rng


def epoch_order(
    labels: NDArray[np.int64], *, seed: int, epoch: int, weights: Sequence[float] | None = None
) -> NDArray[np.int64]:
    """Return the images of one epoch, (N,): each once, or drawn with replacement by class weight.

    Args:
        labels: the class of each image, (N,).
        seed: of the run.
        epoch: counted from 0.
        weights: chance of an image, by class; need not add up to one.
    """
    generator = rng(seed, "order", epoch)
    if weights is None:
        return generator.permutation(len(labels))
    chance_N = np.asarray(weights, dtype=np.float64)[labels]
    return generator.choice(len(labels), size=len(labels), p=chance_N / chance_N.sum())


def steps_in_epoch(images: int, *, batch: int, world: int) -> int:
    """Return the full batches of an epoch; one smaller batch where there is not even one."""
    return max(images // (batch * world), min(images, 1))


def training_places(
    step: int, *, images: int, batch: int, rank: int, world: int
) -> NDArray[np.int64]:
    """Return which places of the epoch's order a rank takes at one step.

    Every rank gets equally many. With fewer images than one batch of all ranks together they are
    shared out, some twice if they do not come out even.
    """
    if images >= batch * world:
        start = (step * world + rank) * batch
        return np.arange(start, start + batch)
    share = -(-images // world)
    return np.arange(rank * share, (rank + 1) * share) % images


def evaluation_batches(
    images: int, *, batch: int, rank: int, world: int
) -> list[NDArray[np.int64]]:
    """Return a rank's batches of indices: over all ranks every image exactly once."""
    mine = np.arange(rank, images, world)
    return [mine[start : start + batch] for start in range(0, len(mine), batch)]

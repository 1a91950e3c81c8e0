"""Random numbers as a pure function of (seed, epoch, image, occurrence), for whole batches at once.

A counter-based generator: each number is a hash of its coordinates, so that a worker, another
batch size or a resumed run draws what the undisturbed run would have drawn.

Method   the SplitMix64 finaliser (Steele, Lea and Flood, 2014) over a key from `core.seeds`
Letters  B images, K numbers per image
"""

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.seeds import rng

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def uniforms(
    *key: int | str,
    indices: NDArray[np.int64],
    occurrences: NDArray[np.int64] | None = None,
    count: int,
) -> NDArray[np.float64]:
    """Return ``count`` numbers in [0, 1) for each image, (B, K).

    Args:
        key: seed, purpose, epoch: what all images share.
        indices: which images, (B,).
        occurrences: 0 where an image comes up first in an epoch, 1 the second time, ..., (B,).
        count: numbers per image, K.
    """
    start, step = rng(*key).integers(2**63, size=2, dtype=np.uint64)
    again = np.zeros_like(indices) if occurrences is None else occurrences
    image_B = _mixed(start + _mixed(indices.astype(np.uint64) * _GOLDEN + step))
    image_B = _mixed(image_B + again.astype(np.uint64) * _GOLDEN)
    column_K = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    bits_BK = _mixed(image_B[:, None] + column_K[None, :])
    return (bits_BK >> np.uint64(11)).astype(np.float64) * 2.0**-53


def occurrences_of(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each entry came up before, (N,).

    >>> occurrences_of(np.array([3, 1, 3, 3, 1])).tolist()
    [0, 0, 1, 2, 1]
    """
    places = np.argsort(order, kind="stable")
    is_first = np.diff(order[places], prepend=-1) != 0
    run_starts = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    result = np.empty_like(places)
    result[places] = np.arange(len(order)) - run_starts
    return result


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))

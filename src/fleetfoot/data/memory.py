"""Images that fit in memory: decoded once, kept as uint8.

Two forms: *squares*, the evaluation crop of every image in one array, and *larger* images with
their shape kept, short side at most `margin` times the training size, from which random boxes are
cut. A box of 60 % of the area then has about the training size; smaller ones are scaled up.

Letters  N images, S size, C channels
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fleetfoot.data.augment import Augment
from fleetfoot.data.decode import Pixels, picture_of
from fleetfoot.data.preprocess import FILTERS, Preprocess
from fleetfoot.data.samples import Split

MARGIN = 1.3
LONG_BY_SHORT = 4 / 3  # a photograph's shape, for the estimate of memory


def bytes_needed(images: int, preprocess: Preprocess, *, augment: Augment | None) -> int:
    """Return how much memory the images of a split take; an estimate where shapes are kept."""
    squares = images * preprocess.size**2 * preprocess.channels
    if augment is None or not augment.cuts:
        return squares
    side = preprocess.size * margin(preprocess)
    return int(images * side**2 * LONG_BY_SHORT * preprocess.channels)


def margin(preprocess: Preprocess) -> float:
    """Return how much larger than the training size images are kept: never less than evaluated."""
    return max(MARGIN, 1 / preprocess.crop_fraction)


def decode_squares(split: Split, preprocess: Preprocess) -> Pixels:
    """Return the evaluation crop of every image, uint8 (N, S, S, C)."""
    size, channels = preprocess.size, preprocess.channels
    squares = np.empty((len(split), size, size, channels), dtype=np.uint8)

    def fill(index: int) -> None:
        squares[index] = preprocess.crop(split.read(index))

    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(fill, range(len(split))))
    return squares


def decode_larger(split: Split, preprocess: Preprocess) -> list[Pixels]:
    """Return every image with its short side at most `margin` times the training size."""
    short = round(preprocess.size * margin(preprocess))

    def one(index: int) -> Pixels:
        image = split.read(index)
        height, width = image.shape[:2]
        if min(height, width) <= short:
            return image
        scale = short / min(height, width)
        shape = (max(round(width * scale), 1), max(round(height * scale), 1))
        picture = picture_of(image).resize(shape, FILTERS[preprocess.interpolation])
        return np.asarray(picture)

    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(one, range(len(split))))


def threads() -> int:
    """Return how many threads decode: the cores this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)

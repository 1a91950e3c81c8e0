"""Making one batch of uint8 images, in the main process or in a worker, from files or from memory.

Letters  B images, N images of a split, S size, C channels, K random numbers per image
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fleetfoot.data.augment import Augment, augmented, draw, inner_box, random_box
from fleetfoot.data.decode import Pixels
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.random_cut import random_cut

Read = Callable[[int], Pixels]
"""From an index to an image of any size, uint8 (H, W, C)."""


@dataclass(frozen=True)
class Request:
    """Which images make a batch; ``epoch`` is None for evaluation."""

    indices: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    epoch: int | None


@dataclass(frozen=True)
class Made:
    """The batch of a request, uint8 (B, S, S, C); processor seconds of reading and augmenting."""

    request: Request
    images: Tensor
    read_seconds: float
    augment_seconds: float


@dataclass(frozen=True)
class BatchMaker:
    """Turns requests into batches; the same images whoever runs it.

    Attributes:
        preprocess: how images are cut and scaled.
        augment: what is done to training images.
        seed: of the run.
        axes_33: axes of the colour noise, if there is any.
    """

    preprocess: Preprocess
    augment: Augment | None
    seed: int
    axes_33: NDArray[np.float64] | None = None

    def from_squares(self, request: Request, squares_NSSC: Pixels) -> Made:
        """Return a batch of images that are cropped already, for all but random boxes."""
        start = time.perf_counter()
        images = squares_NSSC[request.indices]
        read = time.perf_counter()
        augment = self._augment_of(request)
        if augment is not None:
            images = augmented(images, augment, *self._draw(augment, request), self.axes_33)
        augmenting = time.perf_counter() - read
        return Made(request, torch.from_numpy(images), read - start, augmenting)

    def from_images(
        self, request: Request, read: Read, pool: ThreadPoolExecutor | None = None
    ) -> Made:
        """Return a batch cut out of whole images, several at a time where there is a pool."""
        augment = self._augment_of(request)
        numbers_BK, is_flipped_B = (None, None)
        boxes_BK: list[NDArray[np.float64] | None] = [None] * len(request.indices)
        if augment is not None:
            numbers_BK, is_flipped_B = self._draw(augment, request)
            if augment.cuts:
                boxes_BK = list(numbers_BK)

        def one(place: int) -> tuple[Pixels, float, float]:
            return self._one(read, int(request.indices[place]), augment, boxes_BK[place])

        places = range(len(request.indices))
        parts = [one(place) for place in places] if pool is None else list(pool.map(one, places))
        size, channels = self.preprocess.size, self.preprocess.channels
        images = np.empty((len(parts), size, size, channels), dtype=np.uint8)
        for place, (pixels, _, _) in enumerate(parts):
            images[place] = pixels
        start = time.perf_counter()
        if augment is not None and numbers_BK is not None and is_flipped_B is not None:
            images = augmented(images, augment, numbers_BK, is_flipped_B, self.axes_33)
        return Made(
            request=request,
            images=torch.from_numpy(images),
            read_seconds=sum(part[1] for part in parts),
            augment_seconds=sum(part[2] for part in parts) + time.perf_counter() - start,
        )

    def _one(
        self, read: Read, index: int, augment: Augment | None, box_K: NDArray[np.float64] | None
    ) -> tuple[Pixels, float, float]:
        start = time.perf_counter()
        image = read(index)
        middle = time.perf_counter()
        if augment is None or box_K is None:
            pixels = self.preprocess.crop(image)
        else:
            pixels = self._cut(image, augment, box_K)
        return pixels, middle - start, time.perf_counter() - middle

    def _cut(self, image: Pixels, augment: Augment, box_K: NDArray[np.float64]) -> Pixels:
        height, width, _ = image.shape
        preprocess = self.preprocess
        if augment.crop == "resized":
            return random_cut(preprocess, image, random_box(height, width, augment, box_K))
        box = inner_box(height, width, preprocess.size, preprocess.crop_fraction, box_K)
        return preprocess.cut(image, box)

    def _augment_of(self, request: Request) -> Augment | None:
        return None if request.epoch is None else self.augment

    def _draw(
        self, augment: Augment, request: Request
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return draw(
            augment,
            seed=self.seed,
            epoch=request.epoch or 0,
            indices=request.indices,
            occurrences=request.occurrences,
        )

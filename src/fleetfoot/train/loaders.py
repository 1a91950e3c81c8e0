"""The loaders of a run, opened alike for planning, training and the head phase."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.data.loader import Loader
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data, Split
from fleetfoot.train.process.distributed import this_process
from fleetfoot.train.recipe import Recipe


@dataclass(frozen=True)
class Loaders:
    """Training images as the recipe augments and balances them, validation images as they are.

    Attributes:
        sizes: loaders of training images by the share of the run from which they serve, rising
            from 0; one alone where the size stays.
        val: at the network's size.
        train_split, val_split: what they read.
        preprocess: of validation; numbers and channels are those of training too.
        classes: number of classes.
        workers: processes that read; 0 where images are in memory.
    """

    sizes: tuple[tuple[float, Loader], ...]
    val: Loader
    train_split: Split
    val_split: Split
    preprocess: Preprocess
    classes: int
    workers: int

    @property
    def train(self) -> Loader:
        """Training images of the last size."""
        return self.sizes[-1][1]

    def train_at(self, done: float) -> Loader:
        """Return the loader of an epoch that begins when a share of the run is done."""
        return [loader for start, loader in self.sizes if start <= done + 1e-9][-1]

    def shares(self) -> list[tuple[Loader, float]]:
        """Return each training loader with the share of the run that it serves, about."""
        ends = [*(start for start, _ in self.sizes[1:]), 1.0]
        return [(loader, end - start) for (start, loader), end in zip(self.sizes, ends)]


def open_loaders(data: Data, recipe: Recipe, *, preprocess: Preprocess, workers: int) -> Loaders:
    """Return the loaders of a run; images that fit in memory need no workers.

    Raises:
        DataError: a split without images.
        UsageError: a batch that the processes cannot share evenly.
    """
    process = this_process()
    for split in (data.train, data.val):
        if len(split) == 0:
            raise DataError(f"{data.spec}: the split {split.name} has no images")
    if recipe.batch % process.world:
        raise UsageError(
            f"recipe: batch = {recipe.batch} cannot be shared by {process.world} processes; "
            f"choose a multiple of {process.world}"
        )
    share = recipe.batch // process.world
    weights = None
    if recipe.examples.balance == "sampler":
        by_class = inverse_frequency(data.train.labels, classes=len(data.classes))
        weights = by_class.tolist()
    sizes = tuple(
        (
            start,
            Loader(
                data.train,
                replace(preprocess, size=size),
                batch=share,
                seed=recipe.seed,
                augment=recipe.augment,
                workers=workers,
                rank=process.rank,
                world=process.world,
                weights=weights,
            ),
        )
        for start, size in recipe.examples.sizes or ((0.0, preprocess.size),)
    )
    val = Loader(
        data.val,
        preprocess,
        batch=max(share, 64),
        workers=workers,
        rank=process.rank,
        world=process.world,
    )
    used = 0 if sizes[-1][1].in_memory else workers
    return Loaders(sizes, val, data.train, data.val, preprocess, len(data.classes), used)


def inverse_frequency(labels: NDArray[np.int64], *, classes: int) -> NDArray[np.float32]:
    """Return weights by class whose average over the images is 1; absent classes get 0.

    >>> inverse_frequency(np.array([0, 0, 0, 1]), classes=2).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = len(labels) / (present.sum() * np.maximum(counts, 1))
    return np.where(present, weights, 0.0).astype(np.float32)

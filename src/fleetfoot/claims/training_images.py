"""The images that the trainings of claims see: stratified parts of small sets, held in memory.

Letters  N images, H height, W width, C channels
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fleetfoot.core.seeds import rng
from fleetfoot.data.open_data import open_data
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data, Split
from fleetfoot.data.source import ArrayReader

Part = Literal["train", "val", "test"]


class Images(NamedTuple):
    """A data set: the words that open it, and its side, mean and std in 0-255 units."""

    spec: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


DATA = {
    "cifar10": Images("cifar10:{folder}/cifar10", 32, (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
    "mnist": Images("mnist:{folder}/mnist", 28, (33.3,), (78.6,)),
    "photos": Images("{folder}/photos", 256, (127.0,) * 3, (128.0,) * 3),  # their centre squares
    "digits": Images("digits", 8, (78.0,), (96.0,)),
}


@cache
def images_of(data: str, folder: Path | None, part: Part, count: int | None) -> Split:
    """Return a stratified part of a data set, the same in every call; decoded once in a process.

    Args:
        data: a name in `DATA`.
        folder: the data folder; None for a set that needs none.
        part: "test" means "val" where a set has no test images.
        count: how many images; None for all.
    """
    splits = _opened(data, folder).splits
    whole = splits.get(part, splits["val"])
    places = list(range(len(whole))) if count is None else stratified(whole.labels, count)
    square = preprocess_of(data, channels=3)  # photographs have many shapes
    stack_NHWC = np.stack([square.crop(whole.read(place)) for place in places])
    samples = tuple(
        replace(whole.samples[place], index=index, key=f"{part}#{index}")
        for index, place in enumerate(places)
    )
    return Split(whole.name, samples, ArrayReader({part: stack_NHWC}))


def normalised(split: Split, preprocess: Preprocess, places: Iterable[int]) -> Tensor:
    """Return the images at some places of a split as network input, (N, C, H, W), on the CPU."""
    crops = np.stack([preprocess.crop(split.read(place)) for place in places])
    return torch.from_numpy(preprocess.normalise(crops))


def stratified(labels: NDArray[np.int64], count: int) -> list[int]:
    """Return rising places of ``count`` images: every class in turn gives one of its own.

    >>> stratified(np.array([1, 0, 1]), 3)
    [0, 1, 2]
    """
    seen: dict[int, int] = {}
    turns: list[tuple[int, int]] = []
    for place in rng(0, "claims", "part").permutation(len(labels)).tolist():
        label = int(labels[place])
        seen[label] = seen.get(label, 0) + 1
        turns.append((seen[label], place))
    return sorted(place for _, place in sorted(turns)[:count])


def preprocess_of(
    data: str,
    *,
    size: int | None = None,
    channels: int | None = None,
    pixels: Mapping[str, Any] | None = None,
) -> Preprocess:
    """Return a data set's numbers, less those that `training.train_once` was given instead."""
    words = DATA[data]
    mean, std = words.mean, words.std
    if channels not in (None, len(mean)):
        mean, std = ((sum(of) / len(of),) * channels for of in (mean, std))
    published = Preprocess(
        size=size or words.size,
        crop_fraction=1.0,
        interpolation="bilinear",
        mean=mean,
        std=std,
        channels=len(mean),
    )
    return replace(published, **(pixels or {}))


@cache
def _opened(data: str, folder: Path | None) -> Data:
    return open_data(DATA[data].spec.format(folder=folder))

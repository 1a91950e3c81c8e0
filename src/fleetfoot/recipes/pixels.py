"""How a run turns images into the input of its network.

Letters  P pixels
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fleetfoot.core.seeds import rng
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.deploy.gate import spread
from fleetfoot.nets.weights import pretrained
from fleetfoot.recipes.run_spec import RunSpec, saved_weights

SMALL = 64  # pixels: up to here images are evaluated whole


def preprocess_for(spec: RunSpec, data: Data) -> Preprocess:
    """Return the numbers that fit the initial weights, or those of the training images.

    How many bits of 16 count is always what the images say.
    """
    return replace(_preprocess(spec, data), depth=data.depth)


def _preprocess(spec: RunSpec, data: Data) -> Preprocess:
    info = pretrained(spec.net) if spec.weights == "auto" else None
    if info is not None:
        return Preprocess.from_json({**info.preprocess, "size": spec.size})
    saved = saved_weights(spec)
    if saved is not None and saved.preprocess is not None:
        return Preprocess.from_json({**saved.preprocess, "size": spec.size})
    pixels = _some_pixels(data)
    grey = bool((pixels == pixels[:, :1]).all())
    values = pixels[:, :1] if grey else pixels
    std = np.maximum(values.std(axis=0), 1.0)
    if spec.recipe.examples.centred_input:
        std = np.ones_like(std)
    small = spec.size <= SMALL
    return Preprocess(
        size=spec.size,
        crop_fraction=spec.recipe.examples.crop_fraction or (1.0 if small else 0.9),
        interpolation="bilinear" if small else "bicubic",
        mean=tuple(round(float(mean), 1) for mean in values.mean(axis=0)),
        std=tuple(round(float(deviation), 1) for deviation in std),
        channels=1 if grey else 3,
    )


def _some_pixels(data: Data) -> np.ndarray[Any, Any]:
    """Return pixels of up to 256 training images, (P, 3), drawn alike every time."""
    draw = rng(0, "statistics")
    found: list[np.ndarray[Any, Any]] = []
    for index in spread(len(data.train), 256):
        flat = data.train.read(int(index)).reshape(-1, 3)
        found.append(flat[draw.integers(0, len(flat), 512)])
    return np.concatenate(found)

"""Augmentation: what is done to training images before they are mixed and normalised.

Each image's numbers are a function of (seed, epoch, index), drawn in `draws`; here they are only
applied. Crops and flips are NumPy and Pillow; RandAugment is torchvision's, imported when asked
for. `mix` has what combines several images.

Papers   random resized crop: Szegedy et al., 2014, arXiv:1409.4842, section 6; padded crop and
         flip: He et al., 2015, arXiv:1512.03385, section 4.2, with reflection instead of zeros;
         RandAugment: Cubuk et al., 2019, arXiv:1909.13719; alternating flip: Jordan, 2024,
         arXiv:2404.00498, section 3.6
Letters  N or B images, S size, C channels, P padding, K random numbers per image
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from PIL import Image

from fleetfoot.core.errors import UsageError, require
from fleetfoot.data.decode import Pixels
from fleetfoot.data.draws import uniforms
from fleetfoot.data.preprocess import Box

CROPS = ("none", "pad", "resized")
ATTEMPTS = 10
RAND_AUGMENT_OPS = 2

# Which of an image's random numbers serves what.
FLIP, DOWN, RIGHT, RAND_AUGMENT, FIRST_ATTEMPT = range(5)
NUMBERS = FIRST_ATTEMPT + 2 * ATTEMPTS


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What to do to training images; the default does a random resized crop and a flip.

    Attributes:
        crop: "none" (the evaluation crop), "pad" (that, shifted by up to ``pad``, borders
            reflected) or "resized" (a random box of the whole image).
        pad: pixels.
        scale: area of the random box as a share of the image's, smallest and largest.
        ratio: width by height of the random box, smallest and largest.
        flip: probability of a left-right flip; "alternate" flips each image every other epoch.
        rand_augment: magnitude 0 to 30 of two random operations; None for none.
        mixup: alpha of mixup; 0 for none.
        cutmix: alpha of cutmix; 0 for none.
        mix_probability: share of batches that are mixed at all.
        erasing: probability that a random rectangle of an image is erased.
    """

    crop: Literal["none", "pad", "resized"] = "resized"
    pad: int = 4
    scale: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float | Literal["alternate"] = 0.5
    rand_augment: int | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    mix_probability: float = 1.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise UsageError(f"augment: {problem}")

    def _problem(self) -> str | None:
        if self.crop not in CROPS:
            return f"crop is {self.crop!r}, must be one of {', '.join(CROPS)}"
        if self.pad < 0:
            return f"pad is {self.pad}, must not be negative"
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            return f"scale is {self.scale}, must be 0 < smallest <= largest <= 1"
        if not 0 < self.ratio[0] <= self.ratio[1]:
            return f"ratio is {self.ratio}, must be 0 < smallest <= largest"
        if self.rand_augment is not None and not 0 <= self.rand_augment <= 30:
            return f"rand_augment is {self.rand_augment}, must be 0 to 30"
        if min(self.mixup, self.cutmix) < 0:
            return "mixup and cutmix must not be negative"
        chances = {"mix_probability": self.mix_probability, "erasing": self.erasing}
        if self.flip != "alternate":
            chances["flip"] = self.flip
        for name, value in chances.items():
            if isinstance(value, str) or not 0 <= value <= 1:
                return f"{name} is {value!r}, must be 0 to 1"
        return None


def draw(
    augment: Augment,
    *,
    seed: int,
    epoch: int,
    indices: NDArray[np.int64],
    occurrences: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each image's random numbers (B, K) and whether it is flipped (B,)."""
    numbers_BK = uniforms(
        seed, "augment", epoch, indices=indices, occurrences=occurrences, count=NUMBERS
    )
    if augment.flip == "alternate":
        phase_B = uniforms(seed, "flip phase", indices=indices, count=1)[:, 0] < 0.5
        return numbers_BK, phase_B ^ (epoch % 2 == 1)
    return numbers_BK, numbers_BK[:, FLIP] < augment.flip


def random_box(height: int, width: int, augment: Augment, numbers_K: NDArray[np.float64]) -> Box:
    """Return a random box of an image: left, top, right, bottom, in pixels.

    Area and logarithm of the shape are uniform; after ten boxes that do not fit, the largest
    centred box of an allowed shape.
    """
    log_ratio = (math.log(augment.ratio[0]), math.log(augment.ratio[1]))
    for attempt in range(ATTEMPTS):
        first, second = numbers_K[FIRST_ATTEMPT + 2 * attempt : FIRST_ATTEMPT + 2 * attempt + 2]
        area = height * width * _between(augment.scale, first)
        ratio = math.exp(_between(log_ratio, second))
        box_width, box_height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if box_width <= width and box_height <= height:
            left = (width - box_width) * float(numbers_K[RIGHT])
            top = (height - box_height) * float(numbers_K[DOWN])
            return left, top, min(left + box_width, width), min(top + box_height, height)
    ratio = min(max(width / height, augment.ratio[0]), augment.ratio[1])
    box_width, box_height = min(width, height * ratio), min(height, width / ratio)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, left + box_width, top + box_height


def shifted(images_NSSC: Pixels, pad: int, numbers_NK: NDArray[np.float64]) -> Pixels:
    """Return each image shifted by up to ``pad`` pixels either way, its borders reflected.

    Equal to padding by reflection and cropping at a random place.
    """
    count, size, _, channels = images_NSSC.shape
    pad = min(pad, size - 1)  # a reflection has nothing more to show
    if pad == 0:
        return images_NSSC
    padded = np.pad(images_NSSC, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
    places = 2 * pad + 1
    down_N = (numbers_NK[:, DOWN] * places).astype(np.int64)
    right_N = (numbers_NK[:, RIGHT] * places).astype(np.int64)
    # Every crop as a view whose rows are whole runs of memory: the copy is one move per row.
    image_step, row_step, pixel_step, _ = padded.strides
    windows = as_strided(
        padded,
        (count, places, places, size, size * channels),
        (image_step, row_step, pixel_step, row_step, 1),
        writeable=False,
    )
    crops = windows[np.arange(count), down_N, right_N]
    return crops.reshape(count, size, size, channels)


def flipped(images_NSSC: Pixels, is_flipped_N: NDArray[np.bool_]) -> Pixels:
    """Return the images, some of them mirrored left to right."""
    size = images_NSSC.shape[2]
    result = images_NSSC.copy()
    result[is_flipped_N] = images_NSSC[is_flipped_N].take(np.arange(size - 1, -1, -1), axis=2)
    return result


def rand_augmented(images_NSSC: Pixels, magnitude: int, numbers_NK: NDArray[np.float64]) -> Pixels:
    """Return the images after two random operations each, by torchvision's RandAugment.

    Raises:
        MissingError: torchvision is absent or broken.
    """
    torch: Any = require("torch", extra="train")
    v2: Any = require("torchvision.transforms.v2", extra="train")
    operation = v2.RandAugment(num_ops=RAND_AUGMENT_OPS, magnitude=magnitude)
    results = np.empty_like(images_NSSC)
    with torch.random.fork_rng(devices=[]):
        for place, image in enumerate(images_NSSC):
            torch.default_generator.manual_seed(int(numbers_NK[place, RAND_AUGMENT] * 2**53))
            grey = image.shape[2] == 1
            picture = operation(Image.fromarray(image[:, :, 0] if grey else image))
            results[place] = np.asarray(picture).reshape(image.shape)
    return results


def augmented(
    images_NSSC: Pixels,
    augment: Augment,
    numbers_NK: NDArray[np.float64],
    is_flipped_N: NDArray[np.bool_],
) -> Pixels:
    """Return a batch after everything but the random box, which needs the whole image."""
    if augment.crop == "pad":
        images_NSSC = shifted(images_NSSC, augment.pad, numbers_NK)
    if is_flipped_N.any():
        images_NSSC = flipped(images_NSSC, is_flipped_N)
    if augment.rand_augment is not None:
        images_NSSC = rand_augmented(images_NSSC, augment.rand_augment, numbers_NK)
    return images_NSSC


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(share)

"""Augmentation: what is done to training images before they are mixed and normalised.

Each image's numbers are a function of (seed, epoch, index), drawn in `draws`; here they are only
applied. Crops and flips are NumPy and Pillow; RandAugment and AutoAugment are torchvision's,
imported when asked for. `colour_pca` has the noise of colours, `mix` what combines several images.

Papers   random resized crop: Szegedy et al., 2014, arXiv:1409.4842, section 6; padded crop and
         flip: He et al., 2015, arXiv:1512.03385, section 4.2, with reflection instead of zeros;
         crop inside the centre square: Krizhevsky et al., 2012, section 4.1; RandAugment: Cubuk et
         al., 2019, arXiv:1909.13719; AutoAugment: arXiv:1805.09501; alternating flip: Jordan, 2024,
         arXiv:2404.00498, section 3.6
Letters  N or B images, S size, C channels, P padding, K random numbers per image
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fleetfoot.core.errors import require
from fleetfoot.core.ranges import (
    AtLeastZero,
    NotNegative,
    Range,
    Share,
    check_fields,
    is_number,
    whole,
)
from fleetfoot.data.colour_pca import Colours, colour_shifted
from fleetfoot.data.decode import Pixels, picture_of
from fleetfoot.data.draws import uniforms
from fleetfoot.data.preprocess import Box

ATTEMPTS = 10
RAND_AUGMENT_OPS, MOST_MAGNITUDE = 2, 30


def _bounds(most: float, words: str) -> Range:
    def allows(value: Any) -> bool:
        pair = isinstance(value, tuple) and len(value) == 2 and all(map(is_number, value))
        return pair and 0 < value[0] <= value[1] <= most

    return Range(allows, words)


Bounds = tuple[float, float]
Areas = Annotated[Bounds, _bounds(1, "two numbers, 0 < smallest <= largest <= 1")]
Ratios = Annotated[Bounds, _bounds(math.inf, "two numbers, 0 < smallest <= largest")]
Magnitude = Annotated[int, whole(0, MOST_MAGNITUDE)]

# Which of an image's random numbers serves what.
FLIP, DOWN, RIGHT, RAND_AUGMENT, FIRST_ATTEMPT = range(5)
FIRST_COLOUR = FIRST_ATTEMPT + 2 * ATTEMPTS
NUMBERS = FIRST_COLOUR + 4


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What to do to a batch of normalised images; see `mix`.

    Attributes:
        mixup: alpha of mixup; 0 for none.
        cutmix: alpha of cutmix; 0 for none.
        mix_probability: share of batches that are mixed at all.
        erasing: probability that a random rectangle of an image is erased.
    """

    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0
    mix_probability: Share = 1.0
    erasing: Share = 0.0

    def __post_init__(self) -> None:
        check_fields(self, what="augment")


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What to do to training images; the default does a random resized crop and a flip.

    Attributes:
        crop: "none" (the evaluation crop), "pad" (that, shifted by up to ``pad``, borders
            reflected), "inside" (that, at a random place of the largest centred square) or
            "resized" (a random box of the whole image).
        pad: pixels.
        scale: area of the random box as a share of the image's, smallest and largest.
        ratio: width by height of the random box, smallest and largest.
        flip: probability of a left-right flip; "alternate" flips each image every other epoch.
        rand_augment: magnitude 0 to 30 of two random operations; None for none.
        rand_augment_std: standard deviation of that magnitude from image to image.
        auto_augment: the operations that were learnt on ImageNet.
        colour_pca: noise along the principal axes of colours: of ImageNet as AlexNet's code has
            them ("stored"), of the training images ("computed"), or "none".
        mix: what combines the images of a batch, and erases parts of them.
    """

    crop: Literal["none", "pad", "inside", "resized"] = "resized"
    pad: AtLeastZero = 4
    scale: Areas = (0.35, 1.0)
    ratio: Ratios = (3 / 4, 4 / 3)
    flip: Share | Literal["alternate"] = 0.5
    rand_augment: Magnitude | None = None
    rand_augment_std: NotNegative = 0.0
    auto_augment: bool = False
    colour_pca: Colours = "none"
    mix: Mix = Mix()

    def __post_init__(self) -> None:
        check_fields(self, what="augment")

    @property
    def cuts(self) -> bool:
        """Whether the crop is cut out of the whole image, and not made of the evaluated one."""
        return self.crop in ("inside", "resized")


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


def inner_box(
    height: int, width: int, size: int, crop_fraction: float, numbers_K: NDArray[np.float64]
) -> Box:
    """Return the evaluation square at a random place of the largest centred square of an image.

    Places are whole pixels at the size of the input: 33 each way for 224 pixels of 256.

    Args:
        height, width: of the image.
        size: side of the input, pixels.
        crop_fraction: side of the evaluation square as a share of the short side.
        numbers_K: the image's random numbers.
    """
    whole = min(height, width)
    side = whole * crop_fraction
    places = round(size / crop_fraction) - size + 1
    down, right = (int(numbers_K[which] * places) / max(places - 1, 1) for which in (DOWN, RIGHT))
    left = (width - whole) / 2 + right * (whole - side)
    top = (height - whole) / 2 + down * (whole - side)
    return left, top, left + side, top + side


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


def rand_augmented(
    images_NSSC: Pixels, magnitude: int, numbers_NK: NDArray[np.float64], *, std: float = 0.0
) -> Pixels:
    """Return the images after two random operations each, by torchvision's RandAugment.

    Args:
        images_NSSC: uint8, (N, S, S, C).
        magnitude: 0 to 30.
        numbers_NK: the images' random numbers.
        std: of the magnitude from image to image; it stays within 0 to 30.

    Raises:
        MissingError: torchvision is absent or broken.
    """
    v2: Any = require("torchvision.transforms.v2", extra="train")

    def operation(torch: Any) -> Any:
        drawn = magnitude + (std * torch.randn(()).item() if std else 0.0)
        own = round(min(max(drawn, 0.0), float(MOST_MAGNITUDE)))
        return v2.RandAugment(num_ops=RAND_AUGMENT_OPS, magnitude=own)

    return _operated(images_NSSC, operation, numbers_NK)


def auto_augmented(images_NSSC: Pixels, numbers_NK: NDArray[np.float64]) -> Pixels:
    """Return the images after a policy that was learnt on ImageNet, by torchvision's AutoAugment.

    Raises:
        MissingError: torchvision is absent or broken.
    """
    v2: Any = require("torchvision.transforms.v2", extra="train")
    policy = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)
    return _operated(images_NSSC, lambda _: policy, numbers_NK)


def _operated(
    images_NSSC: Pixels, operation_of: Callable[[Any], Any], numbers_NK: NDArray[np.float64]
) -> Pixels:
    """Return what operations that draw from torch's generator make of each image."""
    torch: Any = require("torch", extra="train")
    results = np.empty_like(images_NSSC)
    with torch.random.fork_rng(devices=[]):
        for place, image in enumerate(images_NSSC):
            torch.default_generator.manual_seed(int(numbers_NK[place, RAND_AUGMENT] * 2**53))
            grey = image.shape[2] == 1
            picture = operation_of(torch)(picture_of(image[:, :, 0] if grey else image))
            results[place] = np.asarray(picture).reshape(image.shape)
    return results


def augmented(
    images_NSSC: Pixels,
    augment: Augment,
    numbers_NK: NDArray[np.float64],
    is_flipped_N: NDArray[np.bool_],
    axes_33: NDArray[np.float64] | None = None,
) -> Pixels:
    """Return a batch after everything but the random box, which needs the whole image.

    Args:
        images_NSSC: uint8, (N, S, S, C).
        augment: what to do.
        numbers_NK: the images' random numbers.
        is_flipped_N: which are mirrored.
        axes_33: axes of the colour noise, where there is any.
    """
    if augment.crop == "pad":
        images_NSSC = shifted(images_NSSC, augment.pad, numbers_NK)
    if is_flipped_N.any():
        images_NSSC = flipped(images_NSSC, is_flipped_N)
    if augment.rand_augment is not None:
        std = augment.rand_augment_std
        images_NSSC = rand_augmented(images_NSSC, augment.rand_augment, numbers_NK, std=std)
    if augment.auto_augment:
        images_NSSC = auto_augmented(images_NSSC, numbers_NK)
    if axes_33 is not None:
        images_NSSC = colour_shifted(images_NSSC, axes_33, numbers_NK[:, FIRST_COLOUR:])
    return images_NSSC


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(share)

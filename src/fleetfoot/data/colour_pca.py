"""Colour noise along the principal axes of the colours of natural images.

    image <- image + P [a1 s1, a2 s2, a3 s3],   a_i ~ N(0, 0.1), one draw for an image

Paper    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012,
         section 4.1; `STORED` is what the author's code, cuda-convnet2, has for ImageNet
Departs  the paper writes eigenvalues, its code takes their roots, and so do we: on pixels in 0-255
         the eigenvalues would leave nothing of the image. That code also divides what it has
         shifted by 1.1; we keep the scale that evaluation has. Results are rounded to uint8 and end
         at 0 and 255
Letters  N or B images, S size, P pixels, K numbers per image
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import ShapeError
from fleetfoot.core.seeds import rng
from fleetfoot.data.decode import Pixels

Colours = Literal["none", "stored", "computed"]
STD = 0.1  # of the draws
IMAGES, PIXELS_OF_IMAGE = 1000, 256  # that `colour_axes` looks at

# Columns are the axes times the standard deviation along each, in 0-255 units, (3, 3).
STORED = np.array(
    [
        [0.41796, -0.71258, -0.56351],
        [-0.81698, -0.02354, -0.57618],
        [0.39731, 0.70120, -0.59200],
    ]
) * np.array([19.721, 37.094, 121.780])


def colour_axes(pixels_P3: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the principal axes of colours as columns, times the standard deviation along each.

    Args:
        pixels_P3: colours in 0-255 units, (P, 3).

    Returns:
        (3, 3), the weakest axis first; its sign means nothing.
    """
    covariance = np.cov(pixels_P3.astype(np.float64), rowvar=False, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def some_colours(read: Callable[[int], Pixels], images: int) -> NDArray[np.uint8]:
    """Return colours of up to `IMAGES` images, the same in every call, (P, 3).

    Args:
        read: from an index to an image of any size, uint8 (H, W, 3).
        images: how many there are.
    """
    draw = rng(0, "colours")
    places = np.linspace(0, images - 1, min(images, IMAGES)).astype(np.int64)
    flats = (read(int(place)).reshape(-1, 3) for place in places)
    return np.concatenate([flat[draw.integers(0, len(flat), PIXELS_OF_IMAGE)] for flat in flats])


def colour_shifted(
    images_NSSC: Pixels, axes_33: NDArray[np.float64], uniforms_NK: NDArray[np.float64]
) -> Pixels:
    """Return images, each shifted by one colour.

    Args:
        images_NSSC: uint8, (N, S, S, 3).
        axes_33: from `colour_axes`, or `STORED`.
        uniforms_NK: four numbers in [0, 1) for each image, (N, 4).

    Raises:
        ShapeError: the images have no three colours.
    """
    if images_NSSC.shape[-1] != 3:
        raise ShapeError(f"colour PCA needs three colours, got {images_NSSC.shape[-1]}")
    shift_N3 = STD * _normals(uniforms_NK) @ axes_33.T
    shifted = images_NSSC + shift_N3[:, None, None, :].astype(np.float32)
    return np.clip(np.rint(shifted), 0, 255).astype(np.uint8)


def _normals(uniforms_NK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return three standard normal numbers for four uniform ones, by Box and Muller, (N, 3)."""
    radius_N2 = np.sqrt(-2 * np.log1p(-uniforms_NK[:, :2]))
    angle_N2 = 2 * np.pi * uniforms_NK[:, 2:4]
    first_N2, second_N2 = radius_N2 * np.cos(angle_N2), radius_N2 * np.sin(angle_N2)
    return np.concatenate((first_N2, second_N2[:, :1]), axis=1)

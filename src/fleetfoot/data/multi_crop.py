"""Several views of an image for evaluation: places, sizes and mirror images.

Papers   10 views, four corners and the centre of the largest centred square, and their mirror
         images: Krizhevsky et al., 2012, section 4.1; 144 views, 4 sizes x 3 squares x 6 crops x
         mirror images: Szegedy et al., 2014, arXiv:1409.4842, section 7, as batch norm's paper
         (arXiv:1502.03167) evaluates
Departs  sizes of 144 are shares of the image, 224 pixels of 256, 288, 320 and 352, whatever the
         input; boxes are cut and resized in one step
Letters  V views, S size, C channels
"""

from typing import NamedTuple

import numpy as np

from fleetfoot.core.errors import UsageError
from fleetfoot.data.decode import Pixels
from fleetfoot.data.preprocess import Box, Preprocess

COUNTS = (1, 2, 10, 144)
SHARES_OF_144 = tuple(224 / side for side in (256, 288, 320, 352))


class View(NamedTuple):
    """A part of an image, and whether it is mirrored left to right."""

    box: Box
    mirrored: bool


def check_count(count: int) -> None:
    """Refuse a number of views that `views_of` does not have.

    Raises:
        UsageError: it is not in `COUNTS`.
    """
    if count not in COUNTS:
        raise UsageError(f"--crops {count}: is not one of {', '.join(map(str, COUNTS))}")


def views_of(height: int, width: int, preprocess: Preprocess, count: int) -> tuple[View, ...]:
    """Return the views of an image; the plain ones first, then their mirror images.

    Args:
        height, width: of the image, pixels.
        preprocess: its crop fraction is the side of a crop of 1, 2 and 10 views.
        count: 1 (the evaluation square), 2, 10 or 144.

    Raises:
        UsageError: another count, or crops that would be the whole square.
    """
    check_count(count)
    if count == 10 and preprocess.crop_fraction == 1:
        raise UsageError(
            "10 crops: this network is evaluated on the whole square, which has no corners to "
            "cut; 2 adds the mirror image, 144 cuts smaller squares"
        )
    boxes = _boxes(height, width, preprocess.crop_fraction, count)
    plain = tuple(View(box, mirrored=False) for box in boxes)
    mirrored = tuple(View(box, mirrored=True) for box in boxes)
    return plain if count == 1 else plain + mirrored


def seen(image: Pixels, view: View, preprocess: Preprocess) -> Pixels:
    """Return a view of an image at the input's size, uint8 (S, S, C)."""
    size = preprocess.size
    whole = view.box == (0, 0, size, size) and image.shape[:2] == (size, size)
    pixels = preprocess.cut(image, None if whole else view.box)
    return np.ascontiguousarray(pixels[:, ::-1]) if view.mirrored else pixels


def _boxes(height: int, width: int, crop_fraction: float, count: int) -> list[Box]:
    middle = _squares(height, width)[1]
    if count <= 2:
        return [_inside(middle, crop_fraction)[-1]]
    if count == 10:
        return _inside(middle, crop_fraction)
    return [
        box
        for share in SHARES_OF_144
        for square in _squares(height, width)
        for box in (*_inside(square, share), square)
    ]


def _squares(height: int, width: int) -> tuple[Box, Box, Box]:
    """Return the largest squares at both ends of the long side, and between them the middle one."""
    side = min(height, width)
    right, down = width - side, height - side
    first, middle, last = (
        (share * right, share * down, share * right + side, share * down + side)
        for share in (0.0, 0.5, 1.0)
    )
    return first, middle, last


def _inside(square: Box, share: float) -> list[Box]:
    """Return the four corners of a square, and its centre, with a share of its side."""
    left, top, right, _ = square
    side = (right - left) * share
    rest = right - left - side
    places = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5))
    corners = ((left + across * rest, top + down * rest) for across, down in places)
    return [(x, y, x + side, y + side) for x, y in corners]

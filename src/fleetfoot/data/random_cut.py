"""Scaling a random box of a training image to the input's size, three times as fast as Pillow.

Torch has the same filters for uint8 with vector instructions. Edges are rounded to whole pixels
here, which moves a random box by at most half of one, and what lies beyond them is not read.
Evaluation and prediction stay with `Preprocess.cut`; their images have to be the same everywhere.

Letters  H height, W width, S size, C channels
"""

import numpy as np
import torch
import torch.nn.functional as F

from fleetfoot.data.decode import Pixels
from fleetfoot.data.preprocess import Box, Preprocess

FILTERS = ("bilinear", "bicubic")


def random_cut(preprocess: Preprocess, image: Pixels, box: Box) -> Pixels:
    """Return a box of an image at the input's size, uint8 (S, S, C).

    Args:
        preprocess: gives size, filter and channels; another filter than `FILTERS`, and grey
            input of colour images, are left to Pillow.
        image: uint8 (H, W, C).
        box: left, top, right, bottom in pixels; rounded to whole ones, at least one each way.
    """
    if preprocess.interpolation not in FILTERS or preprocess.channels != image.shape[2]:
        return preprocess.cut(image, box)
    height, width, _ = image.shape
    left, top = min(round(box[0]), width - 1), min(round(box[1]), height - 1)
    right, bottom = max(round(box[2]), left + 1), max(round(box[3]), top + 1)
    part = np.array(image[top:bottom, left:right])  # torch takes no memory that is read-only
    scaled = F.interpolate(
        torch.from_numpy(part).permute(2, 0, 1)[None],
        (preprocess.size, preprocess.size),
        mode=preprocess.interpolation,
        antialias=True,
    )
    return scaled[0].permute(1, 2, 0).contiguous().numpy()

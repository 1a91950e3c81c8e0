"""Cutout and random erasing, as first published: a part of each training image becomes 0.

0 is the mean colour, since images are normalised. Draws come from a generator of the CPU.

Papers   cutout: DeVries & Taylor, 2017, arXiv:1708.04552; random erasing: Zhong et al., 2017,
         arXiv:1708.04896, algorithm 1
Departs  erasing fills with the mean colour, as the paper's table 5 does in one column, not with
         noise. torchvision's erasing differs in its area, in how it draws the shape and in the fill
Letters  N images, C channels, H height, W width
"""

import torch
from torch import Tensor

AREA = (0.02, 0.4)  # of an erased rectangle, as a share of the image
SHAPE = (0.3, 1 / 0.3)  # its height over its width
ATTEMPTS = 100


def cutout(images: Tensor, generator: torch.Generator, *, side: int, holes: int = 1) -> Tensor:
    """Return images with squares of 0 whose centres are uniform over all pixels.

    Squares are clipped at the borders, so on average less than ``side ** 2`` pixels go.

    Args:
        images: (N, C, H, W); left alone.
        generator: of the draws.
        side: of a square, pixels.
        holes: squares an image.
    """
    height, width = images.shape[2:]
    for _ in range(holes):
        down_N = torch.randint(height, (len(images),), generator=generator)
        right_N = torch.randint(width, (len(images),), generator=generator)
        top, left = down_N - side // 2, right_N - side // 2
        images = _erased(images, top, left, top + side, left + side)
    return images


def random_erasing(images: Tensor, generator: torch.Generator, *, chance: float) -> Tensor:
    """Return images of which a share has a rectangle of 0 of random area, shape and place.

    Area and shape are drawn until the rectangle is smaller than the image in both directions, up to
    100 times.

    Args:
        images: (N, C, H, W); left alone.
        generator: of the draws.
        chance: probability that an image is erased.
    """
    boxes = torch.tensor([_box(images.shape[2], images.shape[3], generator) for _ in images])
    chosen_N = torch.rand(len(images), generator=generator) < chance
    top, left, bottom, right = (boxes * chosen_N[:, None]).unbind(dim=1)
    return _erased(images, top, left, bottom, right)


def _box(height: int, width: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Return a random rectangle: top, left, bottom, right; an empty one if none fits."""
    for area, shape in torch.rand(ATTEMPTS, 2, generator=generator, dtype=torch.float64).tolist():
        pixels = height * width * (AREA[0] + (AREA[1] - AREA[0]) * area)
        ratio = SHAPE[0] + (SHAPE[1] - SHAPE[0]) * shape
        rows, columns = round((pixels * ratio) ** 0.5), round((pixels / ratio) ** 0.5)
        if rows < height and columns < width:
            top = int(torch.randint(height - rows + 1, (), generator=generator))
            left = int(torch.randint(width - columns + 1, (), generator=generator))
            return top, left, top + rows, left + columns
    return 0, 0, 0, 0


def _erased(images: Tensor, top: Tensor, left: Tensor, bottom: Tensor, right: Tensor) -> Tensor:
    rows, columns = torch.arange(images.shape[2]), torch.arange(images.shape[3])
    row_NH = (rows >= top[:, None]) & (rows < bottom[:, None])
    column_NW = (columns >= left[:, None]) & (columns < right[:, None])
    inside = row_NH[:, None, :, None] & column_NW[:, None, None, :]
    return images.masked_fill(inside.to(images.device), 0.0)

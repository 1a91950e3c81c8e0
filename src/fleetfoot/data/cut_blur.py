"""CutBlur: exchange a box between an image and its low-resolution form, for super-resolution.

The target stays the image in high resolution. There is no word of a recipe for it: what learns to
classify has no low-resolution input.

Paper    Yoo et al., "Rethinking Data Augmentation for Image Super-resolution", CVPR 2020,
         arXiv:2004.00448, section 3.1
Departs  nowhere
Letters  N images, C channels, H height, W width
"""

import torch
from torch import Tensor

from fleetfoot.core.errors import ShapeError


def cut_blur(
    low: Tensor, high: Tensor, generator: torch.Generator, *, alpha: float = 0.7
) -> Tensor:
    """Return inputs of which a box has one resolution and the rest the other.

    One box a batch; its sides are alpha + 0.01 * normal of the image's, and with probability 1/2
    the box has the high resolution, else the low one.

    Args:
        low: images in low resolution, scaled up to the size of ``high``, (N, C, H, W).
        high: the same images in high resolution.
        generator: of the draws, on the CPU.
        alpha: mean side of the box as a share of the image's.

    Raises:
        ShapeError: the two differ in shape.
    """
    if low.shape != high.shape:
        raise ShapeError(f"cut_blur needs equal shapes, got {low.shape} and {high.shape}")
    height, width = low.shape[2:]
    share = alpha + 0.01 * float(torch.randn((), generator=generator))
    rows, columns = (min(side, max(0, int(side * share))) for side in (height, width))
    top = int(torch.randint(height - rows + 1, (), generator=generator))
    left = int(torch.randint(width - columns + 1, (), generator=generator))
    inside = torch.zeros(height, width, dtype=torch.bool, device=low.device)
    inside[top : top + rows, left : left + columns] = True
    high_inside = bool(torch.rand((), generator=generator) < 0.5)
    return torch.where(inside == high_inside, high, low)

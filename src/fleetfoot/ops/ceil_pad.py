"""Zeros at the right and bottom so that the convolution after them rounds its size up.

Source   cuda-convnet: the last window hangs over the edge, 224 pixels under an 11x11 filter of
         stride 4 give 55 positions and not 54
Departs  nowhere; it is a module of its own before a plain, unpadded `torch.nn.Conv2d`
Cost     no arithmetic; one copy of the map
Letters  N batch, C channels, H height, W width
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula, free


def ceil_padding(size: int, *, kernel_size: int, stride: int) -> int:
    """Return the zeros that let the last window over an axis of ``size`` positions be whole.

    >>> [ceil_padding(size, kernel_size=11, stride=4) for size in (224, 227, 9)]
    [3, 0, 2]
    """
    return kernel_size - size if size < kernel_size else (kernel_size - size) % stride


def ceil_pad(x: Tensor, *, kernel_size: int, stride: int) -> Tensor:
    """Zero-pad a map (N, C, H, W) at the right and bottom for a convolution that rounds up."""
    bottom, right = (
        ceil_padding(size, kernel_size=kernel_size, stride=stride) for size in x.shape[-2:]
    )
    return F.pad(x, (0, right, 0, bottom))


class CeilPad2d(nn.Module):
    """`ceil_pad` for one convolution; put it right before a `Conv2d` with ``padding=0``."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = at_least(1, kernel_size, "kernel_size")
        self.stride = at_least(1, stride, "stride")

    def forward(self, x: Tensor) -> Tensor:
        return ceil_pad(x, kernel_size=self.kernel_size, stride=self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


cost_formula(CeilPad2d)(free)

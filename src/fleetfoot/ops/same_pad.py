"""TensorFlow's SAME padding: ceil(size / stride) output positions, the odd zero goes last.

Source   TensorFlow, tf.nn.convolution, padding="SAME"
Departs  nowhere; it is a module of its own before a plain, unpadded `torch.nn.Conv2d`
Cost     no arithmetic; one copy of the map
Letters  N batch, C channels, H height, W width
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula, free


def same_padding(size: int, *, kernel_size: int, stride: int) -> tuple[int, int]:
    """Return how many zeros SAME padding puts before and after an axis of ``size`` positions.

    >>> same_padding(224, kernel_size=3, stride=2), same_padding(225, kernel_size=3, stride=2)
    ((0, 1), (1, 1))
    """
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + kernel_size - size)
    return total // 2, total - total // 2


def same_pad(x: Tensor, *, kernel_size: int, stride: int) -> Tensor:
    """Zero-pad a map (N, C, H, W) so that the unpadded convolution after it is a SAME one."""
    height, width = x.shape[-2:]
    top, bottom = same_padding(height, kernel_size=kernel_size, stride=stride)
    left, right = same_padding(width, kernel_size=kernel_size, stride=stride)
    return F.pad(x, (left, right, top, bottom))


class SamePad2d(nn.Module):
    """`same_pad` for one convolution; put it right before a `Conv2d` with ``padding=0``."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = at_least(1, kernel_size, "kernel_size")
        self.stride = at_least(1, stride, "stride")

    def forward(self, x: Tensor) -> Tensor:
        return same_pad(x, kernel_size=self.kernel_size, stride=self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


cost_formula(SamePad2d)(free)

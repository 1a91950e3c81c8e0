"""Partial convolution (PConv): convolve the first quarter of the channels, hand the rest through.

Paper    Chen et al., "Run, Don't Walk", CVPR 2023, arXiv:2303.03667, section 3.2
Departs  nowhere; this is the split-and-concatenate form, which is also safe in training
Cost     H * W * K^2 * P^2 multiply-adds: 1/16 of the full convolution when P = C/4
Letters  N batch, C channels, P channels that are convolved, H height, W width, K kernel size
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.core.errors import ShapeError


def partial_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve the leading channels of ``x`` and keep the others as they are.

    Args:
        x: feature map, (N, C, H, W).
        weight: filters of odd size K over the first P <= C channels, (P, P, K, K).

    Returns:
        The new map, (N, C, H, W); the stride is 1, since the kept channels could not be aligned
        otherwise.

    Raises:
        ShapeError: the filters are not square or of even size, or cover more channels than there
            are.
    """
    mixed, kernel = weight.shape[0], weight.shape[-1]
    if weight.shape[1:3] != (mixed, kernel) or mixed > x.shape[1] or kernel % 2 == 0:
        raise ShapeError(
            f"partial_conv needs (P, P, K, K) filters with P <= {x.shape[1]} channels and odd K, "
            f"got {tuple(weight.shape)}"
        )
    head, rest = x.split([mixed, x.shape[1] - mixed], dim=1)
    return torch.cat((F.conv2d(head, weight, padding=kernel // 2), rest), dim=1)


class PartialConv2d(nn.Module):
    """`partial_conv` with learned 3x3 filters over ``channels // divisor`` channels.

    Raises:
        ShapeError: no channel is left to convolve.
    """

    def __init__(self, channels: int, *, divisor: int = 4) -> None:
        super().__init__()
        if divisor < 1 or channels // divisor < 1:
            raise ShapeError(
                f"PartialConv2d over 1/{divisor} of {channels} channels convolves none: "
                f"give at least {divisor} channels"
            )
        mixed = channels // divisor
        self.channels = channels
        self.weight = nn.Parameter(torch.empty(mixed, mixed, 3, 3))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the filters as `torch.nn.Conv2d` would."""
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return partial_conv(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.channels}, convolved={self.weight.shape[0]}, kernel={self.weight.shape[-1]}"


@cost_formula(PartialConv2d)
def _partial_conv_cost(module: PartialConv2d, in_shape: Shape) -> Cost:
    batch, _, height, width = in_shape
    return Cost(macs=batch * height * width * module.weight.numel())

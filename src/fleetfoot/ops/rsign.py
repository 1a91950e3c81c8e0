"""RSign and RPReLU: sign and PReLU with learnt shifts of each channel.

Paper    Liu et al., "ReActNet", ECCV 2020, arXiv:2003.03488, section 4.2
Departs  the shifts have one axis (C,), so that a recipe that spares norms and biases does not decay
         them; in the authors' code they have four, and are decayed
Cost     RSign four operations an element, RPReLU three
Letters  N batch, C channels
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, one_of
from fleetfoot.core.costs import cost_formula, per_element
from fleetfoot.ops.sign import SLOPES, binarise

SLOPE_BELOW_ZERO = 0.25  # of PReLU, at first


def of_channels(values: Tensor, x: Tensor) -> Tensor:
    """Return values (C,) in the shape and type in which they meet ``x``, (N, C, ...)."""
    return values.view(1, -1, *(1,) * (x.ndim - 2)).to(x.dtype)


class RSign(nn.Module):
    """The sign of ``x + b``, with a learnt b for each channel, 0 at first.

    Args:
        channels: C of the input (N, C, ...).
        slope: by which it learns, one of `ops.sign.SLOPES`.
    """

    def __init__(self, channels: int, *, slope: str = "polynomial") -> None:
        super().__init__()
        at_least(1, channels, "channels")
        self.slope = one_of(slope, SLOPES, "slope")
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return binarise(x + of_channels(self.bias, x), SLOPES[self.slope])

    def extra_repr(self) -> str:
        return f"{self.bias.numel()}, {self.slope}"


class RPReLU(nn.Module):
    """PReLU(x + g) + z with learnt g, z and slope below zero for each channel of (N, C, ...).

    With g = z = 0 and a slope of 1 it is the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least(1, channels, "channels")
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.weight = nn.Parameter(torch.full((channels,), SLOPE_BELOW_ZERO))
        self.shift_out = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        shifted = x + of_channels(self.shift_in, x)
        return F.prelu(shifted, self.weight.to(x.dtype)) + of_channels(self.shift_out, x)

    def extra_repr(self) -> str:
        return str(self.weight.numel())


cost_formula(RSign)(per_element(4))
cost_formula(RPReLU)(per_element(3))

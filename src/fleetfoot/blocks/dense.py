"""Dense blocks: each layer reads all maps before it and appends its own; norms come first.

Paper    Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, arXiv:1608.06993
Departs  nowhere
Cost     of the parts; the concatenation is a copy
Letters  N batch, H height, W width
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula
from fleetfoot.ops.conv import relu


def norm_act_conv(in_channels: int, out_channels: int, *, kernel_size: int) -> nn.Sequential:
    """Return batch norm, ReLU and a convolution that keeps the map's size, without bias."""
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=(kernel_size - 1) // 2, bias=False
    )
    return nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(in_channels), act=relu(), conv=conv))


class DenseLayer(nn.Module):
    """concat(x, grow(reduce(x))): (N, C, H, W) to (N, C + growth, H, W).

    Args:
        in_channels: C.
        growth: channels that the 3x3 convolution adds.
        bottleneck: channels of the 1x1 convolution in front of it; 0 leaves that out.

    Raises:
        UsageError: no channels in or to add, or fewer than none in between.
    """

    def __init__(self, in_channels: int, *, growth: int, bottleneck: int) -> None:
        super().__init__()
        at_least(1, in_channels, "in_channels")
        at_least(1, growth, "growth")
        at_least(0, bottleneck, "bottleneck")
        self.reduce = (
            norm_act_conv(in_channels, bottleneck, kernel_size=1) if bottleneck else nn.Identity()
        )
        self.grow = norm_act_conv(bottleneck or in_channels, growth, kernel_size=3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.grow(self.reduce(x))), dim=1)


cost_formula(DenseLayer)(cost_of_parts)


def transition(in_channels: int, out_channels: int, pool: nn.Module) -> nn.Sequential:
    """Return the layers between two blocks: norm, ReLU, 1x1 convolution, ``pool``."""
    layers = norm_act_conv(in_channels, out_channels, kernel_size=1)
    layers.add_module("pool", pool)
    return layers

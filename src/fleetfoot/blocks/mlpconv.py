"""mlpconv: a small multilayer perceptron slid over the map instead of a linear filter.

Paper    Lin, Chen, Yan, "Network In Network", ICLR 2014, arXiv:1312.4400, section 3.1
Departs  nowhere; any number of 1x1 layers, the paper has two
Cost     of its convolutions: the first K * K * C0 a channel and position, the others Ci
Letters  N batch, C channels, H height, W width, K side of the spatial filters
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.core.costs import cost_formula
from fleetfoot.core.errors import ShapeError


def mlpconv(
    x: Tensor, layers: Sequence[tuple[Tensor, Tensor]], *, stride: int = 1, padding: int = 0
) -> Tensor:
    """Return a ReLU network of every patch of ``x``, one output map (N, C, H', W').

    Args:
        x: feature map, (N, C0, H, W).
        layers: weight and bias of each layer: first (C1, C0, K, K), then (Ci+1, Ci, 1, 1).
        stride: of the first layer.
        padding: zeros around ``x`` on each side.
    """
    (weight, bias), *pointwise = layers
    x = F.conv2d(x, weight, bias, stride=stride, padding=padding).relu()
    for weight, bias in pointwise:
        x = F.conv2d(x, weight, bias).relu()
    return x


class MLPConv(nn.Sequential):
    """`mlpconv` as convolutions and ReLUs of their own, which rewrites and hooks can see.

    Args:
        in_channels: C0.
        channels: of each layer; the first is spatial, the others are 1x1.
        kernel_size: K, of the first layer.
        stride: of the first layer.
        padding: zeros on each side; None keeps the size of the map at stride 1.

    Raises:
        ShapeError: no layers or channels, or an even kernel whose padding is not given.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        *,
        kernel_size: int,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        if not channels:
            raise ShapeError("MLPConv needs the channels of at least one layer, got none")
        if padding is None and kernel_size % 2 == 0:
            raise ShapeError(f"MLPConv with kernel_size={kernel_size} needs padding=...")
        if min(in_channels, *channels, kernel_size, stride) < 1 or (padding or 0) < 0:
            raise ShapeError(
                "MLPConv needs channels, kernel and stride of at least 1 and no negative padding, "
                f"got {in_channels} to {', '.join(map(str, channels))}, "
                f"kernel_size={kernel_size}, stride={stride}, padding={padding}"
            )
        pad = kernel_size // 2 if padding is None else padding
        self.conv = nn.Conv2d(in_channels, channels[0], kernel_size, stride=stride, padding=pad)
        self.act = nn.ReLU()
        for index, (wide, out) in enumerate(pairwise(channels), start=1):
            self.add_module(f"mix{index}", nn.Conv2d(wide, out, 1))
            self.add_module(f"act{index}", nn.ReLU())


cost_formula(MLPConv)(cost_of_parts)

"""One-shot aggregation (OSA): a chain of convolutions, all concatenated once, at the end.

Paper    Lee et al., "An Energy and GPU-Computation Efficient Backbone Network for Real-Time
         Object Detection", CVPRW 2019, arXiv:1904.09730, section 3; eSE, shortcut and depthwise
         form are those of VoVNetV2, arXiv:1911.06667
Departs  nowhere
Cost     of the parts; the concatenation is a copy, a shortcut one operation an element
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula
from fleetfoot.core.errors import ShapeError
from fleetfoot.ops.conv import conv_norm_act, relu
from fleetfoot.ops.effective_squeeze_excite import EffectiveSqueezeExcite
from fleetfoot.ops.stochastic_depth import StochasticDepth

Map = Callable[[Tensor], Tensor]


def osa(x: Tensor, layers: Iterable[Map], *, reduce: Map, merge: Map) -> Tensor:
    """Return merge(concat(x, f1, f2, ..., fL)), f1 the first layer of reduce(x), f2 that of f1.

    Args:
        x: feature map, (N, C, H, W).
        layers: the chain; each keeps H and W.
        reduce: in front of the chain; ``x`` itself is joined.
        merge: of the joined channels.
    """
    maps, last = [x], reduce(x)
    for layer in layers:
        last = layer(last)
        maps.append(last)
    return merge(torch.cat(maps, dim=1))


def separable(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """Return a 3x3 depthwise and a 1x1 convolution with one norm and one ReLU after both."""
    depthwise = nn.Conv2d(
        in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels, bias=False
    )
    pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    norm = nn.BatchNorm2d(out_channels)
    return nn.Sequential(
        OrderedDict(depthwise=depthwise, pointwise=pointwise, norm=norm, act=relu())
    )


class OSA(nn.Module):
    """`osa` of convolutions, with the gate and the shortcut of VoVNetV2.

    Maps (N, in_channels, H, W) to (N, out_channels, H, W).

    Args:
        in_channels: of the input, which is the first part of the concatenation.
        width: channels of every layer of the chain.
        out_channels: of the 1x1 convolution at the end; None leaves the concatenation as it is.
        layers: L.
        depthwise: the chain is of separable convolutions, behind a 1x1 one where the input is
            not ``width`` wide.
        ese: scale the channels of the result.
        shortcut: add the input to the result, without another ReLU.
        drop_path: rate of stochastic depth in front of that sum.

    Raises:
        ShapeError: a shortcut from ``in_channels`` to another number.
        UsageError: no channels or layers, or a rate outside [0, 1).
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int | None,
        *,
        layers: int,
        depthwise: bool = False,
        ese: bool = False,
        shortcut: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        at_least(1, in_channels, "in_channels")
        at_least(1, width, "width")
        at_least(1, layers, "layers")
        joined = in_channels + layers * width
        channels = joined if out_channels is None else out_channels
        if shortcut and in_channels != channels:
            raise ShapeError(
                f"a shortcut needs as many channels out as in, got {in_channels} to {channels}"
            )
        reduces = depthwise and in_channels != width
        self.reduce = (
            conv_norm_act(in_channels, width, kernel_size=1, act=relu) if reduces else nn.Identity()
        )
        first = width if reduces else in_channels
        layer = separable if depthwise else _plain
        self.layers = nn.Sequential(
            *(layer(width if index else first, width) for index in range(layers))
        )
        self.merge = (
            nn.Identity()
            if out_channels is None
            else conv_norm_act(joined, out_channels, kernel_size=1, act=relu)
        )
        self.attention = EffectiveSqueezeExcite(channels) if ese else nn.Identity()
        self.drop_path = StochasticDepth(drop_path) if shortcut else nn.Identity()
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = osa(x, self.layers, reduce=self.reduce, merge=self.merge)
        y = self.drop_path(self.attention(y))
        return x + y if self.shortcut else y


cost_formula(OSA)(cost_of_parts)


def _plain(in_channels: int, out_channels: int) -> nn.Sequential:
    return conv_norm_act(in_channels, out_channels, act=relu)

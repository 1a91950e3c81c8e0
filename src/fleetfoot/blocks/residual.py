"""Residual block: act(branch(x) + shortcut(x)), two 3x3 convolutions or a bottleneck of three.

Paper    He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, figures 2 and 5
Departs  a bottleneck strides in its 3x3 convolution, as timm and torchvision do; the paper strides
         in the first 1x1, which throws three positions of four away
Cost     of the parts, and one operation an output element for the sum
Letters  N batch, C channels, H height, W width
"""

from collections import OrderedDict

from torch import Tensor, nn

from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.core.costs import cost_formula
from fleetfoot.ops.conv import conv_norm_act, relu
from fleetfoot.ops.stochastic_depth import StochasticDepth

EXPANSION = 4  # of a bottleneck: its output has four times the channels of its 3x3 convolution


class ResidualBlock(nn.Module):
    """Map (N, in_channels, H, W) to (N, channels or 4 * channels, H / stride, W / stride).

    Args:
        in_channels: C of the input.
        channels: of the 3x3 convolutions; a bottleneck puts out `EXPANSION` times as many.
        stride: of the first 3x3 convolution.
        bottleneck: 1x1, 3x3, 1x1 instead of 3x3, 3x3.
        shortcut: takes the input to the shape of the output; None is the identity where the shape
            is kept, else a 1x1 convolution with norm (the paper's option B).
        drop_path: rate at which a sample loses the branch in training.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int = 1,
        bottleneck: bool = False,
        shortcut: nn.Module | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        out_channels = channels * EXPANSION if bottleneck else channels
        layers: OrderedDict[str, nn.Module]
        if bottleneck:
            layers = OrderedDict(
                conv1=conv_norm_act(in_channels, channels, kernel_size=1, act=relu),
                conv2=conv_norm_act(channels, channels, stride=stride, act=relu),
                conv3=conv_norm_act(channels, out_channels, kernel_size=1, act=None),
            )
        else:
            layers = OrderedDict(
                conv1=conv_norm_act(in_channels, channels, stride=stride, act=relu),
                conv2=conv_norm_act(channels, channels, act=None),
            )
        self.branch = nn.Sequential(layers)
        if shortcut is not None:
            self.shortcut = shortcut
        elif stride == 1 and in_channels == out_channels:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = conv_norm_act(
                in_channels, out_channels, kernel_size=1, stride=stride, act=None
            )
        self.drop_path = StochasticDepth(drop_path)
        self.act = relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop_path(self.branch(x)) + self.shortcut(x))


cost_formula(ResidualBlock)(cost_of_parts)


def reset_residual_net(net: nn.Module, *, zero_init_last: bool) -> None:
    """Draw every convolution from He's normal (fan-out) and set the norms to one and zero.

    Args:
        net: changed in place.
        zero_init_last: the last gain of each `ResidualBlock` is 0, so that it starts as its
            shortcut (Goyal et al., 2017, arXiv:1706.02677, section 5.1).
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    for block in net.modules():
        if zero_init_last and isinstance(block, ResidualBlock):
            nn.init.zeros_(block.branch[-1].get_parameter("norm.weight"))

"""Inverted residual (MBConv): widen, filter each channel, gate, narrow; add the input.

Paper    Sandler et al., "MobileNetV2", CVPR 2018, arXiv:1801.04381, section 3; with the gate of
         Tan et al., "MnasNet", 2019, arXiv:1807.11626, which EfficientNet and MobileNetV3 keep
Departs  without widening it is the depthwise separable layer of MobileNetV1 (arXiv:1704.04861)
Cost     of the parts, and one operation an element where the input is added
Letters  N batch, C channels, H height, W width
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.core.arguments import above_zero
from fleetfoot.core.costs import cost_formula
from fleetfoot.core.rounding import round_channels
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.squeeze_excite import Pointwise, SqueezeExcite
from fleetfoot.ops.stochastic_depth import StochasticDepth

Activation = Callable[[], nn.Module]
Map = Callable[[Tensor], Tensor]


def relu6() -> nn.Module:
    """Return a rectifier that stops at 6 and works in place."""
    return nn.ReLU6(inplace=True)


class Row(NamedTuple):
    """One row of a paper's table: equal layers; the first one strides."""

    expand: float  # t or e: how many times wider than its input a layer is inside
    channels: int  # c
    layers: int  # n
    stride: int  # s, of the first layer only
    kernel_size: int = 3
    gated: bool = False  # has squeeze-and-excitation
    act: Activation | None = None  # other than the network's


@dataclass(frozen=True)
class Gate:
    """The squeeze-and-excitation of a family.

    Attributes:
        act: inside.
        sigmoid: at its end.
        of_hidden: a quarter of the widened channels, in multiples of 8, is left; else a quarter
            of the layer's input.
    """

    act: Pointwise
    sigmoid: Pointwise = torch.sigmoid
    of_hidden: bool = False

    def layer(self, in_channels: int, hidden: int) -> SqueezeExcite:
        """Return the gate over ``hidden`` channels of a layer with ``in_channels``."""
        squeezed = round_channels(hidden / 4) if self.of_hidden else max(1, in_channels // 4)
        return SqueezeExcite(hidden, squeezed, act=self.act, gate=self.sigmoid)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What all layers of a network have in common.

    Attributes:
        act: of every convolution but the last of a layer.
        gate: what a gated row uses; None leaves it out, as the Lite form does.
        padding: "symmetric" or TensorFlow's "same".
        eps: of the batch norms.
        linear: nothing follows the narrowing norm, so the input may be added; MobileNetV1, from
            before both ideas, has the activation there instead.
    """

    act: Activation = relu6
    gate: Gate | None = None
    padding: str = "symmetric"
    eps: float = 1e-5
    linear: bool = True

    def of_tensorflow(self) -> "Form":
        """Return the form that weights trained in TensorFlow need."""
        return replace(self, padding="same", eps=1e-3)


def inverted_residual(
    x: Tensor, *, expand: Map, depthwise: Map, squeeze: Map, project: Map, drop: Map | None
) -> Tensor:
    """Return project(squeeze(depthwise(expand(x)))), the MBConv branch, alone or added to ``x``.

    Args:
        x: feature map, (N, C, H, W).
        expand: 1x1 to more channels.
        depthwise: filters each channel.
        squeeze: gates them.
        project: 1x1 to the channels of the output.
        drop: of the branch, such as `StochasticDepth`, in front of the sum; None adds nothing.
    """
    branch = project(squeeze(depthwise(expand(x))))
    return branch if drop is None else x + drop(branch)


class InvertedResidual(nn.Module):
    """`inverted_residual` of convolutions with norms.

    Maps (N, in_channels, H, W) to (N, row.channels, H / stride, W / stride).

    Args:
        in_channels: C of the input.
        row: what the layer is like.
        form: what it shares with the others.
        stride: of the depthwise convolution.
        drop_path: rate at which a sample loses the branch in training, where the input is added.

    Raises:
        UsageError: no channels or stride, an even kernel, a factor of widening that is not
            positive, or a rate outside [0, 1).
    """

    def __init__(
        self, in_channels: int, row: Row, form: Form, *, stride: int, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        above_zero(row.expand, "expand")
        hidden = in_channels if row.expand == 1 else round_channels(in_channels * row.expand)
        act, eps, out_channels = row.act or form.act, form.eps, row.channels
        self.expand = (
            nn.Identity()
            if row.expand == 1
            else conv_norm_act(in_channels, hidden, kernel_size=1, act=act, eps=eps)
        )
        self.depthwise = conv_norm_act(
            hidden,
            hidden,
            kernel_size=row.kernel_size,
            stride=stride,
            groups=hidden,
            act=act,
            padding=form.padding,
            eps=eps,
        )
        gate = form.gate if row.gated else None
        self.squeeze = nn.Identity() if gate is None else gate.layer(in_channels, hidden)
        last_act = None if form.linear else act
        self.project = conv_norm_act(hidden, out_channels, kernel_size=1, act=last_act, eps=eps)
        self.adds_input = form.linear and stride == 1 and in_channels == out_channels
        self.drop_path = StochasticDepth(drop_path) if self.adds_input else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return inverted_residual(
            x,
            expand=self.expand,
            depthwise=self.depthwise,
            squeeze=self.squeeze,
            project=self.project,
            drop=self.drop_path if self.adds_input else None,
        )


cost_formula(InvertedResidual)(cost_of_parts)


def reset_mobile_net(net: nn.Module) -> None:
    """Draw weights as EfficientNet does: N(0, 2 / fan-out); a linear layer uniformly; biases 0.

    The fan-out of a depthwise filter is its area alone.
    """
    if any(parameter.is_meta for parameter in net.parameters()):
        return  # no values to draw, which torch takes milliseconds a tensor to find out
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
        elif isinstance(module, nn.Linear):
            bound = 1.0 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, SqueezeExcite):
            module.reset_parameters()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)

"""Squeeze-and-excitation (SE): gate each channel by what the means of all channels say.

Paper    Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, arXiv:1709.01507, section 3; as
         EfficientNet, MobileNetV3 and MnasNet use it: both layers have a bias
Departs  the two activations are arguments: EfficientNet takes SiLU inside, MobileNetV3 a hard
         sigmoid as gate
Cost     2 * C * S multiply-adds; the map is read once for the means, once for the scaling
Letters  N batch, C channels, S squeezed channels, H height, W width
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import Cost, Shape, cost_formula

Pointwise = Callable[[Tensor], Tensor]


def squeeze_excite(
    x: Tensor,
    reduce: tuple[Tensor, Tensor],
    expand: tuple[Tensor, Tensor],
    *,
    act: Pointwise = F.relu,
    gate: Pointwise = torch.sigmoid,
) -> Tensor:
    """Scale every channel of ``x`` by a gate in 0..1.

    Args:
        x: feature map, (N, C, H, W).
        reduce: weight (S, C, 1, 1) and bias (S,) of the layer that reads the means.
        expand: weight (C, S, 1, 1) and bias (C,) of the layer that gives the gates.
        act: between the two layers.
        gate: after them.

    Returns:
        The scaled map, (N, C, H, W).
    """
    mean_NC11 = x.mean(dim=(2, 3), keepdim=True)
    squeezed_NS11 = act(F.conv2d(mean_NC11, *reduce))
    return x * gate(F.conv2d(squeezed_NS11, *expand))


class SqueezeExcite(nn.Module):
    """`squeeze_excite` with learned layers; keeps the shape.

    Raises:
        UsageError: there is no channel, or none is left after squeezing.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        act: Pointwise = F.relu,
        gate: Pointwise = torch.sigmoid,
    ) -> None:
        super().__init__()
        at_least(1, channels, "channels")
        at_least(1, squeezed, "squeezed")
        self.reduce_weight = nn.Parameter(torch.empty(squeezed, channels, 1, 1))
        self.reduce_bias = nn.Parameter(torch.empty(squeezed))
        self.expand_weight = nn.Parameter(torch.empty(channels, squeezed, 1, 1))
        self.expand_bias = nn.Parameter(torch.empty(channels))
        self.act, self.gate = act, gate
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both layers from N(0, 2 / fan-out), as EfficientNet's are; biases are 0."""
        if self.reduce_weight.is_meta:
            return  # no values to draw, which torch takes milliseconds to find out
        for weight in (self.reduce_weight, self.expand_weight):
            nn.init.normal_(weight, std=math.sqrt(2.0 / weight.shape[0]))
        nn.init.zeros_(self.reduce_bias)
        nn.init.zeros_(self.expand_bias)

    def forward(self, x: Tensor) -> Tensor:
        reduce = self.reduce_weight, self.reduce_bias
        expand = self.expand_weight, self.expand_bias
        return squeeze_excite(x, reduce, expand, act=self.act, gate=self.gate)

    def extra_repr(self) -> str:
        words = (getattr(f, "__name__", str(f)) for f in (self.act, self.gate))
        return f"{self.expand_bias.numel()}, {self.reduce_bias.numel()}, {', '.join(words)}"


@cost_formula(SqueezeExcite)
def _squeeze_excite_cost(module: SqueezeExcite, in_shape: Shape) -> Cost:
    batch, channels, height, width = in_shape
    squeezed = module.reduce_bias.numel()
    positions = batch * channels * height * width
    pointwise = 2 * positions + 2 * batch * (channels + squeezed)  # biases and activations
    return Cost(2 * batch * channels * squeezed, pointwise)

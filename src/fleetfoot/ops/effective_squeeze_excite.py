"""Effective squeeze-and-excitation (eSE): one full layer from the channel means to the gates.

Paper    Lee, Park, "CenterMask", CVPR 2020, arXiv:1911.06667, section 3.3 (VoVNetV2)
Departs  nowhere; the gate is the hard sigmoid relu6(t + 3) / 6
Cost     C^2 multiply-adds for the layer; the map is read once for the mean, once for the scaling
Letters  N batch, C channels, H height, W width
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import Cost, Shape, cost_formula


def effective_squeeze_excite(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Scale every channel of ``x`` by a gate read from the means of all channels.

    Args:
        x: feature map, (N, C, H, W).
        weight: layer between the means and the gates, (C, C, 1, 1); nothing is squeezed.
        bias: (C,).

    Returns:
        The scaled map, (N, C, H, W); zero weights and a bias of 3 return ``x``.
    """
    mean_NC11 = x.mean(dim=(2, 3), keepdim=True)
    return x * F.hardsigmoid(F.conv2d(mean_NC11, weight, bias))


class EffectiveSqueezeExcite(nn.Module):
    """`effective_squeeze_excite` with a learned layer; keeps the shape.

    Raises:
        UsageError: there is no channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least(1, channels, "channels")
        self.weight = nn.Parameter(torch.empty(channels, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias as `torch.nn.Conv2d` would."""
        bound = self.bias.numel() ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return effective_squeeze_excite(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.bias.numel()}"


@cost_formula(EffectiveSqueezeExcite)
def _effective_squeeze_excite_cost(module: EffectiveSqueezeExcite, in_shape: Shape) -> Cost:
    del module
    batch, channels, height, width = in_shape
    gates, positions = batch * channels, batch * channels * height * width
    return Cost(macs=gates * channels, elementwise_ops=2 * positions + 2 * gates)

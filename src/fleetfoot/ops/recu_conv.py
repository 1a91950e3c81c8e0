"""ReCU's binary convolution and the sign in front of it.

Paper    Xu et al., "ReCU: Reviving the Dead Weights in Binary Neural Networks", ICCV 2021,
         arXiv:2103.12369: tails of the latent weights are clamped, further out as training goes on;
         each filter has a factor that is learnt; the input is divided by its own deviation
Departs  nowhere; the factor multiplies the signs of a filter, which gives the same sums
Cost     of a binary convolution and of a sign
Letters  N batch, C channels, H height, W width, O outputs
"""

import torch
from torch import Tensor, nn

from fleetfoot.core.costs import cost_formula, per_element
from fleetfoot.ops.annealed import Annealed
from fleetfoot.ops.binary_conv import BinaryConv2d, binary_conv_cost
from fleetfoot.ops.binary_weight import recu_tau, recu_weight
from fleetfoot.ops.sign import binarise, polynomial

EPS = 1e-5


class RecuConv2d(BinaryConv2d, Annealed):
    """Maps (N, C, H, W) to (N, O, H', W') with ReCU's weights, a learnt factor for each filter.

    Args:
        in_channels: C of the input.
        out_channels: O.
        kernel_size: side of the filters.
        stride: step of the convolution.
        padding: positions on each side, of zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, scale="filter"
        )
        self.factor = nn.Parameter(torch.rand(out_channels))

    def bits(self) -> Tensor:
        """Return the weights as they act: signs times the factor of their filter."""
        signs = recu_weight(self.weight, recu_tau(self.progress))
        return signs * self.factor.view(-1, 1, 1, 1)


class NormalisedSign(nn.Module):
    """The sign of maps (N, ...); in training they are divided by the deviation of each sample.

    That changes no sign, only where its slope, 2 - 2 |x|, is not 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            axes = tuple(range(1, x.ndim))
            x = x / (x.var(dim=axes, keepdim=True) + EPS).sqrt()
        return binarise(x, polynomial)


cost_formula(RecuConv2d)(binary_conv_cost)
cost_formula(NormalisedSign)(per_element(3))

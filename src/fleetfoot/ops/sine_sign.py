"""FDA's sign and binary convolution: both learn by the slope of a sine series that grows.

Paper    Xu et al., "Learning Frequency Domain Approximation for Binary Neural Networks", NeurIPS
         2021, arXiv:2103.00841: n rises from 9 to 18 during training; weights are signs times their
         mean size, one number a layer
Departs  as `ops.sine_series` does. The noise adaptation module is `ops.noise_adaptation`
Cost     of a sign and of a binary convolution
"""

from torch import Tensor, nn

from fleetfoot.core.costs import cost_formula, per_element
from fleetfoot.ops.annealed import Annealed
from fleetfoot.ops.binary_conv import BinaryConv2d, binary_conv_cost
from fleetfoot.ops.binary_weight import mean_size
from fleetfoot.ops.sign import binarise
from fleetfoot.ops.sine_series import SineSlope, last_sine


class SineSign(nn.Module, Annealed):
    """The sign of ``x``, any shape; its gradient is that of a series of sines."""

    def forward(self, x: Tensor) -> Tensor:
        return binarise(x, SineSlope(last_sine(self.progress)))


class SineConv2d(BinaryConv2d, Annealed):
    """`BinaryConv2d` whose latent weights learn by the same slope."""

    def bits(self) -> Tensor:
        """Return the weights as they act: signs, times their mean size."""
        signs = binarise(self.weight, SineSlope(last_sine(self.progress)))
        return scaled(signs, self.weight, self.scale)


def scaled(signs: Tensor, weight: Tensor, scale: str) -> Tensor:
    """Return signs times the mean size of their latent weights, by a word of `SCALES`."""
    return signs if scale == "none" else signs * mean_size(weight, each=scale == "filter")


cost_formula(SineSign)(per_element(3))
cost_formula(SineConv2d)(binary_conv_cost)

"""FDA's noise adaptation: in training, a small network adds what the sine series leaves out.

    forward in training   sign(t) + alpha e(t),   e(t) = relu(t W1) W2 + 0.1 sin(t)
    backward              of s_n(t) + alpha e(t)
    evaluation            sign(t)

Paper    Xu et al., "Learning Frequency Domain Approximation for Binary Neural Networks", NeurIPS
         2021, arXiv:2103.00841: alpha falls to 0 during training, W1 has 1/64 of t's length
Departs  where the text that was available is silent: t is the channels of a position, or the
         weights of a filter; alpha falls from 1 by half a cosine; first W1 and W2 are normal, so
         that e begins as large as its sine
Cost     of a sign and of a binary convolution: without the noise, which training alone has
Letters  N batch, C channels, H height, W width, D length of a row, M hidden units
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula, per_element
from fleetfoot.ops.annealed import Annealed
from fleetfoot.ops.binary_conv import BinaryConv2d, binary_conv_cost
from fleetfoot.ops.sign import binarise
from fleetfoot.ops.sine_series import SineSlope, last_sine
from fleetfoot.ops.sine_sign import SineConv2d, SineSign, scaled

REDUCTION = 64
SHORTCUT = 0.1


def noise(rows: Tensor, down_DM: Tensor, up_MD: Tensor) -> Tensor:
    """Return e of rows (..., D), of the same shape: relu(t W1) W2 + 0.1 sin(t)."""
    return F.relu(rows @ down_DM) @ up_MD + SHORTCUT * torch.sin(rows)


def noise_share(progress: float) -> float:
    """Return alpha when a share of the training is done.

    >>> [round(noise_share(share), 4) for share in (0, 0.5, 1)]
    [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * progress)) / 2


def _noise_weights(length: int) -> tuple[nn.Parameter, nn.Parameter]:
    hidden = max(1, at_least(1, length, "length") // REDUCTION)
    down = torch.randn(length, hidden) * math.sqrt(2 / length)
    up = torch.randn(hidden, length) * (SHORTCUT / math.sqrt(hidden))
    return nn.Parameter(down), nn.Parameter(up)


class NoisySineSign(SineSign):
    """`SineSign` of (N, C, ...) with noise in training, from the channels of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.noise_down, self.noise_up = _noise_weights(channels)

    def forward(self, x: Tensor) -> Tensor:
        signs, alpha = super().forward(x), noise_share(self.progress)
        if not (self.training and alpha):
            return signs
        weights = self.noise_down.to(x.dtype), self.noise_up.to(x.dtype)
        return signs + alpha * noise(x.movedim(1, -1), *weights).movedim(-1, 1)


class NoisySineConv2d(BinaryConv2d, Annealed):
    """`SineConv2d` whose signs have noise in training, from the weights of each filter."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding)
        self.noise_down, self.noise_up = _noise_weights(in_channels * kernel_size**2)

    @classmethod
    def of(cls, conv: SineConv2d) -> "NoisySineConv2d":
        """Return a noisy form that shares the weights of a convolution."""
        outputs, inputs, kernel, _ = conv.weight.shape
        made = cls(inputs, outputs, kernel, stride=conv.stride, padding=conv.padding)
        _share(conv, made)
        return made

    def plain(self) -> SineConv2d:
        """Return the form without noise, which shares the weights."""
        outputs, inputs, kernel, _ = self.weight.shape
        made = SineConv2d(inputs, outputs, kernel, stride=self.stride, padding=self.padding)
        _share(self, made)
        return made

    def bits(self) -> Tensor:
        """Return the weights as they act, in training with noise on their signs."""
        signs = binarise(self.weight, SineSlope(last_sine(self.progress)))
        alpha = noise_share(self.progress)
        if self.training and alpha:
            rows = self.weight.flatten(1)
            added = noise(rows, self.noise_down, self.noise_up).view_as(signs)
            signs = signs + alpha * added
        return scaled(signs, self.weight, self.scale)


Form = SineConv2d | NoisySineConv2d


def _share(conv: Form, made: Form) -> None:
    made.weight, made.scale, made.slope = conv.weight, conv.scale, conv.slope
    made.pad_value, made.progress = conv.pad_value, conv.progress


cost_formula(NoisySineSign)(per_element(3))
cost_formula(NoisySineConv2d)(binary_conv_cost)

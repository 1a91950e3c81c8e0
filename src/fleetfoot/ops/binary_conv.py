"""Convolution and linear layer with weights of one bit.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, section 2, and what
         `ops.binary_weight` names
Departs  the input is taken as it comes: a `Sign` in front makes it binary, and without one it is
         the first layer, which reads real numbers. No bias: a norm follows
Cost     that of a plain layer; the signs are one for all images. Packed, a multiply-add is a bit
Letters  N batch, C channels, H height, W width, O outputs, I inputs
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, one_of
from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.ops.binary_weight import SCALES, binary_weight
from fleetfoot.ops.sign import SLOPES

PADS = (0.0, 1.0, -1.0)


def binary_conv(
    x: Tensor,
    weight: Tensor,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    pad_value: float = 0.0,
) -> Tensor:
    """Convolve ``x`` (N, C, H, W) with filters of +1 and -1, perhaps scaled, (O, C/groups, K, K).

    A border of zeros, which is no bit, is what all training codes of the papers have; one of +1 or
    -1 needs no correction in a packed kernel.
    """
    if pad_value and padding:
        x, padding = F.pad(x, (padding,) * 4, value=pad_value), 0
    return F.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)


def latent_weight(*shape: int) -> nn.Parameter:
    """Return first latent weights, even in [-1, 1]: never 0, and as many below it as above."""
    return nn.Parameter(torch.empty(shape).uniform_(-1, 1))


class BinaryConv2d(nn.Module):
    """`binary_conv` with latent weights that are learnt.

    Args:
        in_channels: C of the input.
        out_channels: of the output.
        kernel_size: K.
        stride: step of the convolution.
        padding: positions on each side.
        pad_value: 0, +1 or -1.
        slope: by which latent weights learn, see `binary_weight`.
        scale: of the signs, likewise.

    Raises:
        UsageError: a size below 1, or another word or value than named here.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        pad_value: float = 0.0,
        slope: str = "identity",
        scale: str = "none",
    ) -> None:
        sizes = {"in_channels": in_channels, "out_channels": out_channels}
        for name, size in {**sizes, "kernel_size": kernel_size, "stride": stride}.items():
            at_least(1, size, name)
        super().__init__()
        self.weight = latent_weight(out_channels, in_channels, kernel_size, kernel_size)
        self.slope, self.scale = one_of(slope, SLOPES, "slope"), one_of(scale, SCALES, "scale")
        self.stride, self.padding = stride, at_least(0, padding, "padding")
        self.pad_value = one_of(float(pad_value), PADS, "pad_value")

    def bits(self) -> Tensor:
        """Return the weights as they act: signs, times their scale."""
        return binary_weight(self.weight, slope=self.slope, scale=self.scale)

    def forward(self, x: Tensor) -> Tensor:
        return binary_conv(
            x,
            self.bits().to(x.dtype),
            stride=self.stride,
            padding=self.padding,
            pad_value=self.pad_value,
        )

    def extra_repr(self) -> str:
        outputs, inputs, kernel, _ = self.weight.shape
        words = f"stride={self.stride}, padding={self.padding}, pad_value={self.pad_value:g}"
        return f"{inputs}, {outputs}, {kernel}, {words}, scale={self.scale}"


class BinaryLinear(nn.Module):
    """A linear layer (N, ..., I) to (N, ..., O) with binary weights, as `BinaryConv2d` has them."""

    def __init__(
        self, in_features: int, out_features: int, *, slope: str = "identity", scale: str = "none"
    ) -> None:
        at_least(1, in_features, "in_features")
        at_least(1, out_features, "out_features")
        super().__init__()
        self.weight = latent_weight(out_features, in_features)
        self.slope, self.scale = one_of(slope, SLOPES, "slope"), one_of(scale, SCALES, "scale")

    def bits(self) -> Tensor:
        """Return the weights as they act: signs, times their scale."""
        return binary_weight(self.weight, slope=self.slope, scale=self.scale)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.bits().to(x.dtype))

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}, scale={self.scale}"


def has_binary_layers(net: nn.Module) -> bool:
    """Return whether a network has a layer with weights of one bit."""
    return any(isinstance(module, (BinaryConv2d, BinaryLinear)) for module in net.modules())


@cost_formula(BinaryConv2d)
def binary_conv_cost(layer: BinaryConv2d, in_shape: Shape) -> Cost:
    """Return the cost of a binary convolution: of a plain one without bias."""
    batch, _, *sides = in_shape
    kernel = layer.weight.shape[-1]
    places = [(side + 2 * layer.padding - kernel) // layer.stride + 1 for side in sides]
    return Cost(batch * math.prod(places) * layer.weight.numel())


@cost_formula(BinaryLinear)
def _binary_linear_cost(layer: BinaryLinear, in_shape: Shape) -> Cost:
    return Cost(math.prod(in_shape[:-1]) * layer.weight.numel())

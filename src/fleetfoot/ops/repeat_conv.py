"""RepConv: a binary convolution that reads maps beta times as wide and repeats what it puts out.

Paper    Shi et al., "RepBNN", 2022, arXiv:2207.09049: beta times the input channels, 1/beta of the
         output channels, tiled beta^2 times. As many weights and multiply-adds as before, feature
         maps beta times as wide. Copies differ by the norm, shifts and shortcut that follow them
Departs  nowhere; beta is an argument, 2 in the authors' code
Cost     that of the convolution it replaces; tiling copies
Letters  N batch, C channels, H height, W width
"""

from collections import OrderedDict

from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula, free
from fleetfoot.core.errors import ShapeError
from fleetfoot.ops.binary_conv import BinaryConv2d


def tile(x: Tensor, times: int) -> Tensor:
    """Return ``x`` (N, C, ...) ``times`` over along its channels, a block after a block."""
    return x.repeat(1, times, *(1,) * (x.ndim - 2))


class Tile(nn.Module):
    """`tile` as a layer."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = at_least(1, times, "times")

    def forward(self, x: Tensor) -> Tensor:
        return tile(x, self.times)

    def extra_repr(self) -> str:
        return str(self.times)


def repeat_conv(conv: BinaryConv2d, repeats: int) -> nn.Module:
    """Return the RepConv of a convolution, with weights of its own, as ``conv`` and ``tile``.

    Args:
        conv: what it replaces, C to O channels.
        repeats: beta. The new layer takes beta C channels and puts out beta O; 1 is ``conv``.

    Raises:
        ShapeError: ``repeats`` does not divide the output channels.
    """
    outputs, inputs, kernel, _ = conv.weight.shape
    if at_least(1, repeats, "repeats") == 1:
        return conv
    if outputs % repeats:
        raise ShapeError(f"repeats={repeats} does not divide {outputs} channels: give a divisor")
    wide = BinaryConv2d(
        inputs * repeats,
        outputs // repeats,
        kernel,
        stride=conv.stride,
        padding=conv.padding,
        pad_value=conv.pad_value,
        slope=conv.slope,
        scale=conv.scale,
    )
    return nn.Sequential(OrderedDict(conv=wide, tile=Tile(repeats**2)))


cost_formula(Tile)(free)

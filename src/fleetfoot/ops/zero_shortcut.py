"""Shortcut without parameters: every stride-th position, zeros for the channels that are new.

Paper    He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, section 3.3, option A
Departs  nowhere; the new channels come last, where the paper does not say, or half of them in front
         as in the code of binary networks (`centred`)
Cost     no arithmetic; one copy of the map
Letters  N batch, C channels, O output channels, H height, W width
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula, free
from fleetfoot.core.errors import ShapeError


def zero_shortcut(x: Tensor, *, channels: int, stride: int, centred: bool = False) -> Tensor:
    """Return (N, C, H, W) as (N, channels, ceil(H / stride), ceil(W / stride)).

    Channels that are new hold zeros: behind C, or ``centred``, half of them in front.
    """
    if channels < x.shape[1]:
        raise ShapeError(f"a shortcut from {x.shape[1]} to {channels} channels would lose some")
    new = channels - x.shape[1]
    front = new // 2 if centred else 0
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, front, new - front))


class ZeroShortcut(nn.Module):
    """`zero_shortcut` to a fixed number of channels.

    Raises:
        UsageError: no channels or no stride; from ``forward``, channels that would be lost.
    """

    def __init__(self, channels: int, stride: int, *, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        self.channels = at_least(1, channels, "channels")
        self.stride = at_least(1, stride, "stride")

    def forward(self, x: Tensor) -> Tensor:
        return zero_shortcut(x, channels=self.channels, stride=self.stride, centred=self.centred)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, stride={self.stride}"


cost_formula(ZeroShortcut)(free)

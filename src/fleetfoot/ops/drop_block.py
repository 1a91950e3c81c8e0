"""DropBlock: in training, set squares of a feature map to zero and scale the rest up.

Paper    Ghiasi et al., "DropBlock", NeurIPS 2018, arXiv:1810.12890, algorithm 1
Departs  nowhere. The centres lie where the whole square is inside the map, each channel has its
         own, and the scale is elements / kept elements of the whole batch; torchvision and timm
         differ in one or more of these. A square larger than the map is cut to it
Cost     nothing at evaluation
Letters  N batch, C channels, H height, W width
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core import arguments
from fleetfoot.core.costs import cost_formula, free


def seed_rate(rate: float, block: int, height: int, width: int) -> float:
    """Return the probability of a centre, gamma of the paper's equation 1.

    >>> seed_rate(0.1, 1, 8, 8)
    0.1
    """
    places = (height - block + 1) * (width - block + 1)
    return min(1.0, rate / block**2 * height * width / places)


def drop_block(
    x: Tensor, rate: float, block: int, *, shared: bool = False, training: bool = True
) -> Tensor:
    """Set squares to zero so that about ``rate`` of the elements go; scale the others up.

    Squares overlap, so a little less goes. Choices are drawn from torch's global generator of the
    device of ``x``.

    Args:
        x: feature map, (N, C, H, W).
        rate: share of the elements to drop, in [0, 1).
        block: side of the squares, positions.
        shared: the squares of a sample are the same in all channels.
        training: False returns ``x`` itself.
    """
    if not training or rate == 0.0:
        return x
    batch, channels, height, width = x.shape
    block = min(block, height, width)
    centres = (batch, 1 if shared else channels, height - block + 1, width - block + 1)
    gamma = seed_rate(rate, block, height, width)
    seeds = torch.empty(centres, dtype=x.dtype, device=x.device).bernoulli_(gamma)
    # A position goes if any of the seeds whose square covers it is set.
    dropped = F.max_pool2d(F.pad(seeds, (block - 1,) * 4), block, stride=1)
    kept = 1.0 - dropped
    scale = kept.numel() / kept.sum(dtype=torch.float32).clamp(min=1.0)
    return x * (kept * scale.to(x.dtype))


class DropBlock2d(nn.Module):
    """`drop_block` after a layer, whose rate may rise while a network is trained.

    Attributes:
        progress: factor on the rate, which whoever trains may set at every step.

    Raises:
        UsageError: ``rate`` is outside [0, 1), or ``block`` below 1.
    """

    def __init__(self, rate: float = 0.1, block: int = 7, *, shared: bool = False) -> None:
        super().__init__()
        self.rate = arguments.rate(rate, "rate")
        self.block = arguments.at_least(1, block, "block")
        self.shared = shared
        self.progress = 1.0

    def forward(self, x: Tensor) -> Tensor:
        rate = self.rate * self.progress
        return drop_block(x, rate, self.block, shared=self.shared, training=self.training)

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}, block={self.block}{', shared' if self.shared else ''}"


cost_formula(DropBlock2d)(free)

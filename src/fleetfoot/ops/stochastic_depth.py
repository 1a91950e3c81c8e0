"""Stochastic depth: in training, drop the residual branch of a random part of the samples.

Paper    Huang et al., "Deep Networks with Stochastic Depth", 2016, arXiv:1603.09382
Departs  kept branches are divided by the keep probability in training (nothing at evaluation),
         and the choice is made per sample, as EfficientNet and FasterNet do
Cost     nothing at evaluation
Letters  N batch
"""

import torch
from torch import Tensor, nn

from fleetfoot.core import arguments
from fleetfoot.core.costs import cost_formula, free


def stochastic_depth(x: Tensor, rate: float, *, training: bool = True) -> Tensor:
    """Set whole samples of a branch to zero with probability ``rate``; scale the others up.

    The choice is drawn from torch's global generator of the device of ``x``, so that a training
    loop that saves that state repeats it.

    Args:
        x: output of a residual branch, (N, ...).
        rate: probability to drop a sample, in [0, 1).
        training: False returns ``x`` itself.
    """
    if not training or rate == 0.0:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    kept = torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(1.0 - rate)
    return x * kept.div_(1.0 - rate)


def linear_rates(rate: float, blocks: int, *, below: bool = False) -> list[float]:
    """Return one rate a block, rising linearly from 0 at the first to ``rate`` at the last.

    Args:
        rate: the ``drop_path`` of a network.
        blocks: B.
        below: i / B of the rate for block i, so that the last stays below it. A family does what
            its reference does: EfficientNet's code divides by B, FasterNet's and timm's ResNet by
            one less. Published rates mean their own.

    >>> linear_rates(0.2, 3), linear_rates(0.2, 4, below=True)
    ([0.0, 0.1, 0.2], [0.0, 0.05, 0.1, 0.15000000000000002])

    Raises:
        UsageError: ``rate`` is outside [0, 1).
    """
    arguments.rate(rate, "drop_path")
    return [rate * index / max(1, blocks if below else blocks - 1) for index in range(blocks)]


class StochasticDepth(nn.Module):
    """`stochastic_depth` as the last layer of a residual branch.

    Raises:
        UsageError: the rate is outside [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = arguments.rate(rate, "drop_path")

    def forward(self, x: Tensor) -> Tensor:
        return stochastic_depth(x, self.rate, training=self.training)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3g}"


cost_formula(StochasticDepth)(free)

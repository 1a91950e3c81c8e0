"""MaxDropout: in training, set the largest activations of a batch to zero.

Paper    Goncalves dos Santos et al., "MaxDropout", ICPR 2020, arXiv:2007.13723, algorithm 1
Departs  nowhere. The published networks make a new module in every call, which is always in
         training mode: their results drop the maxima at evaluation too. That is ``always=True``;
         what it answers for an image depends on the rest of the batch
Cost     nothing at evaluation; four operations an element where maxima are dropped
Letters  N batch
"""

import math

import torch
from torch import Tensor, nn

from fleetfoot.core import arguments
from fleetfoot.core.costs import Cost, Shape, cost_formula


def max_dropout(x: Tensor, drop: float, *, training: bool = True) -> Tensor:
    """Set to zero what lies in the top part ``drop`` of the range from least to largest value.

    The range is that of the whole batch, and nothing is scaled up. ``drop`` is a part of the range
    and not a share of the elements: a single outlier leaves all others alone. Where all values are
    equal, none is dropped.

    Args:
        x: any shape.
        drop: part of the range, in [0, 1).
        training: False returns ``x`` itself.
    """
    if not training or drop == 0.0:
        return x
    least, largest = torch.aminmax(x.detach())
    kept = (x - least) <= (1.0 - drop) * (largest - least)
    return torch.where(kept, x, torch.zeros_like(x))


class MaxDropout(nn.Module):
    """`max_dropout` after a layer.

    Args:
        drop: part of the range that is dropped, in [0, 1).
        always: drop at evaluation too, as the published networks do.

    Raises:
        UsageError: ``drop`` is outside [0, 1).
    """

    def __init__(self, drop: float = 0.3, *, always: bool = False) -> None:
        super().__init__()
        self.drop = arguments.rate(drop, "drop")
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        return max_dropout(x, self.drop, training=self.training or self.always)

    def extra_repr(self) -> str:
        return f"drop={self.drop:g}{', always' if self.always else ''}"


@cost_formula(MaxDropout)
def _max_dropout_cost(module: MaxDropout, in_shape: Shape) -> Cost:
    if not module.always:
        return Cost()
    return Cost(0, 4 * math.prod(in_shape))

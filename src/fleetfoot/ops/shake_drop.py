"""ShakeDrop: a random gain, which may be negative, on a residual branch, and another one backward.

Paper    Yamada et al., "ShakeDrop Regularization", 2018, arXiv:1802.02375, equation 6
Departs  nowhere; the level of the draws is a word, the released code draws for every "pixel"
Cost     one operation an element, the gain
Letters  N batch, C channels, L residual branches
"""

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from fleetfoot.core import arguments
from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.core.errors import UsageError

Level = Literal["batch", "image", "channel", "pixel"]


class _Gain(torch.autograd.Function):
    """Times one factor forward and another one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x * gain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        (back,) = ctx.saved_tensors
        return gradient * back, None, None


def keep_rates(branches: int, last: float) -> list[float]:
    """Return the probability of each of L branches to be left alone, 1 - l / L * (1 - last).

    >>> keep_rates(2, 0.5)
    [0.75, 0.5]
    """
    return [1.0 - (index + 1) / branches * (1.0 - last) for index in range(branches)]


def shake_drop(x: Tensor, keep: float, *, level: Level = "pixel", training: bool = True) -> Tensor:
    """Leave a branch alone with probability ``keep``, else scale it by a random number.

    That number is uniform in -1..1 forward and in 0..1 backward; at evaluation the branch is
    scaled by its mean gain, which is ``keep``. Whether the branch is left alone is one draw for
    the whole batch. Draws come from torch's global generators.

    Args:
        x: output of a residual branch, (N, C, ...).
        keep: probability, in 0..1.
        level: one gain a "batch", an "image", a "channel" of an image, or a "pixel" of one.
        training: False scales by ``keep``.
    """
    if keep == 1.0:
        return x
    if not training:
        return x * keep
    kept = torch.rand(()).item() < keep  # on the CPU: on a GPU the answer would be a wait
    axes = {"batch": 0, "image": 1, "channel": 2, "pixel": x.ndim}[level]
    shape = tuple(side if axis < axes else 1 for axis, side in enumerate(x.shape))
    # Drawn even where they are not used: what is drawn later shall not depend on this choice.
    gain, back = (torch.rand(shape, dtype=x.dtype, device=x.device) for _ in range(2))
    return x if kept else _Gain.apply(x, 2 * gain - 1, back)


class ShakeDrop(nn.Module):
    """`shake_drop` as the last layer of a residual branch, after its last norm.

    Raises:
        UsageError: a probability outside 0..1, or a level that is not offered.
    """

    def __init__(self, keep: float = 0.5, *, level: Level = "pixel") -> None:
        super().__init__()
        if not 0.0 <= keep <= 1.0:
            raise UsageError(f"keep={keep} is not in [0, 1]")
        self.keep = keep
        self.level: Level = arguments.one_of(level, get_args(Level), "level")

    def forward(self, x: Tensor) -> Tensor:
        return shake_drop(x, self.keep, level=self.level, training=self.training)

    def extra_repr(self) -> str:
        return f"keep={self.keep:.3g}, level={self.level}"


@cost_formula(ShakeDrop)
def _shake_drop_cost(module: ShakeDrop, in_shape: Shape) -> Cost:
    return Cost(0, 0 if module.keep == 1.0 else math.prod(in_shape))

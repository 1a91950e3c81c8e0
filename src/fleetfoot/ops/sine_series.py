"""The slope of FDA-BNN: the derivative of the first sines of a square wave.

Paper    Xu et al., "Learning Frequency Domain Approximation for Binary Neural Networks", NeurIPS
         2021, arXiv:2103.00841: s_n(t) = 4 / pi * sum of sin((2 i + 1) w t) / (2 i + 1), i to n
Departs  the period is not in the text that was available: 4, so that [-1, 1] lies well inside;
         beyond `edge`, a quarter of it, where the wave turns back, the slope is 0. The cosines are
         summed in closed form, so that the cost does not grow with their number
Letters  n index of the last sine: there are n + 1 of them
"""

import math

import torch
from torch import Tensor

from fleetfoot.core.arguments import above_zero, at_least

PERIOD = 4.0
NEAR = 1e-4  # |sin x| below which the quotient of two sines is taken at its limit
FIRST, LAST = 9, 18  # n at the beginning and the end of training, which beat every fixed n


def sine_series(t: Tensor, n: int, *, period: float = PERIOD) -> Tensor:
    """Return the sum of n + 1 sines that comes near the sign of ``t`` for |t| < period / 2."""
    w = 2 * math.pi / period
    odd = 2 * torch.arange(n + 1, dtype=t.dtype, device=t.device) + 1
    return 4 / math.pi * (torch.sin(odd * (w * t)[..., None]) / odd).sum(dim=-1)


def sine_slope(
    t: Tensor, n: int | Tensor, *, period: float = PERIOD, edge: float | None = None
) -> Tensor:
    """Return the derivative of `sine_series`: 2 w / pi * sin(2 (n + 1) w t) / sin(w t).

    Computed in float32 at least, since numerator and denominator vanish together.

    Args:
        t: any shape.
        n: index of the last sine, 0 or more; a tensor where it changes in training.
        period: of the square wave.
        edge: the slope is 0 for larger |t|; None leaves the whole wave.
    """
    wide = t.float() if t.dtype in (torch.float16, torch.bfloat16) else t
    w = 2 * math.pi / period
    x = w * wide
    below = torch.sin(x)
    near = below.abs() < NEAR
    # At multiples of pi every cosine is +1 or -1 alike, within 1e-8 (n + 1)^2 near them.
    limit = (n + 1) * torch.cos(x)
    inner = torch.sin(2 * (n + 1) * x) / (2 * torch.where(near, 1.0, below))
    slope = 4 * w / math.pi * torch.where(near, limit, inner)
    if edge is not None:
        slope = torch.where(wide.abs() <= edge, slope, 0.0)
    return slope.to(t.dtype)


def squared_error(n: int) -> float:
    """Return the mean square of the series minus the sign over a period.

    >>> [round(squared_error(n), 5) for n in (0, 1, 4, 9, 18)]
    [0.18943, 0.09937, 0.0404, 0.02025, 0.01066]
    """
    return 1 - 8 / math.pi**2 * sum(1 / (2 * i + 1) ** 2 for i in range(n + 1))


def last_sine(progress: float, *, first: int = FIRST, last: int = LAST) -> int:
    """Return n when a share of the training is done; it rises evenly from ``first`` to ``last``.

    >>> [last_sine(share) for share in (0, 0.5, 1)]
    [9, 14, 18]
    """
    return min(last, first + int(progress * (last - first + 1)))


class SineSlope:
    """`sine_slope` as a slope for `binarise`; setting `n` changes it for the steps that follow.

    Raises:
        UsageError: ``n`` is below 0, or the period not above it.
    """

    def __init__(self, n: int = FIRST, *, period: float = PERIOD) -> None:
        self.n = at_least(0, n, "n")
        self.period = above_zero(period, "period")

    def __call__(self, t: Tensor) -> Tensor:
        return sine_slope(t, self.n, period=self.period, edge=self.period / 4)

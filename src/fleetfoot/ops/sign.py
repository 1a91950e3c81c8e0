"""The sign of a number, one rule for the whole house: +1 where x >= 0, also at -0.0; else -1.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, sections 2.1 to 2.3;
         Larq's documentation for the family of slopes
Departs  from `torch.sign` and the code of FDA-BNN, ReActNet and ReCU, where the sign of 0 is 0: a
         bit has two values
Cost     three operations an element; the slope only in training

The sign's own derivative is 0 almost everywhere, so training puts another one in its place: a
*slope*, a function of the number whose sign was taken.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import one_of
from fleetfoot.core.costs import cost_formula, per_element
from fleetfoot.core.errors import UsageError

Slope = Callable[[Tensor], Tensor]

SWISH_BETA = 5.0  # of Larq's SwishSign


def sign(x: Tensor) -> Tensor:
    """Return +1 where ``x`` >= 0 and -1 elsewhere, of the same shape and type."""
    return (x >= 0).to(x.dtype).mul_(2).sub_(1)


def identity(x: Tensor) -> Tensor:
    """Return 1 everywhere: the straight-through estimator without saturation."""
    return torch.ones_like(x)


def window(x: Tensor) -> Tensor:
    """Return 1 for |x| <= 1, else 0: the slope of the hard tanh, QNN's estimator."""
    return (x.abs() <= 1).to(x.dtype)


def polynomial(x: Tensor) -> Tensor:
    """Return 2 - 2 |x| for |x| < 1, else 0: Bi-Real Net's, also that of ReActNet and ReCU."""
    return (2 - 2 * x.abs()).clamp_min(0)


def swish(x: Tensor) -> Tensor:
    """Return the slope of 2 s (1 + u (1 - s)) - 1 with u = 5 x and s its sigmoid: SwishSign."""
    u = SWISH_BETA * x
    s = torch.sigmoid(u)
    return 2 * SWISH_BETA * s * (1 - s) * (2 + u * (1 - 2 * s))


SLOPES: dict[str, Slope] = {f.__name__: f for f in (identity, window, polynomial, swish)}


class _Binarise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Slope) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensors
        above = grads[0]
        return above if ctx.slope is identity else above * ctx.slope(x), None


def binarise(x: Tensor, slope: Slope = window) -> Tensor:
    """Return the sign of ``x``; its gradient is the one above times ``slope(x)``.

    Args:
        x: any shape; what is binarised, *before* any clipping.
        slope: the derivative to learn by, one of `SLOPES` or `ops.sine_series.SineSlope`.
    """
    return _Binarise.apply(x, slope)  # pyright: ignore[reportReturnType]


class _Drawn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        chance = ((x + 1) / 2).clamp(0, 1)
        # A draw lies in [0, 1), so that a chance of 0 is never and one of 1 always met.
        return (torch.rand_like(x) < chance).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grads[0] * window(x)


def binarise_at_random(x: Tensor) -> Tensor:
    """Return +1 with the chance clip((x + 1) / 2, 0, 1), else -1: the mean is clip(x, -1, 1).

    The gradient is that of the clipping (QNN section 2.3), for the values that were drawn.
    """
    return _Drawn.apply(x)  # pyright: ignore[reportReturnType]


class Sign(nn.Module):
    """`binarise` as a layer; at evaluation always the sign.

    Args:
        slope: one of `SLOPES`.
        stochastic: draw in training, by `binarise_at_random`, which has a slope of its own.

    Raises:
        UsageError: another slope, or one beside ``stochastic``.
    """

    def __init__(self, slope: str = "window", *, stochastic: bool = False) -> None:
        super().__init__()
        self.slope = one_of(slope, SLOPES, "slope")
        self.stochastic = stochastic
        if stochastic and slope != "window":
            raise UsageError(f"slope={slope!r}: a drawn sign learns by the slope 'window' alone")

    def forward(self, x: Tensor) -> Tensor:
        if self.stochastic and self.training:
            return binarise_at_random(x)
        return binarise(x, SLOPES[self.slope])

    def extra_repr(self) -> str:
        return f"{self.slope}, stochastic={self.stochastic}"


cost_formula(Sign)(per_element(3))

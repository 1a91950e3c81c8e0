"""FPLUS: the identity above zero, x / (1 - x) below; PFPLUS has an amplitude and a scale.

Paper    Duan, Yang, Dai, "First Power Linear Unit with Sign", 2021, arXiv:2111.14349; in the
         paper (|x| + 1) ** sgn(x) - 1, which is the same function
Departs  `PFPLUS` keeps amplitude and scale above zero ("softplus" or "clamp"); the authors' code
         does not ("none"), and has a pole where the scale becomes negative
Cost     FPLUS three operations an element, PFPLUS five
Letters  N batch, C channels
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import above_zero, one_of
from fleetfoot.core.costs import cost_formula, per_element

FORWARD_GAIN = 1.300
"""Of first weights that keep the mean square of normal activations; for ReLU it is 1.414."""

BACKWARD_GAIN = 1.276
"""Likewise of gradients."""

POSITIVE = ("softplus", "clamp", "none")
LEAST = 1e-3  # of a clamped amplitude or scale


def fplus(x: Tensor, *, inplace: bool = False) -> Tensor:
    """Return x where it is not negative, else x / (1 - x), which falls to -1.

    The backward pass reads the output y alone: the derivative is (1 + y)^2 below zero. So the
    input need not be kept, and can be overwritten.

    Args:
        x: any shape.
        inplace: write the result into ``x``.
    """
    return _FPlus.apply(x, inplace)  # pyright: ignore[reportReturnType]


class _FPlus(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, inplace: bool) -> Tensor:
        divisor = torch.rsub(x, 1).clamp_min_(1)  # 1 above zero, so that no branch is needed
        if inplace:
            ctx.mark_dirty(x)
        y = x.div_(divisor) if inplace else x / divisor
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (y,) = ctx.saved_tensors
        return grads[0] * (1 + y.clamp_max(0)).square(), None


def pfplus(x: Tensor, amplitude: Tensor, scale: Tensor) -> Tensor:
    """Return amplitude * x where x is not negative, else amplitude * x / (1 - scale * x).

    Only the negative part meets the scale, so that neither value nor gradient has a pole at
    x = 1 / scale.

    Args:
        x: any shape.
        amplitude: lambda, of a shape that broadcasts over ``x``.
        scale: mu, likewise; above zero.
    """
    return amplitude * x / (1 - scale * x.clamp_max(0))


class FPLUS(nn.Module):
    """`fplus` as a layer.

    Args:
        inplace: overwrite the input.
    """

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        return fplus(x, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class PFPLUS(nn.Module):
    """`pfplus` with amplitude and scale, both 1 at first, which makes it `FPLUS`.

    They have one axis, so that a recipe that spares norms and biases does not decay them.

    Args:
        channels: C of the input (N, C, ...) for an amplitude and a scale each; None for one pair.
        learnt: train them; else they stay as they are set, and are buffers.
        amplitude: first value, above zero.
        scale: first value, above zero.
        positive: what keeps them above zero: "softplus" of the stored value, "clamp" at 1e-3, or
            "none".
    """

    def __init__(
        self,
        channels: int | None = None,
        *,
        learnt: bool = True,
        amplitude: float = 1.0,
        scale: float = 1.0,
        positive: str = "softplus",
    ) -> None:
        super().__init__()
        self.positive = one_of(positive, POSITIVE, "positive")
        for name, value in (("amplitude", amplitude), ("scale", scale)):
            stored = torch.full((channels or 1,), self._stored(above_zero(value, name)))
            if learnt:
                self.register_parameter(name, nn.Parameter(stored))
            else:
                self.register_buffer(name, stored)

    def _stored(self, value: float) -> float:
        return math.log(math.expm1(value)) if self.positive == "softplus" else value

    def factors(self) -> tuple[Tensor, Tensor]:
        """Return amplitude and scale as they act, (C,) or (1,)."""
        stored: tuple[Any, Any] = self.amplitude, self.scale
        if self.positive == "none":
            return stored
        if self.positive == "clamp":
            return stored[0].clamp_min(LEAST), stored[1].clamp_min(LEAST)
        return F.softplus(stored[0]), F.softplus(stored[1])

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (x.ndim - 2)
        amplitude, scale = (factor.view(shape).to(x.dtype) for factor in self.factors())
        return pfplus(x, amplitude, scale)

    def extra_repr(self) -> str:
        stored: Any = self.amplitude
        learnt = isinstance(stored, nn.Parameter)
        return f"{stored.numel()}, learnt={learnt}, positive={self.positive}"


cost_formula(FPLUS)(per_element(3))
cost_formula(PFPLUS)(per_element(5))

"""Shake-Shake: mix two residual branches by a random share, and by another one backward.

Paper    Gastaldi, "Shake-Shake regularization", 2017, arXiv:1705.07485, section 2
Departs  nowhere
Cost     two operations an element at evaluation: the sum, and its half
Letters  N batch
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from fleetfoot.core import arguments
from fleetfoot.core.costs import cost_formula, per_element

Forward = Literal["even", "shake"]
Backward = Literal["even", "keep", "shake"]
Level = Literal["image", "batch"]


class _Mixed(torch.autograd.Function):
    """share * first + (1 - share) * second, with another share for the gradients."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, share: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return share * first + (1 - share) * second

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,) = gradients
        (back,) = ctx.saved_tensors
        return back * gradient, (1 - back) * gradient, None, None


def shake_shake(
    first: Tensor,
    second: Tensor,
    *,
    forward: Forward = "shake",
    backward: Backward = "shake",
    level: Level = "image",
    training: bool = True,
) -> Tensor:
    """Return a share of ``first`` and the rest of ``second``.

    Shares are drawn from torch's global generator of the device of ``first``.

    Args:
        first: output of a branch, (N, ...).
        second: output of the other, of the same shape.
        forward: "shake" draws the share from 0..1, "even" takes a half.
        backward: "shake" draws another share for the gradients, "even" takes a half, "keep" the
            share of the forward pass.
        level: one share an "image", or one a "batch".
        training: False takes a half.
    """
    if not training:
        return 0.5 * (first + second)
    samples = len(first) if level == "image" else 1
    shape = (samples,) + (1,) * (first.ndim - 1)
    half = torch.full(shape, 0.5, dtype=first.dtype, device=first.device)
    share = torch.rand_like(half) if forward == "shake" else half
    back = {"even": half, "keep": share}.get(backward)
    return _Mixed.apply(first, second, share, torch.rand_like(half) if back is None else back)


class ShakeShake(nn.Module):
    """`shake_shake` where two branches of a block meet.

    Raises:
        UsageError: a word that is not offered.
    """

    def __init__(
        self,
        *,
        forward: Forward = "shake",
        backward: Backward = "shake",
        level: Level = "image",
    ) -> None:
        super().__init__()
        self.forward_share: Forward = arguments.one_of(forward, get_args(Forward), "forward")
        self.backward_share: Backward = arguments.one_of(backward, get_args(Backward), "backward")
        self.level: Level = arguments.one_of(level, get_args(Level), "level")

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return shake_shake(
            first,
            second,
            forward=self.forward_share,
            backward=self.backward_share,
            level=self.level,
            training=self.training,
        )

    def extra_repr(self) -> str:
        return f"{self.forward_share}, {self.backward_share}, {self.level}"


cost_formula(ShakeShake)(per_element(2))

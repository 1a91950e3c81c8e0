"""SCL: a trainable mask that connects or disconnects single weights.

Paper    Tang et al., "Automatic Sparse Connectivity Learning for Neural Networks", 2022,
         arXiv:2201.05020. Of the paper only the abstract was at hand: a unit step of a mask
         variable, the number of connections as penalty, a proxy for the step's slope that is
         positive everywhere (the identity), mask gradients normalised for each output feature
Departs  what the abstract leaves open: a variable of 0 is off; the mean square of a feature's mask
         gradients is made 1; the penalty is on the share of connections that are kept
Cost     two operations a weight in training, none once the mask is applied for good
Letters  O output features, the rest of a feature's axes are its own
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fleetfoot.core.arguments import one_of
from fleetfoot.ops.sign import identity, window

Proxy = Callable[[Tensor], Tensor]
LEAK = 0.1  # slope of the leaky proxy where a connection is off
TINY = 1e-12
NORMS = ("rms", "l2", "max", "none")


def connected(mask: Tensor) -> Tensor:
    """Return where a mask variable connects: 1 where it is above 0, else 0, in its own type."""
    return (mask > 0).to(mask.dtype)


def leaky(mask: Tensor) -> Tensor:
    """Return 1 where connected, else `LEAK`."""
    return torch.where(mask > 0, torch.ones_like(mask), torch.full_like(mask, LEAK))


def softplus(mask: Tensor) -> Tensor:
    """Return the slope of softplus, a sigmoid."""
    return torch.sigmoid(mask)


# The window is the control: at it, a variable far off can never return.
PROXIES: dict[str, Proxy] = {f.__name__: f for f in (identity, leaky, softplus, window)}


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, mask: Tensor, proxy: Proxy) -> Tensor:
        ctx.save_for_backward(weight, mask)
        ctx.proxy = proxy
        return weight * connected(mask)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        weight, mask = ctx.saved_tensors
        return grads[0] * connected(mask), grads[0] * weight * ctx.proxy(mask), None


def masked_weight(weight: Tensor, mask: Tensor, proxy: Proxy = identity) -> Tensor:
    """Return the connected weights; with G their gradient, the weight gets G where it is
    connected, and the mask G w times the proxy, connected or not.

    Args:
        weight: (O, ...).
        mask: variables of the same shape.
        proxy: what stands for the step's slope, one of `PROXIES`.
    """
    return _Masked.apply(weight, mask, proxy)  # pyright: ignore[reportReturnType]


def normalise_features(gradient: Tensor, norm: str = "rms") -> Tensor:
    """Return a mask's gradient (O, ...) with each feature's part scaled to one size.

    A feature whose gradient is 0 stays so.

    Args:
        gradient: of the task alone, after all processes have added theirs.
        norm: "rms", the root of the mean square becomes 1, so that a penalty means the same in each
            layer; "l2", the length; "max", the largest; "none".
    """
    one_of(norm, NORMS, "norm")
    if norm == "none":
        return gradient
    flat = gradient.flatten(1)
    size = flat.abs().amax(dim=1) if norm == "max" else torch.linalg.vector_norm(flat, dim=1)
    if norm == "rms":
        size = size / math.sqrt(flat.shape[1])
    return gradient / size.clamp_min(TINY).view(-1, *(1,) * (gradient.ndim - 1))


def kept_share(masks: list[Tensor]) -> float:
    """Return how many of all weights are connected."""
    total = sum(mask.numel() for mask in masks)
    return sum(int((mask > 0).sum()) for mask in masks) / max(total, 1)

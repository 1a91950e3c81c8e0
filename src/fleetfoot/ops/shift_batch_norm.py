"""Shift-based batch norm: every product is with a power of two, which is a shift of bits.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, algorithm 3; what runs
         along in training after the authors' code (momentum 0.125, the mean of the *inverse*
         deviation, not of the variance)
Departs  the rounding to powers of two passes gradients as if it were not there
Cost     four operations an element at evaluation
Letters  N batch, C channels
"""

from typing import Any

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import above_zero, at_least
from fleetfoot.core.costs import cost_formula, per_element
from fleetfoot.ops.quantise import power_of_two

MOMENTUM = 0.125


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        del ctx
        return power_of_two(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        del ctx
        return grads[0]


def _ap2(x: Tensor) -> Tensor:
    return _Rounded.apply(x)  # pyright: ignore[reportReturnType]


def shift_deviation(centred: Tensor, dims: tuple[int, ...], *, eps: float) -> Tensor:
    """Return the inverse deviation 1 / sqrt(mean(c AP2(c)) + eps) of centred values."""
    variance = (centred * _ap2(centred)).mean(dim=dims, keepdim=True)
    return torch.rsqrt(variance + eps)


class ShiftBatchNorm(nn.Module):
    """Batch norm of (N, C, ...) by shifts; parameters are named as those of `nn.BatchNorm2d`.

    The buffer `running_inverse` is the mean of 1 / deviation: `variance` is what a batch norm
    would call its running variance.
    """

    running_mean: Tensor
    running_inverse: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = MOMENTUM) -> None:
        super().__init__()
        at_least(1, channels, "channels")
        self.eps, self.momentum = above_zero(eps, "eps"), momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_inverse", torch.ones(channels))

    @property
    def variance(self) -> Tensor:
        """The running variance (C,), without eps, that the inverse deviation stands for."""
        return self.running_inverse.pow(-2) - self.eps

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *(1,) * (x.ndim - 2))
        if self.training:
            dims = (0, *range(2, x.ndim))
            mean = x.mean(dim=dims, keepdim=True)
            inverse = shift_deviation(x - mean, dims, eps=self.eps)
            with torch.no_grad():
                self.running_mean.lerp_(mean.flatten().to(self.running_mean), self.momentum)
                self.running_inverse.lerp_(inverse.flatten().to(self.running_mean), self.momentum)
        else:
            mean = self.running_mean.view(shape).to(x.dtype)
            inverse = self.running_inverse.view(shape).to(x.dtype)
        weight, bias = (p.view(shape).to(x.dtype) for p in (self.weight, self.bias))
        return (x - mean) * _ap2(inverse) * _ap2(weight) + bias

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, eps={self.eps:g}, momentum={self.momentum:g}"


cost_formula(ShiftBatchNorm)(per_element(4))

"""Batch norm and activation as one operation of autograd, in training, by our kernels.

Both directions take two sweeps over the map instead of seven; see `kernels.norm_act`. Agrees with
torch's own up to rounding: nothing is rounded to bfloat16 between norm and activation.

Letters  M positions, C channels, N batch, H height, W width
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fleetfoot.kernels.norm_act import finish_gradient, kernels_of, moments
from fleetfoot.train.fused.channels_last import as_array, lies_channels_last, rows_of
from fleetfoot.train.fused.kernel_threads import share_threads

_NAMES: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.Hardswish: "hardswish",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
}


def activation_name(act: nn.Module) -> str | None:
    """Return what the kernels call an activation; None for one that they have not.

    The exact types on purpose, and GELU only in its exact form.
    """
    exact = getattr(act, "approximate", "none") == "none"
    return _NAMES.get(type(act)) if exact else None


def is_suited(norm: nn.BatchNorm2d) -> bool:
    """Return whether a norm has what is computed here: weights and a moving average."""
    return norm.affine and norm.track_running_stats and norm.momentum is not None


class BatchNormAct2d(nn.Module):
    """A batch norm and the activation behind it; both modules stay what they are.

    Training maps (N, C, H, W) that lie channels last on the processor are computed in one
    operation, all others, and all in evaluation, by the modules themselves.

    Args:
        norm: one that `is_suited`.
        act: one that has an `activation_name`, or None for the norm alone.
    """

    def __init__(self, norm: nn.BatchNorm2d, act: nn.Module | None) -> None:
        super().__init__()
        self.norm = norm
        self.act = nn.Identity() if act is None else act
        self.activation = activation_name(self.act) or "identity"

    def forward(self, x: Tensor) -> Tensor:
        if not (self.norm.training and _is_computed(x)):
            return self.act(self.norm(x))
        return _NormAct.apply(x, self.norm.weight, self.norm.bias, self.norm, self.activation)


class _NormAct(torch.autograd.Function):
    @staticmethod
    @np.errstate(invalid="ignore", over="ignore")  # the loss will tell
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d, activation: str
    ) -> Tensor:
        x_MC = as_array(rows_of(x))
        share_threads()
        mean_C, variance_C = moments(x_MC)
        _follow(norm, mean_C, variance_C, positions=len(x_MC))
        inverse_C = 1.0 / np.sqrt(variance_C + norm.eps)
        scale_C = weight.detach().double().numpy() * inverse_C
        shift_C = bias.detach().double().numpy() - mean_C * scale_C
        ctx.inverse_C = inverse_C
        ctx.vectors = [vector.astype(np.float32) for vector in (scale_C, shift_C, mean_C)]
        ctx.kernels = kernels_of(activation)
        ctx.save_for_backward(x)
        ctx.weight_dtype = weight.dtype
        out = torch.empty_like(x)
        ctx.kernels.forward(x_MC, ctx.vectors[0], ctx.vectors[1], as_array(rows_of(out)))
        return out

    @staticmethod
    @once_differentiable
    @np.errstate(invalid="ignore", over="ignore")
    def backward(ctx: Any, *grads: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        dy = grads[0].to(x.dtype).contiguous(memory_format=torch.channels_last)
        x_MC, dy_MC = as_array(rows_of(x)), as_array(rows_of(dy))
        scale_C, shift_C, mean_C = ctx.vectors
        share_threads()
        dx = torch.empty_like(x)
        dx_MC = as_array(rows_of(dx))
        sums_B2C = ctx.kernels.gradient(x_MC, dy_MC, scale_C, shift_C, mean_C, dx_MC)
        dbias_C, product_C = sums_B2C.astype(np.float64).sum(axis=0)
        dweight_C = product_C * ctx.inverse_C
        a_C = -(scale_C * ctx.inverse_C * dweight_C) / len(x_MC)
        b_C = -(scale_C * dbias_C) / len(x_MC) - a_C * mean_C
        a_C, b_C = a_C.astype(np.float32), b_C.astype(np.float32)
        finish_gradient(x_MC, scale_C, a_C, b_C, dx_MC)
        dweight, dbias = (_tensor(vector, ctx.weight_dtype) for vector in (dweight_C, dbias_C))
        return dx, dweight, dbias, None, None


def _follow(
    norm: nn.BatchNorm2d, mean_C: np.ndarray, variance_C: np.ndarray, *, positions: int
) -> None:
    """Move the running statistics, as torch does: the variance without bias."""
    unbiased_C = variance_C * (positions / (positions - 1))
    for running, now_C in ((norm.running_mean, mean_C), (norm.running_var, unbiased_C)):
        assert running is not None
        running.lerp_(_tensor(now_C, running.dtype), float(norm.momentum or 0.0))
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)


def _is_computed(x: Tensor) -> bool:
    numbers = x.dtype in (torch.bfloat16, torch.float32)
    # Torch says what is wrong with a single value per channel.
    return numbers and lies_channels_last(x) and x.numel() > x.shape[1]


def _tensor(vector: np.ndarray, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(vector.astype(np.float32)).to(dtype)

"""Weights of one bit: their sign, alone or times a mean size.

Paper    Hubara et al., arXiv:1609.07061 (the sign alone; latent weights are clipped to [-1, 1]
         after each update); Zhou et al., DoReFa-Net, arXiv:1606.06160, and FDA-BNN,
         arXiv:2103.00841 (one mean |w| a layer); Liu et al., ReActNet, arXiv:2003.03488 (one a
         filter); Xu et al., ReCU, arXiv:2103.12369 (`recu_weight`)
Departs  nowhere; the scale is left out of the gradient, as in their code
Letters  O filters, the rest of a filter's axes are its own
"""

import math

import torch
from torch import Tensor

from fleetfoot.core.arguments import one_of
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.sign import SLOPES, binarise, identity

SCALES = ("none", "layer", "filter")
RECU_TAU = 0.85, 0.99  # at the first and the last epoch


def binary_weight(weight: Tensor, *, slope: str = "identity", scale: str = "none") -> Tensor:
    """Return the signs of latent weights (O, ...), times a scale that takes no gradient.

    Args:
        weight: latent weights.
        slope: by which they learn, one of `ops.sign.SLOPES`.
        scale: "none"; "layer": the mean size of all; "filter": that of each filter.
    """
    signs = binarise(weight, SLOPES[one_of(slope, SLOPES, "slope")])
    if one_of(scale, SCALES, "scale") == "none":
        return signs
    return signs * mean_size(weight, each=scale == "filter")


def mean_size(weight: Tensor, *, each: bool) -> Tensor:
    """Return mean |w| of each filter (O, 1, ...), or of all, without a gradient."""
    size = weight.detach().abs()
    return size.mean(dim=tuple(range(1, weight.ndim)), keepdim=True) if each else size.mean()


def recu_weight(weight: Tensor, tau: float) -> Tensor:
    """Return the signs of weights (O, ...) whose tails are clamped, so that they can turn again.

    Each filter is centred and scaled to a deviation of 2 sqrt(2); what lies beyond the
    quantiles tau and 1 - tau of a Laplace distribution of the layer's mean size is clamped to them,
    and gets no gradient; the sign passes it on unchanged.

    Args:
        weight: latent weights; a filter has at least two values.
        tau: in (0.5, 1); `recu_tau` says which at what time.

    Raises:
        UsageError: ``tau`` is outside (0.5, 1), or a filter has one value alone.
    """
    if not 0.5 < tau < 1:
        raise UsageError(f"tau={tau} is not between 0.5 and 1")
    if weight[0].numel() < 2:
        raise UsageError("a filter of one weight has no deviation: ReCU needs at least two")
    axes = tuple(range(1, weight.ndim))
    centred = weight - weight.mean(dim=axes, keepdim=True)
    variance = centred.var(dim=axes, keepdim=True)
    even = 2 * math.sqrt(2) * centred / (variance + 1e-5).sqrt()
    edge = -math.log(2 - 2 * tau) * even.detach().abs().mean()
    clamped = torch.minimum(torch.maximum(even, -edge), edge)
    return binarise(clamped, identity)


def recu_tau(progress: float, *, first: float = RECU_TAU[0], last: float = RECU_TAU[1]) -> float:
    """Return tau when a share of the training is done: it rises by the exponential function.

    >>> [round(recu_tau(share), 4) for share in (0, 0.5, 1)]
    [0.85, 0.9029, 0.99]
    """
    return first + (last - first) * math.expm1(progress) / math.expm1(1)

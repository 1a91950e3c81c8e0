"""Give the batch norms of an untrained network statistics that fit its own activations.

With the initial mean 0 and variance 1, activations of a deep untrained network shrink or grow
until they are denormal or infinite, and both are timed differently from real ones.
"""

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from fleetfoot.core.seeds import torch_rng


def calibrate_norms(net: nn.Module, image: tuple[int, ...], *, batch: int = 8) -> nn.Module:
    """Return a copy of ``net`` in evaluation mode whose batch norms saw two batches of noise.

    Args:
        net: network; it is left alone.
        image: shape of one input without the batch axis.
        batch: images of standard normal noise in each batch.
    """
    calibrated = copy.deepcopy(net).eval()
    norms = [module for module in calibrated.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    generator = torch_rng("calibrate norms")
    with torch.no_grad():
        for _ in range(2 if norms else 0):
            calibrated(torch.randn((batch, *image), generator=generator))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return calibrated.eval()

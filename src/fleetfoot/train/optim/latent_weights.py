"""Latent weights of bits stay in [-1, 1] after every update.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, algorithm 1: beyond 1 a
         latent weight would grow without any effect, and take long to turn its sign again
Departs  only weights whose signs carry no scale: a mean size, as ReActNet's, follows what it is of
"""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear


def latent_weights(net: nn.Module) -> list[nn.Parameter]:
    """Return the weights of a network that are clipped."""
    layers = (m for m in net.modules() if isinstance(m, (BinaryConv2d, BinaryLinear)))
    return [layer.weight for layer in layers if layer.scale == "none"]


def clip_latent_weights(net: nn.Module, optimizer: Optimizer) -> None:
    """Clip them after each step of ``optimizer`` from now on."""
    weights = latent_weights(net)

    @torch.no_grad()
    def clip(*_: Any) -> None:
        for weight in weights:
            weight.clamp_(-1, 1)

    if weights:
        optimizer.register_step_post_hook(clip)

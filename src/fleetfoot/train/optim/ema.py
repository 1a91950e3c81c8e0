"""An exponential moving average of the weights, which often predicts better than the last ones.

Method   averaging as in Polyak and Juditsky (1992); the rising decay is TensorFlow's
         `ExponentialMovingAverage(num_updates=...)`
Departs  buffers (batch-norm statistics, counters) are copied, not averaged
"""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def decay_at(step: int, *, decay: float) -> float:
    """Return the decay after ``step`` updates: small at first, so that the start is forgotten.

    >>> decay_at(0, decay=0.999), round(decay_at(90, decay=0.999), 2)
    (0.1, 0.91)
    """
    return min(decay, (1 + step) / (10 + step))


class Ema:
    """The averaged copy of a network; `net` is in evaluation mode and ready to be used."""

    def __init__(self, net: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self._averages: list[Tensor] = list(self.net.parameters())
        self._weights: list[Tensor] = list(net.parameters())
        self._copies = list(self.net.buffers())
        self._buffers = list(net.buffers())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as they are after step number ``step`` (the first is 0)."""
        decay = decay_at(step, decay=self.decay)
        if self._averages:
            get_ema_multi_avg_fn(decay)(self._averages, self._weights, None)  # pyright: ignore[reportArgumentType]
        for kept, buffer in zip(self._copies, self._buffers, strict=True):
            kept.copy_(buffer)

"""Logits of a network on a split: every image once, also over several processes.

Letters  N images, C classes
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fleetfoot.core.keeping import keeping
from fleetfoot.core.machine_lock import rest
from fleetfoot.data.loader import Loader
from fleetfoot.measure.accuracy import cross_entropy, top_k
from fleetfoot.train.inputs import Normalise, autocast
from fleetfoot.train.process.distributed import gather_rows


@dataclass(frozen=True)
class Predictions:
    """Logits of every image of a split, in the order of the split.

    Attributes:
        logits: float32 (N, C).
        labels: int64 (N,).
        indices: position in the split, int64 (N,): 0 to N - 1.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(cross_entropy(self.logits, self.labels).mean())

    @property
    def top1(self) -> float:
        """Share of images whose largest logit is that of their label."""
        return float((self.logits.argmax(axis=1) == self.labels).mean())

    @property
    def top5(self) -> float | None:
        """Share of images whose label is among the five largest logits; None below 6 classes."""
        return top_k(self.logits, self.labels, k=5) if self.logits.shape[1] > 5 else None


@torch.no_grad()
def evaluate_net(
    net: nn.Module,
    loader: Loader,
    *,
    precision: str = "float32",
    layout: str = "nchw",
    device: str | torch.device = "cpu",
) -> Predictions:
    """Return what ``net``, in evaluation mode, says to every image of the loader's split.

    Over several processes each evaluates its share; the shares are put together by index without
    padding, so that the result is that of one process, in every process.

    Args:
        net: images (N, C, H, W) to logits; its mode is put back afterwards.
        loader: gives uint8 images by ``evaluate()``.
        precision: "float32", or "bfloat16" for autocast.
        layout: "nchw" or "nhwc": memory format of the input.
        device: where ``net`` is.
    """
    device = torch.device(device)
    normalise = Normalise(loader.preprocess, layout=layout, device=device)
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    with keeping(net.modules(), "training"), autocast(device, precision):
        net.eval()
        for batch in loader.evaluate():
            rest()
            logits_NC = net(normalise(batch.images)).float()
            rows.append((logits_NC, batch.labels, batch.indices))
    return _together(rows, device)


def _together(rows: list[tuple[Tensor, Tensor, Tensor]], device: torch.device) -> Predictions:
    none = torch.empty(0, dtype=torch.int64)
    columns = zip(*rows) if rows else [(torch.empty(0, 0),), (none,), (none,)]
    # NCCL gathers what is on the GPU, gloo what is on the CPU
    gathered = [gather_rows(torch.cat(column).to(device)).cpu() for column in columns]
    order = torch.argsort(gathered[2], stable=True)
    logits, labels, indices = (column[order].numpy() for column in gathered)
    return Predictions(logits=logits, labels=labels, indices=indices)

"""Manifold mixup: mix the images of a batch, or what a random layer makes of them.

Paper    Verma et al., "Manifold Mixup", ICML 2019, arXiv:1806.05236, section 2
Departs  nowhere with ``loss="binary"``: the released code takes the binary cross-entropy of the
         softmax against the mixed shares, not the cross-entropy, which ``loss="cross"`` is
Letters  N batch, C classes
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.seeds import rng
from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, Metrics, Step, accuracy_of, inputs_of

Loss = Literal["binary", "cross"]


def manifold_mixup_step(*, alpha: float, layers: int, loss: Loss) -> Step:
    """Return the step: one layer, one share and one order of the partners a batch.

    Args:
        alpha: the share is drawn from Beta(alpha, alpha).
        layers: places where it may mix: the images and the outputs of the first ``layers - 1``
            stages; fewer where the network has fewer.
        loss: "binary" cross-entropy of the softmax, or "cross"-entropy.
    """

    def step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        images, targets = inputs_of(batch, context)
        draws = rng(context.recipe.seed, "manifold mixup", context.step)
        places = [None, *_stages(net)[: layers - 1]]
        place = places[int(draws.integers(len(places)))]
        share = float(draws.beta(alpha, alpha))
        order_N = torch.from_numpy(draws.permutation(len(images)).astype(np.int64))
        order_N = order_N.to(images.device)
        if place is None:
            images = mixed(images, share, order_N)
        with context.autocast(), mixing_after(place, share, order_N):
            logits_NC = net(images)
        logits_NC = logits_NC.float()
        shares_NC = _smoothed(targets, context)
        value = _loss(logits_NC, mixed(shares_NC, share, order_N), loss, context.class_weights)
        return value, {"accuracy": accuracy_of(logits_NC, targets)}

    return step


def mixed(x: Tensor, share: float, order_N: Tensor) -> Tensor:
    """Return ``share`` of each sample and the rest of its partner."""
    return share * x + (1.0 - share) * x[order_N]


@contextmanager
def mixing_after(place: nn.Module | None, share: float, order_N: Tensor) -> Generator[None]:
    """Mix what a module puts out, as long as the context lasts; None for nothing."""
    if place is None:
        yield
        return

    def mix(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        del module, inputs
        return mixed(output, share, order_N)

    handle = place.register_forward_hook(mix)
    try:
        yield
    finally:
        handle.remove()


def _stages(net: nn.Module) -> list[nn.Module]:
    # The first that has any: several processes, or several copies of an image, call a wrapping.
    found: Any = next((part.stages for part in net.modules() if hasattr(part, "stages")), ())
    return list(found)


def _smoothed(targets: Tensor, context: Context) -> Tensor:
    """Return the shares of the classes (N, C), smoothed before they are mixed."""
    smoothing = context.recipe.examples.label_smoothing
    shares_NC = F.one_hot(targets, context.classes).float() if targets.ndim == 1 else targets
    return (1.0 - smoothing) * shares_NC + smoothing / context.classes


def _loss(logits_NC: Tensor, shares_NC: Tensor, loss: Loss, weights_C: Tensor | None) -> Tensor:
    if loss == "cross":
        return F.cross_entropy(logits_NC, shares_NC, weight=weights_C)
    return F.binary_cross_entropy(logits_NC.softmax(dim=1), shares_NC, weight=weights_C)

"""What moves the masks of connections, before every step of the optimizer.

Paper    Tang et al., SCL, 2022, arXiv:2201.05020: the task's gradient of each feature is brought to
         one size, a penalty on every connection is added, and the variable steps down. Zhu, Gupta,
         2017, arXiv:1710.01878: the weights that are smallest of all layers are cut, at once or
         more and more of them
Departs  the paper of SCL has one penalty by hand; here it follows the density that is asked for,
         rising while there are more connections than there should be by then. At the end of its
         time the mask is frozen at exactly the density: the largest variables stay
Exact    all that moves lies in parameters and buffers, and in the progress: a resumed run goes on
         with the same bits
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from fleetfoot.ops.connectivity import connected, kept_share, normalise_features
from fleetfoot.ops.masked import END, START, MaskedConv2d, MaskedLinear, Pruning

RATE = 0.02  # of a variable, whose gradient has the size 1
FARTHEST = 1.0  # of a variable from the step, so that it can come back in time
FOLLOWS = 0.2  # what the penalty rises by in a step, times the share that is too much

Layers = list[MaskedConv2d | MaskedLinear]


def move_masks(layers: Layers) -> None:
    """Move the masks of all layers of a network by one step; their gradients are used up, so that
    the optimizer and its clipping see none. Without masks nothing is done.
    """
    if layers:
        move_once(layers, layers[0].pruning)


def keep_silent(layers: Layers) -> None:
    """After a step of the optimizer: channels of filters that were cut stay 0."""
    for layer in layers:
        if layer.pruning.rule == "channels":
            silence(layer)


@torch.no_grad()
def move_once(layers: Layers, pruning: Pruning) -> None:
    """Move the masks by one step; their gradients are used up."""
    gradients = [layer.mask.grad for layer in layers]
    for layer in layers:
        layer.mask.grad = None
    progress = layers[0].progress
    if progress >= END:
        _freeze(layers, pruning)
    elif pruning.rule == "scl":
        _learn(layers, gradients, pruning, progress)
    elif pruning.rule == "channels":
        cut_filters(layers, pruning.target(progress))
    elif progress >= START:
        cut_to(layers, pruning.target(progress), [layer.weight.abs() for layer in layers])


def _learn(
    layers: Layers, gradients: Iterable[Tensor | None], pruning: Pruning, progress: float
) -> None:
    penalty = layers[0].penalty
    if pruning.density is None:
        penalty.fill_((pruning.penalty or 0.0) * min(1.0, progress / START))
    else:
        too_many = kept_share([layer.mask for layer in layers]) - pruning.target(progress)
        penalty.add_(FOLLOWS * too_many).clamp_(min=0.0)
    for layer, gradient in zip(layers, gradients, strict=True):
        if gradient is not None:
            step = normalise_features(gradient) + penalty
            layer.mask.sub_(RATE * step).clamp_(-FARTHEST, FARTHEST)


def _freeze(layers: Layers, pruning: Pruning) -> None:
    if pruning.rule == "channels":
        cut_filters(layers, pruning.target(END))
        return
    if all(bool((layer.mask.abs() == FARTHEST).all()) for layer in layers):
        return  # frozen by an earlier step
    kept = kept_share([layer.mask for layer in layers])
    target = kept if pruning.density is None else pruning.density
    by_weight = pruning.rule != "scl"
    scores = [layer.weight.abs() if by_weight else layer.mask.clone() for layer in layers]
    cut_to(layers, target, scores)
    for layer in layers:
        layer.mask.copy_(2 * FARTHEST * connected(layer.mask) - FARTHEST)


@torch.no_grad()
def cut_filters(layers: Layers, share: float) -> None:
    """Keep a share of the filters of each layer, the longest; once cut, a filter stays so.

    The norm behind has no offset where a filter is gone: its channel is 0.
    """
    for layer in layers:
        if share < 1:
            lengths = layer.acting().flatten(1).square().sum(dim=1)
            keep = torch.zeros_like(lengths)
            keep[lengths.topk(max(1, round(share * len(lengths)))).indices] = 1.0
            shape = (-1, *(1,) * (layer.mask.ndim - 1))
            layer.mask.copy_((2 * FARTHEST * keep - FARTHEST).view(shape).expand_as(layer.mask))


@torch.no_grad()
def silence(layer: MaskedConv2d | MaskedLinear) -> None:
    """Set the norm's factor and offset, and the bias, of filters without a connection to 0."""
    gone = (layer.mask <= 0).flatten(1).all(dim=1)
    owners = [layer, *layer.followed_by]
    for owner in owners:
        bias: Any = owner.bias
        if bias is not None:
            bias[gone] = 0
    for norm in layer.followed_by:
        norm.get_parameter("weight")[gone] = 0


@torch.no_grad()
def cut_to(layers: Layers, density: float, scores: list[Tensor]) -> None:
    """Connect exactly the share of all weights whose scores are the largest."""
    flat = torch.cat([score.flatten() for score in scores])
    keep = torch.zeros_like(flat)
    keep[flat.topk(round(density * flat.numel())).indices] = 1.0
    for layer, part in zip(layers, keep.split([score.numel() for score in scores]), strict=True):
        layer.mask.copy_((2 * part - 1).view_as(layer.mask) * layer.mask.abs().clamp_min(0.5))

"""The optimizer of each update rule, and which parameters get which settings.

A group carries `lr_scale`; `set_lr` multiplies it with the learning rate of the step, so that
the schedule stays one number.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fleetfoot.train.optim import muon, rmsprop_tf, shift_adamax, velocity_sgd
from fleetfoot.train.optim.latent_weights import clip_latent_weights
from fleetfoot.train.optim.rules import (
    SGD,
    AdamW,
    Groups,
    Muon,
    RMSProp,
    Rule,
    ShiftAdaMax,
    VelocitySGD,
)


def make_optimizer(net: nn.Module, rule: Rule) -> Optimizer:
    """Return the optimizer of a rule over the parameters of ``net`` that need gradients.

    Latent weights of bits are clipped after each of its steps.
    """
    optimizer = _optimizer(net, rule)
    clip_latent_weights(net, optimizer)
    return optimizer


def _optimizer(net: nn.Module, rule: Rule) -> Optimizer:
    groups, lr, momentum = parameter_groups(net, rule), rule.lr, rule.momentum
    fused = all(parameter.is_floating_point() for parameter in net.parameters())
    match rule:
        case AdamW(beta2=beta2):
            return torch.optim.AdamW(groups, lr=lr, betas=(momentum, beta2), fused=fused)
        case SGD(nesterov=nesterov):
            nesterov = nesterov and momentum > 0
            return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=fused)
        case VelocitySGD():
            return velocity_sgd.VelocitySGD(groups, lr=lr, momentum=momentum)
        case RMSProp(beta2=decay):
            return rmsprop_tf.RMSPropTF(groups, lr=lr, momentum=momentum, decay=decay)
        case ShiftAdaMax(beta2=beta2):
            return shift_adamax.ShiftAdaMax(groups, lr=lr, momentum=momentum, beta2=beta2)
        case Muon():
            return muon.Muon(groups, lr=lr)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Give every group ``lr`` times its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def parameter_groups(net: nn.Module, rule: Rule) -> list[dict[str, Any]]:
    """Return the groups: one for each set of settings that occurs.

    Weights are parameters with two axes or more; the rest (norms, biases, scales) is decayed
    only if the rule's groups say so, all of it or the biases of layers. Groups come in the order of
    their first parameter.
    """
    decay_all, factor = rule.groups.decay_norms_and_biases, rule.groups.glorot
    scales = {
        name: scale * (glorot_factor(net.get_parameter(name), factor) if factor != "none" else 1.0)
        for name, scale in lr_scales(net, rule.groups).items()
    }
    biases = _biases(net) if rule.groups.decay_biases else frozenset[str]()
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        decayed = parameter.ndim > 1 or decay_all or name in biases
        filters = isinstance(rule, Muon) and parameter.ndim == 4
        key = scales[name], rule.weight_decay if decayed else 0.0, filters
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr_scale": scale, "weight_decay": weight_decay}
        | (_muon_settings(rule, scale, filters=filters) if isinstance(rule, Muon) else {})
        for (scale, weight_decay, filters), parameters in groups.items()
    ]


def glorot_factor(weight: Tensor, form: str) -> float:
    """Return sqrt((fan_in + fan_out) / 1.5) of a weight (O, I, ...), 1 of what has one axis.

    Args:
        weight: of a layer; a convolution's fans count its positions.
        form: "exact", or "power_of_two" for the nearest by logarithm.
    """
    if weight.ndim < 2:
        return 1.0
    outputs, inputs, *kernel = weight.shape
    factor = math.sqrt((inputs + outputs) * math.prod(kernel) / 1.5)
    return factor if form == "exact" else 2.0 ** round(math.log2(factor))


def _biases(net: nn.Module) -> frozenset[str]:
    """Return the names of the biases of layers; a norm's weight has but one axis."""
    weights = {name for name, parameter in net.named_parameters() if parameter.ndim > 1}
    layers = {name.rpartition(".")[0] for name in weights}
    names = (name for name, _ in net.named_parameters())
    return frozenset(n for n in names if n.endswith("bias") and n.rpartition(".")[0] in layers)


def _muon_settings(rule: Muon, scale: float, *, filters: bool) -> dict[str, Any]:
    """Return what Muon needs besides; `muon_lr` replaces the learning rate of filter banks."""
    if not filters:
        return {"orthogonal": False, "momentum": rule.momentum}
    lr_scale = scale * rule.muon_lr / rule.lr
    return {"orthogonal": True, "momentum": rule.muon_momentum, "lr_scale": lr_scale}


def lr_scales(net: nn.Module, groups: Groups) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter, by name.

    A layer is what shares the first two parts of its name (``stages.3``), counted in order of
    appearance; the classifier is the last one. Layer k of L gets layer_decay ** (L - 1 - k).
    Biases outside the classifier get `bias_lr` besides.
    """
    names = [name for name, _ in net.named_parameters()]
    layers = {name: tuple(name.split(".")[:-1][:2]) for name in names}
    order = list(dict.fromkeys(layers[name] for name in names if not in_classifier(name)))
    decay = 1.0 if groups.layer_decay is None else groups.layer_decay
    return {
        name: 1.0
        if in_classifier(name)
        else groups.body_lr
        * decay ** (len(order) - order.index(layers[name]))
        * (groups.bias_lr if name.endswith(".bias") else 1.0)
        for name in names
    }


def in_classifier(name: str) -> bool:
    """Return whether a parameter belongs to the last layer, `classifier` by our protocol.

    Also that of a network inside another, where two are trained together.
    """
    return "classifier" in name.split(".")[:-1]

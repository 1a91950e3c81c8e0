"""AdamW, two forms of SGD, RMSProp and Muon, and which parameters get which settings.

A group carries `lr_scale`; `set_lr` multiplies it with the learning rate of the step, so that
the schedule stays one number.
"""

from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from fleetfoot.train.optim.muon import Muon
from fleetfoot.train.optim.rmsprop_tf import RMSPropTF
from fleetfoot.train.optim.velocity_sgd import VelocitySGD
from fleetfoot.train.recipe import Recipe


def make_optimizer(net: nn.Module, recipe: Recipe) -> Optimizer:
    """Return the recipe's optimizer over the parameters of ``net`` that need gradients."""
    groups = parameter_groups(net, recipe)
    fused = all(parameter.is_floating_point() for parameter in net.parameters())
    if recipe.optimizer == "sgd":
        return SGD(
            groups,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            fused=fused,
        )
    if recipe.optimizer == "velocity_sgd":
        return VelocitySGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    if recipe.optimizer == "rmsprop":
        return RMSPropTF(groups, lr=recipe.lr, momentum=recipe.momentum, decay=recipe.beta2)
    if recipe.optimizer == "muon":
        return Muon(groups, lr=recipe.lr)
    return AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, recipe.beta2), fused=fused)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Give every group ``lr`` times its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def parameter_groups(net: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the groups: one for each set of settings that occurs.

    Weights are parameters with two axes or more; the rest (norms, biases, scales) is decayed
    only if the recipe says so, all of it or the biases of layers. Groups come in the order of
    their first parameter.
    """
    scales = lr_scales(net, recipe)
    biases = _biases(net) if recipe.decay_biases else frozenset[str]()
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        decayed = parameter.ndim > 1 or recipe.decay_norms_and_biases or name in biases
        filters = recipe.optimizer == "muon" and parameter.ndim == 4
        key = scales[name], recipe.weight_decay if decayed else 0.0, filters
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr_scale": scale, "weight_decay": weight_decay}
        | ({} if recipe.optimizer != "muon" else _muon_settings(recipe, scale, filters=filters))
        for (scale, weight_decay, filters), parameters in groups.items()
    ]


def _biases(net: nn.Module) -> frozenset[str]:
    """Return the names of the biases of layers; a norm's weight has but one axis."""
    weights = {name for name, parameter in net.named_parameters() if parameter.ndim > 1}
    layers = {name.rpartition(".")[0] for name in weights}
    names = (name for name, _ in net.named_parameters())
    return frozenset(n for n in names if n.endswith("bias") and n.rpartition(".")[0] in layers)


def _muon_settings(recipe: Recipe, scale: float, *, filters: bool) -> dict[str, Any]:
    """Return what Muon needs besides; `muon_lr` replaces the learning rate of filter banks."""
    if not filters:
        return {"orthogonal": False, "momentum": recipe.momentum}
    lr_scale = scale * recipe.muon_lr / recipe.lr
    return {"orthogonal": True, "momentum": recipe.muon_momentum, "lr_scale": lr_scale}


def lr_scales(net: nn.Module, recipe: Recipe) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter, by name.

    A layer is what shares the first two parts of its name (``stages.3``), counted in order of
    appearance; the classifier is the last one. Layer k of L gets layer_decay ** (L - 1 - k).
    Biases outside the classifier get `bias_lr` besides.
    """
    names = [name for name, _ in net.named_parameters()]
    layers = {name: tuple(name.split(".")[:-1][:2]) for name in names}
    order = list(dict.fromkeys(layers[name] for name in names if not in_classifier(name)))
    decay = 1.0 if recipe.layer_decay is None else recipe.layer_decay
    return {
        name: 1.0
        if in_classifier(name)
        else recipe.body_lr
        * decay ** (len(order) - order.index(layers[name]))
        * (recipe.bias_lr if name.endswith(".bias") else 1.0)
        for name in names
    }


def in_classifier(name: str) -> bool:
    """Return whether a parameter belongs to the last layer, `classifier` by our protocol.

    Also that of a network inside another, where two are trained together.
    """
    return "classifier" in name.split(".")[:-1]

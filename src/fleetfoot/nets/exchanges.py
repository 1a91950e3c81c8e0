"""Options of every network that replace some of its layers.

A method of training that changes what is deployed is an option here, so that `create` can rebuild
the network: another activation, DropConnect with the inference of its paper, binary convolutions,
or binary layers whose weights are still real.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fleetfoot.core.arguments import at_least, of_kind, one_of
from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.core.surgery import swap_modules
from fleetfoot.nets.protocol import created_as
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.drop_connect import DropConnect
from fleetfoot.ops.fplus import FPLUS, PFPLUS
from fleetfoot.ops.sign import Sign

ACTIVATIONS: dict[str, Callable[[int | None], nn.Module]] = {
    "relu": lambda _: nn.ReLU(),
    "leaky_relu": lambda _: nn.LeakyReLU(),
    "elu": lambda _: nn.ELU(),
    "gelu": lambda _: nn.GELU(),
    "silu": lambda _: nn.SiLU(),
    "mish": lambda _: nn.Mish(),
    "tanh": lambda _: nn.Tanh(),
    "fplus": lambda _: FPLUS(),
    "pfplus": lambda _: PFPLUS(),
    "pfplus_channels": PFPLUS,
}
"""What makes an activation by its word; it is given the channels of the place."""

KINDS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.Tanh, nn.Sigmoid, FPLUS, PFPLUS),
)
"""What counts as an activation; gates inside operators are no modules and stay."""


def swap_activations(net: nn.Module, word: str) -> PassResult:
    """Replace every activation of the network by that of a word, in place.

    Raises:
        UsageError: another word than those of `ACTIVATIONS`.
    """
    make = ACTIVATIONS[one_of(of_kind(word, str, "activation"), ACTIVATIONS, "activation")]
    found = _channels(net) if word == "pfplus_channels" else {}

    def made(path: str, _: nn.Module) -> nn.Module | str:
        channels = found.get(path, {None})
        return make(*channels) if len(channels) == 1 else "it is called with several widths"

    return swap_modules(net, KINDS, made)


def insert_dropconnect(
    net: nn.Module, keep: float, *, masks: str = "example", inference: str = "closed"
) -> PassResult:
    """Replace every linear layer but the last by a `DropConnect`, in place.

    Args:
        net: changed in place.
        keep: probability to keep a weight.
        masks: see `DropConnect`.
        inference: see `DropConnect`; all but "mean" need a ReLU behind the layer.

    Raises:
        UsageError: a word or rate that `DropConnect` refuses.
    """
    of_kind(keep, float, "drop_connect")
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    headless = isinstance(getattr(net, "classifier", None), nn.Identity)
    classifier = None if headless or not layers else layers[-1]

    def made(path: str, layer: nn.Linear) -> nn.Module | str:
        if layer is classifier:
            return "it is the classifier"
        if inference != "mean" and not _meets_relu(net, path):
            return "no ReLU follows it"
        return DropConnect.of(layer, keep=keep, masks=masks, inference=inference)

    return swap_modules(net, (nn.Linear,), made)


def binarise_convs(net: nn.Module, least: int) -> PassResult:
    """Replace convolutions by norm, sign and a convolution with weights of one bit, in place.

    The norm in front (XNOR-Net's order) gives the sign numbers of both signs: behind a ReLU there
    are none below zero. Latent weights begin as the weights that are there. The first convolution,
    the classifier, linear layers and what a bit cannot pay for stay: the reasons say which.

    Args:
        net: changed in place.
        least: channels of input and output from which on a convolution is made binary.

    Raises:
        UsageError: ``least`` is no whole number from 1 on.
    """
    at_least(1, of_kind(least, int, "binary"), "binary")
    convs = [path for path, module in net.named_modules() if isinstance(module, nn.Conv2d)]

    def made(path: str, conv: nn.Conv2d | nn.Linear) -> nn.Module | str:
        if isinstance(conv, nn.Linear):
            return "linear layer"
        if path == convs[0]:
            return "first convolution"
        if path.split(".")[0] == "classifier":
            return "classifier"
        if conv.groups > 1:
            return "grouped"
        if min(conv.in_channels, conv.out_channels) < least:
            return f"fewer than {least} channels"
        if conv.bias is not None:
            return "has a bias"
        square = len({*conv.kernel_size}) == len({*conv.stride}) == len({*conv.padding}) == 1
        if not square or conv.dilation != (1, 1) or conv.padding_mode != "zeros":
            return "not square, dilated or with another border"
        return _binary_form(conv)

    return swap_modules(net, (nn.Conv2d, nn.Linear), made)


def _binary_form(conv: nn.Conv2d) -> nn.Module:
    binary = BinaryConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size[0],
        stride=conv.stride[0],
        padding=int(conv.padding[0]),
        scale="filter",
    )
    binary.weight = nn.Parameter(conv.weight.detach().clone())
    norm = nn.BatchNorm2d(conv.in_channels)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        norm=norm, sign=Sign("polynomial"), conv=binary
    )
    return nn.Sequential(layers).to(conv.weight.device)


def unbinarise_weights(net: nn.Module, real: bool = True) -> PassResult:
    """Give layers of binary weights real ones again, in place: the first stage of a two-stage run.

    What is binary between layers stays so. Parameters keep names, shapes and values, so that the
    trained weights are latent weights of the binary network.

    Args:
        net: changed in place.
        real: has to be true; as an option of `create` it is a fact of the network.

    Raises:
        UsageError: ``real`` is false.
    """
    if not of_kind(real, bool, "real_weights"):
        raise UsageError("real_weights=False is what binary networks are: leave the word out")

    def made(_: str, layer: BinaryConv2d | BinaryLinear) -> nn.Module | str:
        if type(layer) not in (BinaryConv2d, BinaryLinear):
            return "its weights have a rule of their own"
        if isinstance(layer, BinaryConv2d) and layer.padding and layer.pad_value:
            return "its border is not 0"
        return _real_form(layer)

    return swap_modules(net, (BinaryConv2d, BinaryLinear), made)


def _real_form(layer: BinaryConv2d | BinaryLinear) -> nn.Module:
    outputs, inputs, *kernel = layer.weight.shape
    with torch.device("meta"):  # no weights are drawn that would not be used
        form = (
            nn.Conv2d(
                inputs, outputs, kernel[0], stride=layer.stride, padding=layer.padding, bias=False
            )
            if isinstance(layer, BinaryConv2d)
            else nn.Linear(inputs, outputs, bias=False)
        )
    form.weight = layer.weight
    return form


EXCHANGES: dict[str, Callable[[nn.Module, Any], PassResult]] = {
    "activation": swap_activations,
    "drop_connect": insert_dropconnect,
    "binary": binarise_convs,
    "real_weights": unbinarise_weights,
}
"""The options by name; where several are given, they act in this order."""


def _meets_relu(net: nn.Module, path: str) -> bool:
    parent, _, name = path.rpartition(".")
    siblings = dict(net.get_submodule(parent).named_children())
    later = list(siblings.values())[list(siblings).index(name) + 1 :]
    ordered = isinstance(net.get_submodule(parent), nn.Sequential)
    return ordered and bool(later) and isinstance(later[0], nn.ReLU)


def _channels(net: nn.Module) -> dict[str, set[int]]:
    """Return the widths that every activation is called with, by path, from a call without data."""
    twin = copy.deepcopy(net).to("meta").eval()
    found: dict[str, set[int]] = {}
    for path, module in twin.named_modules(remove_duplicate=False):
        if isinstance(module, KINDS):
            widths = found.setdefault(path, set())

            def note(_: nn.Module, x: Any, widths: set[int] = widths) -> None:
                widths.add(x[0].shape[1])

            module.register_forward_pre_hook(note)
    with torch.no_grad():
        twin(torch.empty(_input_shape(twin), device="meta"))
    return found


def _input_shape(net: nn.Module) -> tuple[int, ...]:
    """Return the shape of an input that the network takes."""
    side: Any = getattr(net, "only_size", None) or max(32, getattr(net, "min_size", 1))
    made = created_as(net)
    if made is not None:
        return (1, made.in_chans, side, side)
    first = next(module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear)))
    if isinstance(first, nn.Linear):
        return (1, first.in_features)
    return (1, first.in_channels, side, side)

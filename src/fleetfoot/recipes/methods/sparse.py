"""Networks with few connections: words of a recipe, and a density that the run ends with."""

from typing import Literal

from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.core.surgery import swap_modules
from fleetfoot.core.trace import trace
from fleetfoot.ops.masked import MaskedConv2d, MaskedLinear, Pruning
from fleetfoot.recipes.method import Method, method


@method(acts="inside", paper="Tang et al., SCL, 2022, arXiv:2201.05020")
def scl(density: float = 0.2, penalty: float = 0.0) -> Method:
    """Which weights are connected is learnt; a share stays, or what a penalty leaves."""
    if penalty < 0:
        raise UsageError(f"penalty={penalty:g} is below 0")
    if penalty:
        return _masked(Pruning(rule="scl", density=None, penalty=penalty))
    return _masked(Pruning(rule="scl", density=_share(density)))


@method(acts="inside", paper="Zhu & Gupta, 2017, arXiv:1710.01878")
def prune(density: float = 0.2, schedule: Literal["gradual", "oneshot"] = "gradual") -> Method:
    """The weights that are smallest of all layers are cut, until a share is left."""
    return _masked(Pruning(rule=schedule, density=_share(density)))


@method(acts="inside", paper="Li et al., 2017, arXiv:1608.08710")
def channels(keep: float = 0.7) -> Method:
    """The shortest filters of each layer go with their channels, until a share is left."""
    pruning = Pruning(rule="channels", density=_share(keep, "keep"))
    return Method(surgery=lambda net: _with_norms(net, pruning), finish=take_masks)


def _with_norms(net: nn.Module, pruning: Pruning) -> PassResult:
    """Put masks on convolutions, and let each know the norm that reads it alone."""
    result = put_masks(net, pruning)
    for node in trace(net).graph.nodes:
        layer = net.get_submodule(str(node.target)) if node.op == "call_module" else None
        readers = list(node.users)
        if isinstance(layer, MaskedConv2d) and len(readers) == 1 and readers[0].op == "call_module":
            norm = net.get_submodule(str(readers[0].target))
            if isinstance(norm, nn.BatchNorm2d):
                layer.followed_by = (norm,)  # a tuple is no part of a module
    return result


def _share(density: float, name: str = "density") -> float:
    if not 0 < density < 1:
        raise UsageError(f"{name}={density:g} is not between 0 and 1")
    return density


def _masked(pruning: Pruning) -> Method:
    return Method(surgery=lambda net: put_masks(net, pruning), finish=take_masks)


def put_masks(net: nn.Module, pruning: Pruning) -> PassResult:
    """Give every layer but the first, depthwise ones and the classifier a mask, in place."""
    kinds = (nn.Conv2d, nn.Linear)
    layers = [path for path, module in net.named_modules() if isinstance(module, kinds)]

    def made(path: str, layer: nn.Conv2d | nn.Linear) -> nn.Module | str:
        if path == layers[0]:
            return "first layer"
        if path == layers[-1] or path.split(".")[0] == "classifier":
            return "classifier"
        if type(layer) not in kinds:
            return f"{type(layer).__name__} has weights of its own kind"
        if isinstance(layer, nn.Linear):
            return MaskedLinear.of(layer, pruning)
        if layer.groups == layer.in_channels > 1:
            return "depthwise"
        return MaskedConv2d.of(layer, pruning)

    return swap_modules(net, kinds, made)


def take_masks(net: nn.Module) -> nn.Module:
    """Return the network with plain layers, whose weights are 0 where nothing is connected."""
    return swap_modules(net, (MaskedConv2d, MaskedLinear), lambda _, layer: layer.plain()).model

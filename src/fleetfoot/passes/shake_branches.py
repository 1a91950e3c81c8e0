"""Put ShakeDrop at the end of residual branches, and fold its mean gain away after training.

before   x + StochasticDepth(branch(x))
training x + ShakeDrop(branch(x)), kept less and less often from the first branch to the last
after    x + branch'(x): the mean gain is in the norm or convolution that ends the branch

Kind     surgery: in place; keeps every name and the training mode
Exact    in evaluation mode, up to float rounding
Skips    a branch that ends in anything else, which has nowhere to keep the gain
"""

import copy
from typing import cast

import torch
from torch import fx, nn

from fleetfoot.core.results import PassResult, Skip
from fleetfoot.core.trace import trace
from fleetfoot.ops.shake_drop import Level, ShakeDrop, keep_rates
from fleetfoot.ops.stochastic_depth import StochasticDepth

ENDS = (nn.BatchNorm2d, nn.Conv2d)


def shake_branches(net: nn.Module, *, last: float = 0.5, level: Level = "pixel") -> PassResult:
    """Replace every `StochasticDepth` by a `ShakeDrop`.

    Args:
        net: changed in place.
        last: probability that the last branch is left alone; those before it are kept more often.
        level: of the draws.

    Raises:
        UsageError: the network cannot be traced, or a value is out of its range.
    """
    ends = _ends_of_branches(net, StochasticDepth)
    skipped = tuple(
        Skip(site=path, reason="its branch does not end in a batch norm or convolution")
        for path, end in ends.items()
        if end is None
    )
    changed = tuple(path for path, end in ends.items() if end is not None)
    for path, keep in zip(changed, keep_rates(len(changed), last)):
        net.set_submodule(path, ShakeDrop(keep, level=level).train(net.training))
    return PassResult(model=net, changed=changed, skipped=skipped)


@torch.no_grad()
def fold_shake_drop(net: nn.Module) -> nn.Module:
    """Return the network with every `ShakeDrop` folded into the end of its branch; in place."""
    for path, end in _ends_of_branches(net, ShakeDrop).items():
        if end is None:
            continue  # put there by hand: it stays
        keep = cast(ShakeDrop, net.get_submodule(path)).keep
        for parameter in net.get_submodule(end).parameters(recurse=False):
            parameter.mul_(keep)
        net.set_submodule(path, StochasticDepth(0.0).train(net.training))
    return net


def _ends_of_branches(net: nn.Module, kind: type[nn.Module]) -> dict[str, str | None]:
    """Return the path of every module of a kind, with that of the layer that alone feeds it.

    None where what feeds it is no layer of `ENDS` with a scale, or is read by something else.
    """
    graph = trace(copy.deepcopy(net).eval()).graph  # a copy: each part keeps the mode it is in
    return {
        str(node.target): _end(net, node)
        for node in graph.nodes
        if node.op == "call_module" and isinstance(net.get_submodule(str(node.target)), kind)
    }


def _end(net: nn.Module, node: fx.Node) -> str | None:
    fed_by = cast(fx.Node, node.args[0])
    if fed_by.op != "call_module" or len(fed_by.users) > 1:
        return None
    layer = net.get_submodule(str(fed_by.target))
    scaled = type(layer) in ENDS and getattr(layer, "weight", None) is not None
    return str(fed_by.target) if scaled else None

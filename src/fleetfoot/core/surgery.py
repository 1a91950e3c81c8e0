"""Networks with other modules in the place of some of theirs."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def replaced(
    net: "nn.Module", kind: "type[nn.Module]", make: "Callable[[Any], nn.Module]"
) -> "nn.Module":
    """Return a copy of ``net`` in evaluation mode with ``make(module)`` for every one of a kind.

    Args:
        net: left alone; ``make`` gets the modules of the copy and may change them.
        kind: of the modules that are replaced.
        make: returns what takes the place of a module.
    """
    net = copy.deepcopy(net)
    for path, module in list(net.named_modules()):
        if isinstance(module, kind):
            net.set_submodule(path, make(module))
    return net.eval()

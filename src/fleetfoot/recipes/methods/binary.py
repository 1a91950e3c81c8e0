"""Binary convolutions in any network: a word of a recipe.

It stays for good: `create(..., binary=...)` makes the same network.
"""

from torch import nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.results import PassResult
from fleetfoot.nets.catalog import note_option
from fleetfoot.nets.exchanges import binarise_convs
from fleetfoot.recipes.method import Method, method

LEAST = 32  # channels: below, packing costs more than the products of bits save


@method(acts="inside", paper="Rastegari et al., XNOR-Net, ECCV 2016, arXiv:1603.05279")
def binary(least: int = LEAST) -> Method:
    """Inner convolutions get weights and inputs of one bit, from so many channels on."""
    at_least(1, least, "least")

    def surgery(net: nn.Module) -> PassResult:
        result = binarise_convs(net, least)
        if result.changed:
            note_option(net, "binary", least)
        return result

    return Method(surgery=surgery)

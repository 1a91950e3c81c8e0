"""Binary convolutions in any network: a word of a recipe.

It stays for good: `create(..., binary=...)` makes the same network.
"""

from fleetfoot.core.arguments import at_least
from fleetfoot.nets.catalog import exchanged
from fleetfoot.recipes.method import Method, method

LEAST = 32  # channels: below, packing costs more than the products of bits save


@method(acts="inside", paper="Rastegari et al., XNOR-Net, ECCV 2016, arXiv:1603.05279")
def binary(least: int = LEAST) -> Method:
    """Inner convolutions get weights and inputs of one bit, from so many channels on."""
    at_least(1, least, "least")
    return Method(surgery=lambda net: exchanged(net, "binary", least))

"""Another activation for all of a network: a word of a recipe.

It stays for good: `create(..., activation=...)` makes the same network.
"""

from fleetfoot.core.arguments import one_of
from fleetfoot.nets.catalog import exchanged
from fleetfoot.nets.exchanges import ACTIVATIONS
from fleetfoot.recipes.method import Method, method

PAPER = "Duan, Yang, Dai, 2021, arXiv:2111.14349"


@method(acts="inside", paper="none: for comparisons")
def activation(kind: str = "relu") -> Method:
    """Every activation becomes one of a kind, such as elu, silu, mish or fplus."""
    one_of(kind, ACTIVATIONS, "kind")
    return _exchanged(kind)


@method(acts="inside", paper=PAPER)
def fplus() -> Method:
    """Every activation becomes FPLUS: x, or x / (1 - x) below zero."""
    return _exchanged("fplus")


@method(acts="inside", paper=PAPER)
def pfplus(*, channels: bool = True) -> Method:
    """Every activation becomes PFPLUS: an amplitude and a scale are learnt, of each channel."""
    return _exchanged("pfplus_channels" if channels else "pfplus")


def _exchanged(word: str) -> Method:
    return Method(surgery=lambda net: exchanged(net, "activation", word))

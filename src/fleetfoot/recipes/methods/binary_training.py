"""How binary networks are trained: words of a recipe."""

from fleetfoot.core.errors import UsageError
from fleetfoot.recipes.method import Method, method
from fleetfoot.train.steps import binarised_backprop as backward


@method(
    acts="inside",
    paper="Hubara et al., 2016, arXiv:1602.02505",
    published="MNIST, 3 x 2048: 98.60 % right (as arXiv:1602.02830 lists it)",
)
def binarised_backprop(neurons: backward.Neurons = "stochastic", gradient_bits: int = 0) -> Method:
    """The backward pass of a binary network reads bits; neurons are drawn, or not."""
    if gradient_bits and gradient_bits not in backward.ERROR_BITS:
        first, last = backward.ERROR_BITS[0], backward.ERROR_BITS[-1]
        raise UsageError(f"gradient_bits={gradient_bits} is not 0, or {first} to {last}")
    return Method(
        step=lambda step: backward.binarised_backprop(
            step, neurons=neurons, gradient_bits=gradient_bits
        )
    )

"""How binary networks are trained: words of a recipe."""

from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.core.surgery import swap_modules
from fleetfoot.nets.catalog import exchanged
from fleetfoot.ops.noise_adaptation import NoisySineConv2d, NoisySineSign
from fleetfoot.ops.sine_sign import SineConv2d, SineSign
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


@method(acts="inside", paper="Liu et al., ReActNet, ECCV 2020, arXiv:2003.03488")
def real_weights() -> Method:
    """First of two stages: bits between layers alone; then a run with --weights RUN/weights."""
    return Method(surgery=lambda net: exchanged(net, "real_weights", True))


@method(
    acts="inside",
    paper="Xu et al., FDA-BNN, NeurIPS 2021, arXiv:2103.00841",
    published="CIFAR-10, ResNet-20: 85.83 to 86.20 % right",
)
def noise_adaptation() -> Method:
    """Signs that learn by sines get noise that is learnt, less and less of it."""
    return Method(surgery=_noisy, finish=_without_noise)


def _noisy(net: nn.Module) -> PassResult:
    def made(path: str, layer: SineSign | SineConv2d) -> nn.Module | str:
        if isinstance(layer, SineConv2d):
            return NoisySineConv2d.of(layer)
        parent, _, name = path.rpartition(".")
        siblings = dict(net.get_submodule(parent).named_children())
        following = [*siblings.values()][[*siblings].index(name) + 1 :]
        if not following or not isinstance(following[0], SineConv2d):
            return "no convolution of sines follows it"
        return NoisySineSign(following[0].weight.shape[1])

    return swap_modules(net, (SineSign, SineConv2d), made)


def _without_noise(net: nn.Module) -> nn.Module:
    def made(_: str, layer: NoisySineSign | NoisySineConv2d) -> nn.Module:
        return layer.plain() if isinstance(layer, NoisySineConv2d) else SineSign()

    return swap_modules(net, (NoisySineSign, NoisySineConv2d), made).model

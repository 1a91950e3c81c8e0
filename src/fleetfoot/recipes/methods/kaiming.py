"""First weights that keep the size of signals through ReLUs, for networks drawn too small."""

from torch import nn

from fleetfoot.recipes.method import Method, Start, method


@method(
    acts="start",
    paper="He et al., ICCV 2015, arXiv:1502.01852, section 2.2",
    published="a 30-layer network trains, which stalls with weights that are drawn smaller",
)
def kaiming() -> Method:
    """Normal weights of variance 2 / fan-in in convolutions and linear layers, biases of 0.

    Layers that are not trained, such as a whitened stem, keep theirs.
    """
    return Method(initialise=_draw)


def _draw(net: nn.Module, start: Start) -> None:
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.requires_grad:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

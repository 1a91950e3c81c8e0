"""First weights for short trainings, in which a network has no time to grow out of small ones.

Paper    He et al., "Delving Deep into Rectifiers", ICCV 2015, arXiv:1502.01852, section 2.2
Departs  linear layers are drawn as convolutions are; biases of both are 0
"""

from torch import nn


def he_weights(net: nn.Module) -> nn.Module:
    """Return the network, its convolutions and linear layers drawn again, in place."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net

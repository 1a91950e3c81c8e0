"""First weights of DenseNet and VoVNet.

Paper    He et al., "Delving Deep into Rectifiers", ICCV 2015, arXiv:1502.01852
Departs  only `torch.nn.Conv2d` is drawn: parameters of other layers keep their own first values
"""

from torch import nn


def reset_kaiming(net: nn.Module) -> None:
    """Draw convolutions from Kaiming's normal distribution; biases of linear layers are 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

"""For second implementations: a state dict read front to back by plain functional calls.

Every tensor is taken once, in order, and must have the shape that the sheet's table gives it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Reader:
    """Hands out the tensors of a network one after the other; maps are (N, C, H, W)."""

    def __init__(self, net: nn.Module) -> None:
        state = net.state_dict()
        self.tensors = [v for key, v in state.items() if not key.endswith("batches_tracked")]

    def take(self, *shape: int) -> Tensor:
        tensor = self.tensors.pop(0)
        assert tuple(tensor.shape) == shape
        return tensor

    def conv(self, x: Tensor, out: int, side: int, *, stride: int = 1, groups: int = 1) -> Tensor:
        weight = self.take(out, x.shape[1] // groups, side, side)
        return F.conv2d(x, weight, None, stride, side // 2, groups=groups)

    def norm_relu(self, x: Tensor) -> Tensor:
        weight, bias, mean, var = (self.take(x.shape[1])[:, None, None] for _ in range(4))
        return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)

    def unit(self, x: Tensor, out: int, side: int, *, stride: int = 1) -> Tensor:
        """Convolution, norm, ReLU."""
        return self.norm_relu(self.conv(x, out, side, stride=stride))

    def linear(self, x: Tensor, out: int) -> Tensor:
        """Average over positions, then the classifier; nothing may be left afterwards."""
        weight, bias = self.take(out, x.shape[1]), self.take(out)
        assert not self.tensors
        return x.mean(dim=(2, 3)) @ weight.T + bias


def assert_equal(got: Tensor, expected: Tensor) -> None:
    """Compare in float64; the logits must be worth comparing."""
    assert expected.std() > 0.01
    assert (got - expected).abs().max() <= 1e-9 * expected.abs().max()


def double(net: nn.Module) -> nn.Module:
    """Return the network in float64 and evaluation mode, its norms filled at random."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return net.double().eval().requires_grad_(False)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)

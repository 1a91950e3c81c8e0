"""The residual block against plain calls of torch.nn.functional, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.blocks.residual import ResidualBlock
from tests.contracts.subjects import randomise


def conv_norm(x: Tensor, layer: nn.Module, *, stride: int = 1) -> Tensor:
    weight, norm = layer.conv.weight, layer.norm
    y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
    mean, var, gain, shift = (
        t[:, None, None] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (y - mean) / (var + 1e-5).sqrt() * gain + shift


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("in_channels", [4, 16])
def test_is_its_formula(*, in_channels: int, bottleneck: bool, stride: int) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(in_channels, 4, stride=stride, bottleneck=bottleneck)
    randomise(block.double())
    x = torch.randn(2, in_channels, 7, 6, dtype=torch.float64)
    one, two, *three = block.branch
    if bottleneck:
        y = F.relu(conv_norm(x, one))
        y = F.relu(conv_norm(y, two, stride=stride))
        y = conv_norm(y, three[0])
    else:
        y = conv_norm(F.relu(conv_norm(x, one, stride=stride)), two)
    keeps_shape = stride == 1 and in_channels == y.shape[1]
    assert isinstance(block.shortcut, nn.Identity) == keeps_shape
    shortcut = x if keeps_shape else conv_norm(x, block.shortcut, stride=stride)
    torch.testing.assert_close(block(x), F.relu(y + shortcut))


def test_takes_another_shortcut() -> None:
    pool = nn.AvgPool2d(2)
    block = randomise(ResidualBlock(4, 4, stride=2, shortcut=pool))
    x = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(block(x), F.relu(block.branch(x) + F.avg_pool2d(x, 2)))

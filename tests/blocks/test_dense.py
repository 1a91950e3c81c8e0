"""The dense layer against its formula."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.blocks.dense import DenseLayer, transition
from fleetfoot.core.errors import UsageError


def norm_relu(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    mean, var = (t[:, None, None] for t in (norm.running_mean, norm.running_var))
    return ((x - mean) / (var + 1e-5).sqrt()).clamp(min=0)


@pytest.mark.parametrize("bottleneck", [0, 8])
def test_layer_appends_what_it_reads_from_all_maps(bottleneck: int) -> None:
    torch.manual_seed(0)
    layer = DenseLayer(6, growth=3, bottleneck=bottleneck).double().eval()
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    new = x
    if bottleneck:
        new = F.conv2d(norm_relu(new, layer.reduce.norm), layer.reduce.conv.weight)
    new = F.conv2d(norm_relu(new, layer.grow.norm), layer.grow.conv.weight, padding=1)
    got = layer(x)
    assert torch.equal(got[:, :6], x)
    torch.testing.assert_close(got[:, 6:], new)


def test_transition_is_a_convolution_before_its_pool() -> None:
    layers = transition(6, 3, nn.AvgPool2d(2))
    assert [name for name, _ in layers.named_children()] == ["norm", "act", "conv", "pool"]
    assert layers(torch.randn(2, 6, 9, 8)).shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 3, 8), "in_channels=0 is too small"),
        ((6, -1, 8), "growth=-1 is too small"),
        ((6, 3, -8), "bottleneck=-8 is too small: give at least 0"),
    ],
)
def test_refuses_nonsense(sizes: tuple[int, int, int], message: str) -> None:
    in_channels, growth, bottleneck = sizes
    with pytest.raises(UsageError, match=message):
        DenseLayer(in_channels, growth=growth, bottleneck=bottleneck)

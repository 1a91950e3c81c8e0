"""ResNets for CIFAR: a second implementation, counts by hand, the paper's table."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.resnet_cifar import VARIANTS
from tests.contracts.subjects import randomise

DEPTHS = {"resnet20_cifar": 20, "resnet56_cifar": 56, "resnet110_cifar": 110}


def naive_resnet(x: Tensor, state: dict[str, Tensor], *, depth: int) -> Tensor:
    """Section 4.2: 6 n + 2 layers; every convolution is 3x3, the first of a size has stride 2."""

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        x = F.conv2d(x, state[f"{name}.conv.weight"], stride=stride, padding=1)
        words = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{name}.norm.{word}"] for word in words))

    x = F.relu(layer(x, "stem"))
    for stage in range(3):
        for block in range((depth - 2) // 6):
            path = f"stages.{stage}.{block}.branch"
            first = stage > 0 and block == 0
            y = F.relu(layer(x, f"{path}.conv1", 2 if first else 1))
            y = layer(y, f"{path}.conv2")
            if first:
                x = x[:, :, ::2, ::2]
                x = torch.cat((x, torch.zeros_like(x)), dim=1)
            x = F.relu(x + y)
    return F.linear(x.mean(dim=(2, 3)), state["classifier.weight"], state["classifier.bias"])


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(name, num_classes=7)).double()
    x = torch.randn(2, 3, 13, 10, dtype=torch.float64)
    with torch.no_grad():
        expected = naive_resnet(x, net.state_dict(), depth=DEPTHS[name])
        assert expected.std() > 0.01
        torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-9 * expected.abs().max())


@pytest.mark.parametrize("name", VARIANTS)
def test_counts_by_hand(name: str) -> None:
    n = (DEPTHS[name] - 2) // 6
    weights = {32: 3 * 9 * 16 + 2 * n * 9 * 16 * 16}  # by side of the map
    weights[16] = 9 * 16 * 32 + (2 * n - 1) * 9 * 32 * 32
    weights[8] = 9 * 32 * 64 + (2 * n - 1) * 9 * 64 * 64
    norms = 2 * (16 * (2 * n + 1) + 32 * 2 * n + 64 * 2 * n)
    assert entry(name).params == sum(weights.values()) + norms + 650
    assert entry(name).macs == sum(w * side**2 for side, w in weights.items()) + 640


@pytest.mark.parametrize(("name", "millions"), list(zip(VARIANTS, (0.27, 0.85, 1.7))))
def test_has_the_size_of_table_6(name: str, millions: float) -> None:
    digits = 1 if millions == 1.7 else 2
    assert round(entry(name).params / 1e6, digits) == millions


def test_three_sizes_of_map() -> None:
    net = create("resnet20_cifar").eval()
    shapes = [tuple(m.shape[1:]) for m in net.forward_features(torch.randn(1, 3, 32, 32))]
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]

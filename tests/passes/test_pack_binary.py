import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.sign import Sign
from tests.contracts.subjects import randomise

pytest.importorskip("numba")

from fleetfoot.kernels.packed_bits import unpack_bytes
from fleetfoot.passes.pack_binary import pack_binary


def spread_norms(net: nn.Module) -> nn.Module:
    """Give norms the statistics of sums, and some channels a factor below zero."""
    randomise(net)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.get_buffer("running_var").mul_(200)
                module.get_buffer("running_mean").mul_(30)
                module.weight[::3] *= -1
                module.weight[1] = 0
    return net


@pytest.mark.parametrize("pad_value", [0, 1, -1])
def test_a_convnet_answers_as_it_did(pad_value: int):
    torch.manual_seed(0)
    net = spread_norms(create("bnn_svhn", pad_value=pad_value))
    packed = pack_binary(net)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        expected = net(x).numpy()
        bits = net.forward_pooled(x).numpy()
    found = packed.net(x.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    last = x.numpy()
    for step in packed.net.steps[:-2]:
        last = step(last)
    np.testing.assert_array_equal(unpack_bytes(last, 1024), bits)
    assert packed.floats == ("stages.0.conv",)
    assert len(packed.packed) == 8
    weights = sum(
        m.weight.numel() for m in net.modules() if isinstance(m, (BinaryConv2d, BinaryLinear))
    )
    first = 64 * 3 * 9
    assert packed.net.bit_bytes == (weights - first) / 8  # 1/32 of float32


def test_a_perceptron_answers_as_it_did():
    torch.manual_seed(0)
    net = spread_norms(create("bnn_mnist", in_chans=1))
    x = torch.randn(5, 1, 28, 28)
    with torch.no_grad():
        expected = net(x).numpy()
    found = pack_binary(net).net(x.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_channels_that_fill_no_byte():
    torch.manual_seed(0)
    net = nn.Sequential(
        BinaryConv2d(1, 5, 3, padding=1),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(5),
        Sign(),
        BinaryConv2d(5, 11, 3, stride=2),
        nn.BatchNorm2d(11),
        Sign(),
        nn.Flatten(),
        BinaryLinear(11 * 9, 3),
    )
    x = torch.randn(2, 1, 16, 16)
    net = spread_norms(net)
    with torch.no_grad():
        np.testing.assert_array_equal(pack_binary(net).net(x.numpy()), net(x).numpy())


class Branches(nn.Module):
    """Adds what went in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = BinaryConv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + x


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (Branches(), "Branches cannot be packed"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "Conv2d cannot be packed"),
        (nn.Sequential(BinaryLinear(3, 4)), "has no layer that reads bits"),
        (nn.Sequential(BinaryLinear(3, 4), Sign()), "a sign without a norm"),
        (
            nn.Sequential(
                BinaryLinear(3, 4), nn.BatchNorm1d(4), Sign(), BinaryLinear(4, 2, scale="layer")
            ),
            "signs with a scale for each layer are not packed yet",
        ),
        (
            nn.Sequential(BinaryLinear(3, 4), nn.BatchNorm1d(4), BinaryLinear(4, 2)),
            "a norm without a sign stands in front",
        ),
        (
            nn.Sequential(
                BinaryLinear(3, 4),
                nn.BatchNorm1d(4),
                Sign(),
                BinaryLinear(4, 2),
                nn.BatchNorm1d(2),
                Sign(),
            ),
            "ends in bits",
        ),
    ],
)
def test_what_cannot_be_packed_says_why(net: nn.Module, why: str):
    with pytest.raises(UsageError, match=why):
        pack_binary(net)

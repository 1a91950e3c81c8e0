from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.rsign import RPReLU, RSign
from fleetfoot.ops.sign import Sign
from fleetfoot.ops.zero_shortcut import ZeroShortcut
from tests.contracts.subjects import randomise

pytest.importorskip("numba")

from fleetfoot.kernels.packed_bits import unpack_bytes
from fleetfoot.kernels.packed_net import PackedNet, load_packed, save_packed
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
    packed = pack_binary(net, (3, 32, 32))
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        expected = net(x).numpy()
        bits = net.forward_pooled(x).numpy()
    found = packed.net(x.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    last = PackedNet(packed.net.calls[:-2], packed.net.image)(x.numpy())
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
    found = pack_binary(net, (1, 28, 28)).net(x.numpy())
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
        found = pack_binary(net, (1, 16, 16)).net(x.numpy())
        np.testing.assert_array_equal(found, net(x).numpy())


class Block(nn.Module):
    """All that residual binary networks do: both shortcuts, both activations, scales, a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.sign, self.conv = Sign(), BinaryConv2d(16, 16, 3, padding=1, scale="layer")
        self.norm, self.act = nn.BatchNorm2d(16), RPReLU(16)
        self.rsign, self.down = RSign(16), BinaryConv2d(16, 24, 3, stride=2, padding=1)
        self.down_norm, self.shortcut = nn.BatchNorm2d(24), ZeroShortcut(24, 2)
        self.pool, self.wide = nn.AvgPool2d(2), BinaryConv2d(16, 16, 1, scale="filter")
        self.clamp, self.mean = nn.Hardtanh(), nn.AdaptiveAvgPool2d(1)
        self.flatten, self.head = nn.Flatten(), nn.Linear(40, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.act(self.norm(self.conv(self.sign(x))) + x)
        signs = self.rsign(x)
        down = self.clamp(self.shortcut(x) + self.down_norm(self.down(signs)))
        both = torch.cat([self.wide(self.sign(self.pool(x))), down], 1)
        return self.head(self.flatten(self.mean(both)))


def test_residual_blocks_answer_as_they_did(tmp_path: Path):
    torch.manual_seed(0)
    net = randomise(Block()).eval()
    x = torch.randn(3, 3, 12, 12)
    with torch.no_grad():
        expected = net(x).numpy()
    packed = pack_binary(net, (3, 12, 12))
    assert set(packed.packed) == {"conv", "wide", "down"}
    assert packed.floats == ("stem.0", "head")
    np.testing.assert_allclose(packed.net(x.numpy()), expected, rtol=1e-4, atol=1e-4)
    again = load_packed(save_packed(packed.net, tmp_path / "model.npz"))
    np.testing.assert_array_equal(again(x.numpy()), packed.net(x.numpy()))


class Odd(nn.Module):
    """Multiplies two maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = BinaryConv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) * x


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (Odd(), "mul: .* cannot be packed"),
        (nn.Sequential(BinaryConv2d(3, 4, 3), nn.SiLU()), "1: SiLU cannot be packed"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "has no binary layer"),
        (nn.Sequential(BinaryLinear(3, 4)), "has no layer that reads bits"),
        (nn.Sequential(Sign(), nn.ReLU(), BinaryLinear(3, 4)), "1: a ReLU of bits cannot"),
        (nn.Sequential(Sign(), BinaryLinear(3, 4), Sign()), "ends in bits"),
    ],
)
def test_what_cannot_be_packed_says_why(net: nn.Module, why: str):
    with pytest.raises(UsageError, match=why):
        pack_binary(net, (3, 8, 8))

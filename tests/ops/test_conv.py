"""Convolution, norm and activation: names, padding, and that the tracer sees through."""

from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.trace import trace
from fleetfoot.ops.conv import conv_norm_act


def test_names_of_the_layers() -> None:
    assert [name for name, _ in conv_norm_act(3, 8).named_children()] == ["conv", "norm", "act"]
    same = conv_norm_act(3, 8, stride=2, act=None, padding="same", eps=1e-3)
    assert [name for name, _ in same.named_children()] == ["pad", "conv", "norm"]
    assert same.norm.eps == 1e-3
    assert same.conv.bias is None


@pytest.mark.parametrize("padding", ["symmetric", "same"])
@pytest.mark.parametrize("stride", [1, 2])
def test_keeps_or_halves_the_map(padding: str, stride: int) -> None:
    net = conv_norm_act(4, 8, kernel_size=5, stride=stride, groups=4, padding=padding)
    size = -(-9 // stride)
    assert net(torch.randn(2, 4, 9, 9)).shape == (2, 8, size, size)


def test_is_its_three_layers() -> None:
    net = conv_norm_act(3, 4, act=nn.ReLU6).eval()
    x = torch.randn(1, 3, 5, 5)
    assert torch.equal(net(x), net.act(net.norm(net.conv(x))))


def test_the_tracer_sees_the_convolution_and_the_norm() -> None:
    graph = trace(nn.Sequential(conv_norm_act(3, 4, stride=2, padding="same"))).graph
    targets = [node.target for node in graph.nodes if node.op == "call_module"]
    assert targets == ["0.pad", "0.conv", "0.norm", "0.act"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"in_channels": 0}, "in_channels=0 is too small"),
        ({"out_channels": -4}, "out_channels=-4 is too small"),
        ({"stride": 0}, "stride=0 is too small"),
        ({"kernel_size": 2}, "kernel_size=2 is no odd side"),
        ({"kernel_size": -3}, "kernel_size=-3 is no odd side"),
        ({"groups": 0}, "0 groups do not divide 4 and 4 channels"),
        ({"groups": 3}, "3 groups do not divide 4 and 4 channels: give a divisor of both"),
        ({"out_channels": 6, "groups": 4}, "4 groups do not divide 4 and 6 channels"),
        ({"eps": 0.0}, r"eps=0\.0 is not above 0"),
    ],
)
def test_refuses_nonsense(words: dict[str, Any], message: str) -> None:
    sizes = {"in_channels": 4, "out_channels": 4} | words
    with pytest.raises(UsageError, match=message):
        conv_norm_act(**sizes)


def test_refuses_another_padding() -> None:
    with pytest.raises(UsageError, match="padding='valid' is not offered"):
        conv_norm_act(3, 4, padding="valid")

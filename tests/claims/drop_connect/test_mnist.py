"""The networks of the DropConnect claims, and the explicit average that inference is held to."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.drop_connect.mnist import CLAIMS, EXTENTS, explicit_average, net_of
from fleetfoot.ops.drop_connect import DropConnect, expected_relu, moments


@pytest.mark.parametrize("way", ["plain", "dropout", "drop_connect"])
def test_ways_differ_in_the_second_layer_alone(way: str) -> None:
    net = net_of(way, 6)
    assert net(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert [tuple(p.shape) for p in net.parameters()] == [
        *((6, 784), (6,)),
        *((6, 6), (6,)),
        *((10, 6), (10,)),
    ]
    assert isinstance(net[3], DropConnect if way == "drop_connect" else nn.Linear)
    assert net[5].p == (0.5 if way == "dropout" else 0.0)


def test_the_normal_is_near_the_explicit_average() -> None:
    torch.manual_seed(0)
    layer, v = DropConnect(40, 5), torch.rand(3, 40)
    with torch.no_grad():
        average = explicit_average(layer, v, masks=3000)
        mean, variance = moments(v, layer.weight, layer.bias, keep=0.5)
        expected = expected_relu(mean / 0.5, variance / 0.25)
    torch.testing.assert_close(average, expected, atol=0.05, rtol=0)


def test_rules_are_those_of_the_protocol() -> None:
    rules = {claim.id: claim.judge for claim in CLAIMS}
    assert rules["dropconnect/against-none"](30.0, "cpu") == "partly"  # a stand-in
    assert rules["dropconnect/against-dropout"](7.9, "cpu") == "not reproduced"
    assert rules["dropconnect/gaussian-inference"](2.0, "cpu") == "reproduced"
    assert rules["dropconnect/wide-layers"](0.6, "smoke") == "not at this scale"
    assert EXTENTS["cpu"].wide == 256

"""The networks of the DropConnect claims, and the explicit average that inference is held to."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.drop_connect.mnist import CLAIMS, WIDE_WIDTHS, explicit_average, network
from fleetfoot.ops.drop_connect import DropConnect, expected_relu, moments


@pytest.mark.parametrize("way", ["plain", "dropout", "drop_connect"])
def test_ways_differ_in_the_second_layer_alone(way: str) -> None:
    net = network(way, 6)
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
    claims = {claim.id: claim for claim in CLAIMS}
    assert {claim.footing["cpu"] for claim in CLAIMS} == {"scaled"}
    assert claims["dropconnect/against-none"].rule(24.9) == "partly"
    assert claims["dropconnect/against-dropout"].rule(7.9) == "not reproduced"
    assert claims["dropconnect/gaussian-inference"].rule(2.0) == "reproduced"
    assert claims["dropconnect/wide-layers"].rule(0.6) == "partly"
    assert not claims["dropconnect/wide-layers"].decides("smoke")
    assert WIDE_WIDTHS["cpu"] == 256

"""Weights have the variance 2 / fan-in; everything else stays."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.he_weights import he_weights


def test_variance_is_two_over_fan_in() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 64, 3), nn.BatchNorm2d(64), nn.Linear(400, 50))
    nn.init.constant_(net[1].weight, 7.0)
    same = he_weights(net)
    assert same is net
    for layer, fan_in in ((net[0], 72), (net[2], 400)):
        assert float(layer.weight.detach().var()) == pytest.approx(2 / fan_in, rel=0.05)
        assert not layer.bias.any()
    assert (net[1].weight == 7).all()

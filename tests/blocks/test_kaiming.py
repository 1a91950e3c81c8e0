"""First weights: the spread of He's normal, no bias, other layers untouched."""

import pytest
import torch
from torch import nn

from fleetfoot.blocks.kaiming import reset_kaiming


def test_draws_convolutions_and_clears_biases() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.Linear(64, 4))
    linear = net[2].weight.clone()
    nn.init.constant_(net[1].weight, 3.0)
    reset_kaiming(net)
    assert net[0].weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.03)
    assert net[2].bias.abs().max() == 0
    assert torch.equal(net[2].weight, linear)
    assert net[1].weight.unique().tolist() == [3.0]

"""Modules of a kind, and no others, are replaced in a copy."""

import torch
from torch import nn

from fleetfoot.core.surgery import replaced


def test_modules_of_a_kind_are_replaced_in_a_copy():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.GELU(), nn.Sequential(nn.GELU(), nn.Tanh()))
    seen: list[nn.Module] = []
    other = replaced(net, nn.GELU, lambda module: seen.append(module) or nn.ReLU())
    assert [type(m) for m in other.modules() if not list(m.children())] == [
        nn.Conv2d,
        nn.ReLU,
        nn.ReLU,
        nn.Tanh,
    ]
    assert isinstance(net[1], nn.GELU)
    assert net.training
    assert not other.training
    assert all(module is not net[1] for module in seen)
    assert torch.equal(other[0].weight, net[0].weight)

"""Pools apart and overlapping give maps of one size; everything else is the same network."""

import torch
from torch import nn

from fleetfoot.claims.alexnet import small_nets
from fleetfoot.measure.counts import count

IMAGE = (3, small_nets.SIDE, small_nets.SIDE)


def test_pools_do_not_change_the_work() -> None:
    overlapping, apart = (small_nets.network(way, "cpu") for way in ("published", "apart"))
    assert count(overlapping, IMAGE).macs == count(apart, IMAGE).macs
    windows = [
        [m.kernel_size for m in net.modules() if isinstance(m, (nn.MaxPool2d, nn.AvgPool2d))]
        for net in (overlapping, apart)
    ]
    assert windows == [[3, 3, 3], [2, 2, 2]]


def test_both_start_from_the_same_weights() -> None:
    torch.manual_seed(0)
    first = small_nets.network("published", "cpu").state_dict()
    torch.manual_seed(0)
    second = small_nets.network("apart", "cpu").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first.keys() == second.keys()

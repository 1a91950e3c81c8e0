"""Modules of a kind hear how far the training is; others do not."""

import torch
from torch import nn

from fleetfoot.ops.drop_block import DropBlock2d
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.progress import telling_progress
from fleetfoot.train.steps.step import Context


def test_a_kind_of_module_is_told_the_share_of_the_run() -> None:
    net = nn.Sequential(DropBlock2d(0.1, 3), nn.ReLU(), nn.Sequential(DropBlock2d(0.1, 3)))
    context = Context(Recipe(), 3, 3, None, "float32", total_steps=12)
    step = telling_progress(lambda net, batch, context: (torch.ones(()), {}), DropBlock2d)
    assert step(net, None, context)[0] == 1
    assert (net[0].progress, net[2][0].progress) == (0.25, 0.25)
    assert not hasattr(net[1], "progress")

import pytest
import torch
from torch import nn

from fleetfoot.recipes import method
from fleetfoot.train.method_word import methods
from fleetfoot.train.recipe import Recipe


def test_weights_have_the_variance_of_their_inputs_and_norms_stay():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128), nn.Linear(128, 200))
    nn.init.constant_(net[1].weight, 3.0)
    recipe = Recipe(methods=methods("kaiming"))
    images, labels = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64)
    method.initialise(net, method.Start(images=images, labels=labels, recipe=recipe))
    assert net[0].weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.05)
    assert net[2].weight.var().item() == pytest.approx(2 / 128, rel=0.05)
    assert not net[0].bias.any()
    assert (net[1].weight == 3.0).all()


def test_a_layer_that_is_not_trained_keeps_its_weights():
    net = nn.Sequential(nn.Linear(3, 4).requires_grad_(False), nn.Linear(4, 2))
    stem, last = (layer.weight.detach().clone() for layer in net)
    recipe = Recipe(methods=methods("kaiming"))
    method.initialise(
        net, method.Start(images=torch.zeros(0), labels=torch.zeros(0), recipe=recipe)
    )
    assert torch.equal(net[0].weight, stem)
    assert not torch.equal(net[1].weight, last)

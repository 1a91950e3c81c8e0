"""GradInit as a method: it scales what is there before the first step."""

import torch
from torch import nn

from fleetfoot.recipes.method import Start, method_of
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.recipe import Recipe


def test_first_weights_are_scaled_for_both_rules() -> None:
    for rule in ("sgd", "adam"):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))
        before = net[1].weight.detach().clone()
        word = f"gradinit:rule={rule},iterations=4,batch=8,lr=0.1"
        images, labels = torch.randn(16, 3, 2, 2), torch.arange(16) % 3
        start = Start(images=images, labels=labels, recipe=Recipe(methods=methods(word)))
        method_of(MethodWord.parse(word)).initialise(net, start)
        ratio = net[1].weight.detach() / before
        assert not torch.equal(net[1].weight, before)
        torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio))

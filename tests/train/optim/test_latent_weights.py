import torch
from torch import nn

from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.train.optim.latent_weights import latent_weights
from fleetfoot.train.optim.optimizers import make_optimizer
from fleetfoot.train.optim.rules import SGD


def test_after_an_update_they_lie_within_one_and_no_others_do():
    torch.manual_seed(0)
    net = nn.Sequential(
        BinaryConv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), BinaryLinear(4, 3), nn.Linear(3, 2)
    )
    assert latent_weights(net) == [net[0].weight, net[3].weight]
    optimizer = make_optimizer(net, SGD(lr=100.0, momentum=0.0))
    net(torch.randn(8, 1, 3, 3)).square().sum().backward()
    before = [p.detach().clone() for p in net.parameters()]
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters()))
    assert net[0].weight.abs().max() <= 1
    assert net[3].weight.abs().max() == 1
    assert net[4].weight.abs().max() > 1


def test_weights_with_a_scale_are_left_to_grow():
    assert latent_weights(nn.Sequential(BinaryLinear(4, 3, scale="filter"))) == []

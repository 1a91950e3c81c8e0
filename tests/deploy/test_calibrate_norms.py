import torch
from torch import nn

from fleetfoot.deploy.calibrate_norms import calibrate_norms


def net() -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(20):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
    return nn.Sequential(*layers)


def test_activations_keep_their_size():
    model = net()
    for norm in model[1::3]:
        norm.running_var.fill_(1e4)  # what no batch ever gave
    x = torch.randn(4, 4, 8, 8)
    with torch.inference_mode():
        assert model.eval()(x).std() < 1e-3
        assert 0.1 < calibrate_norms(model, (4, 8, 8))(x).std() < 10


def test_the_network_is_left_alone_and_the_same_noise_is_drawn():
    model = net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (calibrate_norms(model, (4, 8, 8)) for _ in range(2))
    assert model.training
    assert not first.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(first[4].running_var, second[4].running_var)
    assert first[1].momentum == 0.1


def test_without_norms_nothing_is_run():
    class Refuses(nn.Module):
        def forward(self, x):
            raise AssertionError

    calibrate_norms(Refuses(), (3, 8, 8))

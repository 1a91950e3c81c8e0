"""Modules behind stages, and the network as it was once they are taken out."""

import torch
from torch import nn

from fleetfoot.nets.create import skeleton
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.max_dropout import MaxDropout
from fleetfoot.ops.target_drop import TargetDrop
from fleetfoot.passes.insert_after import insert_after, stage_places, take_out


def net() -> nn.Module:
    torch.manual_seed(0)
    return ResNetCifar(ResNetCifarSpec(blocks=1, channels=(4, 8)), 3).eval()


def test_stages_are_found_with_their_channels_inside_others_too() -> None:
    assert stage_places(net()) == {"stages.0": 4, "stages.1": 8}
    pair = nn.ModuleDict({"a": net(), "b": net()})
    assert list(stage_places(pair)) == ["a.stages.0", "a.stages.1", "b.stages.0", "b.stages.1"]
    assert stage_places(nn.Linear(2, 2)) == {}


def test_every_network_of_a_different_build_has_stages() -> None:
    for name in ("alexnet", "nin_cifar10", "fleetnet_small", "fasternet_t0"):
        model = skeleton(name)
        places = stage_places(model)
        assert places
        assert all(path in dict(model.named_modules()) for path in places)


def test_what_was_put_in_works_and_is_taken_out_again() -> None:
    model, x = net(), torch.randn(2, 3, 8, 8)
    before, keys = model(x), list(model.state_dict())
    result = insert_after(model, stage_places(model), lambda c: nn.Conv2d(c, c, 1))
    assert result.changed == ("stages.0", "stages.1")
    assert not torch.equal(model(x), before)
    insert_after(model, {"stages.0": 0.3}, MaxDropout)
    take_out(model, nn.Conv2d)
    assert torch.equal(model(x), before)
    assert len(list(model.modules())) > len(list(net().modules()))  # MaxDropout is still there
    take_out(model, MaxDropout)
    assert list(model.state_dict()) == keys
    assert len(list(model.modules())) == len(list(net().modules()))


def test_what_is_put_in_goes_where_the_part_is() -> None:
    model = net().double().to("meta")
    insert_after(model, stage_places(model), TargetDrop)
    kinds = {(p.device.type, p.dtype) for p in model.parameters()}
    assert kinds == {("meta", torch.float64)}


def test_no_place_is_told() -> None:
    result = insert_after(nn.Linear(2, 2), {}, lambda _: nn.Identity())
    assert result.changed == ()
    assert result.skipped[0].reason == "it has no stages"

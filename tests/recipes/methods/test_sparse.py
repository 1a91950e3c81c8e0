"""Words for few connections: which layers get a mask, what is left of them, wrong numbers."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.nets.create import create
from fleetfoot.ops.masked import masked_layers
from fleetfoot.passes.compact import compact
from fleetfoot.recipes.method import Surgery, apply_surgery, finish, method_of
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.masks import keep_silent, move_masks
from fleetfoot.train.recipe import Recipe


@pytest.mark.parametrize("word", ["scl:density=0.3", "prune:density=0.3,schedule=oneshot"])
def test_inner_layers_get_masks_and_lose_them(word: str):
    torch.manual_seed(0)
    recipe, told = Recipe(methods=methods(word)), list[Surgery]()
    plain = create("mobilenetv1_100", num_classes=3)
    keys = list(plain.state_dict())
    net = apply_surgery(plain, recipe, tell=told.append).eval()
    assert {why: len(sites) for why, sites in told[0].left.items()} == {
        "first layer": 1,
        "depthwise": 13,
        "classifier": 1,
    }
    masked = masked_layers(net)
    assert len(masked) == 13
    with torch.no_grad():
        for layer in masked.values():
            layer.mask.normal_()
    x = torch.randn(1, 3, 32, 32)
    expected = net(x)
    done = finish(net, recipe)
    assert not masked_layers(done)
    assert list(done.state_dict()) == keys
    torch.testing.assert_close(done(x), expected)
    zeros = sum(int((m.weight == 0).sum()) for m in done.modules() if isinstance(m, nn.Conv2d))
    assert zeros > 1_000_000


def test_filters_go_with_their_channels():
    torch.manual_seed(0)
    recipe = Recipe(methods=methods("channels:keep=0.5"))
    net = apply_surgery(create("vovnet27_slim", num_classes=3), recipe)
    layers = list(masked_layers(net).values())
    assert all(len(layer.followed_by) == 1 for layer in layers)
    for progress in (0.0, 0.3, 0.7):
        for layer in layers:
            layer.progress = progress
        net(torch.randn(2, 3, 32, 32)).square().sum().backward()
        move_masks(layers)
        with torch.no_grad():  # an optimizer moves what it finds
            for layer in layers:
                layer.followed_by[0].bias += 0.1
        keep_silent(layers)
    done = finish(net, recipe).eval()
    convs = [m for m in done.modules() if isinstance(m, nn.Conv2d)][1:]
    kept = [int((m.weight.flatten(1) != 0).any(dim=1).sum()) for m in convs]
    assert kept == [round(m.out_channels / 2) for m in convs]
    small, x = compact(done), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(small.model(x), done(x), rtol=1e-4, atol=1e-5)
    before, after = (count(each, (3, 32, 32)).macs for each in (done, small.model))
    assert after < 0.35 * before


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("scl:density=1.5", r"density=1\.5 is not between 0 and 1"),
        ("scl:penalty=-1", "penalty=-1 is below 0"),
        ("channels:keep=1", "keep=1 is not between 0 and 1"),
        ("prune:density=0", "density=0 is not between 0 and 1"),
        ("prune:schedule=never", "schedule=never is not one of gradual, oneshot"),
    ],
)
def test_wrong_numbers_are_one_line(word: str, message: str):
    with pytest.raises(UsageError, match=message):
        method_of(methods(word)[0])

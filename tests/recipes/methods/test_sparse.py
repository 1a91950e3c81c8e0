"""Words for few connections: which layers get a mask, what is left of them, wrong numbers."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.ops.masked import masked_layers
from fleetfoot.recipes.method import Surgery, apply_surgery, finish, method_of
from fleetfoot.train.method_word import methods
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


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("scl:density=1.5", r"density=1\.5 is not between 0 and 1"),
        ("scl:penalty=-1", "penalty=-1 is below 0"),
        ("prune:density=0", "density=0 is not between 0 and 1"),
        ("prune:schedule=never", "schedule=never is not one of gradual, oneshot"),
    ],
)
def test_wrong_numbers_are_one_line(word: str, message: str):
    with pytest.raises(UsageError, match=message):
        method_of(methods(word)[0])

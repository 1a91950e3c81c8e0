"""Binary convolutions by a word: what becomes of which layer, weights kept, what cannot be."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import save_portable
from fleetfoot.ops.binary_conv import BinaryConv2d
from fleetfoot.recipes.method import Surgery, apply_surgery, method_of
from fleetfoot.train.method_word import methods
from fleetfoot.train.recipe import Recipe


def recipe(*words: str) -> Recipe:
    return Recipe(methods=methods(*words))


def test_inner_convolutions_become_binary_and_others_say_why():
    torch.manual_seed(0)
    net = create("resnet20_cifar")
    before = net.stages[1][1].branch.conv1.conv.weight.detach().clone()
    told: list[Surgery] = []
    made = apply_surgery(net, recipe("binary:least=32"), tell=told.append)
    layers = made.stages[1][1].branch.conv1.conv
    assert [type(layer).__name__ for layer in layers] == ["BatchNorm2d", "Sign", "BinaryConv2d"]
    assert torch.equal(layers.conv.weight, before)
    assert {type(m) for m in made.stages[0].modules()}.isdisjoint({BinaryConv2d})
    (surgery,) = told
    assert surgery.changed == 11  # the first of the second stage reads 16 channels
    assert {why: len(sites) for why, sites in surgery.left.items()} == {
        "first convolution": 1,
        "fewer than 32 channels": 7,
        "linear layer": 1,
    }
    assert str(surgery).startswith("binary:least=32: changed 11 places, left 1 (first convolution")


def test_what_was_trained_is_built_again(tmp_path):
    torch.manual_seed(0)
    net = apply_surgery(create("resnet20_cifar", num_classes=3), recipe("binary:least=16")).eval()
    save_portable(tmp_path / "weights", net)
    again = create(f"local:{tmp_path / 'weights'}").eval()
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(again(x), net(x))
    assert again.created_as.options["binary"] == 16


def test_signs_come_both_ways_and_latent_weights_learn():
    torch.manual_seed(0)
    net = apply_surgery(create("resnet20_cifar"), recipe("binary:least=16"))
    seen: list[torch.Tensor] = []
    for module in net.modules():
        if isinstance(module, BinaryConv2d):
            module.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    net(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert len(seen) == 18
    for maps in seen:
        assert 0.2 < (maps > 0).float().mean() < 0.8
    weights = [m.weight for m in net.modules() if isinstance(m, BinaryConv2d)]
    assert all(weight.grad.abs().sum() > 0 for weight in weights)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("mobilenetv1_100", None), ("bnn_mnist", "finds no place"), ("nin_mnist", "has a bias")],
)
def test_networks_that_cannot_be_binarised_say_why(name: str, reason: str | None):
    net = create(name)
    if reason is None:  # depthwise ones stay, pointwise ones do not
        told: list[Surgery] = []
        apply_surgery(net, recipe("binary"), tell=told.append)
        assert "grouped" in told[0].left
        return
    with pytest.raises(UsageError, match=reason):
        apply_surgery(net, recipe("binary"))


def test_words_that_cannot_be():
    with pytest.raises(UsageError, match="least=0 is too small: give at least 1"):
        method_of(methods("binary:least=0")[0])
    with pytest.raises(UsageError, match="binary='yes'"):
        create("resnet20_cifar", binary="yes")


def test_a_network_that_was_made_binary_packs():
    pytest.importorskip("numba")
    from fleetfoot.passes.pack_binary import pack_binary

    torch.manual_seed(0)
    net = apply_surgery(create("resnet20_cifar"), recipe("binary:least=16"))
    for _ in range(3):
        net(torch.randn(8, 3, 32, 32))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = net.eval()(x)
    packed = pack_binary(net, (3, 32, 32))
    assert len(packed.packed) == 18
    torch.testing.assert_close(
        torch.from_numpy(packed.net(x.numpy())), expected, atol=2e-3, rtol=1e-3
    )


def test_nothing_is_a_sign_of_a_map_without_numbers_below_zero():
    net = apply_surgery(nn.Sequential(*_two_convs()), recipe("binary:least=4"))
    assert isinstance(net[2].norm, nn.BatchNorm2d)


def _two_convs() -> list[nn.Module]:
    return [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False)]

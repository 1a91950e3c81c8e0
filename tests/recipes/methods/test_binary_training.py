"""How binary networks are trained: settings, and what a network must have."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.nets.exchanges import unbinarise_weights
from fleetfoot.nets.portable import save_portable
from fleetfoot.nets.weights import load_weights
from fleetfoot.ops.binary_conv import has_binary_layers
from fleetfoot.ops.sine_sign import SineSign
from fleetfoot.recipes.build import _saved_options
from fleetfoot.recipes.method import apply_surgery, finish, method_of
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.recipe import Recipe


@pytest.mark.parametrize("bits", [1, 8, -2])
def test_error_signals_of_bits_that_float32_has_not_are_refused(bits: int) -> None:
    word = MethodWord.parse(f"binarised_backprop:gradient_bits={bits}")
    with pytest.raises(UsageError, match=f"gradient_bits={bits} is not 0, or 2 to 7"):
        method_of(word)


def test_neurons_are_drawn_or_not() -> None:
    with pytest.raises(UsageError, match="neurons=none is not one of stochastic, deterministic"):
        method_of(MethodWord.parse("binarised_backprop:neurons=none"))
    found = method_of(MethodWord.parse("binarised_backprop:neurons=deterministic,gradient_bits=6"))
    assert found.step is not None
    assert found.loss is None


def test_the_first_stage_has_the_weights_of_the_second(tmp_path: Path) -> None:
    torch.manual_seed(0)
    binary = create("bnn_cifar10", num_classes=3)
    latent = {name: t.clone() for name, t in binary.state_dict().items()}
    staged = apply_surgery(binary, Recipe(methods=methods("real_weights")))
    assert not has_binary_layers(staged)
    assert all(torch.equal(t, latent[name]) for name, t in staged.state_dict().items())
    x = torch.randn(2, 3, 32, 32)
    conv = staged.stages[0].conv
    assert type(conv) is nn.Conv2d
    torch.testing.assert_close(conv(x), F.conv2d(x, latent["stages.0.conv.weight"], padding=1))
    save_portable(tmp_path / "w", staged)
    again = create(f"local:{tmp_path / 'w'}")
    assert torch.equal(again.eval()(x), staged.eval()(x))

    second = create("bnn_cifar10", num_classes=3)
    load_weights(second, tmp_path / "w")
    for name, weight in second.named_parameters():
        if name.endswith(("conv.weight", "linear.weight")):
            assert torch.equal(weight, latent[name])
            below = (weight < 0).float().mean()
            assert 0.4 < below < 0.6, name  # never all of one sign, as in the released code


def test_the_second_stage_is_a_binary_network_again(tmp_path: Path) -> None:
    staged = create("bnn_mnist", real_weights=True)
    save_portable(tmp_path / "w", staged)
    spec = RunSpec(data="", net="bnn_mnist", size=28, weights=str(tmp_path / "w"))
    assert _saved_options(spec) == {}


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("resnet20_cifar", {}, "finds no place in ResNetCifar"),
        ("recu_resnet20", {}, "its weights have a rule of their own"),
    ],
)
def test_a_network_without_such_weights_is_refused(name: str, options: dict, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        apply_surgery(create(name, **options), Recipe(methods=methods("real_weights")))


def test_a_border_of_bits_stays_and_false_is_no_option() -> None:
    with pytest.raises(UsageError, match="real_weights=False is what binary networks are"):
        create("bnn_mnist", real_weights=False)
    net = create("bnn_cifar10", pad_value=1.0)
    found = unbinarise_weights(net)
    assert {skip.reason for skip in found.skipped} == {"its border is not 0"}
    assert len(found.changed) == 3  # the linear layers


def test_noise_comes_in_and_leaves_every_weight_behind() -> None:
    torch.manual_seed(0)
    net, recipe = create("fda_resnet20"), Recipe(methods=methods("noise_adaptation"))
    keys, weight = [*net.state_dict()], net.stages[1][0].unit1.conv.weight
    noisy = apply_surgery(net, recipe)
    unit = noisy.stages[1][0].unit1
    assert unit.sign.noise_down.shape == (16, 1)
    assert unit.conv.noise_down.shape == (144, 2)
    assert len([*noisy.state_dict()]) == len(keys) + 2 * 2 * 18
    assert [*finish(noisy, recipe).state_dict()] == keys
    assert net.stages[1][0].unit1.conv.weight is weight


def test_a_sign_without_its_convolution_has_no_channels_to_learn_from() -> None:
    net = nn.Sequential(SineSign(), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(UsageError, match="no convolution of sines follows it"):
        apply_surgery(net, Recipe(methods=methods("noise_adaptation")))

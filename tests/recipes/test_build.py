"""The network of a run: its words, its first weights, what it refuses."""

import dataclasses
from pathlib import Path

import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.data.open_data import open_data
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import save_portable
from fleetfoot.recipes.build import build
from fleetfoot.recipes.photographs import transfer
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.train.method_word import methods
from fleetfoot.train.recipe import Recipe

NET = "tf_efficientnet_lite0"


def test_a_map_needs_the_published_classifier(pictures: Path) -> None:
    data = open_data(str(pictures))
    for head, outputs in (("auto", 1000), ("class_map", 1000), ("linear", 3)):
        recipe = transfer().with_changes(head=head)
        spec = RunSpec(data=str(pictures), net=NET, size=32, weights="auto", recipe=recipe)
        net = build(spec, data, preprocess_for(spec, data))
        assert net.classifier.out_features == outputs


def built(root: Path, net: str, size: int, **changes: object) -> torch.nn.Module:
    data = open_data(str(root))
    spec = RunSpec(data=str(root), net=net, size=size, recipe=Recipe().with_changes(**changes))
    return build(spec, data, preprocess_for(spec, data))


def dropouts(net: torch.nn.Module) -> set[float]:
    return {module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)}


def test_rates_that_the_recipe_leaves_open_are_the_published_ones(squares: Path) -> None:
    assert dropouts(built(squares, "nin_cifar10", 32)) == {0.5}
    assert dropouts(built(squares, "nin_cifar10", 32, dropout=0.1, drop_path=0.0)) == {0.1}
    with pytest.raises(UsageError, match="nin_cifar10 has no option 'drop_path'"):
        built(squares, "nin_cifar10", 32, drop_path=0.1)


def test_a_size_that_the_network_cannot_take_is_refused(squares: Path) -> None:
    with pytest.raises(UsageError, match=r"size = 32: alexnet needs .* at least 63 .*--size 63"):
        built(squares, "alexnet", 32)


def test_unshared_filters_are_made_for_the_size(squares: Path) -> None:
    assert built(squares, "cuda_convnet_13", 20).only_size == 20


def test_words_of_the_recipe_reach_the_network(squares: Path) -> None:
    net = built(squares, "nin_cifar10", 32, options=(("logit_relu", False),))
    assert isinstance(net.act, torch.nn.Identity)
    with pytest.raises(UsageError, match="nin_cifar10 has no option 'lrn'"):
        built(squares, "nin_cifar10", 32, options=(("lrn", True),))


def test_every_size_of_the_training_images_has_to_fit(squares: Path) -> None:
    with pytest.raises(UsageError, match=r"size = 16: fasternet_t0 needs .* at least 32"):
        built(squares, "fasternet_t0", 32, sizes=((0.0, 16), (0.5, 32)))


def test_first_weights_are_not_set_over_trained_ones(squares: Path, tmp_path: Path) -> None:
    words = {"data": str(squares), "net": "nin_cifar10", "size": 32}
    data, recipe = open_data(str(squares)), Recipe(methods=methods("kaiming"))
    spec = RunSpec(**words, weights=str(tmp_path), recipe=recipe)
    with pytest.raises(UsageError, match=r"method kaiming sets first weights.* --weights none"):
        build(spec, data, preprocess_for(spec, data))


def test_saved_weights_bring_their_function_and_their_pixels(squares: Path, tmp_path: Path) -> None:
    """Weights learnt behind another activation, or other means, compute nonsense without it."""
    saved = create("cuda_convnet_26", num_classes=2, size=24, activation="fplus")
    data = open_data(str(squares))
    first = RunSpec(data=str(squares), net="cuda_convnet_26", size=24)
    pixels = dataclasses.replace(preprocess_for(first, data), mean=(1.0, 2.0, 3.0))
    save_portable(tmp_path / "weights", saved, preprocess=pixels.to_json())
    spec = dataclasses.replace(first, weights=str(tmp_path / "weights"))
    assert preprocess_for(spec, data) == pixels
    net = build(spec, data, pixels)
    assert net.created_as.options["activation"] == "fplus"
    image = torch.randn(1, 3, 24, 24)
    assert torch.equal(net.eval()(image), saved.eval()(image))


def test_first_weights_are_not_set_again_on_resume(squares: Path) -> None:
    data = open_data(str(squares))
    recipe = Recipe(methods=methods("kaiming"))
    spec = RunSpec(data=str(squares), net="cuda_convnet_26", size=24, recipe=recipe)
    pixels = preprocess_for(spec, data)
    plain, set_again = (build(spec, data, pixels, initialise=on) for on in (False, True))
    ordinary = built(squares, "cuda_convnet_26", 24)
    assert torch.equal(plain.classifier.weight, ordinary.classifier.weight)
    assert not torch.equal(plain.classifier.weight, set_again.classifier.weight)


def test_a_second_run_needs_a_first(squares: Path) -> None:
    with pytest.raises(UsageError, match="method fixres is for a network that has been trained"):
        built(squares, "cuda_convnet_26", 24, methods=("fixres",))

"""Methods on labels: the second network of JoCoR, one loss a recipe, ranges."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.recipes.method import apply_surgery, finish, method_of, step_of
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.jocor import Pair


def net() -> nn.Module:
    torch.manual_seed(0)
    return create("cuda_convnet_18", num_classes=3)


def test_the_second_network_has_other_weights_and_leaves_again() -> None:
    first, recipe = net(), Recipe(methods=methods("jocor"))
    both = apply_surgery(first, recipe)
    assert isinstance(both, Pair)
    assert both.first is first
    assert both.second.created_as == first.created_as
    weights = [part.get_parameter("classifier.weight") for part in (both.first, both.second)]
    assert not torch.equal(*weights)
    assert finish(both, recipe) is first


def test_what_is_not_trained_is_that_of_the_first() -> None:
    first = create("fleetnet_small", frozen_stem=True)
    torch.nn.init.normal_(first.stem[0].weight)
    both = apply_surgery(first, Recipe(methods=methods("jocor")))
    assert torch.equal(both.first.stem[0].weight, both.second.stem[0].weight)


def test_methods_that_come_behind_reach_both_networks() -> None:
    both = apply_surgery(net(), Recipe(methods=methods("jocor", "max_dropout")))
    assert list(both.first.state_dict()) == list(both.second.state_dict())


@pytest.mark.parametrize("name", ["max_dropout", "shake_drop"])
def test_a_network_that_was_changed_before_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name it before the other methods"):
        apply_surgery(create("resnet20_cifar"), Recipe(methods=methods(name, "jocor")))


def test_a_network_that_cannot_be_made_again_is_refused() -> None:
    with pytest.raises(UsageError, match="only networks of `create` can be made twice"):
        apply_surgery(nn.Linear(2, 2), Recipe(methods=methods("jocor")))


def test_two_losses_are_refused() -> None:
    with pytest.raises(UsageError, match="jocor and manifold_mixup each compute the loss"):
        step_of(Recipe(methods=methods("jocor", "tsla", "manifold_mixup")))


def test_a_loss_takes_the_innermost_place() -> None:
    found = method_of(MethodWord.parse("jocor"))
    step = step_of(Recipe(methods=methods("jocor")))
    assert step.compute.__name__ == found.loss.__name__
    assert step.methods == methods("jocor")


@pytest.mark.parametrize(
    "word",
    ["tsla:smoothing=1", "tsla:until=1.5", "jocor:noise=1", "jocor:weight=1", "jocor:ramp=0"],
)
def test_settings_out_of_their_range_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        method_of(MethodWord.parse(word))

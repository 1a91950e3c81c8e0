"""Methods on images: what a step sees of a word."""

from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.recipes.method import method_of, step_of
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context


def heard_by(*words: str) -> Context:
    """The context that the innermost step gets."""
    heard: list[Context] = []

    def inner(net: nn.Module, batch: Any, context: Context) -> Any:
        heard.append(context)
        return torch.zeros(()), {}

    recipe = Recipe(methods=methods(*words))
    step_of(recipe, inner)(nn.Identity(), None, Context(recipe, 0, 3, None, "float32"))
    return heard[0]


def test_mixing_words_are_fields_of_the_augmentation() -> None:
    augment = heard_by("mixup:alpha=0.4").recipe.augment
    assert (augment.mix.mixup, augment.mix.cutmix, augment.mix.mix_probability) == (0.4, 0.0, 1.0)
    augment = heard_by("mixup", "cutmix:alpha=2").recipe.augment
    assert (augment.mix.mixup, augment.mix.cutmix) == (1.0, 2.0)
    assert heard_by("cutmix").recipe.augment.mix.mix_probability == 0.5


def test_transforms_come_in_the_order_of_the_words() -> None:
    images = torch.ones(4, 1, 8, 8)
    first, second = heard_by("cutout:side=2,holes_each=2", "random_erasing:chance=1").transforms
    for transform in (first, second):
        found = transform(images, torch.Generator().manual_seed(0))
        assert (found == 0).any()
        assert (found == 1).any()
    gone = (first(images, torch.Generator().manual_seed(0)) == 0).flatten(1).sum(dim=1)
    assert gone.max() <= 8  # two squares of two


@pytest.mark.parametrize(
    "word",
    [
        "cutout:side=0",
        "cutout:holes_each=0",
        "random_erasing:chance=1.5",
        "mixup:alpha=0",
        "mixup:probability=2",
        "cutmix:alpha=-1",
        "batch_augment:copies=0",
        "batch_augment:pad=-1",
        "batch_augment:flip=-0.5",
        "fixres:norms=first",
    ],
)
def test_settings_out_of_their_range_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        method_of(MethodWord.parse(word))

"""TSLA: smoothed up to the moment, plain from it on."""

import torch
from torch import nn

from fleetfoot.train.recipe import Examples, Recipe
from fleetfoot.train.steps.step import Context
from fleetfoot.train.steps.tsla import two_stage_smoothing


def smoothing_at(step: int, until: float) -> float:
    heard = []

    def inner(net, batch, context):
        heard.append(context.recipe.examples.label_smoothing)
        return torch.zeros(()), {}

    context = Context(
        Recipe(examples=Examples(label_smoothing=0.3)), step, 3, None, "float32", total_steps=10
    )
    two_stage_smoothing(inner, smoothing=0.1, until=until)(nn.Identity(), None, context)
    return heard[0]


def test_smooths_in_the_first_part_alone() -> None:
    assert [smoothing_at(step, 0.5) for step in (0, 4, 5, 9)] == [0.1, 0.1, 0.0, 0.0]


def test_the_ends_are_smoothing_throughout_and_never() -> None:
    assert {smoothing_at(step, 1.0) for step in range(10)} == {0.1}
    assert {smoothing_at(step, 0.0) for step in range(10)} == {0.0}

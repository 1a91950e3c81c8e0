"""The recipe of He et al. for the size of the images."""

import pytest

from fleetfoot.claims.he_recipe import he_recipe
from fleetfoot.train.optim.rules import SGD


@pytest.mark.parametrize(("size", "pad"), [(16, 2), (32, 4)])
def test_shifts_are_an_eighth_of_the_image(size: int, pad: int) -> None:
    recipe = he_recipe(size)
    assert (recipe.augment.crop, recipe.augment.pad, recipe.augment.flip) == ("pad", pad, 0.5)


def test_the_rate_falls_twice_unless_it_shall_not() -> None:
    assert he_recipe(32).schedule.milestones == (0.5, 0.75)
    assert he_recipe(32, milestones=()).schedule.milestones == ()
    assert he_recipe(32).optimizer == SGD(lr=0.1, weight_decay=1e-4)

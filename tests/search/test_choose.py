import dataclasses

import pytest

from fleetfoot.search.choice import Situation
from fleetfoot.search.choose import default_choice, recipe_for

LITES = frozenset(f"tf_efficientnet_lite{n}" for n in range(3))
PHOTOS = Situation(pixels=256, images=290, weights=LITES)
NO_WEIGHTS = Situation(pixels=256, images=290)


@pytest.mark.parametrize(
    ("situation", "net", "size", "recipe"),
    [
        (Situation(pixels=8, images=1438, grey=True), "fleetnet_small", 16, "glyphs"),
        (Situation(pixels=28, images=55_000, grey=True), "fleetnet_small", 28, "glyphs"),
        (Situation(pixels=16, images=500), "fleetnet_small", 16, "small_images"),
        (Situation(pixels=32, images=45_000), "fleetnet", 32, "small_images"),
        (PHOTOS, "tf_efficientnet_lite0", 224, "transfer"),
        (NO_WEIGHTS, "fasternet_t0", 160, "scratch"),
        (Situation(pixels=96, images=5000), "fasternet_t0", 96, "scratch"),
    ],
)
def test_the_table_of_defaults(situation: Situation, net: str, size: int, recipe: str):
    choice = default_choice(situation)
    assert (choice.net, choice.size, choice.recipe) == (net, size, recipe)
    assert choice.reason.startswith("row of the table")
    assert choice.pretrained is (recipe == "transfer")


def test_weights_for_small_images_do_not_change_the_choice():
    assert default_choice(dataclasses.replace(PHOTOS, pixels=32)).net == "fleetnet"


def test_a_named_network_gets_the_recipe_and_size_that_fit_it():
    named = default_choice(PHOTOS, net="tf_efficientnet_lite2")
    assert (named.size, named.recipe, named.pretrained) == (260, "transfer", True)
    scratch = default_choice(PHOTOS, net="fasternet_t1")
    assert (scratch.recipe, scratch.pretrained) == ("scratch", False)
    assert default_choice(PHOTOS, net="fasternet_t1", size=128).size == 128


def test_the_recipe_fits_weights_and_pixels():
    assert recipe_for("tf_efficientnet_lite0", PHOTOS) == "transfer"
    assert recipe_for("tf_efficientnet_lite0", NO_WEIGHTS) == "scratch"
    assert recipe_for("fasternet_t0", Situation(pixels=32, images=10)) == "small_images"

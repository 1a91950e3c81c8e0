import pytest

from fleetfoot.nets.catalog import entry
from fleetfoot.recipes.published import PEAK_MACS, SHARE_OF_PEAK, Published
from fleetfoot.train.recipe import Examples, Recipe


def published(**changes):
    words = {"net": "fasternet_t0", "size": 224, "top1": None, "note": "", "paper": ""}
    words["images"] = 10
    return Published(**{"recipe": lambda: Recipe(epochs=6), **words, **changes})


def test_macs_are_three_passes_over_every_image_of_every_epoch():
    facts = entry("fasternet_t0")
    assert published().macs == 3 * facts.macs * 10 * 6
    assert published(size=112).macs * 4 == published().macs


def test_sizes_count_by_the_share_of_the_run_that_they_have():
    recipe = Recipe(epochs=4, examples=Examples(sizes=((0.0, 112), (0.75, 224))))
    whole = published(recipe=lambda: Recipe(epochs=4)).macs
    assert published(recipe=lambda: recipe).macs == whole * (0.75 / 4 + 0.25)


def test_hours_are_macs_at_the_assumed_pace():
    one = published()
    assert one.hours == pytest.approx(one.macs / (PEAK_MACS * SHARE_OF_PEAK * 3600))

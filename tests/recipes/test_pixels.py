from pathlib import Path

from fleetfoot.data.open_data import open_data
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.train.recipe import Examples, Recipe


def test_the_recipe_says_how_images_are_read(squares: Path) -> None:
    data = open_data(str(squares))
    recipe = Recipe(examples=Examples(centred_input=True, crop_fraction=0.75))
    spec = RunSpec(data=str(squares), net="cuda_convnet_26", size=24, recipe=recipe)
    centred = preprocess_for(spec, data)
    assert (centred.std, centred.crop_fraction) == ((1.0, 1.0, 1.0), 0.75)
    plain = preprocess_for(RunSpec(data=str(squares), net="cuda_convnet_26", size=24), data)
    assert (plain.mean, plain.crop_fraction) == (centred.mean, 1.0)
    assert min(plain.std) > 50

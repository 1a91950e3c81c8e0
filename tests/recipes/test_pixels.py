from pathlib import Path

import numpy as np
from PIL import Image

from fleetfoot.data.open_data import open_data
from fleetfoot.data.preprocess import Preprocess
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


def test_the_contract_has_the_depth_of_the_images(tmp_path: Path) -> None:
    for label, level in (("a", 900), ("b", 4000)):
        (tmp_path / label).mkdir()
        for number in range(3):
            values = np.full((16, 16), level - number, np.uint16)
            Image.fromarray(values).save(tmp_path / label / f"{number}.png")
    data = open_data(str(tmp_path))
    contract = preprocess_for(RunSpec(data=str(tmp_path), net="cuda_convnet_26", size=16), data)
    assert contract.depth == 12
    assert contract.mean[0] > 100
    assert Preprocess.from_json(contract.to_json()) == contract

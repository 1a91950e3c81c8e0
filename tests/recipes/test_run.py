"""A run from published weights: the head speaks through their classifier, and is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fleetfoot.core.listener import Silent
from fleetfoot.data.open_data import open_data
from fleetfoot.nets.create import create
from fleetfoot.recipes.photographs import transfer
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run import run
from fleetfoot.recipes.run_spec import RunSpec

NET = "tf_efficientnet_lite0"


def spec_for(pictures: Path, **changes: object) -> RunSpec:
    recipe = transfer().with_changes(
        epochs=1, batch=8, precision="float32", layout="nhwc", **changes
    )
    return RunSpec(data=str(pictures), net=NET, size=32, weights="auto", recipe=recipe)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["class_map", "linear"])
def test_the_saved_network_is_the_trained_one(pictures: Path, tmp_path: Path, head: str) -> None:
    spec, data = spec_for(pictures, head=head, head_only=True), open_data(str(pictures))
    result = run(spec, data, folder=tmp_path, listener=Silent())
    assert (tmp_path / "head.json").is_file()
    net = create(f"local:{tmp_path / 'weights'}").eval()
    assert net.created_as.num_classes == 3
    assert net.created_as.options.get("class_map") == (1000 if head == "class_map" else None)
    preprocess = preprocess_for(spec, data)
    crops = np.stack([preprocess.crop(data.val.read(i)) for i in range(len(data.val))])
    with torch.no_grad():
        found = net(torch.from_numpy(preprocess.normalise(crops))).argmax(dim=1).numpy()
    assert (found == data.val.labels).mean() == pytest.approx(result.val.top1)
    assert result.training.steps == 0

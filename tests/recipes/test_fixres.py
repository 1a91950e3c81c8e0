"""FixRes, as a second run: only the classifier and the last norm leave their first weights."""

from pathlib import Path

import pytest
import torch

from fleetfoot.data.loader import Loader
from fleetfoot.data.open_data import open_data
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import save_portable
from fleetfoot.recipes import method
from fleetfoot.recipes.build import build
from fleetfoot.recipes.fixres import fix_resolution
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.step import Context
from fleetfoot.train.steps.take_steps import take_step
from fleetfoot.train.train_state import TrainState, prepare

LAST = "stages.2.2.branch.conv2.norm"


def test_the_second_run_fits_the_end_alone(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    torch.manual_seed(0)
    first = create("resnet20_cifar", in_chans=1)
    save_portable(tmp_path / "weights", first)
    recipe = fix_resolution().with_changes(batch=8)
    spec = RunSpec(
        data="digits",
        net="resnet20_cifar",
        size=8,
        weights=str(tmp_path / "weights"),
        recipe=recipe,
    )
    data = open_data("digits")
    preprocess = preprocess_for(spec, data)
    net = build(spec, data, preprocess)
    state = TrainState.of(prepare(net, recipe, layout="nchw", device="cpu"), recipe)
    normalise = Normalise(preprocess, layout="nchw", device=torch.device("cpu"))
    context = Context(recipe, 0, 10, normalise, "float32")
    batch = next(iter(Loader(data.train, preprocess, batch=8).epoch(0)))
    take_step(state, batch, context, step=method.step_of(recipe))
    before = first.state_dict()
    changed = {name for name, t in net.state_dict().items() if not torch.equal(t, before[name])}
    words = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert changed == {"classifier.weight", "classifier.bias", *(f"{LAST}.{w}" for w in words)}
    assert all(p.requires_grad for p in method.finish(net, recipe).parameters())

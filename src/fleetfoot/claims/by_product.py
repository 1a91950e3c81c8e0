"""A training as the product does it: with a plan and a run folder, which is thrown away."""

import tempfile
from pathlib import Path

from torch import nn

from fleetfoot.claims.claim import Setting
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.train.loop import TrainResult, train
from fleetfoot.train.planning.make_plan import make_plan
from fleetfoot.train.recipe import Recipe


def train_by_product(
    net: nn.Module, data: Data, recipe: Recipe, *, preprocess: Preprocess, setting: Setting
) -> TrainResult:
    """Train a network in place, with the recipe's head phase if it has one.

    Args:
        net: with its initial weights; afterwards it holds the weights to deploy.
        data: the data set; its validation images choose the weights.
        recipe: how to train.
        preprocess: from decoded image to network input.
        setting: gives the device and the listener.
    """
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        folder, heard = Path(scratch), setting.listener
        plan = make_plan(
            net,
            data,
            recipe,
            preprocess=preprocess,
            folder=folder,
            device=setting.device,
            progress=heard,
        )
        return train(
            net, data, recipe, plan=plan, folder=folder, preprocess=preprocess, progress=heard
        )

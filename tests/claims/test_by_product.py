"""A training by the product's plan and loop, whose folder does not stay."""

from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from fleetfoot.claims import by_product
from fleetfoot.claims.by_product import train_by_product
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.training_images import preprocess_of
from fleetfoot.data.open_data import open_data
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.recipe import Compute, Recipe


def test_the_network_is_trained_in_place_and_no_folder_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders: list[Path] = []
    train = by_product.train

    def noted(*things, folder: Path, **words):
        folders.append(folder)
        return train(*things, folder=folder, **words)

    monkeypatch.setattr(by_product, "train", noted)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = net[1].weight.detach().clone()
    recipe = Recipe(
        epochs=1,
        optimizer=AdamW(lr=0.01),
        compute=Compute(precision="float32", layout="nchw", workers=0),
    )
    result = train_by_product(
        net, open_data("digits"), recipe, preprocess=preprocess_of("digits"),
        setting=Setting(scale="smoke"),
    )  # fmt: skip
    assert not torch.equal(net[1].weight, before)
    assert result.val_top1 > 0.3
    assert [folder.exists() for folder in folders] == [False]

"""One kept training in a process of its own, for the kill test: ``kept_run.py TRAININGS``."""

import sys
from pathlib import Path

from torch import nn

from fleetfoot.claims import kept_training
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.data.augment import Augment
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.recipe import Checkpoints, Compute, Examples, Recipe

STEPS = 12 * 3  # three an epoch

RECIPE = Recipe(
    epochs=12,
    batch=20,
    optimizer=AdamW(lr=0.01),
    examples=Examples(augment=Augment(crop="pad", pad=1, flip=0.5)),
    checkpoints=Checkpoints(ema=0.9),
    compute=Compute(precision="bfloat16", layout="nhwc"),
    methods=methods("mixup:alpha=1"),
)


def make() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Conv2d(8, 8, 1),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


def go(trainings: Path | None, *, seed: int = 3, setting: Setting | None = None) -> Outcome:
    """Train, or go on."""
    setting = setting or Setting(trainings=trainings)
    words = {"data": "digits", "train_images": 60, "test_images": 50}
    return train_once(make, setting, recipe=RECIPE, seed=seed, **words)  # pyright: ignore


if __name__ == "__main__":
    kept_training.SAVE_SECONDS = 0.0
    go(Path(sys.argv[1]))

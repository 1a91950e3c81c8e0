"""Photographs from scratch, for networks without pretrained weights.

Command   fleetfoot fit photos/ --net fasternet_t0 --minutes 10
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.optim.schedules import Cosine
from fleetfoot.train.recipe import Checkpoints, Examples, Recipe


def scratch() -> Recipe:
    """Return the recipe for photographs from scratch."""
    return Recipe(
        minutes=10,
        batch=32,
        optimizer=AdamW(lr=1e-3, weight_decay=0.05, clip_norm=1.0),
        schedule=Cosine(warmup=0.1),
        examples=Examples(
            augment=Augment(crop="resized", scale=(0.35, 1.0), flip=0.5), label_smoothing=0.1
        ),
        checkpoints=Checkpoints(ema=0.99),
    )

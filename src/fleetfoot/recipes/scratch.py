"""Photographs from scratch, for networks without pretrained weights.

Command   fleetfoot fit photos/ --net fasternet_t0 --minutes 10
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.recipe import Recipe


def scratch() -> Recipe:
    """Return the recipe for photographs from scratch."""
    return Recipe(
        minutes=10,
        batch=32,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=0.1,
        label_smoothing=0.1,
        augment=Augment(crop="resized", scale=(0.35, 1.0), flip=0.5),
        clip_norm=1.0,
        ema=0.99,
    )

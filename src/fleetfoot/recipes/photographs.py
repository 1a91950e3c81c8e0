"""Photographs, from pretrained weights and from scratch.

Command   fleetfoot fit photos/ --net tf_efficientnet_lite0 --minutes 2        (transfer)
          fleetfoot fit photos/ --net fasternet_t0 --minutes 10        (scratch)
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.optim.rules import AdamW, Groups
from fleetfoot.train.optim.schedules import Cosine
from fleetfoot.train.recipe import Checkpoints, Examples, Head, Network, Recipe

EXAMPLES = Examples(
    augment=Augment(crop="resized", scale=(0.35, 1.0), flip=0.5), label_smoothing=0.1
)


def transfer() -> Recipe:
    """Return the recipe for pretrained weights: the head on cached features, then everything.

    It suits a few hundred to a few thousand images.
    """
    return Recipe(
        minutes=5,
        batch=32,
        head=Head(kind="auto", steps=100),
        optimizer=AdamW(lr=2e-4, weight_decay=0.02, groups=Groups(layer_decay=0.8)),
        schedule=Cosine(warmup=0.1),
        examples=EXAMPLES,
        network=Network(dropout=0.2, drop_path=0.0, frozen_norm=True),
    )


def scratch() -> Recipe:
    """Return the recipe for networks without pretrained weights."""
    return Recipe(
        minutes=10,
        batch=32,
        optimizer=AdamW(lr=1e-3, weight_decay=0.05, clip_norm=1.0),
        schedule=Cosine(warmup=0.1),
        examples=EXAMPLES,
        checkpoints=Checkpoints(ema=0.99),
    )

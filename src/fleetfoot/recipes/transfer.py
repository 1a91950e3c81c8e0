"""Fine-tuning of pretrained weights on a few hundred to a few thousand photographs.

Command   fleetfoot fit photos/ --net tf_efficientnet_lite0 --minutes 2
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.optim.rules import AdamW, Groups
from fleetfoot.train.optim.schedules import Cosine
from fleetfoot.train.recipe import Examples, Head, Network, Recipe


def transfer() -> Recipe:
    """Return the recipe for pretrained weights: the head on cached features, then everything."""
    return Recipe(
        minutes=5,
        batch=32,
        head=Head(kind="auto", steps=100),
        optimizer=AdamW(lr=2e-4, weight_decay=0.02, groups=Groups(layer_decay=0.8)),
        schedule=Cosine(warmup=0.1),
        examples=Examples(
            augment=Augment(crop="resized", scale=(0.35, 1.0), flip=0.5), label_smoothing=0.1
        ),
        network=Network(dropout=0.2, drop_path=0.0, frozen_norm=True),
    )

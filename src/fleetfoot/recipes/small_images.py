"""FleetNet on images up to 40 px, from scratch: CIFAR-10, MNIST, digits.

Command   fleetfoot fit cifar10:DIR --minutes 10
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.recipe import Recipe


def small_images() -> Recipe:
    """Return the recipe for small images from scratch."""
    return Recipe(
        minutes=10,
        batch=512,
        optimizer="sgd",
        lr=0.2,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="linear",
        warmup=0.2,
        label_smoothing=0.1,
        augment=Augment(crop="pad", pad=4, flip=0.5),
        ema=0.99,
    )

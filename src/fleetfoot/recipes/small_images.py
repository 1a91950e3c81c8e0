"""FleetNet on small images from scratch.

Command   fleetfoot fit cifar10:DIR --minutes 10        (small_images)
          fleetfoot fit digits --minutes 1              (glyphs)
Source    after Jordan, 2024, arXiv:2404.00498: whitened stem, linear schedule up and down, label
          smoothing 0.2, alternating flip, faster biases, and its test-time augmentation by a
          horizontal flip, inside the network (docs/decisions/0019); benchmarks/results/ says what
          it reaches
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.optim.rules import SGD, Groups, Muon
from fleetfoot.train.optim.schedules import Linear
from fleetfoot.train.recipe import Checkpoints, Examples, Network, Recipe

MIRRORED = (("mirrored", True),)  # of FleetNet; for images that are mirrored in training


def small_images() -> Recipe:
    """Return the recipe for small colour images, such as CIFAR-10."""
    return Recipe(
        minutes=10,
        batch=512,
        optimizer=Muon(lr=1.0, momentum=0.85, weight_decay=1.3e-3, groups=Groups(bias_lr=32.0)),
        schedule=Linear(warmup=0.2),
        examples=Examples(
            augment=Augment(crop="pad", pad=2, flip="alternate"), label_smoothing=0.2
        ),
        network=Network(whitened_stem=True, options=MIRRORED),
    )


def glyphs() -> Recipe:
    """Return the recipe for small grey images, whose mirror image is another thing: digits."""
    return Recipe(
        minutes=1,
        batch=128,
        optimizer=SGD(lr=0.2, momentum=0.9, weight_decay=1e-3),
        schedule=Linear(warmup=0.2),
        examples=Examples(augment=Augment(crop="pad", pad=1, flip=0.0), label_smoothing=0.1),
        checkpoints=Checkpoints(ema=0.99),
    )

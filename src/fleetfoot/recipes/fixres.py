"""FixRes: fit the classifier and the last norm of a trained network to a larger size.

Command   fleetfoot fit DATA --net NET --weights RUN/weights --size 288 --recipe fix_resolution,
          where RUN trained NET at a smaller size with random resized crops
Cost      one forward pass an image, and a backward pass through the last stage at most
Expected  ImageNet, ResNet-50 trained at 224 px and evaluated at 384 px: 77.0 to 79.0 % right
Source    Touvron et al., NeurIPS 2019, arXiv:1906.06423, section 4; images as at evaluation, the
          first of its two variants; momentum, decay and schedule are ours
"""

from fleetfoot.data.augment import Augment
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import SGD
from fleetfoot.train.optim.schedules import Cosine
from fleetfoot.train.recipe import Examples, Recipe


def fix_resolution() -> Recipe:
    """Return the recipe of the second run."""
    return Recipe(
        epochs=56,
        batch=512,
        optimizer=SGD(lr=1e-3, momentum=0.9, weight_decay=1e-4),
        schedule=Cosine(warmup=0.0),
        examples=Examples(augment=Augment(crop="none", flip=0.0), label_smoothing=0.0),
        methods=methods("fixres"),
    )

"""The recipe of residual networks on CIFAR-10, which several claims train with.

Paper    He et al., CVPR 2016, arXiv:1512.03385, section 4.2
Departs  batches of 64 instead of 128, Nesterov's momentum; the rate falls at half and at three
         quarters of the epochs; shifts are by an eighth of the image, whatever its size
"""

from typing import Any

from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.train.recipe import Recipe


def he_recipe(size: int, **words: Any) -> Recipe:
    """Return the recipe for images of a side, pixels; ``words`` are fields of `Recipe`."""
    published: dict[str, Any] = {
        "batch": 64,
        "optimizer": "sgd",
        "lr": 0.1,
        "weight_decay": 1e-4,
        "milestones": (0.5, 0.75),
    }
    augment = {"crop": "pad", "pad": size // 8, "flip": 0.5}
    return plain_recipe(augment=augment, **{**published, **words})
